/* SPDX-License-Identifier: MIT
 *
 * The patterns of the programming model, each played in every mode with one expected transcript. */
#include "play.h"

static pd_result say_hello(pd_activity *a, pd_value city)
{
    return pd_ok(a, pd_format(a, "Hello %s!", pd_text(city)));
}

/* ---- chaining -------------------------------------------------------------------------------- */

static pd_result hello_cities(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_list *greetings = pd_list_new(o);
    pd_list_add(greetings, pd_call_activity(o, say_hello, "Tokyo"));
    pd_list_add(greetings, pd_call_activity(o, say_hello, "Seattle"));
    pd_list_add(greetings, pd_call_activity(o, "Foreign", "London", .version = "2"));
    return pd_ok(o, greetings);
}

static const pd_function cities[] = {
    PD_FUNCTION("HelloCities", hello_cities),
    PD_FUNCTION("SayHello", say_hello),
};

static void script_cities(struct play *p)
{
    play_start(p, "HelloCities", NULL);
    play_complete(p, 0, "\"Hello Tokyo!\"");
    play_turn(p);
    play_complete(p, 1, "\"Hello Seattle!\"");
    play_turn(p);
    play_complete(p, 2, "{\"n\": [1, 2.5, null, true]}");
    play_turn(p);
    assert_true(p->is_ended);
}

static void calls_in_a_row_schedule_one_after_another(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(cities), script_cities,
             "turn 1\n  0 SayHello \"Tokyo\"\n"
             "turn 2\n  1 SayHello \"Seattle\"\n"
             "turn 3\n  2 Foreign \"London\" version 2\n"
             "turn 4\n  3 completed [\"Hello Tokyo!\",\"Hello Seattle!\","
             "{\"n\":[1,2.5,null,true]}]\n");
}

static void kept_runs_need_no_history_and_dropped_ones_do(void **state)
{
    (void)state;
    for (int mode = PLAY_KEPT; mode <= PLAY_DROPPED; mode++) {
        struct play p;
        play_begin(&p, PD_PROGRAM(cities), (enum play_mode)mode);
        play_start(&p, "HelloCities", NULL);
        assert_false(p.needed_history);
        play_complete(&p, 0, "1");
        play_turn(&p);
        assert_int_equal(p.needed_history, mode == PLAY_DROPPED);
        assert_int_equal(author_counters(p.runner).replays, mode == PLAY_DROPPED);
        assert_int_equal(author_counters(p.runner).resident, mode == PLAY_KEPT);
        play_end(&p);
    }
}

/* ---- fan-out, fan-in ------------------------------------------------------------------------- */

static pd_result sum(pd_orchestration *o, pd_value files)
{
    size_t n = pd_count(files);
    pd_task **parts = pd_alloc(o, n * sizeof *parts);
    for (size_t i = 0; i < n; i++) {
        parts[i] = pd_start_activity(o, "Size", pd_at(files, i));
    }
    pd_await_all(o, parts, n);
    int64_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes = bytes * 10 + pd_int(pd_task_value(parts[i]));
    }
    return pd_ok(o, bytes);
}

static const pd_function fan[] = { PD_FUNCTION("Sum", sum) };

static void script_fan(struct play *p)
{
    play_start(p, "Sum", "[\"a\",\"b\",\"c\"]");
    play_complete(p, 2, "3");
    play_turn(p);
    play_complete(p, 0, "1");
    play_complete(p, 0, "9"); /* a second completion counts for nothing (R3) */
    play_complete(p, 7, "9"); /* nor does one of a step that nobody asked for */
    play_complete(p, 1, "2");
    play_turn(p);
}

static void fan_in_takes_completions_in_any_order(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(fan), script_fan,
             "turn 1\n  0 Size \"a\"\n  1 Size \"b\"\n  2 Size \"c\"\n"
             "turn 2\nturn 3\n  3 completed 123\n");
}

static void script_fan_empty(struct play *p)
{
    play_start(p, "Sum", "[]");
}

static void waiting_for_no_tasks_is_over_at_once(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(fan), script_fan_empty, "turn 1\n  0 completed 0\n");
}

static void script_fan_fails(struct play *p)
{
    play_start(p, "Sum", "[1,2,3]");
    play_fail(p, 2, "Late", "third");
    play_fail(p, 1, "Early", "second");
    play_turn(p);
    play_complete(p, 0, "1");
    play_turn(p);
}

