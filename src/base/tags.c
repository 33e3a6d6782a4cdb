/* SPDX-License-Identifier: MIT
 *
 * Tags packed into one text. See tags.h. */
#include "base/tags.h"

#include <string.h>

bool tags_next(struct text tags, size_t *cursor, struct tag *ret)
{
    if (*cursor + 1 >= tags.size) {
        return false;
    }
    const char *key = tags.at + *cursor + 1;
    const char *end = tags.at + tags.size;
    const char *middle = memchr(key, TAGS_MIDDLE, (size_t)(end - key));
    if (middle == NULL) {
        return false; /* damaged: as if it ended here */
    }
    const char *stop = memchr(middle, TAGS_BEGIN, (size_t)(end - middle));
    if (stop == NULL) {
        return false;
    }
    ret->key = text_make(key, (size_t)(middle - key));
    ret->value = text_make(middle + 1, (size_t)(stop - middle - 1));
    *cursor = (size_t)(stop - tags.at);
    return true;
}

bool tags_find(struct text tags, struct text key, struct text *ret_value)
{
    struct tag tag;
    for (size_t cursor = 0; tags_next(tags, &cursor, &tag);) {
        if (text_equal(tag.key, key)) {
            *ret_value = tag.value;
            return true;
        }
    }
    return false;
}

size_t tags_count(struct text tags)
{
    struct tag tag;
    size_t count = 0;
    for (size_t cursor = 0; tags_next(tags, &cursor, &tag);) {
        count++;
    }
    return count;
}

static int compare(struct text a, struct text b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size != 0 ? memcmp(a.at, b.at, size) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* By insertion: nobody has many. Of equal keys only the later stays. */
static size_t sort(struct tag *sorted, const struct tag *tags, size_t count)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = used;
        while (at > 0 && compare(sorted[at - 1].key, tags[i].key) > 0) {
            at--;
        }
        if (at > 0 && compare(sorted[at - 1].key, tags[i].key) == 0) {
            sorted[at - 1] = tags[i];
            continue;
        }
        memmove(&sorted[at + 1], &sorted[at], (used - at) * sizeof *sorted);
        sorted[at] = tags[i];
        used++;
    }
    return used;
}

static char *put(char *at, struct text text)
{
    if (text.size != 0) {
        memcpy(at, text.at, text.size);
    }
    return at + text.size;
}

struct text tags_pack(struct arena *arena, const struct tag *tags, size_t count)
{
    if (count == 0) {
        return TEXT_ABSENT;
    }
    struct tag *sorted = arena_alloc_raw(arena, count * sizeof *sorted);
    size_t used = sort(sorted, tags, count);
    size_t size = 1;
    for (size_t i = 0; i < used; i++) {
        size += sorted[i].key.size + sorted[i].value.size + 2;
    }
    char *bytes = arena_alloc_raw(arena, size + 1);
    char *at = bytes;
    for (size_t i = 0; i < used; i++) {
        *at++ = TAGS_BEGIN;
        at = put(at, sorted[i].key);
        *at++ = TAGS_MIDDLE;
        at = put(at, sorted[i].value);
    }
    *at++ = TAGS_BEGIN;
    *at = 0;
    return text_make(bytes, size);
}

struct text tags_merge(struct arena *arena, struct text over, struct text under)
{
    if (!text_is_present(over) || !text_is_present(under)) {
        return text_copy(arena, text_is_present(over) ? over : under);
    }
    size_t count = 0;
    struct tag *all =
        arena_alloc_raw(arena, (tags_count(over) + tags_count(under) + 1) * sizeof *all);
    for (size_t cursor = 0; tags_next(under, &cursor, &all[count]);) {
        count++;
    }
    for (size_t cursor = 0; tags_next(over, &cursor, &all[count]);) {
        count++;
    }
    return tags_pack(arena, all, count);
}

struct text tags_without(struct arena *arena, struct text tags, struct text key)
{
    size_t count = 0;
    struct tag *kept = arena_alloc_raw(arena, (tags_count(tags) + 1) * sizeof *kept);
    for (size_t cursor = 0; tags_next(tags, &cursor, &kept[count]);) {
        count += !text_equal(kept[count].key, key);
    }
    return tags_pack(arena, kept, count);
}

static bool is_plain(struct text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f) {
            return false;
        }
    }
    return text_is_utf8(text);
}

bool tag_is_valid(const struct tag *tag)
{
    return tag->key.size != 0 && is_plain(tag->key) && is_plain(tag->value);
}

struct text tags_needle(struct arena *arena, const struct tag *tag)
{
    return tags_pack(arena, tag, 1);
}

bool tags_has_needle(struct text tags, struct text needle)
{
    return !text_is_present(needle) ||
           (text_is_present(tags) && memmem(tags.at, tags.size, needle.at, needle.size) != NULL);
}
