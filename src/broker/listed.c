/* SPDX-License-Identifier: MIT
 *
 * Names that workers have listed: of what the server would run itself, if nobody else did.
 *
 * What is listed stays so until the server ends: an instance that a worker has begun is that
 * worker's, and is not to be made the server's because its connection broke for a moment. */
#include "base/base.h"
#include "broker/broker_priv.h"

enum { LISTED_MAX = 64 }; /* names come from strangers; ours are three */

void listed_init(struct listed *listed)
{
    pthread_mutex_init(&listed->mutex, NULL);
    map_init(&listed->names[0]);
    map_init(&listed->names[1]);
    arena_init(&listed->arena);
}

void listed_done(struct listed *listed)
{
    pthread_mutex_destroy(&listed->mutex);
    map_done(&listed->names[0]);
    map_done(&listed->names[1]);
    arena_done(&listed->arena);
}

static bool yields(const struct broker *broker, struct text name)
{
    struct text prefix = broker->options.yields;
    return prefix.size != 0 && text_has_prefix(name, prefix);
}

static void add(struct broker *broker, const struct stream_filters *filters, struct map *names)
{
    for (size_t i = 0; i < filters->count; i++) {
        struct text name = filters->items[i].name;
        if (yields(broker, name) && map_find(names, name) == NULL &&
            map_count(names) < LISTED_MAX) {
            map_put(names, text_copy(&broker->listed.arena, name), broker);
        }
    }
}

void listed_add(struct broker *broker, const struct broker_stream *stream)
{
    pthread_mutex_lock(&broker->listed.mutex);
    add(broker, &stream->filters[KIND_TURN], &broker->listed.names[0]);
    add(broker, &stream->filters[KIND_ACTIVITY], &broker->listed.names[1]);
    pthread_mutex_unlock(&broker->listed.mutex);
}

bool listed_has(struct broker *broker, struct text name, bool is_activity)
{
    if (!yields(broker, name)) {
        return false;
    }
    pthread_mutex_lock(&broker->listed.mutex);
    bool has = map_find(&broker->listed.names[is_activity ? 1 : 0], name) != NULL;
    pthread_mutex_unlock(&broker->listed.mutex);
    return has;
}
