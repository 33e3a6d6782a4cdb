/* SPDX-License-Identifier: MIT
 *
 * Replaying: the orchestrators of a program, over histories that are kept somewhere.
 *
 * The author does it, history by history (author_replay); here they are fetched, from a file, a
 * folder of files, or a hub that is only looked at. No engine is started.
 *
 *   Y1  Nothing is written: a hub is opened by store_look, which another process may own; of one
 *       that a server has nothing is asked but what it has.
 *   Y2  One instance is in memory at a time: its stored bytes, and one turn of it decoded.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api_priv.h"
#include "api/archive.h"
#include "author/author.h"
#include "remote/remote.h"

static const char where[] = "replay";

struct replaying {
    struct runner *author;
    const pd_replay_options *options;
    pd_replay_report report;
};

/* ---- one instance ---------------------------------------------------------------------------- */

static void tell(const struct replaying *it, const pd_divergence *divergence)
{
    if (it->options->tell != NULL) {
        it->options->tell(divergence, it->options->argument);
        return;
    }
    fprintf(stderr, "perdure: replay: instance '%s' of '%s' differs at event %lld: %s\n",
            divergence->instance_id, divergence->orchestrator, (long long)divergence->event,
            divergence->text);
}

static const char *string_in(struct arena *arena, struct text t)
{
    return text_is_present(t) ? text_copy(arena, t).at : "";
}

static pd_status replay_one(struct replaying *it, const struct archive *archive,
                            struct arena *arena, pd_error *err)
{
    struct wire_past history;
    struct author_finding finding;
    wire_past_init(&history, archive->turns, archive->turn_count);
    bool is_read = author_replay(it->author, &history.base, archive->record.id,
                                 (uint64_t)it->options->break_at, arena, &finding);
    if (!is_read) {
        *err = history.err;
    }
    wire_past_done(&history);
    if (!is_read) {
        return err->status;
    }
    if (finding.is_unknown) {
        it->report.unknown++;
    } else if (!finding.is_divergent) {
        it->report.same++;
    } else {
        pd_divergence divergence = {
            .instance_id = string_in(arena, archive->record.id),
            .orchestrator = string_in(arena, archive->record.name),
            .event = (int64_t)finding.event,
            .text = finding.text,
        };
        it->report.diverged++;
        tell(it, &divergence);
    }
    return PD_OK;
}

static bool is_wanted(const struct replaying *it, struct text id)
{
    return text_has_prefix(id, text_of(it->options->id_prefix));
}

/* ---- where they come from -------------------------------------------------------------------- */

static pd_status replay_file(struct replaying *it, const char *path, pd_error *err)
{
    struct archive_reader reader;
    struct arena arena;
    bool has_one = true;
    arena_init(&arena);
    pd_status status = archive_reader_begin(&reader, path, err);
    while (status == PD_OK && has_one) {
        struct archive archive;
        arena_reset(&arena);
        status = archive_reader_next(&reader, &arena, &archive, &has_one, err);
        if (status == PD_OK && has_one && is_wanted(it, archive.record.id)) {
            status = replay_one(it, &archive, &arena, err);
        }
    }
    archive_reader_end(&reader);
    arena_done(&arena);
    return status;
}

static int is_archive(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return size > 4 && strcmp(entry->d_name + size - 4, ".pda") == 0;
}

static pd_status replay_folder(struct replaying *it, const char *path, pd_error *err)
{
    struct dirent **entries = NULL;
    pd_status status = PD_OK;
    struct buffer file;
    int count = scandir(path, &entries, is_archive, alphasort);
    if (count <= 0) {
        free(entries);
        return error_set(err, PD_E_DENIED, false, where, "'%s' %s", path,
                         count < 0 ? strerror(errno) : "has no archives (*.pda) in it");
    }
    buffer_init(&file);
    for (int i = 0; i < count; i++) {
        buffer_reset(&file);
        buffer_printf(&file, "%s/%s", path, entries[i]->d_name);
        buffer_add_byte(&file, '\0');
        if (status == PD_OK) {
            status = replay_file(it, (const char *)file.at, err);
        }
        free(entries[i]);
    }
    free(entries);
    buffer_done(&file);
    return status;
}

