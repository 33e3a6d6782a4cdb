/* SPDX-License-Identifier: MIT
 *
 * Waits for instances to begin or to end: WaitForInstanceStart, WaitForInstanceCompletion.
 *
 * A wait is a few words, and an entry under the id it waits for: so there may be very many. It has
 * no clock: gRPC ends it at its deadline, and when its client is gone.
 *
 *   W1  First it is counted, then the store is asked: an end that the store did not show yet is
 *       told by the engine afterwards (waits_ended), for which the count is not zero any more.
 *   W2  Whoever is woken looks again: only what the store has now counts. So a wait outlives
 *       replacement, restart, rewinding, continuing as new and purging, and an id that nobody has
 *       used yet is as good as any. */
#include <string.h>

#include "server/server_priv.h"

struct awaited {
    struct list waiting; /* of struct wait */
    struct text id;      /* behind the struct */
};

/* That of a call. */
struct call_wait {
    struct wait wait;
    uint64_t call;
    bool with_payloads;
};

void waits_init(struct hub *hub)
{
    map_init_seeded(&hub->waits.awaited,
                    (uint64_t)loop_now(hub->server->loop) * 0x9e3779b97f4a7c15);
    pthread_mutex_init(&hub->endings.mutex, NULL);
}

void waits_done(struct hub *hub)
{
    map_done(&hub->waits.awaited);
    pthread_mutex_destroy(&hub->endings.mutex);
    buffer_done(&hub->endings.ids);
}

/* ---- one ------------------------------------------------------------------------------------ */

static void count(struct hub *hub, size_t waits)
{
    hub->server->waits += waits - hub->waits.count;
    hub->waits.count = waits;
    atomic_store(&hub->waits.count_seen, waits);
}

void waits_remove(struct wait *wait)
{
    struct awaited *awaited = wait->awaited;
    list_remove(&wait->node);
    if (list_is_empty(&awaited->waiting)) {
        map_remove(&wait->hub->waits.awaited, awaited->id);
        mem_free(awaited);
    }
    count(wait->hub, wait->hub->waits.count - 1);
}

void waits_add(struct wait *wait, struct hub *hub, struct text id)
{
    struct awaited *awaited = map_find(&hub->waits.awaited, id);
    if (awaited == NULL) {
        awaited = mem_alloc(sizeof *awaited + id.size);
        list_init(&awaited->waiting);
        awaited->id = text_make((char *)(awaited + 1), id.size);
        memcpy(awaited + 1, id.at, id.size);
        map_put(&hub->waits.awaited, awaited->id, awaited);
    }
    wait->hub = hub;
    wait->awaited = awaited;
    list_push_back(&awaited->waiting, &wait->node);
    count(hub, hub->waits.count + 1); /* W1 */
}

struct text waits_id(const struct wait *wait)
{
    return wait->awaited->id;
}

static bool is_over(const struct wait *wait, const struct instance_record *record)
{
    return wait->for_start ? record->state != RUN_PENDING : run_state_is_final(record->state);
}

static void answer(struct wait *wait, const struct instance_record *record)
{
    waits_remove(wait);
    wait->told(wait, record, GRPC_OK, NULL);
}

static void fail(struct wait *wait, enum grpc_status status, const char *text)
{
    waits_remove(wait);
    wait->told(wait, NULL, status, text);
}

/* ---- waking --------------------------------------------------------------------------------- */

/* W2. Answering one frees it, and with the last one what they waited for. */
static void answer_all(struct awaited *awaited, const struct instance_record *record)
{
    size_t left = list_count(&awaited->waiting);
    for (struct list_node *node = list_front(&awaited->waiting); left > 0; left--) {
        struct wait *wait = CONTAINER_OF(node, struct wait, node);
        node = node->next;
        if (is_over(wait, record)) {
            answer(wait, record);
        }
    }
}

void waits_wake(struct hub *hub, struct text id)
{
    struct awaited *awaited = hub->waits.count != 0 ? map_find(&hub->waits.awaited, id) : NULL;
    struct instance_record record;
    struct arena arena;
    pd_error err;
    bool is_found;
    if (awaited == NULL || hub->store == NULL) {
        return;
    }
    arena_init(&arena);
    if (hub_load(hub, id, &arena, &record, &is_found, &err) != PD_OK) {
        log_error("a wait cannot look", &err, "hub", hub->name);
        while (awaited != NULL) {
            struct list_node *node = list_front(&awaited->waiting);
            bool is_last = node->next == &awaited->waiting.head;
            fail(CONTAINER_OF(node, struct wait, node), rpc_status_of(&err), err.text);
            awaited = is_last ? NULL : awaited;
        }
    } else if (is_found) {
        answer_all(awaited, &record);
    }
    arena_done(&arena);
}

void waits_look(struct wait *wait, struct arena *arena)
{
    struct instance_record record;
    bool is_found;
    pd_error err;
    if (hub_load(wait->hub, wait->awaited->id, arena, &record, &is_found, &err) != PD_OK) {
        fail(wait, rpc_status_of(&err), err.text);
    } else if (is_found && is_over(wait, &record)) {
        answer(wait, &record);
    }
}

