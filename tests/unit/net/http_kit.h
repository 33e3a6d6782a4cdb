/* SPDX-License-Identifier: MIT
 *
 * A listener of HTTP/1.1 in this process, that answers with what it understood, and a client that
 * sends bytes. */
#ifndef TESTS_HTTP_KIT_H
#define TESTS_HTTP_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/time.h"
#include "net/http.h"

struct served {
    struct loop *loop;
    struct http_listener *listener;
    pthread_t thread;
    unsigned port;
};

/* The size of what is answered to /large: more than the kernel takes of a socket that nobody
 * reads. */
enum { LARGE = 40 << 20 };

void serve(struct served *served, const struct http_limits *limits);
void end(struct served *served);
int dial(const struct served *served);
/* Until the other side hangs up, or 5 s have passed. */
size_t hear(int fd, char *answer, size_t room);
void ask(const struct served *served, const char *request, size_t size, char *answer, size_t room);
time_us clock_us(void);

#define HIDDEN "GET /hidden HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define FIELDS(more) "POST /first HTTP/1.1\r\nHost: a\r\n" more "\r\n"
#define CHUNKED(body) FIELDS("Transfer-Encoding: chunked\r\n") body

#endif
