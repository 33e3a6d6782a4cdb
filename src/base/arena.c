/* SPDX-License-Identifier: MIT
 *
 * The part of the arena that is not a bump of a pointer: blocks, deferred releases, texts.
 *
 * Two lists of blocks: ordinary ones, of which only the newest is bumped, and big ones, which hold
 * a single piece each and never become current. A block's head is 16 bytes, so what follows it is
 * aligned as malloc aligns.
 */
#include "base/arena.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/memory.h"

struct arena_block {
    struct arena_block *next;
    size_t size; /* head included */
};

struct arena_deferred {
    struct arena_deferred *next;
    void (*release)(void *);
    void *thing;
};

_Static_assert(sizeof(struct arena_block) % ARENA_ALIGN == 0, "pieces of a block are aligned");
_Static_assert(_Alignof(max_align_t) <= ARENA_ALIGN, "any type may live in an arena");

/* What lies behind a piece; see the same in arena_alloc_raw. */
#if ARENA_ASAN
enum { GAP = ARENA_ALIGN };
#else
enum { GAP = 0 };
#endif

static void hide(void *p, size_t size)
{
#if ARENA_ASAN
    __asan_poison_memory_region(p, size);
#else
    (void)p;
    (void)size;
#endif
}

static void show(void *p, size_t size)
{
#if ARENA_ASAN
    __asan_unpoison_memory_region(p, size);
#else
    (void)p;
    (void)size;
#endif
}

static void set_current(struct arena *arena, struct arena_block *block)
{
    arena->at = (uint8_t *)(block + 1);
    arena->room = block->size - sizeof *block;
    hide(arena->at, arena->room);
}

static void free_blocks(struct arena *arena, struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;
        arena->held -= block->size;
        show(block, block->size);
        mem_free(block);
        block = next;
    }
}

/* A piece from a new block, not zeroed; NULL when there is no memory and checked says that this
 * may be. The size fits in memory: no overflow is possible here. */
static void *take_block(struct arena *arena, size_t size, bool checked)
{
    size_t need =
        sizeof(struct arena_block) + ((size + GAP + ARENA_ALIGN) & ~(size_t)(ARENA_ALIGN - 1));
    bool is_big = size > ARENA_BLOCK_MAX / 4;
    size_t ordinary = arena->block_next != 0 ? arena->block_next : ARENA_BLOCK_MIN;
    while (!is_big && ordinary < need) {
        ordinary *= 2;
    }

    if (!is_big && arena->spare != NULL && arena->spare->size >= need) {
        struct arena_block *spare = arena->spare;
        arena->spare = spare->next;
        spare->next = arena->blocks;
        arena->blocks = spare;
        set_current(arena, spare);
        return arena_alloc_raw(arena, size);
    }
    size_t block_size = is_big ? need : ordinary;
    struct arena_block *block = checked ? mem_try_alloc_raw(block_size) : mem_alloc_raw(block_size);
    if (block == NULL) {
        return NULL;
    }
    block->size = block_size;
    arena->held += block_size;
    if (is_big) {
        block->next = arena->big;
        arena->big = block;
        hide((uint8_t *)(block + 1) + size, block_size - sizeof *block - size);
        return block + 1;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    arena->block_next = ordinary < ARENA_BLOCK_MAX ? ordinary * 2 : ARENA_BLOCK_MAX;
    set_current(arena, block);
    return arena_alloc_raw(arena, size);
}

static bool is_absurd(size_t size)
{
    return size > SIZE_MAX / 2;
}

void arena_lend(struct arena *arena, void *bytes, size_t size)
{
    assert_that(arena->held == 0 && arena->deferred == NULL);
    arena->at = bytes;
    arena->room = size & ~(size_t)(ARENA_ALIGN - 1);
}

void *arena_alloc_slow(struct arena *arena, size_t size)
{
    if (is_absurd(size)) {
        mem_exhausted(size);
        unreachable_state("mem_exhausted does not return");
    }
    return take_block(arena, size, false);
}

void *arena_try_alloc(struct arena *arena, size_t size)
{
    if (is_absurd(size)) {
        return NULL;
    }
    void *p;
    if ((size != 0 ? size : 1) + GAP <= arena->room) {
        p = mem_fails_now() ? NULL : arena_alloc_raw(arena, size);
    } else {
        p = take_block(arena, size, true); /* counts as a checked allocation itself */
    }
    return p != NULL ? memset(p, 0, size) : NULL;
}

void arena_defer(struct arena *arena, void (*release)(void *), void *thing)
{
    struct arena_deferred *deferred = arena_alloc_raw(arena, sizeof *deferred);
    *deferred = (struct arena_deferred){ arena->deferred, release, thing };
    arena->deferred = deferred;
}

static void release_deferred(struct arena *arena)
{
    /* One by one from the head: a release may itself defer something. */
    while (arena->deferred != NULL) {
        struct arena_deferred *deferred = arena->deferred;
        arena->deferred = deferred->next;
        deferred->release(deferred->thing);
    }
}

void arena_rewind(struct arena *arena)
{
    release_deferred(arena);
    free_blocks(arena, arena->big);
    arena->big = NULL;
    if (arena->blocks != NULL) {
        /* The newest is the largest: it is the current one again, and the others follow it. */
        struct arena_block *last = arena->blocks;
        while (last->next != NULL) {
            last = last->next;
        }
        last->next = arena->spare;
        arena->spare = arena->blocks->next;
        arena->blocks->next = NULL;
        set_current(arena, arena->blocks);
    }
}

void arena_reset(struct arena *arena)
{
    release_deferred(arena);
    free_blocks(arena, arena->big);
    free_blocks(arena, arena->spare);
    arena->big = NULL;
    arena->spare = NULL;
    if (arena->blocks != NULL) {
        /* Blocks only grow, so the newest is the largest. */
        free_blocks(arena, arena->blocks->next);
        arena->blocks->next = NULL;
        set_current(arena, arena->blocks);
    }
}

void arena_done(struct arena *arena)
{
    release_deferred(arena);
    free_blocks(arena, arena->big);
    free_blocks(arena, arena->spare);
    free_blocks(arena, arena->blocks);
    assert_that(arena->held == 0);
    arena_init(arena);
}

char *arena_copy(struct arena *arena, const void *bytes, size_t size)
{
    assert_that(size < SIZE_MAX);
    char *copy = arena_alloc_raw(arena, size + 1);
    if (size != 0) {
        memcpy(copy, bytes, size);
    }
    copy[size] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
    char first[256];
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(first, sizeof first, format, arguments);
    assert_that(length >= 0);
    char *text;
    if ((size_t)length < sizeof first) {
        text = arena_copy(arena, first, (size_t)length);
    } else {
        text = arena_alloc_raw(arena, (size_t)length + 1);
        vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    return text;
}
