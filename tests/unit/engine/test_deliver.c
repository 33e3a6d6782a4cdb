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

static void assert_completed(struct hub *hub, const char *id, const char *output)
{
    struct hub_look look = hub_look(hub, id);
    assert_true(look.exists);
    assert_string_equal(look.failure, "");
    assert_int_equal(look.state, RUN_COMPLETED);
    assert_string_equal(look.output, output);
}

static void assert_state(struct hub *hub, const char *id, enum run_state state)
{
    struct hub_look look = hub_look(hub, id);
    assert_true(look.exists);
    assert_int_equal(look.state, state);
}

/* A child's id such that parent "C:<id>" lives elsewhere (or not). */
static const char *child_id(const struct hub *hub, const char *prefix, bool is_elsewhere)
{
    static char ids[4][64];
    static unsigned next;
    char *id = ids[next++ % 4], parent[80];
    for (unsigned i = 0;; i++) {
        (void)snprintf(id, sizeof ids[0], "%s%u", prefix, i);
        (void)snprintf(parent, sizeof parent, "C:%s", id);
        if ((hub_home(hub, id) != hub_home(hub, parent)) == is_elsewhere) {
            return id;
        }
    }
}

static const char *parent_of(const char *child)
{
    static char ids[4][80];
    static unsigned next;
    char *id = ids[next++ % 4];
    (void)snprintf(id, sizeof ids[0], "C:%s", child);
    return id;
}

/* ---- children -------------------------------------------------------------------------------- */

static void a_child_runs_and_its_end_reaches_the_parent(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        const char *child = child_id(&hub, "2:", elsewhere != 0);
        assert_int_equal(hub_start(&hub, parent_of(child), "1"), PD_OK);
        assert_completed(&hub, child, "\"end of chain\"");
        assert_completed(&hub, parent_of(child), "\"end of chain\"");
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
    assert_completed(&hub, "C:C:C:C:C:C:1:deep", "\"end of chain\"");
    assert_completed(&hub, "C:C:1:deep", "\"end of chain\"");
    hub_close(&hub);
}

static void a_failed_child_fails_its_parent_with_the_same_words(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    hub.runner.to_fail = 1;
    const char *child = child_id(&hub, "F:", true);
    assert_int_equal(hub_start(&hub, parent_of(child), "1"), PD_OK);
    assert_string_equal(hub_look(&hub, child).failure, "Refused: as it was told to");
    assert_string_equal(hub_look(&hub, parent_of(child)).failure, "Refused: as it was told to");
    hub_close(&hub);
}

static void a_child_whose_id_is_taken_fails_and_who_has_it_goes_on(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        const char *child = child_id(&hub, "E:", elsewhere != 0);
        assert_int_equal(hub_start(&hub, child, "1"), PD_OK);
        uint64_t row = hub_look(&hub, child).row;
        assert_int_equal(hub_start(&hub, parent_of(child), "1"), PD_OK);
        struct hub_look look = hub_look(&hub, parent_of(child));
        assert_int_equal(look.state, RUN_FAILED);
        assert_string_equal(look.failure,
                            "InstanceExists: the ID is taken by an instance that is Running");
        assert_true(hub_look(&hub, child).row == row);
        assert_state(&hub, child, RUN_RUNNING);
    }
    hub_close(&hub);
}

