/* SPDX-License-Identifier: MIT
 *
 * struct event -> HistoryEvent.
 *
 *   W1  What is written is measured first: one event takes room once and writes each byte once.
 *   W2  eventId and taskScheduledId 0 are not on the wire, as proto3 has it.
 *   W3  Every event has a timestamp on the wire, also that of 1970. Times before it have negative
 *       seconds and positive nanos.
 *   W4  An event with `raw` is written as those bytes, whatever its other members say.
 */
#include "base/assert.h"
#include "wire/shape.h"
#include "wire/wire_priv.h"

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

/* Tags of these fields are one byte: no number in the table is above 15. */
static size_t size_of_field(const struct shape_field *field, const struct event *event,
                            struct failure_sizes *failures)
{
    const void *member = shape_member(event, field);
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
    const void *member = shape_member(event, field);
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
