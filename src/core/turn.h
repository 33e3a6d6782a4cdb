/* SPDX-License-Identifier: MIT
 *
 * Turns, and who runs them.
 *
 * A turn takes an instance from one durable state to the next: new events in, actions out. Core
 * hands turns out and takes results back; a runner runs user code in between. The runner of the
 * embedded engine is the author room; a server's is the broker, behind which workers are at the
 * other end of streams; a test's is a script. Core and engine know only this header.
 *
 *   T1  events[0] is ORCHESTRATOR_STARTED, and its time is "now" for the orchestrator. In turn 1
 *       events[1] is EXECUTION_STARTED. The rest are completions and raised events, as they
 *       arrived.
 *   T2  A runner that does not remember the instance as of turn number - 1 answers
 *       RUNNER_NEEDS_HISTORY, having done nothing; it is then called again with `past`: turns
 *       1 .. number - 1. When one of these cannot be read, it drops what it has of the instance and
 *       answers RUNNER_NEEDS_HISTORY again.
 *   T3  The same past, events and code give the same actions, byte for byte, for ever.
 *   T4  Result text lives in the arena passed in, until the caller resets it; the array of actions
 *       until the runner is called again for the partition.
 *   T8  A runner may answer RUNNER_LATER: the turn stays open, and what it was handed is no longer
 *       looked at once the call returns. Its result comes by engine_end_turn, with the turn's
 *       ticket, or it is given back by engine_return_turn and is offered again, with the same
 *       events first. A ticket that no open turn has is of one that is over: it changes nothing.
 *   T9  A turn that is left (RUNNER_LEAVES, engine_leave_turn) holds nothing in memory but, for a
 *       while, its instance. It is offered again when it is called for (engine_call_turns); or
 *       before that, when its instance had to be loaded meanwhile. An activity that was dispatched
 *       may just be freed: it is dispatched again when it is called for (engine_call_activities),
 *       or by the partition's next life. */
#ifndef CORE_TURN_H
#define CORE_TURN_H

#include "base/arena.h"
#include "core/batch.h"
#include "core/event.h"

struct turn {
    uint64_t row;
    uint64_t number; /* 1, 2, 3 ... within the instance; 0: of an entity */
    uint64_t serial; /* of this handing out, never used again by any life of the partition */
    unsigned partition;
    struct text instance_id, execution_id, name, version; /* of an entity: only its id */
    const struct event *events;
    size_t event_count;
    bool is_past_durable; /* all earlier turns are committed, so their history can be loaded */
    bool is_called;       /* it had been left, and was asked for again (T9) */
    struct text state;    /* of an entity: JSON; absent: it has none */
};

/* A batch of operations of an entity is a turn too.
 *
 *   T5  events[0] is ORCHESTRATOR_STARTED, as in T1; the rest are ENTITY_SIGNALED and
 *       ENTITY_CALLED, run one after the other. Each sees the state that the one before left.
 *   T6  An operation that fails leaves the state as it was before it, and none of its actions.
 *   T7  It may be run again after a crash: only what it answers takes effect, and once. */
static inline bool turn_is_of_entity(const struct turn *turn)
{
    return turn->number == 0;
}

/* Of one operation. */
struct operation_result {
    struct text payload;           /* JSON; absent counts as null */
    const struct failure *failure; /* NULL: succeeded */
};

struct entity_result {
    /* One for each operation that was run, the first ones of the turn, in their order. Those behind
     * are offered again. */
    const struct operation_result *results;
    size_t result_count;
    /* SIGNAL_ENTITY, CANCEL_SIGNAL, START: of all of them, in the order the code asked. */
    const struct action *actions;
    size_t action_count;
    struct text state; /* afterwards; absent: none any more */
    bool keeps_state;  /* it is as it was; `state` is not looked at */
};

/* The turns before, read when they are needed: a history may be longer than memory should be. */
struct past {
    /* Turn `at`, from 0. Its events live until the next call, their text as long as the past.
     * False: it cannot be read, and whoever made the past knows why. */
    bool (*read)(struct past *, size_t at, struct turn_events *ret);
    size_t turn_count;
    const struct text *chunks; /* each turn as it is stored, an encoded HistoryChunk; may be NULL */
};

/* Names an open turn to the engine (T8). */
struct turn_ticket {
    uint64_t row, serial;
    unsigned partition;
};

static inline struct turn_ticket turn_ticket_of(const struct turn *turn)
{
    return (struct turn_ticket){ turn->row, turn->serial, turn->partition };
}

