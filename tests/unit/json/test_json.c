/* SPDX-License-Identifier: MIT
 *
 * JSON in both directions, as tables: what is read, what is refused and why, what is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "co/co.h"
#include "json/json.h"

static const pd_value untouched = { .kind_ = 77 };

static pd_value int_of(int64_t i)
{
    return (pd_value){ .kind_ = PD_IS_INT, .as_.integer = i };
}

static pd_value real_of(double x)
{
    return (pd_value){ .kind_ = PD_IS_REAL, .as_.real = x };
}

static pd_value text_value(const char *text)
{
    return (pd_value){ .kind_ = PD_IS_TEXT, .as_.text = text };
}

static pd_value array_of(const pd_value *items, uint32_t count)
{
    return (pd_value){ .kind_ = PD_IS_ARRAY, .count_ = count, .as_.items = items };
}

static pd_value object_of(const pd_value *pairs, uint32_t count)
{
    return (pd_value){ .kind_ = PD_IS_OBJECT, .count_ = count, .as_.items = pairs };
}

/* Written again, what was read says the same: the fixed point of most rows below. */
static void expect_read(struct text json, const char *again)
{
    struct arena arena;
    struct buffer buffer;
    pd_value value = untouched;
    pd_error err = { .text = "" };
    arena_init(&arena);
    buffer_init(&buffer);
    if (json_parse(&arena, json, &value, &err) != PD_OK) {
        fail_msg("refused: %.*s: %s", TEXT_ARGS(json), err.text);
    }
    assert_string_equal(err.text, "");
    assert_int_equal(json_write(&buffer, value, &err), PD_OK);
    buffer_add_byte(&buffer, 0);
    assert_string_equal(buffer.at, again);
    buffer_done(&buffer);
    arena_done(&arena);
}

static void expect_refused(struct text json, pd_status status, const char *reason)
{
    struct arena arena;
    pd_value value = untouched;
    pd_error err = { .text = "" };
    arena_init(&arena);
    pd_status found = json_parse(&arena, json, &value, &err);
    if (found != status || strstr(err.text, reason) == NULL) {
        fail_msg("%.*s: %s: %s", TEXT_ARGS(json), status_name(found), err.text);
    }
    assert_int_equal(err.status, status);
    assert_false(err.retryable);
    assert_string_equal(err.where, "json: parse");
    assert_int_equal(value.kind_, untouched.kind_);
    arena_done(&arena);
}

static void correct_documents_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *json, *again;
    } table[] = {
        /* scalars, by the short path and round it */
        { "null", "null" },
        { "true", "true" },
        { "false", "false" },
        { " \t\r\n null \n", "null" },
        { "0", "0" },
        { "-0", "0" },
        { "7", "7" },
        { "-7", "-7" },
        { "999999999999999999", "999999999999999999" },
        { "-999999999999999999", "-999999999999999999" },
        { "1000000000000000000", "1000000000000000000" },
        { "9223372036854775807", "9223372036854775807" },
        { "-9223372036854775808", "-9223372036854775808" },
        { "\"\"", "\"\"" },
        { "\"hello\"", "\"hello\"" },
        { " \"hello\" ", "\"hello\"" },
        { "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"", "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"" },
        /* escapes */
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
        { "\"\\u0041\\u00e9\\ud83d\\ude00\"", "\"A\xc3\xa9\xf0\x9f\x98\x80\"" },
        { "\"\\u0001\\u001f\\u007f\"", "\"\\u0001\\u001f\x7f\"" },
        { "\"ends in \\\\\"", "\"ends in \\\\\"" },
        /* reals stay reals */
        { "1.0", "1.0" },
        { "-0.0", "-0.0" },
        { "1e2", "100.0" },
        { "1E+2", "100.0" },
        { "0.1", "0.1" },
        { "1.5e300", "1.5e+300" },
        { "123456789012345680000.0", "1.2345678901234568e+20" },
        { "1e-400", "0.0" },
        /* arrays and objects */
        { "[]", "[]" },
        { "{}", "{}" },
        { "[1,[2,[3]],{}]", "[1,[2,[3]],{}]" },
        { " [ 1 , \"a\" , null ] ", "[1,\"a\",null]" },
        { "{\"b\":1,\"a\":{\"c\":[true]}}", "{\"b\":1,\"a\":{\"c\":[true]}}" },
        { "{\"\":0,\" \":1}", "{\"\":0,\" \":1}" },
        { "{\"a\":{\"a\":{\"a\":1}}}", "{\"a\":{\"a\":{\"a\":1}}}" },
        { "[\"[[[\\\"[[[\"]", "[\"[[[\\\"[[[\"]" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        expect_read(text_of(table[i].json), table[i].again);
    }
}

