/* SPDX-License-Identifier: MIT
 *
 * Making programs, and the checksums of what they see. See program.h. */
#include <string.h>

#include "base/random.h"
#include "program.h"

const char *const sim_event_names[SIM_NAMES] = { "go", "Approved", "a name with \"quotes\"" };
const char *const sim_event_aliases[SIM_NAMES] = { "GO", "approved", "a NAME with \"quotes\"" };

/* ---- making ---- */

/* On both sides of the engine's window of 300 s, and far beyond. */
static const int64_t delays_ms[] = {
    0,      0,      1,      2,       50,        1000,     1000,
    60000,  299000, 300000, 301000,  3600000,   -3600000, 86400000 * INT64_C(40),
    299999, 300001, 599999, 1200000, 86400000L, -1,
};

enum { DELAYS = sizeof delays_ms / sizeof *delays_ms };

static void make_leaf(struct random *random, struct leaf *leaf, bool may_fail)
{
    uint64_t kind = random_below(random, 10);
    *leaf = (struct leaf){ .kind = LEAF_ACTIVITY };
    leaf->number = (int64_t)random_below(random, 100000);
    if (kind < 2) {
        leaf->kind = LEAF_TIMER;
        leaf->delay_ms = delays_ms[random_below(random, DELAYS)];
    } else if (kind < 4) {
        leaf->kind = LEAF_EVENT;
        leaf->name = (unsigned)random_below(random, SIM_NAMES);
    } else {
        leaf->fails = may_fail && random_chance(random, 1, 6);
        leaf->is_unknown = leaf->fails && random_chance(random, 1, 4);
        leaf->has_version = random_chance(random, 1, 4);
    }
    if (random_chance(random, 1, 4)) {
        leaf->follow = 1 + (unsigned)random_below(random, FOLLOW_MAX);
    }
}

static void make_order(struct random *random, struct op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        op->order[i] = (uint8_t)i;
    }
    for (size_t i = op->count; i > 1; i--) {
        size_t with = (size_t)random_below(random, i);
        uint8_t other = op->order[with];
        op->order[with] = op->order[i - 1];
        op->order[i - 1] = other;
    }
}

static void make_op(struct random *random, struct op *op)
{
    uint64_t kind = random_below(random, 10);
    *op = (struct op){ .kind = OP_CALL };
    if (kind < 4) {
        op->count = 1;
        make_leaf(random, &op->leaves[0], true);
        return;
    }
    if (kind == 4) {
        op->kind = random_chance(random, 1, 2) ? OP_NOW : OP_COLLECT;
        return;
    }
    op->kind = OP_FAN;
    op->join = (enum join)random_below(random, JOIN_LATER + 1);
    op->count = 1 + (size_t)random_below(random, random_chance(random, 1, 4) ? FAN_MAX : 5);
    for (size_t i = 0; i < op->count; i++) {
        make_leaf(random, &op->leaves[i], op->join != JOIN_AWAIT_ALL);
    }
    make_order(random, op);
    if (random_chance(random, 1, 6)) { /* timers that are due together */
        int64_t delay = delays_ms[random_below(random, DELAYS)];
        for (size_t i = 0; i < op->count; i++) {
            op->leaves[i].kind = LEAF_TIMER;
            op->leaves[i].fails = op->leaves[i].is_unknown = false;
            op->leaves[i].delay_ms = delay;
        }
    }
}

void program_make(struct program *program, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed);
    memset(program, 0, sizeof *program);
    program->is_racy = random_chance(&random, 1, 4);
    program->op_count = (size_t)random_below(&random, OPS_MAX + 1);
    for (size_t i = 0; i < program->op_count; i++) {
        make_op(&random, &program->ops[i]);
    }
    uint64_t ending = random_below(&random, 12);
    program->ending = ending == 0   ? ENDS_WITH_FAIL
                      : ending == 1 ? ENDS_WITH_RAISE
                      : ending == 2 ? ENDS_BY_AWAIT
                                    : ENDS_WELL;
    program->number = (int64_t)random_below(&random, 100000);
}

/* ---- checksums ---- */

uint64_t hash_mix(uint64_t hash, uint64_t value)
{
    uint64_t x = (hash ^ value) + 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    hash = hash_mix(hash, size);
    for (size_t i = 0; i < size;) {
        uint64_t word = 0;
        size_t n = size - i < sizeof word ? size - i : sizeof word;
        memcpy(&word, at + i, n);
        hash = hash_mix(hash, word);
        i += n;
    }
    return hash;
}

uint64_t hash_null(void)
{
    return hash_mix(1, 1);
}

uint64_t hash_bool(bool value)
{
    return hash_mix(2, value);
}

uint64_t hash_int(int64_t value)
{
    return hash_mix(3, (uint64_t)value);
}

uint64_t hash_real(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return hash_mix(4, bits);
}

uint64_t hash_text(const char *text)
{
    return hash_bytes(5, text, strlen(text));
}

uint64_t hash_many(uint64_t kind, size_t count)
{
    return hash_mix(hash_mix(6, kind), count);
}
