/* SPDX-License-Identifier: MIT
 *
 * bench replay: how fast a long history is run through today's code, and whether the time grows
 * with the number of events and no faster.
 *
 * Three instances, each with ten times the history of the one before, made by rounds of activities.
 * Replayed is with pd_replay, which reads the hub's file and does not write. It has two rulers:
 *
 *   select   the same rows are read with a plain SELECT, and the few lines below walk over every
 *            field of every event, keeping nothing: less than any replay can do with
 *   fetch    pd_hub_fetch_history: the rows are read, their events decoded and handed out as a
 *            program gets them: what it costs who looks at a history and does nothing else */
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>

#include "bench.h"

enum { COUNT_DEFAULT = 1000000, ROUND = 500, SIZES = 3, TIMES = 3 };

static pd_result next(pd_activity *a, pd_value number)
{
    return pd_ok(a, pd_int(number) + 1);
}

/* About `events` events: two an activity, and those that begin turns. */
static pd_result rounds(pd_orchestration *o, pd_value events)
{
    int64_t left = pd_int(events) / 2;
    int64_t sum = 0;
    pd_task *tasks[ROUND];
    for (; left > 0; left -= ROUND) {
        size_t n = left < ROUND ? (size_t)left : ROUND;
        for (size_t i = 0; i < n; i++) {
            tasks[i] = pd_start_activity(o, next, (int64_t)i);
        }
        pd_await_all(o, tasks, n);
        for (size_t i = 0; i < n; i++) {
            sum += pd_int(pd_task_value(tasks[i]));
        }
    }
    return pd_ok(o, sum);
}

static const pd_function program[] = {
    PD_FUNCTION("Rounds", rounds),
    PD_FUNCTION("Next", next),
};

/* ---- the ruler ------------------------------------------------------------------------------- */

struct decoded {
    int64_t events;
    uint64_t sum; /* of what was read, so that nothing is left out */
};

static const uint8_t *read_number(const uint8_t *at, const uint8_t *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        *ret |= (uint64_t)(*at & 0x7f) << shift;
        if ((*at++ & 0x80) == 0) {
            return at;
        }
    }
    return NULL;
}

/* Every field of a message; those that are messages of events too, down to their numbers and
 * texts. */
static bool decode(const uint8_t *at, const uint8_t *end, int depth, struct decoded *ret)
{
    enum { DEPTH_OF_TEXT = 3 };
    while (at < end) {
        uint64_t tag, value;
        at = read_number(at, end, &tag);
        at = at != NULL ? read_number(at, end, &value) : NULL;
        if (at == NULL || ((tag & 7) != 0 && (tag & 7) != 2)) {
            return false;
        }
        if ((tag & 7) == 0) {
            ret->sum += value;
            continue;
        }
        if (value > (uint64_t)(end - at)) {
            return false;
        }
        ret->events += depth == 0;
        bool is_text = depth == DEPTH_OF_TEXT || (depth == 2 && tag >> 3 == 1);
        if (is_text) {
            ret->sum += value > 0 ? at[value - 1] : 0;
        } else if (!decode(at, at + value, depth + 1, ret)) {
            return false;
        }
        at += value;
    }
    return true;
}

static int select_and_decode(const char *file, const char *id, struct decoded *ret)
{
    static const char select[] = "SELECT events FROM history WHERE instance="
                                 "(SELECT row FROM instance WHERE id=?) ORDER BY id";
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    int step = SQLITE_DONE;
    bool ok = sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
              sqlite3_prepare_v2(db, select, -1, &rows, NULL) == SQLITE_OK &&
              sqlite3_bind_text(rows, 1, id, -1, SQLITE_TRANSIENT) == SQLITE_OK;
    while (ok && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        const uint8_t *at = sqlite3_column_blob(rows, 0);
        ok = decode(at, at + sqlite3_column_bytes(rows, 0), 0, ret);
    }
    ok = ok && step == SQLITE_DONE;
    sqlite3_finalize(rows);
    sqlite3_close(db);
    return ok ? CODE_DONE : problem(CODE_OTHER, NULL, "bench: the stored history cannot be read");
}

/* ---- one history ----------------------------------------------------------------------------- */

struct measured {
    int64_t events;
    double replay_seconds, select_seconds, fetch_seconds; /* the best of TIMES */
};

static void keep_best(double *best, int64_t began, bool is_first)
{
    double seconds = (double)(clock_mono_ns() - began) / 1e9;
    *best = is_first || seconds < *best ? seconds : *best;
}

