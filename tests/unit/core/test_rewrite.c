/* SPDX-License-Identifier: MIT
 *
 * Rewind, fork, split, check: histories in, histories out.
 *
 * A history is written as one line, turns divided by '|'; what waits comes behind '||'. A turn's
 * OrchestratorStarted is not written.
 *
 *   S          the start              T1  Z1  C1  E1   a task, timer, child, event sent: step 1
 *   +1  -1     task 1 has (not)       T3~1  Z3~1  C3~1 likewise, by a retry policy, which answers 1
 *   c+1 c-1    child 1 has (not)      X1  M            step 1 cancelled; a change marked
 *   f1         timer 1 has fired      F  K  Q          the end: failed, completed, terminated
 *   e          an event came          D                OrchestratorCompleted, stored
 *   s  r       suspended, resumed     ?                a kind of a newer version
 *   R          rewound; R! the one of this rewind
 */
/* clang-format off: cmocka needs these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "core/rewrite.h"

/* ---- the notation ---- */

struct spelling {
    const char *text;
    enum event_kind kind;
    enum { PLAIN, STEP, REF } number;
};

/* The longer of two that begin alike comes first. */
static const struct spelling spellings[] = {
    { "c+", EVENT_CHILD_COMPLETED, REF },
    { "c-", EVENT_CHILD_FAILED, REF },
    { "+", EVENT_TASK_COMPLETED, REF },
    { "-", EVENT_TASK_FAILED, REF },
    { "f", EVENT_TIMER_FIRED, REF },
    { "X", EVENT_STEP_CANCELLED, REF },
    { "T", EVENT_TASK_SCHEDULED, STEP },
    { "Z", EVENT_TIMER_CREATED, STEP },
    { "C", EVENT_CHILD_CREATED, STEP },
    { "E", EVENT_EVENT_SENT, STEP },
    { "S", EVENT_EXECUTION_STARTED, PLAIN },
    { "e", EVENT_EVENT_RAISED, PLAIN },
    { "s", EVENT_EXECUTION_SUSPENDED, PLAIN },
    { "r", EVENT_EXECUTION_RESUMED, PLAIN },
    { "R", EVENT_EXECUTION_REWOUND, PLAIN },
    { "M", EVENT_CHANGE_MARKED, PLAIN },
    { "Q", EVENT_EXECUTION_TERMINATED, PLAIN },
    { "F", EVENT_EXECUTION_COMPLETED, PLAIN },
    { "K", EVENT_EXECUTION_COMPLETED, PLAIN },
    { "D", EVENT_ORCHESTRATOR_COMPLETED, PLAIN },
    { "?", EVENT_UNKNOWN, PLAIN },
};

static const struct spelling *spelling_of(const char *word)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        if (strncmp(word, spellings[i].text, strlen(spellings[i].text)) == 0) {
            return &spellings[i];
        }
    }
    fail_msg("a history says '%s'", word);
    return NULL;
}

struct fixture {
    struct arena arena;
    struct instance_record record;
    struct event rewound;
    const struct turn_events *turns; /* of the line read last */
    size_t turn_count;
    struct adoption made;
    pd_error err;
};

static struct event event_of(struct fixture *fixture, const char *word, time_us at)
{
    const struct spelling *spelling = spelling_of(word);
    struct event event = {
        .kind = spelling->kind,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = at,
        .raw = text_of(arena_printf(&fixture->arena, "raw %d", (int)at)),
    };
    char *rest = NULL;
    long number = strtol(word + strlen(spelling->text), &rest, 10);
    event.id = spelling->number == STEP ? (int32_t)number : event.id;
    event.ref = spelling->number == REF ? (int32_t)number : event.ref;
    if (*rest == '~') {
        struct event_extra *extra = arena_alloc(&fixture->arena, sizeof *extra);
        extra->retry_of = (int32_t)strtol(rest + 1, NULL, 10) + 1;
        event.extra = extra;
    }
    if (event.kind == EVENT_EXECUTION_COMPLETED) {
        event.outcome = *word == 'F' ? RUN_FAILED : RUN_COMPLETED;
    }
    if (event.kind == EVENT_CHILD_CREATED) {
        event.name = TEXT("Child");
        event.instance_id = text_of(arena_printf(&fixture->arena, "old-%ld", number));
    }
    return event;
}

