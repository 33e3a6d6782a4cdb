/* SPDX-License-Identifier: MIT
 *
 * The spy: between the partitions and the author, remembers what turns were given and asked for.
 *
 * A turn that ends with continue-as-new leaves no history; what it took in and asked for is known
 * only here. Of each turn the latest run is kept: when one is committed that is the one, because
 * whoever ran it before has lost it.
 *
 * Batches of operations leave no history at all. Each is kept for the batch of the store that it
 * must be in: the next that its partition cuts. When the partition begins again they are lost. */
#ifndef SIM_SPY_H
#define SIM_SPY_H

#include "base/map.h"
#include "core/turn.h"

struct spy_turn {
    uint64_t number;
    struct text execution_id;
    time_us now;                /* of the process */
    const struct event *events; /* copies */
    size_t event_count;
    const struct action *actions; /* copies, without failures */
    size_t action_count;
    struct text status;
    bool is_committed;
};

/* A batch of operations. All of it copies. */
struct spy_run {
    struct spy_run *next;
    struct text id, state; /* state: as it was given */
    uint64_t row;
    time_us now, at; /* of the process; of the turn */
    const struct event *operations;
    size_t count; /* those that were run */
    const struct spy_answer {
        struct text payload, failure_type;
    } * answers;
    const struct action *actions;
    size_t action_count;
};

struct spy_runs {
    struct spy_run *first, **last;
    uint64_t batch; /* in which they were cut; 0: not yet */
};

struct spy {
    struct runner runner; /* what the partitions see */
    struct map turns;
    struct spy_runs runs[64], cut[64]; /* of each partition: since the last cut; in the work out */
};

struct sim;

/* What a turn that is ended now was given and asked for; and its parts, without failures and
 * extras. All of it copies. */
void spy_remember(struct sim *sim, const struct turn *turn, const struct turn_result *result);
void spy_remember_run(struct sim *sim, const struct turn *turn, const struct entity_result *result);
const struct event *spy_copy_events(struct sim *sim, const struct event *events, size_t count);
void spy_copy_action(struct sim *sim, struct action *copy, const struct action *action);

void spy_init(struct sim *sim);
void spy_done(struct sim *sim);
/* The partition has cut a batch of this number. */
void spy_cut(struct sim *sim, unsigned partition, uint64_t batch);
/* What is in it, in the order it was run. */
const struct spy_run *spy_runs_of(const struct sim *sim, const struct batch *batch);
struct spy_turn *spy_find(const struct sim *sim, struct text execution_id, uint64_t number);

#endif
