/* SPDX-License-Identifier: MIT
 *
 * The schema, as migrations; docs/format/sqlite.md explains it to people.
 *
 * Why the tables are as they are: docs/decisions/0003-history-layout.md. */
#include "store/sqlite/schema.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "store/sqlite/connection.h"

static const char *const migration_1[] = {
    /* Who owns a partition, and the numbers that must never be given out twice. */
    "CREATE TABLE partition("
    " number INTEGER PRIMARY KEY,"
    " epoch INTEGER NOT NULL DEFAULT 0,"
    " owned_at INTEGER NOT NULL DEFAULT 0,"
    " row_high INTEGER NOT NULL DEFAULT 0,"
    " timer_high INTEGER NOT NULL DEFAULT 0,"
    " mailbox_high INTEGER NOT NULL DEFAULT 0);"
    /* Payloads come last, so that a list without them does not read them. */
    "CREATE TABLE instance("
    " row INTEGER PRIMARY KEY,"
    " id TEXT NOT NULL,"
    " execution_id TEXT,"
    " name TEXT,"
    " version TEXT,"
    " state INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL,"
    " ended_at INTEGER NOT NULL,"
    " custom_status TEXT,"
    " input TEXT,"
    " output TEXT,"
    " failure BLOB);"
    "CREATE UNIQUE INDEX instance_id ON instance(id);"
    "CREATE TABLE busy(row INTEGER PRIMARY KEY);"
    "CREATE TABLE history("
    " id INTEGER PRIMARY KEY,"
    " instance INTEGER NOT NULL,"
    " turn INTEGER NOT NULL,"
    " events BLOB NOT NULL);"
    "CREATE INDEX history_instance ON history(instance);"
    "CREATE TABLE inbox("
    " instance INTEGER NOT NULL,"
    " arrival INTEGER NOT NULL,"
    " event BLOB NOT NULL,"
    " PRIMARY KEY(instance,arrival)) WITHOUT ROWID;"
    "CREATE TABLE timer("
    " instance INTEGER NOT NULL,"
    " id INTEGER NOT NULL,"
    " due INTEGER NOT NULL,"
    " partition INTEGER NOT NULL,"
    " number INTEGER NOT NULL,"
    " PRIMARY KEY(instance,id,due)) WITHOUT ROWID;"
    "CREATE INDEX timer_due ON timer(partition,due,number);"
    "CREATE TABLE mailbox("
    " partition INTEGER NOT NULL,"
    " number INTEGER NOT NULL,"
    " kind INTEGER NOT NULL,"
    " instance_id TEXT NOT NULL,"
    " event BLOB NOT NULL,"
    " PRIMARY KEY(partition,number)) WITHOUT ROWID;"
    "CREATE INDEX mailbox_start ON mailbox(instance_id) WHERE kind=1;",
    NULL
};

static const char *const migration_2[] = {
    /* What few instances have, apart from the others, which then cost nothing. */
    "CREATE TABLE instance_extra("
    " row INTEGER PRIMARY KEY,"
    " starts_at INTEGER NOT NULL,"
    " parent_step INTEGER NOT NULL,"
    " parent_id TEXT,"
    " parent_execution_id TEXT,"
    " tags TEXT);"
    "CREATE INDEX instance_parent ON instance_extra(parent_id) WHERE parent_id IS NOT NULL;"
    "CREATE TABLE progress("
    " instance INTEGER NOT NULL,"
    " id INTEGER NOT NULL,"
    " data TEXT,"
    " PRIMARY KEY(instance,id)) WITHOUT ROWID;"
    /* Messages without an event, and what belongs to one execution. */
    "DROP INDEX mailbox_start;"
    "ALTER TABLE mailbox RENAME TO mailbox_1;"
    "CREATE TABLE mailbox("
    " partition INTEGER NOT NULL,"
    " number INTEGER NOT NULL,"
    " kind INTEGER NOT NULL,"
    " flags INTEGER NOT NULL,"
    " instance_id TEXT NOT NULL,"
    " execution_id TEXT,"
    " event BLOB,"
    " PRIMARY KEY(partition,number)) WITHOUT ROWID;"
    /* A start took the place of whatever had ended: states 3, 4 and 5. */
    "INSERT INTO mailbox SELECT partition,number,kind,CASE kind WHEN 1 THEN 56 ELSE 0 END,"
    " instance_id,NULL,event FROM mailbox_1;"
    "DROP TABLE mailbox_1;"
    "CREATE INDEX mailbox_start ON mailbox(instance_id) WHERE " SCHEMA_IS_START ";",
    NULL
};

