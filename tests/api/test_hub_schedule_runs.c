/* SPDX-License-Identifier: MIT
 *
 * A schedule waits for the word of a perdure.run, about the instance that it started. Whatever
 * somebody does to either of them, that word comes. */
#include "process_kit.h"
#include "schedule_kit.h"

#include <stdio.h>

enum { TEXT_MAX = 128 };

struct waiting {
    char id[TEXT_MAX], run[2 * TEXT_MAX];
};

/* A schedule of each second, whose instances end when they are told to; the first runs. */
static void put_one(struct kit *kit, const char *id, pd_overlap overlap)
{
    sched_put(kit, &(pd_schedule){ .id = id,
                                   .rule = "* * * * * *",
                                   .orchestrator = "WaitFor",
                                   .input = PD_VAL("go"),
                                   .overlap = overlap });
}

static struct waiting first_of(struct kit *kit, const char *id)
{
    struct waiting waiting;
    sched_await_number(kit, id, "started", 1);
    pd_entity_view *view = ent_fetch(kit, PD_ENTITY(PD_SCHEDULE, id));
    pd_value running = pd_get(pd_entity_view_state(view), "running");
    (void)snprintf(waiting.id, TEXT_MAX, "%s", pd_text(running));
    (void)snprintf(waiting.run, sizeof waiting.run, "perdure.run:%s", waiting.id);
    pd_entity_view_free(view);
    assert_int_equal(strncmp(waiting.id, id, strlen(id)), 0);
    return waiting;
}

static void assert_refused(pd_status got, const pd_error *err, pd_status wanted, const char *says)
{
    if (got != wanted || strstr(err->text, says) == NULL) {
        fail_msg("%d: %s", (int)got, err->text);
    }
}

/* What might end it, other than its own end. */
static void try_to_end(struct kit *kit, const struct waiting *waiting)
{
    pd_error err;
    pd_id id;
    const pd_start_options instead = { .id = waiting->run, .reuse = PD_REUSE_ANY };
    assert_refused(pd_hub_terminate(kit->hub, waiting->run, "enough", false, &err), &err,
                   PD_E_INVALID, waiting->id);
    assert_refused(pd_hub_terminate(kit->hub, waiting->run, NULL, true, &err), &err, PD_E_INVALID,
                   "terminate the one it waits for");
    assert_refused(pd_hub_purge(kit->hub, waiting->run, &err), &err, PD_E_STATE, waiting->run);
    assert_refused(pd_hub_rewind(kit->hub, waiting->run, NULL, &err), &err, PD_E_STATE,
                   waiting->run);
    assert_refused(pd_hub_restart(kit->hub, waiting->run, NULL, &err), &err, PD_E_STATE,
                   waiting->run);
    pd_status status = pd_hub_start(kit->hub, "Echo", PD_NULL, &instead, &id, &err);
    assert_true(status == PD_E_EXISTS || (served_is_wanted() && status == PD_E_INVALID));
}

static void what_a_schedule_waits_for_is_not_ended_from_outside(void **state)
{
    static const pd_overlap overlaps[] = { PD_OVERLAP_SKIP, PD_OVERLAP_BUFFER };
    static const char *const ids[] = { "skip", "buffer" };
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    for (int i = 0; i < 2; i++) {
        put_one(kit, ids[i], overlaps[i]);
        struct waiting waiting = first_of(kit, ids[i]);
        kit_await_state(kit, waiting.id, PD_RUN_RUNNING);
        try_to_end(kit, &waiting);
        sched_await_number(kit, ids[i], "skipped", 1);
        assert_true(sched_has_text(kit, ids[i], "running", waiting.id));
        kit_expect(pd_hub_terminate(kit->hub, waiting.id, "enough", true, &err), PD_OK, &err,
                   "the instance itself");
        sched_await_number(kit, ids[i], "started", 2);
        kit_await_state(kit, waiting.run, PD_RUN_COMPLETED);
        assert_refused(pd_hub_terminate(kit->hub, waiting.run, NULL, false, &err), &err, PD_E_STATE,
                       waiting.run);
        kit_expect(pd_hub_purge(kit->hub, waiting.run, &err), PD_OK, &err, "purge");
        sched_order(kit, ids[i], PD_SCHEDULE_DELETE);
    }
}

