/* SPDX-License-Identifier: MIT
 *
 * Purging what a query finds, in bounded batches, with progress.
 *
 *   P1  What is found is forgotten in the order of its rows, and the search goes on behind the last
 *       row: so it ends also where a purge takes effect later (the mailbox).
 *   P2  Recursive: descendants go before their ancestors, so that ending early, at any instant,
 *       leaves nobody whom a later purge cannot find. Below one that has not ended nothing is
 *       touched. A row is met once, whatever IDs were used again for.
 *   P3  A letter names the execution, so that one which begins meanwhile is not forgotten in the
 *       place of the one that was found.
 */
#include "api/api_priv.h"
#include "api/over.h"
#include "base/map.h"
#include "base/memory.h"

static const char where[] = "hub: purge";

struct purge {
    const struct call *call;
    const pd_purge_options *options;
    time_us until; /* monotonic */
    bool has_limit;
    struct store_query query;
    struct letter *letters; /* room for LIMIT_PURGE_BATCH */
    size_t count;
    struct arena texts; /* of the letters */
    struct map64 met;   /* rows; used when it is recursive */
    uint64_t purged;
};

/* ---- batches -------------------------------------------------------------------------------- */

static pd_status check_on(const struct purge *purge, pd_error *err)
{
    const pd_purge_options *options = purge->options;
    if (options->tell != NULL && !options->tell(purge->purged, options->argument)) {
        return error_set(err, PD_E_CANCELLED, false, where, "it was told to stop");
    }
    if (atomic_load(&purge->call->hub->is_closing)) {
        return error_set(err, PD_E_CANCELLED, false, where, "the hub is being closed");
    }
    if (purge->has_limit && api_monotonic() >= purge->until) {
        return error_set(err, PD_E_TIMEOUT, true, where,
                         "the time allowed has passed; the same call goes on");
    }
    return PD_OK;
}

/* Somebody else was faster, or it lives again. */
static bool is_gone(pd_status status)
{
    return status == PD_E_NOT_FOUND || status == PD_E_STATE;
}

static pd_status flush(struct purge *purge, pd_error *err)
{
    pd_status statuses[LIMIT_PURGE_BATCH];
    pd_error reason;
    if (purge->count == 0) {
        return PD_OK;
    }
    pd_status first = api_tell(purge->call, purge->letters, purge->count, statuses, &reason);
    pd_status worst = PD_OK;
    for (size_t i = 0; i < purge->count; i++) {
        purge->purged += statuses[i] == PD_OK;
        worst = statuses[i] == PD_OK || is_gone(statuses[i]) ? worst : statuses[i];
    }
    purge->count = 0;
    arena_reset(&purge->texts);
    if (worst == PD_OK) {
        return check_on(purge, err);
    }
    if (worst != first) { /* and then the reason is another one's */
        return error_set(err, worst, true, where, "some could not be forgotten; try again");
    }
    *err = reason;
    return worst;
}

static pd_status add(struct purge *purge, struct text id, struct text execution_id, pd_error *err)
{
    purge->letters[purge->count++] = (struct letter){
        .kind = MESSAGE_PURGE,
        .instance_id = text_copy(&purge->texts, id),
        .execution_id = text_copy(&purge->texts, execution_id), /* P3 */
    };
    return purge->count == LIMIT_PURGE_BATCH ? flush(purge, err) : PD_OK;
}

/* ---- trees ---------------------------------------------------------------------------------- */

/* One whose descendants are being gathered. */
struct ancestor {
    struct ancestor *parent;
    struct text id, execution_id; /* behind the struct */
    uint64_t child_row;           /* the last child that was looked at */
};

static struct ancestor *ancestor_new(const struct instance_record *record, struct ancestor *parent)
{
    struct ancestor *new = mem_alloc(sizeof *new + record->id.size + record->execution_id.size);
    char *at = (char *)(new + 1);
    new->parent = parent;
    new->id = text_make(at, record->id.size);
    new->execution_id = text_make(at + record->id.size, record->execution_id.size);
    memcpy(at, record->id.at, record->id.size);
    if (record->execution_id.size != 0) {
        memcpy(at + record->id.size, record->execution_id.at, record->execution_id.size);
    }
    return new;
}

/* False: it has been. */
static bool meet(struct purge *purge, uint64_t row)
{
    if (map64_find(&purge->met, row) != NULL) {
        return false;
    }
    map64_put(&purge->met, row, purge);
    return true;
}

static pd_status next_child(struct purge *purge, struct ancestor *ancestor, struct arena *arena,
                            struct record_page *ret, pd_error *err)
{
    struct store *store = purge->call->hub->store;
    struct store_query query = {
        .states = STATES_ENDED,
        .parent_id = ancestor->id,
        .after_row = ancestor->child_row,
        .limit = 1,
    };
    arena_reset(arena);
    *ret = (struct record_page){ NULL, 0, false };
    return store->ops->query(store, &query, arena, ret, err);
}

