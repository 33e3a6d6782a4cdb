/* SPDX-License-Identifier: MIT
 *
 * The contract of store.h as tests that every provider passes: entities. What of it is shared with
 * instances (rows, busy, inbox, timers) is tested here for rows of entities. */
#include <stdio.h>
#include <string.h>

#include "rig.h"

static struct entity_record *locked(struct batch *batch, uint64_t row, const char *id)
{
    struct entity_record *entity = entity_of(batch, row, id);
    entity->lock_owner = TEXT("transfer-1");
    entity->lock_execution = TEXT("execution of it");
    entity->lock_section = TEXT("section of it");
    return entity;
}

/* ---- S1, S3, S4: what was put is there ------------------------------------------------------- */

static void S1_an_entity_and_all_that_is_of_it_is_there_after_a_crash(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 1);
    struct entity_record *entity =
        locked(batch, next_row(world, 1), "@c\xc3\xb6unter@Key@with/\xf0\x9f\xa6\x89");
    entity->is_busy = true;
    put_entity(batch, entity);
    numbered(batch, MUTATION_INBOX_PUT, entity->row, 7, TEXT("an operation"));
    set_timer(batch, MUTATION_TIMER_PUT, entity->row, 3, 500);
    const struct batch *const batches[] = { batch };
    assert_ok(world, world->store->ops->commit(world->store, batches, 1, &world->err));
    world_crash(world);
    struct entity_record got;
    bool found = false;
    assert_true(find_entity(world, entity->id.at, &got));
    assert_same_entity(&got, entity);
    assert_ok(world, world->store->ops->load_entity(world->store, TEXT_ABSENT, entity->row,
                                                    &world->arena, &got, &found, &world->err));
    assert_true(found);
    assert_same_entity(&got, entity);
    assert_text(inbox(world, entity->row).events[0], TEXT("an operation"));
    assert_int_equal(due(world, 1, 0, 500, 10).items[0].row, entity->row);
    assert_int_equal(busy(world, 1, 0, 10).rows[0], entity->row);
    batch_free(batch);
}

static void S1_a_refused_batch_keeps_the_entities_of_the_others_out(void **state)
{
    struct world *world = *state;
    struct batch *good = batch_for(world, 0);
    struct batch *stale = batch_new(1, world->epochs[1] - 1, 1);
    const struct batch *const both[] = { good, stale };
    make_entity(world, good, "@a@1");
    make_entity(world, stale, "@a@2");
    assert_int_equal(world->store->ops->commit(world->store, both, 2, &world->err),
                     PD_E_LEASE_LOST);
    batch_free(good);
    batch_free(stale);
    struct entity_query all = { .with_empty = true, .limit = 10 };
    assert_int_equal(entities(world, &all).count, 0);
}

static void S4_an_entity_that_is_put_again_is_what_was_put_last(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t row = next_row(world, 0);
    static const struct text states[] = { { NULL, 0 }, { "", 0 }, { "null", 4 }, { "a\0b", 3 } };
    struct entity_record got, *last = NULL;
    for (size_t i = 0; i < 2 * sizeof states / sizeof states[0]; i++) {
        last = i % 3 == 1 ? locked(batch, row, "@a@1") : entity_of(batch, row, "@a@1");
        last->state = states[i / 2];
        last->is_busy = i % 2 == 0;
        last->updated_at = WORLD_NOW + (time_us)i;
        put_entity(batch, last);
        if (i % 2 == 1) { /* two a batch */
            const struct batch *const batches[] = { batch };
            assert_ok(world, world->store->ops->commit(world->store, batches, 1, &world->err));
            assert_true(find_entity(world, "@a@1", &got));
            assert_same_entity(&got, last);
            assert_int_equal(busy(world, 0, 0, 10).count, last->is_busy);
            batch_free(batch);
            batch = batch_for(world, 0);
        }
    }
    batch_free(batch);
}

enum { PUTS = 3, ORDERS = 1 << 3 * PUTS };

/* The i-th put of an entity whose puts come in this order: three bits of it say of what sort it is.
 */
