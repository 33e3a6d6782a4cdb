/* SPDX-License-Identifier: MIT
 *
 * What a switch and a coroutine cost.
 *
 *   bench_co [MILLIONS]
 *
 * Prints nanoseconds of processor time, the least of seven runs. bench_co_ucontext is the same
 * program with the portable switch. Not a test: nothing fails. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "co/co.h"
#include "co/co_switch.h"

enum { RUNS = 7 };

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void pauses_for_ever(struct co *co, void *arg)
{
    (void)arg;
    for (;;) {
        co_pause(co);
    }
}

static void returns(struct co *co, void *arg)
{
    (void)co;
    (void)arg;
}

static void resume_and_pause(struct co_pool *pool, long rounds)
{
    struct co *co = co_new(pool, pauses_for_ever, NULL);
    for (long i = 0; i < rounds; i++) {
        (void)co_resume(co);
    }
    co_drop(co);
}

static void whole_life(struct co_pool *pool, long rounds)
{
    for (long i = 0; i < rounds; i++) {
        struct co *co = co_new(pool, returns, NULL);
        (void)co_resume(co);
        co_drop(co);
    }
}

static void measure(const char *what, void (*run)(struct co_pool *, long), long rounds, int parts)
{
    struct co_pool *pool = co_pool_new(NULL);
    double least = 1e18;
    run(pool, 1000);
    for (int i = 0; i < RUNS; i++) {
        double began = now_ns();
        run(pool, rounds);
        double spent = (now_ns() - began) / (double)rounds / parts;
        least = spent < least ? spent : least;
    }
    printf("%-44s %8.1f ns\n", what, least);
    co_pool_free(pool);
}

int main(int argc, char **argv)
{
    long rounds = 1000000 * (argc > 1 ? strtol(argv[1], NULL, 10) : 1);
    printf("%s\n", CO_SWITCH_OURS ? "our switch" : "ucontext");
    measure("one switch", resume_and_pause, rounds, 2);
    measure("resume and pause", resume_and_pause, rounds, 1);
    measure("new, resume once, drop; stack from the pool", whole_life, rounds, 1);
    return 0;
}
