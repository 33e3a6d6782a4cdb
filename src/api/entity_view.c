/* SPDX-License-Identifier: MIT
 *
 * pd_entity_view: an entity as it was when somebody looked.
 *
 *   V1  Immutable, and copied: it depends on no hub, store or thread. One that belongs to a page
 *       lives in the page's arena, and shares its lazy.
 *   V2  What is seen is what is committed. Signals that still lie in the mailbox wait as well:
 *       whoever was told PD_OK for one is not told that nothing waits there. An engine moves them
 *       to the store meanwhile: so it is looked again when it has, a few times; on a mailbox that
 *       never rests the backlog may count those twice that moved last.
 */
#include "api/api_priv.h"
#include "base/assert.h"
#include "base/memory.h"

enum { VIEW_MAGIC = 0x76696577, LOOKS_MAX = 4 };

/* What a view that belongs to no page has for itself. */
struct own {
    struct arena arena;
    struct lazy lazy;
};

struct pd_entity_view {
    uint32_t magic;
    bool has_state;
    const char *id, *name, *key, *locked_by;
    time_us changed_at;
    size_t backlog;
    struct payload *state; /* changes behind the const */
    struct lazy *lazy;
    struct own *own; /* NULL: it belongs to a page */
};

size_t api_entity_view_size(void)
{
    return sizeof(pd_entity_view);
}

pd_entity_view *api_entity_view_at(pd_entity_view *first, size_t index)
{
    return first + index;
}

pd_status api_entity_view_init(pd_entity_view *view, struct arena *arena, struct lazy *lazy,
                               const struct entity_record *record, bool with_state, pd_error *err)
{
    struct text id = record->id;
    const char *end = id.size > 1 ? memchr(id.at + 1, '@', id.size - 1) : NULL;
    if (end == NULL) {
        return error_set(err, PD_E_CORRUPT, false, "hub: entity", "'%.*s' is no id of an entity",
                         TEXT_ARGS(id));
    }
    *view = (pd_entity_view){
        .magic = VIEW_MAGIC,
        .has_state = text_is_present(record->state),
        .changed_at = record->updated_at,
        .backlog = record->backlog,
        .state = arena_alloc(arena, sizeof *view->state),
        .lazy = lazy,
    };
    struct text name = text_make(id.at + 1, (size_t)(end - id.at) - 1);
    struct text key = text_make(end + 1, id.size - name.size - 2);
    bool fits = api_copy_string(arena, id, &view->id) &&
                api_copy_string(arena, name, &view->name) &&
                api_copy_string(arena, key, &view->key) &&
                api_copy_string(arena, record->lock_owner, &view->locked_by) &&
                payload_init(view->state, arena, with_state ? record->state : TEXT_ABSENT);
    return fits ? PD_OK
                : error_set(err, PD_E_NOMEM, true, "hub: entity", "no memory to hold the entity");
}

static pd_entity_view *view_new(const struct entity_record *record, pd_error *err)
{
    pd_entity_view *view = OBJECT_NEW(pd_entity_view, VIEW_MAGIC);
    struct own *own = mem_alloc(sizeof *own);
    arena_init(&own->arena);
    lazy_init(&own->lazy);
    pd_status status = api_entity_view_init(view, &own->arena, &own->lazy, record, true, err);
    view->own = own;
    if (status != PD_OK) {
        pd_entity_view_free(view);
        return NULL;
    }
    return view;
}

void pd_entity_view_free(pd_entity_view *v)
{
    if (v == NULL) {
        return;
    }
    OBJECT_CHECK(v, VIEW_MAGIC);
    assert_that(v->own != NULL);
    lazy_done(&v->own->lazy);
    arena_done(&v->own->arena);
    mem_free(v->own);
    OBJECT_FREE(v, VIEW_MAGIC);
}

/* ---- looking -------------------------------------------------------------------------------- */

static const char where[] = "hub: fetch entity";

/* Of all entities whose id begins with this one it is the first. */
static pd_status load(pd_hub *hub, struct text id, struct arena *arena, struct entity_record *ret,
                      bool *ret_found, pd_error *err)
{
    const struct entity_query query = {
        .id_prefix = id,
        .with_empty = true,
        .with_state = true,
        .limit = 1,
    };
    struct entity_page page = { NULL, 0, false };
    pd_status status = hub->store->ops->query_entities(hub->store, &query, arena, &page, err);
    *ret_found = status == PD_OK && page.count != 0 && text_equal(page.items[0].id, id);
    *ret = *ret_found ? page.items[0] : (struct entity_record){ .id = id };
    return status;
}

/* V2 */
static pd_status look(pd_hub *hub, struct text id, struct arena *arena, struct entity_record *ret,
                      pd_error *err)
{
    pd_status status = PD_OK;
    bool is_found = false;
    bool has_rested = false;
    for (int i = 0; status == PD_OK && !has_rested && i < LOOKS_MAX; i++) {
        struct mail_count mail;
        arena_reset(arena);
        status = mail_count_operations(hub, id, &mail, err);
        if (status == PD_OK) {
            status = load(hub, id, arena, ret, &is_found, err);
        }
        if (status == PD_OK) {
            ret->backlog += mail.pending;
            status = mail_is_unmoved(hub, &mail, &has_rested, err);
        }
    }
    if (status == PD_OK && !text_is_present(ret->state) && !text_is_present(ret->lock_owner) &&
        ret->backlog == 0) {
        status = error_set(err, PD_E_NOT_FOUND, false, where,
                           "there is no entity '%.*s' in this hub", TEXT_ARGS(id));
    }
    return status;
}

pd_entity_view *pd_hub_fetch_entity(pd_hub *hub, pd_entity_id entity, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct entity_record record;
    struct text id;
    struct arena ids;
    struct arena arena;
    pd_entity_view *view = NULL;
    err = error_or(err, &unwanted);
    arena_init(&ids);
    arena_init(&arena);
    if (call_begin(&call, hub, where, err) == PD_OK &&
        api_check_entity(entity, &ids, where, &id, err) == PD_OK &&
        look(hub, id, &arena, &record, err) == PD_OK) {
        view = view_new(&record, err);
    }
    arena_done(&arena);
    arena_done(&ids);
    call_end(&call);
    return view;
}

/* ---- reading it ----------------------------------------------------------------------------- */

static const pd_entity_view *checked(const pd_entity_view *v)
{
    OBJECT_CHECK(v, VIEW_MAGIC);
    return v;
}

const char *pd_entity_view_id(const pd_entity_view *v)
{
    return checked(v)->id;
}

const char *pd_entity_view_name(const pd_entity_view *v)
{
    return checked(v)->name;
}

const char *pd_entity_view_key(const pd_entity_view *v)
{
    return checked(v)->key;
}

bool pd_entity_view_has_state(const pd_entity_view *v)
{
    return checked(v)->has_state;
}

const char *pd_entity_view_state_json(const pd_entity_view *v)
{
    return checked(v)->state->json;
}

pd_value pd_entity_view_state(const pd_entity_view *v)
{
    return payload_value(checked(v)->lazy, v->state);
}

pd_time pd_entity_view_changed_at(const pd_entity_view *v)
{
    return time_to_public(checked(v)->changed_at);
}

size_t pd_entity_view_backlog(const pd_entity_view *v)
{
    return checked(v)->backlog;
}

const char *pd_entity_view_locked_by(const pd_entity_view *v)
{
    return checked(v)->locked_by;
}
