/* SPDX-License-Identifier: MIT
 *
 * PurgeInstances: by id, by a filter, by a batch of ids; and SkipGracefulOrchestrationTerminations,
 * which ends a batch of instances. Both take many steps, which a reader makes. */
#include "api/over.h"
#include "server/server_priv.h"

struct purge {
    const struct text *ids;
    size_t count;
    bool is_recursive, by_filter, is_timed_out;
    struct store_query query;
    int64_t max_us;
    uint64_t purged;
};

/* ---- PurgeInstances ------------------------------------------------------------------------- */

static void purge_work(struct rpc *rpc)
{
    struct purge *purge = rpc->state;
    pd_hub *hub = rpc->hub->api;
    rpc->status = purge->by_filter ? api_purge_query(hub, &purge->query, purge->is_recursive,
                                                     purge->max_us, &purge->purged, &rpc->err)
                                   : api_purge_ids(hub, purge->ids, purge->count,
                                                   purge->is_recursive, &purge->purged, &rpc->err);
}

static void purge_done(struct rpc *rpc)
{
    const struct purge *purge = rpc->state;
    rpc->server->purged += purge->purged;
    if (rpc->status != PD_OK && rpc->status != PD_E_TIMEOUT) {
        rpc_fail_as_told(rpc);
        return;
    }
    const struct hub_purge_instances_response response = {
        .deleted_instance_count = (int64_t)(purge->purged < INT32_MAX ? purge->purged : INT32_MAX),
        .is_complete = { .is_set = true, .value = rpc->status == PD_OK },
    };
    rpc_reply(rpc, &hub_purge_instances_response_type, &response);
}

/* Those that may exist; entities as their ids are kept, unless only orchestrations are meant. */
static void add_ids(struct rpc *rpc, struct purge *purge, const struct text *ids, size_t count)
{
    const struct hub_purge_instances_request *request = rpc->message;
    struct text *kept = arena_alloc(&rpc->arena, count * sizeof *kept);
    for (size_t i = 0; i < count; i++) {
        pd_error unwanted;
        if (entity_id_is(ids[i])) {
            purge->count +=
                !request->is_orchestration &&
                id_fold_entity(ids[i], &rpc->arena, &kept[purge->count], &unwanted) == PD_OK;
        } else if (id_may_exist(ids[i])) {
            kept[purge->count++] = ids[i];
        }
    }
    purge->ids = kept;
}

static void purge_filter(struct rpc *rpc, struct purge *purge,
                         const struct hub_purge_instance_filter *filter)
{
    unsigned states = states_of_statuses(&filter->runtime_status) & STATES_ENDED;
    purge->by_filter = true;
    purge->max_us = filter->timeout > 0 ? filter->timeout : 0;
    purge->query = (struct store_query){
        .states = states != 0 ? states : STATES_ENDED,
        .created_from = bound_from(filter->created_time_from),
        .created_to = bound_to(filter->created_time_to),
    };
    if (filter->runtime_status.count != 0 && states == 0) {
        rpc->status = PD_OK; /* nothing is in such a state, or it has not ended */
        purge_done(rpc);
        return;
    }
    rpc_read(rpc, purge_work, purge_done);
}

static bool check_batch(struct rpc *rpc, const struct hub_instance_batch *batch)
{
    size_t count = batch != NULL ? batch->instance_ids.count : 0;
    if (count > BATCH_MAX) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "a batch has at most %d instance ids, not %zu",
                 BATCH_MAX, count);
        return false;
    }
    return true;
}

static void purge_instances(struct rpc *rpc)
{
    const struct hub_purge_instances_request *request = rpc->message;
    struct purge *purge = arena_alloc(&rpc->arena, sizeof *purge);
    rpc->state = purge;
    purge->is_recursive = request->recursive;
    if (request->purge_instance_filter != NULL) {
        purge_filter(rpc, purge, request->purge_instance_filter);
    } else if (request->instance_batch != NULL) {
        if (check_batch(rpc, request->instance_batch)) {
            add_ids(rpc, purge, request->instance_batch->instance_ids.items,
                    request->instance_batch->instance_ids.count);
            rpc_read(rpc, purge_work, purge_done);
        }
    } else if (request->instance_id.size != 0) {
        add_ids(rpc, purge, &request->instance_id, 1);
        rpc_read(rpc, purge_work, purge_done);
    } else {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT,
                 "an instance id, a filter or a batch of ids is needed");
    }
}

