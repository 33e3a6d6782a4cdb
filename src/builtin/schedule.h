/* SPDX-License-Identifier: MIT
 *
 * How a schedule stands, and its JSON: the state of its entity, and what is put.
 *
 * The next version of Perdure reads what this one wrote, this one may have to read what the next
 * one wrote, and somebody may mend a hub by hand. So:
 *
 *   F1  A state is always read: what is missing, or of another kind, is as if it was not said; what
 *       cannot be done without is made up for, so that no time is met twice and the rest goes on.
 *   F2  What a state has beside is kept for who understands it, until the schedule is put anew.
 *   F3  What is put is refused when it is not understood, or would keep an instance from starting:
 *       the operation that cannot start one fails, and nothing would wake the schedule again. */
#ifndef BUILTIN_SCHEDULE_H
#define BUILTIN_SCHEDULE_H

#include <perdure.h>

#include "base/text.h"

enum { SCHEDULE_ID_CHARACTERS = 200 };

struct schedule {
    /* as it was put; times in milliseconds, 0: none */
    const char *rule, *zone, *orchestrator, *version, *overlap, *missed;
    pd_value input, tags;
    long long begins, ends, missed_max;
    /* what it has come to */
    const char *status, *signal, *running, *problem;
    long long anchor, met, next, generation, buffered, triggered; /* 0: none */
    long long started, skipped, late;
    pd_value last;
    pd_value other; /* the state that it was read from: F2 */
};

struct schedule schedule_read(pd_entity *e); /* F1; it has a state */
void schedule_write(pd_entity *e, const struct schedule *s);

/* What is wrong with its ID, of which the IDs of its instances are made; NULL: nothing. */
const char *schedule_id_flaw(struct text id);

/* What was put replaces what is of it in *s. NULL, or what is wrong (F3): then *s is unusable. */
const char *schedule_take(pd_entity *e, pd_value put, struct schedule *s);

#endif
