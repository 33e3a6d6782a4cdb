/* SPDX-License-Identifier: MIT
 *
 * What workers of other makers ask for, each as their rules have it: numbers of steps, children,
 * ends, traces, locks. The test is the worker: it takes turns and ends them as it likes.
 */
#include <string.h>

#include "base/limits.h"
#include "base/tags.h"
#include "core/core_priv.h"
#include "rig.h"

/* ---- being a worker -------------------------------------------------------------------------- */

static void start(struct rig *rig, const char *id, const struct event_extra *extra)
{
    struct start_command command = { .id = text_of(id), .name = TEXT("theirs"), .extra = extra };
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
}

static const struct turn *take(struct rig *rig)
{
    const struct turn *turn;
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    return turn;
}

static bool fits(struct rig *rig, const struct action *actions, size_t count)
{
    const struct turn *turn = take(rig);
    struct turn_result result = { .actions = actions, .action_count = count };
    bool is_taken = core_takes_result(rig->core, turn, &result);
    core_postpone_turn(rig->core, turn);
    return is_taken;
}

static void end_turn(struct rig *rig, const struct action *actions, size_t count)
{
    const struct turn *turn = take(rig);
    struct turn_result result = { .actions = actions, .action_count = count };
    assert_true(core_takes_result(rig->core, turn, &result));
    (void)core_end_turn(rig->core, rig->now, turn, &result);
    (void)rig_deliver(rig);
    rig->now += TIME_MS;
}

/* The action in front is none, so that there may be no other. */
#define LIST(...)           \
    (const struct action[]) \
    {                       \
        { 0 }, __VA_ARGS__  \
    }
#define END_TURN(...) \
    end_turn(rig, LIST(__VA_ARGS__) + 1, sizeof LIST(__VA_ARGS__) / sizeof(struct action) - 1)
#define FITS(...) \
    fits(rig, LIST(__VA_ARGS__) + 1, sizeof LIST(__VA_ARGS__) / sizeof(struct action) - 1)
#define TASK(number)                                                       \
    (struct action)                                                        \
    {                                                                      \
        .kind = ACTION_SCHEDULE_TASK, .id = (number), .name = TEXT("Step") \
    }
#define CHILD(number, child)                                                \
    (struct action)                                                         \
    {                                                                       \
        .kind = ACTION_START_CHILD, .id = (number), .name = TEXT("theirs"), \
        .instance_id = TEXT(child)                                          \
    }
#define ENDS(how)                                           \
    (struct action)                                         \
    {                                                       \
        .kind = ACTION_COMPLETE, .id = 99, .outcome = (how) \
    }

static const struct event *find(struct rig *rig, const char *id, enum event_kind kind, size_t nth)
{
    size_t count;
    const struct event **events =
        model_history(&rig->model, model_find(&rig->model, text_of(id)), &count);
    for (size_t i = 0; i < count; i++) {
        if (events[i]->kind == kind && nth-- == 0) {
            return events[i];
        }
    }
    return NULL;
}

static size_t count_activities(struct rig *rig)
{
    return list_count(&rig->activities);
}

/* ---- numbers of steps ------------------------------------------------------------------------ */

static void steps_are_asked_for_in_any_order(void **state)
{
    struct rig *rig = *state;
    start(rig, "a", NULL);
    END_TURN(TASK(7), TASK(3), TASK(0), TASK(8000), TASK(5));
    rig_flush(rig);
    assert_int_equal(count_activities(rig), 5);
    assert_true(rig_complete(rig, "a", 3, "1"));
    assert_true(rig_complete(rig, "a", 8000, "1"));
    END_TURN(ENDS(RUN_COMPLETED));
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_COMPLETED);
}

