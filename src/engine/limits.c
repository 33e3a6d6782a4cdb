/* SPDX-License-Identifier: MIT
 *
 * Limits of time: who is late.
 *
 * A thread looks when the next activity would be late, and completes the steps of those that are:
 * of one that waits as its result, of one that runs beside it, as a function cannot be stopped. It
 * is told (is_cancelled), and its own result is dropped when it comes (C3). The thread is started
 * when the first activity with a limit comes, and sleeps for good when there is none.
 *
 *   L1  look_at is not after the earliest time at which something known is late, or the thread has
 *       that still before it: a heartbeat moves its limit without saying so, and is found when the
 *       old one has passed.
 *   L2  A look goes over all that wait, if any of them has a limit, and all that run. There is a
 *       pause between two, so that thousands that are late one after another cost little. */
#include "base/memory.h"
#include "engine/engine_priv.h"

#define PAUSE (5 * TIME_MS)

/* ---- who is late ----------------------------------------------------------------------------- */

static void add(struct command **late, struct command *command)
{
    command->next = *late;
    *late = command;
}

static void look_at_queue(struct pool *pool, time_us now, time_us *next, struct command **late)
{
    bool has_limits = false;
    LIST_EACH_SAFE(node, &pool->queue)
    {
        struct activity *activity = CONTAINER_OF(node, struct activity, node);
        if (activity_limits(activity).start_ms == 0) {
            continue;
        }
        time_us by = *command_start_by(activity);
        if (by > now) {
            has_limits = true;
            *next = by < *next ? by : *next;
            continue;
        }
        list_remove(node);
        atomic_fetch_sub_explicit(&pool->backlog, 1, memory_order_relaxed);
        struct command *command = command_new_done(activity);
        command_time_out(command, activity, TIME_TO_START);
        add(late, command);
    }
    pool->has_start_limits = has_limits;
}

static void look_at_seat(struct seat *seat, time_us now, time_us *next, struct command **late)
{
    if (seat->limited == NULL || seat->is_over) {
        return;
    }
    time_us beat_by = atomic_load(&seat->beat_by);
    time_us by = beat_by < seat->run_by ? beat_by : seat->run_by;
    if (by > now) {
        *next = by < *next ? by : *next;
        return;
    }
    struct command *command =
        command_new_timeout(seat->limited, seat->run_by <= now ? TIME_TO_RUN : TIME_TO_BEAT);
    host_take_progress(seat, command);
    seat->is_over = true;
    atomic_store(&seat->is_unwanted, true);
    add(late, command);
}

/* The mutex is held. */
static struct command *look(struct pool *pool, time_us now)
{
    struct command *late = NULL;
    time_us next = TIME_NEVER;
    if (pool->has_start_limits) {
        look_at_queue(pool, now, &next, &late);
    }
    for (unsigned i = 0; i < pool->seat_count; i++) {
        look_at_seat(&pool->seats[i], now, &next, &late);
    }
    pool->look_at = next;
    return late;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void tell(struct pool *pool, struct command *late)
{
    while (late != NULL) {
        struct command *next = late->next;
        pump_push(&pool->engine->pumps[late->as.done.activity->partition], late);
        late = next;
    }
}

static void *body(void *argument)
{
    struct pool *pool = argument;
    thread_name("pd-limits");
    pthread_mutex_lock(&pool->mutex);
    while (!pool->is_stopping) {
        int64_t left = pool->look_at == TIME_NEVER ? -1 : pool->look_at - clock_steady();
        if (left < 0 && pool->look_at != TIME_NEVER) {
            left = 0;
        }
        if (left != 0) {
            (void)clock_cond_wait(&pool->late, &pool->mutex, left);
            continue;
        }
        struct command *late = look(pool, clock_steady());
        pthread_mutex_unlock(&pool->mutex);
        tell(pool, late);
        pthread_mutex_lock(&pool->mutex);
        if (!pool->is_stopping) {
            (void)clock_cond_wait(&pool->late, &pool->mutex, PAUSE);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

void limits_note(struct pool *pool, time_us by)
{
    if (!pool->has_keeper) { /* when there is none to be had, the next one tries again */
        pool->has_keeper = !pool->is_stopping && thread_start(&pool->keeper, body, pool);
    }
    if (by < pool->look_at) {
        pool->look_at = by;
        pthread_cond_signal(&pool->late);
    }
}

void limits_give(struct pool *pool, struct list *activities)
{
    time_us now = clock_steady();
    time_us first = TIME_NEVER;
    LIST_EACH(node, activities)
    {
        struct activity *activity = CONTAINER_OF(node, struct activity, node);
        if (activity_limits(activity).start_ms != 0) {
            time_us by = time_add(now, time_us_of_ms(activity_limits(activity).start_ms));
            *command_start_by(activity) = by;
            first = by < first ? by : first;
        }
    }
    pool->has_start_limits = true;
    limits_note(pool, first);
}

void limits_stop(struct pool *pool)
{
    if (pool->has_keeper) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_signal(&pool->late);
        pthread_mutex_unlock(&pool->mutex);
        pthread_join(pool->keeper, NULL);
    }
}
