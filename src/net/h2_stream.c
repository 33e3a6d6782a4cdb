/* SPDX-License-Identifier: MIT
 *
 * Streams: what is sent on them, what is kept of them, and the pool that their memory comes from.
 *
 * Bytes go from h2_send into the stream's buffer, and from there, behind the frame's head, into
 * what the session gathers for one write: nghttp2 does not copy them. It asks for as much as the
 * peer's windows allow, so small messages share frames. */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "net/h2_priv.h"

/* ---- fields ---- */

void fields_reset(struct h2_fields *fields)
{
    buffer_reset(&fields->bytes);
    fields->count = 0;
    fields->cost = 0;
}

void fields_done(struct h2_fields *fields)
{
    buffer_done(&fields->bytes);
    mem_free(fields->at);
    *fields = (struct h2_fields){ 0 };
}

/* As a pointer that is an offset, until the bytes stay where they are. */
static struct text put(struct buffer *bytes, struct text t)
{
    struct text where = { (const char *)bytes->size, t.size };
    buffer_add_text(bytes, t);
    buffer_add_byte(bytes, 0);
    return where;
}

void fields_add(struct h2_fields *fields, struct text name, struct text value)
{
    if (fields->count == fields->room) {
        size_t room = fields->room != 0 ? fields->room * 2 : 16;
        fields->at =
            mem_grow(fields->at, fields->room * sizeof *fields->at, room * sizeof *fields->at);
        fields->room = room;
    }
    struct h2_header *header = &fields->at[fields->count++];
    header->name = put(&fields->bytes, name);
    header->value = put(&fields->bytes, value);
    fields->cost += name.size + value.size + 32;
}

void fields_close(struct h2_fields *fields)
{
    const char *base = (const char *)fields->bytes.at;
    for (size_t i = 0; i < fields->count; i++) {
        fields->at[i].name.at = base + (uintptr_t)fields->at[i].name.at;
        fields->at[i].value.at = base + (uintptr_t)fields->at[i].value.at;
    }
}

size_t fields_room(const struct h2_fields *fields)
{
    return fields->bytes.room + fields->room * sizeof *fields->at;
}

static void fields_shrink(struct h2_fields *fields)
{
    if (fields->bytes.room > KEEP_BYTES || fields->room > 64) {
        fields_done(fields);
    }
    fields_reset(fields);
}

/* ---- the pool ---- */

void h2_pool_done(struct h2_pool *pool)
{
    struct list_node *node;
    while ((node = list_pop_front(&pool->streams)) != NULL) {
        struct h2_stream *stream = CONTAINER_OF(node, struct h2_stream, among);
        fields_done(&stream->received);
        fields_done(&stream->trailers);
        fields_done(&stream->trailers_received);
        buffer_done(&stream->out);
        mem_free(stream);
    }
    buffer_done(&pool->gathered);
    mem_free(pool->read_room);
    *pool = (struct h2_pool){ 0 };
}

struct h2_stream *stream_new(struct h2_session *session, int32_t id)
{
    struct list_node *node = list_pop_front(&session->pool->streams);
    struct h2_stream *stream = NULL;
    if (node != NULL) {
        session->pool->stream_count--;
        stream = CONTAINER_OF(node, struct h2_stream, among);
    } else {
        stream = mem_alloc(sizeof *stream);
    }
    stream->session = session;
    stream->id = id;
    list_push_back(&session->streams, &stream->among);
    session->stream_count++;
    return stream;
}

static void give_back(struct h2_pool *pool, struct h2_stream *stream)
{
    fields_shrink(&stream->received);
    fields_shrink(&stream->trailers);
    fields_shrink(&stream->trailers_received);
    if (stream->out.room > KEEP_BYTES) {
        buffer_done(&stream->out);
    }
    buffer_reset(&stream->out);
    struct h2_stream empty = { .received = stream->received,
                               .trailers = stream->trailers,
                               .trailers_received = stream->trailers_received,
                               .out = stream->out };
    *stream = empty;
    list_push_front(&pool->streams, &stream->among);
    pool->stream_count++;
    if (pool->stream_count > POOL_STREAMS) {
        struct list_node *node = pool->streams.head.prev;
        struct h2_stream *old = CONTAINER_OF(node, struct h2_stream, among);
        list_remove(node);
        pool->stream_count--;
        fields_done(&old->received);
        fields_done(&old->trailers);
        fields_done(&old->trailers_received);
        buffer_done(&old->out);
        mem_free(old);
    }
}

static void was_sent(struct h2_stream *stream, size_t size)
{
    struct h2_session *session = stream->session;
    session->backlog -= size;
    session->hasty -= stream->is_paced ? 0 : size;
    debt_pay(session, size);
}

