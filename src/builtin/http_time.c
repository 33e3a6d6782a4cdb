/* SPDX-License-Identifier: MIT
 *
 * Times as HTTP writes them (RFC 9110, 5.6.7 and 10.2.3).
 *
 * Strict where a mistake would be a wrong time: what does not fit whole is not understood, and the
 * caller has a default. */
#include "builtin/http.h"

#include <limits.h>

#include "calendar/civil.h"

bool http_is_name(const char *a, const char *b)
{
    for (;; a++, b++) {
        unsigned char x = (unsigned char)*a, y = (unsigned char)*b;
        x = x >= 'A' && x <= 'Z' ? (unsigned char)(x + 32) : x;
        y = y >= 'A' && y <= 'Z' ? (unsigned char)(y + 32) : y;
        if (x != y || x == '\0') {
            return x == y;
        }
    }
}

/* ---- small parts ----------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One number of `least` to `most` digits; *at moves behind it. */
static bool read_number(const char **at, int least, int most, int64_t *ret)
{
    int digits = 0;
    for (*ret = 0; digits < most && is_digit(**at); digits++, (*at)++) {
        *ret = *ret * 10 + (**at - '0');
    }
    return digits >= least && !is_digit(**at);
}

static bool skip(const char **at, const char *what)
{
    size_t size = strlen(what);
    if (strncmp(*at, what, size) != 0) {
        return false;
    }
    *at += size;
    return true;
}

/* "hh:mm:ss" in seconds */
static bool read_clock(const char **at, int64_t *ret)
{
    int64_t hours, minutes, seconds;
    if (!read_number(at, 2, 2, &hours) || !skip(at, ":") || !read_number(at, 2, 2, &minutes) ||
        !skip(at, ":") || !read_number(at, 2, 2, &seconds) || hours > 23 || minutes > 59 ||
        seconds > 60) {
        return false;
    }
    *ret = (hours * 60 + minutes) * 60 + seconds;
    return true;
}

/* ---- Retry-After ----------------------------------------------------------------------------- */

static bool read_month(const char **at, int *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++) {
        if (strncmp(*at, names + i * 3, 3) == 0) {
            *ret = i + 1;
            *at += 3;
            return true;
        }
    }
    return false;
}

/* Behind the comma: "06 Nov 1994 08:49:37 GMT", or, as it was once written, "06-Nov-94 ...". */
static bool read_date(const char *at, int64_t now_days, int64_t *ret_seconds)
{
    int64_t day, year, clock;
    int month;
    if (!read_number(&at, 2, 2, &day) || (*at != ' ' && *at != '-')) {
        return false;
    }
    char between[] = { *at++, '\0' };
    if (!read_month(&at, &month) || !skip(&at, between)) {
        return false;
    }
    size_t digits = strspn(at, "0123456789");
    if ((digits != 2 && digits != 4) || !read_number(&at, 2, 4, &year) || !skip(&at, " ") ||
        !read_clock(&at, &clock) || !skip(&at, " GMT") || *at != '\0') {
        return false;
    }
    if (digits == 2) { /* not more than 50 years ahead */
        int64_t this_year = civil_of(now_days).year;
        year += this_year - this_year % 100;
        year -= year > this_year + 50 ? 100 : 0;
    }
    if (day < 1 || day > civil_month_days(year, month)) {
        return false;
    }
    *ret_seconds = civil_days(year, month, (int)day) * DAY_SECONDS + clock;
    return true;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool read_asctime(const char *at, int64_t *ret_seconds)
{
    int64_t day, year, clock;
    int month;
    if (strlen(at) != 24 || at[3] != ' ') {
        return false;
    }
    at += 4;
    if (!read_month(&at, &month) || !skip(&at, " ")) {
        return false;
    }
    (void)skip(&at, " ");
    if (!read_number(&at, 1, 2, &day) || !skip(&at, " ") || !read_clock(&at, &clock) ||
        !skip(&at, " ") || !read_number(&at, 4, 4, &year) || day < 1 ||
        day > civil_month_days(year, month)) {
        return false;
    }
    *ret_seconds = civil_days(year, month, (int)day) * DAY_SECONDS + clock;
    return true;
}

bool http_read_retry_after(const char *text, int64_t now_ms, int64_t *ret_at_ms)
{
    const char *at = text;
    int64_t seconds;
    while (*at == ' ') {
        at++;
    }
    bool is_negative = skip(&at, "-");
    if (is_digit(*at)) {
        if (!read_number(&at, 1, 10, &seconds) || *at != '\0' || seconds > INT_MAX) {
            return false;
        }
        *ret_at_ms = now_ms + (is_negative ? 0 : seconds * 1000);
        return true;
    }
    const char *comma = strchr(at, ',');
    bool is_read =
        comma != NULL && comma[1] == ' '
            ? read_date(comma + 2, floor_div(now_ms, DAY_SECONDS * INT64_C(1000)), &seconds)
            : read_asctime(at, &seconds);
    if (!is_read || is_negative) {
        return false;
    }
    *ret_at_ms = seconds * 1000 > now_ms ? seconds * 1000 : now_ms;
    return true;
}
