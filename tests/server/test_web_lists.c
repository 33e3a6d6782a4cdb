/* SPDX-License-Identifier: MIT
 *
 * The management API, many: lists in pages, purging, entities. */
#include "browser.h"

#include <stdio.h>
#include <string.h>

#include "wire/wire_priv.h"

static struct served served;
static struct desk desk;

static int set_up(void **state)
{
    static const char *const options[] = { "--http=127.0.0.1:0", NULL };
    (void)state;
    served_start(&served, options);
    desk_open(&desk, &served, NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    desk_close(&desk);
    served_stop(&served);
    return 0;
}

static struct reply get(const char *path)
{
    return browser_ask(&served, "GET", path, NULL, NULL);
}

static struct reply post(const char *path, const char *body)
{
    return browser_ask(&served, "POST", path, AS_JSON, body);
}

static struct reply delete_at(const char *path)
{
    return browser_ask(&served, "DELETE", path, NULL, NULL);
}

static void start(const char *id)
{
    char path[128];
    (void)snprintf(path, sizeof path, "/orchestrators/Flow/%s", id);
    assert_int_equal(post(path, "1").code, 202);
}

static size_t count(const struct reply *reply, const char *what)
{
    size_t found = 0;
    const char *at = reply->body.at;
    while ((at = memmem(at, (size_t)(reply->body.at + reply->body.size - at), what,
                        strlen(what))) != NULL) {
        found++;
        at++;
    }
    return found;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void pages_follow_each_other_until_the_token_is_empty(void **state)
{
    char header[128] = "";
    size_t seen = 0;
    size_t pages = 0;
    (void)state;
    for (int i = 0; i < 7; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "p%d", i);
        start(id);
    }
    for (bool more = true; more; pages++) {
        struct reply page = browser_ask(&served, "GET", "/instances?top=3", header, NULL);
        assert_int_equal(page.code, 200);
        seen += count(&page, "\"instanceId\":\"p");
        struct text token = browser_header(&page, "x-ms-continuation-token");
        assert_true(text_is_present(token));
        more = token.size != 0;
        (void)snprintf(header, sizeof header, "x-ms-continuation-token: %.*s\r\n",
                       TEXT_ARGS(token));
    }
    assert_int_equal(seen, 7);
    assert_int_equal(pages, 3);
    struct reply reply =
        browser_ask(&served, "GET", "/instances", "x-ms-continuation-token: nonsense\r\n", NULL);
    browser_expect(&reply, 400, "...none of this list...");
    reply = get("/instances?top=0");
    assert_int_equal(count(&reply, "\"instanceId\""), 7);
    reply = get("/instances?top=99999999999999999999999999");
    assert_int_equal(count(&reply, "\"instanceId\""), 7);
}

static void filters_are_those_of_the_specification(void **state)
{
    static const struct {
        const char *query;
        size_t found;
    } cases[] = {
        { "", 3 },
        { "?runtimeStatus=Terminated", 1 },
        { "?runtimeStatus=terminated", 3 }, /* unknown: no filter is left */
        { "?runtimeStatus=5", 1 },
        { "?runtimeStatus=Terminated,Pending", 3 },
        { "?runtimeStatus=Terminated&RUNTIMESTATUS=6", 3 },
        { "?runtimeStatus=Canceled", 0 },
        { "?instanceIdPrefix=f-a", 2 },
        { "?instanceIdPrefix=nobody", 0 },
        { "?createdTimeFrom=2000-01-01T00:00:00Z", 3 },
        { "?createdTimeFrom=2199-01-01", 0 },
        { "?createdTimeFrom=tomorrow", 3 },
        { "?createdTimeTo=2000-01-01T00:00:00.5%2B01:00", 0 },
        { "?createdTimeTo=2199-12-31T23:59:59-05:00", 3 },
    };
    (void)state;
    start("f-a1");
    start("f-a2");
    start("f-b");
    assert_int_equal(post("/instances/f-b/terminate", NULL).code, 202);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "/instances%s", cases[i].query);
        struct reply reply = get(path);
        if (reply.code != 200 || count(&reply, "\"instanceId\"") != cases[i].found) {
            fail_msg("%s: %d %.*s", cases[i].query, reply.code, TEXT_ARGS(reply.body));
        }
    }
    struct reply reply = get("/instances?instanceIdPrefix=f-b&showInput=false&showHistory=true");
    browser_expect(&reply, 200,
                   "[{\"name\":\"Flow\",\"instanceId\":\"f-b\",\"runtimeStatus\":\"Terminated\","
                   "\"input\":null,\"customStatus\":null,\"output\":null,\"createdTime\":\"...\","
                   "\"lastUpdatedTime\":\"...\"}]");
}

