/* SPDX-License-Identifier: MIT
 *
 * What can be read: pages of instances, and the columns of a history.
 */
#include "hub_kit.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- queries -------------------------------------------------------------------------------- */

enum { ORDERS = 23 };

/* order-00 ... order-22 completed, fail-1 failed, wait-1 running. */
static void fill(struct kit *kit)
{
    kit_work(kit);
    for (int i = 0; i < ORDERS; i++) {
        char id[24];
        snprintf(id, sizeof(id), "order-%02d", i);
        kit_start(kit, "Echo", PD_VAL(i), id, NULL);
        pd_instance_free(kit_wait(kit, id));
    }
    kit_start(kit, "Fails", PD_VAL("x"), "fail-1", NULL);
    pd_instance_free(kit_wait(kit, "fail-1"));
    kit_start(kit, "WaitFor", PD_VAL("go"), "wait-1", NULL);
}

static pd_page *query(struct kit *kit, const pd_query *q)
{
    pd_error err;
    pd_page *page = pd_hub_query(kit->hub, q, &err);
    if (page == NULL) {
        fail_msg("%s", err.text);
    }
    return page;
}

static size_t count(struct kit *kit, pd_query q)
{
    pd_page *page = query(kit, &q);
    size_t rows = pd_page_count(page);
    pd_page_free(page);
    return rows;
}

static void pages_list_every_instance_once_oldest_first(void **state)
{
    struct kit *kit = *state;
    fill(kit);
    static const size_t sizes[] = { 1, 5, 23, 1000 };
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        char token[64] = "";
        size_t seen = 0;
        bool is_last = false;
        while (!is_last) {
            pd_query q = { .id_prefix = "order-",
                           .page_size = sizes[s],
                           .page_token = token[0] != '\0' ? token : NULL };
            pd_page *page = query(kit, &q);
            assert_true(pd_page_count(page) > 0 && pd_page_count(page) <= sizes[s]);
            for (size_t i = 0; i < pd_page_count(page); i++) {
                char id[24];
                snprintf(id, sizeof(id), "order-%02zu", seen);
                const pd_instance *one = pd_page_at(page, i);
                assert_string_equal(pd_instance_id_of(one), id);
                assert_int_equal(pd_int(pd_instance_output(one)), seen);
                seen++;
            }
            assert_null(pd_page_at(page, pd_page_count(page)));
            is_last = pd_page_token(page) == NULL;
            snprintf(token, sizeof(token), "%s", is_last ? "" : pd_page_token(page));
            pd_page_free(page);
        }
        assert_int_equal(seen, ORDERS);
    }
}

static void pages_stay_stable_while_others_start_and_end(void **state)
{
    struct kit *kit = *state;
    fill(kit);
    pd_query q = { .id_prefix = "order-", .page_size = 10 };
    pd_page *first = query(kit, &q);
    kit_start(kit, "Echo", PD_NULL, "order-zz", NULL);
    pd_instance_free(kit_wait(kit, "order-zz"));
    q.page_token = pd_page_token(first);
    q.page_size = 100;
    pd_page *rest = query(kit, &q);
    assert_int_equal(pd_page_count(rest), ORDERS - 10 + 1);
    assert_string_equal(pd_instance_id_of(pd_page_at(rest, 0)), "order-10");
    pd_page_free(rest);
    pd_page_free(first);
}

