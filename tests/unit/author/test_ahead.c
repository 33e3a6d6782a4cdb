/* SPDX-License-Identifier: MIT
 *
 * Past turns are read one after the other (core/turn.h): what the code asks for before history has
 * it (R5 of replay.c), and a past that cannot be read. */
#include "play.h"

static pd_result a_then_go(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    return pd_ok(o, pd_wait_event(o, "Go"));
}

/* The next version of it: B and a timer beside A, of which it gives up the timer. */
static pd_result a_beside_b(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input);
    pd_start_activity(o, "B", input);
    pd_cancel(o, pd_start_timer(o, pd_seconds(60)));
    pd_await(o, a);
    return pd_ok(o, pd_wait_event(o, "Go"));
}

static pd_result a_beside_c(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input);
    pd_start_activity(o, "C", input);
    pd_cancel(o, pd_start_timer(o, pd_seconds(60)));
    pd_await(o, a);
    return pd_ok(o, pd_wait_event(o, "Go"));
}

static pd_result a_beside_b_waiting(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input);
    pd_start_activity(o, "B", input);
    pd_start_timer(o, pd_seconds(60));
    pd_await(o, a);
    return pd_ok(o, pd_wait_event(o, "Go"));
}

static pd_result a_beside_b_ending(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input);
    pd_start_activity(o, "B", input);
    pd_await(o, a);
    return pd_ok(o, PD_NULL);
}

/* Programs of one function each. */
static const pd_function programs[] = {
    PD_FUNCTION("Main", a_then_go),         PD_FUNCTION("Main", a_beside_b),
    PD_FUNCTION("Main", a_beside_c),        PD_FUNCTION("Main", a_beside_b_waiting),
    PD_FUNCTION("Main", a_beside_b_ending),
};
enum { A_THEN_GO, A_BESIDE_B, A_BESIDE_C, A_BESIDE_B_WAITING, A_BESIDE_B_ENDING };

static void exchange(struct play *p, int program)
{
    play_restart(p, &programs[program], 1);
    buffer_reset(&p->transcript);
}

static void begin(struct play *p, int program)
{
    play_begin(p, &programs[program], 1, PLAY_KEPT);
    play_start(p, "Main", "1");
    buffer_reset(&p->transcript);
}

/* Asked for in turn 1 by the code, in turn 2 by history. */
static void begin_ahead(struct play *p)
{
    begin(p, A_THEN_GO);
    exchange(p, A_BESIDE_B);
    play_complete(p, 0, "1");
    play_turn(p);
    assert_true(p->needed_history);
    assert_string_equal(play_transcript(p), "turn 2\n  1 B 1\n  2 timer 61000001\n"
                                            "  cancels 2\n");
}

static void what_the_code_adds_while_the_instance_waits_is_asked_for_once(void **state)
{
    (void)state;
    struct play p;
    begin_ahead(&p);
    for (int again = 0; again < 2; again++) {
        exchange(&p, A_BESIDE_B);
        play_raise(&p, "Other", "1");
        play_turn(&p);
        assert_true(p.needed_history);
        assert_string_equal(strchr(play_transcript(&p), '\n'), "\n");
    }
    exchange(&p, A_BESIDE_B);
    play_raise(&p, "Go", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), "turn 5\n  3 completed 2\n");
    play_end(&p);
}

/* 1 OrchestratorStarted, 2 ExecutionStarted, 3 TaskScheduled A, 4 OrchestratorCompleted,
 * 5 OrchestratorStarted, 6 TaskCompleted, 7 TaskScheduled B, 8 TimerCreated, 9 StepCancelled */
static void goes_on_with(int program, const char *expected)
{
    struct play p;
    begin_ahead(&p);
    exchange(&p, program);
    play_raise(&p, "Go", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), expected);
    play_end(&p);
}

static void what_history_has_later_is_compared_when_it_comes(void **state)
{
    (void)state;
    goes_on_with(A_BESIDE_C,
                 "turn 3\n  3 failed NonDeterminism: step 1: history has TaskScheduled 'B' (event "
                 "7), the code asked for activity 'C' (final)\n");
    goes_on_with(A_BESIDE_B_WAITING,
                 "turn 3\n  3 failed NonDeterminism: step 2: history has StepCancelled (event 9), "
                 "the code has not cancelled it (final)\n");
    goes_on_with(A_THEN_GO,
                 "turn 3\n  3 failed NonDeterminism: step 1: history has TaskScheduled 'B' (event "
                 "7), the code asked for nothing (final)\n");
    goes_on_with(A_BESIDE_B_ENDING,
                 "turn 3\n  3 failed NonDeterminism: step 2: history has TimerCreated (event 8), "
                 "the code has completed (final)\n");
}

