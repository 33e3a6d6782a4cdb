/* SPDX-License-Identifier: MIT
 *
 * Entities in the rig: what the store must hold of them, the functions they run, and what is said
 * to them. See rig.h.
 *
 * All entities have the same operations, by name:
 *   add N       the state is a number: N more; answers it
 *   say TEXT    the state is a text: TEXT behind it; answers it
 *   get         answers the state
 *   delete      there is none afterwards
 *   fail        fails, with a cause
 *   tell        payload "ENTITY:OP:PAYLOAD": signals another; "ENTITY:OP:PAYLOAD:MS": at that time
 *   forget      payload "ENTITY:REQUEST": cancels a signal
 *   start       payload "ID:PROGRAM:INPUT": an orchestration; ID may be empty
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/entity.h"
#include "rig.h"

/* ---- the model ---- */

void model_entity_put(struct model *model, const struct mutation *m)
{
    struct arena *arena = &model->arena;
    struct model_row *row = model_find_row(model, m->row);
    struct entity_record *record = arena_alloc(arena, sizeof *record);
    assert_int_equal(m->row, m->entity->row);
    *record = *m->entity;
    record->id = text_copy(arena, m->entity->id);
    record->state = text_copy(arena, m->entity->state);
    record->lock_owner = text_copy(arena, m->entity->lock_owner);
    record->lock_execution = text_copy(arena, m->entity->lock_execution);
    record->lock_section = text_copy(arena, m->entity->lock_section);
    if (row == NULL) {
        assert_null(model_find(model, record->id));
        assert_false(m->keeps_state);
        row = arena_alloc(arena, sizeof *row);
        model->rows = model_one_more(model, model->rows, model->row_count, sizeof *model->rows);
        model->rows[model->row_count++] = row;
        row->record.row = m->row;
        row->record.id = record->id;
        row->record.state = RUN_RUNNING;
    } else {
        assert_non_null(row->entity);
        assert_true(text_equal(row->entity->id, record->id));
        assert_true(record->updated_at >= row->entity->updated_at);
        record->state = m->keeps_state ? row->entity->state : record->state;
    }
    row->record.is_busy = record->is_busy;
    row->entity = record;
}

/* Has it a timer of this step and time? */
static bool has_timer(const struct model *model, uint64_t row, int32_t id, time_us due)
{
    for (size_t i = 0; i < model->timer_count; i++) {
        const struct model_timer *timer = &model->timers[i];
        if (timer->row == row && timer->id == id && timer->due == due) {
            return true;
        }
    }
    return false;
}

/* K5, and each signal that waits for its time has a timer, and nothing else has one. */
void model_check_entity(struct model *model, const struct model_row *row)
{
    const struct entity_record *record = row->entity;
    bool is_locked = text_is_present(record->lock_owner);
    size_t in_line = 0;
    size_t overtook = 0;
    size_t delayed = 0;
    for (size_t i = 0; i < row->inbox_count; i++) {
        size_t one;
        uint64_t arrival = row->inbox[i].arrival;
        const struct event *event = rig_decode(&model->arena, row->inbox[i].bytes, &one)[0];
        if (arrival > ARRIVAL_DELAYED) {
            int32_t id = (int32_t)((arrival - ARRIVAL_DELAYED) & INT32_MAX);
            assert_true(has_timer(model, row->record.row, id, event->fire_at));
            delayed++;
        } else if (arrival > ARRIVAL_OVERTAKES) {
            overtook++;
        } else {
            in_line++;
        }
    }
    for (size_t i = 0; i < model->timer_count; i++) {
        delayed -= model->timers[i].row == row->record.row;
    }
    assert_int_equal(delayed, 0);
    assert_int_equal(record->is_busy, overtook != 0 || (in_line != 0 && !is_locked));
    assert_int_equal(is_locked, text_is_present(record->lock_section));
    assert_int_equal(is_locked, text_is_present(record->lock_execution));
}

/* ---- what entities do ---- */

struct running {
    struct rig *rig;
    struct text state;
    struct action *actions;
    size_t action_count;
    const struct turn *turn;
};

/* The text up to the next colon, which is passed over. */
static struct text part(struct running *running, const char **at)
{
    size_t size = strcspn(*at, ":");
    char *copy = arena_copy(&running->rig->scratch, *at, size);
    *at += size + ((*at)[size] == ':');
    return text_make(copy, size);
}

