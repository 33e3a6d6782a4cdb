/* SPDX-License-Identifier: MIT
 *
 * The store that the partitions see: store/mem behind a layer that fails as the seed has it.
 *
 * A commit goes as sim->plan says; loads and scans fail now and then while faults are on. What was
 * applied is told to the ledger, which finds what should not have been. Mutations go into the trace
 * hash, so two runs of a seed that differ in a byte written are found out. */
#include <stdio.h>

#include "base/error.h"
#include "sim.h"

static struct sim *sim_of(struct store *store)
{
    return CONTAINER_OF(store, struct sim, faulty);
}

static bool fails(struct store *store, pd_error *err)
{
    struct sim *sim = sim_of(store);
    if (!sim->is_faulty || !sim->has_load_faults || !sim_chance(sim, 1, 24)) {
        return false;
    }
    sim->troubles++;
    sim_trace(sim, "  a load fails");
    error_set(err, PD_E_UNAVAILABLE, true, "sim", "the disk did not answer");
    return true;
}

static void faulty_close(struct store *store)
{
    (void)store;
}

static pd_status faulty_own(struct store *store, unsigned partition, time_us now,
                            struct ownership *ret, pd_error *err)
{
    struct sim *sim = sim_of(store);
    if (fails(store, err)) {
        return err->status;
    }
    pd_status status = sim->inner->ops->own(sim->inner, partition, now, ret, err);
    sim_check(sim, status == PD_OK, "partition %u cannot be owned: %s", partition, err->text);
    sim_check(sim, ret->epoch > sim->ledger.epochs[partition], "an epoch that is not new");
    sim->ledger.epochs[partition] = ret->epoch;
    for (size_t i = 0; i < sim->ledger.row_count; i++) {
        const struct ledger_row *row = sim->ledger.rows[i];
        sim_check(sim, row->partition != partition || row->number < ret->row_next,
                  "a row number would be used again");
    }
    for (size_t i = 0; i < sim->ledger.entity_count; i++) {
        const struct ledger_entity *entity = sim->ledger.entities[i];
        sim_check(sim, entity->partition != partition || entity->number < ret->row_next,
                  "a row number of an entity would be used again");
    }
    return status;
}

static void faulty_disown(struct store *store, unsigned partition)
{
    struct sim *sim = sim_of(store);
    sim->inner->ops->disown(sim->inner, partition);
}

static void trace_batch(struct sim *sim, const struct batch *batch)
{
    sim_trace(sim, "  batch %llu of partition %u", (unsigned long long)batch->number,
              batch->partition);
    for (const struct mutation *m = batch->first; m != NULL; m = m->next) {
        uint64_t words[] = { m->kind, (uint64_t)m->id, m->row, m->number, (uint64_t)m->due };
        sim->trace = hash_bytes(sim->trace, words, sizeof words);
        if (text_is_present(m->bytes)) {
            sim->trace = hash_bytes(sim->trace, m->bytes.at, m->bytes.size);
        }
        if (sim->is_traced) {
            static const char *const names[] = {
                "insert",    "update",       "renew",  "delete",    "status",     "history",
                "inbox put", "inbox remove", "timer",  "no timer",  "mail taken", "mail",
                "progress",  "no progress",  "entity", "no entity",
            };
            printf("    %s row %llu number %llu id %d due %lld\n", names[m->kind],
                   (unsigned long long)m->row, (unsigned long long)m->number, m->id,
                   (long long)m->due);
        }
    }
}

static pd_status faulty_commit(struct store *store, const struct batch *const *batches,
                               size_t count, pd_error *err)
{
    struct sim *sim = sim_of(store);
    for (size_t i = 0; i < count; i++) {
        trace_batch(sim, batches[i]);
    }
    if (sim->plan == COMMIT_FAILS || sim->plan == COMMIT_DIES) {
        sim->troubles++;
        return error_set(err, PD_E_UNAVAILABLE, true, "sim", "the disk is full");
    }
    pd_status status = sim->inner->ops->commit(sim->inner, batches, count, err);
    sim_check(sim, status == PD_OK, "the store refused a commit: %s", err->text);
    uint64_t mailed = 0;
    for (size_t i = 0; i < count; i++) {
        mailed |= batches[i]->mailed;
    }
    ledger_apply(&sim->ledger, batches, count);
    if (mailed != 0) {
        ledger_see_mail(&sim->ledger, sim->inner);
    }
    if (sim->plan == COMMIT_LIES) {
        sim->troubles++;
        return error_set(err, PD_E_UNAVAILABLE, true, "sim", "the disk failed to say");
    }
    return PD_OK;
}

