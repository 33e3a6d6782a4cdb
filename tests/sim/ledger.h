/* SPDX-License-Identifier: MIT
 *
 * The ledger: what has been committed, and whether it may have been.
 *
 * It hears every batch that a commit of the store has applied, keeps what it says (also of
 * instances that were replaced), and checks:
 *
 *   L1  each mutation where it stands: numbers without gaps, nothing removed that is not there,
 *       the epoch of the present owner (S2);
 *   L2  each turn: its order (T1), its times (C6), completions of open steps only and each once
 *       (C3), results of activities that have run, events of a sender in their order;
 *   L3  each instance after each commit: state, busy mark (C4), timers and inbox fit its history,
 *       nothing is in the inbox and in history, nothing left the inbox without getting there. */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "base/base.h"
#include "core/batch.h"
#include "store/store.h"
#include "wire/wire.h"

struct sim;

struct ledger_turn {
    struct text bytes;
    const struct event *events;
    size_t count,
        inputs; /* inputs: ORCHESTRATOR_STARTED and what it took in; then what was asked */
};

struct ledger_inbox {
    uint64_t arrival;
    struct text bytes;
    const struct event *event;
};

struct ledger_step {
    bool is_timer, is_closed;
    unsigned runs;
    time_us fire_at;
    const struct event *event;
};

struct ledger_timer {
    time_us due;
    int32_t id;
};

/* Growing arrays: those who are left behind stay in the arena. */
struct ledger_row {
    struct ledger_row *next_touched;
    uint64_t number;
    unsigned partition;
    bool is_touched, is_deleted, is_busy;
    enum run_state state;
    struct text id, execution_id, name, version, input, output, failure;
    time_us created_at, updated_at, ended_at;
    struct ledger_turn *turns;
    size_t turn_count, turn_room;
    struct ledger_inbox *inbox;
    size_t inbox_count, inbox_room;
    struct ledger_inbox *removed; /* from the inbox, in the commit being checked */
    size_t removed_count, removed_room;
    struct ledger_step *steps; /* dense, as the author numbers them */
    size_t step_count, step_room;
    struct ledger_timer *timers;
    size_t timer_count, timer_room;
    uint64_t arrival_last;
    time_us made_at, input_at; /* the last of what was made in turns, and of what came in */
    time_us fired_due;         /* the last timer that fired */
    int32_t fired_id;
    int64_t raised_last[2]; /* the highest number of each sender in history */
    uint64_t begun, ended;  /* in which commit; 0: not yet */
};

struct ledger {
    struct sim *sim;
    struct arena *arena;
    struct ledger_row **rows; /* in the order they were inserted */
    size_t row_count, row_room;
    struct map64 by_number;
    struct ledger_row *touched;
    uint64_t commits;
    uint64_t epochs[64];
    uint64_t mail_removed[64];
    struct map raised; /* "sender number" of every raise seen anywhere */
};

enum { SENDER_DIRECT, SENDER_MAIL };

void ledger_init(struct ledger *ledger, struct sim *sim, struct arena *arena);
void ledger_done(struct ledger *ledger);
void ledger_apply(struct ledger *ledger, const struct batch *const *batches, size_t count);

struct ledger_row *ledger_find(const struct ledger *ledger,
                               struct text id); /* not replaced; NULL */
struct ledger_row *ledger_find_execution(const struct ledger *ledger, struct text execution_id);
bool ledger_has_raised(const struct ledger *ledger, int64_t sender, int64_t number);

/* An activity is about to be handed out, or has run: its request must be durable. */
void ledger_dispatched(struct ledger *ledger, const struct activity *activity);
void ledger_ran(struct ledger *ledger, const struct activity *activity);

/* Everything the store says, against everything it should. */
void ledger_compare(struct ledger *ledger, struct store *store);

bool ledger_read_raise(const struct event *event, int64_t *ret_sender, int64_t *ret_number);
bool ledger_is_input(enum event_kind kind);

#endif
