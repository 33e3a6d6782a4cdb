/* SPDX-License-Identifier: MIT
 *
 * Code that differs from history is told apart from code that does not (R2), and random programs
 * do the same whether their stacks are kept, dropped or forgotten now and then (R4). */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one program after another, over the same history ---------------------------------------- */

static pd_result a_then_b(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    pd_call_activity(o, "B", input);
    return pd_ok(o, PD_NULL);
}

static pd_result b_then_a(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "B", input);
    pd_call_activity(o, "A", input);
    return pd_ok(o, PD_NULL);
}

static pd_result a_then_c(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    pd_call_activity(o, "C", input);
    return pd_ok(o, PD_NULL);
}

static pd_result a_then_timer(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    pd_sleep(o, pd_seconds(1));
    return pd_ok(o, PD_NULL);
}

static pd_result a_then_event(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    pd_wait_event(o, "E");
    return pd_ok(o, PD_NULL);
}

static pd_result a_only(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_activity(o, "A", input));
}

static pd_result a_and_b(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input);
    pd_task *b = pd_start_activity(o, "B", input);
    pd_wait_all(o, PD_TASKS(a, b));
    return pd_ok(o, PD_NULL);
}

static pd_result a_and_not_waiting_for_b(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    pd_start_activity(o, "B", input);
    return pd_ok(o, PD_NULL);
}

static pd_result a_then_fails(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    return pd_fail(o, "Changed", "my mind");
}

static pd_result a_then_b_with_more(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", PD_OBJ("more", input));
    pd_task *b = pd_start_activity(o, "B", PD_OBJ("more", input));
    pd_start_activity(o, "C", PD_OBJ("more", input));
    pd_await(o, b);
    return pd_ok(o, PD_NULL);
}

static pd_result event_then_nothing(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, pd_wait_event(o, "E"));
}

static pd_result timer_then_event(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_sleep(o, pd_seconds(1));
    return pd_ok(o, pd_wait_event(o, "E"));
}

/* Two turns of `before`, then a third by `after` in a new worker; what that gave. */
static void changed(pd_orchestrator_fn *before, pd_orchestrator_fn *after, const char *expected)
{
    const pd_function old[] = { PD_FUNCTION("Main", before) };
    const pd_function new[] = { PD_FUNCTION("Main", after) };
    struct play p;
    play_begin(&p, PD_PROGRAM(old), PLAY_KEPT);
    play_start(&p, "Main", "1");
    play_complete(&p, 0, "1");
    play_turn(&p);
    play_restart(&p, PD_PROGRAM(new));
    buffer_reset(&p.transcript);
    play_complete(&p, 1, "2");
    play_turn(&p);
    assert_true(p.needed_history);
    assert_string_equal(play_transcript(&p), expected);
    play_end(&p);
}

static void a_step_of_another_name_fails_with_both_and_the_event(void **state)
{
    (void)state;
    changed(a_then_b, b_then_a,
            "turn 3\n  2 failed NonDeterminism: step 0: history has TaskScheduled 'A' (event 3), "
            "the code asked for activity 'B' (final)\n");
    changed(a_then_b, a_then_c,
            "turn 3\n  2 failed NonDeterminism: step 1: history has TaskScheduled 'B' (event 7), "
            "the code asked for activity 'C' (final)\n");
}

static void a_step_of_another_kind_fails_with_both_and_the_event(void **state)
{
    (void)state;
    changed(a_then_b, a_then_timer,
            "turn 3\n  2 failed NonDeterminism: step 1: history has TaskScheduled 'B' (event 7), "
            "the code asked for a timer (final)\n");
    changed(a_then_timer, a_then_b,
            "turn 3\n  2 failed NonDeterminism: step 1: history has TimerCreated (event 7), "
            "the code asked for activity 'B' (final)\n");
}

