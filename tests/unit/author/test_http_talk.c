/* SPDX-License-Identifier: MIT
 *
 * The conversation over HTTP, in virtual time: what it asks, when, and with what, for each answer
 * that the script gives; played kept, dropped and forgotten. */
#include "play.h"

#include <stdio.h>
#include <string.h>

#include "builtin/builtin.h"

static const struct event_extra of_parent = { .has_parent = true,
                                              .parent_id = TEXT_INIT("order-6"),
                                              .parent_execution_id = TEXT_INIT("e0") };

static pd_result nothing(pd_activity *a, pd_value input)
{
    return pd_ok(a, input);
}

static pd_result caller(pd_orchestration *o, pd_value input)
{
    static const pd_retry gently = {
        .attempts_max = 4, .delay_first = { 1500 }, .backoff = 2, .delay_max = { 90061001 }
    };
    static const int busy[] = { 429, 503 };
    static const pd_credential who = { "StaticSecret", "stock", { 0 } };
    /* What is literal lives as long as its block. */
    pd_literal headers = PD_OBJ("A", "1", "B", PD_ARR("2", "3")), body = PD_OBJ("n", 5);
    pd_literal typed = PD_OBJ("Content-Type", "text/x"), wrong = PD_OBJ("A", 1);
    const char *how = pd_text(input);
    pd_http_request request = { .url = "http://h/x" };
    if (strcmp(how, "all") == 0) {
        request = (pd_http_request){ .method = "POST",
                                     .url = "http://h/x",
                                     .headers = PD_VAL(headers),
                                     .body = PD_VAL(body),
                                     .time_max = { 2500 },
                                     .no_polling = true,
                                     .retry = &gently,
                                     .retry_statuses = busy,
                                     .retry_status_count = 2,
                                     .credential = &who };
    } else if (strcmp(how, "text") == 0) {
        request.body = PD_VAL("plain");
    } else if (strcmp(how, "typed") == 0) {
        request.body = PD_VAL(7);
        request.headers = PD_VAL(typed);
    } else if (strcmp(how, "none") == 0) {
        request.retry = &gently;
        request.retry_statuses = busy;
    } else if (strcmp(how, "header") == 0) {
        request.headers = PD_VAL(wrong);
    } else if (strcmp(how, "url") == 0) {
        request.url = NULL;
    }
    return pd_ok(o, pd_call_http(o, &request));
}

static const pd_function program[] = { PD_FUNCTION("A", nothing), PD_FUNCTION("Caller", caller) };

static const char *asked; /* the input */

/* ---- what is said ---------------------------------------------------------------------------- */

static void script_caller(struct play *p)
{
    play_start(p, "Caller", asked);
}

static void expect_call(const char *how, const char *expected)
{
    char line[1024];
    asked = how;
    (void)snprintf(line, sizeof line, "turn 1\n  0 %s\n", expected);
    play_all(PD_PROGRAM(program), script_caller, line);
}