void waits_end(struct hub *hub, enum grpc_status status, const char *text)
{
    size_t cursor = 0;
    for (struct awaited *awaited; (awaited = map_next(&hub->waits.awaited, &cursor)) != NULL;) {
        size_t left = list_count(&awaited->waiting);
        for (; left > 0; left--) { /* the last one takes `awaited` with it */
            fail(CONTAINER_OF(list_front(&awaited->waiting), struct wait, node), status, text);
        }
    }
}

/* ---- endings, from the engine --------------------------------------------------------------- */

static void run_endings(struct loop_job *job)
{
    struct hub *hub = CONTAINER_OF(job, struct hub, endings.job);
    struct endings *endings = &hub->endings;
    struct buffer ids;
    pthread_mutex_lock(&endings->mutex);
    ids = endings->ids;
    buffer_init(&endings->ids);
    endings->is_posted = false;
    pthread_mutex_unlock(&endings->mutex);
    for (size_t at = 0; at < ids.size;) {
        size_t size;
        memcpy(&size, ids.at + at, sizeof size);
        at += sizeof size;
        waits_wake(hub, text_make((const char *)ids.at + at, size));
        at += size;
    }
    buffer_done(&ids);
}

void waits_ended(void *argument, const struct ending *ending)
{
    struct hub *hub = argument;
    struct endings *endings = &hub->endings;
    bool posts = false;
    for (const struct ending *each = ending; each != NULL; each = each->next) {
        (void)atomic_fetch_add_explicit(&hub->finished[each->state], 1, memory_order_relaxed);
    }
    if (atomic_load(&hub->waits.count_seen) == 0) {
        return;
    }
    pthread_mutex_lock(&endings->mutex);
    for (; ending != NULL; ending = ending->next) {
        size_t size = ending->instance_id.size;
        buffer_add(&endings->ids, &size, sizeof size);
        buffer_add_text(&endings->ids, ending->instance_id);
    }
    if (endings->ids.size != 0 && !endings->is_posted) {
        endings->is_posted = posts = true;
        endings->job.run = run_endings;
    }
    pthread_mutex_unlock(&endings->mutex);
    if (posts) {
        loop_post(hub->server->loop, &endings->job);
    }
}

/* ---- methods -------------------------------------------------------------------------------- */

static void gone(struct grpc_call *call)
{
    struct call_wait *wait = grpc_call_get(call);
    waits_remove(&wait->wait);
    mem_free(wait);
}

static void reply(struct grpc_call *call, const struct instance_record *record, bool with_payloads)
{
    struct hub_orchestration_state state = state_of_record(record, with_payloads);
    const struct hub_get_instance_response response = { true, &state };
    struct buffer bytes;
    buffer_init(&bytes);
    message_write(&hub_get_instance_response_type, &bytes, &response);
    grpc_call_reply(call, buffer_text(&bytes));
    buffer_done(&bytes);
}

static void told(struct wait *base, const struct instance_record *record, enum grpc_status status,
                 const char *text)
{
    struct call_wait *wait = CONTAINER_OF(base, struct call_wait, wait);
    struct grpc_call *call = grpc_call_find(base->hub->server->grpc, wait->call);
    if (call != NULL) {
        grpc_call_set(call, NULL, NULL);
        if (record != NULL) {
            reply(call, record, wait->with_payloads);
        } else {
            grpc_call_end(call, status, text);
        }
    }
    mem_free(wait);
}

static void run_wait(struct rpc *rpc, bool for_start)
{
    const struct hub_get_instance_request *request = rpc->message;
    struct grpc_call *call = rpc_call(rpc);
    struct hub *hub = rpc->hub;
    if (request->instance_id.size == 0) {
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "an instance id is needed");
        return;
    }
    if (request->instance_id.size >
        (size_t)LIMIT_INSTANCE_ID * 4) { /* it would be kept as long as the wait */
        rpc_fail(rpc, GRPC_INVALID_ARGUMENT, "an instance id has at most %d bytes, not %zu",
                 LIMIT_INSTANCE_ID * 4, request->instance_id.size);
        return;
    }
    if (call != NULL) {
        struct call_wait *wait = mem_alloc(sizeof *wait);
        wait->wait.for_start = for_start;
        wait->wait.told = told;
        wait->call = grpc_call_number(call);
        wait->with_payloads = request->get_inputs_and_outputs;
        grpc_call_set(call, wait, gone);
        waits_add(&wait->wait, hub, request->instance_id);
        waits_look(&wait->wait, &rpc->arena);
    }
    rpc_end(rpc);
}

static void wait_for_start(struct rpc *rpc)
{
    run_wait(rpc, true);
}

static void wait_for_completion(struct rpc *rpc)
{
    run_wait(rpc, false);
}

static const struct rpc_method methods[] = {
    { .path = HUB_PATH("WaitForInstanceStart"),
      .scopes = SCOPE_READ,
      .flags = METHOD_BRIEF,
      .type = &hub_get_instance_request_type,
      .run = wait_for_start },
    { .path = HUB_PATH("WaitForInstanceCompletion"),
      .scopes = SCOPE_READ,
      .flags = METHOD_BRIEF,
      .type = &hub_get_instance_request_type,
      .run = wait_for_completion },
};
const struct rpc_service waits_service = { methods, sizeof methods / sizeof methods[0] };
