/* SPDX-License-Identifier: MIT
 *
 * The management API: from a request to its route. See web.h. */
#include "server/web.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/web_openapi.h"

/* Of the server itself. */
static void describe(struct rpc *rpc)
{
    struct buffer json;
    buffer_init(&json);
    buffer_add_text(&json, web_openapi);
    web_answer(rpc, 200, &json);
}

static const struct web_route own_routes[] = {
    { .verb = WEB_GET,
      .method = { .path = "/openapi.json",
                  .scopes = SCOPE_ANY,
                  .flags = METHOD_NO_HUB,
                  .run = describe } },
};
static const struct web_routes web_own_routes = { own_routes, 1 };

const struct web_routes *const web_tables[] = {
    &web_start_routes,    &web_state_routes, &web_tell_routes,
    &web_list_routes,     &web_purge_routes, &web_entity_routes,
    &web_schedule_routes, &web_own_routes,   NULL,
};

/* ---- what it says --------------------------------------------------------------------------- */

static bool read_captures(struct rpc *rpc)
{
    struct web *web = rpc->web;
    for (size_t i = 0; i < WEB_CAPTURES; i++) {
        if (text_is_present(web->undecoded[i]) &&
            !percent_decode(&rpc->arena, web->undecoded[i], false, &web->captured[i])) {
            return false;
        }
    }
    return true;
}

/* ---- who asks, M2 --------------------------------------------------------------------------- */

static void put_form(struct buffer *url, const char *name, struct text value)
{
    buffer_printf(url, "%s%s=", url->size != 0 ? "&" : "", name);
    for (size_t i = 0; i < value.size; i++) {
        char c = value.at[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' || c == '*';
        buffer_printf(url, is_plain ? "%c" : c == ' ' ? "+" : "%%%02X", (unsigned)(unsigned char)c);
    }
}

static void make_suffix(struct rpc *rpc, struct text hub, struct text key)
{
    struct text connection = web_parameter(rpc, "connection");
    struct buffer suffix;
    buffer_init(&suffix);
    put_form(&suffix, "taskHub", hub);
    put_form(&suffix, "connection", connection.size != 0 ? connection : TEXT("Storage"));
    if (key.size != 0) {
        put_form(&suffix, "code", key);
    }
    rpc->web->suffix = text_copy(&rpc->arena, buffer_text(&suffix));
    buffer_done(&suffix);
}

/* ---- a request ------------------------------------------------------------------------------ */

/* Its key is good, and it has a route. */
static void enter(struct rpc *rpc, struct text name)
{
    enum grpc_status status = GRPC_OK;
    char text[256];
    if ((rpc->method->flags & METHOD_NO_HUB) != 0) {
        rpc->method->run(rpc);
        return;
    }
    if (rpc->server->phase > SERVER_DRAINS) {
        web_fail(rpc, GRPC_UNAVAILABLE, "the server is ending");
        return;
    }
    struct hub *hub = hub_find(rpc->server, name, &status, text);
    if (hub == NULL) {
        web_fail(rpc, status, text);
    } else {
        hub_enter(hub, rpc);
    }
}

static void admit(struct rpc *rpc, const struct web_route *route)
{
    struct text hub = web_parameter(rpc, "taskHub");
    struct web_caller caller;
    char why[256];
    hub = hub.size != 0 ? hub : text_of(rpc->server->config->hub);
    enum token_answer answer =
        web_judge(rpc->server, rpc->web->http, web_parameter(rpc, "code"), hub,
                  route != NULL ? route->method.scopes : SCOPE_ANY, &caller);
    if (answer != TOKEN_GOOD && route != NULL) {
        security_tell_of_refused(NULL, &route->method, answer, hub);
    }
    if (answer == TOKEN_UNKNOWN) {
        web_header(rpc, "WWW-Authenticate", TEXT("Bearer"));
        web_answer_empty(rpc, 401);
    } else if (!web_may_ask(rpc->server, rpc->web->http, &caller, why) ||
               !web_find_origin(rpc, &rpc->web->origin, why)) {
        web_refuse(rpc, 403, PD_E_DENIED, "%s", why);
    } else if (route == NULL) {
        web_answer_empty(rpc, 404);
    } else if (answer == TOKEN_DENIED) {
        web_refuse(rpc, 403, PD_E_DENIED, "the key does not allow '%s' in task hub '%.*s'",
                   scopes_name(route->method.scopes), TEXT_ARGS(hub));
    } else if (!read_captures(rpc)) {
        web_refuse(rpc, 400, PD_E_INVALID, "the path is not encoded as a URL is");
    } else {
        make_suffix(rpc, hub, caller.key);
        enter(rpc, hub);
    }
}

void web_handle(struct server *server, struct http_request *request)
{
    static const struct rpc_method none = { .path = "?" };
    struct rpc *rpc = mem_alloc(sizeof *rpc);
    rpc->server = server;
    rpc->web = arena_alloc(&rpc->arena, sizeof *rpc->web);
    rpc->web->http = request;
    const struct web_route *route = web_find_route(rpc->web, server->config->public_url,
                                                   http_method(request), http_raw_path(request));
    rpc->method = route != NULL ? &route->method : &none;
    http_count_as(request, http_count_route(server->http_counts, route));
    if (!web_read_parameters(rpc, http_query(request))) {
        web_refuse(rpc, 400, PD_E_INVALID,
                   "the query is not encoded as a URL is, or has more than %d parameters",
                   WEB_PARAMETERS);
    } else {
        admit(rpc, route);
    }
}

/* ---- what routes share ---------------------------------------------------------------------- */

bool web_find(struct rpc *rpc, struct instance_record *ret, bool *ret_found)
{
    struct web *web = rpc->web;
    struct text id = web->captured[0];
    rpc->status = hub_load(rpc->hub, id, &rpc->arena, ret, ret_found, &rpc->err);
    /* Who encodes as forms do writes '+' for a space. */
    if (rpc->status == PD_OK && !*ret_found &&
        memchr(web->undecoded[0].at, '+', web->undecoded[0].size) != NULL &&
        percent_decode(&rpc->arena, web->undecoded[0], true, &id)) {
        rpc->status = hub_load(rpc->hub, id, &rpc->arena, ret, ret_found, &rpc->err);
    }
    if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
        return false;
    }
    web->captured[0] = *ret_found ? id : web->captured[0];
    return true;
}

