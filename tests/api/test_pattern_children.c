/* SPDX-License-Identifier: MIT
 *
 * Children as an orchestrator's author uses them: by function or name, their IDs and versions,
 * retries, failures with their cause, many at once, and who outlives whom. Families as a client
 * manages them are in test_hub_children.c.
 */
#include "hub_kit.h"

#include <stdatomic.h>
#include <stdio.h>

/* ---- the program ---------------------------------------------------------------------------- */

static atomic_int runs;

static pd_result stumble(pd_activity *a, pd_value times)
{
    int run = atomic_fetch_add(&runs, 1);
    if (run < pd_int(times)) {
        return pd_fail(a, "Stumbled", "run %d", run + 1);
    }
    return pd_ok(a, run + 1);
}

/* Who it is. */
static pd_result self(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, PD_OBJ("input", input, "id", pd_instance_id(o), "parent", pd_parent_id(o),
                           "version", pd_own_version(o)));
}

static pd_result by_function_and_name(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_value function = pd_call_child(o, self, 1, .id = "by function");
    pd_value name = pd_call_child(o, "Self", 2, .id = "by name");
    return pd_ok(o, PD_ARR(pd_get(function, "input"), pd_get(name, "input")));
}

static pd_result without_id(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_call_activity(o, stumble, 0);
    pd_value child = pd_call_child(o, self, PD_NULL);
    const char *wanted = pd_format(o, "%s:0001", pd_execution_id(o));
    bool is_wanted = strcmp(pd_text(pd_get(child, "id")), wanted) == 0;
    return pd_ok(o, PD_ARR(is_wanted, pd_get(child, "parent")));
}

static pd_result versions(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_value workers = pd_call_child(o, self, 1);
    pd_value asked = pd_call_child(o, self, 1, .version = "7");
    pd_value none = pd_call_child(o, self, 1, .version = "");
    return pd_ok(o, PD_ARR(pd_own_version(o), pd_get(workers, "version"), pd_get(asked, "version"),
                           pd_get(none, "version")));
}

static pd_result needs_luck(pd_orchestration *o, pd_value times)
{
    pd_value run = pd_call_activity(o, stumble, times);
    return pd_ok(o, run);
}

static pd_result patient(pd_orchestration *o, pd_value times)
{
    static const pd_retry policy = { .attempts_max = 4, .delay_first = { 2 } };
    pd_task *child = pd_start_child(o, needs_luck, times, .id = "child", .retry = &policy);
    if (pd_wait(o, child)) {
        return pd_ok(o, pd_task_value(child));
    }
    const pd_failure *f = pd_task_failure(child);
    return pd_ok(o, PD_ARR(f->type, f->cause->type, f->cause->message));
}

static pd_result many(pd_orchestration *o, pd_value n)
{
    size_t count = (size_t)pd_int(n);
    pd_task **tasks = pd_alloc(o, count * sizeof *tasks);
    for (size_t i = 0; i < count; i++) {
        tasks[i] = pd_start_child(o, self, i);
    }
    pd_await_all(o, tasks, count);
    for (size_t i = 0; i < count; i++) {
        pd_value of_child = pd_get(pd_task_value(tasks[i]), "input");
        if (pd_int(of_child) != (int64_t)i) {
            return pd_fail(o, "Order", "%zu has the result of %lld", i,
                           (long long)pd_int(of_child));
        }
    }
    return pd_ok(o, count);
}

static pd_result waits(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_value payload = pd_wait_event(o, "go");
    return pd_ok(o, payload);
}

/* Starts a child and ends, or continues as new and then waits. */
static pd_result leaves(pd_orchestration *o, pd_value what)
{
    if (strcmp(pd_text(what), "end") == 0) {
        pd_start_child(o, waits, PD_NULL, .id = "child of the ended");
        return pd_ok(o, "ended");
    }
    if (strcmp(pd_text(what), "renew") == 0) {
        pd_start_child(o, waits, PD_NULL, .id = "child of the renewed");
        return pd_continue_as_new(o, "wait");
    }
    pd_value payload = pd_wait_event(o, "done");
    return pd_ok(o, payload);
}

static pd_result taken(pd_orchestration *o, pd_value id)
{
    pd_task *child = pd_start_child(o, self, PD_NULL, .id = pd_text(id));
    const char *type = pd_wait(o, child) ? "replaced" : pd_task_failure(child)->type;
    return pd_ok(o, type);
}

static pd_result gives_up(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_task *child = pd_start_child(o, "Between", PD_NULL, .id = "given up");
    pd_wait_event(o, "enough");
    pd_cancel(o, child);
    return pd_ok(o, pd_task_failure(child)->type);
}

static pd_result between(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_value payload = pd_call_child(o, waits, PD_NULL, .id = "below it");
    return pd_ok(o, payload);
}

static const pd_function program[] = {
    PD_FUNCTION("Stumble", stumble),
    PD_FUNCTION("Self", self),
    PD_FUNCTION("ByFunctionAndName", by_function_and_name),
    PD_FUNCTION("WithoutId", without_id),
    PD_FUNCTION("Versions", versions),
    PD_FUNCTION("NeedsLuck", needs_luck),
    PD_FUNCTION("Patient", patient),
    PD_FUNCTION("Many", many),
    PD_FUNCTION("Waits", waits),
    PD_FUNCTION("Leaves", leaves),
    PD_FUNCTION("Taken", taken),
    PD_FUNCTION("GivesUp", gives_up),
    PD_FUNCTION("Between", between),
};

