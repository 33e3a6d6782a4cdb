/* SPDX-License-Identifier: MIT
 *
 * A history as the management API shows it: section 5.3. It is not the raw one: what was asked for
 * is folded into its answer, which then says when it was asked for, of whom, and with what.
 *
 *   Y1  One pass finds for every answer what it answers: the step of its number that was open last
 *       before it (numbers may be used again). What is folded is shown there alone; what has no
 *       answer yet stays.
 *   Y2  What is ours alone (marks, cancelled steps, traces) is not shown: other readers do not know
 *       it.
 *   Y3  A history is made into JSON in one piece, by a reader: so it has a bound
 *       (--http-history-max), which is found out before more of it is in memory. Events may be some
 *       bytes in the store and are a hundred and more when they are read, and JSON may be longer
 *       than what it is made of: each of the two may take EXPANSION times the bound. */
#include <string.h>

#include "base/map.h"
#include "base/tags.h"
#include "server/web.h"
#include "wire/proto.h"
#include "wire/wire.h"

enum { TRIES = 5, EXPANSION = 4 };

/* What is wanted of it. */
struct history {
    const struct event *events; /* those that are shown, in order */
    size_t count;
    struct buffer kept;         /* of them */
    const struct event **asked; /* of each event: what it answers; NULL */
    bool *is_folded;            /* of each */
    bool with_input, with_results;
};

/* ---- folding, Y1 ---------------------------------------------------------------------------- */

static bool is_asked(enum event_kind kind)
{
    return kind == EVENT_TASK_SCHEDULED || kind == EVENT_CHILD_CREATED;
}

static bool is_answer(enum event_kind kind)
{
    return kind == EVENT_TASK_COMPLETED || kind == EVENT_TASK_FAILED ||
           kind == EVENT_CHILD_COMPLETED || kind == EVENT_CHILD_FAILED;
}

static struct text key_of(const int32_t *step)
{
    return text_make((const char *)step, sizeof *step);
}

static void fold(struct history *history, struct arena *arena)
{
    const struct event *events = history->events;
    size_t count = history->count;
    struct event *kept = (struct event *)(void *)history->kept.at;
    struct map open;
    map_init(&open);
    history->asked = arena_alloc(arena, count * sizeof(const struct event *));
    history->is_folded = arena_alloc(arena, count * sizeof(bool));
    for (size_t i = 0; i < count; i++) {
        if (is_asked(events[i].kind)) {
            (void)map_remove(&open, key_of(&events[i].id));
            map_put(&open, key_of(&events[i].id), &kept[i]);
        } else if (is_answer(events[i].kind)) {
            history->asked[i] = map_remove(&open, key_of(&events[i].ref));
            if (history->asked[i] != NULL) {
                history->is_folded[history->asked[i] - events] = true;
            }
        }
    }
    map_done(&open);
}

/* ---- members -------------------------------------------------------------------------------- */

static void put_string(struct buffer *json, const char *name, struct text text)
{
    if (text_is_present(text)) {
        web_put_name(json, name);
        web_put_string(json, text);
    }
}

static void put_at(struct buffer *json, const char *name, time_us at)
{
    web_put_name(json, name);
    web_put_time(json, at, true);
}

/* As it is stored, in a string: so the reference has it. */
static void put_input(struct buffer *json, const struct history *history, struct text input)
{
    if (history->with_input) {
        put_string(json, "Input", input);
    }
}

static void put_result(struct buffer *json, const struct history *history, struct text result)
{
    if (history->with_results && text_is_present(result)) {
        web_put_name(json, "Result");
        web_put_payload(json, result);
    }
}

/* A text for people, which is stored as a JSON string by us, and as it is by others. */
static void put_reason(struct buffer *json, const char *name, struct text reason)
{
    if (text_is_present(reason)) {
        web_put_name(json, name);
        if (reason.size != 0 && reason.at[0] == '"' && web_is_json(reason)) {
            buffer_add_text(json, reason);
        } else {
            web_put_string(json, reason);
        }
    }
}