struct turn_result {
    const struct action
        *actions; /* in the order the code asked; at most one that ends the execution, last */
    size_t action_count;
    struct text custom_status; /* JSON; absent: as it was; empty: none any more */
};

struct activity_result {
    struct text payload;           /* JSON; absent counts as null */
    const struct failure *failure; /* NULL: succeeded */
    /* The result is in the store already, with what the activity wrote: see `transact`. */
    bool is_recorded;
    /* There is no result yet: the runner wants the activity, and gets it by `take`. */
    bool is_taken;
};

/* What an activity that runs can ask of whoever runs it. Any thread that runs the activity. */
struct activity_host;
struct activity_host_ops {
    /* The step has been cancelled, has timed out, or its instance has ended: nobody wants the
     * result any more. */
    bool (*is_cancelled)(struct activity_host *);
    /* The activity lives, and has come so far (JSON; absent: as before). Returns at once; what was
     * said last is durable soon, and reaches the next attempt as activity.progress. */
    void (*beat)(struct activity_host *, struct text progress);
    /* Runs `body` in a transaction of the store, in which `ret` (filled by body) is recorded as the
     * activity's result when body answers true: both or neither. `database` is the store's own
     * handle (sqlite3 *). PD_E_STATE: this store has no transactions for activities, or the
     * activity is no longer wanted; PD_E_UNAVAILABLE. Blocks; nothing else is committed
     * meanwhile. */
    pd_status (*transact)(struct activity_host *,
                          bool (*body)(void *argument, void *database, struct activity_result *ret),
                          void *argument, struct activity_result *ret, pd_error *err);
};
struct activity_host {
    const struct activity_host_ops *ops;
};

enum runner_answer {
    RUNNER_DONE,
    RUNNER_NEEDS_HISTORY,
    RUNNER_LEAVES, /* not for this worker (its version differs): nothing was done, keep the turn */
    RUNNER_LATER,  /* T8 */
};

struct runner;

struct runner_ops {
    unsigned version; /* 4; fields are only ever appended */

    /* Runs one turn of an orchestration; always called from the same thread for one partition. past
     * NULL: not loaded. */
    enum runner_answer (*turn)(struct runner *, const struct turn *, struct past *past,
                               struct arena *, struct turn_result *ret);

    /* The instance has ended, was replaced, or its turn was thrown away: drop what is kept of it.
     * */
    void (*forget)(struct runner *, unsigned partition, uint64_t row);

    /* The partition was thrown away after a failed commit, or is being closed. Same thread as
     * turn. */
    void (*forget_all)(struct runner *, unsigned partition);

    /* Turns of these rows come next, in this order: a hint to bring what is kept of them into the
     * processor's caches. Same thread as turn. May be NULL. */
    void (*expect)(struct runner *, unsigned partition, const uint64_t *rows, size_t count);

    /* There has been nothing to do for a while: give back what is only kept for speed. Same thread
     * as turn. May be NULL. */
    void (*trim)(struct runner *, unsigned partition);

    /* Runs an activity to its end; called from many threads at once. */
    void (*activity)(struct runner *, const struct activity *, struct activity_host *,
                     struct arena *, struct activity_result *ret);

    /* Runs a batch of operations of an entity. Same thread as turn. Not RUNNER_NEEDS_HISTORY.
     * Result text lives in the arena, as that of a turn (T4), or in what the turn lends. */
    enum runner_answer (*entity)(struct runner *, const struct turn *, struct arena *,
                                 struct entity_result *ret);

    /* ---- version 4; each may be NULL ---- */

    /* Takes an activity, to be run elsewhere: the runner owns it until engine_end_activity. False:
     * it is to be run here, by `activity`. On the thread that committed its request; may not block.
     */
    bool (*dispatch)(struct runner *, struct activity *);

    /* Nobody waits any more for activities that were dispatched or taken: of this step, or
     * EVENT_NO_ID: of all of the row. Same thread as dispatch, before activities of the same
     * commit. */
    void (*cancel)(struct runner *, unsigned partition, uint64_t row, int32_t id);

    /* The turn that ended with this number became these bytes of history, an encoded HistoryChunk,
     * borrowed. Not for one that ends an execution. Same thread as turn. */
    void (*record)(struct runner *, unsigned partition, uint64_t row, uint64_t number,
                   struct text bytes);

    /* An activity that `activity` has answered with is_taken: the runner owns it until
     * engine_end_activity, as one that was dispatched. Any thread; may not block. NULL: it never
     * answers so. */
    void (*take)(struct runner *, struct activity *);
};

struct runner {
    const struct runner_ops *ops;
};

#endif
