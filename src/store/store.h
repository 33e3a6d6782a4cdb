/* SPDX-License-Identifier: MIT
 *
 * The storage contract: a store keeps batches, and gives back what they said.
 *
 * The engine holds the working set in memory and owns the order of things. A store decides
 * nothing, runs no clock, and never looks inside event bytes (its views for people may).
 *
 *   S1  `commit` applies its batches entirely or not at all; when it returns PD_OK they survive
 *       any crash.
 *   S2  A batch carries the epoch of its partition; a stale epoch is PD_E_LEASE_LOST and nothing
 *       changes.
 *   S3  After a crash at any instant, what is there is a prefix of the commits in order, including
 *       every one that returned PD_OK.
 *   S4  load_* and query give back what was committed, byte for byte, in order, also beside a
 *       running commit.
 *   S5  Nothing is due before its time, ties come in the order they were set, and time is an
 *       argument.
 *   S6  A message in the mailbox takes effect once: the store numbers it, the receiver removes it
 *       in the same commit as its effects.
 *
 * Threads: `commit` and `own` are called by one thread at a time; everything else from any
 * thread at any time, also beside a commit. Errors: PD_E_UNAVAILABLE (retryable) when the medium
 * fails or is full, PD_E_CORRUPT when what is stored cannot be understood; text in `err`.
 * After a failed commit the store is as if it had not been called, or, where that cannot be known
 * (fsync failed), reopens itself so that later calls tell the truth. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <perdure.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/time.h"
#include "core/batch.h"

struct store;

struct message_page {
    const struct message *items;
    size_t count;
};

struct history_rows {
    const struct text *turns; /* one encoded HistoryChunk a turn, in order */
    size_t count;
    uint64_t first; /* number of the first of them; 1 when from was 0 */
};

struct inbox_rows {
    const struct text *events; /* one encoded HistoryChunk of one event each, in order of arrival */
    const uint64_t *arrivals;
    size_t count;
};

struct busy_page {
    const uint64_t *rows; /* ascending */
    size_t count;         /* fewer than asked for: that was the last page */
};

struct timer_row {
    time_us due;
    uint64_t row;
    int32_t id;
};

struct timer_page {
    const struct timer_row *items; /* ascending by (due, order set) */
    size_t count;
};

struct progress_rows {
    const struct progress *items;
    size_t count;
};

struct store_query {
    unsigned states;             /* 1u << enum run_state | ...; 0: all */
    struct text id_prefix, name; /* absent: any; likewise below */
    struct text version, parent_id;
    struct text tag;                  /* a needle: base/tags.h */
    bool roots_only;                  /* only those without a parent */
    struct text hidden;               /* those whose name begins so are not found; absent: none */
    time_us created_from, created_to; /* inclusive; 0: open */
    time_us ended_from, ended_to;     /* likewise; given: only what has ended */
    uint64_t after_row;               /* 0: from the start */
    size_t limit;
    bool with_payloads; /* input, output, failure, custom_status */
    /* The page ends with the row that makes its payloads so many bytes or more: one row at least,
     * if there is any, and has_more as with the limit. 0: no bound, which may be `limit` times four
     * payloads. */
    size_t bytes_max;
};

struct record_page {
    const struct instance_record *items; /* ascending by row */
    size_t count;
    bool has_more;
};

/* What of a record counts for bytes_max. */
static inline size_t record_payload_bytes(const struct instance_record *record)
{
    return record->input.size + record->output.size + record->failure.size +
           record->custom_status.size;
}

/* Entities. */
struct entity_query {
    struct text id_prefix;            /* as ids are kept; absent: any */
    time_us changed_from, changed_to; /* inclusive; 0: open */
    bool with_empty;                  /* also those without state: locked, waited for, or kept */
    bool locked_only;
    struct text after_id; /* absent: from the start */
    /* In order of row, above after_row, and not of id: for who wants all, or the few that fit. */
    bool by_row;
    uint64_t after_row;
    size_t limit;
    bool with_state; /* else `state` is empty text where there is one, absent where there is none */
    size_t bytes_max; /* of states; as of a store_query */
};

