/* SPDX-License-Identifier: MIT
 *
 * What a random program has to do with entities: calls, signals, critical sections.
 *
 * Inside a section the program itself is an oracle. It looks at every entity of the set when it
 * comes in and before it goes; what others have done must be the same (so locks exclude). Of a
 * transfer it knows that what it saw on an account is there to be taken. */
#include <inttypes.h>

#include "play_priv.h"

static pd_entity_id id_of(unsigned entity, int64_t number)
{
    const struct sim_entity *it = &sim_entities[entity];
    return PD_ENTITY(number % 2 == 0 ? it->name : it->alias, it->key);
}

static const char *name_of(const struct errand *errand)
{
    return errand->value % 3 == 0 ? sim_deed_aliases[errand->deed] : sim_deeds[errand->deed];
}

static pd_value input_of(struct player *player, const struct errand *errand)
{
    pd_literal input =
        PD_OBJ("from", 2, "n", player_number(player), "v", errand->value, "how", errand->how, "to",
               errand->to, "hops", errand->hops, "late", errand->delay_ms);
    return pd_keep(player->o, input);
}

pd_task *visit_start(struct player *player, const struct errand *errand)
{
    return pd_start_entity(player->o, id_of(errand->entity, errand->value), name_of(errand),
                           input_of(player, errand));
}

static const char *send(struct player *player, const struct leaf *leaf)
{
    const struct errand *errand = &leaf->errand;
    pd_time at = { leaf->delay_ms != 0 ? pd_now(player->o).ms + leaf->delay_ms : 0 };
    return pd_signal_entity(player->o, id_of(errand->entity, errand->value), name_of(errand),
                            input_of(player, errand), .at = at);
}

void visit_signal(struct player *player, const struct op *op)
{
    static const struct leaf plain = { .kind = LEAF_ACTIVITY };
    const struct leaf *leaf = &op->leaves[0];
    const char *id = send(player, leaf);
    if (!leaf->is_cancelled) {
        return;
    }
    if (leaf->follow > 0) {
        player_see_for_sure(player, pd_wait(player->o, player_start(player, &plain)));
    }
    pd_cancel_signal(player->o, id_of(leaf->errand.entity, leaf->number), id);
}

/* ---- sections -------------------------------------------------------------------------------- */

struct looks {
    int64_t others[SET_MAX]; /* of a box: what others have done; of an account: its balance */
    bool is_emptied[SET_MAX];
};

static bool is_first(const struct op *op, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (op->set[i] == op->set[at]) {
            return false;
        }
    }
    return true;
}

static bool has(const struct op *op, unsigned entity)
{
    for (size_t i = 0; i < op->set_count; i++) {
        if (op->set[i] == entity) {
            return true;
        }
    }
    return false;
}

static pd_value call(struct player *player, unsigned entity, enum deed deed, int64_t value)
{
    struct errand errand = { .entity = entity, .deed = deed, .value = value };
    return pd_call_entity(player->o, id_of(entity, value), name_of(&errand),
                          input_of(player, &errand));
}

static void look(struct player *player, const struct op *op, struct looks *ret)
{
    for (size_t i = 0; i < op->set_count; i++) {
        if (!is_first(op, i) || op->set[i] == SIM_STRANGER) {
            continue;
        }
        if (sim_is_account(op->set[i])) {
            ret->others[i] = pd_int(call(player, op->set[i], DEED_GET, (int64_t)i));
        } else {
            pd_value seen = call(player, op->set[i], DEED_LOOK, (int64_t)i);
            ret->others[i] = pd_int(pd_at(seen, 0)) - pd_int(pd_at(seen, 1));
        }
        player_see(player, hash_int(ret->others[i]));
    }
}

static void transfer(struct player *player, const struct op *op, int64_t balance)
{
    const struct leaf *leaf = &op->leaves[0];
    int64_t amount = 1 + leaf->number % 60;
    amount = amount <= balance ? amount : 0;
    (void)call(player, op->set[0], DEED_TAKE, amount);
    if (leaf->number % 3 == 0) {
        pd_sleep(player->o, pd_milliseconds(leaf->number % 1000));
    }
    (void)call(player, op->set[1], DEED_GIVE, amount);
}

