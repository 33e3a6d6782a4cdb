/* SPDX-License-Identifier: MIT
 *
 * The scripted runner and the rig around a core. See rig.h.
 *
 * The programs (n: the number that the input is):
 *   hello_cities   five activities, one after another
 *   fan_out        n activities at once
 *   approval       waits for an event
 *   race           an activity and a timer of a minute; ends when either has come
 *   sleepers       n timers at once, all of a minute
 *   broken         fails in its first turn, with a cause
 *   mixed          keeps three steps open, activities and timers, until n have come
 *   forever        an activity, and another whenever it has an event; never ends
 */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "core/core_priv.h"

/* ---- programs ---- */

static const time_us minute = 60 * TIME_SECOND;

static void tally_event(struct tally *tally, const struct event *event)
{
    switch (event->kind) {
    case EVENT_ORCHESTRATOR_STARTED:
        tally->now = event->at;
        tally->turn++;
        break;
    case EVENT_EXECUTION_STARTED:
        memcpy(tally->program, event->name.at, event->name.size);
        tally->n = event->payload.size != 0 ? (int)strtol(event->payload.at, NULL, 10) : 0;
        break;
    case EVENT_TASK_COMPLETED: tally->completed++; break;
    case EVENT_TASK_FAILED: tally->failed++; break;
    case EVENT_TIMER_FIRED: tally->fired++; break;
    case EVENT_EVENT_RAISED: tally->raised++; break;
    case EVENT_CHILD_COMPLETED: tally->completed++; break;
    case EVENT_CHILD_FAILED: tally->failed++; break;
    case EVENT_TASK_SCHEDULED:
    case EVENT_TIMER_CREATED:
    case EVENT_CHILD_CREATED:
    case EVENT_EVENT_SENT:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_STEP_CANCELLED:
    case EVENT_CHANGE_MARKED:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_UNKNOWN: break;
    }
}

struct asking {
    struct arena *arena;
    struct action *actions;
    size_t count;
};

static struct action *ask(struct asking *asking, struct tally *tally, enum action_kind kind)
{
    struct action *action = &asking->actions[asking->count++];
    *action = (struct action){ .kind = kind, .id = tally->steps++ };
    return action;
}

static void ask_task(struct asking *asking, struct tally *tally)
{
    struct action *action = ask(asking, tally, ACTION_SCHEDULE_TASK);
    char *input = arena_printf(asking->arena, "%d", action->id);
    action->name = TEXT("Work");
    action->payload = text_of(input);
}

static void ask_timer(struct asking *asking, struct tally *tally, int64_t in)
{
    ask(asking, tally, ACTION_CREATE_TIMER)->fire_at = tally->now + in;
}

static void ask_end(struct asking *asking, struct tally *tally)
{
    struct action *action = ask(asking, tally, ACTION_COMPLETE);
    action->outcome = RUN_COMPLETED;
    action->payload = text_of(arena_printf(asking->arena, "[%d,%d,%d,%d]", tally->completed,
                                           tally->failed, tally->fired, tally->raised));
}

static void ask_failure(struct asking *asking, struct tally *tally)
{
    static const struct failure cause = { TEXT_INIT("Disk"), TEXT_INIT("full"), NULL, NULL, true };
    static const struct failure failure = { TEXT_INIT("Broken"), TEXT_INIT("as ever"), &cause, NULL,
                                            false };
    struct action *action = ask(asking, tally, ACTION_COMPLETE);
    action->outcome = RUN_FAILED;
    action->failure = &failure;
}

static void ask_mixed(struct asking *asking, struct tally *tally)
{
    int come = tally->completed + tally->failed + tally->fired;
    if (come >= tally->n) {
        ask_end(asking, tally);
        return;
    }
    while (tally->steps < come + 3) {
        if (tally->steps % 3 == 1) {
            ask_timer(asking, tally, (tally->steps * 7 % 50) * TIME_MS);
        } else {
            ask_task(asking, tally);
        }
    }
}

