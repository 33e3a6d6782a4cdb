/* SPDX-License-Identifier: MIT
 *
 * Listeners: take connections, look after them from time to time, and let go of them. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/object.h"
#include "base/random.h"
#include "net/h2_priv.h"
#include "net/tls_priv.h"

enum { LISTENER_MAGIC = 0x6c697374, ACCEPTED_AT_ONCE = 64, PAUSE_US = 100 * 1000 };

struct h2_listener {
    uint32_t magic;
    struct loop *loop;
    struct tls *tls;
    struct h2_limits limits;
    struct loans *loans;
    const struct h2_handler *handler;
    void *argument;
    int fd;
    struct event acceptable;
    struct loop_timer *look, *resume;
    int64_t look_every_us;
    struct h2_pool pool;
    struct list sessions;
    struct random random;
    char address[SOCK_NAME_MAX];
};

static void take(struct h2_listener *listener, int fd, const struct sockaddr *from, socklen_t size)
{
    const int one = 1;
    SSL *ssl = NULL;
    if (listener->pool.session_count >= listener->limits.connections ||
        (listener->tls != NULL && (ssl = tls_accept(listener->tls)) == NULL)) {
        (void)close(fd);
        return;
    }
    if (from->sa_family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    struct h2_session *session =
        session_new(listener->loop, true, &listener->pool, &listener->limits, listener->handler,
                    listener->argument, fd, ssl);
    session->loans = listener->loans;
    sock_peer_name(from, size, session->peer);
    int64_t age = time_us_of_ms(listener->limits.age_max_ms);
    /* Not all that came together go together. */
    session->age_max_us = age - (int64_t)random_below(&listener->random, (uint64_t)age / 10 + 1);
    list_push_back(&listener->sessions, &session->among);
    if (ssl == NULL) {
        session->sock.is_ready = true;
        session_ready(session);
    } else {
        session_shake_hands(session);
    }
}

/* What waits to come in would be told of again and again. on_resume opens it. */
static void shut_door(struct h2_listener *listener)
{
    (void)event_del(&listener->acceptable);
    loop_timer_set(listener->resume, PAUSE_US);
}

static bool is_full_of_handshakes(const struct h2_listener *listener)
{
    return listener->pool.handshakes >= listener->limits.handshakes;
}

static void on_acceptable(evutil_socket_t fd, short what, void *argument)
{
    (void)what;
    struct h2_listener *listener = argument;
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        int got = accept4(fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (got >= 0) {
            take(listener, got, (struct sockaddr *)&from, size);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            shut_door(listener); /* until there are files */
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
        if (is_full_of_handshakes(listener)) {
            shut_door(listener);
            return;
        }
    }
}

/* Those for whom others wait. */
static void end_slow_handshakes(struct h2_listener *listener)
{
    time_us now = loop_steady(listener->loop);
    LIST_EACH(node, &listener->sessions)
    {
        struct h2_session *session = CONTAINER_OF(node, struct h2_session, among);
        if (session->is_shaking && now - session->began_at > TLS_HASTE_US) {
            session_kill(session, "it took too long to shake hands, and others wait");
        }
    }
}

static void on_resume(void *argument)
{
    struct h2_listener *listener = argument;
    if (listener->fd < 0) {
        return;
    }
    if (is_full_of_handshakes(listener)) {
        end_slow_handshakes(listener);
        loop_timer_set(listener->resume, PAUSE_US);
    } else {
        (void)event_add(&listener->acceptable, NULL);
    }
}

static void on_look(void *argument)
{
    struct h2_listener *listener = argument;
    time_us now = loop_steady(listener->loop);
    LIST_EACH(node, &listener->sessions)
    {
        guard_look(CONTAINER_OF(node, struct h2_session, among), now); /* frees none: S2 */
    }
    loop_timer_set(listener->look, listener->look_every_us);
}

struct h2_listener *h2_listen(struct loop *loop, const char *address, struct tls *tls,
                              const struct h2_limits *limits, struct loans *loans,
                              const struct h2_handler *handler, void *argument, pd_error *err)
{
    char name[SOCK_NAME_MAX];
    int fd = sock_listen(address, name, err);
    if (fd < 0) {
        return NULL;
    }
    struct h2_listener *listener = OBJECT_NEW(struct h2_listener, LISTENER_MAGIC);
    listener->loop = loop;
    listener->tls = tls;
    listener->limits = h2_limits_whole(limits);
    listener->loans = loans;
    listener->handler = handler;
    listener->argument = argument;
    listener->fd = fd;
    (void)snprintf(listener->address, sizeof listener->address, "%s", name);
    list_init(&listener->sessions);
    h2_pool_init(&listener->pool);
    random_seed(&listener->random, (uint64_t)loop_now(loop));
    listener->look_every_us = guard_look_every(&listener->limits);
    listener->look = loop_timer_new(loop, on_look, listener);
    listener->resume = loop_timer_new(loop, on_resume, listener);
    loop_timer_set(listener->look, listener->look_every_us);
    (void)event_assign(&listener->acceptable, loop_base(loop), fd, EV_READ | EV_PERSIST,
                       on_acceptable, listener);
    (void)event_add(&listener->acceptable, NULL);
    return listener;
}

const char *h2_listener_address(const struct h2_listener *listener)
{
    return listener->address;
}

void h2_listener_limit(struct h2_listener *listener, const struct h2_limits *limits)
{
    OBJECT_CHECK(listener, LISTENER_MAGIC);
    listener->limits = h2_limits_whole(limits);
    listener->look_every_us = guard_look_every(&listener->limits);
    loop_timer_set(listener->look, listener->look_every_us);
}

size_t h2_listener_connections(const struct h2_listener *listener)
{
    return listener->pool.session_count;
}

static void close_door(struct h2_listener *listener)
{
    if (listener->fd < 0) {
        return;
    }
    (void)event_del(&listener->acceptable);
    (void)close(listener->fd);
    listener->fd = -1;
    if (strncmp(listener->address, "unix:", 5) == 0) {
        (void)unlink(listener->address + 5);
    }
}

void h2_listener_drain(struct h2_listener *listener)
{
    OBJECT_CHECK(listener, LISTENER_MAGIC);
    close_door(listener);
    LIST_EACH(node, &listener->sessions)
    {
        struct h2_session *session = CONTAINER_OF(node, struct h2_session, among);
        if (session->goaway_sent == 0) {
            session_goaway(session, NGHTTP2_NO_ERROR);
        }
    }
    loop_timer_set(listener->look, PAUSE_US); /* the last word follows */
}

void h2_listener_free(struct h2_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    OBJECT_CHECK(listener, LISTENER_MAGIC);
    close_door(listener);
    while (!list_is_empty(&listener->sessions)) {
        struct h2_session *session =
            CONTAINER_OF(listener->sessions.head.next, struct h2_session, among);
        session->is_dead = true;
        session_close_streams(session);
        session_free(session);
    }
    loop_timer_free(listener->look);
    loop_timer_free(listener->resume);
    h2_pool_done(&listener->pool);
    OBJECT_FREE(listener, LISTENER_MAGIC);
}
