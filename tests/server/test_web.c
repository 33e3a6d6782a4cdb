/* SPDX-License-Identifier: MIT
 *
 * The management API, one instance: starting, looking, telling, and waiting for its end. */
#include "browser.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/tags.h"

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

/* ---- starting -------------------------------------------------------------------------------- */

static void a_start_without_a_body_mints_an_id_and_answers_with_nine_links(void **state)
{
    static const char *const names[] = {
        "id",
        "statusQueryGetUri",
        "sendEventPostUri",
        "terminatePostUri",
        "rewindPostUri",
        "restartPostUri",
        "suspendPostUri",
        "resumePostUri",
        "purgeHistoryDeleteUri",
    };
    struct reply reply = post("/orchestrators/Flow", NULL);
    struct text id = browser_member(&reply, "id");
    (void)state;
    assert_int_equal(reply.code, 202);
    assert_text(browser_header(&reply, "Retry-After"), "10");
    assert_text(browser_header(&reply, "Content-Type"), "application/json; charset=utf-8");
    assert_true(text_equal(browser_header(&reply, "Location"),
                           browser_member(&reply, "statusQueryGetUri")));
    assert_int_equal(id.size, 32);
    assert_int_equal(strspn(id.at, "0123456789abcdef"), 32);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(browser_member(&reply, names[i]).size != 0);
    }
    struct hub_get_instance_response found = served_get(&served, text_copy(&served.arena, id).at);
    assert_true(found.exists);
    assert_false(text_is_present(found.orchestration_state->input));
}

static void links_lead_to_where_the_request_came_to(void **state)
{
    char wanted[256];
    struct reply reply = post("/orchestrators/Flow/an%20id?taskHub=default&connection=a%26b", "1");
    (void)state;
    (void)snprintf(wanted, sizeof wanted,
                   "%s://%s" WEB "/instances/an%%20id/terminate?reason={text}&taskHub=default"
                   "&connection=a%%26b",
                   browser_scheme(&served), server_http_address(served.server));
    assert_text(browser_member(&reply, "terminatePostUri"), wanted);
    assert_text(browser_member(&reply, "id"), "an id");
    browser_expect(&reply, 202, "{\"id\":\"an id\",...");
}

