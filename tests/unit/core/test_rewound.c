/* SPDX-License-Identifier: MIT
 *
 * Instances that go on in their rows after they have failed, and children that report again. How
 * histories are cut for that is test_rewrite.c, how it looks from outside the stories
 * core_rewind_*.
 */
#include "core/core_priv.h"
#include "rig.h"

/* ---- rewound in its row ---- */

/* A fan of two, one of which failed. */
static void let_fail(struct rig *rig, const char *id)
{
    assert_int_equal(rig_start(rig, id, "strict", "2"), PD_OK);
    rig_run(rig);
    rig_flush(rig);
    assert_true(rig_complete(rig, id, 0, "0"));
    rig_run(rig);
    assert_true(rig_fail(rig, id, 1, "Down", "no answer"));
    rig_run(rig);
}

static void a_rewound_instance_keeps_its_row_and_execution_and_completes(void **state)
{
    struct rig *rig = *state;
    let_fail(rig, "a");
    rig_flush(rig);
    assert_int_equal(rig_rewind(rig, TEXT("a"), "\"why\""), PD_OK);
    rig_run(rig); /* its past is not durable: postponed */
    assert_true(core_find(rig->core, TEXT("a"))->is_postponed);
    rig_flush(rig);
    rig_run(rig);
    assert_true(rig_complete(rig, "a", 1, "1"));
    rig_run(rig);
    rig_flush(rig);
    const struct instance_record *record = rig_stored(rig, "a");
    assert_int_equal(record->row, 1);
    assert_true(text_equal(record->execution_id, TEXT("e1")));
    assert_int_equal(record->state, RUN_COMPLETED);
    assert_true(text_equal(record->output, TEXT("[2,0,0,0]")));
}

/* The store has the end, and core has not heard that it does. */
static void one_whose_end_is_in_flight_still_is_rewound_in_its_place(void **state)
{
    struct rig *rig = *state;
    let_fail(rig, "a");
    struct batch *batch = rig_cut(rig);
    model_apply(&rig->model, batch);
    struct instance *former = core_find(rig->core, TEXT("a"));
    assert_int_equal(instance_state(former), RUN_FAILED);
    assert_int_equal(rig_rewind(rig, TEXT("a"), NULL), PD_OK);
    assert_int_equal(instance_state(core_find(rig->core, TEXT("a"))), RUN_RUNNING);
    assert_int_equal(core_resident_count(rig->core), 1);
    core_committed(rig->core, batch);
    batch_free(batch);
    rig->flight_count = 0;
    rig_flush(rig);
    rig_run(rig);
    assert_true(rig_complete(rig, "a", 1, "1"));
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_COMPLETED);
    assert_int_equal(core_resident_count(rig->core), 0);
}

/* An inbox that was used before has had numbers; one that is used again goes on behind them. */
static void numbers_in_the_inbox_go_on_while_the_former_one_is_known(void **state)
{
    struct rig *rig = *state;
    let_fail(rig, "a");
    core_find(rig->core, TEXT("a"))->arrival_last = 41;
    struct batch *batch = rig_cut(rig);
    model_apply(&rig->model, batch);
    assert_int_equal(rig_rewind(rig, TEXT("a"), NULL), PD_OK);
    struct batch *next = core_cut(rig->core);
    assert_int_equal(rig_mutation(next, MUTATION_INBOX_PUT)->number, 42);
    core_committed(rig->core, batch);
    core_committed(rig->core, next);
    batch_free(batch);
    batch_free(next);
    rig->flight_count = 0;
}

static void one_that_is_rewound_to_its_start_survives_a_crash(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_start(rig, "a", "broken", NULL), PD_OK);
    rig_run(rig);
    rig_flush(rig);
    rig->now = 2 * TIME_MS;
    assert_int_equal(rig_rewind(rig, TEXT("a"), NULL), PD_OK);
    assert_int_equal(rig_suspend(rig, "a", NULL, NULL), PD_OK);
    rig_flush(rig);
    rig_crash(rig);
    assert_int_equal(rig_resume(rig, "a", NULL), PD_OK);
    assert_int_equal(instance_state(rig_instance(rig, "a")), RUN_RUNNING); /* it had begun */
    assert_int_equal(rig_run(rig), 1);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_FAILED);
}

/* Its start may have waited for a time that the clock has not reached again. */
static void one_that_is_rewound_does_not_wait_for_its_time_again(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    struct start_command command = {
        .id = TEXT("a"), .execution_id = TEXT("e"), .name = TEXT("broken"), .starts_at = 5 * TIME_MS
    };
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
    rig_flush(rig);
    rig->now = 5 * TIME_MS;
    assert_int_equal(rig_fire(rig), 1);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_FAILED);
    rig->now = 3 * TIME_MS; /* set back */
    assert_int_equal(rig_rewind(rig, TEXT("a"), NULL), PD_OK);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    core_postpone_turn(rig->core, turn);
    rig_flush(rig);
    rig_crash(rig);
    assert_int_equal(rig_run(rig), 1);
}

