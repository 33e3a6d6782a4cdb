/* SPDX-License-Identifier: MIT
 *
 * What happens to an instance that is here: events, results, and orders from outside.
 *
 * An event or a result is appended to what waits, and the instance put in line for a turn. Suspend
 * and resume are such events too (the code may want to know), and besides take the instance out of
 * the line and put it back.
 *
 * Terminate does not wait for a turn: it writes the last turn itself, in which no code ran. A turn
 * that is open at that moment is void: turn.c.
 */
#include "base/assert.h"
#include "base/error.h"
#include "base/memory.h"
#include "core/core_priv.h"
#include "core/entity.h"

static pd_status has_ended(const char *where, const struct instance *instance, pd_error *err)
{
    return error_set(err, PD_E_STATE, false, where, "the instance '%.*s' has ended",
                     TEXT_ARGS(instance->id));
}

static pd_status keep(struct core *core, const struct event *event, struct waiting_event **ret,
                      pd_error *err)
{
    *ret = waiting_event_new(&core->waiting, event);
    return *ret != NULL ? PD_OK
                        : error_set(err, PD_E_NOMEM, true, "core", "no memory for a payload");
}

/* Behind all that waits already. */
static void deliver(struct core *core, time_us now, struct instance *instance,
                    struct waiting_event *waiting)
{
    waiting->event.at = instance_tick(instance, now);
    core_deliver(core, instance, waiting);
}

pd_status core_raise(struct core *core, time_us now, struct instance *instance, struct text name,
                     struct text payload, pd_error *err)
{
    instance_check(instance);
    if (run_state_is_final(instance->state)) {
        return has_ended("core: raise", instance, err);
    }
    struct event event = {
        .kind = EVENT_EVENT_RAISED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .name = name,
        .payload = payload,
    };
    struct waiting_event *waiting;
    pd_status status = keep(core, &event, &waiting, err);
    if (status == PD_OK) {
        deliver(core, now, instance, waiting);
    }
    return status;
}

/* ---- results ---- */

/* A failure takes the last word along: the next attempt may begin there. */
static void complete_with_note(struct core *core, struct instance *instance, struct event *event)
{
    struct event_extra extra = { .progress = note_find(instance, event->ref) };
    if (event->kind == EVENT_TASK_FAILED && text_is_present(extra.progress)) {
        event->extra = &extra;
    }
    struct waiting_event *waiting = waiting_event_must(&core->waiting, event);
    note_drop(core, instance, event->ref);
    core_deliver(core, instance, waiting);
}

bool core_complete_activity(struct core *core, time_us now, struct instance *instance,
                            struct text execution_id, int32_t id,
                            const struct activity_result *result)
{
    instance_check(instance);
    struct step step;
    if (!text_equal(instance->execution_id, execution_id) ||
        !steps_close(&instance->steps, id, STEP_TASK, &step)) {
        core->counters.dropped_completions++;
        return false;
    }
    bool has_failed = result->failure != NULL;
    struct event event = {
        .kind = has_failed ? EVENT_TASK_FAILED : EVENT_TASK_COMPLETED,
        .id = EVENT_NO_ID,
        .ref = id,
        .at = instance_tick(instance, now),
        .payload = has_failed ? TEXT_ABSENT : result->payload,
        .failure = result->failure,
    };
    if (instance->notes != NULL) {
        complete_with_note(core, instance, &event);
    } else {
        core_deliver(core, instance, waiting_event_must(&core->waiting, &event));
    }
    return true;
}

bool core_complete_child(struct core *core, time_us now, struct instance *parent,
                         struct text execution_id, const struct event *ended)
{
    instance_check(parent);
    assert_that(ended->kind == EVENT_CHILD_COMPLETED || ended->kind == EVENT_CHILD_FAILED);
    struct step step;
    if (!text_equal(parent->execution_id, execution_id) ||
        !steps_close(&parent->steps, ended->ref, STEP_CHILD, &step)) {
        core->counters.dropped_completions++;
        return false;
    }
    mem_free(step.child);
    struct event event = {
        .kind = ended->kind,
        .id = EVENT_NO_ID,
        .ref = ended->ref,
        .at = instance_tick(parent, now),
        .payload = ended->payload,
        .failure = ended->failure,
    };
    core_deliver(core, parent, waiting_event_must(&core->waiting, &event));
    return true;
}

