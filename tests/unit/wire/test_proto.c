/* SPDX-License-Identifier: MIT
 *
 * Protobuf itself: varints at every length, and what a reader refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "samples.h"
#include "wire/proto.h"

static void varints_of_every_length_are_measured_written_and_read(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t highest = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
        for (uint64_t less = 0; less < 2 && less <= highest; less++) {
            uint8_t bytes[1 + 10] = { 0x08 };
            uint8_t *end = proto_put_varint(bytes + 1, highest - less);
            assert_int_equal(end - (bytes + 1), proto_size_varint(highest - less));
            struct proto_reader reader = { bytes, end };
            struct proto_field field;
            assert_int_equal(proto_next(&reader, &field), PROTO_FIELD);
            assert_true(field.value == highest - less);
            assert_int_equal(proto_next(&reader, &field), PROTO_END);
            reader = (struct proto_reader){ bytes, end - 1 };
            assert_int_equal(proto_next(&reader, &field), PROTO_BAD);
            assert_ptr_equal(reader.at, bytes); /* P2 */
        }
    }
}

static void an_int32_is_its_sign_extended_varint(void **state)
{
    (void)state;
    static const int32_t near[] = { 0, 127, 128, 16383, 16384, 2097151, 268435455, INT32_MAX };
    for (size_t i = 0; i < 2 * sizeof(near) / sizeof(near[0]); i++) {
        int32_t value = i % 2 == 0 ? near[i / 2] : -near[i / 2] - 1;
        uint8_t wanted[10];
        uint8_t got[10];
        size_t size = (size_t)(proto_put_varint(wanted, proto_of_int32(value)) - wanted);
        assert_int_equal(proto_put_int32(got, value) - got, size);
        assert_memory_equal(got, wanted, size);
    }
}

static void a_piece_is_as_long_as_it_says_or_refused(void **state)
{
    (void)state;
    static const uint8_t bytes[] = { 0x02, 'a', 'b', 0x00, 0x02, 'c' };
    struct proto_reader reader = { bytes, bytes + sizeof(bytes) };
    struct text piece;
    assert_true(proto_next_piece(&reader, &piece));
    assert_true(text_equal(piece, TEXT("ab")));
    assert_true(proto_next_piece(&reader, &piece));
    assert_true(text_equal(piece, TEXT("")));
    assert_false(proto_next_piece(&reader, &piece)); /* one byte is missing */
    assert_ptr_equal(reader.at, bytes + 4);
    reader.at = reader.end;
    assert_false(proto_next_piece(&reader, &piece));
    assert_ptr_equal(reader.at, reader.end);
}

static enum proto_answer read_hex(const char *hex, struct proto_field *ret)
{
    struct arena arena;
    arena_init(&arena);
    struct proto_reader reader = proto_reader_of(sample_bytes(&arena, hex));
    enum proto_answer answer = proto_next(&reader, ret);
    arena_done(&arena);
    return answer;
}

static void what_is_not_protobuf_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "08 ffffffffffffffffff02",   /* 65 bits */
        "08 ffffffffffffffffffff01", /* eleven bytes */
        "00 01",                     /* field 0 */
        "07 01",                     /* field 0 */
        "0b",                        /* a group begins */
        "0c",                        /* a group ends */
        "0e",                        /* wire type 6 */
        "0f",                        /* wire type 7 */
        "0a 02 41",                  /* one byte less than said */
        "0a ffffffffffffffffff01",   /* a length that would wrap */
        "09 01020304050607",         /* seven bytes of eight */
        "0d 010203",                 /* three bytes of four */
        "8880808010 01",             /* a tag of more than 32 bits */
    };
    struct proto_field field;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (read_hex(bad[i], &field) != PROTO_BAD) {
            fail_msg("%s was read", bad[i]);
        }
    }
    assert_int_equal(read_hex("08 ffffffffffffffffff01", &field), PROTO_FIELD);
    assert_true(field.value == UINT64_MAX);
    assert_int_equal(read_hex("08 8000", &field), PROTO_FIELD); /* overlong is legal */
    assert_true(field.value == 0);
    assert_int_equal(read_hex("09 0102030405060708", &field), PROTO_FIELD);
    assert_true(field.value == UINT64_C(0x0807060504030201));
    assert_int_equal(read_hex("0d 01020304", &field), PROTO_FIELD);
    assert_true(field.value == UINT64_C(0x04030201));
}

/* What is read at once in the common case is what reading it byte by byte gives. */
static void short_fields_read_the_same_as_any(void **state)
{
    (void)state;
    struct random random;
    random_seed(&random, 7);
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[24];
        size_t size = (size_t)random_below(&random, sizeof bytes + 1);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = random_chance(&random, 1, 2) ? 0xff : (uint8_t)random_below(&random, 256);
        }
        if (size > 11 && random_chance(&random, 1, 4)) { /* -1, or nearly */
            bytes[0] = (uint8_t)random_below(&random, 32);
            memset(bytes + 1, 0xff, 9);
            bytes[10] = (uint8_t)random_below(&random, 3);
        }
        struct proto_reader fast = { bytes, bytes + size }, slow = fast;
        struct proto_field a = { 0 }, b = { 0 };
        enum proto_answer answer = proto_next(&fast, &a);
        assert_int_equal(answer, proto_next_slow(&slow, &b));
        assert_ptr_equal(fast.at, slow.at);
        if (answer == PROTO_FIELD) {
            assert_int_equal(a.number, b.number);
            assert_int_equal(a.type, b.type);
            assert_true(a.value == b.value);
            if (a.type == PROTO_BYTES) {
                assert_ptr_equal(a.bytes.at, b.bytes.at);
                assert_int_equal(a.bytes.size, b.bytes.size);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_of_every_length_are_measured_written_and_read),
        cmocka_unit_test(an_int32_is_its_sign_extended_varint),
        cmocka_unit_test(a_piece_is_as_long_as_it_says_or_refused),
        cmocka_unit_test(what_is_not_protobuf_is_refused),
        cmocka_unit_test(short_fields_read_the_same_as_any),
    };
    return cmocka_run_group_tests_name("wire/proto", tests, NULL, NULL);
}