/* ---- purging --------------------------------------------------------------------------------- */

static void one_is_purged_when_it_has_ended(void **state)
{
    (void)state;
    start("one");
    struct reply reply = delete_at("/instances/one");
    browser_expect(&reply, 412, "...\"ExceptionType\":\"PD_E_STATE\"}");
    assert_int_equal(post("/instances/one/terminate", NULL).code, 202);
    reply = delete_at("/instances/one?dryRun=true");
    browser_expect(&reply, 200, "{\"instancesDeleted\":1}");
    reply = delete_at("/instances/one?dryRun=1");
    browser_expect(&reply, 400, "...dryRun: '1' is neither true nor false...");
    assert_int_equal(served_status(&served, "one"), TERMINATED);
    reply = delete_at("/instances/one");
    browser_expect(&reply, 200, "{\"instancesDeleted\":1}");
    reply = delete_at("/instances/one");
    browser_expect(&reply, 404, "");
    assert_int_equal(served_status(&served, "one"), -1);
}

static void many_are_purged_by_a_filter_that_names_a_time(void **state)
{
    (void)state;
    start("m-1");
    start("m-2");
    start("m-3");
    start("other");
    assert_int_equal(post("/instances/m-1/terminate", NULL).code, 202);
    assert_int_equal(post("/instances/m-2/terminate", NULL).code, 202);
    assert_int_equal(post("/instances/other/terminate", NULL).code, 202);
    struct reply reply = delete_at("/instances");
    browser_expect(&reply, 400, "\"Please provide value for 'createdTimeFrom' parameter.\"");
    reply = delete_at("/instances?createdTimeFrom=yesterday");
    browser_expect(&reply, 400, "\"Please provide value for 'createdTimeFrom' parameter.\"");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&runtimeStatus=Pending");
    browser_expect(&reply, 400, "...only what has ended...");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&runtimeStatus=Canceled");
    browser_expect(&reply, 404, "");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&createdTimeTo=2001-01-01");
    browser_expect(&reply, 404, "");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&dryRun=true");
    browser_expect(&reply, 200, "{\"instancesDeleted\":3}");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&instanceIdPrefix=");
    browser_expect(&reply, 400, "...instanceIdPrefix: it is empty...");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&dryRun=1");
    browser_expect(&reply, 400, "...dryRun: '1' is neither true nor false...");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&dryRun=true&dryRun=true");
    browser_expect(&reply, 400, "...dryRun: 'true,true' is neither true nor false...");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&createdTimeTo=2001");
    browser_expect(&reply, 400, "...createdTimeTo: '2001' is no time...");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&runtimeStatus=failed");
    browser_expect(&reply, 400, "...runtimeStatus: 'failed' has what is no state...");
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&instanceIdPrefix=m-");
    browser_expect(&reply, 200, "{\"instancesDeleted\":2}");
    assert_int_equal(served_status(&served, "m-3"), PENDING);
    assert_int_equal(served_status(&served, "other"), TERMINATED);
    reply = delete_at("/instances?createdTimeFrom=2000-01-01&runtimeStatus=Terminated,Failed");
    browser_expect(&reply, 200, "{\"instancesDeleted\":1}");
    assert_int_equal(served_status(&served, "m-3"), PENDING);
}

/* ---- entities -------------------------------------------------------------------------------- */

static struct event read_event(struct text bytes)
{
    struct event event;
    struct wire_trouble trouble = { NULL, NULL };
    assert_true(wire_read_event(bytes, &event, &served.arena, &trouble));
    return event;
}