/* False: nobody waits for it. Of locks that cannot be had, those that are had on the way of the
 * request are given back (K4). */
static bool close_asked(struct core *core, struct instance *instance, const struct event *answer)
{
    struct steps *steps = &instance->steps;
    struct step step;
    if (answer->kind == EVENT_LOCK_GRANTED) {
        return steps_grant(steps, answer->ref);
    }
    if (answer->kind == EVENT_ENTITY_FAILED && steps_find(steps, answer->ref, STEP_LOCK, &step)) {
        section_forsake(core, instance, &step);
        return steps_close_section(steps, answer->ref, STEP_LOCK);
    }
    return steps_close(steps, answer->ref, STEP_CALL, &step);
}

bool core_complete_call(struct core *core, time_us now, struct instance *instance,
                        struct text execution_id, const struct event *answer)
{
    instance_check(instance);
    assert_that(answer->kind == EVENT_LOCK_GRANTED || answer->kind == EVENT_ENTITY_COMPLETED ||
                answer->kind == EVENT_ENTITY_FAILED);
    if (!text_equal(instance->execution_id, execution_id) || !close_asked(core, instance, answer)) {
        core->counters.dropped_completions++;
        return false;
    }
    struct event event = {
        .kind = answer->kind,
        .id = EVENT_NO_ID,
        .ref = answer->ref,
        .at = instance_tick(instance, now),
        .payload = answer->payload,
        .request_id = answer->request_id,
        .failure = answer->failure,
    };
    core_deliver(core, instance, waiting_event_must(&core->waiting, &event));
    return true;
}

bool core_fire_timer(struct core *core, time_us now, struct instance *instance, int32_t id,
                     time_us due)
{
    instance_check(instance);
    if (instance->entity != NULL) {
        bool fires = delayed_fire(core, now, instance, id, due);
        core->counters.dropped_completions += !fires;
        return fires;
    }
    if (id == EVENT_NO_ID && instance->starts_at != 0 && instance->starts_at == due) {
        instance->starts_at = 0;
        instance->holds &= (uint8_t)~HOLD_TIME;
        timers_unset(core, instance, id, due);
        core_touch(core, instance);
        turn_want(core, instance);
        return true;
    }
    struct step step;
    if (!steps_find(&instance->steps, id, STEP_TIMER, &step) || step.due != due) {
        core->counters.dropped_completions++;
        return false;
    }
    steps_close(&instance->steps, id, STEP_TIMER, &step);
    timers_unset(core, instance, id, due);
    struct event event = {
        .kind = EVENT_TIMER_FIRED,
        .id = EVENT_NO_ID,
        .ref = id,
        /* Not before it was due, also when the clock was set back since it was found due: see
         * a_timer_never_fires_before_its_time_though_the_clock_goes_back. */
        .at = instance_tick(instance, now > due ? now : due),
        .fire_at = due,
    };
    core_deliver(core, instance, waiting_event_must(&core->waiting, &event));
    return true;
}

/* ---- orders ---- */

static void terminate_children(struct core *core, const struct instance *instance,
                               struct text output)
{
    const struct step *steps = steps_at(&instance->steps);
    for (uint32_t i = 0; i < instance->steps.used; i++) {
        if (steps[i].kind == STEP_CHILD) {
            letter_terminate_child(core, instance, steps[i].child, output);
        }
    }
}

