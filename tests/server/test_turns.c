/* SPDX-License-Identifier: MIT
 *
 * What a worker is given and what becomes of its answer, over the wire: section 3 of the service's
 * specification, where nothing below the wire proves it. */
#include "one_server.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/tags.h"
#include "wire/wire.h"

/* ---- events ---------------------------------------------------------------------------------- */

static struct wire_events events_of(const struct text_list *list)
{
    struct wire_events events = { NULL, 0, 0 };
    struct buffer chunk;
    buffer_init(&chunk);
    const struct hub_history_chunk whole = { *list };
    message_write(&hub_history_chunk_type, &chunk, &whole);
    struct text kept = text_copy(&served.arena, buffer_text(&chunk));
    buffer_done(&chunk);
    assert_int_equal(wire_read_events(kept, &served.arena, &events, &served.err), PD_OK);
    return events;
}

static struct wire_events new_events(const struct hub_work_item *item)
{
    assert_non_null(item->orchestrator_request);
    return events_of(&item->orchestrator_request->new_events);
}

static struct wire_events past_events(const struct hub_work_item *item)
{
    return events_of(&item->orchestrator_request->past_events);
}

static void assert_kinds(struct wire_events events, const enum event_kind *kinds, size_t count)
{
    assert_int_equal(events.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(events.at[i].kind, kinds[i]);
    }
}

#define assert_events(events, ...)                                 \
    assert_kinds(events, (const enum event_kind[]){ __VA_ARGS__ }, \
                 sizeof((const enum event_kind[]){ __VA_ARGS__ }) / sizeof(enum event_kind))

/* ---- what is said ---------------------------------------------------------------------------- */

static const struct hub_orchestration_state *state_of(const char *id)
{
    struct hub_get_instance_response got = served_get(&served, id);
    assert_true(got.exists);
    return got.orchestration_state;
}

static void raise_event(const char *id, const char *name)
{
    const struct hub_raise_event_request request = { text_of(id), text_of(name), TEXT("1") };
    assert_int_equal(served_tell(&served, "RaiseEvent", &hub_raise_event_request_type, &request),
                     PD_OK);
}

static void terminate(const char *id, const char *output, bool recursive)
{
    const struct hub_terminate_request request = { text_of(id), text_of(output), recursive };
    assert_int_equal(
        served_tell(&served, "TerminateInstance", &hub_terminate_request_type, &request), PD_OK);
}

static void suspend(const char *id)
{
    const struct hub_suspend_request request = { text_of(id), TEXT("wait") };
    assert_int_equal(served_tell(&served, "SuspendInstance", &hub_suspend_request_type, &request),
                     PD_OK);
}

static void resume(const char *id)
{
    const struct hub_resume_request request = { text_of(id), TEXT("go") };
    assert_int_equal(served_tell(&served, "ResumeInstance", &hub_resume_request_type, &request),
                     PD_OK);
}

static void answer_with(const struct hub_work_item *item, struct hub_orchestrator_response response)
{
    response.instance_id = item->orchestrator_request->instance_id;
    response.completion_token = item->completion_token;
    assert_int_equal(served_tell(&served, "CompleteOrchestratorTask",
                                 &hub_orchestrator_response_type, &response),
                     PD_OK);
}

static struct hub_orchestrator_response nothing(void)
{
    struct hub_orchestrator_response response;
    message_init(&hub_orchestrator_response_type, &response);
    return response;
}

static void start(const char *id)
{
    assert_int_equal(served_start_instance(&served, id, "flow"), PD_OK);
}

static const struct hub_create_timer_action far = { .fire_at = INT64_C(4000000000) * TIME_SECOND };
static const struct hub_orchestrator_action one_timer = { .id = 1, .create_timer = &far };

/* ---- 3.4, 3.8: what a commit shows ----------------------------------------------------------- */

