/* SPDX-License-Identifier: MIT
 *
 * Forgetting what ended long enough ago. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "house.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_final_state_has_a_time_of_its_own),
        cmocka_unit_test(what_ended_under_an_earlier_engine_is_forgotten_too),
        cmocka_unit_test(nothing_is_forgotten_unless_it_is_asked_for),
        cmocka_unit_test(an_engine_that_forgets_stops_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
