/* SPDX-License-Identifier: MIT
 *
 * A runner for tests: see chain_runner.h. */
#include "chain_runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "chain_play.h"
#include "core/core.h"

static struct chain_runner *runner_of(struct runner *base)
{
    return (struct chain_runner *)(void *)base;
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct action *play_add(struct play *play, enum action_kind kind, int32_t id)
{
    struct turn_result *ret = play->ret;
    struct action *actions = arena_alloc(play->arena, (ret->action_count + 1) * sizeof *actions);
    if (ret->action_count > 0) {
        memcpy(actions, ret->actions, ret->action_count * sizeof *actions);
    }
    struct action *action = &actions[ret->action_count++];
    action->kind = kind;
    action->id = id;
    ret->actions = actions;
    return action;
}

void play_complete(struct play *play, int32_t id, struct text payload)
{
    struct action *action = play_add(play, ACTION_COMPLETE, id);
    action->outcome = RUN_COMPLETED;
    action->payload = text_copy(play->arena, payload); /* T4 */
    play->is_over = true;
}

void play_fail(struct play *play, int32_t id, const struct failure *why)
{
    struct action *action = play_add(play, ACTION_COMPLETE, id);
    struct failure *failure = arena_alloc(play->arena, sizeof *failure);
    failure->type = text_copy(play->arena, why->type);
    failure->message = text_copy(play->arena, why->message);
    action->outcome = RUN_FAILED;
    action->failure = failure;
    play->is_over = true;
}

static void ask(struct play *play, int32_t id)
{
    struct event_extra *extra = arena_alloc(play->arena, sizeof *extra);
    extra->limits = play->runner->limits;
    struct action *action = play_add(play, ACTION_SCHEDULE_TASK, id);
    action->name = TEXT("Step");
    action->payload = TEXT("null");
    action->extra = extra;
}

static void ask_for_too_much(struct play *play)
{
    static char large[16 * 1024 * 1024];
    for (int32_t i = 0; i < 40; i++) {
        struct action *action = play_add(play, ACTION_SCHEDULE_TASK, i);
        action->name = TEXT("Step");
        action->payload = text_make(large, sizeof large);
    }
}

static void send_three(struct play *play)
{
    static const struct text numbers[] = { TEXT_INIT("1"), TEXT_INIT("2"), TEXT_INIT("3") };
    for (int32_t i = 0; i < 3; i++) {
        struct action *action = play_add(play, ACTION_SEND_EVENT, i);
        action->instance_id = play->rest;
        action->name = TEXT("Go");
        action->payload = numbers[i];
    }
    play_complete(play, 3, TEXT("\"sent\""));
}

static void renew(struct play *play, struct text input)
{
    int left = input.size > 0 ? input.at[0] - '0' : 0;
    if (left == 0) {
        play_complete(play, 0, TEXT("\"round and round\""));
        return;
    }
    struct action *action = play_add(play, ACTION_CONTINUE_AS_NEW, 0);
    action->payload = text_of(arena_printf(play->arena, "%d", left - 1));
    play->is_over = true;
}

static void start(struct play *play, const struct event *event)
{
    switch (play->turn->instance_id.at[0]) {
    case 'L': ask_for_too_much(play); break;
    case 'T': play_add(play, ACTION_CREATE_TIMER, 0)->fire_at = event->at + TIME_SECOND; break;
    case 'C': {
        struct action *action = play_add(play, ACTION_START_CHILD, 0);
        action->name = TEXT("child");
        action->instance_id = play->rest;
        action->payload = TEXT("1");
        break;
    }
    case 'S': send_three(play); break;
    case 'N': renew(play, event->payload); break;
    case 'Z': play_add(play, ACTION_CREATE_TIMER, 0)->fire_at = event->at + 100 * TIME_MS; break;
    case 'E':
    case 'R': break;
    default: ask(play, 0); break;
    }
}

/* ---- going on -------------------------------------------------------------------------------- */

static void append(char all[64], struct text payload, int *count)
{
    size_t used = strlen(all);
    assert_that(used + payload.size < 64);
    memcpy(all + used, payload.at, payload.size);
    (*count)++;
}

/* The payloads of events raised so far, and how many. */
static struct text raised_so_far(const struct play *play, const struct event *last, int *ret_count)
{
    char *all = arena_alloc(play->arena, 64);
    *ret_count = 0;
    for (size_t at = 0; play->past != NULL && at < play->past->turn_count; at++) {
        struct turn_events turn;
        assert_that(play->past->read(play->past, at, &turn));
        for (size_t i = 0; i < turn.count; i++) {
            if (turn.events[i].kind == EVENT_EVENT_RAISED) {
                append(all, turn.events[i].payload, ret_count);
            }
        }
    }
    for (const struct event *event = play->turn->events; event <= last; event++) {
        if (event->kind == EVENT_EVENT_RAISED) {
            append(all, event->payload, ret_count);
        }
    }
    return text_of(all);
}

static void hear(struct play *play, const struct event *event)
{
    int count;
    struct text all = raised_so_far(play, event, &count);
    char program = play->turn->instance_id.at[0];
    if (program == 'E') {
        play_complete(play, 0, event->payload);
    } else if (program == 'R' && count == 3) {
        play_complete(play, 0, all);
    } else if (program == 'X' && count == 1) {
        play_add(play, ACTION_CANCEL, 0);
    } else if (program == 'X' && count == 2) {
        play_complete(play, 1, TEXT("\"cancelled\""));
    }
}

static void end_task(struct play *play, const struct event *event)
{
    char program = play->turn->instance_id.at[0];
    if (event->kind == EVENT_TASK_FAILED) {
        play_fail(play, event->ref + 1, event->failure);
    } else if (event->ref + 1 < program - '0' && program <= '9') {
        ask(play, event->ref + 1);
    } else {
        play_complete(play, event->ref + 1, TEXT("\"end of chain\""));
    }
}

static void follow(struct play *play, const struct event *event)
{
    switch (event->kind) {
    case EVENT_EXECUTION_STARTED: start(play, event); break;
    case EVENT_TASK_COMPLETED:
    case EVENT_TASK_FAILED: end_task(play, event); break;
    case EVENT_CHILD_COMPLETED: play_complete(play, 1, event->payload); break;
    case EVENT_CHILD_FAILED: play_fail(play, 1, event->failure); break;
    case EVENT_TIMER_FIRED:
        if (play->turn->instance_id.at[0] == 'Z') {
            abort();
        }
        play_complete(play, 1, TEXT("\"slept\""));
        break;
    case EVENT_EVENT_RAISED: hear(play, event); break;
    case EVENT_UNKNOWN:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_TASK_SCHEDULED:
    case EVENT_CHILD_CREATED:
    case EVENT_TIMER_CREATED:
    case EVENT_ORCHESTRATOR_STARTED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_EVENT_SENT:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_STEP_CANCELLED:
    case EVENT_TRACE_NOTED:
    case EVENT_CHANGE_MARKED:
    case EVENT_ENTITY_SIGNALED: /* chain_entities.c */
    case EVENT_ENTITY_CALLED:
    case EVENT_ENTITY_COMPLETED:
    case EVENT_ENTITY_FAILED:
    case EVENT_LOCK_REQUESTED:
    case EVENT_LOCK_GRANTED:
    case EVENT_UNLOCK_SENT:
    case EVENT_SIGNAL_CANCELLED: break;
    }
}

static enum runner_answer turn(struct runner *base, const struct turn *turn, struct past *past,
                               struct arena *arena, struct turn_result *ret)
{
    struct chain_runner *runner = runner_of(base);
    char program = turn->instance_id.at[0];
    bool counts = program == 'R' || program == 'X';
    if (program == 'V') {
        return RUNNER_LEAVES;
    }
    if ((runner->is_forgetful || counts) && turn->number > 1) {
        if (past == NULL) {
            return RUNNER_NEEDS_HISTORY;
        }
        struct turn_events first;
        if (!past->read(past, 0, &first)) {
            return RUNNER_NEEDS_HISTORY;
        }
        assert_that(first.count > 1 && first.events[1].kind == EVENT_EXECUTION_STARTED);
    }
    runner->turns++;
    *ret = (struct turn_result){ 0 };
    struct play play = { .runner = runner, .turn = turn, .past = past, .arena = arena, .ret = ret };
    if (turn->instance_id.size > 2) {
        play.rest = text_make(turn->instance_id.at + 2, turn->instance_id.size - 2);
    }
    bool has_entities = play_is_with_entities(&play);
    for (size_t i = 0; i < turn->event_count && !play.is_over; i++) {
        (has_entities ? play_follow_with_entities : follow)(&play, &turn->events[i]);
    }
    if (runner->later != NULL) {
        later_take_turn(runner->later, turn, past, ret);
        return RUNNER_LATER;
    }
    return RUNNER_DONE;
}

static enum runner_answer entity(struct runner *base, const struct turn *turn, struct arena *arena,
                                 struct entity_result *ret)
{
    enum runner_answer answer = chain_entity(base, turn, arena, ret);
    struct later *later = runner_of(base)->later;
    if (answer == RUNNER_DONE && later != NULL) {
        later_take_batch(later, turn, ret);
        return RUNNER_LATER;
    }
    return answer;
}

static bool dispatch(struct runner *base, struct activity *activity)
{
    struct later *later = runner_of(base)->later;
    return later != NULL && later_take_activity(later, activity);
}

static void cancel(struct runner *base, unsigned partition, uint64_t row, int32_t id)
{
    (void)partition;
    if (runner_of(base)->later != NULL) {
        later_cancel(runner_of(base)->later, row, id);
    }
}

static void record(struct runner *base, unsigned partition, uint64_t row, uint64_t number,
                   struct text bytes)
{
    (void)partition;
    (void)row;
    if (runner_of(base)->later != NULL) {
        later_record(runner_of(base)->later, number, bytes);
    }
}

static void forget(struct runner *base, unsigned partition, uint64_t row)
{
    (void)partition;
    (void)row;
    runner_of(base)->forgets++;
}

static void forget_all(struct runner *base, unsigned partition)
{
    (void)base;
    (void)partition;
}

/* ---- activities ------------------------------------------------------------------------------ */

static void say(struct activity_host *host, int number)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", number);
    host->ops->beat(host, text_of(text));
}

