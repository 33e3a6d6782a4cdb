/* SPDX-License-Identifier: MIT
 *
 * What orchestrators say to entities: calls, signals, critical sections; with stacks kept, dropped
 * and forgotten. */
#include "play.h"

#include <stdio.h>
#include <string.h>

#include "core/core.h"

#define ACCOUNT(key) PD_ENTITY("Account", key)

/* ---- calls and signals ----------------------------------------------------------------------- */

static pd_result calls(pd_orchestration *o, pd_value input)
{
    pd_value first = pd_call_entity(o, ACCOUNT("a"), "deposit", input);
    pd_task *second = pd_start_entity(o, ACCOUNT("b"), "Get", PD_NULL);
    pd_task *third = pd_start_entity(o, ACCOUNT("a"), "get", PD_NULL);
    pd_await_all(o, PD_TASKS(second, third));
    return pd_ok(o, PD_ARR(first, pd_task_value(second), pd_task_value(third)));
}

static void script_calls(struct play *p)
{
    play_start(p, "Calls", "5");
    play_answer(p, 0, "{\"balance\":5}");
    play_turn(p);
    play_answer(p, 2, "7");
    play_turn(p);
    play_answer(p, 1, "null");
    play_turn(p);
}

static pd_result one_fails(pd_orchestration *o, pd_value input)
{
    pd_task *call = pd_start_entity(o, ACCOUNT(""), "withdraw", input);
    if (pd_wait(o, call))
        return pd_ok(o, "it went well");
    return pd_bool(input) ? pd_fail_with(o, pd_task_failure(call)) : pd_ok(o, pd_await(o, call));
}

static void script_fails_verbatim(struct play *p)
{
    play_start(p, "OneFails", "true");
    play_answer_fail(p, 0, "NotEnough", "there is too little")->is_final = true;
    play_turn(p);
}

static void script_fails_awaited(struct play *p)
{
    play_start(p, "OneFails", "false");
    play_answer_fail(p, 0, "NotEnough", "there is too little");
    play_turn(p);
}

static pd_result signals(pd_orchestration *o, pd_value input)
{
    const char *first = pd_signal_entity(o, PD_ENTITY("Counter", "x"), "add", input);
    const char *later = pd_signal_entity(o, PD_ENTITY("counter", "y@Z"), "add", 2,
                                         .at = pd_after(pd_now(o), pd_seconds(60)));
    pd_signal_entity(o, PD_ENTITY("counter", "x"), "add", 3, .at = pd_now(o)); /* not later */
    pd_sleep(o, pd_seconds(1));
    pd_cancel_signal(o, PD_ENTITY("Counter", "y@Z"), later);
    pd_cancel_signal(o, PD_ENTITY("Counter", "y@Z"), "another's");
    pd_call_activity(o, "A", pd_history_length(o));
    return pd_ok(o, PD_ARR(first, later));
}

static void script_signals(struct play *p)
{
    play_start(p, "Signals", "1");
    play_fire(p, 3);
    play_turn(p);
    play_complete(p, 4, "0");
    play_turn(p);
}

static pd_result gives_up(pd_orchestration *o, pd_value input)
{
    pd_task *call = pd_start_entity(o, ACCOUNT("a"), "get", input);
    pd_task *timer = pd_start_timer(o, pd_seconds(1));
    pd_wait_any(o, PD_TASKS(call, timer));
    pd_cancel(o, call);
    pd_call_activity(o, "A", pd_task_failure(call)->message);
    return pd_ok(o, pd_call_entity(o, ACCOUNT("a"), "get", 2));
}

static void script_gives_up(struct play *p)
{
    play_start(p, "GivesUp", "1");
    play_fire(p, 1);
    play_turn(p);
    play_answer(p, 0, "\"too late\"");
    play_complete(p, 2, "0");
    play_turn(p);
    play_answer(p, 0, "\"too late\""); /* also twice */
    play_answer(p, 3, "\"in time\"");
    play_turn(p);
}

/* ---- critical sections ----------------------------------------------------------------------- */

static pd_result transfer(pd_orchestration *o, pd_value input)
{
    const char *from, *to;
    int amount;
    pd_read(o, input, "from", &from, "to", &to, "amount", &amount);
    PD_LOCKED(o, ACCOUNT(from), ACCOUNT(to)) {
        int64_t balance = pd_int(pd_call_entity(o, ACCOUNT(from), "get", PD_NULL));
        if (balance < amount)
            return pd_fail(o, "NotEnough", "%s has %lld", from, (long long)balance);
        pd_call_entity(o, ACCOUNT(from), "add", -amount);
        pd_call_entity(o, ACCOUNT(to), "add", amount);
    }
    return pd_ok(o, PD_TRUE);
}

