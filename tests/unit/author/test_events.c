/* SPDX-License-Identifier: MIT
 *
 * External events and giving up: who gets what, in which order, and what is cancelled. */
#include "play.h"

#include <string.h>

/* ---- who gets what --------------------------------------------------------------------------- */

static pd_result between(pd_orchestration *o, pd_value input)
{
    pd_list *got = pd_list_new(o);
    pd_list_add(got, pd_wait_event(o, "E"));
    pd_call_activity(o, "A", input);
    pd_list_add(got, pd_wait_event(o, "e"));
    pd_list_add(got, pd_wait_event(o, "E"));
    return pd_ok(o, got);
}

static const pd_function between_program[] = { PD_FUNCTION("Main", between) };

static void script_between(struct play *p)
{
    play_raise(p, "E", "0"); /* before the start */
    play_start(p, "Main", NULL);
    play_raise(p, "E", "1");
    play_raise(p, "E", "2");
    play_complete(p, 0, NULL);
    play_turn(p);
}

static void an_event_between_two_waits_is_kept(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(between_program), script_between,
             "turn 1\n  0 A null\nturn 2\n  1 completed [0,1,2]\n");
}

static pd_result waiters(pd_orchestration *o, pd_value input)
{
    pd_task *t[4];
    for (int i = 0; i < 4; i++) {
        t[i] = pd_expect_event(o, i % 2 == 0 ? "Go" : "gO");
    }
    pd_call_activity(o, "A", input);
    if (pd_bool(input)) {
        pd_cancel(o, t[0]);
        pd_cancel(o, t[2]);
        pd_cancel(o, t[2]); /* of one that has ended nothing changes */
    }
    pd_wait(o, t[3]);
    pd_list *got = pd_list_new(o);
    for (int i = 0; i < 4; i++) {
        pd_list_add(got, pd_task_failure(t[i]) != NULL ? pd_of_text(pd_task_failure(t[i])->type)
                                                       : pd_task_value(t[i]));
    }
    return pd_ok(o, got);
}

static const pd_function waiters_program[] = { PD_FUNCTION("Main", waiters) };

static void serve(struct play *p, const char *input, int count)
{
    static const char *const numbers[] = { "0", "1", "2", "3" };
    play_start(p, "Main", input);
    play_complete(p, 0, NULL);
    play_turn(p);
    for (int i = 0; i < count; i++) {
        play_raise(p, "GO", numbers[i]);
        play_turn(p);
    }
}

static void script_served(struct play *p)
{
    serve(p, "false", 4);
}

static void several_waiters_are_served_oldest_first(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(waiters_program), script_served,
             "turn 1\n  0 A false\nturn 2\nturn 3\nturn 4\nturn 5\nturn 6\n"
             "  1 completed [0,1,2,3]\n");
}

static void script_passed_over(struct play *p)
{
    serve(p, "true", 2);
}

static void a_cancelled_waiter_leaves_the_event_to_the_next(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(waiters_program), script_passed_over,
             "turn 1\n  0 A true\nturn 2\nturn 3\nturn 4\n"
             "  1 completed [\"Cancelled\",0,\"Cancelled\",1]\n");
}

/* ---- with a limit of time -------------------------------------------------------------------- */

static pd_result limited(pd_orchestration *o, pd_value limit)
{
    pd_value payload = pd_of_int(-1);
    bool came = pd_wait_event_for(o, "E", pd_milliseconds(pd_int(limit)), &payload);
    pd_call_activity(o, "A", PD_ARR(came, payload));
    return pd_ok(o, pd_wait_event_for(o, "E", pd_days(1), NULL));
}

static const pd_function limited_program[] = { PD_FUNCTION("Main", limited) };

static void script_in_time(struct play *p)
{
    play_start(p, "Main", "5000");
    play_raise(p, "Other", "0");
    play_turn(p);
    play_raise(p, "e", "{\"x\":1}");
    play_fire(p, 0); /* in the same turn, but later */
    play_turn(p);
    play_complete(p, 1, NULL);
    play_turn(p);
    play_fire(p, 2);
    play_turn(p);
}

static void an_event_in_time_is_taken_and_its_timer_cancelled(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(limited_program), script_in_time,
             "turn 1\n  0 timer 6000001\nturn 2\nturn 3\n  cancels 0\n  1 A [true,{\"x\":1}]\n"
             "turn 4\n  2 timer 86404000011\nturn 5\n  3 completed false\n");
}

