/* SPDX-License-Identifier: MIT
 *
 * author_replay: the code of today over a whole history of yesterday, open or ended. The same code
 * is the same; each way to differ is found, at its event, with what history has and what the code
 * asked for. */
#include "play.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- code of yesterday and of today ---------------------------------------------------------- */

static int progress; /* how far the code has come, for whom it stops */
static bool has_replayed_only;

static pd_result a_then_b(pd_orchestration *o, pd_value input)
{
    progress = 1;
    has_replayed_only = has_replayed_only && pd_is_replaying(o);
    pd_call_activity(o, "A", input);
    progress = 2;
    has_replayed_only = has_replayed_only && pd_is_replaying(o);
    pd_call_activity(o, "B", input);
    progress = 3;
    has_replayed_only = has_replayed_only && pd_is_replaying(o);
    return pd_ok(o, PD_NULL);
}

#define CODE(name, ...)                                        \
    static pd_result name(pd_orchestration *o, pd_value input) \
    {                                                          \
        (void)input;                                           \
        __VA_ARGS__                                            \
    }
#define CALL(x) pd_call_activity(o, x, input);
#define BEGIN(x) pd_start_activity(o, x, input);
#define END return pd_ok(o, "another output");

CODE(c_then_b, CALL("C") CALL("B") END)
CODE(a_then_c, CALL("A") CALL("C") END)
CODE(a_then_timer, CALL("A") pd_sleep(o, pd_hours(1)); END)
CODE(a_then_child, CALL("A") pd_call_child(o, "B", input); END)
CODE(a_only, CALL("A") END)
CODE(a_then_fails, CALL("A") CALL("B") return pd_fail(o, "Other", "no %d", 1);)
CODE(a_then_b_with_another_input, pd_call_activity(o, "A", 77); CALL("B") END)
CODE(a_then_b_for_ever, CALL("A") CALL("B") return pd_continue_as_new(o, input);)
CODE(a_then_b_then_c, CALL("A") CALL("B") CALL("C") END)
CODE(a_then_b_and_then_c, CALL("A") CALL("B") BEGIN("C") END)
CODE(a_then_b_and_c, CALL("A") BEGIN("B") CALL("C") END)
CODE(nothing, END)
CODE(a_then_b_then_event, CALL("A") CALL("B") pd_wait_event(o, "E"); END)
CODE(a_then_b_unless_changed, CALL("A") if (pd_changed(o, "fix")){ CALL("C") } CALL("B") END)

/* What there is, so that little of it can be forgotten. */
static pd_result all_there_is(pd_orchestration *o, pd_value input)
{
    pd_retry retry = { .attempts_max = 3, .delay_first = pd_seconds(1), .jitter = 0.5 };
    pd_task *late = pd_start_timer(o, pd_days(100));
    pd_task *tried = pd_start_activity(o, "Tried", input, .retry = &retry);
    pd_task *child = pd_start_child(o, "Child", pd_new_uuid(o));
    pd_log(o, "must not be said");
    pd_set_status(o, "halfway");
    pd_send_event(o, "other", "Hello", (int64_t)pd_random(o));
    (void)pd_wait_any(o, PD_TASKS(late, tried, child));
    pd_cancel(o, late);
    pd_value event;
    if (!pd_wait_event_for(o, "Never", pd_seconds(1), &event) && pd_changed(o, "a change")) {
        pd_value said = pd_wait_event(o, "Go");
        pd_await_all(o, PD_TASKS(tried, child));
        return pd_ok(o, said);
    }
    return pd_fail(o, "Unexpected", "turn");
}

/* ---- histories ------------------------------------------------------------------------------- */

