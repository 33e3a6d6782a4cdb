/* SPDX-License-Identifier: MIT
 *
 * Memory from the heap, in two kinds.
 *
 *   mem_alloc, mem_grow   sizes we choose ourselves: small, bounded by our own code. They never
 *                         answer NULL; when the system has no more, mem_exhausted is called, which
 *                         ends the process unless replaced, and in no case returns.
 *   mem_try_alloc         sizes that come from outside (payloads, pages, names). Check the size
 *                         against base/limits.h first; NULL means PD_E_NOMEM.
 *
 * Everything comes zeroed. Everything goes back with mem_free; NULL is fine there.
 *
 * Tests make the n-th checked allocation fail with mem_fail_at, so that each failure path can be
 * walked one after another. All calls may be made from any thread.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Called with the size that could not be had; must not return. Set it before threads start. */
extern void (*mem_exhausted)(size_t size);

__attribute__((malloc, alloc_size(1), returns_nonnull)) void *mem_alloc(size_t size);
__attribute__((malloc, alloc_size(1))) void *mem_try_alloc(size_t size);

/* Likewise, not zeroed: for large blocks that are about to be written. */
__attribute__((malloc, alloc_size(1), returns_nonnull)) void *mem_alloc_raw(size_t size);
__attribute__((malloc, alloc_size(1))) void *mem_try_alloc_raw(size_t size);
void mem_free(void *p);

/* Gives free memory back to the system, where the C library can. Takes milliseconds. */
void mem_trim(void);

/* Makes p (NULL: nothing yet) new_size bytes large; what lies beyond old_size is zero. */
__attribute__((alloc_size(3), returns_nonnull)) void *mem_grow(void *p, size_t old_size,
                                                               size_t new_size);
/* Likewise, or NULL, in which case p is as it was. */
__attribute__((alloc_size(3))) void *mem_try_grow(void *p, size_t old_size, size_t new_size);

/* The n-th checked allocation from now fails, once (1: the next one); 0 ends that. For tests. */
void mem_fail_at(size_t n);

/* True when the checked allocation being made now was chosen to fail. Counts it. For allocators
 * built on top, like the arena, whose calls rarely reach the heap. */
bool mem_fails_now(void);

#endif
