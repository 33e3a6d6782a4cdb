/* SPDX-License-Identifier: MIT
 *
 * Ends, as those who wait for instances and keep house see them: whoever waits hears of every kind
 * of end, and what is old enough is forgotten while what is younger stays.
 */
#include "hub_kit.h"

#include <pthread.h>

struct waiter {
    struct kit *kit;
    const char *id;
    pd_run_state wanted;
    pd_run_state seen;
    pthread_t thread;
};

static void *wait_for_end(void *argument)
{
    struct waiter *waiter = argument;
    pd_error err;
    pd_instance *i = pd_hub_wait(waiter->kit->hub, waiter->id, pd_seconds(30), &err);
    waiter->seen = i != NULL ? pd_instance_state(i) : PD_RUN_PENDING;
    pd_instance_free(i);
    return NULL;
}

static void who_waits_hears_of_every_kind_of_end(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    struct waiter waiters[] = {
        { kit, "completes", PD_RUN_COMPLETED, PD_RUN_PENDING, 0 },
        { kit, "fails", PD_RUN_FAILED, PD_RUN_PENDING, 0 },
        { kit, "is terminated", PD_RUN_TERMINATED, PD_RUN_PENDING, 0 },
        { kit, "is terminated while suspended", PD_RUN_TERMINATED, PD_RUN_PENDING, 0 },
        { kit, "is terminated in a loop", PD_RUN_TERMINATED, PD_RUN_PENDING, 0 },
    };
    enum { WAITERS = sizeof(waiters) / sizeof(waiters[0]) };
    kit_work(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "completes", NULL);
    pd_value in_child = PD_OBJ("name", "WaitFor", "id", "child", "input", "go").value_;
    kit_start(kit, "Parent", in_child, "fails", NULL);
    kit_start(kit, "WaitFor", PD_VAL("go"), "is terminated", NULL);
    kit_start(kit, "WaitFor", PD_VAL("go"), "is terminated while suspended", NULL);
    kit_start(kit, "Loop", PD_VAL(1000000), "is terminated in a loop", NULL);
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_end, &waiters[i]), 0);
    }
    kit_await_state(kit, "child", PD_RUN_RUNNING);
    kit_expect(pd_hub_suspend(kit->hub, waiters[3].id, NULL, &err), PD_OK, &err, "suspend");
    kit_raise(kit, "completes", "go", PD_NULL);
    kit_expect(pd_hub_terminate(kit->hub, "child", NULL, false, &err), PD_OK, &err, "child");
    for (int i = 2; i < WAITERS; i++) {
        kit_expect(pd_hub_terminate(kit->hub, waiters[i].id, NULL, false, &err), PD_OK, &err,
                   "end");
    }
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
        assert_int_equal(waiters[i].seen, waiters[i].wanted);
    }
}

static void purging_by_age_and_status_leaves_what_is_younger_or_other(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    uint64_t purged = 0;
    kit_work(kit);
    kit_start(kit, "Echo", PD_VAL(1), "old", NULL);
    kit_assert_ends(kit, "old", PD_RUN_COMPLETED, "1");
    kit_start(kit, "Fails", PD_VAL("x"), "old and failed", NULL);
    kit_assert_ends(kit, "old and failed", PD_RUN_FAILED, "null");
    kit_start(kit, "WaitFor", PD_VAL("go"), "old and running", NULL);
    kit_await_state(kit, "old and running", PD_RUN_RUNNING);
    kit_sleep_ms(20);
    pd_instance *i = kit_fetch(kit, "old and failed");
    pd_time then = pd_after(pd_instance_ended_at(i), pd_milliseconds(5));
    pd_instance_free(i);
    kit_start(kit, "Echo", PD_VAL(1), "young", NULL);
    kit_assert_ends(kit, "young", PD_RUN_COMPLETED, "1");
    pd_query query = { .states = 1u << PD_RUN_COMPLETED, .ended_to = then };
    kit_expect(pd_hub_purge_all(kit->hub, &query, NULL, &purged, &err), PD_OK, &err, "purge");
    assert_int_equal(purged, 1);
    assert_null(pd_hub_fetch(kit->hub, "old", &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
    kit_await_state(kit, "old and failed", PD_RUN_FAILED);
    kit_await_state(kit, "old and running", PD_RUN_RUNNING);
    kit_await_state(kit, "young", PD_RUN_COMPLETED);
    query.states = 0;
    kit_expect(pd_hub_purge_all(kit->hub, &query, NULL, &purged, &err), PD_OK, &err, "purge");
    assert_int_equal(purged, 1);
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(who_waits_hears_of_every_kind_of_end),
        HUB_TEST(purging_by_age_and_status_leaves_what_is_younger_or_other),
    };
    return cmocka_run_group_tests_name("pattern/ends", tests, NULL, NULL);
}
