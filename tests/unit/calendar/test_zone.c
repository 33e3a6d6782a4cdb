/* SPDX-License-Identifier: MIT
 *
 * Zones, with libc as the oracle: it reads the same files, one zone for the whole process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/random.h"
#include "calendar/calendar.h"
#include "calendar/civil.h"
#include "calendar/zone.h"
#include "calendar/zone_rule.h"

static const char *const zones[] = {
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Europe/Dublin",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Etc/GMT+3",
    "America/Nuuk",
    "Europe/London",
    "Asia/Pyongyang",
};
enum { ZONES = sizeof zones / sizeof zones[0] };

static void use_libc(const char *zone)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

static int64_t libc_offset(int64_t t)
{
    time_t at = (time_t)t;
    struct tm tm;
    assert_non_null(localtime_r(&at, &tm));
    return tm.tm_gmtoff;
}

static void every_offset_is_as_libc_has_it(void **state)
{
    (void)state;
    pd_error err;
    uint64_t seed = 4711;
    for (size_t i = 0; i < ZONES; i++) {
        struct zone *zone = zone_open(zones[i], &err);
        assert_non_null(zone);
        use_libc(zones[i]);
        for (int n = 0; n < 20000; n++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            /* 1930 to 2150 */
            int64_t t = (int64_t)(seed >> 16) % INT64_C(6942672000) - INT64_C(1262304000);
            assert_int_equal(zone_span_at(zone, t).offset, libc_offset(t));
        }
        zone_free(zone);
    }
}

static void spans_have_no_gaps_and_end_where_libc_changes(void **state)
{
    (void)state;
    pd_error err;
    for (size_t i = 0; i < ZONES; i++) {
        struct zone *zone = zone_open(zones[i], &err);
        assert_non_null(zone);
        use_libc(zones[i]);
        int spans = 0;
        for (int64_t t = 0; t < INT64_C(4102444800) && spans < 1000; spans++) { /* to 2100 */
            struct zone_span span = zone_span_at(zone, t);
            assert_true(span.from <= t && t < span.until);
            assert_int_equal(span.offset, libc_offset(t));
            if (span.until > INT64_C(4102444800)) {
                break;
            }
            assert_int_equal(libc_offset(span.until - 1), span.offset);
            assert_int_equal(zone_span_at(zone, span.until).from, span.until);
            t = span.until;
        }
        assert_true(spans < 1000);
        zone_free(zone);
    }
}

static void a_name_that_leaves_the_folder_or_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "../../etc/passwd",  "/etc/passwd",
                                         "Mars/Olympus",      "Europe",
                                         "zone.tab",          "Europe/Ber lin",
                                         "right/Europe/Paris" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pd_error err;
        assert_null(zone_open(names[i], &err));
        assert_int_equal(err.status, PD_E_INVALID);
        assert_non_null(strstr(err.text, names[i]));
    }
}

/* Through all that it has, and what comes after; the sanitizers and the assertions look on. */
static void go_by(const struct zone *zone)
{
    pd_error err;
    int64_t t = INT64_MIN;
    for (int i = 0; i < 1000 && t < INT64_C(4102444800); i++) {
        struct zone_span span = zone_span_at(zone, t);
        assert_true(span.from <= t && t < span.until);
        t = span.until;
    }
    struct rule *rule = rule_parse("30 2 * * *", "Zone", &err);
    time_us at = INT64_C(1700000000) * TIME_SECOND;
    for (int i = 0; i < 400 && rule != NULL && at != TIME_NEVER; i++) {
        time_us next = rule_next(rule, 0, at);
        assert_true(next > at);
        at = next;
    }
    rule_free(rule);
}

static void a_damaged_file_is_refused_wherever_it_is_cut_or_bent(void **state)
{
    (void)state;
    char folder[] = "/tmp/zones-XXXXXX", path[64];
    unsigned char bytes[8192];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/Zone", folder);
    FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    assert_int_equal(setenv("TZDIR", folder, 1), 0);
    pd_error err;
    int refused = 0;
    for (size_t cut = 0; cut < 2 * size; cut++) {
        unsigned char bent[sizeof bytes];
        memcpy(bent, bytes, size);
        if (cut >= size) {
            bent[cut - size] ^= 0xff;
        }
        file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bent, 1, cut < size ? cut : size, file), cut < size ? cut : size);
        (void)fclose(file);
        struct zone *zone = zone_open("Zone", &err); /* what is bent may still be a zone */
        assert_true(cut >= size || zone == NULL);
        if (zone != NULL) {
            go_by(zone);
        } else {
            refused++;
        }
        zone_free(zone);
    }
    assert_true(refused > (int)size);
    assert_int_equal(unsetenv("TZDIR"), 0);
    assert_int_equal(remove(path), 0);
    assert_int_equal(remove(folder), 0);
}

static void lines_that_are_no_rules_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "CE",
        "CET",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-168",
        "CET-1CEST,J0,J365",
        "CET-1CEST,M3.5.0,M10.5.0/3x",
        "<>-1",
        "<+03-3",
    };
    struct zone_rule rule;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_false(zone_rule_parse(&rule, lines[i]));
    }
    assert_true(zone_rule_parse(&rule, "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"));
    assert_int_equal(rule.offset, -7200);
    assert_int_equal(rule.summer_offset, -3600);
    assert_int_equal(rule.begin.seconds, -3600);
}

static void days_are_the_same_there_and_back(void **state)
{
    (void)state;
    for (int64_t days = -800000; days < 3000000; days += 17) {
        struct civil civil = civil_of(days);
        assert_int_equal(civil_days(civil.year, civil.month, civil.day), days);
        assert_true(civil.day >= 1 && civil.day <= civil_month_days(civil.year, civil.month));
    }
    assert_int_equal(civil_days(2000, 2, 29), 11016);
    assert_int_equal(civil_weekday(civil_days(2026, 11, 22)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_offset_is_as_libc_has_it),
        cmocka_unit_test(spans_have_no_gaps_and_end_where_libc_changes),
        cmocka_unit_test(a_name_that_leaves_the_folder_or_is_none_is_refused),
        cmocka_unit_test(a_damaged_file_is_refused_wherever_it_is_cut_or_bent),
        cmocka_unit_test(lines_that_are_no_rules_are_refused),
        cmocka_unit_test(days_are_the_same_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
