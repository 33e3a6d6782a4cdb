/* SPDX-License-Identifier: MIT
 *
 * Instances that come with a history: rewound, forked, imported.
 *
 * The history is written as it is given, one row a turn. Folding it tells what is open, as when an
 * instance comes in from the store; but nothing of that was asked for by this row, or what was is
 * forsaken: so all of it is asked for (again), in the same batch. What waits was delivered to a
 * life that is over, and is delivered anew, with times behind all that was lived before (C6).
 *
 * A call of an entity is said again, with the same step and request id: when the first one is still
 * in line there, the operation is done twice, as an activity may be. No step is a critical section
 * (rewrite_check).
 *
 *   A1  A rewound instance keeps its row and takes the place of its former self, should that still
 *       be known: the store may have its end before core hears so. From no other place can its
 *       history have come, so this batch says nothing of it.
 *   A2  One that has ended is known until it is durable, like any that ends (C1).
 */
#include "base/assert.h"
#include "base/error.h"
#include "core/core_priv.h"
#include "core/entity.h"
#include "core/rewrite.h"

/* ---- its place ---- */

/* The one that failed, whose end is in a batch that was cut. */
static void dismiss(struct core *core, struct instance *former)
{
    assert_that(!former->is_replaced && former->turn == NULL && former->record == NULL);
    core_leave(core, former);
}

/* Whoever has its id or its row gives way, and the record is promised. */
static void take_place(struct core *core, struct instance *instance,
                       const struct adoption *adoption, struct instance *resident)
{
    const struct instance_record *record = adoption->record;
    if (record->row != 0) {
        if (resident != NULL) {
            instance->arrival_last = resident->arrival_last;
            dismiss(core, resident);
        }
        assert_that(core_find(core, record->id) == NULL);
        core_enter(core, instance);
        core_promise_record(core, instance, MUTATION_INSTANCE_RENEW, record->input);
        return;
    }
    if (resident != NULL || adoption->replaces_row != 0) {
        core_delete(core, resident, adoption->replaces_row);
    }
    core->row_next += core->partition_count;
    core_enter(core, instance);
    core_promise_record(core, instance, MUTATION_INSTANCE_INSERT, record->input)->custom_status =
        text_copy(&core_open_batch(core)->arena, record->custom_status);
}

static void write_turns(struct core *core, struct instance *instance,
                        const struct adoption *adoption)
{
    struct batch *batch = core_open_batch(core);
    for (size_t i = 0; i < adoption->turn_count; i++) {
        const struct turn_events *turn = &adoption->turns[i];
        buffer_reset(&core->scratch);
        for (size_t j = 0; j < turn->count; j++) {
            core->codec->event(&core->scratch, &turn->events[j]);
        }
        struct mutation *history = batch_add(batch, MUTATION_HISTORY_APPEND, instance->row);
        history->number = i + 1;
        history->bytes = core_keep_scratch(core, 0);
    }
    instance->turn_batch = adoption->turn_count != 0 ? batch->number : 0;
}

/* ---- one that goes on ---- */

static void await(struct core *core, time_us now, struct instance *instance,
                  const struct event *given)
{
    struct event event = *given;
    event.raw = TEXT_ABSENT; /* it has another time */
    if (event.kind == EVENT_EXECUTION_STARTED && !instance->has_begun) {
        event.at = instance->created_at; /* nothing was before */
    } else {
        bool is_early = event.kind == EVENT_TIMER_FIRED && event.fire_at > now; /* clock set back */
        event.at = instance_tick(instance, is_early ? event.fire_at : now);
    }
    resident_fold(instance, &event);
    waiting_events_add(&instance->events, waiting_event_must(&core->waiting, &event));
}

