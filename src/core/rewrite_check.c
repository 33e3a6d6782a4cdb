/* SPDX-License-Identifier: MIT
 *
 * What must hold of a history before anything is built on it.
 *
 * The rest of core trusts histories, because it wrote them. An archive may have been written by
 * anybody, and the engine that takes it in runs other instances, too: so whatever core would take
 * for a bug of its own is refused here. What does no harm is let through: kinds that are not known,
 * completions of steps that are not there, times that go backwards.
 */
#include "base/error.h"
#include "core/core_priv.h"
#include "core/rewrite.h"

static bool is_step(const struct event *event)
{
    return event->kind == EVENT_TASK_SCHEDULED || event->kind == EVENT_TIMER_CREATED ||
           event->kind == EVENT_CHILD_CREATED || event->kind == EVENT_ENTITY_CALLED ||
           event->kind == EVENT_LOCK_REQUESTED;
}

/* A step of a number is open once at a time: found out by what folds the history in the end. */
static bool are_open_once(const struct turn_events *turns, size_t turn_count)
{
    struct instance instance = { 0 };
    steps_init(&instance.steps);
    bool all = true;
    for (size_t i = 0; i < turn_count && all; i++) {
        for (size_t j = 0; j < turns[i].count && all; j++) {
            const struct event *event = &turns[i].events[j];
            all = !is_step(event) || steps_may_open(&instance.steps, event->id);
            if (all) {
                resident_fold(&instance, event);
            }
        }
    }
    steps_done(&instance.steps);
    return all;
}

/* Nearly always each step is above those before, and nothing needs to be kept. */
static bool are_steps_sound(const struct turn_events *turns, size_t turn_count)
{
    int64_t highest = INT64_MIN;
    bool is_ascending = true;
    for (size_t i = 0; i < turn_count; i++) {
        for (size_t j = 0; j < turns[i].count; j++) {
            const struct event *event = &turns[i].events[j];
            if (is_step(event)) {
                if (event->id == EVENT_NO_ID) {
                    return false;
                }
                is_ascending = is_ascending && event->id > highest;
                highest = event->id;
            }
        }
    }
    return is_ascending || are_open_once(turns, turn_count);
}

static bool has_negative_limit(const struct event *event)
{
    const struct event_extra *extra = event->extra;
    return extra != NULL && event->kind == EVENT_TASK_SCHEDULED &&
           (extra->limits.start_ms < 0 || extra->limits.run_ms < 0 || extra->limits.beat_ms < 0);
}

/* Of a LOCK_REQUESTED; another event has nothing to lock. */
static bool locks_nothing(const struct event *event)
{
    return event->kind == EVENT_LOCK_REQUESTED &&
           (event->extra == NULL || event->extra->lock_set.size == 0);
}

/* NULL, or what is wrong with the event. */
static const char *flaw_of_event(const struct event *event, size_t turn, size_t at)
{
    pd_error unused;
    if ((event->kind == EVENT_ORCHESTRATOR_STARTED) != (at == 0)) {
        return "turns begin with OrchestratorStarted, and have one";
    }
    if ((event->kind == EVENT_EXECUTION_STARTED) != (turn == 0 && at == 1)) {
        return "ExecutionStarted is the second event, and there is one";
    }
    if (event->fire_at == INT64_MIN) {
        return "something is due before all times"; /* where no store looks for timers (S5) */
    }
    if (has_negative_limit(event)) {
        return "a limit of time is negative";
    }
    if (event->kind == EVENT_CHILD_CREATED &&
        (instance_id_check(event->instance_id, &unused) != PD_OK ||
         !text_is_present(event->name))) {
        return "a child has no proper id, or no name";
    }
    if (locks_nothing(event)) {
        return "a critical section locks nothing";
    }
    return NULL;
}

static const char *flaw_of_turn(const struct adoption *adoption, size_t i)
{
    const struct turn_events *turn = &adoption->turns[i];
    const struct event *end = NULL;
    bool is_last = i + 1 == adoption->turn_count;
    if (turn->count < (i == 0 ? 2 : 1)) {
        return "a turn is empty";
    }
    for (size_t j = 0; j < turn->count; j++) {
        const struct event *event = &turn->events[j];
        const char *flaw = flaw_of_event(event, i, j);
        if (flaw != NULL) {
            return flaw;
        }
        if (end != NULL && event->kind != EVENT_ORCHESTRATOR_COMPLETED) {
            return "it goes on after its end";
        }
        end = event->kind == EVENT_EXECUTION_COMPLETED ? event : end;
    }
    bool has_ended = is_last && run_state_is_final(adoption->record->state);
    if ((end != NULL) != has_ended || (has_ended && end->outcome != adoption->record->state)) {
        return "it ends otherwise than the instance";
    }
    return NULL;
}

