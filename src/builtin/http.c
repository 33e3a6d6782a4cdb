/* SPDX-License-Identifier: MIT
 *
 * A conversation over HTTP, as an orchestration: a request, made again where that was asked for,
 * and, when the answer is 202 with a Location, polls of that until the answer is another one. The
 * requests themselves are activities; what passes between them is durable timers.
 *
 * perdure.http                   of pd_call_http
 * BuiltIn__HttpPollOrchestrator  of workers of SDKs that have none of their own
 * perdure.http.step              started by a server for an activity of SDKs
 *
 *   W1  Location is the callee's to choose. A poll has the headers of the request but for
 *       x-functions-key; and when it goes to another origin than the request's own URL, wherever
 *       the conversation went in between, also not Authorization, Cookie, Proxy-Authorization and
 *       the credential.
 *   W2  Each hop's headers are made from the request's: what one hop must not have, a later one
 *       may.
 *   W3  Only as a child: else who may start instances could make requests in the name of the host.
 *       A server refuses to start the third one for others.
 *   W4  A conversation continues as new after HOPS_MAX hops: then its input is the request, and
 *       where to go on. */
#include "builtin/http.h"

#include <stdatomic.h>

#include "builtin/builtin.h"

enum { HOPS_MAX = 100, EVENTS_MAX = 2000, DETAIL_MAX = 4096 };
enum { POLL_DEFAULT_MS = 30000, REFERENCE_DELAY_MAX_MS = 6 * 86400 * 1000 };

struct manner {
    const char *activity;
    const char *status_failure; /* its type */
};

struct policy {
    int64_t attempts, first_ms, most_ms, total_ms; /* attempts 0: none; the last two 0: no bound */
    double backoff, jitter;
    pd_value statuses; /* an array; empty: all that are no success */
};

struct talk {
    const struct manner *manner;
    pd_value request; /* an object */
    const char *url;
    bool polls;
    struct policy policy;
};

static _Atomic int64_t poll_ms;

