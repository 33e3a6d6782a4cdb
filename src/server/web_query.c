/* SPDX-License-Identifier: MIT
 *
 * What a request says in its path and its query: decoded once, looked up by name. */
#include <string.h>
#include <strings.h>

#include "server/web.h"

bool web_read_parameters(struct rpc *rpc, struct text query)
{
    struct web *web = rpc->web;
    web->parameters = arena_alloc(&rpc->arena, WEB_PARAMETERS * sizeof *web->parameters);
    while (query.size > 0) {
        const char *end = memchr(query.at, '&', query.size);
        struct text pair = text_make(query.at, end != NULL ? (size_t)(end - query.at) : query.size);
        const char *equals = pair.size != 0 ? memchr(pair.at, '=', pair.size) : NULL;
        size_t skipped = pair.size + (end != NULL);
        query = text_make(query.at + skipped, query.size - skipped);
        if (equals == NULL) {
            continue;
        }
        if (web->parameter_count == WEB_PARAMETERS) {
            return false;
        }
        struct web_parameter *one = &web->parameters[web->parameter_count++];
        size_t size = (size_t)(equals - pair.at);
        if (!percent_decode(&rpc->arena, text_make(pair.at, size), true, &one->name) ||
            !percent_decode(&rpc->arena, text_make(equals + 1, pair.size - size - 1), true,
                            &one->value)) {
            return false;
        }
    }
    return true;
}

