/* SPDX-License-Identifier: MIT
 *
 * Indexes: from a number to all that have it.
 *
 * The nodes are inside of what is found, so nothing is allocated but the buckets, and a node that
 * is known is taken out without a search: of one instance there may be a hundred thousand. Those
 * with the same number come in no promised order. */
#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include "base/assert.h"
#include "base/memory.h"
#include "broker/broker_priv.h"

uint64_t index_key(struct text text, uint64_t seed)
{
    return XXH3_64bits_withSeed(text.at, text.size, seed);
}

static struct index_node **bucket_of(const struct index *index, uint64_t key)
{
    return &index->buckets[(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (index->room - 1)];
}

static void link_in(struct index *index, struct index_node *node)
{
    struct index_node **bucket = bucket_of(index, node->key);
    node->next = *bucket;
    node->at = bucket;
    if (node->next != NULL) {
        node->next->at = &node->next;
    }
    *bucket = node;
}

static void grow(struct index *index)
{
    enum { ROOM_MIN = 64 };
    struct index old = *index;
    index->room = old.room != 0 ? old.room * 2 : ROOM_MIN;
    index->buckets = mem_alloc(index->room * sizeof(struct index_node *));
    for (size_t i = 0; i < old.room; i++) {
        struct index_node *node = old.buckets[i];
        while (node != NULL) {
            struct index_node *next = node->next;
            link_in(index, node);
            node = next;
        }
    }
    mem_free(old.buckets);
}

void index_put(struct index *index, struct index_node *node, uint64_t key)
{
    assert_that(!index_has(node));
    if (index->count == index->room) {
        grow(index);
    }
    node->key = key;
    link_in(index, node);
    index->count++;
}

void index_remove(struct index *index, struct index_node *node)
{
    if (!index_has(node)) {
        return;
    }
    *node->at = node->next;
    if (node->next != NULL) {
        node->next->at = node->at;
    }
    *node = (struct index_node){ 0 };
    index->count--;
}

struct index_node *index_first(const struct index *index, uint64_t key)
{
    struct index_node *node = index->room != 0 ? *bucket_of(index, key) : NULL;
    while (node != NULL && node->key != key) {
        node = node->next;
    }
    return node;
}

struct index_node *index_next(const struct index_node *node)
{
    struct index_node *next = node->next;
    while (next != NULL && next->key != node->key) {
        next = next->next;
    }
    return next;
}

void index_done(struct index *index)
{
    mem_free(index->buckets);
    *index = (struct index){ 0 };
}
