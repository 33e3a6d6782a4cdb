/* SPDX-License-Identifier: MIT
 *
 * Events and tasks as an orchestrator's author uses them: early and late ones, several waiters,
 * time-outs, giving up, one instance telling another; all, any, and what is cancelled.
 */
#include "hub_kit.h"

#include <stdio.h>

/* ---- the program ---------------------------------------------------------------------------- */

static pd_result nap(pd_activity *a, pd_value ms)
{
    kit_sleep_ms(pd_int(ms));
    return pd_ok(a, ms);
}

/* Fails as it is told, after so many milliseconds. */
static pd_result refuse(pd_activity *a, pd_value input)
{
    const char *type;
    int ms;
    if (!pd_read(a, input, "type", &type, "ms", &ms)) {
        return PD_FAILED;
    }
    kit_sleep_ms(ms);
    return pd_fail(a, type, "after %d ms", ms);
}

/* The payloads of one event of each name in the input, waited for one after the other with an
 * activity between: so that each may come between two waits. */
static pd_result one_by_one(pd_orchestration *o, pd_value names)
{
    pd_list *got = pd_list_new(o);
    PD_EACH(name, names) {
        pd_value payload = pd_wait_event(o, pd_text(name));
        pd_list_add(got, payload);
        pd_call_activity(o, nap, 3);
    }
    return pd_ok(o, got);
}

/* Three waiters for one name; the second gives up before anything comes. */
static pd_result three_wait(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_task *first = pd_expect_event(o, "Item");
    pd_task *second = pd_expect_event(o, "item");
    pd_task *third = pd_expect_event(o, "ITEM");
    pd_wait_event(o, "begin");
    pd_cancel(o, second);
    pd_await_all(o, PD_TASKS(first, third));
    return pd_ok(o, PD_OBJ("first", pd_task_value(first), "second", pd_task_failure(second)->type,
                           "third", pd_task_value(third)));
}

/* What a wait of so many milliseconds gave, and what the next one gets. */
static pd_result in_time(pd_orchestration *o, pd_value ms)
{
    pd_value early = PD_NULL;
    bool is_in_time = pd_wait_event_for(o, "go", pd_milliseconds(pd_int(ms)), &early);
    pd_set_status(o, "has looked");
    pd_value late = is_in_time ? PD_NULL : pd_wait_event(o, "go");
    return pd_ok(o, PD_OBJ("in time", is_in_time, "early", early, "late", late));
}

static pd_result tell(pd_orchestration *o, pd_value ids)
{
    PD_EACH(id, ids) {
        pd_send_event(o, pd_text(id), "news", PD_OBJ("from", pd_instance_id(o)));
    }
    return pd_ok(o, PD_NULL);
}

/* A question with an end: what came first, and that the other one is given up. */
static pd_result race(pd_orchestration *o, pd_value ms)
{
    pd_task *answer = pd_expect_event(o, "answer");
    pd_task *deadline = pd_start_timer(o, pd_milliseconds(pd_int(ms)));
    size_t winner = pd_wait_any(o, PD_TASKS(answer, deadline));
    pd_cancel(o, winner == 0 ? deadline : answer);
    const pd_failure *lost = pd_task_failure(winner == 0 ? deadline : answer);
    return pd_ok(o, PD_OBJ("winner", winner, "loser", lost->type));
}

/* Naps of so many milliseconds each: their results in the order of the calls. */
static pd_result all_naps(pd_orchestration *o, pd_value all)
{
    size_t n = pd_count(all);
    pd_task **tasks = pd_alloc(o, n * sizeof *tasks);
    for (size_t i = 0; i < n; i++) {
        tasks[i] = pd_start_activity(o, nap, pd_at(all, i));
    }
    pd_await_all(o, tasks, n);
    pd_list *results = pd_list_new(o);
    for (size_t i = 0; i < n; i++) {
        pd_list_add(results, pd_task_value(tasks[i]));
    }
    return pd_ok(o, results);
}

static pd_result all_fail(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_task *slow = pd_start_activity(o, refuse, PD_OBJ("type", "Slow", "ms", 60));
    pd_task *good = pd_start_activity(o, nap, 120);
    pd_task *fast = pd_start_activity(o, refuse, PD_OBJ("type", "Fast", "ms", 1));
    pd_await_all(o, PD_TASKS(slow, good, fast));
    return pd_ok(o, "unreachable");
}

