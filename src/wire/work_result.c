/* SPDX-License-Identifier: MIT
 *
 * What workers answer, read into what core takes.
 *
 *   K5  Actions keep the order of the list, through all chunks of it, but for the one that ends the
 *       execution: the first of these counts, and goes last. What says nothing is left out.
 *   K6  What cannot be carried out is not an error of the message: an end that is none fails the
 *       orchestration, a signal to what is no entity is dropped, core judges the rest.
 *       Likewise an entity of a plain worker whose id is longer than LIMIT_PLAIN_ID: a call of it
 *       is answered with that.
 *   K7  A rewindOrchestration action is left out: no worker is ever asked for one, as histories are
 *       rewound by the engine (core/rewrite.h).
 *   K8  A trace context is noted in history when it is another one than before, and a turn follows
 *       in which it could be told.
 *   K9  IDs that begin with "perdure." are the server's own: what runs under one may do what others
 *       may not, as have a webhook signed. A worker gives none to what he starts: an orchestration
 *       that would fails, an entity's start is dropped.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/limits.h"
#include "core/core.h"
#include "core/lock_set.h"
#include "wire/wire_priv.h"
#include "wire/work.h"

enum {
    STATUS_COMPLETED = 1,
    STATUS_CONTINUED_AS_NEW = 2,
    STATUS_FAILED = 3,
    STATUS_TERMINATED = 5
};

struct reading {
    struct arena *arena;
    const struct work_context *context; /* of a turn */
    enum work_dialect dialect;
    struct action *actions;
    size_t count;
    struct action end;
    bool has_end;
    pd_error *err;
};

static pd_status malformed(pd_error *err, const char *what)
{
    return error_set(err, PD_E_INVALID, false, "wire: work", "%s of a worker's answer is malformed",
                     what);
}

/* ---- parts of actions ------------------------------------------------------------------------ */

/* An unset time, and any in the past: at once. */
static time_us not_before(time_us time)
{
    return time != WIRE_NO_TIME && time > 0 ? time : 0;
}

/* NULL: it is malformed. */
static const struct failure *failure_of(struct reading *r, struct text bytes)
{
    const struct failure *failure;
    pd_error ignored;
    if (wire_read_failure(bytes, r->arena, &failure, &ignored) != PD_OK) {
        (void)malformed(r->err, "a failure");
        return NULL;
    }
    return failure;
}

/* NULL: there is nothing in it. */
static struct event_extra *extra_of(struct reading *r, struct text tags, struct text trace)
{
    if (!text_is_present(tags) && !text_is_present(trace)) {
        return NULL;
    }
    struct event_extra *extra = arena_alloc(r->arena, sizeof *extra);
    extra->tags = tags;
    extra->trace = trace;
    return extra;
}

static struct event_extra *extra_or_new(struct reading *r, struct event_extra *extra)
{
    return extra != NULL ? extra : arena_alloc(r->arena, sizeof *extra);
}

static const struct event_extra *retry_extra(struct reading *r, struct event_extra *extra,
                                             int64_t retry_of)
{
    if (retry_of != 0) {
        extra = extra_or_new(r, extra);
        extra->retry_of = (int32_t)retry_of;
    }
    return extra;
}

/* One that parses, though the worker gave none. */
static struct text request_id_of(const struct reading *r, struct text given, int32_t step)
{
    if (given.size != 0) {
        return given;
    }
    char *minted = arena_alloc_raw(r->arena, REQUEST_ID_SIZE);
    request_id_of_step(r->context->execution_id, step, minted);
    return text_of(minted);
}

/* ---- actions of orchestrations --------------------------------------------------------------- */

