/* SPDX-License-Identifier: MIT
 *
 * pd_history: what happened to an instance, row by row.
 *
 * Stored turns are decoded one after another and copied into a table. A turn's end, which is not
 * stored, is added as OrchestratorCompleted at the latest time of the turn's events; that need not
 * be the time of the last one, since what begins a turn happened before it. Kinds that this version
 * does not know are shown as "Unknown" with what they have in common with all.
 */
#include "api/api_priv.h"
#include "base/buffer.h"
#include "core/lock_set.h"
#include "json/json.h"
#include "wire/wire.h"

enum { HISTORY_MAGIC = 0x68697374 };

static const char where[] = "hub: history";

struct pd_history {
    uint32_t magic;
    size_t count;
    struct buffer events; /* of pd_history_event */
    struct arena arena;   /* their texts */
};

/* ---- one row -------------------------------------------------------------------------------- */

/* Which column a kind's payload is shown in. */
static const char **payload_column(enum event_kind kind, pd_history_event *row)
{
    switch (kind) {
    case EVENT_EXECUTION_STARTED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_TASK_SCHEDULED:
    case EVENT_CHILD_CREATED:
    case EVENT_EVENT_SENT:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_ENTITY_SIGNALED:
    case EVENT_ENTITY_CALLED:
    case EVENT_EVENT_RAISED: return &row->input_json;
    case EVENT_CHILD_COMPLETED:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_ENTITY_COMPLETED:
    case EVENT_TASK_COMPLETED: return &row->result_json;
    case EVENT_TASK_FAILED:
    case EVENT_TIMER_CREATED:
    case EVENT_TIMER_FIRED:
    case EVENT_ORCHESTRATOR_STARTED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_CHILD_FAILED:
    case EVENT_STEP_CANCELLED:
    case EVENT_CHANGE_MARKED:
    case EVENT_ENTITY_FAILED:
    case EVENT_LOCK_REQUESTED:
    case EVENT_LOCK_GRANTED:
    case EVENT_UNLOCK_SENT:
    case EVENT_SIGNAL_CANCELLED:
    case EVENT_TRACE_NOTED:
    case EVENT_UNKNOWN: return NULL;
    }
    return NULL;
}

/* Whom it was said to: a child, an instance, an entity. */
static struct text target_of(const struct event *event)
{
    bool has_target = event->kind == EVENT_CHILD_CREATED || event->kind == EVENT_EVENT_SENT ||
                      event->kind == EVENT_ENTITY_SIGNALED || event->kind == EVENT_ENTITY_CALLED ||
                      event->kind == EVENT_UNLOCK_SENT || event->kind == EVENT_SIGNAL_CANCELLED;
    return has_target ? event->instance_id : TEXT_ABSENT;
}

/* The entities of a critical section, as an array of texts. */
static bool show_locks(pd_history *history, struct text lock_set, const char **ret)
{
    size_t count = lock_set_count(lock_set);
    pd_value *items = arena_alloc(&history->arena, count * sizeof *items);
    size_t cursor = 0;
    struct text id;
    for (size_t i = 0; lock_set_next(lock_set, &cursor, &id); i++) {
        items[i] = (pd_value){ .kind_ = PD_IS_TEXT,
                               .count_ = (uint32_t)id.size,
                               .as_.text = text_copy(&history->arena, id).at };
    }
    pd_value ids = { .kind_ = PD_IS_ARRAY, .count_ = (uint32_t)count, .as_.items = items };
    struct buffer json;
    pd_error err;
    buffer_init(&json);
    bool is_written = json_write(&json, ids, &err) == PD_OK &&
                      api_copy_string(&history->arena, buffer_text(&json), ret);
    buffer_done(&json);
    return is_written;
}

static bool fill(pd_history *history, const struct event *event, pd_history_event *row)
{
    *row = (pd_history_event){
        .number = (int64_t)history->count + 1,
        .at = time_to_public(event->at),
        .at_us = event->at,
        .event_id = event->id,
        .step = event->ref,
        .kind = event_kind_name(event->kind),
        .fire_at = time_to_public(event->fire_at),
    };
    const char **payload = payload_column(event->kind, row);
    if (event->kind == EVENT_EXECUTION_COMPLETED) {
        row->status = pd_run_state_name((pd_run_state)event->outcome);
    }
    if (event->failure != NULL) {
        row->failure = api_copy_failure(&history->arena, event->failure);
    }
    if (event->kind == EVENT_LOCK_REQUESTED && event->extra != NULL &&
        !show_locks(history, event->extra->lock_set, &row->input_json)) {
        return false;
    }
    return api_copy_string(&history->arena, event->name, &row->name) &&
           api_copy_string(&history->arena, target_of(event), &row->target_id) &&
           (payload == NULL || api_copy_string(&history->arena, event->payload, payload)) &&
           (event->failure == NULL || row->failure != NULL);
}

