/* SPDX-License-Identifier: MIT
 *
 * HistoryEvent <-> struct event.
 *
 * One table says which fields the message of each kind has, and where in struct event they are;
 * measuring, writing and reading all walk it, so that they cannot disagree.
 *
 *   H1  What is written is measured first: one event takes room once and writes each byte once.
 *   H2  eventId and taskScheduledId 0 are not on the wire (proto3), and read back as 0. A kind that
 *       has no taskScheduledId reads as EVENT_NO_ID.
 *   H3  Every event has a timestamp on the wire, also that of 1970. Times before it have negative
 *       seconds and positive nanos. Beyond what a time_us can hold, reading saturates; what is
 *       finer than a microsecond is cut off (and still in `raw`).
 *   H4  A known field with another wire type than ours is skipped like an unknown one; of a field
 *       that comes twice the last one counts.
 *   H5  An event without a kind that we know is EVENT_UNKNOWN. An ExecutionCompleted whose status
 *       is none of ours is PD_E_CORRUPT: ignoring it would bring an ended instance back to life.
 */
#include "base/assert.h"
#include "base/error.h"
#include "wire/wire_priv.h"

enum { CHUNK_EVENTS = 1, EVENT_ID = 1, EVENT_TIMESTAMP = 2 };
enum { TIMESTAMP_SECONDS = 1, TIMESTAMP_NANOS = 2 };
enum { INSTANCE_ID = 1, INSTANCE_EXECUTION_ID = 2 };
enum { WRAPPED_VALUE = 1 };

/* ---- the table ---- */

enum shape_type {
    SHAPE_STRING,   /* string: left out when empty, so never absent */
    SHAPE_WRAPPED,  /* StringValue: absent is not empty */
    SHAPE_ID,       /* int32 */
    SHAPE_TIME,     /* Timestamp */
    SHAPE_STATUS,   /* OrchestrationStatus */
    SHAPE_FAILURE,  /* TaskFailureDetails */
    SHAPE_INSTANCE, /* OrchestrationInstance: instance_id and execution_id */
};

struct shape_field {
    uint8_t number;
    enum shape_type type;
    size_t offset; /* in struct event; SHAPE_INSTANCE also has execution_id */
};

enum { SHAPE_FIELDS_MAX = 4 };

/* The message of one kind; its fields end with number 0. */
struct shape {
    bool is_known;
    struct shape_field fields[SHAPE_FIELDS_MAX + 1];
};

/* clang-format off */
#define SHAPE(...) { true, { __VA_ARGS__ { 0, SHAPE_STRING, 0 } } }
#define FIELD(number, type, member) { number, SHAPE_##type, offsetof(struct event, member) },

static const struct shape shapes[] = {
    [EVENT_EXECUTION_STARTED] = SHAPE(FIELD(1, STRING, name)
                                      FIELD(2, WRAPPED, version)
                                      FIELD(3, WRAPPED, payload)
                                      FIELD(4, INSTANCE, instance_id)),
    [EVENT_EXECUTION_COMPLETED] = SHAPE(FIELD(1, STATUS, outcome)
                                        FIELD(2, WRAPPED, payload)
                                        FIELD(3, FAILURE, failure)),
    [EVENT_EXECUTION_TERMINATED] = SHAPE(FIELD(1, WRAPPED, payload)),
    [EVENT_TASK_SCHEDULED] = SHAPE(FIELD(1, STRING, name)
                                   FIELD(2, WRAPPED, version)
                                   FIELD(3, WRAPPED, payload)),
    [EVENT_TASK_COMPLETED] = SHAPE(FIELD(1, ID, ref)
                                   FIELD(2, WRAPPED, payload)),
    [EVENT_TASK_FAILED] = SHAPE(FIELD(1, ID, ref)
                                FIELD(2, FAILURE, failure)),
    [EVENT_TIMER_CREATED] = SHAPE(FIELD(1, TIME, fire_at)),
    [EVENT_TIMER_FIRED] = SHAPE(FIELD(1, TIME, fire_at)
                                FIELD(2, ID, ref)),
    [EVENT_ORCHESTRATOR_STARTED] = SHAPE(),
    [EVENT_ORCHESTRATOR_COMPLETED] = SHAPE(),
    [EVENT_EVENT_RAISED] = SHAPE(FIELD(1, STRING, name)
                                 FIELD(2, WRAPPED, payload)),
};

#undef FIELD
#undef SHAPE
/* clang-format on */

static const struct shape *shape_of(uint32_t kind)
{
    bool is_known = kind < sizeof(shapes) / sizeof(shapes[0]) && shapes[kind].is_known;
    return is_known ? &shapes[kind] : NULL;
}

static const void *member_of(const struct event *event, const struct shape_field *field)
{
    return (const char *)event + field->offset;
}

