/* SPDX-License-Identifier: MIT
 *
 * Continuing as new, and what else goes beside steps: the custom status, changes of the code, the
 * length of history, random numbers and UUIDs. */
#include "play.h"

#include <stdio.h>
#include <string.h>

/* ---- continuing as new ----------------------------------------------------------------------- */

/* Handles one order each execution; the input counts them. */
static pd_result eternal(pd_orchestration *o, pd_value input)
{
    pd_value order = pd_wait_event(o, "Order");
    pd_call_activity(o, "Ship", PD_ARR(input, order, pd_execution_id(o)));
    if (pd_text(order)[0] == 'z') {
        return pd_ok(o, input);
    }
    return pd_continue_as_new(o, pd_int(input) + 1);
}

static const pd_function eternal_program[] = { PD_FUNCTION("Main", eternal) };

static void script_eternal(struct play *p)
{
    play_start(p, "Main", "1");
    play_raise(p, "order", "\"a\"");
    play_raise(p, "Other", "0");
    play_raise(p, "ORDER", "\"b\"");
    play_turn(p);
    play_raise(p, "Order", "\"c\"");
    play_complete(p, 0, NULL);
    play_raise(p, "Order", "\"z\""); /* behind what ended the execution, in the same turn */
    play_complete(p, 1, NULL);
    play_raise(p, "Other", "1");
    play_turn(p);
    play_turn(p);
    play_complete(p, 0, NULL);
    play_turn(p);
    play_turn(p);
    play_complete(p, 0, NULL);
    play_turn(p);
    play_turn(p);
    play_complete(p, 0, NULL);
    play_turn(p);
    assert_true(p->is_ended);
}

static void continue_as_new_carries_events_in_order(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(eternal_program), script_eternal,
             "turn 1\nturn 2\n  0 Ship [1,\"a\",\"e1\"]\n"
             "turn 3\n  1 continues 2 keeps Other 0 keeps ORDER \"b\" keeps Order \"c\" "
             "keeps Order \"z\" keeps Other 1\n"
             "turn 1\n  0 Ship [2,\"b\",\"e2\"]\n"
             "turn 2\n  1 continues 3 keeps Other 0 keeps Order \"c\" keeps Order \"z\" "
             "keeps Other 1\n"
             "turn 1\n  0 Ship [3,\"c\",\"e3\"]\n"
             "turn 2\n  1 continues 4 keeps Other 0 keeps Order \"z\" keeps Other 1\n"
             "turn 1\n  0 Ship [4,\"z\",\"e4\"]\nturn 2\n  1 completed 4\n");
}

static pd_result drops(pd_orchestration *o, pd_value input)
{
    pd_task *late = pd_expect_event(o, "Late");
    pd_start_timer(o, pd_days(1));
    pd_call_activity(o, "A", input);
    if (pd_int(input) == 2) {
        return pd_ok(o, pd_own_version(o));
    }
    pd_cancel(o, late);
    return pd_continue_as_new(o, 2, .version = "2.0", .drops_events = pd_int(input) == 0);
}

static const pd_function drops_program[] = { PD_FUNCTION("Main", drops) };

static void drop(struct play *p, const char *input)
{
    play_raise(p, "E", "0");
    play_start(p, "Main", input);
    play_complete(p, 1, NULL);
    play_raise(p, "Late", "1");
    play_turn(p);
    play_turn(p);
    play_complete(p, 1, NULL);
    play_turn(p);
}

static void script_drops(struct play *p)
{
    drop(p, "0");
}

static void script_keeps(struct play *p)
{
    drop(p, "1");
}

static void continue_as_new_can_drop_events_and_change_the_version(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(drops_program), script_drops,
             "turn 1\n  0 timer 86401000002\n  1 A 0\nturn 2\n  2 continues 2 version 2.0\n"
             "turn 1\n  0 timer 86403000010\n  1 A 2 version 2.0\nturn 2\n  2 completed \"2.0\"\n");
    play_all(PD_PROGRAM(drops_program), script_keeps,
             "turn 1\n  0 timer 86401000002\n  1 A 1\n"
             "turn 2\n  2 continues 2 version 2.0 keeps E 0 keeps Late 1\n"
             "turn 1\n  0 timer 86403000012\n  1 A 2 version 2.0\nturn 2\n  2 completed \"2.0\"\n");
}

