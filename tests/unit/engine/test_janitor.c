/* SPDX-License-Identifier: MIT
 *
 * Forgetting what ended long enough ago. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/engine_priv.h"
#include "house.h"
#include "hub.h"

static uint64_t count(struct house *house, enum run_state state)
{
    struct store *store = house->store.real;
    struct store_counts counts;
    struct store_query query = { 0 };
    pd_error err;
    assert_int_equal(store->ops->count(store, &query, &counts, &err), PD_OK);
    return counts.of[state];
}

static void wait_count(struct house *house, enum run_state state, uint64_t wanted)
{
    for (int i = 0; i < PATIENCE_MS && count(house, state) != wanted; i++) {
        usleep(1000);
    }
    assert_int_equal(count(house, state), wanted);
}

static void each_final_state_has_a_time_of_its_own(void **state)
{
    (void)state;
    struct house house;
    struct engine_options options = {
        .activity_threads = 1, .keep_ms = { [RUN_COMPLETED] = 100, [RUN_TERMINATED] = 3600000 }
    };
    house_open(&house, &options);
    house.runner.to_fail = 1;
    house_start(&house, "F:fails");
    wait_count(&house, RUN_FAILED, 1);
    house_start(&house, "1:completes");
    house_start(&house, "E:runs");
    house_start(&house, "E:terminated");
    house_terminate(&house, "E:terminated");
    for (int i = 0; i < PATIENCE_MS && house.runner.activities_run < 2; i++) {
        usleep(1000);
    }
    usleep(300000);
    wait_count(&house, RUN_COMPLETED, 0);
    assert_int_equal(count(&house, RUN_FAILED), 1);
    assert_int_equal(count(&house, RUN_TERMINATED), 1);
    assert_int_equal(count(&house, RUN_RUNNING), 1);
    house_close(&house);
}

/* More than one page, and they ended when nobody wanted them forgotten. */
static void what_ended_under_an_earlier_engine_is_forgotten_too(void **state)
{
    (void)state;
    enum { COUNT = 1200 };
    static char ids[COUNT][16];
    static struct start_command commands[COUNT];
    struct house house;
    struct engine_options none = { .activity_threads = 2 };
    struct engine_options options = { .keep_ms = { [RUN_COMPLETED] = 1 } };
    pd_error err;
    house_open(&house, &none);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "1:%d", i);
        commands[i] = (struct start_command){ .id = text_of(ids[i]), .name = TEXT("chain") };
    }
    assert_int_equal(engine_start_instances(house.engine, commands, COUNT, NULL, &err), PD_OK);
    wait_count(&house, RUN_COMPLETED, COUNT);
    engine_stop(house.engine, PATIENCE_MS);
    house.options = options;
    house_start_engine(&house);
    wait_count(&house, RUN_COMPLETED, 0);
    house_close(&house);
}

static void nothing_is_forgotten_unless_it_is_asked_for(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house_start(&house, "1:a");
    wait_count(&house, RUN_COMPLETED, 1);
    usleep(600000);
    assert_int_equal(count(&house, RUN_COMPLETED), 1);
    house_close(&house);
}

static void an_engine_that_forgets_stops_at_once(void **state)
{
    (void)state;
    struct house house;
    struct timespec began, ended;
    house_open(&house, &(struct engine_options){ .keep_ms = { [RUN_FAILED] = 86400000 } });
    usleep(20000);
    clock_gettime(CLOCK_MONOTONIC, &began);
    house_close(&house);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_in_range(ended.tv_sec - began.tv_sec, 0, 5); /* a sweep is due in a minute */
}

