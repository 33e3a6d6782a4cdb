/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1 for a few: evhttp, with every limit set. Who is connected: http_connections.c.
 *
 *   P1  A request is known to evhttp, and to us, until it is answered. When the client has gone
 *       meanwhile, evhttp has let go of the connection, and answering only frees. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/object.h"
#include "net/http_priv.h"
#include "net/sock.h"

enum { HTTP_MAGIC = 0x68747470, REQUEST_MAGIC = 0x68747471 };

/* ---- requests ---- */

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
    request->connection = http_connection_find(listener, socket);
    http_connection_begin(request->connection, request);
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
    const struct http_connection *connection = request->connection;
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
        http_connection_forget(request->connection);
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
    http_connection_end(request->connection);
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
    http_connections_init(listener);
    (void)snprintf(listener->address, sizeof listener->address, "%s", name);
    listener->http = evhttp_new(loop_base(loop));
    assert_that(listener->http != NULL);
    set_limits(listener, limits);
    evhttp_set_default_content_type(listener->http, NULL); /* an empty answer has none */
    evhttp_set_bevcb(listener->http, http_connection_new, listener);
    evhttp_set_gencb(listener->http, on_request, listener);
    listener->door = evconnlistener_new(loop_base(loop), NULL, NULL,
                                        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    assert_that(listener->door != NULL);
    struct evhttp_bound_socket *bound = evhttp_bind_listener(listener->http, listener->door);
    assert_that(bound != NULL);
    http_connections_open(listener);
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
    http_connections_done(listener);
    if (strncmp(listener->address, "unix:", 5) == 0) {
        (void)unlink(listener->address + 5);
    }
    OBJECT_FREE(listener, HTTP_MAGIC);
}