static const char *const malformed[] = {
    "",
    " ",
    "\n\t",
    "nul",
    "nulll",
    "NULL",
    "True",
    "tru",
    "undefined",
    "NaN",
    "Infinity",
    "-Infinity",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    "1.",
    ".5",
    "1e",
    "1e+",
    "0x10",
    "1 2",
    "1,",
    "--1",
    "1-",
    "12a",
    "\"",
    "\"a",
    "a\"",
    "\"a\"b\"",
    "'a'",
    "\"\\x\"",
    "\"\\\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\x01\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1]]",
    "{",
    "}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{'a':1}",
    "{1:2}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1}}",
    "[}",
    "{]",
    "[1}",
    "// no\n1",
    "/* no */ 1",
    "\xef\xbb\xbf[1]",
    "\"\x80\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xff\"",
    "\"\xc3\"",
};

static void malformed_documents_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        expect_refused(text_of(malformed[i]), PD_E_INVALID, "");
    }
    expect_refused(TEXT_ABSENT, PD_E_INVALID, "there is no value");
    expect_refused(TEXT("1\0"), PD_E_INVALID, "");
    expect_refused(TEXT("\"a\0b\""), PD_E_INVALID, "");
    expect_refused(TEXT("[1,\n 2,\n x]"), PD_E_INVALID, "line 3");
}

static void what_c_or_int64_cannot_hold_is_refused_with_its_reason(void **state)
{
    (void)state;
    expect_refused(TEXT("\"a\\u0000b\""), PD_E_INVALID, "\\u0000");
    expect_refused(TEXT("{\"a\\u0000b\":1}"), PD_E_INVALID, "\\u0000");
    expect_refused(TEXT("9223372036854775808"), PD_E_INVALID, "int64_t");
    expect_refused(TEXT("[-9223372036854775809]"), PD_E_INVALID, "int64_t");
    expect_refused(TEXT("1e400"), PD_E_INVALID, "double");
    expect_refused(TEXT("{\"a\":1,\"b\":2,\"a\":3}"), PD_E_INVALID, "twice");
    expect_refused(TEXT("{\"a\":1,\"\\u0061\":3}"), PD_E_INVALID, "twice");
}

static void layout_is_that_of_the_public_header(void **state)
{
    (void)state;
    struct arena arena;
    pd_value value = untouched;
    pd_error err;
    arena_init(&arena);
    struct text json = TEXT("{\"k\":\"v\",\"list\":[1,2.5,true,null,{}]}");
    assert_int_equal(json_parse(&arena, json, &value, &err), PD_OK);
    assert_int_equal(value.kind_, PD_IS_OBJECT);
    assert_int_equal(value.count_, 2);
    assert_string_equal(value.as_.items[0].as_.text, "k");
    assert_int_equal(value.as_.items[0].kind_, PD_IS_TEXT);
    assert_string_equal(value.as_.items[1].as_.text, "v");
    assert_int_equal(value.as_.items[1].count_, 1);
    assert_string_equal(value.as_.items[2].as_.text, "list");
    pd_value list = value.as_.items[3];
    assert_int_equal(list.kind_, PD_IS_ARRAY);
    assert_int_equal(list.count_, 5);
    assert_int_equal(list.as_.items[0].as_.integer, 1);
    assert_true(list.as_.items[1].as_.real == 2.5);
    assert_true(list.as_.items[2].as_.boolean);
    assert_int_equal(list.as_.items[3].kind_, PD_IS_NULL);
    assert_int_equal(list.as_.items[4].kind_, PD_IS_OBJECT);
    assert_int_equal(list.as_.items[4].count_, 0);
    arena_done(&arena);
}

