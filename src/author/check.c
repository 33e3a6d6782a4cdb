/* SPDX-License-Identifier: MIT
 *
 * Checking: would the code of today ask for what a history of yesterday has?
 *
 * The history is replayed as that of an instance whose stack was dropped (replay.c, R2), to its
 * end. That finds what the engine would call "NonDeterminism". Looking on, this file asks for more,
 * as all of the history is there:
 *
 *   C1  When a turn is over, the code has asked for nothing that history has not. (To the engine
 *       that is a new step; here there is no turn in which it could have been asked for.)
 *   C2  The code ends where history ends, and in the same way: completed or failed. What comes out
 *       may differ, as inputs may.
 *   C3  A last turn that was not the code's doing is left out: of an instance that was terminated,
 *       or that Perdure let fail (an older divergence, no such orchestrator).
 *
 * Nothing is said by pd_log, as all of it is replay, and nothing runs but the orchestrator. */
#include <signal.h>
#include <stdio.h>

#include "author/author_priv.h"

struct check {
    struct text instance_id;
    uint64_t break_at;       /* 0: not, or done */
    bool is_last;            /* the turn being replayed is the last one */
    const struct event *end; /* in the last turn; NULL: history is open */
    uint64_t end_number;     /* of the end; or of the last OrchestratorCompleted */
    struct buffer asked_at;  /* uint64_t by action: number of the event behind the turn it is of */
};

/* ---- looking on ------------------------------------------------------------------------------ */

static void differ(pd_orchestration *run, uint64_t at, const pd_failure *failure)
{
    run->is_divergent = true;
    run->shard->differs_at = at;
    run_end(run, failure);
}

/* SIGTRAP; where it can be, without frames of the C library between the debugger and here. */
static inline void stop_here(void)
{
#if defined(__x86_64__)
    __asm__ volatile("int3");
#else
    (void)raise(SIGTRAP);
#endif
}

static const struct event *find_end(const struct turn_events *turn)
{
    const struct event *end = NULL;
    for (size_t i = 0; i < turn->count; i++) {
        end = turn->events[i].kind == EVENT_EXECUTION_COMPLETED ? &turn->events[i] : end;
    }
    return end;
}

void check_begins(struct check *check, const struct turn_events *turn, uint64_t number,
                  bool is_last)
{
    check->is_last = is_last;
    if (is_last) {
        bool is_stored =
            turn->count > 0 && turn->events[turn->count - 1].kind == EVENT_ORCHESTRATOR_COMPLETED;
        check->end = find_end(turn);
        check->end_number = check->end != NULL ? number + (uint64_t)(check->end - turn->events)
                                               : number + turn->count - (is_stored ? 1 : 0);
    }
}

void check_event(struct check *check, const struct event *event, uint64_t number)
{
    if (check->break_at != 0 && number >= check->break_at) {
        check->break_at = 0;
        (void)fprintf(stderr, "perdure: replay: '%.*s' stops before event %llu, %s\n",
                      TEXT_ARGS(check->instance_id), (unsigned long long)number,
                      event_kind_name(event->kind));
        stop_here();
    }
}

/* The first action that history has not caught up with. */
static const struct action *first_ahead(const struct shard *shard)
{
    for (size_t i = 0; i < shard->action_count; i++) {
        if (shard->actions[i].id != ACTION_TAKEN) {
            return &shard->actions[i];
        }
    }
    return NULL;
}

/* C1. Until the end history may catch up, so it is noted when what was asked for. */
void check_asked(struct check *check, pd_orchestration *run)
{
    const struct shard *shard = run->shard;
    uint64_t next = run->length + 1;
    while (check->asked_at.size / sizeof next < shard->action_count) {
        buffer_add(&check->asked_at, &next, sizeof next);
    }
    const struct action *first = check->is_last ? first_ahead(shard) : NULL;
    if (first != NULL) {
        memcpy(&next, check->asked_at.at + (size_t)(first - shard->actions) * sizeof next,
               sizeof next);
        differ(run, next < check->end_number ? next : check->end_number,
               failure_new(&run->arena, "NonDeterminism", true, NULL,
                           "%shistory has no such %s, the code asked for %s",
                           first->id >= 0 ? arena_printf(&run->arena, "step %d: ", (int)first->id)
                                          : "",
                           first->id >= 0 ? "step" : "event",
                           describe_asked(&run->arena, action_event_kind(first), first->name,
                                          action_target(first))));
    }
}

static bool is_same_end(const struct outcome *outcome, const struct event *end)
{
    switch (outcome->kind) {
    case OUTCOME_OK: return end->outcome == RUN_COMPLETED;
    case OUTCOME_FAILED: return end->outcome == RUN_FAILED;
    case OUTCOME_NEW: return false;
    }
    return false;
}

static const char *how_ended(const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_OK: return "has completed";
    case OUTCOME_FAILED: return "has failed";
    case OUTCOME_NEW: return "continues as new";
    }
    return "has ended";
}

