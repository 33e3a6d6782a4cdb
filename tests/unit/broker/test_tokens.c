/* SPDX-License-Identifier: MIT
 *
 * Handing out and completing: order, room, tokens, and which completion counts. */
#include "one_desk.h"

static void complete(const struct worker *worker, size_t at)
{
    desk_complete_turn(&desk, &(struct completion){ .token = worker->got[at].token });
}

/* ---- order and room -------------------------------------------------------------------------- */

static void what_is_ready_first_goes_first(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .turns_max = 1 });
    for (uint64_t row = 1; row <= 5; row++) {
        (void)desk_offer_turn(&desk, row, 1);
    }
    for (size_t i = 0; i < 5; i++) {
        char id[] = { 'i', (char)('1' + i), 0 };
        assert_got(&a, i + 1);
        assert_string_equal(a.got[i].instance_id, id);
        complete(&a, i);
    }
    worker_close(&a);
}

static void a_stream_has_no_more_unfinished_than_it_said(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .turns_max = 2, .activities_max = 3 });
    for (uint64_t row = 1; row <= 5; row++) {
        (void)desk_offer_turn(&desk, row, 1);
        desk_dispatch(&desk, &(struct activity_wish){ .row = row + 10 });
    }
    assert_got(&a, 5);
    assert_int_equal(broker_counters(desk.broker).unfinished[0], 2);
    assert_int_equal(broker_counters(desk.broker).unfinished[2], 3);
    assert_int_equal(broker_counters(desk.broker).waiting[0], 3);
    assert_int_equal(broker_counters(desk.broker).waiting[2], 2);
    complete(&a, 0);
    assert_got(&a, 6);
    worker_close(&a);
}

static void a_limit_of_0_is_none(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    for (uint64_t row = 1; row <= 500; row++) {
        (void)desk_offer_turn(&desk, row, 1);
    }
    assert_got(&a, 500);
    worker_close(&a);
}

static void streams_take_turns(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    connect(&b, (struct broker_stream_options){ 0 });
    for (uint64_t row = 1; row <= 10; row++) {
        (void)desk_offer_turn(&desk, row, 1);
    }
    assert_got(&a, 5);
    assert_got(&b, 5);
    worker_close(&a);
    worker_close(&b);
}

static void a_client_that_does_not_read_gets_no_more(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    a.backlog = 256 * 1024;
    (void)desk_offer_turn(&desk, 1, 1);
    assert_got(&a, 1);
    a.backlog++;
    (void)desk_offer_turn(&desk, 2, 1);
    (void)desk_offer_turn(&desk, 3, 1);
    assert_got(&a, 1);
    a.backlog = 0;
    broker_drained(a.stream);
    desk_run(&desk);
    assert_got(&a, 3);
    worker_close(&a);
}

static void many_completions_and_turns_cost_one_wake(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .turns_max = 10 });
    desk_complete_turn(&desk, &(struct completion){ .token = "none" }); /* sets who hears */
    size_t posts = desk.posts;
    struct turn_result result;
    for (uint64_t row = 1; row <= 100; row++) {
        struct turn turn = desk_turn(&desk, row, 1, "i");
        assert_int_equal(desk.runner->ops->turn(desk.runner, &turn, NULL, &desk.arena, &result),
                         RUNNER_LATER);
    }
    assert_int_equal(desk.posts, posts + 1);
    desk_run(&desk);
    assert_got(&a, 10);
    assert_int_equal(desk.posts, posts + 1); /* what a run does needs no other one */
    desk.answers_late = true;
    for (size_t i = 0; i < 10; i++) {
        struct hub_orchestrator_response response;
        struct buffer buffer;
        buffer_init(&buffer);
        message_init(&hub_orchestrator_response_type, &response);
        response.completion_token = text_of(a.got[i].token);
        message_write(&hub_orchestrator_response_type, &buffer, &response);
        broker_complete_turn(desk.broker, buffer_text(&buffer), &heard.answer);
        buffer_done(&buffer);
    }
    assert_int_equal(desk.posts, posts + 2);
    desk_run(&desk);
    assert_got(&a, 20);
    assert_int_equal(desk.posts, posts + 2);
    worker_close(&a);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void a_completion_is_answered_when_it_is_durable(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    struct turn turn = desk_offer_turn(&desk, 1, 1);
    desk.answers_late = true;
    desk_complete_turn(
        &desk,
        &(struct completion){ .token = a.got[0].token, .custom_status = "\"half\"", .actions = 3 });
    assert_int_equal(heard.times, 0);
    assert_int_equal(desk.begun_count, 0);
    const struct asked *asked = desk_last(&desk, ASKED_END);
    assert_int_equal(asked->ticket.row, 1);
    assert_int_equal(asked->ticket.serial, turn.serial);
    assert_int_equal(asked->ticket.partition, turn.partition);
    assert_int_equal(asked->count, 3);
    assert_string_equal(asked->payload, "\"half\"");
    desk_answer_all(&desk);
    assert_int_equal(heard.times, 1);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk.begun_count, 1);
    assert_string_equal(desk.begun, "i1");
    worker_close(&a);
}

