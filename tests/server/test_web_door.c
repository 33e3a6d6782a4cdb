/* SPDX-License-Identifier: MIT
 *
 * The door of the management API: keys, hosts, proxies, requests that are not what they seem. */
#include "browser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct served served;

static void begin(const char *a, const char *b, const char *c)
{
    const char *const options[] = { "--http=127.0.0.1:0", a, b, c, NULL };
    served_start(&served, options);
}

static int tear_down(void **state)
{
    (void)state;
    served_stop(&served);
    return 0;
}

static struct reply ask(const char *method, const char *path, const char *headers)
{
    return browser_ask(&served, method, path, headers, NULL);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static const char reading[] = "reader-0123456789abcdef";
static const char operating[] = "operator-0123456789+/=";

static void begin_with_keys(void)
{
    static char option[64];
    char file[] = "/tmp/perdure-web-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_true(
        dprintf(fd, "%s read default\n%s read,operate default,other\n", reading, operating) > 0);
    close(fd);
    (void)snprintf(option, sizeof option, "--tokens=%s", file);
    begin(option, "--hubs=other", NULL);
    (void)unlink(file);
}

static void without_a_good_key_everything_is_401_and_empty(void **state)
{
    static const char *const paths[] = { "/instances/x", "/nothing", "/instances/x?code=wrong",
                                         "/openapi.json", "/instances?taskHub=nowhere" };
    (void)state;
    begin_with_keys();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct reply reply = ask("GET", paths[i], NULL);
        browser_expect(&reply, 401, "");
    }
    struct reply reply = ask("GET", "/instances", "Authorization: Basic cmVhZGVy\r\n");
    browser_expect(&reply, 401, "");
    tear_down(state);
}

static void a_key_comes_in_a_header_the_query_or_as_a_bearer(void **state)
{
    char header[128];
    char path[128];
    (void)state;
    begin_with_keys();
    (void)snprintf(header, sizeof header, "X-Functions-Key: %s\r\n", reading);
    assert_int_equal(ask("GET", "/instances", header).code, 200);
    (void)snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", reading);
    assert_int_equal(ask("GET", "/instances", header).code, 200);
    (void)snprintf(path, sizeof path, "/instances?CODE=%s", reading);
    assert_int_equal(ask("GET", path, NULL).code, 200);
    tear_down(state);
}

static void a_key_does_what_its_scopes_and_hubs_allow(void **state)
{
    char reader[128];
    char operator_[128];
    (void)state;
    begin_with_keys();
    (void)snprintf(reader, sizeof reader, "x-functions-key: %s\r\n", reading);
    (void)snprintf(operator_, sizeof operator_, "x-functions-key: %s\r\n", operating);
    struct reply reply = ask("POST", "/orchestrators/Flow/x", reader);
    browser_expect(&reply, 403, "...\"ExceptionType\":\"PD_E_DENIED\"}");
    assert_int_equal(ask("GET", "/instances?taskHub=other", reader).code, 403);
    assert_int_equal(ask("GET", "/instances?taskHub=other", operator_).code, 200);
    assert_int_equal(ask("DELETE", "/instances/x", reader).code, 403);
    assert_int_equal(ask("GET", "/nothing", reader).code, 404);
    assert_int_equal(ask("GET", "/schedules", reader).code, 200);
    assert_int_equal(ask("GET", "/schedules/s", reader).code, 404);
    static const char *const orders[][2] = { { "POST", "/schedules/s" },
                                             { "DELETE", "/schedules/s" },
                                             { "POST", "/schedules/s/pause" },
                                             { "POST", "/schedules/s/resume" },
                                             { "POST", "/schedules/s/trigger" } };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        assert_int_equal(ask(orders[i][0], orders[i][1], reader).code, 403);
        assert_int_equal(ask(orders[i][0], orders[i][1], operator_).code, i == 0 ? 400 : 404);
        assert_int_equal(ask(orders[i][0], orders[i][1], NULL).code, 401);
    }
    reply = ask("POST", "/orchestrators/Flow/x", operator_);
    assert_int_equal(reply.code, 202);
    struct text link = browser_member(&reply, "statusQueryGetUri");
    static const char end[] = "&code=operator-0123456789%2B%2F%3D";
    assert_memory_equal(link.at + link.size - (sizeof end - 1), end, sizeof end - 1);
    /* And the link works. */
    const char *path = strstr(text_copy(&served.arena, link).at, WEB);
    assert_int_equal(ask("GET", path + strlen(WEB), NULL).code, 202);
    tear_down(state);
}