static void a_child_takes_the_place_of_an_ended_instance(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    const char *child = child_id(&hub, "1:", true);
    assert_int_equal(hub_start(&hub, child, "1"), PD_OK);
    uint64_t row = hub_look(&hub, child).row;
    assert_int_equal(hub_start(&hub, parent_of(child), "1"), PD_OK);
    assert_completed(&hub, parent_of(child), "\"end of chain\"");
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
        assert_completed(&hub, sender, "\"sent\"");
        assert_completed(&hub, receiver, "123");
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
        assert_completed(&hub, receiver, "123");
    }
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
        assert_completed(&hub, senders[i], "\"sent\"");
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
    const char *child = child_id(&hub, "2:", true);
    const char *receiver = hub_id(&hub, "R:", 1);
    char sender[80];
    (void)snprintf(sender, sizeof sender, "S:%s", receiver);
    assert_int_equal(hub_start(&hub, receiver, "1"), PD_OK);
    struct hub_call calls[2];
    hub_ask(&hub, &calls[0], MESSAGE_START, parent_of(child), "1");
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
        const char *id = i == 0 ? parent_of(child) : sender;
        if (!is_started && !hub_look(&hub, id).exists) {
            assert_int_equal(hub_start(&hub, id, "1"), PD_OK);
        }
    }
    hub.now += 2 * TIME_SECOND;
    hub_settle(&hub);
    assert_completed(&hub, parent_of(child), "\"end of chain\"");
    assert_completed(&hub, child, "\"end of chain\"");
    assert_completed(&hub, receiver, "123");
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
        const char *child = child_id(&hub, "2:", true);
        hub_ask(&hub, &call, MESSAGE_START, parent_of(child), "1");
        for (int i = 0; i < n; i++) {
            hub_step(&hub, (unsigned)i % 2);
            if (i % 4 == 3) {
                hub_run_activity(&hub);
            }
        }
        hub_crash(&hub);
        hub_settle(&hub);
        if (hub_end_call(&call) != PD_OK && !hub_look(&hub, parent_of(child)).exists) {
            assert_int_equal(hub_start(&hub, parent_of(child), "1"), PD_OK);
        }
        assert_completed(&hub, parent_of(child), "\"end of chain\"");
        hub_close(&hub);
    }
}

/* The letters' order, and the batch they belong to, outlast trouble with finding their receivers. */
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
    assert_completed(&hub, "S:R:a", "\"sent\"");
    assert_completed(&hub, "R:a", "123");
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
    assert_completed(&hub, receiver, "123");
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
    assert_state(&hub, "E:a", RUN_SUSPENDED);
    hub_crash(&hub);
    hub_settle(&hub);
    assert_state(&hub, "E:a", RUN_SUSPENDED);
    assert_int_equal(hub_tell(&hub, MESSAGE_RESUME, "E:a", NULL), PD_OK);
    assert_completed(&hub, "E:a", "7");
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
    assert_completed(&hub, "1:a", "\"end of chain\"");
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

/* ---- rewinding, adopting --------------------------------------------------------------------- */

static void a_rewound_parent_has_its_failed_child_rewound(void **state)
{
    (void)state;
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        struct hub hub;
        hub_open(&hub, 2);
        hub.runner.to_fail = 1;
        const char *child = child_id(&hub, "F:", elsewhere != 0);
        assert_int_equal(hub_start(&hub, parent_of(child), "1"), PD_OK);
        struct hub_look failed = hub_look(&hub, child);
        assert_int_equal(failed.state, RUN_FAILED);
        assert_int_equal(hub_tell(&hub, MESSAGE_REWIND, parent_of(child), "\"again\""), PD_OK);
        assert_completed(&hub, parent_of(child), "\"end of chain\"");
        assert_completed(&hub, child, "\"end of chain\"");
        struct hub_look look = hub_look(&hub, child);
        assert_true(look.row == failed.row);
        assert_string_equal(look.execution_id, failed.execution_id);
        assert_int_equal(hub.runner.activities_run, 2);
        hub_close(&hub);
    }
}

/* Of a child that has completed nothing is run again: it says once more how it ended. */
static void a_child_that_completed_meanwhile_reports_again_to_a_rewound_parent(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    hub.runner.to_fail = 1;
    const char *child = child_id(&hub, "F:", true);
    assert_int_equal(hub_start(&hub, parent_of(child), "1"), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_REWIND, child, NULL), PD_OK); /* on its own */
    assert_completed(&hub, child, "\"end of chain\"");
    assert_state(&hub, parent_of(child), RUN_FAILED);
    assert_int_equal(hub_tell(&hub, MESSAGE_REWIND, parent_of(child), NULL), PD_OK);
    assert_completed(&hub, parent_of(child), "\"end of chain\"");
    assert_int_equal(hub.runner.activities_run, 2);
    hub_close(&hub);
}