static void no_step_is_open_twice_at_once(void **state)
{
    struct rig *rig = *state;
    start(rig, "a", NULL);
    assert_false(FITS(TASK(1), TASK(1)));
    assert_false(FITS(TASK(3), TASK(2), TASK(3)));
    assert_false(FITS(TASK(2), TASK(3), CHILD(2, "kid")));
    assert_false(FITS(TASK(EVENT_NO_ID)));
    assert_true(FITS(TASK(3), TASK(2)));
    END_TURN(TASK(1));
    rig_flush(rig);
    rig_raise(rig, "a", "go", NULL);
    assert_false(FITS(TASK(1)));
    assert_false(FITS(TASK(2), TASK(1)));
    assert_true(FITS(TASK(2), TASK(0)));
}

/* As the SDK for Python does when it tries again. */
static void a_number_is_used_again_when_its_step_has_ended(void **state)
{
    struct rig *rig = *state;
    start(rig, "a", NULL);
    struct action again = TASK(1);
    again.payload = TEXT("\"again\"");
    END_TURN(TASK(1), TASK(2));
    rig_flush(rig);
    assert_true(rig_fail(rig, "a", 1, "Broken", "once"));
    END_TURN(again);
    assert_true(rig_fail(rig, "a", 1, "Broken", "twice"));
    END_TURN(again);
    rig_flush(rig);
    rig_crash(rig);
    rig_flush(rig);
    assert_int_equal(count_activities(rig), 2); /* 2, and the last 1 */
    struct activity *first = rig_take_activity(rig);
    assert_int_equal(first->id, 2);
    activity_free(first);
    struct activity *last = rig_take_activity(rig);
    assert_int_equal(last->id, 1);
    assert_true(text_equal(last->input, TEXT("\"again\"")));
    assert_true(rig_complete_activity(rig, last, "3"));
    END_TURN(ENDS(RUN_COMPLETED));
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_COMPLETED);
}

static void many_numbers_are_used_again_and_again(void **state)
{
    struct rig *rig = *state;
    enum { STEPS = 40, ROUNDS = 5 };
    struct action actions[STEPS];
    start(rig, "a", NULL);
    for (int32_t i = 0; i < STEPS; i++) {
        actions[i] = TASK(i * 7 % STEPS);
    }
    end_turn(rig, actions, STEPS);
    for (int round = 0; round < ROUNDS; round++) {
        for (int32_t i = 0; i < STEPS; i++) {
            int32_t step = i * 11 % STEPS;
            assert_true(rig_complete(rig, "a", step, "1"));
            END_TURN(TASK(step));
        }
    }
    rig_flush(rig);
    rig_crash(rig);
    rig_flush(rig);
    assert_int_equal(count_activities(rig), STEPS);
}

static void what_failed_under_a_number_used_again_is_rewound_once(void **state)
{
    struct rig *rig = *state;
    start(rig, "a", NULL);
    END_TURN(TASK(1));
    assert_true(rig_fail(rig, "a", 1, "Broken", "once"));
    END_TURN(TASK(1), TASK(4));
    assert_true(rig_complete(rig, "a", 4, "4"));
    END_TURN((struct action){ .kind = ACTION_NOTE_TRACE, .payload = TEXT("span") });
    assert_true(rig_fail(rig, "a", 1, "Broken", "twice"));
    END_TURN(ENDS(RUN_FAILED));
    for (int times = 0; times < 3; times++) {
        rig_flush(rig);
        assert_int_equal(rig_stored(rig, "a")->state, RUN_FAILED);
        while (count_activities(rig) != 0) {
            activity_free(rig_take_activity(rig));
        }
        assert_int_equal(rig_rewind(rig, TEXT("a"), "\"why\""), PD_OK);
        rig_flush(rig);
        assert_int_equal(count_activities(rig), 1);
        END_TURN(); /* rewound; and, the first time, 4 once more */
        assert_true(rig_fail(rig, "a", 1, "Broken", "again"));
        END_TURN(ENDS(RUN_FAILED));
    }
}

