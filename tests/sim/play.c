/* SPDX-License-Identifier: MIT
 *
 * The orchestrator that carries out a random program, and the activities it calls.
 *
 * It keeps two checksums. `sure` covers what does not depend on who was first; `sum` covers
 * everything that was seen, in the order in which it was seen, the time included. The model of
 * expect.c knows `sure`; `sum` must come out the same in every replay. */
#include "play.h"

#include <inttypes.h>
#include <string.h>

#include "program.h"

/* ---- checksums of values ---- */

static uint64_t hash_value(pd_value v)
{
    uint64_t hash;
    switch (pd_kind_of(v)) {
    case PD_IS_NULL: return hash_null();
    case PD_IS_BOOL: return hash_bool(pd_bool(v));
    case PD_IS_INT: return hash_int(pd_int(v));
    case PD_IS_REAL: return hash_real(pd_real(v));
    case PD_IS_TEXT: return hash_text(pd_text(v));
    case PD_IS_ARRAY:
        hash = hash_many(PD_IS_ARRAY, pd_count(v));
        for (size_t i = 0; i < pd_count(v); i++) {
            hash = hash_mix(hash, hash_value(pd_at(v, i)));
        }
        return hash;
    case PD_IS_OBJECT:
        hash = hash_many(PD_IS_OBJECT, pd_count(v));
        for (size_t i = 0; i < pd_count(v); i++) {
            hash = hash_mix(hash, hash_text(pd_key_at(v, i)));
            hash = hash_mix(hash, hash_value(pd_value_at(v, i)));
        }
        return hash;
    }
    return 0;
}

static uint64_t hash_outcome(const pd_task *task)
{
    const pd_failure *failure = pd_task_failure(task);
    if (failure == NULL) {
        return hash_value(pd_task_value(task));
    }
    int64_t number = 0;
    if (strcmp(failure->type, "SimFail") == 0) {
        for (const char *at = failure->message; *at != '\0'; at++) {
            number = *at >= '0' && *at <= '9' ? number * 10 + (*at - '0') : number;
        }
    }
    return hash_failure(failure->type, number);
}

/* ---- activities ---- */

/* The answer of a number: every kind of value comes up. hash_answer in expect.c knows them. */
static pd_result answer(pd_activity *a, int64_t n)
{
    pd_list *list;
    pd_dict *dict;
    switch (n % 8) {
    case 0: return pd_ok(a, n);
    case 1: return pd_ok(a, pd_format(a, "text %" PRId64 " \xc3\xa9\n\"quoted\"", n));
    case 2:
        list = pd_list_new(a);
        for (int64_t i = 0; i < n % 5; i++) {
            pd_list_add(list, n + i);
        }
        return pd_ok(a, list);
    case 3: return pd_ok(a, PD_OBJ("n", n, "inner", PD_OBJ("t", "deep", "none", PD_NULL)));
    case 4: return pd_ok(a, PD_NULL);
    case 5: return pd_ok(a, pd_of_bool(n % 3 == 0));
    case 6: return pd_ok(a, (double)n / 2);
    default:
        dict = pd_dict_new(a);
        pd_dict_set(dict, "", "");
        pd_dict_set(dict, "list", PD_ARR(n, PD_ARR(n + 1)));
        return pd_ok(a, dict);
    }
}

static pd_result work(pd_activity *a, pd_value input)
{
    long long n = 0;
    bool fails = false;
    if (!pd_read(a, input, "n", &n, "fails", &fails)) {
        return PD_FAILED;
    }
    unsigned *runs = pd_user(a);
    (*runs)++;
    if (fails) {
        return pd_fail(a, "SimFail", "the number is %lld", n);
    }
    return answer(a, n);
}

/* ---- the orchestrator ---- */

enum { LEFT_MAX = OPS_MAX * FAN_MAX };

struct player {
    pd_orchestration *o;
    const struct program *program;
    uint64_t sure, sum;
    pd_task *left[LEFT_MAX];
    size_t left_count;
};

static pd_task *start_activity(struct player *player, const struct leaf *leaf, int64_t number,
                               bool fails)
{
    pd_activity_call call = { .version = leaf->has_version ? "2" : NULL };
    pd_literal input = PD_OBJ("n", number, "fails", fails);
    call.input = pd_of_literal(input);
    return pd_start_activity_(player->o, pd_ref_name(leaf->is_unknown ? "nobody" : "work"), &call);
}

static pd_task *start_leaf(struct player *player, const struct leaf *leaf)
{
    switch (leaf->kind) {
    case LEAF_ACTIVITY: return start_activity(player, leaf, leaf->number, leaf->fails);
    case LEAF_TIMER: return pd_start_timer(player->o, pd_milliseconds(leaf->delay_ms));
    case LEAF_EVENT: return pd_expect_event(player->o, sim_event_names[leaf->name]);
    }
    return NULL;
}

static void see(struct player *player, uint64_t hash)
{
    player->sum = hash_mix(player->sum, hash);
}

static void see_for_sure(struct player *player, uint64_t hash)
{
    player->sure = hash_mix(player->sure, hash);
    see(player, hash);
}

