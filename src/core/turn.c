/* SPDX-License-Identifier: MIT
 *
 * Turns: handed out, ended, given back.
 *
 * An instance that has events and no open turn is in line; core_next_turn takes the first in line
 * and freezes the events it has, up to LIMIT_TURN_EVENTS and LIMIT_TURN_INTAKE_BYTES. What
 * arrives from then on is for the next turn. The events stay where they wait until the turn ends;
 * the turn has its own array of them, in a slot that is used again, so that turns allocate
 * nothing once warmed up.
 *
 * An instance can end under an open turn: terminated, or replaced. The turn is void then: whoever
 * runs it still reads the events it was given, so its slot holds them until it comes back, and the
 * instance stays so long; its result is dropped.
 *
 * Ending a turn writes its one history row at once, encoded: ORCHESTRATOR_STARTED, the events
 * taken, and those that record what was asked for. Nothing of it is kept but the open steps.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "core/core_priv.h"
#include "core/entity.h"

/* A slot with more room than this does not keep it: one huge turn is not a habit. */
enum { SLOT_EVENTS_KEPT = 256, SLOT_EVENTS_MIN = 8 };

/* ---- slots ---- */

static void make_room(struct core *core, struct turn_slot *slot, size_t events)
{
    if (slot->events == NULL && core->spare_events != NULL) {
        slot->events = core->spare_events;
        slot->events_room = core->spare_events_room;
        core->spare_events = NULL;
    }
    if (slot->events_room < events) {
        size_t room = slot->events_room != 0 ? slot->events_room : SLOT_EVENTS_MIN;
        while (room < events) {
            room *= 2;
        }
        mem_free(slot->events); /* what was there is of no interest */
        slot->events = mem_alloc(room * sizeof *slot->events);
        slot->events_room = room;
    }
}

/* One array is kept for the next slot that has none. */
static void drop_events(struct core *core, struct turn_slot *slot)
{
    if (core->spare_events == NULL && slot->events_room <= SLOT_EVENTS_KEPT) {
        core->spare_events = slot->events;
        core->spare_events_room = slot->events_room;
    } else {
        mem_free(slot->events);
    }
    slot->events = NULL;
    slot->events_room = 0;
}

static struct turn_slot *slot_take(struct core *core, size_t events)
{
    struct turn_slot *slot = core->slots;
    if (slot != NULL) {
        core->slots = slot->next;
        slot->next = NULL;
    } else {
        slot = mem_alloc(sizeof *slot);
    }
    make_room(core, slot, events);
    return slot;
}

void turn_slots_free(struct core *core)
{
    while (core->slots != NULL) {
        struct turn_slot *slot = core->slots;
        core->slots = slot->next;
        turn_slot_free(&core->waiting, slot);
    }
    mem_free(core->spare_events);
    core->spare_events = NULL;
}

void turn_slot_free(struct shelf *waiting, struct turn_slot *slot)
{
    waiting_event_free_all(waiting, slot->held);
    mem_free(slot->events);
    mem_free(slot);
}

void turn_close(struct core *core, struct instance *instance)
{
    struct turn_slot *slot = instance->turn;
    instance->turn = NULL;
    slot->instance = NULL;
    bool was_away = slot->is_away;
    core->away_count -= was_away;
    slot->is_away = slot->is_void = false;
    waiting_event_free_all(&core->waiting, slot->held);
    slot->held = NULL;
    if (was_away || slot->events_room > SLOT_EVENTS_KEPT) {
        drop_events(core, slot);
    }
    slot->next = core->slots;
    core->slots = slot;
    if (instance->entity != NULL) {
        entity_turn_closed(instance);
    }
}

void turn_void(struct core *core, struct instance *instance)
{
    struct turn_slot *slot = instance->turn;
    uint64_t arrival;
    size_t count = slot->turn.event_count - 1;
    slot->is_void = true;
    slot->held = waiting_events_detach(&instance->events, count, &arrival);
    if (arrival != 0) {
        batch_add(core_open_batch(core), MUTATION_INBOX_REMOVE, instance->row)->number = arrival;
    }
    core->counters.dropped_events += count - (slot->turn.number == 1); /* not the start */
    if (slot->is_away) {
        turn_close(core, instance);
    }
}

/* ---- handing out ---- */

static bool is_past_durable(const struct core *core, const struct instance *instance)
{
    return instance->turn_batch <= core->batch_committed;
}

