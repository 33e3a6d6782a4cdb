/* SPDX-License-Identifier: MIT
 *
 * The contract of store.h as tests that every provider passes: what becomes of an instance in its
 * life (renewals, custom status, progress), what only few have, and the board. */
#include <string.h>

#include "rig.h"

/* ---- what few have --------------------------------------------------------------------------- */

static void S4_parent_tags_and_time_to_start_come_back(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 1);
    struct instance_record *child = record_of(batch, next_row(world, 1), "child");
    struct instance_record *tagged = record_of(batch, next_row(world, 1), "tagged");
    struct instance_record *late = record_of(batch, next_row(world, 1), "late");
    struct instance_record *plain = record_of(batch, next_row(world, 1), "plain");
    make_child(child, "");
    child->parent_step = INT32_MAX;
    tagged->tags = TEXT("\x1e"
                        "k\x1f"
                        "v\x1e");
    late->starts_at = INT64_MAX;
    struct instance_record *const all[] = { child, tagged, late, plain };
    for (size_t i = 0; i < 4; i++) {
        put_record(batch, MUTATION_INSTANCE_INSERT, all[i]);
    }
    const struct batch *const batches[] = { batch };
    assert_ok(world, world->store->ops->commit(world->store, batches, 1, &world->err));
    world_crash(world);
    for (size_t i = 0; i < 4; i++) {
        struct instance_record got;
        assert_true(find(world, all[i]->id.at, &got));
        assert_same_record(&got, all[i]);
    }
    struct store_query everything = { .limit = 10 };
    struct instance_record listed = query(world, &everything).items[0];
    assert_text(listed.parent_id, TEXT(""));
    assert_text(listed.tags, child->tags);
    assert_int_equal(listed.starts_at, child->starts_at);
    batch_free(batch);
}

/* Also when it comes again without them, as the same id or in an update. */
static void S4_parent_and_tags_go_with_their_instance_and_not_before(void **state)
{
    struct world *world = *state;
    struct instance_record got;
    struct batch *batch = batch_for(world, 0);
    struct instance_record *child = record_of(batch, next_row(world, 0), "child");
    make_child(child, "parent");
    put_record(batch, MUTATION_INSTANCE_INSERT, child);
    struct instance_record *ended = record_of(batch, child->row, "child");
    ended->state = RUN_COMPLETED;
    put_record(batch, MUTATION_INSTANCE_UPDATE, ended);
    uint64_t row = child->row;
    commit_ok(world, batch);
    assert_true(find(world, "child", &got));
    assert_int_equal(got.state, RUN_COMPLETED);
    assert_text(got.parent_id, TEXT("parent"));
    assert_int_equal(got.parent_step, 7);
    batch = batch_for(world, 0);
    batch_add(batch, MUTATION_INSTANCE_DELETE, row);
    insert(world, batch, "child", RUN_RUNNING);
    commit_ok(world, batch);
    assert_true(find(world, "child", &got));
    assert_text(got.parent_id, TEXT_ABSENT);
    assert_text(got.tags, TEXT_ABSENT);
    struct store_query children = { .parent_id = TEXT("parent"), .limit = 10 };
    assert_int_equal(query(world, &children).count, 0);
}

/* ---- renewals -------------------------------------------------------------------------------- */

