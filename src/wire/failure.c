/* SPDX-License-Identifier: MIT
 *
 * TaskFailureDetails <-> struct failure.
 *
 * A failure is a tree: innerFailure is its first cause, otherFailures (an extension of ours) are
 * those beside it, when a fan-out failed for several reasons.
 *
 *   F1  At most LIMIT_FAILURE_DEPTH causes behind each other and LIMIT_FAILURE_CAUSES beside each
 *       other are written or read; others are left out. What is left out while reading is still in
 *       `raw` of the event that holds the failure. So what recurses here is bounded by limits of
 *       ours, whatever the bytes.
 *   F2  errorType and errorMessage are proto3 strings: absent and empty are the same, and read as
 *       empty. stackTrace and properties are not ours: skipped here, kept in the failure's `raw`.
 *   F3  A failure with `raw` is written as those bytes. Of one whose causes lie too deep no bytes
 *       are kept; as a cause of another it is written as bytes only where it is not too deep then.
 *       So what is written can be read by all, whose parsers bound the depth of messages.
 *
 * Causes are written last (field 5 before field 4); the order of fields means nothing in protobuf.
 */
#include "base/assert.h"
#include "base/error.h"
#include "wire/wire_priv.h"

enum { FAILURE_INNER = 4, FAILURE_OTHERS = 100 };

/* Where its causes begin: NULL at the depth from which on they are left out. */
static const struct failure *causes_of(const struct failure *failure, unsigned depth)
{
    return depth < LIMIT_FAILURE_DEPTH ? failure->cause : NULL;
}

/* How deep its causes go. */
static unsigned depth_of(const struct failure *failure)
{
    unsigned deepest = 0;
    for (const struct failure *cause = failure->cause; cause != NULL; cause = cause->next) {
        unsigned depth = 1 + depth_of(cause);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

static bool is_spliced(const struct failure *failure, unsigned depth)
{
    return text_is_present(failure->raw) &&
           (depth == 0 || depth + depth_of(failure) <= LIMIT_FAILURE_DEPTH);
}

/* Each level measures what is below it again: there are few, and fewer of them are deep. */
static size_t size_of(const struct failure *failure, unsigned depth)
{
    if (is_spliced(failure, depth)) {
        return failure->raw.size;
    }
    size_t size = wire_size_fields(wire_failure_shape, failure);
    unsigned n = 0;
    for (const struct failure *cause = causes_of(failure, depth);
         cause != NULL && n < LIMIT_FAILURE_CAUSES; cause = cause->next) {
        size += (n++ == 0 ? 1 : 2) + proto_size_bytes(size_of(cause, depth + 1));
    }
    return size;
}

static uint8_t *put(uint8_t *at, const struct failure *failure, unsigned depth)
{
    if (is_spliced(failure, depth)) {
        if (failure->raw.size != 0) {
            memcpy(at, failure->raw.at, failure->raw.size);
        }
        return at + failure->raw.size;
    }
    at = wire_put_fields(at, wire_failure_shape, failure);
    unsigned n = 0;
    for (const struct failure *cause = causes_of(failure, depth);
         cause != NULL && n < LIMIT_FAILURE_CAUSES; cause = cause->next) {
        at = proto_put_tag(at, n++ == 0 ? FAILURE_INNER : FAILURE_OTHERS, PROTO_BYTES);
        at = proto_put_varint(at, size_of(cause, depth + 1));
        at = put(at, cause, depth + 1);
    }
    return at;
}

size_t wire_size_failure(const struct failure *failure)
{
    return size_of(failure, 0);
}

uint8_t *wire_put_failure(uint8_t *at, const struct failure *failure)
{
    return put(at, failure, 0);
}

void wire_write_failure(struct buffer *buffer, const struct failure *failure)
{
    size_t size = wire_size_failure(failure);
    if (size == 0) {
        return;
    }
    uint8_t *end = wire_put_failure(buffer_extend(buffer, size), failure);
    assert_that(end == buffer->at + buffer->size);
}

static struct failure *decode(struct text message, struct arena *arena, unsigned depth,
                              struct wire_trouble *trouble);

/* The failures in a message whose own fields are not malformed. */
static bool decode_causes(struct text message, struct arena *arena, unsigned depth,
                          struct wire_trouble *trouble, const struct failure **ret)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    struct text inner = TEXT_ABSENT;
    const struct failure *others = NULL;
    const struct failure **link = &others;
    unsigned count = 1;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.type != PROTO_BYTES) {
            continue;
        }
        if (field.number == FAILURE_INNER) {
            inner = field.bytes;
        } else if (field.number == FAILURE_OTHERS && count < LIMIT_FAILURE_CAUSES) {
            struct failure *other = decode(field.bytes, arena, depth + 1, trouble);
            if (other == NULL) {
                return false;
            }
            *link = other;
            link = &other->next;
            count++;
        }
    }
    *ret = others;
    if (text_is_present(inner)) {
        struct failure *first = decode(inner, arena, depth + 1, trouble);
        if (first == NULL) {
            return false;
        }
        first->next = others;
        *ret = first;
    }
    return true;
}

static bool has_causes(struct text message)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        if (field.type == PROTO_BYTES &&
            (field.number == FAILURE_INNER || field.number == FAILURE_OTHERS)) {
            return true;
        }
    }
    return false;
}

static struct failure *decode(struct text message, struct arena *arena, unsigned depth,
                              struct wire_trouble *trouble)
{
    struct failure *failure = arena_alloc(arena, sizeof *failure);
    if (!wire_read_fields(wire_failure_shape, message, failure, arena, trouble)) {
        return NULL;
    }
    bool is_whole = depth < LIMIT_FAILURE_DEPTH || !has_causes(message);
    if (depth < LIMIT_FAILURE_DEPTH) {
        if (!decode_causes(message, arena, depth, trouble, &failure->cause)) {
            return NULL;
        }
        for (const struct failure *cause = failure->cause; cause != NULL; cause = cause->next) {
            is_whole &= text_is_present(cause->raw);
        }
    }
    failure->raw = is_whole ? message : TEXT_ABSENT;
    return failure;
}

const struct failure *wire_decode_failure(struct text message, struct arena *arena,
                                          struct wire_trouble *trouble)
{
    return decode(message, arena, 0, trouble);
}

pd_status wire_read_failure(struct text bytes, struct arena *arena, const struct failure **ret,
                            pd_error *err)
{
    struct wire_trouble trouble = { NULL, NULL };
    struct text message = text_is_present(bytes) ? bytes : TEXT("");
    const struct failure *failure = wire_decode_failure(message, arena, &trouble);
    if (failure == NULL) {
        return error_set(err, PD_E_CORRUPT, false, "wire: failure",
                         "the bytes of a failure are malformed at byte %zu of %zu",
                         (size_t)(trouble.at - (const uint8_t *)message.at), message.size);
    }
    *ret = failure;
    return PD_OK;
}
