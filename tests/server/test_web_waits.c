/* SPDX-License-Identifier: MIT
 *
 * The management API: starts and restarts that wait for their instance (8.3). */
#include "browser.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static struct reply post(const char *path, const char *body)
{
    return browser_ask(&served, "POST", path, AS_JSON, body);
}

static void a_wait_that_nothing_ends_has_the_links(void **state)
{
    (void)state;
    struct reply reply = post("/orchestrators/Flow/slow?timeout=0.05&pollingInterval=0.01"
                              "&returnInternalServerErrorOnFailure=true",
                              NULL);
    browser_expect(&reply, 202, "{\"id\":\"slow\",...");
    assert_text(browser_header(&reply, "Retry-After"), "10");
    struct text status = browser_member(&reply, "statusQueryGetUri");
    static const char end[] = "&returnInternalServerErrorOnFailure=true";
    assert_memory_equal(status.at + status.size - (sizeof end - 1), end, sizeof end - 1);
}

static void *end_one(void *argument)
{
    const int64_t *status = argument;
    if (*status == COMPLETED + 100) { /* it says nothing */
        (void)desk_end(&desk, COMPLETED, NULL);
    } else {
        (void)desk_end(&desk, *status, *status == COMPLETED ? "{\"sum\":3}" : NULL);
    }
    return NULL;
}

static struct reply wait_for(const char *path, int64_t status)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, end_one, &status), 0);
    struct reply reply = post(path, NULL);
    pthread_join(thread, NULL);
    return reply;
}

static void a_wait_ends_with_the_output_alone_or_the_state_of_what_failed(void **state)
{
    (void)state;
    struct reply reply = wait_for("/orchestrators/Flow/quick?timeout=15", COMPLETED);
    browser_expect(&reply, 200, "{\"sum\":3}");
    reply = wait_for("/orchestrators/Flow/bad?timeout=15", FAILED);
    browser_expect(&reply, 200, "...\"runtimeStatus\":\"Failed\"...");
    reply = wait_for("/orchestrators/Flow/worse?timeout=15&returnInternalServerErrorOnFailure=true",
                     FAILED);
    browser_expect(&reply, 500, "...\"runtimeStatus\":\"Failed\"...");
}

static void a_wait_ends_when_it_is_terminated_or_has_nothing_to_say(void **state)
{
    (void)state;
    struct reply reply = wait_for("/orchestrators/Flow/silent?timeout=15", COMPLETED + 100);
    browser_expect(&reply, 200, "null");
    reply = wait_for("/orchestrators/Flow/killed?timeout=15&pollingInterval=15", TERMINATED);
    browser_expect(&reply, 200, "{\"name\":\"Flow\",...\"runtimeStatus\":\"Terminated\"...");
}

static void a_restart_is_waited_for_as_a_start(void **state)
{
    (void)state;
    desk_run(&desk, "again", COMPLETED, "1");
    struct reply reply =
        wait_for("/instances/again/restart?restartWithNewInstanceId=false&timeout=15", COMPLETED);
    browser_expect(&reply, 200, "{\"sum\":3}");
    reply = post("/instances/again/restart?timeout=0.05", NULL);
    browser_expect(&reply, 202, "{\"id\":\"...\"...");
    reply = post("/instances/again/restart?timeout=1&pollingInterval=2", NULL);
    assert_int_equal(reply.code, 400);
}

struct leaving {
    struct served *served;
    struct reply *reply;
};

static void *wait_long(void *argument)
{
    struct leaving *leaving = argument;
    *leaving->reply =
        browser_ask(leaving->served, "POST", "/orchestrators/Flow/long?timeout=600", NULL, NULL);
    return NULL;
}

/* The rest of what the server does is quick, so a wait that is there is this one. */
static void a_wait_whose_client_has_gone_ends(void **state)
{
    (void)state;
    char bytes[256];
    (void)snprintf(bytes, sizeof bytes,
                   "POST " WEB "/orchestrators/Flow/left?timeout=600 HTTP/1.1\r\n"
                   "Host: %s\r\n\r\n",
                   server_http_address(served.server));
    browser_leave(&served, text_of(bytes));
    while (!served_get(&served, "left").exists) {
        usleep(1000);
    }
    for (int i = 0; browser_waits(&served) != 0; i++) {
        assert_true(i < 1000);
        usleep(10000);
    }
}

static void the_end_of_the_server_answers_who_waits(void **state)
{
    (void)state;
    pthread_t thread;
    struct reply reply = { 0 };
    struct leaving leaving = { &served, &reply };
    assert_int_equal(pthread_create(&thread, NULL, wait_long, &leaving), 0);
    for (int i = 0; browser_waits(&served) == 0; i++) {
        assert_true(i < 1000);
        usleep(10000);
    }
    server_drain(served.server);
    server_drain(served.server);
    pthread_join(thread, NULL);
    browser_expect(&reply, 202, "{\"id\":\"long\",...");
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_wait_that_nothing_ends_has_the_links),
        test(a_wait_ends_with_the_output_alone_or_the_state_of_what_failed),
        test(a_wait_ends_when_it_is_terminated_or_has_nothing_to_say),
        test(a_restart_is_waited_for_as_a_start),
        test(a_wait_whose_client_has_gone_ends),
        test(the_end_of_the_server_answers_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
