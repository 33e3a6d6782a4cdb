/* SPDX-License-Identifier: MIT
 *
 * The runner: what it checks, what it keeps and lets go, and what goes with a run. */
#include "play.h"

#include <stdio.h>
#include <string.h>

static int released;

static void release(void *thing)
{
    *(int *)thing = ++released;
}

static int released_as[3];

/* Waits for events "E" until one is not true; holds things meanwhile. */
static pd_result holder(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_defer(o, release, &released_as[0]);
    pd_defer(o, release, &released_as[1]);
    pd_defer(o, release, &released_as[2]);
    while (pd_bool(pd_wait_event(o, "E"))) {}
    return pd_ok(o, pd_user(o));
}

static pd_result nothing(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

static const pd_function program[] = {
    PD_FUNCTION("Holder", holder),
    PD_FUNCTION("Nothing", nothing),
};

/* ---- what is checked ------------------------------------------------------------------------- */

static void refused(const pd_function *rows, size_t n, const struct author_options *options,
                    const char *text)
{
    pd_error err = { .status = PD_OK };
    assert_null(author_new(rows, n, options, &err));
    assert_int_equal(err.status, PD_E_INVALID);
    assert_string_equal(err.text, text);
}

static pd_result operate(pd_entity *e, pd_value input)
{
    return pd_ok(e, input);
}

static void entities_of_a_program_are_checked(void **state)
{
    static const pd_operation nameless[] = { { "a", operate }, { NULL, operate } };
    static const pd_operation no_code[] = { { "a", NULL } };
    static const pd_operation twice[] = { { "Add", operate },
                                          { "b", operate },
                                          { "aDD", operate } };
    static const pd_entity_rules none = { .operations = twice, .operation_count = 0 };
    static const pd_entity_rules no_table = { .operations = NULL, .operation_count = 1 };
    static const pd_entity_rules fine = { .operations = twice, .operation_count = 2 };
    char name[LIMIT_NAME + 1], text[sizeof((pd_error *)NULL)->text];
    (void)state;
    const pd_function a[] = { PD_ENTITY_TABLE("E", nameless) };
    refused(PD_PROGRAM(a), NULL,
            "the name of operation 1 of entity 'E' must be 1 to 256 bytes of UTF-8");
    const pd_function b[] = { PD_ENTITY_TABLE("E", no_code) };
    refused(PD_PROGRAM(b), NULL, "operation 'a' of entity 'E' has no function");
    const pd_function c[] = { PD_ENTITY_TABLE("E", twice) };
    refused(PD_PROGRAM(c), NULL, "entity 'E' has the operation 'aDD' twice (case does not count)");
    const pd_function d[] = { { "E", PD_ENTITY_FUNCTION, NULL, NULL } };
    refused(PD_PROGRAM(d), NULL, "entity 'E' has neither a function nor operations");
    const pd_function e[] = { { "E", PD_ENTITY_FUNCTION, NULL, &none } };
    refused(PD_PROGRAM(e), NULL, "entity 'E' has neither a function nor operations");
    const pd_function f[] = { { "E", PD_ENTITY_FUNCTION, NULL, &no_table } };
    refused(PD_PROGRAM(f), NULL, "entity 'E' has neither a function nor operations");
    const pd_function g[] = { PD_ENTITY_RULES("E", operate, .operations = twice) };
    refused(PD_PROGRAM(g), NULL,
            "entity 'E' has both a function and operations; use PD_ENTITY_TABLE for one function "
            "each");
    const pd_function h[] = { { "A", PD_ACTIVITY, (pd_any_fn *)nothing, &fine } };
    refused(PD_PROGRAM(h), NULL, "'A' has the rules of an entity, and is none");
    const pd_function i[] = { PD_FUNCTION("Counter", operate), PD_FUNCTION("A", nothing),
                              PD_FUNCTION("cOUNTER", operate) };
    refused(PD_PROGRAM(i), NULL,
            "the name 'cOUNTER' is there twice (of entities, case does not count)");
    const pd_function j[] = { PD_FUNCTION("A", nothing), PD_FUNCTION("A", operate) };
    refused(PD_PROGRAM(j), NULL, "the name 'A' is there twice (of entities, case does not count)");
    static const char *const names[] = { "a@b", "@", "a\tb" };
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        const pd_function row[] = { PD_FUNCTION(names[k], operate) };
        (void)snprintf(text, sizeof text,
                       "'%s' cannot be the name of an entity: as an ID, '@name@key', it would be "
                       "too long, or hold a '@' or a control character",
                       k < 2 ? names[k] : "a b"); /* as errors show it */
        refused(PD_PROGRAM(row), NULL, text);
    }
    memset(name, 'n', sizeof name);
    name[LIMIT_INSTANCE_ID - 2] = '\0'; /* with both '@' that is all */
    const pd_function longest[] = { PD_FUNCTION(name, operate) };
    struct runner *runner = author_new(PD_PROGRAM(longest), NULL, NULL);
    assert_non_null(runner);
    author_free(runner);
    name[LIMIT_INSTANCE_ID - 2] = 'n';
    name[LIMIT_INSTANCE_ID - 1] = '\0';
    pd_error err;
    assert_null(author_new(PD_PROGRAM(longest), NULL, &err));
    assert_int_equal(err.status, PD_E_INVALID);
}

