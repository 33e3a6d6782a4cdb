/* SPDX-License-Identifier: MIT
 *
 * The contract of store.h as tests that every provider passes: the mailbox, and waiting. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/core.h"
#include "rig.h"

/* ---- S6: the mailbox ------------------------------------------------------------------------- */

/* A start takes the place of what has ended. */
static pd_status accept(struct world *world, enum message_kind kind, unsigned partition,
                        const char *id)
{
    struct message message = message_of(kind, partition, id, "bytes of it");
    message.flags = kind == MESSAGE_START ? STATES_ENDED : 0;
    return world->store->ops->accept(world->store, &message, 1, &world->err);
}

static void S6_a_message_is_numbered_kept_and_removed_with_its_effects(void **state)
{
    struct world *world = *state;
    struct message messages[] = { message_of(MESSAGE_START, 1, "a", "start\1a"),
                                  message_of(MESSAGE_RAISE, 1, "a", "event"),
                                  message_of(MESSAGE_START, 2, "b", "start b") };
    assert_ok(world, world->store->ops->accept(world->store, messages, 3, &world->err));
    world_crash(world);
    struct message_page page = mail(world, 1, 0);
    assert_int_equal(page.count, 2);
    assert_int_equal(page.items[0].kind, MESSAGE_START);
    assert_int_equal(page.items[1].kind, MESSAGE_RAISE);
    assert_int_equal(page.items[0].partition, 1);
    assert_text(page.items[0].instance_id, TEXT("a"));
    assert_text(page.items[0].bytes, TEXT("start\1a"));
    assert_true(page.items[0].number < page.items[1].number);
    assert_int_equal(mail(world, 1, page.items[0].number).count, 1);
    struct batch *batch = batch_for(world, 1);
    insert(world, batch, "a", RUN_RUNNING);
    numbered(batch, MUTATION_MAILBOX_REMOVE, 0, page.items[0].number, TEXT_ABSENT);
    commit_ok(world, batch);
    assert_int_equal(mail(world, 1, 0).count, 1);
    assert_int_equal(mail(world, 1, 0).items[0].number, page.items[1].number);
    assert_int_equal(mail(world, 2, 0).count, 1);
}

static void S6_numbers_are_never_given_twice(void **state)
{
    struct world *world = *state;
    assert_ok(world, accept(world, MESSAGE_START, 0, "a"));
    uint64_t first = mail(world, 0, 0).items[0].number;
    struct batch *batch = batch_for(world, 0);
    numbered(batch, MUTATION_MAILBOX_REMOVE, 0, first, TEXT_ABSENT);
    commit_ok(world, batch);
    assert_int_equal(mail(world, 0, 0).count, 0);
    world_crash(world);
    assert_ok(world, accept(world, MESSAGE_START, 0, "a"));
    assert_true(mail(world, 0, 0).items[0].number > first);
}

static void S6_a_start_is_refused_while_its_instance_lives_or_waits(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    insert(world, batch, "lives", RUN_SUSPENDED);
    insert(world, batch, "ended", RUN_FAILED);
    commit_ok(world, batch);
    assert_int_equal(accept(world, MESSAGE_START, 0, "lives"), PD_E_EXISTS);
    assert_non_null(strstr(world->err.text, "'lives'"));
    assert_ok(world, accept(world, MESSAGE_START, 0, "ended"));
    assert_int_equal(accept(world, MESSAGE_START, 0, "ended"), PD_E_EXISTS);
    struct message twice[] = { message_of(MESSAGE_START, 0, "new", "1"),
                               message_of(MESSAGE_START, 0, "new", "2") };
    assert_int_equal(world->store->ops->accept(world->store, twice, 2, &world->err), PD_E_EXISTS);
    assert_int_equal(mail(world, 0, 0).count, 1);
    assert_ok(world, accept(world, MESSAGE_START, 0, "new"));
}

static void S6_an_event_needs_an_instance_that_lives_or_waits(void **state)
{
    struct world *world = *state;
    struct batch *batch = batch_for(world, 0);
    insert(world, batch, "lives", RUN_PENDING);
    insert(world, batch, "ended", RUN_TERMINATED);
    commit_ok(world, batch);
    assert_ok(world, accept(world, MESSAGE_RAISE, 0, "lives"));
    assert_int_equal(accept(world, MESSAGE_RAISE, 0, "ended"), PD_E_STATE);
    assert_int_equal(accept(world, MESSAGE_RAISE, 0, "nobody"), PD_E_NOT_FOUND);
    assert_ok(world, accept(world, MESSAGE_START, 0, "ended"));
    assert_ok(world, accept(world, MESSAGE_RAISE, 0, "ended"));
    assert_int_equal(mail(world, 0, 0).count, 3);
}