/* Nobody sees it, so it has no number. */
static void what_is_noted_of_traces_is_not_counted(void **state)
{
    struct rig *rig = *state;
    struct action note = { .kind = ACTION_NOTE_TRACE, .payload = TEXT("span") };
    start(rig, "a", NULL);
    END_TURN(note, TASK(1), note); /* 1 to 4 */
    assert_true(rig_complete(rig, "a", 1, "1"));
    END_TURN(TASK(2)); /* 5 to 8 */
    rig_flush(rig);
    assert_int_equal(rig_fork(rig, "a", 6, "before"), PD_OK);
    assert_int_equal(rig_fork(rig, "a", 7, "after"), PD_OK);
    assert_int_equal(rig_fork(rig, "a", 9, "beyond"), PD_E_INVALID);
    rig_flush(rig);
    assert_int_equal(model_find(&rig->model, TEXT("before"))->inbox_count, 0);
    assert_int_equal(model_find(&rig->model, TEXT("after"))->inbox_count, 1);
    assert_int_equal(model_find(&rig->model, TEXT("after"))->turn_count, 1);
}

/* ---- children -------------------------------------------------------------------------------- */

static struct text tags_of(struct rig *rig, const char *key, const char *value)
{
    struct tag tag = { text_of(key), text_of(value) };
    return tags_pack(&rig->model.arena, &tag, 1);
}

/* So many, the first of number `from`. */
static struct text many_tags(struct rig *rig, int from, int count)
{
    struct tag *tags = arena_alloc(&rig->model.arena, (size_t)count * sizeof *tags);
    for (int i = 0; i < count; i++) {
        tags[i].key = text_of(arena_printf(&rig->model.arena, "key%d", from + i));
        tags[i].value = TEXT("v");
    }
    return tags_pack(&rig->model.arena, tags, (size_t)count);
}

static void a_child_inherits_tags_up_to_a_bound_and_past_it_none(void **state)
{
    struct rig *rig = *state;
    struct event_extra mine = { .tags = many_tags(rig, 0, LIMIT_TAGS_INHERITED - 1) };
    struct event_extra fits = { .tags = many_tags(rig, 1000, 1) };
    struct event_extra exceeds = { .tags = many_tags(rig, 1000, 2) };
    struct action first = CHILD(1, "first");
    struct action second = CHILD(2, "second");
    first.extra = &fits;
    second.extra = &exceeds;
    start(rig, "a", &mine);
    END_TURN(first, second);
    rig_flush(rig);
    assert_int_equal(tags_count(rig_stored(rig, "first")->tags), LIMIT_TAGS_INHERITED);
    assert_int_equal(tags_count(rig_stored(rig, "second")->tags), 2);
    rig_crash(rig); /* what is stored can be read */
    rig_flush(rig);
}

static void a_child_to_be_forgotten_is_nobodys(void **state)
{
    struct rig *rig = *state;
    struct event_extra mine = { .tags = tags_of(rig, "team", "red") };
    struct event_extra its = { .tags = tags_of(rig, "FireAndForget", "") };
    struct action child = CHILD(1, "kid");
    child.extra = &its;
    start(rig, "a", &mine);
    END_TURN(child);
    END_TURN(CHILD(1, "grandkid")); /* the child's turn */
    rig_flush(rig);
    assert_false(text_is_present(rig_stored(rig, "kid")->parent_id));
    assert_int_equal(tags_count(rig_stored(rig, "kid")->tags), 2);
    assert_true(text_equal(rig_stored(rig, "grandkid")->tags, mine.tags));
    assert_true(text_equal(rig_stored(rig, "grandkid")->parent_id, TEXT("kid")));
    rig_crash(rig);
    assert_int_equal(rig_terminate(rig, "kid", "\"stop\"", false), PD_OK);
    (void)rig_deliver(rig);
    rig_raise(rig, "a", "go", NULL);
    const struct turn *turn = take(rig);
    while (!text_equal(turn->instance_id, TEXT("a"))) {
        (void)core_end_turn(rig->core, rig->now, turn, &(struct turn_result){ 0 });
        turn = take(rig);
    }
    assert_int_equal(turn->event_count, 2); /* nothing of the child */
    assert_true(core_takes_result(rig->core, turn,
                                  &(struct turn_result){ .actions = &child, .action_count = 1 }));
    core_postpone_turn(rig->core, turn);
}

