/* SPDX-License-Identifier: MIT
 *
 * The next time. Within a span of a zone local time runs as real time does, so what fits is looked
 * for there, day by day; what changes of clocks do is judged where a span begins. */
#include "base/assert.h"
#include "calendar/civil.h"
#include "calendar/rule.h"

enum { YEARS_MAX = 50 };

/* ---- local time ----------------------------------------------------------------------------- */

/* The first bit from `from` on; -1: none. */
static int next_bit(uint64_t bits, int from)
{
    bits = from < 64 ? bits >> from << from : 0;
    return bits != 0 ? __builtin_ctzll(bits) : -1;
}

/* The second of a day, from `from` on; -1: none. */
static int next_in_day(const struct rule *rule, int from)
{
    int minute_from = from % 3600 / 60, second_from = from % 60;
    for (int hour = next_bit(rule->hours, from / 3600); hour >= 0;
         hour = next_bit(rule->hours, hour + 1)) {
        for (int minute = next_bit(rule->minutes, hour == from / 3600 ? minute_from : 0);
             minute >= 0; minute = next_bit(rule->minutes, minute + 1)) {
            bool is_first = hour == from / 3600 && minute == minute_from;
            int second = next_bit(rule->seconds, is_first ? second_from : 0);
            if (second >= 0) {
                return hour * 3600 + minute * 60 + second;
            }
        }
    }
    return -1;
}

/* The weekday (Monday to Friday) next to a day, within its month. */
static int near_day(const struct civil *civil, int64_t days, int wanted)
{
    int last = civil_month_days(civil->year, civil->month);
    int day = wanted == 0 || wanted > last ? last : wanted;
    int weekday = civil_weekday(days - civil->day + day);
    if (weekday == 6) {
        return day > 1 ? day - 1 : day + 2;
    }
    if (weekday == 0) {
        return day < last ? day + 1 : day - 2;
    }
    return day;
}

static bool fits_day_field(const struct rule *rule, const struct civil *civil, int64_t days)
{
    int last = civil_month_days(civil->year, civil->month);
    if ((rule->days >> civil->day & 1) != 0 ||
        (rule->before_last >> (last - civil->day) & 1) != 0) {
        return true;
    }
    for (int wanted = next_bit(rule->near_days, 0); wanted >= 0;
         wanted = next_bit(rule->near_days, wanted + 1)) {
        if (wanted <= last && near_day(civil, days, wanted) == civil->day) {
            return true;
        }
    }
    return false;
}

static bool fits_weekday_field(const struct rule *rule, const struct civil *civil, int64_t days)
{
    int weekday = civil_weekday(days);
    uint64_t of_month = rule->of_month[weekday];
    bool is_last = civil->day + 7 > civil_month_days(civil->year, civil->month);
    return (rule->weekdays >> weekday & 1) != 0 || (of_month >> ((civil->day + 6) / 7) & 1) != 0 ||
           (is_last && (of_month >> 6 & 1) != 0);
}

static bool fits_day(const struct rule *rule, const struct civil *civil, int64_t days)
{
    if (rule->has_days && rule->has_weekdays) {
        return fits_day_field(rule, civil, days) || fits_weekday_field(rule, civil, days);
    }
    return (!rule->has_days || fits_day_field(rule, civil, days)) &&
           (!rule->has_weekdays || fits_weekday_field(rule, civil, days));
}

/* The first local second that fits, from <= it < until; INT64_MAX: none. */
static int64_t next_local(const struct rule *rule, int64_t from, int64_t until)
{
    int64_t days = floor_div(from, DAY_SECONDS);
    int second = (int)(from - days * DAY_SECONDS);
    for (; days <= floor_div(until, DAY_SECONDS); days++, second = 0) {
        struct civil civil = civil_of(days);
        if ((rule->months >> civil.month & 1) == 0) {
            days += civil_month_days(civil.year, civil.month) - civil.day;
        } else if (fits_day(rule, &civil, days)) {
            int found = next_in_day(rule, second);
            if (found >= 0) {
                int64_t local = days * DAY_SECONDS + found;
                return local < until ? local : INT64_MAX;
            }
        }
    }
    return INT64_MAX;
}

/* ---- real time ------------------------------------------------------------------------------ */

/* The first second from `from` on, in one span; INT64_MAX: none in it. */
static int64_t next_in_span(const struct rule *rule, const struct zone_span *span, int64_t from,
                            int64_t limit)
{
    int64_t local = from + span->offset;
    int64_t until = (span->until < limit ? span->until : limit) + span->offset;
    if (!rule->is_hour_any && span->from != INT64_MIN) {
        int64_t before = zone_span_at(rule->zone, span->from - 1).offset;
        int64_t came_to = span->from + before; /* as the clocks were */
        if (from == span->from && before < span->offset &&
            next_local(rule, came_to, span->from + span->offset) != INT64_MAX) {
            return from; /* C2: left out */
        }
        local = local < came_to ? came_to : local; /* C2: of the same name */
    }
    int64_t found = next_local(rule, local, until);
    return found != INT64_MAX ? found - span->offset : INT64_MAX;
}

static time_us next_by_fields(const struct rule *rule, time_us after)
{
    int64_t from = floor_div(after, TIME_SECOND) + 1;
    int64_t limit = from + YEARS_MAX * INT64_C(366) * DAY_SECONDS;
    while (from < limit) {
        struct zone_span span = zone_span_at(rule->zone, from);
        assert_that(span.from <= from && from < span.until);
        int64_t found = next_in_span(rule, &span, from, limit);
        if (found != INT64_MAX) {
            return found * TIME_SECOND;
        }
        from = span.until;
    }
    return TIME_NEVER;
}

time_us rule_next(const struct rule *rule, time_us anchor, time_us after)
{
    const time_us last = INT64_C(253402300799) * TIME_SECOND; /* of the year 9999 */
    if (after > last || after < -last || anchor > last || anchor < -last) {
        return TIME_NEVER;
    }
    time_us next = rule->period == 0 ? next_by_fields(rule, after)
                   : after < anchor  ? anchor
                                    : anchor + ((after - anchor) / rule->period + 1) * rule->period;
    return next <= last ? next : TIME_NEVER;
}
