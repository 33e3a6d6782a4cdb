/* SPDX-License-Identifier: MIT
 *
 * What the killed processes run, and what an id says of it: its kind, its input, its output, and
 * what is done to it from outside. See crash.h.
 *
 * Money: a transactional activity moves some between two accounts, in tables of its own in the
 * hub's file. It only ever adds rows of transfers, without a key that would hide that one was made
 * twice.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"

enum { FAN = 8, TICKS = 7, TRANSFERS = 3, BEATS = 5 };

/* ---- the program ---- */

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static void leave_trace(pd_activity *a)
{
    const struct crash_user *user = pd_user(a);
    const char *line = pd_format(a, "%s %s\n", pd_activity_key(a), pd_activity_instance_id(a));
    if (write(user->runs, line, strlen(line)) != (ssize_t)strlen(line)) {
        abort();
    }
}

/* Leaves a trace, then answers with a number that only depends on its input. */
static pd_result work(pd_activity *a, pd_value number)
{
    leave_trace(a);
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

/* Long enough to be found running, and suspended. */
static pd_result hold(pd_orchestration *o, pd_value number)
{
    pd_value first = pd_call_activity(o, work, number);
    pd_sleep(o, pd_milliseconds(400 + pd_int(number) % 400));
    return pd_ok(o, pd_call_activity(o, work, first));
}

static pd_result ask(pd_orchestration *o, pd_value number)
{
    pd_value answer = pd_wait_event(o, "Go");
    return pd_ok(o, pd_call_activity(o, work, pd_int(answer) + pd_int(number)));
}

/* ---- children and executions ---- */

static pd_result leaf(pd_orchestration *o, pd_value number)
{
    return pd_ok(o, pd_call_activity(o, work, pd_call_activity(o, work, number)));
}

static pd_task *start_leaf(pd_orchestration *o, int64_t number, int which)
{
    const char *id = pd_format(o, "%s:%d", pd_instance_id(o), which);
    return pd_start_child(o, leaf, number, .id = id);
}

static pd_result tree(pd_orchestration *o, pd_value number)
{
    pd_task *first = start_leaf(o, pd_int(number), 0);
    pd_task *second = start_leaf(o, pd_int(number) + 1, 1);
    pd_await_all(o, PD_TASKS(first, second));
    return pd_ok(o, pd_int(pd_task_value(first)) + pd_int(pd_task_value(second)));
}

/* An event an execution, until each of three was seen; what comes meanwhile is kept. Its input is
 * the number, and then minus the number with what was seen. */
static pd_result loop(pd_orchestration *o, pd_value input)
{
    int64_t value = pd_int(input);
    int64_t number = value >= 0 ? value : -value / 8;
    int64_t seen = value >= 0 ? 0 : -value % 8;
    seen |= pd_int(pd_wait_event(o, "Tick"));
    if (seen != TICKS) {
        return pd_continue_as_new(o, -(number * 8 + seen));
    }
    return pd_ok(o, number + pd_int(pd_call_activity(o, work, seen)));
}

/* Does nothing until it is terminated, nor does its child. */
static pd_result stop(pd_orchestration *o, pd_value number)
{
    if (pd_parent_id(o) == NULL) {
        (void)pd_start_child(o, stop, number, .id = pd_format(o, "%s:0", pd_instance_id(o)));
    }
    return pd_ok(o, pd_wait_event(o, "Never"));
}

/* ---- activities of other kinds ---- */

/* The first two runs fail, of whichever attempts: all have one key. */
static pd_result flaky(pd_activity *a, pd_value number)
{
    const struct crash_user *user = pd_user(a);
    leave_trace(a);
    size_t runs = crash_count(user->place->runs, pd_activity_key(a), pd_activity_instance_id(a));
    return runs <= 2 ? pd_fail(a, "Flaky", "not yet") : pd_ok(a, 2 * pd_int(number) + 1);
}

static pd_result retry(pd_orchestration *o, pd_value number)
{
    pd_retry gently = { .attempts_max = 5, .delay_first = pd_milliseconds(3) };
    return pd_ok(o, pd_call_activity(o, flaky, number, .retry = &gently));
}

static pd_result slow(pd_activity *a, pd_value number)
{
    leave_trace(a);
    for (int i = 0; i < 200 && !pd_activity_is_cancelled(a); i++) {
        sleep_ms(1);
    }
    return pd_ok(a, number);
}

static pd_result cancel(pd_orchestration *o, pd_value number)
{
    pd_task *task = pd_start_activity(o, slow, number);
    pd_task *timer = pd_start_timer(o, pd_milliseconds(5));
    (void)pd_wait_any(o, PD_TASKS(task, timer));
    pd_cancel(o, task);
    pd_cancel(o, timer);
    return pd_ok(o, pd_call_activity(o, work, number));
}

/* Goes on where the run before, which was killed, had come to. */
static pd_result step_by_step(pd_activity *a, pd_value number)
{
    leave_trace(a);
    for (int64_t at = pd_int(pd_activity_progress(a)); at < BEATS; at++) {
        sleep_ms(1);
        if (!pd_activity_heartbeat(a, at + 1)) {
            break;
        }
    }
    return pd_ok(a, 2 * pd_int(number) + 1);
}

static pd_result beat(pd_orchestration *o, pd_value number)
{
    return pd_ok(o, pd_call_activity(o, step_by_step, number));
}

/* Fails until somebody has at least tried to rewind its instance. */
static pd_result stumble(pd_activity *a, pd_value number)
{
    const struct crash_user *user = pd_user(a);
    leave_trace(a);
    return crash_has_order(user->place, "try rewind", pd_activity_instance_id(a))
               ? pd_ok(a, 2 * pd_int(number) + 1)
               : pd_fail(a, "Stumbled", "nobody has rewound it");
}

static pd_result trip(pd_orchestration *o, pd_value number)
{
    return pd_ok(o, pd_call_activity(o, stumble, number));
}

/* ---- money ---- */

static bool execute(pd_activity *a, const char *sql)
{
    return sqlite3_exec(pd_activity_database(a), sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool transfer(pd_activity *a, int64_t number)
{
    return execute(a, "CREATE TABLE IF NOT EXISTS money_account("
                      " number INTEGER PRIMARY KEY, balance INTEGER NOT NULL);"
                      "CREATE TABLE IF NOT EXISTS money_transfer("
                      " key TEXT NOT NULL, id TEXT NOT NULL, giver INTEGER NOT NULL,"
                      " taker INTEGER NOT NULL, amount INTEGER NOT NULL);"
                      "INSERT OR IGNORE INTO money_account VALUES(0,1000),(1,1000),(2,1000),"
                      "(3,1000),(4,1000),(5,1000),(6,1000),(7,1000),(8,1000),(9,1000)") &&
           execute(a, pd_format(a,
                                "UPDATE money_account SET balance=balance-%d WHERE number=%d;"
                                "UPDATE money_account SET balance=balance+%d WHERE number=%d;"
                                "INSERT INTO money_transfer VALUES('%s','%s',%d,%d,%d)",
                                (int)(number % 97), (int)(number % 10), (int)(number % 97),
                                (int)((number + 3) % 10), pd_activity_key(a),
                                pd_activity_instance_id(a), (int)(number % 10),
                                (int)((number + 3) % 10), (int)(number % 97)));
}

static pd_result move_money(pd_activity *a, pd_value number)
{
    leave_trace(a);
    return transfer(a, pd_int(number)) ? pd_ok(a, number)
                                       : pd_fail(a, "NoMoney", "the database refused");
}

static pd_result pay(pd_orchestration *o, pd_value number)
{
    int64_t sum = 0;
    for (int i = 0; i < TRANSFERS; i++) {
        sum += pd_int(pd_call_activity(o, move_money, 10 * pd_int(number) + i));
    }
    return pd_ok(o, sum);
}

static const pd_function own[] = {
    PD_FUNCTION("chain", chain),     PD_FUNCTION("fan", fan),
    PD_FUNCTION("nap", nap),         PD_FUNCTION("ask", ask),
    PD_FUNCTION("mail", chain),      PD_FUNCTION("tree", tree),
    PD_FUNCTION("leaf", leaf),       PD_FUNCTION("loop", loop),
    PD_FUNCTION("stop", stop),       PD_FUNCTION("retry", retry),
    PD_FUNCTION("cancel", cancel),   PD_FUNCTION("beat", beat),
    PD_FUNCTION("trip", trip),       PD_FUNCTION("pay", pay),
    PD_FUNCTION("hold", hold),       PD_FUNCTION("later", chain),
    PD_FUNCTION("Work", work),       PD_FUNCTION("Flaky", flaky),
    PD_FUNCTION("Slow", slow),       PD_FUNCTION("StepByStep", step_by_step),
    PD_FUNCTION("Stumble", stumble), PD_TRANSACTION("MoveMoney", move_money),
};

const pd_function *crash_program(size_t *ret_count)
{
    static pd_function all[64];
    size_t count = sizeof own / sizeof own[0];
    memcpy(all, own, sizeof own);
    memcpy(all + count, crash_entities, crash_entities_size * sizeof own[0]);
    *ret_count = count + crash_entities_size;
    return all;
}

/* ---- what an id says ---- */

static bool id_read(const char *id, char *kind, int64_t *ret_input)
{
    unsigned round = 0, number = 0;
    int used = 0;
    if (sscanf(id, "%7[a-z]-%u-%u%n", kind, &round, &number, &used) != 3 || id[used] != 0) {
        return false;
    }
    *ret_input = crash_input(round, number);
    return true;
}

int64_t crash_input(unsigned round, unsigned number)
{
    return (int64_t)round * 10000 + number;
}

bool crash_is_kind(const char *id, const char *kind)
{
    size_t size = strlen(kind);
    return strncmp(id, kind, size) == 0 && id[size] == '-';
}

bool crash_expected(const char *id, int64_t *ret)
{
    /* output = factor * number + rest */
    static const struct {
        const char *kind;
        int64_t factor, rest;
    } kinds[] = {
        { "chain", 16, 15 },
        { "mail", 16, 15 },
        { "later", 16, 15 },
        { "nap", 4, 3 },
        { "hold", 4, 3 },
        { "fan", 2 * FAN, FAN + FAN * (FAN - 1) },
        { "tree", 8, 10 },
        { "loop", 1, 15 },
        { "retry", 2, 1 },
        { "cancel", 2, 1 },
        { "beat", 2, 1 },
        { "trip", 2, 1 },
        { "pay", 10 * TRANSFERS, TRANSFERS },
        { "hired", 16, 15 },
        { "send", 1, 0 },
        { "lock", 1, 0 },
        { "quiz", 1, 0 },
        { "wake", 1, 0 },
    };
    char kind[8];
    int64_t n = 0;
    if (!id_read(id, kind, &n)) {
        return false;
    }
    if (strcmp(kind, "ask") == 0) {
        *ret = 2 * (crash_event_data(id) + n) + 1;
        return true;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            *ret = kinds[i].factor * n + kinds[i].rest;
            return true;
        }
    }
    return false;
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

size_t crash_count(const char *file, const char *word, const char *id)
{
    char line[160], wanted[160];
    size_t count = 0;
    FILE *from = fopen(file, "re");
    snprintf(wanted, sizeof wanted, "%s %s\n", word, id);
    while (from != NULL && fgets(line, sizeof line, from) != NULL) {
        count += strcmp(line, wanted) == 0;
    }
    if (from != NULL) {
        fclose(from);
    }
    return count;
}

bool crash_has_order(const struct crash_place *place, const char *words, const char *id)
{
    return crash_count(place->orders, words, id) > 0;
}

uint64_t crash_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}
