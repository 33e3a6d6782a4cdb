/* SPDX-License-Identifier: MIT
 *
 * bench entity: how many signals take effect in a second, on one entity and on many; and how much
 * memory there is in use when all is done.
 *
 * Some threads send signals, --chunk to a call, each call durable when it returns. The clock runs
 * from the first call until the store has the last counter as it must be. The raw run inserts, one
 * row each, the events that an orchestration stores which sends such signals; it takes its turns
 * before, between and after the two.
 *
 *   N1  Every counter is read at the end: a signal that was lost or done twice fails the run. */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

enum { COUNT_DEFAULT = 1000000, CHUNK_DEFAULT = 1000, SENDERS_DEFAULT = 4, SENDERS_MAX = 64 };
enum { MANY_DEFAULT = 10000, SENT_BY_ONE = 100, KEY_SIZE = 32 };
#define RAW_NS INT64_C(1500000000)

static pd_result counter(pd_entity *e, pd_value input)
{
    int64_t n = pd_int(pd_state(e)) + pd_int(input);
    pd_set_state(e, n);
    return pd_ok(e, n);
}

/* Its history shows how large the event of a signal is. */
static pd_result send(pd_orchestration *o, pd_value input)
{
    for (int i = 0; i < SENT_BY_ONE; i++) {
        pd_signal_entity(o, PD_ENTITY("counter", "sample"), "add", 1);
    }
    return pd_ok(o, input);
}

static const pd_function program[] = {
    PD_FUNCTION("counter", counter),
    PD_FUNCTION("Send", send),
};

struct run {
    struct invocation *in;
    const struct bench_place *place;
    pd_hub *hub;
    struct raw *raw;
    struct stored_events events;
    int64_t raw_ns, raw_rows;
    int64_t count, chunk, senders, many;
    int64_t bytes_before, bytes_after; /* resident, all idle */
    char (*keys)[KEY_SIZE];
    int64_t key_count; /* signals go round among so many */
    double one_seconds, many_seconds;
};

/* ---- sending --------------------------------------------------------------------------------- */

struct sender {
    struct run *run;
    pthread_t thread;
    int64_t first, count; /* signals */
    int code;
};

static void *send_all(void *argument)
{
    struct sender *s = argument;
    struct run *r = s->run;
    pd_signal *signals = calloc((size_t)r->chunk, sizeof *signals);
    if (signals == NULL) {
        s->code = problem(CODE_OTHER, NULL, "out of memory");
        return NULL;
    }
    for (int64_t sent = 0; sent < s->count && s->code == CODE_DONE;) {
        int64_t left = s->count - sent;
        size_t n = (size_t)(left < r->chunk ? left : r->chunk);
        for (size_t i = 0; i < n; i++) {
            size_t key = (size_t)((s->first + sent + (int64_t)i) % r->key_count);
            signals[i] = (pd_signal){ .entity = PD_ENTITY("counter", r->keys[key]),
                                      .op = "add",
                                      .input = pd_of_int(1) };
        }
        pd_error err;
        if (pd_hub_signal_many(r->hub, signals, n, &err) != PD_OK) {
            s->code = problem_of(&err);
        }
        sent += (int64_t)n;
    }
    free(signals);
    return NULL;
}

static int send_from_threads(struct run *r)
{
    struct sender senders[SENDERS_MAX] = { 0 };
    int code = CODE_DONE;
    int64_t began = 0;
    for (int64_t i = 0; i < r->senders; i++) {
        struct sender *s = &senders[i];
        *s = (struct sender){ .run = r, .first = began };
        s->count = (i + 1) * r->count / r->senders - began;
        began += s->count;
        if (pthread_create(&s->thread, NULL, send_all, s) != 0) {
            abort(); /* a benchmark without its threads says nothing */
        }
    }
    for (int64_t i = 0; i < r->senders; i++) {
        pthread_join(senders[i].thread, NULL);
        code = code == CODE_DONE ? senders[i].code : code;
    }
    return code;
}

/* ---- N1 -------------------------------------------------------------------------------------- */

static int64_t share_of(const struct run *r, int64_t key)
{
    return r->count / r->key_count + (key < r->count % r->key_count);
}

/* The last of them is written with or after all others that its sender sent before. */
static int check_one(struct run *r, int64_t key, bool waits)
{
    for (;;) {
        pd_error err;
        PD_AUTO(pd_entity_view)
        view = pd_hub_fetch_entity(r->hub, PD_ENTITY("counter", r->keys[key]), &err);
        if (view == NULL && (err.status != PD_E_NOT_FOUND || !waits)) {
            return problem_of(&err);
        }
        int64_t is = view != NULL ? pd_int(pd_entity_view_state(view)) : 0;
        if (is == share_of(r, key)) {
            return CODE_DONE;
        }
        if (!waits || is > share_of(r, key)) {
            return problem(CODE_OTHER, NULL, "bench: counter '%s' is %" PRId64 ", not %" PRId64,
                           r->keys[key], is, share_of(r, key));
        }
        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
    }
}

