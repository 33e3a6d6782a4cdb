/* SPDX-License-Identifier: MIT
 *
 * What an app's tables may say, and which route a request is for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/child.h"

static void run(pd_request *r)
{
    (void)r;
}

static const pd_route routes[] = {
    { "GET", "/", run, false },           { "GET", "/orders/{id}", run, false },
    { "GET", "/orders/new", run, false }, { "POST", "/orders/{id}/items/{item}", run, false },
    { NULL, "/{a}/new", run, false },     { "PUT", "/orders/new", run, false },
};
enum { ROUTES = sizeof routes / sizeof routes[0] };

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct match find(const char *method, const char *path)
{
    struct match match;
    routes_find(routes, ROUTES, text_of(method), text_of(path), &arena, &match);
    return match;
}

static long number(const char *method, const char *path)
{
    struct match match = find(method, path);
    return match.route != NULL ? match.route - routes : -match.code;
}

static void test_the_route_with_a_word_furthest_left_counts(void **state)
{
    (void)state;
    assert_int_equal(number("GET", "/"), 0);
    assert_int_equal(number("GET", ""), 0);
    assert_int_equal(number("GET", "/orders/7"), 1);
    assert_int_equal(number("GET", "/orders/new"), 2);
    assert_int_equal(number("GET", "/orders/new/"), 2);
    assert_int_equal(number("GET", "/goods/new"), 4);
    assert_int_equal(number("DELETE", "/goods/new"), 4);
    assert_int_equal(number("DELETE", "/orders/new"), 4); /* no route with the word takes it */
    assert_int_equal(number("PUT", "/orders/new"), 5);
    assert_int_equal(number("HEAD", "/orders/7"), 1);
}

static void test_what_no_route_has_is_404_and_a_method_that_none_has_405(void **state)
{
    (void)state;
    assert_int_equal(number("GET", "/orders"), -404);
    assert_int_equal(number("GET", "/orders//"), -404);
    assert_int_equal(number("GET", "//7"), -404);
    assert_int_equal(number("GET", "/Orders/7"), -404); /* case counts */
    assert_int_equal(number("GET", "/orders/7/items"), -404);

    assert_int_equal(number("DELETE", "/orders/7"), -405);
    assert_int_equal(number("HEAD", "/orders/7/items/8"), -405); /* HEAD is for GET */
    assert_string_equal(find("DELETE", "/orders/7").allow, "GET, HEAD");
}

static void test_allow_names_each_method_once_whichever_routes_have_it(void **state)
{
    (void)state;
    static const pd_route many[] = {
        { "GET", "/a/{b}", run, false },
        { "PUT", "/a/{b}", run, false },
        { "GET", "/a/new", run, false },
        { "POST", "/{c}/new", run, false },
    };
    struct match match;
    routes_find(many, 4, TEXT("DELETE"), TEXT("/a/new"), &arena, &match);
    assert_int_equal(match.code, 405);
    assert_string_equal(match.allow, "GET, HEAD, POST, PUT");
}

static void test_head_is_for_its_own_route_then_that_of_get_then_that_of_any(void **state)
{
    (void)state;
    static const pd_route all[] = {
        { NULL, "/a", run, false },
        { "GET", "/a", run, false },
        { "HEAD", "/a", run, false },
    };
    struct match match;
    for (size_t count = 1; count <= 3; count++) { /* each goes before those above it */
        routes_find(all, count, TEXT("HEAD"), TEXT("/a"), &arena, &match);
        assert_ptr_equal(match.route, &all[count - 1]);
    }
    routes_find(all, 3, TEXT("GET"), TEXT("/a"), &arena, &match);
    assert_ptr_equal(match.route, &all[1]);
}

static void test_dots_and_slashes_of_a_parameter_are_its_own(void **state)
{
    (void)state;
    assert_string_equal(find("GET", "/orders/..").parameters[0].value, "..");
    assert_string_equal(find("GET", "/orders/%2e%2E%2fetc").parameters[0].value, "../etc");
    assert_int_equal(number("GET", "/orders/../x"), -404); /* nobody goes up */
    assert_int_equal(number("GET", "/%6frders/7"), -404);  /* words are compared as they came */
}

