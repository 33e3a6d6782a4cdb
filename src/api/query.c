/* SPDX-License-Identifier: MIT
 *
 * Queries: instances in pages.
 *
 *   Y1  First come the rows of the store, oldest first, then, as Pending, the starts that still lie
 *       in the mailbox: whoever was told PD_OK for a start finds it in the list (L1 in look.c).
 *   Y2  What an engine takes out of the mailbox between the two looks, or between two pages, is a
 *       newer row: so rows are asked for again once mail was seen, and before each page of mail.
 *       Nothing is missed, and within a page nothing is there twice.
 *
 * A page token names the last row and the last message seen, so a page depends on nothing that
 * others do meanwhile, and may be asked for with another page size. It is opaque: "1", then the
 * place and a check over it, all hexadecimal, so that what is no token is refused instead of
 * answered with the wrong page.
 */
#include <stdio.h>
#include <string.h>

#include "api/api_priv.h"
#include "api/over.h"
#include "base/memory.h"

enum {
    PAGE_MAGIC = 0x70616765,
    ROW_DIGITS = 16,
    PARTITION_DIGITS = 2,
    NUMBER_DIGITS = 16,
    CHECK_DIGITS = 4,
    TOKEN_SIZE = 1 + ROW_DIGITS + PARTITION_DIGITS + NUMBER_DIGITS + CHECK_DIGITS
};

static const char where[] = "hub: query";

/* How far a list has come. */
struct place {
    uint64_t row;
    struct mail_place mail;
};

struct pd_page {
    uint32_t magic;
    size_t count;
    pd_instance *items;
    char token[TOKEN_SIZE + 1]; /* "": that was the last page */
    struct arena arena;
};

/* ---- page tokens ---------------------------------------------------------------------------- */

static unsigned check_of(const struct place *place)
{
    static const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t sum = (place->row * odd ^ place->mail.partition) * odd;
    return (unsigned)(((sum ^ place->mail.number) + 1) * odd >> 48);
}

static void token_write(char token[TOKEN_SIZE + 1], const struct place *place)
{
    snprintf(token, TOKEN_SIZE + 1, "1%016llx%02x%016llx%04x", (unsigned long long)place->row,
             place->mail.partition & 0xff, (unsigned long long)place->mail.number, check_of(place));
}

bool api_read_hex(const char **at, size_t digits, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < digits; i++, (*at)++) {
        bool is_digit = **at >= '0' && **at <= '9';
        if (!is_digit && (**at < 'a' || **at > 'f')) {
            return false;
        }
        *ret = *ret << 4 | (uint64_t)(is_digit ? **at - '0' : **at - 'a' + 10);
    }
    return true;
}

static pd_status token_read(const char *token, struct place *ret, pd_error *err)
{
    const char *at = token + 1;
    uint64_t partition = 0;
    uint64_t check = 0;
    if (strlen(token) != TOKEN_SIZE || token[0] != '1' ||
        !api_read_hex(&at, ROW_DIGITS, &ret->row) ||
        !api_read_hex(&at, PARTITION_DIGITS, &partition) ||
        !api_read_hex(&at, NUMBER_DIGITS, &ret->mail.number) ||
        !api_read_hex(&at, CHECK_DIGITS, &check)) {
        partition = UINT64_MAX;
    }
    ret->mail.partition = (unsigned)partition;
    if (partition >= LIMIT_PARTITIONS || check != check_of(ret)) {
        return error_set(err, PD_E_INVALID, false, where,
                         "'%s' is not a page token; pass what pd_page_token gave", token);
    }
    return PD_OK;
}

/* ---- one page ------------------------------------------------------------------------------- */

