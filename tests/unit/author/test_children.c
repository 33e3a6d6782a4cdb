/* SPDX-License-Identifier: MIT
 *
 * Children: what they are given, how they end, and who they are themselves. */
#include "play.h"

#include <stdio.h>
#include <string.h>

static pd_result child(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static const pd_retry at_once = { .attempts_max = 3 };

static pd_result parent(pd_orchestration *o, pd_value input)
{
    pd_task *first = pd_start_child(o, child, input);
    pd_task *second = pd_start_child(o, "Foreign", PD_OBJ("n", input), .id = "order-8",
                                     .version = "2.1", .tags = pd_of_literal(PD_OBJ("k", "v")));
    pd_task *third = pd_start_child(o, child, PD_NULL, .version = "");
    pd_wait_all(o, PD_TASKS(first, second, third));
    pd_list *said = pd_list_new(o);
    pd_list_add(said, pd_task_value(first));
    pd_list_add(said, pd_task_value(second));
    pd_list_add(said, pd_task_failure(third)->cause->type);
    return pd_ok(o, said);
}

static pd_result with_retry(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", PD_NULL);
    return pd_ok(o, pd_call_child(o, child, input, .retry = &at_once));
}

static const pd_function program[] = {
    PD_FUNCTION("Child", child),
    PD_FUNCTION("Parent", parent),
    PD_FUNCTION("WithRetry", with_retry),
};

/* ---- asking ---------------------------------------------------------------------------------- */

static const struct failure root = { .type = TEXT_INIT("DiskFull"),
                                     .message = TEXT_INIT("no room") };

static void script_parent(struct play *p)
{
    play_start(p, "Parent", "7");
    play_complete(p, 0, "\"an activity of this number ended\""); /* but this step is a child */
    play_child_complete(p, 1, "[2]");
    play_turn(p);
    play_child_fail(p, 2, "TaskFailed", "it could not save")->cause = &root;
    play_child_complete(p, 0, "1");
    play_child_complete(p, 0, "\"twice\"");
    play_turn(p);
}

static void children_have_an_id_of_execution_and_step_unless_one_is_given(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(program), script_parent,
             "turn 1\n  0 child Child 7 as e1:0000\n"
             "  1 child Foreign {\"n\":7} as order-8 version 2.1 #k=v\n"
             "  2 child Child null as e1:0002\n"
             "turn 2\nturn 3\n  3 completed [1,[2],\"DiskFull\"]\n");
}

static void script_versioned(struct play *p)
{
    static const struct event_extra extra = { .tags = TEXT_INIT("\x1e"
                                                                "a\x1f"
                                                                "1\x1ek\x1fmine\x1e") };
    p->extra = &extra;
    p->version = TEXT("1.0");
    play_start(p, "Parent", "7");
}

static void a_child_has_the_version_of_the_worker_and_the_tags_of_its_parent(void **state)
{
    (void)state;
    play_options.version = "5";
    play_all(PD_PROGRAM(program), script_versioned,
             "turn 1\n  0 child Child 7 as e1:0000 version 5 #a=1 #k=mine\n"
             "  1 child Foreign {\"n\":7} as order-8 version 2.1 #a=1 #k=v\n"
             "  2 child Child null as e1:0002 #a=1 #k=mine\n");
    play_options.version = NULL;
}

/* ---- failing --------------------------------------------------------------------------------- */

static void script_retry(struct play *p)
{
    play_start(p, "WithRetry", "7");
    play_complete(p, 0, NULL);
    play_turn(p);
    play_child_fail(p, 1, "Down", "first");
    play_turn(p);
    play_child_fail(p, 2, "Down", "second");
    play_turn(p);
    play_child_fail(p, 3, "Down", "third")->cause = &root;
    play_turn(p);
}

static void every_attempt_of_a_child_has_the_id_of_the_first(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(program), script_retry,
             "turn 1\n  0 A null\nturn 2\n  1 child Child 7 as e1:0001\n"
             "turn 3\n  2 child Child 7 as e1:0001 answers 1\n"
             "turn 4\n  3 child Child 7 as e1:0001 answers 2\n"
             "turn 5\n  4 failed TaskFailed: child 'Child' (step 3) failed: third <- "
             "Down: third <- DiskFull: no room\n");
}

