/* SPDX-License-Identifier: MIT
 *
 * Asking: the durable requests of an orchestrator.
 *
 * Each takes the next step number. When history knows the step (replay.c), nothing else is done:
 * its input is not even written again. Otherwise it becomes an action of this turn, whose text
 * lives in the turn's arena, because the run may be dropped before the actions are looked at.
 *
 * What has more to it than an input (options, retries, children) is in attempt.c. Expected events
 * are no steps: events.c. */
#include "author/author_priv.h"
#include "core/core.h"

pd_task *task_new(pd_orchestration *run, enum task_kind kind, const char *name)
{
    pd_task *task = arena_alloc(&run->arena, sizeof *task);
    task->magic = TASK_MAGIC;
    task->kind = (uint8_t)kind;
    task->awaits = (uint8_t)kind;
    task->step = EVENT_NO_ID;
    task->run = run;
    task->name = name;
    return task;
}

void task_take_step(pd_orchestration *run, pd_task *task)
{
    if (run->step_count == run->step_room) {
        size_t room = run->step_room != 0 ? run->step_room * 2 : 16;
        run->steps =
            mem_grow(run->steps, run->step_room * sizeof *run->steps, room * sizeof *run->steps);
        run->step_room = room;
    }
    if (task != NULL) {
        task->step = (int32_t)run->step_count;
    }
    run->steps[run->step_count++] = task;
}

/* ---- names ----------------------------------------------------------------------------------- */

struct text ask_checked_name(pd_mem *m, const char *call, const char *what, const char *name)
{
    if (name == NULL) {
        mem_raise(m, "Misuse", "%s: the %s is NULL", call, what);
    }
    size_t size = strnlen(name, LIMIT_NAME + 1);
    struct text t = text_make(name, size);
    if (size == 0 || size > LIMIT_NAME || !text_is_utf8(t)) {
        mem_raise(m, "Misuse", "%s: the %s must be 1 to %d bytes of UTF-8", call, what, LIMIT_NAME);
    }
    return t;
}

const char *ask_function_name(pd_mem *m, struct author *author, const char *call, pd_ref ref,
                              pd_function_kind kind, bool *is_known)
{
    bool is_activity = kind == PD_ACTIVITY;
    *is_known = true;
    if (ref.run_ != NULL) {
        const char *name = author_name_of(&author->base, ref.run_, kind);
        if (name == NULL) {
            mem_raise(m, is_activity ? "ActivityNotFound" : "OrchestratorNotFound",
                      "%s: a function that is not in the program; add PD_FUNCTION(\"Name\", "
                      "function) to the table that pd_worker_start is given",
                      call);
        }
        return name;
    }
    struct text name = ask_checked_name(
        m, call, is_activity ? "name of the activity" : "name of the orchestrator", ref.name_);
    const pd_function *function = author_find(author, name, kind);
    if (function != NULL) {
        return function->name;
    }
    *is_known = false;
    return text_copy(m->arena, name).at;
}

/* ---- activities ------------------------------------------------------------------------------ */

static void add_schedule(pd_orchestration *run, const char *name, bool is_known,
                         const pd_activity_call *call)
{
    pd_error err;
    struct text input = TEXT("null"), version = TEXT_ABSENT;
    if (call != NULL && call->version != NULL) {
        version = text_copy(run->turn_arena, ask_checked_name(&run->mem, "pd_call_activity",
                                                              "version", call->version));
    } else if (run->about != NULL) {
        version = text_copy(run->turn_arena, run->about->version);
    }
    if (call != NULL && !mem_payload(&run->mem, run->turn_arena, call->input, &input, &err)) {
        run_raise(run, "BadPayload", true, "the input of activity '%s' (step %zu): %s", name,
                  run->step_count, err.text);
    }
    struct action *action = shard_add_action(run->shard);
    action->kind = ACTION_SCHEDULE_TASK;
    action->id = (int32_t)run->step_count;
    action->name = is_known ? text_of(name) : text_copy(run->turn_arena, text_of(name));
    action->version = version;
    action->payload = input;
}

static bool has_options(const pd_activity_call *call)
{
    return call != NULL && ((uint64_t)(call->start_max.ms | call->run_max.ms | call->beat_max.ms) |
                            (uintptr_t)call->retry | call->tags.kind_) != 0;
}

pd_task *pd_start_activity_(pd_orchestration *o, pd_ref activity, const pd_activity_call *call)
{
    bool is_known = true;
    run_check(o);
    const char *name = activity.run_ != NULL
                           ? author_name_of(&o->shard->author->base, activity.run_, PD_ACTIVITY)
                           : NULL;
    if (name == NULL) { /* by name, or a mistake */
        name = ask_function_name(&o->mem, o->shard->author, "pd_call_activity", activity,
                                 PD_ACTIVITY, &is_known);
    }
    if (__builtin_expect(has_options(call), 0)) {
        return attempt_start_activity(o, name, call);
    }
    if (replay_step(o, EVENT_TASK_SCHEDULED, name) == STEP_NEW) {
        add_schedule(o, name, is_known, call);
    }
    pd_task *task = task_new(o, TASK_ACTIVITY, name);
    task_take_step(o, task);
    o->open_work++;
    return task;
}

