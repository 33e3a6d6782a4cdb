/* SPDX-License-Identifier: MIT
 *
 * Events: what happened to an instance, as history keeps it.
 *
 * One struct for all kinds: a field that a kind does not have is zero, or absent (text with a NULL
 * `at`, which is different from empty). All text is borrowed; who makes an event says how long it
 * lives. The numbers in EVENT_MAP are the field numbers of the HistoryEvent wire message, so that
 * kinds need no second table.
 *
 * Actions are the other direction: what an orchestrator asked for in one turn. Core turns each
 * action into the event that records it, and the effect that carries it out. */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "base/time.h"

/*    kind                     wire  name as people see it */
#define EVENT_MAP(X)                                            \
    X(EXECUTION_STARTED, 3, "ExecutionStarted")                 \
    X(EXECUTION_COMPLETED, 4, "ExecutionCompleted")             \
    X(EXECUTION_TERMINATED, 5, "ExecutionTerminated")           \
    X(TASK_SCHEDULED, 6, "TaskScheduled")                       \
    X(TASK_COMPLETED, 7, "TaskCompleted")                       \
    X(TASK_FAILED, 8, "TaskFailed")                             \
    X(CHILD_CREATED, 9, "SubOrchestrationInstanceCreated")      \
    X(CHILD_COMPLETED, 10, "SubOrchestrationInstanceCompleted") \
    X(CHILD_FAILED, 11, "SubOrchestrationInstanceFailed")       \
    X(TIMER_CREATED, 12, "TimerCreated")                        \
    X(TIMER_FIRED, 13, "TimerFired")                            \
    X(ORCHESTRATOR_STARTED, 14, "OrchestratorStarted")          \
    X(ORCHESTRATOR_COMPLETED, 15, "OrchestratorCompleted")      \
    X(EVENT_SENT, 16, "EventSent")                              \
    X(EVENT_RAISED, 17, "EventRaised")                          \
    X(EXECUTION_SUSPENDED, 21, "ExecutionSuspended")            \
    X(EXECUTION_RESUMED, 22, "ExecutionResumed")                \
    X(ENTITY_SIGNALED, 23, "EntityOperationSignaled")           \
    X(ENTITY_CALLED, 24, "EntityOperationCalled")               \
    X(ENTITY_COMPLETED, 25, "EntityOperationCompleted")         \
    X(ENTITY_FAILED, 26, "EntityOperationFailed")               \
    X(LOCK_REQUESTED, 27, "EntityLockRequested")                \
    X(LOCK_GRANTED, 28, "EntityLockGranted")                    \
    X(UNLOCK_SENT, 29, "EntityUnlockSent")                      \
    X(EXECUTION_REWOUND, 30, "ExecutionRewound")                \
    /* Ours: other readers of the protocol skip them. */        \
    X(STEP_CANCELLED, 100, "StepCancelled")                     \
    X(CHANGE_MARKED, 101, "ChangeMarked")                       \
    X(SIGNAL_CANCELLED, 102, "EntitySignalCancelled")           \
    X(TRACE_NOTED, 103, "TraceNoted")

enum event_kind {
    EVENT_UNKNOWN = 0, /* a kind of a newer version: kept as bytes, ignored by replay */
#define X(kind, wire, name) EVENT_##kind = wire,
    EVENT_MAP(X)
#undef X
};

const char *event_kind_name(enum event_kind kind);

/* What an event is to its turn. */
enum event_role {
    ROLE_MARK,  /* where the turn begins or ends, or a word beside it: nobody's code sees it */
    ROLE_INPUT, /* came in: what a turn begins with, and what may wait for one */
    ROLE_ASKED, /* the code asked for it; a kind that is unknown counts as such */
    ROLE_END,   /* of the execution */
};
enum event_role event_role(enum event_kind kind);

/* How an instance stands. Numbers are ours (and pd_run_state's), not the wire's. */
enum run_state {
    RUN_PENDING, /* accepted, no turn yet */
    RUN_RUNNING,
    RUN_SUSPENDED,
    RUN_COMPLETED,
    RUN_FAILED,
    RUN_TERMINATED,
};

const char *run_state_name(enum run_state state); /* "Pending", "Running", ... */

static inline bool run_state_is_final(enum run_state state)
{
    return state >= RUN_COMPLETED;
}

struct failure {
    struct text type, message;
    const struct failure *cause; /* NULL: none; at most LIMIT_FAILURE_DEPTH deep */
    const struct failure *next;  /* another cause of the same failure; NULL: the last one */
    bool is_final;               /* retrying cannot help */
    /* Present: the encoded TaskFailureDetails, which may say more than we know of (stack traces,
     * properties); written as it is. */
    struct text raw;
};

#define EVENT_NO_ID (-1)

/* Limits of time of an activity, in milliseconds; 0: none. */
struct task_limits {
    int64_t start_ms; /* until it begins, from when it was asked for */
    int64_t run_ms;   /* from then to its end */
    int64_t beat_ms;  /* between two heartbeats */
};

