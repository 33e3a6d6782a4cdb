/* SPDX-License-Identifier: MIT
 *
 * Instances that come with a history: core_adopt. Those that are rewound in their rows are in
 * test_rewound.c; how it looks from outside is in the stories core_fork_*.
 */
#include <string.h>

#include "base/memory.h"
#include "core/core_priv.h"
#include "rig.h"

/* ---- a history ---- */

#define NOBODY .id = EVENT_NO_ID, .ref = EVENT_NO_ID
#define STEP(number) .id = (number), .ref = EVENT_NO_ID
#define END_OF(number) .id = EVENT_NO_ID, .ref = (number)

/* Two tasks, a timer and a child are asked for; the second task has an answer, and what waits has
 * the first one's. */
static const struct event first_turn[] = {
    { .kind = EVENT_ORCHESTRATOR_STARTED, NOBODY, .at = 11 },
    { .kind = EVENT_EXECUTION_STARTED,
      NOBODY,
      .at = 10,
      .name = TEXT_INIT("told"),
      .payload = TEXT_INIT("7"),
      .instance_id = TEXT_INIT("source"),
      .execution_id = TEXT_INIT("s") },
    { .kind = EVENT_TASK_SCHEDULED,
      STEP(0),
      .at = 12,
      .name = TEXT_INIT("Work"),
      .payload = TEXT_INIT("0") },
    { .kind = EVENT_TASK_SCHEDULED, STEP(1), .at = 13, .name = TEXT_INIT("Work") },
    { .kind = EVENT_TIMER_CREATED, STEP(2), .at = 14, .fire_at = 60 * TIME_SECOND },
    { .kind = EVENT_CHILD_CREATED,
      STEP(3),
      .at = 15,
      .name = TEXT_INIT("fan_out"),
      .payload = TEXT_INIT("1"),
      .instance_id = TEXT_INIT("kid") },
    { .kind = EVENT_TASK_SCHEDULED, STEP(4), .at = 16, .name = TEXT_INIT("Other") },
};
static const struct event second_turn[] = {
    { .kind = EVENT_ORCHESTRATOR_STARTED, NOBODY, .at = 21 },
    { .kind = EVENT_TASK_COMPLETED, END_OF(1), .at = 20, .payload = TEXT_INIT("1") },
};
static const struct event the_end[] = {
    { .kind = EVENT_ORCHESTRATOR_STARTED, NOBODY, .at = 31 },
    { .kind = EVENT_EXECUTION_COMPLETED, STEP(5), .at = 32, .outcome = RUN_COMPLETED },
};
static const struct turn_events turns[] = {
    { first_turn, sizeof first_turn / sizeof *first_turn },
    { second_turn, sizeof second_turn / sizeof *second_turn },
    { the_end, sizeof the_end / sizeof *the_end },
};
static const struct event answer_0 = { .kind = EVENT_TASK_COMPLETED,
                                       END_OF(0),
                                       .at = 22,
                                       .payload = TEXT_INIT("late"),
                                       .raw = TEXT_INIT("as it was") };

struct given {
    struct instance_record record;
    struct event_extra extra;
    struct event start;
    struct adoption adoption;
};

/* An instance that runs and has had two turns. */
static struct adoption *with_two_turns(struct given *given)
{
    *given = (struct given){
        .record = { .id = TEXT("new"),
                    .execution_id = TEXT("x"),
                    .name = TEXT("told"),
                    .version = TEXT("1.0"),
                    .input = TEXT("7"),
                    .state = RUN_RUNNING,
                    .created_at = 10,
                    .updated_at = 30,
                    .custom_status = TEXT("\"half\""),
                    .tags = TEXT("\x1e"
                                 "a\x1f"
                                 "b\x1e") },
    };
    given->adoption = (struct adoption){ .record = &given->record,
                                         .turns = turns,
                                         .turn_count = 2,
                                         .waiting = &answer_0,
                                         .waiting_count = 1 };
    return &given->adoption;
}

/* One that has had none: its start waits. */
static struct adoption *with_its_start(struct given *given)
{
    with_two_turns(given);
    given->start = first_turn[1];
    given->record.state = RUN_PENDING;
    given->adoption.turn_count = 0;
    given->adoption.waiting = &given->start;
    return &given->adoption;
}