static void a_call_is_a_child_whose_input_is_as_sdks_write_it(void **state)
{
    (void)state;
    expect_call("\"least\"", "child perdure.http {\"method\":\"GET\",\"uri\":\"http://h/x\","
                             "\"headers\":{},\"asynchronousPatternEnabled\":true} as e1:0000");
    expect_call("\"all\"",
                "child perdure.http {\"method\":\"POST\",\"uri\":\"http://h/x\",\"headers\":{\"A\":"
                "\"1\",\"B\":[\"2\",\"3\"],\"content-type\":\"application/json\"},\"content\":"
                "\"{\\\"n\\\":5}\",\"tokenSource\":{\"kind\":\"StaticSecret\",\"resource\":"
                "\"stock\"},\"asynchronousPatternEnabled\":false,\"retryOptions\":{"
                "\"firstRetryInterval\":\"0.00:00:01.5000000\",\"maxNumberOfAttempts\":4,"
                "\"backoffCoefficient\":2.0,\"maxRetryInterval\":\"1.01:01:01.0010000\","
                "\"retryTimeout\":\"10675199.02:48:05.4775807\",\"statusCodesToRetry\":[429,503]},"
                "\"timeout\":\"0.00:00:02.5000000\"} as e1:0000");
    expect_call("\"text\"", "child perdure.http {\"method\":\"GET\",\"uri\":\"http://h/x\","
                            "\"headers\":{},\"content\":\"plain\","
                            "\"asynchronousPatternEnabled\":true} as e1:0000");
    expect_call("\"typed\"", "child perdure.http {\"method\":\"GET\",\"uri\":\"http://h/x\","
                             "\"headers\":{\"Content-Type\":\"text/x\"},\"content\":\"7\","
                             "\"asynchronousPatternEnabled\":true} as e1:0000");
    expect_call("\"none\"",
                "child perdure.http {\"method\":\"GET\",\"uri\":\"http://h/x\",\"headers\":{},"
                "\"asynchronousPatternEnabled\":true,\"retryOptions\":{\"firstRetryInterval\":"
                "\"0.00:00:01.5000000\",\"maxNumberOfAttempts\":4,\"backoffCoefficient\":2.0,"
                "\"maxRetryInterval\":\"1.01:01:01.0010000\",\"retryTimeout\":"
                "\"10675199.02:48:05.4775807\",\"statusCodesToRetry\":[0]}} as e1:0000");
    expect_call("\"header\"", "failed Misuse: pd_call_http: header 'A' must be a text, or an array "
                              "of texts (final)");
    expect_call("\"url\"", "failed Misuse: pd_call_http: there is no url (final)");
}

/* ---- conversations --------------------------------------------------------------------------- */

/* Written with ' in the place of ", and $ for how the input of each request ends. */
static const char *quoted(struct arena *arena, const char *text)
{
    struct buffer buffer;
    buffer_init(&buffer);
    for (; *text != '\0'; text++) {
        if (*text == '$') {
            buffer_printf(&buffer, ",\"asynchronousPatternEnabled\":false}\n");
        } else {
            buffer_add_byte(&buffer, (uint8_t)(*text == '\'' ? '"' : *text));
        }
    }
    const char *copy = arena_copy(arena, (const char *)buffer.at, buffer.size);
    buffer_done(&buffer);
    return copy;
}

static const char *const *answers; /* each to the present request; "!Type" fails it */
static const char *orchestrator = BUILTIN_HTTP;

/* Answers every request and fires every timer, until the answers are used up. */
static void script_talk(struct play *p)
{
    int step = 0;
    p->extra = &of_parent;
    play_start(p, orchestrator, asked);
    for (size_t i = 0; answers[i] != NULL; step++) {
        if (answers[i][0] == '!' && answers[i][1] == '!') { /* for good */
            play_fail(p, step, answers[i] + 2, "no")->is_final = true;
            i++;
        } else if (play_kind(p, step) == EVENT_TIMER_CREATED) {
            play_fire(p, step);
        } else if (answers[i][0] == '!') {
            play_fail(p, step, answers[i] + 1, "no");
            i++;
        } else {
            play_complete(p, step, quoted(&p->arena, answers[i++]));
        }
        play_turn(p);
    }
}

static void expect_talk(const char *input, const char *const *given, const char *expected)
{
    struct arena arena;
    arena_init(&arena);
    asked = quoted(&arena, input);
    answers = given;
    play_all(PD_PROGRAM(program), script_talk, quoted(&arena, expected));
    arena_done(&arena);
}

#define FIRST "turn 1\n  0 perdure.request {'method':'GET','uri':'http://h/x'$"
#define OK_200 "{'statusCode':200,'headers':{},'content':'done'}"
#define BAD(status) "{'statusCode':" status ",'headers':{},'content':'oh'}"
#define ACCEPTED(headers) "{'statusCode':202,'headers':{" headers "},'content':''}"

