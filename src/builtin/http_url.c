/* SPDX-License-Identifier: MIT
 *
 * URLs, as far as a conversation has to look into them: is it one of ours, whose is it, and what
 * does a relative one mean. RFC 3986; whoever makes the request reads it again, and more strictly.
 *
 *   U1  What cannot be read is of no origin: it equals nothing, not even itself. */
#include "builtin/http.h"

struct url {
    struct text scheme, host, path, query; /* query absent: there is none */
    long port;
    struct text front; /* scheme, "://" and all up to the path */
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_alike(struct text a, struct text b)
{
    if (a.size != b.size) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.at[i]) != lower(b.at[i])) {
            return false;
        }
    }
    return true;
}

/* How far the scheme of a reference goes, without the colon; 0: it has none. */
static size_t scheme_size(const char *url)
{
    size_t size = 0;
    char c = lower(url[0]);
    if (c < 'a' || c > 'z') {
        return 0;
    }
    for (; (c = lower(url[size]), c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
         size++) {}
    return c == ':' ? size : 0;
}

static bool has_only_good_bytes(const char *url)
{
    for (; *url != '\0'; url++) {
        unsigned char c = (unsigned char)*url;
        if (c <= ' ' || c == 0x7f || c == '\\') {
            return false;
        }
    }
    return true;
}

static bool read_port(struct text text, long *ret)
{
    long port = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || port > 65535) {
            return false;
        }
        port = port * 10 + (text.at[i] - '0');
    }
    if (text.size != 0) {
        *ret = port;
    }
    return port <= 65535;
}

/* "user:word@host:port", of which the host may be "[::1]". */
static bool read_authority(struct text text, struct url *ret)
{
    for (size_t i = text.size; i > 0; i--) {
        if (text.at[i - 1] == '@') {
            text = text_make(text.at + i, text.size - i);
            break;
        }
    }
    size_t size = 0;
    if (text.size != 0 && text.at[0] == '[') {
        const char *end = memchr(text.at, ']', text.size);
        if (end == NULL) {
            return false;
        }
        size = (size_t)(end - text.at) + 1;
    } else {
        while (size < text.size && text.at[size] != ':') {
            size++;
        }
    }
    ret->host = text_make(text.at, size);
    if (size == 0 || (size < text.size && text.at[size] != ':')) {
        return false;
    }
    return size == text.size ||
           read_port(text_make(text.at + size + 1, text.size - size - 1), &ret->port);
}

static bool read_url(const char *text, struct url *ret)
{
    size_t scheme = scheme_size(text);
    ret->scheme = text_make(text, scheme);
    bool is_tls = is_alike(ret->scheme, TEXT("https"));
    if ((!is_tls && !is_alike(ret->scheme, TEXT("http"))) ||
        strncmp(text + scheme, "://", 3) != 0 || !has_only_good_bytes(text)) {
        return false;
    }
    ret->port = is_tls ? 443 : 80;
    const char *authority = text + scheme + 3;
    size_t size = strcspn(authority, "/?#");
    if (!read_authority(text_make(authority, size), ret)) {
        return false;
    }
    const char *path = authority + size;
    ret->front = text_make(text, (size_t)(path - text));
    ret->path = text_make(path, strcspn(path, "?#"));
    const char *query = path + ret->path.size;
    ret->query = *query == '?' ? text_make(query, strcspn(query, "#")) : TEXT_ABSENT;
    return true;
}

bool http_url_is_good(const char *url)
{
    struct url read;
    return read_url(url, &read);
}

bool http_url_is_same_origin(const char *a, const char *b)
{
    struct url x, y;
    return read_url(a, &x) && read_url(b, &y) && is_alike(x.scheme, y.scheme) &&
           is_alike(x.host, y.host) && x.port == y.port;
}

/* ---- references ------------------------------------------------------------------------------ */

/* RFC 3986, 5.2.4, for a path that begins with a slash: in place. */
static void remove_dots(char *path)
{
    char *out = path;
    for (const char *at = path; *at == '/';) {
        size_t size = 1 + strcspn(at + 1, "/");
        bool is_last = at[size] == '\0';
        bool is_one = size == 2 && at[1] == '.';
        bool is_two = size == 3 && at[1] == '.' && at[2] == '.';
        if (is_two) {
            while (out > path && *--out != '/') {}
        }
        if (is_one || is_two) {
            if (is_last) {
                *out++ = '/';
            }
        } else {
            memmove(out, at, size);
            out += size;
        }
        at += size;
    }
    *out = '\0';
}

static const char *join(pd_orchestration *o, const struct url *base, const char *path,
                        size_t path_size, const char *rest)
{
    char *plain = pd_alloc(o, path_size + 2);
    memcpy(plain, path, path_size);
    remove_dots(plain);
    return pd_format(o, "%.*s%s%s", TEXT_ARGS(base->front), plain, rest);
}

static const char *merge(pd_orchestration *o, const struct url *base, const char *reference,
                         size_t path_size, const char *rest)
{
    size_t keep = base->path.size;
    while (keep > 0 && base->path.at[keep - 1] != '/') {
        keep--;
    }
    const char *path = pd_format(o, "%.*s%s%.*s", (int)keep, base->path.at, keep == 0 ? "/" : "",
                                 (int)path_size, reference);
    return join(o, base, path, strlen(path), rest);
}

const char *http_url_resolve(pd_orchestration *o, const char *base_text, const char *reference)
{
    struct url base;
    if (scheme_size(reference) != 0) {
        return http_url_is_good(reference) ? reference : NULL;
    }
    if (!read_url(base_text, &base) || !has_only_good_bytes(reference)) {
        return NULL;
    }
    size_t path_size = strcspn(reference, "?#");
    const char *rest = reference + path_size, *url;
    if (strncmp(reference, "//", 2) == 0) {
        url = pd_format(o, "%.*s:%s", TEXT_ARGS(base.scheme), reference);
    } else if (reference[0] == '/') {
        url = join(o, &base, reference, path_size, rest);
    } else if (path_size != 0) {
        url = merge(o, &base, reference, path_size, rest);
    } else {
        struct text query = rest[0] == '?' ? TEXT_ABSENT : base.query;
        url = pd_format(o, "%.*s%.*s%.*s%s", TEXT_ARGS(base.front), TEXT_ARGS(base.path),
                        TEXT_ARGS(query), rest);
    }
    return http_url_is_good(url) ? url : NULL;
}