/* Of a call; a signal gives NULL. */
static pd_task *start_inner(struct player *player, const struct op *op, const struct leaf *leaf,
                            struct looks *looks)
{
    if (leaf->kind != LEAF_ENTITY) {
        return player_start(player, leaf);
    }
    if (!has(op, leaf->errand.entity)) {
        (void)send(player, leaf);
        return NULL;
    }
    for (size_t i = 0; i < op->set_count; i++) {
        looks->is_emptied[i] |= op->set[i] == leaf->errand.entity &&
                                leaf->errand.deed == DEED_DELETE && leaf->errand.how == HOW_WELL;
    }
    return visit_start(player, &leaf->errand);
}

static void work_inside(struct player *player, const struct op *op, struct looks *looks)
{
    pd_task *tasks[FAN_MAX];
    for (size_t i = 0; i < op->count; i++) {
        tasks[i] = start_inner(player, op, &op->leaves[i], looks);
        if (tasks[i] != NULL && op->join != JOIN_ALL) {
            (void)pd_wait(player->o, tasks[i]);
        }
    }
    for (size_t i = 0; i < op->count; i++) {
        if (tasks[i] != NULL) {
            (void)pd_wait(player->o, tasks[i]);
            player_see_for_sure(player, hash_outcome(tasks[i], false));
        }
    }
}

/* A client that purges asks nobody. */
static bool is_purged(struct player *player, unsigned entity, int64_t others)
{
    const struct sim_user *user = pd_user(player->o);
    return user->may_purge && sim_is_box(entity) && others == 0;
}

static void inside(struct player *player, const struct op *op)
{
    struct looks before = { 0 };
    struct looks after = { 0 };
    look(player, op, &before);
    work_inside(player, op, &before);
    look(player, op, &after);
    for (size_t i = 0; i < op->set_count; i++) {
        int64_t expected = before.is_emptied[i] ? 0 : before.others[i];
        if (after.others[i] != expected && !is_purged(player, op->set[i], after.others[i])) {
            pd_raise(player->o, "SimIntruder",
                     "%s was locked, and others did something: %" PRId64 ", not %" PRId64,
                     sim_entities[op->set[i]].id, after.others[i], expected);
        }
    }
    if (op->is_transfer) {
        transfer(player, op, after.others[0]);
    }
}

static size_t ids_of(const struct op *op, pd_entity_id ids[SET_MAX])
{
    for (size_t i = 0; i < op->set_count; i++) {
        ids[i] = id_of(op->set[i], (int64_t)(op->set[i] + i));
    }
    return op->set_count;
}

void visit_locked(struct player *player, const struct op *op)
{
    pd_entity_id ids[SET_MAX];
    size_t count = ids_of(op, ids);
    if (count == 2) {
        PD_LOCKED(player->o, ids[0], ids[1]) {
            inside(player, op);
            if (op->is_transfer) {
                break;
            }
        }
        return;
    }
    PD_CLEANUP(pd_unlock_) pd_lock lock = pd_lock_(player->o, ids, count);
    (void)lock;
    inside(player, op);
}

pd_result visit_end_locked(struct player *player)
{
    const struct op *op = &player->program->section;
    pd_entity_id ids[SET_MAX];
    size_t count = ids_of(op, ids);
    PD_CLEANUP(pd_unlock_) pd_lock lock = pd_lock_(player->o, ids, count);
    (void)lock;
    inside(player, op);
    return player_end(player);
}

/* ---- what the rules forbid ------------------------------------------------------------------- */

static unsigned outsider(const struct op *op)
{
    unsigned entity = 0;
    while (has(op, entity)) {
        entity++;
    }
    return entity;
}

void visit_misuse(struct player *player)
{
    const struct op *op = &player->program->section;
    pd_orchestration *o = player->o;
    pd_entity_id other = id_of(outsider(op), 0);
    struct leaf leaf = { .kind = LEAF_ENTITY, .errand = { .entity = op->set[0] } };
    switch (player->program->misuse) {
    case MISUSE_SECTION: PD_LOCKED(o, other) { pd_raise(o, "SimNested", "a section inside another");
        }
        break;
    case MISUSE_CHILD: (void)pd_start_child(o, "fall", PD_OBJ("n", 1)); break;
    case MISUSE_CALL: (void)pd_start_entity(o, other, "add", PD_OBJ("n", 1)); break;
    case MISUSE_SIGNAL: (void)send(player, &leaf); break;
    case MISUSE_TWICE:
        (void)visit_start(player, &leaf.errand);
        (void)visit_start(player, &leaf.errand);
        break;
    case MISUSES: break;
    }
}
