/* SPDX-License-Identifier: MIT
 *
 * The event: who wants to hear of a change, and what he is told of it. See webhooks.h.
 *
 * This runs in a partition, for each change: so it writes bytes, and makes nothing of an output but
 * a text. What that is, JSON or not, is looked at when it is sent (webhook_send.c).
 *
 *   N1  A change that somebody wants is told, whatever bytes a client or a worker has put into it:
 *       what the JSON of an orchestration's input cannot hold is written in another way.
 *   N2  What is told has a bound: an output is kept with each delivery until that has ended. One
 *       that is longer is left out, and its size is told. */
#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "base/tags.h"
#include "server/web.h"
#include "server/webhooks_priv.h"

/* ---- who wants it ---------------------------------------------------------------------------- */

/* patterns: with commas between; NULL: any. */
static bool matches(struct arena *arena, const char *patterns, const char *name)
{
    char *save = NULL;
    if (patterns == NULL) {
        return true;
    }
    char *copy = arena_printf(arena, "%s", patterns);
    for (char *word = strtok_r(copy, ", \t", &save); word != NULL;
         word = strtok_r(NULL, ", \t", &save)) {
        if (fnmatch(word, name, 0) == 0) {
            return true;
        }
    }
    return false;
}

struct wanted {
    struct buffer *json; /* of each: its name, and how long it is tried */
    unsigned count;
    bool has_output;
    int64_t first_ms; /* the shortest */
};

static void look_who(const struct webhook_table *table, struct arena *arena, const char *hub,
                     const struct announcement *it, struct wanted *ret)
{
    const char *name = text_copy(arena, it->name).at;
    for (const struct webhook *w = table->first; w != NULL; w = w->next) {
        if ((w->kinds & 1U << it->kind) == 0 || !matches(arena, w->hubs, hub) ||
            !matches(arena, w->names, name)) {
            continue;
        }
        buffer_printf(ret->json, "%s{\"webhook\":\"%s\",\"total\":%lld}",
                      ret->count++ == 0 ? "{\"to\":[" : ",", w->name, (long long)w->total_ms);
        ret->has_output |= w->has_output;
        if (ret->first_ms == 0 || w->first_ms < ret->first_ms) {
            ret->first_ms = w->first_ms;
        }
    }
}

/* ---- writing it ------------------------------------------------------------------------------ */

/* N1: a text of ours ends at a zero. */
static void put(struct buffer *json, const char *name, struct text text)
{
    web_put_name(json, name);
    size_t from = json->size;
    web_put_string(json, text);
    if (text.size != 0 && memchr(text.at, '\0', text.size) != NULL) {
        static const char zero[] = "\\u0000";
        for (size_t i = from; i + 6 <= json->size; i += json->at[i] == '\\' ? 2 : 1) {
            if (memcmp(json->at + i, zero, 6) == 0) {
                json->at[i + 4] = '1'; /* SUBSTITUTE */
                json->at[i + 5] = 'a';
            }
        }
    }
}

static void put_time(struct buffer *json, const char *name, time_us at)
{
    char text[32];
    time_format(at, text);
    put(json, name, text_of(text));
}

/* So that it may be in a header, whatever a client chose as its execution's ID. */
static const char *event_id(struct arena *arena, const struct announcement *it)
{
    char *id = arena_printf(arena, "%.*s-%s-%lld", TEXT_ARGS(it->execution_id),
                            announcement_name(it->kind), (long long)it->at);
    for (char *c = id; *c != '\0'; c++) {
        *c = isalnum((unsigned char)*c) || *c == '-' ? *c : '_';
    }
    return id;
}

static void put_source(struct buffer *json, const char *hub)
{
    web_put_name(json, "source");
    buffer_printf(json, "\"/hubs/");
    percent_encode(json, text_of(hub));
    buffer_add_byte(json, '"');
}

