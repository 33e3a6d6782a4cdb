/* SPDX-License-Identifier: MIT
 *
 * What must be true after the last crash; see crash.h for the files it compares with the store.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/* ---- findings ---- */

enum { PATIENCE_MS = 40000 };

static const char *const sentences[FINDINGS] = {
    "every acknowledged start completed with the right output",
    "every other start exists whole or not at all",
    "each step has exactly one result in history",
    "each activity ran at least once",
    "no activity ran that no history asked for",
    "every acknowledged event was delivered",
    "nothing else is in the store",
    "every acknowledged order took effect, and with it on children",
    "signals take effect once, the acknowledged ones all, in the order of their sender",
    "signals with a time are run once, not before it, and not when they were taken back",
    "every call was answered once, and what failed has done nothing",
    "nobody comes between what is done under locks",
    "nothing is left of entities: no lock, line, timer, or one that is empty",
    "the file is sound",
};

void __attribute__((format(printf, 3, 4)))
crash_find(struct check *c, enum finding finding, const char *format, ...)
{
    enum { SHOWN = 5 };
    if (c->wrong[finding]++ < SHOWN) {
        va_list arguments;
        va_start(arguments, format);
        printf("  %s: ", sentences[finding]);
        vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
    }
}

static pd_instance *wait_for(struct check *c, const char *id, pd_error *err)
{
    enum { EACH_MS = 8000 };
    struct timespec from, to;
    int64_t ms = c->patience_ms < EACH_MS ? c->patience_ms : EACH_MS;
    clock_gettime(CLOCK_MONOTONIC, &from);
    pd_instance *done = pd_hub_wait(c->hub, id, pd_milliseconds(ms), err);
    clock_gettime(CLOCK_MONOTONIC, &to);
    c->patience_ms -= (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
    c->patience_ms = c->patience_ms > 0 ? c->patience_ms : 0;
    return done;
}

/* ---- one instance ---- */

static bool is_step(const pd_history_event *e)
{
    return strcmp(e->kind, "TaskScheduled") == 0 || strcmp(e->kind, "TimerCreated") == 0 ||
           strcmp(e->kind, "SubOrchestrationInstanceCreated") == 0 ||
           strcmp(e->kind, "EntityOperationCalled") == 0 ||
           strcmp(e->kind, "EntityLockRequested") == 0;
}

/* An activity, as it leaves its trace. All attempts of a call have the key of the first. */
static void key_of(char key[160], const char *execution, int step, const char *id)
{
    int first = crash_is_kind(id, "retry") ? 0 : step;
    snprintf(key, 160, "%s:%04x %s", execution, (unsigned)first, id);
}

/* Every step is answered once, or cancelled; the frame of the whole is there once. */
static void check_history(struct check *c, const char *id, const char *execution)
{
    enum { STEPS = 64 };
    int answers[STEPS] = { 0 }, asks[STEPS] = { 0 }, cancels[STEPS] = { 0 }, frame = 0;
    char key[160];
    pd_error err;
    PD_AUTO(pd_history) history = pd_hub_fetch_history(c->hub, id, &err);
    if (history == NULL) {
        crash_find(c, RESULTS_ONCE_IN_HISTORY, "%s has no history: %s", id, err.text);
        return;
    }
    for (size_t i = 0; i < pd_history_count(history); i++) {
        const pd_history_event *e = pd_history_at(history, i);
        if (is_step(e) && e->event_id >= 0 && e->event_id < STEPS) {
            asks[e->event_id]++;
            if (strcmp(e->kind, "TaskScheduled") == 0) {
                key_of(key, execution, e->event_id, id);
                lines_add(&c->asked, key);
            }
        } else if (strcmp(e->kind, "StepCancelled") == 0 && e->step >= 0 && e->step < STEPS) {
            cancels[e->step]++;
        } else if (e->step >= 0 && e->step < STEPS) {
            answers[e->step]++;
        }
        frame += strcmp(e->kind, "ExecutionStarted") == 0 ? 1 : 0;
        frame += strcmp(e->kind, "ExecutionCompleted") == 0 ? 100 : 0;
    }
    for (int i = 0; i < STEPS; i++) {
        bool may_be_open = cancels[i] == 1 || crash_is_kind(id, "grab");
        bool is_over = answers[i] == 1 || (answers[i] == 0 && may_be_open);
        if (asks[i] > 1 || cancels[i] > 1 || (asks[i] == 1 ? !is_over : answers[i] != 0)) {
            crash_find(c, RESULTS_ONCE_IN_HISTORY,
                       "step %d of %s: asked %d times, answered %d, cancelled %d", i, id, asks[i],
                       answers[i], cancels[i]);
        }
        if (cancels[i] != 0) {
            key_of(key, execution, i, id);
            lines_add(&c->cancelled, key);
        }
    }
    if (frame != 101) {
        crash_find(c, RESULTS_ONCE_IN_HISTORY, "%s: begun %d times, ended %d", id, frame % 100,
                   frame / 100);
    }
}

static void check_child(struct check *c, const char *parent, int which, pd_run_state state)
{
    char id[160];
    pd_error err;
    snprintf(id, sizeof id, "%s:%d", parent, which);
    PD_AUTO(pd_instance) child = wait_for(c, id, &err);
    if (child == NULL || pd_instance_state(child) != state) {
        crash_find(c, ORDERS_TOOK_EFFECT, "%s is %s, not %s", id,
                   child != NULL ? pd_run_state_name(pd_instance_state(child)) : err.text,
                   pd_run_state_name(state));
    } else if (state == PD_RUN_COMPLETED) {
        check_history(c, id, pd_instance_execution_id(child));
    }
}

/* It was terminated, and so was its child, if it had come to have one. */
static void check_stopped(struct check *c, const char *id, const pd_instance *instance)
{
    char child[160];
    pd_error err;
    snprintf(child, sizeof child, "%s:0", id);
    PD_AUTO(pd_instance) there = pd_hub_fetch(c->hub, child, &err);
    if (pd_instance_state(instance) != PD_RUN_TERMINATED ||
        strcmp(pd_instance_output_json(instance), "\"over\"") != 0) {
        crash_find(c, ORDERS_TOOK_EFFECT, "%s ended as %s", id,
                   pd_run_state_name(pd_instance_state(instance)));
    }
    if (there != NULL || err.status != PD_E_NOT_FOUND) {
        check_child(c, id, 0, PD_RUN_TERMINATED);
    }
}

/* However it ended, it did so as it should. */
static void check_grab(struct check *c, enum finding finding, const char *id,
                       const pd_instance *instance)
{
    pd_run_state state = pd_instance_state(instance);
    if (state == PD_RUN_TERMINATED && crash_has_order(c->place, "try terminate", id)) {
        return;
    }
    const pd_failure *failure = pd_instance_failure(instance);
    bool is_grabbed = failure != NULL && strcmp(failure->type, "Grabbed") == 0;
    if (state != PD_RUN_COMPLETED && !is_grabbed) {
        crash_find(c, finding, "%s ended %s: %s", id, pd_run_state_name(state),
                   failure != NULL ? failure->message : "");
    }
    check_history(c, id, pd_instance_execution_id(instance));
}

static void check_output(struct check *c, enum finding finding, const char *id,
                         const pd_instance *instance)
{
    int64_t expected = 0;
    char output[32];
    if (crash_is_kind(id, "grab")) {
        check_grab(c, finding, id, instance);
        return;
    }
    if (!crash_expected(id, &expected)) {
        check_stopped(c, id, instance);
        return;
    }
    snprintf(output, sizeof output, "%" PRId64, expected);
    if (pd_instance_state(instance) != PD_RUN_COMPLETED ||
        strcmp(pd_instance_output_json(instance), output) != 0) {
        crash_find(c, finding, "%s ended %s with %s instead of %s", id,
                   pd_run_state_name(pd_instance_state(instance)),
                   pd_instance_output_json(instance), output);
        return;
    }
    check_history(c, id, pd_instance_execution_id(instance));
    for (int i = 0; i < 2 && crash_is_kind(id, "tree"); i++) {
        check_child(c, id, i, PD_RUN_COMPLETED);
    }
}

static void check_start(struct check *c, const char *id)
{
    bool is_acked = lines_have(&c->acked, id) || lines_have(&c->told, id);
    enum finding finding = is_acked ? ACKNOWLEDGED_STARTS_COMPLETED : OTHERS_WHOLE_OR_NOT_AT_ALL;
    pd_error err;
    PD_AUTO(pd_instance) instance = wait_for(c, id, &err);
    if (instance == NULL) {
        bool may_be_gone = !is_acked || lines_have(&c->purges, id);
        if (!may_be_gone || err.status != PD_E_NOT_FOUND) {
            crash_find(c, finding, "%s: %s", id, err.text);
        }
        return;
    }
    c->found++;
    if (lines_have(&c->purged, id)) {
        crash_find(c, ORDERS_TOOK_EFFECT, "%s was purged, and is there", id);
    }
    check_output(c, finding, id, instance);
}

/* ---- all ---- */

static void raise(struct check *c, const char *id, const char *name, int64_t data)
{
    pd_error err;
    pd_status status = pd_hub_raise_event(c->hub, id, name, data, &err);
    if (status != PD_OK && status != PD_E_STATE &&
        (status != PD_E_NOT_FOUND || lines_have(&c->acked, id))) {
        crash_find(c, ACKNOWLEDGED_STARTS_COMPLETED, "event for %s: %s", id, err.text);
    }
}

/* An order that whoever was killed did not come to give. */
static void order(struct check *c, const char *word, const char *id)
{
    pd_error err;
    pd_status status = crash_order(c->place, c->hub, word, id, &err);
    if (status != PD_OK && status != PD_E_STATE &&
        (status != PD_E_NOT_FOUND || lines_have(&c->acked, id))) {
        crash_find(c, ORDERS_TOOK_EFFECT, "%s %s: %s", word, id, err.text);
    }
}

/* How it stands once it can get no further by itself. */
static void rewind_failed(struct check *c, const char *id)
{
    pd_error err;
    if (!crash_has_order(c->place, "ack rewind", id)) {
        PD_AUTO(pd_instance) failed = wait_for(c, id, &err);
        if (failed != NULL && pd_instance_state(failed) == PD_RUN_FAILED) {
            order(c, "rewind", id);
        }
    }
}

/* What was acknowledged is not said again. Loops whose three events were acknowledged, and those
 * whose event was, have to end as they are; the others are helped. */
static void help_all(struct check *c)
{
    for (size_t i = 0; i < c->tried.count; i++) {
        const char *id = c->tried.at[i];
        if (crash_is_kind(id, "ask") && !lines_have(&c->raised, id)) {
            raise(c, id, "Go", crash_event_data(id));
        }
        for (int bit = 0; bit < 3 && crash_is_kind(id, "loop"); bit++) {
            if (!lines_have(&c->ticks[bit], id)) {
                raise(c, id, "Tick", INT64_C(1) << bit);
            }
        }
        if (crash_is_kind(id, "stop") && !crash_has_order(c->place, "ack terminate", id)) {
            order(c, "terminate", id);
        } else if (crash_is_kind(id, "hold")) {
            order(c, "resume", id);
        } else if (crash_is_kind(id, "trip")) {
            rewind_failed(c, id);
        }
    }
}

/* Those whose event was acknowledged have to end without another. */
static void check_events(struct check *c)
{
    for (size_t i = 0; i < c->raised.count; i++) {
        pd_error err;
        PD_AUTO(pd_instance) done = wait_for(c, c->raised.at[i], &err);
        if (done == NULL) {
            crash_find(c, ACKNOWLEDGED_EVENTS_DELIVERED, "%s: %s", c->raised.at[i], err.text);
        }
    }
}

static void check_strangers(struct check *c)
{
    char token[2048] = "";
    size_t count = 0;
    pd_error err;
    do {
        pd_query query = { .page_token = *token != 0 ? token : NULL,
                           .page_size = 1000,
                           .roots_only = true };
        PD_AUTO(pd_page) page = pd_hub_query(c->hub, &query, &err);
        if (page == NULL) {
            crash_find(c, NOTHING_ELSE_IN_THE_STORE, "%s", err.text);
            return;
        }
        for (size_t i = 0; i < pd_page_count(page); i++, count++) {
            const pd_instance *instance = pd_page_at(page, i);
            const char *id = pd_instance_id_of(instance);
            if (strcmp(pd_instance_name(instance), "perdure.call") == 0) {
                count--; /* of one that died: forgotten in an hour, see check_entities.c */
            } else if (!lines_have(&c->tried, id)) {
                crash_find(c, NOTHING_ELSE_IN_THE_STORE, "%s was never started", id);
            }
        }
        const char *next = pd_page_token(page);
        snprintf(token, sizeof token, "%s", next != NULL ? next : "");
    } while (*token != 0);
    if (count != c->found) {
        crash_find(c, NOTHING_ELSE_IN_THE_STORE, "%zu are listed, %zu were found by id", count,
                   c->found);
    }
}

/* Of those that are gone, and of what was cancelled, the runs cannot be told; loops have another
 * execution in the end than in the beginning, which runs nothing. */
static void check_runs(struct check *c)
{
    lines_sort(&c->asked);
    lines_sort(&c->cancelled);
    for (size_t i = 0; i < c->asked.count; i++) {
        const char *key = c->asked.at[i];
        if (!lines_have(&c->runs, key) && !lines_have(&c->cancelled, key)) {
            crash_find(c, ACTIVITIES_RAN, "%s did not", key);
        }
    }
    for (size_t i = 0; i < c->runs.count; i++) {
        const char *key = c->runs.at[i], *id = strchr(key, ' ') + 1;
        if (!lines_have(&c->asked, key) && !lines_have(&c->purges, id)) {
            crash_find(c, NOTHING_RAN_UNASKED, "%s", key);
        }
    }
}

static void check_file(struct check *c)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    const char *answer = "cannot be opened";
    if (sqlite3_open_v2(c->place->db, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &rows, NULL) == SQLITE_OK &&
        sqlite3_step(rows) == SQLITE_ROW) {
        answer = (const char *)sqlite3_column_text(rows, 0);
    }
    if (strcmp(answer, "ok") != 0) {
        crash_find(c, STORE_IS_SOUND, "%s", answer);
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
}

static void check_with_worker(struct check *c)
{
    pd_error err;
    struct crash_user user = { c->place, open(c->place->runs, O_WRONLY | O_APPEND | O_CLOEXEC) };
    PD_AUTO(pd_hub) hub = pd_hub_open(c->place->url, &err);
    if (hub == NULL) {
        crash_find(c, STORE_IS_SOUND, "%s", err.text);
        return;
    }
    size_t count;
    const pd_function *program = crash_program(&count);
    pd_worker_options options = { .user = &user, .crashes_max = 1000000 };
    PD_AUTO(pd_worker)
    worker = pd_worker_start(hub, program, count, &options, &err);
    if (worker == NULL) {
        crash_find(c, STORE_IS_SOUND, "%s", err.text);
        return;
    }
    c->hub = hub;
    check_events(c);
    help_all(c);
    for (size_t i = 0; i < c->tried.count; i++) { /* everything has to end before runs are read */
        pd_instance_free(wait_for(c, c->tried.at[i], &err));
    }
    c->runs = lines_read(c->place->runs, "", &c->run_count);
    for (size_t i = 0; i < c->tried.count; i++) {
        check_start(c, c->tried.at[i]);
    }
    check_strangers(c);
    check_runs(c);
    crash_check_entities(c);
    close(user.runs);
}

void crash_check(const struct crash_place *place, unsigned *passed, unsigned *failed)
{
    struct check c = { .place = place, .patience_ms = PATIENCE_MS };
    size_t acks = 0, raises = 0, orders = 0, all = 0;
    c.tried = lines_read(place->starts, "try ", &c.starts);
    c.acked = lines_read(place->starts, "ack ", &acks);
    c.told = lines_read(place->starts, "told ", &all);
    c.raised = lines_read(place->raises, "ack ", &raises);
    c.ticks[0] = lines_read(place->raises, "ack1 ", &all);
    c.ticks[1] = lines_read(place->raises, "ack2 ", &all);
    c.ticks[2] = lines_read(place->raises, "ack4 ", &all);
    c.purges = lines_read(place->orders, "try purge ", &all);
    c.purged = lines_read(place->orders, "ack purge ", &orders);
    check_with_worker(&c);
    check_file(&c);
    uint64_t random = 1;
    if (crash_look(place, true, &random) != 0) {
        crash_find(&c, STORE_IS_SOUND, "as above");
    }
    printf("%zu starts, %zu acknowledged, %zu found, %zu purged; %zu events acknowledged; "
           "%zu activities, %zu runs\n",
           c.starts, acks, c.found, orders, raises, c.runs.count, c.run_count);
    if (c.found == 0 || c.raised.count == 0) {
        crash_find(&c, ACKNOWLEDGED_STARTS_COMPLETED, "nothing happened");
    }
    for (int i = 0; i < FINDINGS; i++) {
        printf("%s %s\n", c.wrong[i] == 0 ? "ok  " : "FAIL", sentences[i]);
        *passed += c.wrong[i] == 0;
        *failed += c.wrong[i] != 0;
    }
    struct lines *sets[] = { &c.tried,  &c.acked,    &c.raised,    &c.runs,
                             &c.asked,  &c.ticks[0], &c.ticks[1],  &c.ticks[2],
                             &c.purges, &c.purged,   &c.cancelled, &c.told };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        lines_done(sets[i]);
    }
}
