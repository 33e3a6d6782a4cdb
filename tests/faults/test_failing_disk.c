/* SPDX-License-Identifier: MIT
 *
 * The SQLite store on a disk that fails or is full (fault_vfs.h), at each of its operations in
 * turn. The call says PD_E_UNAVAILABLE and that one may try again; what the store then shows is
 * either without the commit or with it; doing it again brings the work to its end; and a crash
 * after that loses nothing. */
#include "work.h"

#include "fault_vfs.h"

static bool fail_at(enum fault_kind kind, uint64_t n, enum fault_kind crash)
{
    struct work work;
    work_begin(&work);
    fault_arm(kind, n, n);
    pd_status status = work_go_on(&work);
    bool has_come = fault_has_come();
    if (status != PD_OK) {
        assert_true(has_come);
        assert_int_equal(status, PD_E_UNAVAILABLE);
        assert_true(work.err.retryable);
        fault_disarm();
        if (work.store == NULL) {
            work_must(&work, work_open(&work));
        }
        work_take_stock(&work);
        work_must(&work, work_go_on(&work));
    }
    work_assert_all_done(&work);
    /* And now the power goes. */
    fault_crash(crash, n);
    work_close(&work);
    fault_settle();
    work_must(&work, work_open(&work));
    work_assert_all_done(&work);
    work_assert_sound(&work);
    work_end(&work);
    return has_come;
}

static void S1_a_failing_disk_is_said_to_be_and_the_store_goes_on(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (n < OPERATIONS_MAX &&
           fail_at(FAULT_IO, n, n % 2 == 0 ? FAULT_CRASH_LOSE : FAULT_CRASH_TEAR)) {
        n++;
    }
    assert_in_range(n, 100, OPERATIONS_MAX - 1);
}

static void S1_a_full_disk_is_said_to_be_and_the_store_goes_on_when_there_is_room(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (n < OPERATIONS_MAX &&
           fail_at(FAULT_FULL, n, n % 2 == 0 ? FAULT_CRASH_LOSE : FAULT_CRASH_TEAR)) {
        n++;
    }
    assert_in_range(n, 50, OPERATIONS_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(S1_a_failing_disk_is_said_to_be_and_the_store_goes_on),
        cmocka_unit_test(S1_a_full_disk_is_said_to_be_and_the_store_goes_on_when_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
