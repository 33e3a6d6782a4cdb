/* SPDX-License-Identifier: MIT
 *
 * Assertions and magic numbers: what is wrong ends the process, what is right does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/memory.h"
#include "base/object.h"

enum { THING_MAGIC = 0x7468696e, OTHER_MAGIC = 0x6f746872 };

struct thing {
    uint32_t magic;
    int number;
};

struct other {
    uint32_t magic;
};

/* Runs body in a process of its own; true when it was ended by abort. */
static bool aborts(void (*body)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void assert_something_false(void)
{
    assert_that(1 + 1 == 3);
}

static void reach_the_unreachable(void)
{
    unreachable_state("no such way");
}

static void check_null(void)
{
    struct thing *thing = NULL;
    OBJECT_CHECK(thing, THING_MAGIC);
}

static void check_wrong_kind(void)
{
    struct other *other = OBJECT_NEW(struct other, OTHER_MAGIC);
    OBJECT_CHECK(other, THING_MAGIC);
}

static void free_twice_by_magic(void)
{
    /* On memory of our own, so that the second look is defined. */
    static struct thing thing;
    thing.magic = 0;
    struct thing *p = &thing;
    OBJECT_FREE(p, THING_MAGIC);
}

static void exhaust_memory(void)
{
    /* Through an arena: sanitizers end the process their own way when asked for too much. */
    struct arena arena;
    arena_init(&arena);
    volatile size_t too_much = SIZE_MAX - 1;
    arena_alloc(&arena, too_much);
}

static void failed_assertion_aborts(void **state)
{
    (void)state;
    assert_true(aborts(assert_something_false));
    assert_true(aborts(reach_the_unreachable));
}

static void true_assertion_goes_on(void **state)
{
    (void)state;
    assert_that(1 + 1 == 2);
}

static void wrong_objects_abort(void **state)
{
    (void)state;
    assert_true(aborts(check_null));
    assert_true(aborts(check_wrong_kind));
    assert_true(aborts(free_twice_by_magic));
}

static void object_new_is_zeroed_and_wears_its_magic(void **state)
{
    (void)state;
    struct thing *thing = OBJECT_NEW(struct thing, THING_MAGIC);
    assert_int_equal(thing->magic, THING_MAGIC);
    assert_int_equal(thing->number, 0);
    OBJECT_CHECK(thing, THING_MAGIC);
    OBJECT_FREE(thing, THING_MAGIC);
}

static void object_take_empties_the_source(void **state)
{
    (void)state;
    struct thing *source = OBJECT_NEW(struct thing, THING_MAGIC);
    struct thing *first = source;
    struct thing *mine = OBJECT_TAKE(&source, THING_MAGIC);
    assert_null(source);
    assert_ptr_equal(mine, first);
    OBJECT_FREE(mine, THING_MAGIC);
}

static void mem_alloc_is_zeroed_and_mem_grow_zeroes_the_rest(void **state)
{
    (void)state;
    unsigned char *p = mem_alloc(100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(p[i], 0);
        p[i] = 7;
    }
    p = mem_grow(p, 100, 5000);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(p[i], i < 100 ? 7 : 0);
    }
    mem_free(p);
    mem_free(NULL);
}

static void exhausted_memory_ends_the_process(void **state)
{
    (void)state;
    assert_true(aborts(exhaust_memory));
}

static void chosen_allocation_fails_once(void **state)
{
    (void)state;
    mem_fail_at(2);
    void *first = mem_try_alloc(10);
    void *second = mem_try_alloc(10);
    void *third = mem_try_alloc(10);
    void *unchecked = mem_alloc(10);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    assert_non_null(unchecked);
    mem_fail_at(1);
    assert_null(mem_try_grow(first, 10, 20)); /* and first is still ours */
    mem_free(first);
    mem_free(third);
    mem_free(unchecked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_assertion_aborts),
        cmocka_unit_test(true_assertion_goes_on),
        cmocka_unit_test(wrong_objects_abort),
        cmocka_unit_test(object_new_is_zeroed_and_wears_its_magic),
        cmocka_unit_test(object_take_empties_the_source),
        cmocka_unit_test(mem_alloc_is_zeroed_and_mem_grow_zeroes_the_rest),
        cmocka_unit_test(exhausted_memory_ends_the_process),
        cmocka_unit_test(chosen_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
