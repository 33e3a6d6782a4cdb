/* SPDX-License-Identifier: MIT
 *
 * What a runner for tests has taken, to be ended later (T8): turns, with the results that the chain
 * runner has for them, and activities. The test ends each when it likes, or never. */
#ifndef ENGINE_TEST_LATER_H
#define ENGINE_TEST_LATER_H

#include <pthread.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/list.h"
#include "core/turn.h"

/* All of it is its own memory. */
struct later_turn {
    struct later_turn *next;
    struct turn_ticket ticket;
    uint64_t number;
    char instance_id[64], name[32];
    struct event *events; /* kind, id and payload of each */
    size_t event_count;
    bool has_past, is_called;
    struct arena arena;
    struct turn_result result;
    struct entity_result entity;
};

struct later {
    pthread_mutex_t mutex;
    struct later_turn *turns, **last; /* in the order they were taken */
    struct list activities;
    bool takes_activities;
    _Atomic int turn_count, activity_count, cancelled, records;
    uint64_t cancelled_row, recorded_number;
    int32_t cancelled_step;
    struct buffer recorded; /* the bytes last said */
};

void later_init(struct later *later);
void later_done(struct later *later);

/* The runner's side. */
void later_take_turn(struct later *later, const struct turn *turn, const struct past *past,
                     const struct turn_result *result);
void later_take_batch(struct later *later, const struct turn *turn,
                      const struct entity_result *result);
bool later_take_activity(struct later *later, struct activity *activity);
void later_cancel(struct later *later, uint64_t row, int32_t id);
void later_record(struct later *later, uint64_t number, struct text bytes);

/* The test's: the oldest one, which is the test's from then on. NULL: there is none. */
struct later_turn *later_next_turn(struct later *later);
struct activity *later_next_activity(struct later *later);
void later_turn_free(struct later_turn *turn);

#endif
