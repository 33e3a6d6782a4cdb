/* SPDX-License-Identifier: MIT
 *
 * Entities: operations in batches, what they answer and what they ask for (K3), and purging.
 */
#include <string.h>

#include "base/limits.h"
#include "core/entity.h"
#include "rig.h"

static const struct model_row *stored(struct rig *rig, const char *id)
{
    return model_find(&rig->model, text_of(id));
}

/* Takes the next turn, which must be there. */
static const struct turn *open_turn(struct rig *rig)
{
    const struct turn *turn;
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    return turn;
}

static bool has_turn(struct rig *rig)
{
    uint64_t row;
    return core_peek_ready(rig->core, &row, 1) != 0;
}

/* ---- operations ---- */

static void operations_run_one_after_the_other_each_on_what_the_one_before_left(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@counter@a", "add", "5");
    rig_signal(rig, "@counter@a", "add", "7");
    rig_signal(rig, "@counter@a", "say", "!");
    const struct turn *turn = open_turn(rig);
    assert_true(turn_is_of_entity(turn));
    assert_int_equal(turn->event_count, 4);
    assert_false(text_is_present(turn->state));
    assert_false(has_turn(rig)); /* at most one is open (K3) */
    rig_end_turn(rig, turn);
    assert_string_equal(rig_state(rig, "@counter@a"), "12!");
    assert_int_equal(core_counters(rig->core).operations, 3);
}

static void what_comes_while_a_turn_is_open_is_for_the_next(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    const struct turn *turn = open_turn(rig);
    rig_signal(rig, "@log@", "say", "b");
    assert_int_equal(turn->event_count, 2);
    assert_false(has_turn(rig));
    rig_end_turn(rig, turn);
    assert_string_equal(rig_state(rig, "@log@"), "a");
    turn = open_turn(rig);
    assert_true(text_equal(turn->state, TEXT("a")));
    rig_end_turn(rig, turn);
    assert_string_equal(rig_state(rig, "@log@"), "ab");
}

static void operations_that_were_not_run_are_offered_again_first(void **state)
{
    struct rig *rig = *state;
    rig->most = 2;
    rig_signal(rig, "@log@", "say", "a");
    rig_signal(rig, "@log@", "say", "b");
    rig_signal(rig, "@log@", "say", "c");
    rig_end_turn(rig, open_turn(rig));
    assert_string_equal(rig_state(rig, "@log@"), "ab");
    rig_signal(rig, "@log@", "say", "d");
    rig_run(rig);
    assert_string_equal(rig_state(rig, "@log@"), "abcd");
}

static void a_turn_takes_no_more_operations_than_any_turn_takes_events(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i <= LIMIT_TURN_EVENTS; i++) {
        rig_signal(rig, "@counter@", "add", "1");
    }
    const struct turn *turn = open_turn(rig);
    assert_int_equal(turn->event_count, LIMIT_TURN_EVENTS + 1);
    rig_end_turn(rig, turn);
    turn = open_turn(rig);
    assert_int_equal(turn->event_count, 2);
    rig_end_turn(rig, turn);
}

static void a_turn_that_is_given_back_is_offered_again_at_once(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    core_postpone_turn(rig->core, open_turn(rig));
    rig_run(rig);
    assert_string_equal(rig_state(rig, "@log@"), "a");
}

static void an_entity_that_its_worker_left_is_not_offered_again_while_it_is_here(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    core_leave_turn(rig->core, open_turn(rig));
    rig_signal(rig, "@log@", "say", "b");
    assert_false(has_turn(rig));
    rig_flush(rig);
    assert_true(stored(rig, "@log@")->record.is_busy); /* whoever comes next is to run it (K5) */
    rig_crash(rig);
    rig_run(rig);
    assert_string_equal(rig_state(rig, "@log@"), "ab");
}

static void now_in_a_turn_is_later_than_the_time_for_which_a_signal_was_kept(void **state)
{
    struct rig *rig = *state;
    time_us at = rig->now + TIME_SECOND;
    rig_say(rig, &(struct said){ .to = "@log@", .op = "say", .payload = "a", .at = at });
    rig->now = at;
    assert_int_equal(rig_fire(rig), 1);
    const struct turn *turn = open_turn(rig);
    assert_true(turn->events[0].at > at); /* C6 */
    rig_end_turn(rig, turn);
}

