/* SPDX-License-Identifier: MIT
 *
 * The pump: a partition's thread. Takes commands, runs turns, hands works to the committer.
 *
 * It sleeps when there is nothing to do. Producers must not be slowed by that: they push without
 * a lock, and only one that finds the pump asleep takes its mutex. The order (push, then look at
 * is_asleep; say asleep, then look at the queue) is sequentially consistent on both sides, so
 * either the producer sees the sleeper or the sleeper sees the command. */
#include "base/assert.h"
#include "base/memory.h"
#include "engine/engine_priv.h"

enum { APPLY_SLICE = 64, COMMIT_HERE_MUTATIONS = 16 };

#define RUN_ON_MOST (1 * TIME_MS)

/* ---- other threads
 * ------------------------------------------------------------------------------- */

static void wake(struct pump *pump)
{
    if (atomic_load(&pump->is_asleep)) {
        /* The lock waits until the pump really waits. The signal comes after it: a pump that is
         * woken into a locked mutex would only sleep again. */
        pthread_mutex_lock(&pump->mutex);
        pthread_mutex_unlock(&pump->mutex);
        pthread_cond_signal(&pump->awake);
    }
}

void pump_push(struct pump *pump, struct command *command)
{
    command_queue_push(&pump->queue, command);
    wake(pump);
}

void pump_notice_mail(struct pump *pump)
{
    atomic_store(&pump->has_mail, true);
    wake(pump);
}

void pump_committed(struct pump *pump, struct work *work)
{
    struct work *before = atomic_exchange(&pump->done, work);
    assert_that(before == NULL); /* E2 */
    wake(pump);
}

/* ---- its own thread
 * ------------------------------------------------------------------------------- */

/* A partition that begins again begins again with every activity that has not ended. */
static void look_for_reset(struct pump *pump)
{
    uint64_t epoch = partition_epoch(pump->partition);
    if (epoch != pump->epoch) {
        pump->epoch = epoch;
        pool_forget(&pump->engine->pool, (unsigned)(pump - pump->engine->pumps));
    }
}

/* True: there may be something to run that waited for this commit. */
static bool hear_of_commit(struct pump *pump)
{
    if (!pump->is_work_out || atomic_load_explicit(&pump->done, memory_order_relaxed) == NULL) {
        return false;
    }
    struct work *work = atomic_exchange(&pump->done, NULL);
    pump->is_work_out = false;
    partition_committed(pump->partition, clock_now(), work);
    look_for_reset(pump);
    return true;
}

/* It takes memory, which is given back when there has been none for a while. */
static void note_work(struct pump *pump)
{
    pump->is_trim_due = true;
    pump->worked_at = clock_now();
}

/* True: as hear_of_commit. */
static bool cut(struct pump *pump)
{
    bool has_heard = hear_of_commit(pump);
    if (pump->is_work_out) {
        return has_heard;
    }
    struct work *work = partition_cut(pump->partition);
    if (work == NULL) {
        return has_heard;
    }
    pump->is_work_out = true;
    note_work(pump);
    bool is_small = work->batch->mutation_count <= COMMIT_HERE_MUTATIONS;
    committer_submit(&pump->engine->committer, work,
                     is_small && command_queue_is_empty(&pump->queue));
    return hear_of_commit(pump) || has_heard;
}

/* E3: one that begins again owns its partition in the store, which no commit may overlap. */
static bool run(struct pump *pump, time_us now)
{
    bool is_to_own = partition_is_to_own(pump->partition, now);
    if (is_to_own) {
        committer_hold(&pump->engine->committer);
    }
    bool more = partition_run(pump->partition, now);
    if (is_to_own) {
        committer_let_go(&pump->engine->committer);
    }
    look_for_reset(pump);
    return more;
}

/* What waits for a turn when the batch is cut is written down, and struck out by the next: so what
 * can be run in a moment is run first, unless the disk is busy anyway. True: there is more. */
static bool run_on(struct pump *pump)
{
    time_us now = clock_now();
    time_us until = time_add(now, RUN_ON_MOST);
    bool more = run(pump, now);
    while (more && !pump->is_work_out && (now = clock_now()) < until) {
        more = run(pump, now);
    }
    return more;
}

