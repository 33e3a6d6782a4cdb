/* SPDX-License-Identifier: MIT
 *
 * A schedule against a model, from a seed: exactly one start for each time that is due.
 *
 * The world here is what stands around the entity: a clock that runs, jumps ahead (nothing ran
 * meanwhile) and goes back; signals for later, of which one that is cancelled may be on its way
 * already; instances that end some time; and deaths, after which an operation is run again from
 * what was committed. Anybody puts, pauses, resumes, triggers and deletes.
 *
 * The model knows no rules, zones or wake-ups. It goes through all times that could be due, a
 * quarter of a second apart, and asks of each whether the schedule says so. All times of the world
 * are such quarters, so what comes at the same moment is common.
 *
 *   M1  What an operation starts, and counts, is what the model says.
 *   M2  No ID is started twice in the life of a schedule.
 *   M3  While something will be due, a signal waits that comes no later. */
#include <stdio.h>
#include <time.h>

#include "json/json.h"
#include "schedule_stage.h"

enum { STEP = 250, RUNS = 256, SEEDS = 300, TURNS = 200 };

/* ---- the model ------------------------------------------------------------------------------ */

struct terms {
    bool is_interval;
    int seconds, zone; /* each so many; zone makes no difference but to be another one */
    long long begins, ends, missed_max;
    const char *overlap, *missed;
};

struct model {
    bool is_there, is_paused;
    struct terms terms;
    long long met, anchor, started, skipped, late, buffered, triggered;
    char running[64]; /* "": none */
};

static bool is_due(const struct model *m, long long t)
{
    const struct terms *terms = &m->terms;
    if ((terms->begins != 0 && t < terms->begins) || (terms->ends != 0 && t > terms->ends)) {
        return false;
    }
    return terms->is_interval ? t >= m->anchor && (t - m->anchor) % (terms->seconds * 1000) == 0
                              : t % 1000 == 0 && t / 1000 % 60 % terms->seconds == 0;
}

/* The next after `after`; 0: none until `until`. */
static long long model_next(const struct model *m, long long after, long long until)
{
    for (long long t = after + 1 + (STEP - 1 - after % STEP); t <= until; t += STEP) {
        if (is_due(m, t)) {
            return t;
        }
    }
    return 0;
}

static void id_of(long long due, start_id id)
{
    time_t at = (time_t)(due / 1000);
    struct tm tm;
    char text[32], fraction[8] = "";
    assert_non_null(gmtime_r(&at, &tm));
    assert_true(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) > 0);
    if (due % 1000 != 0) {
        (void)snprintf(fraction, sizeof fraction, ".%03d", (int)(due % 1000));
    }
    (void)snprintf(id, sizeof(start_id), "k:%s%sZ", text, fraction);
}

static long long due_of(const char *id)
{
    struct tm tm = { 0 };
    int fraction = 0;
    const char *rest = strptime(id, "k:%Y-%m-%dT%H:%M:%S", &tm);
    assert_non_null(rest);
    assert_true(strcmp(rest, "Z") == 0 || sscanf(rest, ".%3dZ", &fraction) == 1);
    return (long long)timegm(&tm) * 1000 + fraction;
}

static void model_meet(struct model *m, long long due, struct starts *starts)
{
    bool allows = strcmp(m->terms.overlap, "allow") == 0;
    if (allows || m->running[0] == '\0') {
        id_of(due, starts->ids[starts->count]);
        if (!allows) {
            memcpy(m->running, starts->ids[starts->count], sizeof m->running);
        }
        starts->count++;
        m->started++;
    } else if (strcmp(m->terms.overlap, "buffer") == 0 && m->buffered == 0) {
        m->buffered = due;
    } else {
        m->skipped++;
    }
}

/* The rest, after a hundred starts, is left to another time; or is late, when there is none. */
static void model_settle(struct model *m, long long now, bool is_for_start, bool is_for_good,
                         struct starts *starts)
{
    long long next, before = m->started;
    for (long long t = model_next(m, m->met, now); t != 0; t = next) {
        bool is_full = m->started == before + 100;
        if (is_full && !is_for_good) {
            return;
        }
        long long late = now - t;
        next = model_next(m, t, now);
        bool is_young = m->terms.missed_max == 0 || late <= m->terms.missed_max;
        bool is_chosen = strcmp(m->terms.missed, "all") == 0 ||
                         (strcmp(m->terms.missed, "last") == 0 && next == 0);
        if (is_for_start && !is_full && (late < 1000 || (is_young && is_chosen))) {
            model_meet(m, t, starts);
        } else {
            m->late++;
        }
        m->met = t;
    }
}

static void model_unbuffer(struct model *m, struct starts *starts)
{
    long long buffered = m->buffered;
    m->buffered = 0;
    m->running[0] = '\0';
    if (buffered != 0) {
        model_meet(m, buffered, starts);
    }
}

