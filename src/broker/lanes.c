/* SPDX-License-Identifier: MIT
 *
 * Lanes: what waits, by who can take it.
 *
 * A queue is of one set of streams: all that the same streams can take stands in one queue, in the
 * order in which it became ready. Which queue that is, is remembered by name and version (a lane);
 * where no stream has filters there is one queue of a kind, and nothing to look up. What is pinned
 * to a stream stands in that stream's own.
 *
 *   A1  Streams that come or go change the sets: all queues are made anew, and what waited keeps
 *       its order. The next run does so, once for all of them: until then queues may name streams
 *       that are gone, and nothing is handed out.
 *   A2  Names come from strangers. Lanes are only a memory of matches: when there are too many they
 *       are forgotten.
 *   A3  A turn that was given back to be written for somebody comes again in its old place: else
 *       all that waits would be written before the first of it goes.
 *   A4  What no connected worker has is said in the log: it is a mistake, or a worker that is to
 *       come yet. */
#include "base/assert.h"
#include "base/memory.h"
#include "broker/broker_priv.h"

enum { LANES_MAX = 4096 };

void lanes_init(struct lanes *lanes)
{
    list_init(&lanes->queues);
    map_init(&lanes->by_name);
    arena_init(&lanes->names);
}

void queue_init(struct queue *queue, enum work_kind kind)
{
    list_init(&queue->items);
    list_init(&queue->asides);
    queue->kind = kind;
}

static void free_queues(struct lanes *lanes)
{
    struct list_node *node;
    while ((node = list_pop_front(&lanes->queues)) != NULL) {
        struct queue *queue = CONTAINER_OF(node, struct queue, all);
        mem_free(queue->streams);
        mem_free(queue);
    }
}

static void forget_lanes(struct lanes *lanes)
{
    map_reset(&lanes->by_name);
    arena_reset(&lanes->names);
}

void lanes_done(struct lanes *lanes)
{
    free_queues(lanes);
    map_done(&lanes->by_name);
    arena_done(&lanes->names);
}

/* ---- which queue ----------------------------------------------------------------------------- */

static size_t count_streams(const struct broker *broker)
{
    return broker->counters.streams;
}

static bool is_of(const struct queue *queue, struct broker_stream *const *streams, size_t count)
{
    return queue->stream_count == count &&
           (count == 0 || memcmp(queue->streams, streams, count * sizeof *streams) == 0);
}

/* Takes the array. */
static struct queue *queue_of(struct lanes *lanes, enum work_kind kind,
                              struct broker_stream **streams, size_t count)
{
    LIST_EACH(node, &lanes->queues)
    {
        struct queue *queue = CONTAINER_OF(node, struct queue, all);
        if (is_of(queue, streams, count)) {
            mem_free(streams);
            return queue;
        }
    }
    struct queue *queue = mem_alloc(sizeof *queue);
    queue_init(queue, kind);
    queue->streams = streams;
    queue->stream_count = count;
    list_push_back(&lanes->queues, &queue->all);
    return queue;
}

struct text lanes_key(struct broker *broker, const struct item *item)
{
    struct buffer *buffer = &broker->scratch;
    buffer_reset(buffer);
    buffer_add_text(buffer, match_name(item));
    if (item->kind != KIND_ENTITY) {
        buffer_add_byte(buffer, 0);
        buffer_add_text(buffer, item->version);
    }
    if (item->kind == KIND_ACTIVITY && !text_is_present(item->version)) {
        buffer_add_byte(buffer, 1);
        buffer_add_text(buffer, item->activity->owner_version);
    }
    return buffer_text(buffer);
}

/* A4. Once a name, as long as it is remembered, and no more than so many in a minute: names come
 * from strangers. */
static void tell_of_strange(struct broker *broker, const struct item *item)
{
    enum { NAMES_MAX = 1000, A_MINUTE = 10 };
    static const char *const kinds[KIND_COUNT] = { "orchestrator", "entity", "activity" };
    struct strange *strange = &broker->strange;
    struct text name = match_name(item);
    struct text key = lanes_key(broker, item);
    if (map_find(&strange->told[item->kind], key) != NULL) {
        return;
    }
    if (broker->now >= strange->minute_ends) {
        strange->minute_ends = time_add(broker->now, 60 * TIME_SECOND);
        strange->in_minute = 0;
    }
    if (strange->in_minute == A_MINUTE) {
        return;
    }
    strange->in_minute++;
    if (++strange->count > NAMES_MAX) {
        for (int kind = 0; kind < KIND_COUNT; kind++) {
            map_reset(&strange->told[kind]);
        }
        arena_reset(&strange->names);
        strange->count = 1;
    }
    map_put(&strange->told[item->kind], text_copy(&strange->names, key), strange);
    broker_say(broker,
               "no connected worker has the %s '%.*s'%s%.*s: what is asked of it waits for one",
               kinds[item->kind], TEXT_ARGS(name), item->version.size != 0 ? " of version " : "",
               TEXT_ARGS(item->version));
}

