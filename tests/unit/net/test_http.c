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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/time.h"
#include "net/http.h"
#include "net/http_screen.h"

struct served {
    struct loop *loop;
    struct http_listener *listener;
    pthread_t thread;
    unsigned port;
};

/* More than the kernel takes of a socket that nobody reads. */
enum { LARGE = 40 << 20 };

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
    int size = snprintf(request, sizeof request,
                        "GET / HTTP/1.1\r\nHost: a\r\nX-Long: %0*d\r\n\r\n", 2000, 0);
    ask(&served, request, (size_t)size, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 400"));
    size = snprintf(
        request, sizeof request,
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 100\r\n\r\n%0*d", 100,
        0);
    ask(&served, request, (size_t)size, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    assert_non_null(strstr(answer, "body=100"));
    size = snprintf(
        request, sizeof request,
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 101\r\n\r\n%0*d", 101,
        0);
    ask(&served, request, (size_t)size, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 413"));
    end(&served);
}

static time_us clock_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}

#define HIDDEN "GET /hidden HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define FIELDS(more) "POST /first HTTP/1.1\r\nHost: a\r\n" more "\r\n"
#define CHUNKED(body) FIELDS("Transfer-Encoding: chunked\r\n") body

static const char *const odd[] = {
    FIELDS("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n") "0\r\n\r\n",
    FIELDS("Content-Length: 0\r\nContent-Length: 40\r\n"),
    FIELDS("Content-Length: 0\r\nContent-Length: 0\r\n"),
    FIELDS("Content-Length: 0, 0\r\n"),
    FIELDS("Content-Length: -1\r\n"),
    FIELDS("Content-Length: +1\r\n") "1",
    FIELDS("Content-Length: 5x\r\n"),
    FIELDS("Content-Length: 0x1\r\n") "1",
    FIELDS("Content-Length: 1 1\r\n") "1",
    FIELDS("Content-Length:\t1\r\n") "1",
    FIELDS("Content-Length:\r\n"),
    FIELDS("Content-Length: 1000000000000000000\r\n"),
    FIELDS("Content-Length: 1\r\n 2\r\n") "1",
    FIELDS("Content-Length : 1\r\n") "1",
    FIELDS("Transfer-Encoding: identity\r\n"),
    FIELDS("Transfer-Encoding: xchunked\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding: chunked, chunked\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding: \"chunked\"\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding: chunked;a=b\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding:\tchunked\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding: chunked\t\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding: \vchunked\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding:\r\n chunked\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding : chunked\r\n") "0\r\n\r\n",
    FIELDS(" Transfer-Encoding: chunked\r\n") "0\r\n\r\n",
    FIELDS("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    CHUNKED("zz\r\n"),
    CHUNKED("0x1\r\n1\r\n0\r\n\r\n"),
    CHUNKED("+1\r\n1\r\n0\r\n\r\n"),
    CHUNKED("-1\r\n1\r\n0\r\n\r\n"),
    CHUNKED(" 1\r\n1\r\n0\r\n\r\n"),
    CHUNKED("1 \r\n1\r\n0\r\n\r\n"),
    CHUNKED("1;a=b\r\n1\r\n0\r\n\r\n"),
    CHUNKED("1 a\r\n1\r\n0\r\n\r\n"),
    CHUNKED("1\n1\r\n0\r\n\r\n"),
    CHUNKED("\r\n1\r\n1\r\n0\r\n\r\n"),
    CHUNKED("1\r\n10\r\n\r\n"),
    CHUNKED("1\r\n1\r\n\r\n0\r\n\r\n"),
    CHUNKED("1\r\n12\r\n0\r\n\r\n"),
    CHUNKED("1000000000000000\r\n"),
    CHUNKED("1\r\n1\r\n0\r\nContent-Length: 9\r\n\r\n"),
    CHUNKED("0\r\nX-Functions-Key: a\r\n\r\n"),
    CHUNKED("0\r\n\n"),
    FIELDS("Host: b\r\n"),
    "POST / HTTP/1.1\r\n\r\n",
    FIELDS("A\r\n"),
    FIELDS("A b: c\r\n"),
    FIELDS(": c\r\n"),
    FIELDS("A: b\r\n c\r\n"),
    FIELDS("A: b\n"),
    FIELDS("A: b\rC: d\r\n"),
    FIELDS("A: \001\r\n"),
    "GET / HTTP/1.1\nHost: a\n\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "GET / HTTP/1.10\r\nHost: a\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "GET / http/1.1\r\nHost: a\r\n\r\n",
    "GET /\r\n\r\n",
    "GET /\r\n",
    "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET //a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1",
    "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\026\003\001\002",
};

/* Two answers would mean that what one server takes for a body another takes for a request. Each is
 * refused as soon as it is seen, and in words, which is not what a time-out is like. */
static void a_request_cannot_hide_in_another(void **state)
{
    (void)state;
    struct served served;
    char request[2048];
    serve(&served, NULL);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        char answer[4096];
        size_t size = (size_t)snprintf(request, sizeof request, "%s" HIDDEN, odd[i]);
        time_us began = clock_us();
        ask(&served, request, size, answer, sizeof answer);
        if (strncmp(answer, "HTTP/1.1 4", 10) != 0 || strstr(answer + 1, "HTTP/1.1") != NULL ||
            strstr(answer, "Connection: close") == NULL || clock_us() - began > 2 * TIME_SECOND) {
            fail_msg("request %zu: %s\nis answered: %s", i, odd[i], answer);
        }
    }
    end(&served);
}

/* What came before it is answered. */
static void what_is_odd_takes_nothing_from_what_came_before(void **state)
{
    (void)state;
    struct served served;
    char answer[4096];
    static const char requests[] = FIELDS("Content-Length: 1\r\n") "1" CHUNKED(
        "a\r\n0123456789\r\n00\r\n\r\n") "GET /x HTTP/1.1\nHost: a\n\n" HIDDEN;
    serve(&served, NULL);
    for (size_t part = 1; part < sizeof requests; part++) {
        int fd = dial(&served);
        assert_true(send(fd, requests, part, MSG_NOSIGNAL) > 0);
        usleep(2000);
        (void)send(fd, requests + part, sizeof requests - 1 - part, MSG_NOSIGNAL);
        (void)hear(fd, answer, sizeof answer);
        (void)close(fd);
        const char *second = strstr(answer + 1, "HTTP/1.1 200");
        assert_non_null(second);
        assert_non_null(strstr(answer, "POST /first ? host=a body=1HTTP"));
        assert_non_null(strstr(second, "POST /first ? host=a body=10HTTP/1.1 400"));
        assert_null(strstr(answer, "hidden"));
    }
    end(&served);
}

static void bodies_end_where_they_are_said_to_whatever_the_method(void **state)
{
    static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };
    static const char *const bodies[] = { "Content-Length: 3\r\n\r\nabc",
                                          "Content-Length: 3 \r\n\r\nabc",
                                          "Transfer-Encoding: Chunked\r\n\r\n"
                                          "3\r\nabc\r\n0\r\n\r\n" };
    (void)state;
    struct served served;
    serve(&served, NULL);
    for (size_t i = 0; i < 18; i++) {
        char request[512], answer[4096], wanted[64];
        int size = snprintf(request, sizeof request, "%s / HTTP/1.1\r\nHost: a\r\n%s" HIDDEN,
                            methods[i / 3], bodies[i % 3]);
        ask(&served, request, (size_t)size, answer, sizeof answer);
        (void)snprintf(wanted, sizeof wanted, "%s / ? host=a body=3HTTP/1.1 200", methods[i / 3]);
        if (strstr(answer, wanted) == NULL || strstr(answer, "GET /hidden") == NULL) {
            fail_msg("%s\n%s", request, answer);
        }
    }
    end(&served);
}

