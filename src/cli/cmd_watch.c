/* SPDX-License-Identifier: MIT
 *
 * perdure watch: looks at instances until they have ended.
 *
 * On a terminal each instance is drawn as a tree that is renewed in place; elsewhere there is one
 * row for each change: a state or a custom status that was not seen before. It looks five times a
 * second, so changes that last less may be missed; the end is not.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "record.h"
#include "tree.h"

enum { LOOK_EVERY_MS = 200, DEPTH_MAX = 1000 };

static const struct column columns[] = {
    { "at", "TIME", 0 },
    { "id", "ID", COLUMN_ID | COLUMN_CUT },
    { "name", "NAME", COLUMN_CUT },
    { "status", "STATUS", 0 },
    { "customStatus", "SAYS", COLUMN_CUT },
};

enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

/* What was last seen of a watched instance and its descendants. */
struct watched {
    const char *id;
    struct tree seen;
};

static bool is_ended(const struct watched *w)
{
    return w->seen.count > 0 && w->seen.nodes[0].state >= PD_RUN_COMPLETED;
}

static const struct tree_node *find(const struct tree *tree, const char *id)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (strcmp(tree->nodes[i].id, id) == 0) {
            return &tree->nodes[i];
        }
    }
    return NULL;
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void tell_changes(struct output *out, const struct tree *before, const struct tree *now)
{
    for (size_t i = 0; i < now->count; i++) {
        const struct tree_node *node = &now->nodes[i];
        const struct tree_node *old = find(before, node->id);
        if (old != NULL && old->state == node->state && is_same(old->status, node->status)) {
            continue;
        }
        pd_time at = { clock_now_ms() };
        output_row(out, (struct cell[]){ cell_time(at), cell_text(node->id), cell_text(node->name),
                                         record_status(node->state), cell_json(node->status) });
    }
}

/* ---- on a terminal --------------------------------------------------------------------------- */

/* What is drawn has to fit: the cursor cannot go back to a line that the screen has lost. */
struct drawing {
    size_t room, lines, left_out;
};

static void draw(const struct tree *tree, struct drawing *drawing)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (drawing->lines == drawing->room) {
            drawing->left_out += tree->count - i;
            return;
        }
        const struct tree_node *node = &tree->nodes[i];
        AUTO_STRING line = { 0 };
        tree_branch(tree, i, &line);
        int64_t until = node->ended_at.ms != 0 ? node->ended_at.ms : clock_now_ms();
        string_format(&line, "%s  %s  %s  %.1f s", node->id, node->name,
                      pd_run_state_name(node->state),
                      (double)(until - node->created_at.ms) / 1000.0);
        if (node->status != NULL) {
            string_format(&line, "  %s", node->status);
        }
        char *fitting = screen_cut(line.at);
        printf("\033[K%s\n", fitting);
        free(fitting);
        drawing->lines++;
    }
}

static void draw_end(struct drawing *drawing)
{
    if (drawing->left_out > 0) {
        printf("\033[Kand %zu more: perdure tree\n", drawing->left_out);
        drawing->lines++;
    }
    printf("\033[J");
}

/* ---- both ------------------------------------------------------------------------------------ */

/* Looks once at each that has not ended. out NULL: on a terminal. */
static int look(struct invocation *in, pd_hub *hub, struct watched *all, size_t count,
                struct output *out, struct drawing *drawing)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_ended(&all[i])) {
            int code = CODE_DONE;
            struct tree now = { 0 };
            if (!tree_read(in, hub, all[i].id, DEPTH_MAX, &now, &code)) {
                tree_done(&now);
                return code;
            }
            if (out != NULL) {
                tell_changes(out, &all[i].seen, &now);
            }
            tree_done(&all[i].seen);
            all[i].seen = now;
        }
        if (out == NULL) {
            draw(&all[i].seen, drawing);
        }
    }
    if (out == NULL) {
        draw_end(drawing);
    }
    return CODE_DONE;
}

static bool have_ended(const struct watched *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_ended(&all[i])) {
            return false;
        }
    }
    return true;
}

static int watch(struct invocation *in, pd_hub *hub, struct watched *all, size_t count)
{
    const struct options *o = &in->options;
    bool is_drawn = output_format(o) == FORMAT_TABLE && isatty(STDOUT_FILENO);
    struct output *out = is_drawn ? NULL : output_begin(o, OUTPUT_MANY, columns, COLUMN_COUNT);
    int64_t began = clock_mono_ns();
    int code = CODE_DONE;
    for (;;) {
        struct drawing drawing = { .room = screen_height() - 2 };
        code = look(in, hub, all, count, out, &drawing);
        fflush(stdout);
        if (code != CODE_DONE || have_ended(all, count) || o->once || output_reader_left()) {
            break;
        }
        if (o->timeout.ms >= 0 && (clock_mono_ns() - began) / 1000000 >= o->timeout.ms) {
            code = problem(CODE_TIMEOUT, NULL, "not all have ended in the time allowed");
            break;
        }
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_EVERY_MS * 1000000 }, NULL);
        if (drawing.lines > 0) {
            printf("\033[%zuA", drawing.lines);
        }
    }
    return out != NULL ? output_end(out, code) : code;
}

int cmd_watch(struct invocation *in)
{
    int code = CODE_DONE;
    struct ids ids;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    if (ids_read(in, &ids, &code) && ids.count > 0) {
        struct watched *all = calloc(ids.count, sizeof *all);
        if (all == NULL) {
            code = problem(CODE_OTHER, NULL, "out of memory");
        } else {
            for (size_t i = 0; i < ids.count; i++) {
                all[i].id = ids.at[i];
            }
            code = watch(in, hub, all, ids.count);
            for (size_t i = 0; i < ids.count; i++) {
                tree_done(&all[i].seen);
            }
            free(all);
        }
    }
    ids_done(&ids);
    return code;
}
