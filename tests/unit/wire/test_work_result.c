/* SPDX-License-Identifier: MIT
 *
 * What workers of other makers answer, and what core gets of it. The rules are sections 3.4, 3.6 to
 * 3.9 and 4.5 of the specification of the service.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"
#include "wire/proto.h"
#include "wire/work.h"

static struct arena arena;
static struct buffer buffer;
static pd_error err;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    buffer_init(&buffer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    buffer_done(&buffer);
    return 0;
}

/* Bytes as people can write them: hex, 'text', and { ... } for a length and as many bytes. */
static const char *put_notation(struct buffer *to, const char *at)
{
    while (*at != 0 && *at != '}') {
        if (*at == ' ') {
            at++;
        } else if (*at == '\'') {
            for (at++; *at != '\''; at++) {
                buffer_add_byte(to, (uint8_t)*at);
            }
            at++;
        } else if (*at == '{') {
            struct buffer inner;
            buffer_init(&inner);
            at = put_notation(&inner, at + 1) + 1;
            uint8_t *size = buffer_extend(to, proto_size_varint(inner.size));
            (void)proto_put_varint(size, inner.size);
            buffer_add_text(to, buffer_text(&inner));
            buffer_done(&inner);
        } else {
            char digits[3] = { at[0], at[1], 0 };
            buffer_add_byte(to, (uint8_t)strtoul(digits, NULL, 16));
            at += 2;
        }
    }
    return at;
}

static struct text bytes_of(const char *notation)
{
    struct buffer made;
    buffer_init(&made);
    (void)put_notation(&made, notation);
    struct text bytes = text_copy(&arena, buffer_text(&made));
    buffer_done(&made);
    return bytes;
}

static const struct work_context context = { .instance_id = TEXT_INIT("i"),
                                             .execution_id = TEXT_INIT("x") };

/* An orchestrator's answer of these bytes. */
static struct turn_result read_turn(const char *hex, const struct work_context *of)
{
    struct hub_orchestrator_response *response = arena_alloc(&arena, sizeof *response);
    assert_int_equal(
        message_read(&hub_orchestrator_response_type, bytes_of(hex), &arena, response, &err),
        PD_OK);
    const struct hub_orchestrator_response *parts[] = { response };
    struct turn_result result;
    assert_int_equal(work_read_turn_result(parts, 1, of, &arena, &result, &err), PD_OK);
    return result;
}

/* A task of step 1; ends of step 2, 3; a timer of step 4; one that says nothing. */
#define TASK "12{ 0801 12{ 0a{'a'} } }"
#define END_2 "12{ 0802 32{ 0801 12{ 0a{'r'} } } }"
#define END_3 "12{ 0803 32{ 0803 } }"
#define TIMER "12{ 0804 22{ 0a{ 0805 } } }"
#define NOTHING "12{ 0809 }"

static void actions_keep_their_order_and_the_first_end_goes_last(void **state)
{
    (void)state;
    struct turn_result result = read_turn(TASK END_2 NOTHING END_3 TIMER, &context);
    assert_int_equal(result.action_count, 3);
    assert_int_equal(result.actions[0].kind, ACTION_SCHEDULE_TASK);
    assert_int_equal(result.actions[0].id, 1);
    assert_int_equal(result.actions[1].kind, ACTION_CREATE_TIMER);
    assert_true(result.actions[1].fire_at == 5000000);
    assert_int_equal(result.actions[2].kind, ACTION_COMPLETE);
    assert_int_equal(result.actions[2].id, 2);
    assert_int_equal(result.actions[2].outcome, RUN_COMPLETED);
    assert_true(text_equal(result.actions[2].payload, TEXT("r")));
    assert_false(text_is_present(result.custom_status));
}

static void chunks_of_an_answer_are_one(void **state)
{
    (void)state;
    static const char *const hexes[] = { END_2 "1a00 4001", TASK "1a00 4001", TIMER "1a00" };
    struct hub_orchestrator_response responses[3];
    const struct hub_orchestrator_response *parts[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(message_read(&hub_orchestrator_response_type, bytes_of(hexes[i]), &arena,
                                      &responses[i], &err),
                         PD_OK);
        parts[i] = &responses[i];
    }
    assert_true(responses[0].is_partial && !responses[2].is_partial);
    struct turn_result result;
    assert_int_equal(work_read_turn_result(parts, 3, &context, &arena, &result, &err), PD_OK);
    assert_int_equal(result.action_count, 3);
    assert_int_equal(result.actions[0].kind, ACTION_SCHEDULE_TASK);
    assert_int_equal(result.actions[1].kind, ACTION_CREATE_TIMER);
    assert_int_equal(result.actions[2].kind, ACTION_COMPLETE);
    assert_true(text_equal(result.custom_status, TEXT("")));
}

