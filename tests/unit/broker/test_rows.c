/* SPDX-License-Identifier: MIT
 *
 * What is kept of instances between turns, and what goes when it is too much (rows.c). */
#include <stdlib.h>
#include <unistd.h>

#include "desk.h"

#include "base/memory.h"
#include "broker/broker_priv.h"

enum { MANY = 200000 };

static struct side side;

static struct row *make(uint64_t number, bool is_open)
{
    struct row *row = row_get(&side, number, 0);
    if (is_open) {
        atomic_fetch_add(&row->refs, 1); /* its item has it */
    }
    row_used(&side, row);
    return row;
}

static void keep_past(struct row *row)
{
    static char bytes[1000];
    row->keeps = true;
    row_append(&side, row, 1, text_make(bytes, sizeof bytes));
}

/* A hundred thousand million steps, were they all looked at each time. */
static void a_row_more_costs_the_same_however_many_are_open(void **state)
{
    (void)state;
    struct row **rows = mem_alloc(MANY * sizeof(struct row *));
    side_init(&side, NULL, 1);
    alarm(30);
    for (size_t i = 0; i < MANY; i++) {
        rows[i] = make(i + 1, true);
    }
    alarm(0);
    assert_int_equal(map64_count(&side.rows), MANY); /* an open one stays */
    for (size_t i = 0; i < MANY; i++) {
        row_unref(rows[i]);
    }
    for (size_t i = 0; i < MANY; i++) { /* and all go when they are not open any more */
        (void)make(1, false);
    }
    assert_int_equal(map64_count(&side.rows), 1);
    side_done(&side);
    mem_free(rows);
}

static void the_one_that_was_used_longest_ago_goes_first(void **state)
{
    (void)state;
    side_init(&side, NULL, 10000);
    for (uint64_t i = 1; i <= 6; i++) {
        keep_past(make(i, false));
    }
    (void)make(1, false); /* is used again */
    for (uint64_t i = 7; i <= 8; i++) {
        keep_past(make(i, false));
    }
    (void)make(8, false);
    assert_non_null(row_find(&side, 1));
    assert_null(row_find(&side, 2));
    assert_non_null(row_find(&side, 8));
    assert_true(side.bytes <= side.bytes_max);
    side_done(&side);
}

static void of_an_open_one_only_the_past_goes(void **state)
{
    (void)state;
    side_init(&side, NULL, 1);
    struct row *row = make(1, true);
    keep_past(row);
    assert_true(row_has_past(row, 2));
    (void)make(2, false);
    assert_ptr_equal(row_find(&side, 1), row);
    assert_false(row_has_past(row, 2));
    row_unref(row);
    side_done(&side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_more_costs_the_same_however_many_are_open),
        cmocka_unit_test(the_one_that_was_used_longest_ago_goes_first),
        cmocka_unit_test(of_an_open_one_only_the_past_goes),
    };
    return cmocka_run_group_tests_name("broker/rows", tests, NULL, NULL);
}
