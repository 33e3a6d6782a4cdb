/* SPDX-License-Identifier: MIT
 *
 * bench latency: how long a chain of three activities takes when nothing else runs, beside commits
 * of one row in plain SQLite.
 *
 * A chain has four turns: the start, and one after each activity. Each has to be on disk before
 * the next can begin, so four commits are the least there is; the ratio says how much comes on top.
 * Chains and commits alternate, so that both meet the same disk, and both begin to count only when
 * their logs have stopped to grow.
 */
#include <string.h>

#include "bench.h"

enum { COUNT_DEFAULT = 300, WARM_UP = 60, COMMITS_PER_CHAIN = 4 };

static pd_result add_one(pd_activity *a, pd_value number)
{
    return pd_ok(a, pd_int(number) + 1);
}

static pd_result chain(pd_orchestration *o, pd_value number)
{
    for (int i = 0; i < 3; i++) {
        number = pd_call_activity(o, add_one, number);
    }
    return pd_ok(o, number);
}

static const pd_function program[] = {
    PD_FUNCTION("Chain", chain),
    PD_FUNCTION("AddOne", add_one),
};

struct run {
    struct invocation *in;
    const struct bench_place *place;
    pd_hub *hub;
    struct raw *raw;
    struct stored_events events;
    struct samples chains, commits; /* milliseconds */
};

static int one_chain(struct run *r, int64_t number, pd_id *ret_id, double *ret_ms)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%lld", (long long)number + 3);
    ret_id->text[0] = 0;
    pd_error err;
    int64_t began = clock_mono_ns();
    if (pd_hub_start(r->hub, chain, number, NULL, ret_id, &err) != PD_OK) {
        return problem_of(&err);
    }
    PD_AUTO(pd_instance) done = pd_hub_wait(r->hub, ret_id->text, pd_minutes(1), &err);
    *ret_ms = (double)(clock_mono_ns() - began) / 1e6;
    if (done == NULL) {
        return problem_of_instance(&err, ret_id->text, r->place->url);
    }
    if (strcmp(pd_instance_output_json(done), wanted) != 0) {
        return problem(CODE_OTHER, NULL, "bench: '%s' gave %s instead of %s", ret_id->text,
                       pd_instance_output_json(done), wanted);
    }
    return CODE_DONE;
}

static int commits(struct run *r, bool counted)
{
    struct blob row = { r->events.events[0].at, r->events.events[0].size };
    int code = CODE_DONE;
    for (int i = 0; i < COMMITS_PER_CHAIN && code == CODE_DONE; i++) {
        int64_t ns = 0;
        code = raw_commit_one(r->raw, &row, &ns);
        if (counted) {
            samples_add(&r->commits, (double)ns / 1e6);
        }
    }
    return code;
}

static int chains(struct run *r)
{
    int64_t count = r->in->options.count > 0 ? r->in->options.count : COUNT_DEFAULT;
    int code = CODE_DONE;
    for (int64_t i = -WARM_UP; i < count && code == CODE_DONE; i++) {
        pd_id id;
        double ms = 0;
        code = one_chain(r, i, &id, &ms);
        if (code == CODE_DONE && i == -WARM_UP) {
            code = stored_events_read(r->place->store, id.text, &r->events);
            code = code == CODE_DONE ? raw_open(r->place->raw, &r->raw) : code;
            code = code == CODE_DONE ? raw_warm_up(r->raw, &r->events.events[0]) : code;
        }
        code = code == CODE_DONE ? commits(r, i >= 0) : code;
        if (i >= 0) {
            samples_add(&r->chains, ms);
        }
        bench_progress(r->in, "latency: %lld of %lld chains", (long long)i, (long long)count);
    }
    return code;
}

static int with_worker(struct run *r)
{
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(r->place->url, &err);
    if (hub == NULL) {
        return problem_of(&err);
    }
    r->hub = hub;
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), NULL, &err);
    return worker == NULL ? problem_of(&err) : chains(r);
}

static const struct result_row rows[] = {
    { "chains", "chains", false },
    { "turns", "turns", false },
    { "p50Ms", "p50 ms", true },
    { "p99Ms", "p99 ms", true },
    { "commitP50Ms", "one-row commit p50 ms", true },
    { "commitP99Ms", "one-row commit p99 ms", false },
    { "ratio", "ratio", true },
    { "chainsPerSecond", NULL, false },
};

static int run_once(struct invocation *in, const struct bench_place *place, struct cell *cells)
{
    struct run r = { .in = in, .place = place };
    int code = with_worker(&r);
    if (code == CODE_DONE) {
        double p50 = samples_percentile(&r.chains, 50);
        double commit = samples_percentile(&r.commits, 50);
        cells[0] = cell_int((int64_t)r.chains.count);
        cells[1] = cell_int((int64_t)r.events.turns);
        cells[2] = cell_real(p50);
        cells[3] = cell_real(samples_percentile(&r.chains, 99));
        cells[4] = cell_real(commit);
        cells[5] = cell_real(samples_percentile(&r.commits, 99));
        cells[6] = cell_real(p50 / ((double)r.events.turns * commit));
        cells[7] = cell_real(1000.0 / p50);
    }
    raw_close(r.raw);
    stored_events_done(&r.events);
    samples_done(&r.chains);
    samples_done(&r.commits);
    return code;
}

int bench_latency(struct invocation *in)
{
    enum { RATE_AT = 7 };
    return bench_report(in, "latency", rows, sizeof rows / sizeof rows[0], run_once, RATE_AT);
}
