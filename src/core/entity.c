/* SPDX-License-Identifier: MIT
 *
 * An entity: its memory, its state, how it comes in from the store, and what must hold of it.
 *
 * It is a resident like an instance, in the same lists, and its batches of operations are turns; so
 * what it is to be durable, to wait for a turn and to be given one is not said again here. What is
 * its own is the line (line.c), the signals that wait for a time (delayed.c), and the state. That
 * is kept as text and written at the cut, once, however often it has changed since the last one.
 *
 *   M1  An entity with nothing in it has no row, unless it is kept (core_options.keeps_empty); it
 *       may stay resident, which tells that the store need not be asked.
 *   M2  The store has its state as of the last turn that ended before the cut; so its row, its
 *       inbox and the letters of one batch belong together (K3).
 */
#include "core/entity.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"

/* ---- its memory ---- */

bool instance_is_entity(const struct instance *instance)
{
    return instance->entity != NULL;
}

void entity_done(struct shelf *waiting, struct entity *entity)
{
    struct waiting_event *event;
    waiting_events_drop(waiting, &entity->line, entity->line.count);
    for (size_t cursor = 0; (event = map64_next(&entity->delayed, &cursor)) != NULL;) {
        waiting_event_free_all(waiting, event);
    }
    map64_done(&entity->delayed);
    map_done(&entity->delayed_by_id);
    map_done(&entity->requesters);
    mem_free(entity->state);
    mem_free((char *)(uintptr_t)entity->owner.at);
}

static struct instance *make(uint64_t row, struct text id)
{
    struct instance *instance = instance_new_entity(row, id);
    if (instance == NULL) {
        mem_exhausted(id.size);
        unreachable_state("mem_exhausted does not return");
    }
    instance->state = instance->stored_state = RUN_RUNNING;
    instance->has_begun = true;
    return instance;
}

struct instance *core_make_entity(struct core *core, struct text id)
{
    assert_that(entity_id_is(id) && core_find(core, id) == NULL);
    struct instance *instance = make(core->row_next, id);
    core->row_next += core->partition_count;
    core_enter(core, instance);
    core_settle(core, instance);
    entity_check(instance);
    return instance;
}

/* ---- what must hold of it ---- */

bool entity_is_empty(const struct instance *instance)
{
    const struct entity *entity = instance->entity;
    return entity->state == NULL && !entity_is_locked(entity) && instance->events.count == 0 &&
           entity->line.count == 0 && map64_count(&entity->delayed) == 0;
}

void entity_check(const struct instance *instance)
{
    const struct entity *entity = instance->entity;
    const struct waiting_events *line = &entity->line;
    assert_that(instance->state == RUN_RUNNING && steps_count(&instance->steps) == 0);
    assert_that(instance->notes == NULL && instance->turn_count == 0);
    bool has_events = instance->events.count != 0;
    bool in_line = list_is_linked(&instance->waiting);
    assert_that(has_events == (instance->events.first != NULL));
    assert_that(!instance->is_postponed || in_line);
    assert_that(instance->holds == 0 ? in_line + (instance->turn != NULL) == has_events : !in_line);
    assert_that((line->count == 0) == (line->first == NULL));
    assert_that(map_count(&entity->requesters) + entity->doubles + entity->followers <=
                line->count);
    assert_that(map_count(&entity->delayed_by_id) + entity->delayed_doubles ==
                map64_count(&entity->delayed));
    assert_that((entity->waiting_bytes == 0) ==
                (line->count == 0 && map64_count(&entity->delayed) == 0));
    /* Nothing stands in line that could go on (K2). */
    assert_that(line->first == NULL || entity_is_locked(entity) ||
                (line->first->event.kind == EVENT_LOCK_REQUESTED && instance->events.count != 0));
    assert_that(!entity->is_to_be_purged || instance->turn != NULL);
    assert_that(entity->delayed_stored <= entity->delayed_last);
}

/* ---- its state ---- */

void entity_set_state(struct instance *instance, struct text state)
{
    enum { ROOM_MIN = 32, ROOM_KEPT = 4096 };
    struct entity *entity = instance->entity;
    if (state.size == 0) {
        entity->has_new_state |= entity->state != NULL;
        mem_free(entity->state);
        entity->state = NULL;
        entity->state_size = entity->state_room = 0;
        return;
    }
    if (entity->state_size == state.size && memcmp(entity->state, state.at, state.size) == 0) {
        return;
    }
    bool is_wasteful = entity->state_room > ROOM_KEPT && state.size < entity->state_room / 4;
    if (state.size > entity->state_room || is_wasteful) {
        size_t room = state.size + state.size / 4;
        room = room < ROOM_MIN ? ROOM_MIN : room;
        char *at = mem_alloc_raw(room);
        memcpy(at, state.at, state.size); /* which may lie in the old one */
        mem_free(entity->state);
        entity->state = at;
        entity->state_room = room;
    } else {
        memmove(entity->state, state.at, state.size);
    }
    entity->state_size = state.size;
    entity->has_new_state = true;
}