static void too_few_steps_fail_with_the_first_that_was_not_asked_for(void **state)
{
    (void)state;
    changed(a_then_b, event_then_nothing,
            "turn 3\n  2 failed NonDeterminism: step 0: history has TaskScheduled 'A' (event 3), "
            "the code asked for nothing (final)\n");
    /* Too late is too few, too. */
    changed(a_and_b, a_then_b,
            "turn 3\n  2 failed NonDeterminism: step 1: history has TaskScheduled 'B' (event 4), "
            "the code asked for nothing (final)\n");
    changed(a_then_b, a_then_event,
            "turn 3\n  2 failed NonDeterminism: step 1: history has TaskScheduled 'B' (event 7), "
            "the code asked for nothing (final)\n");
}

static void code_that_ends_while_history_goes_on_fails(void **state)
{
    (void)state;
    changed(a_then_b, a_only,
            "turn 3\n  2 failed NonDeterminism: step 1: history has TaskScheduled 'B' (event 7), "
            "the code has completed (final)\n");
    changed(a_then_b, a_then_fails,
            "turn 3\n  2 failed NonDeterminism: step 1: history has TaskScheduled 'B' (event 7), "
            "the code has failed (final) <- Changed: my mind\n");
    changed(a_then_event, a_only,
            "turn 3\n  1 failed NonDeterminism: the code has completed, history goes on with "
            "OrchestratorStarted (event 8) (final)\n");
}

static void of_a_turn_that_differs_nothing_else_is_recorded(void **state)
{
    (void)state;
    changed(a_then_event, a_and_not_waiting_for_b,
            "turn 3\n  1 failed NonDeterminism: the code has completed, history goes on with "
            "OrchestratorStarted (event 8) (final)\n");
}

static void another_input_and_more_steps_at_the_end_are_legal(void **state)
{
    (void)state;
    changed(a_then_b, a_then_b_with_more, "turn 3\n  2 C {\"more\":1}\n  3 completed null\n");
}

static void a_completion_for_a_step_of_another_kind_is_not_taken(void **state)
{
    (void)state;
    const pd_function program[] = { PD_FUNCTION("Main", timer_then_event) };
    struct play p;
    play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&p, "Main", NULL);
    play_complete(&p, 0, "1");
    play_turn(&p);
    play_raise(&p, "E", "2");
    play_turn(&p);
    assert_false(p.is_ended);
    play_fire(&p, 0);
    play_turn(&p);
    assert_true(p.is_ended);
    play_end(&p);
}

static void kinds_of_a_newer_version_are_ignored_unless_they_are_steps(void **state)
{
    (void)state;
    const pd_function program[] = { PD_FUNCTION("Main", a_then_b) };
    for (int mode = 0; mode < PLAY_MODES; mode++) {
        struct play p;
        play_begin(&p, PD_PROGRAM(program), (enum play_mode)mode);
        play_start(&p, "Main", NULL);
        play_coming(&p, EVENT_UNKNOWN);
        play_complete(&p, 0, "1");
        play_coming(&p, EVENT_EXECUTION_TERMINATED);
        play_turn(&p);
        /* As if another version had recorded step 0 differently. */
        play_restart(&p, NULL, 0);
        for (size_t i = 0; i < p.history_count; i++) {
            if (p.history[i].kind == EVENT_TASK_SCHEDULED && p.history[i].id == 0) {
                p.history[i].kind = EVENT_UNKNOWN;
            }
        }
        buffer_reset(&p.transcript);
        play_turn(&p);
        assert_string_equal(play_transcript(&p),
                            "turn 3\n  2 failed NonDeterminism: step 0: history has an event that "
                            "this version does not know, the code asked for activity 'A' "
                            "(final)\n");
        play_end(&p);
    }
}

static void a_history_without_a_beginning_fails(void **state)
{
    (void)state;
    const pd_function program[] = { PD_FUNCTION("Main", a_then_b) };
    struct play p;
    play_begin(&p, PD_PROGRAM(program), PLAY_DROPPED);
    play_start(&p, "Main", NULL);
    assert_int_equal(p.history[1].kind, EVENT_EXECUTION_STARTED);
    p.history[1].kind = EVENT_UNKNOWN;
    buffer_reset(&p.transcript);
    play_turn(&p);
    assert_non_null(strstr(play_transcript(&p), "NonDeterminism"));
    play_end(&p);
}

