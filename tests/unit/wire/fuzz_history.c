/* SPDX-License-Identifier: MIT
 *
 * Reading history and archives from any bytes: the checks that the fuzzer and test_damage.c share.
 *
 * What must hold for every input, read as a chunk, as a failure, as an archive and as a file of
 * archives: nothing outside of it is touched (the sanitizers see to that); either an error with an
 * offset inside of it, and nothing, or events and archives whose texts lie inside of it, and which,
 * written back, read the same.
 *
 * To fuzz, as long as you like, from the top folder:
 *
 *   clang -std=c17 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -Isrc -Iinclude \
 *       -Itests/unit/wire -o fuzz_history tests/unit/wire/fuzz_history.c \
 *       tests/unit/wire/fuzz_work.c tests/unit/wire/random_message.c \
 *       tests/unit/wire/sam[a-z]*.c src/wire/[a-z]*.c src/base/[a-z]*.c \
 *       src/core/lock_set.c src/core/ids.c && \
 *       ./fuzz_history -max_len=4096
 */
#include "fuzz_history.h"

#include <stdlib.h>

#include "base/base.h"
#include "base/tags.h"
#include "fuzz_work.h"
#include "samples.h"
#include "wire/wire.h"

/* Not assert: a finding must stop the fuzzer in every build. */
static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void must_lie_inside(struct text t, struct text whole)
{
    if (t.size != 0) {
        must(t.at >= whole.at && t.at + t.size <= whole.at + whole.size);
    }
}

/* Recurses as deep as failures may be. */
static void check_failure(const struct failure *failure, struct text chunk, size_t depth)
{
    must(depth <= LIMIT_FAILURE_DEPTH);
    must_lie_inside(failure->type, chunk);
    must_lie_inside(failure->message, chunk);
    size_t causes = 0;
    for (const struct failure *cause = failure->cause; cause != NULL; cause = cause->next) {
        must(causes++ < LIMIT_FAILURE_CAUSES);
        check_failure(cause, chunk, depth + 1);
    }
}

/* They are as base/tags.h wants them: packed again they are the same. */
static void check_tags(struct text tags, struct arena *arena)
{
    struct text again = TEXT_ABSENT;
    struct tag tag;
    for (size_t cursor = 0; tags_next(tags, &cursor, &tag);) {
        must(tag_is_valid(&tag));
        again = tags_merge(arena, again, tags_needle(arena, &tag));
    }
    must(text_equal(tags, again));
}

/* A set that can be walked: each entry begins as an id of an entity does, and ends. */
static void check_lock_set(struct text set)
{
    size_t count = 0;
    must(!text_is_present(set) || set.size != 0);
    for (size_t i = 0; i < set.size; i++) {
        must(set.at[i] == '@');
        const char *end = memchr(set.at + i, '\n', set.size - i);
        must(end != NULL);
        i = (size_t)(end - set.at);
        count++;
    }
    must(count <= LIMIT_LOCK_SET);
}

static void check_event(const struct event *event, struct text chunk, struct arena *arena)
{
    must(text_is_present(event->raw));
    must_lie_inside(event->raw, chunk);
    must_lie_inside(event->name, chunk);
    must_lie_inside(event->version, chunk);
    must_lie_inside(event->payload, chunk);
    must_lie_inside(event->instance_id, chunk);
    must_lie_inside(event->execution_id, chunk);
    if (event->failure != NULL) {
        check_failure(event->failure, chunk, 0);
    }
    if (event->extra != NULL) {
        must_lie_inside(event->extra->progress, chunk);
        must_lie_inside(event->extra->parent_id, chunk);
        must_lie_inside(event->extra->parent_execution_id, chunk);
        must_lie_inside(event->extra->parent_name, chunk);
        must_lie_inside(event->extra->parent_version, chunk);
        check_tags(event->extra->tags, arena);
        check_lock_set(event->extra->lock_set);
    }
}

/* Written without `raw`, from what was understood, it is understood the same way. */
static void check_event_again(const struct event *event, struct arena *arena)
{
    struct buffer buffer;
    buffer_init(&buffer);
    struct event plain = *event;
    if (event->kind != EVENT_UNKNOWN) {
        plain.raw = TEXT_ABSENT;
    }
    wire_write_event(&buffer, &plain);
    struct wire_events again = { NULL, 0, 0 };
    pd_error err;
    must(wire_read_events(buffer_text(&buffer), arena, &again, &err) == PD_OK);
    must(again.count == 1 && sample_is_same(&again.at[0], event));
    buffer_done(&buffer);
}

