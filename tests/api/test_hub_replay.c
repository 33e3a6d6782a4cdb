/* SPDX-License-Identifier: MIT
 *
 * pd_replay: a program over the histories in a hub, an archive, a folder of archives; and what
 * PD_REPLAY_FROM makes of a program that knows nothing of it. */
#include "hub_kit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- another program than the kit's, with the same names ------------------------------------- */

static int hello_seen, hello_user;

static pd_result changed_hello(pd_orchestration *o, pd_value cities)
{
    hello_seen++;
    hello_user = pd_user(o) == &hello_user;
    pd_value greeting = pd_call_activity(o, "SayHello", pd_at(cities, 0));
    pd_sleep(o, pd_seconds(1));
    return pd_ok(o, greeting);
}

static pd_result echo(pd_orchestration *o, pd_value input)
{
    return pd_ok(o, input);
}

static const pd_function changed[] = {
    PD_FUNCTION("Hello", changed_hello),
    PD_FUNCTION("Echo", echo),
};

/* ---- what was told --------------------------------------------------------------------------- */

struct told {
    int count;
    pd_divergence last;
    char id[64], orchestrator[64], text[256];
};

static void note(const pd_divergence *divergence, void *argument)
{
    struct told *told = argument;
    told->count++;
    told->last = *divergence;
    snprintf(told->id, sizeof(told->id), "%s", divergence->instance_id);
    snprintf(told->orchestrator, sizeof(told->orchestrator), "%s", divergence->orchestrator);
    snprintf(told->text, sizeof(told->text), "%s", divergence->text);
}

static pd_replay_report replay(const pd_function *program, size_t n, const char *from,
                               const char *id_prefix, struct told *told)
{
    pd_error err;
    pd_replay_report report;
    pd_replay_options options = {
        .id_prefix = id_prefix, .tell = note, .argument = told, .user = &hello_user
    };
    *told = (struct told){ 0 };
    kit_expect(pd_replay(program, n, from, &options, &report, &err), PD_OK, &err, from);
    return report;
}

static void assert_report(pd_replay_report report, uint64_t same, uint64_t diverged,
                          uint64_t unknown)
{
    assert_int_equal(report.same, same);
    assert_int_equal(report.diverged, diverged);
    assert_int_equal(report.unknown, unknown);
}

/* Two that end, two that run, and one that has not begun. */
static void live(struct kit *kit)
{
    kit_work(kit);
    kit_start(kit, "Hello", PD_VAL(PD_ARR("Tokyo", "Seattle")), "hello", NULL);
    kit_start(kit, "Echo", PD_VAL(1), "echo", NULL);
    kit_start(kit, "WaitFor", PD_VAL("go"), "waits", NULL);
    kit_start(kit, "Sleep", PD_VAL(1000000), "sleeps", NULL);
    kit_assert_ends(kit, "hello", PD_RUN_COMPLETED, "[\"Hello Tokyo!\",\"Hello Seattle!\"]");
    kit_assert_ends(kit, "echo", PD_RUN_COMPLETED, "1");
    kit_await_state(kit, "waits", PD_RUN_RUNNING);
    kit_await_state(kit, "sleeps", PD_RUN_RUNNING);
}

static const char *path_in(struct kit *kit, const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", kit->folder, name);
    return path;
}

static void export(struct kit *kit, const char *prefix, const char *name)
{
    pd_error err;
    pd_query query = { .id_prefix = prefix };
    kit_expect(pd_hub_export(kit->hub, &query, path_in(kit, name), NULL, &err), PD_OK, &err,
               "export");
}

/* ---- pd_replay ------------------------------------------------------------------------------- */

static void the_same_program_asks_for_the_same_beside_its_own_engine(void **state)
{
    struct kit *kit = *state;
    struct told told;
    live(kit);
    assert_report(replay(kit_program, kit_program_size, kit->url, NULL, &told), 4, 0, 0);
    assert_int_equal(told.count, 0);
    kit_raise(kit, "waits", "go", PD_VAL(2)); /* nothing of it was disturbed */
    kit_assert_ends(kit, "waits", PD_RUN_COMPLETED, "2");
}

