/* SPDX-License-Identifier: MIT
 *
 * Work for workers of other makers (work.h, WORK_PLAIN): what their items hold and what not, and
 * what core gets of their answers. The rules are sections 3.3 to 3.9 and 4.4 to 4.5 of the
 * specification of the service.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/lock_set.h"
#include "samples.h"
#include "wire/proto.h"
#include "wire/wire_priv.h"
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

/* ---- items ------------------------------------------------------------------------------------ */

#define INPUT(kind_, ...)                                                   \
    {                                                                       \
        .kind = (kind_), .id = EVENT_NO_ID, .ref = EVENT_NO_ID, __VA_ARGS__ \
    }

static const struct event first_turn[] = {
    INPUT(EVENT_ORCHESTRATOR_STARTED, .at = 1),
    INPUT(EVENT_EXECUTION_STARTED, .at = 2, .name = TEXT_INIT("Order"),
          .instance_id = TEXT_INIT("i"), .execution_id = TEXT_INIT("x")),
};

static const struct turn turn_1 = {
    .row = 9,
    .number = 1,
    .instance_id = TEXT_INIT("i"),
    .execution_id = TEXT_INIT("x"),
    .events = first_turn,
    .event_count = 2,
};

static struct text chunk_of(const struct event *events, size_t count)
{
    struct buffer chunk;
    buffer_init(&chunk);
    for (size_t i = 0; i < count; i++) {
        wire_write_event(&chunk, &events[i]);
    }
    struct text bytes = text_copy(&arena, buffer_text(&chunk));
    buffer_done(&chunk);
    return bytes;
}

static struct hub_work_item read_item(void)
{
    struct hub_work_item item;
    struct text bytes = text_copy(&arena, buffer_text(&buffer));
    assert_int_equal(message_read(&hub_work_item_type, bytes, &arena, &item, &err), PD_OK);
    return item;
}

static struct event read_event(struct text bytes)
{
    struct event event;
    struct wire_trouble trouble = { NULL, NULL };
    assert_true(wire_read_event(bytes, &event, &arena, &trouble));
    return event;
}

static void the_start_of_an_execution_has_id_0_and_all_that_sdks_insist_on(void **state)
{
    (void)state;
    work_write_turn(&buffer, WORK_PLAIN, &turn_1, PAST_INLINE, NULL, 0, TEXT_ABSENT);
    const struct hub_orchestrator_request *request = read_item().orchestrator_request;
    assert_true(text_equal(request->instance_id, TEXT("i")));
    assert_true(text_equal(request->execution_id, TEXT("x")));
    assert_int_equal(request->new_events.count, 2);
    assert_int_equal(read_event(request->new_events.items[0]).id, -1);
    struct event started = read_event(request->new_events.items[1]);
    assert_int_equal(started.kind, EVENT_EXECUTION_STARTED);
    assert_int_equal(started.id, 0);
    assert_true(text_equal(started.instance_id, TEXT("i")));
    /* OrchestratorEntityParameters, with its Duration */
    assert_true(text_equal(request->entity_parameters, sample_bytes(&arena, "0a00")));
    assert_false(request->requires_history_streaming);
    assert_false(text_is_present(request->orchestration_trace_context));
    assert_int_equal(request->row, 0); /* nothing of ours */
    assert_int_equal(request->number, 0);
}

static void a_start_that_is_bytes_already_has_id_0_too(void **state)
{
    (void)state;
    struct wire_events events = { NULL, 0, 0 };
    assert_int_equal(wire_read_events(chunk_of(first_turn, 2), &arena, &events, &err), PD_OK);
    assert_true(text_is_present(events.at[1].raw));
    struct turn turn = turn_1;
    turn.events = events.at;
    work_write_turn(&buffer, WORK_PLAIN, &turn, PAST_INLINE, NULL, 0, TEXT_ABSENT);
    struct text copied = text_copy(&arena, buffer_text(&buffer));
    buffer_reset(&buffer);
    work_write_turn(&buffer, WORK_PLAIN, &turn_1, PAST_INLINE, NULL, 0, TEXT_ABSENT);
    assert_true(text_equal(copied, buffer_text(&buffer)));
}