static void ids_and_bodies_that_are_not_right_start_nothing(void **state)
{
    static const struct {
        const char *path, *body;
        int code;
        const char *answer;
    } cases[] = {
        { "/orchestrators/Flow/%40a", NULL, 400, "{\"Message\":\"One or more...PD_E_INVALID\"}" },
        { "/orchestrators/Flow/a%2Fb", NULL, 404, "" },
        { "/orchestrators/Flow/a%5Cb", NULL, 400, "...PD_E_INVALID..." },
        { "/orchestrators/Flow/a%23b", NULL, 400, "...PD_E_INVALID..." },
        { "/orchestrators/Flow/a%3fb", NULL, 400, "...PD_E_INVALID..." },
        { "/orchestrators/Flow/a%0Ab", NULL, 400, "...PD_E_INVALID..." },
        { "/orchestrators/Flow/a%00b", NULL, 400, "...PD_E_INVALID..." },
        { "/orchestrators/Flow/a%ffb", NULL, 400, "...PD_E_INVALID..." },
        { "/orchestrators/Flow/a%2", NULL, 400, "..." },
        { "/orchestrators/Flow/ok", "{", 400, "{\"Message\":\"Invalid JSON content\",..." },
        { "/orchestrators/Flow/ok", "[1] 2", 400, "{\"Message\":\"Invalid JSON content\",..." },
        { "/orchestrators/Flow/ok", "01", 400, "{\"Message\":\"Invalid JSON content\",..." },
        { "/orchestrators/Flow/ok?timeout=1&pollingInterval=2", NULL, 400, "...bigger than..." },
        { "/orchestrators/Flow/ok?timeout=soon", NULL, 400, "...'timeout' is a number..." },
        { "/orchestrators/Flow/ok?timeout=-1", NULL, 400, "...'timeout' is a number..." },
        { "/orchestrators/Fl%0Aow/ok", NULL, 400, "...the name of an orchestrator..." },
        { "/orchestrators/Flow/ok?tag.=1", NULL, 400, "...a tag has a name..." },
        { "/orchestrators", NULL, 404, "" },
        { "/orchestrators/Flow/ok/more", NULL, 404, "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply reply = post(cases[i].path, cases[i].body);
        browser_expect(&reply, cases[i].code, cases[i].answer);
    }
    assert_int_equal(served_status(&served, "ok"), -1);
}

static void an_id_has_256_characters_at_most(void **state)
{
    char path[400] = "/orchestrators/Flow/";
    size_t size = strlen(path);
    (void)state;
    memset(path + size, 'i', 256);
    assert_int_equal(post(path, NULL).code, 202);
    path[size + 256] = 'i';
    assert_int_equal(post(path, NULL).code, 400);
}

static void a_taken_id_is_a_conflict_until_its_instance_has_ended(void **state)
{
    (void)state;
    assert_int_equal(post("/orchestrators/Flow/dup", "1").code, 202);
    struct reply reply = post("/orchestrators/Flow/dup", "2");
    browser_expect(&reply, 409,
                   "{\"Message\":\"An Orchestration instance with the ID dup already "
                   "exists.\",...\"ExceptionType\":\"PD_E_EXISTS\"}");
    assert_int_equal(post("/instances/dup/terminate", NULL).code, 202);
    assert_int_equal(post("/orchestrators/Flow/dup?dedupeStatuses=Terminated", "3").code, 409);
    assert_int_equal(post("/orchestrators/Flow/dup", "4").code, 202);
    assert_text(served_get(&served, "dup").orchestration_state->input, "4");
}

static void a_start_whose_options_cannot_be_read_starts_and_replaces_nothing(void **state)
{
    (void)state;
    assert_int_equal(post("/orchestrators/Flow/exact", "1").code, 202);
    struct reply reply = post("/orchestrators/Flow/exact?dedupeStatuses=pending", "2");
    browser_expect(&reply, 400, "...dedupeStatuses: 'pending' has what is no state...");
    assert_int_equal(post("/orchestrators/Flow/exact?dedupeStatuses=", "2").code, 409);
    assert_text(served_get(&served, "exact").orchestration_state->input, "1");
    assert_int_equal(post("/orchestrators/Flow/exact?dedupeStatuses=Completed", "3").code, 202);
    assert_text(served_get(&served, "exact").orchestration_state->input, "3");

    reply = post("/orchestrators/Flow/later?startAt=tomorrow", "1");
    browser_expect(&reply, 400, "...startAt: 'tomorrow' is no time...");
    assert_int_equal(served_status(&served, "later"), -1);
    reply = post("/entities/counter/k?op=add&signalAt=noon", "1");
    browser_expect(&reply, 400, "...signalAt: 'noon' is no time...");
}

static void a_chunked_body_is_the_input_as_it_came(void **state)
{
    char bytes[512];
    (void)state;
    (void)snprintf(bytes, sizeof bytes,
                   "POST " WEB "/orchestrators/Flow/chunked HTTP/1.1\r\nHost: %s\r\n"
                   "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "4\r\n{ \"a\r\n8\r\n\" : 1.0}\r\n0\r\n\r\n",
                   server_http_address(served.server));
    struct reply reply = browser_parse(&served, browser_send(&served, text_of(bytes)));
    assert_int_equal(reply.code, 202);
    assert_text(served_get(&served, "chunked").orchestration_state->input, "{ \"a\" : 1.0}");
}

static void a_name_that_no_worker_has_is_refused_when_all_say_theirs(void **state)
{
    struct hub_orchestration_filter flow[] = { { .name = TEXT_INIT("Flow") } };
    struct hub_entity_filter counter[] = { { .name = TEXT_INIT("Counter") } };
    const struct hub_work_item_filters filters = {
        .orchestrations = { flow, 1 },
        .entities = { counter, 1 },
    };
    struct hub_get_work_items_request request;
    (void)state;
    message_init(&hub_get_work_items_request_type, &request);
    request.work_item_filters = &filters;
    assert_int_equal(post("/orchestrators/Other", NULL).code, 202); /* somebody may have it */
    desk_close(&desk);
    assert_int_equal(post("/orchestrators/Other", NULL).code, 202); /* nobody is there */
    desk_open(&desk, &served, NULL, &request);
    struct reply reply = { 0 };
    for (int i = 0; i < 200 && reply.code != 400; i++) { /* its stream is on its way */
        reply = post("/orchestrators/Other", NULL);
    }
    browser_expect(&reply, 400, "...no worker has an orchestrator 'Other'...");
    assert_int_equal(post("/orchestrators/Flow", NULL).code, 202);
    assert_int_equal(post("/orchestrators/perdure.call", NULL).code, 202);
    assert_int_equal(post("/entities/COUNTER/k?op=add", NULL).code, 202);
    reply = post("/entities/other/k?op=add", NULL);
    browser_expect(&reply, 400, "...no worker has an entity 'other'...");
}

/* ---- looking --------------------------------------------------------------------------------- */

static void what_runs_is_202_with_the_url_that_was_asked(void **state)
{
    char wanted[256];
    assert_int_equal(post("/orchestrators/Flow/looked", "{\"at\":\"2026-01-01T00:00:00Z\"}").code,
                     202);
    struct reply reply = get("/Instances/looked/?showINPUT=True&x=%20+");
    (void)state;
    (void)snprintf(wanted, sizeof wanted, "%s://%s" WEB "/Instances/looked/?showINPUT=True&x=%%20+",
                   browser_scheme(&served), server_http_address(served.server));
    assert_text(browser_header(&reply, "Location"), wanted);
    assert_text(browser_header(&reply, "Retry-After"), "5");
    browser_expect(&reply, 202,
                   "{\"name\":\"Flow\",\"instanceId\":\"looked\",\"runtimeStatus\":\"Pending\","
                   "\"input\":{\"at\":\"2026-01-01T00:00:00Z\"},\"customStatus\":null,"
                   "\"output\":null,\"createdTime\":\"20...Z\",\"lastUpdatedTime\":\"20...Z\"}");
    assert_int_equal(browser_member(&reply, "createdTime").size, 20);
    reply = get("/instances/looked?showInput=false");
    browser_expect(&reply, 202, "...\"input\":null,...");
    reply = get("/instances/looked?showInput=0");
    browser_expect(&reply, 202, "...\"input\":{...");
}

static void what_has_ended_is_200_and_a_failure_500_to_who_asks_for_that(void **state)
{
    (void)state;
    desk_run(&desk, "done", COMPLETED, "{\"n\":12345678901234567890}");
    struct reply reply = get("/instances/done");
    browser_expect(&reply, 200, "...\"output\":{\"n\":12345678901234567890},...");
    assert_false(text_is_present(browser_header(&reply, "Location")));
    desk_run(&desk, "plain", COMPLETED, "no \"JSON\"");
    reply = get("/instances/plain");
    browser_expect(&reply, 200, "...\"output\":\"no \\\"JSON\\\"\",...");
    desk_run(&desk, "failed", FAILED, NULL);
    assert_int_equal(get("/instances/failed").code, 200);
    reply = get("/instances/failed?returnInternalServerErrorOnFailure=true");
    browser_expect(&reply, 500, "...\"runtimeStatus\":\"Failed\"...");
}

static void a_plus_in_a_path_is_itself_and_else_a_space(void **state)
{
    (void)state;
    assert_int_equal(post("/orchestrators/Flow/a%20b", NULL).code, 202);
    struct reply reply = get("/instances/a+b");
    browser_expect(&reply, 202, "...\"instanceId\":\"a b\"...");
    assert_int_equal(post("/orchestrators/Flow/a+b", NULL).code, 202);
    reply = get("/instances/a+b");
    browser_expect(&reply, 202, "...\"instanceId\":\"a+b\"...");
}

static void what_is_in_no_table_is_404_and_empty(void **state)
{
    static const char *const asked[][2] = {
        { "GET", "/instances/none" },
        { "GET", "/instances/none/terminate" },
        { "PUT", "/instances/none/resume" },
        { "HEAD", "/instances/none" },
        { "PATCH", "/entities/a/b" },
        { "DELETE", "/entities" },
        { "POST", "/entities" },
        { "POST", "/entities/a/b/c" },
        { "POST", "/instances/none/raiseEvent" },
        { "POST", "/instances/none/raiseEvent/a/b" },
        { "PUT", "/instances/none" },
        { "POST", "/instances/none/dance" },
        { "GET", "/orchestrators/Flow" },
        { "GET", "/" },
        { "GET", "" },
        { "POST", "/makeprimary" },
        { "GET", "/makeprimary" },
        { "GET", "/instances/%2e%2e/x/y/z/a" },
        { "OPTIONS", "/instances" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct reply reply = browser_ask(&served, asked[i][0], asked[i][1], NULL, NULL);
        browser_expect(&reply, 404, "");
        assert_false(text_is_present(browser_header(&reply, "Content-Type")));
    }
    struct reply reply = get("/instances/none?taskHub=nowhere");
    browser_expect(&reply, 404, "{\"Message\":\"there is no task hub 'nowhere'\",...");
    reply = browser_ask(&served, "GET", "!/admin/extensions/durabletaskextension/instances/none",
                        NULL, NULL);
    browser_expect(&reply, 404, "");
}

/* The same names in other words (1.1, 1.2, 5). */
static void words_that_mean_the_same_are_the_same(void **state)
{
    static const struct {
        const char *path;
        int code;
    } cases[] = {
        { "/instances/failed?RETURNINTERNALSERVERERRORONFAILURE=%20TRUE%20", 500 },
        { "/instances/failed?returnInternalServerErrorOnFailure=1", 200 },
        { "/instances/failed?returnInternalServerErrorOnFailure=yes", 200 },
        { "/instances/failed?returnInternalServerErrorOnFailure", 200 },
        { "/instances/failed?taskHub=", 200 },
        { "/instances/failed?TASKHUB=", 200 },
        { "/instances/failed?taskHub=default&connection=any", 200 },
        { "/instances/failed?taskHub=DEFAULT2", 404 },
        { "/INSTANCES/failed/", 200 },
        { "/instances/FAILED", 404 },
        { "/instances/fa%69led", 200 },
        { "/instances/fa%2569led", 404 }, /* decoded once */
    };
    (void)state;
    desk_run(&desk, "failed", FAILED, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply reply = get(cases[i].path);
        if (reply.code != cases[i].code) {
            fail_msg("%s: %d %.*s", cases[i].path, reply.code, TEXT_ARGS(reply.body));
        }
    }
}

static void a_start_may_name_a_time_a_version_and_tags(void **state)
{
    (void)state;
    struct reply reply = post("/orchestrators/Flow/planned?startAt=2199-01-02T03:04:05Z&version=1.2"
                              "&tag.team=red%20one&TAG.Zone=eu",
                              "1");
    assert_int_equal(reply.code, 202);
    struct hub_orchestration_state kept = *served_get(&served, "planned").orchestration_state;
    assert_int_equal(kept.orchestration_status, PENDING);
    assert_text(kept.version, "1.2");
    struct tag tag;
    size_t cursor = 0, count = 0;
    for (; tags_next(kept.tags, &cursor, &tag); count++) {
        assert_true((text_equal(tag.key, TEXT("team")) && text_equal(tag.value, TEXT("red one"))) ||
                    (text_equal(tag.key, TEXT("Zone")) && text_equal(tag.value, TEXT("eu"))));
    }
    assert_int_equal(count, 2);
    assert_true(desk_has_none(&desk, 50)); /* it is not due */
    assert_int_equal(get("/instances/planned").code, 202);
}

static void what_was_stored_is_shown_as_json_or_as_a_text(void **state)
{
    (void)state;
    assert_int_equal(post("/orchestrators/Flow/status", "null").code, 202);
    struct hub_work_item item = desk_take(&desk);
    struct hub_orchestrator_response response;
    message_init(&hub_orchestrator_response_type, &response);
    response.instance_id = TEXT("status");
    response.completion_token = item.completion_token;
    response.custom_status = TEXT("{\"done\" : 0.10}");
    assert_int_equal(served_tell(&served, "CompleteOrchestratorTask",
                                 &hub_orchestrator_response_type, &response),
                     PD_OK);
    struct reply reply = get("/instances/status");
    browser_expect(&reply, 202,
                   "...\"runtimeStatus\":\"Running\",\"input\":null,"
                   "\"customStatus\":{\"done\" : 0.10},\"output\":null,...");
    desk_run(&desk, "empty", COMPLETED, "");
    reply = get("/instances/empty");
    browser_expect(&reply, 200, "...\"output\":\"\",...");
    desk_run(&desk, "broken", COMPLETED, "2018-02-28T05:18:49Z");
    reply = get("/instances/broken");
    browser_expect(&reply, 200, "...\"output\":\"2018-02-28T05:18:49Z\",...");
}

/* ---- telling --------------------------------------------------------------------------------- */

static void events_are_checked_after_the_instance(void **state)
{
    (void)state;
    struct reply reply =
        browser_ask(&served, "POST", "/instances/none/raiseEvent/go", NULL, "text");
    browser_expect(&reply, 404, "");
    assert_int_equal(post("/orchestrators/Flow/heard", NULL).code, 202);
    reply = browser_ask(&served, "POST", "/instances/heard/raiseEvent/go", NULL, "1");
    browser_expect(&reply, 400,
                   "{\"Message\":\"Only application/json request content is "
                   "supported\"}");
    reply = browser_ask(&served, "POST", "/instances/heard/raiseEvent/go",
                        "Content-Type: APPLICATION/JSON; charset=utf-8\r\n", "{\"n\":1}");
    browser_expect(&reply, 202, "");
    reply = post("/instances/heard/raiseEvent/go", "");
    browser_expect(&reply, 400, "{\"Message\":\"Invalid JSON content\",...");
    reply = post("/instances/heard/RAISEEVENT/g%C3%B6%20on", "null");
    browser_expect(&reply, 202, "");
    struct hub_work_item item = desk_take(&desk);
    while (item.orchestrator_request == NULL ||
           !text_equal(item.orchestrator_request->instance_id, TEXT("heard"))) {
        item = desk_take(&desk);
    }
    assert_int_equal(post("/instances/heard/terminate", NULL).code, 202);
    reply = post("/instances/heard/raiseEvent/go", "1");
    browser_expect(&reply, 410, "");
}

static void suspending_resuming_terminating_and_rewinding_have_their_codes(void **state)
{
    (void)state;
    assert_int_equal(post("/orchestrators/Flow/told", NULL).code, 202);
    assert_int_equal(post("/instances/told/resume", NULL).code, 409);
    assert_int_equal(post("/instances/told/rewind", NULL).code, 409);
    assert_int_equal(post("/instances/told/suspend?reason=tea+time", NULL).code, 202);
    assert_int_equal(served_status(&served, "told"), SUSPENDED);
    struct reply reply = post("/instances/told/suspend", NULL);
    browser_expect(&reply, 409, "...\"ExceptionType\":\"PD_E_STATE\"}");
    assert_int_equal(post("/instances/told/resume", NULL).code, 202);
    assert_int_equal(post("/instances/told/TERMINATE?reason=%22why%22&reason=not", NULL).code, 202);
    reply = get("/instances/told");
    browser_expect(&reply, 200, "...\"output\":\"\\\"why\\\",not\",...");
    static const char *const ended[] = { "terminate", "suspend", "resume", "rewind" };
    for (size_t i = 0; i < 4; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/instances/told/%s", ended[i]);
        reply = post(path, NULL);
        browser_expect(&reply, 410, "");
        (void)snprintf(path, sizeof path, "/instances/none/%s", ended[i]);
        reply = post(path, NULL);
        browser_expect(&reply, 404, "");
    }
}

static void a_restart_mints_an_id_or_takes_the_old_one(void **state)
{
    (void)state;
    struct reply reply = post("/instances/none/restart", NULL);
    browser_expect(&reply, 400,
                   "{\"Message\":\"InstanceId does not match a valid orchestration "
                   "instance.\",...");
    assert_int_equal(post("/orchestrators/Flow/again", "[7]").code, 202);
    assert_int_equal(post("/instances/again/restart?restartWithNewInstanceId=false", NULL).code,
                     409);
    assert_int_equal(post("/instances/again/terminate", NULL).code, 202);
    reply = post("/instances/again/restart", NULL);
    assert_int_equal(reply.code, 202);
    struct text id = browser_member(&reply, "id");
    assert_int_equal(id.size, 32);
    assert_text(served_get(&served, text_copy(&served.arena, id).at).orchestration_state->input,
                "[7]");
    reply = post("/instances/again/restart?restartWithNewInstanceId=false", NULL);
    assert_text(browser_member(&reply, "id"), "again");
    assert_int_equal(served_status(&served, "again"), PENDING);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_start_without_a_body_mints_an_id_and_answers_with_nine_links),
        test(links_lead_to_where_the_request_came_to),
        test(ids_and_bodies_that_are_not_right_start_nothing),
        test(an_id_has_256_characters_at_most),
        test(a_taken_id_is_a_conflict_until_its_instance_has_ended),
        test(a_name_that_no_worker_has_is_refused_when_all_say_theirs),
        test(a_start_whose_options_cannot_be_read_starts_and_replaces_nothing),
        test(a_chunked_body_is_the_input_as_it_came),
        test(what_runs_is_202_with_the_url_that_was_asked),
        test(what_has_ended_is_200_and_a_failure_500_to_who_asks_for_that),
        test(a_plus_in_a_path_is_itself_and_else_a_space),
        test(words_that_mean_the_same_are_the_same),
        test(a_start_may_name_a_time_a_version_and_tags),
        test(what_was_stored_is_shown_as_json_or_as_a_text),
        test(what_is_in_no_table_is_404_and_empty),
        test(events_are_checked_after_the_instance),
        test(suspending_resuming_terminating_and_rewinding_have_their_codes),
        test(a_restart_mints_an_id_or_takes_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
