/* SPDX-License-Identifier: MIT
 *
 * Orchestrations that go on for ever, and code that changes under them: continue-as-new, versions,
 * markers, what the world sees of them; and what must be the same at every replay.
 */
#include "hub_kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the program ---------------------------------------------------------------------------- */

static pd_result note(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

/* Takes events "number" until it has n of them, a round each; then the list of what is waiting
 * under "other". Every round has a step behind the event, in whose turn others come. */
static pd_result rounds(pd_orchestration *o, pd_value input)
{
    int left;
    bool drops;
    pd_value got;
    pd_read(o, input, "left", &left, "drops", &drops, "got", &got);
    pd_list *all = pd_list_new(o);
    PD_EACH(number, got) {
        pd_list_add(all, number);
    }
    if (left > 0) {
        pd_value number = pd_wait_event(o, "number");
        pd_list_add(all, number);
        pd_set_status(o, PD_OBJ("left", left));
        return pd_continue_as_new(o, PD_OBJ("left", left - 1, "drops", drops, "got", all),
                                  .drops_events = drops);
    }
    pd_value other;
    if (pd_wait_event_for(o, "other", pd_milliseconds(1), &other)) {
        pd_list_add(all, other);
    }
    pd_wait_event(o, "end");
    return pd_ok(o, all);
}

/* Never stops by itself, nor waits. */
static pd_result endless(pd_orchestration *o, pd_value n)
{
    pd_call_activity(o, note, n);
    return pd_continue_as_new(o, pd_int(n) + 1);
}

/* Goes on as version 2; says which execution is which. */
static pd_result moves_on(pd_orchestration *o, pd_value before)
{
    const char *version = pd_own_version(o);
    if (strcmp(version, "2") != 0) {
        pd_call_activity(o, note, 1);
        return pd_continue_as_new(o, PD_ARR(version, pd_execution_id(o)), .version = "2");
    }
    bool is_another = strcmp(pd_text(pd_at(before, 1)), pd_execution_id(o)) != 0;
    return pd_ok(
        o, PD_ARR(pd_at(before, 0), version, is_another, pd_history_length(o), pd_own_tag(o, "k")));
}

/* Whatever could differ at a replay, before and after a wait: the sum of what is seen goes through
 * steps, so that drop mode, and the replay when the kit is closed, would find it. */
static pd_result chance(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_list *seen = pd_list_new(o);
    for (int i = 0; i < 5; i++) {
        const char *uuid = pd_new_uuid(o);
        pd_value kept =
            pd_call_activity(o, note, PD_ARR(uuid, (int64_t)(pd_random(o) >> 1), pd_now(o).ms));
        if (strcmp(pd_text(pd_at(kept, 0)), uuid) != 0) {
            return pd_fail(o, "Differs", "%s", uuid);
        }
        pd_list_add(seen, uuid);
        pd_sleep(o, pd_milliseconds((int64_t)(pd_random(o) % 5)));
        pd_send_event(o, "nobody", pd_new_uuid(o), PD_NULL); /* names are compared */
    }
    return pd_ok(o, seen);
}

/* The code before and after a change. */
static pd_result yesterday(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, note, "one");
    pd_wait_event(o, "go");
    return pd_ok(o, PD_ARR(input, "old"));
}

static pd_result today(pd_orchestration *o, pd_value input)
{
    bool is_new = pd_changed(o, "ask-twice");
    if (is_new) {
        pd_call_activity(o, "Twice", "zero");
    }
    pd_call_activity(o, note, "one");
    pd_wait_event(o, "go");
    return pd_ok(o, PD_ARR(input, pd_changed(o, "ask-twice") ? "new" : "old"));
}

#define ALL_BUT_CHANGING                                                                  \
    PD_FUNCTION("Note", note), PD_FUNCTION("Twice", note), PD_FUNCTION("Rounds", rounds), \
        PD_FUNCTION("Endless", endless), PD_FUNCTION("MovesOn", moves_on),                \
        PD_FUNCTION("Chance", chance)

static const pd_function program[] = { ALL_BUT_CHANGING, PD_FUNCTION("Changing", yesterday) };
static const pd_function program_of_today[] = { ALL_BUT_CHANGING, PD_FUNCTION("Changing", today) };

static struct kit *begin(void **state)
{
    struct kit *kit = *state;
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    return kit;
}