/* Of each kind one, as a history might have them. */
static size_t all_kinds(struct event *ret)
{
    size_t count = 0;
#define X(kind_, wire, name_)                  \
    for (size_t i = 0;; i++) {                 \
        if (samples[i].event.kind == (wire)) { \
            ret[count++] = samples[i].event;   \
            break;                             \
        }                                      \
    }
    EVENT_MAP(X)
#undef X
    return count;
}

static void others_get_of_a_past_what_all_of_them_digest(void **state)
{
    (void)state;
    static const int kept[] = { 3,  6,  7,  8,  9,  10, 11, 12, 13, 14,
                                16, 17, 23, 24, 25, 26, 27, 28, 29 };
    struct event all[64];
    struct text chunk = chunk_of(all, all_kinds(all));
    work_write_turn(&buffer, WORK_PLAIN, &turn_1, PAST_INLINE, &chunk, 1, TEXT_ABSENT);
    const struct hub_orchestrator_request *request = read_item().orchestrator_request;
    assert_int_equal(request->past_events.count, sizeof kept / sizeof *kept);
    for (size_t i = 0; i < request->past_events.count; i++) {
        assert_int_equal(read_event(request->past_events.items[i]).kind, kept[i]);
    }
    assert_int_equal(read_event(request->past_events.items[0]).id, 0);
}

static void others_are_not_told_of_suspending_among_new_events(void **state)
{
    (void)state;
    struct event events[64];
    struct turn turn = turn_1;
    turn.events = events;
    turn.event_count = all_kinds(events);
    work_write_turn(&buffer, WORK_PLAIN, &turn, PAST_INLINE, NULL, 0, TEXT_ABSENT);
    assert_int_equal(read_item().orchestrator_request->new_events.count, 19);
}

static void people_are_shown_a_whole_history_but_for_what_is_ours(void **state)
{
    (void)state;
    struct event all[64];
    size_t count = all_kinds(all);
    struct text chunk = chunk_of(all, count);
    assert_int_equal(work_splice_events(&buffer, 1, WORK_SHOWN, chunk), count - 4);
    struct wire_events events = { NULL, 0, 0 };
    assert_int_equal(wire_read_events(buffer_text(&buffer), &arena, &events, &err), PD_OK);
    for (size_t i = 0; i < events.count; i++) {
        assert_true(events.at[i].kind < EVENT_STEP_CANCELLED);
    }
    assert_int_equal(work_splice_events(&buffer, 1, WORK_OURS, chunk), count);
}

/* "ids -1, 0, 1, -1, -1, 2": an activity and the end, as exported by JavaScript. */
static void a_history_of_an_activity_has_the_ids_that_suites_pin(void **state)
{
    (void)state;
    static const struct event history[] = {
        INPUT(EVENT_ORCHESTRATOR_STARTED, .at = 1),
        INPUT(EVENT_EXECUTION_STARTED, .at = 2, .name = TEXT_INIT("O")),
        { .kind = EVENT_TASK_SCHEDULED, .id = 1, .ref = EVENT_NO_ID, .name = TEXT_INIT("A") },
        INPUT(EVENT_TRACE_NOTED, .payload = TEXT_INIT("\x0a\x00")),
        INPUT(EVENT_ORCHESTRATOR_STARTED, .at = 3),
        { .kind = EVENT_TASK_COMPLETED, .id = EVENT_NO_ID, .ref = 1 },
        { .kind = EVENT_EXECUTION_COMPLETED, .id = 2, .outcome = RUN_COMPLETED },
    };
    static const int ids[] = { -1, 0, 1, -1, -1, 2 };
    struct text chunk = chunk_of(history, sizeof history / sizeof *history);
    assert_int_equal(work_splice_events(&buffer, 1, WORK_SHOWN, chunk), 6);
    struct wire_events events = { NULL, 0, 0 };
    assert_int_equal(wire_read_events(buffer_text(&buffer), &arena, &events, &err), PD_OK);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(events.at[i].id, ids[i]);
    }
    assert_int_equal(events.at[4].ref, 1);
}

