/* SPDX-License-Identifier: MIT
 *
 * The promises of core.h, batch.h and turn.h, one or more tests each, named after what is proven.
 */
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "core/core_priv.h"
#include "rig.h"

static int setup(void **state)
{
    struct rig *rig = mem_alloc(sizeof *rig);
    rig_init(rig);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    rig_done(*state);
    mem_free(*state);
    return 0;
}

static const struct instance_record *stored(struct rig *rig, const char *id)
{
    struct model_row *row = model_find(&rig->model, text_of(id));
    assert_non_null(row);
    return &row->record;
}

static size_t count_of(const struct batch *batch, enum mutation_kind kind)
{
    size_t count = 0;
    for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
        count += m->kind == kind;
    }
    return count;
}

static bool can_evict(struct rig *rig)
{
    return core_evict(rig->core, 0, NULL, 0) != 0;
}

/* ---- C1, C2 ---- */

static void an_instance_stays_while_anything_of_it_is_not_durable(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "forever", NULL);
    assert_false(can_evict(rig)); /* an event that no batch has recorded */
    rig_cut(rig);
    assert_false(can_evict(rig)); /* a batch that is not committed */
    rig_commit(rig);
    assert_false(can_evict(rig)); /* durable, but it waits for a turn */
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_false(can_evict(rig)); /* an open turn */
    rig_end_turn(rig, turn);
    assert_false(can_evict(rig)); /* history in the open batch */
    rig_cut(rig);
    rig_raise(rig, "a", "x", NULL);
    rig_run(rig);
    rig_cut(rig);
    rig_commit(rig);
    assert_false(can_evict(rig)); /* the first batch is durable, the second is not */
    rig_commit(rig);
    assert_true(can_evict(rig));
    assert_null(core_find(rig->core, TEXT("a")));
}

static void eviction_lets_the_longest_unused_go_first_and_tells_which(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "forever", NULL);
    rig_start(rig, "b", "forever", NULL);
    rig_start(rig, "c", "forever", NULL);
    rig_run(rig);
    rig_flush(rig);
    rig_raise(rig, "a", "x", NULL);
    rig_run(rig);
    rig_flush(rig);
    uint64_t rows[2] = { 0 };
    assert_int_equal(core_evict(rig->core, 0, rows, 1), 1); /* no more than can be told */
    assert_int_equal(rows[0], 2);
    assert_int_equal(core_evict(rig->core, 1, rows, 2), 1);
    assert_int_equal(rows[0], 3);
    assert_int_equal(core_resident_count(rig->core), 1);
    assert_non_null(core_find_row(rig->core, 1));
}

static void an_ended_instance_leaves_when_its_end_is_durable(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "broken", NULL);
    rig_run(rig);
    rig_cut(rig);
    assert_int_equal(instance_state(core_find(rig->core, TEXT("a"))), RUN_FAILED);
    pd_error err;
    assert_int_equal(core_raise(rig->core, rig->now, core_find(rig->core, TEXT("a")), TEXT("x"),
                                TEXT_ABSENT, &err),
                     PD_E_STATE);
    rig_commit(rig);
    assert_null(core_find(rig->core, TEXT("a")));
    assert_int_equal(stored(rig, "a")->state, RUN_FAILED);
    assert_true(text_equal(stored(rig, "a")->failure, TEXT("Broken: as ever <- Disk: full")));
    assert_false(text_is_present(stored(rig, "a")->output));
    assert_true(stored(rig, "a")->ended_at != 0);
}

static void what_is_evicted_goes_on_where_it_was(void **state)
{
    struct rig *rig = *state;
    rig->is_forgetful = true;
    rig_start(rig, "a", "hello_cities", NULL);
    for (int i = 0; i < 5; i++) {
        rig_run(rig);
        rig_flush(rig);
        assert_true(can_evict(rig));
        assert_true(rig_complete(rig, "a", i, "1"));
    }
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(stored(rig, "a")->state, RUN_COMPLETED);
    assert_int_equal(rig->model.inbox_puts, 0);
}

/* ---- C3 ---- */

