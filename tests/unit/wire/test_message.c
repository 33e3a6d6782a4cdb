/* SPDX-License-Identifier: MIT
 *
 * Messages by tables (message.h): what is written is read back, for every message of the service;
 * what bytes mean that others write; and that damage is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/tags.h"
#include "random_message.h"
#include "samples.h"
#include "wire/messages.h"
#include "wire/proto.h"

static struct arena arena;
static struct buffer buffer;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena);
    buffer_init(&buffer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&arena);
    buffer_done(&buffer);
    return 0;
}

static const struct message_type *const all_types[] = {
#define X(name, table) &hub_##name##_type,
    MESSAGE_MAP(X)
#undef X
};
enum { TYPE_COUNT = sizeof all_types / sizeof *all_types };

static pd_error err;

static pd_status read_hex(const struct message_type *type, const char *hex, void *ret)
{
    return message_read(type, sample_bytes(&arena, hex), &arena, ret, &err);
}

static void must_be_hex(const struct message_type *type, const void *message, const char *hex)
{
    struct text wanted = sample_bytes(&arena, hex);
    buffer_reset(&buffer);
    message_write(type, &buffer, message);
    assert_int_equal(buffer.size, wanted.size);
    assert_memory_equal(buffer_text(&buffer).at, wanted.at, wanted.size);
}

/* ---- both ways ------------------------------------------------------------------------------- */

static void what_is_written_of_any_message_is_read_back(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 5);
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        for (int round = 0; round < 100; round++, arena_reset(&arena)) {
            void *message = random_message(all_types[i], &arena, &random);
            void *again = arena_alloc(&arena, all_types[i]->size);
            buffer_reset(&buffer);
            message_write(all_types[i], &buffer, message);
            assert_int_equal(buffer.size, message_size(all_types[i], message));
            struct text bytes = buffer_text(&buffer);
            assert_int_equal(message_read(all_types[i], bytes, &arena, again, &err), PD_OK);
            assert_true(message_is_same(all_types[i], message, again));
        }
    }
}

static void an_empty_message_has_no_bytes_and_no_bytes_are_an_empty_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        void *empty = arena_alloc(&arena, all_types[i]->size);
        void *again = arena_alloc(&arena, all_types[i]->size);
        message_init(all_types[i], empty);
        must_be_hex(all_types[i], empty, "");
        assert_int_equal(message_read(all_types[i], TEXT(""), &arena, again, &err), PD_OK);
        assert_true(message_is_same(all_types[i], empty, again));
    }
}

static void absent_and_empty_stay_different(void **state)
{
    (void)state;
    struct hub_raise_event_request raise;
    assert_int_equal(read_hex(&hub_raise_event_request_type, "0a0169 12016e", &raise), PD_OK);
    assert_false(text_is_present(raise.input));
    assert_int_equal(read_hex(&hub_raise_event_request_type, "0a0169 12016e 1a00", &raise), PD_OK);
    assert_true(text_equal(raise.input, TEXT("")));
    must_be_hex(&hub_raise_event_request_type, &raise, "0a0169 12016e 1a00");
    assert_int_equal(read_hex(&hub_raise_event_request_type, "1a020a00", &raise), PD_OK);
    assert_true(text_equal(raise.input, TEXT("")));
    assert_true(text_equal(raise.name, TEXT("")));
}

static void a_negative_int32_takes_ten_bytes(void **state)
{
    (void)state;
    struct hub_orchestrator_action action;
    message_init(&hub_orchestrator_action_type, &action);
    action.id = -1;
    must_be_hex(&hub_orchestrator_action_type, &action, "08 ffffffffffffffffff01");
    assert_int_equal(read_hex(&hub_orchestrator_action_type, "08 ffffffffffffffffff01", &action),
                     PD_OK);
    assert_int_equal(action.id, -1);
}

/* ---- what others write ----------------------------------------------------------------------- */

