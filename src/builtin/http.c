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
 *   W4  When to ask again is the callee's to choose, too, but, the first POLLS_AT_ONCE polls aside,
 *       not within POLL_LEAST_MS: one that always says "now" would have us write history for ever.
 *   W5  A conversation continues as new after REQUESTS_MAX requests, first attempts or not: then
 *       its input is the request, and where to go on. */
#include "builtin/http.h"

#include <stdatomic.h>

#include "base/http_text.h"
#include "builtin/builtin.h"

enum { REQUESTS_MAX = 100, DETAIL_MAX = 4096 };
#define DELAY_MAX_MS 1e15 /* 30,000 years: what a policy may reckon with */
enum { POLL_DEFAULT_MS = 30000, POLL_LEAST_MS = 1000, POLLS_AT_ONCE = 10 };
enum { REFERENCE_DELAY_MAX_MS = 6 * 86400 * 1000 };

struct manner {
    const char *activity;
    const char *status_failure, *input_failure; /* their types */
    bool retries_at_once;                       /* it may: the first interval may be none */
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

/* Where it is: the next request. */
struct place {
    const char *url;  /* of a poll; NULL: the request itself */
    int64_t polls;    /* before this request */
    int64_t due_ms;   /* not before; 0: at once */
    int64_t attempts; /* that failed */
    int64_t began_ms; /* the first of them */
    double delay_ms;  /* before the next, but for what bounds it */
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

/* A number of the policy, or, when there is none, as it is; false: it is something else. */
static bool read_number(pd_value options, const char *name, double *ret)
{
    pd_value value = find(options, name);
    switch (pd_kind_of(value)) {
    case PD_IS_NULL: return true;
    case PD_IS_INT: *ret = (double)pd_int(value); return true;
    case PD_IS_REAL: *ret = pd_real(value); return true;
    case PD_IS_BOOL:
    case PD_IS_TEXT:
    case PD_IS_ARRAY:
    case PD_IS_OBJECT: break;
    }
    return false;
}

/* Likewise a span. */
static bool read_span(pd_value options, const char *name, int64_t *ret_ms)
{
    pd_value span = find(options, name);
    return pd_kind_of(span) == PD_IS_NULL ||
           (pd_kind_of(span) == PD_IS_TEXT && http_read_span(pd_text(span), ret_ms) &&
            *ret_ms >= 0);
}

static bool read_statuses(pd_value options, pd_value *ret)
{
    *ret = find(options, "statusCodesToRetry");
    PD_EACH(each, *ret) {
        if (pd_kind_of(each) != PD_IS_INT) {
            return false;
        }
    }
    return pd_kind_of(*ret) == PD_IS_ARRAY || pd_kind_of(*ret) == PD_IS_NULL;
}

/* NULL, or what is wrong. */
static const char *read_policy(pd_value options, bool retries_at_once, struct policy *ret)
{
    double attempts = 0;
    *ret = (struct policy){ .first_ms = -1, .most_ms = REFERENCE_DELAY_MAX_MS, .backoff = 1 };
    if (pd_kind_of(options) != PD_IS_OBJECT) {
        return pd_kind_of(options) == PD_IS_NULL ? NULL : "retryOptions is no object";
    }
    if (!read_span(options, "firstRetryInterval", &ret->first_ms) ||
        !read_span(options, "maxRetryInterval", &ret->most_ms) ||
        !read_span(options, "retryTimeout", &ret->total_ms)) {
        return "an interval of retryOptions is no span, \"[d.]hh:mm:ss[.fffffff]\"";
    }
    if (!read_number(options, "maxNumberOfAttempts", &attempts) || !(attempts >= 1) ||
        ret->first_ms < (retries_at_once ? 0 : 1)) {
        return "retryOptions needs firstRetryInterval, above zero, and maxNumberOfAttempts";
    }
    ret->attempts = attempts <= INT32_MAX ? (int64_t)attempts : INT32_MAX;
    if (!read_number(options, "backoffCoefficient", &ret->backoff) || !(ret->backoff >= 0) ||
        !read_number(options, "jitter", &ret->jitter) || !(ret->jitter >= 0 && ret->jitter <= 1)) {
        return "backoffCoefficient or jitter of retryOptions makes no sense";
    }
    return read_statuses(options, &ret->statuses)
               ? NULL
               : "statusCodesToRetry of retryOptions is no array of numbers";
}

/* NULL, or what is wrong. */
static const char *read_request(pd_orchestration *o, pd_value request, struct talk *ret)
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
    if (pd_kind_of(url) != PD_IS_TEXT) {
        return "there is no uri";
    }
    if (!http_url_is_good(ret->url)) {
        char shown[HTTP_SHOWN_MAX];
        return pd_format(o, "the uri '%s' is not an absolute one, of http or https",
                         http_show_url(ret->url, shown));
    }
    return read_policy(pd_get(request, "retryOptions"), ret->manner->retries_at_once, &ret->policy);
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
        if (pd_int(each) == status) {
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
    char *name = pd_alloc(o, HTTP_STATUS_NAME_MAX);
    const char *reason = http_reason(status);
    failure->type = talk->manner->status_failure;
    failure->message = has_list ? pd_format(o, "Status code %s received, retry requested.",
                                            http_status_name(status, name))
                                : pd_format(o,
                                            "Response status code does not indicate success: %d "
                                            "(%s).",
                                            (int)status, reason != NULL ? reason : "");
    failure->cause = detail(o, response);
    return failure;
}

/* False: there is no other attempt. */
static bool tries_again(pd_orchestration *o, const struct policy *policy, struct place *place)
{
    if (place->attempts >= policy->attempts) {
        return false;
    }
    double ms = place->delay_ms, most = (double)policy->most_ms;
    ms = most > 0 && ms > most ? most : ms;
    place->delay_ms *= policy->backoff;
    if (!(place->delay_ms < DELAY_MAX_MS)) {
        place->delay_ms = DELAY_MAX_MS;
    }
    if (policy->jitter > 0) {
        ms -= ms * policy->jitter * ((double)(pd_random(o) >> 11) * 0x1p-53);
    }
    place->due_ms = pd_now(o).ms + (int64_t)ms;
    return policy->total_ms <= 0 || place->due_ms - place->began_ms <= policy->total_ms;
}

/* What came of it; NULL: an answer. */
static const pd_failure *ask(pd_orchestration *o, const struct talk *talk, struct place *place,
                             pd_value *ret)
{
    if (place->due_ms != 0) {
        pd_sleep_until(o, (pd_time){ place->due_ms });
    }
    if (place->attempts++ == 0) {
        place->began_ms = pd_now(o).ms;
        place->delay_ms = (double)talk->policy.first_ms;
    }
    pd_task *task = pd_start_activity(o, talk->manner->activity, hop_of(o, talk, place->url));
    if (!pd_wait(o, task)) {
        return pd_task_failure(task);
    }
    *ret = pd_task_value(task);
    return judge(o, talk, *ret);
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

/* W4 */
static int64_t due_of(pd_orchestration *o, int64_t polls, pd_value response)
{
    int64_t now = pd_now(o).ms, due = 0;
    const char *after = header(response, "retry-after");
    if (after == NULL || !http_read_retry_after(after, now, &due)) {
        int64_t ms = atomic_load(&poll_ms);
        due = now + (ms > 0 ? ms : POLL_DEFAULT_MS);
    }
    int64_t least = polls < POLLS_AT_ONCE ? now : now + POLL_LEAST_MS;
    return due > least ? due : least;
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

/* W5 */
static pd_value place_to_json(pd_orchestration *o, const struct place *place)
{
    pd_dict *dict = pd_dict_new(o);
    if (place->url != NULL) {
        pd_dict_set(dict, "uri", place->url);
    }
    pd_dict_set(dict, "at", place->due_ms);
    pd_dict_set(dict, "polls", place->polls);
    if (place->attempts > 0) {
        pd_dict_set(dict, "attempts", place->attempts);
        pd_dict_set(dict, "since", place->began_ms);
        pd_dict_set(dict, "delay", place->delay_ms);
    }
    return pd_of_dict(dict);
}

/* Whoever may start a child may say where it goes on: 0 for what was never written here. */
static int64_t number_of(pd_value json, const char *key, int64_t most)
{
    int64_t number = pd_int(pd_get(json, key));
    return number >= 0 && number <= most ? number : 0;
}

static struct place place_of_json(pd_value json)
{
    pd_value url = pd_get(json, "uri");
    double delay = pd_real(pd_get(json, "delay"));
    return (struct place){ .url = pd_kind_of(url) == PD_IS_TEXT ? pd_text(url) : NULL,
                           .due_ms = number_of(json, "at", 2 * (int64_t)DELAY_MAX_MS),
                           .polls = number_of(json, "polls", INT32_MAX),
                           .attempts = number_of(json, "attempts", INT32_MAX),
                           .began_ms = number_of(json, "since", (int64_t)DELAY_MAX_MS),
                           .delay_ms = delay >= 0 && delay <= DELAY_MAX_MS ? delay : 0 };
}

static pd_result converse(pd_orchestration *o, pd_value input, const struct manner *manner)
{
    struct talk talk = { .manner = manner };
    struct place place = { 0 };
    pd_value goes_on = pd_get(input, "goesOn");
    if (pd_kind_of(goes_on) == PD_IS_OBJECT) {
        place = place_of_json(goes_on);
        input = pd_get(input, "request");
    }
    const char *wrong =
        read_request(o, pd_kind_of(input) == PD_IS_ARRAY ? pd_at(input, 0) : input, &talk);
    if (wrong != NULL) {
        return pd_fail_final(o, manner->input_failure, "an HTTP request: %s", wrong);
    }
    for (int requests = 0; requests < REQUESTS_MAX; requests++) {
        pd_value response = PD_NULL;
        const pd_failure *failure = ask(o, &talk, &place, &response);
        if (failure != NULL) {
            if (failure->final || !tries_again(o, &talk.policy, &place)) {
                return pd_fail_with(o, failure);
            }
            continue;
        }
        const char *url = next_of(o, &talk, place.url, response);
        if (url == NULL) {
            return pd_ok(o, answer_of(o, response));
        }
        place = (struct place){ .url = url,
                                .polls = place.polls + 1,
                                .due_ms = due_of(o, place.polls, response) };
    }
    return pd_continue_as_new(o,
                              PD_OBJ("request", talk.request, "goesOn", place_to_json(o, &place)));
}

/* W3 */
pd_result http_call(pd_orchestration *o, pd_value input)
{
    static const struct manner manner = { BUILTIN_REQUEST, "HttpStatus", "BadInput", true };
    if (pd_parent_id(o) == NULL) {
        return pd_fail_final(o, "Misuse",
                             BUILTIN_HTTP " is Perdure's own and cannot be started; an "
                                          "orchestration calls it with pd_call_http");
    }
    return converse(o, input, &manner);
}

pd_result http_poll(pd_orchestration *o, pd_value input)
{
    static const struct manner manner = { BUILTIN_HTTP_WORKER_ACTIVITY, "HttpStatus", "BadInput",
                                          false };
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
    static const struct manner manner = { BUILTIN_HTTP_STEP_REQUEST,
                                          "System.Net.Http.HttpRequestException",
                                          "System.ArgumentException", false };
    return converse(o, input, &manner);
}
