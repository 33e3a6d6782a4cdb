/* SPDX-License-Identifier: MIT
 *
 * The SQLite store on a disk that fails (fault_vfs.h): the same work is done again and again, and
 * each time the next operation of the disk is the one that fails.
 *
 *   After a crash (S1, S3): m is at least the number acknowledged and at most the number tried, and
 *   the file is sound. What was lost is done again, to the end.
 *   After a failing or full disk: the call says PD_E_UNAVAILABLE and that one may try again; what
 *   the store then shows is either without the commit or with it; doing it again brings the work to
 *   its end; and a crash after that loses nothing. */
#include "work.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fault_vfs.h"
#include "store/sqlite/schema.h"

enum { SEEDS = 2, OPERATIONS_MAX = 2000 };

/* ---- one run --------------------------------------------------------------------------------- */

static void begin(struct work *work)
{
    *work = (struct work){ .vfs = FAULT_VFS };
    (void)snprintf(work->folder, sizeof work->folder, "/tmp/perdure-faults.XXXXXX");
    assert_non_null(mkdtemp(work->folder));
    (void)snprintf(work->path, sizeof work->path, "%s/hub.db", work->folder);
    fault_install();
}

static void end(struct work *work)
{
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal", "-lock", "-wake" };
    work_close(work);
    fault_settle();
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[160];
        (void)snprintf(path, sizeof path, "%s%s", work->path, suffixes[i]);
        (void)unlink(path);
    }
    (void)rmdir(work->folder);
    arena_done(&work->arena);
}

/* False: the work was over before the n-th operation. */
static bool crash_at(enum fault_kind kind, uint64_t n, uint64_t seed)
{
    struct work work;
    begin(&work);
    fault_arm(kind, n, seed);
    pd_status status = work_go_on(&work);
    work_close(&work);
    bool has_come = fault_has_come();
    assert_true(has_come || status == PD_OK);
    fault_settle();
    work_must(&work, work_open(&work));
    work_take_stock(&work);
    work_assert_sound(&work);
    work_must(&work, work_go_on(&work));
    work_assert_all_done(&work);
    end(&work);
    return has_come;
}

static bool fail_at(enum fault_kind kind, uint64_t n, enum fault_kind crash)
{
    struct work work;
    begin(&work);
    fault_arm(kind, n, n);
    pd_status status = work_go_on(&work);
    bool has_come = fault_has_come();
    if (status != PD_OK) {
        assert_true(has_come);
        assert_int_equal(status, PD_E_UNAVAILABLE);
        assert_true(work.err.retryable);
        fault_disarm();
        if (work.store == NULL) {
            work_must(&work, work_open(&work));
        }
        work_take_stock(&work);
        work_must(&work, work_go_on(&work));
    }
    work_assert_all_done(&work);
    /* And now the power goes. */
    fault_crash(crash, n);
    work_close(&work);
    fault_settle();
    work_must(&work, work_open(&work));
    work_assert_all_done(&work);
    work_assert_sound(&work);
    end(&work);
    return has_come;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void S3_a_crash_that_loses_all_that_was_not_synced_leaves_a_prefix(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (n < OPERATIONS_MAX && crash_at(FAULT_CRASH_LOSE, n, n)) {
        n++;
    }
    assert_in_range(n, 100, OPERATIONS_MAX - 1);
}

static void S3_a_crash_that_tears_what_was_not_synced_leaves_a_prefix(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t n = seed;
        while (n < OPERATIONS_MAX && crash_at(FAULT_CRASH_TEAR, n, seed * 1000003 + n)) {
            n += seed;
        }
        assert_in_range(n, 100, OPERATIONS_MAX - 1);
    }
}

static void S1_a_failing_disk_is_said_to_be_and_the_store_goes_on(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (n < OPERATIONS_MAX &&
           fail_at(FAULT_IO, n, n % 2 == 0 ? FAULT_CRASH_LOSE : FAULT_CRASH_TEAR)) {
        n++;
    }
    assert_in_range(n, 100, OPERATIONS_MAX - 1);
}

