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
#include "store/mem/contents.h"

enum { MEM_STORE_MAGIC = 0x6d656d73 };

/* Shared by all handles on it. */
struct hub {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned handles;
    uint64_t generation; /* of handles that are alive (E1) */
    uint64_t commits, mails;
    uint64_t fail_at; /* 0: never; else counts down */
    enum mem_failure failure;
    const struct mem_store *owner; /* of partitions; NULL: nobody */
    struct contents contents;
};

struct mem_store {
    uint32_t magic;
    struct store base;
    struct hub *hub;
    uint64_t generation, owned; /* a bit for each partition */
    uint64_t commits_seen, mails_seen, wakes, wakes_seen;
};

static struct mem_store *mem_store_of(struct store *base)
{
    struct mem_store *store = CONTAINER_OF(base, struct mem_store, base);
    OBJECT_CHECK(store, MEM_STORE_MAGIC);
    return store;
}

/* With the lock when it answers the contents; NULL: the handle is dead, and err says so. */
static struct contents *enter(struct mem_store *store, pd_error *err)
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

static void leave(struct mem_store *store)
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
    struct contents *contents = enter(store, err);
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
    leave(store);
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
    leave(store);
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
    struct contents *contents = enter(store, err);
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
    leave(store);
    return status;
}

static pd_status judge(const struct contents *contents, const struct message *message,
                       pd_error *err)
{
    const struct mem_instance *instance = map_find(&contents->by_id, message->instance_id);
    bool lives = contents_has_start(contents, message->instance_id) ||
                 (instance != NULL && !run_state_is_final(instance->record.state));
    static const char where[] = "mem: accept";
    switch (message->kind) {
    case MESSAGE_START:
        return lives ? error_set(err, PD_E_EXISTS, false, where, "instance '%.*s' has not ended",
                                 TEXT_ARGS(message->instance_id))
                     : PD_OK;
    case MESSAGE_TERMINATE:
    case MESSAGE_SUSPEND:
    case MESSAGE_RESUME:
    case MESSAGE_REWIND:
    case MESSAGE_PURGE:
    case MESSAGE_ADOPT:
    case MESSAGE_CHILD_START:
    case MESSAGE_CHILD_ENSURE:
    case MESSAGE_CHILD_ENDED:
    case MESSAGE_TASK_ENDED:
    case MESSAGE_RAISE:
        if (lives) {
            return PD_OK;
        }
        return instance != NULL
                   ? error_set(err, PD_E_STATE, false, where, "instance '%.*s' has ended",
                               TEXT_ARGS(message->instance_id))
                   : error_set(err, PD_E_NOT_FOUND, false, where, "no instance '%.*s'",
                               TEXT_ARGS(message->instance_id));
    }
    unreachable_state("a message of no kind");
}

/* A start earlier among the same messages counts as waiting. */
static bool starts_before(const struct message *messages, size_t count, struct text id)
{
    for (size_t i = 0; i < count; i++) {
        if (messages[i].kind == MESSAGE_START && text_equal(messages[i].instance_id, id)) {
            return true;
        }
    }
    return false;
}

static pd_status mem_accept(struct store *base, const struct message *messages, size_t count,
                            pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    pd_status status = PD_OK;
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        assert_that(messages[i].partition < base->partition_count);
        if (!starts_before(messages, i, messages[i].instance_id)) {
            status = judge(contents, &messages[i], err);
        } else if (messages[i].kind == MESSAGE_START) {
            status = error_set(err, PD_E_EXISTS, false, "mem: accept",
                               "instance '%.*s' has not ended", TEXT_ARGS(messages[i].instance_id));
        }
    }
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        contents_post(contents, &messages[i]);
    }
    if (status == PD_OK) {
        store->hub->mails++;
        store->hub->commits++;
        pthread_cond_broadcast(&store->hub->changed);
    }
    leave(store);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

static struct instance_record copy_record(const struct instance_record *record, struct arena *arena,
                                          bool with_payloads)
{
    struct instance_record copy = *record;
    copy.id = text_copy(arena, record->id);
    copy.execution_id = text_copy(arena, record->execution_id);
    copy.name = text_copy(arena, record->name);
    copy.version = text_copy(arena, record->version);
    copy.input = with_payloads ? text_copy(arena, record->input) : TEXT_ABSENT;
    copy.output = with_payloads ? text_copy(arena, record->output) : TEXT_ABSENT;
    copy.failure = with_payloads ? text_copy(arena, record->failure) : TEXT_ABSENT;
    copy.custom_status = with_payloads ? text_copy(arena, record->custom_status) : TEXT_ABSENT;
    return copy;
}

static pd_status mem_load_instance(struct store *base, struct text id, uint64_t row,
                                   struct arena *arena, struct instance_record *ret,
                                   bool *ret_found, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    const struct mem_instance *instance = contents_find(contents, id, row);
    *ret_found = instance != NULL;
    if (instance != NULL) {
        *ret = copy_record(&instance->record, arena, true);
    }
    leave(store);
    return PD_OK;
}

