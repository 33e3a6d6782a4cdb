/* SPDX-License-Identifier: MIT
 *
 * The pool: threads that run activities.
 *
 * One queue, one lock, one activity at a time: user code may block for an hour, and nothing that
 * waits may be stuck behind it. Results go straight to the queue of their partition. */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/engine_priv.h"

/* ---- running --------------------------------------------------------------------------------- */

/* Under the lock: so pool_cancel, and what the runner is told of it afterwards, finds it either
 * here or there. */
static void hand_over(struct seat *seat, struct command *command)
{
    struct pool *pool = seat->pool;
    struct activity *activity = command_end_done(command);
    pthread_mutex_lock(&pool->mutex);
    bool is_unwanted = seat->is_void || atomic_load(&seat->is_unwanted);
    if (!is_unwanted) {
        pool->runner->ops->take(pool->runner, activity);
    }
    seat->row = 0;
    pthread_mutex_unlock(&pool->mutex);
    if (is_unwanted) {
        activity_free(activity);
    }
}

static void run(struct seat *seat, struct activity *activity)
{
    struct pool *pool = seat->pool;
    struct pump *pump = &pool->engine->pumps[activity->partition];
    struct command *command = command_new_done(activity);
    uint64_t row = activity->row;
    int32_t id = activity->id;
    board_begin(seat->slot, row, id);
    pool->runner->ops->activity(pool->runner, activity, &seat->host, &command->as.done.arena,
                                &command->as.done.result);
    board_end(seat->slot);
    if (board_has_suspects(&pool->engine->board)) {
        board_absolve(&pool->engine->board, row, id);
    }
    host_end(seat, command);
    if (command->as.done.result.is_taken) {
        hand_over(seat, command);
    } else if (command->as.done.result.is_recorded) {
        activity_free(command_end_done(command));
        pump_notice_mail(pump);
    } else if (seat->is_void ||
               (!seat->is_unknown && !seat->has_claim && atomic_load(&seat->is_unwanted))) {
        /* Its step was closed. Should it be open again, because the instance was rewound, another
         * run is in this one's place, which may have failed only because it was told to stop. */
        activity_free(command_end_done(command));
    } else {
        command->as.done.is_unknown = seat->is_unknown;
        pump_push(pump, command);
    }
}

/* The next activity was made on another processor: have it on its way here meanwhile. */
static void expect_next(const struct list *queue)
{
    enum { LINES = 5 };
    struct list_node *next = list_front(queue);
    for (size_t line = 0; next != NULL && line < LINES; line++) {
        __builtin_prefetch((const char *)CONTAINER_OF(next, struct activity, node) + line * 64);
    }
}

