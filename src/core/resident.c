/* SPDX-License-Identifier: MIT
 *
 * Coming into memory, and leaving it while unfinished.
 *
 * An instance comes in by folding its history: every TASK_SCHEDULED and TIMER_CREATED opens a step,
 * every completion closes one, the latest time stands. Then its inbox, whose events count as
 * delivered: their steps are closed, and a turn waits for it. So it stands exactly as it stood
 * after the last batch that said anything of it (C2), whichever process that was.
 *
 * Kinds that are unknown, and completions that fit no open step, change nothing but the time:
 * history written by a newer version must not stop an older one from reading.
 */
#include "base/assert.h"
#include "core/core_priv.h"

static void fold(struct instance *instance, const struct event *event)
{
    struct step step;
    if (event->at > instance->last_at) {
        instance->last_at = event->at;
    }
    switch (event->kind) {
    case EVENT_TASK_SCHEDULED:
        steps_open(&instance->steps, (struct step){ .id = event->id, .kind = STEP_TASK });
        break;
    case EVENT_TIMER_CREATED:
        steps_open(&instance->steps, (struct step){ event->id, STEP_TIMER, event->fire_at });
        break;
    case EVENT_TASK_COMPLETED:
    case EVENT_TASK_FAILED: steps_close(&instance->steps, event->ref, STEP_TASK, &step); break;
    case EVENT_TIMER_FIRED: steps_close(&instance->steps, event->ref, STEP_TIMER, &step); break;
    case EVENT_UNKNOWN:
    case EVENT_EXECUTION_STARTED:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_ORCHESTRATOR_STARTED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_EVENT_RAISED:
    case EVENT_CHILD_CREATED:
    case EVENT_CHILD_COMPLETED:
    case EVENT_CHILD_FAILED:
    case EVENT_EVENT_SENT:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_STEP_CANCELLED:
    case EVENT_CHANGE_MARKED: break;
    }
}

static void fold_inbox(struct core *core, struct instance *instance, const struct event *inbox,
                       const uint64_t *arrivals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_that(arrivals[i] > instance->arrival_last);
        fold(instance, &inbox[i]);
        struct waiting_event *event = waiting_event_must(&core->waiting, &inbox[i]);
        event->arrival = instance->arrival_last = arrivals[i];
        waiting_events_add(&instance->events, event);
    }
}

/* Activities that were asked for and not answered, to be run (again). */
static void dispatch_open(struct core *core, struct instance *instance, const struct event *history,
                          size_t count)
{
    struct step step;
    for (size_t i = 0; i < count && instance->steps.tasks != 0; i++) {
        const struct event *event = &history[i];
        if (event->kind == EVENT_TASK_SCHEDULED &&
            steps_find(&instance->steps, event->id, STEP_TASK, &step)) {
            struct activity *activity = activity_new(core, instance, event->id, event->name,
                                                     event->version, event->payload);
            activity_dispatch(core, activity);
            core->has_redispatched = true;
        }
    }
}

struct instance *core_admit(struct core *core, const struct instance_image *image, bool redispatch)
{
    const struct instance_record *record = image->record;
    assert_that(core_find(core, record->id) == NULL && core_find_row(core, record->row) == NULL);
    assert_that(!run_state_is_final(record->state) && record->partition == core->partition);
    struct instance *instance = instance_new(record->row, record->id, record->execution_id);
    assert_that(instance != NULL);
    instance->state = instance->stored_state = record->state;
    instance->stored_busy = record->is_busy;
    instance->turn_count = image->turn_count;
    instance->created_at = instance->last_at = record->created_at;
    for (size_t i = 0; i < image->history_count; i++) {
        fold(instance, &image->history[i]);
    }
    fold_inbox(core, instance, image->inbox, image->arrivals, image->inbox_count);
    if (redispatch) {
        dispatch_open(core, instance, image->history, image->history_count);
    }
    core_enter(core, instance);
    if (instance->events.count != 0) {
        turn_want(core, instance);
    } else {
        core_rest(core, instance);
    }
    instance_check(instance);
    return instance;
}

static bool let_go(struct core *core, struct list *list)
{
    struct list_node *node = list_front(list);
    if (node == NULL) {
        return false;
    }
    struct instance *instance = CONTAINER_OF(node, struct instance, durability);
    instance_check(instance);
    core_leave(core, instance);
    return true;
}

size_t core_evict(struct core *core, size_t keep, size_t keep_asleep)
{
    size_t count = 0;
    while (core->asleep_count > keep_asleep && let_go(core, &core->asleep)) {
        count++;
    }
    while (core_resident_count(core) > keep &&
           (let_go(core, &core->asleep) || let_go(core, &core->idle))) {
        count++;
    }
    return count;
}

size_t core_asleep_count(const struct core *core)
{
    return core->asleep_count;
}
