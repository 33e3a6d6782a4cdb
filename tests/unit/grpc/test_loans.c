/* SPDX-License-Identifier: MIT
 *
 * Peers that keep memory here (net/loans.h): what they get, how long, who goes when there is no
 * more; and that honest ones, slow or busy or large, are left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"
#include "net/loans.h"
#include "scene.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static bool has_meaningful_heap(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    return true;
#endif
}

/* ---- what attackers say ---- */

/* A call, and of its message of 60 MiB so many bytes. */
static void say_begun(struct attacker *attacker, uint32_t id, size_t size)
{
    static const uint8_t zeroes[16 * KIB];
    (void)hear_frame(attacker, SETTINGS, 5000); /* and what it says of windows holds from here on */
    (void)say_frame(attacker, SETTINGS, 1, 0, NULL, 0);
    (void)say_call(attacker, id, "/rig.Rig/Echo", 0);
    (void)say_frame(attacker, DATA, 0, id, "\0\3\xc0\0\0", 5);
    for (size_t n; size > 0; size -= n) {
        n = size < sizeof zeroes ? size : sizeof zeroes;
        if (!say_frame(attacker, DATA, 0, id, zeroes, n)) {
            return;
        }
    }
}

/* `count` messages of `size` bytes are asked for. */
static void say_wanted(struct attacker *attacker, uint32_t id, const char *path, const char *count,
                       const char *size)
{
    uint8_t block[1024];
    size_t head = block_of(block, path, 0);
    head += block_add(block + head, "x-size", size, strlen(size));
    (void)say_frame(attacker, HEADERS, END_HEADERS, id, block, head);
    (void)say_message(attacker, id, count);
}

static void close_windows(struct attacker *attacker)
{
    (void)say_frame(attacker, SETTINGS, 0, 0, "\0\4\0\0\0\0", 6);
}

/* All of it: 2^31 - 1. */
static void open_windows(struct attacker *attacker)
{
    (void)say_frame(attacker, SETTINGS, 0, 0, "\0\4\x7f\xff\xff\xff", 6);
    (void)say_frame(attacker, WINDOW_UPDATE, 0, 0, "\x7f\xfe\0\0", 4);
}

static size_t zip(uint8_t *into, size_t room, size_t size)
{
    uint8_t *zeroes = mem_alloc(size);
    z_stream z = { .next_in = zeroes, .avail_in = (uInt)size };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = into + 5;
    z.avail_out = (uInt)room - 5;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t packed = room - 5 - z.avail_out;
    (void)deflateEnd(&z);
    mem_free(zeroes);
    into[0] = 1;
    into[1] = into[2] = 0;
    into[3] = (uint8_t)(packed >> 8);
    into[4] = (uint8_t)packed;
    return packed + 5;
}

static void say_zipped(struct attacker *attacker, uint32_t id, const uint8_t *frame, size_t size)
{
    uint8_t block[1024];
    size_t head = block_of(block, "/rig.Rig/Never", 0);
    head += block_add(block + head, "grpc-encoding", "gzip", 4);
    (void)say_frame(attacker, HEADERS, END_HEADERS, id, block, head);
    (void)say_frame(attacker, DATA, END_STREAM, id, frame, size);
}

/* ---- the pool ---- */

static void call_large(struct scene *scene, size_t size)
{
    struct arena arena;
    struct text reply;
    pd_error err;
    char *bytes = mem_alloc(size);
    arena_init(&arena);
    assert_int_equal(grpc_channel_call(scene->channel, "/rig.Rig/Echo", text_make(bytes, size),
                                       20000, &arena, &reply, &err),
                     PD_OK);
    assert_int_equal(reply.size, size);
    arena_done(&arena);
    mem_free(bytes);
}

