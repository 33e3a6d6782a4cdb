/* SPDX-License-Identifier: MIT
 *
 * Activities aside: of those that wait for the same streams only so many bytes do so in memory; the
 * rest is left in the store, and comes back once, in its order, as far as it is wanted still. */
#include <stdio.h>

#include "broker/broker_priv.h"
#include "one_desk.h"

enum { MOST = 8, EPOCH = 5 };

/* The order of what is called is that of its partition. */
static uint64_t partitions;

static size_t weight_of_one(void)
{
    struct activity *activity = desk_activity(&(struct activity_wish){ .row = 1 });
    size_t weight = sizeof(struct item) + activity->size;
    activity_free(activity);
    return weight;
}

static int open_small(void **state)
{
    (void)state;
    partitions = 1;
    desk_open(&desk, &(struct broker_options){ .activity_bytes = MOST * weight_of_one() });
    return 0;
}

#define SMALL(name) cmocka_unit_test_setup_teardown(name, open_small, tear_down)

static void ask_for(uint64_t row, int32_t id, const char *name)
{
    desk_dispatch(&desk, &(struct activity_wish){ .row = row,
                                                  .id = id,
                                                  .name = name,
                                                  .partition = (unsigned)(row % partitions),
                                                  .epoch = EPOCH });
}

static void ask_for_rows(uint64_t first, uint64_t last)
{
    for (uint64_t row = first; row <= last; row++) {
        ask_for(row, 1, NULL);
    }
}

static size_t waiting(void)
{
    return broker_counters(desk.broker).waiting[2];
}

static size_t aside(void)
{
    return broker_counters(desk.broker).aside[2];
}

/* A worker that takes one at a time: which row it has got, and it is done with that. */
static uint64_t next_row(struct worker *worker, size_t *seen)
{
    unsigned long long row = 0;
    assert_true(worker->count > *seen);
    const struct got *got = &worker->got[(*seen)++];
    assert_int_equal(sscanf(got->instance_id, "i%llu", &row), 1);
    desk_complete_activity(&desk, &(struct completion){ .token = got->token, .result = "1" });
    return row;
}

static void assert_nothing_left(void)
{
    assert_int_equal(waiting(), 0);
    assert_int_equal(aside(), 0);
    assert_int_equal(desk.broker->lanes[KIND_ACTIVITY].weight, 0);
}

static const struct broker_stream_options one_at_a_time = { .activities_max = 1 };

/* ---- put aside, and called ------------------------------------------------------------------- */

static void what_fits_waits_in_memory(void **state)
{
    (void)state;
    ask_for_rows(1, MOST);
    assert_int_equal(waiting(), MOST);
    assert_int_equal(aside(), 0);
}

static void one_more_is_left_in_the_store(void **state)
{
    (void)state;
    ask_for_rows(1, MOST + 1);
    assert_int_equal(waiting(), MOST);
    assert_int_equal(aside(), 1);
    assert_int_equal(desk_count(&desk, ASKED_CALL_ACTIVITIES), 0); /* there is no room */
}

static void a_worker_gets_all_of_them_once_and_in_their_order(void **state)
{
    (void)state;
    size_t seen = 0;
    ask_for_rows(1, 50);
    assert_int_equal(aside(), 50 - MOST);
    connect(&a, one_at_a_time);
    for (uint64_t row = 1; row <= 50; row++) {
        assert_int_equal(next_row(&a, &seen), row);
        assert_true(waiting() <= MOST);
    }
    assert_got(&a, 50);
    assert_int_equal(desk_last(&desk, ASKED_CALL_ACTIVITIES)->epoch, EPOCH);
    assert_nothing_left();
}

static void a_large_one_takes_the_room_of_many(void **state)
{
    (void)state;
    size_t seen = 0;
    desk_dispatch(&desk,
                  &(struct activity_wish){
                      .row = 1, .id = 1, .epoch = EPOCH, .input_bytes = MOST * weight_of_one() });
    ask_for_rows(2, 5);
    assert_int_equal(waiting(), 1);
    assert_int_equal(aside(), 4);
    connect(&a, one_at_a_time);
    for (uint64_t row = 1; row <= 5; row++) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_nothing_left();
}

