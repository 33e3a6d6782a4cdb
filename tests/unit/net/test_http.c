/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1: what is asked, what is answered, and what a listener does not take. Requests are bytes
 * on a socket, so that no client puts right what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/http.h"

struct served {
    struct loop *loop;
    struct http_listener *listener;
    pthread_t thread;
    unsigned port;
};

static void handle(void *argument, struct http_request *request)
{
    (void)argument;
    char body[4096];
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

static void serve(struct served *served, const struct http_limits *limits)
{
    pd_error err;
    served->loop = loop_new(&err);
    served->listener = http_listen(served->loop, "127.0.0.1:0", NULL, limits, handle, served, &err);
    assert_non_null(served->listener);
    served->port =
        (unsigned)strtoul(strrchr(http_listener_address(served->listener), ':') + 1, NULL, 10);
    assert_int_equal(pthread_create(&served->thread, NULL, run, served), 0);
}

static void end(struct served *served)
{
    loop_stop(served->loop);
    (void)pthread_join(served->thread, NULL);
    http_listener_free(served->listener);
    loop_free(served->loop);
}

static int dial(const struct served *served)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)served->port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = { .tv_sec = 5 };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Until the other side hangs up, or 5 s have passed. */
static size_t hear(int fd, char *answer, size_t room)
{
    size_t have = 0;
    ssize_t n;
    while (have + 1 < room && (n = recv(fd, answer + have, room - 1 - have, 0)) > 0) {
        have += (size_t)n;
    }
    answer[have] = 0;
    return have;
}

static void ask(const struct served *served, const char *request, size_t size, char *answer,
                size_t room)
{
    int fd = dial(served);
    (void)send(fd, request, size, MSG_NOSIGNAL);
    (void)hear(fd, answer, room);
    (void)close(fd);
}

static void a_request_is_told_apart_and_answered(void **state)
{
    (void)state;
    struct served served;
    char answer[4096];
    const char *request = "POST /a%20b?c=d%20e HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n"
                          "Connection: close\r\n\r\nhello";
    serve(&served, NULL);
    ask(&served, request, strlen(request), answer, sizeof answer);
    end(&served);
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    assert_non_null(strstr(answer, "X-Served: yes"));
    assert_non_null(strstr(answer, "POST /a b ?c=d%20e host=here body=5"));
}

