/* SPDX-License-Identifier: MIT
 *
 * Retries: which attempts follow, when, and how their steps are numbered. A play's first turn is at
 * 1,000,001 us, and later ones are about a second apart. */
#include "play.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- numbering ------------------------------------------------------------------------------- */

static const pd_retry twice = { .attempts_max = 2, .delay_first = { 5000 } };
static const pd_retry twice_at_once = { .attempts_max = 2 };

static pd_result parallel(pd_orchestration *o, pd_value input)
{
    pd_task *a = pd_start_activity(o, "A", input, .retry = &twice);
    pd_task *b = pd_start_activity(o, "B", input, .retry = &twice_at_once);
    pd_task *c = pd_start_activity(o, "C", input);
    pd_await(o, c);
    pd_call_activity(o, "Next", input);
    pd_await_all(o, PD_TASKS(a, b));
    return pd_ok(o, PD_ARR(pd_task_value(a), pd_task_value(b)));
}

static const pd_function parallel_program[] = { PD_FUNCTION("Main", parallel) };

static void script_parallel(struct play *p)
{
    play_start(p, "Main", "1");
    play_fail(p, 0, "Down", "a");
    play_fail(p, 1, "Down", "b");
    play_complete(p, 2, "0");
    play_turn(p);
    play_complete(p, 4, "\"b\"");
    play_complete(p, 0, "\"late\""); /* a step that is over: nothing hears of it */
    play_fire(p, 3);
    play_turn(p);
    play_complete(p, 5, "null");
    play_turn(p);
    play_complete(p, 6, "\"a\"");
    play_turn(p);
}

static void retries_in_parallel_followed_by_new_work_number_their_steps_alike(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(parallel_program), script_parallel,
             "turn 1\n  0 A 1\n  1 B 1\n  2 C 1\n"
             "turn 2\n  3 timer 7000006 answers 0\n  4 B 1 answers 1\n  5 Next 1\n"
             "turn 3\n  6 A 1 answers 3\n"
             "turn 4\nturn 5\n  7 completed [\"a\",\"b\"]\n");
}

/* ---- which failures -------------------------------------------------------------------------- */

static int asked_attempts[8];
static int asked_count;

static bool unless_declined(const pd_failure *failure, int attempt, void *argument)
{
    asked_attempts[asked_count++ % 8] = attempt;
    return strcmp(failure->type, argument) != 0;
}

static pd_result judged(pd_orchestration *o, pd_value input)
{
    static char declined[] = "CardDeclined";
    pd_retry retry = { .attempts_max = 3, .handles = unless_declined, .argument = declined };
    pd_task *t = pd_start_activity(o, "Charge", input, .retry = &retry);
    retry.attempts_max = 0; /* it was copied */
    if (!pd_wait(o, t)) {
        return pd_ok(o, pd_task_failure(t)->message);
    }
    return pd_ok(o, pd_task_value(t));
}

static const pd_function judged_program[] = { PD_FUNCTION("Main", judged) };

static void script_exhausted(struct play *p)
{
    play_start(p, "Main", "7");
    for (int attempt = 0; attempt < 3; attempt++) {
        char message[] = "no 0";
        message[3] = (char)('0' + attempt);
        play_complete(p, attempt - 1, "\"late\""); /* of the attempt before: nobody's any more */
        play_fail(p, attempt, "Down", message);
        play_turn(p);
    }
}

static void attempts_end_with_the_last_failure(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(judged_program), script_exhausted,
             "turn 1\n  0 Charge 7\nturn 2\n  1 Charge 7 answers 0\n"
             "turn 3\n  2 Charge 7 answers 1\nturn 4\n  3 completed \"no 2\"\n");
}

static void script_declined(struct play *p)
{
    asked_count = 0;
    play_start(p, "Main", "7");
    play_fail(p, 0, "Down", "first");
    play_turn(p);
    play_fail(p, 1, "CardDeclined", "second");
    play_turn(p);
}

static void a_failure_that_the_predicate_refuses_is_not_tried_again(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(judged_program), script_declined,
             "turn 1\n  0 Charge 7\nturn 2\n  1 Charge 7 answers 0\n"
             "turn 3\n  2 completed \"second\"\n");
    struct play p;
    play_begin(&p, PD_PROGRAM(judged_program), PLAY_KEPT);
    script_declined(&p);
    assert_int_equal(asked_count, 2);
    assert_int_equal(asked_attempts[0], 1);
    assert_int_equal(asked_attempts[1], 2);
    play_end(&p);
}

static void script_final(struct play *p)
{
    asked_count = 0;
    play_start(p, "Main", "7");
    play_fail(p, 0, "Down", "for good")->is_final = true;
    play_turn(p);
    assert_int_equal(asked_count, 0);
}

