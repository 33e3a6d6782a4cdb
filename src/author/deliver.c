/* SPDX-License-Identifier: MIT
 *
 * Delivering: one event of a history, or of a turn, reaches the code.
 *
 * Which event that is, and when, is replay.c's (R3, R4). A completion that nothing waits for any
 * more is dropped. */
#include "author/author_priv.h"

static pd_task *open_step(pd_orchestration *run, int32_t ref, enum task_kind awaits)
{
    if (ref < 0 || (size_t)ref >= run->step_count) {
        return NULL;
    }
    pd_task *task = run->steps[ref];
    return task != NULL && task->step == ref && task->awaits == awaits && task->state == TASK_OPEN
               ? task
               : NULL;
}

static void deliver_failure(pd_orchestration *run, const struct event *event, enum task_kind awaits)
{
    static const struct failure unknown = { .type = TEXT_INIT("Unknown"),
                                            .message = TEXT_INIT("") };
    pd_task *task = open_step(run, event->ref, awaits);
    if (task == NULL) {
        return; /* R3 */
    }
    const pd_failure *failure =
        failure_of_core(&run->arena, event->failure != NULL ? event->failure : &unknown);
    struct text progress = event->extra != NULL ? event->extra->progress : TEXT_ABSENT;
    if (task->request == NULL || !attempt_follows(run, task, failure, progress)) {
        task->failure = failure;
        run_task_ended(run, task, TASK_FAILED);
    }
}

static void deliver_completion(pd_orchestration *run, const struct event *event,
                               enum task_kind awaits)
{
    pd_task *task = open_step(run, event->ref, awaits);
    if (task == NULL) {
        return; /* R3 */
    }
    if (task->kind != awaits) { /* the delay before the next attempt is over */
        attempt_ask(run, task);
        return;
    }
    if (awaits != TASK_TIMER) {
        task->payload = event->payload;
    }
    run_task_ended(run, task, TASK_SUCCEEDED);
}

void run_deliver(pd_orchestration *run, const struct event *event)
{
    switch (event->kind) {
    case EVENT_EXECUTION_STARTED:
        if (!run->is_begun) {
            run_begin(run, event);
        }
        break;
    case EVENT_TASK_COMPLETED: deliver_completion(run, event, TASK_ACTIVITY); break;
    case EVENT_TASK_FAILED: deliver_failure(run, event, TASK_ACTIVITY); break;
    case EVENT_CHILD_COMPLETED: deliver_completion(run, event, TASK_CHILD); break;
    case EVENT_CHILD_FAILED: deliver_failure(run, event, TASK_CHILD); break;
    case EVENT_ENTITY_COMPLETED: deliver_completion(run, event, TASK_CALL); break;
    case EVENT_ENTITY_FAILED: /* of a call, or of locks that cannot be had */
        deliver_failure(run, event, TASK_LOCK);
        deliver_failure(run, event, TASK_CALL);
        break;
    case EVENT_LOCK_GRANTED: deliver_completion(run, event, TASK_LOCK); break;
    case EVENT_TIMER_FIRED: deliver_completion(run, event, TASK_TIMER); break;
    case EVENT_EVENT_RAISED: events_deliver(run, event->name, event->payload); break;
    case EVENT_ORCHESTRATOR_STARTED: run->now = event->at; break;
    case EVENT_STEP_CANCELLED:
    case EVENT_TASK_SCHEDULED:
    case EVENT_TIMER_CREATED:
    case EVENT_CHILD_CREATED:
    case EVENT_EVENT_SENT:
    case EVENT_UNKNOWN:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_ENTITY_SIGNALED:
    case EVENT_ENTITY_CALLED:
    case EVENT_LOCK_REQUESTED:
    case EVENT_UNLOCK_SENT:
    case EVENT_SIGNAL_CANCELLED:
    case EVENT_TRACE_NOTED:
    case EVENT_CHANGE_MARKED: break;
    }
}
