/* SPDX-License-Identifier: MIT
 *
 * Timers and retry policies as an orchestrator's author uses them: how late, how long, how often,
 * what they cost; and that a policy's delays are such timers.
 *
 * How late a timer is under load has its number in `perdure bench timers`. Here the median is held
 * against a bound that only a lost wake-up or a poll would pass.
 */
#include "hub_kit.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the program ---------------------------------------------------------------------------- */

enum { LATE_MAX_MS = 250 };

static atomic_int runs;

static pd_result spin(pd_activity *a, pd_value ms)
{
    int64_t until = kit_now_ms() + pd_int(ms);
    while (kit_now_ms() < until) {}
    return pd_ok(a, ms);
}

static pd_result stumble(pd_activity *a, pd_value input)
{
    int times;
    bool is_final = false;
    if (!pd_read(a, input, "times", &times, "final?", &is_final)) {
        return PD_FAILED;
    }
    int run = atomic_fetch_add(&runs, 1) + 1;
    if (run > times) {
        return pd_ok(a, run);
    }
    return is_final ? pd_fail_final(a, "Hopeless", "run %d", run)
                    : pd_fail(a, run % 2 == 1 ? "Odd" : "Even", "run %d", run);
}

/* n naps in a row; how late the middle one of them was, in ms, or -1 when one was early. */
static pd_result naps(pd_orchestration *o, pd_value n)
{
    size_t count = (size_t)pd_int(n);
    int64_t *late = pd_alloc(o, count * sizeof *late);
    for (size_t i = 0; i < count; i++) {
        pd_time due = pd_after(pd_now(o), pd_milliseconds(7));
        pd_sleep_until(o, due);
        int64_t ms = pd_now(o).ms - due.ms;
        if (ms < 0) {
            return pd_ok(o, -1);
        }
        size_t at = i;
        for (; at > 0 && late[at - 1] > ms; at--) {
            late[at] = late[at - 1];
        }
        late[at] = ms;
    }
    return pd_ok(o, late[count / 2]);
}

static pd_result busy(pd_orchestration *o, pd_value n)
{
    for (int64_t i = 0; i < pd_int(n); i++) {
        pd_call_activity(o, spin, 2);
    }
    return pd_ok(o, PD_NULL);
}

static pd_result in_the_past(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_time now = pd_now(o);
    pd_sleep_until(o, pd_after(now, pd_days(-1000)));
    pd_sleep(o, pd_seconds(0));
    pd_sleep(o, pd_hours(-1));
    pd_task *past = pd_start_timer_until(o, (pd_time){ 1 });
    pd_await(o, past);
    return pd_ok(o, pd_now(o).ms - now.ms < 10000 ? "at once" : "late");
}

/* Sleeps for years, unless it is told that enough have passed. */
static pd_result years(pd_orchestration *o, pd_value n)
{
    pd_task *timer = pd_start_timer(o, pd_days(365 * pd_int(n)));
    pd_task *enough = pd_expect_event(o, "enough");
    pd_wait_any(o, PD_TASKS(timer, enough));
    pd_cancel(o, timer);
    return pd_ok(o, pd_task_failure(timer)->type);
}

static bool is_of_type(const pd_failure *failure, int attempt, void *argument)
{
    return strcmp(failure->type, argument) == 0 && attempt < 100;
}

/* One call with a policy that the input describes: what came of it. */
static pd_result attempts(pd_orchestration *o, pd_value input)
{
    const char *only = NULL;
    int first = 0, longest = 0, total = 0;
    pd_retry policy = { 0 };
    pd_read(o, input, "attempts", &policy.attempts_max, "first?", &first, "backoff?",
            &policy.backoff, "longest?", &longest, "total?", &total, "jitter?", &policy.jitter,
            "only?", &only);
    policy.delay_first = pd_milliseconds(first);
    policy.delay_max = pd_milliseconds(longest);
    policy.total_max = pd_milliseconds(total);
    policy.handles = only != NULL ? is_of_type : NULL;
    policy.argument = (void *)(uintptr_t)only;
    pd_task *task = pd_start_activity(o, stumble, input, .retry = &policy);
    if (pd_wait(o, task)) {
        return pd_ok(o, pd_task_value(task));
    }
    return pd_ok(o, pd_task_failure(task)->message);
}

/* Several calls that are tried again, side by side, and then something new. */
static pd_result side_by_side(pd_orchestration *o, pd_value n)
{
    static const pd_retry policy = { .attempts_max = 50, .delay_first = { 1 } };
    size_t count = (size_t)pd_int(n);
    pd_task **tasks = pd_alloc(o, count * sizeof *tasks);
    for (size_t i = 0; i < count; i++) {
        tasks[i] = pd_start_activity(o, stumble, PD_OBJ("times", 9), .retry = &policy);
    }
    pd_await_all(o, tasks, count);
    pd_value spun = pd_call_activity(o, spin, 1);
    pd_sleep(o, pd_milliseconds(1));
    pd_value again = pd_call_activity(o, stumble, PD_OBJ("times", 0));
    return pd_ok(o, PD_ARR(spun, pd_int(again) > 0 ? "new" : "old"));
}

