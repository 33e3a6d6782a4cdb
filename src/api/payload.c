/* SPDX-License-Identifier: MIT
 *
 * What instances, entities and their pages are made of: strings of their own, and payloads that
 * become values when somebody asks. Most callers want the text, or nothing.
 */
#include "api/api_priv.h"
#include "json/json.h"

enum { COPY_UNCHECKED_MAX = 1024 };

bool api_copy_string(struct arena *arena, struct text t, const char **ret)
{
    if (!text_is_present(t)) {
        *ret = NULL;
        return true;
    }
    if (t.size <= COPY_UNCHECKED_MAX) {
        *ret = arena_copy(arena, t.at, t.size);
        return true;
    }
    char *copy = arena_try_alloc(arena, t.size + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, t.at, t.size);
    *ret = copy;
    return true;
}

void lazy_init(struct lazy *lazy)
{
    pthread_mutex_init(&lazy->mutex, NULL);
    arena_init(&lazy->arena);
}

void lazy_done(struct lazy *lazy)
{
    arena_done(&lazy->arena);
    pthread_mutex_destroy(&lazy->mutex);
}

bool payload_init(struct payload *payload, struct arena *arena, struct text json)
{
    json = text_is_present(json) ? json : TEXT("null");
    payload->size = json.size;
    return api_copy_string(arena, json, &payload->json);
}

/* What other programs stored need not be JSON that we can read: that is null as a value, and still
 * there as text. */
static void parse(struct lazy *lazy, struct payload *payload)
{
    pd_error unwanted;
    pthread_mutex_lock(&lazy->mutex);
    if (!atomic_load_explicit(&payload->is_parsed, memory_order_relaxed)) {
        pd_value value = PD_NULL;
        if (json_parse(&lazy->arena, text_make(payload->json, payload->size), &value, &unwanted) ==
            PD_OK) {
            payload->value = value;
        }
        atomic_store_explicit(&payload->is_parsed, true, memory_order_release);
    }
    pthread_mutex_unlock(&lazy->mutex);
}

pd_value payload_value(struct lazy *lazy, struct payload *payload)
{
    if (!atomic_load_explicit(&payload->is_parsed, memory_order_acquire)) {
        parse(lazy, payload);
    }
    return payload->value;
}
