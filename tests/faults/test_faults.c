/* SPDX-License-Identifier: MIT
 *
 * The SQLite store on a disk that fails (fault_vfs.h): the same work is done again and again, and
 * each time the next operation of the disk is the one that fails.
 *
 * The work is fixed: a hub is made, owned, given COMMITS commits and MESSAGES messages, closed in
 * the middle (which moves the log into the file), opened and owned again. Commit k inserts instance
 * k, appends turn k to instance 1, sets timer k, wakes or ends others: so from what is there it can
 * be told whether exactly the first m commits are there, whole.
 *
 *   After a crash (S1, S3): m is at least the number acknowledged and at most the number tried, and
 *   the file is sound. What was lost is done again, to the end.
 *   After a failing or full disk: the call says PD_E_UNAVAILABLE and that one may try again; what
 *   the store then shows is either without the commit or with it; doing it again brings the work to
 *   its end; and a crash after that loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "fault_vfs.h"
#include "store/sqlite/sqlite.h"

enum { COMMITS = 8, REOPEN_AFTER = 4, MESSAGES = 3, SEEDS = 2, OPERATIONS_MAX = 2000 };

struct work {
    char folder[64], path[128];
    struct store *store;
    const char *vfs;
    struct ownership ownership;
    unsigned commits_done, commits_tried, messages_done, messages_tried;
    bool reopened;
    struct arena arena;
    pd_error err;
};

/* ---- the work -------------------------------------------------------------------------------- */

static struct batch *batch_number(const struct work *work, uint64_t k)
{
    static char filler[3000];
    struct batch *batch = batch_new(0, work->ownership.epoch, k);
    struct instance_record *record = arena_alloc(&batch->arena, sizeof *record);
    memset(filler, 'f', sizeof filler);
    *record = (struct instance_record){
        .row = k,
        .id = text_of(arena_printf(&batch->arena, "instance-%llu", (unsigned long long)k)),
        .name = TEXT("Work"),
        .input = text_make(filler, sizeof filler),
        .state = RUN_RUNNING,
        .is_busy = true,
        .created_at = (time_us)k,
        .updated_at = (time_us)k,
    };
    batch_add(batch, MUTATION_INSTANCE_INSERT, k)->instance = record;
    struct mutation *history = batch_add(batch, MUTATION_HISTORY_APPEND, 1);
    history->number = k;
    history->bytes = text_make(filler, sizeof filler);
    struct mutation *timer = batch_add(batch, MUTATION_TIMER_PUT, k);
    timer->id = (int32_t)k;
    timer->due = 1000;
    if (k > 1) {
        struct instance_record *ended = arena_alloc(&batch->arena, sizeof *ended);
        *ended = *record;
        ended->row = k - 1;
        ended->state = k - 1 == 1 ? RUN_SUSPENDED : RUN_COMPLETED;
        ended->is_busy = false;
        batch_add(batch, MUTATION_INSTANCE_UPDATE, k - 1)->instance = ended;
    }
    return batch;
}

static pd_status open_store(struct work *work)
{
    work->store = store_sqlite_open(work->path, 1, work->vfs, &work->err);
    return work->store != NULL ? PD_OK : work->err.status;
}

static void close_store(struct work *work)
{
    store_close(work->store);
    work->store = NULL;
}

static pd_status own(struct work *work)
{
    return work->store->ops->own(work->store, 0, 1, &work->ownership, &work->err);
}

static pd_status commit_next(struct work *work)
{
    struct batch *batch = batch_number(work, work->commits_done + 1);
    const struct batch *const batches[] = { batch };
    work->commits_tried = work->commits_done + 1;
    pd_status status = work->store->ops->commit(work->store, batches, 1, &work->err);
    work->commits_done += status == PD_OK;
    if (status == PD_OK) {
        work->store->ops->tend(work->store);
    }
    batch_free(batch);
    return status;
}

static pd_status accept_next(struct work *work)
{
    char id[32];
    (void)snprintf(id, sizeof id, "mail-%u", work->messages_done + 1);
    struct message message = { .kind = MESSAGE_START,
                               .instance_id = text_of(id),
                               .bytes = TEXT("bytes") };
    work->messages_tried = work->messages_done + 1;
    pd_status status = work->store->ops->accept(work->store, &message, 1, &work->err);
    work->messages_done += status == PD_OK;
    return status;
}

