/* SPDX-License-Identifier: MIT
 *
 * Critical sections: requests and unlockings on their way (K1, K4), and that no lock survives its
 * owner.
 */
#include <string.h>

#include "base/limits.h"
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

/* Through one mailbox: what was said is durable before it is heard. */
static void pass_mail(struct rig *rig)
{
    rig_flush(rig);
    rig_receive(rig);
}

static void is_owned(struct rig *rig, const char *id, const char *owner)
{
    assert_string_equal(rig_owner(rig, id), owner);
}

static void has_state(struct rig *rig, const char *id, const char *state)
{
    assert_string_equal(rig_state(rig, id), state);
}

/* ---- several entities ---- */

static void locks_are_taken_one_after_the_other_in_one_order(void **state)
{
    struct rig *rig = *state;
    rig->posts = true;
    rig_start(rig, "o", "script", "lock:s:@C@1,@a@1,@b@1,@a@1 | end");
    rig_run(rig);
    pass_mail(rig);
    is_owned(rig, "@a@1", "o");
    is_owned(rig, "@b@1", "-");
    pass_mail(rig);
    is_owned(rig, "@b@1", "o");
    is_owned(rig, "@c@1", "-");
    pass_mail(rig);
    is_owned(rig, "@c@1", "o");
    assert_false(core_find(rig->core, TEXT("o")) != NULL &&
                 rig_instance(rig, "o")->events.count != 0);
    pass_mail(rig);
    rig_run(rig); /* granted, once */
    assert_int_equal(core_counters(rig->core).locks, 3);
}

static void two_sections_that_want_each_others_locks_both_end(void **state)
{
    struct rig *rig = *state;
    rig->posts = true;
    rig_start(rig, "o", "script", "lock:s:@a@1,@b@1 | unlock:s:@a@1 unlock:s:@b@1 end");
    rig_start(rig, "p", "script", "lock:s:@b@1,@a@1 | unlock:s:@b@1 unlock:s:@a@1 end");
    for (int i = 0; i < 10; i++) {
        rig_run(rig);
        pass_mail(rig);
    }
    assert_int_equal(rig_stored(rig, "o")->state, RUN_COMPLETED);
    assert_int_equal(rig_stored(rig, "p")->state, RUN_COMPLETED);
    assert_null(stored(rig, "@a@1")); /* nothing is left of them */
    assert_null(stored(rig, "@b@1"));
}

static void entities_of_a_section_are_given_back_one_by_one(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script",
              "lock:s:@a@1,@b@1 | task unlock:s:@b@1 | task unlock:s:@a@1 | end");
    rig_run(rig);
    is_owned(rig, "@a@1", "o");
    is_owned(rig, "@b@1", "-");
    assert_non_null(rig_instance(rig, "o")->steps.sections);
    assert_true(rig_complete(rig, "o", 1, "1"));
    rig_run(rig);
    is_owned(rig, "@a@1", "-");
    assert_null(rig_instance(rig, "o")->steps.sections);
    rig_complete(rig, "o", 3, "1");
    rig_run(rig);
    assert_int_equal(core_counters(rig->core).unlocks, 2); /* nothing was left to give back */
}

static void what_was_given_back_before_a_loss_of_memory_is_not_given_back_again(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@a@1,@b@1,@c@1 | unlock:s:@b@1 task");
    rig_run(rig);
    rig_flush(rig);
    rig_crash(rig);
    rig_terminate(rig, "o", NULL, false);
    const struct letter *first = core_next_letter(rig->core);
    const struct letter *second = core_next_letter(rig->core);
    assert_true(text_equal(first->instance_id, TEXT("@a@1")));
    assert_true(text_equal(second->instance_id, TEXT("@c@1")));
    assert_false(text_is_present(second->event->extra->lock_set));
    assert_null(core_next_letter(rig->core));
    rig_flush(rig);
}

static void a_section_of_256_entities_is_taken_and_given_back(void **state)
{
    struct rig *rig = *state;
    struct buffer set = { 0 };
    for (int i = 0; i < LIMIT_LOCK_SET; i++) {
        buffer_printf(&set, "@a@%d\n", i);
    }
    rig_start(rig, "o", "script", "");
    const struct turn *turn = open_turn(rig);
    struct event_extra extra = { .lock_set = buffer_text(&set) };
    struct action action = { .kind = ACTION_LOCK, .request_id = TEXT("s"), .extra = &extra };
    struct turn_result result = { .actions = &action, .action_count = 1 };
    assert_true(core_takes_result(rig->core, turn, &result));
    core_end_turn(rig->core, rig->now, turn, &result);
    (void)rig_deliver(rig);
    assert_int_equal(core_counters(rig->core).locks, LIMIT_LOCK_SET);
    rig_terminate(rig, "o", NULL, false);
    (void)rig_deliver(rig);
    assert_int_equal(core_counters(rig->core).unlocks, LIMIT_LOCK_SET);
    buffer_done(&set);
    rig_flush(rig);
}

