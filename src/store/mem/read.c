/* SPDX-License-Identifier: MIT
 *
 * Reading: what the contents hold, copied into the caller's arena. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/tags.h"
#include "store/mem/mem_store.h"

static struct instance_record copy_record(const struct instance_record *record, struct arena *arena,
                                          bool with_payloads)
{
    struct instance_record copy = *record;
    copy.id = text_copy(arena, record->id);
    copy.execution_id = text_copy(arena, record->execution_id);
    copy.name = text_copy(arena, record->name);
    copy.version = text_copy(arena, record->version);
    copy.tags = text_copy(arena, record->tags);
    copy.parent_id = text_copy(arena, record->parent_id);
    copy.parent_execution_id = text_copy(arena, record->parent_execution_id);
    copy.input = with_payloads ? text_copy(arena, record->input) : TEXT_ABSENT;
    copy.output = with_payloads ? text_copy(arena, record->output) : TEXT_ABSENT;
    copy.failure = with_payloads ? text_copy(arena, record->failure) : TEXT_ABSENT;
    copy.custom_status = with_payloads ? text_copy(arena, record->custom_status) : TEXT_ABSENT;
    return copy;
}

pd_status mem_load_instance(struct store *base, struct text id, uint64_t row, struct arena *arena,
                            struct instance_record *ret, bool *ret_found, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    const struct mem_instance *instance = contents_find(contents, id, row);
    *ret_found = instance != NULL;
    if (instance != NULL) {
        *ret = copy_record(&instance->record, arena, true);
    }
    mem_leave(store);
    return PD_OK;
}

pd_status mem_load_turns(struct store *base, uint64_t row, uint64_t from, size_t bytes,
                         struct arena *arena, struct history_rows *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    const struct mem_instance *instance = contents_find(contents, TEXT_ABSENT, row);
    uint64_t first = from != 0 ? from : 1;
    size_t all = instance != NULL ? instance->turn_count : 0;
    size_t most = first <= all ? all - (size_t)first + 1 : 0;
    size_t count = 0;
    struct text *turns = arena_alloc(arena, most * sizeof *turns);
    for (size_t size = 0; count < most && size < bytes; count++) {
        turns[count] = text_copy(arena, instance->turns[first - 1 + count]);
        size += turns[count].size;
    }
    *ret = (struct history_rows){ .turns = turns, .count = count, .first = first };
    mem_leave(store);
    return PD_OK;
}

pd_status mem_load_history(struct store *base, uint64_t row, uint64_t from, struct arena *arena,
                           struct history_rows *ret, pd_error *err)
{
    return mem_load_turns(base, row, from, SIZE_MAX, arena, ret, err);
}

pd_status mem_load_inbox(struct store *base, uint64_t row, struct arena *arena,
                         struct inbox_rows *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    const struct mem_instance *instance = contents_at(contents, row);
    size_t count = instance != NULL ? instance->inbox_count : 0;
    struct text *events = arena_alloc(arena, count * sizeof *events);
    uint64_t *arrivals = arena_alloc(arena, count * sizeof *arrivals);
    for (size_t i = 0; i < count; i++) {
        events[i] = text_copy(arena, instance->inbox[i].event);
        arrivals[i] = instance->inbox[i].arrival;
    }
    *ret = (struct inbox_rows){ .events = events, .arrivals = arrivals, .count = count };
    mem_leave(store);
    return PD_OK;
}

/* Room for one more in an array that lives in an arena. */
static void *grow(struct arena *arena, void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return items;
    }
    *room = *room != 0 ? *room * 2 : 16;
    void *bigger = arena_alloc(arena, *room * size);
    if (count != 0) {
        memcpy(bigger, items, count * size);
    }
    return bigger;
}

pd_status mem_scan_busy(struct store *base, unsigned partition, uint64_t after, size_t max,
                        struct arena *arena, struct busy_page *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    uint64_t *rows = NULL;
    size_t count = 0, room = 0;
    for (size_t i = contents_row_above(contents, after); i < contents->row_count && count < max;
         i++) {
        const struct mem_instance *instance = contents->rows[i];
        if (contents_is_busy(instance) && instance->record.partition == partition) {
            rows = grow(arena, rows, count, &room, sizeof *rows);
            rows[count++] = instance->record.row;
        }
    }
    *ret = (struct busy_page){ .rows = rows, .count = count };
    mem_leave(store);
    return PD_OK;
}