static const pd_function program[] = {
    PD_FUNCTION("Nap", nap),
    PD_FUNCTION("Refuse", refuse),
    PD_FUNCTION("OneByOne", one_by_one),
    PD_FUNCTION("ThreeWait", three_wait),
    PD_FUNCTION("InTime", in_time),
    PD_FUNCTION("Tell", tell),
    PD_FUNCTION("Race", race),
    PD_FUNCTION("AllNaps", all_naps),
    PD_FUNCTION("AllFail", all_fail),
};

/* ---- events --------------------------------------------------------------------------------- */

static void events_of_one_name_come_in_order_whatever_case_or_kind_they_have(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "OneByOne", PD_VAL(PD_ARR("Paid", "paid", "sent", "PAID")), "i", NULL);
    kit_raise(kit, "i", "sent", PD_VAL("3")); /* all before anybody asks */
    kit_raise(kit, "i", "PAID", PD_VAL(1));
    kit_raise(kit, "i", "paid", PD_VAL("two"));
    kit_raise(kit, "i", "pAId", PD_VAL(PD_OBJ("n", 4)));
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[1,\"two\",\"3\",{\"n\":4}]");
}

static void an_event_between_two_waits_is_kept_for_the_second(void **state)
{
    enum { EVENTS = 30 };
    struct kit *kit = *state;
    pd_value names[EVENTS];
    for (int i = 0; i < EVENTS; i++) {
        names[i] = PD_VAL("item");
    }
    pd_value all = { .kind_ = PD_IS_ARRAY, .count_ = EVENTS, .as_.items = names };
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_start(kit, "OneByOne", all, "i", NULL);
    char wanted[256] = "[";
    for (int i = 0; i < EVENTS; i++) { /* a nap lies between two waits: most come during one */
        kit_raise(kit, "i", "item", PD_VAL(i));
        kit_sleep_ms(i % 4);
        size_t length = strlen(wanted);
        snprintf(wanted + length, sizeof(wanted) - length, "%d%s", i, i + 1 < EVENTS ? "," : "]");
    }
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, wanted);
}

static void waiters_are_served_oldest_first_and_who_gave_up_is_passed_over(void **state)
{
    struct kit *kit = *state;
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_start(kit, "ThreeWait", PD_NULL, "i", NULL);
    kit_raise(kit, "i", "begin", PD_NULL);
    kit_raise(kit, "i", "item", PD_VAL("a"));
    kit_raise(kit, "i", "item", PD_VAL("b"));
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED,
                    "{\"first\":\"a\",\"second\":\"Cancelled\",\"third\":\"b\"}");
}

static void an_event_after_the_time_out_is_kept_for_the_next_wait(void **state)
{
    struct kit *kit = *state;
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_start(kit, "InTime", PD_VAL(20), "late", NULL);
    for (const char *status = "null"; strcmp(status, "null") == 0;) {
        pd_instance *i = kit_fetch(kit, "late");
        status = strcmp(pd_instance_status_json(i), "null") == 0 ? "null" : "looked";
        pd_instance_free(i);
        kit_sleep_ms(2);
    }
    kit_raise(kit, "late", "go", PD_VAL(7));
    kit_assert_ends(kit, "late", PD_RUN_COMPLETED, "{\"in time\":false,\"early\":null,\"late\":7}");
    kit_start(kit, "InTime", PD_VAL(3600000), "early", NULL);
    kit_raise(kit, "early", "go", PD_VAL(8));
    kit_assert_ends(kit, "early", PD_RUN_COMPLETED, "{\"in time\":true,\"early\":8,\"late\":null}");
}

static void a_time_out_of_zero_takes_what_is_there_or_gives_up_at_once(void **state)
{
    struct kit *kit = *state;
    kit_start(kit, "InTime", PD_VAL(0), "there", NULL);
    kit_raise(kit, "there", "go", PD_VAL(1));
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_assert_ends(kit, "there", PD_RUN_COMPLETED, "{\"in time\":true,\"early\":1,\"late\":null}");
    kit_start(kit, "InTime", PD_VAL(0), "not yet", NULL);
    for (size_t fired = 0; fired == 0; fired = kit_count_events(kit, "not yet", "TimerFired")) {
        kit_sleep_ms(2);
    }
    kit_raise(kit, "not yet", "go", PD_VAL(2));
    kit_assert_ends(kit, "not yet", PD_RUN_COMPLETED,
                    "{\"in time\":false,\"early\":null,\"late\":2}");
}

