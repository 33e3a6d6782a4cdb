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
    lanes = (struct lanes){ NULL, 0 };
    for (size_t i = 0; i < MANY; i++) {
        activities[i] = (struct activity){ .partition = 1, .row = 10 + i, .id = 7, .size = 1000 };
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

/* All of them; those past LANE_MOST wait. */
static struct lane *fill(void)
{
    struct lane *lane;
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(lanes_enter(&lanes, &arena, TEXT("dead"), &activities[i], &lane),
                         i < LANE_MOST ? LANE_GOES : LANE_WAITS);
    }
    return lane;
}

static void sixteen_go_and_the_next_ones_wait_in_order(void **state)
{
    (void)state;
    struct lane *lane = fill();
    for (size_t i = LANE_MOST; i < MANY; i++) {
        assert_ptr_equal(lanes_leave(&lanes, lane), &activities[i]);
    }
    for (size_t i = 0; i < LANE_MOST; i++) {
        assert_null(lanes_leave(&lanes, lane));
    }
    struct lane *again;
    assert_int_equal(lanes_enter(&lanes, &arena, TEXT("dead"), &activities[0], &again), LANE_GOES);
    assert_ptr_equal(again, lane); /* and there is room again */
}

static void a_full_lane_keeps_nobody_in_another_up(void **state)
{
    struct activity other = { .row = 1 };
    (void)state;
    struct lane *lane = fill();
    struct lane *honest;
    assert_int_equal(lanes_enter(&lanes, &arena, TEXT("honest"), &other, &honest), LANE_GOES);
    assert_ptr_not_equal(honest, lane);
    assert_null(lanes_leave(&lanes, honest));
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
    assert_ptr_equal(lanes_leave(&lanes, lane), &activities[LANE_MOST + 2]);
    assert_null(lanes_leave(&lanes, lane));
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

/* Takes what waits in a lane up to that many bytes, each a 64th of all that may. */
static void fill_with(struct text name, struct activity *each, size_t fit)
{
    struct lane *lane;
    for (size_t i = 0; i < LANE_MOST + fit; i++) {
        each[i] = (struct activity){ .row = i, .size = LANE_BYTES_MOST / 64 };
        assert_int_equal(lanes_enter(&lanes, &arena, name, &each[i], &lane),
                         i < LANE_MOST ? LANE_GOES : LANE_WAITS);
    }
    struct activity past = { .size = 1 };
    assert_int_equal(lanes_enter(&lanes, &arena, name, &past, &lane), LANE_FULL);
}

static void what_waits_is_bounded_in_bytes_and_one_that_is_dead_leaves_room_for_others(void **state)
{
    static struct activity dead[LANE_MOST + 32], second[LANE_MOST + 16], third[LANE_MOST + 8];
    struct lane *lane;
    (void)state;
    fill_with(TEXT("dead"), dead, 32); /* half */
    fill_with(TEXT("second"), second, 16);
    fill_with(TEXT("third"), third, 8);
    struct activity large = { .size = LANE_BYTES_MOST / 8 }, larger = { .size = large.size + 1 };
    struct activity entered[LANE_MOST];
    for (size_t i = 0; i < LANE_MOST; i++) {
        (void)lanes_enter(&lanes, &arena, TEXT("fourth"), &entered[i], &lane);
    }
    assert_int_equal(lanes_enter(&lanes, &arena, TEXT("fourth"), &larger, &lane), LANE_FULL);
    assert_int_equal(lanes_enter(&lanes, &arena, TEXT("fourth"), &large, &lane), LANE_WAITS);
    assert_int_equal(lanes.bytes, LANE_BYTES_MOST);
    assert_ptr_equal(lanes_leave(&lanes, lane), &large); /* and its bytes are free again: */
    assert_int_equal(lanes_enter(&lanes, &arena, TEXT("fourth"), &large, &lane), LANE_WAITS);
    assert_non_null(lanes_take_out(&lanes, 0, LANE_MOST, EVENT_NO_ID));
    while (lanes_take_any(&lanes) != NULL) {}
    assert_int_equal(lanes.bytes, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sixteen_go_and_the_next_ones_wait_in_order),
        T(a_full_lane_keeps_nobody_in_another_up),
        T(what_is_not_wanted_waits_no_more),
        T(all_that_wait_can_be_taken),
        T(what_waits_is_bounded_in_bytes_and_one_that_is_dead_leaves_room_for_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
