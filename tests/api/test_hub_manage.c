/* SPDX-License-Identifier: MIT
 *
 * Managing instances: terminate, suspend, resume, rewind, restart, fork, purge; and what can be
 * said of a start. With the engine in this process, and through the mailbox.
 */
#include "hub_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void assert_missing(struct kit *kit, const char *id)
{
    pd_error err;
    assert_null(pd_hub_fetch(kit->hub, id, &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
    assert_null(pd_hub_fetch_history(kit->hub, id, &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
}

/* The n-th event of a kind, 1 and up; the history is the caller's. */
static const pd_history_event *find(const pd_history *h, const char *kind, int n)
{
    for (size_t i = 0; i < pd_history_count(h); i++) {
        const pd_history_event *e = pd_history_at(h, i);
        if (strcmp(e->kind, kind) == 0 && --n == 0) {
            return e;
        }
    }
    return NULL;
}

static pd_history *history(struct kit *kit, const char *id)
{
    pd_error err;
    pd_history *h = pd_hub_fetch_history(kit->hub, id, &err);
    if (h == NULL) {
        fail_msg("'%s': %s", id, err.text);
    }
    return h;
}

static void terminate(struct kit *kit, const char *id, const char *reason)
{
    pd_error err;
    kit_expect(pd_hub_terminate(kit->hub, id, reason, false, &err), PD_OK, &err, "terminate");
}

static void suspend(struct kit *kit, const char *id, const char *reason)
{
    pd_error err;
    kit_expect(pd_hub_suspend(kit->hub, id, reason, &err), PD_OK, &err, "suspend");
}

static void resume(struct kit *kit, const char *id, const char *reason)
{
    pd_error err;
    kit_expect(pd_hub_resume(kit->hub, id, reason, &err), PD_OK, &err, "resume");
}

/* ---- terminate ------------------------------------------------------------------------------ */

static void terminating_ends_an_instance_with_its_reason(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "waits", NULL);
    kit_start(kit, "Sleep", PD_VAL(1000000), "sleeps", NULL);
    kit_start(kit, "Slow", PD_VAL(300), "works", NULL);
    kit_start(kit, "Loop", PD_VAL(3), "loops", NULL);
    kit_await_state(kit, "works", PD_RUN_RUNNING);
    terminate(kit, "waits", "enough \"of\" it");
    terminate(kit, "sleeps", NULL);
    terminate(kit, "works", "");
    terminate(kit, "loops", "l");
    kit_assert_ends(kit, "waits", PD_RUN_TERMINATED, "\"enough \\\"of\\\" it\"");
    kit_assert_ends(kit, "sleeps", PD_RUN_TERMINATED, "null");
    kit_assert_ends(kit, "works", PD_RUN_TERMINATED, "\"\"");
    kit_assert_ends(kit, "loops", PD_RUN_TERMINATED, "\"l\"");
    pd_history *h = history(kit, "waits");
    const pd_history_event *e = find(h, "ExecutionTerminated", 1);
    assert_non_null(e);
    assert_string_equal(e->input_json, "\"enough \\\"of\\\" it\"");
    assert_string_equal(find(h, "ExecutionCompleted", 1)->status, "Terminated");
    pd_history_free(h);
    kit_sleep_ms(400); /* the result of the activity is nobody's */
    kit_assert_ends(kit, "works", PD_RUN_TERMINATED, "\"\"");
}

static void an_instance_is_terminated_from_every_state(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_start_options later = { .id = "scheduled", .at = { INT64_C(4102444800000) } };
    kit_work(kit);
    kit_expect(pd_hub_start(kit->hub, "Echo", 1, &later, NULL, &err), PD_OK, &err, "start");
    terminate(kit, "scheduled", "never");
    kit_assert_ends(kit, "scheduled", PD_RUN_TERMINATED, "\"never\"");
    kit_start(kit, "WaitFor", PD_VAL("go"), "suspended", NULL);
    suspend(kit, "suspended", NULL);
    terminate(kit, "suspended", "now");
    kit_assert_ends(kit, "suspended", PD_RUN_TERMINATED, "\"now\"");
    kit_rest(kit);
    kit_start(kit, "Echo", PD_VAL(1), "mailed", NULL);
    terminate(kit, "mailed", "unseen");
    kit_work(kit);
    kit_assert_ends(kit, "mailed", PD_RUN_TERMINATED, "\"unseen\"");
}

/* ---- suspend, resume ------------------------------------------------------------------------ */

static void what_comes_for_a_suspended_instance_waits_until_it_is_resumed(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Collect", PD_VAL(3), "c", NULL);
    kit_raise(kit, "c", "item", PD_VAL(1));
    suspend(kit, "c", "tea");
    kit_await_state(kit, "c", PD_RUN_SUSPENDED);
    suspend(kit, "c", "again"); /* changes nothing */
    kit_raise(kit, "c", "item", PD_VAL(2));
    kit_raise(kit, "c", "item", PD_VAL(3));
    kit_sleep_ms(30);
    kit_await_state(kit, "c", PD_RUN_SUSPENDED);
    resume(kit, "c", "on");
    kit_assert_ends(kit, "c", PD_RUN_COMPLETED, "[1,2,3]");
    pd_history *h = history(kit, "c");
    assert_string_equal(find(h, "ExecutionSuspended", 1)->input_json, "\"tea\"");
    assert_string_equal(find(h, "ExecutionResumed", 1)->input_json, "\"on\"");
    assert_null(find(h, "ExecutionSuspended", 2));
    pd_history_free(h);
    kit_start(kit, "WaitFor", PD_VAL("go"), "w", NULL);
    resume(kit, "w", NULL); /* was not suspended */
    kit_raise(kit, "w", "go", PD_VAL(4));
    kit_assert_ends(kit, "w", PD_RUN_COMPLETED, "4");
}

static void commands_through_the_mailbox_take_effect_in_their_order(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Collect", PD_VAL(2), "c", NULL);
    kit_await_state(kit, "c", PD_RUN_RUNNING);
    kit_rest(kit);
    kit_raise(kit, "c", "item", PD_VAL(1));
    suspend(kit, "c", NULL);
    kit_raise(kit, "c", "item", PD_VAL(2));
    kit_work(kit);
    kit_await_state(kit, "c", PD_RUN_SUSPENDED);
    kit_rest(kit);
    resume(kit, "c", NULL);
    kit_work(kit);
    kit_assert_ends(kit, "c", PD_RUN_COMPLETED, "[1,2]");
    kit_rest(kit);
    pd_error err;
    kit_expect(pd_hub_purge(kit->hub, "c", &err), PD_OK, &err, "purge");
    kit_work(kit);
    for (int i = 0; i < 5000 && kit_count(kit, (pd_query){ 0 }) != 0; i++) {
        kit_sleep_ms(2);
    }
    assert_missing(kit, "c");
}

/* ---- rewind --------------------------------------------------------------------------------- */

static void rewinding_tries_what_failed_once_more(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    kit_trip(2);
    kit_start(kit, "Trip", PD_VAL("x"), "t", NULL);
    kit_assert_ends(kit, "t", PD_RUN_FAILED, "null");
    pd_instance *before = kit_fetch(kit, "t");
    kit_expect(pd_hub_rewind(kit->hub, "t", "once", &err), PD_OK, &err, "rewind");
    kit_assert_ends(kit, "t", PD_RUN_FAILED, "null");
    kit_rest(kit);
    kit_expect(pd_hub_rewind(kit->hub, "t", "twice", &err), PD_OK, &err, "rewind");
    kit_work(kit);
    for (int i = 0; i < 5000 && kit_count(kit, (pd_query){ .states = 1u << PD_RUN_FAILED }); i++) {
        kit_sleep_ms(2);
    }
    kit_assert_ends(kit, "t", PD_RUN_COMPLETED, "\"Hello x!\"");
    pd_instance *after = kit_fetch(kit, "t");
    assert_string_equal(pd_instance_execution_id(after), pd_instance_execution_id(before));
    assert_null(pd_instance_failure(after));
    pd_history *h = history(kit, "t");
    assert_string_equal(find(h, "ExecutionRewound", 1)->input_json, "\"once\"");
    assert_string_equal(find(h, "ExecutionRewound", 2)->input_json, "\"twice\"");
    assert_null(find(h, "TaskFailed", 1));
    assert_int_equal(find(h, "TaskCompleted", 2)->step, 1); /* the greeting was not asked again */
    assert_null(find(h, "TaskCompleted", 3));
    pd_history_free(h);
    pd_instance_free(before);
    pd_instance_free(after);
}

/* ---- restart -------------------------------------------------------------------------------- */

static void restarting_under_the_same_id_takes_the_place_of_what_ended(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_start_options options = { .id = "r", .version = "1.2", .tags = PD_OBJ("k", "v").value_ };
    for (int through_mail = 0; through_mail < 2; through_mail++) {
        kit_work(kit);
        kit_expect(pd_hub_start(kit->hub, "Echo", "in", &options, NULL, &err), PD_OK, &err, "r");
        kit_assert_ends(kit, "r", PD_RUN_COMPLETED, "\"in\"");
        pd_instance *before = kit_fetch(kit, "r");
        if (through_mail) {
            kit_rest(kit);
        }
        kit_expect(pd_hub_restart(kit->hub, "r", NULL, &err), PD_OK, &err, "restart");
        if (through_mail) {
            kit_await_state(kit, "r", PD_RUN_PENDING);
            kit_work(kit);
        }
        kit_assert_ends(kit, "r", PD_RUN_COMPLETED, "\"in\"");
        pd_instance *after = kit_fetch(kit, "r");
        assert_string_not_equal(pd_instance_execution_id(after), pd_instance_execution_id(before));
        assert_string_equal(pd_instance_version(after), "1.2");
        assert_string_equal(pd_instance_tag(after, "k"), "v");
        pd_instance_free(before);
        pd_instance_free(after);
        kit_rest(kit);
    }
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 1);
}

static void restarting_under_another_id_leaves_the_old_one(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "runs", NULL);
    pd_id wanted = { "runs-2" };
    pd_id made = { "" };
    kit_expect(pd_hub_restart(kit->hub, "runs", &wanted, &err), PD_OK, &err, "restart");
    assert_string_equal(wanted.text, "runs-2");
    kit_expect(pd_hub_restart(kit->hub, "runs", &made, &err), PD_OK, &err, "restart");
    assert_int_equal(strlen(made.text), 32);
    const char *const all[] = { "runs", wanted.text, made.text };
    for (size_t i = 0; i < 3; i++) {
        kit_raise(kit, all[i], "go", PD_VAL((int)i));
    }
    kit_assert_ends(kit, "runs", PD_RUN_COMPLETED, "0");
    kit_assert_ends(kit, "runs-2", PD_RUN_COMPLETED, "1");
    kit_assert_ends(kit, made.text, PD_RUN_COMPLETED, "2");
}

static void a_restarted_child_is_nobodys_child(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    pd_value input = PD_OBJ("name", "Echo", "id", "child", "input", 5).value_;
    kit_start(kit, "Parent", input, "parent", NULL);
    kit_assert_ends(kit, "parent", PD_RUN_COMPLETED, "5");
    kit_expect(pd_hub_restart(kit->hub, "child", NULL, &err), PD_OK, &err, "restart");
    kit_assert_ends(kit, "child", PD_RUN_COMPLETED, "5");
    pd_instance *child = kit_fetch(kit, "child");
    assert_null(pd_instance_parent_id(child));
    pd_instance_free(child);
}

static void what_the_last_execution_of_a_loop_was_given_is_restarted(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    kit_start(kit, "Loop", PD_VAL(3), "l", NULL);
    kit_raise(kit, "l", "go", PD_VAL(1));
    kit_assert_ends(kit, "l", PD_RUN_COMPLETED, "1");
    kit_expect(pd_hub_restart(kit->hub, "l", NULL, &err), PD_OK, &err, "restart");
    pd_instance *i = kit_fetch(kit, "l");
    assert_string_equal(pd_instance_input_json(i), "0");
    pd_instance_free(i);
    kit_raise(kit, "l", "go", PD_VAL(2));
    kit_assert_ends(kit, "l", PD_RUN_COMPLETED, "2");
}

/* ---- fork ----------------------------------------------------------------------------------- */

static void a_fork_lives_as_the_source_did_up_to_an_event(void **state)
{
    struct kit *kit = *state;
    served_skip("its engine takes the fork at once");
    pd_error err;
    kit_work(kit);
    kit_start(kit, "Collect", PD_VAL(3), "source", NULL);
    for (int i = 1; i <= 3; i++) {
        kit_raise(kit, "source", "item", PD_VAL(i));
        kit_sleep_ms(20); /* a turn for each */
    }
    kit_assert_ends(kit, "source", PD_RUN_COMPLETED, "[1,2,3]");
    pd_history *h = history(kit, "source");
    int64_t second = find(h, "EventRaised", 2)->number;
    int64_t last = pd_history_at(h, pd_history_count(h) - 1)->number;
    pd_history_free(h);
    struct {
        int64_t event;
        const char *output;
        int raised;
    } forks[] = { { second, "[1,70,71]", 2 },
                  { 1, "[70,71,72]", 3 },
                  { last, "[1,2,3]", 0 },
                  { 0, "[1,2,3]", 0 } };
    for (int through_mail = 0; through_mail < 2; through_mail++) {
        for (size_t f = 0; f < sizeof(forks) / sizeof(forks[0]); f++) {
            pd_id id = { "" };
            if (through_mail) {
                kit_rest(kit);
            }
            kit_expect(pd_hub_fork(kit->hub, "source", forks[f].event, &id, &err), PD_OK, &err,
                       "fork");
            for (int i = 0; i < forks[f].raised; i++) {
                kit_raise(kit, id.text, "item", PD_VAL(70 + i));
            }
            if (through_mail) {
                kit_await_state(kit, id.text, PD_RUN_PENDING);
                kit_work(kit);
            }
            kit_assert_ends(kit, id.text, PD_RUN_COMPLETED, forks[f].output);
        }
    }
    kit_assert_ends(kit, "source", PD_RUN_COMPLETED, "[1,2,3]");
    assert_int_equal(pd_hub_fork(kit->hub, "source", last + 1, NULL, &err), PD_E_INVALID);
    assert_int_equal(pd_hub_fork(kit->hub, "source", -1, NULL, &err), PD_E_INVALID);
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 9);
}