static void what_is_larger_than_the_room_is_called_alone(void **state)
{
    (void)state;
    size_t seen = 0;
    ask_for_rows(1, MOST);
    for (uint64_t row = MOST + 1; row <= MOST + 3; row++) {
        desk_dispatch(&desk, &(struct activity_wish){ .row = row,
                                                      .id = 1,
                                                      .partition = (unsigned)(row % partitions),
                                                      .epoch = EPOCH,
                                                      .input_bytes = 2 * MOST * weight_of_one() });
    }
    connect(&a, one_at_a_time);
    for (uint64_t row = 1; row <= MOST + 3; row++) {
        assert_int_equal(next_row(&a, &seen), row);
        assert_true(row <= MOST / 2 || waiting() <= MOST);
        assert_true(row <= MOST || waiting() <= 1);
    }
    assert_nothing_left();
}

static void what_must_begin_in_time_waits_here(void **state)
{
    (void)state;
    ask_for_rows(1, MOST + 1);
    desk_dispatch(&desk, &(struct activity_wish){
                             .row = 100, .id = 1, .epoch = EPOCH, .limits = { .start_ms = 1000 } });
    assert_int_equal(aside(), 1);
    assert_int_equal(waiting(), MOST + 1);
    desk_pass(&desk, 2 * TIME_SECOND);
    assert_int_equal(waiting(), MOST);
    assert_int_equal(desk_last(&desk, ASKED_ACTIVITY)->row, 100);
    assert_string_equal(desk_last(&desk, ASKED_ACTIVITY)->failure, "start");
}

static void what_a_lost_worker_had_is_not_put_aside(void **state)
{
    (void)state;
    connect(&a, one_at_a_time);
    ask_for_rows(1, 20);
    assert_got(&a, 1);
    size_t left = aside();
    worker_close(&a);
    desk_pass(&desk, TIME_SECOND);
    assert_int_equal(aside(), left);
    size_t seen = 0;
    connect(&b, one_at_a_time);
    bool has_first = false;
    for (uint64_t i = 1; i <= 20; i++) {
        has_first |= next_row(&b, &seen) == 1;
    }
    assert_true(has_first);
    assert_nothing_left();
}

/* ---- many of one instance, many names -------------------------------------------------------- */

static void the_activities_of_one_instance_are_called_together(void **state)
{
    enum { FAN = 1500, ROOM = 2000 };
    (void)state;
    desk_close(&desk);
    desk_open(&desk, &(struct broker_options){ .activity_bytes = ROOM * weight_of_one() });
    ask_for_rows(10, 9 + ROOM); /* what waits in front */
    for (int32_t id = 1; id <= FAN; id++) {
        ask_for(1, id, NULL);
    }
    assert_int_equal(aside(), FAN);
    desk.answers_late = true;
    connect(&a, (struct broker_stream_options){ .activities_max = ROOM });
    const struct asked *asked = desk_last(&desk, ASKED_CALL_ACTIVITIES);
    assert_int_equal(asked->row, 1);
    assert_int_equal(asked->count, FAN);
}

static void of_many_instances_few_are_called_at_once(void **state)
{
    enum { COUNT = 1500, ROOM = 2000, ROWS = 256 };
    (void)state;
    partitions = PARTITIONS;
    desk_close(&desk);
    desk_open(&desk, &(struct broker_options){ .activity_bytes = ROOM * weight_of_one() });
    ask_for_rows(1, ROOM + COUNT);
    assert_int_equal(aside(), COUNT);
    desk.answers_late = true;
    connect(&a, (struct broker_stream_options){ .activities_max = ROOM });
    assert_int_equal(desk_count(&desk, ASKED_CALL_ACTIVITIES), 2); /* a partition each */
    assert_int_equal(desk.asked[0].count + desk.asked[1].count, ROWS);
    assert_int_equal(aside(), COUNT - ROWS);
}

/* Each of them has a line of its own. */
static void of_many_names_no_more_is_called_than_there_is_room_for(void **state)
{
    enum { NAMES = 60 };
    (void)state;
    static char names[NAMES][8];
    ask_for_rows(1, MOST);
    for (uint64_t i = 0; i < NAMES; i++) {
        (void)snprintf(names[i], sizeof names[i], "n%d", (int)i);
        ask_for(100 + i, 1, names[i]);
    }
    assert_int_equal(aside(), NAMES);
    connect(&a, (struct broker_stream_options){ .activities_max = MOST });
    desk.answers_late = true;
    size_t called = aside();
    for (size_t at = 0; at < MOST; at++) { /* each a run, in which nothing called for has come */
        desk_complete_activity(&desk,
                               &(struct completion){ .token = a.got[at].token, .result = "1" });
    }
    called -= aside();
    assert_true(called <= 2 * MOST);
    desk.answers_late = false;
    desk_answer_all(&desk);
    for (size_t at = MOST; at < MOST + NAMES; at++) {
        assert_true(a.count > at);
        desk_complete_activity(&desk,
                               &(struct completion){ .token = a.got[at].token, .result = "1" });
    }
    assert_nothing_left();
}

