/* SPDX-License-Identifier: MIT
 *
 * Letters: what instances and clients say to instances, in this partition and in others, also when
 * the store fails in between (P6, C8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "hub.h"
#include "wire/wire.h"

/* ---- children -------------------------------------------------------------------------------- */

static void a_child_runs_and_its_end_reaches_the_parent(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        const char *child = hub_child_id(&hub, "2:", elsewhere != 0);
        assert_int_equal(hub_start(&hub, hub_parent_of(child), "1"), PD_OK);
        hub_assert_completed(&hub, child, "\"end of chain\"");
        hub_assert_completed(&hub, hub_parent_of(child), "\"end of chain\"");
    }
    assert_int_equal(hub.runner.activities_run, 4);
    hub_close(&hub);
}

static void a_child_of_a_child_of_another_partition_ends_all_of_them(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 4);
    assert_int_equal(hub_start(&hub, "C:C:C:C:C:C:1:deep", "1"), PD_OK);
    hub_assert_completed(&hub, "C:C:C:C:C:C:1:deep", "\"end of chain\"");
    hub_assert_completed(&hub, "C:C:1:deep", "\"end of chain\"");
    hub_close(&hub);
}

static void a_failed_child_fails_its_parent_with_the_same_words(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    hub.runner.to_fail = 1;
    const char *child = hub_child_id(&hub, "F:", true);
    assert_int_equal(hub_start(&hub, hub_parent_of(child), "1"), PD_OK);
    assert_string_equal(hub_look(&hub, child).failure, "Refused: as it was told to");
    assert_string_equal(hub_look(&hub, hub_parent_of(child)).failure, "Refused: as it was told to");
    hub_close(&hub);
}

static void a_child_whose_id_is_taken_fails_and_who_has_it_goes_on(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        const char *child = hub_child_id(&hub, "E:", elsewhere != 0);
        assert_int_equal(hub_start(&hub, child, "1"), PD_OK);
        uint64_t row = hub_look(&hub, child).row;
        assert_int_equal(hub_start(&hub, hub_parent_of(child), "1"), PD_OK);
        struct hub_look look = hub_look(&hub, hub_parent_of(child));
        assert_int_equal(look.state, RUN_FAILED);
        assert_string_equal(
            look.failure,
            "OrchestrationAlreadyExists: the ID is taken by an instance that is Running");
        assert_true(hub_look(&hub, child).row == row);
        hub_assert_state(&hub, child, RUN_RUNNING);
    }
    hub_close(&hub);
}

static void a_child_takes_the_place_of_an_ended_instance(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    const char *child = hub_child_id(&hub, "1:", true);
    assert_int_equal(hub_start(&hub, child, "1"), PD_OK);
    uint64_t row = hub_look(&hub, child).row;
    assert_int_equal(hub_start(&hub, hub_parent_of(child), "1"), PD_OK);
    hub_assert_completed(&hub, hub_parent_of(child), "\"end of chain\"");
    assert_true(hub_look(&hub, child).row != row);
    hub_close(&hub);
}

static void terminating_with_children_ends_them_in_every_partition(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 4);
    assert_int_equal(hub_start(&hub, "C:C:C:C:E:last", "1"), PD_OK);
    int forgets = hub.runner.forgets;
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "C:C:C:C:E:last", "\"enough\""), PD_OK);
    static const char *const ids[] = { "C:C:C:C:E:last", "C:C:C:E:last", "C:C:E:last", "C:E:last",
                                       "E:last" };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct hub_look look = hub_look(&hub, ids[i]);
        assert_int_equal(look.state, RUN_TERMINATED);
        assert_string_equal(look.output, "\"enough\"");
    }
    assert_int_equal(hub.runner.forgets - forgets, 5); /* P8 */
    hub_close(&hub);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void events_of_one_sender_arrive_in_their_order(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    for (unsigned i = 0; i < 2; i++) {
        char sender[80];
        const char *receiver = hub_id(&hub, "R:", i);
        (void)snprintf(sender, sizeof sender, "S:%s", receiver);
        assert_int_equal(hub_start(&hub, receiver, "1"), PD_OK);
        assert_int_equal(hub_start(&hub, sender, "1"), PD_OK);
        hub_assert_completed(&hub, sender, "\"sent\"");
        hub_assert_completed(&hub, receiver, "123");
    }
    hub_close(&hub);
}