static struct adoption *that_has_ended(struct given *given)
{
    with_two_turns(given);
    given->record.state = RUN_COMPLETED;
    given->record.ended_at = 32;
    given->record.updated_at = 33;
    given->record.output = TEXT("done");
    given->adoption.turn_count = 3;
    given->adoption.waiting_count = 0;
    return &given->adoption;
}

/* ---- one that goes on ---- */

static void turns_become_history_as_they_are(void **state)
{
    struct rig *rig = *state;
    struct given given;
    size_t count;
    assert_int_equal(rig_adopt(rig, with_two_turns(&given)), PD_OK);
    rig_flush(rig);
    const struct model_row *row = model_find(&rig->model, TEXT("new"));
    assert_int_equal(row->turn_count, 2);
    const struct event **history = model_history(&rig->model, row, &count);
    assert_int_equal(count, turns[0].count + turns[1].count);
    for (size_t i = 0; i < count; i++) {
        const struct event *was =
            i < turns[0].count ? &first_turn[i] : &second_turn[i - turns[0].count];
        assert_int_equal(history[i]->kind, was->kind);
        assert_int_equal(history[i]->at, was->at);
        assert_int_equal(history[i]->id, was->id);
        assert_true(text_equal(history[i]->instance_id, was->instance_id));
    }
}

static void the_record_is_stored_with_all_it_has(void **state)
{
    struct rig *rig = *state;
    struct given given;
    struct adoption *adoption = with_two_turns(&given);
    given.record.parent_id = TEXT("parent");
    given.record.parent_execution_id = TEXT("p");
    given.record.parent_step = 3;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    rig_flush(rig);
    const struct instance_record *record = rig_stored(rig, "new");
    assert_int_equal(record->row, 1);
    assert_int_equal(record->state, RUN_RUNNING);
    assert_true(record->is_busy);
    assert_int_equal(record->created_at, 10);
    assert_true(text_equal(record->execution_id, TEXT("x")));
    assert_true(text_equal(record->name, TEXT("told")));
    assert_true(text_equal(record->version, TEXT("1.0")));
    assert_true(text_equal(record->input, TEXT("7")));
    assert_true(text_equal(record->custom_status, TEXT("\"half\"")));
    assert_true(text_equal(record->tags, given.record.tags));
    assert_true(text_equal(record->parent_id, TEXT("parent")));
    assert_true(text_equal(record->parent_execution_id, TEXT("p")));
    assert_int_equal(record->parent_step, 3);
    /* The next one gets the next row. */
    assert_int_equal(rig_start(rig, "other", "approval", NULL), PD_OK);
    assert_int_equal(rig_instance(rig, "other")->row, 3); /* the kid has one, too */
}

static void what_is_open_is_asked_for_and_nothing_else(void **state)
{
    struct rig *rig = *state;
    struct given given;
    assert_int_equal(rig_adopt(rig, with_two_turns(&given)), PD_OK);

    const struct letter *letter = core_next_letter(rig->core);
    assert_int_equal(letter->kind, MESSAGE_CHILD_ENSURE);
    assert_true(text_equal(letter->instance_id, TEXT("kid")));
    const struct event *start = letter->event;
    assert_int_equal(start->kind, EVENT_EXECUTION_STARTED);
    assert_true(text_equal(start->name, TEXT("fan_out")));
    assert_true(text_equal(start->payload, TEXT("1")));
    assert_true(start->extra->has_parent);
    assert_int_equal(start->extra->parent_step, 3);
    assert_true(text_equal(start->extra->parent_id, TEXT("new")));
    assert_true(text_equal(start->extra->parent_execution_id, TEXT("x")));
    assert_null(core_next_letter(rig->core));

    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->activity_count, 1);
    const struct activity *activity = rig_activity(batch, 0);
    assert_int_equal(activity->id, 4);
    assert_true(text_equal(activity->name, TEXT("Other")));
    assert_true(text_equal(activity->instance_id, TEXT("new")));
    assert_true(text_equal(activity->execution_id, TEXT("x")));
    assert_int_equal(rig_count_of(batch, MUTATION_TIMER_PUT), 1);
    const struct mutation *timer = rig_mutation(batch, MUTATION_TIMER_PUT);
    assert_int_equal(timer->id, 2);
    assert_int_equal(timer->due, 60 * TIME_SECOND);
    rig_commit(rig);
    rig->now = 60 * TIME_SECOND;
    assert_int_equal(rig_fire(rig), 1);
}

