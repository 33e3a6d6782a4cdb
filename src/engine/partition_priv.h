/* SPDX-License-Identifier: MIT
 *
 * What the files of a partition share:
 *
 *     partition.c    beginning, going on, cutting, beginning again
 *     apply.c        commands of threads
 *     deliver.c      one letter, from wherever, to its instance
 *     entities.c     likewise to an entity
 *     post.c         letters on their way: from core, and out of the mailbox
 *     turns.c        turns, and whom the runner forgets
 *     suspect.c      what ended the process again and again
 *     residency.c    from the store into core
 *     window.c       timers */
#ifndef ENGINE_PARTITION_PRIV_H
#define ENGINE_PARTITION_PRIV_H

#include "base/arena.h"
#include "base/map.h"
#include "base/object.h"
#include "engine/board.h"
#include "engine/partition.h"
#include "wire/wire.h"

#define PARTITION_MAGIC 0x7061727aU

/* How much one call of partition_run does before it lets the driver look up. Small enough for
 * the commit thread not to starve (a turn is a few microseconds), large enough to amortise. */
enum { SLICE_TURNS = 64, SLICE_TIMERS = 64, SLICE_MESSAGES = 256, SLICE_RECOVERY = 64 };

static inline size_t slice_of(const struct partition_options *options, size_t usual)
{
    return options->slice_max != 0 && options->slice_max < usual ? options->slice_max : usual;
}

/* Of the residents, how many may be instances that only time or an event can wake. */
enum { ASLEEP_SHARE = 16 };

/* After a failure of the store: when to try again. */
#define RETRY_FIRST (20 * TIME_MS)
#define RETRY_MAX (1 * TIME_SECOND)

/* A step whose transaction may be under way, or whose result is in the mailbox (P7). */
struct claim {
    struct claim *next;
    int32_t id;
    size_t size;
    char execution_id[]; /* so long */
};

struct partition {
    uint32_t magic;
    struct partition_options options;
    struct core *core; /* NULL: down (P3) */
    uint64_t epoch;
    time_us now; /* as the driver said last */
    struct board_slot *slot;

    struct command_list answers; /* wait for the next cut */
    struct command_list delayed; /* commands of clients that wait for what is not durable yet */
    struct command_list held;    /* results of activities that wait for the store */
    bool is_work_out;
    bool is_doubtful; /* it is not known what the store has: begin again when no work is out */

    pd_error down_error;
    time_us retry_at; /* nothing that needs the store is tried before; 0: no trouble */
    int64_t retry_delay;

    /* recovery: rows after recovered_row and before recover_end are the scan's (P5) */
    uint64_t recovered_row, recover_end;
    struct map64
        dispatched; /* rows that the scan need not dispatch any more; values mean nothing */
    bool is_recovering, is_recovery_held;

    /* letters: see post.c */
    const struct letter *letter; /* taken from core, not delivered: the store failed; or NULL */
    size_t homeward;             /* letters in our own mailbox */

    /* mailbox */
    uint64_t received;
    bool has_mail;
    bool is_drained; /* all that lay there when we began has been received */

    /* transactional activities: see apply.c */
    struct claim *claims;
    struct command_list claiming; /* claims and time-outs: wait until the mailbox is drained */

    /* timers: see window.c */
    time_us window_loaded, window_horizon;
    struct timer_row window_firing; /* taken from core, its instance not loaded yet; row 0: none */

    struct arena turn;    /* a turn's actions, a load's text: reset after each */
    struct arena scratch; /* a page of a scan, a timer, a message: may span loads */
    struct partition_counters counters;
};

/* ---- residency.c ---- */

/* What there is of an id. One that has not ended is resident. */
struct standing {
    uint64_t row; /* 0: there is none */
    enum run_state state;
    struct instance *instance; /* NULL: not resident, as only those that have ended may be */
    struct text execution_id;  /* in the turn arena, or the instance's */
};

pd_status residency_find(struct partition *partition, struct text id, struct standing *ret,
                         pd_error *err);
/* Of an instance or an entity. NULL and PD_OK: there is none, or it has ended. */
pd_status residency_find_row(struct partition *partition, uint64_t row, struct instance **ret,
                             pd_error *err);

/* Has those of these steps of an instance dispatched again that are open. */
pd_status residency_call_activities(struct partition *partition, uint64_t row, const int32_t *ids,
                                    size_t count, pd_error *err);

