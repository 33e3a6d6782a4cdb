/* SPDX-License-Identifier: MIT
 *
 * grpc.reflection.v1 and v1alpha, which differ by name only: which services there are, and the
 * files that describe them, out of a FileDescriptorSet. Files are handed out as they lie there;
 * of what is in them only names are read. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "grpc/services_priv.h"
#include "wire/proto.h"

struct reflection {
    struct arena arena;
    struct map files;   /* from name to struct text *, a FileDescriptorProto */
    struct map symbols; /* from full name to the same */
};

enum { DEPTH_MAX = 32 }; /* of messages in messages */

/* ---- reading the descriptors ---- */

/* The first text field of this number; absent: none. */
static struct text first_text(struct text message, uint32_t number)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.number == number && field.type == PROTO_BYTES) {
            return field.bytes;
        }
    }
    return TEXT_ABSENT;
}

static struct text add_symbol(struct reflection *reflection, struct text *file, struct text scope,
                              struct text name)
{
    char *full = scope.size != 0 ? arena_printf(&reflection->arena, "%.*s.%.*s", TEXT_ARGS(scope),
                                                TEXT_ARGS(name))
                                 : arena_printf(&reflection->arena, "%.*s", TEXT_ARGS(name));
    struct text key = text_of(full);
    if (map_find(&reflection->symbols, key) == NULL) {
        map_put(&reflection->symbols, key, file);
    }
    return key;
}

/* What is declared inside of what: field numbers of the descriptors. */
enum kind { KIND_NONE, KIND_MESSAGE, KIND_LEAF, KIND_SERVICE };
enum { NUMBERS = 8 };
static const enum kind in_file[NUMBERS] = {
    [4] = KIND_MESSAGE, [5] = KIND_LEAF, [6] = KIND_SERVICE, [7] = KIND_LEAF
};
static const enum kind in_kind[][NUMBERS] = {
    [KIND_NONE] = { 0 },
    [KIND_MESSAGE] = { [3] = KIND_MESSAGE, [4] = KIND_LEAF },
    [KIND_LEAF] = { 0 },
    [KIND_SERVICE] = { [2] = KIND_LEAF },
};

static void add_inside(struct reflection *reflection, struct text *file, struct text scope,
                       struct text declared, const enum kind *kinds, unsigned depth)
{
    struct proto_reader reader = proto_reader_of(declared);
    struct proto_field field;
    while (depth < DEPTH_MAX && proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.type == PROTO_BYTES && field.number < NUMBERS &&
            kinds[field.number] != KIND_NONE) {
            struct text full = add_symbol(reflection, file, scope, first_text(field.bytes, 1));
            add_inside(reflection, file, full, field.bytes, in_kind[kinds[field.number]],
                       depth + 1);
        }
    }
}

static void add_file(struct reflection *reflection, struct text bytes)
{
    struct text *file = arena_alloc(&reflection->arena, sizeof *file);
    struct text name = first_text(bytes, 1);
    *file = bytes;
    if (text_is_present(name) && map_find(&reflection->files, name) == NULL) {
        map_put(&reflection->files, name, file);
    }
    add_inside(reflection, file, first_text(bytes, 2), bytes, in_file, 0);
}

struct reflection *reflection_new(struct text descriptors)
{
    struct reflection *reflection = mem_alloc(sizeof *reflection);
    struct proto_reader reader = proto_reader_of(descriptors);
    struct proto_field field;
    enum proto_answer answer;
    arena_init(&reflection->arena);
    map_init(&reflection->files);
    map_init(&reflection->symbols);
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.number == 1 && field.type == PROTO_BYTES) {
            add_file(reflection, field.bytes);
        }
    }
    if (answer != PROTO_END) {
        reflection_free(reflection);
        return NULL;
    }
    return reflection;
}

void reflection_free(struct reflection *reflection)
{
    if (reflection != NULL) {
        map_done(&reflection->files);
        map_done(&reflection->symbols);
        arena_done(&reflection->arena);
        mem_free(reflection);
    }
}

/* ---- answers ---- */

