/* SPDX-License-Identifier: MIT
 *
 * The orchestrator that carries out a random program.
 *
 * It keeps two checksums. `sure` covers what does not depend on who was first; `sum` covers
 * everything that was seen, in the order in which it was seen, the time included. The model of
 * expect.c knows `sure`; `sum` must come out the same in every replay. */
#include "play.h"

#include <inttypes.h>
#include <string.h>

#include "play_priv.h"

void player_see(struct player *player, uint64_t hash)
{
    player->at.sum = hash_mix(player->at.sum, hash);
}

void player_see_for_sure(struct player *player, uint64_t hash)
{
    player->at.sure = hash_mix(player->at.sure, hash);
    player_see(player, hash);
}

#define see player_see
#define see_for_sure player_see_for_sure

/* ---- leaves ---- */

static bool handles(const pd_failure *failure, int attempt, void *argument)
{
    const struct policy *policy = argument;
    (void)failure;
    return attempt < policy->refused_from;
}

static const pd_retry *retry_of(const struct policy *policy, pd_retry *ret)
{
    *ret = (pd_retry){
        .attempts_max = policy->attempts_max,
        .delay_first = pd_milliseconds(policy->delay_ms),
        .backoff = policy->backoff,
        .jitter = policy->jitter,
        .handles = policy->refused_from > 0 ? handles : NULL,
        .argument = (void *)(uintptr_t)policy,
    };
    return policy->attempts_max > 0 ? ret : NULL;
}

static pd_task *start_activity(struct player *player, const struct leaf *leaf, int64_t number,
                               bool fails)
{
    pd_retry retry;
    pd_activity_call call = { .version = leaf->has_version ? "2" : NULL,
                              .retry = retry_of(&leaf->retry, &retry) };
    pd_literal input =
        PD_OBJ("n", number, "fails", fails, "final", leaf->is_final, "failures", leaf->failures);
    call.input = pd_of_literal(input);
    if (leaf->has_limits) {
        call.start_max = call.run_max = call.beat_max = pd_minutes(1 + number % 3);
    }
    const char *name = leaf->is_unknown ? "nobody" : leaf->pays ? "pay" : "work";
    return pd_start_activity_(player->o, pd_ref_name(name), &call);
}

static pd_task *start_child(struct player *player, const struct leaf *leaf)
{
    pd_orchestration *o = player->o;
    pd_retry retry;
    pd_child_call call = { .retry = retry_of(&leaf->retry, &retry) };
    pd_literal input = PD_OBJ("seed", leaf->seed, "depth", player->at.depth + 1);
    call.input = pd_of_literal(input);
    if (leaf->is_named && player->program->is_racy) {
        call.id = pd_format(o, "shared-%d", (int)(leaf->seed % 6));
    } else if (leaf->is_named) {
        call.id = pd_format(o, "kid-%s-%u", pd_execution_id(o), player->named++);
    }
    return pd_start_child_(o, pd_ref_name("play"), &call);
}

pd_task *player_start(struct player *player, const struct leaf *leaf)
{
    switch (leaf->kind) {
    case LEAF_ACTIVITY: return start_activity(player, leaf, leaf->number, leaf->fails);
    case LEAF_TIMER: return pd_start_timer(player->o, pd_milliseconds(leaf->delay_ms));
    case LEAF_EVENT: return pd_expect_event(player->o, sim_event_names[leaf->name]);
    case LEAF_CHILD: return start_child(player, leaf);
    case LEAF_ENTITY: return visit_start(player, &leaf->errand);
    }
    return NULL;
}

static const struct leaf plain = { .kind = LEAF_ACTIVITY };

/* Racy: others may end first, and the step itself. */
static void let_others(struct player *player)
{
    if (player->program->is_racy) {
        pd_task *other = start_activity(player, &plain, 16, false);
        see(player, pd_wait(player->o, other));
    }
}

static void cancel(struct player *player, const struct op *op, pd_task **tasks)
{
    bool has_any = false;
    for (size_t i = 0; i < op->count; i++) {
        if (op->leaves[i].is_cancelled) {
            if (!has_any) {
                let_others(player);
            }
            has_any = true;
            pd_cancel(player->o, tasks[i]);
        }
    }
}

