/* SPDX-License-Identifier: MIT
 *
 * Text, UTF-8 and buffers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

static void absent_differs_from_empty(void **state)
{
    (void)state;
    assert_false(text_is_present(TEXT_ABSENT));
    assert_false(text_is_present(text_of(NULL)));
    assert_true(text_is_present(TEXT("")));
    assert_true(text_is_present(text_of("")));
    assert_false(text_equal(TEXT_ABSENT, TEXT("")));
    assert_false(text_equal(TEXT(""), TEXT_ABSENT));
    assert_true(text_equal(TEXT_ABSENT, TEXT_ABSENT));
    assert_true(text_equal(TEXT(""), TEXT("")));
}

static void texts_are_equal_by_bytes(void **state)
{
    (void)state;
    assert_true(text_equal(TEXT("abc"), text_make("abcd", 3)));
    assert_false(text_equal(TEXT("abc"), TEXT("abd")));
    assert_false(text_equal(TEXT("abc"), TEXT("ab")));
    assert_false(text_equal(TEXT("a\0b"), TEXT("a\0c")));
}

static void prefixes(void **state)
{
    (void)state;
    assert_true(text_has_prefix(TEXT("order-1"), TEXT("order-")));
    assert_true(text_has_prefix(TEXT("order-1"), TEXT("order-1")));
    assert_false(text_has_prefix(TEXT("order-1"), TEXT("order-12")));
    assert_false(text_has_prefix(TEXT("order-1"), TEXT("1")));
    assert_true(text_has_prefix(TEXT("x"), TEXT("")));
    assert_true(text_has_prefix(TEXT("x"), TEXT_ABSENT));
    assert_false(text_has_prefix(TEXT_ABSENT, TEXT("x")));
}

static void copy_ends_in_nul_and_absent_stays_absent(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct text copy = text_copy(&arena, text_make("abcdef", 3));
    assert_int_equal(copy.size, 3);
    assert_string_equal(copy.at, "abc");
    assert_false(text_is_present(text_copy(&arena, TEXT_ABSENT)));
    assert_true(text_is_present(text_copy(&arena, TEXT(""))));
    arena_done(&arena);
}

static void utf8_is_recognised(void **state)
{
    (void)state;
    const struct {
        struct text text;
        bool is_utf8;
    } table[] = {
        { TEXT_INIT(""), true },
        { TEXT_INIT("ASCII only, and rather more than eight"), true },
        { TEXT_INIT("\xc3\xa9"), true },         /* U+00E9 */
        { TEXT_INIT("\xc2\x80"), true },         /* the first of two bytes */
        { TEXT_INIT("\xdf\xbf"), true },         /* the last of two bytes */
        { TEXT_INIT("\xe0\xa0\x80"), true },     /* the first of three */
        { TEXT_INIT("\xed\x9f\xbf"), true },     /* the last before surrogates */
        { TEXT_INIT("\xee\x80\x80"), true },     /* the first after them */
        { TEXT_INIT("\xef\xbf\xbf"), true },     /* U+FFFF */
        { TEXT_INIT("\xf0\x90\x80\x80"), true }, /* the first of four */
        { TEXT_INIT("\xf4\x8f\xbf\xbf"), true }, /* U+10FFFF */
        { TEXT_INIT("12345678\xf0\x9f\x98\x80 12345678"), true },
        { TEXT_INIT("\x80"), false },             /* a tail alone */
        { TEXT_INIT("\xc0\x80"), false },         /* overlong NUL */
        { TEXT_INIT("\xc1\xbf"), false },         /* overlong */
        { TEXT_INIT("\xe0\x9f\xbf"), false },     /* overlong */
        { TEXT_INIT("\xf0\x8f\xbf\xbf"), false }, /* overlong */
        { TEXT_INIT("\xed\xa0\x80"), false },     /* a surrogate */
        { TEXT_INIT("\xed\xbf\xbf"), false },     /* a surrogate */
        { TEXT_INIT("\xf4\x90\x80\x80"), false }, /* U+110000 */
        { TEXT_INIT("\xf5\x80\x80\x80"), false },
        { TEXT_INIT("\xff"), false },
        { TEXT_INIT("abc\xc3"), false },     /* cut */
        { TEXT_INIT("abc\xe2\x82"), false }, /* cut */
        { TEXT_INIT("\xe2\x82z"), false },
        { TEXT_INIT("\xf0\x9f\x98z"), false },
        { TEXT_INIT("1234567\x80"), false }, /* in the last of eight */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (text_is_utf8(table[i].text) != table[i].is_utf8) {
            fail_msg("row %zu", i);
        }
    }
}

