/* SPDX-License-Identifier: MIT
 *
 * Rewinding whole programs: what was down is up again, and an instance that failed because of it
 * goes on as if it had not.
 */
#include "hub_kit.h"

#include <stdatomic.h>
#include <stdlib.h>

/* ---- the program ---- */

enum { CALLS_MAX = 16 };

static atomic_bool is_up;            /* the service that all depend on */
static atomic_int runs[CALLS_MAX];   /* of each activity */
static atomic_bool is_held, is_open; /* Stubborn: it was told to stop; it may */

static pd_result use_service(pd_activity *a, pd_value input)
{
    int64_t i = pd_int(input);
    atomic_fetch_add(&runs[i], 1);
    kit_sleep_ms(3 * i); /* so that they fail in turns of their own */
    return atomic_load(&is_up) ? pd_ok(a, i) : pd_fail(a, "Down", "call %lld", (long long)i);
}

/* n calls at once, each of which is tried twice. */
static pd_result fan(pd_orchestration *o, pd_value input)
{
    static const pd_retry twice = { .attempts_max = 2, .delay_first = { 2 } };
    size_t n = (size_t)pd_int(input);
    pd_task *tasks[CALLS_MAX];
    for (size_t i = 0; i < n; i++) {
        tasks[i] = pd_start_activity(o, use_service, (int64_t)i, .retry = &twice);
    }
    pd_await_all(o, tasks, n);
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += pd_int(pd_task_value(tasks[i]));
    }
    return pd_ok(o, sum);
}

/* Is not in need of the service. */
static pd_result stay_up(pd_activity *a, pd_value input)
{
    int64_t i = pd_int(input);
    atomic_fetch_add(&runs[i], 1);
    kit_sleep_ms(3 * i);
    return pd_ok(a, i);
}

/* Successes before, between and behind two failures: each ends later than the one before. */
static pd_result mixed(pd_orchestration *o, pd_value input)
{
    enum { N = 5 };
    (void)input;
    pd_task *tasks[N];
    for (int i = 0; i < N; i++) {
        tasks[i] = pd_start_activity(o, i % 2 == 0 ? stay_up : use_service, 3 * i);
    }
    pd_await_all(o, tasks, N);
    int64_t sum = 0;
    for (int i = 0; i < N; i++) {
        sum += pd_int(pd_task_value(tasks[i]));
    }
    return pd_ok(o, sum);
}

/* Goes on with whichever ends first, well or not; and then needs the last. With the service up the
 * first call ends last, and so the code goes another way. */
static pd_result race(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_task *first = pd_start_activity(o, use_service, 1);
    pd_task *second = pd_start_activity(o, use_service, 6);
    pd_task *third = pd_start_activity(o, use_service, 12);
    pd_task *both[] = { first, second };
    size_t winner = pd_wait_any(o, both, 2);
    if (winner == 0 && pd_task_failure(first) == NULL) {
        return pd_ok(o, "the short way");
    }
    pd_await(o, third);
    return pd_ok(o, "the long way");
}

/* Told to stop it fails, but not at once; the second run succeeds. */
static pd_result stubborn(pd_activity *a, pd_value input)
{
    (void)input;
    if (atomic_fetch_add(&runs[0], 1) != 0) {
        kit_sleep_ms(50); /* the first has ended meanwhile */
        return pd_ok(a, "stayed");
    }
    while (!pd_activity_is_cancelled(a)) {
        kit_sleep_ms(1);
    }
    atomic_store(&is_held, true);
    while (!atomic_load(&is_open)) {
        kit_sleep_ms(1);
    }
    return pd_fail(a, "Stopped", "as I was told");
}

static pd_result hasty(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_task *slow = pd_start_activity(o, stubborn, 0);
    pd_call_activity(o, use_service, 1);
    pd_await(o, slow);
    return pd_ok(o, pd_task_value(slow));
}

static const pd_function program[] = {
    PD_FUNCTION("UseService", use_service),
    PD_FUNCTION("StayUp", stay_up),
    PD_FUNCTION("Mixed", mixed),
    PD_FUNCTION("Stubborn", stubborn),
    PD_FUNCTION("Fan", fan),
    PD_FUNCTION("Race", race),
    PD_FUNCTION("Hasty", hasty),
};