static void sets_that_cannot_be_locked_are_not_asked_for(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "");
    const struct turn *turn = open_turn(rig);
    struct event_extra extra = { .lock_set = TEXT("@a@1\norder\n") };
    struct action action = { .kind = ACTION_LOCK, .request_id = TEXT("s") };
    struct turn_result result = { .actions = &action, .action_count = 1 };
    assert_false(core_takes_result(rig->core, turn, &result));
    action.extra = &extra;
    assert_false(core_takes_result(rig->core, turn, &result));
    extra.lock_set = TEXT("");
    assert_false(core_takes_result(rig->core, turn, &result));
    extra.lock_set = TEXT("@a@1\n");
    assert_true(core_takes_result(rig->core, turn, &result));
    rig_end_turn(rig, turn);
}

static void a_request_that_is_for_another_entity_is_dropped(void **state)
{
    struct rig *rig = *state;
    pd_error err;
    struct event_extra extra = { .has_parent = true, .lock_set = TEXT("@a@1\n@b@1\n") };
    extra.parent_id = TEXT("o");
    extra.parent_execution_id = TEXT("e");
    struct event request = { .kind = EVENT_LOCK_REQUESTED, .request_id = TEXT("s") };
    request.extra = &extra;
    static const int32_t wrong[] = { 1, 2, -1, INT32_MAX };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        extra.position = wrong[i];
        core_operate(rig->core, rig->now, rig_entity(rig, "@a@1"), &request, &err);
        is_owned(rig, "@a@1", "-");
    }
    assert_int_equal(core_counters(rig->core).dropped_letters, 4);
    extra.position = 0;
    core_operate(rig->core, rig->now, rig_entity(rig, "@a@1"), &request, &err);
    is_owned(rig, "@a@1", "o");
}

/* ---- giving back ---- */

static void unlocking_what_is_not_locked_changes_nothing_but_history(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "p", "script", "lock:s:@b@1 | task");
    rig_run(rig);
    rig_start(rig, "o", "script",
              "lock:s:@a@1 | unlock:s:@b@1 unlock:x:@a@1 unlock:s:@a@1 unlock:s:@a@1 end");
    rig_run(rig);
    rig_flush(rig);
    is_owned(rig, "@b@1", "p");
    is_owned(rig, "@a@1", "-");
    assert_int_equal(core_counters(rig->core).unlocks, 1);
    size_t count;
    size_t unlocks = 0;
    const struct event **history = model_history(&rig->model, stored(rig, "o"), &count);
    for (size_t i = 0; i < count; i++) {
        unlocks += history[i]->kind == EVENT_UNLOCK_SENT;
    }
    assert_int_equal(unlocks, 4);
}

static void unlocking_before_the_locks_are_there_changes_nothing(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@a@1 unlock:s:@a@1 | task");
    rig_run(rig);
    is_owned(rig, "@a@1", "o");
    rig_flush(rig);
    assert_true(rig_can_evict(rig));
    rig_terminate(rig, "o", NULL, false); /* as it is known from history */
    rig_run(rig);
    is_owned(rig, "@a@1", "-");
}

/* Ends the owner in whichever way; its two locks must be free. */
static void is_given_back(struct rig *rig, const char *script)
{
    rig_start(rig, "o", "script", script);
    rig_run(rig);
    is_owned(rig, "@a@1", "-");
    is_owned(rig, "@b@1", "-");
    assert_int_equal(core_counters(rig->core).locks, core_counters(rig->core).unlocks);
    assert_true(core_counters(rig->core).locks != 0);
    rig_flush(rig);
    assert_null(stored(rig, "@a@1"));
}

static void locks_are_given_back_when_the_owner_completes(void **state)
{
    is_given_back(*state, "lock:s:@a@1,@b@1 | end");
}

static void locks_are_given_back_when_the_owner_fails(void **state)
{
    is_given_back(*state, "lock:s:@a@1,@b@1 | fail:Broken");
}

