/* SPDX-License-Identifier: MIT
 *
 * Coroutines: stacks, their pool, and who must be told when the stack changes.
 *
 * One mapping per coroutine, from low to high:
 *
 *   guard (no access) | stack, growing down | struct co
 *
 * The struct lies at the high end of its own stack, in a page the first call touches anyway, so a
 * coroutine costs one page until it needs more. A stack given back is kept with its mapping; the
 * last one given back is handed out first, while its page is still in the cache.
 *
 * The switch itself is in co_switch.h and knows nothing of this.
 *
 *   I1  pool->running is the innermost coroutine that was resumed; its `resumer` is the one below.
 *   I2  A coroutine is NEW, PAUSED, RUNNING or FINISHED; only NEW and PAUSED ones are resumed, only
 *       RUNNING ones pause, and a RUNNING one is not dropped.
 */
#include "co/co.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/object.h"
#include "co/co_switch.h"

#if defined(__SANITIZE_ADDRESS__)
#define CO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CO_ASAN 1
#endif
#endif
#ifndef CO_ASAN
#define CO_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define CO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CO_TSAN 1
#endif
#endif
#ifndef CO_TSAN
#define CO_TSAN 0
#endif

#if CO_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if CO_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0u
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#define VALGRIND_MAKE_MEM_UNDEFINED(at, size) (void)(at)
#endif

enum {
    CO_MAGIC = 0x636f5f5f,
    POOL_MAGIC = 0x636f706f,
    IDLE_MAX_DEFAULT = 64,
    /* Wider than a page, so that a function with a large frame does not step over it. Costs
     * addresses, not memory. */
    GUARD_SIZE = 64 * 1024,
};

enum co_state { CO_NEW, CO_PAUSED, CO_RUNNING, CO_FINISHED };

struct co {
    uint32_t magic;
    enum co_state state;
    struct co_pool *pool;
    struct co *resumer;   /* the coroutine that resumed this one; NULL: the thread's own stack */
    struct co *idle_next; /* in the pool's idle list */
    void (*fn)(struct co *co, void *arg);
    void *arg;
    struct co_point *here; /* where it goes on; on its own stack */
    struct co_point *back; /* where its resumer goes on; on the resumer's stack */
    char *stack;
    unsigned valgrind_id;
    bool is_leaving; /* being dropped under the address sanitizer: see end_fake_stack */
    const void *back_stack;
    size_t back_stack_size;
    void *fiber;
    void *back_fiber;
};

struct co_pool {
    uint32_t magic;
    size_t stack_size; /* struct co included */
    size_t idle_max;
    size_t count;
    size_t idle_count;
    struct co *idle;
    struct co *running;
};

/* ---- telling tools ---- */

static size_t usable_size(const struct co *co)
{
    return (size_t)((const char *)co - co->stack);
}

/* Before a switch. stack and size: where it goes. keep: somewhere on our own stack, or NULL when
 * this stack is left for good. Inlined, as the thread sanitizer follows calls and returns per
 * fiber: the function that changes the fiber must be the one that switches. */
CO_INLINE void tell_leaving(void **keep, const void *stack, size_t size, void *fiber)
{
#if CO_ASAN
    __sanitizer_start_switch_fiber(keep, stack, size);
#else
    (void)keep;
    (void)stack;
    (void)size;
#endif
#if CO_TSAN
    __tsan_switch_to_fiber(fiber, 0);
#else
    (void)fiber;
#endif
}

/* After a switch, on the new stack. from and size: where it came from. */
CO_INLINE void tell_arrived(void *keep, const void **from, size_t *size)
{
#if CO_ASAN
    __sanitizer_finish_switch_fiber(keep, from, size);
#else
    (void)keep;
    (void)from;
    (void)size;
#endif
}

static void tell_begin(struct co *co)
{
#if CO_ASAN
    /* Whoever had this stack before left it in the middle of functions, with their red zones. */
    __asan_unpoison_memory_region(co->stack, usable_size(co));
#endif
#if CO_TSAN
    co->fiber = __tsan_create_fiber(0);
#endif
    VALGRIND_MAKE_MEM_UNDEFINED(co->stack, usable_size(co));
}

