/* SPDX-License-Identifier: MIT
 *
 * A store that fails when told: see flaky_store.h. */
#include "flaky_store.h"

#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"

static struct flaky_store *flaky(struct store *store)
{
    return (struct flaky_store *)(void *)store;
}

static bool is_to_fail(_Atomic int *count)
{
    int left = atomic_load(count);
    while (left > 0) {
        if (atomic_compare_exchange_weak(count, &left, left - 1)) {
            return true;
        }
    }
    return left < 0;
}

static bool is_load_to_fail(struct flaky_store *store)
{
    return atomic_load(&store->loads_to_fail) != 0 && !is_to_fail(&store->loads_before) &&
           is_to_fail(&store->loads_to_fail);
}

static pd_status fail(pd_error *err)
{
    return error_set(err, PD_E_UNAVAILABLE, true, "flaky: store", "the disk is full");
}

static void go_in(struct flaky_store *store)
{
    if (atomic_fetch_add(&store->inside, 1) != 0) {
        atomic_fetch_add(&store->overlaps, 1);
    }
    int us = atomic_load(&store->dwell_us);
    if (us > 0) {
        usleep((useconds_t)us);
    }
    while (atomic_load(&store->is_shut)) {
        usleep(200);
    }
}

static void go_out(struct flaky_store *store)
{
    atomic_fetch_sub(&store->inside, 1);
}

static pd_status own(struct store *store, unsigned partition, time_us now, struct ownership *ret,
                     pd_error *err)
{
    struct store *real = flaky(store)->real;
    go_in(flaky(store));
    pd_status status = is_to_fail(&flaky(store)->owns_to_fail)
                           ? fail(err)
                           : real->ops->own(real, partition, now, ret, err);
    if (status == PD_OK) {
        flaky(store)->epochs[partition] = ret->epoch;
    }
    go_out(flaky(store));
    return status;
}

static void disown(struct store *store, unsigned partition)
{
    struct store *real = flaky(store)->real;
    real->ops->disown(real, partition);
}

static pd_status commit(struct store *store, const struct batch *const *batches, size_t count,
                        pd_error *err)
{
    struct store *real = flaky(store)->real;
    go_in(flaky(store));
    pd_status status = is_to_fail(&flaky(store)->commits_to_fail)
                           ? fail(err)
                           : real->ops->commit(real, batches, count, err);
    flaky(store)->commits += status == PD_OK;
    if (status == PD_OK && is_to_fail(&flaky(store)->commits_to_lie)) {
        status = fail(err);
    }
    go_out(flaky(store));
    return status;
}

static void trim(struct store *store)
{
    go_in(flaky(store));
    go_out(flaky(store));
}

static pd_status load_instance(struct store *store, struct text id, uint64_t row,
                               struct arena *arena, struct instance_record *ret, bool *ret_found,
                               pd_error *err)
{
    struct store *real = flaky(store)->real;
    return is_load_to_fail(flaky(store))
               ? fail(err)
               : real->ops->load_instance(real, id, row, arena, ret, ret_found, err);
}

static pd_status load_history(struct store *store, uint64_t row, uint64_t from, struct arena *arena,
                              struct history_rows *ret, pd_error *err)
{
    struct store *real = flaky(store)->real;
    return is_load_to_fail(flaky(store))
               ? fail(err)
               : real->ops->load_history(real, row, from, arena, ret, err);
}

static pd_status load_inbox(struct store *store, uint64_t row, struct arena *arena,
                            struct inbox_rows *ret, pd_error *err)
{
    struct store *real = flaky(store)->real;
    pd_status status = real->ops->load_inbox(real, row, arena, ret, err);
    if (status == PD_OK && ret->count == 2 && flaky(store)->damages_inboxes) {
        uint64_t *swapped = arena_alloc(arena, 2 * sizeof *swapped);
        swapped[0] = ret->arrivals[1];
        swapped[1] = ret->arrivals[0];
        ret->arrivals = swapped;
    }
    return status;
}

static pd_status scan_busy(struct store *store, unsigned partition, uint64_t after, size_t max,
                           struct arena *arena, struct busy_page *ret, pd_error *err)
{
    struct store *real = flaky(store)->real;
    return real->ops->scan_busy(real, partition, after, max, arena, ret, err);
}

static pd_status due_timers(struct store *store, unsigned partition, time_us from, time_us until,
                            size_t max, struct arena *arena, struct timer_page *ret, pd_error *err)
{
    struct store *real = flaky(store)->real;
    return real->ops->due_timers(real, partition, from, until, max, arena, ret, err);
}

