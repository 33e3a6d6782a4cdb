/* SPDX-License-Identifier: MIT
 *
 * Actions: what an orchestrator asked for becomes an event of its history, and an effect.
 *
 * The effect is in the batch that holds the history: an activity that is dispatched once it is
 * durable, a timer, a letter. What the last actions do (the end, another execution) is instance.c,
 * once the whole turn is written.
 */
#include "base/assert.h"
#include "base/memory.h"
#include "core/core_priv.h"
#include "core/entity.h"

void core_write_event(struct core *core, const struct event *event)
{
    core->codec->event(&core->scratch, event);
    core->counters.events++;
}

static void schedule(struct core *core, struct instance *instance, const struct event *event)
{
    steps_open(&instance->steps,
               (struct step){ .id = event->id, .kind = STEP_TASK, .asked_at = event->at });
    activity_dispatch(core, activity_new(core, instance, event, TEXT_ABSENT));
}

static void set_timer(struct core *core, struct instance *instance, const struct event *event)
{
    steps_open(&instance->steps,
               (struct step){ .id = event->id, .kind = STEP_TIMER, .due = event->fire_at });
    timers_set(core, instance, event->id, event->fire_at);
}

static void start_child(struct core *core, struct instance *instance, const struct event *event)
{
    if (!event_is_forgotten_child(event)) {
        steps_open_child(&instance->steps, event->id, event->instance_id);
    }
    letter_start_child(core, MESSAGE_CHILD_START, instance, event);
}

static void send_event(struct core *core, const struct event *event)
{
    struct event raised = {
        .kind = EVENT_EVENT_RAISED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = event->at,
        .name = event->name,
        .payload = event->payload,
    };
    letter_send(core, MESSAGE_RAISE, event->instance_id, TEXT_ABSENT, &raised);
}

/* As whoever terminates it from outside. */
static void terminate_other(struct core *core, time_us now, const struct action *action)
{
    struct event event = {
        .kind = EVENT_EXECUTION_TERMINATED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = now,
        .payload = action->payload,
        .extra = action->extra,
    };
    letter_send(core, MESSAGE_TERMINATE, action->instance_id, TEXT_ABSENT, &event);
}

/* The step may have completed while the turn ran: then there is nothing to stop, and what came
 * waits behind the cancellation, as if it had come after it. */
static void cancel(struct core *core, struct instance *instance, const struct event *event)
{
    struct step step;
    if (!steps_get(&instance->steps, event->ref, &step) || step.kind == STEP_LOCK ||
        step.kind == STEP_SECTION) {
        return;
    }
    steps_close(&instance->steps, step.id, step.kind, &step);
    switch (step.kind) {
    case STEP_TASK:
        note_drop(core, instance, step.id);
        activity_cancel(core, instance, step.id);
        break;
    case STEP_TIMER: timers_unset(core, instance, step.id, step.due); break;
    case STEP_CHILD:
        letter_terminate_child(core, instance, step.child, TEXT("\"cancelled by its parent\""));
        mem_free(step.child);
        break;
    case STEP_CALL: break; /* its answer is dropped */
    case STEP_LOCK:
    case STEP_SECTION: unreachable_state("cannot be cancelled");
    case STEP_DEAD: unreachable_state("steps_get finds living ones");
    }
}

const struct failure *action_failure(const struct action *action)
{
    static const struct failure unsaid = {
        .type = TEXT_INIT("OrchestrationFailed"),
        .message = TEXT_INIT("the orchestrator failed without a word"),
    };
    return action->outcome == RUN_FAILED && action->failure == NULL ? &unsaid : action->failure;
}

void action_carry_out(struct core *core, time_us now, struct instance *instance,
                      const struct action *action)
{
    struct event event = {
        .id = action->id,
        .ref = EVENT_NO_ID,
        .name = action->name,
        .version = action->version,
        .payload = action->payload,
        .instance_id = action->instance_id,
        .extra = action->extra,
    };
    if (action->kind == ACTION_TERMINATE) {
        terminate_other(core, now, action);
        return;
    }
    if (action->kind == ACTION_CONTINUE_AS_NEW) {
        return; /* no history will tell of this turn */
    }
    event.at = instance_tick(instance, now);
    switch (action->kind) {
    case ACTION_SCHEDULE_TASK:
        event.kind = EVENT_TASK_SCHEDULED;
        schedule(core, instance, &event);
        break;
    case ACTION_CREATE_TIMER:
        event.kind = EVENT_TIMER_CREATED;
        event.fire_at = action->fire_at;
        set_timer(core, instance, &event);
        break;
    case ACTION_START_CHILD:
        event.kind = EVENT_CHILD_CREATED;
        start_child(core, instance, &event);
        break;
    case ACTION_SEND_EVENT:
        event.kind = EVENT_EVENT_SENT;
        send_event(core, &event);
        break;
    case ACTION_CANCEL:
        event.kind = EVENT_STEP_CANCELLED;
        event.id = EVENT_NO_ID;
        event.ref = action->id;
        cancel(core, instance, &event);
        break;
    case ACTION_MARK_CHANGE:
        event.kind = EVENT_CHANGE_MARKED;
        event.id = EVENT_NO_ID;
        break;
    case ACTION_NOTE_TRACE:
        event.kind = EVENT_TRACE_NOTED;
        event.id = EVENT_NO_ID;
        break;
    case ACTION_COMPLETE:
        event.kind = EVENT_EXECUTION_COMPLETED;
        event.outcome = action->outcome;
        event.failure = action_failure(action);
        break;
    case ACTION_CALL_ENTITY:
    case ACTION_SIGNAL_ENTITY:
    case ACTION_CANCEL_SIGNAL:
    case ACTION_LOCK:
    case ACTION_UNLOCK: entity_ask(core, instance, action, &event); break;
    case ACTION_START: unreachable_state("core_takes_result refuses it");
    case ACTION_TERMINATE:
    case ACTION_CONTINUE_AS_NEW: unreachable_state("seen to above");
    }
    core_write_event(core, &event);
}
