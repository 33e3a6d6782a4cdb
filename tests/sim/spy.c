/* SPDX-License-Identifier: MIT
 *
 * The spy. See spy.h. */
#include "spy.h"

#include <inttypes.h>
#include <stdio.h>

#include "author/author.h"
#include "sim.h"

static struct sim *sim_of(struct runner *runner)
{
    struct spy *spy = CONTAINER_OF(runner, struct spy, runner);
    return CONTAINER_OF(spy, struct sim, spy);
}

static struct text key_of(struct sim *sim, struct text execution_id, uint64_t number)
{
    return text_of(arena_printf(&sim->arena, "%.*s %" PRIu64, TEXT_ARGS(execution_id), number));
}

struct spy_turn *spy_find(const struct sim *sim, struct text execution_id, uint64_t number)
{
    char key[80];
    int size = snprintf(key, sizeof key, "%.*s %" PRIu64, TEXT_ARGS(execution_id), number);
    return map_find(&sim->spy.turns, text_make(key, (size_t)size));
}

/* ---- copies ---- */

const struct event *spy_copy_events(struct sim *sim, const struct event *events, size_t count)
{
    struct buffer buffer;
    struct wire_events copies = { 0 };
    pd_error err;
    buffer_init(&buffer);
    for (size_t i = 0; i < count; i++) {
        wire_write_event(&buffer, &events[i]);
    }
    struct text bytes = text_copy(&sim->arena, buffer_text(&buffer));
    buffer_done(&buffer);
    sim_check(sim,
              wire_read_events(bytes, &sim->arena, &copies, &err) == PD_OK && copies.count == count,
              "events of a turn cannot be written and read: %s", err.text);
    return copies.at;
}

void spy_copy_action(struct sim *sim, struct action *copy, const struct action *action)
{
    struct arena *arena = &sim->arena;
    *copy = *action;
    copy->name = text_copy(arena, action->name);
    copy->version = text_copy(arena, action->version);
    copy->payload = text_copy(arena, action->payload);
    copy->instance_id = text_copy(arena, action->instance_id);
    copy->request_id = text_copy(arena, action->request_id);
    copy->failure = NULL;
    copy->extra = NULL;
    copy->kept =
        action->kept_count > 0 ? spy_copy_events(sim, action->kept, action->kept_count) : NULL;
}

void spy_remember(struct sim *sim, const struct turn *turn, const struct turn_result *result)
{
    struct spy_turn *kept = arena_alloc(&sim->arena, sizeof *kept);
    struct action *actions = arena_alloc(&sim->arena, result->action_count * sizeof *actions);
    for (size_t i = 0; i < result->action_count; i++) {
        spy_copy_action(sim, &actions[i], &result->actions[i]);
    }
    *kept = (struct spy_turn){
        .number = turn->number,
        .execution_id = text_copy(&sim->arena, turn->execution_id),
        .now = sim->now,
        .events = spy_copy_events(sim, turn->events, turn->event_count),
        .event_count = turn->event_count,
        .actions = actions,
        .action_count = result->action_count,
        .status = text_copy(&sim->arena, result->custom_status),
    };
    sim_put(&sim->spy.turns, key_of(sim, turn->execution_id, turn->number), kept);
}

/* ---- operations ---- */

static const struct spy_answer *copy_answers(struct sim *sim, const struct entity_result *result)
{
    struct spy_answer *answers = arena_alloc(&sim->arena, result->result_count * sizeof *answers);
    for (size_t i = 0; i < result->result_count; i++) {
        const struct operation_result *one = &result->results[i];
        answers[i].payload = text_copy(&sim->arena, one->payload);
        if (one->failure != NULL) {
            answers[i].failure_type = text_copy(&sim->arena, one->failure->type);
        }
    }
    return answers;
}

void spy_remember_run(struct sim *sim, const struct turn *turn, const struct entity_result *result)
{
    struct spy_runs *runs = &sim->spy.runs[turn->partition];
    struct spy_run *run = arena_alloc(&sim->arena, sizeof *run);
    struct action *actions = arena_alloc(&sim->arena, result->action_count * sizeof *actions);
    for (size_t i = 0; i < result->action_count; i++) {
        spy_copy_action(sim, &actions[i], &result->actions[i]);
    }
    *run = (struct spy_run){
        .id = text_copy(&sim->arena, turn->instance_id),
        .state = text_copy(&sim->arena, turn->state),
        .row = turn->row,
        .now = sim->now,
        .at = turn->events[0].at,
        .operations = spy_copy_events(sim, turn->events + 1, result->result_count),
        .count = result->result_count,
        .answers = copy_answers(sim, result),
        .actions = actions,
        .action_count = result->action_count,
    };
    *runs->last = run;
    runs->last = &run->next;
}