static void a_child_that_is_gone_or_terminated_is_started_anew_for_a_rewound_parent(void **state)
{
    (void)state;
    for (int is_purged = 0; is_purged < 2; is_purged++) {
        struct hub hub;
        hub_open(&hub, 2);
        const char *child = child_id(&hub, "E:", true);
        assert_int_equal(hub_start(&hub, parent_of(child), "1"), PD_OK);
        assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, child, "\"no\""), PD_OK);
        char failure[96];
        (void)snprintf(failure, sizeof failure,
                       "InstanceTerminated: instance '%s' was terminated: \"no\"", child);
        assert_string_equal(hub_look(&hub, parent_of(child)).failure, failure);
        if (is_purged) {
            assert_int_equal(hub_tell(&hub, MESSAGE_PURGE, child, NULL), PD_OK);
        }
        assert_int_equal(hub_tell(&hub, MESSAGE_REWIND, parent_of(child), NULL), PD_OK);
        assert_state(&hub, child, RUN_RUNNING);
        assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, child, "5"), PD_OK);
        assert_completed(&hub, parent_of(child), "5");
        hub_close(&hub);
    }
}

/* Its history is not in the store before its end is durable, and not looked for there. */
static void a_rewind_waits_until_the_failure_is_durable(void **state)
{
    (void)state;
    struct hub hub;
    struct hub_call call;
    hub_open(&hub, 1);
    hub.runner.to_fail = 1;
    struct partition *partition = hub.partitions[0];
    hub_ask(&hub, &call, MESSAGE_START, "F:a", "1");
    while (hub_step(&hub, 0)) {}
    assert_int_equal(hub_end_call(&call), PD_OK);
    assert_true(hub_run_activity(&hub));
    (void)partition_run(partition, hub.now); /* it fails, in memory */
    hub_ask(&hub, &call, MESSAGE_REWIND, "F:a", NULL);
    struct work *work = partition_cut(partition);
    assert_non_null(work);
    const struct batch *batch = work->batch;
    work->status = hub.store.base.ops->commit(&hub.store.base, &batch, 1, &work->error);
    work_answer(work);
    assert_false(hub_is_answered(&call)); /* durable, and not heard of */
    partition_committed(partition, hub.now, work);
    hub_settle(&hub);
    assert_int_equal(hub_end_call(&call), PD_OK);
    assert_completed(&hub, "F:a", "\"end of chain\"");
    hub_close(&hub);
}

static void what_waits_for_a_failed_commit_hears_of_it(void **state)
{
    (void)state;
    struct hub hub;
    struct hub_call call;
    hub_open(&hub, 1);
    hub.runner.to_fail = 1;
    hub_ask(&hub, &call, MESSAGE_START, "F:a", "1");
    while (hub_step(&hub, 0)) {}
    assert_int_equal(hub_end_call(&call), PD_OK);
    assert_true(hub_run_activity(&hub));
    (void)partition_run(hub.partitions[0], hub.now);
    hub_ask(&hub, &call, MESSAGE_REWIND, "F:a", NULL);
    hub.store.commits_to_fail = 1;
    hub_settle(&hub);
    assert_int_equal(hub_end_call(&call), PD_E_UNAVAILABLE);
    hub_close(&hub);
}

/* As an archive is made of what the store has. */
static struct text archive_of(struct hub *hub, const char *id, struct buffer *buffer)
{
    struct arena arena;
    struct archive archive = { 0 };
    struct history_rows history;
    struct inbox_rows inbox;
    bool found;
    pd_error err;
    struct store *store = hub->store.real;
    arena_init(&arena);
    buffer_init(buffer);
    assert_int_equal(
        store->ops->load_instance(store, text_of(id), 0, &arena, &archive.record, &found, &err),
        PD_OK);
    uint64_t row = archive.record.row;
    assert_int_equal(store->ops->load_history(store, row, 0, &arena, &history, &err), PD_OK);
    assert_int_equal(store->ops->load_inbox(store, row, &arena, &inbox, &err), PD_OK);
    archive.turns = history.turns;
    archive.turn_count = history.count;
    archive.inbox = inbox.events;
    archive.inbox_count = inbox.count;
    assert_int_equal(wire_write_archive(buffer, &archive, &err), PD_OK);
    arena_done(&arena);
    return buffer_text(buffer);
}

