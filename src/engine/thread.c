/* SPDX-License-Identifier: MIT
 *
 * Threads of the engine: begun so that signals sent to the process are handled elsewhere.
 *
 * A handler of the application that ran on a partition's thread would run on the small stack of an
 * orchestration, or in the middle of a commit. So these threads block all signals but those that
 * tell of a fault in the thread itself, and the one of profilers. Threads that run activities do
 * not: programs that an activity starts would inherit the blocked ones, SIGTERM among them. */
#include <pthread.h>
#include <signal.h>

#include "engine/engine_priv.h"

static void own_signals(sigset_t *ret)
{
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF };
    sigfillset(ret);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        sigdelset(ret, own[i]);
    }
}

bool thread_start(pthread_t *ret, void *(*body)(void *), void *argument)
{
    sigset_t blocked, before;
    own_signals(&blocked);
    /* The mask is inherited: set before, it is there from the thread's first moment. */
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &before);
    bool has_started = pthread_create(ret, NULL, body, argument) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return has_started;
}

void thread_name(const char *name)
{
    (void)pthread_setname_np(pthread_self(), name);
}
