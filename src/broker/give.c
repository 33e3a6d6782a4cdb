/* SPDX-License-Identifier: MIT
 *
 * Handing out: which item goes next, to which stream, as which bytes.
 *
 * What became ready first goes first, over all queues; a queue whose first item nobody can take now
 * is left alone for the rest of the run (B3). Streams of a queue take turns.
 *
 *   G1  An item that was given back is not offered to the same stream again while another one that
 *       has room could take it.
 *   G2  An item that is not there as the bytes this stream needs goes back to the engine, to be
 *       written again; only so many are on their way at once.
 *   G3  An item too large for all streams that have room rests, and is tried again. */
#include "broker/broker_priv.h"

/* ---- as which bytes -------------------------------------------------------------------------- */

enum fit { FIT_YES, FIT_UNWRITTEN, FIT_TOO_LARGE };

static struct text body_for(const struct item *item, const struct broker_stream *stream)
{
    if (stream->options.dialect == WORK_OURS) {
        return item->bodies[BODY_OURS];
    }
    if (stream->options.can_stream_history && text_is_present(item->bodies[BODY_STREAMED])) {
        return item->bodies[BODY_STREAMED];
    }
    return item->bodies[BODY_PLAIN];
}

/* One that was out already goes on from what it said last. */
static void write_gone_on(struct broker *broker, const struct item *item, enum work_dialect dialect)
{
    struct activity activity = *item->activity;
    struct event_extra extra = { .retry_of = 0 };
    if (activity.extra != NULL) {
        extra = *activity.extra;
    }
    extra.progress = buffer_text(&item->beat->said);
    activity.extra = &extra;
    work_write_activity(&broker->scratch, dialect, &activity);
}

/* Until the scratch is used again. */
static struct text write_activity(struct broker *broker, const struct item *item,
                                  const struct broker_stream *stream)
{
    buffer_reset(&broker->scratch);
    if (item->beat != NULL && item->beat->said.at != NULL) {
        write_gone_on(broker, item, stream->options.dialect);
    } else {
        work_write_activity(&broker->scratch, stream->options.dialect, item->activity);
    }
    return buffer_text(&broker->scratch);
}

static bool is_too_large(struct broker *broker, const struct item *item,
                         const struct broker_stream *stream, struct text body)
{
    enum { WORDS = 4096 }; /* what names, ids and tags may add to what they are in the block */
    size_t most = broker->options.item_bytes;
    if (stream->options.takes_large || stream->options.can_stream_history) {
        return false;
    }
    if (item->kind != KIND_ACTIVITY) {
        return body.size > most;
    }
    return item->activity->size + WORDS > most && write_activity(broker, item, stream).size > most;
}

static enum fit fit(struct broker *broker, const struct item *item,
                    const struct broker_stream *stream)
{
    struct text body = body_for(item, stream);
    if (item->kind != KIND_ACTIVITY && !text_is_present(body)) {
        return FIT_UNWRITTEN;
    }
    return is_too_large(broker, item, stream, body) ? FIT_TOO_LARGE : FIT_YES;
}

/* ---- to which stream ------------------------------------------------------------------------- */

/* D6. One whose client does not read is asked again when it has: broker_drained. */
static bool has_room(struct broker_stream *stream, enum work_kind kind)
{
    if (stream->is_stuffed ||
        (stream->max[kind] != 0 && stream->unfinished[kind] >= stream->max[kind])) {
        return false;
    }
    stream->is_stuffed = stream->options.backlog(stream->options.argument) > BACKLOG_MAX_BYTES;
    return !stream->is_stuffed;
}

struct choice {
    struct broker_stream *stream; /* NULL: none; then */
    bool is_unwritten, is_too_large;
};

static struct choice choose(struct broker *broker, struct queue *queue, const struct item *item)
{
    struct choice choice = { 0 };
    size_t chosen = 0;
    for (size_t i = 0; i < queue->stream_count; i++) {
        size_t at = queue->next + i;
        at = at >= queue->stream_count ? at - queue->stream_count : at;
        struct broker_stream *stream = queue->streams[at];
        if (!has_room(stream, item->kind)) {
            continue;
        }
        enum fit how = fit(broker, item, stream);
        choice.is_unwritten |= how == FIT_UNWRITTEN;
        choice.is_too_large |= how == FIT_TOO_LARGE;
        if (how == FIT_YES && (choice.stream == NULL || stream->id != item->avoid)) {
            choice.stream = stream;
            chosen = at;
            if (stream->id != item->avoid) {
                break;
            }
        }
    }
    if (choice.stream != NULL) {
        queue->next = chosen + 1 < queue->stream_count ? chosen + 1 : 0;
    }
    return choice;
}

