/* SPDX-License-Identifier: MIT
 *
 * Calendar: a rule says when something is due.
 *
 *     minute hour day month weekday         "30 8 * * 1-5"
 *     second minute hour day month weekday  "0 30 8 * * 1-5"
 *     @yearly @annually @monthly @weekly @daily @midnight @hourly
 *     @every 90s                            units h, m, s, ms: "1h30m"; from a second to ten years
 *     TZ=Europe/Berlin 30 8 * * *           likewise CRON_TZ=; else in the zone that is given
 *
 * A field is a list of *, ?, a, a-b, each with /step if wanted; months and weekdays also by their
 * English names; 0 and 7 are Sunday. Day: L the last, L-3, LW the last weekday, 15W the weekday
 * next to the 15th in its month. Weekday: 5L the last Friday, 5#2 the second. Where both day and
 * weekday are restricted, a day that fits either is due, as cron has it.
 *
 * When clocks change:
 *
 *   C1  A rule whose hour is a single *, goes by real time: it is due in both of two hours of the
 *       same name, and in none that is left out.
 *   C2  Any other is due once for each time that it names: of two of the same name at the first,
 *       and for those that are left out once, at the first moment after. */
#ifndef CALENDAR_CALENDAR_H
#define CALENDAR_CALENDAR_H

#include <perdure.h>

#include "base/time.h"

struct rule;

/* PD_E_INVALID, with a sentence that says which field and why; also for a rule that is never due.
 * zone NULL: UTC. */
struct rule *rule_parse(const char *text, const char *zone, pd_error *err);
void rule_free(struct rule *rule); /* NULL is fine */

/* The first time after `after` at which it is due; TIME_NEVER: not within fifty years. An interval
 * counts from `anchor`, and is not due before it. */
time_us rule_next(const struct rule *rule, time_us anchor, time_us after);

#endif