static void test_parameters_are_decoded_within_their_segments(void **state)
{
    (void)state;
    struct match match = find("POST", "/orders/a%2Fb/items/%C3%A4+1");
    assert_int_equal(match.parameter_count, 2);
    assert_string_equal(match.parameters[0].name, "id");
    assert_string_equal(match.parameters[0].value, "a/b");
    assert_string_equal(match.parameters[1].value, "\xC3\xA4+1");
    static const char *const bad[] = { "/orders/%", "/orders/%4", "/orders/%4x", "/orders/%00" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(number("GET", bad[i]), -400);
    }
    assert_string_equal(find("GET", "/orders/%41").parameters[0].value, "A"); /* at the very end */
}

static void test_the_first_of_a_name_in_the_query_counts(void **state)
{
    (void)state;
    struct text query = TEXT("a=1&b=x+y%26z&a=2&flag&=no&c=%zz&%64=4");
    assert_string_equal(routes_query(&arena, query, "a"), "1");
    assert_string_equal(routes_query(&arena, query, "b"), "x y&z");
    assert_string_equal(routes_query(&arena, query, "flag"), "");
    assert_string_equal(routes_query(&arena, query, "d"), "4");
    assert_null(routes_query(&arena, query, "c"));
    assert_null(routes_query(&arena, query, "e"));
    assert_null(routes_query(&arena, TEXT_ABSENT, "a"));
}

static void test_a_query_has_sixty_four_parameters(void **state)
{
    (void)state;
    struct buffer query;
    buffer_init(&query);
    for (int i = 1; i <= QUERY_MAX + 1; i++) {
        buffer_printf(&query, "%sp%d=%d", i > 1 ? "&" : "", i, i);
    }
    assert_string_equal(routes_query(&arena, buffer_text(&query), "p64"), "64");
    assert_null(routes_query(&arena, buffer_text(&query), "p65"));
    buffer_done(&query);
}

static bool is_good(const char *method, const char *path)
{
    pd_route one = { method, path, run, false };
    pd_error err;
    return routes_check(&one, 1, &err) == PD_OK;
}

static void test_a_path_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_true(is_good("GET", "/"));
    assert_true(is_good(NULL, "/a-b/{c}/d.e"));
    static const char *const bad[] = { "",         "a",          "/a/",     "//",
                                       "/{}",      "/a b",       "/a%20",   "/a?b",
                                       "/{a}{b}/", "/runtime/x", "/{a}{b}", "/{a}/b/{a}" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(is_good("GET", bad[i]));
    }
    assert_false(is_good("get", "/a"));
    assert_false(is_good("TRACE", "/a"));
    assert_true(is_good("GET", "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6"));
    assert_false(is_good("GET", "/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7"));
    assert_true(is_good("GET", "/{1}/{2}/{3}/{4}/{5}/{6}/{7}/{8}"));
    assert_false(is_good("GET", "/{1}/{2}/{3}/{4}/{5}/{6}/{7}/{8}/{9}"));
}

static void test_two_routes_that_no_request_tells_apart_are_refused(void **state)
{
    (void)state;
    pd_error err;
    assert_int_equal(routes_check(routes, ROUTES, &err), PD_OK);
    pd_route two[] = { { "GET", "/a/{b}", run, false }, { "GET", "/a/{c}", run, false } };
    assert_int_equal(routes_check(two, 2, &err), PD_E_INVALID);
    two[1].method = "PUT";
    assert_int_equal(routes_check(two, 2, &err), PD_OK);
    two[1].method = NULL;
    assert_int_equal(routes_check(two, 2, &err), PD_OK);
    two[1].run = NULL;
    assert_int_equal(routes_check(two, 2, &err), PD_E_INVALID);
}

static void test_an_app_has_256_routes(void **state)
{
    (void)state;
    static pd_route many[ROUTES_MAX + 1];
    static char paths[ROUTES_MAX + 1][16];
    pd_error err;
    for (size_t i = 0; i <= ROUTES_MAX; i++) {
        snprintf(paths[i], sizeof paths[i], "/r%zu", i);
        many[i] = (pd_route){ "GET", paths[i], run, false };
    }
    assert_int_equal(routes_check(many, ROUTES_MAX, &err), PD_OK);
    assert_int_equal(routes_check(many, ROUTES_MAX + 1, &err), PD_E_LIMIT);
}

static pd_status check_timer(pd_timer_trigger timer)
{
    pd_app app = {
        .abi = PD_APP_ABI, .size = sizeof app, .name = "a", .timers = &timer, .timer_count = 1
    };
    pd_error err;
    return app_check(&app, &err);
}