/* ---- joins ---- */

static uint64_t outcome(const struct op *op, size_t leaf, pd_task *task)
{
    return hash_outcome(task, op->leaves[leaf].kind == LEAF_CHILD);
}

/* Joined one by one as they end; what has ended may be followed by an activity of its own. */
static void join_any(struct player *player, const struct op *op, pd_task **tasks)
{
    struct {
        size_t leaf;
        unsigned follow;
        bool is_child;
    } of[FAN_MAX];
    size_t count = op->count;
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        of[i].leaf = i;
        of[i].follow = op->leaves[i].follow;
        of[i].is_child = op->leaves[i].kind == LEAF_CHILD;
    }
    while (count > 0) {
        size_t at = pd_wait_any(player->o, tasks, count);
        uint64_t hash = hash_outcome(tasks[at], of[at].is_child);
        all += hash;
        see(player, hash_mix(hash, at));
        if (player->program->is_racy && hash % 4 == 0) {
            see(player, (uint64_t)pd_now(player->o).ms);
            see(player, hash_value(pd_call_activity(player->o, "work", PD_OBJ("n", 8))));
        }
        if (of[at].follow > 0) {
            int64_t next = op->leaves[of[at].leaf].number + 1000 * of[at].follow;
            of[at].follow--;
            of[at].is_child = false;
            tasks[at] = start_activity(player, &plain, next, false);
        } else {
            count--;
            memmove(&tasks[at], &tasks[at + 1], (count - at) * sizeof tasks[at]);
            memmove(&of[at], &of[at + 1], (count - at) * sizeof of[at]);
        }
    }
    player->at.sure = hash_mix(player->at.sure, all);
}

static void see_all(struct player *player, const struct op *op, pd_task *const *tasks)
{
    for (size_t i = 0; i < op->count; i++) {
        see_for_sure(player, outcome(op, i, tasks[i]));
    }
}

static void join_in_order(struct player *player, const struct op *op, pd_task *const *tasks)
{
    for (size_t i = 0; i < op->count; i++) {
        pd_task *task = tasks[op->order[i]];
        for (size_t k = 0; k < op->count; k++) {
            see(player, pd_task_is_done(tasks[k]));
        }
        see_for_sure(player, pd_wait(player->o, task));
        see_for_sure(player, outcome(op, op->order[i], task));
    }
}

static void fan(struct player *player, const struct op *op)
{
    pd_task *tasks[FAN_MAX];
    for (size_t i = 0; i < op->count; i++) {
        tasks[i] = player_start(player, &op->leaves[i]);
    }
    cancel(player, op, tasks);
    switch (op->join) {
    case JOIN_ALL:
        see_for_sure(player, pd_wait_all(player->o, tasks, op->count));
        see_all(player, op, tasks);
        break;
    case JOIN_AWAIT_ALL:
        pd_await_all(player->o, tasks, op->count);
        see_all(player, op, tasks);
        break;
    case JOIN_ANY: join_any(player, op, tasks); break;
    case JOIN_ORDER: join_in_order(player, op, tasks); break;
    case JOIN_LATER:
        see(player, pd_wait_any(player->o, tasks, op->count));
        for (size_t i = 0; i < op->count; i++) {
            player->left[player->left_count++] =
                (struct left){ tasks[i], op->leaves[i].kind == LEAF_CHILD };
        }
        break;
    }
}

/* ---- operations ---- */

