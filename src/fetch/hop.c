/* SPDX-License-Identifier: MIT
 *
 * A hop: one exchange with one server. A request is one hop, and one more for each redirection,
 * which is followed here and not by libcurl, since it is told to other origins who asks only as far
 * as our rules have it (F3).
 *
 * Redirections are followed as browsers do: 303, and 301 and 302 of a POST, become GET without a
 * body; 307 and 308 stay as they are. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "fetch/fetch_priv.h"

/* ---- what it sends --------------------------------------------------------------------------- */

static void add_line(struct fetch *fetch, const char *line)
{
    struct curl_slist *more = curl_slist_append(fetch->fields, line);
    fetch->fields = more != NULL ? more : fetch->fields;
}

static void add_field(struct fetch *fetch, const char *name, const char *value)
{
    /* libcurl takes "Name;" for one that is empty */
    add_line(fetch, value[0] != '\0' ? arena_printf(&fetch->arena, "%s: %s", name, value)
                                     : arena_printf(&fetch->arena, "%s;", name));
}

/* The last one, when there are several. */
static const char *last_of(pd_value value)
{
    return pd_kind_of(value) == PD_IS_ARRAY ? pd_text(pd_at(value, pd_count(value) - 1))
                                            : pd_text(value);
}

static void add_content_type(struct fetch *fetch, const char *type)
{
    static const char form[] = "application/x-www-form-urlencoded";
    if (type[0] == '\0') {
        type = "text/plain";
    } else if (strncasecmp(type, form, sizeof form - 1) == 0 &&
               strcasestr(type, "charset") == NULL) {
        type = arena_printf(&fetch->arena, "%s; charset=utf-8", type);
    }
    add_field(fetch, "Content-Type", type);
}

/* Names that differ in case only are one: the last says what is sent. */
static bool is_said_again(pd_value headers, size_t i)
{
    for (size_t j = i + 1; j < pd_count(headers); j++) {
        if (strcasecmp(pd_key_at(headers, j), pd_key_at(headers, i)) == 0) {
            return true;
        }
    }
    return false;
}

static void add_fields(struct fetch *fetch)
{
    const char *type = "";
    pd_value headers = fetch->order.headers;
    for (size_t i = 0; i < pd_count(headers); i++) {
        const char *name = pd_key_at(headers, i);
        pd_value value = pd_value_at(headers, i);
        if (strcasecmp(name, "content-type") == 0) {
            type = last_of(value);
        } else if (order_skips_header(name) || is_said_again(headers, i) ||
                   (!fetch->is_trusted && order_is_secret_header(name)) ||
                   (fetch->token != NULL && strcasecmp(name, "authorization") == 0)) {
            continue;
        } else if (pd_kind_of(value) == PD_IS_TEXT) {
            add_field(fetch, name, pd_text(value));
        } else {
            for (size_t j = 0; j < pd_count(value); j++) {
                add_field(fetch, name, pd_text(pd_at(value, j)));
            }
        }
    }
    if (fetch->token != NULL && fetch->is_trusted) { /* F3 */
        add_line(fetch, arena_printf(&fetch->arena, "Authorization: Bearer %s", fetch->token));
    }
    if (fetch->has_body) {
        add_content_type(fetch, type);
    } else {
        add_line(fetch, "Content-Type:"); /* libcurl says nothing of its own */
    }
    add_line(fetch, "Expect:");
    add_line(fetch, "Accept:");
}

/* ---- what comes ------------------------------------------------------------------------------ */

static size_t on_body(char *at, size_t size, size_t count, void *argument)
{
    struct fetch *fetch = argument;
    size_t bytes = size * count;
    fetch->body_bytes += bytes;
    if (fetch->body_bytes > (size_t)fetch->fetcher->body_max) {
        fetch->reason = arena_printf(&fetch->arena, "the answer is larger than %lld bytes",
                                     (long long)fetch->fetcher->body_max);
        return CURL_WRITEFUNC_ERROR;
    }
    if (!fetch->request->is_delivery) {
        buffer_add(&fetch->body, at, bytes);
    }
    return bytes;
}

/* Of a header. Others are left out: two that are no text would look the same in JSON. */
static bool is_name(const char *at, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (at[i] <= ' ' || at[i] > '~') {
            return false;
        }
    }
    return true;
}

