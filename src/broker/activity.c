/* SPDX-License-Identifier: MIT
 *
 * Activities that are out: what is heard of them, and when nobody wants them any more.
 *
 * One heartbeat of an activity is on its way to the engine at a time; what was said last waits
 * until that one is durable, as with those that run in the process (engine/host.c). What was said
 * last goes before the result, and is never behind it, as both take the same way. */
#include "base/memory.h"
#include "broker/broker_priv.h"

/* ---- heartbeats ------------------------------------------------------------------------------ */

static void send_beat(struct broker *broker, struct item *item)
{
    struct beat *beat = item->beat;
    struct errand *errand = errand_new(broker, ERRAND_BEAT);
    errand->slot = item->slot;
    errand->serial = item->serial;
    errand->is_wanted = true;
    errand->said = text_copy(&errand->request->arena, buffer_text(&beat->said));
    beat->has_news = false;
    beat->is_under_way = true;
    engine_beat_activity(broker->engine, errand->request, item->activity, errand->said,
                         &errand->is_wanted);
}

void activity_heard(struct broker *broker, struct errand *errand)
{
    struct item *item = broker->slots.items[errand->slot];
    if (item == NULL || item->serial != errand->serial || item->beat == NULL) {
        return;
    }
    struct beat *beat = item->beat;
    beat->is_under_way = false;
    if (item->activity == NULL || broker->engine == NULL) {
        return; /* it is over, or all is: there is nobody to be told more */
    }
    if (errand->status == PD_OK && !errand->is_wanted) {
        activity_tell_unwanted(item);
    } else if (errand->status == PD_OK && beat->has_news) {
        send_beat(broker, item);
    } else if (errand->status != PD_OK && !beat->has_news) { /* with the next one */
        buffer_reset(&beat->said);
        buffer_add_text(&beat->said, errand->said);
        beat->has_news = true;
    }
}

void activity_say_last(struct broker *broker, struct item *item)
{
    if (item->beat != NULL && item->beat->has_news) {
        send_beat(broker, item);
    }
}

void broker_beat(struct broker *broker, struct text token, struct text progress, bool *ret_wanted)
{
    OBJECT_CHECK(broker, BROKER_MAGIC);
    struct item *item = token_find(broker, token);
    if (item == NULL || item->kind != KIND_ACTIVITY || item->activity == NULL ||
        broker->engine == NULL) {
        *ret_wanted = false;
        return;
    }
    if (item->state == ITEM_OUT) {
        item_freshen(broker, item);
    }
    if (text_is_present(progress)) {
        if (item->beat == NULL) {
            item->beat = mem_alloc(sizeof *item->beat);
        }
        buffer_reset(&item->beat->said);
        buffer_add_text(&item->beat->said, progress);
        item->beat->has_news = true;
    }
    if (item->beat != NULL && item->beat->has_news && !item->beat->is_under_way) {
        send_beat(broker, item);
    }
    *ret_wanted = !item->is_unwanted;
}

/* ---- not wanted any more --------------------------------------------------------------------- */

void activity_tell_unwanted(struct item *item)
{
    char token[WORK_TOKEN_SIZE];
    if (item->kind != KIND_ACTIVITY || item->state != ITEM_OUT || item->is_unwanted) {
        return;
    }
    item->is_unwanted = true;
    struct broker_stream *stream = item->stream;
    if (stream->options.cancel != NULL && item->has_token) {
        token_write(item, token);
        stream->options.cancel(stream->options.argument, text_make(token, sizeof token));
    }
}

/* The step is not open any more: what runs is a ghost, what waits is gone. Of single steps that are
 * aside nothing is known here: when they are called for nothing comes. */
void activity_cancel_all(struct broker *broker, const struct cancelled *what)
{
    if (what->id == EVENT_NO_ID) {
        aside_drop_row(broker, what->row);
    }
    struct index_node *node = index_first(&broker->by_row, what->row);
    while (node != NULL) {
        struct item *item = CONTAINER_OF(node, struct item, by_row);
        node = index_next(node);
        if (what->id == EVENT_NO_ID || item->activity->id == what->id) {
            item_unwant(broker, item);
        }
    }
}

/* ---- too late -------------------------------------------------------------------------------- */

void activity_give_up(struct broker *broker, struct errand *errand, struct item *item,
                      const struct failure *failure)
{
    struct activity *activity = item->activity;
    struct activity_result *result = arena_alloc(&errand->request->arena, sizeof *result);
    result->failure = failure;
    activity_say_last(broker, item);
    item_lose_activity(item);
    item_unwant(broker, item);
    engine_end_activity(broker->engine, errand->request, activity, result);
}

void activity_late(struct broker *broker, struct item *item, enum time_limit limit)
{
    struct errand *errand = errand_new(broker, ERRAND_LATE);
    activity_give_up(broker, errand, item,
                     engine_word_timeout(&errand->request->arena, item->activity, limit));
}
