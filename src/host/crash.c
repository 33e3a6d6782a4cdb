/* SPDX-License-Identifier: MIT
 *
 * What ends the process is reported first: the signal, which of the app's functions was at work,
 * and the calls that led there (trace.c).
 *
 *   K1  Should the handler hang, or nobody read what it says, an alarm ends it.
 *   K2  It never tries to go on: the instruction faults again, with the default action, so that a
 *       core file shows the true place.
 *   K3  Of threads that crash at once the first is reported; the others wait for the end. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/child.h"

enum { ALARM_SECONDS = 5 };

static const struct {
    int number;
    const char *name;
} fatal[] = {
    { SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" },   { SIGILL, "SIGILL" }, { SIGFPE, "SIGFPE" },
    { SIGABRT, "SIGABRT" }, { SIGTRAP, "SIGTRAP" }, { SIGSYS, "SIGSYS" },
};
enum { FATAL = sizeof fatal / sizeof fatal[0] };

static _Atomic pid_t crashing; /* thread; 0: none */

static const char *signal_name(int number)
{
    const char *name = "a signal";
    for (size_t i = 0; i < FATAL; i++) {
        name = fatal[i].number == number ? fatal[i].name : name;
    }
    return name;
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    struct sigaction normal = { .sa_flags = 0 };
    pid_t nobody = 0, mine = gettid();
    bool is_first = atomic_compare_exchange_strong(&crashing, &nobody, mine);
    normal.sa_handler = SIG_DFL;
    while (!is_first && nobody != mine) { /* K3 */
        (void)pause();
    }
    if (is_first) { /* else it crashed in here */
        (void)signal(SIGALRM, SIG_DFL);
        (void)alarm(ALARM_SECONDS); /* K1 */
        trace_put("tthe app crashed: ");
        trace_put(signal_name(number));
        if (number != SIGABRT) {
            trace_put(" at ");
            trace_hex((uintptr_t)info->si_addr);
        }
        trace_put("\n");
        trace_tell(context);
        (void)alarm(0);
    }
    (void)sigaction(number, &normal, NULL);
    if (info->si_code <= 0) {
        (void)raise(number);
    }
}

void crash_install(void)
{
    struct sigaction ours = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
    trace_prepare();
    ours.sa_sigaction = on_crash;
    (void)sigemptyset(&ours.sa_mask);
    for (size_t i = 0; i < FATAL; i++) {
        (void)sigaction(fatal[i].number, &ours, NULL);
    }
}
