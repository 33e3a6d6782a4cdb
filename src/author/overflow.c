/* SPDX-License-Identifier: MIT
 *
 * Stack overflow: one line that says which orchestrator or entity, before the process dies of it.
 *
 * One that overruns its stack hits the guard below it, which is a segmentation fault
 * like any other; a core file does not tell a C programmer that the stack was small by choice. The
 * handler here only says so. It never tries to go on.
 *
 *   O1  Whatever the fault was, whoever handled SIGSEGV before us gets it: a handler is called; the
 *       default action is put back and the instruction faults again (or, when the signal was sent
 *       by someone, it is raised again), so a core file shows the true place.
 *   O2  The handler looks at thread-local data, two fields of the pool, and writes with write(2).
 *   O3  It needs a stack of its own: each thread that runs turns is given an alternate signal stack
 *       unless it has one already, which is then left alone.
 *   O4  The last author puts back what was there, unless someone has installed a handler over ours;
 *       then ours stays below it, and passes everything on. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "author/entity.h"
#include "base/signal_stack.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous;
static size_t users;
static bool is_installed;

/* How many shards are open on this thread, and the signal stack we made for it. */
static _Thread_local size_t thread_users;
static _Thread_local void *thread_stack;

static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; /* there is nobody left to tell */
}

static void say_number(size_t n)
{
    char digits[24];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    say(&digits[at]);
}

static void pass_on(int signal_number, siginfo_t *info, void *context)
{
    if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != NULL) {
        previous.sa_sigaction(signal_number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal_number);
    } else {
        (void)sigaction(signal_number, &previous, NULL);
        if (info->si_code <= 0) {
            (void)raise(signal_number);
        }
    }
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    const pd_orchestration *run = run_inside();
    const pd_entity *entity = entity_current;
    const struct co_pool *pool = run != NULL      ? run->shard->pool
                                 : entity != NULL ? entity->shard->pool
                                                  : NULL;
    if (pool != NULL && info->si_code > 0 && co_guard_hit(pool, info->si_addr)) {
        say(run != NULL ? "perdure: the orchestrator '" : "perdure: the entity '");
        say(run != NULL ? run->name : entity->function->name);
        say("' overflowed its stack of ");
        say_number(co_pool_stack_size(pool) / 1024);
        say(" KiB; raise pd_worker_options.stack_size\n");
    }
    pass_on(signal_number, info, context);
}

void overflow_install(void)
{
    (void)pthread_mutex_lock(&lock);
    if (users++ == 0 && !is_installed) {
        struct sigaction ours = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
        ours.sa_sigaction = on_fault;
        (void)sigemptyset(&ours.sa_mask);
        is_installed = sigaction(SIGSEGV, &ours, &previous) == 0;
    }
    (void)pthread_mutex_unlock(&lock);
}

void overflow_remove(void)
{
    (void)pthread_mutex_lock(&lock);
    assert_that(users > 0);
    if (--users == 0 && is_installed) {
        struct sigaction now;
        if (sigaction(SIGSEGV, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
            now.sa_sigaction == on_fault) {
            is_installed = sigaction(SIGSEGV, &previous, NULL) != 0;
        }
    }
    (void)pthread_mutex_unlock(&lock);
}

void overflow_thread_begin(void)
{
    if (thread_users++ == 0) {
        thread_stack = signal_stack_begin();
    }
}

void overflow_thread_end(void)
{
    assert_that(thread_users > 0);
    if (--thread_users == 0) {
        signal_stack_end(thread_stack);
        thread_stack = NULL;
    }
}
