/* SPDX-License-Identifier: MIT
 *
 * Answers: empty ones, errors, links, the state of an instance. Each ends its rpc, once. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/web.h"
#include "wire/wire.h"

static const char json_type[] = "application/json; charset=utf-8";

void web_header(struct rpc *rpc, const char *name, struct text value)
{
    http_answer_header(rpc->web->http, name, arena_copy(&rpc->arena, value.at, value.size));
}

static void send_body(struct rpc *rpc, int code, struct text body)
{
    struct http_request *http = rpc->web->http;
    rpc->web->http = NULL;
    http_answer(http, code, body.size != 0 ? json_type : NULL, body);
    rpc_end(rpc);
}

void web_answer_empty(struct rpc *rpc, int code)
{
    send_body(rpc, code, TEXT(""));
}

void web_answer(struct rpc *rpc, int code, struct buffer *body)
{
    struct buffer bytes = *body; /* it may go with the rpc */
    buffer_init(body);
    send_body(rpc, code, buffer_text(&bytes));
    buffer_done(&bytes);
}

/* ---- errors: section 9 ---------------------------------------------------------------------- */

void web_refuse_words(struct rpc *rpc, int code, const char *message, pd_status status,
                      const char *text)
{
    struct buffer json;
    buffer_init(&json);
    buffer_add_byte(&json, '{');
    web_put_name(&json, "Message");
    web_put_string(&json, text_of(message));
    web_put_name(&json, "ExceptionMessage");
    web_put_string(&json, text_of(text));
    web_put_name(&json, "ExceptionType");
    web_put_string(&json, text_of(status_name(status)));
    buffer_add_byte(&json, '}');
    web_answer(rpc, code, &json);
}

static void refuse(struct rpc *rpc, int code, pd_status status, const char *text)
{
    const char *message = code == 400   ? "One or more of the arguments submitted is incorrect"
                          : code == 500 ? "Something went wrong while processing your request"
                                        : text;
    web_refuse_words(rpc, code, message, status, text);
}

void web_refuse_json(struct rpc *rpc)
{
    web_refuse_words(rpc, 400, "Invalid JSON content", PD_E_INVALID,
                     "the body is not one JSON document of at most 512 levels");
}

void web_refuse(struct rpc *rpc, int code, pd_status status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    refuse(rpc, code, status, text);
}

void web_answer_message(struct rpc *rpc, int code, const char *message)
{
    struct buffer json;
    buffer_init(&json);
    buffer_add_byte(&json, '{');
    web_put_name(&json, "Message");
    web_put_string(&json, text_of(message));
    buffer_add_byte(&json, '}');
    web_answer(rpc, code, &json);
}

/* One table for gRPC and HTTP. */
static int code_of(pd_status status)
{
    switch (status) {
#define X(name, number, grpc, http, text) \
    case PD_##name: return http;
        PD_STATUS_MAP(X)
#undef X
    }
    return 500;
}

void web_fail_as_told(struct rpc *rpc)
{
    /* An engine that stops: whoever asks again, asks another one. */
    pd_status status = rpc->err.status == PD_E_CANCELLED ? PD_E_UNAVAILABLE : rpc->err.status;
    if (status == PD_E_UNAVAILABLE || status == PD_E_CORRUPT) {
        log_error("a request failed", &rpc->err, "route", rpc->method->path, "hub",
                  rpc->hub != NULL ? rpc->hub->name : "");
    }
    refuse(rpc, code_of(status), status, rpc->err.text);
}

void web_fail(struct rpc *rpc, enum grpc_status status, const char *text)
{
    bool unwanted;
    pd_status known = grpc_status_to_pd(status, &unwanted);
    refuse(rpc, code_of(known), known, text);
}

int web_conflict(const struct rpc *rpc, int code)
{
    return rpc->server->config->http_compat ? 500 : code;
}

/* ---- links: section 8 ----------------------------------------------------------------------- */

struct link {
    const char *name, *path, *query;
};

/* Without quotes. */
static void put_url(const struct rpc *rpc, struct buffer *url, struct text id,
                    const struct link *link, bool is_flagged)
{
    const struct web *web = rpc->web;
    buffer_add_text(url, web->origin);
    buffer_printf(url, WEB_BASE "/instances/");
    percent_encode(url, id);
    buffer_printf(url, "%s?%s", link->path, link->query);
    buffer_add_text(url, web->suffix);
    if (is_flagged) {
        buffer_printf(url, "&returnInternalServerErrorOnFailure=true");
    }
}

static const struct link links[] = {
    { "statusQueryGetUri", "", "" },
    { "sendEventPostUri", "/raiseEvent/{eventName}", "" },
    { "terminatePostUri", "/terminate", "reason={text}&" },
    { "purgeHistoryDeleteUri", "", "" },
    { "rewindPostUri", "/rewind", "reason={text}&" },
    { "restartPostUri", "/restart", "" },
    { "suspendPostUri", "/suspend", "reason={text}&" },
    { "resumePostUri", "/resume", "reason={text}&" },
};

void web_answer_links(struct rpc *rpc, struct text id)
{
    bool is_flagged = web_flag(rpc, "returnInternalServerErrorOnFailure", false);
    struct buffer json;
    struct buffer url;
    buffer_init(&json);
    buffer_init(&url);
    buffer_add_byte(&json, '{');
    web_put_name(&json, "id");
    web_put_string(&json, id);
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        buffer_reset(&url);
        put_url(rpc, &url, id, &links[i], is_flagged && i == 0);
        if (i == 0) {
            web_header(rpc, "Location", buffer_text(&url));
        }
        web_put_name(&json, links[i].name);
        web_put_string(&json, buffer_text(&url));
    }
    buffer_add_byte(&json, '}');
    buffer_done(&url);
    web_header(rpc, "Retry-After", TEXT("10"));
    web_answer(rpc, 202, &json);
}

/* ---- the state of an instance: section 5.2 -------------------------------------------------- */

/* Of one that failed: the words. */
static void put_failure(struct buffer *json, struct text bytes)
{
    const struct failure *failure = NULL;
    struct arena arena;
    pd_error err;
    arena_init(&arena);
    if (wire_read_failure(bytes, &arena, &failure, &err) == PD_OK) {
        web_put_string(json, failure->message.size != 0 ? failure->message : failure->type);
    } else {
        web_put_string(json, text_of(err.text));
    }
    arena_done(&arena);
}

void web_put_state(struct buffer *json, const struct instance_record *record, bool with_input)
{
    buffer_add_byte(json, '{');
    web_put_name(json, "name");
    web_put_string(json, record->name);
    web_put_name(json, "instanceId");
    web_put_string(json, record->id);
    web_put_name(json, "runtimeStatus");
    web_put_string(json, text_of(status_name_of_state(record->state)));
    web_put_name(json, "input");
    web_put_payload(json, with_input ? record->input : TEXT_ABSENT);
    web_put_name(json, "customStatus");
    web_put_payload(json, record->custom_status);
    web_put_name(json, "output");
    if (record->state == RUN_FAILED && text_is_present(record->failure)) {
        put_failure(json, record->failure);
    } else {
        web_put_payload(json, record->output);
    }
    web_put_name(json, "createdTime");
    web_put_time(json, record->created_at, false);
    web_put_name(json, "lastUpdatedTime");
    web_put_time(json, record->updated_at, false);
}