static void await_all_leaves_with_all_causes_in_call_order_after_all_have_ended(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(fan), script_fan_fails,
             "turn 1\n  0 Size 1\n  1 Size 2\n  2 Size 3\nturn 2\nturn 3\n"
             "  3 failed TaskFailed: 2 of 3 tasks failed: activity 'Size' (step 1) failed: second; "
             "activity 'Size' (step 2) failed: third <- {Early: second | Late: third}\n");
}

/* ---- failures -------------------------------------------------------------------------------- */

static pd_result order(pd_orchestration *o, pd_value in)
{
    pd_call_activity(o, "ReserveStock", in);
    pd_task *charge = pd_start_activity(o, "ChargeCard", in);
    if (!pd_wait(o, charge)) {
        pd_call_activity(o, "ReleaseStock", pd_task_failure(charge)->type);
        return pd_fail_with(o, pd_task_failure(charge));
    }
    if (pd_bool(pd_task_value(charge))) {
        pd_raise(o, "Odd", "charged %d", 1);
    }
    return pd_fail(o, "NotCharged", "%s", "no");
}

static const pd_function orders[] = { PD_FUNCTION("Order", order) };

static void script_compensate(struct play *p)
{
    play_start(p, "Order", "{\"id\":7}");
    play_complete(p, 0, "null");
    play_turn(p);
    play_fail(p, 1, "CardDeclined", "no money");
    play_turn(p);
    play_complete(p, 2, NULL);
    play_turn(p);
}

static void a_failure_is_a_value_and_can_be_compensated(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(orders), script_compensate,
             "turn 1\n  0 ReserveStock {\"id\":7}\nturn 2\n  1 ChargeCard {\"id\":7}\n"
             "turn 3\n  2 ReleaseStock \"CardDeclined\"\n"
             "turn 4\n  3 failed CardDeclined: no money\n");
}

static void script_final(struct play *p)
{
    static const struct failure root = { .type = TEXT_INIT("Root"), .message = TEXT_INIT("r") };
    static const struct failure failure = {
        .type = TEXT_INIT("Gone"), .message = TEXT_INIT("g"), .cause = &root, .is_final = true
    };
    play_start(p, "Order", NULL);
    play_complete(p, 0, NULL);
    play_turn(p);
    struct event *event = play_coming(p, EVENT_TASK_FAILED);
    event->ref = 1;
    event->failure = &failure;
    play_turn(p);
    play_complete(p, 2, NULL);
    play_turn(p);
}

static void a_failure_is_passed_on_whole(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(orders), script_final,
             "turn 1\n  0 ReserveStock null\nturn 2\n  1 ChargeCard null\n"
             "turn 3\n  2 ReleaseStock \"Gone\"\n"
             "turn 4\n  3 failed Gone: g (final) <- Root: r\n");
}

static void script_await_fails(struct play *p)
{
    play_start(p, "Order", NULL);
    play_fail(p, 0, "Empty", "nothing left");
    play_turn(p);
}

static void an_awaited_failure_leaves_the_function(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(orders), script_await_fails,
             "turn 1\n  0 ReserveStock null\nturn 2\n  1 failed TaskFailed: activity "
             "'ReserveStock' (step 0) failed: nothing left <- Empty: nothing left\n");
}

static void script_raise(struct play *p)
{
    play_start(p, "Order", NULL);
    play_complete(p, 0, "1");
    play_turn(p);
    play_complete(p, 1, "true");
    play_turn(p);
}

static void raise_leaves_with_its_type(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(orders), script_raise,
             "turn 1\n  0 ReserveStock null\nturn 2\n  1 ChargeCard null\n"
             "turn 3\n  2 failed Odd: charged 1\n");
}

/* ---- timers ---------------------------------------------------------------------------------- */

static pd_result naps(pd_orchestration *o, pd_value input)
{
    pd_time begun = pd_now(o);
    pd_sleep(o, pd_seconds(2));
    pd_time woken = pd_now(o);
    pd_sleep_until(o, pd_after(begun, pd_hours(1)));
    pd_sleep(o, pd_seconds(-5));
    pd_task *far = pd_start_timer(o, pd_days(365000));
    (void)input;
    return pd_ok(o, PD_ARR(begun.ms, woken.ms, pd_now(o).ms, pd_of_bool(pd_task_is_done(far))));
}