static void schedule_task(struct reading *r, struct action *to,
                          const struct hub_schedule_task_action *task)
{
    struct event_extra *extra = extra_of(r, task->tags, task->parent_trace_context);
    if (task->start_ms != 0 || task->run_ms != 0 || task->beat_ms != 0 || task->retry_of != 0 ||
        task->first != 0 || text_is_present(task->progress)) {
        extra = extra_or_new(r, extra);
        extra->limits = (struct task_limits){ task->start_ms, task->run_ms, task->beat_ms };
        extra->retry_of = (int32_t)task->retry_of;
        extra->first = (int32_t)task->first;
        extra->progress = task->progress;
    }
    to->kind = ACTION_SCHEDULE_TASK;
    to->name = task->name;
    to->version = task->version;
    to->payload = task->input;
    to->extra = extra;
}

static void start_child(struct reading *r, struct action *to,
                        const struct hub_create_sub_orchestration_action *child)
{
    to->kind = ACTION_START_CHILD;
    to->instance_id = child->instance_id;
    to->name = child->name;
    to->version = child->version;
    to->payload = child->input;
    to->extra =
        retry_extra(r, extra_of(r, child->tags, child->parent_trace_context), child->retry_of);
    if (child->instance_id.size == 0) {
        to->instance_id = text_of(arena_printf(
            r->arena, "%.*s:%04x", TEXT_ARGS(r->context->execution_id), (unsigned)to->id));
    }
}

/* K9 */
static bool is_servers(struct text id)
{
    return text_has_prefix(id, TEXT("perdure."));
}

/* K9. Instead of what the worker says of the end. */
static void fail_for_id(struct reading *r)
{
    struct failure *failure = arena_alloc(r->arena, sizeof *failure);
    failure->type = TEXT("Misuse");
    failure->message = TEXT("ids that begin with 'perdure.' are the server's own");
    failure->is_final = true;
    r->end = (struct action){
        .kind = ACTION_COMPLETE, .id = EVENT_NO_ID, .outcome = RUN_FAILED, .failure = failure
    };
    r->has_end = true;
}

static bool is_too_long(const struct reading *r, struct text id)
{
    return r->dialect == WORK_PLAIN && id.size > LIMIT_PLAIN_ID;
}

/* The answer to a call; NULL: it may be made. */
static const struct failure *refusal_of(struct reading *r, struct text id)
{
    if (!is_too_long(r, id)) {
        return NULL;
    }
    struct failure *failure = arena_alloc(r->arena, sizeof *failure);
    failure->type = TEXT("Misuse");
    failure->message = text_of(
        arena_printf(r->arena, "the entity id is too long: its length is %zu, and at most %d",
                     id.size, LIMIT_PLAIN_ID));
    failure->is_final = true;
    return failure;
}

static bool ask_entity(struct reading *r, struct action *to,
                       const struct hub_send_entity_message_action *message)
{
    struct text request_id;
    if (message->entity_operation_signaled != NULL) {
        const struct hub_entity_operation_signaled_event *signal =
            message->entity_operation_signaled;
        to->kind = ACTION_SIGNAL_ENTITY;
        to->instance_id = signal->target_instance_id;
        to->name = signal->operation;
        to->payload = signal->input;
        to->fire_at = not_before(signal->scheduled_time);
        request_id = signal->request_id;
        if (is_too_long(r, to->instance_id)) {
            return false;
        }
    } else if (message->entity_operation_called != NULL) {
        const struct hub_entity_operation_called_event *call = message->entity_operation_called;
        to->kind = ACTION_CALL_ENTITY;
        to->instance_id = call->target_instance_id;
        to->name = call->operation;
        to->payload = call->input;
        to->failure = refusal_of(r, to->instance_id);
        request_id = call->request_id;
    } else if (message->entity_lock_requested != NULL) {
        const struct hub_entity_lock_requested_event *lock = message->entity_lock_requested;
        struct event_extra *extra = arena_alloc(r->arena, sizeof *extra);
        extra->lock_set = lock_set_make(r->arena, lock->lock_set.items, lock->lock_set.count);
        to->kind = ACTION_LOCK;
        to->extra = extra;
        request_id = lock->critical_section_id;
    } else if (message->entity_unlock_sent != NULL) {
        to->kind = ACTION_UNLOCK;
        to->instance_id = message->entity_unlock_sent->target_instance_id;
        request_id = message->entity_unlock_sent->critical_section_id;
    } else {
        return false;
    }
    to->request_id = request_id_of(r, request_id, to->id);
    return true;
}

