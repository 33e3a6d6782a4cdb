/* SPDX-License-Identifier: MIT
 *
 * Transactions of user code in the SQLite provider: what it writes and the message that says so are
 * there together or not at all, whatever it does to its handle; and nothing that it does reaches
 * the engine, which commits on beside it. */
#include "rig.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/sqlite/schema.h"

/* SQL that a body runs: pieces by themselves, each with what it is expected to answer. */
struct script {
    struct {
        const char *sql;
        int code;
    } pieces[12];
    bool says; /* what body answers */
    void (*last)(sqlite3 *db);
    unsigned partition;
    const char *id;
    int runs;
};

static bool run_script(void *argument, void *database, struct message *message)
{
    struct script *script = argument;
    sqlite3 *db = database;
    script->runs++;
    for (size_t i = 0; i < 12 && script->pieces[i].sql != NULL; i++) {
        int code = sqlite3_exec(db, script->pieces[i].sql, NULL, NULL, NULL);
        if (code != script->pieces[i].code) {
            fail_msg("%s: %d (%s)", script->pieces[i].sql, code, sqlite3_errmsg(db));
        }
    }
    if (script->last != NULL) {
        script->last(db);
    }
    *message = message_of(MESSAGE_TASK_ENDED, script->partition,
                          script->id != NULL ? script->id : "payer", "the result");
    message->execution_id = TEXT("execution");
    message->flags = 3;
    return script->says;
}

static pd_status transact(struct world *world, struct script *script)
{
    struct store *store = world->store;
    return store->ops->transact(store, 0, world->epochs[0], run_script, script, &world->err);
}

/* A number from the file, as another process reads it; -1: no such table. */
static int64_t number(const struct world *world, const char *sql)
{
    char path[400];
    sqlite3 *db;
    sqlite3_stmt *statement = NULL;
    int64_t answer = -1;
    (void)snprintf(path, sizeof path, "%s/hub%d.db", world->folder, world->crashes);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        answer = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return answer;
}

#define PAID "SELECT sum(amount) FROM account"

static void open_account(struct world *world)
{
    struct script script = {
        .pieces = { { "CREATE TABLE account(id INTEGER PRIMARY KEY,amount INTEGER,"
                      " code TEXT UNIQUE)",
                      SQLITE_OK },
                    { "INSERT INTO account VALUES(1,100,'a')", SQLITE_OK } },
        .says = true,
    };
    assert_ok(world, transact(world, &script));
    assert_int_equal(number(world, PAID), 100);
}

/* That nothing holds the engine up, and that one may go on. */
static void assert_goes_on(struct world *world, int64_t expected)
{
    static char id = 'a';
    struct script pay = { .pieces = { { "UPDATE account SET amount=amount+1", SQLITE_OK } },
                          .says = true };
    struct batch *batch = batch_for(world, 0);
    char name[2] = { id++, '\0' };
    uint64_t row = insert(world, batch, name, RUN_RUNNING);
    append(batch, row, 1, TEXT("turn"));
    commit_ok(world, batch);
    assert_int_equal(history(world, row, 0).count, 1);
    assert_int_equal(number(world, PAID), expected);
    size_t mails = mail(world, 0, 0).count;
    assert_ok(world, transact(world, &pay));
    assert_int_equal(number(world, PAID), expected + 1);
    assert_int_equal(mail(world, 0, 0).count, mails + 1);
}

/* ---- both or neither ------------------------------------------------------------------------- */

static void what_is_written_and_the_message_are_there_together(void **state)
{
    struct world *world = *state;
    open_account(world);
    struct script pay = { .pieces = { { "UPDATE account SET amount=42", SQLITE_OK } },
                          .says = true,
                          .partition = 2 };
    assert_ok(world, transact(world, &pay));
    assert_int_equal(pay.runs, 1);
    world_crash(world);
    assert_int_equal(number(world, PAID), 42);
    struct message_page page = mail(world, 2, 0);
    struct message expected = message_of(MESSAGE_TASK_ENDED, 2, "payer", "the result");
    expected.execution_id = TEXT("execution");
    expected.flags = 3;
    assert_int_equal(page.count, 1);
    assert_same_message(&page.items[0], &expected);
    assert_int_equal(mail(world, 0, 0).count, 1);
    assert_goes_on(world, 42);
}

