/* SPDX-License-Identifier: MIT
 *
 * Replay: giving a run its events, and matching what the code asks now with what it asked before.
 *
 * An execution is a sequence of steps. The orchestrator asks for step n; history either knows it
 * (then the answer is already there, or will come) or does not (then it becomes an action).
 *
 *   R1  Step numbers are dense: 0, 1, 2, ... in the order the code asked.
 *   R2  A step that history knows has the same kind and name as the one asked now, and the same
 *       entities; when the replay
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
 * Delivering itself is in deliver.c. No I/O, no clock. */
#include "author/author_priv.h"

/* ---- what history knows ---------------------------------------------------------------------- */

/* Sets of kinds: steps with a name that counts; those to entities; all. */
#define KIND(kind) (UINT32_C(1) << EVENT_##kind)
#define STEPS_NAMED                                                                        \
    (KIND(TASK_SCHEDULED) | KIND(CHILD_CREATED) | KIND(EVENT_SENT) | KIND(ENTITY_CALLED) | \
     KIND(ENTITY_SIGNALED))
#define STEPS_TO_ENTITIES \
    (KIND(ENTITY_CALLED) | KIND(ENTITY_SIGNALED) | KIND(LOCK_REQUESTED) | KIND(UNLOCK_SENT))
#define STEPS (STEPS_NAMED | STEPS_TO_ENTITIES | KIND(TIMER_CREATED))

static inline bool is_kind(enum event_kind kind, uint32_t set)
{
    return (unsigned)kind < 32 && (set >> kind & 1) != 0;
}

