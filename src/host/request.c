/* SPDX-License-Identifier: MIT
 *
 * What pd_request_* and pd_answer_* do. On the thread that runs the route, whose the request is
 * meanwhile (C2). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/base.h"
#include "base/error.h"
#include "host/child.h"
#include "json/json.h"

enum { ANSWER_MAX = 64 << 20, WAIT_SLICE_MS = 500, WAIT_MAX_MS = 24 * 3600 * 1000 };

static struct request *of(pd_request *face)
{
    return CONTAINER_OF(face, struct request, face);
}

/* ---- what was asked ------------------------------------------------------------------------- */

static const char *parameter(const struct match *match, const char *name)
{
    for (size_t i = 0; i < match->parameter_count; i++) {
        if (strcmp(match->parameters[i].name, name) == 0) {
            return match->parameters[i].value;
        }
    }
    return NULL;
}

static const char *text(pd_request *face, pd_request_part part, const char *name)
{
    struct request *r = of(face);
    switch (part) {
    case PD_REQUEST_METHOD_: return http_method(r->http).at;
    case PD_REQUEST_PATH_: return r->raw_path.at;
    case PD_REQUEST_PARAMETER_: return parameter(&r->match, name);
    case PD_REQUEST_QUERY_: return routes_query(&r->arena, r->query, name);
    case PD_REQUEST_HEADER_: return http_header(r->http, name).at;
    case PD_REQUEST_CALLER_: return r->caller;
    }
    return NULL;
}

static const char *body(pd_request *face, size_t *size)
{
    struct request *r = of(face);
    if (size != NULL) {
        *size = r->body.size;
    }
    if (r->body_text == NULL) {
        r->body_text = text_copy(&r->arena, r->body).at;
    }
    return r->body_text;
}

static bool json(pd_request *face, pd_value *ret, pd_error *err)
{
    struct request *r = of(face);
    pd_error unwanted;
    err = err != NULL ? err : &unwanted;
    if (r->body.size == 0 || memchr(r->body.at, '\0', r->body.size) != NULL) {
        (void)error_set(err, PD_E_INVALID, false, "request", "%s",
                        r->body.size == 0 ? "there is no body" : "the body is no JSON");
        return false;
    }
    if (r->document == NULL) {
        r->document = pd_document_parse(body(face, NULL), err);
    }
    if (r->document != NULL) {
        *ret = pd_document_value(r->document);
    }
    return r->document != NULL;
}

static pd_hub *hub(pd_request *face)
{
    return of(face)->service->hub;
}

static void *alloc(pd_request *face, size_t size)
{
    return arena_alloc(&of(face)->arena, size);
}

__attribute__((format(printf, 2, 0))) static const char *
format(pd_request *face, const char *format, va_list arguments)
{
    return arena_vprintf(&of(face)->arena, format, arguments);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* How an answer is framed is ours to say: a second word on it would begin another answer. */
static bool is_framing(const char *name)
{
    static const char *const names[] = { "Connection", "Content-Length",    "Keep-Alive",
                                         "Trailer",    "Transfer-Encoding", "Upgrade" };
    bool is_one = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        is_one |= strcasecmp(name, names[i]) == 0;
    }
    return is_one;
}

static bool can_hold(const char *text, bool is_name)
{
    bool is_fine = text != NULL && (!is_name || text[0] != '\0');
    for (const char *at = text; is_fine && *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        is_fine = is_name ? c > ' ' && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL
                          : (c >= ' ' || c == '\t') && c != 0x7f;
    }
    return is_fine;
}

static void put_header(struct request *r, const char *name, const char *value, bool goes)
{
    if (!can_hold(name, true) || !can_hold(value, false) || is_framing(name)) {
        return;
    }
    struct header *header = arena_alloc(&r->arena, sizeof *header), **last = &r->headers;
    header->name = arena_copy(&r->arena, name, strlen(name));
    header->value = arena_copy(&r->arena, value, strlen(value));
    header->goes = goes;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = header;
}

static void add_header(pd_request *face, const char *name, const char *value)
{
    put_header(of(face), name, value, false);
}

void request_header(struct request *r, const char *name, const char *value)
{
    put_header(r, name, value, true);
}

