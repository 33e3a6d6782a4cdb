/* SPDX-License-Identifier: MIT
 *
 * Words to options by the table, and that the table itself is sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"

enum { WORDS_MAX = 16 };

/* Parses words that end with NULL; getopt reorders them, so they are copied. */
static int parse(struct invocation *ret, const char *const *words)
{
    static char copies[WORDS_MAX][64];
    static char *argv[WORDS_MAX + 1];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        assert_true(argc < WORDS_MAX && strlen(words[argc]) < sizeof copies[0]);
        memcpy(copies[argc], words[argc], strlen(words[argc]) + 1);
        argv[argc] = copies[argc];
    }
    argv[argc] = NULL;
    return parse_words(argc, argv, ret);
}

#define PARSE(in, ...) parse((in), (const char *const[]){ "perdure", __VA_ARGS__, NULL })

static void options_stand_before_and_after_the_command(void **state)
{
    (void)state;
    struct invocation in;
    assert_int_equal(PARSE(&in, "--hub", "memory:", "wait", "a", "-o", "json", "b", "--timeout=5s"),
                     CODE_DONE);
    assert_string_equal(in.command->name, "wait");
    assert_string_equal(in.options.hub, "memory:");
    assert_int_equal(in.options.format, FORMAT_JSON);
    assert_int_equal(in.options.timeout.ms, 5000);
    assert_int_equal(in.argument_count, 2);
    assert_string_equal(in.arguments[0], "a");
    assert_string_equal(in.arguments[1], "b");
}

static void after_two_dashes_everything_is_an_argument(void **state)
{
    (void)state;
    struct invocation in;
    assert_int_equal(PARSE(&in, "wait", "--", "-q", "--json"), CODE_DONE);
    assert_int_equal(in.argument_count, 2);
    assert_int_equal(in.options.quiet, 0);
}

static void output_of_show_is_not_the_format(void **state)
{
    (void)state;
    struct invocation in;
    assert_int_equal(PARSE(&in, "show", "x", "--output", "-o", "json"), CODE_DONE);
    assert_int_equal(in.options.show_output, 1);
    assert_int_equal(in.options.format, FORMAT_JSON);
    assert_int_equal(PARSE(&in, "list", "--output", "csv"), CODE_DONE);
    assert_int_equal(in.options.show_output, 0);
    assert_int_equal(in.options.format, FORMAT_CSV);
}

static void states_are_a_list_in_any_case(void **state)
{
    (void)state;
    struct invocation in;
    assert_int_equal(PARSE(&in, "list", "--status", "Running,FAILED", "-s", "pending"), CODE_DONE);
    assert_int_equal(in.options.states,
                     1u << PD_RUN_RUNNING | 1u << PD_RUN_FAILED | 1u << PD_RUN_PENDING);
}

static void commands_of_two_words_are_found(void **state)
{
    (void)state;
    struct invocation in;
    assert_int_equal(PARSE(&in, "bench", "latency", "--count", "7", "-q"), CODE_DONE);
    assert_string_equal(in.command->name, "bench latency");
    assert_int_equal(in.options.count, 7);
    assert_int_equal(in.argument_count, 0);
}

static void the_environment_names_the_hub(void **state)
{
    (void)state;
    struct invocation in;
    setenv("PERDURE_HUB", "sqlite:env.db", 1);
    assert_int_equal(PARSE(&in, "list"), CODE_DONE);
    assert_string_equal(in.options.hub, "sqlite:env.db");
    assert_int_equal(PARSE(&in, "list", "-H", "memory:"), CODE_DONE);
    assert_string_equal(in.options.hub, "memory:");
    unsetenv("PERDURE_HUB");
    assert_int_equal(PARSE(&in, "list"), CODE_DONE);
    assert_string_equal(in.options.hub, "sqlite:perdure.db");
}

static void wrong_words_are_wrong_usage(void **state)
{
    (void)state;
    struct invocation in;
    assert_int_equal(PARSE(&in, "lst"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "bench"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "bench", "nothing"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "list", "--nothing"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "list", "--lim", "3"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "list", "--quiet=1"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "list", "--limit"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "list", "--limit", "-3"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "list", "-x"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "list", "x"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "raise", "x"), CODE_USAGE);
    assert_int_equal(PARSE(&in, "-o", "auto", "list"), CODE_USAGE);
}

static void near_words_are_suggested_and_far_ones_are_not(void **state)
{
    (void)state;
    static const char *const names[] = { "start", "list", "show", "history", "wait", "raise" };
    assert_string_equal(nearest("lst", names, 6), "list");
    assert_string_equal(nearest("strat", names, 6), "start");
    assert_string_equal(nearest("hist", names, 6), "history");
    assert_string_equal(nearest("waits", names, 6), "wait");
    assert_null(nearest("banana", names, 6));
    assert_null(nearest("x", names, 6));
}

/* Each row has what help and parsing rely on; letters and names do not clash within a command. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (const struct command *c = commands; c->name != NULL; c++) {
        assert_non_null(c->run);
        assert_non_null(c->summary);
        assert_non_null(c->examples[0]);
        assert_int_equal(strncmp(c->examples[0], "perdure ", 8), 0);
        for (const struct option_row *a = c->options; a->name != NULL; a++) {
            assert_non_null(a->help);
            assert_true((a->kind == OPTION_FLAG) == (a->argument == NULL));
            for (const struct option_row *b = c->options; b < a; b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(a->letter == 0 || a->letter != b->letter);
            }
            for (const struct option_row *b = options_of_all; b->name != NULL; b++) {
                assert_true(a->letter == 0 || a->letter != b->letter);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_before_and_after_the_command),
        cmocka_unit_test(after_two_dashes_everything_is_an_argument),
        cmocka_unit_test(output_of_show_is_not_the_format),
        cmocka_unit_test(states_are_a_list_in_any_case),
        cmocka_unit_test(commands_of_two_words_are_found),
        cmocka_unit_test(the_environment_names_the_hub),
        cmocka_unit_test(wrong_words_are_wrong_usage),
        cmocka_unit_test(near_words_are_suggested_and_far_ones_are_not),
        cmocka_unit_test(the_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
