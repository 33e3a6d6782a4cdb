/* SPDX-License-Identifier: MIT
 *
 * What the files of webhooks share.
 *
 *     webhook_file.c   the file of settings, read and read again
 *     webhook_event.c  who wants to hear of a change, and what he is told
 *     webhook_send.c   a delivery as a request, and what an answer means */
#ifndef SERVER_WEBHOOKS_PRIV_H
#define SERVER_WEBHOOKS_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "server/webhooks.h"

struct webhook_key {
    struct webhook_key *next;
    struct text bytes;
};

struct webhook {
    struct webhook *next;
    const char *name, *url;
    const char *names, *hubs; /* patterns with commas between; NULL: any */
    struct webhook_key *keys; /* one at least */
    unsigned kinds;           /* 1u << enum announcement_kind */
    bool has_output;
    int64_t first_ms, total_ms;
};

struct webhook_table {
    struct webhook *first; /* in the order of the file */
    unsigned count;
    struct arena arena;
};

struct webhooks {
    pthread_rwlock_t lock;
    struct webhook_table *table;
    atomic_uint kinds; /* that somebody wants */
    _Atomic uint64_t delivered, failed;
    _Atomic int64_t logged_at; /* seconds: when the log was told of one that does not answer */
};

/* NULL: there is none. */
const struct webhook *webhook_find(const struct webhook_table *table, const char *name);

#endif
