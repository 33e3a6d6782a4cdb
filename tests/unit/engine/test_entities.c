/* SPDX-License-Identifier: MIT
 *
 * Entities in partitions: what is said to them, in which order and how often it takes effect, when
 * the store fails in between and when everything begins again. Locks: test_sections.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "hub.h"
#include "wire/wire.h"

/* Until the store has let all partitions begin again. */
static void mend(struct hub *hub)
{
    for (int i = 0; i < 4; i++) {
        hub_settle(hub);
        hub->now += 2 * TIME_SECOND;
    }
    hub_settle(hub);
}

static void step_all(struct hub *hub, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        (void)hub_step(hub, (unsigned)i % hub->count);
    }
}

/* Starts an instance and lets so many steps be made before something goes wrong; the instance is
 * there afterwards. Its first commit may have failed: then it is started again, if it is not. */
enum trouble { TROUBLE_CRASH, TROUBLE_FAIL, TROUBLE_LIE, TROUBLES };

static void start_in_trouble(struct hub *hub, const char *id, const char *input, int steps,
                             enum trouble trouble)
{
    struct hub_call call;
    hub_ask(hub, &call, MESSAGE_START, id, input);
    step_all(hub, steps);
    switch (trouble) {
    case TROUBLE_CRASH: hub_crash(hub); break;
    case TROUBLE_FAIL: hub->store.commits_to_fail = 1; break;
    case TROUBLE_LIE: hub->store.commits_to_lie = 1; break;
    case TROUBLES: break;
    }
    mend(hub);
    if (hub_end_call(&call) != PD_OK && !hub_look(hub, id).exists) {
        hub->store.commits_to_fail = hub->store.commits_to_lie = 0;
        hub_ask(hub, &call, MESSAGE_START, id, input);
        mend(hub);
        assert_int_equal(hub_end_call(&call), PD_OK);
    }
    hub->store.commits_to_fail = hub->store.commits_to_lie = 0;
}

enum { STEPS = 24 };

static const char *with(const char *program, const char *entity)
{
    static char ids[4][160];
    static unsigned next;
    char *id = ids[next++ % 4];
    (void)snprintf(id, sizeof ids[0], "%s%s", program, entity);
    return id;
}

/* ---- order, and once ------------------------------------------------------------------------- */

static void signals_of_one_sender_are_run_in_their_order_in_every_partition(void **state)
{
    (void)state;
    for (size_t slice = 0; slice < 2; slice++) {
        struct hub hub;
        hub_open(&hub, 4);
        hub.slice_max = slice;
        hub_crash(&hub);
        for (unsigned i = 0; i < 4; i++) {
            const char *entity = hub_id(&hub, "@log@", i);
            assert_int_equal(hub_start(&hub, with("G:", entity), "1"), PD_OK);
            hub_assert_completed(&hub, with("G:", entity), "\"sent\"");
            hub_assert_entity(&hub, entity, "123456789");
        }
        hub_close(&hub);
    }
}

static void signals_take_effect_once_and_in_order_whatever_goes_wrong(void **state)
{
    (void)state;
    for (int steps = 0; steps < STEPS; steps++) {
        for (enum trouble trouble = TROUBLE_CRASH; trouble < TROUBLES; trouble++) {
            struct hub hub;
            hub_open(&hub, 3);
            hub.slice_max = (size_t)(steps % 2);
            hub_crash(&hub);
            const char *entity = hub_id(&hub, "@log@", (unsigned)steps % 3);
            start_in_trouble(&hub, with("G:", entity), "1", steps, trouble);
            hub_assert_completed(&hub, with("G:", entity), "\"sent\"");
            hub_assert_entity(&hub, entity, "123456789");
            hub_close(&hub);
        }
    }
}

static void a_call_takes_effect_once_and_is_answered_whatever_goes_wrong(void **state)
{
    (void)state;
    for (int steps = 0; steps < STEPS; steps++) {
        for (enum trouble trouble = TROUBLE_CRASH; trouble < TROUBLES; trouble++) {
            struct hub hub;
            hub_open(&hub, 3);
            const char *entity = hub_id(&hub, "@sum@", (unsigned)steps % 3);
            assert_int_equal(hub_signal(&hub, entity, "add", "41"), PD_OK);
            start_in_trouble(&hub, with("A:", entity), "1", steps, trouble);
            hub_assert_completed(&hub, with("A:", entity), "42");
            hub_assert_entity(&hub, entity, "42");
            hub_close(&hub);
        }
    }
}

