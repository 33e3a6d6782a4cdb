/* SPDX-License-Identifier: MIT
 *
 * Calls of entities that nobody waits for to the end, and what operations are told and may start.
 */
#include "entity_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNTER(key) PD_ENTITY("Counter", (key))

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the program ---------------------------------------------------------------------------- */

/* Gives its call up while it stands in line, and goes on. */
static pd_result gives_up(pd_orchestration *o, pd_value input)
{
    pd_task *call = pd_start_entity(o, COUNTER("x"), "add", input);
    pd_set_status(o, "asked");
    pd_wait_event(o, "enough");
    pd_cancel(o, call);
    const char *type = pd_task_failure(call)->type;
    return pd_ok(o, type);
}

/* What an operation is told: its name, its entity, the time of its batch. */
static pd_result tells(pd_entity *e, pd_value input)
{
    int64_t *seen = pd_user(e);
    seen[0]++;
    return pd_ok(e, PD_OBJ("op", pd_op(e), "is", pd_of_bool(pd_op_is(e, "tEll")), "name",
                           pd_entity_name(e), "key", pd_entity_key(e), "now", pd_entity_now(e).ms,
                           "new", pd_of_bool(!pd_has_state(e)), "input", input));
}

/* Starts "Echo" under the id, with all options; in so many milliseconds from its own time. */
static pd_result starts(pd_entity *e, pd_value input)
{
    const char *id;
    int in_ms;
    pd_read(e, input, "id", &id, "in_ms", &in_ms);
    pd_time at = pd_after(pd_entity_now(e), pd_milliseconds(in_ms));
    pd_start_from_entity(e, "Echo", "x", .id = id, .at = at, .version = "2.1",
                         .tags = PD_VAL(PD_OBJ("who", "me", "what", "it")));
    return pd_ok(e, at.ms);
}

/* An activity may block: it calls an entity and waits for the answer. */
static pd_result asks(pd_activity *a, pd_value input)
{
    pd_error err;
    PD_AUTO(pd_instance)
    answer = pd_hub_call_entity(pd_user(a), COUNTER("a"), "add", input, pd_seconds(30), &err);
    return answer != NULL ? pd_ok(a, pd_instance_output(answer)) : pd_fail(a, "No", "%s", err.text);
}

static pd_result asks_from_an_activity(pd_orchestration *o, pd_value input)
{
    pd_value answer = pd_call_activity(o, asks, input);
    return pd_ok(o, answer);
}

static const pd_function program[] = {
    PD_FUNCTION("GivesUp", gives_up),
    PD_FUNCTION("Teller", tells),
    PD_FUNCTION("Starter", starts),
    PD_FUNCTION("Asks", asks),
    PD_FUNCTION("AsksFromAnActivity", asks_from_an_activity),
};

/* ---- nobody waits ---------------------------------------------------------------------------- */

static void a_call_that_was_given_up_or_whose_caller_ended_is_done_all_the_same(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    ent_work_with(kit, PD_PROGRAM(program), NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "x")), "h", NULL);
    ent_await_lock(kit, COUNTER("x"), "h");
    kit_start(kit, "GivesUp", PD_VAL(10), "g", NULL);
    kit_start(kit, "Ask", PD_VAL(PD_OBJ("name", "Counter", "key", "x", "op", "add", "input", 100)),
              "t", NULL);
    ent_await_backlog(kit, COUNTER("x"), 2);
    kit_raise(kit, "g", "enough", PD_NULL);
    kit_assert_ends(kit, "g", PD_RUN_COMPLETED, "\"Cancelled\"");
    kit_expect(pd_hub_terminate(kit->hub, "t", NULL, false, &err), PD_OK, &err, "terminate");
    ent_await_backlog(kit, COUNTER("x"), 2);
    kit_raise(kit, "h", "go", PD_NULL);
    ent_await_state(kit, COUNTER("x"), "111");
    kit_assert_ends(kit, "g", PD_RUN_COMPLETED, "\"Cancelled\"");
    kit_assert_ends(kit, "t", PD_RUN_TERMINATED, "null");
    assert_int_equal(kit_count_events(kit, "g", "EntityOperationCompleted"), 0);
}

static void *call_and_wait(void *argument)
{
    struct kit *kit = argument;
    pd_error err = { 0 };
    pd_instance *i = pd_hub_call_entity(kit->hub, COUNTER("held"), "add", 1, pd_days(36500), &err);
    assert_null(i);
    return (void *)(uintptr_t)err.status;
}