static void names_of_perdure_are_kept(void **state)
{
    (void)state;
    const pd_function a[] = { PD_FUNCTION("perdure.call", holder) };
    refused(PD_PROGRAM(a), NULL,
            "'perdure.call': names that begin with 'perdure.' are kept for Perdure itself");
    const pd_function b[] = { PD_FUNCTION("A", nothing), PD_FUNCTION("perdure.", nothing) };
    refused(PD_PROGRAM(b), NULL,
            "'perdure.': names that begin with 'perdure.' are kept for Perdure itself");
    const pd_function c[] = { PD_FUNCTION("Perdure.x", operate) };
    refused(PD_PROGRAM(c), NULL,
            "'Perdure.x': names that begin with 'perdure.' are kept for Perdure itself");
    const pd_function d[] = { PD_FUNCTION("perdure", holder),
                              PD_FUNCTION("my.perdure.x", nothing) };
    struct runner *runner = author_new(PD_PROGRAM(d), NULL, NULL);
    assert_non_null(runner);
    author_free(runner);
}

static void a_program_is_checked_row_by_row(void **state)
{
    char long_name[LIMIT_NAME + 2];
    (void)state;
    memset(long_name, 'n', sizeof long_name);
    long_name[LIMIT_NAME + 1] = '\0';
    refused(NULL, 1, NULL, "there is no table of functions");
    const pd_function nameless[] = { PD_FUNCTION("A", holder), PD_FUNCTION(NULL, holder) };
    refused(PD_PROGRAM(nameless), NULL, "row 1 has no name");
    const pd_function empty[] = { PD_FUNCTION("", holder) };
    refused(PD_PROGRAM(empty), NULL, "row 0 has no name");
    const pd_function too_long[] = { PD_FUNCTION(long_name, holder) };
    refused(PD_PROGRAM(too_long), NULL, "the name of row 0 must be 1 to 256 bytes of UTF-8");
    struct author_options versioned = { .version = long_name };
    refused(PD_PROGRAM(program), &versioned, "the version must be at most 256 bytes of UTF-8");
    const pd_function no_code[] = { { "A", PD_ACTIVITY, NULL, NULL } };
    refused(PD_PROGRAM(no_code), NULL, "'A' has no function");
    const pd_function no_kind[] = { { "A", (pd_function_kind)0, (pd_any_fn *)holder, NULL } };
    refused(PD_PROGRAM(no_kind), NULL,
            "'A' is neither an orchestrator nor an activity nor an entity; use PD_FUNCTION");
    const pd_function twice[] = { PD_FUNCTION("A", holder), PD_FUNCTION("A", nothing) };
    refused(PD_PROGRAM(twice), NULL, "the name 'A' is there twice");
    struct author_options small = { .stack_size = LIMIT_STACK_MIN - 1 };
    refused(PD_PROGRAM(program), &small, "a stack_size of 16383 is below the least, 16384 bytes");
    long_name[LIMIT_NAME] = '\0';
    pd_error err;
    struct runner *runner = author_new(PD_PROGRAM(too_long), NULL, &err);
    assert_non_null(runner);
    author_free(runner);
    runner = author_new(PD_PROGRAM(program), &versioned, &err);
    assert_non_null(runner);
    author_free(runner);
    author_free(NULL);
}

static void a_function_has_its_first_name_by_its_kind(void **state)
{
    pd_error err;
    const pd_function rows[] = { PD_FUNCTION("First", nothing), PD_FUNCTION("Second", nothing) };
    (void)state;
    struct runner *runner = author_new(PD_PROGRAM(rows), NULL, &err);
    assert_string_equal(author_name_of(runner, (pd_any_fn *)nothing, PD_ACTIVITY), "First");
    assert_null(author_name_of(runner, (pd_any_fn *)nothing, PD_ORCHESTRATOR));
    assert_null(author_name_of(runner, (pd_any_fn *)holder, PD_ORCHESTRATOR));
    author_free(runner);
}