static void what_waits_is_delivered_with_a_time_of_its_own(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    struct event waiting[] = {
        answer_0,
        { .kind = EVENT_TIMER_FIRED, END_OF(2), .at = 5, .fire_at = 60 * TIME_SECOND },
        { .kind = EVENT_EVENT_RAISED, NOBODY, .at = 4, .name = TEXT("Go") },
    };
    struct adoption *adoption = with_two_turns(&given);
    adoption->waiting = waiting;
    adoption->waiting_count = 3;
    rig->now = 15; /* the clock is behind what was lived */
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->number, 3);
    assert_false(turn->is_past_durable);
    assert_int_equal(turn->event_count, 4);
    assert_int_equal(turn->events[1].kind, EVENT_TASK_COMPLETED);
    assert_int_equal(turn->events[1].at, 31); /* behind all that was of it */
    assert_false(text_is_present(turn->events[1].raw));
    assert_true(text_equal(turn->events[1].payload, TEXT("late")));
    assert_int_equal(turn->events[2].at, 60 * TIME_SECOND); /* not before it was due */
    assert_int_equal(turn->events[3].at, 60 * TIME_SECOND + 1);
    assert_true(turn->events[0].at > turn->events[3].at);
    core_postpone_turn(rig->core, turn);
}

static void answers_that_wait_close_their_steps(void **state)
{
    struct rig *rig = *state;
    struct given given;
    assert_int_equal(rig_adopt(rig, with_two_turns(&given)), PD_OK);
    assert_false(rig_complete(rig, "new", 0, "again"));
    assert_false(rig_complete(rig, "new", 1, "again"));
    assert_true(rig_complete(rig, "new", 4, "once"));
    assert_false(rig_complete(rig, "new", 4, "twice"));
}

static void one_that_waits_for_nothing_of_ours_sleeps(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    struct event asked[] = { first_turn[0], first_turn[1], first_turn[4] };
    struct turn_events only = { asked, 3 };
    struct adoption *adoption = with_two_turns(&given);
    adoption->turns = &only;
    adoption->turn_count = 1;
    adoption->waiting_count = 0;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    assert_false(core_next_turn(rig->core, rig->now, &turn));
    rig_flush(rig);
    assert_false(rig_stored(rig, "new")->is_busy);
    assert_true(rig_can_evict(rig));
    rig->now = 60 * TIME_SECOND;
    assert_int_equal(rig_fire(rig), 1);
}

static void after_a_crash_it_stands_as_it_was_adopted(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    assert_int_equal(rig_adopt(rig, with_two_turns(&given)), PD_OK);
    rig_flush(rig);
    rig_crash(rig);
    struct instance *instance = core_find(rig->core, TEXT("new"));
    assert_non_null(instance);
    assert_int_equal(steps_count(&instance->steps), 3);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->number, 3);
    assert_true(turn->is_past_durable);
    core_postpone_turn(rig->core, turn);
    struct batch *batch = rig_cut(rig);
    assert_int_equal(rig_activity(batch, 0)->id, 4);
}

/* ---- one that has not begun ---- */

static void one_whose_start_waits_begins(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    rig->now = 500;
    struct adoption *adoption = with_its_start(&given);
    given.record.created_at = 0; /* now */
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->number, 1);
    assert_int_equal(turn->event_count, 2);
    assert_int_equal(turn->events[1].kind, EVENT_EXECUTION_STARTED);
    assert_int_equal(turn->events[1].at, 500);
    /* Whose history it is stays, though it is another instance. */
    assert_true(text_equal(turn->events[1].instance_id, TEXT("source")));
    assert_true(text_equal(turn->events[1].execution_id, TEXT("s")));
    assert_true(text_equal(turn->instance_id, TEXT("new")));
    assert_true(text_equal(turn->execution_id, TEXT("x")));
    core_postpone_turn(rig->core, turn);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "new")->state, RUN_PENDING);
    assert_int_equal(rig_stored(rig, "new")->created_at, 500);
}

static void one_whose_start_is_of_a_clock_that_was_ahead_begins(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    rig->now = 500;
    struct adoption *adoption = with_its_start(&given);
    given.record.created_at = 0; /* now */
    given.start.at = 501;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->number, 1);
    assert_int_equal(turn->events[1].at, 500);
    core_postpone_turn(rig->core, turn);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "new")->state, RUN_PENDING);
}

