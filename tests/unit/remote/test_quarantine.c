/* SPDX-License-Identifier: MIT
 *
 * Worker processes that user code ends, and worker processes that somebody kills, each with much in
 * hand: the first is quarantined, the second harms nobody. And a server that ends waits for what
 * its workers have begun.
 *
 * What was run is left in files of the bed's folder, a byte for each run. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bed.h"

enum { INNOCENTS = 100 };

/* ---- the program ----------------------------------------------------------------------------- */

static char runs_path[128], long_path[128];

static void leave_byte(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0 || write(file, "x", 1) != 1 || close(file) != 0) {
        _exit(2);
    }
}

static int count_bytes(const char *path)
{
    struct stat file;
    return stat(path, &file) == 0 ? (int)file.st_size : 0;
}

/* Whoever is asked for -1 ends the process, and the others are slow enough to be in hand then. */
static pd_result act(pd_activity *a, pd_value n)
{
    if (pd_int(n) < 0) {
        leave_byte(runs_path);
        _exit(77);
    }
    bed_sleep_ms(2);
    return pd_ok(a, n);
}

static pd_result flow(pd_orchestration *o, pd_value n)
{
    pd_task *task = pd_start_activity(o, act, n);
    if (pd_wait(o, task)) {
        return pd_ok(o, pd_task_value(task));
    }
    return pd_ok(o, PD_ARR(pd_task_failure(task)->type));
}

static pd_result turn(pd_orchestration *o, pd_value n)
{
    if (pd_int(n) < 0) {
        leave_byte(runs_path);
        _exit(77);
    }
    return pd_ok(o, n);
}

static pd_result set(pd_entity *e, pd_value n)
{
    if (pd_int(n) < 0) {
        leave_byte(runs_path);
        _exit(77);
    }
    pd_set_state(e, n);
    return pd_ok(e, n);
}

static const pd_operation operations[] = { { "set", set } };

/* Half a second at work, in 50 steps that can be told from a wait. */
static pd_result labour(pd_activity *a, pd_value n)
{
    leave_byte(long_path);
    for (int i = 0; i < 50; i++) {
        bed_sleep_ms(10);
    }
    return pd_ok(a, n);
}

static pd_result labours(pd_orchestration *o, pd_value n)
{
    return pd_ok(o, pd_call_activity(o, labour, n));
}

static const pd_function program[] = {
    PD_FUNCTION("Act", act),       PD_FUNCTION("Flow", flow),
    PD_FUNCTION("Turn", turn),     PD_ENTITY_TABLE("Kept", operations),
    PD_FUNCTION("Labour", labour), PD_FUNCTION("Labours", labours),
};

/* ---- lives ----------------------------------------------------------------------------------- */

static void set_paths(const struct bed *bed)
{
    snprintf(runs_path, sizeof runs_path, "%s/runs", bed->folder);
    snprintf(long_path, sizeof long_path, "%s/long", bed->folder);
}

static int close_bed(void **state)
{
    unlink(runs_path);
    unlink(long_path);
    return bed_close(state);
}

static pid_t fork_worker(const struct bed *bed)
{
    return bed_fork_worker(bed, PD_PROGRAM(program), 2);
}

/* All but the one in the middle, which is -1. */
static void start_all(const struct bed *bed, const char *name)
{
    pd_error err;
    pd_hub *hub = bed_hub(bed);
    for (int64_t i = 0; i < INNOCENTS + 1; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%d", (int)i);
        const pd_start_options options = { .id = i == INNOCENTS / 2 ? "guilty" : id };
        pd_value input = pd_of_int(i == INNOCENTS / 2 ? -1 : i);
        assert_int_equal(pd_hub_start(hub, name, input, &options, NULL, &err), PD_OK);
    }
    pd_hub_close(hub);
}

/* Of workers that come one after the other until one lives on; how many died. */
static int live_until_it_lives(const struct bed *bed, pid_t *ret)
{
    for (int deaths = 0;; deaths++) {
        int result = 0;
        pid_t process = fork_worker(bed);
        for (int i = 0; i < 300 && waitpid(process, &result, WNOHANG) == 0; i++) {
            bed_sleep_ms(10); /* longer than lost work waits */
        }
        if (kill(process, 0) == 0) {
            *ret = process;
            return deaths;
        }
        assert_true(WIFEXITED(result));
        assert_int_equal(WEXITSTATUS(result), 77);
        assert_true(deaths < 10);
    }
}

