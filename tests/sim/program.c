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

const struct sim_entity sim_entities[SIM_ENTITIES] = {
    { "box", "BOX", "", "@box@" },
    { "box", "Box", "b", "@box@b" },
    { "box", "bOX", "Third@x \xc3\xa9", "@box@Third@x \xc3\xa9" },
    { "account", "Account", "1", "@account@1" },
    { "account", "ACCOUNT", "2", "@account@2" },
    { "account", "accounT", "3", "@account@3" },
    { "account", "account", "4", "@account@4" },
    { "nobody", "NoBody", "1", "@nobody@1" },
};
const char *const sim_deeds[DEED_COUNT] = {
#define X(deed, name, alias) name,
    DEED_MAP(X)
#undef X
};
const char *const sim_deed_aliases[DEED_COUNT] = {
#define X(deed, name, alias) alias,
    DEED_MAP(X)
#undef X
};

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
    bool is_racy, is_social; /* social: has to do with entities */
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

/* What is known of the answer beforehand: so only what does not depend on what others did. */
static void make_errand(struct making *making, struct errand *errand, bool may_fail)
{
    static const enum deed deeds[] = { DEED_ADD,  DEED_ADD,  DEED_ADD,   DEED_ADD,
                                       DEED_TELL, DEED_TELL, DEED_START, DEED_DELETE };
    *errand = (struct errand){
        .entity = (unsigned)below(making, SIM_BOXES),
        .deed = deeds[below(making, sizeof deeds / sizeof *deeds)],
        .value = (int64_t)below(making, 100000),
        .to = (unsigned)below(making, SIM_BOXES),
        .hops = (unsigned)below(making, HOPS_MAX + 1),
        .delay_ms = chance(making, 1, 3) ? (int64_t)below(making, 2000) : 0,
    };
    if (errand->deed == DEED_START && making->depth > 0) {
        errand->deed = DEED_ADD; /* or it would never end */
    }
    if (may_fail && chance(making, 1, 6)) {
        errand->how = chance(making, 2, 3) ? HOW_FAIL : HOW_LEAVE;
    }
    if (may_fail && chance(making, 1, 16)) {
        errand->entity = chance(making, 1, 2) ? SIM_STRANGER : SIM_BOXES;
        errand->deed = DEED_NOPE;
    }
}

