/* SPDX-License-Identifier: MIT
 *
 * Handles on contents in memory: the contract's calls, the lock, and the hooks of mem.h. */
#include "store/mem/mem.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/object.h"
#include "store/judge.h"
#include "store/mem/mem_store.h"

struct mem_store *mem_store_of(struct store *base)
{
    struct mem_store *store = CONTAINER_OF(base, struct mem_store, base);
    OBJECT_CHECK(store, MEM_STORE_MAGIC);
    return store;
}

/* With the lock when it answers the contents; NULL: the handle is dead, and err says so. */
struct contents *mem_enter(struct mem_store *store, pd_error *err)
{
    struct hub *hub = store->hub;
    pthread_mutex_lock(&hub->lock);
    if (store->generation == hub->generation) {
        return &hub->contents;
    }
    pthread_mutex_unlock(&hub->lock);
    (void)error_set(err, PD_E_UNAVAILABLE, true, "mem", "this handle did not survive the crash");
    return NULL;
}

void mem_leave(struct mem_store *store)
{
    pthread_mutex_unlock(&store->hub->lock);
}

/* ---- writing --------------------------------------------------------------------------------- */

static pd_status mem_own(struct store *base, unsigned partition, time_us now, struct ownership *ret,
                         pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    (void)now;
    assert_that(partition < base->partition_count);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    pd_status status = PD_OK;
    if (store->hub->owner != NULL && store->hub->owner != store) {
        status = error_set(err, PD_E_STATE, false, "mem: own",
                           "the engine of this hub is run by another handle of this process");
    } else {
        struct mem_partition *home = &contents->partitions[partition];
        uint64_t count = contents->partition_count;
        uint64_t row = home->row_high - home->row_high % count + partition;
        store->hub->owner = store;
        store->owned |= UINT64_C(1) << partition;
        ret->epoch = ++home->epoch;
        ret->row_next = row > home->row_high ? row : row + count;
    }
    mem_leave(store);
    return status;
}

static void disown_with_lock(struct mem_store *store, uint64_t partitions)
{
    store->owned &= ~partitions;
    if (store->owned == 0 && store->hub->owner == store) {
        store->hub->owner = NULL;
    }
}

static void mem_disown(struct store *base, unsigned partition)
{
    struct mem_store *store = mem_store_of(base);
    pthread_mutex_lock(&store->hub->lock);
    disown_with_lock(store, UINT64_C(1) << partition);
    mem_leave(store);
}

static pd_status check_epochs(const struct contents *contents, const struct batch *const *batches,
                              size_t count, pd_error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t epoch = contents->partitions[batches[i]->partition].epoch;
        if (epoch != batches[i]->epoch) {
            return error_set(err, PD_E_LEASE_LOST, false, "mem: commit",
                             "partition %u has a newer owner: epoch %llu, not %llu",
                             batches[i]->partition, (unsigned long long)epoch,
                             (unsigned long long)batches[i]->epoch);
        }
    }
    return PD_OK;
}

static pd_status mem_commit(struct store *base, const struct batch *const *batches, size_t count,
                            pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    struct hub *hub = store->hub;
    bool fails = hub->fail_at == 1;
    hub->fail_at -= hub->fail_at != 0;
    pd_status status = PD_OK;
    if (fails && hub->failure == MEM_FAIL_LOST) {
        status = error_set(err, PD_E_UNAVAILABLE, true, "mem: commit", "told to fail before");
    } else {
        status = check_epochs(contents, batches, count, err);
    }
    if (status == PD_OK) {
        for (size_t i = 0; i < count; i++) {
            contents_apply(contents, batches[i]);
        }
        hub->commits++;
        pthread_cond_broadcast(&hub->changed);
        if (fails) {
            status = error_set(err, PD_E_UNAVAILABLE, true, "mem: commit", "told to fail after");
        }
    }
    mem_leave(store);
    return status;
}

/* One earlier among the same messages counts as waiting. */
static bool waits_before(const struct message *messages, size_t count, struct text id)
{
    for (size_t i = 0; i < count; i++) {
        if (judge_makes(messages[i].kind) && text_equal(messages[i].instance_id, id)) {
            return true;
        }
    }
    return false;
}

static pd_status mem_accept(struct store *base, const struct message *messages, size_t count,
                            pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = mem_enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    pd_status status = PD_OK;
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        assert_that(messages[i].partition < base->partition_count);
        struct text id = messages[i].instance_id;
        if (judge_takes_all(messages[i].kind)) {
            continue;
        }
        bool asks_entity = judge_asks_entity(&messages[i]);
        const struct mem_instance *instance =
            asks_entity ? contents_find_entity(contents, id, 0) : contents_find(contents, id, 0);
        struct addressee addressee = {
            .exists = instance != NULL,
            .state = instance != NULL && !asks_entity ? instance->record.state : RUN_PENDING,
            .waits = contents_waits(contents, id) || waits_before(messages, i, id),
        };
        status = judge_message(&messages[i], &addressee, "mem: accept", err);
    }
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        contents_post(contents, &messages[i]);
    }
    if (status == PD_OK) {
        store->hub->mails++;
        store->hub->commits++;
        pthread_cond_broadcast(&store->hub->changed);
    }
    mem_leave(store);
    return status;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* Something has happened that this handle has not been told. Tells it. */
static bool has_news(struct mem_store *store)
{
    struct hub *hub = store->hub;
    bool is_owner = hub->owner == store;
    bool news = store->generation != hub->generation || store->wakes != store->wakes_seen ||
                (is_owner ? store->mails_seen != hub->mails : store->commits_seen != hub->commits);
    store->wakes_seen = store->wakes;
    store->mails_seen = hub->mails;
    store->commits_seen = hub->commits;
    return news;
}

