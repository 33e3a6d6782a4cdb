/* SPDX-License-Identifier: MIT
 *
 * Watches: who waits for the end of which instance.
 *
 * A watch says only "look again": it is signalled after the commit that holds the ending, so a
 * look in the store then finds it. */
#include "base/memory.h"
#include "engine/engine_priv.h"

struct watch {
    struct watch *next; /* others for the same id */
    struct watches *watches;
    pthread_cond_t changed;
    bool is_signalled;
    struct text id;
    char text[];
};

void watches_init(struct watches *watches)
{
    pthread_mutex_init(&watches->mutex, NULL);
    map_init(&watches->by_id);
}

void watches_done(struct watches *watches)
{
    map_done(&watches->by_id);
    pthread_mutex_destroy(&watches->mutex);
}

struct watch *engine_watch(struct engine *engine, struct text id)
{
    struct watches *watches = &engine->watches;
    struct watch *watch = mem_alloc(sizeof *watch + id.size + 1);
    memcpy(watch->text, id.at, id.size);
    watch->id = text_make(watch->text, id.size);
    watch->watches = watches;
    clock_cond_init(&watch->changed);
    pthread_mutex_lock(&watches->mutex);
    watch->is_signalled = watches->is_stopped;
    struct watch *first = map_find(&watches->by_id, watch->id);
    if (first == NULL) {
        map_put(&watches->by_id, watch->id, watch);
    } else {
        watch->next = first->next;
        first->next = watch;
    }
    pthread_mutex_unlock(&watches->mutex);
    return watch;
}

bool engine_watch_wait(struct watch *watch, int64_t max_ms)
{
    time_us until = time_add(clock_now(), time_us_of_ms(max_ms));
    pthread_mutex_lock(&watch->watches->mutex);
    while (!watch->is_signalled) {
        int64_t left = until - clock_now();
        if (left <= 0 || !clock_cond_wait(&watch->changed, &watch->watches->mutex, left)) {
            break;
        }
    }
    bool signalled = watch->is_signalled;
    watch->is_signalled = watch->watches->is_stopped; /* the next wait is for the next ending */
    pthread_mutex_unlock(&watch->watches->mutex);
    return signalled;
}

/* The key in the map is the first watch's text, so the first is replaced, not unlinked. */
void engine_unwatch(struct engine *engine, struct watch *watch)
{
    struct watches *watches = &engine->watches;
    pthread_mutex_lock(&watches->mutex);
    struct watch *first = map_find(&watches->by_id, watch->id);
    if (first == watch) {
        (void)map_remove(&watches->by_id, watch->id);
        if (watch->next != NULL) {
            map_put(&watches->by_id, watch->next->id, watch->next);
        }
    } else {
        while (first->next != watch) {
            first = first->next;
        }
        first->next = watch->next;
    }
    pthread_mutex_unlock(&watches->mutex);
    pthread_cond_destroy(&watch->changed);
    mem_free(watch);
}

static void signal_chain(struct watch *watch)
{
    for (; watch != NULL; watch = watch->next) {
        watch->is_signalled = true;
        pthread_cond_signal(&watch->changed);
    }
}

void watches_signal(struct watches *watches, const struct ending *endings)
{
    if (endings == NULL) {
        return;
    }
    pthread_mutex_lock(&watches->mutex);
    if (map_count(&watches->by_id) > 0) {
        for (const struct ending *ending = endings; ending != NULL; ending = ending->next) {
            signal_chain(map_find(&watches->by_id, ending->instance_id));
        }
    }
    pthread_mutex_unlock(&watches->mutex);
}

void watches_stop(struct watches *watches)
{
    pthread_mutex_lock(&watches->mutex);
    watches->is_stopped = true;
    struct watch *watch;
    for (size_t cursor = 0; (watch = map_next(&watches->by_id, &cursor)) != NULL;) {
        signal_chain(watch);
    }
    pthread_mutex_unlock(&watches->mutex);
}

void engine_end_watches(struct engine *engine)
{
    watches_stop(&engine->watches);
}
