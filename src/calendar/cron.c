/* SPDX-License-Identifier: MIT
 *
 * Reading a rule. A field is read item by item; each item sets bits, and what only a calendar can
 * tell (the last day, the second Friday) sets bits of its own. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "calendar/rule.h"

static const char where[] = "calendar: rule";

enum { TEXT_BYTES_MAX = 512, FIELDS_MAX = 6 };

/* ---- items ---------------------------------------------------------------------------------- */

struct field {
    const char *name;
    int low, high;
    const char *words; /* of three letters each, for low and what follows */
    const char *forms; /* what else may be written */
};

static const struct field second_field = { "second", 0, 59, "", "" };
static const struct field minute_field = { "minute", 0, 59, "", "" };
static const struct field hour_field = { "hour", 0, 23, "", "" };
static const struct field day_field = { "day", 1, 31, "", ", L, LW, 15W" };
static const struct field month_field = { "month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC",
                                          ", JAN to DEC" };
static const struct field weekday_field = { "weekday", 0, 7, "SUNMONTUEWEDTHUFRISAT",
                                            ", MON to SUN, 5L, 5#2" };

/* A number or a name from the front of *at. */
static bool read_value(const struct field *field, const char **at, int *ret)
{
    if (isdigit((unsigned char)**at)) {
        int value = 0;
        for (; isdigit((unsigned char)**at) && value <= 99; (*at)++) {
            value = value * 10 + (**at - '0');
        }
        *ret = value;
        return value >= field->low && value <= field->high && !isdigit((unsigned char)**at);
    }
    for (int i = 0; field->words[3 * i] != '\0'; i++) {
        if (strncasecmp(*at, field->words + (size_t)3 * (size_t)i, 3) == 0 &&
            !isalpha((unsigned char)(*at)[3])) {
            *at += 3;
            *ret = field->low + i;
            return true;
        }
    }
    return false;
}

static bool read_step(const char **at, int *ret)
{
    static const struct field step = { "step", 1, 59, "", "" };
    *ret = 1;
    if (**at != '/') {
        return true;
    }
    (*at)++;
    return read_value(&step, at, ret);
}

static bool read_range(const struct field *field, const char **at, uint64_t *bits)
{
    int from = field->low, to = field->high == 7 ? 6 : field->high, step;
    if (**at == '*' || **at == '?') {
        (*at)++;
    } else {
        if (!read_value(field, at, &from)) {
            return false;
        }
        bool has_end = **at == '-';
        *at += has_end ? 1 : 0;
        if (has_end && !read_value(field, at, &to)) {
            return false;
        }
        to = has_end || **at == '/' ? to : from; /* 5/15 goes to the end */
    }
    if (!read_step(at, &step) || from > to) {
        return false;
    }
    for (int value = from; value <= to; value += step) {
        *bits |= UINT64_C(1) << (field->high == 7 ? value % 7 : value);
    }
    return true;
}

/* L, L-3, LW, 15W */
static bool read_day(struct rule *rule, const char **at)
{
    int value = 0;
    bool is_last = toupper((unsigned char)**at) == 'L';
    const char *rest = *at + (is_last ? 1 : 0);
    if (!is_last && isdigit((unsigned char)*rest) && !read_value(&day_field, &rest, &value)) {
        return false;
    }
    if (toupper((unsigned char)*rest) == 'W' && (is_last || value > 0)) {
        rule->near_days |= UINT64_C(1) << value;
        *at = rest + 1;
        return true;
    }
    if (!is_last) {
        return read_range(&day_field, at, &rule->days);
    }
    value = 0;
    if (*rest == '-') {
        static const struct field before = { "day", 1, 30, "", "" };
        rest++;
        if (!read_value(&before, &rest, &value)) {
            return false;
        }
    }
    rule->before_last |= UINT64_C(1) << value;
    *at = rest;
    return true;
}