static int make(struct invocation *in, pd_hub *hub, const char *id, int64_t events)
{
    pd_start_options options = { .id = id };
    pd_error err;
    bench_progress(in, "replay: a history of %" PRId64 " events is made", events);
    if (pd_hub_start(hub, rounds, events, &options, NULL, &err) != PD_OK) {
        return problem_of(&err);
    }
    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id, pd_minutes(30), &err);
    if (done == NULL) {
        return problem_of(&err);
    }
    return pd_instance_state(done) == PD_RUN_COMPLETED
               ? CODE_DONE
               : problem(CODE_OTHER, NULL, "bench: '%s' has failed", id);
}

static int measure(struct invocation *in, const struct bench_place *place, const char *id,
                   struct measured *ret)
{
    pd_replay_options options = { .id_prefix = id };
    pd_error failed;
    PD_AUTO(pd_hub) hub = pd_hub_open(place->url, &failed);
    if (hub == NULL) {
        return problem_of(&failed);
    }
    for (int i = 0; i < TIMES; i++) {
        pd_replay_report report = { 0 };
        struct decoded decoded = { 0 };
        pd_error err;
        bench_progress(in, "replay: %s", id);
        int64_t began = clock_mono_ns();
        if (pd_replay(PD_PROGRAM(program), place->url, &options, &report, &err) != PD_OK) {
            return problem_of(&err);
        }
        keep_best(&ret->replay_seconds, began, i == 0);
        if (report.same != 1 || report.diverged != 0) {
            return problem(CODE_OTHER, NULL, "bench: '%s' did not replay as it was", id);
        }
        began = clock_mono_ns();
        int code = select_and_decode(place->store, id, &decoded);
        if (code != CODE_DONE) {
            return code;
        }
        keep_best(&ret->select_seconds, began, i == 0);
        began = clock_mono_ns();
        PD_AUTO(pd_history) history = pd_hub_fetch_history(hub, id, &err);
        keep_best(&ret->fetch_seconds, began, i == 0);
        if (history == NULL) {
            return problem_of(&err);
        }
        ret->events = decoded.events;
    }
    return CODE_DONE;
}

static const char *const names[SIZES] = { "a-short", "b-middle", "c-long" };

static int make_all(struct invocation *in, const struct bench_place *place, int64_t count)
{
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(place->url, &err);
    PD_AUTO(pd_worker)
    worker = hub != NULL ? pd_worker_start(hub, PD_PROGRAM(program), NULL, &err) : NULL;
    if (worker == NULL) {
        return problem_of(&err);
    }
    int code = CODE_DONE;
    int64_t events = count / 100;
    for (int i = 0; i < SIZES && code == CODE_DONE; i++, events *= 10) {
        code = make(in, hub, names[i], events);
    }
    return code;
}

static const struct result_row rows[] = {
    { "events", "events", false },
    { "shortEventsPerSecond", "events/s of a hundredth", true },
    { "middleEventsPerSecond", "events/s of a tenth", true },
    { "eventsPerSecond", "events/s", true },
    { "selectEventsPerSecond", "SELECT and walk, events/s", true },
    { "selectRatio", "replay over that", true },
    { "fetchEventsPerSecond", "fetched, events/s", true },
    { "fetchRatio", "replay over that", true },
    { "linear", "linear (1 is)", true },
};

static int run_once(struct invocation *in, const struct bench_place *place, struct cell *cells)
{
    int64_t count = in->options.count > 0 ? in->options.count : COUNT_DEFAULT;
    struct measured m[SIZES];
    double rates[SIZES] = { 0 };
    int code = make_all(in, place, count);
    for (int i = 0; i < SIZES && code == CODE_DONE; i++) {
        code = measure(in, place, names[i], &m[i]);
        rates[i] = code == CODE_DONE ? (double)m[i].events / m[i].replay_seconds : 0;
    }
    if (code == CODE_DONE) {
        double select = (double)m[SIZES - 1].events / m[SIZES - 1].select_seconds;
        double fetch = (double)m[SIZES - 1].events / m[SIZES - 1].fetch_seconds;
        cells[0] = cell_int(m[SIZES - 1].events);
        cells[1] = cell_real(rates[0]);
        cells[2] = cell_real(rates[1]);
        cells[3] = cell_real(rates[2]);
        cells[4] = cell_real(select);
        cells[5] = cell_real(rates[2] / select);
        cells[6] = cell_real(fetch);
        cells[7] = cell_real(rates[2] / fetch);
        cells[8] = cell_real(rates[0] / rates[2]);
    }
    return code;
}

int bench_replay(struct invocation *in)
{
    enum { RATE_AT = 3 };
    return bench_report(in, "replay", rows, sizeof rows / sizeof rows[0], run_once, RATE_AT);
}
