/* SPDX-License-Identifier: MIT
 *
 * Aside: what waits in the store only.
 *
 * A turn, a batch of operations or an activity that waits here holds some kilobytes, most of them
 * in core, and how many wait is up to clients: a million starts of what no worker has are a
 * minute's work. So of one queue only so much waits in memory. The others are left in the store,
 * and what is kept of each are two numbers; when the queue has room, they are called back.
 *
 *   S1  A line is of one name and version, so that what nobody takes keeps nothing else waiting,
 *       and it is known which queue it is for when streams have come or gone. The first to be put
 *       aside is the first to be called.
 *   S2  As long as a line is there, what is new of its name goes to its end. Only what was called,
 *       and what had been here before, goes into the queue; and what must begin in time.
 *   S3  What is kept may be of what is over, or was offered again meanwhile: then nothing comes of
 *       the call. One call of a line is under way at a time; all that it brings is in the inbox
 *       before its answer, or soon after it. What all calls of a queue will bring is counted as
 *       being in it: else each run would call for as much again.
 *   S4  A partition that begins again offers all it has, so what was kept of it is forgotten.
 *   S5  A rewound instance asks again for the very steps that it had open before: were the old ones
 *       kept they would run twice. So what was put aside of a row before that row was over, or
 *       began anew, is dropped, when it is come upon, or when there is much of it. */
#include "base/assert.h"
#include "base/memory.h"
#include "broker/broker_priv.h"

enum { CALL_ROWS = 256, GONE_MIN = 4096 };

struct entry {
    uint64_t number; /* row * LIMIT_PARTITIONS + partition */
    int32_t id;      /* of an activity */
    uint32_t age;    /* S5 */
};

struct line {
    struct list_node node; /* in the queue's */
    enum work_kind kind;
    struct queue *queue;
    struct text key, instance_id, name, version, owner_version; /* behind this */
    struct buffer entries;
    size_t next;          /* those before it have been called */
    size_t weight;        /* of the others, as they were */
    size_t calls, coming; /* errands under way; what they bring, likewise */
};

/* ---- lines ----------------------------------------------------------------------------------- */

static size_t count_of(const struct line *line)
{
    return line->entries.size / sizeof(struct entry) - line->next;
}

static struct entry entry_at(const struct line *line, size_t at)
{
    struct entry entry;
    memcpy(&entry, line->entries.at + (line->next + at) * sizeof entry, sizeof entry);
    return entry;
}

static size_t mean_weight(const struct line *line)
{
    size_t count = count_of(line);
    return count != 0 ? line->weight / count : 0;
}

static struct text keep(char **room, struct text text)
{
    struct text kept = text_is_present(text) ? text_make(*room, text.size) : TEXT_ABSENT;
    memcpy(*room, text.size != 0 ? text.at : "", text.size);
    *room += text.size;
    return kept;
}

/* An entity is matched by its id, others by name and version. */
static struct line *line_new(struct broker *broker, const struct item *item, struct text key)
{
    struct text id = item->kind == KIND_ENTITY ? item->instance_id : TEXT_ABSENT;
    struct text owner_version =
        item->kind == KIND_ACTIVITY ? item->activity->owner_version : TEXT_ABSENT;
    struct line *line = mem_alloc(sizeof *line + key.size + id.size + item->name.size +
                                  item->version.size + owner_version.size);
    char *room = (char *)(line + 1);
    line->kind = item->kind;
    line->key = keep(&room, key);
    line->instance_id = keep(&room, id);
    line->name = keep(&room, item->name);
    line->version = keep(&room, item->version);
    line->owner_version = keep(&room, owner_version);
    buffer_init(&line->entries);
    map_put(&broker->asides.lines[item->kind], line->key, line);
    atomic_store_explicit(&broker->asides.has_any, true, memory_order_relaxed);
    return line;
}

static void forget_gone(struct asides *asides)
{
    map64_reset(&asides->gone);
    asides->age = 0;
}