static void mail_comes_in_pages(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    hub.slice_max = 1;
    hub_crash(&hub);
    for (unsigned i = 0; i < 2; i++) {
        char sender[80];
        const char *receiver = hub_id(&hub, "R:", i);
        (void)snprintf(sender, sizeof sender, "S:%s", receiver);
        assert_int_equal(hub_start(&hub, receiver, "1"), PD_OK);
        assert_int_equal(hub_start(&hub, sender, "1"), PD_OK);
        hub_assert_completed(&hub, receiver, "123");
    }
    hub_close(&hub);
}

/* What waits in our own mailbox when a life begins may have gone there to be overtaken by none. */
static void letters_of_a_new_life_do_not_overtake_those_that_lie_at_home(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "R:a", "1"), PD_OK);
    for (int i = 0; i < 2; i++) {
        struct buffer buffer;
        pd_error err;
        struct event event = { .kind = EVENT_EVENT_RAISED,
                               .id = EVENT_NO_ID,
                               .ref = EVENT_NO_ID,
                               .name = TEXT("Go"),
                               .payload = i == 0 ? TEXT("8") : TEXT("9") };
        buffer_init(&buffer);
        wire_write_event(&buffer, &event);
        struct message message = { .kind = MESSAGE_RAISE,
                                   .flags = 1u << 31,
                                   .instance_id = TEXT("R:a"),
                                   .bytes = buffer_text(&buffer) };
        struct store *store = hub.store.real;
        assert_int_equal(store->ops->accept(store, &message, 1, &err), PD_OK);
        buffer_done(&buffer);
    }
    hub.slice_max = 1;
    hub_crash(&hub);
    assert_int_equal(hub_start(&hub, "S:R:a", "1"), PD_OK);
    hub_assert_completed(&hub, "R:a", "891");
    hub_close(&hub);
}

/* A file may be damaged, or have been written by a newer version. */
static void mail_that_is_not_of_its_kind_is_counted_and_does_not_stop_the_rest(void **state)
{
    (void)state;
    static const enum message_kind kinds[] = { MESSAGE_START,       MESSAGE_TERMINATE,
                                               MESSAGE_CHILD_START, MESSAGE_CHILD_ENSURE,
                                               MESSAGE_CHILD_ENDED, MESSAGE_TASK_ENDED,
                                               MESSAGE_RAISE };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    for (int i = 0; i < KINDS + 1; i++) {
        struct buffer buffer;
        pd_error err;
        /* The last one is what it says: for the others it is of another kind. */
        bool is_start = kinds[i % KINDS] == MESSAGE_CHILD_START || i == 3; /* of nobody's child */
        struct event event = { .kind = is_start ? EVENT_EXECUTION_STARTED : EVENT_EVENT_RAISED,
                               .id = EVENT_NO_ID,
                               .ref = EVENT_NO_ID,
                               .name = TEXT("Go"),
                               .payload = TEXT("5") };
        buffer_init(&buffer);
        wire_write_event(&buffer, &event);
        struct message message = { .kind = i < KINDS ? kinds[i] : MESSAGE_RAISE,
                                   .instance_id = i < 1 ? TEXT("E:b") : TEXT("E:a"),
                                   .execution_id = TEXT("x"),
                                   .bytes = buffer_text(&buffer) };
        struct store *store = hub.store.real;
        assert_int_equal(store->ops->accept(store, &message, 1, &err), PD_OK);
        buffer_done(&buffer);
    }
    partition_notice_mail(hub.partitions[0]);
    hub_settle(&hub);
    assert_int_equal(partition_counters(hub.partitions[0]).corrupt, KINDS - 1);
    assert_int_equal(hub_look(&hub, "E:a").state, RUN_COMPLETED);
    assert_string_equal(hub_look(&hub, "E:a").output, "5");
    assert_false(hub_look(&hub, "E:b").exists);
    hub_close(&hub);
}

static void an_event_for_nobody_is_dropped_and_counted(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    const char *const senders[] = { "S:nobody", "S:nobody at all", "S:no", "S:none" };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(hub_start(&hub, senders[i], "1"), PD_OK);
        hub_assert_completed(&hub, senders[i], "\"sent\"");
    }
    uint64_t dropped = 0;
    for (unsigned i = 0; i < 2; i++) {
        dropped += partition_counters(hub.partitions[i]).core.dropped_letters;
    }
    assert_int_equal(dropped, 12);
    hub_close(&hub);
}

/* ---- the store fails ------------------------------------------------------------------------- */