static void a_final_failure_is_not_tried_again_and_nobody_is_asked(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(judged_program), script_final,
             "turn 1\n  0 Charge 7\nturn 2\n  1 completed \"for good\"\n");
}

/* ---- delays ---------------------------------------------------------------------------------- */

static pd_retry policy;

static pd_result by_policy(pd_orchestration *o, pd_value input)
{
    pd_task *t = pd_start_activity(o, "A", input, .retry = &policy);
    if (!pd_wait(o, t)) {
        return pd_ok(o, pd_task_failure(t)->message);
    }
    return pd_ok(o, pd_task_value(t));
}

static const pd_function policy_program[] = { PD_FUNCTION("Main", by_policy) };

/* Fails until there is nothing more to fail. */
static void script_fails(struct play *p)
{
    play_start(p, "Main", NULL);
    for (int step = 0; !p->is_ended; step++) {
        if (play_kind(p, step) == EVENT_TIMER_CREATED) {
            for (size_t i = 0; i < p->history_count; i++) {
                const struct event *event = &p->history[i];
                p->now = event->id == step && event->fire_at > p->now && event->fire_at < TIME_NEVER
                             ? event->fire_at
                             : p->now;
            }
            p->coming[0].at = p->now;
            play_fire(p, step);
        } else {
            play_fail(p, step, "Down", "again");
        }
        play_turn(p);
    }
}

/* The delays of all attempts in milliseconds, as text. */
static void delays(pd_retry with, const char *expected)
{
    char *got = NULL;
    policy = with;
    play_all(PD_PROGRAM(policy_program), script_fails, NULL);
    struct play p;
    play_begin(&p, PD_PROGRAM(policy_program), PLAY_KEPT);
    script_fails(&p);
    struct buffer said;
    buffer_init(&said);
    time_us turn = 0;
    for (size_t i = 0; i < p.history_count; i++) {
        const struct event *event = &p.history[i];
        turn = event->kind == EVENT_ORCHESTRATOR_STARTED ? event->at : turn;
        if (event->kind == EVENT_TIMER_CREATED && event->fire_at == TIME_NEVER) {
            buffer_printf(&said, "never ");
        } else if (event->kind == EVENT_TIMER_CREATED) {
            buffer_printf(&said, "%lld ", (long long)(event->fire_at - turn) / 1000);
        }
    }
    buffer_add_byte(&said, '\0');
    got = (char *)said.at;
    assert_string_equal(got, expected);
    buffer_done(&said);
    play_end(&p);
}

static void delays_grow_by_the_backoff_up_to_the_longest(void **state)
{
    (void)state;
    delays((pd_retry){ .attempts_max = 4, .delay_first = { 100 } }, "100 100 100 ");
    delays((pd_retry){ .attempts_max = 5, .delay_first = { 100 }, .backoff = 2 },
           "100 200 400 800 ");
    delays((pd_retry){ .attempts_max = 5, .delay_first = { 100 }, .backoff = 1.5 },
           "100 150 225 337 ");
    delays(
        (pd_retry){
            .attempts_max = 6, .delay_first = { 100 }, .backoff = 10, .delay_max = { 3000 } },
        "100 1000 3000 3000 3000 ");
    delays((pd_retry){ .attempts_max = 3, .delay_first = { 5000 }, .delay_max = { 3000 } },
           "3000 3000 ");
    delays((pd_retry){ .attempts_max = 1, .delay_first = { 100 } }, "");
    delays((pd_retry){ .attempts_max = 0, .delay_first = { 100 } }, "");
}

/* From a turn to the next it is a little more than a second, if no timer is waited for. */
static void no_attempt_begins_later_than_the_total_after_the_first(void **state)
{
    (void)state;
    delays((pd_retry){ .attempts_max = 9, .delay_first = { 10000 }, .total_max = { 11000 } }, "");
    delays((pd_retry){ .attempts_max = 9, .delay_first = { 10000 }, .total_max = { 11001 } },
           "10000 ");
    delays((pd_retry){ .attempts_max = 9, .delay_first = { 10000 }, .total_max = { 22000 } },
           "10000 ");
    delays((pd_retry){ .attempts_max = 9, .delay_first = { 10000 }, .total_max = { 22001 } },
           "10000 10000 ");
    delays((pd_retry){ .attempts_max = 3, .total_max = { 1 } }, "");
}

