/* SPDX-License-Identifier: MIT
 *
 * Streams of perdure.v1.Hub, as far as they are alike: known to their hub, which ends them. */
#include "server/v1_priv.h"

static void let_go(struct v1_stream *stream)
{
    struct server *server = stream->hub->server;
    list_remove(&stream->node);
    stream->end(stream);
    server_look_on(server);
}

static void gone(struct grpc_call *call)
{
    let_go(grpc_call_get(call));
}

void v1_stream_begin(struct v1_stream *stream, struct rpc *rpc, struct grpc_call *call)
{
    stream->hub = rpc->hub;
    stream->call = grpc_call_number(call);
    list_push_back(&rpc->hub->ours, &stream->node);
    grpc_call_set(call, stream, gone);
    grpc_call_open(call);
}

struct grpc_call *v1_stream_call(const struct v1_stream *stream)
{
    return grpc_call_find(stream->hub->server->grpc, stream->call);
}

void v1_stream_fail(struct v1_stream *stream, enum grpc_status status, const char *text)
{
    struct grpc_call *call = v1_stream_call(stream);
    let_go(stream);
    if (call != NULL) {
        grpc_call_set(call, NULL, NULL);
        grpc_call_on_drained(call, NULL);
        grpc_call_end(call, status, text);
    }
}

struct v1_stream *v1_stream_of(struct grpc_call *call)
{
    struct v1_stream *stream = grpc_call_get(call);
    if (stream == NULL) { /* its hub is being opened: the client comes again */
        grpc_call_end(call, GRPC_UNAVAILABLE, "the hub is being opened");
    }
    return stream;
}

void v1_half_closed(void *server, struct grpc_call *call)
{
    (void)server;
    struct v1_stream *stream = v1_stream_of(call);
    if (stream != NULL) {
        v1_stream_fail(stream, GRPC_OK, NULL);
    }
}

void v1_drain_streams(struct hub *hub, enum grpc_status status, const char *text)
{
    LIST_EACH_SAFE(node, &hub->ours)
    {
        struct v1_stream *stream = CONTAINER_OF(node, struct v1_stream, node);
        if (stream->drain != NULL) {
            stream->drain(stream);
        } else {
            v1_stream_fail(stream, status, text);
        }
    }
}

void v1_end_streams(struct hub *hub, enum grpc_status status, const char *text)
{
    struct list_node *node;
    while ((node = list_front(&hub->ours)) != NULL) {
        v1_stream_fail(CONTAINER_OF(node, struct v1_stream, node), status, text);
    }
}
