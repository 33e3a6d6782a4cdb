/* SPDX-License-Identifier: MIT
 *
 * Peers that mean harm, written frame by frame, while an honest client goes on calling: it loses no
 * call, waits for none long, and what the server keeps for each attacker is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"
#include "scene.h"

/* ---- floods ---- */

static void rapid_reset_ends_the_connection(void **state)
{
    (void)state;
    static struct scene scene;
    static const uint8_t cancel[4] = { 0, 0, 0, 8 };
    struct h2_limits limits = { .resets_a_second = 50 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    unsigned said = 0;
    for (uint32_t id = 1; id < 40000; id += 2, said++) {
        if (!say_call(&scene.attacker, id, "/rig.Rig/Never", END_STREAM) ||
            !say_frame(&scene.attacker, RST_STREAM, 0, id, cancel, 4)) {
            break;
        }
    }
    assert_true(is_hung_up_on(&scene.attacker, 20000));
    assert_true(said >= 500); /* ten seconds' worth at once is allowed */
    attack_end(&scene.attacker);
    end(&scene);
}

/* Calls whose mistakes make the server reset them cost it as much. */
static void making_the_server_reset_counts_as_resetting(void **state)
{
    (void)state;
    static struct scene scene;
    static const uint8_t zero[4] = { 0 };
    struct h2_limits limits = { .resets_a_second = 50 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    for (uint32_t id = 1; id < 40000; id += 2) {
        if (!say_call(&scene.attacker, id, "/rig.Rig/Never", 0) ||
            !say_frame(&scene.attacker, WINDOW_UPDATE, 0, id, zero, 4)) {
            break;
        }
    }
    assert_true(is_hung_up_on(&scene.attacker, 20000));
    attack_end(&scene.attacker);
    end(&scene);
}

static void flood(unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t size)
{
    static struct scene scene;
    begin(&scene, NULL, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    if (stream != 0) {
        (void)say_call(&scene.attacker, stream, "/rig.Rig/Never", 0);
    }
    int said = 0;
    while (said < 100000 && say_frame(&scene.attacker, type, flags, stream, payload, size)) {
        said++;
    }
    assert_true(is_hung_up_on(&scene.attacker, 20000));
    assert_true(said >= 900);
    attack_end(&scene.attacker);
    end(&scene);
}

static void a_flood_of_pings_ends_the_connection(void **state)
{
    (void)state;
    flood(PING, 0, 0, "12345678", 8);
}

static void a_flood_of_settings_ends_the_connection(void **state)
{
    (void)state;
    flood(SETTINGS, 0, 0, "\0\4\0\0\xff\xff", 6);
}

static void a_flood_of_what_is_ignored_holds_up_nobody(void **state)
{
    (void)state;
    static struct scene scene;
    begin(&scene, NULL, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    for (int i = 0; i < 50000; i++) {
        assert_true(say_frame(&scene.attacker, PRIORITY, 0, 1, "\0\0\0\0\3", 5));
        assert_true(say_frame(&scene.attacker, 0xbb, 0, 1, "what", 4)); /* unknown */
    }
    assert_false(is_hung_up_on(&scene.attacker, 50));
    attack_end(&scene.attacker);
    end(&scene);
}

static void a_flood_of_nothing_ends_the_connection(void **state)
{
    (void)state;
    flood(DATA, 0, 1, NULL, 0);
}

static void pings_of_who_listens_are_answered(void **state)
{
    (void)state;
    static struct scene scene;
    begin(&scene, NULL, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    for (uint32_t id = 1; id < 6000; id += 2) { /* measuring the connection, as gRPC does */
        scene.attacker.heard_size = 0;
        (void)say_call(&scene.attacker, id, "/rig.Rig/Echo", 0);
        (void)say_message(&scene.attacker, id, "x");
        assert_true(hear_frame(&scene.attacker, DATA, 3000));
        (void)say_frame(&scene.attacker, PING, 0, 0, "12345678", 8);
        assert_true(hear_frame(&scene.attacker, PING, 3000));
    }
    assert_int_equal(heard_goaway(&scene.attacker), -1);
    assert_false(is_hung_up_on(&scene.attacker, 100));
    attack_end(&scene.attacker);
    end(&scene);
}

/* ---- headers ---- */

static void endless_continuations_end_the_connection(void **state)
{
    (void)state;
    static struct scene scene;
    uint8_t block[16384];
    begin(&scene, NULL, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    (void)say_frame(&scene.attacker, HEADERS, END_STREAM, 1, block,
                    block_of(block, "/rig.Rig/Echo", 0));
    size_t size = block_add(block, "x", NULL, 100);
    int said = 0;
    while (said < 100000 && say_frame(&scene.attacker, CONTINUATION, 0, 1, block, size)) {
        said++;
    }
    assert_true(is_hung_up_on(&scene.attacker, 20000));
    assert_true(said < 100000);
    attack_end(&scene.attacker);
    end(&scene);
}

/* The limit is of all headers together, with 32 bytes for each, as HPACK counts. */
static size_t cost_of_others(const char *path)
{
    const char *const all[] = {
        ":method",   "POST",         ":scheme",          "http", ":path",   path, ":authority",
        "localhost", "content-type", "application/grpc", "te",   "trailers"
    };
    size_t cost = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i += 2) {
        cost += strlen(all[i]) + strlen(all[i + 1]) + 32;
    }
    return cost;
}

static void headers_have_a_limit(void **state)
{
    (void)state;
    static struct scene scene;
    uint8_t block[16384];
    struct h2_limits limits = { .header_bytes = 4096, .resets_a_second = 1 };
    size_t most = 4096 - cost_of_others("/rig.Rig/Echo") - strlen("x-more") - 32;
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    (void)say_frame(&scene.attacker, HEADERS, END_HEADERS, 1, block,
                    block_of(block, "/rig.Rig/Echo", most));
    (void)say_message(&scene.attacker, 1, "fits");
    (void)say_frame(&scene.attacker, HEADERS, END_HEADERS, 3, block,
                    block_of(block, "/rig.Rig/Echo", most + 1));
    HEAR_UNTIL(&scene.attacker, heard_reset(&scene.attacker, 3) == ENHANCE_YOUR_CALM);
    HEAR_UNTIL(&scene.attacker, heard_frames(&scene.attacker, DATA) == 1);
    assert_int_equal(heard_reset(&scene.attacker, 1), -1);
    for (uint32_t id = 5; id < 60; id += 2) { /* and who goes on is hung up on */
        (void)say_frame(&scene.attacker, HEADERS, END_HEADERS, id, block,
                        block_of(block, "/rig.Rig/Echo", most + 1));
    }
    assert_true(is_hung_up_on(&scene.attacker, 20000));
    assert_int_equal(heard_goaway(&scene.attacker), ENHANCE_YOUR_CALM);
    attack_end(&scene.attacker);
    end(&scene);
}

static void headers_of_many_calls_have_a_limit_together(void **state)
{
    (void)state;
    static struct scene scene;
    uint8_t block[16384];
    struct h2_limits limits = { .header_bytes = 4096 };
    size_t most = 4096 - cost_of_others("/rig.Rig/Never") - strlen("x-more") - 32;
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    for (uint32_t id = 1; id <= 2 * 69 - 1; id += 2) {
        (void)say_frame(&scene.attacker, HEADERS, END_HEADERS, id, block,
                        block_of(block, "/rig.Rig/Never", most));
    }
    HEAR_UNTIL(&scene.attacker, heard_reset(&scene.attacker, 2 * 69 - 1) == ENHANCE_YOUR_CALM);
    assert_int_equal(heard_frames(&scene.attacker, RST_STREAM), 1);
    assert_true(calls_of(&scene) >= 68);
    attack_end(&scene.attacker);
    end(&scene);
}

static void usual_headers_have_no_limit_together(void **state)
{
    (void)state;
    static struct scene scene;
    uint8_t block[1024];
    struct h2_limits limits = { .header_bytes = 4096, .streams = 3000 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    for (uint32_t id = 1; id <= 2 * 2000 - 1; id += 2) { /* 250 bytes each, twice the limit */
        (void)say_frame(&scene.attacker, HEADERS, END_HEADERS, id, block,
                        block_of(block, "/rig.Rig/Never", 0));
    }
    hear(&scene.attacker, 300);
    assert_int_equal(heard_frames(&scene.attacker, RST_STREAM), 0);
    attack_end(&scene.attacker);
    end(&scene);
}

/* One byte each refers to a header of 4,000: 4 MB in 1 KiB. */
static void headers_that_unfold_have_the_same_limit(void **state)
{
    (void)state;
    static struct scene scene;
    static uint8_t block[16384];
    begin(&scene, NULL, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    size_t before = heap(), size = block_of(block, "/rig.Rig/Never", 0);
    size_t bomb = size;
    size += block_add(block + size, "x-bomb", NULL, 3900);
    block[bomb] = 0x40; /* to be remembered, as the first of the table */
    memset(block + size, 0x80 | 62, 8000);
    for (uint32_t id = 1; id < 200; id += 2) {
        (void)say_frame(&scene.attacker, HEADERS, END_HEADERS, id, block, size + 8000);
    }
    HEAR_UNTIL(&scene.attacker, heard_reset(&scene.attacker, 199) == ENHANCE_YOUR_CALM);
    rig_ask(&scene.rig);
    assert_true(heap() < before + 1024 * 1024);
    attack_end(&scene.attacker);
    end(&scene);
}

/* ---- messages ---- */

static void messages_have_a_limit(void **state)
{
    (void)state;
    static struct scene scene;
    uint8_t frame[1100] = { 0, 0, 0, 4, 0 };
    begin(&scene, NULL, 1024);
    attack_hello(&scene.attacker, scene.rig.port);
    (void)say_call(&scene.attacker, 1, "/rig.Rig/Echo", 0);
    (void)say_frame(&scene.attacker, DATA, END_STREAM, 1, frame, 5 + 1024);
    HEAR_UNTIL(&scene.attacker, heard_frames(&scene.attacker, DATA) == 1);
    frame[4] = 1;
    (void)say_call(&scene.attacker, 3, "/rig.Rig/Echo", 0);
    (void)say_frame(&scene.attacker, DATA, 0, 3, frame, 5); /* the rest is not waited for */
    (void)say_call(&scene.attacker, 5, "/rig.Rig/Talk", 0);
    (void)say_frame(&scene.attacker, DATA, 0, 5, "\0\xff\xff\xff\xff", 5);
    /* SETTINGS aside, headers and trailers of the first, and one of each of the others. */
    HEAR_UNTIL(&scene.attacker, heard_frames(&scene.attacker, HEADERS) >= 4);
    HEAR_UNTIL(&scene.attacker, calls_of(&scene) <= 1); /* the honest one's */
    /* The answers are headers that are trailers, too: no DATA but the first's. */
    assert_int_equal(heard_frames(&scene.attacker, DATA), 1);
    attack_end(&scene.attacker);
    end(&scene);
}

static void what_was_announced_is_not_set_aside(void **state)
{
    (void)state;
    static struct scene scene;
    begin(&scene, NULL, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    size_t before = heap();
    for (uint32_t id = 1; id < 1600; id += 2) { /* 800 messages of 60 MB */
        (void)say_call(&scene.attacker, id, "/rig.Rig/Echo", 0);
        (void)say_frame(&scene.attacker, DATA, 0, id, "\0\3\xc0\0\0and some", 13);
    }
    HEAR_UNTIL(&scene.attacker, calls_of(&scene) >= 800);
    assert_true(heap() < before + 800 * 8192);
    attack_end(&scene.attacker);
    end(&scene);
}

/* A message of so many zeroes, as gzip has it, with its head. */
static size_t fold(uint8_t *frame, size_t room, size_t zero_count)
{
    uint8_t *zeroes = calloc(zero_count, 1);
    assert_non_null(zeroes);
    z_stream z = { .next_in = zeroes, .avail_in = (uInt)zero_count };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = frame + 5;
    z.avail_out = (uInt)(room - 5);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t size = room - 5 - z.avail_out;
    (void)deflateEnd(&z);
    free(zeroes);
    frame[0] = 1;
    frame[1] = frame[2] = 0;
    frame[3] = (uint8_t)(size >> 8);
    frame[4] = (uint8_t)size;
    return size + 5;
}

static void what_gzip_unfolds_has_the_same_limit(void **state)
{
    (void)state;
    static struct scene scene;
    static uint8_t frame[65536];
    uint8_t block[1024];
    begin(&scene, NULL, 1024 * 1024);
    attack_hello(&scene.attacker, scene.rig.port);
    size_t size = fold(frame, sizeof frame, 8 * 1024 * 1024);
    size_t before = heap(), head = block_of(block, "/rig.Rig/Echo", 0);
    head += block_add(block + head, "grpc-encoding", "gzip", 4);
    for (uint32_t id = 1; id < 100; id += 2) {
        (void)say_frame(&scene.attacker, HEADERS, END_HEADERS, id, block, head);
        (void)say_frame(&scene.attacker, DATA, END_STREAM, id, frame, size);
    }
    HEAR_UNTIL(&scene.attacker, heard_frames(&scene.attacker, HEADERS) >= 50);
    rig_ask(&scene.rig);
    assert_true(heap() < before + 4 * 1024 * 1024);
    assert_int_equal(heard_frames(&scene.attacker, DATA), 0);
    attack_end(&scene.attacker);
    end(&scene);
}

static void hold_up(struct rig *rig)
{
    (void)rig;
    usleep(300000);
}

static void *hold_up_loop(void *argument)
{
    rig_do(argument, hold_up);
    return NULL;
}

/* 200 KB that unfold to 200 MB lie in the socket when it is read. */
static void much_gzip_is_unfolded_with_others_in_between(void **state)
{
    (void)state;
    enum { MESSAGES = 200, EACH = 1024 * 1024 };
    static struct scene scene;
    static uint8_t frame[8192];
    uint8_t block[1024];
    begin(&scene, NULL, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    size_t size = fold(frame, sizeof frame, EACH);
    size_t head = block_of(block, "/rig.Rig/Swallow", 0);
    head += block_add(block + head, "grpc-encoding", "gzip", 4);
    (void)say_frame(&scene.attacker, HEADERS, END_HEADERS, 1, block, head);
    pthread_t holder;
    assert_int_equal(pthread_create(&holder, NULL, hold_up_loop, &scene.rig), 0);
    for (int i = 0; i < MESSAGES; i++) {
        assert_true(say_frame(&scene.attacker, DATA, 0, 1, frame, size));
    }
    HEAR_UNTIL(&scene.attacker, scene.rig.swallowed == (size_t)MESSAGES * EACH);
    (void)pthread_join(holder, NULL);
    /* What 64 KiB hold: read before it is known what they unfold to. */
    assert_in_range(scene.rig.swallowed_at_once, EACH, (65536 / size + 1) * EACH);
    attack_end(&scene.attacker);
    end(&scene);
}

/* ---- who does not read, or says nothing ---- */

static void who_does_not_read_is_not_sent_for_ever(void **state)
{
    (void)state;
    static struct scene scene;
    uint8_t block[1024];
    struct h2_limits limits = { .backlog = 256 * 1024 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    size_t before = heap(), head = block_of(block, "/rig.Rig/Count", 0);
    head += block_add(block + head, "x-size", "100000", 6);
    for (uint32_t id = 1; id < 40; id += 2) { /* 100 MB each, of which windows take 64 KiB */
        (void)say_frame(&scene.attacker, HEADERS, END_HEADERS, id, block, head);
        (void)say_message(&scene.attacker, id, "1000");
    }
    HEAR_UNTIL(&scene.attacker, heard_reset(&scene.attacker, 39) == ENHANCE_YOUR_CALM);
    rig_ask(&scene.rig);
    assert_true(heap() < before + 4 * 1024 * 1024);
    attack_end(&scene.attacker);
    end(&scene);
}

static void a_window_of_one_byte_starves_its_owner_only(void **state)
{
    (void)state;
    static struct scene scene;
    begin(&scene, NULL, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    (void)say_frame(&scene.attacker, SETTINGS, 0, 0, "\0\4\0\0\0\0", 6); /* windows of 0 */
    for (uint32_t id = 1; id < 100; id += 2) {
        (void)say_call(&scene.attacker, id, "/rig.Rig/Count", 0);
        (void)say_message(&scene.attacker, id, "1000");
    }
    for (int i = 0; i < 2000; i++) {
        (void)say_frame(&scene.attacker, WINDOW_UPDATE, 0, 1 + 2 * (uint32_t)(i % 50), "\0\0\0\1",
                        4);
    }
    HEAR_UNTIL(&scene.attacker, heard_frames(&scene.attacker, DATA) >= 50);
    (void)say_frame(&scene.attacker, WINDOW_UPDATE, 0, 0, "\x7f\xff\xff\xff", 4); /* too far */
    assert_true(is_hung_up_on(&scene.attacker, 20000));
    assert_int_equal(heard_goaway(&scene.attacker), 3 /* FLOW_CONTROL_ERROR */);
    attack_end(&scene.attacker);
    end(&scene);
}

static void silence_has_its_time(void **state)
{
    (void)state;
    static struct scene scene;
    static struct attacker mute, half, deaf;
    struct h2_limits limits = {
        .handshake_ms = 200, .ping_ms = 300, .ping_timeout_ms = 300, .idle_ms = 60000
    };
    begin(&scene, &limits, 0);
    int64_t began = now_us();
    attack(&mute, scene.rig.port);
    attack(&half, scene.rig.port);
    (void)say(&half, "PRI * HTTP/2.0\r\n\r\nSM", 20);
    attack_hello(&deaf, scene.rig.port);
    uint8_t block[1024];
    (void)say_frame(&deaf, HEADERS, 0, 1, block, block_of(block, "/rig.Rig/Echo", 0)); /* half */
    assert_true(is_hung_up_on(&mute, 20000));
    assert_true(is_hung_up_on(&half, 20000));
    assert_true(is_hung_up_on(&deaf, 20000)); /* answers no PING */
    assert_true(now_us() - began >= 600000);
    attack_end(&mute);
    attack_end(&half);
    attack_end(&deaf);
    end(&scene);
}

static void who_is_idle_or_old_is_told_to_go(void **state)
{
    (void)state;
    static struct scene scene;
    static struct attacker idle, old;
    struct h2_limits limits = { .idle_ms = 200 };
    begin(&scene, &limits, 0);
    attack_hello(&idle, scene.rig.port);
    assert_true(is_hung_up_on(&idle, 20000));
    assert_int_equal(heard_goaway(&idle), NO_ERROR_CODE);
    attack_end(&idle);
    end(&scene);
    limits = (struct h2_limits){ .age_max_ms = 300 };
    begin(&scene, &limits, 0); /* the honest one goes to a new connection each time */
    attack_hello(&old, scene.rig.port);
    (void)say_call(&old, 1, "/rig.Rig/Later", 0);
    (void)say_message(&old, 1, "x");
    assert_true(is_hung_up_on(&old, 20000));
    assert_int_equal(heard_frames(&old, DATA), 1); /* what had begun was ended */
    assert_int_equal(heard_goaway(&old), NO_ERROR_CODE);
    attack_end(&old);
    end(&scene);
}

static void what_is_no_http2_is_hung_up_on(void **state)
{
    (void)state;
    static struct scene scene;
    static const char *const words[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                         "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                                         "PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n" };
    begin(&scene, NULL, 0);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        attack(&scene.attacker, scene.rig.port);
        (void)say(&scene.attacker, words[i], strlen(words[i]) + (i == 1));
        assert_true(is_hung_up_on(&scene.attacker, 20000));
        attack_end(&scene.attacker);
    }
    end(&scene);
}

static void streams_and_connections_have_a_limit(void **state)
{
    (void)state;
    static struct scene scene;
    static struct attacker many[4];
    struct h2_limits limits = { .streams = 10, .connections = 4 };
    begin(&scene, &limits, 0); /* the honest one is a connection, too */
    while (scene.rig.begun == 0) {
        usleep(1000);
    }
    for (int i = 0; i < 4; i++) {
        attack_hello(&many[i], scene.rig.port);
        usleep(50000);
    }
    assert_true(is_hung_up_on(&many[3], 20000));
    assert_false(is_hung_up_on(&many[2], 100));
    (void)say_frame(&many[1], SETTINGS, 1, 0, NULL, 0); /* it knows of the limit */
    for (uint32_t id = 1; id <= 21; id += 2) {
        for (int i = 0; i < 2; i++) {
            (void)say_call(&many[i], id, "/rig.Rig/Watch", 0);
            (void)say_message(&many[i], id, "");
        }
        if (id == 19) {
            HEAR_UNTIL(&many[0], calls_of(&scene) >= 20);
            assert_int_equal(heard_frames(&many[0], RST_STREAM), 0);
        }
    }
    HEAR_UNTIL(&many[0], heard_reset(&many[0], 21) == 7 /* REFUSED_STREAM */);
    assert_true(is_hung_up_on(&many[1], 20000));
    for (int i = 0; i < 4; i++) {
        attack_end(&many[i]);
    }
    end(&scene);
}

/* ---- many ---- */

static void ten_thousand_idle_connections_are_cheap(void **state)
{
    (void)state;
    static struct scene scene;
    struct rlimit files;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    size_t count = files.rlim_cur < 20200 ? (files.rlim_cur - 200) / 2 : 10000;
    int *fds = mem_alloc(count * sizeof *fds);
    begin(&scene, NULL, 0);
    rig_ask(&scene.rig);
    size_t before = heap(), others = scene.rig.connections;
    for (size_t i = 0; i < count; i++) {
        attack_hello(&scene.attacker, scene.rig.port);
        fds[i] = scene.attacker.fd;
    }
    for (int i = 0; i < 500; i++) {
        rig_ask(&scene.rig);
        if (scene.rig.connections >= count + others) {
            break;
        }
        usleep(10000);
    }
    assert_true(scene.rig.connections >= count);
    size_t each = (heap() - before) / count;
    print_message("%zu idle connections: %zu bytes of heap each\n", count, each);
    assert_true(each < 64 * 1024);
    for (size_t i = 0; i < count; i++) {
        (void)close(fds[i]);
    }
    mem_free(fds);
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rapid_reset_ends_the_connection),
        cmocka_unit_test(making_the_server_reset_counts_as_resetting),
        cmocka_unit_test(a_flood_of_pings_ends_the_connection),
        cmocka_unit_test(a_flood_of_settings_ends_the_connection),
        cmocka_unit_test(a_flood_of_what_is_ignored_holds_up_nobody),
        cmocka_unit_test(a_flood_of_nothing_ends_the_connection),
        cmocka_unit_test(pings_of_who_listens_are_answered),
        cmocka_unit_test(endless_continuations_end_the_connection),
        cmocka_unit_test(headers_have_a_limit),
        cmocka_unit_test(headers_of_many_calls_have_a_limit_together),
        cmocka_unit_test(usual_headers_have_no_limit_together),
        cmocka_unit_test(headers_that_unfold_have_the_same_limit),
        cmocka_unit_test(messages_have_a_limit),
        cmocka_unit_test(what_was_announced_is_not_set_aside),
        cmocka_unit_test(what_gzip_unfolds_has_the_same_limit),
        cmocka_unit_test(much_gzip_is_unfolded_with_others_in_between),
        cmocka_unit_test(who_does_not_read_is_not_sent_for_ever),
        cmocka_unit_test(a_window_of_one_byte_starves_its_owner_only),
        cmocka_unit_test(silence_has_its_time),
        cmocka_unit_test(who_is_idle_or_old_is_told_to_go),
        cmocka_unit_test(what_is_no_http2_is_hung_up_on),
        cmocka_unit_test(streams_and_connections_have_a_limit),
        cmocka_unit_test(ten_thousand_idle_connections_are_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