void turn_want(struct core *core, struct instance *instance)
{
    if (instance->events.count != 0 && instance->turn == NULL &&
        !list_is_linked(&instance->waiting) && instance->holds == 0) {
        list_push_back(&core->ready, &instance->waiting);
    }
}

void turn_unwant(struct instance *instance)
{
    if (list_is_linked(&instance->waiting)) {
        list_remove(&instance->waiting);
        instance->is_postponed = false;
    }
}

/* How many of the events that wait the next turn takes: one at least. */
static size_t count_intake(const struct instance *instance)
{
    size_t most = instance->events.count;
    most = most < LIMIT_TURN_EVENTS ? most : LIMIT_TURN_EVENTS;
    const struct waiting_event *waiting = instance->events.first;
    size_t count = 0;
    for (size_t bytes = 0; count < most && bytes < LIMIT_TURN_INTAKE_BYTES; count++) {
        bytes += waiting->event.payload.size;
        waiting = waiting->next;
    }
    return count;
}

size_t core_peek_ready(const struct core *core, uint64_t *ret_rows, size_t max)
{
    size_t count = 0;
    LIST_EACH(node, &core->ready)
    {
        if (count == max) {
            break;
        }
        ret_rows[count++] = CONTAINER_OF(node, struct instance, waiting)->row;
    }
    return count;
}

/* What the turn takes in. "Now" in it is later than the time for which its timers, or itself, were
 * set (C6), also for workers whose clocks have milliseconds: one that reads no later time than it
 * asked for sets its timer again. Only these kinds have one. */
static time_us take_events(struct turn_slot *slot, const struct instance *instance, size_t count,
                           time_us now)
{
    time_us at = now;
    const struct waiting_event *waiting = instance->events.first;
    for (size_t i = 1; i <= count; i++, waiting = waiting->next) {
        slot->events[i] = waiting->event;
        time_us due = waiting->event.fire_at;
        if (due != 0 && due >= at - at % TIME_MS) {
            at = time_add(due - due % TIME_MS, TIME_MS);
        }
    }
    return at;
}

static void begin_events(struct turn_slot *slot, time_us at)
{
    slot->began_at = at;
    slot->events[0] = (struct event){
        .kind = EVENT_ORCHESTRATOR_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = at,
    };
}

/* Epochs are never used again, so neither is what begins with one. */
static uint64_t next_serial(struct core *core)
{
    enum { TURNS_BITS = 40 };
    return core->epoch << TURNS_BITS | ++core->serial;
}

bool core_next_turn(struct core *core, time_us now, const struct turn **ret)
{
    struct list_node *node = list_pop_front(&core->ready);
    if (node == NULL) {
        return false;
    }
    struct instance *instance = CONTAINER_OF(node, struct instance, waiting);
    size_t count = count_intake(instance);
    struct turn_slot *slot = slot_take(core, count + 1);
    time_us at = take_events(slot, instance, count, now);
    begin_events(slot, instance_tick(instance, at));
    slot->instance = instance;
    slot->turn = (struct turn){
        .row = instance->row,
        .number = instance->entity == NULL ? instance->turn_count + 1 : 0,
        .serial = next_serial(core),
        .partition = core->partition,
        .instance_id = instance->id,
        .execution_id = instance->execution_id,
        .name = instance->name,
        .version = instance->version,
        .events = slot->events,
        .event_count = count + 1,
        .is_past_durable = is_past_durable(core, instance),
        .is_called = instance->is_called,
    };
    instance->is_called = false;
    if (instance->entity != NULL) {
        slot->turn.state = entity_state(instance->entity);
    }
    instance->turn = slot;
    instance_check(instance);
    *ret = &slot->turn;
    return true;
}

void core_hold_turn(struct core *core, const struct turn *turn)
{
    struct turn_slot *slot = turn_instance(core, turn)->turn;
    assert_that(!slot->is_away && !slot->is_void);
    slot->is_away = true;
    core->away_count++;
    drop_events(core, slot); /* many may be away, and for long */
    slot->turn.events = NULL;
}

const struct turn *core_find_turn(struct core *core, struct turn_ticket ticket)
{
    const struct instance *instance = core_find_row(core, ticket.row);
    struct turn_slot *slot = instance != NULL ? instance->turn : NULL;
    if (slot == NULL || !slot->is_away || slot->turn.serial != ticket.serial) {
        return NULL;
    }
    make_room(core, slot, slot->turn.event_count);
    (void)take_events(slot, instance, slot->turn.event_count - 1, slot->began_at);
    begin_events(slot, slot->began_at);
    slot->turn.events = slot->events;
    return &slot->turn;
}

