/* SPDX-License-Identifier: MIT
 *
 * Health and metrics over HTTP.
 *
 *   /livez      the process lives: its loop answers
 *   /readyz     it takes work; /healthz is the same; 503 while the store of a hub cannot be used
 *               (a full disk), and from the beginning of the end
 *   /startupz   it has started
 *   /metrics    for Prometheus; asks for a token (scope read), or a certificate, where the others
 *               are asked for one
 *
 * None of it waits for a disk. Limits of connections are those of gRPC, each listener's its own. */
#include <stdio.h>
#include <string.h>

#include "server/server_priv.h"
#include "server/web.h"

static void answer_text(struct http_request *request, int code, const char *text)
{
    http_answer(request, code, "text/plain; charset=utf-8", text_of(text));
}

static void answer_ready(struct server *server, struct http_request *request)
{
    struct text query = http_query(request);
    bool is_json = query.size != 0 && memmem(query.at, query.size, "format=json", 11) != NULL;
    const char *why = !server->is_ready ? "ending" : hubs_in_trouble(server) ? "store" : NULL;
    int code = why == NULL ? 200 : 503;
    char text[64];
    if (is_json) {
        snprintf(text, sizeof text, "{\"ready\":false,\"why\":\"%s\"}\n", why != NULL ? why : "");
        http_answer(request, code, "application/json",
                    why == NULL ? TEXT("{\"ready\":true}\n") : text_of(text));
        return;
    }
    snprintf(text, sizeof text, "not ready: %s\n", why != NULL ? why : "");
    answer_text(request, code, why == NULL ? "ready\n" : text);
}

static void answer_metrics(struct server *server, struct http_request *request)
{
    struct buffer page;
    struct web_caller caller;
    char why[256];
    /* They tell of every hub: who may read some of them only may not see them. */
    if (web_judge(server, request, TEXT_ABSENT, TEXT("*"), SCOPE_READ, &caller) != TOKEN_GOOD) {
        http_answer_header(request, "WWW-Authenticate", "Bearer");
        answer_text(request, 401, "a token with the scope read in all hubs (*) is needed\n");
        return;
    }
    if (!web_may_ask(server, request, &caller, why)) {
        answer_text(request, 403, why);
        return;
    }
    buffer_init(&page);
    metrics_write(server, &page);
    http_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_text(&page));
    buffer_done(&page);
}

static bool is_one_of(struct text path, const char *const *paths)
{
    while (*paths != NULL && !text_equal(path, text_of(*paths))) {
        paths++;
    }
    return *paths != NULL;
}

static const char *const ready_paths[] = { "/readyz", "/healthz", NULL };
static const char *const live_paths[] = { "/livez", "/startupz", NULL };
static const char *const metrics_paths[] = { "/metrics", NULL };

static enum http_other other_of(struct text path)
{
    return is_one_of(path, ready_paths) || is_one_of(path, live_paths) ? HTTP_HEALTH
           : is_one_of(path, metrics_paths)                            ? HTTP_METRICS
                                                                       : HTTP_NO_ROUTE;
}

static void handle(void *argument, struct http_request *request)
{
    struct server *server = argument;
    struct text method = http_method(request);
    struct text path = http_path(request);
    http_count_as(request, http_count_other(server->http_counts, other_of(path)));
    if (web_is_ours(server->config->public_url, http_raw_path(request))) {
        web_handle(server, request);
    } else if (!text_equal(method, TEXT("GET")) && !text_equal(method, TEXT("HEAD"))) {
        http_answer_header(request, "Allow", "GET, HEAD");
        answer_text(request, 405, "only GET\n");
    } else if (is_one_of(path, ready_paths)) {
        answer_ready(server, request);
    } else if (is_one_of(path, live_paths)) {
        answer_text(request, 200, "ok\n");
    } else if (is_one_of(path, metrics_paths)) {
        answer_metrics(server, request);
    } else {
        answer_text(request, 404,
                    "there is /livez, /readyz, /startupz, /healthz, /metrics, and the API of "
                    "Durable Functions: /runtime/webhooks/durabletask/openapi.json\n");
    }
}

static struct http_limits limits_of(const struct server *server)
{
    const struct h2_limits *limits = &server->limits.net;
    return (struct http_limits){
        .body_bytes = LIMIT_PAYLOAD_BYTES,
        .header_bytes = limits->header_bytes,
        .connections = limits->connections,
        .handshake_ms = limits->handshake_ms,
    };
}

void http_limit(struct server *server)
{
    const struct http_limits limits = limits_of(server);
    if (server->http != NULL) {
        http_listener_limit(server->http, &limits);
    }
}

pd_status http_start(struct server *server, pd_error *err)
{
    const struct http_limits limits = limits_of(server);
    const char *address = server->config->http;
    if (address[0] == '\0') {
        return PD_OK;
    }
    pd_status status = notify_address(server->notify, address, &server->arena, &address, err);
    if (status == PD_OK) {
        server->http =
            http_listen(server->loop, address, server->http_tls, &limits, handle, server, err);
        if (server->http != NULL) {
            http_listener_on_answered(server->http, http_counted);
        }
        status = server->http == NULL ? err->status
                                      : config_may_listen(server->config, "--http",
                                                          http_listener_address(server->http), err);
    }
    return status;
}
