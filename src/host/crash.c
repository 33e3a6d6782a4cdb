/* SPDX-License-Identifier: MIT
 *
 * What ends the process is reported first: the signal, which of the app's functions was at work,
 * and the calls that led there.
 *
 *   K1  The handler writes with write(2), searches what symbols.c has prepared, and calls
 *       backtrace, which has been called once before, so that it loads nothing. Should it hang, an
 * alarm ends it.
 *   K2  It never tries to go on: the instruction faults again, with the default action, so that a
 *       core file shows the true place. */
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "host/child.h"

enum { FRAMES = 48, SIGNAL_STACK = 64 * 1024, ALARM_SECONDS = 5 };

static const pd_app *crashing_app;
_Thread_local const pd_route *crash_route;

static void put(const char *text)
{
    ssize_t written = write(report_fd, text, strlen(text));
    (void)written;
}

static void put_hex(uintptr_t number)
{
    char digits[2 * sizeof number + 1];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number != 0);
    put("0x");
    put(&digits[at]);
}

static const char *signal_name(int number)
{
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGILL: return "SIGILL";
    case SIGFPE: return "SIGFPE";
    case SIGABRT: return "SIGABRT";
    default: return "a signal";
    }
}

static const char *kind_name(pd_function_kind kind)
{
    switch (kind) {
    case PD_ORCHESTRATOR: return "the orchestrator";
    case PD_ACTIVITY:
    case PD_TRANSACTION_: return "the activity";
    case PD_ENTITY_FUNCTION: return "the entity";
    }
    return "the function";
}

static void put_work(const char *kind, const char *name, const char *more)
{
    put("t  it was in ");
    put(kind);
    put(" '");
    put(name != NULL ? name : "any method");
    put(more != NULL ? " " : "");
    put(more != NULL ? more : "");
    put("'\n");
}

static bool is_at(pd_any_fn *run, uintptr_t begin)
{
    return run != NULL && (uintptr_t)run == begin;
}

/* Does this function stand in one of the app's tables? Says so. */
static bool tell_row(uintptr_t begin)
{
    const pd_app *app = crashing_app;
    for (size_t i = 0; i < app->function_count; i++) {
        const pd_function *function = &app->functions[i];
        bool is_it = is_at(function->run, begin);
        for (size_t j = 0; function->rules != NULL && j < function->rules->operation_count; j++) {
            is_it |= is_at((pd_any_fn *)function->rules->operations[j].run, begin);
        }
        if (is_it) {
            put_work(kind_name(function->kind), function->name, NULL);
            return true;
        }
    }
    return false;
}

/* Where it happened; 0: this machine's way to say it is not known here. */
static uintptr_t place_of(const void *context)
{
    const ucontext_t *at = context;
#if defined(__x86_64__)
    return (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)at->uc_mcontext.pc;
#else
    (void)at;
    return 0;
#endif
}

static void tell_frames(uintptr_t place)
{
    void *frames[FRAMES];
    int count = backtrace(frames, FRAMES), first = 0;
    bool is_told = crash_route != NULL;
    uintptr_t begin = 0;
    for (int i = 0; i < count; i++) { /* before it are the handlers */
        first = (uintptr_t)frames[i] == place ? i : first;
    }
    if (is_told) {
        put_work("the route", crash_route->method, crash_route->path);
    }
    for (int i = first; i < count && !is_told; i++) {
        uintptr_t address = (uintptr_t)frames[i] - 1; /* within the call */
        is_told = symbols_find(address, &begin) != NULL && tell_row(begin);
    }
    for (int i = first; i < count; i++) {
        uintptr_t address = (uintptr_t)frames[i] - 1;
        const char *name = symbols_find(address, &begin);
        put("t    ");
        if (name != NULL) {
            put(name);
            put("+");
            put_hex(address + 1 - begin);
            put("\n");
        } else {
            backtrace_symbols_fd(&frames[i], 1, report_fd);
        }
    }
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    struct sigaction normal = { .sa_flags = 0 };
    normal.sa_handler = SIG_DFL;
    (void)alarm(ALARM_SECONDS); /* K1 */
    put("tthe app crashed: ");
    put(signal_name(number));
    if (number != SIGABRT) {
        put(" at ");
        put_hex((uintptr_t)info->si_addr);
    }
    put("\n");
    tell_frames(place_of(context));
    (void)alarm(0);
    (void)sigaction(number, &normal, NULL);
    if (info->si_code <= 0) {
        (void)raise(number);
    }
}

void crash_install(const pd_app *app)
{
    static const int numbers[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
    struct sigaction ours = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
    void *frame;
    (void)backtrace(&frame, 1);
    crashing_app = app;
    ours.sa_sigaction = on_crash;
    (void)sigemptyset(&ours.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)sigaction(numbers[i], &ours, NULL);
    }
}

void crash_thread_begin(void)
{
    void *memory = mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory != MAP_FAILED) {
        stack_t stack = { .ss_sp = memory, .ss_size = SIGNAL_STACK };
        (void)sigaltstack(&stack, NULL);
    }
}