static void value_does_not_point_into_the_document(void **state)
{
    (void)state;
    struct arena arena;
    pd_value value = untouched;
    pd_error err;
    char json[] = "\"hello\"";
    arena_init(&arena);
    assert_int_equal(json_parse(&arena, text_make(json, 7), &value, &err), PD_OK);
    memset(json, 'x', sizeof json);
    assert_string_equal(value.as_.text, "hello");
    assert_int_equal(value.count_, 5);
    arena_done(&arena);
}

/* depth arrays, or objects, inside each other. */
static struct text nested(struct buffer *buffer, int depth, const char *open, const char *close)
{
    buffer_reset(buffer);
    for (int i = 0; i < depth; i++) {
        buffer_add_text(buffer, text_of(open));
    }
    buffer_add_byte(buffer, '1');
    for (int i = 0; i < depth; i++) {
        buffer_add_text(buffer, text_of(close));
    }
    return buffer_text(buffer);
}

static void depth_at_the_limit_is_read_and_one_past_is_refused(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer);
    struct text json = nested(&buffer, LIMIT_JSON_DEPTH, "[", "]");
    buffer_add_byte(&buffer, 0);
    expect_read(text_make((const char *)buffer.at, json.size), (const char *)buffer.at);
    nested(&buffer, LIMIT_JSON_DEPTH, "{\"a\":", "}");
    buffer_add_byte(&buffer, 0);
    expect_read(text_make((const char *)buffer.at, buffer.size - 1), (const char *)buffer.at);
    expect_refused(nested(&buffer, LIMIT_JSON_DEPTH + 1, "[", "]"), PD_E_LIMIT, "64");
    expect_refused(nested(&buffer, LIMIT_JSON_DEPTH + 1, "{\"a\":", "}"), PD_E_LIMIT, "64");
    expect_refused(nested(&buffer, 1000000, "[", ""), PD_E_LIMIT, "64");
    buffer_done(&buffer);
}

static void depth_is_limited_in_writing_too(void **state)
{
    (void)state;
    pd_value levels[LIMIT_JSON_DEPTH + 2];
    struct buffer buffer;
    pd_error err;
    buffer_init(&buffer);
    levels[0] = int_of(1);
    for (int i = 1; i <= LIMIT_JSON_DEPTH + 1; i++) {
        levels[i] = array_of(&levels[i - 1], 1);
    }
    assert_int_equal(json_write(&buffer, levels[LIMIT_JSON_DEPTH], &err), PD_OK);
    size_t size = buffer.size;
    assert_int_equal(json_write(&buffer, levels[LIMIT_JSON_DEPTH + 1], &err), PD_E_LIMIT);
    assert_int_equal(buffer.size, size);
    buffer_done(&buffer);
}

/* Parsing and writing again, on the stack of an orchestration. */
static void read_and_write(struct co *co, void *arg)
{
    (void)co;
    struct text *json = arg;
    struct arena arena;
    struct buffer buffer;
    pd_value value = untouched;
    pd_error err;
    arena_init(&arena);
    buffer_init(&buffer);
    if (json_parse(&arena, *json, &value, &err) == PD_OK &&
        json_write(&buffer, value, &err) == PD_OK && text_equal(buffer_text(&buffer), *json)) {
        *json = TEXT("fits");
    }
    buffer_done(&buffer);
    arena_done(&arena);
}

static void deepest_value_fits_the_smallest_stack(void **state)
{
    (void)state;
    /* Sanitizers make frames larger; there it is the default stack that must do. */
    size_t size = ARENA_ASAN ? LIMIT_STACK_DEFAULT : LIMIT_STACK_MIN;
    struct co_pool *pool = co_pool_new(&(struct co_pool_options){ .stack_size = size });
    struct buffer buffer;
    buffer_init(&buffer);
    struct text json = nested(&buffer, LIMIT_JSON_DEPTH, "{\"key\":", "}");
    struct co *co = co_new(pool, read_and_write, &json);
    assert_false(co_resume(co)); /* too small a stack ends the process here */
    assert_true(text_equal(json, TEXT("fits")));
    co_drop(co);
    co_pool_free(pool);
    buffer_done(&buffer);
}

