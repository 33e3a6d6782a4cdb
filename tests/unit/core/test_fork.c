/* SPDX-License-Identifier: MIT
 *
 * Forking histories, splitting them, and refusing those that do not hold together. Lines: lines.h.
 */
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "lines.h"

/* ---- fork ---- */

static pd_status fork_it(struct lines *lines, uint64_t number)
{
    return rewrite_fork(&lines->record, lines->turns, lines->turn_count, number, TEXT("forked"),
                        TEXT("y"), &lines->arena, &lines->made, &lines->err);
}

static void forks(void **state, const char *before, uint64_t number, const char *after)
{
    struct lines *lines = *state;
    lines_read(lines, before);
    assert_int_equal(fork_it(lines, number), PD_OK);
    lines_expect(lines, after);
    assert_int_equal(rewrite_check(&lines->made, &lines->err), PD_OK);
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
    struct lines *lines = *state;
    lines_read(lines, forked_line);
    assert_int_equal(fork_it(lines, 16), PD_E_INVALID);
    assert_non_null(strstr(lines->err.text, "no event 16"));
    assert_int_equal(fork_it(lines, UINT64_MAX), PD_E_INVALID);
    lines->turn_count = 0;
    assert_int_equal(fork_it(lines, 1), PD_E_INVALID);
    /* An end of a turn that was stored is not counted twice. */
    forks(state, "S T0 D | +0 T1 D", 4, "|| S");
    forks(state, "S T0 D | +0 T1 D", 5, "S T0 D ||");
    forks(state, "S T0 D | +0 T1 D", 8, "S T0 D || +0");
    assert_int_equal(fork_it(lines, 9), PD_E_INVALID);
}

static void number_0_of_one_that_runs_is_all_of_it(void **state)
{
    forks(state, "S T0 T1 | e +0 -1 T2", 0, "S T0 T1 | e +0 -1 T2 ||");
    struct lines *lines = *state;
    assert_true(text_equal(lines->made.record->custom_status, TEXT("2")));
    assert_ptr_equal(lines->made.turns, lines->turns);
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
    struct lines *lines = *state;
    lines_read(lines, "S T0");
    lines->turn_count = 0;
    lines->record.tags = TEXT("\x1e"
                              "a\x1f"
                              "b\x1e");
    lines->record.input = TEXT("5");
    lines->record.version = TEXT("1.0");
    lines->record.starts_at = 99;
    assert_int_equal(fork_it(lines, 0), PD_OK);
    lines_expect(lines, "|| S");
    const struct event *start = &lines->made.waiting[0];
    assert_true(text_equal(start->name, TEXT("Work")) && text_equal(start->payload, TEXT("5")));
    assert_true(text_equal(start->version, TEXT("1.0")));
    assert_true(text_equal(start->execution_id, TEXT("x")));
    assert_true(text_equal(start->extra->tags, lines->record.tags));
    assert_false(start->extra->has_parent);
    assert_int_equal(start->fire_at, 99);
}

static void a_fork_is_another_instance_that_has_not_ended_and_nobody_s_child(void **state)
{
    struct lines *lines = *state;
    forks(state, forked_line, 12, "S T0 T1 | e +0 -1 T2 ||");
    const struct instance_record *record = lines->made.record;
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
    assert_int_equal(lines->made.record->state, RUN_PENDING);
}

