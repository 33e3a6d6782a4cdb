/* SPDX-License-Identifier: MIT
 *
 * Starts, turns (T1, T2), batches (B1 to B4), the state machine, and recovery.
 */
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "core/core_priv.h"
#include "rig.h"

/* ---- start ---- */

/* Else a timer of the old row, still in the store, would bring it in from there a second time. */
static void a_replaced_instance_is_known_by_its_row_until_that_is_durable(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "race", NULL);
    rig_run(rig);
    rig_flush(rig);
    rig_complete(rig, "a", 0, NULL);
    rig_run(rig); /* ends; its timer is still in the store */
    assert_int_equal(rig_start(rig, "a", "approval", NULL), PD_OK);
    rig_run(rig);
    assert_int_equal(instance_row(core_find(rig->core, TEXT("a"))), 2);
    struct instance *old = core_find_row(rig->core, 1);
    assert_non_null(old);
    assert_int_equal(instance_state(old), RUN_COMPLETED);
    assert_false(rig_fire_step(rig, old, 1));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(rig_count_of(batch, MUTATION_INSTANCE_UPDATE), 0); /* of a row that is gone */
    assert_non_null(core_find_row(rig->core, 1));
    rig_commit(rig);
    assert_null(core_find_row(rig->core, 1));
    assert_int_equal(instance_row(core_find(rig->core, TEXT("a"))), 2);
}

static void a_replaced_instance_stays_when_only_its_end_is_durable(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "broken", NULL);
    rig_run(rig);
    rig_cut(rig);
    rig_start(rig, "a", "broken", NULL);
    rig_cut(rig);
    rig_commit(rig);
    assert_non_null(core_find_row(rig->core, 1)); /* its removal is in flight */
    rig_commit(rig);
    assert_null(core_find_row(rig->core, 1));
}

static void a_start_of_a_living_id_is_refused_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "approval", NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_start(rig, "a", "approval", NULL), PD_E_EXISTS);
    assert_false(core_has_changes(rig->core));
    assert_int_equal(core_counters(rig->core).starts, 1);
}

static void a_payload_without_memory_is_refused_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "approval", NULL);
    rig_run(rig);
    rig_flush(rig);
    pd_error err;
    struct instance *a = core_find(rig->core, TEXT("a"));
    mem_fail_at(1);
    assert_int_equal(core_raise(rig->core, 1, a, TEXT("x"), TEXT("1"), &err), PD_E_NOMEM);
    assert_true(err.retryable);
    struct start_command command = { .id = TEXT("b"), .name = TEXT("approval") };
    for (size_t n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_int_equal(core_start(rig->core, 1, &command, &err), PD_E_NOMEM);
    }
    mem_fail_at(0);
    assert_false(core_has_changes(rig->core));
    assert_null(core_find(rig->core, TEXT("b")));
}

static void rows_step_by_the_number_of_partitions(void **state)
{
    (void)state;
    struct core_options options = {
        .partition = 2, .partition_count = 8, .row_next = 11, .codec = &rig_codec
    };
    struct core *core = core_new(&options);
    pd_error err;
    assert_int_equal(core_start(core, 1, &(struct start_command){ .id = TEXT("a") }, &err), PD_OK);
    assert_int_equal(core_start(core, 1, &(struct start_command){ .id = TEXT("b") }, &err), PD_OK);
    assert_int_equal(instance_row(core_find(core, TEXT("a"))), 11);
    assert_int_equal(instance_row(core_find(core, TEXT("b"))), 19);
    core_free(core);
}

/* ---- turns ---- */

static void the_first_turn_begins_with_the_start(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "approval", "\"in\"");
    rig_raise(rig, "a", "x", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->number, 1);
    assert_true(turn->is_past_durable);
    assert_int_equal(turn->event_count, 3);
    assert_int_equal(turn->events[0].kind, EVENT_ORCHESTRATOR_STARTED);
    assert_int_equal(turn->events[1].kind, EVENT_EXECUTION_STARTED);
    assert_true(text_equal(turn->events[1].payload, TEXT("\"in\"")));
    assert_true(text_equal(turn->events[1].instance_id, TEXT("a")));
    assert_true(text_equal(turn->events[1].execution_id, TEXT("e1")));
    assert_false(text_is_present(turn->events[1].version));
    assert_int_equal(turn->events[2].kind, EVENT_EVENT_RAISED);
    rig_end_turn(rig, turn);
}

