/* SPDX-License-Identifier: MIT
 *
 * A process whose SQLite does not count its memory. A program of its own, as that is said once, and
 * before all else. */
#include "rig.h"

#include <sqlite3.h>

static void a_store_works_and_no_memory_is_counted(void **state)
{
    struct world *world = *state;
    struct instance_record found;
    bool is_found = false;
    world_own(world);
    struct batch *batch = batch_for(world, 0);
    insert(world, batch, "one", RUN_RUNNING);
    commit_ok(world, batch);
    assert_int_equal(world->store->ops->load_instance(world->store, text_of("one"), 0,
                                                      &world->arena, &found, &is_found,
                                                      &world->err),
                     PD_OK);
    assert_true(is_found);
    assert_true(sqlite3_memory_used() == 0);
}

static void said_too_late_it_does_no_harm(void **state)
{
    store_count_no_memory();
    a_store_works_and_no_memory_is_counted(state);
}

int main(void)
{
    union {
        const struct provider *given;
        void *state;
    } initial = { .given = &provider_sqlite };
#define TEST(name) \
    cmocka_unit_test_prestate_setup_teardown(name, world_set_up, world_tear_down, initial.state)
    const struct CMUnitTest tests[] = {
        TEST(a_store_works_and_no_memory_is_counted),
        TEST(said_too_late_it_does_no_harm),
    };
    store_count_no_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