static void terminate_other(struct reading *r, struct action *to,
                            const struct hub_terminate_orchestration_action *other)
{
    to->kind = ACTION_TERMINATE;
    to->instance_id = other->instance_id;
    to->payload = other->reason;
    if (other->recurse) {
        struct event_extra *extra = arena_alloc(r->arena, sizeof *extra);
        extra->recurses = true;
        to->extra = extra;
    }
}

/* By the time they had first; what came together stays in order: `raw` is where each was. */
static int by_time(const void *a, const void *b)
{
    const struct event *x = a;
    const struct event *y = b;
    int order = (x->at > y->at) - (x->at < y->at);
    return order != 0 ? order : (x->raw.at > y->raw.at) - (x->raw.at < y->raw.at);
}

static bool keep_events(struct reading *r, struct action *to, const struct text_list *carried)
{
    if (carried->count == 0) {
        return true;
    }
    struct event *kept = arena_try_alloc(r->arena, carried->count * sizeof *kept);
    size_t count = 0;
    if (kept == NULL) {
        (void)error_set(r->err, PD_E_NOMEM, true, "wire: work", "no memory for %zu events",
                        carried->count);
        return false;
    }
    for (size_t i = 0; i < carried->count; i++) {
        struct wire_trouble trouble = { NULL, NULL };
        struct event *event = &kept[count];
        if (!wire_read_event(carried->items[i], event, r->arena, &trouble) ||
            !text_is_utf8(event->name) || !text_is_utf8(event->payload)) {
            (void)malformed(r->err, "an event that is kept");
            return false;
        }
        count += event->kind == EVENT_EVENT_RAISED ? 1 : 0;
    }
    qsort(kept, count, sizeof *kept, by_time);
    for (size_t i = 0; i < count; i++) {
        kept[i].raw = TEXT_ABSENT; /* they get another time */
    }
    to->kept = kept;
    to->kept_count = count;
    return true;
}

static const struct failure *
end_without_failure(struct reading *r, const struct hub_complete_orchestration_action *end)
{
    struct failure *failure = arena_alloc(r->arena, sizeof *failure);
    failure->type = TEXT("OrchestrationFailed");
    failure->message = text_is_present(end->details)
                           ? end->details
                           : TEXT("the worker said that it failed, and not why");
    if (end->orchestration_status != STATUS_FAILED) {
        failure->message = text_of(
            arena_printf(r->arena, "the worker ended it with the status %d, which is no end",
                         (int)end->orchestration_status));
    }
    return failure;
}

static bool complete(struct reading *r, struct action *to,
                     const struct hub_complete_orchestration_action *end)
{
    to->kind = ACTION_COMPLETE;
    to->payload = end->result;
    switch (end->orchestration_status) {
    case STATUS_COMPLETED: to->outcome = RUN_COMPLETED; return true;
    case STATUS_TERMINATED: to->outcome = RUN_TERMINATED; return true;
    case STATUS_CONTINUED_AS_NEW:
        to->kind = ACTION_CONTINUE_AS_NEW;
        to->version = end->new_version;
        return keep_events(r, to, &end->carryover_events);
    default: /* STATUS_FAILED */
        to->outcome = RUN_FAILED;
        to->failure = text_is_present(end->failure_details) ? failure_of(r, end->failure_details)
                                                            : end_without_failure(r, end);
        return to->failure != NULL;
    }
}

/* What is only ours, and has no message of the protocol. */
static bool ask_ours(struct action *to, const struct hub_orchestrator_action *action)
{
    if (action->cancels_step) {
        to->kind = ACTION_CANCEL;
    } else if (text_is_present(action->mark_change)) {
        to->kind = ACTION_MARK_CHANGE;
        to->name = action->mark_change;
    } else if (action->cancel_signal != NULL) {
        to->kind = ACTION_CANCEL_SIGNAL;
        to->instance_id = action->cancel_signal->instance_id;
        to->request_id = action->cancel_signal->request_id;
    } else {
        return false;
    }
    return true;
}

