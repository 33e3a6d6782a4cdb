/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1: what is asked, what is answered, and what is none. Requests are bytes on a socket, so
 * that no client puts right what is wrong with them. */
#include "http_kit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
    static const char *const bodies[] = {
        "Content-Length: 3\r\n\r\nabc", "Content-Length: 3 \r\n\r\nabc",
        "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    };
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_told_apart_and_answered),
        cmocka_unit_test(a_request_cannot_hide_in_another),
        cmocka_unit_test(what_is_odd_takes_nothing_from_what_came_before),
        cmocka_unit_test(bodies_end_where_they_are_said_to_whatever_the_method),
        cmocka_unit_test(a_head_is_answered_without_a_body),
        cmocka_unit_test(nul_is_no_part_of_a_request),
        cmocka_unit_test(thousands_of_requests_may_come_at_once_and_are_answered_in_order),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as every server does */
    return cmocka_run_group_tests_name("net: HTTP", tests, NULL, NULL);
}