static void it_is_pending_until_its_first_turn_is_committed(void **state)
{
    (void)state;
    start("a");
    struct hub_work_item item = desk_take(&desk);
    assert_int_equal(served_status(&served, "a"), PENDING);
    struct hub_orchestrator_response response = nothing();
    response.custom_status = TEXT("\"at work\"");
    answer_with(&item, response);
    assert_int_equal(state_of("a")->orchestration_status, RUNNING);
    assert_text(state_of("a")->custom_status, "\"at work\"");
}

static void every_commit_moves_the_last_change(void **state)
{
    (void)state;
    start("a");
    time_us last = state_of("a")->last_updated_timestamp;
    assert_true(last >= state_of("a")->created_timestamp);
    (void)desk_answer(&desk, &one_timer, 1);
    for (int i = 0; i < 4; i++) {
        time_us now = state_of("a")->last_updated_timestamp;
        assert_true(now > last);
        last = now;
        switch (i) {
        case 0:
            raise_event("a", "e");
            (void)desk_answer(&desk, NULL, 0);
            break;
        case 1: suspend("a"); break;
        case 2: resume("a"); break;
        default: terminate("a", NULL, false); break;
        }
    }
    assert_true(state_of("a")->last_updated_timestamp > last);
    assert_true(state_of("a")->completed_timestamp >= state_of("a")->created_timestamp);
}

static void a_custom_status_is_kept_set_and_cleared(void **state)
{
    (void)state;
    static const struct {
        const char *said, *shown;
    } rows[] = { { NULL, NULL },     { "1", "1" }, { NULL, "1" },
                 { "\"\"", "\"\"" }, { "", NULL }, { NULL, NULL } };
    start("a");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hub_work_item item = desk_take(&desk);
        struct hub_orchestrator_response response = nothing();
        response.custom_status = text_of(rows[i].said);
        answer_with(&item, response);
        struct text shown = state_of("a")->custom_status;
        assert_int_equal(text_is_present(shown), rows[i].shown != NULL);
        assert_true(rows[i].shown == NULL || text_equal(shown, text_of(rows[i].shown)));
        raise_event("a", "next");
    }
}

/* ---- 3.1, 3.2: before it begins -------------------------------------------------------------- */

static void what_is_raised_before_its_time_comes_behind_the_start(void **state)
{
    (void)state;
    struct hub_create_instance_request request;
    message_init(&hub_create_instance_request_type, &request);
    request.instance_id = TEXT("a");
    request.name = TEXT("flow");
    start("now");
    struct hub_work_item item = desk_take(&desk);
    request.scheduled_start_timestamp =
        state_of("now")->created_timestamp + 700 * TIME_MS; /* the server's clock */
    assert_int_equal(
        served_tell(&served, "StartInstance", &hub_create_instance_request_type, &request), PD_OK);
    raise_event("a", "early");
    assert_true(desk_has_none(&desk, 100));
    assert_int_equal(served_status(&served, "a"), PENDING);
    item = desk_take(&desk);
    struct wire_events events = new_events(&item);
    assert_events(events, EVENT_ORCHESTRATOR_STARTED, EVENT_EXECUTION_STARTED, EVENT_EVENT_RAISED);
    assert_int_equal(events.at[1].id, 0);
    assert_int_equal(events.at[1].fire_at, request.scheduled_start_timestamp);
    assert_true(events.at[0].at >= request.scheduled_start_timestamp);
    assert_int_equal(state_of("a")->scheduled_start_timestamp, request.scheduled_start_timestamp);
}

/* ---- 3.5: times ------------------------------------------------------------------------------ */

