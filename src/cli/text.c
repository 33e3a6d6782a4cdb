/* SPDX-License-Identifier: MIT
 *
 * Small text tools: strings that grow, JSON quoting, times and durations as people write them.
 *
 * Times go out in UTC with a Z wherever a program may read them, and in the user's own zone in
 * tables. They come in as RFC 3339 or as "so long ago".
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"

static void out_of_memory(void)
{
    fputs("perdure: out of memory\n", stderr);
    exit(CODE_OTHER);
}

static void reserve(struct string *s, size_t more)
{
    if (s->room - s->size > more) {
        return;
    }
    size_t room = s->room != 0 ? s->room : 64;
    while (room - s->size <= more) {
        room *= 2;
    }
    char *at = realloc(s->at, room);
    if (at == NULL) {
        out_of_memory();
        return;
    }
    s->at = at;
    s->room = room;
}

void string_add(struct string *s, const char *text, size_t size)
{
    reserve(s, size);
    if (size > 0) {
        memcpy(s->at + s->size, text, size);
    }
    s->size += size;
    s->at[s->size] = 0;
}

void string_text(struct string *s, const char *text)
{
    string_add(s, text, strlen(text));
}

void string_format(struct string *s, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size >= 0) {
        reserve(s, (size_t)size);
        vsnprintf(s->at + s->size, (size_t)size + 1, format, again);
        s->size += (size_t)size;
    }
    va_end(again);
}

void string_done(struct string *s)
{
    free(s->at);
    *s = (struct string){ 0 };
}

void string_quote(struct string *s, const char *text)
{
    if (text == NULL) {
        string_text(s, "null");
        return;
    }
    string_text(s, "\"");
    for (const char *p = text; *p != 0; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') {
            string_format(s, "\\%c", c);
        } else if (c == '\n') {
            string_text(s, "\\n");
        } else if (c == '\t') {
            string_text(s, "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            string_format(s, "\\u%04x", c);
        } else {
            string_add(s, p, 1);
        }
    }
    string_text(s, "\"");
}

void string_failure(struct string *s, const pd_failure *failure)
{
    if (failure == NULL) {
        string_text(s, "null");
        return;
    }
    string_text(s, "{\"type\":");
    string_quote(s, failure->type);
    string_text(s, ",\"message\":");
    string_quote(s, failure->message);
    string_format(s, ",\"final\":%s", failure->final ? "true" : "false");
    const pd_failure *cause = failure->cause;
    if (cause != NULL) {
        string_text(s, ",\"cause\":");
        string_failure(s, cause); /* the library bounds how deep they are */
    }
    for (const pd_failure *more = cause != NULL ? cause->next : NULL; more; more = more->next) {
        string_text(s, more == cause->next ? ",\"moreCauses\":[" : ",");
        string_failure(s, more);
        string_text(s, more->next == NULL ? "]" : "");
    }
    string_text(s, "}");
}

/* ---- times ---- */

int64_t clock_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Whole seconds rounded down, and the rest, also before 1970. */
static time_t split(int64_t us, int *ret_micros)
{
    int64_t rest = us % 1000000;
    if (rest < 0) {
        rest += 1000000;
    }
    *ret_micros = (int)rest;
    return (time_t)((us - rest) / 1000000);
}

struct time_text time_iso(int64_t us, bool with_micros)
{
    struct time_text ret;
    struct tm parts;
    int micros = 0;
    time_t seconds = split(us, &micros);
    char rest[8];
    gmtime_r(&seconds, &parts);
    size_t size = strftime(ret.text, sizeof ret.text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(rest, sizeof rest, with_micros ? "%06d" : "%03d",
             with_micros ? micros : micros / 1000);
    snprintf(ret.text + size, sizeof ret.text - size, ".%sZ", rest);
    return ret;
}

struct time_text time_local(int64_t us)
{
    struct time_text ret;
    struct tm parts;
    int micros = 0;
    time_t seconds = split(us, &micros);
    localtime_r(&seconds, &parts);
    strftime(ret.text, sizeof ret.text, "%Y-%m-%d %H:%M:%S", &parts);
    return ret;
}

struct time_text time_clock(int64_t us)
{
    struct time_text ret;
    struct tm parts;
    int micros = 0;
    time_t seconds = split(us, &micros);
    localtime_r(&seconds, &parts);
    size_t size = strftime(ret.text, sizeof ret.text, "%H:%M:%S", &parts);
    snprintf(ret.text + size, sizeof ret.text - size, ".%03d", micros / 1000);
    return ret;
}

bool duration_read(const char *text, pd_duration *ret)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 },      { "s", 1000 },    { "", 1000 },      { "m", 60000 },
                  { "min", 60000 }, { "h", 3600000 }, { "d", 86400000 }, { "w", 604800000 } };
    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].unit) == 0) {
            double ms = number * (double)units[i].ms;
            if (errno != 0 || !(ms >= 0 && ms < 4e15)) {
                return false;
            }
            ret->ms = (int64_t)(ms + 0.5);
            return true;
        }
    }
    return false;
}

/* "Z", "+01:00", "" (the user's own zone): seconds east of UTC; local says which. */
static bool zone_read(const char *text, bool *ret_local, long *ret_east)
{
    *ret_local = *text == 0;
    *ret_east = 0;
    if (*text == 0 || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0) {
        return true;
    }
    int hours = 0, minutes = 0, used = 0;
    if ((*text != '+' && *text != '-') ||
        sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) < 2 || text[1 + used] != 0 ||
        hours > 23 || minutes > 59) {
        return false;
    }
    *ret_east = (hours * 3600L + minutes * 60L) * (*text == '-' ? -1 : 1);
    return true;
}

bool time_read_future(const char *text, pd_time *ret)
{
    pd_duration ahead;
    if (duration_read(text, &ahead)) {
        ret->ms = clock_now_ms() + ahead.ms;
        return true;
    }
    return time_read(text, ret);
}

/* The last days of months are not all alike, which strptime does not look at. */
static bool is_day(const struct tm *parts)
{
    struct tm noon = {
        .tm_year = parts->tm_year, .tm_mon = parts->tm_mon, .tm_mday = parts->tm_mday, .tm_hour = 12
    };
    (void)timegm(&noon);
    return noon.tm_mday == parts->tm_mday;
}

bool time_read(const char *text, pd_time *ret)
{
    pd_duration ago;
    if (duration_read(text, &ago)) {
        ret->ms = clock_now_ms() - ago.ms;
        return true;
    }
    struct tm parts = { .tm_isdst = -1 };
    const char *rest = strptime(text, "%Y-%m-%d", &parts);
    if (rest == NULL || !is_day(&parts)) {
        return false;
    }
    int64_t ms = 0;
    if (*rest == 'T' || *rest == 't' || *rest == ' ') {
        const char *after = strptime(rest + 1, "%H:%M:%S", &parts);
        rest = after != NULL ? after : strptime(rest + 1, "%H:%M", &parts);
        if (rest == NULL) {
            return false;
        }
        if (*rest == '.') {
            int64_t weight = 100;
            for (rest++; isdigit((unsigned char)*rest); rest++, weight /= 10) {
                ms += (*rest - '0') * weight;
            }
        }
    }
    bool local = false;
    long east = 0;
    if (!zone_read(rest, &local, &east)) {
        return false;
    }
    int64_t seconds = (int64_t)(local ? mktime(&parts) : timegm(&parts)) - east;
    ret->ms = seconds * 1000 + ms;
    return true;
}