static void what_an_engine_takes_between_two_pages_is_listed_all_the_same(void **state)
{
    struct kit *kit = *state;
    enum { STARTS = 30 };
    for (int i = 0; i < STARTS; i++) {
        char id[24];
        snprintf(id, sizeof(id), "start-%02d", i);
        kit_start(kit, "Echo", PD_NULL, id, NULL);
    }
    bool seen[STARTS] = { false };
    char token[64] = "";
    for (int pages = 0; pages == 0 || token[0] != '\0'; pages++) {
        pd_query q = { .page_size = 7, .page_token = token[0] != '\0' ? token : NULL };
        pd_page *page = query(kit, &q);
        for (size_t i = 0; i < pd_page_count(page); i++) {
            const char *id = pd_instance_id_of(pd_page_at(page, i));
            seen[strtoul(id + strlen("start-"), NULL, 10)] = true;
        }
        snprintf(token, sizeof(token), "%s", pd_page_token(page) ? pd_page_token(page) : "");
        pd_page_free(page);
        if (pages == 1) {
            kit_work(kit);
            pd_instance_free(kit_wait(kit, "start-29"));
        }
    }
    for (int i = 0; i < STARTS; i++) {
        assert_true(seen[i]);
    }
    assert_int_equal(count(kit, (pd_query){ 0 }), STARTS);
}

static void filters_choose_by_state_name_prefix_and_time(void **state)
{
    struct kit *kit = *state;
    fill(kit);
    assert_int_equal(count(kit, (pd_query){ 0 }), ORDERS + 2);
    assert_int_equal(count(kit, (pd_query){ .states = 1u << PD_RUN_FAILED }), 1);
    assert_int_equal(count(kit, (pd_query){ .states = 1u << PD_RUN_COMPLETED }), ORDERS);
    assert_int_equal(
        count(kit, (pd_query){ .states = 1u << PD_RUN_COMPLETED | 1u << PD_RUN_FAILED }),
        ORDERS + 1);
    assert_int_equal(count(kit, (pd_query){ .states = 1u << PD_RUN_TERMINATED }), 0);
    assert_int_equal(count(kit, (pd_query){ .name = "Echo" }), ORDERS);
    assert_int_equal(count(kit, (pd_query){ .name = "echo" }), 0);
    assert_int_equal(count(kit, (pd_query){ .id_prefix = "order-1" }), 10);
    assert_int_equal(count(kit, (pd_query){ .id_prefix = "order-1", .name = "Fails" }), 0);

    pd_error err;
    pd_instance *one = pd_hub_fetch(kit->hub, "order-05", &err);
    assert_non_null(one);
    pd_time at = pd_instance_created_at(one);
    pd_instance_free(one);
    /* Both ends belong to it, and a millisecond is all of its microseconds. */
    pd_query q = { .created_from = at, .created_to = at };
    pd_page *page = query(kit, &q);
    bool is_found = false;
    for (size_t i = 0; i < pd_page_count(page); i++) {
        is_found |= strcmp(pd_instance_id_of(pd_page_at(page, i)), "order-05") == 0;
    }
    assert_true(is_found);
    pd_page_free(page);
    assert_int_equal(count(kit, (pd_query){ .created_to = { 1 } }), 0);
    assert_int_equal(count(kit, (pd_query){ .created_from = pd_after(at, pd_days(1)) }), 0);
}

static void an_instance_of_a_page_shows_what_fetching_shows(void **state)
{
    struct kit *kit = *state;
    fill(kit);
    pd_query q = { .id_prefix = "fail-1" };
    pd_page *page = query(kit, &q);
    const pd_instance *i = pd_page_at(page, 0);
    assert_int_equal(pd_instance_state(i), PD_RUN_FAILED);
    assert_string_equal(pd_instance_failure(i)->message, "no x today");
    assert_string_equal(pd_instance_input_json(i), "\"x\"");
    pd_page_free(page);
}

/* ---- history -------------------------------------------------------------------------------- */

static pd_history *history(struct kit *kit, const char *id)
{
    pd_error err;
    pd_history *h = pd_hub_fetch_history(kit->hub, id, &err);
    if (h == NULL) {
        fail_msg("%s", err.text);
    }
    return h;
}

static void assert_text(const char *got, const char *wanted)
{
    if (wanted == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, wanted);
    }
}

struct row {
    const char *kind;
    int event_id, step;
    const char *name, *input, *result, *status;
};

