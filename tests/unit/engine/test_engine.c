/* SPDX-License-Identifier: MIT
 *
 * The engine with its threads, over the memory store and a runner that is a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chain_runner.h"
#include "engine/engine.h"
#include "flaky_store.h"

enum { PATIENCE_MS = 20000 };

struct house {
    struct flaky_store store;
    struct chain_runner runner;
    struct engine *engine;
};

static void open_house(struct house *house, const char *url)
{
    pd_error err;
    flaky_store_open(&house->store, url);
    chain_runner_init(&house->runner);
    house->engine =
        engine_start(&house->store.base, &house->runner.base, &(struct engine_options){ 0 }, &err);
    assert_non_null(house->engine);
}

static void close_house(struct house *house)
{
    engine_stop(house->engine, PATIENCE_MS);
    flaky_store_close(&house->store);
}

static void restart(struct house *house)
{
    pd_error err;
    engine_stop(house->engine, PATIENCE_MS);
    house->engine =
        engine_start(&house->store.base, &house->runner.base, &(struct engine_options){ 0 }, &err);
    assert_non_null(house->engine);
}

static pd_status start(struct house *house, const char *id, pd_error *err)
{
    struct start_command command = {
        .id = text_of(id), .name = TEXT("chain"), .input = TEXT("1"), .replaces = STATES_ENDED
    };
    return engine_start_instances(house->engine, &command, 1, NULL, err);
}

static pd_status raise(struct house *house, const char *id, const char *payload, pd_error *err)
{
    struct event event = { .kind = EVENT_EVENT_RAISED,
                           .id = EVENT_NO_ID,
                           .ref = EVENT_NO_ID,
                           .name = TEXT("Go"),
                           .payload = text_of(payload) };
    struct letter letter = { .kind = MESSAGE_RAISE, .instance_id = text_of(id), .event = &event };
    return engine_tell(house->engine, &letter, 1, NULL, err);
}

static bool is_ended(struct house *house, const char *id, char output[64])
{
    struct arena arena;
    struct instance_record record;
    bool found = false;
    pd_error err;
    arena_init(&arena);
    struct store *store = house->store.real;
    assert_int_equal(
        store->ops->load_instance(store, text_of(id), 0, &arena, &record, &found, &err), PD_OK);
    bool ended = found && run_state_is_final(record.state);
    if (ended) {
        assert_int_equal(record.state, RUN_COMPLETED);
        snprintf(output, 64, "%.*s", (int)record.output.size, record.output.at);
    }
    arena_done(&arena);
    return ended;
}

static void wait_ended(struct house *house, const char *id, const char *expected)
{
    char output[64] = "";
    struct watch *watch = engine_watch(house->engine, text_of(id));
    for (int i = 0; i < PATIENCE_MS / 100 && !is_ended(house, id, output); i++) {
        (void)engine_watch_wait(watch, 100);
    }
    engine_unwatch(house->engine, watch);
    assert_string_equal(output, expected);
}

static void a_chain_runs_to_its_end(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    assert_int_equal(start(&house, "3:a", &err), PD_OK);
    wait_ended(&house, "3:a", "\"end of chain\"");
    assert_int_equal(house.runner.activities_run, 3);
    assert_int_equal(house.runner.turns, 4);
    close_house(&house);
}

static void a_thousand_chains_on_four_partitions_all_end(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static char ids[COUNT][16];
    static struct start_command commands[COUNT];
    static pd_status statuses[COUNT];
    struct house house;
    pd_error err;
    open_house(&house, "memory:?partitions=4");
    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "5:%d", i);
        commands[i] = (struct start_command){ .id = text_of(ids[i]), .name = TEXT("chain") };
    }
    assert_int_equal(engine_start_instances(house.engine, commands, COUNT, statuses, &err), PD_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(statuses[i], PD_OK);
        wait_ended(&house, ids[i], "\"end of chain\"");
    }
    assert_int_equal(house.runner.activities_run, 5 * COUNT);
    close_house(&house);
}

static void a_start_is_durable_when_the_call_returns(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    atomic_store(&house.runner.is_gate_shut, true);
    assert_int_equal(start(&house, "1:a", &err), PD_OK);
    assert_true(house.store.commits > 0);
    atomic_store(&house.runner.is_gate_shut, false);
    close_house(&house);
}

static void a_living_id_is_refused_and_an_ended_one_replaced(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    atomic_store(&house.runner.is_gate_shut, true);
    assert_int_equal(start(&house, "1:a", &err), PD_OK);
    assert_int_equal(start(&house, "1:a", &err), PD_E_EXISTS);
    atomic_store(&house.runner.is_gate_shut, false);
    wait_ended(&house, "1:a", "\"end of chain\"");
    assert_int_equal(start(&house, "1:a", &err), PD_OK);
    wait_ended(&house, "1:a", "\"end of chain\"");
    close_house(&house);
}

static void of_many_starts_each_has_its_own_fate(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    atomic_store(&house.runner.is_gate_shut, true);
    assert_int_equal(start(&house, "1:b", &err), PD_OK);
    struct start_command commands[] = {
        { .id = TEXT("1:a"), .name = TEXT("chain") },
        { .id = TEXT("1:b"), .name = TEXT("chain") },
        { .id = TEXT("1:c"), .name = TEXT("chain") },
    };
    pd_status statuses[3];
    assert_int_equal(engine_start_instances(house.engine, commands, 3, statuses, &err),
                     PD_E_EXISTS);
    assert_int_equal(statuses[0], PD_OK);
    assert_int_equal(statuses[1], PD_E_EXISTS);
    assert_int_equal(statuses[2], PD_OK);
    assert_non_null(strstr(err.text, "1:b"));
    atomic_store(&house.runner.is_gate_shut, false);
    wait_ended(&house, "1:c", "\"end of chain\"");
    close_house(&house);
}

static void an_event_reaches_its_instance_and_no_other(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    assert_int_equal(start(&house, "E:a", &err), PD_OK);
    assert_int_equal(raise(&house, "E:nobody", "1", &err), PD_E_NOT_FOUND);
    assert_int_equal(raise(&house, "E:a", "42", &err), PD_OK);
    wait_ended(&house, "E:a", "42");
    assert_int_equal(raise(&house, "E:a", "43", &err), PD_E_STATE);
    close_house(&house);
}

static void a_timer_wakes_an_instance_that_only_the_store_remembers(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    assert_int_equal(start(&house, "T:a", &err), PD_OK);
    restart(&house);
    wait_ended(&house, "T:a", "\"slept\"");
    close_house(&house);
}

static void a_restart_runs_open_activities_again(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    atomic_store(&house.runner.is_gate_shut, true);
    assert_int_equal(start(&house, "2:a", &err), PD_OK);
    assert_int_equal(start(&house, "2:b", &err), PD_OK);
    /* More chains than threads: some activities are in the queue, none can end before the stop. */
    for (char id[] = "2:c"; id[2] < 'z'; id[2]++) {
        assert_int_equal(start(&house, id, &err), PD_OK);
    }
    atomic_store(&house.runner.is_gate_shut, false);
    restart(&house);
    wait_ended(&house, "2:a", "\"end of chain\"");
    wait_ended(&house, "2:b", "\"end of chain\"");
    wait_ended(&house, "2:y", "\"end of chain\"");
    close_house(&house);
}

