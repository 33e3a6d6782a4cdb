/* SPDX-License-Identifier: MIT
 *
 * One call of a client on a connection: its headers, its messages, and how it ended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/random.h"
#include "grpc/client_priv.h"
#include "grpc/header.h"

enum { HEADERS_MAX = 60 };

bool exchange_begin(struct exchange *exchange, struct grpc_channel *channel, const char *path,
                    struct text request, int64_t timeout_us)
{
    struct h2_header headers[HEADERS_MAX];
    char timeout[16];
    size_t count = channel->header_count;
    assert_that(channel->state == CHANNEL_READY && count + 1 < HEADERS_MAX);
    memcpy(headers, channel->headers, count * sizeof headers[0]);
    headers[0].value = text_of(path);
    if (timeout_us >= 0) {
        int size = header_format_timeout(timeout_us, timeout);
        headers[count++] =
            (struct h2_header){ TEXT("grpc-timeout"), text_make(timeout, (size_t)size) };
    }
    struct h2_stream *stream = h2_request(channel->session, headers, count, false);
    if (stream == NULL) {
        return false;
    }
    exchange->channel = channel;
    exchange->stream = stream;
    exchange->has_headers = exchange->has_refusal = false;
    messages_init(&exchange->messages, channel->message_max);
    list_push_back(&channel->exchanges, &exchange->among);
    h2_stream_set(stream, exchange);
    if (text_is_present(request)) {
        uint8_t head[MESSAGE_HEAD];
        message_head(head, request.size);
        struct text pieces[] = { text_make((const char *)head, MESSAGE_HEAD), request };
        h2_send(stream, pieces, 2, true);
    }
    return true;
}

static void end(struct exchange *exchange, enum grpc_status status, bool has_not_begun,
                struct text text)
{
    struct outcome outcome = { status, has_not_begun, text };
    h2_stream_set(exchange->stream, NULL);
    exchange->stream = NULL;
    list_remove(&exchange->among);
    messages_done(&exchange->messages);
    exchange->over(exchange, &outcome); /* which may free it */
}

void exchange_cancel(struct exchange *exchange, enum grpc_status status, const char *text)
{
    h2_reset(exchange->stream, 8 /* CANCEL */);
    end(exchange, status, false, text_of(text));
}

static struct text find(const struct h2_header *headers, size_t count, struct text name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(headers[i].name, name)) {
            return headers[i].value;
        }
    }
    return TEXT_ABSENT;
}

static void refuse(struct exchange *exchange, enum grpc_status status, const char *text)
{
    if (!exchange->has_refusal) {
        exchange->has_refusal = true;
        exchange->refusal = status;
        exchange->refusal_text = text;
    }
}

/* A proxy's answer, mostly. */
static enum grpc_status status_of_http(struct text status)
{
    switch (status.size == 3 ? strtol(status.at, NULL, 10) : 0) {
    case 400: return GRPC_INTERNAL;
    case 401: return GRPC_UNAUTHENTICATED;
    case 403: return GRPC_PERMISSION_DENIED;
    case 404: return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504: return GRPC_UNAVAILABLE;
    default: return GRPC_UNKNOWN;
    }
}

static void first_headers(struct exchange *exchange, const struct h2_header *headers, size_t count)
{
    struct text status = find(headers, count, TEXT(":status"));
    struct text type = find(headers, count, TEXT("content-type"));
    struct text encoding = find(headers, count, TEXT("grpc-encoding"));
    exchange->has_headers = true;
    if (!text_equal(status, TEXT("200"))) {
        refuse(exchange, status_of_http(status),
               "the answer is no gRPC: its HTTP status is not 200");
    } else if (!text_has_prefix(type, TEXT("application/grpc"))) {
        refuse(exchange, GRPC_UNKNOWN, "the answer is no gRPC: its content type is another");
    }
    exchange->messages.has_gzip = text_equal(encoding, TEXT("gzip"));
}

