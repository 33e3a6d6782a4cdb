/* SPDX-License-Identifier: MIT
 *
 * Residency: from the store into core.
 *
 * An instance is loaded on demand, by id or by row: its record, its history (folded by core, then
 * forgotten) and its inbox. What is loaded is as of the last commit; that is the truth, because an
 * instance with anything not durable is resident already (C1) and is never looked for here.
 *
 * Likewise an entity, of which the store has a record and an inbox. What is wrong with these is
 * found out here: core relies on what it is given. */
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "core/rewrite.h"
#include "engine/partition_priv.h"
#include "wire/wire.h"

static pd_status read_rows(const struct text *rows, size_t count, struct arena *arena,
                           struct wire_events *ret, pd_error *err)
{
    for (size_t i = 0; i < count; i++) {
        pd_status status = wire_read_events(rows[i], arena, ret, err);
        if (status != PD_OK) {
            return status;
        }
    }
    return PD_OK;
}

/* P5: is it the scan's business still? */
static bool is_before_scan(const struct partition *partition, uint64_t row)
{
    return partition->is_recovering && row > partition->recovered_row &&
           row < partition->recover_end && map64_find(&partition->dispatched, row) == NULL;
}

/* One that is admitted ahead of the scan may be gone again when the scan comes to it. */
static void note_dispatched(struct partition *partition, uint64_t row)
{
    map64_put(&partition->dispatched, row, partition);
}

/* Only what has open activities can have progress. */
static pd_status load_progress(struct partition *partition, const struct instance_record *record,
                               struct progress_rows *ret, pd_error *err)
{
    struct store *store = partition->options.store;
    *ret = (struct progress_rows){ 0 };
    return record->is_busy
               ? store->ops->load_progress(store, record->row, &partition->turn, ret, err)
               : PD_OK;
}

static pd_status admit(struct partition *partition, const struct instance_record *record,
                       struct instance **ret, pd_error *err)
{
    struct store *store = partition->options.store;
    struct arena *arena = &partition->turn;
    struct history_rows history = { 0 };
    struct inbox_rows inbox = { 0 };
    struct progress_rows progress = { 0 };
    struct wire_events past = { 0 };
    struct wire_events waiting = { 0 };
    pd_status status = store->ops->load_history(store, record->row, 0, arena, &history, err);
    status =
        status != PD_OK ? status : store->ops->load_inbox(store, record->row, arena, &inbox, err);
    status = status != PD_OK ? status : load_progress(partition, record, &progress, err);
    status = status != PD_OK ? status : read_rows(history.turns, history.count, arena, &past, err);
    status = status != PD_OK ? status : read_rows(inbox.events, inbox.count, arena, &waiting, err);
    if (status == PD_OK && waiting.count != inbox.count) {
        status = error_set(err, PD_E_CORRUPT, false, "engine: load",
                           "instance '%.*s' has an inbox of %zu events in %zu rows",
                           TEXT_ARGS(record->id), waiting.count, inbox.count);
    }
    if (status != PD_OK) {
        return status;
    }
    struct instance_image image = {
        .record = record,
        .history = past.at,
        .history_count = past.count,
        .turn_count = history.count,
        .inbox = waiting.at,
        .arrivals = inbox.arrivals,
        .inbox_count = inbox.count,
        .progress = progress.items,
        .progress_count = progress.count,
    };
    status = rewrite_check_image(&image, err);
    if (status != PD_OK) {
        return status;
    }
    partition->counters.loads++;
    bool dispatches = is_before_scan(partition, record->row);
    *ret = core_admit(partition->core, &image, dispatches);
    if (dispatches) {
        note_dispatched(partition, record->row);
        if (is_suspicious(partition)) {
            suspect_steps(partition, *ret, record->row, record->execution_id);
        }
    }
    return PD_OK;
}

/* ---- entities -------------------------------------------------------------------------------- */

