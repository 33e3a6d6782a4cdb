/* SPDX-License-Identifier: MIT
 *
 * The request, from JSON: an object, or an array of one, as the SDKs of several languages write
 * them. What they do not say has the same meaning for all; what they should not say is refused
 * before anything is sent. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/http_text.h"
#include "fetch/fetch_priv.h"
#include "json/json.h"

/* Members are compared without case: .NET's retry options begin with capitals. */
static pd_value member(pd_value object, const char *name)
{
    for (size_t i = 0; i < pd_count(object); i++) {
        if (strcasecmp(pd_key_at(object, i), name) == 0) {
            return pd_value_at(object, i);
        }
    }
    return PD_NULL;
}

static const char *text_or_null(pd_value value)
{
    return pd_kind_of(value) == PD_IS_TEXT ? pd_text(value) : NULL;
}

int64_t order_limit_ms(const struct order *order, int64_t most_ms)
{
    int64_t limit = order->timeout_ms > 0 ? order->timeout_ms : TIMEOUT_DEFAULT_MS;
    return limit < most_ms ? limit : most_ms;
}

bool order_skips_header(const char *name)
{
    static const char *const names[] = {
        "connection",    "content-length",   "host",    "keep-alive", "te",
        "trailer",       "proxy-connection", "upgrade", "expect",     "transfer-encoding",
        "http2-settings"
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool order_is_secret_header(const char *name)
{
    static const char *const names[] = { "authorization", "cookie", "proxy-authorization",
                                         "x-functions-key" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* RFC 9110: tchar */
static bool is_token(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && strchr("!#$%&'*+-.^_`|~", *at) == NULL) {
            return false;
        }
    }
    return text[0] != '\0';
}

/* One line: no injected ones. */
static bool is_field(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 && *at != '\t') {
            return false;
        }
    }
    return strchr(text, 0x7f) == NULL;
}

static bool is_field_value(pd_value value)
{
    if (pd_kind_of(value) == PD_IS_TEXT) {
        return is_field(pd_text(value));
    }
    for (size_t i = 0; i < pd_count(value); i++) {
        if (pd_kind_of(pd_at(value, i)) != PD_IS_TEXT || !is_field(pd_text(pd_at(value, i)))) {
            return false;
        }
    }
    return pd_kind_of(value) == PD_IS_ARRAY;
}

static size_t count_values(pd_value value)
{
    return pd_kind_of(value) == PD_IS_ARRAY && pd_count(value) > 0 ? pd_count(value) : 1;
}

static const char *check_headers(pd_value headers)
{
    if (pd_kind_of(headers) != PD_IS_OBJECT && pd_kind_of(headers) != PD_IS_NULL) {
        return "the headers are no object";
    }
    size_t count = 0;
    for (size_t i = 0; i < pd_count(headers); i++) {
        count += count_values(pd_value_at(headers, i));
        if (count > HEADERS_MAX) {
            return "there are more than 1000 headers";
        }
        if (!is_token(pd_key_at(headers, i)) || !is_field_value(pd_value_at(headers, i))) {
            return "a header is none: its name is a token, its value one line of text";
        }
        pd_value value = pd_value_at(headers, i);
        const char *type = pd_kind_of(value) == PD_IS_ARRAY && pd_count(value) > 0
                               ? pd_text(pd_at(value, pd_count(value) - 1))
                               : pd_text(value);
        if (strcasecmp(pd_key_at(headers, i), "content-type") == 0 &&
            strcasestr(type, "multipart") != NULL) {
            return "Multipart content is not supported with CallHttpAsync.";
        }
    }
    return NULL;
}

static bool is_text_or_null(pd_value value)
{
    return pd_kind_of(value) == PD_IS_TEXT || pd_kind_of(value) == PD_IS_NULL;
}

/* That of .NET that means none is less than nothing. */
static bool read_timeout(pd_value value, struct order *ret)
{
    ret->timeout = text_or_null(value);
    if (ret->timeout == NULL) {
        return pd_kind_of(value) == PD_IS_NULL;
    }
    bool is_span = http_read_span(ret->timeout, &ret->timeout_ms);
    if (is_span && strcmp(ret->timeout, "-00:00:00.0010000") == 0) {
        ret->timeout_ms = INT64_MAX;
    }
    return is_span && ret->timeout_ms > 0;
}

static const char *read_members(pd_value object, struct order *ret)
{
    const char *method = text_or_null(member(object, "method"));
    ret->method = method != NULL ? method : "GET";
    ret->uri = text_or_null(member(object, "uri"));
    ret->headers = member(object, "headers");
    pd_value content = member(object, "content");
    ret->content = text_or_null(content);
    ret->content_size = ret->content != NULL ? strlen(ret->content) : 0;
    ret->credential = member(object, "tokenSource");
    pd_value retry = member(object, "retryOptions");
    ret->has_retry = pd_kind_of(retry) == PD_IS_OBJECT;
    ret->retry_codes = member(retry, "statusCodesToRetry");
    if (ret->uri == NULL) {
        return "there is no uri";
    }
    if (!is_token(ret->method)) {
        return "the method is no token";
    }
    if (!is_text_or_null(content)) {
        return "the content is no text: another value is sent as the text of its JSON";
    }
    if (ret->content != NULL && strcmp(ret->method, "HEAD") == 0) {
        return "a HEAD has no content"; /* libcurl sends none */
    }
    if (!read_timeout(member(object, "timeout"), ret)) {
        return "the timeout is no time: write it as hh:mm:ss";
    }
    if (!ret->has_retry && pd_kind_of(retry) != PD_IS_NULL) {
        return "retryOptions is no object";
    }
    return check_headers(ret->headers);
}

bool order_read(struct text input, struct arena *arena, struct order *ret, const char **ret_why)
{
    pd_value value;
    pd_error err;
    *ret = (struct order){ 0 };
    if (json_parse(arena, input, &value, &err) != PD_OK) {
        *ret_why = arena_printf(arena, "the request is no JSON: %s", err.text);
        return false;
    }
    if (pd_kind_of(value) == PD_IS_ARRAY && pd_count(value) == 1) {
        value = pd_at(value, 0);
    }
    *ret_why =
        pd_kind_of(value) != PD_IS_OBJECT ? "the request is no object" : read_members(value, ret);
    return *ret_why == NULL;
}
