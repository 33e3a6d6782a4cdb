/* SPDX-License-Identifier: MIT
 *
 * Rewinding histories: what waits again, what stays. Lines: lines.h.
 */
#include <string.h>

#include "lines.h"

static pd_status rewind_it(struct lines *lines)
{
    return rewrite_rewind(&lines->record, lines->turns, lines->turn_count, &lines->rewound,
                          &lines->arena, &lines->made, &lines->err);
}

/* Also: what was made is a history that can be gone on from. */
static void rewinds(void **state, const char *before, const char *after)
{
    struct lines *lines = *state;
    lines_read(lines, before);
    assert_int_equal(rewind_it(lines), PD_OK);
    lines_expect(lines, after);
    assert_int_equal(rewrite_check(&lines->made, &lines->err), PD_OK);
}

/* ---- rewind: what waits again ---- */

static void one_that_failed_by_itself_in_its_first_turn_begins_again(void **state)
{
    rewinds(state, "S F", "|| S R!");
    rewinds(state, "S T0 C1 F", "|| S R!");
    rewinds(state, "S e F", "|| S R! e");
}

static void one_that_failed_by_itself_later_gets_what_came_in_again(void **state)
{
    rewinds(state, "S T0 | +0 F", "S T0 || R! +0");
    rewinds(state, "S Z0 T1 | f0 e T2 F", "S Z0 T1 || R! f0 e");
    rewinds(state, "S T0 | +0 C1 | c+1 F", "S T0 | +0 C1 || R! c+1");
}

static void an_awaited_activity_that_failed_is_open_again(void **state)
{
    rewinds(state, "S T0 | -0 F", "S T0 || R!");
    rewinds(state, "S T0 | +0 T1 | -1 F", "S T0 | +0 T1 || R!");
}

static void a_child_that_failed_is_open_again(void **state)
{
    rewinds(state, "S C0 | c-0 F", "S C0 || R!");
    rewinds(state, "S C0 C1 | c-1 | c+0 F", "S C0 C1 || R! c+0");
}

static void failures_of_a_fan_out_over_several_turns_are_all_open_again(void **state)
{
    rewinds(state, "S T0 T1 T2 T3 | -0 | +1 -2 | -3 F", "S T0 T1 T2 T3 || R! +1");
    rewinds(state, "S T0 C1 T2 | +2 | -0 e | c-1 F", "S T0 C1 T2 || R! +2 e");
}

static void what_waits_again_keeps_its_order_and_its_times(void **state)
{
    struct lines *lines = *state;
    rewinds(state, "S T0 T1 T2 Z3 | e +1 | f3 -0 e | +2 F", "S T0 T1 T2 Z3 || R! e +1 f3 e +2");
    for (size_t i = 2; i < lines->made.waiting_count; i++) {
        assert_true(lines->made.waiting[i - 1].at < lines->made.waiting[i].at);
    }
    assert_string_equal(lines->made.waiting[1].raw.at, "raw 8");
    assert_string_equal(lines->made.waiting[0].payload.at, "\"again\"");
}

static void suspensions_of_turns_that_are_undone_wait_again(void **state)
{
    rewinds(state, "S T0 | s -0 r F", "S T0 || R! s r");
    rewinds(state, "S T0 | s +0 r T1 | -1 F", "S T0 | s +0 r T1 || R!");
}

static void a_kind_that_is_unknown_does_not_wait_again(void **state)
{
    rewinds(state, "S T0 | ? -0 e F", "S T0 || R! e");
}

/* ---- rewind: what stays ---- */

static void a_failure_that_the_code_answered_with_a_step_stays(void **state)
{
    rewinds(state, "S T0 | -0 T1 | +1 F", "S T0 | -0 T1 || R! +1");
    rewinds(state, "S T0 | -0 T1 | -1 F", "S T0 | -0 T1 || R!");
    rewinds(state, "S C0 | c-0 C1 | c-1 F", "S C0 | c-0 C1 || R!");
}

static void a_failure_after_which_the_code_asked_for_anything_stays(void **state)
{
    static const char *const kinds[] = { "T9", "Z9", "C9", "E9", "A9", "N9", "n", "X1", "M", "?" };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct lines *lines = *state;
        const char *turns = arena_printf(&lines->arena, "S T0 T1 T2 T3 | -0 | +3 %s", kinds[i]);
        rewinds(state, arena_printf(&lines->arena, "%s | -2 F", turns),
                arena_printf(&lines->arena, "%s || R!", turns));
    }
}

