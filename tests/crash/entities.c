/* SPDX-License-Identifier: MIT
 *
 * The entities of the crash test, and the orchestrations that use them. Each keeps in its state
 * what tells in the end whether everything was done once, and in order; what is wrong it counts as
 * "bad", because nobody hears of a signal that fails. See crash.h.
 *
 *   tally    is told 1, 2, 3, ... by each of many senders, and tells a sum each time
 *   sum      is told 1, 2, 3, ... by tallies, and what flashes were lit with
 *   roll     is signed with numbers, each of which may be there once, some not before their time
 *   ticket   gives 1, 2, 3, ... to whoever calls; "refuse" does much, and fails
 *   account  a version and a balance; "put" needs the version that "get" gave, "touch" makes
 *   another flash    is lit, tells a sum, and deletes itself by a signal of its own boss     starts
 *   orchestrations
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crash.h"

enum { BALANCE = 1000, SENT = 4 };

/* ---- parts of states ------------------------------------------------------------------------- */

/* The object, with the key set to the number; 0: without it. */
static pd_dict *with(pd_entity *e, pd_value object, const char *key, int64_t number)
{
    pd_dict *dict = pd_dict_new(e);
    for (size_t i = 0; i < pd_count(object); i++) {
        if (strcmp(pd_key_at(object, i), key) != 0) {
            pd_dict_set(dict, pd_key_at(object, i), pd_value_at(object, i));
        }
    }
    if (number != 0) {
        pd_dict_set(dict, key, number);
    }
    return dict;
}

static void count_up(pd_entity *e, const char *key, int64_t by)
{
    pd_value state = pd_state(e);
    pd_set_state(e, with(e, state, key, pd_int(pd_get(state, key)) + by));
}

/* The next of a sender, who is a key of "from": is it 1 more than the last? */
static void take_next(pd_entity *e, const char *sender, int64_t number, bool is_last)
{
    pd_value from = pd_get(pd_state(e), "from");
    bool is_next = number == pd_int(pd_get(from, sender)) + 1;
    pd_dict *state = with(e, pd_state(e), "from", 0);
    pd_dict_set(state, "from", with(e, from, sender, is_last ? 0 : number));
    pd_set_state(e, state);
    count_up(e, is_next ? "good" : "bad", 1);
    if (!is_next) {
        count_up(e, sender, number); /* for whoever looks for the cause */
    }
}

/* ---- entities -------------------------------------------------------------------------------- */

/* [sender, number, is it the last] */
static pd_result tally_put(pd_entity *e, pd_value input)
{
    take_next(e, pd_text(pd_at(input, 0)), pd_int(pd_at(input, 1)), pd_bool(pd_at(input, 2)));
    count_up(e, "told", 1);
    pd_signal_entity(e, crash_entity("sum", pd_int(pd_get(pd_state(e), "told"))), "hear",
                     PD_ARR(pd_format(e, "tally%s", pd_entity_key(e)),
                            (pd_int(pd_get(pd_state(e), "told")) + CRASH_SUMS - 1) / CRASH_SUMS));
    return pd_ok(e, PD_NULL);
}
static const pd_operation tally[] = { { "put", tally_put } };

static pd_result sum_hear(pd_entity *e, pd_value input)
{
    take_next(e, pd_text(pd_at(input, 0)), pd_int(pd_at(input, 1)), false);
    return pd_ok(e, PD_NULL);
}

static pd_result sum_light(pd_entity *e, pd_value input)
{
    count_up(e, "flashes", 1);
    count_up(e, "light", pd_int(input));
    return pd_ok(e, PD_NULL);
}
static const pd_operation sum[] = { { "hear", sum_hear }, { "light", sum_light } };

/* [number, not before] */
static pd_result roll_sign(pd_entity *e, pd_value input)
{
    const char *number = pd_format(e, "%" PRId64, pd_int(pd_at(input, 0)));
    bool is_early = pd_entity_now(e).ms < pd_int(pd_at(input, 1));
    bool is_new = pd_int(pd_get(pd_state(e), number)) == 0;
    count_up(e, number, 1);
    if (is_early || !is_new) {
        count_up(e, "bad", 1);
    }
    return pd_ok(e, PD_NULL);
}
static const pd_operation roll[] = { { "sign", roll_sign } };

