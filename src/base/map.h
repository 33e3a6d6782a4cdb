/* SPDX-License-Identifier: MIT
 *
 * Maps: from text, and from 64-bit numbers, to pointers.
 *
 * Entries lie densely in the order they were put; beside them an open-addressed index, a power of
 * two in size, of (32 bits of hash, entry number). So iteration is in the order of insertion, the
 * same on every machine and for every seed, and a look-up touches the key only when the hash fits.
 *
 *   M1  Keys are borrowed: a key's bytes must outlive its entry (they usually are in the value).
 *   M2  A key is there at most once, and no value is NULL.
 *   M3  During iteration anything may be removed and nothing may be put.
 *
 * The hash is deterministic. Where keys come from strangers who could choose colliding ones, give
 * map_init_seeded a seed of your own; the order of iteration does not depend on it.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

struct map_slot;
struct map_entry;
struct map64_entry;

struct map_index {
    struct map_slot *slots;
    uint32_t slot_count; /* a power of two, or 0 */
    uint32_t count;      /* living entries */
    uint32_t used;       /* entries in use, dead ones among them included */
    uint32_t first;      /* no living entry lies before this one */
    uint32_t room;       /* entries allocated */
    uint64_t seed;
};

struct map {
    struct map_index index;
    struct map_entry *entries;
};

struct map64 {
    struct map_index index;
    struct map64_entry *entries;
};

void map_init(struct map *map); /* allocates nothing */
void map_init_seeded(struct map *map, uint64_t seed);
void map_done(struct map *map); /* the values are not touched */
void map_reset(struct map *map);

void *map_find(const struct map *map, struct text key); /* NULL when absent */
void map_put(struct map *map, struct text key, void *value);
void *map_remove(struct map *map, struct text key); /* what was there; NULL when absent */
size_t map_count(const struct map *map);

/* for (size_t cursor = 0; (value = map_next(map, &cursor)) != NULL;) ... */
void *map_next(const struct map *map, size_t *cursor);

void map64_init(struct map64 *map);
void map64_init_seeded(struct map64 *map, uint64_t seed);
void map64_done(struct map64 *map);
void map64_reset(struct map64 *map);

void *map64_find(const struct map64 *map, uint64_t key);
void map64_put(struct map64 *map, uint64_t key, void *value);
void *map64_remove(struct map64 *map, uint64_t key);
size_t map64_count(const struct map64 *map);
void *map64_next(const struct map64 *map, size_t *cursor);

#endif