static const char *const migration_3[] = {
    /* Rows are of instances or of entities: busy, inbox and timer are shared by both. Since this
     * version new names begin as those do that are not for others: a file may have an `entity` of
     * its user's. */
    "CREATE TABLE perdure_entity("
    " row INTEGER PRIMARY KEY,"
    " id TEXT NOT NULL,"
    " updated_at INTEGER NOT NULL,"
    " state TEXT);"
    "CREATE UNIQUE INDEX perdure_entity_id ON perdure_entity(id);"
    /* Apart, so that locking does not write a state again: docs/decisions/0011. */
    "CREATE TABLE perdure_lock("
    " row INTEGER PRIMARY KEY,"
    " owner TEXT NOT NULL,"
    " execution_id TEXT,"
    " section TEXT);",
    NULL
};

static const char *const *const migrations[SCHEMA_VERSION] = { migration_1, migration_2,
                                                               migration_3 };

static const char *const ours[] = {
    "partition",       "instance",
    "instance_extra",  "busy",
    "history",         "progress",
    "inbox",           "timer",
    "mailbox",         "byte",
    "timer_due",       "instance_id",
    "instance_parent", "history_instance",
    "mailbox_start",
};

bool schema_is_ours(const char *name)
{
    static const char prefix[] = "perdure_"; /* of all the others, also of versions to come */
    bool is_ours = name != NULL && sqlite3_strnicmp(name, prefix, (int)sizeof prefix - 1) == 0;
    for (size_t i = 0; name != NULL && i < sizeof ours / sizeof ours[0] && !is_ours; i++) {
        is_ours = sqlite3_stricmp(name, ours[i]) == 0;
    }
    return is_ours;
}

static const char where_open[] = "sqlite: open";

static pd_status not_ours(const char *name, pd_error *err)
{
    return error_set(err, PD_E_CORRUPT, false, where_open,
                     "'%s' is not a Perdure store; it was not touched", name);
}

static pd_status too_new(const char *name, int64_t version, pd_error *err)
{
    return error_set(err, PD_E_STATE, false, where_open,
                     "'%s' is version %lld, this library reads up to %d; upgrade the library", name,
                     (long long)version, SCHEMA_VERSION);
}

/* ---- looking, without touching --------------------------------------------------------------- */

enum { HEADER_SIZE = 100, HEADER_VERSION_AT = 60, HEADER_ID_AT = 68 };

static const uint8_t zeros[HEADER_SIZE];

static uint32_t number_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static pd_status judge_header(const uint8_t *header, bool has_journal, const char *name,
                              pd_error *err)
{
    if (memcmp(header, "SQLite format 3", 16) != 0) {
        /* Zeros with a journal: the making of the file was cut short, SQLite will empty it. */
        return has_journal && memcmp(header, zeros, HEADER_SIZE) == 0 ? PD_OK : not_ours(name, err);
    }
    uint32_t id = number_at(header + HEADER_ID_AT);
    if (id == SCHEMA_APPLICATION_ID) {
        uint32_t version = number_at(header + HEADER_VERSION_AT);
        return version <= SCHEMA_VERSION ? PD_OK : too_new(name, version, err);
    }
    return not_ours(name, err);
}

/* By the VFS and not by open(2): closing a descriptor of a file that this process has open
 * elsewhere would drop the locks SQLite holds on it; SQLite's own files know how to avoid that. */
