/* SPDX-License-Identifier: MIT
 *
 * What an orchestrator does wrong becomes a failure that says so; what is at a limit works, and one
 * past it fails. */
#include "play.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name_for_test;
static pd_orchestration *other;
static pd_task *task_of_other;
static pd_list *list_of_other;

static pd_failure tail_biter = { "Loop", "l", &tail_biter, false, NULL };
static pd_failure wide_biter = { "Loop", "l", &wide_biter, false, &wide_biter };

static pd_result unregistered(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

/* Each of these does one thing wrong. */
#define WRONG(id, ...)                                       \
    static pd_result id(pd_orchestration *o, pd_value input) \
    {                                                        \
        (void)input;                                         \
        __VA_ARGS__ return pd_ok(o, "not noticed");          \
    }

WRONG(await_null, pd_await(o, NULL);)
WRONG(wait_any_of_none, pd_wait_any(o, &(pd_task *){ NULL }, 0);)
WRONG(wait_all_of_null, pd_wait_all(o, PD_TASKS(NULL, NULL));)
WRONG(no_tasks, pd_await_all(o, NULL, 2);)
WRONG(value_of_null, pd_task_value(NULL);)
WRONG(task_of_another, pd_wait(o, task_of_other);)
WRONG(value_of_another, pd_task_value(task_of_other);)
WRONG(context_of_another, pd_call_activity(other, "A", PD_NULL);)
WRONG(list_of_another, pd_list_add(list_of_other, 1);)
WRONG(context_null, pd_now(NULL);)
WRONG(activity_by_name, pd_call_activity(o, name_for_test, PD_NULL);)
WRONG(version, pd_call_activity(o, "A", PD_NULL, .version = name_for_test);)
WRONG(event_name, pd_wait_event(o, name_for_test);)
WRONG(calls_unregistered, pd_call_activity(o, unregistered, PD_NULL);)
WRONG(fail_without_a_type, return pd_fail(o, NULL, "reason %d", 1);)
WRONG(raise_without_a_type, pd_raise(o, "", "reason %d", 2);)
WRONG(fail_with_null, return pd_fail_with(o, NULL);)
WRONG(endless_causes, return pd_fail_with(o, &tail_biter);)
WRONG(endless_both_ways, return pd_fail_with(o, &wide_biter);)
WRONG(pd_failed, return PD_FAILED;)
WRONG(no_result, return (pd_result){ 0, NULL };)
WRONG(made_up_result, return (pd_result){ 1, "somewhere" };)
WRONG(not_a_number, return pd_ok(o, __builtin_nan(""));)
WRONG(input_not_a_number, pd_call_activity(o, "A", __builtin_inf());)
WRONG(not_utf_8, return pd_ok(o, "\xff\xfe");)
WRONG(failure_not_utf_8, return pd_fail(o, "Ty\xffpe",
                                        "mess\xc3\x28"
                                        "age");)
WRONG(json, pd_json(o, __builtin_nan(""));)
WRONG(no_value, pd_keep(o, ((pd_value){ .kind_ = 77 }));)
WRONG(dict_key, pd_dict_set(pd_dict_new(o), NULL, 1);)
WRONG(defer, pd_defer(o, NULL, NULL);)
WRONG(alloc, mem_fail_at(1); pd_alloc(o, 1024 * 1024);)
WRONG(read_another_kind, int n; pd_read(o, input, &n);)

/* Lends out what others must not use, and stays. */
static pd_result lender(pd_orchestration *o, pd_value input)
{
    other = o;
    list_of_other = pd_list_new(o);
    task_of_other = pd_start_activity(o, "A", input);
    pd_wait(o, task_of_other);
    return pd_ok(o, list_of_other);
}

static const pd_function program[] = {
    PD_FUNCTION("await null", await_null),
    PD_FUNCTION("wait_any of none", wait_any_of_none),
    PD_FUNCTION("wait_all of null", wait_all_of_null),
    PD_FUNCTION("no tasks", no_tasks),
    PD_FUNCTION("value of null", value_of_null),
    PD_FUNCTION("task of another", task_of_another),
    PD_FUNCTION("value of another", value_of_another),
    PD_FUNCTION("context of another", context_of_another),
    PD_FUNCTION("list of another", list_of_another),
    PD_FUNCTION("context null", context_null),
    PD_FUNCTION("activity by name", activity_by_name),
    PD_FUNCTION("version", version),
    PD_FUNCTION("event name", event_name),
    PD_FUNCTION("unregistered", calls_unregistered),
    PD_FUNCTION("fail without a type", fail_without_a_type),
    PD_FUNCTION("raise without a type", raise_without_a_type),
    PD_FUNCTION("fail with null", fail_with_null),
    PD_FUNCTION("endless causes", endless_causes),
    PD_FUNCTION("endless both ways", endless_both_ways),
    PD_FUNCTION("PD_FAILED", pd_failed),
    PD_FUNCTION("no result", no_result),
    PD_FUNCTION("made-up result", made_up_result),
    PD_FUNCTION("not a number", not_a_number),
    PD_FUNCTION("input not a number", input_not_a_number),
    PD_FUNCTION("not UTF-8", not_utf_8),
    PD_FUNCTION("failure not UTF-8", failure_not_utf_8),
    PD_FUNCTION("json", json),
    PD_FUNCTION("no value", no_value),
    PD_FUNCTION("dict key", dict_key),
    PD_FUNCTION("defer", defer),
    PD_FUNCTION("alloc", alloc),
    PD_FUNCTION("read", read_another_kind),
    PD_FUNCTION("Lender", lender),
};

static void wrongly(const char *what, const char *expected)
{
    struct play lends, p;
    play_begin(&lends, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&lends, "Lender", NULL);
    play_join(&p, lends.runner, 99);
    play_start(&p, what, "\"a text\"");
    assert_string_equal(play_transcript(&p), expected);
    assert_true(p.is_ended);
    play_end(&p);
    /* The other one has not suffered. */
    play_complete(&lends, 0, NULL);
    play_turn(&lends);
    assert_string_equal(play_transcript(&lends), "turn 1\n  0 A null\nturn 2\n  1 completed []\n");
    play_end(&lends);
}

#define FAILED(rest) "turn 1\n  0 failed " rest "\n"

static void waiting_for_what_is_no_task_fails(void **state)
{
    (void)state;
    wrongly("await null",
            FAILED("Misuse: pd_await: a task is NULL, or not of this orchestration (final)"));
    wrongly("wait_any of none",
            FAILED("Misuse: pd_wait_any: there is no task to wait for (final)"));
    wrongly("wait_all of null",
            FAILED("Misuse: pd_wait_all: a task is NULL, or not of this orchestration (final)"));
    wrongly("no tasks", FAILED("Misuse: pd_await_all: there are no tasks (final)"));
    wrongly("value of null",
            FAILED("Misuse: pd_task_value: a task is NULL, or not of this orchestration (final)"));
}

static void using_what_belongs_to_another_orchestration_fails(void **state)
{
    (void)state;
    wrongly("task of another",
            FAILED("Misuse: pd_wait: a task is NULL, or not of this orchestration (final)"));
    wrongly("value of another",
            FAILED("Misuse: pd_task_value: a task is NULL, or not of this orchestration (final)"));
    wrongly("context of another",
            FAILED("Misuse: a context was used outside of its own orchestrator (final)"));
    wrongly("list of another",
            FAILED("Misuse: pd_list_add: the list is NULL, or not of this function (final)"));
    wrongly("context null", FAILED("Misuse: the context is NULL (final)"));
}

static void names_are_1_to_256_bytes_of_utf_8(void **state)
{
    char longest[LIMIT_NAME + 2];
    (void)state;
    memset(longest, 'n', sizeof longest);
    longest[LIMIT_NAME + 1] = '\0';
    name_for_test = NULL;
    wrongly("activity by name",
            FAILED("Misuse: pd_call_activity: the name of the activity is NULL (final)"));
    wrongly("event name", FAILED("Misuse: pd_wait_event: the name of the event is NULL (final)"));
    const char *const bad[] = { "", longest, "\xff" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        name_for_test = bad[i];
        wrongly("activity by name", FAILED("Misuse: pd_call_activity: the name of the activity "
                                           "must be 1 to 256 bytes of UTF-8 (final)"));
        wrongly("event name", FAILED("Misuse: pd_wait_event: the name of the event must be 1 to "
                                     "256 bytes of UTF-8 (final)"));
        wrongly("version", FAILED("Misuse: pd_call_activity: the version must be 1 to 256 bytes of "
                                  "UTF-8 (final)"));
    }
    longest[LIMIT_NAME] = '\0';
    name_for_test = longest;
    struct play p;
    play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&p, "activity by name", NULL);
    assert_int_equal(p.step_count, 1);
    play_end(&p);
}