static void check_archive(const struct archive *archive, struct text bytes, struct arena *arena)
{
    const struct instance_record *record = &archive->record;
    must(record->id.size != 0);
    must_lie_inside(archive->bytes, bytes);
    must_lie_inside(record->id, bytes);
    must_lie_inside(record->execution_id, bytes);
    must_lie_inside(record->name, bytes);
    must_lie_inside(record->version, bytes);
    must_lie_inside(record->input, bytes);
    must_lie_inside(record->output, bytes);
    must_lie_inside(record->failure, bytes);
    must_lie_inside(record->custom_status, bytes);
    must_lie_inside(record->parent_id, bytes);
    must_lie_inside(record->parent_execution_id, bytes);
    check_tags(record->tags, arena);
    for (size_t i = 0; i < archive->turn_count; i++) {
        must_lie_inside(archive->turns[i], bytes);
    }
    for (size_t i = 0; i < archive->inbox_count; i++) {
        must_lie_inside(archive->inbox[i], bytes);
    }
    struct buffer buffer;
    buffer_init(&buffer);
    struct archive again;
    pd_error err;
    must(wire_write_archive(&buffer, archive, &err) == PD_OK);
    must(wire_read_archive(buffer_text(&buffer), arena, &again, &err) == PD_OK);
    must(archive_is_same(&again, archive));
    buffer_done(&buffer);
}

static size_t as_chunk(struct text bytes, struct arena *arena)
{
    struct wire_events events = { NULL, 0, 0 };
    pd_error err = { 0 };
    pd_status status = wire_read_events(bytes, arena, &events, &err);
    must(status == PD_OK || (status == PD_E_CORRUPT && err.status == status && events.count == 0));
    for (size_t i = 0; i < events.count; i++) {
        check_event(&events.at[i], bytes, arena);
        check_event_again(&events.at[i], arena);
    }
    return events.count;
}

static void as_failure(struct text bytes, struct arena *arena)
{
    const struct failure *failure;
    pd_error err;
    pd_status status = wire_read_failure(bytes, arena, &failure, &err);
    must(status == PD_OK || status == PD_E_CORRUPT);
    if (status == PD_OK) {
        check_failure(failure, bytes, 0);
    }
}

/* The bytes as the one archive, and, behind a header, as any number of them. */
static size_t as_archives(struct text bytes, struct arena *arena)
{
    struct archive archive;
    pd_error err;
    pd_status status = wire_read_archive(bytes, arena, &archive, &err);
    must(status == PD_OK || status == PD_E_CORRUPT);
    if (status == PD_OK) {
        check_archive(&archive, bytes, arena);
    }
    size_t count = status == PD_OK ? 1 : 0;

    struct buffer header;
    buffer_init(&header);
    wire_write_archive_header(&header);
    char *copy = malloc(header.size + bytes.size); /* exactly so many, for the sanitizer */
    must(copy != NULL);
    memcpy(copy, header.at, header.size);
    memcpy(copy + header.size, bytes.at, bytes.size);
    struct text file = text_make(copy, header.size + bytes.size);
    bool is_found = true;
    for (size_t offset = 0; is_found;) {
        size_t before = offset;
        status = wire_next_archive(file, &offset, arena, &archive, &is_found, &err);
        must(status == PD_OK || (status == PD_E_CORRUPT && offset == before));
        is_found = is_found && status == PD_OK;
        if (is_found) {
            must(offset > before && offset <= file.size);
            check_archive(&archive, file, arena);
            count++;
        }
    }
    free(copy);
    buffer_done(&header);
    return count;
}

struct fuzz_found fuzz_history_once(const uint8_t *bytes, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    struct text whole = text_make((const char *)bytes, size);
    struct fuzz_found found;
    found.events = as_chunk(whole, &arena);
    as_failure(whole, &arena);
    found.archives = as_archives(whole, &arena);
    arena_done(&arena);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_history_once(bytes, size);
    (void)fuzz_work_once(bytes, size);
    return 0;
}
