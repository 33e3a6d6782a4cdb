/* SPDX-License-Identifier: MIT
 *
 * Workers of ours that die: what they were running is found out (suspects.c), and what they only
 * had in hand is not held to account. */
#include <stdio.h>

#include "one_desk.h"

static int set_up_1(void **state)
{
    (void)state;
    desk_open(&desk, &(struct broker_options){ .crashes_max = 1 });
    return 0;
}

/* A worker of ours in a process of that name. */
static void live(struct worker *worker, const char *process)
{
    const struct broker_stream_options options = { .dialect = WORK_OURS,
                                                   .worker_id = text_of(process) };
    worker_open(worker, &desk, &options);
}

static const char *fresh_process(void)
{
    static char name[32];
    static int number;
    (void)snprintf(name, sizeof name, "host,1,%d", ++number);
    return name;
}

static bool is_suspect(const struct got *got)
{
    static const char mark[] = "\xa0\x06\x01";
    return got->bytes.size > 3 && memcmp(got->bytes.at + got->bytes.size - 3, mark, 3) == 0;
}

static bool begin(const struct got *got)
{
    return broker_begins(desk.broker, text_of(got->token));
}

static void die(struct worker *worker)
{
    worker_close(worker);
    desk_pass(&desk, 700 * TIME_MS);
}

/* A worker that gets `count` items, runs the one, says so if it has to, and dies. */
static void live_and_die(size_t count, size_t runs)
{
    live(&a, fresh_process());
    assert_got(&a, count);
    if (is_suspect(&a.got[runs])) {
        begin(&a.got[runs]);
    }
    die(&a);
}

/* ---- three deaths ---------------------------------------------------------------------------- */

static void what_dies_with_its_worker_three_times_is_not_handed_out_again(void **state)
{
    (void)state;
    (void)desk_offer_turn(&desk, 1, 1);
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2 });
    (void)desk_offer_entity(&desk, 3, 2, 1);
    for (size_t i = 0; i < 5; i++) { /* the third to the fifth decide of one each */
        live(&a, fresh_process());
        assert_got(&a, i < 3 ? 3 : 5 - i);
        assert_int_equal(broker_counters(desk.broker).quarantined, i < 3 ? 0 : i - 2);
        for (size_t n = 0; n < a.count; n++) {
            assert_int_equal(is_suspect(&a.got[n]), i != 0);
            assert_int_equal(begin(&a.got[n]), i < 2 || n == 0);
        }
        die(&a);
        for (int wait = 0; wait < 10; wait++) {
            desk_pass(&desk, 100 * TIME_MS);
        }
    }
    live(&a, fresh_process());
    assert_got(&a, 0);
    const struct asked *turn = desk_last(&desk, ASKED_QUARANTINE);
    assert_non_null(turn);
    assert_int_equal(turn->ticket.row, 1);
    assert_string_equal(turn->failure, "the orchestrator was running 3 times when its worker died");
    const struct asked *step = desk_last(&desk, ASKED_ACTIVITY);
    assert_non_null(step);
    assert_string_equal(step->failure, "the activity was running 3 times when its worker died");
    const struct asked *batch = desk_last(&desk, ASKED_END_ENTITY);
    assert_non_null(batch);
    assert_int_equal(batch->count, 3);
    assert_string_equal(batch->failure, "Quarantined");
    assert_true(batch->keeps_state);
    assert_int_equal(broker_counters(desk.broker).quarantined, 3);
    assert_int_equal(broker_counters(desk.broker).waiting[0], 0);
    assert_int_equal(broker_counters(desk.broker).waiting[1], 0);
    assert_int_equal(broker_counters(desk.broker).waiting[2], 0);
    worker_close(&a);
}

static void two_deaths_are_not_enough_and_an_end_takes_them_away(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2 });
    (void)desk_offer_turn(&desk, 1, 1);
    for (int i = 0; i < 2; i++) {
        live(&a, fresh_process());
        assert_got(&a, 2);
        begin(&a.got[0]);
        begin(&a.got[1]);
        die(&a);
    }
    live(&a, fresh_process());
    assert_got(&a, 2);
    bool is_first = a.got[0].item->orchestrator_request != NULL;
    desk_complete_turn(&desk, &(struct completion){ .token = a.got[!is_first].token });
    desk_complete_activity(&desk,
                           &(struct completion){ .token = a.got[is_first].token, .result = "1" });
    assert_int_equal(desk_last(&desk, ASKED_ACTIVITY)->failure[0], '\0');
    (void)desk_offer_turn(&desk, 1, 2); /* the next turn of the same instance */
    assert_got(&a, 3);
    assert_false(is_suspect(&a.got[2]));
    worker_close(&a);
}