static void test_an_app_is_looked_at_before_it_runs(void **state)
{
    (void)state;
    pd_error err;
    pd_app app = { .abi = PD_APP_ABI, .size = sizeof app, .name = "an-app_1.0" };
    assert_int_equal(app_check(&app, &err), PD_OK);
    app.name = "an app";
    assert_int_equal(app_check(&app, &err), PD_E_INVALID);
    app.name = NULL;
    assert_int_equal(app_check(&app, &err), PD_E_INVALID);
    app = (pd_app){ .abi = PD_APP_ABI + 1, .size = sizeof app, .name = "a" };
    assert_int_equal(app_check(&app, &err), PD_E_STATE);
    pd_timer_trigger timer = { .name = "t", .rule = "@daily", .activity = "A" };
    assert_int_equal(check_timer(timer), PD_OK);
    timer.orchestrator = "O";
    assert_int_equal(check_timer(timer), PD_E_INVALID);
    timer.activity = timer.orchestrator = NULL;
    assert_int_equal(check_timer(timer), PD_E_INVALID);
    timer = (pd_timer_trigger){ .name = "t", .rule = "61 * * * *", .activity = "A" };
    assert_int_equal(check_timer(timer), PD_E_INVALID);
    timer =
        (pd_timer_trigger){ .name = "t", .rule = "@daily", .activity = "A", .zone = "No/Where" };
    assert_int_equal(check_timer(timer), PD_E_INVALID);
    timer = (pd_timer_trigger){ .name = "t", .rule = "@daily", .activity = "A", .input = "{" };
    assert_int_equal(check_timer(timer), PD_E_INVALID);
    timer = (pd_timer_trigger){ .name = "t", .rule = "@daily", .activity = "A" };
    timer.overlap = (pd_overlap)3;
    assert_int_equal(check_timer(timer), PD_E_INVALID);
    timer.overlap = PD_OVERLAP_ALLOW;
    timer.missed = (pd_missed)3;
    assert_int_equal(check_timer(timer), PD_E_INVALID);
    timer.missed = PD_MISSED_ALL;
    assert_int_equal(check_timer(timer), PD_OK);
    timer = (pd_timer_trigger){ .name = "a@b", .rule = "@daily", .activity = "A" };
    assert_int_equal(check_timer(timer), PD_E_INVALID);
}

static struct keys *keys_of(const char *text, pd_error *err)
{
    char path[] = "/tmp/perdure-keys-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct keys *keys = keys_read(path, err);
    unlink(path);
    return keys;
}

static void test_keys_are_found_whole_only(void **state)
{
    (void)state;
    pd_error err;
    struct keys *keys = keys_of("# ours\n\n0123456789abcdef ann\nfedcba9876543210\n", &err);
    assert_non_null(keys);
    assert_string_equal(keys_find(keys, "0123456789abcdef"), "ann");
    assert_string_equal(keys_find(keys, "fedcba9876543210"), "");
    assert_null(keys_find(keys, "0123456789abcde"));
    assert_null(keys_find(keys, "0123456789abcdefg"));
    assert_null(keys_find(keys, ""));
    keys_free(keys);
    assert_null(keys_of("0123456789abcde\n", &err)); /* too short */
    assert_null(keys_of("# nothing\n", &err));
    assert_null(keys_of("0123456789abcdef ann bob\n", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_route_with_a_word_furthest_left_counts),
        cmocka_unit_test(test_what_no_route_has_is_404_and_a_method_that_none_has_405),
        cmocka_unit_test(test_allow_names_each_method_once_whichever_routes_have_it),
        cmocka_unit_test(test_head_is_for_its_own_route_then_that_of_get_then_that_of_any),
        cmocka_unit_test(test_dots_and_slashes_of_a_parameter_are_its_own),
        cmocka_unit_test(test_parameters_are_decoded_within_their_segments),
        cmocka_unit_test(test_the_first_of_a_name_in_the_query_counts),
        cmocka_unit_test(test_a_query_has_sixty_four_parameters),
        cmocka_unit_test(test_a_path_that_is_none_is_refused),
        cmocka_unit_test(test_two_routes_that_no_request_tells_apart_are_refused),
        cmocka_unit_test(test_an_app_has_256_routes),
        cmocka_unit_test(test_an_app_is_looked_at_before_it_runs),
        cmocka_unit_test(test_keys_are_found_whole_only),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
