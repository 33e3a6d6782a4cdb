/* SPDX-License-Identifier: MIT
 *
 * The contract of store.h as tests that every provider passes: commits, epochs, what comes back,
 * timers. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rig.h"

/* ---- S1: all or nothing, and durable --------------------------------------------------------- */

static void S1_a_batch_is_there_after_a_crash(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 1);
    uint64_t row = insert(world, batch, "one", RUN_RUNNING);
    append(batch, row, 1, TEXT("first turn"));
    numbered(batch, MUTATION_INBOX_PUT, row, 7, TEXT("an event"));
    set_timer(batch, MUTATION_TIMER_PUT, row, 3, 500);
    commit_ok(world, batch);
    world_crash(world);
    struct instance_record record;
    assert_true(find(world, "one", &record));
    assert_int_equal(record.row, row);
    assert_text(history(world, row, 0).turns[0], TEXT("first turn"));
    assert_int_equal(inbox(world, row).arrivals[0], 7);
    assert_int_equal(due(world, 1, 0, 500, 10).items[0].id, 3);
    assert_int_equal(busy(world, 1, 0, 10).rows[0], row);
}

static void S1_one_refused_batch_keeps_the_others_out(void **state)
{
    struct world *world = *state;
    struct batch *good = batch_for(world, 0);
    struct batch *stale = batch_new(1, world->epochs[1] - 1, 1);
    const struct batch *const both[] = { good, stale };
    uint64_t row = insert(world, good, "good", RUN_RUNNING);
    append(good, row, 1, TEXT("turn"));
    set_timer(good, MUTATION_TIMER_PUT, row, 1, 10);
    pd_status status = world->store->ops->commit(world->store, both, 2, &world->err);
    batch_free(good);
    batch_free(stale);
    struct instance_record record;
    assert_int_equal(status, PD_E_LEASE_LOST);
    assert_false(find(world, "good", &record));
    assert_int_equal(history(world, row, 0).count, 0);
    assert_int_equal(due(world, 0, 0, 100, 10).count, 0);
    assert_int_equal(busy(world, 0, 0, 10).count, 0);
}

static void S1_batches_of_several_partitions_commit_together(void **state)
{
    struct world *world = *state;
    struct batch *a = batch_for(world, 0), *b = batch_for(world, 2);
    const struct batch *const both[] = { a, b };
    uint64_t row_a = insert(world, a, "a", RUN_RUNNING);
    uint64_t row_b = insert(world, b, "b", RUN_RUNNING);
    assert_ok(world, world->store->ops->commit(world->store, both, 2, &world->err));
    batch_free(a);
    batch_free(b);
    assert_int_equal(busy(world, 0, 0, 10).rows[0], row_a);
    assert_int_equal(busy(world, 2, 0, 10).rows[0], row_b);
    assert_int_equal(busy(world, 1, 0, 10).count, 0);
}

/* ---- S2: epochs ------------------------------------------------------------------------------ */

static void S2_owning_again_makes_the_earlier_epoch_stale(void **state)
{
    struct world *world = *state;
    struct ownership again;
    struct batch *old = batch_for(world, 0);
    insert(world, old, "late", RUN_RUNNING);
    assert_ok(world, world->store->ops->own(world->store, 0, WORLD_NOW, &again, &world->err));
    assert_true(again.epoch > world->epochs[0]);
    assert_int_equal(commit(world, old), PD_E_LEASE_LOST);
    assert_non_null(strstr(world->err.text, "newer owner"));
    struct instance_record record;
    assert_false(find(world, "late", &record));
    world->epochs[0] = again.epoch;
    struct batch *fresh = batch_for(world, 0);
    insert(world, fresh, "early", RUN_RUNNING);
    commit_ok(world, fresh);
    assert_true(find(world, "early", &record));
}

static void S2_an_epoch_is_never_given_twice(void **state)
{
    struct world *world = *state;
    uint64_t before = world->epochs[2];
    world_crash(world);
    assert_true(world->epochs[2] > before);
}