static void tell_end(struct co *co)
{
#if CO_TSAN
    __tsan_destroy_fiber(co->fiber);
#endif
    co->fiber = NULL;
}

/* ---- stacks ---- */

/* A stack fresh from the system, or NULL. */
static struct co *stack_map(const struct co_pool *pool)
{
    size_t size = GUARD_SIZE + pool->stack_size;
    char *low =
        mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (low == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(low + GUARD_SIZE, pool->stack_size, PROT_READ | PROT_WRITE) != 0) {
        munmap(low, size);
        return NULL;
    }
    size_t head = (sizeof(struct co) + 63) & ~(size_t)63;
    struct co *co = (struct co *)(void *)(low + size - head);
    co->stack = low + GUARD_SIZE;
    co->valgrind_id = VALGRIND_STACK_REGISTER(co->stack, (char *)co);
#if CO_ASAN
    __lsan_register_root_region(co->stack, pool->stack_size); /* what locals point to is not lost */
#endif
    return co;
}

static void stack_unmap(const struct co_pool *pool, struct co *co)
{
    VALGRIND_STACK_DEREGISTER(co->valgrind_id);
#if CO_ASAN
    __lsan_unregister_root_region(co->stack, pool->stack_size);
#endif
    munmap(co->stack - GUARD_SIZE, GUARD_SIZE + pool->stack_size);
}

/* ---- the pool ---- */

struct co_pool *co_pool_new(const struct co_pool_options *options)
{
    const struct co_pool_options defaults = { 0 };
    const struct co_pool_options *o = options != NULL ? options : &defaults;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t stack_size = o->stack_size != 0 ? o->stack_size : LIMIT_STACK_DEFAULT;
    assert_that(stack_size >= LIMIT_STACK_MIN && stack_size <= SIZE_MAX / 4);
    assert_that(GUARD_SIZE % page == 0);

    struct co_pool *pool = OBJECT_NEW(struct co_pool, POOL_MAGIC);
    pool->stack_size = (stack_size + page - 1) / page * page;
    pool->idle_max = o->idle_max != 0 ? o->idle_max : IDLE_MAX_DEFAULT;
    return pool;
}

void co_expect(const struct co *co, bool is_second)
{
    const char *at = is_second ? (const char *)co->here : (const char *)co;
    for (size_t line = 0; line < 512; line += 64) {
        if (!is_second && line >= sizeof *co) {
            break;
        }
        __builtin_prefetch(at + line);
    }
}

void co_pool_trim(struct co_pool *pool, size_t keep)
{
    OBJECT_CHECK(pool, POOL_MAGIC);
    while (pool->idle_count > keep) {
        struct co *co = pool->idle;
        pool->idle = co->idle_next;
        pool->idle_count--;
        stack_unmap(pool, co);
    }
}

void co_pool_free(struct co_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    OBJECT_CHECK(pool, POOL_MAGIC);
    assert_that(pool->count == 0);
    co_pool_trim(pool, 0);
    OBJECT_FREE(pool, POOL_MAGIC);
}

size_t co_pool_stack_size(const struct co_pool *pool)
{
    OBJECT_CHECK(pool, POOL_MAGIC);
    return pool->stack_size;
}

size_t co_pool_count(const struct co_pool *pool)
{
    OBJECT_CHECK(pool, POOL_MAGIC);
    return pool->count;
}

size_t co_pool_idle_count(const struct co_pool *pool)
{
    OBJECT_CHECK(pool, POOL_MAGIC);
    return pool->idle_count;
}

struct co *co_running(const struct co_pool *pool)
{
    OBJECT_CHECK(pool, POOL_MAGIC);
    return pool->running;
}

bool co_guard_hit(const struct co_pool *pool, const void *address)
{
    const struct co *co = pool->running;
    if (co == NULL) {
        return false;
    }
    uintptr_t at = (uintptr_t)address;
    uintptr_t stack = (uintptr_t)co->stack;
    return at < stack && at >= stack - GUARD_SIZE;
}

/* ---- coroutines ---- */

