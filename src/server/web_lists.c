/* SPDX-License-Identifier: MIT
 *
 * Lists: instances and entities, in pages. Sections 6.1 and 10.4.
 *
 *   L1  A page is written while it is read, by a reader, a portion of rows after the other: so that
 *       hardly more than PORTION_BYTES and a row are in memory besides. It ends early when it is
 *       PAGE_BYTES long: who wants all goes by the token, not by the count.
 *   L2  A token names the last row, or id, that was seen: a page depends on nothing that others do
 *       meanwhile, and may be asked for with another size. The last page has an empty one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/over.h"
#include "server/web.h"

enum { PAGE_DEFAULT = 100, PAGE_MAX = 1000, PAGE_BYTES = 4 << 20, PORTION_BYTES = 1 << 20 };

static const char token_name[] = "x-ms-continuation-token";

struct listing {
    struct store_query instances;
    struct entity_query entities;
    bool as_instances; /* entities, in the shape of instances */
    bool with_input;
    size_t wanted, count;
    bool has_more;
    struct buffer json;
    struct text last; /* id of an entity, in rpc->arena */
};

static size_t page_size(struct rpc *rpc)
{
    struct text top = web_parameter(rpc, "top");
    size_t size = 0;
    for (size_t i = 0; i < top.size; i++) {
        if (top.at[i] < '0' || top.at[i] > '9') {
            return PAGE_DEFAULT;
        }
        size = size < PAGE_MAX ? size * 10 + (size_t)(top.at[i] - '0') : PAGE_MAX;
    }
    return size == 0 ? PAGE_DEFAULT : size < PAGE_MAX ? size : PAGE_MAX;
}

static time_us from_of(struct rpc *rpc, const char *name)
{
    time_us at = web_time(rpc, name);
    return bound_from(at == TIME_NEVER ? WIRE_NO_TIME : at);
}

static time_us to_of(struct rpc *rpc, const char *name)
{
    time_us at = web_time(rpc, name);
    return bound_to(at == TIME_NEVER ? WIRE_NO_TIME : at);
}

static void refuse_token(struct rpc *rpc)
{
    web_refuse(rpc, 400, PD_E_INVALID, "%s: it is none of this list", token_name);
}

static void separate(struct listing *listing)
{
    if (listing->json.size > 1) {
        buffer_add_byte(&listing->json, ',');
    }
}

/* L1: is there room for another one, which may be the first? */
static bool is_full(const struct listing *listing)
{
    return listing->count == listing->wanted || listing->json.size > PAGE_BYTES;
}

static void answer(struct rpc *rpc, struct text token)
{
    struct listing *listing = rpc->state;
    if (rpc->status != PD_OK) {
        buffer_done(&listing->json);
        web_fail_as_told(rpc);
        return;
    }
    buffer_add_byte(&listing->json, ']');
    web_header(rpc, token_name, listing->has_more ? token : TEXT(""));
    web_answer(rpc, 200, &listing->json);
}

/* Nothing can be in it. */
static void answer_none(struct rpc *rpc)
{
    struct listing *listing = rpc->state;
    buffer_init(&listing->json);
    buffer_add_byte(&listing->json, '[');
    rpc->status = PD_OK;
    answer(rpc, TEXT(""));
}

/* ---- instances ------------------------------------------------------------------------------ */

static void add_instances(struct listing *listing, const struct record_page *found)
{
    for (size_t i = 0; i < found->count; i++) {
        if (is_full(listing)) {
            listing->has_more = true;
            return;
        }
        separate(listing);
        web_put_state(&listing->json, &found->items[i], listing->with_input);
        buffer_add_byte(&listing->json, '}');
        listing->instances.after_row = found->items[i].row;
        listing->count++;
    }
    listing->has_more = found->has_more;
}

static void instances_work(struct rpc *rpc)
{
    struct listing *listing = rpc->state;
    struct store *store = rpc->hub->store;
    struct arena arena;
    arena_init(&arena);
    rpc->status = PD_OK;
    listing->has_more = true;
    while (rpc->status == PD_OK && listing->has_more && !is_full(listing)) {
        struct record_page found = { NULL, 0, false };
        size_t left = listing->wanted - listing->count;
        arena_reset(&arena);
        listing->instances.limit = left;
        rpc->status = store->ops->query(store, &listing->instances, &arena, &found, &rpc->err);
        if (rpc->status == PD_OK) {
            add_instances(listing, &found);
        }
    }
    arena_done(&arena);
}

