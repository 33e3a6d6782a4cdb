/* SPDX-License-Identifier: MIT
 *
 * The line in front of an entity: who is next when there are locks (K2), and that it is the same
 * after a loss of memory (K5, L2).
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/entity.h"
#include "rig.h"

static const struct model_row *stored(struct rig *rig, const char *id)
{
    return model_find(&rig->model, text_of(id));
}

/* Takes the next turn, which must be there. */
static const struct turn *open_turn(struct rig *rig)
{
    const struct turn *turn;
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    return turn;
}

static void end_one_turn(struct rig *rig)
{
    rig_end_turn(rig, open_turn(rig));
}

static void is_owned(struct rig *rig, const char *id, const char *owner)
{
    assert_string_equal(rig_owner(rig, id), owner);
}

static void has_state(struct rig *rig, const char *id, const char *state)
{
    assert_string_equal(rig_state(rig, id), state);
}

/* ---- the line ---- */

static void a_request_waits_until_all_before_it_is_done(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    rig_signal(rig, "@log@", "say", "b");
    const struct turn *turn = open_turn(rig);
    rig_start(rig, "o", "script", "lock:s:@log@");
    end_one_turn(rig);
    (void)rig_deliver(rig);
    rig_signal(rig, "@log@", "say", "c");
    is_owned(rig, "@log@", "-");
    rig->most = 1;
    rig_end_turn(rig, turn);
    is_owned(rig, "@log@", "-"); /* one of them is left */
    end_one_turn(rig);
    is_owned(rig, "@log@", "o");
    has_state(rig, "@log@", "ab"); /* what is behind it waits */
}

static void while_it_is_locked_others_wait_in_order(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@log@ | task | unlock:s:@log@");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "a");
    rig_start(rig, "p", "script", "call:@log@:say:b | end");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "c");
    rig_run(rig);
    has_state(rig, "@log@", "-");
    assert_true(rig_complete(rig, "o", 1, "1"));
    rig_run(rig);
    has_state(rig, "@log@", "abc");
    is_owned(rig, "@log@", "-");
}

static void what_the_owner_says_overtakes_the_line(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@log@ | task | call:@log@:say:a signal:@log@:say:b");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "c");
    assert_true(rig_complete(rig, "o", 1, "1"));
    rig_run(rig);
    has_state(rig, "@log@", "ab");
}

static void what_the_owner_said_behind_its_request_is_fetched_from_the_line(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "first", "script", "lock:f:@log@ | task | unlock:f:@log@");
    rig_run(rig);
    rig_start(rig, "o", "script", "lock:s:@log@ call:@log@:say:b signal:@log@:say:c | task");
    rig_signal(rig, "@log@", "say", "a");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "d");
    assert_true(rig_complete(rig, "first", 1, "1"));
    rig_run(rig);
    is_owned(rig, "@log@", "o");
    has_state(rig, "@log@", "abc");
}

static void an_owner_is_an_instance_in_one_execution(void **state)
{
    struct rig *rig = *state;
    pd_error err;
    rig_start(rig, "o", "script", "lock:s:@log@ | task");
    rig_run(rig);
    struct event_extra sender = { .has_parent = true,
                                  .parent_id = TEXT("o"),
                                  .parent_execution_id = TEXT("another") };
    struct event call = { .kind = EVENT_ENTITY_CALLED, .name = TEXT("say"), .extra = &sender };
    call.payload = TEXT("x");
    core_operate(rig->core, rig->now, rig_entity(rig, "@log@"), &call, &err);
    sender.parent_id = TEXT("p");
    sender.parent_execution_id = TEXT("e1");
    core_operate(rig->core, rig->now, rig_entity(rig, "@log@"), &call, &err);
    rig_run(rig);
    has_state(rig, "@log@", "-");
    sender.parent_id = TEXT("o");
    core_operate(rig->core, rig->now, rig_entity(rig, "@log@"), &call, &err);
    rig_run(rig);
    has_state(rig, "@log@", "x");
}

