/* SPDX-License-Identifier: MIT
 *
 * pd_call_http from outside: in a process that has the file, and with a server, whose engine makes
 * the requests; both with the module of fake_module.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <perdure.h>

#include "../api/served_kit.h"

/* ---- the program ----------------------------------------------------------------------------- */

/* {"url", "method"?, "cancel"?, "race"?} */
static pd_result call(pd_orchestration *o, pd_value input)
{
    const char *url, *method = NULL;
    bool cancels = false;
    pd_read(o, input, "url", &url, "method?", &method, "cancel?", &cancels);
    pd_task *task = pd_start_http(
        o, &(pd_http_request){ .method = method,
                               .url = url,
                               .headers =
                                   PD_VAL(PD_OBJ("x-functions-key", "secret", "x-mine", "y")) });
    if (cancels) {
        pd_task *timer = pd_start_timer(o, pd_milliseconds(300));
        pd_await(o, timer);
        pd_cancel(o, task);
    }
    return pd_wait(o, task) ? pd_ok(o, pd_task_value(task))
                            : pd_fail_with(o, pd_task_failure(task));
}

/* {"activity", "input", "limit"} */
static pd_result ask(pd_orchestration *o, pd_value input)
{
    const char *activity;
    int limit = 0;
    pd_read(o, input, "activity", &activity, "limit?", &limit);
    pd_task *task = pd_start_activity(o, activity, pd_get(input, "input"), .run_max = { limit });
    return pd_wait(o, task) ? pd_ok(o, pd_task_value(task))
                            : pd_fail_with(o, pd_task_failure(task));
}

static pd_result child(pd_orchestration *o, pd_value input)
{
    pd_task *task = pd_start_child(o, "BuiltIn__HttpPollOrchestrator", input);
    return pd_ok(o, pd_await(o, task));
}

static const pd_function program[] = {
    PD_FUNCTION("Call", call),
    PD_FUNCTION("Ask", ask),
    PD_FUNCTION("Child", child),
};

/* ---- the stage ------------------------------------------------------------------------------- */

struct stage {
    char folder[64], store[128], url[160], log[128];
    bool is_served;
    struct served served;
    pd_hub *hub;
    pd_worker *worker;
};
static struct stage stage;

static void open_hub(void)
{
    pd_error err;
    stage.hub = pd_hub_open(stage.is_served ? stage.url : stage.store, &err);
    if (stage.hub == NULL) {
        fail_msg("%s", err.text);
    }
    stage.worker = pd_worker_start(stage.hub, PD_PROGRAM(program), NULL, &err);
    assert_non_null(stage.worker);
}

static void close_hub(void)
{
    pd_worker_stop(stage.worker);
    pd_hub_close(stage.hub);
    stage.worker = NULL;
    stage.hub = NULL;
}

static void begin(bool is_served)
{
    stage = (struct stage){ .is_served = is_served };
    (void)snprintf(stage.folder, sizeof stage.folder, "/tmp/perdure-http-XXXXXX");
    assert_non_null(mkdtemp(stage.folder));
    (void)snprintf(stage.store, sizeof stage.store, "sqlite:%s/hub.db", stage.folder);
    (void)snprintf(stage.log, sizeof stage.log, "%s/asked", stage.folder);
    (void)setenv("FAKE_HTTP_LOG", stage.log, 1);
    (void)setenv("PERDURE_MODULES", FAKE_MODULES, 1);
    if (is_served) {
        assert_true(served_start(&stage.served, stage.store, "127.0.0.1:0"));
        (void)snprintf(stage.url, sizeof stage.url, "grpc://%s", stage.served.address);
    }
    open_hub();
}

static void end(void)
{
    char command[128];
    close_hub();
    if (stage.is_served) {
        served_stop(&stage.served);
    }
    (void)snprintf(command, sizeof command, "rm -r %s", stage.folder);
    assert_int_equal(system(command), 0);
}

static int set_up_file(void **state)
{
    (void)state;
    begin(false);
    return 0;
}

