/* SPDX-License-Identifier: MIT
 *
 * Turns that are elsewhere (T8): ended later, twice, never, after what they belong to is gone.
 * Partitions without threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "hub.h"

static struct hub hub;
static struct later later;

static int open_hub(void **state)
{
    (void)state;
    hub_open(&hub, 1);
    later_init(&later);
    hub.runner.later = &later;
    return 0;
}

static int close_hub(void **state)
{
    (void)state;
    hub_close(&hub);
    later_done(&later);
    return 0;
}

/* A command about a turn, and what became of it. */
struct asked {
    struct command command;
    struct latch latch;
    pd_error error;
};

static void ask(struct asked *asked, struct turn_ticket ticket, const struct turn_result *result,
                const struct entity_result *entity)
{
    *asked = (struct asked){ .command = { .kind = COMMAND_TURN } };
    latch_init(&asked->latch, 1);
    asked->command.latch = &asked->latch;
    asked->command.error = &asked->error;
    asked->command.as.turn.ticket = ticket;
    asked->command.as.turn.result = result;
    asked->command.as.turn.entity = entity;
    partition_apply(hub.partitions[0], hub.now, &asked->command);
}

static pd_status finish(struct asked *asked)
{
    assert_int_equal(asked->latch.pending, 0);
    latch_done(&asked->latch);
    return asked->command.status;
}

static pd_status say(struct turn_ticket ticket, const struct turn_result *result,
                     const struct entity_result *entity)
{
    struct asked asked;
    ask(&asked, ticket, result, entity);
    hub_settle(&hub);
    return finish(&asked);
}

static struct later_turn *take(uint64_t number, size_t event_count)
{
    struct later_turn *turn = later_next_turn(&later);
    assert_non_null(turn);
    assert_int_equal(turn->number, number);
    assert_int_equal(turn->event_count, event_count);
    return turn;
}

static void end_turn(struct later_turn *turn)
{
    bool is_entity = turn->number == 0;
    assert_int_equal(
        say(turn->ticket, is_entity ? NULL : &turn->result, is_entity ? &turn->entity : NULL),
        PD_OK);
    later_turn_free(turn);
}

static void return_turn(struct turn_ticket ticket)
{
    assert_int_equal(say(ticket, NULL, NULL), PD_OK);
}

static size_t held(void)
{
    return later.turns == NULL ? 0 : 1;
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void a_turn_ends_when_its_result_comes(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "2:a", "1"), PD_OK);
    hub_assert_state(&hub, "2:a", RUN_PENDING);
    for (uint64_t number = 1; number <= 3; number++) {
        struct later_turn *turn = take(number, number == 1 ? 2 : 2);
        assert_string_equal(turn->instance_id, "2:a");
        end_turn(turn);
    }
    hub_assert_completed(&hub, "2:a", "\"end of chain\"");
    assert_int_equal(held(), 0);
}

static void its_answer_waits_for_the_commit_of_its_end(void **state)
{
    (void)state;
    struct asked asked;
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    ask(&asked, turn->ticket, &turn->result, NULL);
    assert_int_equal(asked.latch.pending, 1);
    hub.store.commits_to_fail = 1;
    (void)hub_step(&hub, 0);
    assert_int_not_equal(finish(&asked), PD_OK);
    later_turn_free(turn);
}

static void a_turn_that_was_ended_is_not_ended_again(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "3:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    assert_int_equal(say(turn->ticket, &turn->result, NULL), PD_OK);
    assert_int_equal(say(turn->ticket, &turn->result, NULL), PD_OK);
    return_turn(turn->ticket);
    later_turn_free(turn);
    assert_int_equal(hub.runner.activities_run, 1);
    end_turn(take(2, 2));
    assert_int_equal(hub.runner.activities_run, 2);
    assert_null(later.turns->next);
}

static void a_result_that_does_not_fit_fails_the_instance(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "X:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    struct action twice[2] = { turn->result.actions[0], turn->result.actions[0] };
    turn->result = (struct turn_result){ .actions = twice, .action_count = 2 };
    end_turn(turn);
    assert_non_null(strstr(hub_look(&hub, "X:a").failure, "CorruptHistory"));
}