/* From the coroutine to its resumer. is_last: it will not be switched to again. */
CO_REAL_STACK static void switch_back(struct co *co, bool is_last)
{
    void *keep = NULL;
    tell_leaving(is_last ? NULL : &keep, co->back_stack, co->back_stack_size, co->back_fiber);
    co_switch(&co->here, co->back);
    tell_arrived(keep, &co->back_stack, &co->back_stack_size);
}

CO_REAL_STACK __attribute__((noreturn)) static void finish(struct co *co)
{
    co->state = CO_FINISHED;
    switch_back(co, true);
    unreachable_state("a finished coroutine is not resumed");
}

CO_REAL_STACK static void entry(void *arg)
{
    struct co *co = arg;
    tell_arrived(NULL, &co->back_stack, &co->back_stack_size);
    if (!co->is_leaving) {
        co->fn(co, co->arg);
    }
    finish(co);
}

CO_REAL_STACK static void switch_to(struct co *co)
{
    void *keep = NULL;
    if (co->state == CO_NEW) {
        co->here = co_point_new(co->stack, usable_size(co), entry, co);
    }
#if CO_TSAN
    co->back_fiber = __tsan_get_current_fiber();
#endif
    co->state = CO_RUNNING;
    tell_leaving(&keep, co->stack, usable_size(co), co->fiber);
    co_switch(&co->back, co->here);
    tell_arrived(keep, NULL, NULL);
}

struct co *co_new(struct co_pool *pool, void (*fn)(struct co *co, void *arg), void *arg)
{
    OBJECT_CHECK(pool, POOL_MAGIC);
    assert_that(fn != NULL);
    struct co *co = pool->idle;
    if (co != NULL) {
        pool->idle = co->idle_next;
        pool->idle_count--;
    } else {
        co = stack_map(pool);
        if (co == NULL) {
            return NULL;
        }
    }
    *co = (struct co){
        .magic = CO_MAGIC,
        .state = CO_NEW,
        .pool = pool,
        .fn = fn,
        .arg = arg,
        .stack = co->stack,
        .valgrind_id = co->valgrind_id,
    };
    tell_begin(co);
    pool->count++;
    return co;
}

bool co_resume(struct co *co)
{
    OBJECT_CHECK(co, CO_MAGIC);
    assert_that(co->state == CO_NEW || co->state == CO_PAUSED);
    struct co_pool *pool = co->pool;
    co->resumer = pool->running;
    pool->running = co;
    switch_to(co);
    assert_that(pool->running == co);
    pool->running = co->resumer;
    return co->state == CO_PAUSED;
}

void co_pause(struct co *co)
{
    OBJECT_CHECK(co, CO_MAGIC);
    assert_that(co->state == CO_RUNNING && co->pool->running == co);
    co->state = CO_PAUSED;
    switch_back(co, false);
    if (co->is_leaving) {
        finish(co);
    }
}

void co_leave(struct co *co)
{
    OBJECT_CHECK(co, CO_MAGIC);
    assert_that(co->state == CO_RUNNING && co->pool->running == co);
    finish(co);
}

bool co_is_finished(const struct co *co)
{
    OBJECT_CHECK(co, CO_MAGIC);
    return co->state == CO_FINISHED;
}

/* The address sanitizer keeps locals of a paused stack beside it (detect_stack_use_after_return),
 * and only that stack itself can give them up: it is resumed once more, to leave at once. Nothing
 * of the user's runs. Elsewhere dropping needs no switch. */
static void end_fake_stack(struct co *co)
{
#if CO_ASAN
    if (co->state != CO_FINISHED) {
        co->is_leaving = true;
        switch_to(co);
    }
#endif
    assert_that(co->state != CO_RUNNING);
}

void co_drop(struct co *co)
{
    if (co == NULL) {
        return;
    }
    OBJECT_CHECK(co, CO_MAGIC);
    assert_that(co->state != CO_RUNNING);
    struct co_pool *pool = co->pool;
    end_fake_stack(co);
    tell_end(co);
    co->magic = ~(uint32_t)CO_MAGIC;
    pool->count--;
    if (pool->idle_count < pool->idle_max) {
        co->idle_next = pool->idle;
        pool->idle = co;
        pool->idle_count++;
    } else {
        stack_unmap(pool, co);
    }
}
