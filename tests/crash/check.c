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

#include "crash.h"

/* ---- sets of lines ---- */

struct lines {
    char **at;
    size_t count, room;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_add(struct lines *lines, const char *text)
{
    if (lines->count == lines->room) {
        lines->room = lines->room != 0 ? lines->room * 2 : 1024;
        lines->at = realloc(lines->at, lines->room * sizeof *lines->at);
        if (lines->at == NULL) {
            abort();
        }
    }
    lines->at[lines->count++] = strdup(text);
}

/* Lines that begin with the word, without it; "" takes whole lines. Sorted, each once. */
static struct lines lines_read(const char *file, const char *word, size_t *ret_all)
{
    struct lines lines = { 0 };
    char line[1300];
    FILE *from = fopen(file, "re");
    while (from != NULL && fgets(line, sizeof line, from) != NULL) {
        size_t size = strlen(word);
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, word, size) == 0) {
            lines_add(&lines, line + size);
        }
    }
    if (from != NULL) {
        fclose(from);
    }
    *ret_all = lines.count;
    qsort(lines.at, lines.count, sizeof *lines.at, by_text);
    size_t kept = 0;
    for (size_t i = 0; i < lines.count; i++) {
        if (kept > 0 && strcmp(lines.at[kept - 1], lines.at[i]) == 0) {
            free(lines.at[i]);
        } else {
            lines.at[kept++] = lines.at[i];
        }
    }
    lines.count = kept;
    return lines;
}

static bool lines_have(const struct lines *lines, const char *text)
{
    return lines->count > 0 &&
           bsearch(&text, lines->at, lines->count, sizeof *lines->at, by_text) != NULL;
}

static void lines_done(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->at[i]);
    }
    free(lines->at);
}

/* ---- findings ---- */

enum { PATIENCE_MS = 40000 };

enum finding {
    ACKNOWLEDGED_STARTS_COMPLETED,
    OTHERS_WHOLE_OR_NOT_AT_ALL,
    RESULTS_ONCE_IN_HISTORY,
    ACTIVITIES_RAN,
    NOTHING_RAN_UNASKED,
    ACKNOWLEDGED_EVENTS_DELIVERED,
    NOTHING_ELSE_IN_THE_STORE,
    STORE_IS_SOUND,
    FINDINGS
};

static const char *const sentences[FINDINGS] = {
    "every acknowledged start completed with the right output",
    "every other start exists whole or not at all",
    "each step has exactly one result in history",
    "each activity ran at least once",
    "no activity ran that no history asked for",
    "every acknowledged event was delivered",
    "nothing else is in the store",
    "the file is sound",
};

struct check {
    const struct crash_place *place;
    pd_hub *hub;
    struct lines tried, acked, raised, runs, asked;
    size_t starts, run_count, found;
    int64_t patience_ms; /* for all waits together: a failure must not take for ever */
    unsigned wrong[FINDINGS];
};

static void __attribute__((format(printf, 3, 4)))
find(struct check *c, enum finding finding, const char *format, ...)
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