static void forget_runs(struct spy_runs *runs)
{
    *runs = (struct spy_runs){ .last = &runs->first };
}

void spy_cut(struct sim *sim, unsigned partition, uint64_t batch)
{
    struct spy_runs *runs = &sim->spy.runs[partition];
    sim->spy.cut[partition] = (struct spy_runs){ .first = runs->first, .batch = batch };
    forget_runs(runs);
}

const struct spy_run *spy_runs_of(const struct sim *sim, const struct batch *batch)
{
    const struct spy_runs *cut = &sim->spy.cut[batch->partition];
    return cut->batch == batch->number ? cut->first : NULL;
}

/* ---- the runner ---- */

static enum runner_answer spy_turn(struct runner *runner, const struct turn *turn,
                                   struct past *past, struct arena *arena, struct turn_result *ret)
{
    struct sim *sim = sim_of(runner);
    enum runner_answer answer = sim->author->ops->turn(sim->author, turn, past, arena, ret);
    sim_trace(sim, "  turn %" PRIu64 " of %.*s: %d", turn->number, TEXT_ARGS(turn->instance_id),
              answer);
    if (answer == RUNNER_DONE && away_takes(sim)) {
        away_take_turn(sim, turn, ret);
        return RUNNER_LATER;
    }
    if (answer == RUNNER_DONE) {
        spy_remember(sim, turn, ret);
        locks_see_turn(sim, turn, ret);
    }
    return answer;
}

static enum runner_answer spy_entity(struct runner *runner, const struct turn *turn,
                                     struct arena *arena, struct entity_result *ret)
{
    struct sim *sim = sim_of(runner);
    enum runner_answer answer = sim->author->ops->entity(sim->author, turn, arena, ret);
    sim_trace(sim, "  %zu operations of %.*s: %d, %.*s", turn->event_count - 1,
              TEXT_ARGS(turn->instance_id), answer, TEXT_ARGS(turn->state));
    for (size_t i = 1; i < turn->event_count; i++) {
        sim_trace(sim, "    %.*s %.*s", TEXT_ARGS(turn->events[i].name),
                  TEXT_ARGS(turn->events[i].payload));
    }
    if (answer == RUNNER_DONE && away_takes(sim)) {
        away_take_batch(sim, turn, ret);
        return RUNNER_LATER;
    }
    if (answer == RUNNER_DONE) {
        spy_remember_run(sim, turn, ret);
        locks_see_run(sim, turn, ret->result_count);
    }
    return answer;
}

static void spy_forget(struct runner *runner, unsigned partition, uint64_t row)
{
    struct sim *sim = sim_of(runner);
    sim->author->ops->forget(sim->author, partition, row);
    away_forget(sim, partition, row);
}

static void spy_forget_all(struct runner *runner, unsigned partition)
{
    struct sim *sim = sim_of(runner);
    sim->author->ops->forget_all(sim->author, partition);
    forget_runs(&sim->spy.runs[partition]);
    away_forget(sim, partition, 0);
    locks_reset(sim, partition);
}

static void spy_expect(struct runner *runner, unsigned partition, const uint64_t *rows,
                       size_t count)
{
    struct runner *author = sim_of(runner)->author;
    author->ops->expect(author, partition, rows, count);
}

static void spy_trim(struct runner *runner, unsigned partition)
{
    struct runner *author = sim_of(runner)->author;
    author->ops->trim(author, partition);
}

void spy_init(struct sim *sim)
{
    static const struct runner_ops ops = {
        .version = 3,
        .turn = spy_turn,
        .entity = spy_entity,
        .forget = spy_forget,
        .forget_all = spy_forget_all,
        .expect = spy_expect,
        .trim = spy_trim,
    };
    sim->spy.runner.ops = &ops;
    map_init(&sim->spy.turns);
    for (size_t i = 0; i < sizeof sim->spy.runs / sizeof *sim->spy.runs; i++) {
        forget_runs(&sim->spy.runs[i]);
    }
}

void spy_done(struct sim *sim)
{
    map_done(&sim->spy.turns);
}