static void a_runner_that_forgets_is_given_the_past(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    house.runner.is_forgetful = true;
    assert_int_equal(start(&house, "7:a", &err), PD_OK);
    wait_ended(&house, "7:a", "\"end of chain\"");
    close_house(&house);
}

static void a_failed_commit_reaches_the_caller_and_changes_nothing(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    char output[64];
    open_house(&house, "memory:");
    atomic_store(&house.store.commits_to_fail, 1);
    assert_int_equal(start(&house, "1:a", &err), PD_E_UNAVAILABLE);
    assert_string_equal(err.text, "the disk is full");
    assert_true(err.retryable);
    assert_false(is_ended(&house, "1:a", output));
    pd_status status = PD_E_UNAVAILABLE;
    for (int i = 0; i < PATIENCE_MS / 10 && status == PD_E_UNAVAILABLE; i++) {
        usleep(10000);
        status = start(&house, "1:a", &err);
    }
    assert_int_equal(status, PD_OK);
    wait_ended(&house, "1:a", "\"end of chain\"");
    close_house(&house);
}

static void the_engine_goes_on_when_the_disk_does(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    atomic_store(&house.runner.is_gate_shut, true);
    assert_int_equal(start(&house, "9:a", &err), PD_OK);
    atomic_store(&house.store.commits_to_fail, 3);
    atomic_store(&house.store.loads_to_fail, 2);
    atomic_store(&house.store.owns_to_fail, 2);
    atomic_store(&house.runner.is_gate_shut, false);
    wait_ended(&house, "9:a", "\"end of chain\"");
    assert_int_equal(house.store.commits_to_fail, 0);
    close_house(&house);
}

static void stopping_while_the_disk_is_full_ends(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    assert_int_equal(start(&house, "E:a", &err), PD_OK);
    atomic_store(&house.store.commits_to_fail, -1);
    assert_int_equal(raise(&house, "E:a", "1", &err), PD_E_UNAVAILABLE);
    close_house(&house);
}

static void waiting_ends_when_the_engine_stops(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:");
    assert_int_equal(start(&house, "E:a", &err), PD_OK);
    struct watch *watch = engine_watch(house.engine, TEXT("E:a"));
    struct watch *other = engine_watch(house.engine, TEXT("E:a"));
    assert_false(engine_watch_wait(watch, 1));
    assert_int_equal(raise(&house, "E:a", "1", &err), PD_OK);
    assert_true(engine_watch_wait(watch, PATIENCE_MS));
    assert_true(engine_watch_wait(other, PATIENCE_MS));
    assert_false(engine_watch_wait(watch, 1));
    engine_unwatch(house.engine, watch);
    engine_unwatch(house.engine, other);
    close_house(&house);
}

static void new_ids_differ_and_sort_by_time(void **state)
{
    (void)state;
    char first[33], second[33];
    engine_new_id(first);
    usleep(2000);
    engine_new_id(second);
    assert_int_equal(strlen(first), 32);
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    assert_true(strcmp(first, second) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_runs_to_its_end),
        cmocka_unit_test(a_thousand_chains_on_four_partitions_all_end),
        cmocka_unit_test(a_start_is_durable_when_the_call_returns),
        cmocka_unit_test(a_living_id_is_refused_and_an_ended_one_replaced),
        cmocka_unit_test(of_many_starts_each_has_its_own_fate),
        cmocka_unit_test(an_event_reaches_its_instance_and_no_other),
        cmocka_unit_test(a_timer_wakes_an_instance_that_only_the_store_remembers),
        cmocka_unit_test(a_restart_runs_open_activities_again),
        cmocka_unit_test(a_runner_that_forgets_is_given_the_past),
        cmocka_unit_test(a_failed_commit_reaches_the_caller_and_changes_nothing),
        cmocka_unit_test(the_engine_goes_on_when_the_disk_does),
        cmocka_unit_test(stopping_while_the_disk_is_full_ends),
        cmocka_unit_test(waiting_ends_when_the_engine_stops),
        cmocka_unit_test(new_ids_differ_and_sort_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