static void *member_for(struct event *event, const struct shape_field *field)
{
    return (char *)event + field->offset;
}

/* OrchestrationStatus, in the protocol's numbers. */
static uint64_t status_number(enum run_state state)
{
    switch (state) {
    case RUN_PENDING: return 6;
    case RUN_RUNNING: return 0;
    case RUN_SUSPENDED: return 7;
    case RUN_COMPLETED: return 1;
    case RUN_FAILED: return 3;
    case RUN_TERMINATED: return 5;
    }
    unreachable_state("a run_state outside of the enumeration");
}

/* Final states only (H5). */
static bool outcome_of_status(uint64_t number, enum run_state *ret)
{
    switch (number) {
    case 1: *ret = RUN_COMPLETED; return true;
    case 3: *ret = RUN_FAILED; return true;
    case 5: *ret = RUN_TERMINATED; return true;
    default: return false;
    }
}

/* ---- small messages ---- */

struct timestamp {
    int64_t seconds;
    uint32_t nanos;
};

static struct timestamp timestamp_of(time_us at)
{
    int64_t seconds = at / TIME_SECOND;
    int64_t rest = at % TIME_SECOND;
    if (rest < 0) {
        seconds--;
        rest += TIME_SECOND;
    }
    return (struct timestamp){ seconds, (uint32_t)(rest * 1000) };
}

static size_t size_of_timestamp(struct timestamp t)
{
    return (t.seconds != 0 ? 1 + proto_size_varint((uint64_t)t.seconds) : 0) +
           (t.nanos != 0 ? 1 + proto_size_varint(t.nanos) : 0);
}

/* With its length; at most 18 bytes, so the length is one. */
static uint8_t *put_timestamp(uint8_t *at, struct timestamp t)
{
    *at++ = (uint8_t)size_of_timestamp(t);
    if (t.seconds != 0) {
        at = proto_put_tag(at, TIMESTAMP_SECONDS, PROTO_VARINT);
        at = proto_put_varint(at, (uint64_t)t.seconds);
    }
    if (t.nanos != 0) {
        at = proto_put_tag(at, TIMESTAMP_NANOS, PROTO_VARINT);
        at = proto_put_varint(at, t.nanos);
    }
    return at;
}

static size_t size_of_wrapped(struct text t)
{
    return t.size != 0 ? 1 + proto_size_bytes(t.size) : 0;
}

/* With its length. */
static uint8_t *put_wrapped(uint8_t *at, struct text t)
{
    at = proto_put_varint(at, size_of_wrapped(t));
    if (t.size != 0) {
        at = proto_put_tag(at, WRAPPED_VALUE, PROTO_BYTES);
        at = proto_put_text(at, t);
    }
    return at;
}

static size_t size_of_instance(const struct event *event)
{
    size_t size = 0;
    if (event->instance_id.size != 0) {
        size += 1 + proto_size_bytes(event->instance_id.size);
    }
    if (text_is_present(event->execution_id)) {
        size += 1 + proto_size_bytes(size_of_wrapped(event->execution_id));
    }
    return size;
}

static uint8_t *put_instance(uint8_t *at, const struct event *event)
{
    at = proto_put_varint(at, size_of_instance(event));
    if (event->instance_id.size != 0) {
        at = proto_put_tag(at, INSTANCE_ID, PROTO_BYTES);
        at = proto_put_text(at, event->instance_id);
    }
    if (text_is_present(event->execution_id)) {
        at = proto_put_tag(at, INSTANCE_EXECUTION_ID, PROTO_BYTES);
        at = put_wrapped(at, event->execution_id);
    }
    return at;
}

/* ---- writing ---- */

/* Tags of these fields are one byte: no number in the table is above 15. */
static size_t size_of_field(const struct shape_field *field, const struct event *event,
                            struct failure_sizes *failures)
{
    const void *member = member_of(event, field);
    switch (field->type) {
    case SHAPE_STRING: {
        const struct text *t = member;
        return t->size != 0 ? 1 + proto_size_bytes(t->size) : 0;
    }
    case SHAPE_WRAPPED: {
        const struct text *t = member;
        return text_is_present(*t) ? 1 + proto_size_bytes(size_of_wrapped(*t)) : 0;
    }
    case SHAPE_ID: {
        const int32_t *id = member;
        return *id != 0 ? 1 + proto_size_varint(proto_of_int32(*id)) : 0;
    }
    case SHAPE_TIME: {
        const time_us *at = member;
        return 2 + size_of_timestamp(timestamp_of(*at));
    }
    case SHAPE_STATUS: {
        const enum run_state *state = member;
        return status_number(*state) != 0 ? 2 : 0;
    }
    case SHAPE_FAILURE: {
        const struct failure *const *failure = member;
        return *failure != NULL ? 1 + proto_size_bytes(wire_size_failure(*failure, failures)) : 0;
    }
    case SHAPE_INSTANCE: return 1 + proto_size_bytes(size_of_instance(event));
    }
    unreachable_state("a field type outside of the enumeration");
}

