/* SPDX-License-Identifier: MIT
 *
 * An instance and all that descends from it, as it is now: for `tree` and `watch`. */
#ifndef CLI_TREE_H
#define CLI_TREE_H

#include "cli.h"

struct tree_node {
    char *id, *name, *parent, *status; /* status: the custom one as JSON, or NULL */
    pd_run_state state;
    pd_time created_at, ended_at;
    int depth;
    bool is_last; /* of its parent's children */
};

struct tree {
    struct tree_node *nodes; /* each before its children, those in the order they were started */
    size_t count, room;
};

/* At most depth_max levels below the root. False after a problem. */
bool tree_read(const struct invocation *in, pd_hub *hub, const char *id, int depth_max,
               struct tree *ret, int *ret_code);
void tree_done(struct tree *tree);

/* The lines that lead to a node: "│  └─ ". */
void tree_branch(const struct tree *tree, size_t at, struct string *ret);

#endif