pd_status mem_due_timers(struct store *base, unsigned partition, time_us from, time_us until,
                         size_t max, struct arena *arena, struct timer_page *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    struct timer_node *root = contents->partitions[partition].timers;
    struct timer_row *items = NULL;
    size_t count = 0, room = 0;
    const struct timer_node *at = max != 0 ? timers_above(root, from, UINT64_MAX) : NULL;
    while (at != NULL && at->due <= until && (count < max || at->due == items[count - 1].due)) {
        items = grow(arena, items, count, &room, sizeof *items);
        items[count++] = (struct timer_row){ .due = at->due, .row = at->row, .id = at->id };
        at = timers_above(root, at->due, at->number);
    }
    *ret = (struct timer_page){ .items = items, .count = count };
    mem_leave(store);
    return PD_OK;
}

static bool is_like(struct text text, struct text wanted)
{
    return !text_is_present(wanted) || text_equal(text, wanted);
}

static bool is_within(time_us time, time_us from, time_us to)
{
    return (from == 0 || time >= from) && (to == 0 || time <= to);
}

static bool fits(const struct instance_record *record, const struct store_query *query)
{
    return (query->states == 0 || (query->states >> record->state & 1) != 0) &&
           text_has_prefix(record->id, query->id_prefix) && is_like(record->name, query->name) &&
           is_like(record->version, query->version) &&
           is_like(record->parent_id, query->parent_id) &&
           tags_has_needle(record->tags, query->tag) &&
           !(query->roots_only && text_is_present(record->parent_id)) &&
           (query->hidden.size == 0 || !text_has_prefix(record->name, query->hidden)) &&
           is_within(record->created_at, query->created_from, query->created_to) &&
           is_within(record->ended_at, query->ended_from, query->ended_to) &&
           (record->ended_at != 0 || (query->ended_from == 0 && query->ended_to == 0));
}

pd_status mem_query(struct store *base, const struct store_query *query, struct arena *arena,
                    struct record_page *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    struct instance_record *items = NULL;
    struct record_page page = { 0 };
    size_t room = 0, bytes = 0;
    size_t bytes_max = query->bytes_max != 0 ? query->bytes_max : SIZE_MAX;
    for (size_t i = contents_row_above(contents, query->after_row);
         i < contents->row_count && !page.has_more; i++) {
        const struct instance_record *record = &contents->rows[i]->record;
        if (contents->rows[i]->is_entity || !fits(record, query)) {
            continue;
        }
        page.has_more = page.count == query->limit || bytes >= bytes_max;
        if (!page.has_more) {
            items = grow(arena, items, page.count, &room, sizeof *items);
            items[page.count] = copy_record(record, arena, query->with_payloads);
            bytes += record_payload_bytes(&items[page.count++]);
        }
    }
    page.items = items;
    *ret = page;
    mem_leave(store);
    return PD_OK;
}

pd_status mem_count(struct store *base, const struct store_query *query, struct store_counts *ret,
                    pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    *ret = (struct store_counts){ 0 };
    for (size_t i = 0; i < contents->row_count; i++) {
        const struct instance_record *record = &contents->rows[i]->record;
        if (!contents->rows[i]->is_entity) {
            ret->of[record->state] += fits(record, query);
        }
    }
    mem_leave(store);
    return PD_OK;
}

/* ---- entities -------------------------------------------------------------------------------- */

static struct entity_record copy_entity(const struct mem_instance *instance, struct arena *arena,
                                        bool with_state)
{
    struct entity_record copy = instance->entity;
    copy.id = text_copy(arena, copy.id);
    copy.lock_owner = text_copy(arena, copy.lock_owner);
    copy.lock_execution = text_copy(arena, copy.lock_execution);
    copy.lock_section = text_copy(arena, copy.lock_section);
    if (with_state) {
        copy.state = text_copy(arena, copy.state);
    } else if (text_is_present(copy.state)) {
        copy.state = TEXT("");
    }
    return copy;
}

pd_status mem_load_entity(struct store *base, struct text id, uint64_t row, struct arena *arena,
                          struct entity_record *ret, bool *ret_found, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    const struct mem_instance *found = contents_find_entity(contents, id, row);
    *ret_found = found != NULL;
    if (found != NULL) {
        *ret = copy_entity(found, arena, true);
    }
    mem_leave(store);
    return PD_OK;
}

