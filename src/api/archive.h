/* SPDX-License-Identifier: MIT
 *
 * Archives: instances with their histories, taken out of a store, in files.
 *
 * What a file looks like is said by wire.h: a header, then each instance with its length.
 *
 *   R1  What archive_load gives fits together, as of one moment, although the instance goes on:
 *       the record says how the instance stood after the last of the turns, and the inbox holds
 *       what those turns have not taken.
 *   R2  A file that is written is not there until it is complete: it is written beside its place
 *       and moved. One that is left behind by a crash has the name of the file with ".new" and the
 *       number of the process.
 *   R3  What archive_reader_next gives has been checked as far as it can be without running it:
 *       ids, names, states, every event.
 *   R4  Memory is bounded by the largest instance, never by the file. */
#ifndef API_ARCHIVE_H
#define API_ARCHIVE_H

#include <perdure.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "core/rewrite.h"
#include "store/store.h"
#include "wire/wire.h"

/* R1. By row. *ret_found is false when there is no such row. Text lives in the arena. */
pd_status archive_load(struct store *store, uint64_t row, struct arena *arena, struct archive *ret,
                       bool *ret_found, pd_error *err);

/* Its events: turns, and what waits. The record is the archive's own; lists live in the arena, text
 * borrows from the archive. PD_E_CORRUPT. */
pd_status archive_unpack(const struct archive *archive, struct arena *arena, struct adoption *ret,
                         pd_error *err);

/* The other way. */
void archive_pack(const struct adoption *adoption, struct arena *arena, struct archive *ret);

struct archive_writer {
    FILE *file;
    const char *path; /* borrowed */
    char *temporary;
    struct buffer buffer;
};

/* PD_E_DENIED. Ends with archive_writer_end, also after it failed. */
pd_status archive_writer_begin(struct archive_writer *writer, const char *path, pd_error *err);
pd_status archive_writer_add(struct archive_writer *writer, const struct archive *archive,
                             pd_error *err);
/* With `status` PD_OK the file is complete: durable, and moved to its place. Otherwise there is
 * none. Returns the first that failed. */
pd_status archive_writer_end(struct archive_writer *writer, pd_status status, pd_error *err);

struct archive_reader {
    FILE *file;
    const char *path; /* borrowed */
    struct buffer buffer;
    bool
        goes_on; /* instances are to go on somewhere, not only to be looked at; set by the caller */
};

/* PD_E_DENIED when it cannot be opened, PD_E_CORRUPT when it is no archive. Ends with
 * archive_reader_end, also after it failed. */
pd_status archive_reader_begin(struct archive_reader *reader, const char *path, pd_error *err);
/* The next instance; *ret_has is false at the end. Text lives until the next call, lists in the
 * arena. R3: PD_E_CORRUPT. */
pd_status archive_reader_next(struct archive_reader *reader, struct arena *arena,
                              struct archive *ret, bool *ret_has, pd_error *err);
/* Where the next instance begins; and going there again. PD_E_UNAVAILABLE when it cannot be gone
 * back in the file, which is a pipe, say. */
int64_t archive_reader_tell(const struct archive_reader *reader);
pd_status archive_reader_seek(struct archive_reader *reader, int64_t place, pd_error *err);
void archive_reader_end(struct archive_reader *reader);

/* PD_E_INVALID: none was given. */
pd_status archive_check_path(const char *path, const char *where, pd_error *err);

#endif
