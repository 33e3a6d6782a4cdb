/* SPDX-License-Identifier: MIT
 *
 * Small messages, read. See small.h.
 */
#include "wire/small.h"

struct text wire_read_wrapped(struct text message, const uint8_t **ret_bad)
{
    const uint8_t *bytes = (const uint8_t *)message.at;
    if (message.size >= 2 && bytes[0] == (WRAPPED_VALUE << 3 | PROTO_BYTES) && bytes[1] < 0x80 &&
        bytes[1] == message.size - 2) { /* short, and nothing else: nearly always */
        return text_make(message.at + 2, message.size - 2);
    }
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

bool wire_read_tag(struct text message, struct tag *ret, const uint8_t **ret_bad)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    *ret = (struct tag){ TEXT(""), TEXT("") };
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_BYTES && field.number == TAG_KEY) {
            ret->key = field.bytes;
        } else if (field.type == PROTO_BYTES && field.number == TAG_VALUE) {
            ret->value = field.bytes;
        }
    }
    *ret_bad = reader.at;
    return answer == PROTO_END;
}
