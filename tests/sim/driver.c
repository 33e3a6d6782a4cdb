/* SPDX-License-Identifier: MIT
 *
 * The driver: one process after another runs the partitions, and this decides what happens next.
 *
 * It stands where the engine's threads stand (engine_priv.h): it takes activities and answers out
 * of a work when its commit has returned, before the partition hears of it. A crash throws away all
 * that is in memory; what other machines would still be doing (activities) goes on or is lost. */
#include <inttypes.h>

#include "author/author.h"
#include "base/error.h"
#include "play.h"
#include "sim.h"
#include "store/mem/mem.h"

/* ---- the process ---- */

static struct runner *author_make(struct sim *sim)
{
    struct author_options options = {
        .user = &sim->user,
        .orchestrations_max = sim->orchestrations_max,
        .partition_count = sim->partition_count,
        .is_drop_mode = sim->is_drop_mode,
        .version = sim->is_picky ? "1.2" : NULL,
        .version_match = sim->is_picky ? PD_VERSION_SAME_OR_OLDER : PD_VERSION_ANY,
        .leaves_mismatch = true,
    };
    pd_error err;
    struct runner *author = author_new(play_program, play_program_count, &options, &err);
    sim_check(sim, author != NULL, "no author: %s", err.text);
    return author;
}

bool driver_is_down(const struct slot *slot)
{
    return slot->partition == NULL || partition_counters(slot->partition).is_down;
}

bool driver_up(struct sim *sim, unsigned i)
{
    struct slot *slot = &sim->slots[i];
    if (slot->partition != NULL) {
        return true;
    }
    struct partition_options options = {
        .store = &sim->faulty,
        .runner = &sim->spy.runner,
        .number = i,
        .seed = sim->seed * 64 + i,
        .residents_max = sim->residents_max,
        .slice_max = sim->slice_max,
        .keeps_empty = sim->keeps_empty,
        .announcer = sim->is_announcing ? &sim->announcer : NULL,
    };
    pd_error err;
    slot->partition = partition_new(&options, sim->now, &err);
    sim_check(sim, slot->partition != NULL || (sim->is_faulty && sim->has_load_faults),
              "partition %u does not begin: %s", i, err.text);
    slot->is_held = false;
    return slot->partition != NULL;
}

static void weigh(struct sim *sim)
{
    static const unsigned usual[] = {
#define X(name, weight) weight,
        MOVE_MAP(X)
#undef X
    };
    for (size_t i = 0; i < MOVE_COUNT; i++) {
        static const unsigned factors[] = { 0, 1, 2, 2, 4, 12 };
        sim->weights[i] = usual[i] * factors[sim_below(sim, sizeof factors / sizeof *factors)];
    }
    static const enum move needed[] = { MOVE_START, MOVE_RUN, MOVE_CUT, MOVE_COMMIT, MOVE_HEAR };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        sim->weights[needed[i]] += usual[needed[i]];
    }
    sim->commit_weights[COMMIT_WELL] = 12;
    for (size_t i = COMMIT_FAILS; i <= COMMIT_THEN_DIES; i++) {
        sim->commit_weights[i] = sim_chance(sim, 1, 2) ? 0 : (unsigned)sim_below(sim, 5);
    }
    if (sim_chance(sim, 1, 4)) { /* all is well, so that long stories come about */
        for (size_t i = COMMIT_FAILS; i <= COMMIT_THEN_DIES; i++) {
            sim->commit_weights[i] = 0;
        }
        sim->weights[MOVE_CRASH] = 0;
    }
}

