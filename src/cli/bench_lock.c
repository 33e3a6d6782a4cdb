/* SPDX-License-Identifier: MIT
 *
 * bench lock: transfers between two accounts, each in a critical section of both.
 *
 * A transfer is an orchestration: it locks two of ACCOUNTS entities, reads one, and changes both:
 * three calls and two locks. Some threads keep --concurrent of them in flight. After that, one at a
 * time, for what a transfer takes when nobody is in its way.
 *
 *   M1  The sum of all accounts is what it was, and each transfer has ended well, or the run fails.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "bench.h"

enum { COUNT_DEFAULT = 20000, CONCURRENT_DEFAULT = 500, CLIENTS = 4, ACCOUNTS = 1000 };
enum { ALONE = 200, CHUNK_MAX = 250 };

static pd_result account(pd_entity *e, pd_value input)
{
    int64_t balance = pd_int(pd_state(e));
    if (pd_op_is(e, "add")) {
        balance += pd_int(input);
        pd_set_state(e, balance);
    }
    return pd_ok(e, balance);
}

static pd_result transfer(pd_orchestration *o, pd_value input)
{
    (void)input;
    uint64_t random = pd_random(o);
    uint64_t from = random % ACCOUNTS;
    uint64_t to = (from + 1 + (random >> 32) % (ACCOUNTS - 1)) % ACCOUNTS;
    pd_entity_id source = PD_ENTITY("account", pd_format(o, "%d", (int)from));
    pd_entity_id target = PD_ENTITY("account", pd_format(o, "%d", (int)to));
    int64_t amount = 1 + (int64_t)(random >> 16 & 0xff);
    PD_LOCKED(o, source, target) {
        (void)pd_call_entity(o, source, "get", PD_NULL);
        (void)pd_call_entity(o, source, "add", -amount);
        (void)pd_call_entity(o, target, "add", amount);
    }
    return pd_ok(o, amount);
}

static const pd_function program[] = {
    PD_FUNCTION("account", account),
    PD_FUNCTION("Transfer", transfer),
};

struct run {
    struct invocation *in;
    const struct bench_place *place;
    pd_hub *hub;
    int64_t count, concurrent;
    double seconds;
    struct samples loaded, alone; /* milliseconds */
};

struct client {
    struct run *run;
    pthread_t thread;
    int64_t count, chunk;
    struct samples took;
    int code;
};

/* ---- transfers ------------------------------------------------------------------------------- */

static int wait_for(struct run *r, const char *id)
{
    pd_error err;
    PD_AUTO(pd_instance) done = pd_hub_wait(r->hub, id, pd_minutes(5), &err);
    if (done == NULL) {
        return problem_of(&err);
    }
    if (pd_instance_state(done) != PD_RUN_COMPLETED) {
        return problem(CODE_OTHER, NULL, "bench: transfer '%s' has failed", id);
    }
    return CODE_DONE;
}

static int transfer_some(struct client *c, size_t n)
{
    static const pd_id none;
    pd_id ids[CHUNK_MAX];
    for (size_t i = 0; i < n; i++) {
        ids[i] = none;
    }
    pd_error err;
    int64_t began = clock_mono_ns();
    if (pd_hub_start_many(c->run->hub, transfer, n, NULL, ids, &err) != PD_OK) {
        return problem_of(&err);
    }
    int code = CODE_DONE;
    for (size_t i = 0; i < n && code == CODE_DONE; i++) {
        code = wait_for(c->run, ids[i].text);
        samples_add(&c->took, (double)(clock_mono_ns() - began) / 1e6);
    }
    return code;
}

static void *transfer_all(void *argument)
{
    struct client *c = argument;
    for (int64_t done = 0; done < c->count && c->code == CODE_DONE;) {
        int64_t left = c->count - done;
        int64_t n = left < c->chunk ? left : c->chunk;
        c->code = transfer_some(c, (size_t)n);
        done += n;
    }
    return NULL;
}

