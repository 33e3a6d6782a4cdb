/* SPDX-License-Identifier: MIT
 *
 * Activities while they run: cancelling, limits of time, heartbeats, transactions. With threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chain_runner.h"
#include "engine/engine.h"
#include "flaky_store.h"
#include "wire/wire.h"

enum { PATIENCE_MS = 20000 };

struct house {
    struct flaky_store store;
    struct chain_runner runner;
    struct engine *engine;
    unsigned threads;
};

static void start_engine(struct house *house)
{
    pd_error err;
    struct engine_options options = { .activity_threads = house->threads };
    house->engine = engine_start(&house->store.base, &house->runner.base, &options, &err);
    assert_non_null(house->engine);
}

static void open_house(struct house *house, unsigned threads)
{
    flaky_store_open(&house->store, "memory:?partitions=2");
    chain_runner_init(&house->runner);
    house->threads = threads;
    start_engine(house);
}

static void close_house(struct house *house)
{
    engine_stop(house->engine, PATIENCE_MS);
    assert_int_equal(house->store.overlaps, 0);
    flaky_store_close(&house->store);
}

/* As far as the store knows: nothing that is made durable from now on is, until the next begins. */
static void crash(struct house *house)
{
    house->store.commits_to_fail = -1;
    house->store.owns_to_fail = -1;
    house->runner.is_gate_shut = false;
    engine_stop(house->engine, PATIENCE_MS);
    house->store.commits_to_fail = 0;
    house->store.owns_to_fail = 0;
    start_engine(house);
}

static void start(struct house *house, const char *id)
{
    pd_error err;
    struct start_command command = { .id = text_of(id), .name = TEXT("chain") };
    assert_int_equal(engine_start_instances(house->engine, &command, 1, NULL, &err), PD_OK);
}

static void tell(struct house *house, enum message_kind kind, enum event_kind event_kind,
                 const char *id)
{
    pd_error err;
    struct event event = { .kind = event_kind,
                           .id = EVENT_NO_ID,
                           .ref = EVENT_NO_ID,
                           .name = TEXT("Go"),
                           .payload = TEXT("1") };
    struct letter letter = { .kind = kind, .instance_id = text_of(id), .event = &event };
    assert_int_equal(engine_tell(house->engine, &letter, 1, NULL, &err), PD_OK);
}

static void raise(struct house *house, const char *id)
{
    tell(house, MESSAGE_RAISE, EVENT_EVENT_RAISED, id);
}

struct look {
    enum run_state state;
    uint64_t row;
    char output[64], failure[96];
};

/* False: there is none, or it has not ended. */
static bool look(struct house *house, const char *id, struct look *ret)
{
    struct arena arena;
    struct instance_record record;
    bool found = false;
    pd_error err;
    struct store *store = house->store.real;
    const struct failure *failure = NULL;
    *ret = (struct look){ 0 };
    arena_init(&arena);
    assert_int_equal(
        store->ops->load_instance(store, text_of(id), 0, &arena, &record, &found, &err), PD_OK);
    if (found) {
        ret->state = record.state;
        ret->row = record.row;
        (void)snprintf(ret->output, sizeof ret->output, "%.*s", TEXT_ARGS(record.output));
    }
    if (found && text_is_present(record.failure)) {
        assert_int_equal(wire_read_failure(record.failure, &arena, &failure, &err), PD_OK);
        (void)snprintf(ret->failure, sizeof ret->failure, "%.*s: %.*s", TEXT_ARGS(failure->type),
                       TEXT_ARGS(failure->message));
    }
    arena_done(&arena);
    return found && run_state_is_final(ret->state);
}

static struct look wait_ended(struct house *house, const char *id)
{
    struct look ret;
    for (int i = 0; i < PATIENCE_MS && !look(house, id, &ret); i++) {
        usleep(1000);
    }
    assert_true(run_state_is_final(ret.state));
    return ret;
}

