/* SPDX-License-Identifier: MIT
 *
 * The loop: jobs of other threads in their order, one wake for many, what is done late, timers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/loop.h"

enum { THREADS = 4, JOBS = 20000 };

struct counted {
    struct loop_job job;
    struct poster *poster;
    int number;
};

struct poster {
    struct loop *loop;
    pthread_t thread;
    struct counted *jobs;
    int next; /* the loop's */
    bool is_in_order;
};

static atomic_int left;

static void run_counted(struct loop_job *job)
{
    struct counted *counted = (struct counted *)(void *)job; /* the first member */
    struct poster *poster = counted->poster;
    poster->is_in_order = poster->is_in_order && counted->number == poster->next;
    poster->next++;
    if (atomic_fetch_sub(&left, 1) == 1) {
        loop_stop(poster->loop);
    }
}

static void *post_all(void *argument)
{
    struct poster *poster = argument;
    for (int i = 0; i < JOBS; i++) {
        poster->jobs[i] = (struct counted){ .job.run = run_counted, .poster = poster, .number = i };
        loop_post(poster->loop, &poster->jobs[i].job);
        if (i % 1000 == 0) {
            usleep(500); /* so that the loop falls asleep in between */
        }
    }
    return NULL;
}

static void jobs_of_a_thread_run_in_its_order_and_none_is_lost(void **state)
{
    (void)state;
    pd_error err;
    struct poster posters[THREADS];
    struct loop *loop = loop_new(&err);
    assert_non_null(loop);
    left = THREADS * JOBS;
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){ .loop = loop,
                                      .jobs = mem_alloc(JOBS * sizeof(struct counted)),
                                      .is_in_order = true };
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    loop_run(loop);
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(posters[i].thread, NULL);
        assert_true(posters[i].is_in_order);
        assert_int_equal(posters[i].next, JOBS);
        mem_free(posters[i].jobs);
    }
    loop_free(loop);
}

/* ---- late ---- */

struct late {
    struct loop_job job;
    struct loop *loop;
    int at;
    struct late *takes_off, *adds;
};

static int order[8], orders;

static void run_late_job(struct loop_job *job)
{
    struct late *late = (struct late *)(void *)job;
    order[orders++] = late->at;
    if (late->takes_off != NULL) {
        loop_late_not(late->loop, &late->takes_off->job);
    }
    if (late->adds != NULL) {
        loop_late(late->loop, &late->adds->job);
    }
    if (late->at == 5) {
        loop_stop(late->loop);
    }
}

static void late_jobs_may_take_each_other_off_and_add_more(void **state)
{
    (void)state;
    pd_error err;
    struct loop *loop = loop_new(&err);
    struct late jobs[6];
    for (int i = 0; i < 6; i++) {
        jobs[i] = (struct late){ .job.run = run_late_job, .loop = loop, .at = i };
    }
    jobs[0].takes_off = &jobs[1]; /* in the middle */
    jobs[2].takes_off = &jobs[3]; /* the last */
    jobs[2].adds = &jobs[4];
    jobs[4].adds = &jobs[5];
    orders = 0;
    for (int i = 0; i < 4; i++) {
        loop_late(loop, &jobs[i].job);
    }
    loop_run(loop);
    assert_int_equal(orders, 4);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 2);
    assert_int_equal(order[2], 4);
    assert_int_equal(order[3], 5);
    loop_free(loop);
}

/* ---- timers ---- */

struct timed {
    struct loop *loop;
    struct loop_timer *timer, *never;
    time_us began, fired;
    int count;
};

static void fires(void *argument)
{
    struct timed *timed = argument;
    timed->fired = loop_steady(timed->loop);
    loop_timer_unset(timed->never);
    if (++timed->count == 3) {
        loop_stop(timed->loop);
    } else {
        loop_timer_set(timed->timer, 5000);
    }
}

static void must_not_fire(void *argument)
{
    ((struct timed *)argument)->count += 100;
}

static void timers_fire_not_before_their_time(void **state)
{
    (void)state;
    pd_error err;
    struct timed timed = { .loop = loop_new(&err) };
    timed.timer = loop_timer_new(timed.loop, fires, &timed);
    timed.never = loop_timer_new(timed.loop, must_not_fire, &timed);
    timed.began = loop_steady(timed.loop);
    loop_timer_set(timed.never, 8000);
    loop_timer_set(timed.timer, INT64_MAX); /* a year is for ever */
    loop_timer_set(timed.timer, 2500);
    loop_run(timed.loop);
    assert_int_equal(timed.count, 3);
    assert_true(timed.fired - timed.began >= 12500);
    loop_timer_free(timed.timer);
    loop_timer_free(timed.never);
    loop_free(timed.loop);
}

static void *stop_soon(void *argument)
{
    usleep(20000);
    loop_stop(argument);
    return NULL;
}

static void a_loop_that_sleeps_can_be_stopped_and_run_again(void **state)
{
    (void)state;
    pd_error err;
    struct loop *loop = loop_new(&err);
    assert_true(loop_is_mine(loop));
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stop_soon, loop), 0);
        loop_run(loop);
        (void)pthread_join(thread, NULL);
    }
    loop_free(loop);
}

/* ---- descriptors ---- */

struct watched {
    struct loop *loop;
    struct event *readable;
    int fd;
    bool was_in, is_in_after;
};

/* Some epoll set of this process has it: the kernel's word. */
static bool is_in_a_set(int fd)
{
    bool is = false;
    DIR *all = opendir("/proc/self/fdinfo");
    assert_non_null(all);
    for (const struct dirent *entry; (entry = readdir(all)) != NULL;) {
        char path[300], line[200];
        int one;
        (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%s", entry->d_name);
        FILE *info = fopen(path, "re");
        while (info != NULL && fgets(line, sizeof line, info) != NULL) {
            is |= sscanf(line, "tfd: %d", &one) == 1 && one == fd;
        }
        if (info != NULL) {
            (void)fclose(info);
        }
    }
    (void)closedir(all);
    return is;
}

static void unwatches(void *argument)
{
    struct watched *watched = argument;
    watched->was_in = is_in_a_set(watched->fd);
    (void)event_del(watched->readable);
    watched->is_in_after = is_in_a_set(watched->fd);
    loop_stop(watched->loop);
}

static void never_readable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what, (void)argument;
}

/* Else the loop would name, once it is closed, a number that another thread may have by then. */
static void a_descriptor_leaves_the_kernels_set_before_it_can_be_closed(void **state)
{
    (void)state;
    pd_error err;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct watched watched = { .loop = loop_new(&err), .fd = ends[0] };
    watched.readable =
        event_new(loop_base(watched.loop), watched.fd, EV_READ | EV_PERSIST, never_readable, NULL);
    assert_int_equal(event_add(watched.readable, NULL), 0);
    struct loop_timer *timer = loop_timer_new(watched.loop, unwatches, &watched);
    loop_timer_set(timer, 1000);
    loop_run(watched.loop);
    assert_true(watched.was_in);
    assert_false(watched.is_in_after);
    loop_timer_free(timer);
    event_free(watched.readable);
    (void)close(ends[0]);
    (void)close(ends[1]);
    loop_free(watched.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_of_a_thread_run_in_its_order_and_none_is_lost),
        cmocka_unit_test(late_jobs_may_take_each_other_off_and_add_more),
        cmocka_unit_test(timers_fire_not_before_their_time),
        cmocka_unit_test(a_loop_that_sleeps_can_be_stopped_and_run_again),
        cmocka_unit_test(a_descriptor_leaves_the_kernels_set_before_it_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