/* Takes a batch of one operation; it leaves that state. Its input. */
static struct text run_entity(const char *name, const char *state)
{
    struct hub_work_item item = desk_take(&desk);
    struct hub_entity_batch_result result;
    assert_non_null(item.entity_request_v2);
    struct event signal = read_event(item.entity_request_v2->operation_requests.items[0]);
    struct hub_operation_result success = { 0 };
    struct hub_operation_result_success done;
    message_init(&hub_operation_result_success_type, &done);
    success.success = &done;
    assert_text(signal.name, name);
    message_init(&hub_entity_batch_result_type, &result);
    result.completion_token = item.completion_token;
    result.results.items = &success;
    result.results.count = 1;
    result.entity_state = text_of(state);
    assert_int_equal(
        served_tell(&served, "CompleteEntityTask", &hub_entity_batch_result_type, &result), PD_OK);
    return signal.payload;
}

static void signals_carry_json_or_a_text(void **state)
{
    (void)state;
    struct reply reply = post("/entities/Counter/Key?op=add", "{\"by\":1}");
    browser_expect(&reply, 202, "");
    assert_text(run_entity("add", "1"), "{\"by\":1}");
    reply = browser_ask(&served, "POST", "/entities/counter/Key?op=say",
                        "Content-Type: text/plain\r\n", "a \"b\"");
    browser_expect(&reply, 202, "");
    assert_text(run_entity("say", "2"), "\"a \\\"b\\\"\"");
    reply = post("/entities/counter/Key", NULL);
    browser_expect(&reply, 202, "");
    assert_false(text_is_present(run_entity("", "{\"n\":3}")));
    reply = get("/entities/COUNTER/Key");
    browser_expect(&reply, 200, "{\"n\":3}");
    reply = get("/entities/counter/key");
    browser_expect(&reply, 404, "");
    reply = post("/entities/counter/Key?op=add", "{");
    browser_expect(&reply, 400, "{\"Message\":\"Could not parse JSON content: ...");
    static const char *const bad[] = { "a%2Fb", "a%5Cb", "a%23b", "a%3Fb", "a%01b", "a%00b" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/entities/counter/%s?op=add", bad[i]);
        reply = post(path, "1");
        browser_expect(&reply, 400, "...\"ExceptionType\":\"PD_E_INVALID\"}");
    }
    assert_true(desk_has_none(&desk, 20));
}

static void an_empty_key_is_a_dollar_where_it_is_read(void **state)
{
    (void)state;
    assert_int_equal(post("/entities/lone?op=set", "5").code, 202);
    (void)run_entity("set", "5");
    struct reply reply = get("/entities/lone/$");
    browser_expect(&reply, 200, "5");
    assert_int_equal(post("/entities/lone/$?op=set", "6").code, 202);
    (void)run_entity("set", "6");
    reply = get("/entities/lone");
    browser_expect(&reply, 200,
                   "[{\"entityId\":{\"name\":\"lone\",\"key\":\"\"},...{\"entityId\":{"
                   "\"name\":\"lone\",\"key\":\"$\"},\"lastOperationTime\":\"...Z\"}]");
    assert_int_equal(delete_at("/entities/lone").code, 202);
    (void)run_entity("delete", "");
    assert_int_equal(get("/entities/lone/$").code, 404);
    assert_int_equal(delete_at("/entities/lone/$").code, 202);
    (void)run_entity("delete", "7"); /* it is an operation as any other */
    assert_int_equal(delete_at("/instances/@Lone@$").code, 200);
    assert_int_equal(delete_at("/instances/@Lone@$").code, 404);
}

