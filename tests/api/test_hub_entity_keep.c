/* SPDX-License-Identifier: MIT
 *
 * Entities that go: purged, over their time, empty, tidied up.
 */
#include "entity_kit.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNTER(key) PD_ENTITY("Counter", (key))

static pd_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (pd_time){ (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 };
}

static void signal_later(struct kit *kit, pd_entity_id entity, int64_t in_ms)
{
    pd_error err;
    pd_signal_options options = { .at = pd_after(now(), pd_milliseconds(in_ms)) };
    pd_status status = pd_hub_signal_entity(kit->hub, entity, "add", 1, &options, NULL, &err);
    kit_expect(status, PD_OK, &err, "signal");
}

/* ---- purging -------------------------------------------------------------------------------- */

static void purging_forgets_the_state_and_what_waits_for_its_time(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    ent_work(kit, NULL);
    assert_int_equal(pd_hub_purge_entity(kit->hub, COUNTER("p"), &err), PD_E_NOT_FOUND);
    ent_assert_call(kit, COUNTER("p"), "set", PD_VAL(5), NULL);
    signal_later(kit, COUNTER("p"), 1000);
    kit_expect(pd_hub_purge_entity(kit->hub, PD_ENTITY("COUNTER", "p"), &err), PD_OK, &err,
               "purge");
    assert_false(ent_exists(kit, COUNTER("p")));
    assert_int_equal(pd_hub_purge_entity(kit->hub, COUNTER("p"), &err), PD_E_NOT_FOUND);
    kit_sleep_ms(1200);
    assert_false(ent_exists(kit, COUNTER("p")));
    ent_assert_call(kit, COUNTER("p"), "add", PD_VAL(1), "1"); /* a new one */
    kit_expect(pd_hub_purge(kit->hub, "@Counter@p", &err), PD_OK, &err, "purge by id");
    assert_false(ent_exists(kit, COUNTER("p")));
    assert_int_equal(pd_hub_purge(kit->hub, "@Counter@p", &err), PD_E_NOT_FOUND);
    assert_int_equal(pd_hub_purge(kit->hub, "@Counter", &err), PD_E_INVALID);
    assert_int_equal(pd_hub_purge(kit->hub, "@@p", &err), PD_E_INVALID);
}

static void purging_leaves_the_line_and_the_lock(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("l"), "set", PD_VAL(5), NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "l")), "h", NULL);
    ent_await_lock(kit, COUNTER("l"), "h");
    ent_signal(kit, COUNTER("l"), "add", PD_VAL(10));
    ent_await_backlog(kit, COUNTER("l"), 1);
    kit_expect(pd_hub_purge_entity(kit->hub, COUNTER("l"), &err), PD_OK, &err, "purge");
    ent_await_lock(kit, COUNTER("l"), "h");
    ent_assert_state(kit, COUNTER("l"), "null");
    kit_raise(kit, "h", "go", PD_NULL);
    kit_assert_ends(kit, "h", PD_RUN_COMPLETED, "1");
    ent_await_state(kit, COUNTER("l"), "11");
}

static void purging_without_a_worker_is_done_by_the_next(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    assert_int_equal(pd_hub_purge_entity(kit->hub, COUNTER("m"), &err), PD_E_NOT_FOUND);
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("m"), "set", PD_VAL(5), NULL);
    kit_rest(kit);
    kit_expect(pd_hub_purge_entity(kit->hub, COUNTER("m"), &err), PD_OK, &err, "purge");
    ent_signal(kit, COUNTER("m"), "add", PD_VAL(1));
    ent_work(kit, NULL);
    ent_await_state(kit, COUNTER("m"), "1");
}

/* ---- in the file ---------------------------------------------------------------------------- */

