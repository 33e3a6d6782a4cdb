/* SPDX-License-Identifier: MIT
 *
 * Entities: signals, looking at one, lists of them, and tidying up.
 *
 *   E1  Ids come in as anybody writes them, and are folded before they are used.
 *   E2  Request ids are GUIDs towards all SDKs, some of which parse them: one that is not is
 *       replaced. */
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "server/server_priv.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000, PAGE_BYTES = 3 << 20, PORTION_BYTES = 1 << 20 };

/* ---- SignalEntity --------------------------------------------------------------------------- */

static bool is_guid(struct text id)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (id.size != sizeof shape - 1) {
        return false;
    }
    for (size_t i = 0; i < id.size; i++) {
        char c = id.at[i];
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (shape[i] == '-' ? c != '-' : !is_hex) {
            return false;
        }
    }
    return true;
}

struct text entity_mint_request(struct arena *arena)
{
    char hex[33];
    engine_new_id(hex);
    hex[12] = '7';
    hex[16] = "89ab"[(unsigned char)hex[16] & 3];
    return text_of(arena_printf(arena, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                                hex + 16, hex + 20));
}

static void signalled(struct rpc *rpc)
{
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
    } else {
        rpc_reply_empty(rpc);
    }
}

static void signal_entity(struct rpc *rpc)
{
    const struct hub_signal_entity_request *request = rpc->message;
    struct letter *letter = arena_alloc(&rpc->arena, sizeof *letter);
    struct event *event = arena_alloc(&rpc->arena, sizeof *event);
    time_us now = loop_now(rpc->server->loop);
    time_us at = request->scheduled_time;
    rpc->status =
        id_fold_entity(request->instance_id, &rpc->arena, &letter->instance_id, &rpc->err);
    if (rpc->status == PD_OK && (request->name.size == 0 || request->name.size > LIMIT_NAME)) {
        rpc->status = error_set(&rpc->err, PD_E_INVALID, false, "signal",
                                "the name of an operation has 1 to %d bytes", LIMIT_NAME);
    }
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    *event = (struct event){
        .kind = EVENT_ENTITY_SIGNALED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = now,
        .fire_at = at != WIRE_NO_TIME && at > now ? at : 0,
        .name = request->name,
        .payload = request->input,
        .request_id =
            is_guid(request->request_id) ? request->request_id : entity_mint_request(&rpc->arena),
    };
    letter->kind = MESSAGE_OPERATION;
    letter->event = event;
    rpc_ask_tell(rpc, letter, signalled);
}

/* ---- GetEntity ------------------------------------------------------------------------------ */

static struct hub_entity_metadata metadata_of(const struct entity_record *record, bool with_state)
{
    return (struct hub_entity_metadata){
        .instance_id = record->id,
        .last_modified_time = record->updated_at,
        .backlog_queue_size = (int64_t)record->backlog,
        .locked_by = record->lock_owner,
        .serialized_state = with_state ? record->state : TEXT_ABSENT,
    };
}

/* The store tells the backlog only in a query: of this one id, and with it whatever begins so. */
static pd_status load_backlog(struct rpc *rpc, struct entity_record *record)
{
    struct store *store = rpc->hub->store;
    struct inbox_rows inbox = { 0 };
    pd_status status = store->ops->load_inbox(store, record->row, &rpc->arena, &inbox, &rpc->err);
    record->backlog = inbox.count;
    return status;
}

static void get_entity_work(struct rpc *rpc)
{
    struct entity_record *record = rpc->state;
    struct store *store = rpc->hub->store;
    bool is_found = false;
    rpc->status =
        store->ops->load_entity(store, record->id, 0, &rpc->arena, record, &is_found, &rpc->err);
    if (rpc->status == PD_OK && is_found && text_is_present(record->state)) {
        rpc->status = load_backlog(rpc, record);
    } else {
        rpc->state = NULL;
    }
}

static void get_entity_done(struct rpc *rpc)
{
    const struct hub_get_entity_request *request = rpc->message;
    struct hub_get_entity_response response = { false, NULL };
    struct hub_entity_metadata metadata;
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    if (rpc->state != NULL) {
        metadata = metadata_of(rpc->state, request->include_state);
        response = (struct hub_get_entity_response){ true, &metadata };
    }
    rpc_reply(rpc, &hub_get_entity_response_type, &response);
}

static void get_entity(struct rpc *rpc)
{
    const struct hub_get_entity_request *request = rpc->message;
    struct entity_record *record = arena_alloc(&rpc->arena, sizeof *record);
    static const struct hub_get_entity_response nothing;
    pd_error unwanted;
    if (request->instance_id.size == 0) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "an entity id is needed");
    } else if (id_fold_entity(request->instance_id, &rpc->arena, &record->id, &unwanted) != PD_OK) {
        rpc_reply(rpc, &hub_get_entity_response_type, &nothing);
    } else {
        rpc->state = record;
        rpc_read(rpc, get_entity_work, get_entity_done);
    }
}

/* ---- QueryEntities -------------------------------------------------------------------------- */

struct page {
    struct entity_query query;
    size_t wanted, count;
    bool has_more, with_state;
    struct buffer bytes;
    struct arena place; /* of query.after_id */
};

