/* SPDX-License-Identifier: MIT
 *
 * The inbox: what other threads have for the loop's.
 *
 * Many push, one takes all. What is pushed is a list node, linked by its `next`; its `prev` says
 * whether it is that of a note or that of an activity, which so needs no note around it. Only who
 * finds the inbox empty, or the loop's thread itself, has the loop woken: one wake for many
 * (D1). */
#include "broker/broker_priv.h"

/* What `prev` points to. */
static struct list_node of_activity, of_note;

void broker_poke(struct broker *broker)
{
    if (!broker->is_running && !atomic_load_explicit(&broker->is_posted, memory_order_relaxed) &&
        !atomic_exchange(&broker->is_posted, true)) {
        broker->options.post(broker->options.argument);
    }
}

static void put(struct broker *broker, struct list_node *node, struct list_node *mark)
{
    node->prev = mark;
    struct list_node *newest = atomic_load_explicit(&broker->inbox.newest, memory_order_relaxed);
    do {
        node->next = newest;
    } while (!atomic_compare_exchange_weak(&broker->inbox.newest, &newest, node));
    if (newest == NULL && !atomic_exchange(&broker->is_posted, true)) {
        broker->options.post(broker->options.argument);
    }
}

void inbox_put(struct broker *broker, struct note *note, enum note_kind kind)
{
    note->kind = kind;
    put(broker, &note->node, &of_note);
}

void inbox_put_activity(struct broker *broker, struct activity *activity)
{
    put(broker, &activity->node, &of_activity);
}

struct list_node *inbox_take(struct broker *broker)
{
    struct list_node *newest = atomic_exchange(&broker->inbox.newest, NULL);
    struct list_node *oldest = NULL;
    while (newest != NULL) {
        struct list_node *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool inbox_is_activity(const struct list_node *node)
{
    return node->prev == &of_activity;
}
