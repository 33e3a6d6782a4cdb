/* SPDX-License-Identifier: MIT
 *
 * Lanes: so many deliveries to one receiver side by side, the others in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/lanes.h"

enum { MANY = LANE_MOST + 3 };

static struct arena arena;
static struct lanes lanes;
static struct activity activities[MANY];

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    lanes = (struct lanes){ NULL };
    for (size_t i = 0; i < MANY; i++) {
        activities[i] = (struct activity){ .partition = 1, .row = 10 + i, .id = 7 };
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct lane *enter(struct text name, size_t i)
{
    return lanes_enter(&lanes, &arena, name, &activities[i]);
}

/* All of them; those past LANE_MOST wait. */
static struct lane *fill(void)
{
    struct lane *lane = enter(TEXT("dead"), 0);
    assert_non_null(lane);
    for (size_t i = 1; i < MANY; i++) {
        assert_ptr_equal(enter(TEXT("dead"), i), i < LANE_MOST ? lane : NULL);
    }
    return lane;
}

static void sixteen_go_and_the_next_ones_wait_in_order(void **state)
{
    (void)state;
    struct lane *lane = fill();
    for (size_t i = LANE_MOST; i < MANY; i++) {
        assert_ptr_equal(lanes_leave(lane), &activities[i]);
    }
    for (size_t i = 0; i < LANE_MOST; i++) {
        assert_null(lanes_leave(lane));
    }
    assert_ptr_equal(enter(TEXT("dead"), 0), lane); /* and there is room again */
}

static void a_full_lane_keeps_nobody_in_another_up(void **state)
{
    struct activity other = { .row = 1 };
    (void)state;
    struct lane *lane = fill();
    struct lane *honest = lanes_enter(&lanes, &arena, TEXT("honest"), &other);
    assert_non_null(honest);
    assert_ptr_not_equal(honest, lane);
    assert_null(lanes_leave(honest));
}

static void what_is_not_wanted_waits_no_more(void **state)
{
    (void)state;
    struct lane *lane = fill();
    assert_null(lanes_take_out(&lanes, 1, 10, 7)); /* is under way */
    assert_null(lanes_take_out(&lanes, 0, 10 + LANE_MOST, 7));
    assert_null(lanes_take_out(&lanes, 1, 10 + LANE_MOST, 8));
    assert_ptr_equal(lanes_take_out(&lanes, 1, 10 + LANE_MOST, 7), &activities[LANE_MOST]);
    assert_ptr_equal(lanes_take_out(&lanes, 1, 10 + LANE_MOST + 1, EVENT_NO_ID),
                     &activities[LANE_MOST + 1]);
    assert_ptr_equal(lanes_leave(lane), &activities[LANE_MOST + 2]);
    assert_null(lanes_leave(lane));
}

static void all_that_wait_can_be_taken(void **state)
{
    (void)state;
    assert_null(lanes_take_any(&lanes));
    (void)fill();
    for (size_t i = LANE_MOST; i < MANY; i++) {
        assert_ptr_equal(lanes_take_any(&lanes), &activities[i]);
    }
    assert_null(lanes_take_any(&lanes));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sixteen_go_and_the_next_ones_wait_in_order),
        T(a_full_lane_keeps_nobody_in_another_up),
        T(what_is_not_wanted_waits_no_more),
        T(all_that_wait_can_be_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