static void eight_patient_peers_do_not_starve_a_ninth(void **state)
{
    (void)state;
    static struct scene scene;
    static struct attacker patient[8];
    struct h2_limits limits = { .lent = 16 * MIB, .term_ms = 600000 };
    begin(&scene, &limits, 0);
    size_t before = heap();
    for (int i = 0; i < 8; i++) {
        attack_hello(&patient[i], scene.rig.port);
        say_begun(&patient[i], 1, 3 * MIB); /* a buffer of 4 */
    }
    usleep(500000);
    call_large(&scene, 2 * MIB);
    rig_ask(&scene.rig);
    assert_true(heap() < before + 24 * MIB);
    int left = 0;
    for (int i = 0; i < 8; i++) {
        left += !is_hung_up_on(&patient[i], 100);
    }
    assert_in_range(left, 1, 4);
    assert_true(scene.rig.complaints >= 4);
    assert_true(is_hung_up_on(&patient[0], 20000)); /* the first to come */
    assert_int_equal(heard_goaway(&patient[0]), ENHANCE_YOUR_CALM);
    for (int i = 0; i < 8; i++) {
        attack_end(&patient[i]);
    }
    end(&scene);
}

static void lend_less(struct rig *rig)
{
    const struct h2_limits limits = { .lent = MIB, .term_ms = 600000 };
    grpc_server_limit(rig->server, &limits, 0);
}