/* P2. Depth first: memory is that of the longest line of descent. */
static pd_status add_tree(struct purge *purge, const struct instance_record *root, pd_error *err)
{
    struct ancestor *last = ancestor_new(root, NULL);
    pd_status status = PD_OK;
    struct arena arena;
    arena_init(&arena);
    while (last != NULL) {
        struct record_page page = { NULL, 0, false };
        if (status == PD_OK) {
            status = next_child(purge, last, &arena, &page, err);
        }
        if (status == PD_OK && page.count > 0) {
            last->child_row = page.items[0].row;
            last = meet(purge, page.items[0].row) ? ancestor_new(&page.items[0], last) : last;
            continue;
        }
        if (status == PD_OK) {
            status = add(purge, last->id, last->execution_id, err);
        }
        struct ancestor *parent = last->parent;
        mem_free(last);
        last = parent;
    }
    arena_done(&arena);
    return status;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static pd_status add_page(struct purge *purge, const struct record_page *page, pd_error *err)
{
    pd_status status = PD_OK;
    for (size_t i = 0; status == PD_OK && i < page->count; i++) {
        const struct instance_record *record = &page->items[i];
        if (!purge->options->recursive) {
            status = add(purge, record->id, record->execution_id, err);
        } else if (meet(purge, record->row)) {
            status = add_tree(purge, record, err);
        }
    }
    return status;
}

static pd_status purge_all(struct purge *purge, pd_error *err)
{
    struct store *store = purge->call->hub->store;
    struct record_page page = { NULL, 0, true };
    pd_status status = PD_OK;
    struct arena arena;
    arena_init(&arena);
    while (status == PD_OK && page.has_more) {
        arena_reset(&arena);
        page = (struct record_page){ NULL, 0, false };
        status = store->ops->query(store, &purge->query, &arena, &page, err);
        if (status == PD_OK && page.count > 0) {
            purge->query.after_row = page.items[page.count - 1].row;
            status = add_page(purge, &page, err);
        }
    }
    arena_done(&arena);
    return status == PD_OK ? flush(purge, err) : status;
}

/* What has not ended is not asked for; with nothing left nothing is to be done. */
static bool narrow(struct store_query *query)
{
    query->states = query->states != 0 ? query->states & STATES_ENDED : STATES_ENDED;
    query->limit = LIMIT_PURGE_BATCH;
    return query->states != 0;
}

static void purge_init(struct purge *purge, const struct call *call, int64_t max_us,
                       struct arena *arena)
{
    purge->call = call;
    purge->until = time_add(api_monotonic(), max_us);
    purge->letters = arena_alloc_raw(arena, LIMIT_PURGE_BATCH * sizeof(struct letter));
    arena_init(&purge->texts);
    map64_init(&purge->met);
}

static void purge_done(struct purge *purge)
{
    map64_done(&purge->met);
    arena_done(&purge->texts);
}

static pd_status purge_checked(const struct call *call, const struct store_query *query,
                               const pd_purge_options *options, int64_t max_us, uint64_t *purged,
                               pd_error *err)
{
    struct arena arena;
    arena_init(&arena);
    struct purge purge = { .options = options, .query = *query };
    purge_init(&purge, call, max_us, &arena);
    purge.has_limit = max_us > 0;
    pd_status status = narrow(&purge.query) ? purge_all(&purge, err) : PD_OK;
    if (purged != NULL) {
        *purged = purge.purged;
    }
    purge_done(&purge);
    arena_done(&arena);
    return status;
}

pd_status api_purge_query(pd_hub *hub, const struct store_query *query, bool recursive,
                          int64_t max_us, uint64_t *purged, pd_error *err)
{
    const pd_purge_options options = { .recursive = recursive };
    struct call call;
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = purge_checked(&call, query, &options, max_us, purged, err);
    }
    call_end(&call);
    return status;
}

/* ---- by id ---------------------------------------------------------------------------------- */

static pd_status add_id(struct purge *purge, struct text id, pd_error *err)
{
    struct store *store = purge->call->hub->store;
    struct instance_record record;
    bool is_found = false;
    struct arena arena;
    pd_status status = PD_OK;
    if (entity_id_is(id)) {
        return add(purge, id, TEXT_ABSENT, err);
    }
    arena_init(&arena);
    status = store->ops->load_instance(store, id, 0, &arena, &record, &is_found, err);
    if (status == PD_OK && is_found && run_state_is_final(record.state)) {
        status = !purge->options->recursive ? add(purge, record.id, record.execution_id, err)
                 : meet(purge, record.row)  ? add_tree(purge, &record, err)
                                            : PD_OK;
    }
    arena_done(&arena);
    return status;
}

pd_status api_purge_ids(pd_hub *hub, const struct text *ids, size_t count, bool recursive,
                        uint64_t *purged, pd_error *err)
{
    const pd_purge_options options = { .recursive = recursive };
    struct call call;
    struct arena arena;
    struct purge purge = { .options = &options };
    pd_status status = call_begin(&call, hub, where, err);
    arena_init(&arena);
    purge_init(&purge, &call, 0, &arena);
    for (size_t i = 0; status == PD_OK && i < count; i++) {
        status = add_id(&purge, ids[i], err);
    }
    if (status == PD_OK) {
        status = flush(&purge, err);
    }
    *purged = purge.purged;
    purge_done(&purge);
    arena_done(&arena);
    call_end(&call);
    return status;
}

pd_status pd_hub_purge_all(pd_hub *hub, const pd_query *query, const pd_purge_options *options,
                           uint64_t *purged, pd_error *err)
{
    static const pd_purge_options defaults;
    pd_error unwanted;
    struct call call;
    struct store_query asked;
    struct arena arena;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        status = api_read_query(query, &arena, &asked, where, err);
    }
    if (status == PD_OK) {
        options = options != NULL ? options : &defaults;
        status =
            purge_checked(&call, &asked, options, time_of_duration(options->time_max), purged, err);
    }
    arena_done(&arena);
    call_end(&call);
    return status;
}
