/* SPDX-License-Identifier: MIT
 *
 * The module for HTTP requests, loaded as libperdure loads it, against a server that does what a
 * test wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "asking.h"

/* ---- answers --------------------------------------------------------------------------------- */

static void an_answer_has_status_headers_and_content_in_the_words_of_who_asked(void **state)
{
    (void)state;
    assert_answers(
        "[{\"method\":\"GET\",\"uri\":\"@/ok\"}]", FETCH_OURS,
        "{\"statusCode\":200,\"headers\":{\"x-twice\":[\"a\",\"b\"],\"set-cookie\":["
        "\"c=1\",\"d=2\"],\"content-length\":\"5\"},\"content\":\"hello\",\"effectiveUri\":");
    assert_answers("{\"uri\":\"@/ok\"}", FETCH_DOTNET,
                   "{\"x-twice\":\"a, b\",\"set-cookie\":\"c=1\",\"content-length\":\"5\"}");
    assert_answers("{\"uri\":\"@/to/302//ok\"}", FETCH_WORKER, "/ok\"}");
    assert_answers("{\"uri\":\"@/status/404\"}", FETCH_OURS, "{\"statusCode\":404");
    assert_answers("{\"uri\":\"@/names\"}", FETCH_DOTNET, "\"content\":\"\"}"); /* empty */
    assert_answers("{\"method\":\"HEAD\",\"uri\":\"@/ok\"}", FETCH_DOTNET,
                   "\"content-length\":\"5\"},\"content\":\"\"}");
    assert_answers("{\"uri\":\"@/status/500\"}", FETCH_DOTNET, "\"content\":\"text\"}");
}

static void a_request_is_sent_as_it_was_written(void **state)
{
    (void)state;
    struct asked asked;
    ask(&asked,
        "{\"method\":\"PATCH\",\"uri\":\"@/echo\",\"content\":\"{\\\"a\\\":1}\",\"headers\":{"
        "\"Content-Type\":\"application/json\",\"X-One\":\"1\",\"X-Many\":[\"a\",\"b\"],"
        "\"Host\":\"elsewhere\",\"Content-Length\":\"99\",\"Transfer-Encoding\":\"chunked\","
        "\"X-Empty\":\"\"}}",
        FETCH_OURS);
    assert_has(asked.response, "PATCH /echo HTTP/1.1\\u000d\\u000aHost: 127.0.0.1:");
    assert_has(asked.response, "Content-Type: application/json\\u000d");
    assert_has(asked.response, "X-Many: a\\u000d\\u000aX-Many: b\\u000d");
    assert_has(asked.response, "X-Empty:\\u000d");
    assert_has(asked.response, "Content-Length: 7\\u000d");
    assert_has(asked.response, "{\\\"a\\\":1}\",\"effectiveUri\":");
    assert_null(strstr(asked.response, "elsewhere"));
    assert_null(strstr(asked.response, "chunked"));
    assert_has(asked.response, "User-Agent: perdure/");
    asked_done(&asked);
    ask(&asked, "{\"uri\":\"@/echo\",\"headers\":{\"user-agent\":\"mine/1\"}}", FETCH_OURS);
    assert_has(asked.response, "user-agent: mine/1\\u000d");
    assert_null(strstr(asked.response, "perdure/"));
    asked_done(&asked);
    ask(&asked, "{\"uri\":\"@/echo\",\"headers\":{\"User-Agent\":\"\"}}", FETCH_OURS);
    assert_has(asked.response, "User-Agent:\\u000d");
    asked_done(&asked);
    assert_answers("{\"method\":\"GET\",\"uri\":\"@/echo\",\"content\":\"with a body\"}",
                   FETCH_OURS, "Content-Type: text/plain\\u000d");
    assert_answers("{\"method\":7,\"uri\":\"@/echo\"}", FETCH_OURS, "\"content\":\"GET /echo");
    assert_answers(
        "{\"uri\":\"@/echo\",\"content\":\"x\",\"headers\":{\"Content-Encoding\":\"br\"}}",
        FETCH_OURS, "Content-Encoding: br\\u000d");
    assert_answers("{\"method\":\"POST\",\"uri\":\"@/echo\",\"content\":\"a=1\",\"headers\":{"
                   "\"content-type\":[\"x\",\"application/x-www-form-urlencoded\"]}}",
                   FETCH_OURS, "application/x-www-form-urlencoded; charset=utf-8\\u000d");
    ask(&asked, "{\"uri\":\"@/echo\",\"headers\":{\"content-type\":\"a/b\"}}", FETCH_OURS);
    assert_null(strcasestr(asked.response, "Content-Type"));
    asked_done(&asked);
}

