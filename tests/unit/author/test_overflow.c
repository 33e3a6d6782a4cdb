/* SPDX-License-Identifier: MIT
 *
 * A stack overflow is reported by name and still kills; other faults and other handlers are left
 * as they were. Each case runs in a child, as it dies. Also what pd_log writes. */
#include "batch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT                                                                                  \
    "perdure: the orchestrator 'Deep' overflowed its stack of 64 KiB; raise pd_worker_options." \
    "stack_size\n"

static volatile int depth_max = 1 << 30;

/* Not a tail call, and each level takes a kilobyte. */
static int dig(int depth)
{
    volatile char room[1024];
    memset((void *)(uintptr_t)room, depth, sizeof room);
    return depth < depth_max ? dig(depth + 1) + room[depth % 1000] : 0;
}

static pd_result deep(pd_orchestration *o, pd_value input)
{
    (void)input;
    return pd_ok(o, dig(0));
}

static pd_result wild(pd_orchestration *o, pd_value input)
{
    (void)input;
    volatile int *volatile nowhere = (volatile int *)0x1000;
    return pd_ok(o, *nowhere);
}

static pd_result talks(pd_orchestration *o, pd_value input)
{
    (void)input;
    pd_log(o, "before\n%d", 1);
    pd_sleep(o, pd_seconds(1));
    pd_log(o, "after %s", "it");
    return pd_ok(o, PD_NULL);
}

static bool judges_deeply(const pd_failure *failure, int attempt, void *argument)
{
    (void)failure;
    (void)argument;
    return dig(attempt) == 0;
}

static pd_result judged(pd_orchestration *o, pd_value input)
{
    static const pd_retry retry = { .attempts_max = 2, .handles = judges_deeply };
    return pd_ok(o, pd_call_activity(o, "A", input, .retry = &retry));
}

static pd_result deep_entity(pd_entity *e, pd_value input)
{
    (void)input;
    pd_entity_log(e, "before\n%d", 1);
    return pd_ok(e, dig(0));
}

static const pd_function entity_program[] = { PD_FUNCTION("Deep", deep_entity) };
static const pd_function judged_program[] = { PD_FUNCTION("Deep", judged) };

static const pd_function program[] = {
    PD_FUNCTION("Deep", deep),
    PD_FUNCTION("Wild", wild),
    PD_FUNCTION("Talks", talks),
};

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

static void own_handler(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    (void)context;
    say("own handler\n");
    _exit(42);
}

static void plain_handler(int signal_number)
{
    (void)signal_number;
    say("plain handler\n");
    _exit(43);
}

static void run(const char *name)
{
    struct play p;
    play_begin(&p, PD_PROGRAM(program), PLAY_KEPT);
    play_start(&p, name, NULL);
    play_end(&p);
}

/* Also makes sure that a sanitizer's handler is out of the way. */
static void default_handler(void)
{
    signal(SIGSEGV, SIG_DFL);
}

static void overflows(void)
{
    default_handler();
    run("Deep");
}

/* Not the stack of the orchestrator, but that of its retry policy. */
static void overflows_judging(void)
{
    struct play p;
    default_handler();
    play_begin(&p, PD_PROGRAM(judged_program), PLAY_KEPT);
    play_start(&p, "Deep", NULL);
    play_fail(&p, 0, "Down", "d");
    play_turn(&p);
}

static void overflows_operating(void)
{
    struct stand s;
    default_handler();
    stand_begin(&s, PD_PROGRAM(entity_program), "@deep@k");
    stand_call(&s, "Op", NULL);
    (void)stand_run(&s);
}

static void overflows_before_own_handler(void)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
    action.sa_sigaction = own_handler;
    sigaction(SIGSEGV, &action, NULL);
    run("Deep");
}

static void overflows_before_plain_handler(void)
{
    signal(SIGSEGV, plain_handler);
    run("Deep");
}

