/* SPDX-License-Identifier: MIT
 *
 * Patterns of entities, and processes that die in them: money that is conserved, many senders of
 * one, one at a time, calls from a process that runs no engine. Whatever dies, what was promised
 * takes effect once.
 */
#include <unistd.h>

#include "entity_kit.h"
#include "process_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ACCOUNT(key) PD_ENTITY("Account", (key))
#define COUNTER(key) PD_ENTITY("Counter", (key))

enum { ACCOUNTS = 5, EACH = 1000 };

static const char *const accounts[ACCOUNTS] = { "a", "b", "c", "d", "e" };

/* ---- the program ---------------------------------------------------------------------------- */

static pd_result add_up(pd_entity *e, pd_value input)
{
    int64_t count = 0, sum = 0;
    if (pd_has_state(e)) {
        pd_value old = pd_state(e);
        count = pd_int(pd_get(old, "count"));
        sum = pd_int(pd_get(old, "sum"));
    }
    pd_set_state(e, PD_OBJ("count", count + 1, "sum", sum + pd_int(input)));
    return pd_ok(e, PD_NULL);
}

/* Sends what it is told, from 1 on. */
static pd_result report(pd_orchestration *o, pd_value count)
{
    for (int64_t i = 1; i <= pd_int(count); i++) {
        pd_signal_entity(o, PD_ENTITY("Aggregator", "all"), "add", i);
    }
    return pd_ok(o, PD_NULL);
}

static pd_result pass_on(pd_entity *e, pd_value input)
{
    pd_signal_entity(e, PD_ENTITY("Aggregator", "all"), "add", input);
    return pd_ok(e, PD_NULL);
}

/* What several must not do at once: reads, thinks, and writes. */
static pd_result synchronize(pd_orchestration *o, pd_value input)
{
    (void)input;
    PD_LOCKED(o, PD_ENTITY("LockEntity", "MyLockIdentifier"), COUNTER("shared")) {
        int64_t n = pd_int(pd_call_entity(o, COUNTER("shared"), "get", PD_NULL));
        pd_sleep(o, pd_milliseconds(2));
        pd_call_entity(o, COUNTER("shared"), "set", n + 1);
    }
    return pd_ok(o, PD_NULL);
}

static const pd_function program[] = {
    PD_FUNCTION("Aggregator", add_up),
    PD_FUNCTION("Report", report),
    PD_FUNCTION("Reporter", pass_on),
    PD_FUNCTION("Synchronize", synchronize),
};

/* ---- money ---------------------------------------------------------------------------------- */

/* When it is free. The request of an owner that was terminated still travels, and what gives the
 * locks back behind it: so one that was free may be locked once more, for a moment. */
static int64_t balance_of(struct kit *kit, const char *key)
{
    int64_t until = kit_now_ms() + 30000, balance = 0;
    for (bool is_free = false; !is_free; kit_sleep_ms(is_free ? 0 : 2)) {
        pd_entity_view *view = ent_fetch(kit, ACCOUNT(key));
        balance = pd_int(pd_entity_view_state(view));
        is_free = pd_entity_view_locked_by(view) == NULL && pd_entity_view_backlog(view) == 0;
        pd_entity_view_free(view);
        assert_true(is_free || kit_now_ms() < until);
    }
    assert_true(balance >= 0);
    return balance;
}

static void assert_sum(struct kit *kit)
{
    int64_t sum = 0;
    for (int i = 0; i < ACCOUNTS; i++) {
        sum += balance_of(kit, accounts[i]);
    }
    assert_int_equal(sum, ACCOUNTS * EACH);
}

static void start_transfer(struct kit *kit, unsigned *random, const char *id)
{
    *random = *random * 1103515245 + 12345;
    unsigned from = *random >> 8 & 0xff, to = from + 1 + (*random >> 16 & 3);
    kit_start(kit, "Transfer",
              PD_VAL(PD_OBJ("from", accounts[from % ACCOUNTS], "to", accounts[to % ACCOUNTS],
                            "amount", *random >> 20 & 0x1ff)),
              id, NULL);
}

static void fill_accounts(struct kit *kit)
{
    for (int i = 0; i < ACCOUNTS; i++) {
        ent_signal(kit, ACCOUNT(accounts[i]), "deposit", PD_VAL(EACH));
    }
}

