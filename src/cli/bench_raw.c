/* SPDX-License-Identifier: MIT
 *
 * The baseline: what plain SQLite does with the same events on the same disk.
 *
 * A table with nothing but a row number and a blob, one prepared statement, one thread, WAL,
 * synchronous=FULL: about the least a program can do to keep these bytes for good. Everything else
 * is SQLite's default. This file and no other of the command knows SQLite.
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { ROWS_PER_COMMIT = 500 };

struct raw {
    sqlite3 *db;
    sqlite3_stmt *insert, *begin, *commit;
    size_t next; /* of the events, going round */
};

static int failed(sqlite3 *db, const char *what)
{
    return problem(CODE_OTHER, NULL, "bench: sqlite: %s: %s", what, sqlite3_errmsg(db));
}

const char *raw_version(void)
{
    return sqlite3_libversion();
}

/* ---- the events of the store ---- */

/* A stored turn is a protobuf message of one repeated field: tag 0x0a, length, event, ... */
static bool split_turn(const uint8_t *bytes, size_t size, struct stored_events *ret)
{
    size_t at = 0;
    while (at < size) {
        if (bytes[at++] != 0x0a || ret->count == sizeof ret->events / sizeof ret->events[0]) {
            return false;
        }
        uint64_t length = 0;
        for (unsigned shift = 0; shift < 35; shift += 7) {
            if (at == size) {
                return false;
            }
            uint8_t byte = bytes[at++];
            length |= (uint64_t)(byte & 0x7f) << shift;
            if (!(byte & 0x80)) {
                break;
            }
        }
        if (length > size - at) {
            return false;
        }
        struct blob *event = &ret->events[ret->count];
        event->at = malloc((size_t)length + 1);
        if (event->at == NULL) {
            return false;
        }
        memcpy(event->at, bytes + at, (size_t)length);
        event->size = (size_t)length;
        ret->count++;
        ret->bytes += (size_t)length;
        at += (size_t)length;
    }
    ret->turns++;
    return true;
}

int stored_events_read(const char *file, const char *instance_id, struct stored_events *ret)
{
    static const char select[] = "SELECT events FROM history WHERE instance="
                                 "(SELECT row FROM instance WHERE id=?) ORDER BY turn";
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    *ret = (struct stored_events){ .count = 0 };
    int code = CODE_DONE;
    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(db, 5000) != SQLITE_OK ||
        sqlite3_prepare_v2(db, select, -1, &rows, NULL) != SQLITE_OK ||
        sqlite3_bind_text(rows, 1, instance_id, -1, SQLITE_TRANSIENT) != SQLITE_OK) {
        code = failed(db, "read the stored events");
    }
    int step = SQLITE_DONE;
    while (code == CODE_DONE && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        const void *blob = sqlite3_column_blob(rows, 0);
        if (!split_turn(blob, (size_t)sqlite3_column_bytes(rows, 0), ret)) {
            code = problem(CODE_OTHER, NULL, "bench: a stored turn has an unknown form");
        }
    }
    if (code == CODE_DONE && step != SQLITE_DONE) {
        code = failed(db, "read the stored events");
    }
    if (code == CODE_DONE && ret->count == 0) {
        code = problem(CODE_OTHER, NULL, "bench: the store holds no event of '%s'", instance_id);
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return code;
}

void stored_events_done(struct stored_events *events)
{
    for (size_t i = 0; i < events->count; i++) {
        free(events->events[i].at);
    }
    events->count = 0;
}

/* ---- inserts ---- */

int raw_open(const char *file, struct raw **ret)
{
    static const char setup[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                "CREATE TABLE event(id INTEGER PRIMARY KEY, data BLOB NOT NULL);";
    struct raw *raw = calloc(1, sizeof *raw);
    if (raw == NULL) {
        return problem(CODE_OTHER, NULL, "out of memory");
    }
    if (sqlite3_open(file, &raw->db) != SQLITE_OK ||
        sqlite3_exec(raw->db, setup, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(raw->db, "INSERT INTO event(data) VALUES(?)", -1, &raw->insert, NULL) !=
            SQLITE_OK ||
        sqlite3_prepare_v2(raw->db, "BEGIN IMMEDIATE", -1, &raw->begin, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(raw->db, "COMMIT", -1, &raw->commit, NULL) != SQLITE_OK) {
        int code = failed(raw->db, "open the raw file");
        raw_close(raw);
        return code;
    }
    *ret = raw;
    return CODE_DONE;
}

void raw_close(struct raw *raw)
{
    if (raw == NULL) {
        return;
    }
    sqlite3_finalize(raw->insert);
    sqlite3_finalize(raw->begin);
    sqlite3_finalize(raw->commit);
    sqlite3_close(raw->db);
    free(raw);
}

static bool step(sqlite3_stmt *statement)
{
    bool ok = sqlite3_step(statement) == SQLITE_DONE;
    return sqlite3_reset(statement) == SQLITE_OK && ok;
}

static bool insert(struct raw *raw, const struct blob *row)
{
    return sqlite3_bind_blob(raw->insert, 1, row->at, (int)row->size, SQLITE_STATIC) == SQLITE_OK &&
           step(raw->insert);
}

int raw_insert(struct raw *raw, const struct stored_events *events, int64_t ns, int64_t *ret_rows)
{
    int64_t until = clock_mono_ns() + ns;
    do {
        bool ok = step(raw->begin);
        for (int i = 0; ok && i < ROWS_PER_COMMIT; i++) {
            ok = insert(raw, &events->events[raw->next]);
            raw->next = (raw->next + 1) % events->count;
        }
        if (!ok || !step(raw->commit)) {
            return failed(raw->db, "insert");
        }
        *ret_rows += ROWS_PER_COMMIT;
    } while (clock_mono_ns() < until);
    return CODE_DONE;
}

/* A log that still grows makes each fsync dearer than it is in the long run: fill it, so that it is
 * written over from its beginning from now on. */
int raw_warm_up(struct raw *raw, const struct blob *row)
{
    enum { PAGES_BEFORE_CHECKPOINT = 1000 }; /* SQLite's default */
    bool ok = sqlite3_exec(raw->db, "PRAGMA synchronous=OFF", NULL, NULL, NULL) == SQLITE_OK;
    for (int i = 0; ok && i < PAGES_BEFORE_CHECKPOINT + 100; i++) {
        ok = step(raw->begin) && insert(raw, row) && step(raw->commit);
    }
    ok = ok && sqlite3_exec(raw->db, "PRAGMA synchronous=FULL", NULL, NULL, NULL) == SQLITE_OK;
    return ok ? CODE_DONE : failed(raw->db, "warm up");
}

int raw_commit_one(struct raw *raw, const struct blob *row, int64_t *ret_ns)
{
    int64_t began = clock_mono_ns();
    if (!step(raw->begin) || !insert(raw, row) || !step(raw->commit)) {
        return failed(raw->db, "commit one row");
    }
    *ret_ns = clock_mono_ns() - began;
    return CODE_DONE;
}
