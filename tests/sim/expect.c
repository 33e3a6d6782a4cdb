/* SPDX-License-Identifier: MIT
 *
 * The model: what must come of a program, without running it. See G1 in program.h.
 *
 * Written from the public header's promises alone: the j-th event of a name, in the order of
 * history, goes to the j-th who asked for that name; failures are values; a timer gives null; what
 * was cancelled has failed; what fails is tried again as its policy says. */
#include <inttypes.h>
#include <perdure.h>
#include <stdio.h>
#include <string.h>

#include "program.h"

uint64_t hash_answer(int64_t n)
{
    char text[64];
    uint64_t hash;
    switch (n % 8) {
    case 0: return hash_int(n);
    case 1:
        (void)snprintf(text, sizeof text, "text %" PRId64 " \xc3\xa9\n\"quoted\"", n);
        return hash_text(text);
    case 2:
        hash = hash_many(PD_IS_ARRAY, (size_t)(n % 5));
        for (int64_t i = 0; i < n % 5; i++) {
            hash = hash_mix(hash, hash_int(n + i));
        }
        return hash;
    case 3: {
        uint64_t inner = hash_many(PD_IS_OBJECT, 2);
        inner = hash_mix(hash_mix(inner, hash_text("t")), hash_text("deep"));
        inner = hash_mix(hash_mix(inner, hash_text("none")), hash_null());
        hash = hash_many(PD_IS_OBJECT, 2);
        hash = hash_mix(hash_mix(hash, hash_text("n")), hash_int(n));
        return hash_mix(hash_mix(hash, hash_text("inner")), inner);
    }
    case 4: return hash_null();
    case 5: return hash_bool(n % 3 == 0);
    case 6: return hash_real((double)n / 2);
    default: {
        uint64_t inner = hash_mix(hash_many(PD_IS_ARRAY, 1), hash_int(n + 1));
        uint64_t list = hash_mix(hash_many(PD_IS_ARRAY, 2), hash_int(n));
        list = hash_mix(list, inner);
        hash = hash_many(PD_IS_OBJECT, 2);
        hash = hash_mix(hash_mix(hash, hash_text("")), hash_text(""));
        return hash_mix(hash_mix(hash, hash_text("list")), list);
    }
    }
}

uint64_t hash_failure(const char *type, int64_t number)
{
    return hash_mix(hash_mix(77, hash_text(type)), (uint64_t)number);
}

uint64_t hash_child(uint64_t sure)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%016" PRIx64, sure);
    return hash_mix(9, hash_text(text));
}

uint64_t hash_raised(int64_t sender, int64_t number)
{
    uint64_t hash = hash_many(PD_IS_OBJECT, 2);
    hash = hash_mix(hash_mix(hash, hash_text("from")), hash_int(sender));
    return hash_mix(hash_mix(hash, hash_text("n")), hash_int(number));
}

/* ---- the walk ---- */

struct walk {
    const struct raised *raised;
    unsigned depth;
    size_t taken[SIM_NAMES]; /* how many have asked for each name */
    bool is_short;
    bool has_child_done_well; /* the last one */
    bool has_changed[CHANGES];
    uint64_t sure;
    uint64_t left[OPS_MAX * FAN_MAX];
    bool left_short[OPS_MAX * FAN_MAX];
    size_t left_count;
    struct asked asked;
};

/* How often it is tried, if it fails `failures` times. */
static int attempts_of(const struct policy *policy, bool is_final, int failures)
{
    int most = policy->attempts_max > 1 && !is_final ? policy->attempts_max : 1;
    if (policy->refused_from > 0 && policy->refused_from < most) {
        most = policy->refused_from;
    }
    return failures < most ? failures + 1 : most;
}

static void count_attempts(struct walk *walk, const struct leaf *leaf, size_t *steps, int attempts)
{
    attempts = leaf->is_cancelled ? 1 : attempts;
    *steps += (size_t)attempts;
    walk->asked.timers += leaf->retry.delay_ms > 0 ? (size_t)attempts - 1 : 0;
}

static uint64_t ask_activity(struct walk *walk, const struct leaf *leaf)
{
    int failures = leaf->fails ? 1000 : leaf->failures;
    int attempts = attempts_of(&leaf->retry, leaf->is_final || leaf->is_unknown, failures);
    count_attempts(walk, leaf, &walk->asked.tasks, attempts);
    if (leaf->is_unknown) {
        return hash_failure("ActivityNotFound", 0);
    }
    return failures >= attempts ? hash_failure("SimFail", leaf->number) : hash_answer(leaf->number);
}

