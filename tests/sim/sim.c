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

uint64_t sim_sender_of(struct text execution_id)
{
    return hash_bytes(5, execution_id.at, execution_id.size) >> 24;
}

void sim_put(struct map *map, struct text key, void *value)
{
    (void)map_remove(map, key);
    map_put(map, key, value);
}

void sim_disturb(struct sim *sim, struct text id)
{
    sim_put(&sim->disturbed, text_copy(&sim->arena, id), sim);
}

static void init_maps(struct sim *sim)
{
    map_init(&sim->paid);
    map_init(&sim->forks);
    map_init(&sim->stops);
    map_init(&sim->killable);
    map_init(&sim->disturbed);
}

static void end_maps(struct sim *sim)
{
    map_done(&sim->paid);
    map_done(&sim->forks);
    map_done(&sim->stops);
    map_done(&sim->killable);
    map_done(&sim->disturbed);
}

bool sim_run(struct sim *sim, uint64_t seed, bool is_traced)
{
    memset(sim, 0, sizeof *sim);
    sim->seed = seed;
    sim->is_traced = is_traced;
    random_seed(&sim->random, seed);
    arena_init(&sim->arena);
    ledger_init(&sim->ledger, sim, &sim->arena);
    spy_init(sim);
    init_maps(sim);
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
    spy_done(sim);
    end_maps(sim);
    arena_done(&sim->arena);
    return true;
}
