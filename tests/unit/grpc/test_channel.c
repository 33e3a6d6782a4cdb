/* SPDX-License-Identifier: MIT
 *
 * The client against our server: calls, streams, and servers that go away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "rig.h"

static struct grpc_channel *channel_to(unsigned port, const struct grpc_header *metadata,
                                       size_t count)
{
    pd_error err;
    struct grpc_channel_options options = { .host = "127.0.0.1",
                                            .port = port,
                                            .metadata = metadata,
                                            .metadata_count = count,
                                            .backoff_min_ms = 20,
                                            .backoff_max_ms = 100 };
    struct grpc_channel *channel = grpc_channel_new(&options, &err);
    assert_non_null(channel);
    return channel;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void messages_of_every_size_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 16379, 16380, 65535, 1048576, 9000000 };
    struct rig rig;
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct arena arena;
        struct text reply;
        pd_error err;
        char *bytes = mem_alloc(sizes[i] + 1);
        for (size_t j = 0; j < sizes[i]; j++) {
            bytes[j] = (char)(j * 7 + i);
        }
        arena_init(&arena);
        assert_int_equal(grpc_channel_call(channel, "/rig.Rig/Echo", text_make(bytes, sizes[i]),
                                           10000, &arena, &reply, &err),
                         PD_OK);
        assert_true(text_equal(reply, text_make(bytes, sizes[i])));
        arena_done(&arena);
        mem_free(bytes);
    }
    grpc_channel_free(channel);
    rig_stop(&rig);
}

static void a_status_and_its_text_become_an_error(void **state)
{
    (void)state;
    struct rig rig;
    struct arena arena;
    struct text reply;
    pd_error err;
    static const struct grpc_header metadata[] = { { "x-status", "9" },
                                                   { "x-say-hex", "c3a4203130302520" } };
    arena_init(&arena);
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, metadata, 2);
    assert_int_equal(
        grpc_channel_call(channel, "/rig.Rig/Echo", TEXT("x"), 5000, &arena, &reply, &err),
        PD_E_STATE);
    assert_int_equal(err.status, PD_E_STATE);
    assert_string_equal(err.text, "\xc3\xa4 100% ");
    assert_int_equal(
        grpc_channel_call(channel, "/rig.Rig/Nothing", TEXT("x"), 5000, &arena, &reply, &err),
        PD_E_BUG);
    grpc_channel_free(channel);
    rig_stop(&rig);
    arena_done(&arena);
}

static void a_call_ends_when_its_time_has_passed(void **state)
{
    (void)state;
    struct rig rig;
    struct arena arena;
    struct text reply;
    pd_error err;
    arena_init(&arena);
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    int64_t began = now_ms();
    assert_int_equal(
        grpc_channel_call(channel, "/rig.Rig/Never", TEXT("x"), 200, &arena, &reply, &err),
        PD_E_TIMEOUT);
    assert_true(now_ms() - began >= 199 && now_ms() - began < 2000);
    for (int i = 0; i < 100 && rig.gone == 0; i++) {
        usleep(10000);
    }
    assert_int_equal(rig.gone, 1); /* the server was told, or knew */
    grpc_channel_free(channel);
    rig_stop(&rig);
    arena_done(&arena);
}

static void a_call_waits_for_a_server_that_is_away(void **state)
{
    (void)state;
    struct rig rig;
    struct arena arena;
    struct text reply;
    pd_error err;
    arena_init(&arena);
    rig_start(&rig, NULL, NULL);
    unsigned port = rig.port;
    rig_stop(&rig);
    struct grpc_channel *channel = channel_to(port, NULL, 0);
    assert_int_equal(
        grpc_channel_call(channel, "/rig.Rig/Echo", TEXT("x"), 300, &arena, &reply, &err),
        PD_E_TIMEOUT);
    assert_non_null(strstr(err.text, "refused")); /* why it took so long */
    grpc_channel_free(channel);
    arena_done(&arena);
}