static void a_step_completes_once_and_only_when_it_is_open(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "race", NULL);             /* step 0 an activity, step 1 a timer */
    assert_false(rig_complete(rig, "a", 0, NULL)); /* not asked for yet */
    rig_run(rig);
    struct instance *a = core_find(rig->core, TEXT("a"));
    struct activity_result result = { 0 };
    assert_false(core_complete_activity(rig->core, 5, a, TEXT("other"), 0, &result));
    assert_false(rig_complete(rig, "a", 1, NULL)); /* of the other kind */
    assert_false(core_fire_timer(rig->core, 5, a, 0));
    assert_true(rig_complete(rig, "a", 0, NULL));
    assert_false(rig_complete(rig, "a", 0, NULL));
    assert_true(core_fire_timer(rig->core, 5, a, 1));
    assert_false(core_fire_timer(rig->core, 5, a, 1));
    rig_run(rig);
    assert_false(rig_complete(rig, "a", 0, NULL)); /* it has ended */
    assert_int_equal(core_counters(rig->core).dropped_completions, 7);
}

/* ---- C4 ---- */

static void busy_holds_for_open_activities_and_waiting_events_and_nothing_else(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "waits", "approval", NULL);
    rig_start(rig, "sleeps", "sleepers", "2");
    rig_start(rig, "works", "fan_out", "2");
    rig_flush(rig);
    assert_true(stored(rig, "waits")->is_busy); /* its start waits */
    rig_run(rig);
    rig_flush(rig);
    assert_false(stored(rig, "waits")->is_busy);
    assert_false(stored(rig, "sleeps")->is_busy);
    assert_true(stored(rig, "works")->is_busy);
    rig_complete(rig, "works", 1, NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_true(stored(rig, "works")->is_busy);
    rig_raise(rig, "waits", "x", NULL);
    rig_flush(rig);
    assert_true(stored(rig, "waits")->is_busy);
    rig_complete(rig, "works", 0, NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_false(stored(rig, "waits")->is_busy);
    assert_false(stored(rig, "works")->is_busy);
}

static void an_open_turn_keeps_it_busy_though_its_events_are_in_memory(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "approval", NULL);
    rig_run(rig);
    rig_flush(rig);
    rig_raise(rig, "a", "x", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_flush(rig);
    assert_true(stored(rig, "a")->is_busy);
    assert_int_equal(model_find(&rig->model, TEXT("a"))->inbox_count, 1);
    rig_end_turn(rig, turn);
    rig_flush(rig);
    assert_false(stored(rig, "a")->is_busy);
}

static void an_update_is_written_only_when_state_or_busy_change(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "hello_cities", NULL);
    for (int i = 0; i < 5; i++) {
        rig_run(rig);
        rig_flush(rig);
        rig_complete(rig, "a", i, NULL);
    }
    assert_int_equal(rig->model.updates, 0);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig->model.updates, 1);
}

/* ---- C5 ---- */

static void an_event_consumed_before_the_cut_is_written_once(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "fan_out", "2");
    rig_run(rig);
    rig_complete(rig, "a", 0, "\"in history\"");
    rig_run(rig);
    rig_complete(rig, "a", 1, "\"in the inbox\"");
    struct batch *batch = rig_cut(rig);
    assert_int_equal(count_of(batch, MUTATION_INBOX_PUT), 1);
    rig_commit(rig);
    assert_int_equal(rig->model.history_events, 2 + 2 + 2);
    rig_run(rig);
    batch = rig_cut(rig);
    assert_int_equal(count_of(batch, MUTATION_INBOX_REMOVE), 1);
    rig_commit(rig);
    assert_int_equal(model_find(&rig->model, TEXT("a"))->inbox_count, 0);
}

static void an_ending_removes_what_is_left_in_the_inbox(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "broken", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_raise(rig, "a", "recorded", NULL);
    rig_flush(rig);
    rig_raise(rig, "a", "not recorded", NULL);
    rig_end_turn(rig, turn);
    assert_int_equal(core_counters(rig->core).dropped_events, 2);
    rig_flush(rig); /* the model looks that nothing is left */
    assert_int_equal(stored(rig, "a")->state, RUN_FAILED);
}

