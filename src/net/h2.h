/* SPDX-License-Identifier: MIT
 *
 * HTTP/2 connections, both sides: nghttp2 over libevent's buffered sockets, with TLS or without
 * (by prior knowledge). Streams of headers, data and trailers; what they mean is grpc's.
 *
 *   H1  All on the loop's thread.
 *   H2  A stream is valid until its `closed` has been called, which is once for every stream.
 *   H3  What a peer may make us keep is bounded: h2_limits, and net/loans.h. Who passes a limit
 *       that is his to keep loses the stream, or the connection (GOAWAY ENHANCE_YOUR_CALM).
 *   H4  Received data counts against the peer's window until h2_consume. What is sent is kept until
 *       the peer's window takes it; h2_backlog says how much that is, and who asks it of a stream
 *       before he sends is trusted to keep that little: its peer may take its time.
 *   H5  Callbacks may do everything to the stream they are called for, but not free its session. */
#ifndef NET_H2_H
#define NET_H2_H

#include <perdure.h>
#include <stdbool.h>

#include "base/text.h"
#include "net/loop.h"
#include "net/tls.h"

struct h2_limits {
    unsigned connections;       /* of a listener; 0: 20,000 */
    unsigned handshakes;        /* of TLS, of a listener, at once; 0: 1,000. More wait at the door,
                                  * and those that are at it have a second */
    unsigned streams;           /* of a connection, at once; 0: 1,000 */
    unsigned header_bytes;      /* of one request, decoded; 0: 16 KiB */
    unsigned resets_a_second;   /* by the peer, or by its mistakes; of a connection; 0: 200 */
    unsigned stream_window;     /* bytes; 0: 1 MiB */
    unsigned connection_window; /* bytes; 0: 4 MiB */
    unsigned backlog;           /* bytes that wait to be sent on a connection, before streams that
                                  * send still more are reset; 0: 64 MiB */
    size_t lent;             /* bytes, to all connections of a server (net/loans.h); 0: 512 MiB */
    int64_t term_ms;         /* of a loan (net/loans.h); 0: 10 s */
    int64_t idle_ms;         /* without a stream: closed; 0: 10 minutes */
    int64_t ping_ms;         /* a silent peer is asked so often ...; 0: 30 s */
    int64_t ping_timeout_ms; /* ... and given up so long after; 0: 20 s */
    int64_t handshake_ms;    /* TLS, and the first SETTINGS; 0: 10 s */
    int64_t age_max_ms;      /* GOAWAY after so long, with jitter; 0: never */
};

/* With numbers for what is 0 and has one above. NULL: all of them. */
struct h2_limits h2_limits_whole(const struct h2_limits *limits);

struct h2_header {
    struct text name, value; /* names in lower case */
};

struct h2_stream;
struct h2_session;

/* What happens to streams. A server's begin with `headers`; a client's are made by h2_request. */
struct h2_handler {
    /* Headers, or trailers (is_last holds then). They live as long as the stream, but a client's
     * trailers only until this returns. A server may refuse by answering at once. */
    void (*headers)(void *argument, struct h2_stream *, const struct h2_header *, size_t count,
                    bool is_last);
    void (*data)(void *argument, struct h2_stream *, struct text bytes);
    void (*ended)(void *argument, struct h2_stream *); /* the peer sends no more */
    /* H2. error: HTTP/2's code, 0 when all went well. */
    void (*closed)(void *argument, struct h2_stream *, uint32_t error);
    /* h2_backlog, which was asked for and was not 0, is 0 again. May be NULL. */
    void (*drained)(void *argument, struct h2_stream *);
    /* Clients: the server is there, and speaks HTTP/2 (so that a refusal of TLS is one, and nothing
     * was lost by it) / is not there any more (after all streams were closed).
     * goaway: no new streams, those that are there go on. May be NULL. */
    void (*connected)(void *argument, struct h2_session *);
    void (*disconnected)(void *argument, struct h2_session *, const pd_error *why);
    void (*goaway)(void *argument, struct h2_session *);
    /* Servers: what was done to a peer that keeps too much here. May be NULL. */
    void (*complained)(void *argument, struct h2_session *, const char *what);
};

