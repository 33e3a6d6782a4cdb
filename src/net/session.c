/* SPDX-License-Identifier: MIT
 *
 * A session: one connection, an nghttp2 session and its socket. Reading gives what came to nghttp2;
 * flushing gathers what nghttp2 has to send and writes it. What frames mean is in frames.c. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/object.h"
#include "net/h2_priv.h"
#include "net/tls_priv.h"

static void or_default(unsigned *value, unsigned by_default)
{
    *value = *value != 0 ? *value : by_default;
}

static void ms_or_default(int64_t *value, int64_t by_default)
{
    *value = *value != 0 ? *value : by_default;
}

struct h2_limits h2_limits_whole(const struct h2_limits *limits)
{
    struct h2_limits all = limits != NULL ? *limits : (struct h2_limits){ 0 };
    or_default(&all.connections, 20000);
    or_default(&all.handshakes, TLS_HANDSHAKES_MAX);
    or_default(&all.streams, 1000);
    or_default(&all.header_bytes, 16 * 1024);
    or_default(&all.resets_a_second, 200);
    or_default(&all.stream_window, 1024 * 1024);
    or_default(&all.connection_window, 4 * 1024 * 1024);
    or_default(&all.backlog, 64 * 1024 * 1024);
    all.lent = all.lent != 0 ? all.lent : 512 * 1024 * 1024;
    ms_or_default(&all.term_ms, 10 * 1000);
    ms_or_default(&all.idle_ms, 10 * 60 * 1000);
    ms_or_default(&all.ping_ms, 30 * 1000);
    ms_or_default(&all.ping_timeout_ms, 20 * 1000);
    ms_or_default(&all.handshake_ms, 10 * 1000);
    return all;
}

void h2_pool_init(struct h2_pool *pool)
{
    *pool = (struct h2_pool){ .read_room = mem_alloc_raw(READ_BYTES) };
    list_init(&pool->streams);
}

/* ---- writing ---- */

void session_watch_write(struct h2_session *session, bool wanted)
{
    if (session->watches_write != wanted) {
        session->watches_write = wanted;
        (void)(wanted ? event_add(&session->writable, NULL) : event_del(&session->writable));
    }
}

/* What the socket does not take is kept. False: the connection is gone. */
static bool write_out(struct h2_session *session, const uint8_t *at, size_t size, size_t *ret)
{
    *ret = 0;
    while (*ret < size) {
        size_t n = 0;
        enum sock_result result = sock_write(&session->sock, at + *ret, size - *ret, &n);
        if (result == SOCK_AGAIN) {
            return true;
        }
        if (result != SOCK_DONE) {
            session_kill(session, session->sock.why);
            return false;
        }
        *ret += n;
        session->taken_at = loop_steady(session->loop);
    }
    return true;
}

static bool write_rest(struct h2_session *session)
{
    size_t n = 0, rest = session->out.size - session->out_at;
    if (rest == 0) {
        return true;
    }
    if (!write_out(session, session->out.at + session->out_at, rest, &n)) {
        return false;
    }
    session->out_at += n;
    if (n == rest) {
        debt_pay(session, session->out.size);
        buffer_done(&session->out); /* peers that do not keep up are few: no memory for others */
        session->out_at = 0;
    }
    return n == rest;
}

/* One round: as much as fits the room. False: no more can be sent now. */
static bool gather_and_write(struct h2_session *session)
{
    struct buffer *gathered = &session->pool->gathered;
    buffer_reset(gathered);
    int rc = nghttp2_session_send(session->ng);
    if (rc != 0) {
        session_kill(session, nghttp2_strerror(rc));
        return false;
    }
    size_t n = 0;
    if (gathered->size == 0 || !write_out(session, gathered->at, gathered->size, &n)) {
        return false;
    }
    if (n < gathered->size) {
        buffer_add(&session->out, gathered->at + n, gathered->size - n);
        session->taken_at = loop_steady(session->loop);
        debt_owe(session, session->out.size);
        return false;
    }
    return gathered->size >= GATHER_BYTES;
}

static void flush(struct h2_session *session)
{
    if (!session->sock.is_ready) {
        return; /* session_ready flushes */
    }
    if (write_rest(session)) {
        while (!session->is_dead && gather_and_write(session)) {}
    }
    streams_tell_drained(session);
    debts_relieve(session);
    debt_frames(session);
    if (session->is_dead) {
        return;
    }
    bool is_blocked = session->out.size != 0;
    session_watch_write(session, is_blocked);
    if (nghttp2_session_get_outbound_queue_size(session->ng) > QUEUE_FRAMES) {
        session_kill(session, "the peer does not read what it makes us say");
    } else if (!is_blocked && nghttp2_session_want_read(session->ng) == 0 &&
               nghttp2_session_want_write(session->ng) == 0) {
        session_kill(session, "the connection has ended");
    }
}

