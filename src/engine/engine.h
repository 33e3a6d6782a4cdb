/* SPDX-License-Identifier: MIT
 *
 * Engine: makes partitions run. Threads, the commit pipeline, loading and eviction, timers,
 * activities, the mailbox.
 *
 * Threads: one per partition (core and orchestrator turns), one that commits for all partitions,
 * a pool for activities, one that listens to the mailbox; while they are needed, one that looks
 * after limits of time, and one that forgets what ended long ago. Orchestrator turns run on the
 * partition's thread without waiting for the disk; replies, letters to other partitions and
 * activities wait for the commit that holds what they depend on. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <perdure.h>

#include "base/histogram.h"
#include "core/core.h"
#include "core/turn.h"
#include "store/store.h"

struct engine;
struct command;

/* How long the entities of a name are kept after they were changed last. */
struct entity_keep {
    struct text name; /* in lower case; absent: all those that no other row names */
    int64_t keep_ms;  /* 0: for ever */
};

struct engine_options {
    unsigned activity_threads;              /* 0: one per processor */
    size_t residents_max;                   /* in memory; 0: 20,000; of entities as many more */
    unsigned crashes_max;                   /* then what ran each time is quarantined; 0: 3 */
    int64_t keep_ms[RUN_TERMINATED + 1];    /* by final state: forgotten so long after; 0: never */
    const struct entity_keep *entity_keeps; /* borrowed until engine_start returns */
    size_t entity_keep_count;
    bool keeps_empty_entities;         /* until they are purged */
    const struct announcer *announcer; /* asked by threads of partitions; borrowed; NULL: none */
    /* Instances of these names are forgotten, however they ended, so long after it: whoever made
     * them did not do it. Borrowed until engine_start returns. */
    const struct text *passing_names;
    size_t passing_name_count;
    /* Likewise those that completed; what failed is to be looked at, and rewound: it has 168 times
     * as long, a week for an hour. */
    const struct text *passing_completed;
    size_t passing_completed_count;
    int64_t passing_keep_ms; /* 0: an hour */
    /* Told of the endings of each commit, once it is durable, on the thread that committed; may not
     * block, and copies what it keeps. NULL: nobody is. */
    void (*ended)(void *argument, const struct ending *endings);
    void *ended_argument;
};

/* Owns every partition of the store (PD_E_STATE: another process does) and starts to recover in
 * the background. Store and runner are borrowed until engine_stop returns. */
struct engine *engine_start(struct store *store, struct runner *runner,
                            const struct engine_options *options, pd_error *err);

/* Takes no new commands (PD_E_CANCELLED), lets running activities end for at most drain_ms, commits
 * what there is, joins every thread, disowns. NULL is fine. */
void engine_stop(struct engine *engine, int64_t drain_ms);

/* Starts instances; returns when all that could be started are durable. Arguments were validated.
 * An absent execution_id is minted. ret_statuses[i] (may be NULL) tells each one's fate; the
 * result is the first failure. Any thread; blocks. */
pd_status engine_start_instances(struct engine *engine, const struct start_command *commands,
                                 size_t count, pd_status *ret_statuses, pd_error *err);

/* Says something to each of some instances; returns when all that could be said is durable.
 * ret_statuses[i] (may be NULL) tells each one's fate; the result is the first failure. The kinds
 * up to MESSAGE_ADOPT, OPERATION (signals), UNLOCK and CANCEL_SIGNAL (PD_E_NOT_FOUND also when no
 * such signal waits), as store->accept refuses and takes them (store.h). Any thread; blocks. */
pd_status engine_tell(struct engine *engine, const struct letter *letters, size_t count,
                      pd_status *ret_statuses, pd_error *err);

/* How the store does: as long as the engine runs, of the time since it started. */
struct engine_state {
    struct histogram commits; /* how long they took, those that failed too */
    uint64_t failed_commits;
    bool is_in_trouble; /* it cannot be used: that is tried again and again, and `why` says why */
    pd_error why;
};
void engine_state(struct engine *engine, struct engine_state *ret);

/* Waiting for the end of an instance: register, look in the store, wait, unregister. A watch that
 * was registered before the instance ended is signalled when the ending is durable. */
struct watch;
struct watch *engine_watch(struct engine *engine, struct text id);
bool engine_watch_wait(struct watch *watch,
                       int64_t max_ms); /* true: it ended, or the engine stopped: look again */
void engine_unwatch(struct engine *engine, struct watch *watch);

/* From now on every watch is signalled, for good: so that whoever waits goes away before
 * engine_stop, which needs that no watch is left. Any thread. */
