/* SPDX-License-Identifier: MIT
 *
 * Reading protobuf. The rules are in proto.h.
 *
 * What other decoders let pass and we do not: a varint whose tenth byte holds more than one bit, a
 * tag of more than 32 bits. Overlong varints (80 00) are legal protobuf, and accepted.
 */
#include "wire/proto.h"

/* Varints of several bytes; false: cut off, or more than 64 bits. */
static bool read_varint_slow(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    const uint8_t *p = *at;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (p == end) {
            return false;
        }
        uint8_t byte = *p++;
        if (shift == 63 && byte > 1) {
            return false;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *at = p;
            *ret = value;
            return true;
        }
    }
    return false;
}

static inline bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    if (__builtin_expect(*at != end && **at < 0x80, 1)) {
        *ret = *(*at)++;
        return true;
    }
    return read_varint_slow(at, end, ret);
}

static bool read_fixed(const uint8_t **at, const uint8_t *end, unsigned size, uint64_t *ret)
{
    if ((size_t)(end - *at) < size) {
        return false;
    }
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)(*at)[i] << (8 * i);
    }
    *at += size;
    *ret = value;
    return true;
}

bool proto_next_number(struct proto_reader *reader, uint64_t *ret)
{
    return read_varint(&reader->at, reader->end, ret);
}

bool proto_next_piece(struct proto_reader *reader, struct text *ret)
{
    const uint8_t *at = reader->at;
    uint64_t size;
    if (!read_varint(&at, reader->end, &size) || size > (uint64_t)(reader->end - at)) {
        return false;
    }
    *ret = text_make((const char *)at, (size_t)size);
    reader->at = at + size;
    return true;
}

enum proto_answer proto_next_slow(struct proto_reader *reader, struct proto_field *ret)
{
    const uint8_t *at = reader->at;
    const uint8_t *end = reader->end;
    if (at == end) {
        return PROTO_END;
    }
    uint64_t tag;
    if (!read_varint(&at, end, &tag) || tag < 8 || tag > UINT32_MAX) {
        return PROTO_BAD;
    }
    ret->number = (uint32_t)(tag >> 3);
    bool is_read;
    switch (tag & 7) {
    case PROTO_BYTES:
        is_read = read_varint(&at, end, &ret->value) && ret->value <= (uint64_t)(end - at);
        if (is_read) {
            ret->bytes = text_make((const char *)at, (size_t)ret->value);
            at += ret->value;
        }
        ret->type = PROTO_BYTES;
        break;
    case PROTO_VARINT:
        is_read = read_varint(&at, end, &ret->value);
        ret->type = PROTO_VARINT;
        break;
    case PROTO_FIXED64:
        is_read = read_fixed(&at, end, 8, &ret->value);
        ret->type = PROTO_FIXED64;
        break;
    case PROTO_FIXED32:
        is_read = read_fixed(&at, end, 4, &ret->value);
        ret->type = PROTO_FIXED32;
        break;
    default: is_read = false; break;
    }
    if (!is_read) {
        return PROTO_BAD;
    }
    reader->at = at;
    return PROTO_FIELD;
}
