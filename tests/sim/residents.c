/* SPDX-License-Identifier: MIT
 *
 * What core has in memory, against the ledger (C1, C2), at moments when nothing is under way.
 *
 * Looks into core's and the partition's private headers: what is compared is the fold that each
 * has made of the same history. */
#include <inttypes.h>

#include "core/entity.h"
#include "core/lock_set.h"
#include "engine/partition_priv.h"
#include "sim.h"

/* A section is open until all of its entities have been given back. */
static bool is_section(const struct ledger_row *row, size_t at)
{
    const struct ledger_step *step = &row->steps[at];
    return step->kind == LEDGER_LOCK && (step->is_closed || ledger_is_answered(row, (int32_t)at)) &&
           step->released != (1u << lock_set_count(step->event->extra->lock_set)) - 1;
}

static enum step_kind kind_of(const struct ledger_row *row, size_t at)
{
    switch (row->steps[at].kind) {
    case LEDGER_TASK: return STEP_TASK;
    case LEDGER_TIMER: return STEP_TIMER;
    case LEDGER_CHILD: return STEP_CHILD;
    case LEDGER_CALL: return STEP_CALL;
    case LEDGER_LOCK: return is_section(row, at) ? STEP_SECTION : STEP_LOCK;
    case LEDGER_OTHER: break;
    }
    return STEP_DEAD;
}

static void compare_steps(struct sim *sim, const struct instance *instance,
                          const struct ledger_row *row)
{
    size_t open = 0;
    for (size_t i = 0; i < row->step_count; i++) {
        const struct ledger_step *step = &row->steps[i];
        struct step found;
        bool is_open =
            (!step->is_closed && !ledger_is_answered(row, (int32_t)i)) || is_section(row, i);
        open += is_open;
        sim_check(sim, steps_find(&instance->steps, (int32_t)i, kind_of(row, i), &found) == is_open,
                  "'%.*s': step %zu is %s in the store and not in core (C2)", TEXT_ARGS(row->id), i,
                  is_open ? "open" : "closed");
        sim_check(sim, !is_open || step->kind != LEDGER_TIMER || found.due == step->fire_at,
                  "'%.*s': timer %zu is due at another time in core", TEXT_ARGS(row->id), i);
        sim_check(sim,
                  !is_open || step->kind != LEDGER_CHILD ||
                      text_equal(text_of(found.child), step->event->instance_id),
                  "'%.*s': child %zu is another in core", TEXT_ARGS(row->id), i);
    }
    sim_check(sim, steps_count(&instance->steps) == open, "'%.*s': %u steps open in core, not %zu",
              TEXT_ARGS(row->id), steps_count(&instance->steps), open);
}

static void compare_progress(struct sim *sim, const struct instance *instance,
                             const struct ledger_row *row)
{
    size_t count = 0;
    for (const struct note *note = instance->notes; note != NULL; note = note->next) {
        count++;
    }
    for (const struct ledger_progress *p = row->progress; p != NULL; p = p->next, count--) {
        sim_check(sim, text_equal(note_find(instance, p->id), p->bytes),
                  "'%.*s': progress of step %d is another in core", TEXT_ARGS(row->id), p->id);
    }
    sim_check(sim, count == 0, "'%.*s': more progress in core", TEXT_ARGS(row->id));
}

static bool is_kept(const struct ledger_entity *entity, const struct waiting_event *event)
{
    for (size_t i = 0; i < entity->inbox_count; i++) {
        if (entity->inbox[i].arrival == event->arrival) {
            return entity->inbox[i].event->at == event->event.at &&
                   text_equal(entity->inbox[i].event->request_id, event->event.request_id);
        }
    }
    return false;
}

static void compare_events(struct sim *sim, const struct ledger_entity *entity,
                           const struct waiting_events *events)
{
    for (const struct waiting_event *event = events->first; event != NULL; event = event->next) {
        sim_check(sim, is_kept(entity, event), "'%.*s': core has an event that is not stored",
                  TEXT_ARGS(entity->id));
    }
}

static void compare_entity(struct sim *sim, const struct instance *instance)
{
    const struct entity *in_core = instance->entity;
    struct ledger_entity *entity = ledger_entity(&sim->ledger, instance->id);
    size_t count = instance->events.count + in_core->line.count + map64_count(&in_core->delayed);
    sim_check(sim,
              entity->number == (in_core->is_stored ? instance->row : 0) &&
                  count == entity->inbox_count &&
                  map64_count(&in_core->delayed) == entity->timer_count,
              "'%.*s' in core: row %" PRIu64 ", %zu events; in the store %" PRIu64 ", %zu",
              TEXT_ARGS(entity->id), instance->row, count, entity->number, entity->inbox_count);
    struct text state = in_core->is_to_be_purged ? TEXT_ABSENT : entity_state(in_core);
    sim_check(sim,
              text_equal(state, entity->state) && text_equal(in_core->owner, entity->owner) &&
                  text_equal(in_core->execution, entity->execution) &&
                  text_equal(in_core->section, entity->section) &&
                  instance_is_busy(instance) == entity->is_busy,
              "'%.*s' in core: state %.*s, locked by '%.*s'; in the store %.*s, '%.*s'",
              TEXT_ARGS(entity->id), TEXT_ARGS(entity_state(in_core)), TEXT_ARGS(in_core->owner),
              TEXT_ARGS(entity->state), TEXT_ARGS(entity->owner));
    compare_events(sim, entity, &instance->events);
    compare_events(sim, entity, &in_core->line);
}

