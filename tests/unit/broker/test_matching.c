/* SPDX-License-Identifier: MIT
 *
 * Who gets what: the rules of section 2.5 of the service's specification. */
#include <stdio.h>
#include <time.h>

#include "desk.h"

static struct text one[1], two[2];

static struct hub_work_item_filters no_filters(void)
{
    struct hub_work_item_filters filters;
    message_init(&hub_work_item_filters_type, &filters);
    return filters;
}

/* Of one orchestration, with these versions. */
static struct hub_work_item_filters of_orchestration(const char *name, struct text *versions,
                                                     size_t count)
{
    static struct hub_orchestration_filter filter;
    struct hub_work_item_filters filters = no_filters();
    filter =
        (struct hub_orchestration_filter){ .name = text_of(name), .versions = { versions, count } };
    filters.orchestrations.items = &filter;
    filters.orchestrations.count = 1;
    return filters;
}

static struct hub_work_item_filters of_activity(const char *name, struct text *versions,
                                                size_t count)
{
    static struct hub_activity_filter filter;
    struct hub_work_item_filters filters = no_filters();
    filter = (struct hub_activity_filter){ .name = text_of(name), .versions = { versions, count } };
    filters.activities.items = &filter;
    filters.activities.count = 1;
    return filters;
}

static struct hub_work_item_filters of_entity(const char *name)
{
    static struct hub_entity_filter filter;
    struct hub_work_item_filters filters = no_filters();
    filter = (struct hub_entity_filter){ .name = text_of(name) };
    filters.entities.items = &filter;
    filters.entities.count = 1;
    return filters;
}

/* How many items a worker with these filters gets of what is offered. */
static size_t gets_turn(const struct hub_work_item_filters *filters, const char *name,
                        const char *version)
{
    static struct desk desk;
    static struct worker worker;
    struct broker_stream_options options = { .filters = filters };
    desk_open(&desk, NULL);
    worker_open(&worker, &desk, &options);
    struct turn turn = desk_turn(&desk, 1, 1, "i1");
    turn.name = text_of(name);
    turn.version = text_of(version);
    desk_offer(&desk, &turn);
    size_t count = worker.count;
    worker_close(&worker);
    desk_close(&desk);
    return count;
}

static size_t gets_activity(const struct hub_work_item_filters *filters,
                            const struct activity_wish *wish)
{
    static struct desk desk;
    static struct worker worker;
    struct broker_stream_options options = { .filters = filters };
    desk_open(&desk, NULL);
    worker_open(&worker, &desk, &options);
    desk_dispatch(&desk, wish);
    size_t count = worker.count;
    worker_close(&worker);
    desk_close(&desk);
    return count;
}

static size_t gets_entity(const struct broker_stream_options *options)
{
    static struct desk desk;
    static struct worker worker;
    desk_open(&desk, NULL);
    worker_open(&worker, &desk, options);
    (void)desk_offer_entity(&desk, 1, 1, 0);
    size_t count = worker.count;
    worker_close(&worker);
    desk_close(&desk);
    return count;
}

static void without_filters_a_stream_gets_everything(void **state)
{
    (void)state;
    struct broker_stream_options options = { 0 };
    assert_int_equal(gets_turn(NULL, "hello", "1.0"), 1);
    assert_int_equal(gets_activity(NULL, &(struct activity_wish){ .row = 1 }), 1);
    assert_int_equal(gets_entity(&options), 1);
}

static void names_of_orchestrations_are_compared_exactly(void **state)
{
    (void)state;
    struct hub_work_item_filters filters = of_orchestration("hello", NULL, 0);
    assert_int_equal(gets_turn(&filters, "hello", NULL), 1);
    assert_int_equal(gets_turn(&filters, "Hello", NULL), 0);
    assert_int_equal(gets_turn(&filters, "hello2", NULL), 0);
}

static void no_versions_are_any_version(void **state)
{
    (void)state;
    struct hub_work_item_filters filters = of_orchestration("hello", NULL, 0);
    assert_int_equal(gets_turn(&filters, "hello", "1.0"), 1);
    assert_int_equal(gets_turn(&filters, "hello", NULL), 1);
}