/* NULL and PD_OK: there is none. The id is an entity's. */
pd_status residency_find_entity(struct partition *partition, struct text id, struct instance **ret,
                                pd_error *err);

/* All that the store has of an instance, read, in the turn arena. */
struct stored_instance {
    struct instance_record record;
    const struct turn_events *turns;
    size_t turn_count;
};
pd_status residency_load(struct partition *partition, uint64_t row, struct stored_instance *ret,
                         pd_error *err);

/* Encoded turns, each as a HistoryChunk, into events; in the arena. */
pd_status residency_read_turns(const struct text *rows, size_t count, struct arena *arena,
                               const struct turn_events **ret, pd_error *err);

/* The turns before `number`: their bytes, in the turn arena, are decoded when they are read. With
 * PD_OK it ends with wire_past_done. */
pd_status residency_load_past(struct partition *partition, uint64_t row, uint64_t number,
                              struct wire_past *ret, pd_error *err);

/* One page of the scan for busy instances. True: there is more. */
bool residency_recover(struct partition *partition, time_us now);

/* ---- deliver.c ---- */

/* Does with a letter what it asks for. Text of it is copied where it stays.
 *
 *   returns   PD_OK; a refusal, which is the last word (deliver_is_refusal); or what is wrong with
 *             the store, and then nothing has happened
 *   waits     nothing has happened: to be tried again when all that is not durable yet is */
pd_status deliver(struct partition *partition, time_us now, const struct letter *letter,
                  bool *ret_waits, pd_error *err);
pd_status deliver_start(struct partition *partition, time_us now,
                        const struct start_command *command, pd_error *err);
bool deliver_is_refusal(pd_status status);

/* ---- entities.c ---- */

/* Is it said to entities only, or to one by its id? PURGE is said to both. */
bool entities_are_meant(const struct letter *letter);
/* As deliver; it never waits. */
pd_status entities_deliver(struct partition *partition, time_us now, const struct letter *letter,
                           pd_error *err);
/* Has the event what core needs of one that stands in line (OPERATION), or of an UNLOCK_SENT? */
bool entities_take(const struct event *event);

/* ---- post.c ---- */

/* All letters that core has made (P6). False: the store is in trouble. */
bool post_letters(struct partition *partition, time_us now);
/* A page of the mailbox. True: there is more. */
bool post_receive(struct partition *partition, time_us now);

/* ---- apply.c ---- */

/* Claims that waited for the mailbox. */
void apply_claims(struct partition *partition, time_us now);
/* The result of a step has come: nobody has a claim on it any more. */
void apply_unclaim(struct partition *partition, struct text execution_id, int32_t id);
/* All of them are void: the partition begins again. */
void apply_forget_claims(struct partition *partition);

/* ---- turns.c ---- */

/* A slice of turns. True: there is more. */
bool turns_run(struct partition *partition, time_us now);
/* These end a turn with what the runner answers, as far as it fits. */
void turns_end(struct partition *partition, time_us now, const struct turn *turn,
               const struct turn_result *result);
void turns_end_batch(struct partition *partition, time_us now, const struct turn *turn,
                     const struct entity_result *result);
/* P8 */
void turns_forget(struct partition *partition, uint64_t row);
/* The first so many operations of an entity's turn, with it over. */
void turns_fail_operations(struct partition *partition, const struct turn *turn, size_t count,
                           const struct failure *failure);

/* ---- suspect.c ---- */

/* P9, when is_suspicious: the turn has been given back. */
bool suspect_turn(struct partition *partition, const struct turn *turn);
/* Gives the turn of an orchestration back, and suspends it. */
bool suspect_suspend(struct partition *partition, const struct turn *turn,
                     const struct failure *failure);
/* Likewise, of what was just dispatched again. */
void suspect_steps(struct partition *partition, struct instance *instance, uint64_t row,
                   struct text execution_id);
/* The turn came to its end. */
void suspect_absolve(struct partition *partition, uint64_t row);

static inline bool is_suspicious(const struct partition *partition)
{
    return partition->options.board != NULL && board_has_suspects(partition->options.board);
}

/* ---- window.c ---- */

void window_open(struct partition *partition);
bool window_run(struct partition *partition, time_us now); /* true: call again */
time_us window_wake_at(const struct partition *partition);

/* ---- partition.c ---- */

/* The store failed: leave it alone for a while. */
void partition_back_off(struct partition *partition, time_us now, const pd_error *err);

#endif