/* ---- C6 ---- */

static void times_increase_also_when_the_clock_goes_back(void **state)
{
    struct rig *rig = *state;
    rig->now = 1000;
    rig_start(rig, "a", "hello_cities", NULL);
    rig_run(rig);
    rig->now = 10;
    rig_flush(rig);
    rig_complete(rig, "a", 0, NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_true(can_evict(rig));
    rig_complete(rig, "a", 1, NULL); /* the last time is folded from history */
    rig_cut(rig);
    rig_commit(rig);
    rig_crash(rig); /* and from the inbox */
    rig_run(rig);
    rig_flush(rig);

    size_t count;
    struct model_row *row = model_find(&rig->model, TEXT("a"));
    const struct event **events = model_history(&rig->model, row, &count);
    time_us last = 0;
    assert_int_equal(count, 9);
    for (size_t i = 0; i < count; i += 3) { /* of each turn: began, what came, what it asked for */
        assert_true(events[i + 1]->at > last);
        assert_true(events[i]->at > events[i + 1]->at);
        assert_true(events[i + 2]->at > events[i]->at);
        last = events[i + 2]->at;
    }
}

static void a_turn_begins_later_than_its_timers_were_due(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "race", NULL);
    rig_run(rig);
    /* Fired early, by an engine whose clock was set back in between. */
    assert_true(core_fire_timer(rig->core, rig->now, core_find(rig->core, TEXT("a")), 1));
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->events[1].kind, EVENT_TIMER_FIRED);
    assert_true(turn->events[1].fire_at > 60 * TIME_SECOND);
    assert_true(turn->events[0].at > turn->events[1].fire_at);
    rig_end_turn(rig, turn);
}

/* ---- C7 and the window ---- */

static void expect_fired(struct rig *rig, const int *steps, size_t count)
{
    uint64_t row;
    int32_t id;
    for (size_t i = 0; i < count; i++) {
        assert_true(core_pop_due(rig->core, TIME_NEVER - 1, &row, &id));
        assert_int_equal(row * 10 + (uint64_t)id, steps[i]);
    }
    assert_false(core_pop_due(rig->core, TIME_NEVER - 1, &row, &id));
}

static void timers_due_together_fire_in_the_order_they_were_set(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "sleepers", "3");
    rig_start(rig, "b", "sleepers", "2");
    rig_run(rig);
    expect_fired(rig, (const int[]){ 10, 11, 12, 20, 21 }, 5);
}

static void ties_keep_their_order_across_store_and_memory(void **state)
{
    struct rig *rig = *state;
    rig->horizon = 0;
    rig_crash(rig); /* begins anew, with no window */
    rig_start(rig, "a", "sleepers", "2");
    rig_run(rig);
    rig_flush(rig); /* in the store only */
    rig_start(rig, "b", "sleepers", "2");
    rig_run(rig);
    rig_cut(rig); /* in flight: neither in the window, nor in the store */
    assert_int_equal(core_next_due(rig->core), TIME_NEVER);
    rig_set_horizon(rig, 3600 * TIME_SECOND);
    assert_int_equal(core_next_due(rig->core), 60 * TIME_SECOND + TIME_MS + 1);
    rig_start(rig, "c", "sleepers", "1"); /* straight into the window */
    rig_run(rig);
    expect_fired(rig, (const int[]){ 10, 11, 20, 21, 30 }, 5);
}

static void a_committed_timer_beyond_the_horizon_is_the_stores_affair(void **state)
{
    struct rig *rig = *state;
    rig->horizon = 0;
    rig_crash(rig);
    rig_start(rig, "a", "sleepers", "1");
    rig_run(rig);
    rig_flush(rig);
    core_set_horizon(rig->core, 3600 * TIME_SECOND); /* and nobody asks the store */
    assert_int_equal(core_next_due(rig->core), TIME_NEVER);
}

