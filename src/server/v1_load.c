/* SPDX-License-Identifier: MIT
 *
 * What clients look at: records, queries.
 *
 * One record is read on the loop's thread; all that may be more is a reader's. Histories and
 * inboxes are in v1_pieces.c. */
#include "server/v1_priv.h"
#include "store/store.h"

enum {
    ROWS_MAX = 1000,
    ROWS_WITH_PAYLOADS_MAX = 100, /* of large ones a client gets some, and asks again */
    ANSWER_BYTES = 16 << 20,      /* then an answer of rows is cut */
};

/* ---- records --------------------------------------------------------------------------------- */

static void load_instance(struct rpc *rpc)
{
    const struct hub_load_request *request = rpc->message;
    struct store *store = rpc->hub->store;
    struct hub_load_instance_response response = { NULL };
    struct hub_kept_instance kept;
    struct instance_record record;
    bool is_found = false;
    struct text id = request->id.size != 0 ? request->id : TEXT_ABSENT;
    rpc->status = store->ops->load_instance(store, id, (uint64_t)request->row, &rpc->arena, &record,
                                            &is_found, &rpc->err);
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    if (is_found) {
        kept = hub_kept_instance_of(&record);
        response.instance = &kept;
    }
    rpc_reply(rpc, &hub_load_instance_response_type, &response);
}

static void load_entity(struct rpc *rpc)
{
    const struct hub_load_request *request = rpc->message;
    struct store *store = rpc->hub->store;
    struct hub_load_entity_response response = { NULL };
    struct hub_kept_entity kept;
    struct entity_record record;
    bool is_found = false;
    struct text id = request->id.size != 0 ? request->id : TEXT_ABSENT;
    rpc->status = store->ops->load_entity(store, id, (uint64_t)request->row, &rpc->arena, &record,
                                          &is_found, &rpc->err);
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    if (is_found) {
        kept = hub_kept_entity_of(&record);
        response.entity = &kept;
    }
    rpc_reply(rpc, &hub_load_entity_response_type, &response);
}

static void progress_work(struct rpc *rpc)
{
    const struct hub_load_request *request = rpc->message;
    struct store *store = rpc->hub->store;
    struct progress_rows *rows = arena_alloc(&rpc->arena, sizeof *rows);
    rpc->state = rows;
    rpc->status =
        store->ops->load_progress(store, (uint64_t)request->row, &rpc->arena, rows, &rpc->err);
}

static void progress_next(struct rpc *rpc)
{
    const struct progress_rows *rows = rpc->state;
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    struct hub_kept_progress *items = arena_alloc(&rpc->arena, rows->count * sizeof *items);
    for (size_t i = 0; i < rows->count; i++) {
        items[i] = (struct hub_kept_progress){ rows->items[i].id, rows->items[i].bytes };
    }
    const struct hub_load_progress_response response = { { items, rows->count } };
    rpc_reply(rpc, &hub_load_progress_response_type, &response);
}

static void load_progress(struct rpc *rpc)
{
    rpc_read(rpc, progress_work, progress_next);
}

/* ---- queries --------------------------------------------------------------------------------- */

static size_t limit_of(int64_t asked, bool is_large)
{
    size_t most = is_large ? ROWS_WITH_PAYLOADS_MAX : ROWS_MAX;
    return asked > 0 && (uint64_t)asked < most ? (size_t)asked : most;
}

/* The store ends an answer: after what was asked for, at most after ANSWER_BYTES. */
static size_t bytes_max_of(int64_t asked)
{
    return asked > 0 && asked < ANSWER_BYTES ? (size_t)asked : ANSWER_BYTES;
}

static struct store_query query_of(const struct hub_query_request *request)
{
    return (struct store_query){
        .states = (unsigned)request->states,
        .id_prefix = request->id_prefix,
        .name = request->name,
        .version = request->version,
        .parent_id = request->parent_id,
        .tag = request->tag,
        .roots_only = request->roots_only,
        .created_from = request->created_from,
        .created_to = request->created_to,
        .ended_from = request->ended_from,
        .ended_to = request->ended_to,
        .after_row = (uint64_t)request->after_row,
        .limit = limit_of(request->limit, request->with_payloads),
        .with_payloads = request->with_payloads,
        .bytes_max = bytes_max_of(request->bytes_max),
        .hidden = request->hidden,
    };
}

