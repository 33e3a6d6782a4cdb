/* SPDX-License-Identifier: MIT
 *
 * Activities while they are out, and batches of operations. */
#include "broker/broker_priv.h"
#include "desk.h"

static struct desk desk;
static struct worker a;

static int set_up(void **state)
{
    (void)state;
    desk_open(&desk, NULL);
    worker_open(&a, &desk, &(struct broker_stream_options){ .dialect = WORK_OURS });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    worker_close(&a);
    desk_close(&desk);
    return 0;
}

static void complete(const struct worker *worker, size_t at)
{
    desk_complete_activity(
        &desk, &(struct completion){ .token = worker->got[at].token, .result = "\"done\"" });
}

static bool beat(const char *token, const char *progress)
{
    bool is_wanted = false;
    broker_beat(desk.broker, text_of(token), text_of(progress), &is_wanted);
    desk_run(&desk);
    return is_wanted;
}

static void an_activity_goes_out_and_its_result_comes_back(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 7 });
    const struct hub_activity_request *request = a.got[0].item->activity_request;
    assert_int_equal(request->task_id, 7);
    assert_string_equal(a.got[0].instance_id, "i1");
    complete(&a, 0);
    const struct asked *asked = desk_last(&desk, ASKED_ACTIVITY);
    assert_int_equal(asked->row, 1);
    assert_int_equal(asked->id, 7);
    assert_string_equal(asked->payload, "\"done\"");
    assert_string_equal(asked->failure, "");
    assert_int_equal(heard.status, PD_OK);
    complete(&a, 0);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
}

/* ---- not wanted any more --------------------------------------------------------------------- */

static void a_cancelled_activity_that_waits_is_dropped(void **state)
{
    (void)state;
    worker_close(&a);
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 2 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2, .id = 1 });
    desk_cancel(&desk, 1, 1);
    assert_int_equal(broker_counters(desk.broker).waiting[2], 2);
    desk_cancel(&desk, 1, EVENT_NO_ID);
    assert_int_equal(broker_counters(desk.broker).waiting[2], 1);
    worker_open(&a, &desk, &(struct broker_stream_options){ .dialect = WORK_OURS });
    assert_got(&a, 1);
    assert_string_equal(a.got[0].instance_id, "i2");
}

static void a_cancelled_activity_that_is_out_is_told_and_its_result_dropped(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 2 });
    desk_cancel(&desk, 1, 2);
    assert_int_equal(a.cancel_count, 1);
    assert_string_equal(a.cancelled, a.got[1].token);
    assert_false(beat(a.got[1].token, "1"));
    assert_true(beat(a.got[0].token, "1"));
    complete(&a, 1);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    complete(&a, 0);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
}

static void a_cancelled_activity_has_its_room_until_it_is_answered(void **state)
{
    (void)state;
    worker_close(&a);
    worker_open(&a, &desk, &(struct broker_stream_options){ .activities_max = 1 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 });
    desk_cancel(&desk, 1, 1);
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 }); /* again, as it happens */
    assert_got(&a, 1);
    complete(&a, 0);
    assert_got(&a, 2);
    complete(&a, 1);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
}

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void what_was_said_last_is_on_its_way_and_no_more_than_one_word_at_a_time(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 });
    desk.answers_late = true;
    assert_true(beat(a.got[0].token, "1"));
    assert_true(beat(a.got[0].token, "2"));
    assert_true(beat(a.got[0].token, "3"));
    assert_int_equal(desk_count(&desk, ASKED_BEAT), 1);
    assert_string_equal(desk_last(&desk, ASKED_BEAT)->payload, "1");
    desk_answer(&desk, 0);
    assert_int_equal(desk_count(&desk, ASKED_BEAT), 2);
    assert_string_equal(desk_last(&desk, ASKED_BEAT)->payload, "3");
    desk_answer(&desk, 1);
    assert_int_equal(desk_count(&desk, ASKED_BEAT), 2);
}