/* Goes on from where it is, to the end or to the first failure. */
static pd_status go_on(struct work *work)
{
    pd_status status = PD_OK;
    if (work->store == NULL) {
        status = open_store(work);
        work->ownership.epoch = 0;
    }
    while (status == PD_OK) {
        if (work->commits_done >= REOPEN_AFTER && !work->reopened) {
            work->reopened = true;
            close_store(work);
            status = open_store(work);
            work->ownership.epoch = 0;
        } else if (work->ownership.epoch == 0) {
            status = own(work);
        } else if (work->commits_done < COMMITS) {
            status = commit_next(work);
        } else if (work->messages_done < MESSAGES) {
            status = accept_next(work);
        } else {
            break;
        }
    }
    return status;
}

/* ---- what is there --------------------------------------------------------------------------- */

static void must(struct work *work, pd_status status)
{
    if (status != PD_OK) {
        fail_msg("%s: %s", work->err.where, work->err.text);
    }
}

/* How many commits are there, having checked that each is there whole. */
static unsigned commits_there(struct work *work)
{
    const struct store_ops *ops = work->store->ops;
    struct history_rows history;
    struct busy_page busy;
    struct timer_page timers;
    struct record_page records;
    struct store_query all = { .limit = 100, .with_payloads = true };
    arena_reset(&work->arena);
    must(work, ops->load_history(work->store, 1, 0, &work->arena, &history, &work->err));
    must(work, ops->query(work->store, &all, &work->arena, &records, &work->err));
    must(work, ops->scan_busy(work->store, 0, 0, 100, &work->arena, &busy, &work->err));
    must(work, ops->due_timers(work->store, 0, 0, 1000, 100, &work->arena, &timers, &work->err));
    assert_int_equal(records.count, history.count);
    assert_int_equal(timers.count, history.count);
    assert_int_equal(busy.count, history.count != 0);
    for (size_t i = 0; i < history.count; i++) {
        bool is_last = i + 1 == history.count;
        assert_int_equal(records.items[i].row, i + 1);
        assert_int_equal(records.items[i].input.size, 3000);
        assert_int_equal(records.items[i].updated_at, is_last ? i + 1 : i + 2);
        assert_int_equal(timers.items[i].id, i + 1);
        assert_int_equal(history.turns[i].size, 3000);
    }
    return (unsigned)history.count;
}

static unsigned messages_there(struct work *work)
{
    struct message_page page;
    must(work, work->store->ops->receive(work->store, 0, 0, 100, &work->arena, &page, &work->err));
    for (size_t i = 0; i < page.count; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "mail-%zu", i + 1);
        assert_true(text_equal(page.items[i].instance_id, text_of(id)));
        assert_int_equal(page.items[i].number, i + 1);
    }
    return (unsigned)page.count;
}

static void assert_sound(const struct work *work)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(work->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const void *text = sqlite3_column_text(statement, 0);
    assert_string_equal(text, "ok");
    (void)sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Counts as done what is there, which is what was acknowledged, or one more. */
static void take_stock(struct work *work)
{
    unsigned commits = commits_there(work), messages = messages_there(work);
    assert_in_range(commits, work->commits_done, work->commits_tried);
    assert_in_range(messages, work->messages_done, work->messages_tried);
    work->commits_done = commits;
    work->messages_done = messages;
    work->ownership.epoch = 0; /* as the engine does after a failed commit */
}

static void assert_all_done(struct work *work)
{
    assert_int_equal(commits_there(work), COMMITS);
    assert_int_equal(messages_there(work), MESSAGES);
}

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
    close_store(work);
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
    pd_status status = go_on(&work);
    close_store(&work);
    bool has_come = fault_has_come();
    assert_true(has_come || status == PD_OK);
    fault_settle();
    work.vfs = NULL;
    must(&work, open_store(&work));
    take_stock(&work);
    assert_sound(&work);
    must(&work, go_on(&work));
    assert_all_done(&work);
    end(&work);
    return has_come;
}

static bool fail_at(enum fault_kind kind, uint64_t n, enum fault_kind crash)
{
    struct work work;
    begin(&work);
    fault_arm(kind, n, n);
    pd_status status = go_on(&work);
    bool has_come = fault_has_come();
    if (status != PD_OK) {
        assert_true(has_come);
        assert_int_equal(status, PD_E_UNAVAILABLE);
        assert_true(work.err.retryable);
        fault_disarm();
        if (work.store == NULL) {
            must(&work, open_store(&work));
        }
        take_stock(&work);
        must(&work, go_on(&work));
    }
    assert_all_done(&work);
    /* And now the power goes. */
    fault_crash(crash, n);
    close_store(&work);
    fault_settle();
    work.vfs = NULL;
    must(&work, open_store(&work));
    assert_all_done(&work);
    assert_sound(&work);
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
        uint64_t n = 1;
        while (n < OPERATIONS_MAX && crash_at(FAULT_CRASH_TEAR, n, seed * 1000003 + n)) {
            n++;
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
