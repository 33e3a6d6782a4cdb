/* SPDX-License-Identifier: MIT
 *
 * The memory provider: the contract, and the hooks the simulator uses. */
#include "rig.h"

#include "store/mem/mem.h"

static void a_commit_told_to_fail_before_is_not_there(void **state)
{
    struct world *world = *state;
    struct instance_record record;
    store_mem_fail_commit(world->store, 2, MEM_FAIL_LOST);
    struct batch *batch = batch_for(world, 0);
    insert(world, batch, "first", RUN_RUNNING);
    commit_ok(world, batch);
    batch = batch_for(world, 0);
    insert(world, batch, "second", RUN_RUNNING);
    assert_int_equal(commit(world, batch), PD_E_UNAVAILABLE);
    assert_true(world->err.retryable);
    assert_true(find(world, "first", &record));
    assert_false(find(world, "second", &record));
    batch = batch_for(world, 0);
    insert(world, batch, "third", RUN_RUNNING);
    commit_ok(world, batch);
    assert_int_equal(store_mem_commit_count(world->store), 2);
}

static void a_commit_told_to_fail_after_is_there(void **state)
{
    struct world *world = *state;
    struct instance_record record;
    store_mem_fail_commit(world->store, 1, MEM_FAIL_DONE);
    struct batch *batch = batch_for(world, 0);
    insert(world, batch, "lost answer", RUN_RUNNING);
    assert_int_equal(commit(world, batch), PD_E_UNAVAILABLE);
    assert_true(find(world, "lost answer", &record));
}

static void a_handle_is_dead_after_a_crash(void **state)
{
    struct world *world = *state;
    struct instance_record record;
    bool found;
    world_crash(world);
    struct store *dead = world->dead;
    assert_int_equal(
        dead->ops->load_instance(dead, TEXT("a"), 0, &world->arena, &record, &found, &world->err),
        PD_E_UNAVAILABLE);
    assert_int_equal(dead->ops->commit(dead, NULL, 0, &world->err), PD_E_UNAVAILABLE);
    struct batch *batch = batch_for(world, 0);
    insert(world, batch, "a", RUN_RUNNING);
    commit_ok(world, batch);
}

int main(void)
{
    static const struct CMUnitTest own[] = {
        cmocka_unit_test(a_commit_told_to_fail_before_is_not_there),
        cmocka_unit_test(a_commit_told_to_fail_after_is_there),
        cmocka_unit_test(a_handle_is_dead_after_a_crash),
    };
    return run_suite(&provider_mem, own, sizeof own / sizeof own[0]);
}
