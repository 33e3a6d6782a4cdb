/* SPDX-License-Identifier: MIT
 *
 * The cut, and what follows when its batch is durable.
 *
 * The cut is where lazy things are said: one record for each instance that was touched (an INSERT
 * or RENEW that was waiting for its last word, or an UPDATE when the state, the busy mark or the
 * quarantine differ from what the store has, or the last change is a second newer; the rest is in
 * history already), and the inbox rows of events that no turn has consumed so far, those of open
 * turns included. So an event that came and was consumed between two cuts is written once (C5), and
 * the busy mark is right in every batch (C4).
 *
 * Batches in flight are a queue. Each knows the instances whose last mutation it holds: one that is
 * touched again moves on to the later batch. So an instance found in the queue's first when that is
 * durable has nothing that is not.
 */
#include "base/assert.h"
#include "base/memory.h"
#include "core/core_priv.h"
#include "core/entity.h"

void core_fill_record(struct core *core, struct instance *instance, struct instance_record *record)
{
    struct arena *arena = &core_open_batch(core)->arena;
    record->row = instance->row;
    record->partition = core->partition;
    record->state = instance->state;
    record->is_busy = instance_is_busy(instance);
    record->created_at = instance->created_at;
    record->updated_at = instance->stored_at = instance->last_at;
    record->ended_at = instance->ended_at;
    record->output = instance->output; /* in this batch's arena: it ended since the last cut */
    record->failure = instance->failure;
    if (instance->quarantine != NULL) {
        const struct note *quarantine = instance->quarantine;
        assert_that(instance->state == RUN_SUSPENDED);
        record->failure = text_copy(arena, text_make(quarantine->bytes, quarantine->size));
    }
    if (!text_is_present(record->id)) {
        record->id = text_copy(arena, instance->id);
        record->execution_id = text_copy(arena, instance->execution_id);
    }
}

struct instance_record *core_promise_record(struct core *core, struct instance *instance,
                                            enum mutation_kind kind, struct text input)
{
    struct batch *batch = core_open_batch(core);
    struct arena *arena = &batch->arena;
    core_close_record(core, instance);
    struct instance_record *record = arena_alloc(arena, sizeof *record);
    record->row = instance->row;
    record->partition = core->partition;
    record->created_at = instance->created_at;
    record->starts_at = instance->starts_at;
    record->id = text_copy(arena, instance->id);
    record->execution_id = text_copy(arena, instance->execution_id);
    record->name = text_copy(arena, instance->name);
    record->version = text_copy(arena, instance->version);
    record->input = text_copy(arena, input);
    if (instance->extra != NULL) {
        record->tags = text_copy(arena, instance->extra->tags);
        record->parent_id = text_copy(arena, instance->extra->parent_id);
        record->parent_execution_id = text_copy(arena, instance->extra->parent_execution_id);
        record->parent_step = instance->extra->parent_step;
    }
    batch_add(batch, kind, instance->row)->instance = record;
    return instance->record = record;
}

void core_close_record(struct core *core, struct instance *instance)
{
    if (instance->record != NULL) {
        core_fill_record(core, instance, instance->record);
        instance->record = NULL;
    }
}

/* It works, and nothing else of its record changes: who looks at it sees when it was last heard of
 * to within a second, which costs a row a second and not one a turn. */
static bool is_stale(const struct instance *instance)
{
    return instance->last_at >= time_add(instance->stored_at, TIME_SECOND);
}

static void say_record(struct core *core, struct instance *instance)
{
    bool is_busy = instance_is_busy(instance);
    if (instance->record != NULL) {
        core_close_record(core, instance);
    } else if (instance->state != instance->stored_state || is_busy != instance->stored_busy ||
               instance->is_changed || is_stale(instance)) {
        struct batch *batch = core_open_batch(core);
        struct instance_record *record = arena_alloc(&batch->arena, sizeof *record);
        core_fill_record(core, instance, record);
        batch_add(batch, MUTATION_INSTANCE_UPDATE, instance->row)->instance = record;
    }
    instance->stored_state = instance->state;
    instance->stored_busy = is_busy;
    instance->is_changed = false;
    instance->output = instance->failure = TEXT_ABSENT;
}

