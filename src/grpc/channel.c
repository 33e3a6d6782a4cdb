/* SPDX-License-Identifier: MIT
 *
 * Channels: a thread with a loop, and a connection when somebody needs one.
 *
 * Attempts to connect follow each other with back-off: the time between them doubles, with jitter,
 * and begins anew once a connection has been there. While one is under way, or awaited, calls wait;
 * streams do so for one attempt. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/object.h"
#include "base/random.h"
#include "grpc/client_priv.h"

enum { CHANNEL_MAGIC = 0x6368616e, METADATA_MAX = 40, MESSAGE_MAX = 64 * 1024 * 1024 };

struct old_session {
    struct list_node among;
    struct h2_session *session;
};

/* ---- connecting ---- */

static void tell_waiters(struct grpc_channel *channel, const pd_error *why)
{
    struct list now;
    list_init(&now);
    list_append(&now, &channel->waiters);
    struct list_node *node;
    while ((node = list_pop_front(&now)) != NULL) {
        struct waiter *waiter = CONTAINER_OF(node, struct waiter, among);
        if (!waiter->go(waiter, why)) {
            list_push_back(&channel->waiters, node);
        }
    }
}

static void attempt_failed(struct grpc_channel *channel, const pd_error *why)
{
    int64_t pause = channel->backoff_us;
    pause -= (int64_t)random_below(&channel->random, (uint64_t)pause / 5 + 1);
    channel->session = NULL;
    channel->state = CHANNEL_WAITING;
    channel->why = *why;
    loop_timer_set(channel->again, pause);
    channel->backoff_us = channel->backoff_us * 2 < channel->backoff_max_us
                              ? channel->backoff_us * 2
                              : channel->backoff_max_us;
    tell_waiters(channel, why);
}

static void attempt(struct grpc_channel *channel)
{
    pd_error err;
    assert_that(channel->session == NULL);
    channel->state = CHANNEL_CONNECTING;
    channel->session = h2_connect(channel->loop, channel->host, channel->port, channel->tls, NULL,
                                  &exchange_handler, channel, &err);
    if (channel->session == NULL) {
        attempt_failed(channel, &err);
    }
}

static void on_again(void *argument)
{
    struct grpc_channel *channel = argument;
    channel->state = CHANNEL_IDLE;
    if (!list_is_empty(&channel->waiters)) {
        attempt(channel);
    }
}

void channel_wait(struct grpc_channel *channel, struct waiter *waiter)
{
    if (channel->state == CHANNEL_WAITING && waiter->go(waiter, &channel->why)) {
        return;
    }
    list_push_back(&channel->waiters, &waiter->among);
    if (channel->state == CHANNEL_IDLE) {
        attempt(channel);
    }
}

void channel_connected(struct grpc_channel *channel, struct h2_session *session)
{
    assert_that(session == channel->session);
    channel->state = CHANNEL_READY;
    channel->backoff_us = channel->backoff_min_us;
    tell_waiters(channel, NULL);
}

/* It ends what it has; the next call makes another one. */
void channel_goaway(struct grpc_channel *channel, struct h2_session *session)
{
    if (session != channel->session) {
        return;
    }
    struct old_session *old = mem_alloc(sizeof *old);
    old->session = session;
    list_push_back(&channel->old, &old->among);
    channel->session = NULL;
    channel->state = CHANNEL_IDLE;
    if (!list_is_empty(&channel->waiters)) {
        attempt(channel);
    }
}

void channel_disconnected(struct grpc_channel *channel, struct h2_session *session,
                          const pd_error *why)
{
    pd_error copy = *why; /* it is the session's */
    bool was_ready = channel->state == CHANNEL_READY;
    h2_disconnect(session);
    if (session == channel->session) {
        channel->session = NULL;
        if (!was_ready) {
            attempt_failed(channel, &copy);
            return;
        }
        /* A server that takes connections and drops them is one that is away. */
        channel->state = CHANNEL_WAITING;
        channel->why = copy;
        loop_timer_set(channel->again, channel->backoff_min_us / 10);
        return;
    }
    LIST_EACH(node, &channel->old)
    {
        struct old_session *old = CONTAINER_OF(node, struct old_session, among);
        if (old->session == session) {
            list_remove(node);
            mem_free(old);
            return;
        }
    }
}

/* ---- cancelling ---- */

pd_status channel_cancelled(pd_error *err)
{
    return error_set(err, PD_E_CANCELLED, false, "grpc: call", "the channel was cancelled");
}

static void on_cancel(struct loop_job *job)
{
    struct grpc_channel *channel = CONTAINER_OF(job, struct grpc_channel, cancel);
    pd_error err;
    (void)channel_cancelled(&err);
    channel->is_cancelled = true;
    while (!list_is_empty(&channel->exchanges)) {
        exchange_cancel(CONTAINER_OF(channel->exchanges.head.next, struct exchange, among),
                        GRPC_CANCELLED, "the channel was cancelled");
    }
    struct list_node *node;
    while ((node = list_pop_front(&channel->waiters)) != NULL) {
        struct waiter *waiter = CONTAINER_OF(node, struct waiter, among);
        bool is_done = waiter->go(waiter, &err);
        assert_that(is_done);
    }
}

/* ---- from beginning to end ---- */

static void *run(void *argument)
{
    loop_run(((struct grpc_channel *)argument)->loop);
    return NULL;
}