static void wait_at_gate(struct chain_runner *runner, struct activity_host *host, int number)
{
    while (atomic_load(&runner->is_gate_shut) && number >= runner->gate_opens_for) {
        if (runner->heeds_cancel && host->ops->is_cancelled(host)) {
            runner->cancelled++;
            return;
        }
        if (runner->beats_for_ever) {
            say(host, runner->beats);
        }
        usleep(1000);
    }
}

static void answer(struct chain_runner *runner, struct arena *arena, struct activity_result *ret)
{
    int left = atomic_load(&runner->to_fail);
    while (left > 0 && !atomic_compare_exchange_weak(&runner->to_fail, &left, left - 1)) {}
    *ret = (struct activity_result){ .payload = TEXT("\"done\"") };
    if (left > 0) {
        struct failure *failure = arena_alloc(arena, sizeof *failure);
        failure->type = TEXT("Refused");
        failure->message = TEXT("as it was told to");
        *ret = (struct activity_result){ .failure = failure };
    }
}

struct body {
    struct chain_runner *runner;
    struct arena *arena;
};

static bool transaction(void *argument, void *database, struct activity_result *ret)
{
    struct body *body = argument;
    int *number = database;
    (*number)++;
    answer(body->runner, body->arena, ret);
    return ret->failure == NULL;
}