/* Of one that does well, `sure` is what it ends with. */
static uint64_t ask_child(struct walk *walk, const struct leaf *leaf)
{
    static const struct raised none[SIM_NAMES] = { { 0 } };
    struct position at = { .seed = leaf->seed, .depth = walk->depth + 1 };
    struct program program;
    struct expectation expected;
    program_make(&program, &at);
    program_expect(&program, &at, none, &expected);
    while (expected.ending == CONTINUES) {
        at.round++;
        at.sure = expected.sure;
        program_make(&program, &at);
        program_expect(&program, &at, none, &expected);
    }
    uint64_t hash = 0;
    switch (expected.ending) {
    case ENDS_WELL:
    case CONTINUES: hash = hash_child(expected.sure); break;
    case ENDS_WITH_FAIL: hash = hash_failure("SimEnd", program.number); break;
    case ENDS_WITH_RAISE: hash = hash_failure("SimRaise", program.number); break;
    case ENDS_BY_AWAIT:
    case ENDS_BY_AWAIT_ALL:
    case ENDS_BY_CHILD: hash = hash_failure("TaskFailed", 0); break;
    case ENDS_BY_MISUSE: hash = hash_failure("Misuse", 0); break;
    }
    walk->has_child_done_well = expected.ending == ENDS_WELL;
    int failures = walk->has_child_done_well ? 0 : 1000;
    bool is_final = expected.ending == ENDS_BY_MISUSE;
    count_attempts(walk, leaf, &walk->asked.children,
                   attempts_of(&leaf->retry, is_final, failures));
    return hash;
}

static uint64_t ask_entity(struct walk *walk, const struct errand *errand)
{
    walk->asked.calls++;
    if (errand->entity == SIM_STRANGER) {
        return hash_failure("EntityNotFound", 0);
    }
    if (errand->deed == DEED_NOPE) {
        return hash_failure("OperationNotFound", 0);
    }
    switch (errand->how) {
    case HOW_WELL: break;
    case HOW_FAIL: return hash_failure("SimFail", errand->value);
    case HOW_LEAVE: return hash_failure("BadInput", 0);
    }
    return hash_int(errand->value);
}

static bool does_well(struct walk *walk, const struct leaf *leaf, uint64_t hash)
{
    (void)walk;
    if (leaf->is_cancelled) {
        return false;
    }
    switch (leaf->kind) {
    case LEAF_TIMER:
    case LEAF_EVENT: return true;
    case LEAF_ACTIVITY: return !leaf->is_unknown && hash == hash_answer(leaf->number);
    case LEAF_ENTITY: return hash == hash_int(leaf->errand.value);
    case LEAF_CHILD: break;
    }
    struct walk other = { .depth = walk->depth };
    (void)ask_child(&other, leaf);
    return other.has_child_done_well;
}

/* What the leaf will show; `ret_short`: nobody has raised its event, so nobody may have looked. */
static uint64_t ask(struct walk *walk, const struct leaf *leaf, bool *ret_short)
{
    uint64_t hash = hash_null();
    size_t at;
    *ret_short = false;
    switch (leaf->kind) {
    case LEAF_TIMER: walk->asked.timers++; break;
    case LEAF_ACTIVITY: hash = ask_activity(walk, leaf); break;
    case LEAF_CHILD: hash = ask_child(walk, leaf); break;
    case LEAF_ENTITY: hash = ask_entity(walk, &leaf->errand); break;
    case LEAF_EVENT:
        at = walk->taken[leaf->name]++;
        *ret_short = at >= walk->raised[leaf->name].count;
        return *ret_short ? 0 : walk->raised[leaf->name].hashes[at];
    }
    walk->asked.cancels += leaf->is_cancelled;
    return leaf->is_cancelled ? hash_failure("Cancelled", 0) : hash;
}

static void see(struct walk *walk, uint64_t hash, bool is_short)
{
    walk->sure = hash_mix(walk->sure, hash);
    walk->is_short |= is_short;
}

static uint64_t follow(struct walk *walk, const struct leaf *leaf)
{
    uint64_t all = 0;
    for (unsigned f = leaf->follow; f > 0; f--) {
        all += hash_answer(leaf->number + 1000 * f);
    }
    walk->asked.tasks += leaf->follow;
    return all;
}

static void expect_fan(struct walk *walk, const struct op *op)
{
    uint64_t hashes[FAN_MAX];
    bool is_short[FAN_MAX];
    bool is_good[FAN_MAX];
    bool all_good = true;
    for (size_t i = 0; i < op->count; i++) {
        hashes[i] = ask(walk, &op->leaves[i], &is_short[i]);
        is_good[i] = does_well(walk, &op->leaves[i], hashes[i]);
        all_good = all_good && is_good[i];
    }
    uint64_t all = 0;
    switch (op->join) {
    case JOIN_ALL:
    case JOIN_AWAIT_ALL:
        if (op->join == JOIN_ALL) {
            see(walk, all_good, false);
        }
        for (size_t i = 0; i < op->count; i++) {
            see(walk, hashes[i], is_short[i]);
        }
        break;
    case JOIN_ANY:
        for (size_t i = 0; i < op->count; i++) {
            walk->is_short |= is_short[i];
            all += hashes[i] + follow(walk, &op->leaves[i]);
        }
        see(walk, all, false);
        break;
    case JOIN_ORDER:
        for (size_t i = 0; i < op->count; i++) {
            see(walk, is_good[op->order[i]], false);
            see(walk, hashes[op->order[i]], is_short[op->order[i]]);
        }
        break;
    case JOIN_LATER:
        memcpy(&walk->left[walk->left_count], hashes, op->count * sizeof *hashes);
        memcpy(&walk->left_short[walk->left_count], is_short, op->count * sizeof *is_short);
        walk->left_count += op->count;
        break;
    }
}