static void a_fork_of_one_that_runs_goes_on_beside_it(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    kit_start(kit, "Tell", PD_VAL("here"), "source", NULL);
    kit_raise(kit, "source", "go", PD_NULL);
    kit_start(kit, "WaitFor", PD_VAL("x"), "other", NULL); /* and in the store by now */
    for (int i = 0; i < 5000; i++) {
        pd_instance *now = kit_fetch(kit, "source");
        bool is_gone = strcmp(pd_instance_status_json(now), "\"gone\"") == 0;
        pd_instance_free(now);
        if (is_gone) {
            break;
        }
        kit_sleep_ms(2);
    }
    pd_id id = { "fork" };
    kit_expect(pd_hub_fork(kit->hub, "source", 0, &id, &err), PD_OK, &err, "fork");
    pd_instance *i = kit_fetch(kit, "fork");
    assert_string_equal(pd_instance_status_json(i), "\"gone\"");
    assert_null(pd_instance_parent_id(i));
    int64_t age = (int64_t)time(NULL) * 1000 - pd_instance_created_at(i).ms;
    assert_true(age > -5000 && age < 60000); /* born now, not when the source was */
    pd_instance_free(i);
    kit_raise(kit, "fork", "go", PD_VAL(1));
    kit_assert_ends(kit, "fork", PD_RUN_COMPLETED, "1");
    kit_await_state(kit, "source", PD_RUN_RUNNING);
    kit_raise(kit, "source", "go", PD_VAL(2));
    kit_assert_ends(kit, "source", PD_RUN_COMPLETED, "2");
}

