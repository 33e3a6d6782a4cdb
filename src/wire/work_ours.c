/* SPDX-License-Identifier: MIT
 *
 * The worker's side of work: items read, results written. Both ends are ours, so that nothing of
 * what core says or asks is lost on the way (fields from 100 on); other servers would skip those.
 */
#include "base/assert.h"
#include "base/error.h"
#include "core/lock_set.h"
#include "wire/put.h"
#include "wire/wire_priv.h"
#include "wire/work.h"

/* ---- items ----------------------------------------------------------------------------------- */

static pd_status malformed(pd_error *err, const char *what)
{
    return error_set(err, PD_E_INVALID, false, "wire: work", "%s of a work item is malformed",
                     what);
}

static pd_status read_events(const struct text_list *list, struct arena *arena,
                             const struct event **ret, pd_error *err)
{
    struct event *events = arena_try_alloc(arena, list->count * sizeof *events + 1);
    if (events == NULL) {
        return error_set(err, PD_E_NOMEM, true, "wire: work", "no memory for %zu events",
                         list->count);
    }
    for (size_t i = 0; i < list->count; i++) {
        struct wire_trouble trouble = { NULL, NULL };
        if (!wire_read_event(list->items[i], &events[i], arena, &trouble)) {
            return malformed(err, "an event");
        }
    }
    *ret = events;
    return PD_OK;
}

static pd_status read_turn(const struct hub_orchestrator_request *request, struct arena *arena,
                           struct work_item *ret, pd_error *err)
{
    struct turn *turn = arena_alloc(arena, sizeof *turn);
    turn->row = (uint64_t)request->row;
    turn->number = (uint64_t)request->number;
    turn->serial = (uint64_t)request->serial;
    turn->partition = (unsigned)request->partition;
    turn->instance_id = request->instance_id;
    turn->execution_id = request->execution_id;
    turn->name = request->name;
    turn->version = request->version;
    turn->event_count = request->new_events.count;
    turn->is_past_durable = request->is_past_durable;
    if (turn->number == 0 || turn->event_count == 0) {
        return malformed(err, "the turn");
    }
    ret->turn = turn;
    ret->is_past_known = request->is_past_known;
    ret->chunks = request->past_turns.items;
    ret->chunk_count = request->past_turns.count;
    return read_events(&request->new_events, arena, &turn->events, err);
}

static pd_status read_entity_turn(const struct hub_entity_request *request, struct arena *arena,
                                  struct work_item *ret, pd_error *err)
{
    struct turn *turn = arena_alloc(arena, sizeof *turn);
    turn->row = (uint64_t)request->row;
    turn->serial = (uint64_t)request->serial;
    turn->partition = (unsigned)request->partition;
    turn->instance_id = request->instance_id;
    turn->state = request->entity_state;
    turn->event_count = request->operation_requests.count;
    if (turn->event_count == 0) {
        return malformed(err, "the batch");
    }
    ret->entity_turn = turn;
    return read_events(&request->operation_requests, arena, &turn->events, err);
}

static void read_activity(const struct hub_activity_request *request, struct arena *arena,
                          struct work_item *ret)
{
    struct activity *activity = arena_alloc(arena, sizeof *activity);
    const struct hub_orchestration_instance *owner = request->orchestration_instance;
    activity->row = (uint64_t)request->row;
    activity->id = (int32_t)request->task_id;
    activity->first = (int32_t)request->first;
    activity->instance_id = owner != NULL ? owner->instance_id : TEXT("");
    activity->execution_id = owner != NULL ? owner->execution_id : TEXT_ABSENT;
    activity->name = request->name;
    activity->version = request->version;
    activity->input = request->input;
    activity->epoch = (uint64_t)request->epoch;
    activity->partition = (unsigned)request->partition;
    ret->activity = activity;
    bool has_limits = request->start_ms != 0 || request->run_ms != 0 || request->beat_ms != 0;
    if (has_limits || text_is_present(request->progress) || text_is_present(request->tags) ||
        text_is_present(request->parent_trace_context)) {
        struct event_extra *extra = arena_alloc(arena, sizeof *extra);
        extra->limits =
            (struct task_limits){ request->start_ms, request->run_ms, request->beat_ms };
        extra->progress = request->progress;
        extra->tags = request->tags;
        extra->trace = request->parent_trace_context;
        activity->extra = extra;
    }
}