void driver_begin(struct sim *sim)
{
    sim->now = INT64_C(1700000000) * TIME_SECOND + (time_us)sim_below(sim, TIME_SECOND);
    sim->steps = 40 + (unsigned)sim_below(sim, sim_chance(sim, 1, 4) ? 800 : 250);
    sim->partition_count = sim_chance(sim, 1, 3) ? 1 + (unsigned)sim_below(sim, 4) : 1;
    sim->residents_max = sim_chance(sim, 1, 3) ? (size_t)sim_below(sim, 4) : 1000;
    sim->orchestrations_max = sim_chance(sim, 1, 3) ? 1 + (size_t)sim_below(sim, 3) : 0;
    sim->slice_max = sim_chance(sim, 1, 3) ? 1 + (size_t)sim_below(sim, 3) : 0;
    sim->is_drop_mode = sim_chance(sim, 1, 4);
    sim->has_load_faults = sim_chance(sim, 1, 3);
    sim->has_clock_steps = sim_chance(sim, 1, sim->has_load_faults ? 2 : 6);
    sim->has_late_results = sim_chance(sim, 1, 2);
    sim->has_picky_workers = sim_chance(sim, 1, 4);
    sim->user.may_purge = sim_chance(sim, 1, 3);
    sim->keeps_empty = sim_chance(sim, 1, 6);
    sim->has_away = sim_chance(sim, 1, 2);
    /* Not by the dice: the seeds of before go on as they did. */
    sim->is_announcing = sim->seed * UINT64_C(0x9e3779b97f4a7c15) >> 62 == 3;
    sim->announcer.write = notices_write;
    weigh(sim);
    sim->inner = store_mem_new(sim->partition_count);
    faulty_open(sim);
    sim->author = author_make(sim);
    sim->is_faulty = true;
}

/* ---- commits ---- */

void driver_tell_of_mail(struct sim *sim, unsigned i)
{
    if (sim->slots[i].partition != NULL && (!sim->is_faulty || sim_chance(sim, 3, 4))) {
        partition_notice_mail(sim->slots[i].partition);
    }
}

/* After the commit, also when it says that it failed (partition.h). */
static void tell_mailed(struct sim *sim, uint64_t mailed)
{
    for (unsigned i = 0; i < sim->partition_count; i++) {
        if ((mailed >> i & 1) != 0 && sim->slots[i].partition != NULL) {
            partition_notice_mail(sim->slots[i].partition);
        }
    }
}

static void release(struct sim *sim, struct slot *slot)
{
    struct work *work = slot->work;
    slot->is_released = true;
    struct list_node *node;
    tell_mailed(sim, work->batch->mailed);
    for (const struct cancellation *c = work->batch->cancellations;
         work->status == PD_OK && c != NULL; c = c->next) {
        flights_cancel(sim, c);
    }
    while (work->status == PD_OK && (node = list_pop_front(&work->batch->activities)) != NULL) {
        struct activity *activity = CONTAINER_OF(node, struct activity, node);
        ledger_dispatched(&sim->ledger, activity);
        sim_trace(sim, "dispatch %.*s step %d", TEXT_ARGS(activity->instance_id), activity->id);
        flights_add(sim, activity);
    }
    for (const struct ending *ending = work->batch->endings;
         work->status == PD_OK && ending != NULL; ending = ending->next) {
        size_t cursor = sim->ledger.row_count;
        sim_check(sim, ledger_next(&sim->ledger, ending->instance_id, &cursor) != NULL,
                  "'%.*s' ended and was never there", TEXT_ARGS(ending->instance_id));
    }
    work_answer(work);
    calls_look(sim);
}

/* One transaction for all that has been cut, as the committer does it. What has changed nothing is
 * not in it: operations that have failed, on entities without state. */
static void commit(struct sim *sim)
{
    const struct batch *batches[SIM_PARTITIONS_MAX];
    const struct batch *idle[SIM_PARTITIONS_MAX];
    size_t count = 0;
    size_t idle_count = 0;
    for (unsigned i = 0; i < sim->partition_count; i++) {
        const struct slot *slot = &sim->slots[i];
        if (slot->work == NULL || slot->is_released) {
            continue;
        }
        if (slot->work->batch->mutation_count > 0) {
            batches[count++] = slot->work->batch;
        } else {
            idle[idle_count++] = slot->work->batch;
        }
    }
    pd_error err = { 0 };
    pd_status status =
        count == 0 ? PD_OK : sim->faulty.ops->commit(&sim->faulty, batches, count, &err);
    if (status == PD_OK && idle_count > 0) {
        ledger_apply(&sim->ledger, idle, idle_count);
    }
    for (unsigned i = 0; i < sim->partition_count; i++) {
        struct slot *slot = &sim->slots[i];
        if (slot->work != NULL && !slot->is_released) {
            slot->work->status = status;
            slot->work->error = err;
        }
    }
}

