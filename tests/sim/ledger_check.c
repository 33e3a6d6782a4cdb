/* SPDX-License-Identifier: MIT
 *
 * The ledger: what must hold of an instance after every commit (L3). */
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

static void check_inbox(struct ledger *ledger, const struct ledger_row *row)
{
    for (size_t i = 0; i < row->inbox_count; i++) {
        const struct event *event = row->inbox[i].event;
        sim_check(ledger->sim, !is_in_history(row, event),
                  "'%.*s': %s is in history and in the inbox", TEXT_ARGS(row->id),
                  event_kind_name(event->kind));
        sim_check(
            ledger->sim,
            event->ref == EVENT_NO_ID || ((size_t)event->ref < row->step_count &&
                                          (!row->steps[event->ref].is_closed ||
                                           ledger_may_come_late(ledger, &row->steps[event->ref]))),
            "'%.*s': the inbox ends step %d, which is not open", TEXT_ARGS(row->id), event->ref);
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

static void check_answers(struct ledger *ledger, const struct ledger_row *row, int32_t id)
{
    size_t count = 0;
    for (size_t i = 0; i < row->inbox_count; i++) {
        count += row->inbox[i].event->ref == id;
    }
    sim_check(ledger->sim, count <= 1, "'%.*s': step %d ends twice in the inbox",
              TEXT_ARGS(row->id), id);
}

static void check_steps(struct ledger *ledger, const struct ledger_row *row)
{
    size_t tasks = 0;
    bool is_held = ledger_is_held(row);
    size_t timers = is_held;
    for (size_t i = 0; i < row->step_count; i++) {
        const struct ledger_step *step = &row->steps[i];
        check_answers(ledger, row, (int32_t)i);
        if (step->is_closed || ledger_is_answered(row, (int32_t)i)) {
            continue;
        }
        tasks += step->kind == LEDGER_TASK;
        timers += step->kind == LEDGER_TIMER;
        sim_check(ledger->sim,
                  step->kind != LEDGER_TIMER || has_timer(row, (int32_t)i, step->fire_at),
                  "'%.*s': timer %zu is open and not in the store", TEXT_ARGS(row->id), i);
    }
    sim_check(ledger->sim, timers == row->timer_count, "'%.*s': %zu timers open, %zu in the store",
              TEXT_ARGS(row->id), timers, row->timer_count);
    sim_check(ledger->sim, !is_held || has_timer(row, EVENT_NO_ID, row->starts_at),
              "'%.*s' is to start at another time", TEXT_ARGS(row->id));
    sim_check(ledger->sim, row->is_busy == (!is_held && (tasks > 0 || row->inbox_count > 0)),
              "'%.*s' is %sbusy with %zu open activities and an inbox of %zu (C4)",
              TEXT_ARGS(row->id), row->is_busy ? "" : "not ", tasks, row->inbox_count);
}

/* Only of activities that are open. */
static void check_progress(struct ledger *ledger, const struct ledger_row *row)
{
    for (const struct ledger_progress *p = row->progress; p != NULL; p = p->next) {
        sim_check(ledger->sim,
                  (size_t)p->id < row->step_count && row->steps[p->id].kind == LEDGER_TASK &&
                      !row->steps[p->id].is_closed && !ledger_is_answered(row, p->id),
                  "'%.*s': there is progress of step %d, which is not open", TEXT_ARGS(row->id),
                  p->id);
    }
}

/* By a client, by way of those above it too; or by the parent that has cancelled it. */
static bool is_stop_asked_for(struct ledger *ledger, const struct ledger_row *row)
{
    const struct order *order = map_find(&ledger->sim->stops, row->output);
    if (order == NULL) {
        return text_is_present(row->parent_id) &&
               text_equal(row->output, TEXT("\"cancelled by its parent\""));
    }
    while (row != NULL && !text_equal(row->id, order->letter.instance_id)) {
        row = text_is_present(row->parent_execution_id)
                  ? ledger_find_execution(ledger, row->parent_execution_id)
                  : NULL;
    }
    return row != NULL;
}

static void check_end(struct ledger *ledger, const struct ledger_row *row)
{
    const struct event *last = ledger_last_event(row->turns, row->turn_count);
    sim_check(ledger->sim,
              last != NULL && last->kind == EVENT_EXECUTION_COMPLETED &&
                  last->outcome == row->state && last->at == row->ended_at,
              "'%.*s' has ended, but not in history", TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              text_equal(row->output, row->state == RUN_FAILED ? TEXT_ABSENT : last->payload),
              "'%.*s': the output is not the one in history", TEXT_ARGS(row->id));
    sim_check(ledger->sim, row->state != RUN_TERMINATED || is_stop_asked_for(ledger, row),
              "'%.*s' was terminated, and nobody wanted that: %.*s", TEXT_ARGS(row->id),
              TEXT_ARGS(row->output));
    sim_check(ledger->sim, text_is_present(row->failure) == (row->state == RUN_FAILED),
              "'%.*s': a failure where none is, or none", TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              row->inbox_count == 0 && row->timer_count == 0 && row->progress == NULL &&
                  !row->is_busy,
              "'%.*s' has ended: %zu events, %zu timers, %sprogress are left, and it is %sbusy",
              TEXT_ARGS(row->id), row->inbox_count, row->timer_count,
              row->progress != NULL ? "" : "no ", row->is_busy ? "" : "not ");
}

static void check_state(struct ledger *ledger, const struct ledger_row *row)
{
    bool is_on_hold = row->is_on_hold;
    for (size_t i = 0; i < row->inbox_count; i++) {
        enum event_kind kind = row->inbox[i].event->kind;
        is_on_hold =
            kind == EVENT_EXECUTION_SUSPENDED || (is_on_hold && kind != EVENT_EXECUTION_RESUMED);
    }
    sim_check(ledger->sim, row->is_fork || is_on_hold == (row->state == RUN_SUSPENDED),
              "'%.*s': state %d, and by its events it is %son hold", TEXT_ARGS(row->id), row->state,
              is_on_hold ? "" : "not ");
    sim_check(ledger->sim,
              row->state == RUN_SUSPENDED ||
                  row->state == (row->has_begun ? RUN_RUNNING : RUN_PENDING),
              "'%.*s': state %d, and it has %sbegun", TEXT_ARGS(row->id), row->state,
              row->has_begun ? "" : "not ");
    sim_check(ledger->sim, row->ended_at == 0 && !text_is_present(row->failure),
              "'%.*s' ended and did not", TEXT_ARGS(row->id));
}

void ledger_check_row(struct ledger *ledger, const struct ledger_row *row)
{
    if (row->is_deleted) {
        return;
    }
    check_inbox(ledger, row);
    sim_check(ledger->sim, text_equal(row->status, row->status_said),
              "'%.*s': the custom status is %.*s, and should be %.*s", TEXT_ARGS(row->id),
              TEXT_ARGS(row->status), TEXT_ARGS(row->status_said));
    if (run_state_is_final(row->state)) {
        check_end(ledger, row);
        return;
    }
    check_state(ledger, row);
    check_steps(ledger, row);
    check_progress(ledger, row);
}