static void a_child_has_the_trace_it_was_asked_for_with(void **state)
{
    struct rig *rig = *state;
    struct event_extra mine = { .trace = TEXT("mine") };
    struct event_extra its = { .trace = TEXT("its") };
    struct action child = CHILD(1, "kid");
    struct action task = TASK(2);
    child.extra = task.extra = &its;
    start(rig, "a", &mine);
    END_TURN(child, task);
    END_TURN();
    rig_flush(rig);
    assert_true(text_equal(find(rig, "a", EVENT_EXECUTION_STARTED, 0)->extra->trace, mine.trace));
    assert_true(text_equal(find(rig, "kid", EVENT_EXECUTION_STARTED, 0)->extra->trace, its.trace));
    struct activity *activity = rig_take_activity(rig);
    assert_true(text_equal(activity->extra->trace, its.trace));
    activity_free(activity);
}

static void the_trace_of_the_start_is_kept_through_all_executions(void **state)
{
    struct rig *rig = *state;
    struct event_extra mine = { .trace = TEXT("mine") };
    struct action next = { .kind = ACTION_CONTINUE_AS_NEW, .payload = TEXT("1") };
    start(rig, "a", &mine);
    END_TURN(next);
    END_TURN((struct action){ .kind = ACTION_NOTE_TRACE, .payload = TEXT("span") });
    rig_flush(rig);
    rig_crash(rig);
    rig_raise(rig, "a", "go", NULL);
    END_TURN(next);
    END_TURN();
    rig_flush(rig);
    assert_true(text_equal(find(rig, "a", EVENT_EXECUTION_STARTED, 0)->extra->trace, mine.trace));
    assert_null(find(rig, "a", EVENT_TRACE_NOTED, 0)); /* it was of the execution before */
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void a_worker_may_end_it_as_terminated(void **state)
{
    struct rig *rig = *state;
    struct action ends = ENDS(RUN_TERMINATED);
    ends.payload = TEXT("\"enough\"");
    start(rig, "a", NULL);
    END_TURN(CHILD(1, "kid"));
    END_TURN(ends);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "kid")->state, RUN_TERMINATED);
    assert_true(text_equal(rig_stored(rig, "kid")->output, ends.payload));
    const struct turn *turn = take(rig);
    assert_int_equal(turn->events[1].kind, EVENT_CHILD_FAILED);
    assert_true(text_equal(turn->events[1].failure->type, TEXT("OrchestrationTerminated")));
    assert_non_null(memmem(turn->events[1].failure->message.at,
                           turn->events[1].failure->message.size, "'kid'", 5));
    core_postpone_turn(rig->core, turn);
    assert_int_equal(find(rig, "kid", EVENT_EXECUTION_COMPLETED, 0)->id, 99);
}

static void an_end_that_is_none_is_refused(void **state)
{
    struct rig *rig = *state;
    start(rig, "a", NULL);
    assert_false(FITS(ENDS(RUN_RUNNING)));
    assert_false(FITS(ENDS(RUN_SUSPENDED)));
    assert_false(FITS(ENDS((enum run_state)(RUN_TERMINATED + 1))));
    assert_false(FITS(ENDS(RUN_COMPLETED), TASK(1))); /* it goes on after its end */
    struct event kept = { .kind = EVENT_TASK_COMPLETED, .ref = 1 };
    struct action next = { .kind = ACTION_CONTINUE_AS_NEW, .kept = &kept, .kept_count = 1 };
    assert_false(FITS(next));
    kept.kind = EVENT_EVENT_RAISED;
    assert_true(FITS(next));
    assert_false(FITS(next, TASK(1)));
    assert_false(FITS((struct action){ .kind = (enum action_kind)(ACTION_CONTINUE_AS_NEW + 1) }));
    assert_true(FITS(TASK(1), ENDS(RUN_FAILED)));
}

