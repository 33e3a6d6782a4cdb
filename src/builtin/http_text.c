/* SPDX-License-Identifier: MIT
 *
 * Spans as .NET writes them, times as HTTP does (RFC 9110, 5.6.7 and 10.2.3), names of statuses.
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

/* ---- spans ----------------------------------------------------------------------------------- */

bool http_read_span(const char *text, int64_t *ret_ms)
{
    const char *at = text;
    int64_t days = 0, seconds, ms = 0;
    bool is_negative = skip(&at, "-");
    const char *dot = strchr(at, '.'), *colon = strchr(at, ':');
    if (dot != NULL && colon != NULL && dot < colon &&
        (!read_number(&at, 1, 8, &days) || !skip(&at, "."))) {
        return false;
    }
    if (!read_clock(&at, &seconds)) {
        return false;
    }
    if (skip(&at, ".")) {
        int64_t fraction;
        const char *from = at;
        if (!read_number(&at, 1, 7, &fraction)) {
            return false;
        }
        for (long digits = at - from; digits < 3; digits++) {
            fraction *= 10;
        }
        for (long digits = at - from; digits > 3; digits--) {
            fraction /= 10;
        }
        ms = fraction;
    }
    *ret_ms = (days * DAY_SECONDS + seconds) * 1000 + ms;
    *ret_ms = is_negative ? -*ret_ms : *ret_ms;
    return *at == '\0';
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

/* ---- statuses -------------------------------------------------------------------------------- */

static const struct status {
    int number;
    const char *reason, *name; /* NULL: the reason without blanks */
} statuses[] = {
    { 100, "Continue", NULL },
    { 101, "Switching Protocols", NULL },
    { 102, "Processing", NULL },
    { 103, "Early Hints", NULL },
    { 200, "OK", NULL },
    { 201, "Created", NULL },
    { 202, "Accepted", NULL },
    { 203, "Non-Authoritative Information", "NonAuthoritativeInformation" },
    { 204, "No Content", NULL },
    { 205, "Reset Content", NULL },
    { 206, "Partial Content", NULL },
    { 207, "Multi-Status", "MultiStatus" },
    { 208, "Already Reported", NULL },
    { 226, "IM Used", NULL },
    { 300, "Multiple Choices", NULL },
    { 301, "Moved Permanently", NULL },
    { 302, "Found", NULL },
    { 303, "See Other", NULL },
    { 304, "Not Modified", NULL },
    { 305, "Use Proxy", NULL },
    { 307, "Temporary Redirect", NULL },
    { 308, "Permanent Redirect", NULL },
    { 400, "Bad Request", NULL },
    { 401, "Unauthorized", NULL },
    { 402, "Payment Required", NULL },
    { 403, "Forbidden", NULL },
    { 404, "Not Found", NULL },
    { 405, "Method Not Allowed", NULL },
    { 406, "Not Acceptable", NULL },
    { 407, "Proxy Authentication Required", NULL },
    { 408, "Request Timeout", NULL },
    { 409, "Conflict", NULL },
    { 410, "Gone", NULL },
    { 411, "Length Required", NULL },
    { 412, "Precondition Failed", NULL },
    { 413, "Request Entity Too Large", NULL },
    { 414, "Request-Uri Too Long", "RequestUriTooLong" },
    { 415, "Unsupported Media Type", NULL },
    { 416, "Requested Range Not Satisfiable", NULL },
    { 417, "Expectation Failed", NULL },
    { 421, "Misdirected Request", NULL },
    { 422, "Unprocessable Entity", NULL },
    { 423, "Locked", NULL },
    { 424, "Failed Dependency", NULL },
    { 426, "Upgrade Required", NULL },
    { 428, "Precondition Required", NULL },
    { 429, "Too Many Requests", NULL },
    { 431, "Request Header Fields Too Large", NULL },
    { 451, "Unavailable For Legal Reasons", NULL },
    { 500, "Internal Server Error", NULL },
    { 501, "Not Implemented", NULL },
    { 502, "Bad Gateway", NULL },
    { 503, "Service Unavailable", NULL },
    { 504, "Gateway Timeout", NULL },
    { 505, "Http Version Not Supported", NULL },
    { 506, "Variant Also Negotiates", NULL },
    { 507, "Insufficient Storage", NULL },
    { 508, "Loop Detected", NULL },
    { 510, "Not Extended", NULL },
    { 511, "Network Authentication Required", NULL },
};

static const struct status *find(int64_t number)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].number == number) {
            return &statuses[i];
        }
    }
    return NULL;
}

const char *http_reason(int64_t number)
{
    const struct status *status = find(number);
    return status != NULL ? status->reason : NULL;
}

const char *http_status_name(pd_orchestration *o, int64_t number)
{
    const struct status *status = find(number);
    if (status == NULL) {
        return pd_format(o, "%lld", (long long)number);
    }
    if (status->name != NULL) {
        return status->name;
    }
    char *name = pd_alloc(o, strlen(status->reason) + 1), *end = name;
    for (const char *at = status->reason; *at != '\0'; at++) {
        if (*at != ' ') {
            *end++ = *at;
        }
    }
    return name;
}
