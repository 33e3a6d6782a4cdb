/* SPDX-License-Identifier: MIT
 *
 * TLS of the HTTP port: who a certificate makes of a client, what is no TLS that we speak,
 * handshakes that are never over, certificates that change under way. */
#include "browser.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "certificates.h"
#include "line.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { COUNTS_MEMORY = 0 };
#else
enum { COUNTS_MEMORY = 1 };
#endif

enum { STALLED = 300, MANY = 1100 };

static const char key[] = "operator-0123456789abcdef";
static struct served served;

static void begin(bool asks_clients, const char *tokens, const char *more)
{
    static char options[4][96];
    static char file[] = "/tmp/perdure-tokens-XXXXXX";
    const char *all[8] = { "--http=127.0.0.1:0", options[0], options[1] };
    size_t count = 3;
    (void)snprintf(options[0], sizeof options[0], "--tls-cert=%s", certificate_file("server.pem"));
    (void)snprintf(options[1], sizeof options[1], "--tls-key=%s", certificate_file("server.key"));
    if (asks_clients) {
        (void)snprintf(options[2], sizeof options[2], "--tls-client-ca=%s",
                       certificate_file("ca.pem"));
        all[count++] = options[2];
    }
    if (tokens != NULL) {
        (void)snprintf(file, sizeof file, "/tmp/perdure-tokens-XXXXXX");
        int fd = mkstemp(file);
        assert_true(fd >= 0 && dprintf(fd, "%s", tokens) > 0);
        close(fd);
        (void)snprintf(options[3], sizeof options[3], "--tokens=%s", file);
        all[count++] = options[3];
    }
    if (more != NULL) {
        all[count++] = more;
    }
    served_start(&served, all);
    if (tokens != NULL) {
        (void)unlink(file);
    }
}

/* The code that this client gets; 0: no connection. */
static int code_for(const char *who, const char *method, const char *path, const char *headers)
{
    served.shows = who;
    return browser_ask(&served, method, path, headers, NULL).code;
}

static time_us now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}

/* ---- who ------------------------------------------------------------------------------------- */

static void lines_of_the_token_file_judge_certificates(void **state)
{
    char tokens[256];
    char header[64];
    (void)state;
    (void)snprintf(tokens, sizeof tokens,
                   "subject:alice read default\nsubject:bob read,operate *\n%s operate default\n",
                   key);
    (void)snprintf(header, sizeof header, "x-functions-key: %s\r\n", key);
    begin(true, tokens, NULL);
    assert_int_equal(code_for("alice", "GET", "/instances", NULL), 200);
    assert_int_equal(code_for("alice", "GET", "/instances?taskHub=other", NULL), 403);
    assert_int_equal(code_for("alice", "POST", "/orchestrators/Flow", NULL), 403);
    assert_int_equal(code_for("alice", "GET", "!/metrics", NULL), 401);
    assert_int_equal(code_for("bob", "POST", "/orchestrators/Flow", NULL), 202);
    assert_int_equal(code_for("bob", "GET", "!/metrics", NULL), 200);
    assert_int_equal(code_for("nameless", "GET", "/instances", NULL), 401);
    assert_int_equal(code_for(NULL, "GET", "/instances", NULL), 401);
    assert_int_equal(code_for(NULL, "GET", "!/livez", NULL), 200);
    /* Either is enough. */
    assert_int_equal(code_for(NULL, "POST", "/orchestrators/Flow", header), 202);
    assert_int_equal(code_for("alice", "POST", "/orchestrators/Flow", header), 202);
    assert_int_equal(code_for("alice", "GET", "/instances", header), 200);
    assert_int_equal(
        code_for("alice", "GET", "/instances", "Authorization: Bearer nobody-0123456789\r\n"), 200);
    served_stop(&served);
}

