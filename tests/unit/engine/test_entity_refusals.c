/* SPDX-License-Identifier: MIT
 *
 * What is said to entities and cannot be: ids that are none, letters that are not what they say,
 * what is stored of an entity and damaged, answers of a worker that are none or too large. */
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

/* ---- ids ------------------------------------------------------------------------------------- */

/* Ids of entities and of instances do not meet. */
static void no_instance_has_an_entitys_id_and_no_entity_an_instances(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct event started = { .kind = EVENT_EXECUTION_STARTED, .name = TEXT("x") };
    struct letter start = { .kind = MESSAGE_START,
                            .instance_id = TEXT("@sum@a"),
                            .event = &started };
    assert_int_equal(hub_tell_letter(&hub, &start), PD_E_INVALID);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    assert_int_equal(hub_tell_letter(&hub, &start), PD_E_INVALID);
    static const enum message_kind kinds[] = { MESSAGE_RAISE, MESSAGE_TERMINATE, MESSAGE_SUSPEND,
                                               MESSAGE_RESUME, MESSAGE_REWIND };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        assert_int_equal(hub_tell(&hub, kinds[i], "@sum@a", "1"), PD_E_NOT_FOUND);
    }
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    assert_int_equal(hub_signal(&hub, "E:a", "add", "7"), PD_E_INVALID);
    assert_int_equal(hub_signal(&hub, "@", "add", "7"), PD_E_INVALID);
    hub_assert_state(&hub, "E:a", RUN_RUNNING);
    hub_assert_entity(&hub, "@sum@a", "7");
    hub_close(&hub);
}

static void a_child_or_a_call_with_an_id_of_the_wrong_kind_fails_and_is_not_waited_for(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    assert_int_equal(hub_start(&hub, "C:@sum@a", "1"), PD_OK);
    hub_assert_state(&hub, "C:@sum@a", RUN_FAILED);
    assert_int_equal(hub_start(&hub, "A:nobody", "1"), PD_OK);
    hub_assert_state(&hub, "A:nobody", RUN_FAILED);
    assert_true(strncmp(hub_look(&hub, "A:nobody").failure, "Misuse: ", 8) == 0);
    hub_close(&hub);
}

/* ---- letters --------------------------------------------------------------------------------- */

static void put_mail(struct hub *hub, enum message_kind kind, const char *id,
                     const struct event *event)
{
    struct buffer buffer;
    pd_error err;
    buffer_init(&buffer);
    wire_write_event(&buffer, event);
    struct message message = { .kind = kind,
                               .instance_id = text_of(id),
                               .execution_id = TEXT("x"),
                               .bytes = buffer_text(&buffer) };
    struct store *store = hub->store.real;
    assert_int_equal(store->ops->accept(store, &message, 1, &err), PD_OK);
    buffer_done(&buffer);
    partition_notice_mail(hub->partitions[0]);
}

static struct event event_of(enum event_kind kind, const struct event_extra *extra)
{
    return (struct event){ .kind = kind,
                           .id = kind == EVENT_ENTITY_SIGNALED ? EVENT_NO_ID : 0,
                           .ref = EVENT_NO_ID,
                           .name = TEXT("add"),
                           .payload = TEXT("5"),
                           .request_id = TEXT("7"),
                           .extra = extra };
}