/* The last that DateTime of .NET has, in its hundred nanoseconds: a microsecond more is no date. */
static void a_time_is_never_past_the_year_9999(void **state)
{
    (void)state;
    static const time_us last = (INT64_C(253402300799) * TIME_SECOND) + 999999;
    static const struct {
        time_us asked, shown;
    } rows[] = {
        { INT64_C(253402300799) * TIME_SECOND + 999999, last },
        { INT64_C(253402300800) * TIME_SECOND, last },
        { INT64_MAX, last },
        { INT64_C(-62135596800) * TIME_SECOND, INT64_C(-62135596800) * TIME_SECOND },
        { INT64_C(-62135596800) * TIME_SECOND - 1, INT64_C(-62135596800) * TIME_SECOND },
        { INT64_MIN + 1, INT64_C(-62135596800) * TIME_SECOND },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char id[8];
        snprintf(id, sizeof id, "t%zu", i);
        start(id);
        const struct hub_create_timer_action timer = { .fire_at = rows[i].asked };
        const struct hub_orchestrator_action action = { .id = 1, .create_timer = &timer };
        (void)desk_answer(&desk, &action, 1);
        if (rows[i].asked > 0) {
            raise_event(id, "e");
        }
        struct hub_work_item item = desk_take(&desk);
        struct wire_events past = past_events(&item);
        assert_int_equal(past.at[past.count - 1].kind, EVENT_TIMER_CREATED);
        assert_int_equal(past.at[past.count - 1].fire_at, rows[i].shown);
        desk_complete(&desk, &item, NULL, 0);
    }
}

/* ---- 3.6: sending ---------------------------------------------------------------------------- */

static void events_for_who_is_not_there_are_dropped_and_the_turn_goes_on(void **state)
{
    (void)state;
    static const char *const ids[] = { "nobody", "ended", "@counter@a", "", "a/b?c#d", "@" };
    enum { COUNT = sizeof ids / sizeof ids[0] };
    struct hub_orchestration_instance targets[COUNT];
    struct hub_send_event_action sent[COUNT];
    struct hub_orchestrator_action actions[COUNT + 1];
    desk_run(&desk, "ended", COMPLETED, "1");
    for (size_t i = 0; i < COUNT; i++) {
        targets[i] = (struct hub_orchestration_instance){ .instance_id = text_of(ids[i]) };
        sent[i] = (struct hub_send_event_action){ &targets[i], TEXT("e"), TEXT("1") };
        actions[i] = (struct hub_orchestrator_action){ .id = (int)i, .send_event = &sent[i] };
    }
    static const struct hub_send_event_action to_none = { .name = TEXT_INIT("e") };
    actions[COUNT] = (struct hub_orchestrator_action){ .id = COUNT, .send_event = &to_none };
    start("a");
    (void)desk_answer(&desk, actions, COUNT + 1);
    assert_int_equal(served_status(&served, "a"), RUNNING);
    raise_event("a", "e");
    struct hub_work_item item = desk_take(&desk);
    assert_int_equal(past_events(&item).count, 2 + COUNT + 1);
    desk_complete(&desk, &item, NULL, 0);
    assert_int_equal(served_status(&served, "@counter@a"), -1);
}

/* ---- 3.9: continuing as new ------------------------------------------------------------------ */

static struct text raised_bytes(const char *name)
{
    struct buffer bytes;
    const struct event event = {
        .kind = EVENT_EVENT_RAISED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .name = text_of(name)
    };
    buffer_init(&bytes);
    wire_write_event(&bytes, &event);
    struct text whole = text_copy(&served.arena, buffer_text(&bytes));
    buffer_done(&bytes);
    return text_make(whole.at + 2, whole.size - 2); /* without its tag and length */
}

static const char trace[] = "\x0a\x37"
                            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
static const char span[] = "\x0a\x12\x0a\x10"
                           "0123456789abcdef";

static void start_with_all(const char *id)
{
    static const struct tag tags[] = { { TEXT_INIT("team"), TEXT_INIT("blue") } };
    struct hub_create_instance_request request;
    message_init(&hub_create_instance_request_type, &request);
    request.instance_id = text_of(id);
    request.name = TEXT("flow");
    request.version = TEXT("1.0");
    request.input = TEXT("1");
    request.tags = tags_pack(&served.arena, tags, 1);
    request.parent_trace_context = text_of(trace);
    assert_int_equal(
        served_tell(&served, "StartInstance", &hub_create_instance_request_type, &request), PD_OK);
}