void builtin_set_http_poll(int64_t ms)
{
    atomic_store(&poll_ms, ms);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Of an object; case does not count. Null: there is none. */
static pd_value find(pd_value object, const char *key)
{
    for (size_t i = 0; pd_kind_of(object) == PD_IS_OBJECT && i < pd_count(object); i++) {
        if (http_is_name(pd_key_at(object, i), key)) {
            return pd_value_at(object, i);
        }
    }
    return PD_NULL;
}

/* Of a header; NULL: there is none. */
static const char *header(pd_value response, const char *name)
{
    pd_value value = find(pd_get(response, "headers"), name);
    if (pd_kind_of(value) == PD_IS_ARRAY) {
        value = pd_at(value, 0);
    }
    return pd_kind_of(value) == PD_IS_TEXT ? pd_text(value) : NULL;
}

static double number(pd_value value, double otherwise)
{
    switch (pd_kind_of(value)) {
    case PD_IS_INT: return (double)pd_int(value);
    case PD_IS_REAL: return pd_real(value);
    case PD_IS_NULL:
    case PD_IS_BOOL:
    case PD_IS_TEXT:
    case PD_IS_ARRAY:
    case PD_IS_OBJECT: break;
    }
    return otherwise;
}

/* A span of the policy; false: it is none. */
static bool read_span(pd_value options, const char *name, int64_t *ret_ms)
{
    pd_value span = find(options, name);
    return pd_kind_of(span) == PD_IS_NULL ||
           (pd_kind_of(span) == PD_IS_TEXT && http_read_span(pd_text(span), ret_ms) &&
            *ret_ms >= 0);
}

/* NULL, or what is wrong. */
static const char *read_policy(pd_value options, struct policy *ret)
{
    *ret = (struct policy){ .most_ms = REFERENCE_DELAY_MAX_MS };
    if (pd_kind_of(options) != PD_IS_OBJECT) {
        return pd_kind_of(options) == PD_IS_NULL ? NULL : "retryOptions is no object";
    }
    double attempts = number(find(options, "maxNumberOfAttempts"), 1);
    ret->attempts = attempts >= 1 && attempts <= INT32_MAX ? (int64_t)attempts : INT32_MAX;
    ret->backoff = number(find(options, "backoffCoefficient"), 1);
    ret->jitter = number(find(options, "jitter"), 0);
    ret->statuses = find(options, "statusCodesToRetry");
    if (!read_span(options, "firstRetryInterval", &ret->first_ms) ||
        !read_span(options, "maxRetryInterval", &ret->most_ms) ||
        !read_span(options, "retryTimeout", &ret->total_ms)) {
        return "an interval of retryOptions is no span, \"[d.]hh:mm:ss[.fffffff]\"";
    }
    if (!(attempts >= 1) || !(ret->backoff >= 0) || !(ret->jitter >= 0 && ret->jitter <= 1)) {
        return "maxNumberOfAttempts, backoffCoefficient or jitter of retryOptions makes no sense";
    }
    return NULL;
}

/* NULL, or what is wrong. */
static const char *read_request(pd_value request, struct talk *ret)
{
    pd_value url = pd_get(request, "uri"), polls = pd_get(request, "enablePolling");
    if (pd_kind_of(polls) != PD_IS_BOOL) {
        polls = pd_get(request, "asynchronousPatternEnabled");
    }
    ret->request = request;
    ret->url = pd_text(url);
    ret->polls = pd_kind_of(polls) != PD_IS_BOOL || pd_bool(polls);
    if (pd_kind_of(request) != PD_IS_OBJECT) {
        return "the request is no object";
    }
    if (pd_kind_of(url) != PD_IS_TEXT || !http_url_is_good(ret->url)) {
        return "the uri is not an absolute one, of http or https";
    }
    return read_policy(pd_get(request, "retryOptions"), &ret->policy);
}

/* ---- a request ------------------------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (http_is_name(name, *names)) {
            return true;
        }
    }
    return false;
}

/* W1, W2 */
static pd_value headers_of_poll(pd_orchestration *o, pd_value headers, bool is_foreign)
{
    static const char *const never[] = { "x-functions-key", "content-type", NULL };
    static const char *const at_home[] = { "authorization", "cookie", "proxy-authorization", NULL };
    pd_dict *kept = pd_dict_new(o);
    for (size_t i = 0; pd_kind_of(headers) == PD_IS_OBJECT && i < pd_count(headers); i++) {
        const char *name = pd_key_at(headers, i);
        if (!is_one_of(name, never) && !(is_foreign && is_one_of(name, at_home))) {
            pd_dict_set(kept, name, pd_value_at(headers, i));
        }
    }
    return pd_of_dict(kept);
}

static void copy(pd_dict *to, pd_value from, const char *key)
{
    pd_value value = pd_get(from, key);
    if (pd_kind_of(value) != PD_IS_NULL) {
        pd_dict_set(to, key, value);
    }
}

/* What the activity is asked. url NULL: the request itself; else a poll of that. */
static pd_value hop_of(pd_orchestration *o, const struct talk *talk, const char *url)
{
    pd_dict *hop = pd_dict_new(o);
    pd_value headers = pd_get(talk->request, "headers");
    bool is_foreign = url != NULL && !http_url_is_same_origin(talk->url, url);
    pd_dict_set(hop, "method", "GET");
    pd_dict_set(hop, "uri", url != NULL ? url : talk->url);
    if (url != NULL) {
        pd_dict_set(hop, "headers", headers_of_poll(o, headers, is_foreign));
    } else {
        pd_value method = pd_get(talk->request, "method");
        if (pd_kind_of(method) == PD_IS_TEXT) {
            pd_dict_set(hop, "method", method);
        }
        copy(hop, talk->request, "headers");
        copy(hop, talk->request, "content");
    }
    if (!is_foreign) {
        copy(hop, talk->request, "tokenSource");
    }
    copy(hop, talk->request, "timeout");
    pd_dict_set(hop, "asynchronousPatternEnabled", PD_FALSE); /* that is done here */
    return pd_of_dict(hop);
}

/* ---- again ----------------------------------------------------------------------------------- */

static bool is_listed(pd_value statuses, int64_t status)
{
    PD_EACH(each, statuses) {
        if (number(each, 0) == (double)status) {
            return true;
        }
    }
    return false;
}

/* The answer as part of a failure: its status, its headers, the beginning of its content. */
static const pd_failure *detail(pd_orchestration *o, pd_value response)
{
    pd_failure *answer = pd_alloc(o, sizeof *answer);
    const char *content = pd_text(pd_get(response, "content"));
    size_t size = strnlen(content, DETAIL_MAX);
    while (content[size] != '\0' && size > 0 && ((unsigned char)content[size] & 0xc0) == 0x80) {
        size--; /* not within a character */
    }
    answer->type = "HttpResponse";
    answer->message = pd_json(o, PD_OBJ("statusCode", pd_get(response, "statusCode"), "headers",
                                        pd_get(response, "headers"), "content",
                                        pd_format(o, "%.*s", (int)size, content)));
    return answer;
}

/* NULL: the answer is one. */
static const pd_failure *judge(pd_orchestration *o, const struct talk *talk, pd_value response)
{
    const struct policy *policy = &talk->policy;
    int64_t status = pd_int(pd_get(response, "statusCode"));
    bool has_list = pd_count(policy->statuses) != 0;
    bool is_success = status >= 200 && status < 300;
    if (policy->attempts == 0 || (has_list ? !is_listed(policy->statuses, status) : is_success)) {
        return NULL;
    }
    pd_failure *failure = pd_alloc(o, sizeof *failure);
    const char *reason = http_reason(status);
    failure->type = talk->manner->status_failure;
    failure->message = has_list ? pd_format(o, "Status code %s received, retry requested.",
                                            http_status_name(o, status))
                                : pd_format(o,
                                            "Response status code does not indicate success: %d "
                                            "(%s).",
                                            (int)status, reason != NULL ? reason : "");
    failure->cause = detail(o, response);
    return failure;
}

/* False: there is no other attempt. */
static bool wait_to_try_again(pd_orchestration *o, const struct policy *policy, int64_t attempt,
                              double *delay, pd_time first)
{
    if (attempt >= policy->attempts) {
        return false;
    }
    double ms =
        policy->most_ms > 0 && *delay > (double)policy->most_ms ? (double)policy->most_ms : *delay;
    *delay *= policy->backoff;
    if (policy->jitter > 0) {
        ms -= ms * policy->jitter * ((double)(pd_random(o) >> 11) * 0x1p-53);
    }
    if (!(ms < 1e15)) { /* 30,000 years */
        ms = 1e15;
    }
    pd_time at = pd_after(pd_now(o), pd_milliseconds((int64_t)ms));
    if (policy->total_ms > 0 && at.ms - first.ms > policy->total_ms) {
        return false;
    }
    pd_sleep_until(o, at);
    return true;
}

/* The answer, or NULL with *ret_failure. */
static bool ask(pd_orchestration *o, const struct talk *talk, const char *url, pd_value *ret,
                const pd_failure **ret_failure)
{
    pd_value hop = hop_of(o, talk, url);
    pd_time first = pd_now(o);
    double delay = (double)talk->policy.first_ms;
    for (int64_t attempt = 1;; attempt++) {
        pd_task *task = pd_start_activity(o, talk->manner->activity, hop);
        bool is_answered = pd_wait(o, task);
        *ret_failure = is_answered ? judge(o, talk, pd_task_value(task)) : pd_task_failure(task);
        if (*ret_failure == NULL) {
            *ret = pd_task_value(task);
            return true;
        }
        if ((*ret_failure)->final || !wait_to_try_again(o, &talk->policy, attempt, &delay, first)) {
            return false;
        }
    }
}

/* ---- the conversation ------------------------------------------------------------------------ */

/* Where the answer sends us; NULL: it is the end. */
static const char *next_of(pd_orchestration *o, const struct talk *talk, const char *url,
                           pd_value response)
{
    const char *location = header(response, "location");
    pd_value effective = pd_get(response, "effectiveUri");
    if (!talk->polls || pd_int(pd_get(response, "statusCode")) != 202 || location == NULL) {
        return NULL;
    }
    const char *base = pd_kind_of(effective) == PD_IS_TEXT ? pd_text(effective) : url;
    return http_url_resolve(o, base != NULL ? base : talk->url, location);
}

static pd_time due_of(pd_orchestration *o, pd_value response)
{
    int64_t now = pd_now(o).ms, due = 0;
    const char *after = header(response, "retry-after");
    if (after == NULL || !http_read_retry_after(after, now, &due)) {
        int64_t ms = atomic_load(&poll_ms);
        due = now + (ms > 0 ? ms : POLL_DEFAULT_MS);
    }
    return (pd_time){ due };
}

/* As the caller gets it. */
static pd_value answer_of(pd_orchestration *o, pd_value response)
{
    pd_dict *answer = pd_dict_new(o);
    for (size_t i = 0; i < pd_count(response); i++) {
        if (strcmp(pd_key_at(response, i), "effectiveUri") != 0) {
            pd_dict_set(answer, pd_key_at(response, i), pd_value_at(response, i));
        }
    }
    return pd_of_dict(answer);
}

static pd_result converse(pd_orchestration *o, pd_value input, const struct manner *manner)
{
    struct talk talk = { .manner = manner };
    const char *url = NULL; /* of the next poll */
    pd_time due = { 0 };
    pd_value goes_on = pd_get(input, "goesOn");
    if (pd_kind_of(goes_on) == PD_IS_OBJECT) { /* W4 */
        url = pd_text(pd_get(goes_on, "uri"));
        due.ms = pd_int(pd_get(goes_on, "at"));
        input = pd_get(input, "request");
    }
    const char *wrong =
        read_request(pd_kind_of(input) == PD_IS_ARRAY ? pd_at(input, 0) : input, &talk);
    if (wrong != NULL) {
        return pd_fail_final(o, "BadInput", "an HTTP request: %s", wrong);
    }
    for (int hops = 0;; hops++) {
        if (hops == HOPS_MAX || (hops > 0 && pd_history_length(o) > EVENTS_MAX)) {
            pd_value at = pd_keep(o, PD_OBJ("uri", url, "at", due.ms));
            return pd_continue_as_new(o, PD_OBJ("request", talk.request, "goesOn", at));
        }
        if (url != NULL) {
            pd_sleep_until(o, due);
        }
        pd_value response;
        const pd_failure *failure;
        if (!ask(o, &talk, url, &response, &failure)) {
            return pd_fail_with(o, failure);
        }
        url = next_of(o, &talk, url, response);
        if (url == NULL) {
            return pd_ok(o, answer_of(o, response));
        }
        due = due_of(o, response);
    }
}

/* W3 */
pd_result http_call(pd_orchestration *o, pd_value input)
{
    static const struct manner manner = { BUILTIN_REQUEST, "HttpStatus" };
    if (pd_parent_id(o) == NULL) {
        return pd_fail_final(o, "Misuse",
                             BUILTIN_HTTP " is Perdure's own and cannot be started; an "
                                          "orchestration calls it with pd_call_http");
    }
    return converse(o, input, &manner);
}

pd_result http_poll(pd_orchestration *o, pd_value input)
{
    static const struct manner manner = { BUILTIN_HTTP_WORKER_ACTIVITY, "HttpStatus" };
    if (pd_parent_id(o) == NULL) {
        return pd_fail_final(o, "Misuse",
                             BUILTIN_HTTP_POLL
                             " is an internal built-in and cannot be started as a top-level "
                             "orchestration; use context.df.callHttp instead.");
    }
    return converse(o, input, &manner);
}

pd_result http_step(pd_orchestration *o, pd_value input)
{
    static const struct manner manner = { BUILTIN_HTTP_ACTIVITY,
                                          "System.Net.Http.HttpRequestException" };
    return converse(o, input, &manner);
}
