/* SPDX-License-Identifier: MIT
 *
 * A resident instance: its memory, its state machine, and what must hold of it.
 *
 * It is small: ids, state, last time, open steps, events not yet consumed. Its history is encoded
 * into a batch the moment a turn ends and never kept; its input lives in the event that starts it.
 *
 * Most instances have one execution. Continue as new begins another in the same row: what stays is
 * the identity (id, name, tags, parent), the custom status, and what was said to it from outside.
 *
 * The state machine is the table in core_priv.h. The legality check below, the counts by which
 * tests see that every arrow is taken, and what each arrow does come from the same rows.
 */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/object.h"
#include "core/core_priv.h"
#include "core/entity.h"

enum { INSTANCE_MAGIC = 0x696e7374 };

/* ---- its memory ---- */

static size_t extra_size(const struct event_extra *extra)
{
    return extra == NULL ? 0
                         : sizeof *extra + extra->tags.size + extra->parent_id.size +
                               extra->parent_execution_id.size + extra->parent_name.size +
                               extra->parent_version.size + extra->trace.size;
}

static struct text put(char **at, struct text text)
{
    if (!text_is_present(text)) {
        return TEXT_ABSENT;
    }
    char *to = *at;
    if (text.size != 0) {
        memcpy(to, text.at, text.size);
    }
    *at += text.size;
    return text_make(to, text.size);
}

/* Tags, parent and trace, which stay through all executions. */
static const struct event_extra *put_extra(char **at, const struct event_extra *extra)
{
    struct event_extra *copy = (struct event_extra *)(void *)*at;
    *at += sizeof *copy;
    *copy = (struct event_extra){
        .tags = put(at, extra->tags),
        .trace = put(at, extra->trace),
        .has_parent = extra->has_parent,
        .parent_step = extra->parent_step,
        .parent_id = put(at, extra->parent_id),
        .parent_execution_id = put(at, extra->parent_execution_id),
        .parent_name = put(at, extra->parent_name),
        .parent_version = put(at, extra->parent_version),
    };
    return copy;
}

struct instance *instance_new(uint64_t row, const struct identity *identity)
{
    size_t text_size = identity->id.size + identity->execution_id.size + identity->name.size +
                       identity->version.size;
    struct instance *instance =
        mem_try_alloc(sizeof *instance + extra_size(identity->extra) + text_size + 1);
    if (instance == NULL) {
        return NULL;
    }
    char *at = (char *)(instance + 1);
    instance->magic = INSTANCE_MAGIC;
    instance->row = row;
    steps_init(&instance->steps);
    if (identity->extra != NULL) {
        instance->extra = put_extra(&at, identity->extra);
    }
    instance->id = put(&at, identity->id);
    instance->execution_id = put(&at, identity->execution_id);
    instance->name = put(&at, identity->name);
    instance->version = put(&at, identity->version);
    return instance;
}

struct instance *instance_new_entity(uint64_t row, struct text id)
{
    struct instance *instance =
        mem_try_alloc(sizeof *instance + sizeof *instance->entity + id.size + 1);
    if (instance == NULL) {
        return NULL;
    }
    instance->magic = INSTANCE_MAGIC;
    instance->row = row;
    steps_init(&instance->steps);
    instance->entity = (struct entity *)(void *)(instance + 1);
    map64_init(&instance->entity->delayed);
    map_init(&instance->entity->delayed_by_id);
    map_init(&instance->entity->requesters);
    char *at = (char *)(instance->entity + 1);
    instance->id = put(&at, id);
    return instance;
}

void instance_free(struct shelf *waiting, struct instance *instance)
{
    OBJECT_CHECK(instance, INSTANCE_MAGIC);
    waiting_events_drop(waiting, &instance->events, instance->events.count);
    steps_done(&instance->steps);
    notes_free(instance);
    mem_free(instance->renewed);
    mem_free(instance->quarantine);
    if (instance->turn != NULL) {
        turn_slot_free(waiting, instance->turn);
    }
    if (instance->entity != NULL) {
        entity_done(waiting, instance->entity);
    }
    OBJECT_FREE(instance, INSTANCE_MAGIC);
}

void instance_expect(const struct instance *instance)
{
    for (size_t line = 0; line < offsetof(struct instance, name); line += 64) {
        __builtin_prefetch((const char *)instance + line);
    }
}

