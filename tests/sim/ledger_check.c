/* SPDX-License-Identifier: MIT
 *
 * The ledger: what must hold of an instance after every commit (L3), and of the store's answers. */
#include <inttypes.h>

#include "ledger_priv.h"
#include "sim.h"

static bool is_in_history(const struct ledger_row *row, const struct event *event)
{
    for (size_t i = row->turn_count; i > 0; i--) {
        const struct ledger_turn *turn = &row->turns[i - 1];
        for (size_t k = 1; k < turn->inputs; k++) {
            const struct event *other = &turn->events[k];
            if (other->at == event->at && other->kind == event->kind && other->ref == event->ref &&
                text_equal(other->payload, event->payload)) {
                return true;
            }
        }
    }
    return false;
}

/* A completion of this step waits in the inbox. */
static bool is_answered(struct ledger *ledger, const struct ledger_row *row, int32_t id)
{
    size_t count = 0;
    for (size_t i = 0; i < row->inbox_count; i++) {
        count += row->inbox[i].event->ref == id;
    }
    sim_check(ledger->sim, count <= 1, "'%.*s': step %d ends twice in the inbox",
              TEXT_ARGS(row->id), id);
    return count == 1;
}

static void check_inbox(struct ledger *ledger, const struct ledger_row *row)
{
    for (size_t i = 0; i < row->inbox_count; i++) {
        const struct event *event = row->inbox[i].event;
        sim_check(ledger->sim, !is_in_history(row, event),
                  "'%.*s': %s is in history and in the inbox", TEXT_ARGS(row->id),
                  event_kind_name(event->kind));
        sim_check(ledger->sim,
                  event->ref == EVENT_NO_ID ||
                      ((size_t)event->ref < row->step_count && !row->steps[event->ref].is_closed),
                  "'%.*s': the inbox ends step %d, which is not open", TEXT_ARGS(row->id),
                  event->ref);
        sim_check(ledger->sim, event->at > row->input_at,
                  "'%.*s': the inbox is older than what was taken in", TEXT_ARGS(row->id));
    }
    for (size_t i = 0; i < row->removed_count; i++) {
        sim_check(ledger->sim,
                  run_state_is_final(row->state) || is_in_history(row, row->removed[i].event),
                  "'%.*s': %s left the inbox and is nowhere", TEXT_ARGS(row->id),
                  event_kind_name(row->removed[i].event->kind));
    }
}

static bool has_timer(const struct ledger_row *row, int32_t id, time_us due)
{
    for (size_t i = 0; i < row->timer_count; i++) {
        if (row->timers[i].id == id && row->timers[i].due == due) {
            return true;
        }
    }
    return false;
}

static void check_steps(struct ledger *ledger, const struct ledger_row *row)
{
    size_t tasks = 0;
    size_t timers = 0;
    for (size_t i = 0; i < row->step_count; i++) {
        const struct ledger_step *step = &row->steps[i];
        if (step->is_closed || is_answered(ledger, row, (int32_t)i)) {
            continue;
        }
        tasks += !step->is_timer;
        timers += step->is_timer;
        sim_check(ledger->sim, !step->is_timer || has_timer(row, (int32_t)i, step->fire_at),
                  "'%.*s': timer %zu is open and not in the store", TEXT_ARGS(row->id), i);
    }
    sim_check(ledger->sim, timers == row->timer_count, "'%.*s': %zu timers open, %zu in the store",
              TEXT_ARGS(row->id), timers, row->timer_count);
    sim_check(ledger->sim, row->is_busy == (tasks > 0 || row->inbox_count > 0),
              "'%.*s' is %sbusy with %zu open activities and an inbox of %zu (C4)",
              TEXT_ARGS(row->id), row->is_busy ? "" : "not ", tasks, row->inbox_count);
}

static void check_end(struct ledger *ledger, const struct ledger_row *row)
{
    const struct ledger_turn *turn = &row->turns[row->turn_count - 1];
    const struct event *last = &turn->events[turn->count - 1];
    sim_check(ledger->sim,
              last->kind == EVENT_EXECUTION_COMPLETED && last->outcome == row->state &&
                  last->at == row->ended_at,
              "'%.*s' has ended, but not in history", TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              text_equal(row->output, row->state == RUN_COMPLETED ? last->payload : TEXT_ABSENT),
              "'%.*s': the output is not the one in history", TEXT_ARGS(row->id));
    sim_check(ledger->sim, text_is_present(row->failure) == (row->state == RUN_FAILED),
              "'%.*s': a failure where none is, or none", TEXT_ARGS(row->id));
    sim_check(ledger->sim, row->inbox_count == 0 && row->timer_count == 0 && !row->is_busy,
              "'%.*s' has ended: %zu events, %zu timers are left, and it is %sbusy",
              TEXT_ARGS(row->id), row->inbox_count, row->timer_count, row->is_busy ? "" : "not ");
}

void ledger_check_row(struct ledger *ledger, const struct ledger_row *row)
{
    if (row->is_deleted) {
        return;
    }
    check_inbox(ledger, row);
    if (run_state_is_final(row->state)) {
        check_end(ledger, row);
        return;
    }
    sim_check(ledger->sim, row->state == (row->turn_count == 0 ? RUN_PENDING : RUN_RUNNING),
              "'%.*s': state %d after %zu turns", TEXT_ARGS(row->id), row->state, row->turn_count);
    sim_check(ledger->sim, row->ended_at == 0, "'%.*s' ended and did not", TEXT_ARGS(row->id));
    check_steps(ledger, row);
}

