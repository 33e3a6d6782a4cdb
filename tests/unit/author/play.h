/* SPDX-License-Identifier: MIT
 *
 * A play: one instance, driven by a script, as core would drive it.
 *
 * The script completes steps, fires timers, raises events and runs turns; the play keeps history,
 * gives it to the author when that asks for it, and writes down every action as one line. A script
 * is played in several modes that must not make a difference (stacks kept, dropped after each turn,
 * forgotten now and then), and the transcripts are compared byte by byte.
 *
 * Events are handed to the author in memory that is overwritten and freed after the turn, and the
 * actions are written down after the run may be gone; so what is lent too long shows. */
#ifndef PLAY_H
#define PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <perdure.h>

#include "author/author.h"
#include "base/base.h"
#include "base/tags.h"
#include "core/turn.h"
#include "past.h"

enum play_mode { PLAY_KEPT, PLAY_DROPPED, PLAY_FORGOTTEN, PLAY_MODES };

struct play {
    enum play_mode mode;
    struct runner *runner;
    const pd_function *program;
    size_t program_size;
    uint64_t row, turn_number;
    unsigned partition;
    time_us now;
    int execution;                            /* continuing as new is done by the play: 1, 2, ... */
    struct text name, input, version, origin; /* of the beginning; origin: a fork's */
    const struct event_extra *extra;
    struct arena arena; /* everything below */
    struct event *history;
    size_t history_count, history_room;
    struct event *coming;
    size_t coming_count, coming_room;
    struct random random; /* for forgetting */
    size_t step_count;
    bool is_ended, is_renewed, needed_history;
    struct buffer transcript;
};

/* Of runners that plays make, but for the partitions and the drop mode. */
extern struct author_options play_options;

/* A play on a runner of its own. */
void play_begin(struct play *play, const pd_function *program, size_t n, enum play_mode mode);
/* A play on a runner that has others. */
void play_join(struct play *play, struct runner *runner, uint64_t row);
void play_end(struct play *play);

/* Turn 1, with what has been said to come before it after ExecutionStarted. */
void play_start(struct play *play, const char *name, const char *input);
void play_turn(struct play *play);

/* What recorded the step: TASK_SCHEDULED and so on; EVENT_UNKNOWN: nothing did. */
enum event_kind play_kind(const struct play *play, int step);

/* What the next turn brings. */
void play_complete(struct play *play, int step, const char *json);
struct failure *play_fail(struct play *play, int step, const char *type, const char *message);
void play_child_complete(struct play *play, int step, const char *json);
struct failure *play_child_fail(struct play *play, int step, const char *type, const char *message);
void play_fire(struct play *play, int step);
void play_answer(struct play *play, int step, const char *json); /* of an entity */
struct failure *play_answer_fail(struct play *play, int step, const char *type,
                                 const char *message);
void play_grant(struct play *play, int step); /* all locks are held */
void play_raise(struct play *play, const char *name, const char *json);
struct event *play_coming(struct play *play, enum event_kind kind);

/* As if the worker had been restarted, perhaps with another program; NULL: the same. */
void play_restart(struct play *play, const pd_function *program, size_t n);

const char *play_transcript(struct play *play);

/* Plays the script in all modes. Each transcript must be `expected`; NULL: all must be the same. */
void play_all(const pd_function *program, size_t n, void (*script)(struct play *),
              const char *expected);

#endif
