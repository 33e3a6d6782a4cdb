/* SPDX-License-Identifier: MIT
 *
 * Coming into memory, and leaving it while unfinished.
 *
 * An instance comes in by folding its history: every TASK_SCHEDULED, TIMER_CREATED and
 * CHILD_CREATED opens a step, every completion and cancellation closes one, the latest time stands;
 * so do calls of entities and critical sections.
 * Then its inbox, whose events count as delivered: their steps are closed, and a turn waits for it,
 * unless it is on hold. So it stands exactly as it stood after the last batch that said anything of
 * it (C2), whichever process that was.
 *
 * Kinds that are unknown, and completions that fit no open step, change nothing but the time:
 * history written by a newer version must not stop an older one from reading.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "core/core_priv.h"
#include "core/entity.h"

static void close_step(struct instance *instance, int32_t id, enum step_kind kind)
{
    struct step step;
    if (steps_close(&instance->steps, id, kind, &step) && kind == STEP_CHILD) {
        mem_free(step.child);
    }
}

void resident_fold(struct instance *instance, const struct event *event)
{
    struct step step;
    if (event->at > instance->last_at) {
        instance->last_at = event->at;
    }
    switch (event->kind) {
    case EVENT_TASK_SCHEDULED:
        steps_open(&instance->steps,
                   (struct step){ .id = event->id, .kind = STEP_TASK, .asked_at = event->at });
        break;
    case EVENT_TIMER_CREATED:
        steps_open(&instance->steps,
                   (struct step){ .id = event->id, .kind = STEP_TIMER, .due = event->fire_at });
        break;
    case EVENT_CHILD_CREATED:
        if (!event_is_forgotten_child(event)) {
            steps_open_child(&instance->steps, event->id, event->instance_id);
        }
        break;
    case EVENT_TASK_COMPLETED:
    case EVENT_TASK_FAILED: close_step(instance, event->ref, STEP_TASK); break;
    case EVENT_TIMER_FIRED: close_step(instance, event->ref, STEP_TIMER); break;
    case EVENT_CHILD_COMPLETED:
    case EVENT_CHILD_FAILED: close_step(instance, event->ref, STEP_CHILD); break;
    case EVENT_STEP_CANCELLED:
        if (steps_get(&instance->steps, event->ref, &step) && step.kind != STEP_LOCK &&
            step.kind != STEP_SECTION) {
            close_step(instance, event->ref, step.kind);
        }
        break;
    case EVENT_ENTITY_CALLED:
        steps_open(&instance->steps,
                   (struct step){ .id = event->id, .kind = STEP_CALL, .asked_at = event->at });
        break;
    case EVENT_ENTITY_FAILED:
        if (!steps_close_section(&instance->steps, event->ref, STEP_LOCK)) {
            close_step(instance, event->ref, STEP_CALL);
        }
        break;
    case EVENT_ENTITY_COMPLETED: close_step(instance, event->ref, STEP_CALL); break;
    case EVENT_LOCK_REQUESTED:
        steps_open_lock(&instance->steps, event->id,
                        section_new(event->request_id,
                                    event->extra != NULL ? event->extra->lock_set : TEXT_ABSENT));
        break;
    case EVENT_LOCK_GRANTED: (void)steps_grant(&instance->steps, event->ref); break;
    case EVENT_UNLOCK_SENT:
        (void)section_release(&instance->steps, event->request_id, event->instance_id);
        break;
    case EVENT_TRACE_NOTED:
    case EVENT_UNKNOWN:
    case EVENT_EXECUTION_STARTED:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_ORCHESTRATOR_STARTED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_EVENT_RAISED:
    case EVENT_EVENT_SENT:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_ENTITY_SIGNALED:
    case EVENT_SIGNAL_CANCELLED:
    case EVENT_CHANGE_MARKED: break;
    }
}

static void fold_inbox(struct core *core, struct instance *instance, const struct event *inbox,
                       const uint64_t *arrivals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_that(arrivals[i] > instance->arrival_last);
        resident_fold(instance, &inbox[i]);
        struct waiting_event *event = waiting_event_must(&core->waiting, &inbox[i]);
        event->arrival = instance->arrival_last = arrivals[i];
        waiting_events_add(&instance->events, event);
    }
}

static int compare_ids(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

static bool is_among(const struct event *event, const int32_t *ids, size_t count)
{
    return bsearch(&event->id, ids, count, sizeof *ids, compare_ids) != NULL;
}

/* Activities that were asked for and not answered, to be run (again). ids NULL: all of them. */
static void dispatch_open(struct core *core, struct instance *instance, const struct event *history,
                          size_t count, const int32_t *ids, size_t id_count)
{
    struct step step;
    for (size_t i = 0; i < count && instance->steps.tasks != 0; i++) {
        const struct event *event = &history[i];
        if (event->kind == EVENT_TASK_SCHEDULED &&
            steps_find(&instance->steps, event->id, STEP_TASK, &step) &&
            step.asked_at == event->at && (ids == NULL || is_among(event, ids, id_count))) {
            struct text progress = note_find(instance, event->id);
            struct activity *activity = activity_new(core, instance, event, progress);
            activity->is_called = ids != NULL;
            activity_dispatch(core, activity);
            core->has_unwanted = true; /* soon, when the result of before comes after all */
        }
    }
}

/* The store may lag behind: a step of which it knows another asking is of a later batch, and is
 * dispatched with that. */
