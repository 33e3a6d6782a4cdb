/* SPDX-License-Identifier: MIT
 *
 * How often something took how long: counts of durations by steps from 0.1 ms to 10 minutes, as
 * monitoring wants them. A few words; who adds and who reads see to it that they do not do so at
 * once. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_STEPS = 13 };

struct histogram {
    uint64_t counts[HISTOGRAM_STEPS + 1]; /* that took at most so long, and not the step before */
    uint64_t sum_us;
};

/* The longest of each step but the last, which has no end. */
static const int64_t histogram_us[HISTOGRAM_STEPS] = {
    100,    500,     1000,    5000,     10000,    50000,     100000,
    500000, 1000000, 5000000, 10000000, 60000000, 600000000,
};

static inline void histogram_add(struct histogram *histogram, int64_t us)
{
    size_t step = 0;
    while (step < HISTOGRAM_STEPS && us > histogram_us[step]) {
        step++;
    }
    histogram->counts[step]++;
    histogram->sum_us += us > 0 ? (uint64_t)us : 0;
}

#endif