static void S2_another_owner_is_refused_until_the_first_gives_up(void **state)
{
    struct world *world = *state;
    struct store *other = world->provider->second(world);
    struct ownership ownership = { 0 };
    assert_non_null(other);
    assert_int_equal(other->ops->own(other, 0, WORLD_NOW, &ownership, &world->err), PD_E_STATE);
    assert_false(world->err.retryable);
    assert_non_null(strstr(world->err.text, "is run by"));
    for (unsigned i = 0; i < WORLD_PARTITIONS; i++) {
        world->store->ops->disown(world->store, i);
    }
    assert_ok(world, other->ops->own(other, 0, WORLD_NOW, &ownership, &world->err));
    assert_true(ownership.epoch > world->epochs[0]);
    store_close(other);
    world_own(world);
}

/* ---- S3: a prefix of the commits ------------------------------------------------------------- */

static void S3_after_each_crash_every_commit_that_returned_is_there(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, "long", RUN_RUNNING);
    commit_ok(world, batch);
    for (uint64_t turn = 1; turn <= 4; turn++) {
        batch = batch_for(world, 0);
        append(batch, row, turn, TEXT("turn"));
        commit_ok(world, batch);
        world_crash(world);
        assert_int_equal(history(world, row, 0).count, turn);
    }
}

/* ---- S4: byte for byte, in order, beside a commit -------------------------------------------- */

static void S4_an_instance_comes_back_with_every_field(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 1);
    struct instance_record *record =
        record_of(batch, next_row(world, 1), "ünï©ødé-\xf0\x9f\xa6\x89");
    record->version = TEXT_ABSENT;
    record->input = TEXT("");
    record->custom_status = TEXT("\"half\"");
    record->failure = TEXT("\0\1\2\xff");
    put_record(batch, MUTATION_INSTANCE_INSERT, record);
    const struct batch *const batches[] = { batch };
    struct instance_record got;
    bool found = false;
    assert_ok(world, world->store->ops->commit(world->store, batches, 1, &world->err));
    assert_true(find(world, record->id.at, &got));
    assert_same_record(&got, record);
    assert_ok(world, world->store->ops->load_instance(world->store, TEXT_ABSENT, record->row,
                                                      &world->arena, &got, &found, &world->err));
    assert_true(found);
    assert_same_record(&got, record);
    batch_free(batch);
}

static void S4_what_is_not_there_is_not_found(void **state)
{
    struct world *world = *state;
    struct instance_record record;
    bool found = true;
    assert_false(find(world, "nobody", &record));
    assert_ok(world, world->store->ops->load_instance(world->store, TEXT_ABSENT, 99, &world->arena,
                                                      &record, &found, &world->err));
    assert_false(found);
    assert_int_equal(history(world, 99, 0).count, 0);
    assert_int_equal(inbox(world, 99).count, 0);
}

static void S4_an_update_changes_what_it_says_and_nothing_else(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    struct instance_record expected = *record_of(batch, next_row(world, 0), "changing");
    put_record(batch, MUTATION_INSTANCE_INSERT, &expected);
    struct instance_record change = expected;
    change.state = RUN_FAILED;
    change.is_busy = false;
    change.updated_at = 77;
    change.ended_at = 78;
    change.failure = TEXT("bytes\0of it");
    change.custom_status = TEXT("not to be seen");
    change.execution_id = TEXT("nor this");
    change.name = TEXT("nor this");
    change.version = TEXT("nor this");
    change.input = TEXT("nor this");
    change.created_at = 5;
    put_record(batch, MUTATION_INSTANCE_UPDATE, &change);
    const struct batch *const batches[] = { batch };
    assert_ok(world, world->store->ops->commit(world->store, batches, 1, &world->err));
    struct instance_record got;
    assert_true(find(world, "changing", &got));
    expected.state = change.state;
    expected.is_busy = change.is_busy;
    expected.updated_at = change.updated_at;
    expected.ended_at = change.ended_at;
    expected.failure = change.failure;
    assert_same_record(&got, &expected);
    assert_int_equal(busy(world, 0, 0, 10).count, 0);
    batch_free(batch);
}

