/* SPDX-License-Identifier: MIT
 *
 * Civil: days since 1970-01-01 as year, month and day, and back; proleptic Gregorian, any year that
 * 64 bits of seconds can name.
 *
 * A year is taken to begin in March, so that the day that comes and goes is its last, and months
 * have a regular length: 153 days for every five. */
#ifndef CALENDAR_CIVIL_H
#define CALENDAR_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

enum { DAY_SECONDS = 86400 };

struct civil {
    int64_t year;
    int month, day; /* 1 to 12, 1 to 31 */
};

static inline int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

static inline int64_t civil_days(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400);
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static inline struct civil civil_of(int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct civil civil = { era * 400 + year, (int)(month < 10 ? month + 3 : month - 9),
                           (int)(of_year - (153 * month + 2) / 5 + 1) };
    civil.year += civil.month <= 2 ? 1 : 0;
    return civil;
}

/* 0: Sunday */
static inline int civil_weekday(int64_t days)
{
    return (int)(days + 4 - floor_div(days + 4, 7) * 7);
}

static inline bool civil_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static inline int civil_month_days(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return days[month - 1] + (month == 2 && civil_is_leap(year) ? 1 : 0);
}

#endif
