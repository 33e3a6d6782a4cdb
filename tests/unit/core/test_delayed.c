/* SPDX-License-Identifier: MIT
 *
 * Signals that wait for their time, and signals that are taken back.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/entity.h"
#include "rig.h"

static const struct model_row *stored(struct rig *rig, const char *id)
{
    return model_find(&rig->model, text_of(id));
}

/* To "@log@", so many seconds from the beginning. */
static void say_at(struct rig *rig, const char *what, int second)
{
    rig_say(rig, &(struct said){ .to = "@log@",
                                 .op = "say",
                                 .payload = what,
                                 .request_id = what,
                                 .at = second * TIME_SECOND });
}

static size_t fire_at(struct rig *rig, time_us now)
{
    rig->now = now;
    size_t count = rig_fire(rig);
    rig_run(rig);
    return count;
}

static void has_state(struct rig *rig, const char *state)
{
    assert_string_equal(rig_state(rig, "@log@"), state);
}

/* ---- their time ---- */

static void a_signal_with_a_time_is_run_once_and_not_before(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 10);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND - 1), 0);
    has_state(rig, "-");
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND), 1);
    has_state(rig, "a");
    rig_flush(rig);
    assert_int_equal(fire_at(rig, 20 * TIME_SECOND), 0);
    assert_int_equal(rig->model.timer_count, 0);
    assert_int_equal(stored(rig, "@log@")->inbox_count, 0);
}

static void a_time_that_is_now_or_past_is_at_once(void **state)
{
    struct rig *rig = *state;
    rig->now = 10 * TIME_SECOND;
    say_at(rig, "a", 10);
    say_at(rig, "b", 5);
    rig_run(rig);
    has_state(rig, "ab");
    say_at(rig, "c", 11);
    rig_run(rig);
    has_state(rig, "ab");
}

static void only_signals_have_a_time(void **state)
{
    struct rig *rig = *state;
    pd_error err;
    struct event_extra sender = { .has_parent = true, .parent_id = TEXT("o") };
    struct event call = { .kind = EVENT_ENTITY_CALLED, .name = TEXT("say"), .extra = &sender };
    call.payload = TEXT("a");
    call.fire_at = rig->now + TIME_SECOND;
    core_operate(rig->core, rig->now, rig_entity(rig, "@log@"), &call, &err);
    assert_int_equal(map64_count(&rig_entity(rig, "@log@")->entity->delayed), 0);
}

static void it_stands_in_line_when_its_time_has_come(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@log@ | task | unlock:s:@log@");
    rig_run(rig);
    say_at(rig, "b", 10);
    rig_signal(rig, "@log@", "say", "a");
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND), 1);
    rig_signal(rig, "@log@", "say", "c");
    has_state(rig, "-");
    rig_complete(rig, "o", 1, "1");
    rig_run(rig);
    has_state(rig, "abc");
}

static void what_the_owner_of_the_lock_said_for_later_is_done_then(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@log@ | later:10:@log@:say:a task");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "b");
    rig_flush(rig);
    rig_crash(rig);
    assert_int_equal(fire_at(rig, 20 * TIME_SECOND), 1);
    has_state(rig, "a");
}

static void those_of_one_time_are_run_in_the_order_they_were_said(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 10);
    say_at(rig, "b", 10);
    rig_flush(rig);
    say_at(rig, "c", 10);
    rig_flush(rig);
    rig_crash(rig);
    say_at(rig, "d", 10);
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND), 4);
    has_state(rig, "abcd");
}

static void one_whose_time_comes_before_the_cut_is_never_written(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 10);
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND), 1);
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->mutation_count, 1); /* the state */
    rig_mutation(batch, MUTATION_ENTITY_PUT);
}

static void one_that_waits_keeps_its_entity_and_makes_nobody_busy(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 10);
    struct batch *batch = rig_cut(rig);
    const struct mutation *timer = rig_mutation(batch, MUTATION_TIMER_PUT);
    const struct mutation *put = rig_mutation(batch, MUTATION_INBOX_PUT);
    assert_true(put->number > ARRIVAL_DELAYED);
    assert_int_equal(timer->id, (int32_t)(put->number & INT32_MAX));
    assert_int_equal(timer->due, 10 * TIME_SECOND);
    rig_commit(rig);
    assert_false(stored(rig, "@log@")->record.is_busy); /* K5 */
    assert_true(rig_can_evict(rig));
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND), 1);
    has_state(rig, "a");
}