/* ---- going wrong ----------------------------------------------------------------------------- */

static const char *id_for_test;
static pd_value tags_for_test;
static const char *version_for_test;
static pd_ref ref_for_test;

static pd_result careless(pd_orchestration *o, pd_value input)
{
    pd_child_call call = {
        .input = input, .id = id_for_test, .tags = tags_for_test, .version = version_for_test
    };
    pd_start_child_(o, ref_for_test, &call);
    return pd_ok(o, "fine");
}

static void carelessly(const char *tags, const char *expected)
{
    static const pd_function rows[] = { PD_FUNCTION("Main", careless) };
    struct play p;
    struct event_extra extra = { .tags = text_of(tags) };
    play_begin(&p, PD_PROGRAM(rows), PLAY_KEPT);
    p.extra = &extra;
    play_start(&p, "Main", NULL);
    const char *transcript = play_transcript(&p);
    if (expected != NULL) {
        assert_string_equal(transcript, expected);
    } else {
        assert_non_null(strstr(transcript, "completed \"fine\""));
    }
    play_end(&p);
}

#define REFUSED(what) "turn 1\n  0 failed " what " (final)\n"

static void what_makes_no_child_is_refused(void **state)
{
    char long_name[LIMIT_NAME + 2];
    (void)state;
    memset(long_name, 'n', sizeof long_name);
    long_name[LIMIT_NAME + 1] = '\0';
    ref_for_test = pd_ref_name("X");
    id_for_test = "";
    carelessly(NULL, REFUSED("Misuse: pd_call_child: an instance id may not be empty"));
    id_for_test = "a\x7f";
    carelessly(NULL, REFUSED("Misuse: pd_call_child: 'a ' has a control character at byte 1"));
    id_for_test = long_name;
    carelessly(NULL, REFUSED("Misuse: pd_call_child: an instance id of 257 characters is over the "
                             "limit of 256"));
    long_name[LIMIT_NAME] = '\0';
    carelessly(NULL, NULL);
    id_for_test = NULL;
    version_for_test = long_name;
    carelessly(NULL, NULL);
    long_name[LIMIT_NAME] = 'n';
    carelessly(NULL, REFUSED("Misuse: pd_call_child: the version must be 1 to 256 bytes of UTF-8"));
    version_for_test = NULL;
    ref_for_test = pd_ref_name(NULL);
    carelessly(NULL, REFUSED("Misuse: pd_call_child: the name of the orchestrator is NULL"));
    ref_for_test = pd_ref_orchestrator(child);
    carelessly(NULL, REFUSED("OrchestratorNotFound: pd_call_child: a function that is not in the "
                             "program; add PD_FUNCTION(\"Name\", function) to the table that "
                             "pd_worker_start is given"));
    ref_for_test = pd_ref_name("X");
}

static void tags_of_a_child_are_at_most_64_with_those_of_its_parent(void **state)
{
    struct arena arena;
    struct tag tags[LIMIT_TAGS];
    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < LIMIT_TAGS; i++) {
        tags[i] = (struct tag){ text_of(arena_printf(&arena, "k%zu", i)), TEXT("v") };
    }
    ref_for_test = pd_ref_name("X");
    tags_for_test = pd_of_literal(PD_OBJ("k0", "over", "k1", "over"));
    carelessly(tags_pack(&arena, tags, LIMIT_TAGS).at, NULL);
    tags_for_test = pd_of_literal(PD_OBJ("k0", "over", "another", "one"));
    carelessly(tags_pack(&arena, tags, LIMIT_TAGS).at,
               REFUSED("Misuse: pd_call_child: with those of this instance there are more than 64 "
                       "tags"));
    carelessly(tags_pack(&arena, tags, LIMIT_TAGS - 1).at, NULL);
    tags_for_test = pd_of_int(1);
    carelessly(NULL, REFUSED("Misuse: pd_call_child: tags are an object of texts"));
    tags_for_test = PD_NULL;
    arena_done(&arena);
}

/* ---- R2 -------------------------------------------------------------------------------------- */

static pd_result calls_activity(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_activity(o, "X", input));
}

static pd_result calls_child(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_child(o, "X", input));
}

static pd_result calls_other_child(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_child(o, "Y", input));
}

static pd_result calls_child_by_another_id(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_child(o, "X", input, .id = "another"));
}

