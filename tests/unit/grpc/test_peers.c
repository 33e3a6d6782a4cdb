/* SPDX-License-Identifier: MIT
 *
 * The server against programs of others: Debian's gRPC for Python, nghttp and h2load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>

#include "rig.h"

static void run_grpcio(const char *test)
{
    struct rig rig;
    bool skipped = false;
    rig_start(&rig, NULL, NULL);
    bool is_fine = rig_script(&rig, "peer_grpcio.py", test, &skipped);
    for (int i = 0; i < 200; i++) { /* what was cancelled arrives a moment later */
        rig_ask(&rig);
        if (rig.calls == 0) {
            break;
        }
        usleep(10000);
    }
    assert_int_equal(rig.calls, 0);
    rig_stop(&rig);
    if (skipped) {
        skip();
    }
    assert_true(is_fine);
}

#define GRPCIO(sentence, test)         \
    static void sentence(void **state) \
    {                                  \
        (void)state;                   \
        run_grpcio(#test);             \
    }

GRPCIO(grpcio_gets_messages_of_every_size_back, echo_of_every_size)
GRPCIO(grpcio_may_send_gzip_and_nothing_else, echo_of_gzip)
GRPCIO(grpcio_reads_every_status_and_its_text, statuses_and_texts)
GRPCIO(grpcio_reads_the_details_of_a_status, status_details)
GRPCIO(grpcio_is_told_that_a_method_is_unknown, unknown_methods)
GRPCIO(grpcio_deadlines_end_calls_in_time, deadlines)
GRPCIO(grpcio_cancels_a_call, cancellation)
GRPCIO(grpcio_reads_streams_of_any_length, server_streams)
GRPCIO(grpcio_talks_both_ways, both_streams)
GRPCIO(grpcio_has_2000_calls_at_once, many_at_once)

static void h2load_loses_no_call(void **state)
{
    (void)state;
    struct rig rig;
    char command[512];
    if (access("/usr/bin/h2load", X_OK) != 0) {
        skip();
    }
    rig_start(&rig, NULL, NULL);
    (void)snprintf(command, sizeof command,
                   "printf '\\0\\0\\0\\0\\5hello' >/tmp/h2load.%d.body && "
                   "h2load -n 20000 -c 4 -m 50 -H 'content-type: application/grpc' -H "
                   "'te: trailers' -d /tmp/h2load.%d.body http://127.0.0.1:%u/rig.Rig/Echo "
                   "| grep -q '20000 done, 20000 succeeded'",
                   getpid(), getpid(), rig.port);
    int status = system(command);
    (void)snprintf(command, sizeof command, "/tmp/h2load.%d.body", getpid());
    (void)unlink(command);
    int begun = rig.begun;
    rig_stop(&rig);
    assert_int_equal(status, 0);
    assert_int_equal(begun, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grpcio_gets_messages_of_every_size_back),
        cmocka_unit_test(grpcio_may_send_gzip_and_nothing_else),
        cmocka_unit_test(grpcio_reads_every_status_and_its_text),
        cmocka_unit_test(grpcio_reads_the_details_of_a_status),
        cmocka_unit_test(grpcio_is_told_that_a_method_is_unknown),
        cmocka_unit_test(grpcio_deadlines_end_calls_in_time),
        cmocka_unit_test(grpcio_cancels_a_call),
        cmocka_unit_test(grpcio_reads_streams_of_any_length),
        cmocka_unit_test(grpcio_talks_both_ways),
        cmocka_unit_test(grpcio_has_2000_calls_at_once),
        cmocka_unit_test(h2load_loses_no_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