/* What few events have. A field that is zero or absent is as good as not there. */
struct event_extra {
    struct text tags;     /* EXECUTION_STARTED, TASK_SCHEDULED, CHILD_CREATED: see tags.h in base */
    struct text progress; /* JSON: of the attempt before (TASK_SCHEDULED), of this (TASK_FAILED) */
    struct task_limits limits; /* TASK_SCHEDULED */
    /* EXECUTION_STARTED, TASK_SCHEDULED, CHILD_CREATED: an encoded TraceContext of whoever asked */
    struct text trace;
    /* TASK_SCHEDULED, CHILD_CREATED, TIMER_CREATED: 1 + the step that a retry policy answers with
     * this one (a failed attempt, or the timer after it); 0: the code itself asked. */
    int32_t retry_of;
    int32_t first;   /* TASK_SCHEDULED again: 1 + the step of the first attempt; 0: this is it */
    bool recurses;   /* EXECUTION_TERMINATED: children too */
    bool has_parent; /* EXECUTION_STARTED of a child; then: */
    int32_t parent_step; /* of the parent's CHILD_CREATED */
    /* Also, with has_parent: who sent an ENTITY_CALLED, LOCK_REQUESTED, UNLOCK_SENT, or an
     * ENTITY_SIGNALED while it held locks; id and execution id only, in messages only. */
    struct text parent_id, parent_execution_id, parent_name, parent_version;
    /* LOCK_REQUESTED, and an UNLOCK_SENT that follows it: the entities, see core/lock_set.h; and to
     * which of them this message goes. */
    struct text lock_set;
    int32_t position;
};

struct event {
    enum event_kind kind;
    int32_t id;  /* step, for what a step made; else EVENT_NO_ID */
    int32_t ref; /* step that a completion completes, or STEP_CANCELLED cancels; else EVENT_NO_ID */
    time_us at;
    /* TIMER_CREATED, TIMER_FIRED; EXECUTION_STARTED, ENTITY_SIGNALED: not before this time; 0: at
     * once */
    time_us fire_at;
    /* EXECUTION_STARTED, TASK_SCHEDULED, CHILD_CREATED, EVENT_SENT, EVENT_RAISED, CHANGE_MARKED;
     * ENTITY_SIGNALED, ENTITY_CALLED: the operation */
    struct text name;
    struct text version;
    /* JSON text: input, result, data or reason, whichever the kind has. TRACE_NOTED: an encoded
     * OrchestrationTraceContext. */
    struct text payload;
    struct text instance_id; /* EXECUTION_STARTED; CHILD_CREATED: the child; EVENT_SENT: to whom;
                                ENTITY_*, UNLOCK_SENT, SIGNAL_CANCELLED: to which entity, asked for
                                in a history (a message knows whom it is for) */
    union {
        struct text execution_id; /* EXECUTION_STARTED */
        /* ENTITY_*, SIGNAL_CANCELLED: of the operation; LOCK_*, UNLOCK_SENT: the critical section's
         * id. A GUID as text, unique within an execution of its maker, not beyond. */
        struct text request_id;
    };
    enum run_state outcome; /* EXECUTION_COMPLETED: a final state */
    const struct failure *failure;
    const struct event_extra *extra; /* NULL: nothing in it */
    struct text raw; /* present: the encoded HistoryEvent message, spliced as it is when written */
};

/* The events of one turn. */
struct turn_events {
    const struct event *events;
    size_t count;
};

enum action_kind {
    ACTION_SCHEDULE_TASK, /* name, version, payload, extra */
    ACTION_CREATE_TIMER,  /* fire_at */
    ACTION_START_CHILD,   /* name, version, payload, instance_id, extra */
    ACTION_SEND_EVENT,    /* instance_id, name, payload */
    ACTION_CALL_ENTITY,   /* instance_id, request_id, name, payload */
    ACTION_SIGNAL_ENTITY, /* instance_id, request_id, name, payload, fire_at: 0: at once */
    ACTION_CANCEL_SIGNAL, /* instance_id, request_id; no step; of an entity also its own signals */
    ACTION_LOCK,          /* request_id, extra: lock_set, in any order, also with an id twice */
    ACTION_UNLOCK,        /* instance_id, request_id: of a lock that was asked for */
    /* Entities only: an orchestration that is nobody's child. name, version, payload, instance_id
     * (absent: core makes one), fire_at: not before; extra: tags. An id that is in use by one that
     * has not ended: nothing happens. */
    ACTION_START,
    ACTION_CANCEL,      /* id: an open step (task, timer or child) that nobody waits for any more */
    ACTION_MARK_CHANGE, /* name; no step */
    ACTION_NOTE_TRACE,  /* payload: as in TRACE_NOTED; no step */
    ACTION_TERMINATE,   /* instance_id: another, payload: its output, extra: recurses; no step, and
                           no event */
    ACTION_COMPLETE,    /* outcome, payload, failure; it or the next one is the last */
    ACTION_CONTINUE_AS_NEW, /* payload: the next input; version: absent keeps it; kept */
};

struct action {
    enum action_kind kind;
    int32_t id; /* step; of an entity's: nothing */
    struct text name, version, payload, instance_id, request_id;
    time_us fire_at;
    enum run_state outcome;
    const struct failure
        *failure; /* COMPLETE; CALL_ENTITY: nobody is asked, and this is the answer */
    const struct event_extra *extra;
    const struct event *kept; /* EVENT_RAISED that the next execution gets first, in order */
    size_t kept_count;
};

#endif
