/* SPDX-License-Identifier: MIT
 *
 * Hubs from many threads at once, stopped at every moment, and from inside activities. What is
 * shown is that all of it ends, that nothing acknowledged is lost, and, under the sanitizers, that
 * no thread steps on another.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hub_kit.h"

/* ---- a program that uses its own hub --------------------------------------------------------- */

/* What activities find by pd_user. */
struct desk {
    pd_hub *hub;
};

static pd_result report(pd_activity *a, const char *what, const pd_error *err)
{
    return pd_fail(a, "Call", "%s: %s", what, err->text);
}

/* Starts another instance, raises its event and waits for its end, all on the same hub. */
static pd_result use_hub(pd_activity *a, pd_value input)
{
    struct desk *desk = pd_user(a);
    pd_error err;
    pd_id id;
    if (pd_hub_start(desk->hub, "Answer", PD_NULL, NULL, &id, &err) != PD_OK) {
        return report(a, "start", &err);
    }
    if (pd_hub_raise_event(desk->hub, id.text, "question", input, &err) != PD_OK) {
        return report(a, "raise", &err);
    }
    PD_AUTO(pd_instance) instance = pd_hub_wait(desk->hub, id.text, pd_seconds(30), &err);
    if (instance == NULL) {
        return report(a, "wait", &err);
    }
    return pd_ok(a, pd_instance_output(instance));
}

static pd_result answer(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_value question = pd_wait_event(o, "question");
    return pd_ok(o, pd_int(question) * 2);
}

static pd_result ask(pd_orchestration *o, pd_value input)
{
    pd_value result = pd_call_activity(o, use_hub, input);
    return pd_ok(o, result);
}

/* What none may do: its partition would wait for itself. */
static pd_result misuse_hub(pd_orchestration *o, pd_value input)
{
    struct desk *desk = pd_user(o);
    pd_error err;
    pd_status started = pd_hub_start(desk->hub, "Answer", input, NULL, NULL, &err);
    pd_instance *found = pd_hub_wait(desk->hub, "x", pd_seconds(1), &err);
    pd_list *statuses = pd_list_new(o);
    pd_list_add(statuses, (int)started);
    pd_list_add(statuses, found == NULL ? (int)err.status : -1);
    return pd_ok(o, statuses);
}

static const pd_function desk_program[] = {
    PD_FUNCTION("MisuseHub", misuse_hub),
    PD_FUNCTION("UseHub", use_hub),
    PD_FUNCTION("Answer", answer),
    PD_FUNCTION("Ask", ask),
};

static void activities_may_start_raise_and_wait_on_their_own_hub(void **state)
{
    struct kit *kit = *state;
    for (int threads = 1; threads <= 3; threads += 2) {
        struct desk desk = { kit->hub };
        pd_worker_options options = { .user = &desk, .threads = threads };
        pd_error err;
        kit->worker = pd_worker_start(kit->hub, PD_PROGRAM(desk_program), &options, &err);
        assert_non_null(kit->worker);
        for (int i = 0; i < 20; i++) {
            pd_instance *asked = kit_run(kit, "Ask", pd_of_int(i));
            assert_int_equal(pd_instance_state(asked), PD_RUN_COMPLETED);
            assert_int_equal(pd_int(pd_instance_output(asked)), 2 * i);
            pd_instance_free(asked);
        }
        kit_rest(kit);
    }
}

static void an_orchestrator_that_uses_a_hub_is_told_so_instead_of_waiting_for_ever(void **state)
{
    struct kit *kit = *state;
    struct desk desk = { kit->hub };
    pd_worker_options options = { .user = &desk };
    pd_error err;
    kit->worker = pd_worker_start(kit->hub, PD_PROGRAM(desk_program), &options, &err);
    assert_non_null(kit->worker);
    pd_instance *misused = kit_run(kit, "MisuseHub", PD_NULL);
    pd_value statuses = pd_instance_output(misused);
    assert_int_equal(pd_int(pd_at(statuses, 0)), PD_E_STATE);
    assert_int_equal(pd_int(pd_at(statuses, 1)), PD_E_STATE);
    pd_instance_free(misused);
}

/* ---- many threads, and a worker that comes and goes ------------------------------------------ */

struct crowd {
    struct kit *kit;
    atomic_bool is_over;
    atomic_int refused;
};