static void a_listed_version_must_be_the_same(void **state)
{
    (void)state;
    two[0] = TEXT("1.0");
    two[1] = TEXT("2.0");
    struct hub_work_item_filters filters = of_orchestration("hello", two, 2);
    assert_int_equal(gets_turn(&filters, "hello", "2.0"), 1);
    assert_int_equal(gets_turn(&filters, "hello", "3.0"), 0);
    assert_int_equal(gets_turn(&filters, "hello", NULL), 0);
}

static void an_empty_version_in_a_filter_is_no_version(void **state)
{
    (void)state;
    one[0] = TEXT("");
    struct hub_work_item_filters filters = of_orchestration("hello", one, 1);
    assert_int_equal(gets_turn(&filters, "hello", NULL), 1);
    assert_int_equal(gets_turn(&filters, "hello", ""), 1);
    assert_int_equal(gets_turn(&filters, "hello", "1.0"), 0);
}

static void a_kind_that_a_filter_leaves_empty_is_not_delivered(void **state)
{
    (void)state;
    struct hub_work_item_filters filters = of_orchestration("hello", NULL, 0);
    struct broker_stream_options options = { .filters = &filters };
    assert_int_equal(gets_activity(&filters, &(struct activity_wish){ .row = 1 }), 0);
    assert_int_equal(gets_entity(&options), 0);
    filters = of_activity("say", NULL, 0);
    assert_int_equal(gets_turn(&filters, "hello", NULL), 0);
}

static void entities_are_delivered_to_a_stream_that_only_says_how_many(void **state)
{
    (void)state;
    struct hub_work_item_filters filters = of_orchestration("hello", NULL, 0);
    struct broker_stream_options options = { .filters = &filters, .entities_max = 1 };
    assert_int_equal(gets_entity(&options), 1);
}

static void names_of_entities_are_compared_without_case(void **state)
{
    (void)state;
    struct hub_work_item_filters filters = of_entity("CounTer");
    struct broker_stream_options options = { .filters = &filters };
    assert_int_equal(gets_entity(&options), 1);
    filters = of_entity("counte");
    assert_int_equal(gets_entity(&options), 0);
}

static void go_gets_no_entities(void **state)
{
    (void)state;
    struct broker_stream_options options = { .has_no_entities = true };
    assert_int_equal(gets_entity(&options), 0);
}

static void an_activity_without_version_has_that_of_its_orchestration(void **state)
{
    (void)state;
    one[0] = TEXT("3.0.0");
    struct hub_work_item_filters filters = of_activity("say", one, 1);
    struct activity_wish wish = { .row = 1, .owner_version = "3.0.0" };
    assert_int_equal(gets_activity(&filters, &wish), 1);
    wish.owner_version = "2.0.0";
    assert_int_equal(gets_activity(&filters, &wish), 0);
    wish.version = "3.0.0";
    assert_int_equal(gets_activity(&filters, &wish), 1);
    wish.version = "1.0.0";
    wish.owner_version = NULL;
    assert_int_equal(gets_activity(&filters, &wish), 0);
}

static void an_activity_without_version_is_also_one_of_no_version(void **state)
{
    (void)state;
    one[0] = TEXT("");
    struct hub_work_item_filters filters = of_activity("say", one, 1);
    struct activity_wish wish = { .row = 1, .owner_version = "3.0.0" };
    assert_int_equal(gets_activity(&filters, &wish), 1);
}

static void what_nobody_takes_waits_for_somebody_who_does(void **state)
{
    static struct desk desk;
    static struct worker other, right;
    (void)state;
    struct hub_work_item_filters filters = of_orchestration("other", NULL, 0);
    struct broker_stream_options options = { .filters = &filters };
    desk_open(&desk, NULL);
    worker_open(&other, &desk, &options);
    (void)desk_offer_turn(&desk, 1, 1);
    desk_pass(&desk, 3600 * TIME_SECOND);
    assert_got(&other, 0);
    assert_int_equal(broker_counters(desk.broker).waiting[0], 1);
    filters = of_orchestration("hello", NULL, 0);
    worker_open(&right, &desk, &options);
    assert_got(&right, 1);
    assert_int_equal(broker_counters(desk.broker).waiting[0], 0);
    worker_close(&other);
    worker_close(&right);
    desk_close(&desk);
}

