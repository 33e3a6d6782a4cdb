/* SPDX-License-Identifier: MIT
 *
 * Activities: handed out, run, and their results brought back, late, twice, or not at all.
 *
 * This stands where the pool and the host of activities stand (engine/pool.c, host.c): it takes
 * what was cancelled out of the queue or tells it while it runs, says that it took too long, passes
 * heartbeats on, and runs transactions: a claim first, then, when the epoch is still the present
 * one, the writes and the result together, or neither. */
#include <inttypes.h>
#include <stdio.h>

#include "author/author.h"
#include "base/error.h"
#include "play.h"
#include "sim.h"

void flights_add(struct sim *sim, struct activity *activity)
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

static void remove_flight(struct sim *sim, size_t at)
{
    sim->flights[at] = sim->flights[--sim->flight_count];
}

/* Its claim, if it has one, is answered, or its partition is gone. */
static void free_flight(struct sim *sim, size_t at)
{
    struct sim_flight *flight = &sim->flights[at];
    activity_free(flight->activity);
    if (flight->done != NULL) {
        command_answer(flight->done, PD_OK, NULL);
    }
    if (flight->claim != NULL) {
        latch_done(&flight->claim->latch);
    }
    remove_flight(sim, at);
}

void flights_lose(struct sim *sim, bool all)
{
    for (size_t i = sim->flight_count; i > 0; i--) {
        if (all || !sim->has_late_results || sim_chance(sim, 1, 2)) {
            free_flight(sim, i - 1);
        }
    }
}

static bool waits_for_claim(const struct sim_flight *flight)
{
    return flight->claim != NULL && flight->claim->latch.pending > 0;
}

void flights_cancel(struct sim *sim, const struct cancellation *cancellation)
{
    for (size_t i = sim->flight_count; i > 0; i--) {
        struct sim_flight *flight = &sim->flights[i - 1];
        const struct activity *activity = flight->activity;
        if (activity == NULL || activity->row != cancellation->row ||
            (cancellation->id != EVENT_NO_ID && activity->id != cancellation->id)) {
            continue;
        }
        sim_trace(sim, "  step %d of row %" PRIu64 " is not wanted", activity->id, activity->row);
        if (flight->claim == NULL && sim_chance(sim, 1, 2)) {
            free_flight(sim, i - 1); /* it was in the queue still */
        } else {
            flight->is_unwanted = true;
        }
    }
}

/* In one block, as core makes them, but none that core may use again: it is not as large. */
static struct activity *copy_of(const struct activity *from)
{
    struct event_extra extra = { .tags = activity_tags(from),
                                 .progress = activity_progress(from),
                                 .limits = activity_limits(from) };
    const struct text *texts[] = { &from->instance_id, &from->execution_id, &from->name,
                                   &from->version,     &from->input,        &extra.tags,
                                   &extra.progress };
    size_t size = sizeof *from + sizeof extra;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size += texts[i]->size + 1;
    }
    size = (size + 15) & ~(size_t)15;
    struct activity *copy = mem_alloc(size + command_done_size);
    struct event_extra *few = (void *)(copy + 1);
    struct text *to[] = { &copy->instance_id, &copy->execution_id, &copy->name,   &copy->version,
                          &copy->input,       &few->tags,          &few->progress };
    char *at = (char *)(few + 1);
    copy->room = (char *)copy + size;
    copy->size = SIZE_MAX;
    copy->row = from->row;
    copy->id = from->id;
    copy->first = from->first;
    copy->partition = from->partition;
    copy->epoch = from->epoch;
    copy->extra = few;
    few->limits = extra.limits;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (text_is_present(*texts[i])) {
            memcpy(at, texts[i]->at, texts[i]->size);
            *to[i] = text_make(at, texts[i]->size);
            at += texts[i]->size + 1;
        }
    }
    return copy;
}

/* ---- the host -------------------------------------------------------------------------------- */

struct host {
    struct activity_host host;
    struct till till;
    struct sim *sim;
    const struct activity *activity;
    bool is_unwanted, is_void, is_unknown;
    struct text said; /* with the last heartbeat */
    struct text paid; /* in the open transaction */
};

static struct host *host_of(struct activity_host *host)
{
    return CONTAINER_OF(host, struct host, host);
}

static bool is_cancelled(struct activity_host *host)
{
    return host_of(host)->is_unwanted;
}

static void beat(struct activity_host *host, struct text progress)
{
    if (text_is_present(progress)) {
        host_of(host)->said = text_copy(&host_of(host)->sim->arena, progress);
    }
}

