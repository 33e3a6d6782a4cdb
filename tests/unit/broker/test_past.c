/* SPDX-License-Identifier: MIT
 *
 * What workers are told of the past: all of it, where to get it, or that they have it. */
#include "one_desk.h"

#include <stdio.h>

static const struct broker_stream_options ours = { .dialect = WORK_OURS };
static const struct broker_stream_options streams = { .can_stream_history = true };

static const struct hub_orchestrator_request *last_turn(const struct worker *worker)
{
    const struct hub_orchestrator_request *request =
        worker_last(worker)->item->orchestrator_request;
    assert_non_null(request);
    return request;
}

/* As the engine does it: turn `number` is offered, answered by the worker, and recorded. */
static void play(struct worker *worker, uint64_t row, uint64_t number, size_t bytes)
{
    struct turn turn = desk_offer_turn(&desk, row, number);
    desk_complete_turn(&desk,
                       &(struct completion){ .token = worker_last(worker)->token, .actions = 1 });
    desk_record(&desk, &turn, bytes);
}

/* ---- workers of other makers ----------------------------------------------------------------- */

static void a_first_turn_has_no_past(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    assert_int_equal(last_turn(&a)->past_events.count, 0);
    assert_int_equal(last_turn(&a)->new_events.count, 2);
    assert_false(last_turn(&a)->requires_history_streaming);
    worker_close(&a);
}

static void the_past_is_whole_and_kept_from_turn_to_turn(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    for (uint64_t number = 1; number <= 20; number++) {
        play(&a, 1, number, 100);
        assert_int_equal(last_turn(&a)->past_events.count, number - 1);
    }
    assert_int_equal(desk.past_reads, 0);
    worker_close(&a);
}

static void a_past_that_was_not_kept_is_asked_for_and_kept(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    play(&a, 1, 8, 100);
    assert_int_equal(last_turn(&a)->past_events.count, 7);
    assert_int_equal(desk.past_reads, 1);
    play(&a, 1, 9, 100);
    assert_int_equal(last_turn(&a)->past_events.count, 8);
    assert_int_equal(desk.past_reads, 1);
    worker_close(&a);
}

static void a_past_with_a_gap_is_asked_for(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    play(&a, 1, 1, 100);
    play(&a, 1, 2, 100);
    play(&a, 1, 4, 100); /* turn 3 was made elsewhere */
    assert_int_equal(last_turn(&a)->past_events.count, 3);
    assert_int_equal(desk.past_reads, 1);
    worker_close(&a);
}

static void what_was_forgotten_is_asked_for(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    play(&a, 1, 1, 100);
    play(&a, 2, 1, 100);
    desk.runner->ops->forget(desk.runner, 1, 1);
    play(&a, 1, 2, 100);
    assert_int_equal(desk.past_reads, 1);
    desk.runner->ops->forget_all(desk.runner, 0);
    play(&a, 2, 2, 100);
    assert_int_equal(desk.past_reads, 2);
    worker_close(&a);
}

/* What was used longest ago goes first. */
static void only_so_many_bytes_of_pasts_are_kept(void **state)
{
    (void)state;
    desk_close(&desk);
    desk_open(&desk, &(struct broker_options){ .past_bytes = PARTITIONS * 100000 });
    connect(&a, (struct broker_stream_options){ 0 });
    for (uint64_t i = 1; i <= 20; i++) {
        play(&a, 2 * i, 1, 20000);
    }
    play(&a, 40, 2, 10); /* the one of a moment ago */
    assert_int_equal(desk.past_reads, 0);
    play(&a, 2, 2, 10); /* the one of long ago */
    assert_int_equal(desk.past_reads, 1);
    worker_close(&a);
}

static void a_past_of_a_mebibyte_is_inline_and_a_longer_one_is_streamed(void **state)
{
    (void)state;
    connect(&a, streams);
    struct turn turn = desk_turn(&desk, 1, 2, "i1");
    desk_offer_with(&desk, &turn, 1024 * 1024 - 100);
    assert_int_equal(last_turn(&a)->past_events.count, 1);
    assert_false(last_turn(&a)->requires_history_streaming);
    turn = desk_turn(&desk, 3, 2, "i3");
    desk_offer_with(&desk, &turn, 1024 * 1024);
    assert_int_equal(last_turn(&a)->past_events.count, 0);
    assert_int_equal(last_turn(&a)->new_events.count, 2);
    assert_true(last_turn(&a)->requires_history_streaming);
    worker_close(&a);
}