/* Turns follow one another, a turn's end is the latest time in it, and no time comes twice. */
static void assert_times(const pd_history *h)
{
    int64_t began = 0;  /* the turn */
    int64_t latest = 0; /* of all events so far */
    for (size_t i = 0; i < pd_history_count(h); i++) {
        const pd_history_event *e = pd_history_at(h, i);
        assert_int_equal(e->at.ms, e->at_us / 1000);
        if (strcmp(e->kind, "OrchestratorStarted") == 0) {
            assert_true(e->at_us > began && e->at_us > latest);
            began = e->at_us;
        } else if (strcmp(e->kind, "OrchestratorCompleted") == 0) {
            assert_true(e->at_us == latest);
        } else {
            assert_true(e->at_us != began);
        }
        latest = e->at_us > latest ? e->at_us : latest;
    }
}

static void assert_history(pd_history *h, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n && i < pd_history_count(h); i++) {
        const pd_history_event *e = pd_history_at(h, i);
        assert_int_equal(e->number, i + 1);
        assert_text(e->kind, rows[i].kind);
        assert_int_equal(e->event_id, rows[i].event_id);
        assert_int_equal(e->step, rows[i].step);
        assert_text(e->name, rows[i].name);
        assert_text(e->input_json, rows[i].input);
        assert_text(e->result_json, rows[i].result);
        assert_text(e->status, rows[i].status);
    }
    assert_int_equal(pd_history_count(h), n);
    assert_null(pd_history_at(h, n));
    assert_times(h);
}

static void a_history_shows_each_column_where_it_belongs(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Hello", PD_VAL(PD_ARR("Tokyo")), "h", NULL);
    pd_instance_free(kit_wait(kit, "h"));
    static const struct row rows[] = {
        { "OrchestratorStarted", -1, -1, NULL, NULL, NULL, NULL },
        { "ExecutionStarted", -1, -1, "Hello", "[\"Tokyo\"]", NULL, NULL },
        { "TaskScheduled", 0, -1, "SayHello", "\"Tokyo\"", NULL, NULL },
        { "OrchestratorCompleted", -1, -1, NULL, NULL, NULL, NULL },
        { "OrchestratorStarted", -1, -1, NULL, NULL, NULL, NULL },
        { "TaskCompleted", -1, 0, NULL, NULL, "\"Hello Tokyo!\"", NULL },
        { "ExecutionCompleted", 1, -1, NULL, NULL, "[\"Hello Tokyo!\"]", "Completed" },
        { "OrchestratorCompleted", -1, -1, NULL, NULL, NULL, NULL },
    };
    pd_history *h = history(kit, "h");
    assert_history(h, rows, sizeof(rows) / sizeof(rows[0]));
    pd_history_free(h);
}

