/* SPDX-License-Identifier: MIT
 *
 * Replay: giving a run its events, and matching what the code asks now with what it asked before.
 *
 * An execution is a sequence of steps. The orchestrator asks for step n; history either knows it
 * (then the answer is already there, or will come) or does not (then it becomes an action).
 *
 *   R1  Step numbers are dense: 0, 1, 2, ... in the order the code asked.
 *   R2  A step that history knows has the same kind and name as the one asked now; when the replay
 *       of a past turn is over, the code has asked for every step that history has up to there;
 *       and the code does not end while history goes on. Otherwise the code has changed, or is not
 *       deterministic: the instance fails with "NonDeterminism", and of this turn nothing else is
 *       recorded. A different input alone is legal (payloads may grow).
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
    return (event->kind == EVENT_TASK_SCHEDULED || event->kind == EVENT_TIMER_CREATED) &&
           event->id >= 0;
}

/* The number that people see: OrchestratorCompleted is shown at the end of each turn, but not
 * stored. */
static uint64_t shown(uint64_t number, const struct event *events, size_t i)
{
    bool is_later_turn = events[i].kind == EVENT_ORCHESTRATOR_STARTED && i > 0 &&
                         events[i - 1].kind != EVENT_ORCHESTRATOR_COMPLETED;
    return number + (is_later_turn ? 2 : 1);
}

