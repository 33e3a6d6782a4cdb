/* SPDX-License-Identifier: MIT
 *
 * Values: looking into them, copying them, building lists and dicts.
 *
 * A pd_value never changes once it was handed out, also when the list or dict that it came from
 * does: a list only appends behind what a value can see, or moves; a dict copies its pairs before
 * it replaces one that a value may see.
 *
 * Recursion here is bounded by LIMIT_JSON_DEPTH, with frames below LIMIT_JSON_FRAME. */
#include "author/author_priv.h"

/* ---- looking --------------------------------------------------------------------------------- */

pd_kind pd_kind_of(pd_value v)
{
    return (pd_kind)v.kind_;
}

const char *pd_text(pd_value v)
{
    return v.kind_ == PD_IS_TEXT && v.as_.text != NULL ? v.as_.text : "";
}

int64_t pd_int(pd_value v)
{
    return v.kind_ == PD_IS_INT ? v.as_.integer : 0;
}

double pd_real(pd_value v)
{
    return v.kind_ == PD_IS_REAL ? v.as_.real : (double)pd_int(v);
}

bool pd_bool(pd_value v)
{
    return v.kind_ == PD_IS_BOOL && v.as_.boolean;
}

size_t pd_count(pd_value v)
{
    return v.kind_ == PD_IS_ARRAY || v.kind_ == PD_IS_OBJECT ? v.count_ : 0;
}

pd_value pd_at(pd_value array, size_t index)
{
    return array.kind_ == PD_IS_ARRAY && index < array.count_ ? array.as_.items[index] : PD_NULL;
}

pd_value pd_get(pd_value object, const char *key)
{
    if (object.kind_ == PD_IS_OBJECT && key != NULL) {
        for (size_t i = 0; i < object.count_; i++) {
            if (strcmp(pd_text(object.as_.items[2 * i]), key) == 0) {
                return object.as_.items[2 * i + 1];
            }
        }
    }
    return PD_NULL;
}

const char *pd_key_at(pd_value object, size_t index)
{
    return object.kind_ == PD_IS_OBJECT && index < object.count_
               ? pd_text(object.as_.items[2 * index])
               : NULL;
}

pd_value pd_value_at(pd_value object, size_t index)
{
    return object.kind_ == PD_IS_OBJECT && index < object.count_ ? object.as_.items[2 * index + 1]
                                                                 : PD_NULL;
}

const char *value_kind_name(pd_value v)
{
    static const char *const names[] = { "null",   "a truth value", "a whole number", "a real",
                                         "a text", "an array",      "an object" };
    return v.kind_ < sizeof names / sizeof names[0] ? names[v.kind_] : "no value";
}

/* ---- making ---------------------------------------------------------------------------------- */

pd_value pd_of_unsigned(uint64_t u)
{
    return u <= INT64_MAX ? pd_of_int((int64_t)u) : pd_of_real((double)u);
}

pd_value pd_of_text(const char *s)
{
    pd_value v = pd_of_kind_(s != NULL ? PD_IS_TEXT : PD_IS_NULL);
    if (s != NULL) {
        v.as_.text = s;
    }
    return v;
}

/* ---- copying --------------------------------------------------------------------------------- */

static bool keep(struct arena *arena, pd_value v, pd_value *ret, int depth, pd_error *err)
{
    *ret = v;
    switch (v.kind_) {
    case PD_IS_NULL:
    case PD_IS_BOOL:
    case PD_IS_INT:
    case PD_IS_REAL: return true;
    case PD_IS_TEXT: ret->as_.text = arena_copy(arena, pd_text(v), strlen(pd_text(v))); return true;
    case PD_IS_ARRAY:
    case PD_IS_OBJECT: break;
    default:
        error_set(err, PD_E_INVALID, false, "value", "kind %u is no kind of value", v.kind_);
        return false;
    }
    if (depth == LIMIT_JSON_DEPTH) {
        error_set(err, PD_E_LIMIT, false, "value", "deeper than the limit of %d", LIMIT_JSON_DEPTH);
        return false;
    }
    size_t n = (size_t)v.count_ << (v.kind_ == PD_IS_OBJECT);
    pd_value *items = arena_alloc_raw(arena, n * sizeof *items);
    ret->as_.items = items;
    for (size_t i = 0; i < n; i++) {
        if (!keep(arena, v.as_.items[i], &items[i], depth + 1, err)) {
            return false;
        }
    }
    return true;
}

bool value_keep(struct arena *arena, pd_value v, pd_value *ret, pd_error *err)
{
    return keep(arena, v, ret, 0, err);
}

/* For calls that have no way to say no: in an activity, pd_ok refuses afterwards. */
static bool keep_in(pd_mem *m, pd_value v, pd_value *ret, const char *what)
{
    pd_error err;
    if (value_keep(m->arena, v, ret, &err)) {
        return true;
    }
    mem_refuse(m, "BadPayload", "%s: %s", what, err.text);
    m->broken = m->recorded;
    return false;
}

pd_value pd_keep_(pd_mem *m, pd_value v)
{
    pd_value kept;
    return keep_in(m, v, &kept, "pd_keep") ? kept : PD_NULL;
}

/* ---- lists ----------------------------------------------------------------------------------- */

struct pd_list {
    pd_mem *mem;
    pd_value *items;
    uint32_t count, room;
};

