/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 for a few: evhttp, with every limit set.
 *
 *   P1  A request is known to evhttp, and to us, until it is answered. When the client has gone
 *       meanwhile, evhttp has let go of the connection, and answering only frees.
 *   P2  evhttp counts no connections, and does not say when one ends. So we hold each as well;
 *       one that evhttp has let go of is known by having no callbacks any more, and let go of by
 *       us when we next look, which is soon. Its peer was told at once.
 *   P3  evhttp sees what the screen (http_screen.h) lets through. Where that ends it sees what is
 *       no HTTP, whatever it is in the middle of: it answers what was asked before, refuses that,
 *       and closes. Nothing that follows is looked at.
 *   P4  evhttp's limits are of silence and of one request. So when we look we also end those whose
 *       request takes too long however it drips, those who do not get through a handshake, when all
 *       together keep more bytes than they may, who keeps most of them, and when there is no room
 *       for another one, who has said nothing for longest. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/object.h"
#include "net/http.h"
#include "net/http_screen.h"
#include "net/sock.h"
#include "net/tls_priv.h"

enum {
    HTTP_MAGIC = 0x68747470,
    REQUEST_MAGIC = 0x68747471,
    REAP_US = 50 * 1000,
    GONE_US = 1000 * 1000,
    SILENT_US = 1000 * 1000,
    HANDSHAKES_MAX = 1000, /* 48 KiB each, of OpenSSL's */
};

struct connection {
    struct list_node among;
    struct http_listener *listener;
    struct bufferevent *socket;
    struct http_request *request; /* that is being answered; NULL: none */
    time_us since;                /* it has one, or has none; steady */
    struct evbuffer_cb_entry *looking;
    size_t come; /* bytes of the request that comes, or is being answered */
    struct http_screen screen;
    char *subject; /* of the client's certificate; NULL: it has none, or no name in it */
    bool is_certified;
};

struct http_listener {
    uint32_t magic;
    bool is_draining;
    bool is_full; /* of connections, or of handshakes */
    unsigned connection_count, connections_max;
    unsigned handshakes; /* at the last look, and connections since */
    struct list connections;
    struct map by_socket; /* the same, by the bytes of connection->socket */
    int64_t arrival_us, handshake_us;
    size_t held_max;
    struct loop_timer *reaper;
    struct loop *loop;
    struct tls *tls;
    struct evhttp *http;
    struct evconnlistener *door;
    void (*handle)(void *argument, struct http_request *);
    void *argument;
    void (*answered)(void *kind, int code, int64_t us);
    uint64_t refusals;
    struct list requests;
    char address[SOCK_NAME_MAX];
};

struct http_request {
    uint32_t magic;
    struct evhttp_request *request; /* NULL: the listener has gone */
    struct http_listener *listener;
    struct list_node among;
    struct connection *connection; /* NULL: it has gone */
    void (*gone)(void *argument);
    void *argument;
    void *kind;
    time_us begun; /* steady */
    char *path;
    size_t path_size;
};

/* ---- connections ---- */

/* evhttp hears of it as of a peer that has closed. */
static void end_connection(const struct connection *connection)
{
    (void)shutdown(bufferevent_getfd(connection->socket), SHUT_RDWR);
}

/* What has come is in the socket's buffer or in one of evhttp's, which moves a body in chunks
 * there. */
static size_t held_by(const struct connection *connection)
{
    return connection->come + evbuffer_get_length(bufferevent_get_output(connection->socket));
}

/* Its body is needed no more; what has come behind it is. */
static void forget_body(struct connection *connection)
{
    connection->come = evbuffer_get_length(bufferevent_get_input(connection->socket));
}