/* ---- calls ---- */

static void a_call_is_answered_with_the_value_of_its_operation(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "call:@counter@a:add:5 | end");
    rig_signal(rig, "@counter@a", "add", "1");
    rig_run(rig);
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "a")->output, TEXT("[1,0,0,0]")));
    size_t count;
    const struct event **history = model_history(&rig->model, stored(rig, "a"), &count);
    assert_int_equal(history[4]->kind, EVENT_ENTITY_COMPLETED);
    assert_int_equal(history[4]->ref, 0);
    assert_true(text_equal(history[4]->payload, TEXT("6")));
    assert_true(text_equal(history[4]->request_id, TEXT("r0")));
}

static void a_failure_is_the_callers_and_the_batch_goes_on(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    rig_start(rig, "a", "script", "call:@log@:fail signal:@log@:fail signal:@log@:say:b | end");
    rig_run(rig);
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "a")->output, TEXT("[0,1,0,0]")));
    size_t count;
    const struct event **history = model_history(&rig->model, stored(rig, "a"), &count);
    const struct event *failed = history[6];
    assert_int_equal(failed->kind, EVENT_ENTITY_FAILED);
    assert_true(text_equal(failed->failure->type, TEXT("Broken")));
    assert_true(text_equal(failed->failure->cause->type, TEXT("Disk")));
    assert_string_equal(rig_state(rig, "@log@"), "ab");
}

static void a_call_to_what_is_no_entity_fails_and_a_signal_to_it_goes_nowhere(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "call:nobody:add:5 signal:nobody:add:5 | end");
    rig_run(rig);
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "a")->output, TEXT("[0,1,0,0]")));
    assert_int_equal(core_counters(rig->core).dropped_letters, 1);
}

static void an_answer_for_an_execution_that_is_over_is_dropped(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "call:@log@:say:x | end");
    rig_end_turn(rig, open_turn(rig));
    (void)rig_deliver(rig);
    rig_terminate(rig, "a", NULL, false);
    rig_run(rig);
    assert_int_equal(core_counters(rig->core).dropped_completions, 1);
    assert_string_equal(rig_state(rig, "@log@"), "x"); /* done all the same */
}

static void an_answer_that_comes_twice_counts_once(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "call:@log@:say:x");
    rig_run(rig);
    struct event answer = { .kind = EVENT_ENTITY_COMPLETED, .id = EVENT_NO_ID, .ref = 0 };
    struct instance *a = rig_instance(rig, "a");
    assert_false(core_complete_call(rig->core, rig->now, a, a->execution_id, &answer));
    answer.ref = 9;
    assert_false(core_complete_call(rig->core, rig->now, a, a->execution_id, &answer));
    assert_int_equal(core_counters(rig->core).dropped_completions, 2);
}

static void a_call_that_is_cancelled_is_run_and_its_answer_dropped(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "call:@log@:say:x timer:1 | cancel:0");
    rig_end_turn(rig, open_turn(rig));
    (void)rig_deliver(rig);
    rig->now += 2 * TIME_SECOND;
    assert_int_equal(rig_fire(rig), 1);
    const struct turn *first = open_turn(rig);
    const struct turn *second = open_turn(rig);
    bool is_entity_first = turn_is_of_entity(first);
    rig_end_turn(rig, is_entity_first ? second : first); /* cancels */
    rig_end_turn(rig, is_entity_first ? first : second); /* answers */
    rig_run(rig);
    assert_int_equal(core_counters(rig->core).dropped_completions, 1);
    assert_string_equal(rig_state(rig, "@log@"), "x");
}