static void a_past_that_is_streamed_is_not_in_the_item(void **state)
{
    (void)state;
    struct text chunk = chunk_of(first_turn, 2);
    work_write_turn(&buffer, WORK_PLAIN, &turn_1, PAST_STREAMED, &chunk, 1, TEXT("\x0a\x00"));
    const struct hub_orchestrator_request *request = read_item().orchestrator_request;
    assert_true(request->requires_history_streaming);
    assert_int_equal(request->past_events.count, 0);
    assert_true(text_equal(request->orchestration_trace_context, TEXT("\x0a\x00")));
}

static void lengths_are_right_whatever_they_were_guessed_to_be(void **state)
{
    (void)state;
    for (size_t size = 0; size < 40000; size += size / 40 + 1) {
        char *bytes = arena_alloc_raw(&arena, size + 1);
        memset(bytes, 'a', size);
        struct event events[] = { first_turn[0], first_turn[1], first_turn[1] };
        struct turn turn = turn_1;
        events[2].execution_id = text_make(bytes, size); /* no guess counts it */
        turn.events = events;
        turn.event_count = 3;
        buffer_reset(&buffer);
        buffer_add_text(&buffer, TEXT("before"));
        work_write_turn(&buffer, WORK_PLAIN, &turn, PAST_INLINE, NULL, 0, TEXT_ABSENT);
        struct text all = buffer_text(&buffer);
        assert_memory_equal(all.at, "before", 6);
        struct hub_work_item item;
        assert_int_equal(message_read(&hub_work_item_type, text_make(all.at + 6, all.size - 6),
                                      &arena, &item, &err),
                         PD_OK);
        const struct text_list *new_events = &item.orchestrator_request->new_events;
        assert_int_equal(new_events->count, 3);
        assert_int_equal(read_event(new_events->items[2]).execution_id.size, size);
        arena_reset(&arena);
    }
}

static void the_trace_that_was_noted_last_is_found(void **state)
{
    (void)state;
    struct event noted = INPUT(EVENT_TRACE_NOTED, .payload = TEXT("\x0a\x00"));
    struct event other = INPUT(EVENT_TRACE_NOTED, .payload = TEXT("\x12\x00"));
    struct event both[] = { noted, other, first_turn[0] };
    /* The bytes of the tag inside a payload are no event. */
    struct event raised = INPUT(EVENT_EVENT_RAISED, .payload = TEXT("\xba\x06\x02"));
    struct text chunks[] = { chunk_of(&noted, 1), chunk_of(both, 3), chunk_of(&raised, 1),
                             TEXT_ABSENT };
    assert_true(text_equal(work_find_trace(chunks, 4), other.payload));
    assert_true(text_equal(work_find_trace(chunks, 1), noted.payload));
    assert_false(text_is_present(work_find_trace(chunks + 2, 2)));
    assert_false(text_is_present(work_find_trace(NULL, 0)));
}

