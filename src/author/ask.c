/* SPDX-License-Identifier: MIT
 *
 * Asking: the durable requests of an orchestrator.
 *
 * Each takes the next step number. When history knows the step (replay.c), nothing else is done:
 * its input is not even written again. Otherwise it becomes an action of this turn, whose text
 * lives in the turn's arena, because the run may be dropped before the actions are looked at.
 *
 * Expected events are no steps: they consume what was raised, in order, by name. */
#include "author/author_priv.h"

static pd_task *new_task(pd_orchestration *run, enum task_kind kind, const char *name, int32_t step)
{
    pd_task *task = arena_alloc(&run->arena, sizeof *task);
    task->magic = TASK_MAGIC;
    task->kind = kind;
    task->step = step;
    task->run = run;
    task->self = task;
    task->name = name;
    return task;
}

static pd_task *new_step(pd_orchestration *run, enum task_kind kind, const char *name)
{
    if (run->step_count == run->step_room) {
        size_t room = run->step_room != 0 ? run->step_room * 2 : 16;
        run->steps =
            mem_grow(run->steps, run->step_room * sizeof *run->steps, room * sizeof *run->steps);
        run->step_room = room;
    }
    pd_task *task = new_task(run, kind, name, (int32_t)run->step_count);
    run->steps[run->step_count++] = task;
    return task;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* A name that came from user code, checked. */
static struct text checked_name(pd_orchestration *run, const char *call, const char *what,
                                const char *name)
{
    if (name == NULL) {
        run_raise(run, "Misuse", true, "%s: the %s is NULL", call, what);
    }
    size_t size = strnlen(name, LIMIT_NAME + 1);
    struct text t = text_make(name, size);
    if (size == 0 || size > LIMIT_NAME || !text_is_utf8(t)) {
        run_raise(run, "Misuse", true, "%s: the %s must be 1 to %d bytes of UTF-8", call, what,
                  LIMIT_NAME);
    }
    return t;
}

/* The name of the activity. A name of the program lives as long as the author; others (is_known
 * false) live as long as the run. */
static const char *activity_name(pd_orchestration *run, pd_ref ref, bool *is_known)
{
    *is_known = true;
    if (ref.run_ != NULL) {
        const char *name = author_name_of(&run->shard->author->base, ref.run_, PD_ACTIVITY);
        if (name == NULL) {
            run_raise(run, "ActivityNotFound", true,
                      "pd_call_activity: a function that is not in the program; add "
                      "PD_FUNCTION(\"Name\", function) to the table that pd_worker_start is given");
        }
        return name;
    }
    struct text name = checked_name(run, "pd_call_activity", "name of the activity", ref.name_);
    const pd_function *function = author_find(run->shard->author, name, PD_ACTIVITY);
    if (function != NULL) {
        return function->name;
    }
    *is_known = false;
    return text_copy(&run->arena, name).at;
}

/* ---- activities ------------------------------------------------------------------------------ */

static void add_schedule(pd_orchestration *run, const char *name, bool is_known,
                         const pd_activity_call *call)
{
    pd_error err;
    struct text input = TEXT("null"), version = TEXT_ABSENT;
    if (call != NULL && call->version != NULL) {
        version = text_copy(run->turn_arena,
                            checked_name(run, "pd_call_activity", "version", call->version));
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

pd_task *pd_start_activity_(pd_orchestration *o, pd_ref activity, const pd_activity_call *call)
{
    bool is_known;
    run_check(o);
    const char *name = activity_name(o, activity, &is_known);
    if (!replay_knows(o, TASK_ACTIVITY, name)) {
        add_schedule(o, name, is_known, call);
    }
    o->open_activities++;
    return new_step(o, TASK_ACTIVITY, name);
}

pd_value pd_call_activity_(pd_orchestration *o, pd_ref activity, const pd_activity_call *call)
{
    pd_task *task = pd_start_activity_(o, activity, call);
    return pd_await(o, task);
}

/* ---- timers ---------------------------------------------------------------------------------- */

static pd_task *start_timer(pd_orchestration *run, time_us fire_at)
{
    if (!replay_knows(run, TASK_TIMER, NULL)) {
        struct action *action = shard_add_action(run->shard);
        action->kind = ACTION_CREATE_TIMER;
        action->id = (int32_t)run->step_count;
        action->fire_at = fire_at;
    }
    return new_step(run, TASK_TIMER, "timer");
}

pd_task *pd_start_timer(pd_orchestration *o, pd_duration d)
{
    run_check(o);
    return start_timer(o, time_add(o->now, time_of_duration(d)));
}

void pd_sleep(pd_orchestration *o, pd_duration d)
{
    pd_task *task = pd_start_timer(o, d);
    (void)pd_await(o, task);
}

void pd_sleep_until(pd_orchestration *o, pd_time t)
{
    run_check(o);
    pd_task *task = start_timer(o, time_of_public(t));
    (void)pd_await(o, task);
}

/* ---- events ---------------------------------------------------------------------------------- */

pd_task *pd_expect_event(pd_orchestration *o, const char *name)
{
    run_check(o);
    struct text checked = checked_name(o, "pd_expect_event", "name of the event", name);
    struct event_queue *queue = run_queue(o, checked);
    pd_task *task = new_task(o, TASK_EVENT, text_copy(&o->arena, checked).at, EVENT_NO_ID);
    struct kept_event *kept = queue->events;
    if (kept != NULL) {
        queue->events = kept->next;
        if (queue->events == NULL) {
            queue->last_event = &queue->events;
        }
        task->payload = kept->payload;
        task->state = TASK_SUCCEEDED;
    } else {
        *queue->last_waiter = task;
        queue->last_waiter = &task->next;
    }
    return task;
}

pd_value pd_wait_event(pd_orchestration *o, const char *name)
{
    pd_task *task = pd_expect_event(o, name);
    return pd_await(o, task);
}
