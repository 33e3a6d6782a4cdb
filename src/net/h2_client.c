/* SPDX-License-Identifier: MIT
 *
 * Clients: a session that connects, one address of the host after the other. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/object.h"
#include "net/h2_priv.h"
#include "net/tls_priv.h"

struct h2_client {
    struct h2_pool pool;
    struct h2_limits limits;
    struct loop_timer *look;
    struct tls *tls;
    unsigned port, address; /* which of the host's */
    char host[256];
};

static void on_look(void *argument)
{
    struct h2_session *session = argument;
    guard_look(session, loop_steady(session->loop));
    if (!session->is_dead) {
        loop_timer_set(session->client->look, guard_look_every(session->limits));
    }
}

struct h2_session *h2_connect(struct loop *loop, const char *host, unsigned port, struct tls *tls,
                              const struct h2_limits *limits, const struct h2_handler *handler,
                              void *argument, pd_error *err)
{
    int fd = sock_connect(host, port, 0, err);
    if (fd < 0) {
        return NULL;
    }
    SSL *ssl = tls != NULL ? tls_connect(tls, host) : NULL;
    assert_that(tls == NULL || ssl != NULL);
    struct h2_client *client = mem_alloc(sizeof *client);
    h2_pool_init(&client->pool);
    client->limits = h2_limits_whole(limits);
    client->tls = tls;
    client->port = port;
    (void)snprintf(client->host, sizeof client->host, "%s", host);
    struct h2_session *session =
        session_new(loop, false, &client->pool, &client->limits, handler, argument, fd, ssl);
    session->client = client;
    session->is_connecting = true;
    (void)snprintf(session->peer, sizeof session->peer, "%.100s:%u", host, port);
    client->look = loop_timer_new(loop, on_look, session);
    loop_timer_set(client->look, guard_look_every(&client->limits));
    session_watch_write(session, true);
    return session;
}

/* The next address, if there is one; else what was wrong with this one is what was wrong. */
static void try_next(struct h2_session *session, int error)
{
    struct h2_client *client = session->client;
    pd_error err;
    (void)event_del(&session->readable);
    session_watch_write(session, false);
    sock_done(&session->sock);
    int fd = sock_connect(client->host, client->port, ++client->address, &err);
    SSL *ssl = fd >= 0 && client->tls != NULL ? tls_connect(client->tls, client->host) : NULL;
    sock_init(&session->sock, fd, ssl);
    if (fd < 0) {
        session_kill(session, strerror(error));
        return;
    }
    session_assign_events(session);
    session_watch_write(session, true);
}

void client_connected(struct h2_session *session)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(session->sock.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        try_next(session, error);
        return;
    }
    session->is_connecting = false;
    session_watch_write(session, false);
    session_shake_hands(session);
}

void h2_disconnect(struct h2_session *session)
{
    OBJECT_CHECK(session, H2_SESSION_MAGIC);
    struct h2_client *client = session->client;
    assert_that(client != NULL);
    session->is_dead = session->is_over = true;
    session_close_streams(session);
    loop_timer_free(client->look);
    session_free(session);
    h2_pool_done(&client->pool);
    mem_free(client);
}
