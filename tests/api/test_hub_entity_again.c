/* SPDX-License-Identifier: MIT
 *
 * Rewinding, forking and moving orchestrations that called entities, and what their histories show.
 * Locks are in test_hub_locks.c, too.
 */
#include "entity_kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COUNTER(key) PD_ENTITY("Counter", (key))
#define FLAKY(key) PD_ENTITY("Flaky", (key))

/* ---- the program ---------------------------------------------------------------------------- */

static atomic_bool is_up;
static atomic_int tries;

/* Fails until it is up, and answers then. */
static pd_result flaky(pd_entity *e, pd_value input)
{
    atomic_fetch_add(&tries, 1);
    return atomic_load(&is_up) ? pd_ok(e, input) : pd_fail(e, "Down", "not now");
}

/* Two calls at once, one of which fails while it is not up, and a signal before them. */
static pd_result asks(pd_orchestration *o, pd_value input)
{
    pd_signal_entity(o, COUNTER("x"), "add", 10);
    pd_task *sure = pd_start_entity(o, COUNTER("x"), "add", 1);
    pd_task *unsure = pd_start_entity(o, FLAKY(""), "echo", input);
    pd_await_all(o, PD_TASKS(sure, unsure));
    return pd_ok(o, pd_task_value(unsure));
}

static pd_result parent(pd_orchestration *o, pd_value input)
{
    pd_value kid = pd_call_child(o, asks, input, .id = "kid");
    return pd_ok(o, kid);
}

/* Fails inside a section while it is not up. */
static pd_result locks(pd_orchestration *o, pd_value input)
{
    PD_LOCKED(o, FLAKY("")) {
        pd_call_entity(o, FLAKY(""), "echo", input);
    }
    return pd_ok(o, input);
}

static pd_result parent_of_locks(pd_orchestration *o, pd_value input)
{
    pd_value kid = pd_call_child(o, locks, input, .id = "kid");
    return pd_ok(o, kid);
}

/* All that can be said to entities. */
static pd_result says(pd_orchestration *o, pd_value input)
{
    pd_time later = { pd_now(o).ms + 3600000 };
    const char *id = pd_signal_entity(o, COUNTER("later"), "add", 1, .at = later);
    pd_cancel_signal(o, COUNTER("later"), id);
    PD_LOCKED(o, COUNTER("b"), COUNTER("a \"quoted\"")) {
        pd_call_entity(o, COUNTER("b"), "add", 5);
        if (pd_bool(input)) {
            pd_wait_event(o, "go");
        }
        pd_call_entity(o, COUNTER("b"), "nonsense", PD_NULL);
    }
    return pd_ok(o, input);
}

static const pd_function program[] = {
    PD_FUNCTION("Flaky", flaky),   PD_FUNCTION("Asks", asks),
    PD_FUNCTION("Parent", parent), PD_FUNCTION("Says", says),
    PD_FUNCTION("Locks", locks),   PD_FUNCTION("ParentOfLocks", parent_of_locks),
};

static void begin(struct kit *kit)
{
    atomic_store(&is_up, false);
    atomic_store(&tries, 0);
    ent_work_with(kit, PD_PROGRAM(program), NULL);
}

/* ---- rewinding ------------------------------------------------------------------------------ */

static void a_call_that_failed_is_made_again_and_one_that_was_answered_is_not(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    begin(kit);
    kit_start(kit, "Asks", PD_VAL("hi"), "a", NULL);
    ent_assert_fails(kit, "a", "TaskFailed", "Down");
    ent_await_state(kit, COUNTER("x"), "11");
    atomic_store(&is_up, true);
    kit_expect(pd_hub_rewind(kit->hub, "a", NULL, &err), PD_OK, &err, "rewind");
    kit_assert_ends(kit, "a", PD_RUN_COMPLETED, "\"hi\"");
    assert_int_equal(atomic_load(&tries), 2);
    ent_assert_state(kit, COUNTER("x"), "11");
    assert_int_equal(kit_count_events(kit, "a", "EntityOperationCalled"), 2);
    assert_int_equal(kit_count_events(kit, "a", "EntityOperationFailed"), 0);
}