static void put_in_order(struct batch *batch, uint64_t row, unsigned order, unsigned i,
                         struct entity_record *expected)
{
    static const struct text states[PUTS] = { { "0", 1 }, { NULL, 0 }, { "", 0 } };
    unsigned sort = order >> 3 * i;
    struct text before = expected->state;
    const char *id = arena_printf(&batch->arena, "@a@%llu", (unsigned long long)row);
    struct entity_record *entity =
        (sort & 1) != 0 ? locked(batch, row, id) : entity_of(batch, row, id);
    entity->is_busy = (sort & 2) != 0;
    entity->state = states[i];
    entity->updated_at = 10 - (time_us)i; /* the clock was set back */
    put_entity(batch, entity)->keeps_state = (sort & 4) != 0;
    *expected = *entity;
    expected->state = (sort & 4) != 0 ? before : states[i];
}

static void S4_the_last_of_several_puts_counts_and_the_last_state_that_was_put(void **state)
{
    struct world *world = *state;
    struct entity_record expected[ORDERS];
    for (int apart = 0; apart < 2; apart++) { /* all puts in one batch; each in its own */
        struct batch *batches[PUTS];
        size_t busy_count = 0;
        memset(expected, 0, sizeof expected);
        for (unsigned i = 0; i < PUTS; i++) {
            batches[i] = batch_for(world, (unsigned)apart);
        }
        for (unsigned order = 0; order < ORDERS; order++) {
            uint64_t row = next_row(world, (unsigned)apart);
            for (unsigned i = 0; i < PUTS; i++) {
                put_in_order(batches[apart ? i : 0], row, order, i, &expected[order]);
            }
            busy_count += expected[order].is_busy;
        }
        for (unsigned i = 0; i < PUTS; i++) {
            const struct batch *const one[] = { batches[i] };
            assert_ok(world, world->store->ops->commit(world->store, one, 1, &world->err));
        }
        for (unsigned order = 0; order < ORDERS; order++) {
            struct entity_record got;
            assert_true(find_entity(world, expected[order].id.at, &got));
            assert_same_entity(&got, &expected[order]);
        }
        assert_int_equal(busy(world, (unsigned)apart, 0, ORDERS + 1).count, busy_count);
        for (unsigned i = 0; i < PUTS; i++) {
            batch_free(batches[i]);
        }
    }
}

static void S4_a_state_of_any_size_comes_back_and_is_kept_when_only_the_lock_changes(void **state)
{
    struct world *world = *state;
    static const size_t sizes[] = { 1, 100, 2000, 8000, 8192, 100000, 16 << 20 };
    static char large[16 << 20];
    memset(large, 'x', sizeof large);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char id[32];
        struct entity_record got;
        struct batch *batch = batch_for(world, 2);
        uint64_t row = next_row(world, 2);
        (void)snprintf(id, sizeof id, "@size@%zu", sizes[i]);
        struct entity_record *entity = entity_of(batch, row, id);
        entity->state = text_make(large, sizes[i]);
        put_entity(batch, entity);
        commit_ok(world, batch);
        batch = batch_for(world, 2);
        put_entity(batch, locked(batch, row, id))->keeps_state = true;
        commit_ok(world, batch);
        assert_true(find_entity(world, id, &got));
        assert_text(got.lock_owner, TEXT("transfer-1"));
        assert_text(got.state, text_make(large, sizes[i]));
    }
}

static void S4_entities_and_instances_are_not_taken_for_each_other(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t entity_row = make_entity(world, batch, "@a@1");
    uint64_t row = insert(world, batch, "instance", RUN_RUNNING);
    struct entity_record *sleeper = entity_of(batch, next_row(world, 0), "@a@2");
    sleeper->is_busy = true;
    uint64_t sleeper_row = put_entity(batch, sleeper)->row;
    commit_ok(world, batch);
    struct instance_record instance;
    struct entity_record entity;
    bool found = true;
    assert_false(find(world, "@a@1", &instance));
    assert_false(find_entity(world, "instance", &entity));
    assert_ok(world,
              world->store->ops->load_instance(world->store, TEXT_ABSENT, entity_row, &world->arena,
                                               &instance, &found, &world->err));
    assert_false(found);
    assert_ok(world, world->store->ops->load_entity(world->store, TEXT_ABSENT, row, &world->arena,
                                                    &entity, &found, &world->err));
    assert_false(found);
    struct store_query instances = { .limit = 10 };
    struct entity_query all = { .with_empty = true, .limit = 10 };
    struct store_counts counts;
    assert_int_equal(query(world, &instances).count, 1);
    assert_int_equal(query(world, &instances).items[0].row, row);
    assert_int_equal(entities(world, &all).count, 2);
    assert_ok(world, world->store->ops->count(world->store, &instances, &counts, &world->err));
    assert_int_equal(counts.of[RUN_RUNNING], 1);
    assert_int_equal(counts.of[RUN_PENDING], 0);
    struct busy_page page = busy(world, 0, 0, 10);
    assert_int_equal(page.count, 2);
    assert_int_equal(page.rows[0], row);
    assert_int_equal(page.rows[1], sleeper_row);
}