static void an_archived_instance_goes_on_where_it_is_adopted(void **state)
{
    (void)state;
    struct hub hub, other;
    struct buffer buffer;
    hub_open(&hub, 1);
    hub_open(&other, 2);
    assert_int_equal(hub_start(&hub, "R:a", "1"), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "R:a", "4"), PD_OK);
    struct letter letter = { .kind = MESSAGE_ADOPT, .instance_id = TEXT("R:a") };
    letter.bytes = archive_of(&hub, "R:a", &buffer);
    assert_int_equal(hub_tell_letter(&other, &letter), PD_OK);
    assert_int_equal(hub_tell_letter(&other, &letter), PD_E_EXISTS);
    assert_int_equal(hub_tell(&other, MESSAGE_RAISE, "R:a", "5"), PD_OK);
    hub_crash(&other);
    assert_int_equal(hub_tell(&other, MESSAGE_RAISE, "R:a", "6"), PD_OK);
    assert_completed(&other, "R:a", "456");
    assert_state(&hub, "R:a", RUN_RUNNING);
    buffer_done(&buffer);
    hub_close(&other);
    hub_close(&hub);
}

static void an_archive_that_is_damaged_or_of_another_is_refused(void **state)
{
    (void)state;
    struct hub hub;
    struct buffer buffer;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    struct letter letter = { .kind = MESSAGE_ADOPT, .instance_id = TEXT("E:b") };
    letter.bytes = archive_of(&hub, "E:a", &buffer);
    assert_int_equal(hub_tell_letter(&hub, &letter), PD_E_CORRUPT);
    letter.bytes.size--;
    assert_int_equal(hub_tell_letter(&hub, &letter), PD_E_CORRUPT);
    assert_false(hub_look(&hub, "E:b").exists);
    buffer_done(&buffer);
    hub_close(&hub);
}

/* A parent and its child move to another hub. When the parent arrives, and asks for its child
 * (CHILD_ENSURE), that has ended a moment ago: its end is in the same batch. */
static void move_family(struct hub *from, struct hub *to, const char *child, const char *output)
{
    struct buffer bytes[2];
    const char *parent = parent_of(child);
    to->runner.to_fail = output == NULL ? 1 : 0;
    hub_ask(from, &from->call, MESSAGE_START, parent, "1");
    while (hub_step(from, 0)) {}
    assert_int_equal(hub_end_call(&from->call), PD_OK);
    struct letter letter = { .kind = MESSAGE_ADOPT, .instance_id = text_of(child) };
    letter.bytes = archive_of(from, child, &bytes[0]);
    hub_ask_letter(to, &to->call, &letter);
    while (hub_step(to, 0)) {}
    assert_int_equal(hub_end_call(&to->call), PD_OK);
    struct hub_call raise;
    if (output != NULL) {
        hub_ask(to, &raise, MESSAGE_RAISE, child, output);
    } else {
        assert_true(hub_run_activity(to));
    }
    (void)partition_run(to->partitions[0], to->now);
    assert_state(to, child, RUN_RUNNING); /* its end is not durable */
    letter.instance_id = text_of(parent);
    letter.bytes = archive_of(from, parent, &bytes[1]);
    hub_ask_letter(to, &to->call, &letter);
    if (output != NULL) {
        hub_settle(to);
        assert_int_equal(hub_end_call(&raise), PD_OK);
    }
    buffer_done(&bytes[0]);
    buffer_done(&bytes[1]);
}