pd_status schema_probe(const char *path, const char *name, const char *vfs_name, pd_error *err)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    char full[1024], journal[1024 + 16];
    struct stat what;
    int exists = 0, has_journal = 0, flags = 0;
    int found = SQLITE_ERROR;
    if (vfs != NULL && vfs->mxPathname + 1 <= (int)sizeof full) {
        found = vfs->xFullPathname(vfs, path, (int)sizeof full, full);
    }
    if (found != SQLITE_OK && found != SQLITE_OK_SYMLINK) { /* a folder behind a link is as good */
        return error_set(err, PD_E_INVALID, false, where_open, "'%s' is not a usable path", name);
    }
    if (lstat(path, &what) == 0 && S_ISLNK(what.st_mode)) {
        return error_set(err, PD_E_INVALID, false, where_open,
                         "'%s' is a symbolic link: name the file itself, beside which its lock is",
                         name);
    }
    (void)snprintf(journal, sizeof journal, "%s-journal", full);
    if (vfs->xAccess(vfs, full, SQLITE_ACCESS_EXISTS, &exists) != SQLITE_OK || exists == 0) {
        return PD_OK;
    }
    if (stat(full, &what) == 0 && !S_ISREG(what.st_mode)) {
        return error_set(err, PD_E_DENIED, false, where_open, "'%s' is not a file", name);
    }
    (void)vfs->xAccess(vfs, journal, SQLITE_ACCESS_EXISTS, &has_journal);
    sqlite3_file *file = mem_alloc((size_t)vfs->szOsFile);
    pd_status status = PD_OK;
    uint8_t header[HEADER_SIZE] = { 0 };
    /* The name handed to xOpen is the one of SQLite: it ends in two NULs more. */
    char *filename = mem_alloc(strlen(full) + 4);
    memcpy(filename, full, strlen(full));
    int code = vfs->xOpen(vfs, filename, file, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, &flags);
    if (code == SQLITE_OK) {
        /* Read rather than ask for the size: to SQLite a file of one byte is an empty one. */
        code = file->pMethods->xRead(file, header, HEADER_SIZE, 0);
        if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) {
            status = error_set(err, PD_E_UNAVAILABLE, true, where_open, "'%s' cannot be read: %s",
                               name, sqlite3_errstr(code));
        } else if (code == SQLITE_OK || memcmp(header, zeros, HEADER_SIZE) != 0) {
            status = judge_header(header, has_journal != 0, name, err);
        }
        (void)file->pMethods->xClose(file);
    } else {
        status = error_set(err, PD_E_DENIED, false, where_open, "'%s' cannot be opened", name);
    }
    mem_free(filename);
    mem_free(file);
    return status;
}

/* ---- making and migrating -------------------------------------------------------------------- */

static pd_status fill_partitions(struct connection *connection, unsigned partitions, pd_error *err)
{
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1<%u)"
                   " INSERT INTO partition(number) SELECT i FROM n",
                   partitions);
    return connection_execute(connection, sql, where_open, err);
}

static pd_status execute_pieces(struct connection *connection, const char *const *pieces,
                                pd_error *err)
{
    struct buffer sql;
    buffer_init(&sql);
    for (; *pieces != NULL; pieces++) {
        buffer_add_text(&sql, text_of(*pieces));
    }
    buffer_add_byte(&sql, 0);
    pd_status status = connection_execute(connection, buffer_text(&sql).at, where_open, err);
    buffer_done(&sql);
    return status;
}

static pd_status migrate(struct connection *connection, int64_t version, unsigned partitions,
                         pd_error *err)
{
    char sql[80];
    pd_status status = PD_OK;
    if (version != 0) {
        status = connection_execute(connection, schema_views_gone, where_open, err);
    }
    for (int64_t i = version; i < SCHEMA_VERSION && status == PD_OK; i++) {
        status = execute_pieces(connection, migrations[i], err);
    }
    if (status == PD_OK) {
        status = execute_pieces(connection, schema_views, err);
    }
    if (status == PD_OK && version == 0) {
        status = fill_partitions(connection, partitions, err);
    }
    (void)snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                   SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
    return status != PD_OK ? status : connection_execute(connection, sql, where_open, err);
}

