/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding: what is right, what is not, and there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/percent.h"

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

static void assert_decoded(struct text encoded, bool is_form, struct text wanted)
{
    struct text decoded;
    assert_true(percent_decode(&arena, encoded, is_form, &decoded));
    assert_true(text_equal(decoded, wanted));
    assert_int_equal(decoded.at[decoded.size], '\0');
}

static void what_is_encoded_is_decoded_once(void **state)
{
    (void)state;
    assert_decoded(TEXT("a%2Fb%2f%25%32"), false, TEXT("a/b/%2"));
    assert_decoded(TEXT("%00%ff"), false, text_make("\0\xff", 2));
    assert_decoded(TEXT(""), false, TEXT(""));
}

static void a_plus_is_a_space_in_forms_alone(void **state)
{
    (void)state;
    assert_decoded(TEXT("a+%2B"), false, TEXT("a++"));
    assert_decoded(TEXT("a+%2B"), true, TEXT("a +"));
}

static void a_percent_sign_without_two_digits_is_refused(void **state)
{
    static const char *const wrong[] = { "%", "%4", "a%", "a%4", "%zz", "%4z", "%z4", "%%41" };
    struct text decoded;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(percent_decode(&arena, text_of(wrong[i]), false, &decoded));
    }
    /* Digits behind the end are not its. */
    assert_false(percent_decode(&arena, text_make("%41", 2), false, &decoded));
}

static void every_byte_comes_back(void **state)
{
    char all[256];
    struct buffer encoded;
    (void)state;
    for (size_t i = 0; i < sizeof all; i++) {
        all[i] = (char)(unsigned char)i;
    }
    buffer_init(&encoded);
    percent_encode(&encoded, text_make(all, sizeof all));
    assert_int_equal(encoded.size, 66 + 3 * (256 - 66)); /* letters, digits and four more */
    assert_decoded(buffer_text(&encoded), true, text_make(all, sizeof all));
    buffer_done(&encoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_encoded_is_decoded_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_plus_is_a_space_in_forms_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_percent_sign_without_two_digits_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_byte_comes_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
