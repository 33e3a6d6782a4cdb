/* SPDX-License-Identifier: MIT
 *
 * What a store costs, apart from the engine: the rows of many concurrent orchestrations of six
 * turns, committed as the engine does, beside raw inserts of their single events.
 *
 *   bench_store [--folder DIR] [--seconds S] [--concurrent N] [--batch N] [--runs N]
 *               [--entities N] [--state BYTES]
 *
 * Each commit appends one row of history (250 bytes) to `batch` of `concurrent` instances, in
 * turn; the first turn comes with the insert of its instance, the sixth with its end. `raw` are
 * the eighteen events of such an orchestration, one row each, 500 to a commit. Prints rates and
 * CPU time per orchestration, and what a checkpoint adds to the longest commit.
 *
 * With --entities there are entities instead: each commit puts the next `batch` of N (so all of
 * them when N is not more), first with a state of BYTES; then what keeps the state and changes the
 * lock, which of every two puts one takes and the next gives back. Prints puts a second, also over
 * raw inserts; and what a query takes that passes all of them and finds none, as one for what is
 * too old does. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "store/store.h"

enum { TURNS = 6, EVENTS = 18, HISTORY_BYTES = 250 };

struct options {
    const char *folder;
    double seconds;
    unsigned concurrent, batch, runs, entities, state;
};

struct result {
    double wall, cpu, commit_max;
    uint64_t orchestrations, rows;
};

static char noise[1 << 20];

static double clock_seconds(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void must(bool fine, const char *text)
{
    if (!fine) {
        (void)fprintf(stderr, "bench_store: %s\n", text);
        exit(1);
    }
}

/* ---- raw ------------------------------------------------------------------------------------- */

static struct result run_raw(const struct options *options)
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *begin, *insert, *commit;
    struct result result = { 0 };
    uint64_t rows = 0;
    (void)snprintf(path, sizeof path, "%s/raw.db", options->folder);
    (void)unlink(path);
    must(sqlite3_open(path, &db) == SQLITE_OK &&
             sqlite3_exec(db,
                          "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                          "CREATE TABLE event(id INTEGER PRIMARY KEY, data BLOB)",
                          NULL, NULL, NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &begin, NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(db, "INSERT INTO event(data) VALUES(?1)", -1, &insert, NULL) ==
                 SQLITE_OK &&
             sqlite3_prepare_v2(db, "COMMIT", -1, &commit, NULL) == SQLITE_OK,
         "raw: cannot prepare");
    double start = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    while (clock_seconds(CLOCK_MONOTONIC) - start < options->seconds) {
        must(sqlite3_step(begin) == SQLITE_DONE && sqlite3_reset(begin) == SQLITE_OK, "raw: begin");
        for (int i = 0; i < 500; i++, rows++) {
            (void)sqlite3_bind_blob(insert, 1, noise + i, 60 + (int)(rows % 91), SQLITE_STATIC);
            must(sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK,
                 "raw: insert");
        }
        must(sqlite3_step(commit) == SQLITE_DONE && sqlite3_reset(commit) == SQLITE_OK,
             "raw: commit");
    }
    result.wall = clock_seconds(CLOCK_MONOTONIC) - start;
    result.cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    result.rows = rows;
    result.orchestrations = rows / EVENTS;
    (void)sqlite3_finalize(begin);
    (void)sqlite3_finalize(insert);
    (void)sqlite3_finalize(commit);
    (void)sqlite3_close(db);
    return result;
}

/* ---- the store ------------------------------------------------------------------------------- */

struct workload {
    struct store *store;
    struct ownership ownership;
    uint64_t row_next, batches, orchestrations, puts, rounds;
    unsigned at;
    struct {
        uint64_t row, turn;
    } * instances;
    double commit_max;
};

static void add_record(struct batch *batch, enum mutation_kind kind, uint64_t row,
                       enum run_state state)
{
    struct instance_record *record = arena_alloc(&batch->arena, sizeof *record);
    char *id = arena_printf(&batch->arena, "%016llx%016llx", (unsigned long long)(row * 977),
                            (unsigned long long)(row * UINT64_C(0x9e3779b97f4a7c15)));
    *record = (struct instance_record){
        .row = row,
        .id = text_make(id, 32),
        .execution_id = text_make(id, 32),
        .name = TEXT("HelloCities"),
        .input = TEXT("null"),
        .state = state,
        .is_busy = !run_state_is_final(state),
        .created_at = 1700000000000000 + (time_us)row,
        .updated_at = 1700000000000000 + (time_us)row,
    };
    if (run_state_is_final(state)) {
        record->ended_at = record->updated_at;
        record->output = text_make(noise, 100);
    }
    batch_add(batch, kind, row)->instance = record;
}