size_t entity_count_bytes(struct entity *entity)
{
    size_t waiting = entity->waiting_bytes < LIMIT_ENTITY_WAITING_COUNTED
                         ? entity->waiting_bytes
                         : LIMIT_ENTITY_WAITING_COUNTED;
    return entity->counted = entity->state_size + waiting;
}

void entity_note_change(struct core *core, struct instance *instance, time_us now)
{
    core_touch(core, instance);
    instance->is_changed = true;
    instance->entity->changed_at = instance_tick(instance, now);
}

void entity_consume(struct core *core, struct instance *instance, size_t n)
{
    uint64_t first = 0;
    uint64_t last = 0;
    const struct waiting_event *event = instance->events.first;
    for (size_t i = 0; i < n; i++, event = event->next) {
        if (event->arrival == 0) {
            continue;
        }
        if (first != 0 && event->arrival != last + 1) {
            entity_forget_arrivals(core, instance, first, last);
            first = 0;
        }
        first = first != 0 ? first : event->arrival;
        last = event->arrival;
    }
    if (first != 0) {
        entity_forget_arrivals(core, instance, first, last);
    }
    waiting_events_drop(&core->waiting, &instance->events, n);
}

/* ---- at the cut ---- */

static void put_record(struct core *core, const struct instance *instance, bool is_busy)
{
    const struct entity *entity = instance->entity;
    struct batch *batch = core_open_batch(core);
    struct arena *arena = &batch->arena;
    struct entity_record *record = arena_alloc(arena, sizeof *record);
    bool keeps_state = entity->is_stored && !entity->has_new_state;
    bool has_state = !keeps_state && !entity->is_to_be_purged;
    *record = (struct entity_record){
        .row = instance->row,
        .partition = core->partition,
        .id = text_copy(arena, instance->id),
        .is_busy = is_busy,
        .updated_at = entity->changed_at,
        .state = has_state ? text_copy(arena, entity_state(entity)) : TEXT_ABSENT,
        .lock_owner = text_copy(arena, entity->owner),
        .lock_execution = text_copy(arena, entity->execution),
        .lock_section = text_copy(arena, entity->section),
    };
    struct mutation *mutation = batch_add(batch, MUTATION_ENTITY_PUT, instance->row);
    mutation->entity = record;
    mutation->keeps_state = keeps_state;
}

/* What is new in the list gets its numbers. */
static void say_list(struct core *core, struct instance *instance, struct waiting_events *list)
{
    struct waiting_event *event = list->unrecorded;
    for (; event != NULL; event = event->next) {
        if (event->arrival == 0) {
            uint64_t arrival = event->overtakes
                                   ? ARRIVAL_OVERTAKES + ++instance->entity->overtaken_last
                                   : ++instance->arrival_last;
            core_say_event(core, instance, event, arrival);
        }
    }
    list->unrecorded = NULL;
}

void entity_say(struct core *core, struct instance *instance)
{
    struct entity *entity = instance->entity;
    bool is_busy = instance_is_busy(instance);
    if (entity_is_empty(instance) && !entity->is_kept) {
        if (entity->is_stored) {
            batch_add(core_open_batch(core), MUTATION_ENTITY_DELETE, instance->row);
        }
        entity->is_stored = false;
    } else {
        if (!entity->is_stored || entity->has_new_state || instance->is_changed ||
            is_busy != instance->stored_busy) {
            put_record(core, instance, is_busy);
        }
        entity->is_stored = true;
        say_list(core, instance, &instance->events);
        say_list(core, instance, &entity->line);
    }
    delayed_say(core, instance);
    instance->stored_busy = is_busy;
    instance->is_changed = entity->has_new_state = false;
}

/* ---- purging ---- */

static void purge_state(struct instance *instance)
{
    struct entity *entity = instance->entity;
    entity_set_state(instance, TEXT_ABSENT);
    entity->is_to_be_purged = false;
    entity->is_kept = false;
}

void entity_turn_closed(struct instance *instance)
{
    if (instance->entity->is_to_be_purged) {
        purge_state(instance);
    }
}

static pd_status is_unchanged(const struct instance *instance, time_us since, pd_error *err)
{
    const struct entity *entity = instance->entity;
    if (entity->changed_at != since || entity_is_locked(entity) || instance->events.count != 0 ||
        entity->line.count != 0 || map64_count(&entity->delayed) != 0) {
        return error_set(err, PD_E_STATE, false, "core: purge", "the entity '%.*s' is in use",
                         TEXT_ARGS(instance->id));
    }
    return PD_OK;
}