struct entity_page {
    const struct entity_record *items; /* ascending by id, as bytes, or by row */
    size_t count;
    bool has_more;
};

/* How many a query finds, by state. */
struct store_counts {
    uint64_t of[RUN_TERMINATED + 1];
};

/* What the processes that ran this store's engine were doing: memory that outlives a process that
 * dies (a file mapped into it), though not the machine. All zero when it is made. */
struct board {
    void *at;
    size_t size;
};

/* What `own` tells the new owner. */
struct ownership {
    uint64_t epoch;
    uint64_t row_next; /* first row this partition may hand out */
};

struct store_ops {
    unsigned version; /* 4; fields are only ever appended */

    void (*close)(struct store *);

    /* Makes the caller the one engine of the partition; earlier owners' epochs are stale from now
     * on. PD_E_STATE when another process runs it; the text says which (host, process, since
     * when). */
    pd_status (*own)(struct store *, unsigned partition, time_us now, struct ownership *ret,
                     pd_error *);

    /* Gives it up; another may own it at once. */
    void (*disown)(struct store *, unsigned partition);

    /* S1, S2, S3. One transaction for all. */
    pd_status (*commit)(struct store *, const struct batch *const *batches, size_t count,
                        pd_error *);

    /* By id, or by row when id is absent. PD_OK and *ret_found; text in the arena. */
    pd_status (*load_instance)(struct store *, struct text id, uint64_t row, struct arena *,
                               struct instance_record *ret, bool *ret_found, pd_error *);
    pd_status (*load_history)(struct store *, uint64_t row, uint64_t from, struct arena *,
                              struct history_rows *ret, pd_error *);
    pd_status (*load_inbox)(struct store *, uint64_t row, struct arena *, struct inbox_rows *ret,
                            pd_error *);

    /* Busy instances of a partition with row > after, at most max. Recovery. */
    pd_status (*scan_busy)(struct store *, unsigned partition, uint64_t after, size_t max,
                           struct arena *, struct busy_page *ret, pd_error *);

    /* Timers of a partition with from < due <= until, the earliest `max` of them, never cutting
     * between equal due times: ties of the last one come along even when that passes max. */
    pd_status (*due_timers)(struct store *, unsigned partition, time_us from, time_us until,
                            size_t max, struct arena *, struct timer_page *ret, pd_error *);

    pd_status (*query)(struct store *, const struct store_query *, struct arena *,
                       struct record_page *ret, pd_error *);

    /* Durable on return; for any process that has the store open. All or nothing; refused when the
     * store can see that it would not take effect, a waiting start (also of a child) or adoption
     * counting as a pending instance:
     *   START, ADOPT   PD_E_EXISTS when an instance of that id is in a state that `flags` does not
     *                  name
     *   the others     PD_E_NOT_FOUND when there is no instance, and PD_E_STATE when it has ended
     *                  (RAISE, TERMINATE, SUSPEND, RESUME), has not ended (PURGE), or has not
     *                  failed (REWIND)
     *   PURGE of an entity, CANCEL_SIGNAL
     *                  PD_E_NOT_FOUND when there is no entity, and no message that makes one waits
     * The kinds for children and tasks, and the others for entities, are always taken. */
    pd_status (*accept)(struct store *, const struct message *, size_t count, pd_error *);

    /* Messages of a partition with number > after, in order, at most max. */
    pd_status (*receive)(struct store *, unsigned partition, uint64_t after, size_t max,
                         struct arena *, struct message_page *ret, pd_error *);

    /* Waits until something may have arrived in the mailbox by `accept` (owner: he knows what his
     * commits and transactions put there), or something may have been committed (others), for at
     * most max_ms; then PD_OK. `wake` ends the waits of this handle now. */
    pd_status (*wait)(struct store *, int64_t max_ms, pd_error *);
    void (*wake)(struct store *);

    /* After a commit, when what it held back has been released: upkeep that may take longer than a
     * commit, such as a checkpoint of the log. Called as commit is. May be NULL. */
    void (*tend)(struct store *);