static void writing_appends_and_failing_leaves_the_buffer(void **state)
{
    (void)state;
    const pd_value bad[] = { int_of(1), real_of(NAN) };
    struct buffer buffer;
    pd_error err;
    buffer_init(&buffer);
    buffer_add(&buffer, "x=", 2);
    assert_int_equal(json_write(&buffer, int_of(-12), &err), PD_OK);
    assert_int_equal(json_write(&buffer, array_of(bad, 2), &err), PD_E_INVALID);
    assert_true(text_equal(buffer_text(&buffer), TEXT("x=-12")));
    buffer_done(&buffer);
}

static void what_json_cannot_say_is_refused(void **state)
{
    (void)state;
    const pd_value twice[] = { text_value("a"), int_of(1), text_value("a"), int_of(2) };
    const pd_value number_as_key[] = { int_of(1), int_of(1) };
    const pd_value null_key[] = { text_value(NULL), int_of(1) };
    const pd_value bad_key[] = { text_value("\xff"), int_of(1) };
    const struct {
        pd_value value;
        const char *reason;
    } table[] = {
        { real_of(NAN), "NaN" },
        { real_of(INFINITY), "infinity" },
        { real_of(-INFINITY), "infinity" },
        { text_value("a\xff"), "UTF-8" },
        { text_value("\xed\xa0\x80"), "UTF-8" },
        { text_value(NULL), "NULL" },
        { object_of(twice, 2), "'a' comes twice" },
        { object_of(number_as_key, 1), "not a text" },
        { object_of(null_key, 1), "not a text" },
        { object_of(bad_key, 1), "UTF-8" },
        { { .kind_ = 77 }, "never made" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct buffer buffer;
        pd_error err = { .text = "" };
        buffer_init(&buffer);
        assert_int_equal(json_write(&buffer, table[i].value, &err), PD_E_INVALID);
        if (strstr(err.text, table[i].reason) == NULL) {
            fail_msg("row %zu: %s", i, err.text);
        }
        assert_int_equal(buffer.size, 0);
        buffer_done(&buffer);
    }
}

/* Seventeen keys and more are compared through a map. */
static void repeated_key_is_found_among_few_and_many(void **state)
{
    (void)state;
    enum { MOST = 40 };
    static char names[MOST][8];
    for (uint32_t count = 2; count <= MOST; count++) {
        pd_value pairs[2 * MOST];
        struct buffer buffer;
        pd_error err;
        buffer_init(&buffer);
        for (uint32_t i = 0; i < count; i++) {
            snprintf(names[i], sizeof names[i], "key%u", (unsigned)i);
            pairs[2 * i] = text_value(names[i]);
            pairs[2 * i + 1] = int_of(i);
        }
        assert_int_equal(json_write(&buffer, object_of(pairs, count), &err), PD_OK);
        pairs[2 * (count - 1)] = text_value("key0");
        assert_int_equal(json_write(&buffer, object_of(pairs, count), &err), PD_E_INVALID);
        assert_string_equal(err.text, "the key 'key0' comes twice in one object");
        buffer_done(&buffer);
    }
}

static void expect_real(double x, const char *text)
{
    struct buffer buffer;
    struct arena arena;
    pd_value value = untouched;
    pd_error err;
    buffer_init(&buffer);
    arena_init(&arena);
    assert_int_equal(json_write(&buffer, real_of(x), &err), PD_OK);
    assert_int_equal(json_parse(&arena, buffer_text(&buffer), &value, &err), PD_OK);
    assert_int_equal(value.kind_, PD_IS_REAL);
    assert_memory_equal(&value.as_.real, &x, sizeof x);
    if (text != NULL) {
        assert_true(text_equal(buffer_text(&buffer), text_of(text)));
    }
    arena_done(&arena);
    buffer_done(&buffer);
}

static void reals_are_short_and_come_back_bit_by_bit(void **state)
{
    (void)state;
    static const struct {
        double x;
        const char *text;
    } table[] = {
        { 0.0, "0.0" },
        { -0.0, "-0.0" },
        { 1.0, "1.0" },
        { -1.0, "-1.0" },
        { 0.1, "0.1" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 1.0 / 3.0, "0.3333333333333333" },
        { 100.0, "100.0" },
        { 1e15, "1e+15" },
        { 123456789.125, "123456789.125" },
        { 1e22, "1e+22" },
        { 5e-324, "5e-324" },
        { 2.2250738585072014e-308, "2.2250738585072014e-308" },
        { 1.7976931348623157e308, "1.7976931348623157e+308" },
        { 9007199254740993.0, "9007199254740992.0" },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        expect_real(table[i].x, table[i].text);
    }
    struct random random;
    random_seed(&random, 11);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_next(&random);
        double x;
        memcpy(&x, &bits, sizeof x);
        if (isfinite(x)) {
            expect_real(x, NULL);
        }
    }
}

