/* SPDX-License-Identifier: MIT
 *
 * What only threads and a clock can break: wake-ups, who may be in the store beside whom, and what
 * a failed commit leaves in the queues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "chain_runner.h"
#include "engine/engine.h"
#include "engine/partition.h"
#include "flaky_store.h"
#include "wire/wire.h"

enum { PATIENCE_MS = 20000 };

struct house {
    struct flaky_store store;
    struct chain_runner runner;
    struct engine *engine;
};

static void start_engine(struct house *house, unsigned activity_threads)
{
    pd_error err;
    struct engine_options options = { .activity_threads = activity_threads };
    house->engine = engine_start(&house->store.base, &house->runner.base, &options, &err);
    assert_non_null(house->engine);
}

static void open_house(struct house *house, const char *url, unsigned activity_threads)
{
    flaky_store_open(&house->store, url);
    chain_runner_init(&house->runner);
    start_engine(house, activity_threads);
}

static void close_house(struct house *house)
{
    engine_stop(house->engine, PATIENCE_MS);
    flaky_store_close(&house->store);
}

static pd_status start(struct house *house, const char *id, pd_error *err)
{
    struct start_command command = {
        .id = text_of(id), .name = TEXT("chain"), .input = TEXT("1"), .replaces = STATES_ENDED
    };
    return engine_start_instances(house->engine, &command, 1, NULL, err);
}

static bool is_ended(struct house *house, const char *id)
{
    struct arena arena;
    struct instance_record record;
    bool found = false;
    pd_error err;
    arena_init(&arena);
    struct store *store = house->store.real;
    assert_int_equal(
        store->ops->load_instance(store, text_of(id), 0, &arena, &record, &found, &err), PD_OK);
    bool has_ended = found && run_state_is_final(record.state);
    arena_done(&arena);
    return has_ended;
}

static void wait_ended(struct house *house, const char *id)
{
    for (int i = 0; i < PATIENCE_MS && !is_ended(house, id); i++) {
        usleep(1000);
    }
    assert_true(is_ended(house, id));
}

/* ---- wake-ups -------------------------------------------------------------------------------- */

static void mail_start(struct house *house, const char *id)
{
    pd_error err;
    struct buffer buffer;
    struct event event = { .kind = EVENT_EXECUTION_STARTED,
                           .id = EVENT_NO_ID,
                           .ref = EVENT_NO_ID,
                           .at = 1,
                           .name = TEXT("chain"),
                           .instance_id = text_of(id),
                           .execution_id = TEXT("00000000000000000000000000000001") };
    buffer_init(&buffer);
    wire_write_event(&buffer, &event);
    struct message message = { .kind = MESSAGE_START,
                               .instance_id = text_of(id),
                               .bytes = buffer_text(&buffer) };
    struct store *store = house->store.real;
    assert_int_equal(store->ops->accept(store, &message, 1, &err), PD_OK);
    buffer_done(&buffer);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* How long a timer that is due takes to fire when the window waits for the batch that the mail
 * made, and no other news comes after it. */
static int64_t time_of_overdue_timer(void)
{
    struct house house;
    pd_error err;
    open_house(&house, "memory:", 1);
    assert_int_equal(start(&house, "T:sleeps", &err), PD_OK);
    engine_stop(house.engine, PATIENCE_MS);
    usleep(1001000);
    mail_start(&house, "E:waits for an event");
    house.store.is_woken = false;
    house.store.is_deaf = true;
    int64_t began = now_ms();
    start_engine(&house, 1);
    wait_ended(&house, "T:sleeps");
    int64_t took = now_ms() - began;
    close_house(&house);
    return took;
}

/* Nothing is lost for ever, as a pump looks up after a second of rest: so that is the measure. One
 * good try shows that it need not wait so long. */
static void what_waits_for_a_commit_goes_on_when_the_partition_made_it_itself(void **state)
{
    (void)state;
    int64_t took = time_of_overdue_timer();
    for (int i = 0; i < 3 && took >= 900; i++) {
        took = time_of_overdue_timer();
    }
    assert_in_range(took, 0, 899);
}

/* A critical section of two entities: seven turns, each of which waits for the one before. */
static void turns_that_answer_each_other_share_a_commit(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:", 1);
    int before = house.store.commits;
    assert_int_equal(start(&house, "Q:@a@x,@a@y", &err), PD_OK);
    wait_ended(&house, "Q:@a@x,@a@y");
    assert_true(house.runner.operations == 2 && house.runner.turns > 3);
    assert_in_range(house.store.commits - before, 1, 2);
    close_house(&house);
}

/* ---- one at a time in the store -------------------------------------------------------------- */

struct client {
    struct house *house;
    _Atomic bool is_over;
};

static void *start_for_ever(void *argument)
{
    struct client *client = argument;
    char id[32];
    for (int i = 0; !client->is_over; i++) {
        pd_error err;
        snprintf(id, sizeof id, "E:%d", i);
        (void)start(client->house, id, &err);
    }
    return NULL;
}

static void a_partition_that_begins_again_is_alone_in_the_store(void **state)
{
    (void)state;
    struct house house;
    open_house(&house, "memory:?partitions=4", 1);
    house.store.dwell_us = 500;
    pthread_t threads[4];
    struct client client = { .house = &house };
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, start_for_ever, &client), 0);
    }
    for (int i = 0; i < 20; i++) {
        house.store.commits_to_fail = 1;
        usleep(25000);
    }
    client.is_over = true;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(house.store.commits > 0);
    assert_int_equal(house.store.overlaps, 0);
    close_house(&house);
}