static void commit_some(struct workload *load, const struct options *options)
{
    pd_error err;
    struct batch *batch = batch_new(0, load->ownership.epoch, ++load->batches);
    for (unsigned i = 0; i < options->batch; i++) {
        uint64_t *row = &load->instances[load->at].row, *turn = &load->instances[load->at].turn;
        if (*turn == 0) {
            *row = load->row_next++;
            add_record(batch, MUTATION_INSTANCE_INSERT, *row, RUN_RUNNING);
        }
        struct mutation *history = batch_add(batch, MUTATION_HISTORY_APPEND, *row);
        history->number = ++*turn;
        history->bytes = text_make(noise + i % 1000, HISTORY_BYTES);
        if (*turn == TURNS) {
            add_record(batch, MUTATION_INSTANCE_UPDATE, *row, RUN_COMPLETED);
            *turn = 0;
            load->orchestrations++;
        }
        load->at = (load->at + 1) % options->concurrent;
    }
    const struct batch *const batches[] = { batch };
    double start = clock_seconds(CLOCK_MONOTONIC);
    must(load->store->ops->commit(load->store, batches, 1, &err) == PD_OK, err.text);
    load->store->ops->tend(load->store);
    double took = clock_seconds(CLOCK_MONOTONIC) - start;
    load->commit_max = took > load->commit_max ? took : load->commit_max;
    batch_free(batch);
}

static struct result run_store(struct workload *load, const struct options *options)
{
    struct result result = { 0 };
    double start = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t before = load->orchestrations;
    load->commit_max = 0;
    while (clock_seconds(CLOCK_MONOTONIC) - start < options->seconds) {
        commit_some(load, options);
    }
    result.wall = clock_seconds(CLOCK_MONOTONIC) - start;
    result.cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    result.orchestrations = load->orchestrations - before;
    result.commit_max = load->commit_max;
    return result;
}

/* ---- entities -------------------------------------------------------------------------------- */

enum putting { PUTS_STATE, PUTS_LOCK };

static void put_some(struct workload *load, const struct options *options, enum putting what)
{
    pd_error err;
    struct batch *batch = batch_new(0, load->ownership.epoch, ++load->batches);
    unsigned count = options->batch < options->entities ? options->batch : options->entities;
    for (unsigned i = 0; i < count; i++) {
        struct entity_record *entity = arena_alloc(&batch->arena, sizeof *entity);
        uint64_t row = load->row_next + load->at;
        char *id = arena_printf(&batch->arena, "@counter@%08llx",
                                (unsigned long long)(row * UINT64_C(0x9e3779b9) & 0xffffffff));
        bool is_locked = what == PUTS_LOCK && load->rounds % 2 == 0;
        *entity = (struct entity_record){
            .row = row,
            .id = text_make(id, 17),
            .updated_at = 1700000000000000 + (time_us)++load->puts,
            .lock_owner = is_locked ? text_make(noise, 32) : TEXT_ABSENT,
            .lock_execution = is_locked ? text_make(noise, 32) : TEXT_ABSENT,
            .lock_section = is_locked ? text_make(noise, 36) : TEXT_ABSENT,
            .state = text_make(noise + load->puts % 1000, options->state),
        };
        struct mutation *put = batch_add(batch, MUTATION_ENTITY_PUT, row);
        put->entity = entity;
        put->keeps_state = what == PUTS_LOCK;
        load->at = (load->at + 1) % options->entities;
        load->rounds += load->at == 0;
    }
    const struct batch *const batches[] = { batch };
    double start = clock_seconds(CLOCK_MONOTONIC);
    must(load->store->ops->commit(load->store, batches, 1, &err) == PD_OK, err.text);
    load->store->ops->tend(load->store);
    double took = clock_seconds(CLOCK_MONOTONIC) - start;
    load->commit_max = took > load->commit_max ? took : load->commit_max;
    batch_free(batch);
}