static bool is_hung_up(const struct connection *connection)
{
    struct pollfd fd = { .fd = bufferevent_getfd(connection->socket), .events = POLLRDHUP };
    return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* It is not being answered, and has no answer to take. */
static bool is_waited_for(const struct connection *connection)
{
    return connection->request == NULL &&
           evbuffer_get_length(bufferevent_get_output(connection->socket)) == 0;
}

static bool is_shaking_hands(const struct connection *connection)
{
    const SSL *ssl = bufferevent_openssl_get_ssl(connection->socket);
    return ssl != NULL && !SSL_is_init_finished(ssl);
}

/* P4, of one. */
static void look_at(const struct http_listener *listener, struct connection *connection,
                    time_us now)
{
    struct http_request *request = connection->request;
    int64_t age = now - connection->since;
    int64_t handshake_us = listener->is_full ? SILENT_US : listener->handshake_us;
    if (request != NULL && request->gone != NULL && age > GONE_US) {
        void (*gone)(void *) = request->gone;
        connection->since = now; /* to be looked at in a second again */
        if (is_hung_up(connection)) {
            request->gone = NULL;
            gone(request->argument);
        }
    } else if ((is_waited_for(connection) && age > listener->arrival_us) ||
               (age > handshake_us && is_shaking_hands(connection))) {
        end_connection(connection);
    }
}

/* The socket is closed with it, when evhttp has let go too. */
static void release(struct connection *connection)
{
    mem_free(connection->subject);
    (void)evbuffer_remove_cb_entry(bufferevent_get_input(connection->socket), connection->looking);
    (void)bufferevent_decref(connection->socket);
}

static void drop_connection(struct http_listener *listener, struct connection *connection)
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
                        listener->handshakes >= HANDSHAKES_MAX;
    if (listener->is_full) {
        (void)evconnlistener_disable(listener->door);
    }
}

static void make_room(struct http_listener *listener, const struct connection *stalest)
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
    const struct connection *costliest = NULL;
    const struct connection *stalest = NULL;
    time_us now = loop_steady(listener->loop);
    size_t held = 0;
    listener->handshakes = 0;
    LIST_EACH_SAFE(node, &listener->connections)
    {
        struct connection *connection = CONTAINER_OF(node, struct connection, among);
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
    if (listener->connection_count != 0) { /* many are looked at less often */
        loop_timer_set(listener->reaper, REAP_US * (1 + listener->connection_count / 1000));
    }
}

/* ---- the screen, P3 ------------------------------------------------------------------------- */

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
static size_t screen_from(struct connection *connection, struct evbuffer *input, size_t from,
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
    struct connection *connection = argument;
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
static struct bufferevent *on_connection(struct event_base *base, void *argument)
{
    struct http_listener *listener = argument;
    struct connection *connection = mem_alloc(sizeof *connection);
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

/* ---- requests ---- */

/* The handshake is over: there is a request. */
static void meet(struct connection *connection)
{
    const SSL *ssl = bufferevent_openssl_get_ssl(connection->socket);
    if (ssl != NULL && !connection->is_certified && tls_is_known(ssl)) {
        connection->is_certified = true;
        connection->subject = tls_subject(ssl);
    }
}

static void on_request(struct evhttp_request *from, void *argument)
{
    struct http_listener *listener = argument;
    struct http_request *request = OBJECT_NEW(struct http_request, REQUEST_MAGIC);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(from);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    request->request = from;
    request->listener = listener;
    request->begun = loop_steady(listener->loop);
    request->path = evhttp_uridecode(path != NULL ? path : "/", 0, &request->path_size);
    struct bufferevent *socket =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(from));
    request->connection =
        map_find(&listener->by_socket, text_make((const char *)&socket, sizeof socket));
    if (request->connection != NULL) {
        meet(request->connection);
        request->connection->request = request;
        request->connection->since = loop_steady(listener->loop);
    }
    list_push_back(&listener->requests, &request->among);
    listener->handle(listener->argument, request);
}

struct text http_method(const struct http_request *request)
{
    switch (evhttp_request_get_command(request->request)) {
    case EVHTTP_REQ_GET: return TEXT("GET");
    case EVHTTP_REQ_POST: return TEXT("POST");
    case EVHTTP_REQ_HEAD: return TEXT("HEAD");
    case EVHTTP_REQ_PUT: return TEXT("PUT");
    case EVHTTP_REQ_DELETE: return TEXT("DELETE");
    case EVHTTP_REQ_OPTIONS: return TEXT("OPTIONS");
    case EVHTTP_REQ_PATCH: return TEXT("PATCH");
    case EVHTTP_REQ_TRACE:
    case EVHTTP_REQ_CONNECT: break; /* evhttp answers these: they are not allowed */
    }
    unreachable_state("a method that was not allowed");
}

struct text http_path(const struct http_request *request)
{
    return text_make(request->path, request->path_size);
}

struct text http_raw_path(const struct http_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request->request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    return text_of(path != NULL ? path : "/");
}

struct text http_query(const struct http_request *request)
{
    return text_of(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request->request)));
}

