/* SPDX-License-Identifier: MIT
 *
 * Loop: one thread that waits for sockets, timers, and jobs from other threads. libevent's, behind
 * one small face.
 *
 *   L1  Everything of a loop happens on the thread that runs it, but for loop_post and loop_stop,
 *       which any thread may call.
 *   L2  Jobs of one thread run in the order they were posted. A loop that has many to run wakes
 *       once for all of them. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <perdure.h>

#include "base/time.h"

struct loop;
struct event_base;

struct loop *loop_new(pd_error *err);
void loop_free(struct loop *loop); /* not running; jobs that wait are not run. NULL is fine */

/* Until loop_stop. On the calling thread, which is the loop's from then on. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
bool loop_is_mine(const struct loop *loop); /* is the caller on its thread? */

/* Microseconds: since 1970, and since some time or other; as of when the loop woke. */
time_us loop_now(struct loop *loop);
time_us loop_steady(struct loop *loop);

/* Is inside of what is to be done, and is free again when `run` is called. */
struct loop_job {
    struct loop_job *next;
    void (*run)(struct loop_job *);
};
void loop_post(struct loop *loop, struct loop_job *job);

/* Loop's thread: at the end of this wake, when all that was ready has been handled. A job is there
 * once at most. What is asked for then comes with the next wake, which is at once. */
void loop_late(struct loop *loop, struct loop_job *job);
void loop_late_not(struct loop *loop, struct loop_job *job); /* not any more, if it was to run */

/* Once, not before so many microseconds have passed; again by setting it again. */
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *loop, void (*fire)(void *), void *argument);
void loop_timer_set(struct loop_timer *timer, int64_t delay_us);
void loop_timer_unset(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer); /* NULL is fine */

struct event_base *loop_base(struct loop *loop); /* for the files of this room only */

#endif
