/* SPDX-License-Identifier: MIT
 *
 * Several tasks that fail: one failure, and what it tells of them. */
#include "play.h"

#include <string.h>

static pd_result fan_twice(pd_orchestration *o, pd_value n)
{
    size_t count = (size_t)pd_int(n);
    pd_task **parts = pd_alloc(o, (count + 1) * sizeof *parts);
    for (size_t i = 0; i < count; i++) {
        parts[i] = pd_start_activity(o, "P", i);
    }
    parts[count] = parts[0]; /* named twice, it counts once */
    pd_await_all(o, parts, count + 1);
    return pd_ok(o, "not reached");
}

static const pd_function double_fan[] = { PD_FUNCTION("Fan", fan_twice) };

static void script_fan_one(struct play *p)
{
    play_start(p, "Fan", "1");
    play_fail(p, 0, "Down", "d");
    play_turn(p);
}

static void script_fan_final(struct play *p)
{
    play_start(p, "Fan", "2");
    play_fail(p, 0, "Down", "d");
    play_fail(p, 1, "Bad", "b")->is_final = true;
    play_turn(p);
}

static void a_task_that_is_named_twice_fails_once(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(double_fan), script_fan_one,
             "turn 1\n  0 P 0\nturn 2\n  1 failed TaskFailed: activity 'P' (step 0) failed: d <- "
             "Down: d\n");
    play_all(PD_PROGRAM(double_fan), script_fan_final,
             "turn 1\n  0 P 0\n  1 P 1\nturn 2\n  2 failed TaskFailed: 2 of 3 tasks failed: "
             "activity 'P' (step 0) failed: d; activity 'P' (step 1) failed: b (final) <- "
             "{Down: d | Bad: b (final)}\n");
}

/* The causes of the instance's failure, and whether its message says that there are more. */
static size_t causes_of(const char *count, bool *ret_more)
{
    struct play p;
    size_t causes = 0;
    play_begin(&p, PD_PROGRAM(double_fan), PLAY_DROPPED);
    play_start(&p, "Fan", count);
    for (size_t i = 0; i < p.step_count; i++) {
        play_fail(&p, (int)i, "Down", "d");
    }
    buffer_reset(&p.transcript);
    play_turn(&p);
    for (const char *at = play_transcript(&p); (at = strstr(at, "Down: d")) != NULL; at++) {
        causes++;
    }
    *ret_more = strstr(play_transcript(&p), "(step 2) failed: d; ... <- {") != NULL;
    play_end(&p);
    return causes;
}

static void sixteen_causes_are_kept_and_three_of_them_told(void **state)
{
    bool are_more;
    (void)state;
    assert_int_equal(causes_of("3", &are_more), 3);
    assert_false(are_more);
    assert_int_equal(causes_of("4", &are_more), 4);
    assert_true(are_more);
    assert_int_equal(causes_of("16", &are_more), LIMIT_FAILURE_CAUSES);
    assert_int_equal(causes_of("17", &are_more), LIMIT_FAILURE_CAUSES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_that_is_named_twice_fails_once),
        cmocka_unit_test(sixteen_causes_are_kept_and_three_of_them_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