static void what_nobody_takes_keeps_nothing_else_waiting(void **state)
{
    (void)state;
    struct hub_activity_filter other = { .name = TEXT("other") };
    struct hub_work_item_filters filters = { .activities = { &other, 1 } };
    size_t seen = 0;
    for (uint64_t row = 1; row <= 60; row++) {
        ask_for(row, 1, row % 3 == 0 ? "other" : NULL); /* before there is any worker */
    }
    connect(&a, (struct broker_stream_options){ .activities_max = 1, .filters = &filters });
    for (uint64_t row = 3; row <= 60; row += 3) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_int_equal(waiting() + aside(), 40);
    connect(&b, one_at_a_time);
    seen = 0;
    for (uint64_t row = 1; row <= 60; row += row % 3 == 2 ? 2 : 1) {
        assert_int_equal(next_row(&b, &seen), row);
    }
    assert_nothing_left();
}

static void a_worker_of_a_version_gets_those_of_its_instances(void **state)
{
    (void)state;
    struct text version = TEXT("2");
    struct hub_activity_filter say = { .name = TEXT("say"), .versions = { &version, 1 } };
    struct hub_work_item_filters filters = { .activities = { &say, 1 } };
    size_t seen = 0;
    for (uint64_t row = 1; row <= 40; row++) {
        desk_dispatch(&desk, &(struct activity_wish){ .row = row,
                                                      .id = 1,
                                                      .partition = (unsigned)(row % partitions),
                                                      .epoch = EPOCH,
                                                      .owner_version = row % 2 == 0 ? "2" : "1" });
    }
    connect(&a, (struct broker_stream_options){ .activities_max = 1, .filters = &filters });
    for (uint64_t row = 2; row <= 40; row += 2) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_got(&a, 20);
    assert_int_equal(waiting() + aside(), 20);
}

/* ---- not wanted any more --------------------------------------------------------------------- */

static void a_step_that_was_cancelled_is_called_without_harm(void **state)
{
    (void)state;
    size_t seen = 0;
    ask_for_rows(1, MOST + 4);
    desk_cancel(&desk, MOST + 2, 1);
    connect(&a, one_at_a_time);
    for (uint64_t row = 1; row <= MOST + 4; row += row == MOST + 1 ? 2 : 1) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_nothing_left();
}

static void of_an_instance_that_has_ended_nothing_is_called(void **state)
{
    (void)state;
    size_t seen = 0;
    ask_for_rows(1, MOST);
    ask_for(50, 1, NULL);
    ask_for(50, 2, NULL);
    ask_for(51, 1, NULL);
    desk_cancel(&desk, 50, EVENT_NO_ID);
    connect(&a, one_at_a_time);
    for (uint64_t row = 1; row <= MOST; row++) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_int_equal(next_row(&a, &seen), 51);
    for (size_t i = 0; i < desk.asked_count; i++) {
        assert_false(desk.asked[i].kind == ASKED_CALL_ACTIVITIES && desk.asked[i].row == 50);
    }
    assert_nothing_left();
}

/* All that a line has is over: nothing is called, and the line goes. */
static void of_instances_that_have_ended_nothing_stays(void **state)
{
    (void)state;
    size_t seen = 0;
    ask_for_rows(1, MOST + 3);
    for (uint64_t row = MOST + 1; row <= MOST + 3; row++) {
        desk_cancel(&desk, row, EVENT_NO_ID);
    }
    connect(&a, one_at_a_time);
    for (uint64_t row = 1; row <= MOST; row++) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_nothing_left();
    assert_int_equal(desk_count(&desk, ASKED_CALL_ACTIVITIES), 0);
}

/* A failed instance leaves its open steps behind, and asks for the same ones when it is rewound. */
static void what_a_rewound_instance_asks_for_again_runs_once(void **state)
{
    (void)state;
    size_t seen = 0;
    ask_for_rows(1, MOST);
    ask_for(50, 1, NULL);
    desk_cancel(&desk, 50, EVENT_NO_ID); /* it fails, */
    ask_for(50, 1, NULL);                /* and is rewound, */
    desk_cancel(&desk, 50, EVENT_NO_ID);
    ask_for(50, 1, NULL); /* twice */
    assert_int_equal(aside(), 3);
    connect(&a, (struct broker_stream_options){ .activities_max = 2 });
    for (uint64_t row = 1; row <= MOST; row++) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_int_equal(next_row(&a, &seen), 50);
    assert_got(&a, MOST + 1);
    assert_nothing_left();
}