static void delays_of_years_and_of_for_ever_do_not_overflow(void **state)
{
    const int64_t year = INT64_C(365) * 86400 * 1000;
    (void)state;
    delays((pd_retry){ .attempts_max = 3, .delay_first = { year }, .backoff = 2 },
           "31536000000 63072000000 ");
    delays((pd_retry){ .attempts_max = 3, .delay_first = { INT64_MAX }, .backoff = 1e300 },
           "never never ");
    delays((pd_retry){ .attempts_max = 4, .delay_first = { 1 }, .backoff = INFINITY },
           "1 never never ");
    delays(
        (pd_retry){
            .attempts_max = 3, .delay_first = { 1000 }, .backoff = 1e300, .delay_max = { year } },
        "1000 31536000000 ");
    delays((pd_retry){ .attempts_max = 2,
                       .delay_first = { INT64_MAX },
                       .total_max = { INT64_MAX - 1 } },
           "never ");
}

static int64_t first_timer(struct play *p)
{
    for (size_t i = 0; i < p->history_count; i++) {
        if (p->history[i].kind == EVENT_TIMER_CREATED) {
            return p->history[i].fire_at;
        }
    }
    return -1;
}

static void jitter_shortens_by_up_to_its_part_and_differs_by_execution(void **state)
{
    enum { EXECUTIONS = 200 };
    int64_t shortest = INT64_MAX, longest = 0;
    (void)state;
    policy = (pd_retry){ .attempts_max = 3, .delay_first = { 1000000 }, .jitter = 0.25 };
    play_all(PD_PROGRAM(policy_program), script_fails, NULL); /* the same at every replay */
    for (int i = 1; i <= EXECUTIONS; i++) {
        struct play p;
        play_begin(&p, PD_PROGRAM(policy_program), PLAY_KEPT);
        p.execution = i;
        play_start(&p, "Main", NULL);
        play_fail(&p, 0, "Down", "once");
        time_us failed_in = p.coming[0].at;
        play_turn(&p);
        int64_t delay = first_timer(&p) - failed_in;
        shortest = delay < shortest ? delay : shortest;
        longest = delay > longest ? delay : longest;
        play_end(&p);
    }
    assert_true(shortest > 750000000 && shortest < 760000000);
    assert_true(longest <= 1000000000 && longest > 990000000);
}

/* ---- what an attempt is given ---------------------------------------------------------------- */

static pd_result with_everything(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_activity(o, "A", PD_OBJ("n", input), .retry = &twice, .version = "9",
                                     .tags = pd_of_literal(PD_OBJ("k", "v", "a", "b")),
                                     .start_max = pd_seconds(1), .run_max = pd_seconds(2),
                                     .beat_max = pd_seconds(3)));
}

static const pd_function everything_program[] = { PD_FUNCTION("Main", with_everything) };

static struct event_extra kept_extra = { .progress = TEXT_INIT("[1]") };

static void script_progress(struct play *p)
{
    play_start(p, "Main", "7");
    play_fail(p, 0, "Timeout", "slow");
    p->coming[p->coming_count - 1].extra = &kept_extra;
    play_turn(p);
    play_turn(p); /* nothing happens, between the failure and the next attempt */
    play_fire(p, 1);
    play_turn(p);
}

static void an_attempt_gets_the_same_options_and_the_progress_of_the_one_before(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(everything_program), script_progress,
             "turn 1\n  0 A {\"n\":7} version 9 #a=b #k=v limits 1000 2000 3000\n"
             "turn 2\n  1 timer 7000004 answers 0\nturn 3\n"
             "turn 4\n  2 A {\"n\":7} version 9 #a=b #k=v progress [1] answers 1 "
             "limits 1000 2000 3000\n");
}

/* ---- going wrong ----------------------------------------------------------------------------- */

static pd_orchestration *the_run;
static int what_to_do;
static pd_task *the_task;

static bool misbehaves(const pd_failure *failure, int attempt, void *argument)
{
    (void)failure;
    (void)argument;
    assert_true(author_is_inside());
    switch (what_to_do) {
    case 0: pd_call_activity(the_run, "B", attempt); break;
    case 1: pd_sleep(the_run, pd_seconds(1)); break;
    case 2: pd_raise(the_run, "No", "way"); break;
    case 3: return pd_task_is_done(the_task);
    default: pd_alloc(the_run, 1); break;
    }
    return true;
}

static pd_result misused(pd_orchestration *o, pd_value input)
{
    static const pd_retry retry = { .attempts_max = 2, .handles = misbehaves };
    the_run = o;
    the_task = pd_start_activity(o, "A", input, .retry = &retry);
    pd_wait(o, the_task);
    return pd_ok(o, "not noticed");
}

static const pd_function misused_program[] = { PD_FUNCTION("Main", misused) };

