/* SPDX-License-Identifier: MIT
 *
 * perdure.v1.Hub, our own service (proto/perdure.proto): what libperdure asks of a server
 * (v1_calls.c, v1_load.c, v1_pieces.c), its waits (v1_waits.c), and the stream of its workers
 * (v1_work.c).
 *
 *   P1  Who calls may say what clients say: messages that only engines send each other are refused,
 *       and events are those of their kind of message.
 *   P2  Streams are ended with their hub (v1_end_streams); what they have asked of it by then is
 *       answered to nobody. */
#ifndef SERVER_V1_PRIV_H
#define SERVER_V1_PRIV_H

#include "server/server_priv.h"
#include "wire/hub_calls.h"

#define V1_PATH(name) "/perdure.v1.Hub/" name

/* A stream of ours, from its begin to its end: first in what the files have. */
struct v1_stream {
    struct list_node node; /* of hub->ours */
    struct hub *hub;
    uint64_t call;
    void (*end)(struct v1_stream *); /* the call is gone, or ended next: lets go of the hub */
    /* The server drains, and will end the stream when nothing is out any more. NULL: it ends. */
    void (*drain)(struct v1_stream *);
};
void v1_stream_begin(struct v1_stream *stream, struct rpc *rpc, struct grpc_call *call);
struct grpc_call *v1_stream_call(const struct v1_stream *stream); /* NULL: it is gone */
/* The stream of a call; NULL: the call has been ended. */
struct v1_stream *v1_stream_of(struct grpc_call *call);
void v1_half_closed(void *server, struct grpc_call *call); /* ends it */
/* Ends the call, and the stream. */
void v1_stream_fail(struct v1_stream *stream, enum grpc_status status, const char *text);

#endif