static void put_tags(struct buffer *json, const struct event *event)
{
    struct text tags = event->extra != NULL ? event->extra->tags : TEXT_ABSENT;
    struct tag tag;
    size_t cursor = 0;
    if (!text_is_present(tags)) {
        return;
    }
    web_put_name(json, "Tags");
    buffer_add_byte(json, '{');
    for (bool is_first = true; tags_next(tags, &cursor, &tag); is_first = false) {
        buffer_add(json, ",", is_first ? 0 : 1);
        web_put_string(json, tag.key);
        buffer_add_byte(json, ':');
        web_put_string(json, tag.value);
    }
    buffer_add_byte(json, '}');
}

/* Of an encoded TaskFailureDetails, and its causes: as deep as limits let them be. */
static void put_details(struct buffer *json, const char *name, struct text bytes, unsigned depth)
{
    struct hub_task_failure_details details;
    struct arena arena;
    pd_error unwanted;
    arena_init(&arena);
    web_put_name(json, name);
    if (!text_is_present(bytes) || depth > LIMIT_FAILURE_DEPTH ||
        message_read(&hub_task_failure_details_type, bytes, &arena, &details, &unwanted) != PD_OK) {
        buffer_add_text(json, TEXT("null"));
        arena_done(&arena);
        return;
    }
    buffer_add_byte(json, '{');
    web_put_name(json, "ErrorType");
    web_put_string(json, details.error_type);
    web_put_name(json, "ErrorMessage");
    web_put_string(json, details.error_message);
    web_put_name(json, "StackTrace");
    web_put_text(json, details.stack_trace);
    put_details(json, "InnerFailure", details.inner_failure, depth + 1);
    web_put_name(json, "IsNonRetriable");
    buffer_add_text(json, details.is_non_retriable ? TEXT("true") : TEXT("false"));
    buffer_add_byte(json, '}');
    arena_done(&arena);
}

static void put_failure(struct buffer *json, const struct failure *failure)
{
    struct buffer bytes;
    if (failure != NULL) {
        buffer_init(&bytes);
        wire_write_failure(&bytes, failure);
        put_details(json, "FailureDetails", buffer_text(&bytes), 0);
        buffer_done(&bytes);
    }
}

/* ---- kinds ---------------------------------------------------------------------------------- */

static void put_answer(struct buffer *json, const struct history *history, size_t index)
{
    const struct event *event = &history->events[index];
    const struct event *asked = history->asked[index];
    bool has_failed = event->kind == EVENT_TASK_FAILED || event->kind == EVENT_CHILD_FAILED;
    if (asked != NULL) {
        put_string(json, "FunctionName", asked->name);
        put_at(json, "ScheduledTime", asked->at);
        put_input(json, history, asked->payload);
    }
    if (!has_failed) {
        put_result(json, history, event->payload);
    } else if (event->failure != NULL) {
        put_string(json, "Reason", event->failure->message);
        put_string(json, "Details", event->failure->message);
        put_failure(json, event->failure);
    }
}

static void put_end(struct buffer *json, const struct history *history, const struct event *event)
{
    web_put_name(json, "OrchestrationStatus");
    web_put_string(json, text_of(status_name_of_state(event->outcome)));
    put_result(json, history, event->failure != NULL ? event->failure->message : event->payload);
    put_failure(json, event->failure);
}

static void put_begin(struct buffer *json, const struct history *history, const struct event *event)
{
    put_string(json, "FunctionName", event->name);
    put_input(json, history, event->payload);
    if (event->fire_at != 0) {
        put_at(json, "ScheduledStartTime", event->fire_at);
    }
}

static void put_pending(struct buffer *json, const struct history *history,
                        const struct event *event)
{
    put_string(json, "Name", event->name);
    if (event->kind == EVENT_CHILD_CREATED) {
        put_string(json, "InstanceId", event->instance_id);
    }
    put_input(json, history, event->payload);
    put_tags(json, event);
}

