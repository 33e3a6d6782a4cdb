/* SPDX-License-Identifier: MIT
 *
 * The cut, and what follows when its batch is durable.
 *
 * The cut is where lazy things are said: one record for each instance that was touched (an INSERT
 * that was waiting for its last word, or an UPDATE when state or busy mark differ from what the
 * store has; the rest is in history already), and the inbox rows of events that no turn has
 * consumed so far, those of open turns included. So an event that came and was consumed between
 * two cuts is written once (C5), and the busy mark is right in every batch (C4).
 *
 * Batches in flight are a queue. Each knows the instances whose last mutation it holds: one that is
 * touched again moves on to the later batch. So an instance found in the queue's first when that is
 * durable has nothing that is not.
 */
#include "base/assert.h"
#include "base/memory.h"
#include "core/core_priv.h"

void core_fill_record(struct core *core, struct instance *instance, struct instance_record *record)
{
    struct batch *batch = core_open_batch(core);
    record->row = instance->row;
    record->partition = core->partition;
    record->state = instance->state;
    record->is_busy = instance_is_busy(instance);
    record->created_at = instance->created_at;
    record->updated_at = instance->last_at;
    record->ended_at = instance->ended_at;
    record->output = instance->output; /* in this batch's arena: it ended since the last cut */
    record->failure = instance->failure;
    if (!text_is_present(record->id)) {
        record->id = text_copy(&batch->arena, instance->id);
        record->execution_id = text_copy(&batch->arena, instance->execution_id);
    }
}

static void say_record(struct core *core, struct instance *instance)
{
    if (instance->insert != NULL) {
        core_fill_record(core, instance, instance->insert);
        instance->insert = NULL;
    } else if (instance->state != instance->stored_state ||
               instance_is_busy(instance) != instance->stored_busy) {
        struct batch *batch = core_open_batch(core);
        struct instance_record *record = arena_alloc(&batch->arena, sizeof *record);
        core_fill_record(core, instance, record);
        batch_add(batch, MUTATION_INSTANCE_UPDATE, instance->row)->instance = record;
    }
    instance->stored_state = instance->state;
    instance->stored_busy = instance_is_busy(instance);
    instance->output = instance->failure = TEXT_ABSENT;
}

static void say_waiting(struct core *core, struct instance *instance)
{
    struct waiting_event *event = instance->events.unrecorded;
    for (; event != NULL; event = event->next) {
        buffer_reset(&core->scratch);
        core->codec->event(&core->scratch, &event->event);
        event->arrival = ++instance->arrival_last;
        struct mutation *mutation =
            batch_add(core_open_batch(core), MUTATION_INBOX_PUT, instance->row);
        mutation->number = event->arrival;
        mutation->bytes = core_keep_scratch(core, 0);
    }
    instance->events.unrecorded = NULL;
}

bool core_has_changes(const struct core *core)
{
    const struct batch *open = core->open;
    return !list_is_empty(&core->touched) || core->received != 0 ||
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

/* Results of before may have come since their activities were put in to be run again. */
static void drop_answered(struct core *core, struct batch *batch)
{
    LIST_EACH_SAFE(node, &batch->activities)
    {
        struct activity *activity = CONTAINER_OF(node, struct activity, node);
        struct instance *instance = core_find_row(core, activity->row);
        struct step step;
        if (instance != NULL && !steps_find(&instance->steps, activity->id, STEP_TASK, &step)) {
            list_remove(node);
            batch->activity_count--;
            core_reuse_activity(core, activity);
        }
    }
    core->has_redispatched = false;
}

struct batch *core_cut(struct core *core)
{
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
        if (!instance->is_replaced) { /* else its row is gone in this very batch */
            say_record(core, instance);
            say_waiting(core, instance);
        }
    }
    if (core->received != 0) {
        batch_add(batch, MUTATION_MAILBOX_REMOVE, 0)->number = core->received;
        core->received = 0;
    }
    if (core->has_redispatched) {
        drop_answered(core, batch);
    }
    *core->flight_last = flight;
    core->flight_last = &flight->next;
    core->open = NULL;
    core->batch_number++;
    return batch;
}

/* Everything of it is durable now. */
static void settle(struct core *core, struct instance *instance)
{
    if (run_state_is_final(instance->state)) {
        core_leave(core, instance);
    } else if (instance->turn == NULL && !list_is_linked(&instance->waiting)) {
        core_rest(core, instance);
    }
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
        settle(core, instance);
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
