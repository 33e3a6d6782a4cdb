/* SPDX-License-Identifier: MIT
 *
 * Making what an enemy writes; see hostile_make.h. Much of it is what could be, so that it gets
 * past the first look.
 */
#include "hostile_make.h"

#include <string.h>

#include "base/limits.h"

enum { TURNS_MAX = 5, EVENTS_MAX = 7, WAITING_MAX = 4 };

uint64_t hostile_below(uint64_t *state, uint64_t limit)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % limit;
}

bool hostile_once_in(uint64_t *state, uint64_t n)
{
    return hostile_below(state, n) == 0;
}

static struct text some_entity(uint64_t *random)
{
    static const char *const ids[] = { "@counts@x", "@counts@y", "@counts@z", "@Counts@x",
                                       "@nobody@x", "@",         "@@",        "x" };
    return text_of(HOSTILE_PICK(random, ids));
}

static struct text some_id(uint64_t *random)
{
    static const char *const ids[] = { "a", "b", "c", "d", "a", "b", "c", "d", "", "@x", "p/q" };
    return text_of(HOSTILE_PICK(random, ids));
}

static struct text some_name(uint64_t *random)
{
    static const char *const names[] = { "Waits", "Asks",   "Ends", "Loops",  "Nothing", "Locks",
                                         "go",    "Breaks", "GO",   "Counts", "",        "Nobody" };
    return text_of(HOSTILE_PICK(random, names));
}

static struct text some_payload(uint64_t *random)
{
    static const char *const payloads[] = {
        "null", "1", "\"x\"", "{\"a\":[1,2]}", "", "{", "\xff"
    };
    return hostile_once_in(random, 4) ? TEXT_ABSENT : text_of(HOSTILE_PICK(random, payloads));
}

static struct text some_execution(uint64_t *random)
{
    static char large[4000];
    memset(large, 'e', sizeof large - 1);
    switch (hostile_below(random, 24)) {
    case 0: return text_of(large);
    case 1: return text_make("e\0f", 3);
    case 2: return TEXT("e/f");
    case 3: return TEXT("");
    default: return hostile_below(random, 2) == 0 ? TEXT("e1") : TEXT("e2");
    }
}

static time_us some_time(uint64_t *random)
{
    static const time_us far[] = { INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1, INT64_MAX };
    return hostile_once_in(random, 6) ? HOSTILE_PICK(random, far)
                                      : (time_us)(1000 + hostile_below(random, 40));
}

static int32_t some_step(uint64_t *random)
{
    static const int32_t odd[] = { INT32_MIN, -1, INT32_MAX, 1000000, HOSTILE_FAN, 5, 9 };
    return hostile_once_in(random, 6) ? HOSTILE_PICK(random, odd)
                                      : (int32_t)hostile_below(random, 5);
}

static const struct failure *some_failure(uint64_t *random, struct arena *arena)
{
    struct failure *failure = arena_alloc(arena, sizeof *failure);
    failure->type = TEXT("Broken");
    failure->message = TEXT("by an enemy");
    failure->is_final = hostile_once_in(random, 2);
    return failure;
}

static const struct event_extra *some_extra(uint64_t *random, struct arena *arena)
{
    struct event_extra *extra = arena_alloc(arena, sizeof *extra);
    extra->progress = some_payload(random);
    extra->limits.start_ms = hostile_once_in(random, 3) ? some_time(random) : 0;
    extra->limits.run_ms = hostile_once_in(random, 3) ? some_time(random) : 0;
    extra->retry_of = hostile_once_in(random, 2) ? some_step(random) : 0;
    extra->recurses = hostile_once_in(random, 2);
    extra->has_parent = hostile_once_in(random, 2);
    extra->parent_step = some_step(random);
    extra->parent_id = some_id(random);
    extra->parent_execution_id = some_execution(random);
    extra->parent_name = some_name(random);
    extra->parent_version = TEXT("");
    static const char *const sets[] = { "@counts@x\n@counts@y\n",
                                        "@counts@y\n@counts@x\n",
                                        "",
                                        "@counts@x\n@counts@x\n",
                                        "@Counts@x\n",
                                        "\n",
                                        "x\n" };
    extra->lock_set =
        hostile_once_in(random, 2) ? text_of(HOSTILE_PICK(random, sets)) : TEXT_ABSENT;
    extra->position = hostile_once_in(random, 4) ? some_step(random) : 0;
    return extra;
}