static void call(struct player *player, const struct op *op)
{
    const struct leaf *leaf = &op->leaves[0];
    int64_t before = pd_now(player->o).ms;
    bool is_whole = !leaf->is_cancelled;
    if (is_whole && leaf->kind == LEAF_TIMER && leaf->number % 2 == 0) {
        pd_sleep(player->o, pd_milliseconds(leaf->delay_ms));
        see_for_sure(player, hash_null());
    } else if (is_whole && leaf->kind == LEAF_EVENT) {
        see_for_sure(player, hash_value(pd_wait_event(player->o, sim_event_names[leaf->name])));
    } else {
        pd_task *task = player_start(player, leaf);
        cancel(player, op, &task);
        pd_wait(player->o, task);
        see_for_sure(player, outcome(op, 0, task));
    }
    int64_t after = pd_now(player->o).ms;
    bool is_early = is_whole && leaf->kind == LEAF_TIMER && after < before + leaf->delay_ms;
    if (is_early || after < before) {
        pd_raise(player->o, "SimEarly", "at %" PRId64 " after %" PRId64, after, before);
    }
}

static void collect(struct player *player)
{
    see_for_sure(player, player->left_count);
    for (size_t i = 0; i < player->left_count; i++) {
        (void)pd_wait(player->o, player->left[i].task);
    }
    for (size_t i = 0; i < player->left_count; i++) {
        see_for_sure(player, hash_outcome(player->left[i].task, player->left[i].is_child));
    }
    player->left_count = 0;
}

static void event_for(struct player *player, const struct op *op)
{
    pd_value payload = PD_NULL;
    bool has_come = pd_wait_event_for(player->o, sim_event_names[op->number % SIM_NAMES],
                                      pd_milliseconds(op->leaves[0].delay_ms), &payload);
    see(player, has_come);
    see(player, hash_value(payload));
}

int64_t player_number(struct player *player)
{
    uint64_t self = hash_text(pd_execution_id(player->o)) >> 24;
    return (int64_t)(self << 12 | ++player->sent);
}

static void send_event(struct player *player, const struct op *op)
{
    pd_orchestration *o = player->o;
    const char *to = pd_instance_id(o);
    if (op->receiver == SEND_SHARED || (op->receiver == SEND_PARENT && pd_parent_id(o) == NULL)) {
        to = pd_format(o, "shared-%u", op->number % 6);
    } else if (op->receiver == SEND_PARENT) {
        to = pd_parent_id(o);
    }
    int64_t number = player_number(player);
    pd_send_event(o, to, sim_event_aliases[op->number % SIM_NAMES], PD_OBJ("from", 2, "n", number));
}

static void carry_out(struct player *player, const struct op *op)
{
    pd_orchestration *o = player->o;
    switch (op->kind) {
    case OP_FAN: fan(player, op); break;
    case OP_CALL: call(player, op); break;
    case OP_NOW: see(player, (uint64_t)pd_now(o).ms); break;
    case OP_COLLECT: collect(player); break;
    case OP_SAY:
        if (op->number == 0) {
            pd_set_status(o, PD_NULL);
        } else {
            pd_set_status(o, PD_OBJ("n", op->number, "round", player->at.round));
        }
        break;
    case OP_CHANGED:
        see_for_sure(player, pd_changed(o, pd_format(o, "fix-%u", op->number % CHANGES)));
        break;
    case OP_CHANCE:
        see(player, pd_random(o));
        see(player, hash_text(pd_new_uuid(o)));
        break;
    case OP_SEND: send_event(player, op); break;
    case OP_EVENT_FOR: event_for(player, op); break;
    case OP_SIGNAL: visit_signal(player, op); break;
    case OP_LOCKED: visit_locked(player, op); break;
    }
}

/* ---- the end ---- */

/* Nobody waits for these: they are dropped with the execution. */
static void litter(struct player *player)
{
    static const struct leaf timer = { .kind = LEAF_TIMER, .delay_ms = 700 };
    struct leaf child = { .kind = LEAF_CHILD, .seed = (uint64_t)player->program->number };
    struct leaf entity = { .kind = LEAF_ENTITY, .errand = { .value = player->program->number } };
    (void)player_start(player, &plain);
    (void)player_start(player, &timer);
    (void)player_start(player, &entity);
    if (player->at.depth < DEPTH_MAX) {
        (void)player_start(player, &child);
    }
}

/* When that is mended, what was left is waited for; not in a critical section, because a child may
 * want it. */