/* 5L, 5#2, FRI#2 */
static bool read_weekday(struct rule *rule, const char **at)
{
    static const struct field week = { "week", 1, 5, "", "" };
    const char *rest = *at;
    int day, number = 6;
    if (read_value(&weekday_field, &rest, &day)) {
        bool is_last = toupper((unsigned char)*rest) == 'L';
        if (is_last || *rest == '#') {
            rest++;
            if (!is_last && !read_value(&week, &rest, &number)) {
                return false;
            }
            rule->of_month[day % 7] |= UINT64_C(1) << number;
            *at = rest;
            return true;
        }
    }
    return read_range(&weekday_field, at, &rule->weekdays);
}

/* ---- fields --------------------------------------------------------------------------------- */

static bool read_item(struct rule *rule, const struct field *field, const char **at, uint64_t *bits)
{
    if (field == &day_field) {
        return read_day(rule, at);
    }
    return field == &weekday_field ? read_weekday(rule, at) : read_range(field, at, bits);
}

static pd_status read_field(struct rule *rule, const struct field *field, const char *text,
                            uint64_t *bits, pd_error *err)
{
    const char *at = text;
    do {
        at += at > text ? 1 : 0;
        if (!read_item(rule, field, &at, bits)) {
            return error_set(err, PD_E_INVALID, false, where,
                             "the %s '%.60s' cannot be understood; write %d to %d%s, *, 1-5, */2 "
                             "or a list of these",
                             field->name, text, field->low, field->high, field->forms);
        }
    } while (*at == ',');
    if (*at != '\0') {
        return error_set(err, PD_E_INVALID, false, where,
                         "the %s '%.60s' cannot be understood from '%.20s' on; write %d to %d%s, "
                         "*, 1-5, */2 or a list of these",
                         field->name, text, at, field->low, field->high, field->forms);
    }
    return PD_OK;
}

static bool is_any(const char *text)
{
    return strcmp(text, "*") == 0 || strcmp(text, "?") == 0;
}

static pd_status read_fields(struct rule *rule, char *const *fields, size_t count, pd_error *err)
{
    static const struct field *const kinds[] = { &second_field, &minute_field, &hour_field,
                                                 &day_field,    &month_field,  &weekday_field };
    uint64_t *const bits[] = { &rule->seconds, &rule->minutes, &rule->hours,
                               &rule->days,    &rule->months,  &rule->weekdays };
    size_t skip = FIELDS_MAX - count;
    rule->seconds = 1; /* on the minute */
    if (skip == 0) {
        rule->seconds = 0;
    }
    for (size_t i = skip; i < FIELDS_MAX; i++) {
        pd_status status = read_field(rule, kinds[i], fields[i - skip], bits[i], err);
        if (status != PD_OK) {
            return status;
        }
    }
    rule->is_hour_any = is_any(fields[2 - skip]);
    rule->has_days = !is_any(fields[3 - skip]);
    rule->has_weekdays = !is_any(fields[5 - skip]);
    return PD_OK;
}

