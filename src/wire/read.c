/* SPDX-License-Identifier: MIT
 *
 * HistoryEvent -> struct event.
 *
 *   H1  What is not on the wire is what proto3 means by that: eventId and taskScheduledId 0, an
 *       empty string; but a kind that has no taskScheduledId reads as EVENT_NO_ID.
 *   H2  Times beyond what a time_us can hold saturate; what is finer than a microsecond is cut off
 *       (and still in `raw`).
 *   H3  A known field with another wire type than ours is skipped like an unknown one; of a field
 *       that comes twice the last one counts.
 *   H4  An event without a kind that we know is EVENT_UNKNOWN. An ExecutionCompleted whose status
 *       is none of ours is PD_E_CORRUPT: ignoring it would bring an ended instance back to life.
 *   H5  A chunk is counted before it is decoded, so that its events take room once.
 */
#include "base/assert.h"
#include "base/error.h"
#include "wire/shape.h"
#include "wire/wire_priv.h"

/* Final states only (H4). */
static bool outcome_of_status(uint64_t number, enum run_state *ret)
{
    switch (number) {
    case 1: *ret = RUN_COMPLETED; return true;
    case 3: *ret = RUN_FAILED; return true;
    case 5: *ret = RUN_TERMINATED; return true;
    default: return false;
    }
}

/* What went wrong, and where; text is NULL while all is well. */
struct trouble {
    const uint8_t *at;
    const char *text;
};

static bool is_malformed(struct trouble *trouble, const uint8_t *at)
{
    *trouble = (struct trouble){ at, "the bytes are not protobuf" };
    return false;
}

/* StringValue: the text inside, empty when it has none; absent with *ret_bad when malformed. */
static struct text read_wrapped(struct text message, const uint8_t **ret_bad)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    struct text value = TEXT("");
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.number == WRAPPED_VALUE && field.type == PROTO_BYTES) {
            value = field.bytes;
        }
    }
    *ret_bad = reader.at;
    return answer == PROTO_END ? value : TEXT_ABSENT;
}

static bool read_timestamp(struct text message, time_us *ret, struct trouble *trouble)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    int64_t seconds = 0;
    int32_t nanos = 0;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_VARINT && field.number == TIMESTAMP_SECONDS) {
            seconds = (int64_t)field.value;
        } else if (field.type == PROTO_VARINT && field.number == TIMESTAMP_NANOS) {
            nanos = (int32_t)(uint32_t)field.value;
        }
    }
    if (answer == PROTO_BAD) {
        return is_malformed(trouble, reader.at);
    }
    int64_t micros = nanos / 1000 - (nanos % 1000 < 0 ? 1 : 0);
    int64_t us;
    if (__builtin_mul_overflow(seconds, TIME_SECOND, &us)) {
        /* The second that INT64_MIN lies in begins before it. */
        bool is_first = seconds == INT64_MIN / TIME_SECOND - 1;
        *ret = seconds > 0 ? INT64_MAX
               : is_first  ? time_add(INT64_MIN / TIME_SECOND * TIME_SECOND, micros - TIME_SECOND)
                           : INT64_MIN;
        return true;
    }
    *ret = time_add(us, micros);
    return true;
}

static bool read_instance(struct text message, struct event *event, struct trouble *trouble)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    event->instance_id = TEXT("");
    event->execution_id = TEXT_ABSENT;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.type != PROTO_BYTES) {
            continue;
        }
        if (field.number == INSTANCE_ID) {
            event->instance_id = field.bytes;
        } else if (field.number == INSTANCE_EXECUTION_ID) {
            const uint8_t *bad;
            event->execution_id = read_wrapped(field.bytes, &bad);
            if (!text_is_present(event->execution_id)) {
                return is_malformed(trouble, bad);
            }
        }
    }
    return answer == PROTO_END || is_malformed(trouble, reader.at);
}

/* A field of the table with the wire type that its shape has. */
static bool read_field(const struct shape_field *shape, const struct proto_field *field,
                       struct event *event, struct arena *arena, struct trouble *trouble)
{
    void *member = shape_member_for(event, shape);
    const uint8_t *bad;
    switch (shape->type) {
    case SHAPE_STRING: *(struct text *)member = field->bytes; return true;
    case SHAPE_WRAPPED: {
        struct text *value = member;
        *value = read_wrapped(field->bytes, &bad);
        return text_is_present(*value) || is_malformed(trouble, bad);
    }
    case SHAPE_ID: *(int32_t *)member = (int32_t)(uint32_t)field->value; return true;
    case SHAPE_TIME: return read_timestamp(field->bytes, member, trouble);
    case SHAPE_STATUS:
        if (!outcome_of_status(field->value, member)) {
            trouble->text = "an ExecutionCompleted has a status that is not an end";
        }
        return trouble->text == NULL;
    case SHAPE_FAILURE: {
        const struct failure **failure = member;
        *failure = wire_decode_failure(field->bytes, arena, &bad);
        return *failure != NULL || is_malformed(trouble, bad);
    }
    case SHAPE_INSTANCE: return read_instance(field->bytes, event, trouble);
    }
    unreachable_state("a field type outside of the enumeration");
}

