/* SPDX-License-Identifier: MIT
 *
 * Entities, and orchestrations that use them: see chain_runner.h. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "chain_play.h"
#include "core/core.h"
#include "core/lock_set.h"

/* ---- orchestrations -------------------------------------------------------------------------- */

bool play_is_with_entities(const struct play *play)
{
    char program = play->turn->instance_id.at[0];
    return program != '\0' && strchr("AGQH", program) != NULL;
}

/* The text in a JSON string that needs no escapes; absent: it is none. */
static struct text inside(struct text json)
{
    bool is_string = json.size >= 2 && json.at[0] == '"';
    return is_string ? text_make(json.at + 1, json.size - 2) : TEXT_ABSENT;
}

static struct text request_id(struct play *play, int32_t step)
{
    char *id = arena_alloc(play->arena, REQUEST_ID_SIZE);
    request_id_of_step(play->turn->execution_id, step, id);
    return text_of(id);
}

static void say(struct play *play, enum action_kind kind, int32_t step, struct text to,
                struct text operation, struct text input)
{
    struct action *action = play_add(play, kind, step);
    action->instance_id = to;
    action->request_id = request_id(play, step);
    action->name = operation;
    action->payload = input;
}

/* The entities that the id names. */
static struct text lock_set(struct play *play)
{
    struct text ids[16];
    size_t count = 0;
    const char *at = play->rest.at, *end = at + play->rest.size;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;
        assert_that(count < sizeof ids / sizeof ids[0]);
        ids[count++] = text_make(at, (size_t)(stop - at));
        at = stop + (comma != NULL);
    }
    return lock_set_make(play->arena, ids, count);
}

static void lock(struct play *play)
{
    struct event_extra *extra = arena_alloc(play->arena, sizeof *extra);
    struct action *action = play_add(play, ACTION_LOCK, 0);
    extra->lock_set = lock_set(play);
    action->request_id = request_id(play, 0);
    action->extra = extra;
}

static void unlock_and_complete(struct play *play, int32_t step)
{
    struct text set = lock_set(play), id;
    for (size_t cursor = 0; lock_set_next(set, &cursor, &id); step++) {
        struct action *action = play_add(play, ACTION_UNLOCK, step);
        action->instance_id = id;
        action->request_id = request_id(play, 0);
    }
    play_complete(play, step, TEXT("\"unlocked\""));
}

static void signal_nine_times(struct play *play)
{
    for (int32_t i = 0; i < 9; i++) {
        struct text digit = text_of(arena_printf(play->arena, "%d", (int)i + 1));
        say(play, ACTION_SIGNAL_ENTITY, i, play->rest, TEXT("note"), digit);
    }
    play_complete(play, 9, TEXT("\"sent\""));
}

static void start(struct play *play, const struct event *event)
{
    struct text operation = inside(event->payload);
    switch (play->turn->instance_id.at[0]) {
    case 'A':
        say(play, ACTION_CALL_ENTITY, 0, play->rest,
            text_is_present(operation) ? operation : TEXT("add"), TEXT("1"));
        break;
    case 'G': signal_nine_times(play); break;
    default: lock(play); break;
    }
}

/* The next of those that are locked; none: it is over. */
static void call_next(struct play *play, size_t at)
{
    struct text id;
    if (lock_set_at(lock_set(play), at, &id)) {
        say(play, ACTION_CALL_ENTITY, (int32_t)at + 1, id, TEXT("add"), TEXT("1"));
    } else {
        unlock_and_complete(play, (int32_t)at + 1);
    }
}

void play_follow_with_entities(struct play *play, const struct event *event)
{
    char program = play->turn->instance_id.at[0];
    if (event->kind == EVENT_EXECUTION_STARTED) {
        start(play, event);
    } else if (event->kind == EVENT_ENTITY_FAILED) {
        play_fail(play, event->ref + 1, event->failure);
    } else if (event->kind == EVENT_ENTITY_COMPLETED && program == 'A') {
        play_complete(play, 1, event->payload);
    } else if (event->kind == EVENT_ENTITY_COMPLETED) {
        call_next(play, (size_t)event->ref);
    } else if (event->kind == EVENT_LOCK_GRANTED) {
        play->runner->grants++;
        if (program == 'Q') {
            call_next(play, 0);
        }
    } else if (event->kind == EVENT_EVENT_RAISED && text_equal(event->payload, TEXT("0"))) {
        play_complete(play, 1, TEXT("\"left\""));
    } else if (event->kind == EVENT_EVENT_RAISED) {
        unlock_and_complete(play, 1);
    }
}

