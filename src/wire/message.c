/* SPDX-License-Identifier: MIT
 *
 * Messages read along their tables.
 *
 *   M1  A known field with another wire type than the table's is skipped, like an unknown one: what
 *       protobuf's own readers do. Lists of numbers come packed or not, also mixed.
 *   M2  Of a field that comes twice the last one counts, also of a nested message (protobuf would
 *       merge the two; nobody writes that). Of a oneof all that came are set: who reads it looks at
 *       its members in the order of the table.
 *   M3  Strings, wrapped or not, are UTF-8, or the message is malformed: other readers would refuse
 *       to take them from us, with all that is around them. For the same reason RAW of which it is
 *       known what it has to be is checked to the last string, and is not too deep.
 *   M4  Tags that nobody could have given (tag_is_valid) are left out. More of them than a child
 *       can inherit are malformed.
 *   M5  Messages are nested as deep as the tables are: no bytes can exhaust the stack. A list is
 *       counted before it is read, so that it takes room once.
 *       All lists of a message together take LISTS_MAX bytes at most: an item of two bytes may
 *       stand for a hundred here.
 *   M6  What is not on the wire is what proto3 means by that: an empty string, zero. What has a
 *       presence is absent.
 *   M7  Times that a Timestamp may not hold become the nearest that it may, also those that only
 *       rounding brings there (the last of .NET); durations saturate.
 */
#include "wire/message.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "wire/small.h"
#include "wire/wire_priv.h"

/* Parsers of others refuse what is deeper than 100; a failure is five deep in a work item. */
enum { LEVELS_MAX = 80, LISTS_MAX = 256 << 20 };

struct reading {
    struct arena *arena;
    const uint8_t *at; /* what has been read; of a failure, where it is */
    const char *trouble;
    pd_status status;
    size_t listed; /* bytes of lists */
};

static bool fail(struct reading *in, const uint8_t *at, const char *trouble)
{
    in->at = at;
    in->trouble = trouble;
    in->status = PD_E_INVALID;
    return false;
}

static bool is_malformed(struct reading *in, const uint8_t *at)
{
    return fail(in, at, "the bytes are not protobuf");
}

static bool read_message(const struct message_type *type, struct text bytes, void *ret,
                         struct reading *in);

/* Room for a list whose size comes from outside. */
static void *room_for(struct reading *in, size_t count, size_t size)
{
    size_t total = count * size; /* count is at most the bytes of a message */
    if (total > LISTS_MAX - in->listed) {
        in->trouble = "there is too much in its lists";
        in->status = PD_E_LIMIT;
        return NULL;
    }
    in->listed += total;
    void *room = total <= ARENA_BLOCK_MAX ? arena_alloc_raw(in->arena, total)
                                          : arena_try_alloc(in->arena, total);
    if (room == NULL) {
        in->trouble = "no memory";
        in->status = PD_E_NOMEM;
    }
    return room;
}

static inline bool is_of(const struct message_field *known, const struct proto_field *field)
{
    unsigned tag = field->number << 3 | field->type;
    return known->tag == tag || (known->kind == FIELD_NUMBERS && known->tag >> 3 == field->number &&
                                 field->type == PROTO_VARINT);
}

/* How often the field comes from here on, `first` included; malformed bytes end the count. */
static size_t count_again(const struct message_field *known, struct proto_reader rest)
{
    struct proto_field field;
    size_t count = 1;
    while (proto_next(&rest, &field) == PROTO_FIELD) {
        count += is_of(known, &field) ? 1 : 0;
    }
    return count;
}

static bool check_text(struct text t, struct reading *in)
{
    return text_is_utf8(t) || fail(in, (const uint8_t *)t.at, "a string is not UTF-8");
}

/* Of Timestamp and Duration, which have the same two fields; nanos rounded up. */
static bool read_time(struct text message, int64_t *ret, struct reading *in)
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
        return is_malformed(in, reader.at);
    }
    int64_t micros = nanos / 1000 + (nanos % 1000 > 0 ? 1 : 0);
    int64_t us;
    if (__builtin_mul_overflow(seconds, TIME_SECOND, &us) ||
        __builtin_add_overflow(us, micros, &us)) {
        us = seconds > 0 ? INT64_MAX : INT64_MIN;
    }
    *ret = us != WIRE_NO_TIME ? us : WIRE_NO_TIME + 1;
    return true;
}

static bool read_wrapped(struct text message, struct text *ret, struct reading *in)
{
    const uint8_t *bad;
    *ret = wire_read_wrapped(message, &bad);
    return text_is_present(*ret) ? check_text(*ret, in) : is_malformed(in, bad);
}