static bool model_is_over(const struct model *m)
{
    return m->terms.ends != 0 && model_next(m, m->met, m->terms.ends) == 0;
}

static void model_end_plan(struct model *m, long long now, bool is_for_start, struct starts *starts)
{
    if (m->is_there && !m->is_paused) {
        model_settle(m, now, is_for_start, true, starts);
    }
    m->met = m->met > now ? m->met : now;
    m->met = m->met > m->triggered ? m->met : m->triggered;
}

static void model_put(struct model *m, long long now, const struct terms *terms, bool is_paused,
                      struct starts *starts)
{
    const struct terms *old = &m->terms;
    bool goes_on = m->is_there && !m->is_paused && !is_paused && !model_is_over(m) &&
                   old->is_interval == terms->is_interval && old->seconds == terms->seconds &&
                   old->zone == terms->zone && old->begins == terms->begins;
    if (!goes_on) {
        model_end_plan(m, now, !is_paused, starts);
        m->anchor = terms->begins != 0 ? terms->begins : now;
    }
    m->is_there = true;
    m->is_paused = is_paused;
    m->terms = *terms;
    if (strcmp(terms->overlap, "allow") == 0) {
        model_unbuffer(m, starts);
    }
}

/* ---- the world ------------------------------------------------------------------------------ */

struct order {
    char op[16], payload[512];
    struct terms terms;
    bool is_paused;
};

struct world {
    struct stage stage;
    uint64_t seed;
    start_id runs[RUNS]; /* those that run, and are to tell of their end */
    int run_count;
    struct starts all; /* in this life */
    struct model model;
    struct order order;
    long long triggers, deaths, starts;
};

static bool chance(struct world *w, int of)
{
    return random_chance(&w->stage.random, 1, (uint64_t)of);
}

static long long below(struct world *w, int n)
{
    return (long long)random_below(&w->stage.random, (uint64_t)n);
}

static void set_order(struct world *w, const char *op, const char *payload)
{
    w->order = (struct order){ 0 };
    (void)snprintf(w->order.op, sizeof w->order.op, "%s", op);
    (void)snprintf(w->order.payload, sizeof w->order.payload, "%s", payload);
}

static void order_put(struct world *w)
{
    static const char *const overlaps[] = { "skip", "buffer", "allow" };
    static const char *const misses[] = { "last", "none", "all" };
    static const int seconds[] = { 1, 2, 5, 20 };
    struct terms terms = w->model.terms;
    struct order *order = &w->order;
    set_order(w, "put", "");
    if (!w->model.is_there || chance(w, 2)) {
        terms.is_interval = chance(w, 2);
        terms.seconds = seconds[below(w, 4)];
        terms.zone = (int)below(w, 2);
        terms.begins = chance(w, 3) ? w->stage.now + (below(w, 80) - 40) * STEP : 0;
    }
    terms.overlap = overlaps[below(w, 3)];
    terms.missed = misses[below(w, 3)];
    terms.missed_max = chance(w, 3) ? (1 + below(w, 40)) * STEP : 0;
    long long from = terms.begins > w->stage.now ? terms.begins : w->stage.now;
    terms.ends = chance(w, 3) ? from + (1 + below(w, 200)) * STEP : 0;
    order->terms = terms;
    order->is_paused = chance(w, 5);
    char rule[32];
    (void)snprintf(rule, sizeof rule, terms.is_interval ? "@every %ds" : "*/%d * * * * *",
                   terms.seconds);
    (void)snprintf(order->payload, sizeof order->payload,
                   "{\"rule\":\"%s\",\"zone\":\"%s\",\"orchestrator\":\"R\",\"begins\":%lld,"
                   "\"ends\":%lld,\"missedMax\":%lld,\"overlap\":\"%s\",\"missed\":\"%s\","
                   "\"paused\":%s}",
                   rule, terms.zone != 0 ? "Europe/Berlin" : "UTC", terms.begins, terms.ends,
                   terms.missed_max, terms.overlap, terms.missed,
                   order->is_paused ? "true" : "false");
}

static void order_any(struct world *w)
{
    static const char *const others[] = { "pause", "resume", "trigger", "trigger", "resume" };
    if (w->run_count > 0 && chance(w, 2)) {
        int i = (int)below(w, w->run_count);
        char json[80];
        (void)snprintf(json, sizeof json, "\"%s\"", w->runs[i]);
        set_order(w, "ended", json);
        memcpy(w->runs[i], w->runs[--w->run_count], sizeof w->runs[i]);
    } else if (chance(w, 4)) {
        order_put(w);
    } else {
        set_order(w, chance(w, 12) ? "delete" : others[below(w, 5)], "null");
    }
}

