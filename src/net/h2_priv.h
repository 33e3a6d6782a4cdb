/* SPDX-License-Identifier: MIT
 *
 * What the files of h2 share: sessions (session.c: nghttp2 and the socket), streams (h2_stream.c),
 * what a peer may not do (h2_guard.c), listeners and clients.
 *
 *   S1  Nothing is written while things happen: whoever queues something puts the session on the
 *       loop's late list, and h2_session_flush writes once for all of it.
 *   S2  A session ends in its late job only (or with its listener): so callbacks of nghttp2 and of
 *       the handler never see it go (H5).
 *   S3  Streams are taken from a pool and keep the memory of their buffers, if that is little.
 *   S4  What waits to be sent lies in the stream. The session has bytes of its own only when the
 *       socket took a part of what was gathered. */
#ifndef NET_H2_PRIV_H
#define NET_H2_PRIV_H

#include <nghttp2/nghttp2.h>

#include "base/buffer.h"
#include "base/list.h"
#include "net/h2.h"
#include "net/loans.h"
#include "net/sock.h"

enum {
    GATHER_BYTES = 128 * 1024, /* written at once; a frame more fits behind it */
    READ_BYTES = 64 * 1024,    /* read at once */
    SIP_BYTES = 2 * 1024,      /* likewise, where a little makes much work */
    WORK_BYTES = 1024 * 1024,  /* of what was unpacked: much work */
    KEEP_BYTES = 4096,         /* memory that a stream in the pool keeps */
    POOL_STREAMS = 4096,       /* ... of which it has so many */
    QUEUE_FRAMES = 10000,      /* of control frames: whoever makes us queue more does not read */
};

struct h2_fields {
    struct buffer bytes;
    struct h2_header *at; /* offsets into bytes until fields_close */
    size_t count, room;
    size_t cost; /* as HPACK counts: names, values and 32 for each */
};

void fields_reset(struct h2_fields *fields);
void fields_done(struct h2_fields *fields);
void fields_add(struct h2_fields *fields, struct text name, struct text value);
size_t fields_room(const struct h2_fields *fields); /* bytes that they keep */
void fields_close(struct h2_fields *fields);        /* no more are added; `at` can be read */

/* What sessions of one listener, or one client, share. */
struct h2_pool {
    uint8_t *read_room;
    struct buffer gathered;
    struct list streams; /* unused ones */
    size_t stream_count;
    size_t session_count;
    size_t handshakes; /* sessions of it that are at one */
};
void h2_pool_init(struct h2_pool *pool);
void h2_pool_done(struct h2_pool *pool);

/* A bucket of things that a peer may do: so many a second, and ten seconds' worth at once. */
struct h2_bucket {
    time_us at;
    int64_t left; /* in millionths of a thing */
};
bool bucket_take(struct h2_bucket *bucket, time_us now, unsigned a_second);

struct h2_stream {
    struct list_node among; /* streams of the session, or of the pool */
    struct h2_session *session;
    void *state;
    int32_t id;
    bool is_request;   /* its headers came, or were sent: the handler knows it */
    bool is_answered;  /* headers were given to nghttp2 */
    bool is_deferred;  /* nghttp2 waits for h2_stream_resume */
    bool is_last;      /* nothing comes behind what waits */
    bool has_trailers; /* ... but these */
    bool is_ended;     /* the peer sends no more */
    bool is_said;      /* ... and neither do we: all was sent */
    bool is_reset;     /* by us: nothing counts any more */
    bool is_full;      /* somebody was told of a backlog: `drained` is called when there is none */
    bool is_paced;     /* ... ever: its writer asks before it sends (B4) */
    bool is_told;      /* the handler knows that it ended */
    bool has_response; /* the final headers came; a server's: with the request */
    struct list_node drained;                     /* in the session's, until it is told */
    struct h2_fields received, trailers_received; /* from the peer */
    struct h2_fields trailers;                    /* to the peer */
    struct buffer out;
    size_t out_at;
    size_t unconsumed;
    size_t withheld;          /* ... although the handler has taken it (B5) */
    struct list_node waiting; /* in the session's, while it is pressed */
    size_t header_cost;       /* counted in the session's, as these are: */
    size_t call_debt, held, weight;
    size_t moved;  /* either way, since: */
    time_us since; /* 0: nothing was due when it was looked at */
};

