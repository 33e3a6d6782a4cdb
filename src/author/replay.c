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
 * The events of past turns are lent until the replaying turn is over, like those of the turn.
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

/* OrchestratorCompleted is shown at the end of each turn, but not stored. */
uint64_t replay_shown(uint64_t number, const struct event *events, size_t i)
{
    bool is_later_turn = events[i].kind == EVENT_ORCHESTRATOR_STARTED && i > 0 &&
                         events[i - 1].kind != EVENT_ORCHESTRATOR_COMPLETED;
    return number + (is_later_turn ? 2 : 1);
}

/* A place for the step, and all before it. */
static struct known *known_at(pd_orchestration *run, size_t id)
{
    struct shard *shard = run->shard;
    if (id >= shard->known_room) {
        size_t room = shard->known_room * 2 > id + 16 ? shard->known_room * 2 : id + 16;
        shard->known = mem_grow(shard->known, shard->known_room * sizeof *shard->known,
                                room * sizeof *shard->known);
        shard->known_room = room;
    }
    while (run->known_count <= id) {
        shard->known[run->known_count++] = (struct known){ 0 };
    }
    return &shard->known[id];
}

static void learn_mark(pd_orchestration *run, struct text name)
{
    struct mark *mark = arena_alloc(&run->arena, sizeof *mark);
    *mark = (struct mark){ run->marks, text_copy(&run->arena, name), true };
    run->marks = mark;
}

/* Notes the steps by id, which of them were cancelled, and the marks of changes. */
static void learn(pd_orchestration *run, const struct past *past)
{
    uint64_t number = 0;
    run->known_count = 0;
    for (size_t i = 0; i < past->event_count; i++) {
        const struct event *event = &past->events[i];
        number = replay_shown(number, past->events, i);
        /* An id beyond the number of events is no step that a turn can have recorded. */
        if (is_step(event) && (size_t)event->id < past->event_count) {
            struct known *known = known_at(run, (size_t)event->id);
            known->event = event;
            known->number = number;
        } else if (event->kind == EVENT_STEP_CANCELLED && event->ref >= 0 &&
                   (size_t)event->ref < run->known_count) {
            run->shard->known[event->ref].cancelled = number;
        } else if (event->kind == EVENT_CHANGE_MARKED) {
            learn_mark(run, event->name);
        }
    }
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

enum step_answer replay_step(pd_orchestration *run, enum event_kind kind, const char *name)
{
    size_t step = run->step_count;
    if (step >= run->known_count) {
        return STEP_NEW;
    }
    const struct known *known = &run->shard->known[step];
    if (known->event != NULL && known->event->kind == kind &&
        (kind == EVENT_TIMER_CREATED || text_equal(known->event->name, text_of(name)))) {
        return STEP_KNOWN;
    }
    diverge(run, known->number,
            failure_new(&run->arena, "NonDeterminism", true, NULL,
                        "step %zu: history has %s, the code asked for %s", step,
                        describe(run, known), describe_asked(run, kind, name)));
    return STEP_DIFFERS;
}

bool replay_knows_cancel(pd_orchestration *run, int32_t step)
{
    if ((size_t)step >= run->known_count) {
        return false;
    }
    struct known *known = &run->shard->known[step];
    if (known->cancelled != 0) {
        known->cancelled = 0;
        run->shard->cancels_done++;
        return true;
    }
    if (run->is_replaying) {
        diverge(
            run, known->number,
            failure_new(&run->arena, "NonDeterminism", true, NULL,
                        "step %d: history has %s, and it was not cancelled; the code cancels it",
                        (int)step, describe(run, known)));
    }
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
        run->shard->cancels_due += event->ref >= 0 && (size_t)event->ref < run->known_count;
        break;
    case EVENT_TASK_SCHEDULED:
    case EVENT_TIMER_CREATED:
    case EVENT_CHILD_CREATED:
    case EVENT_EVENT_SENT:
        if (is_step(event) && (size_t)event->id >= run->shard->due_count) {
            run->shard->due_count = (size_t)event->id + 1;
        }
        break;
    case EVENT_UNKNOWN:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_CHANGE_MARKED: break;
    }
}