/* Whatever the n-th commit is about, and whether it was made or not: all comes to its end, once. */
static void try_with_commit_that_fails(int n, bool lies)
{
    struct hub hub;
    hub_open(&hub, 2);
    const char *child = hub_child_id(&hub, "2:", true);
    const char *receiver = hub_id(&hub, "R:", 1);
    char sender[80];
    (void)snprintf(sender, sizeof sender, "S:%s", receiver);
    assert_int_equal(hub_start(&hub, receiver, "1"), PD_OK);
    struct hub_call calls[2];
    hub_ask(&hub, &calls[0], MESSAGE_START, hub_parent_of(child), "1");
    hub_ask(&hub, &calls[1], MESSAGE_START, sender, "1");
    for (int i = 0; i < n; i++) {
        hub_step(&hub, (unsigned)i % 2);
        if (i % 4 == 3) {
            hub_run_activity(&hub);
        }
    }
    hub.store.commits_to_fail = lies ? 0 : 1;
    hub.store.commits_to_lie = lies ? 1 : 0;
    hub_settle(&hub);
    for (int i = 0; i < 2; i++) {
        hub.now += 2 * TIME_SECOND; /* it is time to begin again */
        hub_settle(&hub);
        bool is_started = hub_end_call(&calls[i]) == PD_OK;
        const char *id = i == 0 ? hub_parent_of(child) : sender;
        if (!is_started && !hub_look(&hub, id).exists) {
            assert_int_equal(hub_start(&hub, id, "1"), PD_OK);
        }
    }
    hub.now += 2 * TIME_SECOND;
    hub_settle(&hub);
    hub_assert_completed(&hub, hub_parent_of(child), "\"end of chain\"");
    hub_assert_completed(&hub, child, "\"end of chain\"");
    hub_assert_completed(&hub, receiver, "123");
    hub_close(&hub);
}

static void letters_share_the_fate_of_what_caused_them(void **state)
{
    (void)state;
    for (int n = 0; n < 24; n++) {
        try_with_commit_that_fails(n, false);
        try_with_commit_that_fails(n, true);
    }
}

static void a_crash_between_any_two_steps_loses_nothing(void **state)
{
    (void)state;
    for (int n = 0; n < 24; n++) {
        struct hub hub;
        struct hub_call call;
        hub_open(&hub, 2);
        const char *child = hub_child_id(&hub, "2:", true);
        hub_ask(&hub, &call, MESSAGE_START, hub_parent_of(child), "1");
        for (int i = 0; i < n; i++) {
            hub_step(&hub, (unsigned)i % 2);
            if (i % 4 == 3) {
                hub_run_activity(&hub);
            }
        }
        hub_crash(&hub);
        hub_settle(&hub);
        if (hub_end_call(&call) != PD_OK && !hub_look(&hub, hub_parent_of(child)).exists) {
            assert_int_equal(hub_start(&hub, hub_parent_of(child), "1"), PD_OK);
        }
        hub_assert_completed(&hub, hub_parent_of(child), "\"end of chain\"");
        hub_close(&hub);
    }
}

/* The letters' order, and the batch they belong to, outlast trouble with finding receivers. */
static void trouble_in_delivering_keeps_the_order_and_cuts_nothing(void **state)
{
    (void)state;
    struct hub hub;
    struct hub_call call;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "R:a", "1"), PD_OK);
    partition_evict(hub.partitions[0], 0);
    hub_ask(&hub, &call, MESSAGE_START, "S:R:a", "1");
    hub.store.loads_to_fail = 3;
    for (int i = 0; i < 3; i++) {
        (void)partition_run(hub.partitions[0], hub.now);
        assert_null(partition_cut(hub.partitions[0]));
        assert_false(hub_is_answered(&call));
        hub.now += 2 * TIME_SECOND;
    }
    assert_int_equal(hub.store.loads_to_fail, 0);
    hub_settle(&hub);
    assert_int_equal(hub_end_call(&call), PD_OK);
    hub_assert_completed(&hub, "S:R:a", "\"sent\"");
    hub_assert_completed(&hub, "R:a", "123");
    hub_close(&hub);
}

static void mail_that_cannot_be_delivered_for_trouble_stays_the_first(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    char receiver[64], sender[80];
    int n = 0;
    do {
        (void)snprintf(receiver, sizeof receiver, "R:%d", n++);
        (void)snprintf(sender, sizeof sender, "S:%s", receiver);
    } while (hub_home(&hub, receiver) != 1 || hub_home(&hub, sender) != 0);
    assert_int_equal(hub_start(&hub, receiver, "1"), PD_OK);
    partition_evict(hub.partitions[1], 0);
    struct hub_call call;
    hub_ask(&hub, &call, MESSAGE_START, sender, "1");
    while (hub_step(&hub, 0)) {}
    assert_int_equal(hub_end_call(&call), PD_OK);
    hub.store.loads_to_fail = 2;
    while (hub.store.loads_to_fail > 0) {
        (void)hub_step(&hub, 1);
        hub.now += 2 * TIME_SECOND;
    }
    hub_settle(&hub);
    hub_assert_completed(&hub, receiver, "123");
    hub_close(&hub);
}

