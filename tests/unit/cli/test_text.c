/* SPDX-License-Identifier: MIT
 *
 * Times and durations as people write them, and JSON quoting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cli.h"

static void durations_have_units_and_default_to_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = { { "0", 0 },          { "500ms", 500 },   { "30s", 30000 },   { "30", 30000 },
                 { "1.5s", 1500 },    { "5m", 300000 },   { "5min", 300000 }, { "2h", 7200000 },
                 { "7d", 604800000 }, { "1w", 604800000 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pd_duration d = { -1 };
        assert_true(duration_read(rows[i].text, &d));
        assert_int_equal(d.ms, rows[i].ms);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = { "", "s", "-5s", "5x", "5 s", "s5", "1e400", "nan", "inf" };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pd_duration d = { -1 };
        assert_false(duration_read(rows[i], &d));
        assert_int_equal(d.ms, -1);
    }
}

static void times_are_read_in_their_zone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = { { "1970-01-01T00:00:00Z", 0 },
                 { "2026-01-31T10:00:00Z", 1769853600000 },
                 { "2026-01-31T10:00:00.25Z", 1769853600250 },
                 { "2026-01-31t10:00z", 1769853600000 },
                 { "2026-01-31T11:30:00+01:30", 1769853600000 },
                 { "2026-01-31T05:00:00-05:00", 1769853600000 },
                 { "2026-01-31 12:00", 1769853600000 }, /* TZ is two hours east */
                 { "2026-01-31", 1769810400000 } };
    setenv("TZ", "TEST-2", 1);
    tzset();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pd_time t = { -1 };
        assert_true(time_read(rows[i].text, &t));
        assert_int_equal(t.ms, rows[i].ms);
    }
}

static void a_duration_as_a_time_is_so_long_ago(void **state)
{
    (void)state;
    pd_time t = { 0 };
    int64_t now = clock_now_ms();
    assert_true(time_read("2h", &t));
    assert_in_range(t.ms, now - 7200000, now - 7200000 + 5000);
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = { "",
                                        "yesterday",
                                        "2026-13-01T00:00:00Z",
                                        "2026-02-29",
                                        "2026-04-31T10:00:00Z",
                                        "2026-01-31T",
                                        "2026-01-31T25:00",
                                        "2026-01-31T10:00:00+1",
                                        "2026-01-31Zx",
                                        "10:00" };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pd_time t = { -1 };
        assert_false(time_read(rows[i], &t));
    }
}

static void times_are_written_with_all_their_digits(void **state)
{
    (void)state;
    assert_string_equal(time_iso(1769853600123456, true).text, "2026-01-31T10:00:00.123456Z");
    assert_string_equal(time_iso(1769853600123456, false).text, "2026-01-31T10:00:00.123Z");
    assert_string_equal(time_iso(5, true).text, "1970-01-01T00:00:00.000005Z");
    assert_string_equal(time_iso(-1, true).text, "1969-12-31T23:59:59.999999Z");
}

static void quoting_escapes_what_json_cannot_hold(void **state)
{
    (void)state;
    AUTO_STRING s = { 0 };
    string_quote(&s, "a\"b\\c\n\t\x01ü");
    assert_string_equal(s.at, "\"a\\\"b\\\\c\\n\\t\\u0001ü\"");
    s.size = 0;
    string_quote(&s, NULL);
    assert_string_equal(s.at, "null");
}

static void a_failure_nests_its_causes(void **state)
{
    (void)state;
    pd_failure cause = { .type = "CardDeclined", .message = "no funds", .final = true };
    pd_failure failure = { .type = "TaskFailed", .message = "ChargeCard failed", .cause = &cause };
    AUTO_STRING s = { 0 };
    string_failure(&s, &failure);
    assert_string_equal(s.at, "{\"type\":\"TaskFailed\",\"message\":\"ChargeCard failed\","
                              "\"final\":false,\"cause\":{\"type\":\"CardDeclined\","
                              "\"message\":\"no funds\",\"final\":true}}");
}

static void a_failure_of_many_causes_names_them_all(void **state)
{
    (void)state;
    pd_failure third = { .type = "C", .message = "" };
    pd_failure second = { .type = "B", .message = "", .next = &third };
    pd_failure first = { .type = "A", .message = "", .next = &second };
    pd_failure failure = { .type = "T", .message = "", .cause = &first };
    AUTO_STRING s = { 0 };
    string_failure(&s, &failure);
    assert_string_equal(s.at, "{\"type\":\"T\",\"message\":\"\",\"final\":false,"
                              "\"cause\":{\"type\":\"A\",\"message\":\"\",\"final\":false},"
                              "\"moreCauses\":[{\"type\":\"B\",\"message\":\"\",\"final\":false},"
                              "{\"type\":\"C\",\"message\":\"\",\"final\":false}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_units_and_default_to_seconds),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(times_are_read_in_their_zone),
        cmocka_unit_test(a_duration_as_a_time_is_so_long_ago),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(times_are_written_with_all_their_digits),
        cmocka_unit_test(quoting_escapes_what_json_cannot_hold),
        cmocka_unit_test(a_failure_nests_its_causes),
        cmocka_unit_test(a_failure_of_many_causes_names_them_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