static void S4_history_comes_back_in_order_from_any_turn(void **state)
{
    struct world *world = *state;
    static char large[1 << 20];
    memset(large, '\xaa', sizeof large);
    struct batch *batch = batch_for(world, 0);
    uint64_t a = insert(world, batch, "a", RUN_RUNNING), b = insert(world, batch, "b", RUN_RUNNING);
    for (uint64_t turn = 1; turn <= 4; turn++) {
        append(batch, a, turn, turn == 3 ? text_make(large, sizeof large) : TEXT("a\0a"));
        append(batch, b, turn, TEXT(""));
    }
    commit_ok(world, batch);
    struct history_rows all = history(world, a, 0), tail = history(world, a, 3);
    assert_int_equal(all.count, 4);
    assert_int_equal(all.first, 1);
    assert_text(all.turns[1], TEXT("a\0a"));
    assert_int_equal(tail.count, 2);
    assert_int_equal(tail.first, 3);
    assert_text(tail.turns[0], text_make(large, sizeof large));
    assert_int_equal(history(world, a, 5).count, 0);
    assert_text(history(world, b, 4).turns[0], TEXT(""));
}

static void S4_turns_come_until_there_are_bytes_enough(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t a = insert(world, batch, "a", RUN_RUNNING);
    for (uint64_t turn = 1; turn <= 6; turn++) {
        append(batch, a, turn, turn == 5 ? TEXT("") : TEXT("1234"));
    }
    commit_ok(world, batch);
    static const struct {
        uint64_t from;
        size_t bytes, count;
    } rows[] = { { 0, 1, 1 }, { 1, 4, 1 },        { 1, 5, 2 }, { 2, 8, 2 },  { 4, 5, 3 },
                 { 5, 1, 2 }, { 1, SIZE_MAX, 6 }, { 6, 4, 1 }, { 7, 100, 0 } };
    if (world->store->ops->load_turns == NULL) {
        skip();
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct history_rows got;
        assert_ok(world, world->store->ops->load_turns(world->store, a, rows[i].from, rows[i].bytes,
                                                       &world->arena, &got, &world->err));
        assert_int_equal(got.count, rows[i].count);
        assert_int_equal(got.first, rows[i].from != 0 ? rows[i].from : 1);
    }
}

static void S4_the_inbox_is_in_order_of_arrival_and_is_emptied_from_the_front(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, "a", RUN_RUNNING);
    numbered(batch, MUTATION_INBOX_PUT, row, 1, TEXT("one"));
    numbered(batch, MUTATION_INBOX_PUT, row, 2, TEXT("two"));
    numbered(batch, MUTATION_INBOX_PUT, row, 5, TEXT("five"));
    commit_ok(world, batch);
    assert_int_equal(inbox(world, row).count, 3);
    assert_text(inbox(world, row).events[2], TEXT("five"));
    batch = batch_for(world, 0);
    numbered(batch, MUTATION_INBOX_REMOVE, row, 2, TEXT_ABSENT);
    numbered(batch, MUTATION_INBOX_PUT, row, 6, TEXT("six"));
    commit_ok(world, batch);
    struct inbox_rows rest = inbox(world, row);
    assert_int_equal(rest.count, 2);
    assert_int_equal(rest.arrivals[0], 5);
    assert_int_equal(rest.arrivals[1], 6);
    assert_text(rest.events[1], TEXT("six"));
}

static void S4_a_deleted_instance_leaves_nothing_behind(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t gone = insert(world, batch, "gone", RUN_RUNNING);
    uint64_t stays = insert(world, batch, "stays", RUN_RUNNING);
    uint64_t rows[] = { gone, stays };
    for (size_t i = 0; i < 2; i++) {
        append(batch, rows[i], 1, TEXT("turn"));
        numbered(batch, MUTATION_INBOX_PUT, rows[i], 1, TEXT("event"));
        set_timer(batch, MUTATION_TIMER_PUT, rows[i], 1, 10);
    }
    batch_add(batch, MUTATION_INSTANCE_DELETE, gone);
    commit_ok(world, batch);
    struct instance_record record;
    assert_false(find(world, "gone", &record));
    assert_int_equal(history(world, gone, 0).count, 0);
    assert_int_equal(inbox(world, gone).count, 0);
    assert_true(find(world, "stays", &record));
    assert_int_equal(history(world, stays, 0).count, 1);
    assert_int_equal(inbox(world, stays).count, 1);
    assert_int_equal(due(world, 0, 0, 100, 10).count, 1);
    assert_int_equal(busy(world, 0, 0, 10).count, 1);
    assert_int_equal(busy(world, 0, 0, 10).rows[0], stays);
}

