/* SPDX-License-Identifier: MIT
 *
 * A connection to a whole server, by a peer that says what the input says: calls, messages, resets,
 * settings, windows, and raw bytes among them. When it has gone, nothing is left of it.
 *
 * The input is a list of things to say: one byte says what, those behind it how. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "grpc/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct loop *loop;
static struct grpc_server *server;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

/* ---- the server ---- */

static void begin_echo(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    (void)grpc_call_metadata(call, "x-a");
    grpc_call_reply(call, message);
}

static void is_gone(struct grpc_call *call)
{
    assert_that(grpc_call_get(call) == server);
}

static void begin_never(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument, (void)message;
    grpc_call_set(call, server, is_gone);
}

static void begin_count(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    for (size_t i = 0; i < 100; i++) {
        grpc_call_send(call, &message, 1);
    }
    grpc_call_end(call, GRPC_OUT_OF_RANGE, "\xff that is all ");
}

static void begin_talk(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument, (void)message;
    grpc_call_set(call, server, is_gone);
    grpc_call_open(call);
}

static void talk_message(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    grpc_call_send(call, &message, 1);
    if (message.size == 3) {
        grpc_call_end(call, GRPC_OK, NULL);
    }
}

static void talk_half_closed(void *argument, struct grpc_call *call)
{
    (void)argument;
    grpc_call_end(call, GRPC_OK, NULL);
}

static const struct grpc_method methods[] = {
    { "/f/Echo", GRPC_UNARY, begin_echo, NULL, NULL },
    { "/f/Never", GRPC_UNARY, begin_never, NULL, NULL },
    { "/f/Count", GRPC_SERVER_STREAM, begin_count, NULL, NULL },
    { "/f/Talk", GRPC_BOTH_STREAM, begin_talk, talk_message, talk_half_closed },
};
static const char *const paths[] = { "/f/Echo",
                                     "/f/Never",
                                     "/f/Count",
                                     "/f/Talk",
                                     "/f/None",
                                     "/grpc.health.v1.Health/Check",
                                     "/grpc.health.v1.Health/Watch",
                                     "nonsense" };

static void serve(void)
{
    pd_error err;
    char where[128];
    struct grpc_server_options options = { .methods = methods,
                                           .method_count = sizeof methods / sizeof methods[0],
                                           .message_max = 10000,
                                           .limits = { .backlog = 100000, .streams = 20 } };
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/tmp/fuzz.%d", getpid());
    (void)snprintf(where, sizeof where, "unix:%s", address.sun_path);
    loop = loop_new(&err);
    server = grpc_server_new(loop, &options);
    grpc_server_set_serving(server, true);
    const char *got = grpc_server_listen(server, where, NULL, &err);
    assert_that(got != NULL);
}

static void stop(struct loop_job *job)
{
    (void)job;
    loop_stop(loop);
}

/* A few wakes: what lies in the socket is read, and answered. */
static void run_some(void)
{
    for (int i = 0; i < 3; i++) {
        struct loop_job job = { .run = stop };
        loop_post(loop, &job);
        loop_run(loop);
    }
}

/* ---- the peer ---- */

static void frame(struct buffer *out, unsigned type, unsigned flags, uint32_t id, struct text body)
{
    uint8_t head[9] = { (uint8_t)(body.size >> 16),
                        (uint8_t)(body.size >> 8),
                        (uint8_t)body.size,
                        (uint8_t)type,
                        (uint8_t)flags,
                        (uint8_t)(id >> 24),
                        (uint8_t)(id >> 16),
                        (uint8_t)(id >> 8),
                        (uint8_t)id };
    buffer_add(out, head, sizeof head);
    buffer_add_text(out, body);
}

static void field(struct buffer *block, const char *name, struct text value)
{
    buffer_add_byte(block, 0);
    buffer_add_byte(block, (uint8_t)strlen(name));
    buffer_add(block, name, strlen(name));
    buffer_add_byte(block, (uint8_t)(value.size < 120 ? value.size : 120));
    buffer_add(block, value.at, value.size < 120 ? value.size : 120);
}

struct input {
    const uint8_t *at, *end;
};

static uint8_t next(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static struct text some(struct input *input)
{
    size_t want = next(input), have = (size_t)(input->end - input->at);
    struct text t = text_make((const char *)input->at, want < have ? want : have);
    input->at += t.size;
    return t;
}

static void call(struct buffer *out, struct input *input)
{
    struct buffer block = { 0 };
    uint8_t how = next(input);
    uint32_t id = (uint32_t)next(input) * 2 + 1;
    field(&block, ":method", TEXT("POST"));
    field(&block, ":scheme", TEXT("http"));
    field(&block, ":path", text_of(paths[how % 8]));
    field(&block, ":authority", TEXT("x"));
    field(&block, "content-type", TEXT("application/grpc"));
    if ((how & 8) != 0) {
        field(&block, "grpc-timeout", some(input));
    }
    if ((how & 16) != 0) {
        field(&block, "grpc-encoding", (how & 32) != 0 ? TEXT("gzip") : some(input));
    }
    if ((how & 64) != 0) {
        buffer_add_text(&block, some(input));
    }
    frame(out, 1, 4 | ((how & 128) != 0 ? 1 : 0), id, buffer_text(&block));
    buffer_done(&block);
}

static void say_next(struct buffer *out, struct input *input)
{
    uint8_t what = next(input);
    struct buffer message = { 0 };
    struct text body;
    switch (what % 10) {
    case 0:
    case 1:
    case 2: call(out, input); return;
    case 3: /* a message */
    case 4:
        body = some(input);
        buffer_add(&message, (uint8_t[5]){ (what & 64) != 0, 0, 0, 0, (uint8_t)body.size }, 5);
        buffer_add_text(&message, body);
        frame(out, 0, (what & 128) != 0 ? 1 : 0, (uint32_t)next(input) * 2 + 1,
              buffer_text(&message));
        buffer_done(&message);
        return;
    case 5: frame(out, 0, what >> 4, (uint32_t)next(input) * 2 + 1, some(input)); return;
    case 6: frame(out, 3, 0, (uint32_t)next(input) * 2 + 1, TEXT("\0\0\0\10")); return;
    case 7: frame(out, 4, what >> 7, 0, some(input)); return;
    case 8: frame(out, next(input), next(input), next(input), some(input)); return;
    default: buffer_add_text(out, some(input)); return;
    }
}

static void listen_to(int fd)
{
    char heard[65536];
    while (recv(fd, heard, sizeof heard, MSG_DONTWAIT) > 0) {}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = { bytes, bytes + size };
    struct buffer out = { 0 };
    if (server == NULL) {
        serve();
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = connect(fd, (struct sockaddr *)&address, sizeof address);
    assert_that(fd >= 0 && failed == 0);
    buffer_add(&out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    frame(&out, 4, 0, 0, TEXT_ABSENT);
    while (input.at < input.end) {
        say_next(&out, &input);
        if (next(&input) % 4 == 0) {
            (void)send(fd, out.at, out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
            buffer_reset(&out);
            run_some();
            listen_to(fd);
        }
    }
    (void)send(fd, out.at, out.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    run_some();
    (void)close(fd);
    buffer_done(&out);
    for (int i = 0; i < 100 && grpc_server_connections(server) != 0; i++) {
        run_some();
    }
    assert_that(grpc_server_connections(server) == 0 && grpc_server_calls(server) == 0);
    return 0;
}