/* Killed wherever it is, mostly in the middle of sections; also while it recovers. */
static void money_is_conserved_whenever_the_engine_is_killed(void **state)
{
    struct kit *kit = *state;
    enum { ROUNDS = 6, TRANSFERS = 25 };
    unsigned random = 7;
    fill_accounts(kit);
    for (int round = 0; round < ROUNDS; round++) {
        struct engine engine = engine_begin(kit, entity_program, entity_program_size);
        for (int i = 0; i < TRANSFERS; i++) {
            char id[32];
            snprintf(id, sizeof(id), "%d-%d", round, i);
            start_transfer(kit, &random, id);
        }
        kit_sleep_ms(random >> 10 & 31);
        engine_kill(&engine);
    }
    ent_work(kit, NULL);
    for (int n = 0; n < ROUNDS * TRANSFERS; n++) {
        char id[32];
        snprintf(id, sizeof(id), "%d-%d", n / TRANSFERS, n % TRANSFERS);
        pd_instance *i = kit_wait(kit, id);
        assert_int_equal(pd_instance_state(i), PD_RUN_COMPLETED);
        pd_instance_free(i);
    }
    assert_sum(kit);
}

static void no_money_is_made_and_no_lock_left_when_owners_are_terminated(void **state)
{
    struct kit *kit = *state;
    enum { TRANSFERS = 60 };
    unsigned random = 3;
    int64_t sum = 0;
    fill_accounts(kit);
    ent_work(kit, NULL);
    for (int n = 0; n < TRANSFERS; n++) {
        char id[32];
        pd_error err;
        snprintf(id, sizeof(id), "%d", n);
        start_transfer(kit, &random, id);
        (void)!pd_hub_terminate(kit->hub, id, NULL, false, &err);
    }
    for (int i = 0; i < ACCOUNTS; i++) { /* what was withdrawn may be gone: locks may not */
        sum += balance_of(kit, accounts[i]);
    }
    assert_true(sum <= ACCOUNTS * EACH);
    start_transfer(kit, &random, "last");
    pd_instance_free(kit_wait(kit, "last"));
}

/* ---- one of many senders -------------------------------------------------------------------- */

static void await_aggregate(struct kit *kit, int64_t count, int64_t sum)
{
    char wanted[96];
    snprintf(wanted, sizeof(wanted), "{\"count\":%lld,\"sum\":%lld}", (long long)count,
             (long long)sum);
    ent_await_state(kit, PD_ENTITY("Aggregator", "all"), wanted);
}

static void an_aggregator_hears_each_of_many_senders_once(void **state)
{
    struct kit *kit = *state;
    enum { REPORTS = 20, LENGTH = 30, CLIENT = 100, ENTITIES = 50 };
    pd_error err;
    ent_work_with(kit, PD_PROGRAM(program), NULL);
    for (int i = 0; i < REPORTS; i++) {
        kit_start(kit, "Report", PD_VAL(LENGTH), NULL, NULL);
    }
    pd_signal signals[CLIENT + ENTITIES];
    char keys[ENTITIES][16];
    for (int i = 0; i < CLIENT + ENTITIES; i++) {
        signals[i] = (pd_signal){ .entity = PD_ENTITY("Aggregator", "all"),
                                  .op = "add",
                                  .input = PD_VAL(1) };
        if (i >= CLIENT) {
            snprintf(keys[i - CLIENT], sizeof(keys[0]), "%d", i);
            signals[i].entity = PD_ENTITY("Reporter", keys[i - CLIENT]);
        }
    }
    kit_expect(pd_hub_signal_many(kit->hub, signals, CLIENT + ENTITIES, &err), PD_OK, &err, "many");
    int64_t sum = REPORTS * (LENGTH * (LENGTH + 1) / 2) + CLIENT + ENTITIES;
    await_aggregate(kit, REPORTS * LENGTH + CLIENT + ENTITIES, sum);
}

