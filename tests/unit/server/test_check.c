/* SPDX-License-Identifier: MIT
 *
 * perdured --check: of each setting, what would stop a start, or mislead it, is said; and nothing
 * is made, or held, by asking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/config_priv.h"
#include "server/server.h"
#include "store/store.h"

enum { OPTIONS_MAX = 8 };

static pd_error err;
static char folder[] = "/tmp/perdure-check-XXXXXX";

/* What --check says with these options, NULL ends; in memory unless they say more. */
static pd_status check_with(const char *const *options)
{
    char text[OPTIONS_MAX + 3][512] = { "perdured", "--check", "--store=memory:" };
    char *argv[OPTIONS_MAX + 3] = { text[0], text[1], text[2] };
    int argc = 3;
    struct config config;
    for (size_t i = 0; options[i] != NULL; i++, argc++) {
        (void)snprintf(text[argc], sizeof text[argc], "%s", options[i]);
        argv[argc] = text[argc];
    }
    pd_status status = config_read(&config, argc, argv, &err);
    struct server *server = status == PD_OK ? server_new(&config, &err) : NULL;
    status = server != NULL ? PD_OK : err.status;
    server_free(server);
    config_free(&config);
    return status;
}

static pd_status check_one(const char *option)
{
    return check_with((const char *[]){ option, NULL });
}

static void expect_refused(const char *const *options, const char *words)
{
    if (check_with(options) == PD_OK || strstr(err.text, words) == NULL) {
        fail_msg("%s: '%s' and not '%s'", options[0], err.text, words);
    }
}

static const char *in_folder(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
        return -1;
    }
    write_file("words", "these are words\n");
    write_file("tokens-short", "short read *\n");
    write_file("tokens-scope", "0123456789abcdef dance *\n");
    write_file("tokens-subject", "subject:alice read *\n");
    write_file("webhooks-bad", "[a]\nurl = nowhere\n");
    write_file("long.conf", "nonsense = 1\n");
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* ---- each setting ---------------------------------------------------------------------------- */

static const struct {
    const char *setting, *value, *words;
    const char *more; /* another option */
} bad[] = {
    { "config", "nowhere.conf", "No such file", NULL },
    { "config", "long.conf", "is not a setting", NULL },
    { "store", "mysql:x", "not the URL", NULL },
    { "store", "sqlite:/nowhere/at/all.db", "the folder of", NULL },
    { "store", "sqlite:words", "not a Perdure store", NULL },
    { "store", "sqlite:.", "is not a file", NULL },
    { "store", "sqlite:x.db?partitions=0", "partitions", NULL },
    { "store", "sqlite:x.db?colour=red", "colour", NULL },
    { "default-hub", "", "printable ASCII", NULL },
    { "default-hub", "\x07", "printable ASCII", NULL },
    { "hubs", "\xc3\xa4", "printable ASCII", NULL },
    { "hubs", ",", "nothing is there", NULL },
    { "listen", "nowhere", "no address", NULL },
    { "listen", "127.0.0.1:65536", "no address", NULL },
    { "listen", "0.0.0.0:1", "insecure-listen", NULL },
    { "listen", "192.0.2.1:9000", "Cannot assign", "--insecure-listen=yes" },
    { "listen", "no.such.host.invalid:9000", "no address to listen on", "--insecure-listen=yes" },
    { "listen", "unix:/nowhere/at/all", "No such file", NULL },
    { "listen", "unix:words", "something else", NULL },
    { "listen", "127.0.0.1:9000,127.0.0.1:9000", "there twice", NULL },
    { "http", "nowhere", "no address", NULL },
    { "http", "0.0.0.0:1", "insecure-listen", NULL },
    { "http", "192.0.2.1:9000", "Cannot assign", "--insecure-listen=yes" },
    { "http", "127.0.0.1:9000", "there twice", "--listen=127.0.0.1:9000" },
    { "public-url", "pub.example", "--public-url", NULL },
    { "public-url", "http://:80", "--public-url", NULL },
    { "public-url", "http://a:b", "--public-url", NULL },
    { "public-url", "http://a:65536", "--public-url", NULL },
    { "public-url", "http://[::1", "--public-url", NULL },
    { "public-url", "https://a b", "--public-url", NULL },
    { "http-allow", "everything", "is no network", NULL },
    { "http-allow", "10.0.0.0/33", "'10.0.0.0/33' is no network", NULL },
    { "http-allow", "10.0.0.0/8,,::1", "'' is no network", NULL },
    { "http-allow", "::1/129", "'::1/129' is no network", NULL },
    { "http-allow", "10.0.0.0/8;::1", "is no network", NULL },
    { "tls-cert", "nowhere", "go together", NULL },
    { "tls-cert", "nowhere", "No such file", "--tls-key=nowhere" },
    { "tls-cert", "words", "the certificate", "--tls-key=words" },
    { "tls-key", "nowhere", "go together", NULL },
    { "tls-client-ca", "nowhere", "wants --tls-cert", NULL },
    { "tokens", "nowhere", "No such file", NULL },
    { "tokens", "words", "words:1: the scopes are", NULL },
    { "tokens", "tokens-short", "16 to 512", NULL },
    { "tokens", "tokens-scope", "the scopes are", NULL },
    { "tokens", "tokens-subject", "name their authority with --tls-client-ca", NULL },
    { "webhooks", "nowhere", "No such file", NULL },
    { "webhooks", "webhooks-bad", "URL", NULL },
};

