/* SPDX-License-Identifier: MIT
 *
 * Letters (C8), parents and children: what is said between instances, and how it is posted.
 */
#include <string.h>

#include "core/core_priv.h"
#include "rig.h"

/* Runs the turns there are, and delivers nothing. */
static void run_only(struct rig *rig)
{
    const struct turn *turn;
    while (core_next_turn(rig->core, rig->now, &turn)) {
        rig_end_turn(rig, turn);
    }
}

static struct core *new_core(unsigned partition)
{
    struct core_options options = { .partition = partition,
                                    .partition_count = 4,
                                    .epoch = 5,
                                    .row_next = 4 + partition,
                                    .codec = &rig_codec };
    return core_new(&options);
}

/* ---- the line, and the post ---- */

static void letters_come_in_the_order_they_were_written(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "a", "script", "send:x:one child:kid:approval send:x:two");
    run_only(rig);
    assert_true(core_has_changes(rig->core));
    const struct letter *first = core_next_letter(rig->core);
    const struct letter *second = core_next_letter(rig->core);
    const struct letter *third = core_next_letter(rig->core);
    assert_null(core_next_letter(rig->core));
    assert_int_equal(first->kind, MESSAGE_RAISE);
    assert_true(text_equal(first->instance_id, TEXT("x")));
    assert_true(text_equal(first->event->name, TEXT("one")));
    assert_int_equal(second->kind, MESSAGE_CHILD_START);
    assert_true(text_equal(second->event->instance_id, TEXT("kid")));
    assert_false(text_is_present(second->event->execution_id)); /* its own partition makes one */
    assert_true(text_equal(third->event->name, TEXT("two")));
    rig_flush(rig);
}

static void a_letter_that_nothing_else_comes_with_is_a_change_until_it_is_taken(void **state)
{
    struct rig *rig = *state;
    struct instance_record child = { .id = TEXT("kid"),
                                     .state = RUN_COMPLETED,
                                     .parent_id = TEXT("nobody"),
                                     .parent_execution_id = TEXT("e") };
    assert_false(core_has_changes(rig->core));
    letter_child_ended(rig->core, rig->now, &child, NULL);
    assert_true(core_has_changes(rig->core));
    assert_non_null(core_next_letter(rig->core));
    core_drop_letter(rig->core);
    assert_false(core_has_changes(rig->core));
    assert_null(core_cut(rig->core));
    assert_int_equal(core_counters(rig->core).dropped_letters, 1);
}

static void a_posted_letter_is_in_the_batch_and_owns_its_text(void **state)
{
    (void)state;
    struct core *core = new_core(1);
    char id[] = "somebody";
    char bytes[] = "archive";
    struct event event = {
        .kind = EVENT_EVENT_RAISED, .id = EVENT_NO_ID, .ref = EVENT_NO_ID, .name = TEXT("go")
    };
    struct letter raise = { .kind = MESSAGE_RAISE, .instance_id = text_of(id), .event = &event };
    struct letter adopt = { .kind = MESSAGE_ADOPT,
                            .flags = STATES_ENDED,
                            .instance_id = text_of(id),
                            .execution_id = TEXT("e"),
                            .bytes = text_of(bytes) };
    core_post_letter(core, &raise, 3);
    core_post_letter(core, &adopt, 0);
    memset(id, 'x', sizeof id - 1);
    memset(bytes, 'x', sizeof bytes - 1);

    struct batch *batch = core_cut(core);
    assert_int_equal(batch->mutation_count, 2);
    assert_true(batch->mailed == (UINT64_C(1) << 3 | UINT64_C(1) << 0));
    const struct message *first = batch->first->message;
    const struct message *second = batch->first->next->message;
    assert_int_equal(batch->first->kind, MUTATION_MAILBOX_PUT);
    assert_int_equal(first->kind, MESSAGE_RAISE);
    assert_int_equal(first->partition, 3);
    assert_true(text_equal(first->instance_id, TEXT("somebody")));
    assert_false(text_is_present(first->execution_id));
    struct arena arena = { 0 };
    size_t count;
    assert_true(text_equal(rig_decode(&arena, first->bytes, &count)[0]->name, TEXT("go")));
    assert_int_equal(second->kind, MESSAGE_ADOPT);
    assert_int_equal(second->flags, STATES_ENDED);
    assert_true(text_equal(second->execution_id, TEXT("e")));
    assert_true(text_equal(second->bytes, TEXT("archive")));

    core_committed(core, batch);
    core_reuse(core, batch); /* and is told anew */
    core_received(core, 1);
    batch = core_cut(core);
    assert_true(batch->mailed == 0 && batch->cancellations == NULL);
    batch_free(batch);
    arena_done(&arena);
    core_free(core);
}

