/* SPDX-License-Identifier: MIT
 *
 * What /metrics says of requests over HTTP. */
#include "browser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line.h"

static struct served served;

static int set_up(void **state)
{
    static const char *const options[] = { "--http=127.0.0.1:0", NULL };
    (void)state;
    served_start(&served, options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    served_stop(&served);
    return 0;
}

static const char *metrics(void)
{
    struct reply reply = browser_ask(&served, "GET", "!/metrics", NULL, NULL);
    assert_int_equal(reply.code, 200);
    return text_copy(&served.browsed, reply.body).at;
}

/* Of the series of exactly this name and labels; -1: there is none. */
static long value_of(const char *page, const char *series)
{
    char line[256];
    int size = snprintf(line, sizeof line, "\n%s ", series);
    const char *at = strstr(page, line);
    return at != NULL ? strtol(at + size, NULL, 10) : -1;
}

#define REQUESTS(route, method, code) \
    "perdure_http_requests_total{route=\"" route "\",method=\"" method "\",code=\"" code "\"}"
#define DURATION(part, route, method, more)                                               \
    "perdure_http_request_duration_seconds_" part "{route=\"" route "\",method=\"" method \
    "\"" more "}"

static void requests_are_counted_by_route_and_class_of_code(void **state)
{
    (void)state;
    (void)browser_ask(&served, "POST", "/orchestrators/Flow/secret-1", NULL, NULL);
    (void)browser_ask(&served, "POST", "/orchestrators/Flow/secret-2", NULL, NULL);
    (void)browser_ask(&served, "POST", "/orchestrators/Flow/secret-2", NULL, NULL); /* conflict */
    (void)browser_ask(&served, "GET", "/instances/secret-1", NULL, NULL);
    (void)browser_ask(&served, "GET", "/instances/secret-3", NULL, NULL);
    (void)browser_ask(&served, "GET", "!/livez", NULL, NULL);
    (void)browser_ask(&served, "GET", "!/healthz", NULL, NULL);
    (void)browser_ask(&served, "POST", "!/livez", NULL, NULL);
    const char *page = metrics();
    assert_int_equal(value_of(page, REQUESTS("/orchestrators/{}/{}", "POST", "2xx")), 2);
    assert_int_equal(value_of(page, REQUESTS("/orchestrators/{}/{}", "POST", "4xx")), 1);
    assert_int_equal(value_of(page, REQUESTS("/instances/{}", "GET", "2xx")), 1);
    assert_int_equal(value_of(page, REQUESTS("/instances/{}", "GET", "4xx")), 1);
    assert_int_equal(value_of(page, REQUESTS("/orchestrators/{}", "POST", "2xx")), -1);
    assert_int_equal(value_of(page, REQUESTS("health", "any", "2xx")), 2);
    assert_int_equal(value_of(page, REQUESTS("health", "any", "4xx")), 1);
    assert_int_equal(value_of(page, DURATION("count", "/instances/{}", "GET", "")), 2);
    assert_int_equal(value_of(page, DURATION("bucket", "/instances/{}", "GET", ",le=\"+Inf\"")), 2);
    assert_int_equal(value_of(page, REQUESTS("metrics", "any", "2xx")), -1); /* not yet */
    page = metrics();
    assert_int_equal(value_of(page, REQUESTS("metrics", "any", "2xx")), 1);
}

/* However many names clients think of, there is one series for all that are none. */
static void what_clients_write_is_no_label(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/secret-%d/x", i);
        (void)browser_ask(&served, "GET", path, NULL, NULL);
        (void)snprintf(path, sizeof path, "!/secret-%d", i);
        (void)browser_ask(&served, i % 2 != 0 ? "GET" : "PATCH", path, NULL, NULL);
    }
    const char *page = metrics();
    assert_int_equal(value_of(page, REQUESTS("other", "any", "4xx")), 40);
    assert_null(strstr(page, "secret"));
}

static void what_waits_is_in_flight_and_what_is_no_http_was_refused(void **state)
{
    static const char waiting[] = "POST " WEB "/orchestrators/Flow/waited?timeout=60 HTTP/1.1\r\n"
                                  "Host: localhost\r\nContent-Length: 0\r\n\r\n";
    static const char odd[] = "GET / HTTP/1.1\nHost: localhost\n\n";
    struct line line;
    (void)state;
    assert_int_equal(value_of(metrics(), "perdure_http_requests_inflight"), 1);
    assert_true(line_open(&line, &served));
    (void)line_send(&line, waiting, sizeof waiting - 1);
    for (int i = 0; value_of(metrics(), "perdure_http_requests_inflight") != 2; i++) {
        assert_true(i < 1000);
        usleep(5000);
    }
    const char *page = metrics();
    assert_true(value_of(page, "perdure_connections{listener=\"http\"}") >= 2);
    assert_int_equal(value_of(page, "perdure_http_refusals_total"), 0);
    (void)browser_send(&served, text_make(odd, sizeof odd - 1));
    assert_int_equal(value_of(metrics(), "perdure_http_refusals_total"), 1);
    line_close(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_counted_by_route_and_class_of_code, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_clients_write_is_no_label, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_is_in_flight_and_what_is_no_http_was_refused,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
