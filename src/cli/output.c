/* SPDX-License-Identifier: MIT
 *
 * Output in every format but the table itself; see output.h.
 */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS_MAX = 40 };

struct output {
    enum format format;
    enum output_shape shape;
    const struct column *columns;
    size_t count, rows;
    bool headers;
    struct table *table;
    struct string line;
};

static int write_error; /* errno of the first write to stdout that failed */

static void note_error(void)
{
    if (write_error == 0) {
        write_error = errno != 0 ? errno : EIO;
    }
}

bool output_reader_left(void)
{
    return write_error == EPIPE;
}

int output_finish(int code)
{
    errno = 0;
    if (fflush(stdout) != 0) {
        note_error();
    } else if (ferror(stdout)) {
        errno = EIO;
        note_error();
    }
    if (write_error == 0 || write_error == EPIPE || code != CODE_DONE) {
        return code;
    }
    return problem(CODE_OTHER, NULL, "the output cannot be written: %s", strerror(write_error));
}

enum format output_format(const struct options *options)
{
    if (options->format != FORMAT_AUTO) {
        return (enum format)options->format;
    }
    return isatty(STDOUT_FILENO) ? FORMAT_TABLE : FORMAT_PLAIN;
}

static bool use_colors(const struct options *options)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (options->color != WHEN_AUTO) {
        return options->color == WHEN_ALWAYS;
    }
    return isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == 0) && term != NULL &&
           strcmp(term, "dumb") != 0;
}

/* ---- cells ---- */

static void add_bare(struct string *s, const struct cell *cell, bool in_table)
{
    switch (cell->kind) {
    case CELL_NONE: return;
    case CELL_TEXT:
    case CELL_JSON: string_text(s, cell->text); return;
    case CELL_INT: string_format(s, "%" PRId64, cell->number); return;
    case CELL_REAL:
        if (in_table) {
            string_format(s, fabs(cell->real) >= 1000 ? "%.0f" : "%.4g", cell->real);
        } else {
            string_format(s, "%.9g", cell->real);
        }
        return;
    case CELL_TIME:
        string_text(s,
                    in_table ? time_local(cell->number).text : time_iso(cell->number, false).text);
        return;
    case CELL_MICROS:
        string_text(s,
                    in_table ? time_clock(cell->number).text : time_iso(cell->number, true).text);
        return;
    }
}

static void add_json(struct string *s, const struct cell *cell)
{
    AUTO_STRING bare = { 0 };
    switch (cell->kind) {
    case CELL_NONE: string_text(s, "null"); return;
    case CELL_TEXT: string_quote(s, cell->text); return;
    case CELL_REAL:
        if (!isfinite(cell->real)) {
            string_text(s, "null");
            return;
        }
        add_bare(s, cell, false);
        return;
    case CELL_JSON:
    case CELL_INT: add_bare(s, cell, false); return;
    case CELL_TIME:
    case CELL_MICROS:
        add_bare(&bare, cell, false);
        string_quote(s, bare.at);
        return;
    }
}

/* A tab or a new line in a value would make two of it. */
static void add_plain(struct string *s, const struct cell *cell)
{
    AUTO_STRING bare = { 0 };
    add_bare(&bare, cell, false);
    for (size_t i = 0; i < bare.size; i++) {
        switch (bare.at[i]) {
        case '\t': string_text(s, "\\t"); break;
        case '\n': string_text(s, "\\n"); break;
        case '\r': string_text(s, "\\r"); break;
        default: string_add(s, &bare.at[i], 1); break;
        }
    }
}

static void add_csv(struct string *s, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        string_text(s, text);
        return;
    }
    string_text(s, "\"");
    for (const char *p = text; *p != 0; p++) {
        string_add(s, "\"\"", *p == '"' ? 1 : 0);
        string_add(s, p, 1);
    }
    string_text(s, "\"");
}

/* ---- rows ---- */

static void flush_line(struct output *out)
{
    if (out->line.size > 0 && write_error == 0 &&
        fwrite(out->line.at, 1, out->line.size, stdout) != out->line.size) {
        note_error();
    }
    out->line.size = 0;
}

static bool is_shown(const struct output *out, size_t i)
{
    return out->columns[i].title != NULL || (out->columns[i].flags & COLUMN_PLAIN);
}

static void line_of_names(struct output *out)
{
    struct string *s = &out->line;
    size_t written = 0;
    for (size_t i = 0; i < out->count; i++) {
        bool csv = out->format == FORMAT_CSV;
        if (csv || is_shown(out, i)) {
            string_text(s, written++ == 0 ? "" : csv ? "," : "\t");
            string_text(s, out->columns[i].key);
        }
    }
    string_text(s, out->format == FORMAT_CSV ? "\r\n" : "\n");
    flush_line(out);
}

