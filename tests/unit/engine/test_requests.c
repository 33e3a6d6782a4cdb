/* SPDX-License-Identifier: MIT
 *
 * An engine that is asked without waiting, and whose turns and activities are elsewhere. The test's
 * thread is the one that serves them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "house.h"

static struct house house;
static struct later later;
static _Atomic int answers, refusals, ended_count;
static _Atomic pd_status last_status;
static char last_ended[64], told[] = "told of";

static void answered(struct request *request, pd_status status, const pd_error *err)
{
    assert_true(status == PD_OK || err->status == status);
    request_free(request);
    last_status = status;
    refusals += status != PD_OK;
    answers++;
}

static void ended(void *argument, const struct ending *endings)
{
    for (; endings != NULL; endings = endings->next) {
        (void)snprintf(last_ended, sizeof last_ended, "%s %.*s", (const char *)argument,
                       TEXT_ARGS(endings->instance_id));
        ended_count++;
    }
}

static void open_house(bool takes_activities)
{
    answers = refusals = ended_count = 0;
    later_init(&later);
    later.takes_activities = takes_activities;
    house_open(&house, &(struct engine_options){ .ended = ended, .ended_argument = told });
    house.runner.later = &later;
}

static void close_house(void)
{
    house_close(&house);
    later_done(&later);
}

static struct request *ask(void)
{
    return request_new(answered, NULL);
}

static void start(const char *id)
{
    struct start_command command = { .id = text_of(id), .name = TEXT("chain") };
    int before = answers;
    engine_ask_start(house.engine, ask(), &command);
    house_wait_for(&answers, before + 1);
}

static void wait_for_answers(int wanted)
{
    house_wait_for(&answers, wanted);
    assert_int_equal(refusals, 0);
}

static struct later_turn *next_turn(int nth)
{
    house_wait_for(&later.turn_count, nth);
    struct later_turn *turn = later_next_turn(&later);
    assert_non_null(turn);
    return turn;
}

static void end_turn(struct later_turn *turn)
{
    int before = answers;
    if (turn->number == 0) {
        engine_end_entity_turn(house.engine, ask(), turn->ticket, &turn->entity);
    } else {
        engine_end_turn(house.engine, ask(), turn->ticket, &turn->result);
    }
    wait_for_answers(before + 1);
    later_turn_free(turn);
}

static struct activity *next_activity(int nth)
{
    house_wait_for(&later.activity_count, nth);
    struct activity *activity = later_next_activity(&later);
    assert_non_null(activity);
    return activity;
}

static void end_activity(struct activity *activity)
{
    struct activity_result result = { .payload = TEXT("\"done\"") };
    int before = answers;
    engine_end_activity(house.engine, ask(), activity, &result);
    wait_for_answers(before + 1);
}

/* ---- turns and activities -------------------------------------------------------------------- */

static void a_chain_runs_to_its_end_elsewhere(void **state)
{
    (void)state;
    open_house(true);
    start("3:a");
    for (int i = 1; i <= 3; i++) {
        end_turn(next_turn(i));
        end_activity(next_activity(i));
    }
    end_turn(next_turn(4));
    house_assert_completes(&house, "3:a", "\"end of chain\"");
    assert_int_equal(house.runner.activities_run, 0);
    house_wait_for(&ended_count, 1);
    assert_string_equal(last_ended, "told of 3:a");
    close_house();
}

static void an_entity_runs_elsewhere(void **state)
{
    (void)state;
    char has[64];
    open_house(false);
    house_signal(&house, "@c@a", "add", "1");
    end_turn(next_turn(1));
    assert_true(house_has_entity(&house, "@c@a", has));
    assert_string_equal(has, "1");
    close_house();
}

static void an_activity_that_is_not_taken_runs_here(void **state)
{
    (void)state;
    open_house(false);
    start("1:a");
    end_turn(next_turn(1));
    end_turn(next_turn(2));
    house_assert_completes(&house, "1:a", "\"end of chain\"");
    assert_int_equal(house.runner.activities_run, 1);
    close_house();
}