static void locale_of_the_host_does_not_matter(void **state)
{
    (void)state;
    static const char *const with_comma[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR" };
    bool is_set = false;
    for (size_t i = 0; i < 4 && !is_set; i++) {
        is_set = setlocale(LC_NUMERIC, with_comma[i]) != NULL;
    }
    if (!is_set) {
        skip(); /* none of them is installed here */
    }
    expect_real(2.5, "2.5");
    expect_read(TEXT("[2.5,1.0]"), "[2.5,1.0]");
    setlocale(LC_NUMERIC, "C");
}

static void each_failing_allocation_is_reported(void **state)
{
    (void)state;
    static const char json[] = "{\"a\":[1,\"two\",{\"three\":3.5}],\"b\":\"x\"}";
    for (size_t n = 1;; n++) {
        struct arena arena;
        pd_value value = untouched;
        pd_error err;
        arena_init(&arena);
        mem_fail_at(n);
        pd_status status = json_parse(&arena, text_of(json), &value, &err);
        mem_fail_at(0);
        arena_done(&arena);
        if (status == PD_OK) {
            assert_int_equal(n, 9); /* three containers, five texts, then none is left to fail */
            break;
        }
        if (status != PD_E_NOMEM) {
            fail_msg("allocation %zu: %s: %s", n, status_name(status), err.text);
        }
        assert_true(err.retryable);
        assert_int_equal(value.kind_, untouched.kind_);
    }
}

/* Whatever bytes come, the answer is a value that can be written and read again, or a reason. */
static void random_bytes_never_do_harm(void **state)
{
    (void)state;
    static const char alphabet[] = "[]{}\":,\\u0019.eE+-trufalsn \"\xc3\xa9\x01";
    struct random random;
    struct arena arena;
    struct buffer buffer;
    int read = 0;
    random_seed(&random, 5);
    arena_init(&arena);
    buffer_init(&buffer);
    for (int i = 0; i < 200000; i++) {
        char json[12];
        size_t size = (size_t)random_below(&random, sizeof json + 1);
        for (size_t k = 0; k < size; k++) {
            json[k] = alphabet[random_below(&random, sizeof alphabet)];
        }
        pd_value value = untouched;
        pd_error err;
        if (json_parse(&arena, text_make(json, size), &value, &err) == PD_OK) {
            assert_int_equal(json_write(&buffer, value, &err), PD_OK);
            assert_int_equal(json_parse(&arena, buffer_text(&buffer), &value, &err), PD_OK);
            read++;
        } else {
            assert_true(text_is_utf8(text_of(err.text)));
        }
        buffer_reset(&buffer);
        arena_reset(&arena);
    }
    assert_true(read > 1000);
    buffer_done(&buffer);
    arena_done(&arena);
}

/* ---- tags ---- */

static pd_status pack(const pd_value *pairs, uint32_t count, struct text *ret)
{
    static struct arena arena;
    pd_error err;
    arena_reset(&arena);
    return json_pack_tags(&arena, object_of(pairs, count), ret, &err);
}

static void tags_are_an_object_of_texts(void **state)
{
    (void)state;
    struct text got = TEXT("untouched");
    const pd_value two[] = { text_value("who"), text_value("ann"), text_value("a"),
                             text_value("") };
    assert_int_equal(pack(two, 2, &got), PD_OK);
    assert_true(text_equal(got, TEXT("\x1e"
                                     "a\x1f\x1ewho\x1f"
                                     "ann\x1e")));
    assert_int_equal(pack(NULL, 0, &got), PD_OK);
    assert_false(text_is_present(got));

    got = TEXT("untouched");
    const pd_value bad[][2] = {
        { text_value("n"), int_of(1) },
        { text_value("n"), { .kind_ = PD_IS_NULL } },
        { text_value(""), text_value("empty") },
        { text_value("a\nb"), text_value("line") },
        { text_value("a"), text_value("\x1f") },
        { text_value("a"), text_value("\xff") },
        { text_value("\xc0\x80"), text_value("") },
        { int_of(1), text_value("key") },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(pack(bad[i], 1, &got), PD_E_INVALID);
    }
    struct arena arena;
    pd_error err;
    arena_init(&arena);
    assert_int_equal(json_pack_tags(&arena, int_of(1), &got, &err), PD_E_INVALID);
    assert_int_equal(json_pack_tags(&arena, array_of(two, 4), &got, &err), PD_E_INVALID);
    assert_true(text_equal(got, TEXT("untouched")));
    assert_int_equal(json_pack_tags(&arena, (pd_value){ .kind_ = PD_IS_NULL }, &got, &err), PD_OK);
    assert_false(text_is_present(got));
    arena_done(&arena);
}

static void there_may_be_64_tags_of_256_bytes(void **state)
{
    (void)state;
    char keys[LIMIT_TAGS + 1][8];
    pd_value pairs[2 * (LIMIT_TAGS + 1)];
    struct text got;
    for (size_t i = 0; i <= LIMIT_TAGS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%zu", i);
        pairs[2 * i] = text_value(keys[i]);
        pairs[2 * i + 1] = text_value("v");
    }
    assert_int_equal(pack(pairs, LIMIT_TAGS, &got), PD_OK);
    assert_int_equal(pack(pairs, LIMIT_TAGS + 1, &got), PD_E_LIMIT);

    char longest[LIMIT_TAG_BYTES + 1];
    char longer[LIMIT_TAG_BYTES + 2];
    memset(longest, 'x', sizeof longest);
    memset(longer, 'x', sizeof longer);
    longest[LIMIT_TAG_BYTES] = '\0';
    longer[LIMIT_TAG_BYTES + 1] = '\0';
    const pd_value at_limit[] = { text_value(longest), text_value(longest) };
    const pd_value long_key[] = { text_value(longer), text_value("v") };
    const pd_value long_value[] = { text_value("k"), text_value(longer) };
    assert_int_equal(pack(at_limit, 1, &got), PD_OK);
    assert_int_equal(pack(long_key, 1, &got), PD_E_LIMIT);
    assert_int_equal(pack(long_value, 1, &got), PD_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correct_documents_are_read),
        cmocka_unit_test(malformed_documents_are_refused),
        cmocka_unit_test(what_c_or_int64_cannot_hold_is_refused_with_its_reason),
        cmocka_unit_test(layout_is_that_of_the_public_header),
        cmocka_unit_test(value_does_not_point_into_the_document),
        cmocka_unit_test(depth_at_the_limit_is_read_and_one_past_is_refused),
        cmocka_unit_test(depth_is_limited_in_writing_too),
        cmocka_unit_test(deepest_value_fits_the_smallest_stack),
        cmocka_unit_test(writing_appends_and_failing_leaves_the_buffer),
        cmocka_unit_test(what_json_cannot_say_is_refused),
        cmocka_unit_test(repeated_key_is_found_among_few_and_many),
        cmocka_unit_test(reals_are_short_and_come_back_bit_by_bit),
        cmocka_unit_test(locale_of_the_host_does_not_matter),
        cmocka_unit_test(each_failing_allocation_is_reported),
        cmocka_unit_test(random_bytes_never_do_harm),
        cmocka_unit_test(tags_are_an_object_of_texts),
        cmocka_unit_test(there_may_be_64_tags_of_256_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