/* ---- continue-as-new ------------------------------------------------------------------------ */

static void start_rounds(struct kit *kit, const char *id, int left, bool drops)
{
    pd_value none = { .kind_ = PD_IS_ARRAY };
    kit_start(kit, "Rounds", PD_VAL(PD_OBJ("left", left, "drops", drops, "got", none)), id, NULL);
}

static void events_are_kept_in_order_over_executions_also_in_the_turn_that_ends_one(void **state)
{
    struct kit *kit = *state;
    start_rounds(kit, "i", 4, false);
    kit_raise(kit, "i", "number", PD_VAL(1)); /* all in the first turn */
    kit_raise(kit, "i", "other", PD_VAL("kept"));
    kit_raise(kit, "i", "Number", PD_VAL(2));
    kit_raise(kit, "i", "number", PD_VAL(3));
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_raise(kit, "i", "number", PD_VAL(4)); /* and during some */
    kit_raise(kit, "i", "end", PD_NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[1,2,3,4,\"kept\"]");
}

static void events_that_nobody_took_are_forgotten_when_that_is_asked_for(void **state)
{
    struct kit *kit = *state;
    start_rounds(kit, "i", 1, true);
    kit_raise(kit, "i", "other", PD_VAL("forgotten"));
    kit_raise(kit, "i", "number", PD_VAL(1));
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    for (size_t fired = 0; fired == 0; fired = kit_count_events(kit, "i", "TimerFired")) {
        kit_sleep_ms(2);
    }
    kit_raise(kit, "i", "end", PD_NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[1]");
}

static void a_status_and_those_who_wait_outlive_an_execution(void **state)
{
    struct kit *kit = begin(state);
    pd_error err;
    start_rounds(kit, "i", 2, false);
    kit_raise(kit, "i", "number", PD_VAL(1));
    kit_raise(kit, "i", "number", PD_VAL(2));
    kit_await_state(kit, "i", PD_RUN_RUNNING);
    assert_null(pd_hub_wait(kit->hub, "i", pd_milliseconds(50), &err)); /* it has not ended */
    assert_int_equal(err.status, PD_E_TIMEOUT);
    kit_raise(kit, "i", "end", PD_NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[1,2]");
    pd_instance *i = kit_fetch(kit, "i");
    assert_string_equal(pd_instance_status_json(i), "{\"left\":1}");
    pd_instance_free(i);
}

static void a_new_execution_has_another_id_the_version_asked_for_and_the_same_tags(void **state)
{
    struct kit *kit = begin(state);
    pd_error err;
    pd_start_options options = { .id = "i", .version = "1", .tags = PD_OBJ("k", "v").value_ };
    kit_expect(pd_hub_start(kit->hub, "MovesOn", PD_NULL, &options, NULL, &err), PD_OK, &err, "i");
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[\"1\",\"2\",true,2,\"v\"]");
    pd_instance *i = kit_fetch(kit, "i");
    assert_string_equal(pd_instance_version(i), "2");
    assert_string_equal(pd_instance_tag(i, "k"), "v");
    pd_instance_free(i);
}

static void an_endless_loop_stays_small_and_is_terminated_for_good(void **state)
{
    struct kit *kit = begin(state);
    pd_error err;
    kit_start(kit, "Endless", PD_VAL(0), "i", NULL);
    kit_await_state(kit, "i", PD_RUN_RUNNING);
    for (int64_t round = 0; round < 100;) {
        pd_history *h = kit_history(kit, "i");
        assert_true(pd_history_count(h) <= 6);
        pd_history_free(h);
        pd_instance *i = kit_fetch(kit, "i");
        round = strtoll(pd_instance_input_json(i), NULL, 10);
        assert_int_equal(pd_instance_state(i), PD_RUN_RUNNING);
        pd_instance_free(i);
    }
    kit_expect(pd_hub_terminate(kit->hub, "i", "enough", false, &err), PD_OK, &err, "terminate");
    kit_assert_ends(kit, "i", PD_RUN_TERMINATED, "\"enough\"");
    pd_instance *ended = kit_fetch(kit, "i");
    kit_sleep_ms(30);
    kit_rest(kit);
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_sleep_ms(30);
    pd_instance *later = kit_fetch(kit, "i");
    assert_int_equal(pd_instance_state(later), PD_RUN_TERMINATED);
    assert_string_equal(pd_instance_execution_id(later), pd_instance_execution_id(ended));
    assert_string_equal(pd_instance_input_json(later), pd_instance_input_json(ended));
    pd_instance_free(ended);
    pd_instance_free(later);
}

/* ---- what is the same at every replay, and code that is not --------------------------------- */

static void time_chance_and_uuids_are_the_same_at_every_replay(void **state)
{
    struct kit *kit = begin(state);
    pd_error err;
    pd_worker_options options = { .orchestrations_max = 1 };
    kit_rest(kit);
    kit_work_on(kit, PD_PROGRAM(program), &options); /* those that sleep are dropped */
    pd_id ids[6] = { 0 };
    kit_expect(pd_hub_start_many(kit->hub, "Chance", 6, NULL, ids, &err), PD_OK, &err, "start");
    const char *first = NULL;
    pd_instance *all[6];
    for (int i = 0; i < 6; i++) {
        all[i] = kit_wait(kit, ids[i].text);
        assert_int_equal(pd_instance_state(all[i]), PD_RUN_COMPLETED);
        const char *uuid = pd_text(pd_at(pd_instance_output(all[i]), 0));
        assert_int_equal(strlen(uuid), 36);
        assert_int_equal(uuid[14], '5');
        assert_true(first == NULL || strcmp(uuid, first) != 0);
        first = uuid;
    }
    for (int i = 0; i < 6; i++) {
        pd_instance_free(all[i]);
    }
}

static void a_change_is_for_those_who_come_to_it_and_not_for_those_who_went_past(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "Changing", PD_VAL(1), "began yesterday", NULL);
    for (size_t done = 0; done == 0;) {
        kit_sleep_ms(2);
        done = kit_count_events(kit, "began yesterday", "TaskCompleted");
    }
    kit_rest(kit);
    kit_work_on(kit, PD_PROGRAM(program_of_today), NULL);
    kit_start(kit, "Changing", PD_VAL(2), "began today", NULL);
    kit_raise(kit, "began yesterday", "go", PD_NULL);
    kit_raise(kit, "began today", "go", PD_NULL);
    kit_assert_ends(kit, "began yesterday", PD_RUN_COMPLETED, "[1,\"old\"]");
    kit_assert_ends(kit, "began today", PD_RUN_COMPLETED, "[2,\"new\"]");
}

static void changed_code_without_a_marker_is_told_with_the_event_and_both_actions(void **state)
{
    struct kit *kit = *state;
    kit_work_on(kit, PD_PROGRAM(program_of_today), NULL);
    kit_start(kit, "Changing", PD_VAL(1), "i", NULL);
    for (size_t done = 0; done < 2;) {
        kit_sleep_ms(2);
        done = kit_count_events(kit, "i", "TaskCompleted");
    }
    kit_rest(kit);
    kit_work_on(kit, PD_PROGRAM(program), NULL); /* as if the change were taken back */
    kit_raise(kit, "i", "go", PD_NULL);
    kit_assert_ends(kit, "i", PD_RUN_FAILED, "null");
    pd_instance *i = kit_fetch(kit, "i");
    const pd_failure *f = pd_instance_failure(i);
    assert_string_equal(f->type, "NonDeterminism");
    assert_non_null(strstr(f->message, "'Twice' (event "));
    assert_non_null(strstr(f->message, "'Note'"));
    pd_instance_free(i);
    kit->program = program_of_today; /* with which it is replayed now: all the same */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(events_are_kept_in_order_over_executions_also_in_the_turn_that_ends_one),
        HUB_TEST(events_that_nobody_took_are_forgotten_when_that_is_asked_for),
        HUB_TEST(a_status_and_those_who_wait_outlive_an_execution),
        HUB_TEST(a_new_execution_has_another_id_the_version_asked_for_and_the_same_tags),
        HUB_TEST(an_endless_loop_stays_small_and_is_terminated_for_good),
        HUB_TEST(time_chance_and_uuids_are_the_same_at_every_replay),
        HUB_TEST(a_change_is_for_those_who_come_to_it_and_not_for_those_who_went_past),
        HUB_TEST(changed_code_without_a_marker_is_told_with_the_event_and_both_actions),
    };
    return cmocka_run_group_tests_name("pattern/loops", tests, NULL, NULL);
}