static void nothing_is_due_before_its_time(void **state)
{
    struct rig *rig = *state;
    uint64_t row;
    int32_t id;
    core_add_timer(rig->core, 77, 5, 1000);
    assert_int_equal(core_next_due(rig->core), 1000);
    assert_false(core_pop_due(rig->core, 999, &row, &id));
    assert_true(core_pop_due(rig->core, 1000, &row, &id)); /* of one that is not resident */
    assert_int_equal(row, 77);
    assert_int_equal(id, 5);
}

static void a_timer_that_is_not_open_any_more_is_passed_over(void **state)
{
    struct rig *rig = *state;
    uint64_t row;
    int32_t id;
    rig_start(rig, "a", "sleepers", "2");
    rig_run(rig);
    core_fire_timer(rig->core, rig->now, core_find(rig->core, TEXT("a")), 0);
    assert_true(core_pop_due(rig->core, TIME_NEVER - 1, &row, &id));
    assert_int_equal(id, 1);
    assert_false(core_pop_due(rig->core, TIME_NEVER - 1, &row, &id));
}

/* ---- start ---- */

/* Else a timer of the old row, still in the store, would bring it in from there a second time. */
static void a_replaced_instance_is_known_by_its_row_until_that_is_durable(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "race", NULL);
    rig_run(rig);
    rig_flush(rig);
    rig_complete(rig, "a", 0, NULL);
    rig_run(rig); /* ends; its timer is still in the store */
    assert_int_equal(rig_start(rig, "a", "approval", NULL), PD_OK);
    rig_run(rig);
    assert_int_equal(instance_row(core_find(rig->core, TEXT("a"))), 2);
    struct instance *old = core_find_row(rig->core, 1);
    assert_non_null(old);
    assert_int_equal(instance_state(old), RUN_COMPLETED);
    assert_false(core_fire_timer(rig->core, rig->now, old, 1));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(count_of(batch, MUTATION_INSTANCE_UPDATE), 0); /* of a row that is gone */
    assert_non_null(core_find_row(rig->core, 1));
    rig_commit(rig);
    assert_null(core_find_row(rig->core, 1));
    assert_int_equal(instance_row(core_find(rig->core, TEXT("a"))), 2);
}

static void a_start_of_a_living_id_is_refused_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "approval", NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_start(rig, "a", "approval", NULL), PD_E_EXISTS);
    assert_false(core_has_changes(rig->core));
    assert_int_equal(core_counters(rig->core).starts, 1);
}

static void a_payload_without_memory_is_refused_and_changes_nothing(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "approval", NULL);
    rig_run(rig);
    rig_flush(rig);
    pd_error err;
    struct instance *a = core_find(rig->core, TEXT("a"));
    mem_fail_at(1);
    assert_int_equal(core_raise(rig->core, 1, a, TEXT("x"), TEXT("1"), &err), PD_E_NOMEM);
    assert_true(err.retryable);
    struct start_command command = { .id = TEXT("b"), .name = TEXT("approval") };
    for (size_t n = 1; n <= 2; n++) {
        mem_fail_at(n);
        assert_int_equal(core_start(rig->core, 1, &command, &err), PD_E_NOMEM);
    }
    mem_fail_at(0);
    assert_false(core_has_changes(rig->core));
    assert_null(core_find(rig->core, TEXT("b")));
}

static void rows_step_by_the_number_of_partitions(void **state)
{
    (void)state;
    struct core_options options = {
        .partition = 2, .partition_count = 8, .row_next = 11, .codec = &rig_codec
    };
    struct core *core = core_new(&options);
    pd_error err;
    assert_int_equal(core_start(core, 1, &(struct start_command){ .id = TEXT("a") }, &err), PD_OK);
    assert_int_equal(core_start(core, 1, &(struct start_command){ .id = TEXT("b") }, &err), PD_OK);
    assert_int_equal(instance_row(core_find(core, TEXT("a"))), 11);
    assert_int_equal(instance_row(core_find(core, TEXT("b"))), 19);
    core_free(core);
}

/* ---- turns ---- */

