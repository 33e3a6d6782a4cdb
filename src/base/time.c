/* SPDX-License-Identifier: MIT
 *
 * Time as text, by arithmetic alone: no time zones, no locale, no libc.
 */
#include "base/time.h"

#include <stdbool.h>

struct date {
    int64_t year;
    unsigned month, day;
};

/* The civil date of a day counted from 1970-01-01. Howard Hinnant's method: years begin in March,
 * so that the leap day is the last, and come in eras of 400, which are all alike. */
static struct date date_of_day(int64_t day)
{
    day += 719468; /* days from 0000-03-01 to 1970-01-01 */
    int64_t era = (day >= 0 ? day : day - 146096) / 146097;
    unsigned day_of_era = (unsigned)(day - era * 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month_from_march = (5 * day_of_year + 2) / 153;
    unsigned month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    return (struct date){
        .year = (int64_t)year_of_era + era * 400 + (month <= 2 ? 1 : 0),
        .month = month,
        .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
    };
}

/* Writes the lowest count digits of n and what comes after them; returns where to go on. */
static char *put(char *at, int64_t n, int count, char after)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + n % 10);
        n /= 10;
    }
    at[count] = after;
    return at + count + 1;
}

void time_format(time_us t, char out[32])
{
    const int64_t day_us = 86400 * TIME_SECOND;
    int64_t day = t / day_us;
    int64_t rest = t % day_us;
    if (rest < 0) {
        rest += day_us;
        day -= 1;
    }
    struct date date = date_of_day(day);
    int64_t seconds = rest / TIME_SECOND;
    bool is_wide = date.year < 0 || date.year > 9999; /* six digits hold any time_us */
    if (is_wide) {
        *out++ = date.year < 0 ? '-' : '+';
    }
    out = put(out, date.year < 0 ? -date.year : date.year, is_wide ? 6 : 4, '-');
    out = put(out, date.month, 2, '-');
    out = put(out, date.day, 2, 'T');
    out = put(out, seconds / 3600, 2, ':');
    out = put(out, seconds / 60 % 60, 2, ':');
    out = put(out, seconds % 60, 2, '.');
    out = put(out, rest % TIME_SECOND, 6, 'Z');
    *out = '\0';
}