static void till_pay(void *owner, const char *key)
{
    struct host *host = owner;
    host->paid = text_copy(&host->sim->arena, text_of(key));
}

bool sim_has_paid(struct sim *sim, struct text execution_id, int32_t step)
{
    char key[80];
    int size = snprintf(key, sizeof key, "%.*s:%04x", TEXT_ARGS(execution_id), (unsigned)step);
    return map_find(&sim->paid, text_make(key, (size_t)size)) != NULL;
}

static void record(struct host *host, const struct activity_result *result)
{
    struct sim *sim = host->sim;
    const struct activity *activity = host->activity;
    struct event event = {
        .kind = EVENT_TASK_COMPLETED,
        .id = EVENT_NO_ID,
        .ref = activity->id,
        .at = sim->now,
        .payload = result->payload,
    };
    struct buffer bytes;
    pd_error err;
    buffer_init(&bytes);
    wire_write_event(&bytes, &event);
    struct message message = {
        .kind = MESSAGE_TASK_ENDED,
        .partition = activity->partition,
        .instance_id = activity->instance_id,
        .execution_id = activity->execution_id,
        .bytes = buffer_text(&bytes),
    };
    sim_check(sim, sim->inner->ops->accept(sim->inner, &message, 1, &err) == PD_OK,
              "the store refuses a result: %s", err.text);
    buffer_done(&bytes);
    ledger_see_mail(&sim->ledger, sim->inner);
    const struct ledger_row *row = ledger_find_execution(&sim->ledger, activity->execution_id);
    sim_check(sim, map_find(&sim->paid, host->paid) == NULL || row->is_rewound,
              "%.*s has paid twice", TEXT_ARGS(host->paid));
    sim_put(&sim->paid, host->paid, sim);
}

static pd_status transact(struct activity_host *base,
                          bool (*body)(void *argument, void *database, struct activity_result *ret),
                          void *argument, struct activity_result *ret, pd_error *err)
{
    struct host *host = host_of(base);
    struct sim *sim = host->sim;
    bool fails = sim->is_faulty && sim->has_load_faults && sim_chance(sim, 1, 8);
    bool is_applied = !fails || sim_chance(sim, 1, 2);
    if (host->activity->epoch != sim->ledger.epochs[host->activity->partition]) {
        host->is_void = true;
        return error_set(err, PD_E_LEASE_LOST, false, "sim", "another life");
    }
    if (!body(argument, &host->till, ret)) {
        return error_set(err, PD_E_CANCELLED, false, "sim", "rolled back");
    }
    if (is_applied) {
        record(host, ret);
    }
    if (fails) {
        sim_trace(sim, "  the transaction fails, and was %smade", is_applied ? "" : "not ");
        sim->troubles++;
        host->is_unknown = true;
        return error_set(err, PD_E_UNAVAILABLE, true, "sim", "the disk failed to say");
    }
    ret->is_recorded = true;
    return PD_OK;
}

/* ---- running --------------------------------------------------------------------------------- */

static void claim(struct sim *sim, struct sim_flight *flight)
{
    struct sim_claim *claim = arena_alloc(&sim->arena, sizeof *claim);
    latch_init(&claim->latch, 1);
    claim->command =
        (struct command){ .kind = COMMAND_CLAIM, .latch = &claim->latch, .error = &claim->error };
    claim->command.as.claim.activity = flight->activity;
    flight->claim = claim;
    sim_trace(sim, "claim %.*s step %d", TEXT_ARGS(flight->activity->instance_id),
              flight->activity->id);
    partition_apply(sim->slots[flight->activity->partition].partition, sim->now, &claim->command);
}

/* False: not yet. It may be gone then. */
static bool may_begin(struct sim *sim, size_t at)
{
    struct sim_flight *flight = &sim->flights[at];
    if (!text_equal(flight->activity->name, TEXT("pay"))) {
        return true;
    }
    if (flight->claim == NULL && driver_up(sim, flight->activity->partition)) {
        claim(sim, flight);
    }
    if (flight->claim == NULL || waits_for_claim(flight)) {
        return false;
    }
    if (flight->claim->command.status != PD_OK) {
        sim_trace(sim, "  refused: %.*s step %d", TEXT_ARGS(flight->activity->instance_id),
                  flight->activity->id);
        free_flight(sim, at);
        return false;
    }
    return true;
}

static void answered(struct command *command)
{
    (void)command;
}

