/* SPDX-License-Identifier: MIT
 *
 * Heap: a priority queue, the smallest key first.
 *
 * Made for due times: key is when, order breaks ties (give it a rising number and things due
 * together come out in the order they were set), a and b are the caller's. Two items with the same
 * key and order come out in no promised order. There is no removal from the middle: leave the item
 * in and recognise it as stale when it comes out.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_item {
    int64_t key;
    uint64_t order;
    uint64_t a, b;
};

struct heap {
    struct heap_item *items;
    size_t count;
    size_t room;
};

static inline void heap_init(struct heap *heap)
{
    *heap = (struct heap){ 0 };
}

void heap_done(struct heap *heap);
void heap_push(struct heap *heap, struct heap_item item);
bool heap_pop(struct heap *heap, struct heap_item *ret); /* false when empty */

/* The first; NULL when empty; borrowed until the next push or pop. */
static inline const struct heap_item *heap_peek(const struct heap *heap)
{
    return heap->count != 0 ? &heap->items[0] : NULL;
}

static inline size_t heap_count(const struct heap *heap)
{
    return heap->count;
}

#endif
