/* SPDX-License-Identifier: MIT
 *
 * Values as a program sees them: literals, looking into them, and JSON there and back. What needs a
 * context runs inside an activity, and gives back JSON or a failure. */
#include <perdure.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "author/author.h"
#include "base/base.h"

/* ---- without a context ----------------------------------------------------------------------- */

static void scalars_become_the_kind_of_their_type(void **state)
{
    bool yes = true;
    char letters[] = "text";
    unsigned char byte = 255;
    (void)state;
    assert_int_equal(pd_kind_of(PD_VAL(yes)), PD_IS_BOOL);
    assert_int_equal(pd_kind_of(PD_VAL(letters)), PD_IS_TEXT);
    assert_int_equal(pd_int(PD_VAL(byte)), 255);
    assert_int_equal(pd_int(PD_VAL((short)-3)), -3);
    assert_true(pd_int(PD_VAL(INT64_MIN)) == INT64_MIN);
    assert_int_equal(pd_kind_of(PD_VAL(1.0f)), PD_IS_REAL);
    assert_int_equal(pd_kind_of(PD_VAL((void *)letters)), PD_IS_NULL);
    assert_int_equal(pd_kind_of(PD_NULL), PD_IS_NULL);
    assert_int_equal(pd_kind_of(PD_VAL(1 > 0)), PD_IS_INT); /* C17: a comparison is an int */
    assert_int_equal(pd_kind_of(pd_of_bool(1 > 0)), PD_IS_BOOL);
}

static void unsigned_numbers_beyond_int64_become_reals(void **state)
{
    (void)state;
    pd_value most = PD_VAL((uint64_t)INT64_MAX), more = PD_VAL((uint64_t)INT64_MAX + 1);
    assert_int_equal(pd_kind_of(most), PD_IS_INT);
    assert_true(pd_int(most) == INT64_MAX);
    assert_int_equal(pd_kind_of(more), PD_IS_REAL);
    assert_true(pd_real(more) >= 9223372036854775808.0);
}

static void looking_for_another_kind_gives_the_empty_one(void **state)
{
    (void)state;
    pd_value number = PD_VAL(7), text = PD_VAL("7");
    assert_string_equal(pd_text(number), "");
    assert_string_equal(pd_text(PD_NULL), "");
    assert_int_equal(pd_int(text), 0);
    assert_int_equal(pd_int(PD_VAL(7.9)), 0);
    assert_true(pd_real(number) >= 7 && pd_real(number) <= 7);
    assert_true(pd_real(text) >= 0 && pd_real(text) <= 0);
    assert_false(pd_bool(PD_VAL(1)));
    assert_true(pd_bool(PD_TRUE));
    assert_false(pd_bool(PD_FALSE));
    assert_int_equal(pd_count(text), 0);
    assert_int_equal(pd_kind_of(pd_at(number, 0)), PD_IS_NULL);
    assert_int_equal(pd_kind_of(pd_get(number, "k")), PD_IS_NULL);
    assert_null(pd_key_at(number, 0));
    assert_int_equal(pd_kind_of(pd_value_at(number, 0)), PD_IS_NULL);
    assert_int_equal(pd_kind_of(pd_of_text(NULL)), PD_IS_NULL);
    assert_int_equal(pd_kind_of(pd_of_list(NULL)), PD_IS_NULL);
    assert_int_equal(pd_kind_of(pd_of_dict(NULL)), PD_IS_NULL);
}

static void literals_can_be_looked_into_to_their_ends(void **state)
{
    (void)state;
    pd_value v = PD_VAL(PD_OBJ("a", PD_ARR(1, "two", 3.0), "b", PD_OBJ("c", PD_NULL)));
    assert_int_equal(pd_count(v), 2);
    assert_string_equal(pd_key_at(v, 1), "b");
    assert_null(pd_key_at(v, 2));
    assert_int_equal(pd_count(pd_value_at(v, 0)), 3);
    assert_int_equal(pd_kind_of(pd_value_at(v, 2)), PD_IS_NULL);
    assert_string_equal(pd_text(pd_at(pd_get(v, "a"), 1)), "two");
    assert_int_equal(pd_kind_of(pd_at(pd_get(v, "a"), 3)), PD_IS_NULL);
    assert_int_equal(pd_kind_of(pd_get(v, "z")), PD_IS_NULL);
    assert_int_equal(pd_kind_of(pd_get(v, NULL)), PD_IS_NULL);
    assert_int_equal(pd_kind_of(pd_at(v, 0)), PD_IS_NULL); /* an object has no indexes */
    int64_t sum = 0;
    PD_EACH(item, pd_get(v, "a")) {
        sum += pd_int(item);
    }
    assert_int_equal(sum, 1);
}

static pd_value counted(pd_value v, int *times)
{
    ++*times;
    return v;
}

static void a_loop_over_an_array_can_be_left_and_looks_at_it_once(void **state)
{
    (void)state;
    int times = 0, sum = 0;
    pd_value v = PD_VAL(PD_ARR(1, 2, 3, 4, 5));
    PD_EACH(item, counted(v, &times)) {
        if (pd_int(item) == 2)
            continue;
        if (pd_int(item) == 4)
            break;
        sum += (int)pd_int(item);
    }
    assert_int_equal(sum, 1 + 3);
    assert_int_equal(times, 1);
    PD_EACH(item, pd_of_int(3)) {
        fail_msg("a number has no items, and this is %lld", (long long)pd_int(item));
    }
}

