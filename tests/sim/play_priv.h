/* SPDX-License-Identifier: MIT
 *
 * What the files of the orchestrator share.
 *
 *     play.c   the orchestrator
 *     visit.c  what it has to do with entities */
#ifndef SIM_PLAY_PRIV_H
#define SIM_PLAY_PRIV_H

#include "play.h"
#include "program.h"

enum { LEFT_MAX = OPS_MAX * FAN_MAX };

struct left {
    pd_task *task;
    bool is_child;
};

struct player {
    pd_orchestration *o;
    const struct program *program;
    struct position at;
    unsigned named, sent;
    struct left left[LEFT_MAX];
    size_t left_count;
};

void player_see(struct player *player, uint64_t hash);
void player_see_for_sure(struct player *player, uint64_t hash);
pd_task *player_start(struct player *player, const struct leaf *leaf);
/* For what it says to others: tells whose it is, and which of his. */
int64_t player_number(struct player *player);
pd_result player_end(struct player *player);

/* ---- visit.c ---- */

pd_task *visit_start(struct player *player, const struct errand *errand);
void visit_signal(struct player *player, const struct op *op);
void visit_locked(struct player *player, const struct op *op);
void visit_misuse(struct player *player); /* inside the program's last section */
pd_result visit_end_locked(struct player *player);

#endif
