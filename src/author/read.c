/* SPDX-License-Identifier: MIT
 *
 * Strict reading: pd_read.
 *
 * Each target has one kind of value that fits. A whole number fits an int or long only when it is
 * in range, and fits a double, because other writers do not tell 1 from 1.0. Null fits only a
 * pd_value. An optional key (ending in '?') may be absent, but not null.
 *
 * All is checked before anything is written, so a failing read leaves every target as it was. */
#include <limits.h>

#include "author/author_priv.h"

struct reading {
    struct arena *arena; /* for messages */
    const char *type;    /* on failure: what is wrong, and with which type of failure */
    const char *message;
};

static bool refuse(struct reading *reading, const char *type, const char *message)
{
    reading->type = type;
    reading->message = message;
    return false;
}

/* What would fit; NULL: no such kind of target. */
static const char *wanted(char kind)
{
    switch (kind) {
    case 's': return "a text";
    case 'i': return "a whole number that fits an int";
    case 'l': return "a whole number that fits a long";
    case 'L': return "a whole number";
    case 'f': return "a number";
    case 'b': return "a truth value";
    case 'v': return "a value";
    default: return NULL;
    }
}

static bool fits(char kind, pd_value v)
{
    bool is_whole = v.kind_ == PD_IS_INT;
    switch (kind) {
    case 's': return v.kind_ == PD_IS_TEXT;
    case 'i': return is_whole && v.as_.integer >= INT_MIN && v.as_.integer <= INT_MAX;
    case 'l': return is_whole && v.as_.integer >= LONG_MIN && v.as_.integer <= LONG_MAX;
    case 'L': return is_whole;
    case 'f': return is_whole || v.kind_ == PD_IS_REAL;
    case 'b': return v.kind_ == PD_IS_BOOL;
    default: return true;
    }
}

/* A slot's pointer is const because the slot of a key is; the targets of all others are not. */
static void *target(pd_slot slot)
{
    union {
        const void *in;
        void *out;
    } at = { slot.at_ };
    return at.out;
}

static void fill(pd_slot slot, pd_value v)
{
    switch (slot.kind_) {
    case 's': *(const char **)target(slot) = pd_text(v); break;
    case 'i': *(int *)target(slot) = (int)v.as_.integer; break;
    case 'l': *(long *)target(slot) = (long)v.as_.integer; break;
    case 'L': *(long long *)target(slot) = v.as_.integer; break;
    case 'f': *(double *)target(slot) = pd_real(v); break;
    case 'b': *(bool *)target(slot) = v.as_.boolean; break;
    default: *(pd_value *)target(slot) = v; break;
    }
}

static const char *got(struct reading *reading, char kind, pd_value v)
{
    if (v.kind_ == PD_IS_INT && (kind == 'i' || kind == 'l')) {
        return arena_printf(reading->arena, "%lld", (long long)v.as_.integer);
    }
    return value_kind_name(v);
}

/* The value of the key, '?' aside; false when it is absent. */
static bool find(pd_value object, const char *key, size_t size, pd_value *ret)
{
    for (size_t i = 0; i < object.count_; i++) {
        const char *name = pd_text(object.as_.items[2 * i]);
        if (strncmp(name, key, size) == 0 && name[size] == '\0') {
            *ret = object.as_.items[2 * i + 1];
            return true;
        }
    }
    return false;
}

static bool check_one(struct reading *reading, pd_value v, pd_slot slot)
{
    if (slot.at_ == NULL || wanted(slot.kind_) == NULL) {
        return refuse(reading, "Misuse", "pd_read: a target is missing or NULL");
    }
    if (!fits(slot.kind_, v)) {
        return refuse(reading, "BadInput",
                      arena_printf(reading->arena, "expected %s, got %s", wanted(slot.kind_),
                                   got(reading, slot.kind_, v)));
    }
    return true;
}

/* One key and its target; *ret says whether there is something to fill in. */
static bool check_pair(struct reading *reading, pd_value v, const pd_slot *pair, bool *ret,
                       pd_value *ret_value)
{
    const char *key = pair[0].at_;
    if (pair[0].kind_ != 'k' || key == NULL || wanted(pair[1].kind_) == NULL ||
        pair[1].at_ == NULL) {
        return refuse(reading, "Misuse",
                      "pd_read: keys and targets must come in pairs, and none may be NULL");
    }
    size_t size = strlen(key);
    bool is_optional = size > 0 && key[size - 1] == '?';
    size -= is_optional;
    *ret = find(v, key, size, ret_value);
    if (!*ret) {
        return is_optional ||
               refuse(reading, "BadInput",
                      arena_printf(reading->arena, "key '%.*s': expected %s, but it is absent",
                                   (int)size, key, wanted(pair[1].kind_)));
    }
    if (!fits(pair[1].kind_, *ret_value)) {
        return refuse(reading, "BadInput",
                      arena_printf(reading->arena, "key '%.*s': expected %s, got %s", (int)size,
                                   key, wanted(pair[1].kind_),
                                   got(reading, pair[1].kind_, *ret_value)));
    }
    return true;
}

static bool read_all(struct reading *reading, pd_value v, size_t n, const pd_slot *slots)
{
    bool is_there;
    pd_value item;
    if (n == 1) {
        if (!check_one(reading, v, slots[0])) {
            return false;
        }
        fill(slots[0], v);
        return true;
    }
    if (n == 0 || n % 2 != 0) {
        return refuse(reading, "Misuse", "pd_read: keys and targets must come in pairs");
    }
    if (v.kind_ != PD_IS_OBJECT) {
        const char *key = slots[0].kind_ == 'k' && slots[0].at_ != NULL ? slots[0].at_ : "";
        return refuse(reading, "BadInput",
                      arena_printf(reading->arena, "expected an object with the key '%s', got %s",
                                   key, value_kind_name(v)));
    }
    for (size_t i = 0; i < n; i += 2) {
        if (!check_pair(reading, v, &slots[i], &is_there, &item)) {
            return false;
        }
    }
    for (size_t i = 0; i < n; i += 2) {
        if (check_pair(reading, v, &slots[i], &is_there, &item) && is_there) {
            fill(slots[i + 1], item);
        }
    }
    return true;
}

static bool read_in(pd_mem *m, pd_value v, size_t n, const pd_slot *slots)
{
    struct reading reading = { .arena = m->arena };
    if (slots != NULL && read_all(&reading, v, n, slots)) {
        return true;
    }
    mem_refuse(m, slots != NULL ? reading.type : "Misuse", "%s",
               slots != NULL ? reading.message : "pd_read: there are no targets");
    return false;
}

void pd_read_orchestration(pd_orchestration *o, pd_value v, size_t n, const pd_slot *slots)
{
    run_check(o);
    (void)read_in(&o->mem, v, n, slots);
}

void pd_read_entity(pd_entity *e, pd_value v, size_t n, const pd_slot *slots)
{
    (void)read_in(pd_mem_of_entity(e), v, n, slots);
}

bool pd_read_activity(pd_activity *a, pd_value v, size_t n, const pd_slot *slots)
{
    return read_in(pd_mem_of_activity(a), v, n, slots);
}
