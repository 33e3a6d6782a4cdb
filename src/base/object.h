/* SPDX-License-Identifier: MIT
 *
 * Objects: heap structs that live longer than one function, each wearing a magic number.
 *
 *   struct hub { uint32_t magic; ... };           the first member, always
 *   enum { HUB_MAGIC = 0x6875625f };              one per type, in the file that owns it
 *
 *   struct hub *hub = OBJECT_NEW(struct hub, HUB_MAGIC);
 *   OBJECT_CHECK(hub, HUB_MAGIC);                 at every entry that is given one
 *   struct hub *mine = OBJECT_TAKE(&hub, HUB_MAGIC);   hub is NULL from here on
 *   OBJECT_FREE(mine, HUB_MAGIC);
 *
 * A stale or wrong pointer is found at its next touch instead of a thousand lines later. (The idea
 * is Varnish's.) Things embedded in others (lists, arenas, buffers) wear none.
 */
#ifndef BASE_OBJECT_H
#define BASE_OBJECT_H

#include <stddef.h>
#include <stdint.h>

/* A zeroed object; never NULL. Does not compile unless magic is the first member. */
#define OBJECT_NEW(type, MAGIC) \
    ((type *)object_new(sizeof(type) + OBJECT_MAGIC_FIRST_(type), (MAGIC)))

/* p points to a living object of this kind; anything else, NULL included, is a bug. */
#define OBJECT_CHECK(p, MAGIC)                                                  \
    do {                                                                        \
        if (__builtin_expect((p) == NULL || (p)->magic != (MAGIC), 0)) {        \
            object_check_failed(#p, (p), #MAGIC, __FILE__, __LINE__, __func__); \
        }                                                                       \
    } while (0)

/* The object *pp points to, checked; *pp becomes NULL. */
#define OBJECT_TAKE(pp, MAGIC)                   \
    __extension__({                              \
        __typeof__(*(pp)) object_taken_ = *(pp); \
        *(pp) = NULL;                            \
        OBJECT_CHECK(object_taken_, MAGIC);      \
        object_taken_;                           \
    })

/* Checks, marks as dead, frees. What is inside was released before. */
#define OBJECT_FREE(p, MAGIC)   \
    do {                        \
        OBJECT_CHECK(p, MAGIC); \
        object_free(p);         \
    } while (0)

#define OBJECT_MAGIC_FIRST_(type)                                         \
    (0 * sizeof(struct {                                                  \
         _Static_assert(offsetof(type, magic) == 0, "magic comes first"); \
         int unused;                                                      \
     }))

__attribute__((malloc, alloc_size(1), returns_nonnull)) void *object_new(size_t size,
                                                                         uint32_t magic);
void object_free(void *p);
__attribute__((noreturn, cold)) void object_check_failed(const char *expression, const void *p,
                                                         const char *magic, const char *file,
                                                         int line, const char *function);

#endif