static void script_misused(struct play *p)
{
    play_start(p, "Main", NULL);
    play_fail(p, 0, "Down", "d");
    play_turn(p);
}

static void a_predicate_that_calls_anything_fails_the_instance(void **state)
{
    (void)state;
    for (what_to_do = 0; what_to_do < 5; what_to_do++) {
        play_all(PD_PROGRAM(misused_program), script_misused,
                 "turn 1\n  0 A null\nturn 2\n  1 failed Misuse: pd_retry.handles: it may look at "
                 "the failure, and call nothing of Perdure's that takes an orchestration or a task "
                 "(final)\n");
    }
    assert_false(author_is_inside());
}

static void wrongly(pd_retry with, const char *expected)
{
    struct play p;
    policy = with;
    play_begin(&p, PD_PROGRAM(policy_program), PLAY_KEPT);
    play_start(&p, "Main", NULL);
    assert_string_equal(play_transcript(&p), expected);
    play_end(&p);
}

#define REFUSED(what) "turn 1\n  0 failed Misuse: pd_call_activity: retry: " what " (final)\n"

static void a_policy_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    wrongly((pd_retry){ .attempts_max = -1 }, REFUSED("attempts_max is negative"));
    wrongly((pd_retry){ .delay_first = { -1 } }, REFUSED("a duration is negative"));
    wrongly((pd_retry){ .delay_max = { -1 } }, REFUSED("a duration is negative"));
    wrongly((pd_retry){ .total_max = { -1 } }, REFUSED("a duration is negative"));
    wrongly((pd_retry){ .backoff = 0.999 }, REFUSED("backoff is below 1"));
    wrongly((pd_retry){ .backoff = -2 }, REFUSED("backoff is below 1"));
    wrongly((pd_retry){ .backoff = NAN }, REFUSED("backoff is below 1"));
    wrongly((pd_retry){ .jitter = 1.001 }, REFUSED("jitter is not between 0 and 1"));
    wrongly((pd_retry){ .jitter = -0.001 }, REFUSED("jitter is not between 0 and 1"));
    wrongly((pd_retry){ .jitter = NAN }, REFUSED("jitter is not between 0 and 1"));
    wrongly((pd_retry){ .backoff = 1, .jitter = 1 }, "turn 1\n  0 A null\n");
}

/* A policy that was changed while an instance had followed the old one. */
static void a_changed_policy_is_found_outside_of_user_code(void **state)
{
    (void)state;
    struct play p;
    policy = (pd_retry){ .attempts_max = 2, .delay_first = { 5000 } };
    play_begin(&p, PD_PROGRAM(policy_program), PLAY_DROPPED);
    play_start(&p, "Main", NULL);
    play_fail(&p, 0, "Down", "d");
    play_turn(&p);
    buffer_reset(&p.transcript);
    policy.delay_first.ms = 0;
    play_fire(&p, 1);
    play_turn(&p);
    assert_string_equal(
        play_transcript(&p),
        "turn 3\n  2 failed NonDeterminism: step 1: history has TimerCreated (event "
        "7), the code asked for activity 'A' (final)\n");
    play_end(&p);
    policy = (pd_retry){ .attempts_max = 2 };
    play_begin(&p, PD_PROGRAM(policy_program), PLAY_DROPPED);
    play_start(&p, "Main", NULL);
    play_fail(&p, 0, "Down", "d");
    play_turn(&p);
    buffer_reset(&p.transcript);
    policy.attempts_max = 1;
    play_turn(&p);
    assert_string_equal(play_transcript(&p),
                        "turn 3\n  2 failed NonDeterminism: step 1: history has TaskScheduled 'A' "
                        "(event 7), the code has completed (final)\n");
    play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_in_parallel_followed_by_new_work_number_their_steps_alike),
        cmocka_unit_test(attempts_end_with_the_last_failure),
        cmocka_unit_test(a_failure_that_the_predicate_refuses_is_not_tried_again),
        cmocka_unit_test(a_final_failure_is_not_tried_again_and_nobody_is_asked),
        cmocka_unit_test(delays_grow_by_the_backoff_up_to_the_longest),
        cmocka_unit_test(no_attempt_begins_later_than_the_total_after_the_first),
        cmocka_unit_test(delays_of_years_and_of_for_ever_do_not_overflow),
        cmocka_unit_test(jitter_shortens_by_up_to_its_part_and_differs_by_execution),
        cmocka_unit_test(an_attempt_gets_the_same_options_and_the_progress_of_the_one_before),
        cmocka_unit_test(a_predicate_that_calls_anything_fails_the_instance),
        cmocka_unit_test(a_policy_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_changed_policy_is_found_outside_of_user_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
