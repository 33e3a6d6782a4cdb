/* SPDX-License-Identifier: MIT
 *
 * The SQLite store when the power goes (fault_vfs.h): the same work is done again and again, and
 * each time the crash comes one operation of the disk later. After it (S1, S3): m is at least the
 * number acknowledged and at most the number tried, and the file is sound. What was lost is done
 * again, to the end. */
#include "work.h"

#include <sqlite3.h>

#include "fault_vfs.h"

enum { SEEDS = 2 };

/* False: the work was over before the n-th operation. */
static bool crash_at(enum fault_kind kind, uint64_t n, uint64_t seed)
{
    struct work work;
    work_begin(&work);
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
    work_end(&work);
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

/* The shim itself: a test that can only pass proves nothing. */
static void without_syncs_a_crash_does_lose_commits(void **state)
{
    (void)state;
    sqlite3 *db;
    struct work work;
    int64_t count = -1;
    work_begin(&work);
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
    work_end(&work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_syncs_a_crash_does_lose_commits),
        cmocka_unit_test(S3_a_crash_that_loses_all_that_was_not_synced_leaves_a_prefix),
        cmocka_unit_test(S3_a_crash_that_tears_what_was_not_synced_leaves_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
