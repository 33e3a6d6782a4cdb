/* SPDX-License-Identifier: MIT
 *
 * What the benchmarks share; see bench.h.
 */
#include "bench.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* ---- files ---- */

/* What the engine and SQLite may leave beside a file. */
static const char *const suffixes[] = { "", "-wal", "-shm", "-journal", "-lock", "-wake", "-run" };

static struct bench_place *to_remove; /* by the signal handler */

static void remove_files(const char *file)
{
    char path[1300];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        size_t size = strlen(file), more = strlen(suffixes[i]);
        memcpy(path, file, size);
        memcpy(path + size, suffixes[i], more + 1);
        unlink(path);
    }
}

void bench_place_remove(struct bench_place *place)
{
    remove_files(place->raw);
    if (place->folder[0] != 0) {
        remove_files(place->store);
        rmdir(place->folder);
    }
    to_remove = NULL;
}

/* Only calls that a signal handler may make. */
static void interrupted(int number)
{
    if (to_remove != NULL) {
        bench_place_remove(to_remove);
    }
    _exit(128 + number);
}

static bool is_in_memory(const char *folder)
{
    struct statfs fs;
    return statfs(folder, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

int bench_place_make(const struct invocation *in, int64_t run, struct bench_place *ret)
{
    static const char scheme[] = "sqlite:";
    const char *store = in->options.store;
    *ret = (struct bench_place){ .folder = "" };
    if (store != NULL) {
        store += strncmp(store, scheme, sizeof scheme - 1) == 0 ? sizeof scheme - 1 : 0;
        char number[24] = "";
        if (in->options.repeat > 1) {
            snprintf(number, sizeof number, ".%lld", (long long)run);
        }
        if (strlen(store) > 1000) {
            return problem(CODE_USAGE, NULL, "--store: the path is too long");
        }
        snprintf(ret->store, sizeof ret->store, "%s%s", store, number);
        if (access(ret->store, F_OK) == 0) {
            return problem(CODE_CONFLICT, "a benchmark makes a new store",
                           "--store: '%s' exists already", ret->store);
        }
        snprintf(ret->raw, sizeof ret->raw, "%.1100s.raw", ret->store);
    } else {
        const char *tmp = getenv("TMPDIR");
        const char *folder = tmp != NULL && *tmp != 0 && !is_in_memory(tmp) ? tmp : ".";
        if (is_in_memory(folder)) {
            folder = "/var/tmp";
        }
        snprintf(ret->folder, sizeof ret->folder, "%.990s/perdure-bench-XXXXXX", folder);
        if (mkdtemp(ret->folder) == NULL) {
            return problem(CODE_OTHER, "name a file with --store", "bench: no files in '%s': %s",
                           folder, strerror(errno));
        }
        snprintf(ret->store, sizeof ret->store, "%s/store.db", ret->folder);
        snprintf(ret->raw, sizeof ret->raw, "%s/raw.db", ret->folder);
    }
    snprintf(ret->url, sizeof ret->url, "sqlite:%s", ret->store);
    to_remove = ret;
    signal(SIGINT, interrupted);
    signal(SIGTERM, interrupted);
    return CODE_DONE;
}

int64_t bench_bytes_of(const char *file)
{
    char wal[1300];
    struct stat found;
    int64_t bytes = stat(file, &found) == 0 ? found.st_size : 0;
    snprintf(wal, sizeof wal, "%s-wal", file);
    return bytes + (stat(wal, &found) == 0 ? found.st_size : 0);
}

/* ---- numbers ---- */

/* A number of kB of /proc/self/status, in bytes; 0: not there. */
static int64_t status_bytes(const char *key)
{
    char line[256];
    int64_t kb = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kb = strtoll(line + strlen(key), NULL, 10);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kb * 1024;
}

int64_t bench_resident_bytes(void)
{
    return status_bytes("VmRSS:");
}

int64_t bench_resident_peak(void)
{
    return status_bytes("VmHWM:");
}

bool bench_resident_peak_forget(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");
    bool ok = file != NULL && fputs("5", file) >= 0;
    return file != NULL && fclose(file) == 0 && ok;
}

double bench_cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

double bench_machine_seconds(void)
{
    long long user = 0, nice = 0, system = 0;
    FILE *file = fopen("/proc/stat", "re");
    if (file != NULL) {
        if (fscanf(file, "cpu %lld %lld %lld", &user, &nice, &system) != 3) {
            user = nice = system = 0;
        }
        fclose(file);
    }
    return (double)(user + nice + system) / (double)sysconf(_SC_CLK_TCK);
}

const char *bench_served_hub(const struct invocation *in)
{
    const char *hub = in->options.hub;
    bool is_served = hub != NULL && (strncmp(hub, "grpc", 4) == 0 || strchr(hub, '=') != NULL);
    return is_served && strncmp(hub, "sqlite:", 7) != 0 && strncmp(hub, "memory:", 7) != 0 ? hub
                                                                                           : NULL;
}

void samples_add(struct samples *s, double sample)
{
    if (s->count == s->room) {
        size_t room = s->room != 0 ? s->room * 2 : 1024;
        double *at = realloc(s->at, room * sizeof *at);
        if (at == NULL) {
            return; /* the percentiles are then of fewer */
        }
        s->at = at;
        s->room = room;
    }
    s->at[s->count++] = sample;
}

static int by_size(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

double samples_percentile(struct samples *s, double p)
{
    if (s->count == 0) {
        return 0;
    }
    qsort(s->at, s->count, sizeof *s->at, by_size);
    size_t rank = (size_t)((double)s->count * p / 100.0);
    return s->at[rank < s->count ? rank : s->count - 1];
}

void samples_done(struct samples *s)
{
    free(s->at);
    *s = (struct samples){ 0 };
}

/* ---- progress ---- */

static bool is_watched(const struct invocation *in)
{
    return !in->options.quiet && isatty(STDERR_FILENO);
}

void bench_progress(const struct invocation *in, const char *format, ...)
{
    static int64_t last;
    int64_t now = clock_mono_ns();
    if (!is_watched(in) || now - last < 100000000) {
        return;
    }
    last = now;
    va_list arguments;
    va_start(arguments, format);
    fputs("\r", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\033[K", stderr);
    va_end(arguments);
}

void bench_progress_end(const struct invocation *in)
{
    if (is_watched(in)) {
        fputs("\r\033[K", stderr);
    }
}

/* ---- the machine and the report ---- */

static void cpu_model(char *ret, size_t size)
{
    char line[256];
    snprintf(ret, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && value != NULL) {
            value[strcspn(value, "\n")] = 0;
            snprintf(ret, size, "%s", value + 2);
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static const char *file_system_of(const char *path)
{
    struct statfs fs;
    if (statfs(path, &fs) != 0) {
        return "unknown";
    }
    switch ((unsigned long)fs.f_type) {
    case EXT4_SUPER_MAGIC: return "ext4";
    case BTRFS_SUPER_MAGIC: return "btrfs";
    case XFS_SUPER_MAGIC: return "xfs";
    case OVERLAYFS_SUPER_MAGIC: return "overlay";
    case TMPFS_MAGIC: return "tmpfs";
    default: return "other";
    }
}

static const struct column machine_columns[] = {
    { "version", NULL, 0 },     { "cpus", NULL, 0 },   { "cpu", NULL, 0 },
    { "memoryBytes", NULL, 0 }, { "kernel", NULL, 0 }, { "fileSystem", "file system", 0 },
    { "sqlite", NULL, 0 },
};

enum { MACHINE = sizeof machine_columns / sizeof machine_columns[0], CELLS_MAX = 40 };

struct machine {
    char cpu[128];
    struct utsname kernel;
};

static void machine_fill(struct machine *m, const struct bench_place *place, struct cell *cells)
{
    cpu_model(m->cpu, sizeof m->cpu);
    uname(&m->kernel);
    cells[0] = cell_text(pd_version());
    cells[1] = cell_int(sysconf(_SC_NPROCESSORS_ONLN));
    cells[2] = cell_text(m->cpu);
    cells[3] = cell_int((int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGE_SIZE));
    cells[4] = cell_text(m->kernel.release);
    cells[5] = cell_text(file_system_of(place->folder[0] != 0 ? place->folder : place->store));
    cells[6] = cell_text(raw_version());
}

/* Columns: bench, the run's number, what was measured, the machine, last over first. */
static size_t make_columns(const struct result_row *rows, size_t row_count, bool many,
                           struct column *ret)
{
    size_t n = 0;
    ret[n++] = (struct column){ "bench", many ? NULL : "bench", COLUMN_ID };
    ret[n++] = (struct column){ "run", many ? "run" : NULL, COLUMN_RIGHT };
    for (size_t i = 0; i < row_count; i++) {
        bool shown = !many || rows[i].brief;
        ret[n++] = (struct column){ rows[i].key, shown ? rows[i].title : NULL, COLUMN_RIGHT };
    }
    for (size_t i = 0; i < MACHINE; i++) {
        ret[n] = machine_columns[i];
        ret[n].title = many ? NULL : ret[n].title;
        n++;
    }
    ret[n++] = (struct column){ "lastOverFirst", many ? "last/first" : NULL, COLUMN_RIGHT };
    return n;
}

int bench_report(const struct invocation *in, const char *bench, const struct result_row *rows,
                 size_t row_count,
                 int (*run)(struct invocation *in, const struct bench_place *place,
                            struct cell *cells),
                 size_t rate_at)
{
    int64_t runs = in->options.repeat > 0 ? in->options.repeat : 1;
    struct column columns[CELLS_MAX];
    size_t count = make_columns(rows, row_count, runs > 1, columns);
    struct output *out =
        output_begin(&in->options, runs > 1 ? OUTPUT_MANY : OUTPUT_ONE, columns, count);
    double first = 0;
    int code = CODE_DONE;
    for (int64_t i = 1; i <= runs && code == CODE_DONE; i++) {
        struct cell cells[CELLS_MAX] = { cell_text(bench), cell_int(i) };
        struct machine machine;
        struct bench_place place;
        struct invocation again = *in;
        code = bench_place_make(in, i, &place);
        if (code != CODE_DONE) {
            break;
        }
        code = run(&again, &place, cells + 2);
        bench_progress_end(in);
        machine_fill(&machine, &place, cells + 2 + row_count);
        bench_place_remove(&place);
        double rate = cells[2 + rate_at].real;
        first = i == 1 ? rate : first;
        cells[count - 1] = runs > 1 && i == runs ? cell_real(rate / first) : cell_none();
        if (code == CODE_DONE) {
            output_row(out, cells);
        }
    }
    return output_end(out, code);
}