static void send_beat(struct sim *sim, const struct host *host)
{
    const struct activity *activity = host->activity;
    struct partition *partition = sim->slots[activity->partition].partition;
    if (partition == NULL) {
        return;
    }
    struct command *command = arena_alloc(&sim->arena, sizeof *command);
    command->kind = COMMAND_ACTIVITY_BEAT;
    command->as.beat.row = activity->row;
    command->as.beat.id = activity->id;
    command->as.beat.execution_id = text_copy(&sim->arena, activity->execution_id);
    command->as.beat.progress = host->said;
    command->answered = answered;
    sim_trace(sim, "  beat %.*s step %d", TEXT_ARGS(activity->instance_id), activity->id);
    partition_apply(partition, sim->now, command);
}

/* What becomes of it is as in pool.c: a failure takes the last word along. True: it is to be
 * delivered. */
static bool end(struct sim *sim, size_t at, const struct host *host)
{
    struct command *done = sim->flights[at].done;
    if (text_is_present(host->said) && sim_chance(sim, 1, 2)) {
        send_beat(sim, host);
    }
    if (done->as.done.result.failure != NULL) {
        done->as.done.progress = text_copy(&done->as.done.arena, host->said);
    }
    done->as.done.is_unknown = host->is_unknown;
    if (done->as.done.result.is_recorded || host->is_void) {
        unsigned partition = host->activity->partition;
        free_flight(sim, at);
        driver_tell_of_mail(sim, partition);
        return false;
    }
    return true;
}

bool flights_run(struct sim *sim, size_t at)
{
    static const struct activity_host_ops ops = { is_cancelled, beat, transact };
    if (!may_begin(sim, at)) {
        return false;
    }
    struct activity *activity = sim->flights[at].activity;
    sim_trace(sim, "run %.*s step %d", TEXT_ARGS(activity->instance_id), activity->id);
    ledger_ran(&sim->ledger, activity);
    if (sim_chance(sim, 1, 8)) {
        flights_add(sim, copy_of(activity)); /* it will run, and be delivered, a second time */
        sim->flights[sim->flight_count - 1].is_unwanted = sim->flights[at].is_unwanted;
    }
    struct sim_flight *flight = &sim->flights[at];
    struct host host = {
        .host.ops = &ops,
        .till = { .pay = till_pay },
        .sim = sim,
        .activity = activity,
        .is_unwanted = flight->is_unwanted,
    };
    host.till.owner = &host;
    flight->done = command_new_done(activity);
    flight->activity = NULL;
    sim->user.step = activity->id;
    sim->author->ops->activity(sim->author, activity, &host.host, &flight->done->as.done.arena,
                               &flight->done->as.done.result);
    return end(sim, at, &host);
}

void flights_deliver(struct sim *sim, size_t at)
{
    struct command *done = sim->flights[at].done;
    const struct activity *activity = done->as.done.activity;
    if (!driver_up(sim, activity->partition)) {
        return;
    }
    sim_trace(sim, "deliver %.*s step %d", TEXT_ARGS(activity->instance_id), activity->id);
    if (sim->flights[at].claim != NULL) {
        latch_done(&sim->flights[at].claim->latch);
    }
    sim->troubles += done->as.done.is_unknown;
    remove_flight(sim, at);
    partition_apply(sim->slots[activity->partition].partition, sim->now, done);
}

/* ---- moves ----------------------------------------------------------------------------------- */

void flights_move(struct sim *sim, bool has_run)
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
        flights_deliver(sim, at);
    } else if (flights_run(sim, at) && sim_chance(sim, 2, 3)) {
        flights_deliver(sim, at);
    }
}

/* Its watch says that it took too long: while it waits, or while it runs. */
static void time_out(struct sim *sim, size_t at)
{
    struct sim_flight *flight = &sim->flights[at];
    struct activity *activity = flight->activity;
    sim_trace(sim, "time out %.*s step %d", TEXT_ARGS(activity->instance_id), activity->id);
    struct command *command;
    if (flight->claim == NULL && sim_chance(sim, 1, 2)) {
        command = command_new_done(activity);
        command_time_out(command, activity, TIME_TO_START);
        command->as.done.is_timeout = true;
        remove_flight(sim, at);
    } else {
        /* It is told as well, but this time-out may be lost with a failed commit. */
        command = command_new_timeout(activity, TIME_TO_RUN);
    }
    partition_apply(sim->slots[activity->partition].partition, sim->now, command);
}

void flights_time_out(struct sim *sim)
{
    for (size_t i = 0; i < sim->flight_count; i++) {
        const struct activity *activity = sim->flights[i].activity;
        if (activity != NULL && activity_limits(activity).run_ms != 0 && sim_chance(sim, 1, 2) &&
            driver_up(sim, activity->partition)) {
            time_out(sim, i);
            return;
        }
    }
}