static const pd_function sleepers[] = { PD_FUNCTION("Naps", naps) };

static void script_naps(struct play *p)
{
    play_start(p, "Naps", NULL);
    play_fire(p, 0);
    play_turn(p);
    play_fire(p, 1);
    play_turn(p);
    play_fire(p, 2);
    play_turn(p);
}

static void timers_count_from_the_turn_in_which_they_were_set(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(sleepers), script_naps,
             "turn 1\n  0 timer 3000001\nturn 2\n  1 timer 3601000000\n"
             "turn 3\n  2 timer -1999993\n"
             "turn 4\n  3 timer 31536000004000010\n"
             "  4 completed [1000,2000,4000,false]\n");
}

/* ---- external events ------------------------------------------------------------------------- */

static pd_result listener(pd_orchestration *o, pd_value input)
{
    pd_list *heard = pd_list_new(o);
    (void)input;
    pd_list_add(heard, pd_wait_event(o, "Go"));
    pd_call_activity(o, "Work", PD_NULL);
    pd_task *first = pd_expect_event(o, "go");
    pd_task *second = pd_expect_event(o, "GO");
    pd_await(o, second);
    pd_list_add(heard, pd_task_value(first));
    pd_list_add(heard, pd_task_value(second));
    pd_list_add(heard, pd_wait_event(o, "gO"));
    return pd_ok(o, heard);
}

static const pd_function listeners[] = { PD_FUNCTION("Listener", listener) };

static void script_early(struct play *p)
{
    play_raise(p, "gO", "1");
    play_raise(p, "Other", "0");
    play_raise(p, "Go", "2");
    play_start(p, "Listener", NULL);
    play_raise(p, "GO", "3");
    play_turn(p);
    play_complete(p, 0, NULL);
    play_turn(p);
    play_raise(p, "gO", "{\"last\":4}");
    play_turn(p);
}

static void events_that_come_early_are_kept_in_order_whatever_their_case(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(listeners), script_early,
             "turn 1\n  0 Work null\nturn 2\nturn 3\nturn 4\n  1 completed [1,2,3,{\"last\":4}]\n");
}

static void script_late(struct play *p)
{
    play_start(p, "Listener", NULL);
    play_raise(p, "Go", "1");
    play_turn(p);
    play_complete(p, 0, NULL);
    play_turn(p);
    play_raise(p, "Go", "2");
    play_turn(p);
    play_raise(p, "Go", "3");
    play_raise(p, "Go", "4");
    play_turn(p);
}

static void events_that_come_late_go_to_the_oldest_waiter(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(listeners), script_late,
             "turn 1\nturn 2\n  0 Work null\nturn 3\nturn 4\nturn 5\n  1 completed [1,2,3,4]\n");
}

static void script_early_again(struct play *p)
{
    play_raise(p, "Go", "1");
    play_raise(p, "Go", "2");
    play_start(p, "Listener", NULL);
    play_raise(p, "Go", "3");
    play_complete(p, 0, NULL);
    play_turn(p);
    play_raise(p, "Go", "4");
    play_turn(p);
}

/* Takes all that were kept, and then others that come while it is busy. */
static pd_result busy_listener(pd_orchestration *o, pd_value input)
{
    pd_list *heard = pd_list_new(o);
    (void)input;
    for (int round = 0; round < 3; round++) {
        pd_list_add(heard, pd_wait_event(o, "Go"));
        pd_list_add(heard, pd_wait_event(o, "Go"));
        pd_call_activity(o, "Work", round);
    }
    return pd_ok(o, heard);
}

static const pd_function busy[] = { PD_FUNCTION("Busy", busy_listener) };

static void script_busy(struct play *p)
{
    play_raise(p, "Go", "1");
    play_raise(p, "Go", "2");
    play_start(p, "Busy", NULL);
    play_raise(p, "Go", "3");
    play_turn(p);
    play_raise(p, "Go", "4");
    play_complete(p, 0, NULL);
    play_turn(p);
    play_raise(p, "Go", "5");
    play_complete(p, 1, NULL);
    play_raise(p, "Go", "6");
    play_turn(p);
    play_complete(p, 2, NULL);
    play_turn(p);
}

