/* SPDX-License-Identifier: MIT
 *
 * Options of workers that are seen from outside: versions, and how long what has ended is kept.
 */
#include "hub_kit.h"

#include <stdio.h>

static void start(struct kit *kit, const char *name, const char *id, const char *version)
{
    pd_error err;
    pd_start_options options = { .id = id, .version = version };
    kit_expect(pd_hub_start(kit->hub, name, "x", &options, NULL, &err), PD_OK, &err, id);
}

/* How an instance of this version ends with such a worker. */
static void assert_match(struct kit *kit, const char *instance, const char *worker,
                         pd_version_match match, bool is_run)
{
    static int number;
    char id[16];
    char kept[16]; /* the option is copied */
    snprintf(id, sizeof(id), "i%d", number++);
    snprintf(kept, sizeof(kept), "%s", worker != NULL ? worker : "");
    pd_worker_options options = { .version = worker != NULL ? kept : NULL, .version_match = match };
    kit_work_with(kit, &options);
    memset(kept, '#', sizeof(kept) - 1);
    start(kit, "Echo", id, instance);
    pd_instance *i = kit_wait(kit, id);
    if (is_run) {
        assert_int_equal(pd_instance_state(i), PD_RUN_COMPLETED);
    } else {
        assert_int_equal(pd_instance_state(i), PD_RUN_FAILED);
        assert_string_equal(pd_instance_failure(i)->type, "VersionMismatch");
    }
    pd_instance_free(i);
    kit_rest(kit);
}

static void a_worker_runs_the_versions_that_match(void **state)
{
    struct kit *kit = *state;
    assert_match(kit, "1", "2", PD_VERSION_ANY, true);
    assert_match(kit, "2", NULL, PD_VERSION_ANY, true);
    assert_match(kit, "1.2", "1.2", PD_VERSION_SAME, true);
    assert_match(kit, "1.2", "1.3", PD_VERSION_SAME, false);
    assert_match(kit, "1.9", "1.10", PD_VERSION_SAME_OR_OLDER, true);
    assert_match(kit, "1.10", "1.10", PD_VERSION_SAME_OR_OLDER, true);
    assert_match(kit, "1.11", "1.10", PD_VERSION_SAME_OR_OLDER, false);
    assert_match(kit, NULL, "1", PD_VERSION_SAME_OR_OLDER, true);
}

static void what_does_not_match_can_be_left_to_a_later_worker(void **state)
{
    struct kit *kit = *state;
    pd_worker_options old = {
        .version = "1",
        .version_match = PD_VERSION_SAME,
        .leaves_mismatch = true,
    };
    pd_worker_options new = old;
    new.version = "2";
    kit_work_with(kit, &old);
    start(kit, "Echo", "later", "2");
    start(kit, "Echo", "now", "1");
    kit_assert_ends(kit, "now", PD_RUN_COMPLETED, "\"x\"");
    kit_await_state(kit, "later", PD_RUN_PENDING);
    kit_rest(kit);
    kit_work_with(kit, &new);
    kit_assert_ends(kit, "later", PD_RUN_COMPLETED, "\"x\"");
}

static void children_have_the_version_of_the_worker(void **state)
{
    struct kit *kit = *state;
    pd_worker_options options = { .version = "7" };
    kit_work_with(kit, &options);
    pd_value input = PD_OBJ("name", "Echo", "id", "child", "input", 1).value_;
    kit_start(kit, "Parent", input, "parent", NULL);
    kit_assert_ends(kit, "parent", PD_RUN_COMPLETED, "1");
    pd_instance *parent = kit_fetch(kit, "parent");
    pd_instance *child = kit_fetch(kit, "child");
    assert_null(pd_instance_version(parent));
    assert_string_equal(pd_instance_version(child), "7");
    pd_instance_free(parent);
    pd_instance_free(child);
}

static void what_has_ended_is_forgotten_after_the_time_it_is_kept(void **state)
{
    struct kit *kit = *state;
    served_skip("that is the option of a server");
    pd_worker_options options = {
        .keep_completed = pd_milliseconds(1),
        .keep_failed = pd_days(1),
    };
    kit_work(kit);
    kit_start(kit, "Echo", PD_VAL(1), "old", NULL); /* of an engine that kept all */
    kit_assert_ends(kit, "old", PD_RUN_COMPLETED, "1");
    kit_rest(kit);
    kit_work_with(kit, &options);
    kit_start(kit, "Echo", PD_VAL(1), "done", NULL);
    kit_start(kit, "Fails", PD_VAL("x"), "failed", NULL);
    kit_start(kit, "WaitFor", PD_VAL("go"), "runs", NULL);
    kit_start(kit, "WaitFor", PD_VAL("go"), "ended", NULL);
    pd_error err;
    kit_expect(pd_hub_terminate(kit->hub, "ended", NULL, false, &err), PD_OK, &err, "terminate");
    int64_t until = kit_now_ms() + 30000;
    while (kit_count(kit, (pd_query){ .name = "Echo" }) != 0 && kit_now_ms() < until) {
        kit_sleep_ms(5);
    }
    assert_int_equal(kit_count(kit, (pd_query){ .name = "Echo" }), 0);
    kit_await_state(kit, "failed", PD_RUN_FAILED);
    kit_await_state(kit, "ended", PD_RUN_TERMINATED); /* 0: until it is purged */
    kit_await_state(kit, "runs", PD_RUN_RUNNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(a_worker_runs_the_versions_that_match),
        HUB_TEST(what_does_not_match_can_be_left_to_a_later_worker),
        HUB_TEST(children_have_the_version_of_the_worker),
        HUB_TEST(what_has_ended_is_forgotten_after_the_time_it_is_kept),
    };
    return cmocka_run_group_tests_name("hub/worker", tests, NULL, NULL);
}
