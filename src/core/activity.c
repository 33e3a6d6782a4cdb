/* SPDX-License-Identifier: MIT
 *
 * Activities: what is to be run, as one heap block.
 *
 * The block holds the struct, behind it all its text, each piece ended by a NUL, and then room for
 * whoever runs it. So it can travel to the thread that runs it and back without another allocation.
 */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "core/core_priv.h"

static struct text put(char **at, struct text text)
{
    if (!text_is_present(text)) {
        return TEXT_ABSENT;
    }
    char *to = *at;
    memcpy(to, text.at, text.size);
    to[text.size] = 0;
    *at += text.size + 1;
    return text_make(to, text.size);
}

static const struct event_extra no_extra;

struct activity *activity_new(struct core *core, const struct instance *instance,
                              const struct event *scheduled, struct text progress)
{
    enum { NULS = 7, ALIGN = 16 };
    const struct event_extra *extra = scheduled->extra != NULL ? scheduled->extra : &no_extra;
    if (!text_is_present(progress)) {
        progress = extra->progress;
    }
    size_t size = sizeof(struct activity) + instance->id.size + instance->execution_id.size +
                  scheduled->name.size + scheduled->version.size + scheduled->payload.size +
                  extra->tags.size + progress.size + NULS;
    size_t room_at = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    size = room_at + core->activity_room;
    struct activity *activity = shelf_try_take(&core->activities, size);
    if (activity == NULL) {
        mem_exhausted(size);
        unreachable_state("mem_exhausted does not return");
    }
    char *at = (char *)(activity + 1);
    activity->node = (struct list_node){ 0 };
    activity->row = instance->row;
    activity->id = scheduled->id;
    activity->first = extra->first > 0 ? extra->first - 1 : scheduled->id;
    activity->partition = core->partition;
    activity->instance_id = put(&at, instance->id);
    activity->execution_id = put(&at, instance->execution_id);
    activity->name = put(&at, scheduled->name);
    activity->version = put(&at, scheduled->version);
    activity->input = put(&at, scheduled->payload);
    activity->tags = put(&at, extra->tags);
    activity->progress = put(&at, progress);
    activity->limits = extra->limits;
    activity->epoch = core->epoch;
    activity->size = size;
    activity->room = (char *)activity + room_at;
    return activity;
}

void activity_cancel(struct core *core, const struct instance *instance, int32_t id)
{
    struct batch *batch = core_open_batch(core);
    struct cancellation *cancellation = arena_alloc(&batch->arena, sizeof *cancellation);
    cancellation->row = instance->row;
    cancellation->id = id;
    cancellation->next = batch->cancellations;
    batch->cancellations = cancellation;
    core->has_unwanted = true;
}

void core_reuse_activity(struct core *core, struct activity *activity)
{
    shelf_give(&core->activities, activity, activity->size);
}

void activity_free(struct activity *activity)
{
    mem_free(activity);
}

void activity_dispatch(struct core *core, struct activity *activity)
{
    struct batch *batch = core_open_batch(core);
    list_push_back(&batch->activities, &activity->node);
    batch->activity_count++;
    batch->has_start_limits |= activity->limits.start_ms != 0;
}