/* It is read from the store, which may be a commit behind what the broker keeps. */
static void a_past_is_streamed_when_it_is_durable_and_not_before(void **state)
{
    (void)state;
    static const struct {
        bool can_stream;
        size_t bytes, reads;
    } rows[] = { { true, 2 << 20, 1 }, { true, 1 << 19, 0 }, { false, 2 << 20, 0 } };
    for (uint64_t i = 0; i < 3; i++) {
        connect(&a, (struct broker_stream_options){ .can_stream_history = rows[i].can_stream });
        play(&a, i + 1, 1, rows[i].bytes);
        struct turn turn = desk_turn(&desk, i + 1, 2, "i");
        turn.is_past_durable = false;
        desk.past_reads = 0;
        desk_offer_with(&desk, &turn, rows[i].bytes); /* the engine has it wait until it is */
        assert_int_equal(desk.past_reads, rows[i].reads);
        assert_int_equal(last_turn(&a)->requires_history_streaming, rows[i].reads);
        worker_close(&a);
    }
}

static void a_long_past_is_inline_for_a_worker_that_cannot_stream(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    connect(&b, (struct broker_stream_options){ .can_stream_history = true, .turns_max = 1 });
    for (uint64_t row = 1; row <= 2; row++) {
        struct turn turn = desk_turn(&desk, row, 2, "i");
        desk_offer_with(&desk, &turn, 2 * 1024 * 1024);
    }
    assert_int_equal(last_turn(&a)->past_events.count, 1);
    assert_int_equal(last_turn(&b)->past_events.count, 0);
    worker_close(&a);
    worker_close(&b);
}

/* Their bytes do not stay here meanwhile: they are asked for again. */
static void a_long_turn_that_was_lost_is_handed_out_whole_again(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    struct turn turn = desk_turn(&desk, 1, 2, "i1");
    desk_offer_with(&desk, &turn, 200000);
    struct text first = worker_last(&a)->bytes;
    broker_abandon(desk.broker, text_of(worker_last(&a)->token));
    desk_run(&desk);
    desk_pass(&desk, TIME_SECOND);
    assert_got(&a, 2);
    struct text again = worker_last(&a)->bytes;
    assert_int_equal(first.size, again.size);
    assert_memory_equal(first.at, again.at, first.size - WORK_TOKEN_FIELD_SIZE);
    worker_close(&a);
}

static void a_trace_is_shown_again_in_every_later_turn(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    struct turn turn = desk_offer_turn(&desk, 1, 1);
    assert_false(text_is_present(last_turn(&a)->orchestration_trace_context));
    desk_complete_turn(&desk, &(struct completion){ .token = a.got[0].token, .actions = 1 });
    struct event event = { .kind = EVENT_TRACE_NOTED,
                           .id = EVENT_NO_ID,
                           .ref = EVENT_NO_ID,
                           .at = 1,
                           .payload = TEXT("\x0a\x03\x0a\x01"
                                           "x") };
    struct buffer buffer;
    buffer_init(&buffer);
    wire_write_event(&buffer, &event);
    desk.runner->ops->record(desk.runner, turn.partition, turn.row, 1, buffer_text(&buffer));
    buffer_done(&buffer);
    for (uint64_t number = 2; number < 5; number++) {
        play(&a, 1, number, 10);
        assert_true(text_equal(last_turn(&a)->orchestration_trace_context, event.payload));
    }
    worker_close(&a);
}

/* ---- ours ------------------------------------------------------------------------------------ */

static void the_next_turn_goes_where_the_stack_is(void **state)
{
    (void)state;
    connect(&a, ours);
    connect(&b, ours);
    play(&a, 1, 1, 10);
    size_t before = a.count;
    for (uint64_t number = 2; number < 8; number++) {
        play(&a, 1, number, 10);
        assert_true(worker_last(&a)->is_past_known);
        assert_got(&a, before + number - 1);
    }
    assert_got(&b, 0);
    assert_int_equal(desk.past_reads, 0);
    worker_close(&a);
    worker_close(&b);
}