static int query_number(struct kit *kit, const char *sql)
{
    char path[128];
    sqlite3 *db;
    sqlite3_stmt *statement;
    snprintf(path, sizeof(path), "%s/hub.db", kit->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    int status = sqlite3_step(statement);
    int number = status == SQLITE_ROW ? sqlite3_column_int(statement, 0) : -1;
    assert_true(status == SQLITE_ROW || status == SQLITE_DONE);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

static void an_entity_without_anything_leaves_no_row(void **state)
{
    struct kit *kit = *state;
    static const char *const tables[] = { "perdure_entity", "perdure_lock", "inbox",
                                          "timer",          "busy",         "mailbox" };
    pd_error err;
    ent_work(kit, NULL);
    for (int i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%d", i);
        ent_signal(kit, COUNTER(key), "set", PD_VAL(i));
        ent_signal(kit, COUNTER(key), "delete", PD_NULL);
        ent_assert_call(kit, COUNTER(key), "get", PD_NULL, "null");
    }
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "h")), "h", NULL);
    ent_await_lock(kit, COUNTER("h"), "h");
    assert_int_equal(query_number(kit, "SELECT count(*) FROM perdure_entity"), 1);
    kit_raise(kit, "h", "go", PD_NULL);
    pd_instance_free(kit_wait(kit, "h"));
    kit_expect(pd_hub_purge_entity(kit->hub, COUNTER("h"), &err), PD_OK, &err, "purge");
    signal_later(kit, COUNTER("t"), 1000000);
    kit_expect(pd_hub_purge_entity(kit->hub, COUNTER("t"), &err), PD_OK, &err, "purge");
    kit_rest(kit);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
        assert_int_equal(query_number(kit, sql), 0);
    }
}

/* ---- keeping and cleaning ------------------------------------------------------------------- */

static pd_result idle(pd_entity *e, pd_value input)
{
    pd_set_state(e, input);
    return pd_ok(e, PD_NULL);
}

static const pd_operation table[] = { { "set", idle } };
static const pd_function program[] = {
    PD_ENTITY_RULES("Ever", idle, .keep = { -1 }),
    PD_ENTITY_TABLE("Long", table, .keep = { 100000000 }),
    PD_ENTITY_TABLE("Short", table, .keep = { 300 }),
};

static void entities_that_nothing_changes_are_forgotten_after_a_time(void **state)
{
    struct kit *kit = *state;
    served_skip("that is the option of a server");
    ent_work_with(kit, PD_PROGRAM(program),
                  &(pd_worker_options){ .keep_entities = pd_milliseconds(300) });
    ent_assert_call(kit, PD_ENTITY("Ever", "x"), "set", PD_VAL(1), NULL);
    ent_assert_call(kit, PD_ENTITY("Long", "x"), "set", PD_VAL(1), NULL);
    ent_assert_call(kit, PD_ENTITY("Short", "x"), "set", PD_VAL(1), NULL);
    ent_assert_call(kit, COUNTER("plain"), "set", PD_VAL(1), NULL);
    ent_assert_call(kit, COUNTER("waited for"), "set", PD_VAL(1), NULL);
    signal_later(kit, COUNTER("waited for"), 100000000);
    ent_assert_call(kit, COUNTER("locked"), "set", PD_VAL(1), NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "locked")), "h", NULL);
    ent_await_lock(kit, COUNTER("locked"), "h");
    ent_await_state(kit, COUNTER("plain"), NULL);
    ent_await_state(kit, PD_ENTITY("Short", "x"), NULL);
    kit_sleep_ms(700);
    ent_assert_state(kit, PD_ENTITY("Ever", "x"), "1");
    ent_assert_state(kit, PD_ENTITY("Long", "x"), "1");
    ent_assert_state(kit, COUNTER("waited for"), "1");
    ent_assert_state(kit, COUNTER("locked"), "1");
    kit_raise(kit, "h", "go", PD_NULL);
    kit_assert_ends(kit, "h", PD_RUN_COMPLETED, "2");
    ent_await_state(kit, COUNTER("locked"), NULL); /* not locked any more */
}

static const pd_function rare[] = { PD_ENTITY_RULES("Rare", idle, .keep = { 900 }) };