/* Every TaskScheduled and TimerCreated is answered once; the frame of the whole is there once. */
static void check_history(struct check *c, const char *id, const char *execution)
{
    enum { STEPS = 64 };
    int answers[STEPS] = { 0 }, asks[STEPS] = { 0 }, frame = 0;
    pd_error err;
    PD_AUTO(pd_history) history = pd_hub_fetch_history(c->hub, id, &err);
    if (history == NULL) {
        find(c, RESULTS_ONCE_IN_HISTORY, "%s has no history: %s", id, err.text);
        return;
    }
    for (size_t i = 0; i < pd_history_count(history); i++) {
        const pd_history_event *e = pd_history_at(history, i);
        if (strcmp(e->kind, "TaskScheduled") == 0 && e->event_id >= 0 && e->event_id < STEPS) {
            char key[160];
            snprintf(key, sizeof key, "%s:%04x", execution, (unsigned)e->event_id);
            lines_add(&c->asked, key);
            if (!lines_have(&c->runs, key)) {
                find(c, ACTIVITIES_RAN, "%s of %s did not", key, id);
            }
            asks[e->event_id]++;
        } else if (strcmp(e->kind, "TimerCreated") == 0 && e->event_id < STEPS) {
            asks[e->event_id]++;
        } else if (e->step >= 0 && e->step < STEPS) {
            answers[e->step]++;
        }
        frame += strcmp(e->kind, "ExecutionStarted") == 0 ? 1 : 0;
        frame += strcmp(e->kind, "ExecutionCompleted") == 0 ? 100 : 0;
    }
    for (int i = 0; i < STEPS; i++) {
        if (asks[i] > 1 || answers[i] != asks[i]) {
            find(c, RESULTS_ONCE_IN_HISTORY, "step %d of %s: asked %d times, answered %d", i, id,
                 asks[i], answers[i]);
        }
    }
    if (frame != 101) {
        find(c, RESULTS_ONCE_IN_HISTORY, "%s: begun %d times, ended %d", id, frame % 100,
             frame / 100);
    }
}

static void check_start(struct check *c, const char *id)
{
    bool acked = lines_have(&c->acked, id);
    enum finding finding = acked ? ACKNOWLEDGED_STARTS_COMPLETED : OTHERS_WHOLE_OR_NOT_AT_ALL;
    int64_t expected = 0;
    char output[32];
    pd_error err;
    PD_AUTO(pd_instance) instance = wait_for(c, id, &err);
    if (instance == NULL) {
        if (acked || err.status != PD_E_NOT_FOUND) {
            find(c, finding, "%s: %s", id, err.text);
        }
        return;
    }
    c->found++;
    crash_expected(id, &expected);
    snprintf(output, sizeof output, "%" PRId64, expected);
    if (pd_instance_state(instance) != PD_RUN_COMPLETED ||
        strcmp(pd_instance_output_json(instance), output) != 0) {
        find(c, finding, "%s ended %s with %s instead of %s", id,
             pd_run_state_name(pd_instance_state(instance)), pd_instance_output_json(instance),
             output);
    }
    check_history(c, id, pd_instance_execution_id(instance));
}

/* ---- all ---- */

/* Those whose event was acknowledged have to end without another; the others get theirs now. */
static void check_events(struct check *c)
{
    for (size_t i = 0; i < c->raised.count; i++) {
        pd_error err;
        PD_AUTO(pd_instance) done = wait_for(c, c->raised.at[i], &err);
        if (done == NULL) {
            find(c, ACKNOWLEDGED_EVENTS_DELIVERED, "%s: %s", c->raised.at[i], err.text);
        }
    }
    for (size_t i = 0; i < c->tried.count; i++) {
        const char *id = c->tried.at[i];
        pd_error err;
        if (crash_awaits_event(id) && !lines_have(&c->raised, id)) {
            pd_status status = pd_hub_raise_event(c->hub, id, "Go", crash_event_data(id), &err);
            if (status != PD_OK && status != PD_E_STATE &&
                (status != PD_E_NOT_FOUND || lines_have(&c->acked, id))) {
                find(c, ACKNOWLEDGED_STARTS_COMPLETED, "event for %s: %s", id, err.text);
            }
        }
    }
}

