/* SPDX-License-Identifier: MIT
 *
 * Files of earlier versions, brought up to this one on a disk that crashes or fails at each of its
 * operations in turn: what they hold is there afterwards. */
#include "work.h"

#include <stdio.h>

#include "fault_vfs.h"
#include "store/sqlite/schema.h"

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
    work_begin(&work);
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
    work_end(&work);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(S3_a_crash_or_failure_while_migrating_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