/* From `from` on, and round: fields come in the order of the table, nearly always. */
static inline const struct message_field *find_field(const struct message_type *type,
                                                     const struct message_field *from,
                                                     const struct proto_field *field)
{
    const struct message_field *known = from;
    do {
        if (known->tag == 0) {
            known = type->fields;
        } else if (is_of(known, field)) {
            return known;
        } else {
            known++;
        }
    } while (known != from);
    return NULL;
}

/* A message of `levels` more inside each other is what its table says. */
static bool check_message(const struct message_type *type, struct text bytes, unsigned levels,
                          struct reading *in)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    enum proto_answer answer;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        const struct message_field *known = find_field(type, type->fields, &field);
        bool is_sound = true;
        if (known == NULL) {
            continue;
        }
        if (known->kind == FIELD_TEXT) {
            is_sound = check_text(field.bytes, in);
        } else if (known->kind == FIELD_WRAPPED) {
            struct text value;
            is_sound = read_wrapped(field.bytes, &value, in);
        } else if (known->kind == FIELD_TIME) {
            time_us time;
            is_sound = read_time(field.bytes, &time, in);
        } else if (known->nested != NULL) {
            is_sound = levels != 0 ? check_message(known->nested, field.bytes, levels - 1, in)
                                   : fail(in, reader.at, "messages are too deep inside each other");
        }
        if (!is_sound) {
            return false;
        }
    }
    return answer == PROTO_END || is_malformed(in, reader.at);
}

static bool check_raw(const struct message_field *known, struct text bytes, struct reading *in)
{
    return known->nested == &hub_none_type || check_message(known->nested, bytes, LEVELS_MAX, in);
}

static bool add_text(const struct message_field *known, const struct proto_field *field,
                     struct text_list *list, struct proto_reader rest, struct reading *in)
{
    if (list->items == NULL) {
        list->items = room_for(in, count_again(known, rest), sizeof *list->items);
    }
    if (list->items == NULL) {
        return false;
    }
    list->items[list->count++] = field->bytes;
    return known->kind == FIELD_RAWS ? check_raw(known, field->bytes, in)
                                     : check_text(field->bytes, in);
}

static bool add_message(const struct message_field *known, const struct proto_field *field,
                        struct any_list *list, struct proto_reader rest, struct reading *in)
{
    size_t size = known->nested->size;
    if (list->items == NULL) {
        list->items = room_for(in, count_again(known, rest), size);
    }
    if (list->items == NULL) {
        return false;
    }
    return read_message(known->nested, field->bytes, (char *)list->items + list->count++ * size,
                        in);
}

/* Numbers that the field has: one, or as many as end in it when it is packed. */
static size_t count_numbers(const struct proto_field *field)
{
    if (field->type == PROTO_VARINT) {
        return 1;
    }
    size_t count = 0;
    for (size_t i = 0; i < field->bytes.size; i++) {
        count += (uint8_t)field->bytes.at[i] < 0x80 ? 1 : 0;
    }
    return count;
}

static bool add_numbers(const struct message_field *known, const struct proto_field *field,
                        struct number_list *list, struct proto_reader rest, struct reading *in)
{
    if (list->items == NULL) {
        size_t count = count_numbers(field);
        struct proto_field other;
        while (proto_next(&rest, &other) == PROTO_FIELD) {
            count += is_of(known, &other) ? count_numbers(&other) : 0;
        }
        list->items = room_for(in, count, sizeof *list->items);
    }
    if (list->items == NULL) {
        return false;
    }
    if (field->type == PROTO_VARINT) {
        list->items[list->count++] = (int64_t)field->value;
        return true;
    }
    struct proto_reader numbers = proto_reader_of(field->bytes);
    while (numbers.at != numbers.end) {
        uint64_t value;
        if (!proto_next_number(&numbers, &value)) {
            return is_malformed(in, numbers.at);
        }
        list->items[list->count++] = (int64_t)value;
    }
    return true;
}

/* All tags of the message, at the first of them. */
static bool read_tags(const struct message_field *known, const struct proto_field *first,
                      struct text *ret, struct proto_reader rest, struct reading *in)
{
    struct tag tags[LIMIT_TAGS_INHERITED];
    size_t count = 0;
    size_t seen = 0;
    struct proto_field field = *first;
    do {
        const uint8_t *bad;
        if (!is_of(known, &field)) {
            continue;
        }
        if (seen++ == LIMIT_TAGS_INHERITED) {
            return fail(in, (const uint8_t *)field.bytes.at, "too many tags");
        }
        if (!wire_read_tag(field.bytes, &tags[count], &bad)) {
            return is_malformed(in, bad);
        }
        count += tag_is_valid(&tags[count]) ? 1 : 0;
    } while (proto_next(&rest, &field) == PROTO_FIELD);
    *ret = tags_pack(in->arena, tags, count);
    return true;
}

