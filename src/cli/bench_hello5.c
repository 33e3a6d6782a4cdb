/* SPDX-License-Identifier: MIT
 *
 * bench hello5: how many durable orchestrations a second, beside raw SQLite inserts.
 *
 * Some clients, each a thread, keep --concurrent orchestrations of five activities in flight: each
 * starts its share by the chunk and waits for its oldest chunk. Engine and raw run take turns,
 * SLICE_ENGINE and SLICE_RAW long, so that whatever else the machine does meets both. During a raw
 * slice the activities are held at a gate: the engine commits what it has, and then has nothing to
 * do, with everything still in flight.
 *
 *   H1  The engine's time runs from the first start to the last end, less the raw slices: filling
 *       and draining are in it, and so is coming to rest before a raw slice.
 *   H2  An event counts when it is stored. OrchestratorCompleted is not stored (it is derived), and
 *       is in shownEventsPerSecond only.
 *   H3  Latency is from before the call that starts an orchestration to its recorded end, less the
 *       raw slices in between.
 *   H4  With --hub of a server: the stored events are those of one orchestration in a file of our
 *       own before, which is then closed; CPU is that of the whole machine, since the server's
 *       counts; and a server is at rest when the machine has had nothing to do for QUIET_MS. The
 *       time up to then counts (H1), and that of watching does not.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define SLICE_ENGINE 2000000000
#define SLICE_RAW 1000000000
enum {
    REST_MS = 30,
    REST_SERVED_MAX_MS = 500,
    QUIET_MS = 60,
    PAUSES_MAX = 4096,
    CHUNK_MAX = 1000,
    CLIENTS = 4,
    LOOK_MS = 10
};

static const char expected[] = "[\"Hello Tokyo!\",\"Hello Seattle!\",\"Hello London!\","
                               "\"Hello Amsterdam!\",\"Hello Seoul!\"]";

/* ---- the program ---- */

struct gate {
    atomic_bool closed;
    pthread_mutex_t mutex;
    pthread_cond_t opened;
};

static void gate_pass(struct gate *gate)
{
    if (!atomic_load_explicit(&gate->closed, memory_order_relaxed)) {
        return;
    }
    pthread_mutex_lock(&gate->mutex);
    while (atomic_load(&gate->closed)) {
        pthread_cond_wait(&gate->opened, &gate->mutex);
    }
    pthread_mutex_unlock(&gate->mutex);
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    atomic_store(&gate->closed, false);
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->mutex);
}

static pd_result say_hello(pd_activity *a, pd_value city)
{
    gate_pass(pd_user(a));
    return pd_ok(a, pd_format(a, "Hello %s!", pd_text(city)));
}

static pd_result hello_cities(pd_orchestration *o, pd_value input)
{
    static const char *const cities[] = { "Tokyo", "Seattle", "London", "Amsterdam", "Seoul" };
    (void)input;
    pd_list *greetings = pd_list_new(o);
    for (size_t i = 0; i < sizeof cities / sizeof cities[0]; i++) {
        pd_list_add(greetings, pd_call_activity(o, say_hello, cities[i]));
    }
    return pd_ok(o, greetings);
}

static const pd_function program[] = {
    PD_FUNCTION("HelloCities", hello_cities),
    PD_FUNCTION("SayHello", say_hello),
};

/* ---- the run ---- */

/* One thread, and its share of what is in flight. */
struct client {
    struct run *run;
    pthread_t thread;
    bool has_thread;
    pd_id *ids; /* what is in flight: a ring, oldest at head */
    int64_t *started_ms;
    size_t ring, head, in_flight;
    struct samples latencies;
    int code;
};