static pd_status replay_row(struct replaying *it, struct store *store, uint64_t row, pd_error *err)
{
    struct archive archive;
    struct arena arena;
    bool is_found = false;
    arena_init(&arena);
    pd_status status = archive_load(store, row, &arena, &archive, &is_found, err);
    if (status == PD_OK && is_found) {
        status = replay_one(it, &archive, &arena, err);
    }
    arena_done(&arena);
    return status;
}

static pd_status replay_store(struct replaying *it, struct store *store, pd_error *err)
{
    struct record_page page = { NULL, 0, true };
    struct store_query query = { .limit = LIMIT_QUERY_PAGE };
    pd_status status = PD_OK;
    struct arena arena;
    arena_init(&arena);
    query.id_prefix = text_of(it->options->id_prefix);
    while (status == PD_OK && page.has_more) {
        arena_reset(&arena);
        page = (struct record_page){ NULL, 0, false };
        status = store->ops->query(store, &query, &arena, &page, err);
        for (size_t i = 0; status == PD_OK && i < page.count; i++) {
            query.after_row = page.items[i].row;
            status = replay_row(it, store, page.items[i].row, err);
        }
    }
    arena_done(&arena);
    return status;
}

static struct store *look_at_server(const char *url, pd_error *err)
{
    const struct remote_module *remote = api_remote_module(err);
    return remote != NULL ? remote->open(url, err) : NULL;
}

static struct store *look_at_file(const char *url, pd_error *err)
{
    struct hub_url parts;
    pd_status status = api_read_url(url, &parts, err);
    struct store *store = status == PD_OK ? store_look((const char *)parts.store.at, err) : NULL;
    buffer_done(&parts.store);
    return store;
}

static pd_status replay_hub(struct replaying *it, const char *url, pd_error *err)
{
    struct store *store = api_is_remote(url) ? look_at_server(url, err) : look_at_file(url, err);
    pd_status status = store != NULL ? replay_store(it, store, err) : err->status;
    store_close(store);
    return status;
}

static bool is_url(const char *from)
{
    return strncmp(from, "sqlite:", 7) == 0 || strncmp(from, "memory:", 7) == 0 ||
           api_is_remote(from);
}

static pd_status replay_from(struct replaying *it, const char *from, pd_error *err)
{
    struct stat what;
    if (is_url(from)) {
        return replay_hub(it, from, err);
    }
    if (stat(from, &what) != 0) {
        return error_set(err, PD_E_DENIED, false, where, "'%s': %s", from, strerror(errno));
    }
    return S_ISDIR(what.st_mode) ? replay_folder(it, from, err) : replay_file(it, from, err);
}

/* ---- the call -------------------------------------------------------------------------------- */

static pd_status check_arguments(const char *from, const pd_replay_options *options, pd_error *err)
{
    if (author_is_inside()) {
        return error_set(err, PD_E_STATE, false, where,
                         "orchestrators cannot replay others; do it in a program of its own");
    }
    if (from == NULL || from[0] == '\0') {
        return error_set(err, PD_E_INVALID, false, where,
                         "it is not said where from; name an archive, a folder of them, or a hub");
    }
    if (options->break_at < 0) {
        return error_set(err, PD_E_INVALID, false, where, "there is no event %lld",
                         (long long)options->break_at);
    }
    return PD_OK;
}

pd_status pd_replay(const pd_function *program, size_t n, const char *from,
                    const pd_replay_options *options, pd_replay_report *ret, pd_error *err)
{
    static const pd_replay_options defaults;
    pd_error unwanted;
    err = error_or(err, &unwanted);
    struct replaying it = { .options = options != NULL ? options : &defaults };
    struct author_options authors = {
        .user = it.options->user, .payload_max = LIMIT_PAYLOAD_MOST, /* whatever the hub's was */
    };
    pd_status status = check_arguments(from, it.options, err);
    if (status == PD_OK) {
        it.author = author_new(program, n, &authors, err);
        status = it.author != NULL ? replay_from(&it, from, err) : err->status;
    }
    author_free(it.author);
    if (status == PD_OK && ret != NULL) {
        *ret = it.report;
    }
    return status;
}