/* ---- how it stands ---- */

uint64_t instance_row(const struct instance *instance)
{
    OBJECT_CHECK(instance, INSTANCE_MAGIC);
    return instance->row;
}

enum run_state instance_state(const struct instance *instance)
{
    OBJECT_CHECK(instance, INSTANCE_MAGIC);
    return instance->state;
}

struct text instance_execution_id(const struct instance *instance)
{
    OBJECT_CHECK(instance, INSTANCE_MAGIC);
    return instance->execution_id;
}

bool instance_is_child_of(const struct instance *instance, const struct event_extra *extra)
{
    OBJECT_CHECK(instance, INSTANCE_MAGIC);
    const struct event_extra *own = instance->extra;
    return own != NULL && own->has_parent && own->parent_step == extra->parent_step &&
           text_equal(own->parent_id, extra->parent_id) &&
           text_equal(own->parent_execution_id, extra->parent_execution_id);
}

bool instance_is_child_of_execution(const struct instance *instance, struct text execution_id)
{
    OBJECT_CHECK(instance, INSTANCE_MAGIC);
    return instance_has_parent(instance) &&
           text_equal(instance->extra->parent_execution_id, execution_id);
}

bool instance_is_busy(const struct instance *instance)
{
    return (instance->steps.tasks != 0 || instance->events.count != 0) &&
           (instance->holds & HOLD_TIME) == 0;
}

/* What holds of an ended one: it waits for nothing, and nothing waits for it. */
static void check_ended(const struct instance *instance)
{
    assert_that(!instance_is_busy(instance) && steps_count(&instance->steps) == 0);
    assert_that(!list_is_linked(&instance->waiting) && instance->holds == 0);
    assert_that(instance->turn == NULL || instance->turn->is_void);
    assert_that(instance->turn != NULL || list_is_linked(&instance->durability));
    assert_that(instance->ended_at != 0 || instance->is_replaced);
    assert_that(instance->notes == NULL && instance->quarantine == NULL);
}

/* What holds of one that has not begun, or is on hold. */
__attribute__((noinline)) static void check_unusual(const struct instance *instance, bool in_line)
{
    bool has_begun = instance->has_begun;
    bool has_turn = instance->turn != NULL;
    bool has_events = instance->events.count != 0;
    /* Who has not begun has its start waiting, and nothing else. */
    assert_that(has_begun || (has_events && steps_count(&instance->steps) == 0));
    assert_that(has_begun || instance->turn_count == 0);
    /* A turn that was open when it was suspended may be open still. */
    assert_that(instance->holds == 0 ? has_events == (in_line != has_turn)
                                     : !in_line && (has_events || !has_turn));
    assert_that(!in_line || !has_turn);
    assert_that(!has_turn || !instance->turn->is_void);
    bool is_suspended = (instance->holds & HOLD_SUSPENDED) != 0;
    bool starts_later = (instance->holds & HOLD_TIME) != 0;
    assert_that(is_suspended == (instance->state == RUN_SUSPENDED));
    assert_that(is_suspended || instance->state == (has_begun ? RUN_RUNNING : RUN_PENDING));
    assert_that(is_suspended || instance->quarantine == NULL);
    assert_that(starts_later == (instance->starts_at != 0));
    assert_that(!starts_later || (!has_begun && !has_turn));
    assert_that(instance->notes == NULL || instance->steps.tasks != 0);
}

void instance_check(const struct instance *instance)
{
    OBJECT_CHECK(instance, INSTANCE_MAGIC);
    if (instance->entity != NULL) {
        entity_check(instance);
        return;
    }
    const struct waiting_events *events = &instance->events;
    bool in_line = list_is_linked(&instance->waiting);
    assert_that((events->count == 0) == (events->first == NULL));
    assert_that(instance->steps.tasks <= steps_count(&instance->steps));
    assert_that(!instance->is_postponed || in_line);
    if (instance->state == RUN_RUNNING && instance->holds == 0 && instance->has_begun) {
        /* Who has events is in line for a turn, or has one; nobody else is. */
        assert_that(in_line + (instance->turn != NULL) == (events->count != 0));
    } else if (run_state_is_final(instance->state)) {
        check_ended(instance);
    } else {
        check_unusual(instance, in_line);
    }
}

/* ---- leaving things behind ---- */