/* ---- the store's answers ---- */

static void compare_record(struct ledger *ledger, struct store *store, const struct ledger_row *row,
                           struct arena *arena)
{
    struct instance_record record;
    bool found = false;
    pd_error err;
    sim_check(ledger->sim,
              store->ops->load_instance(store, row->id, 0, arena, &record, &found, &err) == PD_OK &&
                  found && record.row == row->number,
              "'%.*s' is not in the store", TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              store->ops->load_instance(store, TEXT_ABSENT, row->number, arena, &record, &found,
                                        &err) == PD_OK &&
                  found && text_equal(record.id, row->id),
              "row %" PRIu64 " is not in the store", row->number);
    sim_check(ledger->sim,
              text_equal(record.execution_id, row->execution_id) &&
                  text_equal(record.name, row->name) && text_equal(record.version, row->version) &&
                  text_equal(record.input, row->input) && text_equal(record.output, row->output) &&
                  text_equal(record.failure, row->failure) && record.state == row->state &&
                  record.is_busy == row->is_busy && record.created_at == row->created_at &&
                  record.updated_at == row->updated_at && record.ended_at == row->ended_at &&
                  record.partition == row->partition,
              "the store's record of '%.*s' differs", TEXT_ARGS(row->id));
}

static void compare_events(struct ledger *ledger, struct store *store, const struct ledger_row *row,
                           struct arena *arena)
{
    struct history_rows history = { 0 };
    struct inbox_rows inbox = { 0 };
    pd_error err;
    sim_check(ledger->sim,
              store->ops->load_history(store, row->number, 0, arena, &history, &err) == PD_OK &&
                  store->ops->load_inbox(store, row->number, arena, &inbox, &err) == PD_OK,
              "'%.*s' cannot be loaded: %s", TEXT_ARGS(row->id), err.text);
    sim_check(ledger->sim, history.count == row->turn_count && inbox.count == row->inbox_count,
              "'%.*s': %zu turns of %zu, %zu inbox rows of %zu in the store", TEXT_ARGS(row->id),
              history.count, row->turn_count, inbox.count, row->inbox_count);
    for (size_t i = 0; i < history.count; i++) {
        sim_check(ledger->sim, text_equal(history.turns[i], row->turns[i].bytes),
                  "'%.*s': turn %zu differs in the store", TEXT_ARGS(row->id), i + 1);
    }
    for (size_t i = 0; i < inbox.count; i++) {
        sim_check(ledger->sim,
                  text_equal(inbox.events[i], row->inbox[i].bytes) &&
                      inbox.arrivals[i] == row->inbox[i].arrival,
                  "'%.*s': inbox row %zu differs in the store", TEXT_ARGS(row->id), i);
    }
}

static void compare_partition(struct ledger *ledger, struct store *store, unsigned partition,
                              struct arena *arena)
{
    struct busy_page busy = { 0 };
    struct timer_page timers = { 0 };
    pd_error err;
    size_t busy_count = 0;
    size_t timer_count = 0;
    sim_check(ledger->sim,
              store->ops->scan_busy(store, partition, 0, 100000, arena, &busy, &err) == PD_OK &&
                  store->ops->due_timers(store, partition, INT64_MIN, TIME_NEVER, 100000, arena,
                                         &timers, &err) == PD_OK,
              "partition %u cannot be scanned", partition);
    for (size_t i = 0; i < ledger->row_count; i++) {
        const struct ledger_row *row = ledger->rows[i];
        if (row->partition == partition && !row->is_deleted) {
            busy_count += row->is_busy;
            timer_count += row->timer_count;
        }
    }
    sim_check(ledger->sim, busy.count == busy_count, "%zu busy rows in the store, not %zu",
              busy.count, busy_count);
    for (size_t i = 0; i < busy.count; i++) {
        const struct ledger_row *row = map64_find(&ledger->by_number, busy.rows[i]);
        sim_check(ledger->sim, row != NULL && row->is_busy, "row %" PRIu64 " is busy in the store",
                  busy.rows[i]);
    }
    sim_check(ledger->sim, timers.count == timer_count, "%zu timers in the store, not %zu",
              timers.count, timer_count);
    for (size_t i = 0; i < timers.count; i++) {
        const struct ledger_row *row = map64_find(&ledger->by_number, timers.items[i].row);
        sim_check(ledger->sim,
                  row != NULL && has_timer(row, timers.items[i].id, timers.items[i].due),
                  "a timer of row %" PRIu64 " in the store", timers.items[i].row);
        sim_check(ledger->sim, i == 0 || timers.items[i].due >= timers.items[i - 1].due,
                  "timers out of order in the store");
    }
}

void ledger_compare(struct ledger *ledger, struct store *store)
{
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < ledger->row_count; i++) {
        if (!ledger->rows[i]->is_deleted) {
            compare_record(ledger, store, ledger->rows[i], &arena);
            compare_events(ledger, store, ledger->rows[i], &arena);
            arena_reset(&arena);
        }
    }
    for (unsigned i = 0; i < ledger->sim->partition_count; i++) {
        compare_partition(ledger, store, i, &arena);
    }
    arena_done(&arena);
}
