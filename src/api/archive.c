/* SPDX-License-Identifier: MIT
 *
 * An instance as an archive: out of a store that others write to; as bytes, and as events. See
 * archive.h.
 */
#include "api/archive.h"

#include "base/buffer.h"

/* ---- out of a store ------------------------------------------------------------------------- */

struct loading {
    struct store *store;
    uint64_t row;
    struct arena *arena;
    struct archive archive;
    struct buffer turns; /* of struct text */
    bool is_found;
};

static pd_status load_record(struct loading *loading, struct instance_record *ret, pd_error *err)
{
    struct store *store = loading->store;
    return store->ops->load_instance(store, TEXT_ABSENT, loading->row, loading->arena, ret,
                                     &loading->is_found, err);
}

static size_t turn_count(const struct loading *loading)
{
    return loading->turns.size / sizeof(struct text);
}

static pd_status load_history(struct loading *loading, uint64_t from, struct history_rows *ret,
                              pd_error *err)
{
    struct store *store = loading->store;
    *ret = (struct history_rows){ NULL, 0, 1 };
    return store->ops->load_history(store, loading->row, from, loading->arena, ret, err);
}

/* The last turn is where it was: so are those before it. A history that was exchanged for another
 * (rewind, continue as new) does not have it, for the times in it were never before. */
static bool goes_on(const struct loading *loading, const struct history_rows *rows)
{
    const void *turns = loading->turns.at;
    size_t count = turn_count(loading);
    return rows->count != 0 && text_equal(((const struct text *)turns)[count - 1], rows->turns[0]);
}

/* Turns that are not here yet, or all when they are others now. *ret_more: something is new. */
static pd_status load_more(struct loading *loading, bool *ret_more, pd_error *err)
{
    struct history_rows rows;
    size_t known = turn_count(loading) != 0 ? 1 : 0; /* of the rows that are asked for */
    pd_status status = load_history(loading, turn_count(loading), &rows, err);
    bool is_other = status == PD_OK && known != 0 && !goes_on(loading, &rows);
    if (is_other) {
        known = 0;
        buffer_reset(&loading->turns);
        status = load_history(loading, 0, &rows, err);
    }
    if (status != PD_OK) {
        return status;
    }
    size_t more = rows.count - known;
    if (more != 0) {
        buffer_add(&loading->turns, rows.turns + known, more * sizeof *rows.turns);
    }
    *ret_more = is_other || more != 0;
    return PD_OK;
}

static bool stands_as_before(const struct instance_record *a, const struct instance_record *b)
{
    return text_equal(a->execution_id, b->execution_id) && a->updated_at == b->updated_at;
}

/* One attempt, which keeps the turns of the one before. Nothing happened between the two looks at
 * the record: no turn was added, and nothing else changed that would be seen in the record. */
static pd_status load_once(struct loading *loading, bool *ret_fits, pd_error *err)
{
    struct store *store = loading->store;
    struct instance_record *record = &loading->archive.record;
    struct instance_record after;
    struct inbox_rows inbox = { NULL, NULL, 0 };
    bool has_more = true;
    *ret_fits = false;
    pd_status status = load_record(loading, record, err);
    if (status != PD_OK || !loading->is_found) {
        return status;
    }
    status = load_more(loading, &has_more, err);
    if (status == PD_OK) {
        status = store->ops->load_inbox(store, loading->row, loading->arena, &inbox, err);
    }
    if (status == PD_OK) {
        status = load_more(loading, &has_more, err);
    }
    if (status == PD_OK) {
        status = load_record(loading, &after, err);
    }
    loading->archive.inbox = inbox.events;
    loading->archive.inbox_count = inbox.count;
    *ret_fits =
        status == PD_OK && loading->is_found && !has_more && stands_as_before(record, &after);
    return status;
}

pd_status archive_load(struct store *store, uint64_t row, struct arena *arena, struct archive *ret,
                       bool *ret_found, pd_error *err)
{
    struct loading loading = { .store = store, .row = row, .arena = arena };
    bool fits = false;
    pd_status status = PD_OK;
    buffer_init(&loading.turns);
    do {
        status = load_once(&loading, &fits, err);
    } while (status == PD_OK && loading.is_found && !fits);
    *ret = loading.archive;
    ret->turn_count = turn_count(&loading);
    ret->turns = NULL;
    if (ret->turn_count > 0) {
        ret->turns = (const void *)arena_copy(arena, loading.turns.at, loading.turns.size);
    }
    *ret_found = loading.is_found;
    buffer_done(&loading.turns);
    return status;
}

/* ---- events --------------------------------------------------------------------------------- */

pd_status archive_unpack(const struct archive *archive, struct arena *arena, struct adoption *ret,
                         pd_error *err)
{
    pd_status status = PD_OK;
    struct wire_events waiting = { NULL, 0, 0 };
    struct turn_events *turns = arena_alloc_raw(arena, archive->turn_count * sizeof *turns);
    for (size_t i = 0; status == PD_OK && i < archive->turn_count; i++) {
        struct wire_events events = { NULL, 0, 0 };
        status = wire_read_events(archive->turns[i], arena, &events, err);
        turns[i] = (struct turn_events){ events.at, events.count };
    }
    for (size_t i = 0; status == PD_OK && i < archive->inbox_count; i++) {
        status = wire_read_events(archive->inbox[i], arena, &waiting, err);
    }
    *ret = (struct adoption){
        .record = &archive->record,
        .turns = turns,
        .turn_count = archive->turn_count,
        .waiting = waiting.at,
        .waiting_count = waiting.count,
    };
    return status;
}

/* Events as a row: all of a turn, or one that waits. */
static struct text encode(const struct event *events, size_t count, struct arena *arena)
{
    struct buffer buffer;
    buffer_init(&buffer);
    for (size_t i = 0; i < count; i++) {
        wire_write_event(&buffer, &events[i]);
    }
    struct text row = text_copy(arena, buffer_text(&buffer));
    buffer_done(&buffer);
    return row;
}

void archive_pack(const struct adoption *adoption, struct arena *arena, struct archive *ret)
{
    struct text *turns = arena_alloc_raw(arena, adoption->turn_count * sizeof *turns);
    struct text *inbox = arena_alloc_raw(arena, adoption->waiting_count * sizeof *inbox);
    for (size_t i = 0; i < adoption->turn_count; i++) {
        turns[i] = encode(adoption->turns[i].events, adoption->turns[i].count, arena);
    }
    for (size_t i = 0; i < adoption->waiting_count; i++) {
        inbox[i] = encode(&adoption->waiting[i], 1, arena);
    }
    *ret = (struct archive){
        .record = *adoption->record,
        .turns = turns,
        .turn_count = adoption->turn_count,
        .inbox = inbox,
        .inbox_count = adoption->waiting_count,
    };
}