static void progress_of_before_is_not_carried_over(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_start(rig, "a", "hasty", "2"), PD_OK);
    rig_run(rig);
    assert_true(rig_progress(rig, "a", 0, "\"far\""));
    rig_flush(rig);
    assert_true(rig_fail(rig, "a", 1, "Down", "no answer"));
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_rewind(rig, TEXT("a"), NULL), PD_OK);
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->activity_count, 2);
    assert_false(text_is_present(activity_progress(rig_activity(batch, 0))));
    rig_commit(rig);
    assert_int_equal(model_find(&rig->model, TEXT("a"))->progress_count, 0);
}

/* The former attempt may be running still: its result is as good as the new one's, once. */
static void a_late_result_of_before_counts_once(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_start(rig, "a", "hasty", "2"), PD_OK);
    rig_run(rig);
    rig_flush(rig);
    struct activity *former = rig_take_activity(rig);
    assert_int_equal(former->id, 0);
    assert_true(rig_fail(rig, "a", 1, "Down", "no answer"));
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_rewind(rig, TEXT("a"), NULL), PD_OK);
    assert_true(rig_complete_activity(rig, former, "0"));
    struct batch *batch = rig_cut(rig); /* it need not be run then */
    assert_int_equal(batch->activity_count, 1);
    assert_int_equal(rig_activity(batch, 0)->id, 1);
    assert_false(rig_complete(rig, "a", 0, "00"));
}

static void a_timer_that_was_due_while_it_had_failed_fires_once(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_start(rig, "a", "script", "task timer:1|fail:Bug"), PD_OK);
    rig_run(rig);
    rig_flush(rig);
    assert_true(rig_complete(rig, "a", 0, "0"));
    rig_run(rig);
    rig_flush(rig);
    rig->now = 10 * TIME_SECOND;
    assert_int_equal(rig_rewind(rig, TEXT("a"), NULL), PD_OK);
    /* It is in the window twice now: as it was set at first, and again. */
    assert_int_equal(rig_fire(rig), 1);
    rig_flush(rig);
    assert_int_equal(rig_fire(rig), 0);
    assert_int_equal(rig->model.timer_count, 0);
}

/* ---- the end of a child, told again ---- */

static void a_child_reports_how_it_ended(void **state)
{
    struct rig *rig = *state;
    struct failure failure = { .type = TEXT("Down"), .message = TEXT("no answer") };
    struct instance_record child = {
        .id = TEXT("kid"),
        .state = RUN_COMPLETED,
        .output = TEXT("5"),
        .parent_id = TEXT("parent"),
        .parent_execution_id = TEXT("p"),
        .parent_step = 3,
    };
    core_report_child(rig->core, 9, &child, NULL);
    const struct letter *letter = core_next_letter(rig->core);
    assert_int_equal(letter->kind, MESSAGE_CHILD_ENDED);
    assert_true(text_equal(letter->instance_id, TEXT("parent")));
    assert_true(text_equal(letter->execution_id, TEXT("p")));
    assert_int_equal(letter->event->kind, EVENT_CHILD_COMPLETED);
    assert_int_equal(letter->event->ref, 3);
    assert_true(text_equal(letter->event->payload, TEXT("5")));

    child.state = RUN_FAILED;
    core_report_child(rig->core, 9, &child, &failure);
    letter = core_next_letter(rig->core);
    assert_int_equal(letter->event->kind, EVENT_CHILD_FAILED);
    assert_true(text_equal(letter->event->failure->type, TEXT("Down")));

    child.state = RUN_TERMINATED;
    child.output = TEXT("\"enough\"");
    core_report_child(rig->core, 9, &child, NULL);
    letter = core_next_letter(rig->core);
    assert_int_equal(letter->event->kind, EVENT_CHILD_FAILED);
    assert_true(text_equal(letter->event->failure->type, TEXT("OrchestrationTerminated")));

    child.parent_id = TEXT_ABSENT;
    core_report_child(rig->core, 9, &child, NULL);
    assert_null(core_next_letter(rig->core));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rewound_instance_keeps_its_row_and_execution_and_completes),
        TEST(one_whose_end_is_in_flight_still_is_rewound_in_its_place),
        TEST(numbers_in_the_inbox_go_on_while_the_former_one_is_known),
        TEST(one_that_is_rewound_to_its_start_survives_a_crash),
        TEST(one_that_is_rewound_does_not_wait_for_its_time_again),
        TEST(progress_of_before_is_not_carried_over),
        TEST(a_late_result_of_before_counts_once),
        TEST(a_timer_that_was_due_while_it_had_failed_fires_once),
        TEST(a_child_reports_how_it_ended),
    };
    return cmocka_run_group_tests_name("rewound", tests, NULL, NULL);
}
