/* SPDX-License-Identifier: MIT
 *
 * What a hub in memory holds, apart from handles and locks: whoever calls these holds the lock.
 *
 * Everything here is a copy on the heap; rows are found by id and number, and in order. */
#ifndef STORE_MEM_CONTENTS_H
#define STORE_MEM_CONTENTS_H

#include "base/map.h"
#include "core/batch.h"
#include "store/mem/timers.h"
#include "store/store.h"

struct mem_inbox_item {
    uint64_t arrival;
    struct text event;
};

/* An instance or an entity: what is of a row. */
struct mem_instance {
    union { /* both begin with row, partition and id; text is owned */
        struct instance_record record;
        struct entity_record entity;
    };
    bool is_entity;
    struct text *turns;
    size_t turn_count, turn_room;
    struct mem_inbox_item *inbox;
    size_t inbox_count, inbox_room;
    struct progress *progress; /* ascending by id */
    size_t progress_count, progress_room;
    struct timer_node *timers;
};

struct mem_message {
    struct message message; /* its text is owned */
    struct mem_message *next;
};

struct mem_partition {
    uint64_t epoch, row_high, timer_high, mailbox_high;
    struct timer_node *timers;
    struct mem_message *mailbox, **mailbox_last;
};

struct contents {
    struct map by_id;
    struct map64 by_row;
    struct mem_instance **rows; /* ascending */
    size_t row_count, row_room;
    unsigned partition_count;
    struct mem_partition *partitions;
};

void contents_init(struct contents *contents, unsigned partition_count);
void contents_done(struct contents *contents);

/* The epoch was checked before: nothing here can fail. */
void contents_apply(struct contents *contents, const struct batch *batch);

/* By id, or by row when it is absent; NULL when what is there is of the other sort. */
struct mem_instance *contents_find(const struct contents *contents, struct text id, uint64_t row);
struct mem_instance *contents_find_entity(const struct contents *contents, struct text id,
                                          uint64_t row);
/* Instance or entity. */
struct mem_instance *contents_at(const struct contents *contents, uint64_t row);
bool contents_is_busy(const struct mem_instance *instance);

/* The place of the first row above `after` in contents->rows. */
size_t contents_row_above(const struct contents *contents, uint64_t after);

void contents_post(struct contents *contents, const struct message *message);

/* A message that makes an instance or entity of this id is in a mailbox. */
bool contents_waits(const struct contents *contents, struct text id);

#endif