/* The last headers: what became of the call. */
static void end_by_trailers(struct exchange *exchange, const struct h2_header *headers,
                            size_t count)
{
    struct text number = find(headers, count, TEXT("grpc-status"));
    struct text message = find(headers, count, TEXT("grpc-message"));
    if (!text_is_present(number) || number.size == 0 || number.size > 2) {
        refuse(exchange, GRPC_UNKNOWN, "the answer has no status");
    }
    if (exchange->has_refusal) {
        end(exchange, exchange->refusal, false, text_of(exchange->refusal_text));
        return;
    }
    long status = strtol(number.at, NULL, 10);
    struct buffer text;
    buffer_init(&text);
    header_decode(&text, message);
    end(exchange, status >= 0 && status <= 16 ? (enum grpc_status)status : GRPC_UNKNOWN, false,
        buffer_text(&text));
    buffer_done(&text);
}

static void on_headers(void *argument, struct h2_stream *stream, const struct h2_header *headers,
                       size_t count, bool is_last)
{
    (void)argument;
    struct exchange *exchange = h2_stream_get(stream);
    if (exchange == NULL) {
        return;
    }
    if (!exchange->has_headers) {
        first_headers(exchange, headers, count);
    }
    if (is_last) {
        end_by_trailers(exchange, headers, count);
        h2_reset(stream, 8); /* if we were still talking */
    }
}

static void on_data(void *argument, struct h2_stream *stream, struct text bytes)
{
    (void)argument;
    h2_consume(stream, bytes.size);
    for (;;) {
        struct exchange *exchange = h2_stream_get(stream);
        struct text message;
        const char *text = NULL;
        if (exchange == NULL || exchange->has_refusal) {
            return;
        }
        enum grpc_status status = messages_next(&exchange->messages, &bytes, &message, &text);
        if (status != GRPC_OK) {
            exchange_cancel(exchange, status, text);
            return;
        }
        if (!text_is_present(message)) {
            return;
        }
        exchange->message(exchange, message);
    }
}

static void on_ended(void *argument, struct h2_stream *stream)
{
    (void)argument;
    struct exchange *exchange = h2_stream_get(stream);
    if (exchange != NULL) { /* no trailers came */
        end_by_trailers(exchange, NULL, 0);
    }
}

static void on_closed(void *argument, struct h2_stream *stream, uint32_t error)
{
    (void)argument;
    struct exchange *exchange = h2_stream_get(stream);
    if (exchange == NULL) {
        return;
    }
    switch (error) {
    case 7: /* REFUSED_STREAM */
        end(exchange, GRPC_UNAVAILABLE, !exchange->has_headers,
            TEXT("the server refused the call"));
        break;
    case 11: /* ENHANCE_YOUR_CALM */
        end(exchange, GRPC_RESOURCE_EXHAUSTED, false, TEXT("the server finds it too much"));
        break;
    case 8: /* CANCEL: also what a lost connection closes its streams with */
        end(exchange, GRPC_UNAVAILABLE, false, TEXT("the connection to the server was lost"));
        break;
    default: end(exchange, GRPC_UNAVAILABLE, false, TEXT("the server broke off the call")); break;
    }
}

static void on_drained(void *argument, struct h2_stream *stream)
{
    (void)argument;
    struct exchange *exchange = h2_stream_get(stream);
    if (exchange != NULL && exchange->drained != NULL) {
        exchange->drained(exchange);
    }
}

static void on_connected(void *argument, struct h2_session *session)
{
    channel_connected(argument, session);
}

static void on_disconnected(void *argument, struct h2_session *session, const pd_error *why)
{
    channel_disconnected(argument, session, why);
}

static void on_goaway(void *argument, struct h2_session *session)
{
    channel_goaway(argument, session);
}

const struct h2_handler exchange_handler = {
    .headers = on_headers,
    .data = on_data,
    .ended = on_ended,
    .closed = on_closed,
    .drained = on_drained,
    .connected = on_connected,
    .disconnected = on_disconnected,
    .goaway = on_goaway,
};

pd_status outcome_to_error(const struct outcome *outcome, pd_error *err)
{
    bool is_retryable = false;
    pd_status status = grpc_status_to_pd(outcome->status, &is_retryable);
    if (status == PD_OK) {
        return PD_OK;
    }
    return error_set(err, status, is_retryable, "grpc: call", "%.*s%s%s", TEXT_ARGS(outcome->text),
                     outcome->text.size != 0 ? "" : "the server says ",
                     outcome->text.size != 0 ? "" : grpc_status_name(outcome->status));
}
