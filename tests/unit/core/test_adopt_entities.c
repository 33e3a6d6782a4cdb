/* SPDX-License-Identifier: MIT
 *
 * Instances that come with a history in which they spoke with entities: core_adopt. How it looks
 * from outside is in the stories core_entity_rewind and core_entity_fork.
 */
#include <time.h>

#include "core/core_priv.h"
#include "rig.h"

#define NOBODY .id = EVENT_NO_ID, .ref = EVENT_NO_ID
#define STEP(number) .id = (number), .ref = EVENT_NO_ID
#define END_OF(number) .id = EVENT_NO_ID, .ref = (number)

/* As "new", in execution "x". */
static pd_status adopt(struct rig *rig, const struct turn_events *turns, size_t count,
                       const struct event *waiting)
{
    const struct instance_record record = { .id = TEXT("new"),
                                            .execution_id = TEXT("x"),
                                            .name = TEXT("told"),
                                            .state = RUN_RUNNING,
                                            .created_at = 10,
                                            .updated_at = 30 };
    return rig_adopt(rig, &(struct adoption){ .record = &record,
                                              .turns = turns,
                                              .turn_count = count,
                                              .waiting = waiting,
                                              .waiting_count = waiting != NULL });
}

/* Two calls, the second of which has an answer. Whoever wrote it does not fold names. */
static const struct event calls[] = {
    { .kind = EVENT_ORCHESTRATOR_STARTED, NOBODY, .at = 11 },
    { .kind = EVENT_EXECUTION_STARTED, NOBODY, .at = 10, .name = TEXT_INIT("told") },
    { .kind = EVENT_ENTITY_CALLED,
      STEP(0),
      .at = 12,
      .name = TEXT_INIT("Add"),
      .payload = TEXT_INIT("5"),
      .instance_id = TEXT_INIT("@Counter@X"),
      .request_id = TEXT_INIT("r"),
      .raw = TEXT_INIT("as it was") },
    { .kind = EVENT_ENTITY_CALLED,
      STEP(1),
      .at = 13,
      .name = TEXT_INIT("get"),
      .instance_id = TEXT_INIT("@counter@y") },
};
static const struct event answer_1 = { .kind = EVENT_ENTITY_COMPLETED, END_OF(1), .at = 14 };

static void an_open_call_is_said_to_its_entity_again_by_the_one_that_goes_on(void **state)
{
    struct rig *rig = *state;
    const struct turn_events turn = { calls, 4 };
    assert_int_equal(adopt(rig, &turn, 1, &answer_1), PD_OK);
    const struct letter *letter = core_next_letter(rig->core);
    assert_int_equal(letter->kind, MESSAGE_OPERATION);
    assert_true(text_equal(letter->instance_id, TEXT("@counter@X")));
    assert_false(text_is_present(letter->execution_id));
    const struct event *call = letter->event;
    assert_int_equal(call->kind, EVENT_ENTITY_CALLED);
    assert_int_equal(call->id, 0);
    assert_true(text_equal(call->name, TEXT("Add")));
    assert_true(text_equal(call->payload, TEXT("5")));
    assert_true(text_equal(call->request_id, TEXT("r")));
    assert_true(call->extra->has_parent);
    assert_true(text_equal(call->extra->parent_id, TEXT("new")));
    assert_true(text_equal(call->extra->parent_execution_id, TEXT("x")));
    /* Not as history has it, which says to whom instead of from whom. */
    assert_false(text_is_present(call->raw));
    assert_false(text_is_present(call->instance_id));
    assert_null(core_next_letter(rig->core));

    struct instance *instance = core_find(rig->core, TEXT("new"));
    struct event answer = { .kind = EVENT_ENTITY_COMPLETED, END_OF(0) };
    assert_false(core_complete_call(rig->core, 20, instance, TEXT("s"), &answer));
    assert_true(core_complete_call(rig->core, 20, instance, TEXT("x"), &answer));
    assert_false(core_complete_call(rig->core, 20, instance, TEXT("x"), &answer));
}