static void a_child_without_an_id_gets_one_of_its_execution_and_step(void **state)
{
    (void)state;
    struct turn_result result =
        read_turn("12{ 081f 1a{ 12{'C'} 2a{ 0a{'t'} } 32{ 0a{'k'} 12{'v'} } } }"
                  "12{ 0802 1a{ 0a{'c'} } }",
                  &context);
    assert_int_equal(result.action_count, 2);
    assert_int_equal(result.actions[0].kind, ACTION_START_CHILD);
    assert_true(text_equal(result.actions[0].instance_id, TEXT("x:001f")));
    assert_true(text_equal(result.actions[0].extra->trace, TEXT("\x0a\x01t")));
    assert_true(text_equal(result.actions[0].extra->tags, TEXT("\x1ek\x1fv\x1e")));
    assert_true(text_equal(result.actions[1].instance_id, TEXT("c")));
    assert_null(result.actions[1].extra);
}

static void what_is_said_to_entities_is_read(void **state)
{
    (void)state;
    struct turn_result result =
        read_turn("12{ 0801 42{ 1a{ 0a{'s'} 12{'@B@2'} 12{'@a@1'} 12{'@a@1'} } } }"
                  "12{ 0802 42{ 22{ 0a{'s'} 1a{ 0a{'@a@1'} } } } }"
                  /* without a request id, at 5 s */
                  "12{ 0803 42{ 0a{ 12{'o'} 1a{ 0805 } 2a{ 0a{'@a@1'} } 22{} } } }"
                  "12{ 0804 42{ 12{ 0a{'r'} 12{'o'} 3a{ 0a{'@a@1'} } } } }",
                  &context);
    assert_int_equal(result.action_count, 4);
    assert_int_equal(result.actions[0].kind, ACTION_LOCK);
    assert_true(text_equal(result.actions[0].request_id, TEXT("s")));
    assert_true(text_equal(result.actions[0].extra->lock_set, TEXT("@a@1\n@b@2\n")));
    assert_int_equal(result.actions[1].kind, ACTION_UNLOCK);
    assert_true(text_equal(result.actions[1].instance_id, TEXT("@a@1")));
    assert_int_equal(result.actions[2].kind, ACTION_SIGNAL_ENTITY);
    assert_int_equal(result.actions[2].request_id.size, 36);
    assert_true(result.actions[2].fire_at == 5000000);
    assert_true(text_equal(result.actions[2].payload, TEXT("")));
    assert_int_equal(result.actions[3].kind, ACTION_CALL_ENTITY);
    assert_true(text_equal(result.actions[3].request_id, TEXT("r")));
    assert_true(result.actions[3].fire_at == 0);
    assert_false(text_is_present(result.actions[3].payload));
}

/* CONTINUED_AS_NEW with these, each name, seconds and payload of one character. */
static struct turn_result continue_with(const char *const *hexes, size_t count)
{
    struct text_list carried = { arena_alloc(&arena, count * sizeof(struct text)), count };
    for (size_t i = 0; i < count; i++) {
        carried.items[i] = bytes_of(hexes[i]);
    }
    struct hub_complete_orchestration_action end;
    message_init(&hub_complete_orchestration_action_type, &end);
    end.orchestration_status = 2;
    end.result = TEXT("next");
    end.carryover_events = carried;
    struct hub_orchestrator_action action;
    message_init(&hub_orchestrator_action_type, &action);
    action.complete_orchestration = &end;
    struct hub_orchestrator_response response;
    message_init(&hub_orchestrator_response_type, &response);
    response.actions.items = &action;
    response.actions.count = 1;
    const struct hub_orchestrator_response *parts[] = { &response };
    struct turn_result result;
    pd_status status = work_read_turn_result(parts, 1, &context, &arena, &result, &err);
    if (status != PD_OK) {
        assert_int_equal(status, PD_E_INVALID);
        result.action_count = 0;
    }
    return result;
}

