/* SPDX-License-Identifier: MIT
 *
 * The ledger: everything the store says, against everything it should. */
#include <inttypes.h>

#include "ledger_priv.h"
#include "sim.h"

static bool has_timer(const struct ledger_row *row, int32_t id, time_us due)
{
    for (size_t i = 0; i < row->timer_count; i++) {
        if (row->timers[i].id == id && row->timers[i].due == due) {
            return true;
        }
    }
    return false;
}

static void compare_record(struct ledger *ledger, struct store *store, const struct ledger_row *row,
                           struct arena *arena)
{
    struct instance_record record;
    bool found = false;
    pd_error err;
    sim_check(ledger->sim,
              store->ops->load_instance(store, row->id, 0, arena, &record, &found, &err) == PD_OK &&
                  found && record.row == row->number,
              "'%.*s' is not in the store", TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              store->ops->load_instance(store, TEXT_ABSENT, row->number, arena, &record, &found,
                                        &err) == PD_OK &&
                  found && text_equal(record.id, row->id),
              "row %" PRIu64 " is not in the store", row->number);
    sim_check(ledger->sim,
              text_equal(record.execution_id, row->execution_id) &&
                  text_equal(record.name, row->name) && text_equal(record.version, row->version) &&
                  text_equal(record.input, row->input) && text_equal(record.output, row->output) &&
                  text_equal(record.failure, row->failure) && record.state == row->state &&
                  record.is_busy == row->is_busy && record.created_at == row->created_at &&
                  record.updated_at == row->updated_at && record.ended_at == row->ended_at &&
                  record.partition == row->partition,
              "the store's record of '%.*s' differs", TEXT_ARGS(row->id));
    sim_check(ledger->sim,
              text_equal(record.custom_status, row->status) && text_equal(record.tags, row->tags) &&
                  text_equal(record.parent_id, row->parent_id) &&
                  text_equal(record.parent_execution_id, row->parent_execution_id) &&
                  record.parent_step == row->parent_step && record.starts_at == row->starts_at,
              "the rest of the store's record of '%.*s' differs", TEXT_ARGS(row->id));
}

static void compare_events(struct ledger *ledger, struct store *store, const struct ledger_row *row,
                           struct arena *arena)
{
    struct history_rows history = { 0 };
    struct inbox_rows inbox = { 0 };
    pd_error err;
    sim_check(ledger->sim,
              store->ops->load_history(store, row->number, 0, arena, &history, &err) == PD_OK &&
                  store->ops->load_inbox(store, row->number, arena, &inbox, &err) == PD_OK,
              "'%.*s' cannot be loaded: %s", TEXT_ARGS(row->id), err.text);
    sim_check(ledger->sim, history.count == row->turn_count && inbox.count == row->inbox_count,
              "'%.*s': %zu turns of %zu, %zu inbox rows of %zu in the store", TEXT_ARGS(row->id),
              history.count, row->turn_count, inbox.count, row->inbox_count);
    for (size_t i = 0; i < history.count; i++) {
        sim_check(ledger->sim, text_equal(history.turns[i], row->turns[i].bytes),
                  "'%.*s': turn %zu differs in the store", TEXT_ARGS(row->id), i + 1);
    }
    for (size_t i = 0; i < inbox.count; i++) {
        sim_check(ledger->sim,
                  text_equal(inbox.events[i], row->inbox[i].bytes) &&
                      inbox.arrivals[i] == row->inbox[i].arrival,
                  "'%.*s': inbox row %zu differs in the store", TEXT_ARGS(row->id), i);
    }
}

static void compare_progress(struct ledger *ledger, struct store *store,
                             const struct ledger_row *row, struct arena *arena)
{
    struct progress_rows rows = { 0 };
    pd_error err;
    size_t count = 0;
    sim_check(ledger->sim,
              store->ops->load_progress(store, row->number, arena, &rows, &err) == PD_OK,
              "'%.*s': progress cannot be loaded: %s", TEXT_ARGS(row->id), err.text);
    for (const struct ledger_progress *p = row->progress; p != NULL; p = p->next, count++) {
        size_t i = 0;
        while (i < rows.count && rows.items[i].id != p->id) {
            i++;
        }
        sim_check(ledger->sim, i < rows.count && text_equal(rows.items[i].bytes, p->bytes),
                  "'%.*s': progress of step %d is another in the store", TEXT_ARGS(row->id), p->id);
    }
    sim_check(ledger->sim, count == rows.count, "'%.*s': more progress in the store",
              TEXT_ARGS(row->id));
}