static void set_answer(struct request *r, int status, const char *type, struct text bytes)
{
    struct header **at = &r->headers;
    while (*at != NULL) {
        if ((*at)->goes) { /* with the answer before */
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
        }
    }
    if (bytes.size > ANSWER_MAX) {
        request_refuse(r, 500, "the answer is larger than 64 MiB");
        return;
    }
    r->status = status >= 200 && status <= 599 ? status : 500;
    bool has_type = type != NULL && type[0] != '\0' && can_hold(type, false);
    r->type = has_type ? arena_copy(&r->arena, type, strlen(type)) : NULL;
    r->answer = bytes;
}

static void bytes(pd_request *face, int status, const char *type, const void *at, size_t size)
{
    struct request *r = of(face);
    bool fits = size <= ANSWER_MAX; /* no copy of what is refused */
    set_answer(r, status, type, text_make(fits ? arena_copy(&r->arena, at, size) : "", size));
}

static void value(pd_request *face, int status, pd_value v)
{
    struct request *r = of(face);
    pd_error err;
    buffer_reset(&r->out);
    if (json_write(&r->out, v, &err) != PD_OK) {
        request_refuse(r, 500, err.text);
    } else {
        set_answer(r, status, "application/json", buffer_text(&r->out));
    }
}

void request_refuse(struct request *r, int status, const char *message)
{
    pd_error err;
    buffer_reset(&r->out);
    buffer_printf(&r->out, "{\"Message\":");
    if (json_write(&r->out, pd_of_text(message), &err) != PD_OK) {
        buffer_printf(&r->out, "\"\"");
    }
    buffer_add_byte(&r->out, '}');
    set_answer(r, status, "application/json", buffer_text(&r->out));
}

static int http_status(pd_status status)
{
    switch (status) {
#define X(name, number, grpc, http, text) \
    case PD_##name: return http;
        PD_STATUS_MAP(X)
#undef X
    }
    return 500;
}

void request_fail(struct request *r, const pd_error *err)
{
    request_refuse(r, http_status(err->status), err->text);
}

static void error(pd_request *face, const pd_error *err)
{
    request_fail(of(face), err);
}

static void links(pd_request *face, const char *id)
{
    manage_links(of(face), id);
}

static void answer_ended(struct request *r, const pd_instance *instance)
{
    pd_run_state state = pd_instance_state(instance);
    buffer_reset(&r->out);
    if (state == PD_RUN_COMPLETED) {
        buffer_printf(&r->out, "%s", pd_instance_output_json(instance));
    } else {
        manage_put_state(r, instance);
    }
    set_answer(r, state == PD_RUN_FAILED ? 500 : 200, "application/json", buffer_text(&r->out));
}

static int64_t steady_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_for(pd_request *face, const char *id, pd_duration limit)
{
    struct request *r = of(face);
    int64_t limit_ms = limit.ms < 0 ? 0 : limit.ms < WAIT_MAX_MS ? limit.ms : WAIT_MAX_MS;
    int64_t until = steady_ms() + limit_ms, rest;
    pd_error err;
    do {
        rest = until - steady_ms();
        int64_t slice = rest < 0 ? 0 : rest < WAIT_SLICE_MS ? rest : WAIT_SLICE_MS;
        PD_AUTO(pd_instance)
        instance = pd_hub_wait(r->service->hub, id, pd_milliseconds(slice), &err);
        if (instance != NULL) {
            answer_ended(r, instance);
            return;
        }
        if (err.status != PD_E_TIMEOUT) {
            break;
        }
    } while (rest > 0 && !atomic_load(&r->service->is_draining) && !atomic_load(&r->is_gone));
    if (err.status != PD_E_TIMEOUT && err.status != PD_E_NOT_FOUND) {
        request_fail(r, &err);
    } else {
        manage_links(r, id);
    }
}

const char *request_origin(struct request *r)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789.-_:[]";
    const char *url = r->service->options->public_url;
    struct text host = http_header(r->http, "Host");
    bool is_host = host.size > 0 && host.size < 256 && strspn(host.at, plain) == host.size;
    if (url != NULL) {
        return url;
    }
    return arena_printf(&r->arena, "http://%s", is_host ? host.at : "localhost");
}

const pd_request_calls request_calls = {
    .text = text,
    .body = body,
    .json = json,
    .hub = hub,
    .alloc = alloc,
    .format = format,
    .header = add_header,
    .bytes = bytes,
    .value = value,
    .error = error,
    .links = links,
    .wait = wait_for,
};
