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
#include "core/turn.h"

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

/* A past (core/turn.h) over encoded turns, which are borrowed. Each is decoded into the same
 * memory, which becomes as large as the largest of them needs. */
struct wire_past {
    struct past base;
    const struct text *turns;
    struct arena arena;   /* failures and extras of the turn that was read last */
    struct buffer events; /* of struct event */
    pd_error err;         /* after a read that failed */
};
void wire_past_init(struct wire_past *past, const struct text *turns, size_t turn_count);
void wire_past_done(struct wire_past *past);

/* An archive: one instance with its history, as exported and imported (proto/history.proto). Of the
 * record all but row, partition and is_busy. */
struct archive {
    struct instance_record record;
    const struct text *turns; /* encoded HistoryChunk each, spliced */
    size_t turn_count;
    const struct text *inbox; /* encoded HistoryChunk of one event each */
    size_t inbox_count;
    struct text bytes; /* read: what it was read from; not looked at when writing */
};

/* Appends an InstanceArchive. PD_E_LIMIT, when it would pass LIMIT_ARCHIVE_BYTES, and PD_E_NOMEM:
 * nothing was appended. */
pd_status wire_write_archive(struct buffer *buffer, const struct archive *archive, pd_error *err);

/* Text borrows from `bytes`; lists and tags live in the arena. PD_E_CORRUPT, also when it is too
 * long. Turns and inbox are found, not looked into: wire_read_events does that. */
pd_status wire_read_archive(struct text bytes, struct arena *arena, struct archive *ret,
                            pd_error *err);

/* A file of archives: the header, then each with its length. */
void wire_write_archive_header(struct buffer *buffer);
pd_status wire_write_archive_entry(struct buffer *buffer, const struct archive *archive,
                                   pd_error *err);

/* The next archive of such a file, from *offset, which begins as 0 and is moved behind it.
 * *ret_found false: there are no more. PD_E_CORRUPT with the place in the file. */
pd_status wire_next_archive(struct text file, size_t *offset, struct arena *arena,
                            struct archive *ret, bool *ret_found, pd_error *err);

void wire_write_failure(struct buffer *buffer, const struct failure *failure);
pd_status wire_read_failure(struct text bytes, struct arena *arena, const struct failure **ret,
                            pd_error *err);

#endif