struct caller {
    struct grpc_channel *channel;
    const char *path;
    pthread_t thread;
    pd_status status;
    int64_t timeout_ms;
    int calls, good;
};

static void *call_many(void *argument)
{
    struct caller *caller = argument;
    struct arena arena;
    arena_init(&arena);
    for (int i = 0; i < caller->calls; i++) {
        char text[32];
        struct text reply;
        pd_error err;
        int size = snprintf(text, sizeof text, "%d", i);
        caller->status =
            grpc_channel_call(caller->channel, caller->path, text_make(text, (size_t)size),
                              caller->timeout_ms, &arena, &reply, &err);
        caller->good += caller->status == PD_OK && text_equal(reply, text_of(text));
        arena_reset(&arena);
    }
    arena_done(&arena);
    return NULL;
}

static void start(struct caller *caller)
{
    assert_int_equal(pthread_create(&caller->thread, NULL, call_many, caller), 0);
}

static void many_threads_share_a_channel(void **state)
{
    (void)state;
    struct rig rig;
    struct caller callers[16];
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    for (int i = 0; i < 16; i++) {
        callers[i] = (struct caller){
            .channel = channel, .path = "/rig.Rig/Echo", .timeout_ms = 10000, .calls = 1000
        };
        start(&callers[i]);
    }
    for (int i = 0; i < 16; i++) {
        (void)pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].good, 1000);
    }
    grpc_channel_free(channel);
    rig_stop(&rig);
}

static void freeing_a_channel_ends_what_waits(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    struct grpc_channel *nowhere = channel_to(1, NULL, 0);
    struct caller there = {
        .channel = channel, .path = "/rig.Rig/Never", .timeout_ms = -1, .calls = 1
    };
    struct caller away = {
        .channel = nowhere, .path = "/rig.Rig/Never", .timeout_ms = -1, .calls = 1
    };
    start(&there);
    start(&away);
    while (rig.begun == 0) {
        usleep(1000);
    }
    usleep(100000); /* nobody says when the other one waits */
    grpc_channel_free(channel);
    grpc_channel_free(nowhere);
    (void)pthread_join(there.thread, NULL);
    (void)pthread_join(away.thread, NULL);
    assert_int_equal(there.status, PD_E_CANCELLED);
    assert_int_equal(away.status, PD_E_CANCELLED);
    rig_stop(&rig);
}

static void a_call_that_may_have_arrived_is_not_made_again(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    struct caller caller = {
        .channel = channel, .path = "/rig.Rig/Never", .timeout_ms = 10000, .calls = 1
    };
    start(&caller);
    while (rig.begun == 0) {
        usleep(1000);
    }
    rig_stop(&rig);
    (void)pthread_join(caller.thread, NULL);
    assert_int_equal(caller.status, PD_E_UNAVAILABLE);
    grpc_channel_free(channel);
}

static void drain(struct rig *rig)
{
    grpc_server_drain(rig->server);
}

static void a_server_that_drains_ends_what_it_has_begun(void **state)
{
    (void)state;
    struct rig rig;
    struct arena arena;
    struct text reply;
    pd_error err;
    arena_init(&arena);
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    struct caller caller = {
        .channel = channel, .path = "/rig.Rig/Later", .timeout_ms = 10000, .calls = 1
    };
    start(&caller);
    while (rig.begun == 0) {
        usleep(1000);
    }
    rig_do(&rig, drain);
    (void)pthread_join(caller.thread, NULL);
    assert_int_equal(caller.status, PD_OK);
    for (int i = 0; i < 300; i++) { /* and then the connection goes */
        rig_ask(&rig);
        if (rig.connections == 0) {
            break;
        }
        usleep(10000);
    }
    assert_int_equal(rig.connections, 0);
    assert_int_equal(
        grpc_channel_call(channel, "/rig.Rig/Echo", TEXT("x"), 200, &arena, &reply, &err),
        PD_E_TIMEOUT);
    grpc_channel_free(channel);
    rig_stop(&rig);
    arena_done(&arena);
}

