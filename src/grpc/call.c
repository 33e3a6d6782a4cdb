/* SPDX-License-Identifier: MIT
 *
 * A server's calls: what they are, what is sent on them, how they end (G2). */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/object.h"
#include "grpc/header.h"
#include "grpc/server_priv.h"

enum { PLACE_BITS = 24 };

static void grow_places(struct grpc_server *server)
{
    if (server->place_count == server->place_room) {
        size_t room = server->place_room != 0 ? server->place_room * 2 : 64;
        assert_that(room <= (size_t)1 << PLACE_BITS);
        server->places = mem_grow(server->places, server->place_room * sizeof(struct grpc_call *),
                                  room * sizeof(struct grpc_call *));
        server->place_room = room;
    }
    struct grpc_call *call = OBJECT_NEW(struct grpc_call, GRPC_CALL_MAGIC);
    call->place = (uint32_t)server->place_count;
    call->server = server;
    server->places[server->place_count++] = call;
    call->next_free = server->free;
    server->free = call;
}

struct grpc_call *call_new(struct grpc_server *server, struct h2_stream *stream)
{
    if (server->free == NULL) {
        grow_places(server);
    }
    struct grpc_call *call = server->free;
    server->free = call->next_free;
    call->times++;
    call->stream = stream;
    call->messages.max = server->options.message_max; /* which may have changed since */
    call->deadline = TIME_NEVER;
    call->began_at = loop_steady(server->loop);
    server->call_count++;
    h2_stream_set(stream, call);
    return call;
}

static void release(struct grpc_call *call, enum grpc_status status)
{
    struct grpc_server *server = call->server;
    deadlines_remove(server, call);
    h2_stream_set(call->stream, NULL);
    messages_reset(&call->messages);
    const struct grpc_method *method = call->method;
    int64_t us = loop_steady(server->loop) - call->began_at;
    call->stream = NULL;
    call->method = NULL;
    call->headers = NULL;
    call->header_count = 0;
    call->state = NULL;
    call->gone = NULL;
    call->drained = NULL;
    call->has_begun = call->has_headers = false;
    call->next_free = server->free;
    server->free = call;
    server->call_count--;
    if (server->options.counted != NULL && method != NULL) {
        server->options.counted(server->options.argument, method, status, us);
    }
}

void calls_free(struct grpc_server *server)
{
    for (size_t i = 0; i < server->place_count; i++) {
        assert_that(server->places[i]->stream == NULL);
        messages_done(&server->places[i]->messages);
        OBJECT_FREE(server->places[i], GRPC_CALL_MAGIC);
    }
    mem_free(server->places);
    mem_free(server->deadlines.heap);
}

/* ---- ends ---- */

static const struct h2_header response_head[] = {
    { TEXT_INIT(":status"), TEXT_INIT("200") },
    { TEXT_INIT("content-type"), TEXT_INIT("application/grpc") },
};

/* Headers and trailers in one when nothing was sent. */
static void say_status(struct h2_stream *stream, bool has_headers, enum grpc_status status,
                       struct text text)
{
    char number[8];
    struct buffer encoded, details;
    buffer_init(&encoded);
    struct h2_header all[] = {
        response_head[0],
        response_head[1],
        { TEXT_INIT("grpc-status"),
          { number, (size_t)snprintf(number, sizeof number, "%d", (int)status) } },
        { TEXT_INIT("grpc-message"), TEXT_ABSENT },
        { TEXT_INIT("grpc-status-details-bin"), TEXT_ABSENT },
    };
    size_t count = 3;
    buffer_init(&details);
    if (text.size != 0) {
        header_encode(&encoded, text);
        all[3].value = buffer_text(&encoded);
        count = 4;
        if (header_encode_details(&details, (uint32_t)status, text)) {
            all[4].value = buffer_text(&details);
            count = 5;
        }
    }
    if (has_headers) {
        h2_trailers(stream, all + 2, count - 2);
    } else {
        h2_respond(stream, all, count, true);
    }
    buffer_done(&details);
    buffer_done(&encoded);
}

void call_answer_error(struct h2_stream *stream, enum grpc_status status, struct text text)
{
    say_status(stream, false, status, text);
}

void grpc_call_end(struct grpc_call *call, enum grpc_status status, const char *text)
{
    OBJECT_CHECK(call, GRPC_CALL_MAGIC);
    assert_that(call->stream != NULL);
    say_status(call->stream, call->has_headers, status, text_of(text));
    release(call, status);
}

void call_gone(struct grpc_call *call, enum grpc_status status, const char *text)
{
    say_status(call->stream, call->has_headers, status, text_of(text));
    call_lost(call, status);
}

void call_lost(struct grpc_call *call, enum grpc_status status)
{
    if (call->gone != NULL) {
        void (*gone)(struct grpc_call *) = call->gone;
        call->gone = NULL;
        gone(call);
    }
    release(call, status);
}

/* ---- what is sent ---- */

void grpc_call_open(struct grpc_call *call)
{
    if (!call->has_headers) {
        call->has_headers = true;
        h2_respond(call->stream, response_head, 2, false);
    }
}

void grpc_call_send(struct grpc_call *call, const struct text *pieces, size_t count)
{
    uint8_t head[MESSAGE_HEAD];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += pieces[i].size;
    }
    assert_that(call->stream != NULL && size <= UINT32_MAX);
    message_head(head, size);
    grpc_call_open(call);
    h2_send(call->stream, &(struct text){ (const char *)head, MESSAGE_HEAD }, 1, false);
    h2_send(call->stream, pieces, count, false); /* all of it, or a stream that was reset */
}

void grpc_call_reply(struct grpc_call *call, struct text message)
{
    grpc_call_send(call, &message, 1);
    grpc_call_end(call, GRPC_OK, NULL);
}

size_t grpc_call_backlog(const struct grpc_call *call)
{
    return h2_backlog(call->stream);
}

void grpc_call_weigh(struct grpc_call *call, size_t bytes)
{
    assert_that(call->stream != NULL);
    h2_weigh(call->stream, bytes);
}

void grpc_call_on_drained(struct grpc_call *call, void (*drained)(struct grpc_call *))
{
    call->drained = drained;
}

/* ---- what it is ---- */

uint64_t grpc_call_number(const struct grpc_call *call)
{
    return call->times << PLACE_BITS | call->place;
}

struct grpc_call *grpc_call_find(struct grpc_server *server, uint64_t number)
{
    size_t place = number & (((uint64_t)1 << PLACE_BITS) - 1);
    if (place >= server->place_count) {
        return NULL;
    }
    struct grpc_call *call = server->places[place];
    return call->stream != NULL && call->times == number >> PLACE_BITS ? call : NULL;
}

const struct grpc_method *grpc_call_method(const struct grpc_call *call)
{
    return call->method;
}

struct text grpc_call_metadata(const struct grpc_call *call, const char *name)
{
    struct text wanted = text_of(name);
    for (size_t i = 0; i < call->header_count; i++) {
        if (text_equal(call->headers[i].name, wanted)) {
            return call->headers[i].value;
        }
    }
    return TEXT_ABSENT;
}

const char *grpc_call_peer(const struct grpc_call *call)
{
    return h2_session_peer(h2_stream_session(call->stream));
}

const char *grpc_call_subject(const struct grpc_call *call)
{
    return h2_session_subject(h2_stream_session(call->stream));
}

void grpc_call_set(struct grpc_call *call, void *state, void (*gone)(struct grpc_call *))
{
    call->state = state;
    call->gone = gone;
}

void *grpc_call_get(const struct grpc_call *call)
{
    return call->state;
}