static enum proto_type wire_type_of(enum shape_type type)
{
    return type == SHAPE_ID || type == SHAPE_STATUS ? PROTO_VARINT : PROTO_BYTES;
}

/* What a kind's fields are when they are not on the wire. */
static void set_defaults(const struct shape *shape, struct event *event)
{
    for (const struct shape_field *field = shape->fields; field->number != 0; field++) {
        if (field->type == SHAPE_STRING) {
            *(struct text *)shape_member_for(event, field) = TEXT("");
        } else if (field->type == SHAPE_ID) {
            *(int32_t *)shape_member_for(event, field) = 0;
        }
    }
}

/* The message of the event's kind. */
static bool read_body(struct text body, struct event *event, struct arena *arena,
                      struct trouble *trouble)
{
    const struct shape *shape = shape_of((uint32_t)event->kind);
    set_defaults(shape, event);

    struct proto_reader reader = proto_reader_of(body);
    struct proto_field field;
    enum proto_answer answer;
    trouble->at = reader.at;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        const struct shape_field *known = shape->fields;
        while (known->number != 0 && known->number != field.number) {
            known++;
        }
        if (known->number != 0 && field.type == wire_type_of(known->type) &&
            !read_field(known, &field, event, arena, trouble)) {
            return false;
        }
        trouble->at = reader.at;
    }
    if (answer == PROTO_BAD) {
        return is_malformed(trouble, reader.at);
    }
    if (event->kind == EVENT_EXECUTION_COMPLETED && !run_state_is_final(event->outcome)) {
        trouble->text = "an ExecutionCompleted has no status";
        return false;
    }
    return true;
}

static bool read_event(struct text message, struct event *event, struct arena *arena,
                       struct trouble *trouble)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    struct text body = TEXT_ABSENT;
    *event = (struct event){ .kind = EVENT_UNKNOWN, .ref = EVENT_NO_ID, .raw = message };
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_VARINT && field.number == EVENT_ID) {
            event->id = (int32_t)(uint32_t)field.value;
        } else if (field.type == PROTO_BYTES && field.number == EVENT_TIMESTAMP) {
            if (!read_timestamp(field.bytes, &event->at, trouble)) {
                return false;
            }
        } else if (field.type == PROTO_BYTES && shape_of(field.number) != NULL) {
            event->kind = (enum event_kind)field.number;
            body = field.bytes;
        }
    }
    if (answer == PROTO_BAD) {
        return is_malformed(trouble, reader.at);
    }
    return event->kind == EVENT_UNKNOWN || read_body(body, event, arena, trouble);
}

/* How many events the chunk has; false: malformed. */
static bool count_events(struct text chunk, size_t *ret, struct trouble *trouble)
{
    struct proto_reader reader = proto_reader_of(chunk);
    struct proto_field field;
    enum proto_answer answer;
    *ret = 0;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        *ret += field.number == CHUNK_EVENTS && field.type == PROTO_BYTES ? 1 : 0;
    }
    return answer == PROTO_END || is_malformed(trouble, reader.at);
}

static bool events_reserve(struct wire_events *events, size_t more, struct arena *arena)
{
    if (events->room - events->count >= more) {
        return true;
    }
    size_t room = events->count + more;
    room = room < events->room * 2 ? events->room * 2 : room;
    size_t size = room * sizeof(struct event);
    struct event *grown =
        size <= ARENA_BLOCK_MAX ? arena_alloc_raw(arena, size) : arena_try_alloc(arena, size);
    if (grown == NULL) {
        return false;
    }
    if (events->count != 0) {
        memcpy(grown, events->at, events->count * sizeof(*grown));
    }
    events->at = grown;
    events->room = room;
    return true;
}

static pd_status corrupt(struct text chunk, const struct trouble *trouble, pd_error *err)
{
    return error_set(err, PD_E_CORRUPT, false, "wire: history",
                     "stored history is damaged at byte %zu of %zu: %s",
                     (size_t)(trouble->at - (const uint8_t *)chunk.at), chunk.size, trouble->text);
}

pd_status wire_read_events(struct text chunk, struct arena *arena, struct wire_events *events,
                           pd_error *err)
{
    struct trouble trouble = { NULL, NULL };
    size_t expected;
    if (!count_events(chunk, &expected, &trouble)) {
        return corrupt(chunk, &trouble, err);
    }
    if (!events_reserve(events, expected, arena)) {
        return error_set(err, PD_E_NOMEM, true, "wire: history",
                         "no memory for %zu events of history", expected);
    }
    struct proto_reader reader = proto_reader_of(chunk);
    struct proto_field field;
    size_t count = events->count;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.number == CHUNK_EVENTS && field.type == PROTO_BYTES &&
            !read_event(field.bytes, &events->at[count++], arena, &trouble)) {
            return corrupt(chunk, &trouble, err);
        }
    }
    events->count = count;
    return PD_OK;
}
