/* SPDX-License-Identifier: MIT
 *
 * Activities wait for a worker that comes late, more of them than the server keeps in memory, and
 * the server is killed: all of them are run.
 *
 * The server keeps 32 MiB of activities for the same workers; here they have twice as much. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"

enum { COUNT = 240, BYTES = 300 * 1000 };

static pd_result carry(pd_orchestration *o, pd_value load)
{
    return pd_ok(o, pd_call_activity(o, "Weigh", load));
}

static pd_result weigh(pd_activity *a, pd_value load)
{
    atomic_fetch_add((atomic_int *)pd_user(a), 1);
    return pd_ok(a, (int64_t)strlen(pd_text(load)));
}

static const pd_function carriers[] = { PD_FUNCTION("Carry", carry) };
static const pd_function weighers[] = { PD_FUNCTION("Weigh", weigh) };

static pd_worker *work(pd_hub *hub, const pd_function *program, atomic_int *count)
{
    pd_error err;
    const pd_worker_options options = { .user = count, .threads = 2, .drain_max = pd_seconds(2) };
    pd_worker *worker = pd_worker_start(hub, program, 1, &options, &err);
    if (worker == NULL) {
        fail_msg("worker: %s", err.text);
    }
    return worker;
}

/* Loads of different lengths. */
static void start(pd_hub *hub, pd_id *ids)
{
    char *load = malloc(BYTES + COUNT + 1);
    assert_non_null(load);
    memset(load, 'x', BYTES + COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        pd_error err;
        load[BYTES + i] = '\0';
        pd_value input = PD_VAL(load);
        if (pd_hub_start_many(hub, "Carry", 1, &input, &ids[i], &err) != PD_OK) {
            fail_msg("start: %s", err.text);
        }
        load[BYTES + i] = 'x';
    }
    free(load);
}

/* When it runs its activity has been asked for. */
static void await_turns(pd_hub *hub, const pd_id *ids)
{
    for (size_t i = 0; i < COUNT; i++) {
        pd_run_state state = PD_RUN_PENDING;
        for (int tries = 0; tries < 4000 && state == PD_RUN_PENDING; tries++) {
            pd_error err;
            PD_AUTO(pd_instance) instance = pd_hub_fetch(hub, ids[i].text, &err);
            assert_non_null(instance);
            state = pd_instance_state(instance);
            bed_sleep_ms(state == PD_RUN_PENDING ? 5 : 0);
        }
        assert_int_equal(state, PD_RUN_RUNNING);
    }
}

static void expect_ends(pd_hub *hub, const pd_id *ids)
{
    for (size_t i = 0; i < COUNT; i++) {
        bed_expect_end(hub, ids[i].text, (int64_t)(BYTES + i));
    }
}

/* The server is killed so often while nobody is there, and so often while they are run. */
static void wait_and_run(struct bed *bed, int kills_before, int kills_meanwhile)
{
    static pd_id ids[COUNT];
    atomic_int count = 0;
    pd_hub *hub = bed_hub(bed);
    pd_worker *carrier = work(hub, carriers, NULL);
    start(hub, ids);
    await_turns(hub, ids);
    for (int i = 0; i < kills_before; i++) {
        bed_restart(bed);
    }
    assert_int_equal(atomic_load(&count), 0);
    pd_hub *late = bed_hub(bed);
    pd_worker *weigher = work(late, weighers, &count);
    for (int i = 1; i <= kills_meanwhile; i++) {
        for (int tries = 0; tries < 4000 && atomic_load(&count) < 50 * i; tries++) {
            bed_sleep_ms(1);
        }
        assert_true(atomic_load(&count) >= 50 * i);
        bed_restart(bed);
    }
    expect_ends(hub, ids);
    assert_true(kills_meanwhile != 0 || atomic_load(&count) == COUNT);
    assert_true(atomic_load(&count) >= COUNT);
    pd_worker_stop(weigher);
    pd_hub_close(late);
    pd_worker_stop(carrier);
    pd_hub_close(hub);
}

static void a_worker_that_comes_late_runs_each_activity_once(void **state)
{
    wait_and_run(*state, 0, 0);
}

static void so_it_does_after_the_server_was_killed(void **state)
{
    wait_and_run(*state, 1, 0);
}

static void a_server_that_is_killed_while_they_are_run_loses_none(void **state)
{
    wait_and_run(*state, 0, 2);
}

int main(void)
{
    bed_find_programs();
    const struct CMUnitTest tests[] = {
        BED_TEST(a_worker_that_comes_late_runs_each_activity_once),
        BED_TEST(so_it_does_after_the_server_was_killed),
        BED_TEST(a_server_that_is_killed_while_they_are_run_loses_none),
    };
    return cmocka_run_group_tests_name("remote: late workers", tests, NULL, NULL);
}
