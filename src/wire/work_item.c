/* SPDX-License-Identifier: MIT
 *
 * Work items: turns, batches of operations and activities, as workers get them.
 *
 * One pass, into the caller's buffer: what is stored is spliced, event by event where some have to
 * be left out (K1). Events that have no bytes yet are written as they will be stored.
 *
 *   K3  For others the ExecutionStarted has eventId 0, as the protocol's service has it; ours, and
 *       what is stored, say -1: no step. And an operation has -1, not the step of its caller.
 *   K4  Request ids of operations that are no GUIDs (of clients that may give any) are replaced,
 *       for others: some parse them. Results are matched by place, not by request id.
 *   K5  A batch for others is bounded: most of them take no message of more than 4 MiB, and one
 *       that nobody takes would keep its entity for ever. */
#include "core/core.h"
#include "wire/put.h"
#include "wire/wire_priv.h"
#include "wire/work.h"

enum { /* fields of work items */
       ITEM_TURN = 1,
       ITEM_ACTIVITY = 2,
       ITEM_ENTITY = 5,
       ITEM_TOKEN = 10,
       TURN_PAST = 3,
       TURN_NEW = 4,
       ENTITY_OPERATIONS = 4,
};

enum { OPERATIONS_MAX = 100, OPERATION_BYTES_MAX = 1 << 20 };

/* ---- which events ---------------------------------------------------------------------------- */

#define BIT(kind) (UINT64_C(1) << EVENT_##kind)

/* What workers of all makers digest. */
static const uint64_t plain_kinds =
    BIT(EXECUTION_STARTED) | BIT(TASK_SCHEDULED) | BIT(TASK_COMPLETED) | BIT(TASK_FAILED) |
    BIT(CHILD_CREATED) | BIT(CHILD_COMPLETED) | BIT(CHILD_FAILED) | BIT(TIMER_CREATED) |
    BIT(TIMER_FIRED) | BIT(ORCHESTRATOR_STARTED) | BIT(EVENT_SENT) | BIT(EVENT_RAISED) |
    BIT(ENTITY_SIGNALED) | BIT(ENTITY_CALLED) | BIT(ENTITY_COMPLETED) | BIT(ENTITY_FAILED) |
    BIT(LOCK_REQUESTED) | BIT(LOCK_GRANTED) | BIT(UNLOCK_SENT);

static bool is_shown(enum work_dialect dialect, uint32_t kind)
{
    switch (dialect) {
    case WORK_PLAIN: return kind < 64 && (plain_kinds >> kind & 1) != 0;
    case WORK_SHOWN: return kind != EVENT_UNKNOWN && kind < EVENT_STEP_CANCELLED;
    case WORK_OURS: return true;
    }
    return false;
}

/* The field of the event's kind; 0: none. */
static uint32_t kind_of(struct text event)
{
    struct proto_reader reader = proto_reader_of(event);
    struct proto_field field;
    uint32_t kind = 0;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.type == PROTO_BYTES && field.number > EVENT_TIMESTAMP) {
            kind = field.number;
        }
    }
    return kind;
}

/* A stored event as others see it (K3): eventId is its first field, where it is there. */
static struct text as_others_see(struct text event, uint32_t kind)
{
    struct proto_reader reader = proto_reader_of(event);
    struct proto_field field;
    if (kind == EVENT_EXECUTION_STARTED && proto_next(&reader, &field) == PROTO_FIELD &&
        field.number == EVENT_ID && field.type == PROTO_VARINT) {
        return text_make((const char *)reader.at, (size_t)(reader.end - reader.at));
    }
    return event;
}

size_t work_splice_events(struct buffer *buffer, unsigned number, enum work_dialect dialect,
                          struct text chunk)
{
    struct proto_reader reader = proto_reader_of(chunk);
    struct proto_field field;
    size_t count = 0;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.number != CHUNK_EVENTS || field.type != PROTO_BYTES) {
            continue;
        }
        struct text event = field.bytes;
        if (dialect != WORK_OURS) {
            uint32_t kind = kind_of(event);
            if (!is_shown(dialect, kind)) {
                continue;
            }
            event = as_others_see(event, kind);
        }
        put_raw(buffer, number, event);
        count++;
    }
    return count;
}

