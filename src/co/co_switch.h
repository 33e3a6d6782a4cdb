/* SPDX-License-Identifier: MIT
 *
 * The switch: this stack stops, another one goes on. Private to co, which says when.
 *
 * There are two ways, chosen when compiling:
 *
 *   ours      x86-64 and aarch64, ELF: a few lines of assembly in co_switch.c
 *   ucontext  everything else, and wherever CO_UCONTEXT is defined: swapcontext, at the price of a
 *             system call for the signal mask each time
 *
 * A point is where a stopped stack goes on: an address on that stack at which lies what the way in
 * use needs to know. It is good for one switch.
 *
 *   S1  A switch keeps what a call keeps, no more: the registers that a called function preserves,
 *       among them the control bits of the floating point unit (rounding). The sticky flags of
 *       floating point and the signal mask are nobody's business: see C5 in co.h.
 *   S2  An unwinder that starts on a coroutine's stack ends there, at its first function: no
 *       return address and no frame pointer lead off it.
 *   S3  With shadow stacks (CET on x86-64, GCS on aarch64) a return must match its call, and ours
 *       does not. We do not turn them on. Code compiled for them gets ucontext, which leaves both
 *       stacks to the C library; other code is not marked for them, so they stay off at run time.
 *   S4  The switch is not instrumented, or is inlined in what switches: the thread sanitizer counts
 *       calls and returns per stack, and a call that returns on another one would not add up.
 */
#ifndef CO_CO_SWITCH_H
#define CO_CO_SWITCH_H

#include <stddef.h>

#if defined(__CET__)
#define CO_SHADOW_STACK ((__CET__ & 2) != 0)
#elif defined(__ARM_FEATURE_GCS_DEFAULT)
#define CO_SHADOW_STACK 1
#else
#define CO_SHADOW_STACK 0
#endif

#if !defined(CO_UCONTEXT) && !CO_SHADOW_STACK && defined(__ELF__) && defined(__LP64__) && \
    (defined(__x86_64__) || defined(__aarch64__))
#define CO_SWITCH_OURS 1
#else
#define CO_SWITCH_OURS 0
#endif

/* Functions that switch keep their locals on the real stack: the address sanitizer may move locals
 * to a fake one, which is gone after the last switch. */
#define CO_REAL_STACK __attribute__((no_sanitize_address))
#define CO_INLINE CO_REAL_STACK static inline __attribute__((always_inline))

struct co_point;

/* Where a stack that nothing has used yet begins: with entry(arg), which never returns. */
struct co_point *co_point_new(void *low, size_t size, void (*entry)(void *arg), void *arg);

#if CO_SWITCH_OURS

/* Goes on at `to`. Returns when somebody switches to what is now in *from. */
void co_switch(struct co_point **from, struct co_point *to);

#else

#include <ucontext.h>

#include "base/assert.h"

CO_INLINE void co_switch(struct co_point **from, struct co_point *to)
{
    ucontext_t here;
    *from = (struct co_point *)&here;
    int failed = swapcontext(&here, (const ucontext_t *)to);
    assert_that(failed == 0);
}

#endif
#endif