static void script_too_late(struct play *p)
{
    play_start(p, "Main", "5000");
    play_fire(p, 0);
    play_raise(p, "E", "1"); /* in the same turn, but later */
    play_turn(p);
    play_complete(p, 1, NULL);
    play_turn(p);
}

static void an_event_after_the_limit_is_kept_for_the_next_who_waits(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(limited_program), script_too_late,
             "turn 1\n  0 timer 6000001\nturn 2\n  1 A [false,-1]\nturn 3\n  2 completed true\n");
}

static void script_zero(struct play *p)
{
    play_start(p, "Main", "0");
    play_fire(p, 0);
    play_turn(p);
}

static void script_below_zero(struct play *p)
{
    play_start(p, "Main", "-9223372036854775807");
    play_fire(p, 0);
    play_turn(p);
}

static void zero_time_out_of_a_wait_gives_up_in_the_next_turn(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(limited_program), script_zero,
             "turn 1\n  0 timer 1000001\nturn 2\n  1 A [false,-1]\n");
    play_all(PD_PROGRAM(limited_program), script_below_zero,
             "turn 1\n  0 timer -9223372036853775807\nturn 2\n  1 A [false,-1]\n");
}

static pd_result looks(pd_orchestration *o, pd_value input)
{
    pd_value payload;
    pd_call_activity(o, "A", input);
    if (!pd_wait_event_for(o, "E", pd_seconds(0), &payload)) {
        return pd_ok(o, "none");
    }
    return pd_ok(o, payload);
}

static void script_zero_and_there(struct play *p)
{
    play_start(p, "Main", NULL);
    play_raise(p, "E", "9");
    play_complete(p, 0, NULL);
    play_turn(p);
}

/* It is not there yet: it comes behind what the code was waiting for. */
static void script_zero_and_coming(struct play *p)
{
    play_start(p, "Main", NULL);
    play_complete(p, 0, NULL);
    play_raise(p, "E", "9");
    play_turn(p);
}

static void zero_time_out_takes_an_event_that_is_there_and_sets_no_timer(void **state)
{
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Main", looks) };
    play_all(PD_PROGRAM(rows), script_zero_and_there,
             "turn 1\n  0 A null\nturn 2\n  1 completed 9\n");
    play_all(PD_PROGRAM(rows), script_zero_and_coming,
             "turn 1\n  0 A null\nturn 2\n  1 timer 2000004\n  cancels 1\n  2 completed 9\n");
}

/* ---- sending --------------------------------------------------------------------------------- */

static pd_result sender(pd_orchestration *o, pd_value input)
{
    pd_send_event(o, "order-8", "Paid", PD_OBJ("n", input));
    pd_send_event(o, pd_instance_id(o), "Self", PD_NULL);
    pd_value own = pd_wait_event(o, "self");
    pd_send_event(o, "order-8", "Done", own);
    return pd_ok(o, pd_call_activity(o, "A", 1));
}

static const pd_function sender_program[] = { PD_FUNCTION("Main", sender) };

static void script_sender(struct play *p)
{
    play_start(p, "Main", "7");
    play_complete(p, 0, "1"); /* nothing is heard of what was sent */
    play_fire(p, 1);
    play_turn(p);
    play_raise(p, "Self", "true");
    play_turn(p);
    play_complete(p, 3, "2");
    play_turn(p);
}

static void an_event_that_is_sent_is_a_step_nobody_waits_for(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(sender_program), script_sender,
             "turn 1\n  0 sends Paid {\"n\":7} to order-8\n  1 sends Self null to order-7\n"
             "turn 2\nturn 3\n  2 sends Done true to order-8\n  3 A 1\nturn 4\n  4 completed 2\n");
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static const pd_retry later = { .attempts_max = 3, .delay_first = { 60000 } };

static pd_result canceller(pd_orchestration *o, pd_value input)
{
    pd_task *activity = pd_start_activity(o, "A", input);
    pd_task *timer = pd_start_timer(o, pd_days(365));
    pd_task *child = pd_start_child(o, "C", input);
    pd_task *retried = pd_start_activity(o, "R", input, .retry = &later);
    pd_task *done = pd_start_activity(o, "D", input);
    pd_await(o, done);
    pd_cancel(o, activity);
    pd_cancel(o, timer);
    pd_cancel(o, child);
    pd_cancel(o, retried);
    pd_cancel(o, done);
    pd_task *at_once = pd_start_activity(o, "E", input);
    pd_cancel(o, at_once);
    bool is_fine = pd_wait_all(o, PD_TASKS(activity, timer, child, retried, at_once));
    pd_task *all[] = { activity, timer, child, retried, at_once };
    pd_list *said = pd_list_new(o);
    for (int i = 0; i < 5; i++) {
        pd_list_add(said, pd_task_failure(all[i])->message);
    }
    pd_call_activity(o, "Tell", said);
    pd_await(o, is_fine ? done : child);
    return pd_ok(o, "not reached");
}