static void text_of_any_charset_arrives_as_utf8(void **state)
{
    (void)state;
    assert_answers("{\"uri\":\"@/latin\"}", FETCH_OURS, "\"content\":\"gr\xc3\xbcn\"");
    assert_answers("{\"uri\":\"@/bad\"}", FETCH_OURS,
                   "\"content\":\"a\xef\xbf\xbd\xef\xbf\xbd\x62\"");
    assert_answers("{\"uri\":\"@/bad\"}", FETCH_OURS, "\"x-bad\":\"\xef\xbf\xbd\"");
}

/* ---- redirections ---------------------------------------------------------------------------- */

static void redirections_are_followed_as_browsers_do(void **state)
{
    (void)state;
    assert_answers("{\"uri\":\"@/to/301/@/ok\"}", FETCH_OURS, "hello");
    assert_answers("{\"method\":\"POST\",\"uri\":\"@/to/302/@/echo\",\"content\":\"x\"}",
                   FETCH_OURS, "\"content\":\"GET /echo");
    assert_answers("{\"method\":\"PUT\",\"uri\":\"@/to/303/@/echo\",\"content\":\"x\"}", FETCH_OURS,
                   "\"content\":\"GET /echo");
    assert_answers("{\"method\":\"PUT\",\"uri\":\"@/to/302/@/echo\",\"content\":\"x\"}", FETCH_OURS,
                   "\"content\":\"PUT /echo");
    assert_answers("{\"method\":\"POST\",\"uri\":\"@/to/307/@/echo\",\"content\":\"body\"}",
                   FETCH_OURS, "\\u000abody\"");
    assert_answers("{\"uri\":\"@/to/302/ftp://127.0.0.1/x\"}", FETCH_OURS, "\"statusCode\":302");
    assert_answers("{\"uri\":\"@/to/302/file:///etc/passwd\"}", FETCH_OURS, "\"statusCode\":302");
    int before = atomic_load(&server.requests);
    assert_answers("{\"uri\":\"@/loop\"}", FETCH_OURS, "\"statusCode\":302");
    assert_int_equal(atomic_load(&server.requests) - before, 21); /* 20 redirections */
}

static void a_delivery_is_not_redirected_and_no_body_of_its_answer_is_kept(void **state)
{
    static const char *const paths[][2] = {
        { "/to/302/@/ok", "{\"statusCode\":302," },
        { "/to/307/@/ok", "{\"statusCode\":307," },
        { "/ok", "{\"statusCode\":200," },
    };
    (void)state;
    struct fetcher *fetcher = open_with("127.0.0.0/8", 0);
    for (size_t i = 0; i < 3; i++) {
        char input[256];
        struct asked asked;
        int before = atomic_load(&server.requests);
        (void)snprintf(input, sizeof input, "{\"method\":\"POST\",\"uri\":\"@%s\"}", paths[i][0]);
        asked_init(&asked, with_server(input), FETCH_OURS);
        asked.request.is_delivery = true;
        module->start(fetcher, &asked.request);
        asked_wait(&asked);
        assert_has(asked.response, paths[i][1]);
        assert_has(asked.response, "\"content\":\"\"");
        assert_int_equal(atomic_load(&server.requests) - before, 1);
        asked_done(&asked);
    }
    module->close(fetcher);
}

