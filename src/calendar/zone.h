/* SPDX-License-Identifier: MIT
 *
 * Zones: how far the clocks of a place are from UTC, by the system's tzdata.
 *
 * libc can only tell for the one zone of the process; so the files are read here (RFC 8536), and
 * the rule in their last line, which holds for all times after those that are listed.
 *
 *   N1  A zone is a row of spans without gaps: in each its distance from UTC is constant, and that
 *       of its neighbours another one. */
#ifndef CALENDAR_ZONE_H
#define CALENDAR_ZONE_H

#include <perdure.h>
#include <stdint.h>

struct zone;

/* "Europe/Berlin"; NULL, "" or "UTC": UTC, without a file. PD_E_INVALID: there is none of that
 * name, or it is damaged. Read from TZDIR if that is set, else from where Debian has it. */
struct zone *zone_open(const char *name, pd_error *err);
void zone_free(struct zone *zone); /* NULL is fine */

/* Seconds since 1970 UTC: from <= t < until. */
struct zone_span {
    int64_t from, until; /* INT64_MIN, INT64_MAX: for ever */
    int64_t offset;      /* seconds that local time is ahead of UTC */
};
struct zone_span zone_span_at(const struct zone *zone, int64_t t);

#endif
