/* SPDX-License-Identifier: MIT
 *
 * TLS: who is believed, who is not, and certificates that change. The certificates are made by the
 * openssl command, in a folder of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attacker.h"
#include "net/http.h"
#include "rig.h"

static char folder[] = "/tmp/perdure-tls.XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int make_certificates(void **state)
{
    (void)state;
    char command[4096];
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(
        command, sizeof command,
        "cd %s && exec >/dev/null 2>&1\n"
        "ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=$1 -keyout $1.key -out $1.pem; }\n"
        "cert() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj \"/CN=$2\" "
        "-keyout $1.key -out $1.csr && printf \"subjectAltName=$3\\n\" >$1.ext && "
        "openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $4 "
        "-extfile $1.ext -out $1.pem; }\n"
        "ca ca && ca other && cert server server DNS:localhost,IP:127.0.0.1 2 && "
        "cert elsewhere elsewhere DNS:example.org 2 && cert client 'worker 7' DNS:w 2 && "
        "cert again server DNS:localhost,IP:127.0.0.1 9",
        folder);
    return system(command) == 0 ? 0 : -1;
}

static int remove_certificates(void **state)
{
    (void)state;
    char command[256];
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command) == 0 ? 0 : -1;
}

static struct tls *server_tls(const char *name, const char *authorities)
{
    pd_error err;
    char certificate[64], key[64];
    (void)snprintf(certificate, sizeof certificate, "%s.pem", name);
    (void)snprintf(key, sizeof key, "%s.key", name);
    struct tls_options options = { .certificate = in_folder(certificate),
                                   .key = in_folder(key),
                                   .authorities =
                                       authorities != NULL ? in_folder(authorities) : NULL };
    struct tls *tls = tls_new_server(&options, &err);
    assert_non_null(tls);
    return tls;
}

static struct tls *client_tls(const char *authorities, const char *name)
{
    pd_error err;
    char certificate[64], key[64];
    (void)snprintf(certificate, sizeof certificate, "%s.pem", name != NULL ? name : "");
    (void)snprintf(key, sizeof key, "%s.key", name != NULL ? name : "");
    struct tls_options options = { .authorities = in_folder(authorities),
                                   .certificate = name != NULL ? in_folder(certificate) : NULL,
                                   .key = name != NULL ? in_folder(key) : NULL };
    struct tls *tls = tls_new_client(&options, &err);
    assert_non_null(tls);
    return tls;
}

static struct grpc_channel *channel_to(const struct rig *rig, const char *host, struct tls *tls)
{
    pd_error err;
    struct grpc_channel_options options = {
        .host = host, .port = rig->port, .tls = tls, .backoff_min_ms = 20, .backoff_max_ms = 100
    };
    struct grpc_channel *channel = grpc_channel_new(&options, &err);
    assert_non_null(channel);
    return channel;
}

/* Who the server takes us for; or what is wrong. */
static pd_status who(struct grpc_channel *channel, char answer[256])
{
    struct arena arena;
    struct text reply = TEXT_ABSENT;
    pd_error err = { 0 };
    arena_init(&arena);
    pd_status status =
        grpc_channel_call(channel, "/rig.Rig/Who", TEXT(""), 700, &arena, &reply, &err);
    if (status == PD_OK) {
        (void)snprintf(answer, 256, "%.*s", TEXT_ARGS(reply));
    } else {
        (void)snprintf(answer, 256, "%s", err.text);
    }
    arena_done(&arena);
    return status;
}

static void expect(const struct rig *rig, const char *host, struct tls *tls, pd_status status,
                   const char *words)
{
    char answer[256];
    struct grpc_channel *channel = channel_to(rig, host, tls);
    pd_status got = who(channel, answer);
    if (got != status || strstr(answer, words) == NULL) {
        fail_msg("%d, expected %d: \"%s\", expected \"%s\"", (int)got, (int)status, answer, words);
    }
    grpc_channel_free(channel);
}

