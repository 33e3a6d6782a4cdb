/* SPDX-License-Identifier: MIT
 *
 * An instance and its descendants; see tree.h. One query for each instance that may have children,
 * page by page. */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 500 };

static char *copy(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

static struct tree_node *add(struct tree *tree, const pd_instance *i, int depth)
{
    if (tree->count == tree->room) {
        size_t room = tree->room != 0 ? tree->room * 2 : 32;
        struct tree_node *nodes = realloc(tree->nodes, room * sizeof *nodes);
        if (nodes == NULL) {
            return NULL;
        }
        tree->nodes = nodes;
        tree->room = room;
    }
    const char *status = pd_instance_status_json(i);
    struct tree_node *node = &tree->nodes[tree->count++];
    *node = (struct tree_node){
        .id = copy(pd_instance_id_of(i)),
        .name = copy(pd_instance_name(i)),
        .parent = copy(pd_instance_parent_id(i)),
        .status = strcmp(status, "null") != 0 ? copy(status) : NULL,
        .state = pd_instance_state(i),
        .created_at = pd_instance_created_at(i),
        .ended_at = pd_instance_ended_at(i),
        .depth = depth,
        .is_last = true,
    };
    return node->id != NULL ? node : NULL;
}

struct reading {
    const struct invocation *in;
    pd_hub *hub;
    struct tree *tree;
    int depth_max, code;
};

static bool read_children(struct reading *r, const char *parent, int depth);

/* A page of children, each with what descends from it. */
static bool add_page(struct reading *r, const pd_page *page, int depth, size_t *last)
{
    for (size_t i = 0; i < pd_page_count(page); i++) {
        const pd_instance *child = pd_page_at(page, i);
        if (*last != SIZE_MAX) {
            r->tree->nodes[*last].is_last = false;
        }
        *last = r->tree->count;
        if (add(r->tree, child, depth) == NULL) {
            r->code = problem(CODE_OTHER, NULL, "out of memory");
            return false;
        }
        if (!read_children(r, pd_instance_id_of(child), depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool read_children(struct reading *r, const char *parent, int depth)
{
    char token[2048] = "";
    size_t last = SIZE_MAX;
    bool more = depth <= r->depth_max;
    while (more) {
        pd_query query = { .parent_id = parent,
                           .page_token = *token != 0 ? token : NULL,
                           .page_size = PAGE };
        pd_error err;
        PD_AUTO(pd_page) page = pd_hub_query(r->hub, &query, &err);
        if (page == NULL) {
            r->code = problem_of(&err);
            return false;
        }
        if (!add_page(r, page, depth, &last)) {
            return false;
        }
        const char *next = pd_page_token(page);
        more = next != NULL;
        snprintf(token, sizeof token, "%s", more ? next : "");
    }
    return true;
}

bool tree_read(const struct invocation *in, pd_hub *hub, const char *id, int depth_max,
               struct tree *ret, int *ret_code)
{
    struct reading r = { in, hub, ret, depth_max, CODE_DONE };
    pd_error err;
    *ret = (struct tree){ 0 };
    PD_AUTO(pd_instance) root = pd_hub_fetch(hub, id, &err);
    if (root == NULL) {
        *ret_code = problem_of_instance(&err, id, in->options.hub);
        return false;
    }
    if (add(ret, root, 0) == NULL) {
        *ret_code = problem(CODE_OTHER, NULL, "out of memory");
        return false;
    }
    if (!read_children(&r, id, 1)) {
        *ret_code = r.code;
        return false;
    }
    return true;
}

void tree_done(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        free(tree->nodes[i].id);
        free(tree->nodes[i].name);
        free(tree->nodes[i].parent);
        free(tree->nodes[i].status);
    }
    free(tree->nodes);
    *tree = (struct tree){ 0 };
}

/* The ancestor of a node at this depth: the nearest one before it. */
static const struct tree_node *ancestor(const struct tree *tree, size_t at, int depth)
{
    while (tree->nodes[at].depth != depth) {
        at--;
    }
    return &tree->nodes[at];
}

void tree_branch(const struct tree *tree, size_t at, struct string *ret)
{
    int depth = tree->nodes[at].depth;
    string_text(ret, "");
    for (int level = 1; level < depth; level++) {
        string_text(ret, ancestor(tree, at, level)->is_last ? "   " : "│  ");
    }
    if (depth > 0) {
        string_text(ret, tree->nodes[at].is_last ? "└─ " : "├─ ");
    }
}
