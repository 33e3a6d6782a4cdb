/* SPDX-License-Identifier: MIT
 *
 * What was said to entities, replayed: code that differs from history is told which entity, also
 * where it is ahead of history, and where a whole history is looked at. */
#include "play.h"

#include <stdio.h>
#include <string.h>

#include "core/core.h"

#define COUNTER PD_ENTITY("counter", "a")
#define OTHER PD_ENTITY("counter", "b")
#define GO pd_wait_event(o, "Go");

/* Each says something in its first turn, and waits for "Go" then. */
#define CODE(name, ...)                                        \
    static pd_result name(pd_orchestration *o, pd_value input) \
    {                                                          \
        (void)input;                                           \
        __VA_ARGS__                                            \
        return pd_ok(o, "done");                               \
    }

static char signal_id[REQUEST_ID_SIZE]; /* of step 0, as the code was told */

static void keep_id(const char *id)
{
    (void)snprintf(signal_id, sizeof signal_id, "%s", id);
}

CODE(nothing, GO)
CODE(calls, pd_start_entity(o, COUNTER, "add", 1); GO)
CODE(calls_with_more, pd_start_entity(o, COUNTER, "add", "more"); GO)
CODE(calls_get, pd_start_entity(o, COUNTER, "get", 1); GO)
CODE(calls_other, pd_start_entity(o, OTHER, "add", 1); GO)
CODE(signals, pd_signal_entity(o, COUNTER, "add", 1); GO)
CODE(signals_later, pd_signal_entity(o, COUNTER, "add", 7, .at = { 99999 }); GO)
CODE(signals_other, pd_signal_entity(o, OTHER, "add", 1); GO)
CODE(activity, pd_start_activity(o, "add", 1); GO)
CODE(locks, PD_LOCKED(o, COUNTER, OTHER){ GO })
CODE(locks_backwards, PD_LOCKED(o, OTHER, COUNTER, OTHER){ GO })
CODE(locks_one, PD_LOCKED(o, COUNTER){ GO })
CODE(
    locks_and_ends, PD_LOCKED(o, COUNTER, OTHER) {} GO)
CODE(
    locks_and_signals, PD_LOCKED(o, COUNTER, OTHER) {
        pd_signal_entity(o, PD_ENTITY("log", ""), "x", 0);
        GO
    })
CODE(cancels, keep_id(pd_signal_entity(o, COUNTER, "add", 1));
     pd_cancel_signal(o, COUNTER, signal_id); GO)
CODE(cancels_other, keep_id(pd_signal_entity(o, COUNTER, "add", 1));
     pd_cancel_signal(o, OTHER, signal_id); GO)
CODE(cancels_and_calls, pd_signal_entity(o, COUNTER, "add", 1);
     pd_cancel_signal(o, COUNTER, signal_id); pd_start_entity(o, COUNTER, "get", 1); GO)
CODE(cancels_after_go, pd_signal_entity(o, COUNTER, "add", 1);
     GO pd_cancel_signal(o, COUNTER, signal_id); pd_wait_event(o, "End");)
CODE(signals_then_end, pd_signal_entity(o, COUNTER, "add", 1); GO pd_wait_event(o, "End");)
CODE(signals_then_timer, pd_signal_entity(o, COUNTER, "add", 1);
     GO pd_start_timer(o, pd_seconds(1)); pd_wait_event(o, "End");)
CODE(cancels_then_timer, pd_signal_entity(o, COUNTER, "add", 1);
     pd_cancel_signal(o, COUNTER, signal_id); GO pd_start_timer(o, pd_seconds(1));
     pd_wait_event(o, "End");)
CODE(cancels_then_end, pd_signal_entity(o, COUNTER, "add", 1);
     pd_cancel_signal(o, COUNTER, signal_id); GO pd_wait_event(o, "End");)

static void exchange(struct play *p, pd_orchestrator_fn *code)
{
    static pd_function program[1];
    program[0] = (pd_function)PD_FUNCTION("Main", code);
    if (p->runner == NULL) {
        play_begin(p, PD_PROGRAM(program), PLAY_KEPT);
    } else {
        play_restart(p, PD_PROGRAM(program));
    }
    buffer_reset(&p->transcript);
}

