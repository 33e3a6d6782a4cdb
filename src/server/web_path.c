/* SPDX-License-Identifier: MIT
 *
 * From a path to its route (M1). Literals are matched in any case; what is captured is decoded
 * later, so that an encoded slash parts nothing. */
#include <string.h>
#include <strings.h>

#include "server/web.h"

/* ---- paths ---------------------------------------------------------------------------------- */

/* Of what was not decoded yet. One at the end that is empty does not count; nor what is behind more
 * than any route has. */
static size_t split(struct text path, struct text segments[WEB_SEGMENTS])
{
    size_t count = 0;
    while (path.size > 0 && path.at[0] == '/') {
        path = text_make(path.at + 1, path.size - 1);
        const char *end = memchr(path.at, '/', path.size);
        size_t size = end != NULL ? (size_t)(end - path.at) : path.size;
        if (size == 0 && path.size == 0) {
            break;
        }
        if (count == WEB_SEGMENTS) {
            break;
        }
        segments[count++] = text_make(path.at, size);
        path = text_make(path.at + size, path.size - size);
    }
    return count;
}

static bool is_word(struct text segment, const char *word, size_t size)
{
    return segment.size == size && strncasecmp(segment.at, word, size) == 0;
}

/* How many segments of these come before a route; 0: this is no path of ours. */
static size_t base_size(const struct text *segments, size_t count)
{
    static const char *const bases[][3] = {
        { "runtime", "webhooks", "durabletask" },
        { "admin", "extensions", "DurableTaskExtension" },
    };
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        bool fits = count >= 3;
        for (size_t j = 0; fits && j < 3; j++) {
            fits = is_word(segments[j], bases[i][j], strlen(bases[i][j]));
        }
        if (fits) {
            return 3;
        }
    }
    return 0;
}

/* Without the prefix of --public-url, which some proxies leave in it. */
static struct text without_prefix(const char *url, struct text path)
{
    const char *host = url != NULL ? strstr(url, "://") : NULL;
    const char *prefix = host != NULL ? strchr(host + 3, '/') : NULL;
    size_t size = prefix != NULL ? strlen(prefix) : 0;
    size -= size > 0 && prefix[size - 1] == '/';
    bool has =
        size > 0 && path.size > size && memcmp(path.at, prefix, size) == 0 && path.at[size] == '/';
    return has ? text_make(path.at + size, path.size - size) : path;
}

bool web_is_ours(const char *public_url, struct text raw_path)
{
    struct text segments[WEB_SEGMENTS];
    return base_size(segments, split(without_prefix(public_url, raw_path), segments)) != 0;
}

/* ---- routes, M1 ----------------------------------------------------------------------------- */

static bool fits(struct web *web, const struct web_route *route, const struct text *segments,
                 size_t count)
{
    const char *at = route->method.path;
    size_t captured = 0;
    memset(web->undecoded, 0, sizeof web->undecoded);
    for (size_t i = 0; i < count; i++) {
        size_t size = strcspn(at + (*at == '/'), "/");
        if (*at != '/' || segments[i].size == 0) {
            return false;
        }
        at++;
        if (size == 2 && at[0] == '{') {
            web->undecoded[captured++] = segments[i];
        } else if (!is_word(segments[i], at, size)) {
            return false;
        }
        at += size;
    }
    return *at == '\0';
}

const struct web_route *web_find_route(struct web *web, const char *public_url, struct text method,
                                       struct text raw_path)
{
    struct text segments[WEB_SEGMENTS];
    enum web_verb verb = text_equal(method, TEXT("GET"))      ? WEB_GET
                         : text_equal(method, TEXT("POST"))   ? WEB_POST
                         : text_equal(method, TEXT("DELETE")) ? WEB_DELETE
                                                              : WEB_OTHER;
    web->path = without_prefix(public_url, raw_path);
    size_t count = split(web->path, segments);
    size_t base = base_size(segments, count);
    for (size_t i = 0; web_tables[i] != NULL; i++) {
        for (size_t j = 0; j < web_tables[i]->count; j++) {
            const struct web_route *route = &web_tables[i]->routes[j];
            if (route->verb == verb && fits(web, route, segments + base, count - base)) {
                return route;
            }
        }
    }
    return NULL;
}