static void a_failed_commit_is_an_error_to_the_worker(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    desk.status = PD_E_UNAVAILABLE;
    complete(&a, 0);
    assert_int_equal(heard.status, PD_E_UNAVAILABLE);
    assert_int_equal(desk.begun_count, 0);
    /* Sent once more, it does not count, which is no error. */
    complete(&a, 0);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    worker_close(&a);
}

static void tokens_are_32_digits_and_all_different(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    for (uint64_t row = 1; row <= 300; row++) {
        (void)desk_offer_turn(&desk, row, 1);
    }
    for (size_t i = 0; i < a.count; i++) {
        assert_int_equal(strspn(a.got[i].token, "0123456789abcdef"), 32);
        for (size_t j = 0; j < i; j++) {
            /* What is random in them, not only the slot. */
            assert_memory_not_equal(a.got[i].token + 8, a.got[j].token + 8, 24);
        }
    }
    worker_close(&a);
}

static void a_second_completion_changes_nothing(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    complete(&a, 0);
    complete(&a, 0);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(heard.times, 1);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    assert_int_equal(broker_counters(desk.broker).stale, 1);
    worker_close(&a);
}

static void a_token_that_was_never_given_is_told_that_all_is_well(void **state)
{
    (void)state;
    static const char *const tokens[] = { "x", "00000000000000000000000000000000",
                                          "ffffffffffffffffffffffffffffffff",
                                          "000000000000000000000000000000000",
                                          "0000000000000000000000000000000G" };
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        desk_complete_turn(&desk, &(struct completion){ .token = tokens[i] });
        assert_int_equal(heard.status, PD_OK);
        broker_abandon(desk.broker, text_of(tokens[i]));
    }
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    worker_close(&a);
}

/* The slot is right, one digit of the rest is not. */
static void a_token_that_is_nearly_right_is_wrong(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    for (size_t i = 0; i < 32; i++) {
        char token[TOKEN_ROOM];
        memcpy(token, a.got[0].token, sizeof token);
        token[i] = token[i] == '1' ? '2' : '1';
        desk_complete_turn(&desk, &(struct completion){ .token = token });
    }
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    complete(&a, 0);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    worker_close(&a);
}

static void a_token_of_another_kind_does_not_count(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    desk_complete_activity(&desk, &(struct completion){ .token = a.got[0].token, .result = "1" });
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    complete(&a, 0);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    worker_close(&a);
}

static void what_is_no_message_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    desk_complete_turn(&desk, &(struct completion){ .token = "none" }); /* sets who hears of it */
    heard.times = 0;
    broker_complete_turn(desk.broker, TEXT("\x0a\x7f"), &heard.answer);
    assert_int_equal(heard.status, PD_E_INVALID);
    assert_int_equal(heard.times, 1);
    complete(&a, 0);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    worker_close(&a);
}

static void completions_after_the_end_of_the_engine_are_refused(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    broker_set_engine(desk.broker, NULL);
    complete(&a, 0);
    assert_int_equal(heard.status, PD_E_CANCELLED);
    worker_close(&a);
}

/* ---- workers that send no tokens ------------------------------------------------------------- */

