/* SPDX-License-Identifier: MIT
 *
 * A resident instance: its memory, its state machine, and what must hold of it.
 *
 * It is small: ids, state, last time, open steps, events not yet consumed. Its history is encoded
 * into a batch the moment a turn ends and never kept; its input lives in the event that starts it.
 *
 * The state machine is the table in core_priv.h. The legality check below, the counts by which
 * tests see that every arrow is taken, and what each arrow does come from the same rows.
 */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/object.h"
#include "core/core_priv.h"

enum { INSTANCE_MAGIC = 0x696e7374 };

struct instance *instance_new(uint64_t row, struct text id, struct text execution_id)
{
    struct instance *instance = mem_try_alloc(sizeof *instance + id.size + execution_id.size + 1);
    if (instance == NULL) {
        return NULL;
    }
    char *at = (char *)(instance + 1);
    instance->magic = INSTANCE_MAGIC;
    instance->row = row;
    steps_init(&instance->steps);
    memcpy(at, id.at, id.size);
    instance->id = text_make(at, id.size);
    at += id.size;
    if (text_is_present(execution_id)) {
        memcpy(at, execution_id.at, execution_id.size);
        instance->execution_id = text_make(at, execution_id.size);
    }
    return instance;
}

void instance_free(struct shelf *waiting, struct instance *instance)
{
    OBJECT_CHECK(instance, INSTANCE_MAGIC);
    waiting_events_drop(waiting, &instance->events, instance->events.count);
    steps_done(&instance->steps);
    if (instance->turn != NULL) {
        turn_slot_free(instance->turn);
    }
    OBJECT_FREE(instance, INSTANCE_MAGIC);
}

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

bool instance_is_busy(const struct instance *instance)
{
    return instance->steps.tasks != 0 || instance->events.count != 0;
}

/* What holds of an ended one: it waits for nothing, and nothing waits for it. */
static void check_ended(const struct instance *instance)
{
    assert_that(!instance_is_busy(instance) && steps_count(&instance->steps) == 0);
    assert_that(instance->turn == NULL && !list_is_linked(&instance->waiting));
    assert_that(instance->ended_at != 0 && list_is_linked(&instance->durability));
}

void instance_expect(const struct instance *instance)
{
    for (size_t line = 0; line < sizeof *instance; line += 64) {
        __builtin_prefetch((const char *)instance + line);
    }
}

void instance_check(const struct instance *instance)
{
    OBJECT_CHECK(instance, INSTANCE_MAGIC);
    const struct waiting_events *events = &instance->events;
    assert_that((events->count == 0) == (events->first == NULL));
    assert_that(instance->steps.tasks <= steps_count(&instance->steps));
    /* Whoever has events is in line for a turn or has one, and nobody else is. */
    bool in_line = list_is_linked(&instance->waiting);
    if (run_state_is_final(instance->state)) {
        check_ended(instance);
        return;
    }
    assert_that((events->count != 0) == (in_line || instance->turn != NULL));
    assert_that(!in_line || instance->turn == NULL);
    assert_that(!instance->is_postponed || in_line);
    assert_that(instance->state != RUN_PENDING || steps_count(&instance->steps) == 0);
    assert_that(instance->state == RUN_PENDING || instance->state == RUN_RUNNING);
    assert_that((instance->state == RUN_PENDING) == (instance->turn_count == 0));
}

/* ---- what the arrows do ---- */

/* PENDING to RUNNING: the turn that has been taken was the first, and began with the start. */
static void begin(struct core *core, struct instance *instance)
{
    (void)core;
    const struct turn *turn = &instance->turn->turn;
    assert_that(turn->number == 1 && turn->event_count > 1);
    assert_that(turn->events[1].kind == EVENT_EXECUTION_STARTED);
}

/* Into a final state: nothing of what was asked for is waited for any more. */
static void leave(struct core *core, struct instance *instance)
{
    struct batch *batch = core_open_batch(core);
    const struct step *steps = steps_at(&instance->steps);
    for (uint32_t i = 0; i < instance->steps.used; i++) {
        if (steps[i].kind == STEP_TIMER) {
            struct mutation *mutation = batch_add(batch, MUTATION_TIMER_REMOVE, instance->row);
            mutation->due = steps[i].due;
            mutation->id = steps[i].id;
        }
    }
    steps_done(&instance->steps);

    core->counters.dropped_events += instance->events.count;
    uint64_t arrival =
        waiting_events_drop(&core->waiting, &instance->events, instance->events.count);
    if (arrival != 0) {
        batch_add(batch, MUTATION_INBOX_REMOVE, instance->row)->number = arrival;
    }

    struct ending *ending = arena_alloc(&batch->arena, sizeof *ending);
    ending->instance_id = text_copy(&batch->arena, instance->id);
    ending->state = instance->state;
    ending->next = batch->endings;
    batch->endings = ending;
    batch->ending_count++;
    core->counters.endings++;
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
    assert_that(is_legal);
    instance->state = transitions[at].to;
    transitions[at].does(core, instance);
    core->transitions[at]++;
}
