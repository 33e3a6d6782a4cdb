/* SPDX-License-Identifier: MIT
 *
 * The core: one partition of a task hub as a pure state machine.
 *
 * Commands go in (start, event, activity result, timer due, turn result), each with the time at
 * which it happens; mutations and effects come out, gathered in a batch until core_cut takes it.
 * No clock, no thread, no I/O, no random source, no environment. Not thread-safe: one partition
 * belongs to one thread, or to the simulator.
 *
 *   C1  An instance is resident while it has anything that is not durable yet: an open turn,
 *       events that no batch has recorded, or mutations in a batch that is not committed.
 *   C2  What is resident is the truth; the store lags behind it by the batches in flight.
 *   C3  A completion (activity, timer) is accepted when its step is open in the current execution;
 *       otherwise it is dropped and counted: delivery is at least once. A step completes once.
 *   C4  is_busy in the store holds at every commit for an instance that has open activities or
 *       events not yet consumed: recovery loads exactly these. Timers and expected events do not
 *       make an instance busy.
 *   C5  An event that is consumed by a turn before its batch is cut is written once, in history;
 *       only one that has to wait goes through the inbox.
 *   C6  The times of an instance's events are strictly increasing in the order they were made:
 *       t = max(now, last + 1 us); a turn's ORCHESTRATOR_STARTED is later than fire_at of every
 *       timer fired in it, and no TIMER_FIRED is earlier than its fire_at.
 *   C7  Timers due together fire in the order they were set.
 *
 * Not resident is not the same as not existing: before a command that names an instance which
 * core_find does not know, the engine looks in the store and admits what it finds. */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <perdure.h>

#include "base/buffer.h"
#include "core/batch.h"
#include "core/event.h"
#include "core/turn.h"

/* How events become bytes. Injected, so that core does not depend on the wire room. */
struct codec {
    void (*event)(struct buffer *,
                  const struct event *); /* appends one element of a HistoryChunk */
    void (*failure)(struct buffer *,
                    const struct failure *); /* appends a TaskFailureDetails message */
};

struct core_options {
    unsigned partition, partition_count;
    uint64_t epoch;
    uint64_t row_next; /* first row to hand out; then row_next + partition_count, ... */
    const struct codec *codec;
    size_t activity_room; /* bytes beside each activity, for whoever runs it; 0: none */
};

struct core;
struct instance;

struct core *core_new(const struct core_options *options);
void core_free(struct core *core); /* with all that is resident, and the open batch */

/* ---- residents ------------------------------------------------------------------------------ */

/* NULL: not resident. By row also one that ended and was replaced, until that is durable. */
struct instance *core_find(struct core *core, struct text id);
struct instance *core_find_row(struct core *core, uint64_t row);
uint64_t instance_row(const struct instance *instance);
enum run_state instance_state(const struct instance *instance);

/* Brings an unfinished instance in from the store: folds its history, takes its inbox. Activities
 * that are open are added to the current batch's activities when `redispatch` holds (recovery).
 * An unconsumed inbox makes it ready for a turn. Must not be resident. Events may be borrowed from
 * scratch memory: what is kept is copied. */
struct instance *core_admit(struct core *core, const struct instance_record *record,
                            const struct event *history, size_t history_count, uint64_t turn_count,
                            const struct event *inbox, const uint64_t *arrivals, size_t inbox_count,
                            bool redispatch);

/* Drops residents that C1 allows to go, those longest unused first: those that only time or an
 * event can wake until at most `keep_asleep` of them remain, then any (they first) until at most
 * `keep` remain. Returns how many went. */
size_t core_evict(struct core *core, size_t keep, size_t keep_asleep);
size_t core_asleep_count(const struct core *core);
size_t core_resident_count(const struct core *core);

/* ---- commands ---------------------------------------------------------------------------------
 * */

struct start_command {
    struct text id, execution_id, name, version, input;
    uint64_t replaces_row; /* an ended instance of this id in the store, not resident; 0: none */
    bool is_fresh; /* the id was just made by engine_new_id: no need to look for it in the store */
};

