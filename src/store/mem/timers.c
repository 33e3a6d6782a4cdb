/* SPDX-License-Identifier: MIT
 *
 * The treap: a search tree by key, a heap by priority; split and merge do all the work. */
#include "store/mem/timers.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_above(const struct timer_node *node, time_us due, uint64_t number)
{
    return node->due > due || (node->due == due && node->number > number);
}

/* Numbers follow each other; priorities must look as if drawn by lot (the end of splitmix64). */
static uint64_t mix(uint64_t x)
{
    x = (x + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Nodes up to and including the key go left, the others right. */
static void split(struct timer_node *root, time_us due, uint64_t number, struct timer_node **left,
                  struct timer_node **right)
{
    while (root != NULL) {
        if (is_above(root, due, number)) {
            *right = root;
            right = &root->left;
            root = root->left;
        } else {
            *left = root;
            left = &root->right;
            root = root->right;
        }
    }
    *left = *right = NULL;
}

static struct timer_node *merge(struct timer_node *left, struct timer_node *right)
{
    struct timer_node *root = NULL, **at = &root;
    while (left != NULL && right != NULL) {
        if (left->priority > right->priority) {
            *at = left;
            at = &left->right;
            left = left->right;
        } else {
            *at = right;
            at = &right->left;
            right = right->left;
        }
    }
    *at = left != NULL ? left : right;
    return root;
}

void timers_insert(struct timer_node **root, struct timer_node *node)
{
    struct timer_node *left, *right;
    node->priority = mix(node->number);
    node->left = node->right = NULL;
    split(*root, node->due, node->number, &left, &right);
    *root = merge(merge(left, node), right);
}

void timers_remove(struct timer_node **root, const struct timer_node *node)
{
    struct timer_node **at = root;
    while (*at != node) {
        at = is_above(*at, node->due, node->number) ? &(*at)->left : &(*at)->right;
    }
    *at = merge(node->left, node->right);
}

struct timer_node *timers_above(struct timer_node *root, time_us due, uint64_t number)
{
    struct timer_node *best = NULL;
    while (root != NULL) {
        if (is_above(root, due, number)) {
            best = root;
            root = root->left;
        } else {
            root = root->right;
        }
    }
    return best;
}