size_t core_held_count(const struct core *core)
{
    return core->away_count;
}

/* ---- ending ---- */

struct instance *turn_instance(struct core *core, const struct turn *turn)
{
    /* The turn is the one handed out, so it lies in its slot: no need to look the row up. */
    const char *at = (const char *)turn - offsetof(struct turn_slot, turn);
    const struct turn_slot *slot = (const struct turn_slot *)(const void *)at;
    struct instance *instance = slot->instance;
    assert_that(turn->partition == core->partition);
    assert_that(instance != NULL && instance->turn == slot);
    instance_check(instance);
    return instance;
}

/* True: the instance has ended under the turn, and nothing comes of it. */
static bool drop_void(struct core *core, struct instance *instance)
{
    if (!instance->turn->is_void) {
        return false;
    }
    turn_close(core, instance);
    core_settle(core, instance);
    return true;
}

static void set_status(struct core *core, struct instance *instance, struct text status)
{
    struct batch *batch = core_open_batch(core);
    struct mutation *mutation = batch_add(batch, MUTATION_STATUS_SET, instance->row);
    mutation->bytes = status.size != 0 ? text_copy(&batch->arena, status) : TEXT_ABSENT;
    mutation->due = instance->last_at;
}

/* Carries out all that was asked for; what ends the execution, or NULL. The turn's one history row
 * stands before all that follows from it. */
static const struct action *write_turn(struct core *core, time_us now, struct instance *instance,
                                       const struct turn *turn, const struct turn_result *result,
                                       struct text *ret_row)
{
    const struct action *last =
        result->action_count != 0 ? &result->actions[result->action_count - 1] : NULL;
    bool renews = last != NULL && last->kind == ACTION_CONTINUE_AS_NEW;
    struct mutation *history = NULL;
    if (!renews) { /* else that history goes, and this turn with it */
        history = batch_add(core_open_batch(core), MUTATION_HISTORY_APPEND, instance->row);
        history->number = turn->number;
    }
    buffer_reset(&core->scratch);
    for (size_t i = 0; i < turn->event_count; i++) {
        core_write_event(core, &turn->events[i]);
    }
    for (size_t i = 0; i < result->action_count; i++) {
        const struct action *action = &result->actions[i];
        bool is_end = action->kind == ACTION_COMPLETE || action->kind == ACTION_CONTINUE_AS_NEW;
        assert_that(!is_end || action == last);
        action_carry_out(core, now, instance, action);
    }
    if (history != NULL) {
        *ret_row = history->bytes = core_keep_scratch(core, 0);
    }
    return renews || (last != NULL && last->kind == ACTION_COMPLETE) ? last : NULL;
}

static void end_execution(struct core *core, time_us now, struct instance *instance,
                          const struct action *action)
{
    if (action->kind == ACTION_CONTINUE_AS_NEW) {
        instance_renew(core, now, instance, action);
    } else if (action->outcome == RUN_FAILED) {
        instance_end(core, instance, INSTANCE_FAILED, action->payload, action_failure(action));
    } else {
        bool is_completed = action->outcome == RUN_COMPLETED;
        instance_end(core, instance, is_completed ? INSTANCE_COMPLETED : INSTANCE_TERMINATED,
                     action->payload, NULL);
    }
}

static bool asks_for_step(const struct action *action)
{
    return action->kind == ACTION_SCHEDULE_TASK || action->kind == ACTION_CREATE_TIMER ||
           action->kind == ACTION_START_CHILD || action->kind == ACTION_CALL_ENTITY ||
           action->kind == ACTION_LOCK;
}

static int compare_ids(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

/* Of those that ask for a step, in whichever order they do. */
static bool are_different(const struct turn_result *result)
{
    int32_t *ids = mem_alloc_raw(result->action_count * sizeof *ids);
    size_t count = 0;
    for (size_t i = 0; i < result->action_count; i++) {
        if (asks_for_step(&result->actions[i])) {
            ids[count++] = result->actions[i].id;
        }
    }
    qsort(ids, count, sizeof *ids, compare_ids);
    bool all = true;
    for (size_t i = 1; i < count && all; i++) {
        all = ids[i - 1] != ids[i];
    }
    mem_free(ids);
    return all;
}

static bool are_raised(const struct event *kept, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (kept[i].kind != EVENT_EVENT_RAISED) {
            return false;
        }
    }
    return true;
}

