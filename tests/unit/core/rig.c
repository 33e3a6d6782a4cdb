/* SPDX-License-Identifier: MIT
 *
 * The scripted runner and the rig around a core. See rig.h; the programs are in rig_programs.c, and
 * what is said between instances in rig_letters.c.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "core/core_priv.h"

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
            tally_event(tally, past[i]);
        }
    }
    return tally;
}

void rig_forget(struct rig *rig, uint64_t row)
{
    mem_free(map64_remove(&rig->tallies, row));
}

static void log_turn(struct rig *rig, const struct turn *turn, const char *what)
{
    if (rig->log != NULL) {
        buffer_printf(rig->log, "    turn %d of '%.*s': %zu events, %s\n", (int)turn->number,
                      TEXT_ARGS(turn->instance_id), turn->event_count, what);
    }
}

static bool leaves(const struct rig *rig, const struct turn *turn)
{
    const struct event *first = &turn->events[1];
    return rig->leaves != NULL && first->kind == EVENT_EXECUTION_STARTED &&
           text_equal(first->version, text_of(rig->leaves));
}

void rig_end_turn(struct rig *rig, const struct turn *turn)
{
    uint64_t row = turn->row;
    const struct instance *instance = core_find_row(rig->core, row);
    if (turn_is_of_entity(turn)) {
        rig_end_entity_turn(rig, turn);
        return;
    }
    if (instance->turn->is_void) { /* the runner would have been told to forget it */
        log_turn(rig, turn, "void");
        core_end_turn(rig->core, rig->now, turn, &(struct turn_result){ 0 });
        return;
    }
    assert_int_equal(turn->events[0].kind, EVENT_ORCHESTRATOR_STARTED); /* T1 */
    assert_int_equal(turn->number == 1, turn->events[1].kind == EVENT_EXECUTION_STARTED);
    if (leaves(rig, turn)) {
        log_turn(rig, turn, "left to another worker");
        core_leave_turn(rig->core, turn);
        return;
    }
    struct tally *tally = tally_before(rig, turn);
    if (tally == NULL) {
        log_turn(rig, turn, "postponed, its past is not durable");
        core_postpone_turn(rig->core, turn);
        return;
    }
    for (size_t i = 0; i < turn->event_count; i++) {
        tally_event(tally, &turn->events[i]);
    }
    struct turn_result result = run_program(tally, turn, &rig->scratch);
    log_turn(rig, turn, arena_printf(&rig->scratch, "%zu actions", result.action_count));
    const struct action *last =
        result.action_count != 0 ? &result.actions[result.action_count - 1] : NULL;
    bool is_end =
        last != NULL && (last->kind == ACTION_COMPLETE || last->kind == ACTION_CONTINUE_AS_NEW);
    core_end_turn(rig->core, rig->now, turn, &result);
    if (is_end || rig->is_forgetful) {
        rig_forget(rig, row);
    }
    arena_reset(&rig->scratch);
}

size_t rig_run(struct rig *rig)
{
    const struct turn *turn;
    size_t count = 0;
    for (;;) {
        while (core_next_turn(rig->core, rig->now, &turn)) {
            rig_end_turn(rig, turn);
            count++;
        }
        if (!rig_deliver(rig)) {
            return count;
        }
    }
}

/* ---- lifetime ---- */

static bool write_all(void *argument, const struct announcement *it, struct buffer *json)
{
    (void)argument;
    if (text_has_prefix(it->name, TEXT("quiet"))) {
        return false;
    }
    buffer_printf(json, "%s %.*s", announcement_name(it->kind), TEXT_ARGS(it->id));
    if (text_is_present(it->output)) {
        buffer_printf(json, " %.*s", TEXT_ARGS(it->output));
    }
    if (it->failure != NULL) {
        buffer_printf(json, " %.*s", TEXT_ARGS(it->failure->type));
    }
    return true;
}

static const struct announcer announcer = { .write = write_all };

void rig_announce(struct rig *rig)
{
    rig->announces = true;
    rig->core->announcer = &announcer;
}

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
        .seed = rig->epoch,
        .codec = &rig_codec,
        .keeps_empty = rig->keeps_empty,
        .announcer = rig->announces ? &announcer : NULL,
    };
    rig->core = core_new(&options);
    rig->model.batch_last = 0;
    rig->received = rig->model.mailbox_last;
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
    for (int i = 0; i < TRANSITION_COUNT && rig->core != NULL; i++) {
        rig->taken[i] += rig->core->transitions[i];
    }
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
    if (row->entity != NULL) {
        return rig_admit_entity(rig, row);
    }
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

