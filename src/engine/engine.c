/* SPDX-License-Identifier: MIT
 *
 * The engine: start, stop, and the calls of clients. See engine_priv.h for the threads. */
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

void engine_release(struct engine *engine, struct work *work)
{
    struct pump *pump = &engine->pumps[work->batch->partition];
    if (work->status == PD_OK) {
        pool_give(&engine->pool, &work->batch->activities, work->batch->activity_count);
        watches_signal(&engine->watches, work->batch->endings);
    }
    work_answer(work);
    pump_committed(pump, work);
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
    return engine->has_mailbox;
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
            .number = i,
            .residents_max = residents / engine->pump_count + 1,
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
    assert_that(engine->pump_count >= 1 && engine->pump_count <= LIMIT_PARTITIONS);
    if (!own_all(engine, runner, options, partitions, err)) {
        OBJECT_FREE(engine, ENGINE_MAGIC);
        return NULL;
    }
    engine->pumps = mem_alloc(engine->pump_count * sizeof *engine->pumps);
    pthread_mutex_init(&engine->calls_mutex, NULL);
    pthread_cond_init(&engine->calls_ended, NULL);
    watches_init(&engine->watches);
    if (!start_threads(engine, runner, options, partitions)) {
        error_set(err, PD_E_NOMEM, true, "engine: start",
                  "the system gives no more threads; raise the limit on processes");
        engine_stop(engine, 0);
        return NULL;
    }
    return engine;
}

static void close_calls(struct engine *engine)
{
    pthread_mutex_lock(&engine->calls_mutex);
    engine->is_closing = true;
    while (engine->calls > 0) {
        pthread_cond_wait(&engine->calls_ended, &engine->calls_mutex);
    }
    pthread_mutex_unlock(&engine->calls_mutex);
}

void engine_stop(struct engine *engine, int64_t drain_ms)
{
    if (engine == NULL) {
        return;
    }
    OBJECT_CHECK(engine, ENGINE_MAGIC);
    close_calls(engine);
    if (engine->has_mailbox) {
        atomic_store(&engine->is_mailbox_stopping, true);
        engine->store->ops->wake(engine->store);
        pthread_join(engine->mailbox, NULL);
    }
    pool_drain(&engine->pool, drain_ms);
    for (unsigned i = 0; i < engine->pump_count; i++) {
        pump_stop(&engine->pumps[i]);
    }
    watches_stop(&engine->watches);
    committer_stop(&engine->committer);
    pool_stop(&engine->pool);
    for (unsigned i = 0; i < engine->pump_count; i++) {
        /* Results that came after the drain: their activities run again at the next start. */
        struct command *late = command_queue_take(&engine->pumps[i].queue);
        while (late != NULL) {
            struct command *next = late->next;
            command_answer(late, PD_OK, NULL);
            late = next;
        }
        pthread_cond_destroy(&engine->pumps[i].awake);
        pthread_mutex_destroy(&engine->pumps[i].mutex);
    }
    mem_free(engine->pumps);
    watches_done(&engine->watches);
    pthread_cond_destroy(&engine->calls_ended);
    pthread_mutex_destroy(&engine->calls_mutex);
    OBJECT_FREE(engine, ENGINE_MAGIC);
}

/* ---- calls of clients
 * ------------------------------------------------------------------------------- */

static pd_status enter(struct engine *engine, pd_error *err)
{
    OBJECT_CHECK(engine, ENGINE_MAGIC);
    pthread_mutex_lock(&engine->calls_mutex);
    bool is_closing = engine->is_closing;
    engine->calls += !is_closing;
    pthread_mutex_unlock(&engine->calls_mutex);
    return is_closing
               ? error_set(err, PD_E_CANCELLED, true, "engine", "the engine is being stopped")
               : PD_OK;
}

static void leave(struct engine *engine)
{
    pthread_mutex_lock(&engine->calls_mutex);
    if (--engine->calls == 0 && engine->is_closing) {
        pthread_cond_signal(&engine->calls_ended);
    }
    pthread_mutex_unlock(&engine->calls_mutex);
}

/* The items of one partition, in the order of the call, as one command. */
struct portion {
    struct command command;
    pd_error error;
    struct start_command *items;
    pd_status *statuses;
    size_t *places; /* where each item stood in the call */
};