static void a_timer_that_was_set_for_another_time_is_stale(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 10);
    struct instance *log = rig_entity(rig, "@log@");
    rig->now = 20 * TIME_SECOND;
    assert_false(core_fire_timer(rig->core, rig->now, log, 1, 11 * TIME_SECOND));
    assert_false(core_fire_timer(rig->core, rig->now, log, 2, 10 * TIME_SECOND));
    assert_false(core_fire_timer(rig->core, rig->now, log, EVENT_NO_ID, 10 * TIME_SECOND));
    assert_int_equal(core_counters(rig->core).dropped_completions, 3);
    assert_true(core_fire_timer(rig->core, rig->now, log, 1, 10 * TIME_SECOND));
    assert_false(core_fire_timer(rig->core, rig->now, log, 1, 10 * TIME_SECOND));
}

static void it_is_not_early_though_the_clock_goes_back(void **state)
{
    struct rig *rig = *state;
    struct due_timer due;
    const struct turn *turn;
    say_at(rig, "a", 10);
    rig->now = 10 * TIME_SECOND;
    assert_true(core_pop_due(rig->core, rig->now, &due));
    rig->now = 5 * TIME_SECOND;
    core_fire_timer(rig->core, rig->now, rig_entity(rig, "@log@"), due.id, due.due);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_true(turn->events[1].at >= 10 * TIME_SECOND);
    assert_true(turn->events[0].at > 10 * TIME_SECOND);
    rig_end_turn(rig, turn);
}

static void those_beyond_the_horizon_come_when_it_moves(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 7200);
    say_at(rig, "b", 7201);
    rig_flush(rig);
    say_at(rig, "c", 7202); /* no store knows it yet */
    assert_int_equal(core_next_due(rig->core), TIME_NEVER);
    rig_set_horizon(rig, 8000 * TIME_SECOND);
    assert_int_equal(fire_at(rig, 8000 * TIME_SECOND), 3);
    has_state(rig, "abc");
}

static void an_orchestration_signals_for_later(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "later:10:@log@:say:b signal:@log@:say:a end");
    rig_run(rig);
    has_state(rig, "a");
    assert_int_equal(fire_at(rig, 20 * TIME_SECOND), 1);
    has_state(rig, "ab");
}

static void an_entity_reminds_itself(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "tell", "@log@:say:a:10000");
    rig_run(rig);
    has_state(rig, "-");
    rig_flush(rig);
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND), 1);
    has_state(rig, "a");
}

/* ---- taken back ---- */

static void a_signal_that_waits_for_its_time_is_taken_back(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 10);
    say_at(rig, "b", 10);
    rig_flush(rig);
    say_at(rig, "c", 10);
    assert_true(rig_cancel_signal(rig, "@log@", "a")); /* stored */
    assert_true(rig_cancel_signal(rig, "@log@", "c")); /* not yet */
    assert_false(rig_cancel_signal(rig, "@log@", "a"));
    assert_false(rig_cancel_signal(rig, "@log@", "d"));
    rig_flush(rig);
    assert_int_equal(rig->model.timer_count, 1);
    assert_int_equal(stored(rig, "@log@")->inbox_count, 1);
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND), 1);
    has_state(rig, "b");
    assert_int_equal(core_counters(rig->core).dropped_completions, 0); /* their timers are gone */
}

static void a_signal_that_stands_in_line_is_taken_back(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@log@ | task | unlock:s:@log@");
    rig_run(rig);
    rig_say(rig, &(struct said){ "@log@", "say", "a", "a", 0 });
    rig_say(rig, &(struct said){ "@log@", "say", "b", "b", 0 });
    rig_flush(rig);
    rig_say(rig, &(struct said){ "@log@", "say", "c", "c", 0 });
    assert_true(rig_cancel_signal(rig, "@log@", "b"));
    assert_true(rig_cancel_signal(rig, "@log@", "c"));
    rig_flush(rig);
    assert_int_equal(stored(rig, "@log@")->inbox_count, 1);
    rig_complete(rig, "o", 1, "1");
    rig_run(rig);
    has_state(rig, "a");
}

static void a_signal_of_an_open_turn_is_not_taken_back_one_behind_it_is(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_say(rig, &(struct said){ "@log@", "say", "a", "a", 0 });
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_say(rig, &(struct said){ "@log@", "say", "b", "b", 0 });
    rig_say(rig, &(struct said){ "@log@", "say", "c", "c", 0 });
    rig_flush(rig);
    assert_false(rig_cancel_signal(rig, "@log@", "a"));
    assert_true(rig_cancel_signal(rig, "@log@", "b"));
    rig_end_turn(rig, turn);
    rig_run(rig);
    has_state(rig, "ac");
    rig_flush(rig);
    assert_int_equal(stored(rig, "@log@")->inbox_count, 0);
}

