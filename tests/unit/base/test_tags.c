/* SPDX-License-Identifier: MIT
 *
 * Tags: packed in one way only, found as G1 promises, merged, checked, and read when damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/tags.h"

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

/* "a=1,b=2" as packed tags, in this order, without tags_pack; "" is one tag of nothing. */
static struct text packed(const char *pairs)
{
    char *bytes = arena_printf(&arena, "\x1e%s\x1e", pairs);
    size_t size = strlen(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = bytes[i] == ',' ? '\x1e' : bytes[i] == '=' ? '\x1f' : bytes[i];
    }
    return text_make(bytes, size);
}

static struct tag tag_of(const char *key, const char *value)
{
    return (struct tag){ text_of(key), text_of(value) };
}

static void no_tags_is_the_absent_text(void **state)
{
    (void)state;
    struct tag tag;
    size_t cursor = 0;
    struct text value = TEXT_ABSENT;
    assert_false(text_is_present(tags_pack(&arena, NULL, 0)));
    assert_false(tags_next(TEXT_ABSENT, &cursor, &tag));
    assert_false(tags_find(TEXT_ABSENT, TEXT("a"), &value));
    assert_int_equal(tags_count(TEXT_ABSENT), 0);
    assert_false(text_is_present(tags_merge(&arena, TEXT_ABSENT, TEXT_ABSENT)));
}

static void tags_are_packed_as_the_header_says(void **state)
{
    (void)state;
    const struct tag tags[] = { tag_of("a", "1"), tag_of("b", "") };
    struct text text = tags_pack(&arena, tags, 2);
    assert_int_equal(text.size, 8);
    assert_memory_equal(text.at,
                        "\x1e"
                        "a\x1f"
                        "1\x1e"
                        "b\x1f\x1e",
                        9); /* and a NUL */
}

/* All orders of four keys, of which one begins another. */
static void in_whatever_order_they_are_given_the_text_is_the_same(void **state)
{
    (void)state;
    const struct tag all[] = { tag_of("a", "1"), tag_of("ab", "2"), tag_of("b", "3"),
                               tag_of("\xc3\xa4", "4") };
    struct text wanted = packed("a=1,ab=2,b=3,\xc3\xa4=4");
    size_t orders = 0;
    for (unsigned i = 0; i < 256; i++) {
        unsigned at[] = { i & 3, i >> 2 & 3, i >> 4 & 3, i >> 6 };
        unsigned seen = 1u << at[0] | 1u << at[1] | 1u << at[2] | 1u << at[3];
        if (seen != 15) {
            continue;
        }
        const struct tag tags[] = { all[at[0]], all[at[1]], all[at[2]], all[at[3]] };
        assert_true(text_equal(tags_pack(&arena, tags, 4), wanted));
        orders++;
    }
    assert_int_equal(orders, 24);
}

static void of_a_key_that_comes_twice_the_later_one_counts(void **state)
{
    (void)state;
    const struct tag tags[] = { tag_of("b", "1"), tag_of("a", "1"), tag_of("b", "2"),
                                tag_of("a", "3"), tag_of("b", "4") };
    assert_true(text_equal(tags_pack(&arena, tags, 5), packed("a=3,b=4")));
    assert_true(text_equal(tags_pack(&arena, tags, 3), packed("a=1,b=2")));
}

static void what_was_packed_is_found_in_order(void **state)
{
    (void)state;
    struct text text = packed("a=1,ab=,b=3");
    static const char *const keys[] = { "a", "ab", "b" };
    static const char *const values[] = { "1", "", "3" };
    struct tag tag;
    size_t cursor = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_true(tags_next(text, &cursor, &tag));
        assert_true(text_equal(tag.key, text_of(keys[i])));
        assert_true(text_equal(tag.value, text_of(values[i])));
    }
    assert_false(tags_next(text, &cursor, &tag));
    assert_false(tags_next(text, &cursor, &tag)); /* and stays so */
    assert_int_equal(tags_count(text), 3);
    struct text value;
    assert_true(tags_find(text, TEXT("ab"), &value));
    assert_int_equal(value.size, 0);
    assert_true(text_is_present(value));
    assert_false(tags_find(text, TEXT("A"), &value));
    assert_false(tags_find(text, TEXT(""), &value));
}