static void compare_partition(struct ledger *ledger, struct store *store, unsigned partition,
                              struct arena *arena)
{
    struct busy_page busy = { 0 };
    struct timer_page timers = { 0 };
    pd_error err;
    size_t busy_count = 0;
    size_t timer_count = 0;
    sim_check(ledger->sim,
              store->ops->scan_busy(store, partition, 0, 100000, arena, &busy, &err) == PD_OK &&
                  store->ops->due_timers(store, partition, INT64_MIN, TIME_NEVER, 100000, arena,
                                         &timers, &err) == PD_OK,
              "partition %u cannot be scanned", partition);
    for (size_t i = 0; i < ledger->row_count; i++) {
        const struct ledger_row *row = ledger->rows[i];
        if (row->partition == partition && !row->is_deleted) {
            busy_count += row->is_busy;
            timer_count += row->timer_count;
        }
    }
    for (size_t i = 0; i < ledger->entity_count; i++) {
        const struct ledger_entity *entity = ledger->entities[i];
        busy_count += entity->partition == partition && entity->is_busy;
        timer_count += entity->partition == partition ? entity->timer_count : 0;
    }
    sim_check(ledger->sim, busy.count == busy_count, "%zu busy rows in the store, not %zu",
              busy.count, busy_count);
    for (size_t i = 0; i < busy.count; i++) {
        const struct ledger_row *row = map64_find(&ledger->by_number, busy.rows[i]);
        const struct ledger_entity *entity = map64_find(&ledger->entity_rows, busy.rows[i]);
        sim_check(ledger->sim, (row != NULL && row->is_busy) || (entity != NULL && entity->is_busy),
                  "row %" PRIu64 " is busy in the store", busy.rows[i]);
    }
    sim_check(ledger->sim, timers.count == timer_count, "%zu timers in the store, not %zu",
              timers.count, timer_count);
    for (size_t i = 0; i < timers.count; i++) {
        const struct ledger_row *row = map64_find(&ledger->by_number, timers.items[i].row);
        sim_check(ledger->sim,
                  map64_find(&ledger->entity_rows, timers.items[i].row) != NULL ||
                      (row != NULL && has_timer(row, timers.items[i].id, timers.items[i].due)),
                  "a timer of row %" PRIu64 " in the store", timers.items[i].row);
        sim_check(ledger->sim, i == 0 || timers.items[i].due >= timers.items[i - 1].due,
                  "timers out of order in the store");
    }
}

static void compare_entity(struct ledger *ledger, struct store *store, struct ledger_entity *entity,
                           struct arena *arena)
{
    struct entity_record record;
    struct inbox_rows inbox = { 0 };
    bool found = false;
    pd_error err;
    ledger_check_state(ledger, entity, entity->state, "in the ledger");
    sim_check(ledger->sim,
              store->ops->load_entity(store, entity->id, 0, arena, &record, &found, &err) ==
                      PD_OK &&
                  found == (entity->number != 0),
              "'%.*s' is %sin the store", TEXT_ARGS(entity->id), found ? "" : "not ");
    if (!found) {
        return;
    }
    sim_check(ledger->sim,
              record.row == entity->number && record.partition == entity->partition &&
                  record.is_busy == entity->is_busy && record.updated_at == entity->updated_at &&
                  text_equal(record.state, entity->state) &&
                  text_equal(record.lock_owner, entity->owner) &&
                  text_equal(record.lock_execution, entity->execution) &&
                  text_equal(record.lock_section, entity->section),
              "the store's record of '%.*s' differs", TEXT_ARGS(entity->id));
    sim_check(ledger->sim,
              store->ops->load_entity(store, TEXT_ABSENT, entity->number, arena, &record, &found,
                                      &err) == PD_OK &&
                  found && text_equal(record.id, entity->id) &&
                  store->ops->load_inbox(store, entity->number, arena, &inbox, &err) == PD_OK &&
                  inbox.count == entity->inbox_count,
              "row %" PRIu64 " is not '%.*s' in the store", entity->number, TEXT_ARGS(entity->id));
}

/* All of them, by a query. */
static void compare_entities(struct ledger *ledger, struct store *store, struct arena *arena)
{
    struct entity_query query = { .with_empty = true, .limit = 1000 };
    struct entity_page page = { 0 };
    size_t count = 0;
    pd_error err;
    for (size_t i = 0; i < ledger->entity_count; i++) {
        compare_entity(ledger, store, ledger->entities[i], arena);
        count += ledger->entities[i]->number != 0;
    }
    sim_check(ledger->sim,
              store->ops->query_entities(store, &query, arena, &page, &err) == PD_OK &&
                  page.count == count,
              "a query finds %zu entities, not %zu", page.count, count);
}

void ledger_compare(struct ledger *ledger, struct store *store)
{
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < ledger->row_count; i++) {
        if (!ledger->rows[i]->is_deleted) {
            compare_record(ledger, store, ledger->rows[i], &arena);
            compare_events(ledger, store, ledger->rows[i], &arena);
            compare_progress(ledger, store, ledger->rows[i], &arena);
            arena_reset(&arena);
        }
    }
    compare_entities(ledger, store, &arena);
    for (unsigned i = 0; i < ledger->sim->partition_count; i++) {
        compare_partition(ledger, store, i, &arena);
    }
    arena_done(&arena);
}