enum { CLIENTS = 4, STARTS_MAX = 60, STARTS_MIN = 10 };

struct client {
    struct crowd *crowd;
    int started;
    pd_id ids[STARTS_MAX];
};

static void *live(void *argument)
{
    struct client *client = argument;
    pd_hub *hub = client->crowd->kit->hub;
    pd_error err;
    for (int i = 0; i < STARTS_MAX; i++) {
        if (client->crowd->is_over && i >= STARTS_MIN) {
            break;
        }
        pd_id *id = &client->ids[client->started];
        if (pd_hub_start(hub, i % 2 == 0 ? "WaitFor" : "Hello",
                         i % 2 == 0 ? pd_of_text("go") : PD_VAL(PD_ARR("Oslo", "Rome")), NULL, id,
                         &err) != PD_OK) {
            client->crowd->refused++;
            continue;
        }
        client->started++;
        if (i % 2 == 0 && pd_hub_raise_event(hub, id->text, "go", i, &err) != PD_OK) {
            client->crowd->refused++;
        }
        pd_instance_free(pd_hub_wait(hub, id->text, pd_milliseconds(i % 3), &err));
    }
    return NULL;
}

static void what_was_started_ends_although_the_worker_came_and_went(void **state)
{
    struct kit *kit = *state;
    struct crowd crowd = { .kit = kit };
    static struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .crowd = &crowd };
        assert_int_equal(pthread_create(&threads[i], NULL, live, &clients[i]), 0);
    }
    for (int i = 0; i < 15; i++) {
        kit_work(kit);
        usleep((useconds_t)(i % 5) * 1000);
        kit_rest(kit);
    }
    crowd.is_over = true;
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(crowd.refused, 0);
    kit_work(kit);
    for (int i = 0; i < CLIENTS; i++) {
        for (int n = 0; n < clients[i].started; n++) {
            pd_instance *instance = kit_wait(kit, clients[i].ids[n].text);
            assert_int_equal(pd_instance_state(instance), PD_RUN_COMPLETED);
            pd_instance_free(instance);
        }
    }
}

static atomic_int cancelled;

static void *wait_long(void *argument)
{
    struct kit *kit = argument;
    pd_error err;
    pd_instance *instance = pd_hub_wait(kit->hub, "never", pd_seconds(60), &err);
    cancelled += instance == NULL && err.status == PD_E_CANCELLED;
    pd_instance_free(instance);
    return NULL;
}

static void waits_end_when_the_hub_is_closed_with_and_without_a_worker(void **state)
{
    struct kit *kit = *state;
    pthread_t threads[6];
    for (int round = 0; round < 2; round++) {
        pd_error err;
        if (round == 1) {
            kit->hub = pd_hub_open(kit->url, &err);
            assert_non_null(kit->hub);
        }
        kit_work(kit);
        if (round == 0 || (kit->folder[0] == '\0' && !served_is_wanted())) {
            kit_start(kit, "WaitFor", pd_of_text("nothing"), "never", NULL);
        }
        if (round == 1) {
            kit_rest(kit);
        }
        for (int i = 0; i < 6; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, wait_long, kit), 0);
        }
        usleep(20000); /* so that they have begun; no call may begin after the close has */
        pd_hub_close(kit->hub);
        kit->hub = NULL;
        kit->worker = NULL;
        for (int i = 0; i < 6; i++) {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(cancelled, 6);
        cancelled = 0;
    }
}

/* ---- stopping -------------------------------------------------------------------------------- */

static void a_worker_may_be_stopped_while_it_recovers(void **state)
{
    struct kit *kit = *state;
    enum { COUNT = 3000 };
    static pd_id ids[COUNT];
    static pd_value inputs[COUNT];
    pd_error err;
    for (int i = 0; i < COUNT; i++) {
        inputs[i] = pd_of_int(1);
    }
    assert_int_equal(pd_hub_start_many(kit->hub, "Slow", COUNT, inputs, ids, &err), PD_OK);
    for (int i = 0; i < 10; i++) {
        kit_work(kit);
        usleep((useconds_t)i * 500);
        kit_rest(kit);
    }
    kit_work(kit);
    for (int i = 0; i < COUNT; i++) {
        pd_instance_free(kit_wait(kit, ids[i].text));
    }
}