static bool has(struct text tags, const char *key, const char *value)
{
    struct tag tag = tag_of(key, value);
    return tags_has_needle(tags, tags_needle(&arena, &tag));
}

/* A needle is found where a tag is, never across tags or inside of one. */
static void a_needle_fits_whole_tags_only(void **state)
{
    (void)state;
    struct text text = packed("ab=cd,ef=gh,x=");
    assert_true(has(text, "ab", "cd"));
    assert_true(has(text, "ef", "gh"));
    assert_true(has(text, "x", ""));
    assert_false(has(text, "b", "cd"));
    assert_false(has(text, "ab", "c"));
    assert_false(has(text, "a", "cd"));
    assert_false(has(text, "ab", ""));
    assert_false(has(text, "cd", "ef"));
    assert_false(has(text, "ab", "gh"));
    assert_false(has(text, "AB", "cd"));
    assert_false(has(TEXT_ABSENT, "ab", "cd"));
}

static void the_absent_needle_is_in_every_set(void **state)
{
    (void)state;
    assert_true(tags_has_needle(TEXT_ABSENT, TEXT_ABSENT));
    assert_true(tags_has_needle(packed("a=1"), TEXT_ABSENT));
}

/* Against a search through the list, for random sets over few letters. */
static void a_needle_is_found_exactly_when_the_tag_is_there(void **state)
{
    (void)state;
    static const char *const words[] = { "a", "b", "aa", "ab", "ba", "" };
    struct random random;
    random_seed(&random, 42);
    size_t found = 0;
    enum { ROUNDS = 5000 };
    for (size_t round = 0; round < ROUNDS; round++) {
        struct tag tags[4];
        size_t count = (size_t)random_below(&random, 5);
        for (size_t i = 0; i < count; i++) {
            tags[i] = tag_of(words[random_below(&random, 5)], words[random_below(&random, 6)]);
        }
        struct text text = tags_pack(&arena, tags, count);
        struct tag wanted =
            tag_of(words[random_below(&random, 5)], words[random_below(&random, 6)]);
        struct text value;
        bool is_there = tags_find(text, wanted.key, &value) && text_equal(value, wanted.value);
        assert_int_equal(tags_has_needle(text, tags_needle(&arena, &wanted)), is_there);
        found += is_there ? 1 : 0;
        arena_reset(&arena);
    }
    assert_in_range(found, ROUNDS / 50, ROUNDS / 2);
}

static void merging_keeps_all_keys_and_the_values_of_over(void **state)
{
    (void)state;
    struct text over = packed("b=over,c=over");
    struct text under = packed("a=under,b=under,d=under");
    struct text both = tags_merge(&arena, over, under);
    assert_true(text_equal(both, packed("a=under,b=over,c=over,d=under")));
    assert_true(text_equal(tags_merge(&arena, over, over), over));
}

static void merging_with_none_gives_a_copy_of_the_other(void **state)
{
    (void)state;
    struct text tags = packed("a=1");
    struct text over = tags_merge(&arena, tags, TEXT_ABSENT);
    struct text under = tags_merge(&arena, TEXT_ABSENT, tags);
    assert_true(text_equal(over, tags));
    assert_true(text_equal(under, tags));
    assert_ptr_not_equal(over.at, tags.at);
    assert_ptr_not_equal(under.at, tags.at);
}

static bool is_valid(struct text key, struct text value)
{
    struct tag tag = { key, value };
    return tag_is_valid(&tag);
}