static const pd_function canceller_program[] = { PD_FUNCTION("Main", canceller) };

static void script_canceller(struct play *p)
{
    play_start(p, "Main", "1");
    play_fail(p, 3, "Down", "d");
    play_turn(p);
    play_complete(p, 4, "4");
    play_turn(p);
    play_complete(p, 0, "0"); /* all of them come too late */
    play_fire(p, 1);
    play_child_fail(p, 2, "OrchestrationTerminated", "t");
    play_fire(p, 5);
    play_complete(p, 6, "6");
    play_turn(p);
    play_complete(p, 7, NULL);
    play_turn(p);
}

static void what_is_cancelled_has_failed_at_once_and_no_attempt_follows(void **state)
{
    (void)state;
    play_all(
        PD_PROGRAM(canceller_program), script_canceller,
        "turn 1\n  0 A 1\n  1 timer 31536001000001\n  2 child C 1 as e1:0002\n  3 R 1\n  4 D 1\n"
        "turn 2\n  5 timer 62000008 answers 3\n"
        "turn 3\n  cancels 0\n  cancels 1\n  cancels 2\n  cancels 5\n  6 E 1\n  cancels 6\n"
        "  7 Tell [\"activity 'A' was cancelled\",\"the timer was cancelled\","
        "\"child 'C' was cancelled\",\"activity 'R' was cancelled\","
        "\"activity 'E' was cancelled\"]\n"
        "turn 4\nturn 5\n"
        "  8 failed TaskFailed: child 'C' (step 2) failed: child 'C' was cancelled <- "
        "Cancelled: child 'C' was cancelled\n");
}

static pd_result abandons(pd_orchestration *o, pd_value input)
{
    pd_cancel(o, pd_start_activity(o, "Nobody waits", input));
    return pd_ok(o, 1);
}

static void script_abandons(struct play *p)
{
    play_start(p, "Main", "1");
}

static void what_nobody_waits_for_can_be_cancelled_in_the_last_turn(void **state)
{
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Main", abandons) };
    play_all(PD_PROGRAM(rows), script_abandons,
             "turn 1\n  0 Nobody waits 1\n  cancels 0\n  1 completed 1\n");
}

/* ---- cancelling, compared with history ------------------------------------------------------- */

static pd_result without_cancel(pd_orchestration *o, pd_value input)
{
    pd_start_activity(o, "A", input);
    pd_call_activity(o, "B", input);
    pd_call_activity(o, "C", input);
    return pd_ok(o, PD_NULL);
}

static pd_result with_cancel(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input);
    pd_call_activity(o, "B", input);
    pd_cancel(o, a);
    pd_call_activity(o, "C", input);
    return pd_ok(o, PD_NULL);
}

static pd_result with_more_at_the_end(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input);
    pd_call_activity(o, "B", input);
    pd_cancel(o, a);
    pd_task *c = pd_start_activity(o, "C", input);
    pd_cancel(o, pd_start_activity(o, "D", input));
    pd_await(o, c);
    return pd_ok(o, PD_NULL);
}

static void changed(pd_orchestrator_fn *before, pd_orchestrator_fn *after, const char *expected)
{
    const pd_function old[] = { PD_FUNCTION("Main", before) };
    const pd_function new[] = { PD_FUNCTION("Main", after) };
    struct play p;
    play_begin(&p, PD_PROGRAM(old), PLAY_KEPT);
    play_start(&p, "Main", "1");
    play_complete(&p, 1, "1");
    play_turn(&p);
    play_restart(&p, PD_PROGRAM(new));
    buffer_reset(&p.transcript);
    play_complete(&p, 2, "1");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), expected);
    play_end(&p);
}

static void what_is_cancelled_must_be_what_history_has_cancelled(void **state)
{
    (void)state;
    changed(with_cancel, without_cancel,
            "turn 3\n  3 failed NonDeterminism: step 0: history has StepCancelled (event 8), the "
            "code has not cancelled it (final)\n");
    changed(without_cancel, with_cancel,
            "turn 3\n  3 failed NonDeterminism: step 0: history has TaskScheduled 'A' (event 3), "
            "and it was not cancelled; the code cancels it (final)\n");
    changed(with_cancel, with_more_at_the_end,
            "turn 3\n  3 D 1\n  cancels 3\n  4 completed null\n");
}