static void a_call_to_what_cannot_be_an_entity_fails_again(void **state)
{
    struct rig *rig = *state;
    struct event events[3] = { calls[0], calls[1], calls[2] };
    const struct turn_events turn = { events, 3 };
    events[2].instance_id = TEXT("counter");
    assert_int_equal(adopt(rig, &turn, 1, NULL), PD_OK);
    const struct letter *letter = core_next_letter(rig->core);
    assert_int_equal(letter->kind, MESSAGE_ANSWER);
    assert_true(text_equal(letter->instance_id, TEXT("new")));
    assert_true(text_equal(letter->execution_id, TEXT("x")));
    assert_int_equal(letter->event->kind, EVENT_ENTITY_FAILED);
    assert_int_equal(letter->event->ref, 0);
}

/* Asked for, granted, left: nothing of it is asked for or given back again. */
static void a_critical_section_that_was_left_is_none_of_its_own(void **state)
{
    static const struct event_extra both = { .lock_set = TEXT_INIT("@a@\n@b@\n") };
    static const struct event asked[] = {
        { .kind = EVENT_ORCHESTRATOR_STARTED, NOBODY, .at = 11 },
        { .kind = EVENT_EXECUTION_STARTED, NOBODY, .at = 10, .name = TEXT_INIT("told") },
        { .kind = EVENT_LOCK_REQUESTED, STEP(0), .request_id = TEXT_INIT("s"), .extra = &both },
    };
    static const struct event left[] = {
        { .kind = EVENT_ORCHESTRATOR_STARTED, NOBODY, .at = 21 },
        { .kind = EVENT_LOCK_GRANTED, END_OF(0), .at = 20 },
        { .kind = EVENT_UNLOCK_SENT,
          STEP(1),
          .request_id = TEXT_INIT("s"),
          .instance_id = TEXT_INIT("@a@") },
        { .kind = EVENT_UNLOCK_SENT,
          STEP(2),
          .request_id = TEXT_INIT("s"),
          .instance_id = TEXT_INIT("@b@") },
    };
    const struct turn_events lived[] = { { asked, 3 }, { left, 4 } };
    struct rig *rig = *state;
    assert_int_equal(adopt(rig, lived, 1, NULL), PD_E_CORRUPT);
    assert_null(core_find(rig->core, TEXT("new")));
    assert_int_equal(adopt(rig, lived, 2, NULL), PD_OK);
    struct instance *instance = core_find(rig->core, TEXT("new"));
    assert_int_equal(steps_count(&instance->steps), 0);
    assert_int_equal(rig_terminate(rig, "new", NULL, false), PD_OK);
    assert_null(core_next_letter(rig->core));
}

/* As no code would have it, and a stranger might. Quadratic would take a minute. */
static void unlockings_of_nothing_beside_many_open_steps_are_folded_in_linear_time(void **state)
{
    enum { MANY = 200000 };
    static const struct event_extra one = { .lock_set = TEXT_INIT("@a@\n") };
    struct rig *rig = *state;
    struct event *events = arena_alloc(&rig->scratch, (2 * MANY + 6) * sizeof *events);
    size_t count = 0;
    events[count++] = calls[0];
    events[count++] = calls[1];
    for (int32_t i = 0; i < MANY; i++) {
        events[count++] =
            (struct event){ .kind = EVENT_TIMER_CREATED, STEP(i), .fire_at = TIME_NEVER - 1 };
    }
    events[count++] = (struct event){
        .kind = EVENT_LOCK_REQUESTED, STEP(MANY), .request_id = TEXT("s"), .extra = &one
    };
    events[count++] = (struct event){ .kind = EVENT_LOCK_GRANTED, END_OF(MANY) };
    for (int32_t i = 0; i <= MANY; i++) {
        events[count++] = (struct event){ .kind = EVENT_UNLOCK_SENT,
                                          NOBODY,
                                          .request_id = i < MANY ? TEXT("t") : TEXT("s"),
                                          .instance_id = TEXT("@a@") };
    }
    const struct turn_events turn = { events, count };
    clock_t from = clock();
    assert_int_equal(adopt(rig, &turn, 1, NULL), PD_OK);
    assert_true((double)(clock() - from) / CLOCKS_PER_SEC < 5);
    assert_int_equal(steps_count(&core_find(rig->core, TEXT("new"))->steps), MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_open_call_is_said_to_its_entity_again_by_the_one_that_goes_on),
        TEST(a_call_to_what_cannot_be_an_entity_fails_again),
        TEST(a_critical_section_that_was_left_is_none_of_its_own),
        TEST(unlockings_of_nothing_beside_many_open_steps_are_folded_in_linear_time),
    };
    return cmocka_run_group_tests_name("adopt, entities", tests, NULL, NULL);
}
