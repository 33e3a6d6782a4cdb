/* SPDX-License-Identifier: MIT
 *
 * The ledger: entities as a store has them (L6).
 *
 * An id may have a row, lose it when nothing is left, and have another one later; what is known of
 * the entity stays. */
#include <inttypes.h>

#include "core/lock_set.h"
#include "ledger_priv.h"
#include "sim.h"

/* Numbers in its inbox from here on are of signals that wait for a time: docs/format/sqlite.md. */
#define FIRST_DELAYED (UINT64_C(1) << 62)

/* ---- finding ---- */

struct ledger_entity *ledger_entity(struct ledger *ledger, struct text id)
{
    struct ledger_entity *entity = map_find(&ledger->entities_by_id, id);
    if (entity == NULL) {
        entity = arena_alloc(ledger->arena, sizeof *entity);
        entity->id = text_copy(ledger->arena, id);
        entity->partition = partition_of(id, ledger->sim->partition_count);
        entity->model.entity = box_entity_of(id);
        sim_check(ledger->sim, entity->model.entity < SIM_ENTITIES, "an entity '%.*s'",
                  TEXT_ARGS(id));
        map_put(&ledger->entities_by_id, entity->id, entity);
        LEDGER_ROOM(ledger, ledger->entities, ledger->entity_count, ledger->entity_room);
        ledger->entities[ledger->entity_count++] = entity;
    }
    return entity;
}

bool ledger_is_of_entity(const struct ledger *ledger, const struct mutation *mutation)
{
    return mutation->kind == MUTATION_ENTITY_PUT || mutation->kind == MUTATION_ENTITY_DELETE ||
           map64_find(&ledger->entity_rows, mutation->row) != NULL;
}

static bool is_delayed(const struct ledger_inbox *inbox)
{
    return inbox->arrival > FIRST_DELAYED;
}

/* ---- mutations ---- */

static void put(struct ledger *ledger, const struct batch *batch, const struct mutation *mutation)
{
    const struct entity_record *record = mutation->entity;
    struct arena *arena = ledger->arena;
    struct ledger_entity *entity = ledger_entity(ledger, record->id);
    sim_check(ledger->sim,
              record->partition == batch->partition && entity->partition == batch->partition,
              "'%.*s' is in the wrong partition", TEXT_ARGS(record->id));
    if (entity->number != record->row) {
        struct ledger_entity *before = map64_find(&ledger->entity_rows, record->row);
        sim_check(ledger->sim,
                  entity->number == 0 && (before == NULL || before == entity) &&
                      map64_find(&ledger->by_number, record->row) == NULL,
                  "'%.*s' gets row %" PRIu64 ", and has %" PRIu64, TEXT_ARGS(record->id),
                  record->row, entity->number);
        sim_check(ledger->sim, !mutation->keeps_state, "'%.*s' keeps a state that it has not",
                  TEXT_ARGS(record->id));
        entity->number = record->row;
        entity->state = TEXT_ABSENT;
        (void)map64_remove(&ledger->entity_rows, record->row);
        map64_put(&ledger->entity_rows, record->row, entity);
    }
    entity->is_busy = record->is_busy;
    entity->updated_at = record->updated_at;
    entity->owner = text_copy(arena, record->lock_owner);
    entity->execution = text_copy(arena, record->lock_execution);
    entity->section = text_copy(arena, record->lock_section);
    if (!mutation->keeps_state) {
        entity->state = text_copy(arena, record->state);
    }
}

static void delete (struct ledger *ledger, struct ledger_entity *entity)
{
    sim_check(ledger->sim, entity->inbox_count == 0 && entity->timer_count == 0,
              "'%.*s' is deleted, and %zu events and %zu timers wait", TEXT_ARGS(entity->id),
              entity->inbox_count, entity->timer_count);
    sim_check(ledger->sim, !ledger->sim->keeps_empty || entity->purged_in != 0,
              "'%.*s' is deleted, and was to be kept", TEXT_ARGS(entity->id));
    sim_check(ledger->sim, map64_find(&ledger->entity_rows, entity->number) == entity,
              "'%.*s' is deleted, and is not there", TEXT_ARGS(entity->id));
    entity->number = 0;
    entity->is_busy = false;
    entity->state = entity->owner = entity->execution = entity->section = TEXT_ABSENT;
}

