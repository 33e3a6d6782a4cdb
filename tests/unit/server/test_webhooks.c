/* SPDX-License-Identifier: MIT
 *
 * Webhooks without a network: who is told, the event of each kind of change, the request that a
 * delivery becomes, what answers mean, and the signature: that of an example of Standard Webhooks,
 * as another implementation (hmac of Python) makes it. */
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tags.h"
#include "webhook_kit.h"

/* ---- signatures ------------------------------------------------------------------------------ */

static void a_signature_is_that_of_standard_webhooks(void **state)
{
    static const char secret[] = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    unsigned char key[sizeof secret];
    char signature[WEBHOOK_SIGNATURE];
    (void)state;
    int size = EVP_DecodeBlock(key, (const unsigned char *)secret, (int)sizeof secret - 1);
    assert_int_equal(size, 24);
    webhook_sign(text_make((const char *)key, (size_t)size), "msg_p5jXN8AQM9LWM0D4loKWxJek",
                 1614265330, TEXT("{\"test\": 2432232314}"), signature);
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static const char *body(struct webhooks *webhooks, const struct announcement *it)
{
    return of(asked(webhooks, told(webhooks, it)), "content");
}

static void hears(const char *settings, const struct announcement *it, const char *who)
{
    char text[1024];
    snprintf(text, sizeof text, HOOK("a") "%s", settings);
    struct webhooks *webhooks = load(text);
    assert_non_null(webhooks);
    pd_value to = pd_get(told(webhooks, it), "to");
    char names[64] = "";
    for (size_t i = 0; i < pd_count(to); i++) {
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s",
                 of(pd_at(to, i), "webhook"));
    }
    assert_string_equal(names, who);
    webhooks_free(webhooks);
}

/* ---- who wants it ---------------------------------------------------------------------------- */

static void filters_say_who_is_told(void **state)
{
    (void)state;
    struct announcement it = plain;
    hears("", &it, "a");
    hears("events = failed\n" HOOK("b") "events = completed\n", &it, "b");
    hears("names = order*\n" HOOK("b") "names = X, Or*\n" HOOK("c") "names = Order\n", &it, "bc");
    hears("hubs = other\n" HOOK("b") "hubs = other, def*\n", &it, "b");
    hears("events = completed\nnames = Order\nhubs = other\n", &it, "");
    it.kind = ANNOUNCE_FAILED;
    hears("events = completed\n" HOOK("b") "events = failed, completed\n", &it, "b");
}

static void what_is_perdures_own_is_told_to_nobody(void **state)
{
    (void)state;
    struct announcement it = plain;
    it.name = TEXT("perdure.run");
    hears("", &it, "");
    it.name = TEXT("BuiltIn__HttpPollOrchestrator");
    hears("", &it, "");
    it.name = TEXT("perdurer");
    hears("", &it, "a");
}

static void of_several_the_shortest_wait_holds_and_each_ones_patience(void **state)
{
    (void)state;
    struct webhooks *webhooks = load(HOOK("a") "retry-first = 7s\ngive-up = 2h\n" HOOK(
        "b") "retry-first = 250ms\ngive-up = 10m\n");
    pd_value input = told(webhooks, &plain), to = pd_get(input, "to");
    assert_int_equal(pd_int(pd_get(input, "first")), 250);
    assert_int_equal(pd_int(pd_get(pd_at(to, 0), "total")), 7200000);
    assert_int_equal(pd_int(pd_get(pd_at(to, 1), "total")), 600000);
    webhooks_free(webhooks);
    webhooks = load(HOOK("a"));
    input = told(webhooks, &plain);
    assert_int_equal(pd_int(pd_get(input, "first")), 5000);
    assert_int_equal(pd_int(pd_get(pd_at(pd_get(input, "to"), 0), "total")),
                     INT64_C(3) * 86400 * 1000);
    webhooks_free(webhooks);
}

/* ---- the event ------------------------------------------------------------------------------- */