static void a_word_that_was_not_heard_goes_with_the_next(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 });
    desk.status = PD_E_UNAVAILABLE;
    assert_true(beat(a.got[0].token, "1"));
    desk.status = PD_OK;
    assert_true(beat(a.got[0].token, NULL));
    assert_int_equal(desk_count(&desk, ASKED_BEAT), 2);
    assert_string_equal(desk_last(&desk, ASKED_BEAT)->payload, "1");
}

static void the_last_word_goes_before_the_result(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 });
    desk.answers_late = true;
    (void)beat(a.got[0].token, "1");
    (void)beat(a.got[0].token, "2");
    complete(&a, 0);
    assert_int_equal(desk.asked_count, 3);
    assert_int_equal(desk.asked[1].kind, ASKED_BEAT);
    assert_string_equal(desk.asked[1].payload, "2");
    assert_int_equal(desk.asked[2].kind, ASKED_ACTIVITY);
    desk_answer_all(&desk);
}

static void what_is_heard_of_a_word_when_the_engine_is_gone_says_no_more(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 });
    desk.answers_late = true;
    (void)beat(a.got[0].token, "1");
    (void)beat(a.got[0].token, "2");
    struct request *request = desk.asked[0].request;
    desk.asked[0].request = NULL;
    request->answered(request, PD_OK, NULL); /* by an engine that ends */
    broker_set_engine(desk.broker, NULL);
    assert_int_equal(desk_count(&desk, ASKED_BEAT), 1);
}

static void an_activity_that_the_engine_does_not_want_is_told(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 });
    desk.answers_late = true;
    assert_true(beat(a.got[0].token, "1"));
    *desk.asked[0].ret_wanted = false;
    desk_answer(&desk, 0);
    assert_int_equal(a.cancel_count, 1);
    assert_false(beat(a.got[0].token, "2"));
    assert_false(beat("00000000000000000000000000000000", "2"));
    desk_answer_all(&desk);
}

static void one_that_is_handed_out_again_goes_on_from_what_it_said_last(void **state)
{
    (void)state;
    struct work_item item;
    pd_error err;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = 1 });
    assert_int_equal(work_read_item(a.got[0].bytes, &desk.arena, &item, &err), PD_OK);
    assert_false(text_is_present(activity_progress(item.activity)));
    (void)beat(a.got[0].token, "1");
    (void)beat(a.got[0].token, "2");
    broker_abandon(desk.broker, text_of(a.got[0].token));
    desk_run(&desk);
    desk_pass(&desk, TIME_SECOND);
    assert_got(&a, 2);
    assert_int_equal(work_read_item(a.got[1].bytes, &desk.arena, &item, &err), PD_OK);
    assert_true(text_equal(activity_progress(item.activity), TEXT("2")));
}

/* ---- limits of time -------------------------------------------------------------------------- */

static void one_that_does_not_begin_in_time_fails(void **state)
{
    (void)state;
    worker_close(&a);
    struct activity_wish wish = { .row = 1, .limits = { .start_ms = 500 } };
    desk_dispatch(&desk, &wish);
    desk_pass(&desk, 499 * TIME_MS);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    desk_pass(&desk, 1 * TIME_MS);
    assert_string_equal(desk_last(&desk, ASKED_ACTIVITY)->failure, "start");
    worker_open(&a, &desk, NULL);
    assert_got(&a, 0);
}

/* Abandoned by an SDK's worker it had begun; one of ours gives back what did not begin. */
static void one_that_began_in_time_has_no_such_limit_any_more(void **state)
{
    (void)state;
    struct activity_wish wish = { .row = 1, .limits = { .start_ms = 500 } };
    worker_close(&a);
    worker_open(&a, &desk, &(struct broker_stream_options){ .dialect = WORK_PLAIN });
    desk_dispatch(&desk, &wish);
    desk_pass(&desk, 100 * TIME_SECOND);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    broker_abandon(desk.broker, text_of(a.got[0].token));
    desk_run(&desk);
    desk_pass(&desk, 100 * TIME_SECOND);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    assert_got(&a, 2);
}