static void inbox_put(struct ledger *ledger, struct ledger_entity *entity,
                      const struct mutation *mutation)
{
    struct wire_events events = { 0 };
    pd_error err;
    struct text kept = text_copy(ledger->arena, mutation->bytes);
    sim_check(ledger->sim,
              wire_read_events(kept, ledger->arena, &events, &err) == PD_OK && events.count == 1,
              "'%.*s': an inbox row that cannot be read", TEXT_ARGS(entity->id));
    size_t at = entity->inbox_count;
    LEDGER_ROOM(ledger, entity->inbox, entity->inbox_count, entity->inbox_room);
    while (at > 0 && entity->inbox[at - 1].arrival >= mutation->number) {
        sim_check(ledger->sim, entity->inbox[at - 1].arrival != mutation->number,
                  "'%.*s': two events with the number %" PRIu64, TEXT_ARGS(entity->id),
                  mutation->number);
        entity->inbox[at] = entity->inbox[at - 1];
        at--;
    }
    entity->inbox[at] = (struct ledger_inbox){ mutation->number, kept, &events.at[0] };
    entity->inbox_count++;
}

static void inbox_remove(struct ledger *ledger, struct ledger_entity *entity, uint64_t first,
                         uint64_t last)
{
    size_t left = 0;
    for (size_t i = 0; i < entity->inbox_count; i++) {
        if (entity->inbox[i].arrival < first || entity->inbox[i].arrival > last) {
            entity->inbox[left++] = entity->inbox[i];
        }
    }
    sim_check(ledger->sim, first != 0 && entity->inbox_count - left == last - first + 1,
              "'%.*s': of its inbox %" PRIu64 " to %" PRIu64 " are removed, and %zu are there",
              TEXT_ARGS(entity->id), first, last, entity->inbox_count - left);
    entity->inbox_count = left;
}

static void timer_remove(struct ledger_entity *entity, time_us due, int32_t id)
{
    for (size_t i = 0; i < entity->timer_count; i++) {
        if (entity->timers[i].due == due && entity->timers[i].id == id) {
            entity->timers[i] = entity->timers[--entity->timer_count];
            return;
        }
    }
}

static struct ledger_entity *entity_of(struct ledger *ledger, const struct batch *batch,
                                       uint64_t row)
{
    struct ledger_entity *entity = map64_find(&ledger->entity_rows, row);
    sim_check(ledger->sim, entity != NULL, "a mutation of row %" PRIu64 ", which is not there",
              row);
    sim_check(ledger->sim, entity->partition == batch->partition,
              "'%.*s' of partition %u in a batch of %u", TEXT_ARGS(entity->id), entity->partition,
              batch->partition);
    if (!entity->is_touched) {
        entity->is_touched = true;
        entity->next_touched = ledger->touched_entities;
        ledger->touched_entities = entity;
    }
    return entity;
}

void ledger_apply_to_entity(struct ledger *ledger, const struct batch *batch,
                            const struct mutation *mutation)
{
    if (mutation->kind == MUTATION_ENTITY_PUT) {
        put(ledger, batch, mutation);
    }
    struct ledger_entity *entity = entity_of(ledger, batch, mutation->row);
    entity->changed_in = ledger->commits;
    sim_check(ledger->sim,
              entity->number == mutation->row || mutation->kind == MUTATION_TIMER_REMOVE,
              "'%.*s': row %" PRIu64 " is gone", TEXT_ARGS(entity->id), mutation->row);
    switch ((int)mutation->kind) {
    case MUTATION_ENTITY_PUT: break;
    case MUTATION_ENTITY_DELETE: delete (ledger, entity); break;
    case MUTATION_INBOX_PUT: inbox_put(ledger, entity, mutation); break;
    case MUTATION_INBOX_REMOVE:
        inbox_remove(ledger, entity, mutation->first, mutation->number);
        break;
    case MUTATION_TIMER_PUT:
        LEDGER_ROOM(ledger, entity->timers, entity->timer_count, entity->timer_room);
        entity->timers[entity->timer_count++] =
            (struct ledger_timer){ mutation->due, mutation->id };
        break;
    case MUTATION_TIMER_REMOVE: timer_remove(entity, mutation->due, mutation->id); break;
    default: sim_fail(ledger->sim, "'%.*s' is no instance", TEXT_ARGS(entity->id));
    }
}