/* An event for each word, with the OrchestratorStarted of its turn where a turn begins. */
static struct event *read_line(struct fixture *fixture, const char *line, size_t *ret_count)
{
    char *words = arena_printf(&fixture->arena, "| %s", line);
    struct event *events = arena_alloc(&fixture->arena, (strlen(words) + 2) * sizeof *events);
    size_t count = 0;
    char *state = NULL;
    for (char *word = strtok_r(words, " ", &state); word != NULL;
         word = strtok_r(NULL, " ", &state)) {
        time_us at = (time_us)count + 1;
        if (strcmp(word, "|") == 0) {
            events[count++] = (struct event){
                .kind = EVENT_ORCHESTRATOR_STARTED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .at = at
            };
            continue;
        }
        events[count++] = event_of(fixture, word, at);
        if (*word == 'Q') { /* how an instance ends that is terminated */
            events[count++] = (struct event){ .kind = EVENT_EXECUTION_COMPLETED,
                                              .id = EVENT_NO_ID,
                                              .ref = EVENT_NO_ID,
                                              .at = at + 1,
                                              .outcome = RUN_TERMINATED };
        }
    }
    *ret_count = count;
    return events;
}

/* The history of the line, and a record that fits it. */
static void given(struct fixture *fixture, const char *line)
{
    size_t count;
    struct event *events = read_line(fixture, line, &count);
    rewrite_split(events, count, &fixture->arena, &fixture->turns, &fixture->turn_count);
    const struct event *last = &events[count - 1];
    last -= last->kind == EVENT_ORCHESTRATOR_COMPLETED;
    bool has_ended = last->kind == EVENT_EXECUTION_COMPLETED;
    fixture->record = (struct instance_record){
        .row = 7,
        .id = TEXT("source"),
        .execution_id = TEXT("x"),
        .name = TEXT("Work"),
        .state = has_ended ? last->outcome : RUN_RUNNING,
        .created_at = 1,
        .updated_at = (time_us)count,
        .ended_at = has_ended ? (time_us)count : 0,
        .output = TEXT("1"),
        .failure = TEXT("bad"),
        .custom_status = TEXT("2"),
        .parent_id = TEXT("parent"),
        .parent_execution_id = TEXT("p"),
        .parent_step = 3,
        .starts_at = 1,
    };
}

static void show(const struct fixture *fixture, struct buffer *out, const struct event *event)
{
    const struct spelling *spelling = spellings;
    while (spelling->kind != event->kind) {
        spelling++;
    }
    buffer_printf(out, "%s%s", out->size != 0 ? " " : "",
                  event->kind == EVENT_EXECUTION_COMPLETED && event->outcome == RUN_COMPLETED
                      ? "K"
                      : spelling->text);
    if (spelling->number != PLAIN) {
        buffer_printf(out, "%d", spelling->number == STEP ? event->id : event->ref);
    }
    if (event->extra != NULL && event->extra->retry_of != 0) {
        buffer_printf(out, "~%d", event->extra->retry_of - 1);
    }
    if (event->kind == EVENT_EXECUTION_REWOUND && event->at == fixture->rewound.at) {
        buffer_printf(out, "!");
    }
}

/* What was made reads as the line says. */
static void becomes(const struct fixture *fixture, const char *line)
{
    struct buffer out = { 0 };
    for (size_t i = 0; i < fixture->made.turn_count; i++) {
        const struct turn_events *turn = &fixture->made.turns[i];
        assert_int_equal(turn->events[0].kind, EVENT_ORCHESTRATOR_STARTED);
        if (i != 0) {
            buffer_printf(&out, " |");
        }
        for (size_t j = 1; j < turn->count; j++) {
            show(fixture, &out, &turn->events[j]);
        }
    }
    buffer_printf(&out, "%s||", out.size != 0 ? " " : "");
    for (size_t i = 0; i < fixture->made.waiting_count; i++) {
        show(fixture, &out, &fixture->made.waiting[i]);
    }
    buffer_add_byte(&out, 0);
    assert_string_equal(out.at, line);
    buffer_done(&out);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->rewound = (struct event){ .kind = EVENT_EXECUTION_REWOUND,
                                       .id = EVENT_NO_ID,
                                       .ref = EVENT_NO_ID,
                                       .at = 1000000,
                                       .payload = TEXT("\"again\"") };
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    arena_done(&fixture->arena);
    free(fixture);
    return 0;
}

static pd_status rewind_it(struct fixture *fixture)
{
    return rewrite_rewind(&fixture->record, fixture->turns, fixture->turn_count, &fixture->rewound,
                          &fixture->arena, &fixture->made, &fixture->err);
}