static void line_free(struct broker *broker, struct line *line)
{
    struct asides *asides = &broker->asides;
    size_t lines = 0;
    assert_that(line->calls == 0);
    (void)map_remove(&asides->lines[line->kind], line->key);
    broker->counters.aside[line->kind] -= count_of(line);
    list_remove(&line->node);
    buffer_done(&line->entries);
    mem_free(line);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        lines += map_count(&asides->lines[kind]);
    }
    if (lines == 0) {
        forget_gone(asides);
        atomic_store_explicit(&asides->has_any, false, memory_order_relaxed);
    }
}

static void free_if_empty(struct broker *broker, struct line *line)
{
    if (line->calls == 0 && count_of(line) == 0) {
        line_free(broker, line);
    }
}

/* The first so many are not in line any more. They make room when they are the greater part. */
static void advance(struct broker *broker, struct line *line, size_t count)
{
    line->weight -= mean_weight(line) * count;
    line->next += count;
    broker->counters.aside[line->kind] -= count;
    size_t used = line->next * sizeof(struct entry);
    if (line->entries.size == used) {
        buffer_done(&line->entries);
        line->next = line->weight = 0;
    } else if (used > line->entries.size / 2) {
        memmove(line->entries.at, line->entries.at + used, line->entries.size - used);
        line->entries.size -= used;
        line->next = 0;
    }
}

void asides_init(struct asides *asides, uint64_t seed)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        map_init_seeded(&asides->lines[kind], seed);
    }
    map64_init_seeded(&asides->gone, seed);
}

void asides_done(struct asides *asides)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        map_done(&asides->lines[kind]);
    }
    map64_done(&asides->gone);
}

/* ---- put aside ------------------------------------------------------------------------------- */

static size_t room_max(const struct broker *broker, enum work_kind kind)
{
    return kind == KIND_ACTIVITY ? broker->options.activity_bytes : broker->options.waiting_max;
}

/* What it has been through here is kept with the item, as is which stream has its stack, and when
 * it must have begun. */
static bool is_new(const struct item *item)
{
    return !item->is_called && !item->has_place && item->pin == 0 && item->abandons == 0 &&
           item->losses == 0 && item->deaths == 0 && item->start_by == 0;
}

static struct entry entry_of(struct broker *broker, const struct item *item)
{
    const struct activity *activity = item->activity;
    struct entry entry = { .age = (uint32_t)broker->asides.age };
    if (activity != NULL) {
        entry.number = activity->row * LIMIT_PARTITIONS + activity->partition;
        entry.id = activity->id;
        broker->asides.epochs[activity->partition] = activity->epoch; /* S4: that of all of them */
    } else {
        entry.number = item->ticket.row * LIMIT_PARTITIONS + item->ticket.partition;
        entry.id = EVENT_NO_ID;
    }
    return entry;
}

bool aside_put(struct broker *broker, struct item *item)
{
    struct map *lines = &broker->asides.lines[item->kind];
    size_t most = room_max(broker, item->kind);
    if ((broker->lanes[item->kind].weight < most && map_count(lines) == 0) ||
        broker->engine == NULL || !is_new(item)) {
        return false;
    }
    struct queue *queue = lanes_queue(broker, item);
    struct text key = lanes_key(broker, item);
    struct line *line = map_find(lines, key);
    if (line == NULL) {
        if (queue->weight < most) {
            return false;
        }
        line = line_new(broker, item, key);
        line->queue = queue;
        list_push_back(&queue->asides, &line->node);
    }
    struct entry entry = entry_of(broker, item);
    buffer_add(&line->entries, &entry, sizeof entry);
    line->weight += item->weight;
    broker->counters.aside[item->kind]++;
    if (item->kind == KIND_ACTIVITY) {
        item_end(broker, item);
    } else {
        errand_leave(broker, item);
    }
    return true;
}

/* ---- what is over ---------------------------------------------------------------------------- */