static struct event some_event(uint64_t *random, struct arena *arena, enum event_kind kind)
{
    static const enum run_state ways[] = { RUN_COMPLETED, RUN_FAILED, RUN_TERMINATED };
    return (struct event){
        .kind = kind,
        .id = some_step(random),
        .ref = some_step(random),
        .at = some_time(random),
        .fire_at = some_time(random),
        .name = some_name(random),
        .version = hostile_once_in(random, 2) ? TEXT("2") : TEXT_ABSENT,
        .payload = some_payload(random),
        .instance_id = some_id(random),
        .execution_id = some_execution(random),
        .outcome = HOSTILE_PICK(random, ways),
        .failure = some_failure(random, arena),
        .extra = hostile_once_in(random, 2) ? some_extra(random, arena) : NULL,
    };
}

static enum event_kind some_kind(uint64_t *random)
{
    static const enum event_kind kinds[] = {
#define X(kind, wire, name) EVENT_##kind,
        EVENT_MAP(X)
#undef X
    };
    return HOSTILE_PICK(random, kinds);
}

static enum event_kind some_input(uint64_t *random)
{
    enum event_kind kind;
    do {
        kind = some_kind(random);
    } while (event_role(kind) != ROLE_INPUT || kind == EVENT_EXECUTION_STARTED);
    return kind;
}

static struct event some_asked_of_entity(uint64_t *random, struct arena *arena,
                                         enum event_kind kind)
{
    static const char *const ids[] = { "00000000-0000-7000-8000-000000000001", "r", "", "e1" };
    struct event event = some_event(random, arena, kind);
    event.instance_id = some_entity(random);
    event.request_id =
        hostile_once_in(random, 4) ? TEXT_ABSENT : text_of(HOSTILE_PICK(random, ids));
    event.extra = hostile_once_in(random, 4) ? event.extra : some_extra(random, arena);
    return event;
}

/* Mostly what a step is, numbered as steps are, so that much of it gets past the first look. */
static struct event some_asked(uint64_t *random, struct arena *arena, int32_t *step)
{
    static const enum event_kind kinds[] = { EVENT_TASK_SCHEDULED, EVENT_TIMER_CREATED,
                                             EVENT_CHILD_CREATED };
    static const enum event_kind of_entities[] = {
        EVENT_ENTITY_CALLED,  EVENT_ENTITY_CALLED, EVENT_ENTITY_SIGNALED,
        EVENT_LOCK_REQUESTED, EVENT_UNLOCK_SENT,   EVENT_SIGNAL_CANCELLED,
    };
    struct event event =
        hostile_once_in(random, 2)
            ? some_asked_of_entity(random, arena, HOSTILE_PICK(random, of_entities))
            : some_event(random, arena, HOSTILE_PICK(random, kinds));
    static const char *const children[] = { "a", "b", "c", "d", "e1:0001" };
    static const char *const names[] = { "Nothing", "Ends", "Breaks", "Waits" };
    if (!entity_id_is(event.instance_id)) {
        event.instance_id = text_of(HOSTILE_PICK(random, children));
    }
    event.name = text_of(HOSTILE_PICK(random, names));
    if (!hostile_once_in(random, 5)) {
        event.id = (*step)++;
    } else if (hostile_once_in(random, 2)) {
        event.id = *step += (int32_t)hostile_below(random, 8);
        ++*step;
    }
    return event;
}

static void add(struct buffer *turn, const struct event *event)
{
    wire_write_event(turn, event);
}