/* A first turn by `before`, granted when it locks; then a turn by `after`, in which "Go" comes. */
static void changed(pd_orchestrator_fn *before, pd_orchestrator_fn *after, const char *expected)
{
    struct play p = { 0 };
    exchange(&p, before);
    play_start(&p, "Main", "1");
    if (play_kind(&p, 0) == EVENT_LOCK_REQUESTED) {
        play_grant(&p, 0);
        play_turn(&p);
    }
    exchange(&p, after);
    play_raise(&p, "Go", "2");
    play_turn(&p);
    assert_true(p.needed_history);
    assert_string_equal(strchr(play_transcript(&p), '\n') + 1, expected);
    play_end(&p);
}

#define FAILED(step, text) "  " #step " failed NonDeterminism: " text " (final)\n"

static void the_same_goes_on_whatever_is_passed(void **state)
{
    (void)state;
    changed(calls, calls, "  1 completed \"done\"\n");
    changed(calls, calls_with_more, "  1 completed \"done\"\n");
    changed(signals, signals, "  1 completed \"done\"\n");
    changed(signals, signals_later, "  1 completed \"done\"\n");
    changed(cancels, cancels, "  1 completed \"done\"\n");
    static const char unlocks[] = "  1 unlocks @counter@a of step 0\n"
                                  "  2 unlocks @counter@b of step 0\n  3 completed \"done\"\n";
    changed(locks, locks, unlocks);
    changed(locks, locks_backwards, unlocks);
}

static void another_operation_entity_or_kind_differs(void **state)
{
    (void)state;
#define HAS_CALL                                                                               \
    "step 0: history has EntityOperationCalled 'add' of @counter@a (event 3), the code asked " \
    "for "
#define HAS_SIGNAL                                                                               \
    "step 0: history has EntityOperationSignaled 'add' to @counter@a (event 3), the code asked " \
    "for "
#define HAS_LOCK                                                                                   \
    "step 0: history has EntityLockRequested of @counter@a, @counter@b (event 3), the code asked " \
    "for "
    changed(calls, calls_get, FAILED(1, HAS_CALL "the call 'get' of @counter@a"));
    changed(calls, calls_other, FAILED(1, HAS_CALL "the call 'add' of @counter@b"));
    changed(calls, signals, FAILED(1, HAS_CALL "the signal 'add' to @counter@a"));
    changed(calls, activity, FAILED(1, HAS_CALL "activity 'add'"));
    changed(calls, nothing, FAILED(1, HAS_CALL "nothing"));
    changed(signals, calls, FAILED(1, HAS_SIGNAL "the call 'add' of @counter@a"));
    changed(signals, signals_other, FAILED(1, HAS_SIGNAL "the signal 'add' to @counter@b"));
    changed(signals, locks, FAILED(1, HAS_SIGNAL "the locking of @counter@a, @counter@b"));
    changed(activity, calls,
            FAILED(1, "step 0: history has TaskScheduled 'add' (event 3), the code asked for the "
                      "call 'add' of @counter@a"));
    changed(locks, locks_one, FAILED(1, HAS_LOCK "the locking of @counter@a"));
    changed(locks, calls, FAILED(1, HAS_LOCK "the call 'add' of @counter@a"));
}

static void the_end_of_a_section_is_compared(void **state)
{
    (void)state;
    changed(locks_and_ends, locks,
            FAILED(3, "step 1: history has EntityUnlockSent of @counter@a (event 7), the code "
                      "asked for nothing"));
    changed(locks_and_signals, locks_and_ends,
            FAILED(2, "step 1: history has EntityOperationSignaled 'x' to @log@ (event 7), the "
                      "code asked for the unlocking of @counter@a"));
    changed(locks_and_ends, locks_and_signals,
            FAILED(3, "step 1: history has EntityUnlockSent of @counter@a (event 7), the code "
                      "asked for the signal 'x' to @log@"));
}