static struct queue *find_queue(struct broker *broker, const struct item *item)
{
    struct broker_stream **streams =
        mem_alloc((count_streams(broker) + 1) * sizeof(struct broker_stream *));
    size_t count = 0;
    LIST_EACH(node, &broker->streams)
    {
        struct broker_stream *stream = CONTAINER_OF(node, struct broker_stream, all);
        if (match_takes(stream, item)) {
            streams[count++] = stream;
        }
    }
    if (count == 0 && count_streams(broker) != 0) {
        tell_of_strange(broker, item);
    }
    return queue_of(&broker->lanes[item->kind], item->kind, streams, count);
}

struct queue *lanes_queue(struct broker *broker, const struct item *item)
{
    struct lanes *lanes = &broker->lanes[item->kind];
    if (!lanes->is_filtered) {
        struct list_node *only = list_front(&lanes->queues);
        return only != NULL ? CONTAINER_OF(only, struct queue, all) : find_queue(broker, item);
    }
    struct text key = lanes_key(broker, item); /* of what find_queue says, too */
    struct queue *queue = map_find(&lanes->by_name, key);
    if (queue == NULL) {
        if (map_count(&lanes->by_name) >= LANES_MAX) {
            forget_lanes(lanes); /* A2 */
        }
        queue = find_queue(broker, item);
        map_put(&lanes->by_name, text_copy(&lanes->names, key), queue);
    }
    return queue;
}

/* ---- in and out ------------------------------------------------------------------------------ */

static uint64_t seq_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct item, link)->seq;
}

static void stand(struct broker *broker, struct item *item, struct queue *queue)
{
    if (list_is_empty(&queue->items)) {
        list_push_back(&broker->active, &queue->active);
    }
    /* Nearly always the last; what was given back and comes again stood at the head. */
    struct list_node *before = &queue->items.head;
    if (!list_is_empty(&queue->items) && seq_of(list_back(&queue->items)) > item->seq) {
        before = list_front(&queue->items);
        while (seq_of(before) < item->seq) {
            before = before->next;
        }
    }
    list_insert_before(before, &item->link);
    item->queue = queue;
    queue->weight += item->weight;
    broker->lanes[item->kind].weight += item->weight;
}

void lanes_put(struct broker *broker, struct item *item)
{
    struct broker_stream *holder = item->pin != 0 ? stream_of(broker, item->pin) : NULL;
    if (item->pin != 0 && holder == NULL) {
        errand_return(broker, item);
        return;
    }
    item->state = ITEM_READY;
    item->seq = item->has_place ? item->seq : ++broker->seq;
    item->has_place = false;
    broker->counters.waiting[item->kind]++;
    stand(broker, item, holder != NULL ? &holder->mine : lanes_queue(broker, item));
    broker_poke(broker);
}

void lanes_take(struct broker *broker, struct item *item)
{
    struct queue *queue = item->queue;
    list_remove(&item->link);
    item->queue = NULL;
    queue->weight -= item->weight;
    broker->lanes[item->kind].weight -= item->weight;
    if (list_is_empty(&queue->items)) {
        list_remove(&queue->active);
    }
}

/* ---- made anew ------------------------------------------------------------------------------- */

/* Both are in order; so is what becomes of them. */
static void merge(struct list *into, struct list *from)
{
    struct list merged;
    list_init(&merged);
    while (!list_is_empty(into) && !list_is_empty(from)) {
        bool is_first = seq_of(list_front(into)) < seq_of(list_front(from));
        list_push_back(&merged, list_pop_front(is_first ? into : from));
    }
    list_append(&merged, into);
    list_append(&merged, from);
    list_append(into, &merged);
}

static bool has_filters(const struct broker *broker, enum work_kind kind)
{
    LIST_EACH(node, &broker->streams)
    {
        if (match_is_filtered(CONTAINER_OF(node, struct broker_stream, all), kind)) {
            return true;
        }
    }
    return false;
}

static void rebuild(struct broker *broker, enum work_kind kind)
{
    struct lanes *lanes = &broker->lanes[kind];
    struct list all;
    list_init(&all);
    LIST_EACH(node, &lanes->queues)
    {
        struct queue *queue = CONTAINER_OF(node, struct queue, all);
        if (!list_is_empty(&queue->items)) {
            list_remove(&queue->active);
            merge(&all, &queue->items);
            lanes->weight -= queue->weight;
        }
    }
    aside_leave_queues(broker, kind);
    free_queues(lanes);
    forget_lanes(lanes);
    lanes->is_filtered = has_filters(broker, kind);
    struct list_node *node;
    while ((node = list_pop_front(&all)) != NULL) {
        struct item *item = CONTAINER_OF(node, struct item, link);
        stand(broker, item, lanes_queue(broker, item));
    }
    aside_join_queues(broker, kind);
}

void lanes_rebuild(struct broker *broker)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        rebuild(broker, (enum work_kind)kind);
    }
    broker_poke(broker);
}