static void kept_events_are_sorted_by_the_time_they_had_and_only_raised_ones(void **state)
{
    (void)state;
    static const char *const hexes[] = {
        "1202 0809 8a0103 0a0163",                        /* c, 9 s */
        "8a0103 0a0161",                                  /* a, no time */
        "1202 0801 3a02 0801",                            /* a task's end: not kept */
        "1200 8a0107 0a0162 12020a00",                    /* b, 1970, an empty payload */
        "1202 0809 8a0103 0a0164 08ffffffffffffffffff01", /* d, 9 s */
    };
    struct turn_result result = continue_with(hexes, 5);
    assert_int_equal(result.action_count, 1);
    const struct action *again = &result.actions[0];
    assert_int_equal(again->kind, ACTION_CONTINUE_AS_NEW);
    assert_true(text_equal(again->payload, TEXT("next")));
    assert_false(text_is_present(again->version));
    assert_int_equal(again->kept_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(again->kept[i].name.at[0], 'a' + (int)i);
        assert_false(text_is_present(again->kept[i].raw)); /* they get another time */
    }
    assert_false(text_is_present(again->kept[0].payload));
    assert_true(text_equal(again->kept[1].payload, TEXT("")));
}

static void kept_events_that_are_malformed_are_refused(void **state)
{
    (void)state;
    static const char *const not_protobuf[] = { "8a0103 0a0261" };
    static const char *const not_utf8[] = { "8a0103 0a01ff" };
    assert_int_equal(continue_with(not_protobuf, 1).action_count, 0);
    assert_int_equal(continue_with(not_utf8, 1).action_count, 0);
}

static void ends_of_each_status_are_read(void **state)
{
    (void)state;
    /* FAILED with details; with "why" as legacy text; with nothing; RUNNING; TERMINATED */
    struct action end =
        read_turn("12{ 32{ 0803 32{ 0a{'E'} 12{'m'} 1a{ 0a{'s'} } } } }", &context).actions[0];
    assert_int_equal(end.outcome, RUN_FAILED);
    assert_true(text_equal(end.failure->type, TEXT("E")));
    assert_int_equal(end.failure->raw.size, 11); /* with the stack trace */
    end = read_turn("12{ 32{ 0803 1a{ 0a{'why'} } } }", &context).actions[0];
    assert_int_equal(end.outcome, RUN_FAILED);
    assert_true(text_equal(end.failure->message, TEXT("why")));
    end = read_turn("12{ 32{ 0803 } }", &context).actions[0];
    assert_int_equal(end.outcome, RUN_FAILED);
    assert_true(end.failure->message.size != 0);
    end = read_turn("12{ 32{} }", &context).actions[0];
    assert_int_equal(end.outcome, RUN_FAILED);
    assert_true(end.failure->message.size != 0);
    end = read_turn("12{ 32{ 0805 12{ 0a{'t'} } } }", &context).actions[0];
    assert_int_equal(end.outcome, RUN_TERMINATED);
    assert_true(text_equal(end.payload, TEXT("t")));
    assert_null(end.failure);
}

static void a_trace_is_noted_when_it_is_new_and_a_turn_follows(void **state)
{
    (void)state;
    struct turn_result result = read_turn(TASK "32{ 0a{ 0a{'s'} } }", &context);
    assert_int_equal(result.action_count, 2);
    assert_int_equal(result.actions[1].kind, ACTION_NOTE_TRACE);
    assert_true(text_equal(result.actions[1].payload, bytes_of("0a{ 0a{'s'} }")));
    struct work_context knows = context;
    knows.trace = result.actions[1].payload;
    assert_int_equal(read_turn(TASK "32{ 0a{ 0a{'s'} } }", &knows).action_count, 1);
    assert_int_equal(read_turn(TASK "32{ 0a{ 0a{'t'} } }", &knows).action_count, 2);
    assert_int_equal(read_turn(TASK, &knows).action_count, 1);
    assert_int_equal(read_turn(END_2 "32{ 0a{ 0a{'s'} } }", &context).action_count, 1);
}

static void others_are_terminated_and_rewinds_are_left_out(void **state)
{
    (void)state;
    struct turn_result result =
        read_turn("12{ 3a{ 0a{'o'} 12{} 1801 } } 12{ 4a{ 0a{} } }", &context);
    assert_int_equal(result.action_count, 1);
    assert_int_equal(result.actions[0].kind, ACTION_TERMINATE);
    assert_true(text_equal(result.actions[0].instance_id, TEXT("o")));
    assert_true(text_equal(result.actions[0].payload, TEXT("")));
    assert_true(result.actions[0].extra->recurses);
}

static void a_malformed_failure_is_refused(void **state)
{
    (void)state;
    struct hub_orchestrator_response response;
    assert_int_equal(message_read(&hub_orchestrator_response_type,
                                  bytes_of("12{ 32{ 0803 32{ 0a05 } } }"), &arena, &response, &err),
                     PD_E_INVALID);
}