static void events_are_kept_again_after_all_that_were_kept_have_gone(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(listeners), script_early_again,
             "turn 1\n  0 Work null\nturn 2\nturn 3\n  1 completed [1,2,3,4]\n");
    play_all(PD_PROGRAM(busy), script_busy,
             "turn 1\n  0 Work 0\nturn 2\nturn 3\n  1 Work 1\nturn 4\n  2 Work 2\n"
             "turn 5\n  3 completed [1,2,3,4,5,6]\n");
}

/* ---- wait_any -------------------------------------------------------------------------------- */

static pd_result race(pd_orchestration *o, pd_value input)
{
    pd_list *order_seen = pd_list_new(o);
    pd_task *tasks[3] = { pd_start_activity(o, "A", PD_NULL), pd_start_activity(o, "B", PD_NULL) };
    (void)input;
    tasks[2] = pd_expect_event(o, "C");
    size_t first = pd_wait_any(o, tasks, 3);
    pd_list_add(order_seen, first);
    pd_list_add(order_seen, pd_of_bool(pd_task_is_done(tasks[0])));
    /* Goes on in the same turn, when the others have come with it. */
    pd_wait_all(o, tasks, 3);
    pd_list_add(order_seen, pd_wait_any(o, tasks, 3));
    return pd_ok(o, order_seen);
}

static const pd_function racers[] = { PD_FUNCTION("Race", race) };

static void script_race(struct play *p)
{
    play_start(p, "Race", NULL);
    play_raise(p, "c", "0");
    play_complete(p, 1, "1");
    play_complete(p, 0, "1");
    play_turn(p);
}

static void wait_any_goes_by_history_order_within_a_turn(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(racers), script_race,
             "turn 1\n  0 A null\n  1 B null\nturn 2\n  2 completed [2,false,0]\n");
}

static pd_result collect(pd_orchestration *o, pd_value input)
{
    pd_task *left[4];
    size_t n = (size_t)pd_int(input);
    pd_list *values = pd_list_new(o);
    for (size_t i = 0; i < n; i++) {
        left[i] = pd_start_activity(o, "Get", i);
    }
    while (n > 0) {
        size_t i = pd_wait_any(o, left, n);
        pd_list_add(values, pd_task_value(left[i]));
        left[i] = left[--n];
        pd_list_add(values, pd_now(o).ms);
    }
    return pd_ok(o, values);
}

static const pd_function collectors[] = { PD_FUNCTION("Collect", collect) };

static void script_collect(struct play *p)
{
    play_start(p, "Collect", "4");
    play_complete(p, 2, "\"c\"");
    play_turn(p);
    play_complete(p, 1, "\"b\"");
    play_complete(p, 3, "\"d\"");
    play_turn(p);
    play_complete(p, 0, "\"a\"");
    play_turn(p);
}

static void a_loop_of_wait_any_sees_each_task_once_and_in_its_turn(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(collectors), script_collect,
             "turn 1\n  0 Get 0\n  1 Get 1\n  2 Get 2\n  3 Get 3\nturn 2\nturn 3\n"
             "turn 4\n  4 completed [\"c\",2000,\"b\",3000,\"d\",3000,\"a\",4000]\n");
}

static pd_result twice(pd_orchestration *o, pd_value input)
{
    pd_task *t = pd_start_activity(o, "A", input);
    bool is_fine = pd_wait_all(o, PD_TASKS(t, t, t));
    pd_wait_all(o, PD_TASKS(t));
    return pd_ok(o, PD_ARR(is_fine, pd_wait_any(o, PD_TASKS(t, t)), pd_await(o, t)));
}

static const pd_function doubles[] = { PD_FUNCTION("Twice", twice) };

static void script_twice(struct play *p)
{
    play_start(p, "Twice", "\"x\"");
    play_complete(p, 0, "5");
    play_turn(p);
}

static void a_task_named_twice_in_a_wait_counts_once(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(doubles), script_twice,
             "turn 1\n  0 A \"x\"\nturn 2\n  1 completed [true,0,5]\n");
}

/* ---- payloads -------------------------------------------------------------------------------- */

