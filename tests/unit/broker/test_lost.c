/* SPDX-License-Identifier: MIT
 *
 * Work that comes back: of streams that are gone, given back, forgotten, too large. */
#include "one_desk.h"

static void complete(const char *token)
{
    desk_complete_turn(&desk, &(struct completion){ .token = token });
}

/* ---- lost ------------------------------------------------------------------------------------ */

static void work_of_a_stream_that_is_gone_waits_a_moment_and_goes_to_another(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2 });
    (void)desk_offer_entity(&desk, 3, 1, 0);
    assert_got(&a, 3);
    worker_hang_up(&a);
    connect(&b, (struct broker_stream_options){ 0 });
    desk_pass(&desk, 699 * TIME_MS);
    assert_got(&b, 0);
    desk_pass(&desk, 1 * TIME_MS);
    assert_got(&b, 3);
    assert_int_equal(broker_counters(desk.broker).lost, 3);
    worker_close(&a);
    worker_close(&b);
}

static void in_that_moment_the_old_token_is_good(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    worker_hang_up(&a);
    connect(&b, (struct broker_stream_options){ 0 });
    complete(a.got[0].token);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    desk_pass(&desk, TIME_SECOND);
    assert_got(&b, 0);
    worker_close(&a);
    worker_close(&b);
}

static void it_is_good_for_as_long_as_nobody_else_has_the_work(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    worker_hang_up(&a);
    desk_pass(&desk, 3600 * TIME_SECOND);
    complete(a.got[0].token);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    worker_close(&a);
}

static void after_that_only_the_new_one_counts(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    worker_hang_up(&a);
    connect(&b, (struct broker_stream_options){ 0 });
    desk_pass(&desk, TIME_SECOND);
    assert_got(&b, 1);
    complete(a.got[0].token);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    complete(b.got[0].token);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    worker_close(&a);
    worker_close(&b);
}

/* It may be what breaks the stream, as one that is larger than a client takes. */
static void what_is_lost_again_and_again_rests(void **state)
{
    (void)state;
    (void)desk_offer_turn(&desk, 1, 1);
    time_us began = desk.now;
    for (size_t i = 0; i < 20; i++) {
        worker_close(&a);
        connect(&a, (struct broker_stream_options){ 0 });
        for (int wait = 0; a.count == 0; wait++) {
            assert_true(wait < 4000);
            desk_pass(&desk, 10 * TIME_MS);
        }
        if (i == 3) { /* no longer than the moment */
            assert_true(desk.now - began < 4 * TIME_SECOND);
        }
    }
    assert_true(desk.now - began > 200 * TIME_SECOND);
    worker_close(&a);
}

/* ---- given back ------------------------------------------------------------------------------ */

static void what_is_given_back_rests_longer_each_time(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    int64_t delay = 100 * TIME_MS;
    for (size_t i = 0; i < 12; i++) {
        assert_got(&a, i + 1);
        broker_abandon(desk.broker, text_of(a.got[i].token));
        desk_run(&desk);
        desk_pass(&desk, delay - 1);
        assert_got(&a, i + 1);
        desk_pass(&desk, 1);
        delay = delay * 2 < 30 * TIME_SECOND ? delay * 2 : 30 * TIME_SECOND;
    }
    assert_int_equal(delay, 30 * TIME_SECOND);
    assert_int_equal(broker_counters(desk.broker).abandoned, 12);
    worker_close(&a);
}

/* The broker's own notion of the time is that of its last run, an hour ago. */
static void it_rests_from_when_it_was_given_back(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    desk.now += 300 * TIME_SECOND;
    broker_abandon(desk.broker, text_of(a.got[0].token));
    desk_run(&desk);
    desk_pass(&desk, 99 * TIME_MS);
    assert_got(&a, 1);
    desk_pass(&desk, 1 * TIME_MS);
    assert_got(&a, 2);
    worker_close(&a);
}

/* The loop's timers have the kernel's coarse clock. */
static void a_wake_that_came_a_little_early_is_asked_for_again(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    broker_abandon(desk.broker, text_of(a.got[0].token));
    desk_run(&desk);
    time_us due = desk.wake_at;
    desk.now = due - 4 * TIME_MS;
    desk.wake_at = TIME_NEVER;
    broker_run(desk.broker, desk.now);
    assert_got(&a, 1);
    assert_int_equal(desk.wake_at, due);
    desk_pass(&desk, 4 * TIME_MS);
    assert_got(&a, 2);
    worker_close(&a);
}

