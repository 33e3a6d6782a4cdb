/* SPDX-License-Identifier: MIT
 *
 * Lists of instances: QueryInstances, and ListInstanceIds of those that have ended.
 *
 *   Q1  A cursor names the last row that was seen, so a page depends on nothing that others do
 *       meanwhile, and may be asked for with another page size. Instances come in the order in
 *       which they were created (rows ascend with that); ended ones in the order of (time, id).
 *   Q2  A page ends early when its payloads are as long as a client may be expected to take in one
 *       message. What does not fit is on the next one.
 *   Q3  The store has no order by time of ending. A page of ids is found in one pass over what has
 *       ended since the cursor, keeping the first so many, and no memory but theirs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/over.h"
#include "server/server_priv.h"
#include "wire/proto.h"

enum {
    PAGE_DEFAULT = 100,
    PAGE_MAX = 1000,
    PAGE_BYTES = 3 << 20,    /* of SDKs that take 4 MiB */
    PORTION_BYTES = 1 << 20, /* of payloads, read at a time, and one row */
    ID_PORTION = 1000,
};

static size_t page_size(int64_t asked)
{
    return asked >= 1 && asked <= PAGE_MAX ? (size_t)asked : PAGE_DEFAULT;
}

/* A status list that names states which no instance ever has finds nothing. */
static bool finds_nothing(const struct number_list *statuses, unsigned states)
{
    return statuses->count != 0 && states == 0;
}

/* ---- QueryInstances ------------------------------------------------------------------------- */

struct page {
    struct store_query query;
    size_t wanted, count;
    bool has_more;
    struct buffer bytes; /* of the response, as far as it is */
};

static bool read_cursor(struct text cursor, uint64_t *ret)
{
    char digits[17] = "";
    char *end = digits;
    *ret = 0;
    if (cursor.size == 0) {
        return true;
    }
    if (cursor.size > 1 && cursor.size <= 17 && cursor.at[0] == 'r') {
        memcpy(digits, cursor.at + 1, cursor.size - 1);
        *ret = strtoull(digits, &end, 16);
    }
    return end != digits && *end == '\0';
}

static void add_states(struct page *page, const struct record_page *found)
{
    for (size_t i = 0; i < found->count; i++) {
        struct hub_orchestration_state state =
            state_of_record(&found->items[i], page->query.with_payloads);
        if (page->count > 0 &&
            page->bytes.size + message_size(&hub_orchestration_state_type, &state) >
                PAGE_BYTES) { /* Q2 */
            page->has_more = true;
            return;
        }
        const struct hub_query_instances_response one = {
            .orchestration_state = { &state, 1 },
        };
        message_write(&hub_query_instances_response_type, &page->bytes, &one);
        page->query.after_row = found->items[i].row;
        page->count++;
    }
    page->has_more = found->has_more;
}

static void query_work(struct rpc *rpc)
{
    struct page *page = rpc->state;
    struct store *store = rpc->hub->store;
    struct arena arena;
    arena_init(&arena);
    rpc->status = PD_OK;
    page->has_more = true;
    while (rpc->status == PD_OK && page->has_more && page->count < page->wanted) {
        struct record_page found = { NULL, 0, false };
        size_t left = page->wanted - page->count;
        size_t before = page->count;
        arena_reset(&arena);
        page->query.limit = left;
        rpc->status = store->ops->query(store, &page->query, &arena, &found, &rpc->err);
        if (rpc->status == PD_OK) {
            add_states(page, &found);
            if (page->count - before < found.count) {
                break; /* Q2 */
            }
        }
    }
    arena_done(&arena);
}

static void query_done(struct rpc *rpc)
{
    struct page *page = rpc->state;
    char cursor[24];
    if (rpc->status != PD_OK) {
        buffer_done(&page->bytes);
        rpc_fail_as_told(rpc);
        return;
    }
    if (page->has_more) {
        snprintf(cursor, sizeof cursor, "r%" PRIx64, page->query.after_row);
        const struct hub_query_instances_response last = {
            .continuation_token = text_of(cursor),
        };
        message_write(&hub_query_instances_response_type, &page->bytes, &last);
    }
    struct buffer bytes = page->bytes; /* the page goes with the rpc */
    rpc_reply_bytes(rpc, buffer_text(&bytes));
    buffer_done(&bytes);
}