static void an_answer_is_the_output_whatever_its_status(void **state)
{
    static const char *const missing[] = {
        "{'statusCode':404,'headers':{'a':['1','2']},'content':'','effectiveUri':'http://h/y'}",
        NULL
    };
    (void)state;
    expect_talk("{'uri':'http://h/x'}", missing,
                FIRST "turn 2\n  1 completed {'statusCode':404,'headers':{'a':['1','2']},"
                      "'content':''}\n");
    expect_talk("[{'method':'PUT','uri':'http://h/x','content':'c','headers':{'H':'v'},"
                "'timeout':'00:00:05','retryOptions':null}]",
                missing,
                "turn 1\n  0 perdure.request {'method':'PUT','uri':'http://h/x','headers':{'H':"
                "'v'},'content':'c','timeout':'00:00:05'$"
                "turn 2\n  1 completed {'statusCode':404,'headers':{'a':['1','2']},"
                "'content':''}\n");
}

static void a_202_is_polled_when_it_says_until_the_answer_is_another(void **state)
{
    static const char *const given[] = {
        ACCEPTED("'Location':'/s?q','Retry-After':'1'"),
        ACCEPTED("'location':['../t'],'retry-after':['99999999999999999999']"), OK_200, NULL
    };
    (void)state;
    expect_talk("{'method':'POST','uri':'http://h/a/b','content':'c','headers':{"
                "'X-Functions-Key':'k','Authorization':'s','Content-Type':'t','X':'y'},"
                "'tokenSource':{'kind':'k'}}",
                given,
                "turn 1\n  0 perdure.request {'method':'POST','uri':'http://h/a/b','headers':{"
                "'X-Functions-Key':'k','Authorization':'s','Content-Type':'t','X':'y'},"
                "'content':'c','tokenSource':{'kind':'k'}$"
                "turn 2\n  1 timer 3000000\n"
                "turn 3\n  2 perdure.request {'method':'GET','uri':'http://h/s?q','headers':{"
                "'Authorization':'s','X':'y'},'tokenSource':{'kind':'k'}$"
                "turn 4\n  3 timer 34000000\n"
                "turn 5\n  4 perdure.request {'method':'GET','uri':'http://h/t','headers':{"
                "'Authorization':'s','X':'y'},'tokenSource':{'kind':'k'}$"
                "turn 6\n  5 completed " OK_200 "\n");
}

/* W1, W2: also what one hop had to go without, a later one at home has. */
static void what_is_secret_goes_to_the_origin_of_the_request_only(void **state)
{
    static const char *const given[] = {
        ACCEPTED("'location':'http://other/1','retry-after':'0'"),
        ACCEPTED("'location':'http://other:80/2','retry-after':'-5'"),
        ACCEPTED("'location':'HTTP://H:80/3','retry-after':'0'"), OK_200, NULL
    };
    (void)state;
    expect_talk("{'uri':'http://h/x','headers':{'authorization':'s','COOKIE':'c',"
                "'Proxy-Authorization':'p','x':'y'},'tokenSource':{'kind':'k'}}",
                given,
                "turn 1\n  0 perdure.request {'method':'GET','uri':'http://h/x','headers':{"
                "'authorization':'s','COOKIE':'c','Proxy-Authorization':'p','x':'y'},"
                "'tokenSource':{'kind':'k'}$"
                "turn 2\n  1 timer 2000000\n"
                "turn 3\n  2 perdure.request {'method':'GET','uri':'http://other/1',"
                "'headers':{'x':'y'}$"
                "turn 4\n  3 timer 4000000\n"
                "turn 5\n  4 perdure.request {'method':'GET','uri':'http://other:80/2',"
                "'headers':{'x':'y'}$"
                "turn 6\n  5 timer 6000000\n"
                "turn 7\n  6 perdure.request {'method':'GET','uri':'HTTP://H:80/3','headers':{"
                "'authorization':'s','COOKIE':'c','Proxy-Authorization':'p','x':'y'},"
                "'tokenSource':{'kind':'k'}$"
                "turn 8\n  7 completed " OK_200 "\n");
}