static pd_status mem_wait(struct store *base, int64_t max_ms, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct hub *hub = store->hub;
    struct timespec until;
    (void)err;
    pthread_mutex_lock(&hub->lock);
    uint64_t wakes = store->wakes;
    bool news = has_news(store);
    if (!news && max_ms > 0) {
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + max_ms % 1000 * 1000000;
        until.tv_sec += (time_t)(max_ms / 1000 + ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        int code = 0;
        /* A wake is for all who wait: hence the count as it was, and not the one last seen. */
        while (!news && code != ETIMEDOUT) {
            code = pthread_cond_timedwait(&hub->changed, &hub->lock, &until);
            news = has_news(store) || store->wakes != wakes;
        }
    }
    pthread_mutex_unlock(&hub->lock);
    return PD_OK;
}

static void mem_wake(struct store *base)
{
    struct mem_store *store = mem_store_of(base);
    pthread_mutex_lock(&store->hub->lock);
    store->wakes++;
    pthread_cond_broadcast(&store->hub->changed);
    pthread_mutex_unlock(&store->hub->lock);
}

/* ---- handles --------------------------------------------------------------------------------- */

static void mem_close(struct store *base)
{
    struct mem_store *store = mem_store_of(base);
    struct hub *hub = store->hub;
    pthread_mutex_lock(&hub->lock);
    disown_with_lock(store, UINT64_MAX);
    bool is_last = --hub->handles == 0;
    pthread_mutex_unlock(&hub->lock);
    if (is_last) {
        contents_done(&hub->contents);
        mem_free(hub->board.at);
        pthread_cond_destroy(&hub->changed);
        pthread_mutex_destroy(&hub->lock);
        mem_free(hub);
    }
    OBJECT_FREE(store, MEM_STORE_MAGIC);
}

/* It is the hub's: an engine that comes after a crash finds what the one before had written. */
static struct board mem_board(struct store *base, size_t size)
{
    struct mem_store *store = mem_store_of(base);
    struct board board = { 0 };
    pd_error ignored;
    struct hub *hub = store->hub;
    if (mem_enter(store, &ignored) == NULL) {
        return board;
    }
    uint64_t all = UINT64_MAX >> (64 - hub->contents.partition_count);
    if (size != 0 && hub->owner == store && store->owned == all) {
        if (hub->board.size < size) {
            hub->board.at = mem_grow(hub->board.at, hub->board.size, size);
            hub->board.size = size;
        }
        board = hub->board;
    }
    mem_leave(store);
    return board;
}

static const struct store_ops mem_ops = {
    .version = 4,
    .close = mem_close,
    .own = mem_own,
    .disown = mem_disown,
    .commit = mem_commit,
    .load_instance = mem_load_instance,
    .load_history = mem_load_history,
    .load_inbox = mem_load_inbox,
    .scan_busy = mem_scan_busy,
    .due_timers = mem_due_timers,
    .query = mem_query,
    .accept = mem_accept,
    .receive = mem_receive,
    .wait = mem_wait,
    .wake = mem_wake,
    .count = mem_count,
    .load_progress = mem_load_progress,
    .board = mem_board,
    .load_entity = mem_load_entity,
    .query_entities = mem_query_entities,
    .load_turns = mem_load_turns,
};

/* With the hub's lock, or before anyone else knows the hub. */
static struct store *new_handle(struct hub *hub)
{
    struct mem_store *store = OBJECT_NEW(struct mem_store, MEM_STORE_MAGIC);
    store->base.ops = &mem_ops;
    store->base.partition_count = hub->contents.partition_count;
    store->hub = hub;
    store->generation = hub->generation;
    store->commits_seen = hub->commits;
    store->mails_seen = hub->mails;
    hub->handles++;
    return &store->base;
}

struct store *store_mem_new(unsigned partition_count)
{
    assert_that(partition_count != 0 && partition_count <= LIMIT_PARTITIONS);
    struct hub *hub = mem_alloc(sizeof *hub);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&hub->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&hub->lock, NULL);
    contents_init(&hub->contents, partition_count);
    return new_handle(hub);
}

void store_mem_fail_commit(struct store *base, uint64_t n, enum mem_failure failure)
{
    struct mem_store *store = mem_store_of(base);
    pthread_mutex_lock(&store->hub->lock);
    store->hub->fail_at = n;
    store->hub->failure = failure;
    pthread_mutex_unlock(&store->hub->lock);
}

struct store *store_mem_reopen(struct store *base)
{
    struct mem_store *store = mem_store_of(base);
    struct hub *hub = store->hub;
    pthread_mutex_lock(&hub->lock);
    hub->generation++;
    hub->owner = NULL;
    hub->fail_at = 0;
    struct store *again = new_handle(hub);
    pthread_cond_broadcast(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
    return again;
}

struct store *store_mem_open(struct store *base)
{
    struct mem_store *store = mem_store_of(base);
    pthread_mutex_lock(&store->hub->lock);
    struct store *another = new_handle(store->hub);
    pthread_mutex_unlock(&store->hub->lock);
    return another;
}

uint64_t store_mem_commit_count(struct store *base)
{
    struct mem_store *store = mem_store_of(base);
    pthread_mutex_lock(&store->hub->lock);
    uint64_t commits = store->hub->commits;
    pthread_mutex_unlock(&store->hub->lock);
    return commits;
}
