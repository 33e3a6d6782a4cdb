/* SPDX-License-Identifier: MIT
 *
 * The end of a seed: no more faults, and everything must come to its end.
 *
 *   F1  Every instance in the ledger ends, once its events are raised and its timers are due (G2).
 *   F2  Mailboxes are emptied, calls answered; what is left in the store is what the ledger has.
 *   F3  The partition asks to be woken no later than the earliest timer is due.
 *   F4  Outputs are those of the model: outcome.c.
 *   F5  Every operation that was asked for was done; no entity is locked, and nothing waits at one;
 *       no money is lost. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

/* More events than a program can want, of names at random. */
enum { ROUNDS_MAX = 2000, RUNS_MAX = 10000, HELP_MAX = 300, LATE_REWINDS_MAX = 8 };

/* Some of them. False: those that there are wait for their claims. */
static bool run_activities(struct sim *sim)
{
    bool has_any = false;
    for (size_t n = sim->flight_count; n > 0 && sim->flight_count > 0; n--) {
        size_t at = (size_t)sim_below(sim, sim->flight_count);
        const struct sim_flight *flight = &sim->flights[at];
        has_any = has_any || flight->claim == NULL || flight->claim->latch.pending == 0;
        if (flight->done != NULL || flights_run(sim, at)) {
            flights_deliver(sim, at);
        }
    }
    return has_any;
}

/* A parent that has failed is rewound just when a child that it has left behind ends. */
static void rewind_for_child(struct sim *sim)
{
    const struct ledger_row *row =
        sim->late_rewinds < LATE_REWINDS_MAX ? residents_parent_of_ended(sim) : NULL;
    if (row != NULL && sim_chance(sim, 1, 2)) {
        sim->late_rewinds++;
        calls_tell(sim, orders_for(sim, row->id, MESSAGE_REWIND));
    }
}

static bool go_on(struct sim *sim, unsigned i)
{
    struct slot *slot = &sim->slots[i];
    bool more = partition_run(slot->partition, sim->now);
    rewind_for_child(sim);
    return driver_settle(sim, i) || more;
}

/* Until nothing moves any more but by time or from outside. */
static void settle(struct sim *sim)
{
    bool more = true;
    for (unsigned k = 0; more; k++) {
        sim_check(sim, k < RUNS_MAX, "the partitions never come to rest");
        more = run_activities(sim);
        more = away_end_all(sim) || more;
        for (unsigned i = 0; i < sim->partition_count; i++) {
            more = go_on(sim, i) || more;
        }
    }
    calls_look(sim);
}

static time_us next_due(struct sim *sim)
{
    time_us due = TIME_NEVER;
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        for (size_t k = 0; !row->is_deleted && k < row->timer_count; k++) {
            due = row->timers[k].due < due ? row->timers[k].due : due;
        }
    }
    for (size_t i = 0; i < sim->ledger.entity_count; i++) {
        const struct ledger_entity *entity = sim->ledger.entities[i];
        for (size_t k = 0; k < entity->timer_count; k++) {
            due = entity->timers[k].due < due ? entity->timers[k].due : due;
        }
    }
    return due;
}

static time_us next_wake(struct sim *sim)
{
    time_us wake = TIME_NEVER;
    for (unsigned i = 0; i < sim->partition_count; i++) {
        time_us one = partition_wake_at(sim->slots[i].partition);
        wake = one < wake ? one : wake;
    }
    return wake;
}

/* F3, then on to it. A window of 300 s at a time where that is not far, else in one leap. */
static void pass_time(struct sim *sim)
{
    time_us due = next_due(sim);
    time_us wake = next_wake(sim);
    sim_check(sim, wake <= due || wake <= sim->now || residents_wait_for_store(sim),
              "a timer is due at %" PRId64 ", and the wake is at %" PRId64, due, wake);
    time_us to = wake;
    if (due != TIME_NEVER && due > wake &&
        (due - wake > 3600 * TIME_SECOND || sim_chance(sim, 1, 2))) {
        to = due;
    }
    if (to != TIME_NEVER && to > sim->now) {
        sim->now = to;
    } else {
        sim->now += 1;
    }
    sim_trace(sim, "time %" PRId64 " in the end", sim->now);
}

/* Whom events help: first those that have locked what others wait for; then those that wait for no
 * lock. */
enum need { NEED_INSIDE, NEED_NO_LOCK, NEED_ANYTHING };