static void a_location_is_relative_to_where_the_answer_came_from(void **state)
{
    static const char *const given[] = {
        "{'statusCode':202,'headers':{'location':'t','retry-after':'0'},'content':'',"
        "'effectiveUri':'http://elsewhere/a/b'}",
        OK_200, NULL
    };
    (void)state;
    expect_talk("{'uri':'http://h/x'}", given,
                FIRST "turn 2\n  1 timer 2000000\n"
                      "turn 3\n  2 perdure.request {'method':'GET','uri':'http://elsewhere/a/t',"
                      "'headers':{}$"
                      "turn 4\n  3 completed " OK_200 "\n");
}

static void a_202_that_leads_nowhere_is_the_answer(void **state)
{
    static const char *const cases[][2] = {
        { "{'uri':'http://h/x'}", ACCEPTED("") },
        { "{'uri':'http://h/x'}", ACCEPTED("'location':'ftp://h/x'") },
        { "{'uri':'http://h/x'}", ACCEPTED("'location':'http://'") },
        { "{'uri':'http://h/x'}", ACCEPTED("'location':'http://h:99999/'") },
        { "{'uri':'http://h/x'}", ACCEPTED("'location':'a b'") },
        { "{'uri':'http://h/x','asynchronousPatternEnabled':false}", ACCEPTED("'location':'/y'") },
        { "{'uri':'http://h/x','enablePolling':false,'asynchronousPatternEnabled':true}",
          ACCEPTED("'location':'/y'") },
    };
    char expected[512];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *given[] = { cases[i][1], NULL };
        (void)snprintf(expected, sizeof expected, FIRST "turn 2\n  1 completed %s\n", cases[i][1]);
        expect_talk(cases[i][0], given, expected);
    }
}

static void with_an_empty_list_all_but_success_is_tried_again(void **state)
{
    static const char input[] =
        "{'uri':'http://h/x','retryOptions':{'FirstRetryInterval':'00:00:02',"
        "'MaxNumberOfAttempts':3,'BackoffCoefficient':3,'StatusCodesToRetry':[]}}";
    static const char *const given[] = { BAD("500"), "!HttpRequest", OK_200, NULL };
    static const char *const never[] = { BAD("500"), BAD("503"), BAD("500"), NULL };
#define AGAIN "perdure.request {'method':'GET','uri':'http://h/x'$"
    (void)state;
    expect_talk(input, given,
                FIRST "turn 2\n  1 timer 4000000\nturn 3\n  2 " AGAIN
                      "turn 4\n  3 timer 10000000\nturn 5\n  4 " AGAIN
                      "turn 6\n  5 completed " OK_200 "\n");
    expect_talk(input, never,
                FIRST "turn 2\n  1 timer 4000000\nturn 3\n  2 " AGAIN
                      "turn 4\n  3 timer 10000000\nturn 5\n  4 " AGAIN
                      "turn 6\n  5 failed HttpStatus: Response status code does not indicate "
                      "success: 500 (Internal Server Error). <- HttpResponse: {'statusCode':500,"
                      "'headers':{},'content':'oh'}\n");
}

static void with_a_list_only_what_is_in_it_is_tried_again(void **state)
{
    static const char input[] =
        "{'uri':'http://h/x','retryOptions':{'firstRetryInterval':'00:00:02',"
        "'maxNumberOfAttempts':2,'statusCodesToRetry':[503]}}";
    static const char *const other[] = { BAD("500"), NULL };
    static const char *const listed[] = { BAD("503"), BAD("503"), NULL };
    (void)state;
    expect_talk(input, other, FIRST "turn 2\n  1 completed " BAD("500") "\n");
    expect_talk(input, listed,
                FIRST "turn 2\n  1 timer 4000000\nturn 3\n  2 " AGAIN
                      "turn 4\n  3 failed HttpStatus: Status code ServiceUnavailable received, "
                      "retry requested. <- HttpResponse: {'statusCode':503,'headers':{},"
                      "'content':'oh'}\n");
}

