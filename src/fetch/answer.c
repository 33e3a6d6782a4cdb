/* SPDX-License-Identifier: MIT
 *
 * What came of a request, as who asked reads it: an answer as JSON, or a failure.
 *
 * Any answer is one, also 404; but with retry options some are failures, so that who asked tries
 * again. What that says is what .NET's client says, since there are programs that look for it. */
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/http_text.h"
#include "fetch/fetch_priv.h"

/* ---- JSON ------------------------------------------------------------------------------------ */

/* How long the character at `at` is in UTF-8; 0: it is none. */
static size_t character(const char *at, size_t left)
{
    for (size_t size = 1; size <= 4 && size <= left; size++) {
        if (text_is_utf8(text_make(at, size))) {
            return size;
        }
    }
    return 0;
}

/* What is no UTF-8, and NUL, which texts of ours cannot hold, becomes U+FFFD. */
static void add_text(struct buffer *json, struct text text)
{
    buffer_add_byte(json, '"');
    for (size_t i = 0; i < text.size;) {
        unsigned char c = (unsigned char)text.at[i];
        size_t size = c < 0x80 ? 1 : character(text.at + i, text.size - i);
        if (size == 0 || c == 0) {
            buffer_add(json, "\xef\xbf\xbd", 3);
            i++;
            continue;
        }
        if (c == '"' || c == '\\') {
            buffer_add_byte(json, '\\');
        }
        if (c < 0x20) {
            buffer_printf(json, "\\u%04x", c);
        } else {
            buffer_add(json, text.at + i, size);
        }
        i += size;
    }
    buffer_add_byte(json, '"');
}

/* The next pair of fetch->headers behind *at; false: none. */
static bool next_header(const struct fetch *fetch, size_t *at, const char **name,
                        const char **value)
{
    const char *all = (const char *)fetch->headers.at;
    if (*at >= fetch->headers.size) {
        return false;
    }
    *name = all + *at;
    *value = *name + strlen(*name) + 1;
    *at = (size_t)(*value + strlen(*value) + 1 - all);
    return true;
}

/* `name` is a pointer into the headers: is the same one told further up? */
static bool came_before(const struct fetch *fetch, const char *name)
{
    const char *other, *value;
    for (size_t at = 0; next_header(fetch, &at, &other, &value) && other != name;) {
        if (strcmp(other, name) == 0) {
            return true;
        }
    }
    return false;
}

/* All of one name: as an array for ours; others cannot all read one, and get them with commas
 * between, or the first, where commas have a meaning. */
static void add_values(struct buffer *json, const struct fetch *fetch, const char *name, size_t at)
{
    const char *other, *value;
    struct buffer joined;
    size_t count = 0, from = at;
    buffer_init(&joined);
    while (next_header(fetch, &at, &other, &value)) {
        count += strcmp(other, name) == 0 ? 1 : 0;
    }
    bool is_array = count > 1 && fetch->request->dialect == FETCH_OURS;
    bool is_first = strcmp(name, "set-cookie") == 0;
    buffer_printf(json, is_array ? "[" : "");
    for (size_t n = 0; next_header(fetch, &from, &other, &value);) {
        if (strcmp(other, name) != 0 || (n > 0 && is_first && !is_array)) {
            continue;
        }
        if (is_array) {
            buffer_printf(json, n > 0 ? "," : "");
            add_text(json, text_of(value));
        } else {
            buffer_printf(&joined, "%s%s", n > 0 ? ", " : "", value);
        }
        n++;
    }
    if (is_array) {
        buffer_add_byte(json, ']');
    } else {
        add_text(json, buffer_text(&joined));
    }
    buffer_done(&joined);
}

static void add_headers(struct buffer *json, const struct fetch *fetch)
{
    const char *name, *value;
    size_t at = 0, before = 0;
    bool is_next = false;
    buffer_add_byte(json, '{');
    for (; next_header(fetch, &at, &name, &value); before = at) {
        if (came_before(fetch, name)) {
            continue;
        }
        buffer_printf(json, is_next ? "," : "");
        add_text(json, text_of(name));
        buffer_add_byte(json, ':');
        add_values(json, fetch, name, before);
        is_next = true;
    }
    buffer_add_byte(json, '}');
}