static void a_token_that_was_given_back_is_no_good(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    broker_abandon(desk.broker, text_of(a.got[0].token));
    broker_abandon(desk.broker, text_of(a.got[0].token));
    desk_run(&desk);
    complete(a.got[0].token);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    assert_int_equal(broker_counters(desk.broker).abandoned, 1);
    worker_close(&a);
}

static void what_was_given_back_goes_to_another_stream_if_there_is_one(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    connect(&b, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    (void)desk_offer_turn(&desk, 2, 1);
    for (size_t i = 0; i < 6; i++) { /* wherever the round robin stands */
        struct worker *has = i % 3 == 0 ? &a : &b, *other = has == &a ? &b : &a;
        size_t has_count = has->count, other_count = other->count;
        broker_abandon(desk.broker, text_of(worker_last(has)->token));
        desk_run(&desk);
        desk_pass(&desk, 30 * TIME_SECOND);
        assert_got(other, other_count + 1);
        assert_got(has, has_count);
        (void)desk_offer_turn(&desk, 10 + i, 1);
        if (has->count == has_count) {
            (void)desk_offer_turn(&desk, 20 + i, 1);
        }
    }
    worker_close(&a);
    worker_close(&b);
}

static void success_resets_the_rest(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    for (size_t i = 0; i < 5; i++) {
        broker_abandon(desk.broker, text_of(worker_last(&a)->token));
        desk_run(&desk);
        desk_pass(&desk, 30 * TIME_SECOND);
    }
    complete(worker_last(&a)->token);
    (void)desk_offer_turn(&desk, 1, 2);
    size_t count = a.count;
    broker_abandon(desk.broker, text_of(worker_last(&a)->token));
    desk_run(&desk);
    desk_pass(&desk, 100 * TIME_MS);
    assert_got(&a, count + 1);
    worker_close(&a);
}

/* ---- forgotten by its worker ----------------------------------------------------------------- */

static void a_turn_that_is_not_answered_goes_to_another_after_ten_minutes(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    (void)desk_offer_turn(&desk, 1, 1);
    connect(&b, (struct broker_stream_options){ 0 });
    desk_pass(&desk, 600 * TIME_SECOND - 1);
    assert_got(&b, 0);
    desk_pass(&desk, 1);
    assert_got(&b, 1);
    complete(a.got[0].token);
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    /* The first stream's room is free again. */
    (void)desk_offer_turn(&desk, 2, 1);
    (void)desk_offer_turn(&desk, 4, 1);
    assert_got(&a, 2);
    worker_close(&a);
    worker_close(&b);
}

static void an_activity_may_run_for_days(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1 });
    desk_pass(&desk, 72 * 3600 * TIME_SECOND);
    assert_got(&a, 1);
    desk_complete_activity(&desk, &(struct completion){ .token = a.got[0].token, .result = "1" });
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
    worker_close(&a);
}

/* ---- forgotten by the engine ----------------------------------------------------------------- */

static void a_turn_that_is_over_is_not_handed_out(void **state)
{
    (void)state;
    struct turn turn = desk_offer_turn(&desk, 1, 1);
    desk.runner->ops->forget(desk.runner, turn.partition, turn.row);
    desk_run(&desk);
    connect(&a, (struct broker_stream_options){ 0 });
    desk_pass(&desk, TIME_SECOND);
    assert_got(&a, 0);
    assert_int_equal(broker_counters(desk.broker).waiting[0], 0);
    worker_close(&a);
}

/* A worker is as busy as it is, whether what it does is wanted or not. */
static void a_turn_that_is_over_has_its_room_until_it_is_answered(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    struct turn turn = desk_offer_turn(&desk, 1, 1);
    desk.runner->ops->forget(desk.runner, turn.partition, turn.row);
    (void)desk_offer_turn(&desk, 2, 1);
    assert_got(&a, 1);
    complete(a.got[0].token);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    assert_got(&a, 2);
    worker_close(&a);
}

static void a_partition_that_begins_again_takes_its_turns_back(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    struct turn mine = desk_offer_turn(&desk, 1, 1);
    (void)desk_offer_entity(&desk, 3, 1, 0);
    (void)desk_offer_turn(&desk, 2, 1); /* of the other partition */
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .partition = mine.partition });
    desk.runner->ops->forget_all(desk.runner, mine.partition);
    desk_run(&desk);
    complete(a.got[0].token);
    desk_complete_entity(&desk,
                         &(struct batch_completion){ .token = a.got[1].token, .results = 1 });
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    assert_int_equal(desk_count(&desk, ASKED_END_ENTITY), 0);
    complete(a.got[2].token);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    /* What an activity did, it did. */
    desk_complete_activity(&desk, &(struct completion){ .token = a.got[3].token, .result = "1" });
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
    worker_close(&a);
}

