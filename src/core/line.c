/* SPDX-License-Identifier: MIT
 *
 * The line in front of an entity: who is next (K2), locks (K1, K4), and what is taken out of it.
 *
 * Operations at the head of the line go into `events`, where a turn takes them, as long as the
 * entity is not locked; a lock request goes on when everything before it has been done. While the
 * entity is locked, what the owner says goes into `events` past the line; what of it stood in line
 * already, behind the request that was granted, is fetched from there: the owner may be waiting for
 * the answer.
 *
 *   L1  What overtook the line stands before all that comes from it: a lock is taken only when
 *       `events` is empty.
 *   L2  What overtook has inbox numbers of its own (entity.h). So the order survives a crash,
 *       although it is not that of arrival.
 */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "core/entity.h"
#include "core/lock_set.h"

/* ---- in and out ---- */

/* Does it say who says it? */
static bool has_sender(const struct event *message)
{
    return message->extra != NULL && message->extra->has_parent;
}

static bool is_request(const struct waiting_event *waiting)
{
    return waiting->event.kind == EVENT_LOCK_REQUESTED;
}

static struct text sender_of(const struct waiting_event *waiting)
{
    return waiting->event.extra->parent_id;
}

/* Who has requests in line is known, because what it says behind the first of them may have to be
 * fetched; nobody else's does. */
static void add_requester(struct entity *entity, struct waiting_event *request)
{
    if (map_find(&entity->requesters, sender_of(request)) == NULL) {
        map_put(&entity->requesters, sender_of(request), request);
    } else {
        entity->doubles++;
    }
}

/* The request is out of the line. */
static void drop_requester(struct entity *entity, const struct waiting_event *request)
{
    struct text sender = sender_of(request);
    if (map_find(&entity->requesters, sender) != request) {
        entity->doubles--;
        return;
    }
    (void)map_remove(&entity->requesters, sender);
    struct waiting_event *other = entity->doubles != 0 ? entity->line.first : NULL;
    while (other != NULL && !(is_request(other) && text_equal(sender_of(other), sender))) {
        other = other->next;
    }
    if (other != NULL) {
        map_put(&entity->requesters, sender_of(other), other);
        entity->doubles--;
    }
}

void line_add(struct entity *entity, struct waiting_event *waiting)
{
    waiting_events_add(&entity->line, waiting);
    entity->waiting_bytes += waiting->size;
    if (is_request(waiting)) {
        add_requester(entity, waiting);
    } else if (map_count(&entity->requesters) != 0 && has_sender(&waiting->event) &&
               map_find(&entity->requesters, sender_of(waiting)) != NULL) {
        waiting->follows = true;
        entity->followers++;
    }
}

static void take_out(struct entity *entity, struct waiting_event *before,
                     struct waiting_event *waiting)
{
    waiting_events_take(&entity->line, before, waiting);
    entity->waiting_bytes -= waiting->size;
    if (is_request(waiting)) {
        drop_requester(entity, waiting);
    } else {
        entity->followers -= waiting->follows;
        waiting->follows = false;
    }
}

void entity_forget_arrivals(struct core *core, const struct instance *instance, uint64_t first,
                            uint64_t last)
{
    struct mutation *mutation =
        batch_add(core_open_batch(core), MUTATION_INBOX_REMOVE, instance->row);
    mutation->first = first;
    mutation->number = last;
}

void entity_unrecord(struct core *core, const struct instance *instance,
                     struct waiting_event *waiting)
{
    if (waiting->arrival != 0) {
        entity_forget_arrivals(core, instance, waiting->arrival, waiting->arrival);
        waiting->arrival = 0;
    }
}

static void drop(struct core *core, const struct instance *instance, struct waiting_event *waiting)
{
    entity_unrecord(core, instance, waiting);
    waiting_event_free_all(&core->waiting, waiting);
}

/* ---- locks ---- */

static struct text put(char **at, struct text text)
{
    char *to = *at;
    if (text.size != 0) {
        memcpy(to, text.at, text.size);
    }
    *at += text.size;
    return text_is_present(text) ? text_make(to, text.size) : TEXT_ABSENT;
}

void entity_lock(struct entity *entity, struct text owner, struct text execution,
                 struct text section)
{
    assert_that(!entity_is_locked(entity));
    char *at = mem_alloc(owner.size + execution.size + section.size + 1);
    entity->owner = put(&at, owner);
    entity->execution = put(&at, execution);
    entity->section = put(&at, section);
}

static void unlock(struct entity *entity)
{
    mem_free((char *)(uintptr_t)entity->owner.at);
    entity->owner = entity->execution = entity->section = TEXT_ABSENT;
}

