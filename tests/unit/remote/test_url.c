/* SPDX-License-Identifier: MIT
 *
 * Where a hub is, as URLs and connection strings say it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "remote/remote_priv.h"

struct expectation {
    const char *url;
    const char *host;
    unsigned port;
    bool has_tls;
    const char *hub, *token, *authorities; /* NULL: none */
};

static void same(const char *a, const char *b)
{
    if (a == NULL || b == NULL) {
        assert_ptr_equal(a, b);
    } else {
        assert_string_equal(a, b);
    }
}

static void urls_and_connection_strings_say_where_a_hub_is(void **state)
{
    (void)state;
    static const struct expectation all[] = {
        { "grpc://localhost", "localhost", 8080, false, NULL, NULL, NULL },
        { "grpc://127.0.0.1:4001/", "127.0.0.1", 4001, false, NULL, NULL, NULL },
        { "grpc://[::1]:9?taskhub=other", "::1", 9, false, "other", NULL, NULL },
        { "grpc://[::1]?taskhub=a%20b%26c", "::1", 8080, false, "a b&c", NULL, NULL },
        { "grpcs://h:65535?token=s3&ca=/x/y.pem&taskhub=t", "h", 65535, true, "t", "s3",
          "/x/y.pem" },
        { "Endpoint=http://localhost:8080;TaskHub=default;Authentication=None", "localhost", 8080,
          false, "default", NULL, NULL },
        { "endpoint=https://h/;taskhub=a=b;authentication=none;", "h", 443, true, "a=b", NULL,
          NULL },
        { "Endpoint=h;TaskHub=x;Authentication=None", "h", 443, true, "x", NULL, NULL },
        { "Authentication=None;TaskHub=x;Endpoint=http://h", "h", 80, false, "x", NULL, NULL },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct place place;
        struct arena arena;
        pd_error err;
        arena_init(&arena);
        if (place_read(all[i].url, &arena, &place, &err) != PD_OK) {
            fail_msg("%s: %s", all[i].url, err.text);
        }
        same(place.host, all[i].host);
        assert_int_equal(place.port, all[i].port);
        assert_int_equal(place.has_tls, all[i].has_tls);
        same(place.hub, all[i].hub);
        same(place.token, all[i].token);
        same(place.authorities, all[i].authorities);
        arena_done(&arena);
    }
}

static void what_is_mistyped_is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *url, *word;
    } all[] = {
        { "grpc:localhost", "grpc://HOST:PORT" },
        { "grpc://", "no address" },
        { "grpc://h:0", "no address" },
        { "grpc://h:65536", "no address" },
        { "grpc://h:8o8o", "no address" },
        { "grpc://h:", "no address" },
        { "grpc://[::1]9", "no address" },
        { "grpc://[::1", "no address" },
        { "grpc://[h]x:1", "no address" },
        { "grpc://h/hub", "no address" },
        { "grpc://me:secret@h", "no address" },
        { "grpc://h#x", "no address" },
        { "grpc://a b", "no address" },
        { "grpc://h\n", "no address" },
        { "grpc://h?wait=", "wait=SECONDS" },
        { "grpc://h?wait=-1", "wait=SECONDS" },
        { "grpc://h?wait=86401", "wait=SECONDS" },
        { "grpc://h?wait=1&wait=1", "wait=SECONDS" },
        { "grpc://h?taskhub=", "no value" },
        { "grpc://h?taskhub=a&taskhub=b", "twice" },
        { "grpc://h?taskhub=%4", "no value" },
        { "grpc://h?taskhub=%0a", "no value" },
        { "grpc://h?partitions=2", "not a setting" },
        { "grpc://h?ca=x.pem", "grpcs://" },
        { "grpcs://h?cert=x.pem", "come together" },
        { "Endpoint=http://h;TaskHub=x", "Authentication" },
        { "Endpoint=http://h;Authentication=None", "TaskHub" },
        { "TaskHub=x;Authentication=None", "Endpoint" },
        { "Endpoint=http://h;TaskHub=x;Authentication=DefaultAzure", "None" },
        { "Endpoint=http://h;TaskHub=x;Authentication=None;ClientID=1", "not a key" },
        { "Endpoint=http://h;TaskHub=x;Authentication=None;Authentication=None", "twice" },
        { "Endpoint=http://h;TaskHub=x\r\nauthorization: y;Authentication=None", "no value" },
        { "Endpoint=http://h;Endpoint=http://i;TaskHub=x;Authentication=None", "twice" },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct place place;
        struct arena arena;
        pd_error err;
        arena_init(&arena);
        if (place_read(all[i].url, &arena, &place, &err) != PD_E_INVALID) {
            fail_msg("%s was taken", all[i].url);
        }
        if (strstr(err.text, all[i].word) == NULL) {
            fail_msg("%s: '%s' does not say '%s'", all[i].url, err.text, all[i].word);
        }
        arena_done(&arena);
    }
}

static void how_long_a_server_is_waited_for_is_said_in_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int64_t ms;
    } all[] = {
        { "grpc://h", -1 },
        { "grpc://h?wait=0", 0 },
        { "grpc://h?wait=86400&taskhub=x", 86400000 },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct place place;
        struct arena arena;
        pd_error err;
        arena_init(&arena);
        assert_int_equal(place_read(all[i].url, &arena, &place, &err), PD_OK);
        assert_int_equal(place.wait_ms, all[i].ms);
        arena_done(&arena);
    }
}

static void no_refusal_shows_a_token(void **state)
{
    (void)state;
    static const char *const all[] = {
        "grpc:h?token=geheim",
        "grpc://h/?token=geheim%0a",
        "grpc://h?token=geheim&token=geheim",
        "grpc://h?token=geheim&nothing=1",
        "grpc://h:x?token=geheim",
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct place place;
        struct arena arena;
        pd_error err;
        arena_init(&arena);
        assert_int_equal(place_read(all[i], &arena, &place, &err), PD_E_INVALID);
        assert_null(strstr(err.text, "geheim"));
        arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_and_connection_strings_say_where_a_hub_is),
        cmocka_unit_test(what_is_mistyped_is_refused_with_a_sentence),
        cmocka_unit_test(how_long_a_server_is_waited_for_is_said_in_seconds),
        cmocka_unit_test(no_refusal_shows_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