/* Said to others, or by them: events, operations of entities. */
static void put_message(struct buffer *json, const struct history *history,
                        const struct event *event)
{
    put_string(json, "InstanceId", event->instance_id);
    put_string(json, "Name", event->name);
    if (event->kind == EVENT_ENTITY_COMPLETED) {
        put_result(json, history, event->payload);
    } else {
        put_input(json, history, event->payload);
    }
    put_failure(json, event->failure);
}

/* Y2 */
static bool is_shown(enum event_kind kind)
{
    return kind != EVENT_ORCHESTRATOR_STARTED && kind != EVENT_ORCHESTRATOR_COMPLETED &&
           kind != EVENT_STEP_CANCELLED && kind != EVENT_CHANGE_MARKED &&
           kind != EVENT_SIGNAL_CANCELLED && kind != EVENT_TRACE_NOTED && kind != EVENT_UNKNOWN;
}

/* What its kind has. */
static void put_members(struct buffer *json, const struct history *history, size_t index)
{
    const struct event *event = &history->events[index];
    switch (event->kind) {
    case EVENT_EXECUTION_STARTED: put_begin(json, history, event); break;
    case EVENT_EXECUTION_COMPLETED: put_end(json, history, event); break;
    case EVENT_EXECUTION_TERMINATED:
        put_reason(json, "Input", history->with_input ? event->payload : TEXT_ABSENT);
        break;
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND: put_reason(json, "Reason", event->payload); break;
    case EVENT_TASK_SCHEDULED:
    case EVENT_CHILD_CREATED: put_pending(json, history, event); break;
    case EVENT_TASK_COMPLETED:
    case EVENT_TASK_FAILED:
    case EVENT_CHILD_COMPLETED:
    case EVENT_CHILD_FAILED: put_answer(json, history, index); break;
    case EVENT_TIMER_CREATED:
    case EVENT_TIMER_FIRED: put_at(json, "FireAt", event->fire_at); break;
    case EVENT_EVENT_SENT:
    case EVENT_EVENT_RAISED:
    case EVENT_ENTITY_SIGNALED:
    case EVENT_ENTITY_CALLED:
    case EVENT_ENTITY_COMPLETED:
    case EVENT_ENTITY_FAILED:
    case EVENT_LOCK_REQUESTED:
    case EVENT_LOCK_GRANTED:
    case EVENT_UNLOCK_SENT: put_message(json, history, event); break;
    case EVENT_ORCHESTRATOR_STARTED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_STEP_CANCELLED:
    case EVENT_CHANGE_MARKED:
    case EVENT_SIGNAL_CANCELLED:
    case EVENT_TRACE_NOTED:
    case EVENT_UNKNOWN: break;
    }
}

static void put_event(struct buffer *json, const struct history *history, size_t index,
                      bool is_first)
{
    const struct event *event = &history->events[index];
    buffer_add(json, ",", is_first ? 0 : 1);
    buffer_add_byte(json, '{');
    put_string(json, "EventType", text_of(event_kind_name(event->kind)));
    put_at(json, "Timestamp", event->at);
    put_members(json, history, index);
    buffer_add_byte(json, '}');
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* Y3. */
static pd_status check_size(const struct history_rows *rows, size_t most, pd_error *err)
{
    size_t size = 0;
    for (size_t i = 0; i < rows->count; i++) {
        size += rows->turns[i].size;
    }
    return size <= most
               ? PD_OK
               : error_set(err, PD_E_LIMIT, false, "history",
                           "its history has more than the %zu bytes of --http-history-max: read it "
                           "with 'perdure history', or over gRPC",
                           most);
}

/* Record and rows are asked for one after the other; between the two it may be replaced, or go on
 * as new. Then again, until both are of one execution, but not for ever. */
static pd_status load(struct hub *hub, struct text id, size_t most, struct arena *arena,
                      struct instance_record *record, struct history_rows *rows, bool *ret_found,
                      pd_error *err)
{
    struct store *store = hub->store;
    for (int i = 0; i < TRIES; i++) {
        struct instance_record before;
        arena_reset(arena);
        *rows = (struct history_rows){ NULL, 0, 1 };
        pd_status status = hub_load(hub, id, arena, &before, ret_found, err);
        if (status == PD_OK && *ret_found) {
            status = store->ops->load_turns(store, before.row, 1, most + 1, arena, rows, err);
        }
        if (status == PD_OK && *ret_found) {
            status = hub_load(hub, id, arena, record, ret_found, err);
        }
        if (status != PD_OK || !*ret_found) {
            return status;
        }
        if (record->row == before.row && text_equal(record->execution_id, before.execution_id)) {
            return check_size(rows, most, err);
        }
    }
    return error_set(err, PD_E_UNAVAILABLE, true, "history",
                     "it begins anew faster than its history is read: ask again");
}

/* Y3. How it is to be read, in place of what was asked for. */
static pd_status refuse(const char *what, size_t most, pd_error *err)
{
    return error_set(err, PD_E_LIMIT, false, "history",
                     "its history has more %s than --http-history-max=%zu has room for: read it "
                     "with 'perdure history', or over gRPC",
                     what, most);
}

static size_t count_events(struct text turn)
{
    struct proto_reader reader = proto_reader_of(turn);
    struct proto_field field;
    size_t count = 0;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        count++;
    }
    return count;
}