static void a_function_that_is_not_in_the_program_is_named_with_the_fix(void **state)
{
    (void)state;
    wrongly("unregistered",
            FAILED("ActivityNotFound: pd_call_activity: a function that is not in the program; add "
                   "PD_FUNCTION(\"Name\", function) to the table that pd_worker_start is given "
                   "(final)"));
    struct play p;
    play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&p, "Nobody", NULL);
    assert_string_equal(play_transcript(&p),
                        FAILED("OrchestratorNotFound: this worker has no orchestrator 'Nobody'; "
                               "add it to the program (final)"));
    play_end(&p);
}

static void results_that_pd_ok_and_pd_fail_did_not_make_fail(void **state)
{
    (void)state;
    wrongly("fail without a type",
            FAILED("Misuse: pd_fail: the type is missing (final) <- : reason 1"));
    wrongly("raise without a type",
            FAILED("Misuse: pd_raise: the type is missing (final) <- : reason 2"));
    wrongly("fail with null", FAILED("Misuse: pd_fail_with: the failure is NULL (final)"));
    wrongly("PD_FAILED", FAILED("Misuse: the function returned PD_FAILED, but no call had failed "
                                "(final)"));
    wrongly("no result", FAILED("Misuse: the function returned something that pd_ok, pd_fail or "
                                "pd_fail_with of its own context did not make (final)"));
    wrongly("made-up result",
            FAILED("Misuse: the function returned something that pd_ok, pd_fail or pd_fail_with of "
                   "its own context did not make (final)"));
}

