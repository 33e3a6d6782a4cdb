/* SPDX-License-Identifier: MIT
 *
 * The server: from streams to calls. What a request must be before it is one, which method it is
 * for, and the bytes of its messages. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/object.h"
#include "grpc/header.h"
#include "grpc/services_priv.h"

enum {
    MESSAGE_MAX = 64 * 1024 * 1024,
    CALLS_MAX = 1 << 20, /* at once; fewer than there are places (call.c) */
};

struct request {
    struct text path, method, type, timeout, encoding;
};

static void read_header(struct request *request, const struct h2_header *header)
{
    static const struct {
        struct text name;
        size_t at;
    } wanted[] = {
        { TEXT_INIT(":path"), offsetof(struct request, path) },
        { TEXT_INIT(":method"), offsetof(struct request, method) },
        { TEXT_INIT("content-type"), offsetof(struct request, type) },
        { TEXT_INIT("grpc-timeout"), offsetof(struct request, timeout) },
        { TEXT_INIT("grpc-encoding"), offsetof(struct request, encoding) },
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (text_equal(header->name, wanted[i].name)) {
            *(struct text *)(void *)((char *)request + wanted[i].at) = header->value;
            return;
        }
    }
}

static bool is_grpc(struct text type)
{
    struct text name = TEXT("application/grpc");
    return text_has_prefix(type, name) &&
           (type.size == name.size || type.at[name.size] == '+' || type.at[name.size] == ';');
}

/* Not gRPC at all: an answer of HTTP. */
static void refuse_http(struct h2_stream *stream, struct text status)
{
    struct h2_header head[] = { { TEXT_INIT(":status"), status } };
    h2_respond(stream, head, 1, true);
}

static void refuse(struct grpc_call *call, enum grpc_status status, const char *text)
{
    grpc_call_end(call, status, text);
}

static void set_deadline(struct grpc_server *server, struct grpc_call *call, int64_t us)
{
    call->deadline = time_add(call->began_at, us);
    deadlines_add(server, call);
}

/* What the headers say: the call is there, or was refused. */
static void begin_call(struct grpc_server *server, struct grpc_call *call,
                       const struct request *request)
{
    call->method = map_find(&server->methods, request->path);
    if (call->method == NULL) {
        refuse(call, GRPC_UNIMPLEMENTED, "no such method here");
        return;
    }
    int64_t us = 0;
    if (text_is_present(request->timeout)) {
        if (!header_parse_timeout(request->timeout, &us)) {
            refuse(call, GRPC_INVALID_ARGUMENT, "grpc-timeout is not a number and a unit");
            return;
        }
        set_deadline(server, call, us);
    }
    if (text_equal(request->encoding, TEXT("gzip"))) {
        call->messages.has_gzip = true;
    } else if (text_is_present(request->encoding) &&
               !text_equal(request->encoding, TEXT("identity"))) {
        refuse(call, GRPC_UNIMPLEMENTED, "messages are taken as they are, or by gzip");
        return;
    }
    if (server->options.admit != NULL) {
        char text[256] = "";
        enum grpc_status status = server->options.admit(server->options.argument, call, text);
        if (status != GRPC_OK) {
            refuse(call, status, text);
            return;
        }
    }
    if (call->method->shape == GRPC_BOTH_STREAM) {
        call->has_begun = true;
        call->method->begin(server->options.argument, call, TEXT_ABSENT);
    }
}

static void on_headers(void *argument, struct h2_stream *stream, const struct h2_header *headers,
                       size_t count, bool is_last)
{
    struct grpc_server *server = argument;
    struct request request = { 0 };
    (void)is_last;
    if (h2_stream_get(stream) != NULL) {
        return; /* trailers, which nobody asked for */
    }
    for (size_t i = 0; i < count; i++) {
        read_header(&request, &headers[i]);
    }
    if (!text_equal(request.method, TEXT("POST"))) {
        refuse_http(stream, TEXT("405"));
        return;
    }
    if (!is_grpc(request.type)) {
        refuse_http(stream, TEXT("415"));
        return;
    }
    if (server->call_count >= CALLS_MAX) {
        call_answer_error(stream, GRPC_RESOURCE_EXHAUSTED, TEXT("too many calls at once"));
        return;
    }
    struct grpc_call *call = call_new(server, stream);
    call->headers = headers;
    call->header_count = count;
    begin_call(server, call, &request);
}