static pd_status admit_entity(struct partition *partition, const struct entity_record *record,
                              struct instance **ret, pd_error *err)
{
    struct store *store = partition->options.store;
    struct arena *arena = &partition->turn;
    struct inbox_rows inbox = { 0 };
    struct wire_events waiting = { 0 };
    pd_status status = store->ops->load_inbox(store, record->row, arena, &inbox, err);
    status = status != PD_OK ? status : read_rows(inbox.events, inbox.count, arena, &waiting, err);
    if (status != PD_OK) {
        return status;
    }
    struct entity_image image = {
        .record = record,
        .inbox = waiting.at,
        .arrivals = inbox.arrivals,
        .inbox_count = inbox.count,
    };
    status = waiting.count == inbox.count
                 ? core_check_entity(&image, err)
                 : error_set(err, PD_E_CORRUPT, false, "engine: load",
                             "the inbox of entity '%.*s' is damaged", TEXT_ARGS(record->id));
    if (status != PD_OK) {
        return status;
    }
    partition->counters.loads++;
    *ret = core_admit_entity(partition->core, &image);
    return PD_OK;
}

/* As find. */
static pd_status find_entity(struct partition *partition, struct text id, uint64_t row,
                             struct instance **ret, pd_error *err)
{
    struct store *store = partition->options.store;
    struct entity_record record;
    bool found = false;
    arena_reset(&partition->turn);
    pd_status status =
        store->ops->load_entity(store, id, row, &partition->turn, &record, &found, err);
    if (status != PD_OK || !found || core_find_row(partition->core, record.row) != NULL) {
        return status;
    }
    status = admit_entity(partition, &record, ret, err);
    arena_reset(&partition->turn);
    return status;
}

pd_status residency_find_entity(struct partition *partition, struct text id, struct instance **ret,
                                pd_error *err)
{
    *ret = core_find(partition->core, id);
    return *ret != NULL ? PD_OK : find_entity(partition, id, 0, ret, err);
}

/* ---- instances ------------------------------------------------------------------------------- */

static pd_status find(struct partition *partition, struct text id, uint64_t row,
                      struct standing *ret, pd_error *err)
{
    struct store *store = partition->options.store;
    struct instance_record record;
    bool found = false;
    arena_reset(&partition->turn);
    pd_status status =
        store->ops->load_instance(store, id, row, &partition->turn, &record, &found, err);
    /* A row that core knows, though not by its id, is replaced or purged, and soon gone. */
    if (status != PD_OK || !found || core_find_row(partition->core, record.row) != NULL) {
        return status;
    }
    *ret = (struct standing){ .row = record.row, .state = record.state };
    if (run_state_is_final(record.state)) {
        ret->execution_id = record.execution_id;
        return PD_OK;
    }
    status = admit(partition, &record, &ret->instance, err);
    arena_reset(&partition->turn);
    return status;
}

pd_status residency_find(struct partition *partition, struct text id, struct standing *ret,
                         pd_error *err)
{
    struct instance *instance = core_find(partition->core, id);
    if (instance != NULL) {
        *ret = (struct standing){ .row = instance_row(instance),
                                  .state = instance_state(instance),
                                  .instance = instance,
                                  .execution_id = instance_execution_id(instance) };
        return PD_OK;
    }
    *ret = (struct standing){ 0 };
    return find(partition, id, 0, ret, err);
}

pd_status residency_find_row(struct partition *partition, uint64_t row, struct instance **ret,
                             pd_error *err)
{
    *ret = core_find_row(partition->core, row);
    if (*ret != NULL) {
        return PD_OK;
    }
    struct standing found = { 0 };
    pd_status status = find(partition, TEXT_ABSENT, row, &found, err);
    if (status == PD_OK && found.row == 0) {
        return find_entity(partition, TEXT_ABSENT, row, ret, err);
    }
    *ret = status == PD_OK ? found.instance : NULL;
    return status;
}