/* The first that changes anything then finds the pool empty, be it that it gives something back. */
static void a_pool_that_became_smaller_than_what_is_lent_is_made_good_by_the_costliest(void **state)
{
    (void)state;
    static struct scene scene;
    struct h2_limits limits = { .lent = 16 * MIB, .term_ms = 600000 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    close_windows(&scene.attacker);
    say_wanted(&scene.attacker, 1, "/rig.Rig/Count", "1", "100000");
    say_wanted(&scene.attacker, 3, "/rig.Rig/Count", "1", "2000000");
    HEAR_UNTIL(&scene.attacker, heard_frames(&scene.attacker, HEADERS) == 2);
    rig_do(&scene.rig, lend_less);
    (void)say_frame(&scene.attacker, RST_STREAM, 0, 1, "\0\0\0\x08", 4);
    assert_true(is_hung_up_on(&scene.attacker, 20000));
    assert_int_equal(scene.rig.complaints, 1);
    attack_end(&scene.attacker);
    end(&scene);
}

static void large_messages_need_no_more_than_the_pool(void **state)
{
    (void)state;
    static struct scene scene;
    struct h2_limits limits = { .term_ms = 600000 };
    begin(&scene, &limits, 0);
    call_large(&scene, 32 * MIB);
    assert_int_equal(scene.rig.complaints, 0);
    end(&scene);
}

/* ---- terms ---- */

static void a_message_that_is_not_gone_on_with_is_reset(void **state)
{
    (void)state;
    static struct scene scene;
    struct h2_limits limits = { .term_ms = 400 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    say_begun(&scene.attacker, 1, 200 * KIB);
    (void)say_call(&scene.attacker, 3, "/rig.Rig/Never", 0); /* waits for us */
    (void)say_message(&scene.attacker, 3, "x");
    HEAR_UNTIL(&scene.attacker, heard_reset(&scene.attacker, 1) == ENHANCE_YOUR_CALM);
    assert_int_equal(heard_reset(&scene.attacker, 3), -1);
    assert_int_equal(scene.rig.complaints, 1);
    attack_end(&scene.attacker);
    end(&scene);
}

static void what_is_its_own_has_no_term(void **state)
{
    (void)state;
    static struct scene scene;
    struct h2_limits limits = { .term_ms = 200 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    say_begun(&scene.attacker, 1, 7 * KIB); /* in a buffer of 8 */
    hear(&scene.attacker, 1500);
    assert_int_equal(heard_reset(&scene.attacker, 1), -1);
    assert_int_equal(scene.rig.complaints, 0);
    attack_end(&scene.attacker);
    end(&scene);
}

static void who_is_slow_but_goes_on_is_left_alone(void **state)
{
    (void)state;
    static struct scene scene;
    static uint8_t piece[10 * KIB];
    struct h2_limits limits = { .term_ms = 1000 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    open_windows(&scene.attacker);
    (void)say_call(&scene.attacker, 1, "/rig.Rig/Echo", 0);
    (void)say_frame(&scene.attacker, DATA, 0, 1, "\0\0\x04\xb0\0", 5); /* 300 KiB */
    for (int i = 0; i < 30; i++) {
        (void)say_frame(&scene.attacker, DATA, i == 29 ? END_STREAM : 0, 1, piece, sizeof piece);
        usleep(100000);
    }
    HEAR_UNTIL(&scene.attacker, heard_frames(&scene.attacker, DATA) >= 1);
    assert_int_equal(heard_reset(&scene.attacker, 1), -1);
    assert_int_equal(scene.rig.complaints, 0);
    attack_end(&scene.attacker);
    end(&scene);
}

static void an_answer_that_nobody_reads_is_reset(void **state)
{
    (void)state;
    static struct scene scene;
    struct h2_limits limits = { .term_ms = 400 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    close_windows(&scene.attacker);
    say_wanted(&scene.attacker, 1, "/rig.Rig/Count", "1", "200000");
    HEAR_UNTIL(&scene.attacker, heard_reset(&scene.attacker, 1) == ENHANCE_YOUR_CALM);
    assert_int_equal(scene.rig.complaints, 1);
    attack_end(&scene.attacker);
    end(&scene);
}

/* A worker that is busy, a program that thinks about each event. */
static void what_is_written_with_care_may_lie(void **state)
{
    (void)state;
    static struct scene scene;
    struct h2_limits limits = { .term_ms = 200 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    close_windows(&scene.attacker);
    say_wanted(&scene.attacker, 1, "/rig.Rig/Paced", "10", "200000"); /* 200 KB lie */
    say_wanted(&scene.attacker, 3, "/rig.Rig/Paced", "10", "200000");
    hear(&scene.attacker, 1500);
    (void)say_call(&scene.attacker, 5, "/rig.Rig/Watch", 0); /* and it may ask for more: B5 */
    (void)say_message(&scene.attacker, 5, "");
    HEAR_UNTIL(&scene.attacker, heard_frames(&scene.attacker, HEADERS) == 3);
    assert_int_equal(heard_frames(&scene.attacker, RST_STREAM), 0);
    open_windows(&scene.attacker);
    HEAR_UNTIL(&scene.attacker, calls_of(&scene) <= 2); /* the watch, and the honest one */
    assert_int_equal(scene.rig.complaints, 0);
    attack_end(&scene.attacker);
    end(&scene);
}

static void who_talks_but_does_not_read_is_hung_up_on(void **state)
{
    (void)state;
    static struct scene scene;
    struct h2_limits limits = { .ping_ms = 400, .ping_timeout_ms = 400, .term_ms = 600000 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    open_windows(&scene.attacker);
    say_wanted(&scene.attacker, 1, "/rig.Rig/Count", "300", "100000"); /* no socket holds it */
    bool is_there = true;
    for (int i = 0; i < 200 && is_there; i++) {
        is_there = say_frame(&scene.attacker, PRIORITY, 0, 3, "\0\0\0\0\1", 5);
        usleep(50000);
    }
    assert_false(is_there);
    attack_end(&scene.attacker);
    end(&scene);
}

/* ---- back-pressure ---- */

static void calls_that_are_piled_up_begin_when_answers_are_read(void **state)
{
    (void)state;
    static struct scene scene;
    static struct attacker other;
    struct h2_limits limits = { .term_ms = 600000 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    attack_hello(&other, scene.rig.port);
    close_windows(&scene.attacker);
    size_t before = heap();
    for (uint32_t id = 1; id < 1000; id += 2) { /* 500 answers of 32 KiB: 16 MiB */
        say_wanted(&scene.attacker, id, "/rig.Rig/Count", "1", "32768");
    }
    hear(&scene.attacker, 300);
    if (has_meaningful_heap()) {
        assert_true(heap() < before + LOAN_PRESSURE + 500 * LOAN_CALL + MIB / 2);
    }
    size_t answered = heard_frames(&scene.attacker, HEADERS);
    assert_in_range(answered, 8, 12);              /* 256 KiB of them */
    (void)say_call(&other, 1, "/rig.Rig/Echo", 0); /* others are not pressed */
    (void)say_message(&other, 1, "x");
    HEAR_UNTIL(&other, heard_frames(&other, DATA) == 1);
    open_windows(&scene.attacker);
    HEAR_UNTIL(&scene.attacker, calls_of(&scene) <= 1);
    assert_int_equal(heard_frames(&scene.attacker, RST_STREAM), 0);
    attack_end(&scene.attacker);
    attack_end(&other);
    end(&scene);
}

static void a_stream_that_echoes_is_not_read_while_its_echo_is_not(void **state)
{
    (void)state;
    static struct scene scene;
    static uint8_t message[32 * KIB] = { 0, 0, 0, 0x7f, 0xfb };
    struct h2_limits limits = { .term_ms = 600000 };
    begin(&scene, &limits, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    close_windows(&scene.attacker);
    (void)hear_frame(&scene.attacker, SETTINGS, 5000);
    (void)say_frame(&scene.attacker, SETTINGS, 1, 0, NULL, 0); /* windows are 1 MiB now */
    (void)say_call(&scene.attacker, 1, "/rig.Rig/Talk", 0);
    for (int i = 0; i < 31; i++) {
        (void)say_frame(&scene.attacker, DATA, 0, 1, message, 16 * KIB);
        (void)say_frame(&scene.attacker, DATA, 0, 1, message + 16 * KIB, 16 * KIB);
    }
    hear(&scene.attacker, 500);
    assert_int_equal(heard_frames(&scene.attacker, WINDOW_UPDATE), 1); /* the connection's first */
    open_windows(&scene.attacker);
    (void)say_frame(&scene.attacker, DATA, END_STREAM, 1, NULL, 0);
    HEAR_UNTIL(&scene.attacker, calls_of(&scene) <= 1);
    assert_int_equal(heard_frames(&scene.attacker, RST_STREAM), 0);
    attack_end(&scene.attacker);
    end(&scene);
}

/* ---- what each attack costs ---- */

static void begin_messages(struct attacker *attacker)
{
    say_begun(attacker, 1, MIB);
}

static void leave_answers(struct attacker *attacker)
{
    close_windows(attacker);
    say_wanted(attacker, 1, "/rig.Rig/Count", "10", "100000");
}

static void pile_up_calls(struct attacker *attacker)
{
    close_windows(attacker);
    for (uint32_t id = 1; id < 200; id += 2) {
        say_wanted(attacker, id, "/rig.Rig/Count", "1", "10000");
    }
}

static void leave_pages(struct attacker *attacker)
{
    close_windows(attacker);
    for (uint32_t id = 1; id < 20; id += 2) {
        say_wanted(attacker, id, "/rig.Rig/Paced", "1000", "10000");
    }
}

static void flood_headers(struct attacker *attacker)
{
    static uint8_t block[16 * KIB];
    size_t size = block_of(block, "/rig.Rig/Never", 15000);
    for (uint32_t id = 1; id < 120; id += 2) {
        (void)say_frame(attacker, HEADERS, END_HEADERS, id, block, size);
    }
}

static void leave_trailers(struct attacker *attacker)
{
    static uint8_t block[16 * KIB];
    size_t size = block_add(block, "x-more", NULL, 15000);
    for (uint32_t id = 1; id < 60; id += 2) {
        (void)say_call(attacker, id, "/rig.Rig/Never", 0);
        (void)say_frame(attacker, DATA, 0, id, "\0\0\0\0\1x", 6);
        (void)say_frame(attacker, HEADERS, END_HEADERS | END_STREAM, id, block, size);
    }
}

static void wait_in_crowds(struct attacker *attacker)
{
    for (uint32_t id = 1; id < 1000; id += 2) {
        (void)say_call(attacker, id, "/rig.Rig/Never", 0);
        (void)say_message(attacker, id, "x");
    }
}

static void unfold(struct attacker *attacker)
{
    static uint8_t frame[16 * KIB];
    size_t size = zip(frame, sizeof frame, 256 * KIB);
    for (uint32_t id = 1; id < 20; id += 2) {
        say_zipped(attacker, id, frame, size);
    }
}

static size_t rss(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &pages, &resident), 2);
    (void)fclose(file);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void no_attack_costs_more_than_the_pool_and_a_share(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        void (*act)(struct attacker *);
    } attacks[] = {
        { "messages begun", begin_messages }, { "answers unread", leave_answers },
        { "calls piled up", pile_up_calls },  { "pages unread", leave_pages },
        { "headers", flood_headers },         { "calls that wait", wait_in_crowds },
        { "gzip that waits", unfold },        { "trailers", leave_trailers },
    };
    enum { PEERS = 200, POOL = 8 * MIB };
    static struct scene scene;
    static struct attacker attacker;
    static int fds[PEERS];
    if (!has_meaningful_heap()) {
        skip();
    }
    struct h2_limits limits = { .lent = POOL, .term_ms = 600000 };
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        begin(&scene, &limits, 0);
        rig_ask(&scene.rig);
        size_t before = heap(), rss_before = rss();
        for (int peer = 0; peer < PEERS; peer++) {
            attack_hello(&attacker, scene.rig.port);
            fds[peer] = attacker.fd;
            attacks[i].act(&attacker);
        }
        size_t each = SIZE_MAX, most = 64 * KIB + 2 * (size_t)POOL / PEERS;
        for (int wait = 0; wait < 100 && each >= most; wait++) { /* who goes has to be gone */
            usleep(200000);
            rig_ask(&scene.rig);
            each = (heap() - before) / PEERS;
        }
        size_t resident = rss();
        print_message("%s: %zu bytes of heap for each of %d, %zu resident\n", attacks[i].name, each,
                      PEERS, (resident > rss_before ? resident - rss_before : 0) / PEERS);
        assert_true(each < most);
        /* What is free again is not always given back: one wake's worth of attackers. */
        assert_true(resident < rss_before + PEERS * (size_t)512 * KIB);
        for (int peer = 0; peer < PEERS; peer++) {
            (void)close(fds[peer]);
        }
        end(&scene);
    }
}

static void gzip_is_folded_again_while_its_call_waits(void **state)
{
    (void)state;
    static struct scene scene;
    static uint8_t frame[16 * KIB];
    begin(&scene, NULL, 0);
    attack_hello(&scene.attacker, scene.rig.port);
    size_t before = heap(), size = zip(frame, sizeof frame, MIB);
    for (uint32_t id = 1; id < 200; id += 2) { /* 100 MiB */
        say_zipped(&scene.attacker, id, frame, size);
    }
    HEAR_UNTIL(&scene.attacker, calls_of(&scene) >= 100);
    if (has_meaningful_heap()) {
        assert_true(heap() < before + 4 * MIB);
    }
    attack_end(&scene.attacker);
    end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_patient_peers_do_not_starve_a_ninth),
        cmocka_unit_test(
            a_pool_that_became_smaller_than_what_is_lent_is_made_good_by_the_costliest),
        cmocka_unit_test(large_messages_need_no_more_than_the_pool),
        cmocka_unit_test(a_message_that_is_not_gone_on_with_is_reset),
        cmocka_unit_test(what_is_its_own_has_no_term),
        cmocka_unit_test(who_is_slow_but_goes_on_is_left_alone),
        cmocka_unit_test(an_answer_that_nobody_reads_is_reset),
        cmocka_unit_test(what_is_written_with_care_may_lie),
        cmocka_unit_test(who_talks_but_does_not_read_is_hung_up_on),
        cmocka_unit_test(calls_that_are_piled_up_begin_when_answers_are_read),
        cmocka_unit_test(a_stream_that_echoes_is_not_read_while_its_echo_is_not),
        cmocka_unit_test(gzip_is_folded_again_while_its_call_waits),
        cmocka_unit_test(no_attack_costs_more_than_the_pool_and_a_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
