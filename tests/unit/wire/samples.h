/* SPDX-License-Identifier: MIT
 *
 * One event of each kind, archives, and variants that stress the encoding, each with the bytes it
 * must be.
 *
 * The bytes were read through protoc and compared with the protocol's tables by eye; they are a
 * promise to every file that was ever stored. A test that disagrees with them is right about the
 * code, not about the bytes.
 */
#ifndef TESTS_UNIT_WIRE_SAMPLES_H
#define TESTS_UNIT_WIRE_SAMPLES_H

#include "wire/wire.h"

struct sample {
    const char *name;
    struct event event;
    const char *hex; /* of the HistoryChunk with this event alone; spaces count for nothing */
};

extern const struct sample samples[];
extern const size_t sample_count;

struct archive_sample {
    const char *name;
    struct archive archive;
    const char *hex;
};

extern const struct archive_sample archive_samples[];
extern const size_t archive_sample_count;

/* NULL: none of this name. */
const struct sample *sample_find(const char *name);
const struct archive_sample *archive_sample_find(const char *name);

/* True when what is on the wire is the same: all members but `bytes`, and row, partition and
 * is_busy of the record; an absent id and name as empty ones. */
bool archive_is_same(const struct archive *a, const struct archive *b);

/* True when what is on the wire is the same: all members but `raw`, absent names as empty ones. */
bool sample_is_same(const struct event *a, const struct event *b);

/* The bytes of hex, in the arena. */
struct text sample_bytes(struct arena *arena, const char *hex);

#endif
