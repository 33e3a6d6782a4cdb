/* SPDX-License-Identifier: MIT
 *
 * gRPC over net's HTTP/2: calls, messages, statuses, deadlines. Servers and clients.
 *
 * Every message is handed over whole, as bytes; what they mean is not known here. gzip is taken
 * (servers and clients), and never sent unless asked.
 *
 *   G1  All of a server, and the callbacks of a channel, on the loop's thread.
 *   G2  A call ends once: by us (grpc_call_end), by its client (cancel, connection), or by its
 *       deadline. Whoever keeps a call keeps its number, and asks grpc_call_find for it. */
#ifndef GRPC_GRPC_H
#define GRPC_GRPC_H

#include <perdure.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "net/h2.h"
#include "net/loop.h"
#include "net/tls.h"

/*    name                 number */
#define GRPC_STATUS_MAP(X)    \
    X(OK, 0)                  \
    X(CANCELLED, 1)           \
    X(UNKNOWN, 2)             \
    X(INVALID_ARGUMENT, 3)    \
    X(DEADLINE_EXCEEDED, 4)   \
    X(NOT_FOUND, 5)           \
    X(ALREADY_EXISTS, 6)      \
    X(PERMISSION_DENIED, 7)   \
    X(RESOURCE_EXHAUSTED, 8)  \
    X(FAILED_PRECONDITION, 9) \
    X(ABORTED, 10)            \
    X(OUT_OF_RANGE, 11)       \
    X(UNIMPLEMENTED, 12)      \
    X(INTERNAL, 13)           \
    X(UNAVAILABLE, 14)        \
    X(DATA_LOSS, 15)          \
    X(UNAUTHENTICATED, 16)

enum grpc_status {
#define X(name, number) GRPC_##name = number,
    GRPC_STATUS_MAP(X)
#undef X
};
const char *grpc_status_name(enum grpc_status status); /* "NOT_FOUND" */

/* Both ways between our statuses and gRPC's: one table. */
enum grpc_status grpc_status_of(pd_status status);
pd_status grpc_status_to_pd(enum grpc_status status, bool *ret_retryable);

/* ---- servers --------------------------------------------------------------------------------- */

struct grpc_server;
struct grpc_call;

enum grpc_shape { GRPC_UNARY, GRPC_SERVER_STREAM, GRPC_BOTH_STREAM };

struct grpc_method {
    const char *path; /* "/TaskHubSidecarService/Hello" */
    enum grpc_shape shape;
    /* The call is there. With its one message, which lives as long as the call of this function;
     * or, of GRPC_BOTH_STREAM, absent. Answers by grpc_call_send, grpc_call_end, now or later. */
    void (*begin)(void *argument, struct grpc_call *, struct text message);
    /* GRPC_BOTH_STREAM only. */
    void (*message)(void *argument, struct grpc_call *, struct text message);
    void (*half_closed)(void *argument, struct grpc_call *);
};

struct grpc_server_options {
    const struct grpc_method *methods; /* of all services; others are UNIMPLEMENTED */
    size_t method_count;
    void *argument;     /* of the methods */
    size_t message_max; /* bytes of one that comes in; 0: 64 MiB. More: RESOURCE_EXHAUSTED */
    struct h2_limits limits;
    /* Before a call begins, when its headers are there. Not GRPC_OK: the call ends with it and the
     * text, which it wrote. NULL: all may. */
    enum grpc_status (*admit)(void *argument, struct grpc_call *, char text[256]);
    /* After a call has ended. NULL: nobody counts. */
    void (*counted)(void *argument, const struct grpc_method *, enum grpc_status, int64_t us);
    /* What was done to a peer that keeps too much here. NULL: nobody is told. */
    void (*complained)(void *argument, const char *peer, const char *what);
    /* reflection: an encoded FileDescriptorSet; absent: no reflection */
    struct text descriptors;
};

struct grpc_server *grpc_server_new(struct loop *loop, const struct grpc_server_options *options);
/* May be called for several addresses. The address it got, until the server is freed; NULL: err. */
const char *grpc_server_listen(struct grpc_server *server, const char *address, struct tls *tls,
                               pd_error *err);
/* Other limits, from now on: h2_listener_limit. */
void grpc_server_limit(struct grpc_server *server, const struct h2_limits *limits,
                       size_t message_max);
/* grpc.health.v1: whether it serves. False also when draining begins. */
void grpc_server_set_serving(struct grpc_server *server, bool is_serving);
/* GOAWAY: no new calls; those that are there go on. */
void grpc_server_drain(struct grpc_server *server);
size_t grpc_server_calls(const struct grpc_server *server);
size_t grpc_server_connections(const struct grpc_server *server);
void grpc_server_free(struct grpc_server *server);

