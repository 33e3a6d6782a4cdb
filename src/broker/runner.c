/* SPDX-License-Identifier: MIT
 *
 * The engine's side: what a runner is asked, on the engine's threads.
 *
 * A turn is written down here as a worker will get it, but for the token, and put into the inbox.
 * As what it is written depends on who is connected: for workers that need the past whole it is
 * taken from what is kept of it, or asked for; for ours that have the stack only what is new.
 *
 *   U1  Where nobody is connected who could take it, or too much waits already, a turn goes without
 *       its bytes: when a stream could take it, it is given back to the engine, and comes again.
 *       Then (must_encode) it is written whatever waits.
 *   U2  A past that is streamed is read from the store, so a turn is written that way only when
 *       all before it is durable: a worker would be told less than there was. */
#include "base/assert.h"
#include "base/memory.h"
#include "broker/broker_priv.h"

static bool is_own(struct broker *broker, struct text name, bool is_activity)
{
    return broker->options.own != NULL &&
           broker->options.is_own(broker->options.argument, name, is_activity) &&
           !listed_has(broker, name, is_activity);
}

static bool wants(unsigned wanted, enum body body)
{
    return (wanted & 1U << body) != 0;
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* The stream that has the stack as of the turn before; 0: none has. */
static uint64_t holder_of(struct broker *broker, struct row *row, uint64_t number)
{
    uint64_t id = atomic_load(&row->holder);
    if (id == 0 || atomic_load(&row->holder_number) != number - 1 ||
        atomic_load(&broker->alive[id % STREAM_SLOTS]) != id) {
        return 0;
    }
    return id;
}

static bool is_too_much(struct broker *broker, struct row *row)
{
    return atomic_load_explicit(&broker->waiting_bytes, memory_order_relaxed) >=
               broker->options.past_bytes &&
           !atomic_load(&row->must_encode);
}

struct written {
    struct buffer *buffer;
    size_t from[BODY_COUNT], to[BODY_COUNT];
};

static void write_turn(struct written *written, enum body body, const struct turn *turn,
                       enum work_past past, const struct text *chunks, size_t count,
                       struct text trace)
{
    written->from[body] = written->buffer->size;
    work_write_turn(written->buffer, body == BODY_OURS ? WORK_OURS : WORK_PLAIN, turn, past, chunks,
                    count, trace);
    written->to[body] = written->buffer->size;
}

static void put_bodies(struct item *item, const struct written *written)
{
    struct text bodies[BODY_COUNT] = { 0 };
    for (size_t i = 0; i < BODY_COUNT; i++) {
        if (written->to[i] > written->from[i]) {
            bodies[i] = text_make((const char *)written->buffer->at + written->from[i],
                                  written->to[i] - written->from[i]);
        }
    }
    item_set_bodies(item, bodies);
}

/* All that somebody needs, with the whole past. */
static void write_whole(struct side *side, struct row *row, unsigned wanted, struct item *item,
                        const struct turn *turn, const struct text *chunks, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += chunks[i].size;
    }
    struct written written = { .buffer = &side->scratch };
    buffer_reset(&side->scratch);
    bool is_long = size > PAST_INLINE_MAX;
    struct text trace =
        row->trace.size != 0 ? buffer_text(&row->trace) : work_find_trace(chunks, count);
    if (wants(wanted, BODY_PLAIN) || (!is_long && wants(wanted, BODY_STREAMED))) {
        write_turn(&written, BODY_PLAIN, turn, PAST_INLINE, chunks, count, trace);
    }
    if (is_long && wants(wanted, BODY_STREAMED)) {
        write_turn(&written, BODY_STREAMED, turn, PAST_STREAMED, chunks, count, trace);
    }
    if (wants(wanted, BODY_OURS)) {
        write_turn(&written, BODY_OURS, turn, PAST_INLINE, chunks, count, trace);
    }
    item_fill(item, turn, trace);
    put_bodies(item, &written);
}

/* U2: its past would be streamed to somebody, who may ask for it at once. */
static bool must_be_durable(const struct row *row, unsigned wanted, const struct turn *turn)
{
    return wants(wanted, BODY_STREAMED) && !turn->is_past_durable &&
           row->past.size > PAST_INLINE_MAX;
}

/* The kept past, as chunks in the arena. */
static const struct text *kept_chunks(const struct row *row, struct arena *arena)
{
    struct text *chunks = arena_alloc(arena, row->turn_count * sizeof *chunks);
    size_t from = 0;
    for (size_t i = 0; i < row->turn_count; i++) {
        size_t to;
        memcpy(&to, row->ends.at + i * sizeof to, sizeof to);
        chunks[i] = text_make((const char *)row->past.at + from, to - from);
        from = to;
    }
    return chunks;
}