static void one_that_is_to_start_later_does(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    rig->now = 500;
    struct adoption *adoption = with_its_start(&given);
    given.start.fire_at = 501;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    assert_false(core_next_turn(rig->core, rig->now, &turn));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(rig_mutation(batch, MUTATION_TIMER_PUT)->id, EVENT_NO_ID);
    rig_commit(rig);
    assert_int_equal(rig_stored(rig, "new")->starts_at, 501);
    assert_false(rig_stored(rig, "new")->is_busy);
    rig->now = 501;
    assert_int_equal(rig_fire(rig), 1);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    core_postpone_turn(rig->core, turn);
}

static void one_whose_time_has_come_meanwhile_starts_at_once(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    rig->now = 501;
    struct adoption *adoption = with_its_start(&given);
    given.start.fire_at = 501;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    core_postpone_turn(rig->core, turn);
    struct batch *batch = rig_cut(rig);
    assert_int_equal(rig_count_of(batch, MUTATION_TIMER_PUT), 0);
    assert_int_equal(rig_mutation(batch, MUTATION_INSTANCE_INSERT)->instance->starts_at, 0);
}

static void one_that_was_suspended_stays_so_with_its_reason(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    struct adoption *adoption = with_two_turns(&given);
    given.record.state = RUN_SUSPENDED;
    given.record.failure = TEXT("Quarantined: poison");
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    assert_false(core_next_turn(rig->core, rig->now, &turn));
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "new")->state, RUN_SUSPENDED);
    assert_true(text_equal(rig_stored(rig, "new")->failure, TEXT("Quarantined: poison")));
    rig_run(rig); /* the kid */
    assert_int_equal(rig_resume(rig, "new", NULL), PD_OK);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->number, 3);
    core_postpone_turn(rig->core, turn);
}

static void one_that_was_suspended_before_it_began_begins_when_resumed(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    struct adoption *adoption = with_its_start(&given);
    given.record.state = RUN_SUSPENDED;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    rig_flush(rig);
    rig_crash(rig);
    assert_int_equal(rig_resume(rig, "new", NULL), PD_OK);
    assert_int_equal(instance_state(rig_instance(rig, "new")), RUN_PENDING);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->number, 1);
    core_postpone_turn(rig->core, turn);
}

/* What an archive says of times need not fit together. */
static void one_that_is_pending_has_not_begun_whenever_it_was_made(void **state)
{
    struct rig *rig = *state;
    struct given given;
    const struct turn *turn;
    struct adoption *adoption = with_its_start(&given);
    given.record.created_at = 1; /* and its start later: as of one that continued as new */
    given.start.at = 2;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    assert_int_equal(turn->number, 1);
    core_postpone_turn(rig->core, turn);
}

static void one_that_waits_for_its_time_has_not_begun_whenever_it_was_made(void **state)
{
    struct rig *rig = *state;
    struct given given;
    struct adoption *adoption = with_its_start(&given);
    given.record.created_at = 1;
    given.record.state = RUN_SUSPENDED;
    given.start.at = 2;
    given.start.fire_at = rig->now + 1;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    rig_flush(rig);
    assert_int_equal(rig_resume(rig, "new", NULL), PD_OK);
    assert_int_equal(instance_state(rig_instance(rig, "new")), RUN_PENDING);
}

/* ---- one that has ended ---- */

static void one_that_has_ended_is_only_written_down(void **state)
{
    struct rig *rig = *state;
    struct given given;
    assert_int_equal(rig_adopt(rig, that_has_ended(&given)), PD_OK);
    assert_non_null(core_find(rig->core, TEXT("new"))); /* until it is durable (C1) */
    assert_null(core_next_letter(rig->core));
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->activity_count, 0);
    assert_int_equal(rig_count_of(batch, MUTATION_TIMER_PUT), 0);
    assert_int_equal(rig_count_of(batch, MUTATION_HISTORY_APPEND), 3);
    rig_commit(rig);
    assert_null(core_find(rig->core, TEXT("new")));
    assert_int_equal(core_resident_count(rig->core), 0);
    const struct instance_record *record = rig_stored(rig, "new");
    assert_int_equal(record->state, RUN_COMPLETED);
    assert_int_equal(record->created_at, 10);
    assert_int_equal(record->ended_at, 32);
    assert_int_equal(record->updated_at, 33);
    assert_true(text_equal(record->output, TEXT("done")));
    assert_false(record->is_busy);
}

