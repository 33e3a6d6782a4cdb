/* SPDX-License-Identifier: MIT
 *
 * The user's side of the simulation: orchestrators and activities, by the public header. */
#ifndef SIM_PLAY_H
#define SIM_PLAY_H

#include <perdure.h>

extern const pd_function play_program[];
extern const size_t play_program_count;

/* pd_user */
struct sim_user {
    unsigned runs;
    int step;       /* of the activity that runs */
    bool may_purge; /* clients may take an entity's state away, whoever has locked it */
    bool is_mended; /* what failed in the end need not any more: a rewind is worth it */
};

/* What an activity may write to when it runs in a transaction (pd_activity_database). */
struct till {
    void *owner;
    void (*pay)(void *owner, const char *key);
};

/* ---- box.c ---- */

pd_entity_fn box;
pd_entity_fn account_get, account_take, account_give;
/* ---- work.c ---- */

pd_activity_fn work;
pd_activity_fn pay; /* PD_TRANSACTION */

uint64_t hash_value(pd_value v);
/* Of an activity, timer, event or child; numbers in the messages of our own failures count. */
uint64_t hash_outcome(const pd_task *task, bool is_child);

#endif