static pd_status check(const pd_query *query, struct arena *arena, struct store_query *ret,
                       struct place *place, pd_error *err)
{
    *place = (struct place){ 0 };
    if (query->page_size > LIMIT_QUERY_PAGE) {
        return error_set(err, PD_E_INVALID, false, where,
                         "a page of %zu rows is over the limit of %d", query->page_size,
                         LIMIT_QUERY_PAGE);
    }
    pd_status status = api_read_query(query, arena, ret, where, err);
    ret->limit = query->page_size != 0 ? query->page_size : LIMIT_QUERY_PAGE_DEFAULT;
    ret->with_payloads = true;
    ret->bytes_max = LIMIT_QUERY_BYTES;
    if (!query->with_builtin) {
        api_hide_builtin(ret);
    }
    if (status == PD_OK && query->page_token != NULL) {
        status = token_read(query->page_token, place, err);
    }
    return status;
}

static bool is_among(const struct record_page *rows, const struct instance_record *start)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (text_equal(rows->items[i].execution_id, start->execution_id)) {
            return true;
        }
    }
    return false;
}

struct listing {
    pd_hub *hub;
    struct store_query query;
    struct place place; /* moves on with what was found */
    struct arena arena;
    struct record_page rows;
    struct mail_page mail;
};

static pd_status find_rows(struct listing *list, pd_error *err)
{
    struct store *store = list->hub->store;
    list->query.after_row = list->place.row;
    list->rows = (struct record_page){ NULL, 0, false };
    return store->ops->query(store, &list->query, &list->arena, &list->rows, err);
}

static pd_status find_mail(struct listing *list, pd_error *err)
{
    struct mail_place place = list->place.mail;
    size_t max = list->query.limit - list->rows.count;
    list->mail.items = arena_alloc(&list->arena, max * sizeof(*list->mail.items) + 1);
    pd_status status =
        mail_query(list->hub, &list->query, max, &place, &list->arena, &list->mail, err);
    if (status != PD_OK || (list->mail.count == 0 && !list->mail.has_more)) {
        return status;
    }
    status = find_rows(list, err); /* Y2 */
    if (list->rows.has_more || list->rows.count + list->mail.count > list->query.limit) {
        list->mail = (struct mail_page){ NULL, 0, true }; /* the next page looks again */
        return status;
    }
    size_t kept = 0;
    for (size_t i = 0; i < list->mail.count; i++) {
        if (!is_among(&list->rows, &list->mail.items[i])) {
            list->mail.items[kept++] = list->mail.items[i];
        }
    }
    list->mail.count = kept;
    list->place.mail = place;
    return status;
}

static pd_status find(struct listing *list, pd_error *err)
{
    pd_status status = find_rows(list, err);
    if (status == PD_OK && !list->rows.has_more) {
        status = find_mail(list, err);
    }
    if (status == PD_OK && list->rows.count > 0) {
        list->place.row = list->rows.items[list->rows.count - 1].row;
    }
    return status;
}

static pd_page *page_new(const struct listing *list, pd_error *err)
{
    pd_page *page = OBJECT_NEW(pd_page, PAGE_MAGIC);
    size_t count = list->rows.count + list->mail.count;
    page->items = arena_alloc(&page->arena, (count + 1) * api_instance_size());
    for (size_t i = 0; i < count; i++) {
        const struct instance_record *record =
            i < list->rows.count ? &list->rows.items[i] : &list->mail.items[i - list->rows.count];
        if (api_instance_init_in(api_instance_at(page->items, i), &page->arena, record, err) !=
            PD_OK) {
            pd_page_free(page);
            return NULL;
        }
        page->count++;
    }
    if (list->rows.has_more || list->mail.has_more) {
        token_write(page->token, &list->place);
    }
    return page;
}

pd_page *pd_hub_query(pd_hub *hub, const pd_query *query, pd_error *err)
{
    static const pd_query everything;
    pd_error unwanted;
    struct call call;
    struct listing list = { .hub = hub };
    pd_page *page = NULL;
    err = error_or(err, &unwanted);
    arena_init(&list.arena);
    if (call_begin(&call, hub, where, err) == PD_OK &&
        check(query != NULL ? query : &everything, &list.arena, &list.query, &list.place, err) ==
            PD_OK &&
        find(&list, err) == PD_OK) {
        page = page_new(&list, err);
    }
    arena_done(&list.arena);
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
