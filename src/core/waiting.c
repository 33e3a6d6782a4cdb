/* SPDX-License-Identifier: MIT
 *
 * Events that no turn has consumed: a queue in order of arrival, each one block.
 *
 * The events of an open turn stay at the front until the turn ends, so that giving a turn back is
 * nothing but forgetting it, and a cut in the meantime finds them here.
 *
 *   W1  Numbers in the inbox are given at the cut, in order; so those that have one are a prefix,
 *       and `unrecorded` is the first behind it. Of an entity, some behind that may have one,
 *       given when they stood in line: line.c.
 *   W2  All text of an event, its failure and its extra are in the event's block: copy.c.
 */
#include "base/assert.h"
#include "base/memory.h"
#include "core/core_priv.h"

struct waiting_event *waiting_event_new(struct shelf *shelf, const struct event *event)
{
    size_t size = sizeof(struct waiting_event) + event_copy_size(event);
    struct waiting_event *waiting = shelf_try_take(shelf, size);
    if (waiting == NULL) {
        return NULL;
    }
    waiting->next = NULL;
    waiting->arrival = 0;
    waiting->size = size;
    waiting->overtakes = waiting->follows = false;
    event_copy_into(&waiting->event, waiting + 1, event);
    return waiting;
}

struct waiting_event *waiting_event_must(struct shelf *shelf, const struct event *event)
{
    struct waiting_event *waiting = waiting_event_new(shelf, event);
    if (waiting == NULL) {
        mem_exhausted(event_copy_size(event));
        unreachable_state("mem_exhausted does not return");
    }
    return waiting;
}

void waiting_events_add(struct waiting_events *events, struct waiting_event *event)
{
    if (events->last != NULL) {
        events->last->next = event;
    } else {
        events->first = event;
    }
    events->last = event;
    events->count++;
    if (event->arrival == 0 && events->unrecorded == NULL) {
        events->unrecorded = event;
    }
}

struct waiting_event *waiting_events_detach(struct waiting_events *events, size_t n,
                                            uint64_t *ret_arrival)
{
    struct waiting_event *chain = n != 0 ? events->first : NULL;
    struct waiting_event *last = NULL;
    assert_that(n <= events->count);
    *ret_arrival = 0;
    for (size_t i = 0; i < n; i++) {
        last = events->first;
        events->first = last->next;
        if (last->arrival != 0) {
            *ret_arrival = last->arrival;
        }
        if (events->unrecorded == last) {
            events->unrecorded = last->next;
        }
    }
    if (last != NULL) {
        last->next = NULL;
    }
    events->count -= n;
    if (events->first == NULL) {
        events->last = NULL;
    }
    return chain;
}

void waiting_events_take(struct waiting_events *events, struct waiting_event *before,
                         struct waiting_event *event)
{
    if (events->unrecorded == event) {
        events->unrecorded = event->next;
    }
    if (before != NULL) {
        before->next = event->next;
    } else {
        events->first = event->next;
    }
    if (events->last == event) {
        events->last = before;
    }
    event->next = NULL;
    events->count--;
}

void waiting_event_free_all(struct shelf *shelf, struct waiting_event *chain)
{
    while (chain != NULL) {
        struct waiting_event *next = chain->next;
        shelf_give(shelf, chain, chain->size);
        chain = next;
    }
}

uint64_t waiting_events_drop(struct shelf *shelf, struct waiting_events *events, size_t n)
{
    uint64_t arrival;
    waiting_event_free_all(shelf, waiting_events_detach(events, n, &arrival));
    return arrival;
}