/* Signals are handled by the threads of the program that we are in. */
static bool start_thread(struct grpc_channel *channel)
{
    sigset_t all, before;
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF };
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        sigdelset(&all, own[i]);
    }
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    bool has_started = pthread_create(&channel->thread, NULL, run, channel) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return has_started;
}

static void copy_headers(struct grpc_channel *channel, const struct grpc_channel_options *options)
{
    bool is_v6 = strchr(options->host, ':') != NULL;
    size_t size = 0, room = strlen(options->host) + 16;
    for (size_t i = 0; i < options->metadata_count; i++) {
        room += strlen(options->metadata[i].name) + strlen(options->metadata[i].value) + 2;
    }
    const struct h2_header fixed[] = {
        { TEXT_INIT(":path"), TEXT_ABSENT },
        { TEXT_INIT(":method"), TEXT_INIT("POST") },
        { TEXT_INIT(":scheme"), options->tls != NULL ? TEXT("https") : TEXT("http") },
        { TEXT_INIT(":authority"), TEXT_ABSENT },
        { TEXT_INIT("te"), TEXT_INIT("trailers") },
        { TEXT_INIT("content-type"), TEXT_INIT("application/grpc") },
        { TEXT_INIT("grpc-accept-encoding"), TEXT_INIT("identity,gzip") },
    };
    size_t count = sizeof fixed / sizeof fixed[0];
    channel->header_count = count + options->metadata_count;
    channel->headers = mem_alloc(channel->header_count * sizeof fixed[0]);
    memcpy(channel->headers, fixed, sizeof fixed);
    char *at = channel->header_bytes = mem_alloc(room);
    size = (size_t)snprintf(at, room, is_v6 ? "[%s]:%u" : "%s:%u", options->host, options->port);
    channel->headers[3].value = text_make(at, size);
    at += size + 1;
    for (size_t i = 0; i < options->metadata_count; i++) {
        struct h2_header *header = &channel->headers[count + i];
        header->name = text_make(at, strlen(options->metadata[i].name));
        memcpy(at, options->metadata[i].name, header->name.size);
        at += header->name.size + 1;
        header->value = text_make(at, strlen(options->metadata[i].value));
        memcpy(at, options->metadata[i].value, header->value.size);
        at += header->value.size + 1;
    }
}

static void set_times(struct grpc_channel *channel, const struct grpc_channel_options *options)
{
    int64_t least = options->backoff_min_ms > 0 ? options->backoff_min_ms : 100;
    int64_t most = options->backoff_max_ms > 0 ? options->backoff_max_ms : 10000;
    channel->backoff_min_us = channel->backoff_us = time_us_of_ms(least);
    channel->backoff_max_us = time_us_of_ms(most > least ? most : least);
}

/* The thread has ended, or never began. */
static void release(struct grpc_channel *channel)
{
    struct list_node *node;
    if (channel->session != NULL) {
        h2_disconnect(channel->session);
    }
    while ((node = list_pop_front(&channel->old)) != NULL) {
        struct old_session *old = CONTAINER_OF(node, struct old_session, among);
        h2_disconnect(old->session);
        mem_free(old);
    }
    assert_that(list_is_empty(&channel->waiters) && list_is_empty(&channel->exchanges));
    loop_timer_free(channel->again);
    loop_free(channel->loop);
    mem_free(channel->host);
    mem_free(channel->headers);
    mem_free(channel->header_bytes);
    OBJECT_FREE(channel, CHANNEL_MAGIC);
}

struct grpc_channel *grpc_channel_new(const struct grpc_channel_options *options, pd_error *err)
{
    if (options->metadata_count > METADATA_MAX) {
        (void)error_set(err, PD_E_LIMIT, false, "grpc: channel", "more than %d headers",
                        METADATA_MAX);
        return NULL;
    }
    struct loop *loop = loop_new(err);
    if (loop == NULL) {
        return NULL;
    }
    struct grpc_channel *channel = OBJECT_NEW(struct grpc_channel, CHANNEL_MAGIC);
    channel->loop = loop;
    channel->host =
        memcpy(mem_alloc(strlen(options->host) + 1), options->host, strlen(options->host));
    channel->port = options->port;
    channel->tls = options->tls;
    channel->message_max = options->message_max != 0 ? options->message_max : MESSAGE_MAX;
    set_times(channel, options);
    copy_headers(channel, options);
    list_init(&channel->waiters);
    list_init(&channel->exchanges);
    list_init(&channel->old);
    channel->cancel.run = on_cancel;
    random_seed(&channel->random, (uint64_t)loop_now(loop) ^ (uint64_t)(uintptr_t)channel);
    channel->again = loop_timer_new(loop, on_again, channel);
    if (!start_thread(channel)) {
        (void)error_set(err, PD_E_UNAVAILABLE, true, "grpc: channel", "no thread can be begun");
        release(channel);
        return NULL;
    }
    return channel;
}

static void on_stop(struct loop_job *job)
{
    loop_stop(CONTAINER_OF(job, struct grpc_channel, stop)->loop);
}

struct loop *grpc_channel_loop(struct grpc_channel *channel)
{
    return channel->loop;
}

void grpc_channel_free(struct grpc_channel *channel)
{
    if (channel == NULL) {
        return;
    }
    OBJECT_CHECK(channel, CHANNEL_MAGIC);
    loop_post(channel->loop, &channel->cancel);
    channel->stop.run = on_stop; /* behind what was posted before */
    loop_post(channel->loop, &channel->stop);
    (void)pthread_join(channel->thread, NULL);
    release(channel);
}
