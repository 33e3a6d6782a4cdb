/* SPDX-License-Identifier: MIT
 *
 * Files of archives, written and read one instance after another. See archive.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/archive.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/memory.h"

static const char where_write[] = "hub: export";
static const char where_read[] = "hub: import";

enum { LENGTH_MAX = 10, PIECE = 64 * 1024 };

/* ---- writing -------------------------------------------------------------------------------- */

static pd_status cannot_write(const struct archive_writer *writer, pd_error *err)
{
    return error_set(err, PD_E_UNAVAILABLE, true, where_write, "'%s' cannot be written: %s",
                     writer->path, strerror(errno));
}

static pd_status denied(const char *where, const char *path, const char *why, pd_error *err)
{
    return error_set(err, PD_E_DENIED, false, where, "'%s' cannot be opened: %s", path, why);
}

/* Writes what the buffer holds, and empties it. */
static pd_status write_buffer(struct archive_writer *writer, pd_error *err)
{
    size_t size = writer->buffer.size;
    buffer_reset(&writer->buffer);
    return fwrite(writer->buffer.at, size, 1, writer->file) == 1 ? PD_OK
                                                                 : cannot_write(writer, err);
}

pd_status archive_writer_begin(struct archive_writer *writer, const char *path, pd_error *err)
{
    struct stat there;
    *writer = (struct archive_writer){ .path = path };
    buffer_init(&writer->buffer);
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        return denied(where_write, path, "it is not an ordinary file", err);
    }
    buffer_printf(&writer->buffer, "%s.new%ld", path, (long)getpid());
    buffer_add_byte(&writer->buffer, '\0');
    writer->temporary = (char *)buffer_take(&writer->buffer, &(size_t){ 0 });
    int handle = open(writer->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    writer->file = handle >= 0 ? fdopen(handle, "w") : NULL;
    if (writer->file == NULL) {
        return denied(where_write, path, strerror(errno), err);
    }
    wire_write_archive_header(&writer->buffer);
    return write_buffer(writer, err);
}

pd_status archive_writer_add(struct archive_writer *writer, const struct archive *archive,
                             pd_error *err)
{
    pd_status status = wire_write_archive_entry(&writer->buffer, archive, err);
    return status == PD_OK ? write_buffer(writer, err) : status;
}

/* The folder that holds the file, so that a crash does not undo the move. */
static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct buffer folder;
    buffer_init(&folder);
    if (slash == NULL) {
        buffer_add(&folder, ".", 2);
    } else {
        buffer_add(&folder, path, (size_t)(slash - path) + 1);
        buffer_add_byte(&folder, '\0');
    }
    int handle = open((const char *)folder.at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = handle >= 0 ? fsync(handle) : -1;
    if (handle >= 0) {
        close(handle);
    }
    buffer_done(&folder);
    return result;
}

pd_status archive_writer_end(struct archive_writer *writer, pd_status status, pd_error *err)
{
    if (writer->file != NULL) {
        bool is_safe =
            status != PD_OK || (fflush(writer->file) == 0 && fsync(fileno(writer->file)) == 0);
        if (!is_safe) {
            status = cannot_write(writer, err);
        }
        if (fclose(writer->file) != 0 && status == PD_OK) {
            status = cannot_write(writer, err);
        }
        if (status == PD_OK && rename(writer->temporary, writer->path) != 0) {
            status = cannot_write(writer, err);
        }
        if (status != PD_OK) {
            (void)unlink(writer->temporary);
        } else if (sync_folder(writer->path) != 0) {
            status = cannot_write(writer, err);
        }
    }
    mem_free(writer->temporary);
    buffer_done(&writer->buffer);
    return status;
}

/* ---- reading -------------------------------------------------------------------------------- */

static pd_status bad(const struct archive_reader *reader, const char *what, pd_error *err)
{
    if (ferror(reader->file)) {
        return error_set(err, PD_E_UNAVAILABLE, true, where_read, "'%s' cannot be read: %s",
                         reader->path, strerror(errno));
    }
    return error_set(err, PD_E_CORRUPT, false, where_read, "'%s' %s", reader->path, what);
}

/* So many bytes into the buffer. Memory grows with what is there, not with what is promised. */
static pd_status read_bytes(struct archive_reader *reader, size_t count, const char *what,
                            pd_error *err)
{
    buffer_reset(&reader->buffer);
    for (size_t got = 0; got < count;) {
        size_t piece = count - got < PIECE ? count - got : PIECE;
        if (!buffer_try_reserve(&reader->buffer, piece)) {
            return error_set(err, PD_E_NOMEM, true, where_read, "no memory for %zu bytes", count);
        }
        if (fread(buffer_extend(&reader->buffer, piece), piece, 1, reader->file) != 1) {
            return bad(reader, what, err);
        }
        got += piece;
    }
    return PD_OK;
}

