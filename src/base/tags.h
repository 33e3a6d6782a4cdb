/* SPDX-License-Identifier: MIT
 *
 * Tags: names and values that people give to instances, packed into one text.
 *
 *     RS key US value RS key US value RS          (RS = 0x1e, US = 0x1f)
 *
 *   G1  Keys ascend and are different; no key or value holds a byte below 0x20. So two sets of tags
 *       are equal exactly when their texts are, and a tag is there exactly when RS key US value RS
 *       is found in the text: a store can look for it without knowing more.
 *   G2  No tags is the absent text, never an empty one. */
#ifndef BASE_TAGS_H
#define BASE_TAGS_H

#include "base/arena.h"
#include "base/text.h"

#define TAGS_BEGIN '\x1e'
#define TAGS_MIDDLE '\x1f'

struct tag {
    struct text key, value;
};

/* From the start with *cursor 0. False: no more. */
bool tags_next(struct text tags, size_t *cursor, struct tag *ret);
bool tags_find(struct text tags, struct text key, struct text *ret_value);
size_t tags_count(struct text tags);

/* Sorts; of a key that comes twice the later one counts. The caller has checked G1's bytes with
 * tag_is_valid. */
struct text tags_pack(struct arena *arena, const struct tag *tags, size_t count);

/* All of both; of a key in both, the value of `over`. */
struct text tags_merge(struct arena *arena, struct text over, struct text under);

/* But for that key. */
struct text tags_without(struct arena *arena, struct text tags, struct text key);

/* UTF-8 without control characters; the key is not empty. */
bool tag_is_valid(const struct tag *tag);

/* What G1 says to look for. */
struct text tags_needle(struct arena *arena, const struct tag *tag);
/* A needle, or absent, which every set has. */
bool tags_has_needle(struct text tags, struct text needle);

#endif
