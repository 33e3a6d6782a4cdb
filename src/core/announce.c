/* SPDX-License-Identifier: MIT
 *
 * Announcing: what happens to instances, for somebody outside who wants to hear of it.
 *
 * A change is announced by a letter that starts an instance of CORE_NOTIFY, whose input is what the
 * announcer has written. So it is durable with the change, or neither is (C8), and there is nothing
 * to be forgotten or said twice: what the new instance does with it is its own affair.
 *
 *   A1  Its ID is made of the row, the kind and the time of the change, which no other change has:
 *       rows are never used again, and times of one are strictly increasing (C6).
 *   A2  Only what a batch of this core changes is announced. What was adopted as it stands (an
 *       archive of one that has ended), replaced or purged is not.
 *   A3  With no announcer a change costs one look at a pointer. */
#include <inttypes.h>

#include "core/core_priv.h"

const char *announcement_name(enum announcement_kind kind)
{
    static const char *const names[] = { "started",    "completed", "failed",
                                         "terminated", "suspended", "resumed" };
    return names[kind];
}

static void send(struct core *core, const struct instance *instance,
                 const struct announcement *announcement)
{
    struct arena *arena = &core_open_batch(core)->arena;
    struct text id =
        text_of(arena_printf(arena, CORE_NOTIFY ":%" PRIu64 ":%s:%" PRId64, instance->row,
                             announcement_name(announcement->kind), announcement->at));
    struct event started = {
        .kind = EVENT_EXECUTION_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = announcement->at,
        .name = TEXT(CORE_NOTIFY),
        .payload = buffer_text(&core->scratch),
        .instance_id = id,
    };
    (void)letter_send(core, MESSAGE_START, id, TEXT_ABSENT, &started);
}

void announce_change(struct core *core, const struct instance *instance,
                     enum announcement_kind kind, const struct failure *failure)
{
    struct announcement announcement = {
        .kind = kind,
        .state = instance->state,
        .id = instance->id,
        .execution_id = instance->execution_id,
        .name = instance->name,
        .version = instance->version,
        .extra = instance->extra,
        .created_at = instance->created_at,
        .at = instance->last_at,
        .output = instance->output,
        .failure = failure,
    };
    if (text_equal(instance->name, TEXT(CORE_NOTIFY))) {
        return; /* it would never end */
    }
    buffer_reset(&core->scratch);
    if (core->announcer->write(core->announcer->argument, &announcement, &core->scratch)) {
        send(core, instance, &announcement);
    }
}
