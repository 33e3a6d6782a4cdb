/* SPDX-License-Identifier: MIT
 *
 * Shelf: see shelf.h. A list through the blocks themselves; the last one given is taken first,
 * while it is still in the cache. */
#include "base/shelf.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/memory.h"

struct shelf_block {
    struct shelf_block *next;
};

static void hide(struct shelf_block *block, size_t size)
{
#if ARENA_ASAN
    __asan_poison_memory_region(block, size);
#else
    (void)block;
    (void)size;
#endif
}

static void show(struct shelf_block *block, size_t size)
{
#if ARENA_ASAN
    __asan_unpoison_memory_region(block, size);
#else
    (void)block;
    (void)size;
#endif
}

void shelf_init(struct shelf *shelf, size_t block_size, size_t most)
{
    assert_that(block_size >= sizeof(struct shelf_block));
    *shelf = (struct shelf){ .block_size = block_size, .most = most };
}

static void *pop(struct shelf *shelf)
{
    struct shelf_block *block = shelf->first;
    show(block, shelf->block_size);
    shelf->first = block->next;
    shelf->count--;
    return block;
}

void shelf_trim(struct shelf *shelf)
{
    while (shelf->first != NULL) {
        mem_free(pop(shelf));
    }
}

void shelf_done(struct shelf *shelf)
{
    shelf_trim(shelf);
}

void *shelf_try_take(struct shelf *shelf, size_t size)
{
    if (size > shelf->block_size) {
        return mem_try_alloc_raw(size);
    }
    if (shelf->first == NULL) {
        return mem_try_alloc_raw(shelf->block_size);
    }
    return mem_fails_now() ? NULL : pop(shelf);
}

void shelf_give(struct shelf *shelf, void *block, size_t size)
{
    if (size > shelf->block_size || shelf->count == shelf->most) {
        mem_free(block);
        return;
    }
    struct shelf_block *kept = block;
    kept->next = shelf->first;
    shelf->first = kept;
    shelf->count++;
    hide(kept, shelf->block_size);
}