static void an_orchestration_that_waits_for_an_answer_is_not_busy(void **state)
{
    struct rig *rig = *state;
    rig->posts = true;
    rig_start(rig, "a", "script", "call:@log@:say:x | end");
    rig_run(rig);
    rig_flush(rig);
    assert_false(rig_stored(rig, "a")->is_busy); /* C4 */
    assert_true(rig_can_evict(rig));
    assert_int_equal(core_resident_count(rig->core), 0);
    for (int i = 0; i < 3; i++) { /* call, answer, end: each through the mailbox */
        rig_receive(rig);
        rig_run(rig);
        rig_flush(rig);
    }
    assert_true(text_equal(rig_stored(rig, "a")->output, TEXT("[1,0,0,0]")));
}

static void names_are_folded_where_orchestrations_ask(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "call:@LOG@Key:say:x signal:@Log@Key:say:y | end");
    rig_run(rig);
    assert_string_equal(rig_state(rig, "@log@Key"), "xy");
}

static void a_caller_that_does_not_say_who_it_is_is_dropped(void **state)
{
    struct rig *rig = *state;
    pd_error err;
    struct event_extra nobody = { .has_parent = true };
    struct event call = { .kind = EVENT_ENTITY_CALLED, .id = 0, .name = TEXT("get") };
    struct instance *log = rig_entity(rig, "@log@");
    assert_int_equal(core_operate(rig->core, rig->now, log, &call, &err), PD_OK);
    call.extra = &nobody;
    assert_int_equal(core_operate(rig->core, rig->now, log, &call, &err), PD_OK);
    call.kind = EVENT_EVENT_RAISED;
    assert_int_equal(core_operate(rig->core, rig->now, log, &call, &err), PD_OK);
    assert_int_equal(core_counters(rig->core).dropped_letters, 3);
    assert_false(has_turn(rig));
}

static void what_an_operation_was_read_from_does_not_hold_any_more(void **state)
{
    struct rig *rig = *state;
    pd_error err;
    struct event event = { .kind = EVENT_ENTITY_SIGNALED, .name = TEXT("get") };
    event.raw = TEXT("as it came, with the sender's time");
    core_operate(rig->core, rig->now, rig_entity(rig, "@log@"), &event, &err);
    const struct turn *turn = open_turn(rig);
    assert_false(text_is_present(turn->events[1].raw));
    assert_int_equal(turn->events[1].at, rig->now);
    rig_end_turn(rig, turn);
}

/* ---- what operations ask for ---- */

static void a_signal_to_itself_is_run_after_what_stands_in_line(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "tell", "@log@:say:c");
    rig_signal(rig, "@log@", "say", "a");
    rig_end_turn(rig, open_turn(rig));
    rig_signal(rig, "@log@", "say", "b");
    rig_run(rig);
    assert_string_equal(rig_state(rig, "@log@"), "abc");
}

static void signals_of_entities_get_request_ids_of_their_own(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@a@", "tell", "@B@:say:x");
    rig_signal(rig, "@a@", "tell", "@B@:say:y");
    rig_end_turn(rig, open_turn(rig));
    const struct letter *first = core_next_letter(rig->core);
    const struct letter *second = core_next_letter(rig->core);
    assert_true(text_equal(first->instance_id, TEXT("@b@")));
    assert_int_equal(first->event->request_id.size, REQUEST_ID_SIZE - 1);
    assert_false(text_equal(first->event->request_id, second->event->request_id));
    assert_null(first->event->extra); /* it owns no lock: it does not overtake anything */
    rig_flush(rig);
}

static void an_entity_starts_orchestrations_that_are_nobodys_children(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@a@", "start", "job:script:end");
    rig_signal(rig, "@a@", "start", ":approval:");
    rig_end_turn(rig, open_turn(rig));
    const struct letter *letter = core_next_letter(rig->core);
    assert_int_equal(letter->kind, MESSAGE_START);
    assert_int_equal(letter->flags, STATES_ENDED);
    assert_true(text_equal(letter->instance_id, TEXT("job")));
    assert_false(text_is_present(letter->event->execution_id)); /* its own partition makes one */
    assert_null(letter->event->extra);
    letter = core_next_letter(rig->core);
    assert_int_equal(letter->instance_id.size, 32);
    assert_true(text_equal(letter->instance_id, letter->event->instance_id));
    rig_flush(rig);
}

