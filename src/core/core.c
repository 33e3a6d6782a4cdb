/* SPDX-License-Identifier: MIT
 *
 * The partition: what it holds, and who of it is resident.
 *
 * A command changes what is resident (C2) and adds to the open batch what can be said at once:
 * INSTANCE_INSERT, in its place before everything else of that row, TIMER_REMOVE, the start's
 * DELETE of what it replaces. What can only be known at the end (the state an instance is left in,
 * which events still wait) is said at the cut: commit.c.
 *
 * Commands are in start.c (an instance comes, or goes as a whole) and commands.c (something happens
 * to one that is here).
 */
#include "core/core.h"

#include "base/assert.h"
#include "base/memory.h"
#include "base/object.h"
#include "core/core_priv.h"
#include "core/entity.h"

enum { CORE_MAGIC = 0x636f7265 };

/* Most activities and events that wait are no larger than this (an activity with an id and an
 * execution id of 32 digits, a short input, and the engine's room: 576); a batch of a busy
 * partition holds some thousands. */
enum { SHELF_ACTIVITY = 656, SHELF_WAITING = 320, SHELF_MOST = 8192 };

/* What is written for a turn, and larger, goes with its batch: one huge turn is not a habit. */
#define SCRATCH_MAX ((size_t)1 << 20)

/* A batch that grew larger than this is not kept: one huge commit is not a habit. */
#define SPARE_BYTES_MAX ((size_t)8 << 20)

/* ---- the partition ---- */

struct core *core_new(const struct core_options *options)
{
    assert_that(options->row_next > 0 && options->codec != NULL);
    assert_that(options->partition < options->partition_count);
    struct core *core = OBJECT_NEW(struct core, CORE_MAGIC);
    core->partition = options->partition;
    core->partition_count = options->partition_count;
    core->epoch = options->epoch;
    core->row_next = options->row_next;
    core->codec = options->codec;
    core->announcer = options->announcer;
    core->activity_room = options->activity_room;
    core->batch_number = 1;
    map_init(&core->by_id);
    map64_init(&core->by_row);
    list_init(&core->touched);
    list_init(&core->idle);
    list_init(&core->asleep);
    list_init(&core->entities);
    core->keeps_empty = options->keeps_empty;
    list_init(&core->ready);
    list_init(&core->postponed);
    core->flight_last = &core->flight_first;
    core->letter_last = &core->letter_first;
    random_seed(&core->random, options->seed);
    timers_init(&core->timers);
    shelf_init(&core->activities, SHELF_ACTIVITY, SHELF_MOST);
    shelf_init(&core->waiting, SHELF_WAITING, SHELF_MOST);
    buffer_init(&core->scratch);
    return core;
}

void core_free(struct core *core)
{
    if (core == NULL) {
        return;
    }
    struct instance *instance;
    for (size_t cursor = 0; (instance = map64_next(&core->by_row, &cursor)) != NULL;) {
        instance_free(&core->waiting, instance);
    }
    map_done(&core->by_id);
    map64_done(&core->by_row);
    for (struct flight *flight = core->flight_first; flight != NULL;) {
        struct flight *next = flight->next;
        mem_free(flight);
        flight = next;
    }
    turn_slots_free(core);
    timers_done(&core->timers);
    shelf_done(&core->activities);
    shelf_done(&core->waiting);
    buffer_done(&core->scratch);
    batch_free(core->open);
    batch_free(core->spare);
    OBJECT_FREE(core, CORE_MAGIC);
}

struct core_counters core_counters(const struct core *core)
{
    OBJECT_CHECK(core, CORE_MAGIC);
    return core->counters;
}

struct batch *core_open_batch(struct core *core)
{
    if (core->open == NULL && core->spare != NULL) {
        core->open = core->spare;
        core->spare = NULL;
        batch_renew(core->open, core->batch_number);
    }
    if (core->open == NULL) {
        core->open = batch_new(core->partition, core->epoch, core->batch_number);
    }
    return core->open;
}

