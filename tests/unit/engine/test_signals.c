/* SPDX-License-Identifier: MIT
 *
 * Signals to entities of an engine with its threads: many at once, of many threads, to many
 * entities, and what they cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"
#include "house.h"

/* Letters of signals, with all they point to. */
enum { PORTION = 1000 };
struct portion {
    struct letter letters[PORTION];
    struct event events[PORTION];
    char ids[PORTION][32], inputs[PORTION][8], requests[PORTION][16];
    pd_status statuses[PORTION];
};

static void write_signal(struct portion *portion, size_t at, const char *id, const char *operation,
                         unsigned input)
{
    (void)snprintf(portion->ids[at], sizeof portion->ids[at], "%s", id);
    (void)snprintf(portion->inputs[at], sizeof portion->inputs[at], "%u", input);
    (void)snprintf(portion->requests[at], sizeof portion->requests[at], "r%zu", at);
    portion->events[at] = (struct event){ .kind = EVENT_ENTITY_SIGNALED,
                                          .id = EVENT_NO_ID,
                                          .ref = EVENT_NO_ID,
                                          .name = text_of(operation),
                                          .payload = text_of(portion->inputs[at]),
                                          .request_id = text_of(portion->requests[at]) };
    portion->letters[at] = (struct letter){ .kind = MESSAGE_OPERATION,
                                            .instance_id = text_of(portion->ids[at]),
                                            .event = &portion->events[at] };
}

/* Until the operations that were accepted have been run and are durable. */
static void wait_state(struct house *house, const char *id, const char *wanted)
{
    char state[64] = "";
    for (int i = 0; i < PATIENCE_MS; i++) {
        if (house_has_entity(house, id, state) && strcmp(state, wanted) == 0) {
            return;
        }
        usleep(1000);
    }
    assert_string_equal(state, wanted);
}

static void a_thousand_signals_of_one_call_are_few_batches_and_all_count(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    struct portion *portion = calloc(1, sizeof *portion);
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    for (size_t i = 0; i < PORTION; i++) {
        write_signal(portion, i, "@sum@a", "add", 2);
    }
    assert_int_equal(engine_tell(house.engine, portion->letters, PORTION, NULL, &err), PD_OK);
    wait_state(&house, "@sum@a", "2000");
    assert_int_equal(house.runner.operations, PORTION);
    assert_in_range(house.runner.batches, 1, 2);
    assert_in_range(house.store.commits, 1, 3);
    house_close(&house);
    free(portion);
}

static void each_letter_of_a_call_has_its_own_fate(void **state)
{
    (void)state;
    struct house house;
    pd_error err;
    struct portion *portion = calloc(1, sizeof *portion);
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    static const char *const ids[] = { "@sum@a", "nobody", "@sum@b", "@@x", "@sum@" };
    static const pd_status wanted[] = { PD_OK, PD_E_INVALID, PD_OK, PD_E_INVALID, PD_OK };
    for (size_t i = 0; i < 5; i++) {
        write_signal(portion, i, ids[i], "add", 7);
    }
    assert_int_equal(engine_tell(house.engine, portion->letters, 5, portion->statuses, &err),
                     PD_E_INVALID);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(portion->statuses[i], wanted[i]);
    }
    struct start_command start = { .id = TEXT("@sum@a"), .name = TEXT("x") };
    assert_int_equal(engine_start_instances(house.engine, &start, 1, NULL, &err), PD_E_INVALID);
    start.is_fresh = true;
    assert_int_equal(engine_start_instances(house.engine, &start, 1, NULL, &err), PD_E_INVALID);
    wait_state(&house, "@sum@a", "7");
    wait_state(&house, "@sum@b", "7");
    wait_state(&house, "@sum@", "7");
    house_close(&house);
    free(portion);
}

/* ---- many senders ---------------------------------------------------------------------------- */

enum { SENDERS = 8, ROUNDS = 60, SHARED = 5 };

struct sender {
    pthread_t thread;
    struct house *house;
    unsigned number;
};

/* To an entity of its own its own digits in order, and something to those that all share. */
static void *send(void *argument)
{
    struct sender *sender = argument;
    pd_error err;
    struct portion *portion = calloc(1, sizeof *portion);
    char own[32], shared[32];
    (void)snprintf(own, sizeof own, "@log@%u", sender->number);
    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t count = 0;
        write_signal(portion, count++, own, "note", i % 10);
        for (unsigned k = 0; k < SHARED; k++) {
            (void)snprintf(shared, sizeof shared, "@sum@%u", (k + i) % SHARED);
            write_signal(portion, count++, shared, "add", 1);
        }
        assert_int_equal(engine_tell(sender->house->engine, portion->letters, count, NULL, &err),
                         PD_OK);
    }
    free(portion);
    return NULL;
}

