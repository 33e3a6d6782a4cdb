/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share: failures inside of events, and how damage is reported.
 */
#ifndef WIRE_WIRE_PRIV_H
#define WIRE_WIRE_PRIV_H

#include "base/limits.h"
#include "wire/proto.h"
#include "wire/wire.h"

/* Sizes of the messages of a failure and its causes, outermost first. A message holds the next. */
struct failure_sizes {
    size_t count;
    size_t of[LIMIT_FAILURE_DEPTH + 1];
};

/* Measures a failure and at most LIMIT_FAILURE_DEPTH causes. Returns the size of the outermost. */
size_t wire_size_failure(const struct failure *failure, struct failure_sizes *ret);
uint8_t *wire_put_failure(uint8_t *at, const struct failure *failure,
                          const struct failure_sizes *sizes);

/* NULL with *ret_bad, the place, when malformed. */
const struct failure *wire_decode_failure(struct text message, struct arena *arena,
                                          const uint8_t **ret_bad);

#endif
