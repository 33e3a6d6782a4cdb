/* SPDX-License-Identifier: MIT
 *
 * Unary calls of a client: a thread waits, the channel's thread does the rest.
 *
 *   A1  The call lies on the caller's stack, and the reply in the caller's arena, which is the
 *       channel's to fill while the caller waits.
 *   A2  The caller looks at the clock. When the time has passed it posts `stop`, and then waits for
 *       both: that the call is over, and that the job was run. */
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/error.h"
#include "grpc/client_priv.h"

enum { ATTEMPTS = 5 }; /* of a call that the server refuses before it begins */

struct ask {
    struct exchange exchange;
    struct waiter waiter;
    struct loop_job begin, stop;
    struct grpc_channel *channel;
    const char *path; /* NULL: the connection is all that is wanted */
    struct text request;
    time_us patience; /* steady: a refusal from then on is the last */
    time_us deadline; /* likewise */
    struct arena *arena;
    struct text reply;
    unsigned attempts, messages;
    pd_status status;
    pd_error *err;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    bool is_over, is_stopped;
};

static void tell(struct ask *ask, bool *what)
{
    (void)pthread_mutex_lock(&ask->mutex);
    *what = true;
    (void)pthread_cond_signal(&ask->changed);
    (void)pthread_mutex_unlock(&ask->mutex); /* the last touch */
}

static void finish(struct ask *ask, pd_status status)
{
    ask->status = status;
    tell(ask, &ask->is_over);
}

static void too_late(struct ask *ask, const char *why)
{
    finish(ask, error_set(ask->err, PD_E_TIMEOUT, true, "grpc: call",
                          "the time allowed has passed%s%s", why[0] != 0 ? ": " : "", why));
}

static void on_message(struct exchange *exchange, struct text message)
{
    struct ask *ask = CONTAINER_OF(exchange, struct ask, exchange);
    ask->messages++;
    if (ask->messages > 1) {
        return;
    }
    char *at = arena_try_alloc(ask->arena, message.size + 1);
    if (at == NULL) {
        exchange_cancel(exchange, GRPC_RESOURCE_EXHAUSTED, "no memory for the reply");
        return;
    }
    if (message.size != 0) {
        memcpy(at, message.at, message.size);
    }
    ask->reply = text_make(at, message.size);
}

static bool try_now(struct ask *ask)
{
    struct grpc_channel *channel = ask->channel;
    int64_t left = ask->deadline == TIME_NEVER ? -1 : ask->deadline - loop_steady(channel->loop);
    if (ask->deadline != TIME_NEVER && left <= 0) {
        too_late(ask, "");
        return true;
    }
    if (ask->path == NULL) {
        finish(ask, PD_OK);
        return true;
    }
    return exchange_begin(&ask->exchange, channel, ask->path, ask->request, left);
}

static bool on_go(struct waiter *waiter, const pd_error *why)
{
    struct ask *ask = CONTAINER_OF(waiter, struct ask, waiter);
    if (why == NULL) {
        return try_now(ask);
    }
    *ask->err = *why; /* what the caller is told if the time passes */
    if (ask->channel->is_cancelled || !why->retryable ||
        loop_steady(ask->channel->loop) >= ask->patience) {
        finish(ask, why->status);
        return true;
    }
    return false;
}

static void begin(struct ask *ask)
{
    struct grpc_channel *channel = ask->channel;
    if (channel->is_cancelled) {
        finish(ask, channel_cancelled(ask->err));
        return;
    }
    if (channel->state == CHANNEL_READY) {
        if (try_now(ask)) {
            return;
        }
        channel_goaway(channel, channel->session); /* it has no numbers left */
    }
    channel_wait(channel, &ask->waiter);
}

static void on_over(struct exchange *exchange, const struct outcome *outcome)
{
    struct ask *ask = CONTAINER_OF(exchange, struct ask, exchange);
    if (outcome->has_not_begun && ++ask->attempts < ATTEMPTS) {
        begin(ask);
        return;
    }
    if (outcome->status == GRPC_OK && ask->messages != 1) {
        struct outcome bad = { GRPC_INTERNAL, false,
                               TEXT("the answer has no message, or more than one") };
        finish(ask, outcome_to_error(&bad, ask->err));
        return;
    }
    finish(ask, outcome_to_error(outcome, ask->err));
}

