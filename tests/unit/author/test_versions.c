/* SPDX-License-Identifier: MIT
 *
 * Versions: which is older, and which worker runs what. */
#include "play.h"

#include <string.h>

#include "author/author_priv.h" /* version_compare */

static int compare(const char *a, const char *b)
{
    int order = version_compare(text_of(a), text_of(b));
    assert_int_equal(order < 0 ? -1 : order > 0,
                     -(version_compare(text_of(b), text_of(a)) < 0
                           ? -1
                           : version_compare(text_of(b), text_of(a)) > 0));
    return order < 0 ? -1 : order > 0;
}

static void versions_are_compared_by_numbers_between_dots(void **state)
{
    (void)state;
    assert_int_equal(compare("1.0", "1.0"), 0);
    assert_int_equal(compare("1.9", "1.10"), -1);
    assert_int_equal(compare("01.002", "1.2"), 0);
    assert_int_equal(compare("1", "1.0"), -1);
    assert_int_equal(compare("2", "1.9.9"), 1);
    assert_int_equal(compare("1.99999999999999999999999", "1.100000000000000000000000"), -1);
    assert_int_equal(compare("1.0-beta", "1.0-rc"), -1);
    assert_int_equal(compare("a.2", "a.10"), -1);
    assert_int_equal(compare("1..2", "1..3"), -1);
    assert_int_equal(compare("", "0"), -1);
    assert_int_equal(compare(NULL, "0"), -1);
    assert_int_equal(compare(NULL, ""), 0);
}

static pd_result fine(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    return pd_ok(o, "fine");
}

static const pd_function fine_program[] = { PD_FUNCTION("Main", fine) };

/* true: the instance is run, though its version and the worker's are these. */
static bool is_run(pd_version_match match, const char *instance, const char *worker)
{
    struct play p;
    play_options.version = worker;
    play_options.version_match = match;
    play_begin(&p, PD_PROGRAM(fine_program), PLAY_KEPT);
    p.version = text_of(instance);
    play_start(&p, "Main", "1");
    bool is_it = strstr(play_transcript(&p), "0 A 1") != NULL;
    assert_int_equal(strstr(play_transcript(&p), "failed VersionMismatch") == NULL, is_it);
    play_end(&p);
    play_options = (struct author_options){ 0 };
    return is_it;
}

static void a_worker_runs_what_matches_its_version(void **state)
{
    (void)state;
    assert_true(is_run(PD_VERSION_ANY, "2", "1"));
    assert_true(is_run(PD_VERSION_ANY, "2", NULL));
    assert_true(is_run(PD_VERSION_SAME, "1.0", "1.0"));
    assert_false(is_run(PD_VERSION_SAME, "1.0", "1.1"));
    assert_false(is_run(PD_VERSION_SAME, "1.1", "1.0"));
    assert_false(is_run(PD_VERSION_SAME, "1.1", NULL));
    assert_true(is_run(PD_VERSION_SAME, NULL, "1.0"));
    assert_true(is_run(PD_VERSION_SAME_OR_OLDER, "1.0", "1.0"));
    assert_true(is_run(PD_VERSION_SAME_OR_OLDER, "1.9", "1.10"));
    assert_false(is_run(PD_VERSION_SAME_OR_OLDER, "1.11", "1.10"));
    assert_false(is_run(PD_VERSION_SAME_OR_OLDER, "1", NULL));
    assert_true(is_run(PD_VERSION_SAME_OR_OLDER, NULL, NULL));
}

static void a_mismatch_fails_also_in_the_middle_and_records_nothing_else(void **state)
{
    struct play p;
    (void)state;
    play_begin(&p, PD_PROGRAM(fine_program), PLAY_KEPT);
    p.version = TEXT("2.0");
    play_start(&p, "Main", "1");
    play_options.version = "1.0";
    play_options.version_match = PD_VERSION_SAME_OR_OLDER;
    play_restart(&p, NULL, 0);
    play_complete(&p, 0, "1");
    play_turn(&p);
    assert_string_equal(play_transcript(&p),
                        "turn 1\n  0 A 1 version 2.0\n"
                        "turn 2\n  1 failed VersionMismatch: the instance has version '2.0', this "
                        "worker '1.0', and runs only the same or older ones (final)\n");
    play_end(&p);
    play_options = (struct author_options){ 0 };
}

/* RUNNER_LEAVES, having done nothing: the same turn can be offered to another worker. */
static void a_mismatch_can_be_left_to_a_later_worker(void **state)
{
    pd_error err;
    struct arena arena;
    struct turn_result result;
    struct author_options options = { .version = "1",
                                      .version_match = PD_VERSION_SAME,
                                      .leaves_mismatch = true };
    struct event events[] = {
        { .kind = EVENT_ORCHESTRATOR_STARTED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = 5 },
        { .kind = EVENT_EXECUTION_STARTED,
          .id = EVENT_NO_ID,
          .ref = EVENT_NO_ID,
          .name = TEXT("Main"),
          .version = TEXT("2") },
    };
    struct told_past past;
    struct turn turn = { .row = 1,
                         .number = 1,
                         .instance_id = TEXT("i"),
                         .execution_id = TEXT("e"),
                         .events = events,
                         .event_count = 2 };
    (void)state;
    arena_init(&arena);
    told_past_init(&past, events, 2);
    struct runner *runner = author_new(PD_PROGRAM(fine_program), &options, &err);
    assert_int_equal(runner->ops->turn(runner, &turn, NULL, &arena, &result), RUNNER_LEAVES);
    turn.number = 2;
    turn.event_count = 1;
    assert_int_equal(runner->ops->turn(runner, &turn, NULL, &arena, &result), RUNNER_NEEDS_HISTORY);
    assert_int_equal(runner->ops->turn(runner, &turn, &past.base, &arena, &result), RUNNER_LEAVES);
    assert_int_equal(author_counters(runner).resident, 0);
    events[1].version = TEXT("1");
    assert_int_equal(runner->ops->turn(runner, &turn, &past.base, &arena, &result), RUNNER_DONE);
    author_free(runner);
    told_past_done(&past);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_compared_by_numbers_between_dots),
        cmocka_unit_test(a_worker_runs_what_matches_its_version),
        cmocka_unit_test(a_mismatch_fails_also_in_the_middle_and_records_nothing_else),
        cmocka_unit_test(a_mismatch_can_be_left_to_a_later_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