static void S4_an_ended_instance_is_replaced_within_one_batch(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t first = insert(world, batch, "again", RUN_COMPLETED);
    append(batch, first, 1, TEXT("old"));
    batch_add(batch, MUTATION_INSTANCE_DELETE, first);
    uint64_t second = insert(world, batch, "again", RUN_COMPLETED);
    append(batch, second, 1, TEXT("old too"));
    batch_add(batch, MUTATION_INSTANCE_DELETE, second);
    uint64_t third = insert(world, batch, "again", RUN_RUNNING);
    append(batch, third, 1, TEXT("new"));
    commit_ok(world, batch);
    struct instance_record record;
    assert_true(find(world, "again", &record));
    assert_int_equal(record.row, third);
    assert_int_equal(history(world, first, 0).count, 0);
    assert_text(history(world, third, 0).turns[0], TEXT("new"));
}

static void S4_rows_are_never_used_again(void **state)
{
    struct world *world = *state;
    uint64_t highest = 0;
    for (int i = 0; i < 4; i++) {
        struct batch *batch = batch_for(world, 2);
        highest = insert(world, batch, "short", RUN_COMPLETED);
        batch_add(batch, MUTATION_INSTANCE_DELETE, highest);
        commit_ok(world, batch);
    }
    world_crash(world);
    assert_true(world->rows[2] > highest);
    assert_int_equal(world->rows[2] % WORLD_PARTITIONS, 2);
    assert_true(world->rows[0] > 0);
    assert_int_equal(world->rows[0] % WORLD_PARTITIONS, 0);
    assert_int_equal(world->rows[1], 1);
}

static void S4_busy_instances_come_in_pages_in_order_of_row(void **state)
{
    struct world *world = *state;
    uint64_t rows[10];
    struct batch *batch = batch_for(world, 1);
    for (int i = 0; i < 10; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "i%d", i);
        rows[i] = insert(world, batch, id, i % 2 == 0 ? RUN_RUNNING : RUN_COMPLETED);
    }
    /* One falls asleep, one wakes up, one does both. */
    const struct {
        int which;
        bool is_busy;
    } changes[] = { { 0, false }, { 1, true }, { 2, false }, { 2, true } };
    for (size_t i = 0; i < 4; i++) {
        struct instance_record *record = record_of(batch, rows[changes[i].which], "unused");
        record->is_busy = changes[i].is_busy;
        put_record(batch, MUTATION_INSTANCE_UPDATE, record);
    }
    commit_ok(world, batch);
    struct busy_page first = busy(world, 1, 0, 3), second = busy(world, 1, rows[4], 3);
    assert_int_equal(first.count, 3);
    assert_int_equal(first.rows[0], rows[1]);
    assert_int_equal(first.rows[1], rows[2]);
    assert_int_equal(first.rows[2], rows[4]);
    assert_int_equal(second.count, 2);
    assert_int_equal(second.rows[0], rows[6]);
    assert_int_equal(second.rows[1], rows[8]);
    struct batch *last = batch_for(world, 1);
    batch_add(last, MUTATION_INSTANCE_DELETE, rows[8]);
    commit_ok(world, last);
    assert_int_equal(busy(world, 1, rows[4], 3).count, 1);
}

/* Turn k of every instance is in commit k, which also makes updated_at k: who reads beside the
 * commits must never see one without the other. */
enum { BESIDE_INSTANCES = 8, BESIDE_TURNS = 60 };

struct beside {
    struct world *world;
    uint64_t rows[BESIDE_INSTANCES];
    atomic_bool stop;
    atomic_uint wrong, reads;
};

static void *read_beside(void *argument)
{
    struct beside *beside = argument;
    struct store *store = beside->world->store;
    struct arena arena;
    pd_error err;
    uint64_t turns_seen[BESIDE_INSTANCES] = { 0 };
    arena_init(&arena);
    while (!atomic_load(&beside->stop)) {
        struct record_page page = { 0 };
        struct store_query all = { .limit = 100 };
        unsigned wrong = store->ops->query(store, &all, &arena, &page, &err) != PD_OK;
        wrong += page.count != BESIDE_INSTANCES;
        for (size_t i = 0; i < page.count; i++) {
            struct history_rows rows = { 0 };
            wrong += page.items[i].updated_at != page.items[0].updated_at;
            wrong +=
                store->ops->load_history(store, page.items[i].row, 0, &arena, &rows, &err) != PD_OK;
            wrong += rows.count < turns_seen[i];
            wrong += (int64_t)rows.count < page.items[i].updated_at;
            turns_seen[i] = rows.count;
        }
        atomic_fetch_add(&beside->wrong, wrong);
        atomic_fetch_add(&beside->reads, 1);
        arena_reset(&arena);
    }
    arena_done(&arena);
    return NULL;
}