/* ---- messages ---- */

static void take_messages(struct grpc_server *server, struct h2_stream *stream, struct text bytes)
{
    struct grpc_call *call = h2_stream_get(stream);
    while (call != NULL) {
        struct text message;
        const char *text = NULL;
        enum grpc_status status = messages_next(&call->messages, &bytes, &message, &text);
        h2_unpacked(stream, messages_unpacked(&call->messages));
        if (status != GRPC_OK) {
            call_gone(call, status, text);
            return;
        }
        if (!text_is_present(message)) {
            return;
        }
        call->method->message(server->options.argument, call, message);
        call = h2_stream_get(stream); /* it may have ended */
    }
}

static void on_data(void *argument, struct h2_stream *stream, struct text bytes)
{
    struct grpc_server *server = argument;
    struct grpc_call *call = h2_stream_get(stream);
    h2_consume(stream, bytes.size);
    if (call == NULL) {
        return;
    }
    if (call->method->shape == GRPC_BOTH_STREAM) {
        take_messages(server, stream, bytes);
        call = h2_stream_get(stream);
    } else {
        const char *text = NULL;
        enum grpc_status status = messages_keep(&call->messages, bytes, &text);
        if (status != GRPC_OK) {
            call_gone(call, status, text);
            return;
        }
    }
    h2_hold(stream, call != NULL ? messages_held(&call->messages) : 0);
}

static void on_ended(void *argument, struct h2_stream *stream)
{
    struct grpc_server *server = argument;
    struct grpc_call *call = h2_stream_get(stream);
    if (call == NULL) {
        return;
    }
    if (call->method->shape == GRPC_BOTH_STREAM) {
        if (call->method->half_closed != NULL) {
            call->method->half_closed(server->options.argument, call);
        }
        return;
    }
    struct text message;
    const char *text = NULL;
    enum grpc_status status = messages_only(&call->messages, &message, &text);
    h2_unpacked(stream, messages_unpacked(&call->messages));
    if (status != GRPC_OK) {
        refuse(call, status, text);
        return;
    }
    call->has_begun = true;
    call->method->begin(server->options.argument, call, message);
    call = h2_stream_get(stream);
    if (call != NULL) { /* it may wait for days: its message is not kept meanwhile */
        messages_done(&call->messages);
    }
    h2_hold(stream, 0);
}

static void on_closed(void *argument, struct h2_stream *stream, uint32_t error)
{
    (void)argument, (void)error;
    struct grpc_call *call = h2_stream_get(stream);
    if (call != NULL) {
        call_lost(call, GRPC_CANCELLED);
    }
}

static void on_drained(void *argument, struct h2_stream *stream)
{
    (void)argument;
    struct grpc_call *call = h2_stream_get(stream);
    if (call != NULL && call->drained != NULL) {
        call->drained(call);
    }
}

static void on_complained(void *argument, struct h2_session *session, const char *what)
{
    struct grpc_server *server = argument;
    if (server->options.complained != NULL) {
        server->options.complained(server->options.argument, h2_session_peer(session), what);
    }
}

static const struct h2_handler handler = {
    .headers = on_headers,
    .data = on_data,
    .ended = on_ended,
    .closed = on_closed,
    .drained = on_drained,
    .complained = on_complained,
};

/* ---- from beginning to end ---- */

struct text service_of(struct text path)
{
    const char *slash =
        path.size > 1 && path.at[0] == '/' ? memchr(path.at + 1, '/', path.size - 1) : NULL;
    return slash != NULL ? text_make(path.at + 1, (size_t)(slash - path.at) - 1) : TEXT_ABSENT;
}

