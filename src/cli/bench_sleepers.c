/* SPDX-License-Identifier: MIT
 *
 * bench sleepers: what an instance costs that sleeps for a year, and how soon a killed process is
 * at work again when there are many of them.
 *
 * The work is done in two child processes, one after the other, because the first is killed: it
 * puts N instances to sleep, measures its own resident memory before and after, and waits for
 * SIGKILL. The second opens the same store, and measures until its worker has started and until a
 * newly started HelloCities has completed. The worker keeps few instances in memory, so that what
 * grows is what a sleeper costs, and not the cache of instances.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

enum { COUNT_DEFAULT = 100000, KEPT = 64, WARM_UP = 2000, CHUNK = 1000 };
enum { REST_MS = 2500 }; /* an idle engine gives memory back after a second */

/* What a child found out; written to a pipe in one piece. */
struct finding {
    int code;
    int64_t resident_before, resident_after; /* bytes */
    double seconds;                          /* the first: all asleep; the second: worker started */
    double first_done_seconds;
    int64_t asleep;
};

static pd_result say_hello(pd_activity *a, pd_value city)
{
    return pd_ok(a, pd_format(a, "Hello %s!", pd_text(city)));
}

static pd_result hello_cities(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_list *greetings = pd_list_new(o);
    pd_list_add(greetings, pd_call_activity(o, say_hello, "Tokyo"));
    pd_list_add(greetings, pd_call_activity(o, say_hello, "Seattle"));
    pd_list_add(greetings, pd_call_activity(o, say_hello, "London"));
    return pd_ok(o, greetings);
}

static pd_result sleeper(pd_orchestration *o, pd_value input)
{
    pd_sleep(o, pd_days(365));
    return pd_ok(o, input);
}

static const pd_function program[] = {
    PD_FUNCTION("HelloCities", hello_cities),
    PD_FUNCTION("SayHello", say_hello),
    PD_FUNCTION("Sleeper", sleeper),
};

