/* SPDX-License-Identifier: MIT
 *
 * What the files of the runner for tests share: one turn of one orchestrator, and what it asks
 * for. */
#ifndef CHAIN_PLAY_H
#define CHAIN_PLAY_H

#include "chain_runner.h"

struct play {
    struct chain_runner *runner;
    const struct turn *turn;
    struct past *past;
    struct arena *arena;
    struct turn_result *ret;
    struct text rest; /* of the id, behind "x:" */
    bool is_over;
};

struct action *play_add(struct play *play, enum action_kind kind, int32_t id);
void play_complete(struct play *play, int32_t id, struct text payload);
/* With a failure without causes, which outlives the event. */
void play_fail(struct play *play, int32_t id, const struct failure *why);

/* ---- chain_entities.c: those that use entities, and entities ---- */

/* True: its programs are these. */
bool play_is_with_entities(const struct play *play);
void play_follow_with_entities(struct play *play, const struct event *event);

enum runner_answer chain_entity(struct runner *base, const struct turn *turn, struct arena *arena,
                                struct entity_result *ret);

#endif
