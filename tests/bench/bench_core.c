/* SPDX-License-Identifier: MIT
 *
 * What core costs by itself: HelloCities (five activities, one after another, six turns, seventeen
 * events and the start) with a trivial runner and a trivial codec, no store and no threads.
 *
 * Rounds of some instances at once, so that turns share batches as they do under load. Everything
 * is counted: commands, turns, encoding, cut, committed, freeing of batches and activities.
 *
 * Then one instance that fans out to ten thousand activities, and to ten times as many, whose
 * results come in scattered order and a hundred a turn: the time for each must not grow.
 *
 * Then signals to entities: all to one, and spread over ten thousand; calls, which are answered;
 * and critical sections over two.
 *
 *   bench_core [INSTANCES AT ONCE] [ROUNDS]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/memory.h"
#include "core/core.h"

enum { STEPS = 5 };

/* ---- a codec: what any must do, numbers and texts behind each other ---- */

static void add_text(struct buffer *buffer, struct text text)
{
    if (text_is_present(text)) {
        buffer_add_byte(buffer, (uint8_t)text.size);
        buffer_add_text(buffer, text);
    }
}

static void codec_event(struct buffer *buffer, const struct event *event)
{
    struct {
        int32_t kind, id, ref;
        time_us at, fire_at;
    } head = { (int32_t)event->kind, event->id, event->ref, event->at, event->fire_at };
    buffer_add(buffer, &head, sizeof head);
    add_text(buffer, event->name);
    add_text(buffer, event->version);
    add_text(buffer, event->payload);
    add_text(buffer, event->instance_id);
    add_text(buffer, event->execution_id);
}

static void codec_failure(struct buffer *buffer, const struct failure *failure)
{
    add_text(buffer, failure->message);
}

static const struct codec codec = { codec_event, codec_failure };

/* ---- the runner ---- */

static void run_turns(struct core *core, time_us now)
{
    const struct turn *turn;
    while (core_next_turn(core, now, &turn)) {
        struct action action = { .kind = ACTION_SCHEDULE_TASK, .id = (int32_t)turn->number - 1 };
        action.name = TEXT("SayHello");
        action.payload = TEXT("\"Tokyo\"");
        if (turn->number > STEPS) {
            action.kind = ACTION_COMPLETE;
            action.outcome = RUN_COMPLETED;
            action.payload = TEXT("[\"Hello Tokyo!\",\"Hello Seattle!\",\"Hello London!\"]");
        }
        core_end_turn(core, now, turn,
                      &(struct turn_result){ .actions = &action, .action_count = 1 });
    }
}

static void start_all(struct core *core, time_us now, int instances)
{
    for (int i = 0; i < instances; i++) {
        char id[40];
        char execution[40];
        pd_error err;
        int id_size = snprintf(id, sizeof id, "hello-cities-%08d", i);
        int execution_size = snprintf(execution, sizeof execution, "%032d", i);
        struct start_command command = {
            .id = text_make(id, (size_t)id_size),
            .execution_id = text_make(execution, (size_t)execution_size),
            .name = TEXT("HelloCities"),
            .input = TEXT("null"),
        };
        if (core_start(core, now, &command, &err) != PD_OK) {
            abort();
        }
    }
}

/* Commits what there is, and runs the activities that it releases; false: there are none. */
static bool commit(struct core *core, time_us now)
{
    struct batch *batch = core_cut(core);
    if (batch == NULL) {
        return false;
    }
    core_committed(core, batch);
    struct list_node *node;
    while ((node = list_pop_front(&batch->activities)) != NULL) {
        struct activity *activity = CONTAINER_OF(node, struct activity, node);
        struct activity_result result = { .payload = TEXT("\"Hello Tokyo!\"") };
        struct instance *instance = core_find_row(core, activity->row);
        core_complete_activity(core, now, instance, activity->execution_id, activity->id, &result);
        activity_free(activity);
    }
    batch_free(batch);
    return true;
}