static void run_asking(struct running *running, const char *op, const char *at)
{
    struct action *action = &running->actions[running->action_count++];
    *action = (struct action){ .id = EVENT_NO_ID };
    action->instance_id = part(running, &at);
    if (strcmp(op, "forget") == 0) {
        action->kind = ACTION_CANCEL_SIGNAL;
        action->request_id = part(running, &at);
        return;
    }
    action->kind = strcmp(op, "start") == 0 ? ACTION_START : ACTION_SIGNAL_ENTITY;
    action->name = part(running, &at);
    action->payload = part(running, &at);
    action->fire_at = strtol(at, NULL, 10) * TIME_MS;
    if (action->instance_id.size == 0) {
        action->instance_id = TEXT_ABSENT;
    }
}

static struct operation_result run_operation(struct running *running, const struct event *event)
{
    static const struct failure cause = { .type = TEXT_INIT("Disk"),
                                          .message = TEXT_INIT("full"),
                                          .is_final = true };
    static const struct failure failure = { .type = TEXT_INIT("Broken"),
                                            .message = TEXT_INIT("as told"),
                                            .cause = &cause };
    struct arena *arena = &running->rig->scratch;
    char *op = arena_copy(arena, event->name.at, event->name.size);
    const char *payload =
        event->payload.size != 0 ? arena_copy(arena, event->payload.at, event->payload.size) : "";
    if (strcmp(op, "fail") == 0) {
        return (struct operation_result){ .failure = &failure };
    }
    if (strcmp(op, "add") == 0) {
        const char *was = arena_printf(arena, "%.*s", TEXT_ARGS(running->state));
        running->state =
            text_of(arena_printf(arena, "%ld", strtol(was, NULL, 10) + strtol(payload, NULL, 10)));
    } else if (strcmp(op, "say") == 0) {
        running->state = text_of(arena_printf(arena, "%.*s%s", TEXT_ARGS(running->state), payload));
    } else if (strcmp(op, "delete") == 0) {
        running->state = TEXT_ABSENT;
    } else if (strcmp(op, "tell") == 0 || strcmp(op, "forget") == 0 || strcmp(op, "start") == 0) {
        run_asking(running, op, payload);
    } else {
        assert_string_equal(op, "get");
    }
    return (struct operation_result){ .payload = running->state };
}

static void log_turn(struct rig *rig, const struct turn *turn, size_t count)
{
    if (rig->log != NULL) {
        buffer_printf(rig->log, "    turn of '%.*s': %zu of %zu operations\n",
                      TEXT_ARGS(turn->instance_id), count, turn->event_count - 1);
    }
}

void rig_end_entity_turn(struct rig *rig, const struct turn *turn)
{
    size_t count = turn->event_count - 1;
    count = rig->most != 0 && rig->most < count ? rig->most : count;
    struct operation_result *results = arena_alloc(&rig->scratch, count * sizeof *results);
    struct running running = { .rig = rig, .state = turn->state, .turn = turn };
    running.actions = arena_alloc(&rig->scratch, count * sizeof *running.actions);
    assert_int_equal(turn->events[0].kind, EVENT_ORCHESTRATOR_STARTED); /* T5 */
    for (size_t i = 0; i < count; i++) {
        const struct event *event = &turn->events[i + 1];
        assert_true(event->kind == EVENT_ENTITY_SIGNALED || event->kind == EVENT_ENTITY_CALLED);
        assert_true(event->fire_at < turn->events[0].at); /* C6 */
        results[i] = run_operation(&running, event);
    }
    struct entity_result result = {
        .results = results,
        .result_count = count,
        .actions = running.actions,
        .action_count = running.action_count,
        .state = running.state,
    };
    log_turn(rig, turn, count);
    assert_true(core_takes_entity_result(rig->core, turn, &result));
    core_end_entity_turn(rig->core, rig->now, turn, &result);
    arena_reset(&rig->scratch);
}

/* ---- in and out ---- */

struct instance *rig_admit_entity(struct rig *rig, const struct model_row *row)
{
    struct event *inbox = arena_alloc(&rig->scratch, row->inbox_count * sizeof *inbox);
    uint64_t *arrivals = arena_alloc(&rig->scratch, row->inbox_count * sizeof *arrivals);
    for (size_t i = 0; i < row->inbox_count; i++) {
        size_t one;
        inbox[i] = *rig_decode(&rig->scratch, row->inbox[i].bytes, &one)[0];
        arrivals[i] = row->inbox[i].arrival;
    }
    struct entity_image image = {
        .record = row->entity,
        .inbox = inbox,
        .arrivals = arrivals,
        .inbox_count = row->inbox_count,
    };
    struct instance *instance = core_admit_entity(rig->core, &image);
    arena_reset(&rig->scratch); /* poisoned from here on, under the address sanitizer */
    return instance;
}