static void a_history_shows_events_and_timers(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "e", NULL);
    kit_sleep_ms(50); /* so that its first turn is over */
    kit_raise(kit, "e", "Go", PD_VAL(PD_OBJ("by", "ann")));
    pd_instance_free(kit_wait(kit, "e"));
    pd_history *h = history(kit, "e");
    bool is_raised = false;
    for (size_t i = 0; i < pd_history_count(h); i++) {
        const pd_history_event *e = pd_history_at(h, i);
        if (strcmp(e->kind, "EventRaised") == 0) {
            is_raised = true;
            assert_string_equal(e->name, "Go");
            assert_string_equal(e->input_json, "{\"by\":\"ann\"}");
            assert_int_equal(e->event_id, -1);
        }
    }
    assert_true(is_raised);
    pd_history_free(h);

    kit_start(kit, "Sleep", PD_VAL(20), "t", NULL);
    pd_instance_free(kit_wait(kit, "t"));
    static const struct row rows[] = {
        { "OrchestratorStarted", -1, -1, NULL, NULL, NULL, NULL },
        { "ExecutionStarted", -1, -1, "Sleep", "20", NULL, NULL },
        { "TimerCreated", 0, -1, NULL, NULL, NULL, NULL },
        { "OrchestratorCompleted", -1, -1, NULL, NULL, NULL, NULL },
        { "OrchestratorStarted", -1, -1, NULL, NULL, NULL, NULL },
        { "TimerFired", -1, 0, NULL, NULL, NULL, NULL },
        { "ExecutionCompleted", 1, -1, NULL, NULL, "null", "Completed" },
        { "OrchestratorCompleted", -1, -1, NULL, NULL, NULL, NULL },
    };
    h = history(kit, "t");
    assert_history(h, rows, sizeof(rows) / sizeof(rows[0]));
    for (size_t i = 0; i < pd_history_count(h); i++) {
        const pd_history_event *e = pd_history_at(h, i);
        bool is_timer = strncmp(e->kind, "Timer", strlen("Timer")) == 0;
        pd_time due =
            is_timer ? pd_after(pd_history_at(h, 0)->at, pd_milliseconds(20)) : (pd_time){ 0 };
        assert_int_equal(e->fire_at.ms, due.ms);
    }
    pd_history_free(h);
}

/* Such a turn ends with an event that happened before it began. */
static void a_turn_that_only_takes_an_event_ends_after_it_began(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Collect", PD_VAL(3), "c", NULL);
    for (int i = 0; i < 3; i++) {
        kit_sleep_ms(30); /* so that each gets a turn of its own, most likely */
        kit_raise(kit, "c", "item", PD_VAL(i));
    }
    pd_instance_free(kit_wait(kit, "c"));
    pd_history *h = history(kit, "c");
    assert_times(h);
    pd_history_free(h);
}

static void a_history_shows_failures(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "FailsInActivity", PD_VAL("noon"), "f", NULL);
    pd_instance_free(kit_wait(kit, "f"));
    pd_history *h = history(kit, "f");
    const pd_history_event *failed = pd_history_at(h, 5);
    assert_string_equal(failed->kind, "TaskFailed");
    assert_int_equal(failed->step, 0);
    assert_string_equal(failed->failure->type, "Broken");
    assert_null(failed->result_json);
    const pd_history_event *ended = pd_history_at(h, 6);
    assert_string_equal(ended->kind, "ExecutionCompleted");
    assert_string_equal(ended->status, "Failed");
    assert_string_equal(ended->failure->type, "TaskFailed");
    assert_string_equal(ended->failure->cause->message, "it broke at noon");
    pd_history_free(h);
}

static void a_replaced_instance_shows_its_own_history_only(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Hello", PD_VAL(PD_ARR("a", "b", "c")), "r", NULL);
    pd_instance_free(kit_wait(kit, "r"));
    kit_start(kit, "Echo", PD_NULL, "r", NULL);
    pd_instance_free(kit_wait(kit, "r"));
    pd_history *h = history(kit, "r");
    assert_int_equal(pd_history_count(h), 4);
    pd_history_free(h);
    pd_error err;
    assert_null(pd_hub_fetch_history(kit->hub, "nobody", &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(pages_list_every_instance_once_oldest_first),
        HUB_TEST(pages_stay_stable_while_others_start_and_end),
        HUB_TEST(what_an_engine_takes_between_two_pages_is_listed_all_the_same),
        HUB_TEST(filters_choose_by_state_name_prefix_and_time),
        HUB_TEST(an_instance_of_a_page_shows_what_fetching_shows),
        HUB_TEST(a_history_shows_each_column_where_it_belongs),
        HUB_TEST(a_history_shows_events_and_timers),
        HUB_TEST(a_turn_that_only_takes_an_event_ends_after_it_began),
        HUB_TEST(a_history_shows_failures),
        HUB_TEST(a_replaced_instance_shows_its_own_history_only),
    };
    return cmocka_run_group_tests_name("hub/read", tests, NULL, NULL);
}