static int set_up_served(void **state)
{
    (void)state;
    begin(true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    end();
    return 0;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static pd_id start(const char *name, pd_value input)
{
    pd_id id;
    pd_error err;
    if (pd_hub_start(stage.hub, name, input, NULL, &id, &err) != PD_OK) {
        fail_msg("%s", err.text);
    }
    return id;
}

static pd_instance *wait_for(const pd_id *id)
{
    pd_error err;
    pd_instance *instance = pd_hub_wait(stage.hub, id->text, pd_seconds(30), &err);
    if (instance == NULL) {
        fail_msg("%s", err.text);
    }
    return instance;
}

static void expect(const char *name, pd_value input, const char *output)
{
    pd_id id = start(name, input);
    pd_instance *instance = wait_for(&id);
    if (pd_instance_state(instance) != PD_RUN_COMPLETED) {
        fail_msg("%s: %s", pd_instance_failure(instance)->type,
                 pd_instance_failure(instance)->message);
    }
    assert_string_equal(pd_instance_output_json(instance), output);
    pd_instance_free(instance);
}

/* The type of the failure, or of what caused it. */
static void expect_failure(const char *name, pd_value input, const char *type)
{
    pd_id id = start(name, input);
    pd_instance *instance = wait_for(&id);
    assert_int_equal(pd_instance_state(instance), PD_RUN_FAILED);
    const pd_failure *failure = pd_instance_failure(instance);
    while (strcmp(failure->type, type) != 0 && failure->cause != NULL) {
        failure = failure->cause;
    }
    assert_string_equal(failure->type, type);
    pd_instance_free(instance);
}

/* What was asked, without the numbers that differ. */
static const char *asked(void)
{
    static char all[8192];
    FILE *file = fopen(stage.log, "r");
    size_t size = file != NULL ? fread(all, 1, sizeof all - 1, file) : 0;
    all[size] = '\0';
    if (file != NULL) {
        (void)fclose(file);
    }
    return all;
}

#define ANSWER(status, who) "{\"statusCode\":" status ",\"headers\":{},\"content\":\"" who "\"}"
#define FIRST "{\"x-functions-key\":\"secret\",\"x-mine\":\"y\"}"
#define LATER "{\"x-mine\":\"y\"}"

/* ---- both ------------------------------------------------------------------------------------ */

static void an_answer_comes_back_whatever_its_status(void **state)
{
    (void)state;
    expect("Call", PD_VAL(PD_OBJ("url", "http://h/200")), ANSWER("200", "ours"));
    expect("Call", PD_VAL(PD_OBJ("url", "http://h/404")), ANSWER("404", "ours"));
    expect_failure("Call", PD_VAL(PD_OBJ("url", "http://h/HttpRefused")), "HttpRefused");
}

static void a_202_is_polled_to_its_end(void **state)
{
    (void)state;
    expect("Call", PD_VAL(PD_OBJ("url", "http://h/202-202-200?after=0", "method", "POST")),
           ANSWER("200", "ours"));
    assert_string_equal(asked(), "POST http://h/202-202-200?after=0 " FIRST "\n"
                                 "GET http://h/202-202-200?after=0 " LATER "\n"
                                 "GET http://h/202-202-200?after=0 " LATER "\n");
}

static void a_conversation_goes_on_as_new_after_a_hundred_hops(void **state)
{
    char url[1024] = "http://h/";
    (void)state;
    size_t size = strlen(url);
    for (int i = 0; i < 210; i++) {
        size += (size_t)snprintf(url + size, sizeof url - size, "503-");
    }
    (void)snprintf(url + size, sizeof url - size, "200");
    expect("Child",
           PD_VAL(PD_OBJ("uri", url, "retryOptions",
                         PD_OBJ("firstRetryInterval", "00:00:00.001", "maxNumberOfAttempts", 300))),
           ANSWER("200", "worker"));
    size_t lines = 0;
    FILE *file = fopen(stage.log, "r");
    for (int c; (c = fgetc(file)) != EOF;) {
        lines += c == '\n';
    }
    (void)fclose(file);
    assert_int_equal(lines, 211);
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_request_that_is_cancelled_is_not_waited_for(void **state)
{
    (void)state;
    double begun = now();
    expect_failure("Call", PD_VAL(PD_OBJ("url", "http://h/200?wait=20000", "cancel", PD_TRUE)),
                   "Cancelled");
    close_hub();
    assert_true(now() - begun < 10);
    open_hub();
}

static void a_limit_of_time_ends_a_request(void **state)
{
    (void)state;
    expect_failure("Ask",
                   PD_VAL(PD_OBJ("activity", "BuiltIn::HttpActivity", "limit", 200, "input",
                                 PD_OBJ("uri", "http://h/200?wait=20000"))),
                   "Timeout");
}

static void many_requests_hold_no_threads(void **state)
{
    enum { MANY = 60 };
    pd_id ids[MANY];
    (void)state;
    double begun = now();
    for (int i = 0; i < MANY; i++) {
        ids[i] = start("Call", PD_VAL(PD_OBJ("url", "http://h/200?wait=1000")));
    }
    for (int i = 0; i < MANY; i++) {
        pd_instance_free(wait_for(&ids[i]));
    }
    assert_true(now() - begun < 15); /* one after the other on two threads: 30 s */
}

static void sdks_names_are_served(void **state)
{
    (void)state;
    expect("Child", PD_VAL(PD_OBJ("uri", "http://h/202-200?after=0", "method", "GET")),
           ANSWER("200", "worker"));
    expect(
        "Ask",
        PD_VAL(PD_OBJ("activity", "BuiltIn__HttpActivity", "input", PD_OBJ("uri", "http://h/202"))),
        "{\"statusCode\":202,\"headers\":{\"location\":\"http://h/202\"},\"content\":\"worker\","
        "\"effectiveUri\":\"http://h/202\"}");
}

/* ---- with a server --------------------------------------------------------------------------- */

static void an_activity_with_polling_or_retries_becomes_a_conversation(void **state)
{
    (void)state;
    expect("Ask",
           PD_VAL(PD_OBJ("activity", "BuiltIn::HttpActivity", "input",
                         PD_ARR(PD_OBJ("uri", "http://h/202-202-200?after=0",
                                       "asynchronousPatternEnabled", PD_TRUE)))),
           ANSWER("200", "dotnet"));
    expect("Ask",
           PD_VAL(PD_OBJ(
               "activity", "BuiltIn::HttpActivity", "input",
               PD_OBJ("uri", "http://h/a/500-500-201", "retryOptions",
                      PD_OBJ("FirstRetryInterval", "00:00:00.01", "MaxNumberOfAttempts", 3)))),
           ANSWER("201", "dotnet"));
    expect_failure("Ask",
                   PD_VAL(PD_OBJ("activity", "BuiltIn::HttpActivity", "input",
                                 PD_OBJ("uri", "http://h/503", "retryOptions",
                                        PD_OBJ("FirstRetryInterval", "00:00:00.01",
                                               "MaxNumberOfAttempts", 2)))),
                   "System.Net.Http.HttpRequestException");
    expect("Ask",
           PD_VAL(PD_OBJ("activity", "BuiltIn::HttpActivity", "input",
                         PD_OBJ("uri", "http://h/b/500"))),
           "{\"statusCode\":500,\"headers\":{},\"content\":\"dotnet\",\"effectiveUri\":"
           "\"http://h/b/500\"}");
}

static pd_result of_the_worker(pd_activity *a, pd_value input)
{
    (void)input;
    return pd_ok(a, "the worker's");
}

static void a_name_that_a_worker_has_listed_is_the_workers(void **state)
{
    static const pd_function own[] = { PD_FUNCTION("Ask", ask), PD_FUNCTION("Child", child),
                                       PD_FUNCTION("BuiltIn::HttpActivity", of_the_worker),
                                       PD_FUNCTION("BuiltIn__HttpActivity", of_the_worker) };
    pd_error err;
    (void)state;
    pd_worker_stop(stage.worker);
    stage.worker = pd_worker_start(stage.hub, PD_PROGRAM(own), NULL, &err);
    if (stage.worker == NULL) {
        fail_msg("%s", err.text);
    }
    static const char *const names[] = { "BuiltIn::HttpActivity", "BuiltIn__HttpActivity" };
    for (size_t i = 0; i < 2; i++) {
        expect("Ask",
               PD_VAL(PD_OBJ("activity", names[i], "input",
                             PD_OBJ("uri", "http://h/200", "asynchronousPatternEnabled", PD_TRUE))),
               "\"the worker's\"");
    }
    assert_string_equal(asked(), "");
}

static void a_client_cannot_start_what_makes_requests(void **state)
{
    pd_id id;
    pd_error err;
    pd_value input = PD_VAL(PD_OBJ("uri", "http://h/200"));
    (void)state;
    assert_int_equal(pd_hub_start(stage.hub, "perdure.http.step", input, NULL, &id, &err),
                     PD_E_INVALID);
    pd_start_options as = { .id = "perdure.http:i:e:0000" }; /* whose end would be an activity's */
    assert_int_equal(pd_hub_start(stage.hub, "Call", input, &as, &id, &err), PD_E_INVALID);
    expect_failure("perdure.http", input, "Misuse");
    expect_failure("BuiltIn__HttpPollOrchestrator", input, "Misuse");
    static const char *const names[] = { "perdure.http", "perdure.http.step", "perdure.notify",
                                         "BuiltIn__HttpPollOrchestrator" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) { /* nor as somebody's child */
        expect_failure("perdure.run",
                       PD_VAL(PD_OBJ("schedule", "s", "id", names[i], "orchestrator", names[i],
                                     "version", "", "input", PD_OBJ("uri", "http://h/200"))),
                       "Misuse");
        pd_error put;
        assert_int_equal(
            pd_hub_put_schedule(
                stage.hub, &(pd_schedule){ .id = "s", .rule = "@hourly", .orchestrator = names[i] },
                &put),
            PD_E_INVALID);
    }
    assert_string_equal(asked(), "");
}

static void kill_while_it_waits(const char *name, pd_value input, const char *url,
                                const char *output)
{
    char expected[1024];
    pd_id id = start(name, input);
    for (int i = 0; i < 500 && strchr(asked(), '\n') == NULL; i++) {
        (void)usleep(10000);
    }
    (void)usleep(300000); /* the timer is there */
    served_kill(&stage.served);
    char address[64];
    (void)snprintf(address, sizeof address, "%s", stage.served.address);
    assert_true(served_start(&stage.served, stage.store, address));
    pd_instance *instance = wait_for(&id);
    assert_int_equal(pd_instance_state(instance), PD_RUN_COMPLETED);
    assert_string_equal(pd_instance_output_json(instance), output);
    pd_instance_free(instance);
    size_t posts = 0;
    for (const char *at = asked(); (at = strstr(at, "POST")) != NULL; at++) {
        posts++;
    }
    assert_int_equal(posts, 1);
    (void)snprintf(expected, sizeof expected, "GET %s ", url);
    assert_non_null(strstr(asked(), expected));
}

static void a_server_that_is_killed_while_a_202_is_waited_for_asks_nothing_twice(void **state)
{
    (void)state;
    kill_while_it_waits("Call", PD_VAL(PD_OBJ("url", "http://h/202-200?after=2", "method", "POST")),
                        "http://h/202-200?after=2", ANSWER("200", "ours"));
}

static void nor_does_it_for_an_activity_of_an_sdk(void **state)
{
    (void)state;
    kill_while_it_waits("Ask",
                        PD_VAL(PD_OBJ("activity", "BuiltIn::HttpActivity", "input",
                                      PD_OBJ("uri", "http://h/202-200?after=2", "method", "POST",
                                             "asynchronousPatternEnabled", PD_TRUE))),
                        "http://h/202-200?after=2", ANSWER("200", "dotnet"));
}

/* At least once: what was not answered is asked again. */
static void a_request_that_is_in_the_air_when_the_server_is_killed_is_made_again(void **state)
{
    static const char *const activities[] = { "BuiltIn::HttpActivity", "perdure.request" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char url[64], expected[128], address[64];
        (void)snprintf(url, sizeof url, "http://h/%zu/200?wait=1500", i);
        pd_id id = i == 0
                       ? start("Ask", PD_VAL(PD_OBJ("activity", activities[i], "input",
                                                    PD_OBJ("uri", url, "method", "POST",
                                                           "asynchronousPatternEnabled", PD_TRUE))))
                       : start("Call", PD_VAL(PD_OBJ("url", url, "method", "POST")));
        (void)snprintf(expected, sizeof expected, "POST %s ", url);
        for (int n = 0; n < 500 && strstr(asked(), expected) == NULL; n++) {
            (void)usleep(10000);
        }
        served_kill(&stage.served);
        (void)snprintf(address, sizeof address, "%s", stage.served.address);
        assert_true(served_start(&stage.served, stage.store, address));
        pd_instance *instance = wait_for(&id);
        assert_int_equal(pd_instance_state(instance), PD_RUN_COMPLETED);
        assert_string_equal(pd_instance_output_json(instance),
                            i == 0 ? ANSWER("200", "dotnet") : ANSWER("200", "ours"));
        pd_instance_free(instance);
        const char *first = strstr(asked(), expected);
        assert_non_null(first);
        const char *second = strstr(first + 1, expected);
        assert_non_null(second);
        assert_null(strstr(second + 1, expected));
    }
}

static size_t lines(void)
{
    size_t n = 0;
    for (const char *at = asked(); (at = strchr(at, '\n')) != NULL; at++) {
        n++;
    }
    return n;
}

static void whose_instance_is_terminated_polls_no_more(void **state)
{
    (void)state;
    pd_error err;
    pd_id ids[] = {
        start("Call", PD_VAL(PD_OBJ("url", "http://h/a/202?after=1"))),
        start("Ask", PD_VAL(PD_OBJ("activity", "BuiltIn::HttpActivity", "input",
                                   PD_OBJ("uri", "http://h/b/202?after=1",
                                          "asynchronousPatternEnabled", PD_TRUE)))),
    };
    for (int i = 0; i < 1000 && lines() < 4; i++) {
        (void)usleep(10000);
    }
    assert_true(lines() >= 4);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pd_hub_terminate(stage.hub, ids[i].text, "enough", i == 0, &err), PD_OK);
        pd_instance_free(wait_for(&ids[i]));
    }
    (void)usleep(500000); /* what was in the air */
    size_t before = lines();
    (void)usleep(2500000);
    assert_int_equal(lines(), before);
}

/* What a server leaves that dies when the end of an instance is durable, and that of its
 * conversation is not: here somebody without steps ends the instance meanwhile. */
static void a_conversation_that_a_server_left_behind_polls_no_more(void **state)
{
    (void)state;
    pd_error err;
    char address[64];
    pd_id id = start("Ask", PD_VAL(PD_OBJ("activity", "BuiltIn::HttpActivity", "input",
                                          PD_OBJ("uri", "http://h/202?after=1",
                                                 "asynchronousPatternEnabled", PD_TRUE))));
    for (int i = 0; i < 1000 && lines() < 2; i++) {
        (void)usleep(10000);
    }
    assert_true(lines() >= 2);
    served_kill(&stage.served);
    close_hub();
    stage.is_served = false;
    open_hub();
    pd_status status = pd_hub_terminate(stage.hub, id.text, "enough", false, &err);
    assert_true(status == PD_OK || status == PD_E_STATE);
    pd_instance_free(wait_for(&id));
    size_t before = lines();
    for (int i = 0; i < 1000 && lines() < before + 2; i++) {
        (void)usleep(10000);
    }
    assert_true(lines() >= before + 2); /* it goes on */
    close_hub();
    stage.is_served = true;
    (void)snprintf(address, sizeof address, "%s", stage.served.address);
    assert_true(served_start(&stage.served, stage.store, address));
    open_hub();
    (void)usleep(1000000); /* it is found */
    before = lines();
    (void)usleep(2500000);
    assert_int_equal(lines(), before);
}

static void without_the_module_a_request_fails_and_says_so(void **state)
{
    (void)state;
    (void)setenv("PERDURE_MODULES", "/nonexistent", 1);
    expect_failure("Call", PD_VAL(PD_OBJ("url", "http://h/200")), "Unavailable");
    (void)setenv("PERDURE_MODULES", FAKE_MODULES, 1);
    expect("Call", PD_VAL(PD_OBJ("url", "http://h/200")), ANSWER("200", "ours")); /* Q2 */
}

static void a_worker_refuses_settings_that_no_request_could_be_made_with(void **state)
{
    static const char *const wrong[][2] = {
        { "PERDURE_HTTP_ALLOW", "localhost" },
        { "PERDURE_HTTP_BODY_MAX", "-4" },
        { "PERDURE_HTTP_TIMEOUT_MAX", "1h" },
        { "PERDURE_HTTP_POLL", "0" },
    };
    (void)state;
    pd_worker_stop(stage.worker);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        pd_error err;
        (void)setenv(wrong[i][0], wrong[i][1], 1);
        assert_null(pd_worker_start(stage.hub, PD_PROGRAM(program), NULL, &err));
        assert_int_equal(err.status, PD_E_INVALID);
        assert_non_null(strstr(err.text, wrong[i][0]));
        assert_non_null(strstr(err.text, wrong[i][1]));
        (void)unsetenv(wrong[i][0]);
    }
    pd_error err;
    stage.worker = pd_worker_start(stage.hub, PD_PROGRAM(program), NULL, &err);
    assert_non_null(stage.worker);
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_file, tear_down)
#define SERVED_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_served, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(without_the_module_a_request_fails_and_says_so), /* first: it stays loaded */
        FILE_TEST(a_worker_refuses_settings_that_no_request_could_be_made_with),
        FILE_TEST(an_answer_comes_back_whatever_its_status),
        FILE_TEST(a_202_is_polled_to_its_end),
        FILE_TEST(a_conversation_goes_on_as_new_after_a_hundred_hops),
        FILE_TEST(a_request_that_is_cancelled_is_not_waited_for),
        FILE_TEST(a_limit_of_time_ends_a_request),
        FILE_TEST(many_requests_hold_no_threads),
        FILE_TEST(sdks_names_are_served),
        SERVED_TEST(an_answer_comes_back_whatever_its_status),
        SERVED_TEST(a_202_is_polled_to_its_end),
        SERVED_TEST(a_conversation_goes_on_as_new_after_a_hundred_hops),
        SERVED_TEST(a_request_that_is_cancelled_is_not_waited_for),
        SERVED_TEST(a_limit_of_time_ends_a_request),
        SERVED_TEST(many_requests_hold_no_threads),
        SERVED_TEST(sdks_names_are_served),
        SERVED_TEST(an_activity_with_polling_or_retries_becomes_a_conversation),
        SERVED_TEST(a_name_that_a_worker_has_listed_is_the_workers),
        SERVED_TEST(a_client_cannot_start_what_makes_requests),
        SERVED_TEST(a_server_that_is_killed_while_a_202_is_waited_for_asks_nothing_twice),
        SERVED_TEST(nor_does_it_for_an_activity_of_an_sdk),
        SERVED_TEST(a_request_that_is_in_the_air_when_the_server_is_killed_is_made_again),
        SERVED_TEST(whose_instance_is_terminated_polls_no_more),
        SERVED_TEST(a_conversation_that_a_server_left_behind_polls_no_more),
    };
    (void)setenv("PERDURE_TEST_SERVER", BUILT_SERVER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
