/* SPDX-License-Identifier: MIT
 *
 * bench timers: how fast timers are set, and how fast they fire when all are due at once.
 *
 * Instances of PER_INSTANCE timers each, all due at one moment that lies far enough ahead for all
 * of them to be set before. Setting counts from the first start until the last instance has had its
 * turn, firing from the moment until the last has ended. The raw run inserts the stored events of
 * one such instance; the ratios are timers over rows, as each timer is one event set and one
 * fired. */
#include <inttypes.h>
#include <time.h>

#include "bench.h"

enum { COUNT_DEFAULT = 1000000, PER_INSTANCE = 100, CHUNK = 500 };

static pd_result wait_for_all(pd_orchestration *o, pd_value due)
{
    pd_task *timers[PER_INSTANCE];
    for (size_t i = 0; i < PER_INSTANCE; i++) {
        timers[i] = pd_start_timer_until(o, (pd_time){ pd_int(due) });
    }
    pd_await_all(o, timers, PER_INSTANCE);
    return pd_ok(o, PER_INSTANCE);
}

static const pd_function program[] = { PD_FUNCTION("Timers", wait_for_all) };

struct run {
    struct invocation *in;
    const struct bench_place *place;
    pd_hub *hub;
    int64_t instances;
    double set_seconds, fire_seconds;
};

static int start_all(struct run *r, int64_t due)
{
    static pd_value inputs[CHUNK];
    pd_error err;
    for (size_t i = 0; i < CHUNK; i++) {
        inputs[i] = pd_of_int(due);
    }
    for (int64_t n = 0; n < r->instances; n += CHUNK) {
        int64_t left = r->instances - n;
        if (pd_hub_start_many(r->hub, wait_for_all, (size_t)(left < CHUNK ? left : CHUNK), inputs,
                              NULL, &err) != PD_OK) {
            return problem_of(&err);
        }
        bench_progress(r->in, "timers: %" PRId64 " of %" PRId64 " set", n * PER_INSTANCE,
                       r->instances * PER_INSTANCE);
    }
    return CODE_DONE;
}

/* Until this many instances are in that state. */
static int wait_for_state(struct run *r, pd_run_state state, int64_t wanted)
{
    for (;;) {
        pd_query query = { .states = 1u << state, .name = "Timers" };
        pd_counts counts;
        pd_error err;
        if (pd_hub_count(r->hub, &query, &counts, &err) != PD_OK) {
            return problem_of(&err);
        }
        if ((int64_t)counts.of[state] == wanted) {
            return CODE_DONE;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
}

static int set_and_fire(struct run *r)
{
    /* Twice what setting is known to need, and no less than a few seconds. */
    int64_t ahead_ms = 5000 + r->instances * PER_INSTANCE / 20;
    int64_t due = clock_now_ms() + ahead_ms;
    int64_t began = clock_mono_ns();
    int code = start_all(r, due);
    code = code == CODE_DONE ? wait_for_state(r, PD_RUN_PENDING, 0) : code;
    r->set_seconds = (double)(clock_mono_ns() - began) / 1e9;
    int64_t left = due - clock_now_ms();
    if (code == CODE_DONE && left <= 0) {
        return problem(CODE_OTHER, "give a smaller --count",
                       "bench: the timers were due before all were set");
    }
    bench_progress(r->in, "timers: all are set, %" PRId64 " ms until they are due", left);
    nanosleep(&(struct timespec){ left / 1000, left % 1000 * 1000000 }, NULL);
    began = clock_mono_ns();
    code = code == CODE_DONE ? wait_for_state(r, PD_RUN_COMPLETED, r->instances + 1) : code;
    r->fire_seconds = (double)(clock_mono_ns() - began) / 1e9;
    return code;
}

static int with_worker(struct run *r, struct stored_events *events)
{
    pd_id id = { "" };
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(r->place->url, &err);
    PD_AUTO(pd_worker)
    worker = hub != NULL ? pd_worker_start(hub, PD_PROGRAM(program), NULL, &err) : NULL;
    if (worker == NULL || pd_hub_start(hub, wait_for_all, 1, NULL, &id, &err) != PD_OK) {
        return problem_of(&err);
    }
    r->hub = hub;
    PD_AUTO(pd_instance) first = pd_hub_wait(hub, id.text, pd_minutes(1), &err);
    if (first == NULL) {
        return problem_of(&err);
    }
    int code = stored_events_read(r->place->store, id.text, events);
    return code == CODE_DONE ? set_and_fire(r) : code;
}

static const struct result_row rows[] = {
    { "timers", "timers", false },         { "setPerSecond", "set/s", true },
    { "firedPerSecond", "fired/s", true }, { "rawRowsPerSecond", "raw rows/s", false },
    { "setRatio", "set ratio", true },     { "firedRatio", "fired ratio", true },
};

static int run_once(struct invocation *in, const struct bench_place *place, struct cell *cells)
{
    static const int64_t raw_ns = 3000000000;
    int64_t count = in->options.count > 0 ? in->options.count : COUNT_DEFAULT;
    struct run r = { .in = in, .place = place, .instances = (count - 1) / PER_INSTANCE + 1 };
    struct stored_events events = { .count = 0 };
    struct raw *raw = NULL;
    int64_t raw_rows = 0;
    int code = with_worker(&r, &events);
    code = code == CODE_DONE ? raw_open(place->raw, &raw) : code;
    int64_t began = clock_mono_ns();
    code = code == CODE_DONE ? raw_insert(raw, &events, raw_ns, &raw_rows) : code;
    double raw_rate = (double)raw_rows / ((double)(clock_mono_ns() - began) / 1e9);
    double timers = (double)(r.instances * PER_INSTANCE);
    cells[0] = cell_int(r.instances * PER_INSTANCE);
    cells[1] = cell_real(timers / r.set_seconds);
    cells[2] = cell_real(timers / r.fire_seconds);
    cells[3] = cell_real(raw_rate);
    cells[4] = cell_real(timers / r.set_seconds / raw_rate);
    cells[5] = cell_real(timers / r.fire_seconds / raw_rate);
    raw_close(raw);
    stored_events_done(&events);
    return code;
}

int bench_timers(struct invocation *in)
{
    enum { RATE_AT = 2 };
    return bench_report(in, "timers", rows, sizeof rows / sizeof rows[0], run_once, RATE_AT);
}