static int transfer_from_threads(struct run *r)
{
    struct client clients[CLIENTS] = { 0 };
    int code = CODE_DONE;
    int64_t chunk = r->concurrent / CLIENTS;
    chunk = chunk < 1 ? 1 : chunk > CHUNK_MAX ? CHUNK_MAX : chunk;
    int64_t began = clock_mono_ns();
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){ .run = r, .chunk = chunk };
        clients[i].count = (i + 1) * r->count / CLIENTS - i * r->count / CLIENTS;
        if (pthread_create(&clients[i].thread, NULL, transfer_all, &clients[i]) != 0) {
            abort(); /* a benchmark without its threads says nothing */
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        code = code == CODE_DONE ? clients[i].code : code;
    }
    r->seconds = (double)(clock_mono_ns() - began) / 1e9;
    for (int i = 0; i < CLIENTS; i++) {
        for (size_t n = 0; n < clients[i].took.count; n++) {
            samples_add(&r->loaded, clients[i].took.at[n]);
        }
        samples_done(&clients[i].took);
    }
    return code;
}

static int transfer_alone(struct run *r)
{
    struct client alone = { .run = r, .count = ALONE, .chunk = 1 };
    transfer_all(&alone);
    r->alone = alone.took;
    return alone.code;
}

/* ---- M1 -------------------------------------------------------------------------------------- */

static int check_sum(struct run *r)
{
    int64_t sum = 0;
    char token[4096] = "";
    for (bool more = true; more;) {
        pd_entity_query query = { .name = "account", .with_state = true, .page_size = 1000 };
        query.page_token = *token != 0 ? token : NULL;
        pd_error err;
        PD_AUTO(pd_entity_page) page = pd_hub_query_entities(r->hub, &query, &err);
        if (page == NULL) {
            return problem_of(&err);
        }
        for (size_t i = 0; i < pd_entity_page_count(page); i++) {
            const pd_entity_view *view = pd_entity_page_at(page, i);
            sum += pd_int(pd_entity_view_state(view));
            if (pd_entity_view_locked_by(view) != NULL) {
                return problem(CODE_OTHER, NULL, "bench: '%s' is locked still",
                               pd_entity_view_id(view));
            }
        }
        const char *next = pd_entity_page_token(page);
        more = next != NULL;
        snprintf(token, sizeof token, "%s", more ? next : "");
    }
    return sum == 0 ? CODE_DONE
                    : problem(CODE_OTHER, NULL, "bench: the accounts add up to %" PRId64, sum);
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
    bench_progress(r->in, "lock: %" PRId64 " transfers", r->count);
    int code = transfer_from_threads(r);
    code = code == CODE_DONE ? transfer_alone(r) : code;
    return code == CODE_DONE ? check_sum(r) : code;
}

static const struct result_row rows[] = {
    { "transfers", "transfers", false },    { "transfersPerSecond", "transfers/s", true },
    { "p50Ms", "p50 ms", false },           { "p99Ms", "p99 ms", true },
    { "aloneP50Ms", "alone p50 ms", true }, { "aloneP99Ms", "alone p99 ms", true },
};

static int run_once(struct invocation *in, const struct bench_place *place, struct cell *cells)
{
    const struct options *o = &in->options;
    struct run r = { .in = in, .place = place };
    r.count = o->count > 0 ? o->count : COUNT_DEFAULT;
    r.concurrent = o->concurrent > 0 ? o->concurrent : CONCURRENT_DEFAULT;
    int code = with_worker(&r);
    if (code == CODE_DONE) {
        cells[0] = cell_int(r.count);
        cells[1] = cell_real((double)r.count / r.seconds);
        cells[2] = cell_real(samples_percentile(&r.loaded, 50));
        cells[3] = cell_real(samples_percentile(&r.loaded, 99));
        cells[4] = cell_real(samples_percentile(&r.alone, 50));
        cells[5] = cell_real(samples_percentile(&r.alone, 99));
    }
    samples_done(&r.loaded);
    samples_done(&r.alone);
    return code;
}

int bench_lock(struct invocation *in)
{
    enum { RATE_AT = 1 };
    return bench_report(in, "lock", rows, sizeof rows / sizeof rows[0], run_once, RATE_AT);
}
