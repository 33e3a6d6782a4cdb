/* SPDX-License-Identifier: MIT
 *
 * Activities that a runner let go of, and calls for (T9): they are dispatched again, once, as far
 * as their steps are open still. Partitions without threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hub.h"

static struct hub hub;

static int open_hub(void **state)
{
    (void)state;
    hub_open(&hub, 1);
    return 0;
}

static int close_hub(void **state)
{
    (void)state;
    hub_close(&hub);
    return 0;
}

#define HUB_TEST(test) cmocka_unit_test_setup_teardown(test, open_hub, close_hub)

/* What a runner keeps of one. */
struct left {
    uint64_t row, epoch;
    int32_t id;
};

static void step_all(void)
{
    while (hub_step(&hub, 0)) {}
}

/* The oldest that was dispatched; NULL: none. */
static struct activity *take(void)
{
    struct list_node *node = list_pop_front(&hub.activities);
    return node != NULL ? CONTAINER_OF(node, struct activity, node) : NULL;
}

static struct left leave(struct activity *activity)
{
    assert_non_null(activity);
    struct left left = { activity->row, activity->epoch, activity->id };
    activity_free(activity);
    return left;
}

static struct left start_and_leave(const char *id)
{
    hub_ask(&hub, &hub.call, MESSAGE_START, id, "1");
    step_all();
    assert_int_equal(hub_end_call(&hub.call), PD_OK);
    return leave(take());
}

struct asked {
    struct command command;
    struct latch latch;
    pd_error error;
    uint64_t rows[8];
    int32_t ids[8];
};

static void begin_call(struct asked *asked, const struct left *left, size_t count)
{
    *asked = (struct asked){ .command = { .kind = COMMAND_CALL } };
    latch_init(&asked->latch, 1);
    for (size_t i = 0; i < count; i++) {
        asked->rows[i] = left[i].row;
        asked->ids[i] = left[i].id;
    }
    asked->command.latch = &asked->latch;
    asked->command.error = &asked->error;
    asked->command.as.call.rows = asked->rows;
    asked->command.as.call.ids = asked->ids;
    asked->command.as.call.epoch = left[0].epoch;
    asked->command.as.call.count = count;
    partition_apply(hub.partitions[0], hub.now, &asked->command);
}

static pd_status end_call(struct asked *asked)
{
    step_all();
    assert_int_equal(asked->latch.pending, 0);
    latch_done(&asked->latch);
    return asked->command.status;
}

static void call(const struct left *left, size_t count)
{
    struct asked asked;
    begin_call(&asked, left, count);
    assert_int_equal(end_call(&asked), PD_OK);
}

static void assert_dispatched(struct left left)
{
    struct activity *activity = take();
    assert_non_null(activity);
    assert_int_equal(activity->row, left.row);
    assert_int_equal(activity->id, left.id);
    assert_true(activity->is_called);
    assert_string_equal(activity->input.at, "null");
    activity_free(activity);
}

static void complete(const char *id)
{
    assert_true(hub_run_activity(&hub));
    hub_settle(&hub);
    hub_assert_completed(&hub, id, "\"end of chain\"");
}

static void one_that_was_left_comes_when_it_is_called(void **state)
{
    (void)state;
    struct left left = start_and_leave("1:a");
    step_all();
    assert_null(take());
    call(&left, 1);
    assert_dispatched(left);
    call(&left, 1);
    complete("1:a");
}

static void one_that_is_dispatched_by_itself_is_not_said_to_be_called(void **state)
{
    (void)state;
    hub_ask(&hub, &hub.call, MESSAGE_START, "1:a", "1");
    step_all();
    assert_int_equal(hub_end_call(&hub.call), PD_OK);
    struct activity *activity = take();
    assert_false(activity->is_called);
    activity_free(activity);
}