static void a_child_whose_call_failed_is_rewound_with_its_parent(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    begin(kit);
    kit_start(kit, "Parent", PD_VAL(7), "p", NULL);
    ent_assert_fails(kit, "p", "TaskFailed", NULL);
    atomic_store(&is_up, true);
    kit_expect(pd_hub_rewind(kit->hub, "p", NULL, &err), PD_OK, &err, "rewind");
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "7");
    assert_int_equal(atomic_load(&tries), 2);
    ent_await_state(kit, COUNTER("x"), "11");
}

static void a_child_that_failed_inside_a_section_begins_again_with_its_parent(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    begin(kit);
    kit_start(kit, "ParentOfLocks", PD_VAL(7), "p", NULL);
    ent_assert_fails(kit, "p", "TaskFailed", NULL);
    pd_instance *before = kit_fetch(kit, "kid");
    assert_int_equal(pd_hub_rewind(kit->hub, "kid", NULL, &err), PD_E_STATE);
    assert_non_null(strstr(err.text, "critical section"));
    atomic_store(&is_up, true);
    kit_expect(pd_hub_rewind(kit->hub, "p", NULL, &err), PD_OK, &err, "rewind");
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "7");
    pd_instance *after = kit_fetch(kit, "kid");
    assert_string_not_equal(pd_instance_execution_id(before), pd_instance_execution_id(after));
    assert_int_equal(kit_count_events(kit, "kid", "ExecutionRewound"), 0);
    pd_instance_free(before);
    pd_instance_free(after);
    ent_await_lock(kit, FLAKY(""), NULL);
}

/* ---- forking -------------------------------------------------------------------------------- */

static void a_fork_makes_the_calls_that_were_open_by_itself(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_id fork = { "" };
    begin(kit);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "x")), "h", NULL);
    ent_await_lock(kit, COUNTER("x"), "h");
    atomic_store(&is_up, true);
    kit_start(kit, "Ask", PD_VAL(PD_OBJ("name", "Counter", "key", "x", "op", "add", "input", 3)),
              "a", NULL);
    ent_await_backlog(kit, COUNTER("x"), 1);
    kit_await_state(kit, "a", PD_RUN_RUNNING);
    kit_expect(pd_hub_fork(kit->hub, "a", 0, &fork, &err), PD_OK, &err, "fork");
    ent_await_backlog(kit, COUNTER("x"), 2);
    kit_raise(kit, "h", "go", PD_NULL);
    kit_assert_ends(kit, "h", PD_RUN_COMPLETED, "1");
    /* Two senders: either may be the first. */
    pd_instance *source = kit_wait(kit, "a"), *forked = kit_wait(kit, fork.text);
    int64_t one = pd_int(pd_instance_output(source)), other = pd_int(pd_instance_output(forked));
    assert_true((one == 4 && other == 7) || (one == 7 && other == 4));
    pd_instance_free(source);
    pd_instance_free(forked);
}

/* ---- what histories show -------------------------------------------------------------------- */

static const pd_history_event *event(const pd_history *h, const char *kind, size_t n)
{
    const pd_history_event *found = kit_event(h, kind, n);
    if (found == NULL) {
        fail_msg("there is no %s", kind);
    }
    return found;
}

static void check_history(const pd_history *h)
{
    const pd_history_event *e = event(h, "EntityOperationSignaled", 1);
    assert_string_equal(e->name, "add");
    assert_string_equal(e->target_id, "@counter@later");
    kit_assert_json(e->input_json, "1");
    assert_true(e->fire_at.ms > e->at.ms + 3590000);
    e = event(h, "EntitySignalCancelled", 1);
    assert_string_equal(e->target_id, "@counter@later");
    assert_int_equal(e->event_id, -1);
    const pd_history_event *lock = event(h, "EntityLockRequested", 1);
    kit_assert_json(lock->input_json, "[\"@counter@a \\\"quoted\\\"\",\"@counter@b\"]");
    assert_null(lock->target_id);
    assert_int_equal(event(h, "EntityLockGranted", 1)->step, lock->event_id);
    e = event(h, "EntityOperationCalled", 1);
    assert_string_equal(e->name, "add");
    assert_string_equal(e->target_id, "@counter@b");
    kit_assert_json(e->input_json, "5");
    assert_int_equal(e->fire_at.ms, 0);
    assert_int_equal(event(h, "EntityOperationCompleted", 1)->step, e->event_id);
    kit_assert_json(event(h, "EntityOperationCompleted", 1)->result_json, "5");
    e = event(h, "EntityOperationFailed", 1);
    assert_int_equal(e->step, event(h, "EntityOperationCalled", 2)->event_id);
    assert_string_equal(e->failure->type, "Unknown");
    assert_null(e->result_json);
}

