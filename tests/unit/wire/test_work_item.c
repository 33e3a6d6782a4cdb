/* SPDX-License-Identifier: MIT
 *
 * Work items for workers of other makers (work.h, WORK_PLAIN): what they hold and what not. The
 * rules are sections 3.3, 3.5, 3.20 and 4.4 of the specification of the service.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"
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
    assert_int_equal(work_write_entity_turn(&buffer, WORK_PLAIN, &turn), 3);
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
    (void)work_write_entity_turn(&buffer, WORK_PLAIN, &turn);
    assert_true(text_equal(once, buffer_text(&buffer)));
}

/* How many of these operations others get at once, each with so many bytes of input. */
static size_t count_handed_out(size_t count, size_t bytes)
{
    struct event *operations = arena_alloc(&arena, (count + 1) * sizeof *operations);
    char *input = arena_alloc(&arena, bytes + 1);
    memset(input, '7', bytes);
    operations[0] = (struct event){
        .kind = EVENT_ORCHESTRATOR_STARTED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = 1
    };
    for (size_t i = 1; i <= count; i++) {
        operations[i] =
            (struct event){ .kind = EVENT_ENTITY_SIGNALED,
                            .id = EVENT_NO_ID,
                            .ref = EVENT_NO_ID,
                            .at = (time_us)i,
                            .name = TEXT("add"),
                            .payload = text_make(input, bytes),
                            .request_id = TEXT("5f8f5d29-0a3f-4a5c-9b1a-000000000001") };
    }
    struct turn turn = { .instance_id = TEXT("@counter@a"),
                         .events = operations,
                         .event_count = count + 1 };
    buffer_reset(&buffer);
    size_t told = work_write_entity_turn(&buffer, WORK_PLAIN, &turn);
    assert_int_equal(read_item().entity_request_v2->operation_requests.count, told);
    buffer_reset(&buffer);
    assert_int_equal(work_write_entity_turn(&buffer, WORK_OURS, &turn), count);
    return told;
}

static void a_batch_for_others_has_100_operations_and_a_mebibyte_at_most(void **state)
{
    (void)state;
    assert_int_equal(count_handed_out(1, 10), 1);
    assert_int_equal(count_handed_out(100, 10), 100);
    assert_int_equal(count_handed_out(101, 10), 100);
    assert_int_equal(count_handed_out(4, 300 * 1024), 3);
    assert_int_equal(count_handed_out(2, 3 << 20), 1); /* one goes, however large */
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
        TEST(a_batch_for_others_has_100_operations_and_a_mebibyte_at_most),
        TEST(an_activity_is_as_it_was_scheduled),
    };
    return cmocka_run_group_tests_name("wire/work_item", tests, NULL, NULL);
}
