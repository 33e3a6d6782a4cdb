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
 *       events not yet consumed: recovery loads exactly these. Timers, children, expected events,
 *       and a start that waits for its time do not make an instance busy.
 *   C5  An event that is consumed by a turn before its batch is cut is written once, in history;
 *       only one that has to wait goes through the inbox.
 *   C6  The times of an instance's events are strictly increasing in the order they were made:
 *       t = max(now, last + 1 us); a turn's ORCHESTRATOR_STARTED is later than fire_at of every
 *       timer fired in it, by the millisecond; no TIMER_FIRED is earlier than its fire_at.
 *   C7  Timers due together fire in the order they were set.
 *   C8  What is said to another instance is a letter: it is delivered, or in a mailbox, in the same
 *       batch as what caused it. Letters of one sender reach one receiver in their order.
 *   C9  An instance on hold (suspended, waiting for its time, left by its worker) takes no turn;
 *       what comes for it waits. A turn that was open already may still end.
 *   C10 What an ended execution had asked for is nobody's any more: its results are dropped, its
 *       timers removed, its running activities told. Children go on, and their end is dropped.
 *
 * Entities are residents like instances: they have an id and a row, what is said to them waits,
 * they take turns (batches of operations), and C1, C2, C5, C6, C8 hold of them as they stand. They
 * have no history and no end. An entity without state, lock and anything that waits does not exist.
 *
 *   K1  A critical section takes its locks one after the other, in the order of lock_set.h: so
 *       there is no deadlock between them.
 *   K2  What is said to an entity stands in one line. A lock request waits until all before it is
 *       done; then the entity is locked, and all behind it waits until it is unlocked, but for what
 *       the owner (instance and execution) says: that is done in the order it comes.
 *   K3  An entity has at most one open turn. A batch of operations takes effect once: the state,
 *       the answers and what the operations asked for are in one batch of the store.
 *   K4  A request travels from entity to entity, each sends it on when it is locked; the last one
 *       sends LOCK_GRANTED. An execution that ends sends an unlocking after its request on the same
 *       way, which cannot overtake it. So no lock survives its owner, wherever its request is.
 *   K5  C4 for an entity: it is busy while it has operations that can be run. A line behind a lock,
 *       and signals that wait for their time, do not make it busy.
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

/* What may be announced of an instance, to whoever wants to know: announce.c. */
enum announcement_kind {
    ANNOUNCE_STARTED, /* its first turn has been taken */
    ANNOUNCE_COMPLETED,
    ANNOUNCE_FAILED,
    ANNOUNCE_TERMINATED,
    ANNOUNCE_SUSPENDED,
    ANNOUNCE_RESUMED,
};
enum { ANNOUNCEMENT_KINDS = ANNOUNCE_RESUMED + 1 };
const char *announcement_name(enum announcement_kind kind); /* "started" */

struct announcement {
    enum announcement_kind kind;
    enum run_state state;
    struct text id, execution_id, name, version;
    const struct event_extra *extra; /* tags, parent; NULL: none */
    time_us created_at, at;          /* at: of the change */
    struct text output;              /* JSON; absent: none */
    const struct failure *failure;   /* ANNOUNCE_FAILED, or for which it is SUSPENDED; NULL: none */
};

/* Injected, as the codec is. Asked for each change but of instances of
 * CORE_NOTIFY; the same changes give the same bytes. */
struct announcer {
    void *argument;
    /* Appends the input of the instance that announces it, JSON. False: nobody wants to hear it. */
    bool (*write)(void *argument, const struct announcement *, struct buffer *json);
};
/* The orchestration that announces, and what the IDs of its instances begin with. */
#define CORE_NOTIFY "perdure.notify"

/* An instance whose ID begins so waits for another (its ID is the rest) and tells a schedule of its
 * end, which waits for that word: so it ends by itself only, and hears of that one's end also when
 * it is replaced. */