static void without_tokens_a_certificate_is_enough_and_none_is_nobody(void **state)
{
    (void)state;
    begin(true, NULL, NULL);
    assert_int_equal(code_for("alice", "POST", "/orchestrators/Flow", NULL), 202);
    assert_int_equal(code_for("nameless", "GET", "/instances", NULL), 200);
    assert_int_equal(code_for("alice", "GET", "!/metrics", NULL), 200);
    assert_int_equal(code_for(NULL, "GET", "/instances", NULL), 401);
    assert_int_equal(code_for(NULL, "GET", "!/metrics", NULL), 401);
    assert_int_equal(code_for(NULL, "GET", "!/readyz", NULL), 200);
    served_stop(&served);
}

static void certificates_that_are_over_or_of_others_get_no_connection(void **state)
{
    (void)state;
    begin(true, NULL, NULL);
    assert_int_equal(code_for("expired", "GET", "!/livez", NULL), 0);
    assert_int_equal(code_for("stranger", "GET", "!/livez", NULL), 0);
    assert_int_equal(code_for("alice", "GET", "!/livez", NULL), 200);
    served_stop(&served);
}

/* A browser shows its user's certificate to whoever asks through it. */
static void pages_of_others_do_not_borrow_a_certificate(void **state)
{
    char tokens[128];
    static const char evil[] = "Host: a.example\r\nOrigin: https://evil.example\r\n";
    static const char own[] = "Host: a.example\r\nOrigin: https://a.example\r\n";
    (void)state;
    (void)snprintf(tokens, sizeof tokens, "subject:bob operate *\n");
    for (int with_tokens = 0; with_tokens < 2; with_tokens++) {
        begin(true, with_tokens ? tokens : NULL, NULL);
        assert_int_equal(code_for("bob", "POST", "/orchestrators/Flow", evil), 403);
        assert_int_equal(code_for("bob", "POST", "/orchestrators/Flow", own), 202);
        served_stop(&served);
    }
}

/* ---- what is no TLS of ours ------------------------------------------------------------------ */

static void versions_before_1_2_are_not_spoken(void **state)
{
    static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION };
    (void)state;
    begin(false, NULL, NULL);
    for (size_t i = 0; i < 4; i++) {
        struct line line;
        assert_int_equal(line_open_with(&line, &served, versions[i]), i >= 2);
        line_close(&line);
    }
    served_stop(&served);
}

static void http_in_the_clear_is_hung_up_on_at_once(void **state)
{
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char byte[64];
    (void)state;
    begin(false, NULL, NULL);
    int fd = line_dial(&served);
    time_us began = now_us();
    assert_true(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0);
    while (recv(fd, byte, sizeof byte, 0) > 0) {
        assert_null(memmem(byte, sizeof byte, "HTTP/1.1 200", 12));
    }
    assert_true(now_us() - began < 2 * TIME_SECOND);
    (void)close(fd);
    served_stop(&served);
}

/* ---- handshakes that are never over ---------------------------------------------------------- */

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    (void)fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The beginning of a handshake, or nothing at all. */
static int stall(int index)
{
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03random bytes, or so";
    int fd = line_dial(&served);
    if (index % 2 == 0) {
        (void)send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL);
    }
    return fd;
}

static int count_open(const int *fds, int count)
{
    int open = 0;
    for (int i = 0; i < count; i++) {
        char byte;
        open += recv(fds[i], &byte, 1, MSG_DONTWAIT) < 0 && (errno == EAGAIN);
    }
    return open;
}

static void handshakes_that_stall_cost_little_and_end(void **state)
{
    static int fds[STALLED];
    (void)state;
    begin(false, NULL, "--handshake=1500ms");
    assert_int_equal(code_for(NULL, "GET", "/instances", NULL), 200);
    long before = resident_kib();
    for (int i = 0; i < STALLED; i++) {
        fds[i] = stall(i);
    }
    assert_int_equal(code_for(NULL, "GET", "/instances", NULL), 200);
    assert_int_equal(count_open(fds, STALLED), STALLED);
    long grown = resident_kib() - before;
    if (COUNTS_MEMORY && grown > 64L * STALLED) { /* half of them 48 KiB, as measured */
        fail_msg("%ld KiB for %d handshakes", grown, STALLED);
    }
    time_us began = now_us();
    while (count_open(fds, STALLED) != 0) {
        assert_true(now_us() - began < 8 * TIME_SECOND);
        usleep(50000);
    }
    assert_int_equal(code_for(NULL, "GET", "/instances", NULL), 200);
    for (int i = 0; i < STALLED; i++) {
        (void)close(fds[i]);
    }
    served_stop(&served);
}

