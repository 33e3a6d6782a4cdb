/* SPDX-License-Identifier: MIT
 *
 * Children as a program sees them: who belongs to whom, how failures travel, ending and forgetting
 * whole families. Also with several partitions, where letters go through mailboxes.
 */
#include "hub_kit.h"

#include <stdio.h>
#include <stdlib.h>

static int open_memory_4(void **state)
{
    int result = kit_open_memory(state);
    struct kit *kit = *state;
    pd_error err;
    pd_hub_close(kit->hub);
    kit->hub = pd_hub_open("memory:?partitions=4", &err);
    return result != 0 || kit->hub == NULL;
}

static int open_file_4(void **state)
{
    int result = kit_open_file(state);
    struct kit *kit = *state;
    pd_error err;
    char url[200];
    pd_hub_close(kit->hub);
    snprintf(url, sizeof(url), "sqlite:%s/hub4.db?partitions=4", kit->folder);
    kit->hub = pd_hub_open(url, &err);
    return result != 0 || kit->hub == NULL;
}

#define FAMILY_TEST(name)                                                           \
    HUB_TEST(name), { #name " [memory, 4]", name, open_memory_4, kit_close, NULL }, \
    {                                                                               \
#name " [sqlite, 4]", name, open_file_4, kit_close, NULL                    \
    }

static void start_parent(struct kit *kit, const char *id, const char *name, const char *child,
                         pd_value input)
{
    pd_value with = PD_OBJ("name", name, "id", child, "input", input).value_;
    kit_start(kit, "Parent", with, id, NULL);
}

static void a_child_gives_its_output_to_its_parent(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    pd_value input = PD_OBJ("name", "Echo", "id", "c", "input", PD_ARR(1, 2)).value_;
    pd_start_options options = { .id = "p", .tags = PD_OBJ("k", "v").value_ };
    kit_expect(pd_hub_start(kit->hub, "Parent", input, &options, NULL, &err), PD_OK, &err, "p");
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "[1,2]");
    pd_instance *child = kit_wait(kit, "c");
    assert_string_equal(pd_instance_parent_id(child), "p");
    assert_string_equal(pd_instance_tag(child, "k"), "v");
    pd_instance_free(child);
    pd_history *h = pd_hub_fetch_history(kit->hub, "p", &err);
    assert_non_null(h);
    const pd_history_event *created = pd_history_at(h, 2);
    assert_string_equal(created->kind, "SubOrchestrationInstanceCreated");
    assert_string_equal(created->name, "Echo");
    assert_string_equal(created->target_id, "c");
    assert_string_equal(created->input_json, "[1,2]");
    assert_int_equal(created->event_id, 0);
    const pd_history_event *completed = pd_history_at(h, 5);
    assert_string_equal(completed->kind, "SubOrchestrationInstanceCompleted");
    assert_int_equal(completed->step, 0);
    assert_string_equal(completed->result_json, "[1,2]");
    assert_null(completed->target_id);
    pd_history_free(h);
}

static void the_failure_of_a_grandchild_reaches_the_root_with_its_causes(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    pd_value deepest = PD_OBJ("name", "Fails", "id", "gc", "input", "sun").value_;
    start_parent(kit, "root", "Parent", "c", deepest);
    pd_instance *root = kit_wait(kit, "root");
    assert_int_equal(pd_instance_state(root), PD_RUN_FAILED);
    const pd_failure *f = pd_instance_failure(root);
    assert_string_equal(f->type, "TaskFailed");
    assert_string_equal(f->cause->type, "TaskFailed");
    assert_string_equal(f->cause->cause->type, "Refused");
    assert_string_equal(f->cause->cause->message, "no sun today");
    assert_null(f->cause->cause->cause);
    pd_instance_free(root);
    pd_history *h = pd_hub_fetch_history(kit->hub, "root", &err);
    assert_non_null(h);
    const pd_history_event *failed = pd_history_at(h, 5);
    assert_string_equal(failed->kind, "SubOrchestrationInstanceFailed");
    assert_string_equal(failed->failure->cause->message, "no sun today");
    pd_history_free(h);
}

static void a_tree_of_children_is_counted_and_found_by_parent(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Tree", PD_VAL(4), "root", NULL);
    kit_assert_ends(kit, "root", PD_RUN_COMPLETED, "31");
    assert_int_equal(kit_count(kit, (pd_query){ .name = "Tree" }), 31);
    assert_int_equal(kit_count(kit, (pd_query){ .parent_id = "root" }), 2);
    assert_int_equal(kit_count(kit, (pd_query){ .roots_only = true }), 1);
    assert_int_equal(kit_count(kit, (pd_query){ .roots_only = true, .parent_id = "root" }), 0);
    pd_error err;
    pd_query q = { .parent_id = "root" };
    pd_page *page = pd_hub_query(kit->hub, &q, &err);
    assert_non_null(page);
    assert_int_equal(pd_page_count(page), 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(pd_instance_parent_id(pd_page_at(page, i)), "root");
    }
    pd_page_free(page);
}

