/* SPDX-License-Identifier: MIT
 *
 * What came of each execution, against the model (F4).
 *
 * Nothing is said of what others have disturbed: an instance, or one of the children below it, that
 * was terminated or rewound, or may have been replaced, by a client. Of racy programs only how they
 * end is known. */
#include <inttypes.h>
#include <stdio.h>

#include "sim.h"

/* An execution, present or past. */
struct life {
    const struct ledger_row *row;
    const struct ledger_turn *turns;
    size_t turn_count;
    const struct spy_turn *last; /* NULL: it has ended in history */
    struct text name, input;
};

/* ---- what it has seen and asked for ---- */

struct raised_lists {
    struct raised of[SIM_NAMES];
    uint64_t *hashes[SIM_NAMES];
    size_t room[SIM_NAMES];
};

static size_t name_of(const struct event *event)
{
    size_t n = 0;
    while (n < SIM_NAMES && !text_equal(event->name, text_of(sim_event_names[n])) &&
           !text_equal(event->name, text_of(sim_event_aliases[n]))) {
        n++;
    }
    return n;
}

static uint64_t hash_event(const struct event *event)
{
    int64_t sender = 0;
    int64_t number = 0;
    (void)ledger_read_raise(event, &sender, &number);
    return hash_raised(sender, number);
}

static void collect(struct sim *sim, struct raised_lists *lists, const struct event *event)
{
    size_t n = event->kind == EVENT_EVENT_RAISED ? name_of(event) : SIM_NAMES;
    if (n == SIM_NAMES) {
        return;
    }
    struct raised *raised = &lists->of[n];
    if (raised->count == lists->room[n]) {
        lists->room[n] = lists->room[n] * 2 + 8;
        uint64_t *more = arena_alloc(&sim->arena, lists->room[n] * sizeof *more);
        if (raised->count > 0) {
            memcpy(more, lists->hashes[n], raised->count * sizeof *more);
        }
        raised->hashes = lists->hashes[n] = more;
    }
    lists->hashes[n][raised->count++] = hash_event(event);
}

static void collect_all(struct sim *sim, const struct life *life, struct raised_lists *lists)
{
    for (size_t t = 0; t < life->turn_count; t++) {
        for (size_t k = 1; k < life->turns[t].inputs; k++) {
            collect(sim, lists, &life->turns[t].events[k]);
        }
    }
    for (size_t k = 1; life->last != NULL && k < life->last->event_count; k++) {
        collect(sim, lists, &life->last->events[k]);
    }
}

static struct asked count_asked(const struct life *life)
{
    struct asked asked = { 0 };
    for (size_t t = 0; t < life->turn_count; t++) {
        for (size_t k = life->turns[t].inputs; k < life->turns[t].count; k++) {
            enum event_kind kind = life->turns[t].events[k].kind;
            asked.tasks += kind == EVENT_TASK_SCHEDULED;
            asked.timers += kind == EVENT_TIMER_CREATED;
            asked.children += kind == EVENT_CHILD_CREATED;
            asked.cancels += kind == EVENT_STEP_CANCELLED;
            asked.sends += kind == EVENT_EVENT_SENT;
            asked.changes += kind == EVENT_CHANGE_MARKED;
            asked.calls += kind == EVENT_ENTITY_CALLED;
            asked.signals += kind == EVENT_ENTITY_SIGNALED;
            asked.takings_back += kind == EVENT_SIGNAL_CANCELLED;
            asked.locks += kind == EVENT_LOCK_REQUESTED;
        }
    }
    return asked;
}

/* ---- who was disturbed ---- */

static bool is_disturbed(struct sim *sim, struct text id, unsigned depth);

/* It has lived, or lived again, when what fails in the end need not any more. */
static bool is_mended(const struct sim *sim, const struct ledger_row *row)
{
    return sim->user.is_mended && (row->renewed > sim->mended || row->begun > sim->mended);
}

