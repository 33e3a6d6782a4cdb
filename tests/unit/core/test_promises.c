/* SPDX-License-Identifier: MIT
 *
 * The promises C1 to C7 of core.h, one or more tests each, named after what is proven.
 */
#include "base/limits.h"
#include "core/core_priv.h"
#include "rig.h"

/* ---- C1, C2 ---- */

static void an_instance_stays_while_anything_of_it_is_not_durable(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "forever", NULL);
    assert_false(rig_can_evict(rig)); /* an event that no batch has recorded */
    rig_cut(rig);
    assert_false(rig_can_evict(rig)); /* a batch that is not committed */
    rig_commit(rig);
    assert_false(rig_can_evict(rig)); /* durable, but it waits for a turn */
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_false(rig_can_evict(rig)); /* an open turn */
    rig_end_turn(rig, turn);
    assert_false(rig_can_evict(rig)); /* history in the open batch */
    rig_cut(rig);
    rig_raise(rig, "a", "x", NULL);
    rig_run(rig);
    rig_cut(rig);
    rig_commit(rig);
    assert_false(rig_can_evict(rig)); /* the first batch is durable, the second is not */
    rig_commit(rig);
    assert_true(rig_can_evict(rig));
    assert_null(core_find(rig->core, TEXT("a")));
}

static void those_that_only_sleep_go_before_those_that_wait_for_an_activity(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "busy", "hello_cities", NULL);
    rig_start(rig, "asleep", "approval", NULL);
    rig_start(rig, "asleep too", "approval", NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(core_asleep_count(rig->core), 2);
    assert_int_equal(core_evict(rig->core, 3, 1), 1);
    assert_null(core_find(rig->core, TEXT("asleep")));
    assert_int_equal(core_evict(rig->core, 1, 1), 1);
    assert_non_null(core_find(rig->core, TEXT("busy")));
    assert_int_equal(core_asleep_count(rig->core), 0);
}

static void eviction_lets_the_longest_unused_go_first(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "forever", NULL);
    rig_start(rig, "b", "forever", NULL);
    rig_start(rig, "c", "forever", NULL);
    rig_run(rig);
    rig_flush(rig);
    rig_raise(rig, "a", "x", NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(core_evict(rig->core, 2, 3), 1);
    assert_null(core_find_row(rig->core, 2));
    assert_int_equal(core_evict(rig->core, 1, 3), 1);
    assert_null(core_find_row(rig->core, 3));
    assert_int_equal(core_resident_count(rig->core), 1);
    assert_non_null(core_find_row(rig->core, 1));
}

static void an_ended_instance_leaves_when_its_end_is_durable(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "broken", NULL);
    rig_run(rig);
    rig_cut(rig);
    assert_int_equal(instance_state(core_find(rig->core, TEXT("a"))), RUN_FAILED);
    pd_error err;
    assert_int_equal(core_raise(rig->core, rig->now, core_find(rig->core, TEXT("a")), TEXT("x"),
                                TEXT_ABSENT, &err),
                     PD_E_STATE);
    rig_commit(rig);
    assert_null(core_find(rig->core, TEXT("a")));
    assert_int_equal(rig_stored(rig, "a")->state, RUN_FAILED);
    assert_true(text_equal(rig_stored(rig, "a")->failure, TEXT("Broken: as ever <- Disk: full")));
    assert_false(text_is_present(rig_stored(rig, "a")->output));
    assert_true(rig_stored(rig, "a")->ended_at != 0);
}

static void what_is_evicted_goes_on_where_it_was(void **state)
{
    struct rig *rig = *state;
    rig->is_forgetful = true;
    rig_start(rig, "a", "hello_cities", NULL);
    for (int i = 0; i < 5; i++) {
        rig_run(rig);
        rig_flush(rig);
        assert_true(rig_can_evict(rig));
        assert_true(rig_complete(rig, "a", i, "1"));
    }
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_COMPLETED);
    assert_int_equal(rig->model.inbox_puts, 0);
}

