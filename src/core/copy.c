/* SPDX-License-Identifier: MIT
 *
 * Copies of events: everything an event borrows, in one piece of memory.
 *
 * Events come with text of their maker's, which goes when the command is over. Whoever keeps one (a
 * waiting event, a letter) says how much room the copy needs, and gives it.
 *
 *   X1  The structs (extra, failures) come first in the room, then all text: so nothing is out of
 *       alignment.
 *   X2  A failure has at most LIMIT_FAILURE_DEPTH causes behind each other and
 *       LIMIT_FAILURE_CAUSES beside each other: what goes beyond is left out. What is counted and
 *       what is copied go through the same walk.
 */
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "core/core_priv.h"

/* Where the next struct and the next text go; with both NULL, how much is needed. */
struct room {
    char *structs, *texts;
    size_t struct_bytes, text_bytes;
};

/* One of no bytes stays present. */
static struct text put(struct room *room, struct text text)
{
    struct text copy = text_make(room->texts, text.size);
    if (!text_is_present(text)) {
        return TEXT_ABSENT;
    }
    room->text_bytes += text.size;
    if (room->texts != NULL) {
        if (text.size != 0) {
            memcpy(room->texts, text.at, text.size);
        }
        room->texts += text.size;
    }
    return copy;
}

/* NULL while it is only counted. */
static void *put_struct(struct room *room, const void *from, size_t size)
{
    char *at = room->structs;
    room->struct_bytes += size;
    if (at != NULL) {
        memcpy(at, from, size);
        room->structs += size;
    }
    return at;
}

/* A failure, those beside it (at most `most`), and their causes (at most `depth` deep). */
static const struct failure *put_failures(struct room *room, const struct failure *failure,
                                          size_t most, size_t depth)
{
    const struct failure *first = NULL;
    struct failure *last = NULL;
    for (size_t i = 0; failure != NULL && i < most; i++, failure = failure->next) {
        struct failure *copy = put_struct(room, failure, sizeof *failure);
        struct text type = put(room, failure->type);
        struct text message = put(room, failure->message);
        struct text raw = put(room, failure->raw);
        const struct failure *cause =
            depth != 0 ? put_failures(room, failure->cause, LIMIT_FAILURE_CAUSES, depth - 1) : NULL;
        if (copy == NULL) {
            continue;
        }
        copy->type = type;
        copy->message = message;
        copy->raw = raw;
        copy->cause = cause;
        copy->next = NULL;
        if (last != NULL) {
            last->next = copy;
        } else {
            first = copy;
        }
        last = copy;
    }
    return first;
}

static const struct event_extra *put_extra(struct room *room, const struct event_extra *extra)
{
    struct event_extra *copy = put_struct(room, extra, sizeof *extra);
    struct event_extra none;
    struct event_extra *to = copy != NULL ? copy : &none;
    to->tags = put(room, extra->tags);
    to->progress = put(room, extra->progress);
    to->trace = put(room, extra->trace);
    to->parent_id = put(room, extra->parent_id);
    to->parent_execution_id = put(room, extra->parent_execution_id);
    to->parent_name = put(room, extra->parent_name);
    to->parent_version = put(room, extra->parent_version);
    to->lock_set = put(room, extra->lock_set);
    return copy;
}

/* What few events have. */
__attribute__((noinline)) static void put_structs(struct room *room, struct event *copy,
                                                  const struct event *event)
{
    if (event->extra != NULL) {
        copy->extra = put_extra(room, event->extra);
    }
    if (event->failure != NULL) {
        copy->failure = put_failures(room, event->failure, 1, LIMIT_FAILURE_DEPTH);
    }
}

static size_t text_size(const struct event *event)
{
    return event->name.size + event->version.size + event->payload.size + event->instance_id.size +
           event->execution_id.size + event->raw.size;
}

size_t event_copy_size(const struct event *event)
{
    struct room room = { 0 };
    if (event->extra != NULL || event->failure != NULL) {
        struct event copy;
        put_structs(&room, &copy, event);
    }
    /* One more byte, for the address of an empty text at the end. */
    return room.struct_bytes + room.text_bytes + text_size(event) + 1;
}

/* One that only few kinds have costs nothing but a look. */
static inline void take(char **at, struct text *text)
{
    if (text->at != NULL) {
        if (text->size != 0) {
            memcpy(*at, text->at, text->size);
        }
        text->at = *at;
        *at += text->size;
    }
}

void event_copy_into(struct event *copy, void *room_at, const struct event *event)
{
    char *at = room_at;
    *copy = *event;
    if (event->extra != NULL || event->failure != NULL) {
        struct room room = { 0 };
        put_structs(&room, copy, event); /* how large the structs are */
        room = (struct room){ .structs = at, .texts = at + room.struct_bytes };
        put_structs(&room, copy, event);
        at = room.texts;
    }
    take(&at, &copy->name);
    take(&at, &copy->version);
    take(&at, &copy->payload);
    take(&at, &copy->instance_id);
    take(&at, &copy->execution_id);
    take(&at, &copy->raw);
}

const struct event *event_copy(struct arena *arena, const struct event *event)
{
    struct event *copy = arena_alloc_raw(arena, sizeof *copy);
    event_copy_into(copy, arena_alloc_raw(arena, event_copy_size(event)), event);
    return copy;
}
