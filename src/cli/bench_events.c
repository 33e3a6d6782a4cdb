/* SPDX-License-Identifier: MIT
 *
 * bench events: raising an event, beside commits of one row; and from there to the end of the
 * instance that waited for it.
 *
 * One instance at a time. The call returns when the event is durable, so one commit is the least it
 * can cost; events and bare commits alternate, so that both meet the same disk. */
#include "bench.h"

enum { COUNT_DEFAULT = 1000, WARM_UP = 60 };

static pd_result wait_for_go(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, pd_wait_event(o, "Go"));
}

static const pd_function program[] = { PD_FUNCTION("Waiter", wait_for_go) };

struct run {
    struct invocation *in;
    const struct bench_place *place;
    pd_hub *hub;
    struct raw *raw;
    struct stored_events events;
    struct samples raises, ends, commits; /* milliseconds */
};

static double ms_since(int64_t began)
{
    return (double)(clock_mono_ns() - began) / 1e6;
}

/* Started, and in its wait. */
static int start_waiter(struct run *r, pd_id *id)
{
    pd_error err;
    id->text[0] = 0;
    if (pd_hub_start(r->hub, wait_for_go, PD_NULL, NULL, id, &err) != PD_OK) {
        return problem_of(&err);
    }
    for (;;) {
        PD_AUTO(pd_instance) now = pd_hub_fetch(r->hub, id->text, &err);
        if (now == NULL) {
            return problem_of(&err);
        }
        if (pd_instance_state(now) == PD_RUN_RUNNING) {
            return CODE_DONE;
        }
    }
}

static int one(struct run *r, int64_t number, pd_id *id)
{
    pd_error err;
    int code = start_waiter(r, id);
    if (code != CODE_DONE) {
        return code;
    }
    int64_t began = clock_mono_ns();
    if (pd_hub_raise_event(r->hub, id->text, "Go", number, &err) != PD_OK) {
        return problem_of(&err);
    }
    double raised = ms_since(began);
    PD_AUTO(pd_instance) done = pd_hub_wait(r->hub, id->text, pd_minutes(1), &err);
    double ended = ms_since(began);
    if (done == NULL) {
        return problem_of(&err);
    }
    if (pd_int(pd_instance_output(done)) != number) {
        return problem(CODE_OTHER, NULL, "bench: '%s' gave %s", id->text,
                       pd_instance_output_json(done));
    }
    if (number > 0) {
        samples_add(&r->raises, raised);
        samples_add(&r->ends, ended);
    }
    return CODE_DONE;
}

static int commit(struct run *r, bool counted)
{
    struct blob row = { r->events.events[0].at, r->events.events[0].size };
    int64_t ns = 0;
    int code = raw_commit_one(r->raw, &row, &ns);
    if (counted) {
        samples_add(&r->commits, (double)ns / 1e6);
    }
    return code;
}

static int all(struct run *r)
{
    int64_t count = r->in->options.count > 0 ? r->in->options.count : COUNT_DEFAULT;
    int code = CODE_DONE;
    for (int64_t i = 1 - WARM_UP; i <= count && code == CODE_DONE; i++) {
        pd_id id;
        code = one(r, i, &id);
        if (code == CODE_DONE && i == 1 - WARM_UP) {
            code = stored_events_read(r->place->store, id.text, &r->events);
            code = code == CODE_DONE ? raw_open(r->place->raw, &r->raw) : code;
            code = code == CODE_DONE ? raw_warm_up(r->raw, &r->events.events[0]) : code;
        }
        code = code == CODE_DONE ? commit(r, i > 0) : code;
        bench_progress(r->in, "events: %lld of %lld", (long long)i, (long long)count);
    }
    return code;
}

static int with_worker(struct run *r)
{
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(r->place->url, &err);
    PD_AUTO(pd_worker)
    worker = hub != NULL ? pd_worker_start(hub, PD_PROGRAM(program), NULL, &err) : NULL;
    if (worker == NULL) {
        return problem_of(&err);
    }
    r->hub = hub;
    return all(r);
}

static const struct result_row rows[] = {
    { "events", "events", false },
    { "raiseP50Ms", "raise p50 ms", true },
    { "raiseP99Ms", "raise p99 ms", true },
    { "endP50Ms", "to completion p50 ms", true },
    { "endP99Ms", "to completion p99 ms", true },
    { "commitP50Ms", "one-row commit p50 ms", false },
    { "commitP99Ms", "one-row commit p99 ms", false },
    { "ratioP50", "ratio p50", true },
    { "ratio", "ratio p99", true },
    { "eventsPerSecond", NULL, false },
};

static int run_once(struct invocation *in, const struct bench_place *place, struct cell *cells)
{
    struct run r = { .in = in, .place = place };
    int code = with_worker(&r);
    if (code == CODE_DONE) {
        double p50 = samples_percentile(&r.raises, 50), p99 = samples_percentile(&r.raises, 99);
        double commit50 = samples_percentile(&r.commits, 50);
        double commit99 = samples_percentile(&r.commits, 99);
        cells[0] = cell_int((int64_t)r.raises.count);
        cells[1] = cell_real(p50);
        cells[2] = cell_real(p99);
        cells[3] = cell_real(samples_percentile(&r.ends, 50));
        cells[4] = cell_real(samples_percentile(&r.ends, 99));
        cells[5] = cell_real(commit50);
        cells[6] = cell_real(commit99);
        cells[7] = cell_real(p50 / commit50);
        cells[8] = cell_real(p99 / commit99);
        cells[9] = cell_real(1000.0 / samples_percentile(&r.ends, 50));
    }
    raw_close(r.raw);
    stored_events_done(&r.events);
    samples_done(&r.raises);
    samples_done(&r.ends);
    samples_done(&r.commits);
    return code;
}

int bench_events(struct invocation *in)
{
    enum { RATE_AT = 9 };
    return bench_report(in, "events", rows, sizeof rows / sizeof rows[0], run_once, RATE_AT);
}