static void it_waits_for_that_stream_when_there_is_no_room(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .dialect = WORK_OURS, .turns_max = 1 });
    play(&a, 1, 1, 10);
    (void)desk_offer_turn(&desk, 2, 1);
    connect(&b, ours);
    (void)desk_offer_turn(&desk, 1, 2);
    assert_got(&a, 2);
    assert_got(&b, 0);
    desk_complete_turn(&desk, &(struct completion){ .token = worker_last(&a)->token });
    assert_got(&a, 3);
    assert_true(worker_last(&a)->is_past_known);
    worker_close(&a);
    worker_close(&b);
}

static void when_that_stream_is_gone_another_gets_the_past(void **state)
{
    (void)state;
    connect(&a, ours);
    connect(&b, ours);
    play(&a, 1, 1, 10);
    play(&a, 1, 2, 10);
    worker_close(&a);
    (void)desk_offer_turn(&desk, 1, 3);
    assert_got(&b, 1);
    assert_false(worker_last(&b)->is_past_known);
    assert_int_equal(desk.past_reads, 1);
    worker_close(&b);
}

static void what_waited_for_a_stream_that_goes_away_goes_on_with_its_past(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .dialect = WORK_OURS, .turns_max = 1 });
    connect(&b, ours);
    play(&a, 1, 1, 10);
    (void)desk_offer_turn(&desk, 2, 1);
    (void)desk_offer_turn(&desk, 4, 1);
    size_t before = b.count;
    assert_int_equal(a.count + b.count, 3);
    (void)desk_offer_turn(&desk, 1, 2); /* the first stream has no room */
    assert_got(&b, before);
    worker_close(&a);
    assert_got(&b, before + 1);
    assert_string_equal(worker_last(&b)->instance_id, "i1");
    assert_false(worker_last(&b)->is_past_known);
    assert_int_equal(desk.past_reads, 1);
    worker_close(&b);
}

static void what_it_had_is_handed_out_with_its_past_when_its_stream_is_lost(void **state)
{
    (void)state;
    connect(&a, ours);
    connect(&b, ours);
    play(&a, 1, 1, 10);
    (void)desk_offer_turn(&desk, 1, 2);
    worker_close(&a);
    assert_got(&b, 0);
    desk_pass(&desk, TIME_SECOND);
    assert_got(&b, 1);
    assert_false(worker_last(&b)->is_past_known);
    assert_int_equal(desk_count(&desk, ASKED_RETURN), 1);
    worker_close(&b);
}

static void a_worker_that_has_dropped_its_stack_gets_the_past(void **state)
{
    (void)state;
    connect(&a, ours);
    play(&a, 1, 1, 10);
    (void)desk_offer_turn(&desk, 1, 2);
    assert_true(worker_last(&a)->is_past_known);
    desk_complete_turn(
        &desk, &(struct completion){ .token = worker_last(&a)->token, .requires_history = true });
    assert_got(&a, 3);
    assert_false(worker_last(&a)->is_past_known);
    assert_int_equal(desk.past_reads, 1);
    worker_close(&a);
}

static void a_pinned_turn_that_is_given_back_can_go_elsewhere(void **state)
{
    (void)state;
    connect(&a, ours);
    connect(&b, ours);
    play(&a, 1, 1, 10);
    for (int i = 0; i < 3; i++) {
        size_t count = a.count + b.count;
        struct worker *has = i == 0 ? &a : i == 1 ? &b : &a;
        if (i == 0) {
            (void)desk_offer_turn(&desk, 1, 2);
            count++;
        }
        broker_abandon(desk.broker, text_of(worker_last(has)->token));
        desk_run(&desk);
        desk_pass(&desk, TIME_SECOND);
        assert_int_equal(a.count + b.count, count + 1);
        assert_false(worker_last(has == &a ? &b : &a)->is_past_known);
    }
    worker_close(&a);
    worker_close(&b);
}