static void a_turn_takes_at_most_its_limit_of_events(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "forever", NULL);
    rig_run(rig);
    struct instance *a = core_find(rig->core, TEXT("a"));
    pd_error err;
    for (int i = 0; i < LIMIT_TURN_EVENTS + 1; i++) {
        core_raise(rig->core, rig->now, a, TEXT("x"), TEXT_ABSENT, &err);
    }
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->event_count, LIMIT_TURN_EVENTS + 1); /* and ORCHESTRATOR_STARTED */
    rig_end_turn(rig, turn);
    assert_int_equal(rig->core->slots->events_room, 0); /* as much memory is not kept */
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->event_count, 2);
    rig_end_turn(rig, turn);
    assert_false(core_next_turn(rig->core, rig->now, &turn));
}

static void a_turn_takes_no_more_events_when_it_has_bytes_enough(void **state)
{
    enum { SIZE = LIMIT_TURN_INTAKE_BYTES / 2 };
    static char large[SIZE];
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "forever", NULL);
    rig_run(rig);
    struct instance *a = core_find(rig->core, TEXT("a"));
    pd_error err;
    for (int i = 0; i < 3; i++) {
        core_raise(rig->core, rig->now, a, TEXT("x"), text_make(large, SIZE), &err);
    }
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->event_count, 3); /* and ORCHESTRATOR_STARTED */
    rig_end_turn(rig, turn);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->event_count, 2);
    rig_end_turn(rig, turn);
}

static void turns_come_in_the_order_instances_became_ready(void **state)
{
    struct rig *rig = *state;
    const struct turn *first, *second, *none;
    rig_start(rig, "a", "forever", NULL);
    rig_start(rig, "b", "forever", NULL);
    rig_raise(rig, "a", "x", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &first));
    assert_true(core_next_turn(rig->core, rig->now, &second)); /* several may be open */
    assert_true(text_equal(first->instance_id, TEXT("a")));
    assert_true(text_equal(second->instance_id, TEXT("b")));
    rig_raise(rig, "a", "y", NULL); /* its turn is open: it is not ready */
    assert_false(core_next_turn(rig->core, rig->now, &none));
    rig_end_turn(rig, second);
    rig_end_turn(rig, first);
    assert_true(core_next_turn(rig->core, rig->now, &first));
    assert_true(text_equal(first->instance_id, TEXT("a")));
    assert_int_equal(first->event_count, 2);
    rig_end_turn(rig, first);
}

static void a_postponed_turn_waits_for_the_past_to_be_durable(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "forever", NULL);
    rig_run(rig);
    rig_cut(rig);
    rig_raise(rig, "a", "first", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_false(turn->is_past_durable);
    core_postpone_turn(rig->core, turn);
    assert_false(core_next_turn(rig->core, rig->now, &turn));
    rig_raise(rig, "a", "second", NULL); /* later events do not make it ready either */
    assert_false(core_next_turn(rig->core, rig->now, &turn));
    rig_cut(rig);
    rig_commit(rig);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_true(turn->is_past_durable);
    assert_int_equal(turn->number, 2);
    assert_int_equal(turn->event_count, 3);
    assert_true(text_equal(turn->events[1].name, TEXT("first")));
    core_postpone_turn(rig->core, turn);
    assert_true(core_next_turn(rig->core, rig->now, &turn)); /* at once: nothing to wait for */
    rig_end_turn(rig, turn);
    rig_commit(rig);
}

static void turns_are_the_same_memory_again(void **state)
{
    struct rig *rig = *state;
    const struct turn *first, *second;
    rig_start(rig, "a", "forever", NULL);
    core_next_turn(rig->core, rig->now, &first);
    rig_end_turn(rig, first);
    rig_raise(rig, "a", "x", NULL);
    core_next_turn(rig->core, rig->now, &second);
    assert_ptr_equal(first, second);
    rig_end_turn(rig, second);
}

/* ---- batches ---- */

static void a_batch_owns_its_memory_and_does_not_change_after_the_cut(void **state)
{
    struct rig *rig = *state;
    struct buffer before = { 0 };
    struct buffer after = { 0 };
    rig_start(rig, "a", "fan_out", "2");
    rig_run(rig);
    rig_raise(rig, "a", "x", "\"text\"");
    struct batch *batch = rig_cut(rig);
    show_batch(&before, &rig->scratch, batch);
    rig_complete(rig, "a", 0, NULL);
    rig_complete(rig, "a", 1, NULL);
    rig_run(rig);
    rig_start(rig, "a", "broken", NULL);
    rig_run(rig);
    rig_cut(rig);
    core_free(rig->core);
    rig->core = NULL;
    show_batch(&after, &rig->scratch, batch);
    assert_true(text_equal(buffer_text(&before), buffer_text(&after)));
    buffer_done(&before);
    buffer_done(&after);
}