static void numbers_come_packed_or_not_or_mixed(void **state)
{
    (void)state;
    static const char *const same[] = { "0a03 01 03 05", "0801 0803 0805", "0801 0a02 03 05",
                                        "0a01 01 0a00 0803 0a01 05" };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct hub_orchestration_id_reuse_policy policy;
        assert_int_equal(read_hex(&hub_orchestration_id_reuse_policy_type, same[i], &policy),
                         PD_OK);
        assert_int_equal(policy.replaceable_status.count, 3);
        for (int n = 0; n < 3; n++) {
            assert_int_equal(policy.replaceable_status.items[n], 1 + 2 * n);
        }
        must_be_hex(&hub_orchestration_id_reuse_policy_type, &policy, "0a03 01 03 05");
    }
}

static void what_is_finer_than_a_microsecond_is_rounded_up(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        time_us at;
    } cases[] = {
        { "0a00", 0 },
        { "0a02 1001", 1 },                    /* 1 ns */
        { "0a03 10e807", 1 },                  /* 1000 ns */
        { "0a03 10e907", 2 },                  /* 1001 ns */
        { "0a08 0805 10ff93ebdc03", 6000000 }, /* 5.999999999 s */
        { "0a0b 08ffffffffffffffffff01", -1000000 },
        { "0a0d 08ffffffffffffffffff01 1001", -999999 },
        { "0a0a 08ffffffffffffffff7f", WIRE_TIME_LAST }, /* the year 9999 is the last */
        { "0a07 088083d1ffaf07", WIRE_TIME_LAST },
        { "0a0d 08ff82d1ffaf07 109c93ebdc03", WIRE_TIME_LAST },
        { "0a0b 0880808080808080808001", WIRE_TIME_FIRST },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hub_create_timer_action timer;
        assert_int_equal(read_hex(&hub_create_timer_action_type, cases[i].hex, &timer), PD_OK);
        assert_true(timer.fire_at == cases[i].at);
    }
    struct hub_create_timer_action timer;
    assert_int_equal(read_hex(&hub_create_timer_action_type, "", &timer), PD_OK);
    assert_true(timer.fire_at == WIRE_NO_TIME);
}

static void unknown_fields_and_other_wire_types_are_skipped(void **state)
{
    (void)state;
    struct hub_terminate_request request;
    /* 1 as a varint, 3 as bytes, 3 as fixed32, 15 and 2047 unknown; then 1, 3 as they should be. */
    assert_int_equal(read_hex(&hub_terminate_request_type,
                              "0807 1a0141 1d01000000 7a0161 fa7f00 0a0169 1801", &request),
                     PD_OK);
    assert_true(text_equal(request.instance_id, TEXT("i")));
    assert_true(request.recursive);
}

static void of_a_field_that_comes_twice_the_last_counts(void **state)
{
    (void)state;
    struct hub_query_instances_request request;
    assert_int_equal(read_hex(&hub_query_instances_request_type, "0a022805 0a024001", &request),
                     PD_OK);
    assert_int_equal(request.query->max_instance_count, 0);
    assert_true(request.query->fetch_inputs_and_outputs);
}

static void fields_come_in_any_order(void **state)
{
    (void)state;
    struct hub_activity_response response;
    assert_int_equal(
        read_hex(&hub_activity_response_type, "2a0174 1a030a0172 1009 0a0169", &response), PD_OK);
    assert_true(text_equal(response.completion_token, TEXT("t")));
    assert_true(text_equal(response.result, TEXT("r")));
    assert_int_equal(response.task_id, 9);
    assert_true(text_equal(response.instance_id, TEXT("i")));
}

static void tags_are_packed_and_those_nobody_could_give_are_left_out(void **state)
{
    (void)state;
    struct hub_schedule_task_action task;
    /* b=2, a=1, (no key)=1, c="\n", and an empty value */
    assert_int_equal(read_hex(&hub_schedule_task_action_type,
                              "2206 0a0162 120132 0a016e 2206 0a0161 120131 2203 120131"
                              "2206 0a0163 12010a 2203 0a0164",
                              &task),
                     PD_OK);
    struct tag wanted[] = { { TEXT("a"), TEXT("1") },
                            { TEXT("b"), TEXT("2") },
                            { TEXT("d"), TEXT("") } };
    assert_true(text_equal(task.tags, tags_pack(&arena, wanted, 3)));
    assert_true(text_equal(task.name, TEXT("n")));
}