static void split(struct engine *engine, const struct start_command *commands, size_t count,
                  struct arena *arena, struct portion *portions)
{
    size_t sizes[LIMIT_PARTITIONS] = { 0 };
    unsigned *owner = arena_alloc_raw(arena, count * sizeof *owner);
    for (size_t i = 0; i < count; i++) {
        owner[i] = engine->pump_count == 1 ? 0 : partition_of(commands[i].id, engine->pump_count);
        sizes[owner[i]]++;
    }
    for (unsigned p = 0; p < engine->pump_count; p++) {
        portions[p].items = arena_alloc_raw(arena, sizes[p] * sizeof *portions[p].items);
        portions[p].statuses = arena_alloc(arena, sizes[p] * sizeof *portions[p].statuses);
        portions[p].places = arena_alloc_raw(arena, sizes[p] * sizeof *portions[p].places);
        portions[p].command =
            (struct command){ .kind = COMMAND_START, .error = &portions[p].error };
    }
    for (size_t i = 0; i < count; i++) {
        struct portion *portion = &portions[owner[i]];
        size_t at = portion->command.as.start.count++;
        portion->places[at] = i;
        portion->items[at] = commands[i];
        if (!text_is_present(commands[i].execution_id)) {
            char *id = arena_alloc_raw(arena, 33);
            engine_new_id(id);
            portion->items[at].execution_id = text_make(id, 32);
        }
    }
}

/* The first failure in the order of the call, which may lie in any portion. */
static pd_status join(struct engine *engine, struct portion *portions, size_t count,
                      pd_status *ret_statuses, pd_error *err)
{
    pd_status first = PD_OK;
    size_t first_place = count;
    for (unsigned p = 0; p < engine->pump_count; p++) {
        for (size_t i = 0; i < portions[p].command.as.start.count; i++) {
            pd_status status = portions[p].statuses[i];
            if (ret_statuses != NULL) {
                ret_statuses[portions[p].places[i]] = status;
            }
            if (status != PD_OK && portions[p].places[i] < first_place) {
                first = status;
                first_place = portions[p].places[i];
                *err = portions[p].error;
            }
        }
    }
    return first;
}

pd_status engine_start_instances(struct engine *engine, const struct start_command *commands,
                                 size_t count, pd_status *ret_statuses, pd_error *err)
{
    pd_status status = enter(engine, err);
    if (status != PD_OK || count == 0) {
        if (status == PD_OK) {
            leave(engine);
        }
        return status;
    }
    struct arena arena;
    arena_init(&arena);
    struct portion *portions = arena_alloc(&arena, engine->pump_count * sizeof *portions);
    split(engine, commands, count, &arena, portions);
    size_t used = 0;
    for (unsigned p = 0; p < engine->pump_count; p++) {
        used += portions[p].command.as.start.count > 0;
    }
    struct latch latch;
    latch_init(&latch, used);
    for (unsigned p = 0; p < engine->pump_count; p++) {
        struct command *command = &portions[p].command;
        if (command->as.start.count > 0) {
            command->as.start.items = portions[p].items;
            command->as.start.statuses = portions[p].statuses;
            command->latch = &latch;
            pump_push(&engine->pumps[p], command);
        }
    }
    latch_wait(&latch);
    latch_done(&latch);
    status = join(engine, portions, count, ret_statuses, err);
    arena_done(&arena);
    leave(engine);
    return status;
}

pd_status engine_raise(struct engine *engine, struct text id, struct text name, struct text payload,
                       pd_error *err)
{
    pd_status status = enter(engine, err);
    if (status != PD_OK) {
        return status;
    }
    struct latch latch;
    latch_init(&latch, 1);
    struct command command = { .kind = COMMAND_RAISE, .latch = &latch, .error = err };
    command.as.raise.id = id;
    command.as.raise.name = name;
    command.as.raise.payload = payload;
    pump_push(&engine->pumps[partition_of(id, engine->pump_count)], &command);
    latch_wait(&latch);
    latch_done(&latch);
    leave(engine);
    return command.status;
}

/* ---- ids
 * --------------------------------------------------------------------------------------------- */

/* 48 bits of milliseconds, 80 of chance: ids made together lie together in the store's index. */
void engine_new_id(char ret[33])
{
    static _Thread_local struct random random;
    static _Thread_local bool is_seeded;
    if (!is_seeded) {
        uint64_t seed;
        if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
            seed = (uint64_t)clock_now() ^ (uint64_t)(uintptr_t)&random;
        }
        random_seed(&random, seed);
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
