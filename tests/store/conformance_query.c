/* SPDX-License-Identifier: MIT
 *
 * The contract of store.h as tests that every provider passes: queries and counts. */
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "rig.h"

/* ---- S4: queries ----------------------------------------------------------------------------- */

static void fill_for_queries(struct world *world)
{
    static const struct {
        const char *id, *name;
        enum run_state state;
        time_us created_at;
    } all[] = {
        { "order-1", "Order", RUN_RUNNING, 100 }, { "order-2", "Order", RUN_COMPLETED, 200 },
        { "order", "Order", RUN_FAILED, 300 },    { "ship-1", "Ship", RUN_RUNNING, 400 },
        { "ordes", "Ship", RUN_PENDING, 500 },    { "\xff\xff", "Odd", RUN_TERMINATED, 600 },
        { "or", "Odd", RUN_SUSPENDED, 700 }
    };
    struct batch *batch = batch_for(world, 0);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct instance_record *record = record_of(batch, next_row(world, 0), all[i].id);
        record->name = text_of(all[i].name);
        record->state = all[i].state;
        record->created_at = all[i].created_at;
        put_record(batch, MUTATION_INSTANCE_INSERT, record);
    }
    commit_ok(world, batch);
}

static void assert_query(struct world *world, struct store_query what, const char *expected)
{
    char got[200] = "";
    what.limit = what.limit != 0 ? what.limit : 100;
    struct record_page page = query(world, &what);
    for (size_t i = 0; i < page.count; i++) {
        size_t at = strlen(got);
        (void)snprintf(got + at, sizeof got - at, "%s%.*s", i != 0 ? " " : "",
                       TEXT_ARGS(page.items[i].id));
    }
    (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s", page.has_more ? " ..." : "");
    assert_string_equal(got, expected);
}

static void S4_a_query_finds_by_state_prefix_name_and_time(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    assert_query(world, (struct store_query){ 0 },
                 "order-1 order-2 order ship-1 ordes \xff\xff or");
    assert_query(world, (struct store_query){ .states = 1u << RUN_RUNNING | 1u << RUN_FAILED },
                 "order-1 order ship-1");
    assert_query(world, (struct store_query){ .states = 1u << RUN_PENDING }, "ordes");
    assert_query(world, (struct store_query){ .id_prefix = TEXT("order") },
                 "order-1 order-2 order");
    assert_query(world, (struct store_query){ .id_prefix = TEXT("\xff") }, "\xff\xff");
    assert_query(world, (struct store_query){ .id_prefix = TEXT("") },
                 "order-1 order-2 order ship-1 ordes \xff\xff or");
    assert_query(world, (struct store_query){ .name = TEXT("Ship") }, "ship-1 ordes");
    assert_query(world, (struct store_query){ .name = TEXT("ship") }, "");
    assert_query(world, (struct store_query){ .created_from = 200, .created_to = 400 },
                 "order-2 order ship-1");
    assert_query(world,
                 (struct store_query){ .id_prefix = TEXT("or"),
                                       .name = TEXT("Order"),
                                       .created_from = 101,
                                       .states = 1u << RUN_FAILED },
                 "order");
}

static void S4_a_query_hides_names_that_begin_so(void **state)
{
    struct world *world = *state;
    struct store_counts counts;
    fill_for_queries(world);
    assert_query(world, (struct store_query){ .hidden = TEXT("Or") }, "ship-1 ordes \xff\xff or");
    assert_query(world, (struct store_query){ .hidden = TEXT("Order") },
                 "ship-1 ordes \xff\xff or");
    assert_query(world, (struct store_query){ .hidden = TEXT("Orders") },
                 "order-1 order-2 order ship-1 ordes \xff\xff or");
    assert_query(world, (struct store_query){ .hidden = TEXT("r") },
                 "order-1 order-2 order ship-1 ordes \xff\xff or");
    assert_query(world, (struct store_query){ .hidden = TEXT("") },
                 "order-1 order-2 order ship-1 ordes \xff\xff or");
    assert_query(world, (struct store_query){ .hidden = TEXT("O"), .limit = 1 }, "ship-1 ...");
    assert_query(world, (struct store_query){ .hidden = TEXT("O"), .name = TEXT("Order") }, "");
    const struct store_query what = { .hidden = TEXT("O") };
    assert_ok(world, world->store->ops->count(world->store, &what, &counts, &world->err));
    assert_int_equal(counts.of[RUN_RUNNING], 1);
    assert_int_equal(counts.of[RUN_PENDING], 1);
    assert_int_equal(counts.of[RUN_COMPLETED] + counts.of[RUN_TERMINATED], 0);
}

static void S4_a_query_comes_in_pages(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    struct store_query orders = { .id_prefix = TEXT("order"), .limit = 2 };
    assert_query(world, orders, "order-1 order-2 ...");
    orders.after_row = query(world, &orders).items[1].row;
    assert_query(world, orders, "order");
    orders.after_row = 0;
    orders.limit = 3;
    assert_query(world, orders, "order-1 order-2 order");
}

static void S4_a_query_gives_payloads_only_when_asked(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    struct store_query one = { .limit = 1 };
    assert_text(query(world, &one).items[0].input, TEXT_ABSENT);
    assert_text(query(world, &one).items[0].version, TEXT("1.0"));
    one.with_payloads = true;
    assert_text(query(world, &one).items[0].input, TEXT("{\"city\":\"Tokyo\"}"));
}

/* Three with payloads of 100 bytes, 40 of them in one and 20 in each of the others; then one of
 * none. */
static void fill_with_payloads(struct world *world)
{
    static const char bytes[] = "0123456789012345678901234567890123456789";
    struct batch *batch = batch_for(world, 0);
    for (int i = 0; i < 4; i++) {
        static const char *const ids[] = { "p0", "p1", "p2", "none" };
        struct instance_record *record = record_of(batch, next_row(world, 0), ids[i]);
        record->state = RUN_COMPLETED;
        record->input = i < 3 ? text_make(bytes, 40) : TEXT_ABSENT;
        record->output = record->failure = record->custom_status =
            i < 3 ? text_make(bytes, 20) : TEXT_ABSENT;
        put_record(batch, MUTATION_INSTANCE_INSERT, record);
    }
    commit_ok(world, batch);
}

static void S4_a_page_ends_with_the_row_that_makes_it_so_many_bytes(void **state)
{
    struct world *world = *state;
    struct store_query what = { .with_payloads = true };
    fill_with_payloads(world);
    assert_query(world, what, "p0 p1 p2 none");
    what.bytes_max = 1;
    assert_query(world, what, "p0 ...");
    what.bytes_max = 100;
    assert_query(world, what, "p0 ...");
    what.bytes_max = 101;
    assert_query(world, what, "p0 p1 ...");
    what.bytes_max = 200;
    assert_query(world, what, "p0 p1 ...");
    what.bytes_max = 300; /* what has no payload is a page of its own */
    assert_query(world, what, "p0 p1 p2 ...");
    what.bytes_max = 301;
    assert_query(world, what, "p0 p1 p2 none");
    what.limit = 1;
    assert_query(world, what, "p0 ...");
    what = (struct store_query){ .bytes_max = 1 }; /* no payloads, no bytes */
    assert_query(world, what, "p0 p1 p2 none");
}

static void S4_pages_that_bytes_end_are_all_there_is(void **state)
{
    struct world *world = *state;
    struct store_query what = { .with_payloads = true, .limit = 100, .bytes_max = 1 };
    fill_with_payloads(world);
    uint64_t pages = 1;
    struct record_page page = query(world, &what);
    for (; page.has_more; pages++) {
        assert_int_equal(page.count, 1);
        what.after_row = page.items[0].row;
        page = query(world, &what);
    }
    assert_int_equal(pages, 4);
    assert_text(page.items[0].id, TEXT("none"));
    what.after_row = page.items[0].row;
    page = query(world, &what);
    assert_int_equal(page.count, 0);
    assert_false(page.has_more);
}

/* ---- what few have --------------------------------------------------------------------------- */

#define RS "\x1e"
#define US "\x1f"

/* A tree: top has a, b and c; b has d; e's parent has a name that begins with that of b. */
static void fill_with_tree(struct world *world)
{
    static const struct {
        const char *id, *parent, *version, *tags;
        enum run_state state;
        time_us ended_at;
    } all[] = {
        { "top", NULL, "1.0", NULL, RUN_RUNNING, 0 },
        { "a", "top", "1.0", RS "colour" US "red" RS, RUN_COMPLETED, 1000 },
        { "lone", NULL, NULL, RS "colour" US "redder" RS "size" US RS, RUN_FAILED, 2000 },
        { "b", "top", "2.0", RS "colour" US "red" RS "size" US "L" RS, RUN_RUNNING, 0 },
        { "d", "b", "", NULL, RUN_TERMINATED, 3000 },
        { "e", "bb", "2.0", RS "a" US "colour" RS "b" US "red" RS, RUN_PENDING, 0 },
        { "c", "top", "2.0", NULL, RUN_FAILED, 4000 },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct batch *batch = batch_for(world, 1);
        struct instance_record *record = record_of(batch, next_row(world, 1), all[i].id);
        record->parent_id = text_of(all[i].parent);
        record->version = text_of(all[i].version);
        record->tags = text_of(all[i].tags);
        record->state = all[i].state;
        record->is_busy = !run_state_is_final(all[i].state);
        record->created_at = 100 * (time_us)(i + 1);
        record->ended_at = all[i].ended_at;
        put_record(batch, MUTATION_INSTANCE_INSERT, record);
        commit_ok(world, batch);
    }
}

static void S4_a_query_finds_children_and_roots(void **state)
{
    struct world *world = *state;
    fill_with_tree(world);
    assert_query(world, (struct store_query){ .parent_id = TEXT("top") }, "a b c");
    assert_query(world, (struct store_query){ .parent_id = TEXT("b") }, "d");
    assert_query(world, (struct store_query){ .parent_id = TEXT("TOP") }, "");
    assert_query(world, (struct store_query){ .parent_id = TEXT("") }, "");
    assert_query(world, (struct store_query){ .roots_only = true }, "top lone");
    assert_query(world, (struct store_query){ .roots_only = true, .parent_id = TEXT("b") }, "");
    assert_query(world,
                 (struct store_query){ .parent_id = TEXT("top"),
                                       .states = STATES_ENDED,
                                       .id_prefix = TEXT("c"),
                                       .version = TEXT("2.0"),
                                       .created_from = 700,
                                       .created_to = 700 },
                 "c");
    assert_query(world, (struct store_query){ .parent_id = TEXT("top"), .created_to = 699 }, "a b");
}

static void S4_a_query_finds_tags_whole(void **state)
{
    struct world *world = *state;
    fill_with_tree(world);
    assert_query(world, (struct store_query){ .tag = TEXT(RS "colour" US "red" RS) }, "a b");
    assert_query(world, (struct store_query){ .tag = TEXT(RS "colour" US "redder" RS) }, "lone");
    assert_query(world, (struct store_query){ .tag = TEXT(RS "size" US RS) }, "lone");
    assert_query(world, (struct store_query){ .tag = TEXT(RS "size" US "L" RS) }, "b");
    assert_query(world, (struct store_query){ .tag = TEXT(RS "colour" US "blue" RS) }, "");
    assert_query(world, (struct store_query){ .tag = TEXT(RS "colour" US "Red" RS) }, "");
    assert_query(
        world,
        (struct store_query){ .tag = TEXT(RS "colour" US "red" RS), .parent_id = TEXT("top") },
        "a b");
    assert_query(
        world, (struct store_query){ .tag = TEXT(RS "colour" US "redder" RS), .roots_only = true },
        "lone");
}

static void S4_a_query_finds_by_version(void **state)
{
    struct world *world = *state;
    fill_with_tree(world);
    assert_query(world, (struct store_query){ .version = TEXT("2.0") }, "b e c");
    assert_query(world, (struct store_query){ .version = TEXT("2") }, "");
    assert_query(world, (struct store_query){ .version = TEXT("") }, "d");
}

static void S4_a_query_finds_what_ended_in_a_window_of_time(void **state)
{
    struct world *world = *state;
    fill_with_tree(world);
    assert_query(world, (struct store_query){ .ended_from = 1000, .ended_to = 3000 }, "a lone d");
    assert_query(world, (struct store_query){ .ended_from = 1001, .ended_to = 2999 }, "lone");
    assert_query(world, (struct store_query){ .ended_to = 1000 }, "a");
    assert_query(world, (struct store_query){ .ended_to = 999 }, "");
    assert_query(world, (struct store_query){ .ended_from = 4000 }, "c");
    assert_query(world, (struct store_query){ .ended_from = INT64_MIN }, "a lone d c");
    assert_query(world, (struct store_query){ .ended_to = 2000, .states = 1u << RUN_FAILED },
                 "lone");
}

static void S4_children_come_in_pages_too(void **state)
{
    struct world *world = *state;
    fill_with_tree(world);
    struct store_query what = { .parent_id = TEXT("top"), .limit = 2 };
    assert_query(world, what, "a b ...");
    what.after_row = query(world, &what).items[1].row;
    assert_query(world, what, "c");
    what.limit = 1;
    assert_query(world, what, "c");
    what.after_row = query(world, &what).items[0].row;
    assert_query(world, what, "");
    struct store_query tagged = { .tag = TEXT(RS "colour" US "red" RS), .limit = 1 };
    assert_query(world, tagged, "a ...");
    tagged.after_row = query(world, &tagged).items[0].row;
    assert_query(world, tagged, "b");
}

/* ---- counts ---------------------------------------------------------------------------------- */

static void assert_counts(struct world *world, struct store_query what, const char *expected)
{
    char got[200] = "";
    struct store_counts counts;
    assert_ok(world, world->store->ops->count(world->store, &what, &counts, &world->err));
    for (int i = 0; i <= (int)RUN_TERMINATED; i++) {
        size_t at = strlen(got);
        (void)snprintf(got + at, sizeof got - at, "%s%llu", i != 0 ? " " : "",
                       (unsigned long long)counts.of[i]);
    }
    assert_string_equal(got, expected);
}

static void S4_a_count_says_how_many_a_query_finds_in_each_state(void **state)
{
    struct world *world = *state;
    assert_counts(world, (struct store_query){ 0 }, "0 0 0 0 0 0");
    fill_for_queries(world);
    assert_counts(world, (struct store_query){ 0 }, "1 2 1 1 1 1");
    fill_with_tree(world);
    assert_counts(world, (struct store_query){ 0 }, "2 4 1 2 3 2");
    assert_counts(world, (struct store_query){ .limit = 1, .after_row = 4 }, "2 4 1 2 3 2");
    assert_counts(world, (struct store_query){ .with_payloads = true }, "2 4 1 2 3 2");
    assert_counts(world, (struct store_query){ .states = 1u << RUN_FAILED }, "0 0 0 0 3 0");
    assert_counts(world, (struct store_query){ .id_prefix = TEXT("order") }, "0 1 0 1 1 0");
    assert_counts(world, (struct store_query){ .parent_id = TEXT("top") }, "0 1 0 1 1 0");
    assert_counts(world, (struct store_query){ .roots_only = true }, "1 3 1 1 2 1");
    assert_counts(world, (struct store_query){ .tag = TEXT(RS "colour" US "red" RS) },
                  "0 1 0 1 0 0");
    assert_counts(world, (struct store_query){ .ended_from = 1, .ended_to = 3000 }, "0 0 0 1 1 1");
    assert_counts(world, (struct store_query){ .name = TEXT("Nothing") }, "0 0 0 0 0 0");
}

const struct CMUnitTest conformance_query[] = {
    cmocka_unit_test(S4_a_query_finds_by_state_prefix_name_and_time),
    cmocka_unit_test(S4_a_query_hides_names_that_begin_so),
    cmocka_unit_test(S4_a_query_comes_in_pages),
    cmocka_unit_test(S4_a_query_gives_payloads_only_when_asked),
    cmocka_unit_test(S4_a_page_ends_with_the_row_that_makes_it_so_many_bytes),
    cmocka_unit_test(S4_pages_that_bytes_end_are_all_there_is),
    cmocka_unit_test(S4_a_query_finds_children_and_roots),
    cmocka_unit_test(S4_a_query_finds_tags_whole),
    cmocka_unit_test(S4_a_query_finds_by_version),
    cmocka_unit_test(S4_a_query_finds_what_ended_in_a_window_of_time),
    cmocka_unit_test(S4_children_come_in_pages_too),
    cmocka_unit_test(S4_a_count_says_how_many_a_query_finds_in_each_state),
};
const size_t conformance_query_count = sizeof conformance_query / sizeof conformance_query[0];