bool web_load(struct rpc *rpc, struct instance_record *ret)
{
    bool is_found = false;
    if (!web_find(rpc, ret, &is_found)) {
        return false;
    }
    if (!is_found) {
        web_answer_empty(rpc, 404);
    }
    return is_found;
}

bool web_says_json(const struct rpc *rpc)
{
    static const char json[] = "application/json";
    struct text type = http_header(rpc->web->http, "Content-Type");
    size_t size = sizeof json - 1;
    return type.size >= size && strncasecmp(type.at, json, size) == 0 &&
           (type.size == size || strchr(" \t;", type.at[size]) != NULL);
}

bool web_check_name(struct rpc *rpc, struct text name, const char *what)
{
    bool is_clean = name.size != 0 && name.size <= LIMIT_NAME && text_is_utf8(name);
    for (size_t i = 0; is_clean && i < name.size; i++) {
        is_clean = (unsigned char)name.at[i] >= 0x20 && name.at[i] != 0x7f;
    }
    if (!is_clean) {
        web_refuse(rpc, 400, PD_E_INVALID,
                   "%s has 1 to %d bytes of UTF-8, without control characters", what, LIMIT_NAME);
    }
    return is_clean;
}

bool web_may_run(struct rpc *rpc, struct text name, bool is_entity)
{
    bool may = broker_may_run(rpc->hub->broker, name, is_entity);
    if (!may) {
        web_refuse(rpc, 400, PD_E_INVALID, "no worker has %s '%.*s'",
                   is_entity ? "an entity" : "an orchestrator", TEXT_ARGS(name));
    }
    return may;
}
