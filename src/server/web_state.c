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
        struct text query = http_query(web->http);
        web_header(rpc, "Location",
                   text_of(arena_printf(&rpc->arena, "%.*s%.*s%s%.*s", TEXT_ARGS(web->origin),
                                        TEXT_ARGS(web->path), text_is_present(query) ? "?" : "",
                                        TEXT_ARGS(query))));
        web_header(rpc, "Retry-After", TEXT("5"));
        return 202;
    }
    bool is_flagged = web_flag(rpc, "returnInternalServerErrorOnFailure", false);
    return state == RUN_FAILED && is_flagged ? 500 : 200;
}

struct looking {
    struct web_view view;
    enum run_state state;
    struct buffer json;
    bool is_found;
};

static void look_work(struct rpc *rpc)
{
    struct looking *looking = rpc->state;
    rpc->status = web_put_history(rpc->hub, rpc->web->captured[0], &looking->view, &looking->json,
                                  &looking->state, &looking->is_found, &rpc->err);
}

static void look_done(struct rpc *rpc)
{
    struct looking *looking = rpc->state;
    if (rpc->status == PD_OK && looking->is_found) {
        web_answer(rpc, code_of(rpc, looking->state), &looking->json);
        return;
    }
    buffer_done(&looking->json);
    if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
    } else {
        web_answer_empty(rpc, 404); /* it has gone meanwhile */
    }
}

static void get(struct rpc *rpc)
{
    struct instance_record record;
    struct buffer json;
    if (!web_load(rpc, &record)) {
        return;
    }
    bool with_input = web_flag(rpc, "showInput", true);
    if (web_flag(rpc, "showHistory", false) && record.state != RUN_PENDING) {
        struct looking *looking = arena_alloc(&rpc->arena, sizeof *looking);
        looking->view.with_input = with_input;
        looking->view.bytes_max = (size_t)rpc->server->config->http_history_max;
        looking->view.with_results = web_flag(rpc, "showHistoryOutput", false);
        rpc->state = looking;
        rpc_read(rpc, look_work, look_done);
        return;
    }
    int code = code_of(rpc, record.state);
    buffer_init(&json);
    web_put_state(&json, &record, with_input);
    buffer_add_byte(&json, '}');
    web_answer(rpc, code, &json);
}

static const struct web_route routes[] = {
    WEB_ROUTE(GET, "/instances/{}", SCOPE_READ, get),
};
const struct web_routes web_state_routes = { routes, sizeof routes / sizeof routes[0] };
