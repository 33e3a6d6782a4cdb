/* SPDX-License-Identifier: MIT
 *
 * The file of tokens, and who may do what by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/tokens.h"

static char file[64];
static pd_error err;

static struct tokens *load(const char *text)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    (void)fputs(text, stream);
    (void)fclose(stream);
    return tokens_load(file, &err);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "/tmp/perdure-tokens-XXXXXX");
    return close(mkstemp(file));
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(file);
}

static enum token_answer check(const struct tokens *tokens, const char *header, const char *hub,
                               unsigned scopes)
{
    return tokens_check(tokens, text_of(header), NULL, text_of(hub), scopes);
}

static void a_token_is_good_for_its_scopes_and_hubs(void **state)
{
    (void)state;
    struct tokens *tokens = load("# ours\n"
                                 "aaaaaaaaaaaaaaaaaaaa read orders,bills\n"
                                 "\n"
                                 "bbbbbbbbbbbbbbbbbbbb work,operate *   \n");
    static const char a[] = "Bearer aaaaaaaaaaaaaaaaaaaa";
    static const char b[] = "bearer bbbbbbbbbbbbbbbbbbbb";
    assert_non_null(tokens);
    assert_int_equal(check(tokens, a, "orders", SCOPE_READ), TOKEN_GOOD);
    assert_int_equal(check(tokens, a, "bills", SCOPE_READ), TOKEN_GOOD);
    assert_int_equal(check(tokens, a, "bill", SCOPE_READ), TOKEN_DENIED);
    assert_int_equal(check(tokens, a, "orders,bills", SCOPE_READ), TOKEN_DENIED);
    assert_int_equal(check(tokens, a, "orders", SCOPE_WORK), TOKEN_DENIED);
    assert_int_equal(check(tokens, a, "orders", SCOPE_ANY), TOKEN_GOOD);
    assert_int_equal(check(tokens, b, "anything", SCOPE_WORK), TOKEN_GOOD);
    assert_int_equal(check(tokens, b, "anything", SCOPE_OPERATE), TOKEN_GOOD);
    assert_int_equal(check(tokens, b, "anything", SCOPE_READ), TOKEN_DENIED);
    tokens_free(tokens);
}

static void what_is_nearly_a_token_is_none(void **state)
{
    (void)state;
    struct tokens *tokens = load("aaaaaaaaaaaaaaaaaaaa read *\n");
    static const char *const rows[] = {
        NULL,
        "",
        "Bearer ",
        "Bearer",
        "Bearer aaaaaaaaaaaaaaaaaaa",
        "Bearer aaaaaaaaaaaaaaaaaaaaa",
        "Bearer aaaaaaaaaaaaaaaaaaab",
        "Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", /* twice */
        "Basic aaaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaa",
        "Bearer  aaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(check(tokens, rows[i], "h", SCOPE_READ), TOKEN_UNKNOWN);
    }
    assert_int_equal(check(tokens, "Bearer aaaaaaaaaaaaaaaaaaaa", "h", SCOPE_READ), TOKEN_GOOD);
    tokens_free(tokens);
}

static void a_token_has_16_to_512_characters(void **state)
{
    (void)state;
    char line[600];
    static const struct {
        int size;
        bool is_good;
    } rows[] = { { 15, false }, { 16, true }, { 512, true }, { 513, false } };
    for (size_t i = 0; i < 4; i++) {
        memset(line, 'x', (size_t)rows[i].size);
        snprintf(line + rows[i].size, sizeof line - (size_t)rows[i].size, " read *\n");
        struct tokens *tokens = load(line);
        assert_int_equal(tokens != NULL, rows[i].is_good);
        tokens_free(tokens);
    }
}

static void names_of_certificates_are_granted_as_tokens_are(void **state)
{
    (void)state;
    struct tokens *tokens = load("subject:worker-1 work *\n");
    assert_int_equal(tokens_check(tokens, TEXT_ABSENT, "worker-1", TEXT("h"), SCOPE_WORK),
                     TOKEN_GOOD);
    assert_int_equal(tokens_check(tokens, TEXT_ABSENT, "worker-1", TEXT("h"), SCOPE_READ),
                     TOKEN_DENIED);
    assert_int_equal(tokens_check(tokens, TEXT_ABSENT, "worker-2", TEXT("h"), SCOPE_WORK),
                     TOKEN_UNKNOWN);
    assert_int_equal(tokens_check(tokens, TEXT_ABSENT, NULL, TEXT("h"), SCOPE_WORK), TOKEN_UNKNOWN);
    assert_int_equal(check(tokens, "Bearer subject:worker-1", "h", SCOPE_WORK), TOKEN_UNKNOWN);
    tokens_free(tokens);
}

static void a_file_that_is_wrong_is_refused_with_its_line(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "", "there is no token in it" },
        { "# nothing\n", "there is no token in it" },
        { "aaaaaaaaaaaaaaaaaaaa read\n", ":1: write 'TOKEN scope[,scope] hub[,hub]'" },
        { "\naaaaaaaaaaaaaaaaaaaa read * more\n", ":2: write" },
        { "aaaaaaaaaaaaaaaaaaaa reed *\n", ":1: the scopes are" },
        { "aaaaaaaaaaaaaaaaaaaa , *\n", ":1: the scopes are" },
        { "short read *\n", ":1: a token has 16 to 512 characters" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_null(load(rows[i][0]));
        if (strstr(err.text, rows[i][1]) == NULL) {
            fail_msg("'%s': '%s'", rows[i][0], err.text);
        }
        assert_null(strstr(err.text, "aaaaaaaa")); /* the words do not tell it */
    }
    assert_null(tokens_load("/", &err));
    assert_string_equal(err.text, "/: Is a directory");
    assert_null(tokens_load("/nowhere/at/all", &err));
}

#define ROW(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_token_is_good_for_its_scopes_and_hubs),
        ROW(what_is_nearly_a_token_is_none),
        ROW(a_token_has_16_to_512_characters),
        ROW(names_of_certificates_are_granted_as_tokens_are),
        ROW(a_file_that_is_wrong_is_refused_with_its_line),
    };
    return cmocka_run_group_tests_name("server: tokens", tests, NULL, NULL);
}