void core_reuse(struct core *core, struct batch *batch)
{
    if (core->spare == NULL && arena_size(&batch->arena) <= SPARE_BYTES_MAX) {
        assert_that(batch->partition == core->partition && batch->epoch == core->epoch);
        core->spare = batch;
    } else {
        batch_free(batch);
    }
}

void core_trim(struct core *core)
{
    OBJECT_CHECK(core, CORE_MAGIC);
    batch_free(core->spare);
    core->spare = NULL;
    turn_slots_free(core);
    shelf_trim(&core->activities);
    shelf_trim(&core->waiting);
}

struct text core_keep_scratch(struct core *core, size_t offset)
{
    size_t size = core->scratch.size - offset;
    if (size > SCRATCH_MAX && offset == 0) { /* rather than twice in memory */
        struct text all = buffer_text(&core->scratch);
        arena_defer(&core_open_batch(core)->arena, mem_free, core->scratch.at);
        buffer_init(&core->scratch);
        return all;
    }
    return text_make(arena_copy(&core_open_batch(core)->arena, core->scratch.at + offset, size),
                     size);
}

/* ---- residents ---- */

struct instance *core_find(struct core *core, struct text id)
{
    OBJECT_CHECK(core, CORE_MAGIC);
    return map_find(&core->by_id, id);
}

struct instance *core_find_row(struct core *core, uint64_t row)
{
    OBJECT_CHECK(core, CORE_MAGIC);
    return map64_find(&core->by_row, row);
}

void core_expect_row(const struct core *core, uint64_t row)
{
    const struct instance *instance = map64_find(&core->by_row, row);
    if (instance != NULL) {
        instance_expect(instance);
    }
}

size_t core_resident_count(const struct core *core)
{
    return map64_count(&core->by_row);
}

void core_unlist(struct core *core, struct instance *instance)
{
    if (list_is_linked(&instance->durability)) {
        list_remove(&instance->durability);
        if (instance->is_asleep && instance->entity != NULL) {
            core->entity_count--;
            core->entity_bytes -= instance->entity->counted;
        } else {
            core->asleep_count -= instance->is_asleep;
        }
        instance->is_asleep = instance->is_settled = false;
    }
}

void core_touch(struct core *core, struct instance *instance)
{
    core_unlist(core, instance);
    list_push_back(&core->touched, &instance->durability);
}

void core_settle(struct core *core, struct instance *instance)
{
    if (instance->turn != NULL || list_is_linked(&instance->waiting) ||
        list_is_linked(&instance->durability)) {
        return;
    }
    if (run_state_is_final(instance->state)) {
        core_leave(core, instance);
        return;
    }
    instance->is_settled = true;
    instance->is_asleep = !instance_is_busy(instance);
    if (instance->is_asleep && instance->entity != NULL) {
        core->entity_count++;
        core->entity_bytes += entity_count_bytes(instance->entity);
        list_push_back(&core->entities, &instance->durability);
        return;
    }
    core->asleep_count += instance->is_asleep;
    list_push_back(instance->is_asleep ? &core->asleep : &core->idle, &instance->durability);
}

void core_enter(struct core *core, struct instance *instance)
{
    map_put(&core->by_id, instance->id, instance);
    map64_put(&core->by_row, instance->row, instance);
}

void core_leave(struct core *core, struct instance *instance)
{
    assert_that(!list_is_linked(&instance->waiting) && instance->turn == NULL);
    if (!instance->is_replaced) {
        map_remove(&core->by_id, instance->id);
    }
    map64_remove(&core->by_row, instance->row);
    core_unlist(core, instance);
    instance_free(&core->waiting, instance);
}

void core_deliver(struct core *core, struct instance *instance, struct waiting_event *event)
{
    assert_that(instance->entity == NULL);
    waiting_events_add(&instance->events, event);
    core_touch(core, instance);
    turn_want(core, instance);
    instance_check(instance);
}

void core_received(struct core *core, uint64_t number)
{
    OBJECT_CHECK(core, CORE_MAGIC);
    if (number > core->received) {
        core->received = number;
    }
}
