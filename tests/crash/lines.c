/* SPDX-License-Identifier: MIT
 *
 * Sets of lines: what was written down of the killed processes' doings. See crash.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void lines_add(struct lines *lines, const char *text)
{
    if (lines->count == lines->room) {
        lines->room = lines->room != 0 ? lines->room * 2 : 1024;
        lines->at = realloc(lines->at, lines->room * sizeof *lines->at);
        if (lines->at == NULL) {
            abort();
        }
    }
    lines->at[lines->count++] = strdup(text);
}

struct lines lines_read(const char *file, const char *word, size_t *ret_all)
{
    struct lines lines = { 0 };
    char line[1300];
    FILE *from = fopen(file, "re");
    while (from != NULL && fgets(line, sizeof line, from) != NULL) {
        size_t size = strlen(word);
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, word, size) == 0) {
            lines_add(&lines, line + size);
        }
    }
    if (from != NULL) {
        fclose(from);
    }
    *ret_all = lines.count;
    lines_sort(&lines);
    size_t kept = 0;
    for (size_t i = 0; i < lines.count; i++) {
        if (kept > 0 && strcmp(lines.at[kept - 1], lines.at[i]) == 0) {
            free(lines.at[i]);
        } else {
            lines.at[kept++] = lines.at[i];
        }
    }
    lines.count = kept;
    return lines;
}

void lines_sort(struct lines *lines)
{
    if (lines->count > 0) {
        qsort(lines->at, lines->count, sizeof *lines->at, by_text);
    }
}

bool lines_have(const struct lines *lines, const char *text)
{
    return lines->count > 0 &&
           bsearch(&text, lines->at, lines->count, sizeof *lines->at, by_text) != NULL;
}

void lines_done(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->at[i]);
    }
    free(lines->at);
}