/* Each operation is a change, whatever it does. */
static void a_name_has_its_own_time_and_every_operation_begins_it_anew(void **state)
{
    struct kit *kit = *state;
    served_skip("that is the option of a server");
    ent_work_with(kit, PD_PROGRAM(rare), NULL); /* all others for ever */
    ent_assert_call(kit, COUNTER("other"), "set", PD_VAL(1), NULL);
    ent_assert_call(kit, PD_ENTITY("RARE", "left"), "set", PD_VAL(1), NULL);
    for (int i = 0; i < 15; i++) {
        kit_sleep_ms(100);
        ent_assert_call(kit, PD_ENTITY("Rare", "used"), "set", PD_VAL(1), NULL);
    }
    ent_assert_state(kit, PD_ENTITY("Rare", "used"), "1");
    ent_await_state(kit, PD_ENTITY("Rare", "left"), NULL);
    ent_await_state(kit, PD_ENTITY("Rare", "used"), NULL);
    ent_assert_state(kit, COUNTER("other"), "1");
}

static void a_time_that_makes_no_sense_is_refused(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_worker_options options = { .keep_entities = pd_milliseconds(-1) };
    assert_null(pd_worker_start(kit->hub, entity_program, entity_program_size, &options, &err));
    assert_int_equal(err.status, PD_E_INVALID);
}

static void entities_that_are_kept_empty_are_listed_until_cleaned(void **state)
{
    struct kit *kit = *state;
    served_skip("that is the option of a server");
    pd_error err;
    pd_cleaned cleaned;
    ent_work(kit, &(pd_worker_options){ .keeps_empty_entities = true });
    for (int i = 0; i < 7; i++) {
        char key[16];
        snprintf(key, sizeof(key), "%d", i);
        ent_assert_call(kit, COUNTER(key), "set", PD_VAL(i), NULL);
        ent_assert_call(kit, COUNTER(key), i < 5 ? "delete" : "get", PD_NULL, NULL);
    }
    signal_later(kit, COUNTER("0"), 100000000);
    assert_int_equal(ent_count(kit, (pd_entity_query){ 0 }), 2);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .with_empty = true }), 7);
    assert_false(ent_exists(kit, COUNTER("1")));
    assert_true(ent_exists(kit, COUNTER("0")));
    kit_expect(pd_hub_clean_entities(kit->hub, &cleaned, &err), PD_OK, &err, "clean");
    assert_int_equal(cleaned.removed, 4);
    assert_int_equal(cleaned.unlocked, 0);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .with_empty = true }), 3);
    kit_expect(pd_hub_clean_entities(kit->hub, &cleaned, &err), PD_OK, &err, "clean again");
    assert_int_equal(cleaned.removed + cleaned.unlocked, 0);
    kit_expect(pd_hub_clean_entities(kit->hub, NULL, NULL), PD_OK, &err, "without a place");
    ent_assert_state(kit, COUNTER("6"), "6");
}

static void cleaning_leaves_locks_that_are_held(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_cleaned cleaned;
    ent_work(kit, NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "l")), "h", NULL);
    ent_await_lock(kit, COUNTER("l"), "h");
    kit_expect(pd_hub_clean_entities(kit->hub, &cleaned, &err), PD_OK, &err, "clean");
    assert_int_equal(cleaned.removed + cleaned.unlocked, 0);
    ent_await_lock(kit, COUNTER("l"), "h");
    kit_raise(kit, "h", "go", PD_NULL);
    kit_assert_ends(kit, "h", PD_RUN_COMPLETED, "1");
}

