/* SPDX-License-Identifier: MIT
 *
 * What the files of the client share: exchanges (exchange.c: one call on a connection), the channel
 * that has the connection and the thread (channel.c), unary calls (ask.c) and streams (stream.c).
 *
 *   C1  All of it on the channel's thread, but for what says otherwise; other threads post jobs.
 *   C2  An exchange ends once, by `over`. One that certainly did not reach the server ends with
 *       has_not_begun, and may be begun again. */
#ifndef GRPC_CLIENT_PRIV_H
#define GRPC_CLIENT_PRIV_H

#include <pthread.h>

#include "base/list.h"
#include "base/random.h"
#include "grpc/message.h"

struct outcome {
    enum grpc_status status;
    bool has_not_begun;
    struct text text; /* lives as long as the call of `over` */
};

struct exchange {
    struct list_node among; /* of the channel: those on a connection */
    struct grpc_channel *channel;
    struct h2_stream *stream; /* NULL: not on a connection */
    struct messages messages;
    bool has_headers;
    bool has_refusal; /* the answer is not gRPC's, or breaks its rules */
    enum grpc_status refusal;
    const char *refusal_text;
    void (*message)(struct exchange *, struct text);
    void (*over)(struct exchange *, const struct outcome *);
    void (*drained)(struct exchange *); /* may be NULL */
};

/* The channel is connected. request absent: more is sent later. timeout_us < 0: none. False: the
 * connection takes no more calls; nothing was begun. */
bool exchange_begin(struct exchange *exchange, struct grpc_channel *channel, const char *path,
                    struct text request, int64_t timeout_us);
void exchange_cancel(struct exchange *exchange, enum grpc_status status, const char *text);
extern const struct h2_handler exchange_handler;

/* ---- channel.c ---- */

enum channel_state {
    CHANNEL_IDLE,       /* nobody has asked for a connection */
    CHANNEL_CONNECTING, /* an attempt is under way */
    CHANNEL_WAITING,    /* between attempts */
    CHANNEL_READY,
};

/* Waits for a connection. */
struct waiter {
    struct list_node among;
    /* There is one, or (why != NULL) the attempt failed: true when it does not want to wait on. */
    bool (*go)(struct waiter *, const pd_error *why);
};

struct grpc_channel {
    uint32_t magic;
    struct loop *loop;
    pthread_t thread;
    char *host;
    unsigned port;
    struct tls *tls;
    size_t message_max;
    int64_t backoff_min_us, backoff_max_us, backoff_us;
    struct h2_header *headers; /* of every call; the first is the path */
    size_t header_count;
    char *header_bytes;
    enum channel_state state;
    bool is_cancelled;
    struct h2_session *session; /* of CONNECTING and READY */
    struct list waiters, exchanges;
    struct list old; /* sessions that take no new calls: struct old_session */
    struct loop_timer *again;
    pd_error why; /* the last attempt failed */
    struct random random;
    struct loop_job cancel, stop;
};

void channel_wait(struct grpc_channel *channel, struct waiter *waiter); /* connects if need be */
void channel_connected(struct grpc_channel *channel, struct h2_session *session);
void channel_disconnected(struct grpc_channel *channel, struct h2_session *session,
                          const pd_error *why);
void channel_goaway(struct grpc_channel *channel, struct h2_session *session);

/* PD_E_CANCELLED in the words of this room. */
pd_status channel_cancelled(pd_error *err);
pd_status outcome_to_error(const struct outcome *outcome, pd_error *err);

#endif
