/* SPDX-License-Identifier: MIT
 *
 * Queries: what is asked becomes SQL.
 *
 * Only the conditions that a query has are in its SQL, so that SQLite sees what it can make use of.
 * Which they are is its shape; a connection keeps the statement of the shape it was asked last, as
 * pages of one query follow each other.
 *
 *   Q1  A query goes through instances in order of row, which is the order of paging, without
 *       sorting. What has a parent or a tag is found from instance_extra, which only few are in;
 *       children of one instance by the index on it. */
#include <limits.h>

#include "base/buffer.h"
#include "base/error.h"
#include "store/sqlite/reading.h"

static const char where[] = "sqlite: query";

/* In the order of `conditions`; then what the answer holds. */
enum {
    ASKS_STATES = 1u << 0,
    ASKS_FROM_PREFIX = 1u << 1,
    ASKS_TO_PREFIX = 1u << 2,
    ASKS_NAME = 1u << 3,
    ASKS_VERSION = 1u << 4,
    ASKS_PARENT = 1u << 5,
    ASKS_TAG = 1u << 6,
    ASKS_ROOTS = 1u << 7,
    ASKS_CREATED_FROM = 1u << 8,
    ASKS_CREATED_TO = 1u << 9,
    ASKS_ENDED_FROM = 1u << 10,
    ASKS_ENDED_TO = 1u << 11,
    ASKS_HIDDEN = 1u << 12,
    GIVES_PAYLOADS = 1u << 13,
    GIVES_COUNTS = 1u << 14,
};

/* The plus keeps SQLite from an index that would have to be sorted by row. */
static const char *const conditions[] = {
    " AND (?2>>state)&1",
    " AND +id>=?3",
    " AND +id<?4",
    " AND name=?5",
    " AND version=?6",
    " AND parent_id=?7",
    " AND instr(tags,?8)",
    " AND parent_id IS NULL",
    " AND created_at>=?9",
    " AND created_at<=?10",
    " AND ended_at<>0 AND ended_at>=?11",
    " AND ended_at<>0 AND ended_at<=?12",
    " AND instr(name,?14) IS NOT 1",
};

static unsigned shape_of(const struct store_query *query, struct text after_prefix)
{
    unsigned shape = 0;
    shape |= query->states != 0 ? ASKS_STATES : 0u;
    shape |= query->id_prefix.size != 0 ? ASKS_FROM_PREFIX : 0u;
    shape |= text_is_present(after_prefix) ? ASKS_TO_PREFIX : 0u;
    shape |= text_is_present(query->name) ? ASKS_NAME : 0u;
    shape |= text_is_present(query->version) ? ASKS_VERSION : 0u;
    shape |= text_is_present(query->parent_id) ? ASKS_PARENT : 0u;
    shape |= text_is_present(query->tag) ? ASKS_TAG : 0u;
    shape |= query->roots_only ? ASKS_ROOTS : 0u;
    shape |= query->created_from != 0 ? ASKS_CREATED_FROM : 0u;
    shape |= query->created_to != 0 ? ASKS_CREATED_TO : 0u;
    shape |= query->ended_from != 0 ? ASKS_ENDED_FROM : 0u;
    shape |= query->ended_to != 0 ? ASKS_ENDED_TO : 0u;
    shape |= query->hidden.size != 0 ? ASKS_HIDDEN : 0u;
    return shape;
}

/* One pass, and no sorting, as GROUP BY would. */
static const char counts[] = "sum(state=0),sum(state=1),sum(state=2),sum(state=3),sum(state=4),"
                             "sum(state=5),count(*)";
_Static_assert(RUN_TERMINATED == 5, "every state is counted");

static const char *source_of(unsigned shape)
{
    if ((shape & (ASKS_PARENT | ASKS_TAG)) != 0) {
        return "instance_extra AS extra CROSS JOIN instance ON instance.row=extra.row";
    }
    return (shape & GIVES_COUNTS) != 0 && (shape & ASKS_ROOTS) == 0 ? "instance" : INSTANCE_ALL;
}

static void write_sql(struct buffer *sql, unsigned shape)
{
    bool is_count = (shape & GIVES_COUNTS) != 0;
    const char *row = (shape & (ASKS_PARENT | ASKS_TAG)) != 0 ? "extra.row" : "instance.row";
    buffer_printf(sql, "SELECT %s%s FROM %s WHERE %s>?1", is_count ? counts : INSTANCE_COLUMNS,
                  (shape & GIVES_PAYLOADS) != 0 ? INSTANCE_PAYLOADS : "", source_of(shape), row);
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        if ((shape >> i & 1) != 0) {
            buffer_printf(sql, "%s", conditions[i]);
        }
    }
    if (!is_count) {
        buffer_printf(sql, " ORDER BY %s LIMIT ?13", row);
    }
    buffer_add_byte(sql, '\0');
}

