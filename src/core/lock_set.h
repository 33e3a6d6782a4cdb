/* SPDX-License-Identifier: MIT
 *
 * Lock sets: the entities of one critical section, as one text.
 *
 * Each id is followed by a line feed, which no id can hold. In order means: ids ascend as bytes and
 * are different. All critical sections take their locks in this one order, so that no two of them
 * can wait for each other (K1). */
#ifndef CORE_LOCK_SET_H
#define CORE_LOCK_SET_H

#include "base/arena.h"
#include "base/text.h"

/* From the start with *cursor 0. False: no more. */
bool lock_set_next(struct text set, size_t *cursor, struct text *ret_id);
size_t lock_set_count(struct text set);
/* False: it has not so many. */
bool lock_set_at(struct text set, size_t index, struct text *ret_id);
bool lock_set_has(struct text set, struct text id);

/* In the arena: in order, each id as entity_id_fold makes it. */
struct text lock_set_make(struct arena *arena, const struct text *ids, size_t count);
struct text lock_set_order(struct arena *arena, struct text set);

#endif