static bool is(const struct tally *tally, const char *program)
{
    return strcmp(tally->program, program) == 0;
}

/* What the program asks for, given all that has happened to it. */
static void run_program(struct asking *asking, struct tally *tally)
{
    bool is_first = tally->steps == 0;
    if (is(tally, "hello_cities") && tally->completed == 5) {
        ask_end(asking, tally);
    } else if (is(tally, "hello_cities") && tally->steps == tally->completed) {
        ask_task(asking, tally);
    } else if (is(tally, "fan_out") && is_first) {
        while (tally->steps < tally->n) {
            ask_task(asking, tally);
        }
    } else if (is(tally, "fan_out") && tally->completed + tally->failed == tally->n) {
        ask_end(asking, tally);
    } else if (is(tally, "approval") && tally->raised != 0) {
        ask_end(asking, tally);
    } else if (is(tally, "race") && is_first) {
        ask_task(asking, tally);
        ask_timer(asking, tally, minute);
    } else if (is(tally, "race") && tally->completed + tally->fired != 0) {
        ask_end(asking, tally);
    } else if (is(tally, "sleepers") && is_first) {
        while (tally->steps < tally->n) {
            ask_timer(asking, tally, minute);
        }
    } else if (is(tally, "sleepers") && tally->fired == tally->n) {
        ask_end(asking, tally);
    } else if (is(tally, "broken")) {
        ask_failure(asking, tally);
    } else if (is(tally, "mixed")) {
        ask_mixed(asking, tally);
    } else if (is(tally, "forever")) {
        ask_task(asking, tally);
    }
}

/* ---- the runner ---- */

/* The tally as of the turn before this one; NULL: it cannot be had yet (T2). */
static struct tally *tally_before(struct rig *rig, const struct turn *turn)
{
    struct tally *tally = map64_find(&rig->tallies, turn->row);
    if (tally != NULL) {
        assert_int_equal(tally->turn, turn->number - 1);
        return tally;
    }
    if (turn->number > 1 && !turn->is_past_durable) {
        return NULL;
    }
    tally = mem_alloc(sizeof *tally);
    map64_put(&rig->tallies, turn->row, tally);
    if (turn->number > 1) {
        size_t count;
        struct model_row *row = model_find_row(&rig->model, turn->row);
        assert_int_equal(row->turn_count, turn->number - 1);
        const struct event **past = model_history(&rig->model, row, &count);
        for (size_t i = 0; i < count; i++) {
            tally->steps +=
                past[i]->kind == EVENT_TASK_SCHEDULED || past[i]->kind == EVENT_TIMER_CREATED;
            tally_event(tally, past[i]);
        }
    }
    return tally;
}

static void forget(struct rig *rig, uint64_t row)
{
    mem_free(map64_remove(&rig->tallies, row));
}

static void log_turn(struct rig *rig, const struct turn *turn, const struct asking *asking)
{
    if (rig->log != NULL) {
        buffer_printf(rig->log, "    turn %d of '%.*s': %zu events, ", (int)turn->number,
                      TEXT_ARGS(turn->instance_id), turn->event_count);
        if (asking != NULL) {
            buffer_printf(rig->log, "%zu actions\n", asking->count);
        } else {
            buffer_printf(rig->log, "postponed, its past is not durable\n");
        }
    }
}

