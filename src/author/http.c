/* SPDX-License-Identifier: MIT
 *
 * pd_call_http: a request as the child orchestration that makes it has it (builtin/http.c), in the
 * JSON of the Durable Task SDKs. */
#include "author/author_priv.h"
#include "builtin/builtin.h"

#define NO_BOUND "10675199.02:48:05.4775807" /* the longest span there is */

static const char *span(pd_orchestration *o, pd_duration d)
{
    long long s = d.ms / 1000;
    return pd_format(o, "%lld.%02d:%02d:%02d.%07d", s / 86400, (int)(s / 3600 % 24),
                     (int)(s / 60 % 60), (int)(s % 60), (int)(d.ms % 1000) * 10000);
}

static const char *span_or_none(pd_orchestration *o, pd_duration d)
{
    return d.ms > 0 ? span(o, d) : NO_BOUND;
}

static bool is_header(pd_value value)
{
    if (pd_kind_of(value) == PD_IS_ARRAY) {
        for (size_t i = 0; i < pd_count(value); i++) {
            if (pd_kind_of(pd_at(value, i)) != PD_IS_TEXT) {
                return false;
            }
        }
        return true;
    }
    return pd_kind_of(value) == PD_IS_TEXT;
}

/* Is there one of that name? */
static bool check_headers(pd_orchestration *o, pd_value headers, struct text name)
{
    bool has = false;
    if (pd_kind_of(headers) != PD_IS_NULL && pd_kind_of(headers) != PD_IS_OBJECT) {
        run_raise(o, "Misuse", true, "pd_call_http: headers must be an object, not %s",
                  value_kind_name(headers));
    }
    for (size_t i = 0; i < pd_count(headers); i++) {
        if (!is_header(pd_value_at(headers, i))) {
            run_raise(o, "Misuse", true,
                      "pd_call_http: header '%s' must be a text, or an array of texts",
                      pd_key_at(headers, i));
        }
        has |= text_is_like(text_of(pd_key_at(headers, i)), name);
    }
    return has;
}

static void set_body(pd_orchestration *o, pd_dict *to, const pd_http_request *request)
{
    bool has_type = check_headers(o, request->headers, TEXT("content-type"));
    bool is_json =
        pd_kind_of(request->body) != PD_IS_NULL && pd_kind_of(request->body) != PD_IS_TEXT;
    pd_dict *headers = pd_dict_new(o);
    for (size_t i = 0; i < pd_count(request->headers); i++) {
        pd_dict_set(headers, pd_key_at(request->headers, i), pd_value_at(request->headers, i));
    }
    if (is_json && !has_type) {
        pd_dict_set(headers, "content-type", "application/json");
    }
    pd_dict_set(to, "headers", headers);
    if (is_json) {
        pd_dict_set(to, "content", pd_json(o, request->body));
    } else if (pd_kind_of(request->body) == PD_IS_TEXT) {
        pd_dict_set(to, "content", request->body);
    }
}

static void set_retry(pd_orchestration *o, pd_dict *to, const pd_http_request *request)
{
    const pd_retry *retry = request->retry;
    if (retry == NULL) {
        return;
    }
    attempt_check_policy(o, "pd_call_http", retry);
    if (retry->handles != NULL) {
        run_raise(o, "Misuse", true,
                  "pd_call_http: retry.handles cannot be set: a request is retried elsewhere");
    }
    pd_list *statuses = pd_list_new(o);
    for (size_t i = 0; i < request->retry_status_count; i++) {
        pd_list_add(statuses, request->retry_statuses[i]);
    }
    if (request->retry_statuses != NULL && request->retry_status_count == 0) {
        pd_list_add(statuses, 0); /* none: an empty list means all */
    }
    pd_dict *options = pd_dict_new(o);
    pd_dict_set(options, "firstRetryInterval", span(o, retry->delay_first));
    pd_dict_set(options, "maxNumberOfAttempts", retry->attempts_max > 1 ? retry->attempts_max : 1);
    pd_dict_set(options, "backoffCoefficient", retry->backoff > 1 ? retry->backoff : 1.0);
    pd_dict_set(options, "maxRetryInterval", span_or_none(o, retry->delay_max));
    pd_dict_set(options, "retryTimeout", span_or_none(o, retry->total_max));
    pd_dict_set(options, "statusCodesToRetry", statuses);
    if (retry->jitter > 0) {
        pd_dict_set(options, "jitter", retry->jitter);
    }
    pd_dict_set(to, "retryOptions", options);
}

static void set_credential(pd_orchestration *o, pd_dict *to, const pd_credential *credential)
{
    if (credential == NULL) {
        return;
    }
    if (credential->kind == NULL || credential->resource == NULL) {
        run_raise(o, "Misuse", true, "pd_call_http: a credential needs its kind and resource");
    }
    pd_dict *source = pd_dict_new(o);
    pd_dict_set(source, "kind", credential->kind);
    pd_dict_set(source, "resource", credential->resource);
    if (pd_kind_of(credential->options) != PD_IS_NULL) {
        pd_dict_set(source, "options", credential->options);
    }
    pd_dict_set(to, "tokenSource", source);
}

pd_task *pd_start_http(pd_orchestration *o, const pd_http_request *request)
{
    run_check(o);
    if (request == NULL || request->url == NULL) {
        run_raise(o, "Misuse", true, "pd_call_http: there is no %s",
                  request == NULL ? "request" : "url");
    }
    if (request->time_max.ms < 0) {
        run_raise(o, "Misuse", true, "pd_call_http: time_max is negative");
    }
    pd_dict *dict = pd_dict_new(o);
    pd_dict_set(dict, "method", request->method != NULL ? request->method : "GET");
    pd_dict_set(dict, "uri", request->url);
    set_body(o, dict, request);
    set_credential(o, dict, request->credential);
    pd_dict_set(dict, "asynchronousPatternEnabled", pd_of_bool(!request->no_polling));
    set_retry(o, dict, request);
    if (request->time_max.ms > 0) {
        pd_dict_set(dict, "timeout", span(o, request->time_max));
    }
    return pd_start_child(o, BUILTIN_HTTP, dict, .version = "");
}

pd_value pd_call_http(pd_orchestration *o, const pd_http_request *request)
{
    pd_task *task = pd_start_http(o, request);
    return pd_await(o, task);
}