static void changed(pd_orchestrator_fn *before, pd_orchestrator_fn *after, const char *expected)
{
    const pd_function old[] = { PD_FUNCTION("Main", before) };
    const pd_function new[] = { PD_FUNCTION("Main", after) };
    struct play p;
    play_begin(&p, PD_PROGRAM(old), PLAY_KEPT);
    play_start(&p, "Main", "1");
    play_restart(&p, PD_PROGRAM(new));
    buffer_reset(&p.transcript);
    play_child_complete(&p, 0, "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), expected);
    play_end(&p);
}

static void a_child_is_compared_by_kind_and_name_and_not_by_id(void **state)
{
    (void)state;
    changed(calls_child, calls_activity,
            "turn 2\n  1 failed NonDeterminism: step 0: history has "
            "SubOrchestrationInstanceCreated 'X' (event 3), the code asked for activity 'X' "
            "(final)\n");
    changed(calls_activity, calls_child,
            "turn 2\n  1 failed NonDeterminism: step 0: history has TaskScheduled 'X' (event 3), "
            "the code asked for child 'X' (final)\n");
    changed(calls_child, calls_other_child,
            "turn 2\n  1 failed NonDeterminism: step 0: history has "
            "SubOrchestrationInstanceCreated 'X' (event 3), the code asked for child 'Y' "
            "(final)\n");
    changed(calls_child, calls_child_by_another_id, "turn 2\n  1 completed 2\n");
}

/* ---- who am I? ------------------------------------------------------------------------------- */

static pd_result tells(pd_orchestration *o, pd_value input)
{
    pd_list *said = pd_list_new(o);
    (void)input;
    for (int i = 0; i < 2; i++) { /* before and after a wait */
        pd_list_add(said, pd_instance_id(o));
        pd_list_add(said, pd_execution_id(o));
        pd_list_add(said, pd_own_version(o));
        pd_list_add(said, pd_parent_id(o));
        pd_list_add(said, pd_own_tag(o, "k"));
        pd_list_add(said, pd_own_tag(o, "none"));
        pd_list_add(said, pd_own_tag(o, NULL));
        pd_call_activity(o, "A", PD_NULL);
    }
    return pd_ok(o, said);
}

static void script_plain(struct play *p)
{
    play_start(p, "Main", NULL);
    play_complete(p, 0, NULL);
    play_turn(p);
    play_complete(p, 1, NULL);
    play_turn(p);
}

static void script_child(struct play *p)
{
    static const struct event_extra extra = { .tags = TEXT_INIT("\x1ek\x1fmine\x1e"),
                                              .has_parent = true,
                                              .parent_step = 3,
                                              .parent_id = TEXT_INIT("order-6"),
                                              .parent_execution_id = TEXT_INIT("e0") };
    p->extra = &extra;
    p->version = TEXT("1.0");
    script_plain(p);
}

static void an_orchestration_knows_what_it_was_started_with(void **state)
{
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Main", tells) };
    play_all(PD_PROGRAM(rows), script_plain,
             "turn 1\n  0 A null\nturn 2\n  1 A null\nturn 3\n  2 completed "
             "[\"order-7\",\"e1\",\"\",null,null,null,null,"
             "\"order-7\",\"e1\",\"\",null,null,null,null]\n");
    play_all(
        PD_PROGRAM(rows), script_child,
        "turn 1\n  0 A null version 1.0\nturn 2\n  1 A null version 1.0\nturn 3\n  2 completed "
        "[\"order-7\",\"e1\",\"1.0\",\"order-6\",\"mine\",null,null,"
        "\"order-7\",\"e1\",\"1.0\",\"order-6\",\"mine\",null,null]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_have_an_id_of_execution_and_step_unless_one_is_given),
        cmocka_unit_test(a_child_has_the_version_of_the_worker_and_the_tags_of_its_parent),
        cmocka_unit_test(every_attempt_of_a_child_has_the_id_of_the_first),
        cmocka_unit_test(what_makes_no_child_is_refused),
        cmocka_unit_test(tags_of_a_child_are_at_most_64_with_those_of_its_parent),
        cmocka_unit_test(a_child_is_compared_by_kind_and_name_and_not_by_id),
        cmocka_unit_test(an_orchestration_knows_what_it_was_started_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
