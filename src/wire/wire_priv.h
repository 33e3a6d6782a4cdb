/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share: messages along their shapes, and how damage is reported.
 */
#ifndef WIRE_WIRE_PRIV_H
#define WIRE_WIRE_PRIV_H

#include "base/limits.h"
#include "wire/proto.h"
#include "wire/shape.h"
#include "wire/wire.h"

/* Any list of message.h: they have the same members, but for what they point to. */
struct any_list {
    void *items;
    size_t count;
} __attribute__((may_alias));

/* ---- writing ---- */

/* The bytes of the fields of `base`, the struct that the table is of, that are not left out. */
size_t wire_size_fields(const struct shape_field *fields, const void *base);
uint8_t *wire_put_fields(uint8_t *at, const struct shape_field *fields, const void *base);

/* A failure with its causes. */
size_t wire_size_failure(const struct failure *failure);
uint8_t *wire_put_failure(uint8_t *at, const struct failure *failure);

/* As an element of another message. */
void wire_write_event_as(struct buffer *buffer, unsigned number, const struct event *event);

/* ---- reading ---- */

/* What went wrong, and where; text is NULL while all is well. */
struct wire_trouble {
    const uint8_t *at;
    const char *text;
};

/* False, for whoever returns it. */
bool wire_is_malformed(struct wire_trouble *trouble, const uint8_t *at);

/* How many events the chunk has; false: malformed. */
bool wire_count_events(struct text chunk, size_t *ret, struct wire_trouble *trouble);

/* A HistoryEvent. False: malformed, as trouble says. */
bool wire_read_event(struct text message, struct event *event, struct arena *arena,
                     struct wire_trouble *trouble);

/* Reads a message into `base`, which is zero where the table says nothing else. False: malformed,
 * as trouble says. */
bool wire_read_fields(const struct shape_field *fields, struct text message, void *base,
                      struct arena *arena, struct wire_trouble *trouble);

/* NULL: malformed, as trouble says. */
const struct failure *wire_decode_failure(struct text message, struct arena *arena,
                                          struct wire_trouble *trouble);

#endif