/* '@' before it, and the name's part folded. */
static struct text fold_prefix(struct text prefix, struct arena *arena)
{
    if (prefix.size == 0) {
        return TEXT_ABSENT;
    }
    bool has_at = prefix.at[0] == '@';
    char *folded = arena_printf(arena, "%s%.*s", has_at ? "" : "@", TEXT_ARGS(prefix));
    size_t size = prefix.size + !has_at;
    for (size_t i = 1; i < size && folded[i] != '@'; i++) {
        folded[i] =
            (char)(folded[i] >= 'A' && folded[i] <= 'Z' ? folded[i] - 'A' + 'a' : folded[i]);
    }
    return text_make(folded, size);
}

static void add_entities(struct page *page, const struct entity_page *found)
{
    for (size_t i = 0; i < found->count; i++) {
        struct hub_entity_metadata metadata = metadata_of(&found->items[i], page->with_state);
        if (page->count > 0 &&
            page->bytes.size + message_size(&hub_entity_metadata_type, &metadata) > PAGE_BYTES) {
            page->has_more = true;
            return;
        }
        const struct hub_query_entities_response one = { .entities = { &metadata, 1 } };
        message_write(&hub_query_entities_response_type, &page->bytes, &one);
        arena_reset(&page->place);
        page->query.after_id = text_copy(&page->place, found->items[i].id);
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
        struct entity_page found = { NULL, 0, false };
        size_t left = page->wanted - page->count;
        size_t before = page->count;
        arena_reset(&arena);
        page->query.limit = left;
        rpc->status = store->ops->query_entities(store, &page->query, &arena, &found, &rpc->err);
        if (rpc->status == PD_OK) {
            add_entities(page, &found);
            if (page->count - before < found.count) {
                break;
            }
        }
    }
    arena_done(&arena);
}

static void query_done(struct rpc *rpc)
{
    struct page *page = rpc->state;
    struct buffer bytes = page->bytes; /* the page goes with the rpc */
    if (rpc->status == PD_OK && page->has_more) {
        const struct hub_query_entities_response last = {
            .continuation_token = page->query.after_id,
        };
        message_write(&hub_query_entities_response_type, &bytes, &last);
    }
    arena_done(&page->place);
    if (rpc->status == PD_OK) {
        rpc_reply_bytes(rpc, buffer_text(&bytes));
    } else {
        rpc_fail_as_told(rpc);
    }
    buffer_done(&bytes);
}

static void query_entities(struct rpc *rpc)
{
    const struct hub_query_entities_request *request = rpc->message;
    const struct hub_entity_query *query = request->query;
    struct page *page = arena_alloc(&rpc->arena, sizeof *page);
    if (query == NULL) {
        struct hub_entity_query *all = arena_alloc(&rpc->arena, sizeof *all);
        message_init(&hub_entity_query_type, all);
        query = all;
    }
    int64_t size = query->page_size.is_set ? query->page_size.value : 0;
    struct text token = query->continuation_token;
    rpc->state = page;
    if (token.size != 0 && token.at[0] != '@') {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "'%.*s' is no continuation token of this call",
                 TEXT_ARGS(token));
        return;
    }
    page->wanted = size >= 1 && size <= PAGE_MAX ? (size_t)size : PAGE_DEFAULT;
    page->with_state = query->include_state;
    page->query = (struct entity_query){
        .id_prefix = fold_prefix(query->instance_id_starts_with, &rpc->arena),
        .changed_from = bound_from(query->last_modified_from),
        .changed_to = bound_to(query->last_modified_to),
        .with_empty = query->include_transient,
        .with_state = query->include_state,
        .bytes_max = PORTION_BYTES,
        .after_id = token.size != 0 ? token : TEXT_ABSENT,
    };
    rpc_read(rpc, query_work, query_done);
}

/* ---- CleanEntityStorage --------------------------------------------------------------------- */

/* Entities vanish by themselves, and so do locks of who has ended: what is found all the same (of a
 * store that others wrote) goes, and is not counted. */
static void clean_work(struct rpc *rpc)
{
    const struct hub_clean_entity_storage_request *request = rpc->message;
    pd_cleaned unwanted;
    rpc->status = PD_OK;
    if (request->release_orphaned_locks || request->remove_empty_entities) {
        rpc->status = pd_hub_clean_entities(rpc->hub->api, &unwanted, &rpc->err);
    }
}

static void clean_done(struct rpc *rpc)
{
    static const struct hub_clean_entity_storage_response nothing;
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    rpc_reply(rpc, &hub_clean_entity_storage_response_type, &nothing);
}

static void clean(struct rpc *rpc)
{
    rpc_read(rpc, clean_work, clean_done);
}

static const struct rpc_method methods[] = {
    { .path = HUB_PATH("SignalEntity"),
      .scopes = SCOPE_OPERATE,
      .type = &hub_signal_entity_request_type,
      .run = signal_entity },
    { .path = HUB_PATH("GetEntity"),
      .scopes = SCOPE_READ,
      .type = &hub_get_entity_request_type,
      .run = get_entity },
    { .path = HUB_PATH("QueryEntities"),
      .scopes = SCOPE_READ,
      .type = &hub_query_entities_request_type,
      .run = query_entities },
    { .path = HUB_PATH("CleanEntityStorage"),
      .scopes = SCOPE_OPERATE,
      .type = &hub_clean_entity_storage_request_type,
      .run = clean },
};
const struct rpc_service entities_service = { methods, sizeof methods / sizeof methods[0] };
