/* SPDX-License-Identifier: MIT
 *
 * Schedules over HTTP: every route, at and past what it takes. When something is due, and what is
 * started then, is tests/api/test_hub_schedules.c's. */
#include "browser.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct served served;

static int set_up(void **state)
{
    static const char *const options[] = { "--http=127.0.0.1:0", NULL };
    (void)state;
    served_start(&served, options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    served_stop(&served);
    return 0;
}

static struct reply ask(const char *method, const char *path, const char *body)
{
    return browser_ask(&served, method, path, AS_JSON, body);
}

static void put(const char *path, const char *body)
{
    struct reply reply = ask("POST", path, body);
    browser_expect(&reply, 202, "");
}

/* Until it is shown so. */
static void await(const char *path, const char *part)
{
    for (int i = 0; i < 1000; i++) {
        struct reply reply = ask("GET", path, NULL);
        if (reply.code == 200 &&
            memmem(reply.body.at, reply.body.size, part, strlen(part)) != NULL) {
            return;
        }
        (void)usleep(5000);
    }
    fail_msg("%s does not become %s", path, part);
}

static void a_schedule_is_put_and_shown_with_all_its_members(void **state)
{
    (void)state;
    put("/schedules/a%2Fb%20c",
        "{\"rule\":\"30 8 * * 1-5\",\"zone\":\"Europe/Berlin\",\"orchestrator\":\"Report\","
        "\"input\":{\"x\":[1]},\"version\":\"2\",\"tags\":{\"team\":\"t\"},"
        "\"begins\":\"2100-01-01T00:00:00Z\",\"ends\":\"2100-02-01T00:00:00+01:00\","
        "\"overlap\":\"buffer\",\"missed\":\"all\",\"missedMax\":5000}");
    await("/schedules/a%2Fb%20c", "\"status\":\"active\"");
    struct reply reply = ask("GET", "/schedules/a%2Fb%20c", NULL);
    browser_expect(&reply, 200,
                   "{\"id\":\"a/b c\",\"rule\":\"30 8 * * 1-5\",\"zone\":\"Europe/Berlin\","
                   "\"orchestrator\":\"Report\",\"input\":{\"x\":[1]},\"version\":\"2\","
                   "\"tags\":{\"team\":\"t\"},\"begins\":\"2100-01-01T00:00:00Z\","
                   "\"ends\":\"2100-01-31T23:00:00Z\",\"overlap\":\"buffer\",\"missed\":\"all\","
                   "\"missedMax\":5000,\"status\":\"active\",\"next\":\"2100-01-01T07:30:00Z\","
                   "\"started\":0,\"skipped\":0,\"late\":0}");
}

static void one_is_paused_resumed_triggered_and_deleted(void **state)
{
    (void)state;
    put("/schedules/o", "{\"rule\":\"@yearly\",\"orchestrator\":\"Report\",\"overlap\":\"allow\"}");
    await("/schedules/o", "\"status\":\"active\"");
    struct reply reply = ask("POST", "/schedules/o/PAUSE", NULL);
    browser_expect(&reply, 202, "");
    await("/schedules/o", "\"status\":\"paused\"");
    reply = ask("POST", "/schedules/o/resume", NULL);
    browser_expect(&reply, 202, "");
    await("/schedules/o", "\"status\":\"active\"");
    reply = ask("POST", "/schedules/o/trigger", NULL);
    browser_expect(&reply, 202, "");
    await("/schedules/o", "\"last\":{\"due\":\"2");
    reply = ask("GET", "/instances?instanceIdPrefix=o:", NULL);
    browser_expect(&reply, 200, "[{\"name\":\"Report\",\"instanceId\":\"o:2...");
    reply = ask("DELETE", "/schedules/o", NULL);
    browser_expect(&reply, 202, "");
    for (int i = 0; i < 1000 && ask("GET", "/schedules/o", NULL).code != 404; i++) {
        (void)usleep(5000);
    }
    static const char *const orders[] = { "pause", "resume", "trigger" };
    for (int i = 0; i < 3; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/schedules/o/%s", orders[i]);
        reply = ask("POST", path, NULL);
        browser_expect(&reply, 404, "");
        reply = ask("GET", path, NULL);
        browser_expect(&reply, 404, "");
    }
    reply = ask("DELETE", "/schedules/o", NULL);
    browser_expect(&reply, 404, "");
    reply = ask("GET", "/schedules/o", NULL);
    browser_expect(&reply, 404, "");
}

static void lists_come_in_pages(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/schedules/page%d", i);
        put(path, "{\"rule\":\"@daily\",\"orchestrator\":\"R\"}");
        await(path, "active");
    }
    char headers[4096] = "";
    int seen = 0, pages = 0;
    for (; pages < 10; pages++) {
        struct reply reply =
            browser_ask(&served, "GET", "/schedules?prefix=page&top=2", headers, NULL);
        assert_int_equal(reply.code, 200);
        const char *at = reply.body.at;
        while ((at = memmem(at, (size_t)(reply.body.at + reply.body.size - at), "\"id\":\"page",
                            10)) != NULL) {
            seen++;
            at++;
        }
        struct text token = browser_header(&reply, "x-ms-continuation-token");
        if (token.size == 0) {
            break;
        }
        (void)snprintf(headers, sizeof headers, "x-ms-continuation-token: %.*s\r\n",
                       TEXT_ARGS(token));
    }
    assert_int_equal(seen, 5);
    assert_true(pages >= 2);
    static const char *const bad[] = { "0", "1001", "x", "-1", "99999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/schedules?top=%s", bad[i]);
        struct reply reply = ask("GET", path, NULL);
        browser_expect(&reply, 400, "...top is a number from 1 to 1000...");
    }
    struct reply reply = ask("GET", "/schedules?top=1000", NULL);
    assert_int_equal(reply.code, 200);
}

