/* SPDX-License-Identifier: MIT */
#include "schedule_stage.h"

#include <stdio.h>

void stage_begin(struct stage *stage, uint64_t seed)
{
    pd_error err;
    struct author_options options = play_options;
    static const pd_function none[1];
    options.partition_count = 2;
    *stage = (struct stage){ .now = INT64_C(1774746000000) };
    random_seed(&stage->random, seed);
    buffer_init(&stage->state);
    stage->runner = author_new(none, 0, &options, &err);
    assert_non_null(stage->runner);
}

void stage_end(struct stage *stage)
{
    author_free(stage->runner);
    buffer_done(&stage->state);
}

const char *stage_run(struct stage *stage, const char *op, const char *payload, struct arena *arena,
                      struct entity_result *result)
{
    const time_us now = stage->now * 1000;
    const struct event events[2] = { { .kind = EVENT_ORCHESTRATOR_STARTED, .at = now },
                                     { .kind = EVENT_ENTITY_SIGNALED,
                                       .id = EVENT_NO_ID,
                                       .ref = EVENT_NO_ID,
                                       .at = now,
                                       .name = text_of(op),
                                       .payload = text_of(payload) } };
    struct turn turn = { .row = 5,
                         .partition = 1,
                         .events = events,
                         .event_count = 2,
                         .instance_id = TEXT("@perdure.schedule@k"),
                         .state =
                             stage->state.size != 0 ? buffer_text(&stage->state) : TEXT_ABSENT };
    assert_int_equal(stage->runner->ops->entity(stage->runner, &turn, arena, result), RUNNER_DONE);
    assert_int_equal(result->result_count, 1);
    const struct failure *failure = result->results[0].failure;
    return failure != NULL ? failure->type.at : NULL;
}

/* ---- what it has sent ----------------------------------------------------------------------- */

static void cancel_signal(struct stage *stage, struct text id)
{
    for (int i = 0; i < stage->signal_count; i++) {
        bool is_on_its_way = random_chance(&stage->random, 1, 3);
        if (text_equal(id, text_of(stage->signals[i].id)) && !is_on_its_way) {
            stage->signals[i--] = stage->signals[--stage->signal_count];
        }
    }
}

static void note_signal(struct stage *stage, const struct action *action)
{
    assert_true(stage->signal_count < SIGNALS);
    struct signal *signal = &stage->signals[stage->signal_count++];
    signal->at = action->fire_at / 1000;
    (void)snprintf(signal->id, sizeof signal->id, "%.*s", TEXT_ARGS(action->request_id));
    (void)snprintf(signal->op, sizeof signal->op, "%.*s", TEXT_ARGS(action->name));
    (void)snprintf(signal->payload, sizeof signal->payload, "%.*s", TEXT_ARGS(action->payload));
    long long generation = strtoll(signal->payload, NULL, 10);
    assert_true(generation > stage->generation); /* or an old one could be taken for it */
    stage->generation = generation;
}

static void note_start(const struct action *action, struct starts *got)
{
    static const char prefix[] = "perdure.run:";
    struct text id = action->instance_id;
    bool is_watched = text_equal(action->name, TEXT("perdure.run"));
    if (is_watched) {
        id = (struct text){ id.at + sizeof prefix - 1, id.size - (sizeof prefix - 1) };
    }
    assert_true(got->count < STARTS && id.size < sizeof(start_id));
    got->are_watched[got->count] = is_watched;
    (void)snprintf(got->ids[got->count++], sizeof(start_id), "%.*s", TEXT_ARGS(id));
}

void stage_commit(struct stage *stage, const struct entity_result *result, struct starts *got)
{
    for (size_t i = 0; i < result->action_count; i++) {
        const struct action *action = &result->actions[i];
        if (action->kind == ACTION_CANCEL_SIGNAL) {
            cancel_signal(stage, action->request_id);
        } else if (action->kind == ACTION_SIGNAL_ENTITY) {
            note_signal(stage, action);
        } else {
            note_start(action, got);
        }
    }
    if (!result->keeps_state) {
        buffer_reset(&stage->state);
        if (text_is_present(result->state)) {
            buffer_add_text(&stage->state, result->state);
            buffer_add_byte(&stage->state, '\0');
            stage->state.size--;
        }
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

const char *stage_do(struct stage *stage, const char *op, const char *payload, struct starts *got)
{
    static char type[64];
    struct arena arena;
    struct entity_result result;
    arena_init(&arena);
    const char *failure = stage_run(stage, op, payload, &arena, &result);
    (void)snprintf(type, sizeof type, "%s", failure != NULL ? failure : "");
    stage_commit(stage, &result, got);
    arena_done(&arena);
    return failure != NULL ? type : NULL;
}

bool stage_take_due(struct stage *stage, struct signal *ret)
{
    for (int i = 0; i < stage->signal_count; i++) {
        if (stage->signals[i].at <= stage->now) {
            *ret = stage->signals[i];
            stage->signals[i] = stage->signals[--stage->signal_count];
            return true;
        }
    }
    return false;
}

int stage_go_on(struct stage *stage, struct starts *got)
{
    struct signal signal;
    int count = 0;
    for (; stage_take_due(stage, &signal); count++) {
        assert_null(stage_do(stage, signal.op, signal.payload, got));
    }
    return count;
}

void stage_set_state(struct stage *stage, const char *json)
{
    buffer_reset(&stage->state);
    buffer_add_text(&stage->state, text_of(json));
    buffer_add_byte(&stage->state, '\0');
    stage->state.size--;
}

bool stage_has(const struct stage *stage, const char *part)
{
    return stage->state.size != 0 && strstr((const char *)stage->state.at, part) != NULL;
}
