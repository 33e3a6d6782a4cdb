/* SPDX-License-Identifier: MIT
 *
 * Entities, read.
 *
 *   Y1  A query goes through the index of ids, from where its page begins to where its prefix ends,
 *       or through the rows, and sorts nothing. What a window of time leaves out is passed on the
 *       way: no index of times is kept, as each put would pay for it (docs/decisions/0011). Of the
 *       locked, who are few, it goes through all, and sorts them if it has to.
 *   Y2  State is the last column, and a query that does not give it does not read it either:
 *       typeof looks at the head of a row only. */
#include <limits.h>

#include "store/sqlite/reading.h"

/* Of ENTITY_COLUMNS, and the state behind them. */
static struct entity_record record_of(struct reading *reading)
{
    struct entity_record record = {
        .row = reading_number(reading, 0),
        .id = reading_text(reading, 1),
        .updated_at = sqlite3_column_int64(reading->statement, 2),
        .is_busy = sqlite3_column_int(reading->statement, 3) != 0,
        .lock_owner = reading_text(reading, 4),
        .lock_execution = reading_text(reading, 5),
        .lock_section = reading_text(reading, 6),
        .state = reading_text(reading, 7),
    };
    record.partition = (unsigned)(record.row % reading->store->base.partition_count);
    return record;
}

pd_status sqlite_load_entity(struct store *base, struct text id, uint64_t row, struct arena *arena,
                             struct entity_record *ret, bool *ret_found, pd_error *err)
{
    struct reading reading;
    struct entity_record record = { 0 };
    bool by_id = text_is_present(id);
    if (!reading_start(&reading, base, by_id ? STATEMENT_ENTITY_BY_ID : STATEMENT_ENTITY_BY_ROW,
                       arena, err)) {
        return reading.status;
    }
    if (by_id) {
        connection_bind_text(reading.statement, 1, id);
    } else {
        connection_bind_number(reading.statement, 1, row);
    }
    bool found = reading_next(&reading);
    if (found) {
        record = record_of(&reading);
    }
    pd_status status = reading_stop(&reading);
    if (status == PD_OK) {
        *ret_found = found;
        if (found) {
            *ret = record;
        }
    }
    return status;
}

static void bind(sqlite3_stmt *s, const struct entity_query *query, struct arena *arena)
{
    struct text above = reading_after_prefix(arena, query->id_prefix);
    struct text from = text_is_present(query->id_prefix) ? query->id_prefix : TEXT("");
    bool goes_on = !query->by_row && text_is_present(query->after_id) &&
                   text_compare(query->after_id, from) >= 0;
    size_t limit = query->limit < INT_MAX ? query->limit : INT_MAX;
    connection_bind_text(s, 1, goes_on ? query->after_id : from);
    (void)sqlite3_bind_int(s, 2, !goes_on);
    connection_bind_number(s, 3, query->by_row ? query->after_row : 0);
    if (text_is_present(above)) {
        connection_bind_text(s, 4, above);
    } else {
        (void)sqlite3_bind_zeroblob(s, 4, 0); /* above all text */
    }
    (void)sqlite3_bind_int64(s, 5, query->changed_from != 0 ? query->changed_from : INT64_MIN);
    (void)sqlite3_bind_int64(s, 6, query->changed_to != 0 ? query->changed_to : INT64_MAX);
    (void)sqlite3_bind_int(s, 7, query->with_empty);
    (void)sqlite3_bind_int(s, 8, query->with_state);
    connection_bind_number(s, 9, limit + 1);
}

pd_status sqlite_query_entities(struct store *base, const struct entity_query *query,
                                struct arena *arena, struct entity_page *ret, pd_error *err)
{
    struct reading reading;
    struct entity_page page = { 0 };
    struct entity_record *items = NULL;
    size_t room = 0, bytes = 0;
    size_t bytes_max = query->bytes_max != 0 ? query->bytes_max : SIZE_MAX;
    enum statement all = query->by_row ? STATEMENT_ENTITY_LIST_BY_ROW : STATEMENT_ENTITY_LIST_BY_ID;
    enum statement locked =
        query->by_row ? STATEMENT_LOCKED_LIST_BY_ROW : STATEMENT_LOCKED_LIST_BY_ID;
    if (!reading_start(&reading, base, query->locked_only ? locked : all, arena, err)) {
        return reading.status;
    }
    bind(reading.statement, query, arena);
    while (reading_next(&reading)) {
        page.has_more = page.count == query->limit || bytes >= bytes_max;
        if (page.has_more) {
            break;
        }
        items = reading_grow(arena, items, page.count, &room, sizeof *items);
        items[page.count] = record_of(&reading);
        bytes += items[page.count].state.size;
        items[page.count++].backlog = (size_t)reading_number(&reading, 8);
    }
    page.items = items;
    pd_status status = reading_stop(&reading);
    if (status == PD_OK) {
        *ret = page;
    }
    return status;
}
