/* SPDX-License-Identifier: MIT
 *
 * Maps: one index for both kinds, two kinds of entries.
 *
 * The index is probed linearly from hash & (slot_count - 1). Removing shifts the slots behind back,
 * so there are no tombstones in it and a look-up ends at the first empty slot. It is at most three
 * quarters full. Entries, on the other hand, are not moved by removal, which leaves a dead one
 * (value NULL) behind; that is what lets an iteration go on. When there is no room for another
 * entry, the dead are squeezed out, or, when they are few, the room doubles as well.
 */
#include "base/map.h"

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include "base/assert.h"
#include "base/memory.h"

struct map_slot {
    uint32_t mark;  /* the low half of the hash, enough to find a slot's home without its key */
    uint32_t entry; /* its number and 1; 0: empty */
};

struct map_entry {
    struct text key;
    void *value; /* NULL: dead */
    uint32_t mark;
};

struct map64_entry {
    uint64_t key;
    void *value; /* NULL: dead */
};

static const uint32_t room_min = 12; /* three quarters of 16 slots */
static const uint32_t slot_none = UINT32_MAX;

/* ---- the index ---- */

static void index_insert(struct map_index *index, uint32_t mark, uint32_t entry)
{
    uint32_t mask = index->slot_count - 1;
    uint32_t at = mark & mask;
    while (index->slots[at].entry != 0) {
        at = (at + 1) & mask;
    }
    index->slots[at] = (struct map_slot){ mark, entry + 1 };
}

static void index_remove(struct map_index *index, uint32_t at)
{
    uint32_t mask = index->slot_count - 1;
    uint32_t hole = at;
    for (uint32_t next = (hole + 1) & mask; index->slots[next].entry != 0;
         next = (next + 1) & mask) {
        uint32_t home = index->slots[next].mark & mask;
        /* It may move back when its home is not between the hole and itself, going round. */
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            index->slots[hole] = index->slots[next];
            hole = next;
        }
    }
    index->slots[hole] = (struct map_slot){ 0, 0 };
}

/* An empty index for room entries. */
static void index_renew(struct map_index *index, uint32_t room)
{
    assert_that(room <= UINT32_MAX / 4);
    uint32_t slot_count = 16;
    while (slot_count / 4 * 3 < room) {
        slot_count *= 2;
    }
    if (slot_count == index->slot_count) {
        memset(index->slots, 0, slot_count * sizeof *index->slots);
    } else {
        mem_free(index->slots);
        index->slots = mem_alloc(slot_count * sizeof *index->slots);
    }
    index->slot_count = slot_count;
    index->room = room;
}

/* The room to have when the present one is used up. */
static uint32_t room_after(const struct map_index *index)
{
    if (index->room == 0) {
        return room_min;
    }
    return index->count <= index->room / 2 ? index->room : index->room * 2;
}

/* Counts one entry out. The caller has marked it dead. */
static void index_count_out(struct map_index *index, uint32_t at)
{
    index_remove(index, at);
    index->count--;
    if (index->count == 0) {
        index->used = index->first = 0;
    }
}

static void index_done(struct map_index *index)
{
    mem_free(index->slots);
    *index = (struct map_index){ .seed = index->seed };
}

static void index_reset(struct map_index *index)
{
    if (index->slot_count != 0) {
        memset(index->slots, 0, index->slot_count * sizeof *index->slots);
    }
    index->count = index->used = index->first = 0;
}

/* ---- from text ---- */

static uint32_t mark_of_text(const struct map_index *index, struct text key)
{
    return (uint32_t)XXH3_64bits_withSeed(key.at, key.size, index->seed);
}

static uint32_t find_text(const struct map *map, struct text key, uint32_t mark)
{
    const struct map_index *index = &map->index;
    if (index->count == 0) {
        return slot_none;
    }
    uint32_t mask = index->slot_count - 1;
    for (uint32_t at = mark & mask; index->slots[at].entry != 0; at = (at + 1) & mask) {
        if (index->slots[at].mark == mark &&
            text_equal(map->entries[index->slots[at].entry - 1].key, key)) {
            return at;
        }
    }
    return slot_none;
}

static void make_room_text(struct map *map)
{
    struct map_index *index = &map->index;
    uint32_t room = room_after(index);
    uint32_t kept = 0;
    for (uint32_t i = index->first; i < index->used; i++) {
        if (map->entries[i].value != NULL) {
            map->entries[kept++] = map->entries[i];
        }
    }
    if (room != index->room) {
        map->entries =
            mem_grow(map->entries, index->room * sizeof *map->entries, room * sizeof *map->entries);
    }
    index_renew(index, room);
    for (uint32_t i = 0; i < kept; i++) {
        index_insert(index, map->entries[i].mark, i);
    }
    index->used = kept;
    index->first = 0;
}

void map_init(struct map *map)
{
    map_init_seeded(map, 0);
}

void map_init_seeded(struct map *map, uint64_t seed)
{
    *map = (struct map){ .index.seed = seed };
}

void map_done(struct map *map)
{
    index_done(&map->index);
    mem_free(map->entries);
    map->entries = NULL;
}

void map_reset(struct map *map)
{
    index_reset(&map->index);
}

