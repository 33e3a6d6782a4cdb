/* SPDX-License-Identifier: MIT
 *
 * HTTP requests as activities: see http_activity.h.
 *
 * A request is in the list from `take` until the module is done with it, which it says on a thread
 * of its own; then it becomes a result. So the module is told of starts and of cancelling with the
 * mutex held: a request that is in the list is one that the module knows. */
#include "api/http_activity.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "api/lanes.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/memory.h"
#include "builtin/builtin.h"

struct asked {
    struct fetch_request request;
    struct list_node node;
    struct api_http *http;
    struct activity *activity;
    struct buffer own; /* the request, of a delivery: it is in no history */
    struct lane *lane; /* of a delivery; NULL: it is none */
    bool is_dropped;   /* nobody wants its result */
};

struct api_http {
    struct author_elsewhere elsewhere;
    struct fetch_options options;
    struct arena arena;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const struct fetch_module *module;
    const struct api_deliver *deliver; /* NULL: none */
    struct fetcher *fetcher;           /* NULL: not opened yet */
    struct engine *engine;
    bool is_draining;    /* nothing is begun any more */
    atomic_bool is_over; /* and nothing that was begun is waited for */
    struct list asked;   /* what the module has */
    struct lanes lanes;  /* deliveries that wait for others */
    struct list held;    /* activities that came before the engine was known, or too late */
    atomic_size_t count; /* threads wait for some of these */
};

static bool is_named(struct text name, const char *as)
{
    return text_equal(name, text_of(as));
}

static enum fetch_dialect dialect_of(struct text name)
{
    if (is_named(name, BUILTIN_HTTP_ACTIVITY)) {
        return FETCH_DOTNET;
    }
    return is_named(name, BUILTIN_HTTP_STEP_REQUEST)      ? FETCH_STEP
           : is_named(name, BUILTIN_HTTP_WORKER_ACTIVITY) ? FETCH_WORKER
                                                          : FETCH_OURS;
}

/* ---- the module ------------------------------------------------------------------------------ */

/* Q2. The mutex is held. */
static bool open_module(struct api_http *http, pd_error *err)
{
    if (http->module == NULL) {
        http->module = api_fetch_module(err);
    }
    if (http->module != NULL && http->fetcher == NULL) {
        http->fetcher = http->module->open(&http->options, err);
    }
    return http->fetcher != NULL;
}

static struct fetch_answer unavailable(const pd_error *err)
{
    return (struct fetch_answer){ .failure_type = "Unavailable",
                                  .failure_message = text_of(err->text),
                                  .is_final = true };
}

/* The module is loaded here, where it keeps nobody up, and not in `take`. */
static bool takes(void *argument, struct text name)
{
    struct api_http *http = argument;
    pd_error err;
    if (!is_named(name, BUILTIN_REQUEST) && !is_named(name, BUILTIN_HTTP_ACTIVITY) &&
        !is_named(name, BUILTIN_HTTP_WORKER_ACTIVITY) &&
        !is_named(name, BUILTIN_HTTP_STEP_REQUEST) &&
        (http->deliver == NULL || !is_named(name, BUILTIN_DELIVER))) {
        return false;
    }
    pthread_mutex_lock(&http->mutex);
    (void)open_module(http, &err);
    pthread_mutex_unlock(&http->mutex);
    return true;
}

/* ---- results --------------------------------------------------------------------------------- */

static const struct failure *failure_of(struct arena *arena, const struct fetch_answer *answer)
{
    struct failure *failure = arena_alloc(arena, sizeof *failure);
    failure->type = text_copy(arena, text_of(answer->failure_type));
    failure->message = text_copy(arena, answer->failure_message);
    failure->is_final = answer->is_final;
    if (text_is_present(answer->failure_details)) {
        struct failure *response = arena_alloc(arena, sizeof *response);
        response->type = TEXT("HttpResponse");
        response->message = text_copy(arena, answer->failure_details);
        failure->cause = response;
    }
    return failure;
}

static struct activity_result result_of(struct arena *arena, const struct fetch_answer *answer)
{
    struct activity_result result = { .payload = TEXT_ABSENT };
    if (text_is_present(answer->response)) {
        result.payload = text_copy(arena, answer->response);
    } else {
        result.failure = failure_of(arena, answer);
    }
    return result;
}

static void answered(struct request *request, pd_status status, const pd_error *err)
{
    (void)status, (void)err; /* an engine that cannot take it asks again when it can */
    request_free(request);
}