static void keys_and_values_are_plain_utf8(void **state)
{
    (void)state;
    assert_true(is_valid(TEXT("k"), TEXT("v")));
    assert_true(is_valid(TEXT("k"), TEXT("")));
    assert_true(is_valid(TEXT("k"), TEXT_ABSENT));
    assert_true(is_valid(TEXT("a key = with, signs"), TEXT("\xe6\x9d\xb1 ~")));
    assert_false(is_valid(TEXT(""), TEXT("v")));
    assert_false(is_valid(TEXT_ABSENT, TEXT("v")));
    assert_false(is_valid(TEXT("\xff"), TEXT("v")));
    assert_false(is_valid(TEXT("k"), TEXT("\xc3")));
}

static void control_characters_are_refused_in_keys_and_values(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 0x80; c++) {
        char bytes[] = { 'x', (char)c, 'y' };
        struct text text = text_make(bytes, sizeof bytes);
        bool is_plain = c >= 0x20 && c != 0x7f;
        assert_int_equal(is_valid(text, TEXT("v")), is_plain);
        assert_int_equal(is_valid(TEXT("k"), text), is_plain);
    }
}

/* What a store gives back when its bytes are damaged: an end, never a step outside. */
static void damaged_texts_end_early(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size, count;
    } cases[] = {
        { "", 0, 0 },
        { "\x1e", 1, 0 },
        { "\x1e\x1e", 2, 0 },
        { "\x1e"
          "a",
          2, 0 },
        { "\x1e"
          "a\x1f",
          3, 0 },
        { "\x1e"
          "a\x1f"
          "1",
          4, 0 },
        { "\x1e"
          "a\x1f"
          "1\x1e"
          "b",
          6, 1 },
        { "\x1e"
          "a\x1f"
          "1\x1e"
          "b\x1f"
          "2",
          8, 1 },
        { "a\x1f"
          "1\x1e",
          4, 1 }, /* the first byte is not looked at */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        /* In a block of its size, so that the sanitizer sees one byte too far. */
        char *bytes = test_malloc(cases[i].size + 1);
        memcpy(bytes + 1, cases[i].bytes, cases[i].size);
        assert_int_equal(tags_count(text_make(bytes + 1, cases[i].size)), cases[i].count);
        test_free(bytes);
    }
}

/* Any bytes: it ends, and what it gives lies inside, behind each other. */
static void random_bytes_give_tags_inside_of_them(void **state)
{
    (void)state;
    static const char letters[] = { '\x1e', '\x1f', 'a', 'b', '\0' };
    struct random random;
    random_seed(&random, 7);
    size_t found = 0;
    for (size_t round = 0; round < 20000; round++) {
        char bytes[24];
        size_t size = (size_t)random_below(&random, sizeof bytes + 1);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = letters[random_below(&random, sizeof letters)];
        }
        struct text text = text_make(bytes, size);
        struct tag tag;
        size_t before = 0;
        for (size_t cursor = 0; tags_next(text, &cursor, &tag); before = cursor) {
            assert_true(cursor > before && cursor < size);
            assert_true(tag.key.at == bytes + before + 1);
            assert_true(tag.value.at == tag.key.at + tag.key.size + 1);
            assert_true(tag.value.at + tag.value.size == bytes + cursor);
            found++;
        }
    }
    assert_in_range(found, 1000, 200000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(no_tags_is_the_absent_text),
        TEST(tags_are_packed_as_the_header_says),
        TEST(in_whatever_order_they_are_given_the_text_is_the_same),
        TEST(of_a_key_that_comes_twice_the_later_one_counts),
        TEST(what_was_packed_is_found_in_order),
        TEST(a_needle_fits_whole_tags_only),
        TEST(the_absent_needle_is_in_every_set),
        TEST(a_needle_is_found_exactly_when_the_tag_is_there),
        TEST(merging_keeps_all_keys_and_the_values_of_over),
        TEST(merging_with_none_gives_a_copy_of_the_other),
        TEST(keys_and_values_are_plain_utf8),
        TEST(control_characters_are_refused_in_keys_and_values),
        TEST(damaged_texts_end_early),
        TEST(random_bytes_give_tags_inside_of_them),
    };
    return cmocka_run_group_tests_name("base/tags", tests, NULL, NULL);
}
