/* SPDX-License-Identifier: MIT
 *
 * JSON text to pd_value and back.
 *
 * Reading is strict RFC 8259 and stricter where a payload would otherwise lose something silently:
 *
 *   any value may be at the top            "x", 1, null are documents
 *   duplicate keys                         PD_E_INVALID
 *   \u0000 in a text                       PD_E_INVALID: pd_text is a C string and would end there
 *   whole numbers beyond int64             PD_E_INVALID: send them as text, or as a real
 *   reals beyond a double                  PD_E_INVALID
 *   deeper than LIMIT_JSON_DEPTH           PD_E_LIMIT
 *   longer than 4 GiB                      PD_E_LIMIT (the caller applies its own limit before)
 *
 * 1 is a whole number, 1.0 and 1e0 are reals, and stay so through writing and reading again. Keys
 * keep the order they came in.
 *
 * The value and all its texts live in the arena, in the layout of perdure.h: an array has its
 * values in items, an object has key, value, key, value ... there and the number of pairs in
 * count_. A text has its length in count_, but only here: do not rely on it elsewhere.
 */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <perdure.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/text.h"

/* An absent or empty text is not a document: PD_E_INVALID. On failure *ret is untouched; the arena
 * may have grown. */
pd_status json_parse(struct arena *arena, struct text json, pd_value *ret, pd_error *err);

/* Appends the value, without spaces. Refuses (PD_E_INVALID) what JSON cannot say: NaN, infinities,
 * text that is not UTF-8, keys that are no texts or come twice; and, with PD_E_LIMIT, what is
 * deeper than LIMIT_JSON_DEPTH. On failure the buffer is as it was. */
pd_status json_write(struct buffer *buffer, pd_value value, pd_error *err);

/* An object of texts as packed tags (base/tags.h), null as none. PD_E_INVALID: it is something
 * else, a key is empty, or a key or value holds a control character or is not UTF-8. PD_E_LIMIT:
 * LIMIT_TAGS, LIMIT_TAG_BYTES. On failure *ret is untouched. */
pd_status json_pack_tags(struct arena *arena, pd_value tags, struct text *ret, pd_error *err);

#endif
