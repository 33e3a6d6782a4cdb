/* SPDX-License-Identifier: MIT
 *
 * Rows of entities: how little of them is written (C5, M1), and how they come and go.
 */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "core/entity.h"
#include "rig.h"

static const struct model_row *stored(struct rig *rig, const char *id)
{
    return model_find(&rig->model, text_of(id));
}

/* Takes the next turn, which must be there. */
static const struct turn *open_turn(struct rig *rig)
{
    const struct turn *turn;
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    return turn;
}

static bool has_turn(struct rig *rig)
{
    uint64_t row;
    return core_peek_ready(rig->core, &row, 1) != 0;
}

/* All the mutations there are in the batch. */
static void has_mutations(const struct batch *batch, size_t count)
{
    assert_non_null(batch);
    assert_int_equal(batch->mutation_count, count);
}

/* ---- what is written ---- */

static void what_came_and_was_run_between_two_cuts_is_never_written(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 100; i++) {
        rig_signal(rig, "@counter@", "add", "1");
        rig_run(rig);
    }
    struct batch *batch = rig_cut(rig);
    has_mutations(batch, 1); /* the state, once */
    assert_true(text_equal(rig_mutation(batch, MUTATION_ENTITY_PUT)->entity->state, TEXT("100")));
}

static void what_was_not_run_is_in_the_inbox_and_goes_when_it_was(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@counter@", "add", "1");
    rig_signal(rig, "@counter@", "add", "1");
    rig_signal(rig, "@counter@", "add", "1");
    assert_int_equal(rig_count_of(rig_cut(rig), MUTATION_INBOX_PUT), 3);
    rig_commit(rig);
    assert_true(stored(rig, "@counter@")->record.is_busy); /* K5 */
    rig->most = 2;
    rig_end_turn(rig, open_turn(rig));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(rig_count_of(batch, MUTATION_INBOX_REMOVE), 1); /* a range */
    assert_int_equal(rig_mutation(batch, MUTATION_INBOX_REMOVE)->first, 1);
    assert_int_equal(rig_mutation(batch, MUTATION_INBOX_REMOVE)->number, 2);
    rig_commit(rig);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(stored(rig, "@counter@")->inbox_count, 0);
    assert_false(stored(rig, "@counter@")->record.is_busy);
}

static void operations_that_only_look_do_not_write_the_state_again(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@counter@", "add", "1");
    rig_run(rig);
    rig_flush(rig);
    rig_signal(rig, "@counter@", "get", NULL);
    rig_run(rig);
    struct batch *batch = rig_cut(rig);
    has_mutations(batch, 1);
    assert_true(rig_mutation(batch, MUTATION_ENTITY_PUT)->keeps_state);
    rig_commit(rig);
    assert_true(text_equal(stored(rig, "@counter@")->entity->state, TEXT("1")));
}

static void a_runner_may_say_that_the_state_is_as_it_was(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@counter@", "add", "1");
    rig_run(rig);
    rig_signal(rig, "@counter@", "get", NULL);
    struct operation_result result = { 0 };
    core_end_entity_turn(
        rig->core, rig->now, open_turn(rig),
        &(struct entity_result){ .results = &result, .result_count = 1, .keeps_state = true });
    assert_string_equal(rig_state(rig, "@counter@"), "1");
    rig_flush(rig);
}

static void a_state_may_grow_shrink_and_lie_in_the_old_one(void **state)
{
    struct rig *rig = *state;
    static char big[100000];
    memset(big, 'x', sizeof big);
    struct operation_result one = { 0 };
    struct entity_result result = { .results = &one, .result_count = 1 };
    size_t sizes[] = { 10, 100000, 99999, 50, 1 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        rig_signal(rig, "@big@", "get", NULL);
        const struct turn *turn = open_turn(rig);
        bool grows = sizes[i] > turn->state.size;
        result.state = grows ? text_make(big, sizes[i])
                             : text_make(turn->state.at + turn->state.size - sizes[i], sizes[i]);
        core_end_entity_turn(rig->core, rig->now, turn, &result);
        assert_int_equal(strlen(rig_state(rig, "@big@")), sizes[i]);
        assert_int_equal(strspn(rig_state(rig, "@big@"), "x"), sizes[i]);
    }
    assert_true(rig_entity(rig, "@big@")->entity->state_room < 1000); /* it keeps no more */
    rig_flush(rig);
}

