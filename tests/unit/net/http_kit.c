/* SPDX-License-Identifier: MIT
 *
 * See http_kit.h. */
#include "http_kit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

static void handle(void *argument, struct http_request *request)
{
    (void)argument;
    char body[4096];
    if (text_equal(http_path(request), TEXT("/large"))) {
        char *large = calloc(1, LARGE);
        assert_that(large != NULL);
        http_answer(request, 200, "text/plain", text_make(large, LARGE));
        free(large);
        return;
    }
    struct text host = http_header(request, "host");
    int size = snprintf(body, sizeof body, "%.*s %.*s ?%.*s host=%.*s body=%zu",
                        TEXT_ARGS(http_method(request)), TEXT_ARGS(http_path(request)),
                        TEXT_ARGS(http_query(request)), TEXT_ARGS(host), http_body(request).size);
    http_answer_header(request, "X-Served", "yes");
    http_answer(request, 200, "text/plain", text_make(body, (size_t)size));
}

static void *run(void *argument)
{
    loop_run(((struct served *)argument)->loop);
    return NULL;
}

void serve(struct served *served, const struct http_limits *limits)
{
    pd_error err;
    served->loop = loop_new(&err);
    served->listener = http_listen(served->loop, "127.0.0.1:0", NULL, limits, handle, served, &err);
    assert_non_null(served->listener);
    served->port =
        (unsigned)strtoul(strrchr(http_listener_address(served->listener), ':') + 1, NULL, 10);
    assert_int_equal(pthread_create(&served->thread, NULL, run, served), 0);
}

void end(struct served *served)
{
    loop_stop(served->loop);
    (void)pthread_join(served->thread, NULL);
    http_listener_free(served->listener);
    loop_free(served->loop);
}

int dial(const struct served *served)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)served->port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = { .tv_sec = 5 };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

size_t hear(int fd, char *answer, size_t room)
{
    size_t have = 0;
    ssize_t n;
    while (have + 1 < room && (n = recv(fd, answer + have, room - 1 - have, 0)) > 0) {
        have += (size_t)n;
    }
    answer[have] = 0;
    return have;
}

void ask(const struct served *served, const char *request, size_t size, char *answer, size_t room)
{
    int fd = dial(served);
    (void)send(fd, request, size, MSG_NOSIGNAL);
    (void)hear(fd, answer, room);
    (void)close(fd);
}

time_us clock_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}