static bool needs(const struct ledger_row *row, enum need need)
{
    bool is_waiting = false;
    for (size_t i = 0; i < row->step_count; i++) {
        is_waiting |= row->steps[i].kind == LEDGER_LOCK && !row->steps[i].is_closed &&
                      row->state != RUN_SUSPENDED;
    }
    return need == NEED_ANYTHING ||
           (!is_waiting && (need != NEED_INSIDE || ledger_is_locking(row)));
}

/* The one after so many, or the last; NULL: there is none. */
static struct ledger_row *find_unfinished(struct sim *sim, uint64_t skip, enum need need)
{
    struct ledger_row *last = NULL;
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        struct ledger_row *row = sim->ledger.rows[i];
        if (ledger_is_alive(row) && needs(row, need)) {
            last = row;
            if (skip-- == 0) {
                return row;
            }
        }
    }
    return last;
}

static struct ledger_row *unfinished(struct sim *sim, uint64_t skip)
{
    enum need need = sim_chance(sim, 2, 3) ? NEED_INSIDE : NEED_NO_LOCK;
    struct ledger_row *row = find_unfinished(sim, skip, need);
    row = row != NULL ? row : find_unfinished(sim, skip, NEED_NO_LOCK);
    return row != NULL ? row : find_unfinished(sim, skip, NEED_ANYTHING);
}

static bool has_mail(struct sim *sim)
{
    struct arena arena;
    arena_init(&arena);
    bool found = false;
    for (unsigned i = 0; i < sim->partition_count; i++) {
        struct message_page page = { 0 };
        pd_error err;
        sim_check(sim, sim->inner->ops->receive(sim->inner, i, 0, 10, &arena, &page, &err) == PD_OK,
                  "the mailbox cannot be read: %s", err.text);
        found = found || page.count > 0;
    }
    arena_done(&arena);
    return found;
}

/* Of an entity, in whichever. */
static bool has_inbox(const struct sim *sim)
{
    for (size_t i = 0; i < sim->ledger.entity_count; i++) {
        if (sim->ledger.entities[i]->inbox_count > 0) {
            return true;
        }
    }
    return false;
}

static bool is_any_down(struct sim *sim)
{
    bool is_down = false;
    for (unsigned i = 0; i < sim->partition_count; i++) {
        struct partition_counters counters = partition_counters(sim->slots[i].partition);
        is_down = is_down || counters.is_down || counters.is_recovering;
    }
    return is_down;
}

/* It waits for a child that somebody has taken the place of: nobody will ever report. */
static bool waits_in_vain(struct sim *sim, const struct ledger_row *row)
{
    for (size_t i = 0; i < row->step_count; i++) {
        const struct ledger_step *step = &row->steps[i];
        if (step->kind != LEDGER_CHILD || step->is_closed || ledger_is_answered(row, (int32_t)i)) {
            continue;
        }
        const struct ledger_row *child = ledger_find(&sim->ledger, step->event->instance_id);
        bool is_taken = map_find(&sim->killable, step->event->instance_id) != NULL;
        if (is_taken && (!ledger_is_alive(child) ||
                         !text_equal(child->parent_execution_id, row->execution_id) ||
                         child->parent_step != (int32_t)i)) {
            return true;
        }
    }
    return false;
}

static void help(struct sim *sim, struct ledger_row *row)
{
    if (row->state == RUN_SUSPENDED) {
        calls_tell(sim, orders_for(sim, row->id, MESSAGE_RESUME));
    } else if (!has_mail(sim) && waits_in_vain(sim, row)) {
        calls_tell(sim, orders_for(sim, row->id, MESSAGE_TERMINATE));
    } else if (row->helped < HELP_MAX && sim_chance(sim, 3, 4)) {
        row->helped++;
        calls_tell(sim, orders_raise(sim, row->id, SENDER_DIRECT));
    }
    settle(sim);
}

static _Noreturn void never_ends(struct sim *sim, const struct ledger_row *row)
{
    size_t at = 0;
    while (at < row->step_count &&
           (row->steps[at].is_closed || ledger_is_answered(row, (int32_t)at))) {
        at++;
    }
    struct text child = at < row->step_count ? row->steps[at].event->instance_id : TEXT_ABSENT;
    sim_fail(sim,
             "'%.*s' never ends: %zu turns, state %d, %sbusy, %zu timers; waits for step %zu %.*s",
             TEXT_ARGS(row->id), row->turn_count, row->state, row->is_busy ? "" : "not ",
             row->timer_count, at, TEXT_ARGS(child));
}

