/* SPDX-License-Identifier: MIT
 *
 * Reading: rows become records in the caller's arena.
 *
 * Each call takes a connection from the pool and asks one statement, which SQLite answers from one
 * snapshot, also beside a running commit (S4). Everything is copied before the row is left. */
#include <limits.h>

#include "base/error.h"
#include "base/limits.h"
#include "store/sqlite/reading.h"

static const char where[] = "sqlite: read";

bool reading_open(struct reading *reading, struct store *base, struct arena *arena, pd_error *err)
{
    *reading = (struct reading){ .store = sqlite_store_of(base), .arena = arena, .err = err };
    reading->connection = sqlite_reader_take(reading->store, err);
    reading->status = reading->connection != NULL ? PD_OK : err->status;
    return reading->connection != NULL;
}

bool reading_start(struct reading *reading, struct store *base, enum statement which,
                   struct arena *arena, pd_error *err)
{
    if (reading_open(reading, base, arena, err)) {
        reading->statement = connection_statement(reading->connection, which, where, err);
    }
    if (reading->statement == NULL) {
        reading->status = err->status;
        sqlite_reader_give(reading->store, reading->connection);
        return false;
    }
    return true;
}

bool reading_next(struct reading *reading)
{
    if (reading->status != PD_OK) {
        return false;
    }
    int code = sqlite3_step(reading->statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        reading->status = connection_error(reading->connection, where, reading->err);
    }
    return code == SQLITE_ROW;
}

pd_status reading_stop(struct reading *reading)
{
    (void)sqlite3_reset(reading->statement);
    (void)sqlite3_clear_bindings(reading->statement);
    sqlite_reader_give(reading->store, reading->connection);
    return reading->status;
}

struct text reading_text(struct reading *reading, int column)
{
    int type = sqlite3_column_type(reading->statement, column);
    if (type == SQLITE_NULL) {
        return TEXT_ABSENT;
    }
    const void *at = type == SQLITE_BLOB ? sqlite3_column_blob(reading->statement, column)
                                         : sqlite3_column_text(reading->statement, column);
    size_t size = (size_t)sqlite3_column_bytes(reading->statement, column);
    char *copy = arena_try_alloc(reading->arena, size + 1);
    if (copy == NULL || (at == NULL && size != 0)) {
        reading->status = error_set(reading->err, PD_E_NOMEM, true, where,
                                    "no memory for a value of %zu bytes", size);
        return TEXT_ABSENT;
    }
    if (size != 0) {
        memcpy(copy, at, size);
    }
    return text_make(copy, size);
}

/* Makes room for one more in an array that lives in an arena. */
void *reading_grow(struct arena *arena, void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return items;
    }
    size_t more = *room != 0 ? *room * 2 : 16;
    void *bigger = arena_alloc_raw(arena, more * size);
    if (count != 0) {
        memcpy(bigger, items, count * size);
    }
    *room = more;
    return bigger;
}

struct text reading_after_prefix(struct arena *arena, struct text prefix)
{
    size_t size = prefix.size;
    while (size != 0 && (uint8_t)prefix.at[size - 1] == 0xff) {
        size--;
    }
    if (size == 0) {
        return TEXT_ABSENT;
    }
    char *copy = arena_copy(arena, prefix.at, size);
    copy[size - 1] = (char)((uint8_t)copy[size - 1] + 1);
    return text_make(copy, size);
}

/* ---- instances ------------------------------------------------------------------------------- */

struct instance_record reading_record(struct reading *reading, bool with_payloads)
{
    sqlite3_stmt *s = reading->statement;
    struct instance_record record = {
        .row = reading_number(reading, 0),
        .id = reading_text(reading, 1),
        .execution_id = reading_text(reading, 2),
        .name = reading_text(reading, 3),
        .version = reading_text(reading, 4),
        .created_at = sqlite3_column_int64(s, 6),
        .updated_at = sqlite3_column_int64(s, 7),
        .ended_at = sqlite3_column_int64(s, 8),
        .is_busy = sqlite3_column_int(s, 9) != 0,
        .starts_at = sqlite3_column_int64(s, 10),
        .parent_step = sqlite3_column_int(s, 11),
        .parent_id = reading_text(reading, 12),
        .parent_execution_id = reading_text(reading, 13),
        .tags = reading_text(reading, 14),
    };
    int state = sqlite3_column_int(s, 5);
    if (state < (int)RUN_PENDING || state > (int)RUN_TERMINATED) {
        reading->status = error_set(reading->err, PD_E_CORRUPT, false, where,
                                    "instance %llu is in state %d, which is none",
                                    (unsigned long long)record.row, state);
        return record;
    }
    record.state = (enum run_state)state;
    record.partition = (unsigned)(record.row % reading->store->base.partition_count);
    if (with_payloads) {
        record.input = reading_text(reading, 15);
        record.output = reading_text(reading, 16);
        record.failure = reading_text(reading, 17);
        record.custom_status = reading_text(reading, 18);
    }
    return record;
}

