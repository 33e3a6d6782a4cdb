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
#define EVENT_MAP(X)                                       \
    X(EXECUTION_STARTED, 3, "ExecutionStarted")            \
    X(EXECUTION_COMPLETED, 4, "ExecutionCompleted")        \
    X(EXECUTION_TERMINATED, 5, "ExecutionTerminated")      \
    X(TASK_SCHEDULED, 6, "TaskScheduled")                  \
    X(TASK_COMPLETED, 7, "TaskCompleted")                  \
    X(TASK_FAILED, 8, "TaskFailed")                        \
    X(TIMER_CREATED, 12, "TimerCreated")                   \
    X(TIMER_FIRED, 13, "TimerFired")                       \
    X(ORCHESTRATOR_STARTED, 14, "OrchestratorStarted")     \
    X(ORCHESTRATOR_COMPLETED, 15, "OrchestratorCompleted") \
    X(EVENT_RAISED, 17, "EventRaised")

enum event_kind {
    EVENT_UNKNOWN = 0, /* a kind of a newer version: kept as bytes, ignored by replay */
#define X(kind, wire, name) EVENT_##kind = wire,
    EVENT_MAP(X)
#undef X
};

const char *event_kind_name(enum event_kind kind);

/* How an instance stands. Numbers are ours (and pd_run_state's), not the wire's. */
enum run_state {
    RUN_PENDING, /* accepted, no turn yet */
    RUN_RUNNING,
    RUN_SUSPENDED,
    RUN_COMPLETED,
    RUN_FAILED,
    RUN_TERMINATED,
};

static inline bool run_state_is_final(enum run_state state)
{
    return state >= RUN_COMPLETED;
}

struct failure {
    struct text type, message;
    const struct failure *cause; /* NULL: none; at most LIMIT_FAILURE_DEPTH deep */
    bool is_final;               /* retrying cannot help */
};

#define EVENT_NO_ID (-1)

struct event {
    enum event_kind kind;
    int32_t id;  /* step, for what a step made; else EVENT_NO_ID */
    int32_t ref; /* step that TASK_COMPLETED, TASK_FAILED, TIMER_FIRED complete; else EVENT_NO_ID */
    time_us at;
    time_us fire_at;  /* TIMER_CREATED, TIMER_FIRED */
    struct text name; /* EXECUTION_STARTED, TASK_SCHEDULED, EVENT_RAISED */
    struct text version;
    struct text payload;      /* JSON text: input, result or data, whichever the kind has */
    struct text instance_id;  /* EXECUTION_STARTED */
    struct text execution_id; /* EXECUTION_STARTED */
    enum run_state outcome;   /* EXECUTION_COMPLETED: a final state */
    const struct failure *failure;
    struct text raw; /* present: the encoded HistoryEvent message, spliced as it is when written */
};

enum action_kind {
    ACTION_SCHEDULE_TASK, /* name, version, payload */
    ACTION_CREATE_TIMER,  /* fire_at */
    ACTION_COMPLETE,      /* outcome, payload, failure; the last one that counts */
};

struct action {
    enum action_kind kind;
    int32_t id; /* step */
    struct text name, version, payload;
    time_us fire_at;
    enum run_state outcome;
    const struct failure *failure;
};

#endif