static pd_status read_entity(const char *hex, struct entity_result *ret)
{
    struct hub_entity_batch_result *batch = arena_alloc(&arena, sizeof *batch);
    assert_int_equal(
        message_read(&hub_entity_batch_result_type, bytes_of(hex), &arena, batch, &err), PD_OK);
    return work_read_entity_result(batch, WORK_PLAIN, &arena, ret, &err);
}

static void results_of_operations_and_what_they_ask_for_are_read(void **state)
{
    (void)state;
    struct entity_result result;
    assert_int_equal(read_entity("0a{ 0a{ 0a{ 0a{'1'} } } }"
                                 "0a{ 0a{} }" /* succeeded, without a result */
                                 "0a{ 12{ 0a{ 0a{'E'} 2801 } } }"
                                 "12{ 12{ 0a{'@a@1'} 12{'o'} } }"
                                 "12{ 12{ 0a{'a'} 12{'o'} } }" /* to what is no entity */
                                 "12{ 1a{ 12{'O'} 2a{} } }"    /* at once, any id */
                                 "12{ 1a{ 0a{'@'} 12{'O'} } }" /* an id that is none */
                                 "1a{ 0a{'s'} }",
                                 &result),
                     PD_OK);
    assert_int_equal(result.result_count, 3);
    assert_true(text_equal(result.results[0].payload, TEXT("1")));
    assert_false(text_is_present(result.results[1].payload));
    assert_null(result.results[1].failure);
    assert_true(text_equal(result.results[2].failure->type, TEXT("E")));
    assert_true(result.results[2].failure->is_final);
    assert_int_equal(result.action_count, 2);
    assert_int_equal(result.actions[0].kind, ACTION_SIGNAL_ENTITY);
    assert_false(text_is_present(result.actions[0].request_id)); /* core makes one */
    assert_true(text_equal(result.actions[0].instance_id, TEXT("@a@1")));
    assert_int_equal(result.actions[1].kind, ACTION_START);
    assert_false(text_is_present(result.actions[1].instance_id));
    assert_true(result.actions[1].fire_at == 0);
    assert_true(text_equal(result.state, TEXT("s")));
    assert_false(result.keeps_state);
}

/* Else a worker's "perdure.notify:1" could have the server sign what has not happened. */
static void no_worker_starts_anything_under_an_id_of_the_server(void **state)
{
    static const char done[] = "12{ 0803 32{ 0801 12{ 0a{'1'} } } }";
    struct entity_result batch;
    (void)state;
    const char *child = arena_printf(&arena, "12{ 0802 1a{ 0a{'%s'} } } %s", "perdure.n:1", done);
    struct turn_result result = read_turn(child, &context);
    assert_int_equal(result.action_count, 1);
    assert_int_equal(result.actions[0].kind, ACTION_COMPLETE);
    assert_int_equal(result.actions[0].outcome, RUN_FAILED);
    assert_true(text_equal(result.actions[0].failure->type, TEXT("Misuse")));
    child = arena_printf(&arena, "12{ 0802 1a{ 0a{'%s'} } } %s", "perdure1", done);
    result = read_turn(child, &context);
    assert_int_equal(result.action_count, 2);
    assert_int_equal(result.actions[0].kind, ACTION_START_CHILD);
    assert_int_equal(result.actions[1].outcome, RUN_COMPLETED);
    assert_int_equal(read_entity("0a{ 0a{} } 12{ 1a{ 0a{'perdure.n:1'} 12{'O'} } }", &batch),
                     PD_OK);
    assert_int_equal(batch.action_count, 0);
    assert_int_equal(read_entity("0a{ 0a{} } 12{ 1a{ 0a{'perdure1'} 12{'O'} } }", &batch), PD_OK);
    assert_int_equal(batch.action_count, 1);
}

static void a_state_that_is_empty_or_absent_is_deleted(void **state)
{
    (void)state;
    static const char *const hexes[] = { "0a02 0a00", "0a02 0a00 1a00", "0a02 0a00 1a02 0a00" };
    for (size_t i = 0; i < 3; i++) {
        struct entity_result result;
        assert_int_equal(read_entity(hexes[i], &result), PD_OK);
        assert_false(text_is_present(result.state));
        assert_false(result.keeps_state);
    }
}

