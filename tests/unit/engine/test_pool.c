/* SPDX-License-Identifier: MIT
 *
 * Activities while they run: cancelling, limits of time, heartbeats. With threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "house.h"
#include "wire/wire.h"

/* The progress of step 0, or -1. */
static int progress_of(struct house *house, const char *id)
{
    struct arena arena;
    struct progress_rows rows;
    struct house_look instance;
    pd_error err;
    (void)house_look(house, id, &instance);
    struct store *store = house->store.real;
    arena_init(&arena);
    assert_int_equal(store->ops->load_progress(store, instance.row, &arena, &rows, &err), PD_OK);
    int number = rows.count > 0 && rows.items[0].id == 0
                     ? (int)strtol(rows.items[0].bytes.at, NULL, 10)
                     : -1;
    arena_done(&arena);
    return number;
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static void a_cancelled_activity_that_runs_is_told(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 2 });
    house.runner.is_gate_shut = house.runner.heeds_cancel = true;
    house_start(&house, "X:a");
    house_start(&house, "1:other");
    house_wait_for(&house.runner.activities_begun, 2);
    house_raise(&house, "X:a");
    house_wait_for(&house.runner.cancelled, 1);
    house_raise(&house, "X:a");
    house_assert_completes(&house, "X:a", "\"cancelled\"");
    assert_int_equal(house.runner.cancelled, 1);
    house.runner.is_gate_shut = false;
    house_assert_completes(&house, "1:other", "\"end of chain\"");
    assert_int_equal(house.runner.cancelled, 1);
    house_close(&house);
}

static void a_cancelled_activity_that_waits_for_a_thread_is_not_run(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.is_gate_shut = true;
    house_start(&house, "1:first");
    house_wait_for(&house.runner.activities_begun, 1);
    house_start(&house, "X:a");
    house_start(&house, "1:last");
    house_raise(&house, "X:a");
    house_raise(&house, "X:a");
    house_assert_completes(&house, "X:a", "\"cancelled\"");
    house.runner.is_gate_shut = false;
    house_assert_completes(&house, "1:last", "\"end of chain\"");
    house_assert_completes(&house, "1:first", "\"end of chain\"");
    assert_int_equal(house.runner.activities_begun, 2);
    house_close(&house);
}

static void what_a_terminated_instance_had_running_is_told(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.is_gate_shut = house.runner.heeds_cancel = true;
    house_start(&house, "2:a");
    house_wait_for(&house.runner.activities_begun, 1);
    house_terminate(&house, "2:a");
    house_wait_for(&house.runner.cancelled, 1);
    assert_int_equal(house_wait_ended(&house, "2:a").state, RUN_TERMINATED);
    house_close(&house);
    assert_int_equal(house.runner.activities_begun, 1);
}

/* ---- limits of time -------------------------------------------------------------------------- */

static void an_activity_that_runs_too_long_times_out_and_is_told(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.limits.run_ms = 30;
    house.runner.is_gate_shut = house.runner.heeds_cancel = true;
    house_start(&house, "1:a");
    assert_string_equal(house_wait_ended(&house, "1:a").failure,
                        "Timeout: it did not end within 30 ms");
    house_wait_for(&house.runner.cancelled, 1);
    house.runner.is_gate_shut = false;
    house_start(&house, "1:b");
    house_assert_completes(&house, "1:b", "\"end of chain\"");
    house_close(&house);
}

/* The function comes back after its time: that changes nothing any more. */
static void the_result_of_an_activity_that_timed_out_is_dropped(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.limits.run_ms = 20;
    house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    assert_string_equal(house_wait_ended(&house, "1:a").failure,
                        "Timeout: it did not end within 20 ms");
    house.runner.is_gate_shut = false;
    house_wait_for(&house.runner.activities_run, 1);
    house_start(&house, "E:after");
    assert_string_equal(house_wait_ended(&house, "1:a").failure,
                        "Timeout: it did not end within 20 ms");
    house_close(&house);
}

static void an_activity_that_gets_no_thread_in_time_times_out_unrun(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.is_gate_shut = true;
    house_start(&house, "1:first");
    house_wait_for(&house.runner.activities_begun, 1);
    house.runner.limits.start_ms = 30;
    house_start(&house, "1:a");
    house_start(&house, "1:b");
    assert_string_equal(house_wait_ended(&house, "1:a").failure,
                        "Timeout: it did not begin within 30 ms");
    assert_string_equal(house_wait_ended(&house, "1:b").failure,
                        "Timeout: it did not begin within 30 ms");
    house.runner.is_gate_shut = false;
    house_assert_completes(&house, "1:first", "\"end of chain\"");
    assert_int_equal(house.runner.activities_begun, 1);
    house_close(&house);
}

static void an_activity_that_is_not_heard_of_times_out(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 2 });
    house.runner.limits.beat_ms = 60;
    house.runner.beats = 3;
    house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    assert_string_equal(house_wait_ended(&house, "1:a").failure,
                        "Timeout: nothing was heard of it for 60 ms");
    house.runner.is_gate_shut = false;
    house_close(&house);
}

static void an_activity_that_is_heard_of_may_run_on(void **state)
{
    (void)state;
    struct house house;
    struct house_look now;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.limits.beat_ms = 200;
    house.runner.beats = 1;
    house.runner.beats_for_ever = house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    usleep(700000);
    assert_false(house_look(&house, "1:a", &now));
    house.runner.is_gate_shut = false;
    house_assert_completes(&house, "1:a", "\"end of chain\"");
    house_close(&house);
}

