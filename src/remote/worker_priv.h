/* SPDX-License-Identifier: MIT
 *
 * The worker's files: the stream of work (worker.c), turns (turns.c), what is answered (outbox.c),
 * and the threads that run activities (hands.c).
 *
 *   W1  Turns and operations of entities run on the thread of the worker's connection, one after
 *       the other, as they come: nothing has to be handed from thread to thread, and what one
 *       message brought is answered together. A turn takes microseconds.
 *   W2  A stream begins with nothing known: when one has ended, whatever the author has in memory
 *       is dropped, for what it has may never have become durable.
 *   W3  An item that brings its past is run with that, never with what is in memory.
 *   W4  A result is kept until it is acknowledged, and sent again on the next stream. Whether it
 *       still counts is for its token to say.
 *   W5  No lock is held while user code runs, or a stream is called.
 *   W6  What is handed out as a suspect, because processes that had it died, is begun when the
 *       server has answered that it knows: turns one at a time, activities each on its thread.
 *   W7  No message is larger than the server takes. */
#ifndef REMOTE_WORKER_PRIV_H
#define REMOTE_WORKER_PRIV_H

#include <stdatomic.h>

#include "remote/remote_priv.h"
#include "wire/work.h"

/* ---- outbox.c -------------------------------------------------------------------------------- */

/* What is to be sent, gathered from all threads; and what was sent, until it is acknowledged. */
struct outbox {
    struct loop *loop;
    size_t message_max; /* W7 */
    pthread_mutex_t mutex;
    struct letters *open; /* fields of a work_up, from all threads; NULL: none */
    struct list full;     /* of struct letters, in which there is no room for what came next */
    struct list spare;    /* likewise */
    bool is_posted;
    struct loop_job job;
    _Atomic size_t waiting; /* results that nobody has acknowledged */

    /* the loop's thread */
    struct grpc_stream *stream; /* NULL: there is none; lent by the worker */
    struct list batches;        /* of struct letters, by their first number */
    uint64_t next;              /* number of the next result on this stream */
};

enum result_kind { RESULT_TURN = 1, RESULT_ENTITY = 2, RESULT_ACTIVITY = 3 }; /* fields */

void outbox_init(struct outbox *outbox, struct loop *loop, size_t message_max);
void outbox_done(struct outbox *outbox);

size_t outbox_takes(const struct outbox *outbox); /* bytes of one result, at most */
/* Any thread. On the loop's, what is added goes with the next outbox_flush. */
void outbox_add_result(struct outbox *outbox, enum result_kind kind, struct text bytes);
void outbox_add_beat(struct outbox *outbox, struct text token, struct text progress);
void outbox_give_back(struct outbox *outbox, struct text token);
void outbox_say_begins(struct outbox *outbox, struct text token); /* W6 */
void outbox_say_draining(struct outbox *outbox);
size_t outbox_waiting(const struct outbox *outbox); /* results not acknowledged */

/* The loop's thread. */
void outbox_open(struct outbox *outbox, struct grpc_stream *stream); /* W4 */
void outbox_close(struct outbox *outbox);
void outbox_flush(struct outbox *outbox);
void outbox_acknowledge(struct outbox *outbox, const struct number_list *numbers);

/* ---- turns.c --------------------------------------------------------------------------------- */

/* Of a WorkItem. kind: by its field; 0: none, it wants no answer. */
struct work_head {
    unsigned kind;
    struct text token;
    bool is_suspect;
};
enum { WORK_TURN = 1, WORK_ACTIVITY = 2, WORK_ENTITY = 5 };
struct work_head work_head_of(struct text item);

/* Who answers more than the server takes. */
const struct failure *work_failure_too_large(struct arena *arena, struct text name, size_t size,
                                             size_t most);

/* All of it the loop's thread's. */
struct turns {
    struct runner *runner;
    unsigned partitions;
    struct outbox *outbox;
    struct arena arena; /* of what is run */
    struct buffer scratch;
    struct list suspects; /* of struct suspect */
    unsigned unflushed;
};

void turns_init(struct turns *turns, struct runner *runner, unsigned partitions,
                struct outbox *outbox);
void turns_done(struct turns *turns);
/* Runs an encoded WorkItem, now or when its leave has come. */
void turns_give(struct turns *turns, struct text item, const struct work_head *head);
bool turns_let_begin(struct turns *turns, struct text token); /* W6. False: it is none of these */
void turns_cancel(struct turns *turns, struct text token);
void turns_drop(struct turns *turns); /* W2 */

/* ---- hands.c --------------------------------------------------------------------------------- */

struct hand;

struct hands {
    struct runner *runner;
    struct outbox *outbox;
    struct loop *loop;
    pthread_mutex_t mutex;
    pthread_cond_t work, idle, let;
    struct list queue; /* of struct job */
    struct hand *all;
    unsigned count, waiting, running;
    bool is_draining, is_stopping;

    /* heartbeats: said by threads, told by the loop's */
    struct loop_job beat_job;
    _Atomic bool is_beat_posted;
    struct loop_timer *beat_timer; /* the loop's thread */
    int64_t beaten_us;
    bool is_over; /* the loop's thread: nobody is told any more */

    /* the loop's thread: activities that wait and must begin in time */
    struct loop_timer *late_timer;
    int64_t late_at_us; /* when it fires; 0: it is not set */
};

bool hands_start(struct hands *hands, struct runner *runner, struct outbox *outbox,
                 struct loop *loop, unsigned threads);
/* The loop's thread: takes an activity, an encoded WorkItem. They begin with hands_go. */
void hands_give(struct hands *hands, struct text item, struct text token, bool is_suspect);
void hands_let_begin(struct hands *hands, struct text token); /* W6 */
void hands_go(struct hands *hands);
void hands_cancel(struct hands *hands, struct text token);
/* What waits is dropped: the stream is gone, and suspects that asked are too; or (gives_back) it is
 * told. */
void hands_drop(struct hands *hands, bool gives_back);
/* Begins no more, gives back what waits, and waits for those that run, so long. */
void hands_drain(struct hands *hands, int64_t max_ms);
void hands_forget_timers(struct hands *hands); /* the loop's thread; heartbeats end here */
void hands_stop(struct hands *hands);          /* joins */

#endif