static pd_status read_many_tags(size_t count, struct hub_create_instance_request *ret)
{
    buffer_reset(&buffer);
    for (size_t i = 0; i < count; i++) {
        char entry[] = {
            0x42, 5, 0x0a, 3, (char)('a' + i / 100), (char)('0' + i / 10 % 10), (char)('0' + i % 10)
        };
        buffer_add(&buffer, entry, sizeof entry);
    }
    return message_read(&hub_create_instance_request_type, buffer_text(&buffer), &arena, ret, &err);
}

static void more_tags_than_can_be_are_malformed(void **state)
{
    (void)state;
    struct hub_create_instance_request request;
    assert_int_equal(read_many_tags(256, &request), PD_OK);
    assert_int_equal(tags_count(request.tags), 256);
    assert_int_equal(read_many_tags(257, &request), PD_E_INVALID);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void strings_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    struct hub_create_instance_request request;
    const struct message_type *type = &hub_create_instance_request_type;
    assert_int_equal(read_hex(type, "0a01ff", &request), PD_E_INVALID);     /* string */
    assert_int_equal(read_hex(type, "22030a01ff", &request), PD_E_INVALID); /* StringValue */
    struct hub_instance_batch batch;
    assert_int_equal(read_hex(&hub_instance_batch_type, "0a0161 0a01ff", &batch), PD_E_INVALID);
}

/* Whoever gets it from us would refuse all that is around it. */
static void what_is_handed_through_is_checked_to_the_last_string(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "2203 0a01ff",                          /* errorType */
        "2205 1a03 0a01ff",                     /* stackTrace */
        "2205 2203 1201ff",                     /* errorMessage of the cause */
        "2206 a206 03 0a01ff",                  /* of another cause */
        "2205 3203 0a01ff",                     /* the name of a property */
        "2207 3205 1203 1a01ff",                /* its value, a string */
        "220b 3209 1207 3205 0a03 1a01ff",      /* one in a list */
        "220d 320b 1209 2a07 0a05 1203 1a01ff", /* one in an object */
        "2202 0a05",                            /* cut off */
    };
    struct hub_activity_response response;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_hex(&hub_activity_response_type, bad[i], &response), PD_E_INVALID);
        char *good = arena_copy(&arena, bad[i], strlen(bad[i]));
        char *byte = strstr(good, "ff");
        if (byte != NULL) { /* the same with a letter is fine */
            memcpy(byte, "61", 2);
            assert_int_equal(read_hex(&hub_activity_response_type, good, &response), PD_OK);
        }
    }
    struct hub_create_instance_request request;
    const struct message_type *type = &hub_create_instance_request_type;
    assert_int_equal(read_hex(type, "4a03 0a01ff", &request), PD_E_INVALID);
    assert_int_equal(read_hex(type, "4a05 1a03 0a01ff", &request), PD_E_INVALID);
    assert_int_equal(read_hex(type, "4a08 0a0174 1a030a0161", &request), PD_OK);
    assert_true(
        text_equal(request.parent_trace_context, sample_bytes(&arena, "0a0174 1a030a0161")));
    struct hub_orchestrator_request turn; /* of which it is not known what it has to be */
    assert_int_equal(read_hex(&hub_orchestrator_request_type, "2a01ff", &turn), PD_OK);
}

/* A failure with so many causes behind each other. */
static pd_status read_deep(unsigned causes)
{
    struct text inner = TEXT("");
    for (unsigned i = 0; i <= causes; i++) {
        uint8_t bytes[1024];
        uint8_t *at = proto_put_text(proto_put_tag(bytes, 4, PROTO_BYTES), inner);
        inner = text_copy(&arena, text_make((const char *)bytes, (size_t)(at - bytes)));
    }
    struct hub_activity_response response;
    return message_read(&hub_activity_response_type, inner, &arena, &response, &err);
}

static void what_is_handed_through_is_not_too_deep_for_others(void **state)
{
    (void)state;
    assert_int_equal(read_deep(80), PD_OK);
    assert_int_equal(read_deep(81), PD_E_INVALID);
}