/* Every combination of a kind, and what its instance is: who may, and why not. */
static void S6_messages_that_cannot_take_effect_are_refused(void **state)
{
    struct world *world = *state;
    enum { NOBODY = RUN_TERMINATED + 1, WAITS, SITUATIONS };
    enum { O = PD_OK, X = PD_E_EXISTS, N = PD_E_NOT_FOUND, S = PD_E_STATE };
    static const struct {
        enum message_kind kind;
        unsigned flags;
        int expected
            [SITUATIONS]; /* pending running suspended completed failed terminated - waits */
    } rules[] = {
        { MESSAGE_START, 0, { X, X, X, X, X, X, O, X } },
        { MESSAGE_START, STATES_ENDED, { X, X, X, O, O, O, O, X } },
        { MESSAGE_START, 1u << RUN_FAILED | 1u << RUN_RUNNING, { X, O, X, X, O, X, O, X } },
        { MESSAGE_START, STATES_ALL, { O, O, O, O, O, O, O, O } },
        { MESSAGE_START, 1u << RUN_PENDING, { O, X, X, X, X, X, O, O } },
        { MESSAGE_ADOPT, 0, { X, X, X, X, X, X, O, X } },
        { MESSAGE_ADOPT, STATES_ENDED, { X, X, X, O, O, O, O, X } },
        { MESSAGE_RAISE, 0, { O, O, O, S, S, S, N, O } },
        { MESSAGE_TERMINATE, 0, { O, O, O, S, S, S, N, O } },
        { MESSAGE_SUSPEND, 0, { O, O, O, S, S, S, N, O } },
        { MESSAGE_RESUME, 0, { O, O, O, S, S, S, N, O } },
        { MESSAGE_REWIND, 0, { S, S, S, S, O, S, N, S } },
        { MESSAGE_PURGE, 0, { S, S, S, O, O, O, N, S } },
        { MESSAGE_CHILD_START, 0, { O, O, O, O, O, O, O, O } },
        { MESSAGE_CHILD_ENSURE, 0, { O, O, O, O, O, O, O, O } },
        { MESSAGE_CHILD_ENDED, 0, { O, O, O, O, O, O, O, O } },
        { MESSAGE_TASK_ENDED, 0, { O, O, O, O, O, O, O, O } },
    };
    for (size_t rule = 0; rule < sizeof rules / sizeof rules[0]; rule++) {
        for (int situation = 0; situation < (int)SITUATIONS; situation++) {
            char id[32];
            (void)snprintf(id, sizeof id, "%zu-%d", rule, situation);
            if (situation < (int)NOBODY) {
                struct batch *batch = batch_for(world, 0);
                insert(world, batch, id, (enum run_state)situation);
                commit_ok(world, batch);
            } else if (situation == (int)WAITS) {
                assert_ok(world, accept(world, MESSAGE_START, 0, id));
            }
            struct message message = message_of(rules[rule].kind, 0, id, "bytes");
            message.flags = rules[rule].flags;
            pd_error err = { .status = PD_OK };
            pd_status status = world->store->ops->accept(world->store, &message, 1, &err);
            if (status != (pd_status)rules[rule].expected[situation]) {
                fail_msg("message %d to %d: %d %s", (int)rules[rule].kind, situation, (int)status,
                         err.text);
            }
            if (status != PD_OK) {
                assert_int_equal(err.status, status);
                assert_non_null(strstr(err.text, id));
            }
        }
    }
}

