/* SPDX-License-Identifier: MIT
 *
 * What the management API takes for JSON, a time, a number of seconds, a state; and how it writes
 * texts and times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/web.h"

static struct rpc rpc;
static struct web web;

static int set_up(void **state)
{
    (void)state;
    web = (struct web){ .http = NULL };
    rpc = (struct rpc){ .web = &web };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&rpc.arena);
    return 0;
}

static const char *const good[] = {
    "0",
    "-0",
    "1e5",
    "-1.50E+07",
    "12345678901234567890123",
    "true",
    "null",
    " false\n",
    "\"\"",
    "\"\\u00e9\\n\\\"\\/\"",
    "[]",
    "[ ]",
    "[1, [2,{}]]",
    "{}",
    "{\"a\":1,\"a\":[{}]}",
    "\"\xc3\xa9\"",
    "{ \"\" : { } }",
};
static const char *const bad[] = {
    "",
    " ",
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "0x1",
    "NaN",
    "tru",
    "nulll",
    "\"",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\n\"",
    "'a'",
    "[",
    "[1",
    "[1,]",
    "[,]",
    "[1 2]",
    "]",
    "{",
    "{\"a\"}",
    "{\"a\":}",
    "{a:1}",
    "{\"a\":1,}",
    "1 2",
    "{}{}",
    "[}",
    "{]",
    "\"\xff\"",
    "\"\xed\xa0\x80\"",
    "//",
    ("\xef\xbb\xbf"
     "1"),
};

static void json_is_what_rfc_8259_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!web_is_json(text_of(good[i]))) {
            fail_msg("%s is JSON", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (web_is_json(text_of(bad[i]))) {
            fail_msg("%s is no JSON", bad[i]);
        }
    }
    assert_false(web_is_json(TEXT_ABSENT));
    assert_false(web_is_json(text_make("1\0", 2)));
}

static void an_empty_innermost_level_of_json_is_a_level(void **state)
{
    (void)state;
    for (int depth = 512; depth <= 513; depth++) {
        struct buffer json;
        buffer_init(&json);
        for (int i = 1; i < depth; i++) {
            buffer_add_byte(&json, '[');
        }
        buffer_add_text(&json, TEXT("{ }"));
        for (int i = 1; i < depth; i++) {
            buffer_add_byte(&json, ']');
        }
        assert_int_equal(web_is_json(buffer_text(&json)), depth == 512);
        json.at[depth - 1] = '[';
        json.at[depth + 1] = ']';
        assert_int_equal(web_is_json(buffer_text(&json)), depth == 512);
        buffer_done(&json);
    }
}

static void json_is_512_levels_deep_at_most(void **state)
{
    (void)state;
    for (int depth = 512; depth <= 514; depth++) {
        struct buffer json;
        buffer_init(&json);
        for (int i = 0; i < depth; i++) {
            buffer_add_text(&json, TEXT("{\"a\":"));
        }
        buffer_add_byte(&json, '1');
        for (int i = 0; i < depth; i++) {
            buffer_add_byte(&json, '}');
        }
        assert_int_equal(web_is_json(buffer_text(&json)), depth == 512);
        for (size_t i = 0; i < json.size; i++) { /* arrays, likewise */
            json.at[i] = json.at[i] == '{' ? '[' : json.at[i] == '}' ? ']' : json.at[i];
            json.at[i] = strchr("\"a:", json.at[i]) != NULL ? ' ' : json.at[i];
        }
        assert_int_equal(web_is_json(buffer_text(&json)), depth == 512);
        buffer_done(&json);
    }
}

