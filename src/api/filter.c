/* SPDX-License-Identifier: MIT
 *
 * What a query asks for, as stores understand it; and how many there are.
 *
 *   F1  Times are milliseconds, and both ends belong to it: "to" reaches to the end of its own.
 *   F2  A count is the rows of the store and, as Pending, the starts in the mailbox (L1 in look.c).
 *       An engine moves the latter to the former meanwhile: so it is counted again when it has,
 *       a few times; on a mailbox that never rests the count may be off by what moved last.
 *   F3  What Perdure itself runs is not in lists and counts, of which people want to see their own
 *       work; it is what exports, purges and replays see, as any other.
 */
#include "api/api_priv.h"
#include "api/over.h"
#include "base/tags.h"
#include "builtin/builtin.h"

enum { COUNTS_MAX = 4 };

time_us api_first_of(pd_time t)
{
    return time_of_public(t);
}

time_us api_last_of(pd_time t)
{
    return t.ms != 0 ? time_add(time_of_public(t), TIME_MS - 1) : 0;
}

static pd_status read_tag(const char *given, struct arena *arena, struct text *ret,
                          const char *where, pd_error *err)
{
    const char *sign = strchr(given, '=');
    struct tag tag = { .key = TEXT_ABSENT };
    if (sign != NULL) {
        tag = (struct tag){ text_make(given, (size_t)(sign - given)), text_of(sign + 1) };
    }
    if (sign == NULL || !tag_is_valid(&tag)) {
        return error_set(err, PD_E_INVALID, false, where, "'%s' is not a tag; write key=value",
                         given);
    }
    *ret = tags_needle(arena, &tag);
    return PD_OK;
}

void api_hide_builtin(struct store_query *query)
{
    bool is_asked_for = text_is_present(query->name) || text_is_present(query->parent_id) ||
                        text_has_prefix(query->id_prefix, TEXT(BUILTIN_PREFIX));
    query->hidden = is_asked_for ? TEXT_ABSENT : TEXT(BUILTIN_PREFIX);
}

pd_status api_read_query(const pd_query *query, struct arena *arena, struct store_query *ret,
                         const char *where, pd_error *err)
{
    *ret = (struct store_query){ .states = 0 };
    if (query == NULL) {
        return PD_OK;
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
        .version = text_of(query->version),
        .parent_id = text_of(query->parent_id),
        .roots_only = query->roots_only,
        .created_from = api_first_of(query->created_from),
        .created_to = api_last_of(query->created_to),
        .ended_from = api_first_of(query->ended_from),
        .ended_to = api_last_of(query->ended_to),
    };
    return query->tag != NULL ? read_tag(query->tag, arena, &ret->tag, where, err) : PD_OK;
}

/* ---- counting ------------------------------------------------------------------------------- */

static pd_status count_once(pd_hub *hub, const struct store_query *query, struct store_counts *ret,
                            bool *ret_rested, pd_error *err)
{
    struct store *store = hub->store;
    struct mail_count mail;
    pd_status status = mail_count(hub, query, &mail, err);
    if (status == PD_OK) {
        status = store->ops->count(store, query, ret, err);
    }
    if (status == PD_OK) {
        ret->of[RUN_PENDING] += mail.pending;
        status = mail_is_unmoved(hub, &mail, ret_rested, err);
    }
    return status;
}

pd_status pd_hub_count(pd_hub *hub, const pd_query *query, pd_counts *ret, pd_error *err)
{
    static const char where[] = "hub: count";
    pd_error unwanted;
    struct call call;
    struct store_query asked;
    struct store_counts counts;
    struct arena arena;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = api_read_query(query, &arena, &asked, where, err);
    }
    if (status == PD_OK && (query == NULL || !query->with_builtin)) {
        api_hide_builtin(&asked);
    }
    bool has_rested = false;
    for (int i = 0; status == PD_OK && !has_rested && i < COUNTS_MAX; i++) {
        status = count_once(hub, &asked, &counts, &has_rested, err);
    }
    if (status == PD_OK) {
        *ret = (pd_counts){ .all = 0 };
        for (size_t state = 0; state <= RUN_TERMINATED; state++) {
            ret->of[state] = counts.of[state];
            ret->all += counts.of[state];
        }
    }
    arena_done(&arena);
    call_end(&call);
    return status;
}