/* A worker of whoever may say anything: the parent hears of it. */
static void a_child_of_an_id_that_is_none_fails_and_is_not_made(void **state)
{
    (void)state;
    static char ids[3][260];
    memset(ids[0], 'i', 256); /* just not too long */
    memset(ids[1], 'i', 257);
    ids[2][0] = '\n';
    for (int i = 0; i < 3; i++) {
        char parent[] = "C:0";
        parent[2] = (char)('0' + i);
        assert_int_equal(hub_start(&hub, parent, "1"), PD_OK);
        struct later_turn *turn = take(1, 2);
        struct action child = turn->result.actions[0];
        assert_int_equal(child.kind, ACTION_START_CHILD);
        child.instance_id = text_of(ids[i]);
        turn->result.actions = &child;
        end_turn(turn);
        turn = take(i == 0 ? 1 : 2, 2);
        assert_string_equal(turn->instance_id, i == 0 ? "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"
                                                        "iiiiiiiiiiiiiiiiiiiii"
                                                      : parent);
        assert_int_equal(turn->events[1].kind,
                         i == 0 ? EVENT_EXECUTION_STARTED : EVENT_CHILD_FAILED);
        later_turn_free(turn);
    }
}

/* The worker's reader has found that nobody may be asked. */
static void a_call_that_comes_with_its_refusal_is_answered_with_it(void **state)
{
    (void)state;
    const struct failure refusal = { .type = TEXT("Misuse"), .message = TEXT("too long") };
    struct action call = { .kind = ACTION_CALL_ENTITY,
                           .id = 0,
                           .name = TEXT("o"),
                           .instance_id = TEXT("@e@k"),
                           .request_id = TEXT("r"),
                           .failure = &refusal };
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    turn->result = (struct turn_result){ .actions = &call, .action_count = 1 };
    end_turn(turn);
    turn = take(2, 2);
    assert_int_equal(turn->events[1].kind, EVENT_ENTITY_FAILED);
    later_turn_free(turn);
    assert_false(hub_look_entity(&hub, "@e@k").exists);
}

static void what_it_became_in_history_is_said(void **state)
{
    (void)state;
    struct arena arena;
    struct history_rows rows = { 0 };
    pd_error err;
    assert_int_equal(hub_start(&hub, "2:a", "1"), PD_OK);
    end_turn(take(1, 2));
    assert_int_equal(later.records, 1);
    assert_int_equal(later.recorded_number, 1);
    arena_init(&arena);
    struct store *store = hub.store.real;
    assert_int_equal(
        store->ops->load_history(store, hub_look(&hub, "2:a").row, 0, &arena, &rows, &err), PD_OK);
    assert_int_equal(rows.count, 1);
    assert_true(text_equal(rows.turns[0], buffer_text(&later.recorded)));
    arena_done(&arena);
    end_turn(take(2, 2));
    end_turn(take(3, 2)); /* the last: nobody needs it */
    assert_int_equal(later.records, 2);
}

/* ---- giving back ----------------------------------------------------------------------------- */

static void a_turn_given_back_is_offered_again_the_same_events_first(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "R:a", "1"), PD_OK);
    end_turn(take(1, 2));
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "R:a", "1"), PD_OK);
    struct later_turn *first = take(2, 2);
    assert_true(first->has_past);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "R:a", "2"), PD_OK);
    assert_int_equal(held(), 0);
    return_turn(first->ticket);
    struct later_turn *again = take(2, 3);
    assert_int_not_equal(again->ticket.serial, first->ticket.serial);
    assert_true(text_equal(again->events[1].payload, text_of("1")));
    assert_true(text_equal(again->events[2].payload, text_of("2")));
    assert_int_equal(say(first->ticket, &first->result, NULL), PD_OK); /* stale */
    later_turn_free(first);
    end_turn(again);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "R:a", "3"), PD_OK);
    end_turn(take(3, 2));
    hub_assert_completed(&hub, "R:a", "123");
}

