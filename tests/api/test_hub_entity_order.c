/* SPDX-License-Identifier: MIT
 *
 * Who comes first at an entity: what one sender says in whatever ways, what is taken back by
 * somebody else, and in which order locks are taken.
 */
#include "entity_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define COUNTER(key) PD_ENTITY("Counter", (key))
#define LOG(key) PD_ENTITY("Log", (key))

enum { DAY_MS = 86400000 };

static pd_time in_ms(int64_t ms)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (pd_time){ (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ms };
}

/* ---- one sender ----------------------------------------------------------------------------- */

enum { ROUNDS = 5, BURST = 20 };

/* Signals and calls in turns, one execution after the other. */
static pd_result rounds(pd_orchestration *o, pd_value input)
{
    const char *key;
    int round, burst = BURST;
    pd_read(o, input, "key", &key, "round", &round);
    int first = round * burst;
    for (int i = first; i < first + burst - 1; i++) {
        pd_signal_entity(o, LOG(key), "push", i);
    }
    pd_task *last = pd_start_entity(o, LOG(key), "push", first + burst - 1);
    if (round % 2 == 0) { /* or without waiting for the answer */
        pd_await(o, last);
    }
    if (round + 1 < ROUNDS) {
        return pd_continue_as_new(o, PD_OBJ("key", key, "round", round + 1));
    }
    return pd_ok(o, PD_NULL);
}

static const pd_function program[] = { PD_FUNCTION("Rounds", rounds) };

static void assert_in_order(struct kit *kit, pd_entity_id log, int count)
{
    pd_entity_view *view = ent_fetch(kit, log);
    pd_value all = pd_entity_view_state(view);
    assert_int_equal(pd_count(all), count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(pd_int(pd_at(all, (size_t)i)), i);
    }
    pd_entity_view_free(view);
}

static void an_orchestrations_order_holds_over_its_executions(void **state)
{
    struct kit *kit = *state;
    static const char *const keys[] = { "a", "b", "c", "d", "e", "f" };
    ent_work_with(kit, PD_PROGRAM(program), NULL);
    for (int i = 0; i < 6; i++) {
        kit_start(kit, "Rounds", PD_VAL(PD_OBJ("key", keys[i], "round", 0)), keys[i], NULL);
    }
    for (int i = 0; i < 6; i++) {
        kit_assert_ends(kit, keys[i], PD_RUN_COMPLETED, "null");
        ent_await_backlog(kit, LOG(keys[i]), 0);
        assert_in_order(kit, LOG(keys[i]), ROUNDS * BURST);
    }
}

/* Signals that were promised before the worker ran still lie in the mailbox: so many that it takes
 * them in several pages. */
static void a_threads_call_is_done_behind_its_signals(void **state)
{
    struct kit *kit = *state;
    enum { COUNT = 2000, TIMES = 3 };
    pd_error err;
    pd_signal *signals = calloc(COUNT, sizeof(*signals));
    assert_non_null(signals);
    for (int round = 0; round < TIMES; round++) {
        char key[16];
        snprintf(key, sizeof(key), "%d", round);
        for (int i = 0; i < COUNT; i++) {
            signals[i] = (pd_signal){ .entity = COUNTER(key), .op = "add", .input = PD_VAL(1) };
        }
        kit_expect(pd_hub_signal_many(kit->hub, signals, COUNT, &err), PD_OK, &err, "many");
        ent_work(kit, NULL);
        ent_assert_call(kit, COUNTER(key), "get", PD_NULL, "2000");
        ent_signal(kit, COUNTER(key), "add", PD_VAL(1));
        ent_assert_call(kit, COUNTER(key), "get", PD_NULL, "2001");
        kit_rest(kit);
    }
    free(signals);
}

/* ---- taken back by somebody else ------------------------------------------------------------ */

/* {key, id} */
static pd_result takes_back(pd_orchestration *o, pd_value input)
{
    const char *key, *id;
    pd_read(o, input, "key", &key, "id", &id);
    pd_cancel_signal(o, COUNTER(key), id);
    return pd_ok(o, PD_NULL);
}

static const pd_function takers[] = { PD_FUNCTION("TakesBack", takes_back) };

