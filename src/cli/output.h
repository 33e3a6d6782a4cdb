/* SPDX-License-Identifier: MIT
 *
 * Output: rows of typed cells, written in the format the user asked for.
 *
 *   O1  What a column is called in json, csv and with headers (its key) never changes; what a table
 *       shows may.
 *   O2  json is one document: an array for lists ("[]" when empty), an object for one thing. Every
 *       column is in it, null where there is nothing.
 *   O3  plain, csv, jsonl and id are written row by row; a table when all rows are known.
 *   O4  Payloads go into json and jsonl as JSON, elsewhere as JSON text.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli.h"

enum {
    COLUMN_ID = 1,     /* what -o id prints */
    COLUMN_RIGHT = 2,  /* numbers */
    COLUMN_CUT = 4,    /* a table may cut it to fit */
    COLUMN_PLAIN = 8,  /* in plain, although a table does not show it */
    COLUMN_SPARE = 16, /* a table without room for the others has not got it */
};

struct column {
    const char *key;
    const char *title; /* in a table; NULL: neither in a table nor in plain */
    unsigned flags;
};

enum cell_kind { CELL_NONE, CELL_TEXT, CELL_JSON, CELL_INT, CELL_REAL, CELL_TIME, CELL_MICROS };

struct cell {
    enum cell_kind kind;
    const char *text;
    int64_t number; /* CELL_TIME: microseconds, shown as milliseconds; CELL_MICROS: in full */
    double real;
    const char *color; /* "red"; NULL: none */
};

static inline struct cell cell_none(void)
{
    return (struct cell){ .kind = CELL_NONE };
}
static inline struct cell cell_text(const char *text) /* NULL: none */
{
    return (struct cell){ .kind = text != NULL ? CELL_TEXT : CELL_NONE, .text = text };
}
static inline struct cell cell_json(const char *json) /* NULL: none */
{
    return (struct cell){ .kind = json != NULL ? CELL_JSON : CELL_NONE, .text = json };
}
static inline struct cell cell_int(int64_t number)
{
    return (struct cell){ .kind = CELL_INT, .number = number };
}
static inline struct cell cell_real(double real)
{
    return (struct cell){ .kind = CELL_REAL, .real = real };
}
static inline struct cell cell_time(pd_time time) /* 0: none */
{
    return (struct cell){ .kind = time.ms != 0 ? CELL_TIME : CELL_NONE, .number = time.ms * 1000 };
}
static inline struct cell cell_micros(int64_t us)
{
    return (struct cell){ .kind = CELL_MICROS, .number = us };
}

enum output_shape { OUTPUT_MANY, OUTPUT_ONE };

struct output;

struct output *output_begin(const struct options *options, enum output_shape shape,
                            const struct column *columns, size_t count);
void output_row(struct output *out, const struct cell *cells);
/* Writes what is left and frees. Returns code. */
int output_end(struct output *out, int code);
/* Nobody reads any more: the rest need not be made. */
bool output_reader_left(void);
/* At the very end: code, or CODE_OTHER after a problem when data could not be written. A reader
 * that left is no problem. */
int output_finish(int code);
/* FORMAT_AUTO resolved. */
enum format output_format(const struct options *options);

/* ---- table.c ---- */

struct table;
struct table *table_new(const struct column *columns, size_t count, enum output_shape shape,
                        bool headers, bool colors, bool cut);
/* texts[i] belongs to columns[i]; NULL where the table does not show it, or there is nothing. */
void table_row(struct table *table, const char *const *texts, const char *const *colors);
void table_print(struct table *table); /* and free */

size_t screen_height(void);
/* A copy that takes one line of the screen, to be freed. Without a screen all of it. */
char *screen_cut(const char *text);

#endif
