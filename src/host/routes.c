/* SPDX-License-Identifier: MIT
 *
 * Which route a request is for: app.h says by which rules. Paths are cut into segments before they
 * are decoded, so that a %2F stays within its segment. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/percent.h"
#include "host/child.h"

static const char where[] = "app: routes";

/* The next segment, without the '/' before it. False: there is none. */
static bool next_segment(struct text *path, struct text *ret)
{
    if (path->size == 0 || path->at[0] != '/' || path->size == 1) {
        return false;
    }
    const char *begin = path->at + 1;
    const char *end = memchr(begin, '/', path->size - 1);
    size_t size = end != NULL ? (size_t)(end - begin) : path->size - 1;
    *ret = text_make(begin, size);
    *path = text_make(begin + size, path->size - 1 - size);
    return true;
}

static bool is_name(struct text segment)
{
    return segment.size >= 2 && segment.at[0] == '{' && segment.at[segment.size - 1] == '}';
}

/* ---- checking ------------------------------------------------------------------------------- */

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           strchr("-._~!$&'()*+,;=:@", c) != NULL;
}

static bool has_name_before(const char *path, struct text name)
{
    struct text rest = text_of(path), segment;
    while (next_segment(&rest, &segment) && segment.at != name.at) {
        if (text_equal(segment, name)) {
            return true;
        }
    }
    return false;
}

static const char *path_problem(const char *path)
{
    struct text rest = text_of(path), segment;
    size_t names = 0, segments = 0;
    if (path[0] != '/') {
        return "it does not begin with '/'";
    }
    if (rest.size > 1 && path[rest.size - 1] == '/') {
        return "it ends with '/'";
    }
    while (next_segment(&rest, &segment)) {
        bool has_name = is_name(segment);
        names += has_name;
        if (++segments > SEGMENTS_MAX || names > PARAMETERS_MAX) {
            return "it has more than 16 segments, or more than 8 names";
        }
        if (segment.size == 0 || (has_name && segment.size == 2)) {
            return "a segment is empty";
        }
        if (has_name && has_name_before(path, segment)) {
            return "a name comes twice";
        }
        for (size_t i = has_name; i < segment.size - has_name; i++) {
            if (!is_word_byte(segment.at[i])) {
                return "a segment has a character that stands for itself in no path";
            }
        }
    }
    return strncmp(path, "/runtime/", 9) == 0 ? "below /runtime/ is the host's" : NULL;
}

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };
enum { METHODS = sizeof methods / sizeof methods[0] };

static bool is_method(const char *method)
{
    bool is_one = method == NULL;
    for (size_t i = 0; !is_one && i < METHODS; i++) {
        is_one = strcmp(method, methods[i]) == 0;
    }
    return is_one;
}

static bool is_same_path(const char *a, const char *b)
{
    struct text rest_a = text_of(a), rest_b = text_of(b), x, y;
    for (;;) {
        bool has_a = next_segment(&rest_a, &x), has_b = next_segment(&rest_b, &y);
        if (!has_a || !has_b) {
            return has_a == has_b;
        }
        if (is_name(x) != is_name(y) || (!is_name(x) && !text_equal(x, y))) {
            return false;
        }
    }
}

