/* SPDX-License-Identifier: MIT
 *
 * Events that no turn has consumed: a queue in order of arrival, each one block.
 *
 * The events of an open turn stay at the front until the turn ends, so that giving a turn back is
 * nothing but forgetting it, and a cut in the meantime finds them here.
 *
 *   W1  Numbers in the inbox are given at the cut, in order; so those that have one are a prefix,
 *       and `unrecorded` is the first behind it.
 *   W2  All text of an event, its failure and that one's causes (at most LIMIT_FAILURE_DEPTH of
 *       them: deeper ones are left out) are in the event's block.
 */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "core/core_priv.h"

static size_t failure_count(const struct failure *failure)
{
    size_t count = 0;
    while (failure != NULL && count <= LIMIT_FAILURE_DEPTH) { /* itself, and its causes */
        count++;
        failure = failure->cause;
    }
    return count;
}

static size_t text_size(const struct event *event, size_t failures)
{
    size_t size = event->name.size + event->version.size + event->payload.size +
                  event->instance_id.size + event->execution_id.size + event->raw.size;
    const struct failure *failure = event->failure;
    for (size_t i = 0; i < failures; i++, failure = failure->cause) {
        size += failure->type.size + failure->message.size;
    }
    return size;
}

/* Moves a text into the block; one of no bytes stays present. */
static void take(char **at, struct text *text)
{
    if (text->at == NULL) {
        return;
    }
    if (text->size != 0) {
        memcpy(*at, text->at, text->size);
    }
    text->at = *at;
    *at += text->size;
}

struct waiting_event *waiting_event_new(struct shelf *shelf, const struct event *event)
{
    size_t failures = failure_count(event->failure);
    struct waiting_event *waiting;
    size_t head = sizeof *waiting + failures * sizeof(struct failure);
    /* One more byte, for the address of an empty text at the end. */
    size_t size = head + text_size(event, failures) + 1;
    waiting = shelf_try_take(shelf, size);
    if (waiting == NULL) {
        return NULL;
    }
    *waiting = (struct waiting_event){ .size = size, .event = *event };
    char *at = (char *)waiting + head;
    struct event *copy = &waiting->event;
    take(&at, &copy->name);
    take(&at, &copy->version);
    take(&at, &copy->payload);
    take(&at, &copy->instance_id);
    take(&at, &copy->execution_id);
    take(&at, &copy->raw);

    struct failure *to = (struct failure *)(waiting + 1);
    const struct failure *from = event->failure;
    copy->failure = failures != 0 ? to : NULL;
    for (size_t i = 0; i < failures; i++, from = from->cause) {
        to[i] = *from;
        to[i].cause = i + 1 < failures ? &to[i + 1] : NULL;
        take(&at, &to[i].type);
        take(&at, &to[i].message);
    }
    return waiting;
}

struct waiting_event *waiting_event_must(struct shelf *shelf, const struct event *event)
{
    struct waiting_event *waiting = waiting_event_new(shelf, event);
    if (waiting == NULL) {
        mem_exhausted(text_size(event, failure_count(event->failure)));
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
    assert_that(event->arrival == 0 || events->unrecorded == NULL);
}

uint64_t waiting_events_drop(struct shelf *shelf, struct waiting_events *events, size_t n)
{
    uint64_t arrival = 0;
    assert_that(n <= events->count);
    for (size_t i = 0; i < n; i++) {
        struct waiting_event *event = events->first;
        events->first = event->next;
        if (event->arrival != 0) {
            arrival = event->arrival;
        }
        if (events->unrecorded == event) {
            events->unrecorded = event->next;
        }
        shelf_give(shelf, event, event->size);
    }
    events->count -= n;
    if (events->first == NULL) {
        events->last = NULL;
    }
    return arrival;
}