struct run {
    struct invocation *in;
    const struct bench_place *place;
    const char *served; /* the hub's URL; NULL: a file of ours */
    pd_hub *hub;
    struct gate gate;
    struct raw *raw;
    struct stored_events events;
    size_t events_shown;
    struct client clients[CLIENTS];
    int64_t concurrent, chunk, started_max;
    atomic_llong started, ended;
    atomic_bool is_over;     /* nothing is started any more */
    atomic_int clients_left; /* that still have something in flight */
    int64_t engine_ns, engine_max_ns, slice_began, raw_ns, raw_rows;
    double engine_cpu, raw_cpu, cpu_mark;
    struct {
        int64_t from, to; /* ms since 1970 */
    } pauses[PAUSES_MAX];
    atomic_size_t pause_count;
    struct samples latencies;
};

static int64_t engine_ns_now(const struct run *r)
{
    return r->engine_ns + clock_mono_ns() - r->slice_began;
}

static double cpu_seconds(const struct run *r)
{
    return r->served != NULL ? bench_machine_seconds() : bench_cpu_seconds();
}

static void engine_slice_begin(struct run *r)
{
    r->cpu_mark = cpu_seconds(r);
    r->slice_began = clock_mono_ns();
}

static void engine_slice_end(struct run *r, int64_t at_mono_ns)
{
    r->engine_ns += at_mono_ns - r->slice_began;
    r->engine_cpu += cpu_seconds(r) - r->cpu_mark;
}

static void sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ 0, ms * 1000000 }, NULL);
}

/* Waits until nothing moves behind the closed gate, and says since when: on the clock of
 * clock_mono_ns. The machine's CPU is counted in ticks of 10 ms for each processor; two of them in
 * QUIET_MS are the watching itself, or somebody else. */
static int64_t come_to_rest(const struct run *r)
{
    if (r->served == NULL) {
        sleep_ms(REST_MS);
        return clock_mono_ns();
    }
    int64_t closed = clock_mono_ns(), since = closed;
    double busy = cpu_seconds(r);
    while (clock_mono_ns() - closed < (int64_t)REST_SERVED_MAX_MS * 1000000) {
        sleep_ms(LOOK_MS);
        int64_t now = clock_mono_ns();
        if (cpu_seconds(r) - busy > 0.025) {
            busy = cpu_seconds(r);
            since = now;
        } else if (now - since >= (int64_t)QUIET_MS * 1000000) {
            return since;
        }
    }
    return clock_mono_ns();
}