/* Paid last: where the pool has been made smaller, that may be what evicts this very session, whose
 * backlogs are dropped then. */
void stream_drop_backlog(struct h2_stream *stream)
{
    size_t waits = stream->out.size - stream->out_at;
    buffer_reset(&stream->out);
    stream->out_at = 0;
    if (stream->out.room > KEEP_BYTES) {
        buffer_done(
            &stream->out); /* a socket that takes nothing may not tell of the end for long */
    }
    if (list_is_linked(&stream->drained)) {
        list_remove(&stream->drained);
    }
    was_sent(stream, waits);
}

void streams_tell_drained(struct h2_session *session)
{
    struct list now;
    list_init(&now);
    list_append(&now, &session->drained); /* who fills it again is told the next time */
    struct list_node *node;
    while ((node = list_pop_front(&now)) != NULL) {
        struct h2_stream *stream = CONTAINER_OF(node, struct h2_stream, drained);
        stream->is_full = false;
        if (stream->is_request && session->handler->drained != NULL) {
            session->handler->drained(session->argument, stream);
        }
    }
}

void stream_closed(struct h2_stream *stream, uint32_t error)
{
    struct h2_session *session = stream->session;
    stream_drop_backlog(stream);
    if (stream->unconsumed != 0) {
        (void)nghttp2_session_consume_connection(session->ng, stream->unconsumed);
    }
    (void)nghttp2_session_set_stream_user_data(session->ng, stream->id, NULL);
    list_remove(&stream->among);
    if (list_is_linked(&stream->waiting)) {
        list_remove(&stream->waiting);
    }
    session->header_cost -= stream->header_cost;
    debt_call_ended(stream);
    session->stream_count--;
    if (session->stream_count == 0) {
        session->idle_since = loop_steady(session->loop);
    }
    stream->is_reset = true; /* what the handler still says to it is said to nobody */
    if (stream->is_request) {
        session->handler->closed(session->argument, stream, error);
    }
    give_back(session->pool, stream);
}

/* ---- sending ---- */

enum { HEADERS_MAX = 64 }; /* of ours */

/* The bytes are copied by nghttp2. */
static size_t to_nv(const struct h2_header *headers, size_t count, nghttp2_nv nv[HEADERS_MAX])
{
    assert_that(count <= HEADERS_MAX);
    for (size_t i = 0; i < count; i++) {
        nv[i] = (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)headers[i].name.at,
                              .namelen = headers[i].name.size,
                              .value = (uint8_t *)(uintptr_t)headers[i].value.at,
                              .valuelen = headers[i].value.size };
    }
    return count;
}

static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *into, size_t length,
                       uint32_t *flags, nghttp2_data_source *source, void *argument)
{
    (void)into, (void)argument;
    struct h2_stream *stream = source->ptr;
    size_t have = stream->out.size - stream->out_at;
    if ((have == 0 && !stream->is_last) || stream->session->is_evicted) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (have > length) {
        return (ssize_t)length;
    }
    if (stream->is_last) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->has_trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_nv nv[HEADERS_MAX];
            size_t count = to_nv(stream->trailers.at, stream->trailers.count, nv);
            (void)nghttp2_submit_trailer(ng, id, nv, count);
        }
    }
    return (ssize_t)have;
}

int stream_send_data(struct h2_stream *stream, const uint8_t *head, size_t length)
{
    struct buffer *gathered = &stream->session->pool->gathered;
    assert_that(length <= stream->out.size - stream->out_at);
    buffer_add(gathered, head, 9);
    buffer_add(gathered, stream->out.at + stream->out_at, length);
    stream->out_at += length;
    was_sent(stream, length);
    debt_moved(stream, length);
    if (stream->out_at == stream->out.size) {
        buffer_reset(&stream->out);
        stream->out_at = 0;
        if (stream->out.room > KEEP_BYTES * 16) {
            buffer_done(&stream->out);
        }
        if (stream->is_full && !list_is_linked(&stream->drained)) {
            list_push_back(&stream->session->drained, &stream->drained);
        }
    }
    return 0;
}

static bool is_mute(const struct h2_stream *stream)
{
    return stream->is_reset || stream->is_last || stream->session->is_dead ||
           stream->session->is_evicted;
}

void h2_respond(struct h2_stream *stream, const struct h2_header *headers, size_t count,
                bool is_last)
{
    if (is_mute(stream)) {
        return;
    }
    assert_that(!stream->is_answered && stream->session->is_server);
    nghttp2_nv nv[HEADERS_MAX];
    nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = on_read };
    stream->is_answered = true;
    stream->is_last = is_last;
    (void)nghttp2_submit_response(stream->session->ng, stream->id, nv, to_nv(headers, count, nv),
                                  is_last ? NULL : &provider);
    session_want_flush(stream->session);
}