static void script_transfer(struct play *p)
{
    play_start(p, "Transfer", "{\"from\":\"b\",\"to\":\"a\",\"amount\":3}");
    play_turn(p);
    play_grant(p, 0);
    play_turn(p);
    play_answer(p, 1, "5");
    play_turn(p);
    play_answer(p, 2, "2");
    play_turn(p);
    play_answer(p, 3, "3");
    play_turn(p);
}

static void script_returns_inside(struct play *p)
{
    play_start(p, "Transfer", "{\"from\":\"b\",\"to\":\"a\",\"amount\":9}");
    play_grant(p, 0);
    play_turn(p);
    play_answer(p, 1, "5");
    play_turn(p);
}

/* Leaves in every way there is: input says how. */
static pd_result leaves(pd_orchestration *o, pd_value input)
{
    const char *how = pd_text(input);
    PD_LOCKED(o, ACCOUNT("a")) {
        pd_call_activity(o, "A", input);
        if (strcmp(how, "break") == 0)
            break;
        if (strcmp(how, "continue") == 0)
            continue;
        if (strcmp(how, "goto") == 0)
            goto behind;
        if (strcmp(how, "raise") == 0)
            pd_raise(o, "Left", "by raising");
        if (strcmp(how, "new") == 0)
            return pd_continue_as_new(o, "return");
        if (strcmp(how, "return") == 0)
            return pd_ok(o, "returned");
        if (strcmp(how, "fail") == 0)
            pd_call_activity(o, "Fails", PD_NULL);
        pd_call_activity(o, "B", input);
    }
behind:
    pd_call_activity(o, "C", input);
    return pd_ok(o, PD_NULL);
}

static void script_leaves(struct play *p, const char *how)
{
    play_start(p, "Leaves", how);
    play_grant(p, 0);
    play_turn(p);
    play_complete(p, 1, "0");
    play_turn(p);
}

static void script_break(struct play *p)
{
    script_leaves(p, "\"break\"");
}

static void script_continue(struct play *p)
{
    script_leaves(p, "\"continue\"");
}

static void script_goto(struct play *p)
{
    script_leaves(p, "\"goto\"");
}

static void script_raise(struct play *p)
{
    script_leaves(p, "\"raise\"");
}

static void script_return(struct play *p)
{
    script_leaves(p, "\"return\"");
}

static void script_fail(struct play *p)
{
    script_leaves(p, "\"fail\"");
    play_fail(p, 2, "Down", "it is");
    play_turn(p);
}

static void script_new(struct play *p)
{
    script_leaves(p, "\"new\"");
    play_turn(p);
    play_grant(p, 0);
    play_turn(p);
}

/* One section after the other, the same entities in another order and twice. */
static pd_result again(pd_orchestration *o, pd_value input)
{
    for (int i = 0; i < 2; i++) {
        PD_LOCKED(o, ACCOUNT("b"), PD_ENTITY("ACCOUNT", "a"), ACCOUNT("b")) {
            pd_task *one = pd_start_entity(o, ACCOUNT("a"), "x", input);
            pd_task *two = pd_start_entity(o, ACCOUNT("b"), "x", input);
            pd_await(o, one);
            pd_signal_entity(o, PD_ENTITY("log", ""), "x", input);
            pd_call_entity(o, ACCOUNT("a"), "y", input); /* while b has not answered */
            (void)two;                                   /* left without waiting for it */
        }
        pd_signal_entity(o, ACCOUNT("a"), "x", pd_history_length(o));
    }
    pd_call_child(o, "Child", input);
    return pd_ok(o, PD_NULL);
}

static void script_again(struct play *p)
{
    play_start(p, "Again", "1");
    play_grant(p, 0);
    play_turn(p);
    play_answer(p, 1, "1");
    play_turn(p);
    play_answer(p, 4, "1");
    play_turn(p); /* unlocks, signals, locks again */
    play_answer(p, 2, "1");
    play_grant(p, 8);
    play_turn(p);
    play_answer(p, 9, "1");
    play_turn(p);
    play_answer(p, 10, "1");
    play_answer(p, 12, "1");
    play_turn(p);
    play_child_complete(p, 16, "0");
    play_turn(p);
}

