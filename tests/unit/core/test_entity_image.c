/* SPDX-License-Identifier: MIT
 *
 * What a store has of an entity, when the file is damaged: as test_image.c.
 */
/* clang-format off: cmocka needs these four before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "core/entity.h"

static const struct event_extra sender = { .has_parent = true,
                                           .parent_id = TEXT_INIT("o"),
                                           .parent_execution_id = TEXT_INIT("e"),
                                           .lock_set = TEXT_INIT("@a@\n@b@\n"),
                                           .position = 0 };

struct stored {
    struct entity_record record;
    struct event inbox[5];
    uint64_t arrivals[5];
    struct event_extra extra;
    struct entity_image image;
};

/* Locked, with a call and a request in line, an operation of the owner's, and two that wait. */
static struct entity_image *locked(struct stored *s)
{
    *s = (struct stored){
        .record = { .row = 1,
                    .id = TEXT("@a@"),
                    .lock_owner = TEXT("p"),
                    .lock_execution = TEXT("f"),
                    .lock_section = TEXT("s") },
        .inbox = { { .kind = EVENT_ENTITY_CALLED },
                   { .kind = EVENT_LOCK_REQUESTED },
                   { .kind = EVENT_ENTITY_CALLED },
                   { .kind = EVENT_ENTITY_SIGNALED, .fire_at = 5 },
                   { .kind = EVENT_ENTITY_SIGNALED, .fire_at = 5 } },
        .arrivals = { 3, 7, ARRIVAL_OVERTAKES + 1, ARRIVAL_DELAYED + 1, ARRIVAL_DELAYED + 2 },
        .extra = sender,
    };
    for (int i = 0; i < 3; i++) {
        s->inbox[i].extra = &s->extra;
    }
    s->image = (struct entity_image){ &s->record, s->inbox, s->arrivals, 5 };
    return &s->image;
}

static pd_status check(const struct stored *s)
{
    pd_error err;
    return core_check_entity(&s->image, &err);
}

static void what_core_wrote_is_taken(void **state)
{
    (void)state;
    struct stored s;
    (void)locked(&s);
    assert_int_equal(check(&s), PD_OK);
    s.image.inbox_count = 0;
    assert_int_equal(check(&s), PD_OK);
    s.record.lock_owner = s.record.lock_execution = s.record.lock_section = TEXT_ABSENT;
    assert_int_equal(check(&s), PD_OK);
}

static void half_a_lock_is_refused(void **state)
{
    (void)state;
    struct stored s;
    (void)locked(&s);
    s.record.lock_owner = TEXT_ABSENT;
    assert_int_equal(check(&s), PD_E_CORRUPT);
    (void)locked(&s);
    s.record.lock_execution = TEXT_ABSENT;
    assert_int_equal(check(&s), PD_E_CORRUPT);
    (void)locked(&s);
    s.record.lock_section = TEXT_ABSENT;
    assert_int_equal(check(&s), PD_E_CORRUPT);
}

static void what_is_no_id_of_an_entity_is_refused(void **state)
{
    (void)state;
    struct stored s;
    (void)locked(&s);
    s.image.inbox_count = 0;
    s.record.id = TEXT("a");
    assert_int_equal(check(&s), PD_E_CORRUPT);
}

static void numbers_that_do_not_ascend_are_refused(void **state)
{
    (void)state;
    struct stored s;
    (void)locked(&s);
    s.arrivals[1] = 3;
    assert_int_equal(check(&s), PD_E_CORRUPT);
}

static void callers_and_requests_without_a_sender_are_refused(void **state)
{
    (void)state;
    struct stored s;
    for (int i = 0; i < 3; i++) {
        (void)locked(&s);
        s.inbox[i].extra = NULL;
        assert_int_equal(check(&s), PD_E_CORRUPT);
    }
    (void)locked(&s);
    s.extra.has_parent = false;
    assert_int_equal(check(&s), PD_E_CORRUPT);
    (void)locked(&s);
    s.extra.parent_id = TEXT_ABSENT;
    assert_int_equal(check(&s), PD_E_CORRUPT);
    (void)locked(&s);
    s.extra.parent_execution_id = TEXT_ABSENT;
    assert_int_equal(check(&s), PD_E_CORRUPT);
}

static void requests_for_another_entity_are_refused(void **state)
{
    (void)state;
    struct stored s;
    (void)locked(&s);
    s.extra.position = 1;
    assert_int_equal(check(&s), PD_E_CORRUPT);
    s.record.id = TEXT("@b@");
    assert_int_equal(check(&s), PD_OK);
    s.extra.position = 2;
    assert_int_equal(check(&s), PD_E_CORRUPT);
    s.extra.position = -1;
    assert_int_equal(check(&s), PD_E_CORRUPT);
}

static void what_cannot_stand_where_its_number_says_is_refused(void **state)
{
    (void)state;
    struct stored s;
    (void)locked(&s);
    s.inbox[2].kind = EVENT_LOCK_REQUESTED; /* before the line */
    assert_int_equal(check(&s), PD_E_CORRUPT);
    (void)locked(&s);
    s.inbox[3].fire_at = 0; /* waits for no time */
    assert_int_equal(check(&s), PD_E_CORRUPT);
    (void)locked(&s);
    s.inbox[3].kind = EVENT_ENTITY_CALLED;
    assert_int_equal(check(&s), PD_E_CORRUPT);
    (void)locked(&s);
    s.inbox[0].kind = EVENT_EVENT_RAISED;
    assert_int_equal(check(&s), PD_E_CORRUPT);
}

static void two_that_would_have_one_timer_are_refused(void **state)
{
    (void)state;
    struct stored s;
    (void)locked(&s);
    s.arrivals[4] = s.arrivals[3] + INT32_MAX;
    assert_int_equal(check(&s), PD_OK);
    s.arrivals[4]++;
    assert_int_equal(check(&s), PD_E_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_core_wrote_is_taken),
        cmocka_unit_test(half_a_lock_is_refused),
        cmocka_unit_test(what_is_no_id_of_an_entity_is_refused),
        cmocka_unit_test(numbers_that_do_not_ascend_are_refused),
        cmocka_unit_test(callers_and_requests_without_a_sender_are_refused),
        cmocka_unit_test(requests_for_another_entity_are_refused),
        cmocka_unit_test(what_cannot_stand_where_its_number_says_is_refused),
        cmocka_unit_test(two_that_would_have_one_timer_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