static void work_to_the_end(struct sim *sim)
{
    for (unsigned i = 0; i < sim->partition_count; i++) {
        (void)driver_up(sim, i);
        partition_hold_recovery(sim->slots[i].partition, false);
        partition_notice_mail(sim->slots[i].partition); /* once: nobody sends any more */
    }
    settle(sim);
    for (unsigned round = 0; find_unfinished(sim, 0, NEED_ANYTHING) != NULL || has_mail(sim) ||
                             has_inbox(sim) || is_any_down(sim) || sim->calls != NULL;
         round++) {
        struct ledger_row *row =
            unfinished(sim, sim_below(sim, sim_chance(sim, 1, 4) ? sim->ledger.row_count + 1 : 4));
        sim_check(sim, round < ROUNDS_MAX || row != NULL || has_mail(sim),
                  "an entity has an inbox for ever");
        sim_check(sim, round < ROUNDS_MAX || row != NULL, "the mail is never received");
        if (round >= ROUNDS_MAX) {
            never_ends(sim, row);
        }
        if (row != NULL) {
            help(sim, row);
        }
        pass_time(sim);
        settle(sim);
    }
}

/* Everything has ended: some of it goes on, or is forgotten. */
static void live_again(struct sim *sim)
{
    size_t count = sim->ledger.row_count;
    sim->user.is_mended = true;
    sim->mended = sim->ledger.commits;
    for (size_t i = 0; i < count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        if (row->is_deleted) {
            continue;
        }
        if (row->state == RUN_FAILED && sim_chance(sim, 1, 3)) {
            calls_tell(sim, orders_for(sim, row->id, MESSAGE_REWIND));
        } else if (sim_chance(sim, 1, 16)) {
            calls_tell(sim, orders_for(sim, row->id, MESSAGE_PURGE));
        }
        if (sim_chance(sim, 1, 4)) {
            (void)go_on(sim, row->partition);
        }
    }
    settle(sim);
}

/* Times are all different within an execution (C6). */
static int compare_times(const void *a, const void *b)
{
    time_us x = *(const time_us *)a;
    time_us y = *(const time_us *)b;
    return (x > y) - (x < y);
}

static void check_times(struct sim *sim, const struct ledger_row *row)
{
    size_t count = 0;
    for (size_t t = 0; t < row->turn_count; t++) {
        count += row->turns[t].count;
    }
    time_us *times = arena_alloc(&sim->arena, count * sizeof *times);
    count = 0;
    for (size_t t = 0; t < row->turn_count; t++) {
        for (size_t k = 0; k < row->turns[t].count; k++) {
            times[count++] = row->turns[t].events[k].at;
        }
    }
    qsort(times, count, sizeof *times, compare_times);
    for (size_t i = 1; i < count; i++) {
        sim_check(sim, times[i] != times[i - 1], "'%.*s': two events at %" PRId64 " (C6)",
                  TEXT_ARGS(row->id), times[i]);
    }
}

void finish(struct sim *sim)
{
    sim_trace(sim, "no more faults");
    if (sim->is_picky) {
        driver_restart(sim, false);
    }
    sim->is_faulty = false;
    work_to_the_end(sim);
    if (sim_chance(sim, 1, 2)) {
        sim_trace(sim, "life after the end");
        live_again(sim);
        work_to_the_end(sim);
    }
    residents_look(sim);
    sim_check(sim, sim->calls == NULL, "a call is never answered");
    for (unsigned i = 0; i < sim->partition_count; i++) {
        sim_check(sim, sim->ledger.mail[i] == NULL, "partition %u has mail, and does not", i);
    }
    calls_check_mail(sim);
    ledger_check_deeds(&sim->ledger);
    ledger_check_money(&sim->ledger);
    ledger_check_rest(&sim->ledger);
    ledger_check_all_there(&sim->ledger);
    ledger_compare(&sim->ledger, sim->inner);
    for (unsigned i = 0; i < sim->partition_count; i++) {
        partition_evict(sim->slots[i].partition, 0);
        struct partition_counters counters = partition_counters(sim->slots[i].partition);
        sim_check(sim, counters.residents == 0 && !counters.is_down && !counters.is_recovering,
                  "partition %u at rest: %zu residents, down %d, recovering %d", i,
                  counters.residents, counters.is_down, counters.is_recovering);
        sim_check(sim, counters.corrupt == 0, "partition %u found something corrupt", i);
    }
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        if (run_state_is_final(row->state) && !row->is_fork) {
            check_times(sim, row);
        }
        outcome_check(sim, row);
    }
}