static bool has_disturbed_child(struct sim *sim, const struct ledger_turn *turns, size_t count,
                                unsigned depth)
{
    for (size_t t = 0; t < count; t++) {
        for (size_t k = turns[t].inputs; k < turns[t].count; k++) {
            const struct event *event = &turns[t].events[k];
            if (event->kind == EVENT_CHILD_CREATED &&
                is_disturbed(sim, event->instance_id, depth + 1)) {
                return true;
            }
        }
    }
    return false;
}

/* Those of racy programs may have one another's ids, which goes on for ever. */
static bool is_disturbed(struct sim *sim, struct text id, unsigned depth)
{
    if (map_find(&sim->disturbed, id) != NULL || depth > DEPTH_MAX) {
        return true;
    }
    struct ledger_row *row;
    for (size_t cursor = sim->ledger.row_count;
         (row = ledger_next(&sim->ledger, id, &cursor)) != NULL;) {
        if (depth > 0 && is_mended(sim, row)) {
            return true;
        }
        if (has_disturbed_child(sim, row->turns, row->turn_count, depth)) {
            return true;
        }
        for (const struct ledger_life *life = row->past; life != NULL; life = life->before) {
            if (has_disturbed_child(sim, life->turns, life->turn_count, depth)) {
                return true;
            }
        }
    }
    return false;
}

/* ---- endings ---- */

static const struct failure *failure_of(const struct life *life)
{
    return ledger_last_event(life->turns, life->turn_count)->failure;
}

static void check_failed(struct sim *sim, const struct life *life, const char *type,
                         const char *cause)
{
    const struct ledger_row *row = life->row;
    const struct failure *failure = failure_of(life);
    sim_check(sim,
              row->state == RUN_FAILED && failure != NULL &&
                  text_equal(failure->type, text_of(type)),
              "'%.*s' should have failed with %s; state %d, '%.*s'", TEXT_ARGS(row->id), type,
              row->state, TEXT_ARGS(failure != NULL ? failure->type : TEXT_ABSENT));
    sim_check(sim,
              cause == NULL ||
                  (failure->cause != NULL && text_equal(failure->cause->type, text_of(cause))),
              "'%.*s' failed with another cause", TEXT_ARGS(row->id));
}

/* All that failed, in the order of the call. */
static void check_causes(struct sim *sim, const struct life *life, const struct program *program)
{
    const struct failure *cause = failure_of(life)->cause;
    for (unsigned i = 0; i < AWAIT_ALL_COUNT; i++) {
        if ((program->failing >> i & 1) == 0) {
            continue;
        }
        char message[64];
        (void)snprintf(message, sizeof message, "the number is %" PRId64, program->number + i);
        sim_check(sim, cause != NULL && text_equal(cause->message, text_of(message)),
                  "'%.*s': of its causes, '%s' is missing", TEXT_ARGS(life->row->id), message);
        cause = cause->next;
    }
    sim_check(sim, cause == NULL, "'%.*s' has too many causes", TEXT_ARGS(life->row->id));
}

static void check_ended_well(struct sim *sim, const struct life *life, uint64_t sure, bool is_racy)
{
    const struct ledger_row *row = life->row;
    const struct failure *failure = failure_of(life);
    sim_check(sim, row->state == RUN_COMPLETED, "'%.*s' failed: %.*s: %.*s", TEXT_ARGS(row->id),
              TEXT_ARGS(failure != NULL ? failure->type : TEXT_ABSENT),
              TEXT_ARGS(failure != NULL ? failure->message : TEXT_ABSENT));
    char expected[40];
    (void)snprintf(expected, sizeof expected, "{\"sure\":\"%016" PRIx64 "\"", sure);
    sim_check(sim, is_racy || text_has_prefix(row->output, text_of(expected)),
              "'%.*s' gave %.*s, not %s", TEXT_ARGS(row->id), TEXT_ARGS(row->output), expected);
}