static void S1_a_full_disk_is_said_to_be_and_the_store_goes_on_when_there_is_room(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (n < OPERATIONS_MAX &&
           fail_at(FAULT_FULL, n, n % 2 == 0 ? FAULT_CRASH_LOSE : FAULT_CRASH_TEAR)) {
        n++;
    }
    assert_in_range(n, 50, OPERATIONS_MAX - 1);
}

/* ---- migrating ------------------------------------------------------------------------------- */

static void make_version(const struct work *work, int version)
{
    static char sql[1 << 16], path[400];
    sqlite3 *db;
    (void)snprintf(path, sizeof path, PERDURE_SOURCE_DIR "/tests/store/version%d.sql", version);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(sql, 1, sizeof sql - 1, file);
    assert_in_range(size, 10000, sizeof sql - 2);
    sql[size] = 0;
    (void)fclose(file);
    assert_int_equal(sqlite3_open(work->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL", NULL, NULL, NULL),
        SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s", sqlite3_errmsg(db));
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static bool migrate_at(int version, enum fault_kind kind, uint64_t n)
{
    struct work work;
    struct record_page page;
    struct message_page mail;
    struct store_query all = { .limit = 100, .with_payloads = true };
    begin(&work);
    make_version(&work, version);
    fault_arm(kind, n, n);
    pd_status status = work_open(&work);
    work_close(&work);
    bool has_come = fault_has_come();
    assert_true(has_come || status == PD_OK);
    fault_crash(FAULT_CRASH_LOSE, n);
    fault_settle();
    work_must(&work, work_open(&work));
    work_must(&work, work.store->ops->query(work.store, &all, &work.arena, &page, &work.err));
    work_must(&work, work.store->ops->receive(work.store, 1, 0, 10, &work.arena, &mail, &work.err));
    assert_int_equal(page.count, version == 1 ? 3 : 4);
    assert_int_equal(mail.count, version == 1 ? 1 : 2);
    work_assert_entities(&work, 0);
    work_assert_sound(&work);
    end(&work);
    return has_come;
}

static void S3_a_crash_or_failure_while_migrating_loses_nothing(void **state)
{
    (void)state;
    static const enum fault_kind kinds[] = { FAULT_CRASH_LOSE, FAULT_CRASH_TEAR, FAULT_IO,
                                             FAULT_FULL };
    for (int version = 1; version < SCHEMA_VERSION; version++) {
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            uint64_t n = 1;
            while (n < OPERATIONS_MAX && migrate_at(version, kinds[i], n)) {
                n++;
            }
            assert_in_range(n, 10, OPERATIONS_MAX - 1);
        }
    }
}

/* The shim itself: a test that can only pass proves nothing. */
static void without_syncs_a_crash_does_lose_commits(void **state)
{
    (void)state;
    sqlite3 *db;
    struct work work;
    int64_t count = -1;
    begin(&work);
    fault_arm(FAULT_NONE, 0, 0);
    assert_int_equal(
        sqlite3_open_v2(work.path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, FAULT_VFS),
        SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode=WAL; CREATE TABLE t(x);"
                                  "INSERT INTO t VALUES(1); PRAGMA synchronous=OFF;"
                                  "INSERT INTO t VALUES(2)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    fault_crash(FAULT_CRASH_LOSE, 1);
    (void)sqlite3_close(db);
    fault_settle();
    assert_int_equal(sqlite3_open(work.path, &db), SQLITE_OK);
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &statement, NULL),
                     SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW) {
        count = sqlite3_column_int64(statement, 0);
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    assert_int_equal(count, 1);
    end(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_syncs_a_crash_does_lose_commits),
        cmocka_unit_test(S3_a_crash_that_loses_all_that_was_not_synced_leaves_a_prefix),
        cmocka_unit_test(S3_a_crash_that_tears_what_was_not_synced_leaves_a_prefix),
        cmocka_unit_test(S1_a_failing_disk_is_said_to_be_and_the_store_goes_on),
        cmocka_unit_test(S1_a_full_disk_is_said_to_be_and_the_store_goes_on_when_there_is_room),
        cmocka_unit_test(S3_a_crash_or_failure_while_migrating_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
