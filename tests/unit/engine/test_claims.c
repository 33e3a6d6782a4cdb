/* SPDX-License-Identifier: MIT
 *
 * Who may do what once: claims of transactional activities (P7), and what recovery dispatches
 * (P5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/buffer.h"
#include "hub.h"
#include "wire/wire.h"

/* A thread that is about to begin the transaction of an activity. */
struct claimer {
    struct command command;
    struct latch latch;
    pd_error error;
};

static void claim(struct hub *hub, struct claimer *claimer, const struct activity *activity)
{
    latch_init(&claimer->latch, 1);
    claimer->command = (struct command){ .kind = COMMAND_CLAIM,
                                         .latch = &claimer->latch,
                                         .error = &claimer->error };
    claimer->command.as.claim.activity = activity;
    partition_apply(hub->partitions[activity->partition], hub->now, &claimer->command);
}

static bool is_answered(const struct claimer *claimer)
{
    return claimer->latch.pending == 0;
}

static pd_status end_claim(struct claimer *claimer)
{
    latch_wait(&claimer->latch);
    latch_done(&claimer->latch);
    return claimer->command.status;
}

static pd_status try_claim(struct hub *hub, const struct activity *activity)
{
    struct claimer claimer;
    claim(hub, &claimer, activity);
    return end_claim(&claimer);
}

/* Starts an instance, and takes its activity when that is released. */
static struct activity *start_and_take(struct hub *hub, const char *id)
{
    struct hub_call call;
    hub_ask(hub, &call, MESSAGE_START, id, "1");
    while (hub_step(hub, hub_home(hub, id))) {}
    assert_int_equal(hub_end_call(&call), PD_OK);
    struct list_node *node = list_pop_front(&hub->activities);
    assert_non_null(node);
    return CONTAINER_OF(node, struct activity, node);
}

/* What its transaction puts into the mailbox. */
static void record(struct hub *hub, const struct activity *activity)
{
    struct buffer buffer;
    struct event event = { .kind = EVENT_TASK_COMPLETED,
                           .id = EVENT_NO_ID,
                           .ref = activity->id,
                           .payload = TEXT("\"recorded\"") };
    pd_error err;
    buffer_init(&buffer);
    wire_write_event(&buffer, &event);
    struct message message = { .kind = MESSAGE_TASK_ENDED,
                               .partition = activity->partition,
                               .instance_id = activity->instance_id,
                               .execution_id = activity->execution_id,
                               .bytes = buffer_text(&buffer) };
    struct store *store = hub->store.real;
    assert_int_equal(store->ops->accept(store, &message, 1, &err), PD_OK);
    partition_notice_mail(hub->partitions[activity->partition]);
    buffer_done(&buffer);
}

static void mail_event(struct hub *hub, const char *id)
{
    struct buffer buffer;
    struct event event = { .kind = EVENT_EVENT_RAISED,
                           .id = EVENT_NO_ID,
                           .ref = EVENT_NO_ID,
                           .name = TEXT("Go"),
                           .payload = TEXT("1") };
    pd_error err;
    buffer_init(&buffer);
    wire_write_event(&buffer, &event);
    struct message message = { .kind = MESSAGE_RAISE,
                               .partition = hub_home(hub, id),
                               .instance_id = text_of(id),
                               .bytes = buffer_text(&buffer) };
    struct store *store = hub->store.real;
    assert_int_equal(store->ops->accept(store, &message, 1, &err), PD_OK);
    buffer_done(&buffer);
}

/* Its result, as a pool would bring it. */
static void finish(struct hub *hub, struct activity *activity, bool is_timeout)
{
    struct command *command;
    if (is_timeout) {
        command = command_new_timeout(activity, TIME_TO_RUN);
    } else {
        command = command_new_done(activity);
        command->as.done.result.payload = TEXT("\"done\"");
    }
    partition_apply(hub->partitions[activity->partition], hub->now, command);
}

static size_t claims(struct hub *hub)
{
    return partition_counters(hub->partitions[0]).claims;
}

/* ---- claims ---------------------------------------------------------------------------------- */