static void another_origin_is_told_nothing_that_is_secret(void **state)
{
    (void)state;
    static const char headers[] =
        "\"headers\":{\"Authorization\":\"s1\",\"Cookie\":\"s2\",\"X-Functions-Key\":\"s3\","
        "\"Proxy-Authorization\":\"s4\",\"X-Other\":\"kept\"}";
    char input[1024], name[64];
    struct asked asked;
    (void)snprintf(name, sizeof name, "http://127.0.0.2:%u", server.port);
    (void)snprintf(input, sizeof input, "{\"uri\":\"@/to/307/@/echo\",%s}", headers);
    ask(&asked, input, FETCH_OURS);
    for (int i = 1; i <= 4; i++) {
        char secret[3] = { 's', (char)('0' + i), 0 };
        assert_has(asked.response, secret);
    }
    asked_done(&asked);
    (void)snprintf(input, sizeof input, "{\"uri\":\"@/to/307/http://localhost:%u/echo\",%s}",
                   server.port, headers);
    ask(&asked, input, FETCH_OURS);
    assert_has(asked.response, "kept");
    for (int i = 1; i <= 4; i++) {
        char secret[3] = { 's', (char)('0' + i), 0 };
        assert_null(strstr(asked.response, secret));
    }
    asked_done(&asked);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void what_is_no_request_is_refused_before_anything_is_sent(void **state)
{
    (void)state;
    static const char *const inputs[] = {
        "",
        "{",
        "[]",
        "[{},{}]",
        "{}",
        "{\"uri\":1}",
        "{\"uri\":\"/ok\"}",
        "{\"uri\":\"ftp://127.0.0.1/\"}",
        "{\"uri\":\"file:///etc/passwd\"}",
        "{\"uri\":\"gopher://127.0.0.1/\"}",
        "{\"uri\":\"@/ok\",\"method\":\"G E T\"}",
        "{\"uri\":\"@/ok\",\"headers\":[]}",
        "{\"uri\":\"@/ok\",\"headers\":{\"a b\":\"c\"}}",
        "{\"uri\":\"@/ok\",\"headers\":{\"a\":\"b\\r\\nc: d\"}}",
        "{\"uri\":\"@/ok\",\"headers\":{\"a\":1}}",
        "{\"uri\":\"@/ok\",\"method\":\"HEAD\",\"content\":\"\"}",
        "{\"uri\":\"@/ok\",\"content\":7}",
        "{\"uri\":\"@/ok\",\"content\":{\"a\":1}}",
        "{\"uri\":\"@/ok\",\"content\":false}",
        "{\"uri\":\"@/ok\",\"retryOptions\":7}",
        "{\"uri\":\"@/ok\",\"timeout\":1}",
        "{\"uri\":\"@/ok\",\"timeout\":\"00:00:00\"}",
        "{\"uri\":\"@/ok\",\"timeout\":\"soon\"}",
        "{\"uri\":\"@/ok\",\"timeout\":\"-00:00:01\"}",
        "{\"uri\":\"@/ok\",\"timeout\":\"00:60:00\"}",
        "{\"uri\":\"@/ok\",\"content\":\"x\",\"headers\":{\"Content-Type\":\"multipart/x\"}}",
    };
    int before = atomic_load(&server.requests);
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        struct asked asked;
        ask(&asked, inputs[i], FETCH_OURS);
        if (asked.type == NULL || strcmp(asked.type, "BadInput") != 0 || !asked.is_final) {
            fail_msg("%s: %s", inputs[i], asked.type != NULL ? asked.message : asked.response);
        }
        asked_done(&asked);
    }
    assert_int_equal(atomic_load(&server.requests), before);
    assert_fails(inputs[sizeof inputs / sizeof inputs[0] - 1], FETCH_DOTNET,
                 "System.ArgumentException",
                 "Multipart content is not supported with CallHttpAsync.");
}

static void
a_request_has_the_time_that_it_was_given_or_100_s_and_never_more_than_may_be(void **state)
{
    static const struct {
        const char *input;
        int64_t ms;
    } rows[] = {
        { "{\"uri\":\"http://h/\"}", 100000 },
        { "{\"uri\":\"http://h/\",\"timeout\":null}", 100000 },
        { "{\"uri\":\"http://h/\",\"timeout\":\"00:00:01\"}", 1000 },
        { "{\"uri\":\"http://h/\",\"timeout\":\"00:03:20\"}", 200000 },
        { "{\"uri\":\"http://h/\",\"timeout\":\"01:00:00\"}", 300000 },
        { "{\"uri\":\"http://h/\",\"timeout\":\"-00:00:00.0010000\"}", 300000 }, /* none */
    };
    struct arena arena;
    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct order order;
        const char *why;
        assert_true(order_read(text_of(rows[i].input), &arena, &order, &why));
        assert_int_equal(order_limit_ms(&order, 300000), rows[i].ms);
        assert_true(order_limit_ms(&order, 500) == 500);
    }
    arena_done(&arena);
}

