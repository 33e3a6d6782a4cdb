/* SPDX-License-Identifier: MIT
 *
 * Health and reflection, as Debian's gRPC and protobuf for Python see them; and descriptors that
 * are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "grpc/services_priv.h"
#include "rig.h"

static size_t read_descriptors(char *bytes, size_t room)
{
    char path[64], command[512];
    (void)snprintf(path, sizeof path, "/tmp/perdure-descriptors.%d", getpid());
    (void)snprintf(command, sizeof command,
                   "/usr/bin/python3 " PERDURE_SOURCE_DIR "/tests/unit/grpc/peer_services.py 0 %s",
                   path);
    if (system(command) != 0) {
        return 0;
    }
    FILE *file = fopen(path, "rb");
    size_t size = fread(bytes, 1, room, file);
    (void)fclose(file);
    (void)unlink(path);
    return size;
}

static void health_and_reflection_answer_grpcio(void **state)
{
    (void)state;
    static char bytes[65536];
    struct rig rig;
    bool skipped = false;
    struct text descriptors = text_make(bytes, read_descriptors(bytes, sizeof bytes));
    if (descriptors.size == 0) {
        skip();
    }
    struct grpc_server_options options = { .descriptors = descriptors };
    rig_start(&rig, &options, NULL);
    bool is_fine = rig_script(&rig, "peer_services.py", "-", &skipped);
    rig_stop(&rig);
    assert_true(is_fine);
}

static void descriptors_that_are_damaged_hurt_nobody(void **state)
{
    (void)state;
    static char bytes[65536], damaged[65536];
    size_t size = read_descriptors(bytes, sizeof bytes);
    struct random random;
    random_seed(&random, 1);
    if (size == 0) {
        skip();
    }
    for (int i = 0; i < 2000; i++) {
        memcpy(damaged, bytes, size);
        for (int j = 0; j < 3; j++) {
            damaged[random_below(&random, size)] = (char)random_next(&random);
        }
        reflection_free(reflection_new(text_make(damaged, (size_t)random_below(&random, size))));
    }
    assert_null(reflection_new(TEXT("\x0a\x7fno")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_and_reflection_answer_grpcio),
        cmocka_unit_test(descriptors_that_are_damaged_hurt_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