/* The charset of a content type; "": none. */
static void charset_of(const struct fetch *fetch, char ret[32])
{
    const char *name, *value, *found = "";
    for (size_t at = 0; next_header(fetch, &at, &name, &value);) {
        const char *charset =
            strcmp(name, "content-type") == 0 ? strcasestr(value, "charset=") : "";
        found = charset != NULL && *charset != '\0' ? charset + strlen("charset=") : found;
    }
    found += *found == '"' ? 1 : 0;
    (void)snprintf(ret, 32, "%.*s", (int)strcspn(found, "\"; \t"), found);
}

/* The server chooses the name, and some of iconv's rarer converters have been made to run for ever,
 * or beyond their memory, by what they were given: these are for it to choose from. */
static const char *known_charset(const char *name)
{
    static const char *const names[] = {
        "iso-8859-1",   "iso-8859-2",   "iso-8859-3",   "iso-8859-4",   "iso-8859-5",
        "iso-8859-6",   "iso-8859-7",   "iso-8859-8",   "iso-8859-9",   "iso-8859-10",
        "iso-8859-13",  "iso-8859-14",  "iso-8859-15",  "iso-8859-16",  "windows-1250",
        "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255",
        "windows-1256", "windows-1257", "windows-1258", "utf-16",       "utf-16le",
        "utf-16be",     "koi8-r",       "koi8-u",       "shift_jis",    "euc-jp",
        "gb2312",       "gbk",          "gb18030",      "big5",         "us-ascii",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return names[i];
        }
    }
    return NULL;
}

/* As UTF-8, when it says that it is something else that is known here. */
static struct text decode(struct fetch *fetch, struct buffer *room)
{
    char charset[32];
    struct text body = buffer_text(&fetch->body);
    charset_of(fetch, charset);
    const char *known = known_charset(charset);
    if (known == NULL) {
        return body;
    }
    iconv_t to_utf8 = iconv_open("UTF-8", known);
    if (to_utf8 == (iconv_t)-1) { /* NOLINT: as iconv has it */
        return body;
    }
    char *in = (char *)fetch->body.at;
    size_t left = fetch->body.size;
    while (left > 0) {
        char part[4096], *out = part;
        size_t free = sizeof part, before = left;
        size_t rc = iconv(to_utf8, &in, &left, &out, &free);
        buffer_add(room, part, sizeof part - free);
        if (rc == (size_t)-1 && left == before) { /* it is none of that charset */
            buffer_add(room, "\xef\xbf\xbd", 3);
            in++;
            left--;
        }
    }
    (void)iconv_close(to_utf8);
    return buffer_text(room);
}

static void add_url(struct buffer *json, const struct fetch *fetch)
{
    char *url = NULL;
    if (curl_url_get(fetch->url, CURLUPART_URL, &url, 0) == CURLUE_OK) {
        buffer_printf(json, ",\"effectiveUri\":");
        add_text(json, text_of(url));
    }
    curl_free(url);
}

static void write_answer(struct buffer *json, struct fetch *fetch, long code, size_t content_max)
{
    struct buffer room;
    buffer_init(&room);
    struct text content = decode(fetch, &room);
    content.size = content.size < content_max ? content.size : content_max;
    buffer_printf(json, "{\"statusCode\":%ld,\"headers\":", code);
    add_headers(json, fetch);
    buffer_printf(json, ",\"content\":");
    add_text(json, content.size > 0 ? content : TEXT(""));
    if (fetch->request->dialect != FETCH_DOTNET) { /* a conversation takes it out again */
        add_url(json, fetch);
    }
    buffer_add_byte(json, '}');
    buffer_done(&room);
}

/* ---- failures -------------------------------------------------------------------------------- */

static const char *type_of(const struct fetch *fetch, enum outcome outcome)
{
    enum fetch_dialect dialect = fetch->request->dialect;
    bool is_dotnet = dialect == FETCH_DOTNET || dialect == FETCH_STEP;
    switch (outcome) {
    case OUTCOME_ANSWER: return is_dotnet ? "System.Net.Http.HttpRequestException" : "HttpStatus";
    case OUTCOME_BAD_INPUT: return is_dotnet ? "System.ArgumentException" : "BadInput";
    case OUTCOME_REFUSED: return is_dotnet ? "System.Net.Http.HttpRequestException" : "HttpRefused";
    case OUTCOME_FAILED: return is_dotnet ? "System.Net.Http.HttpRequestException" : "HttpRequest";
    case OUTCOME_TIMEOUT: return is_dotnet ? "System.TimeoutException" : "HttpTimeout";
    case OUTCOME_CREDENTIAL: return "HttpCredential";
    case OUTCOME_CANCELLED: return "Cancelled";
    }
    return "HttpRequest";
}