static void the_message_is_numbered_among_the_others(void **state)
{
    struct world *world = *state;
    struct script script = { .says = true };
    struct message start = message_of(MESSAGE_START, 0, "a", "start");
    assert_ok(world, world->store->ops->accept(world->store, &start, 1, &world->err));
    assert_ok(world, transact(world, &script));
    start.instance_id = TEXT("b");
    assert_ok(world, world->store->ops->accept(world->store, &start, 1, &world->err));
    struct message_page page = mail(world, 0, 0);
    assert_int_equal(page.count, 3);
    assert_int_equal(page.items[1].kind, MESSAGE_TASK_ENDED);
    assert_true(page.items[0].number < page.items[1].number);
    assert_true(page.items[1].number < page.items[2].number);
}

static void a_body_that_says_no_leaves_nothing(void **state)
{
    struct world *world = *state;
    open_account(world);
    struct script script = { .pieces = { { "UPDATE account SET amount=0", SQLITE_OK },
                                         { "CREATE TABLE more(x)", SQLITE_OK } },
                             .says = false };
    assert_int_equal(transact(world, &script), PD_E_CANCELLED);
    assert_int_equal(script.runs, 1);
    assert_int_equal(number(world, PAID), 100);
    assert_int_equal(number(world, "SELECT count(*) FROM more"), -1);
    assert_int_equal(mail(world, 0, 0).count, 1);
    assert_goes_on(world, 100);
}

static void a_stale_owner_does_not_run_it(void **state)
{
    struct world *world = *state;
    struct ownership ownership;
    struct script script = { .says = true };
    assert_ok(world, world->store->ops->own(world->store, 0, WORLD_NOW, &ownership, &world->err));
    assert_int_equal(transact(world, &script), PD_E_LEASE_LOST);
    assert_int_equal(script.runs, 0);
    assert_int_equal(mail(world, 0, 0).count, 0);
    world->epochs[0] = ownership.epoch;
    assert_ok(world, transact(world, &script));
    assert_int_equal(script.runs, 1);
}

static void those_who_wait_for_commits_are_told(void **state)
{
    struct world *world = *state;
    struct store *other = world->provider->second(world);
    struct script script = { .says = true };
    struct timespec before, after;
    assert_non_null(other);
    (void)other->ops->wait(other, 10, &world->err);
    (void)other->ops->wait(other, 0, &world->err);
    assert_ok(world, transact(world, &script));
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    (void)other->ops->wait(other, 10000, &world->err);
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    assert_in_range(after.tv_sec - before.tv_sec, 0, 3);
    store_close(other);
}

/* ---- the transaction is not the body's to end ------------------------------------------------ */

static void a_body_cannot_begin_commit_or_roll_back(void **state)
{
    struct world *world = *state;
    open_account(world);
    struct script script = { .pieces = { { "UPDATE account SET amount=7", SQLITE_OK },
                                         { "COMMIT", SQLITE_AUTH },
                                         { "END", SQLITE_AUTH },
                                         { "ROLLBACK", SQLITE_AUTH },
                                         { "BEGIN", SQLITE_AUTH },
                                         { "BEGIN IMMEDIATE; COMMIT", SQLITE_AUTH } },
                             .says = false };
    assert_int_equal(transact(world, &script), PD_E_CANCELLED);
    assert_int_equal(number(world, PAID), 100);
    script.says = true;
    assert_ok(world, transact(world, &script));
    assert_int_equal(number(world, PAID), 7);
    assert_goes_on(world, 7);
}

static void savepoints_of_a_body_are_its_own(void **state)
{
    struct world *world = *state;
    open_account(world);
    struct script script = { .pieces = { { "SAVEPOINT one", SQLITE_OK },
                                         { "UPDATE account SET amount=1", SQLITE_OK },
                                         { "ROLLBACK TO one", SQLITE_OK },
                                         { "RELEASE one", SQLITE_OK },
                                         { "SAVEPOINT two", SQLITE_OK },
                                         { "UPDATE account SET amount=amount+1", SQLITE_OK } },
                             .says = true };
    assert_ok(world, transact(world, &script));
    assert_int_equal(number(world, PAID), 101);
    assert_goes_on(world, 101);
}

/* A statement that fails may take the transaction with it. What follows would then be in none, and
 * each be committed by itself. */