const struct model_row *rig_row(struct rig *rig, struct text id)
{
    const struct model_row *row = model_find(&rig->model, id);
    /* One that is known by its row only was replaced, or purged: it is not there any more. */
    return row != NULL && core_find_row(rig->core, row->record.row) == NULL ? row : NULL;
}

static struct instance *find(struct rig *rig, struct text id)
{
    struct instance *instance = core_find(rig->core, id);
    if (instance != NULL) {
        return instance;
    }
    const struct model_row *row = rig_row(rig, id);
    if (row == NULL || run_state_is_final(row->record.state)) {
        return NULL;
    }
    return admit(rig, row, false);
}

struct instance *rig_instance(struct rig *rig, const char *id)
{
    return find(rig, text_of(id));
}

struct instance *rig_find(struct rig *rig, struct text id)
{
    return find(rig, id);
}

pd_status rig_start_as(struct rig *rig, const struct start_command *given)
{
    struct start_command command = *given;
    struct instance *former = find(rig, command.id);
    uint64_t former_row = former != NULL ? former->row : 0;
    const struct model_row *row = former == NULL ? rig_row(rig, command.id) : NULL;
    if (row != NULL) {
        command.replaces_row = row->record.row;
        command.replaces_state = row->record.state;
    }
    pd_error err = { 0 };
    pd_status status = core_start(rig->core, rig->now, &command, &err);
    assert_int_equal(status, err.status);
    if (status == PD_OK && former_row != 0) {
        rig_forget(rig, former_row);
    }
    return status;
}

pd_status rig_start(struct rig *rig, const char *id, const char *program, const char *input)
{
    char execution_id[16];
    snprintf(execution_id, sizeof execution_id, "e%u", ++rig->started);
    struct start_command command = {
        .id = text_of(id),
        .execution_id = text_of(execution_id),
        .name = text_of(program),
        .input = text_of(input),
        .replaces = STATES_ENDED,
    };
    return rig_start_as(rig, &command);
}

/* Whether something is told to an instance that is there. */
static pd_status absent(struct rig *rig, const char *id)
{
    return rig_row(rig, text_of(id)) != NULL ? PD_E_STATE : PD_E_NOT_FOUND;
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

pd_status rig_terminate(struct rig *rig, const char *id, const char *output, bool recurses)
{
    struct instance *instance = rig_instance(rig, id);
    if (instance == NULL) {
        return absent(rig, id);
    }
    pd_error err = { 0 };
    uint64_t row = instance->row;
    pd_status status =
        core_terminate(rig->core, rig->now, instance, text_of(output), recurses, &err);
    assert_int_equal(status, err.status);
    rig_forget(rig, row);
    return status;
}

pd_status rig_suspend(struct rig *rig, const char *id, const char *reason,
                      const struct failure *failure)
{
    struct instance *instance = rig_instance(rig, id);
    if (instance == NULL) {
        return absent(rig, id);
    }
    pd_error err = { 0 };
    pd_status status = core_suspend(rig->core, rig->now, instance, text_of(reason), failure, &err);
    assert_int_equal(status, err.status);
    return status;
}

pd_status rig_resume(struct rig *rig, const char *id, const char *reason)
{
    struct instance *instance = rig_instance(rig, id);
    if (instance == NULL) {
        return absent(rig, id);
    }
    pd_error err = { 0 };
    pd_status status = core_resume(rig->core, rig->now, instance, text_of(reason), &err);
    assert_int_equal(status, err.status);
    return status;
}

pd_status rig_purge(struct rig *rig, const char *id)
{
    struct instance *instance = rig_instance(rig, id);
    const struct model_row *row = rig_row(rig, text_of(id));
    if (instance == NULL && row == NULL) {
        return PD_E_NOT_FOUND;
    }
    pd_error err = { 0 };
    pd_status status = core_purge(rig->core, instance, row != NULL ? row->record.row : 0, &err);
    assert_int_equal(status, err.status);
    return status;
}

bool rig_progress(struct rig *rig, const char *id, int32_t step, const char *progress)
{
    struct instance *instance = rig_instance(rig, id);
    return instance != NULL &&
           core_note_progress(rig->core, instance, instance->execution_id, step, text_of(progress));
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
    (void)rig_deliver(rig); /* C8 */
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