static size_t on_header(char *at, size_t size, size_t count, void *argument)
{
    struct fetch *fetch = argument;
    size_t bytes = size * count, length = bytes;
    if (bytes >= 5 && memcmp(at, "HTTP/", 5) == 0) { /* of 100 Continue, too: what counts is last */
        buffer_reset(&fetch->headers);
        fetch->header_count = 0;
        return bytes;
    }
    while (length > 0 && (at[length - 1] == '\r' || at[length - 1] == '\n')) {
        length--;
    }
    const char *colon = memchr(at, ':', length);
    if (colon == NULL || colon == at || !is_name(at, (size_t)(colon - at))) {
        return bytes;
    }
    if (fetch->headers.size + length > HEADER_BYTES_MAX || fetch->header_count++ == HEADERS_MAX) {
        fetch->reason = "the headers of the answer are larger than 65536 bytes, or over 1000";
        return CURL_WRITEFUNC_ERROR;
    }
    size_t name = (size_t)(colon - at), from = name + 1;
    while (from < length && (at[from] == ' ' || at[from] == '\t')) {
        from++;
    }
    for (size_t i = 0; i < name; i++) {
        char c = at[i];
        buffer_add_byte(&fetch->headers, (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
    }
    buffer_add_byte(&fetch->headers, '\0');
    for (size_t i = from; i < length; i++) { /* which has no NUL, says the protocol; some servers */
        buffer_add_byte(&fetch->headers, (uint8_t)(at[i] != '\0' ? at[i] : ' '));
    }
    buffer_add_byte(&fetch->headers, '\0');
    return bytes;
}

/* F2: this is the address that is connected to. */
static curl_socket_t on_socket(void *argument, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct fetch *fetch = argument;
    (void)purpose;
    if (fetch->proxy == NULL && !guard_allows(&fetch->fetcher->guard, &address->addr)) {
        fetch->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                  address->protocol);
}

/* F2, of a connection that is there already: whoever made it may have been under no guard, as those
 * that ask for credentials are. */
static int on_connection(void *argument, char *there, char *here, int port, int own_port)
{
    struct fetch *fetch = argument;
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    bool is = fetch->proxy != NULL;
    (void)here, (void)port, (void)own_port;
    if (!is && inet_pton(AF_INET, there, &in.sin_addr) == 1) {
        is = guard_allows(&fetch->fetcher->guard, (const struct sockaddr *)&in);
    } else if (!is && inet_pton(AF_INET6, there, &in6.sin6_addr) == 1) {
        is = guard_allows(&fetch->fetcher->guard, (const struct sockaddr *)&in6);
    }
    fetch->is_refused = !is; /* whatever other addresses of the name were */
    return is ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* ---- beginning ------------------------------------------------------------------------------- */

static void set_method(struct fetch *fetch)
{
    CURL *easy = fetch->transfer.easy;
    /* These say that they have no body, or some servers ask how long it is (411). */
    bool says_length = strcmp(fetch->method, "POST") == 0 || strcmp(fetch->method, "PUT") == 0 ||
                       strcmp(fetch->method, "PATCH") == 0;
    if (strcmp(fetch->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (fetch->has_body || says_length) {
        size_t size = fetch->has_body ? fetch->order.content_size : 0;
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, fetch->has_body ? fetch->order.content : "");
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, fetch->method);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, fetch->method);
    }
}

/* As OpenSSL has it, which libcurl does not ask. */
void hop_trust(CURL *easy)
{
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    if (file != NULL && *file != '\0') {
        curl_easy_setopt(easy, CURLOPT_CAINFO, file);
    }
    if (folder != NULL && *folder != '\0') {
        curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
    }
}

static void set_bounds(struct fetch *fetch)
{
    CURL *easy = fetch->transfer.easy;
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    hop_trust(easy);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "perdure/" PERDURE_VERSION); /* a header is instead */
    /* Who gives up does not wait for a name server: the thread is everybody's. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, fetch->proxy != NULL ? fetch->proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)fetch->limit_ms); /* else 300 s */
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static void set_callbacks(struct fetch *fetch)
{
    CURL *easy = fetch->transfer.easy;
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, fetch->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &fetch->transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, fetch);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connection);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, fetch);
}

bool hop_begin(struct fetch *fetch)
{
    char *url = NULL;
    curl_easy_reset(fetch->transfer.easy);
    curl_slist_free_all(fetch->fields);
    fetch->fields = NULL;
    buffer_reset(&fetch->headers);
    buffer_reset(&fetch->body);
    fetch->body_bytes = 0;
    fetch->is_refused = !proxy_find(fetch);
    if (fetch->is_refused || curl_url_get(fetch->url, CURLUPART_URL, &url, 0) != CURLUE_OK) {
        fetch->reason = "the uri cannot be understood";
        return false;
    }
    add_fields(fetch);
    curl_easy_setopt(fetch->transfer.easy, CURLOPT_URL, url);
    curl_free(url);
    curl_easy_setopt(fetch->transfer.easy, CURLOPT_HTTPHEADER, fetch->fields);
    set_bounds(fetch);
    set_callbacks(fetch);
    set_method(fetch);
    fetch->error[0] = '\0';
    return true;
}

/* ---- redirections ---------------------------------------------------------------------------- */

static bool is_http(CURLU *url)
{
    char *scheme = NULL;
    bool is = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    return is;
}

static const char *location_of(const struct fetch *fetch)
{
    struct text all = buffer_text(&fetch->headers);
    const char *at = all.at, *end = at + all.size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, "location") == 0) {
            return value;
        }
        at = value + strlen(value) + 1;
    }
    return NULL;
}

bool hop_redirects(struct fetch *fetch)
{
    long code = 0;
    curl_easy_getinfo(fetch->transfer.easy, CURLINFO_RESPONSE_CODE, &code);
    const char *location = location_of(fetch);
    bool is_one = code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
    if (!is_one || location == NULL || fetch->redirects == REDIRECTS_MAX ||
        fetch->request->is_delivery) {
        return false;
    }
    CURLU *next = curl_url_dup(fetch->url);
    if (next == NULL || curl_url_set(next, CURLUPART_URL, location, 0) != CURLUE_OK ||
        !is_http(next)) {
        curl_url_cleanup(next);
        return false;
    }
    curl_url_cleanup(fetch->url);
    fetch->url = next;
    fetch->redirects++;
    fetch->is_trusted = fetch->is_trusted && origin_is_same(fetch->origin, next);
    bool is_post = strcmp(fetch->method, "POST") == 0;
    if ((code == 303 && strcmp(fetch->method, "HEAD") != 0) || (code <= 302 && is_post)) {
        fetch->method = "GET";
        fetch->has_body = false;
    }
    return true;
}