void core_say_event(struct core *core, struct instance *instance, struct waiting_event *waiting,
                    uint64_t arrival)
{
    buffer_reset(&core->scratch);
    core->codec->event(&core->scratch, &waiting->event);
    waiting->arrival = arrival;
    struct mutation *mutation = batch_add(core_open_batch(core), MUTATION_INBOX_PUT, instance->row);
    mutation->number = arrival;
    mutation->bytes = core_keep_scratch(core, 0);
}

static void say_waiting(struct core *core, struct instance *instance)
{
    struct waiting_event *event = instance->events.unrecorded;
    for (; event != NULL; event = event->next) {
        core_say_event(core, instance, event, ++instance->arrival_last);
    }
    instance->events.unrecorded = NULL;
}

bool core_has_changes(const struct core *core)
{
    const struct batch *open = core->open;
    return !list_is_empty(&core->touched) || core->received != 0 || core->letter_first != NULL ||
           (open != NULL && (open->mutation_count != 0 || !list_is_empty(&open->activities)));
}

/* The lists below are long, and what is in them was last touched thousands of instances ago. */
static struct instance *pop(struct list *list)
{
    struct list_node *node = list_pop_front(list);
    if (node == NULL) {
        return NULL;
    }
    struct list_node *next = list_front(list);
    if (next != NULL) {
        instance_expect(CONTAINER_OF(next, struct instance, durability));
    }
    return CONTAINER_OF(node, struct instance, durability);
}

/* Nobody waits any more for some that this batch would have had run: results of an earlier attempt
 * came after all, the step was cancelled, or the execution has ended. */
static void drop_unwanted(struct core *core, struct batch *batch)
{
    LIST_EACH_SAFE(node, &batch->activities)
    {
        struct activity *activity = CONTAINER_OF(node, struct activity, node);
        struct instance *instance = core_find_row(core, activity->row);
        struct step step;
        if (instance != NULL && (!text_equal(instance->execution_id, activity->execution_id) ||
                                 !steps_find(&instance->steps, activity->id, STEP_TASK, &step))) {
            list_remove(node);
            batch->activity_count--;
            core_reuse_activity(core, activity);
        }
    }
    core->has_unwanted = false;
}

struct batch *core_cut(struct core *core)
{
    assert_that(core->letter_first == NULL); /* C8 */
    if (!core_has_changes(core)) {
        return NULL;
    }
    struct batch *batch = core_open_batch(core);
    struct flight *flight = mem_alloc(sizeof *flight);
    flight->number = batch->number;
    list_init(&flight->instances);
    struct instance *instance;
    while ((instance = pop(&core->touched)) != NULL) {
        list_push_back(&flight->instances, &instance->durability);
        instance_check(instance);
        if (instance->entity != NULL) {
            entity_say(core, instance);
        } else if (!instance->is_replaced) { /* else its row is gone in this very batch */
            say_record(core, instance);
            say_waiting(core, instance);
        }
    }
    if (core->received != 0) {
        batch_add(batch, MUTATION_MAILBOX_REMOVE, 0)->number = core->received;
        core->received = 0;
    }
    if (core->has_unwanted) {
        drop_unwanted(core, batch);
    }
    *core->flight_last = flight;
    core->flight_last = &flight->next;
    core->open = NULL;
    core->batch_number++;
    return batch;
}

void core_committed(struct core *core, const struct batch *batch)
{
    struct flight *flight = core->flight_first;
    assert_that(flight != NULL && flight->number == batch->number); /* B4 */
    core->flight_first = flight->next;
    if (core->flight_first == NULL) {
        core->flight_last = &core->flight_first;
    }
    core->batch_committed = batch->number;
    struct instance *instance;
    while ((instance = pop(&flight->instances)) != NULL) {
        core_settle(core, instance);
    }
    mem_free(flight);

    LIST_EACH_SAFE(waiting, &core->postponed)
    {
        instance = CONTAINER_OF(waiting, struct instance, waiting);
        if (instance->turn_batch <= core->batch_committed) {
            list_remove(waiting);
            instance->is_postponed = false;
            turn_want(core, instance);
        }
    }
    timers_committed(&core->timers, batch->number);
}
