/* SPDX-License-Identifier: MIT
 *
 * Who is connected over HTTP/1.1, and what that may cost.
 *
 *   C1  evhttp counts no connections, and does not say when one ends. So we hold each as well; one
 *       that evhttp has let go of is known by having no callbacks any more, and let go of by us
 *       when we next look, which is soon. Its peer was told at once.
 *   C2  evhttp sees what the screen (http_screen.h) lets through. Where that ends it sees what is
 *       no HTTP, whatever it is in the middle of: it answers what was asked before, refuses that,
 *       and closes. Nothing that follows is looked at.
 *   C3  evhttp's limits are of silence and of one request. So when we look we also end those whose
 *       request takes too long however it drips, those who read an answer too slowly, those who do
 *       not get through a handshake, when all together keep more bytes than they may, who keeps
 *       most of them, and when there is no room for another one, who has been without a
 *       whole request for longest. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/memory.h"
#include "net/http_priv.h"
#include "net/tls_priv.h"

enum {
    REAP_US = 50 * 1000,
    GONE_US = 1000 * 1000,
    SILENT_US = 1000 * 1000,
    IDLE_US = 1000 * 1000,
    READ_RATE = 4096, /* bytes of an answer, in a second, in each time of arrival */
};

/* evhttp hears of it as of a peer that has closed. */
static void end_connection(const struct http_connection *connection)
{
    (void)shutdown(bufferevent_getfd(connection->socket), SHUT_RDWR);
}

/* What has come is in the socket's buffer or in one of evhttp's, which moves a body in chunks
 * there. */
static size_t held_by(const struct http_connection *connection)
{
    return connection->come + evbuffer_get_length(bufferevent_get_output(connection->socket));
}

