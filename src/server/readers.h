/* SPDX-License-Identifier: MIT
 *
 * Readers: a few threads for what takes longer than the loop may wait: queries, histories, purges,
 * opening and closing a hub.
 *
 *   R1  `work` runs on one of the threads, then `done` on the loop's. A job is free again when
 *       `done` is called.
 *   R2  Threads begin when they are first needed. readers_free lets what runs end; what waits is
 *       not run: so it comes when nothing waits any more. */
#ifndef SERVER_READERS_H
#define SERVER_READERS_H

#include "net/loop.h"

struct readers;

struct reader_job {
    struct loop_job job; /* first; the readers' while it is theirs */
    struct reader_job *next;
    void (*work)(struct reader_job *);
    void (*done)(struct reader_job *);
};

struct readers *readers_new(struct loop *loop, unsigned threads);
void readers_free(struct readers *readers);
void readers_give(struct readers *readers, struct reader_job *job);
size_t readers_waiting(struct readers *readers); /* not begun yet */

#endif
