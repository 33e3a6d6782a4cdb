/* SPDX-License-Identifier: MIT
 *
 * TaskFailureDetails <-> struct failure.
 *
 * The message is recursive through innerFailure, the code is not: a chain of causes is measured,
 * written and read by a loop, so that its length costs no stack.
 *
 *   F1  At most LIMIT_FAILURE_DEPTH causes are written or read; deeper ones are left out. What is
 *       left out while reading is still in `raw` of the event that holds the failure.
 *   F2  errorType and errorMessage are proto3 strings: absent and empty are the same, and read as
 *       empty. stackTrace and properties are not ours: skipped here, kept in `raw`.
 *
 * innerFailure is written last (field 5 before field 4): so the chain can be written forward, each
 * message ending with the next. The order of fields means nothing in protobuf.
 */
#include "base/assert.h"
#include "base/error.h"
#include "wire/wire_priv.h"

enum {
    FAILURE_TYPE = 1,
    FAILURE_MESSAGE = 2,
    FAILURE_INNER = 4,
    FAILURE_NON_RETRIABLE = 5,
};

static size_t size_of_own_fields(const struct failure *failure)
{
    size_t size = 0;
    if (failure->type.size != 0) {
        size += 1 + proto_size_bytes(failure->type.size);
    }
    if (failure->message.size != 0) {
        size += 1 + proto_size_bytes(failure->message.size);
    }
    return size + (failure->is_final ? 2 : 0);
}

size_t wire_size_failure(const struct failure *failure, struct failure_sizes *ret)
{
    size_t count = 0;
    for (const struct failure *f = failure; f != NULL && count <= LIMIT_FAILURE_DEPTH;
         f = f->cause) {
        ret->of[count++] = size_of_own_fields(f);
    }
    assert_that(count > 0);
    ret->count = count;
    for (size_t i = count - 1; i-- > 0;) {
        ret->of[i] += 1 + proto_size_bytes(ret->of[i + 1]);
    }
    return ret->of[0];
}

uint8_t *wire_put_failure(uint8_t *at, const struct failure *failure,
                          const struct failure_sizes *sizes)
{
    for (size_t i = 0; i < sizes->count; i++) {
        if (i > 0) {
            at = proto_put_tag(at, FAILURE_INNER, PROTO_BYTES);
            at = proto_put_varint(at, sizes->of[i]);
            failure = failure->cause;
        }
        if (failure->type.size != 0) {
            at = proto_put_tag(at, FAILURE_TYPE, PROTO_BYTES);
            at = proto_put_text(at, failure->type);
        }
        if (failure->message.size != 0) {
            at = proto_put_tag(at, FAILURE_MESSAGE, PROTO_BYTES);
            at = proto_put_text(at, failure->message);
        }
        if (failure->is_final) {
            at = proto_put_tag(at, FAILURE_NON_RETRIABLE, PROTO_VARINT);
            *at++ = 1;
        }
    }
    return at;
}

void wire_write_failure(struct buffer *buffer, const struct failure *failure)
{
    struct failure_sizes sizes;
    size_t size = wire_size_failure(failure, &sizes);
    if (size == 0) {
        return;
    }
    uint8_t *start = buffer_extend(buffer, size);
    uint8_t *end = wire_put_failure(start, failure, &sizes);
    assert_that(end == start + size);
}

/* One message of the chain, without its inner one, whose bytes are returned; false: malformed. */
static bool decode_one(struct text message, struct failure *ret, struct text *ret_inner,
                       const uint8_t **ret_bad)
{
    struct proto_reader reader = proto_reader_of(message);
    struct proto_field field;
    enum proto_answer answer;
    *ret = (struct failure){ .type = TEXT(""), .message = TEXT("") };
    *ret_inner = TEXT_ABSENT;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_BYTES && field.number == FAILURE_TYPE) {
            ret->type = field.bytes;
        } else if (field.type == PROTO_BYTES && field.number == FAILURE_MESSAGE) {
            ret->message = field.bytes;
        } else if (field.type == PROTO_BYTES && field.number == FAILURE_INNER) {
            *ret_inner = field.bytes;
        } else if (field.type == PROTO_VARINT && field.number == FAILURE_NON_RETRIABLE) {
            ret->is_final = field.value != 0;
        }
    }
    *ret_bad = reader.at;
    return answer == PROTO_END;
}

const struct failure *wire_decode_failure(struct text message, struct arena *arena,
                                          const uint8_t **ret_bad)
{
    const struct failure *first = NULL;
    const struct failure **link = &first;
    for (size_t depth = 0; text_is_present(message) && depth <= LIMIT_FAILURE_DEPTH; depth++) {
        struct failure *one = arena_alloc_raw(arena, sizeof(*one));
        if (!decode_one(message, one, &message, ret_bad)) {
            return NULL;
        }
        *link = one;
        link = &one->cause;
    }
    return first;
}

pd_status wire_read_failure(struct text bytes, struct arena *arena, const struct failure **ret,
                            pd_error *err)
{
    const uint8_t *bad = NULL;
    struct text message = text_is_present(bytes) ? bytes : TEXT("");
    const struct failure *failure = wire_decode_failure(message, arena, &bad);
    if (failure == NULL) {
        return error_set(err, PD_E_CORRUPT, false, "wire: failure",
                         "the bytes of a failure are malformed at byte %zu of %zu",
                         (size_t)(bad - (const uint8_t *)message.at), message.size);
    }
    *ret = failure;
    return PD_OK;
}
