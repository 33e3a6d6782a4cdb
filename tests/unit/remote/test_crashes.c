/* SPDX-License-Identifier: MIT
 *
 * A server and its workers die, each in the middle of work, by SIGKILL: what was acknowledged is
 * done all the same, once.
 *
 * The server is perdured as a process of its own; workers and clients speak to it by the public API
 * and the module, as any program does.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bed.h"

enum { ORCHESTRATIONS = 300, STEPS = 5 };

/* ---- the program ----------------------------------------------------------------------------- */

static pd_result step(pd_activity *a, pd_value n)
{
    atomic_int *count = pd_user(a);
    if (count != NULL) {
        atomic_fetch_add(count, 1);
    }
    nanosleep(&(struct timespec){ 0, 500 * 1000 }, NULL);
    return pd_ok(a, pd_int(n) + 1);
}

static pd_result climb(pd_orchestration *o, pd_value from)
{
    pd_value n = from;
    for (int i = 0; i < STEPS; i++) {
        n = pd_call_activity(o, step, n);
    }
    return pd_ok(o, n);
}

static pd_result measure(pd_orchestration *o, pd_value text)
{
    return pd_ok(o, (int64_t)strlen(pd_text(text)));
}

/* Goes on when its worker is stopped, and says so. */
static pd_result pant(pd_activity *a, pd_value n)
{
    atomic_int *count = pd_user(a);
    atomic_fetch_add(count, 1);
    for (int i = 0; i < 300; i++) {
        (void)pd_activity_heartbeat(a, i);
        nanosleep(&(struct timespec){ 0, 1000 * 1000 }, NULL);
    }
    return pd_ok(a, n);
}

static pd_result run_far(pd_orchestration *o, pd_value n)
{
    return pd_ok(o, pd_call_activity(o, pant, n));
}

static const pd_function program[] = {
    PD_FUNCTION("Climb", climb),    PD_FUNCTION("Measure", measure), PD_FUNCTION("Pant", pant),
    PD_FUNCTION("RunFar", run_far), PD_FUNCTION("Step", step),
};

static pd_worker *work(pd_hub *hub, atomic_int *count)
{
    pd_error err;
    const pd_worker_options options = { .user = count, .threads = 4, .drain_max = pd_seconds(2) };
    pd_worker *worker = pd_worker_start(hub, PD_PROGRAM(program), &options, &err);
    if (worker == NULL) {
        fail_msg("worker: %s", err.text);
    }
    return worker;
}

static void start(pd_hub *hub, pd_id *ids, size_t count)
{
    pd_error err;
    pd_value inputs[ORCHESTRATIONS];
    for (size_t i = 0; i < count; i++) {
        inputs[i] = pd_of_int((int64_t)i);
    }
    if (pd_hub_start_many(hub, "Climb", count, inputs, ids, &err) != PD_OK) {
        fail_msg("start: %s", err.text);
    }
}

static void expect_ends(pd_hub *hub, const pd_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bed_expect_end(hub, ids[i].text, (int64_t)i + STEPS);
    }
}

static void await_steps(const atomic_int *count, int most)
{
    for (int i = 0; i < 2000 && atomic_load(count) < most; i++) {
        bed_sleep_ms(5);
    }
    assert_true(atomic_load(count) >= most);
}