static void an_entity_that_is_empty_leaves_no_row(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@a@", "get", NULL);
    rig_run(rig);
    assert_null(rig_cut(rig)->first); /* it never had one */
    rig_commit(rig);
    rig_signal(rig, "@a@", "say", "x");
    rig_run(rig);
    rig_flush(rig);
    assert_non_null(stored(rig, "@a@"));
    rig_signal(rig, "@a@", "delete", NULL);
    rig_flush(rig);
    assert_non_null(stored(rig, "@a@")); /* not yet */
    rig_run(rig);
    assert_int_equal(rig_count_of(rig_cut(rig), MUTATION_ENTITY_DELETE), 1);
    rig_commit(rig);
    assert_null(stored(rig, "@a@"));
}

static void an_entity_that_was_deleted_comes_back_in_its_row_while_it_is_known(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@a@", "say", "x");
    rig_run(rig);
    rig_flush(rig);
    uint64_t row = stored(rig, "@a@")->record.row;
    rig_signal(rig, "@a@", "delete", NULL);
    rig_run(rig);
    rig_cut(rig); /* not committed */
    rig_signal(rig, "@a@", "say", "y");
    rig_run(rig);
    struct batch *batch = rig_cut(rig);
    assert_false(rig_mutation(batch, MUTATION_ENTITY_PUT)->keeps_state);
    rig_commit(rig);
    rig_commit(rig);
    assert_int_equal(stored(rig, "@a@")->record.row, row);
    assert_true(text_equal(stored(rig, "@a@")->entity->state, TEXT("y")));
}

static void empty_entities_stay_where_they_are_to_be_kept(void **state)
{
    struct rig *rig = *state;
    rig->keeps_empty = true;
    rig_crash(rig);
    rig_signal(rig, "@a@", "get", NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_false(text_is_present(stored(rig, "@a@")->entity->state));
    rig_crash(rig);
    rig_signal(rig, "@a@", "get", NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_non_null(stored(rig, "@a@"));
    assert_int_equal(rig_purge_entity(rig, "@a@", 0), PD_OK);
    rig_flush(rig);
    assert_null(stored(rig, "@a@"));
    assert_int_equal(rig_purge_entity(rig, "@a@", 0), PD_E_NOT_FOUND);
}

static void an_operation_behind_a_purge_brings_it_back_where_empty_ones_are_kept(void **state)
{
    struct rig *rig = *state;
    rig->keeps_empty = true;
    rig_crash(rig);
    rig_signal(rig, "@a@", "get", NULL);
    assert_int_equal(rig_purge_entity(rig, "@a@", 0), PD_OK);
    rig_run(rig);
    rig_flush(rig);
    assert_non_null(stored(rig, "@a@"));
}

static void one_that_was_only_made_is_not_written_though_empty_ones_are_kept(void **state)
{
    struct rig *rig = *state;
    rig->keeps_empty = true;
    rig_crash(rig);
    (void)rig_entity(rig, "@a@");
    rig_unlock(rig, "@a@", "s");
    assert_false(core_has_changes(rig->core));
}

/* ---- coming and going ---- */

static void an_entity_comes_back_as_it_went(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    rig_run(rig);
    rig_flush(rig);
    time_us changed_at = stored(rig, "@log@")->entity->updated_at;
    assert_true(rig_can_evict(rig));
    assert_null(core_find(rig->core, TEXT("@log@")));
    rig_signal(rig, "@log@", "say", "b");
    rig_run(rig);
    assert_string_equal(rig_state(rig, "@log@"), "ab");
    rig_flush(rig);
    assert_true(stored(rig, "@log@")->entity->updated_at > changed_at);
}

static void an_entity_is_not_let_go_while_anything_of_it_is_not_durable(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    assert_false(rig_can_evict(rig)); /* it waits for a turn */
    rig_run(rig);
    assert_false(rig_can_evict(rig)); /* its state is in no batch */
    rig_cut(rig);
    assert_false(rig_can_evict(rig)); /* which is not committed */
    rig_commit(rig);
    assert_true(rig_can_evict(rig));
}

static void entities_that_wait_for_nothing_are_kept_as_far_as_their_share_goes(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "@a@%d", i);
        rig_signal(rig, id, "say", "x");
    }
    rig_run(rig);
    rig_flush(rig);
    assert_false(core_is_crowded(rig->core, 5, 0));
    assert_int_equal(core_evict(rig->core, 5, 0), 0);
    assert_true(core_is_crowded(rig->core, 4, 0));
    assert_int_equal(core_evict(rig->core, 4, 0), 1);
    assert_null(core_find(rig->core, TEXT("@a@0"))); /* the one that was unused longest */
    assert_non_null(core_find(rig->core, TEXT("@a@4")));
    assert_int_equal(core_asleep_count(rig->core), 0); /* which are counted apart */
}

