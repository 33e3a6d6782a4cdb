/* SPDX-License-Identifier: MIT
 *
 * Signals that wait for their time.
 *
 * Each is a row of the inbox with a number of its own kind (entity.h), and a timer of the entity,
 * both written at the cut, unless its time comes or it is cancelled before. When the timer fires
 * the signal stands in line as one that arrives then; so there is no order between those with a
 * time and those without.
 *
 *   Y1  A timer of an entity is open while the signal of its step and time is here; others are
 *       stale.
 */
#include "base/assert.h"
#include "core/entity.h"

/* The n-th signal that was given a step. */
static int32_t step_of(uint64_t n)
{
    return (int32_t)(n & INT32_MAX);
}

/* False: it has no id, or another one had it first. */
static bool index_by_id(struct entity *entity, struct waiting_event *waiting)
{
    struct text id = waiting->event.request_id;
    bool is_first = text_is_present(id) && map_find(&entity->delayed_by_id, id) == NULL;
    if (is_first) {
        map_put(&entity->delayed_by_id, id, waiting);
    }
    return is_first;
}

/* The next that has its id takes its place. */
static void unindex(struct entity *entity, const struct waiting_event *waiting)
{
    struct text id = waiting->event.request_id;
    struct waiting_event *other;
    if (!text_is_present(id) || map_find(&entity->delayed_by_id, id) != waiting) {
        entity->delayed_doubles--;
        return;
    }
    (void)map_remove(&entity->delayed_by_id, id);
    for (size_t cursor = 0;
         entity->delayed_doubles != 0 && (other = map64_next(&entity->delayed, &cursor)) != NULL;) {
        if (text_equal(other->event.request_id, id)) {
            (void)index_by_id(entity, other);
            entity->delayed_doubles--;
            break;
        }
    }
}

/* With the step that was given last. */
static void put(struct entity *entity, struct waiting_event *waiting)
{
    waiting->timer = step_of(entity->delayed_last);
    map64_put(&entity->delayed, (uint64_t)waiting->timer, waiting);
    entity->delayed_doubles += !index_by_id(entity, waiting);
    entity->waiting_bytes += waiting->size;
}

void delayed_add(struct core *core, struct instance *instance, struct waiting_event *waiting)
{
    struct entity *entity = instance->entity;
    entity_expect(core, instance);
    do {
        entity->delayed_last++; /* past one that has waited for 2^31 others */
    } while (map64_find(&entity->delayed, (uint64_t)step_of(entity->delayed_last)) != NULL);
    put(entity, waiting);
    timers_await(core, instance, waiting->timer, waiting->event.fire_at);
    instance_check(instance);
}

void delayed_admit(struct entity *entity, struct waiting_event *waiting)
{
    entity->delayed_last = entity->delayed_stored = waiting->arrival - ARRIVAL_DELAYED;
    put(entity, waiting);
}

static struct waiting_event *find(const struct instance *instance, int32_t id, time_us due)
{
    struct waiting_event *waiting =
        id >= 0 ? map64_find(&instance->entity->delayed, (uint64_t)id) : NULL;
    return waiting != NULL && waiting->event.fire_at == due ? waiting : NULL;
}

bool delayed_awaits(const struct instance *instance, int32_t id, time_us due)
{
    return find(instance, id, due) != NULL;
}

/* It waits no longer. */
static void take_out(struct core *core, struct instance *instance, struct waiting_event *waiting)
{
    struct entity *entity = instance->entity;
    core_touch(core, instance);
    (void)map64_remove(&entity->delayed, (uint64_t)waiting->timer);
    unindex(entity, waiting);
    entity->waiting_bytes -= waiting->size;
    if (map64_count(&entity->delayed) == 0) {
        map64_done(&entity->delayed); /* they may have been many */
        map_done(&entity->delayed_by_id);
    }
    if (waiting->arrival != 0) {
        timers_unset(core, instance, waiting->timer, waiting->event.fire_at);
        entity_unrecord(core, instance, waiting);
    }
}

bool delayed_fire(struct core *core, time_us now, struct instance *instance, int32_t id,
                  time_us due)
{
    struct waiting_event *waiting = find(instance, id, due);
    if (waiting == NULL) {
        return false;
    }
    take_out(core, instance, waiting);
    /* Not before it was due, also when the clock was set back since it was found due. */
    waiting->event.at = instance_tick(instance, now > due ? now : due);
    waiting->event.raw = TEXT_ABSENT;
    line_arrive(core, now, instance, waiting);
    return true;
}

bool delayed_cancel(struct core *core, struct instance *instance, struct text request_id)
{
    struct waiting_event *waiting = map_find(&instance->entity->delayed_by_id, request_id);
    if (waiting == NULL) {
        return false;
    }
    take_out(core, instance, waiting);
    waiting_event_free_all(&core->waiting, waiting);
    instance_check(instance);
    return true;
}

void delayed_drop_all(struct core *core, struct instance *instance)
{
    struct waiting_event *waiting;
    for (size_t cursor = 0; (waiting = map64_next(&instance->entity->delayed, &cursor)) != NULL;) {
        take_out(core, instance, waiting);
        waiting_event_free_all(&core->waiting, waiting);
    }
}

void delayed_say(struct core *core, struct instance *instance)
{
    struct entity *entity = instance->entity;
    while (entity->delayed_stored < entity->delayed_last) {
        uint64_t n = ++entity->delayed_stored;
        struct waiting_event *waiting = map64_find(&entity->delayed, (uint64_t)step_of(n));
        if (waiting == NULL || waiting->arrival != 0) {
            continue; /* it has gone already */
        }
        core_say_event(core, instance, waiting, ARRIVAL_DELAYED + n);
        struct mutation *timer =
            batch_add(core_open_batch(core), MUTATION_TIMER_PUT, instance->row);
        timer->id = waiting->timer;
        timer->due = waiting->event.fire_at;
    }
}