static void a_step_is_claimed_once(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct activity *a = start_and_take(&hub, "2:a"), *b = start_and_take(&hub, "2:b");
    assert_int_equal(try_claim(&hub, a), PD_OK);
    assert_int_equal(try_claim(&hub, a), PD_E_LEASE_LOST);
    assert_int_equal(try_claim(&hub, b), PD_OK);
    assert_int_equal(claims(&hub), 2);
    record(&hub, a);
    record(&hub, b);
    hub_settle(&hub);
    assert_int_equal(claims(&hub), 0);
    assert_int_equal(try_claim(&hub, a), PD_E_LEASE_LOST); /* it is done */
    activity_free(a);
    activity_free(b);
    hub_close(&hub);
}

static void a_claim_that_was_rolled_back_is_over_with_the_result(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct activity *a = start_and_take(&hub, "1:a");
    assert_int_equal(try_claim(&hub, a), PD_OK);
    finish(&hub, a, false);
    assert_int_equal(claims(&hub), 0);
    hub_settle(&hub);
    assert_int_equal(hub_look(&hub, "1:a").state, RUN_COMPLETED);
    hub_close(&hub);
}

static void an_activity_of_an_earlier_life_has_no_claim(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct activity *before = start_and_take(&hub, "1:a");
    hub_crash(&hub);
    while (hub_step(&hub, 0)) {}
    struct activity *after = CONTAINER_OF(list_pop_front(&hub.activities), struct activity, node);
    assert_int_equal(try_claim(&hub, before), PD_E_LEASE_LOST);
    assert_int_equal(try_claim(&hub, after), PD_OK);
    activity_free(before);
    activity_free(after);
    hub_close(&hub);
}

/* The result of the life before lies behind other mail, which brings the instance into memory and
 * has its activity dispatched again. */
static void a_claim_waits_until_results_of_before_have_been_received(void **state)
{
    (void)state;
    struct hub hub;
    struct claimer claimer;
    hub_open(&hub, 1);
    struct activity *before = start_and_take(&hub, "2:a");
    hub.slice_max = 1;
    mail_event(&hub, "2:a");
    mail_event(&hub, "2:a");
    mail_event(&hub, "2:a");
    record(&hub, before);
    hub_crash(&hub);
    assert_true(hub_step(&hub, 0));
    struct list_node *node = list_pop_front(&hub.activities);
    assert_non_null(node);
    struct activity *again = CONTAINER_OF(node, struct activity, node);
    assert_int_equal(again->id, before->id);
    claim(&hub, &claimer, again);
    assert_false(is_answered(&claimer));
    while (hub_step(&hub, 0)) {}
    assert_true(is_answered(&claimer));
    assert_int_equal(end_claim(&claimer), PD_E_LEASE_LOST);
    hub_settle(&hub);
    assert_int_equal(hub_look(&hub, "2:a").state, RUN_COMPLETED);
    activity_free(before);
    activity_free(again);
    hub_close(&hub);
}

/* Found by the simulator: the step had paid in the life before, and failed with "Timeout". */
static void a_time_out_does_not_overtake_the_result_of_a_life_before(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct activity *before = start_and_take(&hub, "1:a");
    hub.slice_max = 1;
    mail_event(&hub, "1:a");
    mail_event(&hub, "1:a");
    record(&hub, before);
    hub_crash(&hub);
    assert_true(hub_step(&hub, 0));
    struct list_node *node = list_pop_front(&hub.activities);
    assert_non_null(node);
    struct activity *again = CONTAINER_OF(node, struct activity, node);
    finish(&hub, again, true);
    hub_settle(&hub);
    assert_int_equal(hub_look(&hub, "1:a").state, RUN_COMPLETED);
    activity_free(before);
    activity_free(again);
    hub_close(&hub);
}

static void a_time_out_that_waits_goes_with_its_life(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct activity *before = start_and_take(&hub, "1:a");
    hub_crash(&hub);
    finish(&hub, before, true); /* nothing has been received yet */
    hub_crash(&hub);
    hub_settle(&hub);
    assert_int_equal(hub_look(&hub, "1:a").state, RUN_COMPLETED);
    activity_free(before);
    hub_close(&hub);
}

