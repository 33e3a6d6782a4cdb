/* SPDX-License-Identifier: MIT
 *
 * InstanceArchive <-> struct archive, and files of them.
 *
 * An instance as the protocol's OrchestrationState describes it, the step of its parent that it
 * belongs to, its turns and what waits for it. Turns and waiting events are spliced as they are
 * stored.
 *
 *   R1  What is read was measured against LIMIT_ARCHIVE_BYTES and LIMIT_ARCHIVE_EVENTS before
 *       anything was made of it.
 *   R2  Fields that we do not know are skipped; `bytes` still has them, so that an archive which is
 *       only passed on loses nothing.
 *   R3  parentInstanceId of the state is for readers that know no more of the protocol; what counts
 *       is `parent`, when it is there.
 *
 * Not a container format: no index, no compression, no checksum. A file is read from its front, and
 * whoever needs a checksum has one of the file.
 */
#include "base/assert.h"
#include "base/error.h"
#include "wire/wire_priv.h"

static const struct text magic = TEXT_INIT("PDARCH1\n");

/* ---- writing ---- */

static struct event_extra extra_of(const struct instance_record *record)
{
    return (struct event_extra){
        .has_parent = text_is_present(record->parent_id),
        .parent_step = record->parent_step,
        .parent_id = record->parent_id,
        .parent_execution_id = record->parent_execution_id,
    };
}

static size_t size_of_list(const struct text *items, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += 1 + proto_size_bytes(items[i].size);
    }
    return size;
}

static uint8_t *put_list(uint8_t *at, unsigned number, const struct text *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        at = proto_put_tag(at, number, PROTO_BYTES);
        at = proto_put_text(at, items[i]);
    }
    return at;
}

/* Its events, an empty piece counting as one; as many as there are before one that is malformed. */
static size_t count_events(const struct text *items, size_t count)
{
    size_t all = 0;
    for (size_t i = 0; i < count; i++) {
        struct wire_trouble unused;
        size_t events = 0;
        (void)wire_count_events(items[i], &events, &unused);
        all += events != 0 ? events : 1;
    }
    return all;
}

static bool has_too_many(const struct archive *archive)
{
    return count_events(archive->turns, archive->turn_count) +
               count_events(archive->inbox, archive->inbox_count) >
           LIMIT_ARCHIVE_EVENTS;
}

static pd_status write_one(struct buffer *buffer, const struct archive *archive, bool has_length,
                           pd_error *err)
{
    const struct instance_record *record = &archive->record;
    const struct event_extra extra = extra_of(record);
    size_t state = wire_size_fields(wire_record_shape, record);
    size_t size = 1 + proto_size_bytes(state) + wire_size_fields(wire_parent_field, &extra) +
                  size_of_list(archive->turns, archive->turn_count) +
                  size_of_list(archive->inbox, archive->inbox_count);
    if (size > LIMIT_ARCHIVE_BYTES) {
        return error_set(err, PD_E_LIMIT, false, "wire: archive",
                         "instance '%.*s' is %zu bytes as an archive, over the limit of %d",
                         TEXT_ARGS(record->id), size, LIMIT_ARCHIVE_BYTES);
    }
    if (has_too_many(archive)) {
        return error_set(err, PD_E_LIMIT, false, "wire: archive",
                         "instance '%.*s' has more than %d events, the limit of an archive",
                         TEXT_ARGS(record->id), LIMIT_ARCHIVE_EVENTS);
    }
    size_t room = has_length ? proto_size_bytes(size) : size;
    if (!buffer_try_reserve(buffer, room)) {
        return error_set(err, PD_E_NOMEM, true, "wire: archive",
                         "no memory for an archive of %zu bytes", size);
    }
    uint8_t *at = buffer_extend(buffer, room);
    at = has_length ? proto_put_varint(at, size) : at;
    at = proto_put_tag(at, ARCHIVE_STATE, PROTO_BYTES);
    at = proto_put_varint(at, state);
    at = wire_put_fields(at, wire_record_shape, record);
    at = wire_put_fields(at, wire_parent_field, &extra);
    at = put_list(at, ARCHIVE_TURNS, archive->turns, archive->turn_count);
    at = put_list(at, ARCHIVE_INBOX, archive->inbox, archive->inbox_count);
    assert_that(at == buffer->at + buffer->size);
    return PD_OK;
}

pd_status wire_write_archive(struct buffer *buffer, const struct archive *archive, pd_error *err)
{
    return write_one(buffer, archive, false, err);
}

void wire_write_archive_header(struct buffer *buffer)
{
    buffer_add_text(buffer, magic);
}

pd_status wire_write_archive_entry(struct buffer *buffer, const struct archive *archive,
                                   pd_error *err)
{
    return write_one(buffer, archive, true, err);
}

/* ---- reading ---- */

/* What an archive has of each list; false: malformed. */
static bool count_items(struct text bytes, struct archive *ret, struct wire_trouble *trouble)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    enum proto_answer answer;
    while ((answer = proto_next(&reader, &field)) == PROTO_FIELD) {
        if (field.type == PROTO_BYTES) {
            ret->turn_count += field.number == ARCHIVE_TURNS ? 1 : 0;
            ret->inbox_count += field.number == ARCHIVE_INBOX ? 1 : 0;
        }
    }
    return answer == PROTO_END || wire_is_malformed(trouble, reader.at);
}

