/* SPDX-License-Identifier: MIT
 *
 * The provider's own state, shared by its files.
 *
 *   L1  `writer` is used by commit and own, which the contract lets one thread do at a time. After
 *       a commit that failed in the disk it is NULL until the next use opens a new one.
 *   L2  `sender` is used by accept under sender_lock; opened when first used.
 *       `guest` is used by transact, as `writer` is by commit.
 *   L3  Readers are taken from a pool and given back: one for each thread that reads now.
 *   L4  A lock is held only by the code of one file and never while calling another. */
#ifndef STORE_SQLITE_SQLITE_STORE_H
#define STORE_SQLITE_SQLITE_STORE_H

#include <pthread.h>

#include "store/sqlite/connection.h"
#include "store/store.h"

enum { SQLITE_STORE_MAGIC = 0x73716c74 };

/* Who runs the engine, and how the others reach it: owner.c. */
struct sqlite_owner {
    int lock_fd;    /* of <file>-lock */
    int pipe_fd;    /* of <file>-wake: the owner reads it; -1 while not owner */
    int watch_fd;   /* inotify on <file>-lock, for those who are not the owner; -1: not yet */
    int wake_fd;    /* eventfd that counts: each wait that ends by it takes one */
    uint64_t owned; /* partitions, a bit each */
    unsigned waiting;
    bool has_drained;
    pthread_t drainer; /* who took the last note of a commit */
    pthread_mutex_t lock;
};

struct guest;

struct sqlite_store {
    uint32_t magic;
    struct store base;
    char *name, *path; /* as given, and as SQLite is to see it */
    const char *vfs;
    bool only_reads; /* store_look: there are readers only, and nothing of the owner's */
    struct connection *writer;
    pthread_mutex_t sender_lock;
    struct connection *sender;
    struct guest *guest; /* of transact.c; NULL: not yet */
    struct board board;
    pthread_mutex_t readers_lock;
    struct connection *readers;
    struct sqlite_owner owner;
};

struct sqlite_store *sqlite_store_of(struct store *store);

/* Of <store's file><suffix>; to be freed. */
char *sqlite_path_beside(const struct sqlite_store *store, const char *suffix);

/* L1: the connection that writes; NULL with err. */
struct connection *sqlite_writer(struct sqlite_store *store, pd_error *err);
struct connection *sqlite_reader_take(struct sqlite_store *store, pd_error *err);
void sqlite_reader_give(struct sqlite_store *store, struct connection *connection);

/* commit.c */
/* Reads the partition's row in a transaction: PD_E_LEASE_LOST when its epoch is another. */
pd_status sqlite_check_epoch(struct connection *connection, unsigned partition, uint64_t epoch,
                             uint64_t *ret_row_high, uint64_t *ret_timer_high, const char *why,
                             pd_error *err);
pd_status sqlite_commit(struct store *store, const struct batch *const *batches, size_t count,
                        pd_error *err);

/* read.c */
pd_status sqlite_load_instance(struct store *store, struct text id, uint64_t row,
                               struct arena *arena, struct instance_record *ret, bool *ret_found,
                               pd_error *err);
pd_status sqlite_load_history(struct store *store, uint64_t row, uint64_t from, struct arena *arena,
                              struct history_rows *ret, pd_error *err);
pd_status sqlite_load_turns(struct store *store, uint64_t row, uint64_t from, size_t bytes,
                            struct arena *arena, struct history_rows *ret, pd_error *err);
pd_status sqlite_load_inbox(struct store *store, uint64_t row, struct arena *arena,
                            struct inbox_rows *ret, pd_error *err);
pd_status sqlite_scan_busy(struct store *store, unsigned partition, uint64_t after, size_t max,
                           struct arena *arena, struct busy_page *ret, pd_error *err);
pd_status sqlite_due_timers(struct store *store, unsigned partition, time_us from, time_us until,
                            size_t max, struct arena *arena, struct timer_page *ret, pd_error *err);
pd_status sqlite_load_progress(struct store *store, uint64_t row, struct arena *arena,
                               struct progress_rows *ret, pd_error *err);
pd_status sqlite_receive(struct store *store, unsigned partition, uint64_t after, size_t max,
                         struct arena *arena, struct message_page *ret, pd_error *err);

/* query.c */
pd_status sqlite_query(struct store *store, const struct store_query *query, struct arena *arena,
                       struct record_page *ret, pd_error *err);
pd_status sqlite_count(struct store *store, const struct store_query *query,
                       struct store_counts *ret, pd_error *err);

/* entity.c */
pd_status sqlite_load_entity(struct store *store, struct text id, uint64_t row, struct arena *arena,
                             struct entity_record *ret, bool *ret_found, pd_error *err);
pd_status sqlite_query_entities(struct store *store, const struct entity_query *query,
                                struct arena *arena, struct entity_page *ret, pd_error *err);

/* mailbox.c */
pd_status sqlite_accept(struct store *store, const struct message *messages, size_t count,
                        pd_error *err);
/* Numbers the message and puts it in; within the caller's transaction. */
pd_status sqlite_mailbox_put(struct connection *connection, const struct message *message,
                             const char *why, pd_error *err);

/* transact.c */
pd_status sqlite_transact(struct store *store, unsigned partition, uint64_t epoch,
                          bool (*body)(void *argument, void *database, struct message *message),
                          void *argument, pd_error *err);
void sqlite_guest_done(struct sqlite_store *store);

/* board.c */
struct board sqlite_board(struct store *store, size_t size);
void sqlite_board_done(struct sqlite_store *store);

/* owner.c */
pd_status sqlite_owner_init(struct sqlite_store *store, pd_error *err);
void sqlite_owner_done(struct sqlite_store *store);
/* The lock by itself: nobody else is the engine meanwhile. PD_E_STATE: someone is. */
pd_status sqlite_owner_hold(struct sqlite_store *store, pd_error *err);
void sqlite_owner_let_go(struct sqlite_store *store);
pd_status sqlite_owner_take(struct sqlite_store *store, unsigned partition, time_us now,
                            pd_error *err);
void sqlite_owner_give(struct sqlite_store *store, unsigned partition);
void sqlite_owner_note_commit(struct sqlite_store *store); /* tells those who wait for commits */
void sqlite_owner_note_mail(struct sqlite_store *store);   /* tells the owner, wherever it is */
pd_status sqlite_wait(struct store *store, int64_t max_ms, pd_error *err);
void sqlite_wake(struct store *store);

#endif