static void S4_rows_of_entities_are_never_used_again(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 2);
    uint64_t row = insert(world, batch, "instance", RUN_RUNNING);
    uint64_t highest = make_entity(world, batch, "@a@1");
    batch_add(batch, MUTATION_ENTITY_DELETE, highest);
    commit_ok(world, batch);
    world_crash(world);
    assert_true(highest > row);
    assert_true(world->rows[2] > highest);
    /* An entity that is put again does not take the numbers back. */
    batch = batch_for(world, 2);
    uint64_t low = make_entity(world, batch, "@a@2"), high = make_entity(world, batch, "@a@3");
    put_entity(batch, entity_of(batch, low, "@a@2"));
    commit_ok(world, batch);
    world_crash(world);
    assert_true(world->rows[2] > high);
}

/* ---- the inbox ------------------------------------------------------------------------------- */

static void put_arrivals(struct batch *batch, uint64_t row, const uint64_t *arrivals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text =
            arena_printf(&batch->arena, "event %llu", (unsigned long long)arrivals[i]);
        numbered(batch, MUTATION_INBOX_PUT, row, arrivals[i], text_of(text));
    }
}

static void remove_arrivals(struct batch *batch, uint64_t row, uint64_t first, uint64_t last)
{
    struct mutation *mutation = batch_add(batch, MUTATION_INBOX_REMOVE, row);
    mutation->first = first;
    mutation->number = last;
}

static void assert_arrivals(struct world *world, uint64_t row, const uint64_t *arrivals,
                            size_t count)
{
    struct inbox_rows rows = inbox(world, row);
    assert_int_equal(rows.count, count);
    for (size_t i = 0; i < count; i++) {
        char text[40];
        (void)snprintf(text, sizeof text, "event %llu", (unsigned long long)arrivals[i]);
        assert_int_equal(rows.arrivals[i], arrivals[i]);
        assert_text(rows.events[i], text_of(text));
    }
}

#define ARRIVALS(...) \
    (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t)
#define WAITS (UINT64_C(1) << 62)

static void S4_a_range_is_taken_out_of_an_inbox_and_no_more_than_it(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t row = make_entity(world, batch, "@a@1"), other = make_entity(world, batch, "@a@2");
    put_arrivals(batch, row, ARRIVALS(1, 2, 3, 4, 5, 8, 9, WAITS + 1, WAITS + 2));
    put_arrivals(batch, other, ARRIVALS(3, 4));
    commit_ok(world, batch);
    batch = batch_for(world, 0);
    remove_arrivals(batch, row, 3, 4);
    remove_arrivals(batch, row, 6, 7); /* none */
    remove_arrivals(batch, row, 8, 8);
    commit_ok(world, batch);
    assert_arrivals(world, row, ARRIVALS(1, 2, 5, 9, WAITS + 1, WAITS + 2));
    assert_arrivals(world, other, ARRIVALS(3, 4));
    batch = batch_for(world, 0);
    put_arrivals(batch, row, ARRIVALS(11, 10)); /* what waits for its time has higher numbers */
    remove_arrivals(batch, row, WAITS + 1, WAITS + 1);
    remove_arrivals(batch, row, 1, 2);
    commit_ok(world, batch);
    world_crash(world);
    assert_arrivals(world, row, ARRIVALS(5, 9, 10, 11, WAITS + 2));
    batch = batch_for(world, 0);
    remove_arrivals(batch, row, 0, WAITS - 1);
    remove_arrivals(batch, 9999, 0, WAITS);
    commit_ok(world, batch);
    assert_arrivals(world, row, ARRIVALS(WAITS + 2));
    assert_arrivals(world, other, ARRIVALS(3, 4));
}