static void open_children_get_ids_of_the_fork_s_own(void **state)
{
    struct lines *lines = *state;
    /* 0 completed, 1 failed, 2 cancelled, 3 answered by what waits; 4 and 12 are open. */
    const char *line = "S C0 C1 C2 C3 C4 T5 | c+0 c-1 X2 | e C12 T13 | c+3 T14 | +5";
    forks(state, line, 22, "S C0 C1 C2 C3 C4 T5 | c+0 c-1 X2 | e C12 T13 || c+3");
    const struct adoption *made = &lines->made;
    for (size_t i = 0; i < 4; i++) {
        const char *old = arena_printf(&lines->arena, "old-%zu", i);
        assert_true(text_equal(lines_child_id(lines, 0, 2 + i), text_of(old)));
    }
    assert_true(text_equal(lines_child_id(lines, 0, 6), TEXT("y:0004")));
    assert_true(text_equal(lines_child_id(lines, 2, 2), TEXT("y:000c")));
    /* Changed, so not to be written as it was. The rest of the turn is, and the source is as it
     * was. */
    assert_false(text_is_present(made->turns[0].events[6].raw));
    assert_true(text_is_present(made->turns[0].events[7].raw));
    assert_true(text_equal(lines->turns[0].events[6].instance_id, TEXT("old-4")));
    assert_ptr_equal(made->turns[1].events, lines->turns[1].events);
}

/* 1, 2 S, 3 L0, 4 T1, 5; 6, 7 +1, 8 g0, 9 A2, 10; 11, 12 a+2, 13 U0x, 14 U0y, 15 A3, 16 N4, 17;
 * 18, 19 a-3, 20 F */
static const char section_line[] = "S L0 T1 | +1 g0 A2 | a+2 U0x U0y A3 N4 | a-3 F";

static void an_open_call_and_a_failure_of_one_are_part_of_the_life_up_to_there(void **state)
{
    forks(state, section_line, 18, "S L0 T1 | +1 g0 A2 | a+2 U0x U0y A3 N4 ||");
    forks(state, section_line, 20, "S L0 T1 | +1 g0 A2 | a+2 U0x U0y A3 N4 || a-3");
    forks(state, section_line, 0, "S L0 T1 | +1 g0 A2 | a+2 U0x U0y A3 N4 || a-3");
    /* Called, signaled and cancelled as it was in the source. */
    forks(state, "S A0 N1 n | a+0 K", 7, "S A0 N1 n ||");
}

static void before_a_section_was_asked_for_there_is_none(void **state)
{
    for (uint64_t number = 1; number <= 5; number++) {
        forks(state, section_line, number, "|| S");
    }
}

static void nothing_is_forked_inside_a_critical_section(void **state)
{
    struct lines *lines = *state;
    lines_read(lines, section_line);
    for (uint64_t number = 6; number <= 17; number++) {
        assert_int_equal(fork_it(lines, number), PD_E_INVALID);
        assert_non_null(strstr(lines->err.text, "'source' is inside a critical section"));
    }
    lines_read(lines, "S L0 | g0 A1");
    assert_int_equal(fork_it(lines, 0), PD_E_INVALID);
    lines_read(lines, "S L0 | g0 A1 | a-1 F");
    assert_int_equal(fork_it(lines, 0), PD_E_INVALID);
    /* What waits says that it cannot have them. */
    forks(state, "S L0 | a-0 F", 0, "S L0 || a-0");
}

/* It asks for so many locks, and gives all of them back. */
static const struct event *open_after(struct lines *lines, size_t count)
{
    struct event *events = arena_alloc(&lines->arena, (count + 2) * sizeof *events);
    struct event_extra extra = { .position = 0 };
    struct buffer set = { 0 };
    events[0] = (struct event){ .kind = EVENT_LOCK_REQUESTED, .id = 0, .extra = &extra };
    events[1] = (struct event){ .kind = EVENT_LOCK_GRANTED, .id = EVENT_NO_ID, .ref = 0 };
    for (size_t i = 0; i < count; i++) {
        const char *id = arena_printf(&lines->arena, "@account@%zu", i);
        buffer_printf(&set, "%s\n", id);
        events[2 + i] = (struct event){ .kind = EVENT_UNLOCK_SENT, .instance_id = text_of(id) };
    }
    extra.lock_set = buffer_text(&set);
    struct turn_events turn = { events, count + 2 };
    const struct event *open =
        rewrite_open_section(&(struct adoption){ .turns = &turn, .turn_count = 1 });
    buffer_done(&set);
    return open;
}