/* ---- streams ---- */

struct heard {
    size_t messages, bytes, heap_most;
    bool is_in_order;
    pd_status status;
    pd_error err;
    sem_t ended, some;
    size_t enough;
};

static void heard_init(struct heard *heard)
{
    *heard = (struct heard){ .is_in_order = true };
    (void)sem_init(&heard->ended, 0, 0);
    (void)sem_init(&heard->some, 0, 0);
}

static void on_message(void *argument, struct grpc_stream *stream, struct text message)
{
    (void)stream;
    struct heard *heard = argument;
    char expected[32];
    int size = snprintf(expected, sizeof expected, "%zu", heard->messages);
    heard->is_in_order =
        heard->is_in_order && text_equal(message, text_make(expected, (size_t)size));
    heard->messages++;
    heard->bytes += message.size;
    if (heard->messages == heard->enough) {
        (void)sem_post(&heard->some);
    }
}

static void on_ended(void *argument, struct grpc_stream *stream, pd_status status,
                     const pd_error *err)
{
    struct heard *heard = argument;
    heard->status = status;
    heard->err = *err;
    grpc_stream_free(stream);
    (void)sem_post(&heard->ended);
}

static const struct grpc_stream_handler handler = { on_message, on_ended };

static void wait_for(sem_t *sem)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += 30;
    assert_int_equal(sem_timedwait(sem, &at), 0);
}

static void both_sides_talk_in_order(void **state)
{
    (void)state;
    struct rig rig;
    struct heard heard;
    heard_init(&heard);
    heard.enough = 100000;
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    struct grpc_stream *stream =
        grpc_stream_open(channel, "/rig.Rig/Talk", TEXT_ABSENT, &handler, &heard);
    for (int i = 0; i < 100000; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "%d", i);
        struct text pieces[] = { text_make(text, 1), text_make(text + 1, (size_t)size - 1) };
        grpc_stream_send(stream, pieces, 2);
    }
    wait_for(&heard.some);
    grpc_stream_send(stream, &TEXT("end"), 1);
    wait_for(&heard.ended);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(heard.messages, 100000);
    assert_true(heard.is_in_order);
    grpc_channel_free(channel);
    rig_stop(&rig);
}

/* Always something under way, never nothing: what was sent must not be kept. */
static void on_echo(void *argument, struct grpc_stream *stream, struct text message)
{
    struct heard *heard = argument;
    heard->messages++;
    heard->bytes += message.size;
    if (heard->messages < heard->enough) {
        size_t heap = mallinfo2().uordblks + mallinfo2().hblkhd;
        heard->heap_most = heap > heard->heap_most ? heap : heard->heap_most;
        grpc_stream_send(stream, &message, 1);
    } else if (heard->messages == heard->enough) {
        grpc_stream_send(stream, &TEXT("end"), 1);
    }
}

static void a_stream_that_is_never_silent_keeps_its_size(void **state)
{
    (void)state;
    static const struct grpc_stream_handler echo = { on_echo, on_ended };
    static char bytes[100000];
    struct rig rig;
    struct heard heard;
    heard_init(&heard);
    heard.enough = 3000; /* 300 MB each way */
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct grpc_stream *stream =
        grpc_stream_open(channel, "/rig.Rig/Talk", TEXT_ABSENT, &echo, &heard);
    for (int i = 0; i < 30; i++) { /* 3 MB under way: more than the windows */
        grpc_stream_send(stream, &(struct text){ bytes, sizeof bytes }, 1);
    }
    wait_for(&heard.ended);
    assert_int_equal(heard.status, PD_OK);
    assert_true(heard.messages >= heard.enough);
    assert_true(heard.heap_most < before + 40 * 1024 * 1024);
    grpc_channel_free(channel);
    rig_stop(&rig);
}

