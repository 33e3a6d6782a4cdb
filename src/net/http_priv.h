/* SPDX-License-Identifier: MIT
 *
 * What the two files of HTTP/1.1 share: http.c has listeners and requests, http_connections.c who
 * is connected, for how long, and at what cost. */
#ifndef NET_HTTP_PRIV_H
#define NET_HTTP_PRIV_H

#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/list.h"
#include "base/map.h"
#include "net/http.h"
#include "net/http_screen.h"
#include "net/sock.h"

struct http_connection {
    struct list_node among;
    struct http_listener *listener;
    struct bufferevent *socket;
    struct http_request *request; /* that is being answered; NULL: none */
    time_us since;                /* it has one, or has none, or was slow last; steady */
    struct evbuffer_cb_entry *looking;
    size_t come;   /* bytes of the request that comes, or is being answered */
    size_t unread; /* of an answer, when it was looked at last; 0: it was not yet */
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
    struct http_connection *connection; /* NULL: it has gone */
    void (*gone)(void *argument);
    void *argument;
    void *kind;
    time_us begun; /* steady */
    char *path;
    size_t path_size;
};

void http_connections_init(struct http_listener *listener);
void http_connections_done(struct http_listener *listener); /* evhttp has gone */
/* The door is there. */
void http_connections_open(struct http_listener *listener);
/* For evhttp_set_bevcb. */
struct bufferevent *http_connection_new(struct event_base *base, void *listener);
struct http_connection *http_connection_find(const struct http_listener *listener,
                                             struct bufferevent *socket);
/* It has a request now; that has been answered; its body is needed no more. NULL is fine. */
void http_connection_begin(struct http_connection *connection, struct http_request *request);
void http_connection_end(struct http_connection *connection);
void http_connection_forget(struct http_connection *connection);

#endif