static void nothing_is_kept_when_a_statement_rolled_the_transaction_back(void **state)
{
    struct world *world = *state;
    open_account(world);
    const struct script scripts[] = {
        { .pieces = { { "UPDATE account SET amount=0", SQLITE_OK },
                      { "INSERT OR ROLLBACK INTO account VALUES(2,1,'a')",
                        SQLITE_CONSTRAINT_UNIQUE } } },
        { .pieces = { { "INSERT OR ROLLBACK INTO account VALUES(2,1,'a')",
                        SQLITE_CONSTRAINT_UNIQUE },
                      { "INSERT INTO account VALUES(3,1,'c')", SQLITE_CONSTRAINT_COMMITHOOK },
                      { "CREATE TABLE more(x)", SQLITE_CONSTRAINT_COMMITHOOK } } },
        { .pieces = { { "INSERT OR ROLLBACK INTO account VALUES(2,1,'a')",
                        SQLITE_CONSTRAINT_UNIQUE },
                      { "SAVEPOINT again", SQLITE_OK },
                      { "INSERT INTO account VALUES(4,1,'d')", SQLITE_OK } } },
        { .pieces = { { "INSERT OR ROLLBACK INTO account VALUES(2,1,'a')",
                        SQLITE_CONSTRAINT_UNIQUE },
                      { "SAVEPOINT again", SQLITE_OK },
                      { "INSERT INTO account VALUES(4,1,'d')", SQLITE_OK },
                      { "RELEASE again", SQLITE_CONSTRAINT_COMMITHOOK } } },
    };
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct script script = scripts[i];
        script.says = true;
        assert_int_equal(transact(world, &script), PD_E_STATE);
        assert_non_null(strstr(world->err.text, "nothing of it was kept"));
        assert_int_equal(number(world, PAID), 100);
        assert_int_equal(number(world, "SELECT count(*) FROM account"), 1);
        assert_int_equal(number(world, "SELECT count(*) FROM more"), -1);
        assert_int_equal(mail(world, 0, 0).count, 1);
        script.says = false;
        assert_int_equal(transact(world, &script), PD_E_CANCELLED);
        assert_int_equal(number(world, PAID), 100);
    }
    assert_goes_on(world, 100);
}

static int fine(void *aux)
{
    (void)aux;
    return 0;
}

static void take_our_hook(sqlite3 *db)
{
    (void)sqlite3_commit_hook(db, fine, NULL);
}

static void nothing_is_kept_when_a_body_took_the_hooks(void **state)
{
    struct world *world = *state;
    open_account(world);
    struct script script = { .pieces = { { "UPDATE account SET amount=0", SQLITE_OK } },
                             .says = true,
                             .last = take_our_hook };
    assert_int_equal(transact(world, &script), PD_E_STATE);
    assert_int_equal(number(world, PAID), 100);
    assert_goes_on(world, 100);
}

/* ---- what a body leaves behind --------------------------------------------------------------- */

static sqlite3_stmt *left[3];

static void leave_statements(sqlite3 *db)
{
    static const char *const sql[] = { "SELECT * FROM account",
                                       "UPDATE account SET amount=amount+1 RETURNING id",
                                       "SELECT * FROM instance" };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sqlite3_prepare_v2(db, sql[i], -1, &left[i], NULL), SQLITE_OK);
        (void)sqlite3_step(left[i]);
    }
}

/* One that still read would keep what it sees: the log could not start over, and the next
 * transaction not begin. */
static void statements_left_in_the_middle_hold_nothing_up(void **state)
{
    struct world *world = *state;
    static char bytes[400000];
    open_account(world);
    struct script script = {
        .pieces = { { "INSERT INTO account VALUES(NULL,10,NULL)", SQLITE_OK } },
        .says = true,
        .last = leave_statements,
    };
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, "a reader needs something", RUN_RUNNING);
    commit_ok(world, batch);
    assert_ok(world, transact(world, &script));
    assert_int_equal(number(world, PAID), 112);
    memset(bytes, 'x', sizeof bytes);
    for (uint64_t turn = 1; turn <= 60; turn++) {
        batch = batch_for(world, 0);
        append(batch, row, turn, text_make(bytes, sizeof bytes));
        commit_ok(world, batch);
    }
    char path[400];
    (void)snprintf(path, sizeof path, "%s/hub0.db-wal", world->folder);
    FILE *log = fopen(path, "rb");
    assert_non_null(log);
    assert_int_equal(fseek(log, 0, SEEK_END), 0);
    assert_in_range(ftell(log), 1, 12 * 1000 * 1000);
    (void)fclose(log);
    for (size_t i = 0; i < 3; i++) {
        (void)sqlite3_finalize(left[i]);
    }
    assert_int_equal(number(world, PAID), 112);
    script.says = false;
    assert_int_equal(transact(world, &script), PD_E_CANCELLED);
    for (size_t i = 0; i < 3; i++) {
        (void)sqlite3_finalize(left[i]);
    }
    assert_int_equal(number(world, PAID), 112);
}

