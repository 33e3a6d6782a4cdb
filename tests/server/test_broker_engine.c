/* SPDX-License-Identifier: MIT
 *
 * A broker between a real engine and workers, in one process, without a network: the test's thread
 * is the loop, and plays the workers. One is ours (the author room behind streams that carry our
 * dialect), the other is as SDKs are: it gets the whole past each time and keeps nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "broker_workers.h"
#include "store/store.h"
#include "unit/engine/flaky_store.h"

enum { PATIENCE_S = 60, PARTITIONS = 2 };

/* ---- what is run: ours ----------------------------------------------------------------------- */

static size_t hellos;

static pd_result say_hello(pd_activity *a, pd_value n)
{
    hellos++;
    return pd_ok(a, pd_int(n) + 1);
}

static pd_result hello5(pd_orchestration *o, pd_value input)
{
    pd_value n = input;
    for (int i = 0; i < 5; i++) {
        n = pd_call_activity(o, say_hello, n);
    }
    return pd_ok(o, n); /* 5 more than it was given */
}

static pd_result fan(pd_orchestration *o, pd_value input)
{
    enum { WIDTH = 50 };
    pd_task *tasks[WIDTH];
    int64_t sum = 0;
    for (int i = 0; i < WIDTH; i++) {
        tasks[i] = pd_start_activity(o, say_hello, input);
    }
    pd_await_all(o, tasks, WIDTH);
    for (int i = 0; i < WIDTH; i++) {
        sum += pd_int(pd_task_value(tasks[i]));
    }
    return pd_ok(o, sum); /* 50 */
}

static pd_result counter(pd_entity *e, pd_value input)
{
    int64_t n = pd_int(pd_state(e)) + pd_int(input);
    pd_set_state(e, n);
    return pd_ok(e, n);
}

static pd_result visit(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_value n = PD_NULL;
    for (int i = 0; i < 4; i++) {
        n = pd_call_entity(o, PD_ENTITY("counter", pd_instance_id(o)), "add", 2);
    }
    return pd_ok(o, n); /* 8 */
}

static pd_result again(pd_orchestration *o, pd_value input)
{
    int64_t n = pd_int(pd_call_activity(o, say_hello, input));
    pd_sleep(o, pd_milliseconds(1));
    return n < 4 ? pd_continue_as_new(o, n) : pd_ok(o, n); /* 4 */
}

static pd_result parent(pd_orchestration *o, pd_value input)
{
    int64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        sum += pd_int(pd_call_child(o, hello5, input));
    }
    return pd_ok(o, sum); /* 15 */
}

static const pd_function program[] = {
    PD_FUNCTION("hello5", hello5),   PD_FUNCTION("fan", fan),       PD_FUNCTION("visit", visit),
    PD_FUNCTION("again", again),     PD_FUNCTION("parent", parent), PD_FUNCTION("say", say_hello),
    PD_FUNCTION("counter", counter),
};

