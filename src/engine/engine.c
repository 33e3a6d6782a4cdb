/* SPDX-License-Identifier: MIT
 *
 * The engine: start, stop, and what a commit releases. See engine_priv.h for the threads. */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/random.h"
#include "engine/engine_priv.h"

/* Some 500 bytes each; one that was let go costs a look in the store when it is needed again. */
#define RESIDENTS_DEFAULT 20000
#define MAILBOX_WAIT_MS 1000
#define CRASHES_DEFAULT 3

/* Partitions that have letters from this one. */
static void wake_mailed(struct engine *engine, uint64_t mailed)
{
    for (unsigned i = 0; mailed != 0; i++, mailed >>= 1) {
        if ((mailed & 1) != 0) {
            pump_notice_mail(&engine->pumps[i]);
        }
    }
}

/* To where the runner wants them run. How many it leaves to the pool. */
static size_t dispatch(struct runner *runner, struct batch *batch)
{
    size_t left = batch->activity_count;
    if (runner->ops->version < 4) {
        return left;
    }
    const struct cancellation *each = runner->ops->cancel != NULL ? batch->cancellations : NULL;
    for (; each != NULL; each = each->next) {
        runner->ops->cancel(runner, batch->partition, each->row, each->id);
    }
    if (runner->ops->dispatch == NULL) {
        return left;
    }
    struct list here;
    struct list_node *node;
    list_init(&here);
    while ((node = list_pop_front(&batch->activities)) != NULL) {
        if (runner->ops->dispatch(runner, CONTAINER_OF(node, struct activity, node))) {
            left--;
        } else {
            list_push_back(&here, node);
        }
    }
    list_append(&batch->activities, &here);
    return left;
}

void engine_release(struct engine *engine, struct work *work)
{
    struct batch *batch = work->batch;
    struct pump *pump = &engine->pumps[batch->partition];
    wake_mailed(engine, batch->mailed); /* one that failed may have been made all the same */
    if (work->status == PD_OK) {
        pool_cancel(&engine->pool, batch->cancellations);
        size_t left = dispatch(engine->pool.runner, batch);
        pool_give(&engine->pool, &batch->activities, left, batch->has_start_limits);
        watches_signal(&engine->watches, batch->endings);
        if (engine->ended != NULL && batch->endings != NULL) {
            engine->ended(engine->ended_argument, batch->endings);
        }
    }
    work_answer(work);
    pump_committed(pump, work);
}

void engine_state(struct engine *engine, struct engine_state *ret)
{
    *ret = (struct engine_state){ 0 };
    committer_count(&engine->committer, &ret->commits, &ret->failed_commits);
    for (unsigned i = 0; i < engine->pump_count; i++) {
        struct pump *pump = &engine->pumps[i];
        pthread_mutex_lock(&pump->mutex);
        if (pump->is_in_trouble && !ret->is_in_trouble) {
            ret->is_in_trouble = true;
            ret->why = pump->trouble;
        }
        pthread_mutex_unlock(&pump->mutex);
    }
}

/* ---- ids and seeds --------------------------------------------------------------------------- */

static uint64_t new_seed(const void *what)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = (uint64_t)clock_now() ^ (uint64_t)(uintptr_t)what;
    }
    return seed;
}

/* 48 bits of milliseconds, 80 of chance: ids made together lie together in the store's index. */
void engine_new_id(char ret[33])
{
    static _Thread_local struct random random;
    static _Thread_local bool is_seeded;
    if (!is_seeded) {
        random_seed(&random, new_seed(&random));
        is_seeded = true;
    }
    uint64_t now = (uint64_t)(clock_now() / TIME_MS) & 0xffffffffffff;
    char tail[33];
    random_hex32(&random, tail);
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 12; i++) {
        ret[i] = digits[now >> (44 - 4 * i) & 15];
    }
    memcpy(ret + 12, tail, 20);
    ret[32] = '\0';
}

/* ---- mailbox
 * --------------------------------------------------------------------------------------- */

static void *mailbox_body(void *argument)
{
    struct engine *engine = argument;
    thread_name("pd-mailbox");
    while (!atomic_load(&engine->is_mailbox_stopping)) {
        pd_error err;
        if (engine->store->ops->wait(engine->store, MAILBOX_WAIT_MS, &err) != PD_OK) {
            usleep(MAILBOX_WAIT_MS *
                   100); /* the medium is in trouble: look again soon, but do not spin */
        }
        for (unsigned i = 0; i < engine->pump_count; i++) {
            pump_notice_mail(&engine->pumps[i]);
        }
    }
    return NULL;
}

/* ---- start, stop
 * ----------------------------------------------------------------------------------- */