/* S5 */
static bool is_gone(const struct broker *broker, struct entry entry)
{
    const struct map64 *gone = &broker->asides.gone;
    return map64_count(gone) != 0 &&
           (uintptr_t)map64_find(gone, entry.number / LIMIT_PARTITIONS) > entry.age;
}

typedef bool keeps_fn(const struct broker *broker, struct entry *entry, unsigned partition);

/* Leaves those that are kept, in their order. */
static void sift(struct broker *broker, struct line *line, keeps_fn *keeps, unsigned partition)
{
    size_t kept = 0, count = count_of(line), mean = mean_weight(line);
    for (size_t i = 0; i < count; i++) {
        struct entry entry = entry_at(line, i);
        if (keeps(broker, &entry, partition)) {
            memcpy(line->entries.at + (line->next + kept++) * sizeof entry, &entry, sizeof entry);
        }
    }
    broker->counters.aside[line->kind] -= count - kept;
    line->weight = mean * kept;
    line->entries.size = (line->next + kept) * sizeof(struct entry);
    free_if_empty(broker, line);
}

static void sift_all(struct broker *broker, keeps_fn *keeps, unsigned partition)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct line *line;
        for (size_t cursor = 0; (line = map_next(&broker->asides.lines[kind], &cursor)) != NULL;) {
            sift(broker, line, keeps, partition);
        }
    }
}

static bool is_of_another(const struct broker *broker, struct entry *entry, unsigned partition)
{
    (void)broker;
    return entry->number % LIMIT_PARTITIONS != partition;
}

void aside_forget(struct broker *broker, unsigned partition)
{
    sift_all(broker, is_of_another, partition);
}

/* From now on it is as if nothing had ever been over. */
static bool is_wanted(const struct broker *broker, struct entry *entry, unsigned partition)
{
    (void)partition;
    bool is_wanted = !is_gone(broker, *entry);
    entry->age = 0;
    return is_wanted;
}

static size_t count_all(const struct broker *broker)
{
    size_t count = 0;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        count += broker->counters.aside[kind];
    }
    return count;
}

/* Each row that is gone is looked for once, on the whole. */
void aside_drop_row(struct broker *broker, uint64_t row)
{
    struct asides *asides = &broker->asides;
    if (!atomic_load_explicit(&asides->has_any, memory_order_relaxed)) {
        return;
    }
    (void)map64_remove(&asides->gone, row);
    map64_put(&asides->gone, row, (void *)++asides->age); /* of before this age, that is */
    if (map64_count(&asides->gone) > GONE_MIN + count_all(broker) || asides->age == UINT32_MAX) {
        sift_all(broker, is_wanted, 0);
        forget_gone(asides);
    }
}

/* ---- called back ----------------------------------------------------------------------------- */

/* Of one partition. */
struct portion {
    struct errand *errand;
    uint64_t *rows;
    int32_t *ids;
    size_t count;
};

static void add(struct broker *broker, struct portion *portion, struct line *line,
                struct entry entry, size_t most)
{
    if (portion->errand == NULL) {
        portion->errand = errand_new(broker, ERRAND_CALL);
        portion->errand->line = line;
        struct arena *arena = &portion->errand->request->arena;
        portion->rows = arena_alloc_raw(arena, most * sizeof *portion->rows);
        portion->ids = arena_alloc_raw(arena, most * sizeof *portion->ids);
        line->calls++;
    }
    portion->rows[portion->count] = entry.number / LIMIT_PARTITIONS;
    portion->ids[portion->count++] = entry.id;
}

