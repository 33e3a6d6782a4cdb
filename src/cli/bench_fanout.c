/* SPDX-License-Identifier: MIT
 *
 * bench fanout: one orchestration that starts very many activities at once.
 *
 * What must not happen: time that grows faster than the number, and memory without a bound. So a
 * tenth of them is measured first, in the same process, and what is resident at the most is read
 * from the system, which is told to forget earlier peaks. Each is done TIMES times in turn, and the
 * medians are what is told: one alone is a matter of milliseconds. */
#include <inttypes.h>

#include "bench.h"

enum { COUNT_DEFAULT = 100000, WARM_UP = 1000, TIMES = 5 };

static pd_result twice(pd_activity *a, pd_value number)
{
    return pd_ok(a, 2 * pd_int(number));
}

static pd_result fan_out(pd_orchestration *o, pd_value count)
{
    size_t n = (size_t)pd_int(count);
    pd_task **tasks = pd_alloc(o, n * sizeof *tasks);
    for (size_t i = 0; i < n; i++) {
        tasks[i] = pd_start_activity(o, twice, (int64_t)i);
    }
    pd_await_all(o, tasks, n);
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += pd_int(pd_task_value(tasks[i]));
    }
    return pd_ok(o, sum);
}

static const pd_function program[] = {
    PD_FUNCTION("FanOut", fan_out),
    PD_FUNCTION("Twice", twice),
};

static int fan(struct invocation *in, pd_hub *hub, int64_t count, double *ret_seconds)
{
    pd_id id = { "" };
    pd_error err;
    bench_progress(in, "fanout: %" PRId64 " activities", count);
    int64_t began = clock_mono_ns();
    if (pd_hub_start(hub, fan_out, count, NULL, &id, &err) != PD_OK) {
        return problem_of(&err);
    }
    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id.text, pd_minutes(10), &err);
    *ret_seconds = (double)(clock_mono_ns() - began) / 1e9;
    if (done == NULL) {
        return problem_of(&err);
    }
    if (pd_int(pd_instance_output(done)) != count * (count - 1)) {
        return problem(CODE_OTHER, NULL, "bench: %" PRId64 " activities gave %s", count,
                       pd_instance_output_json(done));
    }
    return CODE_DONE;
}

static const struct result_row rows[] = {
    { "activities", "activities", false },
    { "smallSeconds", "seconds for a tenth", true },
    { "seconds", "seconds", true },
    { "linear", "linear (1 is)", true },
    { "activitiesPerSecond", "activities/s", true },
    { "idleBytes", "resident bytes before", false },
    { "aboveIdleBytes", "resident bytes above that", true },
};

static int run_once(struct invocation *in, const struct bench_place *place, struct cell *cells)
{
    int64_t count = in->options.count > 0 ? in->options.count : COUNT_DEFAULT;
    pd_worker_options options = { .threads = (int)in->options.threads };
    struct samples smalls = { 0 }, larges = { 0 };
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(place->url, &err);
    PD_AUTO(pd_worker)
    worker = hub != NULL ? pd_worker_start(hub, PD_PROGRAM(program), &options, &err) : NULL;
    if (worker == NULL) {
        return problem_of(&err);
    }
    double seconds = 0;
    int code = fan(in, hub, WARM_UP, &seconds);
    int64_t idle = bench_resident_bytes();
    if (!bench_resident_peak_forget()) {
        return problem(CODE_OTHER, NULL, "bench: the system does not forget the peak of memory");
    }
    for (int i = 0; i < TIMES && code == CODE_DONE; i++) {
        code = fan(in, hub, count / 10, &seconds);
        samples_add(&smalls, seconds);
        code = code == CODE_DONE ? fan(in, hub, count, &seconds) : code;
        samples_add(&larges, seconds);
    }
    double small = samples_percentile(&smalls, 50), large = samples_percentile(&larges, 50);
    cells[0] = cell_int(count);
    cells[1] = cell_real(small);
    cells[2] = cell_real(large);
    cells[3] = cell_real(large / (10 * small));
    cells[4] = cell_real((double)count / large);
    cells[5] = cell_int(idle);
    cells[6] = cell_int(bench_resident_peak() - idle);
    samples_done(&smalls);
    samples_done(&larges);
    return code;
}

int bench_fanout(struct invocation *in)
{
    enum { RATE_AT = 4 };
    return bench_report(in, "fanout", rows, sizeof rows / sizeof rows[0], run_once, RATE_AT);
}