struct h2_session {
    uint32_t magic;
    bool is_server, is_late, is_draining, is_connecting, is_connected;
    bool is_dead, is_over; /* to be ended by the late job; a client's: was */
    bool is_shaking;       /* counted in the pool's handshakes */
    bool watches_write;
    bool has_settings; /* the peer's first */
    bool is_pinged;
    bool has_spoken; /* headers or data were sent since the peer's last PING */
    nghttp2_session *ng;
    struct loop *loop;
    struct loop_job late;
    struct h2_pool *pool;
    const struct h2_handler *handler;
    void *argument;
    const struct h2_limits *limits; /* with the defaults in place */
    struct h2_client *client;       /* NULL: a server's */
    struct list_node among;         /* sessions of the listener */
    struct list streams, drained, waiting;
    size_t stream_count;
    size_t unpacked;     /* in this wake: h2_unpacked */
    bool sips;           /* it was much in the last one */
    size_t backlog;      /* of all streams */
    size_t header_cost;  /* of requests that are open */
    size_t hasty;        /* backlog of streams that are not paced (B5) */
    size_t frame_debt;   /* counted in the loan */
    struct loans *loans; /* NULL: a client's, which counts nothing */
    struct loan loan;
    bool is_evicted;   /* B2: closed when GOAWAY is out */
    time_us looked_at; /* at what is due; 0: the last time there was no need */
    time_us taken_at;  /* when the socket last took anything, or came to be full */
    struct sock sock;
    struct event readable, writable;
    struct buffer out; /* what the socket did not take */
    size_t out_at;
    struct h2_bucket resets, nuisances;
    time_us began_at, heard_at, pinged_at, idle_since;
    int64_t age_max_us;
    uint32_t goaway_sent; /* how many: the first only warns */
    char *subject;        /* of mutual TLS; NULL: none */
    pd_error *why;        /* clients: what ended it */
    char peer[SOCK_NAME_MAX];
};

enum { H2_SESSION_MAGIC = 0x68327365 };

/* ---- session.c ---- */

/* Takes the socket. The client's preface and our SETTINGS are queued. */
struct h2_session *session_new(struct loop *loop, bool is_server, struct h2_pool *pool,
                               const struct h2_limits *limits, const struct h2_handler *handler,
                               void *argument, int fd, SSL *ssl);
void session_want_flush(struct h2_session *session);
void session_kill(struct h2_session *session, const char *why); /* by the next late job */
void session_goaway(struct h2_session *session, uint32_t error);
void session_watch_write(struct h2_session *session, bool wanted);
void session_assign_events(struct h2_session *session); /* to the socket it has now */
void session_close_streams(struct h2_session *session);
void session_free(struct h2_session *session); /* its streams were closed */
void session_shake_hands(struct h2_session *session);
void session_ready(struct h2_session *session); /* the socket is connected */

/* ---- frames.c ---- */

nghttp2_session_callbacks *frames_callbacks(void);

/* ---- h2_stream.c ---- */

struct h2_stream *stream_new(struct h2_session *session, int32_t id);
void stream_drop_backlog(struct h2_stream *stream);
void streams_tell_drained(struct h2_session *session);
void stream_closed(struct h2_stream *stream, uint32_t error); /* tells, gives back */
int stream_send_data(struct h2_stream *stream, const uint8_t *frame_head, size_t length);

/* ---- h2_guard.c ---- */

/* What the peer did; false: it went too far, and the session is on its way out. */
bool guard_reset(struct h2_session *session); /* a stream was reset, and the peer is why */
bool guard_frame(struct h2_session *session, const nghttp2_frame *frame);
void guard_look(struct h2_session *session, time_us now); /* from time to time: see h2_guard.c */

int64_t guard_look_every(const struct h2_limits *limits); /* us */

/* ---- h2_debts.c: loans.h ---- */

void debt_owe(struct h2_session *session, size_t bytes); /* to be read, or not ended */
void debt_pay(struct h2_session *session, size_t bytes);
void debt_moved(struct h2_stream *stream, size_t bytes);
void debt_frames(struct h2_session *session);             /* that nghttp2 has queued now */
void debt_call(struct h2_stream *stream, size_t bytes);   /* it has begun */
void debt_call_ended(struct h2_stream *stream);           /* with all that was held for it */
bool debt_wait(struct h2_stream *stream);                 /* true: until debts_relieve (B5) */
void debts_relieve(struct h2_session *session);           /* those that wait go on, if they may */
void debts_look(struct h2_session *session, time_us now); /* B3 */

/* ---- h2_client.c ---- */

void client_connected(struct h2_session *session); /* or not: the socket knows */

#endif