/* Alternates what it asks for, which a kept stack does not notice. */
static int calls;
static pd_result moody(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_call_activity(o, calls++ % 2 == 0 ? "A" : "B", PD_NULL);
    return pd_ok(o, PD_NULL);
}

static void drop_mode_finds_code_that_remembers_in_a_static(void **state)
{
    (void)state;
    const pd_function program[] = { PD_FUNCTION("Main", moody) };
    struct play p;
    calls = 0;
    play_begin(&p, PD_PROGRAM(program), PLAY_DROPPED);
    play_start(&p, "Main", NULL);
    play_complete(&p, 0, NULL);
    play_turn(&p);
    assert_string_equal(play_transcript(&p),
                        "turn 1\n  0 A null\nturn 2\n  1 failed NonDeterminism: step 0: history "
                        "has TaskScheduled 'A' (event 3), the code asked for activity 'B' "
                        "(final)\n");
    play_end(&p);
}

static bool seen_replaying[8];
static int seen_count;
static pd_result watcher(pd_orchestration *o, pd_value input)
{
    (void)input;
    seen_replaying[seen_count++] = pd_is_replaying(o);
    pd_call_activity(o, "A", PD_NULL);
    seen_replaying[seen_count++] = pd_is_replaying(o);
    pd_call_activity(o, "A", PD_NULL);
    return pd_ok(o, PD_NULL);
}

static void code_is_replaying_while_it_sees_events_of_past_turns(void **state)
{
    (void)state;
    const pd_function program[] = { PD_FUNCTION("Main", watcher) };
    struct play p;
    seen_count = 0;
    play_begin(&p, PD_PROGRAM(program), PLAY_DROPPED);
    play_start(&p, "Main", NULL);
    play_complete(&p, 0, NULL);
    play_turn(&p); /* begins as a replay, goes on live */
    assert_int_equal(seen_count, 3);
    assert_false(seen_replaying[0]);
    assert_true(seen_replaying[1]);
    assert_false(seen_replaying[2]);
    play_end(&p);
}

/* ---- random programs ------------------------------------------------------------------------- */

enum { OPEN_MAX = 12 };

struct open_tasks {
    pd_task *tasks[OPEN_MAX];
    size_t count;
};

static const char *const names[] = { "Red", "green", "RED", "Blue", "Green" };

static void note(pd_list *trace, pd_orchestration *o, const char *what, const pd_task *t)
{
    const pd_failure *failure = t != NULL ? pd_task_failure(t) : NULL;
    pd_list_add(trace, pd_format(o, "%s@%lld", what, (long long)pd_now(o).ms));
    if (t != NULL) {
        pd_list_add(trace, pd_task_value(t));
        pd_list_add(trace, failure != NULL ? failure->message : NULL);
    }
}

static bool is_unlucky(const pd_failure *failure, int attempt, void *argument)
{
    (void)argument;
    return strcmp(failure->type, "Unlucky") == 0 && attempt < 4;
}

static pd_retry random_policy(struct random *r)
{
    pd_retry policy = { .attempts_max = (int)random_below(r, 5), .backoff = 1.5 };
    policy.delay_first = pd_seconds((int64_t)random_below(r, 3));
    policy.jitter = random_chance(r, 1, 2) ? 0.5 : 0;
    policy.total_max = pd_seconds(random_chance(r, 1, 4) ? 4 : 0);
    policy.handles = random_chance(r, 1, 2) ? is_unlucky : NULL;
    return policy;
}

static pd_task *start_something(pd_orchestration *o, struct random *r, const char *name, size_t n)
{
    pd_retry retry = random_policy(r);
    switch (random_below(r, 8)) {
    case 0: return pd_expect_event(o, name);
    case 1: return pd_start_timer(o, pd_seconds((int64_t)random_below(r, 9)));
    case 2: return pd_start_timer_until(o, pd_after(pd_now(o), pd_days(1)));
    case 3: return pd_start_child(o, name, n, .id = n % 2 == 0 ? name : NULL);
    case 4: return pd_start_child(o, name, n, .retry = &retry);
    case 5:
    case 6:
        return pd_start_activity(o, name, n, .retry = &retry, .run_max = pd_seconds((int64_t)n));
    default: return pd_start_activity(o, name, PD_OBJ("n", n, "at", pd_now(o).ms));
    }
}

