/* SPDX-License-Identifier: MIT
 *
 * What an event costs as bytes: written, and read back, without a store and without core.
 *
 * The events are those of HelloCities (five activities, one after another), none of which has
 * anything in `extra`: the plain path. Then one that has tags, for comparison. The best of many
 * rounds counts, so that a busy machine spoils little.
 *
 *   bench_wire [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wire/wire.h"

enum { STEPS = 5, EVENTS = 3 + 3 * STEPS, TIMES = 2000 };

static void fill(struct event *events)
{
    time_us at = INT64_C(1767225600123456);
    size_t n = 0;
    events[n++] = (struct event){ .kind = EVENT_ORCHESTRATOR_STARTED, .id = -1, .ref = -1 };
    events[n++] = (struct event){ .kind = EVENT_EXECUTION_STARTED,
                                  .id = -1,
                                  .ref = -1,
                                  .name = TEXT("HelloCities"),
                                  .payload = TEXT("null"),
                                  .instance_id = TEXT("hello-cities-00000001"),
                                  .execution_id = TEXT("0123456789abcdef0123456789abcdef") };
    for (int32_t i = 0; i < STEPS; i++) {
        events[n++] = (struct event){ .kind = EVENT_TASK_SCHEDULED,
                                      .id = i,
                                      .ref = -1,
                                      .name = TEXT("SayHello"),
                                      .payload = TEXT("\"Tokyo\"") };
        events[n++] = (struct event){ .kind = EVENT_ORCHESTRATOR_STARTED, .id = -1, .ref = -1 };
        events[n++] = (struct event){
            .kind = EVENT_TASK_COMPLETED, .id = -1, .ref = i, .payload = TEXT("\"Hello Tokyo!\"")
        };
    }
    events[n++] = (struct event){ .kind = EVENT_EXECUTION_COMPLETED,
                                  .id = STEPS,
                                  .ref = -1,
                                  .outcome = RUN_COMPLETED,
                                  .payload = TEXT("[\"Hello Tokyo!\",\"Hello Seattle!\"]") };
    for (size_t i = 0; i < n; i++) {
        events[i].at = at + (time_us)i;
    }
}

static double seconds(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

struct result {
    double write_ns, read_ns; /* an event */
    size_t bytes;
};

static struct result measure(const struct event *events, size_t count, int rounds)
{
    struct result best = { 1e9, 1e9, 0 };
    struct buffer buffer;
    struct arena arena;
    pd_error err;
    buffer_init(&buffer);
    arena_init(&arena);
    for (int round = 0; round < rounds; round++) {
        double begin = seconds();
        for (int i = 0; i < TIMES; i++) {
            buffer_reset(&buffer);
            for (size_t k = 0; k < count; k++) {
                wire_write_event(&buffer, &events[k]);
            }
        }
        double written = seconds();
        for (int i = 0; i < TIMES; i++) {
            struct wire_events back = { 0 };
            arena_reset(&arena);
            if (wire_read_events(buffer_text(&buffer), &arena, &back, &err) != PD_OK ||
                back.count != count) {
                abort();
            }
        }
        double each = 1e9 / TIMES / (double)count;
        double write_ns = (written - begin) * each;
        double read_ns = (seconds() - written) * each;
        best.write_ns = write_ns < best.write_ns ? write_ns : best.write_ns;
        best.read_ns = read_ns < best.read_ns ? read_ns : best.read_ns;
    }
    best.bytes = buffer.size;
    buffer_done(&buffer);
    arena_done(&arena);
    return best;
}

static void tell(const char *what, struct result result, size_t count)
{
    printf("%-12s %5.1f ns to write an event, %5.1f ns to read one; %.1f bytes\n", what,
           result.write_ns, result.read_ns, (double)result.bytes / (double)count);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200;
    struct event events[EVENTS];
    fill(events);
    tell("HelloCities", measure(events, EVENTS, rounds), EVENTS);

    struct event_extra extra = { .tags = TEXT("\x1eregion\x1f"
                                              "eu\x1etier\x1fgold\x1e") };
    struct event tagged = events[2];
    tagged.extra = &extra;
    tell("with tags", measure(&tagged, 1, rounds), 1);
    return 0;
}