static int raw_slice(struct run *r, int64_t ns)
{
    atomic_store(&r->gate.closed, true);
    int64_t rested = come_to_rest(r);
    engine_slice_end(r, rested);
    int64_t paused_at = clock_now_ms() - (clock_mono_ns() - rested) / 1000000;
    double cpu = cpu_seconds(r);
    int64_t began = clock_mono_ns();
    int code = raw_insert(r->raw, &r->events, ns, &r->raw_rows);
    r->raw_ns += clock_mono_ns() - began;
    r->raw_cpu += cpu_seconds(r) - cpu;
    size_t n = atomic_load(&r->pause_count);
    if (n < PAUSES_MAX) { /* published before the gate opens */
        r->pauses[n].from = paused_at;
        r->pauses[n].to = clock_now_ms();
        atomic_store(&r->pause_count, n + 1);
    }
    engine_slice_begin(r);
    gate_open(&r->gate);
    return code;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many of the chunk are still to be started; 0: all are. */
static size_t claim(struct run *r, int64_t most)
{
    long long from = atomic_fetch_add(&r->started, most);
    long long left = r->started_max - from;
    long long got = left < 0 ? 0 : left < most ? left : most;
    if (got < most) {
        atomic_fetch_sub(&r->started, most - got);
    }
    return (size_t)got;
}

static int start_chunk(struct client *c)
{
    struct run *r = c->run;
    size_t count = claim(r, r->chunk);
    if (count == 0) {
        atomic_store(&r->is_over, true);
        return CODE_DONE;
    }
    pd_id *ids = calloc(count, sizeof *ids);
    int64_t now = clock_now_ms();
    pd_error err;
    if (ids == NULL) {
        return problem(CODE_OTHER, NULL, "out of memory");
    }
    pd_status status = pd_hub_start_many(r->hub, "HelloCities", count, NULL, ids, &err);
    for (size_t i = 0; i < count && status == PD_OK; i++) {
        size_t at = (c->head + c->in_flight++) % c->ring;
        c->ids[at] = ids[i];
        c->started_ms[at] = now;
    }
    free(ids);
    return status == PD_OK ? CODE_DONE : problem_of(&err);
}

static double latency_of(const struct run *r, int64_t from, int64_t to)
{
    int64_t ms = to - from;
    for (size_t i = atomic_load(&r->pause_count); i-- > 0 && r->pauses[i].to > from;) {
        int64_t a = r->pauses[i].from > from ? r->pauses[i].from : from;
        int64_t b = r->pauses[i].to < to ? r->pauses[i].to : to;
        ms -= b > a ? b - a : 0;
    }
    return (double)ms;
}

static int land(struct client *c, size_t at, const pd_instance *done)
{
    struct run *r = c->run;
    if (pd_instance_state(done) != PD_RUN_COMPLETED ||
        strcmp(pd_instance_output_json(done), expected) != 0) {
        return problem(CODE_OTHER, NULL, "bench: '%s' ended %s with %s, which is wrong",
                       c->ids[at].text, pd_run_state_name(pd_instance_state(done)),
                       pd_instance_output_json(done));
    }
    samples_add(&c->latencies, latency_of(r, c->started_ms[at], pd_instance_ended_at(done).ms));
    atomic_fetch_add(&r->ended, 1);
    return CODE_DONE;
}

static int wait_for_oldest(struct client *c)
{
    pd_instance *done[CHUNK_MAX] = { NULL };
    size_t count = least(least((size_t)c->run->chunk, c->in_flight), c->ring - c->head);
    pd_error err;
    pd_status status =
        pd_hub_wait_many(c->run->hub, count, c->ids + c->head, pd_minutes(2), done, &err);
    int code = status == PD_OK
                   ? CODE_DONE
                   : problem_of_instance(&err, c->ids[c->head].text, c->run->place->url);
    for (size_t i = 0; i < count; i++) {
        code = code == CODE_DONE ? land(c, c->head + i, done[i]) : code;
        pd_instance_free(done[i]);
    }
    c->head = (c->head + count) % c->ring;
    c->in_flight -= count;
    return code;
}

static void *client_body(void *argument)
{
    struct client *c = argument;
    struct run *r = c->run;
    size_t share = (size_t)(r->concurrent / CLIENTS);
    share = share < (size_t)r->chunk ? (size_t)r->chunk : share;
    while (c->code == CODE_DONE) {
        if (!atomic_load(&r->is_over) && c->in_flight + (size_t)r->chunk <= share) {
            c->code = start_chunk(c);
        } else if (c->in_flight > 0) {
            c->code = wait_for_oldest(c);
        } else if (atomic_load(&r->is_over)) {
            break;
        }
    }
    atomic_store(&r->is_over, true); /* also after a failure: the others need not go on */
    atomic_fetch_sub(&r->clients_left, 1);
    return NULL;
}

/* One alone, to learn what is stored for each. */
static int calibrate(struct run *r)
{
    pd_start_options options = { .id = "calibration" };
    pd_error err;
    if (pd_hub_start(r->hub, hello_cities, PD_NULL, &options, NULL, &err) != PD_OK) {
        return problem_of(&err);
    }
    PD_AUTO(pd_instance) done = pd_hub_wait(r->hub, options.id, pd_minutes(1), &err);
    if (done == NULL) {
        return problem_of(&err);
    }
    PD_AUTO(pd_history) history = pd_hub_fetch_history(r->hub, options.id, &err);
    if (history == NULL) {
        return problem_of(&err);
    }
    r->events_shown = pd_history_count(history);
    return stored_events_read(r->place->store, options.id, &r->events);
}

static int clients_start(struct run *r)
{
    atomic_store(&r->clients_left, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &r->clients[i];
        c->run = r;
        c->ring = (size_t)r->concurrent + CHUNK_MAX;
        c->ids = calloc(c->ring, sizeof *c->ids);
        c->started_ms = calloc(c->ring, sizeof *c->started_ms);
        c->has_thread = c->ids != NULL && c->started_ms != NULL &&
                        pthread_create(&c->thread, NULL, client_body, c) == 0;
        if (!c->has_thread) {
            c->code = problem(CODE_OTHER, NULL, "out of memory");
            atomic_fetch_sub(&r->clients_left, 1);
            atomic_store(&r->is_over, true);
        }
    }
    return CODE_DONE;
}

static int clients_join(struct run *r)
{
    int code = CODE_DONE;
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &r->clients[i];
        if (c->has_thread) {
            pthread_join(c->thread, NULL);
        }
        for (size_t k = 0; k < c->latencies.count; k++) {
            samples_add(&r->latencies, c->latencies.at[k]);
        }
        samples_done(&c->latencies);
        free(c->ids);
        free(c->started_ms);
        code = code == CODE_DONE ? c->code : code;
    }
    return code;
}