static void a_batch_that_failed_as_a_whole_has_no_results_and_keeps_the_state(void **state)
{
    (void)state;
    struct entity_result result;
    assert_int_equal(read_entity("0a02 0a00 2203 0a0145", &result), PD_OK);
    assert_int_equal(result.result_count, 0);
    assert_int_equal(result.action_count, 0);
    assert_true(result.keeps_state);
}

/* "@e@kkk...", of so many bytes. */
static const char *id_of_size(size_t size)
{
    char *id = arena_alloc(&arena, size + 1);
    memset(id, 'k', size);
    memcpy(id, "@e@", 3);
    return id;
}

static const char *said_to_entity(size_t size)
{
    const char *id = id_of_size(size);
    return arena_printf(&arena,
                        "12{ 0801 42{ 0a{ 12{'o'} 2a{ 0a{'%s'} } } } }"
                        "12{ 0802 42{ 12{ 0a{'r'} 12{'o'} 3a{ 0a{'%s'} } } } }",
                        id, id);
}

static void an_entity_id_of_more_than_100_bytes_is_refused_to_plain_workers(void **state)
{
    (void)state;
    struct work_context ours = context;
    ours.dialect = WORK_OURS;
    struct turn_result result = read_turn(said_to_entity(100), &context);
    assert_int_equal(result.action_count, 2);
    assert_null(result.actions[1].failure);
    result = read_turn(said_to_entity(101), &context);
    assert_int_equal(result.action_count, 1); /* the signal is dropped */
    assert_int_equal(result.actions[0].kind, ACTION_CALL_ENTITY);
    assert_int_equal(result.actions[0].id, 2);
    assert_non_null(result.actions[0].failure);
    assert_non_null(strstr(result.actions[0].failure->message.at, "length is 101"));
    result = read_turn(said_to_entity(101), &ours);
    assert_int_equal(result.action_count, 2);
    assert_null(result.actions[1].failure);
}

static void operations_do_not_signal_entities_of_such_ids(void **state)
{
    (void)state;
    struct entity_result result;
    for (size_t size = 100; size <= 101; size++) {
        const char *hex =
            arena_printf(&arena, "0a{ 0a{} } 12{ 12{ 0a{'%s'} 12{'o'} } }", id_of_size(size));
        assert_int_equal(read_entity(hex, &result), PD_OK);
        assert_int_equal(result.action_count, size == 100);
    }
}

static struct activity_result read_activity(const char *notation)
{
    struct hub_activity_response response;
    struct activity_result result;
    assert_int_equal(
        message_read(&hub_activity_response_type, bytes_of(notation), &arena, &response, &err),
        PD_OK);
    assert_int_equal(work_read_activity_result(&response, &arena, &result, &err), PD_OK);
    return result;
}

static void an_activity_failed_when_it_has_a_failure(void **state)
{
    (void)state;
    struct activity_result result = read_activity("1a030a0172");
    assert_true(text_equal(result.payload, TEXT("r")));
    assert_null(result.failure);
    result = read_activity("1a00");
    assert_true(text_equal(result.payload, TEXT("")));
    result = read_activity("");
    assert_false(text_is_present(result.payload));
    result = read_activity("1a030a0172 2200");
    assert_non_null(result.failure);
    assert_false(text_is_present(result.payload));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(actions_keep_their_order_and_the_first_end_goes_last),
        TEST(chunks_of_an_answer_are_one),
        TEST(a_child_without_an_id_gets_one_of_its_execution_and_step),
        TEST(what_is_said_to_entities_is_read),
        TEST(kept_events_are_sorted_by_the_time_they_had_and_only_raised_ones),
        TEST(kept_events_that_are_malformed_are_refused),
        TEST(ends_of_each_status_are_read),
        TEST(a_trace_is_noted_when_it_is_new_and_a_turn_follows),
        TEST(others_are_terminated_and_rewinds_are_left_out),
        TEST(a_malformed_failure_is_refused),
        TEST(results_of_operations_and_what_they_ask_for_are_read),
        TEST(an_entity_id_of_more_than_100_bytes_is_refused_to_plain_workers),
        TEST(operations_do_not_signal_entities_of_such_ids),
        TEST(no_worker_starts_anything_under_an_id_of_the_server),
        TEST(a_state_that_is_empty_or_absent_is_deleted),
        TEST(a_batch_that_failed_as_a_whole_has_no_results_and_keeps_the_state),
        TEST(an_activity_failed_when_it_has_a_failure),
    };
    return cmocka_run_group_tests_name("wire/work_result", tests, NULL, NULL);
}