bool check_is_end(struct check *check, pd_orchestration *run)
{
    check_asked(check, run);
    if (run->is_divergent) {
        return true;
    }
    if (!check->is_last || run->step_count < run->known_count) {
        return false; /* replay.c says what history has instead */
    }
    const struct cancel *open = replay_open_cancel(run->shard);
    if (check->end == NULL) {
        differ(run, check->end_number,
               failure_new(&run->arena, "NonDeterminism", true, run->outcome->failure,
                           "history goes on behind OrchestratorCompleted (event %llu), the code %s",
                           (unsigned long long)check->end_number, how_ended(run->outcome)));
    } else if (open != NULL) {
        differ(run, open->number,
               failure_new(&run->arena, "NonDeterminism", true, run->outcome->failure,
                           "history has %s, the code %s without",
                           describe_event(&run->arena, open->event, open->number),
                           how_ended(run->outcome)));
    } else if (!is_same_end(run->outcome, check->end)) { /* C2 */
        differ(run, check->end_number,
               failure_new(&run->arena, "NonDeterminism", true, run->outcome->failure,
                           "history has ExecutionCompleted, %s (event %llu), the code %s",
                           check->end->outcome == RUN_COMPLETED ? "completed" : "failed",
                           (unsigned long long)check->end_number, how_ended(run->outcome)));
    }
    return true;
}

/* ---- the history ----------------------------------------------------------------------------- */

/* C3 */
static bool is_end_of_ours(const struct event *end)
{
    static const char *const types[] = { "NonDeterminism", "Forbidden", "VersionMismatch",
                                         "OrchestratorNotFound" };
    if (end->outcome == RUN_TERMINATED) {
        return true;
    }
    for (size_t i = 0; end->failure != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (text_equal(end->failure->type, text_of(types[i]))) {
            return true;
        }
    }
    return false;
}

/* The last turn is left out when it is not the code's doing. False: it cannot be read. */
static bool leave_out_end_of_ours(struct past *history)
{
    struct turn_events last = { NULL, 0 };
    if (history->turn_count == 0) {
        return true;
    }
    if (!history->read(history, history->turn_count - 1, &last)) {
        return false;
    }
    const struct event *end = find_end(&last);
    history->turn_count -= end != NULL && is_end_of_ours(end);
    return true;
}

static const struct event *find_start(const struct turn_events *turn)
{
    for (size_t i = 0; i < turn->count; i++) {
        if (turn->events[i].kind == EVENT_EXECUTION_STARTED) {
            return &turn->events[i];
        }
    }
    return NULL;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void tell(const pd_orchestration *run, struct arena *arena, struct author_finding *ret)
{
    const pd_failure *failure = run->outcome->failure;
    const pd_failure *cause = failure->cause;
    ret->is_divergent = true;
    ret->event = run->shard->differs_at;
    ret->text = cause == NULL ? arena_printf(arena, "%s", failure->message)
                              : arena_printf(arena, "%s (%s: %s)", failure->message, cause->type,
                                             cause->message);
}

static bool replay_all(struct shard *shard, struct check *check, const struct turn *turn,
                       struct past *history, struct arena *arena, struct author_finding *ret)
{
    pd_orchestration *run = run_new(shard, turn);
    run->turn_arena = arena;
    shard->turn = turn;
    shard->action_count = 0;
    shard->check = check;
    bool is_read = replay_past(run, history);
    shard->check = NULL;
    shard->turn = NULL;
    if (is_read && check->end != NULL && !run->is_ended) {
        differ(run, check->end_number,
               failure_new(&run->arena, "NonDeterminism", true, NULL,
                           "history has ExecutionCompleted (event %llu), the code waits",
                           (unsigned long long)check->end_number));
    }
    if (is_read && run->is_divergent) {
        tell(run, arena, ret);
    }
    run_drop(run);
    shard->action_count = 0;
    return is_read;
}

bool author_replay(struct runner *runner, struct past *history, struct text instance_id,
                   uint64_t break_at, struct arena *arena, struct author_finding *ret)
{
    struct author *author = CONTAINER_OF(runner, struct author, base);
    struct check check = { .break_at = break_at, .instance_id = instance_id };
    struct turn_events first;
    OBJECT_CHECK(author, AUTHOR_MAGIC);
    *ret = (struct author_finding){ 0 };
    if (!leave_out_end_of_ours(history)) {
        return false;
    }
    if (history->turn_count == 0) {
        return true; /* nothing that the code could have done */
    }
    if (!history->read(history, 0, &first)) {
        return false;
    }
    const struct event *start = find_start(&first);
    if (start != NULL && author_find(author, start->name, PD_ORCHESTRATOR) == NULL) {
        ret->is_unknown = true;
        return true;
    }
    struct shard *shard = &author->shards[0];
    struct turn turn = {
        .number = 2, /* after those of the past, however many */
        .instance_id = instance_id,
        .execution_id = start != NULL ? start->execution_id : TEXT(""),
    };
    if (shard->pool == NULL) {
        shard_open(shard);
    }
    buffer_init(&check.asked_at);
    bool is_read = replay_all(shard, &check, &turn, history, arena, ret);
    buffer_done(&check.asked_at);
    return is_read;
}