static void sections_are_served_in_the_order_of_their_requests(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 5; i++) {
        char id[16];
        char script[128];
        snprintf(id, sizeof id, "o%d", i);
        snprintf(script, sizeof script,
                 "lock:s:@log@ | call:@log@:say:%d | call:@log@:say:%d | unlock:s:@log@ end", i, i);
        rig_start(rig, id, "script", script);
    }
    rig_run(rig);
    has_state(rig, "@log@", "0011223344");
    assert_int_equal(core_counters(rig->core).locks, 5);
    assert_int_equal(core_counters(rig->core).unlocks, 5);
}

static void what_the_owner_said_is_done_before_the_line_though_it_unlocks_at_once(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@log@ | task | signal:@log@:say:a unlock:s:@log@");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "b");
    rig_start(rig, "p", "script", "lock:s:@log@");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "c");
    assert_true(rig_complete(rig, "o", 1, "1"));
    end_one_turn(rig);
    (void)rig_deliver(rig);
    is_owned(rig, "@log@", "-");
    rig_run(rig);
    has_state(rig, "@log@", "ab");
    is_owned(rig, "@log@", "p");
}

/* ---- what is durable ---- */

static void a_lock_without_state_has_a_row_as_long_as_it_is_held(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@a@1 | task | unlock:s:@a@1");
    rig_run(rig);
    rig_flush(rig);
    const struct entity_record *record = stored(rig, "@a@1")->entity;
    assert_true(text_equal(record->lock_owner, TEXT("o")));
    assert_true(text_equal(record->lock_execution, TEXT("e1")));
    assert_true(text_equal(record->lock_section, TEXT("s")));
    assert_false(record->is_busy);
    rig_crash(rig);
    is_owned(rig, "@a@1", "o");
    rig_complete(rig, "o", 1, "1");
    rig_run(rig);
    rig_flush(rig);
    assert_null(stored(rig, "@a@1"));
}

static void a_line_behind_a_lock_does_not_make_it_busy(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@log@ | task | call:@log@:say:a | unlock:s:@log@");
    rig_run(rig);
    rig_signal(rig, "@log@", "say", "b");
    rig_flush(rig);
    assert_false(stored(rig, "@log@")->record.is_busy); /* K5 */
    assert_int_equal(stored(rig, "@log@")->inbox_count, 1);
    assert_true(rig_complete(rig, "o", 1, "1"));
    end_one_turn(rig);
    rig_flush(rig);
    assert_true(stored(rig, "@log@")->record.is_busy); /* the owner's call can be run */
    rig_crash(rig);
    rig_run(rig);
    has_state(rig, "@log@", "ab");
}

/* What stands where, as text: what was said by the owner first, then the line. */
static const char *standing(struct rig *rig, const char *id)
{
    struct buffer out = { 0 };
    const struct instance *entity = rig_entity(rig, id);
    const struct waiting_event *event = entity->events.first;
    for (; event != NULL; event = event->next) {
        buffer_printf(&out, "%.*s", TEXT_ARGS(event->event.payload));
    }
    buffer_add_text(&out, TEXT("|"));
    for (event = entity->entity->line.first; event != NULL; event = event->next) {
        bool is_request = event->event.kind == EVENT_LOCK_REQUESTED;
        buffer_printf(&out, "%.*s",
                      TEXT_ARGS(is_request ? event->event.request_id : event->event.payload));
    }
    const char *text = text_copy(&rig->model.arena, buffer_text(&out)).at;
    buffer_done(&out);
    return text;
}

/* In memory, and as the store has it. */
static void stands(struct rig *rig, const char *id, const char *expected)
{
    assert_string_equal(standing(rig, id), expected);
    rig_flush(rig);
    rig_crash(rig);
    assert_string_equal(standing(rig, id), expected);
}

/* Locked by `o`, which waits for nothing; then what each of them says. */
static void say_as(struct rig *rig, const char *owner, const char *what)
{
    pd_error err;
    struct event_extra sender = { .has_parent = true, .parent_id = text_of(owner) };
    sender.parent_execution_id = TEXT("e");
    struct event call = { .kind = EVENT_ENTITY_SIGNALED, .name = TEXT("say"), .extra = &sender };
    call.payload = text_of(what);
    assert_int_equal(core_operate(rig->core, rig->now, rig_entity(rig, "@log@"), &call, &err),
                     PD_OK);
}