/* The next round begins where this one ended, and is handed the events that nobody took. */
static void check_continued(struct sim *sim, const struct life *life, const struct position *at,
                            const struct expectation *expected, const struct raised_lists *lists)
{
    const struct action *last = &life->last->actions[life->last->action_count - 1];
    struct position next;
    struct raised_lists kept = { 0 };
    sim_check(sim,
              position_read(last->payload.at, &next) && next.seed == at->seed &&
                  next.depth == at->depth && next.round == at->round + 1,
              "'%.*s' continues with %.*s", TEXT_ARGS(life->row->id), TEXT_ARGS(last->payload));
    sim_check(sim, next.sure == expected->sure, "'%.*s' continues with another sum: %.*s",
              TEXT_ARGS(life->row->id), TEXT_ARGS(last->payload));
    for (size_t i = 0; i < last->kept_count; i++) {
        collect(sim, &kept, &last->kept[i]);
    }
    for (size_t n = 0; n < SIM_NAMES; n++) {
        size_t taken = expected->taken[n];
        sim_check(sim,
                  kept.of[n].count == lists->of[n].count - taken &&
                      (kept.of[n].count == 0 ||
                       memcmp(kept.of[n].hashes, lists->of[n].hashes + taken,
                              kept.of[n].count * sizeof *kept.of[n].hashes) == 0),
                  "'%.*s' continues with %zu events of name %zu; %zu came, %zu were taken",
                  TEXT_ARGS(life->row->id), kept.of[n].count, n, lists->of[n].count, taken);
    }
}

/* ---- an execution ---- */

static void check_asked(struct sim *sim, const struct life *life,
                        const struct expectation *expected)
{
    struct asked asked = count_asked(life);
    const struct asked *e = &expected->asked;
    sim_check(sim,
              asked.tasks == e->tasks && asked.timers == e->timers &&
                  asked.children == e->children && asked.cancels == e->cancels &&
                  asked.sends == e->sends && asked.changes == e->changes,
              "'%.*s' asked for %zu activities, %zu timers, %zu children, %zu cancellations, %zu "
              "sends, %zu marks; should be %zu, %zu, %zu, %zu, %zu, %zu",
              TEXT_ARGS(life->row->id), asked.tasks, asked.timers, asked.children, asked.cancels,
              asked.sends, asked.changes, e->tasks, e->timers, e->children, e->cancels, e->sends,
              e->changes);
    sim_check(sim,
              asked.calls == e->calls && asked.signals == e->signals &&
                  asked.takings_back == e->takings_back && asked.locks == e->locks,
              "'%.*s' asked entities for %zu calls, %zu signals, %zu cancellations, %zu sections; "
              "should be %zu, %zu, %zu, %zu",
              TEXT_ARGS(life->row->id), asked.calls, asked.signals, asked.takings_back, asked.locks,
              e->calls, e->signals, e->takings_back, e->locks);
}

static void check_ending(struct sim *sim, const struct life *life, const struct program *program,
                         const struct expectation *expected)
{
    bool mends = expected->ending == ENDS_BY_AWAIT || expected->ending == ENDS_BY_CHILD;
    if (mends && is_mended(sim, life->row)) {
        check_ended_well(sim, life, expected->sure_mended, program->is_racy);
        return;
    }
    switch (expected->ending) {
    case ENDS_WELL: check_ended_well(sim, life, expected->sure, program->is_racy); break;
    case ENDS_WITH_FAIL: check_failed(sim, life, "SimEnd", NULL); break;
    case ENDS_WITH_RAISE: check_failed(sim, life, "SimRaise", NULL); break;
    case ENDS_BY_AWAIT: check_failed(sim, life, "TaskFailed", "SimFail"); break;
    case ENDS_BY_AWAIT_ALL:
        check_failed(sim, life, "TaskFailed", "SimFail");
        check_causes(sim, life, program);
        break;
    case ENDS_BY_CHILD: check_failed(sim, life, "TaskFailed", "TaskFailed"); break;
    case ENDS_BY_MISUSE: check_failed(sim, life, "Misuse", NULL); break;
    case CONTINUES:
        sim_fail(sim, "'%.*s' ended and should have continued", TEXT_ARGS(life->row->id));
    }
}