/* What the clock has brought, in any order. False: nothing. */
static bool order_due(struct world *w)
{
    struct signal signal;
    if (!stage_take_due(&w->stage, &signal)) {
        return false;
    }
    set_order(w, signal.op, signal.payload);
    return true;
}

/* ---- an operation --------------------------------------------------------------------------- */

static void run(struct world *w, struct arena *arena, struct entity_result *result)
{
    const char *failure = stage_run(&w->stage, w->order.op, w->order.payload, arena, result);
    bool needs_one = strcmp(w->order.op, "put") != 0 && strcmp(w->order.op, "due") != 0 &&
                     strcmp(w->order.op, "ended") != 0;
    if ((failure != NULL) != (needs_one && !w->model.is_there)) {
        fail_msg("seed %llu: '%s' fails, or not", (unsigned long long)w->seed, w->order.op);
    }
}

/* M2. */
static void note_start(struct world *w, const char *id)
{
    for (int i = 0; i < w->all.count; i++) {
        if (strcmp(id, w->all.ids[i]) == 0) {
            fail_msg("seed %llu: %s is started twice", (unsigned long long)w->seed, id);
        }
    }
    assert_true(w->all.count < STARTS);
    (void)snprintf(w->all.ids[w->all.count++], sizeof(start_id), "%s", id);
    w->starts++;
}

static void commit(struct world *w, const struct entity_result *result, struct starts *got)
{
    stage_commit(&w->stage, result, got);
    for (int i = 0; i < got->count; i++) {
        note_start(w, got->ids[i]);
        if (got->are_watched[i]) {
            assert_true(w->run_count < RUNS);
            memcpy(w->runs[w->run_count++], got->ids[i], sizeof(start_id));
        }
    }
}

/* ---- both ----------------------------------------------------------------------------------- */

static long long number(pd_value state, const char *key)
{
    return pd_int(pd_get(state, key));
}

static long long generation_of(struct world *w, struct arena *arena)
{
    pd_value state = PD_NULL;
    pd_error err;
    if (w->stage.state.size != 0) {
        assert_int_equal(json_parse(arena, buffer_text(&w->stage.state), &state, &err), PD_OK);
    }
    return number(state, "generation");
}

/* A trigger takes what ID it likes, but one of no time that is due. */
static void model_trigger(struct world *w, const struct starts *got, struct starts *wanted)
{
    struct model *m = &w->model;
    if (!m->is_there) {
        return;
    }
    assert_true(wanted->count < got->count);
    memcpy(wanted->ids[wanted->count], got->ids[wanted->count], sizeof(start_id));
    m->triggered = due_of(wanted->ids[wanted->count]);
    if (is_due(m, m->triggered)) {
        fail_msg("seed %llu: a trigger takes the ID of a time that is due",
                 (unsigned long long)w->seed);
    }
    wanted->count++;
    m->started++;
    w->triggers++;
}

static void model_pause(struct model *m, long long now, bool is_paused, struct starts *wanted)
{
    if (m->is_there && m->is_paused != is_paused) {
        model_end_plan(m, now, false, wanted);
        m->is_paused = is_paused;
    }
}

static void model_order(struct world *w, const struct order *order, const struct starts *got,
                        struct starts *wanted)
{
    struct model *m = &w->model;
    if (strcmp(order->op, "put") == 0) {
        model_put(m, w->stage.now, &order->terms, order->is_paused, wanted);
    } else if (strcmp(order->op, "pause") == 0 || strcmp(order->op, "resume") == 0) {
        model_pause(m, w->stage.now, order->op[0] == 'p', wanted);
    } else if (strcmp(order->op, "trigger") == 0) {
        model_trigger(w, got, wanted);
    } else if (strcmp(order->op, "delete") == 0) {
        *m = (struct model){ 0 };
        w->all.count = w->run_count = 0;
        w->stage.generation = 0;
    } else if (strcmp(order->op, "ended") == 0) {
        size_t size = strlen(m->running);
        if (m->is_there && size > 0 && strncmp(order->payload + 1, m->running, size) == 0 &&
            order->payload[size + 1] == '"') {
            model_unbuffer(m, wanted);
        }
    } else if (!m->is_paused) {
        model_settle(m, w->stage.now, true, false, wanted);
    }
}