static void a_turn_given_back_waits_until_its_past_is_durable(void **state)
{
    (void)state;
    struct asked first, second;
    struct hub_call raised;
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    ask(&first, turn->ticket, &turn->result, NULL);
    hub_ask(&hub, &raised, MESSAGE_RAISE, "E:a", "7");
    (void)partition_run(hub.partitions[0], hub.now); /* hands out what is not durable */
    struct later_turn *next = take(2, 2);
    ask(&second, next->ticket, NULL, NULL);
    (void)partition_run(hub.partitions[0], hub.now);
    assert_int_equal(held(), 0);
    hub_settle(&hub);
    assert_int_equal(finish(&first), PD_OK);
    assert_int_equal(finish(&second), PD_OK);
    assert_int_equal(hub_end_call(&raised), PD_OK);
    later_turn_free(turn);
    later_turn_free(next);
    end_turn(take(2, 2));
    hub_assert_completed(&hub, "E:a", "7");
}

/* ---- what happens meanwhile ------------------------------------------------------------------ */

static void one_that_is_terminated_needs_no_result(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "1:a", "\"stop\""), PD_OK);
    assert_int_equal(partition_counters(hub.partitions[0]).residents, 0);
    assert_int_equal(hub_tell(&hub, MESSAGE_PURGE, "1:a", "null"), PD_OK);
    end_turn(turn);
    assert_false(hub_look(&hub, "1:a").exists);
}

static void one_that_is_replaced_does_not_end_its_successor(void **state)
{
    (void)state;
    struct event event = { .kind = EVENT_EXECUTION_STARTED, .name = TEXT("chain") };
    struct letter letter = {
        .kind = MESSAGE_START, .flags = STATES_ALL, .instance_id = TEXT("1:a"), .event = &event
    };
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    assert_int_equal(hub_tell_letter(&hub, &letter), PD_OK);
    struct later_turn *other = take(1, 2);
    assert_int_not_equal(other->ticket.row, turn->ticket.row);
    end_turn(turn);
    assert_int_equal(hub.runner.activities_run, 0);
    end_turn(other);
    end_turn(take(2, 2));
    hub_assert_completed(&hub, "1:a", "\"end of chain\"");
}

static void one_that_is_suspended_may_end_and_the_next_waits(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    assert_int_equal(hub_tell(&hub, MESSAGE_SUSPEND, "1:a", "\"wait\""), PD_OK);
    end_turn(turn);
    hub_assert_state(&hub, "1:a", RUN_SUSPENDED);
    assert_int_equal(hub.runner.activities_run, 1);
    assert_int_equal(held(), 0);
    assert_int_equal(hub_tell(&hub, MESSAGE_RESUME, "1:a", "\"go\""), PD_OK);
    end_turn(take(2, 4)); /* suspended, completed, resumed */
    hub_assert_completed(&hub, "1:a", "\"end of chain\"");
}

static void one_that_is_suspended_and_given_back_is_offered_when_it_is_resumed(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    assert_int_equal(hub_tell(&hub, MESSAGE_SUSPEND, "1:a", "\"wait\""), PD_OK);
    return_turn(turn->ticket);
    assert_int_equal(held(), 0);
    assert_int_equal(hub_tell(&hub, MESSAGE_RESUME, "1:a", "\"go\""), PD_OK);
    later_turn_free(turn);
    end_turn(take(1, 4));
    end_turn(take(2, 2));
    hub_assert_completed(&hub, "1:a", "\"end of chain\"");
}

static void one_that_is_open_is_not_evicted_and_takes_in_nothing_more(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "E:a", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    assert_int_equal(hub_tell(&hub, MESSAGE_RAISE, "E:a", "1"), PD_OK);
    partition_evict(hub.partitions[0], 0);
    assert_int_equal(partition_counters(hub.partitions[0]).residents, 1);
    assert_int_equal(held(), 0);
    end_turn(turn);
    end_turn(take(2, 2));
    hub_assert_completed(&hub, "E:a", "1");
}

