/* SPDX-License-Identifier: MIT
 *
 * Text: comparing, copying, and the check of UTF-8.
 */
#include "base/text.h"

#include <stdint.h>

#include "base/arena.h"

bool text_has_prefix(struct text t, struct text prefix)
{
    return t.size >= prefix.size && (prefix.size == 0 || memcmp(t.at, prefix.at, prefix.size) == 0);
}

struct text text_copy(struct arena *arena, struct text t)
{
    return t.at != NULL ? text_make(arena_copy(arena, t.at, t.size), t.size) : TEXT_ABSENT;
}

/* The length of the well-formed character at p that is not ASCII; 0 when there is none. The bounds
 * of the second byte (Unicode, table 3-7) are what excludes overlong forms, surrogates and what is
 * beyond U+10FFFF. */
static size_t character_size(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || size > left) {
        return 0;
    }
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }
    return size;
}

bool text_is_utf8(struct text t)
{
    const uint8_t *p = (const uint8_t *)t.at;
    size_t left = t.size;
    while (left != 0) {
        uint64_t eight;
        if (left >= sizeof eight) {
            memcpy(&eight, p, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                p += sizeof eight;
                left -= sizeof eight;
                continue;
            }
        }
        size_t size = p[0] < 0x80 ? 1 : character_size(p, left);
        if (size == 0) {
            return false;
        }
        p += size;
        left -= size;
    }
    return true;
}
