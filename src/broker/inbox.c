/* SPDX-License-Identifier: MIT
 *
 * The inbox: what other threads have for the loop's.
 *
 * Many put, one takes all. What comes was last written by another processor; as it is an array that
 * points to it, and not a chain through it, it can be fetched into the caches ahead. Only who finds
 * the inbox empty, or the loop's thread itself, has the loop woken: one wake for many (D1). */
#include "broker/broker_priv.h"

enum { KEPT = 1 << 18 }; /* bytes of each of the two, between bursts */

void inbox_init(struct inbox *inbox)
{
    pthread_mutex_init(&inbox->lock, NULL);
    buffer_init(&inbox->put);
    buffer_init(&inbox->read);
}

void inbox_done(struct inbox *inbox)
{
    buffer_done(&inbox->put);
    buffer_done(&inbox->read);
    pthread_mutex_destroy(&inbox->lock);
}

void broker_poke(struct broker *broker)
{
    if (!broker->is_running && !atomic_load_explicit(&broker->is_posted, memory_order_relaxed) &&
        !atomic_exchange(&broker->is_posted, true)) {
        broker->options.post(broker->options.argument);
    }
}

void inbox_put(struct broker *broker, enum arrival_kind kind, void *what)
{
    struct inbox *inbox = &broker->inbox;
    const struct arrival arrival = { kind, what };
    pthread_mutex_lock(&inbox->lock);
    bool is_first = inbox->put.size == 0;
    buffer_add(&inbox->put, &arrival, sizeof arrival);
    pthread_mutex_unlock(&inbox->lock);
    if (is_first && !atomic_exchange(&broker->is_posted, true)) {
        broker->options.post(broker->options.argument);
    }
}

const struct arrival *inbox_take(struct broker *broker, size_t *ret_count)
{
    struct inbox *inbox = &broker->inbox;
    if (inbox->read.room > KEPT) {
        buffer_done(&inbox->read);
    }
    buffer_reset(&inbox->read);
    pthread_mutex_lock(&inbox->lock);
    struct buffer taken = inbox->put;
    inbox->put = inbox->read;
    pthread_mutex_unlock(&inbox->lock);
    inbox->read = taken;
    *ret_count = taken.size / sizeof(struct arrival);
    return (const struct arrival *)taken.at;
}