/* ---- deletion -------------------------------------------------------------------------------- */

static void S4_a_deleted_entity_leaves_nothing_behind(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t rows[] = { next_row(world, 0), next_row(world, 0) };
    for (size_t i = 0; i < 2; i++) {
        struct entity_record *entity = locked(batch, rows[i], i == 0 ? "@a@gone" : "@a@stays");
        entity->is_busy = true;
        put_entity(batch, entity);
        put_arrivals(batch, rows[i], ARRIVALS(1, WAITS + 1));
        set_timer(batch, MUTATION_TIMER_PUT, rows[i], 1, 10);
    }
    commit_ok(world, batch);
    batch = batch_for(world, 0);
    batch_add(batch, MUTATION_ENTITY_DELETE, rows[0]);
    batch_add(batch, MUTATION_ENTITY_DELETE, 9999); /* no such row */
    commit_ok(world, batch);
    world_crash(world);
    struct entity_record got;
    assert_false(find_entity(world, "@a@gone", &got));
    assert_int_equal(inbox(world, rows[0]).count, 0);
    assert_true(find_entity(world, "@a@stays", &got));
    assert_text(got.lock_owner, TEXT("transfer-1"));
    assert_arrivals(world, rows[1], ARRIVALS(1, WAITS + 1));
    assert_int_equal(due(world, 0, 0, 100, 10).count, 1);
    assert_int_equal(due(world, 0, 0, 100, 10).items[0].row, rows[1]);
    assert_int_equal(busy(world, 0, 0, 10).count, 1);
    assert_int_equal(busy(world, 0, 0, 10).rows[0], rows[1]);
    /* Nor does it come back with the id. */
    batch = batch_for(world, 0);
    uint64_t again = make_entity(world, batch, "@a@gone");
    commit_ok(world, batch);
    assert_true(find_entity(world, "@a@gone", &got));
    assert_int_equal(got.row, again);
    assert_text(got.lock_owner, TEXT_ABSENT);
    assert_int_equal(inbox(world, again).count, 0);
}

/* Within one batch: each put and deletion takes effect where it stands. */
static void S4_an_entity_comes_and_goes_in_one_batch_as_often_as_it_says(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    struct entity_record got;
    uint64_t first = make_entity(world, batch, "@a@1");
    set_timer(batch, MUTATION_TIMER_PUT, first, 1, 10);
    put_arrivals(batch, first, ARRIVALS(1));
    batch_add(batch, MUTATION_ENTITY_DELETE, first);
    uint64_t second = make_entity(world, batch, "@a@1"); /* the same id */
    set_timer(batch, MUTATION_TIMER_PUT, second, 1, 10);
    batch_add(batch, MUTATION_ENTITY_DELETE, second);
    struct entity_record *third = locked(batch, second, "@a@1"); /* the same row */
    third->is_busy = true;
    put_entity(batch, third);
    set_timer(batch, MUTATION_TIMER_PUT, second, 2, 20);
    set_timer(batch, MUTATION_TIMER_PUT, second, 3, 20);
    set_timer(batch, MUTATION_TIMER_REMOVE, second, 2, 20);
    put_arrivals(batch, second, ARRIVALS(4, 5));
    remove_arrivals(batch, second, 4, 4);
    const struct batch *const batches[] = { batch };
    assert_ok(world, world->store->ops->commit(world->store, batches, 1, &world->err));
    assert_true(find_entity(world, "@a@1", &got));
    assert_same_entity(&got, third);
    assert_int_equal(inbox(world, first).count, 0);
    assert_arrivals(world, second, ARRIVALS(5));
    assert_int_equal(due(world, 0, 0, 100, 10).count, 1);
    assert_int_equal(due(world, 0, 0, 100, 10).items[0].id, 3);
    assert_int_equal(busy(world, 0, 0, 10).count, 1);
    batch_free(batch);
    batch = batch_for(world, 0);
    put_entity(batch, entity_of(batch, second, "@a@1"));
    batch_add(batch, MUTATION_ENTITY_DELETE, second);
    commit_ok(world, batch);
    assert_false(find_entity(world, "@a@1", &got));
    assert_int_equal(busy(world, 0, 0, 10).count, 0);
}

