/* SPDX-License-Identifier: MIT
 *
 * Export: from a hub into a file of archives.
 *
 * One instance after another, in the order of their rows, on which nothing depends. What is
 * exported goes on meanwhile (R1 in archive.h); what is purged meanwhile is left out.
 */
#include "api/api_priv.h"
#include "api/archive.h"

static const char where_export[] = "hub: export";

static pd_status export_one(pd_hub *hub, uint64_t row, struct archive_writer *writer,
                            uint64_t *count, pd_error *err)
{
    struct archive archive;
    struct arena arena;
    bool is_found;
    arena_init(&arena);
    pd_status status = archive_load(hub->store, row, &arena, &archive, &is_found, err);
    if (status == PD_OK && is_found) {
        status = archive_writer_add(writer, &archive, err);
        *count += status == PD_OK;
    }
    arena_done(&arena);
    return status;
}

static pd_status export_all(pd_hub *hub, struct store_query *query, struct archive_writer *writer,
                            uint64_t *count, pd_error *err)
{
    struct store *store = hub->store;
    struct record_page page = { NULL, 0, true };
    pd_status status = PD_OK;
    struct arena arena;
    arena_init(&arena);
    query->limit = LIMIT_QUERY_PAGE;
    while (status == PD_OK && page.has_more) {
        arena_reset(&arena);
        page = (struct record_page){ NULL, 0, false };
        status = store->ops->query(store, query, &arena, &page, err);
        for (size_t i = 0; status == PD_OK && i < page.count; i++) {
            query->after_row = page.items[i].row;
            status = export_one(hub, page.items[i].row, writer, count, err);
        }
        if (status == PD_OK && atomic_load(&hub->is_closing)) {
            status = error_set(err, PD_E_CANCELLED, false, where_export, "the hub is being closed");
        }
    }
    arena_done(&arena);
    return status;
}

pd_status pd_hub_export(pd_hub *hub, const pd_query *query, const char *path, uint64_t *count,
                        pd_error *err)
{
    pd_error unwanted;
    struct call call;
    struct store_query asked;
    struct arena arena;
    uint64_t exported = 0;
    err = error_or(err, &unwanted);
    arena_init(&arena);
    pd_status status = call_begin(&call, hub, where_export, err);
    if (status == PD_OK) {
        status = archive_check_path(path, where_export, err);
    }
    if (status == PD_OK) {
        status = api_read_query(query, &arena, &asked, where_export, err);
    }
    if (status == PD_OK) {
        struct archive_writer writer;
        status = archive_writer_begin(&writer, path, err);
        if (status == PD_OK) {
            status = export_all(hub, &asked, &writer, &exported, err);
        }
        status = archive_writer_end(&writer, status, err);
    }
    if (status == PD_OK && count != NULL) {
        *count = exported;
    }
    arena_done(&arena);
    call_end(&call);
    return status;
}