static size_t count_loops(const char *what)
{
    struct play p;
    size_t loops = 0;
    play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&p, what, NULL);
    for (const char *at = play_transcript(&p); (at = strstr(at, "Loop: l")) != NULL; at++) {
        loops++;
    }
    play_end(&p);
    return loops;
}

static void causes_are_at_most_32_deep_and_1024_in_all(void **state)
{
    (void)state;
    assert_int_equal(count_loops("endless causes"), 1 + LIMIT_FAILURE_DEPTH);
    assert_int_equal(count_loops("endless both ways"), 1 + LIMIT_FAILURE_PARTS);
}

static void what_json_cannot_hold_fails(void **state)
{
    (void)state;
    const char *const bad[] = { "not a number", "input not a number", "not UTF-8",
                                "json",         "no value",           "dict key" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct play p;
        play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
        play_start(&p, bad[i], NULL);
        assert_non_null(strstr(play_transcript(&p), "0 failed BadPayload: "));
        play_end(&p);
    }
    wrongly("failure not UTF-8", FAILED("Ty?pe: mess?(age"));
}

static void memory_calls_that_cannot_be_done_fail(void **state)
{
    (void)state;
    wrongly("defer", FAILED("Misuse: pd_defer: the function to call is NULL (final)"));
    wrongly("read", FAILED("BadInput: expected a whole number that fits an int, got a text "
                           "(final)"));
    struct play p;
    play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&p, "alloc", NULL);
    assert_non_null(strstr(play_transcript(&p), "failed OutOfMemory: pd_alloc"));
    play_end(&p);
}

/* ---- payloads -------------------------------------------------------------------------------- */

static size_t payload_size; /* of the JSON, two quotes included */

static const char *large_text(pd_orchestration *o)
{
    char *text = pd_alloc(o, payload_size - 1);
    memset(text, 'x', payload_size - 2);
    return text;
}

static pd_result large(pd_orchestration *o, pd_value input)
{
    if (pd_bool(input)) {
        return pd_ok(o, large_text(o));
    }
    pd_call_activity(o, "A", large_text(o));
    return pd_ok(o, PD_NULL);
}