static bool may_open(rlim_t count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < count) {
        return false;
    }
    limit.rlim_cur = limit.rlim_cur < count ? count : limit.rlim_cur;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void more_handshakes_than_may_be_do_not_shut_others_out(void **state)
{
    static int fds[MANY];
    (void)state;
    if (!may_open(2 * MANY + 100)) {
        skip();
    }
    begin(false, NULL, "--handshake=10m");
    for (int i = 0; i < MANY; i++) {
        fds[i] = stall(i);
    }
    assert_int_equal(code_for(NULL, "GET", "/instances", NULL), 200);
    for (int i = 0; i < MANY; i++) {
        (void)close(fds[i]);
    }
    served_stop(&served);
}

/* ---- certificates that change ---------------------------------------------------------------- */

static long serial_of(const struct line *line)
{
    const X509 *certificate = SSL_get0_peer_certificate(line->ssl);
    assert_non_null(certificate);
    return ASN1_INTEGER_get(X509_get0_serialNumber(certificate));
}

static long serial_now(void)
{
    struct line line;
    assert_true(line_open(&line, &served));
    long serial = serial_of(&line);
    line_close(&line);
    return serial;
}

static atomic_bool is_over;

static void *ask_on(void *argument)
{
    size_t *count = argument;
    for (; !atomic_load(&is_over) || *count == 0; (*count)++) {
        struct line line;
        char answer[1024] = "";
        static const char request[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n"
                                      "Connection: close\r\n\r\n";
        if (!line_open(&line, &served) ||
            line_send(&line, request, sizeof request - 1) != sizeof request - 1 ||
            line_hear(&line, answer, sizeof answer - 1) <= 0 ||
            strncmp(answer, "HTTP/1.1 200", 12) != 0) {
            *count = 0;
            line_close(&line);
            return NULL;
        }
        line_close(&line);
    }
    return NULL;
}

static void certificates_change_while_requests_run(void **state)
{
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct line kept;
    pthread_t threads[2];
    size_t counts[2] = { 0, 0 };
    char answer[1024];
    (void)state;
    begin(true, NULL, NULL);
    assert_true(line_open(&kept, &served));
    long first = serial_of(&kept);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_on, &counts[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        long before = serial_now();
        certificate_renew();
        server_reload(served.server, NULL);
        time_us began = now_us();
        while (serial_now() == before) {
            assert_true(now_us() - began < 8 * TIME_SECOND);
        }
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(counts[i] > 0); /* 0: a request was not answered */
    }
    /* Who came before still is served, with what was then. */
    assert_int_equal(line_send(&kept, request, sizeof request - 1), sizeof request - 1);
    assert_true(line_hear(&kept, answer, sizeof answer) > 0);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_int_equal(serial_of(&kept), first);
    line_close(&kept);
    served_stop(&served);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_the_token_file_judge_certificates),
        cmocka_unit_test(without_tokens_a_certificate_is_enough_and_none_is_nobody),
        cmocka_unit_test(certificates_that_are_over_or_of_others_get_no_connection),
        cmocka_unit_test(pages_of_others_do_not_borrow_a_certificate),
        cmocka_unit_test(versions_before_1_2_are_not_spoken),
        cmocka_unit_test(http_in_the_clear_is_hung_up_on_at_once),
        cmocka_unit_test(handshakes_that_stall_cost_little_and_end),
        cmocka_unit_test(more_handshakes_than_may_be_do_not_shut_others_out),
        cmocka_unit_test(certificates_change_while_requests_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