static void many_turns_are_open_and_end_in_any_order(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static struct later_turn *turns[COUNT];
    char id[16];
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(id, sizeof id, "1:%d", i);
        assert_int_equal(hub_start(&hub, id, "1"), PD_OK);
    }
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            turns[i] = take((uint64_t)round, 2);
        }
        for (int i = 0; i < COUNT; i++) {
            end_turn(turns[i * 7 % COUNT]);
        }
    }
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(id, sizeof id, "1:%d", i);
        hub_assert_completed(&hub, id, "\"end of chain\"");
    }
}

/* ---- another life ---------------------------------------------------------------------------- */

static void a_ticket_of_an_earlier_life_changes_nothing(void **state)
{
    (void)state;
    struct hub_call call;
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct later_turn *before = take(1, 2);
    hub.store.commits_to_fail = 1;
    hub_ask(&hub, &call, MESSAGE_START, "1:b", "1");
    (void)hub_step(&hub, 0);
    assert_int_not_equal(hub_end_call(&call), PD_OK);
    struct later_turn *lost = later_next_turn(&later);
    assert_string_equal(lost->instance_id, "1:b");
    assert_int_equal(say(before->ticket, &before->result, NULL), PD_OK); /* it is down */
    hub.now += TIME_SECOND;
    hub_settle(&hub);
    struct later_turn *again = take(1, 2);
    assert_int_equal(again->ticket.row, before->ticket.row);
    assert_int_not_equal(again->ticket.serial, before->ticket.serial);
    assert_int_equal(say(before->ticket, &before->result, NULL), PD_OK);
    assert_int_equal(say(lost->ticket, &lost->result, NULL), PD_OK);
    hub_assert_state(&hub, "1:a", RUN_PENDING);
    assert_false(hub_look(&hub, "1:b").exists);
    later_turn_free(before);
    later_turn_free(lost);
    end_turn(again);
    end_turn(take(2, 2));
    hub_assert_completed(&hub, "1:a", "\"end of chain\"");
}

static void after_a_crash_open_turns_are_offered_again(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "1:a", "1"), PD_OK);
    struct later_turn *before = take(1, 2);
    hub_crash(&hub);
    hub_settle(&hub);
    struct later_turn *again = take(1, 2);
    assert_int_not_equal(again->ticket.serial, before->ticket.serial);
    later_turn_free(before);
    end_turn(again);
    end_turn(take(2, 2));
    hub_assert_completed(&hub, "1:a", "\"end of chain\"");
}

/* ---- entities -------------------------------------------------------------------------------- */

static void a_batch_of_an_entity_ends_when_its_result_comes(void **state)
{
    (void)state;
    assert_int_equal(hub_signal(&hub, "@c@a", "add", "1"), PD_OK);
    struct later_turn *turn = take(0, 2);
    assert_int_equal(hub_signal(&hub, "@c@a", "add", "1"), PD_OK);
    assert_int_equal(held(), 0);
    end_turn(turn);
    assert_string_equal(hub_look_entity(&hub, "@c@a").state, "1");
    end_turn(take(0, 2));
    hub_assert_entity(&hub, "@c@a", "2");
}

static void a_batch_given_back_is_offered_again(void **state)
{
    (void)state;
    assert_int_equal(hub_signal(&hub, "@c@a", "add", "1"), PD_OK);
    struct later_turn *turn = take(0, 2);
    assert_int_equal(hub_signal(&hub, "@c@a", "add", "1"), PD_OK);
    return_turn(turn->ticket);
    struct later_turn *again = take(0, 3);
    assert_int_equal(say(turn->ticket, NULL, &turn->entity), PD_OK); /* stale */
    assert_false(hub_look_entity(&hub, "@c@a").has_state);
    later_turn_free(turn);
    end_turn(again);
    hub_assert_entity(&hub, "@c@a", "2");
}

