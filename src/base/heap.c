/* SPDX-License-Identifier: MIT
 *
 * Heap: a binary heap in one array. The child of i are 2i+1 and 2i+2; no child comes before its
 * parent. Items are moved into a hole rather than swapped, which halves the copying.
 */
#include "base/heap.h"

#include "base/memory.h"

static bool comes_before(const struct heap_item *a, const struct heap_item *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

void heap_done(struct heap *heap)
{
    mem_free(heap->items);
    heap_init(heap);
}

void heap_push(struct heap *heap, struct heap_item item)
{
    if (heap->count == heap->room) {
        size_t room = heap->room != 0 ? heap->room * 2 : 16;
        heap->items = mem_grow(heap->items, heap->room * sizeof item, room * sizeof item);
        heap->room = room;
    }
    size_t hole = heap->count++;
    while (hole != 0) {
        size_t parent = (hole - 1) / 2;
        if (!comes_before(&item, &heap->items[parent])) {
            break;
        }
        heap->items[hole] = heap->items[parent];
        hole = parent;
    }
    heap->items[hole] = item;
}

bool heap_pop(struct heap *heap, struct heap_item *ret)
{
    if (heap->count == 0) {
        return false;
    }
    *ret = heap->items[0];
    struct heap_item item = heap->items[--heap->count];
    size_t hole = 0;
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && comes_before(&heap->items[child + 1], &heap->items[child])) {
            child++;
        }
        if (!comes_before(&heap->items[child], &item)) {
            break;
        }
        heap->items[hole] = heap->items[child];
        hole = child;
    }
    heap->items[hole] = item;
    return true;
}