static void S4_a_renewal_changes_what_it_says_and_nothing_else(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    struct instance_record expected = *record_of(batch, next_row(world, 0), "loop");
    make_child(&expected, "parent");
    expected.custom_status = TEXT("\"half\"");
    expected.failure = TEXT("gone");
    put_record(batch, MUTATION_INSTANCE_INSERT, &expected);
    struct instance_record change = {
        .row = expected.row,
        .execution_id = TEXT("the second"),
        .version = TEXT("2.0"),
        .input = TEXT("{\"n\":2}"),
        .state = RUN_SUSPENDED,
        .is_busy = false,
        .updated_at = 77,
        .ended_at = 0,
        .output = TEXT("seen"),
        .id = TEXT("not to be seen"),
        .name = TEXT("not to be seen"),
        .tags = TEXT("not to be seen"),
        .custom_status = TEXT("not to be seen"),
        .created_at = 5,
    };
    put_record(batch, MUTATION_INSTANCE_RENEW, &change);
    const struct batch *const batches[] = { batch };
    assert_ok(world, world->store->ops->commit(world->store, batches, 1, &world->err));
    expected.execution_id = change.execution_id;
    expected.version = change.version;
    expected.input = change.input;
    expected.state = change.state;
    expected.is_busy = false;
    expected.updated_at = 77;
    expected.output = change.output;
    expected.failure = TEXT_ABSENT;
    struct instance_record got;
    assert_true(find(world, "loop", &got));
    assert_same_record(&got, &expected);
    assert_int_equal(busy(world, 0, 0, 10).count, 0);
    batch_free(batch);
}

static void renew(struct batch *batch, uint64_t row, struct text execution_id)
{
    struct instance_record *record = record_of(batch, row, "unused");
    record->execution_id = execution_id;
    put_record(batch, MUTATION_INSTANCE_RENEW, record);
}

/* The batch of a loop that turns three times in it: only what follows the last renewal is kept. */
static void
S4_a_renewal_forgets_the_history_and_progress_before_it_and_keeps_what_follows(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t loop = insert(world, batch, "loop", RUN_RUNNING);
    uint64_t other = insert(world, batch, "other", RUN_RUNNING);
    append(batch, loop, 1, TEXT("first 1"));
    append(batch, loop, 2, TEXT("first 2"));
    append(batch, other, 1, TEXT("other 1"));
    set_progress(batch, loop, 4, TEXT("1"));
    set_progress(batch, other, 4, TEXT("2"));
    set_timer(batch, MUTATION_TIMER_PUT, loop, 9, 100);
    numbered(batch, MUTATION_INBOX_PUT, loop, 3, TEXT("event"));
    commit_ok(world, batch);
    batch = batch_for(world, 0);
    append(batch, loop, 3, TEXT("first 3"));
    renew(batch, loop, TEXT("second"));
    append(batch, loop, 1, TEXT("second 1"));
    append(batch, other, 2, TEXT("other 2"));
    set_progress(batch, loop, 1, TEXT("0"));
    renew(batch, loop, TEXT("third"));
    append(batch, loop, 1, TEXT("third 1"));
    set_progress(batch, loop, 2, TEXT("3"));
    append(batch, loop, 2, TEXT("third 2"));
    append(batch, other, 3, TEXT("other 3"));
    commit_ok(world, batch);
    world_crash(world);
    struct history_rows turns = history(world, loop, 0), others = history(world, other, 0);
    assert_int_equal(turns.count, 2);
    assert_text(turns.turns[0], TEXT("third 1"));
    assert_text(turns.turns[1], TEXT("third 2"));
    assert_int_equal(others.count, 3);
    assert_text(others.turns[1], TEXT("other 2"));
    assert_int_equal(progress(world, loop).count, 1);
    assert_text(progress(world, loop).items[0].bytes, TEXT("3"));
    assert_int_equal(progress(world, other).count, 1);
    assert_int_equal(inbox(world, loop).count, 1);
    assert_int_equal(due(world, 0, 0, 100, 10).count, 1);
    struct instance_record got;
    assert_true(find(world, "loop", &got));
    assert_text(got.execution_id, TEXT("third"));
}

/* An eternal loop, turn by turn: what it leaves does not grow. */
static void S4_a_renewal_a_commit_leaves_one_history(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, "loop", RUN_RUNNING);
    commit_ok(world, batch);
    for (int i = 0; i < 50; i++) {
        batch = batch_for(world, 0);
        append(batch, row, 1, TEXT("only"));
        commit_ok(world, batch);
        assert_int_equal(history(world, row, 0).count, 1);
        batch = batch_for(world, 0);
        renew(batch, row, TEXT("next"));
        commit_ok(world, batch);
        assert_int_equal(history(world, row, 0).count, 0);
    }
}

