/* SPDX-License-Identifier: MIT
 *
 * Fields appended to a buffer one by one, and messages around them whose length is known only when
 * they end. For what is written once for each turn (work), where a table would be a detour.
 *
 * The length of a nested message is written into room that was guessed; when the guess was too
 * small the message is moved up. So there are no lengths longer than need be, and one pass.
 */
#ifndef WIRE_PUT_H
#define WIRE_PUT_H

#include "base/buffer.h"
#include "wire/proto.h"
#include "wire/small.h"

static inline void put_tag(struct buffer *buffer, unsigned number, enum proto_type type)
{
    uint64_t tag = proto_tag(number, type);
    (void)proto_put_varint(buffer_extend(buffer, proto_size_varint(tag)), tag);
}

/* string: nothing when empty. */
static inline void put_string(struct buffer *buffer, unsigned number, struct text t)
{
    if (t.size != 0) {
        uint64_t tag = proto_tag(number, PROTO_BYTES);
        uint8_t *at = buffer_extend(buffer, proto_size_varint(tag) + proto_size_bytes(t.size));
        (void)proto_put_text(proto_put_varint(at, tag), t);
    }
}

/* A message that is bytes: nothing when absent. */
static inline void put_raw(struct buffer *buffer, unsigned number, struct text t)
{
    if (text_is_present(t)) {
        uint64_t tag = proto_tag(number, PROTO_BYTES);
        uint8_t *at = buffer_extend(buffer, proto_size_varint(tag) + proto_size_bytes(t.size));
        (void)proto_put_text(proto_put_varint(at, tag), t);
    }
}

/* StringValue: nothing when absent. */
static inline void put_string_value(struct buffer *buffer, unsigned number, struct text t)
{
    if (text_is_present(t)) {
        uint64_t tag = proto_tag(number, PROTO_BYTES);
        size_t size = proto_size_varint(tag) + proto_size_bytes(size_of_wrapped(t));
        (void)put_wrapped(proto_put_varint(buffer_extend(buffer, size), tag), t);
    }
}

/* int32, int64, bool, enum: nothing when 0. */
static inline void put_number(struct buffer *buffer, unsigned number, int64_t value)
{
    if (value != 0) {
        uint64_t tag = proto_tag(number, PROTO_VARINT);
        size_t size = proto_size_varint(tag) + proto_size_varint((uint64_t)value);
        uint8_t *at = proto_put_varint(buffer_extend(buffer, size), tag);
        (void)proto_put_varint(at, (uint64_t)value);
    }
}

/* Timestamp, always. */
static inline void put_timestamp_field(struct buffer *buffer, unsigned number, time_us time)
{
    put_tag(buffer, number, PROTO_BYTES);
    (void)put_time(buffer_extend(buffer, size_of_time(time)), time);
}

static inline void put_tags_field(struct buffer *buffer, unsigned number, struct text tags)
{
    if (tags.size != 0) {
        unsigned tag = (unsigned)proto_tag(number, PROTO_BYTES);
        uint8_t *at = buffer_extend(buffer, size_of_tags(proto_size_varint(tag), tags));
        (void)put_tags(at, tag, tags);
    }
}

/* Begins a message; give what is returned to nest_end. `size`: about how long it will be. */
static inline size_t nest_begin(struct buffer *buffer, unsigned number, size_t size)
{
    put_tag(buffer, number, PROTO_BYTES);
    (void)buffer_extend(buffer, proto_size_varint(size));
    return buffer->size - proto_size_varint(size);
}

static inline void nest_end(struct buffer *buffer, size_t begin, size_t guessed)
{
    size_t room = proto_size_varint(guessed);
    size_t size = buffer->size - begin - room;
    size_t need = proto_size_varint(size);
    if (__builtin_expect(need != room, 0)) {
        if (need > room) {
            (void)buffer_extend(buffer, need - room);
        } else {
            buffer->size -= room - need;
        }
        memmove(buffer->at + begin + need, buffer->at + begin + room, size);
    }
    (void)proto_put_varint(buffer->at + begin, size);
}

#endif
