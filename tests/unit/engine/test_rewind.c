/* SPDX-License-Identifier: MIT
 *
 * Instances that come with a history: rewound, with their children, and adopted; and the letters
 * that have to wait until a history is in the store. */
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

static void a_rewound_parent_has_its_failed_child_rewound(void **state)
{
    (void)state;
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        struct hub hub;
        hub_open(&hub, 2);
        hub.runner.to_fail = 1;
        const char *child = hub_child_id(&hub, "F:", elsewhere != 0);
        assert_int_equal(hub_start(&hub, hub_parent_of(child), "1"), PD_OK);
        struct hub_look failed = hub_look(&hub, child);
        assert_int_equal(failed.state, RUN_FAILED);
        assert_int_equal(hub_tell(&hub, MESSAGE_REWIND, hub_parent_of(child), "\"again\""), PD_OK);
        hub_assert_completed(&hub, hub_parent_of(child), "\"end of chain\"");
        hub_assert_completed(&hub, child, "\"end of chain\"");
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
    const char *child = hub_child_id(&hub, "F:", true);
    assert_int_equal(hub_start(&hub, hub_parent_of(child), "1"), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_REWIND, child, NULL), PD_OK); /* on its own */
    hub_assert_completed(&hub, child, "\"end of chain\"");
    hub_assert_state(&hub, hub_parent_of(child), RUN_FAILED);
    assert_int_equal(hub_tell(&hub, MESSAGE_REWIND, hub_parent_of(child), NULL), PD_OK);
    hub_assert_completed(&hub, hub_parent_of(child), "\"end of chain\"");
    assert_int_equal(hub.runner.activities_run, 2);
    hub_close(&hub);
}

static void a_child_that_is_gone_or_terminated_is_started_anew_for_a_rewound_parent(void **state)
{
    (void)state;
    for (int is_purged = 0; is_purged < 2; is_purged++) {
        struct hub hub;
        hub_open(&hub, 2);
        const char *child = hub_child_id(&hub, "E:", true);
        assert_int_equal(hub_start(&hub, hub_parent_of(child), "1"), PD_OK);
        assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, child, "\"no\""), PD_OK);
        char failure[96];
        (void)snprintf(failure, sizeof failure,
                       "OrchestrationTerminated: instance '%s' was terminated: \"no\"", child);
        assert_string_equal(hub_look(&hub, hub_parent_of(child)).failure, failure);
        if (is_purged) {
            assert_int_equal(hub_tell(&hub, MESSAGE_PURGE, child, NULL), PD_OK);
        }
        assert_int_equal(hub_tell(&hub, MESSAGE_REWIND, hub_parent_of(child), NULL), PD_OK);
        hub_assert_state(&hub, child, RUN_RUNNING);
        assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, child, "5"), PD_OK);
        hub_assert_completed(&hub, hub_parent_of(child), "5");
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
    hub_assert_completed(&hub, "F:a", "\"end of chain\"");
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
    hub_assert_completed(&other, "R:a", "456");
    hub_assert_state(&hub, "R:a", RUN_RUNNING);
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
    const char *parent = hub_parent_of(child);
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
    hub_assert_state(to, child, RUN_RUNNING); /* its end is not durable */
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
    hub_assert_completed(&to, "E:x", "77");
    hub_assert_completed(&to, "C:E:x", "77"); /* the child has reported again */
    /* Afterwards letters are delivered with what caused them again. */
    hub_ask(&to, &to.call, MESSAGE_START, "C:E:y", "1");
    assert_true(hub_step(&to, 0));
    assert_true(hub_is_answered(&to.call));
    hub_assert_state(&to, "E:y", RUN_PENDING);
    assert_int_equal(hub_end_call(&to.call), PD_OK);
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
    hub_assert_state(&to, "C:F:x", RUN_TERMINATED);
    hub_assert_state(&to, "F:x", RUN_TERMINATED);
    hub_close(&to);
    hub_close(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rewound_parent_has_its_failed_child_rewound),
        cmocka_unit_test(a_child_that_completed_meanwhile_reports_again_to_a_rewound_parent),
        cmocka_unit_test(a_child_that_is_gone_or_terminated_is_started_anew_for_a_rewound_parent),
        cmocka_unit_test(a_rewind_waits_until_the_failure_is_durable),
        cmocka_unit_test(what_waits_for_a_failed_commit_hears_of_it),
        cmocka_unit_test(an_archived_instance_goes_on_where_it_is_adopted),
        cmocka_unit_test(an_archive_that_is_damaged_or_of_another_is_refused),
        cmocka_unit_test(a_letter_that_must_wait_for_a_commit_is_delivered_after_it),
        cmocka_unit_test(no_letter_overtakes_one_that_waits_for_a_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