static void polls_are_tried_again_too_and_count_anew(void **state)
{
    static const char input[] =
        "{'uri':'http://h/x','retryOptions':{'firstRetryInterval':'00:00:02',"
        "'maxNumberOfAttempts':2}}";
    static const char *const given[] = { BAD("500"), ACCEPTED("'location':'/y','retry-after':'0'"),
                                         BAD("500"), OK_200, NULL };
#define POLL "perdure.request {'method':'GET','uri':'http://h/y','headers':{}$"
    (void)state;
    expect_talk(input, given,
                FIRST "turn 2\n  1 timer 4000000\nturn 3\n  2 " AGAIN
                      "turn 4\n  3 timer 4000000\nturn 5\n  4 " POLL
                      "turn 6\n  5 timer 8000000\nturn 7\n  6 " POLL "turn 8\n  7 completed " OK_200
                      "\n");
}

/* As who starts a child may say it; the sanitizers look on. */
static void where_to_go_on_is_not_what_no_execution_wrote(void **state)
{
    static const char input[] =
        "{'goesOn':{'at':-9223372036854775808,'polls':9223372036854775807,"
        "'attempts':9223372036854775807,'since':-9223372036854775808,'delay':-1e300},"
        "'request':{'uri':'http://h/x','retryOptions':{'firstRetryInterval':'00:00:02',"
        "'maxNumberOfAttempts':2,'retryTimeout':'01:00:00'}}}";
    static const char *const given[] = { BAD("500"), OK_200, NULL };
    (void)state;
    expect_talk(input, given,
                FIRST "turn 2\n  1 timer 4000000\nturn 3\n  2 " AGAIN
                      "turn 4\n  3 completed " OK_200 "\n");
}

static void no_attempt_begins_later_than_the_policy_allows(void **state)
{
    static const char input[] =
        "{'uri':'http://h/x','retryOptions':{'firstRetryInterval':'00:00:02',"
        "'maxNumberOfAttempts':9,'backoffCoefficient':2,'maxRetryInterval':'00:00:03',"
        "'retryTimeout':'00:00:07'}}";
    static const char *const given[] = { "!HttpTimeout", "!HttpTimeout", "!HttpTimeout", NULL };
    (void)state;
    expect_talk(input, given,
                FIRST "turn 2\n  1 timer 4000000\nturn 3\n  2 " AGAIN
                      "turn 4\n  3 timer 7000000\nturn 5\n  4 " AGAIN
                      "turn 6\n  5 failed HttpTimeout: no\n");
}

static void what_trying_again_cannot_help_is_not_tried_again(void **state)
{
    static const char *const given[] = { "!!HttpCredential", NULL };
    static const char *const not_modified[] = { BAD("304"), OK_200, NULL };
    (void)state;
    expect_talk("{'uri':'http://h/x','retryOptions':{'firstRetryInterval':'00:00:01',"
                "'maxNumberOfAttempts':3}}",
                given, FIRST "turn 2\n  1 failed HttpCredential: no (final)\n");
    /* But what is no success is: also 3xx, and 202 is one. */
    expect_talk("{'uri':'http://h/x','retryOptions':{'firstRetryInterval':'00:00:01',"
                "'maxNumberOfAttempts':3}}",
                not_modified,
                FIRST "turn 2\n  1 timer 3000000\nturn 3\n  2 " AGAIN
                      "turn 4\n  3 completed " OK_200 "\n");
}

static void a_poll_has_the_limit_of_time_of_the_request(void **state)
{
    static const char *const given[] = { ACCEPTED("'location':'/y','retry-after':'0'"), OK_200,
                                         NULL };
    (void)state;
    expect_talk("{'uri':'http://h/x','timeout':'00:00:05'}", given,
                "turn 1\n  0 perdure.request {'method':'GET','uri':'http://h/x','timeout':"
                "'00:00:05'$turn 2\n  1 timer 2000000\n"
                "turn 3\n  2 perdure.request {'method':'GET','uri':'http://h/y','headers':{},"
                "'timeout':'00:00:05'$turn 4\n  3 completed " OK_200 "\n");
}

static void a_failure_is_as_the_request_s(void **state)
{
    static const char *const given[] = { "!HttpTimeout", NULL };
    (void)state;
    expect_talk("{'uri':'http://h/x'}", given, FIRST "turn 2\n  1 failed HttpTimeout: no\n");
}

