/* SPDX-License-Identifier: MIT
 *
 * What a turn and an activity cost inside author, without core, store and engine.
 *
 *   bench_author [ROUNDS]
 *
 * Plays HelloCities of five activities with turns made by hand, many instances at a time: each is
 * begun, its five answers come one turn each, and it ends. The same again with every turn replayed,
 * then one replay of a long history, activities alone, and operations of an entity in batches, half
 * of them calls. Prints nanoseconds of processor time.
 * Not a test: nothing fails. */
#include <perdure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "author/author.h"
#include "base/base.h"
#include "core/turn.h"
#include "past.h"

enum { STEPS = 5, AT_A_TIME = 1000, PAST_MAX = 4 * STEPS };

static pd_result say_hello(pd_activity *a, pd_value city)
{
    return pd_ok(a, pd_format(a, "Hello %s!", pd_text(city)));
}

static pd_result hello_cities(pd_orchestration *o, pd_value input)
{
    static const char *const cities[STEPS] = { "Tokyo", "Seattle", "London", "Paris", "Lagos" };
    pd_list *greetings = pd_list_new(o);
    (void)input;
    for (int i = 0; i < STEPS; i++) {
        pd_list_add(greetings, pd_call_activity(o, say_hello, cities[i]));
    }
    return pd_ok(o, greetings);
}

static const pd_function program[] = {
    PD_FUNCTION("HelloCities", hello_cities),
    PD_FUNCTION("SayHello", say_hello),
};

static int64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Events of turn n: the start, or the answer to step n - 2. */
static size_t turn_events(uint64_t number, struct event events[2])
{
    events[0] = (struct event){ .kind = EVENT_ORCHESTRATOR_STARTED,
                                .id = EVENT_NO_ID,
                                .ref = EVENT_NO_ID,
                                .at = (time_us)number * 1000 };
    events[1] = (struct event){ .id = EVENT_NO_ID, .ref = EVENT_NO_ID };
    if (number == 1) {
        events[1].kind = EVENT_EXECUTION_STARTED;
        events[1].name = TEXT("HelloCities");
    } else {
        events[1].kind = EVENT_TASK_COMPLETED;
        events[1].ref = (int32_t)number - 2;
        events[1].payload = TEXT("\"Hello Tokyo!\"");
    }
    return 2;
}

/* The history before turn n. */
static size_t past_events(uint64_t number, struct event events[PAST_MAX])
{
    size_t n = 0;
    for (uint64_t turn = 1; turn < number; turn++) {
        n += turn_events(turn, &events[n]);
        events[n++] = (struct event){ .kind = EVENT_TASK_SCHEDULED,
                                      .id = (int32_t)turn - 1,
                                      .ref = EVENT_NO_ID,
                                      .name = TEXT("SayHello") };
    }
    return n;
}

static void turn(struct runner *runner, uint64_t row, uint64_t number, struct arena *arena,
                 bool is_replayed)
{
    struct event events[2], history[PAST_MAX];
    struct turn_result result;
    struct turn t = { .row = row,
                      .number = number,
                      .instance_id = TEXT("00000000000000000000000000000001"),
                      .execution_id = TEXT("00000000000000000000000000000002"),
                      .events = events };
    struct told_past past;
    t.event_count = turn_events(number, events);
    if (is_replayed) {
        told_past_init(&past, history, past_events(number, history));
    }
    enum runner_answer answer =
        runner->ops->turn(runner, &t, is_replayed ? &past.base : NULL, arena, &result);
    if (is_replayed) {
        told_past_done(&past);
    }
    if (answer != RUNNER_DONE || result.action_count != 1) {
        (void)fprintf(stderr, "turn %llu went wrong\n", (unsigned long long)number);
        exit(1);
    }
}

static double bench_turns(int rounds, bool is_replayed)
{
    pd_error err;
    struct author_options options = { .partition_count = 1, .is_drop_mode = is_replayed };
    struct runner *runner = author_new(PD_PROGRAM(program), &options, &err);
    struct arena arena;
    arena_init(&arena);
    int64_t began = now_ns();
    for (int round = 0; round < rounds; round++) {
        for (uint64_t number = 1; number <= STEPS + 1; number++) {
            for (uint64_t row = 1; row <= AT_A_TIME; row++) {
                turn(runner, (uint64_t)round * AT_A_TIME + row, number, &arena, is_replayed);
                arena_reset(&arena);
            }
        }
    }
    int64_t took = now_ns() - began;
    arena_done(&arena);
    author_free(runner);
    return (double)took / ((double)rounds * AT_A_TIME * (STEPS + 1));
}

static pd_result loop(pd_orchestration *o, pd_value input)
{
    for (int64_t i = 0; i < pd_int(input); i++) {
        pd_call_activity(o, say_hello, "Tokyo");
    }
    return pd_ok(o, PD_NULL);
}