static void the_first_turn_begins_with_the_start(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "approval", "\"in\"");
    rig_raise(rig, "a", "x", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->number, 1);
    assert_true(turn->is_past_durable);
    assert_int_equal(turn->event_count, 3);
    assert_int_equal(turn->events[0].kind, EVENT_ORCHESTRATOR_STARTED);
    assert_int_equal(turn->events[1].kind, EVENT_EXECUTION_STARTED);
    assert_true(text_equal(turn->events[1].payload, TEXT("\"in\"")));
    assert_true(text_equal(turn->events[1].instance_id, TEXT("a")));
    assert_true(text_equal(turn->events[1].execution_id, TEXT("e1")));
    assert_false(text_is_present(turn->events[1].version));
    assert_int_equal(turn->events[2].kind, EVENT_EVENT_RAISED);
    rig_end_turn(rig, turn);
}

static void a_turn_takes_at_most_its_limit_of_events(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "forever", NULL);
    rig_run(rig);
    struct instance *a = core_find(rig->core, TEXT("a"));
    pd_error err;
    for (int i = 0; i < LIMIT_TURN_EVENTS + 1; i++) {
        core_raise(rig->core, rig->now, a, TEXT("x"), TEXT_ABSENT, &err);
    }
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->event_count, LIMIT_TURN_EVENTS + 1); /* and ORCHESTRATOR_STARTED */
    rig_end_turn(rig, turn);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->event_count, 2);
    rig_end_turn(rig, turn);
    assert_false(core_next_turn(rig->core, rig->now, &turn));
}

static void turns_come_in_the_order_instances_became_ready(void **state)
{
    struct rig *rig = *state;
    const struct turn *first, *second, *none;
    rig_start(rig, "a", "forever", NULL);
    rig_start(rig, "b", "forever", NULL);
    rig_raise(rig, "a", "x", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &first));
    assert_true(core_next_turn(rig->core, rig->now, &second)); /* several may be open */
    assert_true(text_equal(first->instance_id, TEXT("a")));
    assert_true(text_equal(second->instance_id, TEXT("b")));
    rig_raise(rig, "a", "y", NULL); /* its turn is open: it is not ready */
    assert_false(core_next_turn(rig->core, rig->now, &none));
    rig_end_turn(rig, second);
    rig_end_turn(rig, first);
    assert_true(core_next_turn(rig->core, rig->now, &first));
    assert_true(text_equal(first->instance_id, TEXT("a")));
    assert_int_equal(first->event_count, 2);
    rig_end_turn(rig, first);
}