static void S4_very_many_entities_are_put_in_one_commit(void **state)
{
    struct world *world = *state;
    enum { MANY = 10000 };
    struct entity_query all = { .with_state = true, .limit = MANY };
    struct batch *batch = batch_for(world, 1);
    uint64_t row = world->rows[1];
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            char id[32];
            /* In the second round one in three is only locked, and one in seven goes. */
            (void)snprintf(id, sizeof id, "@c@%05u", i * 7919 % MANY);
            struct entity_record *entity =
                entity_of(batch, row + i * (uint64_t)WORLD_PARTITIONS, id);
            entity->state = text_of(arena_printf(&batch->arena, "%u", i + (unsigned)round));
            entity->lock_owner = round == 1 && i % 3 == 0 ? TEXT("owner") : TEXT_ABSENT;
            put_entity(batch, entity)->keeps_state = round == 1 && i % 3 == 0;
            if (round == 1 && i % 7 == 0) {
                batch_add(batch, MUTATION_ENTITY_DELETE, entity->row);
            }
        }
        commit_ok(world, batch);
        struct entity_page page = entities(world, &all);
        assert_int_equal(page.count, round == 0 ? MANY : MANY - MANY / 7 - 1);
        for (size_t i = 0; i < page.count; i++) {
            char expected[16];
            const struct entity_record *got = &page.items[i];
            unsigned which = (unsigned)((got->row - row) / WORLD_PARTITIONS);
            bool kept = round == 1 && which % 3 == 0;
            (void)snprintf(expected, sizeof expected, "%u", which + (kept ? 0 : (unsigned)round));
            assert_text(got->state, text_of(expected));
            assert_int_equal(text_is_present(got->lock_owner), kept);
        }
        batch = batch_for(world, 1);
    }
    batch_free(batch);
}

/* ---- queries --------------------------------------------------------------------------------- */

/* Ids that sort otherwise as bytes than as people would have them, some above all of ASCII. */
static const char *const ids[] = { "@a@",  "@a@\x01",    "@a@A",       "@a@a", "@a@a@b",
                                   "@ab@", "@account@",  "@account@x", "@b@1", "@b@10",
                                   "@b@2", "@\xc3\xa4@", "@\xff@\xff" };
enum { IDS = sizeof ids / sizeof ids[0] };

static void fill_for_queries(struct world *world)
{
    struct batch *batches[WORLD_PARTITIONS];
    for (unsigned i = 0; i < WORLD_PARTITIONS; i++) {
        batches[i] = batch_for(world, i);
    }
    for (unsigned i = 0; i < IDS; i++) { /* in another order, and in all partitions */
        unsigned which = i * 5 % IDS;
        struct batch *batch = batches[i % WORLD_PARTITIONS];
        uint64_t row = next_row(world, batch->partition);
        struct entity_record *entity =
            which % 4 == 2 ? locked(batch, row, ids[which]) : entity_of(batch, row, ids[which]);
        entity->state = which % 5 == 3 ? TEXT_ABSENT : text_of(ids[which]);
        entity->updated_at = (time_us)which * 100 + 100;
        put_entity(batch, entity);
        for (unsigned k = 0; k < which; k++) {
            numbered(batch, MUTATION_INBOX_PUT, row, k + 1, TEXT("event"));
        }
    }
    for (unsigned i = 0; i < WORLD_PARTITIONS; i++) {
        commit_ok(world, batches[i]);
    }
}

