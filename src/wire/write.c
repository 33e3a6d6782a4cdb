/* SPDX-License-Identifier: MIT
 *
 * Structs -> messages, along their shapes; struct event -> HistoryEvent.
 *
 *   W1  What is written is measured first: one event takes room once and writes each byte once.
 *   W2  eventId and taskScheduledId 0 are not on the wire, as proto3 has it.
 *   W3  Every event has a timestamp on the wire, also that of 1970. Times before it have negative
 *       seconds and positive nanos.
 *   W4  An event with `raw` is written as those bytes, whatever its other members say.
 */
#include "base/assert.h"
#include "base/tags.h"
#include "core/lock_set.h"
#include "wire/small.h"
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

/* What few events have stays out of what is inlined for all of them. */
#define SELDOM __attribute__((noinline)) static

SELDOM size_t size_of_lock_set(size_t field_tag_size, struct text set)
{
    size_t size = 0;
    struct text id;
    for (size_t cursor = 0; lock_set_next(set, &cursor, &id);) {
        size += field_tag_size + proto_size_bytes(id.size);
    }
    return size;
}

SELDOM uint8_t *put_lock_set(uint8_t *at, unsigned field_tag, struct text set)
{
    struct text id;
    for (size_t cursor = 0; lock_set_next(set, &cursor, &id);) {
        at = proto_put_text(proto_put_varint(at, field_tag), id);
    }
    return at;
}

SELDOM size_t size_of_sender(size_t tag, const struct event_extra *extra)
{
    return extra->has_parent ? tag + proto_size_bytes(size_of_wrapped(extra->parent_id)) : 0;
}

SELDOM uint8_t *put_sender(uint8_t *at, unsigned tag, const struct event_extra *extra)
{
    return extra->has_parent ? put_wrapped(proto_put_varint(at, tag), extra->parent_id) : at;
}

/* ---- fields ---- */

/* Inlined twice: into what writes an event, which is done for each step of each instance, and into
 * what everything else uses. */
#define WALK __attribute__((always_inline)) static inline

/* A message of another table. */
static uint8_t *put_inner(uint8_t *at, unsigned tag, const struct shape_field *fields,
                          const void *base)
{
    at = proto_put_varint(at, tag);
    at = proto_put_varint(at, wire_size_fields(fields, base));
    return wire_put_fields(at, fields, base);
}

WALK size_t size_of_field(const struct shape_field *field, const void *base)
{
    const void *member = (const char *)base + field->offset;
    size_t tag = field->tag < 0x80 ? 1 : 2;
    switch ((enum shape_type)field->type) {
    case SHAPE_STRING: {
        const struct text *t = member;
        return t->size != 0 ? tag + proto_size_bytes(t->size) : 0;
    }
    case SHAPE_WRAPPED: {
        const struct text *t = member;
        return text_is_present(*t) ? tag + proto_size_bytes(size_of_wrapped(*t)) : 0;
    }
    case SHAPE_ENCODED:
    case SHAPE_RAW: {
        const struct text *t = member;
        return text_is_present(*t) ? tag + proto_size_bytes(t->size) : 0;
    }
    case SHAPE_ID: {
        const int32_t *id = member;
        return *id != 0 ? tag + proto_size_varint(proto_of_int32(*id)) : 0;
    }
    case SHAPE_STEP: {
        const int32_t *step = member;
        return *step != EVENT_NO_ID ? tag + proto_size_varint(proto_of_int32(*step)) : 0;
    }
    case SHAPE_NUMBER: {
        const int64_t *number = member;
        return *number != 0 ? tag + proto_size_varint((uint64_t)*number) : 0;
    }
    case SHAPE_FLAG: return *(const bool *)member ? tag + 1 : 0;
    case SHAPE_STATUS: return status_number(*(const enum run_state *)member) != 0 ? tag + 1 : 0;
    case SHAPE_TIME: return tag + size_of_time(*(const time_us *)member);
    case SHAPE_TIME_SET: {
        const time_us *time = member;
        return *time != 0 ? tag + size_of_time(*time) : 0;
    }
    case SHAPE_FAILURE: {
        const struct failure *const *failure = member;
        return *failure != NULL ? tag + proto_size_bytes(wire_size_failure(*failure)) : 0;
    }
    case SHAPE_INSTANCE:
        return tag + proto_size_bytes(wire_size_fields(wire_instance_shape, member));
    case SHAPE_PARENT:
        return *(const bool *)member
                   ? tag + proto_size_bytes(wire_size_fields(wire_parent_shape, base))
                   : 0;
    case SHAPE_SENDER: return size_of_sender(tag, base);
    case SHAPE_TAGS: return size_of_tags(tag, *(const struct text *)member);
    case SHAPE_LOCK_SET: return size_of_lock_set(tag, *(const struct text *)member);
    }
    unreachable_state("a field type outside of the enumeration");
}

