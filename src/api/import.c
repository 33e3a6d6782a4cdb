/* SPDX-License-Identifier: MIT
 *
 * Import: from a file of archives into a hub.
 *
 * An instance that goes on asks for what it has open, its children too. One that is not there yet
 * would be started anew, and the one in the file find its place taken. So children come before
 * their parents, grandchildren before them, whatever their order in the file, and those that are
 * nobody's child last.
 *
 *   I1  The whole file is read, and checked, before anything of it is imported; then again.
 *   I2  What is kept of it meanwhile is where its children are, and whose they are.
 *   I3  Who is its own ancestor (a file may say so) is imported like any other, in some order. */
#include <stdlib.h>

#include "api/api_priv.h"
#include "api/archive.h"
#include "base/map.h"

static const char where_import[] = "hub: import";

/* ---- whose children there are --------------------------------------------------------------- */

struct child {
    struct text id, parent_id;
    int64_t place; /* in the file */
    size_t depth;  /* 1: its parent is nobody's child, as far as the file says; 0: not known */
};

struct family {
    struct arena arena;
    struct map by_id;       /* of struct child; of two with one ID the first */
    struct buffer children; /* of struct child * */
};

static void family_init(struct family *family)
{
    arena_init(&family->arena);
    map_init(&family->by_id);
    buffer_init(&family->children);
}

static void family_done(struct family *family)
{
    map_done(&family->by_id);
    buffer_done(&family->children);
    arena_done(&family->arena);
}

static struct child **children_of(const struct family *family, size_t *ret_count)
{
    *ret_count = family->children.size / sizeof(struct child *);
    return (struct child **)(void *)family->children.at;
}

static void family_add(struct family *family, const struct instance_record *record, int64_t place)
{
    struct child *child = arena_alloc(&family->arena, sizeof *child);
    child->id = text_copy(&family->arena, record->id);
    child->parent_id = text_copy(&family->arena, record->parent_id);
    child->place = place;
    buffer_add(&family->children, &child, sizeof child);
    if (map_find(&family->by_id, child->id) == NULL) {
        map_put(&family->by_id, child->id, child);
    }
}

/* Of this one, and on the way of all above it; so each is walked over twice. */
static void find_depth(const struct family *family, struct child *child)
{
    size_t above = 0;
    struct child *at = child;
    while (at != NULL && at->depth == 0 && above <= map_count(&family->by_id)) { /* I3 */
        above++;
        at = map_find(&family->by_id, at->parent_id);
    }
    size_t depth = (at != NULL ? at->depth : 0) + above;
    for (at = child; above > 0; above--) {
        at->depth = depth--;
        at = map_find(&family->by_id, at->parent_id);
    }
}

static int by_depth(const void *a, const void *b)
{
    const struct child *x = *(struct child *const *)a;
    const struct child *y = *(struct child *const *)b;
    if (x->depth != y->depth) {
        return x->depth > y->depth ? -1 : 1;
    }
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Deepest first, and then as in the file. */
static void family_order(struct family *family)
{
    size_t count;
    struct child **children = children_of(family, &count);
    for (size_t i = 0; i < count; i++) {
        find_depth(family, children[i]);
    }
    if (count > 0) {
        qsort(children, count, sizeof *children, by_depth);
    }
}

/* ---- going through the file ----------------------------------------------------------------- */

struct importing {
    const struct call *call;
    struct archive_reader *reader;
    struct family family;
    struct arena arena; /* of one instance */
    uint64_t count;
    pd_error *err;
};

static pd_status next(struct importing *importing, struct archive *ret, bool *ret_has)
{
    arena_reset(&importing->arena);
    if (atomic_load(&importing->call->hub->is_closing)) {
        return error_set(importing->err, PD_E_CANCELLED, false, where_import,
                         "the hub is being closed");
    }
    return archive_reader_next(importing->reader, &importing->arena, ret, ret_has, importing->err);
}

static pd_status take_in(struct importing *importing, const struct archive *archive)
{
    struct letter letter = {
        .kind = MESSAGE_ADOPT,
        .instance_id = archive->record.id,
        .bytes = archive->bytes,
    };
    pd_status status = api_tell_one(importing->call, &letter, importing->err);
    importing->count += status == PD_OK;
    return status;
}

static pd_status look_for_children(struct importing *importing)
{
    bool has_one = true;
    pd_status status = PD_OK;
    while (status == PD_OK && has_one) {
        struct archive archive;
        int64_t place = archive_reader_tell(importing->reader);
        status = next(importing, &archive, &has_one);
        if (status == PD_OK && has_one && text_is_present(archive.record.parent_id)) {
            family_add(&importing->family, &archive.record, place);
        }
    }
    return status;
}

static pd_status import_children(struct importing *importing)
{
    size_t count;
    struct child **children = children_of(&importing->family, &count);
    pd_status status = PD_OK;
    for (size_t i = 0; status == PD_OK && i < count; i++) {
        struct archive archive;
        bool has_one = false;
        status = archive_reader_seek(importing->reader, children[i]->place, importing->err);
        if (status == PD_OK) {
            status = next(importing, &archive, &has_one);
        }
        if (status == PD_OK && has_one) {
            status = take_in(importing, &archive);
        }
    }
    return status;
}

static pd_status import_others(struct importing *importing, int64_t first)
{
    bool has_one = true;
    pd_status status = archive_reader_seek(importing->reader, first, importing->err);
    while (status == PD_OK && has_one) {
        struct archive archive;
        status = next(importing, &archive, &has_one);
        if (status == PD_OK && has_one && !text_is_present(archive.record.parent_id)) {
            status = take_in(importing, &archive);
        }
    }
    return status;
}

static pd_status import_all(const struct call *call, struct archive_reader *reader, uint64_t *count,
                            pd_error *err)
{
    struct importing importing = { .call = call, .reader = reader, .err = err };
    int64_t first = archive_reader_tell(reader);
    arena_init(&importing.arena);
    family_init(&importing.family);
    pd_status status = look_for_children(&importing);
    if (status == PD_OK) {
        family_order(&importing.family);
        status = import_children(&importing);
    }
    if (status == PD_OK) {
        status = import_others(&importing, first);
    }
    *count = importing.count;
    family_done(&importing.family);
    arena_done(&importing.arena);
    return status;
}

pd_status pd_hub_import(pd_hub *hub, const char *path, uint64_t *count, pd_error *err)
{
    pd_error unwanted;
    struct call call;
    uint64_t imported = 0;
    err = error_or(err, &unwanted);
    pd_status status = call_begin(&call, hub, where_import, err);
    if (status == PD_OK) {
        status = archive_check_path(path, where_import, err);
    }
    if (status == PD_OK) {
        struct archive_reader reader;
        status = archive_reader_begin(&reader, path, err);
        reader.goes_on = true;
        if (status == PD_OK) {
            status = import_all(&call, &reader, &imported, err);
        }
        archive_reader_end(&reader);
        if (count != NULL) {
            *count = imported;
        }
    }
    call_end(&call);
    return status;
}