/* ---- clients --------------------------------------------------------------------------------- */

struct refusal {
    enum message_kind kind;
    const char *id;
    pd_status status;
    const char *text;
};

static void each_refusal_names_the_state_that_does_not_allow_it(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    assert_int_equal(hub_start(&hub, "1:done", "1"), PD_OK);
    assert_int_equal(hub_start(&hub, "E:runs", "1"), PD_OK);
    assert_int_equal(hub_start(&hub, "E:held", "1"), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_SUSPEND, "E:held", "\"wait\""), PD_OK);
    assert_int_equal(hub_start(&hub, "E:gone", "1"), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "E:gone", NULL), PD_OK);
    static const struct refusal refusals[] = {
        { MESSAGE_RAISE, "1:done", PD_E_STATE,
          "instance '1:done' is Completed, which does not allow raising events" },
        { MESSAGE_TERMINATE, "1:done", PD_E_STATE,
          "instance '1:done' is Completed, which does not allow terminating" },
        { MESSAGE_SUSPEND, "E:gone", PD_E_STATE,
          "instance 'E:gone' is Terminated, which does not allow suspending" },
        { MESSAGE_RESUME, "E:gone", PD_E_STATE,
          "instance 'E:gone' is Terminated, which does not allow resuming" },
        { MESSAGE_REWIND, "1:done", PD_E_STATE,
          "instance '1:done' is Completed, which does not allow rewinding" },
        { MESSAGE_REWIND, "E:runs", PD_E_STATE,
          "instance 'E:runs' is Running, which does not allow rewinding" },
        { MESSAGE_PURGE, "E:held", PD_E_STATE,
          "instance 'E:held' is Suspended, which does not allow purging" },
        { MESSAGE_START, "E:runs", PD_E_EXISTS,
          "instance 'E:runs' exists, and is Running: it is not to be replaced" },
        { MESSAGE_RAISE, "nobody", PD_E_NOT_FOUND, "there is no instance 'nobody'" },
        { MESSAGE_PURGE, "nobody", PD_E_NOT_FOUND, "there is no instance 'nobody'" },
        { MESSAGE_REWIND, "nobody", PD_E_NOT_FOUND, "there is no instance 'nobody'" },
    };
    int commits = hub.store.commits;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        assert_int_equal(hub_tell(&hub, r->kind, r->id, "1"), r->status);
        assert_string_equal(hub.err.text, r->text);
        assert_int_equal(hub.err.status, r->status);
    }
    assert_int_equal(hub.store.commits, commits); /* nothing was changed */
    hub_close(&hub);
}

static void a_suspended_instance_takes_its_turn_when_it_is_resumed(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_SUSPEND, "E:a", NULL), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_SUSPEND, "E:a", NULL), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "E:a", "7"), PD_OK);
    hub_assert_state(&hub, "E:a", RUN_SUSPENDED);
    hub_crash(&hub);
    hub_settle(&hub);
    hub_assert_state(&hub, "E:a", RUN_SUSPENDED);
    assert_int_equal(hub_tell(&hub, MESSAGE_RESUME, "E:a", NULL), PD_OK);
    hub_assert_completed(&hub, "E:a", "7");
    hub_close(&hub);
}

static void a_purged_id_is_free_before_that_is_durable(void **state)
{
    (void)state;
    struct hub hub;
    struct hub_call purge, raise, again;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    uint64_t row = hub_look(&hub, "1:a").row;
    hub_ask(&hub, &purge, MESSAGE_PURGE, "1:a", NULL);
    hub_ask(&hub, &raise, MESSAGE_RAISE, "1:a", "1"); /* the store has it still */
    hub_ask(&hub, &again, MESSAGE_START, "1:a", "1");
    assert_true(hub_look(&hub, "1:a").row == row);
    hub_settle(&hub);
    assert_int_equal(hub_end_call(&purge), PD_OK);
    assert_int_equal(hub_end_call(&raise), PD_E_NOT_FOUND);
    assert_int_equal(hub_end_call(&again), PD_OK);
    assert_true(hub_look(&hub, "1:a").row != row);
    hub_assert_completed(&hub, "1:a", "\"end of chain\"");
    hub_close(&hub);
}

