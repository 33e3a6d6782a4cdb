/* SPDX-License-Identifier: MIT
 *
 * perdure ... list: page by page, as much as was asked for; on a terminal no more than a screen or
 * two, and a word that there is more. */
#include "pages.h"

#include <unistd.h>

enum { LIMIT_ON_TERMINAL = 50, PAGE = 500 };

void pages_turn(struct pages *pages, size_t rows, const char *next)
{
    pages->left -= (int64_t)rows;
    pages->has_more = next != NULL;
    snprintf(pages->next, sizeof pages->next, "%s", next != NULL ? next : "");
    pages->token = pages->next;
}

int pages_list(struct invocation *in, const struct column *columns, size_t count, pages_page *page)
{
    const struct options *o = &in->options;
    int code = CODE_DONE;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    struct pages pages = { .in = in, .hub = hub, .has_more = true };
    pages.left = o->limit > 0 ? o->limit : isatty(STDOUT_FILENO) ? LIMIT_ON_TERMINAL : INT64_MAX;
    pages.out = output_begin(o, OUTPUT_MANY, columns, count);
    while (code == CODE_DONE && pages.has_more && pages.left > 0 && !output_reader_left()) {
        pd_error err;
        pages.size = pages.left < PAGE ? (size_t)pages.left : PAGE;
        code = page(&pages, &err) ? CODE_DONE : problem_of(&err);
    }
    output_end(pages.out, code);
    if (pages.has_more && code == CODE_DONE && o->limit == 0) {
        remark(o, "there are more: perdure %s --limit N", in->command->name);
    }
    return code;
}
