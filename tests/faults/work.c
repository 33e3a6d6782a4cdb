/* SPDX-License-Identifier: MIT
 *
 * The work: see work.h. */
#include "work.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault_vfs.h"

enum {
    COMMITS = 6,
    REOPEN_AFTER = 3,
    PAYMENTS = 2, /* the k-th follows commit 2 * k */
    MESSAGES = 2,
    LOOP = 1000, /* the row of an instance that continues as new in every commit */
};

/* ---- doing it -------------------------------------------------------------------------------- */

/* Every kind of mutation that says something of the whole life of instances. */
static void add_life(struct batch *batch, uint64_t k, struct text filler)
{
    struct instance_record *loop = arena_alloc(&batch->arena, sizeof *loop);
    struct message *message = arena_alloc(&batch->arena, sizeof *message);
    struct text little = text_make(filler.at, 200);
    const char *number = arena_printf(&batch->arena, "%llu", (unsigned long long)k);
    *loop = (struct instance_record){
        .row = LOOP,
        .id = TEXT("loop"),
        .execution_id = text_of(number),
        .state = RUN_RUNNING,
        .created_at = 1,
        .updated_at = (time_us)k,
        .input = little,
    };
    *message = (struct message){
        .kind = MESSAGE_CHILD_ENDED,
        .instance_id = text_of(arena_printf(&batch->arena, "mailed-%s", number)),
        .execution_id = text_of(number),
        .bytes = little,
    };
    if (k == 1) {
        batch_add(batch, MUTATION_INSTANCE_INSERT, LOOP)->instance = loop;
    }
    struct mutation *gone = batch_add(batch, MUTATION_HISTORY_APPEND, LOOP);
    gone->number = k == 1 ? 1 : 2;
    gone->bytes = filler;
    batch_add(batch, MUTATION_INSTANCE_RENEW, LOOP)->instance = loop;
    struct mutation *turn = batch_add(batch, MUTATION_HISTORY_APPEND, LOOP);
    turn->number = 1;
    turn->bytes = text_of(number);
    struct mutation *progress = batch_add(batch, MUTATION_PROGRESS_PUT, 1);
    progress->id = (int32_t)k;
    progress->bytes = little;
    if (k > 1) {
        batch_add(batch, MUTATION_PROGRESS_REMOVE, 1)->id = (int32_t)k - 1;
    }
    struct mutation *status = batch_add(batch, MUTATION_STATUS_SET, LOOP);
    status->bytes = text_of(number);
    status->due = (time_us)k;
    batch_add(batch, MUTATION_MAILBOX_PUT, 0)->message = message;
}

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
        .parent_id = TEXT("loop"),
        .parent_step = (int32_t)k,
        .tags = TEXT("\x1e"
                     "k\x1f"
                     "v\x1e"),
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
    add_life(batch, k, text_make(filler, sizeof filler));
    work_add_entities(batch, k);
    return batch;
}

pd_status work_open(struct work *work)
{
    work->store = store_sqlite_open(work->path, 1, work->vfs, &work->err);
    return work->store != NULL ? PD_OK : work->err.status;
}

