/* SPDX-License-Identifier: MIT
 *
 * A batch: what one partition wants made durable, and what may happen once it is.
 *
 *   B1  Mutations are applied in order, all of them or none.
 *   B2  A batch is immutable once core_cut has handed it out; it owns the memory of everything in
 *       it.
 *   B3  Nothing in `activities`, `endings` or `cancellations` may be seen outside before the batch
 *       is durable.
 *   B4  Batches of one partition are committed in the order of `number`.
 *
 * Batches are written by core and the engine, read by stores. */
#ifndef CORE_BATCH_H
#define CORE_BATCH_H

#include "base/arena.h"
#include "base/list.h"
#include "core/event.h"

/* The instance as a store keeps it. Text is borrowed from whoever made the record. */
struct instance_record {
    uint64_t row; /* > 0, never used again */
    unsigned partition;
    struct text id, execution_id, name, version, input;
    enum run_state state;
    bool is_busy; /* has work that recovery must look at: see core.h, C4 */
    time_us created_at, updated_at, ended_at; /* ended_at 0: not ended */
    time_us starts_at;                        /* not before; 0: at once */
    struct text output;                       /* JSON; absent unless completed or terminated */
    struct text failure;       /* encoded TaskFailureDetails; absent unless failed or quarantined */
    struct text custom_status; /* JSON */
    struct text tags;          /* packed: base/tags.h */
    struct text parent_id, parent_execution_id; /* absent: no child */
    int32_t parent_step;
};

/* An entity as a store keeps it. It has no history; operations that no batch of them has taken are
 * in the inbox of its row, signals that are to wait for a time also have a timer. */
struct entity_record {
    uint64_t row; /* > 0, never used again, by instances neither */
    unsigned partition;
    struct text id;     /* "@name@key", the name in lower case */
    bool is_busy;       /* has operations that can be run: recovery must look at it (C4) */
    time_us updated_at; /* of the last batch that changed something */
    struct text state;  /* JSON; absent: it has none */
    /* Of the critical section that it is locked by; all absent: not locked. */
    struct text lock_owner, lock_execution, lock_section;
    size_t backlog; /* read: events in its inbox; ENTITY_PUT does not look at it */
};

enum mutation_kind {
    /* instance: all fields. No instance of this id or row exists. */
    MUTATION_INSTANCE_INSERT,
    /* instance: row, state, is_busy, updated_at, ended_at, output, failure; the other fields keep
     * what was inserted. */
    MUTATION_INSTANCE_UPDATE,
    /* instance: as UPDATE, and execution_id, version, input: another execution begins (continue as
     * new, rewind). Its history and progress go; inbox and timers are told apart. */
    MUTATION_INSTANCE_RENEW,
    MUTATION_INSTANCE_DELETE, /* row: the instance with all that is of it */
    /* row, bytes = custom status, absent: none; due = updated_at, if that is not later already: an
     * INSERT or RENEW before it has what was true at the cut. */
    MUTATION_STATUS_SET,
    MUTATION_HISTORY_APPEND,  /* row, number = turn 1, 2, 3 ..., bytes = encoded HistoryChunk */
    MUTATION_INBOX_PUT,       /* row, number = arrival, bytes = HistoryChunk of one event */
    MUTATION_INBOX_REMOVE,    /* row, first, number: these arrivals and all between */
    MUTATION_TIMER_PUT,       /* row, due, id */
    MUTATION_TIMER_REMOVE,    /* row, due, id; not an error when it is not there */
    MUTATION_MAILBOX_REMOVE,  /* number = last message received: it and all before (S6) */
    MUTATION_MAILBOX_PUT,     /* message: its number is given by the store */
    MUTATION_PROGRESS_PUT,    /* row, id, bytes = JSON: takes the place of an earlier one */
    MUTATION_PROGRESS_REMOVE, /* row, id; not an error when it is not there */
    /* entity: all fields, whether there was one of the row or not; id and row belong together for
     * good. The first of a row comes before what is of it. keeps_state: but for its state, which
     * stays as it is. */
    MUTATION_ENTITY_PUT,
    MUTATION_ENTITY_DELETE, /* row: the entity with all that is of it, if there is one */
};

/* What is said to an instance, wherever it lives: by a client, by another instance, by the end of
 * a child. Within a partition it is a struct letter (core.h); through the mailbox of another
 * partition or process it is a message. */