/* By hand, and by copies of the lock: only the first of them counts. */
static pd_result by_hand(pd_orchestration *o, pd_value input)
{
    const pd_entity_id ids[] = { ACCOUNT("a") };
    pd_lock lock = pd_lock_(o, ids, 1), copy = lock, late = lock, none = { 0 };
    pd_call_activity(o, "A", input);
    pd_unlock_(&lock);
    pd_unlock_(&lock);
    pd_unlock_(&copy);
    pd_unlock_(&none);
    pd_unlock_(NULL);
    pd_lock second = pd_lock_(o, ids, 1);
    pd_unlock_(&late); /* not the second */
    pd_call_activity(o, "B", input);
    pd_unlock_(&second);
    return pd_ok(o, PD_NULL);
}

static void script_by_hand(struct play *p)
{
    play_start(p, "ByHand", "1");
    play_grant(p, 0);
    play_turn(p);
    play_complete(p, 1, "0");
    play_turn(p);
    play_grant(p, 3);
    play_turn(p);
    play_complete(p, 4, "0");
    play_turn(p);
}

static pd_result never(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input); /* is only named */
}

static const pd_function program[] = {
    PD_FUNCTION("Calls", calls),       PD_FUNCTION("OneFails", one_fails),
    PD_FUNCTION("Signals", signals),   PD_FUNCTION("GivesUp", gives_up),
    PD_FUNCTION("Transfer", transfer), PD_FUNCTION("Leaves", leaves),
    PD_FUNCTION("Again", again),       PD_FUNCTION("ByHand", by_hand),
    PD_FUNCTION("Child", never),
};

static void plays(void (*script)(struct play *), const char *expected)
{
    play_all(PD_PROGRAM(program), script, expected);
}

static void calls_are_steps_with_answers(void **state)
{
    (void)state;
    plays(script_calls, "turn 1\n  0 calls deposit 5 of @account@a\n"
                        "turn 2\n  1 calls Get null of @account@b\n"
                        "  2 calls get null of @account@a\n"
                        "turn 3\n"
                        "turn 4\n  3 completed [{\"balance\":5},null,7]\n");
}

static void a_failure_of_an_operation_is_a_value_and_verbatim(void **state)
{
    (void)state;
    plays(script_fails_verbatim, "turn 1\n  0 calls withdraw true of @account@\n"
                                 "turn 2\n  1 failed NotEnough: there is too little (final)\n");
    plays(script_fails_awaited,
          "turn 1\n  0 calls withdraw false of @account@\n"
          "turn 2\n  1 failed TaskFailed: operation 'withdraw' of @account@ (step 0) failed: there "
          "is too little <- NotEnough: there is too little\n");
}

static void signals_are_steps_of_which_nothing_is_heard(void **state)
{
    char expected[1024], first[REQUEST_ID_SIZE], later[REQUEST_ID_SIZE];
    (void)state;
    request_id_of_step(TEXT("e1"), 0, first);
    request_id_of_step(TEXT("e1"), 1, later);
    (void)snprintf(expected, sizeof expected,
                   "turn 1\n  0 signals add 1 to @counter@x\n"
                   "  1 signals add 2 to @counter@y@Z at 61000000\n"
                   "  2 signals add 3 to @counter@x\n"
                   "  3 timer 2000001\n"
                   "turn 2\n  cancels a signal to @counter@y@Z of step 1\n"
                   "  cancels a signal to @counter@y@Z of another's\n"
                   "  4 A 9\n"
                   "turn 3\n  5 completed [\"%s\",\"%s\"]\n",
                   first, later);
    plays(script_signals, expected);
}

static void a_call_can_be_given_up_and_its_answer_is_dropped(void **state)
{
    (void)state;
    plays(script_gives_up, "turn 1\n  0 calls get 1 of @account@a\n  1 timer 2000001\n"
                           "turn 2\n  cancels 0\n  2 A \"operation 'get' was cancelled\"\n"
                           "turn 3\n  3 calls get 2 of @account@a\n"
                           "turn 4\n  4 completed \"in time\"\n");
}