static bool is_sound(const struct action *action, bool is_last)
{
    switch (action->kind) {
    case ACTION_START: return false;
    case ACTION_LOCK: return section_may_lock(action->extra);
    case ACTION_CREATE_TIMER: return action->fire_at != INT64_MIN; /* S5 */
    case ACTION_COMPLETE:
        return is_last && action->outcome <= RUN_TERMINATED && run_state_is_final(action->outcome);
    case ACTION_CONTINUE_AS_NEW: return is_last && are_raised(action->kept, action->kept_count);
    case ACTION_SCHEDULE_TASK:
    case ACTION_START_CHILD:
    case ACTION_SEND_EVENT:
    case ACTION_CALL_ENTITY:
    case ACTION_SIGNAL_ENTITY:
    case ACTION_CANCEL_SIGNAL:
    case ACTION_UNLOCK:
    case ACTION_CANCEL:
    case ACTION_MARK_CHANGE:
    case ACTION_NOTE_TRACE:
    case ACTION_TERMINATE: break;
    }
    return action->kind <= ACTION_CONTINUE_AS_NEW;
}

bool core_takes_result(struct core *core, const struct turn *turn, const struct turn_result *result)
{
    const struct instance *instance = turn_instance(core, turn);
    bool is_ascending = true;
    int32_t before = INT32_MIN;
    for (size_t i = 0; i < result->action_count; i++) {
        const struct action *action = &result->actions[i];
        if (asks_for_step(action)) {
            if (action->id == EVENT_NO_ID || !steps_may_open(&instance->steps, action->id)) {
                return false;
            }
            is_ascending = is_ascending && (action->id > before || before == INT32_MIN);
            before = action->id;
        }
        if (!is_sound(action, i + 1 == result->action_count)) {
            return false;
        }
    }
    return is_ascending || are_different(result);
}

struct text core_end_turn(struct core *core, time_us now, const struct turn *turn,
                          const struct turn_result *result)
{
    struct text row = TEXT_ABSENT;
    struct instance *instance = turn_instance(core, turn);
    if (drop_void(core, instance)) {
        return row;
    }
    core_touch(core, instance);
    size_t consumed = turn->event_count - 1;
    /* Workers elsewhere make ids of "now" in milliseconds, and begin to count anew in each. */
    time_us next_at = instance->turn->is_away ? time_add(instance->turn->began_at, TIME_MS) : 0;
    const struct action *end = write_turn(core, now, instance, turn, result, &row);
    if (text_is_present(result->custom_status)) {
        set_status(core, instance, result->custom_status);
    }
    core->counters.turns++;
    instance->turn_count = turn->number;
    instance->turn_batch = core->batch_number;
    if (!instance->has_begun) {
        instance_apply(core, instance, INSTANCE_STARTED);
        announce(core, instance, ANNOUNCE_STARTED, NULL);
    }
    turn_close(core, instance);
    instance_consume(core, instance, consumed);
    if (end != NULL) {
        if (end->kind == ACTION_CONTINUE_AS_NEW && instance->last_at < next_at) {
            instance->last_at = next_at;
        }
        end_execution(core, now, instance, end);
    }
    turn_want(core, instance);
    instance_check(instance);
    return row;
}

void core_postpone_turn(struct core *core, const struct turn *turn)
{
    struct instance *instance = turn_instance(core, turn);
    if (drop_void(core, instance)) {
        return;
    }
    turn_close(core, instance);
    if (is_past_durable(core, instance)) {
        turn_want(core, instance);
    } else if (instance->holds == 0) {
        instance->is_postponed = true;
        list_push_back(&core->postponed, &instance->waiting);
    }
    instance_check(instance);
    core_settle(core, instance);
}

void core_leave_turn(struct core *core, const struct turn *turn)
{
    struct instance *instance = turn_instance(core, turn);
    if (drop_void(core, instance)) {
        return;
    }
    turn_close(core, instance);
    instance->holds |= HOLD_LEFT;
    instance_check(instance);
    core_settle(core, instance);
}

void core_call_turn(struct core *core, struct instance *instance)
{
    if (instance->turn != NULL || instance->events.count == 0) {
        return; /* it was loaded meanwhile, and offered */
    }
    instance->is_called = true;
    instance->holds &= (uint8_t)~HOLD_LEFT;
    if (instance->holds == 0 && instance->is_settled) {
        core_unlist(core, instance); /* P4 */
    }
    turn_want(core, instance);
    instance_check(instance);
}