static void the_only_signal_there_is_is_taken_back_and_no_turn_is_left(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_say(rig, &(struct said){ "@log@", "say", "a", "a", 0 });
    rig_start(rig, "o", "script", "lock:s:@log@ | task");
    assert_true(core_next_turn(rig->core, rig->now, &turn)); /* of the signal's */
    core_postpone_turn(rig->core, turn);
    rig->most = 1;
    while (core_next_turn(rig->core, rig->now, &turn) && !turn_is_of_entity(turn)) {
        rig_end_turn(rig, turn);
        (void)rig_deliver(rig);
    }
    core_postpone_turn(rig->core, turn);
    assert_true(rig_cancel_signal(rig, "@log@", "a"));
    assert_string_equal(rig_owner(rig, "@log@"), "o"); /* and the request goes on */
    rig_flush(rig);
    assert_false(stored(rig, "@log@")->record.is_busy);
}

static void of_several_with_one_id_the_first_is_taken_back(void **state)
{
    struct rig *rig = *state;
    rig_say(rig, &(struct said){ "@log@", "say", "a", "x", 0 });
    rig_say(rig, &(struct said){ "@log@", "say", "b", "x", 0 });
    assert_true(rig_cancel_signal(rig, "@log@", "x"));
    rig_run(rig);
    has_state(rig, "b");
}

static void of_several_that_wait_with_one_id_the_first_that_still_waits_is_taken_back(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 5; i++) {
        const char *what[] = { "a", "b", "c", "d", "e" };
        time_us at = (i == 1 ? 5 : 10) * TIME_SECOND;
        rig_say(rig, &(struct said){ "@log@", "say", what[i], i == 3 ? "y" : "x", at });
    }
    assert_int_equal(fire_at(rig, 5 * TIME_SECOND), 1);
    rig_flush(rig);
    rig_crash(rig);
    assert_true(rig_cancel_signal(rig, "@log@", "x"));
    assert_true(rig_cancel_signal(rig, "@log@", "y"));
    assert_false(rig_cancel_signal(rig, "@log@", "y"));
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND), 2);
    has_state(rig, "bce");
    assert_false(rig_cancel_signal(rig, "@log@", "x"));
}

static void calls_are_not_taken_back_though_they_have_the_id(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "o", "script", "call:@log@:say:a");
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_end_turn(rig, turn);
    (void)rig_deliver(rig);
    assert_false(rig_cancel_signal(rig, "@log@", "r0"));
    rig_run(rig);
    has_state(rig, "a");
}

static void orchestrations_and_entities_take_signals_back(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 10);
    say_at(rig, "b", 10);
    rig_start(rig, "o", "script", "later:10:@log@:say:c forget:@LOG@:r0 forget:@log@:a end");
    rig_signal(rig, "@other@", "forget", "@log@:b");
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(fire_at(rig, 20 * TIME_SECOND), 0);
    assert_null(stored(rig, "@log@"));
    assert_int_equal(rig->model.timer_count, 0);
}

static void a_purge_takes_all_that_wait_for_their_time(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 10);
    rig_flush(rig);
    say_at(rig, "b", 20);
    assert_int_equal(rig_purge_entity(rig, "@log@", 0), PD_OK);
    rig_flush(rig);
    assert_null(stored(rig, "@log@"));
    assert_int_equal(rig->model.timer_count, 0);
    say_at(rig, "c", 10);
    rig_flush(rig);
    assert_int_equal(fire_at(rig, 20 * TIME_SECOND), 1);
    has_state(rig, "c");
}

static void what_it_was_read_from_does_not_hold_when_its_time_has_come(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    struct event event = { .kind = EVENT_ENTITY_SIGNALED, .at = 1, .name = TEXT("get") };
    event.raw = TEXT("as it was stored");
    event.fire_at = 10 * TIME_SECOND;
    uint64_t arrival = ARRIVAL_DELAYED + 1;
    struct entity_record record = { .row = 1, .id = TEXT("@log@"), .updated_at = 1 };
    struct entity_image image = { &record, &event, &arrival, 1 };
    struct instance *log = core_admit_entity(rig->core, &image);
    assert_true(core_fire_timer(rig->core, 10 * TIME_SECOND, log, 1, 10 * TIME_SECOND));
    assert_true(core_next_turn(rig->core, 10 * TIME_SECOND, &turn));
    assert_false(text_is_present(turn->events[1].raw));
    assert_true(turn->events[1].at >= 10 * TIME_SECOND);
}