static void query_work(struct rpc *rpc)
{
    struct store *store = rpc->hub->store;
    struct store_query query = query_of(rpc->message);
    struct record_page *page = arena_alloc(&rpc->arena, sizeof *page);
    rpc->state = page;
    rpc->status = store->ops->query(store, &query, &rpc->arena, page, &rpc->err);
}

static void query_next(struct rpc *rpc)
{
    const struct record_page *page = rpc->state;
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    struct hub_kept_instance *items = arena_alloc(&rpc->arena, page->count * sizeof *items);
    for (size_t i = 0; i < page->count; i++) {
        items[i] = hub_kept_instance_of(&page->items[i]);
    }
    const struct hub_query_response response = { { items, page->count }, page->has_more };
    rpc_reply(rpc, &hub_query_response_type, &response);
}

static void query(struct rpc *rpc)
{
    rpc_read(rpc, query_work, query_next);
}

static void count_work(struct rpc *rpc)
{
    struct store *store = rpc->hub->store;
    struct store_query asked = query_of(rpc->message);
    struct store_counts *counts = arena_alloc(&rpc->arena, sizeof *counts);
    rpc->state = counts;
    rpc->status = store->ops->count(store, &asked, counts, &rpc->err);
}

static void count_next(struct rpc *rpc)
{
    const struct store_counts *counts = rpc->state;
    int64_t of[RUN_TERMINATED + 1];
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    for (size_t i = 0; i <= RUN_TERMINATED; i++) {
        of[i] = (int64_t)counts->of[i];
    }
    const struct hub_count_response response = { { of, RUN_TERMINATED + 1 } };
    rpc_reply(rpc, &hub_count_response_type, &response);
}

static void count(struct rpc *rpc)
{
    rpc_read(rpc, count_work, count_next);
}

static void entities_work(struct rpc *rpc)
{
    const struct hub_entities_request *request = rpc->message;
    struct store *store = rpc->hub->store;
    const struct entity_query asked = {
        .id_prefix = request->id_prefix,
        .changed_from = request->changed_from,
        .changed_to = request->changed_to,
        .with_empty = request->with_empty,
        .locked_only = request->locked_only,
        .after_id = request->after_id,
        .by_row = request->by_row,
        .after_row = (uint64_t)request->after_row,
        .limit = limit_of(request->limit, request->with_state),
        .with_state = request->with_state,
        .bytes_max = bytes_max_of(request->bytes_max),
    };
    struct entity_page *page = arena_alloc(&rpc->arena, sizeof *page);
    rpc->state = page;
    rpc->status = store->ops->query_entities(store, &asked, &rpc->arena, page, &rpc->err);
}

static void entities_next(struct rpc *rpc)
{
    const struct entity_page *page = rpc->state;
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    struct hub_kept_entity *items = arena_alloc(&rpc->arena, page->count * sizeof *items);
    for (size_t i = 0; i < page->count; i++) {
        items[i] = hub_kept_entity_of(&page->items[i]);
    }
    const struct hub_entities_response response = { { items, page->count }, page->has_more };
    rpc_reply(rpc, &hub_entities_response_type, &response);
}

static void query_entities(struct rpc *rpc)
{
    rpc_read(rpc, entities_work, entities_next);
}

#define METHOD(name, request, how, function)                       \
    {                                                              \
        .path = V1_PATH(name), .scopes = SCOPE_READ, .flags = how, \
        .type = &hub_##request##_request_type, .run = function     \
    }

static const struct rpc_method methods[] = {
    METHOD("LoadInstance", load, METHOD_BRIEF, load_instance),
    METHOD("LoadEntity", load, METHOD_BRIEF, load_entity),
    METHOD("LoadProgress", load, 0, load_progress),
    METHOD("Query", query, 0, query),
    METHOD("Count", query, 0, count),
    METHOD("QueryEntities", entities, 0, query_entities),
};
const struct rpc_service v1_load_service = { methods, sizeof methods / sizeof methods[0] };