/* PD_OK, or PD_E_EXISTS when an instance of this id is resident and has not ended; nothing has
 * changed then. Arguments were validated by the caller (instance_id_check). */
pd_status core_start(struct core *core, time_us now, const struct start_command *command,
                     pd_error *err);

/* Delivers an event raised from outside. PD_E_STATE when the instance has ended. */
pd_status core_raise(struct core *core, time_us now, struct instance *instance, struct text name,
                     struct text payload, pd_error *err);

/* False: dropped and counted (C3). Instances that are not resident are admitted before. */
bool core_complete_activity(struct core *core, time_us now, struct instance *instance,
                            struct text execution_id, int32_t id,
                            const struct activity_result *result);
bool core_fire_timer(struct core *core, time_us now, struct instance *instance, int32_t id);

/* The mailbox position up to which messages have taken effect: recorded with the same batch (S6).
 * */
void core_received(struct core *core, uint64_t number);

/* ---- turns ------------------------------------------------------------------------------------
 * */

/* The next instance that is ready, in the order they became ready; false: none. The turn is
 * borrowed until core_end_turn or core_postpone_turn for the same row. Several may be open. */
bool core_next_turn(struct core *core, time_us now, const struct turn **ret);

/* The rows whose turns come next, at most max. Changes nothing. */
size_t core_peek_ready(const struct core *core, uint64_t *ret_rows, size_t max);

/* A command about this row comes soon: a hint, which brings a resident into the caches. */
void core_expect_row(const struct core *core, uint64_t row);

/* Applies the actions: history, timers, activities, the end. The turn is gone afterwards. */
void core_end_turn(struct core *core, time_us now, const struct turn *turn,
                   const struct turn_result *result);

/* Gives the turn back: it is offered again, the same events first, when every earlier turn of the
 * instance is durable (at once when that holds already). */
void core_postpone_turn(struct core *core, const struct turn *turn);

/* ---- timers: a window of them in memory ---- */

/* Timers set with due <= horizon are also kept here; the rest live in the store only, once their
 * batch is committed: until then core remembers them, so that a horizon moved over them loses none.
 * The engine moves the horizon, forward only, and adds what the store has between the old one and
 * the new; one that is then known twice fires once (C3). */
void core_set_horizon(struct core *core, time_us horizon);
void core_add_timer(struct core *core, uint64_t row, int32_t id, time_us due);
time_us core_next_due(const struct core *core); /* TIME_NEVER: none in the window */
bool core_pop_due(struct core *core, time_us now, uint64_t *ret_row, int32_t *ret_id);

/* ---- durability -------------------------------------------------------------------------------
 * */

bool core_has_changes(const struct core *core); /* would core_cut give a batch? */

/* Everything since the last cut, or NULL when there is nothing. The batch is yours. */
struct batch *core_cut(struct core *core);

/* Takes a batch of this core back, to be used again: a busy partition then fills the same memory
 * all the time. After core_committed, or instead of batch_free. */
void core_reuse(struct core *core, struct batch *batch);

/* Takes an activity of this core back instead of activity_free, to use its block again. */
void core_reuse_activity(struct core *core, struct activity *activity);

/* Gives back memory that is only kept for speed. */
void core_trim(struct core *core);

/* The batch is durable: its instances may be evicted, ended ones leave, postponed turns are ready.
 * In order of number. Does not free the batch. */
void core_committed(struct core *core, const struct batch *batch);

/* ---- counters, for tests and metrics ----------------------------------------------------------
 * */

struct core_counters {
    uint64_t turns, events, starts, endings, dropped_completions, dropped_events;
};
struct core_counters core_counters(const struct core *core);

/* ---- rules that the client side shares
 * --------------------------------------------------------- */

/* PD_OK or PD_E_INVALID with the sentence: 1..256 characters of UTF-8, not starting with '@', none
 * of / \ # ?, no control characters. */
pd_status instance_id_check(struct text id, pd_error *err);

/* Which partition of `count` an instance lives in. Fixed for ever: stored data depends on it. */
unsigned partition_of(struct text id, unsigned count);

#endif