static void a_section_waits_for_its_locks_and_gives_them_back(void **state)
{
    (void)state;
    plays(script_transfer, "turn 1\n  0 locks @account@a @account@b\n"
                           "turn 2\n"
                           "turn 3\n  1 calls get null of @account@b\n"
                           "turn 4\n  2 calls add -3 of @account@b\n"
                           "turn 5\n  3 calls add 3 of @account@a\n"
                           "turn 6\n  4 unlocks @account@a of step 0\n"
                           "  5 unlocks @account@b of step 0\n"
                           "  6 completed true\n");
    plays(script_returns_inside, "turn 1\n  0 locks @account@a @account@b\n"
                                 "turn 2\n  1 calls get null of @account@b\n"
                                 "turn 3\n  2 unlocks @account@a of step 0\n"
                                 "  3 unlocks @account@b of step 0\n"
                                 "  4 failed NotEnough: b has 5\n");
}

static void leaving_the_block_gives_back_and_leaving_the_function_lets_the_end_do_it(void **state)
{
    static const char behind[] = "turn 1\n  0 locks @account@a\n"
                                 "turn 2\n  1 A \"%s\"\n"
                                 "turn 3\n  2 unlocks @account@a of step 0\n  3 C \"%s\"\n";
    static const char *const hows[] = { "break", "goto", "continue" };
    static void (*const scripts[])(struct play *) = { script_break, script_goto, script_continue };
    char expected[400];
    (void)state;
    for (int i = 0; i < 3; i++) {
        (void)snprintf(expected, sizeof expected, behind, hows[i], hows[i]);
        plays(scripts[i], expected);
    }
    plays(script_return, "turn 1\n  0 locks @account@a\nturn 2\n  1 A \"return\"\n"
                         "turn 3\n  2 unlocks @account@a of step 0\n  3 completed \"returned\"\n");
    plays(script_new, "turn 1\n  0 locks @account@a\nturn 2\n  1 A \"new\"\n"
                      "turn 3\n  2 unlocks @account@a of step 0\n  3 continues \"return\"\n"
                      "turn 1\n  0 locks @account@a\nturn 2\n  1 A \"return\"\n");
    plays(script_raise, "turn 1\n  0 locks @account@a\nturn 2\n  1 A \"raise\"\n"
                        "turn 3\n  2 failed Left: by raising\n");
    plays(script_fail, "turn 1\n  0 locks @account@a\nturn 2\n  1 A \"fail\"\n"
                       "turn 3\n  2 Fails null\n"
                       "turn 4\n  3 failed TaskFailed: activity 'Fails' (step 2) failed: it is <- "
                       "Down: it is\n");
}

static void the_same_entities_are_locked_again_in_the_same_order(void **state)
{
    (void)state;
    plays(script_again, "turn 1\n  0 locks @account@a @account@b\n"
                        "turn 2\n  1 calls x 1 of @account@a\n  2 calls x 1 of @account@b\n"
                        "turn 3\n  3 signals x 1 to @log@\n  4 calls y 1 of @account@a\n"
                        "turn 4\n  5 unlocks @account@a of step 0\n"
                        "  6 unlocks @account@b of step 0\n"
                        "  7 signals x 16 to @account@a\n"
                        "  8 locks @account@a @account@b\n"
                        "turn 5\n  9 calls x 1 of @account@a\n  10 calls x 1 of @account@b\n"
                        "turn 6\n  11 signals x 1 to @log@\n  12 calls y 1 of @account@a\n"
                        "turn 7\n  13 unlocks @account@a of step 8\n"
                        "  14 unlocks @account@b of step 8\n"
                        "  15 signals x 35 to @account@a\n"
                        "  16 child Child 1 as e1:0010\n"
                        "turn 8\n  17 completed null\n");
}

static void a_lock_is_given_back_once(void **state)
{
    (void)state;
    plays(script_by_hand, "turn 1\n  0 locks @account@a\nturn 2\n  1 A 1\n"
                          "turn 3\n  2 unlocks @account@a of step 0\n  3 locks @account@a\n"
                          "turn 4\n  4 B 1\n"
                          "turn 5\n  5 unlocks @account@a of step 3\n  6 completed null\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_steps_with_answers),
        cmocka_unit_test(a_failure_of_an_operation_is_a_value_and_verbatim),
        cmocka_unit_test(signals_are_steps_of_which_nothing_is_heard),
        cmocka_unit_test(a_call_can_be_given_up_and_its_answer_is_dropped),
        cmocka_unit_test(a_section_waits_for_its_locks_and_gives_them_back),
        cmocka_unit_test(leaving_the_block_gives_back_and_leaving_the_function_lets_the_end_do_it),
        cmocka_unit_test(the_same_entities_are_locked_again_in_the_same_order),
        cmocka_unit_test(a_lock_is_given_back_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
