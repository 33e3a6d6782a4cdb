/* SPDX-License-Identifier: MIT
 *
 * Making programs, and the checksums of what they see. See program.h. */
#include <inttypes.h>
#include <stdio.h>
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

/* How a program is made: what depends on where it stands. */
struct making {
    struct random random;
    bool is_racy;
    unsigned depth;
};

static bool chance(struct making *making, uint64_t numerator, uint64_t denominator)
{
    return random_chance(&making->random, numerator, denominator);
}

static uint64_t below(struct making *making, uint64_t n)
{
    return random_below(&making->random, n);
}

static void make_policy(struct making *making, struct policy *policy)
{
    static const int64_t delays[] = { 0, 0, 1, 1000, 200000, 400000 };
    policy->attempts_max = 2 + (int)below(making, 3);
    policy->refused_from = chance(making, 1, 3) ? 1 + (int)below(making, 4) : 0;
    policy->delay_ms = delays[below(making, sizeof delays / sizeof *delays)];
    policy->backoff = chance(making, 1, 2) ? 2.5 : 0;
    policy->jitter = chance(making, 1, 2) ? 0.5 : 0;
}

static void make_activity(struct making *making, struct leaf *leaf, bool may_fail)
{
    leaf->kind = LEAF_ACTIVITY;
    leaf->fails = may_fail && chance(making, 1, 6);
    leaf->is_unknown = leaf->fails && chance(making, 1, 4);
    leaf->is_final = leaf->fails && chance(making, 1, 3);
    leaf->has_version = chance(making, 1, 4);
    leaf->pays = !leaf->is_unknown && chance(making, 1, 6);
    leaf->has_limits = making->is_racy && may_fail && chance(making, 1, 3);
    if (!leaf->pays && chance(making, 1, 4)) {
        make_policy(making, &leaf->retry);
        if (!leaf->fails && may_fail) {
            leaf->failures = (int)below(making, 4);
        }
    }
}

static void make_child(struct making *making, struct leaf *leaf)
{
    leaf->kind = LEAF_CHILD;
    leaf->seed = below(making, UINT64_C(1) << 53);
    leaf->is_named = chance(making, 1, 3);
    if (chance(making, 1, 3)) {
        make_policy(making, &leaf->retry);
    }
}

static void make_leaf(struct making *making, struct leaf *leaf, bool may_fail)
{
    uint64_t kind = below(making, 11);
    *leaf = (struct leaf){ .number = (int64_t)below(making, 100000) };
    if (kind < 2) {
        leaf->kind = LEAF_TIMER;
        leaf->delay_ms = delays_ms[below(making, DELAYS)];
    } else if (kind < 4 && making->depth == 0) {
        leaf->kind = LEAF_EVENT;
        leaf->name = (unsigned)below(making, SIM_NAMES);
    } else if (kind == 4 && may_fail && making->depth < DEPTH_MAX) {
        make_child(making, leaf);
    } else {
        make_activity(making, leaf, may_fail);
    }
    if (may_fail && (leaf->kind != LEAF_EVENT || making->is_racy) && chance(making, 1, 10)) {
        leaf->is_cancelled = true;
    }
    if (chance(making, 1, 4)) {
        leaf->follow = 1 + (unsigned)below(making, FOLLOW_MAX);
    }
}

static void make_order(struct making *making, struct op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        op->order[i] = (uint8_t)i;
    }
    for (size_t i = op->count; i > 1; i--) {
        size_t with = (size_t)below(making, i);
        uint8_t other = op->order[with];
        op->order[with] = op->order[i - 1];
        op->order[i - 1] = other;
    }
}

static void make_fan(struct making *making, struct op *op)
{
    op->kind = OP_FAN;
    op->join = (enum join)below(making, JOIN_LATER + 1);
    op->count = 1 + (size_t)below(making, chance(making, 1, 4) && making->depth == 0 ? FAN_MAX : 5);
    for (size_t i = 0; i < op->count; i++) {
        make_leaf(making, &op->leaves[i], op->join != JOIN_AWAIT_ALL);
    }
    make_order(making, op);
    if (chance(making, 1, 6)) { /* timers that are due together */
        int64_t delay = delays_ms[below(making, DELAYS)];
        for (size_t i = 0; i < op->count; i++) {
            unsigned follow = op->leaves[i].follow;
            op->leaves[i] =
                (struct leaf){ .kind = LEAF_TIMER, .delay_ms = delay, .follow = follow };
        }
    }
}