void *map_find(const struct map *map, struct text key)
{
    uint32_t at = find_text(map, key, mark_of_text(&map->index, key));
    return at != slot_none ? map->entries[map->index.slots[at].entry - 1].value : NULL;
}

void map_put(struct map *map, struct text key, void *value)
{
    uint32_t mark = mark_of_text(&map->index, key);
    assert_that(value != NULL && text_is_present(key));
    assert_that(find_text(map, key, mark) == slot_none);
    if (map->index.used == map->index.room) {
        make_room_text(map);
    }
    uint32_t entry = map->index.used++;
    map->entries[entry] = (struct map_entry){ key, value, mark };
    index_insert(&map->index, mark, entry);
    map->index.count++;
}

void *map_remove(struct map *map, struct text key)
{
    uint32_t at = find_text(map, key, mark_of_text(&map->index, key));
    if (at == slot_none) {
        return NULL;
    }
    uint32_t entry = map->index.slots[at].entry - 1;
    void *value = map->entries[entry].value;
    map->entries[entry] = (struct map_entry){ .value = NULL };
    index_count_out(&map->index, at);
    while (map->index.first < map->index.used && map->entries[map->index.first].value == NULL) {
        map->index.first++;
    }
    return value;
}

size_t map_count(const struct map *map)
{
    return map->index.count;
}

void *map_next(const struct map *map, size_t *cursor)
{
    size_t i = *cursor > map->index.first ? *cursor : map->index.first;
    while (i < map->index.used && map->entries[i].value == NULL) {
        i++;
    }
    if (i >= map->index.used) {
        return NULL;
    }
    *cursor = i + 1;
    return map->entries[i].value;
}

/* ---- from 64-bit numbers ---- */

/* The finisher of MurmurHash3: every bit of the key reaches every bit of the mark. */
static uint32_t mark_of_number(const struct map_index *index, uint64_t key)
{
    uint64_t h = key ^ index->seed;
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (uint32_t)(h ^ (h >> 33));
}

static uint32_t find_number(const struct map64 *map, uint64_t key, uint32_t mark)
{
    const struct map_index *index = &map->index;
    if (index->count == 0) {
        return slot_none;
    }
    uint32_t mask = index->slot_count - 1;
    for (uint32_t at = mark & mask; index->slots[at].entry != 0; at = (at + 1) & mask) {
        if (index->slots[at].mark == mark && map->entries[index->slots[at].entry - 1].key == key) {
            return at;
        }
    }
    return slot_none;
}

static void make_room_number(struct map64 *map)
{
    struct map_index *index = &map->index;
    uint32_t room = room_after(index);
    uint32_t kept = 0;
    for (uint32_t i = index->first; i < index->used; i++) {
        if (map->entries[i].value != NULL) {
            map->entries[kept++] = map->entries[i];
        }
    }
    if (room != index->room) {
        map->entries =
            mem_grow(map->entries, index->room * sizeof *map->entries, room * sizeof *map->entries);
    }
    index_renew(index, room);
    for (uint32_t i = 0; i < kept; i++) {
        index_insert(index, mark_of_number(index, map->entries[i].key), i);
    }
    index->used = kept;
    index->first = 0;
}

void map64_init(struct map64 *map)
{
    map64_init_seeded(map, 0);
}

void map64_init_seeded(struct map64 *map, uint64_t seed)
{
    *map = (struct map64){ .index.seed = seed };
}

void map64_done(struct map64 *map)
{
    index_done(&map->index);
    mem_free(map->entries);
    map->entries = NULL;
}

void map64_reset(struct map64 *map)
{
    index_reset(&map->index);
}

void *map64_find(const struct map64 *map, uint64_t key)
{
    uint32_t at = find_number(map, key, mark_of_number(&map->index, key));
    return at != slot_none ? map->entries[map->index.slots[at].entry - 1].value : NULL;
}

void map64_put(struct map64 *map, uint64_t key, void *value)
{
    uint32_t mark = mark_of_number(&map->index, key);
    assert_that(value != NULL);
    assert_that(find_number(map, key, mark) == slot_none);
    if (map->index.used == map->index.room) {
        make_room_number(map);
    }
    uint32_t entry = map->index.used++;
    map->entries[entry] = (struct map64_entry){ key, value };
    index_insert(&map->index, mark, entry);
    map->index.count++;
}

void *map64_remove(struct map64 *map, uint64_t key)
{
    uint32_t at = find_number(map, key, mark_of_number(&map->index, key));
    if (at == slot_none) {
        return NULL;
    }
    uint32_t entry = map->index.slots[at].entry - 1;
    void *value = map->entries[entry].value;
    map->entries[entry] = (struct map64_entry){ 0, NULL };
    index_count_out(&map->index, at);
    while (map->index.first < map->index.used && map->entries[map->index.first].value == NULL) {
        map->index.first++;
    }
    return value;
}

size_t map64_count(const struct map64 *map)
{
    return map->index.count;
}

void *map64_next(const struct map64 *map, size_t *cursor)
{
    size_t i = *cursor > map->index.first ? *cursor : map->index.first;
    while (i < map->index.used && map->entries[i].value == NULL) {
        i++;
    }
    if (i >= map->index.used) {
        return NULL;
    }
    *cursor = i + 1;
    return map->entries[i].value;
}