static void *body(void *argument)
{
    struct seat *seat = argument;
    struct pool *pool = seat->pool;
    thread_name("pd-activity");
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct list_node *node = pool->is_draining ? NULL : list_pop_front(&pool->queue);
        if (node != NULL) {
            struct activity *activity = CONTAINER_OF(node, struct activity, node);
            pool->running++;
            host_begin(seat, activity);
            expect_next(&pool->queue);
            pthread_mutex_unlock(&pool->mutex);
            atomic_fetch_sub_explicit(&pool->backlog, 1, memory_order_relaxed);
            run(seat, activity);
            pthread_mutex_lock(&pool->mutex);
            seat->row = 0;
            pool->running--;
            if (pool->is_draining && pool->running == 0) {
                pthread_cond_broadcast(&pool->idle);
            }
            continue;
        }
        if (pool->is_stopping) {
            break;
        }
        pool->waiting++;
        pthread_cond_wait(&pool->work, &pool->mutex);
        pool->waiting--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

bool pool_start(struct pool *pool, struct engine *engine, struct runner *runner, unsigned threads)
{
    pool->engine = engine;
    pool->runner = runner;
    pool->look_at = TIME_NEVER;
    list_init(&pool->queue);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    clock_cond_init(&pool->idle);
    clock_cond_init(&pool->late);
    pool->seats = mem_alloc(threads * sizeof *pool->seats);
    for (; pool->seat_count < threads; pool->seat_count++) {
        struct seat *seat = &pool->seats[pool->seat_count];
        host_init(seat, pool);
        seat->slot = board_thread_slot(&engine->board, pool->seat_count);
        if (pthread_create(&seat->thread, NULL, body, seat) != 0) {
            host_done(seat);
            return false;
        }
    }
    return true;
}

/* ---- the queue ------------------------------------------------------------------------------- */

static void free_all(struct list *activities)
{
    struct list_node *node;
    while ((node = list_pop_front(activities)) != NULL) {
        activity_free(CONTAINER_OF(node, struct activity, node));
    }
}

void pool_give(struct pool *pool, struct list *activities, size_t count, bool has_start_limits)
{
    if (list_is_empty(activities)) {
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    if (has_start_limits) {
        limits_give(pool, activities);
    }
    list_append(&pool->queue, activities);
    atomic_fetch_add_explicit(&pool->backlog, count, memory_order_relaxed);
    size_t wake = count < pool->waiting ? count : pool->waiting;
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < wake; i++) {
        pthread_cond_signal(&pool->work);
    }
}

/* The mutex is held. Takes from the queue all that `is_one` says. */
static void pull(struct pool *pool, bool (*is_one)(const struct activity *, const void *argument),
                 const void *argument, struct list *ret)
{
    size_t count = 0;
    list_init(ret);
    LIST_EACH_SAFE(node, &pool->queue)
    {
        if (is_one(CONTAINER_OF(node, struct activity, node), argument)) {
            list_remove(node);
            list_push_back(ret, node);
            count++;
        }
    }
    atomic_fetch_sub_explicit(&pool->backlog, count, memory_order_relaxed);
}

static bool is_of_partition(const struct activity *activity, const void *argument)
{
    const unsigned *partition = argument;
    return activity->partition == *partition;
}

void pool_forget(struct pool *pool, unsigned partition)
{
    struct list gone;
    pthread_mutex_lock(&pool->mutex);
    pull(pool, is_of_partition, &partition, &gone);
    pthread_mutex_unlock(&pool->mutex);
    free_all(&gone);
}

/* ---- cancelling ------------------------------------------------------------------------------ */

/* Ascending by row and step: an instance may have cancelled thousands, of thousands that wait. */
struct cancelled {
    size_t count;
    struct cancellation *items;
};

static int compare(const void *a, const void *b)
{
    const struct cancellation *left = a, *right = b;
    if (left->row != right->row) {
        return left->row < right->row ? -1 : 1;
    }
    return (left->id > right->id) - (left->id < right->id);
}

static bool has(const struct cancelled *cancelled, uint64_t row, int32_t id)
{
    struct cancellation key = { .row = row, .id = id };
    return bsearch(&key, cancelled->items, cancelled->count, sizeof key, compare) != NULL;
}

static bool is_cancelled(const struct cancelled *cancelled, uint64_t row, int32_t id)
{
    return has(cancelled, row, EVENT_NO_ID) || has(cancelled, row, id);
}

static bool is_one_of(const struct activity *activity, const void *argument)
{
    return is_cancelled(argument, activity->row, activity->id);
}

static struct cancelled sort(const struct cancellation *first)
{
    struct cancelled cancelled = { 0 };
    for (const struct cancellation *c = first; c != NULL; c = c->next) {
        cancelled.count++;
    }
    cancelled.items = mem_alloc(cancelled.count * sizeof *cancelled.items);
    for (size_t i = 0; i < cancelled.count; i++, first = first->next) {
        cancelled.items[i] = *first;
    }
    qsort(cancelled.items, cancelled.count, sizeof *cancelled.items, compare);
    return cancelled;
}

void pool_cancel(struct pool *pool, const struct cancellation *cancellations)
{
    if (cancellations == NULL) {
        return;
    }
    struct list gone;
    struct cancelled cancelled = sort(cancellations);
    pthread_mutex_lock(&pool->mutex);
    pull(pool, is_one_of, &cancelled, &gone);
    for (unsigned i = 0; i < pool->seat_count; i++) {
        struct seat *seat = &pool->seats[i];
        if (seat->row != 0 && is_cancelled(&cancelled, seat->row, seat->id)) {
            atomic_store(&seat->is_unwanted, true);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
    mem_free(cancelled.items);
    free_all(&gone);
}

/* ---- the end --------------------------------------------------------------------------------- */

void pool_drain(struct pool *pool, int64_t max_ms)
{
    time_us until = time_add(clock_steady(), time_us_of_ms(max_ms));
    pthread_mutex_lock(&pool->mutex);
    pool->is_draining = true;
    while (pool->running > 0) {
        int64_t left = until - clock_steady();
        if (left <= 0 || !clock_cond_wait(&pool->idle, &pool->mutex, left)) {
            break;
        }
    }
    pool->is_abandoned = true;
    pthread_mutex_unlock(&pool->mutex);
}

bool pool_is_transacting(struct pool *pool, int64_t max_us)
{
    pthread_mutex_lock(&pool->mutex);
    if (pool->transacting > 0) {
        (void)clock_cond_wait(&pool->idle, &pool->mutex, max_us);
    }
    bool is_transacting = pool->transacting > 0;
    pthread_mutex_unlock(&pool->mutex);
    return is_transacting;
}

void pool_stop(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->is_draining = true;
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->seat_count; i++) {
        pthread_join(pool->seats[i].thread, NULL);
    }
    limits_stop(pool);
    /* What was not begun is open in the store, and dispatched again by the next engine. */
    free_all(&pool->queue);
}

void pool_done(struct pool *pool)
{
    for (unsigned i = 0; i < pool->seat_count; i++) {
        host_done(&pool->seats[i]);
    }
    mem_free(pool->seats);
    pthread_cond_destroy(&pool->late);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
}
