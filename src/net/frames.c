/* SPDX-License-Identifier: MIT
 *
 * nghttp2's callbacks: what comes in goes to streams and to the handler, what goes out is gathered.
 *
 * None of them ends anything: a stream that breaks a rule is reset, a session is killed, which
 * happens later (S2). */
#include <string.h>

#include "base/assert.h"
#include "net/h2_priv.h"

/* Headers of all streams of a connection together are at most so many times what one may have.
 * What calls usually have, 1 KiB of 16, does not count: that is for the limit of streams, and an
 * SDK that waits for a thousand instances must still get its answers in. */
enum { HEADERS_TIMES = 64, HEADERS_USUAL_PART = 16 };

static struct text text_bytes(const uint8_t *at, size_t size)
{
    return text_make((const char *)at, size);
}

static struct h2_stream *stream_of(struct h2_session *session, int32_t id)
{
    return id != 0 ? nghttp2_session_get_stream_user_data(session->ng, id) : NULL;
}

/* ---- out ---- */

static ssize_t on_send(nghttp2_session *ng, const uint8_t *bytes, size_t size, int flags,
                       void *argument)
{
    (void)ng, (void)flags;
    struct buffer *gathered = &((struct h2_session *)argument)->pool->gathered;
    if (gathered->size >= GATHER_BYTES) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    buffer_add(gathered, bytes, size);
    return (ssize_t)size;
}

static int on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head,
                        size_t length, nghttp2_data_source *source, void *argument)
{
    (void)ng, (void)frame;
    struct h2_session *session = argument;
    if (session->pool->gathered.size >= GATHER_BYTES) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    return stream_send_data(source->ptr, head, length);
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *argument)
{
    struct h2_session *session = argument;
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    session->has_spoken = true;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
        return 0;
    }
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL) {
        return 0;
    }
    stream->is_said = true;
    if (session->is_server && !stream->is_ended && !stream->is_reset) {
        /* All is said, whatever the client still has to say (RFC 9113, 8.1). */
        stream->is_reset = true;
        (void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

/* ---- in ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *argument)
{
    struct h2_session *session = argument;
    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL && session->is_server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        stream = stream_new(session, frame->hd.stream_id);
        (void)nghttp2_session_set_stream_user_data(ng, stream->id, stream);
    } else if (stream != NULL) {
        fields_reset(&stream->trailers_received);
    }
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *argument)
{
    (void)ng, (void)flags;
    struct h2_session *session = argument;
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL || stream->is_reset) {
        return 0;
    }
    struct h2_fields *fields = stream->is_request && (session->is_server || stream->has_response)
                                   ? &stream->trailers_received
                                   : &stream->received;
    fields_add(fields, text_bytes(name, name_size), text_bytes(value, value_size));
    if (fields->cost <= session->limits->header_bytes) {
        return 0;
    }
    h2_reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
    (void)guard_reset(session);
    /* The rest is not even looked at: a few bytes may stand for megabytes of it. */
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Answers before the final one (1xx) say nothing that we ask for. */
static bool is_informational(const struct h2_fields *fields)
{
    return fields->count != 0 && text_equal(fields->at[0].name, TEXT(":status")) &&
           text_has_prefix(fields->at[0].value, TEXT("1"));
}

static void headers_came(struct h2_session *session, struct h2_stream *stream, bool is_last)
{
    bool is_first = session->is_server ? !stream->is_request : !stream->has_response;
    struct h2_fields *fields = is_first ? &stream->received : &stream->trailers_received;
    fields_close(fields);
    if (is_first && !session->is_server && is_informational(fields)) {
        fields_reset(fields);
        return;
    }
    if (session->is_server && is_first) {
        size_t usual = session->limits->header_bytes / HEADERS_USUAL_PART;
        stream->header_cost = fields->cost > usual ? fields->cost - usual : 0;
        session->header_cost += stream->header_cost;
        if (session->header_cost > HEADERS_TIMES * (size_t)session->limits->header_bytes) {
            h2_reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
            (void)guard_reset(session);
            return;
        }
        debt_call(stream, LOAN_CALL + (stream->header_cost != 0 ? fields_room(fields) : 0));
    }
    stream->is_request = true;
    stream->has_response = true;
    session->handler->headers(session->argument, stream, fields->at, fields->count, is_last);
    if (session->is_server && !is_first) {
        fields_done(fields); /* the call may last, and they are in no loan */
    }
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *argument)
{
    (void)ng;
    struct h2_session *session = argument;
    if (!guard_frame(session, frame)) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS && !session->has_settings) {
        session->has_settings = true;
        if (session->handler->connected != NULL) {
            session->handler->connected(session->argument, session);
        }
        return 0;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY && !session->is_server) {
        session->is_draining = true;
        if (session->handler->goaway != NULL) {
            session->handler->goaway(session->argument, session);
        }
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    struct h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL || stream->is_reset) {
        return 0;
    }
    bool is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (is_last) {
        stream->is_ended = true; /* before the handler answers: no need of a reset then */
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
        headers_came(session, stream, is_last);
    }
    if (is_last && !stream->is_reset && !debt_wait(stream)) {
        stream->is_told = true;
        session->handler->ended(session->argument, stream);
    }
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t size, void *argument)
{
    (void)flags;
    struct h2_session *session = argument;
    struct h2_stream *stream = stream_of(session, id);
    if (stream == NULL || stream->is_reset || session->is_evicted) {
        (void)nghttp2_session_consume_connection(ng, size);
        return 0;
    }
    stream->unconsumed += size;
    debt_moved(stream, size);
    session->handler->data(session->argument, stream, text_bytes(bytes, size));
    return 0;
}

/* nghttp2 resets the stream, or ends the connection. */
static int on_invalid(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *argument)
{
    (void)ng, (void)frame, (void)error;
    (void)guard_reset(argument);
    return 0;
}

static int on_closed(nghttp2_session *ng, int32_t id, uint32_t error, void *argument)
{
    (void)ng;
    struct h2_stream *stream = stream_of(argument, id);
    if (stream != NULL) {
        stream_closed(stream, error);
    }
    return 0;
}

nghttp2_session_callbacks *frames_callbacks(void)
{
    nghttp2_session_callbacks *all = NULL;
    int failed = nghttp2_session_callbacks_new(&all);
    assert_that(failed == 0);
    nghttp2_session_callbacks_set_send_callback(all, on_send);
    nghttp2_session_callbacks_set_send_data_callback(all, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, on_frame_send);
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, on_data);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(all, on_invalid);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, on_closed);
    return all;
}