static void a_turn_without_token_is_found_by_its_instance(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .has_no_entities = true });
    (void)desk_offer_turn(&desk, 1, 1);
    (void)desk_offer_turn(&desk, 2, 1);
    desk_complete_turn(&desk, &(struct completion){ .instance_id = "i2" });
    assert_int_equal(desk_last(&desk, ASKED_END)->ticket.row, 2);
    desk_complete_turn(&desk, &(struct completion){ .instance_id = "i2" });
    desk_complete_turn(&desk, &(struct completion){ .instance_id = "i3" });
    desk_complete_turn(&desk, &(struct completion){ .instance_id = "" });
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    worker_close(&a);
}

static void an_activity_without_token_is_found_by_instance_and_task(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .has_no_entities = true });
    for (int32_t id = 0; id < 3; id++) {
        desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = id });
    }
    desk_complete_activity(
        &desk, &(struct completion){ .instance_id = "i1", .task_id = 1, .result = "7" });
    assert_int_equal(desk_last(&desk, ASKED_ACTIVITY)->id, 1);
    assert_string_equal(desk_last(&desk, ASKED_ACTIVITY)->payload, "7");
    desk_complete_activity(&desk, &(struct completion){ .instance_id = "i1", .task_id = 1 });
    desk_complete_activity(&desk, &(struct completion){ .instance_id = "i2", .task_id = 0 });
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
    worker_close(&a);
}

/* An instance was replaced while its turn was out: the old worker's answer comes first. */
/* A worker of the process before may answer what that one handed out, which was perhaps less. */
static void
an_answer_without_token_over_another_connection_is_none_in_the_first_minute(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .peer = 7 });
    (void)desk_offer_turn(&desk, 1, 1);
    assert_got(&a, 1);
    desk_complete_turn(&desk, &(struct completion){ .instance_id = "i1", .peer = 8 });
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    desk_pass(&desk, TIME_SECOND);
    assert_got(&a, 2); /* again, as it was */
    desk_complete_turn(&desk, &(struct completion){ .instance_id = "i1", .peer = 7 });
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    (void)desk_offer_turn(&desk, 3, 1);
    desk_complete_turn(&desk, &(struct completion){ .token = worker_last(&a)->token, .peer = 8 });
    assert_int_equal(desk_count(&desk, ASKED_END), 2); /* a token says enough */
    desk_pass(&desk, 60 * TIME_SECOND);
    (void)desk_offer_turn(&desk, 5, 1);
    desk_complete_turn(&desk, &(struct completion){ .instance_id = "i5", .peer = 8 });
    assert_int_equal(desk_count(&desk, ASKED_END), 3);
    worker_close(&a);
}

static void an_answer_without_token_is_that_of_the_oldest_handing_out(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ .has_no_entities = true });
    struct turn old = desk_turn(&desk, 1, 1, "same");
    struct turn new = desk_turn(&desk, 3, 1, "same");
    desk_offer(&desk, &old);
    desk.runner->ops->forget(desk.runner, old.partition, old.row);
    desk_offer(&desk, &new);
    assert_got(&a, 2);
    desk_complete_turn(&desk, &(struct completion){ .instance_id = "same" });
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    desk_complete_turn(&desk, &(struct completion){ .instance_id = "same" });
    assert_int_equal(desk_last(&desk, ASKED_END)->ticket.row, 3);
    worker_close(&a);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void a_completion_in_parts_is_one(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    struct completion part = { .token = a.got[0].token, .actions = 2, .is_partial = true };
    desk_complete_turn(&desk, &part);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    desk_complete_turn(&desk, &part);
    part.is_partial = false;
    part.actions = 1;
    part.completes = true;
    desk_complete_turn(&desk, &part);
    assert_int_equal(desk_count(&desk, ASKED_END), 1);
    assert_int_equal(desk_last(&desk, ASKED_END)->count, 6);
    worker_close(&a);
}

static void what_is_left_of_parts_of_a_stream_that_is_gone_counts_for_nothing(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    struct completion part = { .token = a.got[0].token, .actions = 2, .is_partial = true };
    desk_complete_turn(&desk, &part);
    worker_hang_up(&a);
    part.is_partial = false;
    part.actions = 1;
    desk_complete_turn(&desk, &part); /* alone it is not what the code asked for */
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(desk_count(&desk, ASKED_END), 0);
    worker_close(&a);
    connect(&a, (struct broker_stream_options){ 0 });
    desk_pass(&desk, TIME_SECOND);
    assert_got(&a, 1);
    part.token = a.got[0].token;
    desk_complete_turn(&desk, &part);
    assert_int_equal(desk_last(&desk, ASKED_END)->count, 1);
    worker_close(&a);
}