static void terminating_recursively_ends_those_that_are_waited_for(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    pd_value below = PD_OBJ("name", "WaitFor", "id", "c2", "input", "go").value_;
    start_parent(kit, "a", "Parent", "c1", below);
    kit_await_state(kit, "c2", PD_RUN_RUNNING);
    kit_expect(pd_hub_terminate(kit->hub, "a", "all of you", true, &err), PD_OK, &err, "end");
    kit_assert_ends(kit, "a", PD_RUN_TERMINATED, "\"all of you\"");
    kit_assert_ends(kit, "c1", PD_RUN_TERMINATED, "\"all of you\"");
    kit_assert_ends(kit, "c2", PD_RUN_TERMINATED, "\"all of you\"");
    start_parent(kit, "b", "WaitFor", "d1", PD_VAL("go"));
    kit_await_state(kit, "d1", PD_RUN_RUNNING);
    kit_expect(pd_hub_terminate(kit->hub, "b", NULL, false, &err), PD_OK, &err, "end");
    kit_assert_ends(kit, "b", PD_RUN_TERMINATED, "null");
    kit_raise(kit, "d1", "go", PD_VAL(1));
    kit_assert_ends(kit, "d1", PD_RUN_COMPLETED, "1");
}

static void a_terminated_child_fails_its_parent(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    start_parent(kit, "p", "WaitFor", "c", PD_VAL("go"));
    kit_await_state(kit, "c", PD_RUN_RUNNING);
    kit_expect(pd_hub_terminate(kit->hub, "c", "why not", false, &err), PD_OK, &err, "end");
    pd_instance *parent = kit_wait(kit, "p");
    assert_int_equal(pd_instance_state(parent), PD_RUN_FAILED);
    assert_string_equal(pd_instance_failure(parent)->cause->type, "OrchestrationTerminated");
    pd_instance_free(parent);
}

static void rewinding_a_parent_rewinds_the_child_that_failed(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    kit_trip(1);
    start_parent(kit, "p", "Trip", "c", PD_VAL("x"));
    kit_assert_ends(kit, "p", PD_RUN_FAILED, "null");
    pd_instance *before = kit_wait(kit, "c");
    kit_expect(pd_hub_rewind(kit->hub, "p", NULL, &err), PD_OK, &err, "rewind");
    for (int i = 0; i < 5000 && kit_count(kit, (pd_query){ .states = 1u << PD_RUN_FAILED }); i++) {
        kit_sleep_ms(2);
    }
    kit_assert_ends(kit, "p", PD_RUN_COMPLETED, "\"Hello x!\"");
    pd_instance *after = kit_wait(kit, "c");
    assert_int_equal(pd_instance_state(after), PD_RUN_COMPLETED);
    assert_string_equal(pd_instance_execution_id(after), pd_instance_execution_id(before));
    pd_instance_free(before);
    pd_instance_free(after);
}

/* ---- purging families ----------------------------------------------------------------------- */

static uint64_t purge(struct kit *kit, pd_query query, bool recursive)
{
    pd_error err;
    uint64_t purged = 99;
    pd_purge_options options = { .recursive = recursive };
    kit_expect(pd_hub_purge_all(kit->hub, &query, &options, &purged, &err), PD_OK, &err, "purge");
    return purged;
}

static void purging_recursively_counts_each_descendant_once(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Tree", PD_VAL(3), "one", NULL);
    kit_start(kit, "Tree", PD_VAL(2), "two", NULL);
    kit_start(kit, "Echo", PD_VAL(1), "three", NULL);
    kit_assert_ends(kit, "one", PD_RUN_COMPLETED, "15");
    kit_assert_ends(kit, "two", PD_RUN_COMPLETED, "7");
    kit_assert_ends(kit, "three", PD_RUN_COMPLETED, "1");
    assert_int_equal(purge(kit, (pd_query){ .id_prefix = "two" }, false), 1);
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 15 + 6 + 1);
    assert_int_equal(purge(kit, (pd_query){ .id_prefix = "one" }, true), 15);
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 6 + 1);
    assert_int_equal(purge(kit, (pd_query){ 0 }, true), 7); /* found by query and by descent */
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 0);
    assert_int_equal(purge(kit, (pd_query){ 0 }, true), 0);
}