/* ---- signals --------------------------------------------------------------------------------- */

static atomic_int handled, handled_by_engine;

static void on_signal(int number)
{
    char name[16] = "";
    (void)number;
    prctl(PR_GET_NAME, name);
    bool is_engines = strcmp(name, "pd-partition") == 0 || strcmp(name, "pd-commit") == 0 ||
                      strcmp(name, "pd-mailbox") == 0;
    handled_by_engine += is_engines;
    handled++;
}

static void signals_are_not_handled_by_threads_that_serve_the_engine(void **state)
{
    struct kit *kit = *state;
    struct sigaction before, action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    kit_work(kit);
    pd_instance_free(kit_run(kit, "Hello", PD_VAL(PD_ARR("Lima"))));
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, &old), 0); /* so that others have to */
    for (int i = 1; i <= 20; i++) {
        kill(getpid(), SIGUSR1);
        while (handled < i) {
            usleep(100);
        }
    }
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
    assert_int_equal(handled_by_engine, 0);
}

/* ---- a disk that is full -------------------------------------------------------------------- */

static void limit_files(rlim_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_is_told_to_callers_and_forgotten_when_there_is_space(void **state)
{
    enum { SIZE = 20000, STARTS_TRIED = 200, REFUSALS = 5 };
    static char text[SIZE];
    static pd_id ids[STARTS_TRIED];
    struct kit *kit = *state;
    served_skip("the disk is that of the server's process");
    pd_error err;
    int started = 0, refused = 0;
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    memset(text, 'x', SIZE - 1);
    kit_work(kit);
    kit_start(kit, "Sleep", pd_of_int(300), "sleeper", NULL);
    limit_files(600000);
    for (int i = 0; i < STARTS_TRIED && refused < REFUSALS; i++) {
        pd_status status = pd_hub_start(kit->hub, "Echo", text, NULL, &ids[started], &err);
        if (status == PD_OK) {
            started++;
        } else {
            assert_int_equal(status, PD_E_UNAVAILABLE);
            assert_true(err.retryable);
            refused++;
        }
    }
    limit_files(RLIM_INFINITY);
    (void)signal(SIGXFSZ, before);
    assert_int_equal(refused, REFUSALS);
    assert_true(started > 0);
    for (int i = 0; pd_hub_start(kit->hub, "Echo", text, NULL, NULL, &err) != PD_OK; i++) {
        assert_true(i < 2000);
        kit_sleep_ms(5);
    }
    for (int i = 0; i < started; i++) {
        pd_instance_free(kit_wait(kit, ids[i].text));
    }
    pd_instance_free(kit_wait(kit, "sleeper"));
}

/* ---- many at once ---------------------------------------------------------------------------- */

static void sixty_four_partitions_share_one_hub(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static pd_id ids[COUNT];
    pd_error err;
    struct kit kit = { .url = "memory:?partitions=64" };
    kit.hub = pd_hub_open(kit.url, &err);
    assert_non_null(kit.hub);
    kit_work(&kit);
    assert_int_equal(pd_hub_start_many(kit.hub, "Echo", COUNT, NULL, ids, &err), PD_OK);
    for (int i = 0; i < COUNT; i++) {
        pd_instance_free(kit_wait(&kit, ids[i].text));
    }
    pd_instance *fan = kit_run(&kit, "FanOut", pd_of_int(2000));
    assert_int_equal(pd_int(pd_instance_output(fan)), INT64_C(2664667000));
    pd_instance_free(fan);
    pd_worker_stop(kit.worker);
    pd_hub_close(kit.hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(activities_may_start_raise_and_wait_on_their_own_hub),
        HUB_TEST(an_orchestrator_that_uses_a_hub_is_told_so_instead_of_waiting_for_ever),
        HUB_TEST(what_was_started_ends_although_the_worker_came_and_went),
        HUB_TEST(waits_end_when_the_hub_is_closed_with_and_without_a_worker),
        HUB_TEST(a_worker_may_be_stopped_while_it_recovers),
        HUB_TEST(signals_are_not_handled_by_threads_that_serve_the_engine),
        cmocka_unit_test_setup_teardown(
            a_full_disk_is_told_to_callers_and_forgotten_when_there_is_space, kit_open_file,
            kit_close),
        cmocka_unit_test(sixty_four_partitions_share_one_hub),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