/* ---- children ---- */

/* The events of the parent's history that are of this kind. */
static const struct event *find_event(struct rig *rig, const char *id, enum event_kind kind)
{
    size_t count;
    const struct model_row *row = model_find(&rig->model, text_of(id));
    const struct event **events = model_history(&rig->model, row, &count);
    for (size_t i = 0; i < count; i++) {
        if (events[i]->kind == kind) {
            return events[i];
        }
    }
    return NULL;
}

static void a_child_knows_its_parent_after_its_memory_was_lost(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "parent", "script", "child:kid:approval | end");
    rig_run(rig);
    rig_flush(rig);
    rig_crash(rig);
    assert_int_equal(rig_stored(rig, "kid")->parent_step, 0);
    rig_raise(rig, "kid", "go", NULL);
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "parent")->state, RUN_COMPLETED);
    assert_non_null(find_event(rig, "parent", EVENT_CHILD_COMPLETED));
}

/* Nothing but the start tells it: the record has no room for it. */
static void a_child_has_its_parents_name_after_its_memory_was_lost(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "parent", "script", "child:kid:rounds:2");
    rig_run(rig);
    rig_flush(rig);
    rig_crash(rig);
    rig_complete(rig, "kid", 0, NULL);
    run_only(rig); /* continues as new, and so makes its start anew */
    rig_flush(rig);
    const struct event *started = find_event(rig, "kid", EVENT_EXECUTION_STARTED);
    assert_true(text_equal(started->payload, TEXT("1")));
    assert_true(text_equal(started->extra->parent_name, TEXT("script")));
    assert_true(text_equal(started->extra->parent_id, TEXT("parent")));
}

static void a_child_that_continues_as_new_reports_its_last_end_only(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "parent", "script", "child:kid:rounds:1 | end");
    rig_run(rig);
    rig_flush(rig);
    rig_complete(rig, "kid", 0, NULL);
    const struct turn *turn;
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    rig_end_turn(rig, turn); /* continues as new */
    assert_null(core_next_letter(rig->core));
    rig_run(rig);
    rig_flush(rig);
    assert_int_equal(rig_stored(rig, "kid")->state, RUN_COMPLETED);
    assert_int_equal(rig_stored(rig, "parent")->state, RUN_COMPLETED);
}

static void a_childs_failure_reaches_its_parent_with_all_its_causes(void **state)
{
    struct rig *rig = *state;
    struct failure third = { .type = TEXT("Third"), .message = TEXT("3"), .is_final = true };
    struct failure second = { .type = TEXT("Second"), .message = TEXT("2"), .next = &third };
    struct failure failure = { .type = TEXT("First"), .message = TEXT(""), .cause = &second };
    struct action action = { .kind = ACTION_COMPLETE, .outcome = RUN_FAILED, .failure = &failure };
    const struct turn *turn;
    rig_start(rig, "parent", "script", "child:kid:approval");
    rig_run(rig);
    rig_raise(rig, "kid", "go", NULL);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    core_end_turn(rig->core, rig->now, turn,
                  &(struct turn_result){ .actions = &action, .action_count = 1 });
    memset(&second, 0, sizeof second); /* the runner's memory goes with its turn */
    memset(&failure, 0, sizeof failure);
    rig_run(rig);
    rig_flush(rig);
    const struct failure *heard = find_event(rig, "parent", EVENT_CHILD_FAILED)->failure;
    assert_true(text_equal(heard->type, TEXT("First")));
    assert_true(text_equal(heard->cause->type, TEXT("Second")));
    assert_true(text_equal(heard->cause->next->type, TEXT("Third")));
    assert_true(heard->cause->next->is_final);
    assert_null(heard->cause->next->next);
}