static void steps_of_timers_are_not_given_twice_though_they_run_out(void **state)
{
    struct rig *rig = *state;
    say_at(rig, "a", 10);
    say_at(rig, "b", 20);
    rig_flush(rig);
    struct entity *log = rig_entity(rig, "@log@")->entity;
    log->delayed_last = log->delayed_stored = UINT64_C(1) << 31; /* the next has step 1 again */
    say_at(rig, "c", 10);
    const struct batch *batch = rig_cut(rig);
    assert_int_equal(rig_count_of(batch, MUTATION_TIMER_PUT), 1);
    assert_int_equal(rig_mutation(batch, MUTATION_TIMER_PUT)->id, 3);
    rig_commit(rig);
    rig_crash(rig);
    assert_int_equal(fire_at(rig, 10 * TIME_SECOND), 2);
    has_state(rig, "ac");
    assert_int_equal(fire_at(rig, 20 * TIME_SECOND), 1);
    has_state(rig, "acb");
}

static void thousands_wait_and_each_is_run(void **state)
{
    struct rig *rig = *state;
    enum { COUNT = 5000 };
    for (int i = 0; i < COUNT; i++) {
        rig_say(rig, &(struct said){ .to = "@count@",
                                     .op = "add",
                                     .payload = "1",
                                     .at = (1 + i * 7919 % COUNT) * TIME_SECOND });
    }
    core_set_horizon(rig->core, (COUNT + 1) * TIME_SECOND);
    assert_int_equal(fire_at(rig, COUNT / 2 * TIME_SECOND), COUNT / 2);
    assert_string_equal(rig_state(rig, "@count@"), "2500");
    assert_int_equal(fire_at(rig, COUNT * TIME_SECOND), COUNT / 2);
    assert_string_equal(rig_state(rig, "@count@"), "5000");
}

/* To look at all that wait, for each, would take minutes. */
static void one_of_very_many_that_wait_is_taken_back_without_a_look_at_the_others(void **state)
{
    struct rig *rig = *state;
    enum { COUNT = 50000 };
    char id[16];
    clock_t from = clock();
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "s%d", i);
        rig_say(rig, &(struct said){ "@log@", "say", "a", id, TIME_SECOND });
    }
    for (int i = COUNT - 1; i >= 0; i--) {
        snprintf(id, sizeof id, "s%d", i);
        assert_true(rig_cancel_signal(rig, "@log@", id));
    }
    assert_true((double)(clock() - from) / CLOCKS_PER_SEC < 5);
    assert_true(map64_count(&rig_entity(rig, "@log@")->entity->delayed) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signal_with_a_time_is_run_once_and_not_before),
        TEST(a_time_that_is_now_or_past_is_at_once),
        TEST(only_signals_have_a_time),
        TEST(it_stands_in_line_when_its_time_has_come),
        TEST(what_the_owner_of_the_lock_said_for_later_is_done_then),
        TEST(those_of_one_time_are_run_in_the_order_they_were_said),
        TEST(one_whose_time_comes_before_the_cut_is_never_written),
        TEST(one_that_waits_keeps_its_entity_and_makes_nobody_busy),
        TEST(a_timer_that_was_set_for_another_time_is_stale),
        TEST(it_is_not_early_though_the_clock_goes_back),
        TEST(those_beyond_the_horizon_come_when_it_moves),
        TEST(an_orchestration_signals_for_later),
        TEST(an_entity_reminds_itself),
        TEST(a_signal_that_waits_for_its_time_is_taken_back),
        TEST(a_signal_that_stands_in_line_is_taken_back),
        TEST(a_signal_of_an_open_turn_is_not_taken_back_one_behind_it_is),
        TEST(the_only_signal_there_is_is_taken_back_and_no_turn_is_left),
        TEST(of_several_with_one_id_the_first_is_taken_back),
        TEST(of_several_that_wait_with_one_id_the_first_that_still_waits_is_taken_back),
        TEST(calls_are_not_taken_back_though_they_have_the_id),
        TEST(orchestrations_and_entities_take_signals_back),
        TEST(a_purge_takes_all_that_wait_for_their_time),
        TEST(what_it_was_read_from_does_not_hold_when_its_time_has_come),
        TEST(steps_of_timers_are_not_given_twice_though_they_run_out),
        TEST(thousands_wait_and_each_is_run),
        TEST(one_of_very_many_that_wait_is_taken_back_without_a_look_at_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