/* Which of ids they are, in the order they come: "0 3 5 ..." with dots when there are more. */
static void assert_entities(struct world *world, struct entity_query what, const char *expected)
{
    char got[200] = "";
    what.limit = what.limit != 0 ? what.limit : 100;
    struct entity_page page = entities(world, &what);
    for (size_t i = 0; i < page.count; i++) {
        const struct entity_record *entity = &page.items[i];
        unsigned which = 0;
        while (which < IDS && !text_equal(entity->id, text_of(ids[which]))) {
            which++;
        }
        size_t at = strlen(got);
        (void)snprintf(got + at, sizeof got - at, "%s%u", i != 0 ? " " : "", which);
        assert_int_equal(entity->backlog, which);
        assert_int_equal(entity->updated_at, which * 100 + 100);
        assert_text(entity->lock_owner, which % 4 == 2 ? TEXT("transfer-1") : TEXT_ABSENT);
        assert_int_equal(text_is_present(entity->state), which % 5 != 3);
        assert_text(entity->state, which % 5 == 3    ? TEXT_ABSENT
                                   : what.with_state ? text_of(ids[which])
                                                     : TEXT(""));
        assert_int_equal(entity->partition, entity->row % WORLD_PARTITIONS);
    }
    (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s", page.has_more ? " ..." : "");
    assert_string_equal(got, expected);
}

#define EVERY "0 1 2 3 4 5 6 7 8 9 10 11 12"

static void S4_entities_are_found_by_prefix_in_order_of_their_bytes(void **state)
{
    struct world *world = *state;
    assert_entities(world, (struct entity_query){ .with_empty = true }, "");
    fill_for_queries(world);
    assert_entities(world, (struct entity_query){ .with_empty = true }, EVERY);
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("") },
                    EVERY);
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@a") },
                    "0 1 2 3 4 5 6 7");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@a@") },
                    "0 1 2 3 4");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@b@1") },
                    "8 9");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@\xff") },
                    "12");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("\xff") },
                    "");
    assert_entities(world, (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@A@") },
                    "");
}

static void S4_a_query_has_states_and_empty_entities_only_when_it_asks(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    assert_entities(world, (struct entity_query){ 0 }, "0 1 2 4 5 6 7 9 10 11 12");
    assert_entities(world, (struct entity_query){ .with_state = true }, "0 1 2 4 5 6 7 9 10 11 12");
    assert_entities(world, (struct entity_query){ .with_state = true, .with_empty = true }, EVERY);
}

static void S4_entities_are_found_by_when_they_changed_and_whether_they_are_locked(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    assert_entities(world, (struct entity_query){ .changed_from = 1100 }, "10 11 12");
    assert_entities(world, (struct entity_query){ .changed_from = 1101 }, "11 12");
    assert_entities(world, (struct entity_query){ .changed_to = 300 }, "0 1 2");
    assert_entities(world, (struct entity_query){ .changed_to = 299 }, "0 1");
    assert_entities(world, (struct entity_query){ .changed_from = 300, .changed_to = 300 }, "2");
    assert_entities(world, (struct entity_query){ .changed_from = 301, .changed_to = 299 }, "");
    assert_entities(world, (struct entity_query){ .locked_only = true }, "2 6 10");
    assert_entities(world,
                    (struct entity_query){ .locked_only = true,
                                           .changed_from = 200,
                                           .changed_to = 1000,
                                           .id_prefix = TEXT("@a@") },
                    "2");
}

static void S4_pages_of_entities_hold_each_of_them_once(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    struct entity_query what = { .with_empty = true, .limit = 1 };
    for (size_t limit = 1; limit <= IDS + 1; limit++) {
        size_t count = 0;
        bool has_more = true;
        what.limit = limit;
        what.after_id = TEXT_ABSENT;
        while (has_more) {
            struct entity_page page = entities(world, &what);
            has_more = page.has_more;
            assert_int_equal(page.count, IDS - count < limit ? IDS - count : limit);
            assert_int_equal(has_more, count + page.count < IDS);
            for (size_t i = 0; i < page.count; i++, count++) {
                assert_text(page.items[i].id, text_of(ids[count]));
            }
            what.after_id = page.items[page.count - 1].id;
        }
        assert_int_equal(count, IDS);
    }
    /* From an id that is none of them, within a prefix and beside it. */
    what = (struct entity_query){ .with_empty = true, .id_prefix = TEXT("@a@"), .limit = 2 };
    what.after_id = TEXT("@a@B");
    assert_entities(world, what, "3 4");
    what.after_id = TEXT("@");
    assert_entities(world, what, "0 1 ...");
    what.after_id = TEXT("@a@");
    assert_entities(world, what, "1 2 ...");
    what.after_id = TEXT("@a@a@b");
    assert_entities(world, what, "");
    what.after_id = TEXT("@z");
    assert_entities(world, what, "");
    struct entity_query none = { .limit = 0 };
    assert_int_equal(entities(world, &none).count, 0);
    assert_true(entities(world, &none).has_more);
}