static void failures_after_the_last_answer_are_open_again_and_those_before_stay(void **state)
{
    rewinds(state, "S T0 T1 T2 T3 | -0 | +1 T4 | -2 | +4 | -3 F",
            "S T0 T1 T2 T3 | -0 | +1 T4 || R! +4");
}

static void a_step_that_was_cancelled_stays_closed_unless_the_failing_turn_did_it(void **state)
{
    rewinds(state, "S T0 T1 | +0 X1 | e T2 | -2 F", "S T0 T1 | +0 X1 | e T2 || R!");
    rewinds(state, "S T0 T1 | -0 X1 F", "S T0 T1 || R!");
}

static void a_change_that_was_marked_stays_so_unless_the_failing_turn_did_it(void **state)
{
    rewinds(state, "S M T0 | -0 F", "S M T0 || R!");
    rewinds(state, "S T0 | +0 M F", "S T0 || R! +0");
}

static void turns_that_stay_are_the_ones_given(void **state)
{
    struct lines *lines = *state;
    rewinds(state, "S T0 | +0 T1 | +1 T2 | -2 F", "S T0 | +0 T1 | +1 T2 || R!");
    for (size_t i = 0; i < lines->made.turn_count; i++) {
        assert_ptr_equal(lines->made.turns[i].events, lines->turns[i].events);
        assert_int_equal(lines->made.turns[i].count, lines->turns[i].count);
    }
    /* Also where others of them had something taken out. */
    rewinds(state, "S T0 T1 | -0 Z2~0 | f2 T3~2 e | -1 | -3 F",
            "S T0 T1 | -0 Z2~0 | f2 T3~2 || R! e");
    assert_ptr_equal(lines->made.turns[0].events, lines->turns[0].events);
    assert_ptr_equal(lines->made.turns[1].events, lines->turns[1].events);
    assert_ptr_not_equal(lines->made.turns[2].events, lines->turns[2].events);
    assert_string_equal(lines->made.turns[2].events[2].raw.at, "raw 10");
}

/* ---- rewind: retry policies ---- */

static void attempts_of_a_retry_policy_stay_with_the_failures_they_answer(void **state)
{
    rewinds(state, "S T0 | -0 Z1~0 | f1 T2~1 | -2 F", "S T0 | -0 Z1~0 | f1 T2~1 || R!");
    rewinds(state, "S C0 | c-0 C1~0 | c-1 F", "S C0 | c-0 C1~0 || R!");
}

static void the_last_attempts_of_a_fan_out_are_open_again_whatever_other_retries_did(void **state)
{
    rewinds(state, "S T0 T1 | -0 Z2~0 | -1 Z3~1 | f2 T4~2 | -4 | f3 T5~3 | -5 F",
            "S T0 T1 | -0 Z2~0 | -1 Z3~1 | f2 T4~2 | f3 T5~3 || R!");
}

static void what_no_policy_answered_in_a_turn_of_retries_waits_again(void **state)
{
    rewinds(state, "S T0 T1 T2 | e -0 -1 +2 Z3~1 | -3 | f3 T4~3 e | -4 F",
            "S T0 T1 T2 | -1 Z3~1 | f3 T4~3 || R! e +2 e");
    rewinds(state, "S T0 T1 T2 | -0 -1 -2 Z3~0 Z4~2 | f3 f4 T5~3 T6~4 | -5 -6 F",
            "S T0 T1 T2 | -0 -2 Z3~0 Z4~2 | f3 f4 T5~3 T6~4 || R!");
}

static void retries_of_the_failing_turn_are_forgotten_with_it(void **state)
{
    rewinds(state, "S T0 T1 | -0 -1 Z2~0 F", "S T0 T1 || R!");
}

static void a_step_of_the_code_beside_retries_keeps_the_turn_whole(void **state)
{
    rewinds(state, "S T0 T1 T2 | -0 -1 +2 Z3~1 T4 | -4 F", "S T0 T1 T2 | -0 -1 +2 Z3~1 T4 || R!");
}