static void a_turn_in_quarantine_waits_until_somebody_resumes_it(void **state)
{
    (void)state;
    static const struct failure why = { .type = TEXT_INIT("Quarantined"),
                                        .message = TEXT_INIT("it kills") };
    struct house_look look;
    open_house(true);
    start("1:a");
    struct later_turn *turn = next_turn(1);
    engine_quarantine_turn(house.engine, ask(), turn->ticket, &why);
    wait_for_answers(2);
    assert_false(house_look(&house, "1:a", &look));
    assert_int_equal(look.state, RUN_SUSPENDED);
    assert_string_equal(look.failure, "Quarantined: it kills");
    assert_null(later_next_turn(&later));
    engine_end_turn(house.engine, ask(), turn->ticket, &turn->result); /* it is over with that */
    wait_for_answers(3);
    later_turn_free(turn);
    struct letter resume = { .kind = MESSAGE_RESUME, .instance_id = TEXT("1:a") };
    const struct event event = { .kind = EVENT_EXECUTION_RESUMED };
    resume.event = &event;
    engine_ask_tell(house.engine, ask(), &resume);
    wait_for_answers(4);
    end_turn(next_turn(2));
    end_activity(next_activity(1));
    (void)house_look(&house, "1:a", &look);
    assert_string_equal(look.failure, "");
    close_house();
}

static void an_activity_ends_once(void **state)
{
    (void)state;
    open_house(true);
    start("2:a");
    end_turn(next_turn(1));
    struct activity *activity = next_activity(1);
    size_t size = activity->size;
    struct activity *twin = mem_alloc(size);
    memcpy(twin, activity, size);
    end_activity(activity);
    twin->execution_id = TEXT("another"); /* as its text has gone with it */
    twin->room = NULL;
    end_activity(twin); /* PD_OK, and nothing happens */
    end_turn(next_turn(2));
    assert_int_equal(later.turn_count, 2);
    end_activity(next_activity(2));
    end_turn(next_turn(3));
    house_assert_completes(&house, "2:a", "\"end of chain\"");
    close_house();
}

static void a_time_out_is_a_result(void **state)
{
    (void)state;
    open_house(true);
    house.runner.limits.run_ms = 5;
    start("F:a");
    end_turn(next_turn(1));
    struct request *request = ask();
    struct activity *activity = next_activity(1);
    struct activity_result result = { .failure = engine_word_timeout(&request->arena, activity,
                                                                     TIME_TO_RUN) };
    int before = answers;
    engine_end_activity(house.engine, request, activity, &result);
    wait_for_answers(before + 1);
    end_turn(next_turn(2));
    assert_string_equal(house_wait_ended(&house, "F:a").failure,
                        "Timeout: it did not end within 5 ms");
    close_house();
}

static void a_heartbeat_tells_whether_it_is_wanted(void **state)
{
    (void)state;
    bool is_wanted = false;
    open_house(true);
    start("X:a");
    end_turn(next_turn(1));
    struct activity *activity = next_activity(1);
    int before = answers;
    engine_beat_activity(house.engine, ask(), activity, TEXT("7"), &is_wanted);
    wait_for_answers(before + 1);
    assert_true(is_wanted);
    house_raise(&house, "X:a"); /* cancels it */
    end_turn(next_turn(2));
    house_wait_for(&later.cancelled, 1);
    assert_int_equal(later.cancelled_step, activity->id);
    assert_true(later.cancelled_row == activity->row);
    before = answers;
    engine_beat_activity(house.engine, ask(), activity, TEXT("8"), &is_wanted);
    wait_for_answers(before + 1);
    assert_false(is_wanted);
    activity_free(activity);
    close_house();
}

/* The store loses what was not durable; the partition begins again, with everything open. */
static void after_a_failed_commit_all_of_it_is_offered_again(void **state)
{
    (void)state;
    open_house(true);
    start("2:a");
    struct later_turn *turn = next_turn(1);
    end_turn(turn);
    struct activity *activity = next_activity(1);
    struct activity_result result = { .payload = TEXT("\"done\"") };
    house.store.commits_to_fail = 1;
    int before = answers;
    engine_end_activity(house.engine, ask(), activity, &result);
    house_wait_for(&answers, before + 1);
    assert_int_equal(refusals, 1);
    refusals = 0;
    activity = next_activity(2); /* the same again */
    end_activity(activity);
    while (later.turns != NULL && later.turns->next != NULL) { /* of the life before */
        struct later_turn *old = later_next_turn(&later);
        end_turn(old);
    }
    int turns = later.turn_count;
    end_turn(next_turn(turns));
    end_activity(next_activity(3));
    end_turn(next_turn(turns + 1));
    house_assert_completes(&house, "2:a", "\"end of chain\"");
    close_house();
}

/* ---- clients --------------------------------------------------------------------------------- */