/* ---- custom status --------------------------------------------------------------------------- */

static void set_status(struct batch *batch, uint64_t row, struct text status, time_us at)
{
    struct mutation *mutation = batch_add(batch, MUTATION_STATUS_SET, row);
    mutation->bytes = status;
    mutation->due = at;
}

static void S4_a_custom_status_is_set_and_removed_alone(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0), *second = batch_for(world, 0);
    struct instance_record got, expected = *record_of(batch, next_row(world, 0), "one");
    expected.updated_at = 5;
    put_record(batch, MUTATION_INSTANCE_INSERT, &expected);
    set_status(batch, expected.row, TEXT("1"), 10);
    set_status(batch, expected.row, TEXT("{\"done\":2}"), 20);
    uint64_t other = insert(world, batch, "other", RUN_RUNNING);
    const struct batch *const batches[] = { batch };
    assert_ok(world, world->store->ops->commit(world->store, batches, 1, &world->err));
    expected.custom_status = TEXT("{\"done\":2}");
    expected.updated_at = 20;
    assert_true(find(world, "one", &got));
    assert_same_record(&got, &expected);
    set_status(second, expected.row, TEXT_ABSENT, 30);
    set_status(second, other, TEXT(""), 30);
    commit_ok(world, second);
    expected.custom_status = TEXT_ABSENT;
    expected.updated_at = 30;
    assert_true(find(world, "one", &got));
    assert_same_record(&got, &expected);
    assert_true(find(world, "other", &got));
    assert_text(got.custom_status, TEXT(""));
    batch_free(batch);
}

/* An instance that is inserted in the same batch has the time of its last turn already. */
static void S4_a_custom_status_does_not_take_the_time_of_its_instance_back(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    struct instance_record got, inserted = *record_of(batch, next_row(world, 0), "one");
    inserted.updated_at = 30;
    put_record(batch, MUTATION_INSTANCE_INSERT, &inserted);
    set_status(batch, inserted.row, TEXT("1"), 20);
    commit_ok(world, batch);
    assert_true(find(world, "one", &got));
    assert_int_equal(got.updated_at, 30);
    assert_text(got.custom_status, TEXT("1"));
}

/* ---- progress -------------------------------------------------------------------------------- */

static void remove_progress(struct batch *batch, uint64_t row, int32_t id)
{
    batch_add(batch, MUTATION_PROGRESS_REMOVE, row)->id = id;
}

static void S4_progress_is_the_last_said_of_each_step_in_order(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    uint64_t row = insert(world, batch, "one", RUN_RUNNING);
    uint64_t other = insert(world, batch, "other", RUN_RUNNING);
    set_progress(batch, row, 5, TEXT("5"));
    set_progress(batch, row, 300, TEXT("{\"at\":1}"));
    set_progress(batch, row, 2, TEXT_ABSENT);
    set_progress(batch, row, 7, TEXT(""));
    set_progress(batch, row, 300, TEXT("{\"at\":\"ü\"}"));
    set_progress(batch, other, 5, TEXT("other"));
    remove_progress(batch, row, 5);
    remove_progress(batch, row, 77);
    remove_progress(batch, 9999, 1);
    commit_ok(world, batch);
    world_crash(world);
    struct progress_rows rows = progress(world, row);
    assert_int_equal(rows.count, 3);
    assert_int_equal(rows.items[0].id, 2);
    assert_int_equal(rows.items[1].id, 7);
    assert_int_equal(rows.items[2].id, 300);
    assert_text(rows.items[0].bytes, TEXT_ABSENT);
    assert_text(rows.items[1].bytes, TEXT(""));
    assert_text(rows.items[2].bytes, TEXT("{\"at\":\"ü\"}"));
    assert_text(progress(world, other).items[0].bytes, TEXT("other"));
    assert_int_equal(progress(world, 9999).count, 0);
    batch = batch_for(world, 0);
    remove_progress(batch, row, 7);
    set_progress(batch, row, 5, TEXT("again"));
    batch_add(batch, MUTATION_INSTANCE_DELETE, other);
    commit_ok(world, batch);
    rows = progress(world, row);
    assert_int_equal(rows.count, 3);
    assert_int_equal(rows.items[1].id, 5);
    assert_text(rows.items[1].bytes, TEXT("again"));
    assert_int_equal(progress(world, other).count, 0);
}