static void write_new(struct side *side, struct item *item, const struct turn *turn)
{
    struct written written = { .buffer = &side->scratch };
    buffer_reset(&side->scratch);
    write_turn(&written, BODY_OURS, turn, PAST_KNOWN, NULL, 0, TEXT_ABSENT);
    item_fill(item, turn, TEXT_ABSENT);
    put_bodies(item, &written);
}

static void put_turn(struct side *side, struct row *row, struct item *item)
{
    struct broker *broker = side->broker;
    size_t size = item->bytes.size;
    if (size > BODY_SMALL) {
        item->waiting_bytes = size;
        atomic_fetch_add_explicit(&broker->waiting_bytes, size, memory_order_relaxed);
    }
    atomic_fetch_add(&row->refs, 1);
    item->row = row;
    atomic_store_explicit(&row->must_encode, false, memory_order_relaxed);
    row_used(side, row);
    inbox_put(broker, ARRIVES_ITEM, item);
}

static enum runner_answer take_turn(struct runner *runner, const struct turn *turn,
                                    struct past *past, struct arena *arena, struct turn_result *ret)
{
    struct broker *broker = broker_of(runner);
    if (is_own(broker, turn->name, false)) {
        struct runner *own = broker->options.own;
        return own->ops->turn(own, turn, past, arena, ret);
    }
    struct side *side = &broker->sides[turn->partition];
    rows_forget_over(side);
    unsigned wanted = atomic_load(&broker->wanted);
    struct row *row = row_get(side, turn->row, turn->partition);
    uint64_t holder = holder_of(broker, row, turn->number);
    bool keeps = wants(wanted, BODY_PLAIN) || wants(wanted, BODY_STREAMED);
    struct item *item;
    if (wanted == 0 || is_too_much(broker, row)) { /* U1 */
        item = item_new(side);
        item_fill(item, turn, TEXT_ABSENT);
    } else if (holder != 0) {
        item = item_new(side);
        write_new(side, item, turn);
        item->pin = holder;
    } else if (turn->number == 1) {
        row->keeps = keeps;
        item = item_new(side);
        write_whole(side, row, wanted, item, turn, NULL, 0);
    } else if (past == NULL && row_has_past(row, turn->number) &&
               !must_be_durable(row, wanted, turn)) {
        item = item_new(side);
        write_whole(side, row, wanted, item, turn, kept_chunks(row, arena), row->turn_count);
    } else if (past == NULL) {
        return RUNNER_NEEDS_HISTORY;
    } else {
        assert_that(past->turn_count == 0 || past->chunks != NULL);
        if (keeps) {
            row_take_past(side, row, past);
        }
        item = item_new(side);
        write_whole(side, row, wanted, item, turn, past->chunks, past->turn_count);
    }
    put_turn(side, row, item);
    return RUNNER_LATER;
}

/* ---- entities -------------------------------------------------------------------------------- */

/* "@name@key" */
static struct text name_of_entity(struct text id)
{
    const char *end = memchr(id.at + 1, '@', id.size - 1);
    assert_that(end != NULL);
    return text_make(id.at + 1, (size_t)(end - id.at - 1));
}

static enum runner_answer take_entity(struct runner *runner, const struct turn *turn,
                                      struct arena *arena, struct entity_result *ret)
{
    struct broker *broker = broker_of(runner);
    if (is_own(broker, name_of_entity(turn->instance_id), false)) {
        struct runner *own = broker->options.own;
        return own->ops->entity(own, turn, arena, ret);
    }
    struct side *side = &broker->sides[turn->partition];
    unsigned wanted = atomic_load(&broker->wanted);
    size_t count = turn->event_count - 1;
    struct written written = { .buffer = &side->scratch };
    buffer_reset(&side->scratch);
    if (wants(wanted, BODY_PLAIN) || wants(wanted, BODY_STREAMED)) {
        count = work_write_entity_turn(&side->scratch, WORK_PLAIN, turn);
        written.to[BODY_PLAIN] = side->scratch.size;
    }
    if (wants(wanted, BODY_OURS)) {
        written.from[BODY_OURS] = side->scratch.size;
        (void)work_write_entity_turn(&side->scratch, WORK_OURS, turn);
        written.to[BODY_OURS] = side->scratch.size;
    }
    struct item *item = item_new(side);
    item_fill(item, turn, TEXT_ABSENT);
    item->operation_count = count; /* that every worker gets */
    put_bodies(item, &written);
    inbox_put(broker, ARRIVES_ITEM, item);
    return RUNNER_LATER;
}