static void release_all(struct sim *sim)
{
    for (unsigned i = 0; i < sim->partition_count; i++) {
        if (sim->slots[i].work != NULL && !sim->slots[i].is_released) {
            release(sim, &sim->slots[i]);
        }
    }
}

static void hear(struct sim *sim, struct slot *slot)
{
    struct work *work = slot->work;
    slot->work = NULL;
    slot->is_released = false;
    partition_committed(slot->partition, sim->now, work);
    calls_look(sim);
}

static void cut(struct sim *sim, struct slot *slot)
{
    if (slot->partition != NULL && slot->work == NULL) {
        slot->work = partition_cut(slot->partition);
        if (slot->work != NULL) {
            spy_cut(sim, slot->work->batch->partition, slot->work->batch->number);
        }
        slot->is_released = false;
        calls_look(sim);
    }
}

bool driver_settle(struct sim *sim, unsigned i)
{
    struct slot *slot = &sim->slots[i];
    cut(sim, slot);
    if (slot->work != NULL && !slot->is_released) {
        sim->plan = COMMIT_WELL;
        commit(sim);
        release_all(sim);
    }
    if (slot->work == NULL) {
        return false;
    }
    hear(sim, slot);
    return true;
}

/* ---- crashes ---- */

static void drop_process(struct sim *sim)
{
    for (unsigned i = 0; i < sim->partition_count; i++) {
        struct slot *slot = &sim->slots[i];
        if (slot->work != NULL) {
            if (!slot->is_released) {
                slot->work->status = PD_E_CANCELLED;
                error_set(&slot->work->error, PD_E_CANCELLED, true, "sim", "the process died");
                work_answer(slot->work);
            }
            partition_committed(slot->partition, sim->now, slot->work);
        }
        partition_free(slot->partition);
        *slot = (struct slot){ 0 };
    }
    author_free(sim->author);
    sim->author = NULL;
}

static void crash(struct sim *sim)
{
    driver_restart(sim, sim->has_picky_workers);
}

void driver_restart(struct sim *sim, bool may_be_picky)
{
    sim_trace(sim, "crash");
    sim->troubles++;
    struct store *after = store_mem_reopen(sim->inner);
    calls_lost(sim);
    drop_process(sim);
    sim->inner->ops->close(sim->inner);
    sim->inner = after;
    flights_lose(sim, false);
    sim->is_picky = may_be_picky && sim_chance(sim, 1, 2);
    sim->author = author_make(sim);
}

void driver_end(struct sim *sim)
{
    calls_lost(sim);
    drop_process(sim);
    flights_lose(sim, true);
    sim->inner->ops->close(sim->inner);
}

static void move_commit(struct sim *sim)
{
    bool has_any = false;
    for (unsigned i = 0; i < sim->partition_count; i++) {
        has_any = has_any || (sim->slots[i].work != NULL && !sim->slots[i].is_released);
    }
    if (!has_any) {
        return;
    }
    unsigned total = 0;
    for (size_t i = 0; i <= COMMIT_THEN_DIES; i++) {
        total += sim->commit_weights[i];
    }
    uint64_t at = sim_below(sim, total);
    unsigned plan = 0;
    while (at >= sim->commit_weights[plan]) {
        at -= sim->commit_weights[plan++];
    }
    sim->plan = (enum commit_plan)plan;
    sim_trace(sim, "commit: plan %u", plan);
    if (sim->plan != COMMIT_DIES) {
        commit(sim);
    }
    if (sim->plan == COMMIT_DIES || sim->plan == COMMIT_THEN_DIES) {
        crash(sim);
        return;
    }
    release_all(sim);
    if (sim_chance(sim, 1, 2)) {
        for (unsigned i = 0; i < sim->partition_count; i++) {
            if (sim->slots[i].work != NULL) {
                hear(sim, &sim->slots[i]);
            }
        }
    }
}

/* ---- time, and the rest ---- */

