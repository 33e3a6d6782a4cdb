/* SPDX-License-Identifier: MIT
 *
 * What waits for a time.
 *
 *   - items that were given back, or are too large, until they are offered again (RESTS);
 *   - items of a stream that is gone, for a moment (LOST, D4);
 *   - turns that are out, for so long that a worker must have lost them;
 *   - activities with limits of time.
 *
 * The middle two have the same delay for all, so they stand in lists, the first to be due first.
 * The others are in a heap, whose entries name an item by slot and serial and are found stale when
 * they come out; an item says itself when it is due. */
#include "broker/broker_priv.h"

enum {
    REST_FIRST_US = 100000,
    REST_MOST_US = 30000000,
    LOSSES_FREE = 3, /* then a worker may not be able to take it at all, and breaks off each time */
};

static int64_t doubled(unsigned times)
{
    int64_t delay = REST_FIRST_US;
    for (unsigned i = 0; i < times && delay < REST_MOST_US; i++) {
        delay *= 2;
    }
    return delay < REST_MOST_US ? delay : REST_MOST_US;
}

void rest_begin(struct broker *broker, struct item *item, int64_t delay_us)
{
    item->state = ITEM_RESTS;
    item->delay_us = delay_us;
    item->due = TIME_NEVER;
    broker->counters.waiting[item->kind]++;
    list_push_back(&broker->resting, &item->link);
    item_freshen(broker, item);
}

void rest_abandoned(struct broker *broker, struct item *item)
{
    int64_t delay = doubled(item->abandons++);
    item->has_token = false;
    item->avoid = item->stream != NULL ? item->stream->id : item->avoid;
    item_drop_parts(broker, item);
    item_leave(broker, item);
    rest_begin(broker, item, delay);
}

/* ---- when is it due? ------------------------------------------------------------------------- */

static time_us earlier(time_us a, time_us b)
{
    return b != 0 && b < a ? b : a;
}

static time_us due_of(const struct item *item)
{
    time_us due = TIME_NEVER;
    if (item->state == ITEM_RESTS) {
        due = item->due;
    }
    if (item->kind == KIND_ACTIVITY && item->state == ITEM_OUT) {
        due = earlier(earlier(due, item->run_by), item->beat_by);
    } else if (item->kind == KIND_ACTIVITY && item->state != ITEM_GHOST) {
        due = earlier(due, item->start_by);
    }
    return due;
}

static void watch(struct broker *broker, struct item *item)
{
    time_us due = due_of(item);
    if (due != TIME_NEVER) {
        heap_push(&broker->times,
                  (struct heap_item){
                      .key = due, .order = item->serial, .a = item->slot, .b = item->serial });
    }
}

/* `after` milliseconds from now; 0: no limit. */
static time_us limit(const struct broker *broker, int64_t after)
{
    return after != 0 ? time_add(broker->now, time_us_of_ms(after)) : 0;
}

void rest_watch(struct broker *broker, struct item *item)
{
    struct task_limits limits = activity_limits(item->activity);
    if (item->state == ITEM_OUT) {
        item->run_by = limit(broker, limits.run_ms);
        item->beat_by = limit(broker, limits.beat_ms);
    } else {
        item->start_by = limit(broker, limits.start_ms);
    }
    watch(broker, item);
}

/* ---- what happened since the last run -------------------------------------------------------- */

void rest_freshen(struct broker *broker)
{
    struct list_node *node;
    while ((node = list_pop_front(&broker->fresh)) != NULL) {
        struct item *item = CONTAINER_OF(node, struct item, fresh);
        if (item->state == ITEM_RESTS) {
            item->due = time_add(broker->now, item->delay_us);
            watch(broker, item);
        } else if (item->state == ITEM_LOST) {
            item->due = time_add(broker->now, broker->options.lost_delay_us);
        } else if (item->state == ITEM_OUT && item->beat_by != 0) {
            item->beat_by = limit(broker, activity_limits(item->activity).beat_ms);
        }
    }
}

/* ---- what is due ----------------------------------------------------------------------------- */

