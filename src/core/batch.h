/* SPDX-License-Identifier: MIT
 *
 * A batch: what one partition wants made durable, and what may happen once it is.
 *
 *   B1  Mutations are applied in order, all of them or none.
 *   B2  A batch is immutable once core_cut has handed it out; it owns the memory of everything in
 *       it.
 *   B3  Nothing in `activities` or `endings` may be seen outside before the batch is durable.
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
    struct text output;                       /* JSON; absent unless completed */
    struct text failure;                      /* encoded TaskFailureDetails; absent unless failed */
    struct text custom_status;
};

enum mutation_kind {
    /* instance: all fields. No instance of this id or row exists. */
    MUTATION_INSTANCE_INSERT,
    /* instance: row, state, is_busy, updated_at, ended_at, output, failure, custom_status,
     * execution_id; the other fields keep what was inserted. */
    MUTATION_INSTANCE_UPDATE,
    MUTATION_INSTANCE_DELETE, /* row: the instance with its history, inbox and timers */
    MUTATION_HISTORY_APPEND,  /* row, number = turn 1, 2, 3 ..., bytes = encoded HistoryChunk */
    MUTATION_INBOX_PUT,       /* row, number = arrival, bytes = HistoryChunk of one event */
    MUTATION_INBOX_REMOVE,    /* row, number = last arrival consumed: it and all before */
    MUTATION_TIMER_PUT,       /* row, due, id */
    MUTATION_TIMER_REMOVE,    /* row, due, id; not an error when it is not there */
    MUTATION_MAILBOX_REMOVE,  /* number = last message received: it and all before (S6) */
};

struct mutation {
    struct mutation *next;
    enum mutation_kind kind;
    int32_t id;
    uint64_t row, number;
    time_us due;
    struct text bytes;
    const struct instance_record *instance;
};

/* An activity to be run: one heap block with all its text, owned by whoever holds it. */
struct activity {
    struct list_node node;
    uint64_t row;
    int32_t id; /* step */
    unsigned partition;
    struct text instance_id, execution_id, name, version, input;
    size_t size; /* of the block */
    void *room;  /* core_options.activity_room bytes in the same block, 16-aligned, not zeroed */
};

void activity_free(struct activity *activity); /* NULL is fine */

/* An instance that ended in this batch: whoever waits for it can be told. */
struct ending {
    struct ending *next;
    struct text instance_id;
    enum run_state state;
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
    struct ending *endings;
    size_t ending_count;
    struct arena arena;
};

struct batch *batch_new(unsigned partition, uint64_t epoch, uint64_t number);
/* Empty again, with another number; keeps its memory. Frees activities that nobody has taken. */
void batch_renew(struct batch *batch, uint64_t number);
void batch_free(struct batch *batch); /* frees activities that nobody has taken */
struct mutation *batch_add(struct batch *batch, enum mutation_kind kind, uint64_t row);

#endif
