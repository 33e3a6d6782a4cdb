/* SPDX-License-Identifier: MIT
 *
 * What webhooks.c and webhook_send.c share. */
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
    struct webhook *first;
    struct arena arena;
};

struct webhooks {
    pthread_rwlock_t lock;
    struct webhook_table *table;
    atomic_uint kinds; /* that somebody wants */
    _Atomic uint64_t delivered, failed;
};

/* NULL: there is none. */
const struct webhook *webhook_find(const struct webhook_table *table, const char *name);

#endif
