/* SPDX-License-Identifier: MIT
 *
 * Cleaning: forgets entities that hold nothing, and gives back locks that nobody holds.
 *
 *   N1  What is found is told to the engine in bounded batches, and the search goes on behind the
 *       last id.
 *   N2  An empty entity is forgotten only as it was seen: the letter names its last change.
 *   N3  A lock is given back when its owner has ended, lives as another execution, or is not there;
 *       unless an unlocking is on its way to the entity, as it is whenever an owner has just ended.
 *       Seen is: first that the owner is gone, then that nothing is on its way, then the entity. An
 *       owner's end and what it sends are one commit, and so are a letter's effect and its removal.
 */
#include <inttypes.h>
#include <stdio.h>

#include "api/api_priv.h"
#include "remote/remote.h"

static const char where[] = "hub: clean entities";

struct cleaning {
    const struct call *call;
    struct letter letters[LIMIT_PURGE_BATCH];
    size_t count;
    struct arena texts; /* of the letters */
    struct arena found; /* of a page */
    struct arena look;  /* of a look at an owner, with all its payloads, and at what it locked */
    pd_cleaned done;
};

/* ---- batches -------------------------------------------------------------------------------- */

/* Somebody else was faster, or something came for it. */
static bool is_gone(pd_status status)
{
    return status == PD_E_NOT_FOUND || status == PD_E_STATE;
}

static pd_status flush(struct cleaning *c, pd_error *err)
{
    pd_status statuses[LIMIT_PURGE_BATCH];
    pd_status worst = PD_OK;
    if (c->count == 0) {
        return PD_OK;
    }
    pd_status first = api_tell(c->call, c->letters, c->count, statuses, err);
    for (size_t i = 0; i < c->count; i++) {
        bool is_done = statuses[i] == PD_OK;
        c->done.removed += is_done && c->letters[i].kind == MESSAGE_PURGE;
        c->done.unlocked += is_done && c->letters[i].kind == MESSAGE_UNLOCK;
        worst = is_done || is_gone(statuses[i]) ? worst : statuses[i];
    }
    c->count = 0;
    arena_reset(&c->texts);
    if (worst == PD_OK || worst == first) {
        return worst;
    }
    return error_set(err, worst, true, where, "some could not be cleaned; try again");
}

static pd_status add(struct cleaning *c, const struct letter *letter, pd_error *err)
{
    c->letters[c->count++] = *letter;
    return c->count == LIMIT_PURGE_BATCH ? flush(c, err) : PD_OK;
}

/* ---- what is found -------------------------------------------------------------------------- */

/* N2 */
static pd_status add_empty(struct cleaning *c, const struct entity_record *entity, pd_error *err)
{
    const struct letter letter = {
        .kind = MESSAGE_PURGE,
        .instance_id = text_copy(&c->texts, entity->id),
        .execution_id = text_of(arena_printf(&c->texts, "%" PRId64, entity->updated_at)),
    };
    return add(c, &letter, err);
}

static pd_status add_orphan(struct cleaning *c, const struct entity_record *entity, pd_error *err)
{
    struct event_extra *extra = arena_alloc(&c->texts, sizeof *extra);
    struct event *event = arena_alloc(&c->texts, sizeof *event);
    extra->has_parent = true;
    extra->parent_id = text_copy(&c->texts, entity->lock_owner);
    extra->parent_execution_id = text_copy(&c->texts, entity->lock_execution);
    *event = api_event(EVENT_UNLOCK_SENT, TEXT_ABSENT);
    event->request_id = text_copy(&c->texts, entity->lock_section);
    event->extra = extra;
    const struct letter letter = {
        .kind = MESSAGE_UNLOCK,
        .instance_id = text_copy(&c->texts, entity->id),
        .event = event,
    };
    return add(c, &letter, err);
}

/* N3 */
static pd_status is_orphan(struct cleaning *c, const struct entity_record *entity, bool *ret,
                           pd_error *err)
{
    pd_hub *hub = c->call->hub;
    struct store *store = hub->store;
    struct instance_record owner;
    struct entity_record now;
    bool is_found = false;
    bool is_coming = false;
    *ret = false;
    arena_reset(&c->look);
    pd_status status =
        store->ops->load_instance(store, entity->lock_owner, 0, &c->look, &owner, &is_found, err);
    if (status != PD_OK || (is_found && !run_state_is_final(owner.state) &&
                            text_equal(owner.execution_id, entity->lock_execution))) {
        return status;
    }
    status = mail_holds_for(hub, MESSAGE_UNLOCK, entity->id, TEXT_ABSENT, &is_coming, err);
    if (status == PD_OK && !is_coming) {
        status = store->ops->load_entity(store, entity->id, 0, &c->look, &now, &is_found, err);
        *ret = status == PD_OK && is_found && text_equal(now.lock_section, entity->lock_section);
    }
    return status;
}

static pd_status look_at(struct cleaning *c, const struct entity_record *entity, pd_error *err)
{
    bool orphaned = false;
    pd_status status = PD_OK;
    if (text_is_present(entity->lock_owner)) {
        status = is_orphan(c, entity, &orphaned, err);
        return status == PD_OK && orphaned ? add_orphan(c, entity, err) : status;
    }
    bool is_empty = !text_is_present(entity->state) && entity->backlog == 0;
    return is_empty ? add_empty(c, entity, err) : PD_OK;
}

static pd_status clean(struct cleaning *c, pd_error *err)
{
    struct store *store = c->call->hub->store;
    struct entity_query query = { .with_empty = true, .limit = LIMIT_QUERY_PAGE };
    struct entity_page page = { NULL, 0, true };
    struct arena places; /* the last id of each page */
    pd_status status = PD_OK;
    arena_init(&places);
    while (status == PD_OK && page.has_more) {
        arena_reset(&c->found);
        page = (struct entity_page){ NULL, 0, false };
        status = store->ops->query_entities(store, &query, &c->found, &page, err);
        for (size_t i = 0; status == PD_OK && i < page.count; i++) {
            status = look_at(c, &page.items[i], err);
        }
        if (status == PD_OK && page.count > 0) {
            arena_reset(&places);
            query.after_id = text_copy(&places, page.items[page.count - 1].id);
        }
        if (status == PD_OK && atomic_load(&c->call->hub->is_closing)) {
            status = error_set(err, PD_E_CANCELLED, false, where, "the hub is being closed");
        }
    }
    arena_done(&places);
    return status == PD_OK ? flush(c, err) : status;
}

pd_status pd_hub_clean_entities(pd_hub *hub, pd_cleaned *ret, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct arena arena;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    struct cleaning *c = arena_alloc(&arena, sizeof *c);
    pd_status status = call_begin(&call, hub, where, err);
    if (status == PD_OK) {
        c->call = &call;
        status = hub->remote != NULL ? hub->remote->clean_entities(hub->store, &c->done, err)
                                     : clean(c, err);
    }
    if (ret != NULL) {
        *ret = c->done;
    }
    arena_done(&c->look);
    arena_done(&c->found);
    arena_done(&c->texts);
    arena_done(&arena);
    call_end(&call);
    return status;
}