static void batches_are_numbered_from_one_and_there_is_none_without_changes(void **state)
{
    struct rig *rig = *state;
    assert_null(core_cut(rig->core));
    rig_start(rig, "a", "approval", NULL);
    assert_int_equal(rig_cut(rig)->number, 1);
    assert_null(core_cut(rig->core));
    rig_run(rig);
    assert_int_equal(rig_cut(rig)->number, 2);
    rig_flush(rig);
}

static void activities_alone_make_a_batch(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "fan_out", "3");
    rig_run(rig);
    rig_complete(rig, "a", 1, NULL);
    rig_flush(rig);
    rig_run(rig);
    rig_flush(rig);
    rig_crash(rig);
    assert_true(core_has_changes(rig->core));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->mutation_count, 0);
    assert_int_equal(list_count(&batch->activities), 2);
    rig_commit(rig);
    struct activity *first = rig_take_activity(rig);
    assert_int_equal(first->id, 0);
    assert_true(text_equal(first->name, TEXT("Work")));
    assert_true(text_equal(first->input, TEXT("0")));
    assert_true(text_equal(first->execution_id, TEXT("e1")));
    assert_true(rig_complete_activity(rig, first, "1"));
}

static void the_mailbox_position_goes_with_the_batch(void **state)
{
    struct rig *rig = *state;
    core_received(rig->core, 7);
    core_received(rig->core, 9);
    core_received(rig->core, 8); /* never back */
    assert_true(core_has_changes(rig->core));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->mutation_count, 1);
    assert_int_equal(batch->first->kind, MUTATION_MAILBOX_REMOVE);
    assert_int_equal(batch->first->number, 9);
    rig_commit(rig);
}

static void the_insert_comes_before_all_else_of_its_row(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "race", NULL);
    rig_run(rig);
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->first->kind, MUTATION_INSTANCE_INSERT);
    assert_int_equal(batch->first->instance->state, RUN_RUNNING); /* its last word, not its first */
    assert_true(batch->first->instance->is_busy);
    assert_int_equal(rig_count_of(batch, MUTATION_INSTANCE_UPDATE), 0);
    rig_commit(rig);
}

/* ---- failures ---- */

static void a_failure_keeps_its_causes_up_to_the_limit(void **state)
{
    (void)state;
    struct failure chain[LIMIT_FAILURE_DEPTH + 2] = { 0 };
    for (int i = 0; i < LIMIT_FAILURE_DEPTH + 2; i++) {
        chain[i].type = TEXT("T");
        chain[i].message = i % 2 != 0 ? TEXT("m") : TEXT("");
        chain[i].cause = i < LIMIT_FAILURE_DEPTH + 1 ? &chain[i + 1] : NULL;
    }
    struct event event = { .kind = EVENT_TASK_FAILED, .failure = chain };
    struct shelf none = { 0 };
    struct waiting_event *copy = waiting_event_new(&none, &event);
    int depth = -1;
    for (const struct failure *f = copy->event.failure; f != NULL; f = f->cause) {
        depth++;
        assert_true(text_equal(f->message, chain[depth].message));
    }
    assert_int_equal(depth, LIMIT_FAILURE_DEPTH);
    mem_free(copy);
}

/* ---- the state machine ---- */

static void transitions_outside_the_table_do_not_exist(void **state)
{
    (void)state;
    enum instance_transition at;
    int legal = 0;
    for (int from = RUN_PENDING; from <= RUN_TERMINATED; from++) {
        for (int event = INSTANCE_STARTED; event <= INSTANCE_REPLACED; event++) {
            legal +=
                instance_transition_find((enum run_state)from, (enum instance_event)event, &at);
        }
    }
    assert_int_equal(legal, TRANSITION_COUNT);
    assert_false(instance_transition_find(RUN_PENDING, INSTANCE_COMPLETED, &at));
    assert_false(instance_transition_find(RUN_COMPLETED, INSTANCE_FAILED, &at));
    assert_true(instance_transition_find(RUN_RUNNING, INSTANCE_FAILED, &at));
    assert_int_equal(at, TRANSITION_RUNNING_FAILED);
}

/* Replaces one that has not ended. */
static void replace(struct rig *rig, const char *id)
{
    struct start_command command = { .id = text_of(id),
                                     .name = TEXT("approval"),
                                     .replaces = STATES_ALL };
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
}

