/* SPDX-License-Identifier: MIT
 *
 * perdure list: instances, oldest first, page by page.
 */
#include <unistd.h>

#include "record.h"

enum { LIMIT_ON_TERMINAL = 50, PAGE = 500 };

int cmd_list(struct invocation *in)
{
    const struct options *o = &in->options;
    int code = CODE_DONE;
    PD_AUTO(pd_hub) hub = hub_open(in, false, &code);
    if (hub == NULL) {
        return code;
    }
    int64_t left = o->limit > 0 ? o->limit : isatty(STDOUT_FILENO) ? LIMIT_ON_TERMINAL : INT64_MAX;
    struct output *out = output_begin(o, OUTPUT_MANY, record_columns, RECORD_LIST);
    char token[2048] = "";
    bool more = true;
    while (more && left > 0 && !output_reader_left()) {
        pd_query query = query_of(o);
        query.page_token = *token != 0 ? token : NULL;
        query.page_size = left < PAGE ? (size_t)left : PAGE;
        pd_error err;
        PD_AUTO(pd_page) page = pd_hub_query(hub, &query, &err);
        if (page == NULL) {
            code = problem_of(&err);
            break;
        }
        for (size_t i = 0; i < pd_page_count(page); i++, left--) {
            struct cell cells[RECORD_LIST];
            record_fill(pd_page_at(page, i), RECORD_LIST, cells, NULL);
            output_row(out, cells);
        }
        const char *next = pd_page_token(page);
        more = next != NULL;
        snprintf(token, sizeof token, "%s", more ? next : "");
    }
    output_end(out, code);
    if (more && code == CODE_DONE && !o->quiet && isatty(STDERR_FILENO) && o->limit == 0) {
        fprintf(stderr, "there are more: perdure list --limit N\n");
    }
    return code;
}