static pd_result ticket(pd_entity *e, pd_value input)
{
    int64_t given = pd_int(pd_state(e));
    (void)input;
    if (pd_op_is(e, "next")) {
        pd_set_state(e, given + 1);
        return pd_ok(e, given + 1);
    }
    pd_set_state(e, given + 1000);
    pd_signal_entity(e, crash_entity("roll", 0), "sign", PD_ARR(-1, 0));
    pd_start_from_entity(e, "chain", 1, .id = "refused-0-0");
    return pd_fail(e, "Refused", "no tickets here");
}

static pd_result account_get(pd_entity *e, pd_value input)
{
    (void)input;
    return pd_has_state(e) ? pd_ok(e, pd_state(e)) : pd_ok(e, PD_ARR(0, (int)BALANCE));
}

/* [the version that was read, balance] */
static pd_result account_put(pd_entity *e, pd_value input)
{
    int64_t version = pd_int(pd_at(pd_state(e), 0));
    if (pd_int(pd_at(input, 0)) != version) {
        return pd_fail(e, "Interleaved", "somebody else was inside");
    }
    pd_set_state(e, PD_ARR(version + 1, pd_at(input, 1)));
    return pd_ok(e, PD_NULL);
}
/* Of somebody who has not locked it. */
static pd_result account_touch(pd_entity *e, pd_value input)
{
    pd_value state = pd_state(e);
    (void)input;
    pd_set_state(e, PD_ARR(pd_int(pd_at(state, 0)) + 1,
                           pd_has_state(e) ? pd_int(pd_at(state, 1)) : (int64_t)BALANCE));
    return pd_ok(e, PD_NULL);
}
static const pd_operation account[] = { { "get", account_get },
                                        { "put", account_put },
                                        { "touch", account_touch } };

static pd_result flash(pd_entity *e, pd_value input)
{
    if (pd_op_is(e, "on")) {
        pd_set_state(e, input);
        pd_signal_entity(e, PD_ENTITY(pd_entity_name(e), pd_entity_key(e)), "off", PD_NULL);
        return pd_ok(e, PD_NULL);
    }
    pd_signal_entity(e, crash_entity("sum", pd_int(pd_state(e))), "light", pd_state(e));
    pd_delete_state(e);
    return pd_ok(e, PD_NULL);
}

static pd_result boss(pd_entity *e, pd_value input)
{
    pd_start_from_entity(e, "chain", pd_at(input, 1), .id = pd_text(pd_at(input, 0)));
    return pd_ok(e, PD_NULL);
}

/* ---- orchestrations -------------------------------------------------------------------------- */

/* Without having locked it. */
static void touch(pd_orchestration *o, int64_t number)
{
    (void)pd_call_entity(o, crash_entity("account", number), "touch", PD_NULL);
}

static pd_result send(pd_orchestration *o, pd_value number)
{
    pd_entity_id to = crash_entity("tally", pd_int(number));
    for (int i = 1; i <= SENT; i++) {
        pd_signal_entity(o, to, "put", PD_ARR(pd_instance_id(o), i, pd_of_bool(i == SENT)));
        if (i == SENT / 2) {
            (void)pd_call_activity(o, "Work", number);
            touch(o, pd_int(number));
        }
    }
    return pd_ok(o, number);
}

/* Two that differ. */
static void choose(int64_t number, pd_entity_id *a, pd_entity_id *b)
{
    uint64_t random = (uint64_t)number;
    int64_t first = (int64_t)(crash_random(&random) % CRASH_ACCOUNTS);
    int64_t further = 1 + (int64_t)(crash_random(&random) % (CRASH_ACCOUNTS - 1));
    *a = crash_entity("account", first);
    *b = crash_entity("account", first + further);
}

static void put(pd_orchestration *o, pd_entity_id id, pd_value read, int64_t change)
{
    (void)pd_call_entity(o, id, "put", PD_ARR(pd_at(read, 0), pd_int(pd_at(read, 1)) + change));
}

