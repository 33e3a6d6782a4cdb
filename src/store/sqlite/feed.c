/* SPDX-License-Identifier: MIT
 *
 * The feed as an eponymous virtual table: the least SQLite asks for.
 * Its one plan is a full scan. */
#include "store/sqlite/feed.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/memory.h"

struct feed_table {
    sqlite3_vtab base;
    const struct feed *feed;
};

struct feed_cursor {
    sqlite3_vtab_cursor base;
    size_t at;
};

#define FEED_COLUMN_MAP(X)                        \
    X(row, "row")                                 \
    X(number, "number")                           \
    X(bytes, "bytes")                             \
    X(timer_id, "timer_id")                       \
    X(due, "due")                                 \
    X(partition, "partition")                     \
    X(sequence, "sequence")                       \
    X(id, "id")                                   \
    X(execution_id, "execution_id")               \
    X(name, "name")                               \
    X(version, "version")                         \
    X(state, "state")                             \
    X(created_at, "created_at")                   \
    X(updated_at, "updated_at")                   \
    X(ended_at, "ended_at")                       \
    X(is_busy, "is_busy")                         \
    X(input, "input")                             \
    X(output, "output")                           \
    X(failure, "failure")                         \
    X(custom_status, "custom_status")             \
    X(starts_at, "starts_at")                     \
    X(parent_step, "parent_step")                 \
    X(parent_id, "parent_id")                     \
    X(parent_execution_id, "parent_execution_id") \
    X(tags, "tags")                               \
    X(has_extra, "has_extra")                     \
    X(entity_id, "entity_id")                     \
    X(entity_updated_at, "entity_updated_at")     \
    X(entity_is_busy, "entity_is_busy")           \
    X(lock_owner, "lock_owner")                   \
    X(lock_execution, "lock_execution")           \
    X(lock_section, "lock_section")               \
    X(entity_state, "entity_state")               \
    X(keeps_state, "keeps_state")

enum feed_column {
#define X(column, sql) COLUMN_##column,
    FEED_COLUMN_MAP(X)
#undef X
};

#define X(column, sql) "," sql
static const char declaration[] = "CREATE TABLE feed(unused" FEED_COLUMN_MAP(X) ")";
#undef X

void feed_init(struct feed *feed)
{
    *feed = (struct feed){ 0 };
}

void feed_done(struct feed *feed)
{
    mem_free(feed->items);
    feed_init(feed);
}

void feed_add(struct feed *feed, const struct mutation *mutation)
{
    if (feed->count == feed->room) {
        size_t room = feed->room != 0 ? feed->room * 2 : 256;
        feed->items =
            mem_grow(feed->items, feed->room * sizeof *feed->items, room * sizeof *feed->items);
        feed->room = room;
    }
    feed->items[feed->count++] = mutation;
}

bool feed_has_extra(const struct instance_record *record)
{
    return record->starts_at != 0 || text_is_present(record->tags) ||
           text_is_present(record->parent_id);
}

static int feed_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
                        sqlite3_vtab **ret, char **message)
{
    (void)argc, (void)argv, (void)message;
    int code = sqlite3_declare_vtab(db, declaration);
    if (code != SQLITE_OK) {
        return code;
    }
    struct feed_table *table = mem_alloc(sizeof *table);
    table->feed = aux;
    *ret = &table->base;
    return SQLITE_OK;
}

static int feed_disconnect(sqlite3_vtab *base)
{
    mem_free(CONTAINER_OF(base, struct feed_table, base));
    return SQLITE_OK;
}

static int feed_plan(sqlite3_vtab *base, sqlite3_index_info *info)
{
    (void)base;
    info->estimatedCost = 1000;
    info->estimatedRows = 1000;
    return SQLITE_OK;
}

static int feed_open(sqlite3_vtab *base, sqlite3_vtab_cursor **ret)
{
    (void)base;
    struct feed_cursor *cursor = mem_alloc(sizeof *cursor);
    *ret = &cursor->base;
    return SQLITE_OK;
}

static int feed_close(sqlite3_vtab_cursor *base)
{
    mem_free(CONTAINER_OF(base, struct feed_cursor, base));
    return SQLITE_OK;
}

static int feed_filter(sqlite3_vtab_cursor *base, int plan, const char *plan_text, int argc,
                       sqlite3_value **argv)
{
    (void)plan, (void)plan_text, (void)argc, (void)argv;
    CONTAINER_OF(base, struct feed_cursor, base)->at = 0;
    return SQLITE_OK;
}

static int feed_next(sqlite3_vtab_cursor *base)
{
    CONTAINER_OF(base, struct feed_cursor, base)->at++;
    return SQLITE_OK;
}

