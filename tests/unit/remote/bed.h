/* SPDX-License-Identifier: MIT
 *
 * A bed: perdured as a process of its own with a file, and worker processes that can be killed.
 * Server and module are found beside the test's folder. */
#ifndef REMOTE_TEST_BED_H
#define REMOTE_TEST_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <perdure.h>

#include "api/served_kit.h"

struct bed {
    char folder[64], store[128], url[128];
    struct served server;
};

/* Of a group, once, before all tests. */
void bed_find_programs(void);

int bed_open(void **state);
int bed_close(void **state); /* the server ends as it should, or the test fails */
/* Another life of the server, after a death; with the same address. */
void bed_restart(struct bed *bed);

pd_hub *bed_hub(const struct bed *bed);
/* A process with nothing but a worker. Forked before there are threads here. */
pid_t bed_fork_worker(const struct bed *bed, const pd_function *program, size_t n, int threads);
void bed_kill(pid_t process);
void bed_expect_end(pd_hub *hub, const char *id, int64_t output);
void bed_sleep_ms(int64_t ms);

#define BED_TEST(name) cmocka_unit_test_setup_teardown(name, bed_open, bed_close)

#endif