static void expect_innocents(pd_hub *hub)
{
    for (int i = 0; i < INNOCENTS + 1; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%d", i);
        if (i != INNOCENTS / 2) {
            bed_expect_end(hub, id, i);
        }
    }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void an_activity_that_kills_is_found_among_a_hundred(void **state)
{
    struct bed *bed = *state;
    pd_error err;
    pid_t last;
    set_paths(bed);
    start_all(bed, "Flow");
    assert_int_equal(live_until_it_lives(bed, &last), 3);
    pd_hub *hub = bed_hub(bed);
    expect_innocents(hub);
    pd_instance *i = pd_hub_wait(hub, "guilty", pd_seconds(30), &err);
    assert_non_null(i);
    assert_string_equal(pd_instance_output_json(i), "[\"Quarantined\"]");
    pd_instance_free(i);
    assert_int_equal(count_bytes(runs_path), 3);
    bed_kill(last);
    pd_hub_close(hub);
}

static void an_orchestrator_that_kills_is_suspended_and_a_hundred_go_on(void **state)
{
    struct bed *bed = *state;
    pd_error err;
    pid_t last;
    set_paths(bed);
    start_all(bed, "Turn");
    assert_int_equal(live_until_it_lives(bed, &last), 3);
    pd_hub *hub = bed_hub(bed);
    expect_innocents(hub);
    pd_instance *i = pd_hub_fetch(hub, "guilty", &err);
    assert_non_null(i);
    assert_int_equal(pd_instance_state(i), PD_RUN_SUSPENDED);
    assert_string_equal(pd_instance_failure(i)->type, "Quarantined");
    pd_instance_free(i);
    assert_int_equal(count_bytes(runs_path), 3);
    bed_kill(last);
    pd_hub_close(hub);
}

static void an_operation_that_kills_fails_and_a_hundred_entities_keep_their_states(void **state)
{
    struct bed *bed = *state;
    pd_error err;
    pid_t last;
    set_paths(bed);
    pd_hub *hub = bed_hub(bed);
    for (int64_t i = 0; i < INNOCENTS; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", (int)i);
        assert_int_equal(pd_hub_signal_entity(hub, PD_ENTITY("Kept", key), "set",
                                              pd_of_int(i == INNOCENTS / 2 ? -1 : i), NULL, NULL,
                                              &err),
                         PD_OK);
    }
    pd_hub_close(hub);
    assert_int_equal(live_until_it_lives(bed, &last), 3);
    hub = bed_hub(bed);
    for (int64_t i = 0; i < INNOCENTS; i++) {
        char key[16];
        pd_entity_view *view = NULL;
        snprintf(key, sizeof key, "%d", (int)i);
        for (int wait = 0; wait < 1000; wait++) {
            view = pd_hub_fetch_entity(hub, PD_ENTITY("Kept", key), &err);
            if (i == INNOCENTS / 2 || (view != NULL && pd_entity_view_has_state(view))) {
                break;
            }
            pd_entity_view_free(view);
            bed_sleep_ms(5);
        }
        assert_true(i == INNOCENTS / 2 || view != NULL);
        pd_entity_view_free(view);
    }
    assert_int_equal(count_bytes(runs_path), 3);
    bed_kill(last);
    pd_hub_close(hub);
}

/* Each life is long enough to begin and end some of what was in hand. */
static void workers_that_are_killed_with_a_hundred_in_hand_harm_none_of_them(void **state)
{
    struct bed *bed = *state;
    set_paths(bed);
    pd_hub *hub = bed_hub(bed);
    pd_error err;
    for (int i = 0; i < INNOCENTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%d", i);
        const pd_start_options options = { .id = id };
        assert_int_equal(pd_hub_start(hub, "Flow", pd_of_int(i), &options, NULL, &err), PD_OK);
    }
    pd_hub_close(hub);
    for (int life = 0; life < 6; life++) {
        pid_t process = fork_worker(bed);
        bed_sleep_ms(60 + 10 * life); /* less than all of it takes */
        bed_kill(process);
        bed_sleep_ms(750); /* lost work waits so long */
    }
    pid_t last = fork_worker(bed);
    hub = bed_hub(bed);
    for (int i = 0; i < INNOCENTS; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%d", i);
        bed_expect_end(hub, id, i);
    }
    bed_kill(last);
    pd_hub_close(hub);
}

/* 2 of 40 run, for half a second; the rest is given back, or all of them would take ten. */
static void a_server_that_ends_waits_for_what_its_workers_have_begun(void **state)
{
    struct bed *bed = *state;
    enum { COUNT = 40 };
    struct timespec from, to;
    pd_error err;
    pd_id ids[COUNT];
    pd_value inputs[COUNT];
    set_paths(bed);
    memset(ids, 0, sizeof ids);
    for (int i = 0; i < COUNT; i++) {
        inputs[i] = pd_of_int(i);
    }
    pid_t worker = fork_worker(bed);
    pd_hub *hub = bed_hub(bed);
    assert_int_equal(pd_hub_start_many(hub, "Labours", COUNT, inputs, ids, &err), PD_OK);
    pd_hub_close(hub);
    for (int i = 0; i < 1000 && count_bytes(long_path) < 2; i++) {
        bed_sleep_ms(5);
    }
    int begun = count_bytes(long_path);
    assert_int_equal(begun, 2);
    clock_gettime(CLOCK_MONOTONIC, &from);
    served_stop(&bed->server);
    clock_gettime(CLOCK_MONOTONIC, &to);
    int64_t ms = (int64_t)(to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    assert_true(ms > 100);
    assert_true(ms < 5000);
    assert_int_equal(count_bytes(long_path), begun); /* nothing was begun meanwhile */
    bed_kill(worker);
    hub = pd_hub_open(bed->store, &err); /* what was begun is there, and is not run again */
    assert_non_null(hub);
    pd_worker *embedded =
        pd_worker_start(hub, PD_PROGRAM(program), &(pd_worker_options){ .threads = COUNT }, &err);
    assert_non_null(embedded);
    for (int i = 0; i < COUNT; i++) {
        bed_expect_end(hub, ids[i].text, i);
    }
    assert_int_equal(count_bytes(long_path), COUNT);
    pd_worker_stop(embedded);
    pd_hub_close(hub);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_open, close_bed)
    bed_find_programs();
    const struct CMUnitTest tests[] = {
        TEST(an_activity_that_kills_is_found_among_a_hundred),
        TEST(an_orchestrator_that_kills_is_suspended_and_a_hundred_go_on),
        TEST(an_operation_that_kills_fails_and_a_hundred_entities_keep_their_states),
        TEST(workers_that_are_killed_with_a_hundred_in_hand_harm_none_of_them),
        TEST(a_server_that_ends_waits_for_what_its_workers_have_begun),
    };
    return cmocka_run_group_tests_name("remote/quarantine", tests, NULL, NULL);
}
