/* SPDX-License-Identifier: MIT
 *
 * Turns and activities that are ended later: see later.h. */
#include "later.h"

#include <stdio.h>

#include "base/memory.h"
#include "core/batch.h"

void later_init(struct later *later)
{
    *later = (struct later){ .last = NULL };
    later->last = &later->turns;
    list_init(&later->activities);
    buffer_init(&later->recorded);
    pthread_mutex_init(&later->mutex, NULL);
}

void later_turn_free(struct later_turn *turn)
{
    arena_done(&turn->arena);
    mem_free(turn->events);
    mem_free(turn);
}

void later_done(struct later *later)
{
    struct later_turn *turn;
    struct activity *activity;
    while ((turn = later_next_turn(later)) != NULL) {
        later_turn_free(turn);
    }
    while ((activity = later_next_activity(later)) != NULL) {
        activity_free(activity);
    }
    buffer_done(&later->recorded);
    pthread_mutex_destroy(&later->mutex);
}

/* ---- copies: what a turn lends is not looked at any more (T8) -------------------------------- */

static const struct failure *copy_failure(struct arena *arena, const struct failure *failure)
{
    if (failure == NULL) {
        return NULL;
    }
    struct failure *copy = arena_alloc(arena, sizeof *copy);
    *copy = (struct failure){
        .type = text_copy(arena, failure->type),
        .message = text_copy(arena, failure->message),
        .is_final = failure->is_final,
    };
    return copy;
}

static const struct event_extra *copy_extra(struct arena *arena, const struct event_extra *extra)
{
    if (extra == NULL) {
        return NULL;
    }
    struct event_extra *copy = arena_alloc(arena, sizeof *copy);
    *copy = *extra;
    copy->tags = text_copy(arena, extra->tags);
    copy->lock_set = text_copy(arena, extra->lock_set);
    return copy;
}

static const struct action *copy_actions(struct arena *arena, const struct action *actions,
                                         size_t count)
{
    struct action *copies = arena_alloc(arena, count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = actions[i];
        copies[i].name = text_copy(arena, actions[i].name);
        copies[i].version = text_copy(arena, actions[i].version);
        copies[i].payload = text_copy(arena, actions[i].payload);
        copies[i].instance_id = text_copy(arena, actions[i].instance_id);
        copies[i].request_id = text_copy(arena, actions[i].request_id);
        copies[i].failure = copy_failure(arena, actions[i].failure);
        copies[i].extra = copy_extra(arena, actions[i].extra);
    }
    return copies;
}

static struct later_turn *make(const struct turn *turn)
{
    struct later_turn *made = mem_alloc(sizeof *made);
    arena_init(&made->arena);
    made->ticket = turn_ticket_of(turn);
    made->number = turn->number;
    (void)snprintf(made->instance_id, sizeof made->instance_id, "%.*s",
                   TEXT_ARGS(turn->instance_id));
    (void)snprintf(made->name, sizeof made->name, "%.*s", TEXT_ARGS(turn->name));
    made->event_count = turn->event_count;
    made->events = mem_alloc(turn->event_count * sizeof *made->events);
    for (size_t i = 0; i < turn->event_count; i++) {
        made->events[i].kind = turn->events[i].kind;
        made->events[i].id = turn->events[i].id;
        made->events[i].payload = text_copy(&made->arena, turn->events[i].payload);
    }
    return made;
}

static void add(struct later *later, struct later_turn *turn)
{
    pthread_mutex_lock(&later->mutex);
    *later->last = turn;
    later->last = &turn->next;
    pthread_mutex_unlock(&later->mutex);
    later->turn_count++;
}

void later_take_turn(struct later *later, const struct turn *turn, const struct past *past,
                     const struct turn_result *result)
{
    struct later_turn *made = make(turn);
    made->has_past = past != NULL;
    made->is_called = turn->is_called;
    made->result.actions = copy_actions(&made->arena, result->actions, result->action_count);
    made->result.action_count = result->action_count;
    made->result.custom_status = text_copy(&made->arena, result->custom_status);
    add(later, made);
}

void later_take_batch(struct later *later, const struct turn *turn,
                      const struct entity_result *result)
{
    struct later_turn *made = make(turn);
    struct arena *arena = &made->arena;
    struct operation_result *results = arena_alloc(arena, result->result_count * sizeof *results);
    for (size_t i = 0; i < result->result_count; i++) {
        results[i].payload = text_copy(arena, result->results[i].payload);
        results[i].failure = copy_failure(arena, result->results[i].failure);
    }
    made->entity = *result;
    made->entity.results = results;
    made->entity.state = text_copy(arena, result->state);
    made->entity.actions = copy_actions(arena, result->actions, result->action_count);
    add(later, made);
}

bool later_take_activity(struct later *later, struct activity *activity)
{
    if (!later->takes_activities) {
        return false;
    }
    pthread_mutex_lock(&later->mutex);
    list_push_back(&later->activities, &activity->node);
    pthread_mutex_unlock(&later->mutex);
    later->activity_count++;
    return true;
}

void later_cancel(struct later *later, uint64_t row, int32_t id)
{
    later->cancelled_row = row;
    later->cancelled_step = id;
    later->cancelled++;
}

void later_record(struct later *later, uint64_t number, struct text bytes)
{
    later->recorded_number = number;
    buffer_reset(&later->recorded);
    buffer_add(&later->recorded, bytes.at, bytes.size);
    later->records++;
}

struct later_turn *later_next_turn(struct later *later)
{
    pthread_mutex_lock(&later->mutex);
    struct later_turn *turn = later->turns;
    if (turn != NULL) {
        later->turns = turn->next;
        later->last = turn->next != NULL ? later->last : &later->turns;
    }
    pthread_mutex_unlock(&later->mutex);
    return turn;
}

struct activity *later_next_activity(struct later *later)
{
    pthread_mutex_lock(&later->mutex);
    struct list_node *node = list_pop_front(&later->activities);
    pthread_mutex_unlock(&later->mutex);
    return node != NULL ? CONTAINER_OF(node, struct activity, node) : NULL;
}
