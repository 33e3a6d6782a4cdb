/* SPDX-License-Identifier: MIT
 *
 * The same history must give the same actions, byte for byte (T3).
 *
 * Every execution, also one that was continued, rewound, forked or replaced, is run again from what
 * was committed: turn by turn by an author that keeps its stacks, and its last turn and some other
 * by one that has dropped everything and is given the past. What they ask for is compared with what
 * history says was asked for; where continue-as-new has left no history, with what the spy saw. */
#include "author/author.h"
#include "core/turn.h"
#include "play.h"
#include "sim.h"

static bool failure_equal(const struct failure *a, const struct failure *b)
{
    while (a != NULL && b != NULL) {
        if (!text_equal(a->type, b->type) || !text_equal(a->message, b->message) ||
            a->is_final != b->is_final) {
            return false;
        }
        if (!failure_equal(a->next, b->next)) {
            return false;
        }
        a = a->cause;
        b = b->cause;
    }
    return a == b;
}

/* What is replayed: an execution, present or past. */
struct tale {
    const struct ledger_row *row;
    struct text execution_id;
    const struct ledger_turn *turns;
    size_t turn_count;
    const struct spy_turn *last; /* left no history; NULL: all did */
};

/* Request ids are made of the execution's own id; the order of a set is core's. */
static bool is_same_errand(const struct action *action, const struct event *event, bool is_fork)
{
    static const enum event_kind kinds[] = {
        [ACTION_CALL_ENTITY] = EVENT_ENTITY_CALLED,
        [ACTION_SIGNAL_ENTITY] = EVENT_ENTITY_SIGNALED,
        [ACTION_CANCEL_SIGNAL] = EVENT_SIGNAL_CANCELLED,
        [ACTION_LOCK] = EVENT_LOCK_REQUESTED,
        [ACTION_UNLOCK] = EVENT_UNLOCK_SENT,
    };
    bool is_step = action->kind != ACTION_CANCEL_SIGNAL;
    return event->kind == kinds[action->kind] && (!is_step || action->id == event->id) &&
           text_equal(action->instance_id, event->instance_id) &&
           text_equal(action->name, event->name) && action->fire_at == event->fire_at &&
           (is_fork || (text_equal(action->request_id, event->request_id) &&
                        text_equal(action->payload, event->payload)));
}

/* The version of a child is the worker's, who was another perhaps. Ids and payloads that are made
 * of the execution's own id are other ones in what a fork has from its source. */
static bool is_same(const struct action *action, const struct event *event, bool is_fork)
{
    switch (action->kind) {
    case ACTION_SCHEDULE_TASK:
        return event->kind == EVENT_TASK_SCHEDULED && action->id == event->id &&
               text_equal(action->name, event->name) &&
               text_equal(action->version, event->version) &&
               text_equal(action->payload, event->payload);
    case ACTION_CREATE_TIMER:
        return event->kind == EVENT_TIMER_CREATED && action->id == event->id &&
               action->fire_at == event->fire_at;
    case ACTION_START_CHILD:
        return event->kind == EVENT_CHILD_CREATED && action->id == event->id &&
               text_equal(action->name, event->name) &&
               (is_fork || text_equal(action->instance_id, event->instance_id)) &&
               text_equal(action->payload, event->payload);
    case ACTION_SEND_EVENT:
        return event->kind == EVENT_EVENT_SENT && action->id == event->id &&
               text_equal(action->name, event->name) &&
               (is_fork || (text_equal(action->instance_id, event->instance_id) &&
                            text_equal(action->payload, event->payload)));
    case ACTION_CANCEL: return event->kind == EVENT_STEP_CANCELLED && action->id == event->ref;
    case ACTION_NOTE_TRACE:
        return event->kind == EVENT_TRACE_NOTED && text_equal(action->payload, event->payload);
    case ACTION_MARK_CHANGE:
        return event->kind == EVENT_CHANGE_MARKED && text_equal(action->name, event->name);
    case ACTION_COMPLETE:
        return event->kind == EVENT_EXECUTION_COMPLETED && action->outcome == event->outcome &&
               failure_equal(action->failure, event->failure) &&
               text_equal(action->payload, event->payload);
    case ACTION_CALL_ENTITY:
    case ACTION_SIGNAL_ENTITY:
    case ACTION_CANCEL_SIGNAL:
    case ACTION_LOCK:
    case ACTION_UNLOCK: return is_same_errand(action, event, is_fork);
    case ACTION_START:
    case ACTION_TERMINATE:
    case ACTION_CONTINUE_AS_NEW: break;
    }
    return false;
}

static bool is_same_action(const struct action *a, const struct action *b)
{
    bool is_child = a->kind == ACTION_START_CHILD;
    return a->kind == b->kind && a->id == b->id && a->fire_at == b->fire_at &&
           a->kept_count == b->kept_count && text_equal(a->name, b->name) &&
           text_equal(a->payload, b->payload) && text_equal(a->instance_id, b->instance_id) &&
           (is_child || text_equal(a->version, b->version));
}

