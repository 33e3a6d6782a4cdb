/* SPDX-License-Identifier: MIT
 *
 * Protobuf, the little of it that we need: varints, tags and length-delimited fields.
 *
 * Writing goes forward into room that the caller has measured with proto_size_*: the put functions
 * check nothing, and return where the next byte goes. Reading goes field by field over borrowed
 * bytes, and answers "bad" for whatever is not protobuf.
 *
 *   P1  A reader never looks outside [at, end), whatever the bytes.
 *   P2  After PROTO_BAD, `at` is where the field began that could not be read.
 *   P3  Groups (wire types 3 and 4) are bad: proto3 has none.
 *
 * Not a general codec: no descriptors, no maps. What the messages mean is known in read.c, write.c,
 * failure.c and by the tables of message.h only.
 */
#ifndef WIRE_PROTO_H
#define WIRE_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

enum proto_type {
    PROTO_VARINT = 0,
    PROTO_FIXED64 = 1,
    PROTO_BYTES = 2, /* text, bytes, messages */
    PROTO_FIXED32 = 5,
};

/* ---- sizes ---- */

static inline size_t proto_size_varint(uint64_t value)
{
    unsigned high_bit = 63u - (unsigned)__builtin_clzll(value | 1);
    return (high_bit * 9 + 73) / 64; /* high_bit / 7 + 1, without a division */
}

/* A length, and as many bytes. */
static inline size_t proto_size_bytes(size_t size)
{
    return proto_size_varint(size) + size;
}

/* int32 is sign-extended, so that a negative one takes ten bytes. */
static inline uint64_t proto_of_int32(int32_t value)
{
    return (uint64_t)(int64_t)value;
}

/* ---- writing ---- */

static inline uint8_t *proto_put_varint(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* Negative ones without a loop: most events have no step, which is -1. */
static inline uint8_t *proto_put_int32(uint8_t *at, int32_t value)
{
    uint32_t bits = (uint32_t)value;
    if (value >= 0) {
        return proto_put_varint(at, bits);
    }
    at[0] = (uint8_t)(bits | 0x80);
    at[1] = (uint8_t)(bits >> 7 | 0x80);
    at[2] = (uint8_t)(bits >> 14 | 0x80);
    at[3] = (uint8_t)(bits >> 21 | 0x80);
    at[4] = (uint8_t)(bits >> 28 | 0xf0);
    memset(at + 5, 0xff, 4);
    at[9] = 1;
    return at + 10;
}

static inline uint64_t proto_tag(unsigned number, enum proto_type type)
{
    return (uint64_t)number << 3 | (uint64_t)type;
}

static inline uint8_t *proto_put_tag(uint8_t *at, unsigned number, enum proto_type type)
{
    return proto_put_varint(at, proto_tag(number, type));
}

/* Length and bytes; absent and empty are length 0. */
static inline uint8_t *proto_put_text(uint8_t *at, struct text t)
{
    at = proto_put_varint(at, t.size);
    if (t.size != 0) {
        memcpy(at, t.at, t.size);
    }
    return at + t.size;
}

/* ---- reading ---- */

struct proto_reader {
    const uint8_t *at, *end;
};

/* Number and type stand apart: as neighbours they are read as one word after having been written as
 * two, for which a processor waits. */
struct proto_field {
    uint32_t number;
    uint64_t value;    /* of a varint or a fixed number */
    struct text bytes; /* of PROTO_BYTES: present, borrowed */
    enum proto_type type;
};

enum proto_answer {
    PROTO_BAD,
    PROTO_END,
    PROTO_FIELD,
};

static inline struct proto_reader proto_reader_of(struct text bytes)
{
    const uint8_t *at = (const uint8_t *)(bytes.at != NULL ? bytes.at : "");
    return (struct proto_reader){ at, at + bytes.size };
}

enum proto_answer proto_next_slow(struct proto_reader *reader, struct proto_field *ret);

/* The next field. Nearly all have a tag of one byte, and are short texts, small numbers or -1. */
static inline enum proto_answer proto_next(struct proto_reader *reader, struct proto_field *ret)
{
    static const uint8_t minus_one[] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 };
    const uint8_t *at = reader->at;
    size_t room = (size_t)(reader->end - at);
    if (__builtin_expect(room >= 2 && at[0] >= 8 && ((at[0] | at[1]) & 0x80) == 0, 1)) {
        unsigned type = at[0] & 7;
        ret->number = at[0] >> 3;
        ret->value = at[1];
        if (type == PROTO_BYTES && ret->value <= room - 2) {
            ret->type = PROTO_BYTES;
            ret->bytes = text_make((const char *)at + 2, (size_t)ret->value);
            reader->at = at + 2 + ret->value;
            return PROTO_FIELD;
        }
        if (type == PROTO_VARINT) {
            ret->type = PROTO_VARINT;
            reader->at = at + 2;
            return PROTO_FIELD;
        }
    } else if (room > sizeof minus_one && (at[0] & 0x87) == PROTO_VARINT && at[0] >= 8 &&
               memcmp(at + 1, minus_one, sizeof minus_one) == 0) {
        ret->number = at[0] >> 3;
        ret->type = PROTO_VARINT;
        ret->value = UINT64_MAX;
        reader->at = at + 1 + sizeof minus_one;
        return PROTO_FIELD;
    }
    return proto_next_slow(reader, ret);
}

/* A varint without a tag. False: malformed, `at` has not moved. */
bool proto_next_number(struct proto_reader *reader, uint64_t *ret);

/* A length and as many bytes, without a tag. False: malformed, `at` has not moved. */
bool proto_next_piece(struct proto_reader *reader, struct text *ret);

#endif
