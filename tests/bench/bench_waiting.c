/* SPDX-License-Identifier: MIT
 *
 * Orchestrations that wait for an activity that no worker has: starts so many, and runs their first
 * turns until it is killed. See waiting.sh.
 *
 *   bench_waiting HUB COUNT [BYTES]     of input each, 5 unless told */
#include <perdure.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { AT_ONCE = 1000 };

static pd_result waits(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, pd_call_activity(o, "nobody_has_it", input));
}

static const pd_function program[] = { PD_FUNCTION("waits", waits) };

static int fail(const char *what, const pd_error *err)
{
    (void)fprintf(stderr, "bench_waiting: %s: %s\n", what, err->text);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fputs("use: bench_waiting HUB COUNT [BYTES]\n", stderr);
        return 2;
    }
    pd_error err;
    size_t count = (size_t)strtoull(argv[2], NULL, 10);
    size_t bytes = argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : 5;
    char *text = malloc(bytes + 1);
    if (text == NULL) {
        return 1;
    }
    (void)snprintf(text, bytes + 1, "%0*d", (int)bytes, 0);
    PD_AUTO(pd_hub) hub = pd_hub_open(argv[1], &err);
    if (hub == NULL) {
        return fail("open", &err);
    }
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    if (worker == NULL) {
        return fail("worker", &err);
    }
    pd_value inputs[AT_ONCE];
    for (size_t i = 0; i < AT_ONCE; i++) {
        inputs[i] = PD_VAL(text);
    }
    for (size_t done = 0; done < count;) {
        size_t n = count - done < AT_ONCE ? count - done : AT_ONCE;
        if (pd_hub_start_many(hub, "waits", n, inputs, NULL, &err) != PD_OK) {
            return fail("start", &err);
        }
        done += n;
    }
    free(text);
    for (;;) {
        (void)pause();
    }
}
