/* SPDX-License-Identifier: MIT
 *
 * The broker as a whole: made, run, stopped. */
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "broker/broker_priv.h"

#define LOST_DELAY (700 * TIME_MS)
#define TURN_TIMEOUT (600 * TIME_SECOND)

enum {
    CRASHES_MAX = 3,
    PAST_BYTES = 64 * 1024 * 1024,
    ITEM_BYTES = 4 * 1024 * 1024 - 4096, /* what most clients take, less what is around it */
    WAITING_MAX = 4096,
    ACTIVITY_BYTES = 32 * 1024 * 1024,
    CACHE_LINE = 64
};

static void set_defaults(struct broker_options *options)
{
    options->lost_delay_us = options->lost_delay_us != 0 ? options->lost_delay_us : LOST_DELAY;
    options->turn_timeout_us =
        options->turn_timeout_us != 0 ? options->turn_timeout_us : TURN_TIMEOUT;
    options->crashes_max = options->crashes_max != 0 ? options->crashes_max : CRASHES_MAX;
    options->past_bytes = options->past_bytes != 0 ? options->past_bytes : PAST_BYTES;
    options->item_bytes = options->item_bytes != 0 ? options->item_bytes : ITEM_BYTES;
    options->waiting_max = options->waiting_max != 0 ? options->waiting_max : WAITING_MAX;
    options->activity_bytes =
        options->activity_bytes != 0 ? options->activity_bytes : ACTIVITY_BYTES;
}

struct broker *broker_new(const struct broker_options *options)
{
    unsigned count = options->partition_count;
    assert_that(count >= 1 && count <= LIMIT_PARTITIONS);
    struct broker *broker = object_new(sizeof *broker + count * sizeof(struct side), BROKER_MAGIC);
    broker->runner.ops = &broker_runner_ops;
    broker->options = *options;
    set_defaults(&broker->options);
    inbox_init(&broker->inbox);
    listed_init(&broker->listed);
    list_init(&broker->active);
    list_init(&broker->streams);
    list_init(&broker->lost);
    list_init(&broker->timed);
    list_init(&broker->fresh);
    list_init(&broker->resting);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        lanes_init(&broker->lanes[kind]);
        map_init(&broker->strange.told[kind]);
    }
    asides_init(&broker->asides, dice_next(broker));
    arena_init(&broker->strange.names);
    broker->instance_seed = dice_next(broker);
    broker->wake_at = TIME_NEVER;
    broker->side_count = count;
    for (unsigned i = 0; i < count; i++) {
        side_init(&broker->sides[i], broker, broker->options.past_bytes / count);
    }
    return broker;
}

struct runner *broker_runner(struct broker *broker)
{
    OBJECT_CHECK(broker, BROKER_MAGIC);
    return &broker->runner;
}

void broker_say(struct broker *broker, const char *format, ...)
{
    char line[512];
    va_list arguments;
    if (broker->options.log != NULL) {
        va_start(arguments, format);
        (void)vsnprintf(line, sizeof line, format, arguments);
        va_end(arguments);
        broker->options.log(broker->options.argument, line);
    }
}

struct broker_counters broker_counters(const struct broker *broker)
{
    OBJECT_CHECK(broker, BROKER_MAGIC);
    return broker->counters;
}

/* ---- what comes from other threads ----------------------------------------------------------- */

static void arrive(struct broker *broker, struct item *item)
{
    if (item->row != NULL) {
        item->abandons = item->row->abandons;
        item->losses = item->row->losses;
        item->deaths = item->row->deaths;
        item->accused = item->row->accused;
        item->avoid = item->row->avoid;
        item->has_place = item->row->place != 0;
        item->seq = item->row->place;
        item->row->place = 0;
        item->row->item = item;
    }
    item_enter(broker, item);
    if (item->kind == KIND_ACTIVITY && activity_limits(item->activity).start_ms != 0) {
        rest_watch(broker, item);
    }
    if (!aside_put(broker, item)) {
        lanes_put(broker, item);
    }
}

static void forget(struct broker *broker, struct row *row)
{
    aside_drop_row(broker, row->row);
    if (row->item != NULL) {
        item_unwant(broker, row->item);
    }
    row_unref(row);
}

/* The partition begins again: its turns are offered anew, and activities that nobody has begun. */
static void forget_all(struct broker *broker, unsigned partition)
{
    aside_forget(broker, partition);
    for (size_t i = 0; i < broker->slots.count; i++) {
        struct item *item = broker->slots.items[i];
        if (item == NULL) {
            continue;
        }
        if (item->kind != KIND_ACTIVITY && item->ticket.partition == partition) {
            item_unwant(broker, item);
        } else if (item->kind == KIND_ACTIVITY && item->state != ITEM_GHOST &&
                   item->state != ITEM_OUT && !item->has_token &&
                   item->activity->partition == partition) {
            item_end(broker, item);
        }
    }
}