static void what_was_said_to_entities_is_shown_as_people_know_it(void **state)
{
    struct kit *kit = *state;
    begin(kit);
    kit_start(kit, "Says", PD_FALSE, "a", NULL);
    ent_assert_fails(kit, "a", "TaskFailed", "Unknown");
    pd_history *h = kit_history(kit, "a");
    check_history(h);
    pd_history_free(h);
}

/* ---- moving --------------------------------------------------------------------------------- */

struct place {
    char folder[64], path[96];
};

static struct place place_make(void)
{
    struct place place;
    const char *temporary = getenv("TMPDIR");
    (void)snprintf(place.folder, sizeof(place.folder), "%s/pd-pda-XXXXXX",
                   temporary != NULL && strlen(temporary) < 40 ? temporary : "/tmp");
    assert_non_null(mkdtemp(place.folder));
    (void)snprintf(place.path, sizeof(place.path), "%s/a.pda", place.folder);
    return place;
}

static void place_remove(const struct place *place)
{
    (void)unlink(place->path);
    assert_int_equal(rmdir(place->folder), 0);
}

static uint64_t export_some(struct kit *kit, const char *prefix, const char *path)
{
    pd_error err;
    uint64_t count = 99;
    pd_query query = { .id_prefix = prefix };
    kit_expect(pd_hub_export(kit->hub, &query, path, &count, &err), PD_OK, &err, "export");
    return count;
}

static void one_that_ended_inside_a_section_can_be_moved_and_one_that_is_inside_cannot(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    uint64_t count = 99;
    struct place place = place_make();
    struct kit other = { .hub = pd_hub_open("memory:", &err) };
    assert_non_null(other.hub);
    begin(kit);
    kit_start(kit, "Says", PD_FALSE, "ended", NULL);
    ent_assert_fails(kit, "ended", "TaskFailed", "Unknown");
    kit_start(kit, "Says", PD_TRUE, "inside", NULL);
    ent_await_state(kit, COUNTER("b"), "10");
    ent_await_lock(kit, COUNTER("b"), "inside");

    assert_int_equal(export_some(kit, "", place.path), 2);
    assert_int_equal(pd_hub_import(other.hub, place.path, &count, &err), PD_E_CORRUPT);
    assert_non_null(strstr(err.text, "'inside'"));
    assert_non_null(strstr(err.text, "critical section"));
    assert_int_equal(kit_count(&other, (pd_query){ 0 }), 0); /* nothing of the file */

    assert_int_equal(export_some(kit, "ended", place.path), 1);
    kit_expect(pd_hub_import(other.hub, place.path, &count, &err), PD_OK, &err, "import");
    assert_int_equal(count, 1);
    ent_work_with(&other, PD_PROGRAM(program), NULL);
    ent_assert_fails(&other, "ended", "TaskFailed", "Unknown");
    pd_history *h = kit_history(&other, "ended");
    check_history(h);
    pd_history_free(h);
    assert_int_equal(pd_hub_rewind(other.hub, "ended", NULL, &err), PD_E_STATE);
    pd_worker_stop(other.worker);
    pd_hub_close(other.hub);
    place_remove(&place);
    kit_raise(kit, "inside", "go", PD_NULL);
    ent_assert_fails(kit, "inside", "TaskFailed", "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST_4(a_call_that_failed_is_made_again_and_one_that_was_answered_is_not),
        HUB_TEST_4(a_child_whose_call_failed_is_rewound_with_its_parent),
        HUB_TEST_4(a_child_that_failed_inside_a_section_begins_again_with_its_parent),
        HUB_TEST_4(a_fork_makes_the_calls_that_were_open_by_itself),
        HUB_TEST(what_was_said_to_entities_is_shown_as_people_know_it),
        HUB_TEST(one_that_ended_inside_a_section_can_be_moved_and_one_that_is_inside_cannot),
    };
    return cmocka_run_group_tests_name("hub/entities again", tests, NULL, NULL);
}
