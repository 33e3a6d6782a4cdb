/* SPDX-License-Identifier: MIT
 *
 * Ways round the guard, and ways to hold everybody up: each was open once, or nearly.
 *
 * Names are looked up by getaddrinfo, which is this file's: it knows some names, and is slow for
 * one.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "asking.h"
#include "json/json.h"

__attribute__((visibility("default"))) int getaddrinfo(const char *restrict name,
                                                       const char *restrict service,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict ret)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *found = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &found, sizeof real);
    if (name != NULL && strcmp(name, "slow.test") == 0) {
        (void)usleep(1500000);
    }
    bool is_ours =
        name != NULL && strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".test") == 0;
    return real(is_ours ? "127.0.0.1" : name, service, hints, ret);
}

static const char *const variables[] = {
    "http_proxy",   "https_proxy",       "all_proxy",       "no_proxy",
    "HTTPS_PROXY",  "ALL_PROXY",         "NO_PROXY",        "MSI_SECRET",
    "MSI_ENDPOINT", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
};

static int forget_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        (void)unsetenv(variables[i]);
    }
    server.last_token[0] = '\0';
    return 0;
}

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, with_server(value), 1), 0);
}

/* By a fetcher that may ask nobody who is not public. */
static void ask_guarded(struct asked *asked, const char *input)
{
    struct fetcher *fetcher = open_with("", 0);
    asked_init(asked, with_server(input), FETCH_OURS);
    module->start(fetcher, &asked->request);
    asked_wait(asked);
    module->close(fetcher);
}

static void assert_refused(const char *input)
{
    struct asked asked;
    ask_guarded(&asked, input);
    if (asked.type == NULL || strcmp(asked.type, "HttpRefused") != 0) {
        fail_msg("%s: %s", input, asked.type != NULL ? asked.message : asked.response);
    }
    assert_true(asked.is_final);
    asked_done(&asked);
}

#define MANAGED "\"tokenSource\":{\"kind\":\"AzureManagedIdentity\",\"resource\":\"https://vault\"}"

/* ---- the guard ------------------------------------------------------------------------------- */

static void a_name_is_refused_for_the_address_that_it_leads_to(void **state)
{
    (void)state;
    char input[128];
    (void)snprintf(input, sizeof input, "{\"uri\":\"http://inner.test:%u/ok\"}", server.port);
    int before = atomic_load(&server.requests);
    assert_refused(input);
    assert_int_equal(atomic_load(&server.requests), before);
}

static void the_connection_that_a_credential_came_by_is_used_by_no_request(void **state)
{
    (void)state;
    set("IDENTITY_ENDPOINT", "@/token");
    set("IDENTITY_HEADER", "h");
    int before = atomic_load(&server.requests);
    assert_refused("{\"uri\":\"@/ok\"," MANAGED "}");
    assert_int_equal(atomic_load(&server.requests) - before, 1); /* for the token */
}

/* ---- proxies --------------------------------------------------------------------------------- */

static void a_proxy_may_be_anywhere_and_is_asked_for_names(void **state)
{
    (void)state;
    struct asked asked;
    set("http_proxy", "@");
    ask_guarded(&asked, "{\"uri\":\"http://far.example/token\"}");
    assert_has(asked.response, "access_token");
    assert_has(server.last_token, "GET http://far.example/token HTTP/1.1\r\n");
    asked_done(&asked);
}

static void a_proxy_is_asked_for_no_address_that_is_refused_without(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "127.0.0.1",
        "0x7f000001",
        "2130706433",
        "127.1",
        "localhost",
        "x.localhost.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "printer.local",
        "metadata.google.internal",
        "0.0.0.0",
    };
    set("http_proxy", "@");
    set("all_proxy", "@");
    int before = atomic_load(&server.requests);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char input[128];
        (void)snprintf(input, sizeof input, "{\"uri\":\"http://%s/token\"}", hosts[i]);
        assert_refused(input);
        (void)snprintf(input, sizeof input, "{\"uri\":\"https://%s/token\"}", hosts[i]);
        assert_refused(input);
    }
    assert_int_equal(atomic_load(&server.requests), before);
}