static void a_cancelled_signal_is_compared(void **state)
{
    (void)state;
    changed(cancels, signals,
            FAILED(1, "history has EntitySignalCancelled to @counter@a (event 4), the code has not "
                      "cancelled it"));
    changed(cancels, cancels_other,
            FAILED(1, "history has EntitySignalCancelled to @counter@a (event 4), the code has not "
                      "cancelled it"));
}

/* R5 */
static void what_is_ahead_of_history_is_asked_for_once(void **state)
{
    struct play p = { 0 };
    (void)state;
    exchange(&p, signals_then_end);
    play_start(&p, "Main", "1");
    exchange(&p, cancels_then_end);
    play_raise(&p, "Go", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p),
                        "turn 2\n  cancels a signal to @counter@a of step 0\n");
    exchange(&p, cancels_then_end);
    play_raise(&p, "Other", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), "turn 3\n");
    exchange(&p, cancels_then_end);
    play_raise(&p, "End", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), "turn 4\n  1 completed \"done\"\n");
    play_end(&p);
}

static void calls_and_locks_may_be_ahead_too(void **state)
{
    struct play p = { 0 };
    (void)state;
    exchange(&p, nothing);
    play_start(&p, "Main", "1");
    exchange(&p, cancels_and_calls);
    play_raise(&p, "Other", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), "turn 2\n  0 signals add 1 to @counter@a\n"
                                             "  cancels a signal to @counter@a of step 0\n"
                                             "  1 calls get 1 of @counter@a\n");
    exchange(&p, cancels_and_calls);
    play_raise(&p, "Go", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), "turn 3\n  2 completed \"done\"\n");
    play_end(&p);

    p = (struct play){ 0 };
    exchange(&p, nothing);
    play_start(&p, "Main", "1");
    exchange(&p, locks);
    play_raise(&p, "Other", "2");
    play_turn(&p);
    exchange(&p, locks_one);
    play_raise(&p, "Go", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p),
                        "turn 3\n" FAILED(1, "step 0: history has EntityLockRequested of "
                                             "@counter@a, @counter@b (event 6), the code asked "
                                             "for the locking of @counter@a"));
    play_end(&p);
}

/* History goes on with something else, and the signal was cancelled before that. */
static void a_signal_cancelled_too_early_differs(void **state)
{
    struct play p = { 0 };
    (void)state;
    exchange(&p, signals_then_timer);
    play_start(&p, "Main", "1");
    play_raise(&p, "Go", "2");
    play_turn(&p);
    exchange(&p, cancels_then_timer);
    play_raise(&p, "End", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p),
                        "turn 3\n" FAILED(2, "history has TimerCreated (event 7), the code asked "
                                             "for the cancelling of a signal to @counter@a "
                                             "before"));
    play_end(&p);

    /* What comes in is no such thing: then it is only early. */
    p = (struct play){ 0 };
    exchange(&p, cancels_after_go);
    play_start(&p, "Main", "1");
    request_id_of_step(TEXT("e1"), 0, signal_id);
    play_raise(&p, "Go", "2");
    play_turn(&p);
    exchange(&p, cancels_then_end);
    play_raise(&p, "End", "2");
    play_turn(&p);
    assert_string_equal(play_transcript(&p), "turn 3\n  1 completed \"done\"\n");
    play_end(&p);
}

/* ---- whole histories ------------------------------------------------------------------------- */

static struct author_finding check(const struct play *p, pd_orchestrator_fn *code,
                                   struct arena *arena)
{
    pd_error err;
    struct author_finding finding;
    struct told_past past;
    const pd_function program[] = { PD_FUNCTION("Main", code) };
    struct runner *runner = author_new(PD_PROGRAM(program), NULL, &err);
    told_past_init(&past, p->history, p->history_count);
    assert_true(author_replay(runner, &past.base, text_of("order-7"), 0, arena, &finding));
    told_past_done(&past);
    author_free(runner);
    return finding;
}

