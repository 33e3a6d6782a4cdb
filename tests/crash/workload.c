/* SPDX-License-Identifier: MIT
 *
 * What gets killed: a worker that also starts instances, and a second process that starts some by
 * way of the mailbox and raises the events that others wait for. See crash.h.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"

enum { FAN = 8, BATCH = 12 };

/* ---- the program ---- */

/* Leaves a trace, then answers with a number that only depends on its input. */
static pd_result work(pd_activity *a, pd_value number)
{
    const int *runs = pd_user(a);
    const char *line = pd_format(a, "%s\n", pd_activity_key(a));
    if (write(*runs, line, strlen(line)) != (ssize_t)strlen(line)) {
        return pd_fail(a, "CannotWrite", "the log of runs");
    }
    return pd_ok(a, 2 * pd_int(number) + 1);
}

static pd_result chain(pd_orchestration *o, pd_value number)
{
    for (int i = 0; i < 4; i++) {
        number = pd_call_activity(o, work, number);
    }
    return pd_ok(o, number);
}

static pd_result fan(pd_orchestration *o, pd_value number)
{
    pd_task *parts[FAN];
    for (int i = 0; i < FAN; i++) {
        parts[i] = pd_start_activity(o, work, pd_int(number) + i);
    }
    pd_await_all(o, parts, FAN);
    int64_t sum = 0;
    for (int i = 0; i < FAN; i++) {
        sum += pd_int(pd_task_value(parts[i]));
    }
    return pd_ok(o, sum);
}

static pd_result nap(pd_orchestration *o, pd_value number)
{
    pd_value first = pd_call_activity(o, work, number);
    pd_sleep(o, pd_milliseconds(20 + pd_int(number) % 60));
    return pd_ok(o, pd_call_activity(o, work, first));
}

static pd_result ask(pd_orchestration *o, pd_value number)
{
    pd_value answer = pd_wait_event(o, "Go");
    return pd_ok(o, pd_call_activity(o, work, pd_int(answer) + pd_int(number)));
}

const pd_function crash_program[] = {
    PD_FUNCTION("chain", chain), PD_FUNCTION("fan", fan),    PD_FUNCTION("nap", nap),
    PD_FUNCTION("ask", ask),     PD_FUNCTION("mail", chain), PD_FUNCTION("Work", work),
};
const size_t crash_program_size = sizeof crash_program / sizeof crash_program[0];

/* ---- what an id says ---- */

static const char *const kinds[] = { "chain", "fan", "nap", "ask", "mail" };

static bool id_read(const char *id, char *kind, int64_t *ret_input)
{
    unsigned round = 0, number = 0;
    int used = 0;
    if (sscanf(id, "%7[a-z]-%u-%u%n", kind, &round, &number, &used) != 3 || id[used] != 0) {
        return false;
    }
    *ret_input = (int64_t)round * 10000 + number;
    return true;
}

bool crash_expected(const char *id, int64_t *ret)
{
    char kind[8];
    int64_t n = 0;
    if (!id_read(id, kind, &n)) {
        return false;
    }
    if (strcmp(kind, "chain") == 0 || strcmp(kind, "mail") == 0) {
        *ret = 16 * n + 15;
    } else if (strcmp(kind, "fan") == 0) {
        *ret = FAN * (2 * n + 1) + FAN * (FAN - 1);
    } else if (strcmp(kind, "nap") == 0) {
        *ret = 4 * n + 3;
    } else if (strcmp(kind, "ask") == 0) {
        *ret = 2 * (crash_event_data(id) + n) + 1;
    } else {
        return false;
    }
    return true;
}

bool crash_awaits_event(const char *id)
{
    return strncmp(id, "ask-", 4) == 0;
}

int64_t crash_event_data(const char *id)
{
    int64_t sum = 0;
    for (const char *p = id; *p != 0; p++) {
        sum = sum * 31 % 1000003 + *p;
    }
    return sum;
}

/* ---- notes ---- */