/* Its first part came when the stream was gone, and its token good. */
static void parts_of_a_handing_out_are_none_of_the_next(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    (void)desk_offer_turn(&desk, 1, 1);
    struct completion part = { .token = a.got[0].token, .actions = 2, .is_partial = true };
    worker_hang_up(&a);
    desk_complete_turn(&desk, &part);
    assert_int_equal(heard.status, PD_OK);
    worker_close(&a);
    connect(&a, (struct broker_stream_options){ 0 });
    desk_pass(&desk, TIME_SECOND);
    assert_got(&a, 1);
    part = (struct completion){ .token = a.got[0].token, .actions = 1 };
    desk_complete_turn(&desk, &part);
    assert_int_equal(desk_last(&desk, ASKED_END)->count, 1);
    worker_close(&a);
}

/* It has been sent the whole of it, so it is not sent it again and again without a pause. */
static void a_turn_whose_worker_lacks_the_history_is_offered_again_after_a_while(void **state)
{
    (void)state;
    connect(&a, (struct broker_stream_options){ 0 });
    struct turn turn = desk_offer_turn(&desk, 1, 1);
    for (size_t i = 0; i < 6; i++) { /* after 0.1 s, 0.2, 0.4 ... */
        desk_complete_turn(&desk, &(struct completion){ .token = worker_last(&a)->token,
                                                        .requires_history = true });
        assert_int_equal(heard.status, PD_OK);
        assert_got(&a, i + 1);
        desk_pass(&desk, (90000 << i));
        assert_got(&a, i + 1);
        desk_pass(&desk, (10000 << i));
        assert_got(&a, i + 2);
    }
    complete(&a, 6);
    assert_int_equal(desk_last(&desk, ASKED_END)->ticket.serial, turn.serial);
    worker_close(&a);
}

/* ---- names that are the server's ------------------------------------------------------------- */

static int own_turns, own_activities, own_records, own_forgets;

static enum runner_answer own_turn(struct runner *runner, const struct turn *turn,
                                   struct past *past, struct arena *arena, struct turn_result *ret)
{
    (void)runner, (void)turn, (void)past, (void)arena;
    own_turns++;
    *ret = (struct turn_result){ 0 };
    return RUNNER_DONE;
}

static void own_activity(struct runner *runner, const struct activity *activity,
                         struct activity_host *host, struct arena *arena,
                         struct activity_result *ret)
{
    (void)runner, (void)activity, (void)host, (void)arena, (void)ret;
    own_activities++;
}

static void own_forget(struct runner *runner, unsigned partition, uint64_t row)
{
    (void)runner, (void)partition, (void)row;
    own_forgets++;
}

static void own_forget_all(struct runner *runner, unsigned partition)
{
    (void)runner, (void)partition;
}

static void own_record(struct runner *runner, unsigned partition, uint64_t row, uint64_t number,
                       struct text bytes)
{
    (void)runner, (void)partition, (void)row, (void)number, (void)bytes;
    own_records++;
}

static bool is_own(void *argument, struct text name, bool is_activity)
{
    (void)argument;
    return text_has_prefix(name, is_activity ? TEXT("BuiltIn::") : TEXT("perdure."));
}

static void what_is_the_servers_own_never_leaves_it(void **state)
{
    static const struct runner_ops ops = { .version = 4,
                                           .turn = own_turn,
                                           .activity = own_activity,
                                           .forget = own_forget,
                                           .forget_all = own_forget_all,
                                           .record = own_record };
    struct runner own = { &ops };
    struct turn_result result;
    struct activity_result activity_result;
    static struct desk other;
    (void)state;
    desk_open(&other, &(struct broker_options){ .own = &own, .is_own = is_own });
    worker_open(&a, &other, NULL);
    struct turn turn = desk_turn(&other, 1, 1, "i1");
    turn.name = TEXT("perdure.call");
    assert_int_equal(other.runner->ops->turn(other.runner, &turn, NULL, &other.arena, &result),
                     RUNNER_DONE);
    struct activity *activity = desk_activity(&(struct activity_wish){ .name = "BuiltIn::Http" });
    assert_false(other.runner->ops->dispatch(other.runner, activity));
    other.runner->ops->activity(other.runner, activity, NULL, &other.arena, &activity_result);
    other.runner->ops->record(other.runner, 1, 1, 1, TEXT(""));
    other.runner->ops->forget(other.runner, 1, 1);
    activity_free(activity);
    desk_run(&other);
    assert_got(&a, 0);
    assert_int_equal(own_turns, 1);
    assert_int_equal(own_activities, 1);
    assert_int_equal(own_records, 1);
    assert_int_equal(own_forgets, 1);
    worker_close(&a);
    desk_close(&other);
}