static void apply_all(struct pump *pump)
{
    struct command *command = command_queue_take(&pump->queue);
    time_us now = command != NULL ? clock_now() : 0;
    for (int n = 1; command != NULL; n++) {
        if (n % APPLY_SLICE == 1) {
            partition_expect(pump->partition, command, APPLY_SLICE);
        }
        struct command *next = command->next;
        partition_apply(pump->partition, now, command);
        command = next;
        if (n % APPLY_SLICE == 0 && command != NULL) {
            /* What recovery finds brings commands, and would do so as fast as they are taken. */
            partition_hold_recovery(pump->partition, true);
            (void)run_on(pump);
            (void)cut(pump);
            now = clock_now();
        }
    }
}

static bool has_news(struct pump *pump)
{
    return !command_queue_is_empty(&pump->queue) || atomic_load(&pump->done) != NULL ||
           atomic_load(&pump->has_mail) || (atomic_load(&pump->is_stopping) && !pump->is_work_out);
}

static void sleep_until(struct pump *pump, time_us until)
{
    pthread_mutex_lock(&pump->mutex);
    atomic_store(&pump->is_asleep, true);
    while (!has_news(pump)) {
        int64_t left = until == TIME_NEVER ? -1 : until - clock_now();
        if (until != TIME_NEVER && left <= 0) {
            break;
        }
        (void)clock_cond_wait(&pump->awake, &pump->mutex, left);
    }
    atomic_store(&pump->is_asleep, false);
    pthread_mutex_unlock(&pump->mutex);
}

/* Nothing to do. After a second of that, memory is given back, once. */
static void rest(struct pump *pump)
{
    time_us wake_at = partition_wake_at(pump->partition);
    if (pump->is_trim_due) {
        time_us trim_at = time_add(pump->worked_at, TRIM_AFTER);
        if (clock_now() >= trim_at) {
            partition_trim(pump->partition);
            mem_trim();
            pump->is_trim_due = false;
        }
        wake_at = pump->is_trim_due && trim_at < wake_at ? trim_at : wake_at;
    }
    sleep_until(pump, wake_at);
}

/* For who asks the engine how it is. */
static void note_trouble(struct pump *pump)
{
    const pd_error *why = partition_trouble(pump->partition);
    if ((why != NULL) != pump->is_in_trouble) { /* written by this thread only */
        pthread_mutex_lock(&pump->mutex);
        pump->is_in_trouble = why != NULL;
        pump->trouble = why != NULL ? *why : (pd_error){ 0 };
        pthread_mutex_unlock(&pump->mutex);
    }
}

static void *body(void *argument)
{
    struct pump *pump = argument;
    thread_name("pd-partition");
    while (!atomic_load(&pump->is_stopping)) {
        (void)hear_of_commit(pump);
        if (atomic_exchange(&pump->has_mail, false)) {
            partition_notice_mail(pump->partition);
        }
        apply_all(pump);
        size_t backlog = atomic_load_explicit(&pump->engine->pool.backlog, memory_order_relaxed);
        partition_hold_recovery(pump->partition, backlog > BACKLOG_MAX);
        bool more = run_on(pump);
        if (more) {
            note_work(pump);
        }
        bool has_cut = cut(pump);
        note_trouble(pump);
        if (!has_cut && !more) {
            rest(pump);
        }
    }
    /* What was accepted is made durable, and what it says to others; no new turns begin, and mail
     * waits for the next engine. */
    bool has_heard;
    do {
        atomic_store(&pump->has_mail, false);
        if (pump->is_work_out) {
            sleep_until(pump, TIME_NEVER);
        }
        apply_all(pump);
        has_heard = cut(pump);
    } while (has_heard || pump->is_work_out || !command_queue_is_empty(&pump->queue));
    return NULL;
}

bool pump_start(struct pump *pump, struct engine *engine)
{
    pump->engine = engine;
    pthread_mutex_init(&pump->mutex, NULL);
    clock_cond_init(&pump->awake);
    pump->epoch = partition_epoch(pump->partition);
    pump->has_thread = thread_start(&pump->thread, body, pump);
    return pump->has_thread;
}

void pump_stop(struct pump *pump)
{
    if (pump->has_thread) {
        atomic_store(&pump->is_stopping, true);
        pthread_mutex_lock(&pump->mutex);
        pthread_cond_signal(&pump->awake);
        pthread_mutex_unlock(&pump->mutex);
        pthread_join(pump->thread, NULL);
    }
    partition_free(pump->partition);
    pump->partition = NULL;
}
