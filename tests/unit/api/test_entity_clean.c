/* SPDX-License-Identifier: MIT
 *
 * Cleaning entities, seen from the store: what it takes to look at those that are locked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "api/api_priv.h"
#include "base/memory.h"

enum { OWNERS = 20, INPUT = 1024 * 1024 };

/* ---- a store that tells what its callers hold ----------------------------------------------- */

static struct store_ops watching;
static const struct store_ops *real;
static _Thread_local bool is_watched; /* the engine's threads load, too */
static size_t loads, held_most;

static pd_status watch_load(struct store *store, struct text id, uint64_t row, struct arena *arena,
                            struct instance_record *ret, bool *ret_found, pd_error *err)
{
    if (is_watched) {
        loads++;
        held_most = arena_size(arena) > held_most ? arena_size(arena) : held_most;
    }
    return real->load_instance(store, id, row, arena, ret, ret_found, err);
}

static pd_result hold(pd_orchestration *o, pd_value input)
{
    PD_LOCKED(o, PD_ENTITY("door", pd_instance_id(o))) {
        (void)pd_wait_event(o, "Never");
    }
    return pd_ok(o, input);
}
static const pd_function program[] = { PD_FUNCTION("Hold", hold) };

static bool is_locked(pd_hub *hub, const char *key)
{
    pd_error err;
    pd_entity_view *view = pd_hub_fetch_entity(hub, PD_ENTITY("door", key), &err);
    bool is = view != NULL && pd_entity_view_locked_by(view) != NULL;
    pd_entity_view_free(view);
    return is;
}

static void one_owner_is_looked_at_at_a_time(void **state)
{
    (void)state;
    pd_error err;
    pd_cleaned cleaned;
    char *text = mem_alloc(INPUT + 1);
    memset(text, 'x', INPUT);
    pd_hub *hub = pd_hub_open("memory:", &err);
    real = hub->store->ops;
    watching = *real;
    watching.load_instance = watch_load;
    hub->store->ops = &watching; /* before there are threads */
    pd_worker *worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    assert_non_null(worker);
    for (int i = 0; i < OWNERS; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        pd_start_options options = { .id = id };
        assert_int_equal(pd_hub_start(hub, hold, text, &options, NULL, &err), PD_OK);
        for (int k = 0; k < 3000 && !is_locked(hub, id); k++) {
            nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
        }
    }
    is_watched = true;
    assert_int_equal(pd_hub_clean_entities(hub, &cleaned, &err), PD_OK);
    is_watched = false;
    assert_int_equal(cleaned.unlocked, 0);
    assert_int_equal(loads, OWNERS);
    assert_true(held_most < 2 * INPUT);
    pd_hub_close(hub);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_owner_is_looked_at_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