static void ask_again(struct core *core, struct instance *instance, const struct event *event)
{
    struct step step;
    if (!steps_get(&instance->steps, event->id, &step)) {
        return;
    }
    if (event->kind == EVENT_TASK_SCHEDULED && step.kind == STEP_TASK &&
        step.asked_at == event->at) {
        activity_dispatch(core, activity_new(core, instance, event, TEXT_ABSENT));
        core->has_unwanted = true; /* soon, when the result of before comes after all */
    } else if (event->kind == EVENT_TIMER_CREATED && step.kind == STEP_TIMER &&
               step.due == event->fire_at) {
        timers_set(core, instance, event->id, event->fire_at);
    } else if (event->kind == EVENT_CHILD_CREATED && step.kind == STEP_CHILD) {
        letter_start_child(core, MESSAGE_CHILD_ENSURE, instance, event);
    } else if (event->kind == EVENT_ENTITY_CALLED && step.kind == STEP_CALL &&
               step.asked_at == event->at) {
        struct event called = *event;
        called.instance_id = entity_id_folded(core, event->instance_id); /* others may not have */
        entity_call(core, instance, &called, NULL);
    }
}

static void go_on(struct core *core, time_us now, struct instance *instance,
                  const struct adoption *adoption)
{
    for (size_t i = 0; i < adoption->turn_count; i++) {
        for (size_t j = 0; j < adoption->turns[i].count; j++) {
            resident_fold(instance, &adoption->turns[i].events[j]);
        }
    }
    for (size_t i = 0; i < adoption->waiting_count; i++) {
        await(core, now, instance, &adoption->waiting[i]);
    }
    for (size_t i = 0; i < adoption->turn_count && steps_count(&instance->steps) != 0; i++) {
        for (size_t j = 0; j < adoption->turns[i].count; j++) {
            ask_again(core, instance, &adoption->turns[i].events[j]);
        }
    }
    if (instance->starts_at != 0) {
        timers_set(core, instance, EVENT_NO_ID, instance->starts_at);
    }
    turn_want(core, instance);
}

/* ---- one that has ended ---- */

static void stay_ended(struct core *core, struct instance *instance,
                       const struct instance_record *record)
{
    struct arena *arena = &core_open_batch(core)->arena;
    instance->ended_at = record->ended_at;
    instance->output = text_copy(arena, record->output);
    instance->failure = text_copy(arena, record->failure);
    instance_tell_end(core, instance); /* who saw it wait in the mailbox waits for this */
}

/* ---- both ---- */

static const struct event *start_of(const struct adoption *adoption)
{
    return adoption->turn_count != 0 ? &adoption->turns[0].events[1] : &adoption->waiting[0];
}

pd_status core_adopt(struct core *core, time_us now, const struct adoption *adoption, pd_error *err)
{
    struct instance_record record = *adoption->record;
    bool is_new = record.row == 0;
    struct instance *resident =
        is_new ? core_find(core, record.id) : core_find_row(core, record.row);
    if (resident != NULL && !run_state_is_final(resident->state)) {
        return error_set(err, PD_E_EXISTS, false, "core: adopt",
                         "an instance '%.*s' exists and has not ended", TEXT_ARGS(record.id));
    }
    pd_status status = rewrite_check(adoption, err);
    if (status != PD_OK) {
        return status;
    }
    const struct event *start = start_of(adoption);
    record.row = is_new ? core->row_next : record.row;
    record.created_at = record.created_at != 0 ? record.created_at : now;
    /* Else it is to wait for its time. */
    record.is_busy = record.state == RUN_RUNNING || start->fire_at <= now;
    struct instance *instance = resident_make(&record, adoption->turn_count, start);
    if (instance == NULL) {
        return error_set(err, PD_E_NOMEM, true, "core: adopt", "no memory for an instance");
    }
    if (record.updated_at > instance->last_at) {
        instance->last_at = record.updated_at; /* also by what is undone */
    }
    take_place(core, instance, adoption, resident);
    write_turns(core, instance, adoption);
    core_touch(core, instance);
    if (run_state_is_final(record.state)) {
        stay_ended(core, instance, &record);
    } else {
        go_on(core, now, instance, adoption);
    }
    instance_check(instance);
    return PD_OK;
}

void core_report_child(struct core *core, time_us now, const struct instance_record *child,
                       const struct failure *failure)
{
    if (text_is_present(child->parent_id)) {
        letter_child_ended(core, now, child, failure);
    }
}
