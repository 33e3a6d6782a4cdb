/* SPDX-License-Identifier: MIT
 *
 * What the files of the server share: the server (server.c), its calls (call.c), and when they are
 * too late (deadlines.c).
 *
 *   V1  A call's number is its place in `places` and how often that was used before: found without
 *       searching, and never used again.
 *   V2  A stream's state is its call, or NULL when the call has ended: what still comes is
 *       dropped. */
#ifndef GRPC_SERVER_PRIV_H
#define GRPC_SERVER_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "grpc/message.h"
#include "net/loans.h"

struct deadlines {
    struct grpc_call **heap; /* the earliest first */
    size_t count, room;
};

struct grpc_call {
    uint32_t magic;
    uint32_t place;
    uint64_t times; /* the place was used; 0 until it first is */
    struct grpc_server *server;
    struct h2_stream *stream; /* NULL: the call is not in use */
    const struct grpc_method *method;
    const struct h2_header *headers;
    size_t header_count;
    struct messages messages;
    time_us began_at, deadline; /* steady; TIME_NEVER: none */
    size_t deadline_at;         /* its place in the heap */
    void *state;
    void (*gone)(struct grpc_call *);
    void (*drained)(struct grpc_call *);
    bool has_begun, has_headers;
    struct grpc_call *next_free;
};

enum { GRPC_CALL_MAGIC = 0x63616c6c, GRPC_SERVER_MAGIC = 0x67727063, LISTENERS_MAX = 16 };

struct grpc_server {
    uint32_t magic;
    struct loop *loop;
    struct grpc_server_options options;
    struct map methods; /* from path */
    struct grpc_call **places;
    size_t place_count, place_room, call_count;
    struct grpc_call *free;
    struct loans loans;
    struct deadlines deadlines;
    struct loop_timer *timer;
    time_us timer_at; /* when it fires; TIME_NEVER: it is not set */
    struct h2_listener *listeners[LISTENERS_MAX];
    size_t listener_count;
    bool is_serving;
    struct reflection *reflection; /* NULL: none */
};

/* ---- call.c ---- */

struct grpc_call *call_new(struct grpc_server *server, struct h2_stream *stream);
/* Ends it for another's reason: tells `gone` when it had begun. */
void call_gone(struct grpc_call *call, enum grpc_status status, const char *text);
void call_lost(struct grpc_call *call, enum grpc_status status); /* ... and nobody is to be told */
void call_answer_error(struct h2_stream *stream, enum grpc_status status, struct text text);
void calls_free(struct grpc_server *server);

/* ---- deadlines.c ---- */

void deadlines_add(struct grpc_server *server, struct grpc_call *call); /* call->deadline is set */
void deadlines_remove(struct grpc_server *server, struct grpc_call *call);
void deadlines_fire(void *server); /* the timer's */

#endif