static void names_of_headers_that_differ_in_case_are_one_and_the_last_is_sent(void **state)
{
    struct asked asked;
    (void)state;
    ask(&asked,
        "{\"uri\":\"@/echo\",\"headers\":{\"X-A\":\"first\",\"Authorization\":\"one\",\"x-a\":"
        "[\"last\",\"too\"],\"AUTHORIZATION\":\"two\",\"X-B\":[\"gone\"],\"x-b\":\"stays\"}}",
        FETCH_OURS);
    assert_has(asked.response, "x-a: last\\u000d\\u000ax-a: too\\u000d");
    assert_has(asked.response, "AUTHORIZATION: two\\u000d");
    assert_has(asked.response, "x-b: stays\\u000d");
    assert_null(strstr(asked.response, "first"));
    assert_null(strstr(asked.response, "one"));
    assert_null(strstr(asked.response, "gone"));
    asked_done(&asked);
}

static void a_request_has_a_thousand_headers_and_not_one_more(void **state)
{
    static char input[64 * 1024];
    (void)state;
    for (int more = 0; more <= 1; more++) {
        size_t size = (size_t)snprintf(
            input, sizeof input,
            "{\"uri\":\"http://127.0.0.1:%u/ok\",\"headers\":{\"b\":\"x\",\"a\":[", server.port);
        for (int i = 0; i < 999 + more; i++) {
            size +=
                (size_t)snprintf(input + size, sizeof input - size, "%s\"v\"", i > 0 ? "," : "");
        }
        (void)snprintf(input + size, sizeof input - size, "]}}");
        struct asked asked;
        struct fetcher *fetcher = open_with("private", 0);
        asked_init(&asked, input, FETCH_OURS);
        module->start(fetcher, &asked.request);
        asked_wait(&asked);
        assert_int_equal(asked.type != NULL, more);
        assert_true(more == 0 || strcmp(asked.type, "BadInput") == 0);
        asked_done(&asked);
        module->close(fetcher);
    }
}

/* 2.4: of a conversation for an activity of .NET, which has to know where the answer came from. */
static void a_step_s_answer_is_dotnet_s_and_says_where_it_came_from(void **state)
{
    (void)state;
    assert_answers("{\"uri\":\"@/to/302//ok\"}", FETCH_STEP,
                   "\"x-twice\":\"a, b\",\"set-cookie\":\"c=1\"");
    assert_answers("{\"uri\":\"@/to/302//ok\"}", FETCH_STEP, "/ok\"}");
    assert_answers("{\"uri\":\"@/to/302//ok\"}", FETCH_DOTNET, "\"content\":\"hello\"}");
    assert_fails("{\"uri\":\"@/reset\"}", FETCH_STEP, "System.Net.Http.HttpRequestException", "");
}

static void a_time_that_passes_is_a_failure_that_names_it(void **state)
{
    (void)state;
    assert_fails("{\"uri\":\"@/slow\",\"timeout\":\"00:00:00.3\"}", FETCH_DOTNET,
                 "System.TimeoutException", "Reached user specified timeout: 00:00:00.3.");
    assert_fails("{\"uri\":\"@/drip\",\"timeout\":\"00:00:00.3\"}", FETCH_OURS, "HttpTimeout",
                 "Reached user specified timeout: 00:00:00.3.");
    /* It is that of all redirections together. */
    assert_fails("{\"uri\":\"@/to/302//slow\",\"timeout\":\"00:00:00.3\"}", FETCH_OURS,
                 "HttpTimeout", "00:00:00.3");
}