/* Promised by calls that returned PD_OK, in another process; killed again and again. */
static void a_signal_that_was_promised_takes_effect_once_whenever_the_engine_is_killed(void **state)
{
    struct kit *kit = *state;
    enum { ROUNDS = 8, SIGNALS = 30 };
    unsigned random = 11;
    int64_t sum = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct engine engine = engine_begin(kit, entity_program, entity_program_size);
        for (int i = 0; i < SIGNALS; i++) {
            ent_signal(kit, COUNTER("s"), "add", PD_VAL(i));
            ent_signal(kit, PD_ENTITY("Relay", "r"), "pass",
                       PD_VAL(PD_OBJ("name", "Counter", "key", "far", "op", "add", "input", i)));
            sum += i;
        }
        random = random * 1103515245 + 12345;
        kit_sleep_ms(random >> 16 & 15);
        engine_kill(&engine);
    }
    ent_work(kit, NULL);
    char wanted[32];
    snprintf(wanted, sizeof(wanted), "%lld", (long long)sum);
    ent_await_backlog(kit, PD_ENTITY("Relay", "r"), 0);
    ent_await_state(kit, COUNTER("s"), wanted);
    ent_await_state(kit, COUNTER("far"), wanted);
    kit_sleep_ms(50);
    ent_assert_state(kit, COUNTER("far"), wanted);
}

/* ---- one at a time -------------------------------------------------------------------------- */

static void a_section_excludes_others_while_it_waits(void **state)
{
    struct kit *kit = *state;
    enum { COUNT = 20 };
    pd_id ids[COUNT];
    ent_work_with(kit, PD_PROGRAM(program), NULL);
    for (int i = 0; i < COUNT; i++) {
        kit_start(kit, "Synchronize", PD_NULL, NULL, &ids[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        kit_assert_ends(kit, ids[i].text, PD_RUN_COMPLETED, "null");
    }
    ent_assert_state(kit, COUNTER("shared"), "20");
}

/* ---- calls of many clients ------------------------------------------------------------------ */

enum { CLIENTS = 6, CALLS = 25 };

static void *call_often(void *argument)
{
    struct kit *kit = argument;
    for (int i = 0; i < CALLS; i++) {
        ent_assert_call(kit, COUNTER("called"), "add", PD_VAL(1), NULL);
    }
    return NULL;
}

static void calls_of_many_clients_are_each_answered_once(void **state)
{
    struct kit *kit = *state;
    pthread_t threads[CLIENTS];
    ent_work(kit, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, kit), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
    }
    ent_assert_state(kit, COUNTER("called"), "150");
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 0);
}

static void a_clients_call_is_run_by_a_worker_of_any_version(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, &(pd_worker_options){ .version = "2", .version_match = PD_VERSION_SAME });
    ent_assert_call(kit, COUNTER("v"), "add", PD_VAL(1), "1");
}

/* ---- replay --------------------------------------------------------------------------------- */

static pd_result first_way(pd_orchestration *o, pd_value input)
{
    pd_signal_entity(o, COUNTER("r"), "add", input);
    PD_LOCKED(o, COUNTER("r")) {
        pd_call_entity(o, COUNTER("r"), "add", input);
    }
    return pd_ok(o, PD_NULL);
}

static pd_result other_operation(pd_orchestration *o, pd_value input)
{
    pd_signal_entity(o, COUNTER("r"), "set", input);
    PD_LOCKED(o, COUNTER("r")) {
        pd_call_entity(o, COUNTER("r"), "add", input);
    }
    return pd_ok(o, PD_NULL);
}

static pd_result no_lock(pd_orchestration *o, pd_value input)
{
    pd_signal_entity(o, COUNTER("r"), "add", input);
    pd_call_entity(o, COUNTER("r"), "add", input);
    return pd_ok(o, PD_NULL);
}

static pd_result call_before(pd_orchestration *o, pd_value input)
{
    pd_call_entity(o, COUNTER("r"), "add", input);
    PD_LOCKED(o, COUNTER("r")) {
        pd_call_entity(o, COUNTER("r"), "add", input);
    }
    return pd_ok(o, PD_NULL);
}

static void be_quiet(const pd_divergence *divergence, void *argument)
{
    bool *has_text = argument;
    *has_text = strlen(divergence->text) > 0 && divergence->event > 0;
}

