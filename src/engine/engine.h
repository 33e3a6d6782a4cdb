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

#include "core/core.h"
#include "core/turn.h"
#include "store/store.h"

struct engine;

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
    bool keeps_empty_entities; /* until they are purged */
    struct text passing_name;  /* instances of this name are forgotten, however they ended, so
                                    long after it: whoever made them did not do it. Absent: none */
    int64_t passing_keep_ms;   /* 0: an hour */
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

/* A new random id: 32 lower-case hexadecimal digits that sort by time of creation. Any thread. */
void engine_new_id(char ret[33]);

#endif