static sqlite3_stmt *statement_of(struct connection *connection, unsigned shape, pd_error *err)
{
    if (connection->query != NULL && connection->query_shape == shape) {
        return connection->query;
    }
    struct buffer sql;
    buffer_init(&sql);
    write_sql(&sql, shape);
    (void)sqlite3_finalize(connection->query);
    connection->query = NULL;
    connection->query_shape = shape;
    if (sqlite3_prepare_v2(connection->db, buffer_text(&sql).at, -1, &connection->query, NULL) !=
        SQLITE_OK) {
        (void)connection_error(connection, where, err);
    }
    buffer_done(&sql);
    return connection->query;
}

/* A number that the shape does not have is refused by SQLite, and not missed. */
static bool start(struct reading *reading, struct store *base, const struct store_query *query,
                  unsigned gives, struct arena *arena, pd_error *err)
{
    struct text above = reading_after_prefix(arena, query->id_prefix);
    if (!reading_open(reading, base, arena, err)) {
        return false;
    }
    reading->statement = statement_of(reading->connection, shape_of(query, above) | gives, err);
    sqlite3_stmt *s = reading->statement;
    if (s == NULL) {
        reading->status = err->status;
        sqlite_reader_give(reading->store, reading->connection);
        return false;
    }
    connection_bind_number(s, 1, (gives & GIVES_COUNTS) != 0 ? 0 : query->after_row);
    (void)sqlite3_bind_int64(s, 2, query->states);
    connection_bind_text(s, 3, query->id_prefix);
    connection_bind_text(s, 4, above);
    connection_bind_text(s, 5, query->name);
    connection_bind_text(s, 6, query->version);
    connection_bind_text(s, 7, query->parent_id);
    connection_bind_text(s, 8, query->tag);
    (void)sqlite3_bind_int64(s, 9, query->created_from);
    (void)sqlite3_bind_int64(s, 10, query->created_to);
    (void)sqlite3_bind_int64(s, 11, query->ended_from);
    (void)sqlite3_bind_int64(s, 12, query->ended_to);
    connection_bind_text(s, 14, query->hidden);
    return true;
}

pd_status sqlite_query(struct store *base, const struct store_query *query, struct arena *arena,
                       struct record_page *ret, pd_error *err)
{
    struct reading reading;
    struct record_page page = { 0 };
    struct instance_record *items = NULL;
    size_t room = 0, bytes = 0;
    size_t bytes_max = query->bytes_max != 0 ? query->bytes_max : SIZE_MAX;
    size_t limit = query->limit < INT_MAX ? query->limit : INT_MAX;
    if (!start(&reading, base, query, query->with_payloads ? GIVES_PAYLOADS : 0u, arena, err)) {
        return reading.status;
    }
    connection_bind_number(reading.statement, 13, limit + 1);
    while (reading_next(&reading)) {
        if (page.count == limit || bytes >= bytes_max) {
            page.has_more = true;
            break;
        }
        items = reading_grow(arena, items, page.count, &room, sizeof *items);
        items[page.count] = reading_record(&reading, query->with_payloads);
        bytes += record_payload_bytes(&items[page.count++]);
    }
    page.items = items;
    pd_status status = reading_stop(&reading);
    if (status == PD_OK) {
        *ret = page;
    }
    return status;
}

pd_status sqlite_count(struct store *base, const struct store_query *query,
                       struct store_counts *ret, pd_error *err)
{
    struct reading reading;
    struct store_counts found = { 0 };
    struct arena arena;
    arena_init(&arena);
    if (!start(&reading, base, query, GIVES_COUNTS, &arena, err)) {
        arena_done(&arena);
        return reading.status;
    }
    if (reading_next(&reading)) {
        uint64_t rest = reading_number(&reading, RUN_TERMINATED + 1);
        for (int state = RUN_PENDING; state <= (int)RUN_TERMINATED; state++) {
            found.of[state] = reading_number(&reading, state);
            rest -= found.of[state];
        }
        if (rest != 0) {
            reading.status =
                error_set(err, PD_E_CORRUPT, false, where,
                          "%llu instances are in a state which is none", (unsigned long long)rest);
        }
    }
    pd_status status = reading_stop(&reading);
    arena_done(&arena);
    if (status == PD_OK) {
        *ret = found;
    }
    return status;
}