struct text work_find_trace(const struct text *chunks, size_t count)
{
    static const char tag[] = { (char)(uint8_t)(EVENT_TRACE_NOTED << 3 | PROTO_BYTES | 0x80),
                                EVENT_TRACE_NOTED >> 4 };
    pd_error err;
    struct arena arena;
    struct text trace = TEXT_ABSENT;
    for (size_t i = count; i > 0 && !text_is_present(trace); i--) {
        struct text chunk = chunks[i - 1];
        if (chunk.size == 0 || memmem(chunk.at, chunk.size, tag, sizeof tag) == NULL) {
            continue; /* nearly always */
        }
        struct wire_events events = { NULL, 0, 0 };
        arena_init(&arena);
        if (wire_read_events(chunk, &arena, &events, &err) == PD_OK) {
            for (size_t n = 0; n < events.count; n++) {
                if (events.at[n].kind == EVENT_TRACE_NOTED) {
                    trace = events.at[n].payload;
                }
            }
        }
        arena_done(&arena);
    }
    return trace;
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Not those that are only ours, or kept from others (K1). */
static void put_new_event(struct buffer *buffer, enum work_dialect dialect,
                          const struct event *event)
{
    if (dialect == WORK_OURS) {
        wire_write_event_as(buffer, TURN_NEW, event);
    } else if (!is_shown(dialect, event->kind)) {
        return;
    } else if (text_is_present(event->raw)) {
        put_raw(buffer, TURN_NEW, as_others_see(event->raw, event->kind));
    } else if (event->kind == EVENT_EXECUTION_STARTED) {
        struct event started = *event;
        started.id = 0;
        wire_write_event_as(buffer, TURN_NEW, &started);
    } else {
        wire_write_event_as(buffer, TURN_NEW, event);
    }
}

/* About how long the events will be. */
static size_t guess_events(const struct turn *turn)
{
    size_t size = 128;
    for (size_t i = 0; i < turn->event_count; i++) {
        const struct event *event = &turn->events[i];
        size += 40 + event->name.size + event->payload.size;
    }
    return size;
}

static void put_our_turn(struct buffer *buffer, const struct turn *turn, enum work_past past,
                         const struct text *chunks, size_t chunk_count)
{
    put_number(buffer, 100, (int64_t)turn->row);
    put_number(buffer, 101, turn->partition);
    put_number(buffer, 102, (int64_t)turn->number);
    put_number(buffer, 103, (int64_t)turn->serial);
    put_string(buffer, 104, turn->name);
    put_string_value(buffer, 105, turn->version);
    for (size_t i = 0; past == PAST_INLINE && i < chunk_count; i++) {
        put_raw(buffer, 106, chunks[i]);
    }
    put_number(buffer, 107, past == PAST_KNOWN);
    put_number(buffer, 108, turn->is_past_durable);
}

void work_write_turn(struct buffer *buffer, enum work_dialect dialect, const struct turn *turn,
                     enum work_past past, const struct text *chunks, size_t chunk_count,
                     struct text trace)
{
    /* OrchestratorEntityParameters with a Duration of 0: some cannot do without. */
    static const char entity_parameters[] = { 0x2a, 2, 0x0a, 0 };
    size_t guess = guess_events(turn);
    for (size_t i = 0; past == PAST_INLINE && i < chunk_count; i++) {
        guess += chunks[i].size;
    }
    size_t begin = nest_begin(buffer, ITEM_TURN, guess);
    put_string(buffer, 1, turn->instance_id);
    put_string_value(buffer, 2, turn->execution_id);
    for (size_t i = 0; dialect != WORK_OURS && past == PAST_INLINE && i < chunk_count; i++) {
        (void)work_splice_events(buffer, TURN_PAST, dialect, chunks[i]);
    }
    for (size_t i = 0; i < turn->event_count; i++) {
        put_new_event(buffer, dialect, &turn->events[i]);
    }
    buffer_add(buffer, entity_parameters, sizeof entity_parameters);
    put_number(buffer, 6, past == PAST_STREAMED);
    put_raw(buffer, 8, trace);
    if (dialect == WORK_OURS) {
        put_our_turn(buffer, turn, past, chunks, chunk_count);
    }
    nest_end(buffer, begin, guess);
}

/* ---- entities -------------------------------------------------------------------------------- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* 8-4-4-4-12 */
static bool is_guid(struct text t)
{
    if (t.size != 36) {
        return false;
    }
    for (size_t i = 0; i < t.size; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? t.at[i] != '-' : !is_hex(t.at[i])) {
            return false;
        }
    }
    return true;
}

