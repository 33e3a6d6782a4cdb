/* SPDX-License-Identifier: MIT
 *
 * Replay: giving a run its events, and matching what the code asks now with what it asked before.
 *
 * An execution is a sequence of steps. The orchestrator asks for step n; history either knows it
 * (then the answer is already there, or will come) or does not (then it becomes an action).
 *
 *   R1  Step numbers are dense: 0, 1, 2, ... in the order the code asked.
 *   R2  A step that history knows has the same kind and name as the one asked now; when the replay
 *       of a past turn is over, the code has asked for every step that history has up to there, and
 *       cancelled what history has cancelled, and nothing else; and the code does not end while
 *       history goes on. Otherwise the code has changed, or is not deterministic: the instance
 *       fails with "NonDeterminism", and of this turn nothing else is recorded. A different input
 *       alone is legal (payloads may grow), as is another receiver of an event.
 *   R3  A completion refers to exactly one earlier step, and a step completes at most once. A
 *       second completion is dropped.
 *   R4  Completions are delivered to the code in history order, one at a time: when one ends what
 *       the code waits for, the code goes on at once, and the next is delivered when it waits
 *       again. So the code sees the same sequence, whether turns came live one by one, or all past
 *       ones are replayed in one go; "now" is the time of the turn the event belongs to in both.
 *
 *   R5  The code may be ahead of history: it asks in a past turn for a step that history has later
 *       (it was added while the instance waited), or not yet. Such a step is an action until
 *       history has it too.
 *
 * Past turns are read one after the other, each into the memory of the one before, but for texts,
 * which are lent until the replaying turn is over, like those of the turn. So while a past turn is
 * replayed, the steps that it recorded are known, and those before were compared already.
 *
 * No I/O, no clock. */
#include "author/author_priv.h"

/* ---- what history knows ---------------------------------------------------------------------- */

static bool is_step(const struct event *event)
{
    enum event_kind kind = event->kind;
    return (kind == EVENT_TASK_SCHEDULED || kind == EVENT_TIMER_CREATED ||
            kind == EVENT_CHILD_CREATED || kind == EVENT_EVENT_SENT) &&
           event->id >= 0;
}

/* The number of the first event behind a turn that begins with `number`. OrchestratorCompleted is
 * shown at the end of each turn, but not stored. */
static uint64_t number_after(const struct turn_events *turn, uint64_t number)
{
    bool is_stored =
        turn->count == 0 || turn->events[turn->count - 1].kind == EVENT_ORCHESTRATOR_COMPLETED;
    return number + turn->count + (is_stored ? 0 : 1);
}

/* A place for the step, which the code has not asked for yet, and all before it. */
static struct known *known_at(pd_orchestration *run, size_t id)
{
    struct shard *shard = run->shard;
    size_t base = shard->known_base;
    if (id - base >= shard->known_room) {
        size_t room =
            shard->known_room * 2 > id - base + 16 ? shard->known_room * 2 : id - base + 16;
        shard->known = mem_grow(shard->known, shard->known_room * sizeof *shard->known,
                                room * sizeof *shard->known);
        shard->known_room = room;
    }
    if (run->known_count < base) {
        run->known_count = base;
    }
    while (run->known_count <= id) {
        shard->known[run->known_count++ - base] = (struct known){ NULL, 0 };
    }
    return &shard->known[id - base];
}

static void learn_mark(pd_orchestration *run, struct text name)
{
    struct mark *mark = arena_alloc(&run->arena, sizeof *mark);
    *mark = (struct mark){ run->marks, text_copy(&run->arena, name), true };
    run->marks = mark;
}

/* "TaskScheduled 'A' (event 3)" */
static const char *describe(pd_orchestration *run, const struct known *known)
{
    if (known->event == NULL) {
        return "an event that this version does not know";
    }
    if (text_is_present(known->event->name)) {
        return arena_printf(&run->arena, "%s '%.*s' (event %llu)",
                            event_kind_name(known->event->kind), TEXT_ARGS(known->event->name),
                            (unsigned long long)known->number);
    }
    return arena_printf(&run->arena, "%s (event %llu)", event_kind_name(known->event->kind),
                        (unsigned long long)known->number);
}

/* at: number of the first event that does not fit. From user code it does not come back. */
static void diverge(pd_orchestration *run, uint64_t at, const pd_failure *failure)
{
    run->is_divergent = true;
    run->shard->differs_at = at;
    if (run_current == run) {
        run_leave(run, failure);
    }
    run_end(run, failure);
}

