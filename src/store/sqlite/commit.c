/* SPDX-License-Identifier: MIT
 *
 * Commit: batches become rows, in one transaction.
 *
 * The speed of the whole engine hangs on this file. Two kinds of mutation make up nearly all of
 * them, the insert of an instance and the turn of a history; they, and timers set, are gathered
 * and written by one statement each (feed.h). The rest is bound and stepped one by one.
 *
 * Gathering moves mutations past each other, so:
 *
 *   G1  A group ends at a deletion of an instance or entity, a renewal of an instance, at a timer
 *       set that may have been removed in the same group, at an entity put that may have been put
 *       in the same group (several statements write what puts say), and at the end of a batch.
 *   G2  Within a group what was gathered is written first, then the rest in its order. No mutation
 *       of the first kind rests on one of the second in the same group: that is what G1 sees to. */
#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "store/sqlite/sqlite_store.h"

static const char where[] = "sqlite: commit";

enum { MARK_BITS = 65536 };

/* Which sorts of entities a group puts. */
enum {
    PUTS_STATE = 1u << 0,
    KEEPS_STATE = 1u << 1,
    LOCKED = 1u << 2,
    UNLOCKED = 1u << 3,
    BUSY = 1u << 4,
    IDLE = 1u << 5,
};

struct group {
    struct connection *connection;
    struct feed later; /* used as a list */
    /* Of this group, by hash, and so may err to yes: timers removed, entities put. */
    uint64_t marks[MARK_BITS / 64];
    bool has_marks, has_extra;
    unsigned entities; /* the sorts among them */
    uint64_t row_high, timer_high;
    pd_error *err;
};

/* The id is 0 in what is no timer's. */
static unsigned mark_of(const struct mutation *mutation)
{
    uint64_t hash = (mutation->row * 31 + (uint32_t)mutation->id) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)(hash >> 48);
}

_Static_assert(MARK_BITS == 1 << (64 - 48), "mark_of names every bit");

static void set_mark(struct group *group, const struct mutation *mutation)
{
    unsigned bit = mark_of(mutation);
    group->marks[bit / 64] |= UINT64_C(1) << bit % 64;
    group->has_marks = true;
}

static bool may_be_marked(const struct group *group, const struct mutation *mutation)
{
    unsigned bit = mark_of(mutation);
    return group->has_marks && (group->marks[bit / 64] >> bit % 64 & 1) != 0;
}

static sqlite3_stmt *statement_of(struct group *group, enum statement which)
{
    return connection_statement(group->connection, which, where, group->err);
}

/* A statement whose parameters are one to three numbers. */
static pd_status run_numbers(struct group *group, enum statement which, uint64_t a, uint64_t b,
                             uint64_t c)
{
    sqlite3_stmt *statement = statement_of(group, which);
    if (statement == NULL) {
        return group->err->status;
    }
    int count = sqlite3_bind_parameter_count(statement);
    connection_bind_number(statement, 1, a);
    if (count > 1) {
        connection_bind_number(statement, 2, b);
    }
    if (count > 2) {
        connection_bind_number(statement, 3, c);
    }
    return connection_run(group->connection, statement, where, group->err);
}

/* ---- one by one ------------------------------------------------------------------------------ */

/* An update, or a renewal: which sets more fields. */
static pd_status update_instance(struct group *group, const struct mutation *mutation)
{
    const struct instance_record *record = mutation->instance;
    bool renews = mutation->kind == MUTATION_INSTANCE_RENEW;
    sqlite3_stmt *statement =
        statement_of(group, renews ? STATEMENT_INSTANCE_RENEW : STATEMENT_INSTANCE_UPDATE);
    if (statement == NULL) {
        return group->err->status;
    }
    connection_bind_number(statement, 1, mutation->row);
    (void)sqlite3_bind_int(statement, 2, (int)record->state);
    (void)sqlite3_bind_int64(statement, 3, record->updated_at);
    (void)sqlite3_bind_int64(statement, 4, record->ended_at);
    connection_bind_text(statement, 5, record->output);
    connection_bind_bytes(statement, 6, record->failure);
    if (renews) {
        connection_bind_text(statement, 7, record->execution_id);
        connection_bind_text(statement, 8, record->version);
        connection_bind_text(statement, 9, record->input);
    }
    pd_status status = connection_run(group->connection, statement, where, group->err);
    return status != PD_OK
               ? status
               : run_numbers(group, record->is_busy ? STATEMENT_BUSY_PUT : STATEMENT_BUSY_REMOVE,
                             mutation->row, 0, 0);
}