static bool is_same_method(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

pd_status routes_check(const pd_route *routes, size_t count, pd_error *err)
{
    if (count > ROUTES_MAX) {
        return error_set(err, PD_E_LIMIT, false, where, "more than %d routes", ROUTES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const char *path = routes[i].path != NULL ? routes[i].path : "";
        const char *problem = path_problem(path);
        if (routes[i].run == NULL || !is_method(routes[i].method)) {
            problem = routes[i].run == NULL ? "it has no function" : "its method is none of HTTP's";
        }
        if (problem != NULL) {
            return error_set(err, PD_E_INVALID, false, where, "route %zu, '%.80s': %s", i, path,
                             problem);
        }
        for (size_t j = 0; j < i; j++) {
            if (is_same_method(routes[i].method, routes[j].method) &&
                is_same_path(routes[j].path, path)) {
                return error_set(err, PD_E_INVALID, false, where,
                                 "routes %zu and %zu are for the same requests: '%.80s'", j, i,
                                 path);
            }
        }
    }
    return PD_OK;
}

/* ---- finding -------------------------------------------------------------------------------- */

/* NULL: it is not encoded as it should be, or no C string can hold it. */
static const char *decode(struct arena *arena, struct text encoded, bool is_form)
{
    struct text decoded;
    bool is_text = percent_decode(arena, encoded, is_form, &decoded) &&
                   memchr(decoded.at, '\0', decoded.size) == NULL;
    return is_text ? decoded.at : NULL;
}

/* How well a route fits: a bit for each segment, the leftmost the highest; -1: not. */
static int rank(const pd_route *route, struct text path)
{
    struct text mine = text_of(route->path), x, y;
    int bits = 0;
    for (size_t i = 0; i <= SEGMENTS_MAX; i++) {
        bool has_mine = next_segment(&mine, &x), has_path = next_segment(&path, &y);
        if (!has_mine || !has_path) {
            bool is_end = path.size == 0 || (path.size == 1 && path.at[0] == '/');
            return !has_mine && !has_path && is_end ? bits << (SEGMENTS_MAX - i) : -1;
        }
        if (y.size == 0 || (!is_name(x) && !text_equal(x, y))) {
            return -1;
        }
        bits = bits << 1 | !is_name(x);
    }
    return -1;
}

/* How well it takes the method: by its name, HEAD as GET, as any; 0: not. */
static int method_rank(const pd_route *route, struct text method)
{
    bool is_head = text_equal(method, TEXT("HEAD"));
    return route->method == NULL                          ? 1
           : text_equal(text_of(route->method), method)   ? 3
           : is_head && strcmp(route->method, "GET") == 0 ? 2
                                                          : 0;
}

static bool read_parameters(struct match *match, struct text path, struct arena *arena)
{
    struct text mine = text_of(match->route->path), x, y;
    while (next_segment(&mine, &x) && next_segment(&path, &y)) {
        if (is_name(x)) {
            struct parameter *one = &match->parameters[match->parameter_count++];
            one->name = arena_copy(arena, x.at + 1, x.size - 2);
            one->value = decode(arena, y, false);
            if (one->value == NULL) {
                return false;
            }
        }
    }
    return true;
}

static const char *allowed(const pd_route *routes, size_t count, struct text path,
                           struct arena *arena)
{
    struct buffer list;
    buffer_init(&list);
    for (size_t i = 0; i < METHODS; i++) {
        bool is_one = false;
        for (size_t j = 0; j < count && !is_one; j++) {
            is_one =
                rank(&routes[j], path) >= 0 && method_rank(&routes[j], text_of(methods[i])) != 0;
        }
        buffer_printf(&list, "%s%s", is_one && list.size != 0 ? ", " : "",
                      is_one ? methods[i] : "");
    }
    const char *text = arena_copy(arena, list.at, list.size);
    buffer_done(&list);
    return text;
}

void routes_find(const pd_route *routes, size_t count, struct text method, struct text raw_path,
                 struct arena *arena, struct match *ret)
{
    int best = -1, best_method = 0;
    bool is_path = false;
    *ret = (struct match){ .code = 404 };
    for (size_t i = 0; i < count; i++) {
        int fits = rank(&routes[i], raw_path);
        int takes = fits >= 0 ? method_rank(&routes[i], method) : 0;
        is_path |= fits >= 0;
        if (takes != 0 && (fits > best || (fits == best && takes > best_method))) {
            best = fits;
            best_method = takes;
            ret->route = &routes[i];
        }
    }
    if (ret->route == NULL) {
        ret->code = is_path ? 405 : 404;
        ret->allow = is_path ? allowed(routes, count, raw_path, arena) : NULL;
    } else if (!read_parameters(ret, raw_path, arena)) {
        ret->route = NULL;
        ret->code = 400;
    }
}

const char *routes_query(struct arena *arena, struct text query, const char *name)
{
    for (size_t i = 0; i < QUERY_MAX && query.size > 0; i++) {
        const char *end = memchr(query.at, '&', query.size);
        struct text pair = text_make(query.at, end != NULL ? (size_t)(end - query.at) : query.size);
        size_t taken = pair.size + (end != NULL);
        query = text_make(query.at + taken, query.size - taken);
        const char *equals = pair.size != 0 ? memchr(pair.at, '=', pair.size) : NULL;
        size_t size = equals != NULL ? (size_t)(equals - pair.at) : pair.size;
        const char *key = decode(arena, text_make(pair.at, size), true);
        if (key != NULL && strcmp(key, name) == 0) {
            return equals == NULL
                       ? ""
                       : decode(arena, text_make(equals + 1, pair.size - size - 1), true);
        }
    }
    return NULL;
}