/* ---- who may, and what is refused ---------------------------------------------------------- */

static void script_alone(struct play *p)
{
    play_start(p, orchestrator, asked);
}

static void script_child(struct play *p)
{
    p->extra = &of_parent;
    play_start(p, orchestrator, asked);
}

static void without_a_parent_nothing_is_asked(void **state)
{
    (void)state;
    asked = "{\"uri\":\"http://h/x\"}";
    play_all(PD_PROGRAM(program), script_alone,
             "turn 1\n  0 failed Misuse: perdure.http is Perdure's own and cannot be started; an "
             "orchestration calls it with pd_call_http (final)\n");
    orchestrator = BUILTIN_HTTP_POLL;
    play_all(PD_PROGRAM(program), script_alone,
             "turn 1\n  0 failed Misuse: BuiltIn__HttpPollOrchestrator is an internal built-in and "
             "cannot be started as a top-level orchestration; use context.df.callHttp instead. "
             "(final)\n");
    play_all(PD_PROGRAM(program), script_child,
             "turn 1\n  0 BuiltIn__HttpActivity {\"method\":\"GET\",\"uri\":\"http://h/x\","
             "\"asynchronousPatternEnabled\":false}\n");
    orchestrator = BUILTIN_HTTP;
}

#define POLICY(members) "{\"uri\":\"http://h/\",\"retryOptions\":{" members "}}"
#define GOOD "\"firstRetryInterval\":\"00:00:01\",\"maxNumberOfAttempts\":2"
#define NEEDS "retryOptions needs firstRetryInterval, above zero, and maxNumberOfAttempts"

static void what_is_no_request_fails_for_good(void **state)
{
    static const char *const cases[][2] = {
        { "null", "the request is no object" },
        { "{}", "there is no uri" },
        { "{\"uri\":\"ftp://u:p@h/?q\"}",
          "the uri 'ftp://***@h/?...' is not an absolute one, of http or https" },
        { "{\"uri\":\"/x\"}", "the uri '/x' is not an absolute one, of http or https" },
        { "{\"uri\":\"http://h/\",\"retryOptions\":7}", "retryOptions is no object" },
        { "{\"uri\":\"http://h/\",\"retryOptions\":{\"firstRetryInterval\":\"1\"}}",
          "an interval of retryOptions is no span, \"[d.]hh:mm:ss[.fffffff]\"" },
        { POLICY(""), NEEDS },
        { POLICY("\"firstRetryInterval\":\"00:00:01\""), NEEDS },
        { POLICY("\"maxNumberOfAttempts\":1"), NEEDS },
        { POLICY("\"firstRetryInterval\":\"00:00:01\",\"maxNumberOfAttempts\":0"), NEEDS },
        { POLICY("\"firstRetryInterval\":\"00:00:01\",\"maxNumberOfAttempts\":\"3\""), NEEDS },
        { POLICY("\"firstRetryInterval\":\"-00:00:01\",\"maxNumberOfAttempts\":1"),
          "an interval of retryOptions is no span, \"[d.]hh:mm:ss[.fffffff]\"" },
        { POLICY(GOOD ",\"backoffCoefficient\":-1"),
          "backoffCoefficient or jitter of retryOptions makes no sense" },
        { POLICY(GOOD ",\"backoffCoefficient\":\"2\""),
          "backoffCoefficient or jitter of retryOptions makes no sense" },
        { POLICY(GOOD ",\"jitter\":1.5"),
          "backoffCoefficient or jitter of retryOptions makes no sense" },
        { POLICY(GOOD ",\"statusCodesToRetry\":503"),
          "statusCodesToRetry of retryOptions is no array of numbers" },
        { POLICY(GOOD ",\"statusCodesToRetry\":[500,\"503\"]"),
          "statusCodesToRetry of retryOptions is no array of numbers" },
    };
    char expected[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        asked = cases[i][0];
        (void)snprintf(expected, sizeof expected,
                       "turn 1\n  0 failed BadInput: an HTTP request: %s (final)\n", cases[i][1]);
        play_all(PD_PROGRAM(program), script_child, expected);
    }
}

