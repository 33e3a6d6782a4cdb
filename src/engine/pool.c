/* SPDX-License-Identifier: MIT
 *
 * The pool: threads that run activities.
 *
 * One queue, one lock, one activity at a time: user code may block for an hour, and nothing that
 * waits may be stuck behind it. Results go straight to the queue of their partition. */
#include "base/memory.h"
#include "engine/engine_priv.h"

static void run(struct pool *pool, struct activity *activity)
{
    struct command *command = command_new_done(activity);
    pool->runner->ops->activity(pool->runner, activity, NULL, &command->as.done.arena,
                                &command->as.done.result);
    pump_push(&pool->engine->pumps[activity->partition], command);
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
    struct pool *pool = argument;
    thread_name("pd-activity");
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct list_node *node = pool->is_draining ? NULL : list_pop_front(&pool->queue);
        if (node != NULL) {
            pool->running++;
            expect_next(&pool->queue);
            pthread_mutex_unlock(&pool->mutex);
            atomic_fetch_sub_explicit(&pool->backlog, 1, memory_order_relaxed);
            run(pool, CONTAINER_OF(node, struct activity, node));
            pthread_mutex_lock(&pool->mutex);
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
    list_init(&pool->queue);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    clock_cond_init(&pool->idle);
    pool->threads = mem_alloc(threads * sizeof *pool->threads);
    for (; pool->thread_count < threads; pool->thread_count++) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, body, pool) != 0) {
            return false;
        }
    }
    return true;
}

static void free_all(struct list *activities)
{
    struct list_node *node;
    while ((node = list_pop_front(activities)) != NULL) {
        activity_free(CONTAINER_OF(node, struct activity, node));
    }
}

void pool_give(struct pool *pool, struct list *activities, size_t count)
{
    if (list_is_empty(activities)) {
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    list_append(&pool->queue, activities);
    atomic_fetch_add_explicit(&pool->backlog, count, memory_order_relaxed);
    size_t wake = count < pool->waiting ? count : pool->waiting;
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < wake; i++) {
        pthread_cond_signal(&pool->work);
    }
}

void pool_forget(struct pool *pool, unsigned partition)
{
    struct list gone;
    size_t count = 0;
    list_init(&gone);
    pthread_mutex_lock(&pool->mutex);
    LIST_EACH_SAFE(node, &pool->queue)
    {
        if (CONTAINER_OF(node, struct activity, node)->partition == partition) {
            list_remove(node);
            list_push_back(&gone, node);
            count++;
        }
    }
    atomic_fetch_sub_explicit(&pool->backlog, count, memory_order_relaxed);
    pthread_mutex_unlock(&pool->mutex);
    free_all(&gone);
}

void pool_drain(struct pool *pool, int64_t max_ms)
{
    time_us until = time_add(clock_now(), time_us_of_ms(max_ms));
    pthread_mutex_lock(&pool->mutex);
    pool->is_draining = true;
    while (pool->running > 0) {
        int64_t left = until - clock_now();
        if (left <= 0 || !clock_cond_wait(&pool->idle, &pool->mutex, left)) {
            break;
        }
    }
    pthread_mutex_unlock(&pool->mutex);
}

void pool_stop(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->is_draining = true;
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    /* What was not begun is open in the store, and dispatched again by the next engine. */
    free_all(&pool->queue);
    mem_free(pool->threads);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
}