pd_status work_read_item(struct text bytes, struct arena *arena, struct work_item *ret,
                         pd_error *err)
{
    struct hub_work_item item;
    pd_status status = message_read(&hub_work_item_type, bytes, arena, &item, err);
    if (status != PD_OK) {
        return status;
    }
    *ret = (struct work_item){ .token = item.completion_token };
    if (item.orchestrator_request != NULL) {
        return read_turn(item.orchestrator_request, arena, ret, err);
    }
    if (item.activity_request != NULL) {
        read_activity(item.activity_request, arena, ret);
        return PD_OK;
    }
    if (item.entity_request_v2 != NULL) {
        return read_entity_turn(item.entity_request_v2, arena, ret, err);
    }
    return malformed(err, "the kind");
}

/* ---- results --------------------------------------------------------------------------------- */

enum { SMALL = 100 }; /* what most actions are shorter than */

static void put_failure(struct buffer *buffer, unsigned number, const struct failure *failure)
{
    if (failure != NULL) {
        size_t size = wire_size_failure(failure);
        put_tag(buffer, number, PROTO_BYTES);
        uint8_t *at = buffer_extend(buffer, proto_size_bytes(size));
        (void)wire_put_failure(proto_put_varint(at, size), failure);
    }
}

static void put_task(struct buffer *buffer, const struct action *action)
{
    const struct event_extra *extra = action->extra;
    size_t begin = nest_begin(buffer, 2, SMALL);
    put_string(buffer, 1, action->name);
    put_string_value(buffer, 2, action->version);
    put_string_value(buffer, 3, action->payload);
    if (extra != NULL) {
        put_tags_field(buffer, 4, extra->tags);
        put_raw(buffer, 5, extra->trace);
        put_number(buffer, 100, extra->limits.start_ms);
        put_number(buffer, 101, extra->limits.run_ms);
        put_number(buffer, 102, extra->limits.beat_ms);
        put_number(buffer, 103, extra->retry_of);
        put_number(buffer, 104, extra->first);
        put_string_value(buffer, 105, extra->progress);
    }
    nest_end(buffer, begin, SMALL);
}

static void put_child(struct buffer *buffer, const struct action *action)
{
    const struct event_extra *extra = action->extra;
    size_t begin = nest_begin(buffer, 3, SMALL);
    put_string(buffer, 1, action->instance_id);
    put_string(buffer, 2, action->name);
    put_string_value(buffer, 3, action->version);
    put_string_value(buffer, 4, action->payload);
    if (extra != NULL) {
        put_raw(buffer, 5, extra->trace);
        put_tags_field(buffer, 6, extra->tags);
        put_number(buffer, 100, extra->retry_of);
    }
    nest_end(buffer, begin, SMALL);
}

static void put_timer(struct buffer *buffer, const struct action *action)
{
    size_t begin = nest_begin(buffer, 4, SMALL);
    put_timestamp_field(buffer, 1, action->fire_at);
    put_number(buffer, 100, action->extra != NULL ? action->extra->retry_of : 0);
    nest_end(buffer, begin, SMALL);
}

static void put_event(struct buffer *buffer, const struct action *action)
{
    size_t begin = nest_begin(buffer, 5, SMALL);
    size_t instance = nest_begin(buffer, 1, SMALL);
    put_string(buffer, 1, action->instance_id);
    nest_end(buffer, instance, SMALL);
    put_string(buffer, 2, action->name);
    put_string_value(buffer, 3, action->payload);
    nest_end(buffer, begin, SMALL);
}