static pd_status run_for_row(struct group *group, const enum statement *all, size_t count,
                             uint64_t row)
{
    pd_status status = PD_OK;
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        status = run_numbers(group, all[i], row, 0, 0);
    }
    return status;
}

static pd_status delete_instance(struct group *group, uint64_t row)
{
    static const enum statement all[] = { STATEMENT_HISTORY_DELETE, STATEMENT_PROGRESS_DELETE,
                                          STATEMENT_INBOX_DELETE,   STATEMENT_TIMER_DELETE,
                                          STATEMENT_BUSY_REMOVE,    STATEMENT_EXTRA_DELETE,
                                          STATEMENT_INSTANCE_DELETE };
    return run_for_row(group, all, sizeof all / sizeof all[0], row);
}

static pd_status delete_entity(struct group *group, uint64_t row)
{
    static const enum statement all[] = { STATEMENT_INBOX_DELETE, STATEMENT_TIMER_DELETE,
                                          STATEMENT_BUSY_REMOVE, STATEMENT_LOCK_DELETE,
                                          STATEMENT_ENTITY_DELETE };
    return run_for_row(group, all, sizeof all / sizeof all[0], row);
}

static pd_status renew_instance(struct group *group, const struct mutation *mutation)
{
    static const enum statement all[] = { STATEMENT_HISTORY_DELETE, STATEMENT_PROGRESS_DELETE };
    pd_status status = update_instance(group, mutation);
    return status != PD_OK ? status
                           : run_for_row(group, all, sizeof all / sizeof all[0], mutation->row);
}

static pd_status set_status(struct group *group, const struct mutation *mutation)
{
    sqlite3_stmt *statement = statement_of(group, STATEMENT_STATUS_SET);
    if (statement == NULL) {
        return group->err->status;
    }
    connection_bind_number(statement, 1, mutation->row);
    connection_bind_text(statement, 2, mutation->bytes);
    (void)sqlite3_bind_int64(statement, 3, mutation->due);
    return connection_run(group->connection, statement, where, group->err);
}

static pd_status put_progress(struct group *group, const struct mutation *mutation)
{
    sqlite3_stmt *statement = statement_of(group, STATEMENT_PROGRESS_PUT);
    if (statement == NULL) {
        return group->err->status;
    }
    connection_bind_number(statement, 1, mutation->row);
    (void)sqlite3_bind_int(statement, 2, mutation->id);
    connection_bind_text(statement, 3, mutation->bytes);
    return connection_run(group->connection, statement, where, group->err);
}

static pd_status put_inbox(struct group *group, const struct mutation *mutation)
{
    sqlite3_stmt *statement = statement_of(group, STATEMENT_INBOX_PUT);
    if (statement == NULL) {
        return group->err->status;
    }
    connection_bind_number(statement, 1, mutation->row);
    connection_bind_number(statement, 2, mutation->number);
    connection_bind_bytes(statement, 3, mutation->bytes);
    return connection_run(group->connection, statement, where, group->err);
}

static pd_status apply_one(struct group *group, const struct mutation *mutation,
                           const struct batch *batch)
{
    switch (mutation->kind) {
    case MUTATION_INSTANCE_UPDATE: return update_instance(group, mutation);
    case MUTATION_INSTANCE_RENEW: return renew_instance(group, mutation);
    case MUTATION_INSTANCE_DELETE: return delete_instance(group, mutation->row);
    case MUTATION_STATUS_SET: return set_status(group, mutation);
    case MUTATION_INBOX_PUT: return put_inbox(group, mutation);
    case MUTATION_INBOX_REMOVE:
        return run_numbers(group, STATEMENT_INBOX_REMOVE, mutation->row, mutation->first,
                           mutation->number);
    case MUTATION_ENTITY_DELETE: return delete_entity(group, mutation->row);
    case MUTATION_TIMER_REMOVE:
        return run_numbers(group, STATEMENT_TIMER_REMOVE, mutation->row,
                           (uint64_t)(int64_t)mutation->id, (uint64_t)mutation->due);
    case MUTATION_MAILBOX_REMOVE:
        return run_numbers(group, STATEMENT_MAILBOX_REMOVE, batch->partition, mutation->number, 0);
    case MUTATION_MAILBOX_PUT:
        return sqlite_mailbox_put(group->connection, mutation->message, where, group->err);
    case MUTATION_PROGRESS_PUT: return put_progress(group, mutation);
    case MUTATION_PROGRESS_REMOVE:
        return run_numbers(group, STATEMENT_PROGRESS_REMOVE, mutation->row,
                           (uint64_t)(int64_t)mutation->id, 0);
    case MUTATION_INSTANCE_INSERT:
    case MUTATION_HISTORY_APPEND:
    case MUTATION_ENTITY_PUT:
    case MUTATION_TIMER_PUT: break;
    }
    unreachable_state("a gathered mutation among those that come one by one");
}