static pd_result nested(pd_orchestration *o, pd_value input)
{
    pd_dict *d = pd_dict_new(o);
    pd_list *inner = pd_list_new(o);
    pd_value early = pd_of_dict(d);
    char name[] = "on the stack";
    pd_list_add(inner, name);
    pd_list_add(inner, PD_OBJ("k", PD_ARR(1, 2.5, "x", PD_NULL), "t", PD_TRUE));
    name[0] = 'X'; /* it was copied */
    pd_value seen = pd_of_list(inner);
    pd_dict_set(d, "list", inner);
    pd_dict_set(d, "n", 1);
    pd_value before = pd_of_dict(d);
    pd_dict_set(d, "n", 2); /* replaces, but not in what was seen before */
    for (int i = 0; i < 40; i++) {
        pd_list_add(inner, i);
        pd_dict_set(d, pd_format(o, "key%d", i % 20), i);
    }
    pd_value kept = pd_keep(o, PD_OBJ("seen", seen, "before", before, "early", early));
    pd_value answer = pd_call_activity(o, "A", kept);
    return pd_ok(o, PD_OBJ("n", pd_get(pd_of_dict(d), "n"), "keys", pd_count(pd_of_dict(d)), "last",
                           pd_get(pd_of_dict(d), "key19"), "first", pd_get(pd_of_dict(d), "key0"),
                           "size", pd_count(pd_of_list(inner)), "answer", answer, "in", input));
}

static const pd_function nesters[] = { PD_FUNCTION("Nested", nested) };

static void script_nested(struct play *p)
{
    play_start(p, "Nested", "[{\"a\":{\"b\":[]}}]");
    play_complete(p, 0, "{}");
    play_turn(p);
}

static void lists_dicts_and_literals_nest_and_what_was_seen_stays(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(nesters), script_nested,
             "turn 1\n  0 A {\"seen\":[\"on the stack\",{\"k\":[1,2.5,\"x\",null],\"t\":true}],"
             "\"before\":{\"list\":[\"on the stack\",{\"k\":[1,2.5,\"x\",null],\"t\":true}],"
             "\"n\":1},\"early\":{}}\n"
             "turn 2\n  1 completed {\"n\":2,\"keys\":22,\"last\":39,\"first\":20,\"size\":42,"
             "\"answer\":{},\"in\":[{\"a\":{\"b\":[]}}]}\n");
}

static pd_result late_result(pd_orchestration *o, pd_value input)
{
    pd_result early = pd_ok(o, "the first");
    pd_result other = pd_ok(o, "the second");
    pd_sleep(o, pd_seconds(1));
    return pd_int(input) == 1 ? early : other;
}

static const pd_function late[] = { PD_FUNCTION("Late", late_result) };

static void script_late_result(struct play *p)
{
    play_start(p, "Late", "1");
    play_fire(p, 0);
    play_turn(p);
}

static void a_result_may_be_made_long_before_it_is_returned(void **state)
{
    (void)state;
    play_all(PD_PROGRAM(late), script_late_result,
             "turn 1\n  0 timer 2000001\nturn 2\n  1 completed \"the first\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_in_a_row_schedule_one_after_another),
        cmocka_unit_test(kept_runs_need_no_history_and_dropped_ones_do),
        cmocka_unit_test(fan_in_takes_completions_in_any_order),
        cmocka_unit_test(waiting_for_no_tasks_is_over_at_once),
        cmocka_unit_test(await_all_leaves_with_all_causes_in_call_order_after_all_have_ended),
        cmocka_unit_test(a_failure_is_a_value_and_can_be_compensated),
        cmocka_unit_test(a_failure_is_passed_on_whole),
        cmocka_unit_test(an_awaited_failure_leaves_the_function),
        cmocka_unit_test(raise_leaves_with_its_type),
        cmocka_unit_test(timers_count_from_the_turn_in_which_they_were_set),
        cmocka_unit_test(events_that_come_early_are_kept_in_order_whatever_their_case),
        cmocka_unit_test(events_that_come_late_go_to_the_oldest_waiter),
        cmocka_unit_test(events_are_kept_again_after_all_that_were_kept_have_gone),
        cmocka_unit_test(wait_any_goes_by_history_order_within_a_turn),
        cmocka_unit_test(a_loop_of_wait_any_sees_each_task_once_and_in_its_turn),
        cmocka_unit_test(a_task_named_twice_in_a_wait_counts_once),
        cmocka_unit_test(lists_dicts_and_literals_nest_and_what_was_seen_stays),
        cmocka_unit_test(a_result_may_be_made_long_before_it_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