static void a_request_that_waits_for_a_connection_is_timed_too(void **state)
{
    struct fetcher *fetcher =
        open_by(&(struct fetch_options){ .allow = "private", .connections = 1 });
    struct asked slow, second;
    (void)state;
    asked_init(&slow, with_server("{\"uri\":\"@/slow\"}"), FETCH_OURS);
    module->start(fetcher, &slow.request);
    for (int i = 0; i < 500 && atomic_load(&server.open) == 0; i++) {
        (void)usleep(10000);
    }
    time_us began = fetch_now();
    char input[128];
    (void)snprintf(input, sizeof input, "%s",
                   with_server("{\"uri\":\"@/ok\",\"timeout\":\"00:00:00.3\"}"));
    asked_init(&second, input, FETCH_OURS);
    module->start(fetcher, &second.request);
    asked_wait(&second);
    assert_string_equal(second.type, "HttpTimeout");
    assert_has(second.message, "it was not sent: too many requests to this server came before it. "
                               "Reached user specified timeout: 00:00:00.3.");
    assert_true(fetch_now() - began < 5 * TIME_SECOND);
    asked_done(&second);
    module->close(fetcher);
    asked_done(&slow);
}

static void what_breaks_off_or_is_too_large_is_a_failure(void **state)
{
    (void)state;
    assert_fails("{\"uri\":\"@/reset\"}", FETCH_OURS, "HttpRequest", "");
    assert_fails("{\"uri\":\"@/reset\"}", FETCH_DOTNET, "System.Net.Http.HttpRequestException", "");
    assert_fails("{\"uri\":\"@/big\"}", FETCH_OURS, "HttpRequest", "larger than 4194304 bytes");
    assert_fails("{\"uri\":\"@/fields\"}", FETCH_OURS, "HttpRequest", "headers");
    assert_fails("{\"uri\":\"http://127.0.0.1:1/\"}", FETCH_OURS, "HttpRequest", "connect");
    assert_fails("{\"uri\":\"http://nobody.invalid/\"}", FETCH_OURS, "HttpRequest", "resolve");
    struct asked asked;
    struct fetcher *fetcher = open_with("private", 5);
    asked_init(&asked, with_server("{\"uri\":\"@/ok\"}"), FETCH_OURS);
    module->start(fetcher, &asked.request); /* at the limit */
    asked_wait(&asked);
    assert_non_null(asked.response);
    asked_done(&asked);
    module->close(fetcher);
    fetcher = open_with("private", 4);
    asked_init(&asked, with_server("{\"uri\":\"@/ok\"}"), FETCH_OURS);
    module->start(fetcher, &asked.request);
    asked_wait(&asked);
    assert_has(asked.message, "larger than 4 bytes");
    asked_done(&asked);
    module->close(fetcher);
}

/* F4: control characters are six bytes each. */
static void an_answer_is_bounded_as_json_too(void **state)
{
    struct asked asked;
    size_t size = 0;
    (void)state;
    for (int more = 0; more <= 2; more++) {
        struct fetcher *fetcher = open_by(&(struct fetch_options){
            .allow = "private", .answer_max = more == 0 ? 0 : (int64_t)size + 1 - more });
        asked_init(&asked, with_server("{\"uri\":\"@/controls\"}"), FETCH_DOTNET);
        module->start(fetcher, &asked.request);
        asked_wait(&asked);
        if (more == 2) {
            assert_string_equal(asked.type, "System.Net.Http.HttpRequestException");
            assert_has(asked.message, "bytes as JSON");
        } else {
            size = strlen(asked.response);
            assert_true(size > 6000);
        }
        asked_done(&asked);
        module->close(fetcher);
    }
}

static void a_status_that_is_to_be_retried_is_a_failure_with_what_was_answered(void **state)
{
    (void)state;
    static const char listed[] =
        "{\"uri\":\"@/status/503\",\"retryOptions\":{\"StatusCodesToRetry\":[500,503]}}";
    struct asked asked;
    ask(&asked, listed, FETCH_DOTNET);
    assert_string_equal(asked.message, "Status code ServiceUnavailable received, retry requested.");
    assert_has(asked.details, "\"content\":\"text\"");
    assert_false(asked.is_final);
    asked_done(&asked);
    assert_fails("{\"uri\":\"@/status/500\",\"retryOptions\":{}}", FETCH_OURS, "HttpStatus",
                 "Response status code does not indicate success: 500 (Internal Server Error).");
    assert_answers("{\"uri\":\"@/status/500\",\"retryOptions\":{\"statusCodesToRetry\":[503]}}",
                   FETCH_OURS, "\"statusCode\":500");
    assert_answers("{\"uri\":\"@/status/202\",\"retryOptions\":{}}", FETCH_OURS,
                   "\"statusCode\":202");
}

