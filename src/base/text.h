/* SPDX-License-Identifier: MIT
 *
 * Text: bytes with a length, borrowed.
 *
 * A struct text is passed by value and owns nothing: it is valid as long as what it points into.
 * It need not end in NUL, except where text_copy made it. Absent (at == NULL) is not the same as
 * empty: an event without a payload differs from one whose payload is "". Absent has size 0.
 *
 * Nothing here knows languages, case or locale; text is UTF-8 by convention, and text_is_utf8
 * checks that where it comes in.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct arena;

struct text {
    const char *at; /* NULL: absent */
    size_t size;
};

#define TEXT_ABSENT ((struct text){ NULL, 0 })
#define TEXT(literal) ((struct text){ "" literal, sizeof(literal) - 1 })
#define TEXT_INIT(literal)              \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    } /* in tables that are static */

/* printf("%.*s", TEXT_ARGS(t)) */
#define TEXT_ARGS(t) (int)(t).size, ((t).at != NULL ? (t).at : "")

static inline struct text text_make(const char *at, size_t size)
{
    return (struct text){ at, size };
}

/* NULL gives an absent text. */
static inline struct text text_of(const char *string)
{
    return (struct text){ string, string != NULL ? strlen(string) : 0 };
}

static inline bool text_is_present(struct text t)
{
    return t.at != NULL;
}

/* Absent equals absent only. */
static inline bool text_equal(struct text a, struct text b)
{
    return a.size == b.size && (a.at != NULL) == (b.at != NULL) &&
           (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

/* As bytes: below 0, 0 or above, as memcmp has it; absent is as empty. */
static inline int text_compare(struct text a, struct text b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common != 0 ? memcmp(a.at, b.at, common) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* Everything begins with the empty and with the absent prefix. */
bool text_has_prefix(struct text t, struct text prefix);

/* A copy that ends in NUL and lives as long as the arena; absent stays absent. */
struct text text_copy(struct arena *arena, struct text t);

/* Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(struct text t);

#endif