static void a_purge_can_mean_one_execution_and_no_other(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct hub_look before = hub_look(&hub, "1:a");
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct letter letter = { .kind = MESSAGE_PURGE,
                             .instance_id = TEXT("1:a"),
                             .execution_id = text_of(before.execution_id) };
    assert_int_equal(hub_tell_letter(&hub, &letter), PD_E_STATE);
    struct hub_look now = hub_look(&hub, "1:a");
    assert_true(now.exists);
    letter.execution_id = text_of(now.execution_id);
    assert_int_equal(hub_tell_letter(&hub, &letter), PD_OK);
    assert_false(hub_look(&hub, "1:a").exists);
    hub_close(&hub);
}

/* ---- the runner ------------------------------------------------------------------------------ */

static void the_runner_forgets_each_execution_that_begins_anew(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "N:a", "4"), PD_OK);
    hub_assert_completed(&hub, "N:a", "\"round and round\"");
    assert_int_equal(hub.runner.turns, 5);
    assert_int_equal(hub.runner.forgets, 4);
    hub_close(&hub);
}

static void the_runner_forgets_one_that_is_replaced_while_it_runs(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    struct event event = { .kind = EVENT_EXECUTION_STARTED, .name = TEXT("E") };
    struct letter letter = {
        .kind = MESSAGE_START, .flags = STATES_ALL, .instance_id = TEXT("E:a"), .event = &event
    };
    int forgets = hub.runner.forgets;
    uint64_t row = hub_look(&hub, "E:a").row;
    assert_int_equal(hub_tell_letter(&hub, &letter), PD_OK);
    assert_true(hub_look(&hub, "E:a").row != row);
    assert_int_equal(hub.runner.forgets - forgets, 1);
    hub_close(&hub);
}

static void a_turn_that_is_left_is_offered_to_the_next_process(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "V:a", "1"), PD_OK);
    hub_assert_state(&hub, "V:a", RUN_PENDING);
    struct partition_counters counters = partition_counters(hub.partitions[0]);
    assert_int_equal(counters.core.turns, 0);
    hub_crash(&hub);
    hub_settle(&hub);
    hub_assert_state(&hub, "V:a", RUN_PENDING);
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "V:a", NULL), PD_OK);
    hub_assert_state(&hub, "V:a", RUN_TERMINATED);
    hub_close(&hub);
}

static void two_lives_of_a_partition_make_different_ids(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    hub_crash(&hub); /* with the same seed */
    assert_int_equal(hub_start(&hub, "E:b", "1"), PD_OK);
    struct hub_look a = hub_look(&hub, "E:a"), b = hub_look(&hub, "E:b");
    assert_int_equal(strlen(a.execution_id), 32);
    assert_string_not_equal(a.execution_id, b.execution_id);
    hub_close(&hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_runs_and_its_end_reaches_the_parent),
        cmocka_unit_test(a_child_of_a_child_of_another_partition_ends_all_of_them),
        cmocka_unit_test(a_failed_child_fails_its_parent_with_the_same_words),
        cmocka_unit_test(a_child_whose_id_is_taken_fails_and_who_has_it_goes_on),
        cmocka_unit_test(a_child_takes_the_place_of_an_ended_instance),
        cmocka_unit_test(terminating_with_children_ends_them_in_every_partition),
        cmocka_unit_test(events_of_one_sender_arrive_in_their_order),
        cmocka_unit_test(mail_comes_in_pages),
        cmocka_unit_test(letters_of_a_new_life_do_not_overtake_those_that_lie_at_home),
        cmocka_unit_test(mail_that_is_not_of_its_kind_is_counted_and_does_not_stop_the_rest),
        cmocka_unit_test(an_event_for_nobody_is_dropped_and_counted),
        cmocka_unit_test(letters_share_the_fate_of_what_caused_them),
        cmocka_unit_test(a_crash_between_any_two_steps_loses_nothing),
        cmocka_unit_test(trouble_in_delivering_keeps_the_order_and_cuts_nothing),
        cmocka_unit_test(mail_that_cannot_be_delivered_for_trouble_stays_the_first),
        cmocka_unit_test(each_refusal_names_the_state_that_does_not_allow_it),
        cmocka_unit_test(a_suspended_instance_takes_its_turn_when_it_is_resumed),
        cmocka_unit_test(a_purged_id_is_free_before_that_is_durable),
        cmocka_unit_test(a_purge_can_mean_one_execution_and_no_other),
        cmocka_unit_test(the_runner_forgets_each_execution_that_begins_anew),
        cmocka_unit_test(the_runner_forgets_one_that_is_replaced_while_it_runs),
        cmocka_unit_test(a_turn_that_is_left_is_offered_to_the_next_process),
        cmocka_unit_test(two_lives_of_a_partition_make_different_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
