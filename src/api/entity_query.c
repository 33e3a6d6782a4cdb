/* SPDX-License-Identifier: MIT
 *
 * Queries of entities: by id, in pages.
 *
 *   Z1  A page token names the last id that was looked at, so a page depends on nothing that others
 *       do meanwhile, and may be asked for with another page size. It is opaque: "e", a check over
 *       the id, and the id, all hexadecimal, so that what is no token is refused.
 *   Z2  Ids ascend as bytes: those of a name lie together, and of these those whose keys begin
 *       alike. A prefix of keys without a name is the only thing that the store cannot find by its
 *       order; then what it gives is looked through here, page after page.
 */
#include <stdio.h>
#include <string.h>

#include "api/api_priv.h"
#include "base/memory.h"

enum {
    PAGE_MAGIC = 0x65706167,
    CHECK_DIGITS = 8,
    ID_BYTES_MAX = 4 * LIMIT_INSTANCE_ID,
    TOKEN_SIZE = 1 + CHECK_DIGITS + 2 * ID_BYTES_MAX,
};

static const char where[] = "hub: query entities";

struct pd_entity_page {
    uint32_t magic;
    size_t count;
    pd_entity_view *items;
    struct lazy lazy;
    struct arena arena;
    char *token; /* NULL: that was the last page */
};

/* ---- page tokens ---------------------------------------------------------------------------- */

/* FNV-1a, folded into 32 bits. */
static uint64_t check_of(struct text id)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < id.size; i++) {
        sum = (sum ^ (unsigned char)id.at[i]) * UINT64_C(0x100000001b3);
    }
    return (sum ^ sum >> 32) & 0xffffffff;
}

static char *token_write(struct arena *arena, struct text id)
{
    char *token = arena_alloc_raw(arena, 2 + CHECK_DIGITS + 2 * id.size);
    int used = snprintf(token, 2 + CHECK_DIGITS, "e%08llx", (unsigned long long)check_of(id));
    for (size_t i = 0; i < id.size; i++, used += 2) {
        snprintf(token + used, 3, "%02x", (unsigned char)id.at[i]);
    }
    return token;
}

static pd_status token_read(const char *token, struct arena *arena, struct text *ret, pd_error *err)
{
    size_t size = strnlen(token, TOKEN_SIZE + 1);
    const char *at = token + 1;
    uint64_t check = 0;
    bool is_fit = size > 1 + CHECK_DIGITS && size <= TOKEN_SIZE && size % 2 == 1 &&
                  token[0] == 'e' && api_read_hex(&at, CHECK_DIGITS, &check);
    char *id = arena_alloc_raw(arena, ID_BYTES_MAX);
    *ret = text_make(id, 0);
    while (is_fit && *at != '\0') {
        uint64_t byte;
        is_fit = api_read_hex(&at, 2, &byte);
        id[ret->size++] = (char)byte;
    }
    if (!is_fit || check != check_of(*ret)) {
        return error_set(err, PD_E_INVALID, false, where,
                         "'%s' is not a page token; pass what pd_entity_page_token gave", token);
    }
    return PD_OK;
}

/* ---- what is asked for ---------------------------------------------------------------------- */

struct listing {
    pd_hub *hub;
    struct entity_query query; /* after_id moves on */
    struct text key_prefix;    /* that the store does not know of; absent: none (Z2) */
    size_t wanted;
    struct arena arena; /* of the query */
    struct arena place; /* of after_id, when it has moved */
    struct arena found; /* of one page of the store */
};

static pd_status read_names(struct listing *list, const pd_entity_query *query, pd_error *err)
{
    struct text name = text_of(query->name);
    struct text prefix = text_of(query->key_prefix);
    if (!text_is_present(name)) {
        list->key_prefix = prefix.size != 0 ? prefix : TEXT_ABSENT;
        return PD_OK;
    }
    if (name.size == 0 || memchr(name.at, '@', name.size) != NULL) {
        return error_set(err, PD_E_INVALID, false, where,
                         "'%.*s' is no name of an entity: it is not empty and holds no '@'",
                         TEXT_ARGS(name));
    }
    char *id = arena_alloc_raw(&list->arena, name.size + prefix.size + 2);
    id[0] = id[1 + name.size] = '@';
    memcpy(id + 1, name.at, name.size);
    if (prefix.size != 0) {
        memcpy(id + 2 + name.size, prefix.at, prefix.size);
    }
    list->query.id_prefix = text_make(id, name.size + prefix.size + 2);
    entity_id_fold(id, list->query.id_prefix.size);
    return PD_OK;
}

static pd_status read_query(struct listing *list, const pd_entity_query *query, pd_error *err)
{
    if (query->page_size > LIMIT_QUERY_PAGE) {
        return error_set(err, PD_E_INVALID, false, where,
                         "a page of %zu rows is over the limit of %d", query->page_size,
                         LIMIT_QUERY_PAGE);
    }
    list->wanted = query->page_size != 0 ? query->page_size : LIMIT_QUERY_PAGE_DEFAULT;
    list->query = (struct entity_query){
        .changed_from = api_first_of(query->changed_from),
        .changed_to = api_last_of(query->changed_to),
        .with_empty = query->with_empty,
        .with_state = query->with_state,
    };
    pd_status status = read_names(list, query, err);
    if (status == PD_OK && query->page_token != NULL) {
        status = token_read(query->page_token, &list->arena, &list->query.after_id, err);
    }
    return status;
}