static int set_up(void **state, int (*open)(void **state))
{
    int status = open(state);
    struct kit *kit = *state;
    pd_error err;
    atomic_store(&is_up, false);
    atomic_store(&is_held, false);
    atomic_store(&is_open, false);
    for (int i = 0; i < CALLS_MAX; i++) {
        atomic_store(&runs[i], 0);
    }
    kit->worker = pd_worker_start(kit->hub, PD_PROGRAM(program), NULL, &err);
    kit_expect(kit->worker != NULL ? PD_OK : err.status, PD_OK, &err, "pd_worker_start");
    return status;
}

static int open_memory(void **state)
{
    return set_up(state, kit_open_memory);
}

static int open_file(void **state)
{
    return set_up(state, kit_open_file);
}

/* The service is up again, and so is the instance. */
static void rewind_it(struct kit *kit, const char *id)
{
    pd_error err;
    atomic_store(&is_up, true);
    kit_expect(pd_hub_rewind(kit->hub, id, "it is up", &err), PD_OK, &err, "rewind");
}

static int count_kind(struct kit *kit, const char *id, const char *kind)
{
    pd_error err;
    int count = 0;
    pd_history *h = pd_hub_fetch_history(kit->hub, id, &err);
    assert_non_null(h);
    for (size_t i = 0; i < pd_history_count(h); i++) {
        count += strcmp(pd_history_at(h, i)->kind, kind) == 0;
    }
    pd_history_free(h);
    return count;
}

/* ---- the tests ---- */

static void a_fan_out_whose_retries_have_failed_is_rewound_as_a_whole(void **state)
{
    enum { N = 6 };
    struct kit *kit = *state;
    kit_start(kit, "Fan", PD_VAL(N), "fan", NULL);
    kit_assert_ends(kit, "fan", PD_RUN_FAILED, "null");
    for (int i = 0; i < N; i++) {
        assert_int_equal(atomic_load(&runs[i]), 2);
    }
    assert_int_equal(count_kind(kit, "fan", "TaskFailed"), 2 * N);
    rewind_it(kit, "fan");
    kit_assert_ends(kit, "fan", PD_RUN_COMPLETED, "15");
    for (int i = 0; i < N; i++) {
        assert_int_equal(atomic_load(&runs[i]), 3); /* the last attempt once more */
    }
    assert_int_equal(count_kind(kit, "fan", "TaskFailed"), N); /* which the policy answered */
    assert_int_equal(count_kind(kit, "fan", "TaskCompleted"), N);
}

static void what_succeeded_beside_a_failure_is_not_run_again(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "Mixed", PD_NULL, "mixed", NULL);
    kit_assert_ends(kit, "mixed", PD_RUN_FAILED, "null");
    rewind_it(kit, "mixed");
    kit_assert_ends(kit, "mixed", PD_RUN_COMPLETED, "30");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(atomic_load(&runs[3 * i]), i % 2 == 0 ? 1 : 2);
    }
}

static void code_that_goes_another_way_this_time_does_not_diverge(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "Race", PD_NULL, "race", NULL);
    kit_assert_ends(kit, "race", PD_RUN_FAILED, "null");
    assert_int_equal(count_kind(kit, "race", "TaskFailed"), 3);
    rewind_it(kit, "race");
    kit_assert_ends(kit, "race", PD_RUN_COMPLETED, "\"the short way\"");
}

static void a_run_that_was_told_to_stop_does_not_fail_the_one_that_took_its_place(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "Hasty", PD_NULL, "hasty", NULL);
    kit_assert_ends(kit, "hasty", PD_RUN_FAILED, "null");
    for (int i = 0; i < 5000 && !atomic_load(&is_held); i++) {
        kit_sleep_ms(1);
    }
    rewind_it(kit, "hasty");
    for (int i = 0; i < 5000 && atomic_load(&runs[0]) < 2; i++) {
        kit_sleep_ms(1);
    }
    atomic_store(&is_open, true); /* the first fails now, while the second runs */
    kit_assert_ends(kit, "hasty", PD_RUN_COMPLETED, "\"stayed\"");
    assert_int_equal(atomic_load(&runs[0]), 2);
}

#define REWIND_TEST(name)                                      \
    { #name " [memory]", name, open_memory, kit_close, NULL }, \
    {                                                          \
#name " [sqlite]", name, open_file, kit_close, NULL    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        REWIND_TEST(a_fan_out_whose_retries_have_failed_is_rewound_as_a_whole),
        REWIND_TEST(what_succeeded_beside_a_failure_is_not_run_again),
        REWIND_TEST(code_that_goes_another_way_this_time_does_not_diverge),
        REWIND_TEST(a_run_that_was_told_to_stop_does_not_fail_the_one_that_took_its_place),
    };
    return cmocka_run_group_tests_name("hub/rewind", tests, NULL, NULL);
}
