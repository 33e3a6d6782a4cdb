/* SPDX-License-Identifier: MIT
 *
 * Connections: opening, statements, and what SQLite's result codes mean here. */
#include "store/sqlite/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/object.h"

enum { CONNECTION_MAGIC = 0x636f6e6e };

/* How long one waits for another's transaction. Commits take milliseconds; a process that is
 * stopped in the middle of one is what this bounds. */
enum { BUSY_TIMEOUT_MS = 10000, RESTART_TIMEOUT_MS = 100, LOOK_US = 500 };

/* Pages of the log before a checkpoint, and before one that makes readers wait: at 8 KiB, 8 and
 * 128 MiB. Measured in docs/decisions/0003-history-layout.md. */
enum { CHECKPOINT_PAGES = 1000, CHECKPOINT_RESTART_PAGES = 16000 };

static const char *const statement_sql[STATEMENT_COUNT] = {
#define X(name, sql) [STATEMENT_##name] = (sql),
    STATEMENT_MAP(X)
#undef X
};

/* The page size counts only while the file is empty. Nothing here reads the file. */
static const char settings[] = "PRAGMA page_size=8192;"
                               "PRAGMA synchronous=FULL;"
                               "PRAGMA temp_store=MEMORY;"
                               "PRAGMA foreign_keys=OFF;"
                               "PRAGMA trusted_schema=OFF;"
                               "PRAGMA cache_size=-32768;";

/* Looks often: between two commits of a busy engine there is only a moment. SQLite's own handler
 * backs off to 100 ms, and a start from another process was seen to wait for four seconds. */
static int be_patient(void *aux, int looks)
{
    const struct connection *connection = aux;
    if ((int64_t)looks * LOOK_US >= connection->patience_ms * INT64_C(1000)) {
        return 0;
    }
    (void)usleep(LOOK_US);
    return 1;
}

static int note_wal(void *aux, sqlite3 *db, const char *schema, int pages)
{
    (void)db, (void)schema;
    ((struct connection *)aux)->wal_pages = pages;
    return SQLITE_OK;
}

/* Where nothing may be written, SQLite tries again only to read, and what it then says is that the
 * file is not there. So the folder is asked. 0: it is there, and may be written. */
static int wrong_with_folder(const char *name)
{
    const char *slash = strrchr(name, '/');
    size_t size = slash == NULL ? 0 : slash == name ? 1 : (size_t)(slash - name);
    char folder[PATH_MAX] = ".";
    if (size >= sizeof folder) {
        return ENAMETOOLONG;
    }
    if (size > 0) {
        memcpy(folder, name, size);
        folder[size] = '\0';
    }
    return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* words: of the reason. */
static pd_status not_opened(const char *name, int reason, const char *words, const char *where,
                            pd_error *err)
{
    switch (reason) {
    case ENOENT:
    case ENOTDIR:
        return error_set(err, PD_E_DENIED, false, where, "the folder of '%s' does not exist", name);
    case EACCES:
    case EPERM:
    case EROFS:
    case EISDIR:
        return error_set(err, PD_E_DENIED, false, where, "'%s' cannot be opened for writing: %s",
                         name, words);
    default:
        return error_set(err, PD_E_UNAVAILABLE, true, where, "'%s' cannot be opened: %s", name,
                         words);
    }
}

static pd_status cannot_open(struct connection *connection, int code, const char *where,
                             pd_error *err)
{
    int reason = sqlite3_system_errno(connection->db);
    if (reason == ENOENT) {
        int of_folder = wrong_with_folder(connection->name);
        reason = of_folder != 0 ? of_folder : EACCES; /* as of /proc, where nothing can be made */
    }
    return not_opened(connection->name, reason,
                      reason != 0 ? strerror(reason) : sqlite3_errstr(code), where, err);
}

pd_status connection_may_write(const char *path, const char *name, const char *where, pd_error *err)
{
    int reason = wrong_with_folder(path);
    if (reason == 0 && faccessat(AT_FDCWD, path, W_OK | R_OK, AT_EACCESS) != 0 && errno != ENOENT) {
        reason = errno;
    }
    return reason == 0 ? PD_OK : not_opened(name, reason, strerror(reason), where, err);
}

pd_status connection_error(struct connection *connection, const char *where, pd_error *err)
{
    int code = sqlite3_extended_errcode(connection->db);
    const char *name = connection->name;
    switch (code & 0xff) {
    case SQLITE_FULL:
        return error_set(err, PD_E_UNAVAILABLE, true, where, "'%s': the disk is full", name);
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM) {
            break;
        }
        return error_set(err, PD_E_UNAVAILABLE, true, where, "'%s': the disk failed: %s (%d)", name,
                         sqlite3_errstr(code), code);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return error_set(err, PD_E_UNAVAILABLE, true, where,
                         "'%s' is held by another process for too long", name);
    case SQLITE_NOTADB:
        return error_set(err, PD_E_CORRUPT, false, where, "'%s' is not a Perdure store", name);
    case SQLITE_CORRUPT:
        return error_set(err, PD_E_CORRUPT, false, where, "'%s' is damaged: %s", name,
                         sqlite3_errmsg(connection->db));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return error_set(err, PD_E_DENIED, false, where, "'%s' or its folder cannot be written",
                         name);
    case SQLITE_CANTOPEN: return cannot_open(connection, code, where, err);
    case SQLITE_TOOBIG:
        return error_set(err, PD_E_LIMIT, false, where, "a value is too large for '%s'", name);
    case SQLITE_NOMEM: break;
    default:
        return error_set(err, PD_E_BUG, false, where, "'%s': %s", name,
                         sqlite3_errmsg(connection->db));
    }
    return error_set(err, PD_E_NOMEM, true, where, "no memory to work on '%s'", name);
}

