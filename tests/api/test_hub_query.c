/* SPDX-License-Identifier: MIT
 *
 * Queries by version, tag, parent and end, their pages, and counts: of what the store has, and of
 * what waits in the mailbox.
 */
#include "hub_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* By the pages of a query, three at a time, each instance once. */
static uint64_t listed(struct kit *kit, pd_query query)
{
    uint64_t count = 0;
    char token[64] = "";
    do {
        pd_error err;
        query.page_size = 3;
        query.page_token = token[0] != '\0' ? token : NULL;
        pd_page *page = pd_hub_query(kit->hub, &query, &err);
        if (page == NULL) {
            fail_msg("%s", err.text);
        }
        count += pd_page_count(page);
        snprintf(token, sizeof(token), "%s", pd_page_token(page) ? pd_page_token(page) : "");
        pd_page_free(page);
    } while (token[0] != '\0');
    return count;
}

static void assert_found(struct kit *kit, pd_query query, uint64_t wanted)
{
    assert_int_equal(kit_count(kit, query), wanted);
    assert_int_equal(listed(kit, query), wanted);
}

static void start(struct kit *kit, const char *name, const char *id, const char *version,
                  pd_value tags)
{
    pd_error err;
    pd_start_options options = { .id = id, .version = version, .tags = tags };
    kit_expect(pd_hub_start(kit->hub, name, "x", &options, NULL, &err), PD_OK, &err, id);
}

/* Ten instances: a0 ... a4 of version 1, b0 ... b4 of version 2. The odd ones have a color. */
static void fill(struct kit *kit)
{
    for (int i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%c%d", i < 5 ? 'a' : 'b', i % 5);
        pd_value tags = PD_OBJ("n", i % 2 == 0 ? "even" : "odd", "color", "red=ish").value_;
        start(kit, i == 9 ? "Fails" : "Echo", id, i < 5 ? "1" : "2",
              i % 2 == 0 ? PD_OBJ("n", "even").value_ : tags);
    }
}

static void assert_filters_work(struct kit *kit, bool have_ended)
{
    assert_found(kit, (pd_query){ 0 }, 10);
    assert_found(kit, (pd_query){ .version = "1" }, 5);
    assert_found(kit, (pd_query){ .version = "3" }, 0);
    assert_found(kit, (pd_query){ .tag = "n=odd" }, 5);
    assert_found(kit, (pd_query){ .tag = "n=od" }, 0);
    assert_found(kit, (pd_query){ .tag = "N=odd" }, 0);
    assert_found(kit, (pd_query){ .tag = "color=red=ish" }, 5);
    assert_found(kit, (pd_query){ .tag = "color=red" }, 0);
    assert_found(kit, (pd_query){ .tag = "n=odd", .version = "2" }, 3);
    assert_found(kit, (pd_query){ .tag = "n=odd", .version = "2", .name = "Echo" }, 2);
    assert_found(kit, (pd_query){ .tag = "n=odd", .id_prefix = "b" }, 3);
    assert_found(kit, (pd_query){ .roots_only = true }, 10);
    assert_found(kit, (pd_query){ .parent_id = "a0" }, 0);
    assert_found(kit, (pd_query){ .ended_from = { 1 } }, have_ended ? 10 : 0);
    assert_found(kit, (pd_query){ .ended_to = { INT64_C(4102444800000) } }, have_ended ? 10 : 0);
    assert_found(kit, (pd_query){ .ended_to = { 1 } }, 0);
    assert_found(kit, (pd_query){ .states = 1u << PD_RUN_PENDING }, have_ended ? 0 : 10);
    assert_found(kit, (pd_query){ .states = 1u << PD_RUN_FAILED }, have_ended ? 1 : 0);
}

static void every_filter_finds_what_waits_in_the_mailbox_and_what_ran(void **state)
{
    struct kit *kit = *state;
    fill(kit);
    assert_filters_work(kit, false);
    kit_work(kit);
    for (int i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%c%d", i < 5 ? 'a' : 'b', i % 5);
        kit_await_state(kit, id, i == 9 ? PD_RUN_FAILED : PD_RUN_COMPLETED);
    }
    assert_filters_work(kit, true);
}

static void both_ends_of_the_time_of_ending_belong_to_it(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Echo", PD_VAL(1), "a", NULL);
    pd_instance *i = kit_wait(kit, "a");
    pd_time ended = pd_instance_ended_at(i);
    pd_instance_free(i);
    assert_found(kit, (pd_query){ .ended_from = ended, .ended_to = ended }, 1);
    assert_found(kit, (pd_query){ .ended_from = pd_after(ended, pd_milliseconds(1)) }, 0);
    assert_found(kit, (pd_query){ .ended_to = pd_after(ended, pd_milliseconds(-1)) }, 0);
}

