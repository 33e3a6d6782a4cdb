/* SPDX-License-Identifier: MIT
 *
 * perdure tree: an instance with its children, theirs, and so on.
 */
#include "record.h"
#include "tree.h"

static const struct column columns[] = {
    { "tree", "INSTANCE", COLUMN_CUT },
    { "id", NULL, COLUMN_ID },
    { "name", "NAME", COLUMN_CUT },
    { "status", "STATUS", 0 },
    { "customStatus", "SAYS", COLUMN_CUT },
    { "createdAt", "CREATED", COLUMN_SPARE },
    { "endedAt", "ENDED", COLUMN_SPARE },
    { "parentId", NULL, 0 },
    { "depth", NULL, 0 },
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0], DEPTH_MAX = 1000 };

int cmd_tree(struct invocation *in)
{
    int code = CODE_DONE;
    struct tree tree = { 0 };
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    if (tree_read(in, hub, in->arguments[0], DEPTH_MAX, &tree, &code)) {
        struct output *out = output_begin(&in->options, OUTPUT_MANY, columns, COLUMN_COUNT);
        for (size_t i = 0; i < tree.count; i++) {
            const struct tree_node *node = &tree.nodes[i];
            AUTO_STRING line = { 0 };
            tree_branch(&tree, i, &line);
            string_text(&line, node->id);
            output_row(out, (struct cell[]){ cell_text(line.at), cell_text(node->id),
                                             cell_text(node->name), record_status(node->state),
                                             cell_json(node->status), cell_time(node->created_at),
                                             cell_time(node->ended_at), cell_text(node->parent),
                                             cell_int(node->depth) });
        }
        output_end(out, code);
    }
    tree_done(&tree);
    return code;
}