static void make_leaf(struct making *making, struct leaf *leaf, bool may_fail)
{
    uint64_t kind = below(making, making->is_social ? 15 : 11);
    *leaf = (struct leaf){ .number = (int64_t)below(making, 100000) };
    if (kind >= 11) {
        leaf->kind = LEAF_ENTITY;
        make_errand(making, &leaf->errand, may_fail);
    } else if (kind < 2) {
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

/* ---- entities -------------------------------------------------------------------------------- */

/* Those of a client may be for anybody, and do anything. */
static void make_signal(struct making *making, struct op *op)
{
    struct leaf *leaf = &op->leaves[0];
    op->kind = OP_SIGNAL;
    make_errand(making, &leaf->errand, true);
    leaf->delay_ms = chance(making, 1, 2) ? delays_ms[below(making, DELAYS)] : 0;
    leaf->is_cancelled = chance(making, 1, 4);
    leaf->follow = leaf->is_cancelled ? (unsigned)below(making, 2) : 0; /* cancelled later */
}

static bool is_in_set(const struct op *op, unsigned entity)
{
    for (size_t i = 0; i < op->set_count; i++) {
        if (op->set[i] == entity) {
            return true;
        }
    }
    return false;
}

static void make_set(struct making *making, struct op *op)
{
    op->set_count = 1 + (size_t)below(making, SET_MAX);
    for (size_t i = 0; i < op->set_count; i++) {
        op->set[i] = (unsigned)below(making, chance(making, 1, 8) ? SIM_ENTITIES : SIM_BOXES);
    }
    op->is_transfer = chance(making, 1, 3);
    if (op->is_transfer) {
        op->set_count += op->set_count < 2;
        op->set[0] = SIM_BOXES + (unsigned)below(making, SIM_ACCOUNTS);
        op->set[1] =
            SIM_BOXES +
            (op->set[0] - SIM_BOXES + 1 + (unsigned)below(making, SIM_ACCOUNTS - 1)) % SIM_ACCOUNTS;
    }
}

/* What may be done inside: what is for an entity of the set is a call, else a signal. */
static void make_inner(struct making *making, const struct op *op, struct leaf *leaf)
{
    static const int64_t delays[] = { 0, 1, 1000, 60000, 301000, -1 };
    uint64_t kind = below(making, 8);
    *leaf = (struct leaf){ .number = (int64_t)below(making, 100000) };
    if (kind < 4) {
        leaf->kind = LEAF_ENTITY;
        make_errand(making, &leaf->errand, true);
        if (chance(making, 2, 3)) {
            leaf->errand.entity = op->set[below(making, op->set_count)];
            leaf->errand.deed = !sim_is_box(leaf->errand.entity) ? DEED_NOPE
                                : leaf->errand.deed == DEED_NOPE ? DEED_ADD
                                                                 : leaf->errand.deed;
        }
        bool is_late = !is_in_set(op, leaf->errand.entity) && chance(making, 1, 3);
        leaf->delay_ms = is_late ? delays_ms[below(making, DELAYS)] : 0;
        if (is_late && leaf->errand.deed == DEED_DELETE) {
            leaf->errand.deed = DEED_ADD; /* it may come inside a later section, as its owner's */
        }
    } else if (kind == 4) {
        leaf->kind = LEAF_TIMER;
        leaf->delay_ms = delays[below(making, sizeof delays / sizeof *delays)];
    } else if (kind == 5 && making->depth == 0) {
        leaf->kind = LEAF_EVENT;
        leaf->name = (unsigned)below(making, SIM_NAMES);
    } else {
        make_activity(making, leaf, true);
    }
}

/* All at once: then no entity twice. */
static void part(struct op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        for (size_t k = 0; k < i && op->leaves[i].kind == LEAF_ENTITY; k++) {
            if (op->leaves[k].kind == LEAF_ENTITY &&
                op->leaves[k].errand.entity == op->leaves[i].errand.entity) {
                op->leaves[i] = (struct leaf){ .kind = LEAF_TIMER, .delay_ms = 1 };
            }
        }
    }
}

static void make_locked(struct making *making, struct op *op)
{
    op->kind = OP_LOCKED;
    make_set(making, op);
    op->join = chance(making, 1, 3) ? JOIN_ALL : JOIN_ORDER;
    op->count = (size_t)below(making, 5);
    for (size_t i = 0; i < op->count; i++) {
        make_inner(making, op, &op->leaves[i]);
    }
    if (op->join == JOIN_ALL) {
        part(op);
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
    uint64_t kind = below(making, making->is_social ? 18 : 12);
    *op = (struct op){ .kind = OP_CALL };
    if (kind >= 15) {
        make_locked(making, op);
    } else if (kind >= 12) {
        make_signal(making, op);
    } else if (kind < 4) {
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
    program->ends_locked = making->is_social && chance(making, 1, 4);
    if (program->ends_locked) {
        make_locked(making, &program->section);
        program->misuse = (enum misuse)below(making, MISUSES);
        program->ending = chance(making, 1, 4) ? ENDS_BY_MISUSE : program->ending;
        if (program->ending == ENDS_BY_CHILD) {
            program->ending = ENDS_BY_MISUSE;
            program->misuse = MISUSE_CHILD;
        }
    }
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
    making.is_social = chance(&making, 1, 2);
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

int64_t sim_number_after(int64_t n, uint64_t which)
{
    return (int64_t)(hash_mix((uint64_t)n, which) >> 11);
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
