/* SPDX-License-Identifier: MIT
 *
 * What a store has of an instance, when the file is damaged: core must not be asked to build on it,
 * because it would take it for a defect of its own and end the process, with all that it runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/rewrite.h"

static const struct event start = { .kind = EVENT_EXECUTION_STARTED, .id = -1, .ref = -1 };

struct stored {
    struct instance_record record;
    struct event history[5], inbox[2];
    struct instance_image image;
};

/* Running, with a turn that asked for steps 0 to 2, and an event that waits. */
static struct instance_image *running(struct stored *s)
{
    *s = (struct stored){
        .record = { .row = 1, .id = TEXT("a"), .state = RUN_RUNNING },
        .history = { { .kind = EVENT_ORCHESTRATOR_STARTED, .id = -1, .ref = -1 },
                     start,
                     { .kind = EVENT_TASK_SCHEDULED, .id = 0, .ref = -1 },
                     { .kind = EVENT_TIMER_CREATED, .id = 1, .ref = -1 },
                     { .kind = EVENT_CHILD_CREATED, .id = 2, .ref = -1 } },
        .inbox = { { .kind = EVENT_EVENT_RAISED, .id = -1, .ref = -1 } },
    };
    s->image = (struct instance_image){ .record = &s->record,
                                        .history = s->history,
                                        .history_count = 5,
                                        .turn_count = 1,
                                        .inbox = s->inbox,
                                        .inbox_count = 1 };
    return &s->image;
}

/* Pending, with its start in the inbox. */
static struct instance_image *pending(struct stored *s)
{
    (void)running(s);
    s->record.state = RUN_PENDING;
    s->inbox[0] = start;
    s->image.history_count = 0;
    s->image.turn_count = 0;
    return &s->image;
}

static pd_status check(const struct instance_image *image)
{
    pd_error err;
    return rewrite_check_image(image, &err);
}

static void what_core_wrote_is_taken(void **state)
{
    (void)state;
    struct stored s;
    assert_int_equal(check(running(&s)), PD_OK);
    s.image.inbox_count = 0;
    assert_int_equal(check(&s.image), PD_OK);
    assert_int_equal(check(pending(&s)), PD_OK);
    s.record.state = RUN_SUSPENDED;
    assert_int_equal(check(&s.image), PD_OK);
    s.record.state = RUN_RUNNING; /* it continued as new */
    assert_int_equal(check(&s.image), PD_OK);
}

static void steps_that_are_there_twice_or_have_no_number_are_refused(void **state)
{
    (void)state;
    struct stored s;
    (void)running(&s);
    s.history[4].id = 0;
    assert_int_equal(check(&s.image), PD_E_CORRUPT);
    s.history[4].id = -1;
    assert_int_equal(check(&s.image), PD_E_CORRUPT);
    s.history[4].id = 7; /* core never asks for it again by itself */
    assert_int_equal(check(&s.image), PD_OK);
}

static void one_without_its_start_is_refused(void **state)
{
    (void)state;
    struct stored s;
    (void)running(&s);
    s.image.history_count = 1;
    assert_int_equal(check(&s.image), PD_E_CORRUPT);
    (void)running(&s);
    s.history[1].kind = EVENT_EVENT_RAISED;
    assert_int_equal(check(&s.image), PD_E_CORRUPT);
    (void)pending(&s);
    s.image.inbox_count = 0;
    assert_int_equal(check(&s.image), PD_E_CORRUPT);
    (void)pending(&s);
    s.inbox[0].kind = EVENT_EVENT_RAISED;
    assert_int_equal(check(&s.image), PD_E_CORRUPT);
}

static void one_that_has_had_turns_and_is_pending_is_refused(void **state)
{
    (void)state;
    struct stored s;
    (void)running(&s);
    s.record.state = RUN_PENDING;
    assert_int_equal(check(&s.image), PD_E_CORRUPT);
    (void)running(&s);
    s.image.turn_count = 0;
    assert_int_equal(check(&s.image), PD_E_CORRUPT);
}

static void what_cannot_come_in_does_not_wait(void **state)
{
    (void)state;
    struct stored s;
    (void)running(&s);
    s.inbox[0].kind = EVENT_TASK_SCHEDULED;
    assert_int_equal(check(&s.image), PD_E_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_core_wrote_is_taken),
        cmocka_unit_test(steps_that_are_there_twice_or_have_no_number_are_refused),
        cmocka_unit_test(one_without_its_start_is_refused),
        cmocka_unit_test(one_that_has_had_turns_and_is_pending_is_refused),
        cmocka_unit_test(what_cannot_come_in_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