static void what_is_no_schedule_is_a_400_that_says_which_member(void **state)
{
    (void)state;
    static const struct {
        const char *body, *says;
    } rows[] = {
        { "", "...Invalid JSON content..." },
        { "{", "...Invalid JSON content..." },
        { "[]", "...is an object..." },
        { "{}", "...has no rule..." },
        { "{\"rule\":\"@daily\"}", "...has no orchestrator; give the name..." },
        { "{\"rule\":5,\"orchestrator\":\"R\"}", "...'rule'..." },
        { "{\"rule\":\"61 * * * *\",\"orchestrator\":\"R\"}", "...minute..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"zone\":\"Mars/O\"}", "...Mars/O..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"zone\":\"../../etc/passwd\"}",
          "...zone..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"begins\":\"soon\"}", "...'begins'..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"overlap\":\"often\"}",
          "...is skip, buffer or allow..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"missed\":1}", "...'missed'..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"missedMax\":\"1h\"}",
          "...'missedMax'..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"missedMax\":-1}",
          "...'missedMax' of a schedule is a whole number of milliseconds, not below 0; it was "
          "-1..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"paused\":\"yes\"}", "...'paused'..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"tags\":{\"n\":1}}", "...tags..." },
        { "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"cron\":\"x\"}",
          "...a schedule has no 'cron'..." },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply reply = ask("POST", "/schedules/bad", rows[i].body);
        browser_expect(&reply, 400, rows[i].says);
    }
    char tag[400], value[258] = "";
    memset(value, 'v', 257);
    (void)snprintf(tag, sizeof tag,
                   "{\"rule\":\"@daily\",\"orchestrator\":\"R\",\"tags\":{\"t\":\"%s\"}}", value);
    struct reply refused = ask("POST", "/schedules/bad", tag);
    browser_expect(&refused, 400, "...limit of 256...");
    static const char *const ids[] = { "a%40b", "a%FF", "a%0Ab" };
    for (int i = 0; i < 3; i++) {
        char at[64];
        (void)snprintf(at, sizeof at, "/schedules/%s/pause", ids[i]);
        refused = ask("POST", at, NULL);
        browser_expect(&refused, 400, "...the id of a schedule...");
    }
    refused = browser_ask(&served, "GET", "/schedules", "x-ms-continuation-token: x\r\n", NULL);
    browser_expect(&refused, 400, "...page token...");
    char path[300] = "/schedules/";
    memset(path + 11, 'x', 201);
    struct reply reply = ask("POST", path, "{\"rule\":\"@daily\",\"orchestrator\":\"R\"}");
    browser_expect(&reply, 400, "...200 characters...");
    path[11 + 200] = '\0';
    put(path, "{\"rule\":\"@daily\",\"orchestrator\":\"R\"}");
    reply = ask("POST", "/schedules/a%40b", "{\"rule\":\"@daily\",\"orchestrator\":\"R\"}");
    browser_expect(&reply, 400, "...none of them '@'...");
    reply = ask("POST", "/schedules/a%00b", "{\"rule\":\"@daily\",\"orchestrator\":\"R\"}");
    assert_int_equal(reply.code, 400);
    reply = ask("GET", "/schedules/bad", NULL);
    browser_expect(&reply, 404, "");
}

