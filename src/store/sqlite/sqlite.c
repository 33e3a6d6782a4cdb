/* SPDX-License-Identifier: MIT
 *
 * The SQLite provider: opening, connections, ownership's place in the database. */
#include "store/sqlite/sqlite.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/object.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

struct sqlite_store *sqlite_store_of(struct store *base)
{
    struct sqlite_store *store = CONTAINER_OF(base, struct sqlite_store, base);
    OBJECT_CHECK(store, SQLITE_STORE_MAGIC);
    return store;
}

struct connection *sqlite_writer(struct sqlite_store *store, pd_error *err)
{
    if (store->writer == NULL) {
        assert_that(!store->only_reads);
        store->writer = connection_open(store->path, store->name, store->vfs, false, err);
    }
    return store->writer;
}

struct connection *sqlite_reader_take(struct sqlite_store *store, pd_error *err)
{
    pthread_mutex_lock(&store->readers_lock);
    struct connection *connection = store->readers;
    if (connection != NULL) {
        store->readers = connection->next;
        connection->next = NULL;
    }
    pthread_mutex_unlock(&store->readers_lock);
    return connection != NULL
               ? connection
               : connection_open(store->path, store->name, store->vfs, store->only_reads, err);
}

void sqlite_reader_give(struct sqlite_store *store, struct connection *connection)
{
    if (connection != NULL) {
        pthread_mutex_lock(&store->readers_lock);
        connection->next = store->readers;
        store->readers = connection;
        pthread_mutex_unlock(&store->readers_lock);
    }
}

/* ---- ownership ------------------------------------------------------------------------------- */

static uint64_t row_after(uint64_t high, unsigned partition, unsigned count)
{
    uint64_t row = high - high % count + partition;
    return row > high ? row : row + count;
}

/* In a transaction: the file is as it was when it was opened. */
static pd_status check_version(struct connection *connection, pd_error *err)
{
    static const char where[] = "sqlite: own";
    sqlite3_stmt *get = connection_statement(connection, STATEMENT_VERSION_GET, where, err);
    if (get == NULL) {
        return err->status;
    }
    pd_status status = PD_OK;
    if (sqlite3_step(get) != SQLITE_ROW) {
        status = connection_error(connection, where, err);
    } else if (sqlite3_column_int(get, 0) != SCHEMA_VERSION) {
        status = error_set(err, PD_E_STATE, false, where,
                           "'%s' was made version %d by a newer library; upgrade this one",
                           connection->name, sqlite3_column_int(get, 0));
    }
    (void)sqlite3_reset(get);
    return status;
}

static pd_status take_epoch(struct connection *connection, unsigned partition, time_us now,
                            unsigned count, struct ownership *ret, pd_error *err)
{
    static const char where[] = "sqlite: own";
    sqlite3_stmt *bump = connection_statement(connection, STATEMENT_PARTITION_OWN, where, err);
    sqlite3_stmt *get = connection_statement(connection, STATEMENT_PARTITION_GET, where, err);
    if (bump == NULL || get == NULL) {
        return err->status;
    }
    pd_status status = connection_do(connection, STATEMENT_BEGIN_WRITE, where, err);
    if (status == PD_OK) {
        status = check_version(connection, err);
    }
    if (status == PD_OK) {
        connection_bind_number(bump, 1, partition);
        (void)sqlite3_bind_int64(bump, 2, now);
        status = connection_run(connection, bump, where, err);
    }
    if (status != PD_OK) {
        return status;
    }
    connection_bind_number(get, 1, partition);
    struct ownership ownership = { 0 };
    int code = sqlite3_step(get);
    if (code == SQLITE_ROW) {
        ownership.epoch = (uint64_t)sqlite3_column_int64(get, 0);
        ownership.row_next = row_after((uint64_t)sqlite3_column_int64(get, 1), partition, count);
    } else {
        status = code == SQLITE_DONE ? error_set(err, PD_E_CORRUPT, false, where,
                                                 "partition %u is missing", partition)
                                     : connection_error(connection, where, err);
    }
    (void)sqlite3_reset(get);
    if (status == PD_OK) {
        status = connection_do(connection, STATEMENT_COMMIT, where, err);
    }
    if (status == PD_OK) {
        *ret = ownership;
    }
    return status;
}

