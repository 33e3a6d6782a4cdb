/* SPDX-License-Identifier: MIT
 *
 * One entity: its state, and signals to it. Section 10.
 *
 * In a path an empty key is "$" where it is read, and nothing where it is signalled. */
#include <string.h>

#include "server/web.h"

void web_split_entity(struct text id, struct text *ret_name, struct text *ret_key)
{
    const char *end = id.size > 1 ? memchr(id.at + 1, '@', id.size - 1) : NULL;
    size_t size = end != NULL ? (size_t)(end - id.at) - 1 : id.size - (id.size > 0);
    *ret_name = text_make(id.at + (id.size > 0), size);
    *ret_key = end != NULL ? text_make(end + 1, id.size - size - 2) : TEXT("");
}

pd_status web_fold_entity(struct text id, struct arena *arena, struct text *ret, pd_error *err)
{
    pd_status status = entity_id_check(id, err);
    if (status == PD_OK) {
        char *folded = arena_copy(arena, id.at, id.size);
        entity_id_fold(folded, id.size);
        *ret = text_make(folded, id.size);
    }
    return status;
}

/* "@name@key", folded. A name with an '@' would be another one. */
static pd_status make_id(struct rpc *rpc, struct text name, struct text key, struct text *ret)
{
    if (memchr(name.at, '@', name.size) != NULL || memchr(name.at, '\0', name.size) != NULL ||
        (key.size != 0 && memchr(key.at, '\0', key.size) != NULL)) {
        return error_set(&rpc->err, PD_E_INVALID, false, "entity",
                         "the name of an entity has no '@', and neither name nor key a NUL");
    }
    struct text id =
        text_of(arena_printf(&rpc->arena, "@%.*s@%.*s", TEXT_ARGS(name), TEXT_ARGS(key)));
    return web_fold_entity(id, &rpc->arena, ret, &rpc->err);
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool load(struct rpc *rpc, struct text key, struct entity_record *ret)
{
    struct store *store = rpc->hub->store;
    struct text id;
    bool is_found = false;
    key = text_equal(key, TEXT("$")) ? TEXT("") : key;
    rpc->status = PD_OK;
    if (make_id(rpc, rpc->web->captured[0], key, &id) == PD_OK) {
        rpc->status = store->ops->load_entity(store, id, 0, &rpc->arena, ret, &is_found, &rpc->err);
    }
    return is_found && text_is_present(ret->state);
}

static void read_state(struct rpc *rpc)
{
    struct web *web = rpc->web;
    struct entity_record record;
    struct buffer json;
    bool is_found = load(rpc, web->captured[1], &record);
    struct text key;
    if (!is_found && rpc->status == PD_OK && /* as web_find */
        memchr(web->undecoded[1].at, '+', web->undecoded[1].size) != NULL &&
        percent_decode(&rpc->arena, web->undecoded[1], true, &key)) {
        is_found = load(rpc, key, &record);
    }
    if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
    } else if (!is_found) {
        web_answer_empty(rpc, 404);
    } else {
        buffer_init(&json);
        web_put_payload(&json, record.state);
        web_answer(rpc, 200, &json);
    }
}

/* ---- signals -------------------------------------------------------------------------------- */

static void signalled(struct rpc *rpc)
{
    if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
    } else {
        web_answer_empty(rpc, 202);
    }
}

static bool check_key(struct rpc *rpc, struct text key)
{
    for (size_t i = 0; i < key.size; i++) {
        unsigned char c = (unsigned char)key.at[i];
        if (c < 0x20 || c == 0x7f || strchr("/\\#?", c) != NULL) {
            web_refuse(rpc, 400, PD_E_INVALID,
                       "the key of an entity has no '/', '\\', '#', '?' or control character");
            return false;
        }
    }
    return true;
}

static void tell(struct rpc *rpc, struct text operation, struct text input)
{
    struct web *web = rpc->web;
    struct letter *letter = arena_alloc(&rpc->arena, sizeof *letter);
    struct event *event = arena_alloc(&rpc->arena, sizeof *event);
    struct text key = text_is_present(web->captured[1]) ? web->captured[1] : TEXT("");
    time_us now = loop_now(rpc->server->loop);
    time_us at = TIME_NEVER;
    if (!check_key(rpc, key) || !web_exact_time(rpc, "signalAt", &at) ||
        (operation.size != 0 && !web_check_name(rpc, operation, "the name of an operation"))) {
        return;
    }
    rpc->status = make_id(rpc, web->captured[0], key, &letter->instance_id);
    if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
        return;
    }
    struct text folded, unwanted;
    web_split_entity(letter->instance_id, &folded, &unwanted);
    if (!web_may_run(rpc, folded, true)) {
        return;
    }
    *event = (struct event){
        .kind = EVENT_ENTITY_SIGNALED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = now,
        .fire_at = at != TIME_NEVER && at > now ? at : 0,
        .name = operation,
        .payload = input,
        .request_id = entity_mint_request(&rpc->arena),
    };
    letter->kind = MESSAGE_OPERATION;
    letter->event = event;
    rpc_ask_tell(rpc, letter, signalled);
}

/* Of another type it is a text, which operations get as a JSON string. */
static struct text as_string(struct rpc *rpc, struct text body)
{
    struct buffer json;
    buffer_init(&json);
    web_put_string(&json, body);
    struct text string = text_copy(&rpc->arena, buffer_text(&json));
    buffer_done(&json);
    return string;
}

static void signal_entity(struct rpc *rpc)
{
    struct text body = http_body(rpc->web->http);
    struct text operation = web_parameter(rpc, "op");
    bool is_json = web_says_json(rpc);
    if (body.size != 0 && is_json && !web_is_json(body)) {
        web_refuse_words(rpc, 400,
                         "Could not parse JSON content: it is not one document of at most 512 "
                         "levels",
                         PD_E_INVALID, "the body is not JSON");
        return;
    }
    struct text input = body.size == 0 ? TEXT_ABSENT : is_json ? body : as_string(rpc, body);
    tell(rpc, text_is_present(operation) ? operation : TEXT(""), input);
}

static void delete_entity(struct rpc *rpc)
{
    tell(rpc, TEXT("delete"), TEXT_ABSENT);
}

static const struct web_route routes[] = {
    WEB_ROUTE(GET, "/entities/{}/{}", SCOPE_READ, read_state),
    WEB_ROUTE(POST, "/entities/{}", SCOPE_OPERATE, signal_entity),
    WEB_ROUTE(POST, "/entities/{}/{}", SCOPE_OPERATE, signal_entity),
    WEB_ROUTE(DELETE, "/entities/{}", SCOPE_OPERATE, delete_entity),
    WEB_ROUTE(DELETE, "/entities/{}/{}", SCOPE_OPERATE, delete_entity),
};
const struct web_routes web_entity_routes = { routes, sizeof routes / sizeof routes[0] };