static struct text some_turn(uint64_t *random, struct arena *arena, bool is_first, bool ends,
                             const struct instance_record *record, int32_t *step)
{
    struct buffer turn;
    buffer_init(&turn);
    struct event event = some_event(random, arena, EVENT_ORCHESTRATOR_STARTED);
    if (!hostile_once_in(random, 60)) {
        add(&turn, &event);
    }
    event = some_event(random, arena, EVENT_EXECUTION_STARTED);
    event.name = hostile_once_in(random, 10) ? event.name : record->name;
    if (is_first != hostile_once_in(random, 60)) {
        add(&turn, &event);
    }
    for (uint64_t i = hostile_below(random, EVENTS_MAX); i > 0; i--) {
        event = hostile_once_in(random, 40)  ? some_event(random, arena, some_kind(random))
                : hostile_once_in(random, 2) ? some_asked(random, arena, step)
                                             : some_event(random, arena, some_input(random));
        add(&turn, &event);
    }
    if (ends != hostile_once_in(random, 60)) {
        event = some_event(random, arena, EVENT_EXECUTION_COMPLETED);
        event.outcome = hostile_once_in(random, 60) ? event.outcome : record->state;
        if (run_state_is_final(event.outcome)) {
            add(&turn, &event);
        }
    }
    struct text ret = text_copy(arena, buffer_text(&turn));
    buffer_done(&turn);
    return ret;
}

static struct text encoded(struct arena *arena, const struct event *event)
{
    struct buffer one;
    buffer_init(&one);
    wire_write_event(&one, event);
    struct text ret = text_copy(arena, buffer_text(&one));
    buffer_done(&one);
    return ret;
}

static void fill_record(uint64_t *random, struct arena *arena, struct instance_record *record)
{
    struct buffer failure;
    record->id = some_id(random);
    record->execution_id = some_execution(random);
    record->name = hostile_once_in(random, 20) ? some_name(random) : TEXT("Waits");
    record->name = hostile_once_in(random, 3) ? TEXT("Asks") : record->name;
    record->name = hostile_once_in(random, 3) ? TEXT("Locks") : record->name;
    record->version = hostile_once_in(random, 2) ? TEXT("1") : TEXT_ABSENT;
    record->input = some_payload(random);
    record->created_at = hostile_once_in(random, 3) ? 0 : some_time(random);
    record->updated_at = some_time(random);
    record->starts_at = hostile_once_in(random, 3) ? some_time(random) : 0;
    record->output = some_payload(random);
    record->custom_status = some_payload(random);
    if (hostile_once_in(random, 3)) {
        buffer_init(&failure);
        wire_write_failure(&failure, some_failure(random, arena));
        record->failure = text_copy(arena, buffer_text(&failure));
        buffer_done(&failure);
    }
    if (hostile_once_in(random, 3)) {
        record->parent_id = some_id(random);
        record->parent_execution_id = some_execution(random);
        record->parent_step = some_step(random);
    }
}

void hostile_make(uint64_t *random, struct arena *arena, struct archive *ret)
{
    static struct text turns[TURNS_MAX], inbox[WAITING_MAX + 1];
    int32_t step = 0;
    *ret = (struct archive){ .turns = turns, .inbox = inbox };
    struct instance_record *record = &ret->record;
    fill_record(random, arena, record);
    ret->turn_count = hostile_below(random, TURNS_MAX + 1);
    record->state = (enum run_state)hostile_below(random, RUN_TERMINATED + 1);
    if (ret->turn_count == 0 && run_state_is_final(record->state) && !hostile_once_in(random, 10)) {
        record->state = RUN_PENDING;
    }
    if (ret->turn_count != 0 && record->state == RUN_PENDING && !hostile_once_in(random, 10)) {
        record->state = RUN_RUNNING;
    }
    bool has_ended = run_state_is_final(record->state);
    record->ended_at = has_ended != hostile_once_in(random, 60) ? 2000 : 0;
    for (size_t i = 0; i < ret->turn_count; i++) {
        turns[i] =
            some_turn(random, arena, i == 0, has_ended && i + 1 == ret->turn_count, record, &step);
    }
    if (ret->turn_count == 0) {
        struct event start = some_event(random, arena, EVENT_EXECUTION_STARTED);
        start.name = record->name;
        inbox[ret->inbox_count++] = encoded(arena, &start);
    }
    for (uint64_t i = has_ended ? 0 : hostile_below(random, WAITING_MAX); i > 0; i--) {
        struct event event = some_event(
            random, arena, hostile_once_in(random, 40) ? some_kind(random) : some_input(random));
        inbox[ret->inbox_count++] = encoded(arena, &event);
    }
}