/* Of a name that no time is said for, all others that nothing has changed; and only those. */
static void entities_that_nothing_changes_are_forgotten_each_name_after_its_time(void **state)
{
    (void)state;
    enum { COUNT = 700 };
    static const struct entity_keep keeps[] = {
        { .name = TEXT_INIT("short"), .keep_ms = 400 },
        { .name = TEXT_INIT("long"), .keep_ms = 3600000 },
        { .name = TEXT_INIT("ever"), .keep_ms = 0 },
        { .name = TEXT_INIT("shorter"), .keep_ms = 3600000 },
        { .keep_ms = 500 },
    };
    struct engine_options options = { .entity_keeps = keeps, .entity_keep_count = 5 };
    struct house house;
    char id[40];
    house_open(&house, &options);
    house_start(&house, "H:@short@locked"); /* until an event comes */
    house_wait_for(&house.runner.grants, 1);
    for (int i = 0; i < COUNT; i++) { /* more than a page */
        (void)snprintf(id, sizeof id, "@%s@%d", i % 2 == 0 ? "short" : "other", i);
        house_signal(&house, id, "add", "1");
        (void)snprintf(id, sizeof id, "@ever@%d", i);
        house_signal(&house, id, "add", "1");
    }
    house_signal(&house, "@long@a", "add", "1");
    house_signal(&house, "@shorter@a", "add", "1");
    house_signal(&house, "@everest@a", "add", "1");
    struct entity_query query = { .limit = LIMIT_QUERY_PAGE, .with_empty = true };
    struct entity_page page = { .has_more = true };
    struct arena arena;
    pd_error err;
    arena_init(&arena);
    for (int i = 0; i < PATIENCE_MS && (page.has_more || page.count != COUNT + 3); i++) {
        usleep(1000);
        arena_reset(&arena);
        assert_int_equal(
            house.store.real->ops->query_entities(house.store.real, &query, &arena, &page, &err),
            PD_OK);
    }
    assert_int_equal(page.count, COUNT + 3);
    arena_done(&arena);
    assert_true(house_has_entity(&house, "@long@a", NULL));
    assert_true(house_has_entity(&house, "@shorter@a", NULL));
    assert_true(house_has_entity(&house, "@short@locked", NULL));
    usleep(700000);
    assert_true(house_has_entity(&house, "@short@locked", NULL));
    house_raise(&house, "H:@short@locked");
    house_assert_completes(&house, "H:@short@locked", "\"unlocked\"");
    house_close(&house);
}

static void an_entity_that_something_changes_again_and_again_is_kept(void **state)
{
    (void)state;
    static const struct entity_keep keep = { .keep_ms = 600 };
    struct engine_options options = { .entity_keeps = &keep, .entity_keep_count = 1 };
    struct house house;
    char sum[64] = "";
    house_open(&house, &options);
    for (int i = 0; i < 60; i++) {
        house_signal(&house, "@sum@a", "add", "1");
        usleep(20000);
    }
    assert_true(house_has_entity(&house, "@sum@a", sum));
    assert_string_equal(sum, "60");
    house_close(&house);
}

/* It is older than it may become when what waits for its time changes it. */
static void an_entity_that_something_waits_for_is_kept(void **state)
{
    (void)state;
    static const struct entity_keep keep = { .keep_ms = 300 };
    struct engine_options options = { .entity_keeps = &keep, .entity_keep_count = 1 };
    struct house house;
    char sum[64] = "";
    house_open(&house, &options);
    house_signal(&house, "@sum@a", "later", "1"); /* in a second */
    for (int i = 0; i < PATIENCE_MS && strcmp(sum, "1") != 0; i++) {
        usleep(1000);
        (void)house_has_entity(&house, "@sum@a", sum);
    }
    assert_string_equal(sum, "1");
    house_close(&house);
}

/* A sweep knows that it would be refused; so it does not have a line of millions read in. */
static void an_entity_that_something_waits_for_is_left_where_it_is(void **state)
{
    (void)state;
    static const struct entity_keep keep = { .keep_ms = 1 };
    struct engine_options options = { .entity_keeps = &keep, .entity_keep_count = 1 };
    struct house house;
    bool is_seen = false;
    for (int i = 0; i < 20 && !is_seen; i++) { /* unless this machine sleeps too long */
        house_open(&house, &options);
        time_us before = clock_now();
        house_signal(&house, "@sum@a", "later", "1"); /* in a second */
        house_crash(&house);
        house.store.entity_loads = 0;
        usleep(600000); /* of two sweeps */
        int loads = house.store.entity_loads;
        if (clock_now() < before + TIME_SECOND) {
            is_seen = true;
            assert_true(house_has_entity(&house, "@sum@a", NULL));
            assert_int_equal(loads, 0);
        }
        house_close(&house);
    }
    assert_true(is_seen);
}

static void an_entity_without_state_is_kept_until_it_is_purged_when_that_was_asked_for(void **state)
{
    (void)state;
    struct engine_options options = { .keeps_empty_entities = true };
    struct house house;
    char sum[64] = "-";
    pd_error err;
    struct letter purge = { .kind = MESSAGE_PURGE, .instance_id = TEXT("@sum@a") };
    house_open(&house, &options);
    house_signal(&house, "@sum@a", "add", "1");
    house_signal(&house, "@sum@a", "delete", "1");
    assert_true(house_has_entity(&house, "@sum@a", sum));
    assert_string_equal(sum, "");
    house_crash(&house);
    assert_int_equal(engine_tell(house.engine, &purge, 1, NULL, &err), PD_OK);
    assert_false(house_has_entity(&house, "@sum@a", NULL));
    assert_int_equal(engine_tell(house.engine, &purge, 1, NULL, &err), PD_E_NOT_FOUND);
    house_close(&house);
}

