/* SPDX-License-Identifier: MIT
 *
 * Buffer: bytes that grow at the end.
 *
 * For building messages, rows and texts whose size is not known before. The contents are one piece
 * and may move whenever something is added, so keep offsets, not pointers. Room doubles; reset
 * keeps it. Not for things of many lifetimes: that is an arena.
 *
 * Additions never fail: sizes that come from outside are checked against a limit first, and, when
 * they may be large, reserved with buffer_try_reserve.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

struct buffer {
    uint8_t *at; /* NULL until something was added */
    size_t size;
    size_t room; /* allocated, at least size */
};

static inline void buffer_init(struct buffer *buffer)
{
    *buffer = (struct buffer){ 0 };
}

void buffer_done(struct buffer *buffer);

static inline void buffer_reset(struct buffer *buffer)
{
    buffer->size = 0;
}

void buffer_grow(struct buffer *buffer, size_t more); /* room for more bytes; use buffer_extend */

/* Makes the buffer n bytes longer and returns where they are; they are not initialised. */
static inline uint8_t *buffer_extend(struct buffer *buffer, size_t n)
{
    if (__builtin_expect(buffer->room - buffer->size < n || buffer->at == NULL, 0)) {
        buffer_grow(buffer, n);
    }
    uint8_t *p = buffer->at + buffer->size;
    buffer->size += n;
    return p;
}

/* Room for n more bytes, or false when there is no memory. */
bool buffer_try_reserve(struct buffer *buffer, size_t n);

static inline void buffer_add(struct buffer *buffer, const void *bytes, size_t n)
{
    if (n != 0) {
        memcpy(buffer_extend(buffer, n), bytes, n);
    }
}

static inline void buffer_add_byte(struct buffer *buffer, uint8_t byte)
{
    *buffer_extend(buffer, 1) = byte;
}

/* Absent adds nothing. */
static inline void buffer_add_text(struct buffer *buffer, struct text t)
{
    buffer_add(buffer, t.at, t.size);
}

__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *buffer, const char *format,
                                                         ...);
__attribute__((format(printf, 2, 0))) void buffer_vprintf(struct buffer *buffer, const char *format,
                                                          va_list arguments);

/* What the buffer holds; borrowed until the next addition. Empty is present, not absent. */
static inline struct text buffer_text(const struct buffer *buffer)
{
    return text_make(buffer->at != NULL ? (const char *)buffer->at : "", buffer->size);
}

/* The contents become yours (mem_free), the buffer is empty. NULL when nothing was ever added. */
uint8_t *buffer_take(struct buffer *buffer, size_t *ret_size);

#endif