static pd_result takes_one(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "A", input);
    pd_wait_event(o, "F"); /* has come, as the others have */
    return pd_continue_as_new(o, input);
}

static void script_takes(struct play *p)
{
    play_start(p, "Main", NULL);
    play_raise(p, "E", "1");
    play_raise(p, "F", "2");
    play_raise(p, "F", "3");
    play_complete(p, 0, NULL);
    play_turn(p);
}

static void what_was_taken_is_not_carried(void **state)
{
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Main", takes_one) };
    play_all(PD_PROGRAM(rows), script_takes,
             "turn 1\n  0 A null\nturn 2\n  1 continues null keeps E 1 keeps F 3\n");
}

static pd_result continues_at_once(pd_orchestration *o, pd_value input)
{
    return pd_int(input) < 3 ? pd_continue_as_new(o, pd_int(input) + 1) : pd_ok(o, input);
}

static void script_at_once(struct play *p)
{
    play_start(p, "Main", "1");
    play_turn(p);
    play_turn(p);
}

static void an_execution_may_continue_in_its_first_turn(void **state)
{
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Main", continues_at_once) };
    play_all(PD_PROGRAM(rows), script_at_once,
             "turn 1\n  0 continues 2\nturn 1\n  0 continues 3\nturn 1\n  0 completed 3\n");
}

static pd_result makes_two(pd_orchestration *o, pd_value input)
{
    (void)pd_continue_as_new(o, 1); /* made, and not returned */
    return pd_ok(o, input);
}

static pd_result bad_input(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_continue_as_new(o, __builtin_nan(""));
}

static pd_result bad_version(pd_orchestration *o, pd_value input)
{
    return pd_continue_as_new(o, input, .version = "");
}

static void ends(pd_orchestrator_fn *code, const char *expected)
{
    const pd_function rows[] = { PD_FUNCTION("Main", code) };
    struct play p;
    play_begin(&p, PD_PROGRAM(rows), PLAY_KEPT);
    play_start(&p, "Main", "5");
    assert_non_null(strstr(play_transcript(&p), expected));
    play_end(&p);
}

static void only_what_is_returned_counts(void **state)
{
    (void)state;
    ends(makes_two, "  0 completed 5\n");
    ends(bad_input, "  0 failed BadPayload: the next input: ");
    ends(bad_version, "Misuse: pd_continue_as_new: the version must be 1 to 256 bytes of UTF-8 (");
}

static pd_result waits_twice(pd_orchestration *o, pd_value input)
{
    pd_wait_event(o, "E");
    pd_wait_event(o, "E");
    return pd_ok(o, input);
}

static pd_result waits_once(pd_orchestration *o, pd_value input)
{
    pd_wait_event(o, "E");
    return pd_continue_as_new(o, input);
}

static void code_that_continues_while_history_goes_on_fails(void **state)
{
    (void)state;
    const pd_function old[] = { PD_FUNCTION("Main", waits_twice) };
    const pd_function new[] = { PD_FUNCTION("Main", waits_once) };
    struct play p;
    play_begin(&p, PD_PROGRAM(old), PLAY_KEPT);
    play_start(&p, "Main", "1");
    play_raise(&p, "E", "1");
    play_turn(&p);
    play_restart(&p, PD_PROGRAM(new));
    buffer_reset(&p.transcript);
    play_raise(&p, "E", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p),
                        "turn 3\n  0 failed NonDeterminism: the code has continued as new, history "
                        "goes on with OrchestratorStarted (event 7) (final)\n");
    play_end(&p);
}

/* ---- the custom status ----------------------------------------------------------------------- */

static pd_result shows(pd_orchestration *o, pd_value input)
{
    pd_set_status(o, "not seen");
    pd_set_status(o, PD_OBJ("done", 0));
    pd_call_activity(o, "A", input);
    pd_set_status(o, PD_NULL);
    pd_call_activity(o, "B", input);
    pd_call_activity(o, "C", input);
    pd_set_status(o, "");
    return pd_ok(o, PD_NULL);
}