static void a_failure_has_something_to_say(void **state)
{
    struct rig *rig = *state;
    struct action ends = ENDS(RUN_FAILED);
    ends.payload = TEXT("\"so far\"");
    start(rig, "a", NULL);
    END_TURN(CHILD(1, "kid"));
    END_TURN(ends);
    rig_flush(rig);
    assert_true(text_is_present(rig_stored(rig, "kid")->failure));
    assert_true(text_equal(rig_stored(rig, "kid")->output, ends.payload));
    const struct turn *turn = take(rig);
    assert_non_null(turn->events[1].failure);
    core_postpone_turn(rig->core, turn);
}

static void the_words_of_a_failure_travel_as_they_are(void **state)
{
    struct rig *rig = *state;
    struct failure failure = { .type = TEXT("T"), .message = TEXT("m"), .raw = TEXT("all of it") };
    struct action ends = ENDS(RUN_FAILED);
    ends.failure = &failure;
    start(rig, "a", NULL);
    END_TURN(CHILD(1, "kid"));
    END_TURN(ends);
    const struct turn *turn = take(rig);
    assert_true(text_equal(turn->events[1].failure->raw, failure.raw));
    core_postpone_turn(rig->core, turn);
    rig_flush(rig);
    assert_true(
        text_equal(find(rig, "kid", EVENT_EXECUTION_COMPLETED, 0)->failure->raw, failure.raw));
    struct activity_result result = { .failure = &failure };
    END_TURN(TASK(1));
    assert_true(core_complete_activity(rig->core, rig->now, rig_instance(rig, "a"),
                                       instance_execution_id(rig_instance(rig, "a")), 1, &result));
    rig_flush(rig);
    rig_crash(rig);
    END_TURN();
    rig_flush(rig);
    assert_true(text_equal(find(rig, "a", EVENT_TASK_FAILED, 0)->failure->raw, failure.raw));
}

static void one_that_never_began_leaves_four_events_when_it_is_terminated(void **state)
{
    static const enum event_kind kinds[] = { EVENT_ORCHESTRATOR_STARTED, EVENT_EXECUTION_STARTED,
                                             EVENT_EXECUTION_TERMINATED,
                                             EVENT_EXECUTION_COMPLETED };
    struct rig *rig = *state;
    size_t count;
    start(rig, "a", NULL);
    assert_int_equal(rig_terminate(rig, "a", "\"no\"", false), PD_OK);
    rig_flush(rig);
    const struct event **events =
        model_history(&rig->model, model_find(&rig->model, TEXT("a")), &count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(events[i]->kind, kinds[i]);
        assert_int_equal(events[i]->id, EVENT_NO_ID);
    }
    assert_true(text_equal(events[3]->payload, TEXT("\"no\"")));
}

/* ---- what is absent and what is empty -------------------------------------------------------- */

static void what_is_empty_is_not_absent(void **state)
{
    struct rig *rig = *state;
    struct action task = TASK(1);
    struct action child = CHILD(2, "kid");
    struct action ends = ENDS(RUN_COMPLETED);
    struct start_command command = { .id = TEXT("a"), .name = TEXT("theirs") };
    task.payload = child.version = ends.payload = command.version = command.input = TEXT("");
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
    END_TURN(task, TASK(3), child, CHILD(4, "other"));
    END_TURN(ends);
    END_TURN(ENDS(RUN_COMPLETED));
    rig_flush(rig);
    assert_true(text_is_present(rig_stored(rig, "a")->version));
    assert_true(text_is_present(rig_stored(rig, "a")->input));
    assert_true(text_is_present(rig_stored(rig, "kid")->version));
    assert_false(text_is_present(rig_stored(rig, "kid")->input));
    assert_false(text_is_present(rig_stored(rig, "other")->version));
    assert_true(text_is_present(rig_stored(rig, "kid")->output));
    assert_false(text_is_present(rig_stored(rig, "other")->output));
    struct activity *first = rig_take_activity(rig);
    struct activity *second = rig_take_activity(rig);
    assert_true(text_is_present(first->input) && !text_is_present(second->input));
    activity_free(first);
    activity_free(second);
    const struct turn *turn = take(rig);
    assert_true(text_is_present(turn->version));
    assert_true(text_is_present(turn->events[1].payload));
    assert_false(text_is_present(turn->events[2].payload));
    core_postpone_turn(rig->core, turn);
}

