/* SPDX-License-Identifier: MIT
 *
 * Log lines: three formats, escaping, levels, and how often the same words are said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"

static char text[65536];
static int file, old;

static void begin(enum log_level level, enum log_format format)
{
    char name[] = "/tmp/perdure-log-XXXXXX";
    file = mkstemp(name);
    assert_true(file >= 0);
    (void)unlink(name);
    old = dup(STDERR_FILENO);
    (void)dup2(file, STDERR_FILENO);
    log_set(level, format);
}

static void end(void)
{
    (void)dup2(old, STDERR_FILENO);
    (void)close(old);
    ssize_t size = pread(file, text, sizeof text - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    (void)close(file);
    log_set(LOG_NONE, LOG_TEXT);
}

static size_t lines(void)
{
    size_t count = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        count++;
    }
    return count;
}

static void a_line_for_people(void **state)
{
    (void)state;
    begin(LOG_INFO, LOG_TEXT);
    log_say(LOG_INFO, "hub opened", "hub", "a b", "peer", "1.2.3.4:5", "absent",
            (const char *)NULL);
    end();
    assert_non_null(strstr(text, "Z info  hub opened hub=\"a b\" peer=1.2.3.4:5\n"));
    assert_int_equal(lines(), 1);
}

static void a_line_of_names_and_values(void **state)
{
    (void)state;
    begin(LOG_INFO, LOG_LOGFMT);
    log_say(LOG_WARN, "it is late", "by", "", "n", "3=4");
    end();
    assert_memory_equal(text, "ts=", 3);
    assert_non_null(strstr(text, " level=warn msg=\"it is late\" by=\"\" n=\"3=4\"\n"));
}

static void a_line_of_json(void **state)
{
    (void)state;
    begin(LOG_INFO, LOG_JSON);
    log_say(LOG_ERROR, "odd", "value", "\"\\\n\x01");
    end();
    assert_memory_equal(text, "{\"ts\":\"", 7);
    assert_non_null(strstr(
        text, ",\"level\":\"error\",\"msg\":\"odd\",\"value\":\"\\\"\\\\\\u000a\\u0001\"}\n"));
    assert_int_equal(lines(), 1); /* what comes from outside makes no second one */
}

static void what_is_no_text_or_moves_a_terminal_is_escaped(void **state)
{
    (void)state;
    begin(LOG_INFO, LOG_JSON);
    log_say(LOG_ERROR, "odd", "value", "\xff\xc3z\xc2\x9b\xc2\xa0\xc3\xbc\x1b[2J\xe2\x82");
    end();
    assert_non_null(strstr(text, ",\"value\":\"\\u00ff\\u00c3z\\u009b\xc2\xa0\xc3\xbc"
                                 "\\u001b[2J\\u00e2\\u0082\"}\n"));
}

static void a_character_is_not_cut_in_two(void **state)
{
    (void)state;
    static char value[2000];
    memset(value, 'x', 1023);
    memcpy(value + 1023, "\xe2\x82\xac", 3);
    begin(LOG_INFO, LOG_TEXT);
    log_say(LOG_INFO, "at the limit", "value", value);
    value[1026] = 'x';
    log_say(LOG_INFO, "past it", "value", value);
    end();
    assert_non_null(strstr(text, "x\xe2\x82\xac\n"));
    assert_non_null(strstr(text, "x\xe2\x82\xac...\n"));
}

static void what_is_long_is_cut(void **state)
{
    (void)state;
    static char value[2000];
    memset(value, 'x', sizeof value - 1);
    begin(LOG_INFO, LOG_TEXT);
    log_say(LOG_INFO, "long", "value", value);
    end();
    assert_in_range(strlen(text), 1024, 1200);
    assert_non_null(strstr(text, "xxx...\n"));
}

static void what_is_below_the_level_is_not_said(void **state)
{
    (void)state;
    begin(LOG_WARN, LOG_TEXT);
    log_say(LOG_INFO, "quiet");
    log_say(LOG_WARN, "loud");
    end();
    assert_int_equal(lines(), 1);
    assert_false(log_is_on(LOG_ERROR)); /* end() has set none */
}

/* Begins when a second does, so that the burst is in one. */
static void the_same_words_are_said_so_often_in_a_second(void **state)
{
    (void)state;
    static const char words[] = "again and again";
    struct timespec now;
    do {
        clock_gettime(CLOCK_REALTIME, &now);
    } while (now.tv_nsec > 100000000);
    begin(LOG_INFO, LOG_TEXT);
    for (int i = 0; i < LOG_BURST + 5; i++) {
        log_say(LOG_INFO, words);
    }
    sleep(1);
    log_say(LOG_INFO, words);
    log_say(LOG_INFO, "something else"); /* may have the same place in the table: so it is last */
    end();
    assert_int_equal(lines(), LOG_BURST + 2);
    assert_non_null(strstr(text, "again and again left_out=5\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_for_people),
        cmocka_unit_test(a_line_of_names_and_values),
        cmocka_unit_test(a_line_of_json),
        cmocka_unit_test(what_is_long_is_cut),
        cmocka_unit_test(what_is_no_text_or_moves_a_terminal_is_escaped),
        cmocka_unit_test(a_character_is_not_cut_in_two),
        cmocka_unit_test(what_is_below_the_level_is_not_said),
        cmocka_unit_test(the_same_words_are_said_so_often_in_a_second),
    };
    return cmocka_run_group_tests_name("server: log", tests, NULL, NULL);
}