static void script_shows(struct play *p)
{
    play_start(p, "Main", NULL);
    for (int step = 0; step < 3; step++) {
        play_complete(p, step, NULL);
        play_turn(p);
    }
}

static void a_custom_status_set_in_replay_says_nothing(void **state)
{
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Main", shows) };
    play_all(PD_PROGRAM(rows), script_shows,
             "turn 1\n  0 A null\n  status {\"done\":0}\nturn 2\n  1 B null\n  status \n"
             "turn 3\n  2 C null\nturn 4\n  3 completed null\n  status \"\"\n");
}

static pd_result shows_nan(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_set_status(o, __builtin_nan(""));
    return pd_ok(o, "not noticed");
}

static void a_custom_status_must_be_json(void **state)
{
    (void)state;
    ends(shows_nan, "  0 failed BadPayload: pd_set_status: ");
}

/* ---- changes of the code --------------------------------------------------------------------- */

static pd_result before_change(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "First", input);
    pd_call_activity(o, "Old", input);
    pd_call_activity(o, "Last", input);
    return pd_ok(o, "old");
}

static pd_result after_change(pd_orchestration *o, pd_value input)
{
    bool changed, again;
    pd_call_activity(o, "First", input);
    if ((changed = pd_changed(o, "fix-42"))) {
        pd_call_activity(o, "New", input);
    } else {
        pd_call_activity(o, "Old", input);
    }
    again = pd_changed(o, "fix-42");
    pd_call_activity(o, "Last", input);
    return pd_ok(o, changed != again                   ? "two answers"
                    : pd_changed(o, "fix-42") != again ? "three answers"
                    : changed                          ? "new"
                                                       : "old");
}

static pd_result after_the_old_is_gone(pd_orchestration *o, pd_value input)
{
    pd_call_activity(o, "First", input);
    pd_call_activity(o, "New", input);
    pd_call_activity(o, "Last", input);
    return pd_ok(o, "new");
}

/* The code changes before turn `at`. */
static void change(pd_orchestrator_fn *before, pd_orchestrator_fn *after, uint64_t at,
                   const char *expected)
{
    const pd_function old[] = { PD_FUNCTION("Main", before) };
    const pd_function new[] = { PD_FUNCTION("Main", after) };
    for (int mode = 0; mode < PLAY_MODES; mode++) {
        struct play p;
        play_begin(&p, PD_PROGRAM(old), (enum play_mode)mode);
        play_start(&p, "Main", NULL);
        for (int step = 0; !p.is_ended; step++) {
            if (p.turn_number + 1 == at) {
                play_restart(&p, PD_PROGRAM(new));
            }
            play_complete(&p, step, NULL);
            play_turn(&p);
        }
        assert_string_equal(play_transcript(&p), expected);
        play_end(&p);
    }
}

static void changed_is_false_for_those_who_went_past(void **state)
{
    (void)state;
    change(before_change, after_change, 3,
           "turn 1\n  0 First null\nturn 2\n  1 Old null\nturn 3\n  2 Last null\n"
           "turn 4\n  3 completed \"old\"\n");
}

static void changed_is_true_for_those_who_come_to_it_and_recorded_once(void **state)
{
    (void)state;
    change(before_change, after_change, 2,
           "turn 1\n  0 First null\nturn 2\n  marks fix-42\n  1 New null\nturn 3\n  2 Last null\n"
           "turn 4\n  3 completed \"new\"\n");
    change(after_change, after_change, 9,
           "turn 1\n  0 First null\nturn 2\n  marks fix-42\n  1 New null\nturn 3\n  2 Last null\n"
           "turn 4\n  3 completed \"new\"\n");
}

static void a_mark_that_is_not_asked_for_any_more_does_no_harm(void **state)
{
    (void)state;
    change(after_change, after_the_old_is_gone, 4,
           "turn 1\n  0 First null\nturn 2\n  marks fix-42\n  1 New null\nturn 3\n  2 Last null\n"
           "turn 4\n  3 completed \"new\"\n");
}