static int slices(struct run *r)
{
    int64_t next_raw = SLICE_ENGINE;
    int code = CODE_DONE;
    engine_slice_begin(r);
    clients_start(r);
    while (atomic_load(&r->clients_left) > 0) {
        int64_t now = engine_ns_now(r);
        if (now >= r->engine_max_ns) {
            atomic_store(&r->is_over, true);
        }
        if (now >= next_raw && code == CODE_DONE) {
            code = raw_slice(r, SLICE_RAW);
            next_raw = r->engine_ns + SLICE_ENGINE;
        }
        sleep_ms(LOOK_MS);
        bench_progress(r->in, "hello5: %.0f s, %lld orchestrations", (double)now / 1e9,
                       (long long)atomic_load(&r->ended));
    }
    engine_slice_end(r, clock_mono_ns());
    int clients_code = clients_join(r);
    code = code == CODE_DONE ? clients_code : code;
    if (code == CODE_DONE && r->raw_rows == 0) { /* shorter than one slice */
        engine_slice_begin(r);
        int64_t engine_ns = r->engine_ns;
        double engine_cpu = r->engine_cpu;
        code = raw_slice(r, SLICE_RAW);
        r->engine_ns = engine_ns; /* it was at rest already */
        r->engine_cpu = engine_cpu;
    }
    return code;
}

static int with_worker(struct run *r, const char *url, int (*work)(struct run *))
{
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (hub == NULL) {
        return problem_of(&err);
    }
    r->hub = hub;
    pd_worker_options options = { .user = &r->gate, .threads = (int)r->in->options.threads };
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), &options, &err);
    if (worker == NULL) {
        return problem_of(&err);
    }
    return work(r);
}

static int calibrate_and_measure(struct run *r)
{
    int code = calibrate(r);
    return code == CODE_DONE ? slices(r) : code;
}

static int measure(struct run *r)
{
    int code = raw_open(r->place->raw, &r->raw);
    if (code == CODE_DONE && r->served != NULL) {
        code = with_worker(r, r->place->url, calibrate);
        return code == CODE_DONE ? with_worker(r, r->served, slices) : code;
    }
    return code == CODE_DONE ? with_worker(r, r->place->url, calibrate_and_measure) : code;
}

/* ---- the report ---- */