static void S4_readers_see_whole_commits_while_others_are_made(void **state)
{
    struct beside beside = { .world = *state };
    struct world *world = *state;
    pthread_t readers[2];
    struct batch *batch = batch_for(world, 0);
    for (int i = 0; i < BESIDE_INSTANCES; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "b%d", i);
        struct instance_record *record = record_of(batch, next_row(world, 0), id);
        record->updated_at = 0;
        put_record(batch, MUTATION_INSTANCE_INSERT, record);
        beside.rows[i] = record->row;
    }
    commit_ok(world, batch);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_beside, &beside), 0);
    }
    pd_status status = PD_OK;
    for (uint64_t turn = 1; turn <= BESIDE_TURNS && status == PD_OK; turn++) {
        batch = batch_for(world, 0);
        for (int i = 0; i < BESIDE_INSTANCES; i++) {
            struct instance_record *record = record_of(batch, beside.rows[i], "unused");
            record->updated_at = (time_us)turn;
            put_record(batch, MUTATION_INSTANCE_UPDATE, record);
            append(batch, beside.rows[i], turn, TEXT("turn"));
        }
        status = commit(world, batch);
    }
    while (atomic_load(&beside.reads) < 4) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    atomic_store(&beside.stop, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    assert_ok(world, status);
    assert_int_equal(atomic_load(&beside.wrong), 0);
}

/* ---- S5: timers ------------------------------------------------------------------------------ */

static void assert_timers(struct timer_page page, size_t count, const int32_t *ids)
{
    assert_int_equal(page.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(page.items[i].id, ids[i]);
    }
}

static void S5_nothing_is_due_before_its_time(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0), *other = batch_for(world, 1);
    uint64_t row = insert(world, batch, "a", RUN_RUNNING);
    set_timer(batch, MUTATION_TIMER_PUT, row, 3, 300);
    set_timer(batch, MUTATION_TIMER_PUT, row, 1, 100);
    set_timer(batch, MUTATION_TIMER_PUT, row, 2, 200);
    commit_ok(world, batch);
    set_timer(other, MUTATION_TIMER_PUT, insert(world, other, "b", RUN_RUNNING), 9, 150);
    commit_ok(world, other);
    assert_timers(due(world, 0, 0, 99, 10), 0, NULL);
    assert_timers(due(world, 0, 0, 100, 10), 1, (int32_t[]){ 1 });
    assert_timers(due(world, 0, 100, 300, 10), 2, (int32_t[]){ 2, 3 });
    assert_timers(due(world, 0, INT64_MIN, INT64_MAX, 2), 2, (int32_t[]){ 1, 2 });
    assert_timers(due(world, 1, 0, 1000, 10), 1, (int32_t[]){ 9 });
    assert_int_equal(due(world, 0, 0, 100, 10).items[0].row, row);
    assert_int_equal(due(world, 0, 0, 100, 10).items[0].due, 100);
}

static void S5_ties_come_in_the_order_they_were_set(void **state)
{
    struct world *world = *state;
    uint64_t rows[3];
    struct batch *batch = batch_for(world, 0);
    for (int i = 0; i < 3; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "t%d", i);
        rows[i] = insert(world, batch, id, RUN_RUNNING);
    }
    set_timer(batch, MUTATION_TIMER_PUT, rows[2], 30, 500);
    set_timer(batch, MUTATION_TIMER_PUT, rows[0], 20, 500);
    commit_ok(world, batch);
    batch = batch_for(world, 0);
    set_timer(batch, MUTATION_TIMER_PUT, rows[1], 10, 500);
    set_timer(batch, MUTATION_TIMER_PUT, rows[0], 5, 500);
    commit_ok(world, batch);
    assert_timers(due(world, 0, 0, 500, 10), 4, (int32_t[]){ 30, 20, 10, 5 });
    world_crash(world);
    batch = batch_for(world, 0);
    set_timer(batch, MUTATION_TIMER_PUT, rows[2], 1, 500);
    commit_ok(world, batch);
    assert_timers(due(world, 0, 0, 500, 10), 5, (int32_t[]){ 30, 20, 10, 5, 1 });
}