static const pd_function program[] = {
    PD_FUNCTION("Spin", spin),
    PD_FUNCTION("Stumble", stumble),
    PD_FUNCTION("Naps", naps),
    PD_FUNCTION("Busy", busy),
    PD_FUNCTION("InThePast", in_the_past),
    PD_FUNCTION("Years", years),
    PD_FUNCTION("Attempts", attempts),
    PD_FUNCTION("SideBySide", side_by_side),
};

static struct kit *begin(void **state)
{
    struct kit *kit = *state;
    atomic_store(&runs, 0);
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    return kit;
}

/* ---- timers --------------------------------------------------------------------------------- */

static void timers_are_never_early_and_hardly_late_under_load(void **state)
{
    struct kit *kit = begin(state);
    char id[24];
    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof(id), "busy %d", i);
        kit_start(kit, "Busy", PD_VAL(60), id, NULL);
    }
    kit_start(kit, "Naps", PD_VAL(31), "naps", NULL);
    pd_instance *i = kit_wait(kit, "naps");
    assert_int_equal(pd_instance_state(i), PD_RUN_COMPLETED);
    int64_t late = pd_int(pd_instance_output(i));
    pd_instance_free(i);
    assert_in_range(late, 0, LATE_MAX_MS);
}

static void timers_that_are_due_in_the_past_fire_at_once(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "InThePast", PD_NULL, "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "\"at once\"");
    assert_int_equal(kit_count_events(kit, "i", "TimerFired"), 4);
}

static void a_timer_of_years_is_one_timer_and_can_be_given_up(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "Years", PD_VAL(300), "i", NULL);
    kit_await_state(kit, "i", PD_RUN_RUNNING);
    pd_history *h = kit_history(kit, "i");
    const pd_history_event *created = kit_event(h, "TimerCreated", 1);
    int64_t days = (created->fire_at.ms - created->at.ms + 43200000) / 86400000;
    assert_int_equal(days, 300 * 365);
    pd_history_free(h);
    kit_rest(kit); /* it is there after a restart, and not due */
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_raise(kit, "i", "enough", PD_NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "\"Cancelled\"");
    assert_int_equal(kit_count_events(kit, "i", "TimerFired"), 0);
    assert_int_equal(kit_count_events(kit, "i", "TimerCreated"), 1);
}

static int count_threads(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        n += entry->d_name[0] != '.';
    }
    closedir(folder);
    return n;
}

static void sleeping_costs_no_thread_and_survives_being_dropped_from_memory(void **state)
{
    enum { SLEEPERS = 500 };
    struct kit *kit = *state;
    pd_error err;
    pd_worker_options options = { .threads = 2, .orchestrations_max = 8 };
    pd_id *ids = calloc(SLEEPERS, sizeof(*ids));
    pd_value *inputs = calloc(SLEEPERS, sizeof(*inputs));
    assert_non_null(ids);
    assert_non_null(inputs);
    kit_work_on(kit, PD_PROGRAM(program), &options);
    int before = count_threads();
    for (int i = 0; i < SLEEPERS; i++) {
        inputs[i] = PD_VAL(1);
    }
    kit_expect(pd_hub_start_many(kit->hub, "Years", SLEEPERS, inputs, ids, &err), PD_OK, &err, "n");
    for (int i = 0; i < SLEEPERS; i++) {
        kit_await_state(kit, ids[i].text, PD_RUN_RUNNING);
    }
    assert_int_equal(count_threads(), before);
    for (int i = 0; i < SLEEPERS; i += 50) {
        kit_raise(kit, ids[i].text, "enough", PD_NULL);
        kit_assert_ends(kit, ids[i].text, PD_RUN_COMPLETED, "\"Cancelled\"");
    }
    free(ids);
    free(inputs);
}

/* ---- retries -------------------------------------------------------------------------------- */

static void attempt(struct kit *kit, const char *id, pd_literal how, const char *output)
{
    atomic_store(&runs, 0);
    kit_start(kit, "Attempts", PD_VAL(how), id, NULL);
    kit_assert_ends(kit, id, PD_RUN_COMPLETED, output);
}

static void a_call_is_tried_again_so_often_and_no_oftener(void **state)
{
    struct kit *kit = begin(state);
    attempt(kit, "enough", PD_OBJ("times", 3, "attempts", 4), "4");
    attempt(kit, "one too few", PD_OBJ("times", 3, "attempts", 3), "\"run 3\"");
    attempt(kit, "none", PD_OBJ("times", 1, "attempts", 0), "\"run 1\"");
    assert_int_equal(kit_count_events(kit, "one too few", "TaskScheduled"), 3);
}

