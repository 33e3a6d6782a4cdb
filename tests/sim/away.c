/* SPDX-License-Identifier: MIT
 *
 * Turns that are elsewhere (T8): taken by the runner, ended when the seed likes.
 *
 * The author runs them as they are handed out; what it asked for is kept here, as a worker far away
 * would have it. Then they are ended, in any order, late, more than once, or given back; those of
 * an instance that has ended or of a partition that began again are ended too, and must change
 * nothing. Who is told that a turn has been ended finds it in the ledger. */
#include <inttypes.h>

#include "author/author.h"
#include "sim.h"

struct away {
    struct away *next;
    bool is_live; /* as far as its runner was told */
    struct turn turn;
    struct turn_result result;
    struct entity_result batch;
};

/* A command about one, until it is answered. */
struct away_asked {
    struct command command;
    pd_error error;
    struct sim *sim;
    const struct away *away;
    bool was_live, is_return, is_answered;
};

/* ---- what they asked for, as memory of its own ----------------------------------------------- */

static const struct failure *copy_failure(struct arena *arena, const struct failure *failure)
{
    struct failure *copy = NULL;
    if (failure != NULL) {
        copy = arena_alloc(arena, sizeof *copy);
        *copy = *failure;
        copy->type = text_copy(arena, failure->type);
        copy->message = text_copy(arena, failure->message);
        copy->raw = text_copy(arena, failure->raw);
        copy->cause = copy_failure(arena, failure->cause);
        copy->next = copy_failure(arena, failure->next);
    }
    return copy;
}

static const struct event_extra *copy_extra(struct arena *arena, const struct event_extra *extra)
{
    struct event_extra *copy = NULL;
    if (extra != NULL) {
        copy = arena_alloc(arena, sizeof *copy);
        *copy = *extra;
        copy->tags = text_copy(arena, extra->tags);
        copy->progress = text_copy(arena, extra->progress);
        copy->trace = text_copy(arena, extra->trace);
        copy->lock_set = text_copy(arena, extra->lock_set);
    }
    return copy;
}

static const struct action *copy_actions(struct sim *sim, const struct action *actions,
                                         size_t count)
{
    struct action *copies = arena_alloc(&sim->arena, count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        spy_copy_action(sim, &copies[i], &actions[i]);
        copies[i].failure = copy_failure(&sim->arena, actions[i].failure);
        copies[i].extra = copy_extra(&sim->arena, actions[i].extra);
    }
    return copies;
}

static struct away *make(struct sim *sim, const struct turn *turn)
{
    struct away *away = arena_alloc(&sim->arena, sizeof *away);
    away->is_live = true;
    away->turn = *turn;
    away->turn.instance_id = text_copy(&sim->arena, turn->instance_id);
    away->turn.execution_id = text_copy(&sim->arena, turn->execution_id);
    away->turn.name = text_copy(&sim->arena, turn->name);
    away->turn.version = text_copy(&sim->arena, turn->version);
    away->turn.state = text_copy(&sim->arena, turn->state);
    away->turn.events = spy_copy_events(sim, turn->events, turn->event_count);
    away->next = sim->away;
    sim->away = away;
    return away;
}

/* ---- the runner's side ----------------------------------------------------------------------- */

bool away_takes(struct sim *sim)
{
    return sim->has_away && sim_chance(sim, 1, 2);
}

void away_take_turn(struct sim *sim, const struct turn *turn, const struct turn_result *result)
{
    struct away *away = make(sim, turn);
    away->result.actions = copy_actions(sim, result->actions, result->action_count);
    away->result.action_count = result->action_count;
    away->result.custom_status = text_copy(&sim->arena, result->custom_status);
}

void away_take_batch(struct sim *sim, const struct turn *turn, const struct entity_result *result)
{
    struct away *away = make(sim, turn);
    struct operation_result *results =
        arena_alloc(&sim->arena, result->result_count * sizeof *results);
    for (size_t i = 0; i < result->result_count; i++) {
        results[i].payload = text_copy(&sim->arena, result->results[i].payload);
        results[i].failure = copy_failure(&sim->arena, result->results[i].failure);
    }
    away->batch = *result;
    away->batch.results = results;
    away->batch.actions = copy_actions(sim, result->actions, result->action_count);
    away->batch.state = text_copy(&sim->arena, result->state);
}