/* Partitions whose time is a minute ago leave some of each. */
static void what_was_made_in_passing_is_forgotten_some_time_after_its_end(void **state)
{
    (void)state;
    struct hub hub;
    pd_error err;
    struct engine_options options = { .passing_names = &TEXT("Go"),
                                      .passing_name_count = 1,
                                      .passing_keep_ms = 16000 };
    struct engine_options completed = { .passing_completed = &TEXT("Go"),
                                        .passing_completed_count = 1,
                                        .passing_keep_ms = 16000 };
    struct engine_options other = { .passing_names = &TEXT("Gone"),
                                    .passing_name_count = 1,
                                    .passing_keep_ms = 1 };
    hub_open(&hub, 2);
    hub.now = (time_us)time(NULL) * TIME_SECOND - 60 * TIME_SECOND;
    assert_int_equal(hub_start(&hub, "N:ended", "0"), PD_OK);
    assert_int_equal(hub_start(&hub, "E:runs", "0"), PD_OK);
    hub.runner.to_fail = 1;
    assert_int_equal(hub_start(&hub, "F:failed", "0"), PD_OK);
    hub.now += 59 * TIME_SECOND;
    assert_int_equal(hub_start(&hub, "N:young", "0"), PD_OK);
    for (unsigned i = 0; i < hub.count; i++) {
        partition_free(hub.partitions[i]);
        hub.partitions[i] = NULL;
    }
    struct engine *engine = engine_start(&hub.store.base, &hub.runner.base, &other, &err);
    usleep(600000); /* two sweeps */
    engine_stop(engine, PATIENCE_MS);
    assert_true(hub_look(&hub, "N:ended").exists);
    engine = engine_start(&hub.store.base, &hub.runner.base, &completed, &err);
    for (int i = 0; i < PATIENCE_MS && hub_look(&hub, "N:ended").exists; i++) {
        usleep(1000);
    }
    usleep(600000);
    engine_stop(engine, PATIENCE_MS);
    assert_false(hub_look(&hub, "N:ended").exists);
    assert_true(hub_look(&hub, "F:failed").exists);
    engine = engine_start(&hub.store.base, &hub.runner.base, &options, &err);
    for (int i = 0; i < PATIENCE_MS && hub_look(&hub, "F:failed").exists; i++) {
        usleep(1000);
    }
    engine_stop(engine, PATIENCE_MS);
    assert_false(hub_look(&hub, "N:ended").exists);
    assert_false(hub_look(&hub, "F:failed").exists);
    assert_true(hub_look(&hub, "E:runs").exists);
    assert_true(hub_look(&hub, "N:young").exists);
    hub_close(&hub);
}

/* 168 times as long: a week for an hour. */
static void what_failed_and_may_be_rewound_is_forgotten_much_later(void **state)
{
    (void)state;
    struct hub hub;
    pd_error err;
    struct engine_options later = { .passing_completed = &TEXT("Go"),
                                    .passing_completed_count = 1,
                                    .passing_keep_ms = 500 };
    struct engine_options sooner = later;
    sooner.passing_keep_ms = 100;
    hub_open(&hub, 1);
    hub.now = (time_us)time(NULL) * TIME_SECOND - 60 * TIME_SECOND;
    hub.runner.to_fail = 1;
    assert_int_equal(hub_start(&hub, "F:failed", "0"), PD_OK);
    partition_free(hub.partitions[0]);
    hub.partitions[0] = NULL;
    struct engine *engine = engine_start(&hub.store.base, &hub.runner.base, &later, &err);
    usleep(600000); /* 84 s; its own sweep is due in 10 */
    engine_stop(engine, PATIENCE_MS);
    assert_true(hub_look(&hub, "F:failed").exists);
    engine = engine_start(&hub.store.base, &hub.runner.base, &sooner, &err); /* 16.8 s */
    for (int i = 0; i < PATIENCE_MS && hub_look(&hub, "F:failed").exists; i++) {
        usleep(1000);
    }
    engine_stop(engine, PATIENCE_MS);
    assert_false(hub_look(&hub, "F:failed").exists);
    hub_close(&hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_final_state_has_a_time_of_its_own),
        cmocka_unit_test(what_ended_under_an_earlier_engine_is_forgotten_too),
        cmocka_unit_test(nothing_is_forgotten_unless_it_is_asked_for),
        cmocka_unit_test(an_engine_that_forgets_stops_at_once),
        cmocka_unit_test(entities_that_nothing_changes_are_forgotten_each_name_after_its_time),
        cmocka_unit_test(an_entity_that_something_changes_again_and_again_is_kept),
        cmocka_unit_test(an_entity_that_something_waits_for_is_kept),
        cmocka_unit_test(an_entity_that_something_waits_for_is_left_where_it_is),
        cmocka_unit_test(
            an_entity_without_state_is_kept_until_it_is_purged_when_that_was_asked_for),
        cmocka_unit_test(what_was_made_in_passing_is_forgotten_some_time_after_its_end),
        cmocka_unit_test(what_failed_and_may_be_rewound_is_forgotten_much_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