static void compare(struct sim *sim, const struct instance *instance)
{
    if (instance_is_entity(instance)) {
        compare_entity(sim, instance);
        return;
    }
    const struct ledger_row *row = map64_find(&sim->ledger.by_number, instance->row);
    sim_check(sim, row != NULL && !row->is_deleted, "row %" PRIu64 " is resident and nowhere else",
              instance->row);
    sim_check(sim,
              text_equal(instance->id, row->id) && instance->state == row->state &&
                  text_equal(instance->execution_id, row->execution_id) &&
                  instance->turn_count == row->turn_count &&
                  instance->events.count == row->inbox_count &&
                  instance_is_busy(instance) == row->is_busy,
              "'%.*s' in core: state %d, %" PRIu64 " turns, %zu events; in the store: %d, %zu, %zu",
              TEXT_ARGS(row->id), instance->state, instance->turn_count, instance->events.count,
              row->state, row->turn_count, row->inbox_count);
    sim_check(sim, instance->last_at >= row->made_at && instance->last_at >= row->input_at,
              "'%.*s': core would make an event earlier than the last", TEXT_ARGS(row->id));
    const struct waiting_event *event = instance->events.first;
    for (size_t i = 0; i < row->inbox_count; i++, event = event->next) {
        sim_check(sim,
                  event->arrival == row->inbox[i].arrival &&
                      event->event.at == row->inbox[i].event->at &&
                      event->event.kind == row->inbox[i].event->kind,
                  "'%.*s': inbox row %zu is another in core", TEXT_ARGS(row->id), i);
    }
    sim_check(sim,
              instance->has_begun == row->has_begun &&
                  text_equal(instance->version, row->version) &&
                  instance->starts_at == (ledger_is_held(row) ? row->starts_at : 0),
              "'%.*s' in core: it has %sbegun, or has another version, or start",
              TEXT_ARGS(row->id), instance->has_begun ? "" : "not ");
    compare_steps(sim, instance, row);
    compare_progress(sim, instance, row);
}

void residents_look(struct sim *sim)
{
    for (unsigned i = 0; i < sim->partition_count; i++) {
        const struct slot *slot = &sim->slots[i];
        if (slot->partition == NULL || slot->work != NULL || slot->partition->core == NULL ||
            core_has_changes(slot->partition->core)) {
            continue;
        }
        struct core *core = slot->partition->core;
        struct instance *instance;
        size_t count = 0;
        for (size_t cursor = 0; (instance = map64_next(&core->by_row, &cursor)) != NULL; count++) {
            sim_check(sim, core_find(core, instance->id) == instance,
                      "a resident that is not found by its id");
            compare(sim, instance);
        }
        sim_check(sim, count == core_resident_count(core), "residents are counted wrongly");
    }
}

bool residents_wait_for_store(const struct sim *sim)
{
    for (unsigned i = 0; i < sim->partition_count; i++) {
        if (sim->slots[i].partition != NULL && sim->slots[i].partition->retry_at != 0) {
            return true;
        }
    }
    return false;
}

bool residents_are_doubtful(const struct slot *slot)
{
    const struct partition *partition = slot->partition;
    bool is_doubtful = partition != NULL && partition->is_doubtful;
    for (const struct command *held = partition != NULL ? partition->held.first : NULL;
         held != NULL; held = held->next) {
        is_doubtful = is_doubtful || held->as.done.is_unknown;
    }
    return is_doubtful;
}

const struct ledger_row *residents_parent_of_ended(struct sim *sim)
{
    for (unsigned i = 0; i < sim->partition_count; i++) {
        const struct slot *slot = &sim->slots[i];
        const struct instance *instance;
        if (slot->partition == NULL || slot->partition->core == NULL) {
            continue;
        }
        for (size_t cursor = 0;
             (instance = map64_next(&slot->partition->core->by_row, &cursor)) != NULL;) {
            const struct ledger_row *row =
                run_state_is_final(instance->state) && instance_has_parent(instance)
                    ? ledger_find(&sim->ledger, instance->extra->parent_id)
                    : NULL;
            if (row != NULL && row->state == RUN_FAILED &&
                text_equal(row->execution_id, instance->extra->parent_execution_id)) {
                return row;
            }
        }
    }
    return NULL;
}