/* One replay of a long history: nanoseconds for each of its events, three a turn. */
static double bench_long_replay(uint64_t turns)
{
    pd_error err;
    const pd_function looper[] = { PD_FUNCTION("HelloCities", loop),
                                   PD_FUNCTION("SayHello", say_hello) };
    struct runner *runner = author_new(PD_PROGRAM(looper), NULL, &err);
    struct event *history = mem_alloc(turns * 3 * sizeof *history);
    struct event events[2];
    struct told_past past;
    size_t count = past_events(turns, history);
    struct turn t = { .row = 1, .number = turns, .instance_id = TEXT("1"), .events = events };
    struct turn_result result;
    struct arena arena;
    arena_init(&arena);
    history[1].payload = TEXT("1000000000");
    told_past_init(&past, history, count);
    t.event_count = turn_events(turns, events);
    int64_t began = now_ns();
    (void)runner->ops->turn(runner, &t, &past.base, &arena, &result);
    int64_t took = now_ns() - began;
    author_free(runner);
    arena_done(&arena);
    told_past_done(&past);
    mem_free(history);
    return (double)took / (double)count;
}

static double bench_activities(int rounds)
{
    pd_error err;
    struct runner *runner = author_new(PD_PROGRAM(program), NULL, &err);
    struct arena arena;
    struct activity activity = { .id = 1,
                                 .first = 1,
                                 .instance_id = TEXT("00000000000000000000000000000001"),
                                 .execution_id = TEXT("00000000000000000000000000000002"),
                                 .name = TEXT("SayHello"),
                                 .input = TEXT("\"Tokyo\"") };
    arena_init(&arena);
    int64_t began = now_ns();
    for (int i = 0; i < rounds * AT_A_TIME; i++) {
        struct activity_result result;
        runner->ops->activity(runner, &activity, NULL, &arena, &result);
        arena_reset(&arena);
    }
    int64_t took = now_ns() - began;
    arena_done(&arena);
    author_free(runner);
    return (double)took / ((double)rounds * AT_A_TIME);
}

/* ---- entities -------------------------------------------------------------------------------- */

static pd_result counter(pd_entity *e, pd_value input)
{
    int64_t n = pd_int(pd_state(e));
    if (pd_op_is(e, "add"))
        n += pd_int(input);
    else if (!pd_op_is(e, "get"))
        return pd_fail(e, "UnknownOperation", "a counter cannot '%s'", pd_op(e));
    pd_set_state(e, n);
    return pd_ok(e, n);
}

static pd_result add_points(pd_entity *e, pd_value input)
{
    pd_value state = pd_state(e);
    pd_set_state(e, PD_OBJ("name", pd_get(state, "name"), "points",
                           pd_int(pd_get(state, "points")) + pd_int(input), "tags",
                           pd_get(state, "tags")));
    return pd_ok(e, PD_NULL);
}

static const pd_operation player_operations[] = { { "get", counter }, { "add", add_points } };
static const pd_function entities[] = { PD_FUNCTION("Counter", counter),
                                        PD_ENTITY_TABLE("Player", player_operations) };

/* Batches of so many operations each: nanoseconds for each operation. */
static double bench_operations(int rounds, const char *id, const char *state, size_t batch)
{
    enum { MOST = 100 };
    pd_error err;
    struct event events[1 + MOST] = { { .kind = EVENT_ORCHESTRATOR_STARTED, .at = 1000 } };
    struct runner *runner = author_new(PD_PROGRAM(entities), NULL, &err);
    struct arena arena;
    struct turn t = { .row = 1, .events = events, .event_count = 1 + batch };
    t.instance_id = text_of(id);
    size_t batches = (size_t)rounds * 10 * MOST / batch;
    for (size_t i = 1; i <= batch; i++) {
        events[i] =
            (struct event){ .kind = i % 2 == 0 ? EVENT_ENTITY_CALLED : EVENT_ENTITY_SIGNALED,
                            .name = TEXT("add"),
                            .payload = TEXT("1") };
    }
    arena_init(&arena);
    int64_t began = now_ns();
    char kept[256];
    t.state = text_of(state);
    for (size_t i = 0; i < batches; i++) {
        struct entity_result result;
        (void)runner->ops->entity(runner, &t, &arena, &result);
        if (result.result_count != batch || result.results[0].failure != NULL ||
            result.keeps_state) {
            (void)fprintf(stderr, "a batch went wrong\n");
            exit(1);
        }
        memcpy(kept, result.state.at, result.state.size);
        t.state = text_make(kept, result.state.size);
        arena_reset(&arena);
    }
    int64_t took = now_ns() - began;
    arena_done(&arena);
    author_free(runner);
    return (double)took / (double)(batches * batch);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200;
    rounds = rounds > 0 ? rounds : 1;
    (void)bench_turns(1, false); /* warm */
    printf("turn, stack kept      %7.0f ns\n", bench_turns(rounds, false));
    printf("turn, replayed        %7.0f ns\n", bench_turns(rounds, true));
    printf("replayed event, 10 k  %7.1f ns\n", bench_long_replay(3333));
    printf("replayed event, 1 M   %7.1f ns\n", bench_long_replay(333333));
    printf("activity              %7.0f ns\n", bench_activities(rounds));
    printf("operation, batch of 1   %5.0f ns\n", bench_operations(rounds, "@counter@1", "0", 1));
    printf("operation, batch of 100 %5.0f ns\n", bench_operations(rounds, "@counter@1", "0", 100));
    static const char player[] = "{\"name\":\"Ann\",\"points\":0,\"tags\":[\"a\",\"b\"]}";
    printf("of an object, of 1      %5.0f ns\n", bench_operations(rounds, "@player@1", player, 1));
    printf("of an object, of 100    %5.0f ns\n",
           bench_operations(rounds, "@player@1", player, 100));
    return 0;
}