static const char *flaw_of_waiting(const struct adoption *adoption)
{
    for (size_t i = 0; i < adoption->waiting_count; i++) {
        const struct event *event = &adoption->waiting[i];
        bool is_start = event->kind == EVENT_EXECUTION_STARTED;
        if (is_start != (adoption->turn_count == 0 && i == 0)) {
            return "what waits begins with ExecutionStarted exactly when there was no turn";
        }
        if (event_role(event->kind) != ROLE_INPUT) {
            return "something waits that cannot come in";
        }
    }
    if (adoption->turn_count + adoption->waiting_count == 0) {
        return "it has not begun";
    }
    return NULL;
}

/* Children are named after it: "<execution id>:<step>". */
static bool is_proper_execution(struct text id)
{
    enum { EXECUTION_MAX = 200 };
    pd_error unused;
    return id.size <= EXECUTION_MAX && instance_id_check(id, &unused) == PD_OK;
}

static const char *flaw_of_record(const struct adoption *adoption)
{
    const struct instance_record *record = adoption->record;
    pd_error unused;
    if (instance_id_check(record->id, &unused) != PD_OK ||
        !is_proper_execution(record->execution_id) || !text_is_present(record->name)) {
        return "the instance has no proper id, no proper execution or no name";
    }
    if (record->state > RUN_TERMINATED ||
        (record->state == RUN_PENDING && adoption->turn_count != 0)) {
        return "the instance cannot be in its state";
    }
    if (run_state_is_final(record->state) != (record->ended_at != 0)) {
        return "the instance has ended at no time, or has a time and not ended";
    }
    if (run_state_is_final(record->state) &&
        (adoption->turn_count == 0 || adoption->waiting_count != 0)) {
        return "the instance has ended, but not in its history";
    }
    return NULL;
}

static pd_status refuse(const struct adoption *adoption, const char *flaw, size_t turn,
                        pd_error *err)
{
    return error_set(err, PD_E_CORRUPT, false, "core: history",
                     "the history of '%.*s' does not hold together: %s (turn %zu)",
                     TEXT_ARGS(adoption->record->id), flaw, turn);
}

pd_status rewrite_check_past(const struct adoption *adoption, pd_error *err)
{
    const char *flaw = flaw_of_record(adoption);
    size_t turn = 0;
    while (flaw == NULL && turn < adoption->turn_count) {
        flaw = flaw_of_turn(adoption, turn++);
    }
    if (flaw == NULL) {
        flaw = flaw_of_waiting(adoption);
    }
    if (flaw == NULL && !are_steps_sound(adoption->turns, adoption->turn_count)) {
        flaw = "a step has no number, or two that are open have one";
    }
    return flaw == NULL ? PD_OK : refuse(adoption, flaw, turn, err);
}

pd_status rewrite_check(const struct adoption *adoption, pd_error *err)
{
    pd_status status = rewrite_check_past(adoption, err);
    if (status == PD_OK && !run_state_is_final(adoption->record->state) &&
        rewrite_open_section(adoption) != NULL) {
        status =
            refuse(adoption, "it is inside a critical section, whose locks stay where they are",
                   adoption->turn_count, err);
    }
    return status;
}

static const char *flaw_of_image(const struct instance_image *image)
{
    bool has_turns = image->turn_count != 0;
    struct turn_events all = { image->history, image->history_count };
    if (has_turns != (image->history_count != 0) ||
        (has_turns && image->record->state == RUN_PENDING)) {
        return "it has had turns and not begun, or begun without one";
    }
    if (has_turns ? image->history_count < 2 : image->inbox_count == 0) {
        return "it has no start";
    }
    const struct event *start = has_turns ? &image->history[1] : &image->inbox[0];
    if (start->kind != EVENT_EXECUTION_STARTED) {
        return "it begins with something else than its start";
    }
    for (size_t i = 0; i < image->history_count; i++) {
        if (locks_nothing(&image->history[i])) {
            return "a critical section locks nothing";
        }
    }
    for (size_t i = 0; i < image->inbox_count; i++) {
        if (event_role(image->inbox[i].kind) != ROLE_INPUT) {
            return "something waits that cannot come in";
        }
    }
    return are_steps_sound(&all, 1) ? NULL : "a step has no number, or two that are open have one";
}

pd_status rewrite_check_image(const struct instance_image *image, pd_error *err)
{
    const char *flaw = flaw_of_image(image);
    return flaw == NULL ? PD_OK
                        : error_set(err, PD_E_CORRUPT, false, "core: load",
                                    "what is stored of '%.*s' does not hold together: %s",
                                    TEXT_ARGS(image->record->id), flaw);
}