static bool is_of_owner(const struct entity *entity, const struct event *event)
{
    return has_sender(event) && text_equal(event->extra->parent_id, entity->owner) &&
           text_equal(event->extra->parent_execution_id, entity->execution);
}

/* On to the next entity of the set; false: this was the last. */
static bool pass_on(struct core *core, const struct instance *instance, enum message_kind kind,
                    const struct event *event)
{
    struct text next;
    struct event_extra extra = *event->extra;
    struct event passed = *event;
    extra.position++;
    if (!lock_set_at(extra.lock_set, (size_t)extra.position, &next)) {
        return false;
    }
    passed.at = instance->last_at;
    passed.extra = &extra;
    passed.raw = TEXT_ABSENT;
    letter_send(core, kind, next, TEXT_ABSENT, &passed);
    return true;
}

static void grant(struct core *core, const struct instance *instance, const struct event *request)
{
    struct event granted = {
        .kind = EVENT_LOCK_GRANTED,
        .id = EVENT_NO_ID,
        .ref = request->id,
        .at = instance->last_at,
        .request_id = request->request_id,
    };
    letter_send(core, MESSAGE_ANSWER, request->extra->parent_id,
                request->extra->parent_execution_id, &granted);
}

/* What the owner said after its request. */
static void fetch_followers(struct core *core, struct instance *instance)
{
    struct entity *entity = instance->entity;
    struct waiting_event *before = NULL;
    struct waiting_event *waiting = entity->line.first;
    while (waiting != NULL && entity->followers != 0) {
        struct waiting_event *next = waiting->next;
        if (is_of_owner(entity, &waiting->event)) {
            take_out(entity, before, waiting);
            entity_unrecord(core, instance, waiting);
            waiting->overtakes = true;
            waiting_events_add(&instance->events, waiting);
        } else {
            before = waiting;
        }
        waiting = next;
    }
}

/* The request is no longer in line. */
static void take_lock(struct core *core, time_us now, struct instance *instance,
                      struct waiting_event *request)
{
    struct entity *entity = instance->entity;
    const struct event *event = &request->event;
    entity_note_change(core, instance, now);
    entity_lock(entity, event->extra->parent_id, event->extra->parent_execution_id,
                event->request_id);
    core->counters.locks++;
    if (!pass_on(core, instance, MESSAGE_OPERATION, event)) {
        grant(core, instance, event);
    }
    drop(core, instance, request);
    fetch_followers(core, instance);
}

/* Being the first in line of one that is not locked. */
static bool may_go_on(const struct instance *instance, const struct waiting_event *first)
{
    return !is_request(first) || instance->events.count == 0;
}

static void let_go_on(struct core *core, time_us now, struct instance *instance,
                      struct waiting_event *first)
{
    if (is_request(first)) {
        take_lock(core, now, instance, first);
    } else {
        waiting_events_add(&instance->events, first);
    }
}

void entity_go_on(struct core *core, time_us now, struct instance *instance)
{
    struct entity *entity = instance->entity;
    struct waiting_event *head;
    while (!entity_is_locked(entity) && (head = entity->line.first) != NULL) {
        if (!may_go_on(instance, head)) {
            break;
        }
        take_out(entity, NULL, head);
        let_go_on(core, now, instance, head);
    }
    if (instance->events.count == 0) {
        turn_unwant(instance);
    } else {
        turn_want(core, instance);
    }
    instance_check(instance);
}

/* ---- what is said to it ---- */

void entity_expect(struct core *core, struct instance *instance)
{
    struct entity *entity = instance->entity;
    core_touch(core, instance);
    entity->is_kept = core->keeps_empty;
    if (entity->changed_at == 0) {
        entity->changed_at = instance->last_at; /* it comes into being */
    }
}

void line_arrive(struct core *core, time_us now, struct instance *instance,
                 struct waiting_event *waiting)
{
    struct entity *entity = instance->entity;
    entity_expect(core, instance);
    if (entity_is_locked(entity) && !is_request(waiting) && is_of_owner(entity, &waiting->event)) {
        waiting->overtakes = true;
        waiting_events_add(&instance->events, waiting);
    } else if (entity->line.first == NULL && !entity_is_locked(entity) &&
               may_go_on(instance, waiting)) {
        let_go_on(core, now, instance, waiting); /* as most do */
    } else {
        line_add(entity, waiting);
    }
    entity_go_on(core, now, instance);
}