/* Also: what was made is a history that can be gone on from. */
static void rewinds(void **state, const char *before, const char *after)
{
    struct fixture *fixture = *state;
    given(fixture, before);
    assert_int_equal(rewind_it(fixture), PD_OK);
    becomes(fixture, after);
    assert_int_equal(rewrite_check(&fixture->made, &fixture->err), PD_OK);
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
    struct fixture *fixture = *state;
    rewinds(state, "S T0 T1 T2 Z3 | e +1 | f3 -0 e | +2 F", "S T0 T1 T2 Z3 || R! e +1 f3 e +2");
    for (size_t i = 2; i < fixture->made.waiting_count; i++) {
        assert_true(fixture->made.waiting[i - 1].at < fixture->made.waiting[i].at);
    }
    assert_string_equal(fixture->made.waiting[1].raw.at, "raw 8");
    assert_string_equal(fixture->made.waiting[0].payload.at, "\"again\"");
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
    static const char *const kinds[] = { "T9", "Z9", "C9", "E9", "X1", "M", "?" };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct fixture *fixture = *state;
        const char *turns = arena_printf(&fixture->arena, "S T0 T1 T2 T3 | -0 | +3 %s", kinds[i]);
        rewinds(state, arena_printf(&fixture->arena, "%s | -2 F", turns),
                arena_printf(&fixture->arena, "%s || R!", turns));
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
    struct fixture *fixture = *state;
    rewinds(state, "S T0 | +0 T1 | +1 T2 | -2 F", "S T0 | +0 T1 | +1 T2 || R!");
    for (size_t i = 0; i < fixture->made.turn_count; i++) {
        assert_ptr_equal(fixture->made.turns[i].events, fixture->turns[i].events);
        assert_int_equal(fixture->made.turns[i].count, fixture->turns[i].count);
    }
    /* Also where others of them had something taken out. */
    rewinds(state, "S T0 T1 | -0 Z2~0 | f2 T3~2 e | -1 | -3 F",
            "S T0 T1 | -0 Z2~0 | f2 T3~2 || R! e");
    assert_ptr_equal(fixture->made.turns[0].events, fixture->turns[0].events);
    assert_ptr_equal(fixture->made.turns[1].events, fixture->turns[1].events);
    assert_ptr_not_equal(fixture->made.turns[2].events, fixture->turns[2].events);
    assert_string_equal(fixture->made.turns[2].events[2].raw.at, "raw 10");
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
    struct fixture *fixture = *state;
    given(fixture, before);
    assert_int_equal(rewind_it(fixture), PD_E_STATE);
    assert_non_null(strstr(fixture->err.text, "source"));
}

static void only_one_that_failed_can_be_rewound(void **state)
{
    refuses(state, "S T0 | +0 K");
    refuses(state, "S T0 | Q");
    refuses(state, "S Q");
    refuses(state, "S T0 | -0");
    refuses(state, "S T0");
    struct fixture *fixture = *state;
    given(fixture, "S F");
    fixture->turn_count = 0;
    assert_int_equal(rewind_it(fixture), PD_E_STATE);
    /* Failed in its history, and terminated in the store: what the store says counts. */
    given(fixture, "S F");
    fixture->record.state = RUN_TERMINATED;
    assert_int_equal(rewind_it(fixture), PD_E_STATE);
}

static void a_turn_whose_end_was_stored_is_undone_like_any_other(void **state)
{
    rewinds(state, "S T0 D | -0 F D", "S T0 D || R!");
    rewinds(state, "S T0 T1 D | -0 D | e -1 F D", "S T0 T1 D || R! e");
}

