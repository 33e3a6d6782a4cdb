/* SPDX-License-Identifier: MIT
 *
 * Ids of instances and entities: which are acceptable, and which partition one lives in.
 *
 *   I1  '@' at the front is for entities; control characters (C0, DEL, C1) break logs and
 *       terminals. All else may be: who puts an id into a URL quotes it.
 *   I2  The partition is XXH64(id, seed 0) modulo the number of partitions, for ever: that hash is
 *       specified and frozen, has published test vectors, and can be computed in any language.
 *   I3  The request id of a step is made of the same hash of the execution id, with the step for a
 *       seed; for ever too: a replay must find what the first run asked for.
 */
#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <string.h>
#include <xxhash.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "core/core_priv.h"

static const char where_instance[] = "core: instance id";
static const char where_entity[] = "core: entity id";

static size_t count_characters(struct text utf8)
{
    size_t count = 0;
    for (size_t i = 0; i < utf8.size; i++) {
        count += ((unsigned char)utf8.at[i] & 0xc0) != 0x80;
    }
    return count;
}

static bool is_control(struct text id, size_t i)
{
    unsigned char c = (unsigned char)id.at[i];
    return c < 0x20 || c == 0x7f ||
           (c == 0xc2 && (unsigned char)id.at[i + 1] < 0xa0); /* U+0080 to U+009F */
}

/* As much of an id as leaves room for what is to be said of it. */
static struct text shown(struct text id)
{
    enum { SHOWN_MAX = 80 };
    size_t size = id.size < SHOWN_MAX ? id.size : SHOWN_MAX;
    while (size < id.size && ((unsigned char)id.at[size] & 0xc0) == 0x80) {
        size--; /* not within a character */
    }
    return text_make(id.at, size);
}
#define SHOWN(id) TEXT_ARGS(shown(id)), shown(id).size < (id).size ? "..." : ""

/* What ids of both kinds have to be; `what` is "an instance id". */
static pd_status check(const char *where, const char *what, struct text id, pd_error *err)
{
    if (id.size == 0) {
        return error_set(err, PD_E_INVALID, false, where, "%s may not be empty", what);
    }
    if (!text_is_utf8(id)) {
        return error_set(err, PD_E_INVALID, false, where, "%s must be valid UTF-8", what);
    }
    size_t count = count_characters(id);
    if (count > LIMIT_INSTANCE_ID) {
        return error_set(err, PD_E_INVALID, false, where,
                         "%s of %zu characters is over the limit of %d", what, count,
                         LIMIT_INSTANCE_ID);
    }
    for (size_t i = 0; i < id.size; i++) {
        if (is_control(id, i)) {
            return error_set(err, PD_E_INVALID, false, where,
                             "'%.*s%s' has a control character at byte %zu", SHOWN(id), i);
        }
    }
    return PD_OK;
}

pd_status instance_id_check(struct text id, pd_error *err)
{
    pd_status status = check(where_instance, "an instance id", id, err);
    if (status == PD_OK && id.at[0] == '@') {
        return error_set(err, PD_E_INVALID, false, where_instance,
                         "'%.*s%s' begins with '@', which is kept for entities", SHOWN(id));
    }
    return status;
}

bool instance_id_is_run(struct text id)
{
    return text_has_prefix(id, TEXT(CORE_RUN ":"));
}

/* Of the '@' that ends the name; 0: there is none. */
static size_t name_end(const char *id, size_t size)
{
    const char *end = size > 1 && id[0] == '@' ? memchr(id + 1, '@', size - 1) : NULL;
    return end != NULL ? (size_t)(end - id) : 0;
}

pd_status entity_id_check(struct text id, pd_error *err)
{
    pd_status status = check(where_entity, "the id of an entity", id, err);
    if (status == PD_OK && name_end(id.at, id.size) <= 1) {
        return error_set(err, PD_E_INVALID, false, where_entity,
                         "'%.*s%s' is not the id of an entity, which is \"@name@key\"", SHOWN(id));
    }
    return status;
}

void entity_id_fold(char *id, size_t size)
{
    size_t end = name_end(id, size);
    for (size_t i = 1; i < end; i++) {
        if (id[i] >= 'A' && id[i] <= 'Z') {
            id[i] = (char)(id[i] - 'A' + 'a');
        }
    }
}

void request_id_of_step(struct text execution_id, int32_t step, char ret[REQUEST_ID_SIZE])
{
    uint64_t seed = (uint64_t)(uint32_t)step << 1;
    uint64_t high = XXH64(execution_id.at, execution_id.size, seed);
    uint64_t low = XXH64(execution_id.at, execution_id.size, seed + 1);
    request_id_format(high, low, ret);
}

void request_id_format(uint64_t high, uint64_t low, char ret[REQUEST_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    /* Version 8, which says no more than that it is neither of a time nor of a machine. */
    high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x8000);
    low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    char *at = ret;
    for (int i = 0; i < 32; i++) {
        uint64_t half = i < 16 ? high : low;
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            *at++ = '-';
        }
        *at++ = digits[half >> (60 - i % 16 * 4) & 15];
    }
    *at = 0;
}

unsigned partition_of(struct text id, unsigned count)
{
    assert_that(count > 0);
    return (unsigned)(XXH64(id.at, id.size, 0) % count);
}
