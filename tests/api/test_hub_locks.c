/* SPDX-License-Identifier: MIT
 *
 * Critical sections: what they exclude, the rules inside, and that no lock survives its owner.
 */
#include "entity_kit.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNTER(key) PD_ENTITY("Counter", (key))

/* ---- the program ---------------------------------------------------------------------------- */

/* Leaves a section over "x" and "y" in the way that the input says. */
static pd_result leaves(pd_orchestration *o, pd_value input)
{
    const char *way = pd_text(input);
    bool is_again = strcmp(way, "again") == 0;
    PD_LOCKED(o, COUNTER("x"), COUNTER("y")) {
        pd_set_status(o, "held");
        if (strcmp(way, "wait") == 0) {
            pd_wait_event(o, "never");
        }
        pd_wait_event(o, "go");
        pd_call_entity(o, COUNTER("x"), "add", 1);
        if (strcmp(way, "return") == 0) {
            return pd_ok(o, way);
        } else if (strcmp(way, "break") == 0) {
            break;
        } else if (strcmp(way, "raise") == 0) {
            pd_raise(o, "Raised", "inside");
        } else if (strcmp(way, "fail") == 0) {
            return pd_fail(o, "Returned", "inside");
        } else if (strcmp(way, "task") == 0) {
            pd_call_entity(o, COUNTER("y"), "nonsense", PD_NULL);
        } else if (is_again) {
            return pd_continue_as_new(o, "end");
        }
    }
    pd_wait_event(o, "end"); /* it has left, and lives */
    return pd_ok(o, way);
}

/* Breaks a rule. */
static pd_result breaks(pd_orchestration *o, pd_value input)
{
    const char *rule = pd_text(input);
    PD_LOCKED(o, COUNTER("x")) {
        if (strcmp(rule, "nested") == 0) {
            PD_LOCKED(o, COUNTER("y")) {
                pd_call_entity(o, COUNTER("y"), "add", 1);
            }
        } else if (strcmp(rule, "child") == 0) {
            pd_call_child(o, "Echo", 1);
        } else if (strcmp(rule, "call another") == 0) {
            pd_call_entity(o, COUNTER("y"), "add", 1);
        } else if (strcmp(rule, "signal it") == 0) {
            pd_signal_entity(o, PD_ENTITY("COUNTER", "x"), "add", 1);
        } else if (strcmp(rule, "twice") == 0) {
            pd_start_entity(o, COUNTER("x"), "add", 1);
            pd_start_entity(o, COUNTER("x"), "add", 1);
        }
    }
    return pd_ok(o, "it was allowed");
}

