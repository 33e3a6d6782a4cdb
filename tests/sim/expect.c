/* SPDX-License-Identifier: MIT
 *
 * The model: what must come of a program, without running it. See G1 in program.h.
 *
 * Written from the public header's promises alone: the j-th event of a name, in the order of
 * history, goes to the j-th who asked for that name; failures are values; a timer gives null. */
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

uint64_t hash_raised(int64_t sender, int64_t number)
{
    uint64_t hash = hash_many(PD_IS_OBJECT, 2);
    hash = hash_mix(hash_mix(hash, hash_text("from")), hash_int(sender));
    return hash_mix(hash_mix(hash, hash_text("n")), hash_int(number));
}

/* ---- the walk ---- */

struct walk {
    const struct raised *raised;
    size_t taken[SIM_NAMES]; /* how many have asked for each name */
    bool is_short;
    uint64_t sure;
    uint64_t left[OPS_MAX * FAN_MAX];
    bool left_short[OPS_MAX * FAN_MAX];
    size_t left_count;
};

/* What the leaf will show; `ret_short`: nobody has raised its event, so nobody may have looked. */
static uint64_t ask(struct walk *walk, const struct leaf *leaf, bool *ret_short)
{
    *ret_short = false;
    switch (leaf->kind) {
    case LEAF_TIMER: return hash_null();
    case LEAF_ACTIVITY:
        if (leaf->is_unknown) {
            return hash_failure("ActivityNotFound", 0);
        }
        return leaf->fails ? hash_failure("SimFail", leaf->number) : hash_answer(leaf->number);
    case LEAF_EVENT: break;
    }
    size_t at = walk->taken[leaf->name]++;
    *ret_short = at >= walk->raised[leaf->name].count;
    return *ret_short ? 0 : walk->raised[leaf->name].hashes[at];
}

static void see(struct walk *walk, uint64_t hash, bool is_short)
{
    walk->sure = hash_mix(walk->sure, hash);
    walk->is_short |= is_short;
}

static void expect_fan(struct walk *walk, const struct op *op)
{
    uint64_t hashes[FAN_MAX];
    bool is_short[FAN_MAX];
    bool all_good = true;
    for (size_t i = 0; i < op->count; i++) {
        hashes[i] = ask(walk, &op->leaves[i], &is_short[i]);
        all_good = all_good && !op->leaves[i].fails;
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
            all += hashes[i];
            for (unsigned f = op->leaves[i].follow; f > 0; f--) {
                all += hash_answer(op->leaves[i].number + 1000 * f);
            }
        }
        see(walk, all, false);
        break;
    case JOIN_ORDER:
        for (size_t i = 0; i < op->count; i++) {
            see(walk, !op->leaves[op->order[i]].fails, false);
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

void program_expect(const struct program *program, const struct raised raised[SIM_NAMES],
                    struct expectation *ret)
{
    struct walk walk = { .raised = raised };
    for (size_t i = 0; i < program->op_count; i++) {
        const struct op *op = &program->ops[i];
        bool is_short = false;
        uint64_t hash;
        switch (op->kind) {
        case OP_FAN: expect_fan(&walk, op); break;
        case OP_CALL:
            hash = ask(&walk, &op->leaves[0], &is_short);
            see(&walk, hash, is_short);
            break;
        case OP_NOW: break;
        case OP_COLLECT:
            see(&walk, walk.left_count, false);
            for (size_t k = 0; k < walk.left_count; k++) {
                see(&walk, walk.left[k], walk.left_short[k]);
            }
            walk.left_count = 0;
            break;
        }
    }
    *ret = (struct expectation){
        .is_possible = !walk.is_short,
        .ending = program->ending,
        .sure = walk.sure,
    };
}