struct text http_header(const struct http_request *request, const char *name)
{
    return text_of(evhttp_find_header(evhttp_request_get_input_headers(request->request), name));
}

bool http_is_certified(const struct http_request *request, const char **ret_name)
{
    const struct connection *connection = request->connection;
    bool is = connection != NULL && connection->is_certified;
    *ret_name = is ? connection->subject : NULL;
    return is;
}

struct text http_body(const struct http_request *request)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request->request);
    size_t size = evbuffer_get_length(body);
    const char *at = size != 0 ? (const char *)evbuffer_pullup(body, -1) : "";
    return text_make(at, size);
}

void http_count_as(struct http_request *request, void *kind)
{
    request->kind = kind;
}

void http_forget_body(struct http_request *request)
{
    if (request->request != NULL) {
        struct evbuffer *body = evhttp_request_get_input_buffer(request->request);
        (void)evbuffer_drain(body, evbuffer_get_length(body));
        if (request->connection != NULL) {
            forget_body(request->connection);
        }
    }
}

void http_on_gone(struct http_request *request, void (*gone)(void *argument), void *argument)
{
    request->gone = gone;
    request->argument = argument;
}

void http_answer_header(struct http_request *request, const char *name, const char *value)
{
    if (request->request != NULL) {
        (void)evhttp_add_header(evhttp_request_get_output_headers(request->request), name, value);
    }
}

/* Of HEAD the length only: evhttp sends what there is, which would be the next answer's beginning.
 */
static void add_body(struct http_request *request, struct evbuffer *bytes, struct text body)
{
    char length[24];
    if (evhttp_request_get_command(request->request) == EVHTTP_REQ_HEAD) {
        (void)snprintf(length, sizeof length, "%zu", body.size);
        http_answer_header(request, "Content-Length", length);
    } else {
        (void)evbuffer_add(bytes, body.at, body.size);
    }
}

void http_answer(struct http_request *request, int code, const char *content_type, struct text body)
{
    OBJECT_CHECK(request, REQUEST_MAGIC);
    if (request->connection != NULL) {
        request->connection->request = NULL;
        forget_body(request->connection);
        request->connection->since = loop_steady(request->listener->loop);
    }
    if (request->request != NULL) {
        struct evbuffer *bytes = evbuffer_new();
        assert_that(bytes != NULL);
        if (content_type != NULL) {
            http_answer_header(request, "Content-Type", content_type);
        }
        add_body(request, bytes, body);
        if (request->listener->is_draining) {
            http_answer_header(request, "Connection", "close");
        }
        if (request->listener->answered != NULL) {
            request->listener->answered(request->kind, code,
                                        loop_steady(request->listener->loop) - request->begun);
        }
        evhttp_send_reply(request->request, code, NULL, bytes);
        evbuffer_free(bytes);
        list_remove(&request->among);
    }
    free(request->path); /* evhttp's */
    OBJECT_FREE(request, REQUEST_MAGIC);
}

/* ---- listeners ---- */