/* One errand for each partition that has some of them. */
static void call(struct broker *broker, struct line *line, size_t count)
{
    struct portion portions[LIMIT_PARTITIONS] = { 0 };
    for (size_t i = 0; i < count; i++) {
        struct entry entry = entry_at(line, i);
        if (!is_gone(broker, entry)) {
            add(broker, &portions[entry.number % LIMIT_PARTITIONS], line, entry, count - i);
        }
    }
    line->coming = mean_weight(line) * count;
    line->queue->coming += line->coming;
    advance(broker, line, count);
    for (unsigned at = 0; at < LIMIT_PARTITIONS; at++) {
        const struct portion *all = &portions[at];
        if (all->errand != NULL && line->kind == KIND_ACTIVITY) {
            engine_call_activities(broker->engine, all->errand->request, at,
                                   broker->asides.epochs[at], all->rows, all->ids, all->count);
        } else if (all->errand != NULL) {
            engine_call_turns(broker->engine, all->errand->request, at, all->rows, all->count);
        }
    }
}

static void skip_gone(struct broker *broker, struct line *line)
{
    size_t count = 0;
    while (count < count_of(line) && is_gone(broker, entry_at(line, count))) {
        count++;
    }
    advance(broker, line, count);
}

/* How many, so that they fit and that it does not take long to find them: the activities of one
 * instance are found together. */
static size_t pick(const struct line *line, size_t room)
{
    size_t mean = mean_weight(line), rows = 0, at = 0;
    size_t most = mean > room ? 1 : room / (mean + (mean == 0));
    uint64_t last = UINT64_MAX;
    for (; at < count_of(line) && at < most; at++) {
        uint64_t number = entry_at(line, at).number;
        if (number != last && ++rows > CALL_ROWS) {
            break;
        }
        last = number;
    }
    return at;
}

static void call_for(struct broker *broker, struct queue *queue)
{
    size_t most = room_max(broker, queue->kind);
    size_t taken = queue->weight + queue->coming;
    size_t room = taken < most / 2 ? most - taken : 0;
    LIST_EACH_SAFE(node, &queue->asides)
    {
        struct line *line = CONTAINER_OF(node, struct line, node);
        if (room == 0) {
            return;
        }
        if (line->calls != 0) {
            continue;
        }
        skip_gone(broker, line);
        size_t count = pick(line, room);
        if (count == 0) {
            line_free(broker, line);
            continue;
        }
        list_remove(&line->node); /* lines of a queue take turns */
        list_push_back(&queue->asides, &line->node);
        call(broker, line, count);
        room = room > line->coming ? room - line->coming : 0;
    }
}

void aside_call(struct broker *broker)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        if (map_count(&broker->asides.lines[kind]) == 0) {
            continue;
        }
        LIST_EACH(node, &broker->lanes[kind].queues)
        {
            struct queue *queue = CONTAINER_OF(node, struct queue, all);
            if (!list_is_empty(&queue->asides)) {
                call_for(broker, queue);
            }
        }
    }
}

void aside_called(struct broker *broker, struct errand *errand)
{
    struct line *line = errand->line;
    if (--line->calls == 0) {
        line->queue->coming -= line->coming;
        line->coming = 0;
        free_if_empty(broker, line);
    }
}

/* ---- when streams change --------------------------------------------------------------------- */

void aside_leave_queues(struct broker *broker, enum work_kind kind)
{
    struct line *line;
    for (size_t cursor = 0; (line = map_next(&broker->asides.lines[kind], &cursor)) != NULL;) {
        list_remove(&line->node);
    }
}

void aside_join_queues(struct broker *broker, enum work_kind kind)
{
    struct line *line;
    for (size_t cursor = 0; (line = map_next(&broker->asides.lines[kind], &cursor)) != NULL;) {
        struct activity activity = { .owner_version = line->owner_version };
        const struct item probe = { .kind = kind,
                                    .instance_id = line->instance_id,
                                    .name = line->name,
                                    .version = line->version,
                                    .activity = &activity };
        line->queue = lanes_queue(broker, &probe);
        line->queue->coming += line->coming;
        list_push_back(&line->queue->asides, &line->node);
    }
}

void aside_drop_all(struct broker *broker)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct line *line;
        for (size_t cursor = 0; (line = map_next(&broker->asides.lines[kind], &cursor)) != NULL;) {
            line_free(broker, line);
        }
    }
}
