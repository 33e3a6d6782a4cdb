/* SPDX-License-Identifier: MIT
 *
 * Calls of clients: several items, cut into one command for each partition that has some of them,
 * and put together again. The caller blocks until the last of the commands is answered. */
#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"
#include "engine/engine_priv.h"

/* ---- who is in the engine -------------------------------------------------------------------- */

void calls_init(struct calls *calls)
{
    pthread_mutex_init(&calls->mutex, NULL);
    pthread_cond_init(&calls->ended, NULL);
}

void calls_done(struct calls *calls)
{
    pthread_cond_destroy(&calls->ended);
    pthread_mutex_destroy(&calls->mutex);
}

void calls_close(struct calls *calls)
{
    pthread_mutex_lock(&calls->mutex);
    calls->is_closing = true;
    while (calls->count > 0) {
        pthread_cond_wait(&calls->ended, &calls->mutex);
    }
    pthread_mutex_unlock(&calls->mutex);
}

pd_status calls_enter(struct engine *engine, pd_error *err)
{
    OBJECT_CHECK(engine, ENGINE_MAGIC);
    struct calls *calls = &engine->calls;
    pthread_mutex_lock(&calls->mutex);
    bool is_closing = calls->is_closing;
    calls->count += !is_closing;
    pthread_mutex_unlock(&calls->mutex);
    return is_closing
               ? error_set(err, PD_E_CANCELLED, true, "engine", "the engine is being stopped")
               : PD_OK;
}

void calls_leave(struct engine *engine)
{
    struct calls *calls = &engine->calls;
    pthread_mutex_lock(&calls->mutex);
    if (--calls->count == 0 && calls->is_closing) {
        pthread_cond_signal(&calls->ended);
    }
    pthread_mutex_unlock(&calls->mutex);
}

/* ---- cutting and putting together ------------------------------------------------------------ */

/* What is asked, of whatever type. */
struct asking {
    enum command_kind kind;
    const void *items;
    size_t count, item_size, id_at; /* where in an item its struct text id lies */
};

/* The items of one partition, in the order of the call, as one command. */
struct portion {
    struct command command;
    pd_error error;
    char *items;
    size_t count;
    pd_status *statuses;
    size_t *places; /* where each item stood in the call */
};

static const char *item_at(const struct asking *request, size_t i)
{
    return (const char *)request->items + i * request->item_size;
}

static unsigned owner_of(const struct engine *engine, const struct asking *request, size_t i)
{
    struct text id;
    memcpy(&id, item_at(request, i) + request->id_at, sizeof id);
    return engine->pump_count == 1 ? 0 : partition_of(id, engine->pump_count);
}

static void split(const struct engine *engine, const struct asking *request, struct arena *arena,
                  struct portion *portions)
{
    size_t sizes[LIMIT_PARTITIONS] = { 0 };
    unsigned *owner = arena_alloc_raw(arena, request->count * sizeof *owner);
    for (size_t i = 0; i < request->count; i++) {
        owner[i] = owner_of(engine, request, i);
        sizes[owner[i]]++;
    }
    for (unsigned p = 0; p < engine->pump_count; p++) {
        portions[p].items = arena_alloc_raw(arena, sizes[p] * request->item_size);
        portions[p].statuses = arena_alloc(arena, sizes[p] * sizeof *portions[p].statuses);
        portions[p].places = arena_alloc_raw(arena, sizes[p] * sizeof *portions[p].places);
    }
    for (size_t i = 0; i < request->count; i++) {
        struct portion *portion = &portions[owner[i]];
        size_t at = portion->count++;
        portion->places[at] = i;
        memcpy(portion->items + at * request->item_size, item_at(request, i), request->item_size);
    }
}

static void push(struct engine *engine, unsigned p, const struct asking *request,
                 struct portion *portion, struct latch *latch)
{
    struct command *command = &portion->command;
    *command = (struct command){ .kind = request->kind, .latch = latch, .error = &portion->error };
    if (request->kind == COMMAND_START) {
        command->as.start.items = (const struct start_command *)(const void *)portion->items;
        command->as.start.count = portion->count;
        command->as.start.statuses = portion->statuses;
    } else {
        command->as.tell.items = (const struct letter *)(const void *)portion->items;
        command->as.tell.count = portion->count;
        command->as.tell.statuses = portion->statuses;
    }
    pump_push(&engine->pumps[p], command);
}

/* The first failure in the order of the call, which may lie in any portion. */
static pd_status join(const struct engine *engine, const struct portion *portions, size_t count,
                      pd_status *ret_statuses, pd_error *err)
{
    pd_status first = PD_OK;
    size_t first_place = count;
    for (unsigned p = 0; p < engine->pump_count; p++) {
        for (size_t i = 0; i < portions[p].count; i++) {
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

static pd_status ask(struct engine *engine, const struct asking *request, pd_status *ret_statuses,
                     pd_error *err)
{
    pd_status status = calls_enter(engine, err);
    if (status != PD_OK) {
        return status;
    }
    struct arena arena;
    arena_init(&arena);
    struct portion *portions = arena_alloc(&arena, engine->pump_count * sizeof *portions);
    split(engine, request, &arena, portions);
    size_t used = 0;
    for (unsigned p = 0; p < engine->pump_count; p++) {
        used += portions[p].count > 0;
    }
    struct latch latch;
    latch_init(&latch, used);
    for (unsigned p = 0; p < engine->pump_count; p++) {
        if (portions[p].count > 0) {
            push(engine, p, request, &portions[p], &latch);
        }
    }
    latch_wait(&latch);
    latch_done(&latch);
    status = join(engine, portions, request->count, ret_statuses, err);
    arena_done(&arena);
    calls_leave(engine);
    return status;
}

/* ---- the calls ------------------------------------------------------------------------------- */

pd_status engine_start_instances(struct engine *engine, const struct start_command *commands,
                                 size_t count, pd_status *ret_statuses, pd_error *err)
{
    struct asking request = {
        .kind = COMMAND_START,
        .items = commands,
        .count = count,
        .item_size = sizeof *commands,
        .id_at = offsetof(struct start_command, id),
    };
    return ask(engine, &request, ret_statuses, err);
}

pd_status engine_tell(struct engine *engine, const struct letter *letters, size_t count,
                      pd_status *ret_statuses, pd_error *err)
{
    struct asking request = {
        .kind = COMMAND_TELL,
        .items = letters,
        .count = count,
        .item_size = sizeof *letters,
        .id_at = offsetof(struct letter, instance_id),
    };
    return ask(engine, &request, ret_statuses, err);
}