/* 3.15, 3.19: with the present input and the tags of "a", and without the trace of its creator. */
static void assert_restarted_from(const struct text *tags)
{
    const struct hub_restart_instance_request again = { TEXT("a"), true };
    struct hub_restart_instance_response restarted;
    assert_int_equal(served_call(&served, "RestartInstance", restart_instance_request, &again,
                                 restart_instance_response, &restarted),
                     PD_OK);
    struct hub_work_item item = desk_take(&desk);
    struct wire_events events = new_events(&item);
    assert_true(text_equal(events.at[1].instance_id, restarted.instance_id));
    assert_text(events.at[1].payload, "2");
    assert_true(text_equal(events.at[1].extra->tags, *tags));
    assert_false(text_is_present(events.at[1].extra->trace));
}

static void a_next_execution_keeps_what_it_should_and_nothing_else(void **state)
{
    (void)state;
    start_with_all("a");
    struct hub_orchestration_state before = *state_of("a");
    struct hub_work_item item = desk_take(&desk);
    struct hub_orchestrator_response response = nothing();
    response.custom_status = TEXT("\"kept\"");
    response.orchestration_trace_context = text_of(span);
    answer_with(&item, response);
    raise_event("a", "first");
    item = desk_take(&desk);
    assert_text(item.orchestrator_request->orchestration_trace_context, span);
    raise_event("a", "e3");
    struct text carried[2] = { raised_bytes("e1"), raised_bytes("e2") };
    const struct hub_complete_orchestration_action renew = {
        .orchestration_status = 2,
        .result = TEXT("2"),
        .new_version = TEXT("2.0"),
        .carryover_events = { carried, 2 },
    };
    const struct hub_orchestrator_action action = { .id = 2, .complete_orchestration = &renew };
    desk_complete(&desk, &item, &action, 1);

    item = desk_take(&desk);
    struct wire_events events = new_events(&item);
    assert_events(events, EVENT_ORCHESTRATOR_STARTED, EVENT_EXECUTION_STARTED, EVENT_EVENT_RAISED,
                  EVENT_EVENT_RAISED, EVENT_EVENT_RAISED);
    assert_int_equal(item.orchestrator_request->past_events.count, 0);
    assert_false(text_is_present(item.orchestrator_request->orchestration_trace_context));
    const struct event *started = &events.at[1];
    assert_text(started->payload, "2");
    assert_text(started->version, "2.0");
    assert_text(started->extra->trace, trace);
    assert_true(text_equal(started->extra->tags, before.tags));
    assert_text(events.at[2].name, "e1");
    assert_text(events.at[3].name, "e2");
    assert_text(events.at[4].name, "e3");
    for (size_t i = 3; i < 5; i++) { /* no two alike: a set of them loses none */
        assert_true(events.at[i].at > events.at[i - 1].at);
    }
    const struct hub_orchestration_state *after = state_of("a");
    assert_int_equal(after->orchestration_status, RUNNING);
    assert_true(text_equal(started->execution_id, after->execution_id));
    assert_false(text_equal(before.execution_id, after->execution_id));
    assert_int_equal(before.created_timestamp, after->created_timestamp);
    assert_true(text_equal(before.tags, after->tags));
    assert_text(after->input, "2");
    assert_text(after->version, "2.0");
    assert_text(after->custom_status, "\"kept\"");

    desk_complete(&desk, &item, NULL, 0);
    assert_restarted_from(&started->extra->tags);
}

/* ---- 3.10: children -------------------------------------------------------------------------- */

static struct hub_work_item start_child(const char *parent, const char *child)
{
    const struct hub_create_sub_orchestration_action action = {
        .instance_id = text_of(child),
        .name = TEXT("flow"),
    };
    const struct hub_orchestrator_action actions[] = {
        { .id = 1, .create_sub_orchestration = &action },
    };
    start(parent);
    return desk_answer(&desk, actions, 1);
}