static void end(struct api_http *http, struct activity *activity, const struct fetch_answer *answer)
{
    struct request *request = request_new(answered, NULL);
    struct activity_result *result = arena_alloc(&request->arena, sizeof *result);
    *result = result_of(&request->arena, answer);
    engine_end_activity(http->engine, request, activity, result);
}

static void count_down(struct api_http *http)
{
    pthread_mutex_lock(&http->mutex);
    atomic_fetch_sub(&http->count, 1);
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->mutex);
}

/* ---- without a thread that waits ------------------------------------------------------------- */

static void drop(struct api_http *http, struct asked *asked)
{
    if (!asked->is_dropped) {
        asked->is_dropped = true;
        http->module->cancel(http->fetcher, &asked->request);
    }
}

static void begin(struct api_http *http, struct activity *activity, struct lane *lane);

/* Whoever has waited for a delivery to end, and is counted now; NULL: nobody. */
static struct activity *next_in(struct api_http *http, struct lane *lane)
{
    struct activity *next = NULL;
    pthread_mutex_lock(&http->mutex);
    if (lane != NULL && !http->is_draining) {
        next = lanes_leave(&http->lanes, lane);
        atomic_fetch_add(&http->count, next != NULL);
    }
    pthread_mutex_unlock(&http->mutex);
    return next;
}

static void done(struct fetch_request *request, const struct fetch_answer *answer)
{
    struct asked *asked = CONTAINER_OF(request, struct asked, request);
    struct api_http *http = asked->http;
    pthread_mutex_lock(&http->mutex);
    list_remove(&asked->node);
    bool is_wanted = !asked->is_dropped;
    pthread_mutex_unlock(&http->mutex);
    if (is_wanted && asked->lane != NULL) {
        struct arena arena;
        arena_init(&arena);
        const struct fetch_answer judged =
            http->deliver->judge(http->deliver->argument, answer, &arena);
        end(http, asked->activity, &judged);
        arena_done(&arena);
    } else if (is_wanted) {
        end(http, asked->activity, answer);
    } else {
        activity_free(asked->activity);
    }
    struct lane *lane = asked->lane;
    buffer_done(&asked->own);
    mem_free(asked);
    begin(http, next_in(http, lane), lane);
    count_down(http); /* only now (Q3) */
}

static struct asked *asked_new(struct api_http *http, struct activity *activity, struct lane *lane)
{
    struct asked *asked = mem_alloc(sizeof *asked);
    asked->http = http;
    asked->activity = activity;
    asked->lane = lane;
    asked->request.input = activity->input;
    asked->request.dialect = dialect_of(activity->name);
    asked->request.is_delivery = lane != NULL;
    asked->request.done = done;
    return asked;
}

/* Of a delivery, which takes a while and no lock. False: *ret_refusal. */
static bool write_request(const struct api_http *http, struct asked *asked,
                          struct fetch_answer *ret_refusal)
{
    const struct api_deliver *deliver = http->deliver;
    if (asked->lane == NULL) {
        return true;
    }
    bool is_written =
        deliver->request(deliver->argument, asked->activity, &asked->own, ret_refusal);
    asked->request.input = buffer_text(&asked->own);
    return is_written;
}

/* False: *ret_refusal, in the words of *err, and the activity is still the caller's. */
static bool ask(struct api_http *http, struct asked *asked, struct fetch_answer *ret_refusal,
                pd_error *err)
{
    pthread_mutex_lock(&http->mutex);
    bool is_open = open_module(http, err);
    if (is_open) {
        list_push_back(&http->asked, &asked->node);
        http->module->start(http->fetcher, &asked->request);
        if (atomic_load(&http->is_over)) {
            drop(http, asked); /* those before it are already */
        }
    } else {
        *ret_refusal = unavailable(err);
        ret_refusal->is_final = asked->lane == NULL; /* a delivery has days */
    }
    pthread_mutex_unlock(&http->mutex);
    return is_open;
}

/* Each of them is counted (Q3). One that comes to nothing makes room for the next. */
static void begin(struct api_http *http, struct activity *activity, struct lane *lane)
{
    while (activity != NULL) {
        pd_error err;
        struct fetch_answer answer;
        struct asked *asked = asked_new(http, activity, lane);
        if (write_request(http, asked, &answer) && ask(http, asked, &answer, &err)) {
            return;
        }
        buffer_done(&asked->own);
        mem_free(asked);
        end(http, activity, &answer);
        activity = next_in(http, lane);
        count_down(http);
    }
}