/* A start, an adoption, a child's start: until the engine has taken it, and no longer. */
static void S6_what_makes_an_instance_counts_as_one_while_it_waits(void **state)
{
    struct world *world = *state;
    static const enum message_kind kinds[] = { MESSAGE_START, MESSAGE_ADOPT, MESSAGE_CHILD_START };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char id[2] = { (char)('a' + i), '\0' };
        struct batch *batch = batch_for(world, 0);
        insert(world, batch, id, RUN_FAILED);
        commit_ok(world, batch);
        struct message message = message_of(kinds[i], 0, id, "bytes");
        message.flags = STATES_ENDED;
        assert_ok(world, world->store->ops->accept(world->store, &message, 1, &world->err));
        assert_int_equal(accept(world, MESSAGE_START, 0, id), PD_E_EXISTS);
        assert_int_equal(accept(world, MESSAGE_PURGE, 0, id), PD_E_STATE);
        assert_ok(world, accept(world, MESSAGE_TERMINATE, 0, id));
        world_crash(world);
        assert_int_equal(accept(world, MESSAGE_START, 0, id), PD_E_EXISTS);
        struct message_page page = mail(world, 0, 0);
        batch = batch_for(world, 0);
        numbered(batch, MUTATION_MAILBOX_REMOVE, 0, page.items[page.count - 1].number, TEXT_ABSENT);
        commit_ok(world, batch);
        assert_int_equal(accept(world, MESSAGE_TERMINATE, 0, id), PD_E_STATE);
        assert_ok(world, accept(world, MESSAGE_PURGE, 0, id));
    }
}

static void S6_all_of_the_messages_are_taken_or_none(void **state)
{
    struct world *world = *state;
    struct message messages[] = { message_of(MESSAGE_START, 0, "a", "1"),
                                  message_of(MESSAGE_RAISE, 0, "a", "2"),
                                  message_of(MESSAGE_ADOPT, 1, "b", "3"),
                                  message_of(MESSAGE_PURGE, 1, "b", "4") };
    assert_int_equal(world->store->ops->accept(world->store, messages, 4, &world->err), PD_E_STATE);
    assert_int_equal(mail(world, 0, 0).count, 0);
    assert_int_equal(mail(world, 1, 0).count, 0);
    assert_ok(world, world->store->ops->accept(world->store, messages, 3, &world->err));
    assert_int_equal(mail(world, 0, 0).count, 2);
    assert_int_equal(mail(world, 1, 0).count, 1);
}

/* ---- S6: from a commit ----------------------------------------------------------------------- */

static void S6_a_message_of_every_kind_comes_back_with_every_field(void **state)
{
    struct world *world = *state;
    struct message messages[12];
    struct batch *batch = batch_for(world, 1);
    for (size_t i = 0; i < 12; i++) {
        messages[i] = message_of((enum message_kind)(i + 1), 2, "über", "of it");
        messages[i].flags = i == 3 ? UINT32_MAX : (unsigned)i;
        messages[i].execution_id = i % 2 == 0 ? TEXT("execution") : TEXT_ABSENT;
        messages[i].bytes = i % 3 == 0 ? TEXT_ABSENT : i % 3 == 1 ? TEXT("") : TEXT("\0bytes\xff");
        messages[i].number = 77; /* the store gives its own */
        post(batch, &messages[i]);
    }
    commit_ok(world, batch);
    world_crash(world);
    struct message_page page = mail(world, 2, 0);
    assert_int_equal(page.count, 12);
    for (size_t i = 0; i < 12; i++) {
        assert_same_message(&page.items[i], &messages[i]);
        assert_int_equal(page.items[i].number, i + 1);
    }
    /* And the same by accept. */
    struct message sent = message_of(MESSAGE_TASK_ENDED, 0, "x", "result");
    sent.flags = 5;
    sent.execution_id = TEXT("");
    assert_ok(world, world->store->ops->accept(world->store, &sent, 1, &world->err));
    assert_same_message(&mail(world, 0, 0).items[0], &sent);
}

static void S6_a_commit_puts_messages_behind_all_that_were_there(void **state)
{
    struct world *world = *state;
    struct message first = message_of(MESSAGE_CHILD_START, 1, "child", "start"),
                   second = message_of(MESSAGE_TERMINATE, 1, "child", "end"),
                   own = message_of(MESSAGE_CHILD_ENDED, 0, "parent", "done");
    assert_ok(world, accept(world, MESSAGE_START, 1, "other"));
    assert_ok(world, accept(world, MESSAGE_START, 0, "parent"));
    uint64_t taken = mail(world, 0, 0).items[0].number;
    struct batch *batch = batch_for(world, 0);
    insert(world, batch, "parent", RUN_RUNNING);
    post(batch, &first);
    numbered(batch, MUTATION_MAILBOX_REMOVE, 0, taken, TEXT_ABSENT);
    post(batch, &own);
    post(batch, &second);
    commit_ok(world, batch);
    assert_ok(world, accept(world, MESSAGE_RAISE, 1, "child"));
    struct message_page page = mail(world, 1, 0);
    assert_int_equal(page.count, 4);
    assert_int_equal(page.items[0].kind, MESSAGE_START);
    assert_same_message(&page.items[1], &first);
    assert_same_message(&page.items[2], &second);
    assert_int_equal(page.items[3].kind, MESSAGE_RAISE);
    for (size_t i = 1; i < page.count; i++) {
        assert_true(page.items[i].number > page.items[i - 1].number);
    }
    page = mail(world, 0, 0);
    assert_int_equal(page.count, 1);
    assert_same_message(&page.items[0], &own);
    assert_true(page.items[0].number > taken);
}