pd_status sqlite_load_instance(struct store *base, struct text id, uint64_t row,
                               struct arena *arena, struct instance_record *ret, bool *ret_found,
                               pd_error *err)
{
    struct reading reading;
    bool by_id = text_is_present(id);
    if (!reading_start(&reading, base, by_id ? STATEMENT_INSTANCE_BY_ID : STATEMENT_INSTANCE_BY_ROW,
                       arena, err)) {
        return reading.status;
    }
    if (by_id) {
        connection_bind_text(reading.statement, 1, id);
    } else {
        connection_bind_number(reading.statement, 1, row);
    }
    struct instance_record record;
    bool found = reading_next(&reading);
    if (found) {
        record = reading_record(&reading, true);
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

/* ---- what belongs to one instance ------------------------------------------------------------ */

pd_status sqlite_load_turns(struct store *base, uint64_t row, uint64_t from, size_t bytes,
                            struct arena *arena, struct history_rows *ret, pd_error *err)
{
    struct reading reading;
    struct text *turns = NULL;
    size_t count = 0, room = 0, size = 0;
    uint64_t first = from != 0 ? from : 1;
    if (!reading_start(&reading, base, STATEMENT_HISTORY_LIST, arena, err)) {
        return reading.status;
    }
    connection_bind_number(reading.statement, 1, row);
    connection_bind_number(reading.statement, 2, first);
    while (size < bytes && reading_next(&reading)) {
        uint64_t turn = reading_number(&reading, 0);
        if (turn != first + count) {
            reading.status = error_set(err, PD_E_CORRUPT, false, where,
                                       "history of instance %llu has turn %llu where %llu belongs",
                                       (unsigned long long)row, (unsigned long long)turn,
                                       (unsigned long long)(first + count));
            break;
        }
        turns = reading_grow(arena, turns, count, &room, sizeof *turns);
        turns[count] = reading_text(&reading, 1);
        size += turns[count++].size;
    }
    pd_status status = reading_stop(&reading);
    if (status == PD_OK) {
        *ret = (struct history_rows){ .turns = turns, .count = count, .first = first };
    }
    return status;
}

pd_status sqlite_load_history(struct store *base, uint64_t row, uint64_t from, struct arena *arena,
                              struct history_rows *ret, pd_error *err)
{
    return sqlite_load_turns(base, row, from, SIZE_MAX, arena, ret, err);
}

pd_status sqlite_load_inbox(struct store *base, uint64_t row, struct arena *arena,
                            struct inbox_rows *ret, pd_error *err)
{
    struct reading reading;
    struct text *events = NULL;
    uint64_t *arrivals = NULL;
    size_t count = 0, room = 0, arrivals_room = 0;
    if (!reading_start(&reading, base, STATEMENT_INBOX_LIST, arena, err)) {
        return reading.status;
    }
    connection_bind_number(reading.statement, 1, row);
    while (reading_next(&reading)) {
        events = reading_grow(arena, events, count, &room, sizeof *events);
        arrivals = reading_grow(arena, arrivals, count, &arrivals_room, sizeof *arrivals);
        arrivals[count] = reading_number(&reading, 0);
        events[count++] = reading_text(&reading, 1);
    }
    pd_status status = reading_stop(&reading);
    if (status == PD_OK) {
        *ret = (struct inbox_rows){ .events = events, .arrivals = arrivals, .count = count };
    }
    return status;
}

pd_status sqlite_load_progress(struct store *base, uint64_t row, struct arena *arena,
                               struct progress_rows *ret, pd_error *err)
{
    struct reading reading;
    struct progress *items = NULL;
    size_t count = 0, room = 0;
    if (!reading_start(&reading, base, STATEMENT_PROGRESS_LIST, arena, err)) {
        return reading.status;
    }
    connection_bind_number(reading.statement, 1, row);
    while (reading_next(&reading)) {
        items = reading_grow(arena, items, count, &room, sizeof *items);
        items[count++] = (struct progress){
            .id = sqlite3_column_int(reading.statement, 0),
            .bytes = reading_text(&reading, 1),
        };
    }
    pd_status status = reading_stop(&reading);
    if (status == PD_OK) {
        *ret = (struct progress_rows){ .items = items, .count = count };
    }
    return status;
}

/* ---- what belongs to a partition ------------------------------------------------------------- */

pd_status sqlite_scan_busy(struct store *base, unsigned partition, uint64_t after, size_t max,
                           struct arena *arena, struct busy_page *ret, pd_error *err)
{
    struct reading reading;
    uint64_t *rows = NULL;
    size_t count = 0, room = 0;
    if (!reading_start(&reading, base, STATEMENT_BUSY_LIST, arena, err)) {
        return reading.status;
    }
    connection_bind_number(reading.statement, 1, after);
    connection_bind_number(reading.statement, 2, base->partition_count);
    connection_bind_number(reading.statement, 3, partition);
    connection_bind_number(reading.statement, 4, max < INT_MAX ? max : INT_MAX);
    while (reading_next(&reading)) {
        rows = reading_grow(arena, rows, count, &room, sizeof *rows);
        rows[count++] = reading_number(&reading, 0);
    }
    pd_status status = reading_stop(&reading);
    if (status == PD_OK) {
        *ret = (struct busy_page){ .rows = rows, .count = count };
    }
    return status;
}

pd_status sqlite_due_timers(struct store *base, unsigned partition, time_us from, time_us until,
                            size_t max, struct arena *arena, struct timer_page *ret, pd_error *err)
{
    struct reading reading;
    struct timer_row *items = NULL;
    size_t count = 0, room = 0;
    if (!reading_start(&reading, base, STATEMENT_TIMER_LIST, arena, err)) {
        return reading.status;
    }
    connection_bind_number(reading.statement, 1, partition);
    (void)sqlite3_bind_int64(reading.statement, 2, from);
    (void)sqlite3_bind_int64(reading.statement, 3, until);
    while (max != 0 && reading_next(&reading)) {
        struct timer_row timer = {
            .due = sqlite3_column_int64(reading.statement, 0),
            .row = reading_number(&reading, 1),
            .id = sqlite3_column_int(reading.statement, 2),
        };
        if (count >= max && timer.due != items[count - 1].due) {
            break;
        }
        items = reading_grow(arena, items, count, &room, sizeof *items);
        items[count++] = timer;
    }
    pd_status status = reading_stop(&reading);
    if (status == PD_OK) {
        *ret = (struct timer_page){ .items = items, .count = count };
    }
    return status;
}

pd_status sqlite_receive(struct store *base, unsigned partition, uint64_t after, size_t max,
                         struct arena *arena, struct message_page *ret, pd_error *err)
{
    struct reading reading;
    struct message *items = NULL;
    size_t count = 0, room = 0;
    if (!reading_start(&reading, base, STATEMENT_MAILBOX_LIST, arena, err)) {
        return reading.status;
    }
    connection_bind_number(reading.statement, 1, partition);
    connection_bind_number(reading.statement, 2, after);
    connection_bind_number(reading.statement, 3, max < INT_MAX ? max : INT_MAX);
    while (reading_next(&reading)) {
        uint64_t number = reading_number(&reading, 0);
        int kind = sqlite3_column_int(reading.statement, 1);
        if (kind < (int)MESSAGE_START || kind > (int)MESSAGE_CANCEL_SIGNAL) {
            reading.status = error_set(err, PD_E_CORRUPT, false, where,
                                       "message %llu of partition %u is of kind %d, which is none",
                                       (unsigned long long)number, partition, kind);
            break;
        }
        items = reading_grow(arena, items, count, &room, sizeof *items);
        items[count++] = (struct message){
            .number = number,
            .kind = (enum message_kind)kind,
            .partition = partition,
            .flags = (unsigned)sqlite3_column_int64(reading.statement, 2),
            .instance_id = reading_text(&reading, 3),
            .execution_id = reading_text(&reading, 4),
            .bytes = reading_text(&reading, 5),
        };
    }
    pd_status status = reading_stop(&reading);
    if (status == PD_OK) {
        *ret = (struct message_page){ .items = items, .count = count };
    }
    return status;
}