pd_value pd_call_activity_(pd_orchestration *o, pd_ref activity, const pd_activity_call *call)
{
    pd_task *task = pd_start_activity_(o, activity, call);
    return pd_await(o, task);
}

/* ---- timers ---------------------------------------------------------------------------------- */

void ask_timer(pd_orchestration *run, pd_task *task, time_us fire_at)
{
    enum step_answer answer = replay_step(run, EVENT_TIMER_CREATED, NULL);
    if (answer == STEP_DIFFERS) {
        return;
    }
    if (answer == STEP_NEW) {
        struct action *action = shard_add_action(run->shard);
        action->kind = ACTION_CREATE_TIMER;
        action->id = (int32_t)run->step_count;
        action->fire_at = fire_at;
        if (task->kind != TASK_TIMER) { /* of a retry policy: between two attempts */
            struct event_extra *extra = arena_alloc(run->turn_arena, sizeof *extra);
            extra->retry_of = task->step + 1;
            action->extra = extra;
        }
    }
    task->awaits = TASK_TIMER;
    task_take_step(run, task);
}

static pd_task *start_timer(pd_orchestration *run, time_us fire_at)
{
    pd_task *task = task_new(run, TASK_TIMER, "timer");
    ask_timer(run, task, fire_at);
    return task;
}

pd_task *pd_start_timer(pd_orchestration *o, pd_duration d)
{
    run_check(o);
    return start_timer(o, time_add(o->now, time_of_duration(d)));
}

pd_task *pd_start_timer_until(pd_orchestration *o, pd_time t)
{
    run_check(o);
    return start_timer(o, time_of_public(t));
}

void pd_sleep(pd_orchestration *o, pd_duration d)
{
    pd_task *task = pd_start_timer(o, d);
    (void)pd_await(o, task);
}

void pd_sleep_until(pd_orchestration *o, pd_time t)
{
    pd_task *task = pd_start_timer_until(o, t);
    (void)pd_await(o, task);
}

/* ---- telling another instance ---------------------------------------------------------------- */

void pd_send_event_(pd_orchestration *o, const char *id, const char *name, pd_value v)
{
    pd_error err;
    struct text payload;
    run_check(o);
    struct text checked = ask_checked_name(&o->mem, "pd_send_event", "name of the event", name);
    if (instance_id_check(text_of(id), &err) != PD_OK) {
        run_raise(o, "Misuse", true, "pd_send_event: %s", err.text);
    }
    const char *kept = text_copy(o->turn_arena, checked).at;
    if (replay_step(o, EVENT_EVENT_SENT, kept) == STEP_NEW) {
        if (!mem_payload(&o->mem, o->turn_arena, v, &payload, &err)) {
            run_raise(o, "BadPayload", true, "pd_send_event: the payload of event '%s': %s", kept,
                      err.text);
        }
        struct action *action = shard_add_action(o->shard);
        action->kind = ACTION_SEND_EVENT;
        action->id = (int32_t)o->step_count;
        action->instance_id = text_copy(o->turn_arena, text_of(id));
        action->name = text_of(kept);
        action->payload = payload;
    }
    task_take_step(o, NULL);
}

/* ---- giving up ------------------------------------------------------------------------------- */

static const char *noun(const pd_task *task)
{
    static const char *const nouns[] = {
        [TASK_ACTIVITY] = "activity",     [TASK_CHILD] = "child",     [TASK_CALL] = "operation",
        [TASK_LOCK] = "critical section", [TASK_TIMER] = "the timer", [TASK_EVENT] = "event",
    };
    return nouns[task->kind];
}

/* A waiter that was cancelled stays in its queue until its turn would come; then it is passed
 * over. */
void pd_cancel(pd_orchestration *o, pd_task *t)
{
    run_check(o);
    if (t == NULL || t->magic != TASK_MAGIC || t->run != o) {
        run_raise(o, "Misuse", true, "pd_cancel: the task is NULL, or not of this orchestration");
    }
    if (t->state != TASK_OPEN) {
        return;
    }
    if (t->step != EVENT_NO_ID && !replay_knows_cancel(o, t->step)) {
        struct action *action = shard_add_action(o->shard);
        action->kind = ACTION_CANCEL;
        action->id = t->step;
    }
    bool is_timer = t->kind == TASK_TIMER;
    t->failure = failure_new(&o->arena, "Cancelled", false, NULL, "%s%s%s%s was cancelled", noun(t),
                             is_timer ? "" : " '", is_timer ? "" : t->name, is_timer ? "" : "'");
    run_task_ended(o, t, TASK_FAILED);
}