static void an_entity_that_is_purged_meanwhile_is_empty_afterwards(void **state)
{
    (void)state;
    assert_int_equal(hub_signal(&hub, "@c@a", "add", "1"), PD_OK);
    end_turn(take(0, 2));
    assert_int_equal(hub_signal(&hub, "@c@a", "add", "1"), PD_OK);
    struct later_turn *turn = take(0, 2);
    assert_int_equal(hub_tell(&hub, MESSAGE_PURGE, "@c@a", "null"), PD_OK);
    end_turn(turn);
    hub_assert_entity(&hub, "@c@a", NULL);
}

static void an_answer_that_is_none_fails_the_operations(void **state)
{
    (void)state;
    assert_int_equal(hub_start(&hub, "A:@c@a", "1"), PD_OK);
    end_turn(take(1, 2));
    struct later_turn *turn = take(0, 2);
    turn->entity.result_count = 0;
    end_turn(turn);
    end_turn(take(2, 2));
    assert_non_null(strstr(hub_look(&hub, "A:@c@a").failure, "Misuse"));
}

#define HUB_TEST(test) cmocka_unit_test_setup_teardown(test, open_hub, close_hub)

/* ---- left, and called ------------------------------------------------------------------------ */

static void leave_turn(struct turn_ticket ticket)
{
    struct asked asked = { .command = { .kind = COMMAND_TURN } };
    latch_init(&asked.latch, 1);
    asked.command.latch = &asked.latch;
    asked.command.as.turn.ticket = ticket;
    asked.command.as.turn.is_left = true;
    partition_apply(hub.partitions[0], hub.now, &asked.command);
    hub_settle(&hub);
    assert_int_equal(finish(&asked), PD_OK);
}

static void begin_call(struct asked *asked, const uint64_t *rows, size_t count)
{
    *asked = (struct asked){ .command = { .kind = COMMAND_CALL } };
    latch_init(&asked->latch, 1);
    asked->command.latch = &asked->latch;
    asked->command.as.call.rows = rows;
    asked->command.as.call.count = count;
    partition_apply(hub.partitions[0], hub.now, &asked->command);
}

static void call_turns(const uint64_t *rows, size_t count)
{
    struct asked asked;
    begin_call(&asked, rows, count);
    hub_settle(&hub);
    assert_int_equal(finish(&asked), PD_OK);
}

static struct turn_ticket start_and_leave(const char *id)
{
    assert_int_equal(hub_start(&hub, id, "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    struct turn_ticket ticket = turn->ticket;
    leave_turn(ticket);
    later_turn_free(turn);
    return ticket;
}

static void a_turn_that_was_left_comes_when_it_is_called(void **state)
{
    (void)state;
    struct turn_ticket left = start_and_leave("1:a");
    (void)hub_step(&hub, 0);
    assert_int_equal(held(), 0);
    call_turns(&left.row, 1);
    struct later_turn *turn = take(1, 2);
    assert_true(turn->is_called);
    assert_int_equal(turn->ticket.row, left.row);
    end_turn(turn);
    turn = take(2, 2);
    assert_false(turn->is_called); /* that was the one */
    end_turn(turn);
    hub_assert_completed(&hub, "1:a", "\"end of chain\"");
}

static void turns_that_were_left_need_no_memory_and_come_in_the_order_of_the_call(void **state)
{
    (void)state;
    uint64_t rows[3];
    rows[2] = start_and_leave("1:a").row;
    rows[0] = start_and_leave("1:b").row;
    rows[1] = start_and_leave("1:c").row;
    partition_evict(hub.partitions[0], 0);
    assert_int_equal(partition_counters(hub.partitions[0]).residents, 0);
    call_turns(rows, 3);
    for (int i = 0; i < 3; i++) {
        struct later_turn *turn = take(1, 2);
        assert_true(turn->is_called);
        assert_int_equal(turn->ticket.row, rows[i]);
        end_turn(turn);
    }
}

static void what_is_over_or_open_is_called_without_harm(void **state)
{
    (void)state;
    uint64_t rows[4];
    rows[0] = start_and_leave("1:over").row;
    rows[1] = start_and_leave("1:purged").row;
    rows[3] = 123456789; /* there never was */
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "1:over", "\"\""), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_TERMINATE, "1:purged", "\"\""), PD_OK);
    assert_int_equal(hub_tell(&hub, MESSAGE_PURGE, "1:purged", NULL), PD_OK);
    assert_int_equal(hub_start(&hub, "1:open", "1"), PD_OK);
    struct later_turn *turn = take(1, 2);
    rows[2] = turn->ticket.row;
    call_turns(rows, 4);
    assert_int_equal(held(), 0);
    end_turn(turn);
    end_turn(take(2, 2));
    hub_assert_completed(&hub, "1:open", "\"end of chain\"");
}

