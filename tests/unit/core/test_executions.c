/* SPDX-License-Identifier: MIT
 *
 * How executions end and others begin: continue as new, terminate, replace, purge; and turns that
 * are void because of it.
 */
#include <string.h>

#include "base/tags.h"
#include "core/core_priv.h"
#include "rig.h"

static void end_with(struct rig *rig, const struct turn *turn, const struct action *action)
{
    core_end_turn(rig->core, rig->now, turn,
                  &(struct turn_result){ .actions = action, .action_count = 1 });
}

/* ---- continue as new ---- */

static void a_new_execution_has_an_id_of_its_own_from_the_seed(void **state)
{
    struct rig *rig = *state;
    char first[33] = { 0 };
    rig_start(rig, "a", "rounds", "2");
    rig_run(rig);
    rig_complete(rig, "a", 0, NULL);
    rig_run(rig);
    rig_flush(rig);
    struct text id = rig_stored(rig, "a")->execution_id;
    assert_int_equal(id.size, 32);
    assert_int_equal(strspn(id.at, "0123456789abcdef"), 32);
    memcpy(first, id.at, 32);
    rig_complete(rig, "a", 0, NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->execution_id.size, 32);
    assert_false(text_equal(rig_stored(rig, "a")->execution_id, text_of(first)));

    struct core_options options = { .partition_count = 1, .row_next = 1, .codec = &rig_codec };
    struct start_command command = { .id = TEXT("x"), .name = TEXT("approval") };
    pd_error err;
    struct text ids[3];
    struct core *cores[3];
    for (int i = 0; i < 3; i++) {
        options.seed = i == 2 ? 8 : 7;
        cores[i] = core_new(&options);
        assert_int_equal(core_start(cores[i], 1, &command, &err), PD_OK);
        ids[i] = core_find(cores[i], TEXT("x"))->execution_id;
    }
    assert_true(text_equal(ids[0], ids[1]));
    assert_false(text_equal(ids[0], ids[2]));
    for (int i = 0; i < 3; i++) {
        core_free(cores[i]);
    }
}

/* Its first turn, and so on: version by version. */
static void a_new_execution_keeps_what_it_is_told_nothing_of(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    struct event_extra extra = { .tags = TEXT("\x1e"
                                              "k\x1f"
                                              "v\x1e") };
    struct start_command command = { .id = TEXT("a"),
                                     .execution_id = TEXT("e"),
                                     .name = TEXT("approval"),
                                     .version = TEXT("1.0"),
                                     .extra = &extra };
    struct text versions[] = { TEXT_ABSENT, TEXT("a longer version"), TEXT_ABSENT };
    struct text expected[] = { TEXT("1.0"), TEXT("a longer version"), TEXT("a longer version") };
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
    for (int i = 0; i < 3; i++) {
        struct action action = { .kind = ACTION_CONTINUE_AS_NEW,
                                 .version = versions[i],
                                 .payload = TEXT("7") };
        assert_true(core_next_turn(rig->core, rig->now, &turn));
        assert_int_equal(turn->number, 1);
        assert_true(text_equal(turn->events[1].execution_id, turn->execution_id));
        end_with(rig, turn, &action);
        rig_flush(rig);
        const struct instance_record *record = rig_stored(rig, "a");
        assert_true(text_equal(record->version, expected[i]));
        assert_true(text_equal(record->input, TEXT("7")));
        assert_int_equal(record->state, RUN_RUNNING);
        assert_int_equal(record->created_at, TIME_MS);
        if (i == 1) {
            rig_crash(rig);
        }
    }
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    const struct event *started = &turn->events[1];
    assert_true(text_equal(started->name, TEXT("approval")));
    assert_true(text_equal(started->version, TEXT("a longer version")));
    assert_true(text_equal(started->extra->tags, extra.tags));
    assert_true(text_equal(started->instance_id, TEXT("a")));
    assert_true(started->fire_at == 0 && turn->is_past_durable);
    end_with(rig, turn, &(struct action){ .kind = ACTION_MARK_CHANGE, .name = TEXT("x") });
    rig_flush(rig);
}