/* Only pd_retry may begin with no delay. */
static void the_first_interval_of_sdks_is_above_zero(void **state)
{
    (void)state;
    asked = POLICY("\"firstRetryInterval\":\"00:00:00\",\"maxNumberOfAttempts\":2");
    play_all(PD_PROGRAM(program), script_child,
             "turn 1\n  0 perdure.request {\"method\":\"GET\",\"uri\":\"http://h/\","
             "\"asynchronousPatternEnabled\":false}\n");
    orchestrator = BUILTIN_HTTP_POLL;
    play_all(PD_PROGRAM(program), script_child,
             "turn 1\n  0 failed BadInput: an HTTP request: " NEEDS " (final)\n");
    orchestrator = BUILTIN_HTTP_STEP;
    play_all(PD_PROGRAM(program), script_child,
             "turn 1\n  0 failed System.ArgumentException: an HTTP request: " NEEDS " (final)\n");
    asked = "{\"uri\":\"http://h/\"}";
    play_all(PD_PROGRAM(program), script_child,
             "turn 1\n  0 perdure.http.request {\"method\":\"GET\",\"uri\":\"http://h/\","
             "\"asynchronousPatternEnabled\":false}\n");
    orchestrator = BUILTIN_HTTP;
}

/* ---- long ones ------------------------------------------------------------------------------- */

static int requests_made;

/* Each request fails. */
static void script_failing(struct play *p)
{
    int step = 0, execution = 1;
    requests_made = 0;
    p->extra = &of_parent;
    play_start(p, orchestrator, asked);
    while (!p->is_ended) {
        if (p->execution != execution) { /* as new */
            execution = p->execution;
            step = 0;
            play_turn(p);
            continue;
        }
        if (play_kind(p, step) == EVENT_TIMER_CREATED) {
            play_fire(p, step++);
        } else {
            requests_made++;
            play_fail(p, step++, "HttpRequest", "no");
        }
        play_turn(p);
    }
}

static void script_changed_setting(struct play *p)
{
    p->extra = &of_parent;
    builtin_set_http_poll(0);
    play_start(p, orchestrator, asked);
    play_complete(p, 0, quoted(&p->arena, ACCEPTED("'location':'/y'")));
    play_turn(p);
    builtin_set_http_poll(5000);
    play_restart(p, NULL, 0);
    play_fire(p, 1);
    play_turn(p);
    play_complete(p, 2, quoted(&p->arena, ACCEPTED("'location':'/y'")));
    play_turn(p);
    builtin_set_http_poll(0);
}

static void the_time_between_polls_may_be_set_anew_while_one_is_waited_for(void **state)
{
    (void)state;
    asked = "{\"uri\":\"http://h/x\"}";
    struct arena arena;
    arena_init(&arena);
    play_all(PD_PROGRAM(program), script_changed_setting,
             quoted(&arena, FIRST "turn 2\n  1 timer 32000000\nturn 3\n  2 " POLL
                                  "turn 4\n  3 timer 9000000\n"));
    arena_done(&arena);
}

/* W4. Which is timer n, of a callee who says "now" each time, and when it is for. */
static void now_is_said_ten_times_and_then_means_in_a_second(void **state)
{
    static const char *given[14];
    struct buffer expected;
    (void)state;
    buffer_init(&expected);
    buffer_printf(&expected, FIRST);
    for (int n = 1; n <= 12; n++) {
        given[n - 1] = ACCEPTED("'location':'/y','retry-after':'0'");
        buffer_printf(&expected, "turn %d\n  %d timer %d000000\nturn %d\n  %d " POLL, 2 * n,
                      2 * n - 1, n <= 10 ? 2 * n : 2 * n + 1, 2 * n + 1, 2 * n);
    }
    given[12] = OK_200;
    buffer_printf(&expected, "turn 26\n  25 completed " OK_200 "\n");
    buffer_add_byte(&expected, '\0');
    expect_talk("{'uri':'http://h/x'}", given, (const char *)expected.at);
    buffer_done(&expected);
}

