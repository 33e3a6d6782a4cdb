/* SPDX-License-Identifier: MIT
 *
 * Waiting: time limits, many threads, workers that come and go meanwhile, and closing.
 */
#include "hub_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { THREADS = 12 };

struct waiter {
    pthread_t thread;
    pd_hub *hub;
    const char *id;
    int64_t timeout_ms;
    pd_status status; /* PD_OK: it got the instance, */
    int64_t output;   /* with this */
};

static atomic_int begun;

static void *wait_body(void *argument)
{
    struct waiter *w = argument;
    pd_error err = { PD_OK, false, "", "" };
    atomic_fetch_add(&begun, 1);
    pd_instance *i = pd_hub_wait(w->hub, w->id, pd_milliseconds(w->timeout_ms), &err);
    w->status = i != NULL ? PD_OK : err.status;
    w->output = i != NULL ? pd_int(pd_instance_output(i)) : -1;
    pd_instance_free(i);
    return NULL;
}

static void begin_waits(struct waiter *waiters, size_t count, struct kit *kit, const char *id)
{
    atomic_store(&begun, 0);
    for (size_t i = 0; i < count; i++) {
        waiters[i] = (struct waiter){ .hub = kit->hub, .id = id, .timeout_ms = 30000 };
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_body, &waiters[i]), 0);
    }
    while (atomic_load(&begun) < (int)count) {
        kit_sleep_ms(1);
    }
    kit_sleep_ms(20); /* they are in the call, most likely; the test holds when they are not */
}

static void end_waits(struct waiter *waiters, size_t count, pd_status status, int64_t output)
{
    for (size_t i = 0; i < count; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_int_equal(waiters[i].status, status);
        assert_int_equal(waiters[i].output, output);
    }
}

static void waiting_ends_with_the_time_allowed(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    for (int with_worker = 0; with_worker < 2; with_worker++) {
        if (with_worker) {
            kit_work(kit);
        } else {
            kit_start(kit, "WaitFor", PD_VAL("go"), "w", NULL);
        }
        int64_t began = kit_now_ms();
        assert_null(pd_hub_wait(kit->hub, "w", pd_milliseconds(120), &err));
        assert_int_equal(err.status, PD_E_TIMEOUT);
        assert_true(err.retryable);
        int64_t took = kit_now_ms() - began;
        assert_in_range(took, 120, 5000);
        assert_null(pd_hub_wait(kit->hub, "w", pd_seconds(0), &err));
        assert_int_equal(err.status, PD_E_TIMEOUT);
        assert_null(pd_hub_wait(kit->hub, "w", pd_seconds(-5), &err));
        assert_int_equal(err.status, PD_E_TIMEOUT);
    }
    kit_raise(kit, "w", "go", PD_VAL(1));
    pd_instance_free(kit_wait(kit, "w"));
    /* What has ended is given at once, also when no time is allowed. */
    pd_instance *i = pd_hub_wait(kit->hub, "w", pd_seconds(0), &err);
    assert_non_null(i);
    pd_instance_free(i);
}

