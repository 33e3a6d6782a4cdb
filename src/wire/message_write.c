/* SPDX-License-Identifier: MIT
 *
 * Messages written along their tables.
 *
 * What proto3 leaves out is left out: zeros, empty strings. A message is measured first, and what
 * is nested is measured again for each level above it: there are four at most. Durations are not
 * negative.
 */
#include "base/assert.h"
#include "wire/message.h"
#include "wire/small.h"
#include "wire/wire_priv.h"

static size_t size_of_field(const struct message_field *field, const void *base);
static uint8_t *put_field(uint8_t *at, const struct message_field *field, const void *base);

size_t message_size(const struct message_type *type, const void *message)
{
    size_t size = 0;
    for (const struct message_field *field = type->fields; field->tag != 0; field++) {
        size += size_of_field(field, message);
    }
    return size;
}

static uint8_t *put_message(uint8_t *at, const struct message_type *type, const void *message)
{
    for (const struct message_field *field = type->fields; field->tag != 0; field++) {
        at = put_field(at, field, message);
    }
    return at;
}

static size_t size_of_number(uint64_t number)
{
    return number != 0 ? 1 + proto_size_varint(number) : 0;
}

/* Int32Value, BoolValue, with the length. */
static uint8_t *put_wrapped_number(uint8_t *at, unsigned tag, uint64_t number)
{
    at = proto_put_varint(at, tag);
    at = proto_put_varint(at, size_of_number(number));
    return number != 0 ? proto_put_varint(proto_put_tag(at, WRAPPED_VALUE, PROTO_VARINT), number)
                       : at;
}

static size_t size_of_numbers(const struct number_list *list)
{
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++) {
        size += proto_size_varint((uint64_t)list->items[i]);
    }
    return size;
}

static uint8_t *put_numbers(uint8_t *at, unsigned tag, const struct number_list *list)
{
    if (list->count == 0) {
        return at;
    }
    at = proto_put_varint(at, tag);
    at = proto_put_varint(at, size_of_numbers(list));
    for (size_t i = 0; i < list->count; i++) {
        at = proto_put_varint(at, (uint64_t)list->items[i]);
    }
    return at;
}

static size_t size_of_texts(size_t tag, const struct text_list *list)
{
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++) {
        size += tag + proto_size_bytes(list->items[i].size);
    }
    return size;
}

static uint8_t *put_texts(uint8_t *at, unsigned tag, const struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        at = proto_put_text(proto_put_varint(at, tag), list->items[i]);
    }
    return at;
}

static const void *item_of(const struct message_field *field, const struct any_list *list, size_t i)
{
    return (const char *)list->items + i * field->nested->size;
}

static size_t size_of_messages(size_t tag, const struct message_field *field,
                               const struct any_list *list)
{
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++) {
        size += tag + proto_size_bytes(message_size(field->nested, item_of(field, list, i)));
    }
    return size;
}

static uint8_t *put_nested(uint8_t *at, const struct message_field *field, const void *message)
{
    at = proto_put_varint(at, field->tag);
    at = proto_put_varint(at, message_size(field->nested, message));
    return put_message(at, field->nested, message);
}