static void check_strangers(struct check *c)
{
    char token[2048] = "";
    size_t count = 0;
    pd_error err;
    do {
        pd_query query = { .page_token = *token != 0 ? token : NULL, .page_size = 1000 };
        PD_AUTO(pd_page) page = pd_hub_query(c->hub, &query, &err);
        if (page == NULL) {
            find(c, NOTHING_ELSE_IN_THE_STORE, "%s", err.text);
            return;
        }
        for (size_t i = 0; i < pd_page_count(page); i++, count++) {
            const char *id = pd_instance_id_of(pd_page_at(page, i));
            if (!lines_have(&c->tried, id)) {
                find(c, NOTHING_ELSE_IN_THE_STORE, "%s was never started", id);
            }
        }
        const char *next = pd_page_token(page);
        snprintf(token, sizeof token, "%s", next != NULL ? next : "");
    } while (*token != 0);
    if (count != c->found) {
        find(c, NOTHING_ELSE_IN_THE_STORE, "%zu are listed, %zu were found by id", count, c->found);
    }
    qsort(c->asked.at, c->asked.count, sizeof *c->asked.at, by_text);
    for (size_t i = 0; i < c->runs.count; i++) {
        if (!lines_have(&c->asked, c->runs.at[i])) {
            find(c, NOTHING_RAN_UNASKED, "%s", c->runs.at[i]);
        }
    }
}

static void check_file(struct check *c)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *rows = NULL;
    const char *answer = "cannot be opened";
    if (sqlite3_open_v2(c->place->url + strlen("sqlite:"), &db, SQLITE_OPEN_READONLY, NULL) ==
            SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &rows, NULL) == SQLITE_OK &&
        sqlite3_step(rows) == SQLITE_ROW) {
        answer = (const char *)sqlite3_column_text(rows, 0);
    }
    if (strcmp(answer, "ok") != 0) {
        find(c, STORE_IS_SOUND, "%s", answer);
    }
    sqlite3_finalize(rows);
    sqlite3_close(db);
}

static void check_with_worker(struct check *c)
{
    pd_error err;
    int runs = open(c->place->runs, O_WRONLY | O_APPEND | O_CLOEXEC);
    PD_AUTO(pd_hub) hub = pd_hub_open(c->place->url, &err);
    if (hub == NULL) {
        find(c, STORE_IS_SOUND, "%s", err.text);
        return;
    }
    pd_worker_options options = { .user = &runs };
    PD_AUTO(pd_worker)
    worker = pd_worker_start(hub, crash_program, crash_program_size, &options, &err);
    if (worker == NULL) {
        find(c, STORE_IS_SOUND, "%s", err.text);
        return;
    }
    c->hub = hub;
    check_events(c);
    for (size_t i = 0; i < c->tried.count; i++) { /* everything has to end before runs are read */
        pd_instance_free(wait_for(c, c->tried.at[i], &err));
    }
    c->runs = lines_read(c->place->runs, "", &c->run_count);
    for (size_t i = 0; i < c->tried.count; i++) {
        check_start(c, c->tried.at[i]);
    }
    check_strangers(c);
    close(runs);
}

void crash_check(const struct crash_place *place, unsigned *passed, unsigned *failed)
{
    struct check c = { .place = place, .patience_ms = PATIENCE_MS };
    size_t acks = 0, raises = 0;
    c.tried = lines_read(place->starts, "try ", &c.starts);
    c.acked = lines_read(place->starts, "ack ", &acks);
    c.raised = lines_read(place->raises, "ack ", &raises);
    check_with_worker(&c);
    check_file(&c);
    printf("%zu starts, %zu acknowledged, %zu found; %zu events acknowledged; %zu activities, "
           "%zu runs\n",
           c.starts, acks, c.found, raises, c.runs.count, c.run_count);
    if (c.found == 0 || c.raised.count == 0) {
        find(&c, ACKNOWLEDGED_STARTS_COMPLETED, "nothing happened");
    }
    for (int i = 0; i < FINDINGS; i++) {
        printf("%s %s\n", c.wrong[i] == 0 ? "ok  " : "FAIL", sentences[i]);
        *passed += c.wrong[i] == 0;
        *failed += c.wrong[i] != 0;
    }
    struct lines *all[] = { &c.tried, &c.acked, &c.raised, &c.runs, &c.asked };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        lines_done(all[i]);
    }
}