static void waiting_for_nobody_is_told_at_once(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    assert_null(pd_hub_wait(kit->hub, "nobody", pd_seconds(30), &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
    kit_work(kit);
    assert_null(pd_hub_wait(kit->hub, "nobody", pd_seconds(30), &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
    assert_null(pd_hub_wait(kit->hub, "a/b", pd_seconds(30), &err));
    assert_int_equal(err.status, PD_E_NOT_FOUND);
}

static void many_threads_wait_for_one_instance(void **state)
{
    struct kit *kit = *state;
    struct waiter waiters[THREADS];
    kit_work(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "w", NULL);
    begin_waits(waiters, THREADS, kit, "w");
    kit_raise(kit, "w", "go", PD_VAL(42));
    end_waits(waiters, THREADS, PD_OK, 42);
}

static void waits_go_on_when_a_worker_starts(void **state)
{
    struct kit *kit = *state;
    struct waiter waiters[THREADS];
    kit_start(kit, "Echo", PD_VAL(42), "w", NULL);
    begin_waits(waiters, THREADS, kit, "w");
    kit_work(kit);
    end_waits(waiters, THREADS, PD_OK, 42);
}

static void waits_go_on_when_a_worker_stops_and_another_starts(void **state)
{
    struct kit *kit = *state;
    struct waiter waiters[THREADS];
    kit_work(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "w", NULL);
    begin_waits(waiters, THREADS, kit, "w");
    kit_rest(kit);
    kit_raise(kit, "w", "go", PD_VAL(42));
    kit_work(kit);
    end_waits(waiters, THREADS, PD_OK, 42);
}

static void close_during_waits(struct kit *kit)
{
    struct waiter waiters[THREADS];
    begin_waits(waiters, THREADS, kit, "w");
    int64_t began = kit_now_ms();
    pd_hub_close(kit->hub);
    kit->worker = NULL;
    assert_true(kit_now_ms() - began < 10000);
    end_waits(waiters, THREADS, PD_E_CANCELLED, -1);
    pd_error err;
    kit->hub = pd_hub_open(kit->url, &err);
    assert_non_null(kit->hub);
}

static void closing_ends_waits_without_a_worker(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "Echo", PD_NULL, "w", NULL);
    close_during_waits(kit);
}

static void closing_ends_waits_with_a_worker(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "w", NULL);
    close_during_waits(kit);
}

static void an_activity_that_runs_is_waited_for_when_the_worker_stops(void **state)
{
    struct kit *kit = *state;
    kit_work(kit);
    kit_start(kit, "Slow", PD_VAL(200), "s", NULL);
    kit_sleep_ms(80); /* so that it has begun */
    kit_rest(kit);
    kit_work(kit);
    pd_instance *i = kit_wait(kit, "s");
    assert_int_equal(pd_int(pd_instance_output(i)), 200);
    pd_instance_free(i);
}

/* ---- many in one call ----------------------------------------------------------------------- */

enum { MANY = 2500 }; /* a server is asked for a thousand at once */

static void what_was_started_together_is_waited_for_together(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_id *ids = calloc(MANY, sizeof *ids);
    pd_value *inputs = calloc(MANY, sizeof *inputs);
    pd_instance **ended = calloc(MANY, sizeof(pd_instance *));
    for (int i = 0; i < MANY; i++) {
        inputs[i] = PD_VAL(i);
    }
    kit_expect(pd_hub_start_many(kit->hub, "Echo", MANY, inputs, ids, &err), PD_OK, &err, "start");
    kit_work(kit);
    kit_expect(pd_hub_wait_many(kit->hub, MANY, ids, pd_seconds(60), ended, &err), PD_OK, &err,
               "wait");
    for (int i = 0; i < MANY; i++) {
        assert_string_equal(pd_instance_id_of(ended[i]), ids[i].text);
        assert_int_equal(pd_int(pd_instance_output(ended[i])), i);
        pd_instance_free(ended[i]);
    }
    free(ended);
    free(inputs);
    free(ids);
}

static void of_many_those_that_ended_are_given_and_the_first_that_did_not_is_told(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    static const pd_id running_first[] = { { "w" }, { "nobody" }, { "" }, { "e" } };
    static const pd_id unknown_first[] = { { "e" }, { "nobody" }, { "w" }, { "a/b" } };
    pd_instance *ended[4];
    kit_work(kit);
    kit_start(kit, "WaitFor", PD_VAL("go"), "w", NULL);
    kit_start(kit, "Echo", PD_VAL(1), "e", NULL);
    pd_instance_free(kit_wait(kit, "e"));
    int64_t began = kit_now_ms();
    kit_expect(pd_hub_wait_many(kit->hub, 4, running_first, pd_milliseconds(100), ended, &err),
               PD_E_TIMEOUT, &err, "running first");
    assert_in_range(kit_now_ms() - began, 100, 5000);
    assert_non_null(strstr(err.text, "'w'"));
    assert_true(ended[0] == NULL && ended[1] == NULL && ended[2] == NULL);
    assert_int_equal(pd_int(pd_instance_output(ended[3])), 1);
    pd_instance_free(ended[3]);
    kit_expect(pd_hub_wait_many(kit->hub, 4, unknown_first, pd_milliseconds(0), ended, &err),
               PD_E_NOT_FOUND, &err, "unknown first");
    assert_non_null(strstr(err.text, "'nobody'"));
    assert_true(ended[1] == NULL && ended[2] == NULL && ended[3] == NULL);
    assert_int_equal(pd_int(pd_instance_output(ended[0])), 1);
    pd_instance_free(ended[0]);
}

static void waiting_for_none_is_no_wait_and_for_nothing_is_refused(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    const pd_id id = { "e" };
    pd_instance *ended[1] = { NULL };
    kit_expect(pd_hub_wait_many(kit->hub, 0, NULL, pd_days(1), NULL, &err), PD_OK, &err, "none");
    kit_expect(pd_hub_wait_many(kit->hub, 1, NULL, pd_days(1), ended, &err), PD_E_INVALID, &err,
               "no ids");
    kit_expect(pd_hub_wait_many(kit->hub, 1, &id, pd_days(1), NULL, &err), PD_E_INVALID, &err,
               "no place");
    kit_expect(pd_hub_wait_many(NULL, 1, &id, pd_days(1), ended, &err), PD_E_INVALID, &err,
               "no hub");
}

static void *wait_many_body(void *argument)
{
    struct waiter *w = argument;
    const pd_id ids[] = { { "e" }, { "w" }, { "w" } };
    pd_instance *ended[3];
    pd_error err = { PD_OK, false, "", "" };
    atomic_fetch_add(&begun, 1);
    w->status = pd_hub_wait_many(w->hub, 3, ids, pd_seconds(30), ended, &err);
    w->output = 0;
    for (int i = 0; i < 3; i++) {
        w->output += ended[i] != NULL ? pd_int(pd_instance_output(ended[i])) : 0;
        pd_instance_free(ended[i]);
    }
    return NULL;
}

static void waits_for_many_end_with_the_last_of_them_or_with_the_hub(void **state)
{
    struct kit *kit = *state;
    struct waiter w = { .hub = kit->hub };
    kit_work(kit);
    kit_start(kit, "Echo", PD_VAL(1), "e", NULL);
    for (int closes = 0; closes < 2; closes++) {
        kit_start(kit, "WaitFor", PD_VAL("go"), "w", NULL);
        atomic_store(&begun, 0);
        assert_int_equal(pthread_create(&w.thread, NULL, wait_many_body, &w), 0);
        while (atomic_load(&begun) == 0) {
            kit_sleep_ms(1);
        }
        kit_sleep_ms(50); /* it is in the call, most likely; the test holds when it is not */
        if (!closes) {
            kit_raise(kit, "w", "go", PD_VAL(20));
            pthread_join(w.thread, NULL);
            assert_int_equal(w.status, PD_OK);
            assert_int_equal(w.output, 41);
            pd_error err;
            kit_expect(pd_hub_purge(kit->hub, "w", &err), PD_OK, &err, "purge");
            continue;
        }
        pd_hub_close(kit->hub);
        kit->worker = NULL;
        pthread_join(w.thread, NULL);
        assert_int_equal(w.status, PD_E_CANCELLED);
        pd_error err;
        kit->hub = pd_hub_open(kit->url, &err);
        assert_non_null(kit->hub);
    }
}

/* ---- many of each --------------------------------------------------------------------------- */

struct client {
    pthread_t thread;
    struct kit *kit;
    int number, good;
};

enum { CLIENTS = 6, EACH = 60 };

static void *client_body(void *argument)
{
    struct client *client = argument;
    pd_error err;
    for (int n = 0; n < EACH; n++) {
        int64_t value = client->number * 1000 + n;
        pd_id id;
        if (pd_hub_start(client->kit->hub, "Echo", value, NULL, &id, &err) != PD_OK) {
            continue;
        }
        pd_instance *i = pd_hub_wait(client->kit->hub, id.text, pd_seconds(30), &err);
        client->good += i != NULL && pd_int(pd_instance_output(i)) == value;
        pd_instance_free(i);
    }
    return NULL;
}

static void many_clients_start_and_wait_while_workers_come_and_go(void **state)
{
    struct kit *kit = *state;
    struct client clients[CLIENTS];
    kit_work(kit);
    for (int c = 0; c < CLIENTS; c++) {
        clients[c] = (struct client){ .kit = kit, .number = c };
        assert_int_equal(pthread_create(&clients[c].thread, NULL, client_body, &clients[c]), 0);
    }
    for (int n = 0; n < 4; n++) {
        kit_sleep_ms(15);
        kit_rest(kit);
        kit_work(kit);
    }
    for (int c = 0; c < CLIENTS; c++) {
        pthread_join(clients[c].thread, NULL);
        assert_int_equal(clients[c].good, EACH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(waiting_ends_with_the_time_allowed),
        HUB_TEST(waiting_for_nobody_is_told_at_once),
        HUB_TEST(many_threads_wait_for_one_instance),
        HUB_TEST(waits_go_on_when_a_worker_starts),
        HUB_TEST(waits_go_on_when_a_worker_stops_and_another_starts),
        HUB_TEST(closing_ends_waits_without_a_worker),
        HUB_TEST(closing_ends_waits_with_a_worker),
        HUB_TEST(an_activity_that_runs_is_waited_for_when_the_worker_stops),
        HUB_TEST(what_was_started_together_is_waited_for_together),
        HUB_TEST(of_many_those_that_ended_are_given_and_the_first_that_did_not_is_told),
        HUB_TEST(waiting_for_none_is_no_wait_and_for_nothing_is_refused),
        HUB_TEST(waits_for_many_end_with_the_last_of_them_or_with_the_hub),
        HUB_TEST(many_clients_start_and_wait_while_workers_come_and_go),
    };
    return cmocka_run_group_tests_name("hub/wait", tests, NULL, NULL);
}