/* ---- starts --------------------------------------------------------------------------------- */

static void a_scheduled_start_is_pending_until_its_time(void **state)
{
    struct kit *kit = *state;
    for (int through_mail = 0; through_mail < 2; through_mail++) {
        pd_error err;
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        pd_time at = { t.tv_sec * 1000 + t.tv_nsec / 1000000 + 400 };
        pd_start_options options = { .at = at, .tags = PD_OBJ("when", "later").value_ };
        pd_id id;
        if (!through_mail) {
            kit_work(kit);
        }
        kit_expect(pd_hub_start(kit->hub, "Collect", 1, &options, &id, &err), PD_OK, &err, "start");
        pd_instance *i = kit_fetch(kit, id.text);
        assert_int_equal(pd_instance_state(i), PD_RUN_PENDING);
        assert_int_equal(pd_instance_starts_at(i).ms, at.ms);
        assert_string_equal(pd_instance_tag(i, "when"), "later");
        pd_instance_free(i);
        if (through_mail) {
            kit_work(kit);
        }
        kit_raise(kit, id.text, "item", PD_VAL("early")); /* waits for the start */
        assert_null(pd_hub_wait(kit->hub, id.text, pd_milliseconds(100), &err));
        kit_assert_ends(kit, id.text, PD_RUN_COMPLETED, "[\"early\"]");
        i = kit_fetch(kit, id.text);
        assert_true(pd_instance_ended_at(i).ms >= at.ms);
        pd_instance_free(i);
        kit_rest(kit);
    }
}