static void signals_of_many_threads_all_count_and_each_ones_are_in_order(void **state)
{
    (void)state;
    struct house house;
    struct sender senders[SENDERS];
    char id[32], wanted[ROUNDS + 1], sum[16];
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){ .house = &house, .number = i };
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send, &senders[i]), 0);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
    }
    house_crash(&house); /* what was accepted is there, and run by whoever comes next */
    for (unsigned i = 0; i < ROUNDS; i++) {
        wanted[i] = (char)('0' + i % 10);
    }
    wanted[ROUNDS] = '\0';
    for (unsigned i = 0; i < SENDERS; i++) {
        (void)snprintf(id, sizeof id, "@log@%u", i);
        wait_state(&house, id, wanted);
    }
    (void)snprintf(sum, sizeof sum, "%d", SENDERS * ROUNDS);
    for (unsigned i = 0; i < SHARED; i++) {
        (void)snprintf(id, sizeof id, "@sum@%u", i);
        wait_state(&house, id, sum);
    }
    house_close(&house);
}

/* ---- many entities --------------------------------------------------------------------------- */

static void entities_that_do_not_fit_into_memory_come_and_go(void **state)
{
    (void)state;
    enum { ENTITIES = 3 * PORTION, TIMES = 4 };
    struct house house;
    pd_error err;
    struct portion *portion = calloc(1, sizeof *portion);
    char id[32];
    house_open(&house, &(struct engine_options){ .activity_threads = 1, .residents_max = 100 });
    for (unsigned t = 0; t < TIMES; t++) {
        for (unsigned from = 0; from < ENTITIES; from += PORTION) {
            for (unsigned i = 0; i < PORTION; i++) {
                (void)snprintf(id, sizeof id, "@sum@%u", from + i);
                write_signal(portion, i, id, "add", from + i);
            }
            assert_int_equal(engine_tell(house.engine, portion->letters, PORTION, NULL, &err),
                             PD_OK);
        }
    }
    for (unsigned i = 0; i < ENTITIES; i++) {
        char wanted[16];
        (void)snprintf(id, sizeof id, "@sum@%u", i);
        (void)snprintf(wanted, sizeof wanted, "%u", i * TIMES);
        wait_state(&house, id, wanted);
    }
    house_close(&house);
    free(portion);
}

/* ---- what it costs --------------------------------------------------------------------------- */

/* An id that begins so, of the first of two partitions. */
static const char *find_id(const char *prefix)
{
    static char ids[4][96];
    static unsigned next;
    char *id = ids[next++ % 4];
    for (unsigned i = 0;; i++) {
        (void)snprintf(id, sizeof ids[0], "%s%u", prefix, i);
        if (partition_of(text_of(id), 2) == 0) {
            return id;
        }
    }
}

/* Locks, grants, calls, unlockings: a thread that is not disturbed for a thousandth of a second
 * does all of it before its first commit. */
static void a_critical_section_within_a_partition_is_one_commit(void **state)
{
    (void)state;
    struct house house;
    char prefix[96];
    int least = 1000;
    house_open(&house, &(struct engine_options){ .activity_threads = 1 });
    const char *first = find_id("@a@"), *second = find_id("@b@");
    for (int i = 0; i < 20 && least > 1; i++) {
        /* The last one is of the partition by chance: else it has more commits than one. */
        (void)snprintf(prefix, sizeof prefix, "Q:%s,%s,@c@%d", first, second, i);
        const char *id = find_id(prefix);
        int before = house.store.commits;
        house_start(&house, id);
        house_assert_completes(&house, id, "\"unlocked\"");
        usleep(10000);
        int commits = house.store.commits - before;
        least = commits < least ? commits : least;
    }
    assert_int_equal(least, 1);
    house_close(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_signals_of_one_call_are_few_batches_and_all_count),
        cmocka_unit_test(each_letter_of_a_call_has_its_own_fate),
        cmocka_unit_test(signals_of_many_threads_all_count_and_each_ones_are_in_order),
        cmocka_unit_test(entities_that_do_not_fit_into_memory_come_and_go),
        cmocka_unit_test(a_critical_section_within_a_partition_is_one_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