enum sender { CLIENT, ORCHESTRATION, ENTITY, SENDERS };

/* Adds 1 to the counter of this key, tomorrow. */
static void send_for_tomorrow(struct kit *kit, enum sender sender, const char *key, pd_id *ret)
{
    pd_error err;
    pd_instance *i;
    pd_value input =
        PD_OBJ("name", "Counter", "key", key, "op", "add", "input", 1, "in_ms", DAY_MS).value_;
    pd_signal_options options = { .at = in_ms(DAY_MS) };
    if (sender == CLIENT) {
        kit_expect(pd_hub_signal_entity(kit->hub, COUNTER(key), "add", 1, &options, ret, &err),
                   PD_OK, &err, "signal");
        return;
    }
    if (sender == ORCHESTRATION) {
        i = kit_run(kit, "Send", input);
    } else {
        i = pd_hub_call_entity(kit->hub, PD_ENTITY("Relay", key), "pass", input, pd_seconds(30),
                               &err);
    }
    assert_non_null(i);
    snprintf(ret->text, sizeof(ret->text), "%s", pd_text(pd_instance_output(i)));
    assert_int_equal(strlen(ret->text), 36);
    pd_instance_free(i);
}

static void take_back(struct kit *kit, enum sender who, const char *key, const char *id)
{
    pd_error err;
    if (who == CLIENT) {
        kit_expect(pd_hub_cancel_signal(kit->hub, COUNTER(key), id, &err), PD_OK, &err, "cancel");
    } else if (who == ORCHESTRATION) {
        pd_instance_free(kit_run(kit, "TakesBack", PD_VAL(PD_OBJ("key", key, "id", id))));
    } else {
        ent_assert_call(kit, PD_ENTITY("Relay", "other"), "drop",
                        PD_VAL(PD_OBJ("name", "Counter", "key", key, "id", id)), NULL);
    }
}

static void a_signal_is_taken_back_by_whoever_has_its_id(void **state)
{
    struct kit *kit = *state;
    ent_work_with(kit, PD_PROGRAM(takers), NULL);
    for (enum sender sender = CLIENT; sender < SENDERS; sender++) {
        for (enum sender taker = CLIENT; taker < SENDERS; taker++) {
            pd_id id, other;
            char key[16];
            snprintf(key, sizeof(key), "%d-%d", (int)sender, (int)taker);
            send_for_tomorrow(kit, sender, key, &id);
            send_for_tomorrow(kit, sender, key, &other);
            assert_string_not_equal(id.text, other.text);
            ent_await_backlog(kit, COUNTER(key), 2);
            take_back(kit, taker, key, id.text);
            ent_await_backlog(kit, COUNTER(key), 1); /* the other one waits */
            take_back(kit, taker, key, other.text);
            ent_await_state(kit, COUNTER(key), NULL);
        }
    }
}

static void a_signal_that_stands_in_line_is_taken_back(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_id ids[3];
    ent_work(kit, NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "l")), "h", NULL);
    ent_await_lock(kit, COUNTER("l"), "h");
    for (int i = 0; i < 3; i++) {
        kit_expect(pd_hub_signal_entity(kit->hub, COUNTER("l"), "add", 10, NULL, &ids[i], &err),
                   PD_OK, &err, "signal");
    }
    ent_await_backlog(kit, COUNTER("l"), 3);
    kit_expect(pd_hub_cancel_signal(kit->hub, COUNTER("l"), ids[1].text, &err), PD_OK, &err,
               "cancel");
    ent_await_backlog(kit, COUNTER("l"), 2);
    assert_int_equal(pd_hub_cancel_signal(kit->hub, COUNTER("l"), ids[1].text, &err),
                     PD_E_NOT_FOUND);
    kit_raise(kit, "h", "go", PD_NULL);
    ent_await_state(kit, COUNTER("l"), "21");
    ent_await_backlog(kit, COUNTER("l"), 0);
}