/* OrchestrationStatus of an end. */
static int64_t status_of(const struct action *action)
{
    if (action->kind == ACTION_CONTINUE_AS_NEW) {
        return 2;
    }
    return action->outcome == RUN_COMPLETED ? 1 : action->outcome == RUN_FAILED ? 3 : 5;
}

static void put_end(struct buffer *buffer, const struct action *action)
{
    size_t begin = nest_begin(buffer, 6, SMALL);
    put_number(buffer, 1, status_of(action));
    put_string_value(buffer, 2, action->payload);
    put_string_value(buffer, 4, action->version);
    for (size_t i = 0; i < action->kept_count; i++) {
        wire_write_event_as(buffer, 5, &action->kept[i]);
    }
    put_failure(buffer, 6, action->failure);
    nest_end(buffer, begin, SMALL);
}

/* SendEntityMessageAction; which of its members, its number says. */
static void put_message(struct buffer *buffer, const struct action *action, unsigned number)
{
    enum { SIGNAL = 1, CALL = 2, LOCK = 3, UNLOCK = 4 };
    size_t begin = nest_begin(buffer, 8, SMALL);
    size_t inner = nest_begin(buffer, number, SMALL);
    put_string(buffer, 1, action->request_id);
    if (number == LOCK) {
        struct text id;
        for (size_t cursor = 0; lock_set_next(action->extra->lock_set, &cursor, &id);) {
            put_raw(buffer, 2, id);
        }
    } else if (number == UNLOCK) {
        put_string_value(buffer, 3, action->instance_id);
    } else {
        put_string(buffer, 2, action->name);
        if (action->fire_at != 0) {
            put_timestamp_field(buffer, 3, action->fire_at);
        }
        put_string_value(buffer, 4, action->payload);
        put_string_value(buffer, number == SIGNAL ? 5 : 7, action->instance_id);
    }
    nest_end(buffer, inner, SMALL);
    nest_end(buffer, begin, SMALL);
}

static void put_termination(struct buffer *buffer, const struct action *action)
{
    size_t begin = nest_begin(buffer, 7, SMALL);
    put_string(buffer, 1, action->instance_id);
    put_string_value(buffer, 2, action->payload);
    put_number(buffer, 3, action->extra != NULL && action->extra->recurses);
    nest_end(buffer, begin, SMALL);
}

static void put_cancelled_signal(struct buffer *buffer, unsigned number,
                                 const struct action *action)
{
    size_t begin = nest_begin(buffer, number, SMALL);
    put_string(buffer, 1, action->instance_id);
    put_string(buffer, 2, action->request_id);
    nest_end(buffer, begin, SMALL);
}

static void put_action(struct buffer *buffer, const struct action *action)
{
    size_t begin = nest_begin(buffer, 2, SMALL);
    put_number(buffer, 1, action->id);
    switch (action->kind) {
    case ACTION_SCHEDULE_TASK: put_task(buffer, action); break;
    case ACTION_CREATE_TIMER: put_timer(buffer, action); break;
    case ACTION_START_CHILD: put_child(buffer, action); break;
    case ACTION_SEND_EVENT: put_event(buffer, action); break;
    case ACTION_SIGNAL_ENTITY: put_message(buffer, action, 1); break;
    case ACTION_CALL_ENTITY: put_message(buffer, action, 2); break;
    case ACTION_LOCK: put_message(buffer, action, 3); break;
    case ACTION_UNLOCK: put_message(buffer, action, 4); break;
    case ACTION_CANCEL_SIGNAL: put_cancelled_signal(buffer, 102, action); break;
    case ACTION_CANCEL: put_number(buffer, 100, 1); break;
    case ACTION_MARK_CHANGE: put_string_value(buffer, 101, action->name); break;
    case ACTION_COMPLETE:
    case ACTION_CONTINUE_AS_NEW: put_end(buffer, action); break;
    case ACTION_TERMINATE: put_termination(buffer, action); break;
    case ACTION_START:
    case ACTION_NOTE_TRACE: unreachable_state("no orchestration of ours asks for this");
    }
    nest_end(buffer, begin, SMALL);
}