static void a_head_is_answered_without_a_body(void **state)
{
    (void)state;
    struct served served;
    char answer[4096];
    static const char request[] = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" HIDDEN;
    serve(&served, NULL);
    ask(&served, request, sizeof request - 1, answer, sizeof answer);
    const char *end_of_head = strstr(answer, "\r\n\r\n");
    assert_non_null(end_of_head);
    assert_memory_equal(end_of_head + 4, "HTTP/1.1 200", 12);
    assert_null(strstr(answer, "HEAD /"));
    end(&served);
}

static void a_request_has_at_most_a_hundred_fields(void **state)
{
    (void)state;
    struct served served;
    serve(&served, NULL);
    for (size_t extra = 0; extra < 2; extra++) {
        char request[2048], answer[4096];
        int size =
            snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
        for (size_t i = 0; i < HTTP_FIELDS_MAX - 2 + extra; i++) {
            size += snprintf(request + size, sizeof request - (size_t)size, "A: b\r\n");
        }
        size += snprintf(request + size, sizeof request - (size_t)size, "\r\n");
        ask(&served, request, (size_t)size, answer, sizeof answer);
        assert_memory_equal(answer, extra == 0 ? "HTTP/1.1 200" : "HTTP/1.1 400", 12);
    }
    end(&served);
}

