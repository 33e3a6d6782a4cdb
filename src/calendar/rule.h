/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share: a rule as sets of bits, bit n for the value n. */
#ifndef CALENDAR_RULE_H
#define CALENDAR_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "calendar/calendar.h"
#include "calendar/zone.h"

struct rule {
    int64_t period; /* microseconds; 0: by the fields, in the zone */
    struct zone *zone;
    uint64_t seconds, minutes, hours, days, months, weekdays;
    uint64_t before_last; /* day: bit n: n days before the last one of the month */
    uint64_t near_days;   /* day: bit n: the weekday next to it; bit 0: to the last one */
    uint64_t of_month[7]; /* weekday: bit 1 to 5: the n-th one; bit 6: the last one */
    bool is_hour_any;     /* C1 */
    bool has_days;        /* the field is restricted */
    bool has_weekdays;    /* likewise */
};

#endif
