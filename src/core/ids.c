/* SPDX-License-Identifier: MIT
 *
 * Instance ids: which are acceptable, and which partition one lives in.
 *
 *   I1  '@' at the front is for entities; / \ # ? would need quoting in URLs; control characters
 *       (C0, DEL, C1) break logs and terminals.
 *   I2  The partition is XXH64(id, seed 0) modulo the number of partitions, for ever: that hash is
 *       specified and frozen, has published test vectors, and can be computed in any language.
 */
#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/limits.h"
#include "core/core.h"

static const char where[] = "core: instance id";

static size_t count_characters(struct text utf8)
{
    size_t count = 0;
    for (size_t i = 0; i < utf8.size; i++) {
        count += ((unsigned char)utf8.at[i] & 0xc0) != 0x80;
    }
    return count;
}

/* At a control character, or one of / \ # ? */
static bool is_forbidden(struct text id, size_t i)
{
    unsigned char c = (unsigned char)id.at[i];
    if (c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == '#' || c == '?') {
        return true;
    }
    return c == 0xc2 && (unsigned char)id.at[i + 1] < 0xa0; /* U+0080 to U+009F */
}

pd_status instance_id_check(struct text id, pd_error *err)
{
    if (id.size == 0) {
        return error_set(err, PD_E_INVALID, false, where, "an instance id may not be empty");
    }
    if (!text_is_utf8(id)) {
        return error_set(err, PD_E_INVALID, false, where, "an instance id must be valid UTF-8");
    }
    size_t count = count_characters(id);
    if (count > LIMIT_INSTANCE_ID) {
        return error_set(err, PD_E_INVALID, false, where,
                         "an instance id of %zu characters is over the limit of %d", count,
                         LIMIT_INSTANCE_ID);
    }
    if (id.at[0] == '@') {
        return error_set(err, PD_E_INVALID, false, where,
                         "'%.*s' begins with '@', which is kept for entities", TEXT_ARGS(id));
    }
    for (size_t i = 0; i < id.size; i++) {
        if (is_forbidden(id, i)) {
            return error_set(err, PD_E_INVALID, false, where,
                             "'%.*s' has a character that is not allowed (/ \\ # ? or a control "
                             "character) at byte %zu",
                             TEXT_ARGS(id), i);
        }
    }
    return PD_OK;
}

unsigned partition_of(struct text id, unsigned count)
{
    assert_that(count > 0);
    return (unsigned)(XXH64(id.at, id.size, 0) % count);
}