static void a_server_stream_ends_with_its_status(void **state)
{
    (void)state;
    struct rig rig;
    struct heard heard;
    heard_init(&heard);
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    (void)grpc_stream_open(channel, "/rig.Rig/Count", TEXT("12345"), &handler, &heard);
    wait_for(&heard.ended);
    assert_int_equal(heard.status, PD_OK);
    assert_int_equal(heard.messages, 12345);
    (void)grpc_stream_open(channel, "/rig.Rig/Nothing", TEXT(""), &handler, &heard);
    wait_for(&heard.ended);
    assert_int_equal(heard.status, PD_E_BUG);
    grpc_channel_free(channel);
    rig_stop(&rig);
}

static void a_cancelled_stream_ends_on_both_sides(void **state)
{
    (void)state;
    struct rig rig;
    struct heard heard;
    heard_init(&heard);
    heard.enough = 1;
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    struct grpc_stream *stream =
        grpc_stream_open(channel, "/rig.Rig/Watch", TEXT(""), &handler, &heard);
    wait_for(&heard.some);
    grpc_stream_cancel(stream);
    wait_for(&heard.ended);
    assert_int_equal(heard.status, PD_E_CANCELLED);
    for (int i = 0; i < 100 && rig.gone == 0; i++) {
        usleep(10000);
    }
    assert_int_equal(rig.gone, 1);
    stream = grpc_stream_open(channel, "/rig.Rig/Watch", TEXT(""), &handler, &heard);
    grpc_stream_cancel(stream); /* before it has begun, as likely as not */
    wait_for(&heard.ended);
    assert_int_equal(heard.status, PD_E_CANCELLED);
    grpc_channel_free(channel);
    rig_stop(&rig);
}

static void a_stream_says_at_once_that_there_is_no_server(void **state)
{
    (void)state;
    struct heard heard;
    heard_init(&heard);
    struct grpc_channel *channel = channel_to(1, NULL, 0);
    for (int i = 0; i < 3; i++) {
        (void)grpc_stream_open(channel, "/rig.Rig/Watch", TEXT(""), &handler, &heard);
        wait_for(&heard.ended);
        assert_int_equal(heard.status, PD_E_UNAVAILABLE);
        assert_true(heard.err.retryable);
    }
    grpc_channel_free(channel);
}

static void a_stream_learns_that_its_server_went_away(void **state)
{
    (void)state;
    struct rig rig;
    struct heard heard;
    heard_init(&heard);
    heard.enough = 1;
    rig_start(&rig, NULL, NULL);
    struct grpc_channel *channel = channel_to(rig.port, NULL, 0);
    (void)grpc_stream_open(channel, "/rig.Rig/Watch", TEXT(""), &handler, &heard);
    wait_for(&heard.some);
    rig_stop(&rig);
    wait_for(&heard.ended);
    assert_int_equal(heard.status, PD_E_UNAVAILABLE);
    grpc_channel_free(channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_every_size_come_back),
        cmocka_unit_test(a_status_and_its_text_become_an_error),
        cmocka_unit_test(a_call_ends_when_its_time_has_passed),
        cmocka_unit_test(a_call_waits_for_a_server_that_is_away),
        cmocka_unit_test(many_threads_share_a_channel),
        cmocka_unit_test(freeing_a_channel_ends_what_waits),
        cmocka_unit_test(a_call_that_may_have_arrived_is_not_made_again),
        cmocka_unit_test(a_server_that_drains_ends_what_it_has_begun),
        cmocka_unit_test(both_sides_talk_in_order),
        cmocka_unit_test(a_stream_that_is_never_silent_keeps_its_size),
        cmocka_unit_test(a_server_stream_ends_with_its_status),
        cmocka_unit_test(a_cancelled_stream_ends_on_both_sides),
        cmocka_unit_test(a_stream_says_at_once_that_there_is_no_server),
        cmocka_unit_test(a_stream_learns_that_its_server_went_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