static void damage_is_told_with_the_message_and_the_byte(void **state)
{
    (void)state;
    struct hub_orchestrator_response response;
    assert_int_equal(
        read_hex(&hub_orchestrator_response_type, "0a0169 1207 0801 1203 0a0561", &response),
        PD_E_INVALID);
    assert_non_null(strstr(err.text, "orchestrator_response"));
    assert_non_null(strstr(err.text, "at byte 9 of 12"));
}

static void every_prefix_and_every_flipped_bit_is_read_or_refused(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 6);
    for (size_t i = 0; i < TYPE_COUNT; i++, arena_reset(&arena)) {
        void *message = random_message(all_types[i], &arena, &random);
        void *again = arena_alloc(&arena, all_types[i]->size);
        buffer_reset(&buffer);
        message_write(all_types[i], &buffer, message);
        struct text whole = text_copy(&arena, buffer_text(&buffer));
        for (size_t size = 0; size < whole.size; size++) {
            /* In a piece of its own, so that the sanitizer sees what is read behind it. */
            struct text part = text_make(arena_alloc_raw(&arena, size), size);
            memcpy((char *)(uintptr_t)part.at, whole.at, size);
            (void)message_read(all_types[i], part, &arena, again, &err);
        }
        for (size_t bit = 0; bit < 8 * whole.size; bit++) {
            char *bytes = (char *)(uintptr_t)text_copy(&arena, whole).at;
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
            struct text damaged = text_make(bytes, whole.size);
            if (message_read(all_types[i], damaged, &arena, again, &err) == PD_OK) {
                /* What was understood is written, and understood as the same again. */
                buffer_reset(&buffer);
                message_write(all_types[i], &buffer, again);
                void *third = arena_alloc(&arena, all_types[i]->size);
                assert_int_equal(
                    message_read(all_types[i], buffer_text(&buffer), &arena, third, &err), PD_OK);
                assert_true(message_is_same(all_types[i], again, third));
            }
        }
    }
}

static void lists_do_not_take_a_hundred_times_their_bytes(void **state)
{
    (void)state;
    struct hub_query_instances_response response;
    enum { ITEMS = 8 << 20 }; /* each a state without anything: 1 GiB and more */
    _Static_assert(sizeof(struct hub_orchestration_state) > 128, "so much");
    for (size_t i = 0; i < ITEMS; i++) {
        static const uint8_t item[] = { 0x0a, 0x00 };
        buffer_add(&buffer, item, sizeof item);
    }
    assert_int_equal(message_read(&hub_query_instances_response_type, buffer_text(&buffer), &arena,
                                  &response, &err),
                     PD_E_LIMIT);
    struct text few = { (const char *)buffer.at, 2000 };
    assert_int_equal(message_read(&hub_query_instances_response_type, few, &arena, &response, &err),
                     PD_OK);
    assert_int_equal(response.orchestration_state.count, 1000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_of_any_message_is_read_back),
        TEST(an_empty_message_has_no_bytes_and_no_bytes_are_an_empty_message),
        TEST(absent_and_empty_stay_different),
        TEST(a_negative_int32_takes_ten_bytes),
        TEST(numbers_come_packed_or_not_or_mixed),
        TEST(what_is_finer_than_a_microsecond_is_rounded_up),
        TEST(unknown_fields_and_other_wire_types_are_skipped),
        TEST(of_a_field_that_comes_twice_the_last_counts),
        TEST(fields_come_in_any_order),
        TEST(tags_are_packed_and_those_nobody_could_give_are_left_out),
        TEST(more_tags_than_can_be_are_malformed),
        TEST(strings_that_are_not_utf8_are_refused),
        TEST(what_is_handed_through_is_checked_to_the_last_string),
        TEST(what_is_handed_through_is_not_too_deep_for_others),
        TEST(damage_is_told_with_the_message_and_the_byte),
        TEST(lists_do_not_take_a_hundred_times_their_bytes),
        TEST(every_prefix_and_every_flipped_bit_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
