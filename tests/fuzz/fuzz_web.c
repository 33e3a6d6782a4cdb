/* SPDX-License-Identifier: MIT
 *
 * What the management API reads of a request, from any bytes: paths and routes, queries and what
 * their values may be, JSON. And what it writes: always JSON, always decodable. */
#include <stdarg.h>

#include "base/assert.h"
#include "json/json.h"
#include "server/web.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct web_route routes[] = {
    { .verb = WEB_GET, .method = { .path = "/instances" } },
    { .verb = WEB_GET, .method = { .path = "/instances/{}" } },
    { .verb = WEB_GET, .method = { .path = "/instances/{}/raiseEvent/{}" } },
    { .verb = WEB_GET, .method = { .path = "/entities/{}/{}" } },
};
static const struct web_routes table = { routes, sizeof routes / sizeof routes[0] };
const struct web_routes *const web_tables[] = { &table, NULL };

/* What readers of the room do when they refuse. */
static bool is_refused;
void web_refuse(struct rpc *rpc, int code, pd_status status, const char *format, ...)
{
    (void)rpc;
    (void)code;
    (void)status;
    (void)format;
    is_refused = true;
}

static void check_path(struct rpc *rpc, struct text t)
{
    struct web web = { 0 };
    struct text path =
        text_of(arena_printf(&rpc->arena, "/runtime/WEBHOOKS/durabletask/%.*s", TEXT_ARGS(t)));
    (void)web_is_ours("https://h/prefix", t);
    assert_that(web_is_ours(NULL, path));
    const struct web_route *route = web_find_route(&web, "https://h/p/", TEXT("GET"), path);
    for (size_t i = 0; route != NULL && i < WEB_CAPTURES; i++) {
        struct text decoded;
        if (text_is_present(web.undecoded[i])) {
            assert_that(memchr(web.undecoded[i].at, '/', web.undecoded[i].size) == NULL);
            if (percent_decode(&rpc->arena, web.undecoded[i], false, &decoded)) {
                assert_that(decoded.size <= web.undecoded[i].size);
            }
        }
    }
}

static void check_query(struct rpc *rpc, struct text t)
{
    int64_t us;
    if (!web_read_parameters(rpc, t)) {
        return;
    }
    assert_that(rpc->web->parameter_count <= WEB_PARAMETERS);
    (void)web_flag(rpc, "a", true);
    (void)web_states(web_parameter(rpc, "a"));
    time_us at = web_time(rpc, "a");
    assert_that(at == TIME_NEVER ||
                (at > -INT64_C(62200000000000000) && at < INT64_C(253500000000000000)));
    is_refused = false;
    assert_that(web_seconds(rpc, "a", &us) != is_refused);
    assert_that(is_refused || us == WIRE_NO_TIME || us >= 0);
}

static void check_json(struct rpc *rpc, struct text t)
{
    struct buffer json;
    struct text decoded;
    pd_value value;
    pd_error err;
    buffer_init(&json);
    if (json_parse(&rpc->arena, t, &value, &err) == PD_OK) {
        assert_that(web_is_json(t)); /* the other one is stricter */
    }
    web_put_payload(&json, t);
    assert_that(web_is_json(buffer_text(&json)));
    buffer_reset(&json);
    web_put_string(&json, t);
    assert_that(json_parse(&rpc->arena, buffer_text(&json), &value, &err) == PD_OK ||
                memchr(t.at, '\0', t.size) != NULL);
    buffer_reset(&json);
    percent_encode(&json, t);
    assert_that(percent_decode(&rpc->arena, buffer_text(&json), true, &decoded));
    assert_that(text_equal(decoded, t));
    buffer_done(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct web web = { 0 };
    struct rpc rpc = { .web = &web };
    arena_init(&rpc.arena);
    /* A copy of its own: reading behind its end is seen. */
    struct text t = text_make(arena_copy(&rpc.arena, bytes, size), size);
    check_path(&rpc, t);
    check_query(&rpc, t);
    web.parameter_count = 0;
    check_query(&rpc, text_of(arena_printf(&rpc.arena, "a=%.*s", TEXT_ARGS(t))));
    check_json(&rpc, t);
    arena_done(&rpc.arena);
    return 0;
}