/* "activity 'B'" */
static const char *describe_asked(pd_orchestration *run, enum event_kind kind, const char *name)
{
    const char *noun = kind == EVENT_TASK_SCHEDULED  ? "activity"
                       : kind == EVENT_CHILD_CREATED ? "child"
                                                     : "the sending of event";
    return kind == EVENT_TIMER_CREATED ? "a timer"
                                       : arena_printf(&run->arena, "%s '%s'", noun, name);
}

/* ---- the steps of one past turn -------------------------------------------------------------- */

/* What the code asked for in this replay though history has not had it (R5): the step, or its
 * cancelling. Asked for in order, so mostly it is the one behind the last. */
static struct action *find_ahead(struct shard *shard, int32_t step, bool is_cancel)
{
    size_t count = shard->action_count;
    for (size_t i = 0; i < count; i++) {
        size_t at = (shard->ahead_at + i) % count;
        struct action *action = &shard->actions[at];
        if (action->id == step && (action->kind == ACTION_CANCEL) == is_cancel) {
            shard->ahead_at = at + 1;
            return action;
        }
    }
    return NULL;
}

static enum event_kind kind_of(const struct action *action)
{
    switch (action->kind) {
    case ACTION_SCHEDULE_TASK: return EVENT_TASK_SCHEDULED;
    case ACTION_CREATE_TIMER: return EVENT_TIMER_CREATED;
    case ACTION_START_CHILD: return EVENT_CHILD_CREATED;
    case ACTION_SEND_EVENT: return EVENT_EVENT_SENT;
    case ACTION_CALL_ENTITY: return EVENT_ENTITY_CALLED;
    case ACTION_SIGNAL_ENTITY: return EVENT_ENTITY_SIGNALED;
    case ACTION_LOCK: return EVENT_LOCK_REQUESTED;
    case ACTION_UNLOCK: return EVENT_UNLOCK_SENT;
    case ACTION_CANCEL_SIGNAL:
    case ACTION_START:
    case ACTION_CANCEL:
    case ACTION_MARK_CHANGE:
    case ACTION_COMPLETE:
    case ACTION_CONTINUE_AS_NEW: break;
    }
    return EVENT_UNKNOWN;
}

static void differ_in_step(pd_orchestration *run, size_t step, const struct known *known,
                           enum event_kind kind, const char *name)
{
    diverge(run, known->number,
            failure_new(&run->arena, "NonDeterminism", true, NULL,
                        "step %zu: history has %s, the code asked for %s", step,
                        describe(run, known), describe_asked(run, kind, name)));
}

/* Kind and name are those that history has. */
static bool is_same_step(const struct event *event, enum event_kind kind, struct text name)
{
    return event != NULL && event->kind == kind &&
           (kind == EVENT_TIMER_CREATED || text_equal(event->name, name));
}

static void differ_ahead(pd_orchestration *run, const struct action *action,
                         const struct known *known)
{
    struct text name = text_copy(&run->arena, action->name);
    differ_in_step(run, (size_t)action->id, known, kind_of(action),
                   text_is_present(name) ? name.at : "");
}

/* History has a step now that the code asked for in an earlier turn. */
static void catch_up(pd_orchestration *run, const struct event *event, uint64_t number)
{
    const struct known known = { event, number };
    struct action *action = find_ahead(run->shard, event->id, false);
    if (action == NULL) {
        return; /* it comes twice */
    }
    if (!is_same_step(event, kind_of(action), action->name)) {
        differ_ahead(run, action, &known);
        return;
    }
    action->id = ACTION_TAKEN;
    run->shard->has_taken = true;
    run->known_count = (size_t)event->id + 1;
}

/* History goes on behind steps that the code asked for, and that nothing it has is known to be. */
static void differ_in_gap(pd_orchestration *run)
{
    const struct known known = { NULL, 0 };
    const struct action *action = find_ahead(run->shard, (int32_t)run->known_count, false);
    if (action != NULL) {
        differ_ahead(run, action, &known);
    }
}