bool line_takes(struct text id, const struct event *operation)
{
    const struct event_extra *extra = operation->extra;
    struct text meant;
    if (operation->kind == EVENT_ENTITY_SIGNALED) {
        return true;
    }
    if (!has_sender(operation) || !text_is_present(extra->parent_id) ||
        !text_is_present(extra->parent_execution_id)) {
        return false;
    }
    return operation->kind == EVENT_ENTITY_CALLED ||
           (operation->kind == EVENT_LOCK_REQUESTED && extra->position >= 0 &&
            lock_set_at(extra->lock_set, (size_t)extra->position, &meant) && text_equal(meant, id));
}

pd_status core_operate(struct core *core, time_us now, struct instance *instance,
                       const struct event *operation, pd_error *err)
{
    instance_check(instance);
    assert_that(instance->entity != NULL);
    if (!line_takes(instance->id, operation)) {
        core->counters.dropped_letters++;
        return PD_OK;
    }
    struct event event = *operation;
    event.raw = TEXT_ABSENT; /* it has another time */
    event.instance_id = TEXT_ABSENT;
    struct waiting_event *waiting = waiting_event_new(&core->waiting, &event);
    if (waiting == NULL) {
        return error_set(err, PD_E_NOMEM, true, "core: operate", "no memory for a payload");
    }
    waiting->event.at = instance_tick(instance, now);
    if (event.kind == EVENT_ENTITY_SIGNALED && event.fire_at > now) {
        delayed_add(core, instance, waiting);
    } else {
        line_arrive(core, now, instance, waiting);
    }
    return PD_OK;
}

/* ---- what is taken back ---- */

/* Is the message about the section of this owner? */
static bool is_of_section(const struct event *message, struct text section, struct text owner,
                          struct text execution)
{
    return text_equal(message->request_id, section) &&
           (!has_sender(message) || (text_equal(message->extra->parent_id, owner) &&
                                     text_equal(message->extra->parent_execution_id, execution)));
}

/* False: none stands in line. */
static bool drop_request(struct core *core, struct instance *instance, const struct event *unlocked)
{
    struct entity *entity = instance->entity;
    struct waiting_event *before = NULL;
    struct waiting_event *waiting = entity->line.first;
    for (; waiting != NULL; before = waiting, waiting = waiting->next) {
        const struct event *event = &waiting->event;
        if (is_request(waiting) &&
            is_of_section(unlocked, event->request_id, event->extra->parent_id,
                          event->extra->parent_execution_id)) {
            core_touch(core, instance);
            take_out(entity, before, waiting);
            drop(core, instance, waiting);
            return true;
        }
    }
    return false;
}

void core_unlock(struct core *core, time_us now, struct instance *instance,
                 const struct event *unlocked)
{
    instance_check(instance);
    struct entity *entity = instance->entity;
    bool is_in_line = false;
    if (entity_is_locked(entity) &&
        is_of_section(unlocked, entity->section, entity->owner, entity->execution)) {
        unlock(entity);
        entity_note_change(core, instance, now);
        core->counters.unlocks++;
    } else if (has_sender(unlocked)) { /* else its owner would wait for ever */
        is_in_line = drop_request(core, instance, unlocked);
    }
    if (!is_in_line && unlocked->extra != NULL && text_is_present(unlocked->extra->lock_set)) {
        (void)pass_on(core, instance, MESSAGE_UNLOCK, unlocked);
    }
    entity_go_on(core, now, instance);
}

/* Where the signal is in the list, behind the first `skipped`; NULL: it is not. */
static struct waiting_event *find_signal(const struct waiting_events *list, size_t skipped,
                                         struct text request_id, struct waiting_event **ret_before)
{
    struct waiting_event *before = NULL;
    struct waiting_event *waiting = list->first;
    for (; waiting != NULL; before = waiting, waiting = waiting->next) {
        if (skipped != 0) {
            skipped--;
        } else if (waiting->event.kind == EVENT_ENTITY_SIGNALED &&
                   text_equal(waiting->event.request_id, request_id)) {
            break;
        }
    }
    *ret_before = before;
    return waiting;
}

bool core_cancel_signal(struct core *core, struct instance *instance, struct text request_id)
{
    instance_check(instance);
    struct entity *entity = instance->entity;
    struct waiting_event *before;
    size_t in_turn = instance->turn != NULL ? instance->turn->turn.event_count - 1 : 0;
    struct waiting_event *waiting = find_signal(&instance->events, in_turn, request_id, &before);
    if (waiting != NULL) {
        waiting_events_take(&instance->events, before, waiting);
    } else {
        waiting = find_signal(&entity->line, 0, request_id, &before);
        if (waiting == NULL) {
            return delayed_cancel(core, instance, request_id);
        }
        take_out(entity, before, waiting);
    }
    core_touch(core, instance);
    drop(core, instance, waiting);
    entity_go_on(core, instance->last_at, instance);
    return true;
}