void instance_consume(struct core *core, struct instance *instance, size_t n)
{
    uint64_t arrival = waiting_events_drop(&core->waiting, &instance->events, n);
    if (arrival != 0) {
        batch_add(core_open_batch(core), MUTATION_INBOX_REMOVE, instance->row)->number = arrival;
    }
}

void instance_forsake(struct core *core, struct instance *instance)
{
    const struct step *steps = steps_at(&instance->steps);
    if (instance->steps.tasks != 0) {
        activity_cancel(core, instance, EVENT_NO_ID);
    }
    for (uint32_t i = 0; i < instance->steps.used; i++) {
        if (steps[i].kind == STEP_TIMER) {
            timers_unset(core, instance, steps[i].id, steps[i].due);
        } else if (steps[i].kind == STEP_LOCK || steps[i].kind == STEP_SECTION) {
            section_forsake(core, instance, &steps[i]);
        }
    }
    steps_done(&instance->steps);
    while (instance->notes != NULL) {
        note_drop(core, instance, instance->notes->id);
    }
}

static void lift_quarantine(struct instance *instance)
{
    mem_free(instance->quarantine);
    instance->quarantine = NULL;
}

/* ---- what the arrows do ---- */

/* The turn that has been taken was the first, and began with the start. */
static void begin(struct core *core, struct instance *instance)
{
    (void)core;
    const struct turn *turn = &instance->turn->turn;
    assert_that(turn->number == 1 && turn->event_count > 1);
    assert_that(turn->events[1].kind == EVENT_EXECUTION_STARTED);
    instance->has_begun = true;
}

static void hold(struct core *core, struct instance *instance)
{
    (void)core;
    turn_unwant(instance);
    instance->holds |= HOLD_SUSPENDED;
}

/* Whoever takes it out of hold delivers EXECUTION_RESUMED, and so puts it in line. */
static void release(struct core *core, struct instance *instance)
{
    (void)core;
    lift_quarantine(instance);
    instance->holds &= (uint8_t)~HOLD_SUSPENDED;
    instance->is_changed = true; /* though it be suspended again, of another failure */
}

static void renew(struct core *core, struct instance *instance)
{
    assert_that(instance->turn == NULL && !list_is_linked(&instance->waiting));
    instance_forsake(core, instance);
}

/* Into a final state: nothing of what was asked for is waited for any more. */
static void vanish(struct core *core, struct instance *instance)
{
    turn_unwant(instance);
    if (instance->starts_at != 0) {
        timers_unset(core, instance, EVENT_NO_ID, instance->starts_at);
        instance->starts_at = 0;
    }
    instance->holds = 0;
    instance_forsake(core, instance);
    lift_quarantine(instance);
    if (instance->turn != NULL) {
        turn_void(core, instance);
    }
    core->counters.dropped_events += instance->events.count;
    instance_consume(core, instance, instance->events.count);
}

void instance_tell_end(struct core *core, const struct instance *instance)
{
    struct batch *batch = core_open_batch(core);
    struct ending *ending = arena_alloc(&batch->arena, sizeof *ending);
    ending->instance_id = text_copy(&batch->arena, instance->id);
    ending->state = instance->state;
    ending->next = batch->endings;
    batch->endings = ending;
    batch->ending_count++;
}

/* Likewise, and whoever waits for the end can be told. */
static void leave(struct core *core, struct instance *instance)
{
    vanish(core, instance);
    instance_tell_end(core, instance);
    core->counters.endings++;
}

/* ---- the end of an execution ---- */

void instance_tell_parent(struct core *core, const struct instance *instance,
                          const struct failure *failure)
{
    struct instance_record record = {
        .id = instance->id,
        .state = instance->state,
        .output = instance->output,
        .parent_id = instance->extra->parent_id,
        .parent_execution_id = instance->extra->parent_execution_id,
        .parent_step = instance->extra->parent_step,
    };
    letter_child_ended(core, instance->last_at, &record, failure);
}

void instance_end(struct core *core, struct instance *instance, enum instance_event how,
                  struct text output, const struct failure *failure)
{
    instance->ended_at = instance->last_at;
    instance->output = text_copy(&core_open_batch(core)->arena, output);
    if (failure != NULL) {
        buffer_reset(&core->scratch);
        core->codec->failure(&core->scratch, failure);
        instance->failure = core_keep_scratch(core, 0);
    }
    instance_apply(core, instance, how);
    if (instance_has_parent(instance)) {
        instance_tell_parent(core, instance, failure);
    }
    announce(core, instance,
             how == INSTANCE_COMPLETED ? ANNOUNCE_COMPLETED
             : how == INSTANCE_FAILED  ? ANNOUNCE_FAILED
                                       : ANNOUNCE_TERMINATED,
             failure);
}