void away_forget(struct sim *sim, unsigned partition, uint64_t row)
{
    for (struct away *away = sim->away; away != NULL; away = away->next) {
        bool is_meant = away->turn.partition == partition && (row == 0 || away->turn.row == row);
        away->is_live = away->is_live && !is_meant;
    }
}

/* ---- ending them ----------------------------------------------------------------------------- */

static void answered(struct command *command)
{
    struct away_asked *asked = CONTAINER_OF(command, struct away_asked, command);
    const struct turn *turn = &asked->away->turn;
    struct sim *sim = asked->sim;
    asked->is_answered = true;
    if (command->status == PD_OK && asked->was_live && !asked->is_return &&
        !turn_is_of_entity(turn)) {
        const struct ledger_row *row = map64_find(&sim->ledger.by_number, turn->row);
        sim_check(sim,
                  row != NULL &&
                      (row->is_deleted || !text_equal(row->execution_id, turn->execution_id) ||
                       row->turn_count >= turn->number),
                  "turn %" PRIu64 " of '%.*s' was said to have ended, and is not in the store",
                  turn->number, TEXT_ARGS(turn->instance_id));
    }
}

/* The code has lived through it now, as far as anybody will know. */
static void note(struct sim *sim, const struct away *away)
{
    if (turn_is_of_entity(&away->turn)) {
        spy_remember_run(sim, &away->turn, &away->batch);
        locks_see_run(sim, &away->turn, away->batch.result_count);
    } else {
        spy_remember(sim, &away->turn, &away->result);
        locks_see_turn(sim, &away->turn, &away->result);
    }
}

static void ask(struct sim *sim, struct away *away, bool is_return)
{
    struct partition *partition = sim->slots[away->turn.partition].partition;
    struct away_asked *asked = arena_alloc(&sim->arena, sizeof *asked);
    bool is_entity = turn_is_of_entity(&away->turn);
    uint64_t before = partition_counters(partition).core.turns;
    *asked = (struct away_asked){
        .command = { .kind = COMMAND_TURN, .answered = answered },
        .sim = sim,
        .away = away,
        .was_live = away->is_live,
        .is_return = is_return,
    };
    asked->command.error = &asked->error;
    asked->command.as.turn.ticket = turn_ticket_of(&away->turn);
    if (!is_return) {
        asked->command.as.turn.result = is_entity ? NULL : &away->result;
        asked->command.as.turn.entity = is_entity ? &away->batch : NULL;
    }
    sim_trace(sim, "%s turn %" PRIu64 " of %.*s: %s", is_return ? "return" : "end",
              away->turn.number, TEXT_ARGS(away->turn.instance_id),
              away->is_live ? "open" : "over");
    if (away->is_live && is_return) {
        sim->author->ops->forget(sim->author, away->turn.partition, away->turn.row);
    } else if (away->is_live) {
        note(sim, away);
    }
    away->is_live = false;
    partition_apply(partition, sim->now, &asked->command);
    uint64_t ended = partition_counters(partition).core.turns - before;
    sim_check(sim, ended == (asked->was_live && !is_return),
              "turn %" PRIu64 " of '%.*s': %" PRIu64 " turns ended with it", away->turn.number,
              TEXT_ARGS(away->turn.instance_id), ended);
    sim_check(sim, asked->was_live || (asked->is_answered && asked->command.status == PD_OK),
              "a turn that is over is not told so at once");
}

/* Some that are over stay, and are ended again. */
static struct away *pick(struct sim *sim)
{
    size_t count = 0;
    for (struct away **at = &sim->away; *at != NULL;) {
        if (!(*at)->is_live && sim_chance(sim, 1, 8)) {
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
            count++;
        }
    }
    if (count == 0) {
        return NULL;
    }
    struct away *away = sim->away;
    for (uint64_t n = sim_below(sim, count); n > 0; n--) {
        away = away->next;
    }
    return away;
}

static bool has_live(const struct sim *sim)
{
    for (const struct away *away = sim->away; away != NULL; away = away->next) {
        if (away->is_live) {
            return true;
        }
    }
    return false;
}

void away_move(struct sim *sim)
{
    struct away *away = pick(sim);
    if (away != NULL && driver_up(sim, away->turn.partition)) {
        ask(sim, away, sim_chance(sim, 1, 5));
        calls_look(sim);
    }
}

bool away_end_all(struct sim *sim)
{
    bool has_any = false;
    while (has_live(sim)) {
        has_any = true;
        away_move(sim);
    }
    return has_any;
}