static void those_that_were_left_need_no_memory_and_come_in_the_order_of_the_call(void **state)
{
    (void)state;
    struct left left[3];
    left[2] = start_and_leave("1:a");
    left[0] = start_and_leave("1:b");
    left[1] = start_and_leave("1:c");
    partition_evict(hub.partitions[0], 0);
    assert_int_equal(partition_counters(hub.partitions[0]).residents, 0);
    call(left, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_dispatched(left[i]);
    }
    assert_null(take());
    partition_evict(hub.partitions[0], 0); /* what is dispatched holds nobody here either */
    assert_int_equal(partition_counters(hub.partitions[0]).residents, 0);
}

static void what_is_over_or_never_was_is_called_without_harm(void **state)
{
    (void)state;
    struct left left[4];
    left[0] = start_and_leave("1:over");
    left[1] = start_and_leave("1:purged");
    left[2] = (struct left){ .row = 123456789 };
    left[3] = start_and_leave("1:open");
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "1:over", "\"\""), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "1:purged", "\"\""), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_PURGE, "1:purged", NULL), PD_OK);
    call(left, 4);
    assert_dispatched(left[3]);
    assert_null(take());
}

/* It has ended in memory, and in the store it has not yet. */
static void one_that_ended_just_now_is_called_without_harm(void **state)
{
    (void)state;
    struct hub_call terminate;
    struct asked asked;
    struct left left = start_and_leave("1:a");
    hub_ask(&hub, &terminate, MESSAGE_TERMINATE, "1:a", "\"\"");
    begin_call(&asked, &left, 1);
    assert_int_equal(end_call(&asked), PD_OK);
    assert_int_equal(hub_end_call(&terminate), PD_OK);
    assert_null(take());
}

static void a_step_that_has_ended_and_the_next_one_of_it(void **state)
{
    (void)state;
    struct left left = start_and_leave("2:a");
    call(&left, 1);
    assert_true(hub_run_activity(&hub)); /* its result is here; the next step is asked for */
    call(&left, 1);
    struct left next = leave(take());
    assert_int_not_equal(next.id, left.id);
    assert_null(take());
    call(&next, 1);
    complete("2:a");
}

/* The result comes in the batch that would have had it dispatched again. */
static void a_result_that_comes_with_the_call_is_the_end_of_it(void **state)
{
    (void)state;
    struct asked asked;
    struct left left = start_and_leave("1:a");
    call(&left, 1);
    begin_call(&asked, &left, 1);
    assert_true(hub_run_activity(&hub));
    assert_int_equal(end_call(&asked), PD_OK);
    assert_null(take());
    hub_assert_completed(&hub, "1:a", "\"end of chain\"");
}

static void one_that_is_named_twice_comes_once(void **state)
{
    (void)state;
    struct left left[2];
    left[0] = left[1] = start_and_leave("1:a");
    call(left, 2);
    assert_dispatched(left[0]);
    assert_null(take());
}

static void one_that_is_suspended_has_its_activity_all_the_same(void **state)
{
    (void)state;
    struct left left = start_and_leave("1:a");
    assert_int_equal(hub_tell(&hub, MESSAGE_SUSPEND, "1:a", "\"\""), PD_OK);
    partition_evict(hub.partitions[0], 0);
    call(&left, 1);
    assert_true(hub_run_activity(&hub));
    hub_settle(&hub);
    hub_assert_state(&hub, "1:a", RUN_SUSPENDED);
    assert_int_equal(hub_tell(&hub, MESSAGE_RESUME, "1:a", "\"\""), PD_OK);
    hub_assert_completed(&hub, "1:a", "\"end of chain\"");
}

/* The next life dispatches all that is open; who calls for what he had of the one before gets
 * nothing of it twice. */
static void what_another_life_dispatched_is_not_called(void **state)
{
    (void)state;
    struct left left = start_and_leave("1:a");
    hub_crash(&hub);
    step_all();
    assert_int_equal(list_count(&hub.activities), 1);
    call(&left, 1);
    assert_int_equal(list_count(&hub.activities), 1);
    complete("1:a");
    assert_int_equal(hub.runner.activities_run, 1);
}

