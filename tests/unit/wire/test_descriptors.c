/* SPDX-License-Identifier: MIT
 *
 * The tables of messages.h and hub_calls.h, and the .proto files that say the same to people, as
 * protoc understands them: each field of a table is there, with its number and a type that is
 * written so; each field of a message that has a table is in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "wire/descriptors.h"
#include "wire/hub_calls.h"
#include "wire/proto.h"

/* google/protobuf/descriptor.proto */
enum { SET_FILE = 1, FILE_PACKAGE = 2, FILE_MESSAGE = 4, FILE_SERVICE = 6 };
enum { MESSAGE_NAME = 1, MESSAGE_FIELD_LIST = 2 };
enum { FIELD_NAME = 1, FIELD_NUMBER_ = 3, FIELD_LABEL = 4, FIELD_TYPE = 5, FIELD_TYPE_NAME = 6 };
enum { SERVICE_NAME = 1, SERVICE_METHOD = 2 };
enum { REPEATED = 3 };
/* From here on a message has fields that only histories need (shape.c). */
enum { OURS_FROM = 100 };
enum {
    TYPE_INT64 = 3,
    TYPE_INT32 = 5,
    TYPE_BOOL = 8,
    TYPE_STRING = 9,
    TYPE_MESSAGE = 11,
    TYPE_BYTES = 12,
    TYPE_ENUM = 14
};

struct described {
    struct text name, type_name;
    uint64_t number, label, type;
};

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct text part(struct text message, unsigned number)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.number == number && field.type == PROTO_BYTES) {
            return field.bytes;
        }
    }
    return TEXT("");
}

static struct described describe(struct text bytes)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    struct described d = { .name = TEXT("") };
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        switch (field.number) {
        case FIELD_NAME: d.name = field.bytes; break;
        case FIELD_NUMBER_: d.number = field.value; break;
        case FIELD_LABEL: d.label = field.value; break;
        case FIELD_TYPE: d.type = field.value; break;
        case FIELD_TYPE_NAME: d.type_name = field.bytes; break;
        default: break;
        }
    }
    return d;
}

/* "instance_id" and "instanceId": without underscores and cases. */
static bool is_same_name(struct text theirs, const char *ours)
{
    size_t i = 0;
    for (; *ours != 0; ours++) {
        if (*ours == '_') {
            continue;
        }
        while (i < theirs.size && theirs.at[i] == '_') {
            i++;
        }
        if (i == theirs.size || (theirs.at[i] | 0x20) != (*ours | 0x20)) {
            return false;
        }
        i++;
    }
    return i == theirs.size;
}

/* The message of that name in a file of the package; empty: there is none. */
static struct text find_message(struct text package, const char *name)
{
    struct proto_reader files = proto_reader_of(wire_descriptors);
    struct proto_field file, message;
    while (proto_next(&files, &file) == PROTO_FIELD) {
        if (file.number != SET_FILE || text_compare(part(file.bytes, FILE_PACKAGE), package) != 0) {
            continue;
        }
        struct proto_reader reader = proto_reader_of(file.bytes);
        while (proto_next(&reader, &message) == PROTO_FIELD) {
            if (message.number == FILE_MESSAGE &&
                is_same_name(part(message.bytes, MESSAGE_NAME), name)) {
                return message.bytes;
            }
        }
    }
    return TEXT("");
}

static bool is_of_type(const struct described *d, const char *type_name)
{
    return d->type == TYPE_MESSAGE && text_equal(d->type_name, text_of(type_name));
}

/* The last part of ".perdure.v1.WorkHello". */
static struct text short_name(struct text type_name)
{
    const char *dot = memrchr(type_name.at, '.', type_name.size);
    size_t skipped = dot != NULL ? (size_t)(dot + 1 - type_name.at) : 0;
    return text_make(type_name.at + skipped, type_name.size - skipped);
}

static bool is_number(const struct described *d)
{
    return d->type == TYPE_INT32 || d->type == TYPE_INT64 || d->type == TYPE_ENUM;
}

static bool is_part_of_value(const struct message_field *field)
{
    return strncmp(field->nested->name, "value", 5) == 0;
}