static void no_past_is_kept_for_ours(void **state)
{
    (void)state;
    connect(&a, ours);
    for (uint64_t number = 1; number <= 5; number++) {
        play(&a, 1, number, 100);
    }
    worker_close(&a);
    connect(&b, (struct broker_stream_options){ 0 });
    play(&b, 1, 6, 100);
    assert_int_equal(last_turn(&b)->past_events.count, 5);
    assert_int_equal(desk.past_reads, 1);
    worker_close(&b);
}

static void each_gets_its_own_dialect_when_both_are_there(void **state)
{
    (void)state;
    struct work_item item;
    pd_error err;
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    connect(&b, (struct broker_stream_options){ .dialect = WORK_OURS, .turns_max = 1 });
    (void)desk_offer_turn(&desk, 1, 3);
    (void)desk_offer_turn(&desk, 2, 3);
    assert_int_equal(last_turn(&a)->past_events.count, 2);
    assert_int_equal(work_read_item(worker_last(&b)->bytes, &desk.arena, &item, &err), PD_OK);
    assert_int_equal(item.chunk_count, 2);
    assert_int_equal(item.turn->number, 3);
    worker_close(&a);
    worker_close(&b);
}

static void what_was_written_for_others_is_written_again_for_whoever_comes(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    for (uint64_t row = 1; row <= 5; row++) {
        (void)desk_offer_turn(&desk, row, 1);
    }
    assert_got(&a, 1);
    connect(&b, ours);
    assert_got(&b, 4);
    worker_close(&a);
    worker_close(&b);
}

/* ---- without workers ------------------------------------------------------------------------- */

static void turns_that_wait_for_the_first_worker_are_written_for_it(void **state)
{
    (void)state;
    for (uint64_t row = 1; row <= 1000; row++) {
        (void)desk_offer_turn(&desk, row, 2);
        (void)desk_offer_entity(&desk, row + 5000, 1, 0);
    }
    assert_int_equal(desk.past_reads, 0);
    connect(&a, (struct broker_stream_options){ .turns_max = 100 });
    assert_got(&a, 1100);
    size_t turns = 0;
    for (size_t i = 0; i < a.count; i++) {
        if (a.got[i].item->orchestrator_request != NULL) {
            char id[16];
            (void)snprintf(id, sizeof id, "i%zu", ++turns);
            assert_string_equal(a.got[i].instance_id, id); /* in their order */
        }
    }
    assert_int_equal(turns, 100);
    /* Only so many are on their way to be written at once. */
    assert_true(desk.past_reads < 600);
    worker_close(&a);
}

static void only_so_many_bytes_wait_for_a_worker_with_room(void **state)
{
    (void)state;
    desk_close(&desk);
    desk_open(&desk, &(struct broker_options){ .past_bytes = 1000000 });
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    for (uint64_t row = 1; row <= 50; row++) {
        struct turn turn = desk_turn(&desk, row, 2, "i");
        desk_offer_with(&desk, &turn, 100000);
    }
    assert_true(desk.past_reads < 15);
    for (size_t i = 0; i < 50; i++) {
        assert_got(&a, i + 1);
        assert_int_equal(last_turn(&a)->past_events.count, 1);
        desk_complete_turn(&desk, &(struct completion){ .token = a.got[i].token });
    }
    assert_int_equal(desk_count(&desk, ASKED_END), 50);
    worker_close(&a);
}

static void turns_that_are_written_for_a_worker_keep_their_order(void **state)
{
    (void)state;
    for (uint64_t row = 10; row < 40; row++) {
        (void)desk_offer_turn(&desk, row, 1);
    }
    connect(&a, (struct broker_stream_options){ 0 });
    assert_got(&a, 30);
    for (size_t i = 0; i < 30; i++) {
        char id[] = { 'i', (char)('1' + i / 10), (char)('0' + i % 10), 0 };
        assert_string_equal(a.got[i].instance_id, id);
    }
    worker_close(&a);
}