static uint8_t *put_field(uint8_t *at, const struct shape_field *field, const struct event *event,
                          const struct failure_sizes *failures)
{
    const void *member = member_of(event, field);
    uint8_t tag = (uint8_t)proto_tag(field->number, PROTO_BYTES);
    uint8_t tag_of_number = (uint8_t)proto_tag(field->number, PROTO_VARINT);
    switch (field->type) {
    case SHAPE_STRING: {
        const struct text *t = member;
        if (t->size == 0) {
            return at;
        }
        *at++ = tag;
        return proto_put_text(at, *t);
    }
    case SHAPE_WRAPPED: {
        const struct text *t = member;
        if (!text_is_present(*t)) {
            return at;
        }
        *at++ = tag;
        return put_wrapped(at, *t);
    }
    case SHAPE_ID: {
        const int32_t *id = member;
        if (*id == 0) {
            return at;
        }
        *at++ = tag_of_number;
        return proto_put_varint(at, proto_of_int32(*id));
    }
    case SHAPE_TIME: {
        const time_us *time = member;
        *at++ = tag;
        return put_timestamp(at, timestamp_of(*time));
    }
    case SHAPE_STATUS: {
        const enum run_state *state = member;
        if (status_number(*state) == 0) {
            return at;
        }
        *at++ = tag_of_number;
        return proto_put_varint(at, status_number(*state));
    }
    case SHAPE_FAILURE: {
        const struct failure *const *failure = member;
        if (*failure == NULL) {
            return at;
        }
        *at++ = tag;
        at = proto_put_varint(at, failures->of[0]);
        return wire_put_failure(at, *failure, failures);
    }
    case SHAPE_INSTANCE: *at++ = tag; return put_instance(at, event);
    }
    unreachable_state("a field type outside of the enumeration");
}

static void splice(struct buffer *buffer, struct text raw)
{
    uint8_t *start = buffer_extend(buffer, 1 + proto_size_bytes(raw.size));
    uint8_t *at = proto_put_tag(start, CHUNK_EVENTS, PROTO_BYTES);
    at = proto_put_text(at, raw);
    assert_that(at == buffer->at + buffer->size);
}

void wire_write_event(struct buffer *buffer, const struct event *event)
{
    if (text_is_present(event->raw)) {
        splice(buffer, event->raw);
        return;
    }
    const struct shape *shape = shape_of((uint32_t)event->kind);
    assert_that(shape != NULL);

    struct failure_sizes failures;
    size_t body = 0;
    for (const struct shape_field *field = shape->fields; field->number != 0; field++) {
        body += size_of_field(field, event, &failures);
    }
    uint64_t body_tag = proto_tag((unsigned)event->kind, PROTO_BYTES);
    struct timestamp when = timestamp_of(event->at);
    size_t size =
        2 + size_of_timestamp(when) + proto_size_varint(body_tag) + proto_size_bytes(body);
    if (event->id != 0) {
        size += 1 + proto_size_varint(proto_of_int32(event->id));
    }

    uint8_t *at = buffer_extend(buffer, 1 + proto_size_bytes(size));
    at = proto_put_tag(at, CHUNK_EVENTS, PROTO_BYTES);
    at = proto_put_varint(at, size);
    if (event->id != 0) {
        at = proto_put_tag(at, EVENT_ID, PROTO_VARINT);
        at = proto_put_varint(at, proto_of_int32(event->id));
    }
    at = proto_put_tag(at, EVENT_TIMESTAMP, PROTO_BYTES);
    at = put_timestamp(at, when);
    at = proto_put_varint(at, body_tag);
    at = proto_put_varint(at, body);
    for (const struct shape_field *field = shape->fields; field->number != 0; field++) {
        at = put_field(at, field, event, &failures);
    }
    assert_that(at == buffer->at + buffer->size);
}

const struct codec wire_codec = {
    .event = wire_write_event,
    .failure = wire_write_failure,
};

/* ---- reading ---- */

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

struct text wire_read_wrapped(struct text message, const uint8_t **ret_bad)
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
            event->execution_id = wire_read_wrapped(field.bytes, &bad);
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
    void *member = member_for(event, shape);
    const uint8_t *bad;
    switch (shape->type) {
    case SHAPE_STRING: *(struct text *)member = field->bytes; return true;
    case SHAPE_WRAPPED: {
        struct text *value = member;
        *value = wire_read_wrapped(field->bytes, &bad);
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
            *(struct text *)member_for(event, field) = TEXT("");
        } else if (field->type == SHAPE_ID) {
            *(int32_t *)member_for(event, field) = 0;
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
    struct event *grown = arena_try_alloc(arena, room * sizeof(*grown));
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