void crash_note(const char *file, const char *word, const char *id)
{
    char line[128];
    int size = snprintf(line, sizeof line, "%s %s\n", word, id);
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)size) != size) {
        abort();
    }
    close(fd);
}

uint64_t crash_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* ---- the processes ---- */

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static int wrong(const char *what, const pd_error *err)
{
    fprintf(stderr, "crash: %s: %s (%s)\n", what, err->text, err->where);
    return 3;
}

/* Some of one kind: by one call each, or by one call for all. */
static int start_some(const struct crash_place *place, pd_hub *hub, const char *kind,
                      unsigned round, unsigned *number, uint64_t *random)
{
    static pd_id ids[BATCH];
    static pd_value inputs[BATCH];
    size_t count = 1 + crash_random(random) % BATCH;
    bool many = crash_random(random) % 2 == 0;
    for (size_t i = 0; i < count; i++, (*number)++) {
        snprintf(ids[i].text, sizeof ids[i].text, "%s-%u-%u", kind, round, *number);
        inputs[i] = pd_of_int((int64_t)round * 10000 + *number);
        crash_note(place->starts, "try", ids[i].text);
    }
    pd_error err;
    if (many) {
        if (pd_hub_start_many(hub, kind, count, inputs, ids, &err) != PD_OK) {
            return wrong("start many", &err);
        }
    }
    for (size_t i = 0; i < count; i++) {
        pd_start_options options = { .id = ids[i].text };
        if (!many && pd_hub_start(hub, kind, inputs[i], &options, NULL, &err) != PD_OK) {
            return wrong("start", &err);
        }
        crash_note(place->starts, "ack", ids[i].text);
    }
    return 0;
}

int crash_worker(const struct crash_place *place, unsigned round, uint64_t seed)
{
    pd_error err;
    int runs = open(place->runs, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    PD_AUTO(pd_hub) hub = pd_hub_open(place->url, &err);
    if (hub == NULL) {
        return wrong("open", &err);
    }
    pd_worker_options options = { .user = &runs, .threads = 2, .orchestrations_max = 50 };
    PD_AUTO(pd_worker)
    worker = pd_worker_start(hub, crash_program, crash_program_size, &options, &err);
    if (worker == NULL) {
        return wrong("worker", &err);
    }
    unsigned number = 0;
    for (;;) {
        const char *kind = kinds[crash_random(&seed) % 4];
        int code = start_some(place, hub, kind, round, &number, &seed);
        if (code != 0) {
            return code;
        }
        sleep_ms((long)(crash_random(&seed) % 20));
    }
}

/* Raises what is waited for; it may find one twice before the engine has taken the event in. */
static int raise_some(const struct crash_place *place, pd_hub *hub)
{
    pd_error err;
    pd_query query = { .states = 1u << PD_RUN_PENDING | 1u << PD_RUN_RUNNING,
                       .id_prefix = "ask-",
                       .page_size = 10 };
    PD_AUTO(pd_page) page = pd_hub_query(hub, &query, &err);
    if (page == NULL) {
        return wrong("query", &err);
    }
    for (size_t i = 0; i < pd_page_count(page); i++) {
        const char *id = pd_instance_id_of(pd_page_at(page, i));
        pd_status status = pd_hub_raise_event(hub, id, "go", crash_event_data(id), &err);
        if (status == PD_OK) {
            crash_note(place->raises, "ack", id);
        } else if (status != PD_E_STATE) { /* it has ended since: another of ours was delivered */
            return wrong("raise", &err);
        }
    }
    return 0;
}

int crash_second(const struct crash_place *place, unsigned round, uint64_t seed)
{
    pd_error err;
    PD_AUTO(pd_hub) hub = pd_hub_open(place->url, &err);
    if (hub == NULL) {
        return wrong("second open", &err);
    }
    unsigned number = 0;
    for (;;) {
        int code = raise_some(place, hub);
        if (code == 0 && crash_random(&seed) % 3 == 0) {
            code = start_some(place, hub, "mail", round, &number, &seed);
        }
        if (code != 0) {
            return code;
        }
        sleep_ms((long)(crash_random(&seed) % 30));
    }
}