static void learn_cancel(pd_orchestration *run, int32_t step, uint64_t number)
{
    struct shard *shard = run->shard;
    struct action *action = find_ahead(shard, step, true);
    if (action != NULL) {
        action->id = ACTION_TAKEN;
        shard->has_taken = true;
        return;
    }
    if (shard->cancel_count == shard->cancel_room) {
        size_t room = shard->cancel_room != 0 ? shard->cancel_room * 2 : 16;
        shard->cancels = mem_grow(shard->cancels, shard->cancel_room * sizeof *shard->cancels,
                                  room * sizeof *shard->cancels);
        shard->cancel_room = room;
    }
    shard->cancels[shard->cancel_count++] = (struct cancel){ step, number };
    shard->cancels_open++;
}

/* Notes what the code asked for in the turn, before any of that is asked for again. */
static void learn(pd_orchestration *run, const struct turn_events *turn, uint64_t number)
{
    struct shard *shard = run->shard;
    shard->known_base = run->step_count;
    shard->cancel_count = shard->cancel_at = shard->cancels_open = 0;
    for (size_t i = 0; i < turn->count && !run->is_ended; i++) {
        const struct event *event = &turn->events[i];
        if (is_step(event)) {
            size_t step = (size_t)event->id;
            if (run->known_count < shard->known_base && run->known_count < step) {
                differ_in_gap(run);
            } else if (step < shard->known_base) {
                catch_up(run, event, number + i);
            } else if (step - shard->known_base < turn->count) { /* R1 */
                *known_at(run, step) = (struct known){ event, number + i };
            }
        } else if (event->kind == EVENT_STEP_CANCELLED && event->ref >= 0 &&
                   (size_t)event->ref < run->known_count) {
            learn_cancel(run, event->ref, number + i);
        } else if (event->kind == EVENT_CHANGE_MARKED) {
            learn_mark(run, event->name);
        }
    }
}

/* The step in the turns from `at` on, the first of whose events has the number. */
static bool find_step(pd_orchestration *run, size_t at, uint64_t number, size_t step,
                      struct known *ret)
{
    struct turn_events turn;
    struct past *past = run->shard->past;
    for (; at < past->turn_count && past->read(past, at, &turn); at++) {
        for (size_t i = 0; i < turn.count; i++) {
            if (is_step(&turn.events[i]) && (size_t)turn.events[i].id == step) {
                *ret = (struct known){ &turn.events[i], number + i };
                return true;
            }
        }
        number = number_after(&turn, number);
    }
    return false;
}

enum step_answer replay_step(pd_orchestration *run, enum event_kind kind, const char *name)
{
    size_t step = run->step_count;
    if (step >= run->known_count) {
        return STEP_NEW;
    }
    const struct known *known = &run->shard->known[step - run->shard->known_base];
    if (is_same_step(known->event, kind, text_of(name))) {
        return STEP_KNOWN;
    }
    differ_in_step(run, step, known, kind, name);
    return STEP_DIFFERS;
}

/* History goes on without the cancelling that the code asks for. */
static void differ_in_cancel(pd_orchestration *run, int32_t step)
{
    struct known known = { NULL, 0 };
    (void)find_step(run, 0, 1, (size_t)step, &known);
    diverge(run, known.number,
            failure_new(&run->arena, "NonDeterminism", true, NULL,
                        "step %d: history has %s, and it was not cancelled; the code cancels it",
                        (int)step, describe(run, &known)));
}

bool replay_knows_cancel(pd_orchestration *run, int32_t step)
{
    struct shard *shard = run->shard;
    if (!run->is_replaying || (size_t)step >= run->known_count) {
        return false;
    }
    for (size_t i = 0; i < shard->cancel_count; i++) { /* mostly the one behind the last */
        size_t at = (shard->cancel_at + i) % shard->cancel_count;
        struct cancel *cancel = &shard->cancels[at];
        if (cancel->step == step && cancel->number != 0) {
            cancel->number = 0;
            shard->cancel_at = at + 1;
            shard->cancels_open--;
            return true;
        }
    }
    differ_in_cancel(run, step);
    return false;
}

/* ---- delivering ------------------------------------------------------------------------------ */

static pd_task *open_step(pd_orchestration *run, int32_t ref, enum task_kind awaits)
{
    if (ref < 0 || (size_t)ref >= run->step_count) {
        return NULL;
    }
    pd_task *task = run->steps[ref];
    return task != NULL && task->step == ref && task->awaits == awaits && task->state == TASK_OPEN
               ? task
               : NULL;
}