static void fail(struct fetch *fetch, enum outcome outcome, const char *message,
                 struct text details)
{
    struct buffer copy; /* what a library says may be in whatever charset */
    buffer_init(&copy);
    for (size_t i = 0; message[i] != '\0';) {
        size_t size = character(message + i, strlen(message + i));
        buffer_add(&copy, size > 0 ? message + i : "?", size > 0 ? size : 1);
        i += size > 0 ? size : 1;
    }
    const struct fetch_answer answer = {
        .failure_type = type_of(fetch, outcome),
        .failure_message = buffer_text(&copy),
        .failure_details = details,
        .is_final = outcome == OUTCOME_BAD_INPUT || outcome == OUTCOME_REFUSED ||
                    (outcome == OUTCOME_CREDENTIAL && fetch->has_no_credential),
    };
    fetch->request->done(fetch->request, &answer);
    buffer_done(&copy);
}

static bool is_to_be_retried(const struct order *order, long code)
{
    if (!order->has_retry) {
        return false;
    }
    for (size_t i = 0; i < pd_count(order->retry_codes); i++) {
        if (pd_int(pd_at(order->retry_codes, i)) == code) {
            return true;
        }
    }
    return pd_count(order->retry_codes) == 0 && (code < 200 || code > 299);
}

static const char *retry_text(struct fetch *fetch, long code)
{
    if (pd_count(fetch->order.retry_codes) > 0) {
        char name[HTTP_STATUS_NAME_MAX];
        return arena_printf(&fetch->arena, "Status code %s received, retry requested.",
                            http_status_name(code, name));
    }
    const char *reason = http_reason(code);
    return arena_printf(&fetch->arena, "Response status code does not indicate success: %ld (%s).",
                        code, reason != NULL ? reason : "");
}

static void give_answer(struct fetch *fetch)
{
    long code = 0;
    struct buffer json;
    int64_t most = fetch->fetcher->answer_max;
    buffer_init(&json);
    curl_easy_getinfo(fetch->transfer.easy, CURLINFO_RESPONSE_CODE, &code);
    bool is_failure = is_to_be_retried(&fetch->order, code);
    write_answer(&json, fetch, code, is_failure ? DETAIL_BYTES : SIZE_MAX);
    if (is_failure) {
        fail(fetch, OUTCOME_ANSWER, retry_text(fetch, code), buffer_text(&json));
    } else if (json.size > (size_t)most) {
        fail(fetch, OUTCOME_FAILED,
             arena_printf(&fetch->arena, "the answer is larger than %lld bytes as JSON",
                          (long long)most),
             TEXT_ABSENT);
    } else {
        const struct fetch_answer answer = { .response = buffer_text(&json) };
        fetch->request->done(fetch->request, &answer);
    }
    buffer_done(&json);
}

/* What .NET's users look for is the end of it. */
static const char *timeout_text(struct fetch *fetch)
{
    static const char unsent[] = "it was not sent: too many requests to this server came before it";
    if (fetch->order.timeout != NULL && fetch->limit_ms == fetch->order.timeout_ms) {
        return arena_printf(&fetch->arena, "%s. Reached user specified timeout: %s.",
                            fetch->is_unsent ? unsent : "The operation was canceled",
                            fetch->order.timeout);
    }
    long long seconds = fetch->limit_ms / 1000;
    return fetch->is_unsent
               ? arena_printf(&fetch->arena, "within %lld s %s", seconds, unsent)
               : arena_printf(&fetch->arena, "there was no whole answer within %lld s", seconds);
}

void answer_give(struct fetch *fetch, enum outcome outcome)
{
    const char *reason = fetch->reason != NULL ? fetch->reason : fetch->error;
    switch (outcome) {
    case OUTCOME_ANSWER: give_answer(fetch); return;
    case OUTCOME_REFUSED:
        fail(fetch, outcome,
             "the address is not public; PERDURE_HTTP_ALLOW, or the server's http-allow, says what "
             "else may be asked",
             TEXT_ABSENT);
        return;
    case OUTCOME_TIMEOUT: fail(fetch, outcome, timeout_text(fetch), TEXT_ABSENT); return;
    case OUTCOME_CANCELLED:
        fail(fetch, outcome, "nobody waits for it any more", TEXT_ABSENT);
        return;
    case OUTCOME_BAD_INPUT:
    case OUTCOME_FAILED:
    case OUTCOME_CREDENTIAL: fail(fetch, outcome, reason, TEXT_ABSENT); return;
    }
}