void rig_end_turn(struct rig *rig, const struct turn *turn)
{
    assert_int_equal(turn->events[0].kind, EVENT_ORCHESTRATOR_STARTED); /* T1 */
    struct tally *tally = tally_before(rig, turn);
    if (tally == NULL) {
        log_turn(rig, turn, NULL);
        core_postpone_turn(rig->core, turn);
        return;
    }
    for (size_t i = 0; i < turn->event_count; i++) {
        tally_event(tally, &turn->events[i]);
    }
    struct asking asking = { &rig->scratch, NULL, 0 };
    asking.actions = arena_alloc(&rig->scratch, ((size_t)tally->n + 8) * sizeof *asking.actions);
    run_program(&asking, tally);
    log_turn(rig, turn, &asking);
    bool is_end = asking.count != 0 && asking.actions[asking.count - 1].kind == ACTION_COMPLETE;
    uint64_t row = turn->row;
    struct turn_result result = { .actions = asking.actions, .action_count = asking.count };
    core_end_turn(rig->core, rig->now, turn, &result);
    if (is_end || rig->is_forgetful) {
        forget(rig, row);
    }
    arena_reset(&rig->scratch);
}

size_t rig_run(struct rig *rig)
{
    const struct turn *turn;
    size_t count = 0;
    while (core_next_turn(rig->core, rig->now, &turn)) {
        rig_end_turn(rig, turn);
        count++;
    }
    return count;
}

/* ---- lifetime ---- */

static void own(struct rig *rig)
{
    uint64_t row_next = 1;
    for (size_t i = 0; i < rig->model.row_count; i++) {
        if (rig->model.rows[i]->record.row >= row_next) {
            row_next = rig->model.rows[i]->record.row + 1;
        }
    }
    struct core_options options = {
        .partition_count = 1,
        .epoch = ++rig->epoch,
        .row_next = row_next,
        .codec = &rig_codec,
    };
    rig->core = core_new(&options);
    rig->model.batch_last = 0;
    core_set_horizon(rig->core, rig->horizon);
    for (size_t i = 0; i < rig->model.timer_count; i++) {
        const struct model_timer *timer = &rig->model.timers[i];
        if (timer->due <= rig->horizon) {
            core_add_timer(rig->core, timer->row, timer->id, timer->due);
        }
    }
}

void rig_init(struct rig *rig)
{
    *rig = (struct rig){ .now = TIME_MS, .horizon = 3600 * TIME_SECOND };
    list_init(&rig->activities);
    map64_init(&rig->tallies);
    own(rig);
}

static void lose_memory(struct rig *rig)
{
    core_free(rig->core);
    for (size_t i = 0; i < rig->flight_count; i++) {
        batch_free(rig->flights[i]);
    }
    rig->flight_count = 0;
    struct list_node *node;
    while ((node = list_pop_front(&rig->activities)) != NULL) {
        activity_free(CONTAINER_OF(node, struct activity, node));
    }
    struct tally *tally;
    for (size_t cursor = 0; (tally = map64_next(&rig->tallies, &cursor)) != NULL;) {
        mem_free(tally);
    }
    map64_reset(&rig->tallies);
}

void rig_done(struct rig *rig)
{
    lose_memory(rig);
    map64_done(&rig->tallies);
    model_done(&rig->model);
    arena_done(&rig->scratch);
}

static struct instance *admit(struct rig *rig, const struct model_row *row, bool redispatch)
{
    size_t count;
    const struct event **past = model_history(&rig->model, row, &count);
    struct event *history = arena_alloc(&rig->scratch, count * sizeof *history);
    for (size_t i = 0; i < count; i++) {
        history[i] = *past[i];
    }
    struct event *inbox = arena_alloc(&rig->scratch, row->inbox_count * sizeof *inbox);
    uint64_t *arrivals = arena_alloc(&rig->scratch, row->inbox_count * sizeof *arrivals);
    for (size_t i = 0; i < row->inbox_count; i++) {
        size_t one;
        inbox[i] = *rig_decode(&rig->scratch, row->inbox[i].bytes, &one)[0];
        arrivals[i] = row->inbox[i].arrival;
    }
    struct instance_image image = {
        .record = &row->record,
        .history = history,
        .history_count = count,
        .turn_count = row->turn_count,
        .inbox = inbox,
        .arrivals = arrivals,
        .inbox_count = row->inbox_count,
        .progress = row->progress,
        .progress_count = row->progress_count,
    };
    struct instance *instance = core_admit(rig->core, &image, redispatch);
    arena_reset(&rig->scratch); /* poisoned from here on, under the address sanitizer */
    return instance;
}

