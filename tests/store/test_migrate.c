/* SPDX-License-Identifier: MIT
 *
 * Files of earlier versions, in the SQLite provider: version1.sql and version2.sql are such as
 * their libraries made them. What one holds is there after it was opened, what is new can be kept
 * in it, and from then on it cannot be told from a file that was made by this version. */
#include "rig.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/core.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite.h"

static const char *path_in(const struct world *world, const char *name)
{
    static char paths[2][400];
    static int turn;
    char *path = paths[turn++ % 2];
    (void)snprintf(path, sizeof paths[0], "%s/%s", world->folder, name);
    return path;
}

static sqlite3 *open_plain(const struct world *world, const char *name)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_in(world, name), &db), SQLITE_OK);
    return db;
}

/* The first column of all rows, a line each. */
static char *ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    char *answer = calloc(1, 1 << 16);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK) {
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    }
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const void *text = sqlite3_column_text(statement, 0);
        size_t size = strlen(answer);
        assert_true(size + (size_t)sqlite3_column_bytes(statement, 0) + 2 < 1 << 16);
        (void)snprintf(answer + size, (1 << 16) - size, "%s\n",
                       text != NULL ? (const char *)text : "-");
    }
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    return answer;
}

static void assert_answer(const struct world *world, const char *name, const char *sql,
                          const char *expected)
{
    sqlite3 *db = open_plain(world, name);
    char *answer = ask(db, sql);
    assert_string_equal(answer, expected);
    free(answer);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void make_version(struct world *world, int version, const char *name)
{
    static char sql[1 << 16], path[400];
    (void)snprintf(path, sizeof path, PERDURE_SOURCE_DIR "/tests/store/version%d.sql", version);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(sql, 1, sizeof sql - 1, file);
    assert_in_range(size, 10000, sizeof sql - 2);
    sql[size] = 0;
    (void)fclose(file);
    sqlite3 *db = open_plain(world, name);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA page_size=8192; PRAGMA journal_mode=WAL", NULL, NULL, NULL),
        SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s", sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The world then is the migrated file. */
static void enter_version(struct world *world, int version)
{
    make_version(world, version, "hub1.db");
    store_close(world->store);
    world->crashes = 1;
    world->store = store_sqlite_open(path_in(world, "hub1.db"), 7, NULL, &world->err);
    if (world->store == NULL) {
        fail_msg("%s", world->err.text);
    }
    assert_int_equal(world->store->partition_count, 2);
}

static struct ownership own(struct world *world, unsigned partition)
{
    struct ownership ownership;
    assert_ok(world,
              world->store->ops->own(world->store, partition, WORLD_NOW, &ownership, &world->err));
    world->epochs[partition] = ownership.epoch;
    world->rows[partition] = ownership.row_next;
    return ownership;
}

#define T0 INT64_C(1772368496000001)

/* As it says of itself, so that it need not be written here again at each version. */
static void assert_is_of_this_version(struct world *world, const char *name)
{
    char expected[16];
    (void)snprintf(expected, sizeof expected, "%d\n", SCHEMA_VERSION);
    assert_answer(world, name, "PRAGMA user_version", expected);
}

static void all_that_a_version_1_file_holds_is_there_after_migrating(void **state)
{
    struct world *world = *state;
    enter_version(world, 1);
    struct instance_record done, runs, failed;
    assert_true(find(world, "done", &done));
    assert_true(find(world, "runs", &runs));
    assert_true(find(world, "failed", &failed));
    struct instance_record expected = {
        .row = 4,
        .partition = 0,
        .id = TEXT("runs"),
        .execution_id = TEXT("execution-runs"),
        .name = TEXT("Greet"),
        .version = TEXT("1.0"),
        .input = TEXT("{\"city\":\"Tokyo\"}"),
        .state = RUN_RUNNING,
        .is_busy = true,
        .created_at = T0,
        .updated_at = T0 + 1000000,
        .custom_status = TEXT("\"half\""),
    };
    assert_same_record(&runs, &expected);
    assert_int_equal(done.state, RUN_COMPLETED);
    assert_text(done.output, TEXT("\"Hello\""));
    assert_int_equal(done.ended_at, T0 + 2000000);
    assert_text(failed.failure, TEXT("\x0a\x04"
                                     "Boom\x12\x04loud"));
    assert_int_equal(history(world, done.row, 0).count, 1);
    assert_int_equal(history(world, done.row, 0).turns[0].size, 140);
    assert_int_equal(inbox(world, runs.row).arrivals[0], 5);
    assert_int_equal(due(world, 0, 0, INT64_MAX, 10).items[0].id, 3);
    assert_int_equal(busy(world, 0, 0, 10).count, 1);
    assert_int_equal(busy(world, 0, 0, 10).rows[0], 4);
    struct message start = message_of(MESSAGE_START, 1, "waits", "start of it");
    start.flags = STATES_ENDED; /* as it took effect then */
    assert_int_equal(mail(world, 1, 0).count, 1);
    assert_same_message(&mail(world, 1, 0).items[0], &start);
    assert_int_equal(mail(world, 0, 0).items[0].kind, MESSAGE_RAISE);
    assert_int_equal(mail(world, 0, 0).items[0].flags, 0);
}

static void numbers_go_on_where_version_1_ended(void **state)
{
    struct world *world = *state;
    enter_version(world, 1);
    struct ownership zero = own(world, 0), one = own(world, 1);
    assert_int_equal(zero.epoch, 2);
    assert_int_equal(zero.row_next, 6);
    assert_int_equal(one.row_next, 3);
    struct message message = message_of(MESSAGE_START, 1, "waits", "again");
    assert_int_equal(world->store->ops->accept(world->store, &message, 1, &world->err),
                     PD_E_EXISTS);
    message.instance_id = TEXT("new");
    assert_ok(world, world->store->ops->accept(world->store, &message, 1, &world->err));
    assert_int_equal(mail(world, 1, 0).items[1].number, 2);
}

static void what_is_new_can_be_kept_in_a_migrated_file(void **state)
{
    struct world *world = *state;
    enter_version(world, 1);
    (void)own(world, 0);
    struct batch *batch = batch_for(world, 0);
    struct instance_record *child = record_of(batch, world->rows[0], "child");
    struct message message = message_of(MESSAGE_PURGE, 1, "failed", "");
    message.bytes = TEXT_ABSENT;
    make_child(child, "runs");
    put_record(batch, MUTATION_INSTANCE_INSERT, child);
    set_progress(batch, 4, 3, TEXT("50"));
    post(batch, &message);
    struct instance_record *renewed = record_of(batch, 2, "done");
    renewed->execution_id = TEXT("another");
    put_record(batch, MUTATION_INSTANCE_RENEW, renewed);
    commit_ok(world, batch);
    struct store_query children = { .parent_id = TEXT("runs"), .limit = 10 };
    assert_int_equal(query(world, &children).count, 1);
    assert_text(progress(world, 4).items[0].bytes, TEXT("50"));
    assert_same_message(&mail(world, 1, 1).items[0], &message);
    assert_int_equal(history(world, 2, 0).count, 0);
    assert_answer(world, "hub1.db",
                  "SELECT instance_id||' '||ifnull(parent_id,'-')||' '||ifnull(tags,'-')"
                  " FROM perdure_instances ORDER BY row",
                  "failed - -\ndone - -\nruns - -\n"
                  "child runs {\"colour\":\"red\",\"shape\":\"\"}\n");
}

/* What version 1 had too is where it was; then what came with version 2. */
static void all_that_a_version_2_file_holds_is_there_after_migrating(void **state)
{
    struct world *world = *state;
    enter_version(world, 2);
    struct instance_record got, expected = {
        .row = 6,
        .id = TEXT("child"),
        .execution_id = TEXT("execution-child"),
        .name = TEXT("Greet"),
        .version = TEXT("1.0"),
        .input = TEXT("{\"city\":\"Tokyo\"}"),
        .state = RUN_PENDING,
        .created_at = T0,
        .updated_at = T0 + 1000000,
    };
    make_child(&expected, "runs");
    expected.parent_execution_id = TEXT("execution-runs");
    expected.starts_at = T0 + 5000;
    assert_true(find(world, "child", &got));
    assert_same_record(&got, &expected);
    assert_true(find(world, "done", &got));
    assert_int_equal(history(world, got.row, 0).turns[0].size, 140);
    assert_int_equal(inbox(world, 4).arrivals[0], 5);
    assert_int_equal(busy(world, 0, 0, 10).rows[0], 4);
    assert_text(progress(world, 4).items[0].bytes, TEXT("{\"at\":50}"));
    struct timer_page timers = due(world, 0, 0, INT64_MAX, 10);
    assert_int_equal(timers.count, 2);
    assert_int_equal(timers.items[0].id, -1);
    assert_int_equal(timers.items[1].due, INT64_C(1804000000000000));
    struct message_page zero = mail(world, 0, 0), one = mail(world, 1, 0);
    struct message ended = message_of(MESSAGE_CHILD_ENDED, 0, "runs", "end of it");
    struct message start = message_of(MESSAGE_START, 1, "waits", "start of it");
    struct message purge = message_of(MESSAGE_PURGE, 1, "failed", "");
    ended.execution_id = TEXT("execution-runs");
    start.flags = 8;
    purge.bytes = TEXT_ABSENT;
    assert_int_equal(zero.count, 2);
    assert_int_equal(zero.items[0].kind, MESSAGE_RAISE);
    assert_same_message(&zero.items[1], &ended);
    assert_int_equal(one.count, 2);
    assert_same_message(&one.items[0], &start);
    assert_same_message(&one.items[1], &purge);
    assert_int_equal(own(world, 0).row_next, 8);
    assert_int_equal(own(world, 1).row_next, 3);
}

static void entities_can_be_kept_in_a_migrated_file(void **state)
{
    struct world *world = *state;
    struct entity_record got;
    enter_version(world, 2);
    uint64_t row = own(world, 0).row_next;
    struct batch *batch = batch_for(world, 0);
    struct message signal = message_of(MESSAGE_OPERATION, 0, "@counter@x", "a signal");
    struct message cancel = message_of(MESSAGE_CANCEL_SIGNAL, 0, "@counter@y", "forget it");
    put_entity(batch, entity_of(batch, row, "@counter@x"));
    numbered(batch, MUTATION_INBOX_PUT, row, 1, TEXT("an operation"));
    commit_ok(world, batch);
    assert_ok(world, world->store->ops->accept(world->store, &signal, 1, &world->err));
    assert_same_message(&mail(world, 0, 2).items[0], &signal);
    assert_int_equal(world->store->ops->accept(world->store, &cancel, 1, &world->err),
                     PD_E_NOT_FOUND);
    assert_true(find_entity(world, "@counter@x", &got));
    assert_int_equal(got.row, row);
    assert_int_equal(inbox(world, row).count, 1);
    assert_answer(world, "hub1.db",
                  "SELECT entity_id||' '||name||' '||key||' '||backlog FROM perdure_entities",
                  "@counter@x counter x 1\n");
}

/* Names that were free in version 2. */
static void tables_of_the_user_are_in_nobodys_way_when_a_file_is_migrated(void **state)
{
    struct world *world = *state;
    make_version(world, 2, "theirs.db");
    sqlite3 *db = open_plain(world, "theirs.db");
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TABLE entity(x); INSERT INTO entity VALUES('theirs');"
                                  "CREATE TABLE entities(x); CREATE TABLE \"lock\"(x);"
                                  "CREATE INDEX entity_id ON entities(x)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    struct store *store = store_sqlite_open(path_in(world, "theirs.db"), 1, NULL, &world->err);
    assert_non_null(store);
    store_close(store);
    assert_is_of_this_version(world, "theirs.db");
    assert_answer(world, "theirs.db", "SELECT x FROM entity", "theirs\n");
}

static void assert_migrated_is_like_new(struct world *world, int version)
{
    static const char all[] = "SELECT type||' '||name||' '||tbl_name||' '||ifnull(sql,'')"
                              " FROM sqlite_schema ORDER BY type,name";
    sqlite3 *fresh = open_plain(world, "hub0.db");
    enter_version(world, version);
    sqlite3 *migrated = open_plain(world, "hub1.db");
    char *expected = ask(fresh, all), *got = ask(migrated, all);
    assert_string_equal(got, expected);
    assert_non_null(strstr(got, "view perdure_history"));
    free(expected);
    free(got);
    expected = ask(fresh, "SELECT x||v FROM byte ORDER BY v");
    got = ask(migrated, "SELECT x||v FROM byte ORDER BY v");
    assert_string_equal(got, expected);
    free(expected);
    free(got);
    assert_int_equal(sqlite3_close(fresh), SQLITE_OK);
    assert_int_equal(sqlite3_close(migrated), SQLITE_OK);
    assert_is_of_this_version(world, "hub1.db");
    assert_answer(world, "hub1.db", "PRAGMA integrity_check", "ok\n");
    assert_answer(world, "hub1.db",
                  "SELECT event_type||' '||ifnull(result,'-') FROM perdure_history"
                  " WHERE instance_id='done' ORDER BY number",
                  "OrchestratorStarted -\nExecutionStarted -\nExecutionCompleted \"Hello\"\n"
                  "OrchestratorCompleted -\n");
}

static void a_file_migrated_from_version_1_is_like_a_new_one(void **state)
{
    assert_migrated_is_like_new(*state, 1);
}

static void a_file_migrated_from_version_2_is_like_a_new_one(void **state)
{
    assert_migrated_is_like_new(*state, 2);
}

/* A process of the version before may run the engine: it would not know what is in the file. */
static void a_file_whose_engine_runs_is_not_migrated_under_it(void **state)
{
    struct world *world = *state;
    make_version(world, 1, "old.db");
    FILE *lock = fopen(path_in(world, "old.db-lock"), "w");
    assert_non_null(lock);
    (void)fputs("process 77 on host elsewhere since long ago\n", lock);
    (void)fflush(lock);
    assert_int_equal(flock(fileno(lock), LOCK_EX), 0);
    assert_null(store_sqlite_open(path_in(world, "old.db"), 1, NULL, &world->err));
    assert_int_equal(world->err.status, PD_E_STATE);
    assert_non_null(strstr(world->err.text, "cannot be migrated"));
    assert_non_null(strstr(world->err.text, "process 77 on host elsewhere"));
    assert_answer(world, "old.db", "PRAGMA user_version", "1\n");
    (void)fclose(lock);
    struct store *store = store_sqlite_open(path_in(world, "old.db"), 1, NULL, &world->err);
    assert_non_null(store);
    struct ownership ownership;
    assert_ok(world, store->ops->own(store, 0, WORLD_NOW, &ownership, &world->err));
    store_close(store);
    assert_is_of_this_version(world, "old.db");
}

static void an_engine_does_not_start_on_a_file_migrated_since_it_was_opened(void **state)
{
    struct world *world = *state;
    struct ownership ownership;
    sqlite3 *db = open_plain(world, "hub0.db");
    for (unsigned i = 0; i < WORLD_PARTITIONS; i++) {
        world->store->ops->disown(world->store, i);
    }
    char sql[40], text[60];
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version=%d", SCHEMA_VERSION + 1);
    (void)snprintf(text, sizeof text, "was made version %d by a newer library", SCHEMA_VERSION + 1);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(world->store->ops->own(world->store, 0, WORLD_NOW, &ownership, &world->err),
                     PD_E_STATE);
    assert_non_null(strstr(world->err.text, text));
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version=%d", SCHEMA_VERSION);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    world_own(world);
    assert_int_equal(world->epochs[0], 2);
}

static void several_processes_may_migrate_a_file_at_once(void **state)
{
    struct world *world = *state;
    enum { MAKERS = 4 };
    pid_t children[MAKERS];
    make_version(world, 1, "race.db");
    for (int i = 0; i < MAKERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            pd_error err;
            struct store *store = store_sqlite_open(path_in(world, "race.db"), 1, NULL, &err);
            if (store == NULL) {
                (void)fprintf(stderr, "%s\n", err.text);
            }
            _exit(store == NULL || store->partition_count != 2);
        }
    }
    for (int i = 0; i < MAKERS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_answer(world, "race.db", "SELECT count(*) FROM instance", "3\n");
    assert_answer(world, "race.db", "SELECT count(*) FROM mailbox", "2\n");
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
        TEST(all_that_a_version_1_file_holds_is_there_after_migrating),
        TEST(numbers_go_on_where_version_1_ended),
        TEST(what_is_new_can_be_kept_in_a_migrated_file),
        TEST(all_that_a_version_2_file_holds_is_there_after_migrating),
        TEST(entities_can_be_kept_in_a_migrated_file),
        TEST(tables_of_the_user_are_in_nobodys_way_when_a_file_is_migrated),
        TEST(a_file_migrated_from_version_1_is_like_a_new_one),
        TEST(a_file_migrated_from_version_2_is_like_a_new_one),
        TEST(a_file_whose_engine_runs_is_not_migrated_under_it),
        TEST(an_engine_does_not_start_on_a_file_migrated_since_it_was_opened),
        TEST(several_processes_may_migrate_a_file_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
