/* SPDX-License-Identifier: MIT
 *
 * The spy: between the partitions and the author, remembers what turns were given and asked for.
 *
 * A turn that ends with continue-as-new leaves no history; what it took in and asked for is known
 * only here. Of each turn the latest run is kept: when one is committed that is the one, because
 * whoever ran it before has lost it. */
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

struct spy {
    struct runner runner; /* what the partitions see */
    struct map turns;
};

struct sim;

void spy_init(struct sim *sim);
void spy_done(struct sim *sim);
struct spy_turn *spy_find(const struct sim *sim, struct text execution_id, uint64_t number);

#endif
