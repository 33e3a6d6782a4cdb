/* SPDX-License-Identifier: MIT
 *
 * HTTP/1.1: what is too much, too long, too slow. */
#include "http_kit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net/http_screen.h"

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

/* Of a head the bytes of its lines count, without what ends them. */
static void a_head_at_its_limit_is_taken_and_one_past_it_is_not(void **state)
{
    static const char lines[] = "GET / HTTP/1.1Host: aConnection: closeX: ";
    (void)state;
    struct served served;
    struct http_limits limits = { .header_bytes = 1024 };
    serve(&served, &limits);
    for (int past = 0; past < 2; past++) {
        char request[2048], answer[4096];
        int rest = 1024 - (int)(sizeof lines - 1) + past;
        int size =
            snprintf(request, sizeof request,
                     "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: %0*d\r\n\r\n", rest, 0);
        ask(&served, request, (size_t)size, answer, sizeof answer);
        assert_memory_equal(answer, past ? "HTTP/1.1 400" : "HTTP/1.1 200", 12);
    }
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
        cmocka_unit_test(heads_and_bodies_have_a_limit),
        cmocka_unit_test(a_head_at_its_limit_is_taken_and_one_past_it_is_not),
        cmocka_unit_test(a_request_has_at_most_a_hundred_fields),
        cmocka_unit_test(who_says_nothing_is_hung_up_on),
        cmocka_unit_test(when_there_is_no_room_who_has_been_silent_longest_makes_it),
        cmocka_unit_test(a_request_has_a_time_to_arrive_however_it_drips),
        cmocka_unit_test(who_keeps_most_of_too_much_is_hung_up_on),
        cmocka_unit_test(who_reads_an_answer_too_slowly_is_hung_up_on),
        cmocka_unit_test(who_asks_whether_to_go_on_is_answered_before_the_body),
        cmocka_unit_test(without_files_it_waits_and_does_not_spin),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as every server does */
    return cmocka_run_group_tests_name("net: limits of HTTP", tests, NULL, NULL);
}