static void ask_something(pd_orchestration *o, struct random *r, struct open_tasks *open)
{
    const char *name = names[random_below(r, 5)];
    if (open->count < OPEN_MAX) {
        open->tasks[open->count] = start_something(o, r, name, open->count);
        open->count++;
    }
}

/* What takes no waiting. */
static void do_something(pd_orchestration *o, struct random *r, struct open_tasks *open,
                         pd_list *trace)
{
    const char *name = names[random_below(r, 5)];
    switch (random_below(r, 6)) {
    case 0: pd_send_event(o, pd_new_uuid(o), name, (int)random_below(r, 9)); break;
    case 1: pd_list_add(trace, pd_changed(o, name)); break;
    case 2: pd_list_add(trace, pd_random(o) >> 12); break;
    case 3: pd_list_add(trace, pd_history_length(o)); break;
    case 4: pd_set_status(o, PD_ARR(pd_random(o) >> 12, name)); break;
    default:
        if (open->count > 0) {
            size_t i = random_below(r, open->count);
            pd_cancel(o, open->tasks[i]);
            note(trace, o, "cancelled", open->tasks[i]);
        }
        break;
    }
}

static void wait_for_something(pd_orchestration *o, struct random *r, struct open_tasks *open,
                               pd_list *trace)
{
    if (open->count == 0) {
        return;
    }
    size_t i = random_below(r, open->count);
    switch (random_below(r, 6)) {
    case 5: {
        pd_value payload = PD_NULL;
        bool came = pd_wait_event_for(o, names[i % 5], pd_seconds((int64_t)i - 1), &payload);
        pd_list_add(trace, PD_ARR(came, payload));
        return;
    }
    case 0:
        pd_wait(o, open->tasks[i]);
        note(trace, o, "wait", open->tasks[i]);
        break;
    case 1: {
        size_t n = 1 + random_below(r, open->count);
        bool is_fine = pd_wait_all(o, open->tasks, n);
        note(trace, o, is_fine ? "all" : "not all", open->tasks[n - 1]);
        break;
    }
    case 2:
        if (!pd_task_is_done(open->tasks[i])) {
            note(trace, o, "not done", NULL);
        }
        return;
    default:
        i = pd_wait_any(o, open->tasks, open->count);
        note(trace, o, pd_format(o, "any %zu of %zu", i, open->count), open->tasks[i]);
        break;
    }
    open->tasks[i] = open->tasks[--open->count];
}

static pd_result random_program(pd_orchestration *o, pd_value input)
{
    struct random r;
    struct open_tasks open = { .count = 0 };
    pd_list *trace = pd_list_new(o);
    random_seed(&r, (uint64_t)pd_int(input));
    uint64_t length = 1 + random_below(&r, 40);
    for (uint64_t i = 0; i < length; i++) {
        if (random_chance(&r, 3, 7)) {
            ask_something(o, &r, &open);
        } else if (random_chance(&r, 1, 3)) {
            do_something(o, &r, &open, trace);
        } else {
            wait_for_something(o, &r, &open, trace);
        }
        if (random_chance(&r, 1, 30)) {
            pd_raise(o, "Dice", "after %zu", pd_count(pd_of_list(trace)));
        }
        if (open.count > 0 && random_chance(&r, 1, 12)) {
            pd_list_add(trace, pd_await(o, open.tasks[0])); /* may leave */
        }
        if (open.count > 0 && random_chance(&r, 1, 30)) {
            pd_await_all(o, open.tasks, open.count); /* likewise */
        }
    }
    pd_set_status(o, trace);
    if (random_chance(&r, 1, 3)) {
        return pd_continue_as_new(o, pd_int(input) + 1000, .drops_events = random_chance(&r, 1, 3));
    }
    return pd_ok(o, trace);
}