/* M1, M3. */
static void compare(struct world *w, struct arena *arena)
{
    struct model *m = &w->model;
    pd_value state;
    pd_error err;
    assert_int_equal(m->is_there, w->stage.state.size != 0);
    if (!m->is_there) {
        return;
    }
    assert_int_equal(json_parse(arena, buffer_text(&w->stage.state), &state, &err), PD_OK);
    const struct {
        const char *key;
        long long wanted;
    } rows[] = { { "started", m->started },
                 { "skipped", m->skipped },
                 { "late", m->late },
                 { "buffered", m->buffered } };
    for (int i = 0; i < 4; i++) {
        if (number(state, rows[i].key) != rows[i].wanted) {
            fail_msg("seed %llu: %s is %lld, not %lld", (unsigned long long)w->seed, rows[i].key,
                     number(state, rows[i].key), rows[i].wanted);
        }
    }
    long long farthest = m->met > m->terms.begins ? m->met : m->terms.begins;
    long long next = m->is_paused ? 0 : model_next(m, m->met, farthest + 60000);
    const char *status = m->is_paused ? "paused" : next != 0 ? "active" : "over";
    assert_string_equal(pd_text(pd_get(state, "status")), status);
    assert_int_equal(number(state, "next"), next);
    assert_string_equal(pd_text(pd_get(state, "running")), m->running);
    bool has_signal = next == 0;
    for (int i = 0; i < w->stage.signal_count; i++) {
        has_signal |= w->stage.signals[i].at <= next &&
                      strtoll(w->stage.signals[i].payload, NULL, 10) == number(state, "generation");
    }
    if (!has_signal) {
        fail_msg("seed %llu: nothing wakes it at %lld", (unsigned long long)w->seed, next);
    }
}

/* H2, told from outside: a signal of an earlier plan. */
static bool is_stale(struct world *w, struct arena *arena)
{
    return strcmp(w->order.op, "due") == 0 &&
           (!w->model.is_there || strtoll(w->order.payload, NULL, 10) != generation_of(w, arena));
}

static void operate(struct world *w)
{
    static struct starts got, wanted;
    struct arena arena;
    struct entity_result result;
    got.count = wanted.count = 0;
    arena_init(&arena);
    while (chance(w, 6)) { /* it dies before that is committed */
        run(w, &arena, &result);
        w->deaths++;
        w->stage.now += (below(w, 9) - 2) * STEP;
    }
    run(w, &arena, &result);
    bool is_ignored = is_stale(w, &arena);
    commit(w, &result, &got);
    if (!is_ignored) {
        model_order(w, &w->order, &got, &wanted);
    }
    for (int i = 0; i < wanted.count || i < got.count; i++) {
        if (i >= wanted.count || i >= got.count || strcmp(wanted.ids[i], got.ids[i]) != 0) {
            fail_msg("seed %llu: of '%s' start %d is %s, not %s", (unsigned long long)w->seed,
                     w->order.op, i, i < got.count ? got.ids[i] : "none",
                     i < wanted.count ? wanted.ids[i] : "none");
        }
    }
    compare(w, &arena);
    arena_done(&arena);
}

static void move_clock(struct world *w)
{
    if (chance(w, 10)) {
        w->stage.now += below(w, 1600) * STEP; /* nothing ran */
    } else if (chance(w, 10)) {
        w->stage.now -= below(w, 80) * STEP;
    } else if (!chance(w, 3)) {
        w->stage.now += below(w, 9) * STEP;
    }
}

static void play_world(struct world *w)
{
    while (w->seed % 2 == 0 && w->model.started < 5 && !w->model.is_there) {
        order_put(w); /* half of the worlds begin with one */
        operate(w);
    }
    for (int turn = 0; turn < TURNS; turn++) {
        move_clock(w);
        bool is_busy = chance(w, 3); /* and an order comes before what is due */
        if (is_busy || !order_due(w)) {
            if (!is_busy && !chance(w, 3)) {
                continue;
            }
            order_any(w);
        }
        operate(w);
    }
    while (order_due(w)) { /* until nothing is due any more */
        operate(w);
    }
    if (w->model.is_there && !w->model.is_paused) {
        assert_int_equal(model_next(&w->model, w->model.met, w->stage.now), 0);
    }
}

static void each_time_that_is_due_is_started_once_or_counted_whatever_comes(void **state)
{
    (void)state;
    static struct world w;
    const char *only = getenv("PD_SEED"), *many = getenv("PD_SEEDS");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t count = only != NULL ? 1 : many != NULL ? strtoull(many, NULL, 10) : SEEDS;
    long long starts = 0, deaths = 0, triggers = 0;
    for (uint64_t seed = first; seed < first + count; seed++) {
        w = (struct world){ .seed = seed };
        stage_begin(&w.stage, seed);
        play_world(&w);
        stage_end(&w.stage);
        starts += w.starts;
        deaths += w.deaths;
        triggers += w.triggers;
    }
    print_message("%llu worlds: %lld starts, %lld of them triggered, %lld deaths\n",
                  (unsigned long long)count, starts, triggers, deaths);
    assert_true(only != NULL || (starts > 0 && deaths > 0 && triggers > 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_time_that_is_due_is_started_once_or_counted_whatever_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