static void purging_recursively_stops_at_one_that_has_not_ended(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    pd_value runs =
        PD_OBJ("name", "Echo", "id", "below", "input", 3, "then", "go").value_; /* and waits */
    pd_value ended = PD_OBJ("name", "Parent", "id", "runs", "input", runs).value_;
    start_parent(kit, "a", "Parent", "ended", ended);
    kit_await_state(kit, "below", PD_RUN_COMPLETED);
    kit_expect(pd_hub_terminate(kit->hub, "a", NULL, false, &err), PD_OK, &err, "end");
    kit_expect(pd_hub_terminate(kit->hub, "ended", NULL, false, &err), PD_OK, &err, "end");
    assert_int_equal(purge(kit, (pd_query){ .id_prefix = "a" }, true), 2);
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 2);
    kit_await_state(kit, "below", PD_RUN_COMPLETED); /* is there */
    kit_raise(kit, "runs", "go", PD_NULL);
    kit_assert_ends(kit, "runs", PD_RUN_COMPLETED, "3");
    assert_int_equal(purge(kit, (pd_query){ .id_prefix = "runs" }, true), 2);
}

static void purging_recursively_works_through_the_mailbox(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Tree", PD_VAL(3), "one", NULL);
    kit_assert_ends(kit, "one", PD_RUN_COMPLETED, "15");
    kit_rest(kit);
    assert_int_equal(purge(kit, (pd_query){ 0 }, true), 15);
    kit_work(kit);
    for (int i = 0; i < 5000 && kit_count(kit, (pd_query){ 0 }) != 0; i++) {
        kit_sleep_ms(2);
    }
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 0);
}

enum { MANY = 1203 };

struct telling {
    uint64_t last;
    int calls, stop_after;
};

static bool tell(uint64_t purged, void *argument)
{
    struct telling *telling = argument;
    assert_true(purged > telling->last && purged - telling->last <= 500);
    telling->last = purged;
    telling->calls++;
    return telling->calls != telling->stop_after;
}

static void purging_goes_in_batches_and_can_be_stopped_and_gone_on_with(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_id *ids = calloc(MANY, sizeof(*ids));
    assert_non_null(ids);
    kit_work(kit);
    kit_expect(pd_hub_start_many(kit->hub, "Echo", MANY, NULL, ids, &err), PD_OK, &err, "start");
    for (size_t i = 0; i < MANY; i++) {
        pd_instance_free(kit_wait(kit, ids[i].text));
    }
    kit_start(kit, "WaitFor", PD_VAL("go"), "runs", NULL);
    uint64_t purged = 0;
    struct telling telling = { .stop_after = 1 };
    pd_purge_options options = { .tell = tell, .argument = &telling };
    assert_int_equal(pd_hub_purge_all(kit->hub, NULL, &options, &purged, &err), PD_E_CANCELLED);
    assert_int_equal(purged, 500);
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), MANY + 1 - 500);
    options = (pd_purge_options){ .time_max = pd_milliseconds(1), .tell = NULL };
    pd_status status = pd_hub_purge_all(kit->hub, NULL, &options, &purged, &err);
    assert_true(status == PD_OK || (status == PD_E_TIMEOUT && err.retryable));
    assert_true(purged >= 500); /* a batch in any case */
    telling = (struct telling){ .stop_after = 0 };
    options = (pd_purge_options){ .tell = tell, .argument = &telling };
    kit_expect(pd_hub_purge_all(kit->hub, NULL, &options, NULL, &err), PD_OK, &err, "purge");
    assert_int_equal(kit_count(kit, (pd_query){ 0 }), 1);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAMILY_TEST(a_child_gives_its_output_to_its_parent),
        FAMILY_TEST(the_failure_of_a_grandchild_reaches_the_root_with_its_causes),
        FAMILY_TEST(a_tree_of_children_is_counted_and_found_by_parent),
        FAMILY_TEST(terminating_recursively_ends_those_that_are_waited_for),
        FAMILY_TEST(a_terminated_child_fails_its_parent),
        FAMILY_TEST(rewinding_a_parent_rewinds_the_child_that_failed),
        FAMILY_TEST(purging_recursively_counts_each_descendant_once),
        FAMILY_TEST(purging_recursively_stops_at_one_that_has_not_ended),
        FAMILY_TEST(purging_recursively_works_through_the_mailbox),
        HUB_TEST(purging_goes_in_batches_and_can_be_stopped_and_gone_on_with),
    };
    return cmocka_run_group_tests_name("hub/children", tests, NULL, NULL);
}
