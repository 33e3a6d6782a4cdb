/* SPDX-License-Identifier: MIT
 *
 * The heap. calloc gives zeroed memory more cheaply than malloc and memset for large sizes, so
 * everything comes zeroed and nobody has to ask; but for the blocks of arenas, which are large,
 * come and go all the time, and zero what they hand out.
 */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>

#include "base/assert.h"

/* Checked allocations until one fails; 0: none will. Relaxed: tests set it before they allocate. */
static atomic_size_t fail_countdown;

static void end_process(size_t size)
{
    fprintf(stderr, "perdure: out of memory: %zu bytes cannot be had\n", size);
    abort();
}

void (*mem_exhausted)(size_t size) = end_process;

static void *or_exhausted(void *p, size_t size)
{
    if (__builtin_expect(p == NULL, 0)) {
        mem_exhausted(size);
        unreachable_state("mem_exhausted does not return");
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return or_exhausted(calloc(1, size != 0 ? size : 1), size);
}

void *mem_try_alloc(size_t size)
{
    if (mem_fails_now()) {
        return NULL;
    }
    return calloc(1, size != 0 ? size : 1);
}

void *mem_alloc_raw(size_t size)
{
    return or_exhausted(malloc(size != 0 ? size : 1), size);
}

void *mem_try_alloc_raw(size_t size)
{
    return mem_fails_now() ? NULL : malloc(size != 0 ? size : 1);
}

static void *grow(void *p, size_t old_size, size_t new_size)
{
    char *q = realloc(p, new_size != 0 ? new_size : 1);
    if (q != NULL && new_size > old_size) {
        memset(q + old_size, 0, new_size - old_size);
    }
    return q;
}

void *mem_grow(void *p, size_t old_size, size_t new_size)
{
    return or_exhausted(grow(p, old_size, new_size), new_size);
}

void *mem_try_grow(void *p, size_t old_size, size_t new_size)
{
    if (mem_fails_now()) {
        return NULL;
    }
    return grow(p, old_size, new_size);
}

void mem_free(void *p)
{
    free(p);
}

void mem_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

void mem_fail_at(size_t n)
{
    atomic_store_explicit(&fail_countdown, n, memory_order_relaxed);
}

bool mem_fails_now(void)
{
    size_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (left != 0) {
        if (atomic_compare_exchange_weak_explicit(&fail_countdown, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return left == 1;
        }
    }
    return false;
}