static void a_child_has_its_own_tags_over_those_of_its_parent(void **state)
{
    struct rig *rig = *state;
    const struct turn *turn;
    struct event_extra mine = { .tags = TEXT("\x1e"
                                             "a\x1f"
                                             "1\x1e") };
    struct event_extra its = { .tags = TEXT("\x1e"
                                            "a\x1f"
                                            "3\x1e"
                                            "b\x1f"
                                            "2\x1e"),
                               .retry_of = 3 };
    struct start_command command = { .id = TEXT("parent"), .name = TEXT("x"), .extra = &mine };
    struct action actions[2] = {
        { .kind = ACTION_START_CHILD, .id = 0, .name = TEXT("y"), .instance_id = TEXT("plain") },
        { .kind = ACTION_START_CHILD, .id = 1, .name = TEXT("y"), .instance_id = TEXT("tagged") },
    };
    actions[1].extra = &its;
    rig_start_as(rig, &command);
    assert_true(core_next_turn(rig->core, rig->now, &turn));
    core_end_turn(rig->core, rig->now, turn,
                  &(struct turn_result){ .actions = actions, .action_count = 2 });
    rig_run(rig);
    rig_flush(rig);
    assert_true(text_equal(rig_stored(rig, "parent")->tags, mine.tags));
    assert_true(text_equal(rig_stored(rig, "plain")->tags, mine.tags));
    assert_true(text_equal(rig_stored(rig, "tagged")->tags, TEXT("\x1e"
                                                                 "a\x1f"
                                                                 "3\x1e"
                                                                 "b\x1f"
                                                                 "2\x1e")));
    assert_int_equal(find_event(rig, "parent", EVENT_CHILD_CREATED)->id, 0);
    assert_int_equal(find_event(rig, "tagged", EVENT_EXECUTION_STARTED)->extra->retry_of, 0);
}

static void a_childs_end_is_for_the_execution_that_asked_for_it(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "parent", "script", "child:kid:approval timer:9");
    rig_run(rig);
    struct instance *parent = rig_instance(rig, "parent");
    struct event ended = { .kind = EVENT_CHILD_COMPLETED, .id = EVENT_NO_ID, .ref = 0 };
    assert_false(core_complete_child(rig->core, 1, parent, TEXT("other"), &ended));
    ended.ref = 1; /* a timer */
    assert_false(core_complete_child(rig->core, 1, parent, TEXT("e1"), &ended));
    ended.ref = 0;
    assert_true(core_complete_child(rig->core, 1, parent, TEXT("e1"), &ended));
    assert_false(core_complete_child(rig->core, 1, parent, TEXT("e1"), &ended));
    assert_int_equal(core_counters(rig->core).dropped_completions, 3);
    rig_run(rig);
    rig_flush(rig);
}

static void a_child_is_told_by_parent_execution_and_step(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "parent", "script", "timer:9 child:kid:approval");
    rig_run(rig);
    const struct instance *kid = rig_instance(rig, "kid");
    struct event_extra extra = { .has_parent = true,
                                 .parent_step = 1,
                                 .parent_id = TEXT("parent"),
                                 .parent_execution_id = TEXT("e1") };
    assert_true(instance_is_child_of(kid, &extra));
    extra.parent_step = 0;
    assert_false(instance_is_child_of(kid, &extra));
    assert_true(instance_is_child_of_execution(kid, TEXT("e1")));
    assert_false(instance_is_child_of_execution(kid, TEXT("e2")));
    assert_false(instance_is_child_of_execution(rig_instance(rig, "parent"), TEXT("e1")));
    rig_flush(rig);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(letters_come_in_the_order_they_were_written),
        T(a_letter_that_nothing_else_comes_with_is_a_change_until_it_is_taken),
        T(a_posted_letter_is_in_the_batch_and_owns_its_text),
        T(a_child_knows_its_parent_after_its_memory_was_lost),
        T(a_child_has_its_parents_name_after_its_memory_was_lost),
        T(a_child_that_continues_as_new_reports_its_last_end_only),
        T(a_childs_failure_reaches_its_parent_with_all_its_causes),
        T(a_child_has_its_own_tags_over_those_of_its_parent),
        T(a_childs_end_is_for_the_execution_that_asked_for_it),
        T(a_child_is_told_by_parent_execution_and_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
