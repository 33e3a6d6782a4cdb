/* SPDX-License-Identifier: MIT
 *
 * Activities as their author uses them: limits of time, heartbeats and saved progress, being told
 * that nobody waits any more, and transactions of the hub's own file.
 */
#include "hub_kit.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the program ---------------------------------------------------------------------------- */

static atomic_int runs; /* of the activity that the test is about */
static atomic_int told; /* how many were told that nobody waits any more */

static pd_result nap(pd_activity *a, pd_value ms)
{
    kit_sleep_ms(pd_int(ms));
    return pd_ok(a, ms);
}

/* Runs until it is told, and returns what nobody wants. */
static pd_result hang(pd_activity *a, pd_value input)
{
    (void)input;
    atomic_fetch_add(&runs, 1);
    for (int i = 0; i < 30000 && !pd_activity_is_cancelled(a); i++) {
        kit_sleep_ms(1);
    }
    atomic_fetch_add(&told, pd_activity_is_cancelled(a));
    return pd_ok(a, "late");
}

/* Counts to ten, saying so; how it stops at 5 the first time is the input. */
static pd_result count(pd_activity *a, pd_value how)
{
    int first = (int)pd_int(pd_activity_progress(a));
    bool is_first = atomic_fetch_add(&runs, 1) == 0;
    for (int i = first + 1; i <= 10; i++) {
        pd_activity_heartbeat(a, i);
        if (i == 5 && is_first && strcmp(pd_text(how), "fail") == 0) {
            return pd_fail(a, "Stopped", "at %d", i);
        }
        if (i == 5 && is_first) { /* is silent from now on */
            while (!pd_activity_is_cancelled(a)) {
                kit_sleep_ms(1);
            }
            return pd_ok(a, "late");
        }
    }
    return pd_ok(a, 10 - first);
}

/* Is heard of, and so may go on, for so many milliseconds. */
static pd_result drum(pd_activity *a, pd_value ms)
{
    int64_t until = kit_now_ms() + pd_int(ms);
    while (kit_now_ms() < until) {
        if (!pd_activity_heartbeat(a, PD_NULL)) {
            return pd_ok(a, "not heard");
        }
        kit_sleep_ms(5);
    }
    return pd_ok(a, "heard");
}

/* Says what it has, and works on for longer than its worker waits when it is stopped. */
static pd_result hold(pd_activity *a, pd_value input)
{
    (void)input;
    pd_value before = pd_activity_progress(a);
    if (pd_kind_of(before) != PD_IS_NULL) {
        return pd_ok(a, before);
    }
    pd_activity_heartbeat(a, PD_OBJ("page", 7));
    atomic_fetch_add(&runs, 1);
    kit_sleep_ms(400);
    return pd_ok(a, "was waited for");
}

/* Fails twice, then tells its key; the keys of the attempts that failed are their messages. */
static pd_result unlock(pd_activity *a, pd_value input)
{
    (void)input;
    const char *key = pd_activity_key(a);
    return atomic_fetch_add(&runs, 1) % 3 < 2 ? pd_fail(a, "Locked", "%s", key) : pd_ok(a, key);
}

static const char *outcome(pd_orchestration *o, pd_task *task)
{
    if (pd_wait(o, task)) {
        return pd_json(o, pd_task_value(task));
    }
    return pd_format(o, "%s: %s", pd_task_failure(task)->type, pd_task_failure(task)->message);
}

static pd_result runs_too_long(pd_orchestration *o, pd_value input)
{
    (void)input;
    static const pd_retry twice = { .attempts_max = 2 };
    pd_task *task =
        pd_start_activity(o, hang, PD_NULL, .run_max = pd_milliseconds(40), .retry = &twice);
    pd_wait(o, task);
    return pd_ok(o, pd_task_failure(task)->type);
}

static pd_result begins_too_late(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_task *first = pd_start_activity(o, nap, 300); /* there is one thread */
    pd_task *late = pd_start_activity(o, hang, PD_NULL, .start_max = pd_milliseconds(30));
    pd_wait(o, late);
    pd_await(o, first);
    return pd_ok(o, pd_task_failure(late)->type);
}

static pd_result counts(pd_orchestration *o, pd_value how)
{
    static const pd_retry again = { .attempts_max = 3 };
    pd_value rest =
        pd_call_activity(o, count, how, .retry = &again, .beat_max = pd_milliseconds(400));
    return pd_ok(o, rest);
}

