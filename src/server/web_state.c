/* SPDX-License-Identifier: MIT
 *
 * How one instance stands: section 5. With its history it is a reader's work, else one look into
 * the store. */
#include <string.h>

#include "server/web.h"

/* What the state means for the answer: section 5.1. */
static int code_of(struct rpc *rpc, enum run_state state)
{
    if (!run_state_is_final(state)) {
        const struct web *web = rpc->web;
        struct text path = http_raw_path(web->http);
        struct text query = http_query(web->http);
        web_header(rpc, "Location",
                   text_of(arena_printf(&rpc->arena, "%.*s%.*s%s%.*s", TEXT_ARGS(web->origin),
                                        TEXT_ARGS(path), text_is_present(query) ? "?" : "",
                                        TEXT_ARGS(query))));
        web_header(rpc, "Retry-After", TEXT("5"));
        return 202;
    }
    bool is_flagged = web_flag(rpc, "returnInternalServerErrorOnFailure", false);
    return state == RUN_FAILED && is_flagged ? 500 : 200;
}

static void get(struct rpc *rpc)
{
    struct instance_record record;
    struct buffer json;
    if (!web_load(rpc, &record)) {
        return;
    }
    int code = code_of(rpc, record.state);
    buffer_init(&json);
    web_put_state(&json, &record, web_flag(rpc, "showInput", true));
    buffer_add_byte(&json, '}');
    web_answer(rpc, code, &json);
}

static const struct web_route routes[] = {
    { .verb = WEB_GET,
      .method = { .path = "/instances/{}",
                  .scopes = SCOPE_READ,
                  .flags = METHOD_KNOWN_HUB,
                  .run = get } },
};
const struct web_routes web_state_routes = { routes, sizeof routes / sizeof routes[0] };
