/* SPDX-License-Identifier: MIT
 *
 * A past (core/turn.h) over events that a test has in memory, cut into turns where they begin.
 *
 * Each turn is handed out in memory that the next one overwrites, as a past read from a store would
 * be: so what is kept of it for too long shows. */
#ifndef TESTS_PAST_H
#define TESTS_PAST_H

#include <string.h>

#include "base/base.h"
#include "core/rewrite.h"
#include "core/turn.h"

struct told_past {
    struct past base;
    const struct turn_events *turns;
    struct event *scratch;
    size_t most;      /* events of the largest turn */
    size_t broken_at; /* this turn cannot be read */
    struct arena arena;
};

static inline bool told_past_read(struct past *base, size_t at, struct turn_events *ret)
{
    struct told_past *past = CONTAINER_OF(base, struct told_past, base);
    assert_that(at < base->turn_count);
    const struct turn_events *turn = &past->turns[at];
    memset(past->scratch, '!', past->most * sizeof *past->scratch);
    if (at == past->broken_at) {
        return false;
    }
    memcpy(past->scratch, turn->events, turn->count * sizeof *past->scratch);
    *ret = (struct turn_events){ past->scratch, turn->count };
    return true;
}

static inline void told_past_init(struct told_past *past, const struct event *events, size_t count)
{
    *past = (struct told_past){ .base = { .read = told_past_read }, .broken_at = SIZE_MAX };
    arena_init(&past->arena);
    rewrite_split(events, count, &past->arena, &past->turns, &past->base.turn_count);
    for (size_t i = 0; i < past->base.turn_count; i++) {
        past->most = past->turns[i].count > past->most ? past->turns[i].count : past->most;
    }
    past->scratch = mem_alloc((past->most + 1) * sizeof *past->scratch);
}

static inline void told_past_done(struct told_past *past)
{
    mem_free(past->scratch);
    arena_done(&past->arena);
}

#endif