static void a_client_that_waits_is_told_when_the_hub_is_closed(void **state)
{
    struct kit *kit = *state;
    pthread_t thread;
    void *status;
    ent_work(kit, NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "held")), "h", NULL);
    ent_await_lock(kit, COUNTER("held"), "h");
    assert_int_equal(pthread_create(&thread, NULL, call_and_wait, kit), 0);
    ent_await_backlog(kit, COUNTER("held"), 1);
    pd_worker_stop(kit->worker);
    kit->worker = NULL;
    pd_hub_close(kit->hub);
    kit->hub = NULL;
    pthread_join(thread, &status);
    assert_int_equal((uintptr_t)status, PD_E_CANCELLED);
    pd_error err;
    kit->hub = pd_hub_open(kit->url, &err);
    assert_non_null(kit->hub);
}

static void a_call_without_time_to_wait_asks_once(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    assert_null(pd_hub_call_entity(kit->hub, COUNTER("z"), "add", 1, pd_milliseconds(0), &err));
    assert_int_equal(err.status, PD_E_TIMEOUT);
    ent_work(kit, NULL);
    ent_await_state(kit, COUNTER("z"), "1");
}

/* Also where the entity's ID would leave no room for it. */
static void a_call_that_was_not_answered_in_time_says_under_which_id_it_waits(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    char key[240];
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_null(pd_hub_call_entity(kit->hub, COUNTER(key), "add", 1, pd_milliseconds(0), &err));
    assert_int_equal(err.status, PD_E_TIMEOUT);
    pd_error unused;
    PD_AUTO(pd_page) calls = pd_hub_query(kit->hub, &(pd_query){ .name = "perdure.call" }, &unused);
    assert_int_equal(pd_page_count(calls), 1);
    assert_non_null(strstr(err.text, pd_instance_id_of(pd_page_at(calls, 0))));
}

static void an_activity_calls_an_entity_and_waits(void **state)
{
    struct kit *kit = *state;
    ent_work_with(kit, PD_PROGRAM(program), &(pd_worker_options){ .user = kit->hub });
    for (int i = 1; i <= 5; i++) {
        char id[16], wanted[16];
        snprintf(id, sizeof(id), "%d", i);
        snprintf(wanted, sizeof(wanted), "%d", i);
        kit_start(kit, "AsksFromAnActivity", PD_VAL(1), id, NULL);
        kit_assert_ends(kit, id, PD_RUN_COMPLETED, wanted);
    }
}

/* ---- what operations are told ---------------------------------------------------------------- */

static void an_operation_is_told_who_it_is_and_when(void **state)
{
    struct kit *kit = *state;
    int64_t count = 0;
    pd_error err;
    ent_work_with(kit, PD_PROGRAM(program), &(pd_worker_options){ .user = &count });
    int64_t before = wall_ms();
    pd_instance *i = pd_hub_call_entity(kit->hub, PD_ENTITY("TELLER", "The Key@"), "TelL", 7,
                                        pd_seconds(30), &err);
    assert_non_null(i);
    pd_value told = pd_instance_output(i);
    assert_string_equal(pd_text(pd_get(told, "op")), "TelL"); /* as it was written */
    assert_true(pd_bool(pd_get(told, "is")));
    assert_string_equal(pd_text(pd_get(told, "name")), "teller");
    assert_string_equal(pd_text(pd_get(told, "key")), "The Key@");
    assert_true(pd_bool(pd_get(told, "new")));
    assert_int_equal(pd_int(pd_get(told, "input")), 7);
    assert_true(pd_int(pd_get(told, "now")) >= before);
    assert_true(pd_int(pd_get(told, "now")) <= wall_ms());
    assert_int_equal(count, 1);
    pd_instance_free(i);
}

/* ---- what they start ------------------------------------------------------------------------- */

static void an_entity_starts_one_for_later_with_a_version_and_tags(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    ent_work_with(kit, PD_PROGRAM(program), NULL);
    pd_instance *answer =
        pd_hub_call_entity(kit->hub, PD_ENTITY("Starter", ""), "go",
                           PD_OBJ("id", "later", "in_ms", 700), pd_seconds(30), &err);
    assert_non_null(answer);
    int64_t at = pd_int(pd_instance_output(answer));
    pd_instance_free(answer);
    kit_await_state(kit, "later", PD_RUN_PENDING);
    pd_instance *i = kit_fetch(kit, "later");
    assert_int_equal(pd_instance_starts_at(i).ms, at);
    assert_string_equal(pd_instance_version(i), "2.1");
    assert_int_equal(pd_instance_tag_count(i), 2);
    assert_string_equal(pd_instance_tag(i, "who"), "me");
    assert_null(pd_instance_parent_id(i));
    pd_instance_free(i);
    kit_assert_ends(kit, "later", PD_RUN_COMPLETED, "\"x\"");
    assert_true(wall_ms() >= at);
    pd_history *h = kit_history(kit, "later");
    assert_true(pd_history_at(h, 0)->at.ms >= at);
    pd_history_free(h);

    ent_assert_call(kit, PD_ENTITY("Starter", ""), "go",
                    PD_VAL(PD_OBJ("id", "at-once", "in_ms", -100000)), NULL);
    kit_await_state(kit, "at-once", PD_RUN_COMPLETED); /* a time that is past */
}