static void finds(pd_orchestrator_fn *before, pd_orchestrator_fn *after, uint64_t event,
                  const char *text)
{
    struct play p = { 0 };
    struct arena arena;
    arena_init(&arena);
    exchange(&p, before);
    play_start(&p, "Main", "1");
    if (play_kind(&p, 0) == EVENT_LOCK_REQUESTED) {
        play_grant(&p, 0);
        play_turn(&p);
    }
    struct author_finding finding = check(&p, after, &arena);
    assert_int_equal(finding.is_divergent, text != NULL);
    if (text != NULL) {
        assert_string_equal(finding.text, text);
        assert_int_equal(finding.event, event);
    }
    play_end(&p);
    arena_done(&arena);
}

static void a_whole_history_is_the_same_or_it_is_said_where_not(void **state)
{
    (void)state;
    finds(calls, calls, 0, NULL);
    finds(locks_and_signals, locks_and_signals, 0, NULL);
    finds(locks_and_ends, locks_and_ends, 0, NULL);
    finds(cancels, cancels, 0, NULL);
    finds(nothing, calls, 3,
          "step 0: history has no such step, the code asked for the call 'add' of @counter@a");
    finds(nothing, signals, 3,
          "step 0: history has no such step, the code asked for the signal 'add' to @counter@a");
    finds(nothing, locks, 3,
          "step 0: history has no such step, the code asked for the locking of @counter@a, "
          "@counter@b");
    finds(locks, locks_and_ends, 7,
          "step 1: history has no such step, the code asked for the unlocking of @counter@a");
    finds(signals, cancels, 4,
          "history has no such event, the code asked for the cancelling of a signal to "
          "@counter@a");
    finds(cancels, signals, 4,
          "history has EntitySignalCancelled to @counter@a (event 4), the code has not cancelled "
          "it");
}

/* A fork goes on from another's history: what was sent there keeps its id. */
static pd_result tells_ids(pd_orchestration *o, pd_value input)
{
    const char *first = pd_signal_entity(o, COUNTER, "add", input);
    pd_sleep(o, pd_seconds(1));
    const char *second = pd_signal_entity(o, COUNTER, "add", input);
    return pd_ok(o, PD_ARR(first, second));
}

static void tells(struct text known, const char *told)
{
    struct play p;
    char own[REQUEST_ID_SIZE], expected[256];
    const pd_function program[] = { PD_FUNCTION("Main", tells_ids) };
    play_begin(&p, PD_PROGRAM(program), PLAY_DROPPED);
    play_start(&p, "Main", "1");
    for (size_t i = 0; i < p.history_count; i++) {
        if (p.history[i].kind == EVENT_ENTITY_SIGNALED) {
            p.history[i].request_id = known;
        }
    }
    play_fire(&p, 1);
    play_turn(&p);
    request_id_of_step(TEXT("e1"), 2, own);
    (void)snprintf(expected, sizeof expected, "[\"%s\",\"%s\"]\n", told, own);
    assert_non_null(strstr(play_transcript(&p), expected));
    play_end(&p);
}

static void a_signal_keeps_the_id_that_history_has(void **state)
{
    char own[REQUEST_ID_SIZE];
    (void)state;
    tells(TEXT("00000000-0000-8000-8000-000000000001"), "00000000-0000-8000-8000-000000000001");
    request_id_of_step(TEXT("e1"), 0, own);
    tells(TEXT_ABSENT, own); /* of somebody who does not keep them */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_goes_on_whatever_is_passed),
        cmocka_unit_test(another_operation_entity_or_kind_differs),
        cmocka_unit_test(the_end_of_a_section_is_compared),
        cmocka_unit_test(a_cancelled_signal_is_compared),
        cmocka_unit_test(what_is_ahead_of_history_is_asked_for_once),
        cmocka_unit_test(calls_and_locks_may_be_ahead_too),
        cmocka_unit_test(a_signal_cancelled_too_early_differs),
        cmocka_unit_test(a_whole_history_is_the_same_or_it_is_said_where_not),
        cmocka_unit_test(a_signal_keeps_the_id_that_history_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
