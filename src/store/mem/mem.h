/* SPDX-License-Identifier: MIT
 *
 * The memory provider: the storage contract without a disk. It serves "memory:" hubs, and the
 * simulator and tests, for which it has hooks.
 *
 * What a store keeps is apart from the handle to it. A commit is "durable" when it returns; a crash
 * is a handle that is thrown away, with whatever its engine had not committed:
 *
 *   struct store *store = store_mem_new(4);          an empty hub
 *   store_mem_fail_commit(store, 3, MEM_FAIL_LOST);  the third commit from now does nothing
 *   store_mem_fail_commit(store, 1, MEM_FAIL_DONE);  the next one is applied, and says it failed
 *   struct store *again = store_mem_reopen(store);   a new handle on the same contents
 *   store_close(store);                              any time later
 *
 *   E1  After reopen the old handle is dead: whatever is asked of it is PD_E_UNAVAILABLE, it owns
 *       nothing, its waits end. Contents are freed with the last handle.
 *   E2  Failures are PD_E_UNAVAILABLE and retryable, as a disk's are. MEM_FAIL_DONE stands for the
 *       commit whose answer was lost: what is there is still a prefix of the commits (S3).
 *   E3  Everything is deterministic: the same calls give the same answers, in the same order.
 *   E4  All calls may come from any thread: one lock guards the contents. wait sleeps on a
 *       condition, for at most max_ms of real time; a simulator passes 0.
 *
 * store_mem_open gives a second living handle on the same contents, like a second process. */
#ifndef STORE_MEM_MEM_H
#define STORE_MEM_MEM_H

#include "store/store.h"

enum mem_failure {
    MEM_FAIL_LOST, /* fails before anything was applied */
    MEM_FAIL_DONE, /* is applied, and then reports a failure */
};

/* 1 to LIMIT_PARTITIONS partitions. */
struct store *store_mem_new(unsigned partition_count);

/* The n-th commit from now fails (1: the next one), once; 0 calls it off. */
void store_mem_fail_commit(struct store *store, uint64_t n, enum mem_failure failure);

/* A new handle on the same contents; the given one, and every other, is dead from now on (E1). */
struct store *store_mem_reopen(struct store *store);

/* One more handle on the same contents; all stay alive. */
struct store *store_mem_open(struct store *store);

/* How many commits were applied since the contents were made. */
uint64_t store_mem_commit_count(struct store *store);

#endif
