/* SPDX-License-Identifier: MIT
 *
 * The memory provider's own state, shared by its files: a hub, and the handles on it. */
#ifndef STORE_MEM_MEM_STORE_H
#define STORE_MEM_MEM_STORE_H

#include <pthread.h>

#include "store/mem/contents.h"
#include "store/mem/mem.h"

enum { MEM_STORE_MAGIC = 0x6d656d73 };

/* Shared by all handles on it. */
struct hub {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned handles;
    uint64_t generation; /* of handles that are alive (E1) */
    uint64_t commits, mails;
    uint64_t fail_at; /* 0: never; else counts down */
    enum mem_failure failure;
    const struct mem_store *owner; /* of partitions; NULL: nobody */
    struct contents contents;
    struct board board;
};

struct mem_store {
    uint32_t magic;
    struct store base;
    struct hub *hub;
    uint64_t generation, owned; /* a bit for each partition */
    uint64_t commits_seen, mails_seen, wakes, wakes_seen;
};

struct mem_store *mem_store_of(struct store *store);

/* With the lock when it answers the contents; NULL: the handle is dead, and err says so. */
struct contents *mem_enter(struct mem_store *store, pd_error *err);
void mem_leave(struct mem_store *store);

/* read.c */
pd_status mem_load_instance(struct store *base, struct text id, uint64_t row, struct arena *arena,
                            struct instance_record *ret, bool *ret_found, pd_error *err);
pd_status mem_load_history(struct store *base, uint64_t row, uint64_t from, struct arena *arena,
                           struct history_rows *ret, pd_error *err);
pd_status mem_load_turns(struct store *base, uint64_t row, uint64_t from, size_t bytes,
                         struct arena *arena, struct history_rows *ret, pd_error *err);
pd_status mem_load_inbox(struct store *base, uint64_t row, struct arena *arena,
                         struct inbox_rows *ret, pd_error *err);
pd_status mem_scan_busy(struct store *base, unsigned partition, uint64_t after, size_t max,
                        struct arena *arena, struct busy_page *ret, pd_error *err);
pd_status mem_due_timers(struct store *base, unsigned partition, time_us from, time_us until,
                         size_t max, struct arena *arena, struct timer_page *ret, pd_error *err);
pd_status mem_query(struct store *base, const struct store_query *query, struct arena *arena,
                    struct record_page *ret, pd_error *err);
pd_status mem_receive(struct store *base, unsigned partition, uint64_t after, size_t max,
                      struct arena *arena, struct message_page *ret, pd_error *err);
pd_status mem_count(struct store *store, const struct store_query *query, struct store_counts *ret,
                    pd_error *err);
pd_status mem_load_progress(struct store *store, uint64_t row, struct arena *arena,
                            struct progress_rows *ret, pd_error *err);
pd_status mem_load_entity(struct store *store, struct text id, uint64_t row, struct arena *arena,
                          struct entity_record *ret, bool *ret_found, pd_error *err);
pd_status mem_query_entities(struct store *store, const struct entity_query *query,
                             struct arena *arena, struct entity_page *ret, pd_error *err);

#endif
