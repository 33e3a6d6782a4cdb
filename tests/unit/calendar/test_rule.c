/* SPDX-License-Identifier: MIT
 *
 * Rules. Tables for what each form means; for what changes of clocks do, an oracle that goes
 * through every minute of two years and asks libc what the clocks show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "calendar/calendar.h"
#include "calendar/civil.h"

/* "2026-03-29 02:30:00" in UTC */
static time_us utc(const char *text)
{
    int y, mo, d, h, mi, s;
    assert_int_equal(sscanf(text, "%d-%d-%d %d:%d:%d", &y, &mo, &d, &h, &mi, &s), 6);
    return (civil_days(y, mo, d) * DAY_SECONDS + h * 3600 + mi * 60 + s) * TIME_SECOND;
}

static struct rule *rule_of(const char *text, const char *zone)
{
    pd_error err = { 0 };
    struct rule *rule = rule_parse(text, zone, &err);
    if (rule == NULL) {
        fail_msg("%s: %s", text, err.text);
    }
    return rule;
}

static void assert_next(const char *text, const char *zone, const char *after, const char *wanted)
{
    struct rule *rule = rule_of(text, zone);
    time_us got = rule_next(rule, 0, utc(after));
    if (got != utc(wanted)) {
        char shown[32];
        time_format(got, shown);
        fail_msg("%s in %s after %s: %s, not %s", text, zone, after, shown, wanted);
    }
    rule_free(rule);
}

static void each_form_is_due_when_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *text, *after, *wanted;
    } rows[] = {
        { "* * * * *", "2026-11-22 10:00:00", "2026-11-22 10:01:00" },
        { "30 8 * * 1-5", "2026-11-20 08:30:00", "2026-11-23 08:30:00" },
        { "0 30 8 * * MON-FRI", "2026-11-20 08:29:59", "2026-11-20 08:30:00" },
        { "*/10 * * * * *", "2026-11-22 10:00:05", "2026-11-22 10:00:10" },
        { "5/20 * * * *", "2026-11-22 10:26:00", "2026-11-22 10:45:00" },
        { "0 0 1,15 * *", "2026-11-02 00:00:00", "2026-11-15 00:00:00" },
        { "0 0 L * *", "2028-02-01 00:00:00", "2028-02-29 00:00:00" },
        { "0 0 L-3 * *", "2026-11-01 00:00:00", "2026-11-27 00:00:00" },
        { "0 0 LW * *", "2026-01-01 00:00:00", "2026-01-30 00:00:00" },
        { "0 0 15W * *", "2026-11-01 00:00:00", "2026-11-16 00:00:00" },
        { "0 0 1W * *", "2026-07-31 00:00:00", "2026-08-03 00:00:00" },
        { "0 0 31W * *", "2026-02-01 00:00:00", "2026-03-31 00:00:00" },
        { "0 0 * * 5L", "2026-11-01 00:00:00", "2026-11-27 00:00:00" },
        { "0 0 * * FRI#2", "2026-11-01 00:00:00", "2026-11-13 00:00:00" },
        { "0 0 * * 1#5", "2026-11-01 00:00:00", "2026-11-30 00:00:00" },
        { "0 0 13 * 5", "2026-11-01 00:00:00", "2026-11-06 00:00:00" },
        { "0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00:00" },
        { "0 0 29 2 *", "2097-01-01 00:00:00", "2104-02-29 00:00:00" },
        { "0 0 * * 7", "2026-11-22 00:00:00", "2026-11-29 00:00:00" },
        { "0 0 * * 5-7", "2026-11-21 00:00:00", "2026-11-22 00:00:00" },
        { "0 0 1 JAN,jul ?", "2026-01-01 00:00:00", "2026-07-01 00:00:00" },
        { "59 59 23 31 12 *", "2026-12-31 23:59:59", "2027-12-31 23:59:59" },
        { "@yearly", "2026-11-22 00:00:00", "2027-01-01 00:00:00" },
        { "@monthly", "2026-11-22 00:00:00", "2026-12-01 00:00:00" },
        { "@weekly", "2026-11-22 00:00:00", "2026-11-29 00:00:00" },
        { "@daily", "2026-11-22 00:00:00", "2026-11-23 00:00:00" },
        { "@hourly", "2026-11-22 00:00:00", "2026-11-22 01:00:00" },
        { "TZ=Asia/Kolkata 0 0 * * *", "2026-11-22 00:00:00", "2026-11-22 18:30:00" },
        { "CRON_TZ=Asia/Tokyo @daily", "2026-11-22 00:00:00", "2026-11-22 15:00:00" },
        { "*/15 * * * *", "1969-12-31 23:50:00", "1970-01-01 00:00:00" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_next(rows[i].text, NULL, rows[i].after, rows[i].wanted);
    }
}

