/* SPDX-License-Identifier: MIT
 *
 * Spans and statuses, as .NET writes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/http_text.h"

static void spans_are_read_as_dotnet_writes_them(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        { "00:00:01", 1000 },
        { "01:02:03.5", 3723500 },
        { "1:2:3", 3723000 },
        { "2.00:00:00", 172800000 },
        { "1.02:03:04", 93784000 },
        { "-00:00:02", -2000 },
        { "-00:00:00.0010000", -1 },
        { "00:00:00.5", 500 },
        { "00:00:00.1234567", 124 },
        { "00:00:00.0000001", 1 },
        { "00:00:00.9999999", 1000 },
        { "10675199.02:48:05.4775807", INT64_C(922337203685478) },
        { "99999999.23:59:59.9999999", INT64_C(8640000000000000) },
    };
    static const char *const none[] = {
        "",         "1",           "00:00",     "1:2",       "24:00:00",          "00:60:00",
        "00:00:60", "00:00:01 ",   "00:00:01x", " 00:00:01", "00:00:01.12345678", "00:00:01.",
        "--0:0:1",  "1.2.0:00:00", "+00:00:01", "000:00:01", "100000000.00:00:00"
    };
    int64_t ms;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(http_read_span(rows[i].text, &ms));
        assert_int_equal(ms, rows[i].ms);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        if (http_read_span(none[i], &ms)) {
            fail_msg("'%s' is taken for a span", none[i]);
        }
    }
}

static void statuses_have_the_names_that_dotnet_has_for_them(void **state)
{
    char name[HTTP_STATUS_NAME_MAX];
    (void)state;
    assert_string_equal(http_status_name(500, name), "InternalServerError");
    assert_string_equal(http_status_name(203, name), "NonAuthoritativeInformation");
    assert_string_equal(http_status_name(207, name), "MultiStatus");
    assert_string_equal(http_status_name(414, name), "RequestUriTooLong");
    assert_string_equal(http_status_name(511, name), "NetworkAuthenticationRequired");
    assert_string_equal(http_status_name(599, name), "599");
    assert_string_equal(http_status_name(INT64_MIN, name), "-9223372036854775808");
    assert_string_equal(http_reason(414), "Request-Uri Too Long");
    assert_null(http_reason(599));
    for (int status = 0; status < 1000; status++) { /* all fit */
        assert_true(strlen(http_status_name(status, name)) < HTTP_STATUS_NAME_MAX);
    }
}

static void a_url_is_shown_without_what_may_be_secret_and_not_at_length(void **state)
{
    static const struct {
        const char *url, *shown;
    } rows[] = {
        { "https://h:1/a/b", "https://h:1/a/b" },
        { "https://user:word@h/a", "https://***@h/a" },
        { "https://user:w@rd/?#@h/a", "https://***@h/a" },
        { "user:word@h", "***@h" },
        { "//user:word@h", "***@h" },
        { "aVeryLongSecret0://x@h", "***@h" },
        { "https://h/a?code=secret", "https://h/a?..." },
        { "https://h/?mail=a@b?c", "https://***@b?..." },
        { "", "" },
        { "a\nb\x7f", "a?b?" },
    };
    char shown[HTTP_SHOWN_MAX], url[HTTP_SHOWN_MAX + 8] = "";
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(http_show_url(rows[i].url, shown), rows[i].shown);
    }
    memset(url, 'a', HTTP_SHOWN_BYTES);
    assert_string_equal(http_show_url(url, shown), url);
    url[HTTP_SHOWN_BYTES] = 'b'; /* one past */
    assert_int_equal(strlen(http_show_url(url, shown)), HTTP_SHOWN_BYTES + 3);
    assert_string_equal(shown + HTTP_SHOWN_BYTES - 1, "a...");
    memcpy(url + HTTP_SHOWN_BYTES - 1, "\xc3\xbc", 2); /* and not within a character */
    assert_int_equal(strlen(http_show_url(url, shown)), HTTP_SHOWN_BYTES + 2);
    memcpy(url, "https://u@", 10);
    memset(url + 10, 'a', sizeof url - 11);
    assert_true(strlen(http_show_url(url, shown)) < HTTP_SHOWN_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_read_as_dotnet_writes_them),
        cmocka_unit_test(a_url_is_shown_without_what_may_be_secret_and_not_at_length),
        cmocka_unit_test(statuses_have_the_names_that_dotnet_has_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
