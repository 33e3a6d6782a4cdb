/* SPDX-License-Identifier: MIT
 *
 * Wire: core's events as bytes, and back.
 *
 * The bytes are protobuf, as the Durable Task protocol has them: a stored turn is an encoded
 * HistoryChunk (field 1, repeated HistoryEvent), so that a work item, a history stream and an
 * export are spliced from what is stored. Unknown fields and kinds survive: an event whose `raw`
 * is present is written back as those bytes. */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <perdure.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "core/core.h"
#include "core/event.h"

extern const struct codec wire_codec; /* for core_options */

/* Appends one element of a HistoryChunk: tag, length, HistoryEvent. */
void wire_write_event(struct buffer *buffer, const struct event *event);

/* Decodes a HistoryChunk, appending to events. Text and raw borrow from `chunk`; failures live in
 * the arena. PD_E_CORRUPT with the byte offset when it is malformed; nothing was appended then. */
struct wire_events {
    struct event *at;
    size_t count, room; /* grown in the arena */
};
pd_status wire_read_events(struct text chunk, struct arena *arena, struct wire_events *events,
                           pd_error *err);

/* An archive: one instance with its history, as exported and imported (proto/history.proto). */
struct archive {
    struct instance_record record;
    const struct text *turns; /* encoded HistoryChunk each, spliced */
    size_t turn_count;
    const struct text *inbox; /* encoded HistoryChunk of one event each */
    size_t inbox_count;
};
void wire_write_archive(struct buffer *buffer, const struct archive *archive);
/* Text borrows from `bytes`; lists live in the arena. PD_E_CORRUPT. */
pd_status wire_read_archive(struct text bytes, struct arena *arena, struct archive *ret,
                            pd_error *err);

void wire_write_failure(struct buffer *buffer, const struct failure *failure);
pd_status wire_read_failure(struct text bytes, struct arena *arena, const struct failure **ret,
                            pd_error *err);

#endif