static void what_stops_a_start_is_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char option[256];
        (void)snprintf(option, sizeof option, "--%s=%s", bad[i].setting, bad[i].value);
        expect_refused((const char *[]){ option, bad[i].more, NULL }, bad[i].words);
    }
}

static pd_status check_value(const struct setting *setting, int64_t value, const char *unit)
{
    char option[128];
    (void)snprintf(option, sizeof option, "--%s=%lld%s", setting->name, (long long)value, unit);
    return check_one(option);
}

static void expect_number(const struct setting *setting)
{
    const char *unit = setting->kind == KIND_TIME ? "ms" : "";
    assert_int_equal(check_value(setting, setting->least, unit), PD_OK);
    assert_int_equal(check_value(setting, setting->most, unit), PD_OK);
    assert_int_equal(check_value(setting, setting->least - 1, unit), PD_E_INVALID);
    assert_int_equal(check_value(setting, setting->most + 1, unit), PD_E_INVALID);
    assert_int_equal(check_value(setting, setting->least, "x"), PD_E_INVALID);
}

static void of_each_setting_something_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < setting_count(); i++) {
        const struct setting *setting = setting_at(i);
        char option[64];
        bool is_told = false;
        (void)snprintf(option, sizeof option, "--%s=maybe", setting->name);
        switch (setting->kind) {
        case KIND_SWITCH: continue;
        case KIND_FLAG:
        case KIND_CHOICE: assert_int_equal(check_one(option), PD_E_INVALID); continue;
        case KIND_NUMBER:
        case KIND_TIME:
        case KIND_SIZE: expect_number(setting); continue;
        case KIND_TEXT:
        case KIND_LIST: break;
        }
        for (size_t j = 0; j < sizeof bad / sizeof bad[0]; j++) {
            is_told |= strcmp(bad[j].setting, setting->name) == 0;
        }
        if (!is_told) {
            fail_msg("no wrong value of --%s is tried", setting->name);
        }
    }
}

