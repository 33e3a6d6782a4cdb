/* SPDX-License-Identifier: MIT
 *
 * Critical sections in a history: the one that it leaves open.
 *
 * A section is open from its LOCK_REQUESTED until there is an UNLOCK_SENT for each of its entities,
 * or an ENTITY_FAILED instead of the locks. An unlocking before LOCK_GRANTED had no effect
 * (sections.c, G1). Nobody else can have these locks, nor can it itself once they were given back.
 *
 * This says what folding the events into open steps would say, in linear time whatever they are.
 *
 *   R4  One section at a time: whoever is in one may not ask for another. A history that says
 *       otherwise never gets out of the second.
 */
#include <string.h>

#include "base/limits.h"
#include "core/lock_set.h"
#include "core/rewrite.h"

enum { WORDS = LIMIT_LOCK_SET / 64 };
_Static_assert(LIMIT_LOCK_SET % 64 == 0, "a bit for each lock");

struct scan {
    const struct event *open; /* the LOCK_REQUESTED; NULL: none */
    size_t left;              /* of its entities, those that are locked */
    uint64_t unlocked[WORDS];
    bool is_granted;
    bool is_stuck; /* R4, or more locks than there can be */
};

static void begin(struct scan *scan, const struct event *request)
{
    size_t count = request->extra != NULL ? lock_set_count(request->extra->lock_set) : 0;
    scan->is_stuck = scan->open != NULL || count > LIMIT_LOCK_SET;
    scan->open = scan->is_stuck || count != 0 ? request : NULL;
    scan->left = count;
    scan->is_granted = false;
    memset(scan->unlocked, 0, sizeof scan->unlocked);
}

/* Once each, and all of one that is in the set twice. */
static void unlock(struct scan *scan, struct text entity)
{
    struct text id;
    size_t i = 0;
    for (size_t cursor = 0; lock_set_next(scan->open->extra->lock_set, &cursor, &id); i++) {
        uint64_t bit = UINT64_C(1) << i % 64;
        if (text_equal(id, entity) && (scan->unlocked[i / 64] & bit) == 0) {
            scan->unlocked[i / 64] |= bit;
            scan->left--;
        }
    }
    if (scan->left == 0) {
        scan->open = NULL;
    }
}

static void look_at(struct scan *scan, const struct event *event)
{
    if (scan->is_stuck) {
        return;
    }
    if (event->kind == EVENT_LOCK_REQUESTED) {
        begin(scan, event);
    } else if (scan->open == NULL) {
        return;
    } else if (event->kind == EVENT_LOCK_GRANTED && event->ref == scan->open->id) {
        scan->is_granted = true;
    } else if (event->kind == EVENT_UNLOCK_SENT && scan->is_granted &&
               text_equal(event->request_id, scan->open->request_id)) {
        unlock(scan, event->instance_id);
    } else if (event->kind == EVENT_ENTITY_FAILED && !scan->is_granted &&
               event->ref == scan->open->id) {
        scan->open = NULL;
    }
}

const struct event *rewrite_open_section(const struct adoption *adoption)
{
    struct scan scan = { .open = NULL };
    for (size_t i = 0; i < adoption->turn_count; i++) {
        for (size_t j = 0; j < adoption->turns[i].count; j++) {
            look_at(&scan, &adoption->turns[i].events[j]);
        }
    }
    for (size_t i = 0; i < adoption->waiting_count; i++) {
        look_at(&scan, &adoption->waiting[i]);
    }
    return scan.open;
}