/* 10.4, and what is not of it: what was deleted, what has no state. */
static void lists_of_entities_have_what_is_there_between_two_times(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/entities/Lamp/L%d?op=set", i);
        assert_int_equal(post(path, "1").code, 202);
        (void)run_entity("set", i == 2 ? NULL : "{\"n\":1}");
    }
    struct reply reply = get("/entities/lamp?fetchState=false");
    browser_expect(&reply, 200,
                   "[{\"entityId\":{\"name\":\"lamp\",\"key\":\"L0\"},\"lastOperationTime\":"
                   "\"...Z\"},{\"entityId\":{\"name\":\"lamp\",\"key\":\"L1\"},...}]");
    assert_int_equal(count(&reply, "entityId"), 2);
    struct text at = browser_member(&reply, "lastOperationTime");
    assert_true(at.size > 20 && at.at[19] == '.'); /* finer than a second */
    static const struct {
        const char *query;
        size_t found;
    } cases[] = {
        { "?lastOperationTimeTo=2199-01-01", 2 },
        { "?lastOperationTimeTo=2001-01-01", 0 },
        { "?lastOperationTimeFrom=2001-01-01&lastOperationTimeTo=2199-01-01", 2 },
        { "?lastOperationTimeFrom=2199-01-01", 0 },
        { "?top=1", 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "/entities%s", cases[i].query);
        reply = get(path);
        assert_int_equal(reply.code, 200);
        assert_int_equal(count(&reply, "entityId"), cases[i].found);
    }
    reply = get("/entities/nothing");
    browser_expect(&reply, 200, "[]");
    assert_int_equal(get("/entities/lamp/L2").code, 404);
    assert_int_equal(delete_at("/entities/lamp/L0").code, 202);
    (void)run_entity("delete", NULL);
    reply = get("/entities/lamp");
    assert_int_equal(count(&reply, "entityId"), 1);
}

static void a_signal_may_be_for_later(void **state)
{
    (void)state;
    assert_int_equal(post("/entities/lamp/x?op=on&signalAt=2199-01-01T00:00:00Z", "1").code, 202);
    assert_true(desk_has_none(&desk, 50));
    assert_int_equal(post("/entities/lamp/x?op=on&signalAt=2001-01-01T00:00:00Z", "2").code, 202);
    assert_text(run_entity("on", "1"), "2");
}

static void a_page_has_a_hundred_unless_it_says_more(void **state)
{
    (void)state;
    for (int i = 0; i < 101; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "h%03d", i);
        start(id);
    }
    struct reply reply = get("/instances");
    assert_int_equal(count(&reply, "\"instanceId\""), 100);
    char header[128];
    struct text token = browser_header(&reply, "x-ms-continuation-token");
    assert_true(token.size != 0);
    (void)snprintf(header, sizeof header, "x-ms-continuation-token: %.*s\r\n", TEXT_ARGS(token));
    reply = browser_ask(&served, "GET", "/instances", header, NULL);
    assert_int_equal(count(&reply, "\"instanceId\""), 1);
    assert_int_equal(browser_header(&reply, "x-ms-continuation-token").size, 0);
    reply = get("/instances?top=101");
    assert_int_equal(count(&reply, "\"instanceId\""), 101);
}

static void what_perdure_itself_runs_is_in_no_list(void **state)
{
    (void)state;
    start("mine");
    assert_int_equal(post("/orchestrators/perdure.call/its", "1").code, 202);
    struct reply reply = get("/instances");
    assert_int_equal(count(&reply, "\"instanceId\""), 1);
    assert_int_equal(count(&reply, "\"instanceId\":\"mine\""), 1);
    reply = get("/instances?instanceIdPrefix=its");
    assert_int_equal(count(&reply, "\"instanceId\""), 0);
    reply = get("/instances?instanceIdPrefix=perdure");
    assert_int_equal(count(&reply, "\"instanceId\""), 0);
    assert_true(get("/instances/its").code < 300); /* by its ID, as any */
}

/* Seven of a megabyte: portions are cut by the store, and the page at its four megabytes. */
static void a_page_of_large_rows_is_cut_and_none_is_lost(void **state)
{
    enum { SIZE = 1 << 20, COUNT = 7 };
    static char body[SIZE + 1];
    char header[128] = "";
    size_t seen = 0;
    size_t pages = 0;
    (void)state;
    memset(body, '7', SIZE);
    for (int i = 0; i < COUNT; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/orchestrators/Flow/large%d", i);
        assert_int_equal(post(path, body).code, 202);
    }
    for (bool more = true; more; pages++) {
        struct reply page = browser_ask(&served, "GET", "/instances", header, NULL);
        char next[64];
        assert_int_equal(page.code, 200);
        assert_in_range(page.body.size, SIZE, 6 * SIZE);
        (void)snprintf(next, sizeof next, "\"instanceId\":\"large%zu\"", seen);
        assert_int_equal(count(&page, next), 1);
        seen += count(&page, "\"instanceId\":\"large");
        struct text token = browser_header(&page, "x-ms-continuation-token");
        more = token.size != 0;
        (void)snprintf(header, sizeof header, "x-ms-continuation-token: %.*s\r\n",
                       TEXT_ARGS(token));
    }
    assert_int_equal(seen, COUNT);
    assert_int_equal(pages, 2);
}