static struct kit *begin(void **state)
{
    struct kit *kit = *state;
    pd_worker_options options = { .version = "5" };
    atomic_store(&runs, 0);
    kit_work_on(kit, PD_PROGRAM(program), &options);
    return kit;
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void a_child_is_called_by_function_or_name(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "ByFunctionAndName", PD_NULL, "p", NULL);
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "[1,2]");
    kit_assert_ends(kit, "by function", PD_RUN_COMPLETED,
                    "{\"input\":1,\"id\":\"by function\",\"parent\":\"p\",\"version\":\"5\"}");
    kit_assert_ends(kit, "by name", PD_RUN_COMPLETED,
                    "{\"input\":2,\"id\":\"by name\",\"parent\":\"p\",\"version\":\"5\"}");
}

static void a_child_without_an_id_is_called_after_execution_and_step(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "WithoutId", PD_NULL, "p", NULL);
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "[true,\"p\"]");
}

static void a_child_has_the_version_asked_for_or_the_workers_and_not_its_parents(void **state)
{
    struct kit *kit = begin(state);
    pd_error err;
    pd_start_options options = { .id = "p", .version = "3" };
    kit_expect(pd_hub_start(kit->hub, "Versions", PD_NULL, &options, NULL, &err), PD_OK, &err, "p");
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "[\"3\",\"5\",\"7\",\"\"]");
}

static void a_child_that_fails_is_tried_again_under_its_id(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "Patient", PD_VAL(3), "p", NULL);
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "4");
    kit_assert_ends(kit, "child", PD_RUN_COMPLETED, "4");
    assert_int_equal(kit_count_events(kit, "p", "SubOrchestrationInstanceCreated"), 4);
    assert_int_equal(kit_count_events(kit, "p", "TimerFired"), 3);
}

static void the_failure_of_a_child_reaches_its_parent_with_its_cause(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "Patient", PD_VAL(99), "p", NULL);
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "[\"TaskFailed\",\"Stumbled\",\"run 4\"]");
}

static void a_hundred_children_at_once_give_their_results_in_call_order(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "Many", PD_VAL(100), "p", NULL);
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "100");
    assert_int_equal(kit_count(kit, (pd_query){ .parent_id = "p" }), 100);
}

static void a_child_that_ends_after_its_parent_changes_nothing_for_it(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "Leaves", PD_VAL("end"), "p", NULL);
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "\"ended\"");
    pd_history *before = kit_history(kit, "p");
    kit_await_state(kit, "child of the ended", PD_RUN_RUNNING);
    kit_raise(kit, "child of the ended", "go", PD_VAL(1));
    kit_assert_ends(kit, "child of the ended", PD_RUN_COMPLETED, "1");
    kit_rest(kit); /* all that was on its way has arrived */
    pd_history *after = kit_history(kit, "p");
    assert_int_equal(pd_history_count(after), pd_history_count(before));
    pd_history_free(before);
    pd_history_free(after);
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "\"ended\"");
}

static void the_child_of_an_execution_before_is_nothing_to_the_present_one(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "Leaves", PD_VAL("renew"), "p", NULL);
    kit_await_state(kit, "child of the renewed", PD_RUN_RUNNING);
    kit_raise(kit, "child of the renewed", "go", PD_VAL(1));
    kit_assert_ends(kit, "child of the renewed", PD_RUN_COMPLETED, "1");
    kit_raise(kit, "p", "done", PD_VAL(2));
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "2");
    assert_int_equal(kit_count_events(kit, "p", "SubOrchestrationInstanceCompleted"), 0);
}

static void an_id_that_is_taken_fails_the_call_until_its_instance_has_ended(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "Waits", PD_NULL, "other", NULL);
    kit_await_state(kit, "other", PD_RUN_RUNNING);
    kit_start(kit, "Taken", PD_VAL("other"), "p", NULL);
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "\"OrchestrationAlreadyExists\"");
    kit_raise(kit, "other", "go", PD_VAL(1));
    kit_assert_ends(kit, "other", PD_RUN_COMPLETED, "1");
    kit_start(kit, "Taken", PD_VAL("other"), "q", NULL);
    kit_assert_ends(kit, "q", PD_RUN_COMPLETED, "\"replaced\"");
    kit_start(kit, "Taken", PD_VAL("itself"), "itself", NULL);
    kit_assert_ends(kit, "itself", PD_RUN_COMPLETED, "\"OrchestrationAlreadyExists\"");
}

static void a_child_that_is_given_up_is_terminated_with_its_children(void **state)
{
    struct kit *kit = begin(state);
    kit_start(kit, "GivesUp", PD_NULL, "p", NULL);
    kit_await_state(kit, "below it", PD_RUN_RUNNING);
    kit_raise(kit, "p", "enough", PD_NULL);
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "\"Cancelled\"");
    kit_assert_ends(kit, "given up", PD_RUN_TERMINATED, "\"cancelled by its parent\"");
    kit_assert_ends(kit, "below it", PD_RUN_TERMINATED, "\"cancelled by its parent\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(a_child_is_called_by_function_or_name),
        HUB_TEST(a_child_without_an_id_is_called_after_execution_and_step),
        HUB_TEST(a_child_has_the_version_asked_for_or_the_workers_and_not_its_parents),
        HUB_TEST(a_child_that_fails_is_tried_again_under_its_id),
        HUB_TEST(the_failure_of_a_child_reaches_its_parent_with_its_cause),
        HUB_TEST(a_hundred_children_at_once_give_their_results_in_call_order),
        HUB_TEST(a_child_that_ends_after_its_parent_changes_nothing_for_it),
        HUB_TEST(the_child_of_an_execution_before_is_nothing_to_the_present_one),
        HUB_TEST(an_id_that_is_taken_fails_the_call_until_its_instance_has_ended),
        HUB_TEST(a_child_that_is_given_up_is_terminated_with_its_children),
    };
    return cmocka_run_group_tests_name("pattern/children", tests, NULL, NULL);
}