static pd_result unlocks(pd_orchestration *o, pd_value input)
{
    static const pd_retry again = { .attempts_max = 3, .delay_first = { 1 } };
    (void)input;
    pd_value first = pd_call_activity(o, unlock, PD_NULL, .retry = &again);
    pd_value second = pd_call_activity(o, unlock, PD_NULL, .retry = &again);
    return pd_ok(o, PD_ARR(first, second));
}

static pd_result drums(pd_orchestration *o, pd_value ms)
{
    pd_value said = pd_call_activity(o, drum, ms, .beat_max = pd_milliseconds(1000));
    return pd_ok(o, said);
}

static pd_result holds(pd_orchestration *o, pd_value input)
{
    pd_value got = pd_call_activity(o, hold, input);
    return pd_ok(o, got);
}

static pd_result changes_its_mind(pd_orchestration *o, pd_value input)
{
    static const pd_retry often = { .attempts_max = 9 };
    (void)input;
    pd_task *task = pd_start_activity(o, hang, PD_NULL, .retry = &often);
    pd_wait_event(o, "never mind");
    pd_cancel(o, task);
    return pd_ok(o, outcome(o, task));
}

static pd_result hangs(pd_orchestration *o, pd_value input)
{
    pd_value got = pd_call_activity(o, hang, input);
    return pd_ok(o, got);
}

/* Starts one and waits a little, so that it runs; and another in its last turn. */
static pd_result leaves(pd_orchestration *o, pd_value how)
{
    pd_start_activity(o, hang, PD_NULL);
    pd_wait_event(o, "leave");
    pd_start_activity(o, hang, PD_NULL);
    if (strcmp(pd_text(how), "anew") == 0) {
        return pd_continue_as_new(o, "wait");
    }
    return strcmp(pd_text(how), "fail") == 0 ? pd_fail(o, "Left", "as told") : pd_ok(o, how);
}

/* ---- transactions ---- */