static void a_client_believes_its_authorities_and_the_right_name(void **state)
{
    (void)state;
    struct rig rig;
    struct tls *server = server_tls("server", NULL);
    struct tls *client = client_tls("ca.pem", NULL), *stranger = client_tls("other.pem", NULL);
    rig_start(&rig, NULL, server);
    expect(&rig, "localhost", client, PD_OK, "nobody");
    expect(&rig, "127.0.0.1", client, PD_OK, "nobody");
    expect(&rig, "localhost", stranger, PD_E_UNAVAILABLE, "certificate");
    expect(&rig, "localhost", NULL, PD_E_TIMEOUT, "");
    rig_stop(&rig);
    tls_free(server);
    server = server_tls("elsewhere", NULL);
    rig_start(&rig, NULL, server);
    expect(&rig, "localhost", client, PD_E_UNAVAILABLE, "hostname mismatch");
    expect(&rig, "127.0.0.1", client, PD_E_UNAVAILABLE, "IP address mismatch");
    rig_stop(&rig);
    tls_free(server);
    tls_free(client);
    tls_free(stranger);
}

static void mutual_tls_knows_its_clients_by_name(void **state)
{
    (void)state;
    struct rig rig;
    struct tls *server = server_tls("server", "ca.pem");
    struct tls *known = client_tls("ca.pem", "client"), *unknown = client_tls("ca.pem", "other");
    struct tls *nameless = client_tls("ca.pem", NULL);
    rig_start(&rig, NULL, server);
    expect(&rig, "localhost", known, PD_OK, "worker 7");
    expect(&rig, "localhost", unknown, PD_E_TIMEOUT, "");
    expect(&rig, "localhost", nameless, PD_E_TIMEOUT, "");
    assert_int_equal(rig.counted, 1);
    rig_stop(&rig);
    tls_free(server);
    tls_free(known);
    tls_free(unknown);
    tls_free(nameless);
}

static struct tls *to_reload;
static pd_status reloaded;

static void reload(struct rig *rig)
{
    (void)rig;
    pd_error err;
    reloaded = tls_reload(to_reload, &err);
}

static void copy_over(const char *from, const char *to)
{
    char command[512];
    (void)snprintf(command, sizeof command, "cp %s/%s %s/%s", folder, from, folder, to);
    assert_int_equal(system(command), 0);
}

static void reloading_changes_new_connections_only(void **state)
{
    (void)state;
    struct rig rig;
    char answer[256];
    copy_over("server.pem", "mine.pem");
    copy_over("server.key", "mine.key");
    struct tls *server = server_tls("mine", NULL);
    struct tls *client = client_tls("ca.pem", NULL);
    time_us expires_at = tls_expires_at(server);
    to_reload = server;
    rig_start(&rig, NULL, server);
    struct grpc_channel *old = channel_to(&rig, "localhost", client);
    assert_int_equal(who(old, answer), PD_OK);

    copy_over("ca.key", "mine.key"); /* the wrong key: nothing changes */
    rig_do(&rig, reload);
    assert_int_equal(reloaded, PD_E_INVALID);
    assert_true(tls_expires_at(server) == expires_at);
    expect(&rig, "localhost", client, PD_OK, "nobody");

    copy_over("again.pem", "mine.pem");
    copy_over("again.key", "mine.key");
    rig_do(&rig, reload);
    assert_int_equal(reloaded, PD_OK);
    assert_true(tls_expires_at(server) > expires_at + 6 * 86400 * TIME_SECOND);
    expect(&rig, "localhost", client, PD_OK, "nobody");

    copy_over("elsewhere.pem", "mine.pem");
    copy_over("elsewhere.key", "mine.key");
    rig_do(&rig, reload);
    expect(&rig, "localhost", client, PD_E_UNAVAILABLE, "hostname mismatch");
    assert_int_equal(who(old, answer), PD_OK); /* it has shaken hands long ago */
    grpc_channel_free(old);
    rig_stop(&rig);
    tls_free(server);
    tls_free(client);
}