static void expect_collect(struct walk *walk)
{
    see(walk, walk->left_count, false);
    for (size_t k = 0; k < walk->left_count; k++) {
        see(walk, walk->left[k], walk->left_short[k]);
    }
    walk->left_count = 0;
}

/* ---- entities ---- */

static bool is_in_set(const struct op *op, size_t count, unsigned entity)
{
    for (size_t i = 0; i < count; i++) {
        if (op->set[i] == entity) {
            return true;
        }
    }
    return false;
}

static void expect_locked(struct walk *walk, const struct op *op)
{
    bool is_short;
    walk->asked.locks++;
    for (size_t i = 0; i < op->set_count; i++) {
        bool is_looked_at = !is_in_set(op, i, op->set[i]) && op->set[i] != SIM_STRANGER;
        walk->asked.calls += is_looked_at ? 2 : 0;
    }
    for (size_t i = 0; i < op->count; i++) {
        const struct leaf *leaf = &op->leaves[i];
        if (leaf->kind == LEAF_ENTITY && !is_in_set(op, op->set_count, leaf->errand.entity)) {
            walk->asked.signals++;
            continue;
        }
        uint64_t hash = ask(walk, leaf, &is_short);
        see(walk, hash, is_short);
    }
    walk->asked.calls += op->is_transfer ? 2 : 0;
    walk->asked.timers += op->is_transfer && op->leaves[0].number % 3 == 0;
}

static void expect_signal(struct walk *walk, const struct op *op)
{
    const struct leaf *leaf = &op->leaves[0];
    walk->asked.signals++;
    walk->asked.takings_back += leaf->is_cancelled;
    if (leaf->is_cancelled && leaf->follow > 0) {
        walk->asked.tasks++;
        see(walk, true, false);
    }
}

static void expect_op(struct walk *walk, const struct op *op)
{
    bool is_short = false;
    bool *has_changed = &walk->has_changed[op->number % CHANGES];
    uint64_t hash;
    switch (op->kind) {
    case OP_FAN: expect_fan(walk, op); break;
    case OP_CALL:
        hash = ask(walk, &op->leaves[0], &is_short);
        see(walk, hash, is_short);
        break;
    case OP_COLLECT: expect_collect(walk); break;
    case OP_CHANGED:
        walk->asked.changes += !*has_changed;
        *has_changed = true;
        see(walk, true, false);
        break;
    case OP_SEND: walk->asked.sends++; break;
    case OP_SIGNAL: expect_signal(walk, op); break;
    case OP_LOCKED: expect_locked(walk, op); break;
    case OP_NOW:
    case OP_SAY:
    case OP_CHANCE:
    case OP_EVENT_FOR: break;
    }
}

static void expect_litter(struct walk *walk, unsigned times)
{
    walk->asked.tasks += times;
    walk->asked.timers += times;
    walk->asked.calls += times;
    walk->asked.children += walk->depth < DEPTH_MAX ? times : 0;
}

/* In the end. */
static void expect_awaited(struct walk *walk, const struct program *program)
{
    bool is_one = program->ending == ENDS_BY_AWAIT;
    size_t count = is_one ? 1 : program->ending == ENDS_BY_AWAIT_ALL ? AWAIT_ALL_COUNT : 0;
    struct leaf leaf = { .kind = LEAF_ACTIVITY, .retry = program->retry };
    for (size_t i = 0; i < count; i++) {
        leaf.fails = is_one || (program->failing >> i & 1) != 0;
        (void)ask_activity(walk, &leaf);
    }
    if (program->ending == ENDS_BY_CHILD) {
        count_attempts(walk, &leaf, &walk->asked.children,
                       attempts_of(&program->retry, false, 1000));
    }
}

void program_expect(const struct program *program, const struct position *position,
                    const struct raised raised[SIM_NAMES], struct expectation *ret)
{
    struct walk walk = { .raised = raised, .depth = position->depth, .sure = position->sure };
    for (size_t i = 0; i < program->op_count; i++) {
        expect_op(&walk, &program->ops[i]);
    }
    expect_litter(&walk, program->litters_first + program->litters_last);
    if (program->ends_locked) {
        expect_locked(&walk, &program->section);
    }
    expect_awaited(&walk, program);
    *ret = (struct expectation){
        .is_possible = !walk.is_short,
        .ending = program->ending,
        .sure = walk.sure,
        .is_complete = walk.left_count == 0,
        .asked = walk.asked,
    };
    memcpy(ret->taken, walk.taken, sizeof walk.taken);
    if (!program->ends_locked) {
        expect_collect(&walk);
    }
    ret->sure_mended = walk.sure;
}