/* It ends as the operation did. */
static void check_called(struct sim *sim, const struct life *life)
{
    static const char before[] = "\"input\":";
    const char *at = memmem(life->input.at, life->input.size, before, sizeof before - 1);
    size_t skipped = (size_t)(at - life->input.at) + sizeof before - 1;
    struct box_request request;
    bool is_read = box_request_read(
        text_make(life->input.at + skipped, life->input.size - skipped - 1), &request);
    sim_check(sim, is_read, "an input %.*s", TEXT_ARGS(life->input));
    if (request.how != HOW_WELL) {
        check_failed(sim, life, "SimFail", NULL);
        return;
    }
    struct text value = text_of(arena_printf(&sim->arena, "%" PRId64, request.value));
    sim_check(sim, life->row->state == RUN_COMPLETED && text_equal(life->row->output, value),
              "'%.*s' has called an entity, and gave %.*s", TEXT_ARGS(life->row->id),
              TEXT_ARGS(life->row->output));
}

static void check_life(struct sim *sim, const struct life *life)
{
    if (text_equal(life->name, TEXT("fall")) && is_mended(sim, life->row)) {
        sim_check(sim, life->row->state == RUN_COMPLETED, "'%.*s' has failed again",
                  TEXT_ARGS(life->row->id));
        return;
    }
    if (text_equal(life->name, TEXT("fall"))) {
        check_failed(sim, life, "TaskFailed", "SimFail");
        return;
    }
    if (text_equal(life->name, TEXT("perdure.call"))) {
        check_called(sim, life);
        return;
    }
    if (text_equal(life->name, TEXT(CORE_NOTIFY))) {
        sim_check(sim, life->row->state == RUN_COMPLETED, "'%.*s' tells nobody",
                  TEXT_ARGS(life->row->id));
        return;
    }
    if (!text_equal(life->name, TEXT("play"))) {
        check_failed(sim, life, "OrchestratorNotFound", NULL);
        return;
    }
    struct program *program = arena_alloc(&sim->arena, sizeof *program);
    struct raised_lists lists = { 0 };
    struct expectation expected;
    struct position at;
    sim_check(sim, position_read(life->input.at, &at), "an input %.*s", TEXT_ARGS(life->input));
    program_make(program, &at);
    collect_all(sim, life, &lists);
    program_expect(program, &at, lists.of, &expected);
    sim_check(sim, program->is_racy || expected.is_possible,
              "'%.*s' has seen events that nobody raised", TEXT_ARGS(life->row->id));
    if (life->last == NULL) {
        check_ending(sim, life, program, &expected);
    } else if (!program->is_racy) {
        check_continued(sim, life, &at, &expected, &lists);
    }
    if (!program->is_racy && expected.is_complete && life->last == NULL &&
        expected.ending != ENDS_BY_MISUSE && !is_mended(sim, life->row)) {
        check_asked(sim, life, &expected);
    }
}

void outcome_check(struct sim *sim, const struct ledger_row *row)
{
    if (is_disturbed(sim, row->id, 0)) {
        return;
    }
    for (const struct ledger_life *past = row->past; past != NULL; past = past->before) {
        struct life life = {
            row, past->turns, past->turn_count, past->last, past->name, past->input
        };
        if (past->last != NULL) {
            check_life(sim, &life);
        }
    }
    struct life life = { row, row->turns, row->turn_count, NULL, row->name, row->input };
    if (row->state == RUN_COMPLETED || row->state == RUN_FAILED) {
        check_life(sim, &life);
    }
}