/* At the loudest: nothing that is logged has it, nor what came with it. */
static void keys_and_payloads_are_not_logged(void **state)
{
    char log[64] = "/tmp/perdure-log-XXXXXX";
    char tokens[64] = "/tmp/perdure-web-XXXXXX";
    char option[96], path[128], text[65536];
    const char *const options[] = { "--http=127.0.0.1:0", option, "--log-level=debug",
                                    "--log-format=json", NULL };
    int fd = mkstemp(log);
    int keys = mkstemp(tokens);
    int old = dup(STDERR_FILENO);
    (void)state;
    assert_true(fd >= 0 && keys >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    assert_true(dprintf(keys, "%s read,operate *\n", operating) > 0);
    close(keys);
    (void)snprintf(option, sizeof option, "--tokens=%s", tokens);
    served_start(&served, options);
    (void)snprintf(path, sizeof path, "/orchestrators/Flow/x?code=operator-0123456789%%2B%%2F=");
    struct reply started = browser_ask(&served, "POST", path, AS_JSON, "\"planted-payload\"");
    (void)browser_ask(&served, "POST", path, AS_JSON, "planted-nonsense");
    (void)ask("GET", "/instances?code=planted-wrong-key-0123", NULL);
    (void)ask("GET", "/instances", "x-functions-key: planted-wrong-key-0123\r\n");
    (void)browser_send(&served, TEXT("GET /planted HTTP/1.1\nHost: planted\n\n"));
    served_stop(&served);
    (void)dup2(old, STDERR_FILENO);
    (void)close(old);
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    (void)close(fd);
    (void)unlink(log);
    (void)unlink(tokens);
    assert_int_equal(started.code, 202);
    assert_true(size > 0);
    text[size] = '\0';
    assert_non_null(strstr(text, "\"msg\":"));
    assert_null(strstr(text, "planted"));
    assert_null(strstr(text, "0123456789"));
}

static void a_bearer_is_not_written_into_links(void **state)
{
    char header[128];
    (void)state;
    begin_with_keys();
    (void)snprintf(header, sizeof header, "Authorization: bearer %s\r\n", operating);
    struct reply reply = ask("POST", "/orchestrators/Flow/x", header);
    assert_int_equal(reply.code, 202);
    assert_null(memmem(reply.body.at, reply.body.size, "operator", 8));
    tear_down(state);
}

/* ---- hosts and proxies ----------------------------------------------------------------------- */

/* wanted: what links begin with; from "//" on, when the scheme is the server's own. */
static void expect_link(const char *headers, const char *wanted)
{
    struct reply reply = ask("POST", "/orchestrators/Flow", headers);
    char whole[256];
    if (reply.code != 202) {
        fail_msg("%d %.*s", reply.code, TEXT_ARGS(reply.body));
    }
    (void)snprintf(whole, sizeof whole, "%s%s%s" WEB "/instances/",
                   wanted[0] == '/' ? browser_scheme(&served) : "", wanted[0] == '/' ? ":" : "",
                   wanted);
    struct text link = browser_member(&reply, "statusQueryGetUri");
    if (link.size < strlen(whole) || memcmp(link.at, whole, strlen(whole)) != 0) {
        fail_msg("%.*s and not %s", TEXT_ARGS(link), whole);
    }
}

static void expect_denied(const char *method, const char *path, const char *headers,
                          const char *words)
{
    char pattern[128];
    struct reply reply = ask(method, path, headers);
    (void)snprintf(pattern, sizeof pattern, "...%s...PD_E_DENIED\"}", words);
    browser_expect(&reply, 403, pattern);
}

static bool asks_for_certificates(void)
{
    const char *kind = getenv("SERVED_TLS");
    return kind != NULL && strcmp(kind, "mutual") == 0;
}

static void without_keys_only_this_machine_is_a_host(void **state)
{
    (void)state;
    if (asks_for_certificates()) {
        skip(); /* who has one is known */
    }
    begin(NULL, NULL, NULL);
    expect_link("Host: localhost:99\r\n", "//localhost:99");
    expect_link("Host: 127.0.0.1\r\n", "//127.0.0.1");
    expect_link("Host: [::1]:8\r\n", "//[::1]:8");
    expect_link("Host: localhost:99\r\nX-Forwarded-Host: a.b\r\nX-Forwarded-Proto: https\r\n",
                "//localhost:99");
    expect_denied("POST", "/orchestrators/Flow", "Host: rebound.example\r\n", "the Host");
    expect_denied("POST", "/orchestrators/Flow", "Host: rebound.example:80\r\n", "the Host");
    expect_denied("POST", "/orchestrators/Flow", "Host: 127.0.0.1.example\r\n", "the Host");
    expect_denied("POST", "/orchestrators/Flow", "Host: localhost.example\r\n", "the Host");
    expect_denied("POST", "/orchestrators/Flow", "Host: plain\r\n", "the Host");
    expect_denied("POST", "/orchestrators/Flow", "Host: a\"b\r\n", "the Host");
    expect_denied("POST", "/orchestrators/Flow", "Host: 127.0.0.1:1x\r\n", "the Host");
    expect_denied("GET", "/instances", "Host: rebound.example\r\n", "the Host");
    assert_int_equal(ask("GET", "!/metrics", "Host: rebound.example\r\n").code, 403);
    assert_int_equal(ask("GET", "!/metrics", "Host: localhost\r\n").code, 200);
    assert_int_equal(ask("GET", "!/livez", "Host: any.example\r\n").code, 200);
    tear_down(state);
}

/* A form, or fetch with text/plain: browsers send these without asking first. */
static void without_keys_pages_of_others_do_nothing(void **state)
{
    static const char *const others[] = { "http://evil",
                                          "https://localhost.evil",
                                          "http://localhost",
                                          "http://localhost:98",
                                          "http://127.0.0.1:99",
                                          "null",
                                          "file://",
                                          "" };
    (void)state;
    begin(NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char headers[256];
        (void)snprintf(headers, sizeof headers,
                       "Host: localhost:99\r\nOrigin: %s\r\nContent-Type: text/plain\r\n",
                       others[i]);
        expect_denied("POST", "/orchestrators/Flow/planted", headers, "another origin");
        expect_denied("DELETE", "/instances/planted", headers, "another origin");
    }
    assert_int_equal(served_status(&served, "planted"), -1);
    expect_link("Host: localhost:99\r\nOrigin: http://localhost:99\r\n", "//localhost:99");
    expect_link("Host: LOCALHOST:99\r\nOrigin: http://localhost:99\r\n", "//LOCALHOST:99");
    /* Nor is it asked first: there is nothing that would let it. */
    struct reply reply = ask("OPTIONS", "/orchestrators/Flow",
                             "Host: localhost:99\r\nOrigin: http://evil\r\n"
                             "Access-Control-Request-Method: POST\r\n");
    assert_int_equal(reply.code, 403);
    assert_false(text_is_present(browser_header(&reply, "Access-Control-Allow-Origin")));
    tear_down(state);
}

static void a_public_url_lets_no_other_page_in(void **state)
{
    (void)state;
    begin("--public-url=https://pub.example/flows/", NULL, NULL);
    expect_denied("POST", "/orchestrators/Flow", "Host: whatever\r\nOrigin: http://evil\r\n",
                  "another origin");
    expect_link("Host: whatever\r\nOrigin: https://pub.example\r\n", "https://pub.example/flows");
    expect_link("Host: 127.0.0.1:9\r\nOrigin: http://127.0.0.1:9\r\n", "https://pub.example/flows");
    expect_link("Host: pub.example\r\n", "https://pub.example/flows");
    if (!asks_for_certificates()) {
        expect_denied("POST", "/orchestrators/Flow",
                      "Host: rebound.example\r\nOrigin: http://rebound.example\r\n", "the Host");
        expect_denied("GET", "/instances", "Host: rebound.example\r\n", "the Host");
    }
    tear_down(state);
}

static void who_has_a_key_may_be_a_page_of_anybody(void **state)
{
    char headers[256];
    (void)state;
    begin_with_keys();
    (void)snprintf(headers, sizeof headers,
                   "Host: a.example\r\nOrigin: http://b.example\r\nx-functions-key: %s\r\n",
                   operating);
    assert_int_equal(ask("POST", "/orchestrators/Flow", headers).code, 202);
    tear_down(state);
}

/* A key is compared to its end, and that is not where a NUL is. */
static void what_follows_a_key_makes_it_another(void **state)
{
    char path[128];
    (void)state;
    begin_with_keys();
    (void)snprintf(path, sizeof path, "/instances?code=%s%%00", reading);
    assert_int_equal(ask("GET", path, NULL).code, 401);
    (void)snprintf(path, sizeof path, "/instances?code=%s%%00more", reading);
    assert_int_equal(ask("GET", path, NULL).code, 401);
    (void)snprintf(path, sizeof path, "/instances?code=%s%%20", reading);
    assert_int_equal(ask("GET", path, NULL).code, 401);
    tear_down(state);
}

static void a_public_url_is_what_links_begin_with_whatever_a_request_says(void **state)
{
    (void)state;
    begin("--public-url=https://pub.example/flows/", NULL, NULL);
    expect_link("Host: whatever\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: http\r\n",
                "https://pub.example/flows");
    /* A proxy may leave the prefix. */
    struct reply reply = ask("POST", "!/flows" WEB "/orchestrators/Flow/x", NULL);
    assert_int_equal(reply.code, 202);
    reply = ask("GET", "/instances/x?a=b", NULL);
    assert_text(browser_header(&reply, "Location"),
                "https://pub.example/flows" WEB "/instances/x?a=b");
    reply = ask("GET", "!/flows" WEB "/instances/x?a=b", NULL);
    assert_text(browser_header(&reply, "Location"),
                "https://pub.example/flows" WEB "/instances/x?a=b");
    assert_int_equal(ask("GET", "!/flowsx" WEB "/instances/x", NULL).code, 404);
    tear_down(state);
}

static void what_a_proxy_says_holds_when_it_is_trusted(void **state)
{
    (void)state;
    begin("--trust-forwarded=yes", NULL, NULL);
    expect_link(
        "Host: in:1\r\nX-Forwarded-Host: out.example:8443, x\r\nX-Forwarded-Proto: https\r\n",
        "https://out.example:8443");
    expect_link("Host: in:1\r\nX-Forwarded-Host: out.example\r\n", "//out.example");
    expect_link("Host: in:1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /flows/\r\n",
                "https://in:1/flows");
    expect_link("Host: in:1\r\nForwarded: for=1.2.3.4;HOST=\"a.b:1\";proto=https, host=c\r\n"
                "X-Forwarded-Host: out.example\r\n",
                "https://a.b:1");
    expect_link("Host: in:1\r\nX-Forwarded-Host: a\"b\r\nX-Forwarded-Proto: gopher\r\n"
                "X-Forwarded-Prefix: /a\"b\r\n",
                "//in:1");
    tear_down(state);
}

static void a_public_url_that_is_none_is_refused_at_the_start(void **state)
{
    static const char *const wrong[] = { "pub.example", "ftp://pub.example", "http://",
                                         "http://a?b",  "http://a b",        "https://a@b" };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct config config;
        pd_error err;
        char option[64];
        (void)snprintf(option, sizeof option, "--public-url=%s", wrong[i]);
        char *argv[] = { (char[]){ "perdured" }, (char[]){ "--store=memory:" }, option };
        assert_int_equal(config_read(&config, 3, argv, &err), PD_E_INVALID);
        config_free(&config);
    }
}