static void reads_null(void)
{
    default_handler();
    run("Wild");
}

static void is_sent_the_signal(void)
{
    pd_error err;
    default_handler();
    if (author_new(PD_PROGRAM(program), NULL, &err) != NULL) {
        raise(SIGSEGV);
    }
}

static void overflows_unhandled(void)
{
    pd_error err;
    struct play p;
    struct author_options options = { .partition_count = 2, .is_fault_unhandled = true };
    default_handler();
    play_join(&p, author_new(PD_PROGRAM(program), &options, &err), 1);
    play_start(&p, "Deep", NULL);
}

/* After the last author has gone, everything is as it was. */
static void puts_back(void)
{
    struct sigaction now;
    stack_t before, after;
    signal(SIGSEGV, plain_handler);
    sigaltstack(NULL, &before);
    depth_max = 3;
    run("Deep");
    run("Deep");
    sigaction(SIGSEGV, NULL, &now);
    sigaltstack(NULL, &after);
    if (now.sa_handler == plain_handler && (now.sa_flags & SA_SIGINFO) == 0 &&
        before.ss_flags == after.ss_flags && before.ss_sp == after.ss_sp) {
        _exit(7);
    }
}

static void logs_dropped(void)
{
    struct play p;
    play_begin(&p, PD_PROGRAM(program), PLAY_DROPPED);
    play_start(&p, "Talks", NULL);
    play_fire(&p, 0);
    play_turn(&p);
    _exit(p.is_ended ? 9 : 1);
}

/* How the child ends: as wait says. What it says on stderr goes to said. */
static int in_child(void (*body)(void), char said[1024])
{
    int ends[2], status;
    size_t size = 0;
    ssize_t n;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], said + size, 1023 - size)) > 0) {
        size += (size_t)n;
    }
    said[size] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void dies(void (*body)(void), const char *expected)
{
    char said[1024];
    int status = in_child(body, said);
    assert_string_equal(said, expected);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

static void exits(void (*body)(void), int code, const char *expected)
{
    char said[1024];
    int status = in_child(body, said);
    assert_string_equal(said, expected);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static void an_overflow_is_reported_by_name_and_kills(void **state)
{
    (void)state;
    dies(overflows, REPORT);
    dies(overflows_judging, REPORT);
    dies(overflows_operating, "[@deep@k Op] before 1\n"
                              "perdure: the entity 'Deep' overflowed its stack of 64 KiB; raise "
                              "pd_worker_options.stack_size\n");
    dies(overflows_unhandled, "");
}

static void other_faults_are_not_called_an_overflow(void **state)
{
    (void)state;
    dies(reads_null, "");
    dies(is_sent_the_signal, "");
}

static void a_handler_that_was_there_before_is_called(void **state)
{
    (void)state;
    exits(overflows_before_own_handler, 42, REPORT "own handler\n");
    exits(overflows_before_plain_handler, 43, REPORT "plain handler\n");
}

static void the_last_author_puts_back_what_was_there(void **state)
{
    (void)state;
    exits(puts_back, 7, "");
}

static void a_log_line_is_one_line_and_comes_once(void **state)
{
    (void)state;
    exits(logs_dropped, 9, "[order-7 Talks] before 1\n[order-7 Talks] after it\n");
}

/* What a sanitizer says about switching stacks is said here, not again in the children. */
static int warm_up(void **state)
{
    (void)state;
    depth_max = 3;
    run("Deep");
    depth_max = 1 << 30;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_is_reported_by_name_and_kills),
        cmocka_unit_test(other_faults_are_not_called_an_overflow),
        cmocka_unit_test(a_handler_that_was_there_before_is_called),
        cmocka_unit_test(the_last_author_puts_back_what_was_there),
        cmocka_unit_test(a_log_line_is_one_line_and_comes_once),
    };
    return cmocka_run_group_tests(tests, warm_up, NULL);
}
