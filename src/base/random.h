/* SPDX-License-Identifier: MIT
 *
 * Random numbers from a seed: xoshiro256**, seeded through splitmix64.
 *
 * The same seed gives the same numbers on every machine, for ever: the simulator, execution ids in
 * tests and pd_random rest on that. Not for secrets: whoever sees a few numbers knows the rest.
 * Real randomness comes in from outside, as a seed.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t s[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t n); /* 0 .. n-1, all equally likely; n > 0 */
bool random_chance(struct random *random, uint64_t numerator, uint64_t denominator);
void random_hex32(struct random *random, char out[33]); /* 32 lower-case hexadecimal digits */

#endif
