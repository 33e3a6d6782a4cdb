/* SPDX-License-Identifier: MIT
 *
 * Messages in a stream of bytes: one byte (is it compressed?), four of length, the message.
 *
 * Messages that lie whole in what came are handed over where they lie; others are put together in a
 * buffer, which grows with what has come and not with what was announced. */
#ifndef GRPC_MESSAGE_H
#define GRPC_MESSAGE_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/text.h"
#include "grpc/grpc.h"

enum { MESSAGE_HEAD = 5 };

struct messages {
    struct buffer held;   /* the beginning of a message, its head included */
    struct buffer opened; /* one that was compressed */
    size_t max;
    bool has_gzip; /* as grpc-encoding says */
};

void messages_init(struct messages *messages, size_t max);
void messages_done(struct messages *messages);
void messages_reset(struct messages *messages); /* keeps a little memory */

/* The next message of *bytes, which is cut; absent: no whole one is left, and what there was is
 * held. The message lives until the next call. Not GRPC_OK: text says why, and nothing more can be
 * read. */
enum grpc_status messages_next(struct messages *messages, struct text *bytes, struct text *ret,
                               const char **text);
/* Where one message is all there may be: keeps the bytes; and, when no more come, the message. */
enum grpc_status messages_keep(struct messages *messages, struct text bytes, const char **text);
enum grpc_status messages_only(struct messages *messages, struct text *ret, const char **text);
/* What the message that was taken last was unpacked to; 0: it was not. */
size_t messages_unpacked(const struct messages *messages);
/* Memory of a message that has begun; what is kept beside that is little. */
size_t messages_held(const struct messages *messages);

static inline void message_head(uint8_t head[MESSAGE_HEAD], size_t size)
{
    head[0] = 0;
    head[1] = (uint8_t)(size >> 24);
    head[2] = (uint8_t)(size >> 16);
    head[3] = (uint8_t)(size >> 8);
    head[4] = (uint8_t)size;
}

#endif