static void one_that_is_suspended_is_called_and_waits_on(void **state)
{
    (void)state;
    struct turn_ticket left = start_and_leave("1:a");
    assert_int_equal(hub_tell(&hub, MESSAGE_SUSPEND, "1:a", "\"\""), PD_OK);
    call_turns(&left.row, 1);
    assert_int_equal(held(), 0);
    assert_int_equal(hub_tell(&hub, MESSAGE_RESUME, "1:a", "\"\""), PD_OK);
    struct later_turn *turn = later_next_turn(&later);
    assert_non_null(turn);
    later_turn_free(turn);
}

static void a_call_waits_while_the_store_fails(void **state)
{
    (void)state;
    struct asked asked;
    struct turn_ticket left = start_and_leave("1:a");
    partition_evict(hub.partitions[0], 0);
    hub.store.loads_to_fail = 1;
    begin_call(&asked, &left.row, 1);
    assert_int_equal(hub.store.loads_to_fail, 0);
    assert_int_equal(asked.latch.pending, 1);
    hub.now += 10 * TIME_SECOND;
    hub_settle(&hub);
    assert_int_equal(finish(&asked), PD_OK);
    struct later_turn *turn = take(1, 2);
    assert_true(turn->is_called);
    later_turn_free(turn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST(a_turn_ends_when_its_result_comes),
        HUB_TEST(its_answer_waits_for_the_commit_of_its_end),
        HUB_TEST(a_turn_that_was_ended_is_not_ended_again),
        HUB_TEST(a_result_that_does_not_fit_fails_the_instance),
        HUB_TEST(a_child_of_an_id_that_is_none_fails_and_is_not_made),
        HUB_TEST(a_call_that_comes_with_its_refusal_is_answered_with_it),
        HUB_TEST(what_it_became_in_history_is_said),
        HUB_TEST(a_turn_given_back_is_offered_again_the_same_events_first),
        HUB_TEST(a_turn_given_back_waits_until_its_past_is_durable),
        HUB_TEST(one_that_is_terminated_needs_no_result),
        HUB_TEST(one_that_is_replaced_does_not_end_its_successor),
        HUB_TEST(one_that_is_suspended_may_end_and_the_next_waits),
        HUB_TEST(one_that_is_suspended_and_given_back_is_offered_when_it_is_resumed),
        HUB_TEST(one_that_is_open_is_not_evicted_and_takes_in_nothing_more),
        HUB_TEST(many_turns_are_open_and_end_in_any_order),
        HUB_TEST(a_ticket_of_an_earlier_life_changes_nothing),
        HUB_TEST(after_a_crash_open_turns_are_offered_again),
        HUB_TEST(a_batch_of_an_entity_ends_when_its_result_comes),
        HUB_TEST(a_batch_given_back_is_offered_again),
        HUB_TEST(an_entity_that_is_purged_meanwhile_is_empty_afterwards),
        HUB_TEST(an_answer_that_is_none_fails_the_operations),
        HUB_TEST(a_turn_that_was_left_comes_when_it_is_called),
        HUB_TEST(turns_that_were_left_need_no_memory_and_come_in_the_order_of_the_call),
        HUB_TEST(what_is_over_or_open_is_called_without_harm),
        HUB_TEST(one_that_is_suspended_is_called_and_waits_on),
        HUB_TEST(a_call_waits_while_the_store_fails),
    };
    return cmocka_run_group_tests_name("engine: turns that are elsewhere", tests, NULL, NULL);
}