static void what_an_entity_says_is_said_once_whatever_goes_wrong(void **state)
{
    (void)state;
    for (int steps = 0; steps < STEPS; steps++) {
        for (enum trouble trouble = TROUBLE_CRASH; trouble < TROUBLES; trouble++) {
            struct hub hub;
            struct hub_call call;
            hub_open(&hub, 3);
            const char *to = hub_id(&hub, "@to@", (unsigned)steps % 3);
            assert_int_equal(hub_signal(&hub, "@from@a", "add", "3"), PD_OK);
            hub_ask_signal(&hub, &call, "@from@a", "tell", with("\"", with(to, "\"")), NULL, 0);
            step_all(&hub, 3);
            bool was_taken = hub_is_answered(&call) && call.fate == PD_OK;
            step_all(&hub, steps);
            if (trouble == TROUBLE_CRASH) {
                hub_crash(&hub);
            } else if (trouble == TROUBLE_FAIL) {
                hub.store.commits_to_fail = 1;
            } else {
                hub.store.commits_to_lie = 1;
            }
            mend(&hub);
            assert_true(was_taken);
            assert_int_equal(hub_end_call(&call), PD_OK);
            hub_assert_entity(&hub, "@from@a", "3");
            hub_assert_entity(&hub, to, "1");
            hub_close(&hub);
        }
    }
}

/* What was said to one that has been told to run a part of its batch only. */
static void operations_that_a_turn_leaves_are_run_next_and_before_later_ones(void **state)
{
    (void)state;
    struct hub hub;
    struct hub_call calls[6];
    hub_open(&hub, 1);
    hub.runner.batch_max = 2;
    for (int i = 0; i < 5; i++) {
        char digit[2] = { (char)('1' + i), '\0' };
        hub_ask_signal(&hub, &calls[i], "@log@", "note", digit, NULL, 0);
    }
    (void)hub_step(&hub, 0);
    hub_ask_signal(&hub, &calls[5], "@log@", "note", "6", NULL, 0);
    hub_settle(&hub);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(hub_end_call(&calls[i]), PD_OK);
    }
    hub_assert_entity(&hub, "@log@", "123456");
    assert_int_equal(hub.runner.operations, 6);
    assert_true(hub.runner.batches >= 3);
    hub_close(&hub);
}

/* ---- being there ----------------------------------------------------------------------------- */

static void an_entity_is_there_from_its_first_signal_until_nothing_of_it_is_left(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    hub_assert_entity(&hub, "@sum@a", NULL);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    hub_assert_entity(&hub, "@sum@a", "7");
    assert_int_equal(hub_signal(&hub, "@sum@a", "delete", "1"), PD_OK);
    hub_assert_entity(&hub, "@sum@a", NULL);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "2"), PD_OK);
    hub_assert_entity(&hub, "@sum@a", "2");
    assert_int_equal(hub_signal(&hub, "@sum@b", "nothing", "1"), PD_OK);
    hub_assert_entity(&hub, "@sum@b", NULL);
    hub_close(&hub);
}

static void an_entity_that_left_memory_comes_back_as_it_was(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    partition_evict(hub.partitions[0], 0);
    assert_int_equal(partition_counters(hub.partitions[0]).residents, 0);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "2"), PD_OK);
    hub_assert_entity(&hub, "@sum@a", "9");
    assert_int_equal(partition_counters(hub.partitions[0]).loads, 1);
    hub_close(&hub);
}

static void an_entity_that_cannot_be_found_just_now_is_looked_for_again(void **state)
{
    (void)state;
    struct hub hub;
    struct hub_call call;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@log@a", "note", "7"), PD_OK);
    partition_evict(hub.partitions[0], 0);
    hub_ask(&hub, &call, MESSAGE_START, "G:@log@a", "1");
    hub.store.loads_to_fail = 3;
    mend(&hub);
    assert_int_equal(hub_end_call(&call), PD_OK);
    assert_int_equal(hub.store.loads_to_fail, 0);
    hub_assert_entity(&hub, "@log@a", "7123456789");
    hub_close(&hub);
}