/* StringValues: the hubs that a query names besides its own. We look only into that one, but who
 * may not look into the others is told so. */
static bool may_name_hubs(struct rpc *rpc, const struct text_list *names)
{
    for (size_t i = 0; i < names->count; i++) {
        struct proto_reader reader = proto_reader_of(names->items[i]);
        struct proto_field field;
        while (proto_next(&reader, &field) == PROTO_FIELD) {
            if (field.number == 1 && field.type == PROTO_BYTES &&
                !rpc_may_use_hub(rpc, field.bytes, SCOPE_READ)) {
                return false;
            }
        }
    }
    return true;
}

static void query_instances(struct rpc *rpc)
{
    static const struct hub_query_instances_response nothing;
    const struct hub_query_instances_request *request = rpc->message;
    const struct hub_instance_query *query = request->query;
    struct page *page = arena_alloc(&rpc->arena, sizeof *page);
    if (query == NULL) {
        struct hub_instance_query *all = arena_alloc(&rpc->arena, sizeof *all);
        message_init(&hub_instance_query_type, all);
        query = all;
    }
    unsigned states = states_of_statuses(&query->runtime_status);
    page->wanted = page_size(query->max_instance_count);
    page->query = (struct store_query){
        .states = states,
        .id_prefix = query->instance_id_prefix,
        .created_from = bound_from(query->created_time_from),
        .created_to = bound_to(query->created_time_to),
        .with_payloads = query->fetch_inputs_and_outputs,
        .bytes_max = PORTION_BYTES,
    };
    api_hide_builtin(&page->query);
    rpc->state = page;
    if (!may_name_hubs(rpc, &query->task_hub_names)) {
        return;
    }
    if (!read_cursor(query->continuation_token, &page->query.after_row)) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "'%.*s' is no continuation token of this call",
                 TEXT_ARGS(query->continuation_token));
    } else if (finds_nothing(&query->runtime_status, states)) {
        rpc_reply(rpc, &hub_query_instances_response_type, &nothing);
    } else {
        rpc_read(rpc, query_work, query_done);
    }
}

/* ---- ListInstanceIds ------------------------------------------------------------------------ */

struct ended {
    time_us at;
    struct text id;
};

struct id_page {
    struct store_query query;
    struct ended cursor;
    struct ended *first; /* the first so many behind the cursor, in order */
    size_t wanted, count;
};

static int compare_ended(const struct ended *a, const struct ended *b)
{
    return a->at != b->at ? (a->at > b->at) - (a->at < b->at) : text_compare(a->id, b->id);
}

/* "<microseconds>|<id>" */
static bool read_key(struct text key, struct ended *ret)
{
    int64_t at = 0;
    size_t i = 0;
    for (; i < key.size && key.at[i] >= '0' && key.at[i] <= '9'; i++) {
        if (__builtin_mul_overflow(at, 10, &at) ||
            __builtin_add_overflow(at, key.at[i] - '0', &at)) {
            return false;
        }
    }
    if (i == 0 || i >= key.size || key.at[i] != '|') {
        return false;
    }
    *ret = (struct ended){ at, text_make(key.at + i + 1, key.size - i - 1) };
    return true;
}

/* One more than is wanted is kept: it says that there is another page. */
static void keep_first(struct id_page *page, const struct instance_record *record)
{
    struct ended ended = { record->ended_at, record->id };
    if ((text_is_present(page->cursor.id) && compare_ended(&ended, &page->cursor) <= 0) ||
        (page->count > page->wanted && compare_ended(&ended, &page->first[page->wanted]) >= 0)) {
        return;
    }
    size_t at = page->count > page->wanted ? page->wanted : page->count++;
    for (; at > 0 && compare_ended(&page->first[at - 1], &ended) > 0; at--) {
        page->first[at] = page->first[at - 1];
    }
    page->first[at] = ended;
}

