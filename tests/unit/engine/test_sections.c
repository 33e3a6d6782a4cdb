/* SPDX-License-Identifier: MIT
 *
 * Critical sections over entities of several partitions: who waits for whom, and that no lock
 * outlives its owner, wherever its request is when he ends (K4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "hub.h"

enum { PARTITIONS = 4, SET = 3, STEPS = 40 };

/* Three entities, each of a partition of its own, and one more of the last's. */
struct set {
    char ids[SET][32];
    char all[128]; /* separated by commas, not in their order */
};

static void make_set(const struct hub *hub, struct set *ret)
{
    for (unsigned i = 0; i < SET; i++) {
        char prefix[8] = { '@', (char)('c' - i), '@', '\0' };
        (void)snprintf(ret->ids[i], sizeof ret->ids[i], "%s", hub_id(hub, prefix, i));
    }
    (void)snprintf(ret->all, sizeof ret->all, "%s,%s,%s", ret->ids[0], ret->ids[1], ret->ids[2]);
}

static const char *user(const char *program, const struct set *set)
{
    static char ids[4][160];
    static unsigned next;
    char *id = ids[next++ % 4];
    (void)snprintf(id, sizeof ids[0], "%s%s", program, set->all);
    return id;
}

static void mend(struct hub *hub)
{
    for (int i = 0; i < 4; i++) {
        hub_settle(hub);
        hub->now += 2 * TIME_SECOND;
    }
    hub_settle(hub);
}

static void step_all(struct hub *hub, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        (void)hub_step(hub, (unsigned)i % hub->count);
    }
}

static unsigned locked_count(struct hub *hub, const struct set *set, const char *owner)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SET; i++) {
        struct hub_entity look = hub_look_entity(hub, set->ids[i]);
        assert_true(look.locked_by[0] == '\0' || strcmp(look.locked_by, owner) == 0);
        count += look.locked_by[0] != '\0';
    }
    return count;
}

static void assert_states(struct hub *hub, const struct set *set, const char *state)
{
    for (unsigned i = 0; i < SET; i++) {
        hub_assert_entity(hub, set->ids[i], state);
    }
}

static void a_section_locks_calls_and_unlocks_entities_of_three_partitions(void **state)
{
    (void)state;
    struct hub hub;
    struct set set;
    hub_open(&hub, PARTITIONS);
    make_set(&hub, &set);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hub_start(&hub, user("Q:", &set), "1"), PD_OK);
        hub_assert_completed(&hub, user("Q:", &set), "\"unlocked\"");
        assert_states(&hub, &set, i == 0 ? "1" : "2");
    }
    hub_close(&hub);
}

static void whoever_comes_while_entities_are_locked_waits_until_they_are_not(void **state)
{
    (void)state;
    struct hub hub;
    struct set set;
    char one[40];
    hub_open(&hub, PARTITIONS);
    make_set(&hub, &set);
    const char *owner = user("H:", &set), *other = user("Q:", &set);
    assert_int_equal(hub_start(&hub, owner, "1"), PD_OK);
    assert_int_equal(hub.runner.grants, 1);
    assert_int_equal(locked_count(&hub, &set, owner), SET);
    assert_int_equal(hub_start(&hub, other, "1"), PD_OK);
    (void)snprintf(one, sizeof one, "A:%s", set.ids[1]);
    assert_int_equal(hub_start(&hub, one, "1"), PD_OK);
    assert_int_equal(hub_signal(&hub, set.ids[2], "add", "5"), PD_OK);
    hub_crash(&hub);
    hub_settle(&hub);
    hub_assert_state(&hub, other, RUN_RUNNING);
    hub_assert_state(&hub, one, RUN_RUNNING);
    assert_int_equal(locked_count(&hub, &set, owner), SET);
    assert_int_equal(hub.runner.operations, 0);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, owner, "1"), PD_OK);
    hub_assert_completed(&hub, owner, "\"unlocked\"");
    hub_assert_completed(&hub, other, "\"unlocked\"");
    assert_int_equal(hub_look(&hub, one).state, RUN_COMPLETED);
    hub_assert_entity(&hub, set.ids[0], "1");
    hub_assert_entity(&hub, set.ids[1], "2");
    hub_assert_entity(&hub, set.ids[2], "6");
    hub_close(&hub);
}

/* After any number of steps of the partitions, in which the request gets to any place of its way,
 * and the grant is made, or delivered. */
enum end { END_TERMINATED, END_LEFT, END_REPLACED, END_TERMINATED_AND_CRASHED, ENDS };

static void end_owner(struct hub *hub, const char *owner, enum end end)
{
    struct hub_call call, again;
    bool starts_again = end == END_REPLACED;
    hub_ask(hub, &call, end == END_LEFT ? MESSAGE_RAISE : MESSAGE_TERMINATE, owner, "0");
    if (starts_again) {
        hub_ask(hub, &again, MESSAGE_START, owner, "1");
    }
    step_all(hub, 1);
    if (end == END_TERMINATED_AND_CRASHED) {
        hub_crash(hub);
    }
    mend(hub);
    pd_status status = hub_end_call(&call);
    if (status != PD_OK) { /* it was not durable when it was told */
        assert_int_equal(end, END_TERMINATED_AND_CRASHED);
        status = hub_tell(hub, MESSAGE_TERMINATE, owner, "0");
        assert_true(status == PD_OK || status == PD_E_STATE);
        mend(hub);
    }
    if (starts_again) {
        assert_int_equal(hub_end_call(&again), PD_OK);
    }
}

