/* SPDX-License-Identifier: MIT
 *
 * Aside: what waits in the store only.
 *
 * A turn, or a batch of operations, that waits here holds some kilobytes, most of them in core, and
 * how many wait is up to clients: a million starts of what no worker has are a minute's work. So of
 * one queue only so many wait in memory. The others are left in the store, and what is kept of each
 * is a number; when the queue has room, they are called back.
 *
 *   S1  A line is of one name and version, so that what nobody takes keeps nothing else waiting,
 *       and it is known which queue it is for when streams have come or gone. The first to be put
 *       aside is the first to be called.
 *   S2  As long as a line is there, what is new of its name goes to its end. Only what was called,
 *       and what had been here before, goes into the queue.
 *   S3  A number may be of what is over, or was offered again meanwhile: then nothing comes of the
 *       call. One call of a line is under way at a time; all that it brings is in the inbox before
 *       its answer, or soon after it.
 *   S4  A partition that begins again offers all it has, so what was kept of it is forgotten. */
#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "broker/broker_priv.h"

enum { CALL_MOST = 256 };

struct line {
    struct list_node node; /* in the queue's */
    enum work_kind kind;
    struct queue *queue;
    struct text key, instance_id, name, version; /* behind this */
    struct buffer numbers;                       /* uint64_t: row * LIMIT_PARTITIONS + partition */
    size_t next, calls;                          /* those before it are called; errands under way */
};

/* ---- lines ----------------------------------------------------------------------------------- */

static size_t count_of(const struct line *line)
{
    return line->numbers.size / sizeof(uint64_t) - line->next;
}

static uint64_t number_at(const struct line *line, size_t at)
{
    uint64_t number;
    memcpy(&number, line->numbers.at + at * sizeof number, sizeof number);
    return number;
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
    struct line *line =
        mem_alloc(sizeof *line + key.size + id.size + item->name.size + item->version.size);
    char *room = (char *)(line + 1);
    line->kind = item->kind;
    line->key = keep(&room, key);
    line->instance_id = keep(&room, id);
    line->name = keep(&room, item->name);
    line->version = keep(&room, item->version);
    buffer_init(&line->numbers);
    map_put(&broker->asides[item->kind], line->key, line);
    return line;
}

static void line_free(struct broker *broker, struct line *line)
{
    (void)map_remove(&broker->asides[line->kind], line->key);
    broker->counters.aside[line->kind] -= count_of(line);
    list_remove(&line->node);
    buffer_done(&line->numbers);
    mem_free(line);
}

/* What has been called makes room when it is the greater part. */
static void shift(struct line *line)
{
    size_t used = line->next * sizeof(uint64_t);
    if (line->numbers.size == used) {
        buffer_done(&line->numbers);
        line->next = 0;
    } else if (used > line->numbers.size / 2) {
        memmove(line->numbers.at, line->numbers.at + used, line->numbers.size - used);
        line->numbers.size -= used;
        line->next = 0;
    }
}

/* ---- put aside ------------------------------------------------------------------------------- */

/* What it has been through here is kept with the item, as is which stream has its stack. */
static bool is_new(const struct item *item)
{
    return !item->is_called && !item->has_place && item->pin == 0 && item->abandons == 0 &&
           item->losses == 0 && item->deaths == 0;
}

bool aside_put(struct broker *broker, struct item *item)
{
    if (item->kind == KIND_ACTIVITY || broker->engine == NULL || !is_new(item) ||
        (broker->counters.waiting[item->kind] < broker->options.waiting_max &&
         map_count(&broker->asides[item->kind]) == 0)) {
        return false;
    }
    struct queue *queue = lanes_queue(broker, item);
    struct text key = lanes_key(broker, item);
    struct line *line = map_find(&broker->asides[item->kind], key);
    if (line == NULL) {
        if (queue->count < broker->options.waiting_max) {
            return false;
        }
        line = line_new(broker, item, key);
        line->queue = queue;
        list_push_back(&queue->asides, &line->node);
    }
    uint64_t number = item->ticket.row * LIMIT_PARTITIONS + item->ticket.partition;
    buffer_add(&line->numbers, &number, sizeof number);
    broker->counters.aside[item->kind]++;
    errand_leave(broker, item);
    return true;
}