/* Out of the memory of the portion; those of earlier portions that are not among the first any more
 * are left behind. */
static void keep_ids(struct id_page *page, struct arena *kept)
{
    struct arena old = *kept;
    arena_init(kept);
    for (size_t i = 0; i < page->count; i++) {
        page->first[i].id = text_copy(kept, page->first[i].id);
    }
    arena_done(&old);
}

/* Q3 */
static void ids_work(struct rpc *rpc)
{
    struct id_page *page = rpc->state;
    struct store *store = rpc->hub->store;
    struct record_page found = { NULL, 0, true };
    struct arena arena, kept;
    arena_init(&arena);
    arena_init(&kept);
    rpc->status = PD_OK;
    while (rpc->status == PD_OK && found.has_more) {
        arena_reset(&arena);
        found = (struct record_page){ NULL, 0, false };
        rpc->status = store->ops->query(store, &page->query, &arena, &found, &rpc->err);
        for (size_t i = 0; rpc->status == PD_OK && i < found.count; i++) {
            keep_first(page, &found.items[i]);
            page->query.after_row = found.items[i].row;
        }
        keep_ids(page, &kept);
    }
    for (size_t i = 0; i < page->count; i++) {
        page->first[i].id = text_copy(&rpc->arena, page->first[i].id);
    }
    arena_done(&kept);
    arena_done(&arena);
}

static void ids_done(struct rpc *rpc)
{
    struct id_page *page = rpc->state;
    struct hub_list_instance_ids_response response = { .last_instance_key = TEXT_ABSENT };
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    size_t count = page->count < page->wanted ? page->count : page->wanted;
    response.instance_ids.items = arena_alloc(&rpc->arena, count * sizeof(struct text));
    response.instance_ids.count = count;
    for (size_t i = 0; i < count; i++) {
        response.instance_ids.items[i] = page->first[i].id;
    }
    if (page->count > page->wanted) {
        const struct ended *last = &page->first[page->wanted - 1];
        response.last_instance_key =
            text_of(arena_printf(&rpc->arena, "%" PRId64 "|%.*s", last->at, TEXT_ARGS(last->id)));
    }
    rpc_reply(rpc, &hub_list_instance_ids_response_type, &response);
}

static void list_instance_ids(struct rpc *rpc)
{
    static const struct hub_list_instance_ids_response nothing;
    const struct hub_list_instance_ids_request *request = rpc->message;
    struct id_page *page = arena_alloc(&rpc->arena, sizeof *page);
    unsigned states = states_of_statuses(&request->runtime_status) & STATES_ENDED;
    rpc->state = page;
    if (request->last_instance_key.size != 0 &&
        !read_key(request->last_instance_key, &page->cursor)) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "'%.*s' is no key of this call",
                 TEXT_ARGS(request->last_instance_key));
        return;
    }
    if (finds_nothing(&request->runtime_status, states)) {
        rpc_reply(rpc, &hub_list_instance_ids_response_type, &nothing);
        return;
    }
    time_us from = bound_from(request->completed_time_from);
    page->wanted = page_size(request->page_size);
    page->first = arena_alloc(&rpc->arena, (page->wanted + 1) * sizeof *page->first);
    page->query = (struct store_query){
        .states = states != 0 ? states : STATES_ENDED,
        .ended_from = page->cursor.at > from ? page->cursor.at : from,
        .ended_to = bound_to(request->completed_time_to),
        .limit = ID_PORTION,
    };
    api_hide_builtin(&page->query);
    rpc_read(rpc, ids_work, ids_done);
}

static const struct rpc_method methods[] = {
    { .path = HUB_PATH("QueryInstances"),
      .scopes = SCOPE_READ,
      .type = &hub_query_instances_request_type,
      .run = query_instances },
    { .path = HUB_PATH("ListInstanceIds"),
      .scopes = SCOPE_READ,
      .type = &hub_list_instance_ids_request_type,
      .run = list_instance_ids },
};
const struct rpc_service queries_service = { methods, sizeof methods / sizeof methods[0] };