static void nul_is_no_part_of_a_request(void **state)
{
    static const char *const requests[] = { "GET /\1 HTTP/1.1\r\nHost: a\r\n\r\n",
                                            "GET / HTTP/1.1\r\nHost: a\r\nA: \1\r\n\r\n",
                                            "GET / HTTP/1.1\r\nHost: a\r\nA\1: b\r\n\r\n",
                                            "GET\1 / HTTP/1.1\r\nHost: a\r\n\r\n" };
    (void)state;
    struct served served;
    serve(&served, NULL);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        char request[256], answer[4096];
        size_t size = strlen(requests[i]);
        memcpy(request, requests[i], size);
        *(char *)memchr(request, 1, size) = '\0';
        ask(&served, request, size, answer, sizeof answer);
        assert_memory_equal(answer, "HTTP/1.1 400", 12);
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

static void when_there_is_no_room_who_has_been_silent_longest_makes_it(void **state)
{
    (void)state;
    struct served served;
    char answer[4096];
    struct http_limits limits = { .connections = 2 };
    const char *request = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    serve(&served, &limits);
    int first = dial(&served);
    usleep(100000);
    int second = dial(&served);
    usleep(50000);
    int third = dial(&served); /* waits in the kernel */
    (void)send(third, request, strlen(request), MSG_NOSIGNAL);
    struct timeval patience = { .tv_usec = 200000 };
    (void)setsockopt(third, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(hear(third, answer, sizeof answer), 0);
    patience.tv_sec = 5;
    (void)setsockopt(third, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)hear(third, answer, sizeof answer);
    assert_non_null(strstr(answer, "GET /x"));
    assert_int_equal(recv(first, answer, 1, 0), 0);
    (void)send(second, request, strlen(request), MSG_NOSIGNAL);
    (void)hear(second, answer, sizeof answer);
    assert_non_null(strstr(answer, "GET /x"));
    (void)close(first);
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
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
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

/* A body that is half there, of so many bytes; in chunks of 100 bytes where it says no length. */
static int dial_with_body(const struct served *served, size_t size, bool is_chunked)
{
    static const char head[] = FIELDS("Content-Length: 90000\r\nConnection: close\r\n");
    static const char chunked[] = CHUNKED("");
    static char body[90000];
    char chunk[128];
    int fd = dial(served);
    const char *first = is_chunked ? chunked : head;
    assert_true(send(fd, first, strlen(first), MSG_NOSIGNAL) > 0);
    if (!is_chunked) {
        assert_int_equal(send(fd, body, size, MSG_NOSIGNAL), size);
    }
    for (size_t i = 0; is_chunked && i < size / 100; i++) {
        int bytes = snprintf(chunk, sizeof chunk, "64\r\n%0100d\r\n", 0);
        assert_int_equal(send(fd, chunk, (size_t)bytes, MSG_NOSIGNAL), bytes);
    }
    return fd;
}

static void who_keeps_most_of_too_much_is_hung_up_on(void **state)
{
    (void)state;
    struct served served;
    struct http_limits limits = { .held_bytes = 100000, .body_bytes = 200000 };
    static const char rest[60000];
    serve(&served, &limits);
    for (int is_chunked = 0; is_chunked < 2; is_chunked++) {
        char answer[4096];
        int small = dial_with_body(&served, 30000, false);
        int large = dial_with_body(&served, 80000, is_chunked);
        assert_int_equal(hear(large, answer, sizeof answer), 0);
        assert_int_equal(recv(large, answer, 1, 0), 0); /* and not only silent */
        assert_int_equal(send(small, rest, sizeof rest, MSG_NOSIGNAL), sizeof rest);
        assert_true(hear(small, answer, sizeof answer) > 0);
        assert_non_null(strstr(answer, "body=90000"));
        (void)close(large);
        (void)close(small);
    }
    end(&served);
}

static void who_reads_an_answer_too_slowly_is_hung_up_on(void **state)
{
    (void)state;
    struct served served;
    struct http_limits limits = { .arrival_ms = 500 };
    static const char request[] = "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    static char piece[1 << 20];
    serve(&served, &limits);
    int slow = dial(&served);
    int steady = dial(&served);
    size_t heard = 0;
    assert_true(send(slow, request, sizeof request - 1, MSG_NOSIGNAL) > 0);
    assert_true(send(steady, request, sizeof request - 1, MSG_NOSIGNAL) > 0);
    for (ssize_t size = 1; size > 0; heard += (size_t)size) { /* takes two seconds */
        usleep(50000);
        size = recv(steady, piece, sizeof piece, MSG_WAITALL);
        assert_true(size >= 0);
    }
    assert_true(heard > LARGE);
    heard = 0;
    for (ssize_t size; (size = recv(slow, piece, sizeof piece, 0)) > 0;) {
        heard += (size_t)size; /* what was in the kernel */
    }
    assert_true(heard < LARGE);
    (void)close(slow);
    (void)close(steady);
    end(&served);
}

static void who_asks_whether_to_go_on_is_answered_before_the_body(void **state)
{
    (void)state;
    struct served served;
    struct http_limits limits = { .body_bytes = 100 };
    char answer[4096] = "";
    static const char go_on[] = FIELDS("Expect: 100-continue\r\nContent-Length: 5\r\n"
                                       "Connection: close\r\n");
    static const char too_large[] = FIELDS("Expect: 100-continue\r\nContent-Length: 101\r\n");
    static const char miracles[] = FIELDS("Expect: miracles\r\nContent-Length: 5\r\n") "hello";
    serve(&served, &limits);
    int fd = dial(&served);
    assert_true(send(fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL) > 0);
    assert_true(recv(fd, answer, sizeof answer - 1, 0) > 0);
    assert_memory_equal(answer, "HTTP/1.1 100", 12);
    assert_int_equal(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
    (void)hear(fd, answer, sizeof answer);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_non_null(strstr(answer, "body=5"));
    (void)close(fd);
    ask(&served, too_large, sizeof too_large - 1, answer, sizeof answer);
    assert_memory_equal(answer, "HTTP/1.1 413", 12);
    ask(&served, miracles, sizeof miracles - 1, answer, sizeof answer);
    assert_memory_equal(answer, "HTTP/1.1 417", 12);
    end(&served);
}

static void thousands_of_requests_may_come_at_once_and_are_answered_in_order(void **state)
{
    enum { COUNT = 3000 };
    (void)state;
    struct served served;
    static char requests[COUNT * 64], answers[COUNT * 256];
    size_t size = 0;
    for (int i = 0; i < COUNT; i++) {
        size += (size_t)snprintf(requests + size, sizeof requests - size,
                                 "GET /n%d HTTP/1.1\r\nHost: a\r\n%s\r\n", i,
                                 i == COUNT - 1 ? "Connection: close\r\n" : "");
    }
    serve(&served, NULL);
    ask(&served, requests, size, answers, sizeof answers);
    const char *at = answers;
    for (int i = 0; i < COUNT; i++) {
        char wanted[32];
        (void)snprintf(wanted, sizeof wanted, "GET /n%d ?", i);
        at = strstr(at, wanted);
        assert_non_null(at);
    }
    end(&served);
}

/* Opens the file descriptors that there may still be; how many. */
static size_t use_up_files(int *fds, size_t room)
{
    size_t count = 0;
    while (count < room && (fds[count] = dup(STDERR_FILENO)) >= 0) {
        count++;
    }
    return count;
}

static int64_t processor_us(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * TIME_SECOND + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static void without_files_it_waits_and_does_not_spin(void **state)
{
    (void)state;
    struct served served;
    struct rlimit limit, less;
    static int fds[256];
    char answer[4096];
    const char *request = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    serve(&served, NULL);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    less = limit;
    less.rlim_cur = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
    int fd = dial(&served);
    usleep(20000); /* it has a connection, and another one is not to be had */
    size_t count = use_up_files(fds, 256);
    assert_true(count > 1 && count < 256);
    (void)close(fds[--count]);
    int waits = dial(&served);
    int64_t before = processor_us();
    (void)send(waits, request, strlen(request), MSG_NOSIGNAL);
    usleep(400000);
    assert_true(processor_us() - before < 100 * TIME_MS);
    while (count > 0) {
        (void)close(fds[--count]);
    }
    (void)hear(waits, answer, sizeof answer);
    assert_non_null(strstr(answer, "GET /x"));
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)close(fd);
    (void)close(waits);
    end(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_told_apart_and_answered),
        cmocka_unit_test(heads_and_bodies_have_a_limit),
        cmocka_unit_test(a_request_cannot_hide_in_another),
        cmocka_unit_test(what_is_odd_takes_nothing_from_what_came_before),
        cmocka_unit_test(bodies_end_where_they_are_said_to_whatever_the_method),
        cmocka_unit_test(a_head_is_answered_without_a_body),
        cmocka_unit_test(a_request_has_at_most_a_hundred_fields),
        cmocka_unit_test(nul_is_no_part_of_a_request),
        cmocka_unit_test(who_says_nothing_is_hung_up_on),
        cmocka_unit_test(when_there_is_no_room_who_has_been_silent_longest_makes_it),
        cmocka_unit_test(a_request_has_a_time_to_arrive_however_it_drips),
        cmocka_unit_test(who_keeps_most_of_too_much_is_hung_up_on),
        cmocka_unit_test(who_reads_an_answer_too_slowly_is_hung_up_on),
        cmocka_unit_test(who_asks_whether_to_go_on_is_answered_before_the_body),
        cmocka_unit_test(thousands_of_requests_may_come_at_once_and_are_answered_in_order),
        cmocka_unit_test(without_files_it_waits_and_does_not_spin),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as every server does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