static void intervals_count_from_their_anchor(void **state)
{
    (void)state;
    struct rule *rule = rule_of("@every 1h30m", NULL);
    time_us anchor = utc("2026-11-22 00:10:00");
    assert_int_equal(rule_next(rule, anchor, utc("2026-11-21 00:00:00")), anchor);
    assert_int_equal(rule_next(rule, anchor, anchor), utc("2026-11-22 01:40:00"));
    assert_int_equal(rule_next(rule, anchor, utc("2026-11-22 01:40:00") - 1),
                     utc("2026-11-22 01:40:00"));
    assert_int_equal(rule_next(rule, anchor, utc("2026-11-22 01:40:00")),
                     utc("2026-11-22 03:10:00"));
    rule_free(rule);
    rule = rule_of("@every 1s500ms", NULL);
    assert_int_equal(rule_next(rule, 0, 1), 1500000);
    rule_free(rule);
}

static void a_rule_that_cannot_be_is_refused_with_its_field(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "0 fields" },
        { "* * * *", "4 fields" },
        { "* * * * * * *", "7 fields" },
        { "60 * * * *", "minute" },
        { "* 24 * * *", "hour" },
        { "* * 0 * *", "day" },
        { "* * 32 * *", "day" },
        { "* * * 13 *", "month" },
        { "* * * * 8", "weekday" },
        { "* * * FOO *", "month" },
        { "* * * JANUARY *", "month" },
        { "*/0 * * * *", "minute" },
        { "*/60 * * * *", "minute" },
        { "5-1 * * * *", "minute" },
        { "1, * * * *", "minute" },
        { "1,,2 * * * *", "minute" },
        { "1x * * * *", "minute" },
        { "-1 * * * *", "minute" },
        { "99999999999999999999 * * * *", "minute" },
        { "* * L-31 * *", "day" },
        { "* * W * *", "day" },
        { "* * 32W * *", "day" },
        { "* * * * 5#6", "weekday" },
        { "* * * * 5#", "weekday" },
        { "* * * * MON-", "weekday" },
        { "0 0 31 2 *", "never due" },
        { "0 0 30W 2 *", "never due" },
        { "@fortnightly", "there is no '@fortnightly'; write @hourly, @daily, @midnight" },
        { "@weekdays", "@weekly, @monthly, @yearly, @annually, or @every 90s" },
        { "@every 1h 30m", "there is no '@every 1h 30m'" },
        { "* * * * 9", "the weekday '9' cannot be understood; write 0 to 7, MON to SUN" },
        { "* * * * 1x", "from 'x' on; write 0 to 7" },
        { "@every", "@every 90s" },
        { "@every 10", "interval" },
        { "@every 999ms", "interval" },
        { "@every 3654d", "interval" },
        { "@every 99999999999999d", "interval" },
        { "@every 1h-30m", "interval" },
        { "TZ=Mars/Olympus * * * * *", "Mars/Olympus" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pd_error err = { 0 };
        assert_null(rule_parse(rows[i].text, NULL, &err));
        assert_int_equal(err.status, PD_E_INVALID);
        if (strstr(err.text, rows[i].says) == NULL) {
            fail_msg("'%s' is refused with: %s", rows[i].text, err.text);
        }
    }
    struct rule *rule = rule_of("@every 3653d", NULL);
    rule_free(rule);
    rule = rule_of("@every 1s", NULL);
    rule_free(rule);
    char longest[514];
    memset(longest, ' ', sizeof longest);
    memcpy(longest, "@daily", 6);
    longest[512] = '\0';
    rule = rule_of(longest, NULL);
    rule_free(rule);
    longest[512] = ' ';
    longest[513] = '\0';
    pd_error err;
    assert_null(rule_parse(longest, NULL, &err));
}

static void a_time_that_clocks_leave_out_comes_once_right_after(void **state)
{
    (void)state;
    /* In Berlin 2026-03-29 02:00 is 03:00: 01:00 UTC. */
    assert_next("30 2 * * *", "Europe/Berlin", "2026-03-28 01:30:00", "2026-03-29 01:00:00");
    assert_next("30 2 * * *", "Europe/Berlin", "2026-03-29 01:00:00", "2026-03-30 00:30:00");
    assert_next("0,30 2 * * *", "Europe/Berlin", "2026-03-29 01:00:00", "2026-03-30 00:00:00");
    assert_next("30 * * * *", "Europe/Berlin", "2026-03-29 00:30:00", "2026-03-29 01:30:00");
    /* Samoa had no 30th of December 2011. */
    assert_next("0 12 30 12 *", "Pacific/Apia", "2011-12-01 00:00:00", "2011-12-30 10:00:00");
}