static bool is_hung_up(const struct http_connection *connection)
{
    struct pollfd fd = { .fd = bufferevent_getfd(connection->socket), .events = POLLRDHUP };
    return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* It is not being answered, and has no answer to take. */
static bool is_waited_for(const struct http_connection *connection)
{
    return connection->request == NULL &&
           evbuffer_get_length(bufferevent_get_output(connection->socket)) == 0;
}

static bool is_shaking_hands(const struct http_connection *connection)
{
    const SSL *ssl = bufferevent_openssl_get_ssl(connection->socket);
    return ssl != NULL && !SSL_is_init_finished(ssl);
}

/* No request has come whole for so long; or its answer is being read, which has to go on. */
static void look_at_progress(const struct http_listener *listener,
                             struct http_connection *connection)
{
    size_t unread = evbuffer_get_length(bufferevent_get_output(connection->socket));
    size_t read = connection->unread > unread ? connection->unread - unread : 0;
    bool is_slow =
        connection->unread != 0 && (int64_t)read < listener->arrival_us * READ_RATE / TIME_SECOND;
    if (unread == 0 || is_slow) {
        end_connection(connection);
    }
    connection->unread = unread;
    connection->since = loop_steady(listener->loop);
}

/* C3, of one. */
static void look_at(const struct http_listener *listener, struct http_connection *connection,
                    time_us now)
{
    struct http_request *request = connection->request;
    int64_t age = now - connection->since;
    int64_t handshake_us = listener->is_full ? TLS_HASTE_US : listener->handshake_us;
    if (request != NULL && request->gone != NULL && age > GONE_US) {
        void (*gone)(void *) = request->gone;
        connection->since = now; /* to be looked at in a second again */
        if (is_hung_up(connection)) {
            request->gone = NULL;
            gone(request->argument);
        }
    } else if (age > handshake_us && is_shaking_hands(connection)) {
        end_connection(connection);
    } else if (request == NULL && age > listener->arrival_us) {
        look_at_progress(listener, connection);
    }
}

/* The socket is closed with it, when evhttp has let go too. */
static void release(struct http_connection *connection)
{
    mem_free(connection->subject);
    (void)evbuffer_remove_cb_entry(bufferevent_get_input(connection->socket), connection->looking);
    (void)bufferevent_decref(connection->socket);
}

static void drop_connection(struct http_listener *listener, struct http_connection *connection)
{
    if (connection->request != NULL) {
        connection->request->connection = NULL;
    }
    (void)map_remove(&listener->by_socket,
                     text_make((const char *)&connection->socket, sizeof connection->socket));
    release(connection);
    list_remove(&connection->among);
    mem_free(connection);
    listener->connection_count--;
}

static void shut_when_full(struct http_listener *listener)
{
    listener->is_full = listener->connection_count >= listener->connections_max ||
                        listener->handshakes >= TLS_HANDSHAKES_MAX;
    if (listener->is_full) {
        (void)evconnlistener_disable(listener->door);
    }
}

static void make_room(struct http_listener *listener, const struct http_connection *stalest)
{
    shut_when_full(listener);
    if (!listener->is_full && !listener->is_draining) {
        (void)evconnlistener_enable(listener->door);
    } else if (listener->is_full && stalest != NULL) {
        end_connection(stalest);
    }
}

/* Lets go of those that evhttp has let go of, and looks at the others. */
static void reap(void *argument)
{
    struct http_listener *listener = argument;
    const struct http_connection *costliest = NULL;
    const struct http_connection *stalest = NULL;
    time_us now = loop_steady(listener->loop);
    size_t held = 0;
    listener->handshakes = 0;
    LIST_EACH_SAFE(node, &listener->connections)
    {
        struct http_connection *connection = CONTAINER_OF(node, struct http_connection, among);
        bufferevent_event_cb told = NULL;
        bufferevent_getcb(connection->socket, NULL, NULL, &told, NULL);
        if (told == NULL) {
            drop_connection(listener, connection);
            continue;
        }
        look_at(listener, connection, now);
        listener->handshakes += is_shaking_hands(connection);
        held += held_by(connection);
        if (costliest == NULL || held_by(connection) > held_by(costliest)) {
            costliest = connection;
        }
        if (is_waited_for(connection) && connection->since < now - SILENT_US &&
            (stalest == NULL || connection->since < stalest->since)) {
            stalest = connection;
        }
    }
    if (held > listener->held_max && costliest != NULL) {
        end_connection(costliest);
    }
    make_room(listener, stalest);
    /* Many are looked at less often. */
    loop_timer_set(listener->reaper, listener->connection_count == 0
                                         ? IDLE_US
                                         : REAP_US * (1 + listener->connection_count / 1000));
}

/* ---- the screen, C2 ------------------------------------------------------------------------- */

/* Leaves the first `size` bytes of what was read and not parsed yet, and `more` behind them. */
static void cut(struct evbuffer *input, size_t size, struct text more)
{
    struct evbuffer *good = evbuffer_new();
    assert_that(good != NULL);
    (void)evbuffer_remove_buffer(input, good, size);
    (void)evbuffer_drain(input, evbuffer_get_length(input));
    (void)evbuffer_add_buffer(input, good);
    (void)evbuffer_add(input, more.at, more.size);
    evbuffer_free(good);
}

/* How many of the bytes from `from` on may be seen. */
static size_t screen_from(struct http_connection *connection, struct evbuffer *input, size_t from,
                          size_t size)
{
    struct evbuffer_ptr at;
    struct evbuffer_iovec piece;
    size_t seen = 0;
    while (seen < size && evbuffer_ptr_set(input, &at, from + seen, EVBUFFER_PTR_SET) == 0 &&
           evbuffer_peek(input, -1, &at, &piece, 1) >= 1) {
        size_t fine = http_screen_look(&connection->screen, piece.iov_base, piece.iov_len);
        seen += fine;
        if (fine < piece.iov_len) {
            break;
        }
    }
    return seen;
}

/* Before evhttp hears of it. */
static void on_bytes(struct evbuffer *input, const struct evbuffer_cb_info *info, void *argument)
{
    /* Ends every kind of line as something that it cannot be, and begins another such. */
    static const char no_http[] = "z\nz\n";
    struct http_connection *connection = argument;
    if (info->n_added == 0) {
        return;
    }
    connection->come += info->n_added;
    size_t before = evbuffer_get_length(input) - info->n_added;
    bool was_refused = http_screen_refuses(&connection->screen);
    size_t seen = screen_from(connection, input, before, info->n_added);
    if (seen < info->n_added) {
        connection->listener->refusals += !was_refused;
        (void)evbuffer_cb_clear_flags(input, connection->looking, EVBUFFER_CB_ENABLED);
        cut(input, before + seen, was_refused ? TEXT("") : text_of(no_http));
        (void)evbuffer_cb_set_flags(input, connection->looking, EVBUFFER_CB_ENABLED);
    }
}

/* When there is no room for another one, the door stays shut until one has gone. */
struct bufferevent *http_connection_new(struct event_base *base, void *argument)
{
    struct http_listener *listener = argument;
    struct http_connection *connection = mem_alloc(sizeof *connection);
    SSL *ssl = listener->tls != NULL ? tls_accept(listener->tls) : NULL;
    assert_that(listener->tls == NULL || ssl != NULL);
    connection->socket =
        ssl != NULL ? bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                     BEV_OPT_CLOSE_ON_FREE)
                    : bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    assert_that(connection->socket != NULL);
    bufferevent_incref(connection->socket);
    connection->listener = listener;
    connection->looking =
        evbuffer_add_cb(bufferevent_get_input(connection->socket), on_bytes, connection);
    assert_that(connection->looking != NULL);
    connection->since = loop_steady(listener->loop);
    list_push_back(&listener->connections, &connection->among);
    map_put(&listener->by_socket,
            text_make((const char *)&connection->socket, sizeof connection->socket), connection);
    if (listener->connection_count++ == 0) {
        loop_timer_set(listener->reaper, REAP_US);
    }
    listener->handshakes += ssl != NULL;
    shut_when_full(listener);
    return connection->socket;
}

