/* SPDX-License-Identifier: MIT
 *
 * What orchestrations say to entities: calls, signals, and critical sections.
 *
 * Each is an event of the orchestration's history and a letter to the entity. A call leaves an open
 * step, which its answer closes. A critical section is an open step until its last entity has been
 * unlocked: first STEP_LOCK, while the request travels from entity to entity (K4), then
 * STEP_SECTION. What an execution leaves open when it ends is given back then.
 *
 *   G1  An unlocking for a section that has not been granted, or has given the entity back, is
 *       written in history and has no effect.
 *   G2  The set of a section is in order and of ids that are ids: whatever asks otherwise is
 *       refused before (core_takes_result).
 */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/memory.h"
#include "core/entity.h"
#include "core/lock_set.h"

/* ---- ids ---- */

struct text entity_id_folded(struct core *core, struct text id)
{
    bool has_upper = false;
    for (size_t i = 1; i < id.size && id.at[i] != '@'; i++) {
        has_upper |= id.at[i] >= 'A' && id.at[i] <= 'Z';
    }
    if (!has_upper) {
        return id;
    }
    char *copy = arena_copy(&core_open_batch(core)->arena, id.at, id.size);
    entity_id_fold(copy, id.size);
    return text_make(copy, id.size);
}

bool section_may_lock(const struct event_extra *extra)
{
    struct text id;
    pd_error err;
    size_t count = 0;
    for (size_t cursor = 0; extra != NULL && lock_set_next(extra->lock_set, &cursor, &id);) {
        if (++count > LIMIT_LOCK_SET || entity_id_check(id, &err) != PD_OK) {
            return false;
        }
    }
    return count != 0;
}

/* ---- sections ---- */

struct section *section_new(struct text id, struct text set)
{
    struct section *section = mem_alloc(sizeof *section + id.size + set.size);
    section->id_size = id.size;
    section->set_size = set.size;
    if (id.size != 0) {
        memcpy(section->bytes, id.at, id.size);
    }
    if (set.size != 0) {
        memcpy(section->bytes + id.size, set.at, set.size);
    }
    return section;
}

static struct text id_of(const struct section *section)
{
    return text_make(section->bytes, section->id_size);
}

static struct text set_of(const struct section *section)
{
    return text_make(section->bytes + section->id_size, section->set_size);
}

/* False: the entity is not in it (any more). */
static bool remove_from(struct section *section, struct text entity)
{
    struct text set = set_of(section);
    struct text id;
    size_t begin = 0;
    for (size_t cursor = 0; lock_set_next(set, &cursor, &id); begin = cursor) {
        if (text_equal(id, entity)) {
            char *at = section->bytes + section->id_size;
            memmove(at + begin, at + cursor, set.size - cursor);
            section->set_size -= cursor - begin;
            return true;
        }
    }
    return false;
}

bool section_release(struct steps *steps, struct text section, struct text entity)
{
    struct step step;
    for (struct section *open = steps->sections; open != NULL; open = open->next) {
        if (text_equal(id_of(open), section) &&
            steps_find(steps, open->step, STEP_SECTION, &step) && remove_from(open, entity)) {
            if (open->set_size == 0) {
                (void)steps_close_section(steps, open->step, STEP_SECTION);
            }
            return true;
        }
    }
    return false;
}

/* ---- letters ---- */

struct event_extra entity_sender(const struct instance *instance)
{
    return (struct event_extra){
        .has_parent = true,
        .parent_id = instance->id,
        .parent_execution_id = instance->execution_id,
    };
}

void section_forsake(struct core *core, const struct instance *instance, const struct step *step)
{
    struct text set = set_of(step->section);
    struct event_extra extra = entity_sender(instance);
    struct event event = {
        .kind = EVENT_UNLOCK_SENT,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = instance->last_at,
        .request_id = id_of(step->section),
        .extra = &extra,
    };
    struct text id;
    if (step->kind == STEP_LOCK) {
        extra.lock_set = set;
    }
    for (size_t cursor = 0; lock_set_next(set, &cursor, &id);) {
        letter_send(core, MESSAGE_UNLOCK, id, TEXT_ABSENT, &event);
        if (step->kind == STEP_LOCK) {
            break; /* it goes on from there, behind the request */
        }
    }
}

/* To the entity, as the event of history says it. */
static void tell(struct core *core, enum message_kind kind, const struct event *event,
                 const struct event_extra *extra)
{
    struct event message = *event;
    struct text entity = event->instance_id;
    message.instance_id = message.raw = TEXT_ABSENT;
    message.extra = extra;
    letter_send(core, kind, entity, TEXT_ABSENT, &message);
}