/* Joined one by one as they end; what has ended may be followed by an activity of its own. */
static void join_any(struct player *player, const struct op *op, pd_task **tasks)
{
    struct {
        const struct leaf *leaf;
        unsigned follow;
    } of[FAN_MAX];
    size_t count = op->count;
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        of[i].leaf = &op->leaves[i];
        of[i].follow = op->leaves[i].follow;
    }
    static const struct leaf plain = { .kind = LEAF_ACTIVITY };
    while (count > 0) {
        size_t at = pd_wait_any(player->o, tasks, count);
        uint64_t hash = hash_outcome(tasks[at]);
        all += hash;
        see(player, hash_mix(hash, at));
        if (player->program->is_racy && hash % 4 == 0) {
            see(player, (uint64_t)pd_now(player->o).ms);
            see(player,
                hash_value(pd_call_activity(player->o, "work", PD_OBJ("n", 8, "fails", PD_FALSE))));
        }
        if (of[at].follow > 0) {
            int64_t next = of[at].leaf->number + 1000 * of[at].follow;
            of[at].follow--;
            tasks[at] = start_activity(player, &plain, next, false);
        } else {
            count--;
            memmove(&tasks[at], &tasks[at + 1], (count - at) * sizeof tasks[at]);
            memmove(&of[at], &of[at + 1], (count - at) * sizeof of[at]);
        }
    }
    player->sure = hash_mix(player->sure, all);
}

static void see_all(struct player *player, pd_task *const *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        see_for_sure(player, hash_outcome(tasks[i]));
    }
}

static void fan(struct player *player, const struct op *op)
{
    pd_task *tasks[FAN_MAX];
    for (size_t i = 0; i < op->count; i++) {
        tasks[i] = start_leaf(player, &op->leaves[i]);
    }
    switch (op->join) {
    case JOIN_ALL:
        see_for_sure(player, pd_wait_all(player->o, tasks, op->count));
        see_all(player, tasks, op->count);
        break;
    case JOIN_AWAIT_ALL:
        pd_await_all(player->o, tasks, op->count);
        see_all(player, tasks, op->count);
        break;
    case JOIN_ANY: join_any(player, op, tasks); break;
    case JOIN_ORDER:
        for (size_t i = 0; i < op->count; i++) {
            pd_task *task = tasks[op->order[i]];
            for (size_t k = 0; k < op->count; k++) {
                see(player, pd_task_is_done(tasks[k]));
            }
            see_for_sure(player, pd_wait(player->o, task));
            see_for_sure(player, hash_outcome(task));
        }
        break;
    case JOIN_LATER:
        see(player, pd_wait_any(player->o, tasks, op->count));
        memcpy(&player->left[player->left_count], tasks, op->count * sizeof *tasks);
        player->left_count += op->count;
        break;
    }
}

static void call(struct player *player, const struct leaf *leaf)
{
    int64_t before = pd_now(player->o).ms;
    if (leaf->kind == LEAF_TIMER && leaf->number % 2 == 0) {
        pd_sleep(player->o, pd_milliseconds(leaf->delay_ms));
        see_for_sure(player, hash_null());
    } else if (leaf->kind == LEAF_EVENT) {
        see_for_sure(player, hash_value(pd_wait_event(player->o, sim_event_names[leaf->name])));
    } else {
        pd_task *task = start_leaf(player, leaf);
        pd_wait(player->o, task);
        see_for_sure(player, hash_outcome(task));
    }
    int64_t after = pd_now(player->o).ms;
    bool is_early = leaf->kind == LEAF_TIMER && after < before + leaf->delay_ms;
    if (is_early || after < before) {
        pd_raise(player->o, "SimEarly", "at %" PRId64 " after %" PRId64, after, before);
    }
}

static void collect(struct player *player)
{
    see_for_sure(player, player->left_count);
    (void)pd_wait_all(player->o, player->left, player->left_count);
    see_all(player, player->left, player->left_count);
    player->left_count = 0;
}

static pd_result end(struct player *player)
{
    const struct program *program = player->program;
    int64_t n = program->number;
    switch (program->ending) {
    case ENDS_WITH_FAIL: return pd_fail(player->o, "SimEnd", "the number is %" PRId64, n);
    case ENDS_WITH_RAISE: pd_raise(player->o, "SimRaise", "the number is %" PRId64, n);
    case ENDS_BY_AWAIT: {
        static const struct leaf plain = { .kind = LEAF_ACTIVITY };
        pd_await(player->o, start_activity(player, &plain, n, true));
        break;
    }
    case ENDS_WELL: break;
    }
    const char *sure = pd_format(player->o, "%016" PRIx64, player->sure);
    const char *sum = pd_format(player->o, "%016" PRIx64, player->sum);
    return pd_ok(player->o, PD_OBJ("sure", sure, "sum", sum));
}

static pd_result play(pd_orchestration *o, pd_value input)
{
    long long seed = 0;
    pd_read(o, input, "seed", &seed);
    struct program *program = pd_alloc(o, sizeof *program);
    program_make(program, (uint64_t)seed);
    struct player *player = pd_alloc(o, sizeof *player);
    player->o = o;
    player->program = program;
    for (size_t i = 0; i < program->op_count; i++) {
        const struct op *op = &program->ops[i];
        switch (op->kind) {
        case OP_FAN: fan(player, op); break;
        case OP_CALL: call(player, &op->leaves[0]); break;
        case OP_NOW: see(player, (uint64_t)pd_now(o).ms); break;
        case OP_COLLECT: collect(player); break;
        }
    }
    return end(player);
}

const pd_function play_program[] = {
    PD_FUNCTION("play", play),
    PD_FUNCTION("work", work),
};
const size_t play_program_count = sizeof play_program / sizeof *play_program;