/* All that may wait is for another worker, which has no room. */
static void a_turn_whose_worker_has_room_is_written_whatever_else_waits(void **state)
{
    (void)state;
    struct hub_orchestration_filter hello = { .name = TEXT("hello") };
    struct hub_work_item_filters filters = { .orchestrations = { &hello, 1 } };
    desk_close(&desk);
    desk_open(&desk, &(struct broker_options){ .past_bytes = 1000000 });
    connect(&a, (struct broker_stream_options){ .turns_max = 1, .filters = &filters });
    for (uint64_t row = 1; row <= 15; row++) {
        struct turn turn = desk_turn(&desk, row, 2, "i");
        desk_offer_with(&desk, &turn, 100000);
    }
    hello.name = TEXT("other");
    connect(&b, (struct broker_stream_options){ .filters = &filters });
    struct turn turn = desk_turn(&desk, 20, 2, "i20");
    turn.name = TEXT("other");
    desk_offer_with(&desk, &turn, 100000);
    assert_got(&b, 1);
    worker_close(&a);
    worker_close(&b);
}

static void a_turn_is_taken_back_however_little_is_kept(void **state)
{
    (void)state;
    desk_close(&desk);
    desk_open(&desk, &(struct broker_options){ .past_bytes = 1 });
    (void)desk_offer_turn(&desk, 2, 1);
    for (uint64_t row = 4; row <= 20; row += 2) {
        (void)desk_offer_turn(&desk, row, 1);
    }
    desk.runner->ops->forget(desk.runner, 0, 2);
    desk_run(&desk);
    assert_int_equal(broker_counters(desk.broker).waiting[0], 9);
}

static void bytes_of_turns_that_are_over_do_not_wait(void **state)
{
    (void)state;
    desk_close(&desk);
    desk_open(&desk, &(struct broker_options){ .past_bytes = 1000000 });
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    for (uint64_t row = 1; row <= 20; row++) {
        struct turn turn = desk_turn(&desk, row, 2, "i");
        desk_offer_with(&desk, &turn, 100000);
    }
    for (uint64_t row = 2; row <= 20; row++) {
        desk.runner->ops->forget(desk.runner, row % PARTITIONS, row);
    }
    desk_run(&desk);
    size_t reads = desk.past_reads;
    (void)desk_offer_turn(&desk, 100, 2);
    assert_int_equal(desk.past_reads, reads + 1); /* it was written at once */
    worker_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_first_turn_has_no_past),
        TEST(the_past_is_whole_and_kept_from_turn_to_turn),
        TEST(a_past_that_was_not_kept_is_asked_for_and_kept),
        TEST(a_past_with_a_gap_is_asked_for),
        TEST(what_was_forgotten_is_asked_for),
        TEST(only_so_many_bytes_of_pasts_are_kept),
        TEST(a_past_of_a_mebibyte_is_inline_and_a_longer_one_is_streamed),
        TEST(a_past_is_streamed_when_it_is_durable_and_not_before),
        TEST(a_long_past_is_inline_for_a_worker_that_cannot_stream),
        TEST(a_long_turn_that_was_lost_is_handed_out_whole_again),
        TEST(a_trace_is_shown_again_in_every_later_turn),
        TEST(the_next_turn_goes_where_the_stack_is),
        TEST(it_waits_for_that_stream_when_there_is_no_room),
        TEST(when_that_stream_is_gone_another_gets_the_past),
        TEST(what_waited_for_a_stream_that_goes_away_goes_on_with_its_past),
        TEST(what_it_had_is_handed_out_with_its_past_when_its_stream_is_lost),
        TEST(a_worker_that_has_dropped_its_stack_gets_the_past),
        TEST(a_pinned_turn_that_is_given_back_can_go_elsewhere),
        TEST(no_past_is_kept_for_ours),
        TEST(each_gets_its_own_dialect_when_both_are_there),
        TEST(what_was_written_for_others_is_written_again_for_whoever_comes),
        TEST(turns_that_wait_for_the_first_worker_are_written_for_it),
        TEST(only_so_many_bytes_wait_for_a_worker_with_room),
        TEST(turns_that_are_written_for_a_worker_keep_their_order),
        TEST(a_turn_whose_worker_has_room_is_written_whatever_else_waits),
        TEST(a_turn_is_taken_back_however_little_is_kept),
        TEST(bytes_of_turns_that_are_over_do_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