static void no_lock_outlives_its_owner_wherever_its_request_is(void **state)
{
    (void)state;
    for (int steps = 0; steps < STEPS; steps++) {
        for (enum end end = END_TERMINATED; end < ENDS; end++) {
            struct hub hub;
            struct set set;
            struct hub_call call;
            hub_open(&hub, PARTITIONS);
            make_set(&hub, &set);
            const char *owner = user("H:", &set), *other = user("Q:", &set);
            hub_ask(&hub, &call, MESSAGE_START, owner, "1");
            while (!hub_is_answered(&call)) {
                (void)hub_step(&hub, hub_home(&hub, owner));
            }
            assert_int_equal(hub_end_call(&call), PD_OK);
            step_all(&hub, steps);
            end_owner(&hub, owner, end);
            if (end == END_REPLACED) { /* the one that has come holds them, and only he */
                assert_int_equal(locked_count(&hub, &set, owner), SET);
                assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, owner, "1"), PD_OK);
                hub_assert_completed(&hub, owner, "\"unlocked\"");
            }
            assert_int_equal(locked_count(&hub, &set, ""), 0);
            assert_int_equal(hub_start(&hub, other, "1"), PD_OK);
            hub_assert_completed(&hub, other, "\"unlocked\"");
            assert_states(&hub, &set, "1");
            hub_close(&hub);
        }
    }
}

/* One that lives where none of the entities does. */
static const char *user_elsewhere(const struct hub *hub, const char *program, const struct set *set)
{
    static char id[256];
    (void)snprintf(id, sizeof id, "%s%s", program, set->all);
    while (hub_home(hub, id) != SET) {
        size_t used = strlen(id);
        assert_true(used + 40 < sizeof id);
        (void)snprintf(id + used, sizeof id - used, ",%s", set->ids[0]);
    }
    return id;
}

/* The grant is in the owner's mailbox when he ends: one of the same id that takes his place is not
 * granted by it. */
static void a_grant_that_comes_late_grants_nothing(void **state)
{
    (void)state;
    struct hub hub;
    struct set set;
    struct hub_call call, again;
    hub_open(&hub, PARTITIONS);
    make_set(&hub, &set);
    const char *owner = user_elsewhere(&hub, "H:", &set);
    hub_ask(&hub, &call, MESSAGE_START, owner, "1");
    while (!hub_is_answered(&call)) {
        (void)hub_step(&hub, SET);
    }
    assert_int_equal(hub_end_call(&call), PD_OK);
    bool goes_on = true;
    while (goes_on) {
        goes_on = false;
        for (unsigned i = 0; i < SET; i++) {
            goes_on |= hub_step(&hub, i);
        }
    }
    assert_int_equal(locked_count(&hub, &set, owner), SET);
    assert_int_equal(hub.runner.grants, 0);
    hub_ask(&hub, &call, MESSAGE_TERMINATE, owner, "0");
    hub_ask(&hub, &again, MESSAGE_START, owner, "1");
    hub_settle(&hub);
    assert_int_equal(hub_end_call(&call), PD_OK);
    assert_int_equal(hub_end_call(&again), PD_OK);
    assert_int_equal(hub.runner.grants, 1);
    assert_int_equal(locked_count(&hub, &set, owner), SET);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, owner, "1"), PD_OK);
    hub_assert_completed(&hub, owner, "\"unlocked\"");
    assert_int_equal(locked_count(&hub, &set, ""), 0);
    hub_close(&hub);
}

/* The second of them in order: the first has been locked by then. */
static void locks_of_which_one_cannot_be_had_fail_and_the_others_are_given_back(void **state)
{
    (void)state;
    struct hub hub;
    struct set set;
    hub_open(&hub, PARTITIONS);
    make_set(&hub, &set);
    assert_int_equal(hub_signal(&hub, set.ids[1], "add", "7"), PD_OK);
    partition_evict(hub.partitions[1], 0);
    hub.store.damages_entities = true;
    const char *owner = user("Q:", &set);
    assert_int_equal(hub_start(&hub, owner, "1"), PD_OK);
    hub_assert_state(&hub, owner, RUN_FAILED);
    assert_true(strncmp(hub_look(&hub, owner).failure, "CorruptHistory: ", 16) == 0);
    hub.store.damages_entities = false;
    assert_int_equal(locked_count(&hub, &set, ""), 0);
    assert_int_equal(hub_start(&hub, owner, "1"), PD_OK);
    hub_assert_completed(&hub, owner, "\"unlocked\"");
    hub_assert_entity(&hub, set.ids[1], "8");
    hub_close(&hub);
}