enum message_kind {
    MESSAGE_START = 1, /* EXECUTION_STARTED; flags: states that it may replace */
    MESSAGE_RAISE = 2, /* EVENT_RAISED */
    /* EXECUTION_TERMINATED; execution_id: a parent's, and only its child is meant, not another
     * instance that has the id; absent: whoever has it. */
    MESSAGE_TERMINATE = 3,
    MESSAGE_SUSPEND = 4, /* EXECUTION_SUSPENDED */
    MESSAGE_RESUME = 5,  /* EXECUTION_RESUMED */
    MESSAGE_REWIND = 6,  /* EXECUTION_REWOUND: a failed instance goes on */
    /* No event: an ended instance is forgotten. execution_id: only this one of it; absent: any. Of
     * an entity: its state and the signals that wait for a time go; what stands in line is done
     * after that, a lock stays. execution_id: its updated_at in decimal: only if that is still so,
     * it is not locked, and nothing waits */
    MESSAGE_PURGE = 7,
    MESSAGE_ADOPT = 8, /* bytes: an archive of one instance (wire.h): it is here from now on */
    /* EXECUTION_STARTED of a child. Takes the place of an ended instance; refused by one that has
     * not ended, which the parent hears as CHILD_FAILED. */
    MESSAGE_CHILD_START = 9,
    /* The same, from a parent that was rewound: starts the child when there is none, rewinds it
     * when it failed, has it report again when it completed; one that runs is left alone. */
    MESSAGE_CHILD_ENSURE = 10,
    MESSAGE_CHILD_ENDED = 11, /* CHILD_COMPLETED, CHILD_FAILED; execution_id: the parent's */
    MESSAGE_TASK_ENDED = 12,  /* TASK_COMPLETED, TASK_FAILED; execution_id: the instance's */
    /* ENTITY_SIGNALED, ENTITY_CALLED, LOCK_REQUESTED: stands in line at the entity, which comes
     * into being with it. */
    MESSAGE_OPERATION = 13,
    /* UNLOCK_SENT: the entity is not locked by this critical section any more, and a request of it
     * that stands in line goes. With a lock_set: goes on to the next of it, as the request did
     * (K4). */
    MESSAGE_UNLOCK = 14,
    /* ENTITY_COMPLETED, ENTITY_FAILED, LOCK_GRANTED: to an orchestration; execution_id: its */
    MESSAGE_ANSWER = 15,
    MESSAGE_CANCEL_SIGNAL = 16, /* SIGNAL_CANCELLED: a signal that waits is forgotten */
};

struct message {
    enum message_kind kind;
    unsigned partition;
    unsigned flags;
    uint64_t number; /* given by the store, increasing within a partition */
    struct text instance_id, execution_id;
    struct text bytes; /* encoded HistoryChunk of one event, or what the kind says */
};

/* What an activity has said of itself with a heartbeat. */
struct progress {
    int32_t id; /* step */
    struct text bytes;
};

struct mutation {
    struct mutation *next;
    enum mutation_kind kind;
    int32_t id;
    bool keeps_state;
    uint64_t row, number;
    union {
        time_us due;
        uint64_t first;
    };
    struct text bytes;
    union {
        const struct instance_record *instance;
        const struct entity_record *entity;
        const struct message *message;
    };
};

/* An activity to be run: one heap block with all its text, owned by whoever holds it. */
struct activity {
    struct list_node node;
    uint64_t row;
    int32_t id;    /* step */
    int32_t first; /* that of the first attempt, which every key of this call has */
    struct text instance_id, execution_id, name, version, input;
    /* Its instance's version, where it has none itself: workers are matched by it. Else absent. */
    struct text owner_version;
    const struct event_extra *extra; /* tags, progress, limits, trace; NULL: none of them */
    uint64_t epoch;                  /* of the partition's owner */
    size_t size;                     /* of the block */
    unsigned partition;
    bool is_called; /* it had been left, and was asked for again (T9) */
    /* core_options.activity_room bytes in the same block, 16-aligned, not zeroed. NULL: one of very
     * many, which has none, and no limits.start_ms. */
    void *room;
};

void activity_free(struct activity *activity); /* NULL is fine */

/* What few activities have. */
static inline struct task_limits activity_limits(const struct activity *activity)
{
    return activity->extra != NULL ? activity->extra->limits : (struct task_limits){ 0 };
}

static inline struct text activity_progress(const struct activity *activity)
{
    return activity->extra != NULL ? activity->extra->progress : TEXT_ABSENT;
}

static inline struct text activity_tags(const struct activity *activity)
{
    return activity->extra != NULL ? activity->extra->tags : TEXT_ABSENT;
}

/* An instance that ended in this batch: whoever waits for it can be told. */
struct ending {
    struct ending *next;
    struct text instance_id;
    enum run_state state;
};

/* Activities whose result nobody wants any more: those that run are told. They are of earlier
 * batches: what this one would have had run is not in it. So they are told before its activities,
 * which may have the same row and step, are begun. */
struct cancellation {
    struct cancellation *next;
    uint64_t row;
    int32_t id; /* EVENT_NO_ID: all of the row */
};

struct batch {
    uint32_t magic;
    unsigned partition;
    uint64_t epoch;  /* of the partition's owner: a store refuses a stale one (S2) */
    uint64_t number; /* 1, 2, 3 ... */
    struct mutation *first, **last;
    size_t mutation_count;
    struct list activities; /* of struct activity */
    size_t activity_count;  /* that core put there */
    bool has_start_limits;  /* some of them must begin in time */
    struct ending *endings;
    size_t ending_count;
    struct cancellation *cancellations;
    uint64_t mailed; /* partitions with MUTATION_MAILBOX_PUT: bits 1 << number */
    struct arena arena;
};

struct batch *batch_new(unsigned partition, uint64_t epoch, uint64_t number);
/* Empty again, with another number; keeps its memory. Frees activities that nobody has taken. */
void batch_renew(struct batch *batch, uint64_t number);
void batch_free(struct batch *batch); /* frees activities that nobody has taken */
struct mutation *batch_add(struct batch *batch, enum mutation_kind kind, uint64_t row);

#endif