static void old_callers_get_500_for_conflicts_where_the_operator_wants_it(void **state)
{
    (void)state;
    begin("--http-compat=yes", NULL, NULL);
    assert_int_equal(ask("POST", "/orchestrators/Flow/x", NULL).code, 202);
    struct reply reply = ask("POST", "/orchestrators/Flow/x", NULL);
    browser_expect(&reply, 500,
                   "{\"Message\":\"Something went wrong while processing your request\",...");
    assert_int_equal(ask("POST", "/instances/x/resume", NULL).code, 500);
    assert_int_equal(ask("POST", "/instances/x/rewind", NULL).code, 500);
    assert_int_equal(ask("DELETE", "/instances/x", NULL).code, 500);
    tear_down(state);
}

/* ---- requests that are not what they seem ---------------------------------------------------- */

/* However it is understood, one request is answered at most, and nothing was started behind it. */
static void expect_closed(const char *what, const char *head, const char *tail)
{
    struct buffer bytes;
    buffer_init(&bytes);
    buffer_printf(&bytes, "%s", head);
    buffer_printf(&bytes, "%s", tail);
    buffer_printf(&bytes, "POST " WEB "/orchestrators/Flow/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                          "Connection: close\r\nContent-Length: 0\r\n\r\n");
    struct reply reply = browser_parse(&served, browser_send(&served, buffer_text(&bytes)));
    buffer_done(&bytes);
    if (reply.code != 0 && reply.code != 400 && reply.code != 413 && reply.code != 501) {
        fail_msg("%s: %d %.*s", what, reply.code, TEXT_ARGS(reply.body));
    }
    if (reply.rest.size != 0 || served_status(&served, "smuggled") != -1) {
        fail_msg("%s: what came behind it was looked at", what);
    }
}

#define POST_WITH(headers) \
    "POST " WEB "/orchestrators/Flow HTTP/1.1\r\nHost: 127.0.0.1\r\n" headers "\r\n"

static void what_proxies_may_take_for_something_else_is_refused(void **state)
{
    static const struct {
        const char *what, *head, *tail;
    } cases[] = {
        { "CL and TE", POST_WITH("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
          "0\r\n\r\n" },
        { "TE and CL", POST_WITH("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
          "0\r\n\r\n" },
        { "two CL", POST_WITH("Content-Length: 1\r\nContent-Length: 2\r\n"), "12" },
        { "the same CL twice", POST_WITH("Content-Length: 1\r\nContent-Length: 1\r\n"), "1" },
        { "a list of CL", POST_WITH("Content-Length: 1, 1\r\n"), "1" },
        { "a signed CL", POST_WITH("Content-Length: +1\r\n"), "1" },
        { "a negative CL", POST_WITH("Content-Length: -1\r\n"), "" },
        { "a CL in hexadecimal", POST_WITH("Content-Length: 0x1\r\n"), "1" },
        { "a huge CL", POST_WITH("Content-Length: 99999999999999999999\r\n"), "" },
        { "a CL with a space before its colon", POST_WITH("Content-Length : 1\r\n"), "1" },
        { "a TE with a space before its colon", POST_WITH("Transfer-Encoding : chunked\r\n"),
          "1\r\n1\r\n0\r\n\r\n" },
        { "TE that is not chunked", POST_WITH("Transfer-Encoding: xchunked\r\n"), "0\r\n\r\n" },
        { "TE of two", POST_WITH("Transfer-Encoding: gzip, chunked\r\n"), "0\r\n\r\n" },
        { "TE twice", POST_WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
          "0\r\n\r\n" },
        { "TE behind a tab", POST_WITH("Transfer-Encoding:\tchunked\r\n"), "0\r\n\r\n" },
        { "TE folded", POST_WITH("Transfer-Encoding:\r\n chunked\r\n"), "0\r\n\r\n" },
        { "CL folded", POST_WITH("Content-Length: 1\r\n 2\r\n"), "1" },
        { "two hosts", POST_WITH("Host: 127.0.0.2\r\n"), "" },
        { "HEAD with a body",
          "HEAD " WEB "/instances HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n", "" },
        { "a path that begins as a host", "GET //127.0.0.1" WEB "/instances HTTP/1.1\r\n\r\n", "" },
        { "a chunk of a negative size", POST_WITH("Transfer-Encoding: chunked\r\n"),
          "-1\r\n\r\n0\r\n\r\n" },
        { "a chunk of no size", POST_WITH("Transfer-Encoding: chunked\r\n"), "x\r\n\r\n" },
        { "a chunk of a huge size", POST_WITH("Transfer-Encoding: chunked\r\n"),
          "fffffffffffffffff\r\n" },
        { "a chunk with an extension", POST_WITH("Transfer-Encoding: chunked\r\n"),
          "1;a=b\r\n1\r\n0\r\n\r\n" },
        { "a body over the limit", POST_WITH("Content-Length: 16777217\r\n"), "" },
        { "a header without a colon", POST_WITH("Nonsense\r\n"), "" },
        { "a method nobody knows", "DANCE / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "" },
        { "no version", "GET /\r\n\r\n", "" },
    };
    (void)state;
    begin(NULL, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_closed(cases[i].what, cases[i].head, cases[i].tail);
    }
    assert_int_equal(ask("GET", "/instances", NULL).code, 200);
    tear_down(state);
}

static void requests_may_follow_each_other_on_a_connection(void **state)
{
    static const char both[] =
        "POST " WEB "/orchestrators/Flow/one HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Length: 1\r\n\r\n1"
        "DELETE " WEB "/instances/none HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\n{}\n"
        "GET " WEB "/instances/one HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    (void)state;
    begin(NULL, NULL, NULL);
    struct reply first = browser_parse(&served, browser_send(&served, text_of(both)));
    assert_int_equal(first.code, 202);
    struct reply second = browser_parse(&served, first.rest);
    assert_int_equal(second.code, 404);
    struct reply third = browser_parse(&served, second.rest);
    browser_expect(&third, 202, "...\"instanceId\":\"one\"...");
    assert_int_equal(third.rest.size, 0);
    tear_down(state);
}

static void the_document_of_the_api_is_served(void **state)
{
    (void)state;
    begin(NULL, NULL, NULL);
    struct reply reply = ask("GET", "/openapi.json", NULL);
    browser_expect(&reply, 200, "{\n \"openapi\": \"3.1.0\",...}\n");
    tear_down(state);
}

static void many_parameters_are_a_400(void **state)
{
    char path[600];
    int size = snprintf(path, sizeof path, "/instances?");
    (void)state;
    begin(NULL, NULL, NULL);
    for (int i = 0; i < 64; i++) {
        size += snprintf(path + size, sizeof path - (size_t)size, "a=1&");
    }
    assert_int_equal(ask("GET", path, NULL).code, 200);
    (void)snprintf(path + size, sizeof path - (size_t)size, "a=1");
    assert_int_equal(ask("GET", path, NULL).code, 400);
    assert_int_equal(ask("GET", "/instances?a=%4", NULL).code, 400);
    assert_int_equal(ask("GET", "/instances?a%zz=4", NULL).code, 400);
    tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_good_key_everything_is_401_and_empty),
        cmocka_unit_test(a_key_comes_in_a_header_the_query_or_as_a_bearer),
        cmocka_unit_test(a_key_does_what_its_scopes_and_hubs_allow),
        cmocka_unit_test(keys_and_payloads_are_not_logged),
        cmocka_unit_test(a_bearer_is_not_written_into_links),
        cmocka_unit_test(what_follows_a_key_makes_it_another),
        cmocka_unit_test(without_keys_only_this_machine_is_a_host),
        cmocka_unit_test(without_keys_pages_of_others_do_nothing),
        cmocka_unit_test(a_public_url_lets_no_other_page_in),
        cmocka_unit_test(who_has_a_key_may_be_a_page_of_anybody),
        cmocka_unit_test(a_public_url_is_what_links_begin_with_whatever_a_request_says),
        cmocka_unit_test(what_a_proxy_says_holds_when_it_is_trusted),
        cmocka_unit_test(a_public_url_that_is_none_is_refused_at_the_start),
        cmocka_unit_test(old_callers_get_500_for_conflicts_where_the_operator_wants_it),
        cmocka_unit_test(what_proxies_may_take_for_something_else_is_refused),
        cmocka_unit_test(requests_may_follow_each_other_on_a_connection),
        cmocka_unit_test(the_document_of_the_api_is_served),
        cmocka_unit_test(many_parameters_are_a_400),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
