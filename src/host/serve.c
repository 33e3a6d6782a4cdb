/* SPDX-License-Identifier: MIT
 *
 * From a request to the thread that runs its route, and back: what happens on the loop's thread.
 *
 *   R1  Where nobody needs a key and only this machine reaches us, a browser on it is the way in
 *       for others: so the Host and the page that asks are looked at (net/http_page.h).
 *   R2  A key is looked at when the route is known: some need none. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/object.h"
#include "host/child.h"
#include "net/http_page.h"

enum { REQUEST_MAGIC = 0x72657175 };

/* ---- who asks ------------------------------------------------------------------------------- */

/* R1 */
static const char *stranger(const struct request *request)
{
    const struct service *service = request->service;
    struct text host = http_header(request->http, "Host");
    struct text origin = http_header(request->http, "Origin");
    const char *url = service->options->public_url;
    if (service->keys != NULL) {
        return NULL;
    }
    if (!http_is_host_ours(host, url)) {
        return "the Host is neither an address nor localhost: --public-url or --key is needed";
    }
    if (text_is_present(origin) && !http_is_page_ours(origin, host, url)) {
        return "a page of another origin may not ask this";
    }
    return NULL;
}

/* R2. False: refused. */
static bool has_key(struct request *request, bool is_anonymous)
{
    static const char bearer[] = "Bearer ";
    const struct keys *keys = request->service->keys;
    struct text authorization = http_header(request->http, "Authorization");
    const char *key = http_header(request->http, "x-functions-key").at;
    if (keys == NULL) {
        return true;
    }
    if (key == NULL) {
        key = routes_query(&request->arena, request->query, "code");
    }
    if (key == NULL && authorization.size > sizeof bearer - 1 &&
        strncasecmp(authorization.at, bearer, sizeof bearer - 1) == 0) {
        key = authorization.at + sizeof bearer - 1;
    }
    request->caller = key != NULL ? keys_find(keys, key) : NULL;
    request->key = request->caller != NULL ? key : NULL;
    return request->key != NULL || is_anonymous;
}

/* ---- where to ------------------------------------------------------------------------------- */

/* False: it is answered. */
static bool find(struct request *request)
{
    const pd_app *app = request->service->app;
    const char *why = stranger(request);
    if (why != NULL) {
        request_refuse(request, 403, why);
        return false;
    }
    bool is_ours = manage_takes(request);
    if (!is_ours) {
        routes_find(app->routes, app->route_count, http_method(request->http), request->raw_path,
                    &request->arena, &request->match);
    }
    bool is_found = is_ours ? request->own != NULL : request->match.route != NULL;
    if (is_found && !has_key(request, !is_ours && request->match.route->is_anonymous)) {
        request_refuse(request, 401, "a key is needed");
        return false;
    }
    if (!is_found && !is_ours && request->match.code == 405) {
        request_refuse(request, 405, "this path has other methods");
        request_header(request, "Allow", request->match.allow);
    } else if (!is_found && !is_ours) {
        request_refuse(request, request->match.code,
                       request->match.code == 404 ? "there is no such route"
                                                  : "the path cannot be decoded");
    }
    return is_found;
}

static void gone(void *argument)
{
    struct request *request = argument;
    atomic_store(&request->is_gone, true);
}

void serve_request(void *argument, struct http_request *http)
{
    struct service *service = argument;
    struct request *request = OBJECT_NEW(struct request, REQUEST_MAGIC);
    request->face.calls_ = &request_calls;
    request->service = service;
    request->http = http;
    arena_init(&request->arena);
    buffer_init(&request->out);
    request->raw_path = http_raw_path(http);
    request->query = http_query(http);
    request->body = http_body(http);
    request->job.run = serve_answer;
    atomic_fetch_add(&service->under_way, 1);
    if (find(request)) {
        http_on_gone(http, gone, request);
        threads_give(service, request);
    } else {
        serve_answer(&request->job);
    }
}

void serve_answer(struct loop_job *job)
{
    struct request *request = CONTAINER_OF(job, struct request, job);
    struct service *service = request->service;
    if (request->status == 0) {
        request_refuse(request, 500, "the route gave no answer");
    }
    for (const struct header *header = request->headers; header != NULL; header = header->next) {
        http_answer_header(request->http, header->name, header->value);
    }
    http_answer(request->http, request->status, request->type, request->answer);
    pd_document_free(request->document);
    buffer_done(&request->out);
    arena_done(&request->arena);
    OBJECT_FREE(request, REQUEST_MAGIC);
    atomic_fetch_sub(&service->under_way, 1);
}