static void one_death_is_enough_where_one_was_wanted(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2 });
    live(&a, fresh_process());
    assert_got(&a, 2);
    assert_true(is_suspect(&a.got[0])); /* all of them: there is no second chance to ask */
    assert_true(is_suspect(&a.got[1]));
    begin(&a.got[1]);
    die(&a);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
    assert_int_equal(desk_last(&desk, ASKED_ACTIVITY)->row, 2);
    live(&a, fresh_process());
    assert_got(&a, 1);
    worker_close(&a);
}

/* ---- innocents ------------------------------------------------------------------------------- */

static void of_a_hundred_in_hand_only_the_one_that_ran_is_held_to_account(void **state)
{
    (void)state;
    enum { COUNT = 100, GUILTY = 57 };
    for (uint64_t row = 1; row <= COUNT; row++) {
        desk_dispatch(&desk, &(struct activity_wish){ .row = row });
    }
    live_and_die(COUNT, GUILTY - 1);
    live_and_die(COUNT, GUILTY - 1);
    live_and_die(COUNT, GUILTY - 1);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
    assert_int_equal(desk_last(&desk, ASKED_ACTIVITY)->row, GUILTY);
    for (int i = 0; i < 10; i++) { /* and the others may be in hand as often as they like */
        live_and_die(COUNT - 1, (size_t)i);
        for (int wait = 0; wait < 100; wait++) {
            desk_pass(&desk, TIME_SECOND);
        }
    }
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
}

static void who_has_a_last_chance_has_it_alone(void **state)
{
    (void)state;
    enum { COUNT = 3 };
    for (uint64_t row = 1; row <= COUNT; row++) {
        desk_dispatch(&desk, &(struct activity_wish){ .row = row });
    }
    for (int i = 0; i < 2; i++) {
        live(&a, fresh_process());
        assert_got(&a, COUNT);
        for (size_t n = 0; n < COUNT; n++) {
            assert_true(begin(&a.got[n]));
        }
        die(&a);
    }
    live(&a, fresh_process());
    assert_got(&a, COUNT);
    assert_true(begin(&a.got[0]));
    assert_false(begin(&a.got[1]));
    assert_false(begin(&a.got[2]));
    assert_int_equal(a.let_count, 0);
    desk_complete_activity(&desk, &(struct completion){ .token = a.got[0].token, .result = "1" });
    assert_int_equal(a.let_count, 1);
    assert_string_equal(a.let, a.got[1].token);
    die(&a);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 2); /* a result, and a quarantine */
    const struct asked *step = desk_last(&desk, ASKED_ACTIVITY);
    assert_int_equal(step->row, 2);
    assert_true(step->failure[0] != '\0');
    live(&a, fresh_process());
    assert_got(&a, 1);
    assert_string_equal(a.got[0].instance_id, "i3");
    assert_true(begin(&a.got[0]));
    worker_close(&a);
}

static void a_worker_that_said_that_it_leaves_has_not_died(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1 });
    for (int i = 0; i < 5; i++) {
        live(&a, fresh_process());
        assert_got(&a, 1);
        assert_false(is_suspect(&a.got[0]));
        broker_leaves(a.stream);
        worker_close(&a);
        for (int wait = 0; wait < 100; wait++) {
            desk_pass(&desk, TIME_SECOND);
        }
    }
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
}

static void a_worker_that_comes_back_has_not_died(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1 });
    for (int i = 0; i < 2; i++) {
        live(&a, "host,1,same"); /* the network broke, the process lives */
        assert_got(&a, 1);
        assert_false(is_suspect(&a.got[0]));
        die(&a);
    }
    live(&a, "host,1,same");
    assert_got(&a, 1);
    assert_false(is_suspect(&a.got[0]));
    die(&a);
    live(&a, "host,1,other"); /* this one has */
    assert_got(&a, 1);
    assert_true(is_suspect(&a.got[0]));
    worker_close(&a);
}

/* In the moment in which its token is still good. */
static void the_last_death_may_be_taken_back_too(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1 });
    live_and_die(1, 0);
    live_and_die(1, 0);
    live(&a, "host,1,same");
    assert_got(&a, 1);
    begin(&a.got[0]);
    worker_close(&a);
    desk_pass(&desk, 600 * TIME_MS);
    live(&a, "host,1,same");
    desk_pass(&desk, 600 * TIME_MS);
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    assert_got(&a, 1);
    worker_close(&a);
}