#define CORE_RUN "perdure.run"
bool instance_id_is_run(struct text id);

struct core_options {
    unsigned partition, partition_count;
    uint64_t epoch;
    uint64_t row_next; /* first row to hand out; then row_next + partition_count, ... */
    uint64_t seed;     /* for execution ids that core makes itself */
    const struct codec *codec;
    const struct announcer *announcer; /* NULL: nothing is announced */
    size_t activity_room;              /* bytes beside an activity, for whoever runs it; 0: none */
    bool keeps_empty; /* entities without state stay in the store until they are purged */
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
struct text instance_execution_id(const struct instance *instance);
/* Is it the child of this very step of a parent, as told by an EXECUTION_STARTED? */
bool instance_is_child_of(const struct instance *instance, const struct event_extra *extra);
/* Did this execution ask for it, in whichever step? */
bool instance_is_child_of_execution(const struct instance *instance, struct text execution_id);

/* An instance as the store has it. */
struct instance_image {
    const struct instance_record *record;
    const struct event *history;
    size_t history_count;
    uint64_t turn_count;
    const struct event *inbox;
    const uint64_t *arrivals; /* of each in the inbox */
    size_t inbox_count;
    const struct progress *progress; /* of open activities */
    size_t progress_count;
};

/* Brings an unfinished instance in from the store: folds its history, takes its inbox. Activities
 * that are open are added to the current batch's activities when `redispatch` holds (recovery).
 * An unconsumed inbox makes it ready for a turn, unless it is on hold (C9). Must not be resident.
 * Events may be borrowed from scratch memory: what is kept is copied. */
struct instance *core_admit(struct core *core, const struct instance_image *image, bool redispatch);

/* An entity as the store has it. */
struct entity_image {
    const struct entity_record *record;
    const struct event *inbox; /* ENTITY_SIGNALED, ENTITY_CALLED, LOCK_REQUESTED */
    const uint64_t *arrivals;  /* ascending */
    size_t inbox_count;
};
/* PD_E_CORRUPT: what is stored does not hold together, and must not be admitted. */
pd_status core_check_entity(const struct entity_image *image, pd_error *err);
/* As core_admit. */
struct instance *core_admit_entity(struct core *core, const struct entity_image *image);
/* One that is neither resident nor in the store: resident from now on, with nothing in it. Nothing
 * of it is written before something is said to it; when nothing is left of it, its row goes, but it
 * may stay resident. */
struct instance *core_make_entity(struct core *core, struct text id);
bool instance_is_entity(const struct instance *instance);

/* Drops residents that C1 allows to go, those longest unused first: those that only time or an
 * event can wake until at most `keep_asleep` of them remain, then any (they first) until at most
 * `keep` remain. Entities that wait for nothing are counted apart: until as many remain as `keep`,
 * LIMIT_ENTITIES_RESIDENT and LIMIT_ENTITY_BYTES_RESIDENT allow. Returns how many went. */
size_t core_evict(struct core *core, size_t keep, size_t keep_asleep);
/* Would it let any go? */
bool core_is_crowded(const struct core *core, size_t keep, size_t keep_asleep);
size_t core_asleep_count(const struct core *core); /* no entities */
size_t core_resident_count(const struct core *core);

/* ---- commands ---------------------------------------------------------------------------------
 * */

/* Sets of states, 1u << enum run_state each. */
#define STATES_ENDED (1u << RUN_COMPLETED | 1u << RUN_FAILED | 1u << RUN_TERMINATED)
#define STATES_ALL (STATES_ENDED | 1u << RUN_PENDING | 1u << RUN_RUNNING | 1u << RUN_SUSPENDED)

struct start_command {
    struct text id, name, version, input;
    struct text execution_id;        /* absent: core makes one */
    const struct event_extra *extra; /* tags, parent, trace; NULL: none */
    time_us starts_at;               /* not before; 0, or not after now: at once */
    unsigned replaces;               /* set of states in which an instance of this id gives way */
    uint64_t replaces_row; /* an ended instance of this id in the store, not resident; 0: none */
    enum run_state replaces_state; /* how it ended */
    bool is_fresh; /* the id was just made by engine_new_id: no need to look for it in the store */
};

/* PD_OK, or PD_E_EXISTS when an instance of this id exists in a state that is not in `replaces`;
 * nothing has changed then. One that has not ended and gives way ends without a word: its parent
 * (but for one of which instance_id_is_run holds) and its children hear nothing. Arguments were
 * validated by the caller (instance_id_check). */
pd_status core_start(struct core *core, time_us now, const struct start_command *command,
                     pd_error *err);

/* Delivers an event raised from outside. PD_E_STATE when the instance has ended. */
pd_status core_raise(struct core *core, time_us now, struct instance *instance, struct text name,
                     struct text payload, pd_error *err);

/* PD_E_STATE when the instance has ended, also those below.
 *
 * terminate: ends it at once, whatever it is doing; `output` becomes its output (JSON). An open
 * turn of it is void: core_end_turn drops its result. recurses: its open children too.
 * suspend: on hold until resumed (C9); of one that is suspended already nothing changes. With a
 * `failure` it is quarantined: that is seen beside its state.
 * resume: nothing changes when it is not suspended. */
pd_status core_terminate(struct core *core, time_us now, struct instance *instance,
                         struct text output, bool recurses, pd_error *err);
pd_status core_suspend(struct core *core, time_us now, struct instance *instance,
                       struct text reason, const struct failure *failure, pd_error *err);
pd_status core_resume(struct core *core, time_us now, struct instance *instance, struct text reason,
                      pd_error *err);

/* Forgets an ended instance, resident or not (then instance is NULL and row says which). It is
 * known by its row only until that is durable. PD_E_STATE when it has not ended. */
pd_status core_purge(struct core *core, struct instance *instance, uint64_t row, pd_error *err);

/* An instance given by its history: rewound, forked or imported. Whatever its history has open is
 * asked for again: activities are dispatched, timers set, children ensured (C8). */
struct adoption {
    /* row 0: a new row. Else a failed instance of this row goes on (RENEW): its end is stored. */
    const struct instance_record *record;
    const struct turn_events *turns; /* become history, as they are */
    size_t turn_count;
    const struct event *waiting; /* are delivered next, as they are, with times of their own */
    size_t waiting_count;
    uint64_t replaces_row; /* an ended instance of this id in the store, not resident; 0: none */
};
/* PD_E_EXISTS: an unfinished instance of the id is resident. PD_E_CORRUPT: rewrite_check refuses
 * it. Nothing has changed then. A record that has ended is only written down. What activities had
 * said of themselves is not taken over. created_at 0: now. The runner forgets the row. */
pd_status core_adopt(struct core *core, time_us now, const struct adoption *adoption,
                     pd_error *err);

/* Tells the parent of an ended child (again) how it ended. */
void core_report_child(struct core *core, time_us now, const struct instance_record *child,
                       const struct failure *failure);

/* A letter: what is to be said to an instance (C8). Text and event live until the cut. */
struct letter {
    struct letter *next;
    enum message_kind kind;
    unsigned flags; /* MESSAGE_START: states that it may replace */
    struct text instance_id, execution_id;
    const struct event *event; /* NULL: the kind has none */
    struct text bytes;         /* MESSAGE_ADOPT */
};

/* The oldest letter that has not been taken; NULL: none. The engine takes all of them before a cut,
 * and delivers each with the commands of this section, or posts it. */
const struct letter *core_next_letter(struct core *core);
/* Into the mailbox of a partition, with the open batch. */
void core_post_letter(struct core *core, const struct letter *letter, unsigned partition);

/* It found nobody: dropped, and counted. */
void core_drop_letter(struct core *core);

/* The end of a child. False: dropped and counted, as below. */
bool core_complete_child(struct core *core, time_us now, struct instance *parent,
                         struct text execution_id, const struct event *ended);

/* The answer of an entity to a call or lock request. False: dropped and counted, as below. */
bool core_complete_call(struct core *core, time_us now, struct instance *instance,
                        struct text execution_id, const struct event *answer);

/* ---- entities ---------------------------------------------------------------------------------
 *
 * All of these take a resident that is an entity. */

/* Stands in line from now on (K2): ENTITY_SIGNALED, ENTITY_CALLED, LOCK_REQUESTED. PD_E_NOMEM. A
 * call or request that does not say whose it is, or that is for another entity, is dropped and
 * counted. */
pd_status core_operate(struct core *core, time_us now, struct instance *entity,
                       const struct event *operation, pd_error *err);
/* UNLOCK_SENT. Of a critical section that does not hold it and has no request in line: nothing
 * changes. extra: of this owner only; NULL: whoever holds it, requests stay. */
void core_unlock(struct core *core, time_us now, struct instance *entity,
                 const struct event *unlock);
/* A signal that has not been run, and is in no open turn, is not run. False: there is none of this
 * request id. Of several, those of one sender having chosen the same, the first. */
bool core_cancel_signal(struct core *core, struct instance *entity, struct text request_id);
/* MESSAGE_PURGE. With an open turn: what it answers still counts, and then the state goes.
 * unchanged_since not 0: PD_E_STATE when it was changed since, is locked, or something waits.
 * PD_E_NOT_FOUND: it is resident, but there is nothing in it and the store has none. */
pd_status core_purge_entity(struct core *core, time_us now, struct instance *entity,
                            time_us unchanged_since, pd_error *err);

/* What was said to an entity that cannot be, or cannot be read: its caller hears of the failure,
 * and who asked for locks that he does not get them (ENTITY_FAILED of the lock's step; what his
 * request has locked on its way, core_complete_call gives back: K4). A signal is dropped, and
 * counted. */
void core_refuse_operation(struct core *core, time_us now, const struct event *operation,
                           const struct failure *failure);

/* A heartbeat. False: nobody wants the activity any more. */
bool core_note_progress(struct core *core, struct instance *instance, struct text execution_id,
                        int32_t id, struct text progress);

/* False: dropped and counted (C3). Instances that are not resident are admitted before. */
bool core_complete_activity(struct core *core, time_us now, struct instance *instance,
                            struct text execution_id, int32_t id,
                            const struct activity_result *result);
/* `due` tells it from a timer of an earlier execution that had the same step. */
bool core_fire_timer(struct core *core, time_us now, struct instance *instance, int32_t id,
                     time_us due);

/* The mailbox position up to which messages have taken effect: recorded with the same batch (S6).
 * */
void core_received(struct core *core, uint64_t number);

/* ---- turns ------------------------------------------------------------------------------------
 * */

/* The next instance that is ready, in the order they became ready; false: none. The turn is
 * borrowed until core_end_turn or core_postpone_turn for the same row. Several may be open. */
bool core_next_turn(struct core *core, time_us now, const struct turn **ret);

/* The result of an open turn comes later, from elsewhere (T8): until then it is found by its ticket
 * only. When its instance ends first, it is over. */
void core_hold_turn(struct core *core, const struct turn *turn);
/* NULL: it is over, or was of another life. What is found is to be ended, or given back. */
const struct turn *core_find_turn(struct core *core, struct turn_ticket ticket);
size_t core_held_count(const struct core *core);

/* The rows whose turns come next, at most max. Changes nothing. */
size_t core_peek_ready(const struct core *core, uint64_t *ret_rows, size_t max);

/* A command about this row comes soon: a hint, which brings a resident into the caches. */
void core_expect_row(const struct core *core, uint64_t row);

/* Does the result fit? Not when it asks for a step that is open, or twice for one: the code and the
 * history know different steps. Such a result must not be applied. */
bool core_takes_result(struct core *core, const struct turn *turn,
                       const struct turn_result *result);

/* Applies the actions: history, timers, activities, the end. The turn is gone afterwards. What it
 * became in history (a HistoryChunk), until the next cut; absent: another execution follows, or
 * nothing came of it, as the instance had ended. */
struct text core_end_turn(struct core *core, time_us now, const struct turn *turn,
                          const struct turn_result *result);

/* Likewise of an entity's turn: at most one result for an operation, and one at least; actions of
 * the kinds that entities have, to ids that are ids. */
bool core_takes_entity_result(struct core *core, const struct turn *turn,
                              const struct entity_result *result);
/* State, answers to callers, and what was asked for. The turn is gone afterwards. */
void core_end_entity_turn(struct core *core, time_us now, const struct turn *turn,
                          const struct entity_result *result);

/* Gives the turn back: it is offered again, the same events first, when every earlier turn of the
 * instance is durable (at once when that holds already). */
void core_postpone_turn(struct core *core, const struct turn *turn);

/* Gives the turn back: it is not offered again before it is called for (T9). */
void core_leave_turn(struct core *core, const struct turn *turn);
void core_call_turn(struct core *core, struct instance *instance);
/* Likewise of activities that a runner let go of without a word (T9): of these steps (the array is
 * put in order) those that are open still are dispatched again, in the open batch. The history is
 * that of the store, which has all that was dispatched. */
void core_call_activities(struct core *core, struct instance *instance, const struct event *history,
                          size_t count, int32_t *ids, size_t id_count);

/* ---- timers: a window of them in memory ---- */

/* Timers set with due <= horizon are also kept here; the rest live in the store only, once their
 * batch is committed: until then core remembers them, so that a horizon moved over them loses none.
 * The engine moves the horizon, forward only, and adds what the store has between the old one and
 * the new; one that is then known twice fires once (C3). */
struct due_timer {
    uint64_t row;
    time_us due;
    int32_t id;
};
void core_set_horizon(struct core *core, time_us horizon);
void core_add_timer(struct core *core, uint64_t row, int32_t id, time_us due);
time_us core_next_due(const struct core *core); /* TIME_NEVER: none in the window */
bool core_pop_due(struct core *core, time_us now, struct due_timer *ret);

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
    uint64_t turns, events, starts, endings, dropped_completions, dropped_events, dropped_letters;
    uint64_t operations, locks, unlocks; /* of entities: run, granted, given back */
};
struct core_counters core_counters(const struct core *core);

