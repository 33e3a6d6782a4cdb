/* SPDX-License-Identifier: MIT
 *
 * Items: pieces of work, and where each of them is (B1).
 *
 * Those of turns are made by the partition's thread and done with on the loop's, which gives them
 * back with the memory they hold, so that the next turn finds it. Those of activities are made and
 * used again on the loop's thread.
 *
 *   I1  An item is released by item_free only, after item_detach.
 *   I2  A token that is good finds its item: in the states READY and RESTS too, when it was out
 *       before and has not been handed out since (D4). */
#include "base/assert.h"
#include "base/memory.h"
#include "broker/broker_priv.h"

enum { BYTES_KEPT = 8192 }; /* of an item that is not in use */

/* ---- made and given back --------------------------------------------------------------------- */

static void empty(struct item *item)
{
    struct buffer bytes = item->bytes;
    *item = (struct item){ .bytes = bytes };
    buffer_reset(&item->bytes);
}

struct item *item_new(struct side *side)
{
    if (side->spare == NULL) {
        side->spare = atomic_exchange(&side->given, NULL);
    }
    struct item *item = side->spare;
    if (item == NULL) {
        return mem_alloc(sizeof *item);
    }
    side->spare = item->next;
    empty(item);
    return item;
}

static void trim_bytes(struct item *item)
{
    if (item->bytes.room > BYTES_KEPT) {
        buffer_done(&item->bytes);
    }
}

void item_give_back(struct side *side, struct item *item)
{
    item->next = atomic_load_explicit(&side->given, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&side->given, &item->next, item)) {}
}

void items_free(struct item *item)
{
    while (item != NULL) {
        struct item *next = item->next;
        buffer_done(&item->bytes);
        mem_free(item);
        item = next;
    }
}

static size_t put(struct item *item, struct text text)
{
    size_t at = item->bytes.size;
    buffer_add_text(&item->bytes, text);
    return at;
}

static void place(struct item *item, struct text *to, struct text text, size_t at)
{
    *to = text_is_present(text)
              ? text_make(text.size != 0 ? (const char *)item->bytes.at + at : "", text.size)
              : TEXT_ABSENT;
}

/* The texts lie before the bodies; where they lie is set when nothing is added any more. */
void item_fill(struct item *item, const struct turn *turn, struct text trace)
{
    item->kind = turn_is_of_entity(turn) ? KIND_ENTITY : KIND_TURN;
    item->weight = 1;
    item->ticket = turn_ticket_of(turn);
    item->number = turn->number;
    item->operation_count = turn->event_count - 1;
    item->is_called = turn->is_called;
    size_t at[5] = { put(item, turn->instance_id), put(item, turn->execution_id),
                     put(item, turn->name), put(item, turn->version), put(item, trace) };
    place(item, &item->instance_id, turn->instance_id, at[0]);
    place(item, &item->execution_id, turn->execution_id, at[1]);
    place(item, &item->name, turn->name, at[2]);
    place(item, &item->version, turn->version, at[3]);
    place(item, &item->trace, trace, at[4]);
}

static void rebase(const struct item *item, struct text *text, const uint8_t *old)
{
    if (text->size != 0) {
        text->at = (const char *)item->bytes.at + ((const uint8_t *)text->at - old);
    }
}

static void rebase_texts(struct item *item, const uint8_t *old)
{
    rebase(item, &item->instance_id, old);
    rebase(item, &item->execution_id, old);
    rebase(item, &item->name, old);
    rebase(item, &item->version, old);
    rebase(item, &item->trace, old);
}

void item_set_bodies(struct item *item, const struct text bodies[BODY_COUNT])
{
    size_t size = 0;
    for (size_t i = 0; i < BODY_COUNT; i++) {
        size += bodies[i].size;
    }
    uintptr_t old = (uintptr_t)item->bytes.at;
    size_t texts = item->bytes.size;
    (void)buffer_extend(&item->bytes, size);
    item->bytes.size = texts;
    if ((uintptr_t)item->bytes.at != old) {
        rebase_texts(item, (const uint8_t *)old);
    }
    for (size_t i = 0; i < BODY_COUNT; i++) {
        if (bodies[i].size != 0) {
            size_t at = put(item, bodies[i]);
            place(item, &item->bodies[i], bodies[i], at);
        }
    }
}

void item_drop_body(struct item *item)
{
    struct buffer old = item->bytes;
    size_t size = 0;
    for (size_t i = 0; i < BODY_COUNT; i++) {
        size += item->bodies[i].size;
        item->bodies[i] = TEXT_ABSENT;
    }
    buffer_init(&item->bytes);
    buffer_add(&item->bytes, old.at, old.size - size);
    rebase_texts(item, old.at);
    buffer_done(&old);
}

