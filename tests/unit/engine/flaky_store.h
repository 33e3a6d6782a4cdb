/* SPDX-License-Identifier: MIT
 *
 * A store that fails when told: everything is passed on to a real one, except that the next commits
 * or loads fail as a full disk would. Thread-safe as the real one is, and watches that commit, own,
 * trim and transact are called by one thread at a time, as the contract has it.
 *
 * It has transactions for activities, of a database that is one number. */
#ifndef FLAKY_STORE_H
#define FLAKY_STORE_H

#include <stdatomic.h>

#include "base/limits.h"
#include "store/store.h"

struct flaky_store {
    struct store base;
    struct store *real;
    _Atomic int commits_to_fail; /* so many next ones fail; -1: all */
    _Atomic int commits_to_lie;  /* so many next ones are made, and say they failed */
    _Atomic int loads_before;    /* that go well, before */
    _Atomic int loads_to_fail;
    _Atomic int owns_to_fail;
    _Atomic bool damages_entities, damages_inboxes; /* that are loaded */
    _Atomic int transacts_to_fail;                  /* before anything is done */
    _Atomic int transacts_to_lie;                   /* they are made, and say they failed */
    _Atomic int commits;                            /* that succeeded */
    _Atomic int entity_loads;                       /* that were asked for */
    _Atomic int dwell_us;                           /* so long commit, own and trim take at least */
    _Atomic bool is_shut; /* and none of them is done before it is not any more */
    _Atomic int inside;   /* threads in one of these three ... */
    _Atomic int overlaps; /* ... and how often one came in while another was there */
    _Atomic bool is_deaf; /* wait returns only when woken: no news of mail */
    _Atomic bool is_woken;
    _Atomic int database; /* as committed */
    _Atomic int transacts_begun, transacts;
    _Atomic uint64_t epochs[LIMIT_PARTITIONS];
};

void flaky_store_open(struct flaky_store *store, const char *url);
void flaky_store_close(struct flaky_store *store);

#endif
