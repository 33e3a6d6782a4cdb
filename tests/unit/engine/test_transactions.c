/* SPDX-License-Identifier: MIT
 *
 * Transactional activities: once, whatever fails, and whoever comes in between. With threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "house.h"

static void a_transaction_writes_once_and_its_result_arrives(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 2 });
    house.runner.has_transaction = true;
    house_start(&house, "3:a");
    house_assert_completes(&house, "3:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 3);
    house_close(&house);
}

static void a_failure_rolls_back_and_is_delivered(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 2 });
    house.runner.has_transaction = true;
    house.runner.to_fail = 1;
    house_start(&house, "F:a");
    assert_string_equal(house_wait_ended(&house, "F:a").failure, "Refused: as it was told to");
    assert_int_equal(house.store.database, 0);
    house_start(&house, "1:b"); /* nothing is left of the claim */
    house_assert_completes(&house, "1:b", "\"end of chain\"");
    assert_int_equal(house.store.database, 1);
    house_close(&house);
}

/* The process dies when the transaction is made and before anybody has read its result. */
static void a_crash_after_the_transaction_does_not_repeat_it(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.has_transaction = true;
    house.runner.is_gate_shut = true;
    house_start(&house, "2:a");
    house_wait_for(&house.runner.activities_begun, 1);
    house.store.commits_to_fail = -1; /* nothing gets any further */
    house.runner.is_gate_shut = false;
    house_wait_for(&house.store.transacts, 1);
    house_crash(&house);
    house_assert_completes(&house, "2:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 2); /* the second step's */
    house_close(&house);
}

/* The partition begins again while the activity runs: it is dispatched a second time. */
static void an_activity_of_an_earlier_life_makes_no_transaction(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    house_open(&house, &(struct engine_options){ .activity_threads = 2 });
    house.runner.has_transaction = true;
    house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    house_wait_for(&house.runner.activities_begun, 1);
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
    house_wait_for(&house.runner.activities_begun, 2);
    house.runner.gate_opens_for = 1; /* the old one */
    house_wait_for(&house.runner.activities_run, 1);
    usleep(20000); /* what it returned would be in history by now */
    house.runner.is_gate_shut = false;
    house_assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 1);
    house_close(&house);
}

static void try_transaction_that_fails(bool lies)
{
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 2 });
    house.runner.has_transaction = true;
    house.store.transacts_to_fail = lies ? 0 : 2;
    house.store.transacts_to_lie = lies ? 2 : 0;
    house_start(&house, "3:a");
    house_start(&house, "3:b");
    house_assert_completes(&house, "3:a", "\"end of chain\"");
    house_assert_completes(&house, "3:b", "\"end of chain\"");
    assert_int_equal(house.store.database, 6);
    house_close(&house);
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
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.has_transaction = true;
    house.runner.limits.run_ms = 20;
    house.store.dwell_us = 100000;
    house_start(&house, "1:a");
    house_assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 1);
    house_close(&house);
}

/* It was told that its time is up, and heeds that: its failure is the only word the step gets. */
static void a_transaction_that_fails_past_its_time_fails_the_step(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.has_transaction = true;
    house.runner.limits.run_ms = 20;
    house.runner.to_fail = 1;
    house.store.dwell_us = 100000;
    house_start(&house, "F:a");
    assert_string_equal(house_wait_ended(&house, "F:a").failure, "Refused: as it was told to");
    house_close(&house);
    assert_int_equal(house.store.database, 0);
}

/* And before it: then there is none. */
static void an_activity_that_timed_out_makes_no_transaction(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    house.runner.has_transaction = true;
    house.runner.limits.run_ms = 20;
    house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    assert_string_equal(house_wait_ended(&house, "1:a").failure,
                        "Timeout: it did not end within 20 ms");
    house.runner.is_gate_shut = false;
    house_wait_for(&house.runner.activities_run, 1);
    house_close(&house);
    assert_int_equal(house.store.database, 0);
}

static void stopping_waits_for_a_transaction(void **state)
{
    (void)state;
    struct house house;
    house_open(&house, &(struct engine_options){ .activity_threads = 2 });
    house.runner.has_transaction = true;
    house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    house_wait_for(&house.runner.activities_begun, 1);
    house.store.dwell_us = 50000;
    house.runner.is_gate_shut = false;
    house_wait_for(&house.store.transacts_begun, 1);
    engine_stop(house.engine, 0);
    assert_int_equal(house.store.database, 1);
    house.store.dwell_us = 0;
    house_start_engine(&house);
    house_assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(house.store.database, 1);
    house_close(&house);
}

/* The disk is full for good; a claim waits for mail that cannot be read. */
static void stopping_does_not_wait_for_a_claim_that_nobody_can_grant(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    house_open(&house, &(struct engine_options){ .activity_threads = 2 });
    house.runner.has_transaction = true;
    house.runner.is_gate_shut = true;
    house_start(&house, "1:a");
    house_wait_for(&house.runner.activities_begun, 1);
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
    house_close(&house);
    assert_int_equal(house.store.database, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_writes_once_and_its_result_arrives),
        cmocka_unit_test(a_failure_rolls_back_and_is_delivered),
        cmocka_unit_test(a_crash_after_the_transaction_does_not_repeat_it),
        cmocka_unit_test(an_activity_of_an_earlier_life_makes_no_transaction),
        cmocka_unit_test(a_transaction_whose_store_fails_is_made_once_all_the_same),
        cmocka_unit_test(a_transaction_that_has_begun_does_not_time_out),
        cmocka_unit_test(a_transaction_that_fails_past_its_time_fails_the_step),
        cmocka_unit_test(an_activity_that_timed_out_makes_no_transaction),
        cmocka_unit_test(stopping_waits_for_a_transaction),
        cmocka_unit_test(stopping_does_not_wait_for_a_claim_that_nobody_can_grant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
