/* SPDX-License-Identifier: MIT
 *
 * Aside: of what waits for the same streams only so much does so in memory; the rest is left in the
 * store, and called back in its order. */
#include <stdio.h>

#include "one_desk.h"

enum { MOST = 8 };

static int open_small(void **state)
{
    (void)state;
    desk_open(&desk, &(struct broker_options){ .waiting_max = MOST });
    return 0;
}

#define SMALL(name) cmocka_unit_test_setup_teardown(name, open_small, tear_down)

static void offer_turns(uint64_t first, uint64_t last)
{
    for (uint64_t row = first; row <= last; row++) {
        (void)desk_offer_turn(&desk, row, 1);
    }
}

static void offer_named(uint64_t row, const char *name)
{
    struct turn turn =
        desk_turn(&desk, row, 1, arena_printf(&desk.arena, "i%llu", (unsigned long long)row));
    turn.name = text_of(name);
    desk_offer(&desk, &turn);
}

static size_t waiting(void)
{
    return broker_counters(desk.broker).waiting[0];
}

static size_t aside(void)
{
    return broker_counters(desk.broker).aside[0];
}

/* A worker that takes one at a time: which row it has got, and it is done with that. */
static uint64_t next_row(struct worker *worker, size_t *seen)
{
    unsigned long long row = 0;
    assert_true(worker->count > *seen);
    const struct got *got = &worker->got[(*seen)++];
    assert_int_equal(sscanf(got->instance_id, "i%llu", &row), 1);
    desk_complete_turn(&desk, &(struct completion){ .token = got->token, .completes = true });
    desk_run(&desk);
    return row;
}

static void what_fits_waits_in_memory(void **state)
{
    (void)state;
    offer_turns(1, MOST);
    assert_int_equal(waiting(), MOST);
    assert_int_equal(aside(), 0);
    assert_int_equal(desk_count(&desk, ASKED_LEAVE), 0);
}

static void one_more_is_left_in_the_store(void **state)
{
    (void)state;
    offer_turns(1, MOST + 1);
    assert_int_equal(waiting(), MOST);
    assert_int_equal(aside(), 1);
    assert_int_equal(desk_last(&desk, ASKED_LEAVE)->ticket.row, MOST + 1);
    assert_int_equal(desk_count(&desk, ASKED_CALL), 0); /* there is no room */
}

static void a_worker_gets_all_of_them_in_their_order(void **state)
{
    (void)state;
    size_t seen = 0;
    offer_turns(1, 50);
    assert_int_equal(aside(), 50 - MOST);
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    for (uint64_t row = 1; row <= 50; row++) {
        assert_int_equal(next_row(&a, &seen), row);
        assert_true(waiting() <= 2 * MOST); /* those that come again to be written, too */
    }
    assert_int_equal(waiting() + aside(), 0);
    worker_close(&a);
}

static void what_is_new_stands_behind_what_is_aside(void **state)
{
    (void)state;
    size_t seen = 0;
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    offer_turns(1, MOST + 2); /* the first is out */
    assert_int_equal(next_row(&a, &seen), 1);
    assert_int_equal(waiting(), MOST - 1); /* there is room, but too little to call for any */
    offer_turns(MOST + 3, MOST + 3);
    assert_int_equal(aside(), 2);
    for (uint64_t row = 2; row <= MOST + 3; row++) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    worker_close(&a);
}

static void what_nobody_takes_keeps_nothing_else_waiting(void **state)
{
    (void)state;
    struct hub_orchestration_filter other = { .name = TEXT("other") };
    struct hub_work_item_filters filters = { .orchestrations = { &other, 1 } };
    size_t seen = 0;
    for (uint64_t row = 1; row <= 60; row++) {
        offer_named(row, row % 3 == 0 ? "other" : "hello"); /* before there is any worker */
    }
    connect(&a, (struct broker_stream_options){ .turns_max = 1, .filters = &filters });
    for (uint64_t row = 3; row <= 60; row += 3) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    offer_named(61, "other");
    assert_int_equal(next_row(&a, &seen), 61);
    assert_int_equal(waiting() + aside(), 40);
    connect(&b, (struct broker_stream_options){ .turns_max = 1 });
    seen = 0;
    for (uint64_t row = 1; row <= 60; row += row % 3 == 2 ? 2 : 1) {
        assert_int_equal(next_row(&b, &seen), row);
    }
    assert_int_equal(waiting() + aside(), 0);
    worker_close(&a);
    worker_close(&b);
}

