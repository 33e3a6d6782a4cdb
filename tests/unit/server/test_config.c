/* SPDX-License-Identifier: MIT
 *
 * Configuration: which source counts, what is refused and with which words, and who may be
 * reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/config.h"
#include "server/log.h"

static struct config config;
static pd_error err;
static char file[64];

/* Up to four options. */
static pd_status read_with(const char *a, const char *b, const char *c, const char *d)
{
    char text[5][256] = { "perdured" };
    char *argv[6] = { text[0] };
    const char *const given[] = { a, b, c, d };
    int argc = 1;
    for (size_t i = 0; i < 4 && given[i] != NULL; i++, argc++) {
        snprintf(text[argc], sizeof text[argc], "%s", given[i]);
        argv[argc] = text[argc];
    }
    config_free(&config);
    return config_read(&config, argc, argv, &err);
}

static void write_file(const char *text)
{
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    (void)fputs(text, stream);
    (void)fclose(stream);
}

static pd_status read_file(const char *text)
{
    char option[80];
    write_file(text);
    snprintf(option, sizeof option, "--config=%s", file);
    return read_with(option, NULL, NULL, NULL);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(file, sizeof file, "/tmp/perdure-config-XXXXXX");
    int fd = mkstemp(file);
    static const char *const names[] = {
        "PERDURE_LISTEN",     "PERDURE_DRAIN", "STATE_DIRECTORY",           "XDG_STATE_HOME",
        "DTS_TASK_HUB_NAMES", "PERDURE_HUBS",  "DTS_USE_DYNAMIC_TASK_HUBS", "DTS_EMULATOR_LOG_LEVEL"
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsetenv(names[i]);
    }
    setenv("HOME", "/home/somebody", 1);
    config_defaults(&config);
    return close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    config_free(&config);
    return unlink(file);
}

static void nothing_said_is_loopback_and_a_file(void **state)
{
    (void)state;
    assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_OK);
    assert_int_equal(config.listen.count, 1);
    assert_string_equal(config.listen.items[0], "127.0.0.1:8080");
    assert_string_equal(config.http, "127.0.0.1:8082");
    assert_string_equal(config.store, "sqlite:/home/somebody/.local/state/perdure/perdure.db");
    assert_string_equal(config.hub, "default");
    assert_true(config.dynamic_hubs);
    assert_false(config.insecure_listen);
    assert_int_equal(config.drain_ms, 25000);
}

static void the_state_directory_is_where_it_is_told_to_be(void **state)
{
    (void)state;
    setenv("XDG_STATE_HOME", "/x", 1);
    assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_OK);
    assert_string_equal(config.store, "sqlite:/x/perdure/perdure.db");
    setenv("STATE_DIRECTORY", "/var/lib/perdure:/other", 1);
    assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_OK);
    assert_string_equal(config.store, "sqlite:/var/lib/perdure/perdure.db");
    unsetenv("XDG_STATE_HOME");
    unsetenv("STATE_DIRECTORY");
    unsetenv("HOME");
    assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_E_INVALID);
    assert_non_null(strstr(err.text, "--store"));
}

static void an_option_is_stronger_than_the_environment_and_that_than_a_file(void **state)
{
    (void)state;
    char option[80];
    write_file("drain = 1s\nlisten = 127.0.0.1:1\n");
    snprintf(option, sizeof option, "--config=%s", file);
    assert_int_equal(read_with(option, NULL, NULL, NULL), PD_OK);
    assert_int_equal(config.drain_ms, 1000);
    assert_string_equal(config.listen.items[0], "127.0.0.1:1");
    setenv("PERDURE_DRAIN", "2s", 1);
    setenv("PERDURE_LISTEN", "127.0.0.1:2, 127.0.0.1:3", 1);
    assert_int_equal(read_with(option, NULL, NULL, NULL), PD_OK);
    assert_int_equal(config.drain_ms, 2000);
    assert_int_equal(config.listen.count, 2); /* not added to the file's */
    assert_string_equal(config.listen.items[1], "127.0.0.1:3");
    assert_int_equal(read_with(option, "--drain=3s", "--listen=127.0.0.1:4", "--listen=[::1]:5"),
                     PD_OK);
    assert_int_equal(config.drain_ms, 3000);
    assert_int_equal(config.listen.count, 2);
    assert_string_equal(config.listen.items[0], "127.0.0.1:4");
}