static const char *name_for_test;

static pd_result change_for_test(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, pd_changed(o, name_for_test));
}

static void a_change_has_a_name_of_1_to_256_bytes(void **state)
{
    char name[LIMIT_NAME + 2];
    (void)state;
    memset(name, 'n', sizeof name);
    name[LIMIT_NAME + 1] = '\0';
    name_for_test = name;
    ends(change_for_test, "Misuse: pd_changed: the name of the change must be 1 to 256 bytes");
    name[LIMIT_NAME] = '\0';
    ends(change_for_test, "completed true");
    name_for_test = "";
    ends(change_for_test, "Misuse: pd_changed: the name of the change must be 1 to 256 bytes");
    name_for_test = NULL;
    ends(change_for_test, "Misuse: pd_changed: the name of the change is NULL (final)");
}

/* ---- the length of history ------------------------------------------------------------------- */

static pd_result counts(pd_orchestration *o, pd_value input)
{
    pd_list *lengths = pd_list_new(o);
    pd_list_add(lengths, pd_history_length(o)); /* 2: OrchestratorStarted, ExecutionStarted */
    pd_task *t = pd_start_activity(o, "A", input);
    pd_changed(o, "x");
    pd_list_add(lengths, pd_history_length(o)); /* still */
    pd_await(o, t);
    pd_list_add(lengths,
                pd_history_length(o)); /* 3 4 5: what was asked, OrchestratorCompleted; 7 */
    pd_wait_event(o, "E");
    pd_list_add(lengths, pd_history_length(o)); /* 8: the event in the same turn */
    pd_wait_event(o, "E");
    pd_list_add(lengths, pd_history_length(o)); /* 9 10, 11 12 of the empty turn, 13 */
    return pd_ok(o, lengths);
}

static void script_counts(struct play *p)
{
    play_start(p, "Main", NULL);
    play_complete(p, 0, NULL);
    play_raise(p, "E", "1");
    play_turn(p);
    play_turn(p);
    play_raise(p, "E", "2");
    play_turn(p);
}

static void the_length_of_history_counts_what_has_been_seen_of_it(void **state)
{
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Main", counts) };
    play_all(PD_PROGRAM(rows), script_counts,
             "turn 1\n  0 A null\n  marks x\nturn 2\nturn 3\nturn 4\n"
             "  1 completed [2,2,7,8,13]\n");
}

/* ---- chance ---------------------------------------------------------------------------------- */

static pd_result by_chance(pd_orchestration *o, pd_value input)
{
    pd_list *all = pd_list_new(o);
    for (int i = 0; i < 2; i++) {
        pd_list_add(all, pd_format(o, "%016llx", (unsigned long long)pd_random(o)));
        pd_list_add(all, pd_new_uuid(o));
        pd_list_add(all, pd_new_uuid(o));
        pd_call_activity(o, "A", input);
    }
    return pd_ok(o, all);
}

static const pd_function chance_program[] = { PD_FUNCTION("Main", by_chance) };

static void script_chance(struct play *p)
{
    p->now = INT64_C(1700000000123456) - 1; /* so that turn 1 is at this microsecond */
    play_start(p, "Main", NULL);
    play_complete(p, 0, NULL);
    play_turn(p);
    play_complete(p, 1, NULL);
    play_turn(p);
}

/* The UUIDs were computed with Python:
 *   ns = uuid.UUID("9e952958-5e33-4daf-827f-2fa12937b875")
 *   uuid.uuid5(ns, "order-7_2023-11-14T22:13:20.1234560Z_0"), ... */
static void uuids_are_those_of_the_sdks_and_chance_replays(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(chance_program), script_chance,
             "turn 1\n  0 A null\nturn 2\n  1 A null\nturn 3\n  2 completed ["
             "\"f0252740a871218b\",\"67ff5bf8-b586-5b0e-847e-f50f3de50406\",\"2e346d29-75f1-5e0f-"
             "ae4d-5896db7d6e6f\","
             "\"0d4ed477ba9d2db6\",\"53c97471-f705-56bc-87b9-79d6fc69c283\",\"0c77ff81-51f3-5d57-"
             "a9bc-c6252ba377cc\"]\n");
}