/* ---- @ -------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *fields;
} names[] = {
    { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" }, { "@monthly", "0 0 1 * *" },
    { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },    { "@midnight", "0 0 * * *" },
    { "@hourly", "0 * * * *" },
};

static int64_t unit_us(const char **at)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = { { "ms", TIME_MS },
                  { "s", TIME_SECOND },
                  { "m", 60 * TIME_SECOND },
                  { "h", 3600 * TIME_SECOND },
                  { "d", 86400 * TIME_SECOND } };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t size = strlen(units[i].name);
        if (strncmp(*at, units[i].name, size) == 0) {
            *at += size;
            return units[i].us;
        }
    }
    return 0;
}

static pd_status read_period(struct rule *rule, const char *text, pd_error *err)
{
    const int64_t longest = INT64_C(3653) * 86400 * TIME_SECOND;
    const char *at = text;
    int64_t sum = 0;
    bool is_good = *at != '\0';
    while (is_good && *at != '\0') {
        int64_t number = 0, from_number = 0;
        for (; isdigit((unsigned char)*at) && number < 1000000000; at++, from_number++) {
            number = number * 10 + (*at - '0');
        }
        int64_t unit = unit_us(&at);
        is_good = from_number > 0 && unit > 0 && number <= longest / unit &&
                  (sum += number * unit) <= longest;
    }
    if (!is_good || sum < TIME_SECOND) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the interval '%.100s' is none; write 90s, 15m, 1h30m: from a second to "
                         "ten years",
                         text);
    }
    rule->period = sum;
    return PD_OK;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static size_t split(char *text, char **fields, size_t max)
{
    size_t count = 0;
    for (char *at = text + strspn(text, " \t"); *at != '\0'; at += strspn(at, " \t")) {
        if (count == max) {
            return max + 1;
        }
        fields[count++] = at;
        at += strcspn(at, " \t");
        if (*at != '\0') {
            *at++ = '\0';
        }
    }
    return count;
}

static const char *zone_of(const char *field)
{
    const char *name = strncmp(field, "CRON_", 5) == 0 ? field + 5 : field;
    return strncmp(name, "TZ=", 3) == 0 ? name + 3 : NULL;
}

static pd_status read_rule(struct rule *rule, const char *text, const char *zone, pd_error *err)
{
    char copy[TEXT_BYTES_MAX + 1];
    char *fields[FIELDS_MAX + 1] = { NULL };
    if (strlen(text) > TEXT_BYTES_MAX) {
        return error_set(err, PD_E_INVALID, false, where,
                         "the rule '%.40s...' has %zu bytes; it may have %d", text, strlen(text),
                         TEXT_BYTES_MAX);
    }
    (void)snprintf(copy, sizeof copy, "%s", text);
    size_t count = split(copy, fields, FIELDS_MAX + 1), skip = 0;
    if (count > 0 && zone_of(fields[0]) != NULL) {
        zone = zone_of(fields[0]);
        skip = 1;
    }
    rule->zone = zone_open(zone, err);
    if (rule->zone == NULL) {
        return err->status;
    }
    if (count - skip == 2 && strcmp(fields[skip], "@every") == 0) {
        return read_period(rule, fields[skip + 1], err);
    }
    for (size_t i = 0; count - skip == 1 && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(fields[skip], names[i].name) == 0) {
            (void)snprintf(copy, sizeof copy, "%s", names[i].fields);
            count = split(copy, fields, FIELDS_MAX);
            skip = 0;
        }
    }
    if (count > skip && fields[skip][0] == '@') {
        return error_set(
            err, PD_E_INVALID, false, where,
            "there is no '%.60s'; write @hourly, @daily, @midnight, @weekly, @monthly, "
            "@yearly, @annually, or @every 90s",
            text);
    }
    if (count - skip != 5 && count - skip != 6) {
        return error_set(
            err, PD_E_INVALID, false, where,
            "'%.60s' has %zu fields%s; write 5 (minute hour day month weekday), 6 with "
            "seconds first, @daily and such, or @every 90s",
            text, count - skip, count > FIELDS_MAX + 1 ? " or more" : "");
    }
    return read_fields(rule, fields + skip, count - skip, err);
}

struct rule *rule_parse(const char *text, const char *zone, pd_error *err)
{
    const time_us y2000 = INT64_C(946684800) * TIME_SECOND;
    struct rule *rule = mem_alloc(sizeof *rule);
    if (read_rule(rule, text, zone, err) != PD_OK) {
        rule_free(rule);
        return NULL;
    }
    if (rule_next(rule, y2000, y2000) == TIME_NEVER) {
        (void)error_set(err, PD_E_INVALID, false, where,
                        "'%.100s' is never due: no such day comes; choose another day or month",
                        text);
        rule_free(rule);
        return NULL;
    }
    return rule;
}

void rule_free(struct rule *rule)
{
    if (rule != NULL) {
        zone_free(rule->zone);
        mem_free(rule);
    }
}