/* Suspends it while the only turn there is is open, and ends that. */
static void end_suspended(struct rig *rig, const char *id)
{
    const struct turn *turn;
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_suspend(rig, id, NULL, NULL);
    rig_end_turn(rig, turn);
}

static void every_transition_is_taken(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "failed", "broken", NULL);
    rig_start(rig, "completed", "script", "new | end");
    rig_run(rig);
    rig_start(rig, "pending", "approval", NULL);
    rig_suspend(rig, "pending", NULL, NULL);
    rig_resume(rig, "pending", NULL);
    rig_terminate(rig, "pending", NULL, false);
    rig_start(rig, "running", "approval", NULL);
    rig_run(rig);
    rig_suspend(rig, "running", NULL, NULL);
    rig_resume(rig, "running", NULL);
    rig_terminate(rig, "running", NULL, false);
    rig_run(rig);
    rig_start(rig, "renewed", "script", "new");
    end_suspended(rig, "renewed");
    rig_terminate(rig, "renewed", NULL, false);
    rig_start(rig, "begun", "approval", NULL);
    end_suspended(rig, "begun");
    replace(rig, "begun");
    replace(rig, "begun");
    rig_run(rig);
    replace(rig, "begun");
    rig_run(rig);
    rig_start(rig, "held, completed", "script", "end");
    end_suspended(rig, "held, completed");
    rig_start(rig, "held, failed", "broken", NULL);
    end_suspended(rig, "held, failed");
    for (int i = 0; i < TRANSITION_COUNT; i++) {
        if (rig->core->transitions[i] == 0) {
            fail_msg("transition %d is not taken", i);
        }
    }
    assert_int_equal(core_counters(rig->core).endings, 7);
    rig_flush(rig);
}

/* ---- recovery ---- */

/* The history of HelloCities, without times. */
static void history_of(struct rig *rig, const char *id, struct buffer *out)
{
    size_t count;
    struct model_row *row = model_find(&rig->model, text_of(id));
    const struct event **events = model_history(&rig->model, row, &count);
    for (size_t i = 0; i < count; i++) {
        struct event event = *events[i];
        event.at = 0;
        show_event(out, &event);
        buffer_printf(out, "\n");
    }
    buffer_printf(out, "%s %.*s", show_state(row->record.state), TEXT_ARGS(row->record.output));
}

/* Runs it in single steps, losing memory after step `crash_at`; false: there are fewer steps. */
static bool hello_with_crash(struct rig *rig, int crash_at)
{
    struct instance *left;
    int at = 0;
    bool has_crashed = false;
    rig_start(rig, "a", "hello_cities", NULL);
    rig_cut(rig);
    rig_commit(rig); /* acknowledged */
    do {
        for (int step = 0; step < 5; step++, at++) {
            struct activity *activity;
            if (at == crash_at) {
                rig_crash(rig);
                has_crashed = true;
            }
            switch (step) {
            case 0: rig_run(rig); break;
            case 1: rig_cut(rig); break;
            case 2:
                if (rig->flight_count != 0) {
                    rig_commit(rig);
                }
                break;
            case 3:
                activity = rig_take_activity(rig);
                if (activity != NULL) {
                    rig_complete_activity(rig, activity, "1");
                }
                break;
            case 4: rig_cut(rig); break; /* the result goes through the inbox, or nothing does */
            default: break;
            }
        }
        left = rig_instance(rig, "a");
    } while (left != NULL && !run_state_is_final(instance_state(left)));
    rig_flush(rig);
    return has_crashed;
}

static void hello_cities_goes_on_from_any_point_at_which_memory_is_lost(void **state)
{
    struct rig *rig = *state;
    struct buffer expected = { 0 };
    hello_with_crash(rig, -1);
    history_of(rig, "a", &expected);
    int points = 0;
    for (bool has_crashed = true; has_crashed; points++) {
        struct rig again;
        struct buffer got = { 0 };
        rig_init(&again);
        has_crashed = hello_with_crash(&again, points);
        history_of(&again, "a", &got);
        assert_true(text_equal(buffer_text(&got), buffer_text(&expected)));
        buffer_done(&got);
        rig_done(&again);
    }
    assert_true(points > 25);
    buffer_done(&expected);
}

static void a_result_in_the_inbox_is_not_asked_for_again(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "fan_out", "2");
    rig_run(rig);
    rig_flush(rig);
    rig_complete(rig, "a", 0, NULL);
    rig_flush(rig);
    rig_crash(rig);
    rig_flush(rig);
    struct activity *left = rig_take_activity(rig);
    assert_int_equal(left->id, 1);
    activity_free(left);
    assert_null(rig_take_activity(rig));
    assert_false(rig_complete(rig, "a", 0, NULL));
}