void rig_crash(struct rig *rig)
{
    lose_memory(rig);
    own(rig);
    for (size_t i = 0; i < rig->model.row_count; i++) {
        const struct model_row *row = rig->model.rows[i];
        if (!row->is_deleted && row->record.is_busy) {
            admit(rig, row, true);
        }
    }
}

/* ---- commands ---- */

struct instance *rig_instance(struct rig *rig, const char *id)
{
    struct instance *instance = core_find(rig->core, text_of(id));
    if (instance != NULL) {
        return instance;
    }
    const struct model_row *row = model_find(&rig->model, text_of(id));
    if (row == NULL || run_state_is_final(row->record.state)) {
        return NULL;
    }
    return admit(rig, row, false);
}

pd_status rig_start(struct rig *rig, const char *id, const char *program, const char *input)
{
    struct text id_text = text_of(id);
    uint64_t replaces = 0;
    if (core_find(rig->core, id_text) == NULL) {
        const struct model_row *row = model_find(&rig->model, id_text);
        if (row != NULL && !run_state_is_final(row->record.state)) {
            rig_instance(rig, id);
        } else if (row != NULL) {
            replaces = row->record.row;
        }
    }
    struct start_command command = {
        .id = id_text,
        .execution_id = text_of(arena_printf(&rig->scratch, "e%u", ++rig->started)),
        .name = text_of(program),
        .input = text_of(input),
        .replaces = STATES_ENDED,
        .replaces_row = replaces,
        .replaces_state = RUN_COMPLETED,
    };
    pd_error err = { 0 };
    pd_status status = core_start(rig->core, rig->now, &command, &err);
    assert_int_equal(status, err.status);
    arena_reset(&rig->scratch);
    return status;
}

pd_status rig_raise(struct rig *rig, const char *id, const char *name, const char *payload)
{
    struct instance *instance = rig_instance(rig, id);
    if (instance == NULL) {
        return PD_E_NOT_FOUND;
    }
    pd_error err = { 0 };
    pd_status status =
        core_raise(rig->core, rig->now, instance, text_of(name), text_of(payload), &err);
    assert_int_equal(status, err.status);
    return status;
}

static bool complete(struct rig *rig, const char *id, int32_t step,
                     const struct activity_result *result)
{
    struct instance *instance = rig_instance(rig, id);
    if (instance == NULL) {
        return false;
    }
    return core_complete_activity(rig->core, rig->now, instance, instance->execution_id, step,
                                  result);
}

bool rig_complete(struct rig *rig, const char *id, int32_t step, const char *payload)
{
    struct activity_result result = { .payload = text_of(payload) };
    return complete(rig, id, step, &result);
}

bool rig_fail(struct rig *rig, const char *id, int32_t step, const char *type, const char *message)
{
    struct failure failure = { .type = text_of(type), .message = text_of(message) };
    struct activity_result result = { .failure = &failure };
    return complete(rig, id, step, &result);
}

size_t rig_fire(struct rig *rig)
{
    struct due_timer due;
    size_t count = 0;
    while (core_pop_due(rig->core, rig->now, &due)) {
        struct instance *instance = core_find_row(rig->core, due.row);
        const struct model_row *stored = model_find_row(&rig->model, due.row);
        if (instance == NULL && stored != NULL && !run_state_is_final(stored->record.state)) {
            instance = admit(rig, stored, false);
        }
        count +=
            instance != NULL && core_fire_timer(rig->core, rig->now, instance, due.id, due.due);
    }
    return count;
}

bool rig_fire_step(struct rig *rig, struct instance *instance, int32_t id)
{
    struct step step = { .due = rig->now };
    (void)steps_find(&instance->steps, id, STEP_TIMER, &step);
    return core_fire_timer(rig->core, rig->now, instance, id, step.due);
}