/* What becomes of each with the input 0. */
static const struct kind {
    const char *name, *output;
} kinds[] = {
    { "hello5", "5" }, { "fan", "50" }, { "visit", "8" }, { "again", "4" }, { "parent", "15" }
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* ---- the house ------------------------------------------------------------------------------- */

struct house {
    struct flaky_store flaky;
    struct store *store; /* the same */
    struct broker *broker;
    struct engine *engine;
    struct played_worker worker, other;
    pthread_mutex_t mutex;
    pthread_cond_t awake;
    bool is_posted;
    time_us wake_at;
    _Atomic size_t ended;
    size_t begun;
    size_t waiting_max, activity_bytes, residents_max; /* 0: as usual */
};

static struct house house;

static time_us steady(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (time_us)now.tv_sec * TIME_SECOND + now.tv_nsec / 1000;
}

static void post(void *argument)
{
    struct house *h = argument;
    pthread_mutex_lock(&h->mutex);
    h->is_posted = true;
    pthread_cond_signal(&h->awake);
    pthread_mutex_unlock(&h->mutex);
}

static void wake_at(void *argument, time_us at)
{
    ((struct house *)argument)->wake_at = at;
}

static void begun(void *argument, struct text instance_id)
{
    assert_true(instance_id.size > 0);
    ((struct house *)argument)->begun++;
}

static void ended(void *argument, const struct ending *endings)
{
    struct house *h = argument;
    for (; endings != NULL; endings = endings->next) {
        if (endings->instance_id.at[0] == '#') { /* not the children */
            atomic_fetch_add(&h->ended, 1);
        }
    }
}

static void start_engine(void)
{
    pd_error err;
    house.broker = broker_new(&(struct broker_options){ .partition_count = PARTITIONS,
                                                        .post = post,
                                                        .wake_at = wake_at,
                                                        .argument = &house,
                                                        .begun = begun,
                                                        .waiting_max = house.waiting_max,
                                                        .activity_bytes = house.activity_bytes,
                                                        .lost_delay_us = 20 * TIME_MS });
    house.engine = engine_start(house.store, broker_runner(house.broker),
                                &(struct engine_options){ .ended = ended,
                                                          .ended_argument = &house,
                                                          .residents_max = house.residents_max },
                                &err);
    assert_non_null(house.engine);
    broker_set_engine(house.broker, house.engine);
}

static void stop_engine(void)
{
    engine_stop(house.engine, 0);
    broker_set_engine(house.broker, NULL);
    played_hang_up(&house.worker);
    played_hang_up(&house.other);
    broker_free(house.broker);
}

static int open_with(size_t waiting_max, size_t activity_bytes, size_t residents_max)
{
    memset(&house, 0, sizeof house);
    house.waiting_max = waiting_max;
    house.activity_bytes = activity_bytes;
    house.residents_max = residents_max;
    played = (struct played_counts){ 0 };
    pthread_mutex_init(&house.mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&house.awake, &attributes);
    pthread_condattr_destroy(&attributes);
    house.wake_at = TIME_NEVER;
    flaky_store_open(&house.flaky, "memory:?partitions=2");
    house.store = &house.flaky.base;
    start_engine();
    return 0;
}

static int open_house(void **state)
{
    (void)state;
    return open_with(0, 0, 0);
}

/* Nearly all that waits does so in the store. */
static int open_small(void **state)
{
    (void)state;
    return open_with(3, 4000, 16);
}

static int close_house(void **state)
{
    (void)state;
    stop_engine();
    flaky_store_close(&house.flaky);
    pthread_mutex_destroy(&house.mutex);
    pthread_cond_destroy(&house.awake);
    return 0;
}

static void connect(struct played_worker *worker, const struct broker_stream_options *options)
{
    played_connect(worker, house.broker, options, PD_PROGRAM(program));
}

/* ---- the loop ----------------------------------------------------------------------------- */

static bool wait_for_post(bool is_idle)
{
    pthread_mutex_lock(&house.mutex);
    if (!house.is_posted && is_idle) {
        struct timespec until;
        time_us by = steady() + 10 * TIME_MS;
        by = house.wake_at < by ? house.wake_at : by;
        until.tv_sec = (time_t)(by / TIME_SECOND);
        until.tv_nsec = (long)(by % TIME_SECOND) * 1000;
        (void)pthread_cond_timedwait(&house.awake, &house.mutex, &until);
    }
    bool is_posted = house.is_posted;
    house.is_posted = false;
    pthread_mutex_unlock(&house.mutex);
    return is_posted;
}

/* Runs the loop until so many have ended, or so many items more have been worked on. */
static void run(size_t ended_count, size_t items)
{
    time_us began = steady();
    size_t done = played.done;
    while (atomic_load(&house.ended) < ended_count && played.done - done < items) {
        assert_true(steady() < began + PATIENCE_S * TIME_SECOND);
        bool is_idle = house.worker.count == 0 && house.other.count == 0;
        if (wait_for_post(is_idle) || house.wake_at <= steady()) {
            house.wake_at = house.wake_at <= steady() ? TIME_NEVER : house.wake_at;
            broker_run(house.broker, steady());
        }
        played_work(&house.worker, 64);
        played_work(&house.other, 64);
    }
}

/* ---- what is asked for, and what came of it -------------------------------------------------- */

static void start(const char *name, size_t from, size_t count)
{
    pd_error err;
    char id[64];
    for (size_t i = from; i < from + count; i++) {
        (void)snprintf(id, sizeof id, "#%s-%zu", name, i);
        struct start_command command = { .id = text_of(id),
                                         .name = text_of(name),
                                         .input = TEXT("0") };
        assert_int_equal(engine_start_instances(house.engine, &command, 1, NULL, &err), PD_OK);
    }
}

static void assert_outputs(const char *name, const char *output, size_t count)
{
    struct arena arena;
    char id[64];
    pd_error err;
    arena_init(&arena);
    for (size_t i = 0; i < count; i++) {
        struct instance_record record;
        bool is_found = false;
        (void)snprintf(id, sizeof id, "#%s-%zu", name, i);
        assert_int_equal(house.store->ops->load_instance(house.store, text_of(id), 0, &arena,
                                                         &record, &is_found, &err),
                         PD_OK);
        assert_true(is_found);
        assert_string_equal(run_state_name(record.state), "Completed");
        assert_true(text_equal(record.output, text_of(output)));
    }
    arena_done(&arena);
}

static void start_all_kinds(size_t count)
{
    for (size_t i = 0; i < KINDS; i++) {
        start(kinds[i].name, 0, count);
    }
}

static void assert_all_kinds(size_t count)
{
    for (size_t i = 0; i < KINDS; i++) {
        assert_outputs(kinds[i].name, kinds[i].output, count);
    }
}

static const struct broker_stream_options ours = { .dialect = WORK_OURS, .turns_max = 50 };

/* ---- tests ----------------------------------------------------------------------------------- */

static void our_worker_runs_everything_there_is(void **state)
{
    enum { COUNT = 40 };
    (void)state;
    connect(&house.worker, &ours);
    start_all_kinds(COUNT);
    run(KINDS * COUNT, SIZE_MAX);
    assert_all_kinds(COUNT);
    assert_int_equal(played.refusals, 0);
    assert_true(house.begun >= KINDS * COUNT);
}

static void what_was_started_before_there_was_a_worker_is_run(void **state)
{
    enum { COUNT = 20 };
    (void)state;
    start_all_kinds(COUNT);
    run(1, 0);
    connect(&house.worker, &ours);
    run(KINDS * COUNT, SIZE_MAX);
    assert_all_kinds(COUNT);
}

static void a_worker_that_keeps_nothing_gets_the_whole_past_each_time(void **state)
{
    enum { COUNT = 40 };
    (void)state;
    connect(&house.worker, &(struct broker_stream_options){ .activities_max = 7 });
    start("sdk_chain", 0, COUNT);
    start("sdk_fan", 0, COUNT);
    run(2 * COUNT, SIZE_MAX);
    assert_outputs("sdk_chain", "5", COUNT);
    assert_outputs("sdk_fan", "20", COUNT);
    assert_int_equal(played.refusals, 0);
}

static void both_kinds_of_workers_get_what_they_can_run(void **state)
{
    enum { COUNT = 20, NAMES = 5 };
    (void)state;
    struct hub_orchestration_filter sdk_turns[] = { { .name = TEXT("sdk_chain") },
                                                    { .name = TEXT("sdk_fan") } };
    struct hub_activity_filter sdk_activities[] = { { .name = TEXT("sdk_say") } };
    struct hub_work_item_filters sdk = { .orchestrations = { sdk_turns, 2 },
                                         .activities = { sdk_activities, 1 } };
    struct hub_orchestration_filter our_turns[NAMES] = { 0 };
    for (size_t i = 0; i < NAMES; i++) {
        our_turns[i].name = text_of(kinds[i].name);
    }
    struct hub_activity_filter our_activities[] = { { .name = TEXT("say") } };
    struct hub_entity_filter our_entities[] = { { .name = TEXT("Counter") } };
    struct hub_work_item_filters our = { .orchestrations = { our_turns, NAMES },
                                         .activities = { our_activities, 1 },
                                         .entities = { our_entities, 1 } };
    connect(&house.worker, &(struct broker_stream_options){ .filters = &sdk });
    connect(&house.other, &(struct broker_stream_options){ .dialect = WORK_OURS, .filters = &our });
    start_all_kinds(COUNT);
    start("sdk_chain", 0, COUNT);
    start("sdk_fan", 0, COUNT);
    run((KINDS + 2) * COUNT, SIZE_MAX);
    assert_all_kinds(COUNT);
    assert_outputs("sdk_chain", "5", COUNT);
    assert_outputs("sdk_fan", "20", COUNT);
}

static void workers_die_and_others_go_on(void **state)
{
    enum { COUNT = 20 };
    (void)state;
    connect(&house.worker, &ours);
    connect(&house.other, &ours);
    start_all_kinds(COUNT);
    for (int i = 0; i < 30; i++) {
        struct played_worker *worker = i % 2 == 0 ? &house.worker : &house.other;
        run(KINDS * COUNT, 60);
        played_hang_up(worker);
        connect(worker, &ours);
    }
    run(KINDS * COUNT, SIZE_MAX);
    assert_all_kinds(COUNT);
}

static void sdk_workers_die_and_others_go_on(void **state)
{
    enum { COUNT = 40 };
    (void)state;
    connect(&house.worker, &(struct broker_stream_options){ 0 });
    start("sdk_chain", 0, COUNT);
    start("sdk_fan", 0, COUNT);
    for (int i = 0; i < 20; i++) {
        run(2 * COUNT, 40);
        played_hang_up(&house.worker);
        connect(&house.worker, &(struct broker_stream_options){ 0 });
    }
    run(2 * COUNT, SIZE_MAX);
    assert_outputs("sdk_chain", "5", COUNT);
    assert_outputs("sdk_fan", "20", COUNT);
}

static void the_engine_is_stopped_in_the_middle_and_goes_on(void **state)
{
    enum { COUNT = 20 };
    (void)state;
    connect(&house.worker, &ours);
    start_all_kinds(COUNT);
    for (int i = 0; i < 8; i++) {
        run(KINDS * COUNT, 100);
        stop_engine();
        start_engine();
        connect(&house.worker, &ours);
    }
    run(KINDS * COUNT, SIZE_MAX);
    assert_all_kinds(COUNT);
}

/* A partition whose commit failed begins again: what was out of it is over, what it has is offered
 * anew. Of what was not durable nothing is left, and nothing that was durable happens twice. */
static void commits_fail_and_all_goes_on(void **state)
{
    enum { COUNT = 20 };
    (void)state;
    connect(&house.worker, &ours);
    start_all_kinds(COUNT);
    for (int i = 0; i < 12; i++) {
        run(KINDS * COUNT, 50);
        atomic_store(&house.flaky.commits_to_fail, 1 + i % 2);
    }
    run(KINDS * COUNT, SIZE_MAX);
    assert_all_kinds(COUNT);
}

static void commits_fail_under_sdk_workers(void **state)
{
    enum { COUNT = 40 };
    (void)state;
    connect(&house.worker, &(struct broker_stream_options){ 0 });
    start("sdk_chain", 0, COUNT);
    start("sdk_fan", 0, COUNT);
    for (int i = 0; i < 12; i++) {
        run(2 * COUNT, 60);
        atomic_store(&house.flaky.commits_to_fail, 1 + i % 2);
    }
    run(2 * COUNT, SIZE_MAX);
    assert_outputs("sdk_chain", "5", COUNT);
    assert_outputs("sdk_fan", "20", COUNT);
}

/* Loops until so many turns, or activities, are in the store only. */
static void run_until_aside(int kind, size_t count)
{
    for (time_us began = steady(); broker_counters(house.broker).aside[kind] < count;) {
        assert_true(steady() < began + PATIENCE_S * TIME_SECOND);
        if (wait_for_post(house.worker.count == 0)) {
            broker_run(house.broker, steady());
        }
        played_work(&house.worker, 64);
    }
}

/* What waits makes do with little memory: what is left of it is called back, and lost by nobody. */
static void what_was_left_in_the_store_is_called_back(void **state)
{
    enum { COUNT = 100 };
    (void)state;
    start("hello5", 0, COUNT);
    start("visit", 0, COUNT);
    run_until_aside(0, COUNT);
    connect(&house.worker, &ours);
    run(2 * COUNT, SIZE_MAX);
    assert_outputs("hello5", "5", COUNT);
    assert_outputs("visit", "8", COUNT);
    assert_int_equal(broker_counters(house.broker).aside[0], 0);
}

static void connect_turns_only(void)
{
    struct hub_orchestration_filter turns[] = { { .name = TEXT("hello5") },
                                                { .name = TEXT("fan") } };
    connect(&house.worker,
            &(struct broker_stream_options){
                .dialect = WORK_OURS,
                .filters = &(struct hub_work_item_filters){ .orchestrations = { turns, 2 } } });
}

/* Its partition begins again. */
static void fail_a_commit(void)
{
    pd_error err;
    struct start_command command = { .id = TEXT("#none"), .name = TEXT("none") };
    atomic_store(&house.flaky.commits_to_fail, 1);
    assert_int_not_equal(engine_start_instances(house.engine, &command, 1, NULL, &err), PD_OK);
}

/* Who runs activities is down while all the rest goes on; while they wait the engine is stopped,
 * and a commit fails. Each of them runs once. */
static void activities_wait_in_the_store_for_a_worker_that_comes_late(void **state)
{
    enum { COUNT = 200, FAN = 50, IN_MEMORY = 5 };
    (void)state;
    hellos = 0;
    connect_turns_only();
    start("hello5", 0, COUNT);
    start("fan", 0, 2);
    run_until_aside(2, COUNT + 2 * FAN - IN_MEMORY);
    stop_engine();
    start_engine();
    run_until_aside(2, COUNT + 2 * FAN - IN_MEMORY);
    connect_turns_only();
    fail_a_commit();
    run_until_aside(2, COUNT + 2 * FAN - IN_MEMORY);
    assert_int_equal(hellos, 0);
    connect(&house.other, &ours);
    run(COUNT + 2, SIZE_MAX);
    assert_outputs("hello5", "5", COUNT);
    assert_outputs("fan", "50", 2);
    assert_int_equal(hellos, 5 * COUNT + 2 * FAN);
    assert_int_equal(broker_counters(house.broker).aside[2], 0);
}

/* What becomes of their instances meanwhile: ended, suspended, started again under the same id. */
static void what_waits_in_the_store_is_what_is_wanted_when_its_worker_comes(void **state)
{
    enum { COUNT = 60, IN_MEMORY = 5 };
    (void)state;
    hellos = 0;
    connect_turns_only();
    start("hello5", 0, COUNT);
    run_until_aside(2, COUNT - IN_MEMORY);
    for (size_t i = 0; i < COUNT; i += 3) {
        char id[32];
        pd_error err;
        (void)snprintf(id, sizeof id, "#hello5-%zu", i);
        struct event event = { .kind = EVENT_EXECUTION_TERMINATED,
                               .id = EVENT_NO_ID,
                               .ref = EVENT_NO_ID,
                               .payload = TEXT("\"enough\"") };
        struct letter letter = { .kind = MESSAGE_TERMINATE,
                                 .instance_id = text_of(id),
                                 .event = &event };
        assert_int_equal(engine_tell(house.engine, &letter, 1, NULL, &err), PD_OK);
        if (i % 2 == 0) {
            struct start_command command = { .id = text_of(id),
                                             .name = TEXT("hello5"),
                                             .input = TEXT("0"),
                                             .replaces = STATES_ENDED };
            assert_int_equal(engine_start_instances(house.engine, &command, 1, NULL, &err), PD_OK);
        }
    }
    connect(&house.other, &ours);
    /* Twenty ended by force; of these ten run anew, as the other forty do. */
    run(COUNT / 3 + COUNT / 6 + COUNT * 2 / 3, SIZE_MAX);
    assert_int_equal(hellos, 5 * (COUNT / 6 + COUNT * 2 / 3));
    for (time_us began = steady(); broker_counters(house.broker).aside[2] != 0;) {
        assert_true(steady() < began + PATIENCE_S * TIME_SECOND);
        (void)wait_for_post(true);
        broker_run(house.broker, steady());
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_house, close_house)
#define SMALL(name)                                                    \
    {                                                                  \
#name "_in_little_memory", name, open_small, close_house, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(our_worker_runs_everything_there_is),
        TEST(what_was_started_before_there_was_a_worker_is_run),
        TEST(a_worker_that_keeps_nothing_gets_the_whole_past_each_time),
        TEST(both_kinds_of_workers_get_what_they_can_run),
        TEST(workers_die_and_others_go_on),
        TEST(sdk_workers_die_and_others_go_on),
        TEST(commits_fail_and_all_goes_on),
        TEST(commits_fail_under_sdk_workers),
        TEST(the_engine_is_stopped_in_the_middle_and_goes_on),
        SMALL(what_was_left_in_the_store_is_called_back),
        SMALL(activities_wait_in_the_store_for_a_worker_that_comes_late),
        SMALL(what_waits_in_the_store_is_what_is_wanted_when_its_worker_comes),
        SMALL(our_worker_runs_everything_there_is),
        SMALL(what_was_started_before_there_was_a_worker_is_run),
        SMALL(a_worker_that_keeps_nothing_gets_the_whole_past_each_time),
        SMALL(both_kinds_of_workers_get_what_they_can_run),
        SMALL(workers_die_and_others_go_on),
        SMALL(sdk_workers_die_and_others_go_on),
        SMALL(commits_fail_and_all_goes_on),
        SMALL(commits_fail_under_sdk_workers),
        SMALL(the_engine_is_stopped_in_the_middle_and_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
