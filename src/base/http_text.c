/* SPDX-License-Identifier: MIT */
#include "base/http_text.h"

#include <stdio.h>
#include <string.h>

/* ---- spans ----------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One number of at most so many digits; *at moves behind it. */
static bool read_number(const char **at, int most, int64_t *ret)
{
    const char *from = *at;
    for (*ret = 0; *at - from < most && is_digit(**at); (*at)++) {
        *ret = *ret * 10 + (**at - '0');
    }
    return *at > from && !is_digit(**at);
}

/* What follows the dot, rounded up. */
static bool read_fraction(const char **at, int64_t *ret_ms)
{
    const char *from = *at;
    if (!read_number(at, 7, ret_ms)) {
        return false;
    }
    for (long digits = *at - from; digits < 7; digits++) {
        *ret_ms *= 10;
    }
    *ret_ms = (*ret_ms + 9999) / 10000;
    return true;
}

bool http_read_span(const char *text, int64_t *ret_ms)
{
    const char *at = text;
    int64_t days = 0, hours, minutes, seconds, ms = 0;
    bool is_negative = *at == '-';
    at += is_negative ? 1 : 0;
    const char *dot = strchr(at, '.'), *colon = strchr(at, ':');
    if (dot != NULL && colon != NULL && dot < colon &&
        (!read_number(&at, 8, &days) || at++ != dot)) {
        return false;
    }
    if (!read_number(&at, 2, &hours) || *at++ != ':' || !read_number(&at, 2, &minutes) ||
        *at++ != ':' || !read_number(&at, 2, &seconds) || hours > 23 || minutes > 59 ||
        seconds > 59) {
        return false;
    }
    if (*at == '.' && (at++, !read_fraction(&at, &ms))) {
        return false;
    }
    *ret_ms = ((days * 24 + hours) * 60 + minutes) * 60000 + seconds * 1000 + ms;
    *ret_ms = is_negative ? -*ret_ms : *ret_ms;
    return *at == '\0';
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

const char *http_status_name(int64_t number, char ret[HTTP_STATUS_NAME_MAX])
{
    const struct status *status = find(number);
    if (status == NULL) {
        (void)snprintf(ret, HTTP_STATUS_NAME_MAX, "%lld", (long long)number);
        return ret;
    }
    if (status->name != NULL) {
        return status->name;
    }
    char *end = ret;
    for (const char *at = status->reason; *at != '\0'; at++) {
        if (*at != ' ') {
            *end++ = *at;
        }
    }
    *end = '\0';
    return ret;
}

/* ---- URLs, for people ------------------------------------------------------------------------ */

const char *http_show_url(const char *url, char ret[HTTP_SHOWN_MAX])
{
    const char *secret = strrchr(url, '@');
    size_t size = 0, scheme = strcspn(url, ":/@?");
    if (secret != NULL) {
        size = url[scheme] == ':' && strncmp(url + scheme, "://", 3) == 0 && scheme < 16
                   ? (size_t)snprintf(ret, HTTP_SHOWN_MAX, "%.*s***@", (int)scheme + 3, url)
                   : (size_t)snprintf(ret, HTTP_SHOWN_MAX, "***@");
        url = secret + 1;
    }
    size_t left = HTTP_SHOWN_BYTES - size, shown = strcspn(url, "?");
    bool is_cut = shown > left, has_query = !is_cut && url[shown] == '?';
    shown = is_cut ? left : shown;
    while (is_cut && shown > 0 && ((unsigned char)url[shown] & 0xc0) == 0x80) {
        shown--; /* not within a character */
    }
    for (size_t i = 0; i < shown; i++) {
        ret[size + i] = (unsigned char)url[i] < ' ' || url[i] == 0x7f ? '?' : url[i];
    }
    (void)snprintf(ret + size + shown, HTTP_SHOWN_MAX - size - shown, "%s",
                   is_cut      ? "..."
                   : has_query ? "?..."
                               : "");
    return ret;
}