static void a_postponed_turn_waits_for_the_past_to_be_durable(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    rig_start(rig, "a", "forever", NULL);
    rig_run(rig);
    rig_cut(rig);
    rig_raise(rig, "a", "first", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_false(turn->is_past_durable);
    core_postpone_turn(rig->core, turn);
    assert_false(core_next_turn(rig->core, rig->now, &turn));
    rig_raise(rig, "a", "second", NULL); /* later events do not make it ready either */
    assert_false(core_next_turn(rig->core, rig->now, &turn));
    rig_cut(rig);
    rig_commit(rig);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_true(turn->is_past_durable);
    assert_int_equal(turn->number, 2);
    assert_int_equal(turn->event_count, 3);
    assert_true(text_equal(turn->events[1].name, TEXT("first")));
    core_postpone_turn(rig->core, turn);
    assert_true(core_next_turn(rig->core, rig->now, &turn)); /* at once: nothing to wait for */
    rig_end_turn(rig, turn);
    rig_commit(rig);
}

static void turns_are_the_same_memory_again(void **state)
{
    struct rig *rig = *state;
    const struct turn *first, *second;
    rig_start(rig, "a", "forever", NULL);
    core_next_turn(rig->core, rig->now, &first);
    rig_end_turn(rig, first);
    rig_raise(rig, "a", "x", NULL);
    core_next_turn(rig->core, rig->now, &second);
    assert_ptr_equal(first, second);
    rig_end_turn(rig, second);
}

/* ---- batches ---- */

static void a_batch_owns_its_memory_and_does_not_change_after_the_cut(void **state)
{
    struct rig *rig = *state;
    struct buffer before = { 0 };
    struct buffer after = { 0 };
    rig_start(rig, "a", "fan_out", "2");
    rig_run(rig);
    rig_raise(rig, "a", "x", "\"text\"");
    struct batch *batch = rig_cut(rig);
    show_batch(&before, &rig->scratch, batch);
    rig_complete(rig, "a", 0, NULL);
    rig_complete(rig, "a", 1, NULL);
    rig_run(rig);
    rig_start(rig, "a", "broken", NULL);
    rig_run(rig);
    rig_cut(rig);
    core_free(rig->core);
    rig->core = NULL;
    show_batch(&after, &rig->scratch, batch);
    assert_true(text_equal(buffer_text(&before), buffer_text(&after)));
    buffer_done(&before);
    buffer_done(&after);
}

static void batches_are_numbered_from_one_and_there_is_none_without_changes(void **state)
{
    struct rig *rig = *state;
    assert_null(core_cut(rig->core));
    rig_start(rig, "a", "approval", NULL);
    assert_int_equal(rig_cut(rig)->number, 1);
    assert_null(core_cut(rig->core));
    rig_run(rig);
    assert_int_equal(rig_cut(rig)->number, 2);
    rig_flush(rig);
}

static void activities_alone_make_a_batch(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "fan_out", "3");
    rig_run(rig);
    rig_complete(rig, "a", 1, NULL);
    rig_flush(rig);
    rig_run(rig);
    rig_flush(rig);
    rig_crash(rig);
    assert_true(core_has_changes(rig->core));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->mutation_count, 0);
    assert_int_equal(list_count(&batch->activities), 2);
    rig_commit(rig);
    struct activity *first = rig_take_activity(rig);
    assert_int_equal(first->id, 0);
    assert_true(text_equal(first->name, TEXT("Work")));
    assert_true(text_equal(first->input, TEXT("0")));
    assert_true(text_equal(first->execution_id, TEXT("e1")));
    assert_true(rig_complete_activity(rig, first, "1"));
}

static void the_mailbox_position_goes_with_the_batch(void **state)
{
    struct rig *rig = *state;
    core_received(rig->core, 7);
    core_received(rig->core, 9);
    assert_true(core_has_changes(rig->core));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->mutation_count, 1);
    assert_int_equal(batch->first->kind, MUTATION_MAILBOX_REMOVE);
    assert_int_equal(batch->first->number, 9);
    rig_commit(rig);
}

static void the_insert_comes_before_all_else_of_its_row(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "race", NULL);
    rig_run(rig);
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->first->kind, MUTATION_INSTANCE_INSERT);
    assert_int_equal(batch->first->instance->state, RUN_RUNNING); /* its last word, not its first */
    assert_true(batch->first->instance->is_busy);
    assert_int_equal(count_of(batch, MUTATION_INSTANCE_UPDATE), 0);
    rig_commit(rig);
}

/* ---- failures ---- */

static void a_failure_keeps_its_causes_up_to_the_limit(void **state)
{
    (void)state;
    struct failure chain[LIMIT_FAILURE_DEPTH + 2] = { 0 };
    for (int i = 0; i < LIMIT_FAILURE_DEPTH + 2; i++) {
        chain[i].type = TEXT("T");
        chain[i].message = i % 2 != 0 ? TEXT("m") : TEXT("");
        chain[i].cause = i < LIMIT_FAILURE_DEPTH + 1 ? &chain[i + 1] : NULL;
    }
    struct event event = { .kind = EVENT_TASK_FAILED, .failure = chain };
    struct waiting_event *copy = waiting_event_new(&event);
    int depth = -1;
    for (const struct failure *f = copy->event.failure; f != NULL; f = f->cause) {
        depth++;
        assert_true(text_equal(f->message, chain[depth].message));
    }
    assert_int_equal(depth, LIMIT_FAILURE_DEPTH);
    mem_free(copy);
}

/* ---- the state machine ---- */