/* False: it says nothing. */
static bool read_step(struct reading *r, struct action *to,
                      const struct hub_orchestrator_action *action)
{
    if (action->schedule_task != NULL) {
        schedule_task(r, to, action->schedule_task);
    } else if (action->create_sub_orchestration != NULL) {
        if (is_servers(action->create_sub_orchestration->instance_id)) {
            fail_for_id(r);
            return false;
        }
        start_child(r, to, action->create_sub_orchestration);
    } else if (action->create_timer != NULL) {
        to->kind = ACTION_CREATE_TIMER;
        to->fire_at = action->create_timer->fire_at;
        to->fire_at = to->fire_at != WIRE_NO_TIME ? to->fire_at : 0;
        to->extra = retry_extra(r, NULL, action->create_timer->retry_of);
    } else if (action->send_event != NULL) {
        const struct hub_send_event_action *sent = action->send_event;
        to->kind = ACTION_SEND_EVENT;
        to->instance_id = sent->instance != NULL ? sent->instance->instance_id : TEXT("");
        to->name = sent->name;
        to->payload = sent->data;
    } else if (action->terminate_orchestration != NULL) {
        terminate_other(r, to, action->terminate_orchestration);
    } else if (action->send_entity_message != NULL) {
        return ask_entity(r, to, action->send_entity_message);
    } else {
        return ask_ours(to, action);
    }
    return true;
}

/* False: it is malformed. */
static bool read_action(struct reading *r, const struct hub_orchestrator_action *action)
{
    struct action *to = &r->actions[r->count];
    *to = (struct action){ .id = (int32_t)action->id };
    if (action->complete_orchestration == NULL) {
        r->count += read_step(r, to, action) ? 1 : 0;
        return true;
    }
    if (r->has_end) {
        return true;
    }
    r->end = *to;
    r->has_end = true;
    return complete(r, &r->end, action->complete_orchestration);
}

pd_status work_read_turn_result(const struct hub_orchestrator_response *const *parts, size_t count,
                                const struct work_context *context, struct arena *arena,
                                struct turn_result *ret, pd_error *err)
{
    size_t room = 2; /* the end and a trace */
    for (size_t i = 0; i < count; i++) {
        room += parts[i]->actions.count;
    }
    struct reading r = {
        .arena = arena, .context = context, .dialect = context->dialect, .err = err
    };
    r.actions = arena_try_alloc(arena, room * sizeof *r.actions);
    if (r.actions == NULL) {
        return error_set(err, PD_E_NOMEM, true, "wire: work", "no memory for %zu actions", room);
    }
    *ret = (struct turn_result){ .actions = r.actions };
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < parts[i]->actions.count; n++) {
            if (!read_action(&r, &parts[i]->actions.items[n])) {
                return err->status;
            }
        }
    }
    const struct hub_orchestrator_response *last = count != 0 ? parts[count - 1] : NULL;
    if (last != NULL) {
        struct text trace = last->orchestration_trace_context;
        ret->custom_status = last->custom_status;
        if (!r.has_end && text_is_present(trace) && !text_equal(trace, context->trace)) {
            r.actions[r.count++] =
                (struct action){ .kind = ACTION_NOTE_TRACE, .id = EVENT_NO_ID, .payload = trace };
        }
    }
    if (r.has_end) {
        r.actions[r.count++] = r.end;
    }
    ret->action_count = r.count;
    return PD_OK;
}

/* ---- entities -------------------------------------------------------------------------------- */