/* No more files may be opened: it would be told again and again. We look on, and open it again. */
static void on_door_failed(struct evconnlistener *door, void *unwanted)
{
    (void)unwanted; /* evhttp's */
    (void)evconnlistener_disable(door);
}

void http_connections_open(struct http_listener *listener)
{
    evconnlistener_set_error_cb(listener->door, on_door_failed);
    loop_timer_set(listener->reaper, IDLE_US);
}

void http_connections_init(struct http_listener *listener)
{
    list_init(&listener->connections);
    map_init(&listener->by_socket);
    listener->reaper = loop_timer_new(listener->loop, reap, listener);
}

void http_connections_done(struct http_listener *listener)
{
    for (struct list_node *node; (node = list_pop_front(&listener->connections)) != NULL;) {
        struct http_connection *connection = CONTAINER_OF(node, struct http_connection, among);
        release(connection);
        mem_free(connection);
    }
    map_done(&listener->by_socket);
    loop_timer_free(listener->reaper);
}

/* ---- requests of a connection --------------------------------------------------------------- */

struct http_connection *http_connection_find(const struct http_listener *listener,
                                             struct bufferevent *socket)
{
    return map_find(&listener->by_socket, text_make((const char *)&socket, sizeof socket));
}

/* The handshake is over: there is a request. */
static void meet(struct http_connection *connection)
{
    const SSL *ssl = bufferevent_openssl_get_ssl(connection->socket);
    if (ssl != NULL && !connection->is_certified && tls_is_known(ssl)) {
        connection->is_certified = true;
        connection->subject = tls_subject(ssl);
    }
}

void http_connection_begin(struct http_connection *connection, struct http_request *request)
{
    if (connection != NULL) {
        meet(connection);
        connection->request = request;
        connection->since = loop_steady(connection->listener->loop);
    }
}

void http_connection_forget(struct http_connection *connection)
{
    if (connection != NULL) { /* what has come behind it is needed */
        connection->come = evbuffer_get_length(bufferevent_get_input(connection->socket));
    }
}

void http_connection_end(struct http_connection *connection)
{
    if (connection != NULL) {
        http_connection_forget(connection);
        connection->request = NULL;
        connection->unread = 0; /* until it is looked at first */
        connection->since = loop_steady(connection->listener->loop);
    }
}