static void transitions_outside_the_table_do_not_exist(void **state)
{
    (void)state;
    enum instance_transition at;
    int legal = 0;
    for (int from = RUN_PENDING; from <= RUN_TERMINATED; from++) {
        for (int event = INSTANCE_STARTED; event <= INSTANCE_FAILED; event++) {
            legal +=
                instance_transition_find((enum run_state)from, (enum instance_event)event, &at);
        }
    }
    assert_int_equal(legal, TRANSITION_COUNT);
    assert_false(instance_transition_find(RUN_PENDING, INSTANCE_COMPLETED, &at));
    assert_false(instance_transition_find(RUN_COMPLETED, INSTANCE_FAILED, &at));
    assert_true(instance_transition_find(RUN_RUNNING, INSTANCE_FAILED, &at));
    assert_int_equal(at, TRANSITION_RUNNING_FAILED);
}

static void every_transition_is_taken(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "broken", NULL);
    rig_start(rig, "b", "approval", NULL);
    rig_raise(rig, "b", "x", NULL);
    rig_run(rig);
    for (int i = 0; i < TRANSITION_COUNT; i++) {
        assert_true(rig->core->transitions[i] > 0);
    }
    assert_int_equal(core_counters(rig->core).endings, 2);
    assert_int_equal(core_counters(rig->core).turns, 2);
}

/* ---- recovery ---- */

/* The history of HelloCities, without times. */
static void history_of(struct rig *rig, const char *id, struct buffer *out)
{
    size_t count;
    struct model_row *row = model_find(&rig->model, text_of(id));
    const struct event **events = model_history(&rig->model, row, &count);
    for (size_t i = 0; i < count; i++) {
        struct event event = *events[i];
        event.at = 0;
        show_event(out, &event);
        buffer_printf(out, "\n");
    }
    buffer_printf(out, "%s %.*s", show_state(row->record.state), TEXT_ARGS(row->record.output));
}

/* Runs it in single steps, losing memory after step `crash_at`; false: there are fewer steps. */
static bool hello_with_crash(struct rig *rig, int crash_at)
{
    struct instance *left;
    int at = 0;
    bool has_crashed = false;
    rig_start(rig, "a", "hello_cities", NULL);
    rig_cut(rig);
    rig_commit(rig); /* acknowledged */
    do {
        for (int step = 0; step < 5; step++, at++) {
            struct activity *activity;
            if (at == crash_at) {
                rig_crash(rig);
                has_crashed = true;
            }
            switch (step) {
            case 0: rig_run(rig); break;
            case 1: rig_cut(rig); break;
            case 2:
                if (rig->flight_count != 0) {
                    rig_commit(rig);
                }
                break;
            case 3:
                activity = rig_take_activity(rig);
                if (activity != NULL) {
                    rig_complete_activity(rig, activity, "1");
                }
                break;
            case 4: rig_cut(rig); break; /* the result goes through the inbox, or nothing does */
            default: break;
            }
        }
        left = rig_instance(rig, "a");
    } while (left != NULL && !run_state_is_final(instance_state(left)));
    rig_flush(rig);
    return has_crashed;
}

static void hello_cities_goes_on_from_any_point_at_which_memory_is_lost(void **state)
{
    struct rig *rig = *state;
    struct buffer expected = { 0 };
    hello_with_crash(rig, -1);
    history_of(rig, "a", &expected);
    int points = 0;
    for (bool has_crashed = true; has_crashed; points++) {
        struct rig again;
        struct buffer got = { 0 };
        rig_init(&again);
        has_crashed = hello_with_crash(&again, points);
        history_of(&again, "a", &got);
        assert_true(text_equal(buffer_text(&got), buffer_text(&expected)));
        buffer_done(&got);
        rig_done(&again);
    }
    assert_true(points > 25);
    buffer_done(&expected);
}

static void a_result_in_the_inbox_is_not_asked_for_again(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "fan_out", "2");
    rig_run(rig);
    rig_flush(rig);
    rig_complete(rig, "a", 0, NULL);
    rig_flush(rig);
    rig_crash(rig);
    rig_flush(rig);
    struct activity *left = rig_take_activity(rig);
    assert_int_equal(left->id, 1);
    activity_free(left);
    assert_null(rig_take_activity(rig));
    assert_false(rig_complete(rig, "a", 0, NULL));
}