/* ---- servers ---- */

struct h2_listener;
struct loans; /* net/loans.h: of all listeners of a server */

/* "127.0.0.1:8080", "[::1]:0", "unix:/run/x.sock", "fd:3" (a socket that listens). tls NULL: in the
 * clear. PD_E_INVALID, PD_E_UNAVAILABLE. Borrows what it points to. */
struct h2_listener *h2_listen(struct loop *loop, const char *address, struct tls *tls,
                              const struct h2_limits *limits, struct loans *loans,
                              const struct h2_handler *handler, void *argument, pd_error *err);
/* Has it the shape of one that can be listened on? PD_E_INVALID; nothing is opened. */
pd_status h2_check_address(const char *address, pd_error *err);
/* Likewise, and could somebody listen on it here: a name that resolves to an address of this
 * machine, a port that we may have, a path in a folder that there is? That another has it now is
 * fine. */
pd_status h2_probe_address(const char *address, pd_error *err);
const char *h2_listener_address(const struct h2_listener *listener); /* with the real port */
/* No new connections; GOAWAY to those that are there, which may end what they have begun. */
void h2_listener_drain(struct h2_listener *listener);
/* From now on. How many streams a peer may have holds as it was told when it connected. */
void h2_listener_limit(struct h2_listener *listener, const struct h2_limits *limits);
size_t h2_listener_connections(const struct h2_listener *listener);
/* Closes all, at once: not from inside a handler. NULL is fine. */
void h2_listener_free(struct h2_listener *listener);

/* ---- clients ---- */

/* Begins to connect (and waits for the name server); `connected` or `disconnected` follows. The
 * session is freed by h2_disconnect, which `disconnected` may call, but no other callback. */
struct h2_session *h2_connect(struct loop *loop, const char *host, unsigned port, struct tls *tls,
                              const struct h2_limits *limits, const struct h2_handler *handler,
                              void *argument, pd_error *err);
void h2_disconnect(struct h2_session *session);
/* NULL: no more streams on this session. Pseudo-headers are among the headers. */
struct h2_stream *h2_request(struct h2_session *session, const struct h2_header *headers,
                             size_t count, bool is_last);

/* ---- streams ---- */

void h2_stream_set(struct h2_stream *stream, void *state);
void *h2_stream_get(const struct h2_stream *stream);
struct h2_session *h2_stream_session(const struct h2_stream *stream);

void h2_respond(struct h2_stream *stream, const struct h2_header *headers, size_t count,
                bool is_last);
/* Copies. Pieces go out together. */
void h2_send(struct h2_stream *stream, const struct text *pieces, size_t count, bool is_last);
void h2_trailers(struct h2_stream *stream, const struct h2_header *headers, size_t count);
void h2_reset(struct h2_stream *stream, uint32_t error);
void h2_consume(struct h2_stream *stream, size_t size); /* H4 */
/* So many bytes are kept of a message that has not ended. */
void h2_hold(struct h2_stream *stream, size_t size);
/* So many bytes are kept for a call as long as it lasts, by who answers it: a call that keeps many
 * things (net/loans.h). */
void h2_weigh(struct h2_stream *stream, size_t size);
/* What was read became so many bytes more: a peer that makes much of little is read in sips, with
 * others in between. */
void h2_unpacked(struct h2_stream *stream, size_t size);
size_t h2_backlog(struct h2_stream *stream); /* who is told of one is told when it is gone */

/* The peer's certificate, in mutual TLS: its subject's common name; NULL: none. Peer: "1.2.3.4:5".
 */
const char *h2_session_subject(const struct h2_session *session);
const char *h2_session_peer(const struct h2_session *session);

#endif