static void a_time_that_comes_twice_is_due_at_the_first(void **state)
{
    (void)state;
    /* In Berlin 2026-10-25 03:00 is 02:00 again: 01:00 UTC. */
    assert_next("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00:00", "2026-10-25 00:30:00");
    assert_next("30 2 * * *", "Europe/Berlin", "2026-10-25 00:30:00", "2026-10-26 01:30:00");
    assert_next("30 2 * * *", "Europe/Berlin", "2026-10-25 01:10:00", "2026-10-26 01:30:00");
    assert_next("30 * * * *", "Europe/Berlin", "2026-10-25 00:30:00", "2026-10-25 01:30:00");
}

/* ---- the oracle ------------------------------------------------------------------------------ */

struct wall {
    int minute, hour, day, month, weekday;
    int64_t local; /* minutes */
};

static struct wall wall_at(int64_t t)
{
    time_t at = (time_t)t;
    struct tm tm;
    assert_non_null(localtime_r(&at, &tm));
    return (struct wall){ tm.tm_min,     tm.tm_hour, tm.tm_mday,
                          tm.tm_mon + 1, tm.tm_wday, floor_div(t + tm.tm_gmtoff, 60) };
}

static bool is_named(const struct wall *w, int minute, int hour, int weekday)
{
    return w->minute == minute && (hour < 0 || w->hour == hour) &&
           (weekday < 0 || w->weekday == weekday);
}

static struct wall wall_of_local(int64_t local)
{
    struct civil civil = civil_of(floor_div(local, 1440));
    int of_day = (int)(local - floor_div(local, 1440) * 1440);
    return (struct wall){
        of_day % 60, of_day / 60, civil.day, civil.month, civil_weekday(floor_div(local, 1440)),
        local
    };
}

/* Every minute of two years: when is "minute hour * * weekday" due? */
static void compare(const char *zone, int minute, int hour, int weekday)
{
    char text[64], hours[16] = "*", weekdays[16] = "*";
    if (hour >= 0) {
        (void)snprintf(hours, sizeof hours, "%d", hour);
    }
    if (weekday >= 0) {
        (void)snprintf(weekdays, sizeof weekdays, "%d", weekday);
    }
    (void)snprintf(text, sizeof text, "%d %s * * %s", minute, hours, weekdays);
    struct rule *rule = rule_of(text, zone);
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
    int64_t begin = utc("2026-01-01 00:00:00") / TIME_SECOND;
    int64_t reached = wall_at(begin - 60).local; /* the latest that the clocks have shown */
    time_us due = rule_next(rule, 0, (begin - 60) * TIME_SECOND);
    for (int64_t t = begin; t < begin + 2 * 365 * DAY_SECONDS; t += 60) {
        struct wall now = wall_at(t);
        bool is_due = is_named(&now, minute, hour, weekday) && (hour < 0 || now.local > reached);
        for (int64_t left_out = reached + 1; hour >= 0 && left_out < now.local; left_out++) {
            struct wall wall = wall_of_local(left_out);
            is_due = is_due || is_named(&wall, minute, hour, weekday);
        }
        reached = now.local > reached ? now.local : reached;
        if (is_due != (due == t * TIME_SECOND)) {
            fail_msg("%s in %s at %lld: due is %d", text, zone, (long long)t, is_due);
        }
        if (is_due) {
            due = rule_next(rule, 0, due);
        }
    }
    rule_free(rule);
}

static void two_years_of_minutes_are_as_an_oracle_has_them(void **state)
{
    (void)state;
    static const char *const zones[] = { "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
                                         "Africa/Casablanca", "America/Nuuk" };
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        compare(zones[i], 0, -1, -1);
        compare(zones[i], 15, -1, 0);
        for (int hour = 0; hour < 4; hour++) {
            compare(zones[i], 0, hour, -1);
            compare(zones[i], 45, hour, 0);
        }
        compare(zones[i], 30, 23, 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_due_when_it_says),
        cmocka_unit_test(intervals_count_from_their_anchor),
        cmocka_unit_test(a_rule_that_cannot_be_is_refused_with_its_field),
        cmocka_unit_test(a_time_that_clocks_leave_out_comes_once_right_after),
        cmocka_unit_test(a_time_that_comes_twice_is_due_at_the_first),
        cmocka_unit_test(two_years_of_minutes_are_as_an_oracle_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