/* What its only stream has given back, or forgotten, goes elsewhere, with its past. */
static void offer_again(struct broker *broker, struct item *item)
{
    if (item->pin != 0 && item->refusals == 0) {
        errand_return(broker, item);
    } else {
        item_leave(broker, item);
        lanes_put(broker, item);
    }
}

static void look_at(struct broker *broker, struct item *item)
{
    if (due_of(item) > broker->now) {
        watch(broker, item);
    } else if (item->kind == KIND_ACTIVITY && item->state == ITEM_OUT) {
        bool is_run = item->run_by != 0 && item->run_by <= broker->now;
        activity_late(broker, item, is_run ? TIME_TO_RUN : TIME_TO_BEAT);
    } else if (item->start_by != 0 && item->start_by <= broker->now) {
        activity_late(broker, item, TIME_TO_START);
    } else {
        offer_again(broker, item);
    }
}

static bool is_stale(const struct broker *broker, const struct heap_item *entry)
{
    const struct item *item = broker->slots.items[entry->a];
    return item == NULL || item->serial != entry->b;
}

static void look_at_times(struct broker *broker)
{
    const struct heap_item *first;
    struct heap_item entry;
    while ((first = heap_peek(&broker->times)) != NULL && first->key <= broker->now) {
        (void)heap_pop(&broker->times, &entry);
        if (!is_stale(broker, &entry)) {
            look_at(broker, broker->slots.items[entry.a]);
        }
    }
}

static struct item *first_lost(const struct broker *broker)
{
    struct list_node *node = list_front(&broker->lost);
    return node != NULL ? CONTAINER_OF(node, struct item, link) : NULL;
}

static struct item *first_timed(const struct broker *broker)
{
    struct list_node *node = list_front(&broker->timed);
    return node != NULL ? CONTAINER_OF(node, struct item, timed) : NULL;
}

static time_us timeout_of(const struct broker *broker, const struct item *item)
{
    return time_add(item->handed_at, broker->options.turn_timeout_us);
}

void rest_look(struct broker *broker)
{
    struct item *item;
    look_at_times(broker);
    while ((item = first_lost(broker)) != NULL && item->due <= broker->now) {
        if (suspect_condemn(broker, item)) {
            continue;
        }
        item_leave(broker, item);
        if (item->losses > LOSSES_FREE) {
            rest_begin(broker, item, doubled(item->losses - LOSSES_FREE));
        } else {
            lanes_put(broker, item);
        }
    }
    while ((item = first_timed(broker)) != NULL && timeout_of(broker, item) <= broker->now) {
        if (item->state == ITEM_GHOST) {
            item_end(broker, item);
            continue;
        }
        broker->counters.lost++;
        item->avoid = item->stream->id;
        item_void_parts(broker, item);
        offer_again(broker, item);
    }
}

/* Activities that end long before they would be late leave their entries behind. */
void rest_trim(struct broker *broker)
{
    enum { STALE_MIN = 4096 };
    size_t items = broker->slots.count - broker->slots.free_count;
    if (heap_count(&broker->times) < STALE_MIN + 4 * items) {
        return;
    }
    struct heap all = broker->times;
    heap_init(&broker->times);
    for (size_t i = 0; i < all.count; i++) {
        if (!is_stale(broker, &all.items[i])) {
            heap_push(&broker->times, all.items[i]);
        }
    }
    heap_done(&all);
}

void rest_wake_all(struct broker *broker)
{
    LIST_EACH_SAFE(node, &broker->resting)
    {
        struct item *item = CONTAINER_OF(node, struct item, link);
        if (item->refusals != 0) {
            item_leave(broker, item);
            lanes_put(broker, item);
        }
    }
}

time_us rest_next(const struct broker *broker)
{
    time_us next = TIME_NEVER;
    const struct heap_item *first = heap_peek(&broker->times);
    const struct item *lost = first_lost(broker), *timed = first_timed(broker);
    if (first != NULL) {
        next = first->key;
    }
    if (lost != NULL && lost->due < next) {
        next = lost->due;
    }
    if (timed != NULL && timeout_of(broker, timed) < next) {
        next = timeout_of(broker, timed);
    }
    return next;
}