void core_call_activities(struct core *core, struct instance *instance, const struct event *history,
                          size_t count, int32_t *ids, size_t id_count)
{
    qsort(ids, id_count, sizeof *ids, compare_ids);
    dispatch_open(core, instance, history, count, ids, id_count);
}

/* NULL: what the store has is damaged. */
static const struct event *find_start(const struct instance_image *image)
{
    const struct event *event = NULL;
    if (image->history_count > 1) {
        event = &image->history[1];
    } else if (image->inbox_count != 0) {
        event = &image->inbox[0];
    }
    return event != NULL && event->kind == EVENT_EXECUTION_STARTED ? event : NULL;
}

/* The record says whose child it is (a fork's history may say something else), its start the
 * rest. */
static struct instance *make(const struct instance_record *record, const struct event *start)
{
    struct event_extra extra = { .tags = record->tags };
    if (start != NULL && start->extra != NULL) {
        extra.trace = start->extra->trace;
    }
    if (text_is_present(record->parent_id)) {
        extra.has_parent = true;
        extra.parent_step = record->parent_step;
        extra.parent_id = record->parent_id;
        extra.parent_execution_id = record->parent_execution_id;
        if (start != NULL && start->extra != NULL) {
            extra.parent_name = start->extra->parent_name;
            extra.parent_version = start->extra->parent_version;
        }
    }
    struct identity identity = {
        .id = record->id,
        .execution_id = record->execution_id,
        .name = record->name,
        .version = record->version,
        .extra = extra.has_parent || text_is_present(extra.tags) || text_is_present(extra.trace)
                     ? &extra
                     : NULL,
    };
    return instance_new(record->row, &identity);
}

struct instance *resident_make(const struct instance_record *record, uint64_t turn_count,
                               const struct event *start)
{
    struct instance *instance = make(record, start);
    if (instance == NULL) {
        return NULL;
    }
    bool start_waits = turn_count == 0 && start != NULL;
    instance->state = instance->stored_state = record->state;
    instance->stored_busy = record->is_busy;
    instance->turn_count = turn_count;
    instance->created_at = instance->last_at = record->created_at;
    instance->stored_at = record->updated_at;
    bool starts_later = start_waits && start->fire_at != 0 && !record->is_busy &&
                        record->state != RUN_RUNNING; /* else its time has come */
    /* The start of a later execution is made after the instance: that tells of one that is
     * suspended. Times of an archive may be anything. */
    instance->has_begun = record->state == RUN_RUNNING || turn_count != 0 ||
                          (record->state == RUN_SUSPENDED && start_waits && !starts_later &&
                           start->at > record->created_at);
    if (starts_later) {
        instance->starts_at = start->fire_at;
        instance->holds |= HOLD_TIME;
    }
    if (record->state == RUN_SUSPENDED) {
        instance->holds |= HOLD_SUSPENDED;
        instance->quarantine =
            text_is_present(record->failure) ? note_new(EVENT_NO_ID, record->failure) : NULL;
    }
    return instance;
}

struct instance *core_admit(struct core *core, const struct instance_image *image, bool redispatch)
{
    const struct instance_record *record = image->record;
    const struct event *start = find_start(image);
    struct step step;
    assert_that(core_find(core, record->id) == NULL && core_find_row(core, record->row) == NULL);
    assert_that(!run_state_is_final(record->state) && record->partition == core->partition);
    struct instance *instance = resident_make(record, image->turn_count, start);
    assert_that(instance != NULL);
    for (size_t i = 0; i < image->history_count; i++) {
        resident_fold(instance, &image->history[i]);
    }
    fold_inbox(core, instance, image->inbox, image->arrivals, image->inbox_count);
    for (size_t i = 0; i < image->progress_count; i++) {
        if (steps_find(&instance->steps, image->progress[i].id, STEP_TASK, &step)) {
            note_keep(instance, image->progress[i].id, image->progress[i].bytes);
        }
    }
    if (redispatch) {
        dispatch_open(core, instance, image->history, image->history_count, NULL, 0);
    }
    core_enter(core, instance);
    turn_want(core, instance);
    core_settle(core, instance);
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

/* Those that wait for nothing have a share of their own. */
static bool has_many_entities(const struct core *core, size_t keep)
{
    size_t most = keep < LIMIT_ENTITIES_RESIDENT ? keep : LIMIT_ENTITIES_RESIDENT;
    return core->entity_count > most || core->entity_bytes > LIMIT_ENTITY_BYTES_RESIDENT;
}

static bool has_many_others(const struct core *core, size_t keep)
{
    return core_resident_count(core) - core->entity_count > keep;
}

size_t core_evict(struct core *core, size_t keep, size_t keep_asleep)
{
    size_t count = 0;
    while (core->asleep_count > keep_asleep && let_go(core, &core->asleep)) {
        count++;
    }
    while (has_many_entities(core, keep) && let_go(core, &core->entities)) {
        count++;
    }
    while (has_many_others(core, keep) &&
           (let_go(core, &core->asleep) || let_go(core, &core->idle))) {
        count++;
    }
    return count;
}

bool core_is_crowded(const struct core *core, size_t keep, size_t keep_asleep)
{
    return has_many_others(core, keep) || core->asleep_count > keep_asleep ||
           has_many_entities(core, keep);
}

size_t core_asleep_count(const struct core *core)
{
    return core->asleep_count;
}