static void a_start_in_the_past_starts_at_once(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    pd_start_options options = { .id = "past", .at = { 1000 } };
    kit_expect(pd_hub_start(kit->hub, "Echo", 1, &options, NULL, &err), PD_OK, &err, "start");
    kit_assert_ends(kit, "past", PD_RUN_COMPLETED, "1");
    pd_instance *i = kit_fetch(kit, "past");
    assert_int_equal(pd_instance_starts_at(i).ms, 0);
    pd_instance_free(i);
}

/* For each policy and state: does a start replace, and what is told? */
static void the_reuse_policy_says_what_becomes_of_a_taken_id(void **state)
{
    struct kit *kit = *state;
    static const struct {
        pd_reuse reuse;
        pd_status when_running, when_completed, when_failed, when_terminated;
    } rows[] = {
        { PD_REUSE_ENDED, PD_E_EXISTS, PD_OK, PD_OK, PD_OK },
        { PD_REUSE_NEVER, PD_E_EXISTS, PD_E_EXISTS, PD_E_EXISTS, PD_E_EXISTS },
        { PD_REUSE_FAILED, PD_E_EXISTS, PD_E_EXISTS, PD_OK, PD_OK },
        { PD_REUSE_ANY, PD_OK, PD_OK, PD_OK, PD_OK },
    };
    static const char *const names[] = { "WaitFor", "Echo", "Fails", "WaitFor" };
    for (size_t r = 0; r < 8; r++) {
        bool through_mail = r >= 4;
        const pd_status wanted[] = { rows[r % 4].when_running, rows[r % 4].when_completed,
                                     rows[r % 4].when_failed, rows[r % 4].when_terminated };
        for (size_t s = 0; s < 4; s++) {
            pd_error err;
            char id[32];
            snprintf(id, sizeof(id), "%zu-%zu", r, s);
            kit_work(kit);
            kit_start(kit, names[s], PD_VAL("x"), id, NULL);
            if (s == 0) {
                kit_await_state(kit, id, PD_RUN_RUNNING);
            } else if (s == 3) {
                terminate(kit, id, NULL);
            } else {
                pd_instance_free(kit_wait(kit, id));
            }
            if (through_mail) {
                kit_rest(kit);
            }
            pd_start_options options = { .id = id, .reuse = rows[r % 4].reuse };
            pd_status got = pd_hub_start(kit->hub, "Echo", "new", &options, NULL, &err);
            kit_expect(got, wanted[s], &err, id);
            if (through_mail) {
                kit_work(kit);
            }
            if (got == PD_OK) {
                kit_assert_ends(kit, id, PD_RUN_COMPLETED, "\"new\"");
            }
            kit_rest(kit);
        }
    }
}

