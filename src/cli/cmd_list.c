/* SPDX-License-Identifier: MIT
 *
 * perdure list: instances, oldest first.
 */
#include "pages.h"
#include "record.h"

static bool put_page(struct pages *pages, pd_error *err)
{
    pd_query query = query_of(&pages->in->options);
    query.page_token = pages->token;
    query.page_size = pages->size;
    PD_AUTO(pd_page) page = pd_hub_query(pages->hub, &query, err);
    for (size_t i = 0; page != NULL && i < pd_page_count(page); i++) {
        struct cell cells[RECORD_LIST];
        record_fill(pd_page_at(page, i), RECORD_LIST, cells, NULL);
        output_row(pages->out, cells);
    }
    if (page != NULL) {
        pages_turn(pages, pd_page_count(page), pd_page_token(page));
    }
    return page != NULL;
}

int cmd_list(struct invocation *in)
{
    return pages_list(in, record_columns, RECORD_LIST, put_page);
}
