/* SPDX-License-Identifier: MIT
 *
 * Holds (C9): suspended, waiting for its time, left by its worker.
 */
#include <string.h>

#include "base/memory.h"
#include "core/core_priv.h"
#include "rig.h"

static pd_status start_version(struct rig *rig, const char *id, const char *version)
{
    struct start_command command = {
        .id = text_of(id),
        .name = TEXT("approval"),
        .version = text_of(version),
    };
    return rig_start_as(rig, &command);
}

static pd_status start_later(struct rig *rig, const char *id, time_us at)
{
    struct start_command command = { .id = text_of(id), .name = TEXT("approval"), .starts_at = at };
    return rig_start_as(rig, &command);
}

/* ---- left ---- */

static void a_turn_left_is_not_offered_again_while_it_is_resident(void **state)
{
    struct rig *rig = *state;
    rig->leaves = "2";
    start_version(rig, "mine", "1");
    start_version(rig, "other", "2");
    assert_int_equal(rig_run(rig), 2);
    rig_raise(rig, "other", "go", NULL);
    assert_int_equal(rig_run(rig), 0);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "other")->state, RUN_PENDING);
    assert_true(rig_stored(rig, "other")->is_busy); /* so the next process loads it */
    assert_int_equal(model_find(&rig->model, TEXT("other"))->inbox_count, 2);

    rig->leaves = NULL;
    rig_crash(rig); /* another worker */
    assert_int_equal(rig_run(rig), 1);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "other")->state, RUN_COMPLETED);
}

static void one_that_was_left_can_be_evicted_and_terminated(void **state)
{
    struct rig *rig = *state;
    rig->leaves = "2";
    start_version(rig, "a", "2");
    rig_flush(rig);
    rig_run(rig); /* all of it is durable already */
    assert_int_equal(core_evict(rig->core, 0, 0), 1);
    start_version(rig, "b", "2");
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_terminate(rig, "b", "\"nobody runs it\"", false), PD_OK);
    assert_int_equal(rig_terminate(rig, "a", NULL, false), PD_OK);
    rig_flush(rig);
    assert_int_equal(core_resident_count(rig->core), 0);
}

/* ---- suspended ---- */

static void a_postponed_turn_of_one_that_is_suspended_waits_until_it_is_resumed(void **state)
{
    struct rig *rig = *state;
    rig->is_forgetful = true;
    rig_start(rig, "a", "hello_cities", NULL);
    rig_run(rig);
    rig_complete(rig, "a", 0, NULL);
    rig_run(rig); /* postponed: turn 1 is not durable */
    rig_suspend(rig, "a", NULL, NULL);
    rig_flush(rig);
    assert_int_equal(rig_run(rig), 0);
    rig_resume(rig, "a", NULL);
    assert_int_equal(rig_run(rig), 1);
    rig_flush(rig);
}

static void a_turn_given_back_after_the_instance_was_suspended_waits_too(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "approval", NULL);
    rig_flush(rig);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_suspend(rig, "a", NULL, NULL);
    rig_flush(rig);
    core_postpone_turn(rig->core, turn);
    assert_false(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(core_evict(rig->core, 0, 0), 1);
    rig_resume(rig, "a", NULL);
    assert_int_equal(instance_state(rig_instance(rig, "a")), RUN_PENDING);
    assert_int_equal(rig_run(rig), 1);
    rig_flush(rig);
}

/* In every record, because each one says all of it. */
static void a_quarantine_is_kept_until_it_is_resumed(void **state)
{
    struct rig *rig = *state;
    struct failure failure = { .type = TEXT("Quarantined"), .message = TEXT("by hand") };
    start_later(rig, "a", 9 * TIME_SECOND);
    rig_suspend(rig, "a", "\"why\"", &failure);
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "a")->failure, TEXT("Quarantined: by hand")));
    assert_false(rig_stored(rig, "a")->is_busy);
    assert_true(rig_can_evict(rig));
    rig->now = 10 * TIME_SECOND;
    assert_int_equal(rig_fire(rig), 1); /* is busy from now on */
    struct batch *batch = rig_cut(rig);
    assert_int_equal(rig_count_of(batch, MUTATION_INSTANCE_UPDATE), 1);
    rig_commit(rig);
    assert_true(rig_stored(rig, "a")->is_busy);
    assert_true(text_equal(rig_stored(rig, "a")->failure, TEXT("Quarantined: by hand")));
    rig_resume(rig, "a", NULL);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_PENDING);
    assert_false(text_is_present(rig_stored(rig, "a")->failure));
}

