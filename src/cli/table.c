/* SPDX-License-Identifier: MIT
 *
 * Tables: columns aligned by what characters take on the screen, and cut to its width. The only
 * user of libsmartcols; without it (PERDURE_SMARTCOLS=OFF) cells are put out with tabs between.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "output.h"

#if PERDURE_SMARTCOLS
#include <libsmartcols/libsmartcols.h>
#endif

/* Where a table is not cut: into a file or a pipe, unless COLUMNS says otherwise. */
enum { WIDTH_ENDLESS = 1000000, WIDTH_MIN = 20 };

struct table {
    const struct column *columns;
    size_t count;
    enum output_shape shape;
    bool colors;
#if PERDURE_SMARTCOLS
    struct libscols_table *table;
#endif
};

#if PERDURE_SMARTCOLS

static size_t screen_width(bool cut)
{
    if (!cut) {
        return WIDTH_ENDLESS;
    }
    const char *columns = getenv("COLUMNS");
    long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
    struct winsize size;
    if (width <= 0 && isatty(STDOUT_FILENO)) {
        width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    }
    if (width <= 0) {
        return WIDTH_ENDLESS;
    }
    return width < WIDTH_MIN ? WIDTH_MIN : (size_t)width;
}

static void *need(void *p)
{
    if (p == NULL) {
        fputs("perdure: out of memory\n", stderr);
        exit(CODE_OTHER);
    }
    return p;
}

struct table *table_new(const struct column *columns, size_t count, enum output_shape shape,
                        bool headers, bool colors, bool cut)
{
    struct table *t = need(calloc(1, sizeof *t));
    *t = (struct table){ columns, count, shape, colors, need(scols_new_table()) };
    scols_table_enable_noheadings(t->table, !headers || shape == OUTPUT_ONE);
    scols_table_enable_colors(t->table, colors);
    size_t width = screen_width(cut);
    scols_table_set_termforce(t->table, SCOLS_TERMFORCE_ALWAYS);
    scols_table_set_termwidth(t->table, width);
    scols_table_enable_nowrap(t->table, 1);
    scols_table_set_column_separator(t->table, "  ");
    if (shape == OUTPUT_ONE) {
        need(scols_table_new_column(t->table, "", 0, 0));
        need(scols_table_new_column(t->table, "", 0, SCOLS_FL_TRUNC));
        return t;
    }
    for (size_t i = 0; i < count; i++) {
        if (columns[i].title != NULL) {
            int flags = (columns[i].flags & COLUMN_RIGHT) ? SCOLS_FL_RIGHT : 0;
            flags |= (columns[i].flags & COLUMN_CUT) ? SCOLS_FL_TRUNC : 0;
            need(scols_table_new_column(t->table, columns[i].title, 0, flags));
        }
    }
    return t;
}

static void fill(struct table *t, struct libscols_line *line, size_t at, const char *text,
                 const char *color)
{
    if (text != NULL && scols_line_set_data(line, at, text) != 0) {
        need(NULL);
    }
    if (color != NULL && t->colors) {
        scols_cell_set_color(scols_line_get_cell(line, at), color);
    }
}

void table_row(struct table *t, const char *const *texts, const char *const *colors)
{
    struct libscols_line *line =
        t->shape == OUTPUT_MANY ? need(scols_table_new_line(t->table, NULL)) : NULL;
    size_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->columns[i].title == NULL) {
            continue;
        }
        if (t->shape == OUTPUT_MANY) {
            fill(t, line, at++, texts[i], colors[i]);
        } else if (texts[i] != NULL) {
            line = need(scols_table_new_line(t->table, NULL));
            fill(t, line, 0, t->columns[i].title, NULL);
            fill(t, line, 1, texts[i], colors[i]);
        }
    }
}

void table_print(struct table *t)
{
    if (!scols_table_is_empty(t->table)) {
        scols_print_table(t->table);
    }
    scols_unref_table(t->table);
    free(t);
}

#else

struct table *table_new(const struct column *columns, size_t count, enum output_shape shape,
                        bool headers, bool colors, bool cut)
{
    struct table *t = calloc(1, sizeof *t);
    (void)cut;
    if (t == NULL) {
        abort();
    }
    *t = (struct table){ columns, count, shape, colors };
    for (size_t i = 0; headers && shape == OUTPUT_MANY && i < count; i++) {
        if (columns[i].title != NULL) {
            printf("%s\t", columns[i].title);
        }
    }
    fputs(headers && shape == OUTPUT_MANY ? "\n" : "", stdout);
    return t;
}

void table_row(struct table *t, const char *const *texts, const char *const *colors)
{
    (void)colors;
    for (size_t i = 0; i < t->count; i++) {
        if (t->columns[i].title != NULL && t->shape == OUTPUT_MANY) {
            printf("%s\t", texts[i] != NULL ? texts[i] : "");
        } else if (t->columns[i].title != NULL && texts[i] != NULL) {
            printf("%s\t%s\n", t->columns[i].title, texts[i]);
        }
    }
    fputs(t->shape == OUTPUT_MANY ? "\n" : "", stdout);
}

void table_print(struct table *t)
{
    free(t);
}

#endif