static void large_messages_go_through_tls(void **state)
{
    (void)state;
    struct rig rig;
    struct arena arena;
    struct text reply;
    pd_error err;
    enum { SIZE = 5000000 };
    struct tls *server = server_tls("server", NULL), *client = client_tls("ca.pem", NULL);
    arena_init(&arena);
    rig_start(&rig, NULL, server);
    struct grpc_channel *channel = channel_to(&rig, "localhost", client);
    char *bytes = arena_alloc(&arena, SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (char)(i * 31 >> 3);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(grpc_channel_call(channel, "/rig.Rig/Echo", text_make(bytes, SIZE), 20000,
                                           &arena, &reply, &err),
                         PD_OK);
        assert_true(text_equal(reply, text_make(bytes, SIZE)));
    }
    grpc_channel_free(channel);
    rig_stop(&rig);
    arena_done(&arena);
    tls_free(server);
    tls_free(client);
}

static int s_client(const struct rig *rig, const char *options)
{
    char command[512];
    (void)snprintf(command, sizeof command,
                   "openssl s_client -connect 127.0.0.1:%u %s </dev/null >/dev/null 2>&1",
                   rig->port, options);
    return system(command);
}

static void old_tls_and_other_protocols_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct tls *server = server_tls("server", NULL);
    rig_start(&rig, NULL, server);
    assert_int_equal(s_client(&rig, "-tls1_2 -alpn h2"), 0);
    assert_int_equal(s_client(&rig, "-tls1_3 -alpn h2"), 0);
    assert_int_not_equal(s_client(&rig, "-tls1_1 -alpn h2 -cipher DEFAULT@SECLEVEL=0"), 0);
    assert_int_not_equal(s_client(&rig, "-alpn http/1.1"), 0);
    rig_stop(&rig);
    tls_free(server);
}

/* ---- handshakes that are never over ---------------------------------------------------------- */

/* A server that knows `count` of them, and has `limits`. */
static void stall(struct rig *rig, const struct h2_limits *limits, struct tls *server,
                  struct attacker *stalled, size_t count)
{
    struct grpc_server_options options = { .limits = *limits };
    rig_start(rig, &options, server);
    for (size_t i = 0; i < count; i++) {
        attack(&stalled[i], rig->port);
        (void)say(&stalled[i], "\x16\x03\x01\x02\x00", i % 2 == 0 ? 5 : 0);
    }
    for (int i = 0; i < 2000 && rig->connections < count; i++) {
        usleep(1000);
        rig_ask(rig);
    }
    assert_true(rig->connections >= count);
}

static void a_handshake_has_its_time(void **state)
{
    (void)state;
    static struct attacker stalled[2];
    struct rig rig;
    struct tls *server = server_tls("server", NULL);
    stall(&rig, &(struct h2_limits){ .handshake_ms = 300 }, server, stalled, 2);
    assert_false(is_hung_up_on(&stalled[0], 100));
    for (int i = 0; i < 2; i++) {
        assert_true(is_hung_up_on(&stalled[i], 20000));
        attack_end(&stalled[i]);
    }
    rig_stop(&rig);
    tls_free(server);
}

static void as_many_handshakes_as_may_be_have_all_their_time(void **state)
{
    (void)state;
    static struct attacker stalled[3];
    struct rig rig;
    struct tls *server = server_tls("server", NULL), *client = client_tls("ca.pem", NULL);
    assert_int_equal(h2_limits_whole(NULL).handshakes, 1000);
    stall(&rig, &(struct h2_limits){ .handshakes = 4, .handshake_ms = 60000 }, server, stalled, 3);
    expect(&rig, "localhost", client, PD_OK, "nobody"); /* the fourth */
    assert_false(is_hung_up_on(&stalled[0], 1500));
    expect(&rig, "localhost", client, PD_OK, "nobody");
    for (int i = 0; i < 3; i++) {
        assert_false(is_hung_up_on(&stalled[i], 100));
        attack_end(&stalled[i]);
    }
    rig_stop(&rig);
    tls_free(server);
    tls_free(client);
}