static void the_instance_is_the_same_but_runs(void **state)
{
    struct fixture *fixture = *state;
    rewinds(state, "S F", "|| S R!");
    const struct instance_record *record = fixture->made.record;
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

/* ---- fork ---- */

static pd_status fork_it(struct fixture *fixture, uint64_t number)
{
    return rewrite_fork(&fixture->record, fixture->turns, fixture->turn_count, number,
                        TEXT("forked"), TEXT("y"), &fixture->arena, &fixture->made, &fixture->err);
}

static void forks(void **state, const char *before, uint64_t number, const char *after)
{
    struct fixture *fixture = *state;
    given(fixture, before);
    assert_int_equal(fork_it(fixture, number), PD_OK);
    becomes(fixture, after);
    assert_int_equal(rewrite_check(&fixture->made, &fixture->err), PD_OK);
}

/* 1 OrchestratorStarted, 2 S, 3 T0, 4 T1, 5 OrchestratorCompleted; 6, 7 e, 8 +0, 9 -1, 10 T2, 11 */
static const char forked_line[] = "S T0 T1 | e +0 -1 T2 | +2 K";

static void before_anything_has_happened_only_the_start_waits(void **state)
{
    forks(state, forked_line, 1, "|| S");
    forks(state, forked_line, 2, "|| S");
    forks(state, forked_line, 3, "|| S");
    forks(state, forked_line, 5, "|| S");
    forks(state, "S e e T0", 4, "|| S e");
}

static void at_the_beginning_of_a_turn_those_before_are_taken_and_nothing_waits(void **state)
{
    forks(state, forked_line, 6, "S T0 T1 ||");
    forks(state, forked_line, 12, "S T0 T1 | e +0 -1 T2 ||");
}

static void in_the_middle_of_what_came_in_the_part_before_waits(void **state)
{
    forks(state, forked_line, 7, "S T0 T1 ||");
    forks(state, forked_line, 8, "S T0 T1 || e");
    forks(state, forked_line, 9, "S T0 T1 || e +0");
}

static void at_what_the_code_asked_for_all_that_came_in_waits_and_it_asks_anew(void **state)
{
    forks(state, forked_line, 10, "S T0 T1 || e +0 -1");
    forks(state, forked_line, 11, "S T0 T1 || e +0 -1");
    forks(state, forked_line, 14, "S T0 T1 | e +0 -1 T2 || +2");
    forks(state, forked_line, 15, "S T0 T1 | e +0 -1 T2 || +2");
}

static void beyond_the_end_there_is_no_event(void **state)
{
    struct fixture *fixture = *state;
    given(fixture, forked_line);
    assert_int_equal(fork_it(fixture, 16), PD_E_INVALID);
    assert_non_null(strstr(fixture->err.text, "no event 16"));
    assert_int_equal(fork_it(fixture, UINT64_MAX), PD_E_INVALID);
    fixture->turn_count = 0;
    assert_int_equal(fork_it(fixture, 1), PD_E_INVALID);
    /* An end of a turn that was stored is not counted twice. */
    forks(state, "S T0 D | +0 T1 D", 4, "|| S");
    forks(state, "S T0 D | +0 T1 D", 5, "S T0 D ||");
    forks(state, "S T0 D | +0 T1 D", 8, "S T0 D || +0");
    assert_int_equal(fork_it(fixture, 9), PD_E_INVALID);
}

static void number_0_of_one_that_runs_is_all_of_it(void **state)
{
    forks(state, "S T0 T1 | e +0 -1 T2", 0, "S T0 T1 | e +0 -1 T2 ||");
    struct fixture *fixture = *state;
    assert_true(text_equal(fixture->made.record->custom_status, TEXT("2")));
    assert_ptr_equal(fixture->made.turns, fixture->turns);
}

static void number_0_of_one_that_ended_is_all_but_the_end(void **state)
{
    forks(state, forked_line, 0, "S T0 T1 | e +0 -1 T2 || +2");
    forks(state, "S T0 | -0 T1 F", 0, "S T0 || -0");
    forks(state, "S T0 | +0 T1 | Q", 0, "S T0 | +0 T1 ||");
    forks(state, "S Q", 0, "|| S");
    forks(state, "S F", 0, "|| S");
}

static void one_without_a_turn_forks_as_it_was_started(void **state)
{
    struct fixture *fixture = *state;
    given(fixture, "S T0");
    fixture->turn_count = 0;
    fixture->record.tags = TEXT("\x1e"
                                "a\x1f"
                                "b\x1e");
    fixture->record.input = TEXT("5");
    fixture->record.version = TEXT("1.0");
    fixture->record.starts_at = 99;
    assert_int_equal(fork_it(fixture, 0), PD_OK);
    becomes(fixture, "|| S");
    const struct event *start = &fixture->made.waiting[0];
    assert_true(text_equal(start->name, TEXT("Work")) && text_equal(start->payload, TEXT("5")));
    assert_true(text_equal(start->version, TEXT("1.0")));
    assert_true(text_equal(start->execution_id, TEXT("x")));
    assert_true(text_equal(start->extra->tags, fixture->record.tags));
    assert_false(start->extra->has_parent);
    assert_int_equal(start->fire_at, 99);
}

static void a_fork_is_another_instance_that_has_not_ended_and_nobody_s_child(void **state)
{
    struct fixture *fixture = *state;
    forks(state, forked_line, 12, "S T0 T1 | e +0 -1 T2 ||");
    const struct instance_record *record = fixture->made.record;
    assert_true(text_equal(record->id, TEXT("forked")));
    assert_true(text_equal(record->execution_id, TEXT("y")));
    assert_true(text_equal(record->name, TEXT("Work")));
    assert_int_equal(record->state, RUN_RUNNING);
    assert_int_equal(record->row, 0);
    assert_int_equal(record->created_at, 0);
    assert_int_equal(record->ended_at, 0);
    assert_int_equal(record->starts_at, 0);
    assert_false(text_is_present(record->output) || text_is_present(record->failure));
    assert_false(text_is_present(record->parent_id));
    assert_false(text_is_present(record->parent_execution_id));
    assert_int_equal(record->parent_step, 0);
    assert_false(text_is_present(record->custom_status)); /* it may have come later */
    forks(state, forked_line, 1, "|| S");
    assert_int_equal(fixture->made.record->state, RUN_PENDING);
}

static struct text child_id(const struct adoption *made, size_t turn, size_t at)
{
    assert_int_equal(made->turns[turn].events[at].kind, EVENT_CHILD_CREATED);
    return made->turns[turn].events[at].instance_id;
}

static void open_children_get_ids_of_the_fork_s_own(void **state)
{
    struct fixture *fixture = *state;
    /* 0 completed, 1 failed, 2 cancelled, 3 answered by what waits; 4 and 17 are open. */
    const char *line = "S C0 C1 C2 C3 C4 T5 | c+0 c-1 X2 | e C17 T18 | c+3 T19 | +5";
    forks(state, line, 22, "S C0 C1 C2 C3 C4 T5 | c+0 c-1 X2 | e C17 T18 || c+3");
    const struct adoption *made = &fixture->made;
    for (size_t i = 0; i < 4; i++) {
        const char *old = arena_printf(&fixture->arena, "old-%zu", i);
        assert_true(text_equal(child_id(made, 0, 2 + i), text_of(old)));
    }
    assert_true(text_equal(child_id(made, 0, 6), TEXT("y:0004")));
    assert_true(text_equal(child_id(made, 2, 2), TEXT("y:0011")));
    /* Changed, so not to be written as it was. The rest of the turn is, and the source is as it
     * was. */
    assert_false(text_is_present(made->turns[0].events[6].raw));
    assert_true(text_is_present(made->turns[0].events[7].raw));
    assert_true(text_equal(fixture->turns[0].events[6].instance_id, TEXT("old-4")));
    assert_ptr_equal(made->turns[1].events, fixture->turns[1].events);
}

/* ---- histories of any size ---- */

/* Seconds of processor time. Linear takes some hundredths; quadratic would take minutes. */
static double seconds_since(clock_t from)
{
    return (double)(clock() - from) / CLOCKS_PER_SEC;
}

static void a_history_of_100_000_turns_is_rewound_and_forked_in_linear_time(void **state)
{
    enum { TURNS = 100000 };
    struct fixture *fixture = *state;
    struct buffer line = { 0 };
    buffer_printf(&line, "S");
    for (int i = 0; i < TURNS; i++) {
        buffer_printf(&line, " C%d", i);
    }
    for (int i = 0; i < TURNS / 2; i++) {
        buffer_printf(&line, " | c%s%d", i % 2 == 0 ? "+" : "-", i);
    }
    for (int i = 0; i < TURNS / 2; i++) { /* of retries: each of these stays, in part */
        buffer_printf(&line, " | c-%d e C%d~%d", TURNS / 2 + i, TURNS + i, TURNS / 2 + i);
    }
    buffer_printf(&line, " | e F");
    buffer_add_byte(&line, 0);
    given(fixture, (const char *)line.at);
    buffer_done(&line);
    assert_int_equal(fixture->turn_count, TURNS + 2);

    clock_t from = clock();
    assert_int_equal(rewind_it(fixture), PD_OK);
    assert_int_equal(fixture->made.turn_count, 1 + TURNS / 2);
    assert_int_equal(fixture->made.waiting_count, 1 + TURNS / 4 + TURNS / 2 + 1);
    assert_int_equal(rewrite_check(&fixture->made, &fixture->err), PD_OK);
    assert_int_equal(fork_it(fixture, 0), PD_OK);
    assert_int_equal(fixture->made.turn_count, TURNS + 1);
    assert_true(text_equal(child_id(&fixture->made, TURNS, 3), TEXT("y:249ef")));
    assert_int_equal(fork_it(fixture, TURNS + 4), PD_OK); /* all of one turn's children are open */
    assert_int_equal(fixture->made.turn_count, 1);
    assert_true(text_equal(child_id(&fixture->made, 0, TURNS + 1), TEXT("y:1869f")));
    assert_true(seconds_since(from) < 5);
}

static void a_history_is_split_where_turns_begin(void **state)
{
    struct fixture *fixture = *state;
    given(fixture, "S T0 | +0 | e e");
    assert_int_equal(fixture->turn_count, 3);
    assert_int_equal(fixture->turns[0].count, 3);
    assert_int_equal(fixture->turns[1].count, 2);
    assert_int_equal(fixture->turns[2].count, 3);
    assert_ptr_equal(fixture->turns[1].events, fixture->turns[0].events + 3);
    /* Also one that is none of ours. */
    struct event odd[] = { { .kind = EVENT_EVENT_RAISED }, { .kind = EVENT_ORCHESTRATOR_STARTED } };
    rewrite_split(odd, 2, &fixture->arena, &fixture->turns, &fixture->turn_count);
    assert_int_equal(fixture->turn_count, 2);
    rewrite_split(odd, 0, &fixture->arena, &fixture->turns, &fixture->turn_count);
    assert_int_equal(fixture->turn_count, 0);
}

/* ---- what comes from outside ---- */

/* The line's turns, and what waits behind "||", as an adoption. */
static pd_status check(struct fixture *fixture, const char *line)
{
    char *turns = arena_printf(&fixture->arena, "%s", line);
    char *waiting = strstr(turns, "||");
    size_t count = 0;
    struct event *events = NULL;
    if (waiting != NULL) {
        *waiting = 0;
        events = read_line(fixture, waiting + 2, &count);
    }
    given(fixture, turns);
    bool has_turns = turns[strspn(turns, " ")] != 0;
    fixture->made = (struct adoption){
        .record = &fixture->record,
        .turns = fixture->turns,
        .turn_count = has_turns ? fixture->turn_count : 0,
        .waiting = events != NULL ? events + 1 : NULL,
        .waiting_count = events != NULL ? count - 1 : 0,
    };
    fixture->err = (pd_error){ 0 };
    return rewrite_check(&fixture->made, &fixture->err);
}

static void histories_of_ours_hold_together(void **state)
{
    static const char *const lines[] = {
        "S T0 T1 | -0 Z2~0 | f2 T3~2 e | -1 | -3 F",
        "S T1 T0 Z3 C2 | +0 || e s r R +1",
        "S Q",
        "S K D",
        "|| S e",
        "S T0 T2 T1 | ? +9 c-7 X8 f6", /* completions of nothing do no harm */
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(check(*state, lines[i]), PD_OK);
    }
}

static void a_history_that_does_not_hold_together_is_refused(void **state)
{
    static const struct {
        const char *line, *says;
    } flaws[] = {
        { "T0 S", "ExecutionStarted is the second" },
        { "S T0 | S", "there is one" },
        { "S S T0", "there is one" },
        { "S T0 || S", "exactly when" },
        { "|| e S", "exactly when" },
        { "|| e", "exactly when" },
        { "||", "has not begun" },
        { "S T0 T0", "two steps" },
        { "S T0 T1 Z0", "two steps" },
        { "S T0 | +0 | C0", "two steps" },
        { "S T-1", "no number" },
        { "S T0 || T1", "cannot come in" },
        { "S T0 || F", "cannot come in" },
        { "S T0 || D", "cannot come in" },
        { "S T0 F | +0", "otherwise than the instance" },
        { "S F T0", "after its end" },
        { "S F || e", "has ended" },
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
        assert_int_equal(check(fixture, flaws[i].line), PD_E_CORRUPT);
        if (strstr(fixture->err.text, flaws[i].says) == NULL) {
            fail_msg("'%s' is refused with '%s'", flaws[i].line, fixture->err.text);
        }
    }
}

/* The line is sound; the change to the record or to an event is not. */
static void expect_corrupt(struct fixture *fixture, const char *says)
{
    assert_int_equal(rewrite_check(&fixture->made, &fixture->err), PD_E_CORRUPT);
    assert_non_null(strstr(fixture->err.text, says));
}

static void a_record_that_does_not_fit_its_history_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct instance_record *record = &fixture->record;
    check(fixture, "S F");
    record->state = RUN_COMPLETED;
    expect_corrupt(fixture, "otherwise");
    record->state = RUN_RUNNING;
    expect_corrupt(fixture, "at no time");
    record->ended_at = 0;
    expect_corrupt(fixture, "otherwise");
    check(fixture, "S T0");
    record->state = RUN_FAILED;
    expect_corrupt(fixture, "at no time");
    record->ended_at = 1;
    expect_corrupt(fixture, "otherwise");
    check(fixture, "S T0");
    record->state = RUN_PENDING;
    expect_corrupt(fixture, "state");
    record->state = (enum run_state)(RUN_TERMINATED + 1);
    expect_corrupt(fixture, "state");
    check(fixture, "|| S");
    record->state = RUN_COMPLETED;
    record->ended_at = 1;
    expect_corrupt(fixture, "has ended");
    check(fixture, "S T0");
    record->id = TEXT("@x");
    expect_corrupt(fixture, "id");
    check(fixture, "S T0");
    record->execution_id = TEXT_ABSENT;
    expect_corrupt(fixture, "execution");
    check(fixture, "S T0");
    record->name = TEXT_ABSENT;
    expect_corrupt(fixture, "name");
}