bool server_has_service(const struct grpc_server *server, struct text service)
{
    const struct grpc_method *method;
    for (size_t cursor = 0; (method = map_next(&server->methods, &cursor)) != NULL;) {
        if (text_equal(service_of(text_of(method->path)), service)) {
            return true;
        }
    }
    return false;
}

static void add_methods(struct grpc_server *server, const struct grpc_method *methods, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* The map holds no const; nobody writes through it. */
        map_put(&server->methods, text_of(methods[i].path), (void *)(uintptr_t)&methods[i]);
    }
}

struct grpc_server *grpc_server_new(struct loop *loop, const struct grpc_server_options *options)
{
    struct grpc_server *server = OBJECT_NEW(struct grpc_server, GRPC_SERVER_MAGIC);
    server->loop = loop;
    server->options = *options;
    if (server->options.message_max == 0) {
        server->options.message_max = MESSAGE_MAX;
    }
    loans_init(&server->loans, h2_limits_whole(&options->limits).lent);
    map_init(&server->methods);
    add_methods(server, options->methods, options->method_count);
    add_methods(server, health_methods, HEALTH_METHODS);
    if (text_is_present(options->descriptors)) {
        server->reflection = reflection_new(options->descriptors);
        assert_that(server->reflection != NULL); /* the descriptors are ours */
        add_methods(server, reflection_methods, REFLECTION_METHODS);
    }
    server->timer = loop_timer_new(loop, deadlines_fire, server);
    server->timer_at = TIME_NEVER;
    return server;
}

const char *grpc_server_listen(struct grpc_server *server, const char *address, struct tls *tls,
                               pd_error *err)
{
    OBJECT_CHECK(server, GRPC_SERVER_MAGIC);
    if (server->listener_count == LISTENERS_MAX) {
        (void)error_set(err, PD_E_LIMIT, false, "grpc: listen", "more than %d addresses",
                        LISTENERS_MAX);
        return NULL;
    }
    struct h2_listener *listener = h2_listen(server->loop, address, tls, &server->options.limits,
                                             &server->loans, &handler, server, err);
    if (listener == NULL) {
        return NULL;
    }
    server->listeners[server->listener_count++] = listener;
    return h2_listener_address(listener);
}

void grpc_server_limit(struct grpc_server *server, const struct h2_limits *limits,
                       size_t message_max)
{
    OBJECT_CHECK(server, GRPC_SERVER_MAGIC);
    server->options.limits = *limits;
    server->loans.most = h2_limits_whole(limits).lent;
    server->options.message_max = message_max != 0 ? message_max : MESSAGE_MAX;
    for (size_t i = 0; i < server->listener_count; i++) {
        h2_listener_limit(server->listeners[i], limits);
    }
}

void grpc_server_set_serving(struct grpc_server *server, bool is_serving)
{
    if (server->is_serving != is_serving) {
        server->is_serving = is_serving;
        health_changed(server);
    }
}

void grpc_server_drain(struct grpc_server *server)
{
    OBJECT_CHECK(server, GRPC_SERVER_MAGIC);
    grpc_server_set_serving(server, false);
    for (size_t i = 0; i < server->listener_count; i++) {
        h2_listener_drain(server->listeners[i]);
    }
}

size_t grpc_server_calls(const struct grpc_server *server)
{
    return server->call_count;
}

size_t grpc_server_connections(const struct grpc_server *server)
{
    size_t count = 0;
    for (size_t i = 0; i < server->listener_count; i++) {
        count += h2_listener_connections(server->listeners[i]);
    }
    return count;
}

void grpc_server_free(struct grpc_server *server)
{
    if (server == NULL) {
        return;
    }
    OBJECT_CHECK(server, GRPC_SERVER_MAGIC);
    for (size_t i = 0; i < server->listener_count; i++) {
        h2_listener_free(server->listeners[i]);
    }
    loop_timer_free(server->timer);
    calls_free(server);
    map_done(&server->methods);
    reflection_free(server->reflection);
    OBJECT_FREE(server, GRPC_SERVER_MAGIC);
}