/* Where it goes; a delivery to *ret_lane. The mutex is held. */
static enum lane_answer enter(struct api_http *http, struct activity *activity,
                              struct lane **ret_lane)
{
    if (http->is_draining || http->engine == NULL) {
        list_push_back(&http->held, &activity->node);
        return LANE_WAITS;
    }
    if (!is_named(activity->name, BUILTIN_DELIVER)) {
        return LANE_GOES;
    }
    struct text name = http->deliver->receiver(http->deliver->argument, activity);
    return lanes_enter(&http->lanes, &http->arena, name, activity, ret_lane);
}

void api_http_take(struct api_http *http, struct activity *activity)
{
    static const struct fetch_answer full = {
        .failure_type = "WebhookBusy",
        .failure_message = TEXT_INIT("too many deliveries wait for this receiver"),
    };
    struct lane *lane = NULL;
    pthread_mutex_lock(&http->mutex);
    enum lane_answer answer = enter(http, activity, &lane);
    atomic_fetch_add(&http->count, answer != LANE_WAITS);
    pthread_mutex_unlock(&http->mutex);
    switch (answer) {
    case LANE_GOES: begin(http, activity, lane); break;
    case LANE_WAITS: break;
    case LANE_FULL: /* its orchestration tries it again, later and later */
        end(http, activity, &full);
        count_down(http);
        break;
    }
}

static void take(void *argument, struct activity *activity)
{
    api_http_take(argument, activity);
}

/* ---- not wanted any more --------------------------------------------------------------------- */

static void cancel(void *argument, unsigned partition, uint64_t row, int32_t id)
{
    struct api_http *http = argument;
    if (atomic_load(&http->count) == 0) {
        return;
    }
    struct activity *waiting;
    pthread_mutex_lock(&http->mutex);
    while ((waiting = lanes_take_out(&http->lanes, partition, row, id)) != NULL) {
        activity_free(waiting);
    }
    LIST_EACH(node, &http->asked)
    {
        struct asked *asked = CONTAINER_OF(node, struct asked, node);
        const struct activity *activity = asked->activity;
        if (activity->partition == partition && activity->row == row &&
            (id == EVENT_NO_ID || activity->id == id)) {
            drop(http, asked);
        }
    }
    pthread_mutex_unlock(&http->mutex);
}

/* ---- with a thread that waits (Q1) ----------------------------------------------------------- */

enum { LOOK_MS = 50 };

struct waiting {
    struct fetch_request request;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool has_ended;
    struct arena *arena;
    struct activity_result *result;
};

static struct timespec after_ms(int64_t ms)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

static void wake(struct fetch_request *request, const struct fetch_answer *answer)
{
    struct waiting *waiting = CONTAINER_OF(request, struct waiting, request);
    pthread_mutex_lock(&waiting->mutex);
    *waiting->result = result_of(waiting->arena, answer);
    waiting->has_ended = true;
    pthread_cond_signal(&waiting->ended);
    pthread_mutex_unlock(&waiting->mutex);
}

static void wait_for(struct api_http *http, struct waiting *waiting, struct activity_host *host)
{
    bool is_cancelled = false;
    pthread_mutex_lock(&waiting->mutex);
    while (!waiting->has_ended) {
        struct timespec until = after_ms(LOOK_MS);
        (void)pthread_cond_timedwait(&waiting->ended, &waiting->mutex, &until);
        bool is_unwanted =
            atomic_load(&http->is_over) || (host != NULL && host->ops->is_cancelled(host));
        if (is_unwanted && !is_cancelled && !waiting->has_ended) {
            is_cancelled = true;
            pthread_mutex_unlock(&waiting->mutex);
            http->module->cancel(http->fetcher, &waiting->request);
            pthread_mutex_lock(&waiting->mutex);
        }
    }
    pthread_mutex_unlock(&waiting->mutex);
}