static void a_claim_is_refused_when_its_partition_goes(void **state)
{
    (void)state;
    struct hub hub;
    struct claimer claimer;
    hub_open(&hub, 1);
    struct activity *before = start_and_take(&hub, "1:a");
    hub_crash(&hub);
    claim(&hub, &claimer, before); /* nothing has been received yet */
    assert_false(is_answered(&claimer));
    hub_crash(&hub);
    assert_int_equal(end_claim(&claimer), PD_E_LEASE_LOST);
    activity_free(before);
    hub_close(&hub);
}

static void a_claimed_step_does_not_time_out_and_another_does(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct activity *a = start_and_take(&hub, "1:a"), *b = start_and_take(&hub, "1:b");
    assert_int_equal(try_claim(&hub, a), PD_OK);
    finish(&hub, a, true);
    finish(&hub, b, true);
    assert_int_equal(try_claim(&hub, b), PD_E_LEASE_LOST);
    hub_settle(&hub);
    assert_string_equal(hub_look(&hub, "1:b").failure, "Timeout: it did not end within 0 ms");
    record(&hub, a);
    hub_settle(&hub);
    assert_int_equal(hub_look(&hub, "1:a").state, RUN_COMPLETED);
    activity_free(a);
    activity_free(b);
    hub_close(&hub);
}

static void the_claim_of_one_that_was_terminated_goes_with_its_result(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct activity *a = start_and_take(&hub, "1:a");
    assert_int_equal(try_claim(&hub, a), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "1:a", NULL), PD_OK);
    assert_int_equal(claims(&hub), 1);
    record(&hub, a);
    hub_settle(&hub);
    assert_int_equal(claims(&hub), 0);
    assert_int_equal(hub_look(&hub, "1:a").state, RUN_TERMINATED);
    activity_free(a);
    hub_close(&hub);
}

static void the_claim_of_one_that_was_terminated_goes_when_it_was_rolled_back(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct activity *a = start_and_take(&hub, "1:a");
    assert_int_equal(try_claim(&hub, a), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "1:a", NULL), PD_OK);
    finish(&hub, a, false);
    assert_int_equal(claims(&hub), 0);
    hub_settle(&hub);
    assert_int_equal(hub_look(&hub, "1:a").state, RUN_TERMINATED);
    hub_close(&hub);
}

/* ---- recovery -------------------------------------------------------------------------------- */

/* A command brings it into memory before the scan does, and it leaves again in between. */
static void recovery_dispatches_an_activity_once(void **state)
{
    (void)state;
    struct hub hub;
    struct hub_call call;
    hub_open(&hub, 1);
    activity_free(start_and_take(&hub, "2:a"));
    hub_crash(&hub);
    partition_hold_recovery(hub.partitions[0], true);
    hub_ask(&hub, &call, MESSAGE_RAISE, "2:a", "1");
    while (hub_step(&hub, 0)) {}
    assert_int_equal(hub_end_call(&call), PD_OK);
    assert_int_equal(list_count(&hub.activities), 1);
    partition_evict(hub.partitions[0], 0);
    assert_int_equal(partition_counters(hub.partitions[0]).residents, 0);
    partition_hold_recovery(hub.partitions[0], false);
    while (hub_step(&hub, 0)) {}
    assert_int_equal(list_count(&hub.activities), 1);
    assert_false(partition_counters(hub.partitions[0]).is_recovering);
    hub_settle(&hub);
    assert_int_equal(hub_look(&hub, "2:a").state, RUN_COMPLETED);
    hub_close(&hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_is_claimed_once),
        cmocka_unit_test(a_claim_that_was_rolled_back_is_over_with_the_result),
        cmocka_unit_test(an_activity_of_an_earlier_life_has_no_claim),
        cmocka_unit_test(a_claim_waits_until_results_of_before_have_been_received),
        cmocka_unit_test(a_time_out_does_not_overtake_the_result_of_a_life_before),
        cmocka_unit_test(a_time_out_that_waits_goes_with_its_life),
        cmocka_unit_test(a_claim_is_refused_when_its_partition_goes),
        cmocka_unit_test(a_claimed_step_does_not_time_out_and_another_does),
        cmocka_unit_test(the_claim_of_one_that_was_terminated_goes_with_its_result),
        cmocka_unit_test(the_claim_of_one_that_was_terminated_goes_when_it_was_rolled_back),
        cmocka_unit_test(recovery_dispatches_an_activity_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
