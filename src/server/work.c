/* SPDX-License-Identifier: MIT
 *
 * Workers: streams on which work goes out (GetWorkItems), and the calls by which it comes back.
 *
 *   X1  A stream has its headers and a HealthPing at once, and then one every 20 seconds, spread:
 *       some SDKs take a stream that is silent for broken.
 *   X2  A completion or an abandoning that does not count any more is answered as one that does.
 *       An error means that it may have counted, and is not durable.
 *   X3  A stream whose client is gone is taken from the broker in the same moment. Its work stays
 *       good for a while: completions come on other calls.
 *   X4  While the server drains the streams stay, and take nothing: an SDK whose stream ends may
 *       close the connection over which what it has in hand would be answered. */
#include <string.h>

#include "server/server_priv.h"

struct work_stream {
    struct list_node node;   /* of hub->streams */
    struct list_node pinged; /* of server->pinged */
    struct hub *hub;
    uint64_t call;
    struct broker_stream *stream;
    time_us ping_at; /* steady */
};

/* ---- streams -------------------------------------------------------------------------------- */

static void stream_free(struct work_stream *stream)
{
    list_remove(&stream->node);
    list_remove(&stream->pinged);
    broker_disconnect(stream->stream);
    mem_free(stream);
}

static struct grpc_call *call_of(const struct work_stream *stream)
{
    return grpc_call_find(stream->hub->server->grpc, stream->call);
}

static void send_item(void *argument, const struct text *pieces, size_t count)
{
    struct grpc_call *call = call_of(argument);
    if (call != NULL) {
        grpc_call_send(call, pieces, count);
    }
}

static size_t unread(const struct work_stream *stream)
{
    struct grpc_call *call = call_of(stream);
    return call != NULL ? grpc_call_backlog(call) : 0;
}

/* X4: as if it did not read. */
static size_t backlog(void *argument)
{
    const struct work_stream *stream = argument;
    return server_is_draining(stream->hub->server) ? SIZE_MAX : unread(stream);
}

static void drained(struct grpc_call *call)
{
    const struct work_stream *stream = grpc_call_get(call);
    broker_drained(stream->stream);
}

static void gone(struct grpc_call *call)
{
    struct work_stream *stream = grpc_call_get(call);
    struct server *server = stream->hub->server;
    log_say(LOG_INFO, "worker disconnected", "hub", stream->hub->name, "peer",
            grpc_call_peer(call));
    stream_free(stream); /* X3 */
    server_look_on(server);
}

static void ping(struct work_stream *stream)
{
    static const char bytes[] = { 0x22, 0x00 }; /* WorkItem.healthPing, which has no fields */
    const struct text piece = { bytes, sizeof bytes };
    struct server *server = stream->hub->server;
    if (unread(stream) == 0) { /* else it is not silent, or does not listen */
        send_item(stream, &piece, 1);
    }
    stream->ping_at = loop_steady(server->loop) + server->limits.health_ping_us;
    if (list_is_linked(&stream->pinged)) {
        list_remove(&stream->pinged);
    }
    list_push_back(&server->pinged, &stream->pinged);
}

static void set_ping_timer(struct server *server)
{
    struct list_node *front = list_front(&server->pinged);
    if (front != NULL) {
        const struct work_stream *next = CONTAINER_OF(front, struct work_stream, pinged);
        int64_t delay = next->ping_at - loop_steady(server->loop);
        loop_timer_set(server->ping_timer, delay > 0 ? delay : 0);
    }
}

void work_ping(void *argument)
{
    struct server *server = argument;
    time_us now = loop_steady(server->loop);
    for (struct list_node *node; (node = list_front(&server->pinged)) != NULL;) {
        struct work_stream *stream = CONTAINER_OF(node, struct work_stream, pinged);
        if (stream->ping_at > now) {
            break;
        }
        ping(stream);
    }
    set_ping_timer(server);
}

/* Is it among the products of the user agent? "durabletask-js grpc-node-js/1.14.4" */
static bool has_product(struct grpc_call *call, const char *product)
{
    struct text agent = grpc_call_metadata(call, "user-agent");
    size_t size = strlen(product);
    for (size_t i = 0; i + size <= agent.size; i++) {
        if ((i == 0 || agent.at[i - 1] == ' ') && memcmp(agent.at + i, product, size) == 0) {
            return true;
        }
    }
    return false;
}

/* Which connection a call came over, for as long as that matters; not 0. */
static uint64_t peer_of(const struct grpc_call *call)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a: nobody gains by two that are alike */
    for (const char *at = grpc_call_peer(call); *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    }
    return hash | 1;
}

static bool can_stream(const struct hub_get_work_items_request *request)
{
    for (size_t i = 0; i < request->capabilities.count; i++) {
        if (request->capabilities.items[i] == 1) { /* HISTORY_STREAMING */
            return true;
        }
    }
    return false;
}