static void on_begin(struct loop_job *job)
{
    begin(CONTAINER_OF(job, struct ask, begin));
}

static void on_stop(struct loop_job *job)
{
    struct ask *ask = CONTAINER_OF(job, struct ask, stop);
    if (!ask->is_over) {
        if (ask->exchange.stream != NULL) {
            exchange_cancel(&ask->exchange, GRPC_DEADLINE_EXCEEDED, "the time allowed has passed");
        } else {
            pd_error why = *ask->err; /* of the last attempt to connect, if there was one */
            list_remove(&ask->waiter.among);
            too_late(ask, why.text);
        }
    }
    tell(ask, &ask->is_stopped);
}

/* Until it is over. False: the time has passed first. */
static bool wait_until_over(struct ask *ask)
{
    struct timespec at = { .tv_sec = ask->deadline / TIME_SECOND,
                           .tv_nsec = ask->deadline % TIME_SECOND * 1000 };
    int rc = 0;
    (void)pthread_mutex_lock(&ask->mutex);
    while (!ask->is_over && rc == 0) {
        rc = ask->deadline == TIME_NEVER ? pthread_cond_wait(&ask->changed, &ask->mutex)
                                         : pthread_cond_timedwait(&ask->changed, &ask->mutex, &at);
    }
    bool is_over = ask->is_over;
    (void)pthread_mutex_unlock(&ask->mutex);
    return is_over;
}

static void wait_until_stopped(struct ask *ask)
{
    (void)pthread_mutex_lock(&ask->mutex);
    while (!ask->is_over || !ask->is_stopped) {
        (void)pthread_cond_wait(&ask->changed, &ask->mutex);
    }
    (void)pthread_mutex_unlock(&ask->mutex);
}

static void init_waiting(struct ask *ask)
{
    pthread_condattr_t steady;
    (void)pthread_mutex_init(&ask->mutex, NULL);
    (void)pthread_condattr_init(&steady);
    (void)pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&ask->changed, &steady);
    (void)pthread_condattr_destroy(&steady);
}

static time_us deadline_of(int64_t timeout_ms)
{
    struct timespec now;
    if (timeout_ms < 0) {
        return TIME_NEVER;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return time_add((time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000,
                    time_us_of_ms(timeout_ms));
}

static pd_status run(struct ask *ask)
{
    struct grpc_channel *channel = ask->channel;
    assert_that(!pthread_equal(channel->thread, pthread_self())); /* it would wait for itself */
    *ask->err = (pd_error){ 0 };
    ask->waiter.go = on_go;
    ask->begin.run = on_begin;
    ask->stop.run = on_stop;
    init_waiting(ask);
    loop_post(channel->loop, &ask->begin);
    if (!wait_until_over(ask)) {
        loop_post(channel->loop, &ask->stop);
        wait_until_stopped(ask);
    }
    (void)pthread_cond_destroy(&ask->changed);
    (void)pthread_mutex_destroy(&ask->mutex);
    return ask->status;
}

pd_status grpc_channel_reach(struct grpc_channel *channel, int64_t refused_ms, int64_t max_ms,
                             pd_error *err)
{
    struct ask ask = {
        .channel = channel,
        .patience = deadline_of(refused_ms),
        .deadline = deadline_of(max_ms),
        .err = err,
    };
    return run(&ask);
}

pd_status grpc_channel_call(struct grpc_channel *channel, const char *path, struct text request,
                            int64_t timeout_ms, struct arena *arena, struct text *ret,
                            pd_error *err)
{
    struct ask ask = {
        .exchange = { .message = on_message, .over = on_over },
        .channel = channel,
        .path = path,
        .request = text_is_present(request) ? request : TEXT(""),
        .patience = TIME_NEVER,
        .deadline = deadline_of(timeout_ms),
        .arena = arena,
        .err = err,
    };
    (void)run(&ask);
    if (ask.status == PD_OK) {
        *ret = ask.reply;
    }
    return ask.status;
}