/* ---- what operations do ---------------------------------------------------------------------- */

static void an_operation_fails_with_the_words_of_its_function(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 2);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    assert_int_equal(hub_start(&hub, "A:@sum@a", "\"fail\""), PD_OK);
    assert_string_equal(hub_look(&hub, "A:@sum@a").failure, "Refused: as it was told to");
    hub_assert_entity(&hub, "@sum@a", "7");
    hub_close(&hub);
}

static void an_entity_starts_an_orchestration_unless_its_id_is_in_use(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 3);
    assert_int_equal(hub_signal(&hub, "@sum@a", "start", "\"E:new\""), PD_OK);
    hub_assert_state(&hub, "E:new", RUN_RUNNING);
    uint64_t row = hub_look(&hub, "E:new").row;
    assert_int_equal(hub_signal(&hub, "@sum@b", "start", "\"E:new\""), PD_OK);
    assert_true(hub_look(&hub, "E:new").row == row);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "E:new", "8"), PD_OK);
    hub_assert_completed(&hub, "E:new", "8");
    hub_close(&hub);
}

/* Of a partition that begins anew, with mail in its box. */
static void a_start_that_went_by_way_of_the_own_mailbox_replaces_what_has_ended(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@sum@a", "start", "\"E:new\""), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "E:new", "8"), PD_OK);
    hub_assert_completed(&hub, "E:new", "8");
    for (int i = 0; i < 2; i++) {
        struct buffer buffer;
        pd_error err;
        struct event event = { .kind = EVENT_ENTITY_SIGNALED,
                               .id = EVENT_NO_ID,
                               .ref = EVENT_NO_ID,
                               .name = i == 0 ? TEXT("start") : TEXT("add"),
                               .payload = i == 0 ? TEXT("\"E:new\"") : TEXT("1"),
                               .request_id = TEXT("1") };
        buffer_init(&buffer);
        wire_write_event(&buffer, &event);
        struct message message = { .kind = MESSAGE_OPERATION,
                                   .instance_id = TEXT("@sum@a"),
                                   .bytes = buffer_text(&buffer) };
        struct store *store = hub.store.real;
        assert_int_equal(store->ops->accept(store, &message, 1, &err), PD_OK);
        buffer_done(&buffer);
    }
    hub.slice_max = 1;
    hub_crash(&hub);
    hub_settle(&hub);
    hub_assert_state(&hub, "E:new", RUN_RUNNING);
    hub_close(&hub);
}

/* ---- time ------------------------------------------------------------------------------------ */

static pd_status cancel_signal(struct hub *hub, const char *id, const char *request_id)
{
    struct event event = { .kind = EVENT_SIGNAL_CANCELLED,
                           .id = EVENT_NO_ID,
                           .ref = EVENT_NO_ID,
                           .request_id = text_of(request_id) };
    struct letter letter = { .kind = MESSAGE_CANCEL_SIGNAL,
                             .instance_id = text_of(id),
                             .event = &event };
    return hub_tell_letter(hub, &letter);
}

static pd_status signal_at(struct hub *hub, const char *id, const char *digit, time_us at)
{
    struct hub_call call;
    hub_ask_signal(hub, &call, id, "note", digit, digit, at);
    hub_settle(hub);
    return hub_end_call(&call);
}

static void a_signal_with_a_time_is_run_then_and_not_before_also_over_restarts(void **state)
{
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        struct hub hub;
        hub_open(&hub, 1);
        time_us due = hub.now + 600 * TIME_SECOND; /* beyond the window */
        assert_int_equal(signal_at(&hub, "@log@", "1", due), PD_OK);
        assert_int_equal(signal_at(&hub, "@log@", "2", due + 1), PD_OK);
        assert_int_equal(signal_at(&hub, "@log@", "3", hub.now), PD_OK);
        hub_settle(&hub);
        assert_string_equal(hub_look_entity(&hub, "@log@").state, "3");
        if (crashes == 1) {
            hub_crash(&hub);
            hub_settle(&hub);
            partition_evict(hub.partitions[0], 0);
        }
        while (hub.now < due - TIME_SECOND) { /* the window moves */
            hub.now +=
                100 * TIME_SECOND < due - 1 - hub.now ? 100 * TIME_SECOND : due - 1 - hub.now;
            hub_settle(&hub);
        }
        hub.now = due - 1;
        hub_settle(&hub);
        assert_string_equal(hub_look_entity(&hub, "@log@").state, "3");
        assert_int_equal(hub_look_entity(&hub, "@log@").backlog, 2);
        hub.now = due;
        hub_settle(&hub);
        assert_string_equal(hub_look_entity(&hub, "@log@").state, "31");
        hub.now = due + 1;
        hub_settle(&hub);
        hub_assert_entity(&hub, "@log@", "312");
        hub_close(&hub);
    }
}

