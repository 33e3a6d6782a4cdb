/* SPDX-License-Identifier: MIT
 *
 * A statement being read: what read.c and query.c share.
 *
 * Each takes a connection from the pool and asks one statement, which SQLite answers from one
 * snapshot, also beside a running commit (S4). Everything is copied into the arena before the row
 * is left. */
#ifndef STORE_SQLITE_READING_H
#define STORE_SQLITE_READING_H

#include "store/sqlite/sqlite_store.h"

struct reading {
    struct sqlite_store *store;
    struct connection *connection;
    sqlite3_stmt *statement;
    struct arena *arena;
    pd_status status; /* of the first thing that went wrong */
    pd_error *err;
};

/* Takes a connection; the statement is the caller's to set. False: there is none, see status. */
bool reading_open(struct reading *reading, struct store *base, struct arena *arena, pd_error *err);
/* The same with a statement, ready to bind. */
bool reading_start(struct reading *reading, struct store *base, enum statement which,
                   struct arena *arena, pd_error *err);
bool reading_next(struct reading *reading); /* false: no more, or something went wrong */
pd_status reading_stop(struct reading *reading);

struct text reading_text(struct reading *reading, int column);
static inline uint64_t reading_number(const struct reading *reading, int column)
{
    return (uint64_t)sqlite3_column_int64(reading->statement, column);
}

/* Of INSTANCE_COLUMNS, and INSTANCE_PAYLOADS behind them. */
struct instance_record reading_record(struct reading *reading, bool with_payloads);

/* Makes room for one more in an array that lives in an arena. */
void *reading_grow(struct arena *arena, void *items, size_t count, size_t *room, size_t size);

/* The least text above every text that begins with the prefix; absent when there is none. */
struct text reading_after_prefix(struct arena *arena, struct text prefix);

#endif