void session_want_flush(struct h2_session *session)
{
    if (!session->is_late && !session->is_over) {
        session->is_late = true;
        loop_late(session->loop, &session->late);
    }
}

void session_kill(struct h2_session *session, const char *why)
{
    if (session->is_dead) {
        return;
    }
    session->is_dead = true;
    if (session->why == NULL) {
        session->why = mem_alloc(sizeof *session->why);
        (void)error_set(session->why, PD_E_UNAVAILABLE, !sock_is_distrusted(&session->sock),
                        "net: connection", "%s: %s", session->peer, why);
    }
    (void)event_del(&session->readable);
    session_watch_write(session, false);
    session_want_flush(session);
}

/* ---- reading ---- */

/* Or never will be. */
static void shakes_no_more(struct h2_session *session)
{
    session->pool->handshakes -= session->is_shaking;
    session->is_shaking = false;
}

static void hands_are_shaken(struct h2_session *session)
{
    shakes_no_more(session);
    SSL *ssl = session->sock.ssl;
    if (ssl != NULL && session->is_server) {
        session->subject = tls_subject(ssl);
    } else if (ssl != NULL && !tls_has_alpn(ssl, "h2")) {
        session_kill(session, "the server does not speak HTTP/2");
        return;
    }
    session_ready(session);
}

void session_shake_hands(struct h2_session *session)
{
    session->pool->handshakes += !session->is_shaking;
    session->is_shaking = true;
    (void)event_add(&session->readable, NULL);
    switch (sock_handshake(&session->sock)) {
    case SOCK_DONE: hands_are_shaken(session); return;
    case SOCK_AGAIN: session_watch_write(session, session->sock.wants_write); return;
    case SOCK_END:
    case SOCK_FAILED: session_kill(session, session->sock.why); return;
    }
}

static bool may_read(const struct h2_session *session)
{
    return !session->is_dead && !session->is_evicted && session->unpacked < WORK_BYTES;
}

/* Not more than a few rooms full at a time, or what they unpack to: others wait. */
static void read_some(struct h2_session *session)
{
    size_t room = session->sips ? SIP_BYTES : READ_BYTES;
    session->unpacked = 0;
    for (int round = 0; round < 4 && may_read(session); round++) {
        size_t n = 0;
        enum sock_result result = sock_read(&session->sock, session->pool->read_room, room, &n);
        if (result == SOCK_AGAIN) {
            return;
        }
        if (result != SOCK_DONE) {
            session_kill(session,
                         result == SOCK_END ? "the peer has closed it" : session->sock.why);
            return;
        }
        session->heard_at = loop_steady(session->loop);
        ssize_t used = nghttp2_session_mem_recv(session->ng, session->pool->read_room, n);
        if (used < 0) {
            session_kill(session, nghttp2_strerror((int)used));
            return;
        }
        session_want_flush(session);
        session->sips = session->unpacked >= WORK_BYTES;
        if (n < room && session->sock.ssl == NULL) {
            return; /* there was no more */
        }
    }
    if (session->sock.ssl != NULL && SSL_pending(session->sock.ssl) > 0) {
        event_active(&session->readable, EV_READ, 0); /* the kernel does not know of it */
    }
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct h2_session *session = argument;
    if (!session->sock.is_ready) {
        session_shake_hands(session);
    } else {
        read_some(session);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *argument)
{
    (void)fd, (void)what;
    struct h2_session *session = argument;
    if (session->is_connecting) {
        client_connected(session);
    } else if (!session->sock.is_ready) {
        session_shake_hands(session);
    } else {
        session_want_flush(session);
    }
}

/* ---- from beginning to end ---- */

static void on_late(struct loop_job *job)
{
    struct h2_session *session = CONTAINER_OF(job, struct h2_session, late);
    session->is_late = false;
    if (!session->is_dead) {
        flush(session);
        if (session->is_evicted) {
            session_kill(session, "it keeps too much here");
        }
        return; /* when that killed it, it is on the list again */
    }
    session_close_streams(session);
    if (!session->is_server) {
        session->is_over = true;
        session->is_connected = false;
        sock_done(&session->sock);
        if (session->handler->disconnected != NULL) {
            session->handler->disconnected(session->argument, session, session->why);
        }
        return; /* it is the caller's to free */
    }
    session_free(session);
}

static nghttp2_session *make_ng(struct h2_session *session)
{
    nghttp2_option *option = NULL;
    nghttp2_session *ng = NULL;
    nghttp2_session_callbacks *callbacks = frames_callbacks();
    int failed = nghttp2_option_new(&option);
    assert_that(failed == 0 && callbacks != NULL);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, 100);
    /* Ours come first (h2_guard.c); nghttp2's stand behind them. */
    nghttp2_option_set_max_settings(option, 32);
    nghttp2_option_set_max_continuations(option, 8);
    nghttp2_option_set_max_outbound_ack(option, 1000);
    failed = session->is_server ? nghttp2_session_server_new2(&ng, callbacks, session, option)
                                : nghttp2_session_client_new2(&ng, callbacks, session, option);
    assert_that(failed == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return ng;
}

static void say_hello(struct h2_session *session)
{
    const struct h2_limits *limits = session->limits;
    nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_bytes },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams },
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
    };
    /* A server does not say whether it takes pushes. */
    size_t count = session->is_server ? 4 : 5;
    (void)nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, settings, count);
    (void)nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0,
                                                (int32_t)limits->connection_window);
}