struct output *output_begin(const struct options *options, enum output_shape shape,
                            const struct column *columns, size_t count)
{
    struct output *out = calloc(1, sizeof *out);
    if (out == NULL || count > COLUMNS_MAX) {
        abort();
    }
    out->format = output_format(options);
    out->shape = shape;
    out->columns = columns;
    out->count = count;
    bool headers_default = out->format == FORMAT_TABLE || out->format == FORMAT_CSV;
    out->headers =
        options->headers == WHEN_AUTO ? headers_default : options->headers == WHEN_ALWAYS;
    if (out->format == FORMAT_TABLE) {
        out->table =
            table_new(columns, count, shape, out->headers, use_colors(options), !options->show_all);
    } else if (out->format == FORMAT_CSV && out->headers) {
        line_of_names(out);
    } else if (out->format == FORMAT_PLAIN && out->headers && shape == OUTPUT_MANY) {
        line_of_names(out);
    }
    return out;
}

static void row_to_table(struct output *out, const struct cell *cells)
{
    const char *texts[COLUMNS_MAX] = { NULL }, *colors[COLUMNS_MAX] = { NULL };
    struct string made[COLUMNS_MAX] = { 0 };
    for (size_t i = 0; i < out->count; i++) {
        if (out->columns[i].title != NULL) {
            add_bare(&made[i], &cells[i], true);
            texts[i] = made[i].at;
            colors[i] = cells[i].color;
        }
    }
    table_row(out->table, texts, colors);
    for (size_t i = 0; i < out->count; i++) {
        string_done(&made[i]);
    }
}

static void row_to_json(struct output *out, const struct cell *cells)
{
    struct string *s = &out->line;
    bool in_array = out->format == FORMAT_JSON && out->shape == OUTPUT_MANY;
    if (in_array) {
        string_text(s, out->rows == 0 ? "[\n  " : ",\n  ");
    }
    for (size_t i = 0; i < out->count; i++) {
        string_text(s, i == 0 ? "{" : ",");
        string_quote(s, out->columns[i].key);
        string_text(s, ":");
        add_json(s, &cells[i]);
    }
    string_text(s, in_array ? "}" : "}\n");
}

static void row_to_csv(struct output *out, const struct cell *cells)
{
    for (size_t i = 0; i < out->count; i++) {
        AUTO_STRING bare = { 0 };
        string_text(&bare, "");
        add_bare(&bare, &cells[i], false);
        string_text(&out->line, i == 0 ? "" : ",");
        add_csv(&out->line, bare.at);
    }
    string_text(&out->line, "\r\n");
}

static void row_to_plain(struct output *out, const struct cell *cells)
{
    size_t written = 0;
    for (size_t i = 0; i < out->count; i++) {
        if (!is_shown(out, i)) {
            continue;
        }
        if (out->shape == OUTPUT_ONE && out->count > 1) {
            string_format(&out->line, "%s\t", out->columns[i].key);
            add_plain(&out->line, &cells[i]);
            string_text(&out->line, "\n");
            continue;
        }
        string_text(&out->line, written++ == 0 ? "" : "\t");
        add_plain(&out->line, &cells[i]);
    }
    if (written > 0) {
        string_text(&out->line, "\n");
    }
}

static void row_to_id(struct output *out, const struct cell *cells)
{
    for (size_t i = 0; i < out->count; i++) {
        if (out->columns[i].flags & COLUMN_ID) {
            add_plain(&out->line, &cells[i]);
            string_text(&out->line, "\n");
        }
    }
}

void output_row(struct output *out, const struct cell *cells)
{
    switch (out->format) {
    case FORMAT_TABLE: row_to_table(out, cells); break;
    case FORMAT_JSON:
    case FORMAT_JSONL: row_to_json(out, cells); break;
    case FORMAT_CSV: row_to_csv(out, cells); break;
    case FORMAT_ID: row_to_id(out, cells); break;
    case FORMAT_AUTO:
    case FORMAT_PLAIN: row_to_plain(out, cells); break;
    case FORMAT_NONE: break;
    }
    out->rows++;
    flush_line(out);
}

int output_end(struct output *out, int code)
{
    if (out->format == FORMAT_TABLE) {
        table_print(out->table);
    } else if (out->format == FORMAT_JSON && out->shape == OUTPUT_MANY) {
        string_text(&out->line, out->rows == 0 ? "[]\n" : "\n]\n");
        flush_line(out);
    }
    if (fflush(stdout) != 0) {
        note_error();
    }
    string_done(&out->line);
    free(out);
    return code;
}
