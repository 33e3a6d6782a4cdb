/* SPDX-License-Identifier: MIT
 *
 * Lists: what comes in pages becomes rows, until there are no more, or enough. */
#ifndef CLI_PAGES_H
#define CLI_PAGES_H

#include "output.h"

struct pages {
    struct invocation *in;
    pd_hub *hub;
    struct output *out;
    size_t size;       /* of the page that is wanted */
    const char *token; /* where it begins; NULL: it is the first */
    int64_t left;      /* rows that are wanted still */
    bool has_more;
    char next[4096];
};

/* Asks for one page, puts its rows out, and calls pages_turn. False: err says why not. */
typedef bool pages_page(struct pages *pages, pd_error *err);

/* It had so many rows, and the next one begins there (copied); NULL: it was the last. */
void pages_turn(struct pages *pages, size_t rows, const char *next);

/* The whole command: opens the hub, lists, closes. An exit code. */
int pages_list(struct invocation *in, const struct column *columns, size_t count, pages_page *page);

#endif