static void instances_done(struct rpc *rpc)
{
    const struct listing *listing = rpc->state;
    char token[24];
    (void)snprintf(token, sizeof token, "r%" PRIx64, listing->instances.after_row);
    answer(rpc, text_of(token));
}

static bool read_row(struct text token, uint64_t *ret)
{
    char digits[17] = "";
    char *end = digits;
    if (token.size > 1 && token.size <= 17 && token.at[0] == 'r') {
        memcpy(digits, token.at + 1, token.size - 1);
        *ret = strtoull(digits, &end, 16);
    }
    return end != digits && *end == '\0';
}

/* ---- entities ------------------------------------------------------------------------------- */

static void put_entity(struct listing *listing, const struct entity_record *record)
{
    struct buffer *json = &listing->json;
    struct text name, key;
    web_split_entity(record->id, &name, &key);
    buffer_add_byte(json, '{');
    web_put_name(json, "entityId");
    buffer_add_byte(json, '{');
    web_put_name(json, "name");
    web_put_string(json, name);
    web_put_name(json, "key");
    web_put_string(json, key);
    buffer_add_byte(json, '}');
    web_put_name(json, "lastOperationTime");
    web_put_time(json, record->updated_at, true);
    if (listing->entities.with_state) {
        web_put_name(json, "state");
        web_put_payload(json, record->state);
    }
    buffer_add_byte(json, '}');
}

/* As it is an instance to who lists ids that begin with '@'. */
static void put_as_instance(struct listing *listing, const struct entity_record *entity)
{
    struct text name, key;
    web_split_entity(entity->id, &name, &key);
    const struct instance_record record = {
        .name = text_make(entity->id.at, name.size + 1),
        .id = entity->id,
        .state = RUN_RUNNING,
        .created_at = entity->updated_at,
        .updated_at = entity->updated_at,
    };
    web_put_state(&listing->json, &record, false);
    buffer_add_byte(&listing->json, '}');
}

static void add_entities(struct rpc *rpc, struct listing *listing, const struct entity_page *found)
{
    struct text last = TEXT_ABSENT;
    listing->has_more = found->has_more;
    for (size_t i = 0; i < found->count; i++) {
        if (is_full(listing)) {
            listing->has_more = true;
            break;
        }
        separate(listing);
        if (listing->as_instances) {
            put_as_instance(listing, &found->items[i]);
        } else {
            put_entity(listing, &found->items[i]);
        }
        last = found->items[i].id;
        listing->count++;
    }
    if (text_is_present(last)) {
        listing->last = text_copy(&rpc->arena, last);
        listing->entities.after_id = listing->last;
    }
}

static void entities_work(struct rpc *rpc)
{
    struct listing *listing = rpc->state;
    struct store *store = rpc->hub->store;
    struct arena arena;
    arena_init(&arena);
    rpc->status = PD_OK;
    listing->has_more = true;
    while (rpc->status == PD_OK && listing->has_more && !is_full(listing)) {
        struct entity_page found = { NULL, 0, false };
        size_t left = listing->wanted - listing->count;
        arena_reset(&arena);
        listing->entities.limit = left;
        rpc->status =
            store->ops->query_entities(store, &listing->entities, &arena, &found, &rpc->err);
        if (rpc->status == PD_OK) {
            add_entities(rpc, listing, &found);
        }
    }
    arena_done(&arena);
}

static void entities_done(struct rpc *rpc)
{
    const struct listing *listing = rpc->state;
    struct buffer token;
    buffer_init(&token);
    buffer_add_byte(&token, 'e');
    percent_encode(&token, listing->last);
    answer(rpc, text_copy(&rpc->arena, buffer_text(&token)));
    buffer_done(&token);
}

/* listing->entities has what is asked for, but for the token. */
static void list_entities_from(struct rpc *rpc, struct listing *listing)
{
    struct text token = http_header(rpc->web->http, token_name);
    struct text id = TEXT_ABSENT;
    if (token.size != 0) {
        struct text encoded = text_make(token.at + 1, token.size - 1);
        if (token.at[0] != 'e' || !percent_decode(&rpc->arena, encoded, false, &id) ||
            id.size == 0 || id.at[0] != '@') {
            refuse_token(rpc);
            return;
        }
    }
    listing->entities.after_id = id;
    buffer_init(&listing->json);
    buffer_add_byte(&listing->json, '[');
    rpc_read(rpc, entities_work, entities_done);
}