void work_close(struct work *work)
{
    assert_int_equal(sqlite3_close(work->witness), SQLITE_OK);
    work->witness = NULL;
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

/* Heeds its errors, as user code should: what was rolled back under it is not to be recorded. */
static bool pay(void *argument, void *database, struct message *message)
{
    struct work *work = argument;
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "CREATE TABLE IF NOT EXISTS account(number INTEGER PRIMARY KEY,filler BLOB);"
                   "INSERT INTO account VALUES(%u,zeroblob(9000))",
                   work->payments_tried);
    (void)snprintf(work->id, sizeof work->id, "paid-%u", work->payments_tried);
    *message = (struct message){ .kind = MESSAGE_TASK_ENDED,
                                 .instance_id = text_of(work->id),
                                 .bytes = TEXT("bytes") };
    return sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static pd_status pay_next(struct work *work)
{
    work->payments_tried = work->payments_done + 1;
    pd_status status =
        work->store->ops->transact(work->store, 0, work->ownership.epoch, pay, work, &work->err);
    work->payments_done += status == PD_OK;
    if (status == PD_E_CANCELLED) { /* pay saw the failure: it may be tried again */
        status = error_set(&work->err, PD_E_UNAVAILABLE, true, "test: pay", "the disk failed");
    }
    return status;
}

pd_status work_go_on(struct work *work)
{
    pd_status status = PD_OK;
    if (work->store == NULL) {
        status = work_open(work);
        work->ownership.epoch = 0;
    }
    while (status == PD_OK) {
        if (work->commits_done >= REOPEN_AFTER && !work->reopened) {
            work->reopened = true;
            work_close(work);
            status = work_open(work);
            work->ownership.epoch = 0;
        } else if (work->ownership.epoch == 0) {
            status = own(work);
        } else if (work->payments_done < PAYMENTS &&
                   work->commits_done >= 2 * (work->payments_done + 1)) {
            status = pay_next(work);
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

void work_must(struct work *work, pd_status status)
{
    if (status != PD_OK) {
        fail_msg("%s: %s", work->err.where, work->err.text);
    }
}

/* What add_life said, of exactly m commits. */
static void assert_life(struct work *work, uint64_t m)
{
    const struct store_ops *ops = work->store->ops;
    struct instance_record loop;
    struct history_rows turns;
    struct progress_rows progress;
    struct store_counts counts;
    struct store_query children = { .parent_id = TEXT("loop"),
                                    .tag = TEXT("\x1e"
                                                "k\x1f"
                                                "v\x1e") };
    bool found;
    work_must(work, ops->load_instance(work->store, TEXT("loop"), 0, &work->arena, &loop, &found,
                                       &work->err));
    work_must(work, ops->load_history(work->store, LOOP, 0, &work->arena, &turns, &work->err));
    work_must(work, ops->load_progress(work->store, 1, &work->arena, &progress, &work->err));
    work_must(work, ops->count(work->store, &children, &counts, &work->err));
    assert_int_equal(found, m != 0);
    assert_int_equal(turns.count, m != 0);
    assert_int_equal(progress.count, m != 0);
    assert_int_equal(counts.of[RUN_RUNNING] + counts.of[RUN_SUSPENDED] + counts.of[RUN_COMPLETED],
                     m);
    if (m != 0) {
        struct text number = text_of(arena_printf(&work->arena, "%llu", (unsigned long long)m));
        assert_true(text_equal(loop.execution_id, number));
        assert_true(text_equal(loop.custom_status, number));
        assert_true(text_equal(turns.turns[0], number));
        assert_int_equal(progress.items[0].id, m);
        assert_int_equal(progress.items[0].bytes.size, 200);
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
    work_must(work, ops->load_history(work->store, 1, 0, &work->arena, &history, &work->err));
    work_must(work, ops->query(work->store, &all, &work->arena, &records, &work->err));
    work_must(work, ops->scan_busy(work->store, 0, 0, 100, &work->arena, &busy, &work->err));
    work_must(work,
              ops->due_timers(work->store, 0, 0, 1000, 100, &work->arena, &timers, &work->err));
    assert_int_equal(records.count, history.count + (history.count != 0)); /* and the loop */
    assert_int_equal(timers.count, history.count);
    assert_int_equal(busy.count, history.count != 0 ? 2 : 0); /* an instance and an entity */
    for (size_t i = 0; i < history.count; i++) {
        bool is_last = i + 1 == history.count;
        assert_int_equal(records.items[i].row, i + 1);
        assert_int_equal(records.items[i].parent_step, i + 1);
        assert_int_equal(records.items[i].input.size, 3000);
        assert_int_equal(records.items[i].updated_at, is_last ? i + 1 : i + 2);
        assert_int_equal(timers.items[i].id, i + 1);
        assert_int_equal(history.turns[i].size, 3000);
    }
    assert_life(work, history.count);
    work_assert_entities(work, history.count);
    return (unsigned)history.count;
}

/* Of those put by commits, by payments and by accept, which are numbered in the order they came. */
struct mail_there {
    unsigned mailed, paid, accepted;
};

static struct mail_there mail_there(struct work *work)
{
    struct message_page page;
    struct mail_there there = { 0 };
    work_must(work,
              work->store->ops->receive(work->store, 0, 0, 100, &work->arena, &page, &work->err));
    for (size_t i = 0; i < page.count; i++) {
        char id[32];
        if (page.items[i].kind == MESSAGE_CHILD_ENDED) {
            (void)snprintf(id, sizeof id, "mailed-%u", ++there.mailed);
            assert_int_equal(page.items[i].bytes.size, 200);
        } else if (page.items[i].kind == MESSAGE_TASK_ENDED) {
            (void)snprintf(id, sizeof id, "paid-%u", ++there.paid);
        } else {
            (void)snprintf(id, sizeof id, "mail-%u", ++there.accepted);
        }
        assert_true(text_equal(page.items[i].instance_id, text_of(id)));
        assert_int_equal(page.items[i].number, i + 1);
    }
    return there;
}

/* Reads the file beside the store; opening one takes most of the time of these tests. */
static sqlite3 *witness(struct work *work)
{
    if (work->witness == NULL) {
        assert_int_equal(
            sqlite3_open_v2(work->path, &work->witness, SQLITE_OPEN_READWRITE, work->vfs),
            SQLITE_OK);
    }
    return work->witness;
}

/* What user code wrote: 1, 2 ... as many as are there. */
static unsigned payments_there(struct work *work)
{
    sqlite3 *db = witness(work);
    sqlite3_stmt *statement;
    unsigned count = 0;
    if (sqlite3_prepare_v2(db, "SELECT number,length(filler) FROM account ORDER BY number", -1,
                           &statement, NULL) == SQLITE_OK) {
        while (sqlite3_step(statement) == SQLITE_ROW) {
            assert_int_equal(sqlite3_column_int(statement, 0), ++count);
            assert_int_equal(sqlite3_column_int(statement, 1), 9000);
        }
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    }
    return count;
}

void work_assert_sound(struct work *work)
{
    sqlite3_stmt *statement;
    assert_int_equal(
        sqlite3_prepare_v2(witness(work), "PRAGMA integrity_check", -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const void *text = sqlite3_column_text(statement, 0);
    assert_string_equal(text, "ok");
    (void)sqlite3_finalize(statement);
}

void work_take_stock(struct work *work)
{
    unsigned commits = commits_there(work), payments = payments_there(work);
    struct mail_there mail = mail_there(work);
    assert_in_range(commits, work->commits_done, work->commits_tried);
    assert_in_range(mail.accepted, work->messages_done, work->messages_tried);
    assert_in_range(payments, work->payments_done, work->payments_tried);
    assert_int_equal(mail.mailed, commits);
    assert_int_equal(mail.paid, payments);
    work->commits_done = commits;
    work->messages_done = mail.accepted;
    work->payments_done = payments;
    work->ownership.epoch = 0; /* as the engine does after a failed commit */
}

void work_assert_all_done(struct work *work)
{
    struct mail_there mail = { 0 };
    assert_int_equal(commits_there(work), COMMITS);
    assert_int_equal(payments_there(work), PAYMENTS);
    mail = mail_there(work);
    assert_int_equal(mail.mailed, COMMITS);
    assert_int_equal(mail.paid, PAYMENTS);
    assert_int_equal(mail.accepted, MESSAGES);
}

/* ---- one run --------------------------------------------------------------------------------- */

void work_begin(struct work *work)
{
    *work = (struct work){ .vfs = FAULT_VFS };
    /* What is safe on this disk and what is not, the shim says: so it may be one of memory. */
    const char *disk = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(work->folder, sizeof work->folder, "%s/perdure-faults.XXXXXX", disk);
    assert_non_null(mkdtemp(work->folder));
    (void)snprintf(work->path, sizeof work->path, "%s/hub.db", work->folder);
    fault_install();
}

void work_end(struct work *work)
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