static void heads_and_bodies_have_a_limit(void **state)
{
    (void)state;
    struct served served;
    char answer[4096], request[4096];
    struct http_limits limits = { .header_bytes = 1024, .body_bytes = 100 };
    serve(&served, &limits);
    int size = snprintf(request, sizeof request, "GET / HTTP/1.1\r\nX-Long: %0*d\r\n\r\n", 2000, 0);
    ask(&served, request, (size_t)size, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 400"));
    size =
        snprintf(request, sizeof request,
                 "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 100\r\n\r\n%0*d", 100, 0);
    ask(&served, request, (size_t)size, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    assert_non_null(strstr(answer, "body=100"));
    size =
        snprintf(request, sizeof request,
                 "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 101\r\n\r\n%0*d", 101, 0);
    ask(&served, request, (size_t)size, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 413"));
    end(&served);
}

/* Two answers would mean that what one server takes for a body another takes for a request. */
static void a_request_cannot_hide_in_another(void **state)
{
    (void)state;
    static const char *const smuggled[] = {
        "POST / HTTP/1.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\nGET /hidden HTTP/1.1\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n"
        "GET /hidden HTTP/1.1\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\nGET /hidden HTTP/1.1\r\n"
        "Connection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5x\r\n\r\nGET /hidden HTTP/1.1\r\n"
        "Connection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        "GET /hidden HTTP/1.1\r\nConnection: close\r\n\r\n",
    };
    struct served served;
    char answer[4096];
    struct http_limits limits = { .timeout_ms = 300 };
    serve(&served, &limits);
    for (size_t i = 0; i < sizeof smuggled / sizeof smuggled[0]; i++) {
        ask(&served, smuggled[i], strlen(smuggled[i]), answer, sizeof answer);
        if (strstr(answer, "/hidden") != NULL) {
            fail_msg("request %zu: %s", i, answer);
        }
    }
    end(&served);
}

static void who_says_nothing_is_hung_up_on(void **state)
{
    (void)state;
    struct served served;
    char answer[4096];
    struct http_limits limits = { .timeout_ms = 200 };
    serve(&served, &limits);
    int fd = dial(&served);
    (void)send(fd, "GET / HT", 8, MSG_NOSIGNAL);
    (void)hear(fd, answer, sizeof answer); /* would last 5 s */
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    (void)close(fd);
    end(&served);
}

static void only_so_many_connections_are_served_at_once(void **state)
{
    (void)state;
    struct served served;
    char answer[4096];
    struct http_limits limits = { .connections = 2 };
    const char *request = "GET /x HTTP/1.1\r\nConnection: close\r\n\r\n";
    serve(&served, &limits);
    int first = dial(&served), second = dial(&served);
    usleep(50000);
    int third = dial(&served); /* waits in the kernel */
    (void)send(third, request, strlen(request), MSG_NOSIGNAL);
    struct timeval patience = { .tv_usec = 200000 };
    (void)setsockopt(third, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(hear(third, answer, sizeof answer), 0);
    (void)close(first);
    patience.tv_sec = 5;
    (void)setsockopt(third, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)hear(third, answer, sizeof answer);
    assert_non_null(strstr(answer, "GET /x"));
    (void)close(second);
    (void)close(third);
    end(&served);
}

/* Sends a byte, and again, until it is hung up on. How long that took, in ms. */
static int64_t drip(int fd, const char *bytes, size_t size)
{
    struct timespec began, now;
    int64_t ms = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    for (size_t i = 0; ms < 10000; i = (i + 1) % size) {
        char unwanted;
        struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
        if (send(fd, bytes + i, 1, MSG_NOSIGNAL) < 0 || recv(fd, &unwanted, 1, MSG_DONTWAIT) == 0) {
            break;
        }
        (void)nanosleep(&pause, NULL);
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        ms = (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000;
    }
    return ms;
}

static void a_request_has_a_time_to_arrive_however_it_drips(void **state)
{
    (void)state;
    struct served served;
    struct http_limits limits = { .arrival_ms = 300 };
    static const char head[] = "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
    static const char part[] = "GET / HTTP/1.1\r\nA: b\r\nC: d\r\n";
    serve(&served, &limits);
    int fd = dial(&served);
    int64_t ms = drip(fd, part, sizeof part - 1);
    assert_true(ms >= 250 && ms < 5000);
    (void)close(fd);
    fd = dial(&served);
    assert_true(send(fd, head, sizeof head - 1, MSG_NOSIGNAL) > 0);
    ms = drip(fd, "x", 1);
    assert_true(ms >= 200 && ms < 5000);
    (void)close(fd);
    end(&served);
}

static void who_keeps_most_of_too_much_is_hung_up_on(void **state)
{
    (void)state;
    struct served served;
    struct http_limits limits = { .held_bytes = 100000, .body_bytes = 200000 };
    static const char head[] = "POST / HTTP/1.1\r\nContent-Length: 90000\r\n"
                               "Connection: close\r\n\r\n";
    static char body[90000];
    char answer[4096];
    serve(&served, &limits);
    int small = dial(&served);
    int large = dial(&served);
    assert_true(send(small, head, sizeof head - 1, MSG_NOSIGNAL) > 0);
    assert_int_equal(send(small, body, 30000, MSG_NOSIGNAL), 30000);
    assert_true(send(large, head, sizeof head - 1, MSG_NOSIGNAL) > 0);
    assert_int_equal(send(large, body, 80000, MSG_NOSIGNAL), 80000);
    assert_int_equal(hear(large, answer, sizeof answer), 0);
    assert_int_equal(send(small, body, 60000, MSG_NOSIGNAL), 60000);
    assert_true(hear(small, answer, sizeof answer) > 0);
    assert_non_null(strstr(answer, "body=90000"));
    (void)close(large);
    (void)close(small);
    end(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_told_apart_and_answered),
        cmocka_unit_test(heads_and_bodies_have_a_limit),
        cmocka_unit_test(a_request_cannot_hide_in_another),
        cmocka_unit_test(who_says_nothing_is_hung_up_on),
        cmocka_unit_test(only_so_many_connections_are_served_at_once),
        cmocka_unit_test(a_request_has_a_time_to_arrive_however_it_drips),
        cmocka_unit_test(who_keeps_most_of_too_much_is_hung_up_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
