/* SPDX-License-Identifier: MIT
 *
 * The last line of a file of tzdata: a zone as POSIX writes it in TZ, "CET-1CEST,M3.5.0,M10.5.0/3".
 * It holds for ever after the times that the file lists. */
#ifndef CALENDAR_ZONE_RULE_H
#define CALENDAR_ZONE_RULE_H

#include <stdbool.h>

#include "calendar/zone.h"

/* The day, and the second of it, on which clocks change each year. */
struct edge {
    enum { EDGE_WEEKDAY, EDGE_JULIAN, EDGE_DAY } kind;
    int month, week, day; /* WEEKDAY: month, week 1 to 5 (the last), day 0 to 6; else only day */
    int64_t seconds;      /* of local time; may be before or after that day */
};

struct zone_rule {
    int64_t offset, summer_offset; /* ahead of UTC */
    bool has_summer;
    struct edge begin, end; /* of summer time */
};

bool zone_rule_parse(struct zone_rule *rule, const char *text);
struct zone_span zone_rule_span_at(const struct zone_rule *rule, int64_t t);

#endif