static bool read_operation(struct reading *r, const struct hub_operation_result *from,
                           struct operation_result *to)
{
    *to = (struct operation_result){ 0 };
    if (from->success != NULL) {
        to->payload = from->success->result;
    } else if (from->failure != NULL) {
        to->failure = failure_of(r, text_is_present(from->failure->failure_details)
                                        ? from->failure->failure_details
                                        : TEXT(""));
        return to->failure != NULL;
    }
    return true;
}

/* False: it says nothing, or what cannot be (K6). */
static bool read_request(struct reading *r, struct action *to,
                         const struct hub_operation_action *action)
{
    pd_error ignored;
    *to = (struct action){ .id = EVENT_NO_ID };
    if (action->send_signal != NULL) {
        const struct hub_send_signal_action *signal = action->send_signal;
        to->kind = ACTION_SIGNAL_ENTITY;
        to->instance_id = signal->instance_id;
        to->request_id = signal->request_id; /* absent: core makes one */
        to->name = signal->name;
        to->payload = signal->input;
        to->fire_at = not_before(signal->scheduled_time);
    } else if (action->cancel_signal != NULL) {
        to->kind = ACTION_CANCEL_SIGNAL;
        to->instance_id = action->cancel_signal->instance_id;
        to->request_id = action->cancel_signal->request_id;
    } else if (action->start_new_orchestration != NULL) {
        const struct hub_start_new_orchestration_action *start = action->start_new_orchestration;
        to->kind = ACTION_START;
        to->instance_id = start->instance_id.size != 0 ? start->instance_id : TEXT_ABSENT;
        to->name = start->name;
        to->version = start->version;
        to->payload = start->input;
        to->fire_at = not_before(start->scheduled_time);
        to->extra = extra_of(r, start->tags, start->parent_trace_context);
        return !text_is_present(to->instance_id) ||
               (instance_id_check(to->instance_id, &ignored) == PD_OK &&
                !is_servers(to->instance_id));
    } else {
        return false;
    }
    return entity_id_check(to->instance_id, &ignored) == PD_OK && !is_too_long(r, to->instance_id);
}

pd_status work_read_entity_result(const struct hub_entity_batch_result *result,
                                  enum work_dialect dialect, struct arena *arena,
                                  struct entity_result *ret, pd_error *err)
{
    struct reading r = { .arena = arena, .err = err, .dialect = dialect };
    *ret = (struct entity_result){ .keeps_state = true };
    if (text_is_present(result->failure_details)) {
        return PD_OK;
    }
    struct operation_result *results =
        arena_try_alloc(arena, (result->results.count + 1) * sizeof *results);
    r.actions = arena_try_alloc(arena, (result->actions.count + 1) * sizeof *r.actions);
    if (results == NULL || r.actions == NULL) {
        return error_set(err, PD_E_NOMEM, true, "wire: work", "no memory for a batch's result");
    }
    for (size_t i = 0; i < result->results.count; i++) {
        if (!read_operation(&r, &result->results.items[i], &results[i])) {
            return PD_E_INVALID;
        }
    }
    for (size_t i = 0; i < result->actions.count; i++) {
        r.count += read_request(&r, &r.actions[r.count], &result->actions.items[i]) ? 1 : 0;
    }
    ret->results = results;
    ret->result_count = result->results.count;
    ret->actions = r.actions;
    ret->action_count = r.count;
    ret->state = result->entity_state.size != 0 ? result->entity_state : TEXT_ABSENT;
    ret->keeps_state = result->keeps_state;
    return PD_OK;
}

/* ---- activities ------------------------------------------------------------------------------ */

pd_status work_read_activity_result(const struct hub_activity_response *response,
                                    struct arena *arena, struct activity_result *ret, pd_error *err)
{
    struct reading r = { .arena = arena, .err = err };
    *ret = (struct activity_result){ .payload = response->result,
                                     .is_recorded = response->is_recorded };
    if (text_is_present(response->failure_details)) {
        ret->payload = TEXT_ABSENT;
        ret->failure = failure_of(&r, response->failure_details);
        return ret->failure != NULL ? PD_OK : PD_E_INVALID;
    }
    return PD_OK;
}