static void counts_tell_states_apart(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_counts counts;
    kit_work(kit);
    fill(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "w1", NULL);
    kit_start(kit, "WaitFor", PD_VAL("go"), "w2", NULL);
    kit_start(kit, "WaitFor", PD_VAL("go"), "w3", NULL);
    kit_expect(pd_hub_suspend(kit->hub, "w2", NULL, &err), PD_OK, &err, "suspend");
    kit_expect(pd_hub_terminate(kit->hub, "w3", NULL, false, &err), PD_OK, &err, "terminate");
    kit_await_state(kit, "w1", PD_RUN_RUNNING);
    kit_await_state(kit, "b4", PD_RUN_FAILED);
    for (int i = 0; i < 9; i++) {
        char id[16];
        snprintf(id, sizeof(id), "%c%d", i < 5 ? 'a' : 'b', i % 5);
        kit_await_state(kit, id, PD_RUN_COMPLETED);
    }
    kit_rest(kit);
    kit_start(kit, "Echo", PD_VAL(1), "m1", NULL);
    kit_start(kit, "Echo", PD_VAL(1), "m2", NULL);
    kit_expect(pd_hub_count(kit->hub, NULL, &counts, &err), PD_OK, &err, "count");
    assert_int_equal(counts.all, 15);
    assert_int_equal(counts.of[PD_RUN_PENDING], 2);
    assert_int_equal(counts.of[PD_RUN_RUNNING], 1);
    assert_int_equal(counts.of[PD_RUN_SUSPENDED], 1);
    assert_int_equal(counts.of[PD_RUN_COMPLETED], 9);
    assert_int_equal(counts.of[PD_RUN_FAILED], 1);
    assert_int_equal(counts.of[PD_RUN_TERMINATED], 1);
    pd_query q = { .states = 1u << PD_RUN_COMPLETED | 1u << PD_RUN_PENDING, .page_size = 2 };
    kit_expect(pd_hub_count(kit->hub, &q, &counts, &err), PD_OK, &err, "count");
    assert_int_equal(counts.all, 11);
    assert_int_equal(counts.of[PD_RUN_RUNNING], 0);
}

static void assert_own_is_hidden(struct kit *kit)
{
    assert_found(kit, (pd_query){ 0 }, 1);
    assert_found(kit, (pd_query){ .id_prefix = "own" }, 0);
    assert_found(kit, (pd_query){ .id_prefix = "perdure" }, 0);
    assert_found(kit, (pd_query){ .roots_only = true }, 1);
    assert_found(kit, (pd_query){ .name = "perdure.http" }, 1);
    assert_found(kit, (pd_query){ .with_builtin = true }, 2);
    assert_found(kit, (pd_query){ .with_builtin = true, .id_prefix = "own" }, 1);
}

static void what_perdure_itself_runs_is_listed_only_when_asked_for_and_purged_with_all(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    uint64_t purged = 0;
    kit_start(kit, "Echo", PD_VAL(1), "a", NULL);
    kit_start(kit, "perdure.http", PD_VAL(1), "own", NULL);
    assert_own_is_hidden(kit);
    kit_work(kit);
    kit_await_state(kit, "a", PD_RUN_COMPLETED);
    kit_await_state(kit, "own", PD_RUN_FAILED);
    assert_own_is_hidden(kit);
    kit_expect(pd_hub_purge_all(kit->hub, NULL, NULL, &purged, &err), PD_OK, &err, "purge");
    assert_int_equal(purged, 2);
}

/* Mailed starts are taken while they are counted: none is missed, none counted twice. */
static void a_count_is_right_while_an_engine_takes_the_mailbox(void **state)
{
    enum { STARTS = 400 };
    struct kit *kit = *state;
    pd_error err;
    kit_expect(pd_hub_start_many(kit->hub, "Echo", STARTS, NULL, NULL, &err), PD_OK, &err, "many");
    kit_work(kit);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(kit_count(kit, (pd_query){ 0 }), STARTS);
    }
    while (kit_count(kit, (pd_query){ .states = 1u << PD_RUN_COMPLETED }) != STARTS) {
        kit_sleep_ms(2);
    }
}

static void forks_and_imports_that_wait_are_counted_as_pending(void **state)
{
    struct kit *kit = *state;
    served_skip("its engine takes them at once");
    pd_error err;
    kit_work(kit);
    start(kit, "WaitFor", "w", "1", PD_OBJ("n", "odd").value_);
    kit_await_state(kit, "w", PD_RUN_RUNNING);
    kit_rest(kit);
    pd_id id = { "fork" };
    kit_expect(pd_hub_fork(kit->hub, "w", 0, &id, &err), PD_OK, &err, "fork");
    assert_found(kit, (pd_query){ .states = 1u << PD_RUN_PENDING }, 1);
    assert_found(kit, (pd_query){ .tag = "n=odd", .version = "1", .name = "WaitFor" }, 2);
    pd_instance *source = kit_fetch(kit, "w");
    pd_instance *fork = kit_fetch(kit, "fork");
    assert_true(pd_instance_created_at(fork).ms >= pd_instance_created_at(source).ms);
    assert_string_equal(pd_instance_input_json(fork), "\"x\"");
    pd_instance_free(fork);
    pd_instance_free(source);
    assert_int_equal(pd_hub_fork(kit->hub, "w", 0, &id, &err), PD_E_EXISTS);
    pd_start_options options = { .id = "fork" };
    assert_int_equal(pd_hub_start(kit->hub, "Echo", 1, &options, NULL, &err), PD_E_EXISTS);
    kit_work(kit);
    kit_raise(kit, "fork", "x", PD_VAL(1));
    kit_assert_ends(kit, "fork", PD_RUN_COMPLETED, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(every_filter_finds_what_waits_in_the_mailbox_and_what_ran),
        HUB_TEST(both_ends_of_the_time_of_ending_belong_to_it),
        HUB_TEST(counts_tell_states_apart),
        HUB_TEST(what_perdure_itself_runs_is_listed_only_when_asked_for_and_purged_with_all),
        HUB_TEST(a_count_is_right_while_an_engine_takes_the_mailbox),
        HUB_TEST(forks_and_imports_that_wait_are_counted_as_pending),
    };
    return cmocka_run_group_tests_name("hub/query", tests, NULL, NULL);
}