static void locks_are_given_back_when_the_owner_continues_as_new(void **state)
{
    is_given_back(*state, "lock:s:@a@1,@b@1 | new | task");
}

static void locks_are_given_back_when_the_owner_ends_as_it_asks(void **state)
{
    is_given_back(*state, "lock:s:@a@1,@b@1 end");
}

static void locks_are_given_back_when_the_owner_is_terminated(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@a@1,@b@1 | task");
    rig_run(rig);
    rig_flush(rig);
    rig_crash(rig);
    rig_terminate(rig, "o", NULL, false);
    rig_run(rig);
    is_owned(rig, "@a@1", "-");
    is_owned(rig, "@b@1", "-");
}

static void locks_are_given_back_when_the_owner_is_replaced(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@a@1,@b@1 | task");
    rig_run(rig);
    struct start_command command = { .id = TEXT("o"),
                                     .name = TEXT("script"),
                                     .input = TEXT("lock:s:@a@1 | call:@a@1:say:x | task"),
                                     .replaces = STATES_ALL };
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
    rig_run(rig);
    is_owned(rig, "@a@1", "o"); /* the new one */
    is_owned(rig, "@b@1", "-");
    has_state(rig, "@a@1", "x");
}

static void a_request_that_waits_is_taken_out_of_the_line_when_its_owner_ends(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "first", "script", "lock:f:@b@1 | task");
    rig_run(rig);
    rig_start(rig, "o", "script", "lock:s:@a@1,@b@1,@c@1 | task");
    rig_run(rig);
    rig_signal(rig, "@b@1", "say", "x");
    rig_start(rig, "p", "script", "lock:s:@b@1 | task");
    rig_run(rig);
    is_owned(rig, "@a@1", "o");
    assert_int_equal(rig_entity(rig, "@b@1")->entity->line.count, 3);
    rig_terminate(rig, "o", NULL, false);
    rig_run(rig);
    is_owned(rig, "@a@1", "-");
    is_owned(rig, "@b@1", "first");
    assert_int_equal(rig_entity(rig, "@b@1")->entity->line.count, 2); /* p's own section is there */
    rig_terminate(rig, "first", NULL, false);
    rig_run(rig);
    is_owned(rig, "@b@1", "p");
    has_state(rig, "@b@1", "x");
}

static void an_unlocking_that_meets_its_request_in_line_goes_no_further(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "first", "script", "lock:f:@a@1 | task");
    rig_run(rig);
    rig_start(rig, "o", "script", "lock:s:@a@1,@b@1");
    rig_run(rig);
    rig_terminate(rig, "o", NULL, false);
    const struct letter *letter = core_next_letter(rig->core);
    assert_int_equal(letter->kind, MESSAGE_UNLOCK);
    core_unlock(rig->core, rig->now, rig_entity(rig, "@a@1"), letter->event);
    assert_null(core_next_letter(rig->core));
    assert_int_equal(rig_entity(rig, "@a@1")->entity->line.count, 0);
    rig_flush(rig);
}

static void an_unlocking_cannot_overtake_its_request(void **state)
{
    struct rig *rig = *state;
    rig->posts = true;
    rig_start(rig, "o", "script", "lock:s:@a@1,@b@1,@c@1");
    rig_run(rig);
    pass_mail(rig); /* locked at the first, on its way to the second */
    rig_terminate(rig, "o", NULL, false);
    for (int i = 0; i < 4; i++) {
        pass_mail(rig);
    }
    is_owned(rig, "@a@1", "-");
    is_owned(rig, "@b@1", "-");
    is_owned(rig, "@c@1", "-");
    assert_int_equal(core_counters(rig->core).locks, 3);
    assert_int_equal(core_counters(rig->core).unlocks, 3);
    assert_int_equal(rig->model.mail_count, 0);
}

static void a_grant_that_comes_too_late_is_dropped_and_the_locks_are_free(void **state)
{
    struct rig *rig = *state;
    rig->posts = true;
    rig_start(rig, "o", "script", "lock:s:@a@1 | end");
    rig_run(rig);
    pass_mail(rig);
    is_owned(rig, "@a@1", "o"); /* and says so, in the mailbox */
    rig_flush(rig);
    struct start_command command = { .id = TEXT("o"),
                                     .name = TEXT("script"),
                                     .input = TEXT("lock:s:@a@1 | task"),
                                     .replaces = STATES_ALL };
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
    uint64_t dropped = core_counters(rig->core).dropped_completions;
    for (int i = 0; i < 4; i++) {
        rig_run(rig);
        pass_mail(rig);
    }
    assert_int_equal(core_counters(rig->core).dropped_completions, dropped + 1);
    is_owned(rig, "@a@1", "o");
    assert_true(text_equal(rig_entity(rig, "@a@1")->entity->execution,
                           rig_instance(rig, "o")->execution_id));
}