/* A file may be damaged, or have been written by a newer version. */
static void mail_that_is_not_of_its_kind_is_counted_and_does_not_stop_the_rest(void **state)
{
    (void)state;
    const struct event_extra nobodys = { .lock_set = TEXT("@sum@a\n") };
    const struct event_extra mine = { .has_parent = true,
                                      .parent_id = TEXT("E:a"),
                                      .parent_execution_id = TEXT("x") };
    struct event_extra beyond = mine, before = mine;
    beyond.lock_set = before.lock_set = TEXT("@sum@a\n");
    beyond.position = 1;
    before.position = -1;
    struct event signal = event_of(EVENT_ENTITY_SIGNALED, NULL);
    struct event raised = {
        .kind = EVENT_EVENT_RAISED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .name = TEXT("Go")
    };
    const struct {
        enum message_kind kind;
        struct event event;
    } mails[] = {
        { MESSAGE_OPERATION, raised },
        { MESSAGE_OPERATION, event_of(EVENT_UNLOCK_SENT, NULL) },
        { MESSAGE_OPERATION, event_of(EVENT_ENTITY_CALLED, NULL) },
        { MESSAGE_OPERATION, event_of(EVENT_LOCK_REQUESTED, &nobodys) },
        { MESSAGE_OPERATION, event_of(EVENT_LOCK_REQUESTED, &mine) },
        { MESSAGE_OPERATION, event_of(EVENT_LOCK_REQUESTED, &beyond) },
        { MESSAGE_OPERATION, event_of(EVENT_LOCK_REQUESTED, &before) },
        { MESSAGE_UNLOCK, signal },
        { MESSAGE_UNLOCK, event_of(EVENT_UNLOCK_SENT, &beyond) },
        { MESSAGE_UNLOCK, event_of(EVENT_UNLOCK_SENT, &nobodys) },
        { MESSAGE_CANCEL_SIGNAL, signal },
        { MESSAGE_ANSWER, signal },
    };
    enum { COUNT = sizeof mails / sizeof mails[0] };
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "1"), PD_OK);
    for (size_t i = 0; i < COUNT; i++) {
        put_mail(&hub, mails[i].kind, "@sum@a", &mails[i].event);
        hub_settle(&hub);
        assert_int_equal(partition_counters(hub.partitions[0]).corrupt, i + 1);
    }
    put_mail(&hub, MESSAGE_OPERATION, "@sum@a", &signal);
    hub_settle(&hub);
    assert_int_equal(partition_counters(hub.partitions[0]).corrupt, COUNT);
    hub_assert_entity(&hub, "@sum@a", "6");
    hub_close(&hub);
}

/* Whoever it was for is gone, or never was. */
static void answers_and_unlockings_for_nobody_change_nothing(void **state)
{
    (void)state;
    struct hub hub;
    const struct event_extra mine = { .has_parent = true,
                                      .parent_id = TEXT("E:a"),
                                      .parent_execution_id = TEXT("x"),
                                      .lock_set = TEXT("@sum@a\n@sum@b\n") };
    struct event unlock = event_of(EVENT_UNLOCK_SENT, &mine);
    struct event answer = event_of(EVENT_ENTITY_COMPLETED, NULL);
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    uint64_t dropped = partition_counters(hub.partitions[0]).core.dropped_letters;
    put_mail(&hub, MESSAGE_UNLOCK, "@sum@a", &unlock);
    put_mail(&hub, MESSAGE_ANSWER, "E:nobody", &answer);
    put_mail(&hub, MESSAGE_ANSWER, "@sum@a", &answer);
    put_mail(&hub, MESSAGE_ANSWER, "E:a", &answer);
    hub_settle(&hub);
    struct partition_counters counters = partition_counters(hub.partitions[0]);
    assert_int_equal(counters.corrupt, 0);
    assert_int_equal(counters.core.dropped_letters - dropped, 2);
    assert_int_equal(counters.core.dropped_completions, 1);
    hub_assert_state(&hub, "E:a", RUN_RUNNING);
    hub_assert_entity(&hub, "@sum@a", NULL);
    hub_assert_entity(&hub, "@sum@b", NULL);
    hub_close(&hub);
}

/* ---- what is stored -------------------------------------------------------------------------- */

static void a_call_of_an_entity_that_cannot_be_read_fails(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    partition_evict(hub.partitions[0], 0);
    hub.store.damages_entities = true;
    assert_int_equal(hub_start(&hub, "A:@sum@a", "1"), PD_OK);
    assert_string_equal(hub_look(&hub, "A:@sum@a").failure,
                        "CorruptHistory: what is stored of entity '@sum@a' is damaged");
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_E_CORRUPT);
    assert_int_equal(partition_counters(hub.partitions[0]).corrupt, 1);
    hub.store.damages_entities = false;
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    hub_assert_entity(&hub, "@sum@a", "14");
    hub_close(&hub);
}