static void deliver_failure(pd_orchestration *run, const struct event *event, enum task_kind awaits)
{
    static const struct failure unknown = { TEXT_INIT("Unknown"), TEXT_INIT(""), NULL, NULL,
                                            false };
    pd_task *task = open_step(run, event->ref, awaits);
    if (task == NULL) {
        return; /* R3 */
    }
    const pd_failure *failure =
        failure_of_core(&run->arena, event->failure != NULL ? event->failure : &unknown);
    struct text progress = event->extra != NULL ? event->extra->progress : TEXT_ABSENT;
    if (task->request == NULL || !attempt_follows(run, task, failure, progress)) {
        task->failure = failure;
        run_task_ended(run, task, TASK_FAILED);
    }
}

static void deliver_completion(pd_orchestration *run, const struct event *event,
                               enum task_kind awaits)
{
    pd_task *task = open_step(run, event->ref, awaits);
    if (task == NULL) {
        return; /* R3 */
    }
    if (task->kind != awaits) { /* the delay before the next attempt is over */
        attempt_ask(run, task);
        return;
    }
    if (awaits != TASK_TIMER) {
        task->payload = event->payload;
    }
    run_task_ended(run, task, TASK_SUCCEEDED);
}

static void deliver(pd_orchestration *run, const struct event *event)
{
    switch (event->kind) {
    case EVENT_EXECUTION_STARTED:
        if (!run->is_begun) {
            run_begin(run, event);
        }
        break;
    case EVENT_TASK_COMPLETED: deliver_completion(run, event, TASK_ACTIVITY); break;
    case EVENT_TASK_FAILED: deliver_failure(run, event, TASK_ACTIVITY); break;
    case EVENT_CHILD_COMPLETED: deliver_completion(run, event, TASK_CHILD); break;
    case EVENT_CHILD_FAILED: deliver_failure(run, event, TASK_CHILD); break;
    case EVENT_TIMER_FIRED: deliver_completion(run, event, TASK_TIMER); break;
    case EVENT_EVENT_RAISED: events_deliver(run, event->name, event->payload); break;
    case EVENT_ORCHESTRATOR_STARTED: run->now = event->at; break;
    case EVENT_STEP_CANCELLED:
    case EVENT_TASK_SCHEDULED:
    case EVENT_TIMER_CREATED:
    case EVENT_CHILD_CREATED:
    case EVENT_EVENT_SENT:
    case EVENT_UNKNOWN:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_ENTITY_SIGNALED:
    case EVENT_ENTITY_CALLED:
    case EVENT_ENTITY_COMPLETED:
    case EVENT_ENTITY_FAILED:
    case EVENT_LOCK_REQUESTED:
    case EVENT_LOCK_GRANTED:
    case EVENT_UNLOCK_SENT:
    case EVENT_SIGNAL_CANCELLED:
    case EVENT_CHANGE_MARKED: break;
    }
}

/* ---- a past turn is over --------------------------------------------------------------------- */

/* The code has asked for all that the turn has of steps, and cancelled what it has cancelled. */
static void check_turn(pd_orchestration *run)
{
    struct shard *shard = run->shard;
    size_t step = run->step_count;
    if (step < run->known_count) {
        const struct known *known = &shard->known[step - shard->known_base];
        diverge(run, known->number,
                failure_new(&run->arena, "NonDeterminism", true, NULL,
                            "step %zu: history has %s, the code asked for nothing", step,
                            describe(run, known)));
        return;
    }
    for (size_t i = 0; i < shard->cancel_count && shard->cancels_open > 0; i++) {
        const struct cancel *cancel = &shard->cancels[i];
        if (cancel->number != 0) {
            diverge(run, cancel->number,
                    failure_new(&run->arena, "NonDeterminism", true, NULL,
                                "step %d: history has StepCancelled (event %llu), the code has "
                                "not cancelled it",
                                (int)cancel->step, (unsigned long long)cancel->number));
            return;
        }
    }
}

/* The code has ended, in a turn that is not the one to be run now. */
static void check_end(pd_orchestration *run)
{
    static const char *const ways[] = {
        [OUTCOME_OK] = "completed", [OUTCOME_FAILED] = "failed", [OUTCOME_NEW] = "continued as new"
    };
    struct shard *shard = run->shard;
    size_t step = run->step_count;
    struct known known;
    bool is_found = step < run->known_count;
    if (is_found) {
        known = shard->known[step - shard->known_base];
    } else {
        is_found = find_step(run, shard->past_at, shard->next_number, step, &known);
    }
    const pd_failure *cause = run->outcome->failure;
    const char *how = ways[run->outcome->kind];
    uint64_t at = is_found ? known.number : shard->next_number;
    diverge(run, at,
            is_found ? failure_new(&run->arena, "NonDeterminism", true, cause,
                                   "step %zu: history has %s, the code has %s", step,
                                   describe(run, &known), how)
                     : failure_new(&run->arena, "NonDeterminism", true, cause,
                                   "the code has %s, history goes on with OrchestratorStarted "
                                   "(event %llu)",
                                   how, (unsigned long long)at));
}

