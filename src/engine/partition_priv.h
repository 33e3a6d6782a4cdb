/* SPDX-License-Identifier: MIT
 *
 * What the files of a partition share: partition.c (commands, turns, commits), residency.c (from
 * the store into core), window.c (timers). */
#ifndef ENGINE_PARTITION_PRIV_H
#define ENGINE_PARTITION_PRIV_H

#include "base/arena.h"
#include "base/object.h"
#include "engine/partition.h"

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

struct partition {
    uint32_t magic;
    struct partition_options options;
    struct core *core; /* NULL: down (P3) */

    struct command *answers, **answers_last; /* wait for the next cut */
    struct command *held, **held_last;       /* results of activities that wait for the store */
    bool is_work_out;

    pd_error down_error;
    time_us retry_at; /* nothing that needs the store is tried before; 0: no trouble */
    int64_t retry_delay;

    /* recovery: rows after recovered_row and before recover_end are the scan's (P5) */
    uint64_t recovered_row, recover_end;
    bool is_recovering, is_recovery_held;

    /* mailbox */
    uint64_t received;
    bool has_mail;

    /* timers: see window.c */
    time_us window_loaded, window_horizon;
    struct timer_row window_firing; /* taken from core, its instance not loaded yet; row 0: none */

    struct arena turn;    /* a turn's actions, a load's text: reset after each */
    struct arena scratch; /* a page of a scan, a timer, a message: may span loads */
    struct partition_counters counters;
};

/* residency.c */

/* Makes an unfinished instance resident. *ret is NULL and PD_OK when there is none, or it has
 * ended; then *ret_ended_row (may be NULL) is its row, or 0. */
pd_status residency_find(struct partition *partition, struct text id, struct instance **ret,
                         uint64_t *ret_ended_row, pd_error *err);
pd_status residency_find_row(struct partition *partition, uint64_t row, struct instance **ret,
                             pd_error *err);

/* The events of the turns before `number`, in the turn arena. */
pd_status residency_load_past(struct partition *partition, uint64_t row, uint64_t number,
                              struct past *ret, pd_error *err);

/* One page of the scan for busy instances. True: there is more. */
bool residency_recover(struct partition *partition, time_us now);

/* window.c */

void window_open(struct partition *partition);
bool window_run(struct partition *partition, time_us now); /* true: call again */
time_us window_wake_at(const struct partition *partition);

/* partition.c */

/* The store failed: leave it alone for a while. */
void partition_back_off(struct partition *partition, time_us now, const pd_error *err);

#endif