/* Else it would be stored with the time it had in another execution. */
static void an_event_that_is_kept_loses_the_bytes_it_was_read_from(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    struct event kept = { .kind = EVENT_EVENT_RAISED,
                          .id = EVENT_NO_ID,
                          .ref = EVENT_NO_ID,
                          .at = 1,
                          .name = TEXT("kept"),
                          .raw = TEXT("old") };
    struct action action = { .kind = ACTION_CONTINUE_AS_NEW, .kept = &kept, .kept_count = 1 };
    rig_start(rig, "a", "approval", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_raise(rig, "a", "late", NULL);
    rig_instance(rig, "a")->events.last->event.raw = TEXT("older");
    end_with(rig, turn, &action);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->event_count, 4);
    for (size_t i = 2; i < 4; i++) {
        assert_true(turn->events[i].at > turn->events[i - 1].at);
        assert_false(text_is_present(turn->events[i].raw));
    }
    assert_true(text_equal(turn->events[2].name, TEXT("kept")));
    assert_true(text_equal(turn->events[3].name, TEXT("late")));
    rig_end_turn(rig, turn);
    rig_flush(rig);
}

/* The first execution had a timer and an activity of the same numbers; their ends come late. */
static void what_comes_for_the_execution_before_is_dropped(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "script", "task timer:60 | new | task timer:90 | end");
    rig_run(rig);
    rig_flush(rig);
    struct activity *activity = rig_take_activity(rig);
    struct instance *a = rig_instance(rig, "a");
    struct step timer;
    assert_true(steps_find(&a->steps, 1, STEP_TIMER, &timer));
    time_us due = timer.due;
    rig_raise(rig, "a", "go", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_true(rig_complete(rig, "a", 0, NULL)); /* accepted, and lost with its execution */
    rig_end_turn(rig, turn);
    rig_run(rig);
    assert_int_equal(core_counters(rig->core).dropped_events, 1);
    rig_flush(rig);

    assert_false(rig_complete_activity(rig, activity, "1"));
    assert_false(core_fire_timer(rig->core, due, a, 1, due));
    rig->now = due;
    assert_int_equal(rig_fire(rig), 0);
    assert_int_equal(core_counters(rig->core).dropped_completions, 2); /* not even tried */
    assert_int_equal(rig->model.timer_count, 1);                       /* the new one's */
    rig->now += 90 * TIME_SECOND;
    assert_int_equal(rig_fire(rig), 1);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_COMPLETED);
}

/* The cancellation is of the old execution's, which has the same row and step. */
static void
an_activity_of_the_new_execution_is_begun_though_the_old_ones_was_cancelled(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "task | task new | task");
    rig_run(rig);
    rig_flush(rig);
    activity_free(rig_take_activity(rig));
    rig_raise(rig, "a", "go", NULL);
    rig_run(rig);
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->cancellations->id, EVENT_NO_ID);
    assert_null(batch->cancellations->next);
    assert_int_equal(batch->activity_count, 1); /* not that of the turn that continued as new */
    rig_commit(rig);
    struct activity *activity = rig_take_activity(rig);
    assert_int_equal(activity->id, 0);
    assert_int_equal(activity->epoch, rig->epoch);
    assert_true(text_equal(activity->execution_id, rig_stored(rig, "a")->execution_id));
    assert_true(rig_complete_activity(rig, activity, "1"));
}

static void one_that_began_anew_is_running_when_it_is_resumed_after_a_loss(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "new | end");
    const struct turn *turn;
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_end_turn(rig, turn);
    rig_suspend(rig, "a", NULL, NULL);
    rig_flush(rig);
    rig_crash(rig);
    rig_resume(rig, "a", NULL);
    assert_int_equal(instance_state(rig_instance(rig, "a")), RUN_RUNNING);
    rig_run(rig);
    rig_flush(rig);
}

/* ---- void turns ---- */

/* Whoever runs it reads what it was given until he gives it back. */
static void a_turn_that_is_void_can_be_read_until_it_is_given_back(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "approval", "\"the input\"");
    rig_flush(rig);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_raise(rig, "a", "late", NULL);
    rig_terminate(rig, "a", "1", false);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_TERMINATED);
    assert_non_null(core_find_row(rig->core, 1));
    assert_true(text_equal(turn->events[1].payload, TEXT("\"the input\"")));
    assert_true(text_equal(turn->instance_id, TEXT("a")));
    rig_end_turn(rig, turn);
    assert_null(core_find_row(rig->core, 1));
    assert_false(core_has_changes(rig->core));
    assert_int_equal(core_counters(rig->core).dropped_events, 1);
    assert_int_equal(core_counters(rig->core).turns, 0);
}