static void events_of_an_unknown_kind_are_carried_along(void **state)
{
    (void)state;
    struct core_options options = { .partition_count = 1, .row_next = 2, .codec = &rig_codec };
    struct core *core = core_new(&options);
    struct instance_record record = {
        .row = 1,
        .id = TEXT("a"),
        .execution_id = TEXT("e"),
        .state = RUN_RUNNING,
        .is_busy = true,
    };
    char raw[] = "bytes of the future";
    struct event history[] = { { .kind = EVENT_UNKNOWN, .id = 3, .ref = 3, .at = 70 } };
    struct event inbox[] = { { .kind = EVENT_UNKNOWN,
                               .id = -1,
                               .ref = -1,
                               .at = 50,
                               .raw = text_make(raw, sizeof raw - 1) } };
    uint64_t arrivals[] = { 9 };
    const struct turn *turn;
    struct instance_image image = { .record = &record,
                                    .history = history,
                                    .history_count = 1,
                                    .turn_count = 1,
                                    .inbox = inbox,
                                    .arrivals = arrivals,
                                    .inbox_count = 1 };
    core_admit(core, &image, true);
    memset(raw, 'x', sizeof raw); /* what is kept is copied */
    assert_true(core_next_turn(core, 1, &turn));
    assert_int_equal(turn->events[0].at, 71);
    assert_true(text_equal(turn->events[1].raw, TEXT("bytes of the future")));
    core_end_turn(core, 1, turn, &(struct turn_result){ 0 });
    struct batch *batch = core_cut(core);
    assert_int_equal(rig_count_of(batch, MUTATION_INBOX_REMOVE), 1);
    batch_free(batch);
    core_free(core);
}

/* A runner may count steps in another way than a history that came from outside. */
static void a_result_that_asks_for_a_step_twice_is_not_taken(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    pd_error err;
    struct action twice[] = { { .kind = ACTION_CREATE_TIMER, .id = 0, .fire_at = 1 },
                              { .kind = ACTION_SCHEDULE_TASK, .id = 1, .name = TEXT("A") },
                              { .kind = ACTION_CANCEL, .id = 0 },
                              { .kind = ACTION_CREATE_TIMER, .id = 1, .fire_at = 1 } };
    struct turn_result result = { .actions = twice, .action_count = 4 };
    assert_int_equal(rig_start(rig, "a", "race", NULL), PD_OK);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_false(core_takes_result(rig->core, turn, &result));
    result.action_count = 2;
    assert_true(core_takes_result(rig->core, turn, &result));
    core_end_turn(rig->core, rig->now, turn, &result);
    assert_int_equal(core_raise(rig->core, rig->now, core_find(rig->core, TEXT("a")), TEXT("e"),
                                TEXT("1"), &err),
                     PD_OK);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    result.action_count = 1; /* 0 is open */
    assert_false(core_takes_result(rig->core, turn, &result));
    twice[0].id = 2;
    assert_true(core_takes_result(rig->core, turn, &result));
    core_postpone_turn(rig->core, turn);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_replaced_instance_is_known_by_its_row_until_that_is_durable),
        T(a_replaced_instance_stays_when_only_its_end_is_durable),
        T(a_start_of_a_living_id_is_refused_and_changes_nothing),
        T(a_payload_without_memory_is_refused_and_changes_nothing),
        T(rows_step_by_the_number_of_partitions),
        T(the_first_turn_begins_with_the_start),
        T(a_turn_takes_at_most_its_limit_of_events),
        T(a_turn_takes_no_more_events_when_it_has_bytes_enough),
        T(turns_come_in_the_order_instances_became_ready),
        T(a_postponed_turn_waits_for_the_past_to_be_durable),
        T(turns_are_the_same_memory_again),
        T(a_batch_owns_its_memory_and_does_not_change_after_the_cut),
        T(batches_are_numbered_from_one_and_there_is_none_without_changes),
        T(activities_alone_make_a_batch),
        T(the_mailbox_position_goes_with_the_batch),
        T(the_insert_comes_before_all_else_of_its_row),
        T(a_failure_keeps_its_causes_up_to_the_limit),
        T(transitions_outside_the_table_do_not_exist),
        T(every_transition_is_taken),
        T(hello_cities_goes_on_from_any_point_at_which_memory_is_lost),
        T(a_result_in_the_inbox_is_not_asked_for_again),
        T(a_result_that_asks_for_a_step_twice_is_not_taken),
        T(events_of_an_unknown_kind_are_carried_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