static double seconds(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* ---- fan-out ---- */

static void fan_out(int32_t width)
{
    struct core_options options = { .partition_count = 1, .row_next = 1, .codec = &codec };
    struct core *core = core_new(&options);
    const struct turn *turn;
    double begin = seconds();
    start_all(core, TIME_SECOND, 1);
    struct action *actions = mem_alloc((size_t)width * sizeof *actions);
    for (int32_t i = 0; i < width; i++) {
        actions[i] = (struct action){ .kind = ACTION_SCHEDULE_TASK, .id = i };
        actions[i].name = TEXT("SayHello");
        actions[i].payload = TEXT("\"Tokyo\"");
    }
    core_next_turn(core, TIME_SECOND, &turn);
    core_end_turn(core, TIME_SECOND, turn,
                  &(struct turn_result){ .actions = actions, .action_count = (size_t)width });
    batch_free(core_cut(core));
    for (int32_t i = 0; i < width; i++) {
        int32_t id = (int32_t)((int64_t)i * 7919 % width);
        struct instance *instance = core_find_row(core, 1);
        struct activity_result result = { .payload = TEXT("\"Hello Tokyo!\"") };
        char execution[40];
        int size = snprintf(execution, sizeof execution, "%032d", 0);
        if (!core_complete_activity(core, TIME_SECOND, instance, text_make(execution, (size_t)size),
                                    id, &result)) {
            abort();
        }
        if (i % 100 == 99) {
            core_next_turn(core, TIME_SECOND, &turn);
            core_end_turn(core, TIME_SECOND, turn, &(struct turn_result){ 0 });
        }
    }
    printf("fan-out of %" PRId32 ": %.0f ns an activity\n", width,
           (seconds() - begin) * 1e9 / (double)width);
    mem_free(actions);
    core_free(core);
}

/* ---- entities ---- */

/* Each operation makes another state, of the same size. */
static void run_operations(struct core *core, time_us now)
{
    static struct operation_result results[LIMIT_TURN_EVENTS];
    static unsigned count;
    const struct turn *turn;
    while (core_next_turn(core, now, &turn)) {
        char state[16];
        int size = snprintf(state, sizeof state, "%010u", ++count);
        struct entity_result result = {
            .results = results,
            .result_count = turn->event_count - 1,
            .state = text_make(state, (size_t)size),
        };
        if (!core_takes_entity_result(core, turn, &result)) {
            abort();
        }
        core_end_entity_turn(core, now, turn, &result);
    }
}

static void settle(struct core *core)
{
    struct batch *batch = core_cut(core);
    if (batch != NULL) {
        core_committed(core, batch);
        core_reuse(core, batch);
    }
}

static struct instance *entity_at(struct core *core, int number)
{
    char id[32];
    int size = snprintf(id, sizeof id, "@counter@%06d", number);
    struct instance *entity = core_find(core, text_make(id, (size_t)size));
    return entity != NULL ? entity : core_make_entity(core, text_make(id, (size_t)size));
}

/* A thousand in a batch. */
static void signals(int entities, bool are_calls)
{
    enum { ROUNDS = 2000, AT_ONCE = 1000 };
    struct core_options options = { .partition_count = 1, .row_next = 1, .codec = &codec };
    struct core *core = core_new(&options);
    struct event_extra extra = { .has_parent = true };
    extra.parent_id = TEXT("somebody");
    extra.parent_execution_id = TEXT("0123456789abcdef0123456789abcdef");
    struct event event = { .kind = are_calls ? EVENT_ENTITY_CALLED : EVENT_ENTITY_SIGNALED };
    event.name = TEXT("add");
    event.payload = TEXT("1");
    event.request_id = TEXT("01234567-89ab-8def-8123-456789abcdef");
    event.extra = are_calls ? &extra : NULL;
    pd_error err;
    int next = 0;
    double begin = seconds();
    for (time_us now = 1; now <= ROUNDS; now++) {
        for (int i = 0; i < AT_ONCE; i++) {
            next = next + 1 < entities ? next + 1 : 0;
            if (core_operate(core, now, entity_at(core, next), &event, &err) != PD_OK) {
                abort();
            }
        }
        run_operations(core, now);
        while (core_next_letter(core) != NULL) {}
        settle(core);
    }
    double took = seconds() - begin;
    double count = (double)core_counters(core).operations;
    printf("%s of %d entities: %.0f ns each, %.0f a second\n", are_calls ? "calls" : "signals",
           entities, took * 1e9 / count, count / took);
    core_free(core);
}

static void deliver(struct core *core, time_us now)
{
    const struct letter *letter;
    pd_error err;
    while ((letter = core_next_letter(core)) != NULL) {
        struct instance *entity = core_find(core, letter->instance_id);
        if (letter->kind == MESSAGE_OPERATION) {
            if (core_operate(core, now, entity, letter->event, &err) != PD_OK) {
                abort();
            }
        } else if (letter->kind == MESSAGE_UNLOCK) {
            core_unlock(core, now, entity, letter->event);
        }
    }
}

/* A hundred in a batch: two locks, their grant, two unlockings. */
static void sections(void)
{
    enum { ROUNDS = 2000, AT_ONCE = 100 };
    struct core_options options = { .partition_count = 1, .row_next = 1, .codec = &codec };
    struct core *core = core_new(&options);
    struct event_extra extra = { .has_parent = true };
    extra.parent_id = TEXT("somebody");
    extra.parent_execution_id = TEXT("0123456789abcdef0123456789abcdef");
    extra.lock_set = TEXT("@counter@000000\n@counter@000001\n");
    struct event event = { .request_id = TEXT("01234567-89ab-8def-8123-456789abcdef") };
    event.extra = &extra;
    pd_error err;
    double begin = seconds();
    struct instance *first = entity_at(core, 0);
    (void)entity_at(core, 1);
    for (time_us now = 1; now <= ROUNDS; now++) {
        for (int i = 0; i < AT_ONCE; i++) {
            event.kind = EVENT_LOCK_REQUESTED;
            if (core_operate(core, now, first, &event, &err) != PD_OK) {
                abort();
            }
            deliver(core, now);
            event.kind = EVENT_UNLOCK_SENT;
            core_unlock(core, now, first, &event);
            deliver(core, now);
        }
        settle(core);
    }
    double took = seconds() - begin;
    if (core_counters(core).unlocks != 2 * ROUNDS * AT_ONCE) {
        abort();
    }
    printf("sections over two entities: %.0f ns each\n", took * 1e9 / (ROUNDS * AT_ONCE));
    core_free(core);
}

int main(int argc, char **argv)
{
    int instances = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1000;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 200;
    struct core_options options = { .partition_count = 1, .row_next = 1, .codec = &codec };
    struct core *core = core_new(&options);
    time_us now = TIME_SECOND;
    double begin = seconds();
    for (int round = 0; round < rounds; round++) {
        start_all(core, now, instances);
        do {
            now += TIME_MS;
            run_turns(core, now);
        } while (commit(core, now));
    }
    double took = seconds() - begin;
    struct core_counters counters = core_counters(core);
    printf("%" PRIu64 " turns, %" PRIu64 " events, %" PRIu64 " endings in %.3f s CPU\n",
           counters.turns, counters.events, counters.endings, took);
    printf("%.0f ns a turn, %.0f ns an event\n", took * 1e9 / (double)counters.turns,
           took * 1e9 / (double)counters.events);
    core_free(core);
    fan_out(10000);
    fan_out(100000);
    signals(1, false);
    signals(10000, false);
    signals(1, true);
    sections();
    return 0;
}
