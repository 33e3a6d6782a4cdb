/* SPDX-License-Identifier: MIT
 *
 * Buffer: growing and printing.
 */
#include "base/buffer.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/memory.h"

static const size_t room_min = 64;

void buffer_done(struct buffer *buffer)
{
    mem_free(buffer->at);
    buffer_init(buffer);
}

/* At least twice the present room, so that adding byte by byte costs constant time on average. */
static size_t room_for(const struct buffer *buffer, size_t more)
{
    size_t need = buffer->size + more;
    size_t room = buffer->room < room_min ? room_min : buffer->room * 2;
    return room < need ? need : room;
}

void buffer_grow(struct buffer *buffer, size_t more)
{
    if (more > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4) {
        mem_exhausted(more);
        unreachable_state("mem_exhausted does not return");
    }
    size_t room = room_for(buffer, more);
    /* The old size is given as the new one: nothing needs to be zeroed. */
    buffer->at = mem_grow(buffer->at, room, room);
    buffer->room = room;
}

bool buffer_try_reserve(struct buffer *buffer, size_t n)
{
    if (buffer->at != NULL && buffer->room - buffer->size >= n) {
        return !mem_fails_now();
    }
    if (n > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4) {
        return false;
    }
    size_t room = room_for(buffer, n);
    uint8_t *at = mem_try_grow(buffer->at, room, room);
    if (at == NULL) {
        return false;
    }
    buffer->at = at;
    buffer->room = room;
    return true;
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(buffer, format, arguments);
    va_end(arguments);
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    char *free_room = buffer->at != NULL ? (char *)buffer->at + buffer->size : NULL;
    size_t room = buffer->room - buffer->size;
    int length = vsnprintf(free_room, room, format, arguments);
    assert_that(length >= 0);
    if ((size_t)length >= room) {
        /* One more than asked for, because vsnprintf insists on its NUL. */
        char *at = (char *)buffer_extend(buffer, (size_t)length + 1);
        vsnprintf(at, (size_t)length + 1, format, again);
        buffer->size -= 1;
    } else {
        buffer->size += (size_t)length;
    }
    va_end(again);
}

uint8_t *buffer_take(struct buffer *buffer, size_t *ret_size)
{
    uint8_t *at = buffer->at;
    *ret_size = buffer->size;
    buffer_init(buffer);
    return at;
}