static void entities_are_listed_in_pages_with_their_states_when_asked(void **state)
{
    char header[128] = "";
    size_t seen = 0;
    (void)state;
    for (int i = 0; i < 5; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/entities/%s/k%%20%d?op=set", i < 3 ? "a" : "b", i);
        assert_int_equal(post(path, "1").code, 202);
        (void)run_entity("set", "{\"n\":1}");
    }
    for (bool more = true; more;) {
        struct reply page =
            browser_ask(&served, "GET", "/entities?top=2&fetchState=true", header, NULL);
        assert_int_equal(page.code, 200);
        seen += count(&page, "\"state\":{\"n\":1}");
        struct text token = browser_header(&page, "x-ms-continuation-token");
        more = token.size != 0;
        (void)snprintf(header, sizeof header, "x-ms-continuation-token: %.*s\r\n",
                       TEXT_ARGS(token));
    }
    assert_int_equal(seen, 5);
    struct reply reply = get("/entities/A");
    assert_int_equal(count(&reply, "\"entityId\""), 3);
    assert_int_equal(count(&reply, "\"state\""), 0);
    reply = get("/entities?lastOperationTimeFrom=2199-01-01");
    browser_expect(&reply, 200, "[]");
    reply = get("/instances");
    browser_expect(&reply, 200, "[]");
    reply = get("/instances?instanceIdPrefix=@B@");
    assert_int_equal(count(&reply, "\"name\":\"@b\",\"instanceId\":\"@b@k "), 2);
}

static void entities_as_instances_heed_the_filters_of_instances(void **state)
{
    static const struct {
        const char *query;
        size_t found;
    } cases[] = {
        { "", 1 },
        { "&runtimeStatus=Running", 1 },
        { "&runtimeStatus=Failed,Running", 1 },
        { "&runtimeStatus=Nonsense", 1 },
        { "&runtimeStatus=Completed", 0 },
        { "&runtimeStatus=Canceled", 0 },
        { "&createdTimeFrom=2001-01-01&createdTimeTo=2199-01-01", 1 },
        { "&createdTimeFrom=2199-01-01", 0 },
        { "&createdTimeTo=2001-01-01", 0 },
    };
    (void)state;
    assert_int_equal(post("/entities/lamp/x?op=set", "1").code, 202);
    (void)run_entity("set", "1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "/instances?instanceIdPrefix=@lamp%s", cases[i].query);
        struct reply reply = get(path);
        assert_int_equal(reply.code, 200);
        assert_int_equal(count(&reply, "\"instanceId\""), cases[i].found);
        assert_int_equal(browser_header(&reply, "x-ms-continuation-token").size, 0);
    }
}

static void a_name_that_no_entity_has_lists_none_of_another_name(void **state)
{
    (void)state;
    assert_int_equal(post("/entities/lamp/x@y?op=set", "1").code, 202);
    (void)run_entity("set", "1");
    struct reply reply = get("/entities/lamp");
    assert_int_equal(count(&reply, "entityId"), 1);
    reply = get("/entities/lamp%40x");
    browser_expect(&reply, 200, "[]");
    reply = get("/entities/lamp%00x");
    browser_expect(&reply, 200, "[]");
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(pages_follow_each_other_until_the_token_is_empty),
        test(filters_are_those_of_the_specification),
        test(one_is_purged_when_it_has_ended),
        test(many_are_purged_by_a_filter_that_names_a_time),
        test(signals_carry_json_or_a_text),
        test(an_empty_key_is_a_dollar_where_it_is_read),
        test(lists_of_entities_have_what_is_there_between_two_times),
        test(a_signal_may_be_for_later),
        test(a_page_has_a_hundred_unless_it_says_more),
        test(what_perdure_itself_runs_is_in_no_list),
        test(a_page_of_large_rows_is_cut_and_none_is_lost),
        test(entities_are_listed_in_pages_with_their_states_when_asked),
        test(entities_as_instances_heed_the_filters_of_instances),
        test(a_name_that_no_entity_has_lists_none_of_another_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