/* ---- what is over ---------------------------------------------------------------------------- */

static void put_cancelled(struct broker *broker, enum arrival_kind kind, unsigned partition,
                          uint64_t row, int32_t id)
{
    struct cancelled *what = mem_alloc(sizeof *what);
    what->row = row;
    what->partition = partition;
    what->id = id;
    inbox_put(broker, kind, what);
}

static void forget(struct runner *runner, unsigned partition, uint64_t number)
{
    struct broker *broker = broker_of(runner);
    struct side *side = &broker->sides[partition];
    struct row *row = row_find(side, number);
    if (broker->options.own != NULL) {
        broker->options.own->ops->forget(broker->options.own, partition, number);
    }
    if (row != NULL && atomic_load(&row->refs) > 1) { /* its turn may be out */
        atomic_fetch_add(&row->refs, 1);
        row_drop(side, row);
        inbox_put(broker, ARRIVES_FORGET, row);
        return;
    }
    if (row != NULL) {
        row_drop(side, row);
    }
    if (atomic_load_explicit(&broker->asides.has_any, memory_order_relaxed)) {
        put_cancelled(broker, ARRIVES_GONE, partition, number, EVENT_NO_ID);
    }
}

static void forget_all(struct runner *runner, unsigned partition)
{
    struct broker *broker = broker_of(runner);
    struct side *side = &broker->sides[partition];
    if (broker->options.own != NULL) {
        broker->options.own->ops->forget_all(broker->options.own, partition);
    }
    rows_forget_over(side);
    struct list_node *node;
    while ((node = list_front(&side->used)) != NULL) {
        row_drop(side, CONTAINER_OF(node, struct row, used));
    }
    put_cancelled(broker, ARRIVES_FORGET_ALL, partition, 0, EVENT_NO_ID);
}

static void record(struct runner *runner, unsigned partition, uint64_t number_of_row,
                   uint64_t number, struct text bytes)
{
    struct broker *broker = broker_of(runner);
    struct side *side = &broker->sides[partition];
    struct row *row = row_find(side, number_of_row);
    const struct runner_ops *own = broker->options.own != NULL ? broker->options.own->ops : NULL;
    if (row != NULL) {
        row_append(side, row, number, bytes);
    } else if (own != NULL && own->version >= 4 && own->record != NULL) {
        own->record(broker->options.own, partition, number_of_row, number, bytes);
    }
}

static void trim(struct runner *runner, unsigned partition)
{
    struct broker *broker = broker_of(runner);
    struct side *side = &broker->sides[partition];
    if (broker->options.own != NULL && broker->options.own->ops->trim != NULL) {
        broker->options.own->ops->trim(broker->options.own, partition);
    }
    rows_forget_over(side);
    buffer_done(&side->scratch);
    items_free(side->spare);
    items_free(atomic_exchange(&side->given, NULL));
    side->spare = NULL;
}

/* ---- activities ------------------------------------------------------------------------------ */

static void run_own(struct runner *runner, const struct activity *activity,
                    struct activity_host *host, struct arena *arena, struct activity_result *ret)
{
    struct runner *own = broker_of(runner)->options.own;
    assert_that(own != NULL);
    own->ops->activity(own, activity, host, arena, ret);
}

static bool dispatch(struct runner *runner, struct activity *activity)
{
    struct broker *broker = broker_of(runner);
    if (is_own(broker, activity->name, true)) {
        return false;
    }
    inbox_put(broker, ARRIVES_ACTIVITY, activity);
    return true;
}

/* One that run_own has answered for. */
static void take(struct runner *runner, struct activity *activity)
{
    struct runner *own = broker_of(runner)->options.own;
    own->ops->take(own, activity);
}

static void cancel(struct runner *runner, unsigned partition, uint64_t row, int32_t id)
{
    struct runner *own = broker_of(runner)->options.own;
    if (own != NULL && own->ops->version >= 4 && own->ops->cancel != NULL) {
        own->ops->cancel(own, partition, row, id);
    }
    put_cancelled(broker_of(runner), ARRIVES_CANCEL, partition, row, id);
}

const struct runner_ops broker_runner_ops = {
    .version = 4,
    .turn = take_turn,
    .forget = forget,
    .forget_all = forget_all,
    .trim = trim,
    .activity = run_own,
    .entity = take_entity,
    .dispatch = dispatch,
    .cancel = cancel,
    .record = record,
    .take = take,
};