static void an_instance_tells_others_and_nobody_hears_what_is_sent_to_nobody(void **state)
{
    struct kit *kit = *state;
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_start(kit, "OneByOne", PD_VAL(PD_ARR("NEWS", "news")), "hears", NULL);
    kit_start(kit, "Tell", PD_VAL(PD_ARR("hears", "nobody", "hears")), "tells", NULL);
    kit_assert_ends(kit, "tells", PD_RUN_COMPLETED, "null");
    kit_assert_ends(kit, "hears", PD_RUN_COMPLETED, "[{\"from\":\"tells\"},{\"from\":\"tells\"}]");
    kit_start(kit, "Tell", PD_VAL(PD_ARR("hears")), "tells the ended", NULL);
    kit_assert_ends(kit, "tells the ended", PD_RUN_COMPLETED, "null");
    assert_int_equal(kit_count_events(kit, "hears", "EventRaised"), 2);
    assert_int_equal(kit_count_events(kit, "tells", "EventSent"), 3);
}

/* ---- tasks ---------------------------------------------------------------------------------- */

static void the_first_of_two_wins_and_the_other_is_given_up(void **state)
{
    struct kit *kit = *state;
    kit_work_on(kit, PD_PROGRAM(program), NULL);
    kit_start(kit, "Race", PD_VAL(INT64_C(86400000)), "answered", NULL);
    kit_raise(kit, "answered", "answer", PD_TRUE);
    kit_assert_ends(kit, "answered", PD_RUN_COMPLETED, "{\"winner\":0,\"loser\":\"Cancelled\"}");
    assert_int_equal(kit_count_events(kit, "answered", "TimerFired"), 0);
    kit_start(kit, "Race", PD_VAL(10), "too late", NULL);
    kit_assert_ends(kit, "too late", PD_RUN_COMPLETED, "{\"winner\":1,\"loser\":\"Cancelled\"}");
}

static void results_of_all_are_in_the_order_of_the_calls(void **state)
{
    struct kit *kit = *state;
    pd_worker_options options = { .threads = 4 };
    kit_work_on(kit, PD_PROGRAM(program), &options);
    kit_start(kit, "AllNaps", PD_VAL(PD_ARR(60, 1, 30, 2)), "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_COMPLETED, "[60,1,30,2]");
    pd_history *h = kit_history(kit, "i"); /* and they ended in another one */
    assert_int_not_equal(kit_event(h, "TaskCompleted", 1)->step, 0);
    pd_history_free(h);
}

static void all_that_fail_are_waited_for_and_told_in_the_order_of_the_calls(void **state)
{
    struct kit *kit = *state;
    pd_worker_options options = { .threads = 4 };
    kit_work_on(kit, PD_PROGRAM(program), &options);
    kit_start(kit, "AllFail", PD_NULL, "i", NULL);
    kit_assert_ends(kit, "i", PD_RUN_FAILED, "null");
    assert_int_equal(kit_count_events(kit, "i", "TaskCompleted"),
                     1); /* the slowest was waited for */
    pd_instance *i = kit_fetch(kit, "i");
    const pd_failure *f = pd_instance_failure(i);
    assert_string_equal(f->type, "TaskFailed");
    assert_string_equal(f->cause->type, "Slow");
    assert_string_equal(f->cause->message, "after 60 ms");
    assert_string_equal(f->cause->next->type, "Fast");
    assert_null(f->cause->next->next);
    pd_instance_free(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(events_of_one_name_come_in_order_whatever_case_or_kind_they_have),
        HUB_TEST(an_event_between_two_waits_is_kept_for_the_second),
        HUB_TEST(waiters_are_served_oldest_first_and_who_gave_up_is_passed_over),
        HUB_TEST(an_event_after_the_time_out_is_kept_for_the_next_wait),
        HUB_TEST(a_time_out_of_zero_takes_what_is_there_or_gives_up_at_once),
        HUB_TEST(an_instance_tells_others_and_nobody_hears_what_is_sent_to_nobody),
        HUB_TEST(the_first_of_two_wins_and_the_other_is_given_up),
        HUB_TEST(results_of_all_are_in_the_order_of_the_calls),
        HUB_TEST(all_that_fail_are_waited_for_and_told_in_the_order_of_the_calls),
    };
    return cmocka_run_group_tests_name("pattern/events", tests, NULL, NULL);
}