void engine_end_watches(struct engine *engine);

/* ---- without waiting --------------------------------------------------------------------------
 *
 * For whoever serves many from one thread, and for runners that answer later (T8). A request is
 * made with request_new; what is asked lies in its arena, or lives until it is answered. It is
 * answered once, when what it did is durable or it was refused, by a call of `answered` on some
 * thread of the engine, which must not block: the request is the callee's again, to be used or
 * freed. PD_E_CANCELLED: the engine is being stopped; nothing was done, or it is not known: then
 * the call may come on the thread that asks, before it gets back.
 *
 * All requests have been answered when engine_stop returns, and none may be made then. What a
 * runner has not ended by that time is forgotten: turns are offered by the next engine, and
 * activities, which are the runner's to free, dispatched. */
struct request {
    struct command *command; /* the engine's */
    struct arena arena;
    void (*answered)(struct request *, pd_status status, const pd_error *err);
    void *argument; /* the caller's */
};
struct request *request_new(void (*answered)(struct request *, pd_status, const pd_error *),
                            void *argument);
void request_free(struct request *request); /* not while it is asked; NULL is fine */

/* As engine_start_instances and engine_tell, of one. Any thread. */
void engine_ask_start(struct engine *engine, struct request *request,
                      const struct start_command *command);
void engine_ask_tell(struct engine *engine, struct request *request, const struct letter *letter);

/* The end of a turn that was taken with RUNNER_LATER. A ticket of a turn that is not open any more
 * (it has been ended or given back, its instance has ended, the partition began again): PD_OK, at
 * once, and nothing happens. A result that does not fit (core_takes_result) fails the instance, or
 * the operations, as one of RUNNER_DONE does. It may be asked from within the runner's own call,
 * but takes effect after that. */
void engine_end_turn(struct engine *engine, struct request *request, struct turn_ticket ticket,
                     const struct turn_result *result);
void engine_end_entity_turn(struct engine *engine, struct request *request,
                            struct turn_ticket ticket, const struct entity_result *result);
/* Gives it back: it is offered again soon. */
void engine_return_turn(struct engine *engine, struct request *request, struct turn_ticket ticket);
/* Gives it back, and calls for it when there is room for it: until then nothing of it need be in
 * memory (T9). Rows of the partition, in the order in which their turns are to come; they live
 * until the request is answered, and then have been offered, or are soon. Of one that is over, or
 * open, nothing comes. */
void engine_leave_turn(struct engine *engine, struct request *request, struct turn_ticket ticket);
void engine_call_turns(struct engine *engine, struct request *request, unsigned partition,
                       const uint64_t *rows, size_t count);
/* Of activities that were dispatched by the partition's life of that epoch, and freed by
 * the runner: the step ids[i] of rows[i]; best with what is of one row side by side, as its history
 * is read once then. Those that are wanted still have been dispatched again when it is answered; of
 * another life nothing comes. One that the runner has not freed would run twice. */
void engine_call_activities(struct engine *engine, struct request *request, unsigned partition,
                            uint64_t epoch, const uint64_t *rows, const int32_t *ids, size_t count);
/* Likewise, of an orchestration that is not to be run any more: it is suspended with that failure,
 * until somebody resumes it. */
void engine_quarantine_turn(struct engine *engine, struct request *request,
                            struct turn_ticket ticket, const struct failure *failure);

/* The result of an activity that runner->dispatch took. Takes the activity. That one is wanted no
 * more is no error.
 *
 * An activity that was dispatched has its limits of time kept by who runs it: a time-out is such a
 * result, too (engine_word_timeout). So the activity is given up with it, and what is heard of it
 * later belongs to nothing. The time of start_ms runs from the call of dispatch, that of run_ms
 * from when a worker has it, that of beat_ms from then and from each heartbeat. */
void engine_end_activity(struct engine *engine, struct request *request, struct activity *activity,
                         const struct activity_result *result);
/* It lives, and has come so far (activity_host_ops.beat). Does not take it. *ret_wanted, set before
 * the answer: false when nobody waits for it any more. */
void engine_beat_activity(struct engine *engine, struct request *request,
                          const struct activity *activity, struct text progress, bool *ret_wanted);

/* The failure of an activity that is over that limit of its time; in the arena. */
enum time_limit { TIME_TO_START, TIME_TO_RUN, TIME_TO_BEAT };
const struct failure *engine_word_timeout(struct arena *arena, const struct activity *activity,
                                          enum time_limit limit);

/* A new random id: 32 lower-case hexadecimal digits that sort by time of creation. Any thread. */
void engine_new_id(char ret[33]);

#endif