/* Reads, does something slow, and writes: whoever comes between loses money. */
static pd_result lock(pd_orchestration *o, pd_value number)
{
    pd_entity_id giver, taker, nothing = PD_ENTITY("flash", pd_instance_id(o));
    choose(pd_int(number), &giver, &taker);
    PD_LOCKED(o, giver, taker, nothing) {
        pd_task *first = pd_start_entity(o, giver, "get", PD_NULL);
        pd_task *second = pd_start_entity(o, taker, "get", PD_NULL);
        pd_await_all(o, PD_TASKS(first, second));
        (void)pd_call_activity(o, "Work", number);
        pd_sleep(o, pd_milliseconds(pd_int(number) % 30));
        pd_signal_entity(o, crash_entity("tally", pd_int(number)), "put",
                         PD_ARR(pd_instance_id(o), 1, PD_TRUE));
        put(o, giver, pd_task_value(first), -(pd_int(number) % 97));
        put(o, taker, pd_task_value(second), pd_int(number) % 97);
    }
    return pd_ok(o, number);
}

/* Holds locks, and ends in one of many ways inside, or is terminated. Its input is the number, and
 * then minus that. */
static pd_result grab(pd_orchestration *o, pd_value input)
{
    int64_t number = pd_int(input) < 0 ? -pd_int(input) : pd_int(input);
    pd_entity_id a, b;
    choose(number, &a, &b);
    PD_LOCKED(o, a, b) {
        (void)pd_call_entity(o, b, "get", PD_NULL);
        (void)pd_start_entity(o, a, "get", PD_NULL);
        switch (number % 4) {
        case 0: return pd_ok(o, number);
        case 1: pd_raise(o, "Grabbed", "as it was to");
        case 2:
            if (pd_int(input) > 0) {
                return pd_continue_as_new(o, -number);
            }
            break;
        default: (void)pd_wait_event_for(o, "Never", pd_milliseconds(60), NULL); break;
        }
    }
    return pd_ok(o, number);
}

static bool is_refused(pd_orchestration *o, pd_task *task)
{
    return !pd_wait(o, task) && strcmp(pd_task_failure(task)->type, "Refused") == 0;
}

/* Its status says which tickets it was given. */
static pd_result quiz(pd_orchestration *o, pd_value number)
{
    pd_entity_id id = crash_entity("ticket", pd_int(number));
    pd_task *first = pd_start_entity(o, id, "next", PD_NULL);
    pd_task *none = pd_start_entity(o, id, "refuse", PD_NULL);
    pd_task *second = pd_start_entity(o, id, "next", PD_NULL);
    if (!is_refused(o, none)) {
        pd_raise(o, "NotRefused", "an operation that fails did not");
    }
    pd_await_all(o, PD_TASKS(first, second));
    touch(o, pd_int(number));
    pd_value third = pd_call_entity(o, id, "next", PD_NULL);
    pd_set_status(o, PD_ARR(pd_task_value(first), pd_task_value(second), third));
    return pd_ok(o, number);
}

/* A signal with a time; every other is cancelled, which may be too late. */
static pd_result wake(pd_orchestration *o, pd_value number)
{
    pd_time due = pd_after(pd_now(o), pd_milliseconds(20 + pd_int(number) % 60));
    pd_entity_id id = crash_entity("roll", pd_int(number));
    const char *signal = pd_signal_entity(o, id, "sign", PD_ARR(number, due.ms), .at = due);
    (void)pd_call_activity(o, "Work", number);
    if (pd_int(number) % 2 == 1) {
        pd_cancel_signal(o, id, signal);
    }
    return pd_ok(o, number);
}

const pd_function crash_entities[] = {
    PD_ENTITY_TABLE("tally", tally), PD_ENTITY_TABLE("Sum", sum),
    PD_ENTITY_TABLE("roll", roll),   PD_ENTITY_TABLE("account", account),
    PD_FUNCTION("ticket", ticket),   PD_FUNCTION("flash", flash),
    PD_FUNCTION("Boss", boss),       PD_FUNCTION("send", send),
    PD_FUNCTION("lock", lock),       PD_FUNCTION("grab", grab),
    PD_FUNCTION("quiz", quiz),       PD_FUNCTION("wake", wake),
};
const size_t crash_entities_size = sizeof crash_entities / sizeof crash_entities[0];

/* ---- names ----------------------------------------------------------------------------------- */

pd_entity_id crash_entity(const char *name, int64_t number)
{
    static const char *const keys[] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };
    size_t count = strcmp(name, "account") == 0 ? CRASH_ACCOUNTS
                   : strcmp(name, "sum") == 0   ? CRASH_SUMS
                                                : CRASH_OTHERS;
    return PD_ENTITY(name, keys[(size_t)number % count]);
}