/* Rows were given in another order than that of ids, and in three partitions. */
static void S4_entities_come_in_order_of_row_when_asked_so(void **state)
{
    struct world *world = *state;
    fill_for_queries(world);
    struct entity_query what = { .by_row = true, .with_empty = true, .limit = 100 };
    struct entity_page all = entities(world, &what);
    assert_int_equal(all.count, IDS);
    for (size_t i = 1; i < IDS; i++) {
        assert_true(all.items[i].row > all.items[i - 1].row);
    }
    what.after_id = TEXT("@z"); /* does not count */
    for (size_t limit = 1; limit <= IDS; limit++) {
        size_t count = 0;
        bool has_more = true;
        what.limit = limit;
        what.after_row = 0;
        while (has_more) {
            struct entity_page page = entities(world, &what);
            has_more = page.has_more;
            assert_int_equal(page.count, IDS - count < limit ? IDS - count : limit);
            for (size_t i = 0; i < page.count; i++, count++) {
                assert_same_entity(&page.items[i], &all.items[count]);
                assert_int_equal(page.items[i].backlog, all.items[count].backlog);
            }
            what.after_row = page.items[page.count - 1].row;
        }
        assert_int_equal(count, IDS);
    }
    what = (struct entity_query){ .by_row = true, .locked_only = true, .limit = 100 };
    struct entity_page locked_ones = entities(world, &what);
    assert_int_equal(locked_ones.count, 3);
    assert_true(locked_ones.items[0].row < locked_ones.items[1].row);
    what.after_row = locked_ones.items[1].row;
    assert_int_equal(entities(world, &what).count, 1);
    assert_int_equal(entities(world, &what).items[0].row, locked_ones.items[2].row);
    what = (struct entity_query){
        .by_row = true, .id_prefix = TEXT("@a@"), .changed_from = 200, .changed_to = 300, .limit = 9
    };
    assert_int_equal(entities(world, &what).count, 2);
    what.by_row = false;
    what.after_row = UINT64_MAX / 4; /* nor this */
    assert_entities(world, what, "1 2");
}

/* ---- accept ---------------------------------------------------------------------------------- */

static pd_status say(struct world *world, enum message_kind kind, const char *id)
{
    struct message message = message_of(kind, 0, id, "bytes");
    return world->store->ops->accept(world->store, &message, 1, &world->err);
}

static void what_is_said_to_entities_is_taken_whether_they_exist_or_not(void **state)
{
    struct world *world = *state;
    static const enum message_kind kinds[] = { MESSAGE_OPERATION, MESSAGE_UNLOCK, MESSAGE_ANSWER };
    for (size_t i = 0; i < 3; i++) {
        struct message message = message_of(kinds[i], 0, "@a@1", "bytes");
        message.execution_id = i == 2 ? TEXT("execution") : TEXT_ABSENT;
        assert_ok(world, world->store->ops->accept(world->store, &message, 1, &world->err));
        assert_same_message(&mail(world, 0, 0).items[i], &message);
    }
}