static void ask_and_wait(struct api_http *http, const struct activity *activity,
                         struct activity_host *host, struct arena *arena,
                         struct activity_result *ret)
{
    struct waiting waiting = { .arena = arena, .result = ret };
    waiting.request.input = activity->input;
    waiting.request.dialect = dialect_of(activity->name);
    waiting.request.done = wake;
    pthread_mutex_init(&waiting.mutex, NULL);
    pthread_cond_init(&waiting.ended, NULL);
    http->module->start(http->fetcher, &waiting.request);
    wait_for(http, &waiting, host);
    pthread_cond_destroy(&waiting.ended);
    pthread_mutex_destroy(&waiting.mutex);
}

static void run(void *argument, const struct activity *activity, struct activity_host *host,
                struct arena *arena, struct activity_result *ret)
{
    struct api_http *http = argument;
    pd_error err;
    pthread_mutex_lock(&http->mutex);
    if (http->is_draining) {
        pthread_mutex_unlock(&http->mutex);
        *ret = (struct activity_result){ .is_taken = true };
        return;
    }
    atomic_fetch_add(&http->count, 1);
    bool is_open = open_module(http, &err);
    pthread_mutex_unlock(&http->mutex);
    if (is_named(activity->name, BUILTIN_DELIVER)) { /* of ours none has a limit */
        ret->failure = failure_of(
            arena, &(struct fetch_answer){ .failure_type = "Misuse",
                                           .failure_message = TEXT("it is the server's own"),
                                           .is_final = true });
    } else if (is_open) {
        ask_and_wait(http, activity, host, arena, ret);
    } else {
        const struct fetch_answer answer = unavailable(&err);
        *ret = result_of(arena, &answer);
    }
    if (atomic_load(&http->is_over)) { /* Q3 */
        *ret = (struct activity_result){ .is_taken = true };
    }
    count_down(http);
}

/* ---- the whole ------------------------------------------------------------------------------- */

struct api_http *api_http_new(const struct api_http_options *options)
{
    struct api_http *http = mem_alloc(sizeof *http);
    arena_init(&http->arena);
    http->elsewhere.argument = http;
    http->elsewhere.takes = takes;
    http->elsewhere.take = take;
    http->elsewhere.cancel = cancel;
    http->elsewhere.run = run;
    http->options = options->fetch;
    http->options.allow = text_copy(&http->arena, text_of(options->fetch.allow)).at;
    http->module = options->module;
    http->deliver = options->deliver;
    pthread_mutex_init(&http->mutex, NULL);
    pthread_cond_init(&http->changed, NULL);
    list_init(&http->asked);
    list_init(&http->held);
    return http;
}

const struct author_elsewhere *api_http_elsewhere(const struct api_http *http)
{
    return &http->elsewhere;
}

void api_http_set_engine(struct api_http *http, struct engine *engine)
{
    struct list held;
    list_init(&held);
    pthread_mutex_lock(&http->mutex);
    http->engine = engine;
    list_append(&held, &http->held);
    pthread_mutex_unlock(&http->mutex);
    for (struct list_node *node; (node = list_pop_front(&held)) != NULL;) {
        api_http_take(http, CONTAINER_OF(node, struct activity, node));
    }
}

size_t api_http_count(const struct api_http *http)
{
    return atomic_load(&http->count);
}

void api_http_end(struct api_http *http, int64_t drain_ms)
{
    struct timespec until = after_ms(drain_ms);
    int answer = 0;
    pthread_mutex_lock(&http->mutex);
    http->is_draining = true;
    while (atomic_load(&http->count) != 0 && answer == 0) {
        answer = pthread_cond_timedwait(&http->changed, &http->mutex, &until);
    }
    atomic_store(&http->is_over, true);
    LIST_EACH(node, &http->asked)
    {
        drop(http, CONTAINER_OF(node, struct asked, node));
    }
    while (atomic_load(&http->count) != 0) {
        pthread_cond_wait(&http->changed, &http->mutex);
    }
    pthread_mutex_unlock(&http->mutex);
}

void api_http_free(struct api_http *http)
{
    if (http == NULL) {
        return;
    }
    assert_that(list_is_empty(&http->asked));
    if (http->fetcher != NULL) {
        http->module->close(http->fetcher);
    }
    for (struct list_node *node; (node = list_pop_front(&http->held)) != NULL;) {
        activity_free(CONTAINER_OF(node, struct activity, node));
    }
    for (struct activity *waiting; (waiting = lanes_take_any(&http->lanes)) != NULL;) {
        activity_free(waiting);
    }
    pthread_cond_destroy(&http->changed);
    pthread_mutex_destroy(&http->mutex);
    arena_done(&http->arena);
    mem_free(http);
}
