/* SPDX-License-Identifier: MIT
 *
 * Lock sets. See lock_set.h.
 *
 * A set is never searched by halves: the largest has LIMIT_LOCK_SET ids, and is walked once where
 * it is made and once where it is given back.
 */
#include "core/lock_set.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"

bool lock_set_next(struct text set, size_t *cursor, struct text *ret_id)
{
    if (*cursor >= set.size) {
        return false;
    }
    const char *at = set.at + *cursor;
    size_t left = set.size - *cursor;
    const char *end = memchr(at, '\n', left);
    size_t size = end != NULL ? (size_t)(end - at) : left;
    *ret_id = text_make(at, size);
    *cursor += size + (end != NULL);
    return true;
}

size_t lock_set_count(struct text set)
{
    struct text id;
    size_t count = 0;
    for (size_t cursor = 0; lock_set_next(set, &cursor, &id);) {
        count++;
    }
    return count;
}

bool lock_set_at(struct text set, size_t index, struct text *ret_id)
{
    for (size_t cursor = 0; lock_set_next(set, &cursor, ret_id);) {
        if (index-- == 0) {
            return true;
        }
    }
    return false;
}

bool lock_set_has(struct text set, struct text id)
{
    struct text own;
    for (size_t cursor = 0; lock_set_next(set, &cursor, &own);) {
        if (text_equal(own, id)) {
            return true;
        }
    }
    return false;
}

/* As bytes; one that is the beginning of another comes first. */
static int by_id(const void *a, const void *b)
{
    const struct text *x = a;
    const struct text *y = b;
    size_t size = x->size < y->size ? x->size : y->size;
    int order = size != 0 ? memcmp(x->at, y->at, size) : 0;
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

/* Of ids that are ours to change. */
static struct text make(struct arena *arena, struct text *ids, size_t count)
{
    size_t room = 0;
    for (size_t i = 0; i < count; i++) {
        room += ids[i].size + 1;
    }
    char *bytes = arena_alloc_raw(arena, room + 1);
    char *at = bytes;
    qsort(ids, count, sizeof *ids, by_id);
    for (size_t i = 0; i < count; i++) {
        if (i != 0 && text_equal(ids[i], ids[i - 1])) {
            continue;
        }
        if (ids[i].size != 0) {
            memcpy(at, ids[i].at, ids[i].size);
        }
        at += ids[i].size;
        *at++ = '\n';
    }
    *at = 0;
    return text_make(bytes, (size_t)(at - bytes));
}

struct text lock_set_make(struct arena *arena, const struct text *ids, size_t count)
{
    struct text *folded = arena_alloc(arena, count * sizeof *folded);
    for (size_t i = 0; i < count; i++) {
        char *copy = arena_copy(arena, ids[i].at, ids[i].size);
        entity_id_fold(copy, ids[i].size);
        folded[i] = text_make(copy, ids[i].size);
    }
    return make(arena, folded, count);
}

struct text lock_set_order(struct arena *arena, struct text set)
{
    size_t count = lock_set_count(set);
    struct text *ids = arena_alloc(arena, count * sizeof *ids);
    size_t cursor = 0;
    for (size_t i = 0; i < count; i++) {
        (void)lock_set_next(set, &cursor, &ids[i]);
    }
    return lock_set_make(arena, ids, count);
}