static void no_more_entities_stay_than_may_however_many_residents_may(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i <= LIMIT_ENTITIES_RESIDENT; i++) {
        char id[16];
        snprintf(id, sizeof id, "@a@%d", i);
        (void)core_make_entity(rig->core, text_of(id));
        assert_int_equal(core_is_crowded(rig->core, SIZE_MAX, SIZE_MAX),
                         i == LIMIT_ENTITIES_RESIDENT);
    }
    assert_int_equal(core_evict(rig->core, SIZE_MAX, SIZE_MAX), 1);
    assert_int_equal(core_resident_count(rig->core), LIMIT_ENTITIES_RESIDENT);
}

static void no_more_bytes_of_states_stay_than_may(void **state)
{
    struct rig *rig = *state;
    enum { MANY = 4, SIZE = LIMIT_ENTITY_BYTES_RESIDENT / MANY };
    struct operation_result one = { 0 };
    char *big = arena_alloc(&rig->model.arena, SIZE + 1);
    memset(big, 'x', SIZE + 1);
    for (int i = 0; i < MANY; i++) {
        char id[16];
        snprintf(id, sizeof id, "@a@%d", i);
        rig_signal(rig, id, "get", NULL);
        core_end_entity_turn(rig->core, rig->now, open_turn(rig),
                             &(struct entity_result){ .results = &one,
                                                      .result_count = 1,
                                                      .state = text_make(big, SIZE) });
        batch_free(core_cut(rig->core)); /* the model would keep all of it */
        core_committed(rig->core, &(struct batch){ .number = (uint64_t)i + 1 });
    }
    assert_int_equal(core_evict(rig->core, SIZE_MAX, SIZE_MAX), 0);
    rig_signal(rig, "@a@3", "get", NULL);
    core_end_entity_turn(rig->core, rig->now, open_turn(rig),
                         &(struct entity_result){ .results = &one,
                                                  .result_count = 1,
                                                  .state = text_make(big, SIZE + 1) });
    batch_free(core_cut(rig->core));
    core_committed(rig->core, &(struct batch){ .number = MANY + 1 });
    assert_int_equal(core_evict(rig->core, SIZE_MAX, SIZE_MAX), 1);
    assert_null(core_find(rig->core, TEXT("@a@0")));
}

/* A partition without a model, which would keep all of it. */
static void say_much(struct rig *rig, const char *id, const char *payload, bool stands_in_line)
{
    pd_error err;
    struct event_extra sender = { .has_parent = true,
                                  .parent_id = TEXT("o"),
                                  .parent_execution_id = TEXT("o"),
                                  .lock_set = text_of(id) };
    struct event request = { .kind = EVENT_LOCK_REQUESTED,
                             .request_id = TEXT("S"),
                             .extra = &sender };
    struct event signal = { .kind = EVENT_ENTITY_SIGNALED,
                            .name = TEXT("say"),
                            .payload = text_of(payload),
                            .request_id = TEXT("1"),
                            .fire_at = stands_in_line ? 0 : rig->now + TIME_SECOND };
    struct instance *entity = core_find(rig->core, text_of(id));
    entity = entity != NULL ? entity : core_make_entity(rig->core, text_of(id));
    if (stands_in_line) {
        assert_int_equal(core_operate(rig->core, rig->now, entity, &request, &err), PD_OK);
    }
    assert_int_equal(core_operate(rig->core, rig->now, entity, &signal, &err), PD_OK);
    while (core_next_letter(rig->core) != NULL) {}
}