static void a_handle_with_statements_left_is_closed_without_loss(void **state)
{
    struct world *world = *state;
    open_account(world);
    struct script script = { .says = true, .last = leave_statements };
    assert_ok(world, transact(world, &script));
    world_crash(world);
    assert_int_equal(number(world, PAID), 101);
    store_close(world->dead);
    world->dead = NULL;
    for (size_t i = 0; i < 3; i++) {
        (void)sqlite3_finalize(left[i]);
    }
}

/* ---- what is ours ---------------------------------------------------------------------------- */

static void refuse(sqlite3 *db, const char *format, const char *name, const char *second)
{
    char *sql = sqlite3_mprintf(format, name, second);
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (code != SQLITE_AUTH) {
        fail_msg("%s: %d, %s", sql, code, sqlite3_errmsg(db));
    }
    sqlite3_free(sql);
}

/* Every table, index and view that a new hub has. */
static void try_to_change_ours(sqlite3 *db)
{
    sqlite3_stmt *all, *column;
    int tables = 0;
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT type,name FROM sqlite_schema WHERE name NOT LIKE"
                                        " 'sqlite_%'",
                                        -1, &all, NULL),
                     SQLITE_OK);
    while (sqlite3_step(all) == SQLITE_ROW) {
        const void *type = sqlite3_column_text(all, 0);
        const void *name = sqlite3_column_text(all, 1);
        if (strcmp(type, "index") == 0) {
            refuse(db, "DROP INDEX %s", name, NULL);
            refuse(db, "REINDEX %s", name, NULL);
        } else if (strcmp(type, "view") == 0) {
            refuse(db, "DROP VIEW %s", name, NULL);
            refuse(db, "CREATE TEMP VIEW %s AS SELECT 1", name, NULL);
        } else {
            char *sql = sqlite3_mprintf("SELECT name FROM pragma_table_info(%Q)", name);
            assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &column, NULL), SQLITE_OK);
            assert_int_equal(sqlite3_step(column), SQLITE_ROW);
            const void *first = sqlite3_column_text(column, 0);
            tables++;
            refuse(db, "INSERT INTO %s DEFAULT VALUES", name, NULL);
            refuse(db, "UPDATE main.%s SET \"%w\"=NULL", name, first);
            refuse(db, "DELETE FROM %s", name, NULL);
            refuse(db, "DROP TABLE %s", name, NULL);
            refuse(db, "CREATE TABLE IF NOT EXISTS %s(x)", name, NULL);
            refuse(db, "CREATE TEMP TABLE %s(x)", name, NULL);
            refuse(db, "ALTER TABLE %s ADD COLUMN theirs", name, NULL);
            refuse(db, "ALTER TABLE %s RENAME TO theirs", name, NULL);
            refuse(db, "CREATE INDEX theirs ON %s(\"%w\")", name, first);
            refuse(db,
                   "CREATE TRIGGER theirs AFTER INSERT ON %s BEGIN"
                   " SELECT raise(ABORT,''); END",
                   name, NULL);
            refuse(db,
                   "CREATE TEMP TRIGGER theirs AFTER INSERT ON %s BEGIN"
                   " SELECT raise(ABORT,''); END",
                   name, NULL);
            refuse(db, "ANALYZE %s", name, NULL);
            (void)sqlite3_finalize(column);
            sqlite3_free(sql);
        }
    }
    assert_int_equal(tables, 12);
    (void)sqlite3_finalize(all);
    /* Nor what a version to come may have. */
    refuse(db, "CREATE TABLE %s(x)", "Perdure_new", NULL);
    assert_int_equal(sqlite3_exec(db, "SELECT * FROM perdure_instances", NULL, NULL, NULL),
                     SQLITE_OK);
}

