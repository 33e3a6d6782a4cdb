/* SPDX-License-Identifier: MIT */
#include "calendar/zone_rule.h"

#include <ctype.h>
#include <string.h>

#include "calendar/civil.h"

/* ---- reading -------------------------------------------------------------------------------- */

/* Each takes what it reads from the front of *at, and answers false when it is not there. */

static bool read_name(const char **at)
{
    const char *from = *at;
    if (*from == '<') {
        const char *end = strchr(from, '>');
        *at = end != NULL ? end + 1 : from;
        return end != NULL && end > from + 1;
    }
    while (isalpha((unsigned char)**at)) {
        (*at)++;
    }
    return *at - from >= 3;
}

static bool read_number(const char **at, int64_t low, int64_t high, int64_t *ret)
{
    int64_t number = 0;
    const char *from = *at;
    for (; isdigit((unsigned char)**at) && number <= high; (*at)++) {
        number = number * 10 + (**at - '0');
    }
    *ret = number;
    return *at > from && number >= low && number <= high;
}

/* [+-]hh[:mm[:ss]], up to a week: RFC 8536 has longer ones than POSIX. */
static bool read_time(const char **at, int64_t *ret)
{
    int64_t sign = **at == '-' ? -1 : 1, hours, part;
    *at += **at == '-' || **at == '+' ? 1 : 0;
    if (!read_number(at, 0, 167, &hours)) {
        return false;
    }
    int64_t seconds = hours * 3600;
    for (int64_t unit = 60; **at == ':' && unit > 0; unit /= 60) {
        (*at)++;
        if (!read_number(at, 0, 59, &part)) {
            return false;
        }
        seconds += part * unit;
    }
    *ret = sign * seconds;
    return true;
}

static bool read_edge(const char **at, struct edge *edge)
{
    int64_t month = 0, week = 0, day;
    bool is_read;
    if (**at == 'M') {
        (*at)++;
        edge->kind = EDGE_WEEKDAY;
        is_read = read_number(at, 1, 12, &month) && *(*at)++ == '.' &&
                  read_number(at, 1, 5, &week) && *(*at)++ == '.' && read_number(at, 0, 6, &day);
    } else {
        bool is_julian = **at == 'J';
        *at += is_julian ? 1 : 0;
        edge->kind = is_julian ? EDGE_JULIAN : EDGE_DAY;
        is_read = read_number(at, is_julian ? 1 : 0, 365, &day);
    }
    if (!is_read) {
        return false;
    }
    edge->month = (int)month;
    edge->week = (int)week;
    edge->day = (int)day;
    edge->seconds = 2 * 3600;
    if (**at == '/') {
        (*at)++;
        return read_time(at, &edge->seconds);
    }
    return true;
}

bool zone_rule_parse(struct zone_rule *rule, const char *text)
{
    const char *at = text;
    *rule = (struct zone_rule){ 0 };
    if (!read_name(&at) || !read_time(&at, &rule->offset)) {
        return false;
    }
    rule->offset = -rule->offset; /* POSIX counts westwards */
    if (*at == '\0') {
        return true;
    }
    rule->has_summer = true;
    rule->summer_offset = rule->offset + 3600;
    if (!read_name(&at)) {
        return false;
    }
    if (*at != ',') {
        if (!read_time(&at, &rule->summer_offset)) {
            return false;
        }
        rule->summer_offset = -rule->summer_offset;
    }
    return *at++ == ',' && read_edge(&at, &rule->begin) && *at++ == ',' &&
           read_edge(&at, &rule->end) && *at == '\0';
}

/* ---- spans ---------------------------------------------------------------------------------- */

static int64_t edge_day(const struct edge *edge, int64_t year)
{
    int64_t first = civil_days(year, 1, 1);
    switch (edge->kind) {
    case EDGE_DAY: return first + edge->day;
    case EDGE_JULIAN: /* February 29th is never counted */
        return first + edge->day - 1 + (civil_is_leap(year) && edge->day >= 60 ? 1 : 0);
    case EDGE_WEEKDAY: break;
    }
    int64_t day = civil_days(year, edge->month, 1);
    day += (edge->day - civil_weekday(day) + 7) % 7 + (edge->week - 1) * 7;
    return day < civil_days(year, edge->month, 1) + civil_month_days(year, edge->month) ? day
                                                                                        : day - 7;
}

struct change {
    int64_t at, offset; /* from then on */
};

struct zone_span zone_rule_span_at(const struct zone_rule *rule, int64_t t)
{
    struct zone_span span = { INT64_MIN, INT64_MAX, rule->offset };
    if (!rule->has_summer) {
        return span;
    }
    /* A change can be a week off its year. */
    int64_t year = civil_of(floor_div(t, DAY_SECONDS)).year;
    for (int64_t y = year - 1; y <= year + 1; y++) {
        const struct change changes[] = {
            { edge_day(&rule->begin, y) * DAY_SECONDS + rule->begin.seconds - rule->offset,
              rule->summer_offset },
            { edge_day(&rule->end, y) * DAY_SECONDS + rule->end.seconds - rule->summer_offset,
              rule->offset },
        };
        for (int i = 0; i < 2; i++) {
            if (changes[i].at <= t && changes[i].at >= span.from) {
                span.from = changes[i].at;
                span.offset = changes[i].offset;
            } else if (changes[i].at > t && changes[i].at < span.until) {
                span.until = changes[i].at;
            }
        }
    }
    return span;
}
