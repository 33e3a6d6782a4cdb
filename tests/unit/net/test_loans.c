/* SPDX-License-Identifier: MIT
 *
 * How loans are counted, at each limit and one past it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/loans.h"

static void what_is_its_own_is_not_lent(void **state)
{
    (void)state;
    struct loans loans;
    struct loan loan = { .due = LOAN_OWN / 2, .calls = LOAN_OWN / 2 };
    loans_init(&loans, 10);
    assert_true(loan_changed(&loans, &loan, 1));
    assert_int_equal(loans.lent, 0);
    loan.calls++;
    assert_true(loan_changed(&loans, &loan, 1));
    assert_int_equal(loans.lent, 1);
    assert_ptr_equal(loans_costliest(&loans, 1), &loan);
    loan.due = 0;
    assert_true(loan_changed(&loans, &loan, 1));
    assert_int_equal(loans.lent, 0);
    assert_true(list_is_empty(&loans.borrowers));
}

static void a_pool_is_empty_one_past_its_end(void **state)
{
    (void)state;
    struct loans loans;
    struct loan one = { .due = LOAN_OWN + 6 }, other = { .due = LOAN_OWN + 4 };
    loans_init(&loans, 10);
    assert_true(loan_changed(&loans, &one, 1));
    assert_true(loan_changed(&loans, &other, 1));
    other.due++;
    assert_false(loan_changed(&loans, &other, 1));
    loan_forgive(&loans, &one);
    assert_int_equal(loans.lent, 5);
    one.due += 100; /* it is on its way out: not counted any more */
    assert_true(loan_changed(&loans, &one, 1));
    assert_int_equal(loans.lent, 5);
}

static void a_stale_loan_costs_more_than_a_large_one(void **state)
{
    (void)state;
    struct loans loans;
    struct loan small = { .due = LOAN_OWN + 1000 }, large = { .due = LOAN_OWN + 8000 };
    loans_init(&loans, 1 << 20);
    (void)loan_changed(&loans, &small, 1);
    assert_true(loan_changed(&loans, &large, 20 * TIME_SECOND));
    assert_ptr_equal(loans_costliest(&loans, 20 * TIME_SECOND), &small);
    /* ... but not when it moves as much as it owes; a byte less does not help it */
    loan_moved(&small, LOAN_OWN + 999, 20 * TIME_SECOND);
    assert_ptr_equal(loans_costliest(&loans, 20 * TIME_SECOND), &small);
    loan_moved(&small, 1, 20 * TIME_SECOND);
    assert_ptr_equal(loans_costliest(&loans, 20 * TIME_SECOND), &large);
}

static void after_a_minute_all_are_stale(void **state)
{
    (void)state;
    struct loans loans;
    struct loan old = { .due = LOAN_OWN + 1000 }, large = { .due = LOAN_OWN + 1001 };
    loans_init(&loans, 1 << 20);
    (void)loan_changed(&loans, &old, 1);
    (void)loan_changed(&loans, &large, 600 * TIME_SECOND);
    assert_ptr_equal(loans_costliest(&loans, 659 * TIME_SECOND), &old);
    assert_ptr_equal(loans_costliest(&loans, 660 * TIME_SECOND), &large);
}

static void calls_that_wait_for_us_do_not_grow_stale(void **state)
{
    (void)state;
    struct loans loans;
    struct loan waits = { .calls = LOAN_OWN + 50000 }, reads_not = { .due = LOAN_OWN + 2000 };
    loans_init(&loans, 1 << 20);
    (void)loan_changed(&loans, &waits, 1);
    (void)loan_changed(&loans, &reads_not, 1);
    assert_ptr_equal(loans_costliest(&loans, 1), &waits);
    assert_ptr_equal(loans_costliest(&loans, 40 * TIME_SECOND), &reads_not);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_its_own_is_not_lent),
        cmocka_unit_test(a_pool_is_empty_one_past_its_end),
        cmocka_unit_test(a_stale_loan_costs_more_than_a_large_one),
        cmocka_unit_test(after_a_minute_all_are_stale),
        cmocka_unit_test(calls_that_wait_for_us_do_not_grow_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