static void texts_are_escaped_and_what_is_no_utf8_is_replaced(void **state)
{
    static const struct {
        struct text text;
        const char *json;
    } cases[] = {
        { TEXT_INIT("plain \xc3\xa9 \xf0\x9f\x8d\xb5"), "\"plain \xc3\xa9 \xf0\x9f\x8d\xb5\"" },
        { TEXT_INIT("\"\\\b\f\n\r\t\x01\x1f"), "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\"" },
        { TEXT_INIT("a\0b"), "\"a\\u0000b\"" },
        { TEXT_INIT("a\xff\xc3z\xc3\xa9\xe2\x82"),
          "\"a\xef\xbf\xbd\xef\xbf\xbdz\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\"" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer json;
        buffer_init(&json);
        web_put_string(&json, cases[i].text);
        assert_true(text_equal(buffer_text(&json), text_of(cases[i].json)));
        buffer_done(&json);
    }
}

static void times_are_read_to_the_microsecond_and_in_any_zone(void **state)
{
    static const struct {
        const char *query;
        time_us at;
    } cases[] = {
        { "t=1970-01-01T00:00:00Z", 0 },
        { "t=1970-01-01", 0 },
        { "t=2000-02-29T23:59:59.1234567Z", INT64_C(951868799123456) },
        { "t=2000-03-01%2000:00", INT64_C(951868800000000) },
        { "T=1970-01-01T01:00:00%2B01:00", 0 },
        { "t=1970-01-01T01:00:00+01:00", 0 }, /* not encoded as it should be */
        { "t=1969-12-31T19:00:00-0500", 0 },
        { "t=0001-01-01T00:00:00Z", INT64_C(-62135596800000000) },
        { "t=9999-12-31T23:59:59Z", INT64_C(253402300799000000) },
        { "t=", TIME_NEVER },
        { "u=1970-01-01", TIME_NEVER },
        { "t=1970-13-01", TIME_NEVER },
        { "t=2001-02-29", TIME_NEVER },
        { "t=1970-01-01T24:00:00Z", TIME_NEVER },
        { "t=1970-01-01T00:60:00Z", TIME_NEVER },
        { "t=1970-01-01T00:00:60Z", TIME_NEVER },
        { "t=1970-01-01T00:00:00Zx", TIME_NEVER },
        { "t=1970-01-01T00:00:00%2B15:00", TIME_NEVER },
        { "t=1/1/1970", TIME_NEVER },
        { "t=1970-01-01&t=1970-01-02", TIME_NEVER },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        web.parameter_count = 0;
        assert_true(web_read_parameters(&rpc, text_of(cases[i].query)));
        if (web_time(&rpc, "t") != cases[i].at) {
            fail_msg("%s: %lld", cases[i].query, (long long)web_time(&rpc, "t"));
        }
    }
}

static void times_are_written_with_the_digits_they_have(void **state)
{
    static const struct {
        time_us at;
        const char *whole, *precise;
    } cases[] = {
        { INT64_C(951868799123456), "\"2000-02-29T23:59:59Z\"", "\"2000-02-29T23:59:59.123456Z\"" },
        { INT64_C(951868799120000), "\"2000-02-29T23:59:59Z\"", "\"2000-02-29T23:59:59.12Z\"" },
        { 0, "\"1970-01-01T00:00:00Z\"", "\"1970-01-01T00:00:00Z\"" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer json;
        buffer_init(&json);
        web_put_time(&json, cases[i].at, false);
        assert_true(text_equal(buffer_text(&json), text_of(cases[i].whole)));
        buffer_reset(&json);
        web_put_time(&json, cases[i].at, true);
        assert_true(text_equal(buffer_text(&json), text_of(cases[i].precise)));
        buffer_done(&json);
    }
}

static void seconds_have_fractions_and_no_end(void **state)
{
    static const struct {
        const char *query;
        int64_t us;
    } cases[] = {
        { "s=2", 2000000 },     { "s=0.25", 250000 },       { "s=.5", 500000 },
        { "s=1.", 1000000 },    { "s=1.2345678", 1234567 }, { "a=1", WIRE_NO_TIME },
        { "s=", WIRE_NO_TIME },
    };
    (void)state;
    int64_t us;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        web.parameter_count = 0;
        assert_true(web_read_parameters(&rpc, text_of(cases[i].query)));
        assert_true(web_seconds(&rpc, "s", &us));
        assert_int_equal(us, cases[i].us);
    }
    web.parameter_count = 0;
    assert_true(web_read_parameters(&rpc, TEXT("s=99999999999999999999999999999999999999")));
    assert_true(web_seconds(&rpc, "s", &us));
    assert_true(us > INT64_C(86400000000) * 365);
}

static void states_are_names_or_numbers_and_the_unknown_is_left_out(void **state)
{
    (void)state;
    struct web_states states = web_states(TEXT("Running, Failed,5,nonsense,running,,8"));
    assert_true(states.is_given);
    assert_int_equal(states.states, 1u << RUN_RUNNING | 1u << RUN_FAILED | 1u << RUN_TERMINATED);
    states = web_states(TEXT("Canceled"));
    assert_true(states.is_given);
    assert_int_equal(states.states, 0);
    states = web_states(TEXT("canceled"));
    assert_false(states.is_given);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(json_is_what_rfc_8259_says),
        test(json_is_512_levels_deep_at_most),
        test(an_empty_innermost_level_of_json_is_a_level),
        test(texts_are_escaped_and_what_is_no_utf8_is_replaced),
        test(times_are_read_to_the_microsecond_and_in_any_zone),
        test(times_are_written_with_the_digits_they_have),
        test(seconds_have_fractions_and_no_end),
        test(states_are_names_or_numbers_and_the_unknown_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