static void await_one(struct player *player, const struct program *program)
{
    pd_retry retry;
    pd_activity_call call = { .retry = retry_of(&program->retry, &retry) };
    pd_literal input = PD_OBJ("n", program->number, "fails", PD_TRUE, "mends", PD_TRUE);
    call.input = pd_of_literal(input);
    (void)pd_call_activity_(player->o, pd_ref_name("work"), &call);
    if (!program->ends_locked) {
        collect(player);
    }
}

static void await_all(struct player *player, const struct program *program)
{
    pd_task *tasks[AWAIT_ALL_COUNT];
    struct leaf leaf = { .kind = LEAF_ACTIVITY, .retry = program->retry };
    for (unsigned i = 0; i < AWAIT_ALL_COUNT; i++) {
        bool fails = (program->failing >> i & 1) != 0;
        tasks[i] = start_activity(player, &leaf, program->number + i, fails);
    }
    pd_await_all(player->o, tasks, AWAIT_ALL_COUNT);
}

/* Likewise, by a child. */
static void await_fall(struct player *player, const struct program *program)
{
    pd_retry retry;
    pd_child_call call = { .retry = retry_of(&program->retry, &retry) };
    pd_literal input = PD_OBJ("n", program->number, "fails", PD_TRUE, "mends", PD_TRUE);
    call.input = pd_of_literal(input);
    (void)pd_call_child_(player->o, pd_ref_name("fall"), &call);
    collect(player);
}

pd_result player_end(struct player *player)
{
    pd_orchestration *o = player->o;
    const struct program *program = player->program;
    const struct position *at = &player->at;
    int64_t n = program->number;
    switch (program->ending) {
    case ENDS_WITH_FAIL: return pd_fail(o, "SimEnd", "the number is %" PRId64, n);
    case ENDS_WITH_RAISE: pd_raise(o, "SimRaise", "the number is %" PRId64, n);
    case ENDS_BY_AWAIT: await_one(player, program); break;
    case ENDS_BY_AWAIT_ALL: await_all(player, program); break;
    case ENDS_BY_CHILD: await_fall(player, program); break;
    case ENDS_BY_MISUSE: visit_misuse(player); break;
    case CONTINUES:
    case ENDS_WELL: break;
    }
    const char *sure = pd_format(o, "%016" PRIx64, at->sure);
    const char *sum = pd_format(o, "%016" PRIx64, at->sum);
    if (program->ending == CONTINUES) {
        return pd_continue_as_new(o,
                                  PD_OBJ("seed", at->seed, "depth", at->depth, "round",
                                         at->round + 1, "sure", sure, "sum", sum),
                                  .version = program->has_version ? "1.7" : NULL,
                                  .drops_events = program->drops_events);
    }
    return pd_ok(o, PD_OBJ("sure", sure, "sum", sum));
}

static pd_result play(pd_orchestration *o, pd_value input)
{
    struct program *program = pd_alloc(o, sizeof *program);
    struct player *player = pd_alloc(o, sizeof *player);
    if (!position_read(pd_json(o, input), &player->at)) {
        return pd_fail(o, "SimInput", "%s", pd_json(o, input));
    }
    program_make(program, &player->at);
    player->o = o;
    player->program = program;
    if (program->litters_first) {
        litter(player);
    }
    for (size_t i = 0; i < program->op_count; i++) {
        carry_out(player, &program->ops[i]);
    }
    if (program->litters_last) {
        litter(player);
    }
    return program->ends_locked ? visit_end_locked(player) : player_end(player);
}

static pd_result fall(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "work", input);
    return pd_ok(o, PD_NULL);
}

static const pd_operation account_operations[] = {
    { "get", account_get },
    { "take", account_take },
    { "give", account_give },
};

const pd_function play_program[] = {
    PD_FUNCTION("fall", fall), PD_FUNCTION("play", play),
    PD_FUNCTION("work", work), PD_TRANSACTION("pay", pay),
    PD_FUNCTION("box", box),   PD_ENTITY_TABLE("account", account_operations),
};
const size_t play_program_count = sizeof play_program / sizeof *play_program;