static pd_result work(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

/* All that is allowed inside. */
static pd_result behaves(pd_orchestration *o, pd_value input)
{
    PD_LOCKED(o, COUNTER("x"), COUNTER("y"), PD_ENTITY("counter", "x")) {
        pd_call_activity(o, work, input);
        pd_sleep(o, pd_milliseconds(1));
        pd_wait_event(o, "go");
        pd_signal_entity(o, COUNTER("z"), "add", 1);
        pd_task *x = pd_start_entity(o, COUNTER("x"), "add", 1);
        pd_task *y = pd_start_entity(o, COUNTER("y"), "add", 1);
        pd_await_all(o, PD_TASKS(x, y));
        pd_call_entity(o, COUNTER("x"), "add", 1); /* its first was answered */
    }
    PD_LOCKED(o, COUNTER("x")) { /* one after the other is not nested */
        pd_call_entity(o, COUNTER("x"), "add", 1);
    }
    pd_value x = pd_call_entity(o, COUNTER("x"), "get", PD_NULL);
    return pd_ok(o, x);
}

/* Sections over as many entities as the input says. */
static pd_result takes(pd_orchestration *o, pd_value count)
{
    size_t n = (size_t)pd_int(count);
    pd_entity_id *ids = pd_alloc(o, (n + 1) * sizeof(*ids));
    for (size_t i = 0; i < n; i++) {
        ids[i] = COUNTER(pd_format(o, "%zu", i));
    }
    pd_lock lock = pd_lock_(o, ids, n);
    if (n > 0) {
        pd_call_entity(o, ids[n - 1], "add", 1);
    }
    pd_unlock_(&lock);
    return pd_ok(o, count);
}

/* A section over what has no function. */
static pd_result odd(pd_orchestration *o, pd_value input)
{
    PD_LOCKED(o, PD_ENTITY("Nobody", "at all")) {
        pd_set_status(o, "held");
        pd_wait_event(o, "go");
    }
    return pd_ok(o, input);
}

static const pd_function program[] = {
    PD_FUNCTION("Leaves", leaves),   PD_FUNCTION("Breaks", breaks), PD_FUNCTION("Work", work),
    PD_FUNCTION("Behaves", behaves), PD_FUNCTION("Takes", takes),   PD_FUNCTION("Odd", odd),
};

static void begin(struct kit *kit)
{
    ent_work_with(kit, PD_PROGRAM(program), NULL);
}

/* Nobody has x or y: another gets them. */
static void assert_free(struct kit *kit)
{
    pd_id id;
    ent_await_lock(kit, COUNTER("x"), NULL);
    ent_await_lock(kit, COUNTER("y"), NULL);
    kit_start(kit, "Leaves", PD_VAL("return"), NULL, &id);
    kit_raise(kit, id.text, "go", PD_NULL);
    kit_assert_ends(kit, id.text, PD_RUN_COMPLETED, "\"return\"");
}

/* ---- holding -------------------------------------------------------------------------------- */

static void who_holds_a_lock_is_seen_until_it_is_given_back(void **state)
{
    struct kit *kit = *state;
    begin(kit);
    kit_start(kit, "Leaves", PD_VAL("on"), "a", NULL);
    ent_await_status(kit, "a", "\"held\"");
    ent_await_lock(kit, COUNTER("x"), "a");
    ent_await_lock(kit, COUNTER("y"), "a");
    kit_raise(kit, "a", "go", PD_NULL);
    ent_await_lock(kit, COUNTER("x"), NULL);
    ent_await_lock(kit, COUNTER("y"), NULL);
    kit_raise(kit, "a", "end", PD_NULL);
    kit_assert_ends(kit, "a", PD_RUN_COMPLETED, "\"on\"");
    pd_history *h = kit_history(kit, "a");
    assert_non_null(kit_event(h, "EntityLockRequested", 1));
    assert_non_null(kit_event(h, "EntityLockGranted", 1));
    assert_non_null(kit_event(h, "EntityUnlockSent", 2)); /* one to each */
    assert_null(kit_event(h, "EntityLockGranted", 2));
    pd_history_free(h);
}

static void leaving_the_block_in_any_way_unlocks(void **state)
{
    struct kit *kit = *state;
    static const char *const ways[] = { "on", "break", "return", "raise", "fail", "task", "again" };
    begin(kit);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        kit_start(kit, "Leaves", PD_VAL(ways[i]), ways[i], NULL);
        ent_await_status(kit, ways[i], "\"held\"");
        ent_await_lock(kit, COUNTER("y"), ways[i]);
        kit_raise(kit, ways[i], "go", PD_NULL);
        if (strcmp(ways[i], "again") == 0) { /* its next execution takes them anew */
            kit_raise(kit, ways[i], "go", PD_NULL);
        }
        assert_free(kit);
    }
    kit_raise(kit, "on", "end", PD_NULL);
    kit_raise(kit, "break", "end", PD_NULL);
    kit_raise(kit, "again", "end", PD_NULL);
    kit_assert_ends(kit, "on", PD_RUN_COMPLETED, "\"on\"");
    kit_assert_ends(kit, "break", PD_RUN_COMPLETED, "\"break\"");
    kit_assert_ends(kit, "again", PD_RUN_COMPLETED, "\"end\"");
    ent_assert_fails(kit, "raise", "Raised", NULL);
    ent_assert_fails(kit, "fail", "Returned", NULL);
    ent_assert_fails(kit, "task", "TaskFailed", "Unknown");
}

static void the_end_of_the_owner_unlocks(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    begin(kit);
    kit_start(kit, "Leaves", PD_VAL("wait"), "a", NULL);
    ent_await_lock(kit, COUNTER("y"), "a");
    kit_expect(pd_hub_terminate(kit->hub, "a", "enough", false, &err), PD_OK, &err, "terminate");
    assert_free(kit);
    kit_start(kit, "Leaves", PD_VAL("wait"), "b", NULL);
    ent_await_lock(kit, COUNTER("y"), "b");
    pd_start_options options = { .id = "b", .reuse = PD_REUSE_ANY }; /* another in its place */
    kit_expect(pd_hub_start(kit->hub, "Echo", 1, &options, NULL, &err), PD_OK, &err, "replace");
    assert_free(kit);
    kit_assert_ends(kit, "b", PD_RUN_COMPLETED, "1");
}