/* ---- another execution: continue as new ---- */

static void take_identity(struct core *core, struct instance *instance, struct text version)
{
    char execution_id[33];
    random_hex32(&core->random, execution_id);
    struct text minted = text_of(execution_id);
    version = text_is_present(version) ? version : instance->version;
    char *at = mem_alloc(minted.size + version.size + 1);
    char *renewed = at;
    instance->execution_id = put(&at, minted);
    instance->version = put(&at, version);
    mem_free(instance->renewed);
    instance->renewed = renewed;
}

/* Behind what waits, with a time of its own; so what it was read from does not hold any more. */
static void requeue(struct instance *instance, time_us now, struct waiting_event *waiting)
{
    waiting->next = NULL;
    waiting->arrival = 0;
    waiting->event.at = instance_tick(instance, now);
    waiting->event.raw = TEXT_ABSENT;
    waiting_events_add(&instance->events, waiting);
}

static void await_start(struct core *core, time_us now, struct instance *instance,
                        struct text input)
{
    struct event started = {
        .kind = EVENT_EXECUTION_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .name = instance->name,
        .version = instance->version,
        .payload = input,
        .instance_id = instance->id,
        .execution_id = instance->execution_id,
        .extra = instance->extra,
    };
    requeue(instance, now, waiting_event_must(&core->waiting, &started));
}

/* What was said to the instance is for whichever execution; results were for the old one. */
static bool is_for_any_execution(enum event_kind kind)
{
    return kind == EVENT_EVENT_RAISED || kind == EVENT_EXECUTION_SUSPENDED ||
           kind == EVENT_EXECUTION_RESUMED;
}

void instance_renew(struct core *core, time_us now, struct instance *instance,
                    const struct action *action)
{
    uint64_t arrival;
    struct waiting_event *arrived =
        waiting_events_detach(&instance->events, instance->events.count, &arrival);
    if (arrival != 0) { /* they get numbers behind those of what now comes before them */
        batch_add(core_open_batch(core), MUTATION_INBOX_REMOVE, instance->row)->number = arrival;
    }
    instance_apply(core, instance, INSTANCE_RENEWED);
    take_identity(core, instance, action->version);
    instance->turn_count = 0;
    instance->turn_batch = 0;
    core_promise_record(core, instance, MUTATION_INSTANCE_RENEW, action->payload);
    await_start(core, now, instance, action->payload);
    for (size_t i = 0; i < action->kept_count; i++) {
        assert_that(action->kept[i].kind == EVENT_EVENT_RAISED);
        requeue(instance, now, waiting_event_must(&core->waiting, &action->kept[i]));
    }
    while (arrived != NULL) {
        struct waiting_event *event = arrived;
        arrived = event->next;
        if (is_for_any_execution(event->event.kind)) {
            requeue(instance, now, event);
        } else {
            core->counters.dropped_events++;
            event->next = NULL;
            waiting_event_free_all(&core->waiting, event);
        }
    }
}

/* ---- the table ---- */

struct transition {
    enum run_state from;
    enum instance_event event;
    enum run_state to;
    void (*does)(struct core *, struct instance *);
};

static const struct transition transitions[] = {
#define T(from, event, to, does) { RUN_##from, INSTANCE_##event, RUN_##to, does },
    INSTANCE_TRANSITIONS(T)
#undef T
};

bool instance_transition_find(enum run_state from, enum instance_event event,
                              enum instance_transition *ret)
{
    for (unsigned i = 0; i < TRANSITION_COUNT; i++) {
        if (transitions[i].from == from && transitions[i].event == event) {
            *ret = (enum instance_transition)i;
            return true;
        }
    }
    return false;
}

void instance_apply(struct core *core, struct instance *instance, enum instance_event event)
{
    enum instance_transition at;
    bool is_legal = instance_transition_find(instance->state, event, &at);
    assert_that(is_legal && instance->entity == NULL);
    instance->state = transitions[at].to;
    transitions[at].does(core, instance);
    core->transitions[at]++;
}