static void keep_leaves_what_is_there_and_says_ok(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_start_options options = { .id = "k", .reuse = PD_REUSE_KEEP };
    pd_id id = { "" };
    kit_expect(pd_hub_start(kit->hub, "Echo", 1, &options, &id, &err), PD_OK, &err, "mailed");
    kit_expect(pd_hub_start(kit->hub, "Echo", 2, &options, &id, &err), PD_OK, &err, "beside it");
    assert_string_equal(id.text, "k");
    kit_work(kit);
    kit_expect(pd_hub_start(kit->hub, "Echo", 3, &options, NULL, &err), PD_OK, &err, "again");
    kit_assert_ends(kit, "k", PD_RUN_COMPLETED, "1");
    kit_expect(pd_hub_start(kit->hub, "Echo", 4, &options, NULL, &err), PD_OK, &err, "ended");
    kit_assert_ends(kit, "k", PD_RUN_COMPLETED, "1");
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 1);
}

static void a_start_that_waits_is_replaced_when_any_is(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_start_options options = { .id = "m", .reuse = PD_REUSE_ANY };
    kit_expect(pd_hub_start(kit->hub, "Echo", 1, &options, NULL, &err), PD_OK, &err, "first");
    kit_expect(pd_hub_start(kit->hub, "Echo", 2, &options, NULL, &err), PD_OK, &err, "second");
    pd_instance *i = kit_fetch(kit, "m");
    assert_string_equal(pd_instance_input_json(i), "2");
    pd_instance_free(i);
    options.reuse = PD_REUSE_ENDED;
    assert_int_equal(pd_hub_start(kit->hub, "Echo", 3, &options, NULL, &err), PD_E_EXISTS);
    kit_work(kit);
    kit_assert_ends(kit, "m", PD_RUN_COMPLETED, "2");
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 1);
}

