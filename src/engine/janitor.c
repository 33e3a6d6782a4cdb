/* SPDX-License-Identifier: MIT
 *
 * The janitor: forgets instances that ended long enough ago.
 *
 * A thread that is there only when something is to be forgotten. Every so often it asks the store
 * for what ended before the limit, whoever ran the engine then, a page at a time, and has it purged
 * as a client would: by letters, each page one commit. An instance that is not there any more, or
 * runs again, refuses, which is fine.
 *
 *   J1  A sweep begins an eighth of the shortest time after the one before ended, but not sooner
 *       than after a quarter of a second, nor later than after a minute.
 *   J2  After a page it rests four times as long as that took: a fifth of one thread, and of the
 *       disk, at most.
 *   J3  It is stopped between two pages at the latest. */
#include "base/arena.h"
#include "base/memory.h"
#include "engine/engine_priv.h"

enum { PAGE = 500, REST = 4 };

#define GAP_MIN (TIME_SECOND / 4)
#define GAP_MAX (60 * TIME_SECOND)

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

/* True: there may be more behind *after. */
static bool purge_page(struct janitor *janitor, enum run_state state, time_us ended_to,
                       uint64_t *after, struct arena *arena)
{
    struct store *store = janitor->engine->store;
    struct store_query query = {
        .states = 1u << state, .ended_to = ended_to, .after_row = *after, .limit = PAGE
    };
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
    pd_status status = engine_tell(janitor->engine, letters, page.count, NULL, &err);
    *after = page.items[page.count - 1].row;
    return page.has_more && status != PD_E_UNAVAILABLE && status != PD_E_CANCELLED;
}

/* False: it is to stop. */
static bool sweep(struct janitor *janitor, enum run_state state)
{
    struct arena arena;
    uint64_t after = 0;
    bool has_more = true, goes_on = true;
    time_us ended_to = clock_now() - time_us_of_ms(janitor->keep_ms[state]);
    while (has_more && goes_on) {
        time_us began = clock_steady();
        arena_init(&arena);
        has_more = purge_page(janitor, state, ended_to, &after, &arena);
        arena_done(&arena);
        goes_on = rest(janitor, has_more ? REST * (clock_steady() - began) : 0); /* J2 */
    }
    return goes_on;
}

static int64_t gap(const struct janitor *janitor)
{
    int64_t shortest = INT64_MAX;
    for (enum run_state state = RUN_COMPLETED; state <= RUN_TERMINATED; state++) {
        int64_t keep = janitor->keep_ms[state];
        shortest = keep != 0 && keep < shortest ? keep : shortest;
    }
    int64_t us = time_us_of_ms(shortest) / 8;
    return us < GAP_MIN ? GAP_MIN : us > GAP_MAX ? GAP_MAX : us;
}

static void *body(void *argument)
{
    struct janitor *janitor = argument;
    thread_name("pd-janitor");
    bool goes_on = true;
    while (goes_on) {
        for (enum run_state state = RUN_COMPLETED; state <= RUN_TERMINATED && goes_on; state++) {
            goes_on = janitor->keep_ms[state] == 0 || sweep(janitor, state);
        }
        goes_on = goes_on && rest(janitor, gap(janitor)); /* J1 */
    }
    return NULL;
}

bool janitor_start(struct janitor *janitor, struct engine *engine, const int64_t *keep_ms)
{
    janitor->engine = engine;
    pthread_mutex_init(&janitor->mutex, NULL);
    clock_cond_init(&janitor->stop);
    bool is_wanted = false;
    for (enum run_state state = RUN_COMPLETED; state <= RUN_TERMINATED; state++) {
        janitor->keep_ms[state] = keep_ms[state];
        is_wanted |= keep_ms[state] != 0;
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
    pthread_cond_destroy(&janitor->stop);
    pthread_mutex_destroy(&janitor->mutex);
}