static void variables_of_the_emulator_count_and_ours_more(void **state)
{
    (void)state;
    setenv("DTS_TASK_HUB_NAMES", "default,orders", 1);
    setenv("DTS_USE_DYNAMIC_TASK_HUBS", "false", 1);
    setenv("DTS_EMULATOR_LOG_LEVEL", "Information", 1);
    assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_OK);
    assert_int_equal(config.hubs.count, 2);
    assert_string_equal(config.hubs.items[1], "orders");
    assert_false(config.dynamic_hubs);
    assert_int_equal(config.log_level, LOG_INFO);
    setenv("PERDURE_HUBS", "mine", 1);
    assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_OK);
    assert_int_equal(config.hubs.count, 1);
    setenv("DTS_EMULATOR_LOG_LEVEL", "Loud", 1);
    assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_E_INVALID);
    assert_non_null(strstr(err.text, "DTS_EMULATOR_LOG_LEVEL"));
}

static void a_variable_that_is_nearly_a_setting_is_told_of(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "PERDURE_TOKEN", "PERDURE_TOKENS" },
        { "PERDURE_TLS_CRT", "PERDURE_TLS_CERT" },
        { "PERDURE_LISTEN", NULL },       /* one */
        { "PERDURE_HUB", NULL },          /* the command's */
        { "PERDURE_MODULES", NULL },      /* the library's */
        { "PERDURE_SERVICE_PORT", NULL }, /* an orchestrator of containers makes these */
        { "PERDURE_PORT_8080_TCP", NULL },
        { "OTHER_TOKEN", NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setenv(rows[i][0], "127.0.0.1:1", 1);
        assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_OK);
        unsetenv(rows[i][0]);
        assert_int_equal(config.misspelt.count, rows[i][1] != NULL ? 2 : 0);
        if (rows[i][1] != NULL) {
            assert_string_equal(config.misspelt.items[0], rows[i][0]);
            assert_string_equal(config.misspelt.items[1], rows[i][1]);
        }
    }
}

static void values_that_are_wrong_are_refused_with_one_sentence(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "--drain=soon", "option 'drain' = soon: write a time, such as 30s, 500ms or 10m" },
        { "--drain=2d", "0 to 1h are possible" },
        { "--drain=", "write a time" },
        { "--message-max=12x", "write a size" },
        { "--message-max=4095", "4k to 512m are possible" },
        { "--message-max=99999999999999999999", "write a size" },
        { "--readers=0", "1 to 16 are possible" },
        { "--readers=17", "1 to 16 are possible" },
        { "--dynamic-hubs=maybe", "write yes or no" },
        { "--log-level=loud", "debug, info, warn, error or none" },
        { "--listen=", "nothing is there" },
        { "--listen=foo", "--listen: \"foo\" is no address to listen on: write HOST:PORT" },
        { "--listen=:8080", "\":8080\" is no address" },
        { "--listen=::1:80", "\"::1:80\" is no address" },
        { "--listen=127.0.0.1:65536", "is no address" },
        { "--listen=unix:", "is no address" },
        { "--http=127.0.0.1", "--http: \"127.0.0.1\" is no address" },
        { "--store=mysql:x", "not the URL of a store" },
        { "--store=sqlite:x?partitions=0", "1 to" },
        { "--default-hub=", "1 to 100 printable" },
        { "--nonsense", "'--nonsense' is not an option; --help lists them" },
        { "--webhoks=file", "'--webhoks=file' is not an option; is --webhooks meant?" },
        { "--http-allow=banana", "--http-allow: 'banana' is no network; write private, or" },
        { "--http-allow=10.0.0.0/8,", "--http-allow: '' is no network" },
        { "--http-allow=10.0.0.0/33", "--http-allow: '10.0.0.0/33' is no network" },
        { "nonsense", "'nonsense' is not an option" },
        { "--store", "wants a value" },
        { "--tls-cert=x", "go together" },
        { "--config=/nowhere/at/all", "--config /nowhere/at/all: No such file" },
        { "--config=/", "--config /: Is a directory" },
        { "--idle=10ms", "1s to 1d are possible" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_with(rows[i][0], NULL, NULL, NULL), PD_E_INVALID);
        if (strstr(err.text, rows[i][1]) == NULL) {
            fail_msg("%s: '%s'", rows[i][0], err.text);
        }
    }
}

static void there_is_no_http_where_the_environment_says_none(void **state)
{
    (void)state;
    setenv("PERDURE_HTTP", "", 1); /* as if it were not there: many are left empty */
    assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_OK);
    assert_string_equal(config.http, "127.0.0.1:8082");
    setenv("PERDURE_HTTP", "none", 1);
    assert_int_equal(read_with(NULL, NULL, NULL, NULL), PD_OK);
    assert_string_equal(config.http, "");
    unsetenv("PERDURE_HTTP");
    assert_int_equal(read_with("--http=", NULL, NULL, NULL), PD_OK);
    assert_string_equal(config.http, "");
    assert_int_equal(read_with("-h", NULL, NULL, NULL), PD_OK);
    assert_true(config.help);
}