static void there_may_be_a_hundred_hubs(void **state)
{
    char list[2048] = "--hubs=a0";
    size_t size = strlen(list);
    (void)state;
    for (int i = 1; i < 99; i++) {
        size += (size_t)snprintf(list + size, sizeof list - size, ",a%d", i);
    }
    char *more = list + size;
    struct config config;
    for (int extra = 0; extra < 2; extra++) {
        char *argv[] = { (char[]){ "perdured" }, (char[]){ "--check" },
                         (char[]){ "--store=memory:" }, list };
        assert_int_equal(config_read(&config, 4, argv, &err), PD_OK);
        struct server *server = server_new(&config, &err);
        assert_int_equal(server != NULL, extra == 0);
        assert_true(extra == 0 || err.status == PD_E_LIMIT);
        server_free(server);
        config_free(&config);
        (void)snprintf(more, sizeof list - size, ",a99");
    }
}

/* ---- what is right --------------------------------------------------------------------------- */

static void networks_and_addresses_that_are_right_pass(void **state)
{
    static const char *const right[] = { "--http-allow=",
                                         "--http-allow=private",
                                         "--http-allow=10.0.0.0/8",
                                         "--http-allow=10.0.0.0/8,::1,192.168.0.0/32,::/0",
                                         "--http=",
                                         "--http=127.0.0.1:0",
                                         "--http=unix:socket",
                                         "--listen=fd:grpc",
                                         "--listen=127.0.0.1:0,127.0.0.1:0,[::1]:0,localhost:0",
                                         "--public-url=https://a.example:8443/b",
                                         "--public-url=http://[::1]:80" };
    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        if (check_one(right[i]) != PD_OK && strstr(err.text, "not supported") == NULL) {
            fail_msg("%s: %s", right[i], err.text); /* where there is no IPv6 */
        }
    }
    assert_int_not_equal(access("socket", F_OK), 0);
}

static void a_server_may_run_meanwhile(void **state)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_un local = { .sun_family = AF_UNIX, .sun_path = "taken" };
    socklen_t size = sizeof at;
    char option[64];
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(other, (struct sockaddr *)&local, sizeof local), 0);
    assert_int_equal(listen(other, 1), 0);
    struct store *store = store_open("sqlite:running.db", &err);
    assert_non_null(store);
    (void)snprintf(option, sizeof option, "--listen=127.0.0.1:%u", ntohs(at.sin_port));
    assert_int_equal(check_with((const char *[]){ option, "--http=unix:taken",
                                                  "--store=sqlite:running.db", NULL }),
                     PD_OK);
    assert_int_equal(access("taken", F_OK), 0);
    store_close(store);
    (void)close(fd);
    (void)close(other);
}

static void nothing_is_made(void **state)
{
    (void)state;
    assert_int_equal(check_with((const char *[]){ "--store=sqlite:none.db", "--hubs=b,c",
                                                  "--http=unix:none", NULL }),
                     PD_OK);
    assert_int_not_equal(access("none.db", F_OK), 0);
    assert_int_not_equal(access("none.db.b.db", F_OK), 0);
    assert_int_not_equal(access("none", F_OK), 0);
}

static void of_each_hub_the_file_is_looked_at(void **state)
{
    (void)state;
    write_file("some.db.b.db", "this is no store, but long enough to be looked at as one would be: "
                               "a hundred bytes, and a few more of them\n");
    expect_refused((const char *[]){ "--store=sqlite:some.db", "--hubs=a,b", NULL },
                   "'some.db.b.db' is not a Perdure store");
    if (geteuid() != 0) { /* who may all things is refused nothing */
        struct store *store = store_open("sqlite:read.db", &err);
        store_close(store);
        assert_int_equal(chmod("read.db", 0400), 0);
        expect_refused((const char *[]){ "--store=sqlite:read.db", NULL }, "for writing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stops_a_start_is_seen),
        cmocka_unit_test(of_each_setting_something_is_wrong),
        cmocka_unit_test(there_may_be_a_hundred_hubs),
        cmocka_unit_test(networks_and_addresses_that_are_right_pass),
        cmocka_unit_test(a_server_may_run_meanwhile),
        cmocka_unit_test(nothing_is_made),
        cmocka_unit_test(of_each_hub_the_file_is_looked_at),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
