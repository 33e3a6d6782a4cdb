/* SPDX-License-Identifier: MIT
 *
 * Taking messages out of bytes (message.h), and gzip. */
#include <zlib.h>

#include "base/assert.h"
#include "grpc/message.h"

enum { KEEP = 4096, STEP = 64 * 1024 };

void messages_init(struct messages *messages, size_t max)
{
    *messages = (struct messages){ .max = max };
}

void messages_done(struct messages *messages)
{
    buffer_done(&messages->held);
    buffer_done(&messages->opened);
}

void messages_reset(struct messages *messages)
{
    if (messages->held.room > KEEP) {
        buffer_done(&messages->held);
    }
    buffer_done(&messages->opened);
    buffer_reset(&messages->held);
    messages->has_gzip = false;
}

size_t messages_unpacked(const struct messages *messages)
{
    return messages->opened.size;
}

size_t messages_held(const struct messages *messages)
{
    return messages->held.size != 0 ? messages->held.room : 0;
}

static size_t length_of(const uint8_t *head)
{
    return (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
}

/* Inflates until the end or the limit, whichever comes first. */
static int inflate_into(struct buffer *out, z_stream *z, size_t max)
{
    int rc = Z_OK;
    while (rc == Z_OK) {
        size_t had = out->size;
        z->next_out = buffer_extend(out, STEP);
        z->avail_out = STEP;
        rc = inflate(z, Z_NO_FLUSH);
        out->size = had + STEP - z->avail_out;
        if (out->size > max) {
            return Z_MEM_ERROR;
        }
        if (rc == Z_OK && z->avail_in == 0 && z->avail_out != 0) {
            return Z_DATA_ERROR; /* it ends in the middle */
        }
    }
    return rc;
}

static enum grpc_status open_gzip(struct messages *messages, struct text packed, struct text *ret,
                                  const char **text)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)packed.at, .avail_in = (uInt)packed.size };
    buffer_reset(&messages->opened);
    if (inflateInit2(&z, 15 + 16) != Z_OK) {
        *text = "no memory for gzip";
        return GRPC_RESOURCE_EXHAUSTED;
    }
    int rc = inflate_into(&messages->opened, &z, messages->max);
    bool has_more = z.avail_in != 0;
    (void)inflateEnd(&z);
    if (rc == Z_MEM_ERROR) {
        *text = "a message is larger than is taken here, when it is unpacked";
        return GRPC_RESOURCE_EXHAUSTED;
    }
    if (rc != Z_STREAM_END || has_more) {
        *text = "a message is not what gzip makes";
        return GRPC_INTERNAL;
    }
    *ret = buffer_text(&messages->opened);
    return GRPC_OK;
}

static enum grpc_status check_head(const struct messages *messages, const uint8_t *head,
                                   const char **text)
{
    if (head[0] > 1 || (head[0] == 1 && !messages->has_gzip)) {
        *text = "a message is compressed in no way that was announced";
        return GRPC_INTERNAL;
    }
    if (length_of(head) > messages->max) {
        *text = "a message is larger than is taken here";
        return GRPC_RESOURCE_EXHAUSTED;
    }
    return GRPC_OK;
}

static void cut(struct text *bytes, size_t size)
{
    bytes->at += size;
    bytes->size -= size;
}

/* Moves what is wanted, at most, from the bytes to what is held. True when it has so many. */
static bool hold(struct messages *messages, struct text *bytes, size_t wanted)
{
    size_t lacks = wanted > messages->held.size ? wanted - messages->held.size : 0;
    size_t take = lacks < bytes->size ? lacks : bytes->size;
    buffer_add(&messages->held, bytes->at, take);
    cut(bytes, take);
    return take == lacks;
}

enum grpc_status messages_next(struct messages *messages, struct text *bytes, struct text *ret,
                               const char **text)
{
    struct buffer *held = &messages->held;
    const uint8_t *head = NULL;
    *ret = TEXT_ABSENT;
    buffer_reset(&messages->opened); /* handed over by the call before, too */
    if (messages->opened.room > KEEP) {
        buffer_done(&messages->opened);
    }
    if (held->size >= MESSAGE_HEAD && held->size == MESSAGE_HEAD + length_of(held->at)) {
        buffer_reset(held); /* it was handed over by the call before */
        if (held->room > KEEP) {
            buffer_done(held);
        }
    }
    if (held->size == 0 && bytes->size >= MESSAGE_HEAD) {
        head = (const uint8_t *)bytes->at;
        enum grpc_status status = check_head(messages, head, text);
        size_t size = length_of(head);
        if (status != GRPC_OK) {
            return status;
        }
        if (bytes->size - MESSAGE_HEAD >= size) {
            *ret = text_make(bytes->at + MESSAGE_HEAD, size);
            cut(bytes, MESSAGE_HEAD + size);
            return head[0] == 1 ? open_gzip(messages, *ret, ret, text) : GRPC_OK;
        }
    }
    if (!hold(messages, bytes, MESSAGE_HEAD)) {
        return GRPC_OK;
    }
    enum grpc_status status = check_head(messages, held->at, text);
    if (status != GRPC_OK || !hold(messages, bytes, MESSAGE_HEAD + length_of(held->at))) {
        return status;
    }
    *ret = text_make((const char *)held->at + MESSAGE_HEAD, held->size - MESSAGE_HEAD);
    return held->at[0] == 1 ? open_gzip(messages, *ret, ret, text) : GRPC_OK;
}

enum grpc_status messages_keep(struct messages *messages, struct text bytes, const char **text)
{
    struct buffer *held = &messages->held;
    if (held->size < MESSAGE_HEAD && !hold(messages, &bytes, MESSAGE_HEAD)) {
        return GRPC_OK;
    }
    enum grpc_status status = check_head(messages, held->at, text);
    if (status == GRPC_OK && bytes.size > MESSAGE_HEAD + length_of(held->at) - held->size) {
        *text = "a call of one message has more of them";
        return GRPC_INTERNAL;
    }
    if (status == GRPC_OK) {
        buffer_add_text(held, bytes);
    }
    return status;
}

enum grpc_status messages_only(struct messages *messages, struct text *ret, const char **text)
{
    struct buffer *held = &messages->held;
    if (held->size < MESSAGE_HEAD || held->size < MESSAGE_HEAD + length_of(held->at)) {
        *text = "a call of one message has none, or not all of it";
        return GRPC_INTERNAL;
    }
    *ret = text_make((const char *)held->at + MESSAGE_HEAD, held->size - MESSAGE_HEAD);
    return held->at[0] == 1 ? open_gzip(messages, *ret, ret, text) : GRPC_OK;
}
