/* SPDX-License-Identifier: MIT
 *
 * How fast calls are: one loop that serves and one that calls, on two cores, over TCP.
 *
 *   bench_grpc [SECONDS]
 *
 * Prints calls a second of unary calls that are many at once, of one after the other from a thread
 * that waits, and messages a second each way on one stream. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "grpc/client_priv.h"

enum { AT_ONCE = 200, BYTES = 100 };

static struct grpc_channel *channel;
static struct exchange exchanges[AT_ONCE];
static atomic_ulong done;
static atomic_bool is_over;
static atomic_int running;
static char body[BYTES];

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the server ---- */

static void begin_echo(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    grpc_call_reply(call, message);
}

static void begin_talk(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument, (void)message;
    grpc_call_open(call);
}

static void talk_message(void *argument, struct grpc_call *call, struct text message)
{
    (void)argument;
    if (message.size != BYTES) {
        grpc_call_end(call, GRPC_OK, NULL);
    } else {
        grpc_call_send(call, &message, 1);
    }
}

static void talk_half_closed(void *argument, struct grpc_call *call)
{
    (void)argument;
    grpc_call_end(call, GRPC_OK, NULL);
}

static const struct grpc_method methods[] = {
    { "/bench/Echo", GRPC_UNARY, begin_echo, NULL, NULL },
    { "/bench/Talk", GRPC_BOTH_STREAM, begin_talk, talk_message, talk_half_closed },
};

static void *run(void *loop)
{
    loop_run(loop);
    return NULL;
}

/* ---- unary calls, many at once ---- */

static void on_message(struct exchange *exchange, struct text message)
{
    (void)exchange;
    assert_that(message.size == BYTES);
}

static void begin_one(struct exchange *exchange)
{
    bool has_begun =
        exchange_begin(exchange, channel, "/bench/Echo", text_make(body, BYTES), 10 * TIME_SECOND);
    assert_that(has_begun);
}

static void on_over(struct exchange *exchange, const struct outcome *outcome)
{
    assert_that(outcome->status == GRPC_OK);
    atomic_fetch_add_explicit(&done, 1, memory_order_relaxed);
    if (is_over) {
        running--;
    } else {
        begin_one(exchange);
    }
}

static void begin_all(struct loop_job *job)
{
    (void)job;
    for (int i = 0; i < AT_ONCE; i++) {
        exchanges[i].message = on_message;
        exchanges[i].over = on_over;
        begin_one(&exchanges[i]);
    }
}

static void measure_calls(unsigned seconds)
{
    struct loop_job job = { .run = begin_all };
    running = AT_ONCE;
    double began = now();
    loop_post(channel->loop, &job);
    (void)sleep(seconds);
    is_over = true;
    while (running != 0) {
        (void)usleep(1000);
    }
    printf("unary calls, %d at once: %.0f a second\n", AT_ONCE, (double)done / (now() - began));
}

/* ---- a stream ---- */

static void on_talked(void *argument, struct grpc_stream *stream, struct text message)
{
    (void)argument;
    atomic_fetch_add_explicit(&done, 1, memory_order_relaxed);
    if (!is_over) {
        grpc_stream_send(stream, &message, 1);
    }
}

static void on_ended(void *argument, struct grpc_stream *stream, pd_status status,
                     const pd_error *err)
{
    (void)argument, (void)err;
    assert_that(status == PD_OK);
    grpc_stream_free(stream);
    running = 0;
}

static void measure_stream(unsigned seconds)
{
    static const struct grpc_stream_handler handler = { on_talked, on_ended };
    done = 0;
    is_over = false;
    running = 1;
    struct grpc_stream *stream =
        grpc_stream_open(channel, "/bench/Talk", TEXT_ABSENT, &handler, NULL);
    double began = now();
    for (int i = 0; i < AT_ONCE; i++) {
        grpc_stream_send(stream, &(struct text){ body, BYTES }, 1);
    }
    (void)sleep(seconds);
    printf("messages of %d bytes on a stream, %d under way: %.0f a second each way\n", BYTES,
           AT_ONCE, (double)done / (now() - began));
    is_over = true;
    grpc_stream_send(stream, &TEXT("end"), 1);
    while (running != 0) {
        (void)usleep(1000);
    }
}

/* ---- one after the other ---- */

static pd_status call_once(struct arena *arena)
{
    struct text reply;
    pd_error err;
    pd_status status = grpc_channel_call(channel, "/bench/Echo", text_make(body, BYTES), 10000,
                                         arena, &reply, &err);
    arena_reset(arena);
    return status;
}

static void measure_waiting(unsigned seconds, struct arena *arena)
{
    double began = now();
    unsigned calls = 0;
    for (; now() - began < seconds; calls++) {
        if (call_once(arena) != PD_OK) {
            return;
        }
    }
    printf("unary calls, one after the other, of a thread that waits: %.0f a second\n",
           (double)calls / (now() - began));
}

int main(int count, char **arguments)
{
    unsigned seconds = count > 1 ? (unsigned)strtoul(arguments[1], NULL, 10) : 3;
    pd_error err;
    pthread_t thread;
    struct arena arena;
    struct grpc_server_options options = { .methods = methods,
                                           .method_count = sizeof methods / sizeof methods[0] };
    struct loop *loop = loop_new(&err);
    struct grpc_server *server = loop != NULL ? grpc_server_new(loop, &options) : NULL;
    const char *address =
        server != NULL ? grpc_server_listen(server, "127.0.0.1:0", NULL, &err) : NULL;
    if (address == NULL || pthread_create(&thread, NULL, run, loop) != 0) {
        return pd_error_report(&err);
    }
    struct grpc_channel_options to = { .host = "127.0.0.1",
                                       .port =
                                           (unsigned)strtoul(strrchr(address, ':') + 1, NULL, 10) };
    channel = grpc_channel_new(&to, &err);
    arena_init(&arena);
    if (channel == NULL || call_once(&arena) != PD_OK) {
        return pd_error_report(&err);
    }
    measure_calls(seconds);
    measure_stream(seconds);
    measure_waiting(seconds, &arena);
    arena_done(&arena);
    grpc_channel_free(channel);
    loop_stop(loop);
    (void)pthread_join(thread, NULL);
    grpc_server_free(server);
    loop_free(loop);
    return 0;
}