static void a_program_that_says_something_else_to_entities_is_found_out(void **state)
{
    struct kit *kit = *state;
    static const pd_function before[] = { PD_FUNCTION("Way", first_way) };
    static const pd_function others[][1] = { { PD_FUNCTION("Way", first_way) },
                                             { PD_FUNCTION("Way", other_operation) },
                                             { PD_FUNCTION("Way", no_lock) },
                                             { PD_FUNCTION("Way", call_before) } };
    char path[160];
    pd_error err;
    ent_work_with(kit, PD_PROGRAM(before), NULL);
    kit_start(kit, "Way", PD_VAL(1), "w", NULL);
    kit_assert_ends(kit, "w", PD_RUN_COMPLETED, "null");
    ent_await_state(kit, COUNTER("r"), "2");
    snprintf(path, sizeof(path), "%s/pd-way-%d.pda", kit->folder[0] != '\0' ? kit->folder : "/tmp",
             (int)getpid());
    kit_expect(pd_hub_export(kit->hub, NULL, path, NULL, &err), PD_OK, &err, "export");
    for (int i = 0; i < 4; i++) {
        bool has_text = false;
        pd_replay_report report;
        pd_replay_options options = { .tell = be_quiet, .argument = &has_text };
        kit_expect(pd_replay(others[i], 1, path, &options, &report, &err), PD_OK, &err, "replay");
        assert_int_equal(report.same, i == 0 ? 1 : 0);
        assert_int_equal(report.diverged, i == 0 ? 0 : 1);
        assert_true(has_text == (i != 0));
    }
    remove(path);
}

/* ---- processes ------------------------------------------------------------------------------ */

static void a_process_without_an_engine_calls_signals_and_looks(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    struct engine engine = engine_begin(kit, entity_program, entity_program_size);
    int64_t began = kit_now_ms();
    for (int i = 1; i <= 10; i++) {
        char wanted[16];
        snprintf(wanted, sizeof(wanted), "%d", 2 * i);
        ent_signal(kit, COUNTER("p"), "add", PD_VAL(1));
        ent_assert_call(kit, COUNTER("p"), "add", PD_VAL(1), wanted);
        ent_assert_state(kit, COUNTER("p"), wanted);
    }
    assert_true(kit_now_ms() - began < 10000); /* nobody slept until he was told */
    ent_assert_call(kit, COUNTER("p"), "nonsense", PD_NULL, "!Unknown");
    kit_expect(pd_hub_purge_entity(kit->hub, COUNTER("p"), &err), PD_OK, &err, "purge");
    ent_await_state(kit, COUNTER("p"), NULL);
    engine_end(&engine);
    int64_t until = kit_now_ms() + 30000;
    ent_work(kit, NULL); /* takes what was still to be forgotten */
    while (kit_count(kit, (pd_query){ 0 }) != 0 && kit_now_ms() < until) {
        kit_sleep_ms(2);
    }
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 0);
}

static void a_call_survives_the_engine_that_had_begun_it(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    struct engine engine = engine_begin(kit, entity_program, entity_program_size);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "c")), "h", NULL);
    ent_await_lock(kit, COUNTER("c"), "h");
    kit_start(kit, "Ask", PD_VAL(PD_OBJ("name", "Counter", "key", "c", "op", "add", "input", 10)),
              "ask", NULL);
    ent_await_backlog(kit, COUNTER("c"), 1);
    engine_kill(&engine);
    kit_raise(kit, "h", "go", PD_NULL);
    ent_await_lock(kit, COUNTER("c"), "h"); /* a lock needs no process */
    assert_null(pd_hub_wait(kit->hub, "ask", pd_milliseconds(20), &err));
    ent_work(kit, NULL);
    kit_assert_ends(kit, "h", PD_RUN_COMPLETED, "1");
    kit_assert_ends(kit, "ask", PD_RUN_COMPLETED, "11");
}

int main(void)
{
#define FILE_TEST(name)                                              \
    cmocka_unit_test_setup_teardown(name, kit_open_file, kit_close), \
    {                                                                \
#name " [3]", name, kit_open_file_3, kit_close, NULL         \
    }
    const struct CMUnitTest tests[] = {
        FILE_TEST(money_is_conserved_whenever_the_engine_is_killed),
        HUB_TEST_4(no_money_is_made_and_no_lock_left_when_owners_are_terminated),
        HUB_TEST_4(an_aggregator_hears_each_of_many_senders_once),
        FILE_TEST(a_signal_that_was_promised_takes_effect_once_whenever_the_engine_is_killed),
        HUB_TEST_4(a_section_excludes_others_while_it_waits),
        HUB_TEST_4(calls_of_many_clients_are_each_answered_once),
        HUB_TEST(a_clients_call_is_run_by_a_worker_of_any_version),
        HUB_TEST(a_program_that_says_something_else_to_entities_is_found_out),
        FILE_TEST(a_process_without_an_engine_calls_signals_and_looks),
        FILE_TEST(a_call_survives_the_engine_that_had_begun_it),
    };
    return cmocka_run_group_tests_name("pattern/entities", tests, NULL, NULL);
}
