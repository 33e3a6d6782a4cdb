/* SPDX-License-Identifier: MIT
 *
 * The end of an entity's turn: a batch of operations takes effect.
 *
 * Its state, its answers and what it asked for become one change of the open batch (K3): so after a
 * crash either all of it has happened, or none and the operations are still in the inbox. There is
 * no history; what an operation asked for is a letter at once.
 */
#include "base/assert.h"
#include "core/entity.h"

/* ---- may it be applied? ---- */

static bool may_ask(const struct action *action)
{
    pd_error err;
    switch (action->kind) {
    case ACTION_SIGNAL_ENTITY:
    case ACTION_CANCEL_SIGNAL: return entity_id_check(action->instance_id, &err) == PD_OK;
    case ACTION_START:
        return action->instance_id.size == 0 ||
               instance_id_check(action->instance_id, &err) == PD_OK;
    case ACTION_SCHEDULE_TASK:
    case ACTION_CREATE_TIMER:
    case ACTION_START_CHILD:
    case ACTION_SEND_EVENT:
    case ACTION_CALL_ENTITY:
    case ACTION_LOCK:
    case ACTION_UNLOCK:
    case ACTION_CANCEL:
    case ACTION_MARK_CHANGE:
    case ACTION_NOTE_TRACE:
    case ACTION_TERMINATE:
    case ACTION_COMPLETE:
    case ACTION_CONTINUE_AS_NEW: return false;
    }
    return false; /* a number that a caller made up */
}

bool core_takes_entity_result(struct core *core, const struct turn *turn,
                              const struct entity_result *result)
{
    (void)core;
    if (result->result_count == 0 || result->result_count >= turn->event_count) {
        return false;
    }
    for (size_t i = 0; i < result->action_count; i++) {
        if (!may_ask(&result->actions[i])) {
            return false;
        }
    }
    return true;
}

/* ---- what follows ---- */

/* A signal is answered by nobody. */
static void answer(struct core *core, const struct instance *instance,
                   const struct event *operation, const struct operation_result *result)
{
    if (operation->kind != EVENT_ENTITY_CALLED) {
        return;
    }
    struct event event = {
        .kind = result->failure != NULL ? EVENT_ENTITY_FAILED : EVENT_ENTITY_COMPLETED,
        .id = EVENT_NO_ID,
        .ref = operation->id,
        .at = instance->last_at,
        .request_id = operation->request_id,
        .payload = result->failure != NULL ? TEXT_ABSENT : result->payload,
        .failure = result->failure,
    };
    letter_send(core, MESSAGE_ANSWER, operation->extra->parent_id,
                operation->extra->parent_execution_id, &event);
}

static void start(struct core *core, const struct action *action, struct event *event)
{
    char minted[33];
    event->kind = EVENT_EXECUTION_STARTED;
    event->version = action->version;
    event->request_id = TEXT_ABSENT;
    event->extra = action->extra;
    event->instance_id = action->instance_id;
    if (event->instance_id.size == 0) {
        random_hex32(&core->random, minted);
        event->instance_id = text_of(minted);
    }
    letter_send(core, MESSAGE_START, event->instance_id, TEXT_ABSENT, event)->flags = STATES_ENDED;
}

static void carry_out(struct core *core, const struct instance *instance,
                      const struct action *action)
{
    char minted[REQUEST_ID_SIZE];
    struct event event = {
        .kind = EVENT_ENTITY_SIGNALED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = instance->last_at,
        .fire_at = action->fire_at,
        .name = action->name,
        .payload = action->payload,
        .request_id = action->request_id,
    };
    if (action->kind == ACTION_START) {
        start(core, action, &event);
        return;
    }
    struct text id = entity_id_folded(core, action->instance_id);
    if (action->kind == ACTION_CANCEL_SIGNAL) {
        event.kind = EVENT_SIGNAL_CANCELLED;
        letter_send(core, MESSAGE_CANCEL_SIGNAL, id, TEXT_ABSENT, &event);
        return;
    }
    if (!text_is_present(event.request_id)) {
        uint64_t high = random_next(&core->random);
        request_id_format(high, random_next(&core->random), minted);
        event.request_id = text_of(minted);
    }
    letter_send(core, MESSAGE_OPERATION, id, TEXT_ABSENT, &event);
}

void core_end_entity_turn(struct core *core, time_us now, const struct turn *turn,
                          const struct entity_result *result)
{
    struct instance *instance = turn_instance(core, turn);
    struct entity *entity = instance->entity;
    assert_that(entity != NULL && !instance->turn->is_void);
    assert_that(result->result_count != 0 && result->result_count < turn->event_count);
    entity_note_change(core, instance, now);
    for (size_t i = 0; i < result->result_count; i++) {
        answer(core, instance, &turn->events[i + 1], &result->results[i]);
    }
    for (size_t i = 0; i < result->action_count; i++) {
        carry_out(core, instance, &result->actions[i]);
    }
    if (!result->keeps_state) {
        entity_set_state(instance, result->state);
    }
    core->counters.turns++;
    core->counters.operations += result->result_count;
    entity->is_kept = core->keeps_empty;
    size_t done = result->result_count;
    turn_close(core, instance);
    entity_consume(core, instance, done);
    entity_go_on(core, now, instance);
}