static void activity(struct runner *base, const struct activity *activity,
                     struct activity_host *host, struct arena *arena, struct activity_result *ret)
{
    struct chain_runner *runner = runner_of(base);
    if (runner->is_deadly) {
        abort();
    }
    if (text_is_present(activity_progress(activity))) {
        runner->progress_seen = (int)strtol(activity_progress(activity).at, NULL, 10);
    }
    int number = runner->activities_begun++;
    if (runner->while_beating != NULL) {
        atomic_store(runner->while_beating, true);
    }
    for (int i = 1; host != NULL && i <= runner->beats; i++) {
        say(host, i);
    }
    if (runner->while_beating != NULL) {
        atomic_store(runner->while_beating, false);
    }
    wait_at_gate(runner, host, number);
    if (runner->has_transaction) {
        pd_error err;
        struct body body = { runner, arena };
        (void)host->ops->transact(host, transaction, &body, ret, &err);
    } else {
        answer(runner, arena, ret);
    }
    runner->activities_run++;
}

void chain_runner_init(struct chain_runner *runner)
{
    static const struct runner_ops ops = {
        .version = 4,
        .turn = turn,
        .forget = forget,
        .forget_all = forget_all,
        .activity = activity,
        .entity = entity,
        .dispatch = dispatch,
        .cancel = cancel,
        .record = record,
    };
    *runner = (struct chain_runner){ .base = { .ops = &ops } };
}