/* What takes no time. */
static void make_aside(struct making *making, struct op *op)
{
    static const enum op_kind kinds[] = { OP_NOW,    OP_COLLECT, OP_SAY, OP_CHANGED,
                                          OP_CHANCE, OP_SEND,    OP_SEND };
    op->kind = kinds[below(making, sizeof kinds / sizeof *kinds)];
    op->number = (unsigned)below(making, 64);
    op->receiver = (enum receiver)below(making, SEND_PARENT + 1);
}

static void make_op(struct making *making, struct op *op)
{
    uint64_t kind = below(making, 12);
    *op = (struct op){ .kind = OP_CALL };
    if (kind < 4) {
        op->count = 1;
        make_leaf(making, &op->leaves[0], true);
    } else if (kind < 7) {
        make_aside(making, op);
    } else if (kind == 7 && making->is_racy) {
        op->kind = OP_EVENT_FOR;
        op->number = (unsigned)below(making, 64);
        op->leaves[0].delay_ms = delays_ms[below(making, DELAYS)];
    } else {
        make_fan(making, op);
    }
}

static void make_ending(struct making *making, struct program *program)
{
    static const enum ending_kind endings[] = { ENDS_WITH_FAIL, ENDS_WITH_RAISE, ENDS_BY_AWAIT,
                                                ENDS_BY_AWAIT_ALL, ENDS_BY_CHILD };
    uint64_t ending = below(making, 11);
    if (chance(making, 1, 2)) {
        make_policy(making, &program->retry);
    }
    program->ending = ending < 5 ? endings[ending] : ENDS_WELL;
    program->number = (int64_t)below(making, 100000);
    program->failing = 1 + (unsigned)below(making, (1 << AWAIT_ALL_COUNT) - 1);
}

/* Before it continues, a program that is not racy has taken all events that it asked for. */
static void make_continuation(struct making *making, struct program *program)
{
    program->ending = CONTINUES;
    program->has_version = chance(making, 1, 3);
    program->drops_events = program->is_racy && chance(making, 1, 3);
    if (!program->is_racy && program->op_count == OPS_MAX) {
        program->op_count--;
    }
    if (!program->is_racy) {
        program->ops[program->op_count++] = (struct op){ .kind = OP_COLLECT };
    }
}

void program_make(struct program *program, const struct position *position)
{
    struct making making = { .depth = position->depth };
    random_seed(&making.random, position->seed);
    memset(program, 0, sizeof *program);
    making.is_racy = position->depth == 0 && chance(&making, 1, 4);
    program->is_racy = making.is_racy;
    unsigned rounds = chance(&making, 1, 4) ? 2 + (unsigned)below(&making, 2) : 1;
    random_seed(&making.random, hash_mix(position->seed, position->round));
    program->op_count = (size_t)below(&making, (position->depth == 0 ? OPS_MAX : 3) + 1);
    for (size_t i = 0; i < program->op_count; i++) {
        make_op(&making, &program->ops[i]);
    }
    program->litters_first = chance(&making, 1, 6);
    program->litters_last = chance(&making, 1, 8);
    make_ending(&making, program);
    if (position->round + 1 < rounds) {
        make_continuation(&making, program);
    }
}

bool position_read(const char *input, struct position *ret)
{
    *ret = (struct position){ 0 };
    return sscanf(input,
                  "{\"seed\":%" SCNu64 ",\"depth\":%u,\"round\":%u,\"sure\":\"%" SCNx64
                  "\",\"sum\":\"%" SCNx64 "\"}",
                  &ret->seed, &ret->depth, &ret->round, &ret->sure, &ret->sum) >= 1;
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
