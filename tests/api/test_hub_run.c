/* SPDX-License-Identifier: MIT
 *
 * Instances from start to end: results, failures, ids, replacement, many at once, restarts.
 */
#include "hub_kit.h"

#include <stdlib.h>

static void assert_output(pd_instance *i, const char *json)
{
    assert_int_equal(pd_instance_state(i), PD_RUN_COMPLETED);
    assert_string_equal(pd_instance_output_json(i), json);
    pd_instance_free(i);
}

static void a_chain_of_activities_gives_its_results_in_order(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    pd_instance *i = kit_run(kit, "Hello", PD_VAL(PD_ARR("Tokyo", "Seattle", "London")));
    pd_value output = pd_instance_output(i);
    assert_int_equal(pd_count(output), 3);
    assert_string_equal(pd_text(pd_at(output, 1)), "Hello Seattle!");
    assert_string_equal(pd_instance_input_json(i), "[\"Tokyo\",\"Seattle\",\"London\"]");
    assert_string_equal(pd_instance_name(i), "Hello");
    assert_null(pd_instance_version(i));
    assert_true(pd_instance_is_ended(i));
    assert_true(pd_instance_created_at(i).ms > 0);
    assert_true(pd_instance_ended_at(i).ms >= pd_instance_created_at(i).ms);
    assert_int_equal(strlen(pd_instance_execution_id(i)), 32);
    assert_output(i, "[\"Hello Tokyo!\",\"Hello Seattle!\",\"Hello London!\"]");
}

static void activities_run_side_by_side_and_are_all_counted(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    assert_output(kit_run(kit, "FanOut", PD_VAL(500)), "41541750");
    /* So many that most come without the room for their result (activity.c of core). */
    assert_output(kit_run(kit, "FanOut", PD_VAL(5000)), "41654167500");
}

static void an_orchestrator_without_steps_completes(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    assert_output(kit_run(kit, "Echo", PD_NULL), "null");
    assert_output(kit_run(kit, "Echo", PD_VAL(PD_OBJ("a", 1, "b", PD_ARR(1.5, PD_TRUE)))),
                  "{\"a\":1,\"b\":[1.5,true]}");
}

static void a_function_can_be_started_by_itself(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    pd_error err;
    pd_id id;
    assert_int_equal(pd_hub_start(kit->hub, kit_hello, PD_NULL, NULL, &id, &err), PD_OK);
    pd_instance *i = kit_wait(kit, id.text);
    assert_string_equal(pd_instance_name(i), "Hello");
    assert_output(i, "[]");
}