static pd_status faulty_load_instance(struct store *store, struct text id, uint64_t row,
                                      struct arena *arena, struct instance_record *ret,
                                      bool *ret_found, pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return fails(store, err)
               ? err->status
               : inner->ops->load_instance(inner, id, row, arena, ret, ret_found, err);
}

static pd_status faulty_load_history(struct store *store, uint64_t row, uint64_t from,
                                     struct arena *arena, struct history_rows *ret, pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return fails(store, err) ? err->status
                             : inner->ops->load_history(inner, row, from, arena, ret, err);
}

static pd_status faulty_load_inbox(struct store *store, uint64_t row, struct arena *arena,
                                   struct inbox_rows *ret, pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return fails(store, err) ? err->status : inner->ops->load_inbox(inner, row, arena, ret, err);
}

static pd_status faulty_scan_busy(struct store *store, unsigned partition, uint64_t after,
                                  size_t max, struct arena *arena, struct busy_page *ret,
                                  pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return fails(store, err) ? err->status
                             : inner->ops->scan_busy(inner, partition, after, max, arena, ret, err);
}

static pd_status faulty_due_timers(struct store *store, unsigned partition, time_us from,
                                   time_us until, size_t max, struct arena *arena,
                                   struct timer_page *ret, pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return fails(store, err)
               ? err->status
               : inner->ops->due_timers(inner, partition, from, until, max, arena, ret, err);
}

static pd_status faulty_query(struct store *store, const struct store_query *query,
                              struct arena *arena, struct record_page *ret, pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return inner->ops->query(inner, query, arena, ret, err);
}

static pd_status faulty_accept(struct store *store, const struct message *messages, size_t count,
                               pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return inner->ops->accept(inner, messages, count, err);
}

static pd_status faulty_receive(struct store *store, unsigned partition, uint64_t after, size_t max,
                                struct arena *arena, struct message_page *ret, pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return fails(store, err) ? err->status
                             : inner->ops->receive(inner, partition, after, max, arena, ret, err);
}

static pd_status faulty_load_progress(struct store *store, uint64_t row, struct arena *arena,
                                      struct progress_rows *ret, pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return fails(store, err) ? err->status : inner->ops->load_progress(inner, row, arena, ret, err);
}

static pd_status faulty_load_entity(struct store *store, struct text id, uint64_t row,
                                    struct arena *arena, struct entity_record *ret, bool *ret_found,
                                    pd_error *err)
{
    struct store *inner = sim_of(store)->inner;
    return fails(store, err) ? err->status
                             : inner->ops->load_entity(inner, id, row, arena, ret, ret_found, err);
}

static pd_status faulty_wait(struct store *store, int64_t max_ms, pd_error *err)
{
    (void)max_ms;
    sim_fail(sim_of(store), "somebody waits for the store in a simulation");
    return err->status;
}

static void faulty_wake(struct store *store)
{
    (void)store;
}

void faulty_open(struct sim *sim)
{
    static const struct store_ops ops = {
        .version = 3,
        .close = faulty_close,
        .own = faulty_own,
        .disown = faulty_disown,
        .commit = faulty_commit,
        .load_instance = faulty_load_instance,
        .load_history = faulty_load_history,
        .load_inbox = faulty_load_inbox,
        .scan_busy = faulty_scan_busy,
        .due_timers = faulty_due_timers,
        .query = faulty_query,
        .accept = faulty_accept,
        .receive = faulty_receive,
        .wait = faulty_wait,
        .wake = faulty_wake,
        .load_progress = faulty_load_progress,
        .load_entity = faulty_load_entity,
    };
    sim->faulty = (struct store){ .ops = &ops, .partition_count = sim->inner->partition_count };
}