static void who_ends_while_it_waits_gives_back_what_it_has(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    begin(kit);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "y")), "first", NULL);
    ent_await_lock(kit, COUNTER("y"), "first");
    kit_start(kit, "Leaves", PD_VAL("wait"), "second", NULL); /* gets x, stands in line at y */
    ent_await_lock(kit, COUNTER("x"), "second");
    ent_await_backlog(kit, COUNTER("y"), 1);
    kit_expect(pd_hub_terminate(kit->hub, "second", NULL, false, &err), PD_OK, &err, "terminate");
    ent_await_lock(kit, COUNTER("x"), NULL);
    ent_await_backlog(kit, COUNTER("y"), 0);
    ent_await_lock(kit, COUNTER("y"), "first");
    kit_raise(kit, "first", "go", PD_NULL);
    kit_assert_ends(kit, "first", PD_RUN_COMPLETED, "1");
    assert_free(kit);
}

static void an_owner_that_is_suspended_keeps_its_locks(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    begin(kit);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "x")), "a", NULL);
    ent_await_lock(kit, COUNTER("x"), "a");
    kit_expect(pd_hub_suspend(kit->hub, "a", NULL, &err), PD_OK, &err, "suspend");
    ent_signal(kit, COUNTER("x"), "add", PD_VAL(10));
    kit_raise(kit, "a", "go", PD_NULL);
    kit_sleep_ms(50);
    ent_assert_state(kit, COUNTER("x"), "null");
    ent_await_lock(kit, COUNTER("x"), "a");
    kit_expect(pd_hub_resume(kit->hub, "a", NULL, &err), PD_OK, &err, "resume");
    kit_assert_ends(kit, "a", PD_RUN_COMPLETED, "1"); /* it was alone */
    ent_await_state(kit, COUNTER("x"), "11");
}

/* ---- others --------------------------------------------------------------------------------- */

static void others_wait_in_their_order_while_it_is_locked(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    begin(kit);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "x")), "a", NULL);
    ent_await_lock(kit, COUNTER("x"), "a");
    ent_signal(kit, COUNTER("x"), "set", PD_VAL(100));
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "x")), "b", NULL);
    ent_await_backlog(kit, COUNTER("x"), 2);
    ent_signal(kit, COUNTER("x"), "set", PD_VAL(1000)); /* behind b */
    assert_null(
        pd_hub_call_entity(kit->hub, COUNTER("x"), "get", PD_NULL, pd_milliseconds(50), &err));
    assert_int_equal(err.status, PD_E_TIMEOUT);
    ent_await_backlog(kit, COUNTER("x"), 4);
    ent_assert_state(kit, COUNTER("x"), "null");
    kit_raise(kit, "a", "go", PD_NULL);
    kit_assert_ends(kit, "a", PD_RUN_COMPLETED, "1");
    ent_await_lock(kit, COUNTER("x"), "b");
    ent_assert_state(kit, COUNTER("x"), "100");
    kit_raise(kit, "b", "go", PD_NULL);
    kit_assert_ends(kit, "b", PD_RUN_COMPLETED, "101");
    ent_await_state(kit, COUNTER("x"), "1000");
    ent_await_backlog(kit, COUNTER("x"), 0);
}

static void a_lock_holds_while_no_worker_runs(void **state)
{
    struct kit *kit = *state;
    begin(kit);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "x")), "a", NULL);
    ent_await_lock(kit, COUNTER("x"), "a");
    kit_rest(kit);
    ent_await_lock(kit, COUNTER("x"), "a");
    ent_signal(kit, COUNTER("x"), "add", PD_VAL(10));
    begin(kit);
    kit_sleep_ms(50);
    ent_await_lock(kit, COUNTER("x"), "a");
    ent_assert_state(kit, COUNTER("x"), "null");
    kit_raise(kit, "a", "go", PD_NULL);
    kit_assert_ends(kit, "a", PD_RUN_COMPLETED, "1");
    ent_await_state(kit, COUNTER("x"), "11");
}

static void an_entity_that_is_only_locked_is_there_as_long(void **state)
{
    struct kit *kit = *state;
    pd_entity_id nobody = PD_ENTITY("Nobody", "at all");
    begin(kit);
    kit_start(kit, "Odd", PD_VAL(1), "a", NULL);
    ent_await_lock(kit, nobody, "a");
    pd_entity_view *view = ent_fetch(kit, nobody);
    assert_false(pd_entity_view_has_state(view));
    assert_int_equal(pd_entity_view_backlog(view), 0);
    pd_entity_view_free(view);
    assert_int_equal(ent_count(kit, (pd_entity_query){ 0 }), 0);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .with_empty = true }), 1);
    ent_await_status(kit, "a", "\"held\"");
    kit_raise(kit, "a", "go", PD_NULL);
    kit_assert_ends(kit, "a", PD_RUN_COMPLETED, "1");
    ent_await_state(kit, nobody, NULL);
}