static void what_waits_for_an_entity_counts_in_memory_as_its_state_does(void **state)
{
    enum { SIZE = LIMIT_ENTITY_WAITING_COUNTED / 2, MANY = 2 * 64 - 1 };
    struct rig *rig = *state;
    char *big = arena_alloc(&rig->model.arena, SIZE + 1);
    memset(big, 'x', SIZE);
    for (int line = 0; line < 2; line++) {
        struct rig own;
        rig_init(&own);
        for (int i = 0; i <= MANY; i++) {
            char id[16];
            snprintf(id, sizeof id, "@a@%d", i);
            say_much(&own, id, big, line == 1);
            batch_free(core_cut(own.core));
            core_committed(own.core, &(struct batch){ .number = (uint64_t)i + 1 });
            assert_int_equal(core_evict(own.core, SIZE_MAX, SIZE_MAX), i == MANY);
        }
        assert_null(core_find(own.core, TEXT("@a@0")));
        rig_done(&own);
    }
}

/* They would go after each operation, and be read again, slowly, for the next. */
static void a_few_for_which_very_much_waits_stay_where_they_are(void **state)
{
    enum { SIZE = LIMIT_ENTITY_BYTES_RESIDENT / 8, MANY = 3 };
    struct rig *rig = *state;
    char *big = arena_alloc(&rig->model.arena, SIZE + 1);
    memset(big, 'x', SIZE);
    for (int i = 0; i < 4 * MANY; i++) {
        char id[16];
        snprintf(id, sizeof id, "@a@%d", i % MANY);
        say_much(rig, id, big, false);
    }
    batch_free(core_cut(rig->core));
    core_committed(rig->core, &(struct batch){ .number = 1 });
    assert_int_equal(core_evict(rig->core, SIZE_MAX, SIZE_MAX), 0);
    assert_int_equal(core_evict(rig->core, 0, 0), MANY);
    assert_int_equal(core_resident_count(rig->core), 0);
}

static void an_operation_that_finds_no_memory_is_refused_and_nothing_has_changed(void **state)
{
    struct rig *rig = *state;
    pd_error err = { 0 };
    struct event event = { .kind = EVENT_ENTITY_SIGNALED, .name = TEXT("get") };
    struct instance *entity = rig_entity(rig, "@a@");
    mem_fail_at(1);
    assert_int_equal(core_operate(rig->core, rig->now, entity, &event, &err), PD_E_NOMEM);
    mem_fail_at(0);
    assert_true(err.retryable);
    assert_false(core_has_changes(rig->core));
    assert_false(has_turn(rig));
}

static void one_that_has_not_run_anything_has_a_time_of_change_all_the_same(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    rig_flush(rig);
    assert_true(stored(rig, "@log@")->entity->updated_at >=
                rig->now); /* else a purge would be sure */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_came_and_was_run_between_two_cuts_is_never_written),
        TEST(what_was_not_run_is_in_the_inbox_and_goes_when_it_was),
        TEST(operations_that_only_look_do_not_write_the_state_again),
        TEST(a_runner_may_say_that_the_state_is_as_it_was),
        TEST(a_state_may_grow_shrink_and_lie_in_the_old_one),
        TEST(an_entity_that_is_empty_leaves_no_row),
        TEST(an_entity_that_was_deleted_comes_back_in_its_row_while_it_is_known),
        TEST(empty_entities_stay_where_they_are_to_be_kept),
        TEST(an_operation_behind_a_purge_brings_it_back_where_empty_ones_are_kept),
        TEST(one_that_was_only_made_is_not_written_though_empty_ones_are_kept),
        TEST(an_entity_comes_back_as_it_went),
        TEST(an_entity_is_not_let_go_while_anything_of_it_is_not_durable),
        TEST(entities_that_wait_for_nothing_are_kept_as_far_as_their_share_goes),
        TEST(no_more_entities_stay_than_may_however_many_residents_may),
        TEST(no_more_bytes_of_states_stay_than_may),
        TEST(what_waits_for_an_entity_counts_in_memory_as_its_state_does),
        TEST(a_few_for_which_very_much_waits_stay_where_they_are),
        TEST(an_operation_that_finds_no_memory_is_refused_and_nothing_has_changed),
        TEST(one_that_has_not_run_anything_has_a_time_of_change_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