/* All was acknowledged: it has nothing to wait for. */
static void expect_quick_stop(pd_worker *worker)
{
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    pd_worker_stop(worker);
    clock_gettime(CLOCK_MONOTONIC, &to);
    int64_t ms = (int64_t)(to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    assert_true(ms < 1500); /* of a drain of 2 seconds */
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_server_that_was_killed_loses_nothing_and_has_its_worker_back(void **state)
{
    struct bed *bed = *state;
    atomic_int count = 0;
    pd_id ids[ORCHESTRATIONS];
    memset(ids, 0, sizeof ids);
    pd_hub *hub = bed_hub(bed);
    pd_worker *worker = work(hub, &count);
    start(hub, ids, ORCHESTRATIONS);
    for (int life = 1; life <= 3; life++) {
        await_steps(&count, ORCHESTRATIONS * life);
        bed_restart(bed);
    }
    expect_ends(hub, ids, ORCHESTRATIONS);
    assert_true(atomic_load(&count) >= ORCHESTRATIONS * STEPS);
    expect_quick_stop(worker);
    pd_hub_close(hub);
}

struct many {
    pd_hub *hub;
    pd_id ids[ORCHESTRATIONS];
    pd_instance *ended[ORCHESTRATIONS];
    pd_status status;
};

static void *wait_for_many(void *argument)
{
    struct many *many = argument;
    pd_error err;
    many->status =
        pd_hub_wait_many(many->hub, ORCHESTRATIONS, many->ids, pd_minutes(2), many->ended, &err);
    return NULL;
}

static void a_wait_for_many_goes_on_over_deaths_of_the_server(void **state)
{
    struct bed *bed = *state;
    atomic_int count = 0;
    pthread_t thread;
    struct many *many = calloc(1, sizeof *many);
    many->hub = bed_hub(bed);
    pd_worker *worker = work(many->hub, &count);
    start(many->hub, many->ids, ORCHESTRATIONS);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_many, many), 0);
    for (int life = 1; life <= 2; life++) {
        await_steps(&count, ORCHESTRATIONS * life);
        bed_restart(bed);
    }
    pthread_join(thread, NULL);
    assert_int_equal(many->status, PD_OK);
    for (int i = 0; i < ORCHESTRATIONS; i++) {
        assert_string_equal(pd_instance_id_of(many->ended[i]), many->ids[i].text);
        assert_int_equal(pd_int(pd_instance_output(many->ended[i])), i + STEPS);
        pd_instance_free(many->ended[i]);
    }
    pd_worker_stop(worker);
    pd_hub_close(many->hub);
    free(many);
}

/* What a client was told has been started: in the middle of that the server dies. */
struct starter {
    pd_hub *hub;
    pd_id ids[ORCHESTRATIONS * 4];
    size_t count;
    atomic_bool is_over;
};

static void *start_one_by_one(void *argument)
{
    struct starter *starter = argument;
    while (!atomic_load(&starter->is_over) && starter->count < ORCHESTRATIONS * 4) {
        pd_error err;
        pd_id *id = &starter->ids[starter->count];
        pd_status status = pd_hub_start(starter->hub, "Climb", pd_of_int(0), NULL, id, &err);
        if (status == PD_OK) {
            starter->count++;
        } else if (status != PD_E_UNAVAILABLE || !err.retryable) {
            fprintf(stderr, "start: %s\n", err.text);
            abort();
        }
    }
    return NULL;
}

static void a_start_that_was_acknowledged_outlives_the_server(void **state)
{
    struct bed *bed = *state;
    struct starter *starter = calloc(1, sizeof *starter);
    pthread_t thread;
    starter->hub = bed_hub(bed);
    pd_worker *worker = work(starter->hub, NULL);
    assert_int_equal(pthread_create(&thread, NULL, start_one_by_one, starter), 0);
    for (int life = 0; life < 3; life++) {
        bed_sleep_ms(200);
        bed_restart(bed);
    }
    bed_sleep_ms(200);
    atomic_store(&starter->is_over, true);
    pthread_join(thread, NULL);
    assert_true(starter->count > 10);
    for (size_t i = 0; i < starter->count; i++) {
        bed_expect_end(starter->hub, starter->ids[i].text, STEPS);
    }
    pd_worker_stop(worker);
    pd_hub_close(starter->hub);
    free(starter);
}

static void a_worker_that_was_killed_leaves_its_work_to_the_next(void **state)
{
    struct bed *bed = *state;
    pd_id ids[ORCHESTRATIONS];
    pid_t first = bed_fork_worker(bed, PD_PROGRAM(program), 4); /* before there are threads here */
    pid_t second = bed_fork_worker(bed, PD_PROGRAM(program), 4);
    memset(ids, 0, sizeof ids);
    pd_hub *hub = bed_hub(bed);
    start(hub, ids, ORCHESTRATIONS);
    bed_sleep_ms(250);
    bed_kill(first);
    expect_ends(hub, ids, ORCHESTRATIONS);
    bed_kill(second);
    pd_hub_close(hub);
}

