/* SPDX-License-Identifier: MIT
 *
 * Percent-encoding, as URLs have it (RFC 3986). It is undone once, by whoever has cut the URL into
 * its parts: what was encoded parts nothing. */
#ifndef BASE_PERCENT_H
#define BASE_PERCENT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/text.h"

/* is_form: '+' is a space. In the arena, with a NUL behind; it may hold any bytes, NULs, too.
 * False: a '%' without two digits. */
bool percent_decode(struct arena *arena, struct text encoded, bool is_form, struct text *ret);

/* All but letters, digits, and - _ . ~ */
void percent_encode(struct buffer *out, struct text text);

#endif