static void put_tags(struct buffer *json, struct text tags)
{
    size_t cursor = 0;
    struct tag tag;
    web_put_name(json, "tags");
    buffer_add_byte(json, '{');
    for (bool is_next = false; tags_next(tags, &cursor, &tag); is_next = true) {
        buffer_printf(json, is_next ? "," : "");
        web_put_string(json, tag.key);
        buffer_add_byte(json, ':');
        web_put_string(json, tag.value);
    }
    buffer_add_byte(json, '}');
}

static void put_data(struct buffer *json, const struct announcement *it)
{
    web_put_name(json, "data");
    buffer_add_byte(json, '{');
    put(json, "instanceId", it->id);
    put(json, "name", it->name);
    if (it->version.size != 0) {
        put(json, "version", it->version);
    }
    put(json, "executionId", it->execution_id);
    put(json, "runtimeStatus", text_of(run_state_name(it->state)));
    if (it->extra != NULL && it->extra->has_parent) {
        put(json, "parentId", it->extra->parent_id);
    }
    if (it->extra != NULL && text_is_present(it->extra->tags)) {
        put_tags(json, it->extra->tags);
    }
    put_time(json, "createdTime", it->created_at);
    put_time(json, "lastUpdatedTime", it->at);
    buffer_add_byte(json, '}');
}

/* `data` is the last of it: webhook_send.c adds to that. */
static void put_event(struct buffer *json, struct arena *arena, const char *hub,
                      const struct announcement *it)
{
    web_put_name(json, "event");
    buffer_add_byte(json, '{');
    put(json, "specversion", TEXT("1.0"));
    put(json, "id", text_of(event_id(arena, it)));
    put_source(json, hub);
    put(json, "type",
        text_of(arena_printf(arena, "dev.perdure.orchestration.%s", announcement_name(it->kind))));
    put(json, "subject", it->id);
    put_time(json, "time", it->at);
    put(json, "datacontenttype", TEXT("application/json"));
    put_data(json, it);
    buffer_add_byte(json, '}');
}

/* N2. The members of `data` for those who are told of outputs. */
static void put_result(struct buffer *json, const struct announcement *it)
{
    const struct failure *failure = it->failure;
    size_t size = failure != NULL ? failure->type.size + failure->message.size : 0;
    web_put_name(json, "result");
    buffer_add_byte(json, '{');
    if (it->output.size > WEBHOOK_OUTPUT_MAX) {
        buffer_printf(json, "\"outputBytes\":%zu", it->output.size);
    } else if (it->output.size != 0) {
        put(json, "output", it->output);
    }
    if (size > WEBHOOK_OUTPUT_MAX) {
        web_put_name(json, "failureBytes");
        buffer_printf(json, "%zu", size);
    } else if (failure != NULL) {
        web_put_name(json, "failure");
        buffer_add_byte(json, '{');
        put(json, "type", failure->type);
        put(json, "message", failure->message);
        buffer_add_byte(json, '}');
    }
    buffer_add_byte(json, '}');
}

bool webhooks_write(struct webhooks *webhooks, const char *hub, const struct announcement *it,
                    struct buffer *json)
{
    struct wanted wanted = { .json = json };
    if ((atomic_load(&webhooks->kinds) & 1U << it->kind) == 0 ||
        text_has_prefix(it->name, TEXT("perdure.")) ||
        text_has_prefix(it->name, TEXT("BuiltIn__"))) {
        return false;
    }
    struct arena arena;
    arena_init(&arena);
    pthread_rwlock_rdlock(&webhooks->lock);
    look_who(webhooks->table, &arena, hub, it, &wanted);
    pthread_rwlock_unlock(&webhooks->lock);
    if (wanted.count != 0) {
        buffer_printf(json, "],\"first\":%lld", (long long)wanted.first_ms);
        put_event(json, &arena, hub, it);
        if (wanted.has_output) {
            put_result(json, it);
        }
        buffer_add_byte(json, '}');
    }
    arena_done(&arena);
    return wanted.count != 0;
}