static pd_status sqlite_own(struct store *base, unsigned partition, time_us now,
                            struct ownership *ret, pd_error *err)
{
    struct sqlite_store *store = sqlite_store_of(base);
    assert_that(partition < base->partition_count);
    pd_status status = sqlite_owner_take(store, partition, now, err);
    if (status != PD_OK) {
        return status;
    }
    struct connection *connection = sqlite_writer(store, err);
    status = connection != NULL
                 ? take_epoch(connection, partition, now, base->partition_count, ret, err)
                 : err->status;
    if (status != PD_OK) {
        if (connection != NULL) {
            connection_rollback(connection);
            connection_close(connection);
            store->writer = NULL;
        }
        sqlite_owner_give(store, partition);
    }
    return status;
}

static void sqlite_disown(struct store *base, unsigned partition)
{
    sqlite_owner_give(sqlite_store_of(base), partition);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void sqlite_close(struct store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    while (store->readers != NULL) {
        struct connection *connection = store->readers;
        store->readers = connection->next;
        connection_close(connection);
    }
    connection_close(store->sender);
    sqlite_guest_done(store);
    connection_close(store->writer);
    sqlite_board_done(store);
    sqlite_owner_done(store);
    pthread_mutex_destroy(&store->owner.lock);
    pthread_mutex_destroy(&store->readers_lock);
    pthread_mutex_destroy(&store->sender_lock);
    mem_free(store->name);
    mem_free(store->path);
    OBJECT_FREE(store, SQLITE_STORE_MAGIC);
}

static void sqlite_tend(struct store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    if (store->writer != NULL) {
        connection_checkpoint(store->writer);
    }
}

/* Page caches: they fill up to their bound while there is much to write or to read. Readers that
 * are in use now keep theirs. */
static void sqlite_trim(struct store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    if (store->writer != NULL) {
        connection_trim(store->writer);
    }
    pthread_mutex_lock(&store->readers_lock);
    for (struct connection *reader = store->readers; reader != NULL; reader = reader->next) {
        connection_trim(reader);
    }
    pthread_mutex_unlock(&store->readers_lock);
}

static const struct store_ops sqlite_ops = {
    .version = 4,
    .close = sqlite_close,
    .own = sqlite_own,
    .disown = sqlite_disown,
    .commit = sqlite_commit,
    .load_instance = sqlite_load_instance,
    .load_history = sqlite_load_history,
    .load_inbox = sqlite_load_inbox,
    .scan_busy = sqlite_scan_busy,
    .due_timers = sqlite_due_timers,
    .query = sqlite_query,
    .accept = sqlite_accept,
    .receive = sqlite_receive,
    .wait = sqlite_wait,
    .wake = sqlite_wake,
    .tend = sqlite_tend,
    .trim = sqlite_trim,
    .count = sqlite_count,
    .load_progress = sqlite_load_progress,
    .transact = sqlite_transact,
    .board = sqlite_board,
    .load_entity = sqlite_load_entity,
    .query_entities = sqlite_query_entities,
    .load_turns = sqlite_load_turns,
};

/* From the root, as connections are opened again later, when the process may be elsewhere. It also
 * keeps SQLite from seeing ":memory:" or a URI in a file's name. */
static char *path_of(const char *file)
{
    char folder[4096] = "";
    bool is_from_root = file[0] == '/' || getcwd(folder, sizeof folder) == NULL;
    size_t size = (is_from_root ? 2 : strlen(folder)) + 1 + strlen(file) + 1;
    char *path = mem_alloc(size);
    if (file[0] == '/') {
        memcpy(path, file, strlen(file));
    } else {
        (void)snprintf(path, size, "%s/%s", is_from_root ? "." : folder, file);
    }
    return path;
}

/* Another process may be migrating it just now: that is over soon. An engine is not. */
static pd_status prepare(struct sqlite_store *store, unsigned partitions, pd_error *err)
{
    enum { TRIES = 200, PAUSE_MS = 10 };
    bool is_old = false;
    pd_status held = PD_E_STATE, status = schema_is_old(store->writer, &is_old, err);
    for (int i = 0; status == PD_OK && is_old && held == PD_E_STATE && i < TRIES; i++) {
        if (i != 0) {
            (void)sqlite3_sleep(PAUSE_MS);
        }
        held = sqlite_owner_hold(store, err);
        status = schema_is_old(store->writer, &is_old, err);
    }
    if (status == PD_OK && is_old && held != PD_OK) {
        pd_error why = *err;
        return error_set(err, held, why.retryable, "sqlite: open",
                         "cannot be migrated to this version: %s", why.text);
    }
    if (status == PD_OK) {
        status = schema_prepare(store->writer, partitions, &store->base.partition_count, err);
    }
    if (held == PD_OK) {
        sqlite_owner_let_go(store);
    }
    return status;
}

static struct sqlite_store *sqlite_new(const char *file, const char *vfs, pd_error *err)
{
    size_t size = strlen(file) + 1;
    if (size == 1 || file[size - 2] == '/') {
        (void)error_set(err, PD_E_INVALID, false, "sqlite: open", "'%s' does not name a file",
                        file);
        return NULL;
    }
    struct sqlite_store *store = OBJECT_NEW(struct sqlite_store, SQLITE_STORE_MAGIC);
    store->base.ops = &sqlite_ops;
    store->vfs = vfs;
    store->owner.lock_fd = store->owner.pipe_fd = store->owner.watch_fd = store->owner.wake_fd = -1;
    store->name = mem_alloc(size);
    memcpy(store->name, file, size);
    store->path = path_of(file);
    pthread_mutex_init(&store->sender_lock, NULL);
    pthread_mutex_init(&store->readers_lock, NULL);
    pthread_mutex_init(&store->owner.lock, NULL);
    return store;
}

void store_sqlite_count_no_memory(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* too late, it is refused: no harm */
}

struct store *store_sqlite_open(const char *file, unsigned partitions, const char *vfs,
                                pd_error *err)
{
    if (partitions == 0 || partitions > LIMIT_PARTITIONS) {
        (void)error_set(err, PD_E_INVALID, false, "sqlite: open",
                        "%u partitions; 1 to %d are possible", partitions, LIMIT_PARTITIONS);
        return NULL;
    }
    struct sqlite_store *store = sqlite_new(file, vfs, err);
    if (store == NULL) {
        return NULL;
    }
    if (schema_probe(store->path, store->name, vfs, err) != PD_OK ||
        sqlite_writer(store, err) == NULL || sqlite_owner_init(store, err) != PD_OK ||
        prepare(store, partitions, err) != PD_OK) {
        sqlite_close(&store->base);
        return NULL;
    }
    return &store->base;
}

pd_status store_sqlite_probe(const char *file, const char *vfs, pd_error *err)
{
    struct sqlite_store *store = sqlite_new(file, vfs, err);
    if (store == NULL) {
        return err->status;
    }
    pd_status status = schema_probe(store->path, store->name, vfs, err);
    if (status == PD_OK) {
        status = connection_may_write(store->path, store->name, "sqlite: open", err);
    }
    sqlite_close(&store->base);
    return status;
}

struct store *store_sqlite_look(const char *file, const char *vfs, pd_error *err)
{
    struct sqlite_store *store = sqlite_new(file, vfs, err);
    if (store == NULL) {
        return NULL;
    }
    store->only_reads = true;
    pd_status status = PD_OK;
    if (access(store->path, F_OK) != 0) {
        status = error_set(err, PD_E_NOT_FOUND, false, "sqlite: look", "there is no '%s'", file);
    }
    if (status == PD_OK) {
        status = schema_probe(store->path, store->name, vfs, err);
    }
    struct connection *reader = status == PD_OK ? sqlite_reader_take(store, err) : NULL;
    if (reader != NULL) {
        status = schema_look(reader, &store->base.partition_count, err);
        sqlite_reader_give(store, reader);
    }
    if (reader == NULL || status != PD_OK) {
        sqlite_close(&store->base);
        return NULL;
    }
    return &store->base;
}
