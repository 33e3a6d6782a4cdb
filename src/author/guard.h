/* SPDX-License-Identifier: MIT
 *
 * The determinism guard: notices when an orchestrator calls what it must not.
 *
 * Such calls go from the program, and from libraries it uses, through slots that the dynamic linker
 * has filled with addresses in the C library. While somebody wants the guard, the slots of the
 * calls in guard_calls.c hold the addresses of functions of ours, which look whether an
 * orchestrator runs on this thread, say so if one does, and go on to the C library.
 *
 *   G1  Changed are slots only, of objects that are loaded when the guard is installed, and only
 *       those that hold what the C library (or whoever stands before it, such as a sanitizer) has
 *       under that name. Not those of the C library, sanitizers, libperdure and what that itself
 *       is made of.
 *   G2  The last guard_remove puts back what was there, in what is still loaded.
 *   G3  A call that is no orchestrator's costs one look at a thread-local variable.
 *   G4  Where slots cannot be watched, guard_install refuses, or says on stderr which calls it will
 *       not see. It never sees: calls that a compiler or linker has resolved without a slot (a
 *       program's own function of the same name), system calls made without the C library, calls
 *       through pointers that were taken before. */
#ifndef AUTHOR_GUARD_H
#define AUTHOR_GUARD_H

#include <perdure.h>
#include <stdint.h>

#include "author/author_priv.h"

/* Slots are what glibc's linker makes of them; others may come. */
#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
#define GUARD_IS_POSSIBLE 1
#else
#define GUARD_IS_POSSIBLE 0
#endif

/* Counted. PD_E_INVALID where a program cannot be watched. */
pd_status guard_install(pd_error *err);
void guard_remove(void);

/* One call that is watched. */
struct guard_call {
    const char *name;
    uintptr_t watch;    /* the function of ours */
    const char *advice; /* "use pd_now" */
};

/* guard_calls.c: the table, ended by one without a name, and what the C library has under each
 * name, which guard.c finds out before any slot is changed (0: nothing). */
enum { GUARD_CALLS_MAX = 160 };
extern const struct guard_call guard_calls[];
extern uintptr_t guard_real[GUARD_CALLS_MAX];

/* An orchestrator that runs on this thread calls guard_calls[call], from this place. Comes back
 * unless the author's guard is GUARD_FAIL. */
void guard_noticed(size_t call, const void *place);

static inline void guard_look(size_t call, const void *place)
{
    if (__builtin_expect(run_inside() != NULL, 0)) {
        guard_noticed(call, place);
    }
}

#endif