static void end_something(struct play *p, struct random *r, int step)
{
    bool is_child = play_kind(p, step) == EVENT_CHILD_CREATED;
    if (play_kind(p, step) == EVENT_TIMER_CREATED) {
        play_fire(p, step);
    } else if (random_chance(r, 2, 5)) {
        const char *type = random_chance(r, 3, 4) ? "Unlucky" : "Worse";
        struct failure *failure = is_child ? play_child_fail(p, step, type, "it was the dice")
                                           : play_fail(p, step, type, "it was the dice");
        failure->is_final = random_chance(r, 1, 9);
    } else if (is_child) {
        play_child_complete(p, step, "{\"a\":[\"child's\"]}");
    } else {
        play_complete(p, step, "{\"some\":[\"answer\"]}");
    }
}

/* Random completions of what is open, random events, some of them for nobody. */
static void random_world(struct play *p, uint64_t seed)
{
    enum { STEPS_MAX = 1024 };
    struct random r;
    bool is_ended[STEPS_MAX] = { false };
    int execution = p->execution;
    random_seed(&r, seed ^ 0x9e3779b97f4a7c15u);
    while (random_chance(&r, 1, 4)) {
        play_raise(p, names[random_below(&r, 5)], "[\"early\"]");
    }
    char input[32];
    snprintf(input, sizeof input, "%llu", (unsigned long long)(seed & 0xffffffff));
    play_start(p, "Random", input);
    for (int turn = 0; turn < 100 && !p->is_ended; turn++) {
        size_t events = 1 + random_below(&r, 4);
        if (p->execution != execution) {
            memset(is_ended, 0, sizeof is_ended);
            execution = p->execution;
        }
        for (size_t e = 0; e < events; e++) {
            size_t step = p->step_count > 0 ? random_below(&r, p->step_count) : 0;
            assert_true(step < STEPS_MAX);
            if (p->step_count == 0 || is_ended[step] || random_chance(&r, 1, 4)) {
                play_raise(p, names[random_below(&r, 5)], random_chance(&r, 1, 2) ? "1" : "{}");
                continue;
            }
            is_ended[step] = random_chance(&r, 9, 10); /* or it ends again (R3) */
            end_something(p, &r, (int)step);
        }
        play_turn(p);
    }
}

static const pd_function random_programs[] = { PD_FUNCTION("Random", random_program) };
static uint64_t random_at;
static size_t ended_count, renewed_count;

static void random_script(struct play *p)
{
    random_world(p, random_at);
    ended_count += p->is_ended;
    renewed_count += p->execution > 1;
    if (getenv("PLAY_SHOW") != NULL) { /* to look at what these programs do */
        puts(play_transcript(p));
    }
}

static void random_programs_act_the_same_kept_dropped_and_forgotten(void **state)
{
    (void)state;
    enum { PROGRAMS = 400 };
    ended_count = renewed_count = 0;
    for (random_at = 1; random_at <= PROGRAMS; random_at++) {
        play_all(PD_PROGRAM(random_programs), random_script, NULL);
    }
    assert_true(ended_count > PROGRAMS); /* most come to an end, in all modes */
    assert_true(renewed_count > PROGRAMS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_of_another_name_fails_with_both_and_the_event),
        cmocka_unit_test(a_step_of_another_kind_fails_with_both_and_the_event),
        cmocka_unit_test(too_few_steps_fail_with_the_first_that_was_not_asked_for),
        cmocka_unit_test(code_that_ends_while_history_goes_on_fails),
        cmocka_unit_test(of_a_turn_that_differs_nothing_else_is_recorded),
        cmocka_unit_test(another_input_and_more_steps_at_the_end_are_legal),
        cmocka_unit_test(a_completion_for_a_step_of_another_kind_is_not_taken),
        cmocka_unit_test(kinds_of_a_newer_version_are_ignored_unless_they_are_steps),
        cmocka_unit_test(a_history_without_a_beginning_fails),
        cmocka_unit_test(drop_mode_finds_code_that_remembers_in_a_static),
        cmocka_unit_test(code_is_replaying_while_it_sees_events_of_past_turns),
        cmocka_unit_test(random_programs_act_the_same_kept_dropped_and_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
