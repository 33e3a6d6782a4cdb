/* SPDX-License-Identifier: MIT
 *
 * Streams of a client.
 *
 *   T1  Threads write, framed already, into `queued`, and post the stream's one job if it is not
 *       posted. The job takes all that is queued: many messages are one wake, and share frames.
 *   T2  `ended` is the last callback. The stream's memory goes when it has ended, was freed by its
 *       owner, and its job is not posted. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/object.h"
#include "grpc/client_priv.h"

enum { STREAM_MAGIC = 0x67737472 };

struct grpc_stream {
    uint32_t magic;
    struct exchange exchange;
    struct waiter waiter;
    struct loop_job job;
    struct grpc_channel *channel;
    struct grpc_stream_handler handler;
    void *argument;
    char *path;
    struct text request; /* ours; absent: messages follow */
    bool has_started;
    struct buffer sending; /* until there is a connection */

    pthread_mutex_t mutex; /* of what follows */
    struct buffer queued;
    bool is_posted, wants_cancel, is_ended, is_freed;
};

static void destroy(struct grpc_stream *stream)
{
    (void)pthread_mutex_destroy(&stream->mutex);
    buffer_done(&stream->queued);
    buffer_done(&stream->sending);
    mem_free(stream->path);
    mem_free((void *)(uintptr_t)stream->request.at);
    OBJECT_FREE(stream, STREAM_MAGIC);
}

static void tell_end(struct grpc_stream *stream, pd_status status, const pd_error *err)
{
    (void)pthread_mutex_lock(&stream->mutex);
    stream->is_ended = true;
    (void)pthread_mutex_unlock(&stream->mutex);
    stream->handler.ended(stream->argument, stream, status, err); /* it may be freed now */
}

static void on_message(struct exchange *exchange, struct text message)
{
    struct grpc_stream *stream = CONTAINER_OF(exchange, struct grpc_stream, exchange);
    stream->handler.message(stream->argument, stream, message);
}

static void on_over(struct exchange *exchange, const struct outcome *outcome)
{
    pd_error err = { 0 };
    pd_status status = outcome_to_error(outcome, &err);
    tell_end(CONTAINER_OF(exchange, struct grpc_stream, exchange), status, &err);
}

/* What was queued, on the connection. */
static void send_what_waits(struct grpc_stream *stream)
{
    struct text bytes = buffer_text(&stream->sending);
    if (stream->exchange.stream != NULL && bytes.size != 0) {
        h2_send(stream->exchange.stream, &bytes, 1, false);
        buffer_reset(&stream->sending);
    }
}

static bool on_go(struct waiter *waiter, const pd_error *why)
{
    struct grpc_stream *stream = CONTAINER_OF(waiter, struct grpc_stream, waiter);
    if (why != NULL) {
        tell_end(stream, why->status, why);
        return true;
    }
    if (!exchange_begin(&stream->exchange, stream->channel, stream->path, stream->request, -1)) {
        return false;
    }
    send_what_waits(stream);
    return true;
}

static void start(struct grpc_stream *stream)
{
    struct grpc_channel *channel = stream->channel;
    stream->has_started = true;
    if (channel->is_cancelled) {
        pd_error err;
        (void)channel_cancelled(&err);
        tell_end(stream, PD_E_CANCELLED, &err);
        return;
    }
    if (channel->state == CHANNEL_READY) {
        if (on_go(&stream->waiter, NULL)) {
            return;
        }
        channel_goaway(channel, channel->session); /* it has no numbers left */
    }
    channel_wait(channel, &stream->waiter);
}

static void cancel(struct grpc_stream *stream)
{
    if (stream->exchange.stream != NULL) {
        exchange_cancel(&stream->exchange, GRPC_CANCELLED, "the stream was cancelled");
        return;
    }
    pd_error err;
    if (list_is_linked(&stream->waiter.among)) {
        list_remove(&stream->waiter.among);
    }
    (void)error_set(&err, PD_E_CANCELLED, false, "grpc: stream", "the stream was cancelled");
    tell_end(stream, PD_E_CANCELLED, &err);
}

static void on_job(struct loop_job *job)
{
    struct grpc_stream *stream = CONTAINER_OF(job, struct grpc_stream, job);
    (void)pthread_mutex_lock(&stream->mutex);
    stream->is_posted = false;
    bool is_ended = stream->is_ended, is_freed = stream->is_freed;
    bool wants_cancel = stream->wants_cancel;
    if (stream->sending.size == 0) {
        struct buffer empty = stream->sending;
        stream->sending = stream->queued;
        stream->queued = empty;
    } else {
        buffer_add_text(&stream->sending, buffer_text(&stream->queued));
        buffer_reset(&stream->queued);
    }
    (void)pthread_mutex_unlock(&stream->mutex);
    if (is_ended) {
        if (is_freed) {
            destroy(stream);
        }
        return;
    }
    if (wants_cancel) {
        cancel(stream);
    } else if (!stream->has_started) {
        start(stream);
    } else {
        send_what_waits(stream);
    }
}

/* With the mutex. */
static void post(struct grpc_stream *stream)
{
    if (!stream->is_posted && !stream->is_ended) {
        stream->is_posted = true;
        loop_post(stream->channel->loop, &stream->job);
    }
}

struct grpc_stream *grpc_stream_open(struct grpc_channel *channel, const char *path,
                                     struct text request, const struct grpc_stream_handler *handler,
                                     void *argument)
{
    struct grpc_stream *stream = OBJECT_NEW(struct grpc_stream, STREAM_MAGIC);
    stream->exchange.message = on_message;
    stream->exchange.over = on_over;
    stream->waiter.go = on_go;
    stream->job.run = on_job;
    stream->channel = channel;
    stream->handler = *handler;
    stream->argument = argument;
    stream->path = memcpy(mem_alloc(strlen(path) + 1), path, strlen(path));
    if (text_is_present(request)) {
        char *copy = mem_alloc(request.size + 1);
        memcpy(copy, request.at, request.size);
        stream->request = text_make(copy, request.size);
    }
    (void)pthread_mutex_init(&stream->mutex, NULL);
    stream->is_posted = true;
    loop_post(channel->loop, &stream->job);
    return stream;
}

void grpc_stream_send(struct grpc_stream *stream, const struct text *pieces, size_t count)
{
    OBJECT_CHECK(stream, STREAM_MAGIC);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += pieces[i].size;
    }
    (void)pthread_mutex_lock(&stream->mutex);
    if (!stream->is_ended) {
        message_head(buffer_extend(&stream->queued, MESSAGE_HEAD), size);
        for (size_t i = 0; i < count; i++) {
            buffer_add_text(&stream->queued, pieces[i]);
        }
        post(stream);
    }
    (void)pthread_mutex_unlock(&stream->mutex);
}

void grpc_stream_cancel(struct grpc_stream *stream)
{
    OBJECT_CHECK(stream, STREAM_MAGIC);
    (void)pthread_mutex_lock(&stream->mutex);
    stream->wants_cancel = true;
    post(stream);
    (void)pthread_mutex_unlock(&stream->mutex);
}

void grpc_stream_free(struct grpc_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    OBJECT_CHECK(stream, STREAM_MAGIC);
    (void)pthread_mutex_lock(&stream->mutex);
    assert_that(stream->is_ended && !stream->is_freed);
    stream->is_freed = true;
    bool is_posted = stream->is_posted;
    (void)pthread_mutex_unlock(&stream->mutex);
    if (!is_posted) {
        destroy(stream);
    }
}