void session_assign_events(struct h2_session *session)
{
    struct event_base *base = loop_base(session->loop);
    (void)event_assign(&session->readable, base, session->sock.fd, EV_READ | EV_PERSIST,
                       on_readable, session);
    (void)event_assign(&session->writable, base, session->sock.fd, EV_WRITE | EV_PERSIST,
                       on_writable, session);
}

struct h2_session *session_new(struct loop *loop, bool is_server, struct h2_pool *pool,
                               const struct h2_limits *limits, const struct h2_handler *handler,
                               void *argument, int fd, SSL *ssl)
{
    struct h2_session *session = OBJECT_NEW(struct h2_session, H2_SESSION_MAGIC);
    session->is_server = is_server;
    session->loop = loop;
    session->pool = pool;
    session->limits = limits;
    session->handler = handler;
    session->argument = argument;
    session->late.run = on_late;
    list_init(&session->streams);
    list_init(&session->drained);
    list_init(&session->waiting);
    sock_init(&session->sock, fd, ssl);
    session->began_at = session->heard_at = session->idle_since = loop_steady(loop);
    pool->session_count++;
    session->ng = make_ng(session);
    say_hello(session);
    session_assign_events(session);
    return session;
}

void session_ready(struct h2_session *session)
{
    session->is_connected = true;
    session_watch_write(session, false);
    (void)event_add(&session->readable, NULL);
    session_want_flush(session);
}

void session_goaway(struct h2_session *session, uint32_t error)
{
    if (session->is_dead) {
        return;
    }
    if (error != NGHTTP2_NO_ERROR) {
        (void)nghttp2_session_terminate_session(session->ng, error);
    } else if (session->goaway_sent++ == 0 && session->is_server) {
        /* Streams that are on their way are still taken; guard_look says the last one later. */
        (void)nghttp2_submit_shutdown_notice(session->ng);
    } else {
        (void)nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(session->ng),
                                    NGHTTP2_NO_ERROR, NULL, 0);
    }
    session->is_draining = true;
    session_want_flush(session);
}

void session_close_streams(struct h2_session *session)
{
    while (!list_is_empty(&session->streams)) {
        struct h2_stream *stream =
            CONTAINER_OF(session->streams.head.next, struct h2_stream, among);
        stream_closed(stream, NGHTTP2_CANCEL);
    }
}

void session_free(struct h2_session *session)
{
    OBJECT_CHECK(session, H2_SESSION_MAGIC);
    assert_that(list_is_empty(&session->streams));
    if (session->is_late) {
        loop_late_not(session->loop, &session->late);
    }
    (void)event_del(&session->readable);
    (void)event_del(&session->writable);
    session->pool->session_count--;
    shakes_no_more(session);
    nghttp2_session_del(session->ng);
    sock_done(&session->sock);
    buffer_done(&session->out);
    if (session->loans != NULL) {
        loan_forgive(session->loans, &session->loan);
    }
    mem_free(session->why);
    mem_free(session->subject);
    if (list_is_linked(&session->among)) {
        list_remove(&session->among);
    }
    OBJECT_FREE(session, H2_SESSION_MAGIC);
}