static void begin(struct play *p, pd_orchestrator_fn *code)
{
    static pd_function program[1];
    program[0] = (pd_function)PD_FUNCTION("Main", code);
    play_begin(p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(p, "Main", "1");
}

/* Appends what the store has when the instance has ended. */
static struct event *end_with(struct play *p, enum run_state outcome)
{
    size_t size = p->history_count * sizeof *p->history;
    p->history = mem_grow(p->history, size, size + sizeof *p->history);
    p->history_room = p->history_count + 1;
    struct event *event = &p->history[p->history_count++];
    *event = (struct event){ .kind = EVENT_EXECUTION_COMPLETED, .at = ++p->now };
    event->id = event->ref = EVENT_NO_ID;
    event->outcome = outcome;
    return event;
}

/* 1 OrchestratorStarted, 2 ExecutionStarted, 3 TaskScheduled A, 4 OrchestratorCompleted,
 * 5 OrchestratorStarted, 6 TaskCompleted, 7 TaskScheduled B, 8 OrchestratorCompleted */
static void play_open(struct play *p, pd_orchestrator_fn *code)
{
    begin(p, code);
    play_complete(p, 0, "1");
    play_turn(p);
}

/* And 9 OrchestratorStarted, 10 TaskCompleted, 11 ExecutionCompleted */
static void play_ended(struct play *p, pd_orchestrator_fn *code)
{
    play_open(p, code);
    play_complete(p, 1, "2");
    play_turn(p);
    assert_true(p->is_ended);
    end_with(p, RUN_COMPLETED);
}

static struct author_finding replay(const struct play *p, pd_orchestrator_fn *code,
                                    uint64_t break_at, struct arena *arena)
{
    const pd_function program[] = { PD_FUNCTION("Main", code) };
    pd_error err;
    struct author_finding finding;
    struct runner *runner = author_new(PD_PROGRAM(program), NULL, &err);
    assert_non_null(runner);
    /* Of another history first, which leaves nothing behind. */
    struct told_past other, past;
    told_past_init(&other, p->history, p->history_count > 0);
    told_past_init(&past, p->history, p->history_count);
    assert_true(author_replay(runner, &other.base, text_of("other"), 0, arena, &finding));
    assert_true(author_replay(runner, &past.base, text_of("order-7"), break_at, arena, &finding));
    told_past_done(&other);
    told_past_done(&past);
    author_free(runner);
    return finding;
}

/* expected NULL: it is the same. */
static void finds(const struct play *p, pd_orchestrator_fn *code, uint64_t event,
                  const char *expected)
{
    struct arena arena;
    arena_init(&arena);
    struct author_finding finding = replay(p, code, 0, &arena);
    assert_string_equal(finding.text != NULL ? finding.text : "same",
                        expected != NULL ? expected : "same");
    assert_int_equal(finding.event, event);
    assert_int_equal(finding.is_divergent, expected != NULL);
    assert_false(finding.is_unknown);
    arena_done(&arena);
}

/* ---- the same -------------------------------------------------------------------------------- */

static void the_same_code_is_the_same_for_every_beginning_of_a_history(void **state)
{
    (void)state;
    struct play p;
    begin(&p, all_there_is);
    play_fail(&p, 1, "Busy", "try again");
    finds(&p, all_there_is, 0, NULL);
    play_turn(&p);
    finds(&p, all_there_is, 0, NULL);
    play_fire(&p, 4); /* the delay before the second attempt */
    play_turn(&p);
    finds(&p, all_there_is, 0, NULL);
    play_complete(&p, 5, "\"done\"");
    play_turn(&p);
    finds(&p, all_there_is, 0, NULL);
    play_fire(&p, 6); /* of pd_wait_event_for */
    play_turn(&p);
    finds(&p, all_there_is, 0, NULL);
    play_raise(&p, "go", "[1]");
    struct event *child = play_coming(&p, EVENT_CHILD_COMPLETED);
    child->ref = 2;
    child->payload = TEXT("3");
    play_turn(&p);
    assert_true(p.is_ended);
    assert_non_null(strstr(play_transcript(&p), "completed [1]"));
    end_with(&p, RUN_COMPLETED);
    finds(&p, all_there_is, 0, NULL);
    play_end(&p);
}

static void other_inputs_and_outputs_are_the_same(void **state)
{
    (void)state;
    struct play p;
    play_ended(&p, a_then_b);
    finds(&p, a_then_b, 0, NULL);
    finds(&p, a_then_b_with_another_input, 0, NULL);
    play_end(&p);
}

static void all_of_it_is_replay_so_nothing_is_said_twice(void **state)
{
    (void)state;
    struct play p;
    play_ended(&p, a_then_b);
    has_replayed_only = true;
    progress = 0;
    finds(&p, a_then_b, 0, NULL);
    assert_true(has_replayed_only);
    assert_int_equal(progress, 3);
    play_end(&p);
}

static void an_instance_without_a_turn_is_the_same(void **state)
{
    (void)state;
    struct play p;
    begin(&p, a_then_b);
    p.history_count = 0;
    finds(&p, c_then_b, 0, NULL);
    play_end(&p);
}

static void a_change_that_is_marked_is_the_same_for_histories_before_it_and_after(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, a_then_b); /* went past the line in the last turn that there is */
    finds(&p, a_then_b_unless_changed, 0, NULL);
    play_end(&p);
    play_ended(&p, a_then_b);
    finds(&p, a_then_b_unless_changed, 0, NULL);
    play_end(&p);
    play_open(&p, a_then_b_unless_changed);
    finds(&p, a_then_b_unless_changed, 0, NULL);
    play_end(&p);
}