static void each_kind_of_change_has_its_type(void **state)
{
    static const struct {
        enum announcement_kind kind;
        enum run_state state;
        const char *type, *status;
    } rows[] = {
        { ANNOUNCE_STARTED, RUN_RUNNING, "started", "Running" },
        { ANNOUNCE_COMPLETED, RUN_COMPLETED, "completed", "Completed" },
        { ANNOUNCE_FAILED, RUN_FAILED, "failed", "Failed" },
        { ANNOUNCE_TERMINATED, RUN_TERMINATED, "terminated", "Terminated" },
        { ANNOUNCE_SUSPENDED, RUN_SUSPENDED, "suspended", "Suspended" },
        { ANNOUNCE_RESUMED, RUN_RUNNING, "resumed", "Running" },
    };
    (void)state;
    struct webhooks *webhooks = load(HOOK("a"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct announcement it = plain;
        char expected[1024];
        it.kind = rows[i].kind;
        it.state = rows[i].state;
        snprintf(expected, sizeof expected,
                 "{\"specversion\":\"1.0\",\"id\":\"e1-%s-1700000001500000\","
                 "\"source\":\"/hubs/default\",\"type\":\"dev.perdure.orchestration.%s\","
                 "\"subject\":\"order-7\",\"time\":\"2023-11-14T22:13:21.500000Z\","
                 "\"datacontenttype\":\"application/json\",\"data\":{\"instanceId\":\"order-7\","
                 "\"name\":\"Order\",\"executionId\":\"e1\",\"runtimeStatus\":\"%s\","
                 "\"createdTime\":\"2023-11-14T22:13:20.000000Z\","
                 "\"lastUpdatedTime\":\"2023-11-14T22:13:21.500000Z\"}}",
                 rows[i].type, rows[i].type, rows[i].status);
        assert_string_equal(body(webhooks, &it), expected);
    }
    webhooks_free(webhooks);
}

static const char *data_with(struct webhooks *webhooks, const struct announcement *it)
{
    static const char last[] = "\"lastUpdatedTime\":\"2023-11-14T22:13:21.500000Z\"";
    const char *found = strstr(body(webhooks, it), last);
    assert_non_null(found);
    return found + strlen(last);
}

static void a_version_a_parent_and_tags_are_told(void **state)
{
    struct tag tags[] = { { TEXT("output"), TEXT("a \"b\"") }, { TEXT("team"), TEXT("\u00fc") } };
    struct event_extra extra = { .has_parent = true, .parent_id = TEXT("up") };
    struct announcement it = plain;
    (void)state;
    struct webhooks *webhooks = load(HOOK("a"));
    extra.tags = tags_pack(&arena, tags, 2);
    it.version = TEXT("1.2");
    it.extra = &extra;
    const char *json = body(webhooks, &it);
    assert_non_null(strstr(json, "\"version\":\"1.2\",\"executionId\":\"e1\""));
    assert_non_null(strstr(json, "\"parentId\":\"up\",\"tags\":{\"output\":\"a \\\"b\\\"\","
                                 "\"team\":\"\u00fc\"},\"createdTime\""));
    webhooks_free(webhooks);
}

static void outputs_go_only_to_those_who_want_them(void **state)
{
    struct failure failure = { .type = TEXT("Oops"), .message = TEXT("it \"broke\"\n") };
    struct announcement it = plain;
    (void)state;
    it.output = TEXT("{\"output\":[1,2.50,\"x\"]}");
    struct webhooks *webhooks = load(HOOK("a") HOOK("b") "include-output = yes\n");
    assert_string_equal(data_with(webhooks, &it), "}}"); /* the first of them */
    webhooks_free(webhooks);
    webhooks = load(HOOK("a") "include-output = yes\n");
    assert_string_equal(data_with(webhooks, &it), ",\"output\":{\"output\":[1,2.50,\"x\"]}}}");
    it.output = TEXT_ABSENT;
    assert_string_equal(data_with(webhooks, &it), "}}");
    it.kind = ANNOUNCE_FAILED;
    it.failure = &failure;
    assert_string_equal(data_with(webhooks, &it),
                        ",\"failure\":{\"type\":\"Oops\",\"message\":\"it \\\"broke\\\"\\n\"}}}");
    webhooks_free(webhooks);
    webhooks = load(HOOK("a"));
    assert_string_equal(data_with(webhooks, &it), "}}");
    webhooks_free(webhooks);
}

/* SDKs' outputs are whatever their languages write. */
static void an_output_is_told_to_the_byte_and_what_is_no_json_as_text(void **state)
{
    static const char *const outputs[][2] = {
        { "123456789012345678901234567890", NULL },
        { "{\"a\":1,\"a\":2}", NULL },
        { "\"\\u0000\"", NULL },
        { "1e999", NULL },
        { "plain words", "\"plain words\"" },
        { "{\"half\":", "\"{\\\"half\\\":\"" },
        { "\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    };
    struct announcement it = plain;
    (void)state;
    struct webhooks *webhooks = load(HOOK("a") "include-output = yes\n");
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        it.output = text_of(outputs[i][0]);
        const char *json = outputs[i][1] != NULL ? outputs[i][1] : outputs[i][0];
        assert_string_equal(data_with(webhooks, &it),
                            arena_printf(&arena, ",\"output\":%s}}", json));
    }
    webhooks_free(webhooks);
}

static void an_output_as_deep_as_payloads_may_be_is_told(void **state)
{
    char deep[2 * 64 + 1];
    struct announcement it = plain;
    (void)state;
    memset(deep, '[', 64);
    memset(deep + 64, ']', 64);
    deep[128] = '\0';
    it.output = text_of(deep);
    struct webhooks *webhooks = load(HOOK("a") "include-output = yes\n");
    assert_string_equal(data_with(webhooks, &it), arena_printf(&arena, ",\"output\":%s}}", deep));
    webhooks_free(webhooks);
}

/* A JSON text of so many bytes. */
static struct text long_text(size_t size)
{
    char *at = arena_alloc(&arena, size);
    memset(at, 'x', size);
    at[0] = at[size - 1] = '"';
    return text_make(at, size);
}

static void an_output_over_the_limit_is_left_out_and_its_size_is_told(void **state)
{
    struct failure failure = { .type = TEXT("T") };
    struct announcement it = plain;
    (void)state;
    struct webhooks *webhooks = load(HOOK("a") "include-output = yes\n");
    it.output = long_text(WEBHOOK_OUTPUT_MAX);
    assert_int_equal(strlen(data_with(webhooks, &it)),
                     WEBHOOK_OUTPUT_MAX + strlen(",\"output\":}}"));
    it.output = long_text(WEBHOOK_OUTPUT_MAX + 1);
    assert_string_equal(data_with(webhooks, &it), ",\"outputBytes\":65537}}");
    it.output = long_text(16 * 1024 * 1024);
    assert_string_equal(data_with(webhooks, &it), ",\"outputBytes\":16777216}}");
    it.output = TEXT_ABSENT;
    it.failure = &failure;
    failure.message = long_text(WEBHOOK_OUTPUT_MAX - 1);
    assert_non_null(strstr(data_with(webhooks, &it), ",\"failure\":{\"type\":\"T\",\"message\":"));
    failure.message = long_text(WEBHOOK_OUTPUT_MAX);
    assert_string_equal(data_with(webhooks, &it), ",\"failureBytes\":65537}}");
    webhooks_free(webhooks);
}

/* N1 */
static void whatever_bytes_a_client_chose_the_change_is_told(void **state)
{
    static const char odd[] = "a\0b\x01\"\\\n\xff\xed\xa0\x80\x7f/../\\u0000";
    struct text text = { odd, sizeof odd - 1 };
    struct failure failure = { .type = text, .message = text };
    struct event_extra extra = { .has_parent = true, .parent_id = text };
    struct announcement it = plain;
    (void)state;
    struct webhooks *webhooks = load(HOOK("a") "include-output = yes\n");
    it.id = it.execution_id = it.name = it.version = it.output = text;
    it.failure = &failure;
    it.extra = &extra;
    pd_value request = asked(webhooks, told(webhooks, &it)), event;
    const char *id = of(pd_get(request, "headers"), "webhook-id");
    assert_int_equal(strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_-"), strlen(id));
    assert_int_equal(json_parse(&arena, text_of(of(request, "content")), &event, &why), PD_OK);
    assert_string_equal(of(event, "id"), id);
    assert_string_equal(of(event, "subject"),
                        "a\x1a"
                        "b\x01\"\\\n\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\x7f/../"
                        "\\u0000");
    assert_string_equal(of(pd_get(event, "data"), "parentId"), of(event, "subject"));
    assert_string_equal(of(pd_get(event, "data"), "output"), of(event, "subject"));
    webhooks_free(webhooks);
}

static void an_id_as_long_as_ids_may_be_is_told_whole(void **state)
{
    char id[1025];
    struct announcement it = plain;
    (void)state;
    for (size_t i = 0; i < 1024; i += 4) {
        memcpy(id + i, "\xf0\x9f\x90\x99", 4);
    }
    id[1024] = '\0';
    it.id = it.execution_id = text_of(id);
    struct webhooks *webhooks = load(HOOK("a"));
    pd_value event = pd_get(told(webhooks, &it), "event");
    assert_string_equal(of(event, "subject"), id);
    webhooks_free(webhooks);
}

static void a_hubs_name_is_encoded_in_the_source(void **state)
{
    struct buffer json;
    (void)state;
    struct webhooks *webhooks = load(HOOK("a"));
    buffer_init(&json);
    assert_true(webhooks_write(webhooks, "a b/\"\\", &plain, &json));
    buffer_add_byte(&json, '\0');
    assert_non_null(strstr((const char *)json.at, "\"source\":\"/hubs/a%20b%2F%22%5C\""));
    buffer_done(&json);
    webhooks_free(webhooks);
}

static void the_same_change_gives_the_same_bytes(void **state)
{
    struct buffer a, b;
    (void)state;
    struct webhooks *webhooks = load(HOOK("a") "include-output = yes\n");
    buffer_init(&a);
    buffer_init(&b);
    assert_true(webhooks_write(webhooks, "default", &plain, &a));
    assert_true(webhooks_write(webhooks, "default", &plain, &b));
    assert_true(text_equal(buffer_text(&a), buffer_text(&b)));
    buffer_done(&a);
    buffer_done(&b);
    webhooks_free(webhooks);
}

/* ---- deliveries ------------------------------------------------------------------------------ */

static void a_request_has_the_id_the_second_and_a_signature_of_each_secret(void **state)
{
    char own[WEBHOOK_SIGNATURE], longest[WEBHOOK_SIGNATURE];
    unsigned char key[48];
    (void)state;
    struct webhooks *webhooks = load("[a]\n" URL SECRET LONGEST);
    pd_value request = asked(webhooks, told(webhooks, &plain));
    pd_value headers = pd_get(request, "headers");
    struct text content = text_of(of(request, "content"));
    (void)EVP_DecodeBlock(key, (const unsigned char *)"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 32);
    webhook_sign(text_make((const char *)key, 24), "e1-completed-1700000001500000", 1700000002,
                 content, own);
    char as[64];
    memset(as, 'a', sizeof as);
    webhook_sign(text_make(as, 64), "e1-completed-1700000001500000", 1700000002, content, longest);
    assert_string_equal(of(request, "method"), "POST");
    assert_string_equal(of(request, "uri"), "https://example.com/hook");
    assert_string_equal(of(headers, "webhook-id"), "e1-completed-1700000001500000");
    assert_string_equal(of(headers, "webhook-timestamp"), "1700000002");
    assert_string_equal(of(headers, "webhook-signature"),
                        arena_printf(&arena, "%s %s", own, longest));
    assert_string_equal(of(headers, "content-type"), "application/cloudevents+json; charset=utf-8");
    webhooks_free(webhooks);
}

static void a_delivery_of_a_webhook_that_is_gone_is_refused_for_good(void **state)
{
    static const char *const inputs[] = {
        "{\"webhook\":\"b\",\"event\":{\"id\":\"1\",\"data\":{\"x\":1}}}",
        "{\"webhook\":\"a\"}",
        "{\"webhook\":\"a\",\"event\":{\"id\":\"1\",\"data\":{}}}",
        "{\"webhook\":\"a\",\"event\":{\"id\":\"1\",\"data\":{\"x\":1},\"more\":{}}}",
        "nonsense",
    };
    struct fetch_answer refusal;
    struct buffer json;
    (void)state;
    struct webhooks *webhooks = load(HOOK("a"));
    buffer_init(&json);
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        assert_false(webhooks_request(webhooks, text_of(inputs[i]), 1, &json, &refusal));
        assert_string_equal(refusal.failure_type, "WebhookUnknown");
        assert_true(refusal.is_final);
        assert_int_equal(webhooks_counts(webhooks).failed, i + 1);
    }
    buffer_done(&json);
    webhooks_free(webhooks);
}

static struct fetch_answer judged(struct webhooks *webhooks, const char *response)
{
    struct fetch_answer answer = { .response = text_of(response) };
    return webhooks_judge(webhooks, &answer, &arena);
}

static void any_2xx_takes_it_and_nothing_else_does(void **state)
{
    static const int good[] = { 200, 202, 204, 299 };
    static const int bad[] = { 100, 199, 300, 302, 307, 400, 404, 410, 429, 500, 503, 999 };
    (void)state;
    struct webhooks *webhooks = load(HOOK("a"));
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct fetch_answer ret =
            judged(webhooks, arena_printf(&arena, "{\"statusCode\":%d,\"headers\":{}}", good[i]));
        assert_true(text_equal(ret.response, TEXT("null")));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fetch_answer ret =
            judged(webhooks, arena_printf(&arena, "{\"statusCode\":%d,\"headers\":{}}", bad[i]));
        assert_false(text_is_present(ret.response));
        assert_string_equal(ret.failure_type, "WebhookRefused");
        assert_true(text_equal(
            ret.failure_message,
            text_of(arena_printf(&arena, "the receiver answered with status %d", bad[i]))));
        assert_int_equal(ret.is_final, bad[i] == 410);
        assert_false(text_is_present(ret.failure_details));
    }
    assert_int_equal(webhooks_counts(webhooks).delivered, 4);
    assert_int_equal(webhooks_counts(webhooks).failed, 12);
    webhooks_free(webhooks);
}

static void when_to_come_again_is_handed_on(void **state)
{
    (void)state;
    struct webhooks *webhooks = load(HOOK("a"));
    struct fetch_answer ret =
        judged(webhooks, "{\"statusCode\":429,\"headers\":{\"retry-after\":\"120\"}}");
    assert_true(text_equal(ret.failure_details, TEXT("120")));
    assert_false(ret.is_final);
    for (size_t size = 64; size <= 65; size++) { /* and not at any length: it is kept */
        char when[66] = "", answer[160];
        memset(when, '1', size);
        (void)snprintf(answer, sizeof answer,
                       "{\"statusCode\":429,\"headers\":{\"retry-after\":\"%s\"}}", when);
        ret = judged(webhooks, answer);
        assert_int_equal(text_is_present(ret.failure_details), size == 64);
    }
    webhooks_free(webhooks);
}

/* H1: what libcurl says has the host in it. */
static void a_failure_has_no_word_of_the_url(void **state)
{
    static const char *const types[] = { "HttpRequest", "HttpTimeout", "HttpRefused" };
    static const char said[] = "Could not resolve host: example.com";
    size_t size = sizeof said - 1;
    (void)state;
    char *message = malloc(size);
    assert_non_null(message);
    memcpy(message, said, size);
    struct webhooks *webhooks = load(HOOK("a"));
    for (size_t i = 0; i < 3; i++) {
        const struct fetch_answer answer = {
            .failure_type = types[i],
            .failure_message = text_make(message, size), /* no zero behind it */
            .failure_details = TEXT("example.com"),
            .is_final = true,
        };
        struct fetch_answer ret = webhooks_judge(webhooks, &answer, &arena);
        assert_string_equal(ret.failure_type, types[i]);
        assert_null(strstr(ret.failure_message.at, "example.com"));
        assert_false(text_is_present(ret.failure_details));
        assert_false(ret.is_final); /* D3 */
    }
    free(message);
    assert_int_equal(webhooks_counts(webhooks).failed, 3);
    webhooks_free(webhooks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_that_of_standard_webhooks),
        T(filters_say_who_is_told),
        T(what_is_perdures_own_is_told_to_nobody),
        T(of_several_the_shortest_wait_holds_and_each_ones_patience),
        T(each_kind_of_change_has_its_type),
        T(a_version_a_parent_and_tags_are_told),
        T(outputs_go_only_to_those_who_want_them),
        T(an_output_is_told_to_the_byte_and_what_is_no_json_as_text),
        T(an_output_as_deep_as_payloads_may_be_is_told),
        T(an_output_over_the_limit_is_left_out_and_its_size_is_told),
        T(whatever_bytes_a_client_chose_the_change_is_told),
        T(an_id_as_long_as_ids_may_be_is_told_whole),
        T(a_hubs_name_is_encoded_in_the_source),
        T(the_same_change_gives_the_same_bytes),
        T(a_request_has_the_id_the_second_and_a_signature_of_each_secret),
        T(a_delivery_of_a_webhook_that_is_gone_is_refused_for_good),
        T(any_2xx_takes_it_and_nothing_else_does),
        T(when_to_come_again_is_handed_on),
        T(a_failure_has_no_word_of_the_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
