/* SPDX-License-Identifier: MIT
 *
 * Assertions: what must hold, checked in every build.
 *
 * A failed assertion is our bug, never the caller's mistake and never the world's failure: those
 * return a pd_status. The report names the expression, the file, the line and the function, and
 * ends the process, because going on with broken state would write it to the store.
 *
 * There is no "release without asserts": what runs in production is what was tested. A check too
 * dear for that belongs in a test. (Not <assert.h>, whose assert vanishes under NDEBUG.)
 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/* The expression must not have effects that anything else relies on. */
#define assert_that(x) \
    (__builtin_expect(!(x), 0) ? assert_failed(#x, __FILE__, __LINE__, __func__) : (void)0)

/* Marks a place that cannot be reached, such as the end of a switch over every value. */
#define unreachable_state(message) \
    assert_failed("unreachable: " message, __FILE__, __LINE__, __func__)

__attribute__((noreturn, cold)) void assert_failed(const char *what, const char *file, int line,
                                                   const char *function);

#endif