/* Each takes two of a few accounts, in any order. */
static void transfers_in_opposite_order_all_end_and_keep_the_sum(void **state)
{
    struct kit *kit = *state;
    enum { ACCOUNTS = 4, TRANSFERS = 120, EACH = 100 };
    static const char *const keys[ACCOUNTS] = { "a", "b", "c", "d" };
    begin(kit);
    for (int i = 0; i < ACCOUNTS; i++) {
        ent_assert_call(kit, PD_ENTITY("Account", keys[i]), "deposit", PD_VAL(EACH), NULL);
    }
    pd_error err;
    pd_value inputs[TRANSFERS];
    pd_literal literals[TRANSFERS];
    pd_value pairs[TRANSFERS][6];
    pd_id *ids = calloc(TRANSFERS, sizeof(*ids));
    assert_non_null(ids);
    for (int i = 0; i < TRANSFERS; i++) {
        int from = i % ACCOUNTS, to = (i + 1 + i / ACCOUNTS % (ACCOUNTS - 1)) % ACCOUNTS;
        literals[i] = PD_OBJ("from", keys[from], "to", keys[to], "amount", i % 37);
        memcpy(pairs[i], literals[i].value_.as_.items, sizeof(pairs[i]));
        literals[i].value_.as_.items = pairs[i];
        inputs[i] = literals[i].value_;
    }
    kit_expect(pd_hub_start_many(kit->hub, "Transfer", TRANSFERS, inputs, ids, &err), PD_OK, &err,
               "start");
    for (int i = 0; i < TRANSFERS; i++) {
        pd_instance *ended = kit_wait(kit, ids[i].text);
        assert_int_equal(pd_instance_state(ended), PD_RUN_COMPLETED);
        pd_instance_free(ended);
    }
    int64_t sum = 0;
    for (int i = 0; i < ACCOUNTS; i++) {
        ent_await_lock(kit, PD_ENTITY("Account", keys[i]), NULL);
        pd_entity_view *view = ent_fetch(kit, PD_ENTITY("Account", keys[i]));
        int64_t balance = pd_int(pd_entity_view_state(view));
        assert_true(balance >= 0);
        sum += balance;
        pd_entity_view_free(view);
    }
    assert_int_equal(sum, ACCOUNTS * EACH);
    free(ids);
}

/* ---- rules ---------------------------------------------------------------------------------- */

static void a_rule_that_is_broken_leaves_with_misuse_and_gives_the_lock_back(void **state)
{
    struct kit *kit = *state;
    static const char *const rules[] = { "nested", "child", "call another", "signal it", "twice" };
    begin(kit);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        kit_start(kit, "Breaks", PD_VAL(rules[i]), rules[i], NULL);
        ent_assert_fails(kit, rules[i], "Misuse", NULL);
        ent_await_lock(kit, COUNTER("x"), NULL);
        ent_await_backlog(kit, COUNTER("x"), 0);
        assert_free(kit);
        ent_assert_call(kit, COUNTER("x"), "delete", PD_NULL, NULL);
    }
    ent_assert_state(kit, COUNTER("y"), NULL);
}

static void what_a_section_allows_is_done(void **state)
{
    struct kit *kit = *state;
    begin(kit);
    kit_start(kit, "Behaves", PD_VAL(1), "b", NULL);
    kit_raise(kit, "b", "go", PD_NULL);
    kit_assert_ends(kit, "b", PD_RUN_COMPLETED, "3");
    ent_await_state(kit, COUNTER("z"), "1");
    ent_await_state(kit, COUNTER("y"), "1");
    ent_await_lock(kit, COUNTER("x"), NULL);
}

static void a_section_has_1_to_256_entities(void **state)
{
    struct kit *kit = *state;
    begin(kit);
    kit_start(kit, "Takes", PD_VAL(0), "none", NULL);
    kit_start(kit, "Takes", PD_VAL(1), "one", NULL);
    kit_start(kit, "Takes", PD_VAL(256), "all", NULL);
    kit_start(kit, "Takes", PD_VAL(257), "more", NULL);
    ent_assert_fails(kit, "none", "Misuse", NULL);
    ent_assert_fails(kit, "more", "Misuse", NULL);
    kit_assert_ends(kit, "one", PD_RUN_COMPLETED, "1");
    kit_assert_ends(kit, "all", PD_RUN_COMPLETED, "256");
    ent_await_lock(kit, COUNTER("0"), NULL);
    ent_await_lock(kit, COUNTER("255"), NULL);
    assert_false(ent_exists(kit, COUNTER("256")));
}

