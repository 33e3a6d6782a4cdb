/* SPDX-License-Identifier: MIT
 *
 * Two processes and one file: one runs the engine, the other starts, raises, waits and reads.
 */
#include "process_kit.h"

#include <stdio.h>
#include <stdlib.h>

static struct engine begin(struct kit *kit)
{
    return engine_begin(kit, kit_program, kit_program_size);
}

static void another_process_runs_what_this_one_starts(void **state)
{
    struct kit *kit = *state;
    struct engine engine = begin(kit);
    pd_instance *i = kit_run(kit, "Hello", PD_VAL(PD_ARR("Tokyo")));
    assert_string_equal(pd_instance_output_json(i), "[\"Hello Tokyo!\"]");
    pd_instance_free(i);
    engine_end(&engine);
}

static void commands_of_another_process_arrive_soon(void **state)
{
    struct kit *kit = *state;
    struct engine engine = begin(kit);
    pd_instance_free(kit_run(kit, "Echo", PD_NULL));
    int64_t began = kit_now_ms();
    enum { TIMES = 10 };
    for (int n = 0; n < TIMES; n++) {
        pd_id id;
        kit_start(kit, "WaitFor", PD_VAL("go"), NULL, &id);
        kit_raise(kit, id.text, "go", PD_VAL(n));
        pd_instance *i = kit_wait(kit, id.text);
        assert_int_equal(pd_int(pd_instance_output(i)), n);
        pd_instance_free(i);
    }
    /* Were nobody told of anything, each would take the second that the engine sleeps at most. */
    assert_true(kit_now_ms() - began < TIMES * 500);
    engine_end(&engine);
}

static void the_engine_of_a_file_runs_once(void **state)
{
    struct kit *kit = *state;
    served_skip("any number of processes may have a worker");
    struct engine engine = begin(kit);
    pd_error err;
    assert_null(pd_worker_start(kit->hub, kit_program, kit_program_size, NULL, &err));
    assert_int_equal(err.status, PD_E_STATE);
    char process[16];
    snprintf(process, sizeof(process), "%d", (int)engine.process);
    assert_non_null(strstr(err.text, process));
    engine_end(&engine);
    kit_work(kit);
}

static void what_one_process_began_another_ends(void **state)
{
    struct kit *kit = *state;
    struct engine engine = begin(kit);
    kit_start(kit, "Collect", PD_VAL(2), "c", NULL);
    kit_raise(kit, "c", "item", PD_VAL(1));
    kit_sleep_ms(100);
    engine_end(&engine);
    kit_work(kit);
    kit_raise(kit, "c", "item", PD_VAL(2));
    pd_instance *i = kit_wait(kit, "c");
    assert_string_equal(pd_instance_output_json(i), "[1,2]");
    pd_instance_free(i);
}

static void another_process_manages_what_this_one_runs(void **state)
{
    struct kit *kit = *state;
    struct engine engine = begin(kit);
    pd_hub *hub = kit->hub;
    pd_error err;
    char path[128];
    kit_start(kit, "Collect", PD_VAL(2), "c", NULL);
    kit_raise(kit, "c", "item", PD_VAL(1));
    while (kit_count_events(kit, "c", "EventRaised") == 0) { /* what only waits is not forked */
        kit_sleep_ms(1);
    }
    kit_expect(pd_hub_suspend(hub, "c", NULL, &err), PD_OK, &err, "suspend");
    kit_await_state(kit, "c", PD_RUN_SUSPENDED);
    pd_id fork = { "f" };
    kit_expect(pd_hub_fork(hub, "c", 0, &fork, &err), PD_OK, &err, "fork");
    kit_raise(kit, "f", "item", PD_VAL(2)); /* is there, although only sent */
    kit_assert_ends(kit, "f", PD_RUN_COMPLETED, "[1,2]");
    kit_expect(pd_hub_terminate(hub, "c", "r", true, &err), PD_OK, &err, "terminate");
    kit_assert_ends(kit, "c", PD_RUN_TERMINATED, "\"r\"");
    kit_start(kit, "Tree", PD_VAL(2), "t", NULL);
    kit_assert_ends(kit, "t", PD_RUN_COMPLETED, "7");

    uint64_t count = 0;
    snprintf(path, sizeof(path), "%s/all.pda", kit->folder);
    kit_expect(pd_hub_export(hub, NULL, path, &count, &err), PD_OK, &err, "export");
    assert_int_equal(count, 9);
    pd_purge_options options = { .recursive = true };
    kit_expect(pd_hub_purge_all(hub, NULL, &options, &count, &err), PD_OK, &err, "purge");
    assert_int_equal(count, 9);
    int64_t until = kit_now_ms() + 30000;
    while (kit_count(kit, (pd_query){ 0 }) != 0 && kit_now_ms() < until) {
        kit_sleep_ms(2);
    }
    kit_expect(pd_hub_import(hub, path, &count, &err), PD_OK, &err, "import");
    assert_int_equal(count, 9);
    kit_assert_ends(kit, "t", PD_RUN_COMPLETED, "7");
    kit_assert_ends(kit, "c", PD_RUN_TERMINATED, "\"r\"");
    engine_end(&engine);
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, kit_open_file, kit_close)
    const struct CMUnitTest tests[] = {
        FILE_TEST(another_process_runs_what_this_one_starts),
        FILE_TEST(commands_of_another_process_arrive_soon),
        FILE_TEST(the_engine_of_a_file_runs_once),
        FILE_TEST(what_one_process_began_another_ends),
        FILE_TEST(another_process_manages_what_this_one_runs),
    };
    return cmocka_run_group_tests_name("hub/processes", tests, NULL, NULL);
}