static void a_changed_one_is_told_by_instance_and_event_with_both_actions(void **state)
{
    struct kit *kit = *state;
    struct told told;
    live(kit);
    hello_seen = hello_user = 0;
    assert_report(replay(changed, 2, kit->url, NULL, &told), 1, 1, 2);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.id, "hello");
    assert_string_equal(told.orchestrator, "Hello");
    assert_int_equal(told.last.event, 7);
    assert_string_equal(told.text,
                        "step 1: history has TaskScheduled 'SayHello' (event 7), the code asked "
                        "for a timer");
    assert_int_equal(hello_seen, 1);
    assert_int_equal(hello_user, 1);
    /* The number is the one that pd_hub_fetch_history gives. */
    pd_history *history = pd_hub_fetch_history(kit->hub, "hello", NULL);
    assert_non_null(history);
    const pd_history_event *event = pd_history_at(history, 6);
    assert_int_equal(event->number, 7);
    assert_string_equal(event->kind, "TaskScheduled");
    assert_int_equal(event->event_id, 1);
    pd_history_free(history);
}

static void only_those_of_a_prefix_are_looked_at(void **state)
{
    struct kit *kit = *state;
    struct told told;
    live(kit);
    assert_report(replay(changed, 2, kit->url, "e", &told), 1, 0, 0);
    assert_report(replay(changed, 2, kit->url, "hello", &told), 0, 1, 0);
    assert_report(replay(changed, 2, kit->url, "nobody", &told), 0, 0, 0);
    export(kit, NULL, "all.pda");
    assert_report(replay(changed, 2, path_in(kit, "all.pda"), "e", &told), 1, 0, 0);
}

static void archives_and_folders_of_them_are_as_good_as_the_hub(void **state)
{
    struct kit *kit = *state;
    struct told told;
    live(kit);
    export(kit, NULL, "all.pda");
    assert_report(replay(changed, 2, path_in(kit, "all.pda"), NULL, &told), 1, 1, 2);
    assert_string_equal(told.id, "hello");
    /* The folder has the hub in it, too, and a file that is called otherwise. */
    export(kit, "h", "second.pda");
    export(kit, "e", "other.txt");
    assert_report(replay(changed, 2, kit->folder, NULL, &told), 1, 2, 2);
}

static void what_cannot_be_replayed_is_refused(void **state)
{
    static const pd_function nameless[] = { { NULL, PD_ORCHESTRATOR, NULL, NULL } };
    struct kit *kit = *state;
    pd_error err;
    struct {
        const char *from;
        pd_status status;
    } cases[] = {
        { NULL, PD_E_INVALID },
        { "", PD_E_INVALID },
        { "memory:", PD_E_INVALID },
        { "sqlite:", PD_E_INVALID },
        { "sqlite:/nowhere/hub.db", PD_E_NOT_FOUND },
        { "/nowhere/file.pda", PD_E_DENIED },
        { kit->folder, PD_E_DENIED }, /* no archive in it yet */
        { path_in(kit, "hub.db"), PD_E_CORRUPT },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pd_replay_report report = { 7, 7, 7 };
        kit_expect(pd_replay(changed, 2, cases[i].from, NULL, &report, &err), cases[i].status, &err,
                   cases[i].from);
        assert_report(report, 7, 7, 7);
    }
    kit_expect(pd_replay(nameless, 1, kit->url, NULL, NULL, &err), PD_E_INVALID, &err, "program");
    pd_replay_options options = { .break_at = -1 };
    kit_expect(pd_replay(changed, 2, kit->url, &options, NULL, &err), PD_E_INVALID, &err, "-1");
    FILE *file = fopen(path_in(kit, "bad.pda"), "w");
    assert_non_null(file);
    fputs("PDARCH1\nxxxxxxxx", file);
    fclose(file);
    kit_expect(pd_replay(changed, 2, kit->folder, NULL, NULL, &err), PD_E_CORRUPT, &err, "bad.pda");
    assert_non_null(strstr(err.text, "bad.pda"));
}

