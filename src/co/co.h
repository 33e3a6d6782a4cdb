/* SPDX-License-Identifier: MIT
 *
 * Coroutines: a function that can pause on its own stack.
 *
 *   struct co *co = co_new(pool, run, thing);   nothing has run yet
 *   while (co_resume(co)) { ... }               true: it paused and can go on
 *   co_drop(co);                                wherever it stands; NULL is fine
 *
 * One rule of ownership: each co_new is answered by one co_drop, whether the function has returned,
 * left, is paused, or never started. Dropping runs nothing of the user's: what the function held
 * must belong to someone else (its arena).
 *
 *   C1  A pool and its coroutines belong to the thread that made them. There are no locks.
 *   C2  co_pause and co_leave are called by the running coroutine about itself, from any depth.
 *   C3  A coroutine may resume another one; it does not resume or drop itself.
 *   C4  Below each stack lies a guard: overrunning the stack is a SIGSEGV at an address for which
 *       co_guard_hit is true, never a write into someone else's memory.
 *   C5  Rounding of floating point belongs to the stack. The signal mask belongs to the thread: a
 *       coroutine puts it back before it pauses or ends, as whether a switch does is not said.
 *
 * The address and the thread sanitizer are told of each switch, and Valgrind of each stack.
 */
#ifndef CO_CO_H
#define CO_CO_H

#include <stdbool.h>
#include <stddef.h>

struct co;
struct co_pool;

struct co_pool_options {
    size_t stack_size; /* bytes, rounded up to pages; 0 means LIMIT_STACK_DEFAULT */
    size_t idle_max;   /* stacks kept for reuse; 0 means 64 */
};

/* NULL options mean all defaults. Never NULL. Free it after all its coroutines were dropped. */
struct co_pool *co_pool_new(const struct co_pool_options *options);
void co_pool_free(struct co_pool *pool);

size_t co_pool_stack_size(const struct co_pool *pool);
size_t co_pool_count(const struct co_pool *pool); /* coroutines not dropped yet */
/* It will be resumed soon: a hint, which brings it into the caches; the second time, its stack. */
void co_expect(const struct co *co, bool is_second);

/* Gives stacks kept for reuse back to the system until at most `keep` are left. */
void co_pool_trim(struct co_pool *pool, size_t keep);
size_t co_pool_idle_count(const struct co_pool *pool); /* stacks kept for reuse */

/* NULL when the system gives no more stacks (memory, or its limit on mappings). */
struct co *co_new(struct co_pool *pool, void (*fn)(struct co *co, void *arg), void *arg);

/* Runs it until it pauses (true) or is finished (false). A finished one is not resumed again. */
bool co_resume(struct co *co);

void co_pause(struct co *co);
__attribute__((noreturn)) void co_leave(struct co *co);
void co_drop(struct co *co);

bool co_is_finished(const struct co *co);

/* The one of this pool that runs now; NULL when none does. */
struct co *co_running(const struct co_pool *pool);

/* True when the address lies in the guard of the running coroutine's stack, that is, when it has
 * overrun it. For a SIGSEGV handler on an alternate stack: reads a few fields, calls nothing. */
bool co_guard_hit(const struct co_pool *pool, const void *address);

#endif
