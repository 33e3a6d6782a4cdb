/* SPDX-License-Identifier: MIT
 *
 * One seed, from its begin to its end. See sim.h. */
#include "sim.h"

#include <stdio.h>

bool sim_chance(struct sim *sim, uint64_t numerator, uint64_t denominator)
{
    return random_chance(&sim->random, numerator, denominator);
}

uint64_t sim_below(struct sim *sim, uint64_t n)
{
    return random_below(&sim->random, n);
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    char line[400];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t used = (size_t)size < sizeof line ? (size_t)size : sizeof line - 1;
    sim->trace = hash_bytes(sim->trace, line, used);
    if (sim->is_traced) {
        printf("%s\n", line);
    }
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sim->finding, sizeof sim->finding, format, args);
    va_end(args);
    longjmp(sim->failed, 1);
}

bool sim_run(struct sim *sim, uint64_t seed, bool is_traced)
{
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->is_traced = is_traced;
    random_seed(&sim->random, seed);
    arena_init(&sim->arena);
    ledger_init(&sim->ledger, sim, &sim->arena);
    if (setjmp(sim->failed) != 0) {
        return false; /* everything is left where it is: the process ends */
    }
    driver_begin(sim);
    for (unsigned i = 0; i < sim->steps; i++) {
        driver_move(sim);
    }
    finish(sim);
    replay_all(sim);
    driver_end(sim);
    ledger_done(&sim->ledger);
    arena_done(&sim->arena);
    return true;
}