static void one_that_waited_at_a_worker_of_ours_did_not_begin_in_time(void **state)
{
    (void)state;
    struct activity_wish wish = { .row = 1, .limits = { .start_ms = 500 } };
    desk_dispatch(&desk, &wish);
    desk_pass(&desk, 501 * TIME_MS);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    broker_abandon(desk.broker, text_of(a.got[0].token));
    desk_run(&desk);
    desk_pass(&desk, TIME_SECOND);
    assert_string_equal(desk_last(&desk, ASKED_ACTIVITY)->failure, "start");
    assert_got(&a, 1);
}

static void one_that_does_not_end_in_time_fails_and_is_told(void **state)
{
    (void)state;
    struct activity_wish wish = { .row = 1, .id = 3, .limits = { .run_ms = 2000 } };
    desk_dispatch(&desk, &wish);
    desk_pass(&desk, 2000 * TIME_MS - 1);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    desk_pass(&desk, 1);
    assert_string_equal(desk_last(&desk, ASKED_ACTIVITY)->failure, "run");
    assert_int_equal(desk_last(&desk, ASKED_ACTIVITY)->id, 3);
    assert_int_equal(a.cancel_count, 1);
    complete(&a, 0);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
}

/* A worker of ours that is stuck in it has it still when it should have begun at the latest. */
static void one_that_has_failed_is_not_late_again(void **state)
{
    (void)state;
    struct activity_wish wish = { .row = 1,
                                  .id = 3,
                                  .limits = { .start_ms = 60000, .run_ms = 1000 } };
    desk_dispatch(&desk, &wish);
    desk_pass(&desk, 2 * TIME_SECOND);
    assert_string_equal(desk_last(&desk, ASKED_ACTIVITY)->failure, "run");
    desk_pass(&desk, 100 * TIME_SECOND);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
    complete(&a, 0);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
}

static void one_that_was_cancelled_is_not_late(void **state)
{
    (void)state;
    struct activity_wish wish = { .row = 1, .id = 3, .limits = { .start_ms = 500 } };
    desk_dispatch(&desk, &wish);
    desk_cancel(&desk, 1, 3);
    desk_pass(&desk, 2 * TIME_SECOND);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
}

static void one_that_is_not_heard_of_in_time_fails(void **state)
{
    (void)state;
    struct activity_wish wish = { .row = 1, .limits = { .beat_ms = 1000 } };
    desk_dispatch(&desk, &wish);
    for (int i = 0; i < 10; i++) {
        desk_pass(&desk, 999 * TIME_MS);
        assert_true(beat(a.got[0].token, NULL));
    }
    desk_pass(&desk, 1000 * TIME_MS - 1);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    desk_pass(&desk, 1);
    assert_string_equal(desk_last(&desk, ASKED_ACTIVITY)->failure, "beat");
    assert_false(beat(a.got[0].token, NULL));
}

/* The time of a run is that of the handing out, whatever the broker knew of the time before. */
static void time_that_passes_between_runs_counts(void **state)
{
    (void)state;
    struct activity_wish wish = { .row = 1, .limits = { .run_ms = 2000 } };
    desk.now += 3600 * TIME_SECOND;
    desk_dispatch(&desk, &wish);
    desk_pass(&desk, 1999 * TIME_MS);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    desk_pass(&desk, 1 * TIME_MS);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
}

/* An hour's worth of them would be hundreds of millions. */
static void limits_of_what_has_ended_do_not_pile_up(void **state)
{
    (void)state;
    for (int32_t id = 0; id < 40000; id++) {
        struct activity_wish wish = { .row = 1, .id = id, .limits = { .run_ms = 3600000 } };
        desk_dispatch(&desk, &wish);
        complete(&a, a.count - 1);
        if (a.count == 1000) {
            worker_close(&a);
            worker_open(&a, &desk, NULL);
            desk.asked_count = 0;
            arena_reset(&desk.arena);
        }
    }
    assert_true(heap_count(&desk.broker->times) < 10000);
}

/* ---- batches --------------------------------------------------------------------------------- */