static struct choice choose_holder(struct broker *broker, struct broker_stream *stream,
                                   const struct item *item)
{
    struct choice choice = { 0 };
    if (has_room(stream, item->kind)) {
        enum fit how = fit(broker, item, stream);
        choice.stream = how == FIT_YES ? stream : NULL;
        choice.is_unwritten = how == FIT_UNWRITTEN;
        choice.is_too_large = how == FIT_TOO_LARGE;
    }
    return choice;
}

/* ---- out it goes ----------------------------------------------------------------------------- */

static void note_instance(struct broker *broker, struct item *item)
{
    item->is_plain = item->stream->options.dialect == WORK_PLAIN;
    if (item->is_plain && !index_has(&item->by_instance)) {
        index_put(&broker->by_instance, &item->by_instance,
                  index_key(item->instance_id, broker->instance_seed));
    }
}

static void stamp(struct broker *broker, struct item *item)
{
    item->handed = ++broker->seq;
    item->peer = item->stream->options.peer;
    item->handed_at = broker->now;
    if (item->stream->options.dialect != WORK_OURS) {
        item->start_by = 0;
    } /* else its worker gives it back when it does not begin in time */
    item->refusals = 0;
    item_uncount_bytes(broker, item);
    if (item->kind == KIND_ACTIVITY) {
        rest_watch(broker, item);
    } else {
        list_push_back(&broker->timed, &item->timed);
    }
}

static void hand(struct broker *broker, struct item *item, struct broker_stream *stream)
{
    static const struct text suspect = TEXT_INIT("\xa0\x06\x01"); /* WorkItem.isSuspect */
    char token[WORK_TOKEN_SIZE], field[WORK_TOKEN_FIELD_SIZE];
    item_leave(broker, item);
    item_drop_parts(broker, item); /* they came with the token before */
    item->state = ITEM_OUT;
    item->stream = stream;
    list_push_back(&stream->out, &item->link);
    stream->unfinished[item->kind]++;
    broker->counters.unfinished[item->kind]++;
    broker->counters.dispatched[item->kind]++;
    stamp(broker, item);
    note_instance(broker, item);
    token_make(broker, item, token);
    work_put_token(field, token);
    item->has_begun = false;
    struct text pieces[3] = { item->kind == KIND_ACTIVITY ? write_activity(broker, item, stream)
                                                          : body_for(item, stream),
                              text_make(field, sizeof field), suspect };
    stream->options.send(stream->options.argument, pieces,
                         suspect_must_say(broker, item, stream) ? 3 : 2);
    if (item->kind == KIND_TURN && item->bytes.size > BODY_KEPT) {
        item_drop_body(item); /* should it be handed out again, it is written again */
    }
}

/* G3 */
static void refuse(struct broker *broker, struct item *item)
{
    enum { FIRST_US = 100000, DOUBLINGS = 9 };
    if (!item->was_told) {
        item->was_told = true;
        broker->counters.too_large++;
        broker_say(broker,
                   "a work item of %.*s is too large for the workers that are connected: it waits",
                   TEXT_ARGS(item->instance_id));
    }
    int64_t delay = (int64_t)FIRST_US << (item->refusals < DOUBLINGS ? item->refusals : DOUBLINGS);
    item->refusals++;
    item_leave(broker, item);
    rest_begin(broker, item, delay);
}

/* False: the queue's first cannot be given to anybody now. */
static bool give_first(struct broker *broker, struct queue *queue)
{
    struct item *item = CONTAINER_OF(list_front(&queue->items), struct item, link);
    struct choice choice = item->pin != 0
                               ? choose_holder(broker, stream_of(broker, item->pin), item)
                               : choose(broker, queue, item);
    if (choice.stream != NULL) {
        hand(broker, item, choice.stream);
        return true;
    }
    if (choice.is_unwritten && broker->returning < RETURNS_MAX) { /* G2 */
        errand_return(broker, item);
        return true;
    }
    if (!choice.is_unwritten && choice.is_too_large) {
        refuse(broker, item);
        return true;
    }
    return false;
}

static uint64_t first_seq(const struct queue *queue)
{
    return CONTAINER_OF(list_front(&queue->items), struct item, link)->seq;
}

static struct queue *next_queue(struct broker *broker)
{
    struct queue *next = NULL;
    LIST_EACH(node, &broker->active)
    {
        struct queue *queue = CONTAINER_OF(node, struct queue, active);
        if (!queue->is_blocked && (next == NULL || first_seq(queue) < first_seq(next))) {
            next = queue;
        }
    }
    return next;
}

void give_all(struct broker *broker)
{
    LIST_EACH(node, &broker->active)
    {
        CONTAINER_OF(node, struct queue, active)->is_blocked = false;
    }
    struct queue *queue;
    while ((queue = next_queue(broker)) != NULL) {
        if (!give_first(broker, queue)) {
            queue->is_blocked = true;
        }
    }
}