uint64_t grpc_call_number(const struct grpc_call *call); /* never used again */
struct grpc_call *grpc_call_find(struct grpc_server *server, uint64_t number); /* NULL: it ended */
const struct grpc_method *grpc_call_method(const struct grpc_call *call);
/* Of what the client sent; absent: none. Lives as long as the call. */
struct text grpc_call_metadata(const struct grpc_call *call, const char *name);
const char *grpc_call_peer(const struct grpc_call *call);
const char *grpc_call_subject(const struct grpc_call *call); /* of mutual TLS; NULL */

/* The caller's own; `gone` is called when the call ends other than by grpc_call_end. */
void grpc_call_set(struct grpc_call *call, void *state, void (*gone)(struct grpc_call *));
void *grpc_call_get(const struct grpc_call *call);

/* Response headers now, before any message (streams whose clients wait for them). */
void grpc_call_open(struct grpc_call *call);
/* One message, of pieces that lie one behind the other. Copies. */
void grpc_call_send(struct grpc_call *call, const struct text *pieces, size_t count);
size_t grpc_call_backlog(const struct grpc_call *call); /* bytes not taken by the client yet */
/* So many bytes are kept for it as long as it lasts: a call that keeps many things (h2_weigh). */
void grpc_call_weigh(struct grpc_call *call, size_t bytes);
/* May be NULL: `drained` is called when the backlog is 0 again. */
void grpc_call_on_drained(struct grpc_call *call, void (*drained)(struct grpc_call *));
/* text NULL: none. */
void grpc_call_end(struct grpc_call *call, enum grpc_status status, const char *text);
/* A message and GRPC_OK. */
void grpc_call_reply(struct grpc_call *call, struct text message);

/* ---- clients --------------------------------------------------------------------------------- */

struct grpc_channel;
struct grpc_stream;

struct grpc_header {
    const char *name, *value;
};

struct grpc_channel_options {
    const char *host;
    unsigned port;
    struct tls *tls;                    /* borrowed; NULL: in the clear */
    const struct grpc_header *metadata; /* with every call */
    size_t metadata_count;
    size_t message_max;                     /* 0: 64 MiB */
    int64_t backoff_min_ms, backoff_max_ms; /* between attempts to connect; 0: 100 ms, 10 s */
};

/* Has a loop and a thread of its own, and connects when it is first needed. Copies the options. */
struct grpc_channel *grpc_channel_new(const struct grpc_channel_options *options, pd_error *err);
void grpc_channel_free(struct grpc_channel *channel); /* ends what there is; NULL is fine */

/* Its loop, which runs on a thread of its own: for jobs and timers beside streams. */
struct loop *grpc_channel_loop(struct grpc_channel *channel);

/* One call, from any thread; blocks. The reply lies in the arena. timeout_ms < 0: none. While the
 * server is away it is waited for, as long as the time allows; a call that may have reached it is
 * not made again: PD_E_UNAVAILABLE. Other statuses as grpc_status_to_pd, with the server's text.
 * PD_E_CANCELLED: the channel is freed. */
pd_status grpc_channel_call(struct grpc_channel *channel, const char *path, struct text request,
                            int64_t timeout_ms, struct arena *arena, struct text *ret,
                            pd_error *err);

/* Waits for a connection; from any thread, blocks. A server that refuses is tried again for
 * refused_ms, one that says nothing is waited for max_ms in all. PD_E_UNAVAILABLE or PD_E_TIMEOUT,
 * with the reason of the last attempt. */
pd_status grpc_channel_reach(struct grpc_channel *channel, int64_t refused_ms, int64_t max_ms,
                             pd_error *err);

/* Callbacks on the channel's own thread. */
struct grpc_stream_handler {
    void (*message)(void *argument, struct grpc_stream *, struct text message);
    /* Once, the last callback. */
    void (*ended)(void *argument, struct grpc_stream *, pd_status status, const pd_error *err);
};
/* Server streams (request given, nothing more sent) and both (request absent). Any thread. Fails
 * at once, by `ended`, when the server cannot be reached: the caller tries again. */
struct grpc_stream *grpc_stream_open(struct grpc_channel *channel, const char *path,
                                     struct text request, const struct grpc_stream_handler *handler,
                                     void *argument);
/* Any thread. */
void grpc_stream_send(struct grpc_stream *stream, const struct text *pieces, size_t count);
void grpc_stream_cancel(struct grpc_stream *stream); /* `ended` follows. Any thread */
void grpc_stream_free(struct grpc_stream *stream);   /* after `ended` */

#endif