/* Its state is as it was in the store; what is seen beside it is not. */
static void another_quarantine_between_two_cuts_is_told(void **state)
{
    struct rig *rig = *state;
    struct failure first = { .type = TEXT("First"), .message = TEXT("1") };
    struct failure second = { .type = TEXT("Second"), .message = TEXT("2") };
    rig_start(rig, "a", "approval", NULL);
    rig_suspend(rig, "a", NULL, &first);
    rig_flush(rig);
    rig_resume(rig, "a", NULL);
    rig_suspend(rig, "a", NULL, &second);
    rig_suspend(rig, "a", NULL, &first); /* it is suspended already */
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "a")->failure, TEXT("Second: 2")));
}

static void orders_without_memory_are_refused_and_change_nothing(void **state)
{
    struct rig *rig = *state;
    pd_error err;
    rig_start(rig, "a", "approval", NULL);
    rig_start(rig, "b", "approval", NULL);
    rig_suspend(rig, "b", NULL, NULL);
    rig_flush(rig);
    struct instance *a = rig_instance(rig, "a");
    struct instance *b = rig_instance(rig, "b");
    core_trim(rig->core);
    mem_fail_at(1);
    assert_int_equal(core_suspend(rig->core, 1, a, TEXT_ABSENT, NULL, &err), PD_E_NOMEM);
    mem_fail_at(1);
    assert_int_equal(core_resume(rig->core, 1, b, TEXT_ABSENT, &err), PD_E_NOMEM);
    mem_fail_at(0);
    assert_false(core_has_changes(rig->core));
    assert_int_equal(instance_state(a), RUN_PENDING);
    assert_int_equal(instance_state(b), RUN_SUSPENDED);
}

static void an_open_turn_may_end_a_suspended_instance(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "broken", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_suspend(rig, "a", "\"too late\"", NULL);
    rig_end_turn(rig, turn);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_FAILED);
    assert_int_equal(rig_suspend(rig, "a", NULL, NULL), PD_E_STATE);
    assert_int_equal(rig_resume(rig, "a", NULL), PD_E_STATE);
}

/* ---- waiting for its time ---- */

static void a_start_waits_for_its_time_to_the_microsecond(void **state)
{
    struct rig *rig = *state;
    start_later(rig, "now", rig->now); /* not after now */
    start_later(rig, "later", rig->now + 1);
    assert_int_equal(rig_run(rig), 1);
    assert_int_equal(instance_state(rig_instance(rig, "now")), RUN_RUNNING);
    assert_int_equal(rig_fire(rig), 0);
    rig->now++;
    assert_int_equal(rig_fire(rig), 1);
    assert_int_equal(rig_run(rig), 1);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "later")->state, RUN_RUNNING);
}

static void a_start_that_waits_is_on_hold_again_when_it_comes_back(void **state)
{
    struct rig *rig = *state;
    start_later(rig, "a", 5 * TIME_SECOND);
    rig_raise(rig, "a", "early", NULL);
    rig_flush(rig);
    assert_false(rig_stored(rig, "a")->is_busy);
    assert_int_equal(core_asleep_count(rig->core), 1);
    assert_true(rig_can_evict(rig));
    struct instance *a = rig_instance(rig, "a");
    assert_int_equal(rig_run(rig), 0);
    assert_false(core_fire_timer(rig->core, 6 * TIME_SECOND, a, EVENT_NO_ID, 4 * TIME_SECOND));
    assert_true(core_fire_timer(rig->core, 6 * TIME_SECOND, a, EVENT_NO_ID, 5 * TIME_SECOND));
    assert_false(core_fire_timer(rig->core, 6 * TIME_SECOND, a, EVENT_NO_ID, 5 * TIME_SECOND));
    rig_flush(rig);
    assert_true(rig_stored(rig, "a")->is_busy);
    rig_crash(rig); /* its time has come: that is not forgotten */
    assert_int_equal(rig_run(rig), 1);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_COMPLETED);
}

static void the_first_turn_begins_later_than_it_was_to_though_the_clock_goes_back(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    start_later(rig, "a", 5 * TIME_SECOND);
    rig->now = 6 * TIME_SECOND;
    assert_int_equal(rig_fire(rig), 1);
    rig->now = 2 * TIME_SECOND;
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_true(turn->events[0].at > 5 * TIME_SECOND);
    rig_end_turn(rig, turn);
    rig_flush(rig);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_turn_left_is_not_offered_again_while_it_is_resident),
        T(one_that_was_left_can_be_evicted_and_terminated),
        T(a_postponed_turn_of_one_that_is_suspended_waits_until_it_is_resumed),
        T(a_turn_given_back_after_the_instance_was_suspended_waits_too),
        T(a_quarantine_is_kept_until_it_is_resumed),
        T(another_quarantine_between_two_cuts_is_told),
        T(orders_without_memory_are_refused_and_change_nothing),
        T(an_open_turn_may_end_a_suspended_instance),
        T(a_start_waits_for_its_time_to_the_microsecond),
        T(a_start_that_waits_is_on_hold_again_when_it_comes_back),
        T(the_first_turn_begins_later_than_it_was_to_though_the_clock_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
