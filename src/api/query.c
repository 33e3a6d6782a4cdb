/* SPDX-License-Identifier: MIT
 *
 * Queries: instances in pages.
 *
 * A page token names the last row of its page, so a page depends on nothing that others do
 * meanwhile, and may be asked for with another page size. It is opaque: "1", then the row and a
 * check over it, both in hexadecimal, so that what is no token is refused instead of answered with
 * the wrong page.
 */
#include <stdio.h>

#include "api/api_priv.h"
#include "base/limits.h"
#include "base/memory.h"

enum { PAGE_MAGIC = 0x70616765, TOKEN_SIZE = 1 + 16 + 4 };

static const char where[] = "hub: query";

struct pd_page {
    uint32_t magic;
    size_t count;
    pd_instance *items;
    char token[TOKEN_SIZE + 1]; /* "": that was the last page */
    struct arena arena;
};

static unsigned check_of(uint64_t row)
{
    return (unsigned)(row * UINT64_C(0x9e3779b97f4a7c15) >> 48);
}

static void token_write(char token[TOKEN_SIZE + 1], uint64_t row)
{
    snprintf(token, TOKEN_SIZE + 1, "1%016llx%04x", (unsigned long long)row, check_of(row));
}

static bool read_hex(const char *at, size_t digits, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < digits; i++) {
        bool is_digit = at[i] >= '0' && at[i] <= '9';
        if (!is_digit && (at[i] < 'a' || at[i] > 'f')) {
            return false;
        }
        *ret = *ret << 4 | (uint64_t)(is_digit ? at[i] - '0' : at[i] - 'a' + 10);
    }
    return true;
}

static pd_status token_read(const char *token, uint64_t *ret, pd_error *err)
{
    struct text text = text_of(token);
    uint64_t row = 0;
    uint64_t check = 0;
    if (text.size != TOKEN_SIZE || token[0] != '1' || !read_hex(token + 1, 16, &row) ||
        !read_hex(token + 17, 4, &check) || check != check_of(row) || row == 0) {
        return error_set(err, PD_E_INVALID, false, where,
                         "'%.*s' is not a page token; pass what pd_page_token gave",
                         TEXT_ARGS(text));
    }
    *ret = row;
    return PD_OK;
}

static pd_status check(const pd_query *query, struct store_query *ret, pd_error *err)
{
    if (query->page_size > LIMIT_QUERY_PAGE) {
        return error_set(err, PD_E_INVALID, false, where,
                         "a page of %zu rows is over the limit of %d", query->page_size,
                         LIMIT_QUERY_PAGE);
    }
    if (query->states >> (PD_RUN_TERMINATED + 1) != 0) {
        return error_set(err, PD_E_INVALID, false, where,
                         "0x%x is not a set of states; combine 1u << PD_RUN_RUNNING and so on",
                         query->states);
    }
    *ret = (struct store_query){
        .states = query->states,
        .id_prefix = text_of(query->id_prefix),
        .name = text_of(query->name),
        .created_from = time_of_public(query->created_from),
        .limit = query->page_size != 0 ? query->page_size : LIMIT_QUERY_PAGE_DEFAULT,
        .with_payloads = true,
    };
    if (query->created_to.ms != 0) { /* all of that millisecond */
        ret->created_to = time_add(time_of_public(query->created_to), TIME_MS - 1);
    }
    return query->page_token != NULL ? token_read(query->page_token, &ret->after_row, err) : PD_OK;
}

static pd_page *page_new(const struct record_page *records, pd_error *err)
{
    pd_page *page = OBJECT_NEW(pd_page, PAGE_MAGIC);
    page->items = arena_alloc(&page->arena, (records->count + 1) * api_instance_size());
    for (size_t i = 0; i < records->count; i++) {
        if (api_instance_init_in(api_instance_at(page->items, i), &page->arena, &records->items[i],
                                 err) != PD_OK) {
            pd_page_free(page);
            return NULL;
        }
        page->count++;
    }
    if (records->has_more && records->count > 0) {
        token_write(page->token, records->items[records->count - 1].row);
    }
    return page;
}

pd_page *pd_hub_query(pd_hub *hub, const pd_query *query, pd_error *err)
{
    static const pd_query everything;
    pd_error unwanted;
    struct call call;
    struct store_query checked;
    struct record_page records = { NULL, 0, false };
    struct arena arena;
    pd_page *page = NULL;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    if (call_begin(&call, hub, where, err) == PD_OK &&
        check(query != NULL ? query : &everything, &checked, err) == PD_OK &&
        hub->store->ops->query(hub->store, &checked, &arena, &records, err) == PD_OK) {
        page = page_new(&records, err);
    }
    arena_done(&arena);
    call_end(&call);
    return page;
}

size_t pd_page_count(const pd_page *p)
{
    OBJECT_CHECK(p, PAGE_MAGIC);
    return p->count;
}

const pd_instance *pd_page_at(const pd_page *p, size_t index)
{
    OBJECT_CHECK(p, PAGE_MAGIC);
    return index < p->count ? api_instance_at(p->items, index) : NULL;
}

const char *pd_page_token(const pd_page *p)
{
    OBJECT_CHECK(p, PAGE_MAGIC);
    return p->token[0] != '\0' ? p->token : NULL;
}

void pd_page_free(pd_page *p)
{
    if (p == NULL) {
        return;
    }
    OBJECT_CHECK(p, PAGE_MAGIC);
    for (size_t i = 0; i < p->count; i++) {
        api_instance_done_in(api_instance_at(p->items, i));
    }
    arena_done(&p->arena);
    OBJECT_FREE(p, PAGE_MAGIC);
}
