/* SPDX-License-Identifier: MIT
 *
 * Forgetting: one instance or entity, and instances by a filter. Sections 6.2 and 6.3.
 *
 * Only what has ended goes, whatever the filter says: the reference drops names of other states
 * from it, and with the last of them every instance of the time window. Here that is a 400; and so
 * are a status that is none, a time that cannot be read and a prefix that is empty, which would
 * widen the filter, too.
 * Likewise `dryRun`: whoever says it wants nothing gone, so it holds for one, too, and a word that
 * is neither true nor false is a 400. */
#include <string.h>

#include "api/over.h"
#include "server/web.h"

struct purge {
    struct store_query query;
    struct text id; /* absent: by the query */
    bool is_dry, is_recursive;
    uint64_t count;
};

static void purge_work(struct rpc *rpc)
{
    struct purge *purge = rpc->state;
    struct store *store = rpc->hub->store;
    pd_hub *hub = rpc->hub->api;
    struct store_counts counts = { { 0 } };
    if (purge->is_dry && text_is_present(purge->id)) {
        purge->count = 1; /* it was found */
    } else if (purge->is_dry) {
        rpc->status = store->ops->count(store, &purge->query, &counts, &rpc->err);
        for (size_t i = 0; i <= RUN_TERMINATED; i++) {
            purge->count += counts.of[i];
        }
    } else if (text_is_present(purge->id)) {
        rpc->status =
            api_purge_ids(hub, &purge->id, 1, purge->is_recursive, &purge->count, &rpc->err);
    } else {
        rpc->status =
            api_purge_query(hub, &purge->query, purge->is_recursive, 0, &purge->count, &rpc->err);
    }
}

static void purge_done(struct rpc *rpc)
{
    const struct purge *purge = rpc->state;
    struct buffer json;
    rpc->server->purged += purge->is_dry ? 0 : purge->count;
    if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
    } else if (purge->count == 0) {
        web_answer_empty(rpc, 404);
    } else {
        buffer_init(&json);
        buffer_printf(&json, "{\"instancesDeleted\":%llu}", (unsigned long long)purge->count);
        web_answer(rpc, 200, &json);
    }
}

/* ---- one ------------------------------------------------------------------------------------ */

static void purge_entity(struct rpc *rpc, struct purge *purge)
{
    struct store *store = rpc->hub->store;
    struct entity_record record;
    bool is_found = false;
    pd_error unwanted;
    rpc->status = PD_OK;
    if (web_fold_entity(rpc->web->captured[0], &rpc->arena, &purge->id, &unwanted) == PD_OK) {
        rpc->status = store->ops->load_entity(store, purge->id, 0, &rpc->arena, &record, &is_found,
                                              &rpc->err);
    }
    if (rpc->status != PD_OK) {
        web_fail_as_told(rpc);
    } else if (!is_found) {
        web_answer_empty(rpc, 404);
    } else {
        rpc_read(rpc, purge_work, purge_done);
    }
}

static void purge_one(struct rpc *rpc)
{
    struct purge *purge = arena_alloc(&rpc->arena, sizeof *purge);
    struct instance_record record;
    rpc->state = purge;
    purge->is_recursive = web_flag(rpc, "recursive", false);
    if (!web_exact_flag(rpc, "dryRun", &purge->is_dry)) {
        return;
    }
    if (entity_id_is(rpc->web->captured[0])) {
        purge_entity(rpc, purge);
        return;
    }
    if (!web_load(rpc, &record)) {
        return;
    }
    if (!run_state_is_final(record.state)) {
        web_refuse(rpc, web_conflict(rpc, 412), PD_E_STATE,
                   "the orchestration is %s: only one that has ended can be purged",
                   status_name_of_state(record.state));
        return;
    }
    purge->id = record.id;
    rpc_read(rpc, purge_work, purge_done);
}

/* ---- many ----------------------------------------------------------------------------------- */

static void refuse_without_time(struct rpc *rpc)
{
    struct buffer json;
    buffer_init(&json);
    web_put_string(&json, TEXT("Please provide value for 'createdTimeFrom' parameter."));
    web_answer(rpc, 400, &json);
}

static void purge_many(struct rpc *rpc)
{
    struct purge *purge = arena_alloc(&rpc->arena, sizeof *purge);
    struct web_states states;
    struct text prefix = web_parameter(rpc, "instanceIdPrefix");
    time_us from = web_time(rpc, "createdTimeFrom");
    time_us to = TIME_NEVER;
    rpc->state = purge;
    if (from == TIME_NEVER) {
        refuse_without_time(rpc);
        return;
    }
    if (!web_exact_time(rpc, "createdTimeTo", &to) ||
        !web_exact_states(rpc, "runtimeStatus", &states) ||
        !web_exact_flag(rpc, "dryRun", &purge->is_dry)) {
        return;
    }
    if ((states.states & ~(unsigned)STATES_ENDED) != 0) {
        web_refuse(rpc, 400, PD_E_INVALID,
                   "runtimeStatus: only what has ended can be purged (Completed, Failed, "
                   "Terminated, Canceled)");
        return;
    }
    if (text_is_present(prefix) && prefix.size == 0) {
        web_refuse(rpc, 400, PD_E_INVALID, "instanceIdPrefix: it is empty");
        return;
    }
    purge->is_recursive = web_flag(rpc, "recursive", false);
    purge->query = (struct store_query){
        .states = states.is_given ? states.states : STATES_ENDED,
        .id_prefix = prefix,
        .created_from = bound_from(from),
        .created_to = bound_to(to == TIME_NEVER ? loop_now(rpc->server->loop) : to),
    };
    if (purge->query.states == 0) { /* Canceled, which no instance ever is */
        web_answer_empty(rpc, 404);
        return;
    }
    rpc_read(rpc, purge_work, purge_done);
}

static const struct web_route routes[] = {
    WEB_ROUTE(DELETE, "/instances", SCOPE_OPERATE, purge_many),
    WEB_ROUTE(DELETE, "/instances/{}", SCOPE_OPERATE, purge_one),
};
const struct web_routes web_purge_routes = { routes, sizeof routes / sizeof routes[0] };
