/* SPDX-License-Identifier: MIT
 *
 * One desk for each test, and two workers that may come to it: what most tests of the broker begin
 * with. Included by the test itself, once. */
#ifndef BROKER_TEST_ONE_DESK_H
#define BROKER_TEST_ONE_DESK_H

#include "desk.h"

static struct desk desk;
static struct worker a, b;

static int set_up(void **state)
{
    (void)state;
    desk_open(&desk, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    desk_close(&desk);
    return 0;
}

static inline struct worker *connect(struct worker *worker, struct broker_stream_options options)
{
    worker_open(worker, &desk, &options);
    return worker;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