static pd_result one_number(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, pd_format(o, "%016llx", (unsigned long long)pd_random(o)));
}

static void two_executions_have_other_numbers_and_a_fork_those_of_its_origin(void **state)
{
    char numbers[3][64];
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Main", one_number) };
    for (int i = 0; i < 3; i++) {
        struct play p;
        play_begin(&p, PD_PROGRAM(rows), PLAY_KEPT);
        p.execution = i == 1 ? 2 : 1;
        p.origin = i == 2 ? TEXT("order-6") : TEXT_ABSENT;
        play_start(&p, "Main", NULL);
        (void)snprintf(numbers[i], sizeof numbers[i], "%s", play_transcript(&p));
        play_end(&p);
    }
    assert_string_not_equal(numbers[0], numbers[1]);
    assert_string_not_equal(numbers[0], numbers[2]);
    assert_string_not_equal(numbers[1], numbers[2]);
}

static pd_result one_uuid(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, PD_ARR(pd_new_uuid(o), pd_instance_id(o)));
}

/* The lengths put the end of what is hashed before, at and behind the end of a block of SHA-1. */
static void a_fork_makes_the_uuids_of_its_origin(void **state)
{
    static const struct {
        size_t length;
        const char *uuid;
    } origins[] = {
        { 8, "c27a6423-0ed0-5326-97f0-f8611c04d248" },
        { 9, "b2fb77e4-e99a-51d2-b6b4-7e51eb193c9a" },
        { 16, "e66e09be-1d62-5584-b66a-f97487e577c2" },
        { 17, "a9ee5ed0-fd90-5373-8424-09ac01246733" },
        { 72, "f14f0a99-568b-5939-96d5-f3d03aa7ec8f" },
        { 73, "024ba3f3-6662-5488-ac94-ffc428180a9e" },
        { 81, "498609f4-3aa3-596c-9ac5-826d43c613a6" },
        { 953, "42c1ff37-1e01-50c5-bd82-9a1d455cdd6a" },
    };
    char origin[1000], expected[128];
    (void)state;
    const pd_function rows[] = { PD_FUNCTION("Main", one_uuid) };
    memset(origin, 'x', sizeof origin);
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        struct play p;
        play_begin(&p, PD_PROGRAM(rows), PLAY_KEPT);
        p.now = INT64_C(1700000000123456) - 1;
        p.origin = text_make(origin, origins[i].length);
        play_start(&p, "Main", NULL);
        (void)snprintf(expected, sizeof expected, "turn 1\n  0 completed [\"%s\",\"order-7\"]\n",
                       origins[i].uuid);
        assert_string_equal(play_transcript(&p), expected);
        play_end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(continue_as_new_carries_events_in_order),
        cmocka_unit_test(continue_as_new_can_drop_events_and_change_the_version),
        cmocka_unit_test(what_was_taken_is_not_carried),
        cmocka_unit_test(an_execution_may_continue_in_its_first_turn),
        cmocka_unit_test(only_what_is_returned_counts),
        cmocka_unit_test(code_that_continues_while_history_goes_on_fails),
        cmocka_unit_test(a_custom_status_set_in_replay_says_nothing),
        cmocka_unit_test(a_custom_status_must_be_json),
        cmocka_unit_test(changed_is_false_for_those_who_went_past),
        cmocka_unit_test(changed_is_true_for_those_who_come_to_it_and_recorded_once),
        cmocka_unit_test(a_mark_that_is_not_asked_for_any_more_does_no_harm),
        cmocka_unit_test(a_change_has_a_name_of_1_to_256_bytes),
        cmocka_unit_test(the_length_of_history_counts_what_has_been_seen_of_it),
        cmocka_unit_test(uuids_are_those_of_the_sdks_and_chance_replays),
        cmocka_unit_test(two_executions_have_other_numbers_and_a_fork_those_of_its_origin),
        cmocka_unit_test(a_fork_makes_the_uuids_of_its_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