/* Likewise; here its code had cancelled the step, so that at its end there was nothing to cancel,
 * and the runner is only told that the row begins anew. */
static void nor_does_a_step_twice_that_was_cancelled_before_the_rewind(void **state)
{
    (void)state;
    size_t seen = 0;
    ask_for_rows(1, MOST);
    ask_for(50, 1, NULL);
    desk_cancel(&desk, 50, 1);
    desk.runner->ops->forget(desk.runner, 0, 50);
    ask_for(50, 1, NULL);
    connect(&a, (struct broker_stream_options){ .activities_max = 2 });
    for (uint64_t row = 1; row <= MOST; row++) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_int_equal(next_row(&a, &seen), 50);
    assert_got(&a, MOST + 1);
    assert_nothing_left();
}

/* Of what begins and is terminated again and again nothing is kept for ever. */
static void what_is_over_goes_when_there_is_much_of_it(void **state)
{
    enum { GONE = 4096 };
    (void)state;
    ask_for_rows(1, MOST + 20);
    for (uint64_t row = 1000; row < 1000 + GONE + 15; row++) { /* of others, which had none aside */
        desk.runner->ops->cancel(desk.runner, 0, row, EVENT_NO_ID);
    }
    desk_run(&desk);
    for (uint64_t row = MOST + 1; row <= MOST + 5; row++) {
        desk_cancel(&desk, row, EVENT_NO_ID);
    }
    assert_int_equal(aside(), 20); /* they are known to be over, and are there still */
    desk_cancel(&desk, 1, EVENT_NO_ID);
    assert_int_equal(aside(), 15);
    size_t seen = 0;
    connect(&a, one_at_a_time);
    for (uint64_t row = 2; row <= MOST + 20; row += row == MOST ? 6 : 1) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_nothing_left();
}

static void a_partition_that_begins_again_has_nothing_aside(void **state)
{
    (void)state;
    size_t seen = 0;
    partitions = PARTITIONS;
    ask_for_rows(1, 30);
    assert_int_equal(aside(), 30 - MOST);
    desk.runner->ops->forget_all(desk.runner, 1);
    desk_run(&desk);
    assert_int_equal(aside(), (30 - MOST) / 2);
    for (uint64_t row = 1; row <= 30; row += 2) { /* its next life dispatches them itself */
        desk_dispatch(&desk, &(struct activity_wish){
                                 .row = row, .id = 1, .partition = 1, .epoch = EPOCH + 1 });
    }
    connect(&a, one_at_a_time);
    bool had[31] = { 0 };
    for (size_t i = 0; i < 30; i++) {
        uint64_t row = next_row(&a, &seen);
        assert_false(had[row]);
        had[row] = true;
    }
    assert_nothing_left();
}

static void the_broker_stops_with_some_aside(void **state)
{
    (void)state;
    ask_for_rows(1, 30);
    desk_cancel(&desk, 30, EVENT_NO_ID);
    desk.answers_late = true;
    connect(&a, one_at_a_time);
    size_t seen = 0;
    for (uint64_t row = 1; row <= MOST; row++) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_true(aside() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL(what_fits_waits_in_memory),
        SMALL(one_more_is_left_in_the_store),
        SMALL(a_worker_gets_all_of_them_once_and_in_their_order),
        SMALL(a_large_one_takes_the_room_of_many),
        SMALL(what_is_larger_than_the_room_is_called_alone),
        SMALL(what_must_begin_in_time_waits_here),
        SMALL(what_a_lost_worker_had_is_not_put_aside),
        SMALL(the_activities_of_one_instance_are_called_together),
        SMALL(of_many_instances_few_are_called_at_once),
        SMALL(of_many_names_no_more_is_called_than_there_is_room_for),
        SMALL(what_nobody_takes_keeps_nothing_else_waiting),
        SMALL(a_worker_of_a_version_gets_those_of_its_instances),
        SMALL(a_step_that_was_cancelled_is_called_without_harm),
        SMALL(of_an_instance_that_has_ended_nothing_is_called),
        SMALL(of_instances_that_have_ended_nothing_stays),
        SMALL(what_a_rewound_instance_asks_for_again_runs_once),
        SMALL(nor_does_a_step_twice_that_was_cancelled_before_the_rewind),
        SMALL(what_is_over_goes_when_there_is_much_of_it),
        SMALL(a_partition_that_begins_again_has_nothing_aside),
        SMALL(the_broker_stops_with_some_aside),
    };
    (void)set_up;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