static void a_retry_that_answers_nothing_in_its_turn_counts_as_asked_by_the_code(void **state)
{
    rewinds(state, "S T0 T1 | -0 | e Z2~0 | f2 | -1 F", "S T0 T1 | -0 | e Z2~0 || R! f2");
    rewinds(state, "S T0 T1 T2 | -0 -1 Z3~1 Z4~0 | -2 F", "S T0 T1 T2 | -0 -1 Z3~1 Z4~0 || R!");
}

/* ---- rewind: entities ---- */

static void a_call_that_failed_is_open_again_as_an_activity_is(void **state)
{
    rewinds(state, "S A0 | a-0 F", "S A0 || R!");
    rewinds(state, "S A0 T1 A2 | a+2 | -1 a-0 F", "S A0 T1 A2 || R! a+2");
    rewinds(state, "S A0 | a-0 T1 | -1 F", "S A0 | a-0 T1 || R!");
}

static void signals_stay_sent_but_for_those_of_the_failing_turn(void **state)
{
    rewinds(state, "S N0 n T1 | -1 N2 n F", "S N0 n T1 || R!");
    rewinds(state, "S T0 T1 | -0 N2 | -1 F", "S T0 T1 | -0 N2 || R!");
}

static void a_critical_section_that_was_left_before_stays_behind(void **state)
{
    rewinds(state, "S L0 | g0 A1 | a+1 U0x U0y T2 | -2 F", "S L0 | g0 A1 | a+1 U0x U0y T2 || R!");
    /* Twice, and in any order of the unlocks; and one whose locks could not be had. */
    rewinds(state, "S L0 | g0 U0y U0x L3 | g3 U3x U3y T4 | -4 F",
            "S L0 | g0 U0y U0x L3 | g3 U3x U3y T4 || R!");
    rewinds(state, "S L0 | a-0 T1 | -1 F", "S L0 | a-0 T1 || R!");
}

static void refuses_in_a_section(void **state, const char *before)
{
    struct lines *lines = *state;
    lines_read(lines, before);
    assert_int_equal(rewind_it(lines), PD_E_STATE);
    assert_non_null(strstr(lines->err.text, "'source' failed inside a critical section"));
}

static void one_that_failed_inside_a_critical_section_cannot_be_rewound(void **state)
{
    refuses_in_a_section(state, "S L0 | g0 A1 | a-1 F");
    refuses_in_a_section(state, "S L0 | g0 T1 T2 | -1 | -2 F");
    /* Not all of it was unlocked; one was unlocked twice; or it was another section's. */
    refuses_in_a_section(state, "S L0 | g0 U0x T1 | -1 F");
    refuses_in_a_section(state, "S L0 | g0 U0x U0x T1 | -1 F");
    refuses_in_a_section(state, "S L0 | g0 U7x U7y T1 | -1 F");
    refuses_in_a_section(state, "S T0 | +0 L1 | g1 e F");
    /* Neither the grant nor the failure is this one's. */
    refuses_in_a_section(state, "S L0 | g7 U0x U0y T1 | -1 F");
    refuses_in_a_section(state, "S A0 L1 | a-0 T2 | -2 F");
}

static void one_that_failed_on_its_way_into_a_section_or_out_of_it_cannot_be_rewound(void **state)
{
    refuses_in_a_section(state, "S L0 | e F");   /* it was waiting */
    refuses_in_a_section(state, "S L0 F");       /* the grant may be on its way still */
    refuses_in_a_section(state, "S L0 | a-0 F"); /* the locks could not be had */
    refuses_in_a_section(state, "S L0 | g0 A1 | a+1 U0x U0y F");
    refuses_in_a_section(state, "S L0 | g0 A1 | a+1 U0x L2 U0y T3 | -3 F"); /* one in another */
}

/* ---- rewind: again, and not at all ---- */

static void one_that_was_rewound_and_failed_again_is_rewound_again(void **state)
{
    rewinds(state, "S T0 | R -0 F", "S T0 || R R!");
    rewinds(state, "S T0 T1 | R +0 | -1 F", "S T0 T1 || R R! +0");
    rewinds(state, "S R F", "|| S R R!");
    rewinds(state, "S T0 | R e T1 | -1 F", "S T0 | R e T1 || R!");
    /* What stood behind other events stays there. */
    rewinds(state, "S T0 T1 | e | R | -1 F", "S T0 T1 || R! e R");
}