static pd_result stranger(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static void a_function_that_is_not_in_the_program_is_refused(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    pd_error err;
    assert_int_equal(pd_hub_start(kit->hub, stranger, PD_NULL, NULL, NULL, &err), PD_E_INVALID);
}

static void a_failure_is_kept_with_type_message_and_cause(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    pd_instance *i = kit_run(kit, "Fails", PD_VAL("milk"));
    assert_int_equal(pd_instance_state(i), PD_RUN_FAILED);
    assert_string_equal(pd_instance_output_json(i), "null");
    assert_string_equal(pd_instance_failure(i)->type, "Refused");
    assert_string_equal(pd_instance_failure(i)->message, "no milk today");
    pd_instance_free(i);

    i = kit_run(kit, "FailsInActivity", PD_VAL("noon"));
    assert_int_equal(pd_instance_state(i), PD_RUN_FAILED);
    const pd_failure *f = pd_instance_failure(i);
    assert_string_equal(f->type, "TaskFailed");
    assert_non_null(f->cause);
    assert_string_equal(f->cause->type, "Broken");
    assert_string_equal(f->cause->message, "it broke at noon");
    pd_instance_free(i);
}

static void a_name_that_nobody_registered_fails_the_instance(void **state)
{
    struct kit *kit = *state;
    served_skip("it waits for a worker that has the name");
    kit_work(kit);
    pd_instance *i = kit_run(kit, "Nobody", PD_NULL);
    assert_int_equal(pd_instance_state(i), PD_RUN_FAILED);
    assert_string_equal(pd_instance_failure(i)->type, "OrchestratorNotFound");
    pd_instance_free(i);
}

static void an_id_is_taken_until_its_instance_has_ended(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    pd_error err;
    pd_start_options options = { .id = "order-1", .version = "v2" };
    assert_int_equal(pd_hub_start(kit->hub, "WaitFor", "go", &options, NULL, &err), PD_OK);
    pd_id id = { "untouched" };
    assert_int_equal(pd_hub_start(kit->hub, "Echo", 1, &options, &id, &err), PD_E_EXISTS);
    assert_int_equal(err.status, PD_E_EXISTS);
    assert_string_equal(id.text, "untouched");
    kit_raise(kit, "order-1", "go", PD_VAL(7));
    pd_instance *first = kit_wait(kit, "order-1");
    assert_string_equal(pd_instance_version(first), "v2");

    kit_start(kit, "Echo", PD_VAL(2), "order-1", NULL);
    pd_instance *second = kit_wait(kit, "order-1");
    assert_string_not_equal(pd_instance_execution_id(first), pd_instance_execution_id(second));
    assert_output(first, "7");
    assert_output(second, "2");
}

static void many_are_started_at_once_and_told_one_by_one(void **state)
{
    enum { COUNT = 200 };
    struct kit *kit = *state;
    kit_work(kit);
    pd_value inputs[COUNT];
    pd_id *ids = calloc(COUNT, sizeof(*ids));
    assert_non_null(ids);
    for (int i = 0; i < COUNT; i++) {
        inputs[i] = PD_VAL(i);
    }
    memcpy(ids[3].text, "three", 6);
    memcpy(ids[9].text, "nine", 5);
    memcpy(ids[10].text, "three", 6);                         /* taken within the call */
    kit_start(kit, "WaitFor", PD_VAL("never"), "nine", NULL); /* taken before it */
    pd_error err;
    assert_int_equal(pd_hub_start_many(kit->hub, "Echo", COUNT, inputs, ids, &err), PD_E_EXISTS);
    for (int i = 0; i < COUNT; i++) {
        if (i == 9 || i == 10) {
            assert_string_equal(ids[i].text, "");
            continue;
        }
        pd_instance *one = kit_wait(kit, ids[i].text);
        assert_int_equal(pd_int(pd_instance_output(one)), i);
        pd_instance_free(one);
    }
    assert_string_equal(ids[3].text, "three");
    free(ids);
}

static void a_bad_argument_among_many_starts_none(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    pd_id ids[3] = { { "a" }, { "b\tc" }, { "d" } };
    pd_error err;
    assert_int_equal(pd_hub_start_many(kit->hub, "Echo", 3, NULL, ids, &err), PD_E_INVALID);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(ids[i].text, "");
    }
    assert_null(pd_hub_fetch(kit->hub, "a", &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
    assert_int_equal(pd_hub_start_many(kit->hub, "Echo", 0, NULL, NULL, &err), PD_OK);
    assert_int_equal(pd_hub_start_many(kit->hub, "Echo", 5, NULL, NULL, &err), PD_OK);
}

static void an_unfinished_instance_goes_on_with_the_next_worker(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Collect", PD_VAL(2), "c", NULL);
    kit_raise(kit, "c", "item", PD_VAL("one"));
    kit_rest(kit);
    pd_error err;
    pd_instance *i = pd_hub_fetch(kit->hub, "c", &err);
    assert_non_null(i);
    assert_false(pd_instance_is_ended(i));
    pd_instance_free(i);
    kit_work(kit);
    kit_raise(kit, "c", "item", PD_VAL("two"));
    assert_output(kit_wait(kit, "c"), "[\"one\",\"two\"]");
}

static void timers_fire(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    int64_t began = kit_now_ms();
    assert_output(kit_run(kit, "Sleep", PD_VAL(150)), "null");
    assert_true(kit_now_ms() - began >= 150);
}

static void a_hub_has_one_worker(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    pd_error err;
    assert_null(pd_worker_start(kit->hub, kit_program, kit_program_size, NULL, &err));
    assert_int_equal(err.status, PD_E_STATE);
    kit_rest(kit);
    kit_work(kit);
}

static void a_program_with_a_name_twice_or_missing_is_refused(void **state)
{
    struct kit *kit = *state;
    const pd_function twice[] = { PD_FUNCTION("A", stranger), PD_FUNCTION("A", stranger) };
    const pd_function unnamed[] = { PD_FUNCTION(NULL, stranger) };
    pd_error err;
    assert_null(pd_worker_start(kit->hub, PD_PROGRAM(twice), NULL, &err));
    assert_int_equal(err.status, PD_E_INVALID);
    assert_null(pd_worker_start(kit->hub, PD_PROGRAM(unnamed), NULL, &err));
    assert_int_equal(err.status, PD_E_INVALID);
    kit_work(kit); /* the hub is as before */
}

static void closing_the_hub_stops_its_worker(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Hello", PD_VAL(PD_ARR("a", "b")), NULL, NULL);
    pd_hub_close(kit->hub);
    kit->worker = NULL;
    pd_error err;
    kit->hub = pd_hub_open(kit->url, &err);
    assert_non_null(kit->hub);
    kit_work(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(a_chain_of_activities_gives_its_results_in_order),
        HUB_TEST(activities_run_side_by_side_and_are_all_counted),
        HUB_TEST(an_orchestrator_without_steps_completes),
        HUB_TEST(a_function_can_be_started_by_itself),
        HUB_TEST(a_function_that_is_not_in_the_program_is_refused),
        HUB_TEST(a_failure_is_kept_with_type_message_and_cause),
        HUB_TEST(a_name_that_nobody_registered_fails_the_instance),
        HUB_TEST(an_id_is_taken_until_its_instance_has_ended),
        HUB_TEST(many_are_started_at_once_and_told_one_by_one),
        HUB_TEST(a_bad_argument_among_many_starts_none),
        HUB_TEST(an_unfinished_instance_goes_on_with_the_next_worker),
        HUB_TEST(timers_fire),
        HUB_TEST(a_hub_has_one_worker),
        HUB_TEST(a_program_with_a_name_twice_or_missing_is_refused),
        HUB_TEST(closing_the_hub_stops_its_worker),
    };
    return cmocka_run_group_tests_name("hub/run", tests, NULL, NULL);
}