/* By hand: nothing of Perdure makes one. */
static void cleaning_gives_back_locks_whose_owner_is_gone(void **state)
{
    struct kit *kit = *state;
    served_skip("the rows that it changes by hand are in the memory of an engine");
    pd_error err;
    pd_cleaned cleaned = { 0, 0 };
    ent_work(kit, NULL);
    static const char *const keys[] = { "missing", "ended", "other" };
    for (int i = 0; i < 3; i++) {
        kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", keys[i])), keys[i], NULL);
        ent_await_lock(kit, COUNTER(keys[i]), keys[i]);
    }
    kit_start(kit, "Echo", PD_VAL(1), "done", NULL);
    pd_instance_free(kit_wait(kit, "done"));
    kit_rest(kit);
#define LOCK_OF(key) " WHERE row=(SELECT row FROM perdure_entity WHERE id='@counter@" key "')"
    query_number(kit, "UPDATE perdure_lock SET owner='nobody'" LOCK_OF("missing"));
    query_number(kit, "UPDATE perdure_lock SET owner='done'" LOCK_OF("ended"));
    query_number(kit, "UPDATE perdure_lock SET execution_id='e'" LOCK_OF("other"));
    ent_signal(kit, COUNTER("missing"), "add", PD_VAL(5));
    ent_work(kit, NULL);
    kit_expect(pd_hub_clean_entities(kit->hub, &cleaned, &err), PD_OK, &err, "clean");
    assert_int_equal(cleaned.unlocked, 3);
    for (int i = 0; i < 3; i++) {
        ent_await_lock(kit, COUNTER(keys[i]), NULL);
    }
    ent_await_state(kit, COUNTER("missing"), "5");
    kit_expect(pd_hub_clean_entities(kit->hub, &cleaned, &err), PD_OK, &err, "clean again");
    assert_int_equal(cleaned.removed + cleaned.unlocked, 0);
}

/* A lock that is being given back, by an owner that has just ended, is not an orphan. */
struct tidier {
    struct kit *kit;
    atomic_bool is_over;
    pd_cleaned sum;
};

static void *tidy(void *argument)
{
    struct tidier *tidier = argument;
    while (!atomic_load(&tidier->is_over)) {
        pd_error err;
        pd_cleaned cleaned;
        kit_expect(pd_hub_clean_entities(tidier->kit->hub, &cleaned, &err), PD_OK, &err, "clean");
        tidier->sum.removed += cleaned.removed;
        tidier->sum.unlocked += cleaned.unlocked;
    }
    return NULL;
}

static void cleaning_beside_sections_that_run_gives_nothing_back(void **state)
{
    struct kit *kit = *state;
    enum { COUNT = 100 };
    static const char *const keys[] = { "a", "b", "c" };
    struct tidier tidier = { .kit = kit };
    pthread_t thread;
    char ids[COUNT][16];
    ent_work(kit, NULL);
    for (int i = 0; i < 3; i++) {
        ent_assert_call(kit, PD_ENTITY("Account", keys[i]), "deposit", PD_VAL(COUNT), NULL);
    }
    assert_int_equal(pthread_create(&thread, NULL, tidy, &tidier), 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof(ids[i]), "t%d", i);
        kit_start(
            kit, "Transfer",
            PD_VAL(PD_OBJ("from", keys[i % 3], "to", keys[(i + 1 + i / 3 % 2) % 3], "amount", 1)),
            ids[i], NULL);
    }
    for (int i = 0; i < COUNT; i++) {
        kit_assert_ends(kit, ids[i], PD_RUN_COMPLETED, "true");
    }
    atomic_store(&tidier.is_over, true);
    pthread_join(thread, NULL);
    assert_int_equal(tidier.sum.unlocked + tidier.sum.removed, 0);
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, kit_open_file, kit_close)
    const struct CMUnitTest tests[] = {
        HUB_TEST_4(purging_forgets_the_state_and_what_waits_for_its_time),
        HUB_TEST(purging_leaves_the_line_and_the_lock),
        HUB_TEST_4(purging_without_a_worker_is_done_by_the_next),
        FILE_TEST(an_entity_without_anything_leaves_no_row),
        HUB_TEST_4(entities_that_nothing_changes_are_forgotten_after_a_time),
        HUB_TEST(a_name_has_its_own_time_and_every_operation_begins_it_anew),
        HUB_TEST(a_time_that_makes_no_sense_is_refused),
        HUB_TEST_4(entities_that_are_kept_empty_are_listed_until_cleaned),
        HUB_TEST_4(cleaning_leaves_locks_that_are_held),
        FILE_TEST(cleaning_gives_back_locks_whose_owner_is_gone),
        HUB_TEST_4(cleaning_beside_sections_that_run_gives_nothing_back),
    };
    return cmocka_run_group_tests_name("hub/entity_keep", tests, NULL, NULL);
}