pd_status core_purge_entity(struct core *core, time_us now, struct instance *instance,
                            time_us unchanged_since, pd_error *err)
{
    instance_check(instance);
    struct entity *entity = instance->entity;
    if (entity_is_empty(instance) && !entity->is_stored && !entity->is_kept) {
        return error_set(err, PD_E_NOT_FOUND, false, "core: purge", "there is no entity '%.*s'",
                         TEXT_ARGS(instance->id));
    }
    pd_status status = unchanged_since != 0 ? is_unchanged(instance, unchanged_since, err) : PD_OK;
    if (status != PD_OK) {
        return status;
    }
    entity_note_change(core, instance, now);
    delayed_drop_all(core, instance);
    if (instance->turn != NULL) {
        entity->is_to_be_purged = entity->has_new_state = true;
    } else {
        purge_state(instance);
    }
    instance_check(instance);
    return PD_OK;
}

/* ---- coming in ---- */

static void admit_event(struct core *core, struct instance *instance, const struct event *event,
                        uint64_t arrival)
{
    struct entity *entity = instance->entity;
    struct waiting_event *waiting = waiting_event_must(&core->waiting, event);
    if (event->at > instance->last_at) {
        instance->last_at = event->at;
    }
    waiting->arrival = arrival;
    if (arrival > ARRIVAL_DELAYED) {
        delayed_admit(entity, waiting);
    } else if (arrival > ARRIVAL_OVERTAKES) {
        waiting->overtakes = true;
        entity->overtaken_last = arrival - ARRIVAL_OVERTAKES;
        waiting_events_add(&instance->events, waiting);
    } else {
        instance->arrival_last = arrival;
        line_add(entity, waiting);
    }
}

/* Does it stand where something like it can stand? */
static bool is_arrival_sound(struct text id, const struct event *event, uint64_t arrival)
{
    if (arrival > ARRIVAL_DELAYED) {
        return event->kind == EVENT_ENTITY_SIGNALED && event->fire_at != 0;
    }
    return line_takes(id, event) &&
           (arrival <= ARRIVAL_OVERTAKES || event->kind != EVENT_LOCK_REQUESTED);
}

static bool is_inbox_sound(const struct entity_image *image)
{
    uint64_t delayed = 0; /* the first of them */
    for (size_t i = 0; i < image->inbox_count; i++) {
        uint64_t arrival = image->arrivals[i];
        if ((i != 0 && arrival <= image->arrivals[i - 1]) ||
            !is_arrival_sound(image->record->id, &image->inbox[i], arrival)) {
            return false;
        }
        delayed = delayed == 0 && arrival > ARRIVAL_DELAYED ? arrival : delayed;
        if (delayed != 0 && arrival - delayed > INT32_MAX) {
            return false; /* two of them may have one timer */
        }
    }
    return true;
}

pd_status core_check_entity(const struct entity_image *image, pd_error *err)
{
    const struct entity_record *record = image->record;
    bool is_locked = text_is_present(record->lock_owner);
    pd_error unused;
    if (entity_id_check(record->id, &unused) == PD_OK &&
        text_is_present(record->lock_section) == is_locked &&
        text_is_present(record->lock_execution) == is_locked && is_inbox_sound(image)) {
        return PD_OK;
    }
    return error_set(err, PD_E_CORRUPT, false, "core: load",
                     "what is stored of entity '%.*s' is damaged", TEXT_ARGS(record->id));
}

struct instance *core_admit_entity(struct core *core, const struct entity_image *image)
{
    const struct entity_record *record = image->record;
    assert_that(core_find(core, record->id) == NULL && core_find_row(core, record->row) == NULL);
    assert_that(record->partition == core->partition);
    struct instance *instance = make(record->row, record->id);
    struct entity *entity = instance->entity;
    instance->stored_busy = record->is_busy;
    instance->last_at = entity->changed_at = record->updated_at;
    entity->is_stored = true;
    entity->is_kept = core->keeps_empty;
    entity_set_state(instance, record->state);
    entity->has_new_state = false;
    if (text_is_present(record->lock_owner)) {
        entity_lock(entity, record->lock_owner, record->lock_execution, record->lock_section);
    }
    for (size_t i = 0; i < image->inbox_count; i++) {
        admit_event(core, instance, &image->inbox[i], image->arrivals[i]);
    }
    core_enter(core, instance);
    entity_go_on(core, instance->last_at, instance);
    core_settle(core, instance);
    return instance;
}