static void two_workers_share_the_work(void **state)
{
    struct bed *bed = *state;
    atomic_int counts[2] = { 0, 0 };
    pd_id ids[ORCHESTRATIONS];
    pd_hub *hubs[2] = { bed_hub(bed), bed_hub(bed) };
    pd_worker *workers[2] = { work(hubs[0], &counts[0]), work(hubs[1], &counts[1]) };
    memset(ids, 0, sizeof ids);
    start(hubs[0], ids, ORCHESTRATIONS);
    expect_ends(hubs[1], ids, ORCHESTRATIONS);
    int all = atomic_load(&counts[0]) + atomic_load(&counts[1]);
    assert_int_equal(all, ORCHESTRATIONS * STEPS); /* nobody died: each was run once */
    assert_true(atomic_load(&counts[0]) > all / 10);
    assert_true(atomic_load(&counts[1]) > all / 10);
    for (int i = 0; i < 2; i++) {
        pd_worker_stop(workers[i]);
        pd_hub_close(hubs[i]);
    }
}

static void a_worker_that_stops_leaves_nothing_half_done(void **state)
{
    struct bed *bed = *state;
    atomic_int counts[2] = { 0, 0 };
    pd_id ids[ORCHESTRATIONS];
    pd_hub *hub = bed_hub(bed);
    memset(ids, 0, sizeof ids);
    pd_worker *worker = work(hub, &counts[0]);
    start(hub, ids, ORCHESTRATIONS);
    await_steps(&counts[0], ORCHESTRATIONS);
    pd_worker_stop(worker);
    worker = work(hub, &counts[1]);
    expect_ends(hub, ids, ORCHESTRATIONS);
    /* What was run had its result taken, for the worker waited until it was. */
    assert_int_equal(atomic_load(&counts[0]) + atomic_load(&counts[1]), ORCHESTRATIONS * STEPS);
    pd_worker_stop(worker);
    pd_hub_close(hub);
}

/* It is not waited for in the drain, and beats to its end: then there is nobody to hear it. */
static void a_worker_stops_under_an_activity_that_beats(void **state)
{
    struct bed *bed = *state;
    atomic_int count = 0;
    pd_error err;
    pd_id id = { "" };
    pd_hub *hub = bed_hub(bed);
    const pd_worker_options options = { .user = &count, .threads = 4, .drain_max = { .ms = 1 } };
    pd_worker *worker = pd_worker_start(hub, PD_PROGRAM(program), &options, &err);
    assert_non_null(worker);
    assert_int_equal(pd_hub_start(hub, "RunFar", pd_of_int(7), NULL, &id, &err), PD_OK);
    await_steps(&count, 1);
    pd_worker_stop(worker);
    worker = work(hub, &count);
    bed_expect_end(hub, id.text, 7);
    pd_worker_stop(worker);
    pd_hub_close(hub);
}

/* More than a client may leave unread is collected for it in one go: it is told of when it has gone
 * out, or the rest waits for ever. */
static void what_waits_for_a_worker_may_be_more_than_it_gets_at_once(void **state)
{
    enum { SIZE = 4000 };
    struct bed *bed = *state;
    pd_error err;
    pd_id ids[ORCHESTRATIONS];
    pd_value inputs[ORCHESTRATIONS];
    static char text[SIZE + 1];
    pd_hub *hub = bed_hub(bed);
    memset(ids, 0, sizeof ids);
    memset(text, 'x', SIZE);
    for (size_t i = 0; i < ORCHESTRATIONS; i++) {
        inputs[i] = pd_of_text(text);
    }
    assert_int_equal(pd_hub_start_many(hub, "Measure", ORCHESTRATIONS, inputs, ids, &err), PD_OK);
    pd_worker *worker = work(hub, NULL);
    for (size_t i = 0; i < ORCHESTRATIONS; i++) {
        bed_expect_end(hub, ids[i].text, SIZE);
    }
    pd_worker_stop(worker);
    pd_hub_close(hub);
}

int main(void)
{
    bed_find_programs();
    const struct CMUnitTest tests[] = {
        BED_TEST(a_worker_that_was_killed_leaves_its_work_to_the_next),
        BED_TEST(a_server_that_was_killed_loses_nothing_and_has_its_worker_back),
        BED_TEST(a_wait_for_many_goes_on_over_deaths_of_the_server),
        BED_TEST(a_start_that_was_acknowledged_outlives_the_server),
        BED_TEST(two_workers_share_the_work),
        BED_TEST(what_waits_for_a_worker_may_be_more_than_it_gets_at_once),
        BED_TEST(a_worker_stops_under_an_activity_that_beats),
        BED_TEST(a_worker_that_stops_leaves_nothing_half_done),
    };
    return cmocka_run_group_tests_name("remote/crashes", tests, NULL, NULL);
}