static void a_replaced_instance_that_ran_is_gone_with_its_events(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    kit_start(kit, "Collect", PD_VAL(2), "c", NULL);
    kit_raise(kit, "c", "item", PD_VAL("of the old one"));
    pd_start_options options = { .id = "c", .reuse = PD_REUSE_ANY };
    kit_expect(pd_hub_start(kit->hub, "Collect", 1, &options, NULL, &err), PD_OK, &err, "start");
    kit_raise(kit, "c", "item", PD_VAL("of the new one"));
    kit_assert_ends(kit, "c", PD_RUN_COMPLETED, "[\"of the new one\"]");
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 1);
}

/* ---- custom status -------------------------------------------------------------------------- */

static void the_status_of_the_last_turn_is_seen_and_stays_after_the_end(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Tell", PD_OBJ("done", 40).value_, "t", NULL);
    kit_await_state(kit, "t", PD_RUN_RUNNING);
    pd_instance *i = kit_fetch(kit, "t");
    assert_string_equal(pd_instance_status_json(i), "{\"done\":40}");
    assert_int_equal(pd_int(pd_get(pd_instance_status(i), "done")), 40);
    pd_instance_free(i);
    kit_raise(kit, "t", "go", PD_NULL);
    kit_raise(kit, "t", "go", PD_VAL(9));
    i = kit_wait(kit, "t");
    assert_string_equal(pd_instance_status_json(i), "\"gone\"");
    assert_string_equal(pd_instance_output_json(i), "9");
    pd_instance_free(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(terminating_ends_an_instance_with_its_reason),
        HUB_TEST(an_instance_is_terminated_from_every_state),
        HUB_TEST(what_comes_for_a_suspended_instance_waits_until_it_is_resumed),
        HUB_TEST(commands_through_the_mailbox_take_effect_in_their_order),
        HUB_TEST(rewinding_tries_what_failed_once_more),
        HUB_TEST(restarting_under_the_same_id_takes_the_place_of_what_ended),
        HUB_TEST(restarting_under_another_id_leaves_the_old_one),
        HUB_TEST(a_restarted_child_is_nobodys_child),
        HUB_TEST(what_the_last_execution_of_a_loop_was_given_is_restarted),
        HUB_TEST(a_fork_lives_as_the_source_did_up_to_an_event),
        HUB_TEST(a_fork_of_one_that_runs_goes_on_beside_it),
        HUB_TEST(a_scheduled_start_is_pending_until_its_time),
        HUB_TEST(a_start_in_the_past_starts_at_once),
        HUB_TEST(the_reuse_policy_says_what_becomes_of_a_taken_id),
        HUB_TEST(keep_leaves_what_is_there_and_says_ok),
        HUB_TEST(a_start_that_waits_is_replaced_when_any_is),
        HUB_TEST(a_replaced_instance_that_ran_is_gone_with_its_events),
        HUB_TEST(the_status_of_the_last_turn_is_seen_and_stays_after_the_end),
    };
    return cmocka_run_group_tests_name("hub/manage", tests, NULL, NULL);
}
