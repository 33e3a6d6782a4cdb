/* SPDX-License-Identifier: MIT
 *
 * What kinds of events are called, and what they are to a turn. The tables are these; nothing is
 * decided here.
 */
#include "core/event.h"

const char *event_kind_name(enum event_kind kind)
{
    switch (kind) {
#define X(kind, wire, name) \
    case EVENT_##kind: return name;
        EVENT_MAP(X)
#undef X
    case EVENT_UNKNOWN: break;
    }
    return "Unknown"; /* also for numbers of a newer version */
}

const char *run_state_name(enum run_state state)
{
    switch (state) {
    case RUN_PENDING: return "Pending";
    case RUN_RUNNING: return "Running";
    case RUN_SUSPENDED: return "Suspended";
    case RUN_COMPLETED: return "Completed";
    case RUN_FAILED: return "Failed";
    case RUN_TERMINATED: return "Terminated";
    }
    return "Unknown"; /* a number that a caller made up */
}

enum event_role event_role(enum event_kind kind)
{
    switch (kind) {
    case EVENT_ORCHESTRATOR_STARTED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_TRACE_NOTED: return ROLE_MARK;
    case EVENT_EXECUTION_STARTED:
    case EVENT_TASK_COMPLETED:
    case EVENT_TASK_FAILED:
    case EVENT_CHILD_COMPLETED:
    case EVENT_CHILD_FAILED:
    case EVENT_TIMER_FIRED:
    case EVENT_EVENT_RAISED:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_ENTITY_COMPLETED:
    case EVENT_ENTITY_FAILED:
    case EVENT_LOCK_GRANTED: return ROLE_INPUT;
    case EVENT_UNKNOWN:
    case EVENT_TASK_SCHEDULED:
    case EVENT_TIMER_CREATED:
    case EVENT_CHILD_CREATED:
    case EVENT_EVENT_SENT:
    case EVENT_STEP_CANCELLED:
    case EVENT_CHANGE_MARKED:
    case EVENT_ENTITY_SIGNALED:
    case EVENT_ENTITY_CALLED:
    case EVENT_LOCK_REQUESTED:
    case EVENT_UNLOCK_SENT:
    case EVENT_SIGNAL_CANCELLED: return ROLE_ASKED;
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED: return ROLE_END;
    }
    return ROLE_ASKED; /* a number of a newer version */
}