/* ---- the guard ------------------------------------------------------------------------------- */

static void addresses_that_are_not_public_are_refused_however_they_are_written(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "127.0.0.1", "localhost", "2130706433",         "0x7f000001",      "0177.0.0.1", "127.1",
        "0.0.0.0",   "[::1]",     "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",
    };
    struct fetcher *fetcher = open_with("", 0);
    int before = atomic_load(&server.requests);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct asked asked;
        char input[256];
        (void)snprintf(input, sizeof input, "{\"uri\":\"http://%s:%u/ok\"}", hosts[i], server.port);
        asked_init(&asked, input, FETCH_OURS);
        module->start(fetcher, &asked.request);
        asked_wait(&asked);
        if (asked.type == NULL || strcmp(asked.type, "HttpRefused") != 0) {
            fail_msg("%s: %s", hosts[i], asked.type != NULL ? asked.message : asked.response);
        }
        asked_done(&asked);
    }
    module->close(fetcher);
    assert_int_equal(atomic_load(&server.requests), before);
}

static void a_redirection_to_where_it_is_not_allowed_is_refused(void **state)
{
    (void)state;
    struct fetcher *fetcher = open_with("127.0.0.1", 0);
    struct asked asked;
    char input[256];
    (void)snprintf(input, sizeof input,
                   "{\"uri\":\"http://127.0.0.1:%u/to/302/http://127.0.0.2:%u/ok\"}", server.port,
                   server.port);
    asked_init(&asked, input, FETCH_OURS);
    module->start(fetcher, &asked.request);
    asked_wait(&asked);
    assert_non_null(asked.type);
    assert_string_equal(asked.type, "HttpRefused");
    asked_done(&asked);
    module->close(fetcher);
}

static bool is_allowed(const char *allow, const char *address)
{
    struct guard guard;
    pd_error err;
    struct sockaddr_storage storage = { 0 };
    assert_int_equal(guard_init(&guard, allow, &err), PD_OK);
    char node[64];
    (void)snprintf(node, sizeof node, "%s", address);
    if (strchr(node, ':') != NULL) {
        struct sockaddr_in6 in = { .sin6_family = AF_INET6 };
        assert_int_equal(inet_pton(AF_INET6, node, &in.sin6_addr), 1);
        memcpy(&storage, &in, sizeof in);
    } else {
        struct sockaddr_in in = { .sin_family = AF_INET };
        assert_int_equal(inet_pton(AF_INET, node, &in.sin_addr), 1);
        memcpy(&storage, &in, sizeof in);
    }
    bool is = guard_allows(&guard, (const struct sockaddr *)&storage);
    guard_done(&guard);
    return is;
}

static void the_guard_knows_what_is_public_and_what_was_allowed(void **state)
{
    (void)state;
    static const char *const public[] = {
        "8.8.8.8",          "172.15.255.255",  "172.32.0.0",           "100.63.255.255",
        "100.128.0.0",      "2606:4700::1",    "2001:4860:4860::8888", "::ffff:8.8.8.8",
        "64:ff9b::808:808", "2002:808:808::1", "223.255.255.255"
    };
    static const char *const other[] = {
        "10.0.0.1",
        "172.16.0.0",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.0",
        "100.127.1.1",
        "127.255.255.255",
        "0.1.2.3",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "64:ff9b:1::1",
        "100::1",
        "::127.0.0.1",
        "fec0::1",
    };
    for (size_t i = 0; i < sizeof public / sizeof public[0]; i++) {
        assert_true(is_allowed("", public[i]));
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        if (is_allowed("", other[i])) {
            fail_msg("%s is taken for public", other[i]);
        }
        assert_true(is_allowed("private", other[i]));
    }
    assert_true(is_allowed("10.0.0.0/8,fd00::/8", "10.255.0.1"));
    assert_true(is_allowed("10.0.0.0/8,fd00::/8", "::ffff:10.1.1.1"));
    assert_true(is_allowed("10.0.0.0/8,fd00::/8", "fd12::1"));
    assert_false(is_allowed("10.0.0.0/8,fd00::/8", "11.0.0.1") == false);
    assert_false(is_allowed("10.0.0.0/8,fd00::/8", "192.168.0.1"));
    assert_true(is_allowed("192.168.7.128/25", "192.168.7.200"));
    assert_false(is_allowed("192.168.7.128/25", "192.168.7.127"));
    assert_true(is_allowed("127.0.0.1", "127.0.0.1"));
    assert_false(is_allowed("127.0.0.1", "127.0.0.2"));
    static const char *const bad[] = { "10.0.0.0/33", "10.0.0/8",         "a",
                                       "10.0.0.0/",   "::/129",           "10.0.0.0/8,",
                                       "10.0.0.0/8x", "1.2.3.4 , 5.6.7.8" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct guard guard;
        pd_error err;
        assert_int_equal(guard_init(&guard, bad[i], &err), PD_E_INVALID);
    }
}