/* '@' and its name in lower case, with what stands behind it. */
static struct text fold(struct rpc *rpc, struct text id)
{
    char *folded = arena_copy(&rpc->arena, id.at, id.size);
    for (size_t i = 1; i < id.size && folded[i] != '@'; i++) {
        folded[i] =
            (char)(folded[i] >= 'A' && folded[i] <= 'Z' ? folded[i] - 'A' + 'a' : folded[i]);
    }
    return text_make(folded, id.size);
}

/* Filters mean what put_as_instance shows: all are running, made when they were last changed. */
static void list_entities_as_instances(struct rpc *rpc, struct listing *listing, struct text prefix,
                                       struct web_states states)
{
    listing->as_instances = true;
    listing->entities = (struct entity_query){
        .id_prefix = fold(rpc, prefix),
        .changed_from = from_of(rpc, "createdTimeFrom"),
        .changed_to = to_of(rpc, "createdTimeTo"),
    };
    if (states.is_given && (states.states & 1u << RUN_RUNNING) == 0) {
        answer_none(rpc);
        return;
    }
    list_entities_from(rpc, listing);
}

/* ---- routes --------------------------------------------------------------------------------- */

static void list_instances(struct rpc *rpc)
{
    struct listing *listing = arena_alloc(&rpc->arena, sizeof *listing);
    struct text prefix = web_parameter(rpc, "instanceIdPrefix");
    struct text token = http_header(rpc->web->http, token_name);
    struct web_states states = web_states(web_parameter(rpc, "runtimeStatus"));
    rpc->state = listing;
    listing->wanted = page_size(rpc);
    listing->with_input = web_flag(rpc, "showInput", true);
    if (prefix.size != 0 && prefix.at[0] == '@') {
        list_entities_as_instances(rpc, listing, prefix, states);
        return;
    }
    listing->instances = (struct store_query){
        .states = states.states,
        .id_prefix = prefix.size != 0 ? prefix : TEXT_ABSENT,
        .created_from = from_of(rpc, "createdTimeFrom"),
        .created_to = to_of(rpc, "createdTimeTo"),
        .with_payloads = true,
        .bytes_max = PORTION_BYTES,
    };
    api_hide_builtin(&listing->instances);
    if (token.size != 0 && !read_row(token, &listing->instances.after_row)) {
        refuse_token(rpc);
        return;
    }
    if (states.is_given && states.states == 0) { /* no instance is ever so */
        answer_none(rpc);
        return;
    }
    buffer_init(&listing->json);
    buffer_add_byte(&listing->json, '[');
    rpc_read(rpc, instances_work, instances_done);
}

static void list_entities(struct rpc *rpc)
{
    struct listing *listing = arena_alloc(&rpc->arena, sizeof *listing);
    struct text name = rpc->web->captured[0];
    struct text prefix = TEXT_ABSENT;
    rpc->state = listing;
    listing->wanted = page_size(rpc);
    if (text_is_present(name)) {
        /* No entity has such a name; as a prefix it would be that of another, and of its keys. */
        if (memchr(name.at, '@', name.size) != NULL || memchr(name.at, '\0', name.size) != NULL) {
            answer_none(rpc);
            return;
        }
        prefix = text_of(arena_printf(&rpc->arena, "@%.*s@", TEXT_ARGS(name)));
        prefix = fold(rpc, prefix);
    }
    listing->entities = (struct entity_query){
        .id_prefix = prefix,
        .changed_from = from_of(rpc, "lastOperationTimeFrom"),
        .changed_to = to_of(rpc, "lastOperationTimeTo"),
        .with_state = web_flag(rpc, "fetchState", false),
        .bytes_max = PORTION_BYTES,
    };
    list_entities_from(rpc, listing);
}

static const struct web_route routes[] = {
    WEB_ROUTE(GET, "/instances", SCOPE_READ, list_instances),
    WEB_ROUTE(GET, "/entities", SCOPE_READ, list_entities),
    WEB_ROUTE(GET, "/entities/{}", SCOPE_READ, list_entities),
};
const struct web_routes web_list_routes = { routes, sizeof routes / sizeof routes[0] };