struct text web_parameter(struct rpc *rpc, const char *name)
{
    const struct web *web = rpc->web;
    struct text found = TEXT_ABSENT;
    size_t size = strlen(name);
    for (size_t i = 0; i < web->parameter_count; i++) {
        const struct web_parameter *one = &web->parameters[i];
        if (one->name.size == size && strncasecmp(one->name.at, name, size) == 0) {
            found = !text_is_present(found)
                        ? one->value
                        : text_of(arena_printf(&rpc->arena, "%.*s,%.*s", TEXT_ARGS(found),
                                               TEXT_ARGS(one->value)));
        }
    }
    return found;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* False: it is neither true nor false. */
static bool read_flag(struct text value, bool *ret)
{
    while (value.size > 0 && is_blank(value.at[0])) {
        value = text_make(value.at + 1, value.size - 1);
    }
    while (value.size > 0 && is_blank(value.at[value.size - 1])) {
        value.size--;
    }
    *ret = value.size == 4 && strncasecmp(value.at, "true", 4) == 0;
    return *ret || (value.size == 5 && strncasecmp(value.at, "false", 5) == 0);
}

bool web_flag(struct rpc *rpc, const char *name, bool otherwise)
{
    bool is_set;
    return read_flag(web_parameter(rpc, name), &is_set) ? is_set : otherwise;
}

bool web_exact_flag(struct rpc *rpc, const char *name, bool *ret)
{
    struct text value = web_parameter(rpc, name);
    if (read_flag(value, ret) || value.size == 0) {
        return true;
    }
    web_refuse(rpc, 400, PD_E_INVALID, "%s: '%.*s' is neither true nor false", name,
               TEXT_ARGS(value));
    return false;
}

/* A number of seconds, to the microsecond. */
static bool read_seconds(struct text value, int64_t *ret_us)
{
    int64_t us = 0;
    int64_t unit = TIME_SECOND;
    bool has_digits = false;
    for (size_t i = 0; i < value.size; i++) {
        char c = value.at[i];
        if (c == '.' && unit == TIME_SECOND) {
            unit /= 10;
        } else if (c < '0' || c > '9') {
            return false;
        } else if (unit == TIME_SECOND) {
            has_digits = true;
            us = us > INT64_MAX / 20 ? INT64_MAX / 20 : us * 10 + (c - '0') * unit;
        } else {
            has_digits = true;
            us += (c - '0') * unit;
            unit /= 10;
        }
    }
    *ret_us = us;
    return has_digits;
}

bool web_seconds(struct rpc *rpc, const char *name, int64_t *ret_us)
{
    struct text value = web_parameter(rpc, name);
    *ret_us = WIRE_NO_TIME;
    if (value.size == 0 || read_seconds(value, ret_us)) {
        return true;
    }
    web_refuse(rpc, 400, PD_E_INVALID, "'%s' is a number of seconds, such as 2.5", name);
    return false;
}

/* ---- states --------------------------------------------------------------------------------- */

/* By its name as it is written, or by its number; -1: none that an instance can be in, -2: none at
 * all. */
static int state_of(struct text word)
{
    static const struct {
        const char *name;
        int number, state;
    } known[] = {
        { "Running", 0, RUN_RUNNING }, { "Completed", 1, RUN_COMPLETED },
        { "ContinuedAsNew", 2, -1 },   { "Failed", 3, RUN_FAILED },
        { "Canceled", 4, -1 },         { "Terminated", 5, RUN_TERMINATED },
        { "Pending", 6, RUN_PENDING }, { "Suspended", 7, RUN_SUSPENDED },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        bool is_number = word.size == 1 && word.at[0] == '0' + known[i].number;
        if (is_number || text_equal(word, text_of(known[i].name))) {
            return known[i].state;
        }
    }
    return -2;
}

struct web_states web_states(struct text list)
{
    struct web_states found = { 0 };
    while (list.size > 0) {
        const char *end = memchr(list.at, ',', list.size);
        struct text word = text_make(list.at, end != NULL ? (size_t)(end - list.at) : list.size);
        size_t skipped = word.size + (end != NULL);
        list = text_make(list.at + skipped, list.size - skipped);
        while (word.size > 0 && word.at[0] == ' ') {
            word = text_make(word.at + 1, word.size - 1);
        }
        while (word.size > 0 && word.at[word.size - 1] == ' ') {
            word.size--;
        }
        int state = state_of(word);
        found.is_given |= state != -2;
        found.has_unknown |= state == -2;
        found.states |= state >= 0 ? 1u << state : 0;
    }
    return found;
}

bool web_exact_states(struct rpc *rpc, const char *name, struct web_states *ret)
{
    struct text list = web_parameter(rpc, name);
    *ret = web_states(list);
    if (!ret->has_unknown) {
        return true;
    }
    web_refuse(rpc, 400, PD_E_INVALID,
               "%s: '%.*s' has what is no state: Pending, Running, Suspended, ContinuedAsNew, "
               "Completed, Failed, Terminated, Canceled, with commas between",
               name, TEXT_ARGS(list));
    return false;
}

/* ---- times ---------------------------------------------------------------------------------- */

static bool number(struct text *rest, size_t digits, int64_t *ret)
{
    *ret = 0;
    if (rest->size < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        if (rest->at[i] < '0' || rest->at[i] > '9') {
            return false;
        }
        *ret = *ret * 10 + (rest->at[i] - '0');
    }
    *rest = text_make(rest->at + digits, rest->size - digits);
    return true;
}

static bool sign(struct text *rest, char c)
{
    bool is_there = rest->size > 0 && rest->at[0] == c;
    *rest = is_there ? text_make(rest->at + 1, rest->size - 1) : *rest;
    return is_there;
}

static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

static bool is_day(int64_t year, int64_t month, int64_t day)
{
    static const int lengths[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= lengths[month - 1] &&
           (month != 2 || day <= 28 + is_leap);
}

/* Behind the seconds: a fraction, of which six digits count. */
static int64_t fraction(struct text *rest)
{
    int64_t us = 0;
    int64_t unit = TIME_SECOND / 10;
    if (sign(rest, '.')) {
        for (; rest->size > 0 && rest->at[0] >= '0' && rest->at[0] <= '9'; unit /= 10) {
            us += (rest->at[0] - '0') * unit;
            *rest = text_make(rest->at + 1, rest->size - 1);
        }
    }
    return us;
}

static bool zone(struct text *rest, int64_t *ret_us)
{
    int64_t hours = 0;
    int64_t minutes = 0;
    *ret_us = 0;
    if (rest->size == 0 || sign(rest, 'Z') || sign(rest, 'z')) {
        return true;
    }
    /* In a query that was not encoded the '+' has become a space. */
    int64_t direction = sign(rest, '-') ? 1 : sign(rest, '+') || sign(rest, ' ') ? -1 : 0;
    if (direction == 0 || !number(rest, 2, &hours)) {
        return false;
    }
    (void)sign(rest, ':');
    if ((rest->size > 0 && !number(rest, 2, &minutes)) || hours > 14 || minutes > 59) {
        return false;
    }
    *ret_us = direction * (hours * 60 + minutes) * 60 * TIME_SECOND;
    return true;
}

time_us web_time(struct rpc *rpc, const char *name)
{
    return web_read_time(web_parameter(rpc, name));
}

bool web_exact_time(struct rpc *rpc, const char *name, time_us *ret)
{
    struct text value = web_parameter(rpc, name);
    *ret = web_read_time(value);
    if (value.size == 0 || *ret != TIME_NEVER) {
        return true;
    }
    web_refuse(rpc, 400, PD_E_INVALID, "%s: '%.*s' is no time such as 2026-12-24T18:00:00Z", name,
               TEXT_ARGS(value));
    return false;
}

time_us web_read_time(struct text rest)
{
    int64_t year, month, day, hour = 0, minute = 0, second = 0, part = 0, shift = 0;
    if (!number(&rest, 4, &year) || !sign(&rest, '-') || !number(&rest, 2, &month) ||
        !sign(&rest, '-') || !number(&rest, 2, &day) || !is_day(year, month, day)) {
        return TIME_NEVER;
    }
    if (rest.size > 0) {
        if ((!sign(&rest, 'T') && !sign(&rest, 't') && !sign(&rest, ' ')) ||
            !number(&rest, 2, &hour) || !sign(&rest, ':') || !number(&rest, 2, &minute)) {
            return TIME_NEVER;
        }
        if (sign(&rest, ':')) {
            if (!number(&rest, 2, &second)) {
                return TIME_NEVER;
            }
            part = fraction(&rest);
        }
        if (!zone(&rest, &shift)) {
            return TIME_NEVER;
        }
    }
    bool is_right = rest.size == 0 && hour <= 23 && minute <= 59 && second <= 59;
    int64_t seconds = ((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    return is_right ? seconds * TIME_SECOND + part + shift : TIME_NEVER;
}
