/* SPDX-License-Identifier: MIT
 *
 * How long the supervisor leaves alone what has ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/supervisor.h"

static void the_delay_grows_while_they_die_young_up_to_a_bound(void **state)
{
    int64_t delay = DELAY_FIRST_MS, sum = 0;
    (void)state;
    assert_int_equal(launch_delay(&delay, 0), DELAY_FIRST_MS);
    assert_int_equal(launch_delay(&delay, LIVED_MS - 1), 2 * DELAY_FIRST_MS);
    for (int i = 0; i < 20; i++) {
        sum = launch_delay(&delay, 0);
    }
    assert_int_equal(sum, DELAY_MAX_MS);
}

static void one_that_lived_long_is_started_again_soon(void **state)
{
    int64_t delay = DELAY_MAX_MS;
    (void)state;
    assert_int_equal(launch_delay(&delay, LIVED_MS), DELAY_FIRST_MS);
    assert_int_equal(launch_delay(&delay, 0), 2 * DELAY_FIRST_MS);
}

static int64_t delay_of_an_engine_that_lived(int64_t ms)
{
    const struct options options = { .hub = "memory:" };
    struct supervisor s = { .options = &options };
    s.engine = (struct engine){
        .is_wanted = true,
        .is_ready = true,
        .was_ready = true,
        .pid = 1,
        .output.fd = -1,
        .since_ms = now_ms() - ms,
        .delay_ms = DELAY_MAX_MS,
    };
    engine_ended(&s, 9);
    assert_int_equal(s.engine.pid, 0);
    return s.engine.start_at_ms - now_ms();
}

static void an_engine_that_ran_well_for_long_is_started_again_soon(void **state)
{
    (void)state;
    assert_in_range(delay_of_an_engine_that_lived(LIVED_MS), 0, DELAY_FIRST_MS);
    assert_in_range(delay_of_an_engine_that_lived(0), DELAY_MAX_MS / 2, DELAY_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_delay_grows_while_they_die_young_up_to_a_bound),
        cmocka_unit_test(one_that_lived_long_is_started_again_soon),
        cmocka_unit_test(an_engine_that_ran_well_for_long_is_started_again_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
