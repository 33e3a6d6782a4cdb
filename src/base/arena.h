/* SPDX-License-Identifier: MIT
 *
 * Arena: memory that goes away together.
 *
 * A turn, an orchestration in memory, an activity run, a request: each has one arena, takes what
 * it needs, and lets go of everything at once. Pieces are not freed singly. What is not memory (a
 * file, a mutex, a heap buffer) is handed to arena_defer and released by the same reset.
 *
 *   I1  Pieces are 16-aligned and stay where they are until reset.
 *   I2  Blocks grow from 1 KiB by doubling up to 64 KiB; what is larger than a quarter of that
 *       gets a block of its own, so little is wasted.
 *   I3  Reset keeps one block, the largest ordinary one: a loop that resets its arena each round
 *       does not reach the heap once it has warmed up.
 *   I4  Deferred releases run in reverse order, before any memory goes.
 *
 * An arena costs nothing until first used, holds no lock, and belongs to one thread at a time. It
 * may be moved (by assignment) only while empty. Under the address sanitizer everything not handed
 * out is poisoned, with a gap after each piece, so an overrun is reported where it happens.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifndef ARENA_ASAN
#define ARENA_ASAN 0
#endif
#if ARENA_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum { ARENA_ALIGN = 16, ARENA_BLOCK_MIN = 1024, ARENA_BLOCK_MAX = 65536 };

struct arena_block;
struct arena_deferred;

struct arena {
    uint8_t *at;                /* the next free byte of the current block, 16-aligned */
    size_t room;                /* bytes left there, a multiple of 16 */
    struct arena_block *blocks; /* newest first; the current one is the first */
    struct arena_block *big;    /* blocks that hold one large piece each */
    struct arena_block *spare;  /* ordinary ones kept by a rewind, to be current again */
    struct arena_deferred *deferred;
    size_t block_next; /* size of the next ordinary block; 0 means the smallest */
    size_t held;
};

static inline void arena_init(struct arena *arena)
{
    *arena = (struct arena){ 0 };
}

/* The arena, which is empty, hands out these bytes first: 16-aligned, and the caller's before and
 * after. A reset does not use them again. */
void arena_lend(struct arena *arena, void *bytes, size_t size);

void arena_reset(struct arena *arena); /* releases everything; ready again */

/* Likewise, but keeps all ordinary blocks, however many: for what fills as much each time. */
void arena_rewind(struct arena *arena);

void arena_done(struct arena *arena); /* releases everything; may be initialised again */

/* Bytes held from the heap, used or not. */
static inline size_t arena_size(const struct arena *arena)
{
    return arena->held;
}

/* Runs release(thing) at reset or done, after everything deferred later. */
void arena_defer(struct arena *arena, void (*release)(void *), void *thing);

/* Takes from a new block what the current one has no room for. */
__attribute__((cold, noinline)) void *arena_alloc_slow(struct arena *arena, size_t size);

/* Not zeroed; never NULL, also for size 0. */
static inline void *arena_alloc_raw(struct arena *arena, size_t size)
{
    size_t want = size != 0 ? size : 1;
#if ARENA_ASAN
    want = want < SIZE_MAX - ARENA_ALIGN ? want + ARENA_ALIGN : want; /* the gap */
#endif
    if (__builtin_expect(want > arena->room, 0)) {
        return arena_alloc_slow(arena, size);
    }
    /* room is a multiple of 16, so the rounded size fits as well and cannot overflow. */
    size_t take = (want + (ARENA_ALIGN - 1)) & ~(size_t)(ARENA_ALIGN - 1);
    void *p = arena->at;
    arena->at += take;
    arena->room -= take;
#if ARENA_ASAN
    __asan_unpoison_memory_region(p, size);
#endif
    return p;
}

/* Zeroed; never NULL, also for size 0. */
static inline void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc_raw(arena, size), 0, size);
}

/* Zeroed, or NULL when there is no memory: for sizes that come from outside. */
void *arena_try_alloc(struct arena *arena, size_t size);

/* A copy of size bytes, and a NUL after them. */
char *arena_copy(struct arena *arena, const void *bytes, size_t size);

__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *arena, const char *format,
                                                         ...);
__attribute__((format(printf, 2, 0))) char *arena_vprintf(struct arena *arena, const char *format,
                                                          va_list arguments);

#endif
