/* SPDX-License-Identifier: MIT
 *
 * What entity.c, which runs operations, and operation.c, which has what they may call, share. */
#ifndef AUTHOR_ENTITY_H
#define AUTHOR_ENTITY_H

#include "author/author_priv.h"

enum { ENTITY_MAGIC = 0x656e7479 };

/* The state of an entity as its code sees it. */
struct entity_state {
    bool is_present;
    bool is_parsed;  /* false: it is the turn's text, which nobody has looked at */
    bool is_changed; /* since the batch began */
    uint8_t arena;   /* in which of the two `value` lives */
    pd_value value;
};

/* One for a shard: whichever entity has operations is this one while they run. */
struct pd_entity {
    uint32_t magic;
    struct shard *shard;
    struct co *co;

    /* Of the batch. */
    const struct turn *turn;
    struct arena *turn_arena;
    const pd_function *function; /* NULL: not in the program */
    time_us now;
    size_t next; /* event of the turn */
    struct operation_result *results;
    size_t result_count;
    size_t bytes; /* of payloads that go out */
    struct entity_state state;
    struct arena states[2]; /* E2 */
    struct buffer json;     /* the state as text, if is_written */
    bool is_written;

    /* Of the operation. */
    const struct event *event; /* NULL: none */
    const struct outcome *outcome;
    struct entity_state before;
    size_t actions_before;
    struct arena arena;
    struct pd_mem mem;
    const char *op, *name, *key; /* NULL until asked for */
};

#endif