/* ---- the board ------------------------------------------------------------------------------- */

static struct board board_of(struct store *store, size_t size)
{
    struct board board = store->ops->board(store, size);
    return board;
}

static void a_board_begins_as_zeros_and_survives_its_process(void **state)
{
    struct world *world = *state;
    struct board board = board_of(world->store, 5000);
    assert_non_null(board.at);
    assert_true(board.size >= 5000);
    unsigned char *bytes = board.at;
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(bytes[i], 0);
    }
    memset(bytes, 0xa5, 5000);
    assert_ptr_equal(board_of(world->store, 100).at, bytes);
    world_crash(world);
    board = board_of(world->store, 5000);
    assert_non_null(board.at);
    bytes = board.at;
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(bytes[i], 0xa5);
    }
    board = board_of(world->store, 20000);
    assert_true(board.size >= 20000);
    bytes = board.at;
    for (size_t i = 0; i < 20000; i++) {
        assert_int_equal(bytes[i], i < 5000 ? 0xa5 : 0);
    }
    bytes[19999] = 1;
}

static void a_board_is_for_the_owner_of_all_partitions_and_passes_to_the_next(void **state)
{
    struct world *world = *state;
    struct store *other = world->provider->second(world);
    assert_non_null(other);
    assert_null(board_of(other, 100).at);
    struct board board = board_of(world->store, 100);
    assert_non_null(board.at);
    memcpy(board.at, "running", 8);
    for (unsigned i = 0; i < WORLD_PARTITIONS; i++) {
        world->store->ops->disown(world->store, i);
        if (i + 1 < WORLD_PARTITIONS) {
            assert_null(board_of(other, 100).at);
        }
    }
    for (unsigned i = 0; i < WORLD_PARTITIONS; i++) {
        struct ownership ownership;
        assert_null(board_of(other, 100).at);
        assert_ok(world, other->ops->own(other, i, WORLD_NOW, &ownership, &world->err));
    }
    board = board_of(other, 100);
    assert_non_null(board.at);
    assert_string_equal(board.at, "running");
    store_close(other);
    world_own(world);
}

const struct CMUnitTest conformance_life[] = {
    cmocka_unit_test(S4_parent_tags_and_time_to_start_come_back),
    cmocka_unit_test(S4_parent_and_tags_go_with_their_instance_and_not_before),
    cmocka_unit_test(S4_a_renewal_changes_what_it_says_and_nothing_else),
    cmocka_unit_test(
        S4_a_renewal_forgets_the_history_and_progress_before_it_and_keeps_what_follows),
    cmocka_unit_test(S4_a_renewal_a_commit_leaves_one_history),
    cmocka_unit_test(S4_a_custom_status_is_set_and_removed_alone),
    cmocka_unit_test(S4_a_custom_status_does_not_take_the_time_of_its_instance_back),
    cmocka_unit_test(S4_progress_is_the_last_said_of_each_step_in_order),
    cmocka_unit_test(a_board_begins_as_zeros_and_survives_its_process),
    cmocka_unit_test(a_board_is_for_the_owner_of_all_partitions_and_passes_to_the_next),
};
const size_t conformance_life_count = sizeof conformance_life / sizeof conformance_life[0];