static void replay_past_turn(pd_orchestration *run, const struct turn_events *turn)
{
    struct shard *shard = run->shard;
    struct check *check = shard->check;
    uint64_t number = shard->next_number;
    shard->next_number = number_after(turn, number);
    if (check != NULL) {
        check_begins(check, turn, number, shard->past_at == shard->past->turn_count);
    }
    learn(run, turn, number);
    for (size_t i = 0; i < turn->count && !run->is_ended; i++) {
        if (check != NULL) {
            check_event(check, &turn->events[i], number + i);
        }
        run->length = number + i;
        deliver(run, &turn->events[i]);
    }
    if (!run->is_ended) {
        check_turn(run);
    } else if (!run->is_divergent && (check == NULL || !check_is_end(check, run))) {
        check_end(run);
    }
    if (check != NULL && !run->is_ended) {
        check_asked(check, run);
    }
}

/* Whatever history has of steps: the end that is recorded instead has a number behind them. */
static void count_steps(pd_orchestration *run)
{
    struct turn_events turn;
    struct shard *shard = run->shard;
    shard->past_at -= shard->past_at > 0; /* the rest of the turn where it differs */
    for (; shard->past_at < shard->past->turn_count; shard->past_at++) {
        if (!shard->past->read(shard->past, shard->past_at, &turn)) {
            return;
        }
        shard->next_number = number_after(&turn, shard->next_number);
        for (size_t i = 0; i < turn.count; i++) {
            const struct event *event = &turn.events[i];
            if (is_step(event) && (size_t)event->id >= run->known_count &&
                (size_t)event->id < shard->next_number) {
                run->known_count = (size_t)event->id + 1;
            }
        }
    }
}

/* R5: what is still ahead are actions of the turn that comes. */
static void keep_ahead(pd_orchestration *run)
{
    size_t kept = 0;
    struct shard *shard = run->shard;
    for (size_t i = 0; i < shard->action_count && !run->is_ended; i++) {
        const struct action *action = &shard->actions[i];
        if (action->kind == ACTION_CANCEL && action->id >= 0 &&
            (size_t)action->id < run->known_count) {
            differ_in_cancel(run, action->id);
        }
    }
    for (size_t i = 0; i < shard->action_count && shard->has_taken; i++) {
        if (shard->actions[i].id != ACTION_TAKEN) {
            shard->actions[kept++] = shard->actions[i];
        }
    }
    shard->action_count = shard->has_taken ? kept : shard->action_count;
}

bool replay_past(pd_orchestration *run, struct past *past)
{
    struct turn_events turn;
    struct shard *shard = run->shard;
    shard->past = past;
    shard->past_at = shard->ahead_at = 0;
    shard->next_number = 1;
    shard->has_taken = false;
    run->known_count = 0;
    run->is_replaying = true;
    while (shard->past_at < past->turn_count && !run->is_ended) {
        if (!past->read(past, shard->past_at++, &turn)) {
            shard->past = NULL;
            return false;
        }
        replay_past_turn(run, &turn);
    }
    if (!run->is_begun && !run->is_ended) {
        diverge(run, 1,
                failure_new(&run->arena, "NonDeterminism", true, NULL,
                            "history has no ExecutionStarted"));
    }
    keep_ahead(run);
    if (run->is_divergent) {
        count_steps(run);
    }
    if (!run->is_ended && shard->next_number > 2) {
        run->length = shard->next_number - 2; /* replay_turn counts the OrchestratorCompleted */
    }
    shard->past = NULL;
    run->is_replaying = false;
    return true;
}

void replay_turn(pd_orchestration *run, const struct turn *turn)
{
    struct shard *shard = run->shard;
    run->length += turn->number > 1; /* OrchestratorCompleted of the turn before */
    for (shard->delivered = 0; shard->delivered < turn->event_count && !run->is_ended;) {
        run->length++;
        deliver(run, &turn->events[shard->delivered++]);
    }
}