/* ---- many ------------------------------------------------------------------------------------ */

enum { MANY = 1000 };

static void a_thousand_wait_at_once_on_one_thread_and_all_end(void **state)
{
    (void)state;
    struct asked *asked = calloc(MANY, sizeof *asked);
    char input[128];
    (void)snprintf(input, sizeof input, "%s", with_server("{\"uri\":\"@/slow\"}"));
    struct fetcher *fetcher = /* of which one server has half */
        open_by(&(struct fetch_options){ .allow = "private", .connections = 2 * MANY });
    for (int i = 0; i < MANY; i++) {
        asked_init(&asked[i], input, FETCH_OURS);
        module->start(fetcher, &asked[i].request);
    }
    for (int i = 0; i < 1000 && atomic_load(&server.open) < MANY; i++) {
        (void)usleep(10000);
    }
    assert_int_equal(atomic_load(&server.open), MANY);
    struct asked quick; /* over the limit of connections: it waits for one of them */
    asked_init(&quick, with_server("{\"uri\":\"@/ok\"}"), FETCH_OURS);
    module->start(fetcher, &quick.request);
    for (int i = 0; i < MANY / 2; i++) {
        module->cancel(fetcher, &asked[i].request);
    }
    asked_wait(&quick);
    assert_non_null(quick.response);
    asked_done(&quick);
    module->close(fetcher);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(asked[i].times, 1);
        assert_string_equal(asked[i].type, "Cancelled");
        asked_done(&asked[i]);
    }
    free(asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_status_headers_and_content_in_the_words_of_who_asked),
        cmocka_unit_test(a_request_is_sent_as_it_was_written),
        cmocka_unit_test(text_of_any_charset_arrives_as_utf8),
        cmocka_unit_test(redirections_are_followed_as_browsers_do),
        cmocka_unit_test(a_delivery_is_not_redirected_and_no_body_of_its_answer_is_kept),
        cmocka_unit_test(another_origin_is_told_nothing_that_is_secret),
        cmocka_unit_test(what_is_no_request_is_refused_before_anything_is_sent),
        cmocka_unit_test(
            a_request_has_the_time_that_it_was_given_or_100_s_and_never_more_than_may_be),
        cmocka_unit_test(names_of_headers_that_differ_in_case_are_one_and_the_last_is_sent),
        cmocka_unit_test(a_request_has_a_thousand_headers_and_not_one_more),
        cmocka_unit_test(a_step_s_answer_is_dotnet_s_and_says_where_it_came_from),
        cmocka_unit_test(a_request_that_waits_for_a_connection_is_timed_too),
        cmocka_unit_test(an_answer_is_bounded_as_json_too),
        cmocka_unit_test(a_time_that_passes_is_a_failure_that_names_it),
        cmocka_unit_test(what_breaks_off_or_is_too_large_is_a_failure),
        cmocka_unit_test(a_status_that_is_to_be_retried_is_a_failure_with_what_was_answered),
        cmocka_unit_test(addresses_that_are_not_public_are_refused_however_they_are_written),
        cmocka_unit_test(a_redirection_to_where_it_is_not_allowed_is_refused),
        cmocka_unit_test(the_guard_knows_what_is_public_and_what_was_allowed),
        cmocka_unit_test(a_thousand_wait_at_once_on_one_thread_and_all_end),
    };
    return cmocka_run_group_tests(tests, begin_server, end_server);
}