/* ---- identity -------------------------------------------------------------------------------- */

static void the_execution_id_that_is_given_is_kept(void **state)
{
    struct rig *rig = *state;
    struct start_command command = { .id = TEXT("a"),
                                     .name = TEXT("theirs"),
                                     .execution_id = TEXT("0123456789abcdef0123456789abcdef") };
    assert_int_equal(rig_start_as(rig, &command), PD_OK);
    assert_true(text_equal(take(rig)->execution_id, command.execution_id));
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "a")->execution_id, command.execution_id));
}

/* ---- continue as new ------------------------------------------------------------------------- */

static void what_it_kept_comes_before_what_has_arrived(void **state)
{
    static const char *const order[] = { "", "", "1", "2", "3" };
    struct rig *rig = *state;
    struct event kept[2] = {
        { .kind = EVENT_EVENT_RAISED,
          .id = -1,
          .ref = -1,
          .name = TEXT("e"),
          .payload = TEXT("1") },
        { .kind = EVENT_EVENT_RAISED,
          .id = -1,
          .ref = -1,
          .name = TEXT("e"),
          .payload = TEXT("2") },
    };
    struct action next = {
        .kind = ACTION_CONTINUE_AS_NEW, .payload = TEXT("\"next\""), .kept = kept, .kept_count = 2
    };
    struct turn_result result = { .actions = &next,
                                  .action_count = 1,
                                  .custom_status = TEXT("\"so far\"") };
    start(rig, "a", NULL);
    END_TURN(TASK(1));
    rig_flush(rig);
    rig_raise(rig, "a", "e", "0"); /* consumed, and not kept */
    const struct turn *turn = take(rig);
    assert_true(rig_complete(rig, "a", 1, "9")); /* of an execution that is over, soon */
    rig_raise(rig, "a", "e", "3");
    struct text before = text_copy(&rig->scratch, turn->execution_id);
    (void)core_end_turn(rig->core, rig->now, turn, &result);
    rig_flush(rig);
    turn = take(rig);
    assert_false(text_equal(turn->execution_id, before));
    assert_int_equal(turn->event_count, 5);
    assert_int_equal(turn->events[1].kind, EVENT_EXECUTION_STARTED);
    for (size_t i = 2; i < 5; i++) {
        assert_true(text_equal(turn->events[i].payload, text_of(order[i])));
    }
    core_postpone_turn(rig->core, turn);
    assert_true(text_equal(rig_stored(rig, "a")->custom_status, result.custom_status));
}

/* They make ids of the time in milliseconds and a count that begins anew. */
static void the_next_execution_of_one_elsewhere_begins_a_millisecond_later(void **state)
{
    struct rig *rig = *state;
    struct action next = { .kind = ACTION_CONTINUE_AS_NEW, .payload = TEXT("1") };
    struct turn_result result = { .actions = &next, .action_count = 1 };
    start(rig, "a", NULL);
    for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
        const struct turn *turn = take(rig);
        time_us before = turn->events[0].at;
        if (elsewhere != 0) {
            struct turn_ticket ticket = turn_ticket_of(turn);
            core_hold_turn(rig->core, turn);
            turn = core_find_turn(rig->core, ticket);
        }
        (void)core_end_turn(rig->core, rig->now, turn, &result);
        turn = take(rig);
        assert_true((turn->events[0].at - before >= TIME_MS) == (elsewhere != 0));
        assert_true(turn->events[1].at < turn->events[0].at);
        core_postpone_turn(rig->core, turn);
    }
}

/* ---- locks ----------------------------------------------------------------------------------- */

