/* SPDX-License-Identifier: MIT
 *
 * Messages by tables: a table is the C struct, the reader and the writer of a message.
 *
 *     #define MESSAGE_NAME(F, S) F(S, number, TYPE, member, nested) ...
 *
 *    TYPE        in C                   on the wire
 *    TEXT        struct text            string; left out when empty
 *    WRAPPED     struct text            StringValue; absent is not empty
 *    RAW         struct text            a message, as its bytes; absent is not empty. `nested`:
 *                                       what it has to be, for whoever gets it from us
 *    TEXTS RAWS  struct text_list       repeated string; repeated messages as their bytes
 *    TAGS        struct text            map<string, string>; packed: base/tags.h
 *    FLAG        bool                   bool
 *    NUMBER      int64_t                int32, int64, enum
 *    NUMBERS     struct number_list     repeated enum, packed or not
 *    FLAG_SET    struct optional_flag   BoolValue
 *    NUMBER_SET  struct optional_number Int32Value
 *    TIME        time_us                Timestamp; WIRE_NO_TIME: absent. What is finer than a
 *                                       microsecond is rounded up
 *    DURATION    int64_t                Duration in microseconds; 0: absent
 *    ONE         const struct X *       a message; NULL: absent
 *    MANY        struct X_list          repeated messages
 *
 * S is handed through; `nested` is X, or none. Numbers are at most 2047. What reading makes of
 * bytes that nobody would write is in message.c. */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <perdure.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/text.h"
#include "base/time.h"

#define WIRE_NO_TIME INT64_MIN

/* The first and the last that a Timestamp may say: years 1 to 9999. Some readers of the protocol
 * fail on any other, so none is let in. */
#define WIRE_TIME_FIRST (INT64_C(-62135596800) * TIME_SECOND)
#define WIRE_TIME_LAST (INT64_C(253402300800) * TIME_SECOND - 1)

struct text_list {
    struct text *items;
    size_t count;
};
struct number_list {
    int64_t *items;
    size_t count;
};
struct optional_flag {
    bool is_set, value;
};
struct optional_number {
    bool is_set;
    int64_t value;
};

struct message_type;

/* Reads a message into the struct of its type, all of which it sets. Text borrows from the bytes,
 * lists and nested messages live in the arena. PD_E_INVALID, with the name of the message and the
 * byte: it is malformed; also when strings are not UTF-8. PD_E_NOMEM. */
pd_status message_read(const struct message_type *type, struct text bytes, struct arena *arena,
                       void *ret, pd_error *err);

/* Appends it; without tag and length. */
void message_write(const struct message_type *type, struct buffer *buffer, const void *message);
size_t message_size(const struct message_type *type, const void *message);

/* An empty message: times are absent, strings empty. */
void message_init(const struct message_type *type, void *message);

/* ---- what makes structs and tables of a MESSAGE_MAP(X), X(name, TABLE) ----------------------- */

enum message_field_kind {
    FIELD_TEXT,
    FIELD_WRAPPED,
    FIELD_RAW,
    FIELD_TEXTS,
    FIELD_RAWS,
    FIELD_TAGS,
    FIELD_FLAG,
    FIELD_NUMBER,
    FIELD_NUMBERS,
    FIELD_FLAG_SET,
    FIELD_NUMBER_SET,
    FIELD_TIME,
    FIELD_DURATION,
    FIELD_ONE,
    FIELD_MANY,
};

struct message_field {
    uint16_t tag; /* number and wire type; 0 ends a table */
    uint16_t offset;
    uint8_t kind;
    const struct message_type *nested;
};

struct message_type {
    const char *name;
    size_t size;
    const struct message_field *fields;
};

extern const struct message_type hub_none_type; /* has no fields: anything */

#define MEMBER_TEXT(of) struct text
#define MEMBER_WRAPPED(of) struct text
#define MEMBER_RAW(of) struct text
#define MEMBER_TEXTS(of) struct text_list
#define MEMBER_RAWS(of) struct text_list
#define MEMBER_TAGS(of) struct text
#define MEMBER_FLAG(of) bool
#define MEMBER_NUMBER(of) int64_t
#define MEMBER_NUMBERS(of) struct number_list
#define MEMBER_FLAG_SET(of) struct optional_flag
#define MEMBER_NUMBER_SET(of) struct optional_number
#define MEMBER_TIME(of) time_us
#define MEMBER_DURATION(of) int64_t
#define MEMBER_ONE(of) const struct hub_##of *
#define MEMBER_MANY(of) struct hub_##of##_list
#define MESSAGE_MEMBER(self, number, type, member, of) MEMBER_##type(of) member;
#define MESSAGE_STRUCT(name, table)                 \
    struct hub_##name {                             \
        MESSAGE_##table(MESSAGE_MEMBER, hub_##name) \
    };                                              \
    struct hub_##name##_list {                      \
        struct hub_##name *items;                   \
        size_t count;                               \
    };                                              \
    extern const struct message_type hub_##name##_type;

/* Wire types. */
enum {
    FIELD_WIRE_TEXT = 2,
    FIELD_WIRE_WRAPPED = 2,
    FIELD_WIRE_RAW = 2,
    FIELD_WIRE_TEXTS = 2,
    FIELD_WIRE_RAWS = 2,
    FIELD_WIRE_TAGS = 2,
    FIELD_WIRE_FLAG = 0,
    FIELD_WIRE_NUMBER = 0,
    FIELD_WIRE_NUMBERS = 2,
    FIELD_WIRE_FLAG_SET = 2,
    FIELD_WIRE_NUMBER_SET = 2,
    FIELD_WIRE_TIME = 2,
    FIELD_WIRE_DURATION = 2,
    FIELD_WIRE_ONE = 2,
    FIELD_WIRE_MANY = 2,
};
#define NESTED_TEXT(of) NULL
#define NESTED_WRAPPED(of) NULL
#define NESTED_RAW(of) &hub_##of##_type
#define NESTED_TEXTS(of) NULL
#define NESTED_RAWS(of) &hub_##of##_type
#define NESTED_TAGS(of) NULL
#define NESTED_FLAG(of) NULL
#define NESTED_NUMBER(of) NULL
#define NESTED_NUMBERS(of) NULL
#define NESTED_FLAG_SET(of) NULL
#define NESTED_NUMBER_SET(of) NULL
#define NESTED_TIME(of) NULL
#define NESTED_DURATION(of) NULL
#define NESTED_ONE(of) &hub_##of##_type
#define NESTED_MANY(of) &hub_##of##_type
#define MESSAGE_FIELD(self, number, type, member, of)                                 \
    { (number) << 3 | FIELD_WIRE_##type, offsetof(struct self, member), FIELD_##type, \
      NESTED_##type(of) },
#define MESSAGE_DATA(message, table)                                                           \
    static const struct message_field message##_fields[] = { MESSAGE_##table(                  \
        MESSAGE_FIELD, hub_##message){ 0, 0, 0, NULL } };                                      \
    const struct message_type hub_##message##_type = { #message, sizeof(struct hub_##message), \
                                                       message##_fields };

#endif