static pd_status accept(struct store *store, const struct message *messages, size_t count,
                        pd_error *err)
{
    struct store *real = flaky(store)->real;
    return real->ops->accept(real, messages, count, err);
}

static pd_status receive(struct store *store, unsigned partition, uint64_t after, size_t max,
                         struct arena *arena, struct message_page *ret, pd_error *err)
{
    struct store *real = flaky(store)->real;
    return real->ops->receive(real, partition, after, max, arena, ret, err);
}

static pd_status load_progress(struct store *store, uint64_t row, struct arena *arena,
                               struct progress_rows *ret, pd_error *err)
{
    struct store *real = flaky(store)->real;
    return real->ops->load_progress(real, row, arena, ret, err);
}

static pd_status query(struct store *store, const struct store_query *query, struct arena *arena,
                       struct record_page *ret, pd_error *err)
{
    struct store *real = flaky(store)->real;
    return real->ops->query(real, query, arena, ret, err);
}

static pd_status load_entity(struct store *store, struct text id, uint64_t row, struct arena *arena,
                             struct entity_record *ret, bool *ret_found, pd_error *err)
{
    struct store *real = flaky(store)->real;
    atomic_fetch_add(&flaky(store)->entity_loads, 1);
    pd_status status = is_load_to_fail(flaky(store))
                           ? fail(err)
                           : real->ops->load_entity(real, id, row, arena, ret, ret_found, err);
    if (status == PD_OK && *ret_found && flaky(store)->damages_entities) {
        ret->lock_owner = TEXT("somebody"); /* in no critical section */
        ret->lock_section = TEXT_ABSENT;
    }
    return status;
}

static pd_status query_entities(struct store *store, const struct entity_query *query,
                                struct arena *arena, struct entity_page *ret, pd_error *err)
{
    struct store *real = flaky(store)->real;
    return real->ops->query_entities(real, query, arena, ret, err);
}

static struct board board(struct store *store, size_t size)
{
    struct store *real = flaky(store)->real;
    return real->ops->board(real, size);
}

static pd_status transact(struct store *store, unsigned partition, uint64_t epoch,
                          bool (*body)(void *argument, void *database, struct message *message),
                          void *argument, pd_error *err)
{
    struct flaky_store *self = flaky(store);
    struct message message;
    int database = self->database;
    pd_status status = PD_OK;
    self->transacts_begun++;
    go_in(self);
    if (is_to_fail(&self->transacts_to_fail)) {
        status = fail(err);
    } else if (epoch != self->epochs[partition]) {
        status = error_set(err, PD_E_LEASE_LOST, false, "flaky: transact", "a stale epoch");
    } else if (!body(argument, &database, &message)) {
        status = error_set(err, PD_E_CANCELLED, false, "flaky: transact", "rolled back");
    } else {
        status = self->real->ops->accept(self->real, &message, 1, err);
        assert_that(status == PD_OK);
        self->database = database;
        self->transacts++;
        status = is_to_fail(&self->transacts_to_lie) ? fail(err) : PD_OK;
    }
    go_out(self);
    return status;
}

static pd_status wait_for(struct store *store, int64_t max_ms, pd_error *err)
{
    struct store *real = flaky(store)->real;
    pd_status status = real->ops->wait(real, max_ms, err);
    while (atomic_load(&flaky(store)->is_deaf) && !atomic_load(&flaky(store)->is_woken)) {
        usleep(1000);
    }
    return status;
}

static void wake(struct store *store)
{
    struct store *real = flaky(store)->real;
    atomic_store(&flaky(store)->is_woken, true);
    real->ops->wake(real);
}

void flaky_store_open(struct flaky_store *store, const char *url)
{
    static const struct store_ops ops = {
        .version = 3,
        .own = own,
        .disown = disown,
        .commit = commit,
        .load_instance = load_instance,
        .load_history = load_history,
        .load_inbox = load_inbox,
        .scan_busy = scan_busy,
        .due_timers = due_timers,
        .accept = accept,
        .receive = receive,
        .wait = wait_for,
        .wake = wake,
        .trim = trim,
        .load_progress = load_progress,
        .query = query,
        .board = board,
        .transact = transact,
        .load_entity = load_entity,
        .query_entities = query_entities,
    };
    pd_error err;
    *store = (struct flaky_store){ .base = { .ops = &ops } };
    store->real = store_open(url, &err);
    assert_that(store->real != NULL);
    store->base.partition_count = store->real->partition_count;
}

void flaky_store_close(struct flaky_store *store)
{
    store_close(store->real);
}