static void what_needs_no_proxy_is_judged_all_the_same(void **state)
{
    (void)state;
    static const char *const lists[] = { "*", "inner.test,127.0.0.1", ".test 127.0.0.1" };
    char input[128];
    set("http_proxy", "@");
    int before = atomic_load(&server.requests);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        set("no_proxy", lists[i]);
        (void)snprintf(input, sizeof input, "{\"uri\":\"http://inner.test:%u/ok\"}", server.port);
        assert_refused(input);
        assert_refused("{\"uri\":\"@/ok\"}");
    }
    assert_int_equal(atomic_load(&server.requests), before);
    set("no_proxy", "other.test,example"); /* not of what only ends alike */
    struct asked asked;
    ask_guarded(&asked, "{\"uri\":\"http://far-example/token\"}");
    assert_has(asked.response, "access_token");
    asked_done(&asked);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void a_slow_name_server_holds_nobody_up(void **state)
{
    (void)state;
    struct asked slow, quick;
    struct fetcher *fetcher = open_with("private", 0);
    time_us began = fetch_now();
    asked_init(&slow, "{\"uri\":\"http://slow.test/\",\"timeout\":\"00:00:00.2\"}", FETCH_OURS);
    module->start(fetcher, &slow.request);
    asked_wait(&slow);
    assert_string_equal(slow.type, "HttpTimeout");
    asked_init(&quick, with_server("{\"uri\":\"@/ok\"}"), FETCH_OURS);
    module->start(fetcher, &quick.request);
    asked_wait(&quick);
    assert_non_null(quick.response);
    assert_true(fetch_now() - began < TIME_SECOND);
    asked_done(&slow);
    asked_init(&slow, "{\"uri\":\"http://slow.test/\"}", FETCH_OURS);
    module->start(fetcher, &slow.request);
    (void)usleep(100000);
    module->close(fetcher); /* nor who closes */
    assert_string_equal(slow.type, "Cancelled");
    assert_true(fetch_now() - began < TIME_SECOND);
    asked_done(&slow);
    asked_done(&quick);
    (void)usleep(1600000); /* the look-ups end, and free what they have */
}

static void
a_credential_that_does_not_come_is_waited_for_as_long_as_the_request_may_take(void **state)
{
    (void)state;
    set("IDENTITY_ENDPOINT", "@/slow");
    set("IDENTITY_HEADER", "h");
    time_us began = fetch_now();
    assert_fails("{\"uri\":\"@/ok\",\"timeout\":\"00:00:00.3\"," MANAGED "}", FETCH_DOTNET,
                 "System.TimeoutException", "Reached user specified timeout: 00:00:00.3.");
    assert_true(fetch_now() - began < 2 * TIME_SECOND);
}

/* ---- what is sent, and what comes ------------------------------------------------------------ */

static void a_post_of_nothing_says_that_it_is_nothing(void **state)
{
    (void)state;
    assert_answers("{\"method\":\"POST\",\"uri\":\"@/echo\"}", FETCH_OURS, "Content-Length: 0");
    assert_answers("{\"method\":\"PUT\",\"uri\":\"@/echo\"}", FETCH_OURS, "Content-Length: 0");
    struct asked asked;
    ask(&asked, "{\"method\":\"DELETE\",\"uri\":\"@/echo\"}", FETCH_OURS);
    assert_null(strcasestr(asked.response, "content-length: 0"));
    asked_done(&asked);
}

static void a_charset_is_one_of_those_that_are_known_to_be_harmless(void **state)
{
    (void)state;
    static const char bytes[] = "\"content\":\"gr\xef\xbf\xbdn\"";
    assert_answers("{\"uri\":\"@/charset/windows-1252\"}", FETCH_OURS,
                   "\"content\":\"gr\xc3\xbcn\"");
    assert_answers("{\"uri\":\"@/charset/IBM1364\"}", FETCH_OURS, bytes);
    assert_answers("{\"uri\":\"@/charset/UTF-7\"}", FETCH_OURS, bytes);
    assert_answers("{\"uri\":\"@/charset/latin1//IGNORE\"}", FETCH_OURS, bytes);
}

static void names_of_headers_that_are_no_text_do_not_make_an_answer_that_none_can_read(void **state)
{
    (void)state;
    struct asked asked;
    struct arena arena;
    pd_value value;
    pd_error err;
    arena_init(&arena);
    ask(&asked, "{\"uri\":\"@/names\"}", FETCH_OURS);
    assert_has(asked.response, "\"x-good\":\"c\"");
    assert_int_equal(json_parse(&arena, text_of(asked.response), &value, &err), PD_OK);
    asked_done(&asked);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_name_is_refused_for_the_address_that_it_leads_to, forget_all),
        cmocka_unit_test_setup(the_connection_that_a_credential_came_by_is_used_by_no_request,
                               forget_all),
        cmocka_unit_test_setup(a_proxy_may_be_anywhere_and_is_asked_for_names, forget_all),
        cmocka_unit_test_setup(a_proxy_is_asked_for_no_address_that_is_refused_without, forget_all),
        cmocka_unit_test_setup(what_needs_no_proxy_is_judged_all_the_same, forget_all),
        cmocka_unit_test_setup(a_slow_name_server_holds_nobody_up, forget_all),
        cmocka_unit_test_setup(
            a_credential_that_does_not_come_is_waited_for_as_long_as_the_request_may_take,
            forget_all),
        cmocka_unit_test_setup(a_post_of_nothing_says_that_it_is_nothing, forget_all),
        cmocka_unit_test_setup(a_charset_is_one_of_those_that_are_known_to_be_harmless, forget_all),
        cmocka_unit_test_setup(
            names_of_headers_that_are_no_text_do_not_make_an_answer_that_none_can_read, forget_all),
    };
    return cmocka_run_group_tests(tests, begin_server, end_server);
}
