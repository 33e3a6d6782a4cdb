/* SPDX-License-Identifier: MIT
 *
 * The management API: histories, each kind of event of section 5.3 as it is shown. */
#include "browser.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire/wire_priv.h"

static struct served served;
static struct desk desk;
static struct hub_work_item kept[16]; /* turns that were not asked for yet */
static size_t kept_count;

static int set_up(void **state)
{
    static const char *const options[] = { "--http=127.0.0.1:0", NULL };
    (void)state;
    kept_count = 0;
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

/* ---- what a worker does ---------------------------------------------------------------------- */

static void answer_activity(struct text result, const char *failure)
{
    struct hub_work_item item = desk_take(&desk);
    struct hub_activity_response response;
    const struct hub_task_failure_details inner = { .error_type = TEXT_INIT("Inner"),
                                                    .error_message = TEXT_INIT("deep") };
    struct buffer bytes;
    struct buffer deep;
    buffer_init(&bytes);
    buffer_init(&deep);
    assert_non_null(item.activity_request);
    message_init(&hub_activity_response_type, &response);
    response.instance_id = item.activity_request->orchestration_instance->instance_id;
    response.task_id = item.activity_request->task_id;
    response.completion_token = item.completion_token;
    response.result = result;
    if (failure != NULL) {
        message_write(&hub_task_failure_details_type, &deep, &inner);
        struct hub_task_failure_details details = { .error_type = TEXT_INIT("Broken"),
                                                    .error_message = text_of(failure),
                                                    .stack_trace = TEXT_INIT("at line 1"),
                                                    .inner_failure = buffer_text(&deep) };
        message_write(&hub_task_failure_details_type, &bytes, &details);
        response.failure_details = buffer_text(&bytes);
    }
    assert_int_equal(
        served_tell(&served, "CompleteActivityTask", &hub_activity_response_type, &response),
        PD_OK);
    buffer_done(&bytes);
    buffer_done(&deep);
}

static void schedule(int64_t id, const char *name, const char *input)
{
    const struct hub_schedule_task_action task = {
        .name = text_of(name),
        .version = TEXT_ABSENT,
        .input = text_of(input),
    };
    const struct hub_orchestrator_action action = { .id = id, .schedule_task = &task };
    (void)desk_answer(&desk, &action, 1);
}

/* Turns come in an order of their own: the next of this instance, others are kept. */
static struct hub_work_item turn_of(const char *id)
{
    for (size_t i = 0; i < kept_count; i++) {
        if (text_equal(kept[i].orchestrator_request->instance_id, text_of(id))) {
            struct hub_work_item item = kept[i];
            kept[i] = kept[--kept_count];
            return item;
        }
    }
    for (;;) {
        struct hub_work_item item = desk_take(&desk);
        assert_non_null(item.orchestrator_request);
        if (text_equal(item.orchestrator_request->instance_id, text_of(id))) {
            return item;
        }
        assert_true(kept_count < sizeof kept / sizeof kept[0]);
        kept[kept_count++] = item;
    }
}

/* It takes its next turn, and does this. */
static void do_next(const char *id, const struct hub_orchestrator_action *actions, size_t n)
{
    struct hub_work_item item = turn_of(id);
    desk_complete(&desk, &item, actions, n);
}

static void end_next(const char *id, int64_t status, const char *result)
{
    /* TaskFailureDetails: errorType "Oops", errorMessage "it broke" */
    static const char failure[] = "\x0a\x04Oops\x12\x08it broke";
    const struct hub_complete_orchestration_action end = {
        .orchestration_status = status,
        .result = text_of(result),
        .failure_details = status == FAILED ? text_make(failure, sizeof failure - 1) : TEXT_ABSENT,
    };
    const struct hub_orchestrator_action action = { .id = 99, .complete_orchestration = &end };
    do_next(id, &action, 1);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void a_history_is_folded_and_shows_what_was_asked_for(void **state)
{
    (void)state;
    start("told");
    struct reply reply = get("/instances/told?showHistory=true");
    assert_int_equal(count(&reply, "historyEvents"), 0); /* it is pending */
    schedule(0, "Greet", "\"Ann\"");
    answer_activity(TEXT("\"hi Ann\""), NULL);
    schedule(0, "Fail", NULL); /* the same number again */
    answer_activity(TEXT_ABSENT, "oh no");
    schedule(1, "Slow", "[1]");
    reply = get("/instances/told?showHistory=true");
    browser_expect(
        &reply, 202,
        "{\"name\":\"Flow\",...,\"historyEvents\":["
        "{\"EventType\":\"ExecutionStarted\",\"Timestamp\":\"...Z\",\"FunctionName\":\"Flow\","
        "\"Input\":\"1\"},"
        "{\"EventType\":\"TaskCompleted\",\"Timestamp\":\"...Z\",\"FunctionName\":\"Greet\","
        "\"ScheduledTime\":\"...Z\",\"Input\":\"\\\"Ann\\\"\"},"
        "{\"EventType\":\"TaskFailed\",\"Timestamp\":\"...Z\",\"FunctionName\":\"Fail\","
        "\"ScheduledTime\":\"...Z\",\"Reason\":\"oh no\",\"Details\":\"oh no\",\"FailureDetails\":{"
        "\"ErrorType\":\"Broken\",\"ErrorMessage\":\"oh no\",\"StackTrace\":\"at line 1\","
        "\"InnerFailure\":{\"ErrorType\":\"Inner\",\"ErrorMessage\":\"deep\",\"StackTrace\":null,"
        "\"InnerFailure\":null,\"IsNonRetriable\":false},\"IsNonRetriable\":false}},"
        "{\"EventType\":\"TaskScheduled\",\"Timestamp\":\"...Z\",\"Name\":\"Slow\","
        "\"Input\":\"[1]\"}]}");
    reply = get("/instances/told?showHistory=true&showHistoryOutput=true&showInput=false");
    browser_expect(&reply, 202,
                   "...\"EventType\":\"TaskCompleted\",\"Timestamp\":\"...Z\",\"FunctionName\":"
                   "\"Greet\",\"ScheduledTime\":\"...Z\",\"Result\":\"hi Ann\"},...");
    assert_int_equal(count(&reply, "\"Input\""), 0);
    /* A time of an event has what is finer than a second, which the state's has not. */
    struct text at = browser_member(&reply, "Timestamp");
    assert_true(at.size > 20 && at.size <= 28 && at.at[19] == '.' && at.at[at.size - 2] != '0');
}

static void an_end_has_its_status_and_a_signal_of_the_end_its_reason(void **state)
{
    (void)state;
    desk_run(&desk, "ended", COMPLETED, "{\"sum\":3}");
    struct reply reply = get("/instances/ended?showHistory=true&showHistoryOutput=true");
    browser_expect(&reply, 200,
                   "...{\"EventType\":\"ExecutionCompleted\",\"Timestamp\":\"...Z\","
                   "\"OrchestrationStatus\":\"Completed\",\"Result\":{\"sum\":3}}]}");
    start("killed");
    (void)desk_take(&desk);
    assert_int_equal(post("/instances/killed/terminate?reason=enough", NULL).code, 202);
    reply = get("/instances/killed?showHistory=true");
    browser_expect(&reply, 200,
                   "...\"EventType\":\"ExecutionTerminated\",\"Timestamp\":\"...Z\","
                   "\"Input\":\"enough\"}...");
}

/* From the brace at its begin to the one that closes it; no text in it has braces. */
static struct text object_at(const char *begin, const char *end)
{
    int depth = 0;
    for (const char *at = begin; at < end; at++) {
        depth += *at == '{' ? 1 : *at == '}' ? -1 : 0;
        if (depth == 0) {
            return text_make(begin, (size_t)(at + 1 - begin));
        }
    }
    return TEXT_ABSENT;
}

/* Has it an event of the kind, with exactly these members behind its time? */
static bool shows(const struct reply *reply, const char *kind, const char *members)
{
    char begin[64], pattern[512];
    (void)snprintf(begin, sizeof begin, "{\"EventType\":\"%s\"", kind);
    (void)snprintf(pattern, sizeof pattern, "%s,\"Timestamp\":\"...Z\"%s}", begin, members);
    const char *end = reply->body.at + reply->body.size;
    for (const char *at = reply->body.at;
         (at = memmem(at, (size_t)(end - at), begin, strlen(begin))) != NULL; at++) {
        if (browser_is_like(object_at(at, end), pattern)) {
            return true;
        }
    }
    return false;
}

/* Asks until it does: what was told to an instance is in its history with its next turn. */
static void expect_shown(const char *query, const char *kind, const char *members)
{
    struct reply reply = { 0 };
    for (int i = 0; i < 300; i++) {
        reply = get(query);
        if (shows(&reply, kind, members)) {
            return;
        }
        usleep(10000);
    }
    fail_msg("%s shows no %s with %s\nbut: %.*s", query, kind, members, TEXT_ARGS(reply.body));
}

static void children_are_folded_into_how_they_ended_as_activities_are(void **state)
{
    static const char *const ids[] = { "kid", "sad", "slow" };
    struct hub_create_sub_orchestration_action children[3];
    struct hub_orchestrator_action actions[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        children[i] = (struct hub_create_sub_orchestration_action){ .instance_id = text_of(ids[i]),
                                                                    .name = TEXT("Child"),
                                                                    .version = TEXT("2"),
                                                                    .input = TEXT("[1]") };
        actions[i] =
            (struct hub_orchestrator_action){ .id = i, .create_sub_orchestration = &children[i] };
    }
    start("parent");
    do_next("parent", actions, 3);
    end_next("kid", COMPLETED, "\"done\"");
    do_next("parent", NULL, 0);
    end_next("sad", FAILED, NULL);
    do_next("parent", NULL, 0);
    static const char shown[] = "/instances/parent?showHistory=true&showHistoryOutput=true";
    expect_shown(shown, "SubOrchestrationInstanceCompleted",
                 ",\"FunctionName\":\"Child\",\"ScheduledTime\":\"...Z\","
                 "\"Input\":\"[1]\",\"Result\":\"done\"");
    expect_shown(shown, "SubOrchestrationInstanceFailed",
                 ",\"FunctionName\":\"Child\",\"ScheduledTime\":\"...Z\","
                 "\"Input\":\"[1]\",\"Reason\":\"it broke\",...,"
                 "\"FailureDetails\":{\"ErrorType\":\"Oops\",...}");
    expect_shown(shown, "SubOrchestrationInstanceCreated",
                 ",\"Name\":\"Child\",\"InstanceId\":\"slow\",\"Input\":\"[1]\"");
    struct reply reply = get("/instances/parent?showHistory=true&showInput=false");
    assert_int_equal(count(&reply, "SubOrchestrationInstanceCreated"), 1);
    assert_int_equal(count(&reply, "\"Input\""), 0);
    assert_int_equal(count(&reply, "\"Result\""), 0);
    static const char *const never[] = { "EventId",
                                         "IsPlayed",
                                         "TaskScheduledId",
                                         "TimerId",
                                         "\"Version\"",
                                         "OrchestratorStarted",
                                         "OrchestratorCompleted",
                                         "ParentInstance" };
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        assert_int_equal(count(&reply, never[i]), 0);
    }
    reply = get("/instances/kid?showHistory=true"); /* of whom it is, is not shown */
    assert_int_equal(count(&reply, "parent"), 0);
}

static void timers_and_events_have_when_whom_and_what(void **state)
{
    const struct hub_create_timer_action over = { .fire_at = 1000 };
    const struct hub_create_timer_action far = { .fire_at = INT64_C(4000000000) * TIME_SECOND };
    const struct hub_orchestration_instance other = { .instance_id = TEXT_INIT("other") };
    const struct hub_send_event_action sent = { &other, TEXT_INIT("ping"), TEXT_INIT("\"x\"") };
    const struct hub_orchestrator_action actions[] = {
        { .id = 0, .create_timer = &over },
        { .id = 1, .create_timer = &far },
        { .id = 2, .send_event = &sent },
    };
    (void)state;
    start("other");
    start("timed");
    do_next("other", NULL, 0);
    do_next("timed", actions, 3);
    do_next("timed", NULL, 0); /* the first has fired */
    do_next("other", NULL, 0);
    static const char shown[] = "/instances/timed?showHistory=true";
    expect_shown(shown, "TimerCreated", ",\"FireAt\":\"1970-01-01T00:00:00.001Z\"");
    expect_shown(shown, "TimerCreated", ",\"FireAt\":\"2096-10-02T07:06:40Z\"");
    expect_shown(shown, "TimerFired", ",\"FireAt\":\"1970-01-01T00:00:00.001Z\"");
    expect_shown(shown, "EventSent",
                 ",\"InstanceId\":\"other\",\"Name\":\"ping\","
                 "\"Input\":\"\\\"x\\\"\"");
    expect_shown("/instances/other?showHistory=true", "EventRaised",
                 ",\"Name\":\"ping\",\"Input\":\"\\\"x\\\"\"");
    expect_shown("/instances/other?showHistory=true&showInput=false", "EventRaised",
                 ",\"Name\":\"ping\"");
}

static void what_was_told_has_its_reason(void **state)
{
    (void)state;
    start("told");
    do_next("told", NULL, 0);
    assert_int_equal(post("/instances/told/suspend?reason=tea+%26+time", NULL).code, 202);
    assert_int_equal(post("/instances/told/raiseEvent/go", "1").code, 202); /* it is kept */
    struct reply reply = get("/instances/told");
    browser_expect(&reply, 202, "...\"runtimeStatus\":\"Suspended\"...");
    assert_int_equal(post("/instances/told/resume?reason=back", NULL).code, 202);
    end_next("told", FAILED, NULL);
    static const char shown[] = "/instances/told?showHistory=true&showHistoryOutput=true";
    expect_shown(shown, "ExecutionSuspended", ",\"Reason\":\"tea & time\"");
    expect_shown(shown, "ExecutionResumed", ",\"Reason\":\"back\"");
    expect_shown(shown, "EventRaised", ",\"Name\":\"go\",\"Input\":\"1\"");
    expect_shown(shown, "ExecutionCompleted",
                 ",\"OrchestrationStatus\":\"Failed\",\"Result\":\"it broke\","
                 "\"FailureDetails\":{\"ErrorType\":\"Oops\",...}");
    reply = get("/instances/told?showHistory=true");
    assert_int_equal(count(&reply, "\"Result\""), 0);
    assert_int_equal(post("/instances/told/rewind?reason=once+more", NULL).code, 202);
    do_next("told", NULL, 0);
    expect_shown(shown, "ExecutionRewound", ",\"Reason\":\"once more\"...");
    reply = get("/instances/told");
    browser_expect(&reply, 202, "...\"runtimeStatus\":\"Running\"...");
}

static void one_that_began_later_says_when_and_one_that_went_on_as_new_begins_anew(void **state)
{
    (void)state;
    struct reply reply = post("/orchestrators/Flow/late?startAt=2001-02-03T04:05:06Z", "1");
    assert_int_equal(reply.code, 202);
    const struct hub_complete_orchestration_action anew = { .orchestration_status = 2,
                                                            .result = TEXT_INIT("2") };
    const struct hub_orchestrator_action action = { .id = 0, .complete_orchestration = &anew };
    do_next("late", NULL, 0);
    expect_shown("/instances/late?showHistory=true", "ExecutionStarted",
                 ",\"FunctionName\":\"Flow\",\"Input\":\"1\"...");
    assert_int_equal(post("/instances/late/raiseEvent/go", "1").code, 202);
    do_next("late", &action, 1);
    do_next("late", NULL, 0);
    reply = get("/instances/late?showHistory=true");
    assert_int_equal(reply.code, 202);
    assert_true(shows(&reply, "ExecutionStarted", ",\"FunctionName\":\"Flow\",\"Input\":\"2\""));
    assert_int_equal(count(&reply, "EventType"), 1);
    assert_int_equal(count(&reply, "ContinuedAsNew"), 0);
}

static void a_history_that_is_too_large_is_refused_and_no_memory(void **state)
{
    static const char *const options[] = { "--http=127.0.0.1:0", "--http-history-max=4KiB", NULL };
    char payload[2001];
    (void)tear_down(state);
    served_start(&served, options);
    desk_open(&desk, &served, NULL, NULL);
    memset(payload, '1', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    start("long");
    do_next("long", NULL, 0);
    for (int i = 0; i < 2; i++) {
        struct reply reply = get("/instances/long?showHistory=true");
        browser_expect(&reply, 202, "...\"historyEvents\":[...");
        assert_int_equal(post("/instances/long/raiseEvent/go", payload).code, 202);
        do_next("long", NULL, 0);
    }
    struct reply reply = get("/instances/long?showHistory=true");
    browser_expect(&reply, 413,
                   "{\"Message\":\"its history has more than the 4096 bytes of "
                   "--http-history-max:...\"ExceptionType\":\"PD_E_LIMIT\"}");
    assert_int_equal(get("/instances/long").code, 202);
}

static void serve_histories_of_4_kib(void **state)
{
    static const char *const options[] = { "--http=127.0.0.1:0", "--http-history-max=4KiB", NULL };
    (void)tear_down(state);
    served_start(&served, options);
    desk_open(&desk, &served, NULL, NULL);
}

/* It is shown after a turn that asks for so many activities. */
static struct reply history_of(struct hub_work_item *turn, const char *id, size_t activities)
{
    static struct hub_orchestrator_action actions[4096];
    static const struct hub_schedule_task_action task = { .name = TEXT_INIT("A"),
                                                          .version = TEXT_INIT(""),
                                                          .input = { NULL, 0 } };
    char path[64];
    for (size_t i = 0; i < activities; i++) {
        actions[i] = (struct hub_orchestrator_action){ .id = (int64_t)i, .schedule_task = &task };
    }
    desk_complete(&desk, turn, actions, activities);
    (void)snprintf(path, sizeof path, "/instances/%s?showHistory=true", id);
    return get(path);
}

/* The others are OrchestratorStarted and ExecutionStarted. */
static void a_history_of_more_events_than_memory_should_hold_is_refused(void **state)
{
    enum { MOST = 4 * 4096 / sizeof(struct event), OTHERS = 2 };
    serve_histories_of_4_kib(state);
    start("most");
    start("more");
    struct hub_work_item most = turn_of("most");
    struct hub_work_item more = turn_of("more");
    struct reply reply = history_of(&most, "most", MOST - OTHERS);
    browser_expect(&reply, 202, "...");
    assert_int_equal(count(&reply, "\"EventType\":\"TaskScheduled\""), MOST - OTHERS);
    reply = history_of(&more, "more", MOST - OTHERS + 1);
    browser_expect(&reply, 413, "{\"Message\":\"its history has more events than ...4096...");
}

/* A message is shown three times, with each quote escaped: two of them are 11 KiB of JSON, three
 * are more than the 16 that there may be. */
static void a_history_of_more_json_than_memory_should_hold_is_refused(void **state)
{
    char message[901];
    serve_histories_of_4_kib(state);
    memset(message, '"', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    start("long");
    for (int i = 0; i < 2; i++) {
        schedule(i, "Fail", NULL);
        answer_activity(TEXT_ABSENT, message);
    }
    schedule(2, "Fail", NULL);
    struct reply reply = get("/instances/long?showHistory=true");
    assert_int_equal(reply.code, 202);
    assert_int_equal(count(&reply, "\"EventType\":\"TaskFailed\""), 2);
    answer_activity(TEXT_ABSENT, message);
    do_next("long", NULL, 0);
    reply = get("/instances/long?showHistory=true");
    browser_expect(&reply, 413, "{\"Message\":\"its history has more JSON than ...4096...");
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_history_that_is_too_large_is_refused_and_no_memory),
        test(a_history_of_more_events_than_memory_should_hold_is_refused),
        test(a_history_of_more_json_than_memory_should_hold_is_refused),
        test(a_history_is_folded_and_shows_what_was_asked_for),
        test(children_are_folded_into_how_they_ended_as_activities_are),
        test(timers_and_events_have_when_whom_and_what),
        test(what_was_told_has_its_reason),
        test(an_end_has_its_status_and_a_signal_of_the_end_its_reason),
        test(one_that_began_later_says_when_and_one_that_went_on_as_new_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