static void assert_child_failed(const char *type)
{
    struct hub_work_item item = desk_take(&desk);
    struct wire_events events = new_events(&item);
    assert_events(events, EVENT_ORCHESTRATOR_STARTED, EVENT_CHILD_FAILED);
    assert_int_equal(events.at[1].id, EVENT_NO_ID);
    assert_int_equal(events.at[1].ref, 1);
    assert_non_null(events.at[1].failure);
    assert_true(type == NULL || text_equal(events.at[1].failure->type, text_of(type)));
    assert_true(events.at[1].failure->message.size != 0);
    desk_complete(&desk, &item, NULL, 0);
}

static void a_child_that_is_terminated_or_cannot_be_fails_for_its_parent(void **state)
{
    (void)state;
    (void)start_child("a", "child");
    struct hub_work_item child = desk_take(&desk);
    struct wire_events events = new_events(&child);
    assert_text(events.at[1].extra->parent_id, "a");
    assert_text(events.at[1].extra->parent_name, "flow");
    assert_int_equal(events.at[1].extra->parent_step, 1);
    assert_false(text_is_present(events.at[1].version));
    assert_text(state_of("child")->parent_instance_id, "a");

    (void)start_child("b", "child"); /* it lives: b's fails, and it goes on */
    assert_child_failed("OrchestrationAlreadyExists");
    assert_int_equal(served_status(&served, "child"), PENDING);
    terminate("child", "\"late\"", false);
    assert_child_failed("OrchestrationTerminated");
    (void)start_child("c", "child"); /* it has ended: it is replaced */
    (void)desk_end(&desk, COMPLETED, "1");
    struct hub_work_item item = desk_take(&desk);
    assert_events(new_events(&item), EVENT_ORCHESTRATOR_STARTED, EVENT_CHILD_COMPLETED);
}

static void terminating_takes_children_along_only_when_told_to(void **state)
{
    (void)state;
    for (int recursive = 0; recursive < 2; recursive++) {
        const char *parent = recursive ? "b" : "a";
        const char *child = recursive ? "b1" : "a1";
        (void)start_child(parent, child);
        struct hub_work_item item = desk_take(&desk);
        desk_complete(&desk, &item, &one_timer, 1);
        terminate(parent, "\"end\"", recursive != 0);
        assert_int_equal(state_of(parent)->orchestration_status, TERMINATED);
        if (recursive) {
            assert_int_equal(served_wait(&served, child).orchestration_state->orchestration_status,
                             TERMINATED);
            assert_text(state_of(child)->output, "\"end\"");
        } else {
            assert_int_equal(state_of(child)->orchestration_status, RUNNING);
        }
    }
}

/* ---- 3.19: traces ---------------------------------------------------------------------------- */

static void what_is_asked_for_has_the_trace_it_was_asked_for_with(void **state)
{
    (void)state;
    const struct hub_schedule_task_action task = {
        .name = TEXT("work"),
        .parent_trace_context = text_of(trace),
    };
    const struct hub_create_sub_orchestration_action child = {
        .instance_id = TEXT("child"),
        .name = TEXT("flow"),
        .parent_trace_context = text_of(trace),
    };
    const struct hub_orchestrator_action actions[] = {
        { .id = 1, .schedule_task = &task },
        { .id = 2, .create_sub_orchestration = &child },
    };
    start("a");
    (void)desk_answer(&desk, actions, 2);
    for (int i = 0; i < 2; i++) {
        struct hub_work_item item = desk_take(&desk);
        if (item.activity_request != NULL) {
            assert_text(item.activity_request->parent_trace_context, trace);
        } else {
            assert_text(new_events(&item).at[1].extra->trace, trace);
        }
    }
}

/* ---- 3.13, 3.5: one that is terminated ------------------------------------------------------- */