struct item *item_of_activity(struct broker *broker, struct activity *activity)
{
    struct item *item = broker->spare;
    if (item != NULL) {
        broker->spare = item->next;
        broker->spare_count--;
        empty(item);
    } else {
        item = mem_alloc(sizeof *item);
    }
    item->kind = KIND_ACTIVITY;
    assert_that(activity->size < UINT32_MAX - sizeof *item); /* LIMIT_TURN_ACTION_BYTES */
    item->weight = (uint32_t)(sizeof *item + activity->size);
    item->is_called = activity->is_called;
    item->activity = activity;
    item->task_id = activity->id;
    item->instance_id = activity->instance_id;
    item->execution_id = activity->execution_id;
    item->name = activity->name;
    item->version = activity->version;
    return item;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static uint32_t take_slot(struct slots *slots)
{
    if (slots->free_count != 0) {
        return slots->free[--slots->free_count];
    }
    if (slots->count == slots->room) {
        enum { ROOM_MIN = 256 };
        size_t room = slots->room != 0 ? slots->room * 2 : ROOM_MIN;
        assert_that(room < UINT32_MAX);
        slots->items = mem_grow(slots->items, slots->room * sizeof(struct item *),
                                room * sizeof(struct item *));
        slots->free =
            mem_grow(slots->free, slots->room * sizeof *slots->free, room * sizeof *slots->free);
        slots->room = room;
    }
    return (uint32_t)slots->count++;
}

void item_enter(struct broker *broker, struct item *item)
{
    item->slot = take_slot(&broker->slots);
    item->serial = ++broker->slots.serial;
    broker->slots.items[item->slot] = item;
    if (item->kind == KIND_ACTIVITY) {
        index_put(&broker->by_row, &item->by_row, item->activity->row);
    }
}

/* ---- states ---------------------------------------------------------------------------------- */

static void leave_stream(struct broker *broker, struct item *item)
{
    list_remove(&item->link);
    if (list_is_linked(&item->timed)) {
        list_remove(&item->timed);
    }
    suspect_leave(broker, item);
    item->stream->unfinished[item->kind]--;
    broker->counters.unfinished[item->kind]--;
    item->stream = NULL;
    broker_poke(broker); /* it has room for another one */
}

void item_uncount_bytes(struct broker *broker, struct item *item)
{
    if (item->waiting_bytes != 0) {
        atomic_fetch_sub_explicit(&broker->waiting_bytes, item->waiting_bytes,
                                  memory_order_relaxed);
        item->waiting_bytes = 0;
    }
}

void item_leave(struct broker *broker, struct item *item)
{
    switch (item->state) {
    case ITEM_READY:
        lanes_take(broker, item);
        broker->counters.waiting[item->kind]--;
        break;
    case ITEM_RESTS:
    case ITEM_LOST:
        list_remove(&item->link);
        broker->counters.waiting[item->kind]--;
        broker->counters.returning -= item->state == ITEM_LOST;
        break;
    case ITEM_OUT:
    case ITEM_GHOST: leave_stream(broker, item); break;
    case ITEM_NEW:
    case ITEM_ENDING: break;
    }
    if (list_is_linked(&item->fresh)) {
        list_remove(&item->fresh);
    }
    item->state = ITEM_NEW;
}

void item_detach(struct broker *broker, struct item *item)
{
    item_leave(broker, item);
    item->has_token = false;
    index_remove(&broker->by_row, &item->by_row);
    index_remove(&broker->by_instance, &item->by_instance);
    if (item->serial != 0) {
        broker->slots.items[item->slot] = NULL;
        broker->slots.free[broker->slots.free_count++] = item->slot;
        item->serial = 0;
    }
}

void item_drop_parts(struct broker *broker, struct item *item)
{
    struct errand *part = item->parts;
    while (part != NULL) {
        struct errand *next = part->next;
        errand_free(broker, part);
        part = next;
    }
    item->parts = NULL;
    item->part_count = item->part_bytes = 0;
}

void item_void_parts(struct broker *broker, struct item *item)
{
    if (item->parts != NULL) {
        item->has_token = false;
        item_drop_parts(broker, item);
    }
}

/* The engine gets it. The item may stay as a ghost, and is still known by its instance. */
void item_lose_activity(struct item *item)
{
    struct text instance_id = item->instance_id;
    size_t at = put(item, instance_id);
    place(item, &item->instance_id, instance_id, at);
    item->execution_id = item->name = item->version = TEXT_ABSENT;
    item->activity = NULL;
}

void item_free(struct broker *broker, struct item *item)
{
    assert_that(item->state == ITEM_NEW && item->serial == 0);
    item_uncount_bytes(broker, item);
    item_drop_parts(broker, item);
    if (item->beat != NULL) {
        buffer_done(&item->beat->said);
        mem_free(item->beat);
    }
    activity_free(item->activity);
    if (item->row != NULL) {
        if (item->row->item == item) {
            item->row->item = NULL;
        }
        row_unref(item->row);
    }
    trim_bytes(item);
    if (item->kind != KIND_ACTIVITY) {
        item_give_back(&broker->sides[item->ticket.partition], item);
    } else if (broker->spare_count < SPARES_MAX) {
        item->next = broker->spare;
        broker->spare = item;
        broker->spare_count++;
    } else {
        item->next = NULL;
        items_free(item);
    }
}

void item_end(struct broker *broker, struct item *item)
{
    item_detach(broker, item);
    item_free(broker, item);
}

void item_unwant(struct broker *broker, struct item *item)
{
    if (item->state == ITEM_ENDING || item->state == ITEM_GHOST) {
        return;
    }
    if (item->state != ITEM_OUT) {
        item_end(broker, item);
        return;
    }
    activity_tell_unwanted(item);
    item_drop_parts(broker, item);
    item->state = ITEM_GHOST;
    if (item->kind == KIND_ACTIVITY) {
        index_remove(&broker->by_row, &item->by_row);
    }
}

void item_freshen(struct broker *broker, struct item *item)
{
    if (!list_is_linked(&item->fresh)) {
        list_push_back(&broker->fresh, &item->fresh);
    }
    broker_poke(broker);
}