static void request_as(struct rig *rig, const char *owner, const char *section)
{
    pd_error err;
    struct event_extra extra = { .has_parent = true, .parent_id = text_of(owner) };
    extra.parent_execution_id = TEXT("e");
    extra.lock_set = TEXT("@log@\n");
    struct event request = { .kind = EVENT_LOCK_REQUESTED, .extra = &extra };
    request.request_id = text_of(section);
    assert_int_equal(core_operate(rig->core, rig->now, rig_entity(rig, "@log@"), &request, &err),
                     PD_OK);
}

static void the_line_is_the_same_after_a_loss_of_memory(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    request_as(rig, "o", "S");
    rig_signal(rig, "@log@", "say", "b");
    stands(rig, "@log@", "a|Sb");
    rig_run(rig);
    is_owned(rig, "@log@", "o");
    stands(rig, "@log@", "|b");
    say_as(rig, "o", "c");
    say_as(rig, "p", "d");
    say_as(rig, "o", "e");
    request_as(rig, "p", "T");
    stands(rig, "@log@", "ce|bdT");
    say_as(rig, "o", "f");
    rig_signal(rig, "@log@", "say", "g");
    stands(rig, "@log@", "cef|bdTg");
    rig_unlock(rig, "@log@", "S"); /* and what it said is still to be done first */
    stands(rig, "@log@", "cefbd|Tg");
    say_as(rig, "o", "h"); /* it owns nothing any more */
    stands(rig, "@log@", "cefbd|Tgh");
    rig->most = 1;
    rig_end_turn(rig, open_turn(rig));
    stands(rig, "@log@", "efbd|Tgh");
    rig->most = 0;
    rig_run(rig);
    has_state(rig, "@log@", "acefbd");
    is_owned(rig, "@log@", "p");
    stands(rig, "@log@", "|gh");
    rig_unlock(rig, "@log@", "T");
    rig_run(rig);
    has_state(rig, "@log@", "acefbdgh");
}

static void what_was_fetched_from_the_line_is_not_lost_nor_done_twice(void **state)
{
    struct rig *rig = *state;
    request_as(rig, "o", "S");
    request_as(rig, "p", "T");
    rig_signal(rig, "@log@", "say", "a");
    say_as(rig, "p", "b");
    say_as(rig, "q", "c");
    say_as(rig, "p", "d");
    stands(rig, "@log@", "|Tabcd");
    rig_unlock(rig, "@log@", "S");
    is_owned(rig, "@log@", "p");
    stands(rig, "@log@", "bd|ac");
    rig_unlock(rig, "@log@", "T");
    stands(rig, "@log@", "bdac|");
    rig_run(rig);
    has_state(rig, "@log@", "bdac");
    rig_flush(rig);
    assert_int_equal(stored(rig, "@log@")->inbox_count, 0);
}

/* Sent back by its owner. */
static void unlock_as(struct rig *rig, const char *owner, const char *section)
{
    struct event_extra sender = { .has_parent = true, .parent_id = text_of(owner) };
    sender.parent_execution_id = TEXT("e");
    struct event unlock = { .kind = EVENT_UNLOCK_SENT, .extra = &sender };
    unlock.request_id = text_of(section);
    core_unlock(rig->core, rig->now, rig_entity(rig, "@log@"), &unlock);
}

static void whoever_has_two_requests_in_line_is_followed_by_what_it_says_behind_either(void **state)
{
    struct rig *rig = *state;
    request_as(rig, "o", "S");
    request_as(rig, "p", "T");
    request_as(rig, "q", "X");
    request_as(rig, "p", "U");
    request_as(rig, "p", "V");
    unlock_as(rig, "p", "T");
    unlock_as(rig, "p", "V");
    say_as(rig, "p", "a");
    say_as(rig, "r", "b");
    assert_string_equal(standing(rig, "@log@"), "|XUab"); /* a loss of memory would heal it */
    unlock_as(rig, "o", "S");
    unlock_as(rig, "q", "X");
    is_owned(rig, "@log@", "p");
    stands(rig, "@log@", "a|b");
    unlock_as(rig, "p", "U");
    rig_run(rig);
    has_state(rig, "@log@", "ab");
}