static void a_batch_goes_out_and_its_results_come_back(void **state)
{
    (void)state;
    worker_close(&a);
    worker_open(&a, &desk, NULL);
    struct turn turn = desk_offer_entity(&desk, 1, 2, 1);
    const struct hub_entity_request *request = a.got[0].item->entity_request_v2;
    assert_int_equal(request->operation_requests.count, 3);
    assert_true(text_equal(request->entity_state, TEXT("5")));
    desk_complete_entity(
        &desk, &(struct batch_completion){ .token = a.got[0].token, .results = 2, .state = "6" });
    const struct asked *asked = desk_last(&desk, ASKED_END_ENTITY);
    assert_int_equal(asked->ticket.serial, turn.serial);
    assert_int_equal(asked->count, 2);
    assert_false(asked->keeps_state);
    assert_int_equal(heard.status, PD_OK);
}

static void a_batch_without_token_counts_for_nothing(void **state)
{
    (void)state;
    (void)desk_offer_entity(&desk, 1, 1, 0);
    desk_complete_entity(&desk, &(struct batch_completion){ .token = "", .results = 1 });
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_END_ENTITY), 0);
}

static void a_batch_whose_worker_lacks_the_state_is_offered_again(void **state)
{
    (void)state;
    (void)desk_offer_entity(&desk, 1, 1, 0);
    desk_complete_entity(
        &desk, &(struct batch_completion){ .token = a.got[0].token, .requires_state = true });
    assert_got(&a, 1); /* it was sent it: not at once */
    desk_pass(&desk, TIME_SECOND);
    assert_got(&a, 2);
}

static void
a_batch_that_failed_as_a_whole_is_tried_five_times_and_then_fails_its_calls(void **state)
{
    (void)state;
    (void)desk_offer_entity(&desk, 1, 2, 1);
    for (size_t i = 0; i < 5; i++) {
        assert_got(&a, i + 1);
        assert_int_equal(desk_count(&desk, ASKED_END_ENTITY), 0);
        desk_complete_entity(
            &desk, &(struct batch_completion){ .token = a.got[i].token, .failure = "Broken" });
        assert_int_equal(heard.status, PD_OK);
        desk_pass(&desk, 30 * TIME_SECOND);
    }
    assert_got(&a, 5);
    const struct asked *asked = desk_last(&desk, ASKED_END_ENTITY);
    assert_non_null(asked);
    assert_int_equal(asked->count, 3);
    assert_string_equal(asked->failure, "Broken");
    assert_true(asked->keeps_state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_activity_goes_out_and_its_result_comes_back),
        TEST(a_cancelled_activity_that_waits_is_dropped),
        TEST(a_cancelled_activity_that_is_out_is_told_and_its_result_dropped),
        TEST(a_cancelled_activity_has_its_room_until_it_is_answered),
        TEST(what_was_said_last_is_on_its_way_and_no_more_than_one_word_at_a_time),
        TEST(a_word_that_was_not_heard_goes_with_the_next),
        TEST(the_last_word_goes_before_the_result),
        TEST(what_is_heard_of_a_word_when_the_engine_is_gone_says_no_more),
        TEST(an_activity_that_the_engine_does_not_want_is_told),
        TEST(one_that_is_handed_out_again_goes_on_from_what_it_said_last),
        TEST(one_that_does_not_begin_in_time_fails),
        TEST(one_that_began_in_time_has_no_such_limit_any_more),
        TEST(one_that_waited_at_a_worker_of_ours_did_not_begin_in_time),
        TEST(one_that_does_not_end_in_time_fails_and_is_told),
        TEST(one_that_has_failed_is_not_late_again),
        TEST(one_that_was_cancelled_is_not_late),
        TEST(one_that_is_not_heard_of_in_time_fails),
        TEST(time_that_passes_between_runs_counts),
        TEST(limits_of_what_has_ended_do_not_pile_up),
        TEST(a_batch_goes_out_and_its_results_come_back),
        TEST(a_batch_without_token_counts_for_nothing),
        TEST(a_batch_whose_worker_lacks_the_state_is_offered_again),
        TEST(a_batch_that_failed_as_a_whole_is_tried_five_times_and_then_fails_its_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
