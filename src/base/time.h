/* SPDX-License-Identifier: MIT
 *
 * Points in time, as numbers. There is no clock here: "now" always comes in as an argument.
 *
 * Inside, time is microseconds since 1970-01-01 UTC, in an int64_t, which reaches past the year
 * 290,000 in both directions. Additions saturate instead of wrapping, so that "in a million years"
 * means never and not yesterday. In the public header time is milliseconds: going there rounds
 * towards the past, going back is exact unless it saturates.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <perdure.h>
#include <stdint.h>

typedef int64_t time_us; /* microseconds since 1970-01-01 UTC */

#define TIME_NEVER INT64_MAX
#define TIME_MS INT64_C(1000) /* a millisecond, a second */
#define TIME_SECOND INT64_C(1000000)

/* t + delta microseconds, within what a time_us can hold; TIME_NEVER stays TIME_NEVER. */
static inline time_us time_add(time_us t, int64_t delta)
{
    int64_t sum;
    if (t == TIME_NEVER) {
        return TIME_NEVER;
    }
    if (__builtin_add_overflow(t, delta, &sum)) {
        return delta < 0 ? INT64_MIN : TIME_NEVER;
    }
    return sum;
}

static inline int64_t time_us_of_ms(int64_t ms)
{
    int64_t us;
    if (__builtin_mul_overflow(ms, TIME_MS, &us)) {
        return ms < 0 ? INT64_MIN : INT64_MAX;
    }
    return us;
}

static inline int64_t time_ms_of_us(int64_t us)
{
    return us / TIME_MS - (us % TIME_MS < 0 ? 1 : 0);
}

static inline time_us time_of_public(pd_time t)
{
    return time_us_of_ms(t.ms);
}

static inline pd_time time_to_public(time_us t)
{
    return (pd_time){ time_ms_of_us(t) };
}

/* A duration in microseconds. */
static inline int64_t time_of_duration(pd_duration d)
{
    return time_us_of_ms(d.ms);
}

/* ISO 8601 in UTC: 2026-03-01T12:34:56.789012Z. Other years have a sign and six digits. */
void time_format(time_us t, char out[32]);

#endif
