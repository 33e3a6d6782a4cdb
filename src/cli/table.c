/* SPDX-License-Identifier: MIT
 *
 * Tables: columns aligned by what characters take on the screen, and cut to its width. The only
 * user of libsmartcols, which lays them out and colours them; without it (PERDURE_SMARTCOLS=OFF)
 * cells are put out with tabs between.
 *
 *   T1  Columns that may be cut share what the others leave: narrow ones keep their width, the wide
 *       ones get the same. What was cut ends with an ellipsis. Before they become illegible columns
 *       that can be spared go, the last one first.
 *   T2  Nothing a cell holds moves the cursor: control characters become spaces.
 *   T3  Into a file or a pipe a table is not cut, unless COLUMNS says how wide it is.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "output.h"

#if PERDURE_SMARTCOLS
#include <libsmartcols/libsmartcols.h>
#endif

enum { WIDTH_MIN = 20, HEIGHT_MIN = 4, CUT_MIN = 4, LEGIBLE = 16, BETWEEN = 2, SHOWN_MAX = 40 };

struct row {
    char *texts[SHOWN_MAX]; /* of the shown columns; NULL: nothing */
    const char *colors[SHOWN_MAX];
};

struct table {
    const struct column *columns;
    size_t count;
    enum output_shape shape;
    bool headers, colors, cut;
    const char *titles[SHOWN_MAX];
    unsigned flags[SHOWN_MAX];
    size_t widths[SHOWN_MAX], shown;
    struct row *rows;
    size_t row_count, row_room;
};

static void *need(void *p)
{
    if (p == NULL) {
        fputs("perdure: out of memory\n", stderr);
        exit(CODE_OTHER);
    }
    return p;
}

/* ---- widths ---- */

static size_t screen_width(void)
{
    const char *columns = getenv("COLUMNS");
    long width = columns != NULL ? strtol(columns, NULL, 10) : 0;
    struct winsize size;
    if (width <= 0 && isatty(STDOUT_FILENO)) {
        width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    }
    if (width <= 0) {
        return SIZE_MAX;
    }
    return width < WIDTH_MIN ? WIDTH_MIN : (size_t)width;
}

size_t screen_height(void)
{
    struct winsize size;
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row >= HEIGHT_MIN;
    return is_known ? size.ws_row : 24;
}

/* One character: its bytes, and how many columns it takes. Bad bytes are one column each. */
static size_t one_character(const char *text, size_t *ret_width)
{
    mbstate_t state = { 0 };
    wchar_t c = 0;
    size_t size = mbrtowc(&c, text, MB_CUR_MAX, &state);
    if (size == (size_t)-1 || size == (size_t)-2 || size == 0) {
        *ret_width = 1;
        return 1;
    }
    int width = wcwidth(c);
    *ret_width = width > 0 ? (size_t)width : 0;
    return size;
}

static size_t width_of(const char *text)
{
    size_t sum = 0, width = 0;
    while (*text != 0) {
        text += one_character(text, &width);
        sum += width;
    }
    return sum;
}

/* T2 */
static char *tame(const char *text)
{
    char *copy = need(strdup(text));
    for (char *p = copy; *p != 0; p++) {
        unsigned char c = (unsigned char)*p;
        *p = c < 0x20 || c == 0x7f ? ' ' : *p;
    }
    return copy;
}

/* A copy of at most max columns. */
static char *cut_to(const char *text, size_t max)
{
    AUTO_STRING s = { 0 };
    string_text(&s, "");
    bool whole = width_of(text) <= max;
    size_t used = 0, width = 0;
    while (*text != 0) {
        size_t size = one_character(text, &width);
        if (!whole && used + width > max - 1) {
            string_text(&s, MB_CUR_MAX > 1 ? "\xe2\x80\xa6" : "~");
            break;
        }
        string_add(&s, text, size);
        used += width;
        text += size;
    }
    return need(strdup(s.at));
}

char *screen_cut(const char *text)
{
    char *tamed = tame(text);
    char *cut = cut_to(tamed, screen_width());
    free(tamed);
    return cut;
}

/* What the table takes when columns that may be cut get no more than so much. */
static size_t width_when_cut(const struct table *t, size_t cap)
{
    size_t sum = t->shown > 0 ? (t->shown - 1) * BETWEEN : 0;
    for (size_t i = 0; i < t->shown; i++) {
        bool is_cut = (t->flags[i] & COLUMN_CUT) != 0 && t->widths[i] > cap;
        sum += is_cut ? cap : t->widths[i];
    }
    return sum;
}

/* The last one; false: there is none. */
static bool spare_column(struct table *t)
{
    size_t at = t->shown;
    while (at > 0 && (t->flags[at - 1] & COLUMN_SPARE) == 0) {
        at--;
    }
    if (at == 0) {
        return false;
    }
    size_t left = t->shown - at;
    for (size_t r = 0; r < t->row_count; r++) {
        struct row *row = &t->rows[r];
        free(row->texts[at - 1]);
        memmove(&row->texts[at - 1], &row->texts[at], left * sizeof row->texts[0]);
        memmove(&row->colors[at - 1], &row->colors[at], left * sizeof row->colors[0]);
    }
    memmove(&t->titles[at - 1], &t->titles[at], left * sizeof t->titles[0]);
    memmove(&t->flags[at - 1], &t->flags[at], left * sizeof t->flags[0]);
    memmove(&t->widths[at - 1], &t->widths[at], left * sizeof t->widths[0]);
    t->shown--;
    return true;
}