/* ---- what a schedule waits for -------------------------------------------------------------- */

/* POST or DELETE of "perdure.run:ID", which is behind `running`. */
static struct reply ask_of_run(const char *method, struct text running, const char *what)
{
    char path[200];
    (void)snprintf(path, sizeof path, "/instances/perdure.run%%3A%.*s%s", TEXT_ARGS(running), what);
    return ask(method, path, "{}");
}

static pd_status terminate(struct text id)
{
    const struct hub_terminate_request request = { id, TEXT_ABSENT, true };
    return served_tell(&served, "TerminateInstance", &hub_terminate_request_type, &request);
}

static size_t skip_graceful(struct text id)
{
    struct hub_instance_batch batch = { { &id, 1 } };
    const struct hub_skip_graceful_orchestration_terminations_request request = {
        &batch, TEXT("\"stop\"")
    };
    struct hub_skip_graceful_orchestration_terminations_response response;
    assert_int_equal(served_call(&served, "SkipGracefulOrchestrationTerminations",
                                 skip_graceful_orchestration_terminations_request, &request,
                                 skip_graceful_orchestration_terminations_response, &response),
                     PD_OK);
    return response.unterminated_instance_ids.count;
}

static void what_a_schedule_waits_for_is_listed_when_a_prefix_of_it_is_asked_for(void **state)
{
    (void)state;
    put("/schedules/w", "{\"rule\":\"* * * * * *\",\"orchestrator\":\"Nobody\"}");
    await("/schedules/w", "\"running\":\"w:2");
    struct reply reply = ask("GET", "/instances?instanceIdPrefix=perdure.&top=1", NULL);
    browser_expect(&reply, 200, "[{\"name\":\"perdure.run\",\"instanceId\":\"perdure.run:w:2...");
    reply = ask("GET", "/instances?instanceIdPrefix=&top=1", NULL);
    browser_expect(&reply, 200, "[{\"name\":\"Nobody\",\"instanceId\":\"w:2...");
    reply = ask("GET", "/instances?instanceIdPrefix=perdure", NULL);
    browser_expect(&reply, 200, "[]");
}

static void what_a_schedule_waits_for_is_ended_neither_over_http_nor_by_sdks(void **state)
{
    (void)state;
    char id[64], run[80];
    put("/schedules/w", "{\"rule\":\"* * * * * *\",\"orchestrator\":\"Nobody\"}");
    await("/schedules/w", "\"running\":\"w:2");
    struct reply reply = ask("GET", "/schedules/w", NULL);
    (void)snprintf(id, sizeof id, "%.*s", TEXT_ARGS(browser_member(&reply, "running")));
    (void)snprintf(run, sizeof run, "perdure.run:%s", id);
    reply = ask_of_run("POST", text_of(id), "/terminate");
    browser_expect(&reply, 400, "...terminate the one it waits for, 'w:2...");
    assert_int_equal(ask_of_run("DELETE", text_of(id), "").code, 412);
    assert_int_equal(ask_of_run("POST", text_of(id), "/rewind").code, 409);
    assert_int_equal(
        ask_of_run("POST", text_of(id), "/restart?restartWithNewInstanceId=false").code, 400);
    assert_int_equal(terminate(text_of(run)), PD_E_INVALID);
    assert_int_equal(skip_graceful(text_of(run)), 1);
    assert_int_equal(ask_of_run("POST", text_of(id), "/suspend").code, 202);
    assert_int_equal(terminate(text_of(run)), PD_E_INVALID);
    assert_int_equal(ask_of_run("POST", text_of(id), "/resume").code, 202);
    await("/schedules/w", "\"started\":1");
    assert_int_equal(terminate(text_of(id)), PD_OK);
    await("/schedules/w", "\"started\":2");
    reply = ask("DELETE", "/schedules/w", NULL);
    browser_expect(&reply, 202, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_schedule_is_put_and_shown_with_all_its_members, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_is_paused_resumed_triggered_and_deleted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(lists_come_in_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_schedule_is_a_400_that_says_which_member, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            what_a_schedule_waits_for_is_listed_when_a_prefix_of_it_is_asked_for, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(
            what_a_schedule_waits_for_is_ended_neither_over_http_nor_by_sdks, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
