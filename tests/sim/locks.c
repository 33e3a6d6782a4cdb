/* SPDX-License-Identifier: MIT
 *
 * Critical sections as the code of orchestrators and entities sees them, at every moment.
 *
 * From the turn that learns that a section was granted to the turn that gives an entity back, or in
 * which the execution ends, no operation of anybody else may be run on it; and no other section
 * with the entity may be granted. What a partition that begins again has lost is made anew from the
 * ledger. Where an execution has been ended from outside only core knows it yet: it is asked. */
#include "core/lock_set.h"
#include "engine/partition_priv.h"
#include "sim.h"

struct held_section {
    struct held_section *next;
    struct text id, execution_id, request_id, set;
    unsigned partition;
    int32_t step;
    bool is_granted;
    unsigned released; /* of the set, by place */
};

static void keep(struct sim *sim, const struct held_section *section)
{
    struct held_section *kept = arena_alloc(&sim->arena, sizeof *kept);
    *kept = *section;
    kept->next = sim->held_sections;
    sim->held_sections = kept;
}

static bool has(const struct held_section *section, struct text entity)
{
    struct text id;
    unsigned at = 0;
    for (size_t cursor = 0; lock_set_next(section->set, &cursor, &id); at++) {
        if (text_equal(id, entity)) {
            return (section->released >> at & 1) == 0;
        }
    }
    return false;
}

static void release(struct held_section *section, struct text entity)
{
    struct text id;
    unsigned at = 0;
    for (size_t cursor = 0; lock_set_next(section->set, &cursor, &id); at++) {
        section->released |= text_equal(id, entity) ? 1u << at : 0;
    }
}

/* Its owner may have been ended, and only core knows it. */
static bool is_alive(const struct sim *sim, const struct held_section *section)
{
    const struct partition *partition = sim->slots[section->partition].partition;
    struct core *core = partition != NULL ? partition->core : NULL;
    struct instance *instance = core != NULL ? core_find(core, section->id) : NULL;
    if (instance != NULL) {
        return text_equal(instance_execution_id(instance), section->execution_id) &&
               !run_state_is_final(instance_state(instance));
    }
    const struct ledger_row *row = ledger_find(&sim->ledger, section->id);
    if (row != NULL && core != NULL && core_find_row(core, row->number) != NULL) {
        return false; /* purged, or about to be replaced */
    }
    return ledger_is_alive(row) && text_equal(row->execution_id, section->execution_id);
}

/* Those of others that hold it. */
static const struct held_section *find_holder(const struct sim *sim, struct text entity,
                                              struct text but_execution_id)
{
    for (const struct held_section *s = sim->held_sections; s != NULL; s = s->next) {
        if (s->is_granted && !text_equal(s->execution_id, but_execution_id) && has(s, entity) &&
            is_alive(sim, s)) {
            return s;
        }
    }
    return NULL;
}

/* ---- what is run ---- */

static void grant(struct sim *sim, const struct turn *turn, int32_t step)
{
    for (struct held_section *s = sim->held_sections; s != NULL; s = s->next) {
        struct text id;
        if (s->step != step || !text_equal(s->execution_id, turn->execution_id)) {
            continue;
        }
        s->is_granted = true;
        for (size_t cursor = 0; lock_set_next(s->set, &cursor, &id);) {
            const struct held_section *other = find_holder(sim, id, turn->execution_id);
            sim_check(sim, other == NULL,
                      "'%.*s' has locked '%.*s', and so has '%.*s' at the same time",
                      TEXT_ARGS(turn->instance_id), TEXT_ARGS(id),
                      TEXT_ARGS(other != NULL ? other->id : TEXT_ABSENT));
        }
        return;
    }
    sim_fail(sim, "'%.*s' is granted step %d, with which it locks nothing",
             TEXT_ARGS(turn->instance_id), step);
}

static void forget(struct sim *sim, struct text execution_id)
{
    for (struct held_section **at = &sim->held_sections; *at != NULL;) {
        if (text_equal((*at)->execution_id, execution_id)) {
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
        }
    }
}

static void see_action(struct sim *sim, const struct turn *turn, const struct action *action)
{
    switch ((int)action->kind) {
    case ACTION_LOCK:
        keep(sim, &(struct held_section){
                      .id = text_copy(&sim->arena, turn->instance_id),
                      .execution_id = text_copy(&sim->arena, turn->execution_id),
                      .request_id = text_copy(&sim->arena, action->request_id),
                      .set = lock_set_order(&sim->arena, action->extra->lock_set),
                      .partition = turn->partition,
                      .step = action->id,
                  });
        break;
    case ACTION_UNLOCK:
        for (struct held_section *s = sim->held_sections; s != NULL; s = s->next) {
            if (text_equal(s->execution_id, turn->execution_id) &&
                text_equal(s->request_id, action->request_id)) {
                release(s, action->instance_id);
            }
        }
        break;
    case ACTION_COMPLETE:
    case ACTION_CONTINUE_AS_NEW: forget(sim, turn->execution_id); break;
    default: break;
    }
}

void locks_see_turn(struct sim *sim, const struct turn *turn, const struct turn_result *result)
{
    for (size_t i = 1; i < turn->event_count; i++) {
        if (turn->events[i].kind == EVENT_LOCK_GRANTED) {
            grant(sim, turn, turn->events[i].ref);
        }
    }
    for (size_t i = 0; i < result->action_count; i++) {
        see_action(sim, turn, &result->actions[i]);
    }
}

void locks_see_run(struct sim *sim, const struct turn *turn, size_t count)
{
    for (size_t i = 1; i <= count; i++) {
        const struct event_extra *extra = turn->events[i].extra;
        struct text execution_id =
            extra != NULL && extra->has_parent ? extra->parent_execution_id : TEXT_ABSENT;
        const struct held_section *holder = find_holder(sim, turn->instance_id, execution_id);
        sim_check(sim, holder == NULL, "'%.*s' does %.*s while '%.*s' has locked it",
                  TEXT_ARGS(turn->instance_id), TEXT_ARGS(turn->events[i].name),
                  TEXT_ARGS(holder != NULL ? holder->id : TEXT_ABSENT));
    }
}

/* ---- after a loss ---- */

static void keep_step(struct sim *sim, const struct ledger_row *row, size_t at)
{
    const struct ledger_step *step = &row->steps[at];
    keep(sim, &(struct held_section){
                  .id = row->id,
                  .execution_id = row->execution_id,
                  .request_id = step->event->request_id,
                  .set = step->event->extra->lock_set,
                  .partition = row->partition,
                  .step = (int32_t)at,
                  .is_granted = step->is_closed,
                  .released = step->released,
              });
}

void locks_reset(struct sim *sim, unsigned partition)
{
    for (struct held_section **at = &sim->held_sections; *at != NULL;) {
        if ((*at)->partition == partition) {
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
        }
    }
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        for (size_t k = 0;
             row->partition == partition && ledger_is_alive(row) && k < row->step_count; k++) {
            if (row->steps[k].kind == LEDGER_LOCK) {
                keep_step(sim, row, k);
            }
        }
    }
}