static void a_partition_that_begins_again_drops_activities_that_nobody_has(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .partition = 1 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2, .partition = 0 });
    desk.runner->ops->forget_all(desk.runner, 1);
    connect(&a, (struct broker_stream_options){ 0 });
    assert_got(&a, 1);
    assert_string_equal(a.got[0].instance_id, "i2");
    worker_close(&a);
}

/* ---- too large ------------------------------------------------------------------------------- */

enum { ITEM_BYTES = 100000 };

static void open_with_small_items(void)
{
    desk_close(&desk);
    desk_open(&desk, &(struct broker_options){ .item_bytes = ITEM_BYTES });
}

/* The input with which an item is as large as it may be, and one byte more. */
static size_t fitting_input(void)
{
    connect(&a, (struct broker_stream_options){ .takes_large = true });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .input_bytes = 90000 });
    size_t around = worker_last(&a)->bytes.size - WORK_TOKEN_FIELD_SIZE - 90000;
    worker_close(&a);
    desk_close(&desk);
    desk_open(&desk, &(struct broker_options){ .item_bytes = ITEM_BYTES });
    return ITEM_BYTES - around;
}

static void an_item_at_the_limit_goes_and_one_past_it_is_held_back(void **state)
{
    (void)state;
    open_with_small_items();
    size_t most = fitting_input();
    connect(&a, (struct broker_stream_options){ 0 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .input_bytes = most });
    assert_got(&a, 1);
    assert_int_equal(desk.log_count, 0);
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2, .input_bytes = most + 1 });
    assert_got(&a, 1);
    assert_int_equal(desk.log_count, 1);
    desk_dispatch(&desk, &(struct activity_wish){ .row = 3, .input_bytes = 1 });
    assert_got(&a, 2); /* others are not held up */
    worker_close(&a);
}

static void what_is_held_back_is_told_once_and_does_not_spin(void **state)
{
    (void)state;
    open_with_small_items();
    connect(&a, (struct broker_stream_options){ 0 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2, .input_bytes = ITEM_BYTES });
    size_t posts = desk.posts;
    desk_pass(&desk, 3600 * TIME_SECOND);
    assert_true(desk.posts - posts < 1000);
    assert_int_equal(desk.log_count, 1);
    assert_int_equal(broker_counters(desk.broker).too_large, 1);
    assert_got(&a, 0);
    worker_close(&a);
}

static void a_large_item_goes_at_once_to_a_stream_that_takes_it(void **state)
{
    (void)state;
    open_with_small_items();
    connect(&a, (struct broker_stream_options){ 0 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2, .input_bytes = ITEM_BYTES });
    desk_pass(&desk, 3600 * TIME_SECOND);
    connect(&b, (struct broker_stream_options){ .takes_large = true });
    assert_got(&b, 1);
    desk_dispatch(&desk, &(struct activity_wish){ .row = 3, .input_bytes = ITEM_BYTES });
    assert_got(&b, 2);
    worker_close(&b);
    connect(&b, (struct broker_stream_options){ .can_stream_history = true });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 4, .input_bytes = ITEM_BYTES });
    assert_got(&b, 1);
    worker_close(&a);
    worker_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(work_of_a_stream_that_is_gone_waits_a_moment_and_goes_to_another),
        TEST(in_that_moment_the_old_token_is_good),
        TEST(it_is_good_for_as_long_as_nobody_else_has_the_work),
        TEST(after_that_only_the_new_one_counts),
        TEST(what_is_lost_again_and_again_rests),
        TEST(what_is_given_back_rests_longer_each_time),
        TEST(it_rests_from_when_it_was_given_back),
        TEST(a_wake_that_came_a_little_early_is_asked_for_again),
        TEST(a_token_that_was_given_back_is_no_good),
        TEST(what_was_given_back_goes_to_another_stream_if_there_is_one),
        TEST(success_resets_the_rest),
        TEST(a_turn_that_is_not_answered_goes_to_another_after_ten_minutes),
        TEST(an_activity_may_run_for_days),
        TEST(a_turn_that_is_over_is_not_handed_out),
        TEST(a_turn_that_is_over_has_its_room_until_it_is_answered),
        TEST(a_partition_that_begins_again_takes_its_turns_back),
        TEST(a_partition_that_begins_again_drops_activities_that_nobody_has),
        TEST(an_item_at_the_limit_goes_and_one_past_it_is_held_back),
        TEST(what_is_held_back_is_told_once_and_does_not_spin),
        TEST(a_large_item_goes_at_once_to_a_stream_that_takes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