/* T1: the largest width that lets all columns fit, found from above. */
static void fit(struct table *t, size_t screen)
{
    size_t cap = 0;
    while (width_when_cut(t, LEGIBLE) > screen && spare_column(t)) {}
    for (size_t i = 0; i < t->shown; i++) {
        cap = (t->flags[i] & COLUMN_CUT) != 0 && t->widths[i] > cap ? t->widths[i] : cap;
    }
    while (cap > CUT_MIN && width_when_cut(t, cap) > screen) {
        cap--;
    }
    for (size_t i = 0; i < t->shown; i++) {
        if ((t->flags[i] & COLUMN_CUT) != 0 && t->widths[i] > cap) {
            t->widths[i] = cap;
        }
    }
}

static void measure(struct table *t)
{
    bool many = t->shape == OUTPUT_MANY;
    for (size_t i = 0; i < t->shown; i++) {
        t->widths[i] = many && t->headers ? width_of(t->titles[i]) : 0;
    }
    for (size_t r = 0; r < t->row_count; r++) {
        for (size_t i = 0; i < t->shown; i++) {
            size_t width = t->rows[r].texts[i] != NULL ? width_of(t->rows[r].texts[i]) : 0;
            t->widths[i] = width > t->widths[i] ? width : t->widths[i];
        }
    }
    size_t screen = t->cut ? screen_width() : SIZE_MAX;
    if (screen != SIZE_MAX) {
        fit(t, screen);
    }
}

/* ---- filling ---- */

struct table *table_new(const struct column *columns, size_t count, enum output_shape shape,
                        bool headers, bool colors, bool cut)
{
    struct table *t = need(calloc(1, sizeof *t));
    t->columns = columns;
    t->count = count;
    t->shape = shape;
    t->headers = headers;
    t->colors = colors;
    t->cut = cut;
    if (shape == OUTPUT_ONE) { /* a name and a value in each line */
        t->shown = 2;
        t->flags[1] = COLUMN_CUT;
        return t;
    }
    for (size_t i = 0; i < count; i++) {
        if (columns[i].title != NULL) {
            t->titles[t->shown] = columns[i].title;
            t->flags[t->shown++] = columns[i].flags;
        }
    }
    return t;
}

static struct row *add_row(struct table *t)
{
    if (t->row_count == t->row_room) {
        t->row_room = t->row_room != 0 ? t->row_room * 2 : 64;
        t->rows = need(realloc(t->rows, t->row_room * sizeof *t->rows));
    }
    struct row *row = &t->rows[t->row_count++];
    *row = (struct row){ .texts = { NULL } };
    return row;
}

void table_row(struct table *t, const char *const *texts, const char *const *colors)
{
    struct row *row = t->shape == OUTPUT_MANY ? add_row(t) : NULL;
    size_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->columns[i].title == NULL || (t->shape == OUTPUT_ONE && texts[i] == NULL)) {
            continue;
        }
        if (t->shape == OUTPUT_ONE) {
            row = add_row(t);
            row->texts[0] = tame(t->columns[i].title);
            at = 1;
        }
        row->texts[at] = texts[i] != NULL ? tame(texts[i]) : NULL;
        row->colors[at++] = colors[i];
    }
}

/* ---- printing ---- */

#if PERDURE_SMARTCOLS

static void print(struct table *t)
{
    struct libscols_table *table = need(scols_new_table());
    scols_table_enable_noheadings(table, !t->headers || t->shape == OUTPUT_ONE);
    scols_table_enable_colors(table, t->colors);
    scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER); /* it is cut already */
    scols_table_set_column_separator(table, "  ");
    for (size_t i = 0; i < t->shown; i++) {
        const char *title = t->titles[i] != NULL ? t->titles[i] : "";
        int flags = (t->flags[i] & COLUMN_RIGHT) ? SCOLS_FL_RIGHT : 0;
        need(scols_table_new_column(table, title, 0, flags));
    }
    for (size_t r = 0; r < t->row_count; r++) {
        struct libscols_line *line = need(scols_table_new_line(table, NULL));
        for (size_t i = 0; i < t->shown; i++) {
            const struct row *row = &t->rows[r];
            if (row->texts[i] == NULL) {
                continue;
            }
            char *text = cut_to(row->texts[i], t->widths[i]);
            if (scols_line_refer_data(line, i, text) != 0) {
                need(NULL);
            }
            if (t->colors && row->colors[i] != NULL) {
                scols_cell_set_color(scols_line_get_cell(line, i), row->colors[i]);
            }
        }
    }
    if (t->row_count > 0) {
        scols_print_table(table);
    }
    scols_unref_table(table);
}

#else

static void print(struct table *t)
{
    for (size_t i = 0; t->headers && t->shape == OUTPUT_MANY && i < t->shown; i++) {
        printf("%s%s", t->titles[i], i + 1 < t->shown ? "\t" : "\n");
    }
    for (size_t r = 0; r < t->row_count; r++) {
        for (size_t i = 0; i < t->shown; i++) {
            const char *text = t->rows[r].texts[i] != NULL ? t->rows[r].texts[i] : "";
            char *fitting = cut_to(text, t->widths[i]);
            printf("%s%s", fitting, i + 1 < t->shown ? "\t" : "\n");
            free(fitting);
        }
    }
}

#endif

void table_print(struct table *t)
{
    measure(t);
    print(t);
    for (size_t r = 0; r < t->row_count; r++) {
        for (size_t i = 0; i < t->shown; i++) {
            free(t->rows[r].texts[i]);
        }
    }
    free(t->rows);
    free(t);
}