/* An answer that no entity can give. */
static void refuse(struct core *core, const struct instance *instance, const struct event *call,
                   const struct failure *failure)
{
    struct event event = {
        .kind = EVENT_ENTITY_FAILED,
        .id = EVENT_NO_ID,
        .ref = call->id,
        .at = call->at,
        .request_id = call->request_id,
        .failure = failure,
    };
    letter_send(core, MESSAGE_ANSWER, instance->id, instance->execution_id, &event);
}

/* ---- what is asked for ---- */

void entity_call(struct core *core, const struct instance *instance, const struct event *event,
                 const struct failure *refusal)
{
    pd_error err;
    struct event_extra extra = entity_sender(instance);
    if (refusal != NULL) {
        refuse(core, instance, event, refusal);
    } else if (entity_id_check(event->instance_id, &err) == PD_OK) {
        tell(core, MESSAGE_OPERATION, event, &extra);
    } else {
        const struct failure failure = { .type = TEXT("Misuse"),
                                         .message = text_of(err.text),
                                         .is_final = true };
        refuse(core, instance, event, &failure);
    }
}

/* Signals, and their cancellations. */
static void send_signal(struct core *core, struct instance *instance, enum message_kind kind,
                        const struct event *event)
{
    pd_error err;
    struct event_extra extra = entity_sender(instance);
    bool may_own = kind == MESSAGE_OPERATION && instance->steps.sections != NULL;
    if (entity_id_check(event->instance_id, &err) == PD_OK) {
        tell(core, kind, event, may_own ? &extra : NULL);
    } else {
        core_drop_letter(core);
    }
}

static void lock(struct core *core, struct instance *instance, struct event *event)
{
    struct event_extra *asked = arena_alloc(&core_open_batch(core)->arena, sizeof *asked);
    asked->lock_set = lock_set_order(&core_open_batch(core)->arena, event->extra->lock_set);
    event->extra = asked; /* in history, too */
    steps_open_lock(&instance->steps, event->id, section_new(event->request_id, asked->lock_set));
    struct event_extra extra = entity_sender(instance);
    struct event message = *event;
    extra.lock_set = asked->lock_set;
    (void)lock_set_at(asked->lock_set, 0, &message.instance_id);
    tell(core, MESSAGE_OPERATION, &message, &extra);
}

static void unlock(struct core *core, struct instance *instance, const struct event *event)
{
    struct event_extra extra = entity_sender(instance);
    if (section_release(&instance->steps, event->request_id, event->instance_id)) {
        tell(core, MESSAGE_UNLOCK, event, &extra);
    }
}

void entity_ask(struct core *core, struct instance *instance, const struct action *action,
                struct event *event)
{
    event->request_id = action->request_id;
    event->instance_id = entity_id_folded(core, action->instance_id);
    switch (action->kind) {
    case ACTION_CALL_ENTITY:
        event->kind = EVENT_ENTITY_CALLED;
        steps_open(&instance->steps,
                   (struct step){ .id = event->id, .kind = STEP_CALL, .asked_at = event->at });
        entity_call(core, instance, event, action->failure);
        break;
    case ACTION_SIGNAL_ENTITY:
        event->kind = EVENT_ENTITY_SIGNALED;
        event->fire_at = action->fire_at;
        send_signal(core, instance, MESSAGE_OPERATION, event);
        break;
    case ACTION_CANCEL_SIGNAL:
        event->kind = EVENT_SIGNAL_CANCELLED;
        event->id = EVENT_NO_ID;
        send_signal(core, instance, MESSAGE_CANCEL_SIGNAL, event);
        break;
    case ACTION_LOCK:
        event->kind = EVENT_LOCK_REQUESTED;
        lock(core, instance, event);
        break;
    case ACTION_UNLOCK:
        event->kind = EVENT_UNLOCK_SENT;
        unlock(core, instance, event);
        break;
    case ACTION_SCHEDULE_TASK:
    case ACTION_CREATE_TIMER:
    case ACTION_START_CHILD:
    case ACTION_SEND_EVENT:
    case ACTION_START:
    case ACTION_CANCEL:
    case ACTION_MARK_CHANGE:
    case ACTION_NOTE_TRACE:
    case ACTION_TERMINATE:
    case ACTION_COMPLETE:
    case ACTION_CONTINUE_AS_NEW: unreachable_state("says nothing to an entity");
    }
}