static void run_entities(struct workload *load, const struct options *options, enum putting what,
                         const struct result *raw)
{
    while (load->rounds == 0) { /* until all of them are there */
        put_some(load, options, PUTS_STATE);
    }
    uint64_t before = load->puts;
    double start = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    load->commit_max = 0;
    while (clock_seconds(CLOCK_MONOTONIC) - start < options->seconds) {
        put_some(load, options, what);
    }
    double wall = clock_seconds(CLOCK_MONOTONIC) - start;
    double puts = (double)(load->puts - before);
    (void)printf("%-8s %9.0f puts/s, %5.2f of raw inserts, %6.2f us wall %6.2f us cpu each"
                 "  longest commit %.1f ms\n",
                 what == PUTS_LOCK ? "lock" : "state", puts / wall,
                 puts / wall / ((double)raw->rows / raw->wall), wall / puts * 1e6,
                 (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / puts * 1e6,
                 load->commit_max * 1e3);
    (void)fflush(stdout);
}

static void pass_all(struct workload *load, const struct options *options)
{
    pd_error err;
    struct entity_page page;
    struct arena arena;
    struct entity_query old = {
        .changed_to = 1, .with_empty = true, .limit = 1000, .by_row = true
    };
    arena_init(&arena);
    double start = clock_seconds(CLOCK_MONOTONIC), cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    must(load->store->ops->query_entities(load->store, &old, &arena, &page, &err) == PD_OK &&
             page.count == 0,
         "a query for what is older than all has failed");
    (void)printf("window   %9u entities passed, %.1f ms wall %.1f ms cpu\n", options->entities,
                 (clock_seconds(CLOCK_MONOTONIC) - start) * 1e3,
                 (clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e3);
    arena_done(&arena);
}

static void print(const char *what, const struct result *result)
{
    double count = (double)result->orchestrations;
    (void)printf("%-8s %8.0f orchestrations/s %9.0f events/s %6.2f us wall %6.2f us cpu each", what,
                 count / result->wall, count * EVENTS / result->wall, result->wall / count * 1e6,
                 result->cpu / count * 1e6);
    (void)printf(result->commit_max > 0 ? "  longest commit %.1f ms\n" : "\n",
                 result->commit_max * 1e3);
    (void)fflush(stdout);
}

static unsigned number_of(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct options options = {
        .folder = "/tmp", .seconds = 5, .concurrent = 5000, .batch = 3000, .runs = 1, .state = 20
    };
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--folder") == 0) {
            options.folder = value;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            options.seconds = strtod(value, NULL);
        } else if (strcmp(argv[i], "--concurrent") == 0) {
            options.concurrent = number_of(value);
        } else if (strcmp(argv[i], "--batch") == 0) {
            options.batch = number_of(value);
        } else if (strcmp(argv[i], "--runs") == 0) {
            options.runs = number_of(value);
        } else if (strcmp(argv[i], "--entities") == 0) {
            options.entities = number_of(value);
        } else if (strcmp(argv[i], "--state") == 0) {
            options.state = number_of(value);
        } else {
            must(false, "see the head of bench_store.c for the options");
        }
    }
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (char)('a' + (i * 7919 >> 5) % 26);
    }
    char folder[256], url[300];
    pd_error err;
    (void)snprintf(folder, sizeof folder, "%s/bench_store.XXXXXX", options.folder);
    must(mkdtemp(folder) != NULL, "cannot make a folder");
    options.folder = folder;
    struct result raw = run_raw(&options);
    print("raw", &raw);
    (void)snprintf(url, sizeof url, "sqlite:%s/store.db", folder);
    struct workload load = { .store = store_open(url, &err) };
    must(load.store != NULL, err.text);
    must(load.store->ops->own(load.store, 0, 1, &load.ownership, &err) == PD_OK, err.text);
    load.row_next = load.ownership.row_next;
    load.instances = mem_alloc(options.concurrent * sizeof *load.instances);
    must(options.state <= sizeof noise - 1000, "--state is at most 1047576");
    for (unsigned i = 0; i < options.runs && options.entities != 0; i++) {
        run_entities(&load, &options, PUTS_STATE, &raw);
        run_entities(&load, &options, PUTS_LOCK, &raw);
        pass_all(&load, &options);
    }
    for (unsigned i = 0; i < options.runs && options.entities == 0; i++) {
        struct result result = run_store(&load, &options);
        print("store", &result);
    }
    store_close(load.store);
    mem_free(load.instances);
    char command[300];
    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? 0 : 1;
}