static int polled_at_once; /* of 250 */

static bool is_at_once(const struct play *p, int timer)
{
    size_t i = 0;
    while (p->history[i].id != timer) {
        i++;
    }
    return p->history[i].fire_at <= p->history[i].at;
}

/* Each answer says "now". */
static void script_impatient(struct play *p)
{
    int step = 0, execution = 1;
    p->extra = &of_parent;
    polled_at_once = 0;
    play_start(p, orchestrator, asked);
    for (int polls = 0; polls < 250;) {
        if (p->execution != execution) { /* as new: it is told how many there were */
            execution = p->execution;
            step = 0;
            play_turn(p);
            continue;
        }
        if (play_kind(p, step) == EVENT_TIMER_CREATED) {
            polled_at_once += step != 0 && is_at_once(p, step); /* 0: is of the one before */
            polls++;
            play_fire(p, step++);
        } else {
            play_complete(p, step++,
                          quoted(&p->arena, ACCEPTED("'location':'/y','retry-after':'0'")));
        }
        play_turn(p);
    }
}

static void what_was_polled_is_counted_over_executions(void **state)
{
    (void)state;
    asked = "{\"uri\":\"http://h/x\"}";
    play_all(PD_PROGRAM(program), script_impatient, NULL);
    assert_int_equal(polled_at_once, 10);
}

/* W5: attempts are requests, too; what is known of them goes along. */
static void attempts_without_number_continue_as_new(void **state)
{
    (void)state;
    asked = POLICY("\"firstRetryInterval\":\"00:00:01\",\"maxNumberOfAttempts\":150");
    play_all(PD_PROGRAM(program), script_failing, NULL);
    assert_int_equal(requests_made, 150);
    asked = POLICY("\"firstRetryInterval\":\"00:00:01\",\"maxNumberOfAttempts\":999,"
                   "\"backoffCoefficient\":1000000,\"maxRetryInterval\":\"00:00:10\","
                   "\"retryTimeout\":\"00:04:00\"");
    play_all(PD_PROGRAM(program), script_failing, NULL);
    assert_in_range(requests_made, 101, 125); /* 2 s each, as time goes in plays */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_a_child_whose_input_is_as_sdks_write_it),
        cmocka_unit_test(an_answer_is_the_output_whatever_its_status),
        cmocka_unit_test(a_202_is_polled_when_it_says_until_the_answer_is_another),
        cmocka_unit_test(what_is_secret_goes_to_the_origin_of_the_request_only),
        cmocka_unit_test(a_location_is_relative_to_where_the_answer_came_from),
        cmocka_unit_test(a_202_that_leads_nowhere_is_the_answer),
        cmocka_unit_test(with_an_empty_list_all_but_success_is_tried_again),
        cmocka_unit_test(with_a_list_only_what_is_in_it_is_tried_again),
        cmocka_unit_test(polls_are_tried_again_too_and_count_anew),
        cmocka_unit_test(where_to_go_on_is_not_what_no_execution_wrote),
        cmocka_unit_test(no_attempt_begins_later_than_the_policy_allows),
        cmocka_unit_test(what_trying_again_cannot_help_is_not_tried_again),
        cmocka_unit_test(a_poll_has_the_limit_of_time_of_the_request),
        cmocka_unit_test(a_failure_is_as_the_request_s),
        cmocka_unit_test(without_a_parent_nothing_is_asked),
        cmocka_unit_test(what_is_no_request_fails_for_good),
        cmocka_unit_test(the_first_interval_of_sdks_is_above_zero),
        cmocka_unit_test(now_is_said_ten_times_and_then_means_in_a_second),
        cmocka_unit_test(what_was_polled_is_counted_over_executions),
        cmocka_unit_test(attempts_without_number_continue_as_new),
        cmocka_unit_test(the_time_between_polls_may_be_set_anew_while_one_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