static void purging_and_cancelling_need_an_entity_or_a_message_that_makes_one(void **state)
{
    struct world *world = *state;
    static const enum message_kind kinds[] = { MESSAGE_PURGE, MESSAGE_CANCEL_SIGNAL };
    struct batch *batch = batch_for(world, 0);
    struct entity_record *empty = locked(batch, next_row(world, 0), "@a@1");
    empty->state = TEXT_ABSENT;
    put_entity(batch, empty);
    commit_ok(world, batch);
    assert_ok(world, say(world, MESSAGE_UNLOCK, "@a@2")); /* makes none */
    for (size_t i = 0; i < 2; i++) {
        assert_ok(world, say(world, kinds[i], "@a@1"));
        assert_int_equal(say(world, kinds[i], "@a@2"), PD_E_NOT_FOUND);
        assert_string_equal(world->err.text, "there is no entity '@a@2'");
        assert_false(world->err.retryable);
    }
    assert_ok(world, say(world, MESSAGE_OPERATION, "@a@2"));
    uint64_t last = mail(world, 0, 0).items[mail(world, 0, 0).count - 1].number;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(world, say(world, kinds[i], "@a@2"));
        assert_int_equal(say(world, kinds[i], "@a@3"), PD_E_NOT_FOUND);
    }
    batch = batch_for(world, 0);
    numbered(batch, MUTATION_MAILBOX_REMOVE, 0, last, TEXT_ABSENT);
    commit_ok(world, batch);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(say(world, kinds[i], "@a@2"), PD_E_NOT_FOUND);
    }
    struct message both[] = { message_of(MESSAGE_OPERATION, 0, "@a@4", "signal"),
                              message_of(MESSAGE_CANCEL_SIGNAL, 0, "@a@4", "not that") };
    assert_ok(world, world->store->ops->accept(world->store, both, 2, &world->err));
    assert_int_equal(say(world, MESSAGE_CANCEL_SIGNAL, "an instance"), PD_E_NOT_FOUND);
}

static void what_only_instances_understand_is_not_found_at_an_entity(void **state)
{
    struct world *world = *state;
    static const enum message_kind kinds[] = { MESSAGE_RAISE, MESSAGE_TERMINATE, MESSAGE_SUSPEND,
                                               MESSAGE_RESUME, MESSAGE_REWIND };
    struct batch *batch = batch_for(world, 0);
    make_entity(world, batch, "@a@1");
    commit_ok(world, batch);
    assert_ok(world, say(world, MESSAGE_OPERATION, "@a@2"));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_int_equal(say(world, kinds[i], "@a@1"), PD_E_NOT_FOUND);
        assert_string_equal(world->err.text, "there is no instance '@a@1'");
        assert_int_equal(say(world, kinds[i], "@a@2"), PD_E_NOT_FOUND);
    }
    assert_int_equal(mail(world, 0, 0).count, 1);
}

const struct CMUnitTest conformance_entity[] = {
    cmocka_unit_test(S1_an_entity_and_all_that_is_of_it_is_there_after_a_crash),
    cmocka_unit_test(S1_a_refused_batch_keeps_the_entities_of_the_others_out),
    cmocka_unit_test(S4_an_entity_that_is_put_again_is_what_was_put_last),
    cmocka_unit_test(S4_the_last_of_several_puts_counts_and_the_last_state_that_was_put),
    cmocka_unit_test(S4_a_state_of_any_size_comes_back_and_is_kept_when_only_the_lock_changes),
    cmocka_unit_test(S4_entities_and_instances_are_not_taken_for_each_other),
    cmocka_unit_test(S4_rows_of_entities_are_never_used_again),
    cmocka_unit_test(S4_a_range_is_taken_out_of_an_inbox_and_no_more_than_it),
    cmocka_unit_test(S4_a_deleted_entity_leaves_nothing_behind),
    cmocka_unit_test(S4_an_entity_comes_and_goes_in_one_batch_as_often_as_it_says),
    cmocka_unit_test(S4_very_many_entities_are_put_in_one_commit),
    cmocka_unit_test(S4_entities_are_found_by_prefix_in_order_of_their_bytes),
    cmocka_unit_test(S4_a_query_has_states_and_empty_entities_only_when_it_asks),
    cmocka_unit_test(S4_entities_are_found_by_when_they_changed_and_whether_they_are_locked),
    cmocka_unit_test(S4_pages_of_entities_hold_each_of_them_once),
    cmocka_unit_test(S4_entities_come_in_order_of_row_when_asked_so),
    cmocka_unit_test(what_is_said_to_entities_is_taken_whether_they_exist_or_not),
    cmocka_unit_test(purging_and_cancelling_need_an_entity_or_a_message_that_makes_one),
    cmocka_unit_test(what_only_instances_understand_is_not_found_at_an_entity),
};
const size_t conformance_entity_count = sizeof conformance_entity / sizeof conformance_entity[0];