/* ---- a past turn is over --------------------------------------------------------------------- */

/* A step that was cancelled in the turns up to now, and that the code has not cancelled. */
static void check_cancels(pd_orchestration *run)
{
    for (size_t step = 0; step < run->known_count; step++) {
        const struct known *known = &run->shard->known[step];
        if (known->cancelled != 0 && known->cancelled <= run->length) {
            diverge(run, known->cancelled,
                    failure_new(&run->arena, "NonDeterminism", true, NULL,
                                "step %zu: history has StepCancelled (event %llu), the code has "
                                "not cancelled it",
                                step, (unsigned long long)known->cancelled));
            return;
        }
    }
}

static void check_turn(pd_orchestration *run)
{
    struct check *check = run->shard->check;
    size_t step = run->step_count;
    if (check != NULL) {
        check_asked(check, run);
    }
    if (run->is_ended) {
        return;
    }
    if (step < run->shard->due_count && step < run->known_count) {
        const struct known *known = &run->shard->known[step];
        diverge(run, known->number,
                failure_new(&run->arena, "NonDeterminism", true, NULL,
                            "step %zu: history has %s, the code asked for nothing", step,
                            describe(run, known)));
    } else if (run->shard->cancels_done < run->shard->cancels_due) {
        check_cancels(run);
    }
}

/* next: number of the first event that the code, which has ended, has not seen. */
static void check_end(pd_orchestration *run, uint64_t next)
{
    static const char *const ways[] = {
        [OUTCOME_OK] = "completed", [OUTCOME_FAILED] = "failed", [OUTCOME_NEW] = "continued as new"
    };
    size_t step = run->step_count;
    if (run->is_divergent) {
        return;
    }
    const pd_failure *cause = run->outcome->failure;
    const char *how = ways[run->outcome->kind];
    if (step < run->known_count) {
        const struct known *known = &run->shard->known[step];
        diverge(run, known->number,
                failure_new(&run->arena, "NonDeterminism", true, cause,
                            "step %zu: history has %s, the code has %s", step, describe(run, known),
                            how));
        return;
    }
    diverge(run, next,
            failure_new(&run->arena, "NonDeterminism", true, cause,
                        "the code has %s, history goes on with OrchestratorStarted (event %llu)",
                        how, (unsigned long long)next));
}

/* The number of the first event of the next turn after events[i]. */
static uint64_t next_turn(const struct past *past, size_t i, uint64_t number)
{
    while (++i < past->event_count) {
        number = replay_shown(number, past->events, i);
        if (past->events[i].kind == EVENT_ORCHESTRATOR_STARTED) {
            return number;
        }
    }
    return number + 2; /* the turn that is to be run now */
}

void replay_past(pd_orchestration *run, const struct past *past)
{
    uint64_t number = 0;
    size_t count = past->event_count;
    struct shard *shard = run->shard;
    struct check *check = shard->check;
    learn(run, past);
    run->is_replaying = true;
    shard->due_count = shard->cancels_due = shard->cancels_done = 0;
    for (size_t i = 0; i < count && !run->is_ended; i++) {
        const struct event *event = &past->events[i];
        number = replay_shown(number, past->events, i);
        if (event->kind == EVENT_ORCHESTRATOR_STARTED) {
            check_turn(run);
        }
        if (check != NULL) {
            check_event(check, i, number);
        }
        run->length = number;
        if (!run->is_ended) {
            deliver(run, event);
        }
        if (run->is_ended && (check == NULL || !check_is_end(check, run, i))) {
            check_end(run, next_turn(past, i, number));
        }
    }
    check_turn(run);
    if (!run->is_begun && !run->is_ended) {
        diverge(run, 1,
                failure_new(&run->arena, "NonDeterminism", true, NULL,
                            "history has no ExecutionStarted"));
    }
    if (count > 0 && past->events[count - 1].kind == EVENT_ORCHESTRATOR_COMPLETED) {
        run->length--; /* replay_turn counts it */
    }
    run->is_replaying = false;
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
