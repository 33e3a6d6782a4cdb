/* SPDX-License-Identifier: MIT
 *
 * Raising events, and commands without a worker: the mailbox, and what is seen of it.
 */
#include "hub_kit.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_ends_with(struct kit *kit, const char *id, const char *json)
{
    pd_instance *i = kit_wait(kit, id);
    assert_int_equal(pd_instance_state(i), PD_RUN_COMPLETED);
    assert_string_equal(pd_instance_output_json(i), json);
    pd_instance_free(i);
}

/* ---- with a worker -------------------------------------------------------------------------- */

static void events_arrive_in_order_also_before_they_are_expected(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Collect", PD_VAL(4), "c", NULL);
    kit_raise(kit, "c", "item", PD_VAL(1));
    kit_raise(kit, "c", "ITEM", PD_VAL(2)); /* names are case-insensitive */
    kit_raise(kit, "c", "other", PD_VAL(99));
    kit_raise(kit, "c", "item", PD_VAL(PD_OBJ("n", 3)));
    kit_raise(kit, "c", "item", PD_NULL);
    assert_ends_with(kit, "c", "[1,2,{\"n\":3},null]");
}

static void raising_for_nobody_or_for_an_ended_instance_is_told(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    pd_error err;
    assert_int_equal(pd_hub_raise_event(kit->hub, "x", "e", 1, &err), PD_E_NOT_FOUND);
    assert_int_equal(err.status, PD_E_NOT_FOUND);
    kit_start(kit, "Echo", PD_NULL, "x", NULL);
    pd_instance_free(kit_wait(kit, "x"));
    assert_int_equal(pd_hub_raise_event(kit->hub, "x", "e", 1, &err), PD_E_STATE);
    assert_int_equal(err.status, PD_E_STATE);
}

/* ---- without one ---------------------------------------------------------------------------- */

static void a_start_without_a_worker_is_pending_and_runs_later(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_id id;
    pd_start_options options = { .version = "3" };
    assert_int_equal(pd_hub_start(kit->hub, "Echo", 5, &options, &id, &err), PD_OK);
    pd_instance *i = pd_hub_fetch(kit->hub, id.text, &err);
    assert_non_null(i);
    assert_int_equal(pd_instance_state(i), PD_RUN_PENDING);
    assert_string_equal(pd_instance_id_of(i), id.text);
    assert_string_equal(pd_instance_name(i), "Echo");
    assert_string_equal(pd_instance_version(i), "3");
    assert_string_equal(pd_instance_input_json(i), "5");
    assert_int_equal(strlen(pd_instance_execution_id(i)), 32);
    assert_true(pd_instance_created_at(i).ms > 0);
    pd_instance_free(i);
    assert_null(pd_hub_wait(kit->hub, id.text, pd_milliseconds(30), &err));
    assert_int_equal(err.status, PD_E_TIMEOUT);
    pd_history *h = pd_hub_fetch_history(kit->hub, id.text, &err);
    assert_non_null(h);
    assert_int_equal(pd_history_count(h), 0);
    pd_history_free(h);
    kit_work(kit);
    assert_ends_with(kit, id.text, "5");
}

static void an_id_is_taken_while_its_start_waits(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_start(kit, "Echo", PD_VAL(1), "a", NULL);
    pd_start_options options = { .id = "a" };
    assert_int_equal(pd_hub_start(kit->hub, "Echo", 2, &options, NULL, &err), PD_E_EXISTS);
    kit_work(kit);
    assert_ends_with(kit, "a", "1");
}

static void a_start_right_after_the_worker_does_not_overtake_one_that_waits(void **state)
{
    enum { COUNT = 300 };
    struct kit *kit = *state;
    pd_error err;
    pd_id *ids = calloc(COUNT, sizeof(*ids));
    pd_value *inputs = calloc(COUNT, sizeof(*inputs));
    assert_true(ids != NULL && inputs != NULL);
    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i].text, sizeof(ids[i].text), "id-%d", i);
        inputs[i] = PD_VAL("go");
    }
    kit_expect(pd_hub_start_many(kit->hub, "WaitFor", COUNT, inputs, ids, &err), PD_OK, &err, "1");
    kit_work(kit);
    pd_start_options last = { .id = "id-299" };
    assert_int_equal(pd_hub_start(kit->hub, "Echo", 2, &last, NULL, &err), PD_E_EXISTS);
    assert_int_equal(pd_hub_start_many(kit->hub, "Echo", COUNT, NULL, ids, &err), PD_E_EXISTS);
    for (int i = 0; i < COUNT; i++) {
        assert_string_equal(ids[i].text, "");
        char id[16];
        snprintf(id, sizeof(id), "id-%d", i);
        kit_raise(kit, id, "go", PD_VAL(i));
    }
    assert_ends_with(kit, "id-299", "299");
    kit_start(kit, "Echo", PD_VAL(3), "id-299", NULL); /* which has ended */
    assert_ends_with(kit, "id-299", "3");
    free(inputs);
    free(ids);
}