static void take(struct broker *broker, const struct arrival *arrival)
{
    void *what = arrival->what;
    switch (arrival->kind) {
    case ARRIVES_ITEM: arrive(broker, what); return;
    case ARRIVES_ACTIVITY: arrive(broker, item_of_activity(broker, what)); return;
    case ARRIVES_FORGET: forget(broker, what); return;
    case ARRIVES_ANSWER: errand_answered(broker, what); return;
    case ARRIVES_CANCEL: activity_cancel_all(broker, what); break;
    case ARRIVES_GONE: aside_drop_row(broker, ((struct cancelled *)what)->row); break;
    case ARRIVES_FORGET_ALL: forget_all(broker, ((struct cancelled *)what)->partition); break;
    }
    mem_free(what);
}

static void fetch_ahead(const struct arrival *arrival)
{
    size_t size = arrival->kind == ARRIVES_ITEM ? sizeof(struct item) : sizeof(struct errand);
    for (size_t line = 0; line < size; line += CACHE_LINE) {
        __builtin_prefetch((const char *)arrival->what + line);
    }
}

static void take_inbox(struct broker *broker)
{
    enum { AHEAD = 4 };
    size_t count;
    const struct arrival *arrivals = inbox_take(broker, &count);
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            fetch_ahead(&arrivals[i + AHEAD]);
        }
        take(broker, &arrivals[i]);
    }
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* A wake that comes too early does no harm, so a later time is not worth a call. But a timer's
 * clock may be coarse: the one that is near may be the one that has fired. */
static void set_wake(struct broker *broker)
{
    time_us next = rest_next(broker);
    if (broker->wake_at <= time_add(broker->now, 10 * TIME_MS)) {
        broker->wake_at = TIME_NEVER;
    }
    if (next < broker->wake_at) {
        broker->wake_at = next;
        broker->options.wake_at(broker->options.argument, next);
    }
}

void broker_run(struct broker *broker, time_us steady)
{
    OBJECT_CHECK(broker, BROKER_MAGIC);
    atomic_store(&broker->is_posted, false);
    broker->now = steady;
    broker->young_until =
        broker->young_until != 0 ? broker->young_until : time_add(steady, YOUNG_US);
    if (broker->engine == NULL) {
        return;
    }
    broker->is_running = true;
    if (broker->has_others) { /* once, however many came and went: all that waits is looked at */
        broker->has_others = false;
        lanes_rebuild(broker);
        rest_wake_all(broker);
    }
    take_inbox(broker);
    rest_freshen(broker);
    rest_look(broker);
    give_all(broker);
    aside_call(broker);
    rest_trim(broker);
    broker->is_running = false;
    if (!list_is_empty(&broker->fresh) || broker->has_others) {
        broker_poke(broker);
    }
    set_wake(broker);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* All that is here is in the store, and will be offered by the next engine. */
static void drop_all(struct broker *broker)
{
    take_inbox(broker);
    aside_drop_all(broker);
    for (size_t i = 0; i < broker->slots.count; i++) {
        if (broker->slots.items[i] != NULL) {
            item_end(broker, broker->slots.items[i]);
        }
    }
}

void broker_set_engine(struct broker *broker, struct engine *engine)
{
    OBJECT_CHECK(broker, BROKER_MAGIC);
    broker->engine = engine;
    if (engine == NULL) {
        drop_all(broker);
    } else {
        broker_poke(broker);
    }
}

void broker_free(struct broker *broker)
{
    OBJECT_CHECK(broker, BROKER_MAGIC);
    assert_that(list_is_empty(&broker->streams));
    drop_all(broker);
    for (unsigned i = 0; i < broker->side_count; i++) {
        struct side *side = &broker->sides[i];
        side_done(side);
        items_free(side->spare);
        items_free(atomic_load(&side->given));
    }
    items_free(broker->spare);
    while (broker->errands != NULL) {
        struct errand *errand = broker->errands;
        broker->errands = errand->next;
        request_free(errand->request);
        mem_free(errand);
    }
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        lanes_done(&broker->lanes[kind]);
        map_done(&broker->strange.told[kind]);
    }
    asides_done(&broker->asides);
    arena_done(&broker->strange.names);
    inbox_done(&broker->inbox);
    listed_done(&broker->listed);
    index_done(&broker->by_row);
    index_done(&broker->by_instance);
    heap_done(&broker->times);
    mem_free(broker->slots.items);
    mem_free(broker->slots.free);
    buffer_done(&broker->scratch);
    OBJECT_FREE(broker, BROKER_MAGIC);
}