static void a_schedule_goes_on_when_what_it_waited_for_was_suspended_meanwhile(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    kit_work(kit);
    put_one(kit, "s", PD_OVERLAP_SKIP);
    struct waiting waiting = first_of(kit, "s");
    kit_await_state(kit, waiting.id, PD_RUN_RUNNING);
    kit_expect(pd_hub_suspend(kit->hub, waiting.run, NULL, &err), PD_OK, &err, "suspend");
    kit_await_state(kit, waiting.run, PD_RUN_SUSPENDED);
    kit_raise(kit, waiting.id, "go", PD_NULL);
    kit_assert_ends(kit, waiting.id, PD_RUN_COMPLETED, "null");
    kit_sleep_ms(1200);
    assert_true(sched_has_text(kit, "s", "running", waiting.id));
    kit_expect(pd_hub_resume(kit->hub, waiting.run, NULL, &err), PD_OK, &err, "resume");
    sched_await_number(kit, "s", "started", 2);
    sched_order(kit, "s", PD_SCHEDULE_DELETE);
}

/* Whose parent hears nothing of that, if it is another's. */
static void a_schedule_goes_on_when_somebody_replaces_what_it_started(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_id id;
    kit_work(kit);
    put_one(kit, "s", PD_OVERLAP_SKIP);
    struct waiting waiting = first_of(kit, "s");
    kit_await_state(kit, waiting.id, PD_RUN_RUNNING);
    const pd_start_options instead = { .id = waiting.id, .reuse = PD_REUSE_ANY };
    kit_expect(pd_hub_start(kit->hub, "Echo", PD_VAL(7), &instead, &id, &err), PD_OK, &err,
               "start");
    sched_await_number(kit, "s", "started", 2);
    kit_assert_ends(kit, waiting.id, PD_RUN_COMPLETED, "7");
    sched_order(kit, "s", PD_SCHEDULE_DELETE);
}

/* Else it would tell of an end that is not there. */
static void a_copy_of_what_a_schedule_waits_for_tells_it_nothing(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_id copy = { "copy" };
    kit_work(kit);
    put_one(kit, "s", PD_OVERLAP_SKIP);
    struct waiting waiting = first_of(kit, "s");
    kit_await_state(kit, waiting.id, PD_RUN_RUNNING);
    kit_expect(pd_hub_restart(kit->hub, waiting.run, &copy, &err), PD_OK, &err, "restart");
    ent_assert_fails(kit, "copy", "Misuse", NULL);
    sched_await_number(kit, "s", "skipped", 2);
    assert_true(sched_has_text(kit, "s", "running", waiting.id));
    assert_int_equal(sched_number(kit, "s", "started"), 1);
    sched_order(kit, "s", PD_SCHEDULE_DELETE);
}

/* Orders come through the mailbox here, and the engine dies in between. */
static void nothing_ends_it_from_another_process_whoever_dies(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    if (served_is_wanted()) {
        served_skip("an engine of its own is killed");
        return;
    }
    kit_work(kit);
    put_one(kit, "s", PD_OVERLAP_SKIP);
    struct waiting waiting = first_of(kit, "s");
    kit_await_state(kit, waiting.id, PD_RUN_RUNNING);
    kit_rest(kit);
    try_to_end(kit, &waiting);
    struct engine engine = engine_begin(kit, kit_program, kit_program_size);
    try_to_end(kit, &waiting);
    sched_await_number(kit, "s", "skipped", 1);
    engine_kill(&engine);
    try_to_end(kit, &waiting);
    kit_expect(pd_hub_terminate(kit->hub, waiting.id, NULL, false, &err), PD_OK, &err, "terminate");
    engine = engine_begin(kit, kit_program, kit_program_size);
    engine_kill(&engine);
    kit_work(kit);
    sched_await_number(kit, "s", "started", 2);
    kit_await_state(kit, waiting.id, PD_RUN_TERMINATED);
    sched_order(kit, "s", PD_SCHEDULE_DELETE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HUB_TEST_4(what_a_schedule_waits_for_is_not_ended_from_outside),
        HUB_TEST(a_schedule_goes_on_when_what_it_waited_for_was_suspended_meanwhile),
        HUB_TEST_4(a_schedule_goes_on_when_somebody_replaces_what_it_started),
        HUB_TEST(a_copy_of_what_a_schedule_waits_for_tells_it_nothing),
        cmocka_unit_test_setup_teardown(nothing_ends_it_from_another_process_whoever_dies,
                                        kit_open_file, kit_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