static inline bool is_step(const struct event *event)
{
    return is_kind(event->kind, STEPS) && event->id >= 0;
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

static const char *describe(pd_orchestration *run, const struct known *known)
{
    return describe_event(&run->arena, known->event, known->number);
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

static void differ_in_step(pd_orchestration *run, size_t step, const struct known *known,
                           const char *asked)
{
    diverge(run, known->number,
            failure_new(&run->arena, "NonDeterminism", true, NULL,
                        "step %zu: history has %s, the code asked for %s", step,
                        describe(run, known), asked));
}

/* Kind and name are those that history has, and the entities are. */
static inline bool is_same_step(const struct event *event, enum event_kind kind, struct text name,
                                struct text target)
{
    return event != NULL && event->kind == kind &&
           (!is_kind(kind, STEPS_NAMED) || text_equal(event->name, name)) &&
           (!is_kind(kind, STEPS_TO_ENTITIES) || text_equal(event_target(event), target));
}

static const char *describe_action(pd_orchestration *run, const struct action *action)
{
    return describe_asked(&run->arena, action_event_kind(action), action->name,
                          action_target(action));
}

static void differ_ahead(pd_orchestration *run, const struct action *action,
                         const struct known *known)
{
    differ_in_step(run, (size_t)action->id, known, describe_action(run, action));
}

static void differ_from_signals(pd_orchestration *run, const struct action *end,
                                const struct event *event, uint64_t number)
{
    for (const struct action *action = run->shard->actions; action < end; action++) {
        if (action->kind == ACTION_CANCEL_SIGNAL && action->id != ACTION_TAKEN) {
            diverge(run, number,
                    failure_new(&run->arena, "NonDeterminism", true, NULL,
                                "history has %s, the code asked for %s before",
                                describe_event(&run->arena, event, number),
                                describe_action(run, action)));
            return;
        }
    }
}

/* History has this event; no signal may be left that the code has cancelled before it, which an
 * action before `end` says. */
static inline void check_signals_ahead(pd_orchestration *run, const struct action *end,
                                       const struct event *event, uint64_t number)
{
    if (__builtin_expect(run->shard->ahead_signals > 0, 0)) {
        differ_from_signals(run, end, event, number);
    }
}

static void take_ahead(pd_orchestration *run, struct action *action, const struct event *event,
                       uint64_t number)
{
    struct shard *shard = run->shard;
    check_signals_ahead(run, action, event, number);
    action->id = ACTION_TAKEN;
    shard->has_taken = true;
    shard->ahead_signals -= action->kind == ACTION_CANCEL_SIGNAL;
}

/* History has a step now that the code asked for in an earlier turn. */
static void catch_up(pd_orchestration *run, const struct event *event, uint64_t number)
{
    const struct known known = { event, number };
    struct action *action = find_ahead(run->shard, event->id, false);
    if (action == NULL) {
        return; /* it comes twice */
    }
    if (!is_same_step(event, action_event_kind(action), action->name, action_target(action))) {
        differ_ahead(run, action, &known);
        return;
    }
    take_ahead(run, action, event, number);
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

static bool is_signal(const struct event *event, struct text entity, struct text request_id)
{
    return event->kind == EVENT_SIGNAL_CANCELLED && text_equal(event->request_id, request_id) &&
           text_equal(event->instance_id, entity);
}

static struct action *find_ahead_signal(struct shard *shard, const struct event *event)
{
    for (size_t i = 0; shard->ahead_signals > 0 && i < shard->action_count; i++) {
        struct action *action = &shard->actions[i];
        if (action->kind == ACTION_CANCEL_SIGNAL && action->id != ACTION_TAKEN &&
            is_signal(event, action->instance_id, action->request_id)) {
            return action;
        }
    }
    return NULL;
}

/* Of a step, or of a signal. */
static void learn_cancel(pd_orchestration *run, const struct event *event, uint64_t number)
{
    struct shard *shard = run->shard;
    struct action *action = event->kind == EVENT_STEP_CANCELLED
                                ? find_ahead(shard, event->ref, true)
                                : find_ahead_signal(shard, event);
    if (action != NULL) {
        take_ahead(run, action, event, number);
        return;
    }
    check_signals_ahead(run, shard->actions + shard->action_count, event, number);
    if (shard->cancel_count == shard->cancel_room) {
        size_t room = shard->cancel_room != 0 ? shard->cancel_room * 2 : 16;
        shard->cancels = mem_grow(shard->cancels, shard->cancel_room * sizeof *shard->cancels,
                                  room * sizeof *shard->cancels);
        shard->cancel_room = room;
    }
    shard->cancels[shard->cancel_count++] = (struct cancel){ event, number };
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
                check_signals_ahead(run, shard->actions + shard->action_count, event, number + i);
            }
        } else if ((event->kind == EVENT_STEP_CANCELLED && event->ref >= 0 &&
                    (size_t)event->ref < run->known_count) ||
                   event->kind == EVENT_SIGNAL_CANCELLED) {
            learn_cancel(run, event, number + i);
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

/* Inline: most kinds have no target. */
static inline enum step_answer compare(pd_orchestration *run, enum event_kind kind,
                                       struct text name, struct text target)
{
    size_t step = run->step_count;
    const struct known *known = &run->shard->known[step - run->shard->known_base];
    if (is_same_step(known->event, kind, name, target)) {
        return STEP_KNOWN;
    }
    differ_in_step(run, step, known, describe_asked(&run->arena, kind, name, target));
    return STEP_DIFFERS;
}

enum step_answer replay_step_to(pd_orchestration *run, enum event_kind kind, struct text name,
                                struct text target)
{
    return run->step_count < run->known_count ? compare(run, kind, name, target) : STEP_NEW;
}

enum step_answer replay_step(pd_orchestration *run, enum event_kind kind, const char *name)
{
    return run->step_count < run->known_count ? compare(run, kind, text_of(name), TEXT_ABSENT)
                                              : STEP_NEW;
}

struct text replay_request_id(const pd_orchestration *run)
{
    const struct shard *shard = run->shard;
    return shard->known[run->step_count - shard->known_base].event->request_id;
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

/* The code cancels what this event of history has; false: it has none. */
static bool take_cancel(struct shard *shard, int32_t step, struct text entity,
                        struct text request_id)
{
    for (size_t i = 0; i < shard->cancel_count; i++) { /* mostly the one behind the last */
        size_t at = (shard->cancel_at + i) % shard->cancel_count;
        struct cancel *cancel = &shard->cancels[at];
        bool is_it =
            step >= 0 ? cancel->event->ref == step : is_signal(cancel->event, entity, request_id);
        if (is_it && cancel->number != 0) {
            cancel->number = 0;
            shard->cancel_at = at + 1;
            shard->cancels_open--;
            return true;
        }
    }
    return false;
}

bool replay_knows_cancel(pd_orchestration *run, int32_t step)
{
    if (!run->is_replaying || (size_t)step >= run->known_count) {
        return false;
    }
    if (!take_cancel(run->shard, step, TEXT_ABSENT, TEXT_ABSENT)) {
        differ_in_cancel(run, step);
        return false;
    }
    return true;
}

bool replay_knows_cancelled_signal(pd_orchestration *run, struct text entity,
                                   struct text request_id)
{
    if (!run->is_replaying) {
        return false;
    }
    bool is_known = take_cancel(run->shard, EVENT_NO_ID, entity, request_id);
    run->shard->ahead_signals += !is_known;
    return is_known;
}

const struct cancel *replay_open_cancel(const struct shard *shard)
{
    for (size_t i = 0; i < shard->cancel_count && shard->cancels_open > 0; i++) {
        if (shard->cancels[i].number != 0) {
            return &shard->cancels[i];
        }
    }
    return NULL;
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
    const struct cancel *open = replay_open_cancel(shard);
    if (open != NULL) {
        int32_t ref = open->event->ref;
        const char *of_step = ref >= 0 ? arena_printf(&run->arena, "step %d: ", (int)ref) : "";
        diverge(run, open->number,
                failure_new(&run->arena, "NonDeterminism", true, NULL,
                            "%shistory has %s, the code has not cancelled it", of_step,
                            describe_event(&run->arena, open->event, open->number)));
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
        run_deliver(run, &turn->events[i]);
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
    shard->ahead_signals = 0;
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
        run_deliver(run, &turn->events[shard->delivered++]);
    }
}