pd_status archive_reader_begin(struct archive_reader *reader, const char *path, pd_error *err)
{
    static const char what[] = "is no archive of instances, or one of a newer version";
    *reader = (struct archive_reader){ .file = fopen(path, "re"), .path = path };
    buffer_init(&reader->buffer);
    if (reader->file == NULL) {
        return denied(where_read, path, strerror(errno), err);
    }
    struct buffer header;
    buffer_init(&header);
    wire_write_archive_header(&header);
    pd_status status = read_bytes(reader, header.size, what, err);
    if (status == PD_OK && !text_equal(buffer_text(&reader->buffer), buffer_text(&header))) {
        status = bad(reader, what, err);
    }
    buffer_done(&header);
    return status;
}

/* *ret_has is false at the end of the file. */
static pd_status read_length(struct archive_reader *reader, size_t *ret, bool *ret_has,
                             pd_error *err)
{
    uint64_t length = 0;
    int byte = getc(reader->file);
    *ret_has = byte != EOF;
    if (byte == EOF && !ferror(reader->file)) {
        return PD_OK;
    }
    for (unsigned shift = 0; byte != EOF && shift < 7 * LENGTH_MAX; shift += 7) {
        length |= (uint64_t)(byte & 0x7f) << (shift < 63 ? shift : 63);
        if ((byte & 0x80) == 0) {
            *ret = (size_t)length;
            return length <= LIMIT_ARCHIVE_BYTES
                       ? PD_OK
                       : bad(reader, "is damaged: an instance would be larger than the limit", err);
        }
        byte = getc(reader->file);
    }
    return bad(reader, "is damaged or cut off", err);
}

/* R3 */
static pd_status check(const struct archive *archive, bool goes_on, pd_error *err)
{
    struct arena arena;
    struct adoption adoption;
    const struct failure *failure;
    const struct instance_record *record = &archive->record;
    arena_init(&arena);
    pd_status status = archive_unpack(archive, &arena, &adoption, err);
    if (status == PD_OK) {
        status = goes_on ? rewrite_check(&adoption, err) : rewrite_check_past(&adoption, err);
    }
    if (status == PD_OK && text_is_present(record->failure)) {
        status = wire_read_failure(record->failure, &arena, &failure, err);
    }
    if (status == PD_OK && (record->name.size > LIMIT_NAME || record->version.size > LIMIT_NAME)) {
        status = error_set(err, PD_E_CORRUPT, false, where_read,
                           "the name or the version of '%.*s' is over the limit of %d bytes",
                           TEXT_ARGS(record->id), LIMIT_NAME);
    }
    arena_done(&arena);
    return status;
}

pd_status archive_reader_next(struct archive_reader *reader, struct arena *arena,
                              struct archive *ret, bool *ret_has, pd_error *err)
{
    size_t length = 0;
    pd_status status = read_length(reader, &length, ret_has, err);
    if (status == PD_OK && *ret_has) {
        status = read_bytes(reader, length, "is cut off", err);
    }
    if (status == PD_OK && *ret_has) {
        status = wire_read_archive(buffer_text(&reader->buffer), arena, ret, err);
    }
    return status == PD_OK && *ret_has ? check(ret, reader->goes_on, err) : status;
}

int64_t archive_reader_tell(const struct archive_reader *reader)
{
    return ftello(reader->file);
}

pd_status archive_reader_seek(struct archive_reader *reader, int64_t place, pd_error *err)
{
    if (fseeko(reader->file, place, SEEK_SET) != 0) {
        return error_set(err, PD_E_UNAVAILABLE, false, where_read, "'%s' cannot be read again: %s",
                         reader->path, strerror(errno));
    }
    return PD_OK;
}

void archive_reader_end(struct archive_reader *reader)
{
    if (reader->file != NULL) {
        (void)fclose(reader->file);
    }
    buffer_done(&reader->buffer);
}

/* ---- both ----------------------------------------------------------------------------------- */

pd_status archive_check_path(const char *path, const char *where, pd_error *err)
{
    return path != NULL && path[0] != '\0'
               ? PD_OK
               : error_set(err, PD_E_INVALID, false, where, "no file was named");
}
