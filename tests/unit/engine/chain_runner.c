/* SPDX-License-Identifier: MIT
 *
 * A runner for tests: see chain_runner.h. */
#include "chain_runner.h"

#include <string.h>
#include <unistd.h>

#include "base/assert.h"

static struct action *add(struct arena *arena, struct turn_result *ret, enum action_kind kind,
                          int32_t id)
{
    struct action *actions = arena_alloc(arena, (ret->action_count + 1) * sizeof *actions);
    if (ret->action_count > 0) {
        memcpy(actions, ret->actions, ret->action_count * sizeof *actions);
    }
    struct action *action = &actions[ret->action_count++];
    action->kind = kind;
    action->id = id;
    ret->actions = actions;
    return action;
}

static void complete(struct arena *arena, struct turn_result *ret, int32_t id, struct text payload)
{
    struct action *action = add(arena, ret, ACTION_COMPLETE, id);
    action->outcome = RUN_COMPLETED;
    action->payload = payload;
}

static void ask(struct arena *arena, struct turn_result *ret, int32_t id)
{
    struct action *action = add(arena, ret, ACTION_SCHEDULE_TASK, id);
    action->name = TEXT("Step");
    action->payload = TEXT("null");
}

/* See chain_runner.h for the programs. */
static void follow(const struct turn *turn, const struct event *event, struct arena *arena,
                   struct turn_result *ret)
{
    char program = turn->instance_id.at[0];
    switch (event->kind) {
    case EVENT_EXECUTION_STARTED:
        if (program == 'L') {
            static char large[16 * 1024 * 1024];
            for (int32_t i = 0; i < 40; i++) {
                struct action *action = add(arena, ret, ACTION_SCHEDULE_TASK, i);
                action->name = TEXT("Step");
                action->payload = text_make(large, sizeof large);
            }
        } else if (program == 'T') {
            struct action *action = add(arena, ret, ACTION_CREATE_TIMER, 0);
            action->fire_at = turn->events[0].at + TIME_SECOND;
        } else if (program != 'E') {
            ask(arena, ret, 0);
        }
        break;
    case EVENT_TASK_COMPLETED:
        if (event->ref + 1 < program - '0') {
            ask(arena, ret, event->ref + 1);
        } else {
            complete(arena, ret, event->ref + 1, TEXT("\"end of chain\""));
        }
        break;
    case EVENT_TIMER_FIRED: complete(arena, ret, 1, TEXT("\"slept\"")); break;
    case EVENT_EVENT_RAISED:
        if (program == 'E') {
            complete(arena, ret, 0, text_copy(arena, event->payload)); /* T4 */
        }
        break;
    case EVENT_UNKNOWN:
    case EVENT_EXECUTION_COMPLETED:
    case EVENT_EXECUTION_TERMINATED:
    case EVENT_TASK_SCHEDULED:
    case EVENT_TASK_FAILED:
    case EVENT_CHILD_CREATED:
    case EVENT_CHILD_COMPLETED:
    case EVENT_CHILD_FAILED:
    case EVENT_TIMER_CREATED:
    case EVENT_ORCHESTRATOR_STARTED:
    case EVENT_ORCHESTRATOR_COMPLETED:
    case EVENT_EVENT_SENT:
    case EVENT_EXECUTION_SUSPENDED:
    case EVENT_EXECUTION_RESUMED:
    case EVENT_EXECUTION_REWOUND:
    case EVENT_STEP_CANCELLED:
    case EVENT_CHANGE_MARKED: break;
    }
}

static enum runner_answer turn(struct runner *base, const struct turn *turn,
                               const struct past *past, struct arena *arena,
                               struct turn_result *ret)
{
    struct chain_runner *runner = (struct chain_runner *)(void *)base;
    if (runner->is_forgetful && turn->number > 1) {
        if (past == NULL) {
            return RUNNER_NEEDS_HISTORY;
        }
        assert_that(past->event_count > 0 && past->events[1].kind == EVENT_EXECUTION_STARTED);
    }
    runner->turns++;
    *ret = (struct turn_result){ 0 };
    for (size_t i = 0; i < turn->event_count; i++) {
        bool is_over =
            ret->action_count > 0 && ret->actions[ret->action_count - 1].kind == ACTION_COMPLETE;
        if (!is_over) {
            follow(turn, &turn->events[i], arena, ret);
        }
    }
    return RUNNER_DONE;
}

static void forget(struct runner *base, unsigned partition, uint64_t row)
{
    (void)partition;
    (void)row;
    ((struct chain_runner *)(void *)base)->forgets++;
}

static void forget_all(struct runner *base, unsigned partition)
{
    (void)base;
    (void)partition;
}

static void activity(struct runner *base, const struct activity *activity,
                     struct activity_host *host, struct arena *arena, struct activity_result *ret)
{
    struct chain_runner *runner = (struct chain_runner *)(void *)base;
    (void)activity;
    (void)host;
    (void)arena;
    runner->activities_begun++;
    while (atomic_load(&runner->is_gate_shut)) {
        usleep(1000);
    }
    runner->activities_run++;
    *ret = (struct activity_result){ .payload = TEXT("\"done\"") };
}

void chain_runner_init(struct chain_runner *runner)
{
    static const struct runner_ops ops = {
        .version = 2,
        .turn = turn,
        .forget = forget,
        .forget_all = forget_all,
        .activity = activity,
    };
    *runner = (struct chain_runner){ .base = { .ops = &ops } };
}