/* ---- called back ----------------------------------------------------------------------------- */

/* One errand for each partition that has some of them. */
static void call(struct broker *broker, struct line *line, size_t count)
{
    struct errand *errands[LIMIT_PARTITIONS] = { NULL };
    uint64_t *rows[LIMIT_PARTITIONS];
    size_t counts[LIMIT_PARTITIONS] = { 0 };
    for (size_t i = 0; i < count; i++) {
        uint64_t number = number_at(line, line->next + i);
        size_t at = number % LIMIT_PARTITIONS;
        if (errands[at] == NULL) {
            errands[at] = errand_new(broker, ERRAND_CALL);
            errands[at]->line = line;
            rows[at] = arena_alloc_raw(&errands[at]->request->arena, count * sizeof *rows[at]);
        }
        rows[at][counts[at]++] = number / LIMIT_PARTITIONS;
    }
    line->next += count;
    broker->counters.aside[line->kind] -= count;
    shift(line);
    for (unsigned at = 0; at < LIMIT_PARTITIONS; at++) {
        line->calls += errands[at] != NULL;
    }
    for (unsigned at = 0; at < LIMIT_PARTITIONS; at++) {
        if (errands[at] != NULL) {
            engine_call_turns(broker->engine, errands[at]->request, at, rows[at], counts[at]);
        }
    }
}

static void call_for(struct broker *broker, struct queue *queue)
{
    size_t most = broker->options.waiting_max;
    size_t room = queue->count < most / 2 ? most - queue->count : 0;
    LIST_EACH_SAFE(node, &queue->asides)
    {
        struct line *line = CONTAINER_OF(node, struct line, node);
        size_t count = count_of(line);
        count = count < CALL_MOST ? count : CALL_MOST;
        count = count < room ? count : room;
        if (count != 0 && line->calls == 0) {
            room -= count;
            list_remove(&line->node); /* lines of a queue take turns */
            list_push_back(&queue->asides, &line->node);
            call(broker, line, count);
        }
        if (room == 0) {
            return;
        }
    }
}

void aside_call(struct broker *broker)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        if (map_count(&broker->asides[kind]) == 0) {
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
    if (--line->calls == 0 && count_of(line) == 0) {
        line_free(broker, line);
    }
}

/* ---- when streams, or partitions, change ----------------------------------------------------- */

void aside_leave_queues(struct broker *broker, enum work_kind kind)
{
    struct line *line;
    for (size_t cursor = 0; (line = map_next(&broker->asides[kind], &cursor)) != NULL;) {
        list_remove(&line->node);
    }
}

void aside_join_queues(struct broker *broker, enum work_kind kind)
{
    struct line *line;
    for (size_t cursor = 0; (line = map_next(&broker->asides[kind], &cursor)) != NULL;) {
        const struct item probe = { .kind = kind,
                                    .instance_id = line->instance_id,
                                    .name = line->name,
                                    .version = line->version };
        line->queue = lanes_queue(broker, &probe);
        list_push_back(&line->queue->asides, &line->node);
    }
}

static void forget_of(struct broker *broker, struct line *line, unsigned partition)
{
    size_t kept = 0;
    for (size_t i = 0; i < count_of(line); i++) {
        uint64_t number = number_at(line, line->next + i);
        if (number % LIMIT_PARTITIONS != partition) {
            memcpy(line->numbers.at + kept++ * sizeof number, &number, sizeof number);
        }
    }
    broker->counters.aside[line->kind] -= count_of(line) - kept;
    line->next = 0;
    line->numbers.size = kept * sizeof(uint64_t);
    if (kept == 0 && line->calls == 0) {
        line_free(broker, line);
    }
}

void aside_forget(struct broker *broker, unsigned partition)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct line *line;
        for (size_t cursor = 0; (line = map_next(&broker->asides[kind], &cursor)) != NULL;) {
            forget_of(broker, line, partition);
        }
    }
}

void aside_drop_all(struct broker *broker)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct line *line;
        for (size_t cursor = 0; (line = map_next(&broker->asides[kind], &cursor)) != NULL;) {
            assert_that(line->calls == 0);
            line_free(broker, line);
        }
    }
}