/* History has the timer, which was not cancelled: the code cancels it before history has it. */
static void cancelling_ahead_what_history_keeps_differs(void **state)
{
    (void)state;
    struct play p;
    begin(&p, A_THEN_GO);
    exchange(&p, A_BESIDE_B_WAITING);
    play_complete(&p, 0, "1");
    play_turn(&p);
    exchange(&p, A_BESIDE_B);
    play_raise(&p, "Go", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p),
                        "turn 3\n  3 failed NonDeterminism: step 2: history has TimerCreated "
                        "(event 8), and it was not cancelled; the code cancels it (final)\n");
    play_end(&p);
}

static struct author_finding check(const struct play *p, int program, size_t broken_at,
                                   bool *ret_is_read, struct arena *arena)
{
    pd_error err;
    struct author_finding finding;
    struct told_past past;
    struct runner *runner = author_new(&programs[program], 1, NULL, &err);
    told_past_init(&past, p->history, p->history_count);
    past.broken_at = broken_at;
    *ret_is_read = author_replay(runner, &past.base, text_of("order-7"), 0, arena, &finding);
    assert_int_equal(author_counters(runner).resident, 0);
    told_past_done(&past);
    author_free(runner);
    return finding;
}

static void a_whole_history_may_catch_up_too_but_has_to_do_so(void **state)
{
    (void)state;
    struct play p;
    struct arena arena;
    bool is_read;
    arena_init(&arena);
    begin_ahead(&p);
    play_raise(&p, "Other", "1");
    play_turn(&p);
    assert_false(check(&p, A_BESIDE_B, SIZE_MAX, &is_read, &arena).is_divergent);
    assert_true(is_read);
    struct author_finding finding = check(&p, A_BESIDE_C, SIZE_MAX, &is_read, &arena);
    assert_int_equal(finding.event, 7);
    play_end(&p);

    /* A history of A alone: B is asked for in its first turn, and never comes. */
    begin(&p, A_THEN_GO);
    play_complete(&p, 0, "1");
    play_turn(&p);
    finding = check(&p, A_BESIDE_B, SIZE_MAX, &is_read, &arena);
    assert_true(finding.is_divergent);
    assert_int_equal(finding.event, 4); /* behind the turn that asked */
    assert_string_equal(finding.text,
                        "step 1: history has no such step, the code asked for activity 'B'");
    play_end(&p);
    arena_done(&arena);
}

static void a_past_that_cannot_be_read_leaves_nothing_behind(void **state)
{
    (void)state;
    struct play p;
    struct arena arena;
    struct turn_result result;
    struct told_past past;
    bool is_read;
    pd_error err;
    arena_init(&arena);
    begin(&p, A_THEN_GO);
    play_complete(&p, 0, "1");
    play_turn(&p);
    const struct event events[] = {
        { .kind = EVENT_ORCHESTRATOR_STARTED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = 5 },
        { .kind = EVENT_EVENT_RAISED,
          .id = EVENT_NO_ID,
          .ref = EVENT_NO_ID,
          .name = TEXT("Go"),
          .payload = TEXT("7") },
    };
    struct turn turn = { .row = 9,
                         .number = 3,
                         .instance_id = TEXT("order-7"),
                         .execution_id = TEXT("e1"),
                         .events = events,
                         .event_count = 2 };
    struct runner *runner = author_new(&programs[A_THEN_GO], 1, NULL, &err);
    told_past_init(&past, p.history, p.history_count);
    for (past.broken_at = 0; past.broken_at < 2; past.broken_at++) {
        assert_int_equal(runner->ops->turn(runner, &turn, &past.base, &arena, &result),
                         RUNNER_NEEDS_HISTORY);
        assert_int_equal(author_counters(runner).resident, 0);
        check(&p, A_THEN_GO, past.broken_at, &is_read, &arena);
        assert_false(is_read);
    }
    assert_int_equal(runner->ops->turn(runner, &turn, &past.base, &arena, &result), RUNNER_DONE);
    assert_int_equal(result.action_count, 1);
    assert_int_equal(result.actions[0].kind, ACTION_COMPLETE);
    told_past_done(&past);
    author_free(runner);
    arena_done(&arena);
    play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_code_adds_while_the_instance_waits_is_asked_for_once),
        cmocka_unit_test(what_history_has_later_is_compared_when_it_comes),
        cmocka_unit_test(cancelling_ahead_what_history_keeps_differs),
        cmocka_unit_test(a_whole_history_may_catch_up_too_but_has_to_do_so),
        cmocka_unit_test(a_past_that_cannot_be_read_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