static void a_section_of_as_many_locks_as_may_be_is_left_and_one_of_more_never(void **state)
{
    struct lines *lines = *state;
    assert_null(open_after(lines, LIMIT_LOCK_SET));
    assert_non_null(open_after(lines, LIMIT_LOCK_SET + 1));
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
    struct lines *lines = *state;
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
    lines_read(lines, (const char *)line.at);
    buffer_done(&line);
    assert_int_equal(lines->turn_count, TURNS + 2);

    clock_t from = clock();
    assert_int_equal(rewrite_rewind(&lines->record, lines->turns, lines->turn_count,
                                    &lines->rewound, &lines->arena, &lines->made, &lines->err),
                     PD_OK);
    assert_int_equal(lines->made.turn_count, 1 + TURNS / 2);
    assert_int_equal(lines->made.waiting_count, 1 + TURNS / 4 + TURNS / 2 + 1);
    assert_int_equal(rewrite_check(&lines->made, &lines->err), PD_OK);
    assert_int_equal(fork_it(lines, 0), PD_OK);
    assert_int_equal(lines->made.turn_count, TURNS + 1);
    assert_true(text_equal(lines_child_id(lines, TURNS, 3), TEXT("y:249ef")));
    assert_int_equal(fork_it(lines, TURNS + 4), PD_OK); /* all of one turn's children are open */
    assert_int_equal(lines->made.turn_count, 1);
    assert_true(text_equal(lines_child_id(lines, 0, TURNS + 1), TEXT("y:1869f")));
    assert_true(seconds_since(from) < 5);
}

/* Each asks for two locks, which it gives back later; as they might follow each other for years. */
static void a_history_of_50_000_critical_sections_is_rewound_and_forked_in_linear_time(void **state)
{
    enum { SECTIONS = 50000 };
    struct lines *lines = *state;
    struct buffer line = { 0 };
    buffer_printf(&line, "S");
    for (int i = 0; i < SECTIONS; i++) {
        buffer_printf(&line, " L%d | g%d U%dx U%dy", i, i, i, i);
    }
    buffer_printf(&line, " T%d | -%d F", SECTIONS, SECTIONS);
    buffer_add_byte(&line, 0);
    lines_read(lines, (const char *)line.at);
    buffer_done(&line);

    clock_t from = clock();
    assert_int_equal(rewrite_rewind(&lines->record, lines->turns, lines->turn_count,
                                    &lines->rewound, &lines->arena, &lines->made, &lines->err),
                     PD_OK);
    assert_int_equal(lines->made.turn_count, SECTIONS + 1);
    assert_int_equal(rewrite_check(&lines->made, &lines->err), PD_OK);
    assert_int_equal(fork_it(lines, 0), PD_OK);
    assert_true(seconds_since(from) < 5);
}

static void a_history_is_split_where_turns_begin(void **state)
{
    struct lines *lines = *state;
    lines_read(lines, "S T0 | +0 | e e");
    assert_int_equal(lines->turn_count, 3);
    assert_int_equal(lines->turns[0].count, 3);
    assert_int_equal(lines->turns[1].count, 2);
    assert_int_equal(lines->turns[2].count, 3);
    assert_ptr_equal(lines->turns[1].events, lines->turns[0].events + 3);
    /* Also one that is none of ours. */
    struct event odd[] = { { .kind = EVENT_EVENT_RAISED }, { .kind = EVENT_ORCHESTRATOR_STARTED } };
    rewrite_split(odd, 2, &lines->arena, &lines->turns, &lines->turn_count);
    assert_int_equal(lines->turn_count, 2);
    rewrite_split(odd, 0, &lines->arena, &lines->turns, &lines->turn_count);
    assert_int_equal(lines->turn_count, 0);
}

/* ---- what comes from outside ---- */