/* Queues are made anew when streams change: the order stays. */
static void what_waits_keeps_its_order_when_streams_come_and_go(void **state)
{
    static struct desk desk;
    static struct worker a, b;
    char name[2] = "a";
    (void)state;
    struct hub_work_item_filters filters = of_orchestration("a", NULL, 0);
    struct broker_stream_options options = { .filters = &filters };
    desk_open(&desk, NULL);
    worker_open(&a, &desk, &options);
    worker_close(&a);
    for (uint64_t i = 0; i < 100; i++) {
        struct turn turn =
            desk_turn(&desk, i + 1, 1, arena_printf(&desk.arena, "i%03llu", (unsigned long long)i));
        name[0] = (char)('b' + i % 7);
        turn.name = text_copy(&desk.arena, text_of(name));
        desk_offer(&desk, &turn);
        if (i == 50) {
            worker_open(&a, &desk, &options);
        }
    }
    worker_open(&b, &desk, NULL);
    assert_got(&b, 100);
    desk_answer_all(&desk);
    const char *before = "";
    size_t out_of_order = 0;
    for (size_t i = 0; i < b.count; i++) {
        out_of_order += strcmp(before, b.got[i].instance_id) >= 0;
        before = b.got[i].instance_id;
    }
    /* Those that had to be written for the new worker first came a little later, in their order. */
    assert_true(out_of_order <= 1);
    worker_close(&a);
    worker_close(&b);
    desk_close(&desk);
}

/* Two queues, of those with a worker and of those without, become one. */
static void what_waited_in_two_queues_is_in_order_in_one(void **state)
{
    static struct desk desk;
    static struct worker a, b;
    (void)state;
    struct hub_work_item_filters filters = of_activity("x", NULL, 0);
    struct broker_stream_options options = { .filters = &filters, .activities_max = 1 };
    desk_open(&desk, NULL);
    worker_open(&a, &desk, &options);
    for (int32_t id = 0; id < 40; id++) {
        const char *name = id % 3 == 0 ? "x" : "y";
        desk_dispatch(&desk, &(struct activity_wish){ .row = 1, .id = id, .name = name });
    }
    assert_got(&a, 1);
    worker_open(&b, &desk, NULL);
    assert_got(&b, 39);
    for (size_t i = 0; i < 39; i++) {
        assert_int_equal(b.got[i].item->activity_request->task_id, i + 1);
    }
    worker_close(&a);
    worker_close(&b);
    desk_close(&desk);
}

/* ---- what nobody has ------------------------------------------------------------------------- */

static struct desk hinted;
static struct worker who_has_hello;

static void open_hinted(void)
{
    const struct hub_work_item_filters filters = of_orchestration("hello", NULL, 0);
    desk_open(&hinted, NULL);
    worker_open(&who_has_hello, &hinted, &(struct broker_stream_options){ .filters = &filters });
}

static void offer_named(uint64_t row, const char *name)
{
    struct turn turn = desk_turn(&hinted, row, 1, "i");
    turn.name = text_of(name);
    desk_offer(&hinted, &turn);
}

static void a_name_that_no_worker_has_is_said_in_the_log_once(void **state)
{
    (void)state;
    open_hinted();
    offer_named(1, "hello");
    assert_int_equal(hinted.log_count, 0);
    offer_named(2, "helo");
    assert_int_equal(hinted.log_count, 1);
    assert_string_equal(hinted.log, "no connected worker has the orchestrator 'helo': what is "
                                    "asked of it waits for one");
    offer_named(3, "helo");
    struct worker other;
    worker_open(&other, &hinted, &(struct broker_stream_options){ .has_no_entities = true });
    worker_close(&other); /* the queues are made anew */
    assert_int_equal(hinted.log_count, 1);
    desk_dispatch(&hinted, &(struct activity_wish){ .row = 4, .name = "helo", .version = "2" });
    assert_int_equal(hinted.log_count, 2);
    assert_string_equal(hinted.log, "no connected worker has the activity 'helo' of version 2: "
                                    "what is asked of it waits for one");
    worker_close(&who_has_hello);
    desk_close(&hinted);
}