static pd_result sends_another(pd_orchestration *o, pd_value input)
{
    pd_send_event(o, "order-8", "Unpaid", input);
    return pd_ok(o, pd_wait_event(o, "E"));
}

static pd_result sends(pd_orchestration *o, pd_value input)
{
    pd_send_event(o, "order-8", "Paid", input);
    return pd_ok(o, pd_wait_event(o, "E"));
}

static pd_result sends_elsewhere(pd_orchestration *o, pd_value input)
{
    pd_send_event(o, "order-9", "Paid", input);
    return pd_ok(o, pd_wait_event(o, "E"));
}

static void then(pd_orchestrator_fn *after, const char *expected)
{
    const pd_function old[] = { PD_FUNCTION("Main", sends) };
    const pd_function new[] = { PD_FUNCTION("Main", after) };
    struct play p;
    play_begin(&p, PD_PROGRAM(old), PLAY_KEPT);
    play_start(&p, "Main", "1");
    play_restart(&p, PD_PROGRAM(new));
    buffer_reset(&p.transcript);
    play_raise(&p, "E", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), expected);
    play_end(&p);
}

static void an_event_that_is_sent_is_compared_by_name_and_not_by_receiver(void **state)
{
    (void)state;
    then(sends_another, "turn 2\n  1 failed NonDeterminism: step 0: history has EventSent 'Paid' "
                        "(event 3), the code asked for the sending of event 'Unpaid' (final)\n");
    then(sends_elsewhere, "turn 2\n  1 completed 2\n");
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static const char *id_for_test, *name_for_test;

static pd_result sends_for_test(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_send_event(o, id_for_test, name_for_test, PD_NULL);
    return pd_ok(o, "fine");
}

static pd_result cancels_null(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_cancel(o, NULL);
    return pd_ok(o, "not noticed");
}

static pd_result sends_nan(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_send_event(o, "a", "E", __builtin_nan(""));
    return pd_ok(o, "not noticed");
}

static void ends(pd_orchestrator_fn *code, const char *expected)
{
    const pd_function rows[] = { PD_FUNCTION("Main", code) };
    struct play p;
    play_begin(&p, PD_PROGRAM(rows), PLAY_KEPT);
    play_start(&p, "Main", NULL);
    const char *transcript = play_transcript(&p);
    if (strstr(transcript, expected) == NULL) {
        assert_string_equal(transcript, expected);
    }
    play_end(&p);
}

static void what_can_neither_be_sent_nor_cancelled_is_refused(void **state)
{
    (void)state;
    id_for_test = "a";
    ends(sends_for_test, "  0 failed Misuse: pd_send_event: the name of the event is NULL (final)");
    name_for_test = "";
    ends(sends_for_test, "the name of the event must be 1 to 256 bytes of UTF-8 (final)");
    name_for_test = "E";
    ends(sends_for_test, "  1 completed \"fine\"");
    id_for_test = "@entity";
    ends(sends_for_test, "  0 failed Misuse: pd_send_event: '@entity' begins with '@', which is "
                         "kept for entities (final)");
    id_for_test = NULL;
    ends(sends_for_test, "Misuse: pd_send_event: an instance id may not be empty (final)");
    ends(sends_nan, "  0 failed BadPayload: pd_send_event: the payload of event 'E': ");
    ends(cancels_null, "Misuse: pd_cancel: the task is NULL, or not of this orchestration (final)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_between_two_waits_is_kept),
        cmocka_unit_test(several_waiters_are_served_oldest_first),
        cmocka_unit_test(a_cancelled_waiter_leaves_the_event_to_the_next),
        cmocka_unit_test(an_event_in_time_is_taken_and_its_timer_cancelled),
        cmocka_unit_test(an_event_after_the_limit_is_kept_for_the_next_who_waits),
        cmocka_unit_test(zero_time_out_of_a_wait_gives_up_in_the_next_turn),
        cmocka_unit_test(zero_time_out_takes_an_event_that_is_there_and_sets_no_timer),
        cmocka_unit_test(an_event_that_is_sent_is_a_step_nobody_waits_for),
        cmocka_unit_test(what_is_cancelled_has_failed_at_once_and_no_attempt_follows),
        cmocka_unit_test(what_nobody_waits_for_can_be_cancelled_in_the_last_turn),
        cmocka_unit_test(what_is_cancelled_must_be_what_history_has_cancelled),
        cmocka_unit_test(an_event_that_is_sent_is_compared_by_name_and_not_by_receiver),
        cmocka_unit_test(what_can_neither_be_sent_nor_cancelled_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