static void assert_completes(struct house *house, const char *id, const char *output)
{
    struct look ret = wait_ended(house, id);
    assert_string_equal(ret.failure, "");
    assert_string_equal(ret.output, output);
}

static void wait_for(_Atomic int *count, int wanted)
{
    for (int i = 0; i < PATIENCE_MS && *count < wanted; i++) {
        usleep(1000);
    }
    assert_true(*count >= wanted);
}

/* The progress of step 0, or -1. */
static int progress_of(struct house *house, const char *id)
{
    struct arena arena;
    struct progress_rows rows;
    struct look instance;
    pd_error err;
    (void)look(house, id, &instance);
    struct store *store = house->store.real;
    arena_init(&arena);
    assert_int_equal(store->ops->load_progress(store, instance.row, &arena, &rows, &err), PD_OK);
    int number = rows.count > 0 && rows.items[0].id == 0 ? atoi(rows.items[0].bytes.at) : -1;
    arena_done(&arena);
    return number;
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static void a_cancelled_activity_that_runs_is_told(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 2);
    house.runner.is_gate_shut = house.runner.heeds_cancel = true;
    start(&house, "X:a");
    start(&house, "1:other");
    wait_for(&house.runner.activities_begun, 2);
    raise(&house, "X:a");
    wait_for(&house.runner.cancelled, 1);
    raise(&house, "X:a");
    assert_completes(&house, "X:a", "\"cancelled\"");
    assert_int_equal(house.runner.cancelled, 1);
    house.runner.is_gate_shut = false;
    assert_completes(&house, "1:other", "\"end of chain\"");
    assert_int_equal(house.runner.cancelled, 1);
    close_house(&house);
}

static void a_cancelled_activity_that_waits_for_a_thread_is_not_run(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.is_gate_shut = true;
    start(&house, "1:first");
    wait_for(&house.runner.activities_begun, 1);
    start(&house, "X:a");
    start(&house, "1:last");
    raise(&house, "X:a");
    raise(&house, "X:a");
    assert_completes(&house, "X:a", "\"cancelled\"");
    house.runner.is_gate_shut = false;
    assert_completes(&house, "1:last", "\"end of chain\"");
    assert_completes(&house, "1:first", "\"end of chain\"");
    assert_int_equal(house.runner.activities_begun, 2);
    close_house(&house);
}

static void what_a_terminated_instance_had_running_is_told(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.is_gate_shut = house.runner.heeds_cancel = true;
    start(&house, "2:a");
    wait_for(&house.runner.activities_begun, 1);
    tell(&house, MESSAGE_TERMINATE, EVENT_EXECUTION_TERMINATED, "2:a");
    wait_for(&house.runner.cancelled, 1);
    assert_int_equal(wait_ended(&house, "2:a").state, RUN_TERMINATED);
    close_house(&house);
    assert_int_equal(house.runner.activities_begun, 1);
}

/* ---- limits of time -------------------------------------------------------------------------- */

static void an_activity_that_runs_too_long_times_out_and_is_told(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.limits.run_ms = 30;
    house.runner.is_gate_shut = house.runner.heeds_cancel = true;
    start(&house, "1:a");
    assert_string_equal(wait_ended(&house, "1:a").failure, "Timeout: it did not end within 30 ms");
    wait_for(&house.runner.cancelled, 1);
    house.runner.is_gate_shut = false;
    start(&house, "1:b");
    assert_completes(&house, "1:b", "\"end of chain\"");
    close_house(&house);
}

/* The function comes back after its time: that changes nothing any more. */
static void the_result_of_an_activity_that_timed_out_is_dropped(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.limits.run_ms = 20;
    house.runner.is_gate_shut = true;
    start(&house, "1:a");
    assert_string_equal(wait_ended(&house, "1:a").failure, "Timeout: it did not end within 20 ms");
    house.runner.is_gate_shut = false;
    wait_for(&house.runner.activities_run, 1);
    start(&house, "E:after");
    assert_string_equal(wait_ended(&house, "1:a").failure, "Timeout: it did not end within 20 ms");
    close_house(&house);
}