/* ---- gathered -------------------------------------------------------------------------------- */

static pd_status write_feed(struct group *group, const struct feed *feed, enum statement which)
{
    return feed->count == 0 ? PD_OK : connection_do(group->connection, which, where, group->err);
}

static unsigned sorts_of(const struct mutation *put)
{
    return (put->keeps_state ? KEEPS_STATE : PUTS_STATE) |
           (text_is_present(put->entity->lock_owner) ? LOCKED : UNLOCKED) |
           (put->entity->is_busy ? BUSY : IDLE);
}

static pd_status write_entities(struct group *group)
{
    static const struct {
        unsigned sort;
        enum statement which;
    } all[] = {
        { PUTS_STATE, STATEMENT_ENTITY_FEED },  { KEEPS_STATE, STATEMENT_ENTITY_KEEP_FEED },
        { LOCKED, STATEMENT_ENTITY_LOCK_FEED }, { UNLOCKED, STATEMENT_ENTITY_UNLOCK_FEED },
        { BUSY, STATEMENT_ENTITY_BUSY_FEED },   { IDLE, STATEMENT_ENTITY_IDLE_FEED },
    };
    pd_status status = PD_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && status == PD_OK; i++) {
        if ((group->entities & all[i].sort) != 0) {
            status = connection_do(group->connection, all[i].which, where, group->err);
        }
    }
    return status;
}

static void clear(struct group *group)
{
    struct connection *connection = group->connection;
    connection->instances.count = connection->entities.count = 0;
    connection->histories.count = connection->timers.count = 0;
    group->later.count = 0;
    group->has_extra = false;
    group->entities = 0;
    if (group->has_marks) {
        memset(group->marks, 0, sizeof group->marks);
        group->has_marks = false;
    }
}

static pd_status flush(struct group *group, const struct batch *batch)
{
    struct connection *connection = group->connection;
    connection->timers.partition = batch->partition;
    connection->timers.sequence = (int64_t)group->timer_high + 1;
    pd_status status = write_feed(group, &connection->instances, STATEMENT_INSTANCE_INSERT);
    if (status == PD_OK) {
        status = write_feed(group, &connection->instances, STATEMENT_BUSY_FEED);
    }
    if (status == PD_OK && group->has_extra) {
        status = write_feed(group, &connection->instances, STATEMENT_EXTRA_FEED);
    }
    if (status == PD_OK) {
        status = write_feed(group, &connection->histories, STATEMENT_HISTORY_FEED);
    }
    if (status == PD_OK) {
        status = write_feed(group, &connection->timers, STATEMENT_TIMER_FEED);
    }
    if (status == PD_OK) {
        status = write_entities(group);
    }
    for (size_t i = 0; i < group->later.count && status == PD_OK; i++) {
        status = apply_one(group, group->later.items[i], batch);
    }
    group->timer_high += connection->timers.count;
    clear(group);
    return status;
}

