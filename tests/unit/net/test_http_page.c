/* SPDX-License-Identifier: MIT
 *
 * Hosts and origins: which are ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/http_page.h"

static void authorities_are_told_from_what_is_none(void **state)
{
    static const char *const right[] = { "a",       "a.b-c_d", "127.0.0.1:0",     "a:65535",
                                         "[::1]:1", "[::1]",   "[::ffff:1.2.3.4]" };
    static const char *const wrong[] = {
        "",    ":1",   "a:",     "a:65536", "a:123456", "a:1x", "a b",  "a\"b", "a@b",
        "a/b", "[::1", "[::1]x", "[g::]",   "[]:1",     "a:-1", "a:+1", "a,b",  "\xc3\xa4"
    };
    char text[300];
    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_true(http_is_authority(text_of(right[i])));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (http_is_authority(text_of(wrong[i]))) {
            fail_msg("%s", wrong[i]);
        }
    }
    memset(text, 'a', sizeof text);
    assert_true(http_is_authority(text_make(text, 255)));
    assert_false(http_is_authority(text_make(text, 256)));
}

static void hosts_that_nobody_else_gives_away_are_ours(void **state)
{
    static const char url[] = "https://pub.example:8443/path.with/dots";
    static const char *const always[] = { "127.0.0.1", "127.0.0.1:80", "10.0.0.1", "[::1]:80",
                                          "localhost", "LOCALHOST:1",  "" };
    static const char *const never[] = {
        "evil.example",        "evil.example:80",       "127.0.0.1.example",  "localhost.example",
        "pub.example",         "pub.example:8443.evil", "x.pub.example:8443", "127.0.0.1x.a",
        "127.0.0.1:a.example", "[::1].example",         "localhost:a.b"
    };
    (void)state;
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        assert_true(http_is_host_ours(text_of(always[i]), NULL));
        assert_true(http_is_host_ours(text_of(always[i]), url));
    }
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        assert_false(http_is_host_ours(text_of(never[i]), NULL));
        assert_false(http_is_host_ours(text_of(never[i]), url));
    }
    assert_true(http_is_host_ours(TEXT_ABSENT, NULL));
    assert_false(http_is_host_ours(TEXT("upstream"), NULL));
    assert_true(http_is_host_ours(TEXT("upstream"), url));
    assert_true(http_is_host_ours(TEXT("upstream:80"), url));
    assert_true(http_is_host_ours(TEXT("pub.example:8443"), url));
}

static void pages_of_our_host_and_of_the_public_one_are_ours(void **state)
{
    static const char url[] = "https://pub.example/path";
    static const char *const never[] = { "",
                                         "null",
                                         "file://",
                                         "http://",
                                         "http://a",
                                         "http://a:81",
                                         "http://a:80.evil.example",
                                         "http://evil.example",
                                         "http://evil.example/http://a:80",
                                         "https://pub.example.evil",
                                         "a:80" };
    (void)state;
    assert_true(http_is_page_ours(TEXT("http://a:80"), TEXT("a:80"), NULL));
    assert_true(http_is_page_ours(TEXT("http://A:80"), TEXT("a:80"), url));
    assert_true(http_is_page_ours(TEXT("https://pub.example"), TEXT("a:80"), url));
    assert_false(http_is_page_ours(TEXT("https://pub.example"), TEXT("a:80"), NULL));
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        assert_false(http_is_page_ours(text_of(never[i]), TEXT("a:80"), url));
        assert_false(http_is_page_ours(text_of(never[i]), TEXT_ABSENT, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authorities_are_told_from_what_is_none),
        cmocka_unit_test(hosts_that_nobody_else_gives_away_are_ours),
        cmocka_unit_test(pages_of_our_host_and_of_the_public_one_are_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