static void a_literal_has_up_to_32_arguments(void **state)
{
    (void)state;
    pd_value v = PD_VAL(PD_ARR(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                               20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32));
    assert_int_equal(pd_count(v), 32);
    assert_int_equal(pd_int(pd_at(v, 31)), 32);
}

/* ---- with a context -------------------------------------------------------------------------- */

static pd_result builds(pd_activity *a, pd_value input)
{
    pd_list *list = pd_list_new(a);
    pd_dict *dict = pd_dict_new(a);
    char key[] = "key";
    pd_list_add(list, 1);
    pd_list_add(list, list); /* itself, as it is now */
    pd_list_add(list, "\xc3\xa9\"\n");
    pd_dict_set(dict, key, PD_TRUE);
    key[0] = 'K';
    pd_dict_set(dict, key, list);
    pd_list_add(list, "late");
    pd_dict_set(dict, "key", PD_FALSE);
    pd_dict_set(dict, "in", input);
    return pd_ok(a, dict);
}

/* As many keys as the input says, each set twice; and what one saw between. */
static pd_result counts(pd_activity *a, pd_value input)
{
    pd_dict *dict = pd_dict_new(a);
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < pd_int(input); i++) {
            pd_dict_set(dict, pd_format(a, "k%lld", (long long)i), i * 10 + round);
        }
    }
    pd_value seen = pd_of_dict(dict);
    pd_dict_set(dict, "k0", "changed");
    for (int64_t i = 0; i < pd_int(input); i++) {
        if (pd_int(pd_get(seen, pd_format(a, "k%lld", (long long)i))) != i * 10 + 1) {
            return pd_fail(a, "Wrong", "key %lld", (long long)i);
        }
    }
    return pd_ok(a, PD_ARR(pd_count(seen), pd_get(pd_of_dict(dict), "k0")));
}

/* Arrays in arrays, as deep as the input says. */
static pd_result deep(pd_activity *a, pd_value input)
{
    pd_value v = PD_NULL;
    for (int64_t depth = 0; depth < pd_int(input); depth++) {
        pd_value *items = pd_alloc(a, sizeof *items);
        items[0] = v;
        v = (pd_value){ .kind_ = PD_IS_ARRAY, .count_ = 1, .as_.items = items };
    }
    return pd_ok(a, PD_ARR(pd_count(pd_keep(a, v))));
}

static pd_result writes(pd_activity *a, pd_value input)
{
    const char *json = pd_json(a, input);
    return pd_ok(a, PD_ARR(json, strlen(json), (int)((uintptr_t)pd_alloc(a, 3) % 16)));
}

static const pd_function program[] = {
    PD_FUNCTION("Builds", builds),
    PD_FUNCTION("Counts", counts),
    PD_FUNCTION("Deep", deep),
    PD_FUNCTION("Writes", writes),
};

static void gives(const char *name, const char *input, const char *expected)
{
    pd_error err;
    struct arena arena;
    struct activity_result result;
    struct activity activity = { .name = text_of(name), .input = text_of(input) };
    struct runner *runner = author_new(PD_PROGRAM(program), NULL, &err);
    assert_non_null(runner);
    arena_init(&arena);
    runner->ops->activity(runner, &activity, NULL, &arena, &result);
    struct text got = result.failure != NULL ? result.failure->message : result.payload;
    assert_string_equal(text_copy(&arena, got).at, expected);
    arena_done(&arena);
    author_free(runner);
}

static void lists_and_dicts_copy_what_they_are_given(void **state)
{
    (void)state;
    gives("Builds", "[]", "{\"key\":false,\"Key\":[1,[1],\"\xc3\xa9\\\"\\n\"],\"in\":[]}");
}

static void a_dict_finds_its_keys_whether_few_or_many(void **state)
{
    (void)state;
    gives("Counts", "1", "[1,\"changed\"]");
    gives("Counts", "15", "[15,\"changed\"]");
    gives("Counts", "16", "[16,\"changed\"]");
    gives("Counts", "17", "[17,\"changed\"]");
    gives("Counts", "3000", "[3000,\"changed\"]");
}

static void a_value_is_at_most_64_deep(void **state)
{
    (void)state;
    gives("Deep", "64", "[1]");
    gives("Deep", "65", "pd_keep: deeper than the limit of 64");
}

static void json_is_text_and_memory_is_aligned(void **state)
{
    (void)state;
    gives("Writes", "{ \"a\" : [ 1 , 2.50 , \"\\u00e9\" ] }",
          "[\"{\\\"a\\\":[1,2.5,\\\"\xc3\xa9\\\"]}\",18,0]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_become_the_kind_of_their_type),
        cmocka_unit_test(unsigned_numbers_beyond_int64_become_reals),
        cmocka_unit_test(looking_for_another_kind_gives_the_empty_one),
        cmocka_unit_test(literals_can_be_looked_into_to_their_ends),
        cmocka_unit_test(a_loop_over_an_array_can_be_left_and_looks_at_it_once),
        cmocka_unit_test(a_literal_has_up_to_32_arguments),
        cmocka_unit_test(lists_and_dicts_copy_what_they_are_given),
        cmocka_unit_test(a_dict_finds_its_keys_whether_few_or_many),
        cmocka_unit_test(a_value_is_at_most_64_deep),
        cmocka_unit_test(json_is_text_and_memory_is_aligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