static struct instance *make(struct rig *rig, struct text id)
{
    struct instance *instance = rig_find(rig, id);
    return instance != NULL ? instance : core_make_entity(rig->core, id);
}

struct instance *rig_entity(struct rig *rig, const char *id)
{
    return make(rig, text_of(id));
}

static void start(struct rig *rig, const struct letter *letter)
{
    const struct event *event = letter->event;
    bool announces = text_equal(event->name, TEXT(CORE_NOTIFY));
    assert_int_equal(letter->flags, announces ? 0 : STATES_ENDED);
    struct start_command command = {
        .id = letter->instance_id,
        .name = event->name,
        .input = event->payload,
        .starts_at = event->fire_at,
        .extra = event->extra,
        .replaces = letter->flags,
    };
    if (rig_start_as(rig, &command) != PD_OK) {
        core_drop_letter(rig->core);
    }
}

bool rig_deliver_entity(struct rig *rig, const struct letter *letter)
{
    pd_error err;
    const struct event *event = letter->event;
    if (letter->kind == MESSAGE_START) {
        start(rig, letter);
        return true;
    }
    if (letter->kind == MESSAGE_OPERATION) {
        struct instance *entity = make(rig, letter->instance_id);
        assert_int_equal(core_operate(rig->core, rig->now, entity, event, &err), PD_OK);
        return true;
    }
    bool is_ours = letter->kind == MESSAGE_UNLOCK || letter->kind == MESSAGE_ANSWER ||
                   letter->kind == MESSAGE_CANCEL_SIGNAL;
    struct instance *instance = is_ours ? rig_find(rig, letter->instance_id) : NULL;
    if (instance == NULL) {
        return false;
    }
    assert_int_equal(instance_is_entity(instance), letter->kind != MESSAGE_ANSWER);
    if (letter->kind == MESSAGE_UNLOCK) {
        core_unlock(rig->core, rig->now, instance, event);
    } else if (letter->kind == MESSAGE_CANCEL_SIGNAL) {
        core_cancel_signal(rig->core, instance, event->request_id);
    } else {
        core_complete_call(rig->core, rig->now, instance, letter->execution_id, event);
    }
    return true;
}

/* ---- commands ---- */

void rig_say(struct rig *rig, const struct said *said)
{
    char made[24];
    pd_error err;
    snprintf(made, sizeof made, "c%u", ++rig->signals);
    struct event event = {
        .kind = EVENT_ENTITY_SIGNALED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .name = text_of(said->op),
        .payload = text_of(said->payload),
        .request_id = text_of(said->request_id != NULL ? said->request_id : made),
        .fire_at = said->at,
    };
    assert_int_equal(core_operate(rig->core, rig->now, rig_entity(rig, said->to), &event, &err),
                     PD_OK);
}

void rig_signal(struct rig *rig, const char *to, const char *op, const char *payload)
{
    rig_say(rig, &(struct said){ .to = to, .op = op, .payload = payload });
}

bool rig_cancel_signal(struct rig *rig, const char *id, const char *request_id)
{
    struct instance *entity = rig_instance(rig, id);
    return entity != NULL && core_cancel_signal(rig->core, entity, text_of(request_id));
}

pd_status rig_purge_entity(struct rig *rig, const char *id, time_us unchanged_since)
{
    pd_error err = { 0 };
    struct instance *entity = rig_instance(rig, id);
    if (entity == NULL) {
        return PD_E_NOT_FOUND;
    }
    pd_status status = core_purge_entity(rig->core, rig->now, entity, unchanged_since, &err);
    assert_int_equal(status, err.status);
    return status;
}

void rig_unlock(struct rig *rig, const char *id, const char *section)
{
    struct event event = {
        .kind = EVENT_UNLOCK_SENT,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .request_id = text_of(section),
    };
    core_unlock(rig->core, rig->now, rig_entity(rig, id), &event);
}

static const char *or_none(struct rig *rig, struct text text)
{
    return text_is_present(text) ? text_copy(&rig->model.arena, text).at : "-";
}

const char *rig_state(struct rig *rig, const char *id)
{
    const struct instance *entity = rig_instance(rig, id);
    return entity != NULL ? or_none(rig, entity_state(entity->entity)) : "-";
}

const char *rig_owner(struct rig *rig, const char *id)
{
    const struct instance *entity = rig_instance(rig, id);
    return entity != NULL ? or_none(rig, entity->entity->owner) : "-";
}
