/* SPDX-License-Identifier: MIT
 *
 * The janitor: forgets what is not wanted any more.
 *
 * Errands: instances that ended long enough ago, by final state; those that somebody made in
 * passing and did not forget himself; entities that nothing has changed for long enough, by name.
 *
 * A thread that is there only when there are errands. Every so often it asks the store for what is
 * past its limit, whoever ran the engine then, a page at a time, and has it purged as a client
 * would: by letters, each page one commit. What is not there any more, runs again, or has changed
 * since (the letter says which one is meant), refuses, which is fine.
 *
 *   J1  A sweep begins an eighth of its errand's time after the one before ended, but not sooner
 *       than after a quarter of a second, nor later than after a minute. The first begins at once.
 *       For what was made in passing, which there hardly ever is, the first begins as late as the
 *       others would, and these always after an eighth.
 *   J2  After a page it rests four times as long as that took: a fifth of one thread, and of the
 *       disk, at most.
 *   J3  It is stopped between two pages at the latest. */
#include "base/arena.h"
#include "engine/engine_priv.h"

enum { PAGE = 500, REST = 4, PASSING_FAILED_TIMES = 7 * 24 };

#define GAP_MIN (TIME_SECOND / 4)
#define GAP_MAX (60 * TIME_SECOND)
#define PASSING_KEEP_MS (60 * 60 * 1000)

struct errand {
    struct errand *next;
    int64_t keep_ms;
    time_us due, gap; /* steady; J1 */
    bool is_of_entities;
    unsigned states;       /* of instances that have ended */
    struct text name;      /* likewise; absent: any */
    struct text id_prefix; /* of entities: "@name@"; absent: of those that no errand names */
};

/* A sweep under way. */
struct sweep {
    struct janitor *janitor;
    const struct errand *errand;
    time_us until;
    uint64_t after_row;
};

/* ---- errands --------------------------------------------------------------------------------- */

static struct errand *add(struct janitor *janitor, int64_t keep_ms)
{
    struct errand *errand = arena_alloc(&janitor->arena, sizeof *errand);
    time_us eighth = time_us_of_ms(keep_ms) / 8;
    errand->keep_ms = keep_ms;
    errand->gap = eighth < GAP_MIN ? GAP_MIN : eighth > GAP_MAX ? GAP_MAX : eighth;
    errand->next = janitor->errands;
    janitor->errands = errand;
    return errand;
}

static void add_entities(struct janitor *janitor, const struct entity_keep *keep)
{
    struct errand *errand = add(janitor, keep->keep_ms);
    errand->is_of_entities = true;
    if (text_is_present(keep->name)) {
        errand->id_prefix = text_of(arena_printf(&janitor->arena, "@%.*s@", TEXT_ARGS(keep->name)));
    }
}

static void add_passing(struct janitor *janitor, const struct engine_options *options,
                        struct text name, unsigned states, int64_t times)
{
    int64_t keep_ms = options->passing_keep_ms != 0 ? options->passing_keep_ms : PASSING_KEEP_MS;
    struct errand *errand = add(janitor, keep_ms * times);
    errand->states = states;
    errand->name = text_copy(&janitor->arena, name);
    errand->due = time_add(clock_steady(), errand->gap); /* not beside recovery */
    time_us eighth = time_us_of_ms(errand->keep_ms) / 8;
    errand->gap = eighth > errand->gap ? eighth : errand->gap;
}

static void plan(struct janitor *janitor, const struct engine_options *options)
{
    for (enum run_state state = RUN_COMPLETED; state <= RUN_TERMINATED; state++) {
        if (options->keep_ms[state] != 0) {
            add(janitor, options->keep_ms[state])->states = 1u << state;
        }
    }
    for (size_t i = 0; i < options->entity_keep_count; i++) {
        add_entities(janitor, &options->entity_keeps[i]);
    }
    for (size_t i = 0; i < options->passing_name_count; i++) {
        add_passing(janitor, options, options->passing_names[i], STATES_ENDED, 1);
    }
    for (size_t i = 0; i < options->passing_completed_count; i++) {
        struct text name = options->passing_completed[i];
        unsigned completed = 1u << RUN_COMPLETED;
        add_passing(janitor, options, name, completed, 1);
        add_passing(janitor, options, name, STATES_ENDED & ~completed, PASSING_FAILED_TIMES);
    }
}

/* Has the entity an errand of its own, which may be to keep it for ever? */
static bool is_named(const struct janitor *janitor, struct text id)
{
    for (const struct errand *errand = janitor->errands; errand != NULL; errand = errand->next) {
        if (text_is_present(errand->id_prefix) && text_has_prefix(id, errand->id_prefix)) {
            return true;
        }
    }
    return false;
}

/* ---- sweeping -------------------------------------------------------------------------------- */

/* False: it is to stop. */
static bool rest(struct janitor *janitor, int64_t us)
{
    time_us until = time_add(clock_steady(), us);
    pthread_mutex_lock(&janitor->mutex);
    while (!janitor->is_stopping) {
        int64_t left = until - clock_steady();
        if (left <= 0 || !clock_cond_wait(&janitor->stop, &janitor->mutex, left)) {
            break;
        }
    }
    bool goes_on = !janitor->is_stopping;
    pthread_mutex_unlock(&janitor->mutex);
    return goes_on;
}