static void connect(struct rpc *rpc, struct grpc_call *call)
{
    const struct hub_get_work_items_request *request = rpc->message;
    struct work_stream *stream = mem_alloc(sizeof *stream);
    stream->hub = rpc->hub;
    stream->call = grpc_call_number(call);
    list_push_back(&rpc->hub->streams, &stream->node);
    grpc_call_set(call, stream, gone);
    grpc_call_on_drained(call, drained);
    grpc_call_open(call);
    ping(stream); /* X1 */
    set_ping_timer(rpc->server);
    const struct broker_stream_options options = {
        .dialect = WORK_PLAIN,
        .can_stream_history = can_stream(request),
        .takes_large = has_product(call, "grpc-node-js/"),
        .has_no_entities = has_product(call, "grpc-go/"),
        .turns_max = request->max_concurrent_orchestration_work_items,
        .activities_max = request->max_concurrent_activity_work_items,
        .entities_max = request->max_concurrent_entity_work_items,
        .filters = request->work_item_filters,
        .worker_id = grpc_call_metadata(call, "workerid"),
        .peer = peer_of(call),
        .send = send_item,
        .backlog = backlog,
        .argument = stream,
    };
    log_say(LOG_INFO, "worker connected", "hub", rpc->hub->name, "peer", grpc_call_peer(call));
    stream->stream = broker_connect(rpc->hub->broker, &options);
}

static void get_work_items(struct rpc *rpc)
{
    struct grpc_call *call = rpc_call(rpc);
    if (server_is_draining(rpc->server)) {
        rpc_fail(rpc, GRPC_UNAVAILABLE, "the server is ending");
        return;
    }
    if (call != NULL) {
        connect(rpc, call);
    }
    rpc_end(rpc);
}

static void end_plain(struct hub *hub, enum grpc_status status, const char *text)
{
    for (struct list_node *node; (node = list_front(&hub->streams)) != NULL;) {
        struct work_stream *stream = CONTAINER_OF(node, struct work_stream, node);
        struct grpc_call *call = call_of(stream);
        stream_free(stream);
        if (call != NULL) {
            grpc_call_set(call, NULL, NULL);
            grpc_call_on_drained(call, NULL);
            grpc_call_end(call, status, text);
        }
    }
}

void work_end_streams(struct hub *hub, enum grpc_status status, const char *text)
{
    v1_end_streams(hub, status, text);
    end_plain(hub, status, text);
}

/* ---- completions ---------------------------------------------------------------------------- */

struct completion {
    struct broker_answer answer;
    struct rpc *rpc;
};

static void completed(struct broker_answer *answer, pd_status status, const pd_error *err)
{
    struct rpc *rpc = CONTAINER_OF(answer, struct completion, answer)->rpc;
    if (status == PD_OK) {
        rpc_reply_empty(rpc);
        return;
    }
    rpc->status = status;
    rpc->err = *err;
    rpc_fail_as_told(rpc); /* X2 */
}

static struct broker_answer *answer_of(struct rpc *rpc)
{
    struct completion *completion = arena_alloc(&rpc->arena, sizeof *completion);
    struct grpc_call *call = rpc_call(rpc);
    completion->answer.answered = completed;
    completion->answer.peer = call != NULL ? peer_of(call) : 0;
    completion->rpc = rpc;
    return &completion->answer;
}

static void complete_turn(struct rpc *rpc)
{
    broker_complete_turn(rpc->hub->broker, rpc->bytes, answer_of(rpc));
}

static void complete_entity(struct rpc *rpc)
{
    broker_complete_entity(rpc->hub->broker, rpc->bytes, answer_of(rpc));
}

static void complete_activity(struct rpc *rpc)
{
    broker_complete_activity(rpc->hub->broker, rpc->bytes, answer_of(rpc));
}

/* The three requests are alike. */
static void abandon(struct rpc *rpc)
{
    const struct hub_abandon_activity_task_request *request = rpc->message;
    broker_abandon(rpc->hub->broker, request->completion_token);
    rpc_reply_empty(rpc);
}

static void hello(struct rpc *rpc)
{
    rpc_reply_empty(rpc);
}

#define COMPLETION(name, function)                                                           \
    {                                                                                        \
        .path = HUB_PATH(name), .scopes = SCOPE_WORK, .flags = METHOD_BRIEF, .run = function \
    }
#define ABANDONING(name, request)                                            \
    {                                                                        \
        .path = HUB_PATH(name), .scopes = SCOPE_WORK, .flags = METHOD_BRIEF, \
        .type = &hub_abandon_##request##_task_request_type, .run = abandon   \
    }

static const struct rpc_method methods[] = {
    { .path = HUB_PATH("GetWorkItems"),
      .shape = GRPC_SERVER_STREAM,
      .scopes = SCOPE_WORK,
      .flags = METHOD_BRIEF,
      .type = &hub_get_work_items_request_type,
      .run = get_work_items },
    COMPLETION("CompleteOrchestratorTask", complete_turn),
    COMPLETION("CompleteActivityTask", complete_activity),
    COMPLETION("CompleteEntityTask", complete_entity),
    ABANDONING("AbandonTaskOrchestratorWorkItem", orchestration),
    ABANDONING("AbandonTaskActivityWorkItem", activity),
    ABANDONING("AbandonTaskEntityWorkItem", entity),
    { .path = HUB_PATH("Hello"), .scopes = SCOPE_ANY, .flags = METHOD_BRIEF, .run = hello },
};
const struct rpc_service work_service = { methods, sizeof methods / sizeof methods[0] };