/* Is what the table says written as what the file says? */
static bool fits(const struct message_field *field, const struct described *d)
{
    bool is_list = d->label == REPEATED;
    bool is_bytes = d->type == TYPE_MESSAGE || d->type == TYPE_BYTES;
    switch ((enum message_field_kind)field->kind) {
    case FIELD_TEXT: return !is_list && d->type == TYPE_STRING;
    case FIELD_WRAPPED: return !is_list && is_of_type(d, ".google.protobuf.StringValue");
    case FIELD_RAW:
        return !is_list && is_bytes &&
               (field->nested == &hub_none_type || is_part_of_value(field) ||
                is_same_name(short_name(d->type_name), field->nested->name));
    case FIELD_TEXTS: return is_list && d->type == TYPE_STRING;
    case FIELD_RAWS: return is_list && is_bytes;
    case FIELD_TAGS: return is_list && is_same_name(short_name(d->type_name), "TagsEntry");
    case FIELD_FLAG: return !is_list && d->type == TYPE_BOOL;
    case FIELD_NUMBER: return !is_list && is_number(d);
    case FIELD_NUMBERS: return is_list && is_number(d);
    case FIELD_FLAG_SET: return !is_list && is_of_type(d, ".google.protobuf.BoolValue");
    case FIELD_NUMBER_SET: return !is_list && is_of_type(d, ".google.protobuf.Int32Value");
    case FIELD_TIME: return !is_list && is_of_type(d, ".google.protobuf.Timestamp");
    case FIELD_DURATION: return !is_list && is_of_type(d, ".google.protobuf.Duration");
    case FIELD_ONE: /* of another file: as its bytes */
    case FIELD_MANY:
        return is_list == (field->kind == FIELD_MANY) &&
               (d->type == TYPE_BYTES ||
                (d->type == TYPE_MESSAGE &&
                 is_same_name(short_name(d->type_name), field->nested->name)));
    }
    return false;
}

/* `members`: the names of the table's members, in its order. */
static int compare(struct text package, const struct message_type *type, const char *const *members)
{
    struct text message = find_message(package, type->name);
    if (message.size == 0) {
        print_error("there is no message %s\n", type->name);
        return 1;
    }
    int wrong = 0;
    size_t described = 0;
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field bytes;
    while (proto_next(&reader, &bytes) == PROTO_FIELD) {
        bool is_theirs = describe(bytes.bytes).number < OURS_FROM;
        described += bytes.number == MESSAGE_FIELD_LIST && is_theirs ? 1 : 0;
    }
    size_t theirs = 0;
    size_t i = 0;
    for (; type->fields[i].tag != 0; i++) {
        const struct message_field *field = &type->fields[i];
        bool is_found = false;
        theirs += field->tag >> 3 < OURS_FROM ? 1 : 0;
        reader = proto_reader_of(message);
        while (!is_found && proto_next(&reader, &bytes) == PROTO_FIELD) {
            struct described d = describe(bytes.bytes);
            is_found = bytes.number == MESSAGE_FIELD_LIST && d.number == field->tag >> 3 &&
                       is_same_name(d.name, members[i]) && fits(field, &d);
        }
        if (!is_found) {
            print_error("%s.%s = %u differs\n", type->name, members[i], field->tag >> 3U);
            wrong++;
        }
    }
    if (theirs != described) {
        print_error("%s has %zu fields in the table and %zu in the file\n", type->name, theirs,
                    described);
        wrong++;
    }
    return wrong;
}

#define MEMBER_NAME(self, number, type, member, of) #member,
#define COMPARE(name, table)                                                               \
    {                                                                                      \
        static const char *const members[] = { MESSAGE_##table(MEMBER_NAME, hub_##name) }; \
        wrong += compare(package, &hub_##name##_type, members);                            \
    }

static void tables_of_the_task_hub_agree_with_its_file(void **state)
{
    (void)state;
    struct text package = TEXT("");
    int wrong = 0;
    MESSAGE_MAP(COMPARE)
    assert_int_equal(wrong, 0);
}

static void tables_of_our_own_service_agree_with_its_file(void **state)
{
    (void)state;
    struct text package = TEXT("perdure.v1");
    int wrong = 0;
    HUB_CALL_MAP(COMPARE)
    assert_int_equal(wrong, 0);
}

static void the_service_has_its_29_calls(void **state)
{
    (void)state;
    struct proto_reader files = proto_reader_of(wire_descriptors);
    struct proto_field file, field;
    size_t methods = 0;
    while (proto_next(&files, &file) == PROTO_FIELD) {
        struct text service = part(file.bytes, FILE_SERVICE);
        if (!text_equal(part(service, SERVICE_NAME), TEXT("TaskHubSidecarService"))) {
            continue;
        }
        struct proto_reader reader = proto_reader_of(service);
        while (proto_next(&reader, &field) == PROTO_FIELD) {
            methods += field.number == SERVICE_METHOD ? 1 : 0;
        }
    }
    assert_int_equal(methods, 29);
}

int main(void)
{
    if (!text_is_present(wire_descriptors)) {
        printf("skipped: there was no protoc when this was built\n");
        return 77;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(tables_of_the_task_hub_agree_with_its_file),
        TEST(tables_of_our_own_service_agree_with_its_file),
        TEST(the_service_has_its_29_calls),
    };
    return cmocka_run_group_tests_name("wire/descriptors", tests, NULL, NULL);
}