/* Who calls for what recovery has not come to yet (P5) gets it from there, once. */
static void what_recovery_is_to_dispatch_comes_once(void **state)
{
    (void)state;
    struct left left = start_and_leave("1:a");
    hub_crash(&hub);
    partition_hold_recovery(hub.partitions[0], true);
    step_all();
    assert_null(take());
    left.epoch = partition_epoch(hub.partitions[0]);
    call(&left, 1);
    assert_int_equal(list_count(&hub.activities), 1);
    partition_hold_recovery(hub.partitions[0], false);
    step_all();
    assert_int_equal(list_count(&hub.activities), 1);
    complete("1:a");
}

static void a_call_waits_while_the_store_fails_and_brings_each_once(void **state)
{
    (void)state;
    for (int fails = 1; fails <= 6; fails++) { /* at each of the loads */
        struct asked asked;
        struct left left[2];
        char ids[2][16] = { "1:a0", "1:b0" };
        ids[0][3] = ids[1][3] = (char)('0' + fails);
        left[0] = start_and_leave(ids[0]);
        left[1] = start_and_leave(ids[1]);
        partition_evict(hub.partitions[0], 0);
        hub.store.loads_before = fails - 1;
        hub.store.loads_to_fail = 1;
        begin_call(&asked, left, 2);
        assert_int_equal(asked.latch.pending, 1);
        hub.now += 10 * TIME_SECOND;
        assert_int_equal(end_call(&asked), PD_OK);
        assert_dispatched(left[0]);
        assert_dispatched(left[1]);
        assert_null(take());
        hub.store.loads_before = hub.store.loads_to_fail = 0;
    }
}

/* What a worker of an earlier life had said of it is not lost. */
static void one_that_is_called_goes_on_from_its_last_word(void **state)
{
    (void)state;
    hub_ask(&hub, &hub.call, MESSAGE_START, "1:a", "1");
    step_all();
    assert_int_equal(hub_end_call(&hub.call), PD_OK);
    struct activity *activity = take();
    struct command beat = { .kind = COMMAND_ACTIVITY_BEAT };
    struct latch latch;
    pd_error err;
    latch_init(&latch, 1);
    beat.latch = &latch;
    beat.error = &err;
    beat.as.beat.row = activity->row;
    beat.as.beat.id = activity->id;
    beat.as.beat.execution_id = activity->execution_id;
    beat.as.beat.progress = TEXT("\"half\"");
    partition_apply(hub.partitions[0], hub.now, &beat);
    step_all();
    assert_int_equal(beat.status, PD_OK);
    latch_done(&latch);
    struct left left = leave(activity);
    partition_evict(hub.partitions[0], 0);
    call(&left, 1);
    activity = take();
    assert_true(text_equal(activity_progress(activity), TEXT("\"half\"")));
    activity_free(activity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(one_that_was_left_comes_when_it_is_called),
        HUB_TEST(one_that_is_dispatched_by_itself_is_not_said_to_be_called),
        HUB_TEST(those_that_were_left_need_no_memory_and_come_in_the_order_of_the_call),
        HUB_TEST(what_is_over_or_never_was_is_called_without_harm),
        HUB_TEST(one_that_ended_just_now_is_called_without_harm),
        HUB_TEST(a_step_that_has_ended_and_the_next_one_of_it),
        HUB_TEST(a_result_that_comes_with_the_call_is_the_end_of_it),
        HUB_TEST(one_that_is_named_twice_comes_once),
        HUB_TEST(one_that_is_suspended_has_its_activity_all_the_same),
        HUB_TEST(what_another_life_dispatched_is_not_called),
        HUB_TEST(what_recovery_is_to_dispatch_comes_once),
        HUB_TEST(a_call_waits_while_the_store_fails_and_brings_each_once),
        HUB_TEST(one_that_is_called_goes_on_from_its_last_word),
    };
    return cmocka_run_group_tests_name("engine: activities that were left", tests, NULL, NULL);
}