/* ---- what changes an entity ------------------------------------------------------------------ */

static int64_t changed_at(struct kit *kit, pd_entity_id entity)
{
    pd_entity_view *view = ent_fetch(kit, entity);
    int64_t at = pd_entity_view_changed_at(view).ms;
    pd_entity_view_free(view);
    return at;
}

static void an_operation_that_only_looks_and_a_lock_are_changes_too(void **state)
{
    struct kit *kit = *state;
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("c"), "add", PD_VAL(1), "1");
    int64_t first = changed_at(kit, COUNTER("c"));
    kit_sleep_ms(3);
    ent_assert_call(kit, COUNTER("c"), "get", PD_NULL, "1");
    int64_t second = changed_at(kit, COUNTER("c"));
    assert_true(second > first);
    kit_sleep_ms(3);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "c")), "h", NULL);
    ent_await_lock(kit, COUNTER("c"), "h");
    int64_t third = changed_at(kit, COUNTER("c"));
    assert_true(third > second);
    kit_sleep_ms(3);
    ent_signal(kit, COUNTER("c"), "add", PD_VAL(1));
    ent_await_backlog(kit, COUNTER("c"), 1);
    assert_int_equal(changed_at(kit, COUNTER("c")), third); /* it only waits */
    kit_raise(kit, "h", "go", PD_NULL);
    ent_await_state(kit, COUNTER("c"), "3");
    assert_true(changed_at(kit, COUNTER("c")) > third);
}

static void an_entity_that_no_engine_has_heard_of_has_no_time_of_change(void **state)
{
    struct kit *kit = *state;
    served_skip("there is an engine");
    ent_signal(kit, COUNTER("m"), "add", PD_VAL(1));
    assert_int_equal(changed_at(kit, COUNTER("m")), 0);
    assert_int_equal(ent_count(kit, (pd_entity_query){ .with_empty = true }), 0);
}

static void a_list_tells_who_holds_an_entity_and_how_many_wait(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    ent_work(kit, NULL);
    ent_assert_call(kit, COUNTER("1"), "set", PD_VAL(5), NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "2")), "h", NULL);
    ent_await_lock(kit, COUNTER("2"), "h");
    ent_signal(kit, COUNTER("2"), "add", PD_VAL(1));
    ent_signal(kit, COUNTER("2"), "add", PD_VAL(1));
    ent_await_backlog(kit, COUNTER("2"), 2);
    pd_entity_query query = { .with_empty = true };
    PD_AUTO(pd_entity_page) page = pd_hub_query_entities(kit->hub, &query, &err);
    assert_non_null(page);
    assert_int_equal(pd_entity_page_count(page), 2);
    const pd_entity_view *free_one = pd_entity_page_at(page, 0);
    const pd_entity_view *held = pd_entity_page_at(page, 1);
    assert_null(pd_entity_view_locked_by(free_one));
    assert_int_equal(pd_entity_view_backlog(free_one), 0);
    assert_true(pd_entity_view_has_state(free_one));
    assert_string_equal(pd_entity_view_locked_by(held), "h");
    assert_int_equal(pd_entity_view_backlog(held), 2);
    assert_false(pd_entity_view_has_state(held));
    assert_true(pd_entity_view_changed_at(held).ms > 0);
    kit_raise(kit, "h", "go", PD_NULL);
    ent_await_state(kit, COUNTER("2"), "3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST_4(a_call_that_was_given_up_or_whose_caller_ended_is_done_all_the_same),
        HUB_TEST(a_client_that_waits_is_told_when_the_hub_is_closed),
        HUB_TEST(a_call_without_time_to_wait_asks_once),
        HUB_TEST(a_call_that_was_not_answered_in_time_says_under_which_id_it_waits),
        HUB_TEST_4(an_activity_calls_an_entity_and_waits),
        HUB_TEST(an_operation_is_told_who_it_is_and_when),
        HUB_TEST_4(an_entity_starts_one_for_later_with_a_version_and_tags),
        HUB_TEST(an_operation_that_only_looks_and_a_lock_are_changes_too),
        HUB_TEST(an_entity_that_no_engine_has_heard_of_has_no_time_of_change),
        HUB_TEST(a_list_tells_who_holds_an_entity_and_how_many_wait),
    };
    return cmocka_run_group_tests_name("hub/entity calls", tests, NULL, NULL);
}
