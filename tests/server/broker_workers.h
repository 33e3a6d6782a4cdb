/* SPDX-License-Identifier: MIT
 *
 * Workers of a broker that are played on the loop's thread, without a network. One of ours runs
 * a program in the author room; one as SDKs are gets the whole past each time and keeps nothing:
 * it runs "sdk_chain" (five tasks in a row), "sdk_fan" (twenty at once) and their tasks. */
#ifndef TESTS_SERVER_BROKER_WORKERS_H
#define TESTS_SERVER_BROKER_WORKERS_H

#include "broker/broker.h"

enum { PLAYED_ITEMS = 100000 };

struct played_worker {
    struct broker *broker;
    struct broker_stream *stream; /* NULL: it is not connected */
    struct runner *author;        /* NULL: it is as SDKs are */
    struct text items[PLAYED_ITEMS];
    size_t first, count; /* that wait to be worked on */
};

/* Of all workers. */
struct played_counts {
    size_t answers, refusals, done;
};
extern struct played_counts played;

/* A program for one of ours; of the options only what the stream is. */
void played_connect(struct played_worker *worker, struct broker *broker,
                    const struct broker_stream_options *options, const pd_function *program,
                    size_t count);
/* With what it has not worked on. One that is not connected: nothing happens. */
void played_hang_up(struct played_worker *worker);
void played_work(struct played_worker *worker, size_t most);

#endif