static void more_handshakes_wait_until_those_that_stall_are_hung_up_on(void **state)
{
    (void)state;
    static struct attacker stalled[4], fifth;
    struct rig rig;
    char answer[256];
    struct tls *server = server_tls("server", NULL), *client = client_tls("ca.pem", NULL);
    stall(&rig, &(struct h2_limits){ .handshakes = 4, .handshake_ms = 60000 }, server, stalled, 4);
    attack(&fifth, rig.port);
    usleep(300000);
    rig_ask(&rig);
    assert_int_equal(rig.connections, 4); /* the fifth is at the door, which is shut */
    struct grpc_channel *channel = channel_to(&rig, "localhost", client);
    pd_status status = PD_E_UNAVAILABLE;
    for (int i = 0; i < 20 && status != PD_OK; i++) {
        status = who(channel, answer);
    }
    assert_int_equal(status, PD_OK);
    grpc_channel_free(channel);
    for (int i = 0; i < 4; i++) {
        assert_true(is_hung_up_on(&stalled[i], 20000));
        attack_end(&stalled[i]);
    }
    assert_false(is_hung_up_on(&fifth, 100)); /* there is room now */
    attack_end(&fifth);
    rig_stop(&rig);
    tls_free(server);
    tls_free(client);
}

static struct http_listener *http;
static struct tls *http_tls;

static void answer(void *argument, struct http_request *request)
{
    (void)argument;
    http_answer(request, 200, "text/plain", TEXT("by https"));
}

static void listen_http(struct rig *rig)
{
    pd_error err;
    http = http_listen(rig->loop, "127.0.0.1:0", http_tls, NULL, answer, NULL, &err);
}

static void end_http(struct rig *rig)
{
    (void)rig;
    http_listener_free(http);
}

static void http_is_served_by_tls(void **state)
{
    (void)state;
    struct rig rig;
    pd_error err;
    char command[512], said[64] = "";
    if (access("/usr/bin/curl", X_OK) != 0) {
        skip();
    }
    struct tls_options options = { .certificate = in_folder("server.pem"),
                                   .key = in_folder("server.key"),
                                   .alpn = "http/1.1" };
    http_tls = tls_new_server(&options, &err);
    assert_non_null(http_tls);
    rig_start(&rig, NULL, NULL);
    rig_do(&rig, listen_http);
    assert_non_null(http);
    (void)snprintf(command, sizeof command, "curl -s -m 20 --cacert %s https://%s/",
                   in_folder("ca.pem"), http_listener_address(http));
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_true(fread(said, 1, sizeof said - 1, pipe) > 0);
    assert_int_equal(pclose(pipe), 0);
    assert_string_equal(said, "by https");
    (void)snprintf(command, sizeof command, "curl -s -m 20 --cacert %s https://%s/",
                   in_folder("other.pem"), http_listener_address(http));
    assert_int_not_equal(system(command), 0);
    rig_do(&rig, end_http);
    rig_stop(&rig);
    tls_free(http_tls);
}

static void files_that_are_wrong_are_named(void **state)
{
    (void)state;
    pd_error err;
    struct tls_options options = { .certificate = in_folder("no.pem"),
                                   .key = in_folder("server.key") };
    assert_null(tls_new_server(&options, &err));
    assert_int_equal(err.status, PD_E_INVALID);
    assert_non_null(strstr(err.text, "no.pem"));
    options.certificate = in_folder("client.pem");
    assert_null(tls_new_server(&options, &err));
    assert_non_null(strstr(err.text, "server.key"));
    options.key = NULL;
    assert_null(tls_new_server(&options, &err));
    options.certificate = NULL;
    options.authorities = in_folder("server.key");
    assert_null(tls_new_client(&options, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_believes_its_authorities_and_the_right_name),
        cmocka_unit_test(mutual_tls_knows_its_clients_by_name),
        cmocka_unit_test(reloading_changes_new_connections_only),
        cmocka_unit_test(large_messages_go_through_tls),
        cmocka_unit_test(old_tls_and_other_protocols_are_refused),
        cmocka_unit_test(a_handshake_has_its_time),
        cmocka_unit_test(as_many_handshakes_as_may_be_have_all_their_time),
        cmocka_unit_test(more_handshakes_wait_until_those_that_stall_are_hung_up_on),
        cmocka_unit_test(http_is_served_by_tls),
        cmocka_unit_test(files_that_are_wrong_are_named),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