/* Inside a transaction: what is here, and what is to be done about it. */
static pd_status bring_up(struct connection *connection, unsigned partitions, pd_error *err)
{
    int64_t id = 0, version = 0, things = 0;
    pd_status status =
        connection_integer(connection, "PRAGMA application_id", &id, where_open, err);
    if (status == PD_OK) {
        status = connection_integer(connection, "PRAGMA user_version", &version, where_open, err);
    }
    if (status == PD_OK) {
        status = connection_integer(connection, "SELECT count(*) FROM sqlite_schema", &things,
                                    where_open, err);
    }
    if (status != PD_OK) {
        return status;
    }
    if (id != SCHEMA_APPLICATION_ID && (id != 0 || version != 0 || things != 0)) {
        return not_ours(connection->name, err);
    }
    if (version > SCHEMA_VERSION) {
        return too_new(connection->name, version, err);
    }
    return version < SCHEMA_VERSION ? migrate(connection, version, partitions, err) : PD_OK;
}

static pd_status need_work(struct connection *connection, bool *ret, pd_error *err)
{
    int64_t id = 0, version = 0;
    pd_status status =
        connection_integer(connection, "PRAGMA application_id", &id, where_open, err);
    if (status == PD_OK) {
        status = connection_integer(connection, "PRAGMA user_version", &version, where_open, err);
    }
    *ret = id != SCHEMA_APPLICATION_ID || version != SCHEMA_VERSION;
    return status;
}

pd_status schema_is_old(struct connection *connection, bool *ret, pd_error *err)
{
    int64_t version = 0;
    pd_status status =
        connection_integer(connection, "PRAGMA user_version", &version, where_open, err);
    *ret = version > 0 && version < SCHEMA_VERSION;
    return status;
}

/* Two processes may do this at once, and SQLite does not wait for the other when it changes the
 * mode: so ask again for a while. */
static pd_status switch_to_wal(struct connection *connection, pd_error *err)
{
    pd_status status;
    for (int tries = 0;; tries++) {
        status = connection_execute(connection, "PRAGMA journal_mode=WAL", where_open, err);
        if (status == PD_OK || (sqlite3_errcode(connection->db) & 0xff) != SQLITE_BUSY ||
            tries == 500) {
            return status;
        }
        (void)sqlite3_sleep(10);
    }
}

static pd_status count_partitions(struct connection *connection, unsigned *ret, pd_error *err)
{
    int64_t count = 0;
    pd_status status =
        connection_integer(connection, "SELECT count(*) FROM partition", &count, where_open, err);
    if (status == PD_OK) {
        *ret = (unsigned)count;
    }
    return status;
}

pd_status schema_prepare(struct connection *connection, unsigned partitions,
                         unsigned *ret_partitions, pd_error *err)
{
    bool work = false;
    pd_status status = need_work(connection, &work, err);
    if (status == PD_OK && work) {
        status = connection_execute(connection, "BEGIN IMMEDIATE", where_open, err);
        if (status == PD_OK) {
            status = bring_up(connection, partitions, err);
        }
        if (status == PD_OK) {
            status = connection_execute(connection, "COMMIT", where_open, err);
        }
        if (status != PD_OK) {
            connection_rollback(connection);
            return status;
        }
    }
    if (status == PD_OK) {
        status = switch_to_wal(connection, err);
    }
    return status == PD_OK ? count_partitions(connection, ret_partitions, err) : status;
}

pd_status schema_look(struct connection *connection, unsigned *ret_partitions, pd_error *err)
{
    bool work = false;
    pd_status status = need_work(connection, &work, err);
    if (status == PD_OK && work) {
        status = error_set(err, PD_E_STATE, false, "sqlite: look",
                           "'%s' is empty or of an earlier version; it is brought up to this one "
                           "when a program opens it to use it",
                           connection->name);
    }
    return status == PD_OK ? count_partitions(connection, ret_partitions, err) : status;
}