/* Twice the room, elsewhere: values may still see the items where they are. */
static pd_value *move(pd_mem *m, const pd_value *items, size_t count, size_t room)
{
    pd_value *moved = arena_alloc_raw(m->arena, room * sizeof *moved);
    if (count > 0) {
        memcpy(moved, items, count * sizeof *moved);
    }
    return moved;
}

pd_list *pd_list_new_(pd_mem *m)
{
    pd_list *list = arena_alloc(m->arena, sizeof *list);
    list->mem = m;
    return list;
}

/* Room for one more; false when a count cannot say how many. */
static bool list_grow(pd_list *list)
{
    if (list->room > UINT32_MAX / 2) {
        mem_refuse(list->mem, "BadPayload", "pd_list_add: more items than a list can hold");
        list->mem->broken = list->mem->recorded;
        return false;
    }
    list->room = list->room != 0 ? list->room * 2 : 4;
    list->items = move(list->mem, list->items, list->count, list->room);
    return true;
}

void pd_list_add_(pd_list *list, pd_value v)
{
    pd_value kept;
    if (list == NULL || !mem_is_ours(list->mem)) {
        run_misused("pd_list_add: the list is NULL, or not of this function");
    }
    if (!keep_in(list->mem, v, &kept, "pd_list_add") ||
        (list->count == list->room && !list_grow(list))) {
        return;
    }
    list->items[list->count++] = kept;
}

pd_value pd_of_list(const pd_list *list)
{
    pd_value v = pd_of_kind_(list != NULL ? PD_IS_ARRAY : PD_IS_NULL);
    if (list != NULL) {
        v.count_ = list->count;
        v.as_.items = list->items;
    }
    return v;
}

/* ---- dicts ----------------------------------------------------------------------------------- */

enum { DICT_INDEXED_FROM = 16 }; /* with fewer keys, looking at each is as fast */

struct dict_body {
    pd_mem *mem;
    pd_value *items;
    uint32_t count, room; /* pairs */
    bool is_seen;         /* a value points to items */
    bool is_indexed;
    struct map index; /* key to place + 1 */
};

/* pd_of_dict is given a const one, and must note that it was looked at. */
struct pd_dict {
    struct dict_body *body;
};

pd_dict *pd_dict_new_(pd_mem *m)
{
    pd_dict *dict = arena_alloc(m->arena, sizeof *dict);
    dict->body = arena_alloc(m->arena, sizeof *dict->body);
    dict->body->mem = m;
    return dict;
}

static void free_index(void *thing)
{
    map_done(thing);
}

static void index_put(struct dict_body *body, uint32_t place)
{
    map_put(&body->index, text_of(pd_text(body->items[2 * (size_t)place])),
            (void *)((uintptr_t)place + 1));
}

/* The place of the key, or count. */
static uint32_t dict_find(const struct dict_body *body, const char *key)
{
    if (body->is_indexed) {
        void *place = map_find(&body->index, text_of(key));
        return place != NULL ? (uint32_t)((uintptr_t)place - 1) : body->count;
    }
    uint32_t place = 0;
    while (place < body->count && strcmp(pd_text(body->items[2 * (size_t)place]), key) != 0) {
        place++;
    }
    return place;
}

static void dict_replace(struct dict_body *body, uint32_t place, pd_value kept)
{
    if (body->is_seen) {
        body->items = move(body->mem, body->items, 2 * (size_t)body->count, 2 * (size_t)body->room);
        body->is_seen = false;
    }
    body->items[2 * (size_t)place + 1] = kept;
}

static void dict_append(struct dict_body *body, const char *key, pd_value kept)
{
    struct arena *arena = body->mem->arena;
    if (body->count == body->room) {
        body->room = body->room != 0 ? body->room * 2 : 4;
        body->items = move(body->mem, body->items, 2 * (size_t)body->count, 2 * (size_t)body->room);
        body->is_seen = false;
    }
    body->items[2 * (size_t)body->count] = pd_of_text(arena_copy(arena, key, strlen(key)));
    body->items[2 * (size_t)body->count + 1] = kept;
    body->count++;
    if (body->is_indexed) {
        index_put(body, body->count - 1);
    } else if (body->count == DICT_INDEXED_FROM) {
        map_init(&body->index);
        arena_defer(arena, free_index, &body->index);
        body->is_indexed = true;
        for (uint32_t i = 0; i < body->count; i++) {
            index_put(body, i);
        }
    }
}

void pd_dict_set_(pd_dict *dict, const char *key, pd_value v)
{
    pd_value kept;
    if (dict == NULL || !mem_is_ours(dict->body->mem)) {
        run_misused("pd_dict_set: the dict is NULL, or not of this function");
    }
    struct dict_body *body = dict->body;
    if (key == NULL || body->count > UINT32_MAX / 4) {
        mem_refuse(body->mem, "BadPayload",
                   key == NULL ? "pd_dict_set: the key is NULL"
                               : "pd_dict_set: more keys than a dict can hold");
        body->mem->broken = body->mem->recorded;
        return;
    }
    if (!keep_in(body->mem, v, &kept, "pd_dict_set")) {
        return;
    }
    uint32_t place = dict_find(body, key);
    if (place < body->count) {
        dict_replace(body, place, kept);
    } else {
        dict_append(body, key, kept);
    }
}

pd_value pd_of_dict(const pd_dict *dict)
{
    pd_value v = pd_of_kind_(dict != NULL ? PD_IS_OBJECT : PD_IS_NULL);
    if (dict != NULL) {
        v.count_ = dict->body->count;
        v.as_.items = dict->body->items;
        dict->body->is_seen = true;
    }
    return v;
}