/* The turn in which it ends; the start belongs to it when no turn has consumed it. */
static void write_last_turn(struct core *core, time_us now, struct instance *instance,
                            struct text output, bool recurses)
{
    struct event_extra extra = { .recurses = recurses };
    struct event event = {
        .kind = EVENT_ORCHESTRATOR_STARTED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .at = instance_tick(instance, now),
    };
    buffer_reset(&core->scratch);
    core_write_event(core, &event);
    if (instance->turn_count == 0) {
        const struct event *started = &instance->events.first->event;
        assert_that(started->kind == EVENT_EXECUTION_STARTED);
        core_write_event(core, started);
    }
    event.kind = EVENT_EXECUTION_TERMINATED;
    event.at = instance_tick(instance, now);
    event.payload = output;
    event.extra = recurses ? &extra : NULL;
    core_write_event(core, &event);
    event.kind = EVENT_EXECUTION_COMPLETED;
    event.at = instance_tick(instance, now);
    event.outcome = RUN_TERMINATED;
    event.extra = NULL;
    core_write_event(core, &event);

    struct batch *batch = core_open_batch(core);
    struct mutation *history = batch_add(batch, MUTATION_HISTORY_APPEND, instance->row);
    history->bytes = core_keep_scratch(core, 0);
    history->number = instance->turn_count + 1;
}

pd_status core_terminate(struct core *core, time_us now, struct instance *instance,
                         struct text output, bool recurses, pd_error *err)
{
    instance_check(instance);
    if (run_state_is_final(instance->state)) {
        return has_ended("core: terminate", instance, err);
    }
    core_touch(core, instance);
    write_last_turn(core, now, instance, output, recurses);
    if (recurses) {
        terminate_children(core, instance, output);
    }
    if (instance->turn_count++ == 0 && instance->turn == NULL) {
        instance_consume(core, instance, 1); /* the start, as a turn does */
    }
    instance->turn_batch = core->batch_number;
    instance_end(core, instance, INSTANCE_TERMINATED, output, NULL);
    instance_check(instance);
    return PD_OK;
}

static struct note *keep_failure(struct core *core, const struct failure *failure)
{
    buffer_reset(&core->scratch);
    core->codec->failure(&core->scratch, failure);
    return note_new(EVENT_NO_ID, buffer_text(&core->scratch));
}

pd_status core_suspend(struct core *core, time_us now, struct instance *instance,
                       struct text reason, const struct failure *failure, pd_error *err)
{
    instance_check(instance);
    if (run_state_is_final(instance->state)) {
        return has_ended("core: suspend", instance, err);
    }
    if (instance->state == RUN_SUSPENDED) {
        return PD_OK;
    }
    struct event event = {
        .kind = EVENT_EXECUTION_SUSPENDED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .payload = reason,
    };
    struct waiting_event *waiting;
    pd_status status = keep(core, &event, &waiting, err);
    if (status != PD_OK) {
        return status;
    }
    instance_apply(core, instance, INSTANCE_SUSPENDED);
    if (failure != NULL) {
        instance->quarantine = keep_failure(core, failure);
    }
    deliver(core, now, instance, waiting);
    announce(core, instance, ANNOUNCE_SUSPENDED, failure);
    return PD_OK;
}

pd_status core_resume(struct core *core, time_us now, struct instance *instance, struct text reason,
                      pd_error *err)
{
    instance_check(instance);
    if (run_state_is_final(instance->state)) {
        return has_ended("core: resume", instance, err);
    }
    if (instance->state != RUN_SUSPENDED) {
        return PD_OK;
    }
    struct event event = {
        .kind = EVENT_EXECUTION_RESUMED,
        .id = EVENT_NO_ID,
        .ref = EVENT_NO_ID,
        .payload = reason,
    };
    struct waiting_event *waiting;
    pd_status status = keep(core, &event, &waiting, err);
    if (status != PD_OK) {
        return status;
    }
    instance_apply(core, instance, instance->has_begun ? INSTANCE_RESUMED : INSTANCE_UNHELD);
    deliver(core, now, instance, waiting);
    announce(core, instance, ANNOUNCE_RESUMED, NULL);
    return PD_OK;
}