/* ---- after a commit (L6) ---- */

/* A client may have purged it, at any moment since. */
void ledger_check_state(struct ledger *ledger, struct ledger_entity *entity, struct text state,
                        const char *where)
{
    struct text expected = box_model_state(&entity->model, ledger->arena);
    state = state.size == 0 ? TEXT_ABSENT : state;
    if (!text_is_present(state) && text_is_present(expected) && entity->purges > 0) {
        entity->purges--;
        entity->model.has_state = false;
        entity->model.count = 0;
        return;
    }
    sim_check(ledger->sim, text_equal(state, expected),
              "'%.*s': the state %s is %.*s, and should be %.*s", TEXT_ARGS(entity->id), where,
              TEXT_ARGS(state), TEXT_ARGS(expected));
}

static bool has_timer(const struct ledger_entity *entity, const struct ledger_inbox *inbox)
{
    for (size_t i = 0; i < entity->timer_count; i++) {
        if (entity->timers[i].id == (int32_t)(inbox->arrival & INT32_MAX) &&
            entity->timers[i].due == inbox->event->fire_at) {
            return true;
        }
    }
    return false;
}

static bool is_of_owner(const struct ledger_entity *entity, const struct event *event)
{
    return event->kind != EVENT_LOCK_REQUESTED && event->extra != NULL &&
           event->extra->has_parent && text_equal(event->extra->parent_id, entity->owner) &&
           text_equal(event->extra->parent_execution_id, entity->execution);
}

static void check_inbox(struct ledger *ledger, const struct ledger_entity *entity)
{
    size_t delayed = 0;
    bool can_be_run = false;
    bool is_locked = text_is_present(entity->owner);
    for (size_t i = 0; i < entity->inbox_count; i++) {
        const struct ledger_inbox *inbox = &entity->inbox[i];
        const struct event *event = inbox->event;
        if (is_delayed(inbox)) {
            delayed++;
            sim_check(ledger->sim, has_timer(entity, inbox), "'%.*s': a signal without its timer",
                      TEXT_ARGS(entity->id));
            continue;
        }
        can_be_run = can_be_run || !is_locked || is_of_owner(entity, event);
        struct ledger_deed *deed =
            event->kind != EVENT_LOCK_REQUESTED ? ledger_deed_find(ledger, event->payload) : NULL;
        sim_check(ledger->sim,
                  event->kind == EVENT_LOCK_REQUESTED ||
                      (deed != NULL && deed->done < deed->said + deed->maybe),
                  "'%.*s': %.*s waits, and is done", TEXT_ARGS(entity->id),
                  TEXT_ARGS(event->payload));
    }
    sim_check(ledger->sim, delayed == entity->timer_count,
              "'%.*s': %zu signals wait, and %zu timers", TEXT_ARGS(entity->id), delayed,
              entity->timer_count);
    sim_check(ledger->sim, entity->is_busy == can_be_run,
              "'%.*s' is %sbusy with an inbox of %zu, %slocked (K5)", TEXT_ARGS(entity->id),
              entity->is_busy ? "" : "not ", entity->inbox_count, is_locked ? "" : "not ");
}

static void check_lock(struct ledger *ledger, const struct ledger_entity *entity)
{
    bool is_locked = text_is_present(entity->owner);
    sim_check(ledger->sim,
              is_locked == text_is_present(entity->execution) &&
                  is_locked == text_is_present(entity->section),
              "'%.*s' is locked by half a section", TEXT_ARGS(entity->id));
    if (!is_locked) {
        return;
    }
    struct text key = text_of(arena_printf(ledger->arena, "%.*s %.*s", TEXT_ARGS(entity->execution),
                                           TEXT_ARGS(entity->section)));
    const struct event *request = map_find(&ledger->sections, key);
    const struct ledger_row *row = ledger_find_execution(ledger, entity->execution);
    sim_check(ledger->sim,
              request != NULL && row != NULL && text_equal(row->id, entity->owner) &&
                  lock_set_has(request->extra->lock_set, entity->id),
              "'%.*s' is locked by '%.*s', which has not asked for it", TEXT_ARGS(entity->id),
              TEXT_ARGS(entity->owner));
}

