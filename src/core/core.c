/* SPDX-License-Identifier: MIT
 *
 * The partition: what it holds, and the commands that come from outside.
 *
 * A command changes what is resident (C2) and adds to the open batch what can be said at once:
 * INSTANCE_INSERT, in its place before everything else of that row, TIMER_REMOVE, the start's
 * DELETE of what it replaces. What can only be known at the end (the state an instance is left in,
 * which events still wait) is said at the cut: commit.c.
 */
#include "core/core.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/object.h"
#include "core/core_priv.h"

enum { CORE_MAGIC = 0x636f7265 };

/* Most activities and events that wait are no larger than this; a batch of a busy partition holds
 * some thousands. */
enum { SHELF_ACTIVITY = 512, SHELF_WAITING = 320, SHELF_MOST = 8192 };

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
    core->activity_room = options->activity_room;
    core->batch_number = 1;
    map_init(&core->by_id);
    map64_init(&core->by_row);
    list_init(&core->touched);
    list_init(&core->idle);
    list_init(&core->asleep);
    list_init(&core->ready);
    list_init(&core->postponed);
    core->flight_last = &core->flight_first;
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
    for (struct turn_slot *slot = core->slots; slot != NULL;) {
        struct turn_slot *next = slot->next;
        turn_slot_free(slot);
        slot = next;
    }
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
    shelf_trim(&core->activities);
    shelf_trim(&core->waiting);
}

struct text core_keep_scratch(struct core *core, size_t offset)
{
    size_t size = core->scratch.size - offset;
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
        core->asleep_count -= instance->is_asleep;
        instance->is_asleep = false;
    }
}

void core_touch(struct core *core, struct instance *instance)
{
    core_unlist(core, instance);
    list_push_back(&core->touched, &instance->durability);
}

void core_rest(struct core *core, struct instance *instance)
{
    instance->is_asleep = !instance_is_busy(instance);
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
    waiting_events_add(&instance->events, event);
    core_touch(core, instance);
    turn_want(core, instance);
    instance_check(instance);
}

/* ---- start ---- */

/* The row of an ended instance gives way to a new one of the same id. It stays known by its row
 * until that is durable (C1): the store still has it as it was, and whoever comes with a timer or
 * a result of it must not find it there. */
static void replace(struct core *core, struct instance *ended, uint64_t row)
{
    if (ended != NULL) {
        instance_check(ended);
        if (ended->insert != NULL) {
            core_fill_record(core, ended, ended->insert);
            ended->insert = NULL;
        }
        ended->is_replaced = true;
        map_remove(&core->by_id, ended->id);
        core_touch(core, ended);
        row = ended->row;
    }
    if (row != 0) {
        assert_that(ended != NULL || core_find_row(core, row) == NULL);
        batch_add(core_open_batch(core), MUTATION_INSTANCE_DELETE, row);
    }
}

/* The INSERT stands before all else of its row; its record is completed at the cut. */
static void insert(struct core *core, struct instance *instance,
                   const struct start_command *command)
{
    struct batch *batch = core_open_batch(core);
    struct instance_record *record = arena_alloc(&batch->arena, sizeof *record);
    record->row = instance->row;
    record->partition = core->partition;
    record->created_at = instance->created_at;
    record->id = text_copy(&batch->arena, command->id);
    record->execution_id = text_copy(&batch->arena, command->execution_id);
    record->name = text_copy(&batch->arena, command->name);
    record->version = text_copy(&batch->arena, command->version);
    record->input = text_copy(&batch->arena, command->input);
    instance->insert = record;
    batch_add(batch, MUTATION_INSTANCE_INSERT, instance->row)->instance = record;
}

static pd_status no_memory(pd_error *err)
{
    return error_set(err, PD_E_NOMEM, true, "core", "no memory for a payload");
}

pd_status core_start(struct core *core, time_us now, const struct start_command *command,
                     pd_error *err)
{
    struct instance *resident = core_find(core, command->id);
    if (resident != NULL && !run_state_is_final(resident->state)) {
        return error_set(err, PD_E_EXISTS, false, "core: start",
                         "an instance '%.*s' exists and has not ended", TEXT_ARGS(command->id));
    }
    struct instance *instance = instance_new(core->row_next, command->id, command->execution_id);
    if (instance == NULL) {
        return no_memory(err);
    }
    instance->created_at = instance_tick(instance, now);
    struct event event = {
        .kind = EVENT_EXECUTION_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = instance->created_at,
        .name = command->name,
        .version = command->version,
        .payload = command->input,
        .instance_id = command->id,
        .execution_id = command->execution_id,
    };
    struct waiting_event *waiting = waiting_event_new(&core->waiting, &event);
    if (waiting == NULL) {
        instance_free(&core->waiting, instance);
        return no_memory(err);
    }
    /* From here on nothing fails. */
    replace(core, resident, command->replaces_row);
    core->row_next += core->partition_count;
    core->counters.starts++;
    core_enter(core, instance);
    insert(core, instance, command);
    core_deliver(core, instance, waiting);
    return PD_OK;
}

/* ---- events and results ---- */

pd_status core_raise(struct core *core, time_us now, struct instance *instance, struct text name,
                     struct text payload, pd_error *err)
{
    instance_check(instance);
    if (run_state_is_final(instance->state)) {
        return error_set(err, PD_E_STATE, false, "core: raise", "the instance '%.*s' has ended",
                         TEXT_ARGS(instance->id));
    }
    struct event event = {
        .kind = EVENT_EVENT_RAISED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .name = name,
        .payload = payload,
    };
    struct waiting_event *waiting = waiting_event_new(&core->waiting, &event);
    if (waiting == NULL) {
        return no_memory(err);
    }
    waiting->event.at = instance_tick(instance, now);
    core_deliver(core, instance, waiting);
    return PD_OK;
}

bool core_complete_activity(struct core *core, time_us now, struct instance *instance,
                            struct text execution_id, int32_t id,
                            const struct activity_result *result)
{
    instance_check(instance);
    struct step step;
    if (!text_equal(instance->execution_id, execution_id) ||
        !steps_close(&instance->steps, id, STEP_TASK, &step)) {
        core->counters.dropped_completions++;
        return false;
    }
    struct event event = {
        .kind = result->failure != NULL ? EVENT_TASK_FAILED : EVENT_TASK_COMPLETED,
        .id = EVENT_NO_ID,
        .ref = id,
        .at = instance_tick(instance, now),
        .payload = result->failure != NULL ? TEXT_ABSENT : result->payload,
        .failure = result->failure,
    };
    core_deliver(core, instance, waiting_event_must(&core->waiting, &event));
    return true;
}

void core_received(struct core *core, uint64_t number)
{
    OBJECT_CHECK(core, CORE_MAGIC);
    if (number > core->received) {
        core->received = number;
    }
}