/* Notes the steps by id. */
static void learn(pd_orchestration *run, const struct past *past)
{
    struct shard *shard = run->shard;
    uint64_t number = 0;
    run->known_count = 0;
    for (size_t i = 0; i < past->event_count; i++) {
        const struct event *event = &past->events[i];
        number = shown(number, past->events, i);
        /* An id beyond the number of events is no step that a turn can have recorded. */
        if (!is_step(event) || (size_t)event->id >= past->event_count) {
            continue;
        }
        size_t id = (size_t)event->id;
        if (id >= shard->known_room) {
            size_t room = shard->known_room * 2 > id + 16 ? shard->known_room * 2 : id + 16;
            shard->known = mem_grow(shard->known, shard->known_room * sizeof *shard->known,
                                    room * sizeof *shard->known);
            shard->known_room = room;
        }
        while (run->known_count <= id) {
            shard->known[run->known_count++] = (struct known){ 0 };
        }
        shard->known[id] = (struct known){ event, number };
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

static void diverge(pd_orchestration *run, const pd_failure *failure)
{
    run->is_divergent = true;
    run_end(run, failure);
}

bool replay_knows(pd_orchestration *run, enum task_kind kind, const char *name)
{
    size_t step = run->step_count;
    if (step >= run->known_count) {
        return false;
    }
    const struct known *known = &run->shard->known[step];
    bool is_same = known->event != NULL &&
                   (kind == TASK_TIMER ? known->event->kind == EVENT_TIMER_CREATED
                                       : known->event->kind == EVENT_TASK_SCHEDULED &&
                                             text_equal(known->event->name, text_of(name)));
    if (!is_same) {
        run->is_divergent = true;
        run_raise(run, "NonDeterminism", true,
                  "step %zu: history has %s, the code asked for %s%s%s", step, describe(run, known),
                  kind == TASK_TIMER ? "a timer" : "activity '", kind == TASK_TIMER ? "" : name,
                  kind == TASK_TIMER ? "" : "'");
    }
    return true;
}

/* ---- delivering ------------------------------------------------------------------------------ */

static pd_task *open_step(pd_orchestration *run, int32_t ref, enum task_kind kind)
{
    if (ref < 0 || (size_t)ref >= run->step_count) {
        return NULL;
    }
    pd_task *task = run->steps[ref];
    return task->kind == kind && task->state == TASK_OPEN ? task : NULL;
}

static void deliver_completion(pd_orchestration *run, const struct event *event,
                               enum task_kind kind)
{
    pd_task *task = open_step(run, event->ref, kind);
    if (task == NULL) {
        return; /* R3 */
    }
    if (event->kind == EVENT_TASK_FAILED) {
        static const struct failure unknown = { TEXT_INIT("Unknown"), TEXT_INIT(""), NULL, NULL,
                                                false };
        const struct failure *failure = event->failure != NULL ? event->failure : &unknown;
        task->failure = failure_of_core(&run->arena, failure);
        run_task_ended(run, task, TASK_FAILED);
        return;
    }
    if (kind == TASK_ACTIVITY) {
        task->payload = event->payload;
    }
    run_task_ended(run, task, TASK_SUCCEEDED);
}

static void deliver_raised(pd_orchestration *run, const struct event *event)
{
    struct event_queue *queue = run_queue(run, event->name);
    pd_task *task = queue->waiters;
    if (task == NULL) {
        struct kept_event *kept = arena_alloc(&run->arena, sizeof *kept);
        kept->payload = text_copy(&run->arena, event->payload);
        *queue->last_event = kept;
        queue->last_event = &kept->next;
        return;
    }
    queue->waiters = task->next;
    if (queue->waiters == NULL) {
        queue->last_waiter = &queue->waiters;
    }
    task->payload = event->payload;
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
    case EVENT_TASK_COMPLETED:
    case EVENT_TASK_FAILED: deliver_completion(run, event, TASK_ACTIVITY); break;
    case EVENT_TIMER_FIRED: deliver_completion(run, event, TASK_TIMER); break;
    case EVENT_EVENT_RAISED: deliver_raised(run, event); break;
    case EVENT_ORCHESTRATOR_STARTED: run->now = event->at; break;
    case EVENT_TASK_SCHEDULED:
    case EVENT_TIMER_CREATED:
        if (is_step(event) && (size_t)event->id >= run->due_count) {
            run->due_count = (size_t)event->id + 1;
        }
        break;
    case EVENT_UNKNOWN:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_CHILD_CREATED:
    case EVENT_CHILD_COMPLETED:
    case EVENT_CHILD_FAILED:
    case EVENT_EVENT_SENT:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_STEP_CANCELLED:
    case EVENT_CHANGE_MARKED: break;
    }
}

/* ---- a past turn is over --------------------------------------------------------------------- */

static void check_steps(pd_orchestration *run)
{
    size_t step = run->step_count;
    if (step < run->due_count && step < run->known_count) {
        diverge(run, failure_new(&run->arena, "NonDeterminism", true, NULL,
                                 "step %zu: history has %s, the code asked for nothing", step,
                                 describe(run, &run->shard->known[step])));
    }
}

/* next: number of the first event that the code, which has ended, has not seen. */
static void check_end(pd_orchestration *run, uint64_t next)
{
    size_t step = run->step_count;
    if (run->is_divergent) {
        return;
    }
    const pd_failure *cause = run->outcome->failure;
    const char *how = cause != NULL ? "failed" : "completed";
    if (step < run->known_count) {
        diverge(run, failure_new(&run->arena, "NonDeterminism", true, cause,
                                 "step %zu: history has %s, the code has %s", step,
                                 describe(run, &run->shard->known[step]), how));
        return;
    }
    diverge(run, failure_new(&run->arena, "NonDeterminism", true, cause,
                             "the code has %s, history goes on with OrchestratorStarted (event "
                             "%llu)",
                             how, (unsigned long long)next));
}

/* The number of the first event of the next turn after events[i]. */
static uint64_t next_turn(const struct past *past, size_t i, uint64_t number)
{
    while (++i < past->event_count) {
        number = shown(number, past->events, i);
        if (past->events[i].kind == EVENT_ORCHESTRATOR_STARTED) {
            return number;
        }
    }
    return number + 2; /* the turn that is to be run now */
}

void replay_past(pd_orchestration *run, const struct past *past)
{
    uint64_t number = 0;
    learn(run, past);
    run->is_replaying = true;
    run->due_count = 0;
    for (size_t i = 0; i < past->event_count && !run->is_ended; i++) {
        const struct event *event = &past->events[i];
        number = shown(number, past->events, i);
        if (event->kind == EVENT_ORCHESTRATOR_STARTED) {
            check_steps(run);
        }
        if (!run->is_ended) {
            deliver(run, event);
        }
        if (run->is_ended) {
            check_end(run, next_turn(past, i, number));
        }
    }
    check_steps(run);
    if (!run->is_begun && !run->is_ended) {
        diverge(run, failure_new(&run->arena, "NonDeterminism", true, NULL,
                                 "history has no ExecutionStarted"));
    }
    run->is_replaying = false;
}

void replay_turn(pd_orchestration *run, const struct turn *turn)
{
    for (size_t i = 0; i < turn->event_count && !run->is_ended; i++) {
        deliver(run, &turn->events[i]);
    }
}