static void set_limits(struct http_listener *listener, const struct http_limits *limits)
{
    struct http_limits all = limits != NULL ? *limits : (struct http_limits){ 0 };
    int64_t ms = all.timeout_ms != 0 ? all.timeout_ms : 30000;
    struct timeval timeout = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
    evhttp_set_max_headers_size(listener->http,
                                (ev_ssize_t)(all.header_bytes != 0 ? all.header_bytes : 16384));
    evhttp_set_max_body_size(listener->http,
                             (ev_ssize_t)(all.body_bytes != 0 ? all.body_bytes : 1024 * 1024));
    evhttp_set_timeout_tv(listener->http, &timeout);
    evhttp_set_allowed_methods(listener->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                                   EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                                   EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    listener->arrival_us = (all.arrival_ms != 0 ? all.arrival_ms : 120000) * TIME_MS;
    listener->handshake_us = (all.handshake_ms != 0 ? all.handshake_ms : 10000) * TIME_MS;
    listener->held_max = all.held_bytes != 0 ? all.held_bytes : (size_t)256 << 20;
    listener->connections_max = all.connections != 0 ? all.connections : 1000;
}

struct http_listener *http_listen(struct loop *loop, const char *address, struct tls *tls,
                                  const struct http_limits *limits,
                                  void (*handle)(void *argument, struct http_request *),
                                  void *argument, pd_error *err)
{
    char name[SOCK_NAME_MAX];
    int fd = sock_listen(address, name, err);
    if (fd < 0) {
        return NULL;
    }
    struct http_listener *listener = OBJECT_NEW(struct http_listener, HTTP_MAGIC);
    listener->loop = loop;
    listener->tls = tls;
    listener->handle = handle;
    listener->argument = argument;
    list_init(&listener->requests);
    list_init(&listener->connections);
    map_init(&listener->by_socket);
    listener->reaper = loop_timer_new(loop, reap, listener);
    (void)snprintf(listener->address, sizeof listener->address, "%s", name);
    listener->http = evhttp_new(loop_base(loop));
    assert_that(listener->http != NULL);
    set_limits(listener, limits);
    evhttp_set_default_content_type(listener->http, NULL); /* an empty answer has none */
    evhttp_set_bevcb(listener->http, on_connection, listener);
    evhttp_set_gencb(listener->http, on_request, listener);
    listener->door = evconnlistener_new(loop_base(loop), NULL, NULL,
                                        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    assert_that(listener->door != NULL);
    struct evhttp_bound_socket *bound = evhttp_bind_listener(listener->http, listener->door);
    assert_that(bound != NULL);
    return listener;
}

void http_listener_limit(struct http_listener *listener, const struct http_limits *limits)
{
    set_limits(listener, limits);
}

const char *http_listener_address(const struct http_listener *listener)
{
    return listener->address;
}

void http_listener_drain(struct http_listener *listener)
{
    listener->is_draining = true;
    (void)evconnlistener_disable(listener->door);
}

unsigned http_listener_connections(const struct http_listener *listener)
{
    return listener->connection_count;
}

size_t http_listener_requests(const struct http_listener *listener)
{
    return list_count(&listener->requests);
}

uint64_t http_listener_refusals(const struct http_listener *listener)
{
    return listener->refusals;
}

void http_listener_on_answered(struct http_listener *listener,
                               void (*answered)(void *kind, int code, int64_t us))
{
    listener->answered = answered;
}

void http_listener_free(struct http_listener *listener)
{
    if (listener == NULL) {
        return;
    }
    OBJECT_CHECK(listener, HTTP_MAGIC);
    struct list_node *node;
    while ((node = list_pop_front(&listener->requests)) != NULL) {
        struct http_request *request = CONTAINER_OF(node, struct http_request, among);
        request->request = NULL;
        request->connection = NULL;
    }
    evhttp_free(listener->http);
    while ((node = list_pop_front(&listener->connections)) != NULL) {
        struct connection *connection = CONTAINER_OF(node, struct connection, among);
        release(connection);
        mem_free(connection);
    }
    map_done(&listener->by_socket);
    loop_timer_free(listener->reaper);
    if (strncmp(listener->address, "unix:", 5) == 0) {
        (void)unlink(listener->address + 5);
    }
    OBJECT_FREE(listener, HTTP_MAGIC);
}