static void nonsense_is_not_taken_from_whoever_runs_operations(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@a@", "say", "x");
    rig_signal(rig, "@a@", "say", "y");
    const struct turn *turn = open_turn(rig);
    struct operation_result results[3] = { 0 };
    struct action action = { .kind = ACTION_SIGNAL_ENTITY, .instance_id = TEXT("@b@") };
    struct entity_result result = { .results = results, .actions = &action };
    assert_false(core_takes_entity_result(rig->core, turn, &result)); /* none */
    result.result_count = 3;
    assert_false(core_takes_entity_result(rig->core, turn, &result)); /* more than there were */
    result.result_count = 2;
    assert_true(core_takes_entity_result(rig->core, turn, &result));
    result.action_count = 1;
    assert_true(core_takes_entity_result(rig->core, turn, &result));
    action.instance_id = TEXT("b");
    assert_false(core_takes_entity_result(rig->core, turn, &result));
    action.kind = ACTION_CANCEL_SIGNAL;
    assert_false(core_takes_entity_result(rig->core, turn, &result));
    action.kind = ACTION_START;
    assert_true(core_takes_entity_result(rig->core, turn, &result));
    action.instance_id = TEXT("@b@");
    assert_false(core_takes_entity_result(rig->core, turn, &result));
    action.instance_id = TEXT_ABSENT;
    assert_true(core_takes_entity_result(rig->core, turn, &result));
    for (int kind = 0; kind <= ACTION_CONTINUE_AS_NEW; kind++) {
        action.kind = (enum action_kind)kind;
        action.instance_id = TEXT("@b@");
        bool is_signal = kind == ACTION_SIGNAL_ENTITY || kind == ACTION_CANCEL_SIGNAL;
        assert_int_equal(core_takes_entity_result(rig->core, turn, &result), is_signal);
    }
    rig_end_turn(rig, turn);
}

static void an_orchestration_may_not_ask_for_what_entities_ask_for(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "");
    const struct turn *turn = open_turn(rig);
    struct action action = { .kind = ACTION_START, .name = TEXT("x") };
    struct turn_result result = { .actions = &action, .action_count = 1 };
    assert_false(core_takes_result(rig->core, turn, &result));
    action.kind = ACTION_CALL_ENTITY;
    assert_true(core_takes_result(rig->core, turn, &result));
    rig_end_turn(rig, turn);
}

static void a_call_needs_a_step_of_its_own(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "call:@a@:get");
    rig_end_turn(rig, open_turn(rig));
    rig_raise(rig, "a", "x", NULL);
    const struct turn *turn = open_turn(rig);
    struct action action = { .kind = ACTION_CALL_ENTITY, .id = 0 };
    struct turn_result result = { .actions = &action, .action_count = 1 };
    assert_false(core_takes_result(rig->core, turn, &result)); /* open already */
    action.id = 1;
    assert_true(core_takes_result(rig->core, turn, &result));
    rig_end_turn(rig, turn);
}

/* ---- purging ---- */

static void a_purge_takes_the_state_and_leaves_what_stands_in_line(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "b");
    assert_int_equal(rig_purge_entity(rig, "@log@", 0), PD_OK);
    rig_run(rig);
    assert_string_equal(rig_state(rig, "@log@"), "b");
    assert_int_equal(rig_purge_entity(rig, "@log@", 0), PD_OK);
    rig_flush(rig);
    assert_null(stored(rig, "@log@"));
    assert_int_equal(rig_purge_entity(rig, "@log@", 0), PD_E_NOT_FOUND);
}

static void a_purge_under_an_open_turn_takes_what_that_leaves(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    rig_run(rig);
    rig_start(rig, "a", "script", "call:@log@:say:b | end");
    rig_end_turn(rig, open_turn(rig));
    (void)rig_deliver(rig);
    const struct turn *turn = open_turn(rig);
    assert_int_equal(rig_purge_entity(rig, "@log@", 0), PD_OK);
    assert_true(text_equal(turn->state, TEXT("a"))); /* which is lent */
    rig_end_turn(rig, turn);
    assert_string_equal(rig_state(rig, "@log@"), "-");
    rig_run(rig);
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "a")->output, TEXT("[1,0,0,0]"))); /* it counts */
    assert_null(stored(rig, "@log@"));
}