static void S5_a_page_never_cuts_between_equal_times(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, "a", RUN_RUNNING);
    set_timer(batch, MUTATION_TIMER_PUT, row, 1, 100);
    for (int32_t id = 2; id <= 5; id++) {
        set_timer(batch, MUTATION_TIMER_PUT, row, id, 200);
    }
    set_timer(batch, MUTATION_TIMER_PUT, row, 6, 300);
    commit_ok(world, batch);
    assert_timers(due(world, 0, 0, 1000, 1), 1, (int32_t[]){ 1 });
    assert_timers(due(world, 0, 0, 1000, 2), 5, (int32_t[]){ 1, 2, 3, 4, 5 });
    assert_timers(due(world, 0, 200, 1000, 2), 1, (int32_t[]){ 6 });
}

static void S5_a_removed_timer_is_gone_and_may_be_set_again(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, "a", RUN_RUNNING);
    set_timer(batch, MUTATION_TIMER_PUT, row, 1, 100);
    set_timer(batch, MUTATION_TIMER_PUT, row, 2, 100);
    set_timer(batch, MUTATION_TIMER_REMOVE, row, 1, 100);
    set_timer(batch, MUTATION_TIMER_REMOVE, row, 7, 100);
    set_timer(batch, MUTATION_TIMER_REMOVE, row, 2, 101);
    commit_ok(world, batch);
    assert_timers(due(world, 0, 0, 1000, 10), 1, (int32_t[]){ 2 });
    batch = batch_for(world, 0);
    set_timer(batch, MUTATION_TIMER_PUT, row, 1, 100);
    set_timer(batch, MUTATION_TIMER_REMOVE, row, 2, 100);
    set_timer(batch, MUTATION_TIMER_PUT, row, 2, 100);
    commit_ok(world, batch);
    assert_timers(due(world, 0, 0, 1000, 10), 2, (int32_t[]){ 1, 2 });
}

const struct CMUnitTest conformance[] = {
    cmocka_unit_test(S1_a_batch_is_there_after_a_crash),
    cmocka_unit_test(S1_one_refused_batch_keeps_the_others_out),
    cmocka_unit_test(S1_batches_of_several_partitions_commit_together),
    cmocka_unit_test(S2_owning_again_makes_the_earlier_epoch_stale),
    cmocka_unit_test(S2_an_epoch_is_never_given_twice),
    cmocka_unit_test(S2_another_owner_is_refused_until_the_first_gives_up),
    cmocka_unit_test(S3_after_each_crash_every_commit_that_returned_is_there),
    cmocka_unit_test(S4_an_instance_comes_back_with_every_field),
    cmocka_unit_test(S4_what_is_not_there_is_not_found),
    cmocka_unit_test(S4_an_update_changes_what_it_says_and_nothing_else),
    cmocka_unit_test(S4_history_comes_back_in_order_from_any_turn),
    cmocka_unit_test(S4_turns_come_until_there_are_bytes_enough),
    cmocka_unit_test(S4_the_inbox_is_in_order_of_arrival_and_is_emptied_from_the_front),
    cmocka_unit_test(S4_a_deleted_instance_leaves_nothing_behind),
    cmocka_unit_test(S4_an_ended_instance_is_replaced_within_one_batch),
    cmocka_unit_test(S4_rows_are_never_used_again),
    cmocka_unit_test(S4_busy_instances_come_in_pages_in_order_of_row),
    cmocka_unit_test(S4_readers_see_whole_commits_while_others_are_made),
    cmocka_unit_test(S5_nothing_is_due_before_its_time),
    cmocka_unit_test(S5_ties_come_in_the_order_they_were_set),
    cmocka_unit_test(S5_a_page_never_cuts_between_equal_times),
    cmocka_unit_test(S5_a_removed_timer_is_gone_and_may_be_set_again),
};
const size_t conformance_count = sizeof conformance / sizeof conformance[0];