/* The line's turns, and what waits behind "||", as an adoption. */
static pd_status check(struct lines *lines, const char *line)
{
    char *turns = arena_printf(&lines->arena, "%s", line);
    char *waiting = strstr(turns, "||");
    size_t count = 0;
    struct event *events = NULL;
    if (waiting != NULL) {
        *waiting = 0;
        events = lines_read_events(lines, waiting + 2, &count);
    }
    lines_read(lines, turns);
    bool has_turns = turns[strspn(turns, " ")] != 0;
    lines->made = (struct adoption){
        .record = &lines->record,
        .turns = lines->turns,
        .turn_count = has_turns ? lines->turn_count : 0,
        .waiting = events != NULL ? events + 1 : NULL,
        .waiting_count = events != NULL ? count - 1 : 0,
    };
    lines->err = (pd_error){ 0 };
    return rewrite_check(&lines->made, &lines->err);
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
        "S T7 T3 Z9 | -3 Z1 | f1 T3 | -3 T3 | +3 C3",
        "S A0 N1 L2 | a-0 g2 U2x U2y n",
        "S A0 T1 | +1 g1 a+1 U7x U7y || a+7 g8 a-0", /* likewise unlocks */
        "S L0 || a-0",
        "S L0 | g0 L1 F", /* how it ended is its own affair */
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
        { "S T0 T0", "two that are open" },
        { "S T0 T1 Z0", "two that are open" },
        { "S T0 T1 | -1 T1 | T0", "two that are open" },
        { "S T-1", "no number" },
        { "S T0 || T1", "cannot come in" },
        { "S T0 || F", "cannot come in" },
        { "S T0 || D", "cannot come in" },
        { "S T0 F | +0", "otherwise than the instance" },
        { "S F T0", "after its end" },
        { "S F || e", "has ended" },
        { "S A0 T0", "two that are open" },
        { "S L1 | L1", "two that are open" },
        { "S L1 | a-1 L1", "inside a critical section" },
        { "S A-1", "no number" },
        { "S T0 || A1", "cannot come in" },
        { "S T0 || U0x", "cannot come in" },
        { "S L0", "inside a critical section" },
        { "S L0 || g0", "inside a critical section" },
        { "S L0 | g0 U0x A1 || a+1", "inside a critical section" },
        { "S L0 U0x U0y", "inside a critical section" }, /* too early */
        { "S L0 | U0x U0y || g0", "inside a critical section" },
        { "S L0 | g0 || a-0", "inside a critical section" },
        { "S L0 L1 | g0 g1 U0x U0y U1x U1y", "inside a critical section" },
    };
    struct lines *lines = *state;
    for (size_t i = 0; i < sizeof flaws / sizeof *flaws; i++) {
        assert_int_equal(check(lines, flaws[i].line), PD_E_CORRUPT);
        if (strstr(lines->err.text, flaws[i].says) == NULL) {
            fail_msg("'%s' is refused with '%s'", flaws[i].line, lines->err.text);
        }
    }
}

/* The line is sound; the change to the record or to an event is not. */
static void expect_corrupt(struct lines *lines, const char *says)
{
    assert_int_equal(rewrite_check(&lines->made, &lines->err), PD_E_CORRUPT);
    assert_non_null(strstr(lines->err.text, says));
}

static void a_record_that_does_not_fit_its_history_is_refused(void **state)
{
    struct lines *lines = *state;
    struct instance_record *record = &lines->record;
    check(lines, "S F");
    record->state = RUN_COMPLETED;
    expect_corrupt(lines, "otherwise");
    record->state = RUN_RUNNING;
    expect_corrupt(lines, "at no time");
    record->ended_at = 0;
    expect_corrupt(lines, "otherwise");
    check(lines, "S T0");
    record->state = RUN_FAILED;
    expect_corrupt(lines, "at no time");
    record->ended_at = 1;
    expect_corrupt(lines, "otherwise");
    check(lines, "S T0");
    record->state = RUN_PENDING;
    expect_corrupt(lines, "state");
    record->state = (enum run_state)(RUN_TERMINATED + 1);
    expect_corrupt(lines, "state");
    check(lines, "|| S");
    record->state = RUN_COMPLETED;
    record->ended_at = 1;
    expect_corrupt(lines, "has ended");
    check(lines, "S T0");
    record->id = TEXT("@x");
    expect_corrupt(lines, "id");
    check(lines, "S T0");
    record->execution_id = TEXT_ABSENT;
    expect_corrupt(lines, "execution");
    check(lines, "S T0");
    record->name = TEXT_ABSENT;
    expect_corrupt(lines, "name");
}