static void a_body_reads_our_tables_and_changes_none(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    insert(world, batch, "reads", RUN_RUNNING);
    commit_ok(world, batch);
    int64_t version = number(world, "PRAGMA schema_version");
    struct script script = { .says = true, .last = try_to_change_ours };
    assert_ok(world, transact(world, &script));
    assert_int_equal(number(world, "PRAGMA schema_version"), version);
    struct instance_record record;
    assert_true(find(world, "reads", &record));
}

/* Theirs may say what happens to ours, through a trigger: that is refused as well. */
static void a_trigger_of_theirs_changes_none_of_ours_either(void **state)
{
    struct world *world = *state;
    open_account(world);
    struct script script = { .pieces = { { "CREATE TRIGGER sly AFTER UPDATE ON account BEGIN"
                                           " DELETE FROM instance; END",
                                           SQLITE_OK },
                                         { "UPDATE account SET amount=1", SQLITE_AUTH },
                                         { "DROP TRIGGER sly", SQLITE_OK },
                                         { "UPDATE account SET amount=2", SQLITE_OK } },
                             .says = true };
    assert_ok(world, transact(world, &script));
    assert_int_equal(number(world, PAID), 2);
}

static void settings_of_the_file_are_not_theirs_to_change(void **state)
{
    struct world *world = *state;
    struct script script = { .pieces = { { "PRAGMA user_version=9", SQLITE_AUTH },
                                         { "PRAGMA application_id=9", SQLITE_AUTH },
                                         { "PRAGMA synchronous=OFF", SQLITE_AUTH },
                                         { "PRAGMA writable_schema=ON", SQLITE_AUTH },
                                         { "PRAGMA journal_mode=DELETE", SQLITE_AUTH },
                                         { "PRAGMA foreign_keys=ON", SQLITE_AUTH },
                                         { "ATTACH ':memory:' AS other", SQLITE_AUTH },
                                         { "PRAGMA table_info(instance)", SQLITE_OK },
                                         { "PRAGMA user_version", SQLITE_OK },
                                         { "PRAGMA defer_foreign_keys=ON", SQLITE_OK } },
                             .says = true };
    assert_ok(world, transact(world, &script));
    assert_int_equal(number(world, "PRAGMA user_version"), SCHEMA_VERSION);
}

/* ---- beside it ------------------------------------------------------------------------------- */

static struct world *beside;

static void send_from_elsewhere(sqlite3 *db)
{
    (void)db;
    struct instance_record record;
    assert_false(find(beside, "nobody", &record));
}

static void others_read_beside_a_body(void **state)
{
    struct world *world = *state;
    struct script script = { .pieces = { { "CREATE TABLE mine(x)", SQLITE_OK } },
                             .says = true,
                             .last = send_from_elsewhere };
    beside = world;
    assert_ok(world, transact(world, &script));
    assert_int_equal(number(world, "SELECT count(*) FROM mine"), 0);
}

int main(void)
{
    union {
        const struct provider *given;
        void *state;
    } initial = { .given = &provider_sqlite };
#define TEST(name) \
    cmocka_unit_test_prestate_setup_teardown(name, world_set_up, world_tear_down, initial.state)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_and_the_message_are_there_together),
        TEST(the_message_is_numbered_among_the_others),
        TEST(a_body_that_says_no_leaves_nothing),
        TEST(a_stale_owner_does_not_run_it),
        TEST(those_who_wait_for_commits_are_told),
        TEST(a_body_cannot_begin_commit_or_roll_back),
        TEST(savepoints_of_a_body_are_its_own),
        TEST(nothing_is_kept_when_a_statement_rolled_the_transaction_back),
        TEST(nothing_is_kept_when_a_body_took_the_hooks),
        TEST(statements_left_in_the_middle_hold_nothing_up),
        TEST(a_handle_with_statements_left_is_closed_without_loss),
        TEST(a_body_reads_our_tables_and_changes_none),
        TEST(a_trigger_of_theirs_changes_none_of_ours_either),
        TEST(settings_of_the_file_are_not_theirs_to_change),
        TEST(others_read_beside_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