static bool is_builtin(void *argument, struct text name, bool is_activity)
{
    (void)argument, (void)is_activity;
    return text_has_prefix(name, TEXT("BuiltIn__"));
}

static enum runner_answer answer_to(struct desk *of, uint64_t row, const char *name)
{
    struct turn_result result;
    struct turn turn = desk_turn(of, row, 1, "i1");
    turn.name = text_of(name);
    return of->runner->ops->turn(of->runner, &turn, NULL, &of->arena, &result);
}

/* Of a worker without filters nobody knows what it has. */
static void what_a_worker_has_listed_is_the_servers_no_more(void **state)
{
    static const struct runner_ops ops = {
        .version = 4, .turn = own_turn, .forget = own_forget, .forget_all = own_forget_all
    };
    struct runner own = { &ops };
    static struct desk other;
    struct hub_work_item_filters filters;
    struct hub_orchestration_filter filter = { .name = TEXT("BuiltIn__Poll") };
    (void)state;
    message_init(&hub_work_item_filters_type, &filters);
    filters.orchestrations.items = &filter;
    filters.orchestrations.count = 1;
    const struct broker_stream_options lists = { .filters = &filters };
    desk_open(&other, &(struct broker_options){
                          .own = &own, .is_own = is_builtin, .yields = TEXT("BuiltIn__") });
    worker_open(&a, &other, NULL);
    assert_int_equal(answer_to(&other, 1, "BuiltIn__Poll"), RUNNER_DONE);
    worker_open(&b, &other, &lists);
    assert_int_equal(answer_to(&other, 2, "BuiltIn__Poll"), RUNNER_LATER);
    assert_int_equal(answer_to(&other, 3, "BuiltIn__Other"), RUNNER_DONE);
    worker_close(&b);
    assert_int_equal(answer_to(&other, 4, "BuiltIn__Poll"), RUNNER_LATER);
    worker_close(&a);
    desk_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_ready_first_goes_first),
        TEST(a_stream_has_no_more_unfinished_than_it_said),
        TEST(a_limit_of_0_is_none),
        TEST(streams_take_turns),
        TEST(a_client_that_does_not_read_gets_no_more),
        TEST(many_completions_and_turns_cost_one_wake),
        TEST(a_completion_is_answered_when_it_is_durable),
        TEST(a_failed_commit_is_an_error_to_the_worker),
        TEST(tokens_are_32_digits_and_all_different),
        TEST(a_second_completion_changes_nothing),
        TEST(a_token_that_was_never_given_is_told_that_all_is_well),
        TEST(a_token_that_is_nearly_right_is_wrong),
        TEST(a_token_of_another_kind_does_not_count),
        TEST(what_is_no_message_is_refused_and_changes_nothing),
        TEST(completions_after_the_end_of_the_engine_are_refused),
        TEST(a_turn_without_token_is_found_by_its_instance),
        TEST(an_activity_without_token_is_found_by_instance_and_task),
        TEST(an_answer_without_token_over_another_connection_is_none_in_the_first_minute),
        TEST(an_answer_without_token_is_that_of_the_oldest_handing_out),
        TEST(a_completion_in_parts_is_one),
        TEST(what_is_left_of_parts_of_a_stream_that_is_gone_counts_for_nothing),
        TEST(parts_of_a_handing_out_are_none_of_the_next),
        TEST(a_turn_whose_worker_lacks_the_history_is_offered_again_after_a_while),
        cmocka_unit_test(what_is_the_servers_own_never_leaves_it),
        cmocka_unit_test(what_a_worker_has_listed_is_the_servers_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