/* False: the engine does not listen, the next sweep tries again. */
static bool purge(struct sweep *sweep, const struct letter *letters, size_t count)
{
    pd_error err;
    pd_status status =
        count == 0 ? PD_OK : engine_tell(sweep->janitor->engine, letters, count, NULL, &err);
    return status != PD_E_UNAVAILABLE && status != PD_E_CANCELLED;
}

/* True: there may be more behind after_row. */
static bool purge_instances(struct sweep *sweep, struct arena *arena)
{
    struct store *store = sweep->janitor->engine->store;
    struct store_query query = { .states = sweep->errand->states,
                                 .name = sweep->errand->name,
                                 .ended_to = sweep->until,
                                 .after_row = sweep->after_row,
                                 .limit = PAGE };
    struct record_page page = { 0 };
    pd_error err;
    if (store->ops->query(store, &query, arena, &page, &err) != PD_OK || page.count == 0) {
        return false; /* in trouble: the next sweep tries again */
    }
    struct letter *letters = arena_alloc(arena, page.count * sizeof *letters);
    for (size_t i = 0; i < page.count; i++) {
        letters[i] = (struct letter){
            .kind = MESSAGE_PURGE,
            .instance_id = page.items[i].id,
            .execution_id = page.items[i].execution_id, /* not one that comes between */
        };
    }
    sweep->after_row = page.items[page.count - 1].row;
    return purge(sweep, letters, page.count) && page.has_more;
}

/* Likewise. By row: a sweep passes all entities, and most are in use. */
static bool purge_entities(struct sweep *sweep, struct arena *arena)
{
    struct store *store = sweep->janitor->engine->store;
    const struct errand *errand = sweep->errand;
    struct entity_query query = { .id_prefix = errand->id_prefix,
                                  .changed_to = sweep->until,
                                  .with_empty = true,
                                  .by_row = true,
                                  .after_row = sweep->after_row,
                                  .limit = PAGE };
    struct entity_page page = { 0 };
    pd_error err;
    if (store->ops->query_entities(store, &query, arena, &page, &err) != PD_OK || page.count == 0) {
        return false;
    }
    struct letter *letters = arena_alloc(arena, page.count * sizeof *letters);
    size_t count = 0;
    for (size_t i = 0; i < page.count; i++) {
        const struct entity_record *record = &page.items[i];
        bool is_in_use = record->backlog != 0 || text_is_present(record->lock_owner);
        bool is_meant = text_is_present(errand->id_prefix) || !is_named(sweep->janitor, record->id);
        if (is_meant && !is_in_use) { /* who would only be read in, to refuse */
            letters[count++] = (struct letter){
                .kind = MESSAGE_PURGE,
                .instance_id = record->id,
                .execution_id = text_of(arena_printf(arena, "%lld", (long long)record->updated_at)),
            };
        }
    }
    sweep->after_row = page.items[page.count - 1].row;
    return purge(sweep, letters, count) && page.has_more;
}

/* False: it is to stop. */
static bool run_errand(struct janitor *janitor, struct errand *errand)
{
    struct arena arena;
    struct sweep sweep = { .janitor = janitor,
                           .errand = errand,
                           .until = clock_now() - time_us_of_ms(errand->keep_ms) };
    bool has_more = true, goes_on = true;
    while (has_more && goes_on) {
        time_us began = clock_steady();
        arena_init(&arena);
        has_more = errand->is_of_entities ? purge_entities(&sweep, &arena)
                                          : purge_instances(&sweep, &arena);
        arena_done(&arena);
        goes_on = rest(janitor, has_more ? REST * (clock_steady() - began) : 0); /* J2 */
    }
    errand->due = time_add(clock_steady(), errand->gap); /* J1 */
    return goes_on;
}

static void *body(void *argument)
{
    struct janitor *janitor = argument;
    thread_name("pd-janitor");
    bool goes_on = true;
    while (goes_on) {
        time_us next = TIME_NEVER;
        for (struct errand *errand = janitor->errands; errand != NULL && goes_on;
             errand = errand->next) {
            bool is_idle = errand->keep_ms == 0 || errand->due > clock_steady();
            goes_on = is_idle || run_errand(janitor, errand);
            next = errand->keep_ms != 0 && errand->due < next ? errand->due : next;
        }
        int64_t left = next - clock_steady();
        goes_on = goes_on && rest(janitor, left > 0 ? left : 0);
    }
    return NULL;
}

bool janitor_start(struct janitor *janitor, struct engine *engine,
                   const struct engine_options *options)
{
    janitor->engine = engine;
    pthread_mutex_init(&janitor->mutex, NULL);
    clock_cond_init(&janitor->stop);
    arena_init(&janitor->arena);
    plan(janitor, options);
    bool is_wanted = false;
    for (const struct errand *errand = janitor->errands; errand != NULL; errand = errand->next) {
        is_wanted |= errand->keep_ms != 0;
    }
    janitor->has_thread = is_wanted && thread_start(&janitor->thread, body, janitor);
    return janitor->has_thread == is_wanted;
}

void janitor_stop(struct janitor *janitor)
{
    if (janitor->has_thread) {
        pthread_mutex_lock(&janitor->mutex);
        janitor->is_stopping = true;
        pthread_cond_signal(&janitor->stop);
        pthread_mutex_unlock(&janitor->mutex);
        pthread_join(janitor->thread, NULL);
    }
    arena_done(&janitor->arena);
    pthread_cond_destroy(&janitor->stop);
    pthread_mutex_destroy(&janitor->mutex);
}
