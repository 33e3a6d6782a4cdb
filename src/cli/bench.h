/* SPDX-License-Identifier: MIT
 *
 * What the benchmarks share: a place for files, the raw SQLite run, numbers and machine facts.
 *
 *   B1  A benchmark measures what it is compared with in the same run, on the same file system.
 *   B2  It checks every output: one that computes garbage fails instead of being fast.
 *   B3  Its files are new, and gone when it ends, also by Ctrl-C; those of --store stay.
 */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "output.h"

/* ---- bench.c: files, machine, numbers ---- */

struct bench_place {
    char folder[1024]; /* of a temporary store; empty for --store */
    char store[1200];  /* the store's file */
    char raw[1200];    /* the file of the raw run */
    char url[1216];
};

/* Makes one; a problem otherwise. run tells runs with --repeat apart. */
int bench_place_make(const struct invocation *in, int64_t run, struct bench_place *ret);
void bench_place_remove(struct bench_place *place);
int64_t bench_bytes_of(const char *file); /* with its -wal */

double bench_cpu_seconds(void);     /* of this process, user and system */
double bench_machine_seconds(void); /* of everything that runs here */

/* The URL of --hub, when a server has that hub; NULL: the benchmark makes a file of its own. */
const char *bench_served_hub(const struct invocation *in);

int64_t bench_resident_bytes(void);
int64_t bench_resident_peak(void);     /* the most there was since ... */
bool bench_resident_peak_forget(void); /* ... this; false: the system does not forget it */

struct samples {
    double *at;
    size_t count, room;
};
void samples_add(struct samples *s, double sample);
/* The p-th of 100, by nearest rank; sorts. 0 when there is none. */
double samples_percentile(struct samples *s, double p);
void samples_done(struct samples *s);

/* Progress: one line on stderr, rewritten, and only when a person is there to see it. */
__attribute__((format(printf, 2, 3))) void bench_progress(const struct invocation *in,
                                                          const char *format, ...);
void bench_progress_end(const struct invocation *in);

/* ---- results ---- */

struct result_row {
    const char *key, *title; /* title NULL: not in a table */
    bool brief;              /* also in the table of several runs */
};

/* Prints cells[0..rows) of each run; the last column is the last run's rate over the first's. */
int bench_report(const struct invocation *in, const char *bench, const struct result_row *rows,
                 size_t row_count,
                 int (*run)(struct invocation *in, const struct bench_place *place,
                            struct cell *cells),
                 size_t rate_at);

/* ---- bench_raw.c ---- */

struct blob {
    void *at;
    size_t size;
};

/* The stored events of an instance, each by itself, read from the store's file. */
struct stored_events {
    struct blob events[256];
    size_t count, bytes, turns;
};
int stored_events_read(const char *file, const char *instance_id, struct stored_events *ret);
void stored_events_done(struct stored_events *events);

struct raw;
int raw_open(const char *file, struct raw **ret);
void raw_close(struct raw *raw);
/* Inserts for so long, 500 rows to a commit, ending with a commit. *ret_rows grows. */
int raw_insert(struct raw *raw, const struct stored_events *events, int64_t ns, int64_t *ret_rows);
/* Before commits of one row are measured. */
int raw_warm_up(struct raw *raw, const struct blob *row);
/* One commit of one row; how long it took. */
int raw_commit_one(struct raw *raw, const struct blob *row, int64_t *ret_ns);
const char *raw_version(void);

#endif
