/* SPDX-License-Identifier: MIT
 *
 * A perdure-http.so that speaks to nobody: what it answers is in the URL, and each request is a
 * line of the file that FAKE_HTTP_LOG names. So it remembers what was asked also when its process
 * is killed, and a test can count.
 *
 *   http://ANY/ANY/500-202-200?after=1&to=URL&wait=50
 *
 * The first request to a URL is answered by the first status, and so on, the last one again and
 * again. after: Retry-After; to: Location (without it the URL itself; "none": none); wait:
 * milliseconds before the answer. A status of letters is the type of a failure. */
#include <perdure.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/memory.h"
#include "fetch/fetch.h"
#include "json/json.h"

struct fetcher {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t count;
};

struct exchange {
    struct fetcher *fetcher;
    struct fetch_request *request;
    bool is_cancelled; /* under the mutex */
};

/* ---- what was asked before ------------------------------------------------------------------- */

/* Writes the line, and counts those of this URL before it. */
static size_t note(const char *method, const char *url, const char *rest)
{
    const char *path = getenv("FAKE_HTTP_LOG");
    char line[65536], needle[4096];
    size_t before = 0;
    FILE *file = path != NULL ? fopen(path, "a+") : NULL;
    if (file == NULL) {
        return 0;
    }
    (void)flock(fileno(file), LOCK_EX);
    (void)snprintf(needle, sizeof needle, " %s ", url);
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL) {
        before += strstr(line, needle) != NULL;
    }
    fprintf(file, "%s %s %s\n", method, url, rest);
    (void)fflush(file);
    (void)fclose(file);
    return before;
}

/* ---- what is answered ------------------------------------------------------------------------ */

/* The part between dashes of this number, or the last. */
static const char *nth(struct arena *arena, const char *url, size_t n)
{
    size_t size = strcspn(url, "?");
    const char *end = url + size, *at = end;
    while (at > url && at[-1] != '/') {
        at--;
    }
    for (; n > 0; n--) {
        const char *dash = memchr(at, '-', (size_t)(end - at));
        if (dash == NULL) {
            break;
        }
        at = dash + 1;
    }
    size_t length = strcspn(at, "-?");
    return arena_copy(arena, at, length);
}

static const char *option(struct arena *arena, const char *url, const char *name)
{
    const char *query = strchr(url, '?');
    size_t size = strlen(name);
    for (const char *at = query; at != NULL; at = strchr(at + 1, '&')) {
        if (strncmp(at + 1, name, size) == 0 && at[1 + size] == '=') {
            const char *value = at + size + 2;
            return arena_copy(arena, value, strcspn(value, "&"));
        }
    }
    return NULL;
}

static bool wait_for(struct exchange *exchange, long ms)
{
    bool is_cancelled = false;
    for (long waited = 0; waited < ms && !is_cancelled; waited += 10) {
        (void)usleep(10000);
        pthread_mutex_lock(&exchange->fetcher->mutex);
        is_cancelled = exchange->is_cancelled;
        pthread_mutex_unlock(&exchange->fetcher->mutex);
    }
    return !is_cancelled;
}

static void finish(struct exchange *exchange, const struct fetch_answer *answer)
{
    struct fetcher *fetcher = exchange->fetcher;
    struct fetch_request *request = exchange->request;
    pthread_mutex_lock(&fetcher->mutex);
    request->state = NULL;
    pthread_mutex_unlock(&fetcher->mutex);
    request->done(request, answer);
    mem_free(exchange);
    pthread_mutex_lock(&fetcher->mutex);
    fetcher->count--;
    pthread_cond_broadcast(&fetcher->changed);
    pthread_mutex_unlock(&fetcher->mutex);
}