static void events_of_an_unknown_kind_are_carried_along(void **state)
{
    (void)state;
    struct core_options options = { .partition_count = 1, .row_next = 2, .codec = &rig_codec };
    struct core *core = core_new(&options);
    struct instance_record record = {
        .row = 1,
        .id = TEXT("a"),
        .execution_id = TEXT("e"),
        .state = RUN_RUNNING,
        .is_busy = true,
    };
    struct event history[] = { { .kind = EVENT_UNKNOWN, .id = 3, .ref = 3, .at = 70 } };
    struct event inbox[] = {
        { .kind = EVENT_UNKNOWN, .id = -1, .ref = -1, .at = 50, .raw = TEXT("bytes of the future") }
    };
    uint64_t arrivals[] = { 9 };
    const struct turn *turn;
    core_admit(core, &record, history, 1, 1, inbox, arrivals, 1, true);
    memset(inbox, 0, sizeof inbox); /* what is kept is copied */
    assert_true(core_next_turn(core, 1, &turn));
    assert_int_equal(turn->events[0].at, 71);
    assert_true(text_equal(turn->events[1].raw, TEXT("bytes of the future")));
    core_end_turn(core, 1, turn, &(struct turn_result){ 0 });
    struct batch *batch = core_cut(core);
    assert_int_equal(count_of(batch, MUTATION_INBOX_REMOVE), 1);
    batch_free(batch);
    core_free(core);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_instance_stays_while_anything_of_it_is_not_durable),
        T(eviction_lets_the_longest_unused_go_first_and_tells_which),
        T(an_ended_instance_leaves_when_its_end_is_durable),
        T(what_is_evicted_goes_on_where_it_was),
        T(a_step_completes_once_and_only_when_it_is_open),
        T(busy_holds_for_open_activities_and_waiting_events_and_nothing_else),
        T(an_open_turn_keeps_it_busy_though_its_events_are_in_memory),
        T(an_update_is_written_only_when_state_or_busy_change),
        T(an_event_consumed_before_the_cut_is_written_once),
        T(an_ending_removes_what_is_left_in_the_inbox),
        T(times_increase_also_when_the_clock_goes_back),
        T(a_turn_begins_later_than_its_timers_were_due),
        T(timers_due_together_fire_in_the_order_they_were_set),
        T(ties_keep_their_order_across_store_and_memory),
        T(a_committed_timer_beyond_the_horizon_is_the_stores_affair),
        T(nothing_is_due_before_its_time),
        T(a_timer_that_is_not_open_any_more_is_passed_over),
        T(a_replaced_instance_is_known_by_its_row_until_that_is_durable),
        T(a_start_of_a_living_id_is_refused_and_changes_nothing),
        T(a_payload_without_memory_is_refused_and_changes_nothing),
        T(rows_step_by_the_number_of_partitions),
        T(the_first_turn_begins_with_the_start),
        T(a_turn_takes_at_most_its_limit_of_events),
        T(turns_come_in_the_order_instances_became_ready),
        T(a_postponed_turn_waits_for_the_past_to_be_durable),
        T(turns_are_the_same_memory_again),
        T(a_batch_owns_its_memory_and_does_not_change_after_the_cut),
        T(batches_are_numbered_from_one_and_there_is_none_without_changes),
        T(activities_alone_make_a_batch),
        T(the_mailbox_position_goes_with_the_batch),
        T(the_insert_comes_before_all_else_of_its_row),
        T(a_failure_keeps_its_causes_up_to_the_limit),
        T(transitions_outside_the_table_do_not_exist),
        T(every_transition_is_taken),
        T(hello_cities_goes_on_from_any_point_at_which_memory_is_lost),
        T(a_result_in_the_inbox_is_not_asked_for_again),
        T(events_of_an_unknown_kind_are_carried_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