static size_t size_of_field(const struct message_field *field, const void *base)
{
    const void *member = (const char *)base + field->offset;
    size_t tag = field->tag < 0x80 ? 1 : 2;
    const struct text *t = member;
    switch ((enum message_field_kind)field->kind) {
    case FIELD_TEXT: return t->size != 0 ? tag + proto_size_bytes(t->size) : 0;
    case FIELD_WRAPPED:
        return text_is_present(*t) ? tag + proto_size_bytes(size_of_wrapped(*t)) : 0;
    case FIELD_RAW: return text_is_present(*t) ? tag + proto_size_bytes(t->size) : 0;
    case FIELD_TEXTS:
    case FIELD_RAWS: return size_of_texts(tag, member);
    case FIELD_TAGS: return size_of_tags(tag, *t);
    case FIELD_FLAG: return *(const bool *)member ? tag + 1 : 0;
    case FIELD_NUMBER: {
        int64_t number = *(const int64_t *)member;
        return number != 0 ? tag + proto_size_varint((uint64_t)number) : 0;
    }
    case FIELD_NUMBERS: {
        const struct number_list *list = member;
        return list->count != 0 ? tag + proto_size_bytes(size_of_numbers(list)) : 0;
    }
    case FIELD_FLAG_SET: {
        const struct optional_flag *flag = member;
        return flag->is_set ? tag + proto_size_bytes(size_of_number(flag->value)) : 0;
    }
    case FIELD_NUMBER_SET: {
        const struct optional_number *number = member;
        return number->is_set ? tag + proto_size_bytes(size_of_number((uint64_t)number->value)) : 0;
    }
    case FIELD_TIME: {
        time_us time = *(const time_us *)member;
        return time != WIRE_NO_TIME ? tag + size_of_time(time) : 0;
    }
    case FIELD_DURATION: {
        int64_t us = *(const int64_t *)member;
        return us != 0 ? tag + proto_size_bytes(size_of_timestamp(timestamp_of(us))) : 0;
    }
    case FIELD_ONE: {
        const void *nested = *(const void *const *)member;
        return nested != NULL ? tag + proto_size_bytes(message_size(field->nested, nested)) : 0;
    }
    case FIELD_MANY: return size_of_messages(tag, field, member);
    }
    unreachable_state("a field kind outside of the enumeration");
}

static uint8_t *put_field(uint8_t *at, const struct message_field *field, const void *base)
{
    const void *member = (const char *)base + field->offset;
    unsigned tag = field->tag;
    const struct text *t = member;
    switch ((enum message_field_kind)field->kind) {
    case FIELD_TEXT: return t->size != 0 ? proto_put_text(proto_put_varint(at, tag), *t) : at;
    case FIELD_WRAPPED:
        return text_is_present(*t) ? put_wrapped(proto_put_varint(at, tag), *t) : at;
    case FIELD_RAW: return text_is_present(*t) ? proto_put_text(proto_put_varint(at, tag), *t) : at;
    case FIELD_TEXTS:
    case FIELD_RAWS: return put_texts(at, tag, member);
    case FIELD_TAGS: return put_tags(at, tag, *t);
    case FIELD_FLAG:
        return *(const bool *)member ? proto_put_varint(proto_put_varint(at, tag), 1) : at;
    case FIELD_NUMBER: {
        int64_t n = *(const int64_t *)member;
        return n != 0 ? proto_put_varint(proto_put_varint(at, tag), (uint64_t)n) : at;
    }
    case FIELD_NUMBERS: return put_numbers(at, tag, member);
    case FIELD_FLAG_SET: {
        const struct optional_flag *flag = member;
        return flag->is_set ? put_wrapped_number(at, tag, flag->value) : at;
    }
    case FIELD_NUMBER_SET: {
        const struct optional_number *number = member;
        return number->is_set ? put_wrapped_number(at, tag, (uint64_t)number->value) : at;
    }
    case FIELD_TIME: {
        time_us time = *(const time_us *)member;
        return time != WIRE_NO_TIME ? put_time(proto_put_varint(at, tag), time) : at;
    }
    case FIELD_DURATION: {
        struct timestamp d = timestamp_of(*(const int64_t *)member);
        return d.seconds == 0 && d.nanos == 0
                   ? at
                   : put_timestamp(proto_put_varint(at, tag), d, size_of_timestamp(d));
    }
    case FIELD_ONE: {
        const void *nested = *(const void *const *)member;
        return nested != NULL ? put_nested(at, field, nested) : at;
    }
    case FIELD_MANY: {
        const struct any_list *list = member;
        for (size_t i = 0; i < list->count; i++) {
            at = put_nested(at, field, item_of(field, list, i));
        }
        return at;
    }
    }
    unreachable_state("a field kind outside of the enumeration");
}

void message_write(const struct message_type *type, struct buffer *buffer, const void *message)
{
    uint8_t *start = buffer_extend(buffer, message_size(type, message));
    uint8_t *end = put_message(start, type, message);
    assert_that(end == buffer->at + buffer->size);
}