static struct fetch_answer answer_of(struct arena *arena, const char *url, const char *status,
                                     const char *body)
{
    struct fetch_answer answer = { 0 };
    if (status[0] < '0' || status[0] > '9') {
        answer.failure_type = status;
        answer.failure_message = TEXT("as the URL says");
        return answer;
    }
    const char *after = option(arena, url, "after"), *to = option(arena, url, "to");
    const char *headers = "";
    if (strcmp(status, "202") == 0) {
        bool has = to == NULL || strcmp(to, "none") != 0;
        const char *location =
            has ? arena_printf(arena, "\"location\":\"%s\"", to != NULL ? to : url) : "";
        headers = after == NULL ? location
                                : arena_printf(arena, "%s%s\"retry-after\":\"%s\"", location,
                                               has ? "," : "", after);
    }
    answer.response = text_of(arena_printf(
        arena, "{\"statusCode\":%s,\"headers\":{%s},\"content\":\"%s\",\"effectiveUri\":\"%s\"}",
        status, headers, body, url));
    return answer;
}

static void *serve(void *argument)
{
    struct exchange *exchange = argument;
    struct arena arena;
    pd_value input = PD_NULL;
    pd_error err;
    arena_init(&arena);
    struct fetch_answer answer = { .failure_type = "BadInput", .is_final = true };
    if (json_parse(&arena, exchange->request->input, &input, &err) == PD_OK) {
        struct buffer headers;
        input = pd_kind_of(input) == PD_IS_ARRAY ? pd_at(input, 0) : input;
        const char *url = pd_text(pd_get(input, "uri"));
        buffer_init(&headers);
        (void)json_write(&headers, pd_get(input, "headers"), &err);
        struct text written = text_copy(&arena, buffer_text(&headers));
        buffer_done(&headers);
        size_t before = note(pd_text(pd_get(input, "method")), url, written.at);
        const char *wait = option(&arena, url, "wait");
        if (wait_for(exchange, wait != NULL ? strtol(wait, NULL, 10) : 0)) {
            answer = answer_of(&arena, url, nth(&arena, url, before),
                               exchange->request->dialect == FETCH_OURS     ? "ours"
                               : exchange->request->dialect == FETCH_WORKER ? "worker"
                                                                            : "dotnet");
        } else {
            answer.failure_type = "Cancelled";
        }
    }
    finish(exchange, &answer);
    arena_done(&arena);
    return NULL;
}

/* ---- the module ------------------------------------------------------------------------------ */

static struct fetcher *fake_open(const struct fetch_options *options, pd_error *err)
{
    struct fetcher *fetcher = mem_alloc(sizeof *fetcher);
    (void)options, (void)err;
    pthread_mutex_init(&fetcher->mutex, NULL);
    pthread_cond_init(&fetcher->changed, NULL);
    return fetcher;
}

static void fake_start(struct fetcher *fetcher, struct fetch_request *request)
{
    pthread_t thread;
    struct exchange *exchange = mem_alloc(sizeof *exchange);
    exchange->fetcher = fetcher;
    exchange->request = request;
    pthread_mutex_lock(&fetcher->mutex);
    request->state = exchange;
    fetcher->count++;
    pthread_mutex_unlock(&fetcher->mutex);
    if (pthread_create(&thread, NULL, serve, exchange) != 0) {
        abort();
    }
    (void)pthread_detach(thread);
}

static void fake_cancel(struct fetcher *fetcher, struct fetch_request *request)
{
    pthread_mutex_lock(&fetcher->mutex);
    struct exchange *exchange = request->state;
    if (exchange != NULL) {
        exchange->is_cancelled = true;
    }
    pthread_mutex_unlock(&fetcher->mutex);
}

static void fake_close(struct fetcher *fetcher)
{
    if (fetcher == NULL) {
        return;
    }
    pthread_mutex_lock(&fetcher->mutex);
    while (fetcher->count != 0) {
        pthread_cond_wait(&fetcher->changed, &fetcher->mutex);
    }
    pthread_mutex_unlock(&fetcher->mutex);
    pthread_cond_destroy(&fetcher->changed);
    pthread_mutex_destroy(&fetcher->mutex);
    mem_free(fetcher);
}

extern const struct fetch_module perdure_http_module;
PD_API const struct fetch_module perdure_http_module = {
    .version = FETCH_MODULE_VERSION,
    .open = fake_open,
    .start = fake_start,
    .cancel = fake_cancel,
    .close = fake_close,
};