static void an_activity_that_gets_no_thread_in_time_times_out_unrun(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.is_gate_shut = true;
    start(&house, "1:first");
    wait_for(&house.runner.activities_begun, 1);
    house.runner.limits.start_ms = 30;
    start(&house, "1:a");
    start(&house, "1:b");
    assert_string_equal(wait_ended(&house, "1:a").failure,
                        "Timeout: it did not begin within 30 ms");
    assert_string_equal(wait_ended(&house, "1:b").failure,
                        "Timeout: it did not begin within 30 ms");
    house.runner.is_gate_shut = false;
    assert_completes(&house, "1:first", "\"end of chain\"");
    assert_int_equal(house.runner.activities_begun, 1);
    close_house(&house);
}

static void an_activity_that_is_not_heard_of_times_out(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 2);
    house.runner.limits.beat_ms = 60;
    house.runner.beats = 3;
    house.runner.is_gate_shut = true;
    start(&house, "1:a");
    assert_string_equal(wait_ended(&house, "1:a").failure,
                        "Timeout: nothing was heard of it for 60 ms");
    house.runner.is_gate_shut = false;
    close_house(&house);
}

static void an_activity_that_is_heard_of_may_run_on(void **state)
{
    (void)state;
    struct house house;
    struct look now;
    open_house(&house, 1);
    house.runner.limits.beat_ms = 200;
    house.runner.beats = 1;
    house.runner.beats_for_ever = house.runner.is_gate_shut = true;
    start(&house, "1:a");
    usleep(700000);
    assert_false(look(&house, "1:a", &now));
    house.runner.is_gate_shut = false;
    assert_completes(&house, "1:a", "\"end of chain\"");
    close_house(&house);
}

static void limits_that_are_kept_are_never_heard_of(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 2);
    house.runner.limits =
        (struct task_limits){ .start_ms = 60000, .run_ms = 60000, .beat_ms = 60000 };
    start(&house, "9:a");
    start(&house, "9:b");
    assert_completes(&house, "9:a", "\"end of chain\"");
    assert_completes(&house, "9:b", "\"end of chain\"");
    assert_int_equal(house.runner.activities_run, 18);
    close_house(&house);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void the_last_word_of_an_activity_is_durable_soon(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.beats = 5;
    house.runner.is_gate_shut = true;
    start(&house, "1:a");
    for (int i = 0; i < PATIENCE_MS && progress_of(&house, "1:a") != 5; i++) {
        usleep(1000);
    }
    assert_int_equal(progress_of(&house, "1:a"), 5);
    house.runner.is_gate_shut = false;
    assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(progress_of(&house, "1:a"), -1);
    close_house(&house);
}

static void a_thousand_heartbeats_are_few_commits(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.store.dwell_us = 10000;
    house.runner.beats = 1000;
    house.runner.is_gate_shut = true;
    start(&house, "1:a");
    int commits = house.store.commits;
    for (int i = 0; i < PATIENCE_MS && progress_of(&house, "1:a") != 1000; i++) {
        usleep(1000);
    }
    assert_int_equal(progress_of(&house, "1:a"), 1000);
    assert_in_range(house.store.commits - commits, 1, 100);
    house.runner.is_gate_shut = false;
    close_house(&house);
}

static void the_next_run_after_a_stop_is_given_the_progress(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.beats = 7;
    house.runner.is_gate_shut = true;
    start(&house, "1:a");
    for (int i = 0; i < PATIENCE_MS && progress_of(&house, "1:a") != 7; i++) {
        usleep(1000);
    }
    crash(&house);
    assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(house.runner.progress_seen, 7);
    close_house(&house);
}