/* Any of them may be the one whose commit fails, before, while and after the locks are there. */
static void a_section_is_entered_and_left_once_whatever_goes_wrong(void **state)
{
    (void)state;
    for (int steps = 0; steps < STEPS; steps++) {
        for (int trouble = 0; trouble < 3; trouble++) {
            struct hub hub;
            struct set set;
            struct hub_call call;
            hub_open(&hub, PARTITIONS);
            make_set(&hub, &set);
            const char *owner = user("Q:", &set);
            hub_ask(&hub, &call, MESSAGE_START, owner, "1");
            while (!hub_is_answered(&call)) {
                (void)hub_step(&hub, hub_home(&hub, owner));
            }
            assert_int_equal(hub_end_call(&call), PD_OK);
            step_all(&hub, steps);
            if (trouble == 0) {
                hub_crash(&hub);
            } else if (trouble == 1) {
                hub.store.commits_to_fail = 1;
            } else {
                hub.store.commits_to_lie = 1;
            }
            mend(&hub);
            hub_assert_completed(&hub, owner, "\"unlocked\"");
            assert_states(&hub, &set, "1");
            hub_close(&hub);
        }
    }
}

/* In every order, some with one of them only, each begun before any has ended. */
static void sections_that_want_the_same_entities_all_come_to_their_end(void **state)
{
    (void)state;
    static const int orders[][SET] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                       { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    enum { SECTIONS = 6 };
    for (int steps = 0; steps < STEPS; steps += 3) {
        struct hub hub;
        struct set set;
        struct hub_call calls[SECTIONS];
        char ids[SECTIONS][160], single[40];
        hub_open(&hub, PARTITIONS);
        make_set(&hub, &set);
        for (int i = 0; i < SECTIONS; i++) {
            (void)snprintf(ids[i], sizeof ids[i], "Q:%s,%s,%s", set.ids[orders[i][0]],
                           set.ids[orders[i][1]], set.ids[orders[i][2]]);
            hub_ask(&hub, &calls[i], MESSAGE_START, ids[i], "1");
        }
        (void)snprintf(single, sizeof single, "Q:%s", set.ids[1]);
        step_all(&hub, PARTITIONS + steps); /* one of each, and all of them are accepted */
        hub_crash(&hub);
        assert_int_equal(hub_start(&hub, single, "1"), PD_OK);
        mend(&hub);
        for (int i = 0; i < SECTIONS; i++) {
            assert_int_equal(hub_end_call(&calls[i]), PD_OK);
            hub_assert_completed(&hub, ids[i], "\"unlocked\"");
        }
        hub_assert_completed(&hub, single, "\"unlocked\"");
        hub_assert_entity(&hub, set.ids[0], "6");
        hub_assert_entity(&hub, set.ids[1], "7");
        hub_assert_entity(&hub, set.ids[2], "6");
        hub_close(&hub);
    }
}

/* One of the set was unlocked by somebody else, and is gone. */
static void an_unlocking_goes_on_from_entities_that_are_not_there(void **state)
{
    (void)state;
    struct hub hub;
    char section[REQUEST_ID_SIZE];
    hub_open(&hub, PARTITIONS);
    assert_int_equal(hub_start(&hub, "H:@sum@b", "1"), PD_OK);
    assert_string_equal(hub_look_entity(&hub, "@sum@b").locked_by, "H:@sum@b");
    struct hub_look owner = hub_look(&hub, "H:@sum@b");
    request_id_of_step(text_of(owner.execution_id), 0, section);
    struct event_extra extra = { .has_parent = true,
                                 .parent_id = TEXT("H:@sum@b"),
                                 .parent_execution_id = text_of(owner.execution_id),
                                 .lock_set = TEXT("@sum@a\n@sum@aa\n@sum@b\n") };
    struct event unlock = { .kind = EVENT_UNLOCK_SENT,
                            .id = EVENT_NO_ID,
                            .ref = EVENT_NO_ID,
                            .request_id = text_of(section),
                            .extra = &extra };
    struct letter letter = { .kind = MESSAGE_UNLOCK,
                             .instance_id = TEXT("@sum@a"),
                             .event = &unlock };
    assert_int_equal(hub_tell_letter(&hub, &letter), PD_OK);
    hub_settle(&hub);
    hub_assert_entity(&hub, "@sum@a", NULL);
    hub_assert_entity(&hub, "@sum@aa", NULL);
    hub_assert_entity(&hub, "@sum@b", NULL);
    hub_close(&hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_locks_calls_and_unlocks_entities_of_three_partitions),
        cmocka_unit_test(whoever_comes_while_entities_are_locked_waits_until_they_are_not),
        cmocka_unit_test(no_lock_outlives_its_owner_wherever_its_request_is),
        cmocka_unit_test(a_grant_that_comes_late_grants_nothing),
        cmocka_unit_test(locks_of_which_one_cannot_be_had_fail_and_the_others_are_given_back),
        cmocka_unit_test(a_section_is_entered_and_left_once_whatever_goes_wrong),
        cmocka_unit_test(sections_that_want_the_same_entities_all_come_to_their_end),
        cmocka_unit_test(an_unlocking_goes_on_from_entities_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
