/* SPDX-License-Identifier: MIT
 *
 * SIGQUIT: where the threads are, for people and for the supervisor before it ends what hangs.
 *
 *   Q1  Each thread tells for itself, in a handler, one after the other: asked by SIGPROF, which
 *       the threads of libperdure do not block, unlike SIGQUIT. One that blocks it, or is deep in
 *       the kernel, is waited for ASK_MS and then said not to tell.
 *   Q2  Threads that wait for work are left out: those without a function of the app. If there are
 *       no others (it hangs elsewhere), all tell.
 *   Q3  What is async-signal-safe only: no malloc, as who hangs may have its lock. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/child.h"

enum { ASK_MS = 200 };

static atomic_bool is_telling, is_for_all;
static _Atomic pid_t asked; /* the thread whose turn it is; 0: it has told */
static atomic_uint told;

static void tell(const void *context)
{
    char name[16] = "";
    if (!atomic_load(&is_for_all) && !trace_is_app(context)) { /* Q2 */
        return;
    }
    (void)prctl(PR_GET_NAME, name);
    atomic_fetch_add(&told, 1);
    trace_put("t  thread '");
    trace_put(name);
    trace_put("'\n");
    trace_tell(context);
}

/* Q1 */
static void ask(pid_t thread)
{
    const struct timespec step = { .tv_nsec = 1000000 };
    pid_t still = thread;
    atomic_store(&asked, thread);
    bool is_there = syscall(SYS_tgkill, getpid(), thread, SIGPROF) == 0;
    for (int i = 0; is_there && i < ASK_MS && atomic_load(&asked) == thread; i++) {
        (void)nanosleep(&step, NULL);
    }
    if (atomic_compare_exchange_strong(&asked, &still, 0) && is_there) {
        trace_put("t  a thread does not tell\n");
    }
}

/* What getdents64 gives. */
struct entry {
    uint64_t inode;
    int64_t next;
    unsigned short size;
    unsigned char type;
    char name[];
};

static void ask_all(const void *context)
{
    _Alignas(struct entry) char bytes[4096];
    int folder = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long got;
    while ((got = syscall(SYS_getdents64, folder, bytes, sizeof bytes)) > 0) {
        for (long at = 0; at < got;) {
            const struct entry *entry = (const void *)&bytes[at];
            pid_t thread = 0;
            for (const char *c = entry->name; *c >= '0' && *c <= '9'; c++) {
                thread = thread * 10 + (*c - '0');
            }
            if (thread == gettid()) {
                tell(context);
            } else if (thread != 0) {
                ask(thread);
            }
            at += entry->size;
        }
    }
    (void)close(folder);
}

static void on_asked(int number, siginfo_t *info, void *context)
{
    int error = errno;
    (void)number;
    (void)info;
    if (atomic_load(&asked) == gettid()) {
        tell(context);
        atomic_store(&asked, 0);
    }
    errno = error;
}

static void on_quit(int number, siginfo_t *info, void *context)
{
    int error = errno;
    (void)number;
    (void)info;
    if (!atomic_exchange(&is_telling, true)) {
        atomic_store(&told, 0);
        atomic_store(&is_for_all, false);
        ask_all(context);
        if (atomic_load(&told) == 0) {
            atomic_store(&is_for_all, true);
            ask_all(context);
        }
        static const char end[] = { REPORT_TOLD, '\n', '\0' };
        trace_put(end);
        atomic_store(&is_telling, false);
    }
    errno = error;
}

void stacks_install(void)
{
    struct sigaction ours = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    ours.sa_sigaction = on_quit;
    (void)sigemptyset(&ours.sa_mask);
    (void)sigaction(SIGQUIT, &ours, NULL);
    ours.sa_sigaction = on_asked;
    (void)sigaction(SIGPROF, &ours, NULL);
}