static void a_child_without_a_proper_id_or_name_is_refused(void **state)
{
    struct fixture *fixture = *state;
    check(fixture, "S C0");
    struct event events[3];
    memcpy(events, fixture->turns[0].events, sizeof events);
    struct turn_events turn = { events, 3 };
    fixture->made.turns = &turn;
    assert_int_equal(rewrite_check(&fixture->made, &fixture->err), PD_OK);
    events[2].name = TEXT_ABSENT;
    expect_corrupt(fixture, "child");
    events[2].name = TEXT("Child");
    events[2].instance_id = TEXT("a/b");
    expect_corrupt(fixture, "child");
}

static void a_turn_without_events_or_with_two_beginnings_is_refused(void **state)
{
    struct fixture *fixture = *state;
    check(fixture, "S T0 | +0 e");
    struct turn_events turns[2] = { fixture->turns[0], fixture->turns[1] };
    fixture->made.turns = turns;
    turns[1].count = 0;
    expect_corrupt(fixture, "empty");
    turns[1] = (struct turn_events){ fixture->turns[1].events + 1, 1 };
    expect_corrupt(fixture, "turns begin");
    turns[1] = fixture->turns[1];
    turns[0].count = 1;
    expect_corrupt(fixture, "empty");
    turns[0].count = fixture->turns[0].count + fixture->turns[1].count;
    expect_corrupt(fixture, "turns begin");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(one_that_was_rewound_and_failed_again_is_rewound_again),
        TEST(only_one_that_failed_can_be_rewound),
        TEST(a_turn_whose_end_was_stored_is_undone_like_any_other),
        TEST(the_instance_is_the_same_but_runs),
        TEST(before_anything_has_happened_only_the_start_waits),
        TEST(at_the_beginning_of_a_turn_those_before_are_taken_and_nothing_waits),
        TEST(in_the_middle_of_what_came_in_the_part_before_waits),
        TEST(at_what_the_code_asked_for_all_that_came_in_waits_and_it_asks_anew),
        TEST(beyond_the_end_there_is_no_event),
        TEST(number_0_of_one_that_runs_is_all_of_it),
        TEST(number_0_of_one_that_ended_is_all_but_the_end),
        TEST(one_without_a_turn_forks_as_it_was_started),
        TEST(a_fork_is_another_instance_that_has_not_ended_and_nobody_s_child),
        TEST(open_children_get_ids_of_the_fork_s_own),
        TEST(a_history_of_100_000_turns_is_rewound_and_forked_in_linear_time),
        TEST(a_history_is_split_where_turns_begin),
        TEST(histories_of_ours_hold_together),
        TEST(a_history_that_does_not_hold_together_is_refused),
        TEST(a_record_that_does_not_fit_its_history_is_refused),
        TEST(a_child_without_a_proper_id_or_name_is_refused),
        TEST(a_turn_without_events_or_with_two_beginnings_is_refused),
    };
    return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