static void an_event_for_a_start_that_waits_is_kept_for_it(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "Collect", PD_VAL(2), "c", NULL);
    kit_raise(kit, "c", "item", PD_VAL("first"));
    kit_work(kit);
    /* Perhaps still in the mailbox: also then the event must not be refused. */
    kit_raise(kit, "c", "item", PD_VAL("second"));
    pd_instance *i = kit_wait(kit, "c");
    assert_int_equal(pd_count(pd_instance_output(i)), 2);
    pd_instance_free(i);
}

static void raising_without_a_worker_judges_as_the_engine_does(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    assert_int_equal(pd_hub_raise_event(kit->hub, "x", "e", 1, &err), PD_E_NOT_FOUND);
    kit_work(kit);
    kit_start(kit, "Echo", PD_NULL, "x", NULL);
    pd_instance_free(kit_wait(kit, "x"));
    kit_start(kit, "WaitFor", PD_VAL("go"), "y", NULL);
    kit_rest(kit);
    assert_int_equal(pd_hub_raise_event(kit->hub, "x", "e", 1, &err), PD_E_STATE);
    kit_raise(kit, "y", "go", PD_VAL("late"));
    kit_work(kit);
    assert_ends_with(kit, "y", "\"late\"");
}

static void a_start_that_waits_hides_the_ended_instance_it_replaces(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Echo", PD_VAL("old"), "a", NULL);
    assert_ends_with(kit, "a", "\"old\"");
    kit_rest(kit);
    kit_start(kit, "Echo", PD_VAL("new"), "a", NULL);
    pd_error err;
    pd_instance *i = pd_hub_fetch(kit->hub, "a", &err);
    assert_non_null(i);
    assert_int_equal(pd_instance_state(i), PD_RUN_PENDING);
    pd_instance_free(i);
    assert_null(pd_hub_wait(kit->hub, "a", pd_milliseconds(150), &err));
    assert_int_equal(err.status, PD_E_TIMEOUT);
    kit_work(kit);
    assert_ends_with(kit, "a", "\"new\"");
}

static void many_starts_without_a_worker_refuse_only_what_is_taken(void **state)
{
    enum { COUNT = 5000 }; /* more than one portion */
    struct kit *kit = *state;
    pd_id *ids = calloc(COUNT, sizeof(*ids));
    assert_non_null(ids);
    static const size_t taken[] = { 0, 17, 18, 4095, 4096, COUNT - 1 };
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        memcpy(ids[taken[i]].text, "taken", 6);
    }
    kit_start(kit, "Echo", PD_NULL, "taken", NULL);
    pd_error err;
    assert_int_equal(pd_hub_start_many(kit->hub, "Echo", COUNT, NULL, ids, &err), PD_E_EXISTS);
    size_t refused = 0;
    for (size_t i = 0; i < COUNT; i++) {
        refused += ids[i].text[0] == '\0';
    }
    assert_int_equal(refused, sizeof(taken) / sizeof(taken[0]));
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        assert_string_equal(ids[taken[i]].text, "");
    }
    kit_work(kit);
    for (size_t i = 1; i < COUNT; i += 611) {
        assert_ends_with(kit, ids[i].text, "null");
    }
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(events_arrive_in_order_also_before_they_are_expected),
        HUB_TEST(raising_for_nobody_or_for_an_ended_instance_is_told),
        HUB_TEST(a_start_without_a_worker_is_pending_and_runs_later),
        HUB_TEST(an_id_is_taken_while_its_start_waits),
        HUB_TEST(a_start_right_after_the_worker_does_not_overtake_one_that_waits),
        HUB_TEST(an_event_for_a_start_that_waits_is_kept_for_it),
        HUB_TEST(raising_without_a_worker_judges_as_the_engine_does),
        HUB_TEST(a_start_that_waits_hides_the_ended_instance_it_replaces),
        HUB_TEST(many_starts_without_a_worker_refuse_only_what_is_taken),
    };
    return cmocka_run_group_tests_name("hub/events", tests, NULL, NULL);
}