static int feed_eof(sqlite3_vtab_cursor *base)
{
    const struct feed *feed = CONTAINER_OF(base->pVtab, struct feed_table, base)->feed;
    return CONTAINER_OF(base, struct feed_cursor, base)->at >= feed->count;
}

static int feed_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)CONTAINER_OF(base, struct feed_cursor, base)->at;
    return SQLITE_OK;
}

static void give_text(sqlite3_context *context, struct text text)
{
    if (text_is_present(text)) {
        sqlite3_result_text64(context, text.at, text.size, SQLITE_STATIC, SQLITE_UTF8);
    }
}

static void give_bytes(sqlite3_context *context, struct text bytes)
{
    if (text_is_present(bytes)) {
        sqlite3_result_blob64(context, bytes.at, bytes.size, SQLITE_STATIC);
    }
}

static int feed_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number)
{
    size_t at = CONTAINER_OF(base, struct feed_cursor, base)->at;
    const struct feed *feed = CONTAINER_OF(base->pVtab, struct feed_table, base)->feed;
    const struct mutation *mutation = feed->items[at];
    const struct instance_record *instance = mutation->instance;
    const struct entity_record *entity = mutation->entity;
    switch ((enum feed_column)(number - 1)) {
    case COLUMN_row: sqlite3_result_int64(context, (int64_t)mutation->row); break;
    case COLUMN_number: sqlite3_result_int64(context, (int64_t)mutation->number); break;
    case COLUMN_bytes: give_bytes(context, mutation->bytes); break;
    case COLUMN_timer_id: sqlite3_result_int(context, mutation->id); break;
    case COLUMN_due: sqlite3_result_int64(context, mutation->due); break;
    case COLUMN_partition: sqlite3_result_int64(context, feed->partition); break;
    case COLUMN_sequence: sqlite3_result_int64(context, feed->sequence + (int64_t)at); break;
    case COLUMN_id: give_text(context, instance->id); break;
    case COLUMN_execution_id: give_text(context, instance->execution_id); break;
    case COLUMN_name: give_text(context, instance->name); break;
    case COLUMN_version: give_text(context, instance->version); break;
    case COLUMN_state: sqlite3_result_int(context, (int)instance->state); break;
    case COLUMN_created_at: sqlite3_result_int64(context, instance->created_at); break;
    case COLUMN_updated_at: sqlite3_result_int64(context, instance->updated_at); break;
    case COLUMN_ended_at: sqlite3_result_int64(context, instance->ended_at); break;
    case COLUMN_is_busy: sqlite3_result_int(context, instance->is_busy); break;
    case COLUMN_input: give_text(context, instance->input); break;
    case COLUMN_output: give_text(context, instance->output); break;
    case COLUMN_failure: give_bytes(context, instance->failure); break;
    case COLUMN_custom_status: give_text(context, instance->custom_status); break;
    case COLUMN_starts_at: sqlite3_result_int64(context, instance->starts_at); break;
    case COLUMN_parent_step: sqlite3_result_int(context, instance->parent_step); break;
    case COLUMN_parent_id: give_text(context, instance->parent_id); break;
    case COLUMN_parent_execution_id: give_text(context, instance->parent_execution_id); break;
    case COLUMN_tags: give_text(context, instance->tags); break;
    case COLUMN_has_extra: sqlite3_result_int(context, feed_has_extra(instance)); break;
    case COLUMN_entity_id: give_text(context, entity->id); break;
    case COLUMN_entity_updated_at: sqlite3_result_int64(context, entity->updated_at); break;
    case COLUMN_entity_is_busy: sqlite3_result_int(context, entity->is_busy); break;
    case COLUMN_lock_owner: give_text(context, entity->lock_owner); break;
    case COLUMN_lock_execution: give_text(context, entity->lock_execution); break;
    case COLUMN_lock_section: give_text(context, entity->lock_section); break;
    case COLUMN_entity_state: give_text(context, entity->state); break;
    case COLUMN_keeps_state: sqlite3_result_int(context, mutation->keeps_state); break;
    }
    return SQLITE_OK;
}

static const sqlite3_module module = {
    .iVersion = 1,
    .xConnect = feed_connect,
    .xBestIndex = feed_plan,
    .xDisconnect = feed_disconnect,
    .xOpen = feed_open,
    .xClose = feed_close,
    .xFilter = feed_filter,
    .xNext = feed_next,
    .xEof = feed_eof,
    .xColumn = feed_column,
    .xRowid = feed_rowid,
};

int feed_register(sqlite3 *db, const char *name, struct feed *feed)
{
    return sqlite3_create_module(db, name, &module, feed);
}