/* ---- not the same ---------------------------------------------------------------------------- */

static void another_step_is_found_at_its_event_with_both(void **state)
{
    (void)state;
    struct play p;
    for (int is_ended = 0; is_ended < 2; is_ended++) {
        (is_ended ? play_ended : play_open)(&p, a_then_b);
        finds(&p, c_then_b, 3,
              "step 0: history has TaskScheduled 'A' (event 3), the code asked for activity 'C'");
        finds(&p, a_then_c, 7,
              "step 1: history has TaskScheduled 'B' (event 7), the code asked for activity 'C'");
        finds(&p, a_then_timer, 7,
              "step 1: history has TaskScheduled 'B' (event 7), the code asked for a timer");
        finds(&p, a_then_child, 7,
              "step 1: history has TaskScheduled 'B' (event 7), the code asked for child 'B'");
        play_end(&p);
    }
}

static void a_step_too_few_is_found(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, a_then_b);
    finds(&p, a_only, 7, "step 1: history has TaskScheduled 'B' (event 7), the code has completed");
    finds(&p, nothing, 3,
          "step 0: history has TaskScheduled 'A' (event 3), the code has completed");
    play_end(&p);
    play_ended(&p, a_then_b_and_then_c);
    finds(&p, a_then_b, 11,
          "step 2: history has TaskScheduled 'C' (event 11), the code has "
          "completed");
    play_end(&p);
}

static void a_step_too_many_is_found_in_its_turn(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, a_then_b);
    finds(&p, a_then_b_and_c, 8,
          "step 2: history has no such step, the code asked for activity 'C'");
    play_end(&p);
    play_ended(&p, a_then_b);
    finds(&p, a_then_b_and_c, 8,
          "step 2: history has no such step, the code asked for activity 'C'");
    finds(&p, a_then_b_then_c, 11,
          "step 2: history has no such step, the code asked for activity 'C'");
    finds(&p, a_then_b_and_then_c, 11,
          "step 2: history has no such step, the code asked for activity 'C'");
    play_end(&p);
}

static void another_end_is_found(void **state)
{
    (void)state;
    struct play p;
    play_ended(&p, a_then_b);
    finds(&p, a_then_fails, 11,
          "history has ExecutionCompleted, completed (event 11), the code has failed (Other: no "
          "1)");
    finds(&p, a_then_b_for_ever, 11,
          "history has ExecutionCompleted, completed (event 11), the code continues as new");
    finds(&p, a_then_b_then_event, 11, "history has ExecutionCompleted (event 11), the code waits");
    p.history[p.history_count - 1].outcome = RUN_FAILED;
    finds(&p, a_then_b, 11,
          "history has ExecutionCompleted, failed (event 11), the code has completed");
    finds(&p, a_then_fails, 0, NULL);
    play_end(&p);
}

static void an_end_before_history_has_ended_is_found(void **state)
{
    (void)state;
    struct play p;
    begin(&p, a_then_b_then_event);
    play_complete(&p, 0, "1");
    play_turn(&p);
    play_complete(&p, 1, "1");
    play_turn(&p);
    finds(&p, a_then_b, 11,
          "history goes on behind OrchestratorCompleted (event 11), the code has completed");
    play_raise(&p, "Else", "1");
    play_turn(&p);
    finds(&p, a_then_b, 12,
          "the code has completed, history goes on with OrchestratorStarted (event 12)");
    play_end(&p);
}

CODE(waits_for_either, pd_task *late = pd_start_timer(o, pd_days(1));
     pd_task *a = pd_start_activity(o, "A", input); (void)pd_wait_any(o, PD_TASKS(late, a));
     pd_cancel(o, late); END)
CODE(waits_for_either_and_leaves_it, pd_task *late = pd_start_timer(o, pd_days(1));
     pd_task *a = pd_start_activity(o, "A", input); (void)pd_wait_any(o, PD_TASKS(late, a)); END)

static void a_step_cancelled_by_one_of_them_only_is_found(void **state)
{
    (void)state;
    struct play p;
    begin(&p, waits_for_either);
    play_complete(&p, 1, "1");
    play_turn(&p);
    end_with(&p, RUN_COMPLETED);
    finds(&p, waits_for_either, 0, NULL);
    finds(&p, waits_for_either_and_leaves_it, 8,
          "history has StepCancelled (event 8), the code has completed without");
    play_end(&p);
    begin(&p, waits_for_either_and_leaves_it);
    play_complete(&p, 1, "1");
    play_turn(&p);
    end_with(&p, RUN_COMPLETED);
    finds(&p, waits_for_either, 3,
          "step 0: history has TimerCreated (event 3), and it was not cancelled; the code cancels "
          "it");
    play_end(&p);
}