/* ---- rules that the client side shares
 * --------------------------------------------------------- */

/* PD_OK or PD_E_INVALID with the sentence: 1..256 characters of UTF-8, not starting with '@',
 * no control characters. */
pd_status instance_id_check(struct text id, pd_error *err);

/* An entity's id, "@name@key": PD_OK or PD_E_INVALID with the sentence. As instance_id_check, but
 * that it starts with '@'; the name is not empty and ends at the second '@'; the key may be empty
 * and hold further ones. */
pd_status entity_id_check(struct text id, pd_error *err);
/* The name's ASCII letters in lower case, in place: as ids of entities are compared and kept. Of
 * what is no id of an entity nothing changes. */
void entity_id_fold(char *id, size_t size);
/* Does it name an entity, not an instance? */
static inline bool entity_id_is(struct text id)
{
    return id.size != 0 && id.at[0] == '@';
}

/* A request id that is the same for a step of an execution at every replay: a GUID as text. */
enum { REQUEST_ID_SIZE = 37 }; /* with NUL */
void request_id_of_step(struct text execution_id, int32_t step, char ret[REQUEST_ID_SIZE]);
/* 128 bits as a request id, which says nothing of a few of them. */
void request_id_format(uint64_t high, uint64_t low, char ret[REQUEST_ID_SIZE]);

/* Which partition of `count` an instance lives in. Fixed for ever: stored data depends on it. */
unsigned partition_of(struct text id, unsigned count);

#endif