static bool add(pd_history *history, const struct event *event)
{
    pd_history_event row;
    if (!fill(history, event, &row) || !buffer_try_reserve(&history->events, sizeof(row))) {
        return false;
    }
    buffer_add(&history->events, &row, sizeof(row));
    history->count++;
    return true;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static pd_status add_turn(pd_history *history, const struct wire_events *turn, pd_error *err)
{
    bool fits = true;
    time_us latest = INT64_MIN;
    for (size_t i = 0; fits && i < turn->count; i++) {
        /* What workers noted of their traces is theirs (rewrite.c counts likewise). */
        fits = turn->at[i].kind == EVENT_TRACE_NOTED || add(history, &turn->at[i]);
        latest = turn->at[i].at > latest ? turn->at[i].at : latest;
    }
    if (fits && turn->count > 0) {
        struct event end = {
            .kind = EVENT_ORCHESTRATOR_COMPLETED,
            .id = EVENT_NO_ID,
            .ref = EVENT_NO_ID,
            .at = latest,
        };
        fits = add(history, &end);
    }
    return fits ? PD_OK
                : error_set(err, PD_E_NOMEM, true, where, "no memory for a history so long");
}

static pd_status fill_history(pd_history *history, const struct history_rows *rows, pd_error *err)
{
    pd_status status = PD_OK;
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; status == PD_OK && i < rows->count; i++) {
        struct wire_events turn = { NULL, 0, 0 };
        arena_reset(&arena);
        status = wire_read_events(rows->turns[i], &arena, &turn, err);
        if (status == PD_OK) {
            status = add_turn(history, &turn, err);
        }
    }
    arena_done(&arena);
    return status;
}

/* The rows of the instance as it is now. It may be replaced between the two questions, and then
 * has no rows any more: so the first is asked again. */
static pd_status load_rows(const struct call *call, struct text id, struct arena *arena,
                           struct history_rows *ret, pd_error *err)
{
    struct store *store = call->hub->store;
    uint64_t row = 0;
    for (;;) {
        struct sighting sighting = { false, 0 };
        struct instance_record record;
        *ret = (struct history_rows){ NULL, 0, 1 };
        pd_status status = api_look(call, id, &sighting, arena, &record, where, err);
        if (status != PD_OK || record.row == 0 || record.row == row) {
            return status;
        }
        row = record.row;
        status = store->ops->load_history(store, row, 0, arena, ret, err);
        if (status != PD_OK || ret->count > 0) {
            return status;
        }
    }
}

static pd_history *history_new(const struct history_rows *rows, pd_error *err)
{
    pd_history *history = OBJECT_NEW(pd_history, HISTORY_MAGIC);
    if (fill_history(history, rows, err) != PD_OK) {
        pd_history_free(history);
        return NULL;
    }
    return history;
}

pd_history *pd_hub_fetch_history(pd_hub *hub, const char *id, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct history_rows rows;
    struct arena arena;
    pd_history *history = NULL;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK && id == NULL) {
        status = error_set(err, PD_E_INVALID, false, where, "no instance id was given");
    }
    if (status == PD_OK) {
        status = load_rows(&call, text_of(id), &arena, &rows, err);
    }
    if (status == PD_OK) {
        history = history_new(&rows, err);
    }
    arena_done(&arena);
    call_end(&call);
    return history;
}

size_t pd_history_count(const pd_history *h)
{
    OBJECT_CHECK(h, HISTORY_MAGIC);
    return h->count;
}

const pd_history_event *pd_history_at(const pd_history *h, size_t index)
{
    OBJECT_CHECK(h, HISTORY_MAGIC);
    const void *events = h->events.at;
    return index < h->count ? (const pd_history_event *)events + index : NULL;
}

void pd_history_free(pd_history *h)
{
    if (h == NULL) {
        return;
    }
    OBJECT_CHECK(h, HISTORY_MAGIC);
    buffer_done(&h->events);
    arena_done(&h->arena);
    OBJECT_FREE(h, HISTORY_MAGIC);
}