static void values_at_their_bounds_are_taken(void **state)
{
    (void)state;
    assert_int_equal(read_with("--readers=16", "--message-max=4k", "--drain=1h", NULL), PD_OK);
    assert_int_equal(config.message_max, 4096);
    assert_int_equal(read_with("--readers=1", "--message-max=512MiB", "--drain=0s", NULL), PD_OK);
    assert_int_equal(config.message_max, 512 << 20);
}

static void a_file_has_sections_quotes_and_comments(void **state)
{
    (void)state;
    assert_int_equal(read_file("# all of it\n\nstore = \"sqlite:/tmp/a b#c\" # where\n"
                               "log_level = debug\n[tls]\ncert = c.pem\nkey = k.pem # of it\n"
                               "[perdured]\nhubs = a\nhubs = b, c\n"),
                     PD_OK);
    assert_string_equal(config.store, "sqlite:/tmp/a b#c");
    assert_int_equal(config.log_level, LOG_DEBUG);
    assert_string_equal(config.tls_cert, "c.pem");
    assert_string_equal(config.tls_key, "k.pem");
    assert_int_equal(config.hubs.count, 3);
}

static void a_file_that_is_wrong_is_refused_with_its_line(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "\nlisen = 127.0.0.1:1\n", ":2: 'lisen' is not a setting; is 'listen' meant?" },
        { "something\n", ":1: write 'name = value'" },
        { "[tls\ncert = x\n", ":1: write a section as [name]" },
        { "store = \"open\n", ":1: a quote is not closed" },
        { "store = \"a\" b\n", ":1: something stands behind" },
        { "drain = 1s\ndrain = 2s\n", ":2: this setting is there twice" },
        { "drain = never\n", ":1: 'drain' = never: write a time" },
        { "check = yes\n", "'check' is not a setting" },
        { "config = other\n", "'config' is not a setting of a file: it is an option" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_file(rows[i][0]), PD_E_INVALID);
        if (strstr(err.text, rows[i][1]) == NULL) {
            fail_msg("%s: '%s'", rows[i][0], err.text);
        }
    }
}

static void addresses_of_others_want_tls_and_somebody_known(void **state)
{
    (void)state;
    static const char *const own[] = { "127.0.0.1:1", "127.1.2.3:1", "localhost:1",
                                       "[::1]:1",     "unix:/tmp/x", "fd:grpc" };
    static const char *const others[] = {
        "0.0.0.0:1",           "[::]:1", "10.0.0.1:1", "example.org:1", "127.evil.example:1",
        "localhost.example:1", "*:1"
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        assert_true(config_is_loopback(own[i]));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(config_is_loopback(others[i]));
    }
    assert_int_equal(read_with("--listen=0.0.0.0:1", NULL, NULL, NULL), PD_E_INVALID);
    assert_non_null(strstr(err.text, "--insecure-listen"));
    assert_int_equal(read_with("--http=0.0.0.0:1", NULL, NULL, NULL), PD_E_INVALID);
    assert_int_equal(read_with("--listen=0.0.0.0:1", "--tokens=t", NULL, NULL), PD_E_INVALID);
    assert_int_equal(read_with("--listen=0.0.0.0:1", "--tls-cert=c", "--tls-key=k", NULL),
                     PD_E_INVALID);
    assert_int_equal(read_with("--listen=0.0.0.0:1", "--tls-cert=c", "--tls-key=k", "--tokens=t"),
                     PD_OK);
    assert_int_equal(
        read_with("--listen=0.0.0.0:1", "--tls-cert=c", "--tls-key=k", "--tls-client-ca=a"), PD_OK);
    assert_int_equal(read_with("--listen=0.0.0.0:1", "--insecure-listen=yes", NULL, NULL), PD_OK);
}

#define ROW(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(nothing_said_is_loopback_and_a_file),
        ROW(the_state_directory_is_where_it_is_told_to_be),
        ROW(an_option_is_stronger_than_the_environment_and_that_than_a_file),
        ROW(variables_of_the_emulator_count_and_ours_more),
        ROW(a_variable_that_is_nearly_a_setting_is_told_of),
        ROW(values_that_are_wrong_are_refused_with_one_sentence),
        ROW(there_is_no_http_where_the_environment_says_none),
        ROW(values_at_their_bounds_are_taken),
        ROW(a_file_has_sections_quotes_and_comments),
        ROW(a_file_that_is_wrong_is_refused_with_its_line),
        ROW(addresses_of_others_want_tls_and_somebody_known),
    };
    return cmocka_run_group_tests_name("server: configuration", tests, NULL, NULL);
}