/* Seen as pending while its archive lay in the mailbox. */
static void whoever_waits_for_the_end_of_one_that_comes_ended_is_told(void **state)
{
    struct rig *rig = *state;
    struct given given;
    assert_int_equal(rig_adopt(rig, that_has_ended(&given)), PD_OK);
    struct batch *batch = rig_cut(rig);
    assert_int_equal(batch->ending_count, 1);
    assert_true(text_equal(batch->endings->instance_id, TEXT("new")));
    assert_int_equal(batch->endings->state, RUN_COMPLETED);
    rig_commit(rig);
}

static void one_that_has_ended_can_be_replaced_and_purged_at_once(void **state)
{
    struct rig *rig = *state;
    struct given given;
    pd_error err;
    assert_int_equal(rig_adopt(rig, that_has_ended(&given)), PD_OK);
    assert_int_equal(rig_start(rig, "new", "approval", NULL), PD_OK);
    given.record.id = TEXT("gone");
    assert_int_equal(rig_adopt(rig, &given.adoption), PD_OK);
    assert_int_equal(core_purge(rig->core, core_find(rig->core, TEXT("gone")), 0, &err), PD_OK);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "new")->state, RUN_PENDING);
    assert_null(model_find(&rig->model, TEXT("gone")));
}

static void one_that_failed_elsewhere_is_stored_with_its_failure_and_can_be_rewound(void **state)
{
    struct rig *rig = *state;
    struct given given;
    struct event failed[] = { the_end[0], the_end[1] };
    struct turn_events with_failure[] = { turns[0], turns[1], { failed, 2 } };
    struct adoption *adoption = that_has_ended(&given);
    failed[1].outcome = given.record.state = RUN_FAILED;
    given.record.output = TEXT_ABSENT;
    given.record.failure = TEXT("Down: no answer");
    adoption->turns = with_failure;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "new")->failure, TEXT("Down: no answer")));
    assert_int_equal(rig_rewind(rig, TEXT("new"), NULL), PD_OK);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "new")->state, RUN_RUNNING);
    assert_false(text_is_present(rig_stored(rig, "new")->failure));
    assert_int_equal(rig_stored(rig, "new")->ended_at, 0);
}

/* ---- whose place it takes ---- */

static void an_unfinished_instance_of_the_id_stays(void **state)
{
    struct rig *rig = *state;
    struct given given;
    assert_int_equal(rig_start(rig, "new", "approval", NULL), PD_OK);
    struct instance *before = core_find(rig->core, TEXT("new"));
    rig_flush(rig);
    assert_int_equal(rig_adopt(rig, with_two_turns(&given)), PD_E_EXISTS);
    given.record.row = before->row;
    assert_int_equal(rig_adopt(rig, &given.adoption), PD_E_EXISTS);
    assert_ptr_equal(core_find(rig->core, TEXT("new")), before);
    assert_false(core_has_changes(rig->core));
}

static void an_ended_instance_of_the_id_gives_way_resident_or_stored(void **state)
{
    struct rig *rig = *state;
    struct given given;
    assert_int_equal(rig_start(rig, "new", "broken", NULL), PD_OK);
    rig_run(rig);
    assert_int_equal(rig_adopt(rig, with_two_turns(&given)), PD_OK);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "new")->row, 2);

    assert_int_equal(rig_start(rig, "old", "broken", NULL), PD_OK);
    rig_run(rig);
    rig_flush(rig);
    given.record.id = TEXT("old");
    uint64_t row = given.adoption.replaces_row = rig_stored(rig, "old")->row;
    assert_null(core_find_row(rig->core, row));
    assert_int_equal(rig_adopt(rig, &given.adoption), PD_OK);
    assert_non_null(core_find_row(rig->core, row)); /* known by its row until it is durable */
    rig_flush(rig);
    assert_null(core_find_row(rig->core, row));
    assert_int_equal(rig_stored(rig, "old")->row, row + 1);
}

static void a_history_that_does_not_hold_together_changes_nothing(void **state)
{
    struct rig *rig = *state;
    struct given given;
    struct adoption *adoption = with_two_turns(&given);
    adoption->turns = turns + 1;
    assert_int_equal(rig_adopt(rig, adoption), PD_E_CORRUPT);
    assert_false(core_has_changes(rig->core));
    assert_int_equal(core_resident_count(rig->core), 0);
    assert_int_equal(rig_start(rig, "new", "approval", NULL), PD_OK);
    assert_int_equal(rig_instance(rig, "new")->row, 1);
}

