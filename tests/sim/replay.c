/* SPDX-License-Identifier: MIT
 *
 * The same history must give the same actions, byte for byte (T3).
 *
 * Every execution that has ended is run again from what was committed: turn by turn by an author
 * that keeps its stacks, and its last turn and some other by one that has dropped everything and is
 * given the past. What they ask for is compared with what history says was asked for. */
#include "author/author.h"
#include "core/turn.h"
#include "play.h"
#include "sim.h"
#include "wire/wire.h"

static bool failure_equal(const struct failure *a, const struct failure *b)
{
    while (a != NULL && b != NULL) {
        if (!text_equal(a->type, b->type) || !text_equal(a->message, b->message) ||
            a->is_final != b->is_final) {
            return false;
        }
        a = a->cause;
        b = b->cause;
    }
    return a == b;
}

static void compare_action(struct sim *sim, const struct ledger_row *row, size_t turn,
                           const struct action *action, const struct event *event)
{
    bool is_same = false;
    switch (action->kind) {
    case ACTION_SCHEDULE_TASK:
        is_same = event->kind == EVENT_TASK_SCHEDULED && action->id == event->id &&
                  text_equal(action->name, event->name) &&
                  text_equal(action->version, event->version) &&
                  text_equal(action->payload, event->payload);
        break;
    case ACTION_CREATE_TIMER:
        is_same = event->kind == EVENT_TIMER_CREATED && action->id == event->id &&
                  action->fire_at == event->fire_at;
        break;
    case ACTION_COMPLETE:
        is_same = event->kind == EVENT_EXECUTION_COMPLETED && action->outcome == event->outcome &&
                  failure_equal(action->failure, event->failure) &&
                  text_equal(action->payload, event->payload);
        break;
    case ACTION_START_CHILD:
    case ACTION_SEND_EVENT:
    case ACTION_CANCEL:
    case ACTION_MARK_CHANGE:
    case ACTION_CONTINUE_AS_NEW: break; /* no program here asks for them */
    }
    sim_check(sim, is_same, "'%.*s': turn %zu asks for something else in replay",
              TEXT_ARGS(row->id), turn + 1);
}

static void compare_turn(struct sim *sim, const struct ledger_row *row, size_t at,
                         const struct turn_result *result)
{
    const struct ledger_turn *turn = &row->turns[at];
    sim_check(sim, result->action_count == turn->count - turn->inputs,
              "'%.*s': turn %zu asks for %zu things in replay, not %zu", TEXT_ARGS(row->id), at + 1,
              result->action_count, turn->count - turn->inputs);
    for (size_t i = 0; i < result->action_count; i++) {
        compare_action(sim, row, at, &result->actions[i], &turn->events[turn->inputs + i]);
    }
}

static struct turn turn_of(const struct ledger_row *row, size_t at)
{
    return (struct turn){
        .row = row->number,
        .number = at + 1,
        .instance_id = row->id,
        .execution_id = row->execution_id,
        .events = row->turns[at].events,
        .event_count = row->turns[at].inputs,
        .is_past_durable = true,
    };
}

static const struct text *bytes_of(struct sim *sim, const struct ledger_row *row, size_t turns)
{
    struct text *bytes = arena_alloc(&sim->arena, turns * sizeof *bytes);
    for (size_t i = 0; i < turns; i++) {
        bytes[i] = row->turns[i].bytes;
    }
    return bytes;
}

static void replay_kept(struct sim *sim, struct runner *author, const struct ledger_row *row,
                        struct arena *arena)
{
    for (size_t i = 0; i < row->turn_count; i++) {
        struct turn turn = turn_of(row, i);
        struct turn_result result = { 0 };
        arena_reset(arena);
        sim_check(sim, author->ops->turn(author, &turn, NULL, arena, &result) == RUNNER_DONE,
                  "'%.*s': an author with room forgot turn %zu", TEXT_ARGS(row->id), i);
        compare_turn(sim, row, i, &result);
    }
}

static void replay_dropped(struct sim *sim, struct runner *author, const struct ledger_row *row,
                           size_t at, struct arena *arena)
{
    struct turn turn = turn_of(row, at);
    struct wire_past past;
    struct turn_result result = { 0 };
    arena_reset(arena);
    enum runner_answer answer = author->ops->turn(author, &turn, NULL, arena, &result);
    sim_check(sim, answer == (at == 0 ? RUNNER_DONE : RUNNER_NEEDS_HISTORY),
              "'%.*s': an author without memory remembers turn %zu", TEXT_ARGS(row->id), at);
    if (at > 0) {
        wire_past_init(&past, bytes_of(sim, row, at), at);
        answer = author->ops->turn(author, &turn, &past.base, arena, &result);
        sim_check(sim, answer == RUNNER_DONE, "'%.*s' cannot be replayed", TEXT_ARGS(row->id));
        wire_past_done(&past);
    }
    compare_turn(sim, row, at, &result);
}

static struct runner *make(struct sim *sim, bool is_drop_mode)
{
    struct author_options options = { .user = &sim->runs,
                                      .partition_count = 1,
                                      .is_drop_mode = is_drop_mode };
    pd_error err;
    struct runner *author = author_new(play_program, play_program_count, &options, &err);
    sim_check(sim, author != NULL, "no author: %s", err.text);
    return author;
}

void replay_all(struct sim *sim)
{
    struct runner *keeping = make(sim, false);
    struct runner *dropping = make(sim, true);
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        if (!run_state_is_final(row->state)) {
            continue;
        }
        replay_kept(sim, keeping, row, &arena);
        replay_dropped(sim, dropping, row, row->turn_count - 1, &arena);
        replay_dropped(sim, dropping, row, (size_t)sim_below(sim, row->turn_count), &arena);
    }
    arena_done(&arena);
    author_free(keeping);
    author_free(dropping);
}