static void an_inbox_that_is_not_in_order_is_not_run(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@left@a", "add", "1"), PD_OK);
    assert_int_equal(hub_signal(&hub, "@left@a", "add", "1"), PD_OK);
    hub.store.damages_inboxes = true;
    hub_crash(&hub);
    hub_settle(&hub);
    assert_int_equal(partition_counters(hub.partitions[0]).corrupt, 1);
    assert_int_equal(hub_signal(&hub, "@left@a", "add", "1"), PD_E_CORRUPT);
    hub.store.damages_inboxes = false;
    assert_int_equal(hub_signal(&hub, "@left@a", "add", "1"), PD_OK);
    assert_int_equal(hub_look_entity(&hub, "@left@a").backlog, 3);
    hub_close(&hub);
}

/* ---- what workers answer --------------------------------------------------------------------- */

static void what_is_more_than_can_be_kept_fails_the_operations_and_keeps_the_state(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    assert_int_equal(hub_start(&hub, "A:@sum@a", "\"large\""), PD_OK);
    assert_true(strncmp(hub_look(&hub, "A:@sum@a").failure, "Misuse: ", 8) == 0);
    hub_assert_entity(&hub, "@sum@a", "7");
    hub_assert_entity(&hub, "@a@", NULL);
    hub_close(&hub);
}

/* Actions and an answer that are as much as can be kept, and a state of one byte. */
static void what_is_one_byte_more_than_can_be_kept_is_not_kept(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    assert_int_equal(hub_start(&hub, "A:@sum@a", "\"brim\""), PD_OK);
    assert_true(strncmp(hub_look(&hub, "A:@sum@a").failure, "Misuse: ", 8) == 0);
    hub_assert_entity(&hub, "@sum@a", "7");
    hub_close(&hub);
}

static void an_answer_that_is_none_fails_the_operations(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_start(&hub, "A:@wrong@a", "1"), PD_OK);
    assert_true(strncmp(hub_look(&hub, "A:@wrong@a").failure, "Misuse: ", 8) == 0);
    assert_int_equal(partition_counters(hub.partitions[0]).corrupt, 1);
    hub_assert_entity(&hub, "@wrong@a", NULL);
    hub_close(&hub);
}

static void operations_for_another_worker_wait_for_it(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@left@a", "add", "7"), PD_OK);
    assert_int_equal(hub_look_entity(&hub, "@left@a").backlog, 1);
    hub_crash(&hub);
    hub_settle(&hub);
    assert_int_equal(hub_look_entity(&hub, "@left@a").backlog, 1);
    assert_int_equal(hub.runner.operations, 0);
    hub_close(&hub);
}

static void a_runner_that_knows_no_entities_leaves_their_operations(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    struct runner_ops old = *hub.runner.base.ops;
    old.version = 2;
    old.entity = NULL;
    hub.runner.base.ops = &old;
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    assert_int_equal(hub_look_entity(&hub, "@sum@a").backlog, 1);
    hub_close(&hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_instance_has_an_entitys_id_and_no_entity_an_instances),
        cmocka_unit_test(
            a_child_or_a_call_with_an_id_of_the_wrong_kind_fails_and_is_not_waited_for),
        cmocka_unit_test(mail_that_is_not_of_its_kind_is_counted_and_does_not_stop_the_rest),
        cmocka_unit_test(answers_and_unlockings_for_nobody_change_nothing),
        cmocka_unit_test(a_call_of_an_entity_that_cannot_be_read_fails),
        cmocka_unit_test(an_inbox_that_is_not_in_order_is_not_run),
        cmocka_unit_test(what_is_more_than_can_be_kept_fails_the_operations_and_keeps_the_state),
        cmocka_unit_test(what_is_one_byte_more_than_can_be_kept_is_not_kept),
        cmocka_unit_test(an_answer_that_is_none_fails_the_operations),
        cmocka_unit_test(operations_for_another_worker_wait_for_it),
        cmocka_unit_test(a_runner_that_knows_no_entities_leaves_their_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