static void a_letter_that_must_wait_for_a_commit_is_delivered_after_it(void **state)
{
    (void)state;
    struct hub from, to;
    hub_open(&from, 1);
    hub_open(&to, 1);
    move_family(&from, &to, "E:x", "77");
    assert_int_equal(hub_end_call(&to.call), PD_OK);
    assert_completed(&to, "E:x", "77");
    assert_completed(&to, "C:E:x", "77"); /* the child has reported again */
    hub_close(&to);
    hub_close(&from);
}

/* The child is to be rewound, then terminated; in the other order it would run for ever. */
static void no_letter_overtakes_one_that_waits_for_a_commit(void **state)
{
    (void)state;
    struct hub from, to;
    struct hub_call terminate;
    hub_open(&from, 1);
    hub_open(&to, 1);
    move_family(&from, &to, "F:x", NULL);
    hub_ask(&to, &terminate, MESSAGE_TERMINATE, "C:F:x", "\"enough\"");
    hub_settle(&to);
    assert_int_equal(hub_end_call(&to.call), PD_OK);
    assert_int_equal(hub_end_call(&terminate), PD_OK);
    assert_state(&to, "C:F:x", RUN_TERMINATED);
    assert_state(&to, "F:x", RUN_TERMINATED);
    hub_close(&to);
    hub_close(&from);
}

/* ---- the runner ------------------------------------------------------------------------------ */

static void the_runner_forgets_each_execution_that_begins_anew(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "N:a", "4"), PD_OK);
    assert_completed(&hub, "N:a", "\"round and round\"");
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
    assert_state(&hub, "V:a", RUN_PENDING);
    struct partition_counters counters = partition_counters(hub.partitions[0]);
    assert_int_equal(counters.core.turns, 0);
    hub_crash(&hub);
    hub_settle(&hub);
    assert_state(&hub, "V:a", RUN_PENDING);
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "V:a", NULL), PD_OK);
    assert_state(&hub, "V:a", RUN_TERMINATED);
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
        cmocka_unit_test(an_event_for_nobody_is_dropped_and_counted),
        cmocka_unit_test(letters_share_the_fate_of_what_caused_them),
        cmocka_unit_test(a_crash_between_any_two_steps_loses_nothing),
        cmocka_unit_test(trouble_in_delivering_keeps_the_order_and_cuts_nothing),
        cmocka_unit_test(mail_that_cannot_be_delivered_for_trouble_stays_the_first),
        cmocka_unit_test(each_refusal_names_the_state_that_does_not_allow_it),
        cmocka_unit_test(a_suspended_instance_takes_its_turn_when_it_is_resumed),
        cmocka_unit_test(a_purged_id_is_free_before_that_is_durable),
        cmocka_unit_test(a_purge_can_mean_one_execution_and_no_other),
        cmocka_unit_test(a_rewound_parent_has_its_failed_child_rewound),
        cmocka_unit_test(a_child_that_completed_meanwhile_reports_again_to_a_rewound_parent),
        cmocka_unit_test(a_child_that_is_gone_or_terminated_is_started_anew_for_a_rewound_parent),
        cmocka_unit_test(a_rewind_waits_until_the_failure_is_durable),
        cmocka_unit_test(what_waits_for_a_failed_commit_hears_of_it),
        cmocka_unit_test(an_archived_instance_goes_on_where_it_is_adopted),
        cmocka_unit_test(an_archive_that_is_damaged_or_of_another_is_refused),
        cmocka_unit_test(a_letter_that_must_wait_for_a_commit_is_delivered_after_it),
        cmocka_unit_test(no_letter_overtakes_one_that_waits_for_a_commit),
        cmocka_unit_test(the_runner_forgets_each_execution_that_begins_anew),
        cmocka_unit_test(the_runner_forgets_one_that_is_replaced_while_it_runs),
        cmocka_unit_test(a_turn_that_is_left_is_offered_to_the_next_process),
        cmocka_unit_test(two_lives_of_a_partition_make_different_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