static const pd_function large_program[] = { PD_FUNCTION("Large", large) };

static void a_payload_may_be_as_large_as_the_limit_and_no_larger(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        for (int is_result = 0; is_result < 2; is_result++) {
            struct play p;
            payload_size = LIMIT_PAYLOAD_BYTES + (size_t)over;
            play_begin(&p, PD_PROGRAM(large_program), PLAY_KEPT);
            play_start(&p, "Large", is_result ? "true" : "false");
            const char *expected = over        ? "  0 failed BadPayload: the "
                                   : is_result ? "  0 completed \"xxx"
                                               : "  0 A \"xxx";
            assert_memory_equal(play_transcript(&p) + strlen("turn 1\n"), expected,
                                strlen(expected));
            if (over) {
                assert_non_null(
                    strstr(play_transcript(&p),
                           "16777217 bytes of JSON are over the limit of 16777216 (final)"));
            }
            play_end(&p);
        }
    }
}

static pd_result looks(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_task *a = pd_start_activity(o, "A", PD_NULL);
    pd_task *e = pd_expect_event(o, "E");
    pd_wait_all(o, PD_TASKS(a, e));
    pd_call_activity(o, "B", PD_NULL);
    pd_task_value(a);
    return pd_ok(o, pd_await(o, e));
}

static const pd_function looking[] = { PD_FUNCTION("Looks", looks) };

static void script_bad_answer(struct play *p)
{
    play_start(p, "Looks", NULL);
    play_raise(p, "E", "{\"cut");
    play_complete(p, 0, "1");
    play_turn(p);
    play_complete(p, 1, "never looked at, never parsed");
    play_turn(p);
}

static void a_payload_that_is_no_json_fails_when_it_is_looked_at(void **state)
{
    (void)state;
    const char *const expected = "turn 1\n  0 A null\nturn 2\n  1 B null\nturn 3\n"
                                 "  2 failed BadPayload: activity 'B' (step 1): ";
    for (int mode = 0; mode < PLAY_MODES; mode++) {
        struct play p;
        play_begin(&p, PD_PROGRAM(looking), (enum play_mode)mode);
        script_bad_answer(&p);
        assert_memory_equal(play_transcript(&p), expected, strlen(expected));
        play_end(&p);
    }
    struct play p;
    play_begin(&p, PD_PROGRAM(looking), PLAY_KEPT);
    play_start(&p, "Looks", "{");
    assert_non_null(
        strstr(play_transcript(&p), "0 failed BadPayload: the input of orchestrator 'Looks': "));
    play_end(&p);
}

/* ---- outside of any orchestrator ------------------------------------------------------------- */

static void a_context_used_where_no_orchestration_runs_stops_the_process(void **state)
{
    int pipe_ends[2];
    char said[512] = "";
    (void)state;
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct play p;
        dup2(pipe_ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
        play_start(&p, "Lender", NULL);
        pd_call_activity(other, "A", PD_NULL);
        _exit(0);
    }
    close(pipe_ends[1]);
    ssize_t n = read(pipe_ends[0], said, sizeof said - 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    close(pipe_ends[0]);
    assert_true(n > 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, "perdure: a context was used outside of its own orchestrator"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_for_what_is_no_task_fails),
        cmocka_unit_test(using_what_belongs_to_another_orchestration_fails),
        cmocka_unit_test(names_are_1_to_256_bytes_of_utf_8),
        cmocka_unit_test(a_function_that_is_not_in_the_program_is_named_with_the_fix),
        cmocka_unit_test(results_that_pd_ok_and_pd_fail_did_not_make_fail),
        cmocka_unit_test(causes_are_at_most_32_deep_and_1024_in_all),
        cmocka_unit_test(what_json_cannot_hold_fails),
        cmocka_unit_test(memory_calls_that_cannot_be_done_fail),
        cmocka_unit_test(a_payload_may_be_as_large_as_the_limit_and_no_larger),
        cmocka_unit_test(a_payload_that_is_no_json_fails_when_it_is_looked_at),
        cmocka_unit_test(a_context_used_where_no_orchestration_runs_stops_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
