/* SPDX-License-Identifier: MIT
 *
 * Activities: what is to be run, as one heap block.
 *
 * The block holds the struct, behind it what few have, then all its text, each piece ended by a
 * NUL, and then room for whoever runs it. So it can travel to the thread that runs it and back
 * without another allocation.
 *
 * Where one batch has thousands of them, most will wait for long, and the room is more than half of
 * a block. So those beyond LEAN_FROM come without: who runs one makes room when it is run. One with
 * a limit of time for its start has it always, as that is kept there.
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

enum { LEAN_FROM = 2048 };

/* NULL: there is no memory. */
static struct activity *take(struct core *core, size_t size, bool is_lean)
{
    return is_lean ? mem_try_alloc_raw(size) : shelf_try_take(&core->activities, size);
}

/* What few have, at the end of the block. */
static const struct event_extra *put_extra(char **at, struct event_extra *to,
                                           const struct event_extra *extra, struct text progress)
{
    *to = (struct event_extra){ .limits = extra->limits };
    to->tags = put(at, extra->tags);
    to->progress = put(at, progress);
    to->trace = put(at, extra->trace);
    return to;
}

static size_t aligned(size_t size)
{
    enum { ALIGN = 16 };
    return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

struct activity *activity_new(struct core *core, const struct instance *instance,
                              const struct event *scheduled, struct text progress)
{
    enum { NULS = 9 };
    struct text owner_version =
        text_is_present(scheduled->version) ? TEXT_ABSENT : instance->version;
    const struct event_extra *extra = scheduled->extra != NULL ? scheduled->extra : &no_extra;
    if (!text_is_present(progress)) {
        progress = extra->progress;
    }
    bool has_extra = scheduled->extra != NULL || text_is_present(progress);
    bool is_lean =
        core_open_batch(core)->activity_count >= LEAN_FROM && extra->limits.start_ms == 0;
    size_t head = sizeof(struct activity) + (has_extra ? sizeof *extra : 0);
    size_t room_at =
        aligned(head + instance->id.size + instance->execution_id.size + scheduled->name.size +
                scheduled->version.size + scheduled->payload.size + extra->tags.size +
                progress.size + extra->trace.size + owner_version.size + NULS);
    size_t size = room_at + (is_lean ? 0 : core->activity_room);
    struct activity *activity = take(core, size, is_lean);
    if (activity == NULL) {
        mem_exhausted(size);
        unreachable_state("mem_exhausted does not return");
    }
    char *at = (char *)activity + head;
    activity->node = (struct list_node){ 0 };
    activity->row = instance->row;
    activity->id = scheduled->id;
    activity->first = extra->first > 0 ? extra->first - 1 : scheduled->id;
    activity->partition = core->partition;
    activity->is_called = false;
    activity->instance_id = put(&at, instance->id);
    activity->execution_id = put(&at, instance->execution_id);
    activity->name = put(&at, scheduled->name);
    activity->version = put(&at, scheduled->version);
    activity->owner_version = put(&at, owner_version);
    activity->input = put(&at, scheduled->payload);
    activity->extra = has_extra ? put_extra(&at, (void *)(activity + 1), extra, progress) : NULL;
    activity->epoch = core->epoch;
    activity->size = size;
    activity->room = is_lean ? NULL : (char *)activity + room_at;
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
    if (activity->room == NULL) {
        activity_free(activity);
    } else {
        shelf_give(&core->activities, activity, activity->size);
    }
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
    batch->has_start_limits |= activity_limits(activity).start_ms != 0;
}
