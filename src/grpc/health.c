/* SPDX-License-Identifier: MIT
 *
 * grpc.health.v1.Health: is the server there for its callers? All services are served, or none. */
#include "grpc/services_priv.h"
#include "wire/proto.h"

enum { HEALTH_SERVING = 1, HEALTH_NOT_SERVING = 2, HEALTH_UNKNOWN = 3 };

/* HealthCheckRequest.service; false: malformed. */
static bool read_service(struct text message, struct text *ret)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    *ret = TEXT("");
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.number == 1 && field.type == PROTO_BYTES) {
            *ret = field.bytes;
        }
    }
    return answer == PROTO_END;
}

static unsigned status_of(const struct grpc_server *server, bool is_known)
{
    return !is_known ? HEALTH_UNKNOWN : server->is_serving ? HEALTH_SERVING : HEALTH_NOT_SERVING;
}

static struct text write_status(uint8_t room[16], unsigned status)
{
    uint8_t *end = proto_put_varint(proto_put_tag(room, 1, PROTO_VARINT), status);
    return text_make((const char *)room, (size_t)(end - room));
}

static bool is_known(const struct grpc_server *server, struct text service)
{
    return service.size == 0 || server_has_service(server, service);
}

static void begin_check(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    uint8_t room[16];
    struct text service;
    if (!read_service(message, &service)) {
        grpc_call_end(call, GRPC_INVALID_ARGUMENT, "the request cannot be read");
    } else if (!is_known(call->server, service)) {
        grpc_call_end(call, GRPC_NOT_FOUND, "no such service here");
    } else {
        grpc_call_reply(call, write_status(room, status_of(call->server, true)));
    }
}

static void begin_watch(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    uint8_t room[16];
    struct text service;
    if (!read_service(message, &service)) {
        grpc_call_end(call, GRPC_INVALID_ARGUMENT, "the request cannot be read");
        return;
    }
    /* What is known does not change: a watcher of what is not hears nothing more. */
    bool known = is_known(call->server, service);
    grpc_call_set(call, known ? call->server : NULL, NULL);
    struct text status = write_status(room, status_of(call->server, known));
    grpc_call_send(call, &status, 1);
}

const struct grpc_method health_methods[HEALTH_METHODS] = {
    { "/grpc.health.v1.Health/Check", GRPC_UNARY, begin_check, NULL, NULL },
    { "/grpc.health.v1.Health/Watch", GRPC_SERVER_STREAM, begin_watch, NULL, NULL },
};

void health_changed(struct grpc_server *server)
{
    uint8_t room[16];
    struct text status = write_status(room, status_of(server, true));
    for (size_t i = 0; i < server->place_count; i++) {
        struct grpc_call *call = server->places[i];
        if (call->stream != NULL && call->method == &health_methods[1] && call->state != NULL) {
            grpc_call_send(call, &status, 1);
        }
    }
}
