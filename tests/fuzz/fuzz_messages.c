/* SPDX-License-Identifier: MIT
 *
 * Messages in a stream of bytes: cut anywhere, the same messages come out as from one piece, none
 * larger than allowed, and nothing outside the bytes is looked at. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "grpc/message.h"

enum { MOST = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct seen {
    struct buffer all; /* every message, its length before it */
    enum grpc_status status;
};

static void add(struct seen *seen, struct text message)
{
    assert_that(message.size <= MOST);
    buffer_add(&seen->all, &message.size, sizeof message.size);
    buffer_add_text(&seen->all, message);
}

static void feed(struct messages *messages, struct seen *seen, struct text piece)
{
    while (seen->status == GRPC_OK) {
        struct text message;
        const char *text = NULL;
        seen->status = messages_next(messages, &piece, &message, &text);
        assert_that((seen->status == GRPC_OK) == (text == NULL));
        if (seen->status != GRPC_OK || !text_is_present(message)) {
            return;
        }
        add(seen, message);
    }
}

/* A copy of just this size, so that reading past it is noticed. */
static void feed_copy(struct messages *messages, struct seen *seen, const uint8_t *at, size_t size)
{
    char *copy = mem_alloc_raw(size + (size == 0));
    memcpy(copy, at, size);
    feed(messages, seen, text_make(copy, size));
    mem_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct messages whole, pieces, only;
    struct seen of_whole = { 0 }, of_pieces = { 0 };
    if (size < 2) {
        return 0;
    }
    size_t step = (size_t)bytes[0] + 1;
    messages_init(&whole, MOST);
    messages_init(&pieces, MOST);
    messages_init(&only, MOST);
    whole.has_gzip = pieces.has_gzip = only.has_gzip = (bytes[1] & 1) != 0;
    bytes += 2;
    size -= 2;
    feed_copy(&whole, &of_whole, bytes, size);
    for (size_t at = 0; at < size && of_pieces.status == GRPC_OK; at += step) {
        feed_copy(&pieces, &of_pieces, bytes + at, size - at < step ? size - at : step);
    }
    assert_that(of_whole.status == of_pieces.status);
    assert_that(text_equal(buffer_text(&of_whole.all), buffer_text(&of_pieces.all)));

    struct text message, all = text_make((const char *)bytes, size);
    const char *text = NULL;
    if (messages_keep(&only, all, &text) == GRPC_OK &&
        messages_only(&only, &message, &text) == GRPC_OK) {
        size_t first;
        memcpy(&first, of_whole.all.at, sizeof first);
        assert_that(first == message.size && of_whole.all.size == sizeof first + first);
    }
    messages_done(&whole);
    messages_done(&pieces);
    messages_done(&only);
    buffer_done(&of_whole.all);
    buffer_done(&of_pieces.all);
    return 0;
}