static void operations_have_guids_callers_and_no_step(void **state)
{
    (void)state;
    static const struct event_extra from = { .has_parent = true,
                                             .parent_id = TEXT_INIT("order"),
                                             .parent_execution_id = TEXT_INIT("x1") };
    static const struct event operations[] = {
        INPUT(EVENT_ORCHESTRATOR_STARTED, .at = 1),
        { .kind = EVENT_ENTITY_CALLED,
          .id = 7,
          .at = 2,
          .name = TEXT_INIT("Add"),
          .payload = TEXT_INIT("1"),
          .request_id = TEXT_INIT("5f8f5d29-0a3f-4a5c-9b1a-000000000001"),
          .extra = &from },
        INPUT(EVENT_ENTITY_SIGNALED, .at = 3, .name = TEXT_INIT("Add"),
              .request_id = TEXT_INIT("mine")),
        INPUT(EVENT_ENTITY_SIGNALED, .at = 4, .name = TEXT_INIT("Add")),
    };
    struct turn turn = {
        .instance_id = TEXT("@counter@a"), .events = operations, .event_count = 4, .state = TEXT("")
    };
    work_write_entity_turn(&buffer, WORK_PLAIN, &turn);
    const struct hub_entity_request *request = read_item().entity_request_v2;
    assert_true(text_equal(request->instance_id, TEXT("@counter@a")));
    assert_true(request->execution_id.size != 0);
    assert_true(text_equal(request->entity_state, TEXT("")));
    assert_int_equal(request->operation_requests.count, 3);
    struct event call = read_event(request->operation_requests.items[0]);
    assert_int_equal(call.kind, EVENT_ENTITY_CALLED);
    assert_int_equal(call.id, -1);
    assert_true(text_equal(call.request_id, operations[1].request_id));
    assert_true(text_equal(call.extra->parent_id, TEXT("order")));
    assert_true(text_equal(call.extra->parent_execution_id, TEXT("x1")));
    struct event a = read_event(request->operation_requests.items[1]);
    struct event b = read_event(request->operation_requests.items[2]);
    assert_int_equal(a.request_id.size, 36);
    assert_int_equal(b.request_id.size, 36);
    assert_false(text_equal(a.request_id, b.request_id));
    /* The same when it is handed out again. */
    struct text once = text_copy(&arena, buffer_text(&buffer));
    buffer_reset(&buffer);
    work_write_entity_turn(&buffer, WORK_PLAIN, &turn);
    assert_true(text_equal(once, buffer_text(&buffer)));
}

static void an_activity_is_as_it_was_scheduled(void **state)
{
    (void)state;
    static const struct event_extra extra = { .tags = TEXT_INIT("\x1ek\x1fv\x1e"),
                                              .trace = TEXT_INIT("\x0a\x01t"),
                                              .limits = { 1, 2, 3 } };
    struct activity activity = { .row = 5,
                                 .id = 0,
                                 .instance_id = TEXT("i"),
                                 .execution_id = TEXT("x"),
                                 .name = TEXT("Ship"),
                                 .version = TEXT(""),
                                 .extra = &extra };
    work_write_activity(&buffer, WORK_PLAIN, &activity);
    const struct hub_activity_request *request = read_item().activity_request;
    assert_true(text_equal(request->name, TEXT("Ship")));
    assert_true(text_equal(request->version, TEXT("")));
    assert_false(text_is_present(request->input));
    assert_true(text_equal(request->orchestration_instance->instance_id, TEXT("i")));
    assert_true(text_equal(request->orchestration_instance->execution_id, TEXT("x")));
    assert_int_equal(request->task_id, 0);
    assert_true(text_equal(request->parent_trace_context, extra.trace));
    assert_true(text_equal(request->tags, extra.tags));
    assert_int_equal(request->start_ms + request->row, 0);
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

/* ---- answers ---------------------------------------------------------------------------------- */

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
    return work_read_entity_result(batch, &arena, ret, &err);
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
        TEST(the_start_of_an_execution_has_id_0_and_all_that_sdks_insist_on),
        TEST(a_start_that_is_bytes_already_has_id_0_too),
        TEST(others_get_of_a_past_what_all_of_them_digest),
        TEST(others_are_not_told_of_suspending_among_new_events),
        TEST(people_are_shown_a_whole_history_but_for_what_is_ours),
        TEST(a_history_of_an_activity_has_the_ids_that_suites_pin),
        TEST(a_past_that_is_streamed_is_not_in_the_item),
        TEST(lengths_are_right_whatever_they_were_guessed_to_be),
        TEST(the_trace_that_was_noted_last_is_found),
        TEST(operations_have_guids_callers_and_no_step),
        TEST(an_activity_is_as_it_was_scheduled),
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
        TEST(a_state_that_is_empty_or_absent_is_deleted),
        TEST(a_batch_that_failed_as_a_whole_has_no_results_and_keeps_the_state),
        TEST(an_activity_failed_when_it_has_a_failure),
    };
    return cmocka_run_group_tests_name("wire/work", tests, NULL, NULL);
}