static void without_an_engine_there_is_only_looked_for_the_entity(void **state)
{
    struct kit *kit = *state;
    served_skip("there is an engine");
    pd_error err;
    pd_id id;
    pd_signal_options tomorrow = { .at = in_ms(DAY_MS) };
    assert_int_equal(pd_hub_cancel_signal(kit->hub, COUNTER("n"), "none", &err), PD_E_NOT_FOUND);
    kit_expect(pd_hub_signal_entity(kit->hub, COUNTER("n"), "add", 1, &tomorrow, &id, &err), PD_OK,
               &err, "signal");
    kit_expect(pd_hub_cancel_signal(kit->hub, COUNTER("n"), "none", &err), PD_OK, &err, "to mail");
    ent_work(kit, NULL);
    ent_await_backlog(kit, COUNTER("n"), 1);
    assert_int_equal(pd_hub_cancel_signal(kit->hub, COUNTER("n"), "none", &err), PD_E_NOT_FOUND);
    kit_rest(kit);
    kit_expect(pd_hub_cancel_signal(kit->hub, COUNTER("n"), "none", &err), PD_OK, &err, "to store");
    kit_expect(pd_hub_cancel_signal(kit->hub, COUNTER("n"), id.text, &err), PD_OK, &err, "it");
    ent_work(kit, NULL);
    ent_await_state(kit, COUNTER("n"), NULL);
}

/* ---- locks ---------------------------------------------------------------------------------- */

/* Names them in no order, one in two ways. */
static pd_result unsorted(pd_orchestration *o, pd_value input)
{
    PD_LOCKED(o, COUNTER("c"), COUNTER("a"), PD_ENTITY("COUNTER", "c"), COUNTER("b"),
              COUNTER("a")) {
        pd_set_status(o, "held");
        pd_wait_event(o, "go");
        pd_call_entity(o, COUNTER("a"), "add", 1);
    }
    return pd_ok(o, input);
}

static const pd_function lockers[] = { PD_FUNCTION("Unsorted", unsorted) };

static void locks_are_taken_one_by_one_in_the_order_of_ids_and_each_once(void **state)
{
    struct kit *kit = *state;
    ent_work_with(kit, PD_PROGRAM(lockers), NULL);
    kit_start(kit, "Hold", PD_VAL(PD_OBJ("name", "Counter", "key", "b")), "first", NULL);
    ent_await_lock(kit, COUNTER("b"), "first");
    kit_start(kit, "Unsorted", PD_VAL(1), "second", NULL);
    ent_await_backlog(kit, COUNTER("b"), 1);
    ent_await_lock(kit, COUNTER("a"), "second"); /* it has this one */
    ent_await_lock(kit, COUNTER("b"), "first");  /* waits for that one */
    assert_false(ent_exists(kit, COUNTER("c"))); /* and has not come to the last */
    kit_raise(kit, "first", "go", PD_NULL);
    ent_await_status(kit, "second", "\"held\"");
    ent_await_lock(kit, COUNTER("a"), "second");
    ent_await_lock(kit, COUNTER("b"), "second");
    ent_await_lock(kit, COUNTER("c"), "second");
    kit_raise(kit, "second", "go", PD_NULL);
    kit_assert_ends(kit, "second", PD_RUN_COMPLETED, "1");
    ent_await_lock(kit, COUNTER("b"), NULL);
    ent_await_state(kit, COUNTER("c"), NULL); /* it was there for the lock only */
    pd_history *h = kit_history(kit, "second");
    assert_string_equal(kit_event(h, "EntityLockRequested", 1)->input_json,
                        "[\"@counter@a\",\"@counter@b\",\"@counter@c\"]");
    assert_non_null(kit_event(h, "EntityUnlockSent", 3));
    assert_null(kit_event(h, "EntityUnlockSent", 4));
    pd_history_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST_4(an_orchestrations_order_holds_over_its_executions),
        HUB_TEST_4(a_threads_call_is_done_behind_its_signals),
        HUB_TEST_4(a_signal_is_taken_back_by_whoever_has_its_id),
        HUB_TEST_4(a_signal_that_stands_in_line_is_taken_back),
        HUB_TEST(without_an_engine_there_is_only_looked_for_the_entity),
        HUB_TEST_4(locks_are_taken_one_by_one_in_the_order_of_ids_and_each_once),
    };
    return cmocka_run_group_tests_name("hub/entity order", tests, NULL, NULL);
}
