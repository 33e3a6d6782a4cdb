/* SPDX-License-Identifier: MIT
 *
 * List: doubly linked, intrusive, circular through the head.
 *
 * The node sits inside the thing that is listed, so adding and removing allocate nothing and take
 * constant time, and a thing can leave without knowing its list. A node is in one list at most; one
 * that is in none has both pointers NULL (zeroed memory is a node in no list).
 *
 *   struct job { struct list_node queued; ... };
 *   LIST_EACH(node, &queue) { struct job *job = CONTAINER_OF(node, struct job, queued); ... }
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

struct list_node {
    struct list_node *prev, *next;
};

struct list {
    struct list_node head;
};

/* The struct that has ptr as its member; does not compile when ptr is of another type. */
#define CONTAINER_OF(ptr, type, member) \
    ((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

/* In the first, the body must not remove the node it was given; in the second it may remove that
 * one, and no other. */
#define LIST_EACH(node, list) \
    for (struct list_node *node = (list)->head.next; node != &(list)->head; node = node->next)
#define LIST_EACH_SAFE(node, list)                                               \
    for (struct list_node *node = (list)->head.next, *node##_next_ = node->next; \
         node != &(list)->head; node = node##_next_, node##_next_ = node->next)

static inline void list_init(struct list *list)
{
    list->head.prev = list->head.next = &list->head;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_is_linked(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_(struct list_node *node, struct list_node *prev,
                                struct list_node *next)
{
    assert_that(!list_is_linked(node));
    node->prev = prev;
    node->next = next;
    prev->next = node;
    next->prev = node;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_(node, list->head.prev, &list->head);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_(node, &list->head, list->head.next);
}

/* Before one that is in a list; its head: at the end. */
static inline void list_insert_before(struct list_node *at, struct list_node *node)
{
    list_insert_(node, at->prev, at);
}

static inline void list_remove(struct list_node *node)
{
    assert_that(list_is_linked(node));
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

/* NULL when empty. The node stays in the list. */
static inline struct list_node *list_front(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_back(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.prev;
}

/* NULL when empty. */
static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_front(list);
    if (node != NULL) {
        list_remove(node);
    }
    return node;
}

/* Moves all of `from` behind what is in `to`. */
static inline void list_append(struct list *to, struct list *from)
{
    if (!list_is_empty(from)) {
        from->head.next->prev = to->head.prev;
        to->head.prev->next = from->head.next;
        from->head.prev->next = &to->head;
        to->head.prev = from->head.prev;
        list_init(from);
    }
}

/* Walks the whole list. */
static inline size_t list_count(const struct list *list)
{
    size_t count = 0;
    LIST_EACH(node, list)
    {
        count++;
    }
    return count;
}

#endif