static int64_t resident_bytes(void)
{
    long long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%lld %lld", &total, &resident) != 2) {
        resident = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return (int64_t)resident * sysconf(_SC_PAGE_SIZE);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static int start_many(pd_hub *hub, const char *name, int64_t count, pd_id *ids)
{
    pd_error err;
    for (int64_t n = 0; n < count; n += CHUNK) {
        size_t size = (size_t)(count - n < CHUNK ? count - n : CHUNK);
        for (size_t i = 0; i < size; i++) {
            ids[i].text[0] = 0;
        }
        if (pd_hub_start_many(hub, name, size, NULL, ids, &err) != PD_OK) {
            return problem_of(&err);
        }
    }
    return CODE_DONE;
}

/* Until none is left that has not had its first turn. */
static int wait_until_all_sleep(pd_hub *hub)
{
    pd_query query = { .states = 1u << PD_RUN_PENDING, .page_size = 1 };
    for (int i = 0; i < 60000; i++) {
        pd_error err;
        PD_AUTO(pd_page) page = pd_hub_query(hub, &query, &err);
        if (page == NULL) {
            return problem_of(&err);
        }
        if (pd_page_count(page) == 0) {
            return CODE_DONE;
        }
        sleep_ms(10);
    }
    return problem(CODE_TIMEOUT, NULL, "bench: the instances do not go to sleep");
}

static int count_sleepers(pd_hub *hub, int64_t *ret)
{
    char token[2048] = "";
    *ret = 0;
    do {
        pd_query query = { .states = 1u << PD_RUN_RUNNING,
                           .name = "Sleeper",
                           .page_token = *token != 0 ? token : NULL,
                           .page_size = 1000 };
        pd_error err;
        PD_AUTO(pd_page) page = pd_hub_query(hub, &query, &err);
        if (page == NULL) {
            return problem_of(&err);
        }
        *ret += (int64_t)pd_page_count(page);
        const char *next = pd_page_token(page);
        snprintf(token, sizeof token, "%s", next != NULL ? next : "");
    } while (*token != 0);
    return CODE_DONE;
}

static int hello(pd_hub *hub)
{
    pd_id id = { "" };
    pd_error err;
    if (pd_hub_start(hub, hello_cities, PD_NULL, NULL, &id, &err) != PD_OK) {
        return problem_of(&err);
    }
    PD_AUTO(pd_instance) done = pd_hub_wait(hub, id.text, pd_minutes(2), &err);
    if (done == NULL) {
        return problem_of(&err);
    }
    if (strcmp(pd_instance_output_json(done),
               "[\"Hello Tokyo!\",\"Hello Seattle!\",\"Hello London!\"]") != 0) {
        return problem(CODE_OTHER, NULL, "bench: HelloCities gave %s",
                       pd_instance_output_json(done));
    }
    return CODE_DONE;
}

/* ---- the children ---- */

static const pd_worker_options few = { .orchestrations_max = KEPT };

static int put_to_sleep(const char *url, int64_t count, int to_parent, struct finding *ret)
{
    static pd_id ids[CHUNK];
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    if (hub == NULL) {
        return problem_of(&err);
    }
    PD_AUTO(pd_worker) worker = pd_worker_start(hub, PD_PROGRAM(program), &few, &err);
    if (worker == NULL) {
        return problem_of(&err);
    }
    int code = start_many(hub, "HelloCities", WARM_UP, ids);
    for (size_t i = 0; i < CHUNK && code == CODE_DONE; i++) {
        PD_AUTO(pd_instance) done = pd_hub_wait(hub, ids[i].text, pd_minutes(2), &err);
        code = done == NULL ? problem_of(&err) : CODE_DONE;
    }
    sleep_ms(REST_MS);
    ret->resident_before = resident_bytes();
    int64_t began = clock_mono_ns();
    code = code == CODE_DONE ? start_many(hub, "Sleeper", count, ids) : code;
    code = code == CODE_DONE ? wait_until_all_sleep(hub) : code;
    ret->seconds = (double)(clock_mono_ns() - began) / 1e9;
    sleep_ms(REST_MS);
    ret->resident_after = resident_bytes();
    ret->code = code;
    /* Killed with everything open and running, so it must not return. */
    while (code == CODE_DONE && write(to_parent, ret, sizeof *ret) == sizeof *ret) {
        pause();
    }
    return code;
}

static int first_child(const char *url, int64_t count, int to_parent)
{
    struct finding found = { .code = CODE_DONE };
    return put_to_sleep(url, count, to_parent, &found);
}

static int second_child(const char *url, int64_t count, int to_parent)
{
    struct finding found = { .code = CODE_DONE };
    pd_error err;
    int64_t began = clock_mono_ns();
    PD_AUTO(pd_hub) hub = pd_hub_open(url, &err);
    PD_AUTO(pd_worker)
    worker = hub != NULL ? pd_worker_start(hub, PD_PROGRAM(program), &few, &err) : NULL;
    if (worker == NULL) {
        return problem_of(&err);
    }
    found.seconds = (double)(clock_mono_ns() - began) / 1e9;
    found.code = hello(hub);
    found.first_done_seconds = (double)(clock_mono_ns() - began) / 1e9;
    found.resident_after = resident_bytes();
    if (found.code == CODE_DONE) {
        found.code = count_sleepers(hub, &found.asleep);
    }
    if (found.code == CODE_DONE && found.asleep != count) {
        found.code = problem(CODE_DAMAGED, NULL, "bench: %lld of %lld sleepers are left",
                             (long long)found.asleep, (long long)count);
    }
    return write(to_parent, &found, sizeof found) == sizeof found ? CODE_DONE : CODE_OTHER;
}

/* Runs one of them, reads what it found, and ends it with SIGKILL. */
static int with_child(int (*run)(const char *url, int64_t count, int to_parent), const char *url,
                      int64_t count, struct finding *ret)
{
    int ends[2];
    fflush(stdout);
    if (pipe(ends) != 0) {
        return problem(CODE_OTHER, NULL, "bench: no pipe: %s", strerror(errno));
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        signal(SIGINT, SIG_DFL); /* the files are the parent's to remove */
        signal(SIGTERM, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(run(url, count, ends[1]));
    }
    close(ends[1]);
    ssize_t got = child > 0 ? read(ends[0], ret, sizeof *ret) : -1;
    close(ends[0]);
    if (child > 0) {
        int status = 0;
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        if (got != sizeof *ret) { /* it has said why, unless it crashed */
            return WIFEXITED(status) ? WEXITSTATUS(status)
                                     : problem(CODE_OTHER, NULL, "bench: a child crashed");
        }
        return ret->code;
    }
    return problem(CODE_OTHER, NULL, "bench: no child: %s", strerror(errno));
}

/* ---- the report ---- */

static const struct result_row rows[] = {
    { "sleepers", "sleepers", false },
    { "secondsToSleep", "seconds until all slept", false },
    { "sleepersPerSecond", "put to sleep/s", true },
    { "residentBytesEach", "resident bytes each", true },
    { "residentBytesBefore", NULL, false },
    { "residentBytesAfter", "resident bytes", false },
    { "secondsToStart", "after SIGKILL: s to worker started", true },
    { "secondsToFirstDone", "after SIGKILL: s to HelloCities done", true },
    { "residentBytesRecovered", "resident bytes after recovery", false },
    { "bytesPerSleeper", "bytes on disk each", false },
};

static int run_once(struct invocation *in, const struct bench_place *place, struct cell *cells)
{
    int64_t count = in->options.count > 0 ? in->options.count : COUNT_DEFAULT;
    struct finding first, second;
    bench_progress(in, "sleepers: %lld go to sleep", (long long)count);
    int code = with_child(first_child, place->url, count, &first);
    if (code != CODE_DONE) {
        return code;
    }
    int64_t bytes = bench_bytes_of(place->store);
    code = with_child(second_child, place->url, count, &second);
    if (code != CODE_DONE) {
        return code;
    }
    int64_t grown = first.resident_after - first.resident_before;
    cells[0] = cell_int(count);
    cells[1] = cell_real(first.seconds);
    cells[2] = cell_real((double)count / first.seconds);
    cells[3] = cell_real((double)grown / (double)count);
    cells[4] = cell_int(first.resident_before);
    cells[5] = cell_int(first.resident_after);
    cells[6] = cell_real(second.seconds);
    cells[7] = cell_real(second.first_done_seconds);
    cells[8] = cell_int(second.resident_after);
    cells[9] = cell_real((double)bytes / (double)count);
    return CODE_DONE;
}

int bench_sleepers(struct invocation *in)
{
    enum { RATE_AT = 2 };
    return bench_report(in, "sleepers", rows, sizeof rows / sizeof rows[0], run_once, RATE_AT);
}