WALK uint8_t *put_field(uint8_t *at, const struct shape_field *field, const void *base)
{
    const void *member = (const char *)base + field->offset;
    unsigned tag = field->tag;
    switch ((enum shape_type)field->type) {
    case SHAPE_STRING: {
        const struct text *t = member;
        return t->size != 0 ? proto_put_text(proto_put_varint(at, tag), *t) : at;
    }
    case SHAPE_WRAPPED: {
        const struct text *t = member;
        return text_is_present(*t) ? put_wrapped(proto_put_varint(at, tag), *t) : at;
    }
    case SHAPE_ENCODED:
    case SHAPE_RAW: {
        const struct text *t = member;
        return text_is_present(*t) ? proto_put_text(proto_put_varint(at, tag), *t) : at;
    }
    case SHAPE_ID: {
        const int32_t *id = member;
        return *id != 0 ? proto_put_int32(proto_put_varint(at, tag), *id) : at;
    }
    case SHAPE_STEP: {
        const int32_t *step = member;
        return *step != EVENT_NO_ID ? proto_put_int32(proto_put_varint(at, tag), *step) : at;
    }
    case SHAPE_NUMBER: {
        const int64_t *n = member;
        return *n != 0 ? proto_put_varint(proto_put_varint(at, tag), (uint64_t)*n) : at;
    }
    case SHAPE_FLAG:
        return *(const bool *)member ? proto_put_varint(proto_put_varint(at, tag), 1) : at;
    case SHAPE_STATUS: {
        uint64_t status = status_number(*(const enum run_state *)member);
        return status != 0 ? proto_put_varint(proto_put_varint(at, tag), status) : at;
    }
    case SHAPE_TIME: return put_time(proto_put_varint(at, tag), *(const time_us *)member);
    case SHAPE_TIME_SET: {
        const time_us *time = member;
        return *time != 0 ? put_time(proto_put_varint(at, tag), *time) : at;
    }
    case SHAPE_FAILURE: {
        const struct failure *failure = *(const struct failure *const *)member;
        if (failure == NULL) {
            return at;
        }
        at = proto_put_varint(at, tag);
        at = proto_put_varint(at, wire_size_failure(failure));
        return wire_put_failure(at, failure);
    }
    case SHAPE_INSTANCE: return put_inner(at, tag, wire_instance_shape, member);
    case SHAPE_PARENT:
        return *(const bool *)member ? put_inner(at, tag, wire_parent_shape, base) : at;
    case SHAPE_SENDER: return put_sender(at, tag, base);
    case SHAPE_TAGS: return put_tags(at, tag, *(const struct text *)member);
    case SHAPE_LOCK_SET: return put_lock_set(at, tag, *(const struct text *)member);
    }
    unreachable_state("a field type outside of the enumeration");
}

WALK size_t size_of_fields(const struct shape_field *fields, const void *base)
{
    size_t size = 0;
    for (; fields->tag != 0; fields++) {
        size += size_of_field(fields, base);
    }
    return size;
}

WALK uint8_t *put_fields(uint8_t *at, const struct shape_field *fields, const void *base)
{
    for (; fields->tag != 0; fields++) {
        at = put_field(at, fields, base);
    }
    return at;
}

size_t wire_size_fields(const struct shape_field *fields, const void *base)
{
    return size_of_fields(fields, base);
}

uint8_t *wire_put_fields(uint8_t *at, const struct shape_field *fields, const void *base)
{
    return put_fields(at, fields, base);
}

/* ---- events ---- */

WALK void splice(struct buffer *buffer, unsigned number, struct text raw)
{
    uint8_t *start = buffer_extend(buffer, 1 + proto_size_bytes(raw.size));
    uint8_t *at = proto_put_tag(start, number, PROTO_BYTES);
    at = proto_put_text(at, raw);
    assert_that(at == buffer->at + buffer->size);
}

WALK void write_event(struct buffer *buffer, unsigned number, const struct event *event)
{
    if (text_is_present(event->raw)) {
        splice(buffer, number, event->raw);
        return;
    }
    const struct shape *shape = shape_of((uint32_t)event->kind);
    assert_that(shape != NULL);

    bool has_extra = event->extra != NULL && shape->extras != NULL;
    size_t body = size_of_fields(shape->fields, event);
    if (has_extra) {
        body += wire_size_fields(shape->extras, event->extra);
    }
    uint64_t body_tag = proto_tag((unsigned)event->kind, PROTO_BYTES);
    struct timestamp when = timestamp_of(event->at);
    size_t when_size = size_of_timestamp(when);
    size_t size = 2 + when_size + proto_size_varint(body_tag) + proto_size_bytes(body);
    if (event->id != 0) {
        size += 1 + proto_size_varint(proto_of_int32(event->id));
    }

    uint8_t *at = buffer_extend(buffer, 1 + proto_size_bytes(size));
    at = proto_put_tag(at, number, PROTO_BYTES);
    at = proto_put_varint(at, size);
    if (event->id != 0) {
        at = proto_put_tag(at, EVENT_ID, PROTO_VARINT);
        at = proto_put_int32(at, event->id);
    }
    at = proto_put_tag(at, EVENT_TIMESTAMP, PROTO_BYTES);
    at = put_timestamp(at, when, when_size);
    at = proto_put_varint(at, body_tag);
    at = proto_put_varint(at, body);
    at = put_fields(at, shape->fields, event);
    if (has_extra) {
        at = wire_put_fields(at, shape->extras, event->extra);
    }
    assert_that(at == buffer->at + buffer->size);
}

void wire_write_event(struct buffer *buffer, const struct event *event)
{
    write_event(buffer, CHUNK_EVENTS, event);
}

void wire_write_event_as(struct buffer *buffer, unsigned number, const struct event *event)
{
    assert_that(number < 16); /* tags of one byte */
    write_event(buffer, number, event);
}

const struct codec wire_codec = {
    .event = wire_write_event,
    .failure = wire_write_failure,
};
