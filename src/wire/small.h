/* SPDX-License-Identifier: MIT
 *
 * Small messages that stand in many others: Timestamp, StringValue, entries of a map of tags. They
 * are measured and written here; proto.h is what it is made of, and its rules hold.
 */
#ifndef WIRE_SMALL_H
#define WIRE_SMALL_H

#include "base/tags.h"
#include "base/time.h"
#include "wire/proto.h"
#include "wire/shape.h"

/* StringValue: the text inside, empty when it has none; absent with *ret_bad when malformed. */
struct text wire_read_wrapped(struct text message, const uint8_t **ret_bad);
/* An entry of a map of tags; false: malformed, at *ret_bad. */
bool wire_read_tag(struct text message, struct tag *ret, const uint8_t **ret_bad);

struct timestamp {
    int64_t seconds;
    uint32_t nanos;
};

static inline struct timestamp timestamp_of(time_us at)
{
    int64_t seconds = at / TIME_SECOND;
    int64_t rest = at % TIME_SECOND;
    if (rest < 0) {
        seconds--;
        rest += TIME_SECOND;
    }
    return (struct timestamp){ seconds, (uint32_t)(rest * 1000) };
}

static inline size_t size_of_timestamp(struct timestamp t)
{
    return (t.seconds != 0 ? 1 + proto_size_varint((uint64_t)t.seconds) : 0) +
           (t.nanos != 0 ? 1 + proto_size_varint(t.nanos) : 0);
}

/* With its length; at most 18 bytes, so the length is one. */
static inline uint8_t *put_timestamp(uint8_t *at, struct timestamp t, size_t size)
{
    *at++ = (uint8_t)size;
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

static inline size_t size_of_time(time_us at)
{
    return 1 + size_of_timestamp(timestamp_of(at));
}

static inline uint8_t *put_time(uint8_t *at, time_us time)
{
    struct timestamp t = timestamp_of(time);
    return put_timestamp(at, t, size_of_timestamp(t));
}

static inline size_t size_of_wrapped(struct text t)
{
    return t.size != 0 ? 1 + proto_size_bytes(t.size) : 0;
}

/* With its length. */
static inline uint8_t *put_wrapped(uint8_t *at, struct text t)
{
    at = proto_put_varint(at, size_of_wrapped(t));
    if (t.size != 0) {
        at = proto_put_tag(at, WRAPPED_VALUE, PROTO_BYTES);
        at = proto_put_text(at, t);
    }
    return at;
}

/* As protoc writes an entry of a map: with both fields, also when one is empty. */
static inline size_t size_of_tag(const struct tag *tag)
{
    return 2 + proto_size_bytes(tag->key.size) + proto_size_bytes(tag->value.size);
}

static inline size_t size_of_tags(size_t field_tag_size, struct text tags)
{
    size_t size = 0;
    struct tag tag;
    for (size_t cursor = 0; tags_next(tags, &cursor, &tag);) {
        size += field_tag_size + proto_size_bytes(size_of_tag(&tag));
    }
    return size;
}

static inline uint8_t *put_tags(uint8_t *at, unsigned field_tag, struct text tags)
{
    struct tag tag;
    for (size_t cursor = 0; tags_next(tags, &cursor, &tag);) {
        at = proto_put_varint(at, field_tag);
        at = proto_put_varint(at, size_of_tag(&tag));
        at = proto_put_tag(at, TAG_KEY, PROTO_BYTES);
        at = proto_put_text(at, tag.key);
        at = proto_put_tag(at, TAG_VALUE, PROTO_BYTES);
        at = proto_put_text(at, tag.value);
    }
    return at;
}

#endif