/* Int32Value, BoolValue. */
static bool read_number(struct text message, uint64_t *ret, struct reading *in)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    *ret = 0;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_VARINT && field.number == WRAPPED_VALUE) {
            *ret = field.value;
        }
    }
    return answer == PROTO_END || is_malformed(in, reader.at);
}

static bool read_one(const struct message_field *known, struct text message, const void **ret,
                     struct reading *in)
{
    void *nested = arena_alloc_raw(in->arena, known->nested->size);
    *ret = nested;
    return read_message(known->nested, message, nested, in);
}

/* `rest` is what follows the field. */
static bool read_field(const struct message_field *known, const struct proto_field *field,
                       void *base, struct proto_reader rest, struct reading *in)
{
    void *member = (char *)base + known->offset;
    uint64_t number;
    switch ((enum message_field_kind)known->kind) {
    case FIELD_TEXT: *(struct text *)member = field->bytes; return check_text(field->bytes, in);
    case FIELD_WRAPPED: return read_wrapped(field->bytes, member, in);
    case FIELD_RAW:
        *(struct text *)member = field->bytes;
        return check_raw(known, field->bytes, in);
    case FIELD_TEXTS:
    case FIELD_RAWS: return add_text(known, field, member, rest, in);
    case FIELD_TAGS:
        return text_is_present(*(struct text *)member) || read_tags(known, field, member, rest, in);
    case FIELD_FLAG: *(bool *)member = field->value != 0; return true;
    case FIELD_NUMBER: *(int64_t *)member = (int64_t)field->value; return true;
    case FIELD_NUMBERS: return add_numbers(known, field, member, rest, in);
    case FIELD_FLAG_SET: {
        bool is_read = read_number(field->bytes, &number, in);
        *(struct optional_flag *)member = (struct optional_flag){ true, number != 0 };
        return is_read;
    }
    case FIELD_NUMBER_SET: {
        bool is_read = read_number(field->bytes, &number, in);
        *(struct optional_number *)member = (struct optional_number){ true, (int64_t)number };
        return is_read;
    }
    case FIELD_TIME: {
        time_us *time = member;
        bool is_read = read_time(field->bytes, time, in);
        *time = *time < WIRE_TIME_FIRST  ? WIRE_TIME_FIRST
                : *time > WIRE_TIME_LAST ? WIRE_TIME_LAST
                                         : *time;
        return is_read;
    }
    case FIELD_DURATION: return read_time(field->bytes, member, in);
    case FIELD_ONE: return read_one(known, field->bytes, member, in);
    case FIELD_MANY: return add_message(known, field, member, rest, in);
    }
    unreachable_state("a field kind outside of the enumeration");
}

void message_init(const struct message_type *type, void *message)
{
    memset(message, 0, type->size);
    for (const struct message_field *field = type->fields; field->tag != 0; field++) {
        void *member = (char *)message + field->offset;
        if (field->kind == FIELD_TEXT) {
            *(struct text *)member = TEXT("");
        } else if (field->kind == FIELD_TIME) {
            *(time_us *)member = WIRE_NO_TIME;
        }
    }
}

static bool read_message(const struct message_type *type, struct text bytes, void *ret,
                         struct reading *in)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    enum proto_answer answer;
    const struct message_field *from = type->fields;
    message_init(type, ret);
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        const struct message_field *known = find_field(type, from, &field);
        if (known != NULL) {
            from = known;
            in->at = reader.at;
            if (!read_field(known, &field, ret, reader, in)) {
                return false;
            }
        }
    }
    return answer == PROTO_END || is_malformed(in, reader.at);
}

pd_status message_read(const struct message_type *type, struct text bytes, struct arena *arena,
                       void *ret, pd_error *err)
{
    struct reading in = { .arena = arena };
    if (read_message(type, bytes, ret, &in)) {
        return PD_OK;
    }
    return error_set(err, in.status, in.status == PD_E_NOMEM, "wire: message",
                     "a message %s cannot be read, at byte %zu of %zu: %s", type->name,
                     (size_t)(in.at - (const uint8_t *)bytes.at), bytes.size, in.trouble);
}
