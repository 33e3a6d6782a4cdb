/* SPDX-License-Identifier: MIT
 *
 * What is said to one instance: raiseEvent, terminate, suspend, resume, rewind. Sections 7 and 3.
 *
 * First its state is looked at, as clients of this API expect; then the engine is told, which
 * decides: of what changed in between, the answer is the engine's. 202 means that it is durable. */
#include <string.h>
#include <strings.h>

#include "server/web.h"

struct saying {
    struct letter letter;
    struct event event;
    struct event_extra extra;
};

/* A text for people, as the JSON string that it is stored as. */
static struct text reason_of(struct rpc *rpc)
{
    struct text reason = web_parameter(rpc, "reason");
    struct buffer json;
    if (!text_is_present(reason)) {
        return reason;
    }
    buffer_init(&json);
    web_put_string(&json, reason);
    reason = text_copy(&rpc->arena, buffer_text(&json));
    buffer_done(&json);
    return reason;
}

static void told(struct rpc *rpc)
{
    const struct saying *saying = rpc->state;
    if (rpc->status == PD_E_NOT_FOUND) {
        web_answer_empty(rpc, 404);
    } else if (rpc->status == PD_E_STATE) { /* it has ended meanwhile */
        web_answer_empty(rpc, 410);
    } else if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
    } else {
        waits_wake(rpc->hub, saying->letter.instance_id);
        web_answer_empty(rpc, 202);
    }
}

static void tell(struct rpc *rpc, enum message_kind kind, enum event_kind event, struct text name,
                 struct text payload)
{
    struct saying *saying = arena_alloc(&rpc->arena, sizeof *saying);
    saying->event = (struct event){
        .kind = event,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = loop_now(rpc->server->loop),
        .name = name,
        .payload = payload,
        .extra = &saying->extra,
    };
    saying->letter = (struct letter){
        .kind = kind,
        .instance_id = rpc->web->captured[0],
        .event = &saying->event,
    };
    saying->extra.recurses = web_flag(rpc, "recursive", false);
    rpc->state = saying;
    rpc_ask_tell(rpc, &saying->letter, told);
}

/* The state of an instance that has not ended. False: answered. */
static bool load_live(struct rpc *rpc, enum run_state *ret)
{
    struct instance_record record;
    if (!web_load(rpc, &record)) {
        return false;
    }
    *ret = record.state;
    if (run_state_is_final(record.state)) {
        web_answer_empty(rpc, 410);
        return false;
    }
    return true;
}

/* ---- raiseEvent ----------------------------------------------------------------------------- */

static void raise_event(struct rpc *rpc)
{
    struct text name = rpc->web->captured[1];
    struct text body = http_body(rpc->web->http);
    enum run_state state;
    if (!load_live(rpc, &state)) {
        return;
    }
    if (!web_says_json(rpc)) {
        web_answer_message(rpc, 400, "Only application/json request content is supported");
    } else if (!web_is_json(body)) {
        web_refuse_json(rpc);
    } else if (web_check_name(rpc, name, "the name of an event")) {
        tell(rpc, MESSAGE_RAISE, EVENT_EVENT_RAISED, name, body);
    }
}

/* ---- the others ----------------------------------------------------------------------------- */

static void terminate(struct rpc *rpc)
{
    enum run_state state;
    if (load_live(rpc, &state)) {
        tell(rpc, MESSAGE_TERMINATE, EVENT_EXECUTION_TERMINATED, TEXT_ABSENT, reason_of(rpc));
    }
}

static void suspend(struct rpc *rpc)
{
    enum run_state state;
    if (!load_live(rpc, &state)) {
        return;
    }
    if (state == RUN_SUSPENDED) {
        web_refuse(rpc, web_conflict(rpc, 409), PD_E_STATE,
                   "the orchestration is suspended already");
        return;
    }
    tell(rpc, MESSAGE_SUSPEND, EVENT_EXECUTION_SUSPENDED, TEXT_ABSENT, reason_of(rpc));
}

static void resume(struct rpc *rpc)
{
    enum run_state state;
    if (!load_live(rpc, &state)) {
        return;
    }
    if (state != RUN_SUSPENDED) {
        web_refuse(rpc, web_conflict(rpc, 409), PD_E_STATE,
                   "the orchestration is %s: only one "
                   "that is suspended can be resumed",
                   status_name_of_state(state));
        return;
    }
    tell(rpc, MESSAGE_RESUME, EVENT_EXECUTION_RESUMED, TEXT_ABSENT, reason_of(rpc));
}

static void rewind_one(struct rpc *rpc)
{
    struct instance_record record;
    if (!web_load(rpc, &record)) {
        return;
    }
    if (record.state == RUN_COMPLETED || record.state == RUN_TERMINATED) {
        web_answer_empty(rpc, 410);
    } else if (record.state != RUN_FAILED) {
        web_refuse(rpc, web_conflict(rpc, 409), PD_E_STATE,
                   "the orchestration is %s: only one that has failed can be rewound",
                   status_name_of_state(record.state));
    } else {
        tell(rpc, MESSAGE_REWIND, EVENT_EXECUTION_REWOUND, TEXT_ABSENT, reason_of(rpc));
    }
}

static const struct web_route routes[] = {
    WEB_ROUTE(POST, "/instances/{}/raiseEvent/{}", SCOPE_OPERATE, raise_event),
    WEB_ROUTE(POST, "/instances/{}/terminate", SCOPE_OPERATE, terminate),
    WEB_ROUTE(POST, "/instances/{}/suspend", SCOPE_OPERATE, suspend),
    WEB_ROUTE(POST, "/instances/{}/resume", SCOPE_OPERATE, resume),
    WEB_ROUTE(POST, "/instances/{}/rewind", SCOPE_OPERATE, rewind_one),
};
const struct web_routes web_tell_routes = { routes, sizeof routes / sizeof routes[0] };