static void a_void_turn_may_come_back_in_any_way_and_at_any_time(void **state)
{
    struct rig *rig = *state;
    const struct turn *turns[4];
    static const char *const ids[] = { "a", "b", "c", "d" };
    for (int i = 0; i < 4; i++) {
        rig_start(rig, ids[i], "hello_cities", NULL);
        assert_true(core_next_turn(rig->core, rig->now, &turns[i]));
        if (i % 2 == 0) {
            rig_terminate(rig, ids[i], NULL, false);
        } else {
            struct start_command command = { .id = text_of(ids[i]),
                                             .name = TEXT("broken"),
                                             .replaces = STATES_ALL };
            assert_int_equal(rig_start_as(rig, &command), PD_OK);
        }
        rig_run(rig);
    }
    core_leave_turn(rig->core, turns[0]); /* before the cut */
    rig_cut(rig);
    core_postpone_turn(rig->core, turns[1]); /* between cut and commit */
    rig_flush(rig);
    rig_end_turn(rig, turns[2]); /* after it */
    assert_int_equal(core_resident_count(rig->core), 1);
    assert_int_equal(rig_purge(rig, "c"), PD_OK);
    rig_flush(rig);
    /* The fourth never comes back: that loses no memory. */
}

static void an_instance_can_be_purged_under_a_void_turn(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "hello_cities", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_terminate(rig, "a", NULL, false);
    assert_int_equal(rig_purge(rig, "a"), PD_OK);
    rig_flush(rig);
    assert_null(model_find_row(&rig->model, 1));
    assert_non_null(core_find_row(rig->core, 1));
    assert_null(core_find(rig->core, TEXT("a")));
    rig_end_turn(rig, turn);
    assert_null(core_find_row(rig->core, 1));
}

/* ---- replacing and purging ---- */

static void a_start_replaces_in_the_states_that_it_names_only(void **state)
{
    struct rig *rig = *state;
    struct start_command command = { .id = TEXT("a"), .name = TEXT("approval") };
    static const char *const ids[] = { "pending",   "running", "suspended",
                                       "completed", "failed",  "terminated" };
    for (int i = RUN_PENDING; i <= RUN_TERMINATED; i++) {
        rig_start(rig, ids[i], i == RUN_FAILED ? "broken" : "approval", NULL);
    }
    rig_raise(rig, "completed", "go", NULL);
    rig_run(rig);
    rig_start(rig, "pending", "approval", NULL);
    rig_suspend(rig, "suspended", NULL, NULL);
    rig_terminate(rig, "terminated", NULL, false);
    rig_terminate(rig, "pending", NULL, false);
    rig_start(rig, "pending", "approval", NULL); /* has had no turn */
    rig_flush(rig);
    for (int i = RUN_PENDING; i <= RUN_TERMINATED; i++) {
        assert_int_equal(rig_stored(rig, ids[i])->state, i);
        command.id = text_of(ids[i]);
        command.replaces = STATES_ALL & ~(1u << i);
        assert_int_equal(rig_start_as(rig, &command), PD_E_EXISTS);
        assert_false(core_has_changes(rig->core));
        command.replaces = 1u << i;
        assert_int_equal(rig_start_as(rig, &command), PD_OK);
        rig_flush(rig);
    }
}

static void one_that_was_replaced_while_it_ran_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "task:1 timer:60 child:kid:approval");
    rig_run(rig);
    rig_flush(rig);
    rig_progress(rig, "a", 0, "2");
    rig_raise(rig, "a", "recorded", NULL);
    rig_flush(rig);
    struct start_command command = { .id = TEXT("a"),
                                     .name = TEXT("approval"),
                                     .replaces = 1u << RUN_RUNNING };
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
    assert_null(core_next_letter(rig->core)); /* its child hears nothing */
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->cancellations->row, 1);
    assert_null(batch->endings);
    rig_commit(rig);
    assert_int_equal(rig->model.timer_count, 0);
    assert_null(core_find_row(rig->core, 1));
    assert_false(rig_complete_activity(rig, rig_take_activity(rig), "1"));
}

static void a_purged_row_is_known_until_that_is_durable(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "broken", NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_purge(rig, "a"), PD_OK); /* it is not resident */
    assert_non_null(core_find_row(rig->core, 1));
    assert_true(run_state_is_final(instance_state(core_find_row(rig->core, 1))));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->mutation_count, 1);
    assert_int_equal(batch->first->kind, MUTATION_INSTANCE_DELETE);
    assert_int_equal(rig_purge(rig, "a"), PD_E_NOT_FOUND); /* though the store still has it */
    rig_commit(rig);
    assert_null(core_find_row(rig->core, 1));
}

/* ---- progress, custom status ---- */