static volatile sig_atomic_t traps;

static void on_trap(int number)
{
    (void)number;
    traps++;
}

static void it_stops_before_an_event_of_each_instance(void **state)
{
    struct kit *kit = *state;
    pd_error err;
    pd_replay_report report;
    live(kit);
    void (*before)(int) = signal(SIGTRAP, on_trap);
    pd_replay_options options = { .break_at = 6, .id_prefix = "hello" };
    traps = 0;
    kit_expect(pd_replay(kit_program, kit_program_size, kit->url, &options, &report, &err), PD_OK,
               &err, "replay");
    assert_int_equal(traps, 1);
    signal(SIGTRAP, before);
}

static const char *url_of_test;
static pd_result replays(pd_orchestration *o, pd_value input)
{
    pd_error err;
    pd_replay_report report;
    (void)input;
    pd_status status = pd_replay(changed, 2, url_of_test, NULL, &report, &err);
    return pd_ok(o, status);
}

static void an_orchestrator_cannot_replay_others(void **state)
{
    static const pd_function program[] = { PD_FUNCTION("Echo", replays) };
    struct kit *kit = *state;
    pd_error err;
    url_of_test = kit->url;
    kit->worker = pd_worker_start(kit->hub, PD_PROGRAM(program), NULL, &err);
    assert_non_null(kit->worker);
    kit_start(kit, "Echo", PD_NULL, "e", NULL);
    kit_assert_ends(kit, "e", PD_RUN_COMPLETED, "4"); /* PD_E_STATE */
}

/* ---- PD_REPLAY_FROM -------------------------------------------------------------------------- */

/* A program as there are many; comes back only when nothing was replayed. */
static int any_program(const char *url, const pd_function *program, size_t n)
{
    pd_error err;
    pd_id id = { "made-by-it" };
    pd_hub *hub = pd_hub_open(url, &err);
    if (hub == NULL || pd_hub_start(hub, "Echo", 1, NULL, &id, &err) != PD_OK) {
        return 70;
    }
    pd_worker *worker = pd_worker_start(hub, program, n, NULL, &err);
    pd_worker_stop(worker);
    pd_hub_close(hub);
    return 71;
}

struct ran {
    int code;
    char out[1024], err[1024];
};

static void read_all(FILE *file, char *ret, size_t room)
{
    rewind(file);
    size_t size = fread(ret, 1, room - 1, file);
    ret[size] = '\0';
    fclose(file);
}

/* The program in a process of its own, with these in its environment; NULL: not there. */
static struct ran run(struct kit *kit, const pd_function *program, size_t n, const char *from,
                      const char *id, const char *break_at)
{
    struct ran ran;
    char url[160];
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out != NULL && err != NULL);
    snprintf(url, sizeof(url), "sqlite:%s/its-own.db", kit->folder);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        setenv("PD_REPLAY_FROM", from, 1);
        if (id != NULL) {
            setenv("PD_REPLAY_ID", id, 1);
        }
        if (break_at != NULL) {
            setenv("PD_REPLAY_BREAK_AT", break_at, 1);
        }
        _exit(any_program(url, program, n));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    read_all(out, ran.out, sizeof(ran.out));
    read_all(err, ran.err, sizeof(ran.err));
    return ran;
}