static void a_refusal_is_told(void **state)
{
    (void)state;
    open_house(true);
    start("1:a");
    assert_int_equal(refusals, 0);
    start("1:a");
    assert_int_equal(refusals, 1);
    assert_int_equal(last_status, PD_E_EXISTS);
    struct event event = { .kind = EVENT_EVENT_RAISED, .name = TEXT("Go") };
    struct letter letter = { .kind = MESSAGE_RAISE, .instance_id = TEXT("x"), .event = &event };
    engine_ask_tell(house.engine, ask(), &letter);
    house_wait_for(&answers, 3);
    assert_int_equal(last_status, PD_E_NOT_FOUND);
    letter.instance_id = TEXT("1:a");
    engine_ask_tell(house.engine, ask(), &letter);
    house_wait_for(&answers, 4);
    assert_int_equal(last_status, PD_OK);
    close_house();
}

static void many_are_asked_at_once_and_each_is_answered(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static char ids[COUNT][16];
    open_house(true);
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "1:%d", i);
        struct start_command command = { .id = text_of(ids[i]), .name = TEXT("chain") };
        engine_ask_start(house.engine, ask(), &command);
    }
    wait_for_answers(COUNT);
    for (int i = 1; i <= COUNT; i++) {
        struct later_turn *turn = next_turn(i);
        engine_end_turn(house.engine, ask(), turn->ticket, &turn->result);
        house_wait_for(&answers, COUNT + i); /* until then its result is looked at */
        later_turn_free(turn);
    }
    assert_int_equal(refusals, 0);
    close_house();
}

/* ---- the end --------------------------------------------------------------------------------- */

static void what_is_elsewhere_does_not_keep_the_engine_from_stopping(void **state)
{
    (void)state;
    open_house(true);
    start("1:a");
    start("1:b");
    end_turn(next_turn(1));
    later_turn_free(next_turn(2)); /* never ended */
    struct activity *activity = next_activity(1);
    engine_stop(house.engine, 0);
    activity_free(activity); /* it is ours */
    house_start_engine(&house);
    house_wait_for(&later.activity_count, 2);
    house_wait_for(&later.turn_count, 3);
    end_activity(next_activity(2));
    end_turn(next_turn(3));
    end_turn(next_turn(4));
    close_house();
}

static void what_is_asked_while_it_stops_is_answered(void **state)
{
    (void)state;
    open_house(true);
    start("1:a");
    struct later_turn *turn = next_turn(1);
    house.store.commits_to_fail = -1; /* down for good */
    house.store.owns_to_fail = -1;
    struct start_command command = { .id = TEXT("1:b"), .name = TEXT("chain") };
    engine_ask_start(house.engine, ask(), &command);
    house_wait_for(&answers, 2);
    assert_int_equal(refusals, 1);
    /* A result is kept while the store is down, and forgotten with the engine. */
    struct activity *activity = mem_alloc(sizeof *activity);
    activity->execution_id = TEXT("x");
    struct activity_result result = { .payload = TEXT("1") };
    engine_end_activity(house.engine, ask(), activity, &result);
    engine_end_turn(house.engine, ask(), turn->ticket, &turn->result);
    engine_stop(house.engine, 0);
    assert_int_equal(answers, 4); /* whatever the answer: nothing of it is known */
    house.store.commits_to_fail = house.store.owns_to_fail = 0;
    later_turn_free(turn);
    house_start_engine(&house);
    close_house();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_runs_to_its_end_elsewhere),
        cmocka_unit_test(an_entity_runs_elsewhere),
        cmocka_unit_test(an_activity_that_is_not_taken_runs_here),
        cmocka_unit_test(a_turn_in_quarantine_waits_until_somebody_resumes_it),
        cmocka_unit_test(an_activity_ends_once),
        cmocka_unit_test(a_time_out_is_a_result),
        cmocka_unit_test(a_heartbeat_tells_whether_it_is_wanted),
        cmocka_unit_test(after_a_failed_commit_all_of_it_is_offered_again),
        cmocka_unit_test(a_refusal_is_told),
        cmocka_unit_test(many_are_asked_at_once_and_each_is_answered),
        cmocka_unit_test(what_is_elsewhere_does_not_keep_the_engine_from_stopping),
        cmocka_unit_test(what_is_asked_while_it_stops_is_answered),
    };
    return cmocka_run_group_tests_name("engine: asked without waiting", tests, NULL, NULL);
}