/* The code would be asked for it again, and the engine take that for a defect of its own. */
static void a_step_may_have_any_number_but_none(void **state)
{
    struct rig *rig = *state;
    struct given given;
    struct adoption *adoption = with_two_turns(&given);
    struct event first[8];
    assert_true(turns[0].count <= 8 && first_turn[2].kind == EVENT_TASK_SCHEDULED);
    memcpy(first, first_turn, turns[0].count * sizeof *first);
    struct turn_events both[] = { { first, turns[0].count }, turns[1] };
    adoption->turns = both;
    adoption->waiting_count = 0;
    adoption->turn_count = 2;
    first[2].id = EVENT_NO_ID;
    assert_int_equal(rig_adopt(rig, adoption), PD_E_CORRUPT);
    first[2].id = INT32_MIN;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
}

static void a_negative_limit_and_a_time_before_all_are_refused(void **state)
{
    struct rig *rig = *state;
    struct given given;
    struct event_extra extra = { .limits = { .beat_ms = -1 } };
    struct event first[8];
    struct adoption *adoption = with_two_turns(&given);
    memcpy(first, first_turn, turns[0].count * sizeof *first);
    struct turn_events both[] = { { first, turns[0].count }, turns[1] };
    adoption->turns = both;
    first[2].extra = &extra;
    assert_int_equal(rig_adopt(rig, adoption), PD_E_CORRUPT);
    extra.limits.beat_ms = 0;
    first[4].fire_at = INT64_MIN;
    assert_int_equal(rig_adopt(rig, adoption), PD_E_CORRUPT);
    first[4].fire_at = INT64_MIN + 1;
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
}

static void an_execution_that_children_cannot_be_named_after_is_refused(void **state)
{
    struct rig *rig = *state;
    struct given given;
    char text[201];
    memset(text, 'e', sizeof text);
    struct adoption *adoption = with_two_turns(&given);
    given.record.execution_id = TEXT("a\tb");
    assert_int_equal(rig_adopt(rig, adoption), PD_E_CORRUPT);
    given.record.execution_id = text_make(text, 201);
    assert_int_equal(rig_adopt(rig, adoption), PD_E_CORRUPT);
    given.record.execution_id = text_make(text, 200);
    assert_int_equal(rig_adopt(rig, adoption), PD_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(turns_become_history_as_they_are),
        TEST(the_record_is_stored_with_all_it_has),
        TEST(what_is_open_is_asked_for_and_nothing_else),
        TEST(what_waits_is_delivered_with_a_time_of_its_own),
        TEST(answers_that_wait_close_their_steps),
        TEST(one_that_waits_for_nothing_of_ours_sleeps),
        TEST(after_a_crash_it_stands_as_it_was_adopted),
        TEST(one_whose_start_waits_begins),
        TEST(one_whose_start_is_of_a_clock_that_was_ahead_begins),
        TEST(one_that_is_to_start_later_does),
        TEST(one_whose_time_has_come_meanwhile_starts_at_once),
        TEST(one_that_was_suspended_stays_so_with_its_reason),
        TEST(one_that_was_suspended_before_it_began_begins_when_resumed),
        TEST(one_that_is_pending_has_not_begun_whenever_it_was_made),
        TEST(one_that_waits_for_its_time_has_not_begun_whenever_it_was_made),
        TEST(one_that_has_ended_is_only_written_down),
        TEST(whoever_waits_for_the_end_of_one_that_comes_ended_is_told),
        TEST(one_that_has_ended_can_be_replaced_and_purged_at_once),
        TEST(one_that_failed_elsewhere_is_stored_with_its_failure_and_can_be_rewound),
        TEST(an_unfinished_instance_of_the_id_stays),
        TEST(an_ended_instance_of_the_id_gives_way_resident_or_stored),
        TEST(a_history_that_does_not_hold_together_changes_nothing),
        TEST(a_step_may_have_any_number_but_none),
        TEST(a_negative_limit_and_a_time_before_all_are_refused),
        TEST(an_execution_that_children_cannot_be_named_after_is_refused),
    };
    return cmocka_run_group_tests_name("adopt", tests, NULL, NULL);
}
