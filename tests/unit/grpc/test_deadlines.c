/* SPDX-License-Identifier: MIT
 *
 * grpc-timeout on calls of every shape: the server ends them, in time, and says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"

enum { DEADLINE_EXCEEDED = GRPC_DEADLINE_EXCEEDED };

static void say_timed(struct attacker *attacker, uint32_t id, const char *path, const char *timeout)
{
    uint8_t block[1024];
    size_t size = block_of(block, path, 0);
    size += block_add(block + size, "grpc-timeout", timeout, strlen(timeout));
    (void)say_frame(attacker, HEADERS, END_HEADERS, id, block, size);
}

static void start(struct rig *rig, struct attacker *attacker)
{
    rig_start(rig, NULL, NULL);
    attack_hello(attacker, rig->port);
}

static void stop(struct rig *rig, struct attacker *attacker)
{
    attack_end(attacker);
    rig_stop(rig);
}

/* The call is over on the server: its owner was told, and the client the status. */
static void ends_in_time(struct rig *rig, struct attacker *attacker, int64_t began, int64_t us)
{
    while (rig->counted == 0 && now_us() < began + 20000000) {
        hear(attacker, 10);
    }
    assert_int_equal(rig->counted, 1);
    assert_true(now_us() - began >= us);
    assert_int_equal(rig->last_status, DEADLINE_EXCEEDED);
    assert_int_equal(rig->gone, 1);
    rig_ask(rig);
    assert_int_equal(rig->calls, 0);
}

static void a_server_stream_ends_at_its_deadline(void **state)
{
    (void)state;
    static struct attacker attacker;
    struct rig rig;
    start(&rig, &attacker);
    int64_t began = now_us();
    say_timed(&attacker, 1, "/rig.Rig/Watch", "200m");
    (void)say_message(&attacker, 1, "");
    ends_in_time(&rig, &attacker, began, 200000);
    HEAR_UNTIL(&attacker, heard_frames(&attacker, HEADERS) == 2); /* and trailers */
    assert_int_equal(heard_frames(&attacker, DATA), 1);
    stop(&rig, &attacker);
}

static void a_stream_of_both_ends_at_its_deadline_however_much_is_said(void **state)
{
    (void)state;
    static struct attacker attacker;
    struct rig rig;
    start(&rig, &attacker);
    int64_t began = now_us();
    say_timed(&attacker, 1, "/rig.Rig/Talk", "300m");
    while (rig.counted == 0 && now_us() < began + 20000000) {
        (void)say_frame(&attacker, DATA, 0, 1, "\0\0\0\0\2hi", 7);
        hear(&attacker, 20);
    }
    ends_in_time(&rig, &attacker, began, 300000);
    HEAR_UNTIL(&attacker, heard_frames(&attacker, HEADERS) == 2);
    assert_true(heard_frames(&attacker, DATA) > 2);
    HEAR_UNTIL(&attacker, heard_reset(&attacker, 1) == NO_ERROR_CODE); /* it need not go on */
    stop(&rig, &attacker);
}

static void a_message_that_never_ends_has_the_deadline_of_its_call(void **state)
{
    (void)state;
    static struct attacker attacker;
    struct rig rig;
    start(&rig, &attacker);
    say_timed(&attacker, 1, "/rig.Rig/Watch", "200m");
    (void)say_frame(&attacker, DATA, 0, 1, "\0\0\0\0\5hal", 8);
    while (rig.counted == 0) {
        hear(&attacker, 10);
    }
    assert_int_equal(rig.last_status, DEADLINE_EXCEEDED);
    assert_int_equal(rig.begun, 0);
    HEAR_UNTIL(&attacker, heard_frames(&attacker, HEADERS) == 1); /* headers that are trailers */
    stop(&rig, &attacker);
}

static void a_stream_that_ends_before_its_deadline_is_not_ended_again(void **state)
{
    (void)state;
    static struct attacker attacker;
    struct rig rig;
    start(&rig, &attacker);
    say_timed(&attacker, 1, "/rig.Rig/Talk", "200m");
    (void)say_frame(&attacker, DATA, 0, 1, "\0\0\0\0\3end", 8);
    say_timed(&attacker, 3, "/rig.Rig/Watch", "1H");
    (void)say_message(&attacker, 3, "");
    hear(&attacker, 600);
    assert_int_equal(rig.counted, 1);
    assert_int_equal(rig.last_status, GRPC_OK);
    rig_ask(&rig);
    assert_int_equal(rig.calls, 1);
    stop(&rig, &attacker);
}

static void a_timeout_that_is_none_is_refused(void **state)
{
    (void)state;
    static struct attacker attacker;
    struct rig rig;
    start(&rig, &attacker);
    say_timed(&attacker, 1, "/rig.Rig/Talk", "20x");
    HEAR_UNTIL(&attacker, heard_frames(&attacker, HEADERS) == 1);
    assert_int_equal(rig.last_status, GRPC_INVALID_ARGUMENT);
    assert_int_equal(rig.begun, 0);
    stop(&rig, &attacker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_stream_ends_at_its_deadline),
        cmocka_unit_test(a_stream_of_both_ends_at_its_deadline_however_much_is_said),
        cmocka_unit_test(a_message_that_never_ends_has_the_deadline_of_its_call),
        cmocka_unit_test(a_stream_that_ends_before_its_deadline_is_not_ended_again),
        cmocka_unit_test(a_timeout_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