static void a_child_without_a_proper_id_or_name_is_refused(void **state)
{
    struct lines *lines = *state;
    check(lines, "S C0");
    struct event events[3];
    memcpy(events, lines->turns[0].events, sizeof events);
    struct turn_events turn = { events, 3 };
    lines->made.turns = &turn;
    assert_int_equal(rewrite_check(&lines->made, &lines->err), PD_OK);
    events[2].name = TEXT_ABSENT;
    expect_corrupt(lines, "child");
    events[2].name = TEXT("Child");
    events[2].instance_id = TEXT("a\tb");
    expect_corrupt(lines, "child");
}

static void a_critical_section_of_nothing_is_refused_wherever_it_comes_from(void **state)
{
    struct lines *lines = *state;
    const struct event_extra nothing = { .position = 1 };
    check(lines, "S L0 | U0x F");
    struct event events[3];
    memcpy(events, lines->turns[0].events, sizeof events);
    struct turn_events turns[2] = { { events, 3 }, lines->turns[1] };
    lines->made.turns = turns;
    assert_int_equal(rewrite_check(&lines->made, &lines->err), PD_OK);
    events[2].extra = NULL;
    expect_corrupt(lines, "locks nothing");
    events[2].extra = &nothing;
    expect_corrupt(lines, "locks nothing");
    /* Nor does whoever does not check before fall over it. */
    lines->turns = turns;
    assert_int_equal(fork_it(lines, 0), PD_OK);
    struct instance_image image = {
        .record = &lines->record, .history = events, .history_count = 3, .turn_count = 1
    };
    lines->record.state = RUN_RUNNING;
    assert_int_equal(rewrite_check_image(&image, &lines->err), PD_E_CORRUPT);
    assert_non_null(strstr(lines->err.text, "locks nothing"));
}

static void a_turn_without_events_or_with_two_beginnings_is_refused(void **state)
{
    struct lines *lines = *state;
    check(lines, "S T0 | +0 e");
    struct turn_events turns[2] = { lines->turns[0], lines->turns[1] };
    lines->made.turns = turns;
    turns[1].count = 0;
    expect_corrupt(lines, "empty");
    turns[1] = (struct turn_events){ lines->turns[1].events + 1, 1 };
    expect_corrupt(lines, "turns begin");
    turns[1] = lines->turns[1];
    turns[0].count = 1;
    expect_corrupt(lines, "empty");
    turns[0].count = lines->turns[0].count + lines->turns[1].count;
    expect_corrupt(lines, "turns begin");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lines_setup, lines_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        TEST(an_open_call_and_a_failure_of_one_are_part_of_the_life_up_to_there),
        TEST(before_a_section_was_asked_for_there_is_none),
        TEST(nothing_is_forked_inside_a_critical_section),
        TEST(a_section_of_as_many_locks_as_may_be_is_left_and_one_of_more_never),
        TEST(a_history_of_50_000_critical_sections_is_rewound_and_forked_in_linear_time),
        TEST(a_history_of_100_000_turns_is_rewound_and_forked_in_linear_time),
        TEST(a_history_is_split_where_turns_begin),
        TEST(histories_of_ours_hold_together),
        TEST(a_history_that_does_not_hold_together_is_refused),
        TEST(a_record_that_does_not_fit_its_history_is_refused),
        TEST(a_child_without_a_proper_id_or_name_is_refused),
        TEST(a_critical_section_of_nothing_is_refused_wherever_it_comes_from),
        TEST(a_turn_without_events_or_with_two_beginnings_is_refused),
    };
    return cmocka_run_group_tests_name("rewrite, fork", tests, NULL, NULL);
}