static void progress_of_what_is_not_open_is_refused(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "task timer:9");
    rig_run(rig);
    rig_flush(rig);
    struct instance *a = rig_instance(rig, "a");
    assert_false(core_note_progress(rig->core, a, TEXT("other"), 0, TEXT("1")));
    assert_false(core_note_progress(rig->core, a, a->execution_id, 1, TEXT("1")));
    assert_false(core_has_changes(rig->core));
    assert_true(core_note_progress(rig->core, a, a->execution_id, 0, TEXT_ABSENT));
    assert_false(core_has_changes(rig->core)); /* it lives: that is all it said */
    assert_true(core_note_progress(rig->core, a, a->execution_id, 0, TEXT("1")));
    assert_true(core_note_progress(rig->core, a, a->execution_id, 0, TEXT("")));
    rig_flush(rig);
    assert_int_equal(model_find(&rig->model, TEXT("a"))->progress_count, 1);
    assert_true(text_equal(model_find(&rig->model, TEXT("a"))->progress[0].bytes, TEXT("")));
}

/* Else one that was evicted in between would come back without it. */
static void an_instance_stays_until_the_progress_of_its_activities_is_durable(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "task");
    rig_run(rig);
    rig_flush(rig);
    rig_progress(rig, "a", 0, "5");
    assert_false(rig_can_evict(rig));
    rig_flush(rig);
    assert_true(rig_can_evict(rig));
    assert_true(rig_fail(rig, "a", 0, "T", "m"));
    const struct event *failed = &rig_instance(rig, "a")->events.first->event;
    assert_true(text_equal(failed->extra->progress, TEXT("5")));
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(model_find(&rig->model, TEXT("a"))->progress_count, 0);
}

static void an_activity_has_the_limits_and_tags_it_was_asked_for_with(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "task:7 | task");
    rig_run(rig);
    rig_flush(rig);
    for (int i = 0; i < 2; i++) { /* and again after a loss of memory */
        struct activity *activity = rig_take_activity(rig);
        struct text value;
        assert_int_equal(activity_limits(activity).start_ms, 1);
        assert_int_equal(activity_limits(activity).run_ms, 2);
        assert_int_equal(activity_limits(activity).beat_ms, 3);
        assert_true(tags_find(activity_tags(activity), TEXT("kind"), &value));
        assert_true(text_equal(value, TEXT("task")));
        assert_true(text_equal(activity_progress(activity), TEXT("7")));
        activity_free(activity);
        rig_crash(rig);
        rig_flush(rig);
    }
    rig_complete(rig, "a", 0, NULL);
    rig_run(rig);
    rig_flush(rig);
    struct activity *plain = NULL;
    for (struct activity *next; (next = rig_take_activity(rig)) != NULL; plain = next) {
        activity_free(plain);
    }
    assert_null(plain->extra);
    assert_true(!text_is_present(activity_tags(plain)) &&
                !text_is_present(activity_progress(plain)));
    assert_int_equal(activity_limits(plain).run_ms, 0);
    activity_free(plain);
}

static void an_empty_custom_status_takes_it_away_and_an_absent_one_leaves_it(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "status:1 | | status: | new | end");
    rig_run(rig);
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "a")->custom_status, TEXT("1")));
    rig_raise(rig, "a", "x", NULL);
    rig_run(rig);
    assert_int_equal(rig_count_of(rig_cut(rig), MUTATION_STATUS_SET), 0);
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "a")->custom_status, TEXT("1")));
    rig_raise(rig, "a", "x", NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_false(text_is_present(rig_stored(rig, "a")->custom_status));
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_new_execution_has_an_id_of_its_own_from_the_seed),
        T(a_new_execution_keeps_what_it_is_told_nothing_of),
        T(an_event_that_is_kept_loses_the_bytes_it_was_read_from),
        T(what_comes_for_the_execution_before_is_dropped),
        T(an_activity_of_the_new_execution_is_begun_though_the_old_ones_was_cancelled),
        T(one_that_began_anew_is_running_when_it_is_resumed_after_a_loss),
        T(a_turn_that_is_void_can_be_read_until_it_is_given_back),
        T(a_void_turn_may_come_back_in_any_way_and_at_any_time),
        T(an_instance_can_be_purged_under_a_void_turn),
        T(a_start_replaces_in_the_states_that_it_names_only),
        T(one_that_was_replaced_while_it_ran_leaves_nothing),
        T(a_purged_row_is_known_until_that_is_durable),
        T(progress_of_what_is_not_open_is_refused),
        T(an_instance_stays_until_the_progress_of_its_activities_is_durable),
        T(an_activity_has_the_limits_and_tags_it_was_asked_for_with),
        T(an_empty_custom_status_takes_it_away_and_an_absent_one_leaves_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