/* ---- SkipGracefulOrchestrationTerminations -------------------------------------------------- */

struct ending_many {
    struct text_list left; /* those that were not terminated */
    time_us now;
};

/* Who owns a lock now? */
static pd_status find_owners(struct rpc *rpc, struct map *owners, struct arena *arena)
{
    struct store *store = rpc->hub->store;
    struct entity_query query = { .with_empty = true, .locked_only = true, .limit = 1000 };
    struct entity_page page = { NULL, 0, true };
    pd_status status = PD_OK;
    while (status == PD_OK && page.has_more) {
        page = (struct entity_page){ NULL, 0, false };
        status = store->ops->query_entities(store, &query, arena, &page, &rpc->err);
        for (size_t i = 0; status == PD_OK && i < page.count; i++) {
            if (map_find(owners, page.items[i].lock_owner) == NULL) {
                map_put(owners, page.items[i].lock_owner, owners);
            }
            query.after_id = page.items[i].id;
        }
    }
    return status;
}

/* Terminates one; *ret_done false: it is not there, has ended, or may not
 * be. */
static pd_status terminate_one(struct rpc *rpc, struct text id, struct text reason, bool *ret_done)
{
    const struct event event = {
        .kind = EVENT_EXECUTION_TERMINATED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = ((const struct ending_many *)rpc->state)->now,
        .payload = reason,
    };
    const struct letter letter = {
        .kind = MESSAGE_TERMINATE,
        .instance_id = id,
        .event = &event,
    };
    pd_status fate = PD_OK;
    pd_status status = engine_tell(rpc->hub->engine, &letter, 1, &fate, &rpc->err);
    *ret_done = status == PD_OK;
    bool is_refused = status == PD_E_NOT_FOUND || status == PD_E_STATE || status == PD_E_INVALID;
    return is_refused ? PD_OK : status;
}

static void skip_work(struct rpc *rpc)
{
    const struct hub_skip_graceful_orchestration_terminations_request *request = rpc->message;
    struct ending_many *many = rpc->state;
    struct map owners;
    struct arena arena;
    arena_init(&arena);
    map_init(&owners);
    rpc->status = find_owners(rpc, &owners, &arena);
    for (size_t i = 0; rpc->status == PD_OK && i < request->instance_batch->instance_ids.count;
         i++) {
        struct text id = request->instance_batch->instance_ids.items[i];
        bool is_done = false;
        if (id_may_exist(id) && map_find(&owners, id) == NULL) {
            rpc->status = terminate_one(rpc, id, request->reason, &is_done);
        }
        if (!is_done) {
            many->left.items[many->left.count++] = id;
        }
    }
    map_done(&owners);
    arena_done(&arena);
}

static void skip_done(struct rpc *rpc)
{
    const struct ending_many *many = rpc->state;
    if (rpc->status != PD_OK) {
        rpc_fail_as_told(rpc);
        return;
    }
    const struct hub_skip_graceful_orchestration_terminations_response response = { many->left };
    rpc_reply(rpc, &hub_skip_graceful_orchestration_terminations_response_type, &response);
}

static void skip_graceful(struct rpc *rpc)
{
    const struct hub_skip_graceful_orchestration_terminations_request *request = rpc->message;
    struct ending_many *many = arena_alloc(&rpc->arena, sizeof *many);
    if (request->instance_batch == NULL) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "a batch of ids is needed");
        return;
    }
    if (check_batch(rpc, request->instance_batch)) {
        size_t count = request->instance_batch->instance_ids.count;
        many->left.items = arena_alloc(&rpc->arena, count * sizeof(struct text));
        many->now = loop_now(rpc->server->loop);
        rpc->state = many;
        rpc_read(rpc, skip_work, skip_done);
    }
}

static const struct rpc_method methods[] = {
    { .path = HUB_PATH("PurgeInstances"),
      .scopes = SCOPE_OPERATE,
      .type = &hub_purge_instances_request_type,
      .run = purge_instances },
    { .path = HUB_PATH("SkipGracefulOrchestrationTerminations"),
      .scopes = SCOPE_OPERATE,
      .type = &hub_skip_graceful_orchestration_terminations_request_type,
      .run = skip_graceful },
};
const struct rpc_service purge_service = { methods, sizeof methods / sizeof methods[0] };
