/* SPDX-License-Identifier: MIT
 *
 * What work costs on its way to a worker and back, without broker, connection or core: the turns
 * and activities of HelloCities. The best of many rounds counts.
 *
 *   bench_work [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wire/work.h"

enum { TIMES = 2000 };

static const char token[] = "0123456789abcdef0123456789abcdef";

/* Turn 4: three activities are done, the third has just ended. */
static const struct event past[] = {
    { .kind = EVENT_ORCHESTRATOR_STARTED, .id = -1, .ref = -1, .at = 1767225600123456 },
    { .kind = EVENT_EXECUTION_STARTED,
      .id = -1,
      .ref = -1,
      .at = 1767225600123457,
      .name = TEXT_INIT("HelloCities"),
      .payload = TEXT_INIT("null"),
      .instance_id = TEXT_INIT("hello-cities-00000001"),
      .execution_id = TEXT_INIT("0123456789abcdef0123456789abcdef") },
#define STEP(n)                                                                              \
    { .kind = EVENT_TASK_SCHEDULED,                                                          \
      .id = (n),                                                                             \
      .ref = -1,                                                                             \
      .at = 1767225600123460 + (n),                                                          \
      .name = TEXT_INIT("SayHello"),                                                         \
      .payload = TEXT_INIT("\"Tokyo\"") },                                                   \
        { .kind = EVENT_ORCHESTRATOR_STARTED, .id = -1, .ref = -1, .at = 1767225600123461 }, \
    {                                                                                        \
        .kind = EVENT_TASK_COMPLETED, .id = -1, .ref = (n), .at = 1767225600123462,          \
        .payload = TEXT_INIT("\"Hello Tokyo!\"")                                             \
    }
    STEP(0),
    STEP(1),
    STEP(2),
};
enum { PAST = 8, NEW = 2 };

static struct turn turn = {
    .row = 123456,
    .number = 4,
    .serial = UINT64_C(1) << 41,
    .partition = 3,
    .instance_id = TEXT_INIT("hello-cities-00000001"),
    .execution_id = TEXT_INIT("0123456789abcdef0123456789abcdef"),
    .name = TEXT_INIT("HelloCities"),
    .events = past + PAST + 1,
    .event_count = NEW,
};
static const struct activity activity = {
    .row = 123456,
    .id = 3,
    .first = 3,
    .instance_id = TEXT_INIT("hello-cities-00000001"),
    .execution_id = TEXT_INIT("0123456789abcdef0123456789abcdef"),
    .name = TEXT_INIT("SayHello"),
    .input = TEXT_INIT("\"Tokyo\""),
    .epoch = 7,
};
static const struct action action = { .kind = ACTION_SCHEDULE_TASK,
                                      .id = 4,
                                      .name = TEXT_INIT("SayHello"),
                                      .payload = TEXT_INIT("\"Seattle\"") };

static struct buffer buffer;
static struct arena arena;
static struct text chunk, bytes; /* what is spliced; what is read */
static pd_error err;

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void write_turn(void)
{
    work_write_turn(&buffer, WORK_PLAIN, &turn, PAST_INLINE, &chunk, 1, TEXT_ABSENT);
}

static void write_our_turn(void)
{
    work_write_turn(&buffer, WORK_OURS, &turn, PAST_KNOWN, NULL, 0, TEXT_ABSENT);
}

static void write_our_activity(void)
{
    work_write_activity(&buffer, WORK_OURS, &activity);
}

static void read_item(void)
{
    struct work_item item;
    must(work_read_item(bytes, &arena, &item, &err) == PD_OK);
}

static void write_turn_result(void)
{
    struct turn_result result = { .actions = &action, .action_count = 1 };
    work_write_turn_result(&buffer, text_of(token), &turn, &result);
}

static void read_turn_result(void)
{
    struct hub_orchestrator_response response;
    struct turn_result result;
    const struct hub_orchestrator_response *parts[] = { &response };
    const struct work_context context = { .instance_id = turn.instance_id,
                                          .execution_id = turn.execution_id };
    must(message_read(&hub_orchestrator_response_type, bytes, &arena, &response, &err) == PD_OK);
    must(work_read_turn_result(parts, 1, &context, &arena, &result, &err) == PD_OK);
    must(result.action_count == 1);
}

static void write_activity_result(void)
{
    struct activity_result result = { .payload = TEXT("\"Hello Tokyo!\"") };
    work_write_activity_result(&buffer, text_of(token), &activity, &result);
}

static void read_activity_result(void)
{
    struct hub_activity_response response;
    struct activity_result result;
    must(message_read(&hub_activity_response_type, bytes, &arena, &response, &err) == PD_OK);
    must(work_read_activity_result(&response, &arena, &result, &err) == PD_OK);
}

static double seconds(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void measure(const char *what, void (*work)(void), int rounds)
{
    double best = 1e9;
    for (int round = 0; round < rounds; round++) {
        double begin = seconds();
        for (int i = 0; i < TIMES; i++) {
            buffer_reset(&buffer);
            arena_reset(&arena);
            work();
        }
        double ns = (seconds() - begin) * 1e9 / TIMES;
        best = ns < best ? ns : best;
    }
    printf("%-52s %6.0f ns  %4zu bytes\n", what, best, buffer.size != 0 ? buffer.size : bytes.size);
}

/* Written, and then read what was written. */
static void both(const char *what, void (*write)(void), void (*read)(void), int rounds)
{
    static char copy[4096];
    char name[80];
    (void)snprintf(name, sizeof name, "write %s", what);
    measure(name, write, rounds);
    must(buffer.size <= sizeof copy);
    memcpy(copy, buffer.at, buffer.size);
    bytes = text_make(copy, buffer.size);
    (void)snprintf(name, sizeof name, "read  %s", what);
    measure(name, read, rounds);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200;
    buffer_init(&buffer);
    arena_init(&arena);
    struct buffer stored;
    buffer_init(&stored);
    for (size_t i = 0; i < PAST; i++) {
        wire_write_event(&stored, &past[i]);
    }
    chunk = buffer_text(&stored);
    measure("write a turn for others: 8 events of the past, 2 new", write_turn, rounds);
    both("a turn for ours: 2 events, the past known", write_our_turn, read_item, rounds);
    both("a turn's result: 1 activity", write_turn_result, read_turn_result, rounds);
    both("an activity for ours", write_our_activity, read_item, rounds);
    both("an activity's result", write_activity_result, read_activity_result, rounds);
    buffer_done(&stored);
    buffer_done(&buffer);
    arena_done(&arena);
    return 0;
}