/* What is resident has no history in memory either, so that is read in any case. */
pd_status residency_call_activities(struct partition *partition, uint64_t row, const int32_t *ids,
                                    size_t count, pd_error *err)
{
    struct store *store = partition->options.store;
    struct arena *arena = &partition->turn;
    struct history_rows history = { 0 };
    struct wire_events past = { 0 };
    struct instance *instance = NULL;
    bool is_scans = is_before_scan(partition, row); /* then it dispatches all of them (P5) */
    pd_status status = residency_find_row(partition, row, &instance, err);
    if (status != PD_OK || instance == NULL || is_scans) {
        return status;
    }
    arena_reset(arena);
    status = store->ops->load_history(store, row, 0, arena, &history, err);
    status = status != PD_OK ? status : read_rows(history.turns, history.count, arena, &past, err);
    if (status == PD_OK) {
        int32_t *wanted = arena_alloc_raw(arena, count * sizeof *wanted);
        memcpy(wanted, ids, count * sizeof *wanted);
        core_call_activities(partition->core, instance, past.at, past.count, wanted, count);
    }
    arena_reset(arena);
    return status;
}

pd_status residency_read_turns(const struct text *rows, size_t count, struct arena *arena,
                               const struct turn_events **ret, pd_error *err)
{
    struct turn_events *turns = arena_alloc(arena, count * sizeof *turns);
    for (size_t i = 0; i < count; i++) {
        struct wire_events events = { 0 };
        pd_status status = wire_read_events(rows[i], arena, &events, err);
        if (status != PD_OK) {
            return status;
        }
        turns[i] = (struct turn_events){ .events = events.at, .count = events.count };
    }
    *ret = turns;
    return PD_OK;
}

pd_status residency_load(struct partition *partition, uint64_t row, struct stored_instance *ret,
                         pd_error *err)
{
    struct store *store = partition->options.store;
    struct arena *arena = &partition->turn;
    struct history_rows history = { 0 };
    bool found = false;
    pd_status status =
        store->ops->load_instance(store, TEXT_ABSENT, row, arena, &ret->record, &found, err);
    assert_that(status != PD_OK || found);
    status =
        status != PD_OK ? status : store->ops->load_history(store, row, 0, arena, &history, err);
    if (status != PD_OK) {
        return status;
    }
    ret->turn_count = history.count;
    return residency_read_turns(history.turns, history.count, arena, &ret->turns, err);
}

pd_status residency_load_past(struct partition *partition, uint64_t row, uint64_t number,
                              struct wire_past *ret, pd_error *err)
{
    struct store *store = partition->options.store;
    struct history_rows history = { 0 };
    pd_status status = store->ops->load_history(store, row, 0, &partition->turn, &history, err);
    if (status != PD_OK) {
        return status;
    }
    if (history.count != number - 1) {
        return error_set(err, PD_E_CORRUPT, false, "engine: replay",
                         "row %llu has %zu turns in the store where %llu were made",
                         (unsigned long long)row, history.count, (unsigned long long)(number - 1));
    }
    partition->counters.history_loads++;
    wire_past_init(ret, history.turns, history.count);
    return PD_OK;
}

bool residency_recover(struct partition *partition, time_us now)
{
    if (!partition->is_recovering || partition->is_recovery_held) {
        return false;
    }
    struct store *store = partition->options.store;
    struct busy_page page = { 0 };
    size_t most = slice_of(&partition->options, SLICE_RECOVERY);
    pd_error err;
    arena_reset(&partition->scratch);
    if (store->ops->scan_busy(store, partition->options.number, partition->recovered_row, most,
                              &partition->scratch, &page, &err) != PD_OK) {
        partition_back_off(partition, now, &err);
        return false;
    }
    for (size_t i = 0; i < page.count; i++) {
        struct instance *instance = NULL;
        if (page.rows[i] >= partition->recover_end) {
            break; /* started since: this incarnation knows it */
        }
        pd_status status = residency_find_row(partition, page.rows[i], &instance, &err);
        if (status == PD_E_CORRUPT) {
            partition->counters.corrupt++; /* left as it is, for an operator */
        } else if (status != PD_OK) {
            partition_back_off(partition, now, &err);
            return false; /* the rows from here are scanned again */
        }
        partition->recovered_row = page.rows[i];
        partition->counters.recovered++;
    }
    if (page.count < most || page.rows[page.count - 1] >= partition->recover_end) {
        partition->is_recovering = false;
        map64_reset(&partition->dispatched);
    }
    return partition->is_recovering;
}