/* The events of all turns that are shown; failures and the like in the arena. Each turn is read
 * into the same memory. */
static pd_status read_turns(struct history *history, const struct history_rows *rows, size_t most,
                            struct arena *arena, pd_error *err)
{
    struct wire_events turn = { NULL, 0, 0 };
    pd_status status = PD_OK;
    for (size_t i = 0; status == PD_OK && i < rows->count; i++) {
        size_t more = count_events(rows->turns[i]) * sizeof(struct event);
        turn.count = 0;
        status = history->kept.size + more > EXPANSION * most
                     ? refuse("events", most, err)
                     : wire_read_events(rows->turns[i], arena, &turn, err);
        for (size_t n = 0; status == PD_OK && n < turn.count; n++) {
            if (is_shown(turn.at[n].kind)) {
                buffer_add(&history->kept, &turn.at[n], sizeof turn.at[n]);
            }
        }
    }
    history->events = (const struct event *)(const void *)history->kept.at;
    history->count = history->kept.size / sizeof *history->events;
    return status;
}

static pd_status put_events(struct buffer *json, struct history *history, size_t most,
                            struct arena *arena, pd_error *err)
{
    fold(history, arena);
    web_put_name(json, "historyEvents");
    buffer_add_byte(json, '[');
    size_t begin = json->size;
    for (size_t i = 0; i < history->count; i++) {
        if (!history->is_folded[i]) {
            put_event(json, history, i, json->size == begin);
        }
        if (json->size - begin > EXPANSION * most) {
            return refuse("JSON", most, err);
        }
    }
    buffer_add_byte(json, ']');
    return PD_OK;
}

static pd_status put_history(struct hub *hub, struct text id, const struct web_view *view,
                             struct arena *arena, struct buffer *json, enum run_state *ret_state,
                             bool *ret_found, pd_error *err)
{
    struct history history = { .with_input = view->with_input, .with_results = view->with_results };
    struct instance_record record;
    struct history_rows rows;
    size_t most = view->bytes_max;
    pd_status status = load(hub, id, most, arena, &record, &rows, ret_found, err);
    if (status != PD_OK || !*ret_found) {
        return status;
    }
    buffer_init(&history.kept);
    status = read_turns(&history, &rows, most, arena, err);
    if (status == PD_OK) {
        *ret_state = record.state;
        web_put_state(json, &record, view->with_input);
        status = record.state != RUN_PENDING ? put_events(json, &history, most, arena, err) : PD_OK;
        buffer_add_byte(json, '}');
    }
    buffer_done(&history.kept);
    return status;
}

pd_status web_put_history(struct hub *hub, struct text id, const struct web_view *view,
                          struct buffer *json, enum run_state *ret_state, bool *ret_found,
                          pd_error *err)
{
    struct arena arena;
    arena_init(&arena);
    pd_status status = put_history(hub, id, view, &arena, json, ret_state, ret_found, err);
    arena_done(&arena);
    return status;
}