static void S6_a_refused_commit_puts_nothing(void **state)
{
    struct world *world = *state;
    struct message message = message_of(MESSAGE_CHILD_START, 2, "child", "start");
    struct batch *good = batch_for(world, 0), *stale = batch_new(1, world->epochs[1] - 1, 1);
    const struct batch *const both[] = { good, stale };
    insert(world, good, "parent", RUN_RUNNING);
    post(good, &message);
    post(stale, &message);
    assert_int_equal(world->store->ops->commit(world->store, both, 2, &world->err),
                     PD_E_LEASE_LOST);
    batch_free(good);
    batch_free(stale);
    assert_int_equal(mail(world, 2, 0).count, 0);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* How long a wait of at most max_ms took. */
static int64_t wait_ms(struct world *world, struct store *store, int64_t max_ms)
{
    int64_t before = now_ms();
    assert_ok(world, store->ops->wait(store, max_ms, &world->err));
    return now_ms() - before;
}

static void waits_end_when_mail_arrives_also_when_it_came_before(void **state)
{
    struct world *world = *state;
    (void)wait_ms(world, world->store, 0);
    assert_in_range(wait_ms(world, world->store, 60), 50, 5000);
    assert_ok(world, accept(world, MESSAGE_START, 0, "a"));
    assert_in_range(wait_ms(world, world->store, 10000), 0, 2000);
}

static void waits_of_others_end_when_something_is_committed(void **state)
{
    struct world *world = *state;
    struct store *other = world->provider->second(world);
    assert_non_null(other);
    (void)wait_ms(world, other, 10);
    (void)wait_ms(world, other, 0);
    assert_in_range(wait_ms(world, other, 60), 50, 5000);
    struct batch *batch = batch_for(world, 0);
    insert(world, batch, "a", RUN_RUNNING);
    commit_ok(world, batch);
    assert_in_range(wait_ms(world, other, 10000), 0, 2000);
    store_close(other);
}

static void *wait_long(void *argument)
{
    struct world *world = argument;
    pd_error err;
    (void)world->store->ops->wait(world->store, 30000, &err);
    return NULL;
}

static void waits_end_when_woken(void **state)
{
    struct world *world = *state;
    pthread_t threads[2];
    int64_t before = now_ms();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wait_long, world), 0);
    }
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    /* A thread that begins to wait only now misses a wake: so again until both are back. */
    for (int i = 0; i < 2; i++) {
        struct timespec until;
        do {
            world->store->ops->wake(world->store);
            (void)clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec += 1;
        } while (pthread_timedjoin_np(threads[i], NULL, &until) != 0);
    }
    assert_in_range(now_ms() - before, 0, 10000);
}

const struct CMUnitTest conformance_mail[] = {
    cmocka_unit_test(S6_a_message_is_numbered_kept_and_removed_with_its_effects),
    cmocka_unit_test(S6_numbers_are_never_given_twice),
    cmocka_unit_test(S6_a_start_is_refused_while_its_instance_lives_or_waits),
    cmocka_unit_test(S6_an_event_needs_an_instance_that_lives_or_waits),
    cmocka_unit_test(S6_messages_that_cannot_take_effect_are_refused),
    cmocka_unit_test(S6_what_makes_an_instance_counts_as_one_while_it_waits),
    cmocka_unit_test(S6_all_of_the_messages_are_taken_or_none),
    cmocka_unit_test(S6_a_message_of_every_kind_comes_back_with_every_field),
    cmocka_unit_test(S6_a_commit_puts_messages_behind_all_that_were_there),
    cmocka_unit_test(S6_a_refused_commit_puts_nothing),
    cmocka_unit_test(waits_end_when_mail_arrives_also_when_it_came_before),
    cmocka_unit_test(waits_of_others_end_when_something_is_committed),
    cmocka_unit_test(waits_end_when_woken),
};
const size_t conformance_mail_count = sizeof conformance_mail / sizeof conformance_mail[0];