/* ---- what is kept ---------------------------------------------------------------------------- */

static struct runner *new_runner(size_t kept)
{
    pd_error err;
    static char user[] = "mine";
    struct author_options options = { .user = user,
                                      .partition_count = 2,
                                      .orchestrations_max = kept };
    struct runner *runner = author_new(PD_PROGRAM(program), &options, &err);
    assert_non_null(runner);
    return runner;
}

static void goes_on(struct play *p, bool needs_history)
{
    play_raise(p, "E", "true");
    play_turn(p);
    assert_int_equal(p->needed_history, needs_history);
}

static void the_run_longest_without_a_turn_is_evicted(void **state)
{
    struct play plays[3], elsewhere;
    (void)state;
    struct runner *runner = new_runner(4); /* two for each of two partitions */
    play_join(&elsewhere, runner, 9);
    elsewhere.partition = 0;
    play_start(&elsewhere, "Holder", NULL);
    for (uint64_t i = 0; i < 3; i++) {
        play_join(&plays[i], runner, i + 1);
        play_start(&plays[i], "Holder", NULL);
        if (i == 1) {
            goes_on(&plays[0], false);
        }
    }
    assert_int_equal(author_counters(runner).evictions, 1);
    assert_int_equal(author_counters(runner).resident, 3);
    goes_on(&plays[0], false);
    goes_on(&plays[1], true);
    goes_on(&plays[2], true); /* now it was longest without */
    assert_int_equal(author_counters(runner).replays, 2);
    assert_int_equal(author_counters(runner).evictions, 3);
    goes_on(&elsewhere, false);
    for (int i = 0; i < 3; i++) {
        play_end(&plays[i]);
    }
    play_end(&elsewhere);
    author_free(runner);
}

static void of_runs_that_only_sleep_few_are_kept(void **state)
{
    enum { COUNT = 200, KEPT = 64 };
    static struct play plays[COUNT];
    (void)state;
    struct runner *runner = new_runner(COUNT * 4);
    for (uint64_t i = 0; i < COUNT; i++) {
        play_join(&plays[i], runner, i + 1);
        plays[i].partition = 0;
        play_start(&plays[i], "Holder", NULL); /* waits for an event */
    }
    assert_int_equal(author_counters(runner).resident, KEPT);
    goes_on(&plays[COUNT - 1], false);
    goes_on(&plays[COUNT - KEPT], false);
    goes_on(&plays[0], true);
    for (int i = 0; i < COUNT; i++) {
        play_end(&plays[i]);
    }
    author_free(runner);
}

static pd_result tries(pd_orchestration *o, pd_value input)
{
    static const pd_retry hourly = { .attempts_max = 9, .delay_first = { 3600000 } };
    pd_task *t = pd_start_activity(o, "Nothing", input, .retry = &hourly);
    pd_wait_event(o, "E");
    pd_cancel(o, t);
    pd_wait_event(o, "E");
    return pd_ok(o, input);
}

static void a_run_between_two_attempts_sleeps(void **state)
{
    enum { COUNT = 200, KEPT = 64 };
    static struct play plays[COUNT];
    const pd_function rows[] = { PD_FUNCTION("Tries", tries) };
    struct author_options options = { .orchestrations_max = COUNT };
    pd_error err;
    (void)state;
    struct runner *runner = author_new(PD_PROGRAM(rows), &options, &err);
    for (uint64_t i = 0; i < COUNT; i++) {
        play_join(&plays[i], runner, i + 1);
        plays[i].partition = 0;
        play_start(&plays[i], "Tries", NULL);
    }
    assert_int_equal(author_counters(runner).resident, COUNT); /* an activity ends soon */
    for (int i = 0; i < COUNT; i++) {
        play_fail(&plays[i], 0, "Down", "d");
        play_turn(&plays[i]);
    }
    assert_int_equal(author_counters(runner).resident, KEPT);
    for (int i = 0; i < COUNT; i++) {
        play_fire(&plays[i], 1);
        play_turn(&plays[i]);
    }
    assert_int_equal(author_counters(runner).resident, COUNT);
    for (int i = 0; i < COUNT; i++) {
        play_fail(&plays[i], 2, "Down", "d");
        play_turn(&plays[i]);
        play_raise(&plays[i], "E", "1"); /* gives up the timer between the attempts */
        play_turn(&plays[i]);
    }
    assert_int_equal(author_counters(runner).resident, KEPT);
    for (int i = 0; i < COUNT; i++) {
        play_end(&plays[i]);
    }
    author_free(runner);
}