static void any_program_replays_instead_of_working_when_the_environment_says_so(void **state)
{
    struct kit *kit = *state;
    live(kit);
    kit_rest(kit);
    pd_hub_close(kit->hub); /* what SQLite holds must not be carried over a fork */
    struct ran ran = run(kit, kit_program, kit_program_size, kit->url, NULL, NULL);
    assert_string_equal(ran.out, "");
    assert_string_equal(ran.err, "perdure: replay: 4 are the same, 0 differ\n");
    assert_int_equal(ran.code, 0);
    ran = run(kit, changed, 2, kit->url, NULL, NULL);
    assert_string_equal(ran.out, "hello (Hello) event 7: step 1: history has TaskScheduled "
                                 "'SayHello' (event 7), the code asked for a timer\n");
    assert_string_equal(ran.err, "perdure: replay: 1 is the same, 1 differs, 2 of orchestrators "
                                 "that this program has not\n");
    assert_int_equal(ran.code, 1);
    assert_int_equal(run(kit, changed, 2, kit->url, "echo", NULL).code, 0);
    /* Its own hub was not made, and what it started went nowhere. */
    assert_int_equal(access(path_in(kit, "its-own.db"), F_OK), -1);
    kit->hub = pd_hub_open(kit->url, NULL);
    assert_non_null(kit->hub);
    assert_null(pd_hub_fetch(kit->hub, "made-by-it", NULL));
}

static void what_keeps_it_from_replaying_ends_it_with_2(void **state)
{
    struct kit *kit = *state;
    live(kit);
    kit_rest(kit);
    pd_hub_close(kit->hub);
    struct ran ran = run(kit, changed, 2, "/nowhere", NULL, NULL);
    assert_int_equal(ran.code, 2);
    assert_non_null(strstr(ran.err, "/nowhere"));
    ran = run(kit, changed, 2, kit->url, "nobody", NULL);
    assert_int_equal(ran.code, 2);
    assert_non_null(strstr(ran.err, "no instance whose id begins with nobody"));
    ran = run(kit, changed, 2, kit->url, "waits", NULL); /* unknown to it */
    assert_int_equal(ran.code, 2);
    assert_non_null(strstr(ran.err, "has none of the orchestrators"));
    ran = run(kit, changed, 2, kit->url, NULL, "last");
    assert_int_equal(ran.code, 2);
    assert_non_null(strstr(ran.err, "PD_REPLAY_BREAK_AT is 'last'"));
    assert_int_equal(run(kit, changed, 2, kit->url, NULL, "0").code, 2);
    assert_int_equal(run(kit, changed, 2, "", NULL, NULL).code, 71); /* as if it were not there */
    kit->hub = pd_hub_open(kit->url, NULL);
    assert_non_null(kit->hub);
}

static void without_a_debugger_a_break_is_the_end(void **state)
{
    struct kit *kit = *state;
    live(kit);
    kit_rest(kit);
    pd_hub_close(kit->hub);
    struct ran ran = run(kit, kit_program, kit_program_size, kit->url, "hello", "6");
    assert_int_equal(ran.code, 1000 + SIGTRAP);
    assert_string_equal(ran.err, "perdure: replay: 'hello' stops before event 6, TaskCompleted\n");
    kit->hub = pd_hub_open(kit->url, NULL);
    assert_non_null(kit->hub);
}

#define FILE_TEST(name)                             \
    {                                               \
#name, name, kit_open_file, kit_close, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(the_same_program_asks_for_the_same_beside_its_own_engine),
        FILE_TEST(a_changed_one_is_told_by_instance_and_event_with_both_actions),
        FILE_TEST(only_those_of_a_prefix_are_looked_at),
        FILE_TEST(archives_and_folders_of_them_are_as_good_as_the_hub),
        FILE_TEST(what_cannot_be_replayed_is_refused),
        FILE_TEST(it_stops_before_an_event_of_each_instance),
        FILE_TEST(an_orchestrator_cannot_replay_others),
        FILE_TEST(any_program_replays_instead_of_working_when_the_environment_says_so),
        FILE_TEST(what_keeps_it_from_replaying_ends_it_with_2),
        FILE_TEST(without_a_debugger_a_break_is_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