static const struct result_row rows[] = {
    { "orchestrations", "orchestrations", false },
    { "concurrent", "in flight", false },
    { "seconds", "seconds", false },
    { "orchestrationsPerSecond", "orchestrations/s", true },
    { "eventsPerOrchestration", NULL, false },
    { "eventsPerSecond", "events/s", true },
    { "shownEventsPerSecond", "events/s with derived ones", false },
    { "rawEventsPerSecond", "raw SQLite events/s", true },
    { "ratio", "ratio", true },
    { "cpuMicrosPerEvent", "CPU us/event", false },
    { "rawCpuMicrosPerEvent", "raw CPU us/event", false },
    { "cpuRatio", "CPU ratio", true },
    { "latencyP50Ms", "latency p50 ms", true },
    { "latencyP99Ms", "latency p99 ms", true },
    { "eventBytesPerOrchestration", NULL, false },
    { "bytesPerOrchestration", "bytes on disk/orchestration", false },
    { "threads", NULL, false },
};

static void fill(struct run *r, struct cell *cells)
{
    double n = (double)atomic_load(&r->ended), seconds = (double)r->engine_ns / 1e9;
    double events = n * (double)r->events.count;
    double raw_rate = (double)r->raw_rows / ((double)r->raw_ns / 1e9);
    double cpu = r->engine_cpu * 1e6 / events;
    double raw_cpu = r->raw_cpu * 1e6 / (double)r->raw_rows;
    size_t i = 0;
    cells[i++] = cell_int(atomic_load(&r->ended));
    cells[i++] = cell_int(r->concurrent);
    cells[i++] = cell_real(seconds);
    cells[i++] = cell_real(n / seconds);
    cells[i++] = cell_int((int64_t)r->events.count);
    cells[i++] = cell_real(events / seconds);
    cells[i++] = cell_real(n * (double)r->events_shown / seconds);
    cells[i++] = cell_real(raw_rate);
    cells[i++] = cell_real(events / seconds / raw_rate);
    cells[i++] = cell_real(cpu);
    cells[i++] = cell_real(raw_cpu);
    cells[i++] = cell_real(cpu / raw_cpu);
    cells[i++] = cell_real(samples_percentile(&r->latencies, 50));
    cells[i++] = cell_real(samples_percentile(&r->latencies, 99));
    cells[i++] = cell_int((int64_t)r->events.bytes);
    cells[i++] = cell_real((double)bench_bytes_of(r->place->store) / n);
    cells[i++] = cell_int(r->in->options.threads);
}

static int run_once(struct invocation *in, const struct bench_place *place, struct cell *cells)
{
    const struct options *o = &in->options;
    struct run *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return problem(CODE_OTHER, NULL, "out of memory");
    }
    r->in = in;
    r->served = bench_served_hub(in);
    r->place = place;
    r->concurrent = o->concurrent > 0 ? o->concurrent : 5000;
    r->chunk = o->chunk > 0 ? o->chunk : 250;
    int64_t share = r->concurrent / CLIENTS > 0 ? r->concurrent / CLIENTS : 1;
    r->chunk = r->chunk > share ? share : r->chunk;
    r->started_max = o->count > 0 ? o->count : INT64_MAX;
    int64_t ms = o->duration.ms > 0 ? o->duration.ms : 10000;
    r->engine_max_ns = o->count > 0 && o->duration.ms == 0 ? INT64_MAX : ms * 1000000;
    pthread_mutex_init(&r->gate.mutex, NULL);
    pthread_cond_init(&r->gate.opened, NULL);
    int code = r->chunk > CHUNK_MAX ? problem(CODE_USAGE, NULL, "--chunk is at most %d", CHUNK_MAX)
                                    : measure(r);
    if (code == CODE_DONE) {
        fill(r, cells);
    }
    raw_close(r->raw);
    stored_events_done(&r->events);
    samples_done(&r->latencies);
    pthread_cond_destroy(&r->gate.opened);
    pthread_mutex_destroy(&r->gate.mutex);
    free(r);
    return code;
}

int bench_hello5(struct invocation *in)
{
    enum { RATE_AT = 3 };
    return bench_report(in, "hello5", rows, sizeof rows / sizeof rows[0], run_once, RATE_AT);
}