/* ---- ends that were not the code's ----------------------------------------------------------- */

static void the_last_turn_of_a_terminated_instance_is_left_out(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, a_then_b);
    play_coming(&p, EVENT_EXECUTION_TERMINATED);
    play_turn(&p);
    end_with(&p, RUN_TERMINATED);
    finds(&p, a_then_b, 0, NULL);
    finds(&p, a_then_c, 7,
          "step 1: history has TaskScheduled 'B' (event 7), the code asked for activity 'C'");
    play_end(&p);
}

static void so_is_that_of_one_that_perdure_let_fail(void **state)
{
    (void)state;
    static const char *const types[] = { "NonDeterminism", "Forbidden", "VersionMismatch",
                                         "OrchestratorNotFound" };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct play p;
        struct failure failure = { .type = text_of(types[i]) };
        play_open(&p, a_then_b);
        play_complete(&p, 1, "1");
        play_turn(&p);
        end_with(&p, RUN_FAILED)->failure = &failure;
        finds(&p, a_then_b, 0, NULL);
        finds(&p, a_then_c, 7,
              "step 1: history has TaskScheduled 'B' (event 7), the code asked for activity 'C'");
        failure.type = TEXT("Other");
        finds(&p, a_then_b, 11,
              "history has ExecutionCompleted, failed (event 11), the code has completed");
        play_end(&p);
    }
}

static void an_orchestrator_that_the_program_has_not_is_unknown(void **state)
{
    (void)state;
    struct play p;
    struct arena arena;
    arena_init(&arena);
    play_ended(&p, a_then_b);
    p.history[1].name = TEXT("Gone");
    struct author_finding finding = replay(&p, a_then_b, 0, &arena);
    assert_true(finding.is_unknown);
    assert_false(finding.is_divergent);
    arena_done(&arena);
    play_end(&p);
}

/* ---- stopping -------------------------------------------------------------------------------- */

static volatile sig_atomic_t traps, progress_then;

static void on_trap(int number)
{
    (void)number;
    traps++;
    progress_then = progress;
}

/* How far the code had come at the one stop; -1: there was none. */
static int stop_at(const struct play *p, uint64_t event)
{
    struct arena arena;
    arena_init(&arena);
    traps = 0;
    progress = 0;
    assert_false(replay(p, a_then_b, event, &arena).is_divergent);
    arena_done(&arena);
    assert_true(traps <= 1);
    return traps == 1 ? (int)progress_then : -1;
}

static void it_stops_for_a_debugger_just_before_an_event(void **state)
{
    (void)state;
    struct play p;
    play_ended(&p, a_then_b);
    void (*before)(int) = signal(SIGTRAP, on_trap);
    assert_int_equal(stop_at(&p, 0), -1);
    assert_int_equal(stop_at(&p, 1), 0);
    assert_int_equal(stop_at(&p, 2), 0);
    assert_int_equal(stop_at(&p, 3), 1);
    assert_int_equal(stop_at(&p, 6), 1);
    assert_int_equal(stop_at(&p, 7), 2);
    assert_int_equal(stop_at(&p, 8), 2); /* is not stored: before the next one */
    assert_int_equal(stop_at(&p, 10), 2);
    assert_int_equal(stop_at(&p, 12), -1);
    signal(SIGTRAP, before);
    play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_code_is_the_same_for_every_beginning_of_a_history),
        cmocka_unit_test(other_inputs_and_outputs_are_the_same),
        cmocka_unit_test(all_of_it_is_replay_so_nothing_is_said_twice),
        cmocka_unit_test(an_instance_without_a_turn_is_the_same),
        cmocka_unit_test(a_change_that_is_marked_is_the_same_for_histories_before_it_and_after),
        cmocka_unit_test(another_step_is_found_at_its_event_with_both),
        cmocka_unit_test(a_step_too_few_is_found),
        cmocka_unit_test(a_step_too_many_is_found_in_its_turn),
        cmocka_unit_test(another_end_is_found),
        cmocka_unit_test(an_end_before_history_has_ended_is_found),
        cmocka_unit_test(a_step_cancelled_by_one_of_them_only_is_found),
        cmocka_unit_test(the_last_turn_of_a_terminated_instance_is_left_out),
        cmocka_unit_test(so_is_that_of_one_that_perdure_let_fail),
        cmocka_unit_test(an_orchestrator_that_the_program_has_not_is_unknown),
        cmocka_unit_test(it_stops_for_a_debugger_just_before_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
