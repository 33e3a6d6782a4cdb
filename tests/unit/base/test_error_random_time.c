/* SPDX-License-Identifier: MIT
 *
 * Errors and their texts, the numbers of a seed, time as text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

static void error_set_fills_in_everything(void **state)
{
    (void)state;
    pd_error err = { .status = PD_OK };
    pd_status status =
        error_set(&err, PD_E_LIMIT, true, "json: parse", "%d is over '%s'", 7, "six");
    assert_int_equal(status, PD_E_LIMIT);
    assert_int_equal(err.status, PD_E_LIMIT);
    assert_true(err.retryable);
    assert_string_equal(err.where, "json: parse");
    assert_string_equal(err.text, "7 is over 'six'");
}

static void error_may_quote_itself(void **state)
{
    (void)state;
    pd_error err;
    error_set(&err, PD_E_INVALID, false, "a", "inner");
    error_set(&err, PD_E_CORRUPT, false, err.where, "outer: %s", err.text);
    assert_string_equal(err.where, "a");
    assert_string_equal(err.text, "outer: inner");
}

static void long_error_is_cut_at_a_character(void **state)
{
    (void)state;
    pd_error err;
    char text[300];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof text);
        for (size_t at = shift; at + 4 < sizeof text; at += 4) {
            memcpy(text + at, "\xf0\x9f\x98\x80", 4);
        }
        text[sizeof text - 1] = '\0';
        error_set(&err, PD_E_INVALID, false, "a", "%s", text);
        size_t size = strlen(err.text);
        assert_true(size > sizeof err.text - 5 && size < sizeof err.text);
        assert_true(text_is_utf8(text_of(err.text)));
        assert_null(strchr(err.text, '?'));
    }
}

static void error_text_may_go_anywhere(void **state)
{
    (void)state;
    pd_error err;
    error_set(&err, PD_E_INVALID, false, "a", "%s", "line\nbell\a bad \xff\xc3 good \xc3\xa9 \xc3");
    assert_string_equal(err.text, "line bell  bad ?? good \xc3\xa9 ?");
}

static void statuses_have_names_and_texts(void **state)
{
    (void)state;
    assert_string_equal(status_name(PD_OK), "PD_OK");
    assert_string_equal(status_name(PD_E_TIMEOUT), "PD_E_TIMEOUT");
    assert_string_equal(status_text(PD_E_NOMEM), "out of memory");
    assert_string_equal(status_name((pd_status)99), "PD_E_?");
    assert_non_null(status_text((pd_status)99));
}

/* xoshiro256** seeded by splitmix64; the first four from the authors' reference code. */
static void the_numbers_of_a_seed_never_change(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 0);
    assert_true(random_next(&random) == UINT64_C(0x99ec5f36cb75f2b4));
    assert_true(random_next(&random) == UINT64_C(0xbf6e1f784956452a));
    assert_true(random_next(&random) == UINT64_C(0x1a5f849d4933e6e0));
    assert_true(random_next(&random) == UINT64_C(0x6aa594f1262d2d2c));
}

static void below_reaches_everything_and_nothing_else(void **state)
{
    (void)state;
    struct random random;
    int seen[7] = { 0 };
    random_seed(&random, 1);
    for (int i = 0; i < 7000; i++) {
        seen[random_below(&random, 7)]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(seen[i], 850, 1150);
    }
    assert_int_equal(random_below(&random, 1), 0);
    for (int i = 0; i < 100; i++) {
        assert_true(random_below(&random, UINT64_MAX) < UINT64_MAX);
    }
}

static void chance_keeps_its_odds(void **state)
{
    (void)state;
    struct random random;
    int hits = 0;
    random_seed(&random, 2);
    for (int i = 0; i < 10000; i++) {
        hits += random_chance(&random, 1, 4) ? 1 : 0;
        assert_false(random_chance(&random, 0, 4));
        assert_true(random_chance(&random, 4, 4));
    }
    assert_in_range(hits, 2300, 2700);
}

static void hex32_is_the_next_two_numbers(void **state)
{
    (void)state;
    struct random random;
    char id[33];
    random_seed(&random, 0);
    random_hex32(&random, id);
    assert_string_equal(id, "99ec5f36cb75f2b4bf6e1f784956452a");
}

static void time_is_written_as_iso_8601(void **state)
{
    (void)state;
    const struct {
        time_us time;
        const char *text;
    } table[] = {
        { 0, "1970-01-01T00:00:00.000000Z" },
        { 1, "1970-01-01T00:00:00.000001Z" },
        { -1, "1969-12-31T23:59:59.999999Z" },
        { INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z" },
        { INT64_C(951868799999999), "2000-02-29T23:59:59.999999Z" },
        { INT64_C(951868800000000), "2000-03-01T00:00:00.000000Z" },
        { INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z" },
        { INT64_C(1772368496789012), "2026-03-01T12:34:56.789012Z" },
        { INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z" },
        { INT64_C(253402300800000000), "+010000-01-01T00:00:00.000000Z" },
        { INT64_C(-62167219200000000), "0000-01-01T00:00:00.000000Z" },
        { INT64_C(-62167219200000001), "-000001-12-31T23:59:59.999999Z" },
        { INT64_MAX, "+294247-01-10T04:00:54.775807Z" },
        { INT64_MIN, "-290308-12-21T19:59:05.224192Z" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char out[32];
        time_format(table[i].time, out);
        assert_string_equal(out, table[i].text);
    }
}

static void time_saturates(void **state)
{
    (void)state;
    assert_true(time_add(5, -7) == -2);
    assert_true(time_add(INT64_MAX - 1, 5) == TIME_NEVER);
    assert_true(time_add(INT64_MIN + 1, -5) == INT64_MIN);
    assert_true(time_add(TIME_NEVER, -5) == TIME_NEVER);
    assert_true(time_of_public((pd_time){ INT64_MAX }) == TIME_NEVER);
    assert_true(time_of_public((pd_time){ INT64_MIN }) == INT64_MIN);
    assert_true(time_of_duration(pd_seconds(3)) == 3 * TIME_SECOND);
}

static void milliseconds_round_towards_the_past(void **state)
{
    (void)state;
    assert_true(time_to_public(1999).ms == 1);
    assert_true(time_to_public(2000).ms == 2);
    assert_true(time_to_public(-1).ms == -1);
    assert_true(time_to_public(-1000).ms == -1);
    assert_true(time_to_public(-1001).ms == -2);
    assert_true(time_of_public((pd_time){ -3 }) == -3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_set_fills_in_everything),
        cmocka_unit_test(error_may_quote_itself),
        cmocka_unit_test(long_error_is_cut_at_a_character),
        cmocka_unit_test(error_text_may_go_anywhere),
        cmocka_unit_test(statuses_have_names_and_texts),
        cmocka_unit_test(the_numbers_of_a_seed_never_change),
        cmocka_unit_test(below_reaches_everything_and_nothing_else),
        cmocka_unit_test(chance_keeps_its_odds),
        cmocka_unit_test(hex32_is_the_next_two_numbers),
        cmocka_unit_test(time_is_written_as_iso_8601),
        cmocka_unit_test(time_saturates),
        cmocka_unit_test(milliseconds_round_towards_the_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