/* How long the n-th delay was, as it was asked for: in ms. */
static int64_t delay(const pd_history *h, size_t n)
{
    const pd_history_event *timer = kit_event(h, "TimerCreated", n);
    return timer == NULL ? -1 : timer->fire_at.ms - kit_event(h, "TaskFailed", n)->at.ms;
}

static void delays_are_timers_that_grow_up_to_the_longest(void **state)
{
    struct kit *kit = begin(state);
    attempt(kit, "i", PD_OBJ("times", 4, "attempts", 5, "first", 20, "backoff", 2.0, "longest", 50),
            "5");
    static const int64_t wanted[] = { 20, 40, 50, 50 };
    pd_history *h = kit_history(kit, "i");
    for (size_t n = 1; n <= 4; n++) { /* from the turn, which begins a little later */
        assert_in_range(delay(h, n), wanted[n - 1] - 1, wanted[n - 1] + LATE_MAX_MS);
    }
    int64_t second = kit_event(h, "TimerCreated", 2)->at.ms;
    /* With a server a timer is made when the turn that asked for it has come back. */
    assert_in_range(kit_event(h, "TimerFired", 2)->at.ms - second, served_is_wanted() ? 0 : 39,
                    40 + 20 * LATE_MAX_MS);
    assert_null(kit_event(h, "TimerCreated", 5));
    pd_history_free(h);
}

static void a_delay_goes_on_with_the_next_worker(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "Attempts", PD_VAL(PD_OBJ("times", 1, "attempts", 2, "first", 300)), "i", NULL);
    while (kit_count_events(kit, "i", "TimerCreated") == 0) {
        kit_sleep_ms(2);
    }
    kit_rest(kit);
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "2");
}

static void no_attempt_begins_when_the_whole_time_has_passed(void **state)
{
    struct kit *kit = begin(state);
    int64_t began = kit_now_ms();
    attempt(kit, "i",
            PD_OBJ("times", 99, "attempts", 99, "first", 40, "backoff", 3.0, "total", 100),
            "\"run 2\""); /* the third would begin after 40 + 120 */
    assert_true(kit_now_ms() - began < 20 * LATE_MAX_MS);
    assert_int_equal(kit_count_events(kit, "i", "TaskScheduled"), 2);
}

static void jitter_shortens_a_delay_and_replays(void **state)
{
    struct kit *kit = begin(state);
    attempt(kit, "i", PD_OBJ("times", 6, "attempts", 7, "first", 40, "jitter", 1.0), "7");
    pd_history *h =
        kit_history(kit, "i"); /* what is not the same is found when the kit is closed */
    int shortened = 0;
    for (size_t n = 1; n <= 6; n++) {
        shortened += delay(h, n) < 38;
    }
    pd_history_free(h);
    assert_true(shortened > 0); /* by chance none is: once in a million */
}

static void failures_that_are_final_or_not_handled_are_not_tried_again(void **state)
{
    struct kit *kit = begin(state);
    attempt(kit, "final", PD_OBJ("times", 9, "attempts", 9, "final", PD_TRUE), "\"run 1\"");
    attempt(kit, "odd", PD_OBJ("times", 9, "attempts", 9, "only", "Odd"), "\"run 2\"");
}

static void retries_side_by_side_are_followed_by_new_work(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "SideBySide", PD_VAL(4), "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[1,\"new\"]");
    assert_int_equal(kit_count_events(kit, "i", "TaskFailed"), 9);
    assert_int_equal(kit_count_events(kit, "i", "TaskScheduled"), 4 + 9 + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(timers_are_never_early_and_hardly_late_under_load),
        HUB_TEST(timers_that_are_due_in_the_past_fire_at_once),
        HUB_TEST(a_timer_of_years_is_one_timer_and_can_be_given_up),
        HUB_TEST(sleeping_costs_no_thread_and_survives_being_dropped_from_memory),
        HUB_TEST(a_call_is_tried_again_so_often_and_no_oftener),
        HUB_TEST(delays_are_timers_that_grow_up_to_the_longest),
        HUB_TEST(a_delay_goes_on_with_the_next_worker),
        HUB_TEST(no_attempt_begins_when_the_whole_time_has_passed),
        HUB_TEST(jitter_shortens_a_delay_and_replays),
        HUB_TEST(failures_that_are_final_or_not_handled_are_not_tried_again),
        HUB_TEST(retries_side_by_side_are_followed_by_new_work),
    };
    return cmocka_run_group_tests_name("pattern/timers", tests, NULL, NULL);
}