    /* The engine has had nothing to commit for a while: give back what only speed needs. Called as
     * commit is. May be NULL. */
    void (*trim)(struct store *);

    /* How many the query finds; limit and after_row do not count. */
    pd_status (*count)(struct store *, const struct store_query *, struct store_counts *ret,
                       pd_error *);

    /* Progress of activities of an instance, ascending by id. */
    pd_status (*load_progress)(struct store *, uint64_t row, struct arena *,
                               struct progress_rows *ret, pd_error *);

    /* Runs `body` in a transaction; when it answers true, `message` (which it filled) is put into
     * the mailbox of message->partition in the same transaction, durable on return. False: nothing
     * has happened (PD_E_CANCELLED). A stale epoch: PD_E_LEASE_LOST, body was not called. The
     * transaction was ended by what body did, or by an error that it did not heed: PD_E_STATE,
     * nothing has happened. `database` is a handle of the store's (sqlite3 *), valid in body, with
     * which it can read everything and write what is not the store's. Called as commit is.
     * NULL: the store has no such thing. */
    pd_status (*transact)(struct store *, unsigned partition, uint64_t epoch,
                          bool (*body)(void *argument, void *database, struct message *message),
                          void *argument, pd_error *);

    /* The board, of at least `size` bytes; the owner of all partitions only. at NULL: there is
     * none. Lives until the store is closed, or a larger one asked for: which begins as the smaller
     * one was. Called as commit is. May be NULL. */
    struct board (*board)(struct store *, size_t size);

    /* By id, or by row when id is absent. Rows are of instances or of entities, never of both.
     * Its inbox: load_inbox; backlog is not told here. */
    pd_status (*load_entity)(struct store *, struct text id, uint64_t row, struct arena *,
                             struct entity_record *ret, bool *ret_found, pd_error *);

    /* With the backlog of each. */
    pd_status (*query_entities)(struct store *, const struct entity_query *, struct arena *,
                                struct entity_page *ret, pd_error *);

    /* As accept, but each message for itself: ret_statuses[i] tells its fate, and the result is the
     * first failure. NULL: there is only accept. */
    pd_status (*accept_each)(struct store *, const struct message *, size_t count,
                             pd_status *ret_statuses, pd_error *);

    /* ---- version 4; may be NULL ---- */

    /* As load_history, but it ends with the turn that makes it `bytes` or more: what a history has
     * in one piece may be more than memory should be. One turn at least, if there is any. */
    pd_status (*load_turns)(struct store *, uint64_t row, uint64_t from, size_t bytes,
                            struct arena *, struct history_rows *ret, pd_error *);
};

struct store {
    const struct store_ops *ops;
    unsigned partition_count; /* of the hub: fixed when it was created */
};

/* Opens by URL: "sqlite:FILE[?partitions=N]", "memory:[?partitions=N]". N counts only when the hub
 * is created; default 1. Errors as in pd_hub_open. */
struct store *store_open(const char *url, pd_error *err);
/* Could that be one? PD_E_INVALID; nothing is opened. */
pd_status store_check_url(const char *url, pd_error *err);
/* Likewise, and of what is there: is the file, or what is in its place, one of ours that may be
 * written, or can one be made? Nothing is opened to be used; another process may have it. */
pd_status store_probe(const char *url, pd_error *err);
/* Opens one that exists, only to be looked at, also while others use it: load_*, query, count,
 * receive, close. Nothing of it is made, written, or brought up to date (SQLite may leave an empty
 * -wal and a -shm beside its file, as readers do). PD_E_NOT_FOUND; PD_E_STATE when it is of another
 * version; otherwise as above. "memory:" has nothing to look at. */
struct store *store_look(const char *url, pd_error *err);
void store_close(struct store *store); /* NULL is fine */

/* For a program that has its process to itself, before anything opens a store: SQLite does not
 * count the memory it uses, which costs it a lock at every allocation (0024). A library must not
 * say so for its host, who may want the count. */
void store_count_no_memory(void);

#endif