static void a_purge_under_an_open_turn_is_not_forgotten_with_the_turn(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "b");
    (void)open_turn(rig);
    assert_int_equal(rig_purge_entity(rig, "@log@", 0), PD_OK);
    rig_flush(rig);
    rig_crash(rig);
    rig_run(rig); /* the turn's operation, once more */
    assert_string_equal(rig_state(rig, "@log@"), "b");
    rig_signal(rig, "@log@", "say", "c");
    const struct turn *turn = open_turn(rig);
    assert_int_equal(rig_purge_entity(rig, "@log@", 0), PD_OK);
    core_postpone_turn(rig->core, turn);
    rig_run(rig);
    assert_string_equal(rig_state(rig, "@log@"), "c");
}

static void a_purge_of_what_was_not_changed_since_is_refused_when_it_was_or_is_in_use(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    rig_run(rig);
    rig_flush(rig);
    time_us changed_at = stored(rig, "@log@")->entity->updated_at;
    assert_int_equal(rig_purge_entity(rig, "@log@", changed_at - 1), PD_E_STATE);
    rig_signal(rig, "@log@", "get", NULL);
    assert_int_equal(rig_purge_entity(rig, "@log@", changed_at), PD_E_STATE); /* something waits */
    rig_run(rig);
    assert_int_equal(rig_purge_entity(rig, "@log@", changed_at), PD_E_STATE); /* changed */
    rig_flush(rig);
    changed_at = stored(rig, "@log@")->entity->updated_at;
    rig_say(rig, &(struct said){ "@log@", "get", NULL, "later", rig->now + TIME_SECOND });
    assert_int_equal(rig_purge_entity(rig, "@log@", changed_at), PD_E_STATE);
    assert_true(rig_cancel_signal(rig, "@log@", "later"));
    assert_int_equal(rig_purge_entity(rig, "@log@", changed_at), PD_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(operations_run_one_after_the_other_each_on_what_the_one_before_left),
        TEST(what_comes_while_a_turn_is_open_is_for_the_next),
        TEST(operations_that_were_not_run_are_offered_again_first),
        TEST(a_turn_takes_no_more_operations_than_any_turn_takes_events),
        TEST(a_turn_that_is_given_back_is_offered_again_at_once),
        TEST(an_entity_that_its_worker_left_is_not_offered_again_while_it_is_here),
        TEST(now_in_a_turn_is_later_than_the_time_for_which_a_signal_was_kept),
        TEST(a_call_is_answered_with_the_value_of_its_operation),
        TEST(a_failure_is_the_callers_and_the_batch_goes_on),
        TEST(a_call_to_what_is_no_entity_fails_and_a_signal_to_it_goes_nowhere),
        TEST(an_answer_for_an_execution_that_is_over_is_dropped),
        TEST(an_answer_that_comes_twice_counts_once),
        TEST(a_call_that_is_cancelled_is_run_and_its_answer_dropped),
        TEST(an_orchestration_that_waits_for_an_answer_is_not_busy),
        TEST(names_are_folded_where_orchestrations_ask),
        TEST(a_caller_that_does_not_say_who_it_is_is_dropped),
        TEST(what_an_operation_was_read_from_does_not_hold_any_more),
        TEST(a_signal_to_itself_is_run_after_what_stands_in_line),
        TEST(signals_of_entities_get_request_ids_of_their_own),
        TEST(an_entity_starts_orchestrations_that_are_nobodys_children),
        TEST(nonsense_is_not_taken_from_whoever_runs_operations),
        TEST(an_orchestration_may_not_ask_for_what_entities_ask_for),
        TEST(a_call_needs_a_step_of_its_own),
        TEST(a_purge_takes_the_state_and_leaves_what_stands_in_line),
        TEST(a_purge_under_an_open_turn_takes_what_that_leaves),
        TEST(a_purge_under_an_open_turn_is_not_forgotten_with_the_turn),
        TEST(a_purge_of_what_was_not_changed_since_is_refused_when_it_was_or_is_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