/* Of two entities, as the query orders them. */
static bool is_before(const struct mem_instance *a, const struct mem_instance *b,
                      const struct entity_query *query)
{
    return query->by_row ? a->entity.row < b->entity.row
                         : text_compare(a->entity.id, b->entity.id) < 0;
}

static bool is_behind_start(const struct entity_record *entity, const struct entity_query *query)
{
    return query->by_row
               ? entity->row > query->after_row
               : !text_is_present(query->after_id) || text_compare(entity->id, query->after_id) > 0;
}

static bool entity_fits(const struct entity_record *entity, const struct entity_query *query)
{
    return text_has_prefix(entity->id, query->id_prefix) && is_behind_start(entity, query) &&
           is_within(entity->updated_at, query->changed_from, query->changed_to) &&
           (query->with_empty || text_is_present(entity->state)) &&
           (!query->locked_only || text_is_present(entity->lock_owner));
}

/* The first of those that fit, one more than the limit: which says that there is more. */
static const struct mem_instance **first_ones(const struct contents *contents,
                                              const struct entity_query *query, struct arena *arena,
                                              size_t *ret_count)
{
    const struct mem_instance **found = NULL;
    size_t count = 0, room = 0;
    for (size_t i = 0; i < contents->row_count; i++) {
        const struct mem_instance *instance = contents->rows[i];
        if (!instance->is_entity || !entity_fits(&instance->entity, query)) {
            continue;
        }
        size_t low = 0, high = count;
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            if (is_before(instance, found[middle], query)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        if (low > query->limit) {
            continue;
        }
        found = grow(arena, found, count, &room, sizeof(struct mem_instance *));
        size_t behind = count <= query->limit ? count - low : count - 1 - low;
        memmove(&found[low + 1], &found[low], behind * sizeof(struct mem_instance *));
        found[low] = instance;
        count += count <= query->limit;
    }
    *ret_count = count;
    return found;
}

pd_status mem_query_entities(struct store *base, const struct entity_query *query,
                             struct arena *arena, struct entity_page *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    size_t all = 0, count = 0, bytes = 0;
    size_t bytes_max = query->bytes_max != 0 ? query->bytes_max : SIZE_MAX;
    const struct mem_instance **found = first_ones(contents, query, arena, &all);
    struct entity_record *items = arena_alloc(arena, all * sizeof *items);
    for (; count < all && count < query->limit && bytes < bytes_max; count++) {
        items[count] = copy_entity(found[count], arena, query->with_state);
        items[count].backlog = found[count]->inbox_count;
        bytes += items[count].state.size;
    }
    *ret = (struct entity_page){ .items = items, .count = count, .has_more = count < all };
    mem_leave(store);
    return PD_OK;
}

/* ---- the rest -------------------------------------------------------------------------------- */

pd_status mem_load_progress(struct store *base, uint64_t row, struct arena *arena,
                            struct progress_rows *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    const struct mem_instance *instance = contents_find(contents, TEXT_ABSENT, row);
    size_t count = instance != NULL ? instance->progress_count : 0;
    struct progress *items = arena_alloc(arena, count * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct progress){ .id = instance->progress[i].id,
                                      .bytes = text_copy(arena, instance->progress[i].bytes) };
    }
    *ret = (struct progress_rows){ .items = items, .count = count };
    mem_leave(store);
    return PD_OK;
}

pd_status mem_receive(struct store *base, unsigned partition, uint64_t after, size_t max,
                      struct arena *arena, struct message_page *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    struct message *items = NULL;
    size_t count = 0, room = 0;
    const struct mem_message *at = contents->partitions[partition].mailbox;
    for (; at != NULL && count < max; at = at->next) {
        if (at->message.number > after) {
            items = grow(arena, items, count, &room, sizeof *items);
            items[count] = at->message;
            items[count].instance_id = text_copy(arena, at->message.instance_id);
            items[count].execution_id = text_copy(arena, at->message.execution_id);
            items[count++].bytes = text_copy(arena, at->message.bytes);
        }
    }
    *ret = (struct message_page){ .items = items, .count = count };
    mem_leave(store);
    return PD_OK;
}
