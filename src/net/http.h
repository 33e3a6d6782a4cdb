/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1, server side: libevent's evhttp behind a small face, with every limit set. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <perdure.h>
#include <stdint.h>

#include "base/text.h"
#include "net/loop.h"
#include "net/tls.h"

struct http_request; /* until it is answered, or its client is gone */
struct http_listener;

struct http_limits {
    size_t header_bytes;  /* 0: 16 KiB */
    size_t body_bytes;    /* 0: 1 MiB */
    int64_t timeout_ms;   /* of silence, while a request comes or an answer goes; 0: 30 s */
    int64_t arrival_ms;   /* for a whole request, however it drips; 0: 2 minutes */
    size_t held_bytes;    /* of bodies that come and answers that go, of all; 0: 256 MiB */
    int64_t handshake_ms; /* for TLS; 0: 10 s. A second, while a thousand are at it */
    /* When there are as many, who has been without a whole request for longest, a second at least,
     * makes room; where all are being answered, the next has to wait. 0: 1,000 */
    unsigned connections;
};

/* `handle` answers every request, at once or later, on the loop's thread. PD_E_INVALID,
 * PD_E_UNAVAILABLE. */
struct http_listener *http_listen(struct loop *loop, const char *address, struct tls *tls,
                                  const struct http_limits *limits,
                                  void (*handle)(void *argument, struct http_request *),
                                  void *argument, pd_error *err);
/* Other limits, of what comes from now on. */
void http_listener_limit(struct http_listener *listener, const struct http_limits *limits);
const char *http_listener_address(const struct http_listener *listener);
/* No new connections; those that are there are closed after the answer they get next. */
void http_listener_drain(struct http_listener *listener);
unsigned http_listener_connections(const struct http_listener *listener);
size_t http_listener_requests(const struct http_listener *listener); /* without an answer yet */
/* Connections whose client said what is no HTTP/1.1. */
uint64_t http_listener_refusals(const struct http_listener *listener);
/* Of each request that is answered: as what it was counted (http_count_as), with which code, and
 * after how long. */
void http_listener_on_answered(struct http_listener *listener,
                               void (*answered)(void *kind, int code, int64_t us));
void http_listener_free(struct http_listener *listener); /* NULL is fine */

struct text http_method(const struct http_request *request);   /* "GET" */
struct text http_path(const struct http_request *request);     /* decoded, without the query */
struct text http_raw_path(const struct http_request *request); /* likewise, not decoded */
struct text http_query(const struct http_request *request);    /* as it came; absent: none */
struct text http_header(const struct http_request *request, const char *name); /* or absent */
/* Its client has shown a certificate of the authorities; *ret_name: the common name in it, until
 * the request is answered; NULL: there is none. */
bool http_is_certified(const struct http_request *request, const char **ret_name);
struct text http_body(const struct http_request *request);
/* Of requests for which nothing is said: NULL. */
void http_count_as(struct http_request *request, void *kind);
/* For who answers later: its body is needed no more. */
void http_forget_body(struct http_request *request);
/* Likewise: told once, within a second or two, when its client has gone. It is to be answered all
 * the same. */
void http_on_gone(struct http_request *request, void (*gone)(void *argument), void *argument);
/* Before http_answer. */
void http_answer_header(struct http_request *request, const char *name, const char *value);
void http_answer(struct http_request *request, int code, const char *content_type,
                 struct text body);

#endif
