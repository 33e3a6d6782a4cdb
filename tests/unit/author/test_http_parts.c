/* SPDX-License-Identifier: MIT
 *
 * What a conversation over HTTP understands of URLs and times. */
#include "play.h"

#include <string.h>

#include "builtin/http.h"

static void retry_after_is_seconds_or_a_date(void **state)
{
    const int64_t now = INT64_C(784111777000); /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *text;
        int64_t s; /* from now; -1: none */
    } cases[] = {
        { "0", 0 },
        { "120", 120 },
        { "-3", 0 },
        { "2147483647", 2147483647 },
        { "2147483648", -1 },
        { "99999999999999999999", -1 },
        { "1.5", -1 },
        { "", -1 },
        { "soon", -1 },
        { "Sun, 06 Nov 1994 08:49:47 GMT", 10 },
        { "Sunday, 06-Nov-94 08:49:47 GMT", 10 },
        { "Sun Nov  6 08:49:47 1994", 10 },
        { "Sun, 06 Nov 1994 08:49:27 GMT", 0 },
        { "Wed, 21 Oct 2099 07:28:00 GMT", 3312139103 },
        { "Sun, 31 Feb 1995 08:49:47 GMT", -1 },
        { "Sun, 06 Nov 1994 08:49:47 CET", -1 },
        { "Sun, 06 Nov 994 08:49:47 GMT", -1 },
    };
    int64_t at;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool is = http_read_retry_after(cases[i].text, now, &at);
        assert_int_equal(is ? (at - now) / 1000 : -1, cases[i].s);
    }
}

static void an_origin_is_scheme_host_and_port(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } cases[] = {
        { "http://h/x", "http://h:80/y", true },
        { "HTTPS://H", "https://h:443/", true },
        { "http://u:p@h/", "http://h/", true },
        { "http://[::1]:8080/", "http://[::1]:8080", true },
        { "http://h/", "https://h/", false },
        { "http://h/", "http://h:8080/", false },
        { "http://h/", "http://h.evil/", false },
        { "http://h@evil/", "http://h/", false },
        { "http://h/", "http://evil/?@h/", false },
        { "http://", "http://", false },
        { "x", "x", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(http_url_is_same_origin(cases[i].a, cases[i].b), cases[i].is_same);
    }
}

/* RFC 3986, 5.4, as one orchestrator. */
static pd_result resolves(pd_orchestration *o, pd_value input)
{
    static const char *const cases[][2] = {
        { "g", "http://a/b/c/g" },       { "./g", "http://a/b/c/g" },
        { "g/", "http://a/b/c/g/" },     { "/g", "http://a/g" },
        { "//g", "http://g" },           { "?y", "http://a/b/c/d;p?y" },
        { "g?y", "http://a/b/c/g?y" },   { "#s", "http://a/b/c/d;p?q#s" },
        { "g#s", "http://a/b/c/g#s" },   { ";x", "http://a/b/c/;x" },
        { "", "http://a/b/c/d;p?q" },    { ".", "http://a/b/c/" },
        { "./", "http://a/b/c/" },       { "..", "http://a/b/" },
        { "../", "http://a/b/" },        { "../g", "http://a/b/g" },
        { "../..", "http://a/" },        { "../../g", "http://a/g" },
        { "../../../g", "http://a/g" },  { "/./g", "http://a/g" },
        { "/../g", "http://a/g" },       { "g.", "http://a/b/c/g." },
        { "..g", "http://a/b/c/..g" },   { "./../g", "http://a/b/g" },
        { "g/./h", "http://a/b/c/g/h" }, { "g/../h", "http://a/b/c/h" },
    };
    (void)input;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *url = http_url_resolve(o, "http://a/b/c/d;p?q", cases[i][0]);
        if (url == NULL || strcmp(url, cases[i][1]) != 0) {
            return pd_fail(o, "Wrong", "%s: %s", cases[i][0], url != NULL ? url : "NULL");
        }
    }
    return pd_ok(o, http_url_resolve(o, "http://a", "x") != NULL
                        ? http_url_resolve(o, "http://a", "x")
                        : "NULL");
}

static const pd_function resolving[] = { PD_FUNCTION("Resolves", resolves) };

static void script_resolves(struct play *p)
{
    play_start(p, "Resolves", "null");
}

static void references_mean_what_rfc_3986_says(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(resolving), script_resolves, "turn 1\n  0 completed \"http://a/x\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_seconds_or_a_date),
        cmocka_unit_test(an_origin_is_scheme_host_and_port),
        cmocka_unit_test(references_mean_what_rfc_3986_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
