/* SPDX-License-Identifier: MIT
 *
 * A server with nothing in it and a worker at its desk, for each test. Included by the test itself,
 * once. */
#ifndef TESTS_SERVER_ONE_SERVER_H
#define TESTS_SERVER_ONE_SERVER_H

#include "served.h"

static struct served served;
static struct desk desk;

static int set_up(void **state)
{
    (void)state;
    served_start(&served, NULL);
    desk_open(&desk, &served, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    desk_close(&desk);
    served_stop(&served);
    return 0;
}

#define ROW(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
