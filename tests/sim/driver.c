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
        .user = &sim->runs,
        .orchestrations_max = sim->orchestrations_max,
        .partition_count = sim->partition_count,
        .is_drop_mode = sim->is_drop_mode,
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
        .runner = sim->author,
        .number = i,
        .residents_max = sim->residents_max,
        .slice_max = sim->slice_max,
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
    sim->has_clock_steps = sim_chance(sim, 1, 4);
    sim->has_late_results = sim_chance(sim, 1, 2);
    weigh(sim);
    sim->inner = store_mem_new(sim->partition_count);
    faulty_open(sim);
    sim->author = author_make(sim);
    sim->is_faulty = true;
}

/* ---- commits ---- */

static void add_flight(struct sim *sim, struct activity *activity)
{
    if (sim->flight_count == sim->flight_room) {
        sim->flight_room = sim->flight_room * 2 + 64;
        struct sim_flight *more = arena_alloc(&sim->arena, sim->flight_room * sizeof *more);
        if (sim->flight_count > 0) {
            memcpy(more, sim->flights, sim->flight_count * sizeof *more);
        }
        sim->flights = more;
    }
    sim->flights[sim->flight_count++] = (struct sim_flight){ .activity = activity };
}

static void release(struct sim *sim, struct slot *slot)
{
    struct work *work = slot->work;
    slot->is_released = true;
    struct list_node *node;
    while (work->status == PD_OK && (node = list_pop_front(&work->batch->activities)) != NULL) {
        struct activity *activity = CONTAINER_OF(node, struct activity, node);
        ledger_dispatched(&sim->ledger, activity);
        sim_trace(sim, "dispatch %.*s step %d", TEXT_ARGS(activity->instance_id), activity->id);
        add_flight(sim, activity);
    }
    for (const struct ending *ending = work->batch->endings;
         work->status == PD_OK && ending != NULL; ending = ending->next) {
        const struct ledger_row *row = ledger_find(&sim->ledger, ending->instance_id);
        sim_check(sim, row != NULL, "'%.*s' ended and is not there",
                  TEXT_ARGS(ending->instance_id));
    }
    work_answer(work);
    calls_look(sim);
}

/* One transaction for all that has been cut, as the committer does it. */
static void commit(struct sim *sim)
{
    const struct batch *batches[SIM_PARTITIONS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < sim->partition_count; i++) {
        struct slot *slot = &sim->slots[i];
        if (slot->work != NULL && !slot->is_released && slot->work->batch->mutation_count > 0) {
            batches[count++] = slot->work->batch;
        }
    }
    pd_error err = { 0 };
    pd_status status =
        count == 0 ? PD_OK : sim->faulty.ops->commit(&sim->faulty, batches, count, &err);
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

static void free_flight(struct sim_flight *flight)
{
    activity_free(flight->activity);
    if (flight->done != NULL) {
        command_answer(flight->done, PD_OK, NULL);
    }
}

static void crash(struct sim *sim)
{
    sim_trace(sim, "crash");
    sim->troubles++;
    struct store *after = store_mem_reopen(sim->inner);
    calls_lost(sim);
    drop_process(sim);
    sim->inner->ops->close(sim->inner);
    sim->inner = after;
    size_t kept = 0;
    for (size_t i = 0; i < sim->flight_count; i++) {
        if (sim->has_late_results && sim_chance(sim, 1, 2)) {
            sim->flights[kept++] = sim->flights[i];
        } else {
            free_flight(&sim->flights[i]);
        }
    }
    sim->flight_count = kept;
    sim->author = author_make(sim);
}

void driver_end(struct sim *sim)
{
    calls_lost(sim);
    drop_process(sim);
    for (size_t i = 0; i < sim->flight_count; i++) {
        free_flight(&sim->flights[i]);
    }
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

/* ---- activities ---- */

/* In one block, as core makes them. */
static struct activity *copy_of(const struct activity *from)
{
    const struct text *texts[] = { &from->instance_id, &from->execution_id, &from->name,
                                   &from->version, &from->input };
    size_t size = sizeof *from;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size += texts[i]->size + 1;
    }
    size = (size + 15) & ~(size_t)15;
    struct activity *copy = mem_alloc(size + command_done_size);
    copy->room = (char *)copy + size;
    struct text *to[] = { &copy->instance_id, &copy->execution_id, &copy->name, &copy->version,
                          &copy->input };
    char *at = (char *)(copy + 1);
    copy->row = from->row;
    copy->id = from->id;
    copy->partition = from->partition;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (text_is_present(*texts[i])) {
            memcpy(at, texts[i]->at, texts[i]->size);
            *to[i] = text_make(at, texts[i]->size);
            at += texts[i]->size + 1;
        }
    }
    return copy;
}

void driver_run_flight(struct sim *sim, size_t at)
{
    struct activity *activity = sim->flights[at].activity;
    sim_trace(sim, "run %.*s step %d", TEXT_ARGS(activity->instance_id), activity->id);
    ledger_ran(&sim->ledger, activity);
    if (sim_chance(sim, 1, 8)) {
        add_flight(sim, copy_of(activity)); /* it will run, and be delivered, a second time */
    }
    struct sim_flight *flight = &sim->flights[at];
    flight->done = command_new_done(activity);
    flight->activity = NULL;
    sim->author->ops->activity(sim->author, activity, NULL, &flight->done->as.done.arena,
                               &flight->done->as.done.result);
}

void driver_deliver(struct sim *sim, size_t at)
{
    struct command *done = sim->flights[at].done;
    const struct activity *activity = done->as.done.activity;
    if (!driver_up(sim, activity->partition)) {
        return;
    }
    sim_trace(sim, "deliver %.*s step %d", TEXT_ARGS(activity->instance_id), activity->id);
    sim->flights[at] = sim->flights[--sim->flight_count];
    partition_apply(sim->slots[activity->partition].partition, sim->now, done);
}

static void move_activity(struct sim *sim, bool has_run)
{
    size_t of_kind = 0;
    for (size_t i = 0; i < sim->flight_count; i++) {
        of_kind += (sim->flights[i].done != NULL) == has_run;
    }
    if (of_kind == 0) {
        return;
    }
    uint64_t skip = sim_below(sim, of_kind);
    size_t at = 0;
    while ((sim->flights[at].done != NULL) != has_run || skip-- > 0) {
        at++;
    }
    if (has_run) {
        driver_deliver(sim, at);
        return;
    }
    driver_run_flight(sim, at);
    if (sim_chance(sim, 2, 3)) {
        driver_deliver(sim, at);
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

static void run(struct sim *sim, struct slot *slot)
{
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
    case MOVE_RAISE: calls_raise(sim, calls_some_id(sim)); break;
    case MOVE_MAIL: calls_mail(sim); break;
    case MOVE_COMMIT: move_commit(sim); break;
    case MOVE_ACTIVITY: move_activity(sim, false); break;
    case MOVE_DELIVER: move_activity(sim, true); break;
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