static void a_signal_that_was_taken_back_is_not_run(void **state)
{
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        struct hub hub;
        hub_open(&hub, 1);
        assert_int_equal(cancel_signal(&hub, "@log@", "1"), PD_E_NOT_FOUND);
        time_us due = hub.now + 10 * TIME_SECOND;
        assert_int_equal(signal_at(&hub, "@log@", "1", due), PD_OK);
        assert_int_equal(signal_at(&hub, "@log@", "2", due), PD_OK);
        if (crashes == 1) {
            hub_crash(&hub);
        }
        assert_int_equal(cancel_signal(&hub, "@log@", "3"), PD_E_NOT_FOUND);
        assert_int_equal(cancel_signal(&hub, "@log@", "1"), PD_OK);
        assert_int_equal(cancel_signal(&hub, "@log@", "1"), PD_E_NOT_FOUND);
        hub.now = due;
        hub_settle(&hub);
        hub_assert_entity(&hub, "@log@", "2");
        assert_int_equal(cancel_signal(&hub, "@log@", "2"), PD_E_NOT_FOUND);
        hub_close(&hub);
    }
}

static void an_entity_wakes_itself_though_it_left_memory(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@sum@a", "later", "1"), PD_OK);
    partition_evict(hub.partitions[0], 0);
    assert_int_equal(partition_counters(hub.partitions[0]).residents, 0);
    hub.now += 2 * TIME_SECOND;
    hub_settle(&hub);
    hub_assert_entity(&hub, "@sum@a", "1");
    hub_close(&hub);
}

/* ---- forgetting ------------------------------------------------------------------------------ */

static pd_status purge(struct hub *hub, const char *id, const char *stamp)
{
    struct letter letter = { .kind = MESSAGE_PURGE,
                             .instance_id = text_of(id),
                             .execution_id = text_of(stamp) };
    return hub_tell_letter(hub, &letter);
}

static void an_entity_is_purged_with_what_waits_for_its_time(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(purge(&hub, "@log@", NULL), PD_E_NOT_FOUND);
    for (int is_resident = 0; is_resident < 2; is_resident++) {
        assert_int_equal(hub_signal(&hub, "@log@", "note", "7"), PD_OK);
        assert_int_equal(signal_at(&hub, "@log@", "1", hub.now + TIME_SECOND), PD_OK);
        if (is_resident == 0) {
            partition_evict(hub.partitions[0], 0);
        }
        assert_int_equal(purge(&hub, "@log@", NULL), PD_OK);
        hub_assert_entity(&hub, "@log@", NULL);
        hub.now += 2 * TIME_SECOND;
        hub_settle(&hub);
        hub_assert_entity(&hub, "@log@", NULL);
    }
    assert_int_equal(purge(&hub, "@log@", NULL), PD_E_NOT_FOUND);
    hub_close(&hub);
}