static int by_due(const void *a, const void *b)
{
    const struct model_timer *x = a;
    const struct model_timer *y = b;
    if (x->due != y->due) {
        return x->due < y->due ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

void rig_set_horizon(struct rig *rig, time_us horizon)
{
    time_us from = rig->horizon;
    rig->horizon = horizon;
    core_set_horizon(rig->core, horizon);
    struct model_timer *page = arena_alloc(&rig->scratch, rig->model.timer_count * sizeof *page);
    size_t count = 0;
    for (size_t i = 0; i < rig->model.timer_count; i++) {
        if (rig->model.timers[i].due > from && rig->model.timers[i].due <= horizon) {
            page[count++] = rig->model.timers[i];
        }
    }
    qsort(page, count, sizeof *page, by_due);
    for (size_t i = 0; i < count; i++) {
        core_add_timer(rig->core, page[i].row, page[i].id, page[i].due);
    }
    arena_reset(&rig->scratch);
}

/* ---- durability ---- */

struct batch *rig_cut(struct rig *rig)
{
    bool has_changes = core_has_changes(rig->core);
    struct batch *batch = core_cut(rig->core);
    assert_int_equal(batch != NULL, has_changes);
    assert_false(core_has_changes(rig->core));
    if (batch != NULL) {
        assert_true(rig->flight_count < sizeof rig->flights / sizeof rig->flights[0]);
        assert_int_equal(batch->epoch, rig->epoch);
        rig->flights[rig->flight_count++] = batch;
    }
    return batch;
}

void rig_commit(struct rig *rig)
{
    assert_true(rig->flight_count > 0);
    struct batch *batch = rig->flights[0];
    model_apply(&rig->model, batch);
    core_committed(rig->core, batch);
    struct list_node *node;
    while ((node = list_pop_front(&batch->activities)) != NULL) {
        list_push_back(&rig->activities, node);
    }
    batch_free(batch);
    rig->flight_count--;
    memmove(rig->flights, rig->flights + 1, rig->flight_count * sizeof rig->flights[0]);
}

void rig_flush(struct rig *rig)
{
    rig_cut(rig);
    while (rig->flight_count != 0) {
        rig_commit(rig);
    }
}

struct activity *rig_take_activity(struct rig *rig)
{
    struct list_node *node = list_pop_front(&rig->activities);
    return node != NULL ? CONTAINER_OF(node, struct activity, node) : NULL;
}

bool rig_complete_activity(struct rig *rig, struct activity *activity, const char *payload)
{
    char id[LIMIT_ID_TEXT];
    assert_true(activity->instance_id.size < sizeof id);
    memcpy(id, activity->instance_id.at, activity->instance_id.size);
    id[activity->instance_id.size] = 0;
    struct instance *instance = rig_instance(rig, id);
    struct activity_result result = { .payload = text_of(payload) };
    bool is_accepted =
        instance != NULL && core_complete_activity(rig->core, rig->now, instance,
                                                   activity->execution_id, activity->id, &result);
    activity_free(activity);
    return is_accepted;
}

/* ---- for tests ---- */

int rig_setup(void **state)
{
    struct rig *rig = mem_alloc(sizeof *rig);
    rig_init(rig);
    *state = rig;
    return 0;
}

int rig_teardown(void **state)
{
    rig_done(*state);
    mem_free(*state);
    return 0;
}

const struct instance_record *rig_stored(struct rig *rig, const char *id)
{
    struct model_row *row = model_find(&rig->model, text_of(id));
    assert_non_null(row);
    return &row->record;
}

size_t rig_count_of(const struct batch *batch, enum mutation_kind kind)
{
    size_t count = 0;
    for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
        count += m->kind == kind;
    }
    return count;
}

bool rig_can_evict(struct rig *rig)
{
    return core_evict(rig->core, 0, 0) != 0;
}