void ledger_check_entity(struct ledger *ledger, struct ledger_entity *entity)
{
    ledger_check_state(ledger, entity, entity->state, "that was written");
    if (entity->number == 0) {
        return;
    }
    check_lock(ledger, entity);
    check_inbox(ledger, entity);
    sim_check(ledger->sim,
              text_is_present(entity->state) || text_is_present(entity->owner) ||
                  entity->inbox_count > 0 || ledger->sim->keeps_empty,
              "'%.*s' is empty, and has a row", TEXT_ARGS(entity->id));
}

/* ---- letters ---- */

struct text ledger_entity_key(struct ledger *ledger, const struct event *event)
{
    switch ((int)event->kind) {
    case EVENT_ENTITY_CALLED:
    case EVENT_ENTITY_SIGNALED: return ledger_deed_key(ledger->arena, event->payload);
    case EVENT_LOCK_REQUESTED:
    case EVENT_UNLOCK_SENT:
    case EVENT_SIGNAL_CANCELLED: return event->request_id;
    default: return TEXT_ABSENT;
    }
}

static bool has_request(const struct ledger_entity *entity, struct text section)
{
    for (size_t i = 0; i < entity->inbox_count; i++) {
        const struct event *event = entity->inbox[i].event;
        if (event->kind == EVENT_LOCK_REQUESTED && text_equal(event->request_id, section)) {
            return true;
        }
    }
    return false;
}

/* A signal of this id waits there. */
static bool has_signal(const struct ledger_entity *entity, struct text request_id)
{
    for (size_t i = 0; i < entity->inbox_count; i++) {
        const struct event *event = entity->inbox[i].event;
        if (event->kind == EVENT_ENTITY_SIGNALED && text_equal(event->request_id, request_id)) {
            return true;
        }
    }
    return false;
}

/* Somebody says that he is not whose lock it is. */
static bool is_by_another(const struct ledger_due *due, const struct ledger_entity *entity)
{
    const struct event_extra *extra = due->event != NULL ? due->event->extra : NULL;
    return extra != NULL && extra->has_parent &&
           !text_equal(extra->parent_execution_id, entity->execution);
}

bool ledger_entity_has(const struct ledger *ledger, const struct ledger_due *due)
{
    const struct ledger_entity *entity = map_find(&ledger->entities_by_id, due->id);
    const struct ledger_deed *deed = map_find(&ledger->deeds_by_key, due->key);
    switch ((int)due->kind) {
    case MESSAGE_OPERATION:
        if (deed == NULL) {
            return true; /* a lock request: where it has gone from here is not seen */
        }
        return deed->done_in == ledger->commits || deed->is_taken_back ||
               (deed->fire_at != 0 && entity != NULL && entity->purged_in != 0) ||
               ledger_deed_waits(ledger, deed);
    case MESSAGE_UNLOCK:
        return entity == NULL || is_by_another(due, entity) ||
               (!text_equal(entity->section, due->key) && !has_request(entity, due->key));
    case MESSAGE_CANCEL_SIGNAL:
        deed = ledger_deed_of_request(ledger, due->id, due->key);
        return entity == NULL || !has_signal(entity, due->key) ||
               ledger->sim->has_away || /* it may be in a turn that is elsewhere */
               (deed != NULL && deed->said + deed->maybe > 1); /* which of them? */
    default: return false;
    }
}

void ledger_check_rest(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->entity_count; i++) {
        const struct ledger_entity *entity = ledger->entities[i];
        sim_check(ledger->sim, !text_is_present(entity->owner),
                  "'%.*s' is locked by '%.*s' at the end", TEXT_ARGS(entity->id),
                  TEXT_ARGS(entity->owner));
        sim_check(ledger->sim, entity->inbox_count == 0 && !entity->is_busy,
                  "'%.*s': %zu events wait at the end", TEXT_ARGS(entity->id), entity->inbox_count);
    }
}