/* ---- beginning again ------------------------------------------------------------------------- */

static void activities_that_wait_for_a_thread_are_not_doubled_by_a_failed_commit(void **state)
{
    (void)state;
    enum { COUNT = 10 };
    struct house house;
    char id[32];
    pd_error err;
    open_house(&house, "memory:", 1);
    house.runner.is_gate_shut = true;
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "1:%d", i);
        assert_int_equal(start(&house, id, &err), PD_OK);
    }
    house.store.commits_to_fail = 1;
    assert_int_equal(start(&house, "E:fails", &err), PD_E_UNAVAILABLE);
    while (start(&house, "E:goes well", &err) != PD_OK) {
        usleep(1000);
    }
    house.runner.is_gate_shut = false;
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "1:%d", i);
        wait_ended(&house, id);
    }
    close_house(&house);
    /* The one that was running may run again, as may any after a crash. */
    assert_in_range(house.runner.activities_run, COUNT, COUNT + 1);
}

static void results_that_came_while_the_store_failed_are_not_asked_for_again(void **state)
{
    (void)state;
    enum { COUNT = 10 };
    struct house house;
    char id[32];
    pd_error err;
    open_house(&house, "memory:", COUNT);
    house.runner.is_gate_shut = true;
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "1:%d", i);
        assert_int_equal(start(&house, id, &err), PD_OK);
    }
    while (house.runner.activities_begun < COUNT) {
        usleep(1000);
    }
    house.store.owns_to_fail = -1;
    house.store.commits_to_fail = 1;
    assert_int_equal(start(&house, "E:fails", &err), PD_E_UNAVAILABLE);
    house.runner.is_gate_shut = false;
    while (house.runner.activities_run < COUNT) {
        usleep(1000);
    }
    usleep(10000); /* until the results lie in the queue */
    house.store.owns_to_fail = 0;
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "1:%d", i);
        wait_ended(&house, id);
    }
    close_house(&house);
    assert_int_equal(house.runner.activities_run, COUNT);
}

/* Else it would be tried for ever, and every batch it is in would fail. */
static void a_turn_that_no_store_could_keep_ends_its_instance_and_no_other(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    open_house(&house, "memory:", 1);
    assert_int_equal(start(&house, "L:too large", &err), PD_OK);
    assert_int_equal(start(&house, "1:beside it", &err), PD_OK);
    wait_ended(&house, "L:too large");
    wait_ended(&house, "1:beside it");
    assert_int_equal(house.runner.activities_run, 1);
    close_house(&house);
}

static void a_clock_set_back_does_not_keep_a_partition_down(void **state)
{
    (void)state;
    const time_us now = 1000000 * TIME_SECOND;
    struct flaky_store store;
    struct chain_runner runner;
    pd_error err;
    flaky_store_open(&store, "memory:");
    chain_runner_init(&runner);
    struct partition_options options = { .store = &store.base, .runner = &runner.base };
    struct partition *partition = partition_new(&options, now, &err);
    assert_non_null(partition);
    /* Its first look at the store fails: it is to look again in a moment. */
    struct latch latch;
    struct start_command item = {
        .id = TEXT("E:a"), .execution_id = TEXT("x"), .name = TEXT("chain"), .is_fresh = true
    };
    pd_status fate;
    struct command command = { .kind = COMMAND_START, .latch = &latch, .error = &err };
    command.as.start.items = &item;
    command.as.start.count = 1;
    command.as.start.statuses = &fate;
    latch_init(&latch, 1);
    partition_apply(partition, now, &command);
    struct work *work = partition_cut(partition);
    assert_non_null(work);
    work->status = PD_E_UNAVAILABLE;
    work->error = (pd_error){ .status = PD_E_UNAVAILABLE };
    work_answer(work);
    latch_wait(&latch);
    latch_done(&latch);
    partition_committed(partition, now, work);
    assert_true(partition_counters(partition).is_down);
    assert_false(partition_is_to_own(partition, now));
    (void)partition_run(partition, now - 3600 * TIME_SECOND);
    assert_false(partition_counters(partition).is_down);
    partition_free(partition);
    flaky_store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_for_a_commit_goes_on_when_the_partition_made_it_itself),
        cmocka_unit_test(turns_that_answer_each_other_share_a_commit),
        cmocka_unit_test(a_partition_that_begins_again_is_alone_in_the_store),
        cmocka_unit_test(activities_that_wait_for_a_thread_are_not_doubled_by_a_failed_commit),
        cmocka_unit_test(results_that_came_while_the_store_failed_are_not_asked_for_again),
        cmocka_unit_test(a_turn_that_no_store_could_keep_ends_its_instance_and_no_other),
        cmocka_unit_test(a_clock_set_back_does_not_keep_a_partition_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