static void compare_turn(struct sim *sim, const struct tale *tale, size_t at,
                         const struct turn_result *result)
{
    bool is_last = at == tale->turn_count; /* of which no history is left */
    const struct ledger_turn *turn = is_last ? NULL : &tale->turns[at];
    size_t count = is_last ? tale->last->action_count : turn->count - turn->inputs;
    sim_check(sim, result->action_count == count,
              "'%.*s': turn %zu asks for %zu things in replay, not %zu", TEXT_ARGS(tale->row->id),
              at + 1, result->action_count, count);
    for (size_t i = 0; i < count; i++) {
        const struct action *action = &result->actions[i];
        sim_check(sim,
                  is_last ? is_same_action(action, &tale->last->actions[i])
                          : is_same(action, &turn->events[turn->inputs + i], tale->row->is_fork),
                  "'%.*s': turn %zu asks for something else in replay, at %zu",
                  TEXT_ARGS(tale->row->id), at + 1, i);
    }
}

static struct turn turn_of(const struct tale *tale, size_t at)
{
    bool is_last = at == tale->turn_count;
    return (struct turn){
        .row = tale->row->number,
        .number = at + 1,
        .instance_id = tale->row->id,
        .execution_id = tale->execution_id,
        .events = is_last ? tale->last->events : tale->turns[at].events,
        .event_count = is_last ? tale->last->event_count : tale->turns[at].inputs,
        .is_past_durable = true,
    };
}

static const struct text *bytes_of(struct arena *arena, const struct tale *tale, size_t turns)
{
    struct text *bytes = arena_alloc(arena, turns * sizeof *bytes);
    for (size_t i = 0; i < turns; i++) {
        bytes[i] = tale->turns[i].bytes;
    }
    return bytes;
}

static void replay_kept(struct sim *sim, struct runner *author, const struct tale *tale,
                        size_t turns, struct arena *arena)
{
    for (size_t i = 0; i < turns; i++) {
        struct turn turn = turn_of(tale, i);
        struct turn_result result = { 0 };
        arena_reset(arena);
        sim_check(sim, author->ops->turn(author, &turn, NULL, arena, &result) == RUNNER_DONE,
                  "'%.*s': an author with room forgot turn %zu", TEXT_ARGS(tale->row->id), i);
        compare_turn(sim, tale, i, &result);
    }
    author->ops->forget(author, 0, tale->row->number);
}

static void replay_dropped(struct sim *sim, struct runner *author, const struct tale *tale,
                           size_t at, struct arena *arena)
{
    struct turn turn = turn_of(tale, at);
    struct turn_result result = { 0 };
    arena_reset(arena);
    struct wire_past past;
    enum runner_answer answer = author->ops->turn(author, &turn, NULL, arena, &result);
    sim_check(sim, answer == (at == 0 ? RUNNER_DONE : RUNNER_NEEDS_HISTORY),
              "'%.*s': an author without memory remembers turn %zu", TEXT_ARGS(tale->row->id), at);
    if (at > 0) {
        wire_past_init(&past, bytes_of(arena, tale, at), at);
        answer = author->ops->turn(author, &turn, &past.base, arena, &result);
        sim_check(sim, answer == RUNNER_DONE, "'%.*s' cannot be replayed",
                  TEXT_ARGS(tale->row->id));
        wire_past_done(&past);
    }
    compare_turn(sim, tale, at, &result);
    author->ops->forget(author, 0, tale->row->number);
}

static struct runner *make(struct sim *sim, bool is_drop_mode)
{
    struct author_options options = { .user = &sim->user,
                                      .partition_count = 1,
                                      .is_drop_mode = is_drop_mode };
    pd_error err;
    struct runner *author = author_new(play_program, play_program_count, &options, &err);
    sim_check(sim, author != NULL, "no author: %s", err.text);
    return author;
}

struct authors {
    struct runner *keeping, *dropping;
    struct arena arena;
};

/* In the turn in which an instance was terminated no code ran. */
static size_t turns_run(const struct tale *tale)
{
    size_t count = tale->turn_count;
    for (size_t k = 1; count > 0 && k < tale->turns[count - 1].count; k++) {
        if (tale->turns[count - 1].events[k].kind == EVENT_EXECUTION_TERMINATED) {
            return count - 1;
        }
    }
    return count + (tale->last != NULL);
}

static void replay(struct sim *sim, struct authors *authors, const struct tale *tale)
{
    size_t turns = turns_run(tale);
    if (turns == 0) {
        return;
    }
    replay_kept(sim, authors->keeping, tale, turns, &authors->arena);
    replay_dropped(sim, authors->dropping, tale, turns - 1, &authors->arena);
    replay_dropped(sim, authors->dropping, tale, (size_t)sim_below(sim, turns), &authors->arena);
}

void replay_all(struct sim *sim)
{
    struct authors authors = { .keeping = make(sim, false), .dropping = make(sim, true) };
    arena_init(&authors.arena);
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        for (const struct ledger_life *life = row->past; life != NULL; life = life->before) {
            replay(sim, &authors,
                   &(struct tale){ row, life->execution_id, life->turns, life->turn_count,
                                   life->last });
        }
        replay(sim, &authors,
               &(struct tale){ row, row->execution_id, row->turns, row->turn_count, NULL });
    }
    arena_done(&authors.arena);
    author_free(authors.keeping);
    author_free(authors.dropping);
}