/* Of the failure of "F:a"'s activity, as history has it. */
static void assert_failed_with_progress(struct house *house, struct text progress)
{
    struct look instance = wait_ended(house, "F:a");
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
    open_house(&house, 1);
    house.store.dwell_us = 20000; /* so that the second word waits behind the first */
    house.runner.beats = 9;
    house.runner.to_fail = 1;
    start(&house, "F:a");
    assert_failed_with_progress(&house, TEXT("9"));
    close_house(&house);
}

static void progress_that_was_lost_with_a_commit_goes_with_the_failure(void **state)
{
    (void)state;
    struct house house;
    struct look now;
    open_house(&house, 1);
    house.runner.is_gate_shut = true;
    house.runner.beats = 1;
    house.runner.to_fail = 1;
    house.store.dwell_us = 20000;
    start(&house, "F:a");
    house.store.commits_to_fail = 1; /* the word's */
    while (house.store.commits_to_fail > 0) {
        usleep(1000);
    }
    assert_false(look(&house, "F:a", &now));
    usleep(50000);
    house.runner.is_gate_shut = false;
    assert_failed_with_progress(&house, TEXT("1"));
    close_house(&house);
}

static void heartbeats_survive_a_store_that_fails(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.beats = 3;
    house.runner.beats_for_ever = house.runner.is_gate_shut = true;
    start(&house, "1:a");
    wait_for(&house.runner.activities_begun, 1);
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
    assert_completes(&house, "1:a", "\"end of chain\"");
    close_house(&house);
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void a_transaction_writes_once_and_its_result_arrives(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 2);
    house.runner.has_transaction = true;
    start(&house, "3:a");
    assert_completes(&house, "3:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 3);
    close_house(&house);
}

static void a_failure_rolls_back_and_is_delivered(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 2);
    house.runner.has_transaction = true;
    house.runner.to_fail = 1;
    start(&house, "F:a");
    assert_string_equal(wait_ended(&house, "F:a").failure, "Refused: as it was told to");
    assert_int_equal(house.store.database, 0);
    start(&house, "1:b"); /* nothing is left of the claim */
    assert_completes(&house, "1:b", "\"end of chain\"");
    assert_int_equal(house.store.database, 1);
    close_house(&house);
}

/* The process dies when the transaction is made and before anybody has read its result. */
static void a_crash_after_the_transaction_does_not_repeat_it(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.has_transaction = true;
    house.runner.is_gate_shut = true;
    start(&house, "2:a");
    wait_for(&house.runner.activities_begun, 1);
    house.store.commits_to_fail = -1; /* nothing gets any further */
    house.runner.is_gate_shut = false;
    wait_for(&house.store.transacts, 1);
    crash(&house);
    assert_completes(&house, "2:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 2); /* the second step's */
    close_house(&house);
}

/* The partition begins again while the activity runs: it is dispatched a second time. */
static void an_activity_of_an_earlier_life_makes_no_transaction(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, 2);
    house.runner.has_transaction = true;
    house.runner.is_gate_shut = true;
    start(&house, "1:a");
    wait_for(&house.runner.activities_begun, 1);
    unsigned partition = partition_of(TEXT("1:a"), 2);
    uint64_t epoch = house.store.epochs[partition];
    while (house.store.epochs[partition] == epoch) {
        char id[32];
        static int n;
        (void)snprintf(id, sizeof id, "E:%d", n++);
        house.store.commits_to_fail = 1;
        struct start_command command = { .id = text_of(id), .name = TEXT("chain") };
        (void)engine_start_instances(house.engine, &command, 1, NULL, &err);
        usleep(5000);
    }
    house.store.commits_to_fail = 0;
    wait_for(&house.runner.activities_begun, 2);
    house.runner.gate_opens_for = 1; /* the old one */
    wait_for(&house.runner.activities_run, 1);
    usleep(20000); /* what it returned would be in history by now */
    house.runner.is_gate_shut = false;
    assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 1);
    close_house(&house);
}

