/* SPDX-License-Identifier: MIT
 *
 * A partition at work: core, store and runner put together, without threads and without a clock.
 *
 * This is the engine's logic, and what the simulator runs: every call says what time it is, nothing
 * waits, and the order of calls is the only source of nondeterminism. Whoever drives it (a thread
 * in pump.c, a seed in tests/sim) does four things in any order:
 *
 *     partition_apply        a command has arrived
 *     partition_run          go on: turns, timers, messages, recovery
 *     partition_cut          take what is to be made durable; commit it; work_release
 *     partition_committed    hear how the commit went
 *
 * and, for each partition in the batch's `mailed`, partition_notice_mail after the commit, also
 * when that says it failed: it may have been made all the same.
 *
 *   P1  Works of a partition are committed in the order they were cut, one after the other.
 *   P2  Nothing leaves the partition except in a work, after its commit; a refusal not before all
 *       that it rests on is durable.
 *   P3  After a failed commit the partition is thrown away (core, kept stacks, answers that wait)
 *       and begins again from the store; until the store lets it, it is down: client commands are
 *       refused with the store's error, results of activities are kept.
 *   P4  An instance that is not resident is looked for in the store before a command about it is
 *       applied: core never guesses.
 *   P5  During recovery an instance that the scan has not reached yet is admitted with its open
 *       activities dispatched again, once; later admissions do not dispatch.
 *   P6  Letters of core are delivered, or in a mailbox, in the batch in which they were made. While
 *       the store fails to say to whom, they wait in their order, and nothing is cut.
 *   P7  A transactional activity claims its step before its transaction begins: it gets it once in
 *       the life of a core, while the step is open, and not before the results that earlier lives
 *       recorded have been received. From then to its result nothing else ends the step by itself
 *       (a time-out; what the instance's own code does, or a client, still does); nor does a
 *       time-out before those results have been received.
 *   P8  The runner is told of every row that ends, is replaced or begins anew other than by a turn
 *       that it ran to that end.
 *   P9  What was running each of the last so many times that the process died is not run: a step
 *       fails when recovery would dispatch it, an instance is suspended before its turn, the
 *       operations that an entity's turn holds fail (board.h). */
#ifndef ENGINE_PARTITION_H
#define ENGINE_PARTITION_H

#include <perdure.h>

#include "base/time.h"
#include "core/core.h"
#include "core/turn.h"
#include "engine/command.h"
#include "store/store.h"

struct partition;
struct engine_board;

struct partition_options {
    struct store *store;
    struct runner *runner;
    struct engine_board *board; /* NULL: nothing is ever suspected */
    unsigned number;
    uint64_t seed;        /* of ids that core makes */
    size_t residents_max; /* and of entities that wait for nothing as many more, at most */
    size_t slice_max;     /* of turns, timers, messages, rows at a time; 0: as many as usual */
    bool keeps_empty;     /* as in core_options; likewise: */
    const struct announcer *announcer;
};

/* One commit's worth: a batch, and the commands that are answered when it is durable. */
struct work {
    struct work *next;
    struct partition *partition;
    struct batch *batch;
    struct command *answers;
    pd_status status; /* of the commit */
    pd_error error;
};

/* Owns the partition in the store. PD_E_STATE: another process does. */
struct partition *partition_new(const struct partition_options *options, time_us now,
                                pd_error *err);

/* The board has been opened: turns are written there from now on. */
void partition_watch(struct partition *partition);

/* Answers what waits with PD_E_CANCELLED (claims with PD_E_LEASE_LOST), disowns. */
void partition_free(struct partition *partition);

/* These commands come next, at most count of the list: a hint. */
void partition_expect(struct partition *partition, const struct command *command, size_t count);

void partition_apply(struct partition *partition, time_us now, struct command *command);

/* There may be messages in the mailbox: another process said so, or a commit (batch.mailed). */
void partition_notice_mail(struct partition *partition);

/* At most a slice of work, so that the driver can look at its queue and cut in between. True: call
 * again, there is more; false: nothing until a command, a commit, or partition_wake_at. */
bool partition_run(struct partition *partition, time_us now);

/* The next partition_run will own the partition in the store, after a failure: the driver sees to
 * it that no commit is under way meanwhile, of any partition. */
bool partition_is_to_own(const struct partition *partition, time_us now);

/* While held, recovery admits no further instances: the driver has activities enough. */
void partition_hold_recovery(struct partition *partition, bool hold);

/* Of its present life; 0: down. When it changes, activities of before that have not begun need not:
 * they are dispatched again. */
uint64_t partition_epoch(const struct partition *partition);

/* Why the store cannot be used, while that is tried again and again; NULL: it can. */
const pd_error *partition_trouble(const struct partition *partition);

/* When partition_run should be called although nothing arrived; TIME_NEVER: need not. */
time_us partition_wake_at(const struct partition *partition);

/* NULL: nothing to commit. At most one work is out at a time (P1). */
struct work *partition_cut(struct partition *partition);

/* Answers the commands with work->status, and frees them. Any thread, once, after the commit. The
 * activities stay in the batch for the driver to take. */
void work_answer(struct work *work);

/* The end of a work: consumes it. The driver has taken the batch's activities, or they are freed.
 * */
void partition_committed(struct partition *partition, time_us now, struct work *work);

/* There has been nothing to do for a while: gives back memory that is only kept for speed. */
void partition_trim(struct partition *partition);

/* Drops residents down to `keep`, as far as durability allows. */
void partition_evict(struct partition *partition, size_t keep);

struct partition_counters {
    struct core_counters core;
    size_t claims; /* of transactions, whose results have not come */
    uint64_t loads, history_loads, postponed, resets, recovered, corrupt;
    size_t residents;
    bool is_down, is_recovering;
};
struct partition_counters partition_counters(const struct partition *partition);

#endif