/* ---- C3 ---- */

static void a_step_completes_once_and_only_when_it_is_open(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "race", NULL);             /* step 0 an activity, step 1 a timer */
    assert_false(rig_complete(rig, "a", 0, NULL)); /* not asked for yet */
    rig_run(rig);
    struct instance *a = core_find(rig->core, TEXT("a"));
    struct activity_result result = { 0 };
    assert_false(core_complete_activity(rig->core, 5, a, TEXT("other"), 0, &result));
    assert_false(rig_complete(rig, "a", 1, NULL)); /* of the other kind */
    assert_false(rig_fire_step(rig, a, 0));
    assert_true(rig_complete(rig, "a", 0, NULL));
    assert_false(rig_complete(rig, "a", 0, NULL));
    assert_true(rig_fire_step(rig, a, 1));
    assert_false(rig_fire_step(rig, a, 1));
    rig_run(rig);
    assert_false(rig_complete(rig, "a", 0, NULL)); /* it has ended */
    assert_int_equal(core_counters(rig->core).dropped_completions, 7);
}

/* ---- C4 ---- */

static void busy_holds_for_open_activities_and_waiting_events_and_nothing_else(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "waits", "approval", NULL);
    rig_start(rig, "sleeps", "sleepers", "2");
    rig_start(rig, "works", "fan_out", "2");
    rig_flush(rig);
    assert_true(rig_stored(rig, "waits")->is_busy); /* its start waits */
    rig_run(rig);
    rig_flush(rig);
    assert_false(rig_stored(rig, "waits")->is_busy);
    assert_false(rig_stored(rig, "sleeps")->is_busy);
    assert_true(rig_stored(rig, "works")->is_busy);
    rig_complete(rig, "works", 1, NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_true(rig_stored(rig, "works")->is_busy);
    rig_raise(rig, "waits", "x", NULL);
    rig_flush(rig);
    assert_true(rig_stored(rig, "waits")->is_busy);
    rig_complete(rig, "works", 0, NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_false(rig_stored(rig, "waits")->is_busy);
    assert_false(rig_stored(rig, "works")->is_busy);
}

static void an_open_turn_keeps_it_busy_though_its_events_are_in_memory(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "approval", NULL);
    rig_run(rig);
    rig_flush(rig);
    rig_raise(rig, "a", "x", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_flush(rig);
    assert_true(rig_stored(rig, "a")->is_busy);
    assert_int_equal(model_find(&rig->model, TEXT("a"))->inbox_count, 1);
    rig_end_turn(rig, turn);
    rig_flush(rig);
    assert_false(rig_stored(rig, "a")->is_busy);
}

static void an_update_is_written_only_when_state_or_busy_change(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "hello_cities", NULL);
    for (int i = 0; i < 5; i++) {
        rig_run(rig);
        rig_flush(rig);
        rig_complete(rig, "a", i, NULL);
    }
    assert_int_equal(rig->model.updates, 0);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig->model.updates, 1);
}

static void one_that_works_is_updated_once_a_second_and_no_more(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "hello_cities", NULL);
    rig_run(rig);
    rig_flush(rig);
    time_us shown = rig->now;
    static const struct {
        int64_t passes;
        size_t updates;
    } rows[] = { { TIME_SECOND / 2, 0 }, { TIME_SECOND, 1 }, { TIME_SECOND / 2, 1 }, { 0, 1 } };
    for (int i = 0; i < 4; i++) {
        rig->now += rows[i].passes;
        rig_complete(rig, "a", i, NULL);
        rig_run(rig);
        rig_flush(rig);
        assert_int_equal(rig->model.updates, rows[i].updates);
    }
    assert_true(model_find(&rig->model, TEXT("a"))->record.updated_at > shown + TIME_SECOND);
}

/* ---- C5 ---- */

