/* SPDX-License-Identifier: MIT
 *
 * The honest client, and what the server of a scene has (scene.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"

int64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void *be_honest(void *argument)
{
    struct scene *scene = argument;
    struct arena arena;
    arena_init(&arena);
    while (!scene->is_over) {
        struct text reply;
        pd_error err;
        int64_t began = now_us();
        pd_status status = grpc_channel_call(scene->channel, "/rig.Rig/Echo", TEXT("honest"), 20000,
                                             &arena, &reply, &err);
        int64_t took = now_us() - began;
        scene->calls++;
        scene->failures += status != PD_OK || !text_equal(reply, TEXT("honest"));
        scene->slowest_us = took > scene->slowest_us ? took : scene->slowest_us;
        arena_reset(&arena);
        usleep(200);
    }
    arena_done(&arena);
    return NULL;
}

void begin(struct scene *scene, const struct h2_limits *limits, size_t message_max)
{
    pd_error err;
    struct grpc_server_options options = { .message_max = message_max };
    *scene = (struct scene){ 0 };
    if (limits != NULL) {
        options.limits = *limits;
    }
    rig_start(&scene->rig, &options, NULL);
    struct grpc_channel_options to = { .host = "127.0.0.1", .port = scene->rig.port };
    scene->channel = grpc_channel_new(&to, &err);
    assert_non_null(scene->channel);
    assert_int_equal(pthread_create(&scene->honest, NULL, be_honest, scene), 0);
}

void end(struct scene *scene)
{
    for (int i = 0, calls = scene->calls; i < 2000 && scene->calls < calls + 6; i++) {
        usleep(10000); /* some calls after the attack */
    }
    scene->is_over = true;
    (void)pthread_join(scene->honest, NULL);
    grpc_channel_free(scene->channel);
    rig_stop(&scene->rig);
    assert_true(scene->calls > 5);
    assert_int_equal(scene->failures, 0);
    assert_true(scene->slowest_us < 10000000); /* the machine may be busy */
}

size_t calls_of(struct scene *scene)
{
    rig_ask(&scene->rig);
    return scene->rig.calls;
}

size_t heap(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}