static void pass_time(struct sim *sim, int64_t us)
{
    if (sim->has_clock_steps && sim_chance(sim, 1, 8)) {
        us = -us / 2; /* somebody sets the clock */
    }
    sim->now += us;
    sim_trace(sim, "time %" PRId64, sim->now);
}

static void time_wake(struct sim *sim)
{
    time_us wake = TIME_NEVER;
    for (unsigned i = 0; i < sim->partition_count; i++) {
        const struct slot *slot = &sim->slots[i];
        if (slot->partition != NULL && partition_wake_at(slot->partition) < wake) {
            wake = partition_wake_at(slot->partition);
        }
    }
    if (wake != TIME_NEVER && wake > sim->now) {
        sim->now = wake;
        sim_trace(sim, "time of waking %" PRId64, sim->now);
    }
}

/* Above all the clock is set back while a partition waits with what was due. */
static void run(struct sim *sim, struct slot *slot)
{
    if (sim->has_clock_steps && residents_wait_for_store(sim) && sim_chance(sim, 1, 2)) {
        pass_time(sim, -(int64_t)sim_below(sim, 900) * TIME_SECOND);
    }
    bool more = partition_run(slot->partition, sim->now);
    sim_trace(sim, "run: %d", more);
    calls_look(sim);
}

static void move_in(struct sim *sim, enum move move, unsigned i)
{
    struct slot *slot = &sim->slots[i];
    if (!driver_up(sim, i)) {
        return;
    }
    switch ((int)move) {
    case MOVE_RUN: run(sim, slot); break;
    case MOVE_CUT: cut(sim, slot); break;
    case MOVE_HEAR:
        if (slot->work != NULL && slot->is_released) {
            hear(sim, slot);
        }
        break;
    case MOVE_EVICT:
        if (!driver_is_down(slot)) {
            partition_evict(slot->partition, (size_t)sim_below(sim, 4));
        }
        if (sim_chance(sim, 1, 4)) {
            partition_trim(slot->partition);
        }
        break;
    case MOVE_HOLD:
        slot->is_held = !slot->is_held;
        partition_hold_recovery(slot->partition, slot->is_held);
        break;
    default: break;
    }
}

void driver_move(struct sim *sim)
{
    unsigned total = 0;
    for (size_t i = 0; i < MOVE_COUNT; i++) {
        total += sim->weights[i];
    }
    uint64_t at = sim_below(sim, total);
    unsigned move = 0;
    while (at >= sim->weights[move]) {
        at -= sim->weights[move++];
    }
    if (sim_chance(sim, 1, 2)) {
        sim->now += (time_us)sim_below(sim, 500);
    }
    switch ((enum move)move) {
    case MOVE_START: calls_start(sim); break;
    case MOVE_RAISE: calls_tell(sim, orders_raise(sim, orders_some_id(sim), SENDER_DIRECT)); break;
    case MOVE_ORDER: calls_tell(sim, orders_some(sim)); break;
    case MOVE_TIMEOUT: flights_time_out(sim); break;
    case MOVE_MAIL: calls_mail(sim); break;
    case MOVE_WISH: calls_tell(sim, wishes_some(sim, SENDER_DIRECT)); break;
    case MOVE_COMMIT: move_commit(sim); break;
    case MOVE_ACTIVITY: flights_move(sim, false); break;
    case MOVE_DELIVER: flights_move(sim, true); break;
    case MOVE_AWAY: away_move(sim); break;
    case MOVE_TIME_LITTLE: pass_time(sim, (int64_t)sim_below(sim, 100 * TIME_MS)); break;
    case MOVE_TIME_WAKE: time_wake(sim); break;
    case MOVE_TIME_LOT: pass_time(sim, (int64_t)sim_below(sim, 900) * TIME_SECOND); break;
    case MOVE_CRASH: crash(sim); break;
    case MOVE_LOOK: residents_look(sim); break;
    case MOVE_RUN:
    case MOVE_CUT:
    case MOVE_HEAR:
    case MOVE_EVICT:
    case MOVE_HOLD:
        move_in(sim, (enum move)move, (unsigned)sim_below(sim, sim->partition_count));
        break;
    case MOVE_COUNT: break;
    }
}