static bool start_threads(struct engine *engine, struct runner *runner,
                          const struct engine_options *options, struct partition **partitions)
{
    unsigned threads = options->activity_threads;
    if (threads == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        threads = processors > 0 ? (unsigned)processors : 1;
    }
    bool started = committer_start(&engine->committer, engine, engine->store);
    started = pool_start(&engine->pool, engine, runner, threads) && started;
    for (unsigned i = 0; i < engine->pump_count; i++) {
        /* Without a thread the pump still owns its partition, so that stopping is the same for
         * all. */
        engine->pumps[i].partition = partitions[i];
        started = started && pump_start(&engine->pumps[i], engine);
    }
    engine->has_mailbox = started && thread_start(&engine->mailbox, mailbox_body, engine);
    return janitor_start(&engine->janitor, engine, options) && engine->has_mailbox;
}

static bool own_all(struct engine *engine, struct runner *runner,
                    const struct engine_options *options, struct partition **partitions,
                    pd_error *err)
{
    size_t residents = options->residents_max != 0 ? options->residents_max : RESIDENTS_DEFAULT;
    for (unsigned i = 0; i < engine->pump_count; i++) {
        struct partition_options each = {
            .store = engine->store,
            .runner = runner,
            .board = &engine->board,
            .number = i,
            .seed = new_seed(&each),
            .residents_max = residents / engine->pump_count + 1,
            .keeps_empty = options->keeps_empty_entities,
            .announcer = options->announcer,
        };
        partitions[i] = partition_new(&each, clock_now(), err);
        if (partitions[i] == NULL) {
            while (i > 0) {
                partition_free(partitions[--i]);
            }
            return false;
        }
    }
    return true;
}

struct engine *engine_start(struct store *store, struct runner *runner,
                            const struct engine_options *options, pd_error *err)
{
    struct partition *partitions[LIMIT_PARTITIONS];
    struct engine *engine = OBJECT_NEW(struct engine, ENGINE_MAGIC);
    engine->store = store;
    engine->pump_count = store->partition_count;
    engine->ended = options->ended;
    engine->ended_argument = options->ended_argument;
    assert_that(engine->pump_count >= 1 && engine->pump_count <= LIMIT_PARTITIONS);
    if (!own_all(engine, runner, options, partitions, err)) {
        OBJECT_FREE(engine, ENGINE_MAGIC);
        return NULL;
    }
    board_open(&engine->board, store,
               options->crashes_max != 0 ? options->crashes_max : CRASHES_DEFAULT);
    for (unsigned i = 0; i < engine->pump_count; i++) {
        partition_watch(partitions[i]);
    }
    engine->pumps = mem_alloc(engine->pump_count * sizeof *engine->pumps);
    calls_init(&engine->calls);
    watches_init(&engine->watches);
    if (!start_threads(engine, runner, options, partitions)) {
        error_set(err, PD_E_NOMEM, true, "engine: start",
                  "the system gives no more threads; raise the limit on processes");
        engine_stop(engine, 0);
        return NULL;
    }
    return engine;
}

/* What came for partitions that are gone. Activities run again at the next start. */
static void answer_late(struct engine *engine)
{
    pd_error stopped;
    error_set(&stopped, PD_E_CANCELLED, true, "engine", "the engine was stopped");
    for (unsigned i = 0; i < engine->pump_count; i++) {
        struct command_list late = { .first = command_queue_take(&engine->pumps[i].queue) };
        command_list_answer(&late, PD_E_CANCELLED, &stopped);
    }
}

void engine_stop(struct engine *engine, int64_t drain_ms)
{
    if (engine == NULL) {
        return;
    }
    OBJECT_CHECK(engine, ENGINE_MAGIC);
    calls_close(&engine->calls); /* the janitor's too: it is refused, and stops */
    janitor_stop(&engine->janitor);
    if (engine->has_mailbox) {
        atomic_store(&engine->is_mailbox_stopping, true);
        engine->store->ops->wake(engine->store);
        pthread_join(engine->mailbox, NULL);
    }
    pool_drain(&engine->pool, drain_ms);
    for (unsigned i = 0; i < engine->pump_count; i++) {
        pump_stop(&engine->pumps[i]);
    }
    /* A transaction that began in time needs the committer, and perhaps an answer to its claim. */
    while (pool_is_transacting(&engine->pool, TIME_MS)) {
        answer_late(engine);
    }
    watches_stop(&engine->watches);
    committer_stop(&engine->committer);
    pool_stop(&engine->pool);
    answer_late(engine);
    for (unsigned i = 0; i < engine->pump_count; i++) {
        pthread_cond_destroy(&engine->pumps[i].awake);
        pthread_mutex_destroy(&engine->pumps[i].mutex);
    }
    pool_done(&engine->pool);
    mem_free(engine->pumps);
    watches_done(&engine->watches);
    calls_done(&engine->calls);
    board_close(&engine->board);
    OBJECT_FREE(engine, ENGINE_MAGIC);
}