struct connection *connection_open(const char *path, const char *name, const char *vfs,
                                   bool only_reads, pd_error *err)
{
    static const char where[] = "sqlite: open";
    struct connection *connection = OBJECT_NEW(struct connection, CONNECTION_MAGIC);
    connection->name = name;
    connection->restart_at = CHECKPOINT_RESTART_PAGES;
    int flags = only_reads ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &connection->db, flags, vfs) != SQLITE_OK) {
        goto fail;
    }
    if (!only_reads && sqlite3_db_readonly(connection->db, "main") != 0) {
        (void)error_set(err, PD_E_DENIED, false, where, "'%s' cannot be written", name);
        goto close;
    }
    connection->patience_ms = BUSY_TIMEOUT_MS;
    (void)sqlite3_busy_handler(connection->db, be_patient, connection);
    (void)sqlite3_wal_hook(connection->db, note_wal,
                           connection); /* also: no automatic checkpoint */
    (void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 512, 256);
    (void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (feed_register(connection->db, "feed_instance", &connection->instances) != SQLITE_OK ||
        feed_register(connection->db, "feed_entity", &connection->entities) != SQLITE_OK ||
        feed_register(connection->db, "feed_history", &connection->histories) != SQLITE_OK ||
        feed_register(connection->db, "feed_timer", &connection->timers) != SQLITE_OK ||
        sqlite3_exec(connection->db, settings, NULL, NULL, NULL) != SQLITE_OK) {
        goto fail;
    }
    return connection;

fail:
    (void)connection_error(connection, where, err);
close:
    connection_close(connection);
    return NULL;
}

void connection_close(struct connection *connection)
{
    if (connection == NULL) {
        return;
    }
    OBJECT_CHECK(connection, CONNECTION_MAGIC);
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(connection->statements[i]);
    }
    (void)sqlite3_finalize(connection->query);
    (void)sqlite3_close_v2(connection->db);
    feed_done(&connection->instances);
    feed_done(&connection->entities);
    feed_done(&connection->histories);
    feed_done(&connection->timers);
    OBJECT_FREE(connection, CONNECTION_MAGIC);
}

sqlite3_stmt *connection_prepare_slow(struct connection *connection, enum statement which,
                                      const char *where, pd_error *err)
{
    if (sqlite3_prepare_v3(connection->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                           &connection->statements[which], NULL) != SQLITE_OK) {
        (void)connection_error(connection, where, err);
        return NULL;
    }
    return connection->statements[which];
}

pd_status connection_run(struct connection *connection, sqlite3_stmt *statement, const char *where,
                         pd_error *err)
{
    pd_status status = PD_OK;
    if (sqlite3_step(statement) != SQLITE_DONE) {
        status = connection_error(connection, where, err);
    }
    (void)sqlite3_reset(statement);
    return status;
}

pd_status connection_do(struct connection *connection, enum statement which, const char *where,
                        pd_error *err)
{
    sqlite3_stmt *statement = connection_statement(connection, which, where, err);
    return statement != NULL ? connection_run(connection, statement, where, err) : err->status;
}

void connection_rollback(struct connection *connection)
{
    pd_error ignored;
    if (sqlite3_get_autocommit(connection->db) == 0) {
        (void)connection_do(connection, STATEMENT_ROLLBACK, "sqlite: roll back", &ignored);
    }
}

pd_status connection_execute(struct connection *connection, const char *sql, const char *where,
                             pd_error *err)
{
    return sqlite3_exec(connection->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? PD_OK
               : connection_error(connection, where, err);
}

pd_status connection_integer(struct connection *connection, const char *sql, int64_t *ret,
                             const char *where, pd_error *err)
{
    sqlite3_stmt *statement = NULL;
    pd_status status = PD_OK;
    int64_t value = 0;
    if (sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        return connection_error(connection, where, err);
    }
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        value = sqlite3_column_int64(statement, 0);
    } else if (code != SQLITE_DONE) {
        status = connection_error(connection, where, err);
    }
    (void)sqlite3_finalize(statement);
    if (status == PD_OK) {
        *ret = value;
    }
    return status;
}

void connection_checkpoint(struct connection *connection)
{
    if (connection->wal_pages < CHECKPOINT_PAGES) {
        connection->restart_at = CHECKPOINT_RESTART_PAGES;
        return;
    }
    if (connection->wal_pages < connection->restart_at) {
        (void)sqlite3_wal_checkpoint_v2(connection->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                        NULL);
        return;
    }
    /* Readers without a pause kept the log from starting over: wait for them, shortly, and not
     * again before it has grown by as much once more (one of them may be stopped for good). */
    connection->restart_at += CHECKPOINT_RESTART_PAGES;
    connection->patience_ms = RESTART_TIMEOUT_MS;
    (void)sqlite3_wal_checkpoint_v2(connection->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    connection->patience_ms = BUSY_TIMEOUT_MS;
}

void connection_trim(struct connection *connection)
{
    (void)sqlite3_db_release_memory(connection->db);
}

void connection_bind_text(sqlite3_stmt *statement, int index, struct text text)
{
    (void)(text_is_present(text) ? sqlite3_bind_text64(statement, index, text.at, text.size,
                                                       SQLITE_STATIC, SQLITE_UTF8)
                                 : sqlite3_bind_null(statement, index));
}

void connection_bind_bytes(sqlite3_stmt *statement, int index, struct text bytes)
{
    (void)(text_is_present(bytes)
               ? sqlite3_bind_blob64(statement, index, bytes.at, bytes.size, SQLITE_STATIC)
               : sqlite3_bind_null(statement, index));
}