static void put_bytes(struct buffer *into, unsigned number, struct text bytes)
{
    uint8_t head[20];
    uint8_t *end = proto_put_varint(proto_put_tag(head, number, PROTO_BYTES), bytes.size);
    buffer_add(into, head, (size_t)(end - head));
    buffer_add_text(into, bytes);
}

static void put_number(struct buffer *into, unsigned number, uint64_t value)
{
    uint8_t head[20];
    uint8_t *end = proto_put_varint(proto_put_tag(head, number, PROTO_VARINT), value);
    buffer_add(into, head, (size_t)(end - head));
}

static void list_services(const struct grpc_server *server, struct buffer *inner)
{
    struct map seen;
    struct buffer service;
    const struct grpc_method *method;
    map_init(&seen);
    buffer_init(&service);
    for (size_t cursor = 0; (method = map_next(&server->methods, &cursor)) != NULL;) {
        struct text name = service_of(text_of(method->path));
        if (text_is_present(name) && map_find(&seen, name) == NULL) {
            map_put(&seen, name, server->reflection);
            buffer_reset(&service);
            put_bytes(&service, 1, name);
            put_bytes(inner, 1, buffer_text(&service));
        }
    }
    buffer_done(&service);
    map_done(&seen);
}

static void put_error(struct buffer *answer, enum grpc_status status, const char *text)
{
    struct buffer inner;
    buffer_init(&inner);
    put_number(&inner, 1, (uint64_t)status);
    put_bytes(&inner, 2, text_of(text));
    put_bytes(answer, 7, buffer_text(&inner));
    buffer_done(&inner);
}

static void put_file(struct buffer *answer, const struct text *file)
{
    struct buffer inner;
    if (file == NULL) {
        put_error(answer, GRPC_NOT_FOUND, "it is not described here");
        return;
    }
    buffer_init(&inner);
    put_bytes(&inner, 1, *file);
    put_bytes(answer, 4, buffer_text(&inner));
    buffer_done(&inner);
}

static void answer_to(const struct grpc_server *server, const struct proto_field *asked,
                      struct buffer *answer)
{
    const struct reflection *reflection = server->reflection;
    struct buffer inner;
    switch (asked->number) {
    case 3: put_file(answer, map_find(&reflection->files, asked->bytes)); return;
    case 4: put_file(answer, map_find(&reflection->symbols, asked->bytes)); return;
    case 7:
        buffer_init(&inner);
        list_services(server, &inner);
        put_bytes(answer, 6, buffer_text(&inner));
        buffer_done(&inner);
        return;
    default: /* extensions: proto3 has none of its own */
        put_error(answer, GRPC_NOT_FOUND, "there are no extensions here");
        return;
    }
}

/* ---- calls ---- */

static void begin(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument, (void)message;
    grpc_call_open(call);
}

static void on_message(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field, asked = { .number = 0 };
    struct buffer answer;
    enum proto_answer found;
    buffer_init(&answer);
    while ((found = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.number == 1 && field.type == PROTO_BYTES) {
            put_bytes(&answer, 1, field.bytes);
        } else if (field.number >= 3 && field.number <= 7 && field.type == PROTO_BYTES) {
            asked = field;
        }
    }
    if (found != PROTO_END || asked.number == 0) {
        buffer_done(&answer);
        grpc_call_end(call, GRPC_INVALID_ARGUMENT, "the request cannot be read, or asks nothing");
        return;
    }
    put_bytes(&answer, 2, message);
    answer_to(call->server, &asked, &answer);
    struct text bytes = buffer_text(&answer);
    grpc_call_send(call, &bytes, 1);
    buffer_done(&answer);
}

static void half_closed(void *argument, struct grpc_call *call)
{
    (void)argument;
    grpc_call_end(call, GRPC_OK, NULL);
}

const struct grpc_method reflection_methods[REFLECTION_METHODS] = {
    { "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", GRPC_BOTH_STREAM, begin,
      on_message, half_closed },
    { "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", GRPC_BOTH_STREAM, begin,
      on_message, half_closed },
};