static void one_that_is_terminated_has_an_end_of_the_servers_own(void **state)
{
    (void)state;
    const struct hub_stream_instance_history_request request = { .instance_id = TEXT("a") };
    struct desk chunks; /* only to hear them */
    start("a");
    terminate("a", "\"out\"", true);
    desk_open_call(&chunks, &served, NULL, "StreamInstanceHistory",
                   &hub_stream_instance_history_request_type, &request);
    desk_wait_end(&chunks);
    assert_int_equal(chunks.status, PD_OK);
    assert_int_equal(chunks.count, 1);
    struct wire_events events = { NULL, 0, 0 };
    assert_int_equal(wire_read_events(chunks.items[0], &served.arena, &events, &served.err), PD_OK);
    assert_events(events, EVENT_ORCHESTRATOR_STARTED, EVENT_EXECUTION_STARTED,
                  EVENT_EXECUTION_TERMINATED, EVENT_EXECUTION_COMPLETED);
    static const int32_t ids[] = { -1, 0, -1, -1 };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(events.at[i].id, ids[i]);
        assert_true(events.at[i].at > 0);
    }
    assert_text(events.at[2].payload, "\"out\"");
    assert_true(events.at[2].extra->recurses);
    assert_text(events.at[3].payload, "\"out\"");
    assert_int_equal(events.at[3].outcome, RUN_TERMINATED);
    desk_close(&chunks);
}

/* ---- 3.12: suspended ------------------------------------------------------------------------- */

static void what_comes_while_it_is_suspended_waits_in_order(void **state)
{
    (void)state;
    start("a");
    (void)desk_answer(&desk, &one_timer, 1);
    suspend("a");
    raise_event("a", "e1");
    raise_event("a", "e2");
    assert_true(desk_has_none(&desk, 200));
    resume("a");
    struct hub_work_item item = desk_take(&desk);
    struct wire_events events = new_events(&item);
    assert_events(events, EVENT_ORCHESTRATOR_STARTED, EVENT_EVENT_RAISED, EVENT_EVENT_RAISED);
    assert_text(events.at[1].name, "e1");
    assert_text(events.at[2].name, "e2");
    suspend("a"); /* what is out may be committed, and it stays suspended */
    desk_complete(&desk, &item, NULL, 0);
    assert_int_equal(served_status(&served, "a"), SUSPENDED);
    terminate("a", NULL, false);
    assert_int_equal(served_status(&served, "a"), TERMINATED);
    assert_false(text_is_present(state_of("a")->output));
}

/* ---- 3.18: what does not count --------------------------------------------------------------- */

static void an_answer_of_a_replaced_execution_changes_nothing(void **state)
{
    (void)state;
    start("a");
    struct hub_work_item old = desk_take(&desk);
    terminate("a", NULL, false);
    start("a");
    struct hub_work_item item = desk_take(&desk);
    const struct hub_complete_orchestration_action end = { .orchestration_status = COMPLETED };
    const struct hub_orchestrator_action action = { .id = 9, .complete_orchestration = &end };
    desk_complete(&desk, &old, &action, 1);
    assert_int_equal(served_status(&served, "a"), PENDING);
    desk_complete(&desk, &item, &action, 1);
    assert_int_equal(served_status(&served, "a"), COMPLETED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(it_is_pending_until_its_first_turn_is_committed),
        ROW(every_commit_moves_the_last_change),
        ROW(a_custom_status_is_kept_set_and_cleared),
        ROW(what_is_raised_before_its_time_comes_behind_the_start),
        ROW(a_time_is_never_past_the_year_9999),
        ROW(events_for_who_is_not_there_are_dropped_and_the_turn_goes_on),
        ROW(a_next_execution_keeps_what_it_should_and_nothing_else),
        ROW(a_child_that_is_terminated_or_cannot_be_fails_for_its_parent),
        ROW(terminating_takes_children_along_only_when_told_to),
        ROW(what_is_asked_for_has_the_trace_it_was_asked_for_with),
        ROW(one_that_is_terminated_has_an_end_of_the_servers_own),
        ROW(what_comes_while_it_is_suspended_waits_in_order),
        ROW(an_answer_of_a_replaced_execution_changes_nothing),
    };
    return cmocka_run_group_tests_name("server: turns", tests, NULL, NULL);
}