void work_write_turn_result(struct buffer *buffer, struct text token, const struct turn *turn,
                            const struct turn_result *result)
{
    put_string(buffer, 1, turn->instance_id);
    for (size_t i = 0; i < result->action_count; i++) {
        put_action(buffer, &result->actions[i]);
    }
    put_string_value(buffer, 3, result->custom_status);
    put_string(buffer, 4, token);
}

void work_write_needs_history(struct buffer *buffer, struct text token, const struct turn *turn)
{
    put_string(buffer, 1, turn->instance_id);
    put_string(buffer, 4, token);
    put_number(buffer, 7, 1);
}

static void put_operation(struct buffer *buffer, const struct operation_result *result)
{
    size_t begin = nest_begin(buffer, 1, SMALL);
    size_t inner = nest_begin(buffer, result->failure == NULL ? 1 : 2, SMALL);
    if (result->failure == NULL) {
        put_string_value(buffer, 1, result->payload);
    }
    put_failure(buffer, 1, result->failure);
    nest_end(buffer, inner, SMALL);
    nest_end(buffer, begin, SMALL);
}

static void put_signal(struct buffer *buffer, const struct action *action)
{
    size_t begin = nest_begin(buffer, 2, SMALL);
    put_string(buffer, 1, action->instance_id);
    put_string(buffer, 2, action->name);
    put_string_value(buffer, 3, action->payload);
    if (action->fire_at != 0) {
        put_timestamp_field(buffer, 4, action->fire_at);
    }
    put_string_value(buffer, 100, action->request_id);
    nest_end(buffer, begin, SMALL);
}

static void put_start(struct buffer *buffer, const struct action *action)
{
    size_t begin = nest_begin(buffer, 3, SMALL);
    put_string(buffer, 1, action->instance_id);
    put_string(buffer, 2, action->name);
    put_string_value(buffer, 3, action->version);
    put_string_value(buffer, 4, action->payload);
    if (action->fire_at != 0) {
        put_timestamp_field(buffer, 5, action->fire_at);
    }
    if (action->extra != NULL) {
        put_raw(buffer, 7, action->extra->trace);
        put_tags_field(buffer, 100, action->extra->tags);
    }
    nest_end(buffer, begin, SMALL);
}

static void put_request(struct buffer *buffer, const struct action *action)
{
    size_t begin = nest_begin(buffer, 2, SMALL);
    if (action->kind == ACTION_SIGNAL_ENTITY) {
        put_signal(buffer, action);
    } else if (action->kind == ACTION_START) {
        put_start(buffer, action);
    } else {
        assert_that(action->kind == ACTION_CANCEL_SIGNAL);
        put_cancelled_signal(buffer, 100, action);
    }
    nest_end(buffer, begin, SMALL);
}

void work_write_entity_result(struct buffer *buffer, struct text token, const struct turn *turn,
                              const struct entity_result *result)
{
    (void)turn;
    for (size_t i = 0; i < result->result_count; i++) {
        put_operation(buffer, &result->results[i]);
    }
    for (size_t i = 0; i < result->action_count; i++) {
        put_request(buffer, &result->actions[i]);
    }
    if (!result->keeps_state) {
        put_string_value(buffer, 3, result->state);
    }
    put_string(buffer, 5, token);
    put_number(buffer, 100, result->keeps_state);
}

void work_write_activity_result(struct buffer *buffer, struct text token,
                                const struct activity *activity,
                                const struct activity_result *result)
{
    put_string(buffer, 1, activity->instance_id);
    put_number(buffer, 2, activity->id);
    if (result->failure == NULL) {
        put_string_value(buffer, 3, result->payload);
    }
    put_failure(buffer, 4, result->failure);
    put_string(buffer, 5, token);
    put_number(buffer, 100, result->is_recorded);
}
