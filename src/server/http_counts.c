/* SPDX-License-Identifier: MIT
 *
 * Requests over HTTP, counted: by route, and by the class of their answer. A route is a row of a
 * table (web.h, M1), or one of three names for the rest; so there are as many series as were
 * written down here, whatever clients ask for. */
#include <inttypes.h>
#include <stdio.h>

#include "server/server_priv.h"
#include "server/web.h"

enum { CLASSES = 5 }; /* 1xx to 5xx */

struct http_count {
    const char *method, *route;
    uint64_t ended[CLASSES];
    struct histogram took;
};

struct http_counts {
    size_t count; /* all that routes have, and HTTP_OTHERS */
    struct http_count of[];
};

static size_t count_routes(void)
{
    size_t count = 0;
    for (size_t i = 0; web_tables[i] != NULL; i++) {
        count += web_tables[i]->count;
    }
    return count;
}

struct http_counts *http_counts_new(void)
{
    static const char *const verbs[] = {
        [WEB_GET] = "GET", [WEB_POST] = "POST", [WEB_DELETE] = "DELETE", [WEB_OTHER] = "other"
    };
    static const char *const others[HTTP_OTHERS] = {
        [HTTP_HEALTH] = "health", [HTTP_METRICS] = "metrics", [HTTP_NO_ROUTE] = "other"
    };
    size_t count = 0;
    struct http_counts *counts =
        mem_alloc(sizeof *counts + (count_routes() + HTTP_OTHERS) * sizeof counts->of[0]);
    for (size_t i = 0; web_tables[i] != NULL; i++) {
        for (size_t j = 0; j < web_tables[i]->count; j++) {
            const struct web_route *route = &web_tables[i]->routes[j];
            counts->of[count++] =
                (struct http_count){ .method = verbs[route->verb], .route = route->method.path };
        }
    }
    for (size_t i = 0; i < HTTP_OTHERS; i++) {
        counts->of[count++] = (struct http_count){ .method = "any", .route = others[i] };
    }
    counts->count = count;
    return counts;
}

void http_counts_free(struct http_counts *counts)
{
    mem_free(counts);
}

struct http_count *http_count_other(struct http_counts *counts, enum http_other other)
{
    return &counts->of[counts->count - HTTP_OTHERS + other];
}

struct http_count *http_count_route(struct http_counts *counts, const struct web_route *route)
{
    size_t before = 0;
    for (size_t i = 0; route != NULL && web_tables[i] != NULL; i++) {
        const struct web_routes *table = web_tables[i];
        if (route >= table->routes && route < table->routes + table->count) {
            return &counts->of[before + (size_t)(route - table->routes)];
        }
        before += table->count;
    }
    return http_count_other(counts, HTTP_NO_ROUTE);
}

void http_counted(void *kind, int code, int64_t us)
{
    struct http_count *count = kind;
    int class = code / 100;
    count->ended[class >= 1 && class <= CLASSES ? class - 1 : CLASSES - 1]++;
    histogram_add(&count->took, us);
}

static uint64_t sum(const struct http_count *count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < CLASSES; i++) {
        all += count->ended[i];
    }
    return all;
}

static void put_durations(const struct http_counts *counts, struct buffer *page)
{
    static const char name[] = "perdure_http_request_duration_seconds";
    metrics_head(page, name, "histogram", "From a whole request until its answer.");
    for (size_t i = 0; i < counts->count; i++) {
        const struct http_count *count = &counts->of[i];
        char labels[160];
        snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\"", count->route, count->method);
        if (sum(count) != 0) {
            metrics_put_histogram(page, name, labels, &count->took);
        }
    }
}

void http_counts_write(const struct server *server, struct buffer *page)
{
    const struct http_counts *counts = server->http_counts;
    const struct http_listener *http = server->http;
    metrics_head(page, "perdure_http_requests_total", "counter", "Requests that were answered.");
    for (size_t i = 0; i < counts->count; i++) {
        for (int class = 0; class < CLASSES; class ++) {
            if (counts->of[i].ended[class] != 0) {
                buffer_printf(
                    page,
                    "perdure_http_requests_total{route=\"%s\",method=\"%s\",code=\"%dxx\"}"
                    " %" PRIu64 "\n",
                    counts->of[i].route, counts->of[i].method, class + 1,
                    counts->of[i].ended[class]);
            }
        }
    }
    put_durations(counts, page);
    metrics_head(page, "perdure_http_requests_inflight", "gauge", "Requests without an answer.");
    buffer_printf(page, "perdure_http_requests_inflight %zu\n",
                  http != NULL ? http_listener_requests(http) : 0);
    metrics_head(page, "perdure_http_refusals_total", "counter",
                 "Connections closed, because what came was no HTTP/1.1.");
    buffer_printf(page, "perdure_http_refusals_total %" PRIu64 "\n",
                  http != NULL ? http_listener_refusals(http) : 0);
}