static void an_event_consumed_before_the_cut_is_written_once(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "fan_out", "2");
    rig_run(rig);
    rig_complete(rig, "a", 0, "\"in history\"");
    rig_run(rig);
    rig_complete(rig, "a", 1, "\"in the inbox\"");
    struct batch *batch = rig_cut(rig);
    assert_int_equal(rig_count_of(batch, MUTATION_INBOX_PUT), 1);
    rig_commit(rig);
    assert_int_equal(rig->model.history_events, 2 + 2 + 2);
    rig_run(rig);
    batch = rig_cut(rig);
    assert_int_equal(rig_count_of(batch, MUTATION_INBOX_REMOVE), 1);
    rig_commit(rig);
    assert_int_equal(model_find(&rig->model, TEXT("a"))->inbox_count, 0);
}

static void an_ending_removes_what_is_left_in_the_inbox(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "broken", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_raise(rig, "a", "recorded", NULL);
    rig_flush(rig);
    rig_raise(rig, "a", "not recorded", NULL);
    rig_end_turn(rig, turn);
    assert_int_equal(core_counters(rig->core).dropped_events, 2);
    rig_flush(rig); /* the model looks that nothing is left */
    assert_int_equal(rig_stored(rig, "a")->state, RUN_FAILED);
}

/* ---- C6 ---- */

static void times_increase_also_when_the_clock_goes_back(void **state)
{
    struct rig *rig = *state;
    rig->now = 1000;
    rig_start(rig, "a", "hello_cities", NULL);
    rig_run(rig);
    rig->now = 10;
    rig_flush(rig);
    rig_complete(rig, "a", 0, NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_true(rig_can_evict(rig));
    rig_complete(rig, "a", 1, NULL); /* the last time is folded from history */
    rig_cut(rig);
    rig_commit(rig);
    rig_crash(rig); /* and from the inbox */
    rig_run(rig);
    rig_flush(rig);

    size_t count;
    struct model_row *row = model_find(&rig->model, TEXT("a"));
    const struct event **events = model_history(&rig->model, row, &count);
    time_us last = 0;
    assert_int_equal(count, 9);
    for (size_t i = 0; i < count; i += 3) { /* of each turn: began, what came, what it asked for */
        assert_true(events[i + 1]->at > last);
        assert_true(events[i]->at > events[i + 1]->at);
        assert_true(events[i + 2]->at > events[i]->at);
        last = events[i + 2]->at;
    }
}

static void a_timer_never_fires_before_its_time_though_the_clock_goes_back(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "race", NULL);
    rig_run(rig);
    assert_true(rig_fire_step(rig, core_find(rig->core, TEXT("a")), 1));
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_true(turn->events[1].at >= turn->events[1].fire_at);
    rig_end_turn(rig, turn);
}

static void a_turn_begins_later_than_its_timers_were_due(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "race", NULL);
    rig_run(rig);
    /* Fired early, by an engine whose clock was set back in between. */
    assert_true(rig_fire_step(rig, core_find(rig->core, TEXT("a")), 1));
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->events[1].kind, EVENT_TIMER_FIRED);
    assert_true(turn->events[1].fire_at > 60 * TIME_SECOND);
    assert_true(turn->events[0].at > turn->events[1].fire_at);
    rig_end_turn(rig, turn);
}

/* ---- C7 and the window ---- */

static void expect_fired(struct rig *rig, const int *steps, size_t count)
{
    struct due_timer due;
    for (size_t i = 0; i < count; i++) {
        assert_true(core_pop_due(rig->core, TIME_NEVER - 1, &due));
        assert_int_equal(due.row * 10 + (uint64_t)due.id, steps[i]);
    }
    assert_false(core_pop_due(rig->core, TIME_NEVER - 1, &due));
}

static void timers_due_together_fire_in_the_order_they_were_set(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "sleepers", "3");
    rig_start(rig, "b", "sleepers", "2");
    rig_run(rig);
    expect_fired(rig, (const int[]){ 10, 11, 12, 20, 21 }, 5);
}