static void without_a_worker_nothing_is_said_until_one_comes_that_has_it_not(void **state)
{
    (void)state;
    struct worker worker;
    const struct hub_work_item_filters filters = of_orchestration("hello", NULL, 0);
    desk_open(&hinted, NULL);
    offer_named(1, "helo");
    assert_int_equal(hinted.log_count, 0);
    worker_open(&worker, &hinted, &(struct broker_stream_options){ .filters = &filters });
    assert_int_equal(hinted.log_count, 1);
    worker_close(&worker);
    desk_close(&hinted);
}

static void strangers_do_not_fill_the_log(void **state)
{
    (void)state;
    open_hinted();
    for (uint64_t i = 1; i <= 100; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%d", (int)i);
        offer_named(i, name);
    }
    assert_int_equal(hinted.log_count, 10);
    desk_pass(&hinted, 60 * TIME_SECOND);
    offer_named(200, "later");
    assert_int_equal(hinted.log_count, 11);
    worker_close(&who_has_hello);
    desk_close(&hinted);
}

static size_t no_backlog(void *argument)
{
    (void)argument;
    return 0;
}

/* Which one client can do as often as it likes; 10,000 workers do it when their server begins. */
static void streams_that_come_and_go_in_one_moment_do_not_look_at_what_waits_each_time(void **state)
{
    (void)state;
    enum { WAITING = 4000, TIMES = 10000 };
    static struct desk desk;
    static struct worker worker;
    const struct broker_stream_options options = { .backlog = no_backlog };
    desk_open(&desk, &(struct broker_options){ 0 });
    for (uint64_t i = 1; i <= WAITING; i++) {
        desk_dispatch(&desk, &(struct activity_wish){ .row = i });
    }
    clock_t from = clock();
    for (int i = 0; i < TIMES; i++) {
        broker_disconnect(broker_connect(desk.broker, &options));
    }
    assert_true(clock() - from < CLOCKS_PER_SEC / 4);
    desk_run(&desk);
    worker_open(&worker, &desk, NULL);
    assert_got(&worker, WAITING);
    worker_close(&worker);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_filters_a_stream_gets_everything),
        cmocka_unit_test(names_of_orchestrations_are_compared_exactly),
        cmocka_unit_test(no_versions_are_any_version),
        cmocka_unit_test(a_listed_version_must_be_the_same),
        cmocka_unit_test(an_empty_version_in_a_filter_is_no_version),
        cmocka_unit_test(a_kind_that_a_filter_leaves_empty_is_not_delivered),
        cmocka_unit_test(entities_are_delivered_to_a_stream_that_only_says_how_many),
        cmocka_unit_test(names_of_entities_are_compared_without_case),
        cmocka_unit_test(go_gets_no_entities),
        cmocka_unit_test(an_activity_without_version_has_that_of_its_orchestration),
        cmocka_unit_test(an_activity_without_version_is_also_one_of_no_version),
        cmocka_unit_test(what_nobody_takes_waits_for_somebody_who_does),
        cmocka_unit_test(what_waits_keeps_its_order_when_streams_come_and_go),
        cmocka_unit_test(what_waited_in_two_queues_is_in_order_in_one),
        cmocka_unit_test(a_name_that_no_worker_has_is_said_in_the_log_once),
        cmocka_unit_test(without_a_worker_nothing_is_said_until_one_comes_that_has_it_not),
        cmocka_unit_test(strangers_do_not_fill_the_log),
        cmocka_unit_test(
            streams_that_come_and_go_in_one_moment_do_not_look_at_what_waits_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