static int measure(struct run *r, const char *prefix, int64_t key_count, double *ret_seconds)
{
    r->key_count = key_count < r->count ? key_count : r->count;
    for (int64_t i = 0; i < r->key_count; i++) {
        snprintf(r->keys[i], KEY_SIZE, "%s%" PRId64, prefix, i);
    }
    bench_progress(r->in, "entity: %" PRId64 " signals to %" PRId64, r->count, r->key_count);
    int64_t began = clock_mono_ns();
    int code = send_from_threads(r);
    for (int64_t i = 0; i < r->key_count && code == CODE_DONE && i < r->senders; i++) {
        code = check_one(r, r->key_count - 1 - i, true);
    }
    *ret_seconds = (double)(clock_mono_ns() - began) / 1e9;
    for (int64_t i = 0; i < r->key_count && code == CODE_DONE; i++) {
        code = check_one(r, i, true);
    }
    return code;
}

/* ---- the run --------------------------------------------------------------------------------- */

static int insert_raw(struct run *r)
{
    int64_t began = clock_mono_ns();
    int code = raw_insert(r->raw, &r->events, RAW_NS, &r->raw_rows);
    r->raw_ns += clock_mono_ns() - began;
    return code;
}

static int read_sample(struct run *r)
{
    pd_id id = { "" };
    pd_error err;
    if (pd_hub_start(r->hub, send, PD_NULL, NULL, &id, &err) != PD_OK) {
        return problem_of(&err);
    }
    PD_AUTO(pd_instance) done = pd_hub_wait(r->hub, id.text, pd_minutes(1), &err);
    if (done == NULL) {
        return problem_of(&err);
    }
    return stored_events_read(r->place->store, id.text, &r->events);
}

static int all(struct run *r)
{
    int code = read_sample(r);
    code = code == CODE_DONE ? raw_open(r->place->raw, &r->raw) : code;
    code = code == CODE_DONE ? raw_warm_up(r->raw, &r->events.events[1]) : code;
    code = code == CODE_DONE ? insert_raw(r) : code;
    code = code == CODE_DONE ? measure(r, "one", 1, &r->one_seconds) : code;
    code = code == CODE_DONE ? insert_raw(r) : code;
    r->bytes_before = bench_resident_bytes();
    code = code == CODE_DONE ? measure(r, "many", r->many, &r->many_seconds) : code;
    nanosleep(&(struct timespec){ .tv_sec = 2 }, NULL); /* gives back what only speed needs */
    r->bytes_after = bench_resident_bytes();
    return code == CODE_DONE ? insert_raw(r) : code;
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
    { "signals", "signals", false },
    { "onePerSecond", "to one/s", true },
    { "entities", "many are", false },
    { "manyPerSecond", "to many/s", true },
    { "rawRowsPerSecond", "raw rows/s", false },
    { "oneRatio", "ratio one", true },
    { "manyRatio", "ratio many", true },
    { "residentBytesOfMany", "resident bytes of many", false },
};

static int run_once(struct invocation *in, const struct bench_place *place, struct cell *cells)
{
    const struct options *o = &in->options;
    struct run r = { .in = in, .place = place };
    r.count = o->count > 0 ? o->count : COUNT_DEFAULT;
    r.chunk = o->chunk > 0 ? o->chunk : CHUNK_DEFAULT;
    r.senders = o->threads > 0 ? o->threads : SENDERS_DEFAULT;
    r.senders = r.senders < SENDERS_MAX ? r.senders : SENDERS_MAX;
    r.many = o->entities > 0 ? o->entities : MANY_DEFAULT;
    r.keys = malloc((size_t)r.many * sizeof *r.keys);
    if (r.keys != NULL) { /* in memory before that is measured */
        memset(r.keys, 1, (size_t)r.many * sizeof *r.keys);
    }
    int code = r.keys != NULL ? with_worker(&r) : problem(CODE_OTHER, NULL, "out of memory");
    if (code == CODE_DONE) {
        double count = (double)r.count;
        double raw = (double)r.raw_rows / ((double)r.raw_ns / 1e9);
        cells[0] = cell_int(r.count);
        cells[1] = cell_real(count / r.one_seconds);
        cells[2] = cell_int(r.key_count);
        cells[3] = cell_real(count / r.many_seconds);
        cells[4] = cell_real(raw);
        cells[5] = cell_real(count / r.one_seconds / raw);
        cells[6] = cell_real(count / r.many_seconds / raw);
        cells[7] = cell_int(r.bytes_after - r.bytes_before);
    }
    raw_close(r.raw);
    stored_events_done(&r.events);
    free(r.keys);
    return code;
}

int bench_entity(struct invocation *in)
{
    enum { RATE_AT = 1 };
    return bench_report(in, "entity", rows, sizeof rows / sizeof rows[0], run_once, RATE_AT);
}
