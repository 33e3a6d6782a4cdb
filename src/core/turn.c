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
 * Ending a turn writes its one history row at once, encoded: ORCHESTRATOR_STARTED, the events
 * taken, and those that record what was asked for. Nothing of it is kept but the open steps.
 */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "core/core_priv.h"

/* A slot with more room than this does not keep it: one huge turn is not a habit. */
enum { SLOT_EVENTS_KEPT = 256, SLOT_EVENTS_MIN = 8 };

/* ---- slots ---- */

static struct turn_slot *slot_take(struct core *core, size_t events)
{
    struct turn_slot *slot = core->slots;
    if (slot != NULL) {
        core->slots = slot->next;
        slot->next = NULL;
    } else {
        slot = mem_alloc(sizeof *slot);
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
    return slot;
}

void turn_slot_free(struct turn_slot *slot)
{
    mem_free(slot->events);
    mem_free(slot);
}

void turn_close(struct core *core, struct instance *instance)
{
    struct turn_slot *slot = instance->turn;
    instance->turn = NULL;
    slot->instance = NULL;
    if (slot->events_room > SLOT_EVENTS_KEPT) {
        mem_free(slot->events);
        slot->events = NULL;
        slot->events_room = 0;
    }
    slot->next = core->slots;
    core->slots = slot;
}

/* ---- handing out ---- */

static bool is_past_durable(const struct core *core, const struct instance *instance)
{
    return instance->turn_batch <= core->batch_committed;
}

void turn_want(struct core *core, struct instance *instance)
{
    if (instance->events.count != 0 && instance->turn == NULL &&
        !list_is_linked(&instance->waiting)) {
        list_push_back(&core->ready, &instance->waiting);
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

bool core_next_turn(struct core *core, time_us now, const struct turn **ret)
{
    struct list_node *node = list_pop_front(&core->ready);
    if (node == NULL) {
        return false;
    }
    struct instance *instance = CONTAINER_OF(node, struct instance, waiting);
    size_t count = count_intake(instance);
    struct turn_slot *slot = slot_take(core, count + 1);

    time_us at = now;
    const struct waiting_event *waiting = instance->events.first;
    for (size_t i = 1; i <= count; i++, waiting = waiting->next) {
        slot->events[i] = waiting->event;
        /* "Now" in the turn is later than the time for which its timers were set (C6). */
        if (waiting->event.kind == EVENT_TIMER_FIRED && waiting->event.fire_at >= at) {
            at = time_add(waiting->event.fire_at, 1);
        }
    }
    slot->events[0] = (struct event){
        .kind = EVENT_ORCHESTRATOR_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = instance_tick(instance, at),
    };
    slot->instance = instance;
    slot->turn = (struct turn){
        .row = instance->row,
        .number = instance->turn_count + 1,
        .partition = core->partition,
        .instance_id = instance->id,
        .execution_id = instance->execution_id,
        .events = slot->events,
        .event_count = count + 1,
        .is_past_durable = is_past_durable(core, instance),
    };
    instance->turn = slot;
    instance_check(instance);
    *ret = &slot->turn;
    return true;
}

/* ---- ending ---- */

static struct instance *instance_of(struct core *core, const struct turn *turn)
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

static void schedule(struct core *core, struct instance *instance, const struct action *action)
{
    steps_open(&instance->steps, (struct step){ .id = action->id, .kind = STEP_TASK });
    struct activity *activity =
        activity_new(core, instance, action->id, action->name, action->version, action->payload);
    activity_dispatch(core, activity);
}

/* Records the action as an event in `scratch`, and sees to its effect. */
static void carry_out(struct core *core, time_us now, struct instance *instance,
                      const struct action *action)
{
    struct event event = {
        .id = action->id,
        .ref = EVENT_NO_ID,
        .at = instance_tick(instance, now),
        .payload = action->payload,
    };
    switch (action->kind) {
    case ACTION_SCHEDULE_TASK:
        event.kind = EVENT_TASK_SCHEDULED;
        event.name = action->name;
        event.version = action->version;
        schedule(core, instance, action);
        break;
    case ACTION_CREATE_TIMER:
        event.kind = EVENT_TIMER_CREATED;
        event.fire_at = action->fire_at;
        steps_open(&instance->steps, (struct step){ action->id, STEP_TIMER, action->fire_at });
        timers_set(core, instance, action->id, action->fire_at);
        break;
    case ACTION_START_CHILD:
    case ACTION_SEND_EVENT:
    case ACTION_CANCEL:
    case ACTION_MARK_CHANGE:
    case ACTION_CONTINUE_AS_NEW: unreachable_state("an action of the next version");
    case ACTION_COMPLETE:
        event.kind = EVENT_EXECUTION_COMPLETED;
        event.outcome = action->outcome;
        event.failure = action->failure;
        instance->ended_at = event.at;
        break;
    }
    core->codec->event(&core->scratch, &event);
    core->counters.events++;
}

static void end_instance(struct core *core, struct instance *instance, const struct action *action)
{
    assert_that(action->outcome == RUN_COMPLETED || action->outcome == RUN_FAILED);
    if (action->outcome == RUN_FAILED && action->failure != NULL) {
        size_t offset = core->scratch.size;
        core->codec->failure(&core->scratch, action->failure);
        instance->failure = core_keep_scratch(core, offset);
    }
    if (action->outcome == RUN_COMPLETED) {
        instance->output = text_copy(&core_open_batch(core)->arena, action->payload);
    }
    instance_apply(core, instance,
                   action->outcome == RUN_COMPLETED ? INSTANCE_COMPLETED : INSTANCE_FAILED);
}

void core_end_turn(struct core *core, time_us now, const struct turn *turn,
                   const struct turn_result *result)
{
    struct instance *instance = instance_of(core, turn);
    struct batch *batch = core_open_batch(core);
    core_touch(core, instance);

    struct mutation *history = batch_add(batch, MUTATION_HISTORY_APPEND, instance->row);
    history->number = turn->number;
    buffer_reset(&core->scratch);
    for (size_t i = 0; i < turn->event_count; i++) {
        core->codec->event(&core->scratch, &turn->events[i]);
    }
    const struct action *ending = NULL;
    for (size_t i = 0; i < result->action_count; i++) {
        assert_that(ending == NULL); /* the end comes last */
        carry_out(core, now, instance, &result->actions[i]);
        ending = result->actions[i].kind == ACTION_COMPLETE ? &result->actions[i] : NULL;
    }
    history->bytes = core_keep_scratch(core, 0);

    core->counters.turns++;
    core->counters.events += turn->event_count;
    instance->turn_count = turn->number;
    instance->turn_batch = batch->number;
    if (instance->state == RUN_PENDING) {
        instance_apply(core, instance, INSTANCE_STARTED);
    }
    uint64_t arrival =
        waiting_events_drop(&core->waiting, &instance->events, turn->event_count - 1);
    turn_close(core, instance);
    if (arrival != 0) {
        batch_add(batch, MUTATION_INBOX_REMOVE, instance->row)->number = arrival;
    }
    if (ending != NULL) {
        end_instance(core, instance, ending);
    } else {
        turn_want(core, instance);
    }
    instance_check(instance);
}

void core_postpone_turn(struct core *core, const struct turn *turn)
{
    struct instance *instance = instance_of(core, turn);
    turn_close(core, instance);
    if (is_past_durable(core, instance)) {
        turn_want(core, instance);
    } else {
        instance->is_postponed = true;
        list_push_back(&core->postponed, &instance->waiting);
    }
    instance_check(instance);
}