static void a_purge_that_means_what_was_is_refused_when_it_has_changed(void **state)
{
    (void)state;
    struct hub hub;
    char stamp[32];
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@log@", "note", "7"), PD_OK);
    (void)snprintf(stamp, sizeof stamp, "%lld",
                   (long long)hub_look_entity(&hub, "@log@").updated_at);
    hub.now += TIME_SECOND;
    assert_int_equal(hub_signal(&hub, "@log@", "note", "8"), PD_OK);
    assert_int_equal(purge(&hub, "@log@", stamp), PD_E_STATE);
    assert_int_equal(purge(&hub, "@log@", "yesterday"), PD_E_STATE);
    time_us changed_at = hub_look_entity(&hub, "@log@").updated_at;
    /* What would be this time if the last character were a digit, or numbers had no end. */
    (void)snprintf(stamp, sizeof stamp, "%lld%c", (long long)changed_at / 10 - 1,
                   (char)('0' + changed_at % 10 + 10));
    assert_int_equal(purge(&hub, "@log@", stamp), PD_E_STATE);
    (void)snprintf(stamp, sizeof stamp, "18446%015lld", 744073709551616LL + (long long)changed_at);
    assert_int_equal(purge(&hub, "@log@", stamp), PD_E_STATE);
    (void)snprintf(stamp, sizeof stamp, "%lld", (long long)changed_at);
    assert_int_equal(signal_at(&hub, "@log@", "1", hub.now + TIME_SECOND), PD_OK);
    assert_int_equal(purge(&hub, "@log@", stamp), PD_E_STATE); /* something waits */
    assert_int_equal(cancel_signal(&hub, "@log@", "1"), PD_OK);
    assert_int_equal(purge(&hub, "@log@", stamp), PD_OK);
    hub_assert_entity(&hub, "@log@", NULL);
    hub_close(&hub);
}

/* ---- quarantine ------------------------------------------------------------------------------ */

static void operations_of_an_entity_that_kills_the_process_fail_and_the_next_are_run(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    uint64_t row = hub_look_entity(&hub, "@sum@a").row;
    for (int i = 0; i < 3; i++) {
        board_begin(board_partition_slot(&hub.board, 0), row, EVENT_NO_ID);
        hub_crash(&hub);
    }
    int operations = hub.runner.operations;
    assert_int_equal(hub_start(&hub, "A:@sum@a", "1"), PD_OK);
    assert_string_equal(hub_look(&hub, "A:@sum@a").failure,
                        "Quarantined: the entity was running 3 times when the process died");
    assert_int_equal(hub.runner.operations, operations);
    hub_assert_entity(&hub, "@sum@a", "7");
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "1"), PD_OK);
    hub_assert_entity(&hub, "@sum@a", "8");
    hub_close(&hub);
}

static void a_batch_that_ends_well_takes_its_deaths_away(void **state)
{
    (void)state;
    struct hub hub;
    hub_open(&hub, 1);
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "7"), PD_OK);
    uint64_t row = hub_look_entity(&hub, "@sum@a").row;
    for (int i = 0; i < 2; i++) {
        board_begin(board_partition_slot(&hub.board, 0), row, EVENT_NO_ID);
        hub_crash(&hub);
    }
    assert_int_equal(hub_signal(&hub, "@sum@a", "add", "1"), PD_OK);
    assert_false(board_has_suspects(&hub.board));
    hub_assert_entity(&hub, "@sum@a", "8");
    hub_close(&hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_of_one_sender_are_run_in_their_order_in_every_partition),
        cmocka_unit_test(signals_take_effect_once_and_in_order_whatever_goes_wrong),
        cmocka_unit_test(a_call_takes_effect_once_and_is_answered_whatever_goes_wrong),
        cmocka_unit_test(what_an_entity_says_is_said_once_whatever_goes_wrong),
        cmocka_unit_test(operations_that_a_turn_leaves_are_run_next_and_before_later_ones),
        cmocka_unit_test(an_entity_is_there_from_its_first_signal_until_nothing_of_it_is_left),
        cmocka_unit_test(an_entity_that_left_memory_comes_back_as_it_was),
        cmocka_unit_test(an_entity_that_cannot_be_found_just_now_is_looked_for_again),
        cmocka_unit_test(an_operation_fails_with_the_words_of_its_function),
        cmocka_unit_test(an_entity_starts_an_orchestration_unless_its_id_is_in_use),
        cmocka_unit_test(a_start_that_went_by_way_of_the_own_mailbox_replaces_what_has_ended),
        cmocka_unit_test(a_signal_with_a_time_is_run_then_and_not_before_also_over_restarts),
        cmocka_unit_test(a_signal_that_was_taken_back_is_not_run),
        cmocka_unit_test(an_entity_wakes_itself_though_it_left_memory),
        cmocka_unit_test(an_entity_is_purged_with_what_waits_for_its_time),
        cmocka_unit_test(a_purge_that_means_what_was_is_refused_when_it_has_changed),
        cmocka_unit_test(operations_of_an_entity_that_kills_the_process_fail_and_the_next_are_run),
        cmocka_unit_test(a_batch_that_ends_well_takes_its_deaths_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