static void ties_keep_their_order_across_store_and_memory(void **state)
{
    struct rig *rig = *state;
    rig->horizon = 0;
    rig_crash(rig); /* begins anew, with no window */
    rig_start(rig, "a", "sleepers", "3");
    rig_run(rig);
    rig_flush(rig);
    rig_crash(rig); /* in the store only, and known to nobody */
    rig_start(rig, "b", "sleepers", "2");
    rig_run(rig);
    rig_cut(rig); /* in flight: neither in the window, nor in the store */
    assert_int_equal(core_next_due(rig->core), TIME_NEVER);
    rig_set_horizon(rig, 3600 * TIME_SECOND);
    assert_int_equal(core_next_due(rig->core), 60 * TIME_SECOND + TIME_MS + 1);
    rig_start(rig, "c", "sleepers", "1"); /* straight into the window */
    rig_run(rig);
    expect_fired(rig, (const int[]){ 10, 11, 12, 20, 21, 30 }, 6);
}

static void a_committed_timer_beyond_the_horizon_is_the_stores_affair(void **state)
{
    struct rig *rig = *state;
    rig->horizon = 0;
    rig_crash(rig);
    rig_start(rig, "a", "sleepers", "1");
    rig_run(rig);
    rig_cut(rig);
    rig_start(rig, "b", "sleepers", "1");
    rig_run(rig);
    rig_cut(rig);
    rig_commit(rig);                                 /* of the first; the second is in flight */
    core_set_horizon(rig->core, 3600 * TIME_SECOND); /* and nobody asks the store */
    expect_fired(rig, (const int[]){ 20 }, 1);
}

static void nothing_is_due_before_its_time(void **state)
{
    struct rig *rig = *state;
    struct due_timer due;
    core_add_timer(rig->core, 77, 5, 1000);
    assert_int_equal(core_next_due(rig->core), 1000);
    assert_false(core_pop_due(rig->core, 999, &due));
    assert_true(core_pop_due(rig->core, 1000, &due)); /* of one that is not resident */
    assert_int_equal(due.row, 77);
    assert_int_equal(due.id, 5);
}

static void a_timer_that_is_not_open_any_more_is_passed_over(void **state)
{
    struct rig *rig = *state;
    struct due_timer due;
    rig_start(rig, "a", "sleepers", "2");
    rig_run(rig);
    rig_fire_step(rig, core_find(rig->core, TEXT("a")), 0);
    assert_true(core_pop_due(rig->core, TIME_NEVER - 1, &due));
    assert_int_equal(due.id, 1);
    assert_false(core_pop_due(rig->core, TIME_NEVER - 1, &due));
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_instance_stays_while_anything_of_it_is_not_durable),
        T(those_that_only_sleep_go_before_those_that_wait_for_an_activity),
        T(eviction_lets_the_longest_unused_go_first),
        T(an_ended_instance_leaves_when_its_end_is_durable),
        T(what_is_evicted_goes_on_where_it_was),
        T(a_step_completes_once_and_only_when_it_is_open),
        T(busy_holds_for_open_activities_and_waiting_events_and_nothing_else),
        T(an_open_turn_keeps_it_busy_though_its_events_are_in_memory),
        T(an_update_is_written_only_when_state_or_busy_change),
        T(one_that_works_is_updated_once_a_second_and_no_more),
        T(an_event_consumed_before_the_cut_is_written_once),
        T(an_ending_removes_what_is_left_in_the_inbox),
        T(times_increase_also_when_the_clock_goes_back),
        T(a_timer_never_fires_before_its_time_though_the_clock_goes_back),
        T(a_turn_begins_later_than_its_timers_were_due),
        T(timers_due_together_fire_in_the_order_they_were_set),
        T(ties_keep_their_order_across_store_and_memory),
        T(a_committed_timer_beyond_the_horizon_is_the_stores_affair),
        T(nothing_is_due_before_its_time),
        T(a_timer_that_is_not_open_any_more_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
