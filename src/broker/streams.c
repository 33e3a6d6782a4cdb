/* SPDX-License-Identifier: MIT
 *
 * Streams: workers come and go.
 *
 * A stream of ours has a number that the partitions' threads can ask about: whether it is alive is
 * one word of memory, so that a turn whose stack it has is written for it, or for anybody. */
#include "base/assert.h"
#include "base/memory.h"
#include "broker/broker_priv.h"

struct broker_stream *stream_of(struct broker *broker, uint64_t id)
{
    struct broker_stream *stream = broker->by_slot[id % STREAM_SLOTS];
    return stream != NULL && stream->id == id ? stream : NULL;
}

/* ---- what streams need ----------------------------------------------------------------------- */

static unsigned needs(const struct broker_stream *stream)
{
    if (stream->options.dialect == WORK_OURS) {
        return 1U << BODY_OURS;
    }
    return 1U << (stream->options.can_stream_history ? BODY_STREAMED : BODY_PLAIN);
}

static void changed(struct broker *broker)
{
    unsigned wanted = 0;
    LIST_EACH(node, &broker->streams)
    {
        wanted |= needs(CONTAINER_OF(node, struct broker_stream, all));
    }
    atomic_store(&broker->wanted, wanted);
    broker->has_others = true;
    broker_poke(broker);
}

/* ---- filters --------------------------------------------------------------------------------- */

/* As the names of entities are compared. */
static struct text folded(struct arena *arena, struct text name)
{
    char *to = arena_copy(arena, name.at, name.size);
    for (size_t i = 0; i < name.size; i++) {
        to[i] = to[i] >= 'A' && to[i] <= 'Z' ? (char)(to[i] - 'A' + 'a') : to[i];
    }
    return text_make(to, name.size);
}

static const struct text *copy_texts(struct arena *arena, const struct text_list *list)
{
    struct text *texts = arena_alloc(arena, list->count * sizeof *texts);
    for (size_t i = 0; i < list->count; i++) {
        texts[i] = text_copy(arena, list->items[i]);
    }
    return texts;
}

static struct stream_filter *begin(struct broker_stream *stream, enum work_kind kind, size_t count)
{
    struct stream_filter *items = arena_alloc(&stream->arena, count * sizeof *items);
    stream->filters[kind] =
        (struct stream_filters){ .is_filtered = true, .items = items, .count = count };
    return items;
}

static void set_filters(struct broker_stream *stream, const struct hub_work_item_filters *filters)
{
    struct arena *arena = &stream->arena;
    struct stream_filter *turns = begin(stream, KIND_TURN, filters->orchestrations.count);
    for (size_t i = 0; i < filters->orchestrations.count; i++) {
        const struct hub_orchestration_filter *from = &filters->orchestrations.items[i];
        turns[i] = (struct stream_filter){ .name = text_copy(arena, from->name),
                                           .versions = copy_texts(arena, &from->versions),
                                           .version_count = from->versions.count };
    }
    struct stream_filter *activities = begin(stream, KIND_ACTIVITY, filters->activities.count);
    for (size_t i = 0; i < filters->activities.count; i++) {
        const struct hub_activity_filter *from = &filters->activities.items[i];
        activities[i] = (struct stream_filter){ .name = text_copy(arena, from->name),
                                                .versions = copy_texts(arena, &from->versions),
                                                .version_count = from->versions.count };
    }
    /* Java has no way to list entities, but says how many of them it takes. */
    if (filters->entities.count == 0 && stream->max[KIND_ENTITY] > 0) {
        return;
    }
    struct stream_filter *entities = begin(stream, KIND_ENTITY, filters->entities.count);
    for (size_t i = 0; i < filters->entities.count; i++) {
        entities[i].name = folded(arena, filters->entities.items[i].name);
    }
}

/* ---- connecting ------------------------------------------------------------------------------ */

static int64_t at_least_0(int64_t number)
{
    return number > 0 ? number : 0;
}

/* A slot of its own, if it may hold stacks and there is one. */
static size_t slot_for(const struct broker *broker, const struct broker_stream *stream)
{
    for (size_t slot = 1; stream->options.dialect == WORK_OURS && slot < STREAM_SLOTS; slot++) {
        if (broker->by_slot[slot] == NULL) {
            return slot;
        }
    }
    return 0;
}

struct broker_stream *broker_connect(struct broker *broker,
                                     const struct broker_stream_options *options)
{
    OBJECT_CHECK(broker, BROKER_MAGIC);
    struct broker_stream *stream = OBJECT_NEW(struct broker_stream, BROKER_STREAM_MAGIC);
    stream->broker = broker;
    stream->options = *options;
    arena_init(&stream->arena);
    list_init(&stream->out);
    list_init(&stream->chances);
    queue_init(&stream->mine, KIND_TURN);
    stream->options.worker_id = text_copy(&stream->arena, options->worker_id);
    stream->options.filters = NULL;
    stream->max[KIND_TURN] = at_least_0(options->turns_max);
    stream->max[KIND_ACTIVITY] = at_least_0(options->activities_max);
    stream->max[KIND_ENTITY] = at_least_0(options->entities_max);
    if (options->filters != NULL) {
        set_filters(stream, options->filters);
        listed_add(broker, stream);
    }
    size_t slot = slot_for(broker, stream);
    stream->id = ++broker->stream_number * STREAM_SLOTS + slot;
    if (slot != 0) {
        broker->by_slot[slot] = stream;
        atomic_store(&broker->alive[slot], stream->id);
    }
    if (options->dialect == WORK_OURS) {
        stream->process = index_key(options->worker_id, broker->instance_seed);
        suspect_pardon(broker, stream->process);
    }
    list_push_back(&broker->streams, &stream->all);
    broker->counters.streams++;
    changed(broker);
    return stream;
}

void broker_drained(struct broker_stream *stream)
{
    OBJECT_CHECK(stream, BROKER_STREAM_MAGIC);
    if (stream->is_stuffed) {
        stream->is_stuffed = false;
        broker_poke(stream->broker);
    }
}

/* D4 */
static void lose(struct broker *broker, struct item *item)
{
    if (item->state == ITEM_GHOST) {
        item_end(broker, item);
        return;
    }
    item_void_parts(broker, item);
    suspect_charge(broker, item);
    item_leave(broker, item);
    item->state = ITEM_LOST;
    item->due = TIME_NEVER;
    item->start_by = 0; /* it may have begun */
    item->losses++;
    broker->counters.waiting[item->kind]++;
    broker->counters.lost++;
    broker->counters.returning++;
    list_push_back(&broker->lost, &item->link);
    item_freshen(broker, item);
}

void broker_disconnect(struct broker_stream *stream)
{
    OBJECT_CHECK(stream, BROKER_STREAM_MAGIC);
    struct broker *broker = stream->broker;
    size_t slot = stream->id % STREAM_SLOTS;
    if (slot != 0) {
        atomic_store(&broker->alive[slot], 0);
        broker->by_slot[slot] = NULL;
    }
    struct list_node *node;
    while (list_pop_front(&stream->chances) != NULL) {} /* none of these has begun */
    while ((node = list_front(&stream->out)) != NULL) {
        lose(broker, CONTAINER_OF(node, struct item, link));
    }
    while ((node = list_front(&stream->mine.items)) != NULL) {
        errand_return(broker, CONTAINER_OF(node, struct item, link));
    }
    list_remove(&stream->all);
    broker->counters.streams--;
    changed(broker);
    arena_done(&stream->arena);
    OBJECT_FREE(stream, BROKER_STREAM_MAGIC);
}