static void a_run_that_has_ended_is_dropped_at_once_with_what_it_held(void **state)
{
    struct play p;
    (void)state;
    struct runner *runner = new_runner(0);
    released = 0;
    play_join(&p, runner, 1);
    play_start(&p, "Holder", NULL);
    assert_int_equal(released, 0);
    play_raise(&p, "E", "false");
    play_turn(&p);
    assert_true(p.is_ended);
    assert_int_equal(released, 3);
    assert_int_equal(released_as[1], 2); /* the last deferred comes first */
    assert_int_equal(released_as[0], 3);
    assert_int_equal(author_counters(runner).resident, 0);
    play_end(&p);
    author_free(runner);
}

static void forgetting_drops_a_run_and_what_it_held(void **state)
{
    struct play one, two;
    (void)state;
    struct runner *runner = new_runner(0);
    released = 0;
    play_join(&one, runner, 1);
    play_join(&two, runner, 2);
    play_start(&one, "Holder", NULL);
    play_start(&two, "Holder", NULL);
    runner->ops->forget(runner, one.partition, 1);
    runner->ops->forget(runner, one.partition, 77); /* nothing of it is kept: fine */
    assert_int_equal(released, 3);
    runner->ops->forget_all(runner, one.partition);
    assert_int_equal(released, 6);
    assert_int_equal(author_counters(runner).resident, 0);
    goes_on(&one, true);
    goes_on(&one, false);
    author_free(runner);
    assert_int_equal(released, 9);
    play_end(&one);
    play_end(&two);
}

static void a_turn_that_was_thrown_away_is_run_again_from_history(void **state)
{
    struct play p;
    (void)state;
    struct runner *runner = new_runner(0);
    play_join(&p, runner, 1);
    play_start(&p, "Holder", NULL);
    goes_on(&p, false);
    /* The commit of turn 2 failed: it is offered again, with another event before. */
    p.turn_number--;
    p.history_count -= 2;
    goes_on(&p, true);
    goes_on(&p, false);
    /* And so did that of turn 1. */
    p.turn_number = 0;
    p.history_count = 0;
    p.coming_count = 0;
    play_start(&p, "Holder", NULL);
    assert_false(p.needed_history);
    goes_on(&p, false);
    play_end(&p);
    author_free(runner);
}

/* ---- many ------------------------------------------------------------------------------------ */

static pd_result wide(pd_orchestration *o, pd_value input)
{
    size_t n = (size_t)pd_int(input);
    pd_task **tasks = pd_alloc(o, n * sizeof *tasks);
    for (size_t i = 0; i < n; i++) {
        tasks[i] = pd_start_activity(o, "Nothing", i);
    }
    return pd_ok(o, pd_wait_all(o, tasks, n));
}

static void a_wide_fan_out_is_replayed_as_it_was(void **state)
{
    enum { WIDTH = 20000 };
    const pd_function rows[] = { PD_FUNCTION("Wide", wide), PD_FUNCTION("Nothing", nothing) };
    (void)state;
    for (int mode = PLAY_KEPT; mode <= PLAY_DROPPED; mode++) {
        struct play p;
        play_begin(&p, PD_PROGRAM(rows), (enum play_mode)mode);
        play_start(&p, "Wide", "20000");
        assert_int_equal(p.step_count, WIDTH);
        for (int i = 0; i < WIDTH; i++) {
            play_complete(&p, (i * 7919) % WIDTH, "{\"a\":1}");
            if (i == WIDTH / 2) {
                play_turn(&p);
                assert_false(p.is_ended);
            }
        }
        play_turn(&p);
        assert_true(p.is_ended);
        assert_non_null(strstr(play_transcript(&p), "turn 3\n  20000 completed true\n"));
        play_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_is_checked_row_by_row),
        cmocka_unit_test(entities_of_a_program_are_checked),
        cmocka_unit_test(names_of_perdure_are_kept),
        cmocka_unit_test(a_function_has_its_first_name_by_its_kind),
        cmocka_unit_test(the_run_longest_without_a_turn_is_evicted),
        cmocka_unit_test(of_runs_that_only_sleep_few_are_kept),
        cmocka_unit_test(a_run_between_two_attempts_sleeps),
        cmocka_unit_test(a_run_that_has_ended_is_dropped_at_once_with_what_it_held),
        cmocka_unit_test(forgetting_drops_a_run_and_what_it_held),
        cmocka_unit_test(a_turn_that_was_thrown_away_is_run_again_from_history),
        cmocka_unit_test(a_wide_fan_out_is_replayed_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
