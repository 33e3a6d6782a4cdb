/* SPDX-License-Identifier: MIT
 *
 * Delivering to entities: what stands in line at one, unlocks it, or takes something back.
 *
 * An entity is there as soon as something is said to it: an operation to one that neither core nor
 * the store knows makes it. All else that is said to one that is not there has nothing to change.
 * No letter to an entity ever waits: what is not durable of it is resident (C1), and that is the
 * truth.
 *
 * Whoever asks an entity something waits for its answer. So a call, or a request of locks, is
 * answered here when there is no entity that could: the id is none, or what is stored of it cannot
 * be read. */
#include "base/assert.h"
#include "base/error.h"
#include "core/lock_set.h"
#include "engine/partition_priv.h"
#include "store/judge.h"

static const char where[] = "engine";

bool entities_are_meant(const struct letter *letter)
{
    enum message_kind kind = letter->kind;
    return kind == MESSAGE_OPERATION || kind == MESSAGE_UNLOCK || kind == MESSAGE_CANCEL_SIGNAL ||
           (kind == MESSAGE_PURGE && entity_id_is(letter->instance_id));
}

/* ---- what is well-formed --------------------------------------------------------------------- */

static bool has_sender(const struct event *event)
{
    const struct event_extra *extra = event->extra;
    return extra != NULL && extra->has_parent && text_is_present(extra->parent_id) &&
           text_is_present(extra->parent_execution_id);
}

static bool has_place_in_set(const struct event *event)
{
    struct text id;
    return lock_set_at(event->extra->lock_set, (size_t)event->extra->position, &id);
}

bool entities_take(const struct event *event)
{
    if (event->kind == EVENT_ENTITY_CALLED) {
        return has_sender(event);
    }
    if (event->kind == EVENT_LOCK_REQUESTED) {
        return has_sender(event) && has_place_in_set(event);
    }
    if (event->kind == EVENT_UNLOCK_SENT) {
        bool travels = event->extra != NULL && text_is_present(event->extra->lock_set);
        return !travels || (has_sender(event) && has_place_in_set(event));
    }
    return event->kind == EVENT_ENTITY_SIGNALED;
}

/* ---- all kinds ------------------------------------------------------------------------------- */

/* Also an unlocking that follows a request: it goes on from where neither is known any more. */
static bool makes_entity(const struct letter *letter)
{
    const struct event *event = letter->event;
    return letter->kind == MESSAGE_OPERATION ||
           (letter->kind == MESSAGE_UNLOCK && event->extra != NULL &&
            text_is_present(event->extra->lock_set));
}

static pd_status find(struct partition *partition, const struct letter *letter,
                      struct instance **ret, pd_error *err)
{
    struct text id = letter->instance_id;
    if (!entity_id_is(id)) { /* there may be an orchestration of that id */
        return entity_id_check(id, err);
    }
    pd_status status = residency_find_entity(partition, id, ret, err);
    if (status == PD_OK && *ret == NULL && makes_entity(letter)) {
        status = entity_id_check(id, err);
        *ret = status == PD_OK ? core_make_entity(partition->core, id) : NULL;
    }
    return status;
}

/* Is there one that it could be said to? */
static pd_status check(const struct letter *letter, const struct instance *entity, pd_error *err)
{
    struct message message = { .kind = letter->kind, .instance_id = letter->instance_id };
    struct addressee addressee = { .exists = entity != NULL, .state = RUN_RUNNING };
    return judge_message(&message, &addressee, where, err);
}

static pd_status cancel(struct partition *partition, struct instance *entity,
                        const struct letter *letter, pd_error *err)
{
    struct text request_id = letter->event->request_id;
    if (entity != NULL && core_cancel_signal(partition->core, entity, request_id)) {
        return PD_OK;
    }
    return error_set(err, PD_E_NOT_FOUND, false, where, "no signal '%.*s' waits for entity '%.*s'",
                     TEXT_ARGS(request_id), TEXT_ARGS(letter->instance_id));
}

/* The time at which the entity was to have been changed last; -1: that is no time. */
static time_us stamp_of(struct text decimal)
{
    time_us stamp = 0;
    for (size_t i = 0; i < decimal.size; i++) {
        unsigned digit = (unsigned)(unsigned char)decimal.at[i] - '0';
        if (digit > 9 || stamp > (TIME_NEVER - 9) / 10) {
            return -1;
        }
        stamp = stamp * 10 + (time_us)digit;
    }
    return stamp;
}

static pd_status purge(struct partition *partition, time_us now, struct instance *entity,
                       const struct letter *letter, pd_error *err)
{
    return core_purge_entity(partition->core, now, entity, stamp_of(letter->execution_id), err);
}

static pd_status act(struct partition *partition, time_us now, struct instance *entity,
                     const struct letter *letter, pd_error *err)
{
    struct core *core = partition->core;
    if (letter->kind == MESSAGE_OPERATION) {
        return core_operate(core, now, entity, letter->event, err);
    }
    pd_status status = check(letter, entity, err);
    if (status != PD_OK) {
        return status;
    }
    if (letter->kind == MESSAGE_CANCEL_SIGNAL) {
        return cancel(partition, entity, letter, err);
    }
    if (letter->kind == MESSAGE_PURGE) {
        return purge(partition, now, entity, letter, err);
    }
    assert_that(letter->kind == MESSAGE_UNLOCK);
    if (entity != NULL) {
        core_unlock(core, now, entity, letter->event);
    }
    return PD_OK;
}

/* There is no entity that could answer. */
static pd_status refuse(struct partition *partition, time_us now, const struct letter *letter,
                        const pd_error *err)
{
    struct failure failure = {
        .type = err->status == PD_E_CORRUPT ? TEXT("CorruptHistory") : TEXT("Misuse"),
        .message = text_of(err->text),
        .is_final = true,
    };
    if (letter->kind != MESSAGE_OPERATION || letter->event->kind == EVENT_ENTITY_SIGNALED) {
        return err->status;
    }
    partition->counters.corrupt += err->status == PD_E_CORRUPT;
    core_refuse_operation(partition->core, now, letter->event, &failure);
    return PD_OK;
}

pd_status entities_deliver(struct partition *partition, time_us now, const struct letter *letter,
                           pd_error *err)
{
    struct instance *entity = NULL;
    pd_status status = find(partition, letter, &entity, err);
    if (status == PD_OK) {
        return act(partition, now, entity, letter, err);
    }
    bool is_final = status == PD_E_CORRUPT || status == PD_E_INVALID;
    return is_final ? refuse(partition, now, letter, err) : status;
}
