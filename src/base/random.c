/* SPDX-License-Identifier: MIT
 *
 * xoshiro256** 1.0 by David Blackman and Sebastiano Vigna (public domain), seeded as its authors
 * advise. The numbers for a seed are part of what tests and histories rely on: see
 * the_numbers_of_a_seed_never_change.
 */
#include "base/random.h"

#include "base/assert.h"

static uint64_t rotate_left(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

void random_seed(struct random *random, uint64_t seed)
{
    /* splitmix64: four different words even for seed 0. */
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        random->s[i] = z ^ (z >> 31);
    }
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t n)
{
    assert_that(n > 0);
    /* The lowest 2^64 mod n numbers are rejected, so that what is left divides evenly. */
    uint64_t reject = (0 - n) % n;
    uint64_t x;
    do {
        x = random_next(random);
    } while (x < reject);
    return x % n;
}

bool random_chance(struct random *random, uint64_t numerator, uint64_t denominator)
{
    return random_below(random, denominator) < numerator;
}

void random_hex32(struct random *random, char out[33])
{
    static const char digits[] = "0123456789abcdef";
    for (int half = 0; half < 2; half++) {
        uint64_t x = random_next(random);
        for (int i = 0; i < 16; i++) {
            out[half * 16 + i] = digits[x >> 60];
            x <<= 4;
        }
    }
    out[32] = '\0';
}