struct h2_stream *h2_request(struct h2_session *session, const struct h2_header *headers,
                             size_t count, bool is_last)
{
    if (session->is_dead || session->is_draining || session->is_server) {
        return NULL;
    }
    nghttp2_nv nv[HEADERS_MAX];
    struct h2_stream *stream = stream_new(session, 0);
    nghttp2_data_provider provider = { .source.ptr = stream, .read_callback = on_read };
    int32_t id = nghttp2_submit_request(session->ng, NULL, nv, to_nv(headers, count, nv),
                                        is_last ? NULL : &provider, stream);
    if (id < 0) { /* no number is left for another */
        stream_closed(stream, NGHTTP2_REFUSED_STREAM);
        return NULL;
    }
    stream->id = id;
    stream->is_request = true;
    stream->is_answered = true;
    stream->is_last = is_last;
    session_want_flush(session);
    return stream;
}

static void resume(struct h2_stream *stream)
{
    if (stream->is_deferred) {
        stream->is_deferred = false;
        (void)nghttp2_session_resume_data(stream->session->ng, stream->id);
    }
    session_want_flush(stream->session);
}

/* What was sent is let go of once it is the larger part: a stream that never has nothing to send
 * must not keep all it ever sent. */
static void make_room(struct h2_stream *stream)
{
    struct buffer *out = &stream->out;
    if (stream->out_at >= KEEP_BYTES && stream->out_at >= out->size / 2) {
        memmove(out->at, out->at + stream->out_at, out->size - stream->out_at);
        out->size -= stream->out_at;
        stream->out_at = 0;
    }
}

void h2_send(struct h2_stream *stream, const struct text *pieces, size_t count, bool is_last)
{
    if (is_mute(stream)) {
        return;
    }
    assert_that(stream->is_answered);
    if (stream->session->backlog > stream->session->limits->backlog) {
        h2_reset(stream, NGHTTP2_ENHANCE_YOUR_CALM); /* who sends so much should have asked */
        return;
    }
    make_room(stream);
    size_t before = stream->out.size;
    for (size_t i = 0; i < count; i++) {
        buffer_add_text(&stream->out, pieces[i]);
    }
    size_t more = stream->out.size - before;
    stream->session->backlog += more;
    stream->session->hasty += stream->is_paced ? 0 : more;
    stream->is_last = is_last;
    resume(stream);
    debt_owe(stream->session, more);
}

void h2_trailers(struct h2_stream *stream, const struct h2_header *headers, size_t count)
{
    if (is_mute(stream)) {
        return;
    }
    assert_that(stream->is_answered);
    for (size_t i = 0; i < count; i++) {
        fields_add(&stream->trailers, headers[i].name, headers[i].value);
    }
    fields_close(&stream->trailers);
    stream->is_last = stream->has_trailers = true;
    resume(stream);
}

void h2_reset(struct h2_stream *stream, uint32_t error)
{
    if (stream->is_reset || stream->session->is_dead || (stream->is_ended && stream->is_said)) {
        return;
    }
    stream->is_reset = true;
    stream_drop_backlog(stream);
    (void)nghttp2_submit_rst_stream(stream->session->ng, NGHTTP2_FLAG_NONE, stream->id, error);
    session_want_flush(stream->session);
}

void h2_consume(struct h2_stream *stream, size_t size)
{
    assert_that(size <= stream->unconsumed);
    if (debt_wait(stream)) {
        stream->withheld += size;
        return;
    }
    stream->unconsumed -= size;
    if (!stream->session->is_dead) {
        (void)nghttp2_session_consume(stream->session->ng, stream->id, size);
        session_want_flush(stream->session);
    }
}

size_t h2_backlog(struct h2_stream *stream)
{
    size_t waits = stream->out.size - stream->out_at;
    if (!stream->is_paced) {
        stream->is_paced = true;
        stream->session->hasty -= waits;
    }
    stream->is_full = stream->is_full || waits != 0;
    return waits;
}

/* ---- what it is ---- */

void h2_stream_set(struct h2_stream *stream, void *state)
{
    stream->state = state;
}

void *h2_stream_get(const struct h2_stream *stream)
{
    return stream->state;
}

struct h2_session *h2_stream_session(const struct h2_stream *stream)
{
    return stream->session;
}

const char *h2_session_peer(const struct h2_session *session)
{
    return session->peer;
}

const char *h2_session_subject(const struct h2_session *session)
{
    return session->subject;
}

void h2_unpacked(struct h2_stream *stream, size_t size)
{
    stream->session->unpacked += size;
}