static void buffer_grows_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    for (int i = 0; i < 10000; i++) {
        buffer_add_byte(&buffer, (uint8_t)i);
    }
    assert_int_equal(buffer.size, 10000);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(buffer.at[i], (uint8_t)i);
    }
    buffer_done(&buffer);
    assert_null(buffer.at);
}

static void buffer_adds_texts_and_nothing_for_absent(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    buffer_add_text(&buffer, TEXT_ABSENT);
    assert_true(text_equal(buffer_text(&buffer), TEXT("")));
    buffer_add_text(&buffer, TEXT("ab"));
    buffer_add(&buffer, "cd", 2);
    buffer_add(&buffer, NULL, 0);
    memcpy(buffer_extend(&buffer, 2), "ef", 2);
    assert_true(text_equal(buffer_text(&buffer), TEXT("abcdef")));
    buffer_reset(&buffer);
    assert_int_equal(buffer.size, 0);
    assert_true(buffer.room > 0);
    buffer_done(&buffer);
}

static void buffer_prints_at_every_fill(void **state)
{
    (void)state;
    for (size_t filled = 0; filled < 200; filled++) {
        struct buffer buffer;
        buffer_init(&buffer);
        memset(buffer_extend(&buffer, filled), '.', filled);
        buffer_printf(&buffer, "<%d %s>", 42, "and more than a little");
        assert_int_equal(buffer.size, filled + 27);
        assert_memory_equal(buffer.at + filled, "<42 and more than a little>", 27);
        buffer_done(&buffer);
    }
}

static void buffer_take_empties_it(void **state)
{
    (void)state;
    struct buffer buffer;
    size_t size = 77;
    buffer_init(&buffer);
    assert_null(buffer_take(&buffer, &size));
    assert_int_equal(size, 0);
    buffer_add(&buffer, "abc", 3);
    uint8_t *mine = buffer_take(&buffer, &size);
    assert_int_equal(size, 3);
    assert_memory_equal(mine, "abc", 3);
    assert_null(buffer.at);
    assert_int_equal(buffer.size, 0);
    mem_free(mine);
    buffer_done(&buffer);
}

static void reserve_may_fail_and_leaves_the_buffer(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    buffer_add(&buffer, "abc", 3);
    assert_false(buffer_try_reserve(&buffer, SIZE_MAX - 1));
    mem_fail_at(1);
    assert_false(buffer_try_reserve(&buffer, 100000));
    assert_true(text_equal(buffer_text(&buffer), TEXT("abc")));
    assert_true(buffer_try_reserve(&buffer, 100000));
    assert_true(buffer.room - buffer.size >= 100000);
    buffer_done(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_differs_from_empty),
        cmocka_unit_test(texts_are_equal_by_bytes),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(copy_ends_in_nul_and_absent_stays_absent),
        cmocka_unit_test(utf8_is_recognised),
        cmocka_unit_test(buffer_grows_and_keeps_what_it_has),
        cmocka_unit_test(buffer_adds_texts_and_nothing_for_absent),
        cmocka_unit_test(buffer_prints_at_every_fill),
        cmocka_unit_test(buffer_take_empties_it),
        cmocka_unit_test(reserve_may_fail_and_leaves_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
