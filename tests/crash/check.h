/* SPDX-License-Identifier: MIT
 *
 * What the two files of the check share. See crash.h. */
#ifndef CRASH_CHECK_H
#define CRASH_CHECK_H

#include "crash.h"

enum finding {
    ACKNOWLEDGED_STARTS_COMPLETED,
    OTHERS_WHOLE_OR_NOT_AT_ALL,
    RESULTS_ONCE_IN_HISTORY,
    ACTIVITIES_RAN,
    NOTHING_RAN_UNASKED,
    ACKNOWLEDGED_EVENTS_DELIVERED,
    NOTHING_ELSE_IN_THE_STORE,
    ORDERS_TOOK_EFFECT,
    SIGNALS_ONCE_AND_IN_ORDER,
    SIGNALS_IN_THEIR_TIME,
    CALLS_ONCE,
    LOCKS_EXCLUDE,
    NOTHING_LEFT_OF_ENTITIES,
    STORE_IS_SOUND,
    FINDINGS
};

struct check {
    const struct crash_place *place;
    pd_hub *hub;
    struct lines tried, acked, told, raised, ticks[3], purges, purged, runs, asked, cancelled;
    size_t starts, run_count, found;
    int64_t patience_ms; /* for all waits together: a failure must not take for ever */
    unsigned wrong[FINDINGS];
};

void __attribute__((format(printf, 3, 4)))
crash_find(struct check *c, enum finding finding, const char *format, ...);

/* When all instances have ended: waits until nothing waits for entities either, and checks them. */
void crash_check_entities(struct check *c);

#endif