static void take_parent(struct instance_record *record, const struct event_extra *extra)
{
    if (extra->has_parent) {
        record->parent_id = extra->parent_id;
        record->parent_execution_id = extra->parent_execution_id;
        record->parent_step = extra->parent_step;
    }
}

/* Bytes that count_items has found to be whole, into lists that have room. */
static bool read_items(struct text bytes, struct archive *ret, struct text *turns,
                       struct text *inbox, struct arena *arena, struct wire_trouble *trouble)
{
    struct event_extra extra = { 0 };
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    bool has_state = false;
    trouble->at = reader.at;
    while (proto_next(&reader, &field) == PROTO_FIELD) {
        bool is_read = true;
        if (field.type != PROTO_BYTES) {
            continue;
        }
        if (field.number == ARCHIVE_STATE) {
            ret->record = (struct instance_record){ 0 };
            is_read =
                wire_read_fields(wire_record_shape, field.bytes, &ret->record, arena, trouble);
            has_state = true;
        } else if (field.number == ARCHIVE_PARENT) {
            extra = (struct event_extra){ .has_parent = true };
            is_read = wire_read_fields(wire_parent_shape, field.bytes, &extra, arena, trouble);
        } else if (field.number == ARCHIVE_TURNS) {
            *turns++ = field.bytes;
        } else if (field.number == ARCHIVE_INBOX) {
            *inbox++ = field.bytes;
        }
        if (!is_read) {
            return false;
        }
    }
    if (!has_state || ret->record.id.size == 0) {
        trouble->text = "it says of no instance what it is";
        return false;
    }
    take_parent(&ret->record, &extra);
    return true;
}

/* Room for a list of pieces of `bytes`; NULL: there is no memory. */
static struct text *list_of(size_t count, struct arena *arena)
{
    size_t size = count * sizeof(struct text);
    return size <= ARENA_BLOCK_MAX ? arena_alloc_raw(arena, size) : arena_try_alloc(arena, size);
}

static pd_status corrupt(struct text whole, const struct wire_trouble *trouble, pd_error *err)
{
    return error_set(err, PD_E_CORRUPT, false, "wire: archive",
                     "the archive is damaged at byte %zu of %zu: %s",
                     (size_t)(trouble->at - (const uint8_t *)whole.at), whole.size, trouble->text);
}

/* Places of damage are told as those in `whole`. */
static pd_status read_one(struct text bytes, struct text whole, struct arena *arena,
                          struct archive *ret, pd_error *err)
{
    struct archive archive = { .bytes = bytes };
    struct wire_trouble trouble = { (const uint8_t *)bytes.at, NULL };
    if (bytes.size > LIMIT_ARCHIVE_BYTES) {
        trouble.text = "it is longer than an archive may be";
        return corrupt(whole, &trouble, err);
    }
    if (!count_items(bytes, &archive, &trouble)) {
        return corrupt(whole, &trouble, err);
    }
    static const char too_many[] = "it has more events than an archive may";
    if (archive.turn_count + archive.inbox_count > LIMIT_ARCHIVE_EVENTS) {
        trouble.text = too_many;
        return corrupt(whole, &trouble, err);
    }
    struct text *turns = list_of(archive.turn_count, arena);
    struct text *inbox = list_of(archive.inbox_count, arena);
    if (turns == NULL || inbox == NULL) {
        return error_set(err, PD_E_NOMEM, true, "wire: archive", "no memory for %zu turns",
                         archive.turn_count);
    }
    archive.turns = turns;
    archive.inbox = inbox;
    if (!read_items(bytes, &archive, turns, inbox, arena, &trouble)) {
        return corrupt(whole, &trouble, err);
    }
    if (has_too_many(&archive)) {
        trouble = (struct wire_trouble){ (const uint8_t *)bytes.at, too_many };
        return corrupt(whole, &trouble, err);
    }
    *ret = archive;
    return PD_OK;
}

/* With an address that places can be told by. */
static struct text present(struct text t)
{
    return text_is_present(t) ? t : TEXT("");
}

pd_status wire_read_archive(struct text bytes, struct arena *arena, struct archive *ret,
                            pd_error *err)
{
    bytes = present(bytes);
    return read_one(bytes, bytes, arena, ret, err);
}

pd_status wire_next_archive(struct text file, size_t *offset, struct arena *arena,
                            struct archive *ret, bool *ret_found, pd_error *err)
{
    file = present(file);
    struct proto_reader reader = proto_reader_of(file);
    struct wire_trouble trouble = { reader.at, "it is no archive, or of a newer version" };
    size_t at = *offset;
    if (at == 0) {
        if (!text_has_prefix(file, magic)) {
            return corrupt(file, &trouble, err);
        }
        at = magic.size;
    }
    assert_that(at <= file.size);
    reader.at += at;
    if (reader.at == reader.end) {
        *ret_found = false;
        return PD_OK;
    }
    struct text bytes;
    if (!proto_next_piece(&reader, &bytes)) {
        wire_is_malformed(&trouble, reader.at);
        return corrupt(file, &trouble, err);
    }
    pd_status status = read_one(bytes, file, arena, ret, err);
    if (status == PD_OK) {
        *offset = (size_t)(reader.at - (const uint8_t *)file.at);
        *ret_found = true;
    }
    return status;
}