/* ---- pages ---------------------------------------------------------------------------------- */

static bool is_asked_for(const struct listing *list, struct text id)
{
    if (!text_is_present(list->key_prefix)) {
        return true;
    }
    const char *end = id.size > 1 ? memchr(id.at + 1, '@', id.size - 1) : NULL;
    return end != NULL && text_has_prefix(text_make(end + 1, id.size - (size_t)(end + 1 - id.at)),
                                          list->key_prefix);
}

/* Those of a page of the store that are asked for, until there are enough; how many were seen. */
static pd_status take(const struct listing *list, const struct entity_page *found,
                      pd_entity_page *page, size_t *ret_looked, pd_error *err)
{
    size_t i = 0;
    for (; i < found->count && page->count < list->wanted; i++) {
        pd_entity_view *view = api_entity_view_at(page->items, page->count);
        if (!is_asked_for(list, found->items[i].id)) {
            continue;
        }
        pd_status status = api_entity_view_init(view, &page->arena, &page->lazy, &found->items[i],
                                                list->query.with_state, err);
        if (status != PD_OK) {
            return status;
        }
        page->count++;
    }
    *ret_looked = i;
    return PD_OK;
}

/* Where hardly any is asked for, those that are not go by in hundreds, not one by one. */
static size_t count_to_ask(const struct listing *list, const pd_entity_page *page)
{
    size_t left = list->wanted - page->count;
    bool is_sure = !text_is_present(list->key_prefix) || left > LIMIT_QUERY_PAGE_DEFAULT;
    return is_sure ? left : LIMIT_QUERY_PAGE_DEFAULT;
}

static pd_status fill(struct listing *list, pd_entity_page *page, pd_error *err)
{
    struct store *store = list->hub->store;
    struct entity_page found = { NULL, 0, true };
    size_t looked = 0;
    pd_status status = PD_OK;
    page->items = arena_alloc_raw(&page->arena, list->wanted * api_entity_view_size());
    while (status == PD_OK && found.has_more && page->count < list->wanted) {
        arena_reset(&list->found);
        found = (struct entity_page){ NULL, 0, false };
        list->query.limit = count_to_ask(list, page);
        status = store->ops->query_entities(store, &list->query, &list->found, &found, err);
        if (status == PD_OK) {
            status = take(list, &found, page, &looked, err);
        }
        if (status == PD_OK && looked > 0) {
            arena_reset(&list->place);
            list->query.after_id = text_copy(&list->place, found.items[looked - 1].id);
        }
        if (status == PD_OK && atomic_load(&list->hub->is_closing)) {
            status = error_set(err, PD_E_CANCELLED, false, where, "the hub is being closed");
        }
    }
    if (status == PD_OK && (found.has_more || looked < found.count)) {
        page->token = token_write(&page->arena, list->query.after_id);
    }
    return status;
}

pd_entity_page *pd_hub_query_entities(pd_hub *hub, const pd_entity_query *query, pd_error *err)
{
    static const pd_entity_query everything;
    pd_error unwanted;
    struct call call;
    struct listing list = { .hub = hub };
    pd_entity_page *page = NULL;
    err = error_or(err, &unwanted);
    arena_init(&list.arena);
    arena_init(&list.place);
    arena_init(&list.found);
    if (call_begin(&call, hub, where, err) == PD_OK &&
        read_query(&list, query != NULL ? query : &everything, err) == PD_OK) {
        page = OBJECT_NEW(pd_entity_page, PAGE_MAGIC);
        lazy_init(&page->lazy);
        if (fill(&list, page, err) != PD_OK) {
            pd_entity_page_free(page);
            page = NULL;
        }
    }
    arena_done(&list.found);
    arena_done(&list.place);
    arena_done(&list.arena);
    call_end(&call);
    return page;
}

size_t pd_entity_page_count(const pd_entity_page *p)
{
    OBJECT_CHECK(p, PAGE_MAGIC);
    return p->count;
}

const pd_entity_view *pd_entity_page_at(const pd_entity_page *p, size_t index)
{
    OBJECT_CHECK(p, PAGE_MAGIC);
    return index < p->count ? api_entity_view_at(p->items, index) : NULL;
}

const char *pd_entity_page_token(const pd_entity_page *p)
{
    OBJECT_CHECK(p, PAGE_MAGIC);
    return p->token;
}

void pd_entity_page_free(pd_entity_page *p)
{
    if (p == NULL) {
        return;
    }
    OBJECT_CHECK(p, PAGE_MAGIC);
    lazy_done(&p->lazy);
    arena_done(&p->arena);
    OBJECT_FREE(p, PAGE_MAGIC);
}