static void refuses(void **state, const char *before)
{
    struct lines *lines = *state;
    lines_read(lines, before);
    assert_int_equal(rewind_it(lines), PD_E_STATE);
    assert_non_null(strstr(lines->err.text, "source"));
}

static void only_one_that_failed_can_be_rewound(void **state)
{
    refuses(state, "S T0 | +0 K");
    refuses(state, "S T0 | Q");
    refuses(state, "S Q");
    refuses(state, "S T0 | -0");
    refuses(state, "S T0");
    struct lines *lines = *state;
    lines_read(lines, "S F");
    lines->turn_count = 0;
    assert_int_equal(rewind_it(lines), PD_E_STATE);
    /* Failed in its history, and terminated in the store: what the store says counts. */
    lines_read(lines, "S F");
    lines->record.state = RUN_TERMINATED;
    assert_int_equal(rewind_it(lines), PD_E_STATE);
}

static void a_turn_whose_end_was_stored_is_undone_like_any_other(void **state)
{
    rewinds(state, "S T0 D | -0 F D", "S T0 D || R!");
    rewinds(state, "S T0 T1 D | -0 D | e -1 F D", "S T0 T1 D || R! e");
}

static void the_instance_is_the_same_but_runs(void **state)
{
    struct lines *lines = *state;
    rewinds(state, "S F", "|| S R!");
    const struct instance_record *record = lines->made.record;
    assert_int_equal(record->state, RUN_RUNNING);
    assert_int_equal(record->row, 7);
    assert_int_equal(record->ended_at, 0);
    assert_false(text_is_present(record->output) || text_is_present(record->failure));
    assert_true(text_equal(record->id, TEXT("source")));
    assert_true(text_equal(record->execution_id, TEXT("x")));
    assert_true(text_equal(record->custom_status, TEXT("2")));
    assert_true(text_equal(record->parent_id, TEXT("parent")));
    assert_int_equal(record->parent_step, 3);
    assert_int_equal(record->created_at, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lines_setup, lines_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_failed_by_itself_in_its_first_turn_begins_again),
        TEST(one_that_failed_by_itself_later_gets_what_came_in_again),
        TEST(an_awaited_activity_that_failed_is_open_again),
        TEST(a_child_that_failed_is_open_again),
        TEST(failures_of_a_fan_out_over_several_turns_are_all_open_again),
        TEST(what_waits_again_keeps_its_order_and_its_times),
        TEST(suspensions_of_turns_that_are_undone_wait_again),
        TEST(a_kind_that_is_unknown_does_not_wait_again),
        TEST(a_failure_that_the_code_answered_with_a_step_stays),
        TEST(a_failure_after_which_the_code_asked_for_anything_stays),
        TEST(failures_after_the_last_answer_are_open_again_and_those_before_stay),
        TEST(a_step_that_was_cancelled_stays_closed_unless_the_failing_turn_did_it),
        TEST(a_change_that_was_marked_stays_so_unless_the_failing_turn_did_it),
        TEST(turns_that_stay_are_the_ones_given),
        TEST(attempts_of_a_retry_policy_stay_with_the_failures_they_answer),
        TEST(the_last_attempts_of_a_fan_out_are_open_again_whatever_other_retries_did),
        TEST(what_no_policy_answered_in_a_turn_of_retries_waits_again),
        TEST(retries_of_the_failing_turn_are_forgotten_with_it),
        TEST(a_step_of_the_code_beside_retries_keeps_the_turn_whole),
        TEST(a_retry_that_answers_nothing_in_its_turn_counts_as_asked_by_the_code),
        TEST(a_call_that_failed_is_open_again_as_an_activity_is),
        TEST(signals_stay_sent_but_for_those_of_the_failing_turn),
        TEST(a_critical_section_that_was_left_before_stays_behind),
        TEST(one_that_failed_inside_a_critical_section_cannot_be_rewound),
        TEST(one_that_failed_on_its_way_into_a_section_or_out_of_it_cannot_be_rewound),
        TEST(one_that_was_rewound_and_failed_again_is_rewound_again),
        TEST(only_one_that_failed_can_be_rewound),
        TEST(a_turn_whose_end_was_stored_is_undone_like_any_other),
        TEST(the_instance_is_the_same_but_runs),
    };
    return cmocka_run_group_tests_name("rewrite, rewind", tests, NULL, NULL);
}