static int add_row(pd_activity *a, sqlite3 *db, const char *text)
{
    const char *sql = pd_format(a,
                                "CREATE TABLE IF NOT EXISTS diary(id INTEGER PRIMARY KEY, line);"
                                "INSERT INTO diary(line) VALUES('%s')",
                                text);
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* Writes first, and then does as it is told. */
static pd_result write_down(pd_activity *a, pd_value what)
{
    sqlite3 *db = pd_activity_database(a);
    atomic_fetch_add(&runs, 1);
    if (add_row(a, db, pd_text(what)) != SQLITE_OK) {
        return pd_fail(a, "Database", "%s", sqlite3_errmsg(db));
    }
    return strcmp(pd_text(what), "fail") == 0 ? pd_fail(a, "Refused", "as told") : pd_ok(a, what);
}

static pd_result no_database(pd_activity *a, pd_value input)
{
    (void)input;
    return pd_ok(a, pd_activity_database(a) == NULL ? "none" : "one");
}

static pd_result diary(pd_orchestration *o, pd_value lines)
{
    pd_list *got = pd_list_new(o);
    PD_EACH(line, lines) {
        pd_task *task = pd_start_activity(o, write_down, line);
        pd_wait(o, task);
        const pd_failure *f = pd_task_failure(task);
        if (f != NULL) {
            pd_list_add(got, f->type);
        } else {
            pd_list_add(got, pd_task_value(task));
        }
    }
    pd_value plain = pd_call_activity(o, no_database, PD_NULL);
    pd_list_add(got, plain);
    return pd_ok(o, got);
}

static const pd_function program[] = {
    PD_FUNCTION("Nap", nap),
    PD_FUNCTION("Hang", hang),
    PD_FUNCTION("Count", count),
    PD_FUNCTION("Drum", drum),
    PD_FUNCTION("Unlock", unlock),
    PD_FUNCTION("Unlocks", unlocks),
    PD_FUNCTION("Hold", hold),
    PD_TRANSACTION("WriteDown", write_down),
    PD_FUNCTION("NoDatabase", no_database),
    PD_FUNCTION("RunsTooLong", runs_too_long),
    PD_FUNCTION("BeginsTooLate", begins_too_late),
    PD_FUNCTION("Counts", counts),
    PD_FUNCTION("Drums", drums),
    PD_FUNCTION("Holds", holds),
    PD_FUNCTION("ChangesItsMind", changes_its_mind),
    PD_FUNCTION("Hangs", hangs),
    PD_FUNCTION("Leaves", leaves),
    PD_FUNCTION("Diary", diary),
};

static struct kit *begin(void **state, int threads)
{
    struct kit *kit = *state;
    pd_worker_options options = { .threads = threads, .drain_max = pd_milliseconds(1) };
    atomic_store(&runs, 0);
    atomic_store(&told, 0);
    kit_work_on(kit, PD_PROGRAM(program), &options);
    return kit;
}

static void await(const atomic_int *number, int wanted)
{
    int64_t until = kit_now_ms() + 30000;
    while (atomic_load(number) < wanted && kit_now_ms() < until) {
        kit_sleep_ms(1);
    }
    assert_int_equal(atomic_load(number), wanted);
}

/* ---- limits of time ------------------------------------------------------------------------- */

static void an_activity_that_runs_too_long_times_out_is_told_and_tried_again(void **state)
{
    struct kit *kit = begin(state, 2);
    kit_start(kit, "RunsTooLong", PD_NULL, "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "\"Timeout\"");
    await(&told, 2);
    assert_int_equal(atomic_load(&runs), 2);
    assert_int_equal(kit_count_events(kit, "i", "TaskCompleted"), 0); /* late ones are dropped */
}

static void an_activity_that_gets_no_thread_in_time_times_out_unrun(void **state)
{
    struct kit *kit = begin(state, 1);
    kit_start(kit, "BeginsTooLate", PD_NULL, "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "\"Timeout\"");
    assert_int_equal(atomic_load(&runs), 0);
}

static void an_activity_that_falls_silent_times_out_and_one_that_is_heard_does_not(void **state)
{
    struct kit *kit = begin(state, 2);
    kit_start(kit, "Counts", PD_VAL("be silent"), "silent", NULL);
    kit_start(kit, "Drums", PD_VAL(1300), "heard", NULL);
    kit_assert_ends(kit, "silent", PD_RUN_COMPLETED, "5");
    pd_history *h = kit_history(kit, "silent");
    assert_string_equal(kit_event(h, "TaskFailed", 1)->failure->type, "Timeout");
    pd_history_free(h);
    kit_assert_ends(kit, "heard", PD_RUN_COMPLETED, "\"heard\"");
}

/* ---- progress ------------------------------------------------------------------------------- */

static void the_next_attempt_goes_on_where_the_failed_one_was(void **state)
{
    struct kit *kit = begin(state, 2);
    kit_start(kit, "Counts", PD_VAL("fail"), "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "5");
    assert_int_equal(atomic_load(&runs), 2);
}

/* Each attempt is a step of its own; whoever is given the key must not see that. */
static void all_attempts_of_a_call_have_one_key_and_no_other_call_has_it(void **state)
{
    struct kit *kit = begin(state, 2);
    kit_start(kit, "Unlocks", PD_NULL, "i", NULL);
    PD_AUTO(pd_instance) i = kit_wait(kit, "i");
    PD_AUTO(pd_history) h = pd_hub_fetch_history(kit->hub, "i", NULL);
    assert_int_equal(kit_count_events(kit, "i", "TaskFailed"), 4);
    for (size_t call = 0; call < 2; call++) {
        const char *key = pd_text(pd_at(pd_instance_output(i), call));
        for (size_t attempt = 1; attempt <= 2; attempt++) {
            const pd_history_event *failed = kit_event(h, "TaskFailed", 2 * call + attempt);
            assert_string_equal(failed->failure->message, key);
        }
    }
    const char *first = strrchr(pd_text(pd_at(pd_instance_output(i), 0)), ':');
    assert_string_equal(first, ":0000");
    assert_string_equal(strrchr(pd_text(pd_at(pd_instance_output(i), 1)), ':'), ":0005");
}

static void the_next_worker_goes_on_where_the_one_before_was(void **state)
{
    struct kit *kit = begin(state, 2);
    kit_start(kit, "Holds", PD_NULL, "i", NULL);
    await(&runs, 1);
    kit_sleep_ms(50); /* what it said is durable */
    kit_rest(kit);
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "{\"page\":7}");
}

/* ---- nobody waits any more ------------------------------------------------------------------ */

static void an_activity_that_is_given_up_is_told_and_not_tried_again(void **state)
{
    struct kit *kit = begin(state, 2);
    kit_start(kit, "ChangesItsMind", PD_NULL, "i", NULL);
    await(&runs, 1);
    kit_raise(kit, "i", "never mind", PD_NULL);
    pd_instance *i = kit_wait(kit, "i");
    assert_int_equal(strncmp(pd_text(pd_instance_output(i)), "Cancelled: ", 11), 0);
    pd_instance_free(i);
    await(&told, 1);
    assert_int_equal(atomic_load(&runs), 1);
}

static void the_activity_of_a_terminated_instance_is_told_and_never_run_again(void **state)
{
    struct kit *kit = begin(state, 2);
    pd_error err;
    kit_start(kit, "Hangs", PD_NULL, "i", NULL);
    await(&runs, 1);
    kit_expect(pd_hub_terminate(kit->hub, "i", "no", false, &err), PD_OK, &err, "terminate");
    await(&told, 1);
    kit_rest(kit);
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_start(kit, "Drums", PD_VAL(1), "something else", NULL);
    kit_assert_ends(kit, "something else", PD_RUN_COMPLETED, "\"heard\"");
    assert_int_equal(atomic_load(&runs), 1);
    kit_assert_ends(kit, "i", PD_RUN_TERMINATED, "\"no\"");
    assert_int_equal(kit_count_events(kit, "i", "TaskCompleted"), 0);
}

static void what_is_open_when_an_orchestration_ends_is_told_or_not_begun(void **state)
{
    struct kit *kit = begin(state, 4);
    static const char *const ways[] = { "end", "fail" };
    for (int i = 0; i < 2; i++) {
        kit_start(kit, "Leaves", PD_VAL(ways[i]), ways[i], NULL);
        await(&runs, i + 1);
        kit_raise(kit, ways[i], "leave", PD_NULL);
        pd_instance_free(kit_wait(kit, ways[i]));
        await(&told, i + 1);
    }
    kit_start(kit, "Leaves", PD_VAL("anew"), "anew", NULL);
    await(&runs, 3);
    kit_raise(kit, "anew", "leave", PD_NULL);
    await(&told, 3);
    await(&runs, 4); /* the first of the next execution */
    kit_sleep_ms(30);
    assert_int_equal(atomic_load(&runs), 4); /* and none of those of a last turn */
    kit_raise(kit, "anew", "leave", PD_NULL);
    kit_assert_ends(kit, "anew", PD_RUN_COMPLETED, "\"wait\"");
}

/* ---- transactions --------------------------------------------------------------------------- */

static void assert_diary(struct kit *kit, const char *wanted)
{
    char path[128];
    char got[256] = "";
    sqlite3 *db = NULL;
    sqlite3_stmt *query = NULL;
    snprintf(path, sizeof(path), "%s/hub.db", kit->folder);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT group_concat(line,' ') FROM (SELECT line FROM"
                                        " diary ORDER BY id)",
                                        -1, &query, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    snprintf(got, sizeof(got), "%s", (const char *)sqlite3_column_text(query, 0));
    sqlite3_finalize(query);
    sqlite3_close(db);
    assert_string_equal(got, wanted);
}

static void a_transaction_writes_once_and_nothing_when_it_fails(void **state)
{
    served_skip("its file is the server's");
    struct kit *kit = begin(state, 2);
    kit_start(kit, "Diary", PD_VAL(PD_ARR("one", "fail", "two")), "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[\"one\",\"Refused\",\"two\",\"none\"]");
    assert_int_equal(atomic_load(&runs), 3);
    assert_diary(kit, "one two");
}

static void a_transaction_in_a_hub_without_a_file_is_misuse(void **state)
{
    struct kit *kit = begin(state, 2);
    kit_start(kit, "Diary", PD_VAL(PD_ARR("one")), "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[\"Misuse\",\"none\"]");
    assert_int_equal(atomic_load(&runs), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(an_activity_that_runs_too_long_times_out_is_told_and_tried_again),
        HUB_TEST(an_activity_that_gets_no_thread_in_time_times_out_unrun),
        HUB_TEST(an_activity_that_falls_silent_times_out_and_one_that_is_heard_does_not),
        HUB_TEST(the_next_attempt_goes_on_where_the_failed_one_was),
        HUB_TEST(all_attempts_of_a_call_have_one_key_and_no_other_call_has_it),
        HUB_TEST(the_next_worker_goes_on_where_the_one_before_was),
        HUB_TEST(an_activity_that_is_given_up_is_told_and_not_tried_again),
        HUB_TEST(the_activity_of_a_terminated_instance_is_told_and_never_run_again),
        HUB_TEST(what_is_open_when_an_orchestration_ends_is_told_or_not_begun),
        cmocka_unit_test_setup_teardown(a_transaction_writes_once_and_nothing_when_it_fails,
                                        kit_open_file, kit_close),
        cmocka_unit_test_setup_teardown(a_transaction_in_a_hub_without_a_file_is_misuse,
                                        kit_open_memory, kit_close),
    };
    return cmocka_run_group_tests_name("pattern/activities", tests, NULL, NULL);
}