static void nothing_of_other_makers_workers_is_quarantined(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1 });
    (void)desk_offer_turn(&desk, 2, 1);
    for (int i = 0; i < 6; i++) {
        worker_open(&b, &desk, NULL);
        for (int wait = 0; b.count < 2; wait++) {
            assert_true(wait < 100);
            desk_pass(&desk, TIME_SECOND);
        }
        assert_false(is_suspect(&b.got[0]));
        assert_false(is_suspect(&b.got[1]));
        die(&b);
    }
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 0);
    assert_int_equal(desk_count(&desk, ASKED_QUARANTINE), 0);
}

/* A turn whose worker has the stack is written again for another: what it is charged with stays. */
static void deaths_go_with_a_turn_that_is_written_again(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        live(&a, fresh_process());
        if (i == 0) {
            (void)desk_offer_turn(&desk, 1, 1);
            assert_got(&a, 1);
            desk_complete_turn(&desk, &(struct completion){ .token = a.got[0].token });
            (void)desk_offer_turn(&desk, 1, 2);
            assert_got(&a, 2);
            assert_true(a.got[1].is_past_known);
        }
        assert_true(a.count >= 1);
        begin(&a.got[a.count - 1]);
        die(&a);
    }
    assert_int_equal(desk_count(&desk, ASKED_QUARANTINE), 1);
    assert_int_equal(desk_last(&desk, ASKED_QUARANTINE)->ticket.row, 1);
}

/* Whoever has its token asks: a worker of ours, in the same hub. It runs elsewhere. */
static void a_suspect_that_another_maker_s_worker_has_waits_for_nobody(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1 });
    desk_dispatch(&desk, &(struct activity_wish){ .row = 2 });
    for (int i = 0; i < 2; i++) {
        live(&a, fresh_process());
        assert_got(&a, 2);
        begin(&a.got[0]);
        begin(&a.got[1]);
        die(&a);
    }
    worker_open(&b, &desk, NULL);
    assert_got(&b, 2);
    assert_true(begin(&b.got[0]));
    assert_true(begin(&b.got[1]));
    desk_complete_activity(&desk, &(struct completion){ .token = b.got[0].token, .result = "1" });
    assert_int_equal(desk_count(&desk, ASKED_ACTIVITY), 1);
    worker_close(&b);
}

/* What runs alone may take longer than a turn may be out. */
static void a_turn_that_is_taken_back_while_it_waits_for_its_chance_is_not_waited_for(void **state)
{
    (void)state;
    desk_dispatch(&desk, &(struct activity_wish){ .row = 1 });
    (void)desk_offer_turn(&desk, 2, 1);
    for (int i = 0; i < 2; i++) {
        live(&a, fresh_process());
        assert_got(&a, 2);
        begin(&a.got[0]);
        begin(&a.got[1]);
        die(&a);
    }
    live(&a, fresh_process());
    assert_got(&a, 2);
    bool is_first = a.got[0].item->orchestrator_request != NULL;
    assert_true(begin(&a.got[is_first]));
    assert_false(begin(&a.got[!is_first]));
    desk_pass(&desk, 600 * TIME_SECOND);
    assert_got(&a, 3);
    assert_int_equal(a.cancel_count, 1);
    assert_string_equal(a.cancelled, a.got[!is_first].token);
    assert_false(begin(&a.got[2]));
    desk_complete_activity(&desk,
                           &(struct completion){ .token = a.got[is_first].token, .result = "1" });
    assert_int_equal(a.let_count, 1);
    assert_string_equal(a.let, a.got[2].token);
    worker_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_dies_with_its_worker_three_times_is_not_handed_out_again),
        TEST(two_deaths_are_not_enough_and_an_end_takes_them_away),
        cmocka_unit_test_setup_teardown(one_death_is_enough_where_one_was_wanted, set_up_1,
                                        tear_down),
        TEST(of_a_hundred_in_hand_only_the_one_that_ran_is_held_to_account),
        TEST(who_has_a_last_chance_has_it_alone),
        TEST(a_worker_that_said_that_it_leaves_has_not_died),
        TEST(a_worker_that_comes_back_has_not_died),
        TEST(the_last_death_may_be_taken_back_too),
        TEST(nothing_of_other_makers_workers_is_quarantined),
        TEST(deaths_go_with_a_turn_that_is_written_again),
        TEST(a_suspect_that_another_maker_s_worker_has_waits_for_nobody),
        TEST(a_turn_that_is_taken_back_while_it_waits_for_its_chance_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("broker/suspects", tests, NULL, NULL);
}
