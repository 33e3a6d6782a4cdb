/* SPDX-License-Identifier: MIT
 *
 * Where a thread is: the calls that led there, and which of the app's functions is at work. For
 * handlers of signals: it writes with write(2), searches what symbols.c has prepared, and calls
 * backtrace, which has been called once before, so that it loads nothing. */
#include <execinfo.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "host/child.h"

/* As deep as a stack that was overrun may be, whose first call says which function of the app it
 * was. Of those between the first and the last it is only said that they are. */
enum { FRAMES = 1 << 17, INNER = 32, OUTER = 16 };

static void *frames[FRAMES]; /* of one thread at a time; of two that crash with a SIGQUIT, mixed */

static const pd_app *traced_app; /* NULL: none is loaded yet */
_Thread_local const pd_route *trace_route;

void trace_put(const char *text)
{
    ssize_t written = write(report_fd, text, strlen(text));
    (void)written;
}

void trace_hex(uintptr_t number)
{
    char digits[2 * sizeof number + 1];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number != 0);
    trace_put("0x");
    trace_put(&digits[at]);
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
    trace_put("t  it was in ");
    trace_put(kind);
    trace_put(" '");
    trace_put(name != NULL ? name : "any method");
    trace_put(more != NULL ? " " : "");
    trace_put(more != NULL ? more : "");
    trace_put("'\n");
}

static bool is_at(pd_any_fn *run, uintptr_t begin)
{
    return run != NULL && (uintptr_t)run == begin;
}

/* Does this function stand in one of the app's tables? Says so. */
static bool tell_row(uintptr_t begin)
{
    const pd_app *app = traced_app;
    for (size_t i = 0; app != NULL && i < app->function_count; i++) {
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

/* Of our handlers, which lie above the place, nothing is said. */
static int take_frames(const void *context, int *ret_first)
{
    uintptr_t place = place_of(context);
    int count = backtrace(frames, FRAMES);
    *ret_first = 0;
    for (int i = 0; i < count; i++) {
        *ret_first = (uintptr_t)frames[i] == place ? i : *ret_first;
    }
    return count;
}

bool trace_is_app(const void *context)
{
    uintptr_t begin;
    int first, count = take_frames(context, &first);
    bool is_in = trace_route != NULL;
    for (int i = first; i < count && !is_in; i++) {
        is_in = symbols_find((uintptr_t)frames[i] - 1, &begin) != NULL;
    }
    return is_in;
}

static void put_frame(int i)
{
    uintptr_t address = (uintptr_t)frames[i] - 1, begin = 0;
    const char *name = symbols_find(address, &begin);
    trace_put("t    ");
    if (name != NULL) {
        trace_put(name);
        trace_put("+");
        trace_hex(address + 1 - begin);
        trace_put("\n");
    } else {
        backtrace_symbols_fd(&frames[i], 1, report_fd);
    }
}

void trace_tell(const void *context)
{
    int first, count = take_frames(context, &first);
    bool is_told = trace_route != NULL;
    uintptr_t begin = 0;
    if (is_told) {
        put_work("the route", trace_route->method, trace_route->path);
    }
    for (int i = first; i < count && !is_told; i++) {
        uintptr_t address = (uintptr_t)frames[i] - 1; /* within the call */
        is_told = symbols_find(address, &begin) != NULL && tell_row(begin);
    }
    for (int i = first; i < count; i++) {
        if (i == first + INNER && count - i > OUTER) {
            trace_put("t    and so on, to\n");
            i = count - OUTER;
        }
        put_frame(i);
    }
}

void trace_prepare(void)
{
    void *frame;
    (void)backtrace(&frame, 1);
}

void trace_app(const pd_app *app)
{
    traced_app = app;
}
