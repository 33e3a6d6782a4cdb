/* SPDX-License-Identifier: MIT
 *
 * Loop: libevent's base, run one wake at a time, so that there is a moment at the end of each in
 * which everything that was asked for in it is done together (loop_late): connections write once
 * for all that was queued on them.
 *
 *   I1  `posted` is a stack that any thread pushes on; the loop takes all of it at once and turns
 *       it round. Order within one thread is kept (L2).
 *   I2  `is_asleep` is set before the loop looks at `posted` a last time and sleeps. Whoever pushes
 *       and finds it set clears it and writes to the eventfd: one write for each sleep, none while
 *       the loop is at work.
 *   I3  The eventfd is edge-triggered and never read: another write is another edge.
 *   I4  Clocks are read when first asked for after a wake.
 *   I5  A descriptor is out of the kernel's set when event_del returns. libevent could put that off
 *       to the next wake, but by then it is closed, and its number may be another thread's. */
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/object.h"
#include "net/loop.h"

enum { LOOP_MAGIC = 0x6c6f6f70, TIMER_MAGIC = 0x74696d72 };

struct loop {
    uint32_t magic;
    bool has_now, has_steady;
    int wake_fd;
    struct event_base *base;
    struct event *woken;
    time_us now, steady;
    struct loop_job *late, **late_end;
    _Atomic(pthread_t) thread; /* who made it, then who runs it */
    _Alignas(64) _Atomic(struct loop_job *) posted;
    atomic_bool is_asleep;
    atomic_bool is_stopped;
};

struct loop_timer {
    uint32_t magic;
    struct event *event;
    void (*fire)(void *);
    void *argument;
};

static void on_woken(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument; /* loop_run looks at what was posted */
}

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK); /* and no list of changes: I5 */
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct loop *loop_new(pd_error *err)
{
    struct loop *loop = OBJECT_NEW(struct loop, LOOP_MAGIC);
    loop->thread = pthread_self();
    loop->late_end = &loop->late;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->base = loop->wake_fd >= 0 ? base_new() : NULL;
    if (loop->base != NULL) {
        loop->woken =
            event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_woken, loop);
    }
    if (loop->woken == NULL || event_add(loop->woken, NULL) != 0) {
        (void)error_set(err, PD_E_UNAVAILABLE, true, "loop: begin",
                        "no event loop could be made: %s", strerror(errno));
        loop_free(loop);
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    if (loop->woken != NULL) {
        event_free(loop->woken);
    }
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    if (loop->wake_fd >= 0) {
        (void)close(loop->wake_fd);
    }
    OBJECT_FREE(loop, LOOP_MAGIC);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

bool loop_is_mine(const struct loop *loop)
{
    return pthread_equal(loop->thread, pthread_self()) != 0;
}

/* ---- jobs ---- */

static void wake(struct loop *loop)
{
    if (atomic_load(&loop->is_asleep) && atomic_exchange(&loop->is_asleep, false)) {
        const uint64_t one = 1;
        ssize_t written = write(loop->wake_fd, &one, sizeof one);
        /* The counter would be full after centuries: it is an edge all the same. */
        assert_that(written == (ssize_t)sizeof one || errno == EAGAIN);
    }
}

void loop_post(struct loop *loop, struct loop_job *job)
{
    struct loop_job *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        job->next = head;
    } while (!atomic_compare_exchange_weak(&loop->posted, &head, job));
    wake(loop);
}

static void run_posted(struct loop *loop)
{
    if (atomic_load_explicit(&loop->posted, memory_order_relaxed) == NULL) {
        return;
    }
    struct loop_job *taken = atomic_exchange(&loop->posted, NULL);
    struct loop_job *first = NULL;
    while (taken != NULL) {
        struct loop_job *next = taken->next;
        taken->next = first;
        first = taken;
        taken = next;
    }
    while (first != NULL) {
        struct loop_job *job = first;
        first = job->next; /* the job is its owner's again when it runs */
        job->run(job);
    }
}

void loop_late(struct loop *loop, struct loop_job *job)
{
    job->next = NULL;
    *loop->late_end = job;
    loop->late_end = &job->next;
}

void loop_late_not(struct loop *loop, struct loop_job *job)
{
    for (struct loop_job **link = &loop->late; *link != NULL; link = &(*link)->next) {
        if (*link == job) {
            *link = job->next;
            if (loop->late_end == &job->next) {
                loop->late_end = link;
            }
            return;
        }
    }
}

/* What is added meanwhile waits for the next round, in which sockets are looked at as well. One by
 * one, because a job may take others off the list. */
static void run_late(struct loop *loop)
{
    struct loop_job mark = { 0 };
    if (loop->late == NULL) {
        return;
    }
    loop_late(loop, &mark);
    while (loop->late != &mark) {
        struct loop_job *job = loop->late;
        loop->late = job->next; /* not the last: the mark is behind it */
        job->run(job);
    }
    loop->late = mark.next;
    if (loop->late == NULL) {
        loop->late_end = &loop->late;
    }
}

/* ---- running ---- */

void loop_run(struct loop *loop)
{
    OBJECT_CHECK(loop, LOOP_MAGIC);
    /* A peer that hangs up is an error of write(), which OpenSSL calls, and no signal. */
    sigset_t pipe_signal, before;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    loop->thread = pthread_self();
    while (!atomic_load(&loop->is_stopped)) {
        run_posted(loop);
        run_late(loop);
        loop->has_now = loop->has_steady = false;
        atomic_store(&loop->is_asleep, true);
        bool has_more = atomic_load(&loop->posted) != NULL || loop->late != NULL ||
                        atomic_load(&loop->is_stopped);
        (void)event_base_loop(loop->base, EVLOOP_ONCE | (has_more ? EVLOOP_NONBLOCK : 0));
        atomic_store(&loop->is_asleep, false);
    }
    atomic_store(&loop->is_stopped, false);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->is_stopped, true);
    wake(loop);
}

/* ---- time ---- */

static time_us read_clock(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}

time_us loop_now(struct loop *loop)
{
    if (!loop->has_now) {
        loop->now = read_clock(CLOCK_REALTIME);
        loop->has_now = true;
    }
    return loop->now;
}

time_us loop_steady(struct loop *loop)
{
    if (!loop->has_steady) {
        loop->steady = read_clock(CLOCK_MONOTONIC);
        loop->has_steady = true;
    }
    return loop->steady;
}

static void on_timer(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct loop_timer *timer = argument;
    timer->fire(timer->argument);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fire)(void *), void *argument)
{
    struct loop_timer *timer = OBJECT_NEW(struct loop_timer, TIMER_MAGIC);
    timer->fire = fire;
    timer->argument = argument;
    timer->event = event_new(loop->base, -1, 0, on_timer, timer);
    assert_that(timer->event != NULL);
    return timer;
}

void loop_timer_set(struct loop_timer *timer, int64_t delay_us)
{
    OBJECT_CHECK(timer, TIMER_MAGIC);
    /* A year is for ever to a timer, and keeps libevent's sums within their types. */
    int64_t most = INT64_C(365) * 86400 * TIME_SECOND;
    int64_t us = delay_us < 0 ? 0 : delay_us < most ? delay_us : most;
    struct timeval delay = { .tv_sec = us / TIME_SECOND, .tv_usec = us % TIME_SECOND };
    (void)event_add(timer->event, &delay);
}

void loop_timer_unset(struct loop_timer *timer)
{
    OBJECT_CHECK(timer, TIMER_MAGIC);
    (void)event_del(timer->event);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer != NULL) {
        event_free(timer->event);
        OBJECT_FREE(timer, TIMER_MAGIC);
    }
}