static void put_operation(struct buffer *buffer, const struct turn *turn, size_t i)
{
    char minted[REQUEST_ID_SIZE];
    struct event operation = turn->events[i];
    operation.id = EVENT_NO_ID;
    operation.raw = TEXT_ABSENT;
    if (!is_guid(operation.request_id)) {
        /* The same when it is handed out again: times of an entity's events are different. */
        request_id_of_step(turn->instance_id, (int32_t)(uint32_t)(uint64_t)operation.at, minted);
        operation.request_id = text_of(minted);
    }
    wire_write_event_as(buffer, ENTITY_OPERATIONS, &operation);
}

/* K5 */
static size_t put_operations(struct buffer *buffer, const struct turn *turn)
{
    size_t from = buffer->size;
    size_t count = 0;
    for (size_t i = 1; i < turn->event_count && count < OPERATIONS_MAX; i++) {
        size_t before = buffer->size;
        put_operation(buffer, turn, i);
        if (count != 0 && buffer->size - from > OPERATION_BYTES_MAX) {
            buffer->size = before;
            break;
        }
        count++;
    }
    return count;
}

size_t work_write_entity_turn(struct buffer *buffer, enum work_dialect dialect,
                              const struct turn *turn)
{
    size_t count = turn->event_count - 1;
    size_t guess = guess_events(turn) + turn->state.size;
    size_t begin = nest_begin(buffer, ITEM_ENTITY, guess);
    put_string(buffer, 1, turn->instance_id);
    put_string(buffer, 2, turn->instance_id); /* "executionId": any stable value */
    put_string_value(buffer, 3, turn->state);
    if (dialect == WORK_OURS) {
        for (size_t i = 0; i < turn->event_count; i++) {
            wire_write_event_as(buffer, ENTITY_OPERATIONS, &turn->events[i]);
        }
        put_number(buffer, 100, (int64_t)turn->row);
        put_number(buffer, 101, turn->partition);
        put_number(buffer, 102, (int64_t)turn->serial);
    } else {
        count = put_operations(buffer, turn);
    }
    nest_end(buffer, begin, guess);
    return count;
}

/* ---- activities ------------------------------------------------------------------------------ */

static void put_our_activity(struct buffer *buffer, const struct activity *activity)
{
    struct task_limits limits = activity_limits(activity);
    put_number(buffer, 100, (int64_t)activity->row);
    put_number(buffer, 101, activity->partition);
    put_number(buffer, 102, activity->first);
    put_string_value(buffer, 103, activity_progress(activity));
    put_number(buffer, 104, limits.start_ms);
    put_number(buffer, 105, limits.run_ms);
    put_number(buffer, 106, limits.beat_ms);
    put_number(buffer, 107, (int64_t)activity->epoch);
}

void work_write_activity(struct buffer *buffer, enum work_dialect dialect,
                         const struct activity *activity)
{
    size_t guess = 64 + activity->name.size + activity->input.size + activity->instance_id.size +
                   activity->execution_id.size;
    size_t begin = nest_begin(buffer, ITEM_ACTIVITY, guess);
    put_string(buffer, 1, activity->name);
    put_string_value(buffer, 2, activity->version);
    put_string_value(buffer, 3, activity->input);
    size_t guess_ids = activity->instance_id.size + activity->execution_id.size + 8;
    size_t ids = nest_begin(buffer, 4, guess_ids);
    put_string(buffer, 1, activity->instance_id);
    put_string_value(buffer, 2, activity->execution_id);
    nest_end(buffer, ids, guess_ids);
    put_number(buffer, 5, activity->id);
    if (activity->extra != NULL) {
        put_raw(buffer, 6, activity->extra->trace);
        put_tags_field(buffer, 7, activity->extra->tags);
    }
    if (dialect == WORK_OURS) {
        put_our_activity(buffer, activity);
    }
    nest_end(buffer, begin, guess);
}

void work_put_token(char ret[WORK_TOKEN_FIELD_SIZE], const char token[WORK_TOKEN_SIZE])
{
    ret[0] = ITEM_TOKEN << 3 | PROTO_BYTES;
    ret[1] = WORK_TOKEN_SIZE;
    memcpy(ret + 2, token, WORK_TOKEN_SIZE);
}