static pd_status mem_load_history(struct store *base, uint64_t row, uint64_t from,
                                  struct arena *arena, struct history_rows *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    const struct mem_instance *instance = contents_find(contents, TEXT_ABSENT, row);
    uint64_t first = from != 0 ? from : 1;
    size_t all = instance != NULL ? instance->turn_count : 0;
    size_t count = first <= all ? all - (size_t)first + 1 : 0;
    struct text *turns = arena_alloc(arena, count * sizeof *turns);
    for (size_t i = 0; i < count; i++) {
        turns[i] = text_copy(arena, instance->turns[first - 1 + i]);
    }
    *ret = (struct history_rows){ .turns = turns, .count = count, .first = first };
    leave(store);
    return PD_OK;
}

static pd_status mem_load_inbox(struct store *base, uint64_t row, struct arena *arena,
                                struct inbox_rows *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    const struct mem_instance *instance = contents_find(contents, TEXT_ABSENT, row);
    size_t count = instance != NULL ? instance->inbox_count : 0;
    struct text *events = arena_alloc(arena, count * sizeof *events);
    uint64_t *arrivals = arena_alloc(arena, count * sizeof *arrivals);
    for (size_t i = 0; i < count; i++) {
        events[i] = text_copy(arena, instance->inbox[i].event);
        arrivals[i] = instance->inbox[i].arrival;
    }
    *ret = (struct inbox_rows){ .events = events, .arrivals = arrivals, .count = count };
    leave(store);
    return PD_OK;
}

/* Room for one more in an array that lives in an arena. */
static void *grow(struct arena *arena, void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return items;
    }
    *room = *room != 0 ? *room * 2 : 16;
    void *bigger = arena_alloc(arena, *room * size);
    if (count != 0) {
        memcpy(bigger, items, count * size);
    }
    return bigger;
}

static pd_status mem_scan_busy(struct store *base, unsigned partition, uint64_t after, size_t max,
                               struct arena *arena, struct busy_page *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    uint64_t *rows = NULL;
    size_t count = 0, room = 0;
    for (size_t i = contents_row_above(contents, after); i < contents->row_count && count < max;
         i++) {
        const struct instance_record *record = &contents->rows[i]->record;
        if (record->is_busy && record->partition == partition) {
            rows = grow(arena, rows, count, &room, sizeof *rows);
            rows[count++] = record->row;
        }
    }
    *ret = (struct busy_page){ .rows = rows, .count = count };
    leave(store);
    return PD_OK;
}

static pd_status mem_due_timers(struct store *base, unsigned partition, time_us from, time_us until,
                                size_t max, struct arena *arena, struct timer_page *ret,
                                pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    struct timer_node *root = contents->partitions[partition].timers;
    struct timer_row *items = NULL;
    size_t count = 0, room = 0;
    const struct timer_node *at = max != 0 ? timers_above(root, from, UINT64_MAX) : NULL;
    while (at != NULL && at->due <= until && (count < max || at->due == items[count - 1].due)) {
        items = grow(arena, items, count, &room, sizeof *items);
        items[count++] = (struct timer_row){ .due = at->due, .row = at->row, .id = at->id };
        at = timers_above(root, at->due, at->number);
    }
    *ret = (struct timer_page){ .items = items, .count = count };
    leave(store);
    return PD_OK;
}

static bool fits(const struct instance_record *record, const struct store_query *query)
{
    return (query->states == 0 || (query->states >> record->state & 1) != 0) &&
           text_has_prefix(record->id, query->id_prefix) &&
           (!text_is_present(query->name) || text_equal(record->name, query->name)) &&
           (query->created_from == 0 || record->created_at >= query->created_from) &&
           (query->created_to == 0 || record->created_at <= query->created_to);
}

static pd_status mem_query(struct store *base, const struct store_query *query, struct arena *arena,
                           struct record_page *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    struct instance_record *items = NULL;
    struct record_page page = { 0 };
    size_t room = 0;
    for (size_t i = contents_row_above(contents, query->after_row);
         i < contents->row_count && !page.has_more; i++) {
        const struct instance_record *record = &contents->rows[i]->record;
        if (!fits(record, query)) {
            continue;
        }
        page.has_more = page.count == query->limit;
        if (!page.has_more) {
            items = grow(arena, items, page.count, &room, sizeof *items);
            items[page.count++] = copy_record(record, arena, query->with_payloads);
        }
    }
    page.items = items;
    *ret = page;
    leave(store);
    return PD_OK;
}

static pd_status mem_receive(struct store *base, unsigned partition, uint64_t after, size_t max,
                             struct arena *arena, struct message_page *ret, pd_error *err)
{
    struct mem_store *store = mem_store_of(base);
    struct contents *contents = enter(store, err);
    if (contents == NULL) {
        return err->status;
    }
    struct message *items = NULL;
    size_t count = 0, room = 0;
    const struct mem_message *at = contents->partitions[partition].mailbox;
    for (; at != NULL && count < max; at = at->next) {
        if (at->message.number > after) {
            items = grow(arena, items, count, &room, sizeof *items);
            items[count] = at->message;
            items[count].instance_id = text_copy(arena, at->message.instance_id);
            items[count++].bytes = text_copy(arena, at->message.bytes);
        }
    }
    *ret = (struct message_page){ .items = items, .count = count };
    leave(store);
    return PD_OK;
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
        pthread_cond_destroy(&hub->changed);
        pthread_mutex_destroy(&hub->lock);
        mem_free(hub);
    }
    OBJECT_FREE(store, MEM_STORE_MAGIC);
}

static const struct store_ops mem_ops = {
    .version = 1,
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