static void what_was_said_before_a_request_does_not_follow_it(void **state)
{
    struct rig *rig = *state;
    request_as(rig, "o", "S");
    say_as(rig, "p", "a");
    request_as(rig, "q", "T");
    request_as(rig, "p", "U");
    unlock_as(rig, "o", "S");
    stands(rig, "@log@", "a|TU");
    rig_run(rig);
    has_state(rig, "@log@", "a");
    unlock_as(rig, "q", "T");
    is_owned(rig, "@log@", "p");
}

/* A hundred thousand sections of one entity, and others that call it. Quadratic would take a
 * minute. */
static void a_long_line_is_served_in_linear_time(void **state)
{
    enum { MANY = 100000 };
    struct rig *rig = *state;
    char id[16];
    clock_t from = clock();
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "o%d", i);
        request_as(rig, id, "S");
    }
    say_as(rig, "somebody", "a");
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "o%d", i);
        unlock_as(rig, id, "S");
        while (core_next_letter(rig->core) != NULL) {}
    }
    assert_true((double)(clock() - from) / CLOCKS_PER_SEC < 5);
    assert_int_equal(core_counters(rig->core).unlocks, MANY);
    rig_run(rig);
    has_state(rig, "@log@", "a");
}

static void a_request_taken_out_of_the_line_lets_it_go_on(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    const struct turn *turn = open_turn(rig);
    request_as(rig, "o", "S");
    rig_signal(rig, "@log@", "say", "b");
    rig_flush(rig);
    unlock_as(rig, "another", "S");
    assert_string_equal(standing(rig, "@log@"), "a|Sb");
    unlock_as(rig, "o", "S");
    assert_string_equal(standing(rig, "@log@"), "ab|");
    rig_end_turn(rig, turn);
    rig_run(rig);
    has_state(rig, "@log@", "ab");
    rig_flush(rig);
    assert_int_equal(stored(rig, "@log@")->inbox_count, 0);
}

static void a_purge_leaves_lock_and_line(void **state)
{
    struct rig *rig = *state;
    rig_signal(rig, "@log@", "say", "a");
    rig_run(rig);
    request_as(rig, "o", "S");
    rig_signal(rig, "@log@", "say", "b");
    assert_int_equal(rig_purge_entity(rig, "@log@", 0), PD_OK);
    is_owned(rig, "@log@", "o");
    rig_flush(rig);
    time_us changed_at = stored(rig, "@log@")->entity->updated_at;
    assert_int_equal(rig_purge_entity(rig, "@log@", changed_at), PD_E_STATE);
    stands(rig, "@log@", "|b");
    rig_unlock(rig, "@log@", "S");
    rig_run(rig);
    has_state(rig, "@log@", "b");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_waits_until_all_before_it_is_done),
        TEST(while_it_is_locked_others_wait_in_order),
        TEST(what_the_owner_says_overtakes_the_line),
        TEST(what_the_owner_said_behind_its_request_is_fetched_from_the_line),
        TEST(an_owner_is_an_instance_in_one_execution),
        TEST(sections_are_served_in_the_order_of_their_requests),
        TEST(what_the_owner_said_is_done_before_the_line_though_it_unlocks_at_once),
        TEST(a_lock_without_state_has_a_row_as_long_as_it_is_held),
        TEST(a_line_behind_a_lock_does_not_make_it_busy),
        TEST(the_line_is_the_same_after_a_loss_of_memory),
        TEST(what_was_fetched_from_the_line_is_not_lost_nor_done_twice),
        TEST(whoever_has_two_requests_in_line_is_followed_by_what_it_says_behind_either),
        TEST(what_was_said_before_a_request_does_not_follow_it),
        TEST(a_long_line_is_served_in_linear_time),
        TEST(a_request_taken_out_of_the_line_lets_it_go_on),
        TEST(a_purge_leaves_lock_and_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