/* ---- managing ------------------------------------------------------------------------------- */

static void what_failed_inside_is_not_rewound_and_what_is_inside_is_not_forked(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_id fork = { "" };
    begin(kit);
    kit_start(kit, "Leaves", PD_VAL("task"), "failed", NULL);
    kit_raise(kit, "failed", "go", PD_NULL);
    ent_assert_fails(kit, "failed", "TaskFailed", "Unknown");
    assert_int_equal(pd_hub_rewind(kit->hub, "failed", NULL, &err), PD_E_STATE);
    assert_true(strlen(err.text) > 0);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "x")), "a", NULL);
    ent_await_status(kit, "a", "\"held\"");
    assert_int_equal(pd_hub_fork(kit->hub, "a", 0, &fork, &err), PD_E_INVALID);
    assert_true(strlen(err.text) > 0);
    assert_int_equal(pd_hub_fork(kit->hub, "failed", 0, &fork, &err), PD_E_INVALID);

    kit_start(kit, "Leaves", PD_VAL("on"), "left", NULL); /* stands in line behind a */
    kit_raise(kit, "left", "go", PD_NULL);
    kit_raise(kit, "a", "go", PD_NULL);
    ent_await_state(kit, COUNTER("x"), "3");
    ent_await_lock(kit, COUNTER("y"), NULL);
    kit_expect(pd_hub_fork(kit->hub, "left", 0, &fork, &err), PD_OK, &err, "behind the section");
    kit_raise(kit, fork.text, "end", PD_NULL);
    kit_assert_ends(kit, fork.text, PD_RUN_COMPLETED, "\"on\"");
    ent_assert_state(kit, COUNTER("x"), "3"); /* what was answered is not asked again */
}

static void what_is_inside_is_exported_and_replayed_and_not_imported(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_replay_report report;
    uint64_t count = 0;
    char path[160];
    snprintf(path, sizeof(path), "%s/pd-inside.pda", kit->folder[0] != '\0' ? kit->folder : "/tmp");
    begin(kit);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "x")), "a", NULL);
    ent_await_status(kit, "a", "\"held\"");
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "x")), "b", NULL);
    ent_await_backlog(kit, COUNTER("x"), 1); /* waits to get in */
    kit_expect(pd_hub_export(kit->hub, NULL, path, &count, &err), PD_OK, &err, "export");
    assert_int_equal(count, 2);
    pd_status status = pd_replay(kit->program, kit->program_size, path, NULL, &report, &err);
    kit_expect(status, PD_OK, &err, "replay");
    assert_int_equal(report.same, 2);
    pd_hub *other = pd_hub_open("memory:", &err);
    assert_int_equal(pd_hub_import(other, path, &count, &err), PD_E_CORRUPT);
    assert_int_equal(count, 0);
    assert_non_null(strstr(err.text, "critical section"));
    pd_hub_close(other);
    remove(path);
    kit_raise(kit, "a", "go", PD_NULL);
    kit_raise(kit, "b", "go", PD_NULL);
    kit_assert_ends(kit, "b", PD_RUN_COMPLETED, "2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST_4(who_holds_a_lock_is_seen_until_it_is_given_back),
        HUB_TEST_4(leaving_the_block_in_any_way_unlocks),
        HUB_TEST_4(the_end_of_the_owner_unlocks),
        HUB_TEST_4(who_ends_while_it_waits_gives_back_what_it_has),
        HUB_TEST(an_owner_that_is_suspended_keeps_its_locks),
        HUB_TEST_4(others_wait_in_their_order_while_it_is_locked),
        HUB_TEST_4(a_lock_holds_while_no_worker_runs),
        HUB_TEST_4(an_entity_that_is_only_locked_is_there_as_long),
        HUB_TEST_4(transfers_in_opposite_order_all_end_and_keep_the_sum),
        HUB_TEST_4(a_rule_that_is_broken_leaves_with_misuse_and_gives_the_lock_back),
        HUB_TEST_4(what_a_section_allows_is_done),
        HUB_TEST_4(a_section_has_1_to_256_entities),
        HUB_TEST(what_is_inside_is_exported_and_replayed_and_not_imported),
        HUB_TEST_4(what_failed_inside_is_not_rewound_and_what_is_inside_is_not_forked),
    };
    return cmocka_run_group_tests_name("hub/locks", tests, NULL, NULL);
}
