/* SPDX-License-Identifier: MIT
 *
 * Timers in memory: a treap ordered by (due, number).
 *
 * Insertion, removal and the search for the first after a key take logarithmic time, whatever the
 * number of timers that are due together. Priorities come from the number, so that the shape, and
 * with it everything, is the same in every run. */
#ifndef STORE_MEM_TIMERS_H
#define STORE_MEM_TIMERS_H

#include <stdint.h>

#include "base/time.h"

struct timer_node {
    struct timer_node *left, *right;
    struct timer_node *next; /* of the same instance; the caller's */
    time_us due;
    uint64_t number, priority, row;
    int32_t id;
};

/* The node is the caller's, and stays where it is. */
void timers_insert(struct timer_node **root, struct timer_node *node);
void timers_remove(struct timer_node **root, const struct timer_node *node);

/* The first whose (due, number) is above the given; NULL: none. */
struct timer_node *timers_above(struct timer_node *root, time_us due, uint64_t number);

#endif