/* ---- entities -------------------------------------------------------------------------------- */

struct batch_play {
    struct chain_runner *runner;
    struct arena *arena;
    const struct turn *turn;
    struct action actions[64];
    size_t action_count;
    struct text state;
};

static long number_of(struct text digits)
{
    long number = 0;
    for (size_t i = 0; i < digits.size; i++) {
        number = number * 10 + (digits.at[i] - '0');
    }
    return number;
}

static struct action *act(struct batch_play *play, enum action_kind kind, struct text to)
{
    assert_that(play->action_count < sizeof play->actions / sizeof play->actions[0]);
    struct action *action = &play->actions[play->action_count++];
    *action = (struct action){ .kind = kind,
                               .instance_id = text_copy(play->arena, to),
                               .request_id = TEXT("12345678-1234-1234-1234-123456789abc"),
                               .name = TEXT("add"),
                               .payload = TEXT("1") };
    return action;
}

static struct text ask_for_much(struct batch_play *play, int times)
{
    static char large[16 * 1024 * 1024];
    for (int i = 0; i < times; i++) {
        act(play, ACTION_SIGNAL_ENTITY, TEXT("@a@"))->payload = text_make(large, sizeof large);
    }
    return text_make(large, sizeof large);
}

static void operate(struct batch_play *play, const struct event *event,
                    struct operation_result *ret)
{
    static const struct failure refused = { .type = TEXT_INIT("Refused"),
                                            .message = TEXT_INIT("as it was told to") };
    struct text name = event->name;
    if (text_equal(name, TEXT("add"))) {
        long sum = number_of(play->state) + number_of(event->payload);
        play->state = text_of(arena_printf(play->arena, "%ld", sum));
    } else if (text_equal(name, TEXT("note"))) {
        play->state = text_of(arena_printf(play->arena, "%.*s%.*s", TEXT_ARGS(play->state),
                                           TEXT_ARGS(event->payload)));
    } else if (text_equal(name, TEXT("fail"))) {
        ret->failure = &refused;
    } else if (text_equal(name, TEXT("die"))) {
        abort();
    } else if (text_equal(name, TEXT("delete"))) {
        play->state = TEXT_ABSENT;
    } else if (text_equal(name, TEXT("large"))) {
        (void)ask_for_much(play, 40);
    } else if (text_equal(name, TEXT("brim"))) {
        play->state = TEXT("0");
        ret->payload = ask_for_much(play, 31); /* with this: 512 MiB */
        return;
    } else if (text_equal(name, TEXT("tell"))) {
        act(play, ACTION_SIGNAL_ENTITY, inside(event->payload));
    } else if (text_equal(name, TEXT("later"))) {
        act(play, ACTION_SIGNAL_ENTITY, play->turn->instance_id)->fire_at =
            play->turn->events[0].at + TIME_SECOND;
    } else if (text_equal(name, TEXT("start"))) {
        act(play, ACTION_START, inside(event->payload));
    }
    ret->payload = ret->failure == NULL ? play->state : TEXT_ABSENT;
}

enum runner_answer chain_entity(struct runner *base, const struct turn *turn, struct arena *arena,
                                struct entity_result *ret)
{
    struct chain_runner *runner = (struct chain_runner *)(void *)base;
    struct batch_play *play = arena_alloc(arena, sizeof *play);
    size_t count = turn->event_count - 1, most = (size_t)runner->batch_max;
    assert_that(turn_is_of_entity(turn) && count > 0); /* T5 */
    assert_that(turn->events[0].kind == EVENT_ORCHESTRATOR_STARTED);
    if (text_has_prefix(turn->instance_id, TEXT("@left@"))) {
        return RUNNER_LEAVES;
    }
    count = most != 0 && most < count ? most : count;
    struct operation_result *results = arena_alloc(arena, (count + 1) * sizeof *results);
    *play =
        (struct batch_play){ .runner = runner, .arena = arena, .turn = turn, .state = turn->state };
    for (size_t i = 0; i < count; i++) {
        operate(play, &turn->events[i + 1], &results[i]);
        runner->operations++;
    }
    runner->batches++;
    *ret = (struct entity_result){ .results = results,
                                   .result_count = count,
                                   .actions = play->actions,
                                   .action_count = play->action_count,
                                   .state = play->state,
                                   .keeps_state = play->state.at == turn->state.at };
    /* One more than there are. */
    ret->result_count += text_has_prefix(turn->instance_id, TEXT("@wrong@"));
    return RUNNER_DONE;
}