static pd_status gather(struct group *group, const struct mutation *mutation,
                        const struct batch *batch, unsigned partition_count)
{
    struct connection *connection = group->connection;
    pd_status status = PD_OK;
    switch (mutation->kind) {
    case MUTATION_INSTANCE_INSERT:
        assert_that(mutation->row == mutation->instance->row && mutation->row != 0);
        assert_that(mutation->row % partition_count == batch->partition);
        feed_add(&connection->instances, mutation);
        group->row_high = mutation->row > group->row_high ? mutation->row : group->row_high;
        group->has_extra = group->has_extra || feed_has_extra(mutation->instance);
        break;
    case MUTATION_HISTORY_APPEND: feed_add(&connection->histories, mutation); break;
    case MUTATION_TIMER_PUT:
        if (may_be_marked(group, mutation)) {
            status = flush(group, batch);
        }
        feed_add(&connection->timers, mutation);
        break;
    case MUTATION_ENTITY_PUT:
        assert_that(mutation->row == mutation->entity->row && mutation->row != 0);
        assert_that(mutation->row % partition_count == batch->partition);
        if (may_be_marked(group, mutation)) {
            status = flush(group, batch);
        }
        set_mark(group, mutation);
        feed_add(&connection->entities, mutation);
        group->entities |= sorts_of(mutation);
        group->row_high = mutation->row > group->row_high ? mutation->row : group->row_high;
        break;
    case MUTATION_TIMER_REMOVE:
        set_mark(group, mutation);
        feed_add(&group->later, mutation);
        break;
    case MUTATION_MAILBOX_PUT:
        assert_that(mutation->message->partition < partition_count);
        feed_add(&group->later, mutation);
        break;
    case MUTATION_INSTANCE_UPDATE:
    case MUTATION_STATUS_SET:
    case MUTATION_INBOX_PUT:
    case MUTATION_INBOX_REMOVE:
    case MUTATION_PROGRESS_PUT:
    case MUTATION_PROGRESS_REMOVE:
    case MUTATION_MAILBOX_REMOVE: feed_add(&group->later, mutation); break;
    case MUTATION_INSTANCE_RENEW:
    case MUTATION_INSTANCE_DELETE:
    case MUTATION_ENTITY_DELETE:
        feed_add(&group->later, mutation);
        status = flush(group, batch);
        break;
    }
    return status;
}

/* ---- batches --------------------------------------------------------------------------------- */

pd_status sqlite_check_epoch(struct connection *connection, unsigned partition, uint64_t epoch,
                             uint64_t *ret_row_high, uint64_t *ret_timer_high, const char *why,
                             pd_error *err)
{
    sqlite3_stmt *statement = connection_statement(connection, STATEMENT_PARTITION_GET, why, err);
    if (statement == NULL) {
        return err->status;
    }
    connection_bind_number(statement, 1, partition);
    pd_status status = PD_OK;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        uint64_t stored = (uint64_t)sqlite3_column_int64(statement, 0);
        *ret_row_high = (uint64_t)sqlite3_column_int64(statement, 1);
        *ret_timer_high = (uint64_t)sqlite3_column_int64(statement, 2);
        if (stored != epoch) {
            status = error_set(err, PD_E_LEASE_LOST, false, why,
                               "partition %u has a newer owner: epoch %llu, not %llu", partition,
                               (unsigned long long)stored, (unsigned long long)epoch);
        }
    } else if (code == SQLITE_DONE) {
        status = error_set(err, PD_E_CORRUPT, false, why, "partition %u is missing", partition);
    } else {
        status = connection_error(connection, why, err);
    }
    (void)sqlite3_reset(statement);
    return status;
}

static pd_status apply_batch(struct group *group, const struct batch *batch,
                             unsigned partition_count)
{
    pd_status status = sqlite_check_epoch(group->connection, batch->partition, batch->epoch,
                                          &group->row_high, &group->timer_high, where, group->err);
    uint64_t row_high = group->row_high, timer_high = group->timer_high;
    for (const struct mutation *m = batch->first; m != NULL && status == PD_OK; m = m->next) {
        status = gather(group, m, batch, partition_count);
    }
    if (status == PD_OK) {
        status = flush(group, batch);
    }
    if (status == PD_OK && (group->row_high != row_high || group->timer_high != timer_high)) {
        status = run_numbers(group, STATEMENT_PARTITION_SET, batch->partition, group->row_high,
                             group->timer_high);
    }
    return status;
}

static pd_status apply_all(struct group *group, const struct batch *const *batches, size_t count,
                           unsigned partition_count)
{
    pd_status status = connection_do(group->connection, STATEMENT_BEGIN_WRITE, where, group->err);
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        status = apply_batch(group, batches[i], partition_count);
    }
    return status != PD_OK ? status
                           : connection_do(group->connection, STATEMENT_COMMIT, where, group->err);
}

pd_status sqlite_commit(struct store *base, const struct batch *const *batches, size_t count,
                        pd_error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    struct connection *connection = sqlite_writer(store, err);
    if (connection == NULL) {
        return err->status;
    }
    struct group group = { .connection = connection, .err = err };
    clear(&group);
    pd_status status = apply_all(&group, batches, count, base->partition_count);
    feed_done(&group.later);
    if (status == PD_OK) {
        sqlite_owner_note_commit(store);
    } else if (status == PD_E_LEASE_LOST) {
        connection_rollback(connection);
    } else {
        /* What SQLite has in memory may no longer be what is on disk: look again. */
        connection_rollback(connection);
        connection_close(connection);
        store->writer = NULL;
    }
    return status;
}