static void what_came_back_by_itself_is_called_without_harm(void **state)
{
    (void)state;
    size_t seen = 0;
    offer_turns(1, MOST + 2);
    /* It was loaded for an event, say, and offered: that is left as well, at the end. */
    for (size_t i = 0; i < desk.offered_count; i++) {
        if (desk.offered[i].turn.row == MOST + 1) {
            desk.offered[i].is_left = false;
            desk.offered[i].is_returned = true;
        }
    }
    desk_offer_returned(&desk);
    desk_run(&desk);
    assert_int_equal(aside(), 3);
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    for (uint64_t row = 1; row <= MOST + 2; row++) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_int_equal(waiting() + aside(), 0);
    worker_close(&a);
}

static void what_is_over_is_called_without_harm(void **state)
{
    (void)state;
    size_t seen = 0;
    offer_turns(1, MOST + 2);
    desk.runner->ops->forget(desk.runner, (MOST + 1) % PARTITIONS, MOST + 1);
    desk.offered[MOST].is_left = false; /* the engine offers it no more */
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    for (uint64_t row = 1; row <= MOST + 2; row += row == MOST ? 2 : 1) {
        assert_int_equal(next_row(&a, &seen), row);
    }
    assert_int_equal(waiting() + aside(), 0);
    worker_close(&a);
}

static void a_partition_that_begins_again_has_nothing_aside(void **state)
{
    (void)state;
    offer_turns(1, 30);
    assert_int_equal(aside(), 30 - MOST);
    desk.runner->ops->forget_all(desk.runner, 1);
    desk_run(&desk);
    assert_int_equal(aside(), (30 - MOST) / 2);
    desk.runner->ops->forget_all(desk.runner, 0);
    desk_run(&desk);
    assert_int_equal(waiting() + aside(), 0);
    offer_turns(31, 30 + MOST);
    assert_int_equal(waiting(), MOST);
}

static void batches_of_entities_are_left_as_turns_are(void **state)
{
    (void)state;
    for (uint64_t row = 1; row <= 20; row++) {
        (void)desk_offer_entity(&desk, row, 1, 0);
    }
    assert_int_equal(broker_counters(desk.broker).waiting[1], MOST);
    assert_int_equal(broker_counters(desk.broker).aside[1], 20 - MOST);
    connect(&a, (struct broker_stream_options){ 0 });
    assert_got(&a, 20);
    worker_close(&a);
}

static void what_was_given_back_is_not_put_aside(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    offer_turns(1, 1);
    offer_turns(2, 40);
    broker_abandon(desk.broker, text_make(worker_last(&a)->token, WORK_TOKEN_SIZE));
    desk_run(&desk);
    size_t left = desk_count(&desk, ASKED_LEAVE);
    desk_pass(&desk, TIME_SECOND);
    assert_int_equal(desk_count(&desk, ASKED_LEAVE), left);
    worker_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL(what_fits_waits_in_memory),
        SMALL(one_more_is_left_in_the_store),
        SMALL(a_worker_gets_all_of_them_in_their_order),
        SMALL(what_is_new_stands_behind_what_is_aside),
        SMALL(what_nobody_takes_keeps_nothing_else_waiting),
        SMALL(what_came_back_by_itself_is_called_without_harm),
        SMALL(what_is_over_is_called_without_harm),
        SMALL(a_partition_that_begins_again_has_nothing_aside),
        SMALL(batches_of_entities_are_left_as_turns_are),
        SMALL(what_was_given_back_is_not_put_aside),
    };
    (void)set_up;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