static void limits_that_are_kept_are_never_heard_of(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 2 });
    house.runner.limits =
        (struct task_limits){ .start_ms = 60000, .run_ms = 60000, .beat_ms = 60000 };
    house_start(&house, "9:a");
    house_start(&house, "9:b");
    house_assert_completes(&house, "9:a", "\"end of chain\"");
    house_assert_completes(&house, "9:b", "\"end of chain\"");
    assert_int_equal(house.runner.activities_run, 18);
    house_close(&house);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void the_last_word_of_an_activity_is_durable_soon(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.beats = 5;
    house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    for (int i = 0; i < PATIENCE_MS && progress_of(&house, "1:a") != 5; i++) {
        usleep(1000);
    }
    assert_int_equal(progress_of(&house, "1:a"), 5);
    house.runner.is_gate_shut = false;
    house_assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(progress_of(&house, "1:a"), -1);
    house_close(&house);
}

/* No commit is done while they are said: what is said meanwhile is one. */
static void a_thousand_heartbeats_are_few_commits(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.while_beating = &house.store.is_shut;
    house.runner.beats = 1000;
    house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    for (int i = 0; i < PATIENCE_MS && progress_of(&house, "1:a") != 1000; i++) {
        usleep(1000);
    }
    assert_int_equal(progress_of(&house, "1:a"), 1000);
    /* The start, the turn, one that was past the door, the one behind it, the last word's. */
    assert_in_range(house.store.commits, 2, 5);
    house.runner.is_gate_shut = false;
    house_close(&house);
}

static void the_next_run_after_a_stop_is_given_the_progress(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.beats = 7;
    house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    for (int i = 0; i < PATIENCE_MS && progress_of(&house, "1:a") != 7; i++) {
        usleep(1000);
    }
    house_crash(&house);
    house_assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(house.runner.progress_seen, 7);
    house_close(&house);
}

/* Of the failure of "F:a"'s activity, as history has it. */
static void assert_failed_with_progress(struct house *house, struct text progress)
{
    struct house_look instance = house_wait_ended(house, "F:a");
    struct arena arena;
    struct history_rows rows;
    struct wire_events events = { 0 };
    pd_error err;
    struct store *store = house->store.real;
    arena_init(&arena);
    assert_int_equal(store->ops->load_history(store, instance.row, 0, &arena, &rows, &err), PD_OK);
    bool found = false;
    for (size_t i = 0; i < rows.count; i++) {
        assert_int_equal(wire_read_events(rows.turns[i], &arena, &events, &err), PD_OK);
    }
    for (size_t i = 0; i < events.count; i++) {
        if (events.at[i].kind == EVENT_TASK_FAILED) {
            assert_non_null(events.at[i].extra);
            assert_true(text_equal(events.at[i].extra->progress, progress));
            found = true;
        }
    }
    assert_true(found);
    arena_done(&arena);
}

static void progress_that_is_not_on_its_way_goes_with_the_failure(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.store.dwell_us = 20000; /* so that the second word waits behind the first */
    house.runner.beats = 9;
    house.runner.to_fail = 1;
    house_start(&house, "F:a");
    assert_failed_with_progress(&house, TEXT("9"));
    house_close(&house);
}

static void progress_that_was_lost_with_a_commit_goes_with_the_failure(void **state)
{
    (void)state;
    struct house house;
    struct house_look now;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.is_gate_shut = true;
    house.runner.beats = 1;
    house.runner.to_fail = 1;
    house.store.dwell_us = 20000;
    house_start(&house, "F:a");
    house.store.commits_to_fail = 1; /* the word's */
    while (house.store.commits_to_fail > 0) {
        usleep(1000);
    }
    assert_false(house_look(&house, "F:a", &now));
    usleep(50000);
    house.runner.is_gate_shut = false;
    assert_failed_with_progress(&house, TEXT("1"));
    house_close(&house);
}

static void heartbeats_survive_a_store_that_fails(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.beats = 3;
    house.runner.beats_for_ever = house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    house_wait_for(&house.runner.activities_begun, 1);
    for (int i = 0; i < 10; i++) {
        house.store.commits_to_fail = 1;
        usleep(20000);
    }
    house.store.commits_to_fail = 0;
    for (int i = 0; i < PATIENCE_MS && progress_of(&house, "1:a") != 3; i++) {
        usleep(1000);
    }
    assert_int_equal(progress_of(&house, "1:a"), 3);
    house.runner.is_gate_shut = false;
    house_assert_completes(&house, "1:a", "\"end of chain\"");
    house_close(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_activity_that_runs_is_told),
        cmocka_unit_test(a_cancelled_activity_that_waits_for_a_thread_is_not_run),
        cmocka_unit_test(what_a_terminated_instance_had_running_is_told),
        cmocka_unit_test(an_activity_that_runs_too_long_times_out_and_is_told),
        cmocka_unit_test(the_result_of_an_activity_that_timed_out_is_dropped),
        cmocka_unit_test(an_activity_that_gets_no_thread_in_time_times_out_unrun),
        cmocka_unit_test(an_activity_that_is_not_heard_of_times_out),
        cmocka_unit_test(an_activity_that_is_heard_of_may_run_on),
        cmocka_unit_test(limits_that_are_kept_are_never_heard_of),
        cmocka_unit_test(the_last_word_of_an_activity_is_durable_soon),
        cmocka_unit_test(a_thousand_heartbeats_are_few_commits),
        cmocka_unit_test(the_next_run_after_a_stop_is_given_the_progress),
        cmocka_unit_test(progress_that_is_not_on_its_way_goes_with_the_failure),
        cmocka_unit_test(progress_that_was_lost_with_a_commit_goes_with_the_failure),
        cmocka_unit_test(heartbeats_survive_a_store_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