static void try_transaction_that_fails(bool lies)
{
    struct house house;
    open_house(&house, 2);
    house.runner.has_transaction = true;
    house.store.transacts_to_fail = lies ? 0 : 2;
    house.store.transacts_to_lie = lies ? 2 : 0;
    start(&house, "3:a");
    start(&house, "3:b");
    assert_completes(&house, "3:a", "\"end of chain\"");
    assert_completes(&house, "3:b", "\"end of chain\"");
    assert_int_equal(house.store.database, 6);
    close_house(&house);
}

static void a_transaction_whose_store_fails_is_made_once_all_the_same(void **state)
{
    (void)state;
    try_transaction_that_fails(false);
    try_transaction_that_fails(true);
}

/* Time is up in the middle of the transaction: it is too late for that. */
static void a_transaction_that_has_begun_does_not_time_out(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.has_transaction = true;
    house.runner.limits.run_ms = 20;
    house.store.dwell_us = 100000;
    start(&house, "1:a");
    assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 1);
    close_house(&house);
}

/* And before it: then there is none. */
static void an_activity_that_timed_out_makes_no_transaction(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 1);
    house.runner.has_transaction = true;
    house.runner.limits.run_ms = 20;
    house.runner.is_gate_shut = true;
    start(&house, "1:a");
    assert_string_equal(wait_ended(&house, "1:a").failure, "Timeout: it did not end within 20 ms");
    house.runner.is_gate_shut = false;
    wait_for(&house.runner.activities_run, 1);
    close_house(&house);
    assert_int_equal(house.store.database, 0);
}

static void stopping_waits_for_a_transaction(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, 2);
    house.runner.has_transaction = true;
    house.runner.is_gate_shut = true;
    start(&house, "1:a");
    wait_for(&house.runner.activities_begun, 1);
    house.store.dwell_us = 50000;
    house.runner.is_gate_shut = false;
    wait_for(&house.store.transacts_begun, 1);
    engine_stop(house.engine, 0);
    assert_int_equal(house.store.database, 1);
    house.store.dwell_us = 0;
    start_engine(&house);
    assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 1);
    close_house(&house);
}

/* The disk is full for good; a claim waits for mail that cannot be read. */
static void stopping_does_not_wait_for_a_claim_that_nobody_can_grant(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, 2);
    house.runner.has_transaction = true;
    house.runner.is_gate_shut = true;
    start(&house, "1:a");
    wait_for(&house.runner.activities_begun, 1);
    house.store.owns_to_fail = -1;
    house.store.commits_to_fail = -1;
    char id[32];
    int n = 0;
    do {
        (void)snprintf(id, sizeof id, "E:%d", n++);
    } while (partition_of(text_of(id), 2) != partition_of(TEXT("1:a"), 2));
    struct start_command command = { .id = text_of(id), .name = TEXT("chain") };
    assert_int_not_equal(engine_start_instances(house.engine, &command, 1, NULL, &err), PD_OK);
    house.runner.is_gate_shut = false;
    close_house(&house);
    assert_int_equal(house.store.database, 0);
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
        cmocka_unit_test(a_transaction_writes_once_and_its_result_arrives),
        cmocka_unit_test(a_failure_rolls_back_and_is_delivered),
        cmocka_unit_test(a_crash_after_the_transaction_does_not_repeat_it),
        cmocka_unit_test(an_activity_of_an_earlier_life_makes_no_transaction),
        cmocka_unit_test(a_transaction_whose_store_fails_is_made_once_all_the_same),
        cmocka_unit_test(a_transaction_that_has_begun_does_not_time_out),
        cmocka_unit_test(an_activity_that_timed_out_makes_no_transaction),
        cmocka_unit_test(stopping_waits_for_a_transaction),
        cmocka_unit_test(stopping_does_not_wait_for_a_claim_that_nobody_can_grant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