static void an_unlocking_of_what_is_not_held_is_only_written_down(void **state)
{
    struct rig *rig = *state;
    struct action unlock = { .kind = ACTION_UNLOCK,
                             .id = 5,
                             .instance_id = TEXT("@Account@x"),
                             .request_id = TEXT("nobody") };
    struct event_extra set = { .lock_set = TEXT("@account@x\n@account@x\n") };
    struct action lock = {
        .kind = ACTION_LOCK, .id = 1, .request_id = TEXT("mine"), .extra = &set
    };
    start(rig, "a", NULL);
    END_TURN(unlock, unlock, lock);
    assert_string_equal(rig_owner(rig, "@account@x"), "a");
    END_TURN(unlock, unlock);
    assert_string_equal(rig_owner(rig, "@account@x"), "a");
    unlock.request_id = TEXT("mine");
    rig_raise(rig, "a", "go", NULL);
    END_TURN(unlock, unlock, unlock);
    assert_string_equal(rig_owner(rig, "@account@x"), "-");
    rig_flush(rig);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(find(rig, "a", EVENT_UNLOCK_SENT, i)->id, 5);
    }
    rig_crash(rig);
    rig_raise(rig, "a", "go", NULL);
    END_TURN(unlock, ENDS(RUN_COMPLETED));
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "a")->state, RUN_COMPLETED);
}

static void locks_are_given_back_however_it_ends(void **state)
{
    struct rig *rig = *state;
    struct event_extra set = { .lock_set = TEXT("@account@x\n") };
    struct action lock = {
        .kind = ACTION_LOCK, .id = 1, .request_id = TEXT("mine"), .extra = &set
    };
    struct action next = { .kind = ACTION_CONTINUE_AS_NEW };
    for (int how = 0; how < 6; how++) {
        struct start_command command = { .id = TEXT("a"),
                                         .name = TEXT("theirs"),
                                         .replaces = STATES_ALL };
        assert_int_equal(rig_start_as(rig, &command), PD_OK);
        END_TURN(lock);
        assert_string_equal(rig_owner(rig, "@account@x"), "a");
        switch (how) {
        case 0: END_TURN(ENDS(RUN_COMPLETED)); break;
        case 1: END_TURN(ENDS(RUN_FAILED)); break;
        case 2: END_TURN(ENDS(RUN_TERMINATED)); break;
        case 3: END_TURN(next); break;
        case 4: rig_terminate(rig, "a", NULL, false); break;
        default: assert_int_equal(rig_start_as(rig, &command), PD_OK);
        }
        (void)rig_deliver(rig);
        assert_string_equal(rig_owner(rig, "@account@x"), "-");
    }
}

#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(steps_are_asked_for_in_any_order),
        RIG_TEST(no_step_is_open_twice_at_once),
        RIG_TEST(a_number_is_used_again_when_its_step_has_ended),
        RIG_TEST(many_numbers_are_used_again_and_again),
        RIG_TEST(what_failed_under_a_number_used_again_is_rewound_once),
        RIG_TEST(a_child_inherits_tags_up_to_a_bound_and_past_it_none),
        RIG_TEST(what_is_noted_of_traces_is_not_counted),
        RIG_TEST(a_child_to_be_forgotten_is_nobodys),
        RIG_TEST(a_child_has_the_trace_it_was_asked_for_with),
        RIG_TEST(the_trace_of_the_start_is_kept_through_all_executions),
        RIG_TEST(a_worker_may_end_it_as_terminated),
        RIG_TEST(an_end_that_is_none_is_refused),
        RIG_TEST(a_failure_has_something_to_say),
        RIG_TEST(the_words_of_a_failure_travel_as_they_are),
        RIG_TEST(one_that_never_began_leaves_four_events_when_it_is_terminated),
        RIG_TEST(what_is_empty_is_not_absent),
        RIG_TEST(the_execution_id_that_is_given_is_kept),
        RIG_TEST(what_it_kept_comes_before_what_has_arrived),
        RIG_TEST(the_next_execution_of_one_elsewhere_begins_a_millisecond_later),
        RIG_TEST(an_unlocking_of_what_is_not_held_is_only_written_down),
        RIG_TEST(locks_are_given_back_however_it_ends),
    };
    return cmocka_run_group_tests_name("core: workers elsewhere", tests, NULL, NULL);
}