static void locks_that_cannot_be_had_are_given_back_as_far_as_they_were(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "first", "script", "lock:f:@b@1 | task");
    rig_run(rig);
    rig_start(rig, "o", "script", "lock:s:@a@1,@b@1 | task");
    rig_run(rig);
    struct instance *o = rig_instance(rig, "o");
    struct failure failure = { .type = TEXT("Corrupt"), .message = TEXT("@b@1 cannot be read") };
    struct event answer = { .kind = EVENT_ENTITY_FAILED, .id = EVENT_NO_ID, .failure = &failure };
    assert_true(core_complete_call(rig->core, rig->now, o, o->execution_id, &answer));
    assert_null(o->steps.sections);
    rig_run(rig);
    is_owned(rig, "@a@1", "-");
    assert_int_equal(rig_entity(rig, "@b@1")->entity->line.count, 0);
    rig_flush(rig);
    rig_crash(rig);
    assert_null(rig_instance(rig, "o")->steps.sections);
}

static void anybody_may_unlock_for_an_owner_that_is_gone_but_takes_no_request_away(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@a@1 | task");
    rig_start(rig, "p", "script", "lock:s:@a@1 | task");
    rig_run(rig);
    rig_unlock(rig, "@a@1", "another");
    is_owned(rig, "@a@1", "o");
    rig_unlock(rig, "@a@1", "s");
    is_owned(rig, "@a@1", "p");
    rig_start(rig, "q", "script", "lock:t:@a@1 | task");
    rig_run(rig);
    rig_unlock(rig, "@a@1", "t");
    assert_int_equal(rig_entity(rig, "@a@1")->entity->line.count, 1);
}

static void a_call_to_what_one_holds_may_be_open_when_one_ends(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@a@1 | call:@a@1:say:x end");
    rig_run(rig);
    is_owned(rig, "@a@1", "-");
    has_state(rig, "@a@1", "x");
}

static void cancelling_a_section_is_not_possible(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "o", "script", "lock:s:@a@1 cancel:0 | cancel:0 task");
    rig_run(rig);
    is_owned(rig, "@a@1", "o");
    rig_flush(rig);
    rig_crash(rig);
    struct step step;
    assert_true(steps_find(&rig_instance(rig, "o")->steps, 0, STEP_SECTION, &step));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(locks_are_taken_one_after_the_other_in_one_order),
        TEST(two_sections_that_want_each_others_locks_both_end),
        TEST(entities_of_a_section_are_given_back_one_by_one),
        TEST(what_was_given_back_before_a_loss_of_memory_is_not_given_back_again),
        TEST(a_section_of_256_entities_is_taken_and_given_back),
        TEST(sets_that_cannot_be_locked_are_not_asked_for),
        TEST(a_request_that_is_for_another_entity_is_dropped),
        TEST(unlocking_what_is_not_locked_changes_nothing_but_history),
        TEST(unlocking_before_the_locks_are_there_changes_nothing),
        TEST(locks_are_given_back_when_the_owner_completes),
        TEST(locks_are_given_back_when_the_owner_fails),
        TEST(locks_are_given_back_when_the_owner_continues_as_new),
        TEST(locks_are_given_back_when_the_owner_ends_as_it_asks),
        TEST(locks_are_given_back_when_the_owner_is_terminated),
        TEST(locks_are_given_back_when_the_owner_is_replaced),
        TEST(a_request_that_waits_is_taken_out_of_the_line_when_its_owner_ends),
        TEST(an_unlocking_that_meets_its_request_in_line_goes_no_further),
        TEST(an_unlocking_cannot_overtake_its_request),
        TEST(a_grant_that_comes_too_late_is_dropped_and_the_locks_are_free),
        TEST(locks_that_cannot_be_had_are_given_back_as_far_as_they_were),
        TEST(anybody_may_unlock_for_an_owner_that_is_gone_but_takes_no_request_away),
        TEST(a_call_to_what_one_holds_may_be_open_when_one_ends),
        TEST(cancelling_a_section_is_not_possible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
