/* SPDX-License-Identifier: MIT
 *
 * The contract of store.h as tests that every provider passes: entities. What of it is shared with
 * instances (rows, busy, inbox, timers) is tested here for rows of entities. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rig.h"

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

/* ---- S4: beside a commit --------------------------------------------------------------------- */

/* Each commit moves money from one account to another, and makes all else the same for all of them:
 * who reads beside it must never see half of that. */
enum { ACCOUNTS = 8, TRANSFERS = 60, BALANCE = 1000 };

struct beside {
    struct store *store;
    atomic_bool stop;
    atomic_uint wrong, reads;
};

static unsigned what_is_wrong(const struct entity_page *page)
{
    unsigned wrong = page->count != ACCOUNTS;
    long total = 0;
    for (size_t i = 0; i < page->count; i++) {
        const struct entity_record *account = &page->items[i], *first = &page->items[0];
        char state[16];
        (void)snprintf(state, sizeof state, "%.*s", TEXT_ARGS(account->state));
        total += strtol(state, NULL, 10);
        wrong += account->updated_at != first->updated_at;
        wrong += account->is_busy != (account->updated_at % 2 == 0);
        wrong += text_is_present(account->lock_owner) != (account->updated_at % 3 == 0);
        wrong += account->backlog != (size_t)(account->updated_at % 4);
    }
    return wrong + (total != ACCOUNTS * BALANCE);
}

static void *read_beside(void *argument)
{
    struct beside *beside = argument;
    struct arena arena;
    pd_error err;
    time_us seen = 0;
    arena_init(&arena);
    while (!atomic_load(&beside->stop)) {
        unsigned reads = atomic_fetch_add(&beside->reads, 1);
        struct entity_page page = { 0 };
        struct entity_query all = { .with_state = true, .by_row = reads % 2 == 0, .limit = 100 };
        unsigned wrong =
            beside->store->ops->query_entities(beside->store, &all, &arena, &page, &err) != PD_OK;
        wrong += what_is_wrong(&page);
        wrong += page.count != 0 && page.items[0].updated_at < seen;
        seen = page.count != 0 ? page.items[0].updated_at : 0;
        atomic_fetch_add(&beside->wrong, wrong);
        arena_reset(&arena);
    }
    arena_done(&arena);
    return NULL;
}

/* Of everything the number says what it is, so that a reader can tell. */
static void put_accounts(struct batch *batch, uint64_t row, const int *balances, unsigned number)
{
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        const char *id = arena_printf(&batch->arena, "@account@%u", i);
        uint64_t this_row = row + i * (uint64_t)WORLD_PARTITIONS;
        struct entity_record *account =
            number % 3 == 0 ? locked(batch, this_row, id) : entity_of(batch, this_row, id);
        account->state = text_of(arena_printf(&batch->arena, "%d", balances[i]));
        account->updated_at = number;
        account->is_busy = number % 2 == 0;
        put_entity(batch, account);
        remove_arrivals(batch, this_row, 0, WAITS);
        put_arrivals(batch, this_row, (const uint64_t[]){ 1, 2, 3 }, number % 4);
    }
}

static void S4_readers_see_whole_commits_of_entities_while_others_are_made(void **state)
{
    struct world *world = *state;
    struct beside beside = { .store = world->store };
    pthread_t readers[2];
    int balances[ACCOUNTS];
    pd_status status = PD_OK;
    for (unsigned number = 0; number <= TRANSFERS && status == PD_OK; number++) {
        struct batch *batch = batch_for(world, 0);
        for (unsigned i = 0; i < ACCOUNTS && number == 0; i++) {
            balances[i] = BALANCE;
        }
        balances[number % ACCOUNTS] -= (int)number;
        balances[number * 3 % ACCOUNTS] += (int)number;
        put_accounts(batch, world->rows[0], balances, number);
        status = commit(world, batch);
        for (int i = 0; i < 2 && number == 0; i++) {
            assert_int_equal(pthread_create(&readers[i], NULL, read_beside, &beside), 0);
        }
    }
    while (atomic_load(&beside.reads) < 8) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    atomic_store(&beside.stop, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    assert_ok(world, status);
    assert_int_equal(atomic_load(&beside.wrong), 0);
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
    cmocka_unit_test(S4_readers_see_whole_commits_of_entities_while_others_are_made),
};
const size_t conformance_entity_count = sizeof conformance_entity / sizeof conformance_entity[0];
